"""Words: what matches, what is excused, where it is said, and the evidence for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.packs import Pack
from qc.packs.conditions import Term
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.matching import Matcher, apart
from qc.scan.view import Call, view
from qc.text.normal import normal_text


def said(*lines: str, gap: int = 500) -> list[dict[str, Any]]:
    """`agent: …` lines as turns of two seconds."""
    turns = []
    at = 0
    for line in lines:
        role, _, text = line.partition(": ")
        turns.append({"role": role, "channel": role == "customer", "start_ms": at, "end_ms": at + 2000, "text": text})
        at += 2000 + gap
    return turns


def scan(pack: Pack, row: dict[str, Any]) -> Finding:
    scanner = PackScanner(pack)
    call = view(row)
    return scanner.findings(call, scanner.scan([call])[0])[0]


@pytest.mark.parametrize(
    ("when", "lines", "verdict"),
    [
        ("{says: [四小时]}", ["agent: 二十四小时"], "miss"),
        ("{says: [四小时]}", ["agent: 等4 小时"], "hit"),
        ("{says: [4小时]}", ["agent: 1.4小时"], "miss"),
        ("{says: [rude]}", ["agent: an intruder"], "miss"),
        ("{says: [rude]}", ["agent: How rude!"], "hit"),
        ("{says: [qq]}", ["agent: 加我QQ号"], "hit"),
        ("{says: [你好再见]}", ["agent: 你好", "agent: 再见"], "miss"),
        ("{says: ['/好.{0,3}再/']}", ["agent: 你好", "agent: 再见"], "miss"),
        ("{says: ['/^再见$/']}", ["agent: 你好", "agent: 再见"], "hit"),
        ("{says: ['/WeChat/']}", ["agent: 加我wechat"], "hit"),
        ("{says: [投诉], except: [不要投诉]}", ["agent: 不要投诉"], "miss"),
        ("{says: [投诉], except: [不要投诉]}", ["agent: 不要投诉我要投诉"], "hit"),
        ("{says: [投诉], except: ['/不.?投诉/']}", ["agent: 不想投诉"], "miss"),
        ("{says: [a, b, c], need: 2}", ["agent: a", "agent: a"], "miss"),
        ("{says: [a, b, c], need: 2}", ["agent: a", "customer: c"], "hit"),
        ("{says: [a, b], need: all}", ["agent: a"], "miss"),
        ("{says: [a, b], need: all}", ["agent: b a"], "hit"),
        ("{says: [a], times: 2}", ["agent: a"], "miss"),
        ("{says: [a], times: 2}", ["agent: a b a"], "hit"),
        ("{says: [尽快, 尽快处理], times: 2}", ["agent: 尽快处理"], "miss"),
        ("{who: agent, says: [a]}", ["customer: a", "agent: b"], "miss"),
        ("{says: [a], in: first 1 turns}", ["agent: b", "agent: a"], "miss"),
        ("{says: [a], in: first 2 turns}", ["agent: b", "agent: a"], "hit"),
        ("{who: agent, says: [a], in: last 1 turn}", ["agent: a", "customer: b"], "hit"),
        ("{says: [a], in: last 1 turn}", ["agent: a", "customer: b"], "miss"),
        ("{says: [a], in: first 2 s}", ["agent: b", "agent: a"], "miss"),
        ("{says: [a], in: last 2 s}", ["agent: b", "agent: a"], "hit"),
    ],
)
def test_says(make_pack: Any, make_row: Any, when: str, lines: list[str], verdict: str) -> None:
    assert scan(make_pack({"r": when}), make_row(said(*lines))).verdict == verdict


PROMISE = "{who: agent, says: [尽快], unless: [三小时]}"


@pytest.mark.parametrize(
    ("lines", "gap", "verdict"),
    [
        (["agent: 尽快，三小时内"], 500, "miss"),
        (["agent: 尽快", "agent: 三小时内"], 500, "miss"),
        (["agent: 三小时内", "agent: 尽快"], 500, "miss"),
        (["agent: 尽快", "agent: 三小时内"], 2500, "hit"),
        (["agent: 尽快", "customer: 嗯", "agent: 三小时内"], 500, "hit"),
        (["agent: 尽快", "customer: 三小时内"], 500, "hit"),
    ],
)
def test_unless_looks_at_the_same_breath(make_pack: Any, make_row: Any, lines: list[str], gap: int, verdict: str) -> None:
    assert scan(make_pack({"r": PROMISE}), make_row(said(*lines, gap=gap))).verdict == verdict


def test_an_excuse_that_was_not_heard_leaves_it_undecided(make_pack: Any, make_row: Any) -> None:
    turns = [*said("agent: 尽快", "agent: 三小时内"), *[t | {"start_ms": 60_000, "end_ms": 70_000} for t in said("agent: 好的")]]
    turns[1]["flags"] = ["low_confidence"]
    finding = scan(make_pack({"r": PROMISE}), make_row(turns))
    assert (finding.verdict, finding.why) == ("undecided", "unless_not_heard")


def test_the_first_seconds_begin_with_the_first_speech(make_pack: Any, make_row: Any) -> None:
    turns = [t | {"start_ms": t["start_ms"] + 30_000, "end_ms": t["end_ms"] + 30_000} for t in said("agent: 您好")]
    ringing = {"role": "system", "channel": 1, "start_ms": 0, "end_ms": 25_000, "heard": False}
    pack = make_pack({"r": "{who: agent, says: [您好], in: first 15 s}"})
    assert scan(pack, make_row(turns, spans=[ringing])).verdict == "hit"


def test_evidence_is_what_was_said_where_and_when(make_pack: Any, make_row: Any) -> None:
    text = "我们，会「盡快」联系"
    row = make_row([{"role": "agent", "channel": 0, "start_ms": 1000, "end_ms": 2100, "text": text}])
    evidence = scan(make_pack({"r": "{says: [尽快]}"}), row).evidence[0]
    assert (evidence.turn, evidence.role, evidence.quote) == (0, "agent", "盡快")
    assert text[evidence.char_start : evidence.char_end] == "盡快"
    assert (evidence.start_ms, evidence.end_ms) == (1000 + 1100 * 5 // 10, 1000 + 1100 * 7 // 10)


def test_times_of_characters_are_used_where_they_are_known(make_pack: Any, make_row: Any) -> None:
    turn = {"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 9000, "text": "我尽快办", "char_ms": [100, 4000, 4500, 5000]}
    pack = make_pack({"r": "{says: [尽快]}"})
    evidence = scan(pack, make_row([turn])).evidence[0]
    assert (evidence.start_ms, evidence.end_ms) == (4000, 5000)
    for bad in ([100], [100, None, 3, 4]):
        assert scan(pack, make_row([turn | {"char_ms": bad}])).evidence[0].start_ms == 2250


def test_a_number_written_in_words_is_quoted_whole(make_pack: Any, make_row: Any) -> None:
    evidence = scan(make_pack({"r": "{says: ['/\\d+小时/']}"}), make_row(said("agent: 要二十四小时"))).evidence[0]
    assert evidence.quote == "二十四小时"


TERMS = [Term("word", w) for w in ("a", "ab", "ba", "12", "尽快", "快")] + [Term("pattern", "a+b"), Term("pattern", r"\d+天")]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text(alphabet="ab12天尽快 ，", max_size=8), max_size=4), max_size=4))
def test_a_batch_finds_what_one_turn_at_a_time_finds(calls: list[list[str]]) -> None:
    """Against the simplest reference: each term looked for in each turn alone."""
    import re

    views = [
        view({"call_id": str(i), "turns": [{"role": "agent", "start_ms": 0, "end_ms": 1, "text": t} for t in texts]})
        for i, texts in enumerate(calls)
    ]
    found = Matcher(TERMS).match(views)
    for call, matches in zip(views, found, strict=True):
        assert {(m.term, m.turn, m.start, m.end) for term in TERMS for m in matches.of([term])} == set(reference(call, re))


def reference(call: Call, re: Any) -> Any:
    for index, turn in enumerate(call.turns):
        text = turn.normal.text
        for term in TERMS:
            if term.kind == "pattern":
                yield from ((term, index, m.start(), m.end()) for m in re.finditer(term.text, text))
                continue
            word = normal_text(term.text)
            guarded = re.escape(word)
            if word.isascii():
                same = "0-9" if word[0].isdigit() else "a-z"
                guarded = f"(?<![{same}]){guarded}(?![{same}])"
            yield from ((term, index, m.start(1), m.end(1)) for m in re.finditer(f"(?=({guarded}))", text) if m.end(1) > m.start(1)) if word not in (
                "a", "ab", "ba", "12",
            ) else ((term, index, m.start(), m.end()) for m in re.finditer(guarded, text))  # fmt: skip


def test_occurrences_do_not_overlap() -> None:
    views = [view({"call_id": "c", "turns": [{"role": "agent", "start_ms": 0, "end_ms": 1, "text": "尽快尽快"}]})]
    terms = [Term("word", "尽快"), Term("word", "快尽快"), Term("word", "快")]
    matches = Matcher(terms).match(views)[0].of(terms)
    assert [(m.start, m.end) for m in apart(matches)] == [(0, 2), (2, 4)]
