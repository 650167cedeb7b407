"""A pack against calls: which rules apply, what they say, how often they count, as rows of `findings.verdicts`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qc.packs.model import Pack, Rule
from qc.scan.conditions import evaluate
from qc.scan.matching import CallMatches, Matcher, terms_of
from qc.scan.verdicts import Evidence, Outcome, Verdict
from qc.scan.view import Call
from qc.scan.words import Context

MAX_EVIDENCE = 50
"""Evidence kept for one rule and call; `count` counts all of it."""

NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Finding:
    """A rule's verdict on a call, as it is stored. `verdict` is hit, miss, undecided or not_applicable."""

    rule: Rule
    verdict: str
    count: int
    coverage: float | None
    why: str
    evidence: tuple[Evidence, ...]

    def row(self) -> dict[str, Any]:
        """As a member of `findings.verdicts`."""
        return {
            "rule": self.rule.id,
            "verdict": self.verdict,
            "severity": self.rule.severity,
            "count": self.count,
            "coverage": self.coverage,
            "why": self.why or None,
            "evidence": [_evidence_row(e) for e in self.evidence],
        }


def _evidence_row(evidence: Evidence) -> dict[str, Any]:
    return dataclasses.asdict(evidence)


class PackScanner:
    """A pack made ready: its words and patterns compiled once, used for any number of calls."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._matcher = Matcher(term for rule in pack.rules for term in terms_of(rule.when))

    def scan(self, calls: Sequence[Call]) -> list[CallMatches]:
        """Everything the pack's words and patterns find in a batch of calls."""
        return self._matcher.match(calls)

    def findings(self, call: Call, matches: CallMatches) -> list[Finding]:
        """Every rule's verdict on a call, misses included, in the pack's order."""
        context = Context(call, matches, self.pack.coverage_floor)
        return [finding(rule, context) for rule in self.pack.rules]

    def finding(self, rule: Rule, call: Call, matches: CallMatches) -> Finding:
        """One rule's verdict on a call."""
        return finding(rule, Context(call, matches, self.pack.coverage_floor))


def finding(rule: Rule, context: Context) -> Finding:
    """A rule's verdict on the context's call."""
    held, why = applies(rule, context.call.meta)
    if held is False:
        return Finding(rule, NOT_APPLICABLE, 0, None, why, ())
    outcome = evaluate(rule.when, context)
    verdict = outcome.verdict
    if held is None and verdict is Verdict.HIT:
        verdict, outcome = Verdict.UNDECIDED, dataclasses.replace(outcome, why=why)
    return Finding(
        rule=rule,
        verdict=verdict.value,
        count=_count(rule, outcome) if verdict is Verdict.HIT else 0,
        coverage=outcome.coverage,
        why=outcome.why if verdict is Verdict.UNDECIDED else "",
        evidence=outcome.evidence[:MAX_EVIDENCE] if verdict is not Verdict.MISS else (),
    )


def _count(rule: Rule, outcome: Outcome) -> int:
    if rule.once_per_ms is None or not outcome.evidence:
        return 1
    return count_spaced(rule.once_per_ms, (evidence.start_ms for evidence in outcome.evidence))


def count_spaced(once_per_ms: int, starts_ms: Iterable[int]) -> int:
    """How many of these times count: the first, and each that is at least so long after the last that counted."""
    count = 0
    last: int | None = None
    for start in starts_ms:
        if last is None or start - last >= once_per_ms:
            count += 1
            last = start
    return count


def applies(rule: Rule, listed: Mapping[str, str | None] | None) -> tuple[bool | None, str]:
    """Whether the rule applies by the call list and the day, and why not; None where that is not known."""
    meta = listed or {}
    known = True
    for column, values in rule.applies_to:
        value = meta.get(column)
        if value is None:
            known = False
        elif value.strip() not in values:
            return False, "applies_to"
    if rule.valid_from or rule.valid_until:
        day = (meta.get("started_at") or "")[:10]
        if not day:
            known = False
        elif (rule.valid_from and day < rule.valid_from) or (rule.valid_until and day > rule.valid_until):
            return False, "not_valid"
    return (True, "") if known else (None, "applies_unknown")
