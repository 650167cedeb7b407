"""What is counted and measured: repeats, pace, loudness, turns, the whole call, the call list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise

from qc.conformance.call import (
    FEWEST_FOR_MEDIAN,
    HIT,
    MISS,
    MOST_COMPARED,
    UNDECIDED,
    Call,
    Outcome,
    Place,
    Span,
    Turn,
    is_by,
    may_be_by,
    not_found,
)
from qc.conformance.combine import all_of, compared, decide
from qc.conformance.dispatch import evaluate
from qc.conformance.words import similar
from qc.packs.conditions import Bound, Column, Count, Level, Listed, Repeat, Speed, WholeCall


def whole_turn(turn: Turn) -> Place:
    return Place(turn.start, turn.end, turn.role, turn.number, 0, len(turn.text), turn.text)


def by_who(turns: Sequence[Turn], who: str) -> tuple[list[Turn], list[Turn]]:
    """Those that are certainly by `who`, and the others."""
    return [t for t in turns if is_by(t.role, who)], [t for t in turns if not is_by(t.role, who)]


def by_turns(call: Call, sure: Sequence[Turn], unsure: Sequence[Turn], who: str, times: int) -> Outcome:
    """The verdict from whole turns: where they are too few, what was not heard may be more of them."""
    certain = [whole_turn(t) for t in sure]
    doubtful = [(whole_turn(t), "unknown_role") for t in unsure]
    outcome = decide(call, certain, doubtful, times)
    rest = not_found(call, who, call.low, call.high, limited=False)
    if outcome.verdict == MISS:
        return rest
    if outcome.verdict == HIT and not outcome.more:
        return replace(outcome, more=rest.why)
    return outcome


def repeat(condition: Repeat, call: Call) -> Outcome:
    turns = [t for t in call.turns if t.counts and t.role != "system" and len(t.normal.text) >= condition.characters]
    certain: list[Turn] = []
    perhaps: list[Turn] = []
    for role in ("agent", "customer"):
        if is_by(role, condition.who):
            certain += repeated([t for t in turns if t.role == role], condition)
            perhaps += repeated([t for t in turns if t.role in (role, "unknown")], condition)
    doubtful = [t for t in dict.fromkeys(perhaps) if t not in certain]
    return by_turns(call, in_time(certain), in_time(doubtful), condition.who, 1)


def repeated(turns: Sequence[Turn], condition: Repeat) -> list[Turn]:
    """Turns of one person that are, for the `times`th time or more, like one of theirs before."""
    said: list[int] = []
    for i, turn in enumerate(turns):
        text = turn.normal.text[:MOST_COMPARED]
        before = range(max(0, i - condition.look_back), i)
        like = [j for j in before if similar(text, turns[j].normal.text[:MOST_COMPARED], condition.percent)]
        said.append(1 + max((said[j] for j in like), default=0))
    return [turn for turn, times in zip(turns, said, strict=True) if times >= condition.times]


def in_time(turns: Iterable[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda t: (t.start, t.number))


def characters(turn: Turn) -> int:
    return len(turn.normal.text.replace(" ", ""))


def paced(turns: Sequence[Turn], pace: Bound) -> str:
    """Characters a minute, exactly."""
    rate = Fraction(60_000 * sum(map(characters, turns)), sum(t.end - t.start for t in turns))
    return compared(pace, rate, rate)


def speed(condition: Speed, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    turns = [
        t
        for t in call.turns
        if t.counts and may_be_by(t.role, condition.who) and characters(t) >= condition.characters and t.end > t.start
    ]
    if condition.per == "turn":
        fitting = [t for t in turns if paced([t], condition.pace) == HIT]
        return by_turns(call, *by_who(fitting, condition.who), condition.who, condition.times)
    rest = not_found(call, condition.who, call.low, call.high, limited=False)
    if rest.verdict == UNDECIDED or not turns:
        return rest
    if any(not is_by(t.role, condition.who) for t in turns):
        return Outcome(UNDECIDED, why="unknown_role")
    verdict = paced(turns, condition.pace)
    place = (Place(turns[0].start, max(t.end for t in turns), condition.who),)
    return Outcome(verdict, place if verdict == HIT else (), rest.coverage, window=place)


def level(condition: Level, call: Call) -> Outcome:
    fitting: list[Turn] = []
    unknown = False
    for role in dict.fromkeys(t.role for t in call.turns if may_be_by(t.role, condition.who)):
        own = [t for t in call.turns if t.role == role]
        loud = [(t, round(t.level * 10)) for t in own if t.level is not None]
        unknown = unknown or len(loud) < len(own)
        zero = 0
        if condition.what == "rise" and loud:
            if len(loud) < FEWEST_FOR_MEDIAN:
                unknown = True
                continue
            zero = sorted(tenths for _, tenths in loud)[(len(loud) - 1) // 2]
        fitting += [t for t, tenths in loud if compared(condition.bound, tenths - zero, tenths - zero) == HIT]
    outcome = by_turns(call, *by_who(in_time(fitting), condition.who), condition.who, condition.times)
    if unknown and outcome.verdict == MISS:
        return Outcome(UNDECIDED, coverage=outcome.coverage, why="no_level")
    if unknown and outcome.verdict == HIT:
        return replace(outcome, more=outcome.more or "no_level")
    return outcome


def fact(verdict: str, call: Call, why: str, share: float | None = None) -> Outcome:
    """A verdict about the whole call: the call shows it."""
    if verdict == UNDECIDED:
        return Outcome(UNDECIDED, coverage=share, why=why)
    whole = (Place(call.low, call.high, "anyone"),) if call.timed else ()
    return Outcome(verdict, whole if verdict == HIT else (), share, window=whole)


def count(condition: Count, call: Call) -> Outcome:
    if condition.hits is not None:
        found = evaluate(condition.hits, call)
        size = len(found.places) if found.verdict == HIT else 0
        open_ended = found.verdict == UNDECIDED or bool(found.more)
        verdict = compared(condition.bound, size, None if open_ended else size)
        if verdict == HIT and size:
            return Outcome(HIT, found.places, found.coverage)
        return fact(verdict, call, found.why or found.more, found.coverage)
    perhaps = [t for t in call.turns if t.role != "system" and may_be_by(t.role, condition.who)]
    sure = [t for t in perhaps if t.counts and is_by(t.role, condition.who)]
    low = high = len(sure)
    if condition.what == "turns":
        high = len(perhaps)
        known = True
    else:
        roles = [t.role for t in sure if t.role != "unknown"]
        low = high = sum(a != b for a, b in pairwise(roles))
        known = len(roles) == len(perhaps)
    rest = not_found(call, condition.who, call.low, call.high, limited=False)
    verdict = compared(condition.bound, low, high if known and not rest.why else None)
    return fact(verdict, call, rest.why or "unknown_role", rest.coverage)


def whole_call(condition: WholeCall, call: Call) -> Outcome:
    outcomes = [call_fact(name, bound, call) for name, bound in condition.facts]
    if condition.ended_by:
        ended = (call.listed.get("hangup") or "").strip()
        outcomes.append(fact(UNDECIDED if not ended else HIT if ended == condition.ended_by else MISS, call, "not_listed"))
    return all_of(outcomes)


def call_fact(name: str, bound: Bound, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    if name in ("duration", "after_last_turn") and call.duration is None:
        return Outcome(UNDECIDED, why="no_duration")
    if name == "duration":
        return fact(compared(bound, call.duration, None if call.cut else call.duration), call, "truncated")
    if call.cut:
        return Outcome(UNDECIDED, why="truncated")
    spoken = [s for s in call.spans if s.role != "system"]
    if name == "after_last_turn":
        assert call.duration is not None
        low = max(0, call.duration - call.high)
        high = max(low, call.duration - max((s.end for s in spoken if s.heard), default=0))
        return fact(compared(bound, low, high), call, "not_heard")
    if not spoken:
        return Outcome(UNDECIDED, why="no_speech")
    role = name.removesuffix("_share")

    def length(chosen: Iterable[Span]) -> int:
        return sum(s.end - s.start for s in chosen)

    own, unknown = [s for s in spoken if s.role == role], [s for s in spoken if s.role == "unknown"]
    other = [s for s in spoken if s.role not in (role, "unknown")]
    own_heard, other_heard = length(s for s in own if s.heard), length(s for s in other if s.heard)
    least = Fraction(own_heard, (own_heard + length(other) + length(unknown)) or 1)
    most_of = length(own) + length(unknown)
    most = Fraction(most_of, (most_of + other_heard) or 1)
    verdict = compared(bound, least * 1000, most * 1000)
    return fact(verdict, call, "unknown_role" if unknown else "not_heard")


def listed(condition: Listed, call: Call) -> Outcome:
    return all_of([fact(cell(column, call), call, "not_listed") for column in condition.columns])


def cell(column: Column, call: Call) -> str:
    if column.name not in call.listed:
        return UNDECIDED
    value = (call.listed[column.name] or "").strip()
    if column.op in ("missing", "given"):
        return HIT if bool(value) == (column.op == "given") else MISS
    if not value:
        return UNDECIDED
    if column.op == "is":
        return HIT if value in column.values else MISS
    try:
        number = Decimal(value) if len(value) < 30 else Decimal("NaN")
    except InvalidOperation:
        return UNDECIDED
    if not number.is_finite():
        return UNDECIDED
    asked = Decimal(column.number)
    holds = {"over": number > asked, "under": number < asked, "at least": number >= asked, "at most": number <= asked}
    return HIT if holds[column.op] else MISS
