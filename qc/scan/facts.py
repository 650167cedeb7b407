"""Facts of the whole call: how many turns, how long, who spoke how much, what the call list says. Unsure numbers are ranges."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from typing import Any

from qc.packs.conditions import AllOf, AnyOf, AtLeast, Bound, Column, Condition, Count, Listed, Not, WholeCall
from qc.scan.measures import within
from qc.scan.verdicts import Evidence, Outcome, Verdict, combine_all
from qc.scan.view import Call, is_by, may_be_by
from qc.scan.words import Context, not_found

Range = tuple[int, int | None]


def asks_the_list(condition: Condition) -> bool:
    """The condition's verdict may change when the call list does."""
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        return any(asks_the_list(part) for part in condition.parts)
    if isinstance(condition, Not):
        return asks_the_list(condition.part)
    return isinstance(condition, Listed) or (isinstance(condition, WholeCall) and bool(condition.ended_by))


def _whole(call: Call) -> tuple[Evidence, ...]:
    return (Evidence(*call.bounds, "anyone"),)


def _decided(verdict: Verdict, call: Call, why: str, coverage: float | None = None) -> Outcome:
    if verdict is Verdict.UNDECIDED:
        return Outcome(verdict, coverage=coverage, why=why)
    shown = _whole(call) if call.timed else ()
    return Outcome(verdict, shown if verdict is Verdict.HIT else (), coverage=coverage, absence=shown)


def count(condition: Count, context: Context) -> Outcome:
    """A count against a bound; where not all was heard there may be more."""
    from qc.scan.conditions import evaluate

    if condition.hits is not None:
        found = evaluate(condition.hits, context)
        if found.verdict is Verdict.UNDECIDED:
            verdict = within(condition.bound, 0, None)
            return _decided(verdict, context.call, found.why, found.coverage)
        size = len(found.evidence) if found.verdict is Verdict.HIT else 0
        verdict = within(condition.bound, size, None if found.more else size)
        outcome = _decided(verdict, context.call, found.more, found.coverage)
        return outcome if verdict is not Verdict.HIT or not size else Outcome(verdict, found.evidence, found.coverage)
    rest = not_found(condition.who, context)
    low, high = _turns(condition, context.call)
    why = rest.why or "unknown_role"
    return _decided(within(condition.bound, low, None if rest.why else high), context.call, why, rest.coverage)


def _turns(condition: Count, call: Call) -> Range:
    """Turns, or changes of speaker: those that are certain, and with those that may be; more speakers are never fewer changes."""
    maybe = [turn for turn in call.turns if may_be_by(turn.role, condition.who) and turn.role != "system"]
    sure = [turn for turn in maybe if turn.reliable and is_by(turn.role, condition.who)]
    if condition.what == "turns":
        return len(sure), len(maybe)
    roles = [turn.role for turn in sure if turn.role != "unknown"]
    changes = sum(a != b for a, b in pairwise(roles))
    return changes, changes if len(roles) == len(maybe) else None


def whole_call(condition: WholeCall, context: Context) -> Outcome:
    """Every fact that is asked."""
    outcomes = [_fact(name, bound, context.call) for name, bound in condition.facts]
    if condition.ended_by:
        ended = ((context.call.meta or {}).get("hangup") or "").strip()
        verdict = Verdict.UNDECIDED if not ended else Verdict.HIT if ended == condition.ended_by else Verdict.MISS
        outcomes.append(_decided(verdict, context.call, "not_listed"))
    return combine_all(outcomes)


def _fact(name: str, bound: Bound, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    if name in ("duration", "after_last_turn") and call.duration_ms is None:
        return Outcome(Verdict.UNDECIDED, why="no_duration")
    if name == "duration":
        length = call.duration_ms or 0
        return _decided(within(bound, length, None if call.cut else length), call, "truncated")
    if call.cut:
        return Outcome(Verdict.UNDECIDED, why="truncated")
    if name == "after_last_turn":
        heard = [s.end_ms for s in call.spans if s.heard and s.role != "system"]
        length = call.duration_ms or 0
        low = max(0, length - call.bounds[1])
        return _decided(within(bound, low, max(low, length - max(heard, default=0))), call, "not_heard")
    least, most = _share(call, name.removesuffix("_share"))
    if most == 0 and not any(s.role != "system" for s in call.spans):
        return Outcome(Verdict.UNDECIDED, why="no_speech")
    verdict = within(bound, least, most)
    return _decided(verdict, call, "unknown_role" if call.has_unknown() else "not_heard")


def _share(call: Call, role: str) -> tuple[Fraction, Fraction]:
    """The least and the greatest share of a role in both sides' speech, in thousandths: unheard speech may be none."""
    own = own_heard = other = other_heard = unknown = 0
    for span in call.spans:
        length = span.end_ms - span.start_ms
        if span.role == "unknown":
            unknown += length
        elif span.role == role:
            own += length
            own_heard += length * span.heard
        elif span.role != "system":
            other += length
            other_heard += length * span.heard
    least = own_heard + other + unknown
    most = own + unknown + other_heard
    return Fraction(own_heard * 1000, least or 1), Fraction((own + unknown) * 1000, most or 1)


def listed(condition: Listed, context: Context) -> Outcome:
    """Every column that is asked."""
    meta = context.call.meta or {}
    return combine_all([_decided(_cell(column, meta), context.call, "not_listed") for column in condition.columns])


def _cell(column: Column, meta: Any) -> Verdict:
    if column.name not in meta:
        return Verdict.UNDECIDED
    value = (meta[column.name] or "").strip()
    if column.op in ("missing", "given"):
        return Verdict.HIT if bool(value) == (column.op == "given") else Verdict.MISS
    if not value:
        return Verdict.UNDECIDED
    if column.op == "is":
        return Verdict.HIT if value in column.values else Verdict.MISS
    try:
        number = Decimal(value) if len(value) < 30 else Decimal("NaN")
    except InvalidOperation:
        return Verdict.UNDECIDED
    if not number.is_finite():
        return Verdict.UNDECIDED
    asked = Decimal(column.number)
    held = {"over": number > asked, "under": number < asked, "at least": number >= asked, "at most": number <= asked}[column.op]
    return Verdict.HIT if held else Verdict.MISS
