"""Reviews in scores: people's word above the machine's, and precision and recall of a rule from calls drawn with known chances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from qc.packs.conditions import Says, Term
from qc.packs.flatten import save
from qc.packs.model import Case, Dimension, Line, Pack, Rule
from qc.score import score
from qc.score.reviews import quality, reviewed_rules, settle
from qc.store import Store
from qc.tables import schema

POINTS = {"promise": -10.0, "rude": -30.0, "fatal": -50.0, "praise": 5.0}


def rule(rule_id: str) -> Rule:
    cases = (Case("hit", (Line("agent", "甲"),)), Case("miss", (Line("agent", "乙"),)))
    texts = {"zh": rule_id, "en": rule_id}
    when = Says((Term("word", "甲"),))
    return Rule(rule_id, texts, texts, "d", "low", POINTS[rule_id], when, cases, fatal=rule_id == "fatal")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    title = {"zh": "d", "en": "d"}
    pack = Pack("p", "1.0.0", title, (Dimension("d", title),), tuple(map(rule, POINTS)))
    made = Store(tmp_path)
    save(made, pack)
    base = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": pack.sha256, "pack_signer": "local", "status": "ok"}
    verdicts = {
        "a": [("promise", "hit")],
        "b": [("promise", "hit"), ("rude", "undecided")],
        "c": [],
        "d": [("fatal", "hit")],
    }
    rows = [
        {
            **base,
            "call_id": c,
            "verdicts": [{"rule": r, "verdict": v, "severity": "low", "count": int(v == "hit")} for r, v in vs],
        }
        for c, vs in verdicts.items()
    ]
    made.append("findings", rows)
    made.append("calls", [{"call_id": c, "provider": "甲"} for c in verdicts])
    score(made)
    return made


def review(store: Store, *answers: tuple[str, str, str], reviewer: str = "li") -> None:
    store.append("reviews", [{"pack_id": "p", "call_id": c, "rule": r, "reviewer": reviewer, "answer": a} for c, r, a in answers])
    score(store)


def ends(store: Store) -> dict[str, tuple[float, float]]:
    return {r["call_id"]: (r["worst"], r["best"]) for r in store.read("scores").to_pylist()}


def items(store: Store, call: str) -> list[tuple[str, str, str, float]]:
    row = next(r for r in store.read("scores").to_pylist() if r["call_id"] == call)
    return [(i["rule"], i["verdict"], i["machine"], i["worst"]) for i in row["items"]]


def test_without_reviews_the_machines_word_counts(store: Store) -> None:
    assert ends(store) == {"a": (90, 90), "b": (60, 90), "c": (100, 100), "d": (0, 0)}
    assert items(store, "b") == [("promise", "hit", "hit", -10), ("rude", "undecided", "undecided", -30)]


def test_a_reviewers_word_counts_above_the_machines(store: Store) -> None:
    before = store.read("findings")
    review(store, ("a", "promise", "miss"), ("b", "rude", "hit"), ("c", "rude", "hit"), ("d", "fatal", "miss"))
    assert ends(store) == {"a": (100, 100), "b": (60, 60), "c": (70, 70), "d": (100, 100)}
    assert items(store, "a") == [("promise", "overruled", "hit", 0)]
    assert items(store, "b")[1] == ("rude", "hit", "undecided", -30)
    assert items(store, "c") == [("rude", "hit", "miss", -30)]
    assert store.read("findings") == before
    whole = next(s for s in store.read("summaries").to_pylist() if s["kind"] == "all")
    assert {r["rule"]: (r["hits"], r["undecided"], r["calls"]) for r in whole["rules"]} == {
        "promise": (1, 0, 4),
        "rude": (2, 0, 4),
    }


def test_cannot_tell_and_a_tie_leave_the_machines_verdict(store: Store) -> None:
    review(store, ("a", "promise", "cannot_tell"), ("b", "promise", "miss"))
    assert ends(store)["a"] == (90, 90) and ends(store)["b"] == (70, 100)
    review(store, ("b", "promise", "hit"), reviewer="wang")
    assert ends(store)["b"] == (60, 90)
    review(store, ("b", "promise", "miss"), reviewer="zhao")
    assert ends(store)["b"] == (70, 100)


def test_the_last_word_of_a_reviewer_counts(store: Store) -> None:
    review(store, ("a", "promise", "miss"))
    review(store, ("a", "promise", "hit"))
    assert ends(store)["a"] == (90, 90)


def test_reviews_of_another_pack_or_an_unknown_rule_change_nothing(store: Store) -> None:
    before = ends(store)
    store.append("reviews", [{"pack_id": "q", "call_id": "a", "rule": "promise", "reviewer": "li", "answer": "miss"}])
    review(store, ("a", "gone", "hit"), ("nowhere", "rude", "hit"))
    assert ends(store) == before


# -- precision and recall


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema(name))


def plan_and_answers(
    rng: np.random.Generator, sizes: dict[str, int], true: dict[str, float], drawn: dict[str, int]
) -> tuple[pa.Table, pa.Table, float, float]:
    """A population with known shares of true hits, a draw from it with honest answers; the population's precision and recall."""
    plan, answers, hits = [], [], {}
    for stratum, n in sizes.items():
        truth = rng.random(n) < true[stratum]
        hits[stratum] = int(truth.sum())
        for i in rng.choice(n, drawn[stratum], replace=False):
            call = f"{stratum}{i}"
            plan.append(
                {
                    "pack_id": "p",
                    "call_id": call,
                    "rule": "r",
                    "stratum": stratum,
                    "stratum_calls": n,
                    "stratum_drawn": drawn[stratum],
                }
            )
            answers.append(
                {"pack_id": "p", "call_id": call, "rule": "r", "reviewer": "li", "answer": "hit" if truth[i] else "miss"}
            )
    found = sum(hits.values())
    return table("review_plan", plan), table("reviews", answers), hits["hit"] / sizes["hit"], hits["hit"] / found


PACK = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": "0" * 64, "pack_signer": "local"}


def measured(plan: pa.Table, reviews: pa.Table) -> list[dict[str, Any]]:
    return quality(reviewed_rules(plan, reviews, "p"), PACK).to_pylist()


def test_precision_and_recall_by_hand() -> None:
    """80 of 100 hits answered right of 10; of 50 near 1 of 5; of 1,000 others none of 10."""
    rows = [("hit", i, 100, 10, i < 8) for i in range(10)] + [("near", i, 50, 5, i < 1) for i in range(5)]
    rows += [("other", i, 1000, 10, False) for i in range(10)]
    plan = table(
        "review_plan",
        [
            {"pack_id": "p", "call_id": f"{s}{i}", "rule": "r", "stratum": s, "stratum_calls": n, "stratum_drawn": d}
            for s, i, n, d, _ in rows
        ],
    )
    said = [
        {"pack_id": "p", "call_id": f"{s}{i}", "rule": "r", "reviewer": "li", "answer": "hit" if hit else "miss"}
        for s, i, _, _, hit in rows
    ]
    (row,) = measured(plan, table("reviews", said))
    assert (row["reviewed"], row["reviewed_hits"], row["right"], row["missed"]) == (25, 10, 8, 1)
    assert row["precision"] == 0.8
    assert row["recall"] == pytest.approx(80 / (80 + 10), abs=1e-6)
    assert 0.4 < row["precision_low"] < 0.8 < row["precision_high"] < 0.97
    assert row["recall_low"] < row["recall"] <= row["recall_high"] <= 1
    (again,) = measured(plan, table("reviews", said))
    assert again == row


def test_a_stratum_without_answers_leaves_recall_open() -> None:
    rng = np.random.default_rng(1)
    plan, answers, *_ = plan_and_answers(
        rng, {"hit": 50, "near": 20, "other": 200}, {"hit": 0.9, "near": 0.1, "other": 0.01}, {"hit": 10, "near": 5, "other": 5}
    )
    kept = table("reviews", [a for a in answers.to_pylist() if not a["call_id"].startswith("other")])
    (row,) = measured(plan, kept)
    assert row["precision"] is not None and row["recall"] is None


def test_intervals_of_precision_and_recall_cover_the_truth() -> None:
    """400 made populations: about 95 % of the intervals hold the population's precision and recall."""
    rng = np.random.default_rng(2)
    covered = {"precision": 0, "recall": 0}
    runs = 400
    for _ in range(runs):
        sizes, true = {"hit": 2000, "near": 1000, "other": 5000}, {"hit": 0.8, "near": 0.2, "other": 0.03}
        plan, answers, precision, recall = plan_and_answers(rng, sizes, true, {"hit": 60, "near": 40, "other": 60})
        (row,) = measured(plan, answers)
        covered["precision"] += row["precision_low"] <= precision <= row["precision_high"]
        covered["recall"] += row["recall_low"] <= recall <= row["recall_high"]
    assert all(0.92 <= n / runs <= 0.99 for n in covered.values()), covered


def test_settle_counts_votes() -> None:
    rows = [("a", "hit"), ("a", "miss"), ("b", "hit"), ("b", "cannot_tell"), ("c", "cannot_tell")]
    votes = [{"pack_id": "p", "call_id": c, "rule": "r", "reviewer": str(i), "answer": a} for i, (c, a) in enumerate(rows)]
    assert settle(table("reviews", votes), "p") == {("b", "r"): "hit"}
