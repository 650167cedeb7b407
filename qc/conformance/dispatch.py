"""A condition's verdict, whichever condition it is: conditions hold others, and each module here knows its own alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qc.conformance.call import Call, Outcome
from qc.packs.conditions import Condition

EVALUATORS: dict[type, Callable[[Any, Call], Outcome]] = {}
"""What each kind of condition says of a call; `reference` fills it."""


def evaluate(condition: Condition, call: Call) -> Outcome:
    """A condition's verdict on the whole call."""
    return EVALUATORS[type(condition)](condition, call)
