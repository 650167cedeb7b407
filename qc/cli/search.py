"""`qc search`: one line of the rule language over the transcripts of a store."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, options
from qc.errors import StoreError, UsageError

if TYPE_CHECKING:
    from qc.packs.conditions import Condition
    from qc.search import CallHits, SearchSummary
    from qc.search.find import FoundLine

SHOWN = 20
WHOLE, AROUND = 240, 60
"""In a terminal a turn of more characters is shown in parts: so many before and after what was found."""
_COLUMNS = ("call_id", "agent_id", "provider", "started_at", "turn", "role", "start_ms", "end_ms", "quote", "text")


def search(
    query: Annotated[str, typer.Argument(help="What to look for, for example 'agent:尽快 NOT agent:小时'.", show_default=False)],
    store: options.StoreFolder = Path("qc-store"),
    count: Annotated[bool, typer.Option("--count", help="Print how many calls, and nothing else.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Calls to show; 20 in text, all in JSON and files if not given.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--out", "-o", help="Write what was found to this .csv or .jsonl file.")] = None,
    rule: Annotated[
        bool, typer.Option("--as-rule", help="Print the query as a rule in YAML, with cases from the calls.")
    ] = False,
    redact: options.Redact = False,
    as_json: options.Json = False,
) -> None:
    """Search the transcripts of a store with one line of the rule language.

    \b
    投诉|举报                        either word, said by anyone
    agent:尽快 first 30s             who, and where: last 20s, first 3 turns of agent
    "thank you"  /退.{0,3}款/        a phrase, a pattern
    sound:投诉  fuzzy:七天无理由      written as it sounds, nearly
    entity:phone  similar:"…"        phone numbers and the like, turns nearly like this one
    A B   A OR B   NOT A   ( … )     both in the call, either, surely not
    A NEAR/5s B   A NOT NEAR B       near each other (5s, 2turns, 10chars)
    A THEN/3turns B                  one after the other

    It means what the same rule would mean: text that was not reliably heard finds nothing, and calls of which not enough
    was heard are counted as undecided. With --redact the masked text is searched: what is masked cannot be found.

    Away from a terminal there is a line for each turn: call, time, role, text, between tabs.

    Example:  qc search 'agent:尽快|稍后 NOT agent:/[0-9]+(小时|分钟|天)/' --store qc-store
    """
    from qc.search import SearchSummary, parse_query
    from qc.search import search as run
    from qc.search.find import SearchOptions
    from qc.search.query import slips

    _one_of(count=count, rule=rule, output=output is not None)
    condition = parse_query(query)
    if output is not None and output.suffix.lower() not in (".csv", ".jsonl"):
        raise UsageError(f"cannot write {output.suffix or output.name!r}", where="--out", hint="name a .csv or a .jsonl file")
    opened = options.existing_store(store)
    if not opened.parts("transcripts"):
        hint = "run `qc transcribe` or `qc import` first"
        raise StoreError("there are no transcripts here", where=str(store), hint=hint, code="empty")
    for note in slips(query):
        console.say(f"note: {note}")
    summary = SearchSummary()
    found = run(opened, condition, SearchOptions(redact=redact), summary)
    if rule:
        from qc.search.as_rule import FROM_CALLS, as_rule

        first = list(itertools.islice(found, FROM_CALLS))
        sys.stdout.write(as_rule(query, condition, first))
    elif output is not None:
        _write(output, _limited(found, limit))
        console.out(f"{_counted(summary)}; written to {output}")
    elif as_json:
        kept = [] if count else [_plain(call) for call in _limited(found, limit)]
        _exhaust(found)
        value = {"query": query, "store": str(store), **vars(summary)}
        console.emit_json(value if count else value | {"found": kept})
    elif count:
        _exhaust(found)
        console.out(_counted(summary))
    else:
        _show(found, SHOWN if limit is None else limit, summary)
        if not summary.hits:
            _say_what_may_help(condition, redact)


def _one_of(**asked: bool) -> None:
    if sum(asked.values()) > 1:
        raise UsageError("--count, --as-rule and --out do not go together", hint="give one of them")


def _exhaust(found: Iterable[CallHits]) -> None:
    for _ in found:
        pass


def _limited(found: Iterator[CallHits], limit: int | None) -> Iterator[CallHits]:
    """At most `limit` of them; the rest are still counted."""
    for index, call in enumerate(found):
        if limit is None or index < limit:
            yield call


def _counted(summary: SearchSummary) -> str:
    said = f"{summary.hits:,} of {console.several(summary.calls, 'call')}, {console.several(summary.places, 'place')}"
    if summary.undecided:
        said += f"; {summary.undecided:,} undecided (not all was heard)"
    return said + (f"; {summary.failed:,} without a transcript" if summary.failed else "")


def _clock(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes:02d}:{seconds:02d}"


def _show(found: Iterator[CallHits], limit: int, summary: SearchSummary) -> None:
    from rich.console import Console
    from rich.text import Text

    terminal = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else None
    for call in _limited(found, limit):
        if terminal is None:
            for line in call.lines:
                text = console.clean(line.text).replace("\t", " ").replace("\n", " ")
                console.out(f"{call.call_id}\t{_clock(line.start_ms)}\t{line.role}\t{text}")
            continue
        head = "  ".join([call.call_id, *(call.listed[name] for name in ("provider", "agent_id") if name in call.listed)])
        terminal.print(Text(console.clean(head), style="bold"))
        for line in call.lines:
            terminal.print(_line(line))
    shown = min(limit, summary.hits)
    more = f" ({shown:,} shown; --limit shows more)" if shown < summary.hits else ""
    console.say(_counted(summary) + more)


def _say_what_may_help(condition: Condition, redact: bool) -> None:
    """Why a search may have found nothing though it was said."""
    from qc.scan.matching import terms_of
    from qc.text.normal import kind, normal_text

    if redact:
        console.say("note: the masked text was searched; what is masked cannot be found")
    terms = list(terms_of(condition))
    written = [term.text for term in terms if term.kind == "word"]
    if len(written) == len(terms):
        word = next((w for w in written if len(normal_text(w)) > 1 and all(kind(c) == "c" for c in normal_text(w))), "")
        if word:
            console.say(f"note: recognisers may write other characters that sound the same: try sound:{word}")


def _line(line: FoundLine) -> Any:
    from rich.text import Text

    drawn = Text(f"  {_clock(line.start_ms)} {line.role:<8} ", style="dim")
    if line.turn is None:
        return drawn.append(f"({(line.end_ms - line.start_ms) / 1000:g} s)")
    for part, found in parts_shown(line.text.replace("\n", " ").replace("\t", " "), line.marks):
        drawn.append(console.clean(part), style="not dim bold black on yellow" if found else "not dim")
    return drawn


def parts_shown(text: str, marks: Sequence[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """A turn as a terminal shows it, in parts that were found and parts that were not; of a long one what lies far away is left out."""
    position = 0
    for start, end in (*marks, (len(text), len(text))):
        between = text[position:start]
        head, tail = (AROUND if position else 0), (AROUND if start < len(text) else 0)
        if len(text) > WHOLE and len(between) > head + tail + 3:
            before, after = between[:head] + " " * (head > 0), " " * (tail > 0) + between[len(between) - tail :]
            between = f"{before}…{after}"
        if between:
            yield between, False
        if start < end:
            yield text[start:end], True
        position = end


def _plain(call: CallHits) -> dict[str, Any]:
    return {
        "call_id": call.call_id,
        **call.listed,
        "lines": [
            {
                "turn": line.turn,
                "role": line.role,
                "start_ms": line.start_ms,
                "end_ms": line.end_ms,
                "text": line.text,
                "marks": [list(mark) for mark in line.marks],
            }
            for line in call.lines
        ],
    }


def _write(output: Path, found: Iterable[CallHits]) -> None:
    """A row for each turn found, a batch at a time; the file appears when it is whole. Raises StoreError."""
    import csv

    from qc.text.cells import harmless

    beside = output.with_name(f".{output.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="") as sink:
            if output.suffix.lower() == ".jsonl":
                for call in found:
                    sink.write(json.dumps(_plain(call), ensure_ascii=False, sort_keys=True) + "\n")
            else:
                sink.write("\ufeff")
                writer = csv.writer(sink, lineterminator="\n")
                writer.writerow(_COLUMNS)
                for call in found:
                    writer.writerows([harmless(str(cell)) for cell in _cells(call, line)] for line in call.lines)
        beside.replace(output)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(f"cannot write: {error.strerror}", where=str(output)) from error


def _cells(call: CallHits, line: FoundLine) -> Iterator[Any]:
    quote = " … ".join(line.text[start:end] for start, end in line.marks)
    yield call.call_id
    yield from (call.listed.get(name, "") for name in _COLUMNS[1:4])
    yield from ("" if line.turn is None else line.turn, line.role, line.start_ms, line.end_ms, quote, line.text)
