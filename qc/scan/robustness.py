"""How robust rules are: their must-hit cases damaged (`qc.packs.mutations`), and the share that still comes out right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from qc.packs.model import Pack, Rule
from qc.packs.mutations import MUTATIONS, Mutant, mutants
from qc.scan.cases import case_call, in_groups
from qc.scan.evaluate import PackScanner

_AT_ONCE = 2_000
RULES_A_PROCESS = 500
"""With fewer rules, another process costs more than it saves."""


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


def robustness(pack: Pack, rules: Collection[str] = (), processes: int = 1) -> Iterator[Robustness]:
    """The robustness of every rule (or of these), in the pack's order; by so many processes where there are many rules."""
    groups = in_groups(pack, rules)
    processes = min(processes, sum(len(group.rules) for group in groups) // RULES_A_PROCESS)
    if processes < 2:
        for group in groups:
            yield from _of_group(group)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, get_context("spawn"), _begin) as pool:
        try:
            for found in pool.map(_of_group, groups):
                yield from found
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    """In a new process: an interrupt is the parent's to handle; there is no garbage worth looking for."""
    import gc
    import signal

    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _of_group(group: Pack) -> list[Robustness]:
    """Every damaged case against its own rule; the words of all the rules are looked for at once."""
    scanner = PackScanner(group)
    survived = [{name: [0, 0] for name in MUTATIONS} for _ in group.rules]
    lost: list[list[tuple[Mutant, str]]] = [[] for _ in group.rules]
    waiting = ((number, mutant) for number, rule in enumerate(group.rules) for mutant in mutants(rule))
    while some := list(islice(waiting, _AT_ONCE)):
        for number, mutant, verdict in _verdicts(scanner, some):
            right = (verdict == "hit") == mutant.hits
            counts = survived[number][mutant.kind]
            counts[0] += right
            counts[1] += 1
            if not right:
                lost[number].append((mutant, verdict))
    return [
        Robustness(rule, {name: (c[0], c[1]) for name, c in survived[number].items() if c[1]}, tuple(lost[number]))
        for number, rule in enumerate(group.rules)
    ]


def _verdicts(scanner: PackScanner, some: Sequence[tuple[int, Mutant]]) -> Iterator[tuple[int, Mutant, str]]:
    calls = [case_call(mutant.case, scanner.pack) for _, mutant in some]
    for (number, mutant), call, found in zip(some, calls, scanner.scan(calls), strict=True):
        yield number, mutant, scanner.finding(scanner.pack.rules[number], call, found).verdict
