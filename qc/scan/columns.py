"""Transcripts as columns: many calls at once, their turns and detected speech in arrays, a `Call` only where one is asked for.

`Columns` holds what is in the table; `Batch` adds what depends on a pack's confidence floor: which turns are reliable, and
so what was heard. `tests/scan` holds both against `qc.scan.view`, which says the same of one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.digests import DIGEST, digests
from qc.digests.rows import COLUMNS, ROLES, bytes_of
from qc.packs.conditions import Window
from qc.scan import compiled, sums
from qc.scan.folding import Folded, codes_of, fold_chosen, fold_utf8, ranges
from qc.scan.view import LOST, MAX_TURN_CHARS, Call, Span, Turn, view
from qc.text.normal import Normal, normal

NAMES = COLUMNS
"""What scanning reads of `transcripts`; how, says `qc.scan.reading`."""

AGENT, CUSTOMER, SYSTEM, UNKNOWN = range(4)
_NO_CHANNEL = -(1 << 31)
_FAR = 1 << 44
_LATEST = 1 << 40
"""Some thirty years in ms."""

_CALLS_TO_LIST = 256
"""So many calls' turns and speech become Python's lists at a time."""

_Array = Any


class Columns:
    """What is in a part of `transcripts`. Arrays of turns begin with `turn_`, of detected speech with `span_`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.combine_chunks()
        self.size = table.num_rows
        self.ok = _is(self._column("status"), "ok")
        self.roles = list(ROLES)
        self.turn_first, turns = _lists(self._column("turns"))
        self.turn_call = np.repeat(np.arange(self.size), np.diff(self.turn_first))
        self._turn = _members(turns)
        self.turn_role = self._roles(self._turn["role"])
        self.turn_start, _ = _numbers(self._turn["start_ms"])
        self.turn_end = np.maximum(self.turn_start, _numbers(self._turn["end_ms"])[0])
        self.turn_text = pc.fill_null(self._turn["text"], "") if self._turn["text"].null_count else self._turn["text"]
        self.turn_sure = self._turn_member("avg_logprob", pa.float32())
        self.turn_level = self._turn_member("level_dbfs", pa.float32())
        self.turn_flags, _ = _lists(self._turn_member("flags", pa.list_(pa.string())))
        self.char_first, chars = _lists(self._turn_member("char_ms", pa.list_(pa.int32())))
        self.char_ms, self._no_char = _numbers(chars)
        self.span_first, spans = _lists(self._column("spans"))
        self.span_call = np.repeat(np.arange(self.size), np.diff(self.span_first))
        span = _members(spans)
        self.span_role = self._roles(span["role"])
        self.span_channel = _channels(span["channel"])
        self.span_start, _ = _numbers(span["start_ms"])
        self.span_end = np.maximum(self.span_start, _numbers(span["end_ms"])[0])
        heard = span["heard"]
        self.span_heard = _bools(pc.fill_null(heard, False) if heard.null_count else heard)
        self.span_lost = _is(span["why"], LOST) if "why" in span else np.zeros(len(spans), bool)
        odd = self._warned("no_times") | (np.diff(self.span_first) == 0)
        for column, any_of_these in (
            (turns, self._any_turn),
            (self._turn["start_ms"], self._any_turn),
            (self._turn["end_ms"], self._any_turn),
            (spans, self._any_span),
            (span["start_ms"], self._any_span),
            (span["end_ms"], self._any_span),
        ):
            if column.null_count:
                odd |= any_of_these(_bools(column.is_null()))
        odd |= self._without_times_to_reckon_with()
        self.odd = odd
        """Calls that only `view` reads: without times, without detected speech, with holes in them, or with absurd times."""
        lost = self._any_span(self.span_lost)
        self.cut = self._warned(LOST) & ~lost
        self.duration_ms = self._column("duration_ms")

    def _without_times_to_reckon_with(self) -> _Array:
        """Calls with times that arithmetic with calls in it cannot carry; these times are made ordinary ones, so that they
        touch no other call."""
        names = ("turn_start", "turn_end", "span_start", "span_end")
        if all(getattr(self, n).min(initial=0) >= 0 and getattr(self, n).max(initial=0) < _LATEST for n in names):
            return np.zeros(self.size, bool)
        wrong = [(getattr(self, name) < 0) | (getattr(self, name) >= _LATEST) for name in names]
        for name in names:
            setattr(self, name, np.clip(getattr(self, name), 0, _LATEST))
        return self._any_turn(wrong[0] | wrong[1]) | self._any_span(wrong[2] | wrong[3])

    def _column(self, name: str) -> Any:
        column = self.table[name]
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)

    def _roles(self, names: Any) -> _Array:
        if not pa.types.is_dictionary(names.type):
            names = names.dictionary_encode()
        known = self._role_numbers(names.dictionary)
        which = pc.fill_null(names.indices, len(known) - 1) if names.null_count else names.indices
        return known[which.to_numpy(zero_copy_only=False)]

    def _role_numbers(self, names: Any) -> _Array:
        """Of each name, and last of none."""
        for name in names.to_pylist():
            if name and name not in self.roles:
                self.roles.append(name)
        found = pc.fill_null(pc.index_in(names, value_set=pa.array(self.roles)), UNKNOWN)
        return np.append(found.to_numpy(zero_copy_only=False), UNKNOWN).astype(np.int32)

    def _warned(self, word: str) -> _Array:
        first, words = _lists(self._column("warnings"))
        return any_of(_is(words, word), first)

    def _any_turn(self, marks: _Array) -> _Array:
        return any_of(marks, self.turn_first)

    def _any_span(self, marks: _Array) -> _Array:
        return any_of(marks, self.span_first)

    def _turn_member(self, name: str, kind: Any) -> Any:
        """A member of the turns that may not have been read: null then."""
        return self._turn[name] if name in self._turn else pa.nulls(len(self.turn_call), kind)

    @cached_property
    def turn_number(self) -> _Array:
        numbers, missing = _numbers(self._turn["turn"])
        return np.where(missing, np.arange(len(numbers)) - self.turn_first[self.turn_call], numbers)

    @cached_property
    def turn_channel(self) -> _Array:
        return _channels(self._turn["channel"])

    @cached_property
    def turn_chars(self) -> _Array:
        """Characters of each turn."""
        return pc.utf8_length(self.turn_text).to_numpy(zero_copy_only=False).astype(np.int64)

    @cached_property
    def _chars_so_far(self) -> _Array:
        return np.full(len(self.turn_call), -1, np.int64)

    def chars_of(self, turns: _Array) -> _Array:
        """Characters of these turns: of most turns nobody asks."""
        found = self._chars_so_far[turns]
        if (found < 0).any():
            new = np.unique(turns[found < 0])
            self.learn_chars(new, self._count_chars(new))
            found = self._chars_so_far[turns]
        return found

    def learn_chars(self, turns: _Array, chars: _Array) -> None:
        """These turns have so many characters: `chars_of` need not count them."""
        self._chars_so_far[turns] = chars

    def _count_chars(self, turns: _Array) -> _Array:
        if compiled.used():
            data, at = self._text_bytes
            return compiled.count_chars(data, at[turns], at[turns + 1])
        return pc.utf8_length(self.turn_text.take(pa.array(turns))).to_numpy(zero_copy_only=False)

    @cached_property
    def call_ids(self) -> list[str]:
        ids: list[str] = self._column("call_id").to_pylist()
        return ids

    @cached_property
    def overlong(self) -> _Array:
        if (pc.max(pc.binary_length(self.turn_text)).as_py() or 0) <= MAX_TURN_CHARS:
            return np.zeros(len(self.turn_call), bool)
        return self.turn_chars > MAX_TURN_CHARS

    @cached_property
    def texts(self) -> tuple[_Array, _Array]:
        """UTF-8 of all turns, and where each begins and the last ends; those left out that are too long to be one."""
        if self.overlong.any():
            return _bytes(pc.if_else(pa.array(self.overlong), "", self.turn_text))
        return self._text_bytes

    @cached_property
    def _text_bytes(self) -> tuple[_Array, _Array]:
        return _bytes(self.turn_text)

    @cached_property
    def folded(self) -> Folded:
        """Normal forms of all turns."""
        return fold_utf8(*self.texts, int(self.turn_chars.sum()))

    @cached_property
    def ends_silent(self) -> tuple[_Array, _Array]:
        """(agent, customer): of whom there is no sound at all, as `qc.scan.view` says it."""
        lost_calls = self._any_span(self.span_lost)
        counted = ~(lost_calls[self.span_call] & self.span_lost)

        def present(role: int) -> _Array:
            return self._any_span((self.span_role == role) & counted) | self._any_turn(self.turn_role == role)

        chat = (np.diff(self.turn_first) > 0) & ~self._any_turn(self.turn_channel != _NO_CHANNEL)
        known = ~present(UNKNOWN) & ~chat
        return known & ~present(AGENT), known & ~present(CUSTOMER)

    def silent(self, who: str) -> _Array:
        """Calls of which `who` has no sound at all."""
        agent, customer = self.ends_silent
        return {"agent": agent, "customer": customer}.get(who, agent & customer)

    @cached_property
    def bounds(self) -> tuple[_Array, _Array]:
        """First and last ms of speech of each call, tones and prompts left out."""
        people = self.span_role != SYSTEM
        low = reduce_by(np.minimum, np.where(people, self.span_start, np.iinfo(np.int64).max), self.span_first)
        high = reduce_by(np.maximum, np.where(people, self.span_end, np.iinfo(np.int64).min), self.span_first)
        some = self._any_span(people)
        return np.where(some, low, 0), np.where(some, high, 0)

    def by(self, roles: _Array, who: str, *, maybe: bool = False) -> _Array:
        """Which roles are (or may be) the one meant."""
        found = roles != SYSTEM if who == "anyone" else roles == self._number(who)
        return found | (roles == UNKNOWN) if maybe else found

    def _number(self, who: str) -> int:
        return self.roles.index(who) if who in self.roles else -1

    def digests(self) -> Any:
        """SHA-256 of each call as scanning sees it, as an Arrow array of strings: those that came with the table, or made anew."""
        if DIGEST in self.table.column_names:
            return self._column(DIGEST)
        return pa.array(digests(self.table), pa.string())


def _bytes(strings: Any) -> tuple[_Array, _Array]:
    """The bytes of all strings (uint8), and where each begins and the last ends (int64)."""
    offsets = strings.buffers()[1]
    if offsets is None or not len(strings):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    at = np.frombuffer(offsets, np.int32, len(strings) + 1, strings.offset * 4).astype(np.int64)
    data = strings.buffers()[2]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), at


def _joined(strings: Any) -> str:
    return str(memoryview(bytes_of(strings)), "utf-8")


def _members(structs: Any) -> dict[str, Any]:
    """What the structs have been read of, by name."""
    return dict(zip([f.name for f in structs.type], structs.flatten(), strict=True))


def _bools(values: Any) -> _Array:
    return values.to_numpy(zero_copy_only=False).astype(bool)


def _is(values: Any, word: str) -> _Array:
    """Which strings are this word."""
    if values.null_count == len(values):
        return np.zeros(len(values), bool)
    return _bools(pc.fill_null(pc.equal(values, word), False))


def _channels(values: Any) -> _Array:
    channels, missing = _numbers(values)
    return np.where(missing, _NO_CHANNEL, channels) if values.null_count else channels


def _numbers(values: Any) -> tuple[_Array, _Array]:
    """int64 with 0 for null, and where there was null."""
    missing = _bools(values.is_null()) if values.null_count else np.zeros(len(values), bool)
    return _ints(pc.fill_null(values, 0) if values.null_count else values), missing


def _ints(values: Any) -> _Array:
    """An array of one's own: machine code is compiled once for such, and once more for those that cannot be written."""
    return values.to_numpy(zero_copy_only=False).astype(np.int64)


def _floats(values: Any) -> tuple[_Array, _Array]:
    return pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.float32), _bools(values.is_null())


def _lists(column: Any) -> tuple[_Array, Any]:
    """Where each list begins (and the last ends), and all members."""
    if column.null_count == len(column):
        return np.zeros(len(column) + 1, np.int64), column.flatten()
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.concatenate(([0], np.cumsum(sizes))), column.flatten()


def reduce_by(how: Any, values: _Array, first: _Array) -> _Array:
    """One value for each list; 0 for an empty one."""
    result = np.zeros(len(first) - 1, values.dtype)
    filled = np.flatnonzero(np.diff(first))
    if len(filled):
        result[filled] = how.reduceat(values, first[filled])
    return result


def any_of(marks: _Array, first: _Array) -> _Array:
    """For each list whether any member is marked."""
    if compiled.used():
        return sums.any_of(marks, first) if marks.any() else np.zeros(len(first) - 1, bool)
    return sum_by(marks.astype(np.int64), first) > 0


def sum_by(values: _Array, first: _Array) -> _Array:
    """For each list the sum of its members."""
    sums = np.concatenate(([0], np.cumsum(values)))
    return sums[first[1:]] - sums[first[:-1]]


class _Stretches:
    """Stretches of time of many calls: how much of them lies in a range, and whether any does."""

    def __init__(self, call: _Array, start: _Array, end: _Array) -> None:
        self._starts, self._start_sums = self._sorted(call, start)
        self._ends, self._end_sums = self._sorted(call, end)

    @staticmethod
    def _sorted(call: _Array, times: _Array) -> tuple[_Array, _Array]:
        order = np.argsort(call * _FAR + times, kind="stable")
        return (call * _FAR + times)[order], np.concatenate(([0], np.cumsum(times[order])))

    def between(self, call: _Array, low: _Array, high: _Array) -> _Array:
        """Milliseconds of each call's stretches, added up, between `low` and `high`."""
        return self._until(call, high) - self._until(call, low)

    def touch(self, call: _Array, low: _Array, high: _Array) -> _Array:
        """Whether any of the call's stretches lies between `low` and `high`, which is later."""
        high = np.minimum(high, _FAR - 1)
        return np.searchsorted(self._starts, call * _FAR + high) > np.searchsorted(self._ends, call * _FAR + low, side="right")

    def _until(self, call: _Array, time: _Array) -> _Array:
        """What was before, and a constant of the call: of calls before it every stretch has begun and ended."""
        time = np.minimum(time, _FAR - 1)
        begun = np.searchsorted(self._starts, call * _FAR + time)
        over = np.searchsorted(self._ends, call * _FAR + time)
        return (begun - over) * time - self._start_sums[begun] + self._end_sums[over]


class Batch:
    """Columns as a pack with this confidence floor sees them. `meta`: what the call list says of a call, by call id."""

    def __init__(self, columns: Columns, floor: float | None, meta: Mapping[str, Any]) -> None:
        self.columns, self.floor, self.meta = columns, floor, meta
        self._some: Folded | None = None
        flagged = np.diff(columns.turn_flags) > 0
        self.reliable = ~flagged & ~columns.overlong
        if floor is not None:
            sure, unknown = _floats(columns.turn_sure)
            self.reliable &= unknown | (sure.astype(np.float64) >= floor)
        self._coverages: dict[Any, tuple[_Array, _Array]] = {}
        self._windows: dict[Any, tuple[_Array, _Array]] = {}
        self._speech: dict[str, tuple[_Stretches, _Stretches, _Stretches]] = {}
        self._unheard: dict[int | None, _Stretches] = {}

    @property
    def folded(self) -> Folded:
        """Normal forms: of the turns that `look_at` named, or of all."""
        return self.columns.folded if self._some is None else self._some

    def look_at(self, turns: _Array | None) -> Folded:
        """From here on only these turns' normal forms are asked for (numbers in order), or those of all; by machine code."""
        if turns is None:
            self._some = None
        else:
            self._some = fold_chosen(*self.columns.texts, turns)
            self.columns.learn_chars(turns, self._some.chars)
        return self.folded

    @cached_property
    def orderly(self) -> _Array:
        """Calls with times and turns in their places, of which every speaker is known; not all of it need have been heard."""
        c = self.columns
        bad = c.odd | c.cut | any_of(c.turn_role == UNKNOWN, c.turn_first) | any_of(c.span_role == UNKNOWN, c.span_first)
        bad |= any_of(c.turn_number != np.arange(len(c.turn_call)) - c.turn_first[c.turn_call], c.turn_first)
        agent, customer = c.ends_silent
        return ~(bad | agent | customer)

    @cached_property
    def clean(self) -> _Array:
        """Orderly calls of which all was heard, so that what is not found was not said."""
        c = self.columns
        return self.orderly & ~(any_of(~self.reliable, c.turn_first) | any_of(~c.span_heard, c.span_first))

    @cached_property
    def _deducted(self) -> tuple[_Array, _Array, _Array, _Array]:
        """(call, role, start, end) of heard speech under turns that do not count."""
        calls, lost = np.flatnonzero(self._to_deduct), np.flatnonzero(~self.reliable)
        listed: list[tuple[int, int, int, int]] = []
        for at in range(0, len(calls), _CALLS_TO_LIST):
            listed.extend(self._deducted_of(calls[at : at + _CALLS_TO_LIST], lost))
        table = np.array(listed, np.int64).reshape(-1, 4)
        return table[:, 0], table[:, 1], table[:, 2], table[:, 3]

    def _deducted_of(self, calls: _Array, lost: _Array) -> Iterator[tuple[int, int, int, int]]:
        """The same of some calls. `lost`: all turns that do not count, in order."""
        from qc.scan.view import apart_in_time, overlaps

        c = self.columns
        bounds: _Array = np.searchsorted(lost, c.turn_first)
        turns = lost[ranges(bounds[calls], (bounds[1:] - bounds[:-1])[calls])]
        doubtful: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        columns = (a[turns].tolist() for a in (c.turn_call, c.turn_channel, c.turn_role, c.turn_start, c.turn_end))
        for call, channel, role, start, end in zip(*columns, strict=True):
            doubtful.setdefault((call, channel, role), []).append((start, end))
        apart = {key: apart_in_time(pieces) for key, pieces in doubtful.items()}
        spans = ranges(c.span_first[calls], np.diff(c.span_first)[calls])
        spans = spans[c.span_heard[spans]]
        columns = (a[spans].tolist() for a in (c.span_call, c.span_channel, c.span_role, c.span_start, c.span_end))
        for call, channel, role, start, end in zip(*columns, strict=True):
            pieces = apart.get((call, channel, role))
            if pieces and start < pieces[-1][1] and end > pieces[0][0]:
                yield from ((call, role, low, high) for low, high in overlaps(pieces, start, end))

    @property
    def _to_deduct(self) -> _Array:
        """Calls of which heard speech lies under turns that do not count (bool [calls])."""
        c = self.columns
        lost = np.flatnonzero(~self.reliable)
        turns = c.turn_call, c.turn_role, c.turn_channel, c.turn_start, c.turn_end
        spans = c.span_role, c.span_channel, c.span_start, c.span_end, c.span_heard
        if compiled.used():
            return sums.heard_under(lost, turns, c.span_first, spans)
        call = c.turn_call[lost]
        sizes = np.diff(c.span_first)[call]
        turn, span = np.repeat(lost, sizes), ranges(c.span_first[call], sizes)
        over = c.span_heard[span] & (c.span_role[span] == c.turn_role[turn]) & (c.span_channel[span] == c.turn_channel[turn])
        over &= (c.span_start[span] < c.turn_end[turn]) & (c.span_end[span] > c.turn_start[turn])
        found = np.zeros(c.size, bool)
        found[c.turn_call[turn[over]]] = True
        return found

    def coverage(self, who: str, low: _Array, high: _Array, key: Any) -> tuple[_Array, _Array]:
        """Heard ÷ detected speech of `who` in a range of each call, and where anybody speaks there. `key` names the ranges."""
        if (who, key) not in self._coverages:
            self._coverages[who, key] = self._coverage(who, low, high)
        return self._coverages[who, key]

    def _coverage(self, who: str, low: _Array, high: _Array) -> tuple[_Array, _Array]:
        c = self.columns
        counts = c.by(np.arange(len(c.roles)), who, maybe=True)
        if compiled.used():
            times = c.span_first, c.span_start, c.span_end
            total, heard = sums.heard_between(*times, c.span_role, c.span_heard, counts, low, high)
        else:
            length = np.minimum(c.span_end, high[c.span_call]) - np.maximum(c.span_start, low[c.span_call])
            length = np.where(counts[c.span_role], np.maximum(length, 0), 0)
            total = sum_by(length, c.span_first)
            heard = sum_by(np.where(c.span_heard, length, 0), c.span_first)
        call, role, start, end = self._deducted
        if len(call):
            lost = np.maximum(np.minimum(end, high[call]) - np.maximum(start, low[call]), 0)
            lost = np.where(c.by(role, who, maybe=True), lost, 0)
            heard = np.maximum(heard - np.bincount(call, lost, c.size).astype(np.int64), 0)
        some = total > 0
        return np.where(some, heard / np.maximum(total, 1), np.nan), some

    def heard_in(self, who: str, call: _Array, low: _Array, high: _Array) -> _Array:
        """Heard ÷ detected speech of `who` between `low` and `high` ms of a call, for many ranges; NaN where nobody speaks.

        As `Call.coverage` says it, of calls that are orderly.
        """
        c = self.columns
        if who not in self._speech:
            mine = c.by(c.span_role, who, maybe=True)
            heard = mine & c.span_heard
            lost_call, lost_role, lost_start, lost_end = self._deducted
            lost = c.by(lost_role.astype(np.int64), who, maybe=True)
            self._speech[who] = (
                _Stretches(c.span_call[mine], c.span_start[mine], c.span_end[mine]),
                _Stretches(c.span_call[heard], c.span_start[heard], c.span_end[heard]),
                _Stretches(lost_call[lost], lost_start[lost], lost_end[lost]),
            )
        low = np.maximum(low, 0)
        high = np.maximum(high, low)
        total, heard_ms, lost_ms = (lengths.between(call, low, high) for lengths in self._speech[who])
        return np.where(total > 0, np.maximum(heard_ms - lost_ms, 0) / np.maximum(total, 1), np.nan)

    def unheard(self, role: int | None) -> _Stretches:
        """Where a role (or anybody but tones and prompts) spoke without reliable text."""
        if role not in self._unheard:
            c = self.columns
            spans, turns = ~c.span_heard, ~self.reliable
            spans &= c.span_role != SYSTEM if role is None else c.span_role == role
            turns &= c.turn_role != SYSTEM if role is None else c.turn_role == role
            self._unheard[role] = _Stretches(
                np.concatenate((c.span_call[spans], c.turn_call[turns])),
                np.concatenate((c.span_start[spans], c.turn_start[turns])),
                np.concatenate((c.span_end[spans], c.turn_end[turns])),
            )
        return self._unheard[role]

    def range_ms(self, window: Window | None, who: str) -> tuple[_Array, _Array]:
        """Start and end of a window in each call, as `Call.range_ms` says it."""
        if (window, who) not in self._windows:
            self._windows[window, who] = self._range_ms(window, who)
        return self._windows[window, who]

    def _range_ms(self, window: Window | None, who: str) -> tuple[_Array, _Array]:
        c = self.columns
        start, end = c.bounds
        if window is None:
            return start, end
        if window.unit == "ms":
            return (start, start + window.size) if window.side == "first" else (end - window.size, end)
        who = window.of or who
        sure = c.by(c.turn_role, who)
        chosen = np.flatnonzero(np.where(any_of(sure, c.turn_first)[c.turn_call], sure, c.turn_role == UNKNOWN))
        first: _Array = np.searchsorted(chosen, c.turn_first)
        counts = np.diff(first)
        some = counts > 0
        if not len(chosen):
            return start, end
        taken = np.minimum(window.size, counts)
        if window.side == "first":
            at = np.clip(first[:-1] + taken - 1, 0, len(chosen) - 1)
            return start, np.where(some, c.turn_end[chosen[at]], end)
        at = np.clip(first[1:] - taken, 0, len(chosen) - 1)
        return np.where(some, c.turn_start[chosen[at]], start), end

    def times(self, turn: _Array, first: _Array, last: _Array) -> tuple[_Array, _Array]:
        """Start and end in ms of characters of turns, as `Turn.times` says it."""
        c = self.columns
        size = c.chars_of(turn)
        length = c.turn_end[turn] - c.turn_start[turn]
        start = c.turn_start[turn] + length * first // np.maximum(size, 1)
        end = c.turn_start[turn] + length * last // np.maximum(size, 1)
        if len(c.char_ms):
            holes = any_of(c._no_char, c.char_first)[turn]
            known = (np.diff(c.char_first)[turn] == size) & (size > 0) & ~holes
            at = c.char_first[turn]
            known_start = c.char_ms[np.minimum(at + first, len(c.char_ms) - 1)]
            known_end = c.char_ms[np.minimum(at + last, len(c.char_ms) - 1)]
            known_end = np.maximum(np.where(last < size, known_end, c.turn_end[turn]), known_start)
            start, end = np.where(known, known_start, start), np.where(known, known_end, end)
        return start, end

    def quotes(self, turn: _Array, first: _Array, last: _Array) -> Any:
        """Characters of turns' original texts, as an Arrow array of strings."""
        turns, which = np.unique(turn, return_inverse=True)
        texts = codes_of(_joined(self.columns.turn_text.take(pa.array(turns))))
        begins = np.concatenate(([0], np.cumsum(self.columns.chars_of(turns))))[which]
        sizes = last - first
        codes = texts[ranges(begins + first, sizes)]
        widths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
        ends = np.concatenate(([0], np.cumsum(widths)))[np.concatenate(([0], np.cumsum(sizes)))]
        data = codes.astype("<u4", copy=False).tobytes().decode("utf-32-le").encode()
        return pa.StringArray.from_buffers(len(turn), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data))

    # -- one call -----------------------------------------------------------------------------------------------

    def call(self, i: int) -> Call:
        """The call as `view` makes it. Raises as `view`."""
        c = self.columns
        meta = self.meta.get(c.call_ids[i])
        if c.odd[i]:
            return view(c.table.slice(i, 1).to_pylist()[0], confidence_floor=self.floor, meta=meta)
        agent, customer = bool(c.ends_silent[0][i]), bool(c.ends_silent[1][i])
        silent = {"agent"} if agent else set()
        silent |= {"customer"} if customer else set()
        return Call(
            call_id=c.call_ids[i],
            turns=self._turns(i),
            spans=self._spans(i),
            timed=True,
            cut=bool(c.cut[i]),
            silent=frozenset(silent | ({"anyone"} if agent and customer else set())),
            meta=meta,
            duration_ms=c.duration_ms[i].as_py(),
        )

    def _turns(self, i: int) -> tuple[Turn, ...]:
        c, folded = self.columns, self.folded
        a, b = int(c.turn_first[i]), int(c.turn_first[i + 1])
        at = slice(a, b)
        names = c.roles
        chars = c.char_first[a : b + 1].tolist()
        found = []
        for k, (number, channel, role, start, end, text, reliable, level) in enumerate(
            zip(
                c.turn_number[at].tolist(),
                c.turn_channel[at].tolist(),
                c.turn_role[at].tolist(),
                c.turn_start[at].tolist(),
                c.turn_end[at].tolist(),
                c.turn_text.slice(a, b - a).to_pylist(),
                self.reliable[at].tolist(),
                c.turn_level.slice(a, b - a).to_pylist(),
                strict=True,
            )
        ):
            timed = None
            if chars[k + 1] > chars[k] and not c._no_char[chars[k] : chars[k + 1]].any():
                timed = tuple(c.char_ms[chars[k] : chars[k + 1]].tolist())
            turn = object.__new__(_LaterTurn)
            turn.__dict__.update(
                number=number,
                role=names[role],
                channel=None if channel == _NO_CHANNEL else channel,
                start_ms=start,
                end_ms=end,
                text=text,
                reliable=reliable,
                char_ms=timed,
                level_dbfs=level,
                folded=folded,
                place=a + k,
            )
            found.append(turn)
        return tuple(found)

    def _spans(self, i: int) -> tuple[Span, ...]:
        c = self.columns
        at = slice(c.span_first[i], c.span_first[i + 1])
        names = c.roles
        found = []
        for role, channel, start, end, heard in zip(
            c.span_role[at].tolist(),
            c.span_channel[at].tolist(),
            c.span_start[at].tolist(),
            c.span_end[at].tolist(),
            c.span_heard[at].tolist(),
            strict=True,
        ):
            span = object.__new__(Span)
            place = None if channel == _NO_CHANNEL else channel
            span.__dict__.update(role=names[role], channel=place, start_ms=start, end_ms=end, heard=heard)
            found.append(span)
        return tuple(found)


class _LaterTurn(Turn):
    """A turn whose normal form is taken out of the batch's when it is asked for: of most turns nobody asks."""

    folded: Folded
    place: int

    @cached_property
    def normal(self) -> Normal:
        if len(self.text) > MAX_TURN_CHARS:
            return normal(self.text[:MAX_TURN_CHARS])
        if self.folded.known is not None and not self.folded.known[self.place]:
            return normal(self.text)
        later = object.__new__(_LaterNormal)
        later.__dict__.update(folded=self.folded, place=self.place)
        return later


class _LaterNormal(Normal):
    """A normal form whose text and ways back are taken out of the batch's when they are asked for."""

    folded: Folded
    place: int

    @cached_property
    def text(self) -> str:
        return self.folded.text(self.place)

    @cached_property
    def _ways(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        at = np.arange(len(self.text))
        starts, ends = self.folded.original(np.full(len(at), self.place), at, at + 1)
        return tuple(starts.tolist()), tuple(ends.tolist())

    @property
    def starts(self) -> tuple[int, ...]:
        return self._ways[0]

    @property
    def ends(self) -> tuple[int, ...]:
        return self._ways[1]

    def original(self, start: int, end: int) -> tuple[int, int]:
        return self.folded.original_of(self.place, start, end)
