"""Damaged cases: what each kind does to a text, and what a rule's robustness counts."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.errors import Exit
from qc.packs import load_pack
from qc.packs.model import Pack
from qc.packs.mutations import MOST_PLACES, MUTATIONS, PSEUDO_SPEECH, Mutant, mutants, names_a_role, say_number
from qc.scan.cases import run_cases
from qc.scan.robustness import robustness
from qc.text.normal import normal_text
from qc.text.sound import readings

ROOT = Path(__file__).parents[2]
HEAD = "id: p\nversion: 1.0.0\nlanguage: 1\ntitle: t\ndimensions: [{id: d, title: d}]\nrules:\n"
RULE = "  - {{id: r, title: t, why: w, dimension: d, severity: low, points: -1, when: {when}, cases: {{hit: [{hit}], miss: [{miss}]}}}}\n"


def pack(tmp_path: Path, when: str, hit: str = "{agent: 我们会尽快联系}", miss: str = "{agent: 好}") -> Pack:
    (tmp_path / "pack.yaml").write_text(HEAD + RULE.format(when=when, hit=hit, miss=miss), encoding="utf-8")
    return load_pack(tmp_path)


def of_kind(pack: Pack, kind: str) -> list[Mutant]:
    return [m for m in mutants(pack.rules[0]) if m.kind == kind]


def test_every_kind_of_damage_is_done(tmp_path: Path) -> None:
    hit = "[{agent: 我们会尽快在3小时内联系}, {customer: 好的}]"
    assert {m.kind for m in mutants(pack(tmp_path, "{who: agent, says: [尽快]}", hit).rules[0])} == MUTATIONS.keys()


def test_a_homophone_sounds_the_same_and_is_another_character(tmp_path: Path) -> None:
    found = of_kind(pack(tmp_path, "{says: [尽快]}"), "homophone")
    assert len(found) >= 5
    for mutant in found:
        pairs = [(a, b) for a, b in zip("我们会尽快联系", mutant.case.lines[0].text, strict=True) if a != b]
        assert len(pairs) == 1
        assert set(readings(pairs[0][0])) & set(readings(pairs[0][1]))


def test_dropping_leaves_out_one_character_at_a_time(tmp_path: Path) -> None:
    texts = [m.case.lines[0].text for m in of_kind(pack(tmp_path, "{says: [尽快]}"), "dropped")]
    assert texts == [
        "们会尽快联系",
        "我会尽快联系",
        "我们尽快联系",
        "我们会快联系",
        "我们会尽联系",
        "我们会尽快系",
        "我们会尽快联",
    ]


def test_long_cases_are_damaged_at_a_few_places(tmp_path: Path) -> None:
    found = of_kind(pack(tmp_path, "{says: [尽快]}", "{agent: " + "尽快" * 300 + "}"), "dropped")
    assert len(found) == MOST_PLACES


def test_script_and_numerals_change_the_writing_and_not_the_normal_form(tmp_path: Path) -> None:
    loaded = pack(tmp_path, "{says: [小时]}", "{agent: 3小时内联系您 ok}")
    (numerals,) = of_kind(loaded, "numerals")
    assert numerals.case.lines[0].text == "三小时内联系您 ok"
    for mutant in [*of_kind(loaded, "script"), numerals]:
        assert mutant.case.lines[0].text != "3小时内联系您 ok"
        assert normal_text(mutant.case.lines[0].text) == normal_text("3小时内联系您 ok")


def test_pseudo_speech_is_put_in_and_nothing_taken_out(tmp_path: Path) -> None:
    found = of_kind(pack(tmp_path, "{says: [尽快]}", "[{agent: 尽快}, {customer: 好}]"), "pseudo_speech")
    assert [[line.text for line in m.case.lines] for m in found] == [
        [PSEUDO_SPEECH, "尽快", "好"],
        ["尽快", PSEUDO_SPEECH, "好"],
        ["尽快", "好", PSEUDO_SPEECH],
    ]


@pytest.mark.parametrize(
    ("when", "named"),
    [
        ("{says: [尽快]}", False),
        ("{who: agent, says: [尽快]}", True),
        ("{who: agent, never_says: [抱歉]}", False),
        ("{not: {who: agent, says: [抱歉]}}", False),
        ("{all: [{says: [尽快]}, {who: customer, says: [投诉]}]}", True),
        ("{any: [{says: [尽快]}, {who: customer, says: [投诉]}]}", False),
        ("{near: [{says: [尽快]}, {who: agent, says: [联系]}], within: 5 s}", True),
        ("{silence: {longer_than: 8 s}}", False),
    ],
)
def test_sides_are_swapped_where_the_rule_says_who_speaks(when: str, named: bool, tmp_path: Path) -> None:
    loaded = pack(tmp_path, when)
    assert names_a_role(loaded.rules[0].when) is named
    swapped = of_kind(loaded, "roles")
    assert [m.case.lines[0].what for m in swapped] == (["customer"] if named else [])
    assert not any(m.hits for m in swapped)


def test_robustness_counts_what_survives(tmp_path: Path) -> None:
    exact = next(iter(robustness(pack(tmp_path, "{who: agent, says: [尽快]}"))))
    assert exact.by_kind["script"][0] == exact.by_kind["script"][1] == 2
    assert exact.by_kind["roles"] == (1, 1)
    assert exact.by_kind["dropped"] == (5, 7)
    assert {mutant.case.lines[0].text for mutant, got in exact.lost if mutant.kind == "dropped"} == {
        "我们会快联系",
        "我们会尽联系",
    }
    survived, tried = exact.by_kind["homophone"]
    assert tried - survived == 2
    assert exact.share == exact.survived / exact.tried
    sound = next(iter(robustness(pack(tmp_path, "{who: agent, says: [尽快], match: sound}"))))
    assert sound.by_kind["homophone"] == (tried, tried)


def test_rules_tested_together_or_by_several_processes_come_out_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_pack(ROOT / "rules" / "service-en")
    few = dataclasses.replace(whole, rules=whole.rules[:4])
    alone = [one for rule in few.rules for one in robustness(few, {rule.id})]
    assert list(robustness(few)) == alone
    assert any(one.lost for one in alone)
    monkeypatch.setattr("qc.scan.cases._RULES_AT_ONCE", 2)
    monkeypatch.setattr("qc.scan.robustness.RULES_A_PROCESS", 2)
    assert list(robustness(few, processes=2)) == alone
    some = {few.rules[1].id, few.rules[3].id}
    assert {result.rule.id for result in run_cases(few, some)} == some
    assert [r for r in run_cases(few) if r.rule.id in some] == run_cases(few, some)


def test_damage_is_the_same_every_time(tmp_path: Path) -> None:
    rule = pack(tmp_path, "{who: agent, says: [尽快]}").rules[0]
    assert list(mutants(rule)) == list(mutants(rule))


@given(st.integers(min_value=0, max_value=9999))
def test_numbers_are_said_as_the_normal_form_reads_them(number: int) -> None:
    said = say_number(str(number))
    assert normal_text(said + "个") == f"{number}个"


def qc(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qc", "rules", "test", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_verb_prints_robustness_and_what_is_lost(tmp_path: Path) -> None:
    pack(tmp_path, "{who: agent, says: [尽快]}")
    done = qc(tmp_path, "--rule", "r")
    assert done.returncode == Exit.OK, done.stderr
    assert "dropped: 5 of 7 survive" in done.stdout
    assert "miss: agent: 我们会尽联系" in done.stdout
    value = json.loads(qc(tmp_path, "--json").stdout)
    assert value["robustness"][0]["by_kind"]["dropped"] == {"survived": 5, "tried": 7}
    assert json.loads(qc(tmp_path, "--json", "--no-mutations").stdout)["robustness"] == []
