"""Beside, near, after: zones at their edges, any/every/nth, and what one unheard zone does to the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from qc.errors import PackError
from qc.packs import Pack, unflatten
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.view import view

COMPLAINT = "{who: customer, says: [投诉]}"


def said(*lines: str) -> list[dict[str, Any]]:
    """`a: …`/`c: …` lines as turns of two seconds, half a second apart; `a! …` is a flagged one."""
    turns: list[dict[str, Any]] = []
    for i, line in enumerate(lines):
        role = {"a": "agent", "c": "customer", "u": "unknown"}[line[0]]
        channel = {"agent": 0, "customer": 1, "unknown": 2}[role]
        turns.append({"role": role, "channel": channel, "start_ms": i * 2500, "end_ms": i * 2500 + 2000, "text": line[3:]})
        if line[1] == "!":
            turns[-1]["flags"] = ["loop"]
    return turns


def find(pack: Pack, row: dict[str, Any]) -> Finding:
    assert unflatten(pack.flat) == pack
    scanner = PackScanner(pack)
    call = view(row)
    return scanner.findings(call, scanner.scan([call])[0])[0]


@pytest.mark.parametrize(
    ("window", "lines", "verdict"),
    [
        ("after complaint", ["c: 投诉", "a: 好", "a: 登记"], "hit"),
        ("after complaint", ["a: 登记", "c: 投诉"], "miss"),
        ("after complaint", ["a: 登记", "c: 嗯"], "miss"),
        ("after complaint", ["a: 登记"], "undecided"),
        ("1 turn after complaint", ["c: 投诉", "a: 好", "a: 登记"], "miss"),
        ("2 turns after complaint", ["c: 投诉", "a: 好", "c: 嗯", "a: 登记"], "hit"),
        ("2 s after complaint", ["c: 投诉", "a: 登记"], "hit"),
        ("0.4 s after complaint", ["c: 投诉", "a: 登记"], "miss"),
        ("before complaint", ["a: 登记", "c: 投诉"], "hit"),
        ("before complaint", ["c: 投诉", "a: 登记"], "miss"),
        ("1 turn before complaint", ["a: 登记", "a: 好", "c: 投诉"], "miss"),
        ("1 turn around complaint", ["c: 投诉", "a: 登记", "a: 好"], "hit"),
        ("1 turn after the first complaint", ["c: 投诉", "a: 好", "c: 投诉", "a: 登记"], "miss"),
        ("1 turn after the last complaint", ["c: 投诉", "a: 好", "c: 投诉", "a: 登记"], "hit"),
        ("1 turn after the 2nd complaint", ["c: 投诉", "a: 好", "c: 投诉", "a: 登记"], "hit"),
        ("1 turn after the 3rd complaint", ["c: 投诉", "a: 好", "c: 投诉", "a: 登记"], "miss"),
        ("1 turn after any complaint", ["c: 投诉", "a: 好", "c: 投诉", "a: 登记"], "hit"),
        ("1 turn after every complaint", ["c: 投诉", "a: 好", "c: 投诉", "a: 登记"], "miss"),
        ("1 turn after every complaint", ["c: 投诉", "a: 登记", "c: 投诉", "a: 登记"], "hit"),
        ("1 turn after complaint", ["c: 投诉", "a! 登记"], "undecided"),
        ("1 turn after complaint", ["a! 好", "c: 投诉", "a: 登记"], "hit"),
        ("1 turn before complaint", ["a: 登记", "c! 投诉"], "undecided"),
        ("1 turn after the first complaint", ["c! 嗯", "c: 投诉", "a: 登记"], "undecided"),
        ("after complaint", ["u: 投诉", "a: 登记"], "undecided"),
    ],
)
def test_words_beside_another_condition(make_pack: Any, make_row: Any, window: str, lines: list[str], verdict: str) -> None:
    pack = make_pack({"r": f"{{who: agent, says: [登记], in: {window}}}"}, more=f"define: {{complaint: {COMPLAINT}}}")
    assert find(pack, make_row(said(*lines))).verdict == verdict


@pytest.mark.parametrize(
    ("window", "lines", "verdict"),
    [
        ("1 turn after complaint", ["c: 投诉", "a: 好"], "hit"),
        ("1 turn after complaint", ["c: 投诉", "a: 登记"], "miss"),
        ("1 turn after complaint", ["a: 好", "c: 嗯"], "miss"),
        ("1 turn after complaint", ["c: 投诉", "a: 登记", "c: 投诉", "a: 好"], "hit"),
        ("1 turn after every complaint", ["c: 投诉", "a: 登记", "c: 投诉", "a: 好"], "miss"),
        ("1 turn after complaint", ["c: 投诉", "a! 好"], "undecided"),
        ("1 turn after complaint", ["c: 投诉", "a: 好", "a! 好"], "hit"),
    ],
)
def test_never_beside_another_condition(make_pack: Any, make_row: Any, window: str, lines: list[str], verdict: str) -> None:
    pack = make_pack({"r": f"{{who: agent, never_says: [登记], in: {window}}}"}, more=f"define: {{complaint: {COMPLAINT}}}")
    assert find(pack, make_row(said(*lines))).verdict == verdict


@pytest.mark.parametrize(
    ("when", "lines", "verdict"),
    [
        ("{near: [{says: [甲]}, {says: [乙]}], within: 3 characters}", ["a: 甲一二三乙"], "hit"),
        ("{near: [{says: [甲]}, {says: [乙]}], within: 3 characters}", ["a: 甲，天，地，人，乙"], "hit"),
        ("{near: [{says: [甲]}, {says: [乙]}], within: 3 characters}", ["a: 甲天地人和乙"], "miss"),
        ("{near: [{says: [甲]}, {says: [乙]}], within: 9 characters}", ["a: 甲", "a: 乙"], "miss"),
        ("{near: [{says: [甲]}, {says: [乙]}], within: 1 turn}", ["a: 乙", "a: 甲"], "hit"),
        ("{near: [{says: [甲]}, {says: [甲]}], within: 1 turn}", ["a: 甲"], "miss"),
        ("{near: [{says: [甲]}, {says: [甲]}], within: 1 turn}", ["a: 甲甲"], "hit"),
        ("{near: [{says: [甲]}, {says: [乙]}], within: 3 s}", ["a: 甲", "c: 嗯", "c: 嗯", "a: 乙"], "miss"),
        ("{near: [{says: [甲]}, {silence: {longer_than: 500 ms}}], within: 3 s}", ["a: 甲"], "miss"),
        ("{not_near: [{says: [甲]}, {says: [乙]}], within: 1 turn}", ["a: 甲", "a: 乙"], "miss"),
        ("{not_near: [{says: [甲]}, {says: [乙]}], within: 1 turn}", ["a: 甲", "a: 乙", "a: 丙", "a: 甲"], "hit"),
        ("{not_near: [{says: [甲]}, {says: [乙]}], within: 1 turn}", ["a: 甲", "a! 丙"], "undecided"),
        ("{not_near: [{says: [甲]}, {says: [乙]}], within: 2 characters}", ["a: 甲", "a! 丙"], "hit"),
        ("{then: [{says: [甲]}, {says: [乙]}]}", ["a: 甲乙"], "hit"),
        ("{then: [{says: [甲]}, {says: [乙]}]}", ["a: 乙甲"], "miss"),
        (
            "{then: [{says: [甲]}, {says: [乙], within: 1 turn}, {says: [丙], within: 1 turn}]}",
            ["a: 甲", "c: 乙", "a: 丙"],
            "hit",
        ),
        ("{then: [{says: [甲]}, {says: [乙], within: 1 turn}]}", ["a: 甲", "c: 嗯", "a: 甲", "a: 乙"], "hit"),
        ("{then: [{says: [甲]}, {says: [乙], within: 1 turn}]}", ["a: 甲", "c: 嗯", "a: 乙"], "miss"),
        ("{then: [{says: [甲]}, {who: agent, says: [乙], within: 1 turn}]}", ["a: 甲", "c: 嗯", "a: 乙"], "hit"),
        ("{then: [{says: [甲]}, {says: [乙]}]}", ["a: 甲", "a! 嗯"], "undecided"),
        ("{at_least: 2, of: [{says: [甲]}, {says: [乙]}, {who: customer, says: [丙]}]}", ["a: 甲乙", "c! 嗯"], "hit"),
        (
            "{at_least: 2, of: [{says: [甲]}, {who: agent, says: [乙]}, {who: customer, says: [丙]}]}",
            ["a: 甲", "c! 嗯"],
            "undecided",
        ),
        (
            "{at_least: 2, of: [{who: agent, says: [甲]}, {who: agent, says: [乙]}, {who: customer, says: [丙]}]}",
            ["a: 丁", "c! 嗯"],
            "miss",
        ),
        ("{says: [甲], in: first 1 turn of customer}", ["a: 甲", "c: 嗯"], "hit"),
        ("{who: agent, says: [甲], in: last 1 turn of customer}", ["a: 甲", "c: 嗯"], "miss"),
    ],
)
def test_near_and_in_order(make_pack: Any, make_row: Any, when: str, lines: list[str], verdict: str) -> None:
    assert find(make_pack({"r": when}), make_row(said(*lines))).verdict == verdict


def test_the_evidence_shows_both_places(make_pack: Any, make_row: Any) -> None:
    finding = find(make_pack({"r": "{then: [{says: [甲]}, {says: [乙], within: 1 turn}]}"}), make_row(said("a: 甲天", "c: 地乙")))
    assert [e.quote for e in finding.evidence] == ["甲", "乙"]


def test_very_many_places_do_not_take_for_ever(make_pack: Any, make_row: Any) -> None:
    row = make_row(said(*["a: 甲甲甲甲甲甲"] * 4000))
    for when in (
        "{near: [{says: [甲]}, {says: [甲, 乙], need: all}], within: 1 turn}",
        "{then: [{says: [甲]}, {says: [甲], within: 1 s}]}",
    ):
        assert find(make_pack({"r": when}), row).verdict in ("hit", "undecided", "miss")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("define: {a: b}", "no condition called 'b'"),
        ("define: {a: {says: [x]}, a: {says: [y]}}", "twice|two conditions|duplicate|more than once"),
        ("define: {first: {says: [x]}}", "cannot be called"),
        ("define: {'a b': {says: [x]}}", "cannot be called"),
        ("define: []", "`name: condition`"),
    ],
)
def test_names_that_cannot_be_are_refused(make_pack: Any, more: str, says: str) -> None:
    with pytest.raises(PackError) as caught:
        make_pack({"r": "{says: [x]}"}, more=more)
    assert any(part in p.message + p.hint for p in caught.value.problems for part in says.split("|"))


def test_names_that_double_each_other_are_refused(make_pack: Any) -> None:
    """Seven names, each twenty of the one before: a thousand million conditions if nobody counted."""
    names = ["n0: {says: [x]}", *(f"n{i}: {{all: [{', '.join([f'n{i - 1}'] * 20)}]}}" for i in range(1, 7))]
    with pytest.raises(PackError) as caught:
        make_pack({"r": "n6"}, more=f"define: {{{', '.join(names)}}}")
    assert any("names stand for" in p.message for p in caught.value.problems)


def test_a_name_stands_for_its_condition(make_pack: Any, make_row: Any) -> None:
    pack = make_pack(
        {"r": "{all: [complaint, {not: done}]}"}, extra=f"define: {{complaint: {COMPLAINT}, done: {{says: [登记]}}}}\n"
    )
    assert find(pack, make_row(said("c: 投诉", "a: 好"))).verdict == "hit"
    assert find(pack, make_row(said("c: 投诉", "a: 登记"))).verdict == "miss"
