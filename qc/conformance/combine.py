"""How verdicts combine in the reference evaluator: Kleene's strong logic, and numbers against bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from qc.conformance.call import (
    HIT,
    MISS,
    UNDECIDED,
    Call,
    Outcome,
    Place,
)
from qc.packs.conditions import (
    Bound,
)


def merged(places: Iterable[Place]) -> tuple[Place, ...]:
    """Each place once, in order of time, then of turn, then of character."""
    return tuple(sorted(dict.fromkeys(places), key=_order))


def _order(place: Place) -> tuple[int, int, int]:
    return place.start_ms, -1 if place.turn is None else place.turn, place.char_start or 0


def kleene(parts: Sequence[Outcome], strong: str, weak: str) -> Outcome:
    """One `strong` is enough; else one undecided; else `weak`. `all`: miss is strong. `any`: hit is."""
    verdicts = [part.verdict for part in parts]
    verdict = strong if strong in verdicts else UNDECIDED if UNDECIDED in verdicts else weak
    deciding = [part for part in parts if part.verdict == verdict]
    shown = deciding if verdict != UNDECIDED else [part for part in parts if part.verdict != MISS]
    return Outcome(
        verdict,
        merged(p for part in shown for p in part.places),
        min((part.coverage for part in deciding if part.coverage is not None), default=None),
        next((part.why for part in deciding if part.why), ""),
        merged(p for part in deciding for p in part.window),
        next((part.more or part.why for part in parts if part.more or part.why), ""),
    )


def all_of(parts: Sequence[Outcome]) -> Outcome:
    return kleene(parts, MISS, HIT)


def any_of(parts: Sequence[Outcome]) -> Outcome:
    return kleene(parts, HIT, MISS)


def opposite(outcome: Outcome) -> Outcome:
    """What shows the one shows that the other is not so."""
    if outcome.verdict == HIT:
        return Outcome(MISS, coverage=outcome.coverage, window=outcome.places)
    if outcome.verdict == MISS:
        return Outcome(HIT, outcome.window, outcome.coverage)
    return outcome


def at_least(count: int, parts: Sequence[Outcome]) -> Outcome:
    hits = [part for part in parts if part.verdict == HIT]
    undecided = [part for part in parts if part.verdict == UNDECIDED]
    if len(hits) >= count:
        return all_of(hits)
    if len(hits) + len(undecided) >= count:
        return all_of([*hits, *undecided])
    return all_of([part for part in parts if part.verdict == MISS])


def decide(call: Call, certain: list[Place], doubtful: list[tuple[Place, str]], times: int) -> Outcome:
    """From what happens for certain and what happens perhaps: enough, perhaps enough, or not enough."""
    if len(certain) >= times:
        more = doubtful[0][1] if doubtful else "truncated" if call.cut else ""
        return Outcome(HIT, tuple(certain), more=more)
    if len(certain) + len(doubtful) >= times:
        return Outcome(UNDECIDED, tuple(sorted([*certain, *(p for p, _ in doubtful)], key=_order)), why=doubtful[0][1])
    return Outcome(UNDECIDED, why="truncated") if call.cut else Outcome(MISS)


def compared(bound: Bound, low: Any, high: Any, scale: int = 1) -> str:
    """A number that lies somewhere from `low` to `high` (None: nobody knows) against a bound."""
    asked = bound.value * scale
    holds = {
        "over": lambda n: n > asked,
        "at least": lambda n: n >= asked,
        "under": lambda n: n < asked,
        "at most": lambda n: n <= asked,
    }
    grows = bound.op in ("over", "at least")
    at_low = holds[bound.op](low)
    at_high = grows if high is None else holds[bound.op](high)
    return HIT if at_low and at_high else UNDECIDED if at_low or at_high else MISS
