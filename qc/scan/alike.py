"""Rules that ask for nothing but words, decided together: what they have in common is worked out once, not rule by rule.

Says what `qc.scan.bounds` and `qc.scan.emit` say of each rule alone; `tests/scan` holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qc.packs.conditions import Beside, Says, Window
from qc.packs.model import Rule
from qc.scan.bounds import REASONS, UNDECIDED, Bounds, Rows, Shown, apart_rows
from qc.scan.evaluate import MAX_EVIDENCE, count_spaced

if TYPE_CHECKING:
    from qc.scan.emit import Verdicts

_MOST = 1 << 22
"""So many pairs of rule and call at a time at most."""

_Array = Any


@dataclass(frozen=True)
class Alike:
    """Rules of a pack, by number, that ask whether the same person says one of some words in the same window."""

    who: str
    window: Window | None
    rules: tuple[tuple[int, Rule], ...]


def alike(rules: Sequence[tuple[int, Rule]]) -> tuple[list[Alike], list[tuple[int, Rule]]]:
    """The rules that can be decided together, and all others."""
    grouped: dict[tuple[str, Window | None], list[tuple[int, Rule]]] = {}
    others = []
    for number, rule in rules:
        when = rule.when
        if isinstance(when, Says) and not isinstance(when.window, Beside) and _says_one_word(rule, when):
            grouped.setdefault((when.who, when.window), []).append((number, rule))
        else:
            others.append((number, rule))
    return [Alike(*common, tuple(some)) for common, some in grouped.items()], others


def _says_one_word(rule: Rule, when: Says) -> bool:
    """One word is enough, whatever else is said, in every call."""
    need = len(when.terms) if when.need == -1 else when.need
    always = not (rule.applies_to or rule.valid_from or rule.valid_until)
    return always and max(need, when.times) <= 1 and not when.unless and not when.except_


def decide(bounds: Bounds, group: Alike, chosen: _Array, verdicts: Verdicts) -> _Array:
    """Add what the columns decide of the calls chosen (bool [calls]); the calls that are left open, the same for each rule."""
    some = max(1, _MOST // max(bounds.size, 1))
    for at in range(0, len(group.rules), some):
        _decide(bounds, Alike(group.who, group.window, group.rules[at : at + some]), chosen & ~bounds.blind, verdicts)
    return np.flatnonzero(chosen & bounds.blind)


def _decide(bounds: Bounds, group: Alike, chosen: _Array, verdicts: Verdicts) -> None:
    c, size = bounds.columns, bounds.size
    numbers = np.array([number for number, _ in group.rules])
    rule, rows = _places(bounds, group)
    call = c.turn_call[rows.turn]
    said, sure = np.zeros((2, len(numbers) * size), bool)
    said[rule * size + call] = True
    sure[(rule * size + call)[rows.sure]] = True

    unheard = bounds.not_found(group.who, group.window)
    calls = np.flatnonzero(chosen & (unheard.bits == UNDECIDED))
    which, at = np.nonzero(~said.reshape(len(numbers), size)[:, calls])
    verdicts.add_undecided(calls[at], numbers[which], unheard.coverage[calls[at]], unheard.why[calls[at]])

    kept = chosen[call] & (rows.sure | ~sure[rule * size + call])  # where nobody is sure to have said it, who may have
    turns = len(c.turn_call)
    rows = rows.take(kept)
    rows.turn += rule[kept] * turns  # places of different rules do not overlap
    rows = apart_rows(rows)
    rule, rows.turn = np.divmod(rows.turn, max(turns, 1))
    call = c.turn_call[rows.turn]
    shown = Shown(call, rows.start_ms, rows.end_ms, c.turn_role[rows.turn], rows.turn, rows.first, rows.last)
    key = rule * size + call
    first = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(first, append=len(key))
    for hit in (True, False):
        mine = sure[key[first]] == hit
        if not mine.any():
            continue
        begin, many = first[mine], counts[mine]
        sizes = np.minimum(many, MAX_EVIDENCE)
        evidence = shown.take((np.arange(len(key)) - np.repeat(first, counts) < MAX_EVIDENCE) & np.repeat(mine, counts))
        nothing = np.full(len(begin), np.nan)
        if hit:
            times = _times(group, rule[begin], rows.start_ms, begin, many)
            verdicts.add_hits(bounds.batch, numbers[rule[begin]], (call[begin], times, nothing, sizes), evidence)
        else:
            why = np.full(len(begin), REASONS.index("unknown_role"))
            verdicts.add_undecided(call[begin], numbers[rule[begin]], nothing, why)
            verdicts.add_evidence(bounds.batch, sizes, evidence)


def _times(group: Alike, rule: _Array, starts_ms: _Array, begin: _Array, many: _Array) -> _Array:
    """How often each call counts: once, or for rules that count by time as often as that says. It has `many` places from `begin` on."""
    times = np.ones(len(rule), np.int64)
    for n, (_, one) in enumerate(group.rules):
        if one.once_per_ms is not None:
            for at in np.flatnonzero(rule == n).tolist():
                times[at] = count_spaced(one.once_per_ms, starts_ms[begin[at] : begin[at] + many[at]].tolist())
    return times


def _places(bounds: Bounds, group: Alike) -> tuple[_Array, Rows]:
    """Every place that counts or may count: of which of the group's rules, and where; in order of rule, turn, start, the longest first."""
    c, batch = bounds.columns, bounds.batch
    listed = [
        (n, found)
        for n, (_, rule) in enumerate(group.rules)
        if isinstance(rule.when, Says)
        for term in rule.when.terms
        if (found := bounds.found.get(term)) is not None
    ]
    none = np.zeros(0, np.int64)
    rule = np.repeat(np.array([n for n, _ in listed], np.int64), [len(found) for _, found in listed])
    turn, start, end = (np.concatenate([none, *(getattr(f, name) for _, f in listed)]) for name in ("turn", "start", "end"))
    role = c.turn_role[turn]
    order = np.flatnonzero(batch.reliable[turn] & c.by(role, group.who, maybe=True))
    order = order[np.lexsort((-end[order], start[order], rule[order] * len(c.turn_call) + turn[order]))]
    rule, turn, start, end, role = rule[order], turn[order], start[order], end[order], role[order]
    first, last = batch.folded.original(turn, start, end) if len(turn) else (turn, turn)
    start_ms, end_ms = batch.times(turn, first, last)
    rows = Rows(turn, start, end, c.by(role, group.who), first, last, start_ms, end_ms)
    if group.window is not None and len(rows):
        low, high = (edge[c.turn_call[turn]] for edge in batch.range_ms(group.window, group.who))
        inside = ~((end_ms < low) | (start_ms >= high))
        rule, rows = rule[inside], rows.take(inside)
    return rule, rows
