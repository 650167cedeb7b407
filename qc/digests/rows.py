"""SHA-256 of each call's row of `transcripts`, of what scanning reads of it, made of columns and not of Python's objects.

The digest is a call's own: the same whatever calls are beside it, whichever part it lies in, and whether roles are read as
strings or as numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("call_id", "status", "reason", "message", "warnings", "duration_ms", "spans", "turns")
"""What a digest is made of; of `turns` all members but `no_speech_prob`."""

ROLES = ("agent", "customer", "system", "unknown")
_NO_CHANNEL = -(1 << 31)
_NO_TIME = -(1 << 40)

_Array = Any
Piece = tuple[_Array, _Array]
"""(bytes uint8, where those of each call begin and of the last end int64 [calls + 1]); None there: the same for every call."""


def digests(table: Any) -> list[str]:
    """The digests of the calls of a table with `COLUMNS`, in hexadecimal."""
    size = table.num_rows
    column = {name: _whole(table[name]) for name in COLUMNS}
    turn_first, turns = _lists(column["turns"])
    turn = dict(zip([f.name for f in turns.type], turns.flatten(), strict=True))
    span_first, spans = _lists(column["spans"])
    span = dict(zip([f.name for f in spans.type], spans.flatten(), strict=True))
    text = pc.fill_null(turn["text"], "")
    flag_first, flags = _lists(turn["flags"])
    char_first, chars = _lists(turn["char_ms"])
    pieces = [
        _heads(column, size),
        _rows(_turn_block(turn, turn_first, text, np.diff(flag_first), np.diff(char_first)), turn_first),
        *_strings(text, turn_first),
        _END,
        *_strings(flags, flag_first[turn_first]),
        _rows(_numbers(chars, _NO_TIME), char_first[turn_first]),
        _END,
        _rows(_span_block(span), span_first),
        *_strings(pc.fill_null(span["why"], ""), span_first),
    ]
    return joined(pieces, size)


def joined(pieces: Sequence[Piece], calls: int) -> list[str]:
    """For each call the digest of its bytes of all pieces in order."""
    parts = [[memoryview(data)] * calls if at is None else _cut(data, at) for data, at in pieces]
    return [hashlib.sha256(b"".join(call)).hexdigest() for call in zip(*parts, strict=True)]


def _cut(data: _Array, at: _Array) -> list[memoryview]:
    whole = memoryview(data)
    return [whole[a:b] for a, b in pairwise(at.tolist())]


_END: Piece = np.zeros(1, np.uint8), None


def _heads(column: dict[str, Any], size: int) -> Piece:
    """What a call's row says besides turns and detected speech."""
    listed = [_listed(column[name], name) for name in COLUMNS[:6]]
    ok = pc.all(pc.fill_null(pc.equal(column["status"], "ok"), False)).as_py()
    if ok and listed[2:5] == [None, None, []] and not column["duration_ms"].null_count:
        # as most are: the same, three times as fast
        said = [f"({name!r}, 'ok', None, None, [], {ms})" for name, ms in zip(listed[0] or (), listed[5] or (), strict=True)]
    else:
        lists = ([value] * size if value is None or value == [] else value for value in listed)
        said = [repr(head) for head in zip(*lists, strict=True)]
    heads = [head.encode("utf-8", "surrogatepass") for head in said]
    sizes = np.array([len(head) for head in heads], np.int64)
    return np.frombuffer(b"".join(heads), np.uint8), np.concatenate(([0], np.cumsum(sizes)))


def _listed(column: Any, name: str) -> list[Any] | None:
    """A column as Python has it; None where it is null for every call, [] where it is an empty list for every one."""
    if column.null_count == len(column):
        return None
    if name == "warnings" and not column.null_count and not len(column.flatten()):
        return []
    return list(column.to_pylist())


def _turn_block(turn: dict[str, Any], first: _Array, text: Any, flags: _Array, chars: _Array) -> _Array:
    number = turn["turn"]
    sure, no_sure = _floats(turn["avg_logprob"])
    level, no_level = _floats(turn["level_dbfs"])
    start = _numbers(turn["start_ms"], 0)
    block = np.empty((len(text), 8), np.int64)
    block[:, 0] = _numbers(number, 0)
    if number.null_count:
        place = np.arange(len(text)) - np.repeat(first[:-1], np.diff(first))
        block[:, 0] = np.where(_bools(number.is_null()), place, block[:, 0])
    block[:, 1] = _numbers(turn["channel"], _NO_CHANNEL)
    block[:, 2] = _roles(turn["role"])
    block[:, 3] = start
    block[:, 4] = _numbers(turn["end_ms"], 0)
    block[:, 5] = pc.binary_length(text).to_numpy(zero_copy_only=False)
    block[:, 6] = flags << 32 | chars
    block[:, 7] = (
        np.where(no_sure, 1, sure.view(np.int32)).astype(np.int64) << 32
        | np.where(no_level, 1, level.view(np.int32)).astype(np.int64) & 0xFFFFFFFF
    )
    return block


def _span_block(span: dict[str, Any]) -> _Array:
    block = np.empty((len(span["role"]), 5), np.int64)
    block[:, 0] = _numbers(span["channel"], _NO_CHANNEL)
    block[:, 1] = _roles(span["role"])
    block[:, 2] = _numbers(span["start_ms"], 0)
    block[:, 3] = _numbers(span["end_ms"], 0)
    block[:, 4] = _bools(pc.fill_null(span["heard"], False))
    return block


def _roles(names: Any) -> _Array:
    """A number for each role that is the same in every table; a turn without one has that of `unknown`."""
    if not pa.types.is_dictionary(names.type):
        names = names.dictionary_encode()
    known = [_role_number(name) for name in [*names.dictionary.to_pylist(), None]]
    which = pc.fill_null(names.indices, len(known) - 1).to_numpy(zero_copy_only=False)
    return np.array(known, np.int64)[which]


def _role_number(name: str | None) -> int:
    if not name:
        return ROLES.index("unknown")
    if name in ROLES:
        return ROLES.index(name)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")


def _rows(rows: _Array, first: _Array) -> Piece:
    """The bytes of each call's rows."""
    block: Any = np.ascontiguousarray(rows)
    return block.reshape(-1).view(np.uint8), first * (block.nbytes // max(len(block), 1))


def _strings(strings: Any, first: _Array) -> tuple[Piece, Piece]:
    """The lengths of each call's strings, and their bytes, without making strings of them."""
    strings = pc.fill_null(strings, "") if strings.null_count else strings
    sizes = pc.binary_length(strings).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.concatenate(([0], np.cumsum(sizes)))[first]
    return _rows(sizes, first), (np.frombuffer(bytes_of(strings), np.uint8), ends)


def bytes_of(strings: Any) -> Any:
    """The bytes of all strings of an Arrow array, one after the other, without copying."""
    offsets = strings.buffers()[1]
    if offsets is None or not len(strings):
        return b""
    at = np.frombuffer(offsets, np.int32, len(strings) + 1, strings.offset * 4)
    data = strings.buffers()[2]
    return data.slice(int(at[0]), int(at[-1] - at[0])) if data is not None else b""


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _bools(values: Any) -> _Array:
    return values.to_numpy(zero_copy_only=False).astype(bool)


def _numbers(values: Any, instead: int) -> _Array:
    """int64, with `instead` where there is none."""
    missing = _bools(values.is_null()) if values.null_count else None
    numbers = (values if missing is None else pc.fill_null(values, 0)).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers if missing is None else np.where(missing, instead, numbers)


def _floats(values: Any) -> tuple[_Array, _Array]:
    return pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.float32), _bools(values.is_null())


def _lists(column: Any) -> tuple[_Array, Any]:
    """Where each list begins (and the last ends), and all members."""
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.concatenate(([0], np.cumsum(sizes))), column.flatten()
