"""The conformance suite: the scanner and the reference evaluator answer every case as the meaning has it."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from qc.conformance.answers import by_reference, by_scanner
from qc.conformance.suite import CASES, Case, load_suite, mark
from qc.packs.conditions import Says
from qc.packs.syntax import CONDITIONS
from qc.packs.terms import FORMS
from qc.scan import compiled
from qc.scan.evaluate import PackScanner
from qc.scan.matching import terms_of
from qc.scan.view import view

SUITE = load_suite()
COLUMNS = ("agent_id", "agent_name", "provider", "queue", "started_at", "hangup", "satisfaction")
"""Columns of the call list that every listed call has."""


@cache
def scanned() -> dict[str, dict[str, Any]]:
    return by_scanner(SUITE)


@cache
def referred() -> dict[str, dict[str, Any]]:
    return by_reference(SUITE)


@pytest.mark.parametrize("case", SUITE, ids=lambda case: case.id)
def test_the_scanner_answers_as_expected(case: Case) -> None:
    assert mark(case, scanned()[case.id]) == [], case.about


def test_the_machine_code_of_large_scans_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qc.scan.stage.COMPILED_CALLS", 0)
    answers = by_scanner(SUITE)
    assert compiled.used()
    compiled.use(False)
    assert answers == scanned()


@pytest.mark.parametrize("case", SUITE, ids=lambda case: case.id)
def test_the_reference_evaluator_answers_as_expected(case: Case) -> None:
    assert mark(case, referred()[case.id]) == [], case.about


def test_there_are_cases_of_every_condition_and_verdict() -> None:
    verdicts: dict[str, set[str]] = {}
    for case in SUITE:
        for name in CONDITIONS:
            if name in _keys(case.plain["rules"][0]):
                verdicts.setdefault(name, set()).add(case.expect["verdict"])
    for name in CONDITIONS:
        assert verdicts[name] >= {"hit", "miss", "undecided"}, name
    assert len(SUITE) >= 300
    assert Counter(case.expect["verdict"] for case in SUITE)["not_applicable"] >= 3


def test_there_are_cases_of_every_way_to_write_a_word() -> None:
    kinds = {term.kind for case in SUITE for term in terms_of(case.pack.rules[0].when)}
    assert kinds == {"word", "sound", "fuzzy", "similar", "entity", "pattern"}
    assert set(FORMS) == {"word", "similar", "entity", "list"}, "a new way to write a word needs cases here"


def _keys(plain: Any) -> set[str]:
    if isinstance(plain, dict):
        return set(plain).union(*map(_keys, plain.values()))
    return set().union(*map(_keys, plain)) if isinstance(plain, list | tuple) else set()


def test_a_wrong_answer_is_marked() -> None:
    case = next(case for case in SUITE if case.id == "says-one-word-1")
    right = scanned()[case.id]
    assert isinstance(case.pack.rules[0].when, Says)
    assert mark(case, right) == []
    assert mark(case, None) == ["no answer"]
    assert mark(case, {**right, "verdict": "miss"}) == ['verdict: expected "hit", answered "miss"']
    assert len(mark(case, {**right, "count": 2, "evidence": []})) == 2


def test_coverage_is_compared_in_single_precision() -> None:
    case = next(case for case in SUITE if case.expect.get("coverage") == 8999 / 10000)
    answer = dict(case.expect)
    assert mark(case, {**answer, "coverage": 0.8999000191688538}) == []
    assert mark(case, {**answer, "coverage": 0.8998}) != []


def test_a_case_is_one_object_of_plain_data() -> None:
    for case in SUITE:
        plain = json.loads(json.dumps(case.as_json(), ensure_ascii=False))
        assert set(plain) == {"id", "about", "pack", "transcript", "listed", "expect"}
        assert plain == case.as_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: a, when: {says: [x]}, cases: [{expect: maybe}]}", "no verdict"),
        ("- {id: a, when: {says: [x]}, cases: [{expect: hit, expects: hit}]}", "unknown"),
        ("- {id: a, when: {says: [x]}, cases: [{expect: {verdict: hit, evidence: [agent]}}]}", "no evidence"),
        ("- {id: a, when: {says: [x]}, cases: [{expect: hit, call: [{0-1 boss: 好}]}]}", "no line"),
        ("- {id: a, when: x, cases: [{expect: hit}]}\n- {id: a, when: x, cases: [{expect: hit}]}", "two cases"),
    ],
)
def test_a_case_that_is_not_written_right_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        load_suite(tmp_path)


def test_the_cases_are_shipped() -> None:
    assert len(list(CASES.glob("*.yaml"))) >= 9


@pytest.mark.parametrize("case", SUITE, ids=lambda case: case.id)
def test_a_call_alone_is_answered_as_many_at_once(case: Case) -> None:
    """What the columns of a batch decide, the evaluators of single calls say too: cases and explanations come from them."""
    pack = case.pack
    listed = None if case.listed is None else {**dict.fromkeys(COLUMNS), **case.listed}
    scanner = PackScanner(pack)
    call = view(case.row, confidence_floor=pack.confidence_floor, meta=listed)
    (found,) = scanner.findings(call, scanner.scan([call])[0])
    assert mark(case, found.row()) == [], case.about
