"""Manual items in scores: an interval until people have answered, their word then; and calls of which nothing was heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qc.packs import Case, Dimension, Line, Manual, Pack, Rule
from qc.packs.conditions import Says, Term
from qc.packs.flatten import save
from qc.score import score
from qc.store import Store

TEXT = {"zh": "t", "en": "t"}


def pack() -> Pack:
    cases = (Case("hit", (Line("agent", "甲"),)), Case("miss", (Line("agent", "乙"),)))
    rule = Rule("rude", TEXT, TEXT, "warmth", "low", -30.0, Says((Term("word", "甲"),)), cases)
    return Pack(
        "p",
        "1.0.0",
        TEXT,
        (Dimension("warmth", TEXT, 1.0), Dimension("help", TEXT, 3.0)),
        (rule,),
        manual=(
            Manual("solved", TEXT, TEXT, "help", -10.0, on_no=True, may_not_apply=True),
            Manual("kind", TEXT, TEXT, "warmth", 5.0),
        ),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Twelve calls of two providers, the last one failed; «rude» hits in call 1."""
    made, rules = Store(tmp_path), pack()
    save(made, rules)
    base = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": rules.sha256, "pack_signer": "local"}
    hit = {"rule": "rude", "verdict": "hit", "severity": "low", "count": 1}
    rows: list[dict[str, Any]] = [
        {**base, "call_id": f"c{i:02d}", "status": "ok", "verdicts": [hit] if i == 1 else []} for i in range(11)
    ]
    made.append("findings", [*rows, {**base, "call_id": "c11", "status": "failed", "reason": "empty"}])
    made.append("calls", [{"call_id": f"c{i:02d}", "provider": "甲" if i < 6 else "乙"} for i in range(12)])
    score(made)
    return made


def say(store: Store, *answers: tuple[str, str, str], who: str = "li") -> None:
    store.append("reviews", [{"pack_id": "p", "call_id": c, "rule": r, "reviewer": who, "answer": a} for c, r, a in answers])
    score(store)


def row(store: Store, call: str) -> dict[str, Any]:
    return next(r for r in store.read("scores").to_pylist() if r["call_id"] == call)


def ends(store: Store, call: str) -> tuple[float, float]:
    return row(store, call)["worst"], row(store, call)["best"]


def whole(store: Store) -> dict[str, Any]:
    return next(s for s in store.read("summaries").to_pylist() if s["kind"] == "all")


def test_until_somebody_has_answered_the_score_is_an_interval_with_every_item_told(store: Store) -> None:
    """Weights 1 and 3 have mean 2, so that −10 counts as −15 and +5 as +2.5, −30 as −15."""
    assert ends(store, "c00") == (85, 100) and ends(store, "c01") == (70, 87.5)
    assert [(i["rule"], i["verdict"], i["machine"], i["worst"], i["best"]) for i in row(store, "c01")["items"]] == [
        ("rude", "hit", "hit", -15, -15),
        ("solved", "undecided", "manual", -15, 0),
        ("kind", "undecided", "manual", 0, 2.5),
    ]
    assert row(store, "c11")["worst"] is None and row(store, "c11")["items"] == []
    assert (whole(store)["undecided"], whole(store)["unjudged"]) == (0, 11)


def test_a_persons_answer_settles_the_item(store: Store) -> None:
    say(store, ("c01", "solved", "hit"), ("c01", "kind", "hit"), ("c02", "solved", "miss"), ("c02", "kind", "miss"))
    assert ends(store, "c01") == (72.5, 72.5) and ends(store, "c02") == (100, 100)
    assert [(i["verdict"], i["machine"], i["worst"]) for i in row(store, "c02")["items"]] == [("miss", "manual", 0)] * 2
    assert whole(store)["unjudged"] == 9
    rates = {r["rule"]: (r["hits"], r["calls"], r["undecided"]) for r in whole(store)["rules"]}
    assert rates == {"rude": (1, 11, 0), "solved": (1, 2, 9), "kind": (1, 2, 9)}


def test_what_does_not_apply_leaves_score_and_denominator(store: Store) -> None:
    say(store, ("c00", "solved", "not_applicable"), ("c02", "solved", "hit"), ("c00", "kind", "miss"))
    assert ends(store, "c00") == (100, 100)
    assert [i["rule"] for i in row(store, "c00")["items"]] == ["kind"]
    assert {r["rule"]: r["calls"] for r in whole(store)["rules"]}["solved"] == 1


def test_where_reviewers_disagree_most_decide_and_a_tie_leaves_it_undecided(store: Store) -> None:
    say(store, ("c00", "solved", "hit"))
    say(store, ("c00", "solved", "miss"), who="wang")
    assert ends(store, "c00") == (85, 100)
    say(store, ("c00", "solved", "cannot_tell"), who="zhao")
    assert ends(store, "c00") == (85, 100)
    say(store, ("c00", "solved", "miss"), who="sun")
    assert ends(store, "c00") == (100, 100)
    assert len(store.read("reviews")) == 4


def test_answers_to_items_that_the_pack_has_not_change_nothing(store: Store) -> None:
    before = store.read("scores")
    say(store, ("c00", "gone", "hit"), ("nowhere", "solved", "hit"), ("c11", "solved", "hit"))
    assert store.read("scores") == before


def test_comparisons_and_trends_leave_out_what_only_people_judge(tmp_path: Path) -> None:
    """甲's calls are judged, all of them unsolved, 乙's are not: that says nothing of the two."""
    made, rules = Store(tmp_path), pack()
    save(made, rules)
    base = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": rules.sha256, "pack_signer": "local", "status": "ok"}
    hit = {"rule": "rude", "verdict": "hit", "severity": "low", "count": 1}
    ids = [f"{i:03d}" for i in range(120)]
    made.append("findings", [{**base, "call_id": c, "verdicts": [hit] if i % 4 == 0 else []} for i, c in enumerate(ids)])
    made.append(
        "calls", [{"call_id": c, "provider": "甲" if i < 60 else "乙", "started_at": "2025-11-03"} for i, c in enumerate(ids)]
    )
    say(made, *((c, "solved", "hit") for c in ids[:60]))
    rows = made.read("comparisons").to_pylist()
    assert {(r["answer"], r["difference"]) for r in rows if r["dimension"] in ("", "warmth")} == {("not_proven", 0.0)}
    (day,) = [r for r in made.read("trends").to_pylist() if r["unit"] == "day" and r["kind"] == "all"]
    assert day["mean_worst"] == day["mean_best"] == 100 - 15 / 4
    assert {
        s["id"]: (s["mean_worst"], s["mean_best"]) for s in made.read("summaries").to_pylist() if s["kind"] == "provider"
    } == {
        "甲": (81.25, 83.75),
        "乙": (81.25, 96.875),
    }


# -- calls of which nothing was heard


def transcript(call: str, speech: int, heard: int, *warnings: str) -> dict[str, Any]:
    role = {"channel": 0, "role": "agent", "speech_ms": speech, "heard_ms": heard, "level_dbfs": -20.0 if speech else None}
    return {"call_id": call, "status": "ok", "duration_ms": 60_000, "roles": [role], "warnings": list(warnings)}


def test_a_call_of_which_nothing_was_heard_is_in_no_mean_but_is_told(tmp_path: Path) -> None:
    made, rules = Store(tmp_path), pack()
    save(made, rules)
    base = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": rules.sha256, "pack_signer": "local", "status": "ok"}
    unsure = {"rule": "rude", "verdict": "undecided", "severity": "low", "count": 0}
    ids = [f"{i:03d}" for i in range(40)]
    made.append("findings", [{**base, "call_id": c, "verdicts": [unsure] if i < 3 else []} for i, c in enumerate(ids)])
    made.append(
        "calls", [{"call_id": c, "provider": "甲" if i % 2 else "乙", "started_at": "2025-11-03"} for i, c in enumerate(ids)]
    )
    odd = [transcript("000", 0, 0, "no_speech"), transcript("001", 9_000, 0), transcript("002", 9_000, 10, "crosstalk")]
    made.append("transcripts", [*odd, *(transcript(c, 9_000, 9_000, "mono") for c in ids[3:])])
    say(made, *((c, item, "miss") for c in ids for item in ("solved", "kind")))
    assert ends(made, "000") == ends(made, "001") == ends(made, "002") == (85, 100)
    told = whole(made)
    assert (told["scored"], told["unheard"], told["undecided"]) == (40, 2, 3)
    assert told["mean_worst"] == pytest.approx((37 * 100 + 85) / 38, abs=1e-6) and told["mean_best"] == 100
    assert (told["mono"], told["warned"], told["level_dbfs"]) == (37, 1, -20.0)
    compared = {
        r["id"]: r["compared"] for r in made.read("comparisons").to_pylist() if r["kind"] == "provider" and not r["dimension"]
    }
    assert compared == {"甲": 19, "乙": 19}
    (day,) = [r for r in made.read("trends").to_pylist() if r["unit"] == "day" and r["kind"] == "all"]
    assert day["calls"] == 38


def test_where_no_call_was_heard_there_is_no_mean(tmp_path: Path) -> None:
    made, rules = Store(tmp_path), pack()
    save(made, rules)
    base = {"pack_id": "p", "pack_version": "1.0.0", "pack_sha256": rules.sha256, "pack_signer": "local", "status": "ok"}
    made.append("findings", [{**base, "call_id": str(i), "verdicts": []} for i in range(8)])
    made.append("calls", [{"call_id": str(i), "provider": "甲"} for i in range(8)])
    made.append("transcripts", [transcript(str(i), 0, 0, "no_speech") for i in range(8)])
    score(made)
    told = whole(made)
    assert (told["scored"], told["unheard"], told["mean_worst"], told["low"]) == (8, 8, None, None)
    assert told["dimensions"] == []
