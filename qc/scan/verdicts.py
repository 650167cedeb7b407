"""Three-valued verdicts and how they combine: Kleene's strong logic.

Source: S. C. Kleene, Introduction to Metamathematics (1952), section 64.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum


class Verdict(str, Enum):
    """What a condition says of a call."""

    HIT = "hit"
    MISS = "miss"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on. `turn` and characters are None for what lies between turns."""

    start_ms: int
    end_ms: int
    role: str
    turn: int | None = None
    char_start: int | None = None
    char_end: int | None = None
    quote: str | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        return self.start_ms, -1 if self.turn is None else self.turn, self.char_start or 0


@dataclass(frozen=True)
class Outcome:
    """A condition's verdict on a call. `absence`: what to show when the opposite is what counts (the window, not words).

    `more`: of a hit, why it may have happened elsewhere too (a reason), or empty where `evidence` is all of it.
    """

    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    coverage: float | None = None
    why: str = ""
    absence: tuple[Evidence, ...] = ()
    more: str = ""


def negate(outcome: Outcome) -> Outcome:
    """not."""
    if outcome.verdict is Verdict.HIT:
        return Outcome(Verdict.MISS, coverage=outcome.coverage, absence=outcome.evidence)
    if outcome.verdict is Verdict.MISS:
        return Outcome(Verdict.HIT, evidence=outcome.absence, coverage=outcome.coverage)
    return outcome


def combine_all(parts: Sequence[Outcome]) -> Outcome:
    """all: a miss wins, then undecided."""
    return _combine(parts, Verdict.MISS, Verdict.HIT)


def combine_any(parts: Sequence[Outcome]) -> Outcome:
    """any: a hit wins, then undecided."""
    return _combine(parts, Verdict.HIT, Verdict.MISS)


def combine_at_least(count: int, parts: Sequence[Outcome]) -> Outcome:
    """At least `count` hits: decided where the undecided cannot change it."""
    hits = [part for part in parts if part.verdict is Verdict.HIT]
    if len(hits) >= count:
        return combine_all(hits)
    undecided = [part for part in parts if part.verdict is Verdict.UNDECIDED]
    if len(hits) + len(undecided) >= count:
        return replace(combine_all([*hits, *undecided]), verdict=Verdict.UNDECIDED)
    return combine_all([part for part in parts if part.verdict is Verdict.MISS])


def _combine(parts: Sequence[Outcome], strong: Verdict, weak: Verdict) -> Outcome:
    verdicts = {part.verdict for part in parts}
    verdict = strong if strong in verdicts else Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else weak
    deciding = [part for part in parts if part.verdict is verdict]
    shown = deciding if verdict is not Verdict.UNDECIDED else [p for p in parts if p.verdict is not Verdict.MISS]
    coverages = [part.coverage for part in deciding if part.coverage is not None]
    return Outcome(
        verdict,
        evidence=_merged(e for part in shown for e in part.evidence),
        coverage=min(coverages, default=None),
        why=next((part.why for part in deciding if part.why), ""),
        absence=_merged(e for part in deciding for e in part.absence),
        more=next((part.more or part.why for part in parts if part.more or part.why), ""),
    )


def _merged(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    found: dict[Evidence, None] = dict.fromkeys(evidence)
    return tuple(sorted(found, key=lambda e: e.order))
