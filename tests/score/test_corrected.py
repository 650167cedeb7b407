"""Rates freed from the machine's errors: by hand, by simulation, and equal providers told apart in at most 5 % of the runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qc.score.corrected import corrected, power
from qc.score.reviews import Reviewed
from qc.score.scorecard import HIT, UNDECIDED, Scorecard, Verdicts
from qc.score.summaries import Groups

PACK = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": "0" * 64, "pack_signer": "local"}
ONE = np.ones(1)
CARD = Scorecard(("r",), ("d",), np.zeros(1, np.int64), -ONE, ONE, ONE, ONE < 0, ONE < 0, 100.0)


def reviewed(hit: tuple[int, int], near: tuple[int, int], other: tuple[int, int], sizes: tuple[int, int, int]) -> Reviewed:
    """(true hits, answers) of each stratum, and its calls."""
    strata = ("hit", "near", "other")
    said = {s: [True] * k + [False] * (n - k) for s, (k, n) in zip(strata, (hit, near, other), strict=True)}
    return Reviewed("r", said, dict(zip(strata, sizes, strict=True)), 0)


def table(
    provider: Any, said: Any, r: Reviewed, queue: Any = None, names: tuple[str, ...] = ("乙", "甲")
) -> list[dict[str, Any]]:
    """Rows of `corrected` for calls with the machine's verdict in `said` (-1: miss)."""
    call = np.flatnonzero(said >= 0)
    verdicts = Verdicts(call, np.zeros(len(call), np.int64), said[call].astype(np.int8), np.ones(len(call), np.int64), said[call])
    groups = Groups("provider", provider, list(names), list(names), list(names))
    n = len(provider)
    strata = (np.zeros(n, np.int64), 1) if queue is None else (queue, int(queue.max()) + 1)
    return corrected(groups, [(CARD, np.arange(n), verdicts)], np.ones(n, bool), strata, [r], PACK).to_pylist()


def test_recall_specificity_and_the_rate_by_hand() -> None:
    """1,000 calls: 100 hits of which 80 % are right, 100 near of which 10 % are missed hits, of 800 others none."""
    r = reviewed((16, 20), (2, 20), (0, 20), (100, 100, 800))
    recall, specificity, *_ = power(r)
    assert recall == pytest.approx(80 / 90) and specificity == pytest.approx(1 - 20 / 910)
    said = np.full(1000, -1)
    said[:30], said[500:570] = HIT, HIT
    rows = table(np.repeat([0, 1], 500), said, r)
    for row, hits in zip(rows, (30, 70), strict=True):
        expected = (hits / 500 + specificity - 1) / (recall + specificity - 1)
        assert (row["calls"], row["hits"], row["rate"]) == (500, hits, 100 * hits / 500)
        assert row["corrected"] == pytest.approx(100 * expected, abs=1e-4)
        assert 0 <= row["low"] < row["corrected"] < row["high"] <= 100
    assert [row["answer"] for row in rows] == ["fewer", "more"]
    gain = recall + specificity - 1
    assert rows[1]["difference"] == pytest.approx(100 * (70 - 30) / 500 / gain, abs=1e-4)
    assert rows[1]["difference_low"] < rows[1]["difference"] < rows[1]["difference_high"]
    assert rows[0]["difference"] == -rows[1]["difference"]


def test_a_difference_that_undecided_calls_could_explain_is_not_proven() -> None:
    r = reviewed((19, 20), (1, 20), (0, 20), (100, 100, 800))
    said = np.full(1000, -1)
    said[500:570] = HIT
    assert [row["answer"] for row in table(np.repeat([0, 1], 500), said, r)] == ["fewer", "more"]
    said[:80] = UNDECIDED
    assert [row["answer"] for row in table(np.repeat([0, 1], 500), said, r)] == ["not_proven", "not_proven"]


def test_a_rule_that_tells_too_little_or_was_not_reviewed_everywhere_is_not_corrected() -> None:
    said = np.where(np.arange(1000) % 10 == 0, HIT, -1)
    provider = np.repeat([0, 1], 500)
    assert table(provider, said, reviewed((2, 20), (2, 20), (2, 20), (100, 100, 800))) == []  # no better than by chance
    assert table(provider, said, reviewed((16, 20), (2, 20), (0, 0), (100, 100, 800))) == []
    assert table(provider, said, reviewed((0, 0), (0, 20), (0, 20), (0, 200, 800))) == []


def test_few_calls_are_neither_corrected_nor_compared() -> None:
    r = reviewed((16, 20), (2, 20), (0, 20), (100, 100, 800))
    said = np.where(np.arange(504) % 10 == 0, HIT, -1)
    few, many = table(np.repeat([0, 1], [4, 500]), said, r)
    assert (few["corrected"], few["answer"]) == (None, "not_enough") and many["corrected"] is not None


def world(rng: np.random.Generator, rates: tuple[float, ...], calls: int) -> tuple[Any, Any, Reviewed]:
    """Providers with true rates; a machine with recall 0.75 and specificity 0.98, half of whose misses lie near a hit; 60 calls of
    each stratum reviewed. (provider, the machine's verdicts, what was reviewed)."""
    provider = np.repeat(np.arange(len(rates)), calls)
    truth = rng.random(len(provider)) < np.array(rates)[provider]
    hit = np.where(truth, rng.random(len(provider)) < 0.75, rng.random(len(provider)) < 0.02)
    near = ~hit & (rng.random(len(provider)) < np.where(truth, 0.5, 0.1))
    strata = {"hit": np.flatnonzero(hit), "near": np.flatnonzero(near), "other": np.flatnonzero(~hit & ~near)}
    said = {s: truth[rng.choice(c, min(60, len(c)), replace=False)].tolist() for s, c in strata.items()}
    return provider, np.where(hit, HIT, -1), Reviewed("r", said, {s: len(c) for s, c in strata.items()}, 0)


def test_the_corrected_intervals_hold_the_truth_where_the_machines_own_do_not() -> None:
    """300 worlds of two providers with true rates of 10 and 20 %: the machine sees 9.3 and 16.6 %."""
    rng = np.random.default_rng(41)
    rates = (0.10, 0.20)
    held, naive, runs = 0, 0, 300
    for _ in range(runs):
        rows = table(*world(rng, rates, 1500))
        held += sum(row["low"] <= 100 * rate <= row["high"] for row, rate in zip(rows, rates, strict=True))
        half = [1.96 * 100 * (row["rate"] / 100 * (1 - row["rate"] / 100) / row["calls"]) ** 0.5 for row in rows]
        naive += sum(abs(row["rate"] - 100 * rate) <= h for row, rate, h in zip(rows, rates, half, strict=True))
    assert 0.93 <= held / (2 * runs) <= 0.99, held / (2 * runs)
    assert naive / (2 * runs) < 0.6


def test_two_equal_providers_are_told_apart_in_at_most_one_run_of_twenty_and_the_difference_of_unequal_ones_is_held() -> None:
    rng = np.random.default_rng(42)
    apart = held = 0
    for _ in range(400):
        apart += any(row["answer"] in ("more", "fewer") for row in table(*world(rng, (0.15, 0.15), 800)))
    for _ in range(200):
        row = table(*world(rng, (0.10, 0.20), 1500))[1]
        held += row["difference_low"] <= 10 <= row["difference_high"]
    assert apart <= 0.05 * 400, apart
    assert held >= 0.95 * 200, held
