"""The normal form of text: what matching runs over, with a way back to the characters that were said.

Recognisers mix scripts, widths, cases, numerals and punctuation at random. The normal form takes that away: half width
(NFKC, a character at a time), lower case, simplified characters, Arabic numbers (`qc.text.numerals`), no punctuation or
spaces between Chinese characters, one space between Latin words or numbers that were apart. Rules' words go through the
same function. `normal(normal(x).text).text == normal(x).text` for every text.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

from qc.text.numerals import replacements
from qc.text.script import simplify_char


@dataclass(frozen=True)
class Normal:
    """`text`, the normal form; `starts[i]`/`ends[i]`: its character `i` came from `original[starts[i]:ends[i]]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Characters of the original text that `text[start:end]` came from; `start < end`."""
        return min(self.starts[start:end]), max(self.ends[start:end])


@cache
def _fold(char: str) -> str:
    """A character in half width, lower case and simplified script; empty when nothing is to be seen of it."""
    folded = []
    for part in unicodedata.normalize("NFKC", char):
        for low in part.lower():
            category = unicodedata.category(low)
            if category in ("Cf", "Mn", "Me", "Cn", "Cs"):
                continue  # zero-width, combining marks: seen by no one, heard by no one
            folded.append(simplify_char(low))
    return "".join(folded)


@cache
def kind(char: str) -> str:
    """What a folded character is: `d` digit, `l` letter of a spelled script, `c` Chinese or alike, `s` separator."""
    if char.isdigit() and char.isascii():
        return "d"
    if char == "%":
        return "c"
    category = unicodedata.category(char)
    if category == "Lo" and _without_spaces(char):
        return "c"
    if category[0] in "LN":
        return "l"
    return "s"


def _without_spaces(char: str) -> bool:
    """Scripts that are written without spaces between words: Han, kana, bopomofo (and Thai, Lao, Khmer, Myanmar)."""
    code = ord(char)
    return (
        0x2E80 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or code >= 0x20000
        or 0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
    )


def normal(text: str) -> Normal:
    """The normal form of `text`. Linear in its length."""
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for position, char in enumerate(text):
        for folded in _fold(char):
            chars.append(folded)
            starts.append(position)
            ends.append(position + 1)
    chars, starts, ends = _with_numbers(chars, starts, ends)
    return _without_separators(chars, starts, ends)


def normal_text(text: str) -> str:
    """The normal form alone."""
    return normal(text).text


_Mapped = tuple[list[str], list[int], list[int]]


def _with_numbers(chars: list[str], starts: list[int], ends: list[int]) -> _Mapped:
    changes = replacements("".join(chars))
    if not changes:
        return chars, starts, ends
    new_chars: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    position = 0
    for start, end, new in changes:
        new_chars += chars[position:start]
        new_starts += starts[position:start]
        new_ends += ends[position:start]
        new_chars += new
        new_starts += [starts[start]] * len(new)
        new_ends += [ends[end - 1]] * len(new)
        position = end
    return new_chars + chars[position:], new_starts + starts[position:], new_ends + ends[position:]


def _without_separators(chars: list[str], starts: list[int], ends: list[int]) -> Normal:
    out: list[str] = []
    out_starts: list[int] = []
    out_ends: list[int] = []
    gap: list[int] = []  # positions of the separators since the last character kept
    before = "s"
    for position, char in enumerate(chars):
        now = kind(char)
        if now == "s":
            gap.append(position)
            continue
        if gap and before in "ld" and now in "ld":
            between = _between(chars, gap, before, now)
            out += between
            out_starts += [starts[gap[0]]] * len(between)
            out_ends += [ends[gap[-1]]] * len(between)
        gap.clear()
        out.append(char)
        out_starts.append(starts[position])
        out_ends.append(ends[position])
        before = now
    return Normal("".join(out), tuple(out_starts), tuple(out_ends))


def _between(chars: list[str], gap: list[int], before: str, after: str) -> str:
    """What stays of separators between two letters or digits."""
    if len(gap) == 1:
        only = chars[gap[0]]
        if only in "'\u2019`" and before == after == "l":
            return ""  # don't, it's
        if before == after == "d" and only == ".":
            return "."  # 3.5
        if before == after == "d" and only == ":":
            return "点"  # 15:30
        if before == after == "d" and only == "," and _thousands(chars, gap[0]):
            return ""  # 1,000
    return " "


def _thousands(chars: list[str], comma: int) -> bool:
    after = "".join(chars[comma + 1 : comma + 5])
    return len(after) >= 3 and after[:3].isdigit() and not after[3:].isdigit()
