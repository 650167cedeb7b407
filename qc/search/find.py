"""A condition over the transcripts of a store: which calls it holds in, and the turns that show it.

The same scanner as a rule's: quarantined text finds nothing, and a call of which not enough was heard is undecided, not
a miss. With `redact` the search itself runs over the masked text: what is masked cannot be found, so nobody can learn by
asking whether a number is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qc.packs.conditions import Condition
from qc.packs.model import Dimension, Pack, Rule
from qc.text.redact import redact_turns

if TYPE_CHECKING:
    import pyarrow as pa

    from qc.store import Store

BATCH_CALLS = 1024
_LISTED = ("agent_id", "provider", "started_at")
_TEXT = {"zh": "search", "en": "search"}


@dataclass(frozen=True)
class SearchOptions:
    """`redact`: personal data masked before anything is looked for."""

    redact: bool = False


@dataclass(frozen=True)
class FoundLine:
    """A turn that shows the hit, whole; `marks`: characters [start, end) found in it. `turn` is None for what lies between
    turns (a silence): then there is no text."""

    turn: int | None
    role: str
    start_ms: int
    end_ms: int
    text: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class CallHits:
    """One call that the query hits. `listed`: agent, provider and start by the call list, where it says."""

    call_id: str
    listed: Mapping[str, str]
    lines: tuple[FoundLine, ...]
    dialogue: tuple[tuple[int, str, str], ...] = field(default=(), repr=False)
    """All turns that were heard, as (number, role, text): what cases of a rule are made from."""


@dataclass
class SearchSummary:
    """Counted while searching. `calls` = `hits` + `misses` + `undecided` + `failed`; `places`: evidence in all hits."""

    calls: int = 0
    hits: int = 0
    misses: int = 0
    undecided: int = 0
    failed: int = 0
    places: int = 0


def search(store: Store, condition: Condition, options: SearchOptions, summary: SearchSummary) -> Iterator[CallHits]:
    """Calls that the condition hits, in the order of the store; `summary` counts all of them.

    Memory stays flat: a batch of calls at a time. Raises StoreError.
    """
    import numpy as np

    from qc.scan.columns import NAMES, Batch, Columns
    from qc.scan.emit import BatchScanner, Verdicts

    pack = pack_of(condition)
    scanner = BatchScanner(pack)
    listed = _call_list(store)
    for batch in store.batches("transcripts", NAMES, rows=BATCH_CALLS):
        table = _redacted(batch) if options.redact else batch
        columns = Columns(table)
        verdicts = Verdicts()
        broken = scanner.scan(Batch(columns, None, {}), columns.ok.copy(), verdicts)
        ok = columns.ok.copy()
        ok[list(broken)] = False
        found, hits, undecided = verdicts.column(columns.size, pack.rules, ok)
        summary.calls += columns.size
        summary.failed += columns.size - int(ok.sum())
        summary.undecided += int(undecided[ok].sum())
        summary.misses += int(ok.sum() - hits[ok].sum() - undecided[ok].sum())
        places = np.flatnonzero(ok & (hits > 0))
        rows = table.take(places)
        for row, verdict in zip(rows.to_pylist(), found.take(places).to_pylist(), strict=True):
            evidence = verdict[0]["evidence"]
            summary.hits += 1
            summary.places += len(evidence)
            yield _hits(row, evidence, listed.get(row["call_id"], {}))


def pack_of(condition: Condition) -> Pack:
    """A pack of one rule, `search`, with this condition and no cases."""
    rule = Rule("search", _TEXT, _TEXT, "search", "low", 0, condition, ())
    return Pack("search", "0.0.0", _TEXT, (Dimension("search", _TEXT),), (rule,))


def _redacted(batch: pa.Table) -> pa.Table:
    """The same calls with the texts of their turns masked."""
    import pyarrow as pa

    rows = batch.to_pylist()
    for row in rows:
        turns = row["turns"] or []
        row["turns"] = [turn | {"text": text} for turn, text in zip(turns, redact_turns(turns), strict=True)]
    return pa.Table.from_pylist(rows, schema=batch.schema)


def _call_list(store: Store) -> dict[str, dict[str, str]]:
    """What is shown beside a call, where the list says it."""
    found = {}
    for batch in store.batches("calls", ("call_id", *_LISTED)):
        for row in batch.to_pylist():
            found[row["call_id"]] = {name: str(row[name]) for name in _LISTED if row[name] is not None}
    return found


def _hits(row: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]], listed: Mapping[str, str]) -> CallHits:
    """A call with its evidence by turn, in order of time; what lies between turns by itself."""
    turns = {turn["turn"]: turn for turn in row["turns"] or ()}
    marks: dict[int, list[tuple[int, int]]] = {}
    lines: list[FoundLine] = []
    for one in evidence:
        if one["turn"] is None or one["turn"] not in turns:
            lines.append(FoundLine(None, one["role"], one["start_ms"], one["end_ms"], "", ()))
        elif one["char_start"] is not None and one["char_end"] is not None:
            marks.setdefault(one["turn"], []).append((one["char_start"], one["char_end"]))
    for number, spans in marks.items():
        turn = turns[number]
        start, end = turn["start_ms"] or 0, turn["end_ms"] or 0
        lines.append(FoundLine(number, turn["role"] or "unknown", start, end, turn["text"] or "", _apart(spans)))
    ordered = tuple(sorted(lines, key=lambda line: (line.start_ms, -1 if line.turn is None else line.turn)))
    heard = tuple((t["turn"], t["role"] or "unknown", t["text"] or "") for t in row["turns"] or () if not t["flags"])
    return CallHits(row["call_id"], listed, ordered, heard)


def _apart(marks: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Marks in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)
