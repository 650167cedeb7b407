"""A batch against a pack: verdicts as columns of `findings`, most of them without a look at a single call.

A rule that only says (or never says) words is decided and shown in columns; what `qc.scan.bounds` leaves open of the others
goes to the evaluators of single calls. Both give the same rows: `tests/scan` compares them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from qc.packs.conditions import Beside, NeverSays
from qc.packs.model import Pack, Rule
from qc.scan.alike import alike, decide
from qc.scan.bounds import HIT, MISS, REASONS, UNDECIDED, Bounds, Shown, State
from qc.scan.columns import Batch
from qc.scan.evaluate import MAX_EVIDENCE, NOT_APPLICABLE, Finding, applies, count_spaced, finding
from qc.scan.finding import Finder, Found, ranges
from qc.scan.matching import CallMatches, Match, terms_of
from qc.scan.verdicts import Evidence
from qc.scan.words import Context
from qc.tables import schema

_Array = Any
_HIT, _UNDECIDED = "hit", "undecided"


class BatchScanner:
    """A pack (or some of its rules) made ready for any number of batches."""

    def __init__(self, pack: Pack, rules: Sequence[Rule] | None = None) -> None:
        self.pack = pack
        place = {rule.id: i for i, rule in enumerate(pack.rules)}
        self.rules = [(place[rule.id], rule) for rule in (pack.rules if rules is None else rules)]
        self._alike, self._alone = alike(self.rules)
        self._finder = Finder(term for _, rule in self.rules for term in terms_of(rule.when))

    def scan(self, batch: Batch, chosen: _Array, verdicts: Verdicts) -> dict[int, Exception]:
        """Add the verdicts other than miss on the calls chosen (bool [calls]). Gives the calls that cannot be read, and why."""
        broken: dict[int, Exception] = {}
        if not self.rules:
            return broken
        found = self._finder.find(batch.look_at(self._finder.turns(*batch.columns.texts)))
        bounds = Bounds(batch, found, self.pack.coverage_floor)
        left: dict[int, list[tuple[int, Rule]]] = {}
        for group in self._alike:
            for call in decide(bounds, group, chosen, verdicts).tolist():
                left.setdefault(call, []).extend(group.rules)
        for number, rule in self._alone:
            for call in self._rule(bounds, number, rule, chosen, verdicts).tolist():
                left.setdefault(call, []).append((number, rule))
        lists = _Lists(found)
        first = batch.columns.turn_first.tolist()
        for call, rules in left.items():
            try:
                one = batch.call(call)
            except (TypeError, ValueError, KeyError) as error:
                broken[call] = error
                continue
            matches = CallMatches(_OfCall(lists, first[call], first[call + 1]))
            context = Context(one, matches, self.pack.coverage_floor)
            for number, rule in rules:
                verdicts.add_finding(call, number, finding(rule, context))
        return broken

    def _rule(self, bounds: Bounds, number: int, rule: Rule, chosen: _Array, verdicts: Verdicts) -> _Array:
        """Add what the columns decide; the calls that are left open."""
        state = bounds.of(rule.when)
        open_ = chosen & (state.bits != MISS)
        fits = self._applies(rule, bounds.batch, number, chosen, verdicts)
        if fits is not None:
            open_ &= fits >= 0
        undecided = open_ & (state.bits == UNDECIDED) & ~bounds.blind
        plain = undecided & state.plain
        calls = np.flatnonzero(plain)
        verdicts.add_undecided(calls, number, state.coverage[calls], state.why[calls])
        open_ &= ~plain
        if state.shown is not None:
            doubted = undecided & ~plain & state.told
            self._show_doubt(bounds.batch, number, (state.shown(doubted), state), verdicts)
            open_ &= ~doubted
            if state.unclear is not None and (unclear := open_ & state.unclear).any():
                state.why[unclear] = REASONS.index("unknown_role")
                state.coverage[unclear] = np.nan
                self._show_doubt(bounds.batch, number, (state.shown(unclear), state), verdicts)
                open_ &= ~unclear
        shown = open_ & (state.bits == HIT) & ~bounds.blind
        if fits is not None:
            shown &= fits > 0
        if state.shown is not None:
            shown &= state.told
            self._show(bounds.batch, number, rule, (state.shown(shown), state.coverage), verdicts)
            open_ &= ~shown
        elif isinstance(rule.when, NeverSays) and not isinstance(rule.when.window, Beside):
            self._show_absence(bounds, number, rule, (shown, state), verdicts)
            open_ &= ~shown
        return np.flatnonzero(open_)

    def _applies(self, rule: Rule, batch: Batch, number: int, chosen: _Array, verdicts: Verdicts) -> _Array | None:
        """1 where the rule applies, 0 where that is not known, -1 where it does not; None where it always does."""
        if not (rule.applies_to or rule.valid_from or rule.valid_until):
            return None
        fits = np.ones(batch.columns.size, np.int8)
        for call in np.flatnonzero(chosen).tolist():
            held, why = applies(rule, batch.meta.get(batch.columns.call_ids[call]))
            if held is False:
                fits[call] = -1
                verdicts.add_finding(call, number, Finding(rule, NOT_APPLICABLE, 0, None, why, ()))
            elif held is None:
                fits[call] = 0
        return fits

    def _show(self, batch: Batch, number: int, rule: Rule, hits: tuple[Shown, _Array], verdicts: Verdicts) -> None:
        shown, coverage = hits
        if not len(shown):
            return
        calls, first, counts = _runs(shown.call)
        times = np.ones(len(calls), np.int64)
        if rule.once_per_ms is not None:
            starts = np.split(shown.start_ms, first[1:])
            times = np.array([count_spaced(rule.once_per_ms, s.tolist()) for s in starts], np.int64)
        kept = np.arange(len(shown)) - np.repeat(first, counts) < MAX_EVIDENCE
        sizes = np.minimum(counts, MAX_EVIDENCE)
        verdicts.add_hits(batch, number, (calls, times, coverage[calls], sizes), shown.take(kept))

    def _show_doubt(self, batch: Batch, number: int, doubts: tuple[Shown, State], verdicts: Verdicts) -> None:
        shown, state = doubts
        if not len(shown):
            return
        calls, first, counts = _runs(shown.call)
        kept = np.arange(len(shown)) - np.repeat(first, counts) < MAX_EVIDENCE
        verdicts.add_undecided(calls, number, state.coverage[calls], state.why[calls])
        verdicts.add_evidence(batch, np.minimum(counts, MAX_EVIDENCE), shown.take(kept))

    def _show_absence(self, bounds: Bounds, number: int, rule: Rule, hits: tuple[_Array, State], verdicts: Verdicts) -> None:
        shown, state = hits
        calls = np.flatnonzero(shown)
        condition = rule.when
        assert isinstance(condition, NeverSays)
        assert not isinstance(condition.window, Beside)
        windows = None
        if condition.window is not None:
            low, high = (a[calls] for a in bounds.columns.bounds)
            start, end = (a[calls] for a in bounds.batch.range_ms(condition.window, condition.who))
            windows = np.maximum(start, low), np.maximum(np.minimum(end, high), start)
        verdicts.add_absence(calls, number, state.coverage[calls], windows, condition.who)


def _runs(values: _Array) -> tuple[_Array, _Array, _Array]:
    """Of values in order: each once, where it begins and how often it is there."""
    first = np.flatnonzero(np.concatenate((values[:1] == values[:1], values[1:] != values[:-1])))
    return values[first], first, np.diff(first, append=len(values))


class _Lists:
    """What was found of each term as lists, made when first asked for."""

    def __init__(self, found: Mapping[Any, Found]) -> None:
        self._found = found
        self._lists: dict[Any, tuple[list[int], list[int], list[int]] | None] = {}

    def of(self, term: Any) -> tuple[list[int], list[int], list[int]] | None:
        if term not in self._lists:
            found = self._found.get(term)
            self._lists[term] = None if found is None else (found.turn.tolist(), found.start.tolist(), found.end.tolist())
        return self._lists[term]


class _OfCall(dict[Any, Any]):
    """The matches of one call by term, taken out of the batch's when they are asked for."""

    def __init__(self, lists: _Lists, first: int, last: int) -> None:
        super().__init__()
        self._lists, self._first, self._last = lists, first, last

    def get(self, term: Any, default: Any = ()) -> Any:
        listed = self._lists.of(term)
        if listed is None:
            return default
        if term not in self:
            turns, starts, ends = listed
            a = bisect_left(turns, self._first)
            b = bisect_left(turns, self._last, a)
            self[term] = [Match(turns[i] - self._first, starts[i], ends[i], term) for i in range(a, b)]
        return self[term]


@dataclass
class _Chunk:
    """Verdicts and their evidence, as columns. `shown`: how many each has of `evidence`, which is a table of the schema's evidence or,
    where it lies in turns of the batch, what that is made from."""

    call: _Array
    rule: _Array
    verdict: _Array
    count: _Array
    coverage: _Array
    why: list[str | None]
    shown: _Array
    evidence: Any


_VERDICTS = (_HIT, _UNDECIDED, NOT_APPLICABLE)
_VERDICT_TYPE = schema("findings").field("verdicts").type.value_type
_EVIDENCE_TYPE = _VERDICT_TYPE.field("evidence").type.value_type
_EVIDENCE = [f.name for f in _EVIDENCE_TYPE]


class Verdicts:
    """Collects the verdicts of a batch."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self._batch: Any = None
        self._findings: list[tuple[int, int, Finding]] = []

    def add_finding(self, call: int, number: int, found: Finding) -> None:
        """One verdict of one call; a miss is not listed."""
        if found.verdict != "miss":
            self._findings.append((call, number, found))

    def add_undecided(self, calls: _Array, number: int | _Array, coverage: _Array, why: _Array) -> None:
        """Undecided, and nothing to show. `number`: of the rule, or of each call's."""
        if len(calls):
            reasons: list[str | None] = [REASONS[i] or None for i in why.tolist()]
            self._chunks.append(self._chunk(calls, number, 1, (np.zeros(len(calls), np.int64), coverage, reasons)))

    def add_hits(self, batch: Batch, number: int | _Array, hits: tuple[_Array, _Array, _Array, _Array], shown: Shown) -> None:
        """Hits: (calls, counts, coverage, how much of `shown` each has). `number`: of the rule, or of each call's."""
        calls, times, coverage, sizes = hits
        self._chunks.append(self._chunk(calls, number, 0, (times, coverage, [None] * len(calls))))
        self.add_evidence(batch, sizes, shown)

    def add_evidence(self, batch: Batch, sizes: _Array, shown: Shown) -> None:
        """What the verdicts added last show: so much of `shown` each."""
        chunk = self._chunks[-1]
        self._batch = batch
        chunk.shown = sizes
        chunk.evidence = shown if (shown.turn >= 0).all() else self._evidence_of(shown, in_turns=False)

    def _evidence_of(self, shown: Shown, *, in_turns: bool) -> Any:
        c = self._batch.columns
        roles = pa.DictionaryArray.from_arrays(pa.array(shown.role), pa.array(c.roles)).cast(pa.string())
        columns = {"role": roles, "start_ms": pa.array(shown.start_ms), "end_ms": pa.array(shown.end_ms)}
        if in_turns:
            columns |= {
                "turn": pa.array(c.turn_number[shown.turn].astype(np.int32)),
                "char_start": pa.array(shown.first.astype(np.int32)),
                "char_end": pa.array(shown.last.astype(np.int32)),
                "quote": self._batch.quotes(shown.turn, shown.first, shown.last),
            }
        return _evidence(columns, len(shown))

    def add_absence(self, calls: _Array, number: int, coverage: _Array, windows: tuple[_Array, _Array] | None, who: str) -> None:
        """Hits because nothing was said in a window (start and end in ms; None: in the whole call)."""
        if not len(calls):
            return
        chunk = self._chunk(calls, number, 0, (np.ones(len(calls), np.int64), coverage, [None] * len(calls)))
        if windows is not None:
            chunk.shown = np.ones(len(calls), np.int64)
            columns = {"start_ms": pa.array(windows[0]), "end_ms": pa.array(windows[1]), "role": pa.array([who] * len(calls))}
            chunk.evidence = _evidence(columns, len(calls))
        self._chunks.append(chunk)

    def _chunk(self, calls: _Array, number: int | _Array, verdict: int, rest: tuple[_Array, _Array, list[str | None]]) -> _Chunk:
        size = len(calls)
        count, coverage, why = rest
        none = np.zeros(size, np.int64)
        return _Chunk(calls, np.full(size, number), np.full(size, verdict), count, coverage, why, none, _EVIDENCE_TYPE_EMPTY)

    def keep(self, kept: Any) -> None:
        """Verdicts taken over (`qc.scan.before.Kept`)."""
        self._chunks.append(_Chunk(**vars(kept)))

    def _of_findings(self) -> list[_Chunk]:
        if not self._findings:
            return []
        found = [f for _, _, f in self._findings]
        evidence: list[Evidence] = [e for f in found for e in f.evidence]
        columns = {name: pa.array([getattr(e, name) for e in evidence], _EVIDENCE_TYPE.field(name).type) for name in _EVIDENCE}
        return [
            _Chunk(
                np.array([call for call, _, _ in self._findings], np.int64),
                np.array([number for _, number, _ in self._findings], np.int64),
                np.array([_VERDICTS.index(f.verdict) for f in found], np.int64),
                np.array([f.count for f in found], np.int64),
                np.array([np.nan if f.coverage is None else f.coverage for f in found], np.float64),
                [f.why or None for f in found],
                np.array([len(f.evidence) for f in found], np.int64),
                _evidence(columns, len(evidence)),
            )
        ]

    def column(self, calls: int, rules: Sequence[Rule], ok: _Array) -> tuple[Any, _Array, _Array]:
        """(`findings.verdicts`, hits, undecided) for so many calls: null where not `ok`, else a list, be it empty."""
        none = np.zeros(0, np.int64)
        nothing = _Chunk(none, none, none, none, none.astype(np.float64), [], none, _EVIDENCE_TYPE_EMPTY)
        in_turns = [chunk for chunk in self._chunks if isinstance(chunk.evidence, Shown)]
        others = [chunk for chunk in self._chunks if not isinstance(chunk.evidence, Shown)]
        chunks = [*in_turns, *others, *self._of_findings(), nothing]
        pieces = [chunk.evidence for chunk in chunks[len(in_turns) :]]
        if in_turns:
            pieces.insert(0, self._evidence_of(Shown.all_of([chunk.evidence for chunk in in_turns]), in_turns=True))
        call, rule, verdict, count, coverage, shown = (
            np.concatenate([getattr(chunk, name) for chunk in chunks])
            for name in ("call", "rule", "verdict", "count", "coverage", "shown")
        )
        why = pa.array([reason for chunk in chunks for reason in chunk.why], pa.string())
        order = np.lexsort((rule, call))
        order = order[ok[call[order]]]
        begins = np.cumsum(shown) - shown
        evidence = pa.concat_arrays(pieces).take(pa.array(ranges(begins[order], shown[order])))
        ends = np.concatenate(([0], np.cumsum(shown[order]))).astype(np.int32)
        call, verdict = call[order], verdict[order]
        named = pa.array([r.id for r in rules])
        grave = pa.array([r.severity for r in rules], pa.string())
        at = pa.array(rule[order])
        covered = coverage[order].astype(np.float32)
        columns = {
            "rule": named.take(at),
            "verdict": pa.array(list(_VERDICTS)).take(pa.array(verdict)),
            "severity": grave.take(at),
            "count": pa.array(count[order].astype(np.int32)),
            "coverage": pa.array(covered, mask=np.isnan(covered)),
            "why": why.take(pa.array(order)),
            "evidence": pa.ListArray.from_arrays(pa.array(ends), evidence),
        }
        listed = pa.StructArray.from_arrays([columns[f.name] for f in _VERDICT_TYPE], fields=list(_VERDICT_TYPE))
        first = np.searchsorted(call, np.arange(calls + 1)).astype(np.int32)
        hits = np.bincount(call[verdict == 0], minlength=calls)
        undecided = np.bincount(call[verdict == 1], minlength=calls)
        return pa.ListArray.from_arrays(pa.array(first), listed, mask=pa.array(~ok)), hits, undecided


def _evidence(columns: Mapping[str, Any], size: int) -> Any:
    arrays = [columns[f.name] if f.name in columns else pa.nulls(size, f.type) for f in _EVIDENCE_TYPE]
    return pa.StructArray.from_arrays(arrays, fields=list(_EVIDENCE_TYPE))


_EVIDENCE_TYPE_EMPTY = _evidence({}, 0)
