"""How often what `qc score` claims is true: made agents, providers and reviews whose truth is known.

    python bench/intervals.py [--quick] [--json FILE]

- **means**: agents of unlike skill (or alike) with known chances of four deductions, a rare and heavy one among them, and a bonus, so
  many calls each; how often the 95 % interval of the mean score holds the true mean, of those that get an interval; and how often
  it would by the agent's own variance alone.
- **rates**: the same for hits per 100 calls (Wilson).
- **equal**: two providers with the same true rates and unlike queues; and twenty with five dimensions: in how many runs anything is
  called better or worse, and in how many the naive means (of the two) differ by more than 5 points.
- **unequal**: two providers that do differ by 4 points: in how many runs it is proven, and how often the interval holds the truth.
- **reviews**: rules with known precision and recall, calls drawn as `qc review draw` does: how often the intervals hold the truth.

Everything goes through the functions that `qc score` uses; seeded; `--quick` is a fifth of the runs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from qc.score.compare import Cells, contrast, holm
from qc.score.intervals import PRIOR_DF, half_width, wilson
from qc.score.reviews import quality, reviewed_rules
from qc.tables import schema

RATES = np.array([0.25, 0.12, 0.06, 0.02, 0.30])
POINTS = np.array([-5.0, -8.0, -20.0, -50.0, 3.0])
PACK = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": "0" * 64, "pack_signer": "local"}
QUEUES = np.array([[0.45, 0.30], [0.10, 0.05]])  # chances of two slips in the hard and in the easy queue
LOST = np.array([10.0, 25.0])


def means(rng: np.random.Generator, runs: int) -> dict[str, float]:
    """Agents of one skill each, so that the truth differs from agent to agent; alike for comparison, and by their own variance alone."""
    bits = (np.arange(2 ** len(RATES))[:, None] >> np.arange(len(RATES))) & 1
    found = {}
    for calls in (5, 10, 20, 40, 80, 300):
        agents = max(runs // calls, 300)
        for kind, skill in (("", rng.gamma(4, 0.25, agents)), (" alike", np.ones(agents))):
            rate = np.minimum(RATES * np.column_stack([skill] * 4 + [np.ones(agents)]), 0.9)
            true = np.where(bits, rate[:, None], 1 - rate[:, None]).prod(axis=2) @ np.clip(100 + bits @ POINTS, 0, 100)
            made = np.clip(100 + (rng.random((agents, calls, len(RATES))) < rate[:, None]) @ POINTS, 0, 100)
            sums = np.full(agents, calls), made.sum(axis=1), (made**2).sum(axis=1)
            for name, prior in (("", PRIOR_DF), (", own variance", 0)):
                half = half_width(*sums, prior)
                held = np.abs(sums[1] / calls - true)[half > 0] <= half[half > 0]
                if not (kind and name):
                    found[f"mean, {calls} calls{kind}{name}"] = float(held.mean())
    return found


def rates(rng: np.random.Generator, runs: int) -> dict[str, float]:
    found = {}
    for rate in (0.02, 0.1, 0.3):
        for calls in (20, 80, 300):
            low, high = wilson(rng.binomial(calls, rate, runs), np.full(runs, calls))
            found[f"rate of {100 * rate:.0f}, {calls} calls"] = float(((low <= rate) & (rate <= high)).mean())
    return found


def provider_calls(rng: np.random.Generator, calls: int, hard: float, worse: float = 0.0) -> tuple[Any, Any]:
    """Scores and queues (0 hard, 1 easy) of a provider's calls, `hard` of them in the hard queue."""
    queue = (rng.random(calls) >= hard).astype(int)
    return 100 - (rng.random((calls, 2)) < QUEUES[queue] + worse) @ LOST, queue


def two(rng: np.random.Generator, runs: int, worse: float) -> tuple[float, float, float]:
    """Shares of runs in which two providers are told apart, in which their naive means differ by more than 5 points, and in which
    the interval of the difference holds the truth."""
    apart = naive = held = 0
    for _ in range(runs):
        (a, qa), (b, qb) = provider_calls(rng, 120, 0.7, worse), provider_calls(rng, 180, 0.25)
        values = np.concatenate([a, b])
        cells = Cells.of(np.repeat([0, 1], [120, 180]), np.concatenate([qa, qb]), (2, 2), values, values)
        found = contrast(cells, cells.others())
        apart += bool((holm(found.p) < 0.05).any())
        naive += abs(a.mean() - b.mean()) > 5
        held += bool(found.low[0] <= -worse * LOST.sum() <= found.high[0])
    return apart / runs, naive / runs, held / runs


def twenty(rng: np.random.Generator, runs: int) -> float:
    """Share of runs in which any of twenty equal providers is called better or worse in any of five dimensions."""
    apart = 0
    for _ in range(runs):
        mix = rng.random(20)
        who = np.repeat(np.arange(20), 100)
        queue = (rng.random(2000) >= mix[who]).astype(int)
        p = []
        for _ in range(5):
            values = 100 - (rng.random((2000, 2)) < QUEUES[queue]) @ LOST
            cells = Cells.of(who, queue, (20, 2), values, values)
            p.append(contrast(cells, cells.others()).p)
        apart += bool((holm(np.concatenate(p)) < 0.05).any())
    return apart / runs


REVIEWED = {
    "good rule": ({"hit": 2000, "near": 1000, "other": 20000}, {"hit": 0.95, "near": 0.05, "other": 0.002}),
    "middling rule": ({"hit": 2000, "near": 1000, "other": 5000}, {"hit": 0.8, "near": 0.2, "other": 0.03}),
    "bad rule": ({"hit": 500, "near": 2000, "other": 20000}, {"hit": 0.4, "near": 0.1, "other": 0.01}),
}
DRAWN = {"hit": 100, "near": 60, "other": 40}


def reviews(rng: np.random.Generator, runs: int) -> dict[str, float]:
    found = {}
    for name, (sizes, shares) in REVIEWED.items():
        held = {"precision": 0, "recall": 0}
        for _ in range(runs):
            hits = {s: int(rng.binomial(n, shares[s])) for s, n in sizes.items()}
            truth = {"precision": hits["hit"] / sizes["hit"], "recall": hits["hit"] / sum(hits.values())}
            plan, said = [], []
            for s, n in sizes.items():
                right = int(rng.hypergeometric(hits[s], n - hits[s], DRAWN[s]))
                for i in range(DRAWN[s]):
                    row = {"pack_id": "p", "call_id": f"{s}{i}", "rule": "r"}
                    plan.append({**row, "stratum": s, "stratum_calls": n, "stratum_drawn": DRAWN[s]})
                    said.append({**row, "reviewer": "li", "answer": "hit" if i < right else "miss"})
            tables = (pa.Table.from_pylist(rows, schema=schema(t)) for rows, t in ((plan, "review_plan"), (said, "reviews")))
            (row,) = quality(reviewed_rules(*tables, "p"), PACK).to_pylist()
            for what in held:
                held[what] += row[f"{what}_low"] <= truth[what] <= row[f"{what}_high"]
        found |= {f"{what} of a {name}": n / runs for what, n in held.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    share = 5 if options.quick else 1
    rng = np.random.default_rng(20251122)
    held = means(rng, 400_000 // share) | rates(rng, 20_000 // share) | reviews(rng, 1_000 // share)
    equal, naive, _ = two(rng, 3_000 // share, 0.0)
    unequal, _, difference = two(rng, 3_000 // share, 4 / float(LOST.sum()))
    figures = {
        "intervals_hold_the_truth": {k: round(v, 4) for k, v in (held | {"difference of 4 points": difference}).items()},
        "two_equal_told_apart": round(equal, 4),
        "two_equal_naive_means_5_points_apart": round(naive, 4),
        "twenty_equal_any_told_apart": round(twenty(rng, 1_000 // share), 4),
        "two_unequal_told_apart": round(unequal, 4),
    }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
