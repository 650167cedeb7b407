"""What to talk about with an agent: the moments that cost most, those worth praise, and what a better line is.

A better line comes from the rule's own examples: what the agent says in a case that the rule must not hit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qc.report.model import Call, Finding

if TYPE_CHECKING:
    from qc.packs import Manual, Rule

MOST = 3


@dataclass(frozen=True)
class Moment:
    """One finding to talk about; `better`: lines of the agent that the rule has nothing against."""

    call: Call
    finding: Finding
    better: tuple[str, ...] = ()


def moments(calls: Iterable[Call], rules: Mapping[str, Rule | Manual]) -> tuple[list[Moment], list[Moment]]:
    """The worst and the best moments of an agent, at most `MOST` each, a rule once before any comes twice."""
    hits = [(c, f) for c in calls for f in c.findings if f.verdict == "hit" and f.rule in rules]
    bad = sorted(((c, f) for c, f in hits if f.worst < 0 or rules[f.rule].fatal), key=lambda cf: (cf[1].worst, cf[0].call_id))
    good = sorted(((c, f) for c, f in hits if f.best > 0), key=lambda cf: (-cf[1].best, cf[0].call_id))
    return (
        [Moment(c, f, better_lines(rules[f.rule])) for c, f in _varied(bad)],
        [Moment(c, f) for c, f in _varied(good)],
    )


def _varied(found: list[tuple[Call, Finding]]) -> list[tuple[Call, Finding]]:
    seen: dict[str, int] = {}
    ranked = []
    for place, (call, finding) in enumerate(found):
        again = seen.get(finding.rule, 0)
        seen[finding.rule] = again + 1
        ranked.append((again, place, call, finding))
    return [(c, f) for _, _, c, f in sorted(ranked, key=lambda r: r[:2])[:MOST]]


def better_lines(rule: Rule | Manual) -> tuple[str, ...]:
    """What the agent says in the first cases that the rule must not hit, at most two lines."""
    lines = [line.text for case in rule.cases if case.verdict == "miss" for line in case.lines[-1:] if line.what == "agent"]
    return tuple(dict.fromkeys(lines))[:2]
