"""`qc score` and `qc report` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import fixture_store
import pytest
import typer
from typer.testing import CliRunner

from qc.cli.report import report
from qc.cli.score import score
from qc.errors import StoreError, UsageError

app = typer.Typer(pretty_exceptions_enable=False)
app.command("score")(score)
app.command("report")(report)


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_score_prints_providers_and_agents_with_intervals(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    code, out = run("score", "--store", store.path)
    assert code == 3  # two calls failed
    assert "95 % interval" in out
    for words in ("华信外包", "CloudDesk", "unassigned", "not enough calls", "Amy Wong"):
        assert words in out


def test_score_prints_only_so_many_agents(tmp_path: Path) -> None:
    code, out = run("score", "--store", fixture_store.normal(tmp_path).path, "--top", "2")
    assert "7 more agents; --top 0 prints all" in out
    assert code == 3


def test_score_as_json_has_the_summaries(tmp_path: Path) -> None:
    code, out = run("score", "--store", fixture_store.normal(tmp_path).path, "--json")
    value = json.loads(out)
    assert code == 3
    assert (value["calls"], value["failed"], value["providers"], value["agents"]) == (30, 2, 4, 9)
    assert {s["kind"] for s in value["summaries"]} == {"all", "provider", "agent"}


def test_report_says_which_page_to_open(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    code, out = run("report", "--store", store.path, "-o", tmp_path / "out", "--lang", "zh", "--format", "html, json")
    assert code == 0
    assert f"open {tmp_path / 'out' / 'index.html'}" in out.replace("\n", "")
    assert not list((tmp_path / "out").rglob("*.csv"))
    code, out = run("report", "--store", store.path, "-o", tmp_path / "out", "--json", "--title", "十一月三日")
    value = json.loads(out)
    assert (code, value["pages"], value["failed"]) == (0, 73, 2)
    assert "<h1>十一月三日</h1>" in (tmp_path / "out" / "en" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["score", "report"])
def test_a_store_that_is_not_there_is_one_clear_error(verb: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store here"):
        run(verb, "--store", tmp_path / "nowhere")


def test_an_unknown_language_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such language: fr"):
        run("report", "--store", fixture_store.normal(tmp_path).path, "--lang", "fr", "-o", tmp_path / "out")
