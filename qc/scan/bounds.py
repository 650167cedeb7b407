"""What the columns of a batch already decide: for each call which verdicts a condition can still have.

Most rules miss most calls, and that can be seen without looking at a call: the words are not there, nobody was silent for
so long. What is left open goes to the evaluators of single calls (`qc.scan.conditions`), which alone say what a
condition means; a bound here may be too wide, never too narrow, and `tests/scan` holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from qc.packs.conditions import (
    AllOf,
    AnyOf,
    AtLeast,
    Beside,
    Condition,
    Gap,
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
from qc.scan.folding import ranges
from qc.scan.places import MAX_PLACES
from qc.scan.timing import JOIN_MS
from qc.scan.view import STRETCH_GAP_MS

MISS, UNDECIDED, HIT = 1, 2, 4
OPEN = MISS | UNDECIDED | HIT
REASONS = ("", "no_speech", "not_heard", "truncated", "unless_not_heard", "unknown_role")
_FAR = 1 << 44

_Array = Any


@dataclass
class State:
    """For each call of a batch the verdicts that a condition can have there.

    `plain`: it is undecided, and rests on nothing but `coverage` (NaN: none) and `why` (an index of `REASONS`). `rows`:
    where given, every place that the condition can rest on. `shown`: what a hit, or what is undecided, shows; complete
    where `told`. `unclear`: undecided for certain where this is a rule's whole condition, and `shown` shows it.
    """

    bits: _Array
    plain: _Array
    coverage: _Array
    why: _Array
    rows: Rows | None = None
    told: Any = None
    shown: Callable[[Any], Shown] | None = None
    unclear: Any = None


@dataclass
class Shown:
    """Evidence, in order of call and then as it is shown. `turn` -1: no turn, and no characters then."""

    call: _Array
    start_ms: _Array
    end_ms: _Array
    role: _Array
    turn: _Array
    first: _Array
    last: _Array

    def __len__(self) -> int:
        return len(self.call)

    def take(self, chosen: _Array) -> Shown:
        """Some of it."""
        return Shown(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def and_(self, other: Shown) -> Shown:
        """This and the other, one after the other."""
        return Shown.all_of([self, other])

    @classmethod
    def all_of(cls, parts: Sequence[Shown]) -> Shown:
        """All of them, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    @classmethod
    def spans(cls, call: _Array, start_ms: _Array, end_ms: _Array, role: _Array) -> Shown:
        """Evidence that lies in no turn."""
        none = np.full(len(call), -1)
        return cls(call, start_ms, end_ms, role, none, none, none)


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


@dataclass
class _Gaps:
    """Stretches in which nobody speaks, in order of call and start; the roles of those who spoke before and after."""

    call: _Array
    start: _Array
    end: _Array
    before: _Array
    after: _Array

    def take(self, chosen: _Array) -> _Gaps:
        """Some of them."""
        return _Gaps(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def and_(self, other: _Gaps) -> _Gaps:
        """These and the others, one after the other."""
        return _Gaps(*(np.concatenate((getattr(self, n), getattr(other, n))) for n in self.__dataclass_fields__))


class Bounds:
    """Bounds for one batch and what was found in it."""

    def __init__(self, batch: Batch, found: Mapping[Term, Found], coverage_floor: float) -> None:
        self.batch, self.found, self.coverage_floor = batch, found, coverage_floor
        self.columns = batch.columns
        self.size = batch.columns.size
        self.blind = batch.columns.odd | batch.columns.cut
        """Calls of which only the evaluators of single calls know anything."""
        self._not_found_of: dict[tuple[str, Window | None], tuple[_Array, _Array, _Array, _Array]] = {}
        self._gaps_of: dict[bool, Any] = {}
        self._orders: dict[tuple[bool, bool], Any] = {}

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
        first, last = self.batch.folded.original(turn, start, end) if len(turn) else (turn, turn)
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
        heard = np.zeros(self.size, bool)
        if isinstance(condition, Says) and condition.unless and len(rows):
            heard = self.batch.orderly
            rows = rows.take(~(heard[self.columns.turn_call[rows.turn]] & self._excused(rows, condition.unless)))
            unheard, unclear = self._excuse_unheard(rows)
            rows = replace(rows, sure=rows.sure & ~unheard)
            heard = heard & ~unclear
        state.rows = rows
        call = self.columns.turn_call[rows.turn]
        count = np.bincount(call, minlength=self.size)
        sure = np.bincount(call[rows.sure], minlength=self.size)
        if isinstance(condition, Says):
            need = len(condition.terms) if condition.need == -1 else condition.need
            least = max(need, condition.times)
            hit = (sure >= 1) & (least <= 1) & (heard | (not condition.unless))
            some = (count >= least) & (count > 0)
            if least <= 1 and not condition.unless:  # nobody knows who said it
                state.unclear = some & ~hit & ~self.blind
        else:
            hit, some = sure >= 1, count > 0
        state.bits = np.where(hit, HIT, np.where(some, OPEN, state.bits)).astype(np.uint8)
        state.plain &= ~some
        state.told = state.bits == HIT
        state.coverage = np.where(state.told, np.nan, state.coverage)
        unclear = state.unclear if state.unclear is not None else np.zeros(self.size, bool)
        state.shown = lambda calls: self._words(rows, calls, unclear)
        return state

    def _words(self, rows: Rows, calls: _Array, unclear: _Array) -> Shown:
        """What certain places in these calls (bool [calls]) show: occurrences, those that overlap once. Where `unclear`, all do."""
        call = self.columns.turn_call[rows.turn]
        rows = apart_rows(rows.take((rows.sure | unclear[call]) & calls[call]))
        return self._as_shown(rows)

    def _as_shown(self, rows: Rows) -> Shown:
        c = self.columns
        return Shown(c.turn_call[rows.turn], rows.start_ms, rows.end_ms, c.turn_role[rows.turn], rows.turn, rows.first, rows.last)

    def _excused(self, rows: Rows, unless: Sequence[Term]) -> _Array:
        """Places whose stretch of speech also says one of `unless`, in calls that were heard."""
        said = self._of(unless)
        said_in = self._stretches[said.turn[self.batch.reliable[said.turn]]]
        return np.isin(self._stretches[rows.turn], said_in)

    def _excuse_unheard(self, rows: Rows) -> tuple[_Array, _Array]:
        """Places in whose stretch an excuse may not have been heard; and calls of which that cannot be said here."""
        c = self.columns
        first = self._stretches[rows.turn]
        last = np.searchsorted(self._stretches, first, side="right") - 1
        end = c.turn_end[last] + STRETCH_GAP_MS
        after = np.minimum(last + 1, len(c.turn_call) - 1)
        followed = (last + 1 < len(c.turn_call)) & (c.turn_call[after] == c.turn_call[last])
        end = np.where(followed, np.minimum(end, np.maximum(c.turn_start[after], c.turn_end[last])), end)
        call, start, role = c.turn_call[rows.turn], c.turn_start[first], c.turn_role[rows.turn]
        marks = np.zeros(len(rows), bool)
        for value in np.unique(role).tolist():
            mine = role == value
            marks[mine] = self.batch.unheard(value).touch(call[mine], start[mine], end[mine])
        unclear = np.zeros(self.size, bool)
        unclear[call[start >= end]] = True
        return marks, unclear

    @cached_property
    def _stretches(self) -> _Array:
        """For each turn of the batch the first turn of its stretch, as `Call.stretches` says it."""
        c = self.columns
        if not len(c.turn_call):
            return c.turn_call
        joined = (np.diff(c.turn_call) == 0) & (np.diff(c.turn_role) == 0)
        joined &= c.turn_start[1:] - c.turn_end[:-1] <= STRETCH_GAP_MS
        return np.maximum.accumulate(np.where(np.concatenate(([False], joined)), 0, np.arange(len(c.turn_call))))

    def never_says(self, condition: NeverSays) -> State:
        """The opposite of `says`; beside another condition it is no opposite: where that does not happen both miss."""
        state = self.says(condition)
        return state if isinstance(condition.window, Beside) else self.negated(state)

    def not_found(self, who: str, window: Window | None) -> State:
        """What it means that something was found nowhere in the window."""
        if (who, window) not in self._not_found_of:
            self._not_found_of[who, window] = self._not_found(who, window)
        return State(*(values.copy() for values in self._not_found_of[who, window]))

    def _not_found(self, who: str, window: Window | None) -> tuple[_Array, _Array, _Array, _Array]:
        """Bits, plain, coverage, why."""
        low, high = self.batch.range_ms(window, who)
        coverage, some = self.batch.coverage(who, low, high, window)
        silent = self.columns.silent(who)
        poor = some & ~silent
        poor[poor] &= coverage[poor] < self.coverage_floor
        bits = np.where(silent | poor, UNDECIDED, MISS).astype(np.uint8)
        why = np.where(silent, 1, np.where(poor, 2, 0)).astype(np.int8)
        return bits, silent | poor, np.where(silent, np.nan, coverage), why

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
        """Both have to be there; of words also not too far apart, and what lies around them heard."""
        first, second = self.of(condition.first), self.of(condition.second)
        state = self.open(np.where(first.bits == MISS, MISS, OPEN))
        if isinstance(condition, Near):
            state.bits[(first.bits == UNDECIDED) & (second.bits == MISS)] = MISS
            told = (first.bits == UNDECIDED) & ((second.bits & MISS) == 0)
        else:
            told = first.bits == UNDECIDED
        state.bits[told] = UNDECIDED
        state.plain = told & first.plain
        state.coverage, state.why = first.coverage, first.why
        if first.rows is not None and second.rows is not None and self._simple(condition.first, condition.second):
            assert isinstance(condition.first, Says)
            doubt = self.not_found(condition.first.who, None).plain
            self._pairs(condition, (first.rows, doubt), second.rows, state)
        return state

    def _pairs(self, condition: Near | NotNear, places: tuple[Rows, _Array], second: Rows, state: State) -> None:
        """Decide orderly calls: each place of the first with those of the second around it, and what was heard there.

        `places`: those of the first, and the calls in which there may be more of them.
        """
        first, doubt = places
        call = self.columns.turn_call
        here = np.bincount(call[first.turn], minlength=self.size)
        decided = self.batch.orderly & (here > 0) & (here <= MAX_PLACES)
        if condition.gap.unit == "chars":
            near = np.zeros(self.size, bool)
            near[call[np.intersect1d(first.turn, second.turn)]] = True
            if isinstance(condition, Near):
                self._settle(state, decided & ~near, ~doubt, None)
            return
        decided &= ~self._overlapping(second)
        first = apart_rows(first.take(decided[call[first.turn]]))
        second = second.take(decided[call[second.turn]])
        who = getattr(condition.second, "who", "anyone")
        low, high = self._zones(first, condition.gap, who)
        one, two = self._held(first, second, low, high)
        at = call[first.turn]
        heard = self.batch.heard_in(who, at, low, high)
        there = np.zeros(len(first), bool)
        there[one] = True
        unsure = ~there & (heard < self.coverage_floor)
        counted = there if isinstance(condition, Near) else ~there & ~unsure
        hit, maybe = (np.bincount(at[marks], minlength=self.size) > 0 for marks in (counted, unsure))
        chosen = np.where(hit[at], counted, unsure)
        shown = self._as_shown(first.take(chosen))
        if isinstance(condition, Near):
            shown = shown.and_(self._as_shown(second.take(np.unique(two))))
        shown, tied = in_order(shown)
        decided[tied] = False
        weighed = chosen | ~(hit | maybe)[at]
        if isinstance(condition, Near):
            weighed &= ~hit[at]
        else:
            weighed &= ~there
        self._settle(state, decided, ~(hit | maybe | doubt), least(heard[weighed], at[weighed], self.size))
        state.bits[decided & hit] = HIT
        state.told = decided & (hit | maybe)
        state.plain &= ~state.told
        state.shown = lambda calls: shown.take(calls[shown.call])

    def _settle(self, state: State, decided: _Array, missed: _Array, coverage: _Array | None) -> None:
        """These calls are a miss, or else plainly undecided because not all was heard."""
        state.bits[decided] = np.where(missed, MISS, UNDECIDED)[decided]
        state.plain = np.where(decided, ~missed, state.plain)
        state.coverage = np.where(decided, np.nan if coverage is None else coverage, state.coverage)
        state.why = np.where(decided, REASONS.index("not_heard"), state.why).astype(np.int8)

    def _overlapping(self, rows: Rows) -> _Array:
        """Calls in which places overlap."""
        marks = np.zeros(self.size, bool)
        touching = (np.diff(rows.turn) == 0) & (rows.start[1:] < rows.end[:-1])
        marks[self.columns.turn_call[rows.turn[1:][touching]]] = True
        return marks

    def _zones(self, rows: Rows, gap: Gap, who: str) -> tuple[_Array, _Array]:
        """Start and end in ms of what lies around each place (`qc.scan.places.zone_beside`)."""
        c = self.columns
        if gap.unit == "ms":
            return rows.start_ms - gap.size, rows.end_ms + gap.size
        call = c.turn_call[rows.turn]
        low = np.minimum(c.bounds[0][call], rows.start_ms)
        high = np.maximum(c.bounds[1][call], rows.end_ms) + 1
        listed = np.flatnonzero(c.by(c.turn_role, who))
        if not len(listed):
            return low, high
        before = np.searchsorted(listed, rows.turn) - gap.size
        after = np.searchsorted(listed, rows.turn, side="right") + gap.size - 1
        from_ = listed[np.clip(before, 0, len(listed) - 1)]
        to = listed[np.clip(after, 0, len(listed) - 1)]
        low = np.where((before >= 0) & (c.turn_call[from_] == call), c.turn_start[from_], low)
        high = np.where((after < len(listed)) & (c.turn_call[to] == call), c.turn_end[to], high)
        return low, np.maximum(low, high)

    def _held(self, first: Rows, second: Rows, low: _Array, high: _Array) -> tuple[_Array, _Array]:
        """Pairs (number in first, number in second) where the second lies in the zone around the first, its own words left out."""
        call = self.columns.turn_call
        order = np.argsort(call[second.turn] * _FAR + second.start_ms, kind="stable")
        keys = (call[second.turn] * _FAR + second.start_ms)[order]
        longest = int((second.end_ms - second.start_ms).max()) if len(second) else 0
        here = call[first.turn] * _FAR
        a = np.searchsorted(keys, here + np.maximum(low - longest, 0))
        b = np.maximum(np.searchsorted(keys, here + np.maximum(high, 0)), a)
        one = np.repeat(np.arange(len(first)), b - a)
        two = order[ranges(a, b - a)]
        timely = (second.start_ms[two] < high[one]) & (second.end_ms[two] > low[one])
        beside = (second.first[two] >= first.last[one]) | (second.last[two] <= first.first[one])
        held = timely & ((second.turn[two] != first.turn[one]) | beside)
        return one[held], two[held]

    def _simple(self, *conditions: Condition) -> bool:
        """Words that each place says for itself, wherever it is."""
        return all(isinstance(c, Says) and c.need == 1 and c.times == 1 and not c.unless and c.window is None for c in conditions)

    def then(self, condition: Then) -> State:
        """Every step has to be there; of words one after the other, and what comes after them heard."""
        states = [self.of(step.condition) for step in condition.steps]
        missing = np.stack([state.bits == MISS for state in states]).any(axis=0)
        certain = np.stack([(state.bits & MISS) == 0 for state in states]).all(axis=0)
        state = self.open(np.where(missing, MISS, OPEN))
        told = (states[0].bits == UNDECIDED) & certain & ~missing
        state.bits[told] = UNDECIDED
        state.plain = told & states[0].plain
        state.coverage, state.why = states[0].coverage, states[0].why
        chars = any(step.gap is not None and step.gap.unit == "chars" for step in condition.steps)
        if self._simple(*(step.condition for step in condition.steps)) and not chars:
            rows = [s.rows for s in states if s.rows is not None]
            if len(rows) == len(states):
                self._chains(condition, rows, missing, state)
        return state

    def _chains(self, condition: Then, rows: Sequence[Rows], missing: _Array, state: State) -> None:
        """Decide orderly calls, as `qc.scan.places.then` does: from each place to those in the zone after it, step by step."""
        call = self.columns.turn_call
        counts = [np.bincount(call[r.turn], minlength=self.size) for r in rows]
        decided = self.batch.orderly & ~missing & (counts[0] > 0)
        for found, count in zip(rows, counts, strict=True):
            decided &= count <= MAX_PLACES
            if found is not rows[0]:
                decided &= ~self._overlapping(found)
        if not decided.any():
            return
        first = condition.steps[0].condition
        assert isinstance(first, Says)
        doubt = self.not_found(first.who, None).plain.copy()
        places = apart_rows(rows[0].take(decided[call[rows[0].turn]]))
        # the chain of each place: its number in the places of each step up to here
        chains = [np.arange(len(places))]
        walked = [places]
        last = places
        for step, found in zip(condition.steps[1:], rows[1:], strict=True):
            who = getattr(step.condition, "who", "anyone")
            found = found.take(decided[call[found.turn]])
            end = self._zone_after(last, step.gap, who)
            at = call[last.turn]
            doubt[at[self.batch.heard_in(who, at, last.end_ms, end) < self.coverage_floor]] = True
            one, two = self._following(last, found, end)
            reached, first_pair = np.unique(two, return_index=True)
            order = np.argsort(first_pair, kind="stable")
            by = one[first_pair[order]]
            chains = [numbers[by] for numbers in chains] + [reached[order]]
            walked.append(found)
            last = found.take(reached[order])
        hit = np.bincount(call[last.turn], minlength=self.size) > 0
        pieces = [self._as_shown(r.take(np.unique(numbers))) for r, numbers in zip(walked, chains, strict=True)]
        shown = pieces[0]
        for piece in pieces[1:]:
            shown = shown.and_(piece)
        shown, tied = in_order(shown)
        decided[tied] = False
        self._settle(state, decided, ~(hit | doubt), None)
        state.bits[decided & hit] = HIT
        state.told = decided & hit
        state.plain &= ~state.told
        state.shown = lambda calls: shown.take(calls[shown.call])

    def _zone_after(self, rows: Rows, gap: Gap | None, who: str) -> _Array:
        """The end in ms of what comes after each place (`qc.scan.places.zone_beside`)."""
        if gap is None:
            return np.maximum(self.columns.bounds[1][self.columns.turn_call[rows.turn]], rows.end_ms) + 1
        return np.maximum(self._zones(rows, gap, who)[1], rows.end_ms)

    def _following(self, first: Rows, second: Rows, high: _Array) -> tuple[_Array, _Array]:
        """Pairs (number in first, number in second), in order, where the second begins in the zone after the first."""
        call = self.columns.turn_call
        starts = call[second.turn] * _FAR + second.start_ms
        order = np.argsort(starts, kind="stable")
        here = call[first.turn] * _FAR
        a = np.searchsorted(starts[order], here + first.end_ms)
        b = np.maximum(np.searchsorted(starts[order], here + high), a)
        one = np.repeat(np.arange(len(first)), b - a)
        two = order[ranges(a, b - a)]
        held = (second.turn[two] != first.turn[one]) | (second.first[two] >= first.last[one])
        one, two = one[held], two[held]
        order = np.lexsort((two, one))
        return one[order], two[order]

    # -- time ---------------------------------------------------------------------------------------------------

    def silence(self, condition: Silence) -> State:
        """Gaps that are there whether or not what was not heard was speech, and those that are there only if it was none."""
        c = self.columns
        sure, noise = (self._long_gaps(condition, heard_only) for heard_only in (False, True))
        marks = np.zeros(self.size, bool)
        for gaps in (noise, sure):
            fits = c.by(gaps.after, condition.before, maybe=True) & c.by(gaps.before, condition.after, maybe=True)
            marks[gaps.call[fits]] = True
        state = self.open(np.where(marks, OPEN, MISS))
        sure_fits, noise_fits = (
            c.by(gaps.after, condition.before) & c.by(gaps.before, condition.after) for gaps in (sure, noise)
        )
        listed = sure.take(sure_fits)
        # for each sure gap the wide one around it, if what was not heard was no speech
        keys = noise.call * _FAR + noise.start
        at = np.searchsorted(keys, listed.call * _FAR + listed.start, side="right") - 1
        wide = np.maximum(at, 0)
        around = np.zeros(len(listed.call), bool)
        if len(keys):
            around = (at >= 0) & (noise.call[wide] == listed.call) & (noise.end[wide] >= listed.end) & noise_fits[wide]
        # those that hold no sure one
        extra = noise.take(noise_fits)
        keys = listed.call * _FAR + listed.start
        at = np.searchsorted(keys, extra.call * _FAR + extra.start)
        alone = np.ones(len(extra.call), bool)
        if len(keys):
            held = np.minimum(at, len(keys) - 1)
            alone = (at == len(keys)) | (listed.call[held] != extra.call) | (listed.end[held] > extra.end)
        extra = extra.take(alone)
        excuse_lost = np.zeros(len(listed.call), bool)
        unclear = np.zeros(self.size, bool)
        if condition.except_after:
            free = ~self._waited_for(condition.except_after, listed.call, listed.start)
            listed, around = listed.take(free), around[free]
            extra = extra.take(~self._waited_for(condition.except_after, extra.call, extra.start))
            since = self._talked_since(listed)
            excuse_lost = self.batch.unheard(None).touch(listed.call, since, listed.start)
            unclear[listed.call[since >= listed.start]] = True
        certain = around & ~excuse_lost
        doubts = np.where(excuse_lost, REASONS.index("unless_not_heard"), REASONS.index("not_heard"))
        gaps = listed.and_(extra)
        reason = np.concatenate((np.where(certain, 0, doubts), np.full(len(extra.call), REASONS.index("not_heard"))))
        shown = Shown.spans(gaps.call, gaps.start, gaps.end, gaps.after)
        return self._counted(state, self.batch.orderly & ~unclear, (shown, reason), condition.times)

    def _long_gaps(self, condition: Silence, heard_only: bool) -> _Gaps:
        gaps = _Gaps(*self._gaps(heard_only))
        return gaps.take(gaps.end - gaps.start > condition.longer_than_ms)

    def _talked_since(self, gaps: _Gaps) -> _Array:
        """When the last stretches of both sides before each gap began; 0 where nobody spoke."""
        c = self.columns
        since = np.full(len(gaps.call), np.iinfo(np.int64).max)
        for turns, ends in self._turns_by_end:
            at = np.searchsorted(ends, gaps.call * _FAR + gaps.start + JOIN_MS, side="right") - 1
            last = turns[np.maximum(at, 0)]
            spoke = (at >= 0) & (c.turn_call[last] == gaps.call)
            since = np.where(spoke, np.minimum(since, c.turn_start[self._stretches[last]]), since)
        return np.where(since == np.iinfo(np.int64).max, 0, since)

    def _waited_for(self, excuses: Sequence[Term], call: _Array, start: _Array) -> _Array:
        """Gaps before which the last turn of either side says one of these, in calls that were heard."""
        c = self.columns
        said = self._of(excuses)
        said_in = np.unique(self._stretches[said.turn[self.batch.reliable[said.turn]]])
        marks = np.zeros(len(call), bool)
        for turns, ends in self._turns_by_end if len(said_in) else ():
            at = np.searchsorted(ends, call * _FAR + start + JOIN_MS, side="right") - 1
            last = turns[np.maximum(at, 0)]
            marks |= (at >= 0) & (c.turn_call[last] == call) & np.isin(self._stretches[last], said_in)
        return marks

    @cached_property
    def _turns_by_end(self) -> list[tuple[_Array, _Array]]:
        """For each role but tones: its turns in order of call and end, and these ends."""
        c = self.columns
        found = []
        for role in range(len(c.roles)):
            turns = np.flatnonzero(c.turn_role == role)
            if role != SYSTEM and len(turns):
                turns = turns[np.lexsort((turns, c.turn_end[turns], c.turn_call[turns]))]
                found.append((turns, c.turn_call[turns] * _FAR + c.turn_end[turns]))
        return found

    def _spans(self, heard_only: bool, people_only: bool) -> _Array:
        """Detected speech in order of call, start and end."""
        c = self.columns
        key = heard_only, people_only
        if key not in self._orders:
            chosen = np.ones(len(c.span_call), bool)
            if heard_only:
                chosen &= c.span_heard
            if people_only:
                chosen &= c.span_role != SYSTEM
            places = np.flatnonzero(chosen)
            first, last = c.span_call[places] * _FAR + c.span_start[places], c.span_end[places]
            rising = (np.diff(first) > 0) | ((np.diff(first) == 0) & (np.diff(last) >= 0))
            self._orders[key] = places if rising.all() else places[np.lexsort((last, first))]
        return self._orders[key]

    def _counted(self, state: State, decided: _Array, found: tuple[Shown, _Array], times: int) -> State:
        """Decide calls by how much there is to show. `found`: it, and for each why it is doubtful (an index of `REASONS`)."""
        shown, reason = found
        sure = np.bincount(shown.call[reason == 0], minlength=self.size)
        every = np.bincount(shown.call, minlength=self.size)
        hit, maybe = decided & (sure >= times), decided & (sure < times) & (every >= times)
        state.bits[decided] = MISS
        state.bits[hit] = HIT
        state.bits[maybe] = UNDECIDED
        doubted, first = np.unique(shown.call[reason > 0], return_index=True)
        state.why[doubted] = reason[reason > 0][first]
        state.told = hit | maybe
        shown = shown.take((reason == 0) | ~hit[shown.call])
        shown = shown.take(np.lexsort((shown.start_ms, shown.call)))
        state.shown = lambda calls: shown.take(calls[shown.call])
        return state

    def _gaps(self, heard_only: bool) -> tuple[_Array, ...]:
        """(call, start, end, role before, role after) of stretches in which nobody speaks."""
        if heard_only not in self._gaps_of:
            self._gaps_of[heard_only] = self._find_gaps(heard_only)
        return self._gaps_of[heard_only]

    def _find_gaps(self, heard_only: bool) -> tuple[_Array, ...]:
        c = self.columns
        order = self._spans(heard_only, people_only=False)
        call, start, role = c.span_call[order], c.span_start[order], c.span_role[order]
        if len(order) < 2:
            empty = np.zeros(0, np.int64)
            return (empty,) * 5
        ends = call * _FAR + c.span_end[order]
        latest = np.maximum.accumulate(ends)
        # who ended last: the first that reached the latest end
        fresh = np.concatenate(([True], ends[1:] > latest[:-1]))
        last = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
        since = latest[:-1] - call[1:] * _FAR
        before, after = role[last[:-1]], role[1:]
        kept = (call[1:] == call[:-1]) & (start[1:] > since) & (before != SYSTEM) & (after != SYSTEM)
        return call[1:][kept], since[kept], start[1:][kept], before[kept], after[kept]

    def reply(self, condition: Reply) -> State:
        """A miss where nobody waits so long, whether or not what was not heard is speech, whoever it is that is not known."""
        c = self.columns
        worlds = [(False, False)]
        if not c.span_heard.all():
            worlds.append((True, False))
        if (c.span_role == UNKNOWN).any():
            worlds += [(heard_only, True) for heard_only, _ in worlds]
        marks = np.zeros(self.size, bool)
        late = [self._late(condition, *world) for world in worlds]
        for call, _, _ in late:
            marks[call] = True
        # of orderly calls: late in both worlds, or in one of them
        call, since, start = (np.concatenate(column) for column in zip(*late[:2], strict=True))
        order = np.lexsort((since, start, call))
        call, since, start = call[order], since[order], start[order]
        twice = np.zeros(len(call), bool)
        last = np.ones(len(call), bool)
        twice[1:] = (np.diff(call) == 0) & (np.diff(start) == 0)
        last[:-1] = ~twice[1:]
        both = twice | (len(late) == 1)
        shown = Shown.spans(call, since, start, np.full(len(call), c.roles.index(condition.by))).take(last)
        reason = np.where(both, 0, REASONS.index("not_heard"))[last]
        return self._counted(self.open(np.where(marks, OPEN, MISS)), self.batch.orderly, (shown, reason), condition.times)

    def _late(self, condition: Reply, heard_only: bool, unknown_answers: bool) -> tuple[_Array, _Array, _Array]:
        """(call, waited for since, start) of answers that come late, if this is all the speech there is."""
        c = self.columns
        order = self._spans(heard_only, people_only=True)
        call, start = c.span_call[order], c.span_start[order]
        answered = c.by(c.span_role[order], condition.by)
        if unknown_answers:
            answered = answered | (c.span_role[order] == UNKNOWN)
        # since the last answer: the latest end of what the others said
        part = np.cumsum(answered) - answered + np.cumsum(np.diff(call, prepend=-1) != 0)
        ends = np.where(answered, part * _FAR, part * _FAR + 1 + c.span_end[order])
        latest = np.maximum.accumulate(ends)
        since = latest[:-1] - part[1:] * _FAR - 1
        late = (latest[:-1] > part[1:] * _FAR) & answered[1:] & (start[1:] - since > condition.longer_than_ms)
        return call[1:][late], since[late], start[1:][late]

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


def apart_rows(rows: Rows) -> Rows:
    """Occurrences: leftmost-longest places that do not overlap. Takes and gives rows in order."""
    if len(rows) < 2:
        return rows
    touching = (np.diff(rows.turn) == 0) & (rows.start[1:] < rows.end[:-1])
    if not touching.any():
        return rows
    kept = np.ones(len(rows), bool)
    doubtful = np.flatnonzero(np.isin(rows.turn, rows.turn[1:][touching]))
    places = zip(rows.turn[doubtful].tolist(), rows.start[doubtful].tolist(), rows.end[doubtful].tolist(), strict=True)
    turn, reach = -1, 0
    for i, (here, start, end) in zip(doubtful.tolist(), places, strict=True):
        if here == turn and start < reach:
            kept[i] = False
        else:
            turn, reach = here, end
    return rows.take(kept)


def in_order(shown: Shown) -> tuple[Shown, _Array]:
    """Evidence in order, each once; and the calls in which this order says nothing, because two begin at once."""
    shown = shown.take(np.lexsort((shown.last, shown.first, shown.turn, shown.start_ms, shown.call)))
    if len(shown) < 2:
        return shown, np.zeros(0, np.int64)
    alike = (np.diff(shown.call) == 0) & (np.diff(shown.start_ms) == 0) & (np.diff(shown.turn) == 0) & (np.diff(shown.first) == 0)
    same = alike & (np.diff(shown.last) == 0)
    return shown.take(np.concatenate(([True], ~same))), np.unique(shown.call[1:][alike & ~same])


def least(values: _Array, calls: _Array, size: int) -> _Array:
    """For each call the least of its values, NaN where there is none."""
    found = np.full(size, np.inf)
    known = ~np.isnan(values)
    np.minimum.at(found, calls[known], values[known])
    return np.where(np.isinf(found), np.nan, found)


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
