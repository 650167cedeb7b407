"""The reference evaluator: what a rule says of a call, as `docs/meaning.md` has it, in plain loops and nothing clever.

It shares no code with `qc.scan`, looks at one rule and one call at a time, keeps nothing and skips nothing. It is far too
slow to scan with; it is there to be read, and to be what the scanner must equal. What it takes from elsewhere is data: the
pack as it was read, the normal form of text, the readings of characters, the patterns of entities.

`call.py` is the call and what was heard of it, `words.py` finds words, `combine.py` puts verdicts together. What conditions mean
is in `said.py`, `times.py`, `quantities.py` and `beside.py`; here is which is which, and what a rule means. In the code a stretch of time is `[start, end)`, a part of a turn is
`[start, end)` characters, times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qc.conformance.beside import beside, near, not_near, then
from qc.conformance.call import HIT, MISS, MOST_EVIDENCE, NOT_APPLICABLE, UNDECIDED, Call, Outcome, read_call
from qc.conformance.combine import all_of, any_of, at_least, opposite
from qc.conformance.dispatch import EVALUATORS, evaluate
from qc.conformance.quantities import count, level, listed, repeat, speed, whole_call
from qc.conformance.said import never_says, says
from qc.conformance.times import interruption, reply, silence
from qc.packs.conditions import (
    AllOf,
    AnyOf,
    AtLeast,
    Beside,
    Count,
    Interruption,
    Level,
    Listed,
    Near,
    NeverSays,
    Not,
    NotNear,
    Repeat,
    Reply,
    Says,
    Silence,
    Speed,
    Then,
    WholeCall,
)
from qc.packs.model import Pack, Rule

EVALUATORS |= {
    Says: lambda c, call: beside(c, call) if isinstance(c.window, Beside) else says(c, call),
    NeverSays: lambda c, call: beside(c, call) if isinstance(c.window, Beside) else never_says(c, call),
    Silence: silence,
    Interruption: interruption,
    AllOf: lambda c, call: all_of([evaluate(part, call) for part in c.parts]),
    AnyOf: lambda c, call: any_of([evaluate(part, call) for part in c.parts]),
    Not: lambda c, call: opposite(evaluate(c.part, call)),
    AtLeast: lambda c, call: at_least(c.count, [evaluate(part, call) for part in c.parts]),
    Near: near,
    NotNear: not_near,
    Then: then,
    Repeat: repeat,
    Count: count,
    Reply: reply,
    Speed: speed,
    Level: level,
    WholeCall: whole_call,
    Listed: listed,
}


def finding(rule: Rule, pack: Pack, row: Mapping[str, Any], listed: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """What a rule says of a call: rule, verdict, severity, count, coverage, why, evidence, as in `findings.verdicts`.

    `row`: of `transcripts`, of a call that was transcribed. `listed`: the call list's columns and cells, None where there is none.
    """
    call = read_call(pack, row, listed)
    applies, why = applicable(rule, call)
    outcome = evaluate(rule.when, call) if applies != "no" else Outcome(NOT_APPLICABLE, why=why)
    if applies == "unknown" and outcome.verdict == HIT:
        outcome = replace(outcome, verdict=UNDECIDED, why=why)
    return {
        "rule": rule.id,
        "verdict": outcome.verdict,
        "severity": rule.severity,
        "count": counted(rule, outcome) if outcome.verdict == HIT else 0,
        "coverage": outcome.coverage,
        "why": outcome.why if outcome.verdict in (UNDECIDED, NOT_APPLICABLE) else None,
        "evidence": [place.__dict__ for place in outcome.places[:MOST_EVIDENCE]] if outcome.verdict != MISS else [],
    }


def findings(pack: Pack, row: Mapping[str, Any], listed: Mapping[str, str | None] | None = None) -> list[dict[str, Any]]:
    """Every rule's finding on a call, misses included, in the pack's order."""
    return [finding(rule, pack, row, listed) for rule in pack.rules]


def counted(rule: Rule, outcome: Outcome) -> int:
    """Once a call; with `once_per` again for what starts so much later than what counted last."""
    if rule.once_per_ms is None or not outcome.places:
        return 1
    starts: list[int] = []
    for place in outcome.places:
        if not starts or place.start_ms - starts[-1] >= rule.once_per_ms:
            starts.append(place.start_ms)
    return len(starts)


def applicable(rule: Rule, call: Call) -> tuple[str, str]:
    """`yes`, `no` or `unknown`, by the call list and the day of the call; and why."""
    unknown = False
    for column, values in rule.applies_to:
        value = call.listed.get(column)
        if value is not None and value.strip() not in values:
            return "no", "applies_to"
        unknown = unknown or value is None
    if rule.valid_from or rule.valid_until:
        day = (call.listed.get("started_at") or "")[:10]
        if day and ((rule.valid_from and day < rule.valid_from) or (rule.valid_until and day > rule.valid_until)):
            return "no", "not_valid"
        unknown = unknown or not day
    return ("unknown", "applies_unknown") if unknown else ("yes", "")
