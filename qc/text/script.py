"""Traditional to simplified Chinese, one character at a time, so that positions stay exact.

OpenCC's own phrase rules change lengths and need context; matching needs only that both sides fold alike. Where a
traditional character is folded against its usual modern reading (著 to 着), the pack's words are folded the same way.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_ALSO = {"著": "着", "妳": "你", "祂": "他", "麽": "么", "甚": "什", "裡": "里", "裏": "里", "乾": "干", "徵": "征"}
"""Folded on top of OpenCC, for matching alone (never for text that a person reads)."""


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


@cache
def simplify_char(char: str) -> str:
    """One character folded to simplified Chinese; any other character unchanged. Always one character."""
    if char in _ALSO:
        return _ALSO[char]
    if not ("\u3400" <= char <= "\u9fff" or "\U00020000" <= char <= "\U0003ffff"):
        return char
    folded: str = _converter().convert(char)
    return folded if len(folded) == 1 else char


def simplify(text: str) -> str:
    """Every character folded; same length."""
    return "".join(map(simplify_char, text))
