"""Fair comparison, trends, and the simulation: on made agents whose truth is known, intervals cover it and equals stay equal."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from qc.packs.conditions import Says, Term
from qc.packs.flatten import save
from qc.packs.model import Case, Dimension, Line, Pack, Rule
from qc.score import score
from qc.score.compare import Cells, comparisons, contrast, holm, trends
from qc.score.intervals import PRIOR_DF, half_width, t_quantile, wilson
from qc.score.summaries import CallFacts
from qc.store import Store
from qc.tables import MIN_COMPARED, schema

RATES = (0.3, 0.12, 0.05, 0.25)
POINTS = (-5.0, -10.0, -20.0, 3.0)
PACK = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": "0" * 64, "pack_signer": "local"}


def rule(number: int) -> Rule:
    cases = (Case("hit", (Line("agent", "甲"),)), Case("miss", (Line("agent", "乙"),)))
    texts = {"zh": f"r{number}", "en": f"r{number}"}
    return Rule(f"r{number}", texts, texts, "d", "low", POINTS[number], Says((Term("word", "甲"),)), cases)


def pack() -> Pack:
    title = {"zh": "d", "en": "d"}
    return Pack("p", "1.0.0", title, (Dimension("d", title),), tuple(rule(i) for i in range(len(POINTS))))


def truth() -> float:
    """The expected score of a call, over all combinations of hits."""
    total = 0.0
    for bits in range(2 ** len(RATES)):
        hit = [(bits >> i) & 1 for i in range(len(RATES))]
        chance = np.prod([r if h else 1 - r for r, h in zip(RATES, hit, strict=True)])
        total += chance * min(100.0, 100 + sum(p for p, h in zip(POINTS, hit, strict=True) if h))
    return total


def test_the_intervals_cover_the_truth_of_made_agents(tmp_path: Path) -> None:
    """1,500 agents with 40 calls each and known rates: 93 to 97 % of the 95 % intervals hold the true value."""
    agents, each = 1500, 40
    hit = np.random.default_rng(20240611).random((agents * each, len(RATES))) < np.array(RATES)
    rules = pack()
    store = Store(tmp_path)
    save(store, rules)
    base = {**PACK, "pack_sha256": rules.sha256, "status": "ok", "reason": None, "message": None}
    verdict = [{"rule": f"r{i}", "verdict": "hit", "count": 1, "severity": "low"} for i in range(len(RATES))]
    ids = [f"{i:06d}" for i in range(agents * each)]
    store.append(
        "findings",
        [{**base, "call_id": c, "verdicts": [verdict[i] for i in np.flatnonzero(h)]} for c, h in zip(ids, hit, strict=True)],
    )
    store.append("calls", [{"call_id": c, "provider": "甲", "agent_id": f"{i // each:05d}"} for i, c in enumerate(ids)])
    score(store)
    rows = [s for s in store.read("summaries").to_pylist() if s["kind"] == "agent"]
    assert len(rows) == agents
    mean = truth()
    covered = np.mean([s["low"] <= mean <= s["high"] for s in rows])
    assert 0.93 <= covered <= 0.97, covered
    none = [float(end[0]) for end in wilson([0], [each])]  # a rule that never hit is not listed
    for i, rate in enumerate(RATES):
        found = [next((r for r in s["rules"] if r["rule"] == f"r{i}"), None) for s in rows]
        inside = [none[0] <= rate <= none[1] if f is None else f["low"] <= 100 * rate <= f["high"] for f in found]
        assert 0.93 <= np.mean(inside) <= 0.97, (rate, np.mean(inside))


@pytest.mark.parametrize("calls", [5, 10, 20, 80])
def test_the_intervals_cover_the_truth_of_unlike_agents_with_few_calls_and_a_rare_heavy_slip(calls: int) -> None:
    """3,000 agents of unlike skill, one slip in fifty costs half the score: their own variance alone would hold it in 77 to 91 %."""
    rng = np.random.default_rng(20251122)
    points = np.array([-5.0, -8.0, -20.0, -50.0])
    rates = np.array([0.25, 0.12, 0.06, 0.02]) * rng.gamma(4, 0.25, 3000)[:, None]
    bits = (np.arange(16)[:, None] >> np.arange(4)) & 1
    mean = np.where(bits, rates[:, None], 1 - rates[:, None]).prod(axis=2) @ np.maximum(100 + bits @ points, 0)
    given = np.maximum(100 + (rng.random((3000, calls, 4)) < rates[:, None]) @ points, 0)
    sums = np.full(3000, calls), given.sum(axis=1), (given**2).sum(axis=1)
    off = np.abs(given.mean(axis=1) - mean)
    assert 0.93 <= np.mean(off <= half_width(*sums, PRIOR_DF)) <= 0.98
    assert np.mean(off <= half_width(*sums)) < 0.92


def test_of_twenty_equal_providers_hardly_ever_is_any_called_better_or_worse() -> None:
    """200 runs of twenty providers of 100 calls with unlike queues, five dimensions: a hundred questions each, one family."""
    rng = np.random.default_rng(15)
    runs, apart, naive = 200, 0, 0
    who = np.repeat(np.arange(20), 100)
    for _ in range(runs):
        queue = (rng.random(2000) < rng.random(20)[who]).astype(np.int64)
        p = []
        for _ in range(5):
            values = 100 - (rng.random((2000, 2)) < np.array([[0.1, 0.05], [0.45, 0.3]])[queue]) @ np.array([10.0, 25.0])
            cells = Cells.of(who, queue, (20, 2), values, values)
            p.append(contrast(cells, cells.others()).p)
        apart += bool((holm(np.concatenate(p)) < 0.05).any())
        naive += bool((np.concatenate(p) < 0.05).any())
    assert apart <= 0.05 * runs, apart
    assert naive > 0.5 * runs, naive  # without Holm's correction nearly every run would name somebody


def made(scores: Any, provider: Any, queue: Any, agent: Any = None, started: Any = None) -> tuple[pa.Table, CallFacts]:
    """Scores (float64 [calls], or a pair worst, best) of calls as `comparisons` and `trends` take them."""
    worst, best = scores if isinstance(scores, tuple) else (scores, scores)
    n = len(worst)
    rows = [
        {
            **PACK,
            "call_id": str(i),
            "status": "ok",
            "worst": float(w),
            "best": float(b),
            "dimensions": [{"dimension": "d", "worst": float(w), "best": float(b)}],
        }
        for i, (w, b) in enumerate(zip(worst, best, strict=True))
    ]
    text = pa.array([str(p) for p in provider], pa.string())
    facts = CallFacts(
        provider=text,
        agent=text if agent is None else pa.array([str(a) for a in agent], pa.string()),
        agent_name=pa.nulls(n, pa.string()),
        queue=pa.array([str(q) for q in queue], pa.string()),
        started_at=pa.nulls(n, pa.string()) if started is None else pa.array(list(started), pa.string()),
        audio_ms=np.zeros(n),
        speech_ms=np.zeros(n),
        heard_ms=np.zeros(n),
    )
    return pa.Table.from_pylist(rows, schema=schema("scores")), facts


def answers(table: pa.Table, dimension: str = "", kind: str = "provider") -> dict[str, str]:
    return {r["id"]: r["answer"] for r in table.to_pylist() if r["dimension"] == dimension and r["kind"] == kind}


def calls_of(rng: np.random.Generator, n: int, hard: float, shift: float = 0.0) -> tuple[Any, Any]:
    """(scores, queues) of n calls, `hard` of them in a queue where everyone loses more points."""
    queue = np.where(rng.random(n) < hard, "hard", "easy")
    rates = np.where((queue == "hard")[:, None], 0.45, 0.1) + shift
    lost = (rng.random((n, 3)) < rates) @ np.array([5.0, 10.0, 25.0])
    return 100 - lost, queue


def test_two_equal_providers_are_told_apart_in_at_most_one_run_of_twenty() -> None:
    """600 runs; one provider takes the hard calls, so that naive means differ in nearly every run."""
    rng = np.random.default_rng(7)
    apart = naive = 0
    for _ in range(600):
        a, qa = calls_of(rng, 120, 0.7)
        b, qb = calls_of(rng, 180, 0.25)
        naive += abs(a.mean() - b.mean()) > 5
        n = len(a) + len(b)
        cells = Cells.of(
            np.repeat([0, 1], [120, 180]),
            np.unique(np.concatenate([qa, qb]), return_inverse=True)[1],
            (2, 2),
            *(np.concatenate([a, b]),) * 2,
        )
        assert cells.n.sum() == n
        p = holm(contrast(cells, cells.others()).p)
        apart += bool((p < 0.05).any())
    assert apart <= 0.05 * 600, apart
    assert naive > 300


def test_a_real_difference_is_found_and_its_direction_told() -> None:
    rng = np.random.default_rng(8)
    parts = [calls_of(rng, 400, 0.5, shift) for shift in (0.0, 0.0, 0.25)]
    table, facts = made(
        np.concatenate([p[0] for p in parts]), np.repeat(["甲", "乙", "丙"], 400), np.concatenate([p[1] for p in parts])
    )
    found = comparisons(table, facts, PACK)
    assert answers(found) == {"甲": "better", "乙": "better", "丙": "worse"}
    assert answers(found, "d") == answers(found)
    (worse,) = [r for r in found.to_pylist() if r["id"] == "丙" and r["kind"] == "provider" and r["dimension"] == ""]
    assert worse["low"] < worse["difference"] < worse["high"] < 0
    assert (worse["strata"], worse["compared"]) == (2, 400)


def test_the_mix_of_queues_is_not_held_against_a_provider() -> None:
    """The same in each queue, but one takes the hard one: the naive means differ by more than ten points, the fair ones do not."""
    rng = np.random.default_rng(9)
    a, qa = calls_of(rng, 500, 0.9)
    b, qb = calls_of(rng, 500, 0.1)
    assert b.mean() - a.mean() > 9
    table, facts = made(np.concatenate([a, b]), np.repeat(["甲", "乙"], 500), np.concatenate([qa, qb]))
    assert answers(comparisons(table, facts, PACK)) == {"甲": "not_proven", "乙": "not_proven"}


def test_calls_of_no_shared_queue_are_not_compared() -> None:
    table, facts = made(np.tile([90.0, 100.0], 60), np.repeat(["甲", "乙"], 60), np.repeat(["x", "y"], 60))
    found = comparisons(table, facts, PACK)
    assert set(answers(found).values()) == {"not_enough"}
    assert {r["difference"] for r in found.to_pylist()} == {None}


def test_what_was_not_heard_proves_nothing() -> None:
    rng = np.random.default_rng(10)
    worst = rng.choice([60.0, 70.0], 300)
    worst[150:] += 20
    best = np.where(np.arange(300) < 150, 100.0, worst)
    queue = ["q"] * 300
    providers = np.repeat(["甲", "乙"], 150)
    heard = comparisons(*made(worst, providers, queue), PACK)
    assert answers(heard) == {"甲": "worse", "乙": "better"}
    unheard = comparisons(*made((worst, best), providers, queue), PACK)
    assert answers(unheard) == {"甲": "not_proven", "乙": "not_proven"}


def test_few_calls_and_equal_scores_prove_nothing() -> None:
    few = MIN_COMPARED - 1
    rng = np.random.default_rng(11)
    scores = np.concatenate([rng.choice([0.0, 10.0], few), rng.choice([90.0, 100.0], 500)])
    found = comparisons(*made(scores, np.repeat(["甲", "乙"], [few, 500]), ["q"] * len(scores)), PACK)
    assert answers(found)["甲"] == "not_enough"
    alike = comparisons(*made(np.full(100, 95.0), np.repeat(["甲", "乙"], 50), ["q"] * 100), PACK)
    assert set(answers(alike).values()) == {"not_proven"}


def test_a_small_group_without_spread_borrows_the_others() -> None:
    """Twenty spotless calls are no proof where nine in ten of the others are spotless, too."""
    rng = np.random.default_rng(12)
    others = 100 - 30 * (rng.random(400) < 0.1)
    scores = np.concatenate([np.full(20, 100.0), others])
    found = comparisons(*made(scores, np.repeat(["甲", "乙"], [20, 400]), ["q"] * 420), PACK)
    assert answers(found)["甲"] == "not_proven"


def test_the_difference_is_the_weighted_mean_of_the_strata_by_hand() -> None:
    """Two strata: (90, 80 | 70, 60), (50, 50, 20 | 40, 40); Cochran's weights 2·2/4 = 1 and 3·2/5 = 1.2."""
    group = np.array([0, 0, 1, 1, 0, 0, 0, 1, 1])
    stratum = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    values = np.array([90.0, 80, 70, 60, 50, 50, 20, 40, 40])
    cells = Cells.of(group, stratum, (2, 2), values, values)
    found = contrast(cells, cells.others())
    expected = (1 * (85 - 65) + 1.2 * (40 - 40)) / 2.2
    assert found.difference == pytest.approx([expected, -expected])
    own, their = (50 + 600) / 3, 50 / 2  # within strata; with so few degrees of freedom the pooled one counts where it is larger
    pooled = (650 + 50) / 5
    a = max(own, pooled) * ((1 / 2.2) ** 2 / 2 + (1.2 / 2.2) ** 2 / 3)
    b = max(their, pooled) * ((1 / 2.2) ** 2 / 2 + (1.2 / 2.2) ** 2 / 2)
    df = int((a + b) ** 2 / (a**2 / 3 + b**2 / 2))
    assert found.high[0] - found.difference[0] == pytest.approx(t_quantile(df) * np.sqrt(a + b))


def test_holm_by_hand() -> None:
    corrected = holm(np.array([0.01, np.nan, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, np.nan, 0.06, 0.06, 0.02], nan_ok=True)
    assert len(holm(np.array([]))) == 0


def test_trends_by_day_and_week_and_whether_the_change_is_proven() -> None:
    rng = np.random.default_rng(13)
    days = ["2025-11-07", "2025-11-08", "2025-11-10", "2025-11-11"]
    started = np.repeat([f"{d}T09:00:00+08:00" for d in days], 200)
    scores = 100 - 20.0 * (rng.random(800) < np.repeat([0.1, 0.1, 0.5, 0.5], 200))
    table, facts = made(scores, ["甲"] * 800, ["q"] * 800, started=[*started[:-1], "around noon"])
    rows = [r for r in trends(table, facts, PACK, 100.0).to_pylist() if r["kind"] == "all"]
    by_day = [r for r in rows if r["unit"] == "day"]
    assert [(r["period"], r["answer"]) for r in by_day] == list(
        zip(days, ["first", "not_proven", "down", "not_proven"], strict=True)
    )
    assert [r["calls"] for r in by_day] == [200, 200, 200, 199]
    assert [(r["period"], r["answer"]) for r in rows if r["unit"] == "week"] == [("2025-11-03", "first"), ("2025-11-10", "down")]
    assert all(0 <= r["low"] <= r["mean_worst"] <= r["high"] <= 100 for r in rows)


def test_each_agent_has_a_trend_of_its_own() -> None:
    """One agent falls from the first week to the next; the other does not, and has too few calls a day to say anything by day."""
    rng = np.random.default_rng(5)
    started = [f"2025-11-{d:02d}" for d in (3, 10) for _ in range(100)] + [f"2025-11-{3 + i % 12:02d}" for i in range(60)]
    scores = 100 - 20.0 * (rng.random(260) < np.repeat([0.1, 0.6, 0.3], [100, 100, 60]))
    table, facts = made(scores, ["甲"] * 260, ["q"] * 260, started=started, agent=["1"] * 200 + ["2"] * 60)
    rows = [r for r in trends(table, facts, PACK, 100.0).to_pylist() if r["kind"] == "agent"]
    answers = {who: [r["answer"] for r in rows if r["id"] == who and r["unit"] == "week"] for who in ("甲/1", "甲/2")}
    assert answers == {"甲/1": ["first", "down"], "甲/2": ["first", "not_proven"]}
    days = [r for r in rows if r["id"] == "甲/2" and r["unit"] == "day"]
    assert len(days) == 12 and all(r["low"] is None and r["answer"] in ("first", "not_enough") for r in days)


def test_a_store_gets_both_tables_and_the_same_ones_each_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rules = pack()
    save(store, rules)
    base = {**PACK, "pack_sha256": rules.sha256, "status": "ok"}
    hit = {"rule": "r0", "verdict": "hit", "count": 1, "severity": "low"}
    store.append(
        "findings", [{**base, "call_id": f"{i:03d}", "verdicts": [hit] if i % 3 == 0 or i >= 60 else []} for i in range(120)]
    )
    store.append(
        "calls",
        [
            {
                "call_id": f"{i:03d}",
                "provider": "甲" if i < 60 else "乙",
                "agent_id": str(i % 3),
                "started_at": f"2025-11-0{1 + i % 2}",
            }
            for i in range(120)
        ],
    )
    score(store)
    first = {t: store.read(t) for t in ("comparisons", "trends")}
    assert answers(first["comparisons"]) == {"甲": "better", "乙": "worse"}
    assert {r["period"] for r in first["trends"].to_pylist() if r["unit"] == "day"} == {"2025-11-01", "2025-11-02"}
    score(store)
    assert {t: store.read(t) for t in first} == first
    assert dataclasses.asdict(score(store))["providers"] == 2
