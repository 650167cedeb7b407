"""Turns left out because they can hold no word hold none, whatever the text and the words; and machine code finds the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qc.packs.conditions import Term
from qc.scan import compiled, picking
from qc.scan.finding import Finder, Found
from qc.scan.folding import fold_chosen, fold_utf8
from qc.scan.needles import needle, needles
from qc.text.normal import normal_text
from tests.scan.test_folding import NUMBERS, OTHERS, SIGNS

ALPHABET = NUMBERS + SIGNS + OTHERS + "到货收請请快递遞一下%ab"
SOME = "收到货一二三十点分之百 ,.:%3ab下"


def utf8(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    data = np.frombuffer("".join(texts).encode(), np.uint8)
    return data, np.concatenate(([0], np.cumsum([len(text.encode()) for text in texts]))).astype(np.int64)


def told(found: dict[Term, Found]) -> dict[str, list[tuple[int, int, int]]]:
    places = {}
    for term, f in found.items():
        places[term.text] = list(zip(f.turn.tolist(), f.start.tolist(), f.end.tolist(), strict=True))
    return places


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.text(alphabet=ALPHABET, max_size=16) | st.text(alphabet=SOME, max_size=10), max_size=6),
    st.lists(st.text(alphabet=ALPHABET, min_size=1, max_size=5) | st.text(alphabet=SOME, min_size=1, max_size=3), max_size=5),
)
@example(
    ["三百到四百货", "收，到 货", "15:30分到货", "百分之三十点一下", "收\u200b到货", "一一到货", "APP里"],
    ["到货", "到", "30", "点一下", "app里"],
)
@example(["二十四小时内到", "24小時內", "两三天"], ["小时内", "4小时", "到3天", "二十四"])
def test_a_turn_left_out_holds_no_word(texts: list[str], words: list[str]) -> None:
    words = [word for word in dict.fromkeys(words) if normal_text(word)]
    data, at = utf8(texts)
    chars = sum(map(len, texts))
    terms = [Term("word", word) for word in words]
    plain = told(Finder(terms).find(fold_utf8(data, at, chars)))
    compiled.use(True)
    try:
        finder = Finder(terms)
        chosen = finder.turns(data, at)
        assert chosen is not None
        assert told(finder.find(fold_utf8(data, at, chars))) == plain
        assert told(finder.find(fold_chosen(data, at, chosen))) == plain
    finally:
        compiled.use(False)


def test_most_turns_are_left_out() -> None:
    texts = ["您好，请问有什么可以帮您", "我买了三百二十五块的东西，app上下的单", "快递到现在还没收到，货呢", "好的"]
    compiled.use(True)
    try:
        made = needles(["收到货", "快递员", "12315个"])
        assert made is not None
        assert made.pick(*utf8(texts)).tolist() == [1, 2]
        made = needles(["收到货", "快递员", "请"])
        assert made is not None
        assert made.pick(*utf8(texts)).tolist() == [0, 2]
    finally:
        compiled.use(False)


def test_needles_are_the_longest_runs_without_letters_and_digits() -> None:
    assert [needle(text) for text in ("到货", "24小时内", "app", "v信", "信", "3点30", "退款app退货款", "5%到")] == [
        "到货", "小时内", "", "", "信", "", "退货款", "",
    ]  # fmt: skip


def test_words_of_more_characters_than_have_numbers() -> None:
    """Of the characters beyond, which are few even in the longest lists, every turn goes on."""
    listed = list(dict.fromkeys(normal_text(chr(code)) for code in range(0x3400, 0x9FFF)))
    listed = [char for char in listed if needle(char)]
    words = [a + b for a, b in zip(listed[:9000:2], listed[1:9000:2], strict=True)]
    assert len(set("".join(words))) > picking.LATER
    few, last = words[0], words[-1]
    texts = [few, few[::-1], f"，{last[0]}，{last[1]}", last[1], "，。", few[0] + "，" + few[1] + "吧", listed[-1] * 2]
    compiled.use(True)
    try:
        made = needles(words)
        assert made is not None
        assert made.pick(*utf8(texts)).tolist() == [0, 2, 3, 5]
        assert made.pick(*utf8(words)).tolist() == list(range(len(words)))
    finally:
        compiled.use(False)


def test_words_that_all_begin_alike_are_not_looked_for_so() -> None:
    assert needles([f"退款{chr(0x4E00 + i)}" for i in range(600)]) is None


def test_terms_other_than_words_need_every_turn() -> None:
    compiled.use(True)
    try:
        assert Finder([Term("word", "退款"), Term("sound", "退款")]).turns(*utf8(["好"])) is None
        assert Finder([Term("pattern", "退.款")]).turns(*utf8(["好"])) is None
    finally:
        compiled.use(False)


@pytest.mark.parametrize(
    "text",
    [
        b"\xe4\xb8",
        b"\xe4\xb8a",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"a\xe0\x81\xa1",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf0\x9f\x98",
        b"\x80",
        b"\xff",
    ],
)
def test_what_is_no_utf8_is_refused(text: bytes) -> None:
    data, at = np.frombuffer("好".encode() + text, np.uint8), np.array([0, 3, 3 + len(text)])
    compiled.use(True)
    try:
        made = needles(["退款"])
        assert made is not None
        assert made.pick(*utf8(["aaa", "退款", "é退款", "😀退，款"])).tolist() == [1, 2, 3]
        with pytest.raises(UnicodeDecodeError):
            made.pick(data, at)
    finally:
        compiled.use(False)
