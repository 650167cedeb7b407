"""`qc review`: draw, judge on the page, take the answers back; strangers' files; what the report says of it."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent.parent / "report"))

import browser
import fixture_store

from qc.cli.main import app
from qc.errors import UsageError
from qc.report import ReportOptions, write_report
from qc.review.draw import DrawOptions, draw_reviews
from qc.review.page import PageOptions, write_review
from qc.review.take import take_reviews
from qc.score import score
from qc.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fixture_store.normal(tmp_path, audio=True)


def answers(path: Path, *rows: tuple[str, str, str]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["call_id", "rule", "answer", "note", "reviewer", "at"])
        writer.writerows([*row, "", "李", "2025-11-04T10:00:00Z"] for row in rows)
    return path


def test_a_draw_has_known_chances_and_every_stratum(store: Store) -> None:
    plan = draw_reviews(store, DrawOptions(per_rule=10, seed=3))
    calls = store.read("scores").to_pylist()
    scored = sum(r["status"] == "ok" for r in calls)
    for rule in {r["rule"] for r in plan}:
        mine = [r for r in plan if r["rule"] == rule]
        sizes = {r["stratum"]: r["stratum_calls"] for r in mine}
        drawn = Counter(r["stratum"] for r in mine)
        assert sum(sizes.values()) == scored
        assert all(r["stratum_drawn"] == drawn[r["stratum"]] <= r["stratum_calls"] for r in mine)
        assert all((r["machine"] == "hit") == (r["stratum"] == "hit") for r in mine)
    assert draw_reviews(store, DrawOptions(per_rule=10, seed=3)) == plan
    assert draw_reviews(store, DrawOptions(per_rule=10, seed=4)) != plan
    assert {r["rule"] for r in draw_reviews(store, DrawOptions(rules=("no-greeting",)))} == {"no-greeting"}
    with pytest.raises(UsageError, match="no rule 'nonsense'"):
        draw_reviews(store, DrawOptions(rules=("nonsense",)))


def test_the_page_does_not_tell_what_the_machine_found(store: Store, tmp_path: Path) -> None:
    plan = draw_reviews(store, DrawOptions(per_rule=6, seed=1))
    write_review(store, tmp_path / "out", plan, PageOptions(langs=("zh",)))
    page = (tmp_path / "out" / "zh" / "index.html").read_text(encoding="utf-8").split("<main", 1)[1]
    assert page.count('<article class="call judge"') == len(plan)
    assert "<mark>" not in page and "命中" not in page.replace("有命中的、没命中的", "")
    sheet = (tmp_path / "out" / "data" / "answers.csv").read_text(encoding="utf-8-sig").splitlines()
    assert sheet[0] == "call_id,rule,answer,note,reviewer,at" and len(sheet) == len(plan) + 1


@pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is a browser")
def test_answers_given_on_the_page_come_back_as_a_table(store: Store, tmp_path: Path) -> None:
    plan = draw_reviews(store, DrawOptions(per_rule=6, seed=1))
    store.replace("review_plan", plan)
    write_review(store, tmp_path / "out", plan, PageOptions(langs=("en",)))
    with browser.Browser((1280, 900)) as window:
        window.open(tmp_path / "out" / "en" / "index.html")
        assert window.run("return document.getElementById('save').disabled") is True
        text = window.evaluate("""(async () => {
            let blob = null;
            URL.createObjectURL = (b) => { blob = b; return '#'; };
            const items = [...document.querySelectorAll('article.judge')];
            items.slice(0, 3).forEach((item, i) => item.querySelectorAll('input[type=radio]')[i].click());
            items[0].querySelector('input[type=text]').value = '=1+1, "quoted"';
            const name = document.getElementById('reviewer');
            name.value = '王芳';
            name.dispatchEvent(new Event('input'));
            document.getElementById('save').click();
            return await blob.text();
        })()""")
        assert window.run("return document.getElementById('done').textContent").startswith("3 of")
        assert window.complaints() == []
    saved = tmp_path / "answers.csv"
    saved.write_text(text, encoding="utf-8")
    taken = take_reviews(store, saved)
    assert (taken.answers, taken.problems) == (3, ())
    rows = {(r["call_id"], r["rule"]): r for r in store.read("reviews").to_pylist()}
    assert [rows[p["call_id"], p["rule"]]["answer"] for p in plan[:3]] == ["hit", "miss", "cannot_tell"]
    assert {r["reviewer"] for r in rows.values()} == {"王芳"} and all(r["at"].startswith("20") for r in rows.values())


def test_the_verbs_from_draw_to_the_rules_page(store: Store, tmp_path: Path) -> None:
    run = CliRunner().invoke
    drawn = run(
        app,
        [
            "review",
            "draw",
            "--store",
            str(store.path),
            "-o",
            str(tmp_path / "out"),
            "--per-rule",
            "100",
            "--lang",
            "zh",
            "--json",
        ],
    )
    assert drawn.exit_code == 0, drawn.output
    plan = store.read("review_plan").to_pylist()
    assert json.loads(drawn.stdout)["to_judge"] == len(plan)
    mine = [r for r in plan if r["rule"] == "promise-without-time"]
    wrong = next(r["call_id"] for r in mine if r["stratum"] == "hit")
    said = [(r["call_id"], r["rule"], "hit" if r["stratum"] == "hit" and r["call_id"] != wrong else "miss") for r in mine]
    file = answers(tmp_path / "a.csv", *said)
    taken = run(app, ["review", "take", str(file), "--store", str(store.path), "--json"])
    assert taken.exit_code == 0, taken.output
    (row,) = json.loads(taken.stdout)["rules"]
    hits = sum(r["stratum"] == "hit" for r in mine)
    assert row["precision"] == pytest.approx((hits - 1) / hits, abs=1e-6) and row["recall"] == 1.0
    write_report(store, tmp_path / "report", ReportOptions(langs=("zh",), formats=("html", "json")))
    rule_page = next(
        p for p in (tmp_path / "report" / "zh" / "rules").glob("*.html") if "承诺没有时限</h1>" in p.read_text(encoding="utf-8")
    )
    assert "准确率" in rule_page.read_text(encoding="utf-8")
    call = next(
        c
        for c in json.loads((tmp_path / "report" / "data" / "report.json").read_text(encoding="utf-8"))["calls"]
        if c["call_id"] == wrong
    )
    (finding,) = [f for f in call["findings"] if f["rule"] == "promise-without-time"]
    assert (finding["verdict"], finding["worst"], finding["reviewed"]) == ("overruled", 0.0, True)
    assert any("复核：不成立" in p.read_text(encoding="utf-8") for p in (tmp_path / "report" / "zh" / "agents").iterdir())


def test_a_missed_hit_that_people_heard_is_in_the_report(store: Store, tmp_path: Path) -> None:
    plan = draw_reviews(store, DrawOptions(per_rule=100))
    store.replace("review_plan", plan)
    missed = next(r for r in plan if r["rule"] == "rude-words" and r["machine"] == "miss")
    take_reviews(store, answers(tmp_path / "a.csv", (missed["call_id"], "rude-words", "hit")))
    score(store)
    write_report(store, tmp_path / "report", ReportOptions(formats=("json", "csv")))
    calls = json.loads((tmp_path / "report" / "data" / "report.json").read_text(encoding="utf-8"))["calls"]
    call = next(c for c in calls if c["call_id"] == missed["call_id"])
    assert [f["verdict"] for f in call["findings"] if f["rule"] == "rude-words"] == ["hit"]


def test_strangers_answers_are_refused_line_by_line(store: Store, tmp_path: Path) -> None:
    plan = draw_reviews(store, DrawOptions(per_rule=4))
    store.replace("review_plan", plan)
    good = (plan[0]["call_id"], plan[0]["rule"], "hit")
    file = answers(
        tmp_path / "a.csv", good, ("not-drawn", plan[0]["rule"], "hit"), (good[0], good[1], "perhaps"), (good[0], good[1], "")
    )
    taken = take_reviews(store, file)
    assert (taken.answers, taken.blank, len(taken.problems)) == (1, 1, 2)
    assert ["not drawn" in str(p) or "no such answer" in str(p) for p in taken.problems] == [True, True]
    nobody = tmp_path / "b.csv"
    nobody.write_text(f"call_id,rule,answer\n{good[0]},{good[1]},成立\n", encoding="utf-8")
    assert "reviewer" in str(take_reviews(store, nobody).problems[0])
    assert take_reviews(store, nobody, reviewer="李").answers == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"PK\x03\x04nonsense"],
    ids=["empty", "binary", "other columns", "broken zip"],
)
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_file_that_is_no_answers_is_one_clear_error(store: Store, tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        take_reviews(store, file)
    assert caught.value.hint
