"""Personal data masked: every character of it becomes █. Nothing is kept from which anyone could get it back.

No key, no hash, no last four digits: two different numbers of one length become the same text. The text keeps its
length, so that characters counted in it (evidence, `char_ms`) stay where they were.

    redact("我姓王，电话幺三八零零一三八零零零")     →  "我姓█，电话███████████"
    redact_turns(turns)                          texts of a whole call; finds a number said in pieces over several turns
    quote(masked, char_start, char_end)          evidence: cut out of the masked turn, never masked by itself

A quote must be cut out of its masked turn: by itself «13800» does not look like a telephone number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from qc.text.normal import normal
from qc.text.personal import MASK, Personal, personal

__all__ = ["MASK", "mask", "quote", "redact", "redact_turns"]

_PIECE = re.compile("[0-9零一二三四五六七八九幺]{2,12}")
_ANY_DIGIT = re.compile("[0-9０-９零〇○一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖]")
_ONLY_DIGITS = re.compile("(?:[0-9零一二三四五六七八九幺 嗯啊呃额哦诶对呐好是的]|然后|那个|接着|后面)+")
_LEAST_DIGITS = 7
_MOST_APART = 2
"""Turns of others between two pieces of one number."""


def redact(text: str | None) -> str:
    """`text` with every character of personal data (`qc.text.personal.KINDS`) as █; same length; empty for None.

    Give it a whole turn, cell or message, never a part of one. Linear in the length; `redact(redact(x)) == redact(x)`.
    """
    if not text:
        return ""
    for _ in range(4):
        masked = mask(text, personal(text))
        if masked == text:
            break
        text = masked
    return text


def mask(text: str, found: Sequence[Personal]) -> str:
    """`text` with these characters masked."""
    chars = list(text)
    for one in found:
        chars[one.start : one.end] = MASK * (one.end - one.start)
    return "".join(chars)


def quote(masked: str, char_start: int | None, char_end: int | None) -> str:
    """Characters of a masked turn; empty where the evidence has none."""
    return "" if char_start is None or char_end is None else masked[char_start:char_end]


def redact_turns(turns: Sequence[Mapping[str, Any]]) -> list[str]:
    """The masked texts of a call's turns (`text`, `role`), in the order given.

    Beyond `redact`: digits said in pieces, turn by turn («138» «嗯» «0013» …), are masked when the pieces of one role,
    at most two turns of others apart, make seven digits or more, and so is what the others repeat of them.
    """
    texts = [str(turn.get("text") or "") for turn in turns]
    masked = [redact(text) for text in texts]
    for run in _dictated(turns, texts):
        for index in run:
            masked[index] = _without_digits(masked[index])
    return masked


def _dictated(turns: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[range]:
    """Stretches of turns over which a number is dictated."""
    by_role: dict[str, list[int]] = {}
    for index, turn in enumerate(turns):
        by_role.setdefault(str(turn.get("role") or ""), []).append(index)
    found: list[range] = []
    for indices in by_role.values():
        run: list[int] = []
        size = 0
        for index in indices:
            digits = _digits_at_edge(texts[index])
            if run and (not digits or index - run[-1] - 1 > _MOST_APART):
                found.extend(_if_long(run, size))
                run, size = [], 0
            if digits:
                run.append(index)
                size += digits
        found.extend(_if_long(run, size))
    return found


def _if_long(run: list[int], size: int) -> list[range]:
    return [range(run[0], run[-1] + 1)] if len(run) > 1 and size >= _LEAST_DIGITS else []


def _digits_at_edge(text: str) -> int:
    """Digits of a turn that may be a piece of a dictated number: nothing else in it, or at its end or beginning."""
    if _ANY_DIGIT.search(text) is None:
        return 0
    form = normal(text).text
    if _ONLY_DIGITS.fullmatch(form):
        return sum(len(match.group()) for match in _PIECE.finditer(form))
    pieces = [m for m in _PIECE.finditer(form) if m.end() == len(form) or m.start() == 0]
    return max((len(m.group()) for m in pieces), default=0)


def _without_digits(text: str) -> str:
    found = []
    said = normal(text)
    for match in _PIECE.finditer(said.text):
        found.append(Personal(*said.original(*match.span()), "number"))
    return mask(text, found)
