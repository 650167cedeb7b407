"""The normal form in columns is the normal form, whatever the text, and leads back to the same characters."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qc.scan import compiled
from qc.scan.folding import TABLES, Folded, codes_of, fold, fold_utf8
from qc.text import numerals
from qc.text.normal import normal

NUMBERS = "零〇一二三四五六七八九十百千万亿两幺点分之个小时天月号第周半上下午钟0123456789"
SIGNS = ".,:'’`，。：、 …%％\n-"
OTHERS = "abZé啊的說著①½㎏\u0301\u200bß١😀가ก็Ⅷ二"


def folded(texts: list[str]) -> Folded:
    sizes = [len(text) for text in texts]
    return fold(codes_of("".join(texts)), np.concatenate(([0], np.cumsum(sizes))).astype(np.int64))


@pytest.mark.parametrize("alphabet", [NUMBERS, NUMBERS + SIGNS, NUMBERS + SIGNS + OTHERS])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_many_turns_at_once_are_what_each_is_alone(alphabet: str, data: st.DataObject) -> None:
    check(data.draw(st.lists(st.text(alphabet=alphabet, max_size=14), max_size=6)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=4))
@example(
    [
        "百分百，一",
        "一百块1,000.50元",
        "",
        "三点五",
        "3.5万 15:30",
        "二\u200b十四小时",
        "don't…stop",
        "一万二，三四百，一一，一一二",
    ]
)
@example(["1,三百,000", "1,２３４,567,89", "十，十分钟 十分好", "", ""])
@example(
    ["单号九三五四一三，尾号三三，三点一二三，百分之三四五，号三四五百，之一二三，五月三四五号", "号一二三点五", "日.一二三"]
)
@example([])
@example(["", ""])
def test_any_text(texts: list[str]) -> None:
    check(texts)


def folded_compiled(texts: list[str]) -> Folded:
    """The same by machine code, out of the middle of a larger text."""
    data = np.frombuffer(b"\xff" + "".join(texts).encode() + b"\xff", np.uint8)
    at = np.concatenate(([1], 1 + np.cumsum([len(text.encode()) for text in texts]))).astype(np.int64)
    compiled.use(True)
    try:
        return fold_utf8(data, at, sum(map(len, texts)))
    finally:
        compiled.use(False)


def check(texts: list[str]) -> None:
    hold(folded(texts), texts)
    if all(not 0xD800 <= ord(char) < 0xE000 for text in texts for char in text):
        hold(folded_compiled(texts), texts)


def hold(found: Folded, texts: list[str]) -> None:
    turns, starts, ends, wanted = [], [], [], []
    for i, text in enumerate(texts):
        form = normal(text)
        assert found.text(i) == form.text
        for start in range(len(form.text)):
            for end in {start + 1, len(form.text)}:
                turns.append(i)
                starts.append(start)
                ends.append(end)
                wanted.append(form.original(start, end))
    if turns:
        first, last = found.original(np.array(turns), np.array(starts), np.array(ends))
        assert list(zip(first.tolist(), last.tolist(), strict=True)) == wanted


def test_machine_code_forgets_phrases_where_there_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qc.scan.folding._MEMO", 50)
    texts = [f"{'一二三四五六七八九'[i % 9]}百{'二三四五六七八九'[i // 9 % 8]}十块，第{i}单" for i in range(200)]
    for _ in range(2):
        hold(folded_compiled(texts), texts)
    assert len(TABLES.phrase_book) <= 50


@pytest.mark.parametrize(
    "text", [b"\xe4\xb8", b"\xe4\xb8a", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98", b"\x80", b"\xff"]
)
def test_machine_code_refuses_what_is_no_utf8(text: bytes) -> None:
    data, at = np.frombuffer("好".encode() + text, np.uint8), np.array([0, 3, 3 + len(text)])
    for used in (True, False):
        compiled.use(used)
        try:
            with pytest.raises(UnicodeDecodeError):
                fold_utf8(data, at, 2)
        finally:
            compiled.use(False)


def test_numerals_look_at_no_character_outside_their_alphabet() -> None:
    tree = ast.parse(Path(numerals.__file__).read_text(encoding="utf-8"))
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    said = {
        char
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes
        for char in node.value
        if not char.isascii()
    }
    assert said - {numerals.BETWEEN} <= numerals.ALPHABET
