"""The listen list: samples that are what they claim, a page that plays, nothing that depends on the order of the calls."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path

import fixture_store
import polars as pl
import pytest
from typer.testing import CliRunner

from qc.cli.main import app
from qc.errors import UsageError
from qc.report.listen import ListenOptions, write_listen
from qc.report.sampling import PLANS, draw_calls

CALLS = pl.DataFrame(
    {
        "call_id": [f"c{i:02d}" for i in range(40)],
        "provider": ["甲"] * 30 + ["乙"] * 8 + [None] * 2,
        "worst": [float(100 - i) for i in range(40)],
        "best": [100.0 - i + (10 if i % 7 == 0 else 0) for i in range(40)],
        "undecided": [int(i % 7 == 0) for i in range(40)],
        "bonus": [3.0 if i == 2 else 0.0 for i in range(40)],
    }
)


def test_every_call_is_drawn_as_often_as_its_chance_says() -> None:
    """1,000 seeds, 10 of 40: each call 250 times, give or take four standard deviations."""
    seen = Counter(d.call_id for seed in range(1000) for d in draw_calls(CALLS, "random", 10, seed))
    spread = 4 * (1000 * 0.25 * 0.75) ** 0.5
    assert set(seen) == set(CALLS["call_id"])
    assert all(abs(n - 250) < spread for n in seen.values()), seen
    assert {d.chance for d in draw_calls(CALLS, "random", 10, 1)} == {0.25}


def test_providers_have_equal_parts_of_a_stratified_sample() -> None:
    drawn = draw_calls(CALLS, "stratified", 12, 5)
    assert Counter(d.stratum for d in drawn) == {"甲": 5, "乙": 5, "": 2}
    assert {(d.stratum, d.chance) for d in drawn} == {("甲", 5 / 30), ("乙", 5 / 8), ("", 1.0)}
    totals: Counter[str] = Counter()
    for seed in range(300):  # Horvitz and Thompson's sum of 1 ÷ chance is the number of calls in every run
        drawn = draw_calls(CALLS, "stratified", 12, seed)
        assert round(sum(1 / (d.chance or 1) for d in drawn), 6) == 40
        totals.update(d.call_id for d in drawn)
    assert set(totals) == set(CALLS["call_id"])


@pytest.mark.parametrize("plan", PLANS)
def test_a_draw_depends_on_the_seed_and_not_on_the_order_of_the_calls(plan: str) -> None:
    mixed_up = CALLS.sample(fraction=1.0, shuffle=True, seed=3)
    assert draw_calls(CALLS, plan, 12, 7) == draw_calls(CALLS, plan, 12, 7)
    assert {d.call_id for d in draw_calls(mixed_up, plan, 12, 7)} == {d.call_id for d in draw_calls(CALLS, plan, 12, 7)}
    assert len({d.call_id for d in draw_calls(CALLS, plan, 12, 7)}) == 12
    assert len(draw_calls(CALLS, plan, 100, 7)) <= 40


def test_picked_calls_are_the_extreme_ones_and_claim_no_chance() -> None:
    assert [d.call_id for d in draw_calls(CALLS, "costly", 3, 1)] == ["c39", "c38", "c37"]
    assert [d.call_id for d in draw_calls(CALLS, "best", 2, 1)] == ["c00", "c01"]
    assert {int(d.call_id[1:]) % 7 for d in draw_calls(CALLS, "undecided", 5, 1)} == {0}
    assert {d.chance for p in ("costly", "best", "undecided") for d in draw_calls(CALLS, p, 3, 1)} == {None}
    plans = Counter(d.plan for d in draw_calls(CALLS, "mixed", 20, 1))
    assert plans == {"random": 11, "costly": 3, "undecided": 3, "best": 3}


def test_an_unknown_plan_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="no plan") as caught:
        draw_calls(CALLS, "lucky", 3, 1)
    assert "stratified" in caught.value.hint


def test_the_list_has_a_player_for_every_call_and_says_why_it_is_there(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path, audio=True)
    done = write_listen(store, tmp_path / "out", ListenOptions(n=8, seed=2))
    assert (done.calls, done.without_sound) == (
        8,
        sum(not any((tmp_path / "recordings").rglob(f"{d.call_id}.wav")) for d in done.drawn),
    )
    page = (tmp_path / "out" / "zh" / "index.html").read_text(encoding="utf-8")
    for drawn in done.drawn:
        assert drawn.call_id in page
    assert "抽中概率" in page and "失分最多" in page
    assert "rules/rule-" not in page
    played = re.findall(r'data-src="([^"]*)"', page)
    assert len(played) >= 8 - done.without_sound
    assert all((tmp_path / "out" / "zh" / src).is_file() for src in played)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "data" / "listen.csv").read_text(encoding="utf-8-sig"))))
    assert [r["call_id"] for r in rows] == [d.call_id for d in done.drawn]
    assert [bool(r["chance"]) for r in rows] == [d.chance is not None for d in done.drawn]
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    write_listen(store, tmp_path / "out", ListenOptions(n=8, seed=2))
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before


def test_a_masked_list_gives_nothing_away(tmp_path: Path) -> None:
    write_listen(fixture_store.personal(tmp_path, audio=True), tmp_path / "out", ListenOptions(n=2, redact=True))
    text = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.suffix in (".html", ".csv", ".json"))
    for secret in fixture_store.PRIVATE:
        assert secret.encode() not in text


def test_the_verb_prints_what_it_drew(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    arguments = ["listen", "--store", str(store.path), "-o", str(tmp_path / "out"), "--n", "5", "--plan", "random", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["calls"] == 5 and {d["plan"] for d in value["drawn"]} == {"random"}
