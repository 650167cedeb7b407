"""`says` and `never_says`: words and patterns by role, in a window, with exclusions, and what was not heard."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, cast

from qc.packs.conditions import Beside, NeverSays, Says, Term
from qc.scan.matching import CallMatches, Match, apart
from qc.scan.places import Zone, beside
from qc.scan.verdicts import Evidence, Outcome, Verdict, negate
from qc.scan.view import STRETCH_GAP_MS, Call, is_by, may_be_by


@dataclass(frozen=True)
class Context:
    """What an evaluator sees: the call, what was found in it, and the pack's coverage floor.

    `zone`: the only part of the call that words count in, for a condition beside another. `placed`: what each condition's
    words gave before windows, by the condition's identity (kept with it, so that no other takes it); `asked`: the positive
    of a negative condition, likewise.
    """

    call: Call
    matches: CallMatches
    coverage_floor: float
    zone: Zone | None = None
    placed: dict[int, tuple[Says, PlacedWords]] = field(default_factory=dict)
    asked: dict[int, tuple[NeverSays, Says]] = field(default_factory=dict)


@dataclass(frozen=True)
class Placed:
    """A match with its times; `doubt`: why it is not known whether it counts, empty where it does."""

    match: Match
    evidence: Evidence
    doubt: str


class PlacedWords(list[Placed]):
    """What a condition's words gave, in order of turns, with a way to what lies in a zone."""

    @cached_property
    def _by_time(self) -> tuple[list[int], list[Placed], int]:
        ordered = sorted(self, key=lambda p: p.evidence.start_ms)
        longest = max((p.evidence.end_ms - p.evidence.start_ms for p in ordered), default=0)
        return [p.evidence.start_ms for p in ordered], ordered, longest

    def inside(self, zone: Zone) -> list[Placed]:
        """What lies in the zone, in order of time."""
        starts, ordered, longest = self._by_time
        chosen = ordered[bisect_left(starts, zone.start_ms - longest) : bisect_right(starts, zone.end_ms)]
        return [p for p in chosen if zone.holds(p.evidence)]


def says(condition: Says, context: Context) -> Outcome:
    """Hit where enough is found in reliable text; undecided where it is not found and not all was heard; else miss."""
    call = context.call
    window = condition.window
    if isinstance(window, Beside):
        return beside(condition, context)
    if window is not None and window.unit == "ms" and not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    low, high = call.range_ms(window, condition.who)
    start, end = (low, high) if context.zone is None else (max(low, context.zone.start_ms), min(high, context.zone.end_ms))
    if context.zone is not None and window is None:
        start, end = context.zone.start_ms, context.zone.end_ms
    words = _placed(condition, context)
    placed: list[Placed] = words if context.zone is None else words.inside(context.zone)
    if window is not None:
        placed = [p for p in placed if not (p.evidence.end_ms < low or p.evidence.start_ms >= high)]
    certain = [p.match for p in placed if not p.doubt]
    if call.cut and window is not None and window.side == "last":
        return Outcome(Verdict.UNDECIDED, evidence_of(call, certain), why="truncated")
    doubt = next((p.doubt for p in placed if p.doubt), "")
    if _enough(condition, certain):
        more = doubt or _not_found(condition, context, start, end).why
        return Outcome(Verdict.HIT, evidence_of(call, certain), more=more)
    if _enough(condition, [p.match for p in placed]):
        return Outcome(Verdict.UNDECIDED, evidence_of(call, [p.match for p in placed]), why=doubt)
    return _not_found(condition, context, start, end)


def never_says(condition: NeverSays, context: Context) -> Outcome:
    """The opposite of `says` any of the words; beside another condition, of saying them at one of its places."""
    if isinstance(condition.window, Beside):
        return beside(condition, context)
    if id(condition) not in context.asked:
        positive = Says(condition.terms, condition.who, condition.window, except_=condition.except_)
        context.asked[id(condition)] = (condition, positive)
    return negate(says(context.asked[id(condition)][1], context))


def _not_found(condition: Says, context: Context, start: int, end: int) -> Outcome:
    call = context.call
    if context.zone is not None and context.zone.heard:
        return Outcome(Verdict.MISS, absence=(Evidence(start, max(start, end), condition.who),))
    if condition.who in call.silent:
        return Outcome(Verdict.UNDECIDED, why="no_speech")
    coverage = call.coverage(condition.who, start, end)
    if coverage is not None and coverage < context.coverage_floor:
        return Outcome(Verdict.UNDECIDED, coverage=coverage, why="not_heard")
    limited = condition.window is not None or context.zone is not None
    if call.cut and (not limited or end > call.bounds[1]):
        return Outcome(Verdict.UNDECIDED, coverage=coverage, why="truncated")
    absence: tuple[Evidence, ...] = ()
    if limited and call.timed:
        low, high = call.bounds
        absence = (Evidence(max(start, low), max(min(end, high), start), condition.who),)
    return Outcome(Verdict.MISS, coverage=coverage, absence=absence)


def not_found(who: str, context: Context) -> Outcome:
    """What it means that something `who` does was found nowhere in the call: a miss, or undecided where not all was heard."""
    return _not_found(Says((), who=cast(Any, who)), replace(context, zone=None), *context.call.bounds)


def _placed(condition: Says, context: Context) -> PlacedWords:
    """Matches in reliable turns that are or may be by the role, not excused, with their times; windows left out."""
    known = context.placed.get(id(condition))
    if known is not None:
        return known[1]
    call = context.call
    found = PlacedWords()
    excuse = _excuses(condition.unless, context)
    for match in context.matches.of(condition.terms, condition.except_):
        turn = call.turns[match.turn]
        if not turn.reliable or not may_be_by(turn.role, condition.who):
            continue
        excused = excuse(match.turn)
        if excused == "yes":
            continue
        found.append(Placed(match, _evidence(call, match), excused if is_by(turn.role, condition.who) else "unknown_role"))
    context.placed[id(condition)] = (condition, found)
    return found


def _excuses(unless: Sequence[Term], context: Context) -> Callable[[int], str]:
    """For a turn: `yes` where its stretch says one of `unless`; a reason where that could not be heard; empty else."""
    if not unless:
        return lambda turn: ""
    call = context.call
    said = {call.stretches[other.turn] for other in context.matches.of(unless) if call.turns[other.turn].reliable}

    @cache
    def of_stretch(first: int) -> str:
        if first in said:
            return "yes"
        stretch = call.stretch(first)
        last = call.turns[stretch[-1]]
        end = last.end_ms + STRETCH_GAP_MS
        if stretch[-1] + 1 < len(call.turns):
            end = min(end, max(call.turns[stretch[-1] + 1].start_ms, last.end_ms))
        return "unless_not_heard" if call.unheard_between(last.role, call.turns[first].start_ms, end) else ""

    return lambda turn: of_stretch(call.stretches[turn])


def _enough(condition: Says, matches: list[Match]) -> bool:
    if not matches:
        return False
    need = len(condition.terms) if condition.need == -1 else condition.need
    if need > 1 and len({match.term for match in matches}) < need:
        return False
    return condition.times <= 1 or len(apart(sorted(matches, key=lambda m: (m.turn, m.start, -m.end)))) >= condition.times


def evidence_of(call: Call, matches: Sequence[Match]) -> tuple[Evidence, ...]:
    """Evidence in the original text, one for each occurrence."""
    return tuple(_evidence(call, m) for m in apart(sorted(matches, key=lambda m: (m.turn, m.start, -m.end))))


def _evidence(call: Call, match: Match) -> Evidence:
    turn = call.turns[match.turn]
    first, last = turn.normal.original(match.start, match.end)
    start, end = turn.times(first, last)
    return Evidence(start, end, turn.role, turn.number, first, last, turn.text[first:last])
