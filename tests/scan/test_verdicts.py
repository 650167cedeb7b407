"""Kleene's logic, and that a verdict never rests on what was not heard."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from qc.packs import Pack
from qc.packs.reasons import WHY
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.verdicts import Outcome, Verdict, combine_all, combine_any, negate
from qc.scan.view import view

HIT, MISS, UNDECIDED = Verdict.HIT, Verdict.MISS, Verdict.UNDECIDED
ORDER = [MISS, UNDECIDED, HIT]


def verdict_of(pack: Pack, row: dict[str, Any], **meta: str) -> Finding:
    scanner = PackScanner(pack)
    call = view(row, confidence_floor=pack.confidence_floor, meta=meta)
    finding = scanner.findings(call, scanner.scan([call])[0])[0]
    assert finding.why in WHY or finding.verdict not in ("undecided", "not_applicable")
    return finding


def turn(role: str, start_ms: int | None, end_ms: int | None, text: str, **more: Any) -> dict[str, Any]:
    return {
        "role": role,
        "channel": {"agent": 0, "customer": 1}.get(role, 2),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "text": text,
        **more,
    }


def span(role: str, start_ms: int, end_ms: int, heard: bool = True) -> dict[str, Any]:
    return {
        "role": role,
        "channel": {"agent": 0, "customer": 1}.get(role, 2),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "heard": heard,
    }


@pytest.mark.parametrize(("a", "b"), list(itertools.product(ORDER, repeat=2)))
def test_all_is_the_weaker_and_any_the_stronger(a: Verdict, b: Verdict) -> None:
    pair = [Outcome(a), Outcome(b)]
    assert combine_all(pair).verdict is min(a, b, key=ORDER.index)
    assert combine_any(pair).verdict is max(a, b, key=ORDER.index)
    left, right = negate(combine_all(pair)), combine_any([negate(p) for p in pair])
    assert left.verdict is right.verdict  # De Morgan


def test_not_turns_round_and_leaves_undecided() -> None:
    assert [negate(Outcome(v)).verdict for v in ORDER] == [HIT, UNDECIDED, MISS]
    assert all(negate(negate(Outcome(v))).verdict is v for v in ORDER)


GREETING = "{who: agent, never_says: [您好], in: first 15 s}"


@pytest.mark.parametrize(("unheard_ms", "expected"), [(0, "hit"), (99, "hit"), (101, "undecided"), (900, "undecided")])
def test_absence_holds_down_to_the_coverage_floor_and_no_further(
    make_pack: Any, make_row: Any, unheard_ms: int, expected: str
) -> None:
    heard = 1000 - unheard_ms
    row = make_row([turn("agent", 0, heard, "说吧")], spans=[span("agent", heard, 1000, heard=False)] if unheard_ms else [])
    finding = verdict_of(make_pack({"r": GREETING}), row)
    assert finding.verdict == expected
    assert finding.coverage == pytest.approx(heard / 1000)


def test_speech_outside_the_window_does_not_matter(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 2000, "说吧")], spans=[span("agent", 16_000, 40_000, heard=False)])
    assert verdict_of(make_pack({"r": GREETING}), row).verdict == "hit"


def test_the_other_sides_speech_does_not_matter(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 2000, "说吧")], spans=[span("customer", 2000, 14_000, heard=False)])
    assert verdict_of(make_pack({"r": GREETING}), row).verdict == "hit"


def test_unheard_speech_of_nobody_known_counts_for_every_role(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 2000, "说吧")], spans=[span("unknown", 2000, 9000, heard=False)])
    assert verdict_of(make_pack({"r": GREETING}), row).verdict == "undecided"


def test_quarantined_text_neither_triggers_nor_satisfies(make_pack: Any, make_row: Any) -> None:
    flagged = make_row([turn("agent", 0, 2000, "您好", flags=["pseudo_speech"]), turn("agent", 2000, 3000, "说吧")])
    assert verdict_of(make_pack({"r": GREETING}), flagged).verdict == "undecided"
    rude = make_row([turn("agent", 0, 2000, "神经病", flags=["loop"])])
    finding = verdict_of(make_pack({"r": "{who: agent, says: [神经病]}"}), rude)
    assert (finding.verdict, finding.why, finding.evidence) == ("undecided", "not_heard", ())


def test_text_below_the_packs_confidence_floor_counts_as_not_heard(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 2000, "神经病", avg_logprob=-0.9)])
    when = {"r": "{who: agent, says: [神经病]}"}
    assert verdict_of(make_pack(when), row).verdict == "hit"
    assert verdict_of(make_pack(when, extra="confidence_floor: -0.8\n"), row).verdict == "undecided"
    assert verdict_of(make_pack(when, extra="confidence_floor: -1.0\n"), row).verdict == "hit"


def test_what_somebody_unknown_said_is_undecided_for_a_role_and_a_hit_for_anyone(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("unknown", 0, 2000, "神经病")])
    finding = verdict_of(make_pack({"r": "{who: agent, says: [神经病]}"}), row)
    assert (finding.verdict, finding.why) == ("undecided", "unknown_role")
    assert finding.evidence[0].quote == "神经病"
    assert verdict_of(make_pack({"r": "{says: [神经病]}"}), row).verdict == "hit"
    assert verdict_of(make_pack({"r": "{who: agent, says: [傻子]}"}), row).verdict == "miss"


def test_tones_and_prompts_are_nobody(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("system", 0, 9000, "您好，欢迎致电"), turn("agent", 20_000, 21_000, "说吧")])
    assert verdict_of(make_pack({"r": GREETING}), row).verdict == "hit"
    assert verdict_of(make_pack({"r": "{says: [欢迎致电]}"}), row).verdict == "miss"


def test_a_silent_channel_proves_nothing(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("customer", 0, 2000, "喂")])
    finding = verdict_of(make_pack({"r": GREETING}), row)
    assert (finding.verdict, finding.why) == ("undecided", "no_speech")
    assert verdict_of(make_pack({"r": "{says: [您好]}"}), make_row([])).verdict == "undecided"


def test_in_a_chat_who_wrote_nothing_said_nothing(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("customer", 0, 2000, "在吗") | {"channel": None}])
    row["spans"] = [s | {"channel": None} for s in row["spans"]]
    assert verdict_of(make_pack({"r": "{who: agent, never_says: [您好]}"}), row).verdict == "hit"


def test_where_the_recording_breaks_off_the_end_is_not_known(make_pack: Any, make_row: Any) -> None:
    turns = [turn("agent", 0, 2000, "您好"), turn("customer", 2000, 30_000, "我的订单")]
    cut = make_row(turns, warnings=["truncated"])
    for when in (
        "{who: agent, never_says: [再见], in: last 20 s}",
        "{who: agent, never_says: [再见]}",
        "{who: agent, says: [再见]}",
    ):
        finding = verdict_of(make_pack({"r": when}), cut)
        assert (finding.verdict, finding.why) == ("undecided", "truncated"), when
        assert verdict_of(make_pack({"r": when}), make_row(turns)).verdict in ("hit", "miss")
    assert verdict_of(make_pack({"r": GREETING}), cut).verdict == "miss"
    assert verdict_of(make_pack({"r": "{who: agent, never_says: [欢迎], in: first 15 s}"}), cut).verdict == "hit"


def test_where_it_is_known_how_much_was_lost_coverage_decides(make_pack: Any, make_row: Any) -> None:
    turns = [turn("agent", 0, 20_000, "您好"), turn("customer", 20_000, 40_000, "我的订单")]
    for lost_ms, early, late in ((1000, "hit", "undecided"), (30_000, "undecided", "undecided")):
        lost = {
            "role": "unknown",
            "channel": 0,
            "start_ms": 40_000,
            "end_ms": 40_000 + lost_ms,
            "heard": False,
            "why": "truncated",
        }
        row = make_row(turns, spans=[lost], warnings=["truncated"])
        assert verdict_of(make_pack({"r": "{who: agent, never_says: [再见]}"}), row).verdict == early
        assert verdict_of(make_pack({"r": "{who: agent, never_says: [再见], in: last 5 s}"}), row).verdict == late
    only_agent = make_row(turns[:1], spans=[{**lost, "start_ms": 20_000, "end_ms": 20_100}], warnings=["truncated"])
    assert verdict_of(make_pack({"r": "{who: customer, says: [再见]}"}), only_agent).why == "no_speech"


def test_times_that_were_made_up_do_not_count_as_times(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 1000, "您好"), turn("customer", 20_000, 21_000, "你好")], warnings=["no_times"])
    assert verdict_of(make_pack({"r": "{silence: {longer_than: 8 s}}"}), row).why == "no_times"


def test_without_times_only_rules_that_need_none_are_decided(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", None, None, "您好"), turn("customer", None, None, "你好")])
    assert verdict_of(make_pack({"r": "{who: agent, says: [您好]}"}), row).verdict == "hit"
    assert verdict_of(make_pack({"r": "{who: agent, never_says: [再见], in: last 2 turns}"}), row).verdict == "hit"
    for when in (GREETING, "{silence: {longer_than: 8 s}}", "{interruption: {by: agent}}"):
        finding = verdict_of(make_pack({"r": when}), row)
        assert (finding.verdict, finding.why) == ("undecided", "no_times")


def test_a_rule_applies_by_the_call_list(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 2000, "尽快")])
    pack = make_pack({"r": "{says: [尽快]}"}, more="applies_to: {queue: [售后, 退款], provider: 甲}")
    assert verdict_of(pack, row, queue="售后", provider="甲").verdict == "hit"
    assert verdict_of(pack, row, queue="售前", provider="甲").why == "applies_to"
    assert verdict_of(pack, row, queue="售后").why == "applies_unknown"
    missed = make_row([turn("agent", 0, 2000, "好的")])
    assert verdict_of(pack, missed, queue="售后").verdict == "miss"


def test_a_rule_is_in_force_on_its_days(make_pack: Any, make_row: Any) -> None:
    row = make_row([turn("agent", 0, 2000, "尽快")])
    pack = make_pack(
        {"r": "{says: [尽快]}"}, more="{valid_from: 2026-11-01, valid_until: 2026-11-30}"[1:-1].replace(", ", "\n    ")
    )
    days = {
        "2026-10-31T23:59": "not_applicable",
        "2026-11-01T00:00": "hit",
        "2026-11-30 23:59": "hit",
        "2026-12-01": "not_applicable",
    }
    for day, expected in days.items():
        assert verdict_of(pack, row, started_at=day).verdict == expected
    assert verdict_of(pack, row).verdict == "undecided"


@pytest.mark.parametrize(("once_per", "count"), [("", 1), ("once_per: 60 s", 2), ("once_per: 5 s", 3)])
def test_a_rule_counts_once_a_call_or_once_in_a_while(make_pack: Any, make_row: Any, once_per: str, count: int) -> None:
    row = make_row([turn("agent", t, t + 1000, "尽快") for t in (0, 10_000, 60_000)])
    finding = verdict_of(make_pack({"r": "{says: [尽快]}"}, more=once_per), row)
    assert (finding.count, len(finding.evidence)) == (count, 3)
