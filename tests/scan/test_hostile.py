"""Transcripts from strangers: huge, empty, odd. Scanning ends, soon, with a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
import ruamel.yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.packs import unflatten
from qc.scan.evaluate import PackScanner
from qc.scan.view import MAX_TURN_CHARS, Call, view

WHENS = {
    "says": "{who: agent, says: [请尽快, 尽快], unless: [小时], except: [请尽快], times: 2}",
    "never": "{who: agent, never_says: [您好], in: first 15 s}",
    "last": "{who: customer, says: [再见], in: last 3 turns}",
    "silence": "{silence: {longer_than: 1 s, before: agent, except_after: [稍等]}}",
    "interruption": "{interruption: {by: anyone, after: 0 s, overlap: 100 ms}}",
}
MORE = {
    "sound": "{who: agent, says: [请尽快], match: sound, tolerate: all, times: 3}",
    "nearly": "{says: [请您尽快处理], match: fuzzy 0.75}",
    "sentence": "{says: [{similar: 请尽快尽快请稍等小时}]}",
    "entity": "{says: [entity: [phone, bank_card, amount, url]]}",
    "beside": "{who: agent, never_says: [小时], in: {after: {who: customer, says: [尽快]}, within: 2 turns, which: every}}",
    "around": "{says: [小时], in: {around: {silence: {longer_than: 1 s}}, within: 3 s}}",
    "near": "{near: [{says: [尽快]}, {who: customer, says: [再见]}], within: 5 s}",
    "close": "{near: [{says: [尽快]}, {says: [小时]}], within: 3 characters}",
    "not-near": "{not_near: [{says: [尽快]}, {says: [小时]}], within: 2 turns}",
    "then": "{then: [{says: [尽快]}, {who: agent, says: [稍等], within: 1 turn}, {who: customer, says: [再见]}]}",
    "repeat": "{repeat: {who: agent, look_back: 50, times: 3}}",
    "count": "{count: {hits: over 3, of: {says: [尽快]}}}",
    "changes": "{count: {role_changes: over 3}}",
    "reply": "{reply: {by: agent, longer_than: 2 s, times: 2}}",
    "speed": "{speed: {who: agent, pace: over 300, characters: 2}}",
    "level": "{level: {who: customer, rise: over 6 dB}}",
    "call": "{call: {duration: over 10 s, agent_share: over 60 %, after_last_turn: over 5 s, ended_by: agent}}",
    "listed": "{listed: {queue: 售后, satisfaction: at most 2}}",
    "two": "{at_least: 2, of: [{says: [尽快]}, {says: [小时]}, {silence: {longer_than: 1 s}}]}",
}


@pytest.mark.parametrize(("whens", "size"), [(WHENS, 8_000), (MORE, 1_500)])
def test_a_call_of_very_many_turns_is_scanned(make_pack: Any, make_row: Any, whens: dict[str, str], size: int) -> None:
    """Thousands of turns, half of them flagged: hopeless for anything that compares all with all."""
    turns = [
        {
            "role": ("agent", "customer", "unknown")[i % 3],
            "channel": i % 3,
            "start_ms": i * 1500,
            "end_ms": i * 1500 + (400 if i % 2 else 4000),
            "text": "请尽快尽快请稍等小时",
            "flags": ["loop"] if i % 2 else [],
        }
        for i in range(size)
    ]
    scanner = PackScanner(make_pack(whens))
    call = view(make_row(turns))
    verdicts = {f.rule.id: f.verdict for f in scanner.findings(call, scanner.scan([call])[0])}
    assert set(verdicts.values()) <= {"hit", "miss", "undecided"}
    assert len(verdicts) == len(whens)


def test_a_turn_of_many_matches_is_scanned(make_pack: Any, make_row: Any) -> None:
    turn = {"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 9000, "text": "请尽快" * (MAX_TURN_CHARS // 3)}
    scanner = PackScanner(make_pack({"r": "{says: [尽快], except: [请尽快]}"}))
    call = view(make_row([turn]))
    assert scanner.findings(call, scanner.scan([call])[0])[0].verdict == "miss"


def test_a_turn_that_is_too_long_to_be_one_counts_as_not_heard(make_pack: Any, make_row: Any) -> None:
    turn = {"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 9000, "text": "尽快" + "啊" * MAX_TURN_CHARS}
    scanner = PackScanner(make_pack({"r": "{says: [尽快]}"}))
    call = view(make_row([turn]))
    finding = scanner.findings(call, scanner.scan([call])[0])[0]
    assert (finding.verdict, finding.why) == ("undecided", "not_heard")


ROLES = st.sampled_from(["agent", "customer", "system", "unknown", None])
TIMES = st.integers(0, 30_000)
TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "role": ROLES,
            "channel": st.sampled_from([0, 1, None]),
            "start_ms": TIMES | st.none(),
            "end_ms": TIMES,
            "text": st.text(alphabet="请尽快您好再见小时稍等\n\x00，a1 ", max_size=12) | st.none(),
            "flags": st.sampled_from([None, [], ["loop"]]),
            "char_ms": st.none() | st.lists(TIMES, max_size=4),
            "avg_logprob": st.none() | st.floats(allow_nan=True),
        }
    ),
    max_size=6,
)
SPANS = st.lists(
    st.fixed_dictionaries(
        {"role": ROLES, "channel": st.sampled_from([0, 1]), "start_ms": TIMES, "end_ms": TIMES, "heard": st.booleans()}
    ),
    max_size=6,
)
ODD = {
    "a": {"says": ["尽快"], "who": "agent", "unless": ["小时"], "in": "first 10 s"},
    "b": {"never_says": ["您好"], "who": "agent", "in": "last 2 turns"},
    "c": {"silence": {"longer_than": "1 s", "before": "agent", "except_after": ["稍等"]}},
    "d": {"interruption": {"by": "agent"}},
    "e": {"not": {"any": [{"says": ["/a+1/"]}, {"all": [{"says": ["再见"], "times": 2}]}]}},
} | {f"m{i}": ruamel.yaml.YAML(typ="safe").load(when) for i, when in enumerate(MORE.values())}
REST = {
    "title": "t",
    "why": "w",
    "dimension": "d",
    "severity": "low",
    "points": -1,
    "cases": {"hit": [{"agent": "a"}], "miss": [{"agent": "b"}]},
}
HEAD = {"id": "x", "version": "1.0.0", "language": 1, "title": "x", "dimensions": [{"id": "d", "title": "d"}]}
FLAT = json.dumps({**HEAD, "rules": [{"id": name, "when": when, **REST} for name, when in ODD.items()]})
PACK = unflatten(FLAT.encode())
SCANNER = PackScanner(PACK)


@pytest.mark.parametrize("warnings", [[], ["truncated"], ["no_times"]])
@settings(max_examples=60, deadline=None)
@given(turns=TURNS, spans=SPANS)
def test_any_transcript_gets_a_verdict_and_evidence_that_is_there(
    warnings: list[str], turns: list[Any], spans: list[Any]
) -> None:
    call: Call = view({"call_id": "c", "turns": turns, "spans": spans, "warnings": warnings}, confidence_floor=-1.0)
    for finding in SCANNER.findings(call, SCANNER.scan([call])[0]):
        assert finding.verdict in ("hit", "miss", "undecided")
        assert bool(finding.why) == (finding.verdict == "undecided")
        for evidence in finding.evidence:
            assert evidence.start_ms <= evidence.end_ms
            if evidence.turn is not None:
                assert call.turns[evidence.turn].text[evidence.char_start : evidence.char_end] == evidence.quote
                assert call.turns[evidence.turn].reliable
