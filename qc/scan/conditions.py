"""What each condition means for a call: the registry beside `qc.packs.syntax.CONDITIONS`, with the same keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qc.packs.conditions import AllOf, AnyOf, AtLeast, Condition, Not
from qc.packs.syntax import NAMES
from qc.scan.facts import count, listed, whole_call
from qc.scan.measures import level, repeat, reply, speed
from qc.scan.places import near, not_near, then
from qc.scan.timing import interruption, silence
from qc.scan.verdicts import Outcome, combine_all, combine_any, combine_at_least, negate
from qc.scan.words import Context, never_says, says


def evaluate(condition: Condition, context: Context) -> Outcome:
    """The condition's verdict on the context's call."""
    return CONDITIONS[NAMES[type(condition)]](condition, context)


def _all(condition: AllOf, context: Context) -> Outcome:
    return combine_all([evaluate(part, context) for part in condition.parts])


def _any(condition: AnyOf, context: Context) -> Outcome:
    return combine_any([evaluate(part, context) for part in condition.parts])


def _at_least(condition: AtLeast, context: Context) -> Outcome:
    return combine_at_least(condition.count, [evaluate(part, context) for part in condition.parts])


def _not(condition: Not, context: Context) -> Outcome:
    return negate(evaluate(condition.part, context))


CONDITIONS: dict[str, Callable[[Any, Context], Outcome]] = {
    "says": says,
    "never_says": never_says,
    "silence": silence,
    "interruption": interruption,
    "all": _all,
    "any": _any,
    "not": _not,
    "at_least": _at_least,
    "near": near,
    "not_near": not_near,
    "then": then,
    "repeat": repeat,
    "count": count,
    "reply": reply,
    "speed": speed,
    "level": level,
    "call": whole_call,
    "listed": listed,
}
