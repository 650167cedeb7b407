"""Rates of rules freed from the machine's errors, and providers compared by them: from reviews of calls drawn with known chances.

Rogan & Gladen (1978, American Journal of Epidemiology 107, «Estimating prevalence from the results of a screening test»):

    true rate = (t + specificity − 1) ÷ (recall + specificity − 1)

with t the share of a provider's calls that the machine hit. Recall and specificity come from the same strata as precision
(`qc.score.reviews`): with H, N, M calls and p, q, r shares of true hits in them,

    recall = H·p ÷ (H·p + N·q + M·r)      1 − specificity = H·(1 − p) ÷ (H·(1 − p) + N·(1 − q) + M·(1 − r)).

Intervals own both doubts: t and each share have their Jeffreys distributions, and of 4,000 seeded draws through the formula the
2.5 and 97.5 % points are told (the Bayesian way of Rogan and Gladen's; Lang & Reiczigel 2014, Preventive Veterinary Medicine
113, compare such intervals). A difference between providers is that of their hits, found within queues and against the claim
where something was not heard (`qc.score.compare`), divided by recall + specificity − 1 at both ends of its 95 % interval.

What it takes for granted: that the machine errs alike in every provider's calls. Coverage and audio quality stand beside.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from qc.score.compare import Cells, Contrast, answers, contrast, holm
from qc.score.reviews import STRATA, Reviewed, told
from qc.score.scorecard import HIT, NOT_APPLICABLE, UNDECIDED, Scorecard, Verdicts
from qc.score.summaries import Groups
from qc.tables import MIN_CALLS, MIN_COMPARED, schema

LEAST_POWER = 0.1
"""Recall + specificity − 1 below which (at its lower end) the machine tells too little of a rule to correct by."""

Parts = Sequence[tuple[Scorecard, Any, Verdicts]]


def power(r: Reviewed) -> tuple[float, float, Any, Any]:
    """Recall and specificity of the machine on a rule, and their draws, float64 [4,000] each. Shares 0 to 1."""

    def both(share: Mapping[str, Any]) -> tuple[Any, Any]:
        true = {s: r.sizes[s] * share[s] for s in STRATA}
        false = {s: r.sizes[s] * (1 - share[s]) for s in STRATA}
        return true["hit"] / sum(true.values()), 1 - false["hit"] / sum(false.values())

    points, draws = {s: r.point(s) for s in STRATA}, r.draws()
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, specificity = both({s: np.float64(p) for s, p in points.items()})
        recalls, specificities = both(draws)
    return float(recall), float(specificity), recalls, specificities


def corrected(
    groups: Groups, parts: Parts, keep: Any, strata: tuple[Any, int], rules: Sequence[Reviewed], pack: Mapping[str, str]
) -> pa.Table:
    """Rows of `corrected`: every provider and every rule whose recall is known. `keep`: calls that count, bool [calls];
    `strata`: each such call's queue, int64, and how many there are."""
    rows: list[dict[str, Any]] = []
    found: list[Contrast] = []
    measured = []
    for r in rules:
        if not (r.whole and r.sizes["hit"]):
            continue
        recall, specificity, recalls, specificities = power(r)
        gain = recalls + specificities - 1
        low, high = np.quantile(gain, [0.025, 0.975])
        if not (low > LEAST_POWER and recall + specificity - 1 > LEAST_POWER):
            continue
        applies, hit, unsure = _machine(parts, r.rule, len(keep))
        here = keep & applies
        code = groups.code[here]
        cells = Cells.of(
            code,
            strata[0][here[keep]],
            (len(groups.ids), strata[1]),
            -100.0 * (hit | unsure)[here],
            -100.0 * hit[here],
        )
        found.append(contrast(cells, cells.others()))
        measured.append((float(low), float(high), recall + specificity - 1))
        calls, hits = np.bincount(code, minlength=len(groups.ids)), np.bincount(code[hit[here]], minlength=len(groups.ids))
        for g, who in enumerate(groups.ids):
            n, k = int(calls[g]), int(hits[g])
            row = {**pack, "kind": groups.kind, "id": who, "rule": r.rule, "calls": n, "hits": k}
            if n >= MIN_CALLS:
                rng = np.random.default_rng(zlib.crc32(f"{r.rule}|{who}".encode()))
                share = rng.beta(k + 0.5, n - k + 0.5, len(gain))
                draws = np.clip((share + specificities - 1) / np.where(gain > 0, gain, np.nan), 0, 1)
                value = min(max((k / n + specificity - 1) / (recall + specificity - 1), 0.0), 1.0)
                row["rate"] = round(100 * k / n, 6)
                row |= _hundred(told("corrected", value, draws[~np.isnan(draws)]))
            rows.append(row)
    return _compared(rows, found, measured, len(groups.ids), np.array([not i.strip("/") for i in groups.ids]))


def _hundred(shares: Mapping[str, float | None]) -> dict[str, float | None]:
    names = {"corrected": "corrected", "corrected_low": "low", "corrected_high": "high"}
    return {names[k]: None if v is None else round(100 * v, 6) for k, v in shares.items()}


def _machine(parts: Parts, rule: str, size: int) -> tuple[Any, Any, Any]:
    """Whether a rule applies to each call, and the machine hit, or could not decide: bool [calls] each."""
    applies, hit, unsure = np.zeros(size, bool), np.zeros(size, bool), np.zeros(size, bool)
    for card, rows, verdicts in parts:
        if rule not in card.rules:
            continue
        applies[rows] = True
        mine = verdicts.rule == card.rules.index(rule)
        call, said = verdicts.call[mine], verdicts.machine[mine]
        applies[call[said == NOT_APPLICABLE]] = False
        hit[call[said == HIT]] = True
        unsure[call[said == UNDECIDED]] = True
    return applies, hit, unsure


def _compared(
    rows: list[dict[str, Any]], found: list[Contrast], gains: list[tuple[float, float, float]], size: int, nobody: Any
) -> pa.Table:
    """The rows with their differences from all others, in hits per 100 calls, and the answers. Holm's correction over all of them."""
    if not rows:
        return schema("corrected").empty_table()
    values = {
        name: np.concatenate([getattr(f, name) for f in found])
        for name in ("difference", "low", "high", "p", "compared", "strata")
    }
    least, most, middle = (np.repeat([g[i] for g in gains], size) for i in range(3))
    low, high = -values["high"], -values["low"]  # scores of −100 a hit: more hits are less
    ends = {"low": np.minimum(low / least, low / most), "high": np.maximum(high / least, high / most)}
    asked = (values["compared"] >= MIN_COMPARED) & ~np.tile(nobody, len(found))
    p = holm(np.where(asked, values["p"], np.nan))
    difference = -values["difference"] / middle
    said = answers(difference, p, values["compared"], ("more", "fewer"))
    for i, row in enumerate(rows):
        row |= {
            "compared": int(values["compared"][i]),
            "strata": int(values["strata"][i]),
            "difference": _number(difference[i]),
            "difference_low": _number(ends["low"][i]),
            "difference_high": _number(ends["high"][i]),
            "p_adjusted": _number(p[i]),
            "answer": said[i],
        }
    return pa.Table.from_pylist(rows, schema=schema("corrected"))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
