"""A rule's cases, run: each short dialogue becomes a transcript like any other, and the rule must say what it promises.

Times are made up at an ordinary pace (Chinese about four characters a second) where `lasts:` does not say; the call ends
with its last line. A case is an excerpt: a role that says nothing in it is taken to speak elsewhere, unless it says `silent:`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from qc.packs.cases import ROLES
from qc.packs.model import Case, Pack, Rule
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.view import Call, view
from qc.text.normal import kind

CHINESE_MS = 250
OTHER_MS = 65
GAP_MS = 300
_RULES_AT_ONCE = 50
_CHANNELS = {"agent": 0, "customer": 1, "unknown": 2, "system": 3}


@dataclass(frozen=True)
class CaseResult:
    """What a case gave. `ok`: the verdict is the promised one."""

    rule: Rule
    case: Case
    finding: Finding

    @property
    def ok(self) -> bool:
        return self.finding.verdict == self.case.verdict


def run_cases(pack: Pack, rules: Collection[str] = ()) -> list[CaseResult]:
    """Every case of every rule (or of these), in the pack's order."""
    results = []
    for group in in_groups(pack, rules):
        scanner = PackScanner(group)
        listed = [(rule, case, case_call(case, pack)) for rule in group.rules for case in rule.cases]
        matches = scanner.scan([call for _, _, call in listed])
        for (rule, case, call), found in zip(listed, matches, strict=True):
            results.append(CaseResult(rule, case, scanner.finding(rule, call, found)))
    return results


def in_groups(pack: Pack, rules: Collection[str] = ()) -> list[Pack]:
    """The pack's rules (or these) as packs of a few each, so that a case meets few words but its own rule's."""
    listed = [rule for rule in pack.rules if not rules or rule.id in rules]
    return [
        dataclasses.replace(pack, rules=tuple(listed[first : first + _RULES_AT_ONCE]))
        for first in range(0, len(listed), _RULES_AT_ONCE)
    ]


def case_call(case: Case, pack: Pack) -> Call:
    """The case as a call."""
    builder = _Builder()
    for line in case.lines:
        builder.add(line.what, line.text, line.ms, line.value)
    call = view(builder.row(), confidence_floor=pack.confidence_floor, meta=builder.meta)
    return dataclasses.replace(call, silent=frozenset(builder.silent))


@dataclass
class _Builder:
    """Lays the lines of a case out in time."""

    now: int = 0
    gap: int = 0
    turns: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    meta: dict[str, str | None] = field(default_factory=dict)
    level: float | None = None
    lasts: int | None = None
    rest: int = 0

    def add(self, what: str, text: str, ms: int, value: str) -> None:
        self.rest = ms if what == "pause" else 0
        if what in ROLES:
            self._turn(what, text)
        elif what == "level":
            self.level = float(value)
        elif what == "lasts":
            self.lasts = ms
        elif what == "unheard":
            self._span(text, ms, heard=False)
        elif what == "pause":
            self.gap = ms
        elif what == "overlap":
            self.gap = -ms
        elif what == "silent":
            self.silent.add(text)
        elif what == "cut":
            self.warnings.append("truncated")
        else:
            self.meta[text] = value

    def _turn(self, role: str, text: str) -> None:
        start, end = self._span(role, speaking_ms(text) if self.lasts is None else self.lasts, heard=True)
        turn = {"turn": len(self.turns), "channel": _CHANNELS[role], "role": role, "start_ms": start, "end_ms": end, "text": text}
        self.turns.append(turn | {"level_dbfs": self.level})
        self.level = self.lasts = None

    def _span(self, role: str, length: int, *, heard: bool) -> tuple[int, int]:
        start = max(0, self.now + self.gap)
        end = start + length
        self.spans.append({"channel": _CHANNELS[role], "role": role, "start_ms": start, "end_ms": end, "heard": heard})
        self.now, self.gap = max(end, self.now), GAP_MS
        return start, end

    def row(self) -> dict[str, Any]:
        turns = sorted(self.turns, key=lambda t: (t["start_ms"], t["channel"]))
        row = {"call_id": "case", "turns": turns, "spans": self.spans, "warnings": self.warnings}
        return row | {"duration_ms": self.now + self.rest}


def speaking_ms(text: str) -> int:
    """How long it takes to say a text: at least half a second."""
    return max(500, sum(CHINESE_MS if kind(c) == "c" else OTHER_MS for c in text))
