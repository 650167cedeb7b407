"""What is measured: exactly at the edge, both ways where something was not heard, and without times or a call list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.packs import Pack, unflatten
from qc.packs.conditions import Bound
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.measures import within
from qc.scan.view import view

ROLES = {"a": "agent", "c": "customer", "u": "unknown", "s": "system"}
CHANNELS = {"agent": 0, "customer": 1, "unknown": 2, "system": 3}


def turn(role: str, start: int, end: int, text: str = "好", **more: Any) -> dict[str, Any]:
    name = ROLES[role]
    return {"role": name, "channel": CHANNELS[name], "start_ms": start, "end_ms": end, "text": text, **more}


def find(pack: Pack, row: dict[str, Any], meta: dict[str, str | None] | None = None) -> Finding:
    assert unflatten(pack.flat) == pack
    scanner = PackScanner(pack)
    call = view(row, meta=meta)
    return scanner.findings(call, scanner.scan([call])[0])[0]


def flagged(role: str, start: int, end: int) -> dict[str, Any]:
    return turn(role, start, end, "嗯", flags=["loop"])


ASK = "麻烦您提供一下付款截图"
BOTH = [turn("c", 0, 1000), turn("a", 2000, 3000)]


@pytest.mark.parametrize(
    ("when", "turns", "verdict"),
    [
        ("{repeat: {who: agent}}", [turn("a", 0, 9, ASK), turn("c", 9, 20), turn("a", 20, 30, ASK)], "hit"),
        ("{repeat: {who: agent, times: 3}}", [turn("a", 0, 9, ASK), turn("a", 20, 30, ASK)], "miss"),
        ("{repeat: {who: agent, times: 3}}", [turn("a", i * 10, i * 10 + 9, ASK) for i in range(3)], "hit"),
        ("{repeat: {who: agent}}", [turn("a", 0, 9, ASK), turn("c", 20, 30, ASK)], "miss"),
        ("{repeat: {who: anyone}}", [turn("a", 0, 9, ASK), turn("c", 20, 30, ASK)], "miss"),
        ("{repeat: {who: agent}}", [turn("a", 0, 9, "好的"), turn("a", 20, 30, "好的")], "miss"),
        ("{repeat: {who: agent, look_back: 1}}", [turn("a", 0, 9, ASK), turn("a", 9, 20, "我先看一下您的订单"), turn("a", 20, 30, ASK)], "miss"),
        ("{repeat: {who: agent}}", [turn("u", 0, 9, ASK), turn("u", 20, 30, ASK), turn("a", 40, 50)], "undecided"),
        ("{count: {turns: at least 2}}", BOTH, "hit"),
        ("{count: {turns: over 2}}", BOTH, "miss"),
        ("{count: {turns: at most 1, who: agent}}", BOTH, "hit"),
        ("{count: {turns: at most 1, who: agent}}", [*BOTH, flagged("a", 4000, 9000)], "undecided"),
        ("{count: {turns: over 0, who: agent}}", [*BOTH, flagged("a", 4000, 9000)], "hit"),
        ("{count: {role_changes: at least 1}}", BOTH, "hit"),
        ("{count: {role_changes: under 1}}", BOTH, "miss"),
        ("{count: {role_changes: under 2}}", [*BOTH, turn("u", 4000, 4100)], "undecided"),
        ("{count: {hits: at most 1, of: {says: [好]}}}", BOTH, "miss"),
        ("{count: {hits: at most 2, of: {says: [好]}}}", BOTH, "hit"),
        ("{count: {hits: at most 0, of: {says: [退]}}}", BOTH, "hit"),
        ("{count: {hits: at most 2, of: {says: [好]}}}", [*BOTH, flagged("a", 4000, 9000)], "undecided"),
        ("{reply: {by: agent, longer_than: 999 ms}}", BOTH, "hit"),
        ("{reply: {by: agent, longer_than: 1000 ms}}", BOTH, "miss"),
        ("{reply: {by: customer, longer_than: 999 ms}}", BOTH, "miss"),
        ("{reply: {by: agent, longer_than: 5 s}}", [turn("c", 0, 1000), turn("s", 3000, 4000), turn("a", 8000, 9000)], "hit"),
        ("{reply: {by: agent, longer_than: 5 s}}", [turn("c", 0, 1000), turn("c", 4000, 5000), turn("a", 8000, 9000)], "miss"),
        ("{reply: {by: agent, longer_than: 5 s}}", [turn("c", 0, 1000), flagged("a", 2000, 3000), turn("a", 9000, 9500)], "undecided"),
        ("{reply: {by: agent, longer_than: 5 s}}", [turn("c", 0, 1000), turn("u", 7000, 8000), turn("a", 8000, 9500)], "undecided"),
        ("{reply: {by: agent, longer_than: 1 s, times: 2}}", [turn("c", 0, 1), turn("a", 3000, 3001), turn("c", 4000, 4001), turn("a", 9000, 9001)], "hit"),
        ("{speed: {who: agent, pace: at least 600, characters: 10}}", [turn("a", 0, 1000, "甲" * 10)], "hit"),
        ("{speed: {who: agent, pace: over 600, characters: 10}}", [turn("a", 0, 1000, "甲" * 10)], "miss"),
        ("{speed: {who: agent, pace: over 500, characters: 11}}", [turn("a", 0, 1000, "甲" * 10)], "miss"),
        ("{speed: {who: agent, pace: over 500, per: call, characters: 1}}", [turn("a", 0, 1000, "甲" * 10), turn("a", 2000, 3000)], "miss"),
        ("{speed: {who: agent, pace: over 300, per: call, characters: 1}}", [turn("a", 0, 1000, "甲" * 10), turn("a", 2000, 3000)], "hit"),
        ("{level: {who: customer, loudness: over -15}}", [turn("c", 0, 9, level_dbfs=-14.9), turn("c", 9, 99, level_dbfs=-30.0)], "hit"),
        ("{level: {who: customer, loudness: over -15}}", [turn("c", 0, 9, level_dbfs=-15.0)], "miss"),
        ("{level: {who: customer, loudness: over -15}}", [turn("c", 0, 9, level_dbfs=-20.0), turn("c", 9, 20)], "undecided"),
        ("{level: {who: customer, rise: at least 8 dB}}", [turn("c", i * 10, i * 10 + 9, level_dbfs=v) for i, v in enumerate([-30.0, -29.0, -21.0])], "hit"),
        ("{level: {who: customer, rise: over 8 dB}}", [turn("c", i * 10, i * 10 + 9, level_dbfs=v) for i, v in enumerate([-30.0, -29.0, -21.0])], "miss"),
        ("{level: {who: customer, rise: over 8 dB}}", [turn("c", i * 10, i * 10 + 9, level_dbfs=v) for i, v in enumerate([-30.0, -2.0])], "undecided"),
        ("{call: {agent_share: at least 50 %}}", BOTH, "hit"),
        ("{call: {agent_share: over 50 %}}", BOTH, "miss"),
        ("{call: {agent_share: over 50 %}}", [*BOTH, flagged("a", 4000, 4500)], "undecided"),
        ("{call: {customer_share: over 60 %}}", [*BOTH, turn("u", 4000, 9000)], "undecided"),
    ],
)  # fmt: skip
def test_what_is_measured(make_pack: Any, make_row: Any, when: str, turns: list[dict[str, Any]], verdict: str) -> None:
    assert find(make_pack({"r": when}), make_row(turns)).verdict == verdict


@pytest.mark.parametrize(
    ("when", "more", "verdict"),
    [
        ("{call: {duration: over 10 s}}", {"duration_ms": 10_001}, "hit"),
        ("{call: {duration: over 10 s}}", {"duration_ms": 10_000}, "miss"),
        ("{call: {duration: over 10 s}}", {}, "undecided"),
        ("{call: {duration: over 10 s}}", {"duration_ms": 9_000, "warnings": ["truncated"]}, "undecided"),
        ("{call: {duration: under 10 s}}", {"duration_ms": 11_000, "warnings": ["truncated"]}, "miss"),
        ("{call: {after_last_turn: at least 7 s}}", {"duration_ms": 10_000}, "hit"),
        ("{call: {after_last_turn: over 7 s}}", {"duration_ms": 10_000}, "miss"),
        ("{call: {after_last_turn: over 7 s, duration: over 10 s}}", {"duration_ms": 20_000}, "hit"),
    ],
)
def test_how_long_a_call_is(make_pack: Any, make_row: Any, when: str, more: dict[str, Any], verdict: str) -> None:
    assert find(make_pack({"r": when}), make_row(BOTH, **more)).verdict == verdict


@pytest.mark.parametrize(
    ("when", "meta", "verdict"),
    [
        ("{listed: {queue: 售后}}", {"queue": "售后"}, "hit"),
        ("{listed: {queue: [退款, 售后]}}", {"queue": " 售后 "}, "hit"),
        ("{listed: {queue: 售后}}", {"queue": "售前"}, "miss"),
        ("{listed: {queue: 售后}}", {"queue": None}, "undecided"),
        ("{listed: {queue: 售后}}", None, "undecided"),
        ("{listed: {queue: missing}}", {"queue": None}, "hit"),
        ("{listed: {queue: missing}}", {"queue": "x"}, "miss"),
        ("{listed: {queue: given}}", {"queue": "x"}, "hit"),
        ("{listed: {queue: [missing]}}", {"queue": "missing"}, "hit"),
        ("{listed: {stars: at most 2}}", {"stars": "2"}, "hit"),
        ("{listed: {stars: under 2}}", {"stars": "2.0"}, "miss"),
        ("{listed: {stars: over 1.5}}", {"stars": "2"}, "hit"),
        ("{listed: {stars: at least 2}}", {"stars": "many"}, "undecided"),
        ("{listed: {stars: at least 2}}", {"stars": "NaN"}, "undecided"),
        ("{listed: {stars: at least 2, queue: 售后}}", {"stars": "many", "queue": "售前"}, "miss"),
        ("{call: {ended_by: agent}}", {"hangup": "agent"}, "hit"),
        ("{call: {ended_by: agent}}", {"hangup": "customer"}, "miss"),
        ("{call: {ended_by: agent}}", {"hangup": None}, "undecided"),
    ],
)
def test_what_the_call_list_says(make_pack: Any, make_row: Any, when: str, meta: Any, verdict: str) -> None:
    assert find(make_pack({"r": when}), make_row(BOTH), meta).verdict == verdict


@pytest.mark.parametrize(
    "when", ["{speed: {who: agent, pace: over 1}}", "{reply: {by: agent, longer_than: 1 s}}", "{call: {duration: over 1 s}}"]
)
def test_a_chat_has_no_times(make_pack: Any, make_row: Any, when: str) -> None:
    row = make_row([turn("a", 0, 1) | {"start_ms": None, "end_ms": None, "channel": None}])
    finding = find(make_pack({"r": when}), row)
    assert (finding.verdict, finding.why) == ("undecided", "no_times")


@given(st.sampled_from(["over", "under", "at least", "at most"]), st.integers(-5, 5), st.integers(-5, 5), st.integers(0, 5))
def test_a_range_decides_only_what_all_its_numbers_agree_on(op: Any, value: int, low: int, width: int) -> None:
    holds = {"over": int.__gt__, "under": int.__lt__, "at least": int.__ge__, "at most": int.__le__}[op]
    said = {holds(number, value) for number in range(low, low + width + 1)}
    expected = "undecided" if len(said) == 2 else "hit" if said == {True} else "miss"
    assert within(Bound(op, value), low, low + width).value == expected
