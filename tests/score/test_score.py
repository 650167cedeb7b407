"""Scores and summaries against a plain reading of docs/scores.md, call by call."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq
import pytest

from qc import store as store_module
from qc.errors import StoreError, UsageError
from qc.packs import Pack
from qc.packs.conditions import Says, Term
from qc.packs.flatten import save
from qc.packs.model import Case, Dimension, Line, Rule
from qc.score import ScoreOptions, score
from qc.score.intervals import t_quantile, wilson
from qc.score.run import MADE
from qc.store import Store
from qc.tables import MIN_CALLS

CASES = (Case("hit", (Line("agent", "甲乙丙"),)), Case("miss", (Line("agent", "好的"),)))


def rule(rule_id: str, dimension: str, points: float, **more: Any) -> Rule:
    text = {"zh": rule_id, "en": rule_id}
    return Rule(rule_id, text, text, dimension, "low", points, Says((Term("word", "甲乙丙"),), who="agent"), CASES, **more)


def pack(version: str = "1.0.0", weights: tuple[float, float] = (1.0, 1.0), extra: tuple[Rule, ...] = ()) -> Pack:
    return Pack(
        id="p",
        version=version,
        title={"zh": "包", "en": "pack"},
        dimensions=tuple(Dimension(d, {"zh": d, "en": d}, w) for d, w in zip(("first", "second"), weights, strict=True)),
        rules=(
            rule("slip", "first", -5.0, cap=12.0, once_per_ms=1000),
            rule("lapse", "second", -30.0),
            rule("praise", "second", 4.0),
            rule("crime", "first", -50.0, fatal=True),
            rule("note", "second", 0.0),
            *extra,
        ),
    )


def verdict(rule_id: str, verdict: str = "hit", count: int = 1) -> dict[str, Any]:
    return {"rule": rule_id, "verdict": verdict, "severity": "low", "count": count, "evidence": []}


def finding(call_id: str, used: Pack, verdicts: list[dict[str, Any]] | None, **more: Any) -> dict[str, Any]:
    row = {
        "call_id": call_id,
        "pack_id": used.id,
        "pack_version": used.version,
        "pack_sha256": used.sha256,
        "pack_signer": "local",
    }
    return {**row, "status": "ok" if verdicts is not None else "failed", "verdicts": verdicts or [], **more}


def scored(tmp_path: Path, used: Pack, cases: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of `scores` for calls c0, c1, …"""
    store = Store(tmp_path)
    save(store, used)
    store.append("findings", [finding(f"c{i:04d}", used, v) for i, v in enumerate(cases)])
    score(store)
    return store.read("scores").to_pylist()


@pytest.mark.parametrize(
    ("verdicts", "worst", "best"),
    [
        ([], 100, 100),
        ([verdict("slip")], 95, 95),
        ([verdict("slip", count=2)], 90, 90),
        ([verdict("slip", count=9)], 88, 88),  # the cap
        ([verdict("lapse", "undecided")], 70, 100),
        ([verdict("slip"), verdict("praise")], 99, 99),
        ([verdict("praise")], 100, 100),  # never above the base
        ([verdict("slip"), verdict("praise", "undecided")], 95, 99),
        ([verdict("praise", "undecided")], 100, 100),
        ([verdict("crime")], 0, 0),
        ([verdict("crime", "undecided")], 0, 100),
        ([verdict("slip"), verdict("crime", "undecided")], 0, 95),
        ([verdict("note"), verdict("note", "undecided")], 100, 100),
        ([verdict("lapse", "not_applicable")], 100, 100),
    ],
)
def test_a_score_is_what_the_scorecard_says(tmp_path: Path, verdicts: list[dict[str, Any]], worst: float, best: float) -> None:
    (row,) = scored(tmp_path, pack(), [verdicts])
    assert (row["worst"], row["best"]) == (worst, best)
    assert row["fatal"] is (verdicts[:1] == [verdict("crime")])


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    used = pack(
        extra=(
            rule("promise", "first", -5.0, cap=10.0, once_per_ms=60_000),
            rule("greeting", "second", -3.0),
            rule("thanks", "second", 3.0),
        )
    )
    (row,) = scored(tmp_path, used, [[verdict("promise", count=3), verdict("greeting", "undecided"), verdict("thanks")]])
    assert [(i["worst"], i["best"]) for i in row["items"]] == [(-10, -10), (-3, 0), (3, 3)]
    assert (row["worst"], row["best"]) == (90, 93)


def test_weights_count_relative_to_their_mean(tmp_path: Path) -> None:
    first, second = scored(tmp_path, pack(weights=(3.0, 1.0)), [[verdict("slip")], [verdict("lapse")]])
    assert (first["worst"], second["worst"]) == (100 - 5 * 1.5, 100 - 30 * 0.5)
    equal = scored(tmp_path / "equal", pack(weights=(25.0, 25.0)), [[verdict("slip")]])
    assert equal[0]["worst"] == 95


def test_a_deduction_never_goes_below_zero(tmp_path: Path) -> None:
    used = pack(extra=tuple(rule(f"more{i}", "first", -40.0) for i in range(4)))
    (row,) = scored(tmp_path, used, [[verdict(f"more{i}") for i in range(4)]])
    assert row["worst"] == row["best"] == 0.0


def plain_score(used: Pack, verdicts: list[dict[str, Any]], undecided_hits: bool, dimension: str | None = None) -> float:
    """docs/scores.md read aloud, for one end of the interval."""
    mean = fmean(d.weight for d in used.dimensions)
    weight = {d.id: d.weight / mean for d in used.dimensions}
    total = used.base
    for v in verdicts:
        r = used.by_id[v["rule"]]
        if v["verdict"] == "not_applicable" or dimension not in (None, r.dimension):
            continue
        counts = v["verdict"] == "hit" or (undecided_hits if r.points < 0 or r.fatal else not undecided_hits)
        if not counts:
            continue
        if r.fatal:
            return 0.0
        count = v["count"] if v["verdict"] == "hit" else 1
        most = math.inf if r.cap is None else r.cap
        total += max(-most, min(most, r.points * count)) * weight[r.dimension]
    return min(max(total, 0.0), used.base)


def test_a_thousand_random_calls_agree_with_the_plain_reading(tmp_path: Path) -> None:
    chance = random.Random(7)
    used = pack(weights=(2.0, 1.0))
    cases = []
    for _ in range(1000):
        chosen = [r for r in used.rules if chance.random() < 0.4]
        cases.append([verdict(r.id, chance.choice(["hit", "undecided", "not_applicable"]), chance.randint(1, 4)) for r in chosen])
    for row, verdicts in zip(scored(tmp_path, used, cases), cases, strict=True):
        assert row["worst"] == pytest.approx(plain_score(used, verdicts, True)), verdicts
        assert row["best"] == pytest.approx(plain_score(used, verdicts, False)), verdicts
        for d in row["dimensions"]:
            assert d["worst"] == pytest.approx(plain_score(used, verdicts, True, d["dimension"]))
            assert d["best"] == pytest.approx(plain_score(used, verdicts, False, d["dimension"]))
        assert [(i["rule"], i["verdict"]) for i in row["items"]] == [
            (v["rule"], v["verdict"]) for v in verdicts if v["verdict"] != "not_applicable"
        ]
        assert all(i["worst"] <= i["best"] for i in row["items"])
        if not any(i["rule"] == "crime" for i in row["items"]):  # a score can be taken apart
            assert row["worst"] == pytest.approx(min(max(used.base + sum(i["worst"] for i in row["items"]), 0), used.base))


def test_a_failed_call_has_a_row_with_its_reason_and_no_score(tmp_path: Path) -> None:
    store = Store(tmp_path)
    save(store, pack())
    store.append("findings", [finding("c", pack(), None, reason="not_audio", message="it is a picture")])
    done = score(store)
    (row,) = store.read("scores").to_pylist()
    assert (row["status"], row["reason"], row["message"], row["worst"], row["best"]) == (
        "failed",
        "not_audio",
        "it is a picture",
        None,
        None,
    )
    assert (row["dimensions"], row["items"]) == ([], [])
    assert (done.calls, done.scored, done.failed) == (1, 0, 1)
    whole = store.read("summaries").to_pylist()[1]
    assert (whole["kind"], whole["mean_worst"], whole["low"], whole["coverage"]) == ("all", None, None, None)


def fill(store: Store, used: Pack, people: list[tuple[str | None, str | None]]) -> list[list[dict[str, Any]]]:
    """Calls of (provider, agent) with verdicts by a fixed lot, transcripts with half of a second heard."""
    chance = random.Random(3)
    save(store, used)
    everything = []
    for i, (provider, agent) in enumerate(people):
        verdicts = [verdict(r.id, chance.choice(["hit", "undecided"])) for r in used.rules[:3] if chance.random() < 0.5]
        everything.append(verdicts)
        call = f"c{i:04d}"
        store.append(
            "calls", [{"call_id": call, "provider": provider, "agent_id": agent, "agent_name": agent and f"name of {agent}"}]
        )
        role = {"channel": 0, "role": "agent", "speech_ms": 1000, "heard_ms": 500}
        store.append("transcripts", [{"call_id": call, "status": "ok", "duration_ms": 60_000, "roles": [role]}])
        store.append("findings", [finding(call, used, verdicts)])
    return everything


def test_summaries_are_means_and_intervals_of_the_calls(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    people = (
        [("甲", "1")] * 7 + [("甲", "2")] * (MIN_CALLS - 1) + [(None, None)] * 5 + [("乙/丙", "1")] * 2 + [("乙", "丙/1")] * 2
    )
    verdicts = fill(store, used, people)
    score(store)
    rows = {(s["kind"], s["id"]): s for s in store.read("summaries").to_pylist()}
    assert set(rows) == {
        *(("all", ""), ("provider", ""), ("provider", "甲"), ("provider", "乙"), ("provider", "乙/丙")),
        *(("agent", "/"), ("agent", "甲/1"), ("agent", "甲/2"), ("agent", "乙%2F丙/1"), ("agent", "乙/丙%2F1")),
    }
    one = rows["agent", "甲/1"]
    worst = [plain_score(used, v, True) for v in verdicts[:7]]
    best = [plain_score(used, v, False) for v in verdicts[:7]]
    assert (one["mean_worst"], one["mean_best"]) == (pytest.approx(fmean(worst)), pytest.approx(fmean(best)))
    groups = [range(7), range(7, 6 + MIN_CALLS), range(6 + MIN_CALLS, 11 + MIN_CALLS)]
    groups += [range(i, i + 2) for i in (11 + MIN_CALLS, 13 + MIN_CALLS)]
    for end, sign, hits in (("low", -1, True), ("high", 1, False)):  # the others' variance beside their own
        values = [[plain_score(used, verdicts[i], hits) for i in g] for g in groups]
        squares = [sum((v - fmean(g)) ** 2 for v in g) for g in values]
        others_df = sum(len(g) - 1 for g in values[1:])
        assert others_df < 40
        df = others_df + 6
        variance = (others_df * sum(squares[1:]) / others_df + squares[0]) / df
        expected = fmean(values[0]) + sign * t_quantile(df) * math.sqrt(variance / 7)
        assert one[end] == pytest.approx(min(expected, 100), abs=1e-5)
    assert (one["calls"], one["scored"], one["audio_ms"], one["coverage"]) == (7, 7, 420_000, 0.5)
    assert one["name"] == "name of 1"
    assert one["undecided"] == sum(any(v["verdict"] == "undecided" for v in vs) for vs in verdicts[:7])
    few = rows["agent", "甲/2"]
    assert few["mean_worst"] is not None
    assert (few["low"], few["high"]) == (None, None)
    assert rows["agent", "/"]["name"] is rows["provider", ""]["name"] is None
    assert sum(s["calls"] for (kind, _), s in rows.items() if kind == "agent") == rows["all", ""]["calls"] == len(people)


def test_equal_scores_claim_no_interval(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    save(store, used)
    rows = [finding(f"c{i}", used, [verdict("slip")]) for i in range(8)]
    store.append("findings", rows)
    score(store)
    whole = next(s for s in store.read("summaries").to_pylist() if s["kind"] == "all")
    assert (whole["mean_worst"], whole["low"], whole["high"]) == (95, None, None)
    store.append("findings", [finding("c8", used, [verdict("slip", "undecided")])])
    score(store)
    whole = next(s for s in store.read("summaries").to_pylist() if s["kind"] == "all")
    assert whole["low"] == 95 and whole["high"] > whole["mean_best"]


def test_rule_rates_are_of_the_calls_on_which_the_rule_was_decided(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    save(store, used)
    kinds = ["hit"] * 3 + ["undecided"] * 2 + ["not_applicable"] + ["miss"] * 4
    for i, kind in enumerate(kinds):
        store.append("findings", [finding(f"c{i}", used, [] if kind == "miss" else [verdict("slip", kind)])])
    store.append("findings", [finding("failed", used, None)])
    score(store)
    (whole,) = [s for s in store.read("summaries").to_pylist() if s["kind"] == "all"]
    low, high = wilson([3], [7])
    (rule_row,) = whole["rules"]
    assert {k: rule_row[k] for k in ("rule", "hits", "undecided", "calls")} == {
        "rule": "slip",
        "hits": 3,
        "undecided": 2,
        "calls": 7,
    }
    assert (rule_row["rate"], rule_row["low"], rule_row["high"]) == pytest.approx(
        (300 / 7, 100 * low[0], 100 * high[0]), abs=1e-5
    )


def test_a_rule_that_no_call_decided_has_no_rate(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    save(store, used)
    store.append("findings", [finding("c", used, [verdict("slip", "undecided")])])
    score(store)
    (entry,) = store.read("summaries").to_pylist()[0]["rules"]
    assert (entry["calls"], entry["rate"], entry["low"], entry["high"]) == (0, None, None, None)


def test_two_versions_of_a_pack_are_scored_each_by_its_own_and_told(tmp_path: Path) -> None:
    store, old, new = Store(tmp_path), pack(), pack("1.1.0", extra=(rule("added", "first", -7.0),))
    for used in (old, new):
        save(store, used)
    store.append(
        "findings", [finding("c0", old, [verdict("slip")]), finding("c1", new, [verdict("added")]), finding("c2", new, [])]
    )
    notes: list[str] = []

    class Listener:
        def start(self, *_: object) -> None: ...
        def advance(self, *_: object, **__: object) -> None: ...
        def finish(self) -> None: ...
        def note(self, text: str) -> None:
            notes.append(text)

    score(store, progress=Listener())
    assert [r["worst"] for r in store.read("scores").to_pylist()] == [95, 93, 100]
    (whole,) = [s for s in store.read("summaries").to_pylist() if s["kind"] == "all"]
    assert whole["pack_version"] == "1.0.0, 1.1.0"
    assert {r["rule"]: r["calls"] for r in whole["rules"]} == {"slip": 3, "added": 2}
    assert notes and "2 versions" in notes[0]


def test_several_packs_are_scored_apart(tmp_path: Path) -> None:
    import dataclasses

    store, one = Store(tmp_path), pack()
    two = dataclasses.replace(one, id="q", base=50.0)
    for used in (one, two):
        save(store, used)
    store.append("findings", [finding("c", one, [verdict("slip")]), finding("c", two, [verdict("lapse")])])
    assert score(store).packs == ("p", "q")
    assert {r["pack_id"]: r["worst"] for r in store.read("scores").to_pylist()} == {"p": 95, "q": 20}


def test_batches_and_parts_do_not_change_the_rows(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "whole"), Store(tmp_path / "parts")]
    people = [("甲", str(i % 3)) for i in range(20)]
    for store in stores:
        fill(store, pack(), people)
    stores[0].compact("findings")
    score(stores[0])
    score(stores[1], ScoreOptions(batch_calls=3))
    for table in ("scores", "summaries"):
        assert stores[0].read(table).equals(stores[1].read(table))


def test_scoring_again_replaces_what_was_scored(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    save(store, used)
    store.append("findings", [finding("c", used, [verdict("slip")])])
    score(store)
    store.append("findings", [finding("c", used, [])])
    score(store)
    assert [r["worst"] for r in store.read("scores").to_pylist()] == [100]
    assert len(store.parts("scores")) == len(store.parts("summaries")) == 1


def test_a_store_whose_findings_were_all_taken_away_has_no_scores(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    save(store, used)
    store.append("findings", [finding("c", used, [verdict("slip")])])
    score(store)
    store.replace("findings", [])
    assert score(store).calls == 0
    assert [store.read(table).num_rows for table in ("scores", *MADE)] == [0] * (1 + len(MADE))


def test_nothing_scanned_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was scanned") as caught:
        score(Store(tmp_path))
    assert "qc scan" in caught.value.hint


def test_findings_that_do_not_fit_their_pack_stop_the_run(tmp_path: Path) -> None:
    store, used = Store(tmp_path), pack()
    save(store, used)
    store.append("findings", [finding("c", used, [verdict("invented")])])
    with pytest.raises(StoreError, match="invented"):
        score(store)
    assert not store.parts("scores")


def test_a_pack_that_is_not_in_the_store_stops_the_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("findings", [finding("c", pack(), [])])
    with pytest.raises(StoreError):
        score(store)


@pytest.mark.parametrize("at_a_time", [16_384, 4])
def test_the_order_in_which_calls_were_written_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """Each agent has hits of their own, so that a verdict that lands on another's call shows; a second pack lies between."""
    monkeypatch.setattr(store_module, "_GROUP_ROWS", at_a_time)
    monkeypatch.setattr(store_module, "_SORTED_ROWS", at_a_time)
    used, ids = pack(), [f"c{i:04d}" for i in range(3 * MIN_CALLS)]
    other = dataclasses.replace(used, id="other")
    of_agent = [[verdict("lapse")], [verdict("slip")], [verdict("slip"), verdict("praise", "undecided")]]
    rows = [finding(c, p, of_agent[i % 3]) for i, c in enumerate(ids) for p in (used, other)]
    found = []
    straight = list(range(len(rows)))
    for name, order in (
        ("straight", straight),
        ("turned", straight[::-1]),
        ("mixed", random.Random(3).sample(straight, len(rows))),
    ):
        store = Store(tmp_path / name)
        for p in (used, other):
            save(store, p)
        store.append("calls", [{"call_id": c, "provider": "甲", "agent_id": f"a{i % 3}"} for i, c in enumerate(ids)])
        for first in range(0, len(rows), 7):  # in parts, as a run writes them
            store.append("findings", [rows[i] for i in order[first : first + 7]])
        score(store, ScoreOptions(batch_calls=5))
        found.append({table: [p.read_bytes() for p in store.parts(table)] for table in ("scores", *MADE)})
    assert found[0] == found[1] == found[2]
    assert all(len(parts) == 1 for parts in found[0].values())
    assert not list((tmp_path / "mixed" / "scores").glob(".*"))
    file = pq.ParquetFile(store.parts("scores")[0])
    assert file.read(["call_id"])["call_id"].to_pylist() == ids + ids
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == ([30] if at_a_time > 30 else [4] * 7 + [2])
    agents = [r for r in store.read("summaries").to_pylist() if r["kind"] == "agent" and r["pack_id"] == "p"]
    assert [r["calls"] for r in agents] == [MIN_CALLS] * 3
    assert [[(x["rule"], x["hits"]) for x in r["rules"]] for r in agents] == [
        [("lapse", MIN_CALLS)],
        [("slip", MIN_CALLS)],
        [("slip", MIN_CALLS), ("praise", 0)],
    ]


def test_scores_stay_as_they_were_where_new_ones_cannot_be_made(tmp_path: Path) -> None:
    store = Store(tmp_path)
    save(store, pack())
    store.append("findings", [finding(c, pack(), [verdict("slip")]) for c in ("b", "a")])
    score(store)
    before = {p: p.read_bytes() for p in store.parts("scores")}
    store.append("findings", [finding("c", pack(), [verdict("invented")])])
    with pytest.raises(StoreError, match="invented"):
        score(store)
    assert {p: p.read_bytes() for p in (tmp_path / "scores").iterdir()} == before
