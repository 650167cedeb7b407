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
from qc.scan.evaluate import PackScanner
from qc.scan.view import Call, view
from qc.text.redact import redact_turns

if TYPE_CHECKING:
    from qc.scan.verdicts import Evidence
    from qc.store import Store

BATCH_CALLS = 256
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
    scanner = PackScanner(pack_of(condition))
    listed = _call_list(store)
    for batch in store.batches("transcripts", rows=BATCH_CALLS):
        calls: list[Call] = []
        for row in batch.to_pylist():
            summary.calls += 1
            call = _call(row, options) if row["status"] == "ok" else None
            if call is None:
                summary.failed += 1
            else:
                calls.append(call)
        for call, matches in zip(calls, scanner.scan(calls), strict=True):
            finding = scanner.findings(call, matches)[0]
            if finding.verdict == "hit":
                summary.hits += 1
                summary.places += len(finding.evidence)
                heard = tuple((turn.number, turn.role, turn.text) for turn in call.turns if turn.reliable)
                yield CallHits(call.call_id, listed.get(call.call_id, {}), _lines(call, finding.evidence), heard)
            elif finding.verdict == "undecided":
                summary.undecided += 1
            else:
                summary.misses += 1


def pack_of(condition: Condition) -> Pack:
    """A pack of one rule, `search`, with this condition and no cases."""
    rule = Rule("search", _TEXT, _TEXT, "search", "low", 0, condition, ())
    return Pack("search", "0.0.0", _TEXT, (Dimension("search", _TEXT),), (rule,))


def _call(row: dict[str, Any], options: SearchOptions) -> Call | None:
    if options.redact:
        turns = row.get("turns") or []
        row = row | {"turns": [t | {"text": text} for t, text in zip(turns, redact_turns(turns), strict=True)]}
    try:
        return view(row)
    except (TypeError, ValueError, KeyError):
        return None


def _call_list(store: Store) -> dict[str, dict[str, str]]:
    """What is shown beside a call, where the list says it."""
    found = {}
    for batch in store.batches("calls", ("call_id", *_LISTED)):
        for row in batch.to_pylist():
            found[row["call_id"]] = {name: str(row[name]) for name in _LISTED if row[name] is not None}
    return found


def _lines(call: Call, evidence: Sequence[Evidence]) -> tuple[FoundLine, ...]:
    """Evidence by turn, in order of time; what lies between turns by itself."""
    by_turn = {turn.number: turn for turn in call.turns}
    marks: dict[int, list[tuple[int, int]]] = {}
    lines: list[FoundLine] = []
    for one in evidence:
        turn = None if one.turn is None else by_turn.get(one.turn)
        if turn is None:
            lines.append(FoundLine(None, one.role, one.start_ms, one.end_ms, "", ()))
        elif one.char_start is not None and one.char_end is not None:
            marks.setdefault(turn.number, []).append((one.char_start, one.char_end))
    for number, listed in marks.items():
        turn = by_turn[number]
        lines.append(FoundLine(number, turn.role, turn.start_ms, turn.end_ms, turn.text, _apart(listed)))
    return tuple(sorted(lines, key=lambda line: (line.start_ms, -1 if line.turn is None else line.turn)))


def _apart(marks: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Marks in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)
