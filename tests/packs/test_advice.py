"""Advice on words that are allowed and find too much: told by `qc rules check`, of no exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qc.cli.main import main
from qc.packs import load_pack
from qc.packs.advice import advise

PACK = """\
id: p
version: 1.0.0
language: 1
title: t
dimensions: [{{id: d, title: t}}]
rules:
  - id: r
    title: t
    why: w
    dimension: d
    severity: low
    points: -1
    when: {when}
    cases: {{hit: [{{agent: 甲}}], miss: [{{agent: 乙}}]}}
"""


def advice(folder: Path, when: str) -> list[str]:
    (folder / "pack.yaml").write_text(PACK.format(when=when), encoding="utf-8")
    return [one.message for one in advise(load_pack(folder))]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("{says: [投诉], match: sound}", []),
        ("{says: [投诉, 去投诉], match: sound, tolerate: all}", ["投诉"]),
        ("{says: [{word: 投诉, match: sound, tolerate: [n/l]}]}", ["投诉"]),
        ("{says: [帮您退款], match: fuzzy 0.75}", ["帮您退款"]),
        ("{says: [帮您退款], match: fuzzy 0.80}", []),
        ("{says: [不要私下转账吧], match: fuzzy 0.80}", []),
        ("{not: {all: [{says: [好的]}, {never_says: [x], unless: [y]}]}}", None),
        ("{says: [好的], in: {after: {says: [投诉], match: sound, tolerate: all}}}", ["投诉"]),
    ],
)
def test_what_is_advised_against(tmp_path: Path, when: str, words: list[str] | None) -> None:
    if words is None:
        when = "{not: {all: [{says: [好的]}, {says: [投诉, 投诉], match: sound, tolerate: all}]}}"
        words = ["投诉"]
    found = advice(tmp_path, when)
    assert [message.split(" ")[1] for message in found] == words


@pytest.mark.parametrize(
    ("when", "idle"),
    [
        ("{says: [转账], except: [不要转账]}", ""),
        ("{says: [转账], except: [转账]}", ""),
        ("{says: [尽快, 稍后], except: [请稍后]}", ""),
        ("{says: [尽快], except: [小时, 请尽快, 今天]}", "小时, 今天"),
        ("{never_says: [尽快], except: [小时]}", "小时"),
        ("{says: [3小时], except: [二十三小时]}", "二十三小时"),
        ("{says: [三小时], except: [大概3小时]}", ""),
        ("{says: [{word: 投诉, match: sound}], except: [不头诉]}", ""),
        ("{says: [流量], except: [没有牛娘], match: sound, tolerate: [n/l]}", ""),
        ("{says: [流量], except: [没有牛娘], match: sound}", "没有牛娘"),
        ("{says: [/尽快|稍后/], except: [小时]}", ""),
        ("{says: [尽快], except: [/小时/]}", ""),
        ("{any: [{says: [好], in: {after: {says: [尽快], except: [小时]}}}]}", "小时"),
    ],
)
def test_an_exception_that_leaves_out_nothing_is_told(tmp_path: Path, when: str, idle: str) -> None:
    found = [message for message in advice(tmp_path, when) if "`except" in message]
    assert [message.split("`")[1] for message in found] == ([f"except: {idle}"] if idle else [])


def test_check_prints_it_and_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advice(tmp_path, "{says: [投诉], match: sound, tolerate: all}")
    for flags in ([], ["--json"]):
        with pytest.raises(SystemExit) as left:
            main(["rules", "check", str(tmp_path), *flags])
        assert not left.value.code
    printed, _, data = capsys.readouterr().out.partition("{\n")
    assert "pack.yaml:7:5: advice: r: 投诉 has two syllables" in printed
    assert json.loads("{" + data)["advice"][0]["where"].endswith("pack.yaml:7:5")


def test_the_starter_packs_need_none() -> None:
    rules = Path(__file__).parents[2] / "rules"
    assert [one for folder in rules.iterdir() if folder.is_dir() for one in advise(load_pack(folder))] == []
