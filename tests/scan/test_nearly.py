"""Words by sound and nearly: the fast ways find what trying every place finds, and packs say which word matches how."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.errors import PackError
from qc.packs import Pack
from qc.packs.conditions import Term
from qc.scan.evaluate import PackScanner
from qc.scan.finding import NOTHING, Finder, whole_in
from qc.scan.folding import normal_forms
from qc.scan.nearly import NearlyMatcher, SentenceMatcher
from qc.scan.view import view
from qc.text.normal import normal_text
from qc.text.sound import heard_as, readings


def verdict(pack: Pack, row: dict[str, Any]) -> str:
    scanner = PackScanner(pack)
    call = view(row)
    return scanner.findings(call, scanner.scan([call])[0])[0].verdict


def one(text: str) -> list[dict[str, Any]]:
    return [{"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 2000, "text": text}]


@pytest.mark.parametrize(
    ("when", "text", "expected"),
    [
        ("{says: [投诉], match: sound}", "我要透诉", "hit"),
        ("{says: [投诉]}", "我要透诉", "miss"),
        ("{says: [投诉], match: sound}", "我要投递", "miss"),
        ("{says: [投诉, {word: 工商, match: exact}], match: sound}", "公伤", "miss"),
        ("{says: [投诉, {word: 工商, match: sound}]}", "公伤", "hit"),
        ("{says: [长价], match: sound}", "涨价", "hit"),
        ("{says: [牛奶], match: sound, tolerate: [n/l]}", "流来", "hit"),
        ("{says: [牛奶], match: sound}", "流来", "miss"),
        ("{says: [商量], match: sound, tolerate: all}", "三娘", "hit"),
        ("{says: [投诉], except: [不要投诉], match: sound}", "不要头素", "miss"),
        ("{says: [投诉], except: [{word: 不要投诉, match: exact}], match: sound}", "不要头素", "hit"),
        ("{says: [三小时], match: sound}", "3小时", "hit"),
        ("{says: [三小时], match: sound}", "十三小时", "miss"),
        ("{says: [refund policy], match: fuzzy 0.80}", "our refunt policy is", "hit"),
        ("{says: [refund policy], match: fuzzy 0.95}", "our refunt policy is", "miss"),
        ("{says: [market], match: fuzzy 0.80}", "supermarket", "miss"),
        ("{says: [七天无理由退货], match: fuzzy 0.80}", "支持七天没理由退货吗", "hit"),
        ("{says: [{similar: 请您提供订单号}]}", "请您提供下订单号", "hit"),
        ("{says: [{similar: 请您提供订单号}]}", "请您提供订单号然后我帮您查询一下物流情况", "miss"),
    ],
)
def test_how_words_match(make_pack: Any, make_row: Any, when: str, text: str, expected: str) -> None:
    assert verdict(make_pack({"r": when}), make_row(one(text))) == expected


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{says: [好], match: sound}", "one syllable"),
        ("{says: [投诉], match: fuzzy 0.85}", "2 characters"),
        ("{says: [投诉], match: fuzzy 0.30}", "`match` cannot be"),
        ("{says: [投诉], tolerate: [n/l]}", "needs `match: sound`"),
        ("{says: [投诉], match: sound, tolerate: [n/m]}", "did you mean"),
        ("{says: [{word: /投.诉/, match: sound}]}", "as it is written"),
    ],
)
def test_what_cannot_match_so_is_refused(make_pack: Any, when: str, says: str) -> None:
    with pytest.raises(PackError) as caught:
        make_pack({"r": when})
    assert any(says in f"{p.message} {p.hint}" for p in caught.value.problems)


CHARS = st.text(alphabet="投头诉素长张行星ab3 ", max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(CHARS.map(normal_text), max_size=4), CHARS.map(normal_text).filter(lambda t: 2 <= len(t) <= 4), st.booleans())
def test_sounds_are_found_wherever_they_are(turns: list[str], word: str, loose: bool) -> None:
    buffer, pairs = "\n".join(turns), ("zh/z", "in/ing") if loose else ()

    def alike(a: str, b: str) -> bool:
        keys = [{heard_as(s, pairs) for s in readings(c)} for c in (a, b)]
        return a == b or bool(keys[0] & keys[1])

    size = len(word)
    every = [i for i in range(len(buffer) - size + 1) if all(alike(a, b) for a, b in zip(word, buffer[i:], strict=False))]
    every = [i for i in every if whole_in(buffer, i, i + size)]
    term = Term("sound", word, pairs)
    found = Finder([term]).find(normal_forms([buffer])).get(term, NOTHING)
    assert found.start.tolist() == every


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(alphabet="甲乙丙丁", max_size=14), max_size=3),
    st.text(alphabet="甲乙丙丁", min_size=4, max_size=9),
    st.integers(70, 99),
)
def test_what_is_nearly_there_is_found(turns: list[str], word: str, percent: int) -> None:
    buffer = "\n".join(turns)
    spans = [(a, b) for a in range(len(buffer)) for b in range(a + 1, len(buffer) + 1) if "\n" not in buffer[a:b]]
    near = [(a, b) for a, b in spans if 100 * distance(word, buffer[a:b]) <= (100 - percent) * max(len(word), b - a)]
    found = [(a, b) for _, a, b in NearlyMatcher([Term("fuzzy", word, percent=percent)]).find(buffer, lambda *_: True)]
    assert set(found) <= set(near)
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    assert all(any(a < end and start < b for start, end in found) for a, b in near)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="甲乙丙", max_size=8), max_size=5), st.text(alphabet="甲乙丙", min_size=4, max_size=6))
def test_sentences_that_are_near_are_found(turns: list[str], sentence: str) -> None:
    buffer = "\n".join(turns)
    starts = [sum(len(t) + 1 for t in turns[:i]) for i in range(len(turns))]
    found = {start for _, start, _ in SentenceMatcher([Term("similar", sentence, percent=60)]).find(buffer, starts)}
    near = {s for s, t in zip(starts, turns, strict=True) if 100 * distance(t, sentence) <= 40 * max(len(t), len(sentence))}
    assert found == near
