"""The normal form in columns is the normal form, whatever the text, and leads back to the same characters."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qc.scan.folding import Folded, codes_of, fold
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


def check(texts: list[str]) -> None:
    found = folded(texts)
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
    assert said <= numerals.ALPHABET
