"""Rules that ask for words alone, decided together: what each says by itself, however many are taken at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.scan import alike, emit
from qc.scan.evaluate import MAX_EVIDENCE
from tests.scan.test_many_calls import check, numbered, orderly, packed, together

WHENS = {
    "a": "{who: agent, says: [尽快, 请稍等]}",
    "b": "{who: agent, says: [尽快处, 小时, 请]}",
    "c": "{says: [尽快, 尽快处理, 快处]}",
    "d": "{says: [您好], need: 1}",
    "e": "{who: customer, says: [小时, 再见], in: first 2 s}",
    "f": "{who: customer, says: [尽快], in: first 2 s}",
    "g": "{who: customer, says: [您好], need: all, in: last 2 turns}",
}
OTHERS = {
    "two": "{says: [尽快, 小时], need: 2}",
    "never": "{never_says: [您好]}",
    "unless": "{says: [尽快], unless: [小时]}",
    "except": "{says: [尽快], except: [尽快处理]}",
    "beside": "{says: [尽快], in: {after: {says: [您好]}, within: 2 s}}",
}
PACK = packed(WHENS | OTHERS)
SPACED = packed(WHENS, once_per="2 s")


def test_which_rules_are_decided_together() -> None:
    groups, others = alike.alike(list(enumerate(PACK.rules)))
    assert [sorted(rule.id for _, rule in group.rules) for group in groups] == [["a", "b"], ["c", "d"], ["e", "f"], ["g"]]
    assert sorted(rule.id for _, rule in others) == sorted(OTHERS)
    dated = packed(WHENS, valid_from="2026-01-01")
    assert alike.alike(list(enumerate(dated.rules)))[0] == []


@settings(max_examples=60, deadline=None)
@given(st.lists(orderly(), min_size=1, max_size=5), st.sampled_from([1, 3, 1 << 22]))
def test_they_say_what_each_says_alone(rows: list[dict[str, Any]], most: int) -> None:
    rows = numbered(rows)
    for pack in (PACK, SPACED):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(emit, "alike", lambda rules: ([], list(rules)))
            wanted = together(pack, rows)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alike, "_MOST", most)
            assert together(pack, rows) == wanted
        check(pack, rows)


def test_more_places_than_are_shown() -> None:
    place = {"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 9000}
    turns = [{**place, "turn": 0, "text": "尽快，您好。" * (3 * MAX_EVIDENCE), "flags": [], "char_ms": None}]
    row: dict[str, Any] = {
        "status": "ok",
        "warnings": [],
        "duration_ms": 9000,
        "turns": turns,
        "spans": [{**place, "heard": True}],
    }
    check(PACK, numbered([row, {**row, "turns": [{**turns[0], "role": "unknown"}]}]))
    found, _ = together(PACK, numbered([row]))
    assert {v["rule"]: len(v["evidence"]) for v in found[0]["verdicts"]}["a"] == MAX_EVIDENCE
