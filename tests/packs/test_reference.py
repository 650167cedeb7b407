"""The reference: says every key, and every rule on it comes out as it says."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from qc.errors import PackError
from qc.packs import load_pack, unflatten
from qc.packs.cases import LINE_KEYS
from qc.packs.parse import PACK_KEYS, RULE_KEYS
from qc.packs.reasons import WHY
from qc.packs.reference import PACK_DOC, RULE_DOC, reference
from qc.packs.syntax import CONDITIONS
from qc.packs.terms import FORMS
from qc.packs.where_doc import WHERE_EXAMPLE
from qc.scan import run_cases
from qc.scan.conditions import CONDITIONS as MEANINGS

HEAD = """\
id: page
version: 1.0.0
language: 1
title: page
dimensions: [{id: certainty, title: c}, {id: warmth, title: w}]
rules:
"""


def as_rule(example: str) -> str:
    return "- id: r\n  title: r\n  why: r\n  dimension: warmth\n  severity: low\n  points: -1\n" + textwrap.indent(example, "  ")


WINDOWS = {"where": replace(FORMS["list"], example=WHERE_EXAMPLE.good, bad=WHERE_EXAMPLE.bad)}
SHOWN = {**CONDITIONS, **WINDOWS, **{f"{name} (word)": form for name, form in FORMS.items() if form.example}}
REFUSED = {**CONDITIONS, **WINDOWS, **{f"{name} (word)": form for name, form in FORMS.items()}}


@pytest.mark.parametrize("name", SHOWN)
def test_everything_shows_a_hit_a_miss_and_an_undecided(name: str, tmp_path: Path) -> None:
    file = tmp_path / "pack.yaml"
    file.write_text(HEAD + textwrap.indent(as_rule(SHOWN[name].example), "  "), encoding="utf-8")
    pack = load_pack(file)
    again = unflatten(pack.flat)
    assert again == pack
    assert again.flat == pack.flat
    results = run_cases(pack)
    assert {r.case.verdict for r in results} == {"hit", "miss", "undecided"}
    for result in results:
        assert result.ok, f"{result.case}: {result.finding}"
        assert result.finding.why in WHY or result.case.verdict != "undecided"


@pytest.mark.parametrize("name", REFUSED)
def test_everything_refuses_its_bad_example(name: str, tmp_path: Path) -> None:
    cases = "cases: {hit: [{agent: a}], miss: [{agent: b}]}\n"
    file = tmp_path / "pack.yaml"
    file.write_text(HEAD + textwrap.indent(as_rule(REFUSED[name].bad + cases), "  "), encoding="utf-8")
    with pytest.raises(PackError) as caught:
        load_pack(file)
    assert all(problem.hint for problem in caught.value.problems)


def test_what_can_be_written_has_a_meaning_and_the_reverse() -> None:
    assert list(CONDITIONS) == list(MEANINGS)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_tells_every_key(language: str) -> None:
    page = reference(language)
    assert tuple(key.name for key in RULE_DOC) == RULE_KEYS
    assert tuple(key.name for key in PACK_DOC) == PACK_KEYS
    for word in [
        *RULE_KEYS,
        *PACK_KEYS,
        *LINE_KEYS,
        *WHY,
        *CONDITIONS,
        *FORMS,
        *(k.name for s in CONDITIONS.values() for k in s.keys),
    ]:
        assert f"`{word}`" in page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_rules_on_the_page_come_out_as_they_say(language: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", reference(language), flags=re.DOTALL)
    rules = [block for block in blocks if block.startswith("- id:")]
    head = next(block for block in blocks if block.startswith("id:"))
    (tmp_path / "pack.yaml").write_text(head, encoding="utf-8")
    (tmp_path / "rules.yaml").write_text("\n".join(rules), encoding="utf-8")
    results = run_cases(load_pack(tmp_path))
    assert len(results) == 6
    assert all(result.ok for result in results)
