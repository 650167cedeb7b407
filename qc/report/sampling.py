"""Which calls a person should hear, drawn by a stated plan with a seed: every call comes with its chance of having been drawn.

The draw is made from digests of the seed and the call's id, not from a stream of random numbers: it does not depend on the
order of the calls, and one call more changes at most one place of a sample of the same plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from qc.errors import UsageError


@dataclass(frozen=True)
class Drawn:
    """A drawn call. `stratum`: what it was drawn from; `chance`: its probability of being drawn, None where it was chosen."""

    call_id: str
    plan: str
    stratum: str
    chance: float | None


def lot(seed: int, text: str) -> str:
    """A number for a text that nobody can steer, as hex: the smallest of them are drawn."""
    return hashlib.sha256(f"{seed}|{text}".encode("utf-8", "surrogatepass")).hexdigest()


def draw_some(ids: Sequence[str], n: int, seed: int) -> list[str]:
    """`n` of these ids, every set of `n` equally likely; fewer where there are fewer."""
    return sorted(sorted(ids, key=lambda i: (lot(seed, i), i))[:n])


def _random(calls: pl.DataFrame, n: int, seed: int) -> list[Drawn]:
    ids = calls["call_id"].to_list()
    chance = min(n / len(ids), 1.0) if ids else None
    return [Drawn(i, "random", "", chance) for i in draw_some(ids, n, seed)]


def _stratified(calls: pl.DataFrame, n: int, seed: int) -> list[Drawn]:
    """Providers have equal parts of the sample; what a small one cannot fill goes to the others."""
    groups = {name or "": rows["call_id"].to_list() for (name,), rows in calls.group_by("provider", maintain_order=True)}
    share = dict.fromkeys(sorted(groups), 0)
    left = min(n, calls.height)
    while left:
        for name in sorted(share, key=lambda g: (share[g], lot(seed, g))):
            if left and share[name] < len(groups[name]):
                share[name] += 1
                left -= 1
    return [
        Drawn(i, "stratified", name, share[name] / len(groups[name]))
        for name in sorted(groups)
        for i in draw_some(groups[name], share[name], seed)
    ]


def _first(plan: str, *by: Any, descending: Sequence[bool]) -> Callable[[pl.DataFrame, int, int], list[Drawn]]:
    """Not a sample but the extreme ones: no chance is told, nothing may be concluded from them for the rest."""

    def choose(calls: pl.DataFrame, n: int, seed: int) -> list[Drawn]:
        found = calls.sort([*by, "call_id"], descending=[*descending, False]).head(n)
        return [Drawn(i, plan, "", None) for i in found["call_id"].to_list()]

    return choose


def _mixed(calls: pl.DataFrame, n: int, seed: int) -> list[Drawn]:
    """Half of it random, the rest the most costly, the most undecided and the best, each call once."""
    out = _random(calls, max(n - 3 * (n // 6), 0), seed)
    for plan in ("costly", "undecided", "best"):
        taken = pl.Series([d.call_id for d in out], dtype=pl.String)
        rest = calls.filter(~pl.col("call_id").is_in(taken.implode()))
        out += PLANS[plan](rest, n // 6, seed)
    return out[:n]


PLANS: dict[str, Callable[[pl.DataFrame, int, int], list[Drawn]]] = {
    "mixed": _mixed,
    "random": _random,
    "stratified": _stratified,
    "costly": _first("costly", "worst", "best", descending=[False, False]),
    "undecided": _first("undecided", pl.col("best") - pl.col("worst"), "undecided", descending=[True, True]),
    "best": _first("best", "worst", "bonus", descending=[True, True]),
}
"""Plans by name: scored calls (columns call_id, provider, worst, best, undecided, bonus), how many, seed → the calls drawn."""


def draw_calls(calls: pl.DataFrame, plan: str, n: int, seed: int) -> list[Drawn]:
    """Draw `n` calls. Raises UsageError for an unknown plan."""
    if plan not in PLANS:
        raise UsageError(f"there is no plan {plan!r}", where="--plan", hint=f"one of: {', '.join(PLANS)}")
    return PLANS[plan](calls, n, seed)
