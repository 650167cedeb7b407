"""Agreement of reviewers: published examples come out, what cannot be said is not said, and the table has both answers."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa
import pytest

from qc.score.agreement import agreement, coefficients
from qc.tables import schema

pytest.importorskip("nltk", reason="pip install 'qc[agreement]'")

PACK = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": "0" * 64, "pack_signer": "local"}


def table(*rows: tuple[str, str, str, str]) -> pa.Table:
    """Reviews from (call, rule, reviewer, answer)."""
    made = [{"pack_id": "p", "call_id": c, "rule": r, "reviewer": w, "answer": a} for c, r, w, a in rows]
    return pa.Table.from_pylist(made, schema=schema("reviews"))


def test_alpha_of_krippendorffs_own_example() -> None:
    """Krippendorff 2011, «Computing Krippendorff's Alpha-Reliability», example C: four observers, missing data, nominal: 0.743."""
    observers = {
        "a": "1 2 3 3 2 1 4 1 2 . . .",
        "b": "1 2 3 3 2 2 4 1 2 5 . 3",
        "c": ". 3 3 3 2 3 4 2 2 5 1 .",
        "d": "1 2 3 3 2 4 4 1 2 5 1 .",
    }
    units: list[dict[str, str]] = [{} for _ in range(12)]
    for who, values in observers.items():
        for unit, value in zip(units, values.split(), strict=True):
            if value != ".":
                unit[who] = value
    alpha, _ = coefficients([u for u in units if len(u) > 1])
    assert alpha == pytest.approx(0.743, abs=5e-4)


def test_kappa_of_a_textbook_table() -> None:
    """Two readers, 50 cases: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no. Observed 0.70, by chance 0.50, kappa 0.40."""
    pairs = [("hit", "hit")] * 20 + [("hit", "miss")] * 5 + [("miss", "hit")] * 10 + [("miss", "miss")] * 15
    _, kappa = coefficients([{"li": a, "wang": b} for a, b in pairs])
    assert kappa == pytest.approx(0.4)


def test_of_three_reviewers_kappa_is_the_mean_over_pairs_by_their_calls() -> None:
    two = [("hit", "hit"), ("miss", "miss"), ("hit", "miss"), ("miss", "miss")]
    both = [{"a": x, "b": y} for x, y in two]
    more = [{"b": x, "c": x} for x in ("hit", "miss")]
    (_, first), (_, second) = coefficients(both), coefficients(more)
    assert (first, second) == (0.5, 1.0)
    assert coefficients([*both, *more])[1] == pytest.approx((4 * 0.5 + 2 * 1.0) / 6, abs=1e-6)


def test_where_all_answers_are_alike_nothing_is_said() -> None:
    assert coefficients([{"li": "hit", "wang": "hit"}] * 9) == (None, None)


def rows(*given: tuple[str, str, str, str]) -> dict[str, dict[str, Any]]:
    return {r["rule"]: r for r in agreement(table(*given), PACK).to_pylist()}


def test_pairs_are_counted_by_rule_and_overall_and_cannot_tell_is_no_answer() -> None:
    found = rows(
        *(("1", "rude", w, a) for w, a in (("li", "hit"), ("wang", "hit"), ("sun", "miss"))),
        *(("2", "rude", w, a) for w, a in (("li", "miss"), ("wang", "miss"), ("sun", "cannot_tell"))),
        ("3", "rude", "li", "hit"),
        *(("1", "late", w, "miss") for w in ("li", "sun")),
        ("9", "kind", "li", "hit"),
    )
    assert {k: (v["reviewers"], v["calls"], v["pairs"]) for k, v in found.items()} == {
        "": (3, 3, 5),
        "late": (2, 1, 1),
        "rude": (3, 2, 4),
    }
    assert found["rude"]["agreed"] == 0.5 and found["late"]["agreed"] == 1.0
    assert found["late"]["alpha"] is None and found["rude"]["alpha"] is not None


def test_one_reviewer_alone_agrees_with_nobody() -> None:
    assert rows(("1", "rude", "li", "hit"), ("2", "rude", "wang", "hit")) == {}


def test_without_the_library_the_share_is_told_and_the_rest_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = rows(("1", "rude", "li", "hit"), ("1", "rude", "wang", "miss"))
    assert (found["rude"]["agreed"], found["rude"]["alpha"], found["rude"]["kappa"]) == (0.0, None, None)
