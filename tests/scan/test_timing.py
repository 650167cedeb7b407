"""Silence and interruption, from detected speech."""

from __future__ import annotations

from typing import Any

import pytest

from qc.packs import Pack
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.view import view


def turn(role: str, start_ms: int, end_ms: int, text: str = "嗯", **more: Any) -> dict[str, Any]:
    return {
        "role": role,
        "channel": {"agent": 0, "customer": 1}.get(role, 2),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "text": text,
        **more,
    }


def span(role: str, start_ms: int, end_ms: int, heard: bool) -> dict[str, Any]:
    return {
        "role": role,
        "channel": {"agent": 0, "customer": 1}.get(role, 2),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "heard": heard,
    }


def scan(pack: Pack, row: dict[str, Any]) -> Finding:
    scanner = PackScanner(pack)
    call = view(row)
    return scanner.findings(call, scanner.scan([call])[0])[0]


SILENCE = "{silence: {longer_than: 8 s, before: agent, except_after: [稍等]}}"


@pytest.mark.parametrize(
    ("turns", "verdict"),
    [
        ([turn("customer", 0, 1000), turn("agent", 9000, 9500)], "miss"),
        ([turn("customer", 0, 1000), turn("agent", 9001, 9500)], "hit"),
        ([turn("agent", 0, 1000), turn("customer", 20_000, 21_000)], "miss"),
        ([turn("agent", 0, 1000, "请稍等"), turn("agent", 20_000, 21_000)], "miss"),
        ([turn("agent", 0, 1000, "请稍等"), turn("customer", 1200, 1500, "好的"), turn("agent", 20_000, 21_000)], "miss"),
        ([turn("agent", 0, 1000, "请稍等"), turn("agent", 3500, 4500, "查到了"), turn("agent", 20_000, 21_000)], "hit"),
        ([turn("customer", 0, 15_000), turn("agent", 500, 1000), turn("agent", 16_000, 17_000)], "miss"),
        ([turn("system", 0, 1000), turn("agent", 20_000, 21_000)], "miss"),
        ([turn("customer", 0, 1000), turn("unknown", 20_000, 21_000)], "undecided"),
        ([turn("agent", 0, 1000, "请稍等", flags=["loop"]), turn("agent", 20_000, 21_000)], "undecided"),
    ],
)
def test_silence(make_pack: Any, make_row: Any, turns: list[dict[str, Any]], verdict: str) -> None:
    assert scan(make_pack({"r": SILENCE}), make_row(turns)).verdict == verdict


def test_what_may_be_noise_leaves_a_silence_undecided(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("customer", 0, 1000), turn("agent", 12_000, 13_000)], spans=[span("agent", 5000, 6000, heard=False)])
    finding = scan(make_pack({"r": SILENCE}), row)
    assert (finding.verdict, finding.why) == ("undecided", "not_heard")


def test_a_silence_shows_its_bounds_and_no_turn(make_pack: Any, make_row: Any) -> None:
    evidence = scan(make_pack({"r": SILENCE}), make_row([turn("customer", 0, 1000), turn("agent", 12_000, 13_000)])).evidence[0]
    assert (evidence.turn, evidence.start_ms, evidence.end_ms, evidence.role) == (None, 1000, 12_000, "agent")


def test_silences_are_counted(make_pack: Any, make_row: Any) -> None:
    turns = [turn("agent", t, t + 1000) for t in (0, 10_000, 20_000)]
    for times, verdict in ((2, "hit"), (3, "miss")):
        assert scan(make_pack({"r": f"{{silence: {{longer_than: 8 s, times: {times}}}}}"}), make_row(turns)).verdict == verdict


INTERRUPTION = "{interruption: {by: agent, after: 1 s, overlap: 1 s}}"


@pytest.mark.parametrize(
    ("turns", "verdict"),
    [
        ([turn("customer", 0, 5000), turn("agent", 3000, 6000)], "hit"),
        ([turn("customer", 0, 5000), turn("agent", 1000, 2000)], "hit"),
        ([turn("customer", 0, 5000), turn("agent", 999, 3000)], "miss"),
        ([turn("customer", 0, 5000), turn("agent", 4001, 6000)], "miss"),
        ([turn("customer", 0, 5000), turn("agent", 2000, 2999)], "miss"),
        ([turn("agent", 0, 5000), turn("customer", 2000, 6000)], "miss"),
        ([turn("customer", 0, 1500), turn("customer", 1700, 4000), turn("agent", 2000, 4000)], "hit"),
        ([turn("customer", 0, 5000), turn("agent", 2000, 2600), turn("agent", 2800, 3400)], "hit"),
        ([turn("agent", 0, 1500), turn("customer", 300, 5000), turn("agent", 1700, 3500)], "miss"),
        ([turn("system", 0, 5000), turn("agent", 2000, 6000)], "miss"),
        ([turn("unknown", 0, 5000), turn("agent", 2000, 6000)], "hit"),
        ([turn("customer", 0, 5000, flags=["loop"]), turn("agent", 2000, 6000)], "undecided"),
        ([turn("customer", 0, 5000), turn("agent", 2000, 6000, flags=["loop"])], "undecided"),
        ([turn("unknown", 0, 5000)], "undecided"),
    ],
)
def test_interruption(make_pack: Any, make_row: Any, turns: list[dict[str, Any]], verdict: str) -> None:
    assert scan(make_pack({"r": INTERRUPTION}), make_row(turns)).verdict == verdict


def test_an_interruption_shows_the_turn_that_breaks_in(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("customer", 0, 5000, "我的订单"), turn("agent", 3000, 6000, "您听我说")])
    evidence = scan(make_pack({"r": INTERRUPTION}), row).evidence[0]
    assert (evidence.turn, evidence.quote, evidence.start_ms, evidence.end_ms) == (1, "您听我说", 3000, 5000)
