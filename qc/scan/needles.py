"""Which turns can hold a word at all, seen before their normal forms are made: of most turns nobody needs one.

A word's needle is its longest run of characters that are written without spaces (Han, kana, …). In a normal form such a run
comes from as many characters of the text, one after the other, with at most separators between: numerals and signs become
digits, `.`, `%`, or 到 and 点 between digits, never such a run of two. So a turn that holds no needle holds no word; one that
holds one goes on to the normal form, which alone says what is in it. A word without a needle (letters, digits) may be in
every turn with a letter, a digit or a numeral.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from qc.scan import compiled, picking
from qc.scan.folding import TABLES, codes_of, raise_bad
from qc.scan.pairs import Pairs
from qc.text.normal import kind

MOST_ALIKE = 512
LEAST_BITS, MOST_BITS = 18, 22
"""The table of which pairs may be in a needle has so many bits: 32 KiB to 512 KiB, it has to stay near."""

_CODES = 0x110000
_SEGMENTS, _RARE, _RARE_BYTES = 1 << 16, 1 << 10, 1 << 18
"""In a block of turns so many at most; and so many, of so many bytes, that have to be read slowly."""

_SAMPLE = 1 << 17
"""So many bytes of a text tell which pairs of characters are frequent."""

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
        singles = [text for text in found if len(text) == 1]
        single = np.zeros(_CODES if singles else 0, bool)
        single[[ord(char) for char in singles]] = True
        longer = [text for text in found if len(text) > 1]
        chars = sorted(set("".join(longer)))
        self._numbers = np.zeros(_CODES, np.uint16)
        self._numbers[[ord(char) for char in chars]] = np.minimum(np.arange(1, len(chars) + 1), picking.LATER)
        self._numbers[self._numbers == picking.LATER] = picking.HIT  # one of so many: whatever holds it goes on
        numbers = {ord(char): chr(number) for number, char in enumerate(chars[: picking.LATER - 1], 1)}
        self._needs = single, "" in found, self._numbers
        self._longer = [text.translate(numbers) for text in longer if all(ord(char) in numbers for char in text)]
        self.most_alike = Pairs(self._longer).most_alike
        self._forms = np.full(picking.FORMS, picking.LATER, np.uint16)
        self._pairs: tuple[Any, ...] | None = None
        self._room: tuple[_Array, ...] = ()

    def pick(self, data: _Array, at: _Array) -> _Array:
        """The numbers of the turns that can hold one, by machine code. `data`, `at` as in `fold_utf8`. Raises UnicodeDecodeError."""
        if self._pairs is None:
            self._pairs = self._made_for(data[at[0] : at[-1]])
        near, pairs, needles = self._pairs
        marks = np.zeros(len(at) - 1, bool)
        text, ends, owners, places, rare = self._room_for(int(np.diff(at).max(initial=0)) + 1)
        turn = 0
        while turn < len(marks):
            block = text, ends[:_SEGMENTS], owners
            turn, segments, size, rares = picking.forms_of(data, at, turn, self._forms, block, marks, rare, _RARE_BYTES)
            block = text, ends, owners
            if rares:
                size = self._rare(data, at, rare[:rares], block, marks, (segments, size))
            count = picking.find_pairs(text, size, near, places)
            picking.hold(block, size, places[:count], pairs, needles, marks)
        return np.flatnonzero(marks)

    def _room_for(self, longest: int) -> tuple[_Array, ...]:
        """Kept from batch to batch: asked for anew it costs more than what is done in it."""
        most = picking.BLOCK + _RARE_BYTES + 2 * longest + _RARE
        if not self._room or len(self._room[0]) < most:
            segments = _SEGMENTS + _RARE
            self._room = (
                np.empty(most, np.uint16),
                np.empty(segments, np.int64),
                np.empty(segments, np.int64),
                np.empty(most, np.uint32),
                np.empty(_RARE, np.int64),
            )
        return self._room

    def _rare(self, data: _Array, at: _Array, turns: _Array, block: Any, marks: _Array, filled: tuple[int, int]) -> int:
        """Turns with characters of other than one or three bytes, or met for the first time, into the block, so far as it is filled."""
        state = np.array([0, *filled, 0], np.int64)
        while why := picking.rare_forms_of(data, at, turns, TABLES.packed, self._needs, self._forms, block, marks, state):
            if why == compiled.BAD:
                raise_bad(data, at[:-1], at[1:])
            TABLES.look_up(state[3:])
        return int(state[2])

    def _made_for(self, data: _Array) -> tuple[Any, ...]:
        """What `picking` looks for, each needle by the pair of its characters that is rarest in the first of these bytes."""
        sample = TABLES.look_up(codes_of(bytes(data[:_SAMPLE]).decode("utf-8", "replace")))
        sample = self._numbers[sample[sample >> 24 & compiled.KIND != compiled.SEPARATOR] & 0x1FFFFF].astype(np.uint64)
        known, often = np.unique(sample[:-1] << np.uint64(32) | sample[1:], return_counts=True)
        counts = dict(zip(known.tolist(), often.tolist(), strict=True))
        offsets = []
        for text in self._longer:
            said = [counts.get(ord(a) << 32 | ord(b), 0) for a, b in pairwise(text)]
            offsets.append(said.index(min(said)))
        pairs = Pairs([text[offset:] for text, offset in zip(self._longer, offsets, strict=True)])
        if pairs.most_alike > MOST_ALIKE:
            offsets = [0] * len(offsets)
            pairs = Pairs(self._longer)
        bits = min(MOST_BITS, max(LEAST_BITS, (64 * len(pairs.keys)).bit_length()))
        hashes = picking.pair_hashes(pairs.keys >> np.uint64(32), pairs.keys & np.uint64(0xFFFFFFFF), bits)
        near = np.packbits(np.bincount(hashes.astype(np.int64), minlength=1 << bits) > 0, bitorder="little")
        whole = Pairs(self._longer)
        return near, pairs.slots[:5], (np.array(offsets, np.int64), whole.lengths, whole.chars)
