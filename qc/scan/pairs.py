"""Texts by their first two characters: few places of a text are the beginning of any of them, and those are seen at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from qc.scan import compiled
from qc.scan.folding import codes_of

MOST_BITS = 20
"""The set of hashes of pairs has at most so many bits (128 KiB): it has to stay near."""

_Array = Any


class Pairs:
    """Texts of two characters or more, each pair of first characters once.

    `keys` uint64: first character << 32 | second, in order; pair k has the texts `groups[first[k] : first[k] + sizes[k]]`.
    `lengths` int64 and `chars` uint32 [texts, longest] are of all texts given; those of one character have no pair.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        grouped: dict[str, list[int]] = {}
        for i, text in enumerate(texts):
            if len(text) > 1:
                grouped.setdefault(text[:2], []).append(i)
        self.pairs = list(grouped)
        keys = np.array([ord(pair[0]) << 32 | ord(pair[1]) for pair in grouped], np.uint64)
        order = np.argsort(keys)
        groups = list(grouped.values())
        self.keys = keys[order]
        self.groups = np.array([i for k in order.tolist() for i in groups[k]], np.int64)
        self.sizes = np.array([len(groups[k]) for k in order.tolist()], np.int64)
        self.first = np.cumsum(self.sizes) - self.sizes
        self.lengths = np.array([len(text) for text in texts], np.int64)
        self.chars = np.zeros((len(texts), max(map(len, texts), default=0)), np.uint32)
        for i, text in enumerate(texts):
            self.chars[i, : len(text)] = codes_of(text)

    @property
    def most_alike(self) -> int:
        """So many texts begin alike at most."""
        return int(self.sizes.max(initial=0))

    @cached_property
    def near(self) -> tuple[_Array, _Array, _Array]:
        """Sets of hashes as bits (uint64): of texts of two characters, of the first three of longer ones; and how many bits of a hash
        are not used. What is in neither begins no text: a frequent pair begins many a longer one, three hardly ever by chance."""
        bits = min(MOST_BITS, max(15, (32 * int((self.lengths > 1).sum())).bit_length()))
        first = compiled.hashes(self.chars[:, 0].astype(np.uint64) << np.uint64(32) | self.chars[:, 1]) if self.pairs else None
        found = []
        for longer in (False, True):
            hashes = np.zeros(0, np.uint64)
            if first is not None and (not longer or self.chars.shape[1] > 2):
                some = self.lengths > 2 if longer else self.lengths == 2
                hashes = compiled.hashes(first[some] ^ self.chars[some, 2]) if longer else first[some]
            hashes >>= np.uint64(64 - bits)
            near = np.zeros(1 << (bits - 6), np.uint64)
            np.bitwise_or.at(near, (hashes >> np.uint64(6)).astype(np.int64), np.uint64(1) << (hashes & np.uint64(63)))
            found.append(near)
        return found[0], found[1], np.uint64(64 - bits)

    @cached_property
    def slots(self) -> tuple[_Array, ...]:
        """What `qc.scan.compiled` looks pairs up in: an open hash table of their numbers, at most half full, -1 where there is none;
        keys, first, sizes, groups, lengths, characters."""
        size = 1 << max(4, (2 * len(self.keys)).bit_length())
        slots = np.full(size, -1, np.int32)
        for number, slot in enumerate(((compiled.hashes(self.keys) >> np.uint64(32)).astype(np.int64) & (size - 1)).tolist()):
            while slots[slot] >= 0:
                slot = (slot + 1) & (size - 1)
            slots[slot] = number
        return slots, self.keys, self.first, self.sizes, self.groups, self.lengths, self.chars
