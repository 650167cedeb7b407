"""`says` and `never_says`: words and patterns by role, in a window, with exclusions, and what was not heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from qc.packs.conditions import NeverSays, Says, Term
from qc.scan.matching import CallMatches, Match, apart
from qc.scan.verdicts import Evidence, Outcome, Verdict, negate
from qc.scan.view import STRETCH_GAP_MS, Call, is_by, may_be_by


@dataclass(frozen=True)
class Context:
    """What an evaluator sees: the call, what was found in it, and the pack's coverage floor."""

    call: Call
    matches: CallMatches
    coverage_floor: float


def says(condition: Says, context: Context) -> Outcome:
    """Hit where enough is found in reliable text; undecided where it is not found and not all was heard; else miss."""
    call = context.call
    window = condition.window
    if window is not None and window.unit == "ms" and not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    start, end = call.range_ms(window, condition.who)
    certain, possible = _found(condition, context, (start, end) if window is not None else None)
    if call.cut and window is not None and window.side == "last":
        return Outcome(Verdict.UNDECIDED, evidence_of(call, certain), why="truncated")
    if _enough(condition, certain):
        return Outcome(Verdict.HIT, evidence_of(call, certain))
    if _enough(condition, certain + [match for match, _ in possible]):
        shown = sorted(certain + [match for match, _ in possible], key=lambda m: (m.turn, m.start))
        return Outcome(Verdict.UNDECIDED, evidence_of(call, shown), why=possible[0][1])
    return _not_found(condition, context, start, end)


def never_says(condition: NeverSays, context: Context) -> Outcome:
    """The opposite of `says` any of the words."""
    positive = Says(condition.terms, condition.who, condition.window, except_=condition.except_)
    return negate(says(positive, context))


def _not_found(condition: Says, context: Context, start: int, end: int) -> Outcome:
    call = context.call
    if condition.who in call.silent:
        return Outcome(Verdict.UNDECIDED, why="no_speech")
    coverage = call.coverage(condition.who, start, end)
    if coverage is not None and coverage < context.coverage_floor:
        return Outcome(Verdict.UNDECIDED, coverage=coverage, why="not_heard")
    if call.cut and (condition.window is None or end > call.bounds[1]):
        return Outcome(Verdict.UNDECIDED, coverage=coverage, why="truncated")
    absence: tuple[Evidence, ...] = ()
    if condition.window is not None and call.timed:
        low, high = call.bounds
        absence = (Evidence(max(start, low), max(min(end, high), start), condition.who),)
    return Outcome(Verdict.MISS, coverage=coverage, absence=absence)


def _found(condition: Says, context: Context, inside: tuple[int, int] | None) -> tuple[list[Match], list[tuple[Match, str]]]:
    """Matches that count for certain, and those that may count, with the reason why it is not known."""
    call = context.call
    certain: list[Match] = []
    possible: list[tuple[Match, str]] = []
    excuse = _excuses(condition.unless, context)
    for match in context.matches.of(condition.terms, condition.except_):
        turn = call.turns[match.turn]
        if not turn.reliable or not may_be_by(turn.role, condition.who):
            continue
        if inside is not None:
            start, end = turn.times(*turn.normal.original(match.start, match.end))
            if end < inside[0] or start >= inside[1]:
                continue
        excused = excuse(match.turn)
        if excused == "yes":
            continue
        if not is_by(turn.role, condition.who):
            possible.append((match, "unknown_role"))
        elif excused:
            possible.append((match, excused))
        else:
            certain.append(match)
    return certain, possible


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
    found = []
    for match in apart(sorted(matches, key=lambda m: (m.turn, m.start, -m.end))):
        turn = call.turns[match.turn]
        first, last = turn.normal.original(match.start, match.end)
        start, end = turn.times(first, last)
        found.append(Evidence(start, end, turn.role, turn.number, first, last, turn.text[first:last]))
    return tuple(found)
