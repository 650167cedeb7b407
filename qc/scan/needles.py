"""Which turns can hold a word at all, seen before their normal forms are made: of most turns nobody needs one.

A word's needle is its longest run of characters that are written without spaces (Han, kana, …). In a normal form such a run
comes from as many characters of the text, one after the other, with at most separators between: numerals and signs become
digits, `.`, `%`, or 到 and 点 between digits, never such a run of two. So a turn that holds no needle holds no word; one that
holds one goes on to the normal form, which alone says what is in it. A word without a needle (letters, digits) may be in
every turn with a letter, a digit or a numeral.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qc.scan import compiled
from qc.scan.folding import TABLES, raise_bad
from qc.scan.pairs import Pairs
from qc.text.normal import kind

MOST_ALIKE = 512
MOST_BITS = 18
"""The table of which pairs may begin a needle has at most so many bits' entries, a byte each: it has to stay near."""

_CODES = 0x110000
_Array = Any


def needle(text: str) -> str:
    """The needle of a normal form; empty where it has none. A single character is one where the text is that alone."""
    runs, run = [""], ""
    for char in text:
        run = run + char if kind(char) == "c" and char != "%" else ""
        runs.append(run)
    longest = max(runs, key=len)
    return longest if len(longest) > 1 or longest == text else ""


def needles(texts: Sequence[str]) -> Needles | None:
    """The needles of some normal forms; None where so many begin alike that looking for them is not worth it."""
    found = Needles(texts)
    return None if found.most_alike > MOST_ALIKE else found


class Needles:
    """The needles of some normal forms."""

    def __init__(self, texts: Sequence[str]) -> None:
        found = dict.fromkeys(map(needle, texts))
        self._loose = "" in found
        longer = [text for text in found if len(text) > 1]
        singles = [text for text in found if len(text) == 1]
        self._single = np.zeros(_CODES if singles else 0, bool)
        self._single[[ord(char) for char in singles]] = True
        pairs = Pairs(longer)
        self.most_alike = pairs.most_alike
        bits = min(MOST_BITS, max(15, (16 * len(pairs.keys)).bit_length()))
        near = np.zeros(1 << bits, np.uint8)
        near[compiled.pair_hashes(pairs.keys >> np.uint64(32), pairs.keys & np.uint64(0xFFFFFFFF), bits)] = 1
        self._arrays = (near, *pairs.slots, self._single, self._loose)
        self._forms = np.full(1 << 16, compiled.LATER, np.uint32)

    def pick(self, data: _Array, at: _Array) -> _Array:
        """The numbers of the turns that can hold one, by machine code. `data`, `at` as in `fold_utf8`. Raises UnicodeDecodeError."""
        marks = np.zeros(len(at) - 1, bool)
        state = np.zeros(4, np.int64)
        most = compiled.BLOCK + int(np.diff(at).max(initial=0)) + 2
        room = np.empty(most, np.uint32), np.empty(most, np.uint32), np.empty(compiled.BLOCK, np.int64)
        while (why := compiled.pick(data, at, TABLES.packed, self._arrays, self._forms, marks, state, room)) != compiled.DONE:
            if why == compiled.BAD:
                raise_bad(data, at[:-1], at[1:])
            TABLES.look_up(state[2:3])
        return np.flatnonzero(marks)
