"""What the columns of a batch already decide: for each call which verdicts a condition can still have.

Most rules miss most calls, and that can be seen without looking at a call: the words are not there, nobody was silent for
so long. What is left open goes to the evaluators of single calls (`qc.scan.conditions`), which alone say what a
condition means; a bound here may be too wide, never too narrow, and `tests/scan` holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qc.packs.conditions import (
    AllOf,
    AnyOf,
    AtLeast,
    Beside,
    Condition,
    Interruption,
    Near,
    NeverSays,
    Not,
    NotNear,
    Reply,
    Says,
    Silence,
    Term,
    Then,
    Window,
)
from qc.scan.columns import SYSTEM, UNKNOWN, Batch, any_of
from qc.scan.finding import NOTHING, Found
from qc.scan.places import MAX_PLACES
from qc.scan.timing import JOIN_MS

MISS, UNDECIDED, HIT = 1, 2, 4
OPEN = MISS | UNDECIDED | HIT
REASONS = ("", "no_speech", "not_heard", "truncated")
_FAR = 1 << 44

_Array = Any


@dataclass
class State:
    """For each call of a batch the verdicts that a condition can have there.

    `plain`: it is undecided, and rests on nothing but `coverage` (NaN: none) and `why` (an index of `REASONS`). `rows`:
    where given, every place that the condition can rest on.
    """

    bits: _Array
    plain: _Array
    coverage: _Array
    why: _Array
    rows: Rows | None = None


@dataclass
class Rows:
    """Places of words of a batch: turn of the batch, characters of its normal form, and whether they certainly count.

    `start_ms`, `end_ms`, `first`, `last`: times and characters of the original text.
    """

    turn: _Array
    start: _Array
    end: _Array
    sure: _Array
    first: _Array
    last: _Array
    start_ms: _Array
    end_ms: _Array

    def __len__(self) -> int:
        return len(self.turn)

    def take(self, chosen: _Array) -> Rows:
        """Some of them."""
        return Rows(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


class Bounds:
    """Bounds for one batch and what was found in it."""

    def __init__(self, batch: Batch, found: Mapping[Term, Found], coverage_floor: float) -> None:
        self.batch, self.found, self.coverage_floor = batch, found, coverage_floor
        self.columns = batch.columns
        self.size = batch.columns.size
        self.blind = batch.columns.odd | batch.columns.cut
        """Calls of which only the evaluators of single calls know anything."""
        self._gaps_of: dict[bool, Any] = {}

    def of(self, condition: Condition) -> State:
        """The condition's bounds."""
        rule = _RULES.get(type(condition))
        state = self.open() if rule is None else rule(self, condition)
        state.bits = np.where(self.blind, OPEN, state.bits).astype(np.uint8)
        state.plain &= ~self.blind
        return state

    def open(self, bits: Any = OPEN) -> State:
        """Nothing is known, or only these bits."""
        full = np.broadcast_to(np.asarray(bits, np.uint8), (self.size,)).copy()
        none = np.zeros(self.size, bool)
        return State(full, none, np.full(self.size, np.nan), np.zeros(self.size, np.int8))

    # -- words --------------------------------------------------------------------------------------------------

    def places(self, condition: Says | NeverSays) -> Rows:
        """Every place that counts or may count, in order of turn, start, and the longest first; windows left out."""
        found = self._of(condition.terms)
        if len(found) and condition.except_:
            found = outside(found, self._of(condition.except_))
        c, turn = self.columns, found.turn
        kept = self.batch.reliable[turn] & c.by(c.turn_role[turn], condition.who, maybe=True)
        turn, start, end = turn[kept], found.start[kept], found.end[kept]
        first, last = c.folded.original(turn, start, end) if len(turn) else (turn, turn)
        start_ms, end_ms = self.batch.times(turn, first, last)
        return Rows(turn, start, end, c.by(c.turn_role[turn], condition.who), first, last, start_ms, end_ms)

    def _of(self, terms: Sequence[Term]) -> Found:
        listed = [self.found[term] for term in terms if term in self.found]
        if not listed:
            return NOTHING
        turn = np.concatenate([f.turn for f in listed])
        start = np.concatenate([f.start for f in listed])
        end = np.concatenate([f.end for f in listed])
        order = np.lexsort((-end, start, turn))
        return Found(turn[order], start[order], end[order])

    def says(self, condition: Says | NeverSays) -> State:
        """`says` of the words, for `never_says` as well (which is its opposite)."""
        window = condition.window
        if isinstance(window, Beside):
            return self._beside(condition, window)
        state = self.not_found(condition.who, window)
        rows = self.places(condition)
        if window is not None and len(rows):
            low, high = self.batch.range_ms(window, condition.who)
            call = self.columns.turn_call[rows.turn]
            rows = rows.take(~((rows.end_ms < low[call]) | (rows.start_ms >= high[call])))
        state.rows = rows
        call = self.columns.turn_call[rows.turn]
        count = np.bincount(call, minlength=self.size)
        sure = np.bincount(call[rows.sure], minlength=self.size)
        if isinstance(condition, Says):
            need = len(condition.terms) if condition.need == -1 else condition.need
            least = max(need, condition.times)
            hit = sure >= 1 if least <= 1 and not condition.unless else np.zeros(self.size, bool)
            some = (count >= least) & (count > 0)
        else:
            hit, some = sure >= 1, count > 0
        state.bits = np.where(hit, HIT, np.where(some, OPEN, state.bits)).astype(np.uint8)
        state.plain &= ~some
        return state

    def never_says(self, condition: NeverSays) -> State:
        """The opposite of `says`; beside another condition it is no opposite: where that does not happen both miss."""
        state = self.says(condition)
        return state if isinstance(condition.window, Beside) else self.negated(state)

    def not_found(self, who: str, window: Window | None) -> State:
        """What it means that something was found nowhere in the window."""
        c = self.columns
        low, high = self.batch.range_ms(window, who)
        coverage, some = self.batch.coverage(who, low, high, window)
        silent = c.silent(who)
        poor = some & ~silent
        poor[poor] &= coverage[poor] < self.coverage_floor
        state = self.open(np.where(silent | poor, UNDECIDED, MISS))
        state.plain = silent | poor
        state.coverage = np.where(silent, np.nan, coverage)
        state.why = np.where(silent, 1, np.where(poor, 2, 0)).astype(np.int8)
        return state

    def _beside(self, condition: Says | NeverSays, window: Beside) -> State:
        anchor = self.of(window.anchor)
        state = self.open(np.where(anchor.bits == MISS, MISS, OPEN))
        if isinstance(condition, Says) and anchor.rows is not None and window.which != "every":
            few = self._few(anchor.rows)
            lacking = np.bincount(self.columns.turn_call[self.places(condition).turn], minlength=self.size) == 0
            state.bits[self.batch.clean & few & lacking] = MISS
        undecided = anchor.bits == UNDECIDED
        state.bits[undecided] = UNDECIDED
        state.plain = anchor.plain & undecided
        state.coverage, state.why = anchor.coverage, anchor.why
        return state

    def _few(self, rows: Rows) -> _Array:
        return np.bincount(self.columns.turn_call[rows.turn], minlength=self.size) <= MAX_PLACES

    # -- combining ----------------------------------------------------------------------------------------------

    def negated(self, state: State) -> State:
        """not."""
        bits = state.bits
        swapped = (bits & UNDECIDED) | np.where(bits & MISS, HIT, 0) | np.where(bits & HIT, MISS, 0)
        return State(swapped.astype(np.uint8), state.plain, state.coverage, state.why)

    def together(self, parts: Sequence[State], strong: int, weak: int) -> State:
        """all (a miss is strong) or any (a hit is strong)."""
        state = self.open()
        bits = np.stack([part.bits for part in parts])
        can_strong = (bits & strong).any(axis=0)
        must_strong = (bits == strong).any(axis=0)
        all_weak_or_less = ((bits & weak) != 0).all(axis=0)
        can_undecided = (bits & UNDECIDED).any(axis=0) & ((bits & (UNDECIDED | weak)) != 0).all(axis=0)
        found = np.where(can_strong, strong, 0) | np.where(can_undecided, UNDECIDED, 0) | np.where(all_weak_or_less, weak, 0)
        state.bits = np.where(must_strong, strong, found).astype(np.uint8)
        plain = np.stack([part.plain for part in parts])
        # undecided and nothing to show: every part is plainly undecided or a miss
        missing = bits == MISS
        state.plain = (state.bits == UNDECIDED) & (plain | missing).all(axis=0) & plain.any(axis=0)
        coverage = np.where(plain, np.stack([part.coverage for part in parts]), np.nan)
        state.coverage = np.fmin.reduce(coverage, axis=0)
        why = np.stack([part.why for part in parts])
        which = np.argmax(plain & (why > 0), axis=0)
        state.why = np.take_along_axis(why, which[None], axis=0)[0]
        return state

    def at_least(self, condition: AtLeast) -> State:
        """At least so many."""
        bits = np.stack([self.of(part).bits for part in condition.parts])
        least, most = (bits == HIT).sum(axis=0), ((bits & HIT) != 0).sum(axis=0)
        possible = ((bits & (HIT | UNDECIDED)) != 0).sum(axis=0)
        found = np.where(most >= condition.count, HIT, 0) | np.where(
            (least < condition.count) & (possible >= condition.count), UNDECIDED, 0
        )
        certain = ((bits & ~np.uint8(MISS)) == bits).sum(axis=0)  # hit or undecided, whatever comes
        found |= np.where(certain < condition.count, MISS, 0)
        return self.open(found)

    # -- beside one another -------------------------------------------------------------------------------------

    def near(self, condition: Near | NotNear) -> State:
        """Both have to be there; where all was heard, also not too far apart."""
        first, second = self.of(condition.first), self.of(condition.second)
        state = self.open(np.where(first.bits == MISS, MISS, OPEN))
        if isinstance(condition, Near):
            state.bits[(first.bits == UNDECIDED) & (second.bits == MISS)] = MISS
            if first.rows is not None and second.rows is not None and self._simple(condition.first, condition.second):
                far = self.batch.clean & self._few(first.rows) & ~self._meet(first.rows, second.rows, condition)
                state.bits[far] = MISS
            told = (first.bits == UNDECIDED) & ((second.bits & MISS) == 0)
        else:
            told = first.bits == UNDECIDED
        state.bits[told] = UNDECIDED
        state.plain = told & first.plain
        state.coverage, state.why = first.coverage, first.why
        return state

    def _simple(self, *conditions: Condition) -> bool:
        """Words that each place says for itself."""
        return all(isinstance(c, Says) and c.need == 1 and c.times == 1 for c in conditions)

    def _meet(self, first: Rows, second: Rows, condition: Near | NotNear) -> _Array:
        """Calls in which a place of the first may be so near to one of the second."""
        marks = np.zeros(self.size, bool)
        call = self.columns.turn_call
        if not len(first) or not len(second):
            return marks
        if condition.gap.unit == "turns":
            marks[np.intersect1d(call[first.turn], call[second.turn])] = True
        elif condition.gap.unit == "chars":
            marks[call[np.intersect1d(first.turn, second.turn)]] = True
        else:
            gap = condition.gap.size
            starts = np.sort(call[second.turn] * _FAR + second.start_ms)
            longest = int((second.end_ms - second.start_ms).max())
            here = call[first.turn]
            low = np.searchsorted(starts, here * _FAR + np.maximum(first.start_ms - gap - longest, 0))
            high = np.searchsorted(starts, here * _FAR + first.end_ms + gap, side="right")
            marks[here[high > low]] = True
        return marks

    def then(self, condition: Then) -> State:
        """Every step has to be there; where all was heard, one after the other."""
        states = [self.of(step.condition) for step in condition.steps]
        missing = np.stack([state.bits == MISS for state in states]).any(axis=0)
        certain = np.stack([(state.bits & MISS) == 0 for state in states]).all(axis=0)
        state = self.open(np.where(missing, MISS, OPEN))
        if self._simple(*(step.condition for step in condition.steps)):
            rows = [s.rows for s in states if s.rows is not None]
            if len(rows) == len(states):
                few = np.stack([self._few(r) for r in rows]).all(axis=0)
                state.bits[self.batch.clean & few & ~self._in_order(rows)] = MISS
        told = (states[0].bits == UNDECIDED) & certain & ~missing
        state.bits[told] = UNDECIDED
        state.plain = told & states[0].plain
        state.coverage, state.why = states[0].coverage, states[0].why
        return state

    def _in_order(self, steps: Sequence[Rows]) -> _Array:
        """Calls in which each step may begin when the one before is over."""
        over = np.full(self.size, -_FAR)
        for rows in steps:
            call = self.columns.turn_call[rows.turn]
            fits = rows.start_ms >= over[call]
            after = np.full(self.size, _FAR)
            np.minimum.at(after, call[fits], rows.end_ms[fits])
            over = after
        return over < _FAR

    # -- time ---------------------------------------------------------------------------------------------------

    def silence(self, condition: Silence) -> State:
        """A miss where no gap is so long, whether or not what was not heard was speech."""
        c = self.columns
        marks = np.zeros(self.size, bool)
        for heard_only in (False, True):
            call, length, before, after = self._gaps(heard_only)
            fits = length > condition.longer_than_ms
            fits &= c.by(after, condition.before, maybe=True) & c.by(before, condition.after, maybe=True)
            marks |= np.bincount(call[fits], minlength=self.size) > 0
        return self.open(np.where(marks, OPEN, MISS))

    def _gaps(self, heard_only: bool) -> tuple[_Array, _Array, _Array, _Array]:
        """(call, ms, role before, role after) of stretches in which nobody speaks."""
        if heard_only not in self._gaps_of:
            self._gaps_of[heard_only] = self._find_gaps(heard_only)
        found: tuple[_Array, _Array, _Array, _Array] = self._gaps_of[heard_only]
        return found

    def _find_gaps(self, heard_only: bool) -> tuple[_Array, _Array, _Array, _Array]:
        c = self.columns
        chosen = np.flatnonzero(c.span_heard) if heard_only else np.arange(len(c.span_call))
        order = chosen[np.lexsort((c.span_end[chosen], c.span_start[chosen], c.span_call[chosen]))]
        call, start, role = c.span_call[order], c.span_start[order], c.span_role[order]
        if len(order) < 2:
            empty = np.zeros(0, np.int64)
            return empty, empty, empty, empty
        ends = call * _FAR + c.span_end[order]
        latest = np.maximum.accumulate(ends)
        # who ended last: the first that reached the latest end
        fresh = np.concatenate(([True], ends[1:] > latest[:-1]))
        last = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
        length = start[1:] - (latest[:-1] - call[1:] * _FAR)
        before, after = role[last[:-1]], role[1:]
        kept = (call[1:] == call[:-1]) & (length > 0) & (before != SYSTEM) & (after != SYSTEM)
        return call[1:][kept], length[kept], before[kept], after[kept]

    def reply(self, condition: Reply) -> State:
        """A miss where nobody waits so long, whether or not what was not heard is speech, whoever it is that is not known."""
        marks = np.zeros(self.size, bool)
        for heard_only in (False, True):
            for unknown_answers in (False, True):
                marks |= self._late(condition, heard_only, unknown_answers)
        return self.open(np.where(marks, OPEN, MISS))

    def _late(self, condition: Reply, heard_only: bool, unknown_answers: bool) -> _Array:
        """Calls in which an answer comes late, if this is all the speech there is."""
        c = self.columns
        order = np.flatnonzero((c.span_role != SYSTEM) & (c.span_heard | (not heard_only)))
        order = order[np.lexsort((c.span_end[order], c.span_start[order], c.span_call[order]))]
        call, start = c.span_call[order], c.span_start[order]
        answered = c.by(c.span_role[order], condition.by, maybe=unknown_answers)
        # since the last answer: the latest end of what the others said
        part = np.cumsum(answered) - answered + np.cumsum(np.diff(call, prepend=-1) != 0)
        ends = np.where(answered, part * _FAR, part * _FAR + 1 + c.span_end[order])
        latest = np.maximum.accumulate(ends)
        waited = start[1:] - (latest[:-1] - part[1:] * _FAR - 1)
        waiting = (latest[:-1] > part[1:] * _FAR) & answered[1:]
        late = waiting & (waited > condition.longer_than_ms)
        return np.bincount(call[1:][late], minlength=self.size) > 0

    def interruption(self, condition: Interruption) -> State:
        """A miss where no two pieces of speech lie over each other for so long."""
        c = self.columns
        order = np.lexsort((c.span_end, c.span_start, c.span_role, c.span_channel, c.span_call))
        call, start, end = c.span_call[order], c.span_start[order], c.span_end[order]
        if not len(order):
            return self.open()
        role, channel = c.span_role[order], c.span_channel[order]
        other = (np.diff(call) != 0) | (np.diff(role) != 0) | (np.diff(channel) != 0)
        group = np.concatenate(([0], np.cumsum(other)))
        latest = np.maximum.accumulate(group * _FAR + end) - group * _FAR
        fresh = np.concatenate(([True], other | (start[1:] - latest[:-1] > JOIN_MS)))
        at = np.flatnonzero(fresh)
        piece_end = np.maximum.reduceat(end, at)
        call, start = call[at], start[at]
        order = np.lexsort((piece_end, start, call))
        call, start, piece_end = call[order], start[order], piece_end[order]
        latest = np.maximum.accumulate(call * _FAR + piece_end) - call * _FAR
        over = np.minimum(piece_end[1:], latest[:-1]) - start[1:]
        fits = (call[1:] == call[:-1]) & (over >= condition.overlap_ms)
        marks = np.bincount(call[1:][fits], minlength=self.size) > 0
        marks |= any_of(c.span_role == UNKNOWN, c.span_first)  # one channel for all hides who speaks over whom
        return self.open(np.where(marks, OPEN, MISS))


def outside(found: Found, longer: Found) -> Found:
    """Places that lie in none of the longer ones."""
    if not len(longer):
        return found
    order = np.lexsort((longer.start, longer.turn))
    turn, start = longer.turn[order], longer.start[order]
    reach = np.maximum.accumulate(turn * _FAR + longer.end[order])
    at = np.searchsorted(turn * _FAR + start, found.turn * _FAR + found.start, side="right") - 1
    inside = (at >= 0) & (found.turn * _FAR + found.end <= reach[np.maximum(at, 0)])
    return Found(found.turn[~inside], found.start[~inside], found.end[~inside])


_RULES: dict[type, Callable[[Bounds, Any], State]] = {
    Says: Bounds.says,
    NeverSays: Bounds.never_says,
    AllOf: lambda bounds, c: bounds.together([bounds.of(part) for part in c.parts], MISS, HIT),
    AnyOf: lambda bounds, c: bounds.together([bounds.of(part) for part in c.parts], HIT, MISS),
    Not: lambda bounds, c: bounds.negated(bounds.of(c.part)),
    AtLeast: Bounds.at_least,
    Near: Bounds.near,
    NotNear: Bounds.near,
    Then: Bounds.then,
    Silence: Bounds.silence,
    Reply: Bounds.reply,
    Interruption: Bounds.interruption,
}
