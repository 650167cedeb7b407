"""How robust rules are: their must-hit cases damaged (`qc.packs.mutations`), and the share that still comes out right."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from qc.packs.model import Pack, Rule
from qc.packs.mutations import MUTATIONS, Mutant, mutants
from qc.scan.cases import case_call
from qc.scan.evaluate import PackScanner

_AT_ONCE = 200


@dataclass(frozen=True)
class Robustness:
    """What became of a rule's damaged cases. `by_kind`: (survived, tried) by kind of damage; `lost`: those that did not."""

    rule: Rule
    by_kind: dict[str, tuple[int, int]]
    lost: tuple[tuple[Mutant, str], ...]
    """Each with the verdict that came out."""

    @property
    def survived(self) -> int:
        return sum(survived for survived, _ in self.by_kind.values())

    @property
    def tried(self) -> int:
        return sum(tried for _, tried in self.by_kind.values())

    @property
    def share(self) -> float | None:
        """Survived ÷ tried; None where there is nothing to damage (a rule about silence)."""
        return self.survived / self.tried if self.tried else None


def robustness(pack: Pack, rules: Collection[str] = ()) -> Iterator[Robustness]:
    """The robustness of every rule (or of these), in the pack's order."""
    for rule in pack.rules:
        if not rules or rule.id in rules:
            yield _of_rule(dataclasses.replace(pack, rules=(rule,)), rule)


def _of_rule(alone: Pack, rule: Rule) -> Robustness:
    scanner = PackScanner(alone)
    counts = {name: [0, 0] for name in MUTATIONS}
    lost: list[tuple[Mutant, str]] = []
    listed = list(mutants(rule))
    for first in range(0, len(listed), _AT_ONCE):
        some = listed[first : first + _AT_ONCE]
        calls = [case_call(mutant.case, alone) for mutant in some]
        for mutant, call, found in zip(some, calls, scanner.scan(calls), strict=True):
            verdict = scanner.findings(call, found)[0].verdict
            survived = (verdict == "hit") == mutant.hits
            counts[mutant.kind][0] += survived
            counts[mutant.kind][1] += 1
            if not survived:
                lost.append((mutant, verdict))
    return Robustness(rule, {name: (c[0], c[1]) for name, c in counts.items() if c[1]}, tuple(lost))
