"""A call as the reference evaluator sees it: turns, speech, places; who speaks, when, and what was heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from qc.packs.model import Pack
from qc.text.normal import Normal, normal

HIT, MISS, UNDECIDED, NOT_APPLICABLE = "hit", "miss", "undecided", "not_applicable"
STRETCH_MS = 2000
BREATH_MS = 300
LONGEST_TURN = 20_000
MOST_PLACES = 100
MOST_EVIDENCE = 50
MOST_COMPARED = 500
FEWEST_FOR_MEDIAN = 3
NO_TIME_STEP_MS = 1000


@dataclass(frozen=True)
class Turn:
    number: int
    role: str
    channel: int | None
    start: int
    end: int
    text: str
    normal: Normal
    counts: bool
    """Its words count: no flag, sure enough, no longer than a turn can be."""
    char_ms: Sequence[int] | None
    level: float | None


@dataclass(frozen=True)
class Span:
    role: str
    channel: int | None
    start: int
    end: int
    heard: bool


@dataclass(frozen=True)
class Place:
    """Where something happens: the evidence of a verdict."""

    start_ms: int
    end_ms: int
    role: str
    turn: int | None = None
    char_start: int | None = None
    char_end: int | None = None
    quote: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A condition's verdict. `window`: what shows that something was not there. `more`: why a hit may not be all of it."""

    verdict: str
    places: tuple[Place, ...] = ()
    coverage: float | None = None
    why: str = ""
    window: tuple[Place, ...] = ()
    more: str = ""


@dataclass(frozen=True)
class Zone:
    """A part of the call beside a place: `[start, end)`, or so many characters of one turn (`chars`)."""

    start: int
    end: int
    side: str
    anchor: Place
    chars: tuple[int, int] | None = None
    nowhere: bool = False


@dataclass
class Call:
    turns: list[Turn]
    spans: list[Span]
    timed: bool
    cut: bool
    silent: set[str]
    listed: Mapping[str, str | None]
    duration: int | None
    floor: float
    low: int = field(init=False)
    high: int = field(init=False)

    def __post_init__(self) -> None:
        spoken = [s for s in self.spans if s.role != "system"]
        self.low = min((s.start for s in spoken), default=0)
        self.high = max((s.end for s in spoken), default=0)


def read_call(pack: Pack, row: Mapping[str, Any], listed: Mapping[str, str | None] | None) -> Call:
    """A row of `transcripts` as the rules see it."""
    warnings = row.get("warnings") or []
    said = row.get("turns") or []
    timed = "no_times" not in warnings and all(t["start_ms"] is not None and t["end_ms"] is not None for t in said)
    turns = [_turn(pack, t, i, timed) for i, t in enumerate(said)]
    detected = (row.get("spans") or []) if timed else []
    lost = [s for s in detected if s.get("why") == "truncated"]
    if detected:
        spans = [_span(s) for s in detected]
        sounds = [_span(s) for s in detected if s not in lost]
    else:
        spans = sounds = [Span(t.role, t.channel, t.start, max(t.end, t.start + 1), t.counts) for t in turns]
    roles = {s.role for s in sounds} | {t.role for t in turns}
    silent = {"agent", "customer"} - roles
    if "unknown" in roles or (turns and all(t.channel is None for t in turns)):
        silent = set()
    if len(silent) == 2:
        silent.add("anyone")
    cut = "truncated" in warnings and not lost
    duration = row.get("duration_ms") if timed else None
    return Call(turns, spans, timed, cut, silent, listed or {}, duration, pack.coverage_floor)


def _turn(pack: Pack, turn: Mapping[str, Any], index: int, timed: bool) -> Turn:
    text, sure = turn["text"] or "", turn.get("avg_logprob")
    unsure = pack.confidence_floor is not None and sure is not None and sure < pack.confidence_floor
    start = turn["start_ms"] if timed else index * NO_TIME_STEP_MS
    end = turn["end_ms"] if timed else start + NO_TIME_STEP_MS
    chars = turn.get("char_ms")
    return Turn(
        number=index if turn.get("turn") is None else turn["turn"],
        role=turn["role"] or "unknown",
        channel=turn.get("channel"),
        start=start,
        end=max(start, end),
        text=text,
        normal=normal(text[:LONGEST_TURN]),
        counts=not turn.get("flags") and not unsure and len(text) <= LONGEST_TURN,
        char_ms=tuple(chars) if chars and None not in chars and len(chars) == len(text) else None,
        level=turn.get("level_dbfs"),
    )


def _span(span: Mapping[str, Any]) -> Span:
    start = span["start_ms"]
    return Span(span["role"] or "unknown", span["channel"], start, max(start, span["end_ms"]), bool(span["heard"]))


def is_by(role: str, who: str) -> bool:
    """Certainly by the one meant. Anyone is anyone but tones and prompts."""
    return role != "system" if who == "anyone" else role == who


def may_be_by(role: str, who: str) -> bool:
    """By the one meant, or by nobody knows whom."""
    return role == "unknown" or is_by(role, who)


def said_at(turn: Turn, first: int, last: int) -> tuple[int, int]:
    """When characters `[first, last)` of a turn were said."""
    if turn.char_ms is not None:
        start = turn.char_ms[first]
        return start, max(start, turn.char_ms[last] if last < len(turn.text) else turn.end)
    size, length = max(len(turn.text), 1), turn.end - turn.start
    return turn.start + length * first // size, turn.start + length * last // size


def stretch(call: Call, index: int) -> list[int]:
    """The turns around one that are one stretch: one speaker, nobody between, at most 2 s apart."""

    def joined(i: int) -> bool:
        return call.turns[i].role == call.turns[i - 1].role and call.turns[i].start - call.turns[i - 1].end <= STRETCH_MS

    first = last = index
    while first > 0 and joined(first):
        first -= 1
    while last + 1 < len(call.turns) and joined(last + 1):
        last += 1
    return list(range(first, last + 1))


def covered(pieces: Iterable[tuple[int, int]], start: int, end: int) -> int:
    """Milliseconds of `[start, end)` that lie in at least one of the pieces."""
    inside = [(max(a, start), min(b, end)) for a, b in pieces if max(a, start) < min(b, end)]
    edges = sorted({edge for piece in inside for edge in piece})
    return sum(b - a for a, b in pairwise(edges) if any(x <= a and b <= y for x, y in inside))


def coverage(call: Call, who: str, start: int, end: int) -> float | None:
    """Heard speech over detected speech of `who` and of nobody knows whom; None where there is none."""
    heard = total = 0
    for span in call.spans:
        low, high = max(span.start, start), min(span.end, end)
        if may_be_by(span.role, who) and low < high:
            total += high - low
            if span.heard:
                bad = [(t.start, t.end) for t in call.turns if not t.counts and (t.channel, t.role) == (span.channel, span.role)]
                heard += high - low - covered(bad, low, high)
    return heard / total if total else None


def unheard(call: Call, who: str, start: int, end: int) -> bool:
    """Speech that may be by `who` and gave no text that counts touches `[start, end)`."""
    pieces = [(s.start, s.end) for s in call.spans if not s.heard and may_be_by(s.role, who)]
    pieces += [(t.start, t.end) for t in call.turns if not t.counts and may_be_by(t.role, who)]
    return any(a < end and b > start for a, b in pieces)


def not_found(call: Call, who: str, start: int, end: int, *, limited: bool) -> Outcome:
    """What it means that something was not found in `[start, end)`. `limited`: that is less than the whole call."""
    if who in call.silent:
        return Outcome(UNDECIDED, why="no_speech")
    share = coverage(call, who, start, end)
    if share is not None and share < call.floor:
        return Outcome(UNDECIDED, coverage=share, why="not_heard")
    if call.cut and (not limited or end > call.high):
        return Outcome(UNDECIDED, coverage=share, why="truncated")
    window: tuple[Place, ...] = ()
    if limited and call.timed:
        first = max(start, call.low)
        window = (Place(first, max(min(end, call.high), start), who),)
    return Outcome(MISS, coverage=share, window=window)
