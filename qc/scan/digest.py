"""SHA-256 of many calls at once: what belongs to a call lies in several arrays, and its bytes are hashed one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from qc.scan import compiled

_Array = Any
Piece = tuple[_Array, _Array]
"""(bytes uint8, where those of each call begin and of the last end int64 [calls + 1]); None there: the same for every call."""

_AT_ONCE = 1 << 20
"""So many bytes, or a call's, are put together at once: they are still near when they are hashed."""


def digests(pieces: Sequence[Piece], calls: int) -> list[str]:
    """For each call the digest, in hexadecimal, of its bytes of all pieces in order."""
    if not compiled.used():
        parts = [[memoryview(data)] * calls if at is None else _cut(data, at) for data, at in pieces]
        return [hashlib.sha256(b"".join(call)).hexdigest() for call in zip(*parts, strict=True)]
    sizes = np.zeros(calls, np.int64)
    for data, at in pieces:
        sizes += len(data) if at is None else np.diff(at)
    ends = np.concatenate(([0], np.cumsum(sizes)))
    whole: _Array = np.empty(max(_AT_ONCE, int(sizes.max(initial=0))), np.uint8)
    view = memoryview(whole)
    found: list[str] = []
    while len(found) < calls:
        first = len(found)
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + _AT_ONCE, side="right")) - 1)
        here = ends[first : last + 1] - ends[first]
        to = here[:-1].copy()
        for data, at in pieces:
            if at is None:
                compiled.put(data, np.zeros(last - first, np.int64), np.full(last - first, len(data)), whole, to)
            else:
                compiled.put(data, at[first:last], np.diff(at[first : last + 1]), whole, to)
        found += [hashlib.sha256(view[a:b]).hexdigest() for a, b in pairwise(here.tolist())]
    return found


def _cut(data: _Array, at: _Array) -> list[memoryview]:
    whole = memoryview(data)
    return [whole[a:b] for a, b in pairwise(at.tolist())]
