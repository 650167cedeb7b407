"""Fair comparison: agents and providers against all the others, and each day or week against the one before.

Calls are compared within strata (their queue or call type), never across them: a difference is the mean over strata of
(mean of the group − mean of the others), weighted with Cochran's weights n·m ÷ (n + m) (Cochran 1954, «Some methods for
strengthening the common χ² tests», Biometrics 10). Its error is Welch's, with Welch–Satterthwaite degrees of freedom
(Welch 1947, Biometrika 34), from the variance within strata. What was not heard counts against the claim: «better» must hold
with the group's worst against the others' best scores, «worse» the other way round. Calls of which nothing was heard are in no mean, and
what only people judge is left out: few calls of each are judged, and those that were not would make every difference unproven. P-values are corrected for the number of
questions by Holm's method (Holm 1979, Scandinavian Journal of Statistics 6). docs/scores.md tells what this does not do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.score.intervals import CONFIDENCE, PRIOR_DF, half_width, t_quantile, t_two_sided
from qc.score.summaries import CallFacts, Groups, dimensions_of, encode, group_by_agent, group_by_provider
from qc.tables import MIN_COMPARED, schema

_EXACT_DF = 200


@dataclass(frozen=True)
class Cells:
    """Calls, and sums and sums of squares of their scores, by group and stratum: float64 [groups, strata] each."""

    n: Any
    worst: Any
    worst2: Any
    best: Any
    best2: Any

    @classmethod
    def of(cls, group: Any, stratum: Any, shape: tuple[int, int], worst: Any, best: Any) -> Cells:
        """Sum up calls: int64 [calls] group and stratum, float64 [calls] scores."""
        cell = group * shape[1] + stratum

        def summed(weights: Any = None) -> Any:
            return np.bincount(cell, weights=weights, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)

        return cls(summed(), summed(worst), summed(worst**2), summed(best), summed(best**2))

    def others(self) -> Cells:
        """For each group, all the other groups together."""
        return Cells(*(v.sum(axis=0, keepdims=True) - v for v in self._values()))

    def rows(self, which: Any) -> Cells:
        """Some of the groups."""
        return Cells(*(v[which] for v in self._values()))

    def _values(self) -> tuple[Any, ...]:
        return self.n, self.worst, self.worst2, self.best, self.best2


@dataclass(frozen=True)
class Contrast:
    """Differences between groups and what they are compared with, arrays [groups]; nan where nothing can be compared.

    `difference`: of the middles of the scores' intervals; `low`, `high`: its 95 % interval, unheard speech and chance
    owned; `p`: two-sided, before correction; `compared`: the group's calls in strata that both have; `strata`: how many.
    """

    difference: Any
    low: Any
    high: Any
    p: Any
    compared: Any
    strata: Any


def contrast(group: Cells, other: Cells) -> Contrast:
    """Compare each group with its other, stratum by stratum. Strata with fewer than two calls on either side count for nothing."""
    shared = (group.n >= 2) & (other.n >= 2)
    n, m = np.where(shared, group.n, 0.0), np.where(shared, other.n, 0.0)
    total = n + m
    weight = np.divide(n * m, total, out=np.zeros_like(total), where=total > 0)
    summed = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, summed, out=np.zeros_like(weight), where=summed > 0)
    usable = summed[:, 0] > 0

    def mean(values: Any, count: Any) -> Any:
        return np.divide(values, count, out=np.zeros_like(values), where=count > 0)

    ends = {}
    for name, own, own2, their, their2 in (
        ("up", group.worst, group.worst2, other.best, other.best2),
        ("down", group.best, group.best2, other.worst, other.worst2),
    ):
        difference = (weight * (mean(own, n) - mean(their, m))).sum(axis=1)
        spread, spread_df = _within(own, own2, n)
        their_spread, their_df = _within(their, their2, m)
        pooled = _both(spread, spread_df, their_spread, their_df)
        v_own, v_their = np.maximum(spread, pooled), np.maximum(their_spread, pooled)  # a run of good calls is no proof
        a = (weight**2 * mean(np.broadcast_to(v_own[:, None], n.shape) * 1.0, n)).sum(axis=1)
        b = (weight**2 * mean(np.broadcast_to(v_their[:, None], m.shape) * 1.0, m)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = (a + b) ** 2 / (a**2 / np.maximum(spread_df, 1) + b**2 / np.maximum(their_df, 1))
        ends[name] = (difference, np.sqrt(a + b), np.where(np.isfinite(df), np.maximum(df, 1), 1))
    quantile = {k: np.array([t_quantile(int(d)) for d in e[2]]) for k, e in ends.items()}
    low = ends["up"][0] - quantile["up"] * ends["up"][1]
    high = ends["down"][0] + quantile["down"] * ends["down"][1]
    certain = (ends["up"][1] > 0) & (ends["down"][1] > 0)
    better = np.array([_one_sided(d, s, df) for d, s, df in zip(*ends["up"], strict=True)])
    worse = np.array([_one_sided(-d, s, df) for d, s, df in zip(*ends["down"], strict=True)])
    hide = ~(usable & certain)

    def shown(values: Any) -> Any:
        return np.where(hide, np.nan, values)

    return Contrast(
        difference=shown((ends["up"][0] + ends["down"][0]) / 2),
        low=shown(low),
        high=shown(high),
        p=shown(np.minimum(1.0, 2 * np.minimum(better, worse))),
        compared=n.sum(axis=1),
        strata=shared.sum(axis=1),
    )


def _within(values: Any, squares: Any, count: Any) -> tuple[Any, Any]:
    """Variance within strata and its degrees of freedom, both float64 [groups]."""
    used = count > 0
    centred = np.where(used, squares - np.divide(values**2, count, out=np.zeros_like(values), where=used), 0.0).sum(axis=1)
    df = np.where(used, count - 1, 0.0).sum(axis=1)
    size = np.where(used, squares, 0.0).sum(axis=1)
    centred[centred < 1e-9 * np.maximum(size, 1.0)] = 0.0  # what rounding leaves of equal values
    return np.divide(centred, df, out=np.zeros_like(centred), where=df > 0), df


def _both(v1: Any, df1: Any, v2: Any, df2: Any) -> Any:
    df = df1 + df2
    return np.divide(v1 * df1 + v2 * df2, df, out=np.zeros_like(df), where=df > 0)


def _one_sided(difference: float, error: float, df: float) -> float:
    """Probability of a difference at least so far above 0 by chance alone."""
    if error <= 0:
        return 1.0
    t, whole = difference / error, int(df)
    if whole > _EXACT_DF:  # normal approximation of Student's distribution, Abramowitz & Stegun 26.7.8
        z = t * (1 - 1 / (4 * whole)) / math.sqrt(1 + t * t / (2 * whole))
        return NormalDist().cdf(-z)
    tail = (1 - t_two_sided(abs(t), whole)) / 2
    return tail if t > 0 else 1 - tail


def holm(p: Any) -> Any:
    """P-values corrected for their number by Holm's step-down method; float64 [n], nan stays nan and is no question."""
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return out


def comparisons(scores: pa.Table, facts: CallFacts, pack: dict[str, Any]) -> pa.Table:
    """Rows of `comparisons` for one pack: providers, then agents, each for the whole score and every dimension.

    `scores`: the pack's rows in the order of `facts`. `pack`: its columns, the same in every row.
    """
    ok = facts.counted(scores)
    stratum, size = strata_of(facts, ok)
    kinds = [groups for groups in (group_by_provider(facts), group_by_agent(facts)) if len(groups.ids) > 1]
    codes = [groups.code[ok] for groups in kinds]
    names: list[str] = []
    found: list[list[Contrast]] = [[] for _ in kinds]
    for name, worst, best in _sides(scores, ok):
        names.append(name)
        for groups, code, mine in zip(kinds, codes, found, strict=True):
            cells = Cells.of(code, stratum, (len(groups.ids), size), worst, best)
            mine.append(contrast(cells, cells.others()))
    tables = [_comparison_rows(groups, names, mine, pack) for groups, mine in zip(kinds, found, strict=True)]
    return pa.concat_tables([schema("comparisons").empty_table(), *tables])


def _comparison_rows(groups: Groups, sides: Sequence[str], found: Sequence[Contrast], pack: dict[str, Any]) -> pa.Table:
    size = len(groups.ids)
    nobody = np.array([not i.strip("/") for i in groups.ids])  # the unassigned are no one to praise or to blame

    def column(name: str) -> Any:
        return np.concatenate([getattr(f, name) for f in found])

    compared = column("compared")
    asked = (compared >= MIN_COMPARED) & ~np.tile(nobody, len(found))
    p = holm(np.where(asked, column("p"), np.nan))
    return _table(
        "comparisons",
        {
            **{k: [v] * (size * len(found)) for k, v in pack.items()},
            "kind": [groups.kind] * (size * len(found)),
            "id": list(groups.ids) * len(found),
            "dimension": [s for s in sides for _ in range(size)],
            "compared": compared.astype(np.int64),
            "strata": column("strata").astype(np.int64),
            "difference": column("difference"),
            "low": column("low"),
            "high": column("high"),
            "p_adjusted": p,
            "answer": answers(column("difference"), p, compared, ("better", "worse")),
        },
    )


def answers(difference: Any, p: Any, compared: Any, words: tuple[str, str]) -> list[str]:
    """What can be said of differences, float64 [n] each: one of `words` (above 0, below 0), `not_proven`, `not_enough` calls."""
    proven = np.nan_to_num(p, nan=1.0) < 1 - CONFIDENCE
    return [
        "not_enough" if c < MIN_COMPARED else "not_proven" if not sure else words[0] if d > 0 else words[1]
        for d, sure, c in zip(difference, proven, compared, strict=True)
    ]


def _sides(scores: pa.Table, ok: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, worst and best of the scored calls, for the whole score («») and each dimension that every one of them has."""
    worst, best = (scores[c].to_numpy() for c in ("worst", "best"))
    yield "", worst[ok], best[ok]
    owner, which, known, values = dimensions_of(scores)
    n = int(ok.sum())
    for name in sorted(known):
        mine = np.flatnonzero((which == known.index(name)) & ok[owner])
        if len(mine) == n:  # calls scored with another version may lack it
            yield name, values["worst"][mine], values["best"][mine]


def strata_of(facts: CallFacts, ok: Any) -> tuple[Any, int]:
    """The queue of each call that counts, int64 [calls that do], and how many there are."""
    code, queues = encode(facts.queue)
    return code[ok], max(len(queues), 1)


def trends(scores: pa.Table, facts: CallFacts, pack: dict[str, Any], base: float) -> pa.Table:
    """Rows of `trends` for one pack: the whole, every provider and every agent, by day and by week (ISO 8601, from Monday).

    `base`: points that a call starts with, and the most it can have.
    """
    ok = facts.counted(scores)
    day = _days(facts)
    dated = ok & ~np.isnat(day)
    worst, best = (scores[c].to_numpy()[dated] for c in ("worst", "best"))
    stratum, size = strata_of(facts, dated)
    tables = [schema("trends").empty_table()]
    whole = Groups("all", np.zeros(len(ok), np.int64), [""], [None], [None])
    for groups in (whole, group_by_provider(facts), group_by_agent(facts)):
        for unit, starts in (("day", day[dated]), ("week", _mondays(day[dated]))):
            periods, code = np.unique(starts, return_inverse=True)
            if not len(periods):
                continue
            shape = (len(groups.ids) * len(periods), size)
            cells = Cells.of(groups.code[dated] * len(periods) + code, stratum, shape, worst, best)
            tables.append(_trend_rows(groups, unit, periods, cells, (pack, base)))
    return pa.concat_tables(tables)


def _trend_rows(groups: Groups, unit: str, periods: Any, cells: Cells, of: tuple[dict[str, Any], float]) -> pa.Table:
    pack, base = of
    rows = np.flatnonzero(cells.n.sum(axis=1) > 0)
    owner = rows // len(periods)
    before = np.roll(rows, 1)
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    found = contrast(cells.rows(rows), cells.rows(before))
    compared = np.where(first, 0, found.compared)
    p = np.full(len(rows), np.nan)
    for g in np.unique(owner[compared >= MIN_COMPARED]):  # a family is one group's series
        mine = (owner == g) & (compared >= MIN_COMPARED)
        p[mine] = holm(found.p[mine])
    n = cells.n.sum(axis=1)[rows]
    sums = {m: getattr(cells, m).sum(axis=1)[rows] for m in ("worst", "worst2", "best", "best2")}
    low = sums["worst"] / n - half_width(n, sums["worst"], sums["worst2"], PRIOR_DF)
    high = sums["best"] / n + half_width(n, sums["best"], sums["best2"], PRIOR_DF)
    few = n < MIN_COMPARED
    return _table(
        "trends",
        {
            **{k: [v] * len(rows) for k, v in pack.items()},
            "kind": [groups.kind] * len(rows),
            "id": [groups.ids[g] for g in owner],
            "unit": [unit] * len(rows),
            "period": [str(periods[r % len(periods)]) for r in rows],
            "calls": n.astype(np.int64),
            "mean_worst": sums["worst"] / n,
            "mean_best": sums["best"] / n,
            "low": np.where(few, np.nan, np.maximum(low, 0)),
            "high": np.where(few, np.nan, np.minimum(high, base)),
            "difference": np.where(first, np.nan, found.difference),
            "difference_low": np.where(first, np.nan, found.low),
            "difference_high": np.where(first, np.nan, found.high),
            "p_adjusted": p,
            "answer": [
                "first" if f else a for f, a in zip(first, answers(found.difference, p, compared, ("up", "down")), strict=True)
            ],
        },
    )


def _days(facts: CallFacts) -> Any:
    """Day of each call, datetime64[D] [calls]; NaT where the call list gives no ISO date."""
    code, starts = encode(facts.started_at)
    text = pc.utf8_slice_codeunits(pa.array(starts, pa.string()), 0, 10)
    parsed = pc.strptime(text, format="%Y-%m-%d", unit="s", error_is_null=True)
    return parsed.to_numpy(zero_copy_only=False).astype("datetime64[D]")[code]


def _mondays(day: Any) -> Any:
    return day - ((day.astype(np.int64) + 3) % 7).astype("timedelta64[D]")


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    target = schema(name)

    def array(field: pa.Field) -> pa.Array:
        values = columns[field.name]
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            return pa.array(np.round(values, 6), field.type, mask=np.isnan(values))
        return pa.array(values, field.type)

    return pa.table([array(f) for f in target], schema=target)
