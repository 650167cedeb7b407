"""A pack's scorecard as arrays, and a batch of findings turned into scores with it, without a loop over calls.

The arithmetic (docs/scores.md): an item is points × count, its size bounded by the rule's cap, × the dimension's weight
relative to the mean weight (equal weights leave points as written). A call's score is base + the sum of its items, kept
between 0 and the base: a bonus makes up for deductions, it does not lift a call above the others.
A fatal hit makes it 0. A rule that could not be decided counts as one hit at the end that it would hurt or help; so does a
manual item that nobody has judged yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.errors import StoreError
from qc.tables import schema

if TYPE_CHECKING:
    from qc.packs import Manual, Pack, Rule

HIT, UNDECIDED, NOT_APPLICABLE, OVERRULED, MISS, MANUAL = range(6)
"""`OVERRULED`: the machine's hit or doubt that a reviewer heard to be none. `MANUAL`: in place of the machine's verdict, where
only people judge."""
_VERDICTS = ["hit", "undecided", "not_applicable"]
_WORDS = [*_VERDICTS, "overruled", "miss", "manual"]


@dataclass(frozen=True)
class Scorecard:
    """A pack's rules, then its manual items, as arrays in the pack's order; all [rules] but `base` and `dimensions`."""

    rules: tuple[str, ...]
    dimensions: tuple[str, ...]
    dimension_of: Any  # int64
    points: Any  # float64, negative for a deduction
    cap: Any  # float64, the most points of either sign a call can get from the rule; inf without one
    weight: Any  # float64, of the rule's dimension ÷ the mean weight
    fatal: Any  # bool
    manual: Any  # bool, only people judge it
    base: float

    @classmethod
    def of(cls, pack: Pack) -> Scorecard:
        """The scorecard of a pack."""
        names = [d.id for d in pack.dimensions]
        weights = np.array([float(d.weight) for d in pack.dimensions], np.float64)
        relative = weights / weights.mean() if len(weights) else weights
        lines: list[Rule | Manual] = [*pack.rules, *pack.manual]
        dimension_of = np.array([names.index(r.dimension) for r in lines], np.int64)
        return cls(
            rules=tuple(r.id for r in lines),
            dimensions=tuple(names),
            dimension_of=dimension_of,
            points=np.array([float(r.points) for r in lines], np.float64),
            cap=np.array([np.inf if r.cap is None else abs(float(r.cap)) for r in lines], np.float64),
            weight=relative[dimension_of],
            fatal=np.array([bool(r.fatal) for r in lines], bool),
            manual=np.arange(len(lines)) >= len(pack.rules),
            base=float(pack.base),
        )

    def item(self, rule: Any, count: Any) -> Any:
        """Points of `count` hits of rules by index. int64 [n], int [n] → float64 [n]."""
        raw = self.points[rule] * np.maximum(count, 1)
        return np.round(np.clip(raw, -self.cap[rule], self.cap[rule]) * self.weight[rule], 6)

    def total(self, summed: Any, fatal: Any) -> Any:
        """Scores from summed items: float64, bool [n] → float64 [n]."""
        return np.where(fatal, 0.0, np.round(np.clip(self.base + summed, 0.0, self.base), 6))


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a batch, flat: arrays of one length, in the order of calls, then of the pack."""

    call: Any  # int64, row of the batch
    rule: Any  # int64, index into Scorecard.rules
    verdict: Any  # int8, HIT, UNDECIDED, NOT_APPLICABLE or OVERRULED
    count: Any  # int64
    machine: Any  # int8, the machine's own verdict, or MANUAL

    def only(self, keep: Any) -> Verdicts:
        """Some of them: bool [verdicts]."""
        return Verdicts(*(getattr(self, f)[keep] for f in ("call", "rule", "verdict", "count", "machine")))


def read_verdicts(card: Scorecard, findings: pa.Table, pack: str) -> Verdicts:
    """The verdicts of a batch of findings that all were made with one pack. Raises StoreError when they do not fit it."""
    column = findings["verdicts"].combine_chunks()
    flat = pc.list_flatten(column)
    rule = pc.index_in(pc.struct_field(flat, "rule"), value_set=pa.array(card.rules, pa.string()))
    verdict = pc.index_in(pc.struct_field(flat, "verdict"), value_set=pa.array(_VERDICTS))
    if rule.null_count or verdict.null_count:
        bad = flat.filter(pc.or_(pc.is_null(rule), pc.is_null(verdict)))[0]
        raise StoreError(
            f"a finding of rule {bad['rule'].as_py()!r} ({bad['verdict'].as_py()}) does not fit the pack that it names",
            where=f"findings, pack {pack}",
            hint="scan the calls again with --redo",
        )
    code = _ints(verdict).astype(np.int8)
    return Verdicts(
        call=_ints(pc.list_parent_indices(column)),
        rule=_ints(rule),
        verdict=code,
        machine=code,
        count=_ints(pc.fill_null(pc.struct_field(flat, "count"), 1)),
    )


def _ints(array: Any) -> Any:
    return array.cast(pa.int64()).to_numpy(zero_copy_only=False)


def score_batch(card: Scorecard, findings: pa.Table, verdicts: Verdicts, tool_version: str) -> pa.Table:
    """Rows of `scores` for rows of `findings` of one pack, in the same order. A failed row stays failed, without a score."""
    n, dims = findings.num_rows, len(card.dimensions)
    counted = verdicts.verdict != NOT_APPLICABLE
    call, rule = verdicts.call[counted], verdicts.rule[counted]
    verdict, machine = verdicts.verdict[counted], verdicts.machine[counted]
    undecided, overruled = verdict == UNDECIDED, (verdict == OVERRULED) | (verdict == MISS)
    points = np.where(overruled, 0.0, card.item(rule, np.where(undecided, 1, verdicts.count[counted])))
    worst = np.where(undecided & (points > 0), 0.0, points)
    best = np.where(undecided & (points < 0), 0.0, points)
    fatal_hit, fatal_maybe = card.fatal[rule] & (verdict == HIT), card.fatal[rule] & ~overruled
    ok = pc.equal(findings["status"], "ok").combine_chunks()
    ok_rows = pc.fill_null(ok, False).to_numpy(zero_copy_only=False)

    def score_by(group: Any, size: int) -> tuple[Any, Any, Any]:
        """Worst, best, fatal per group of items: float64 [size], float64 [size], bool [size]."""
        fatal = np.bincount(group[fatal_hit], minlength=size) > 0
        maybe = np.bincount(group[fatal_maybe], minlength=size) > 0
        low = card.total(np.bincount(group, weights=worst, minlength=size), maybe)
        return low, card.total(np.bincount(group, weights=best, minlength=size), fatal), fatal

    low, high, fatal = score_by(call, n)
    dim_low, dim_high, _ = score_by(call * dims + card.dimension_of[rule], n * dims)
    ids = pa.array(card.dimensions, pa.string())
    columns: dict[str, Any] = {name: findings[name] for name in _COPIED}
    columns |= {
        "tool_version": pa.array([tool_version] * n, pa.string()),
        "worst": pa.array(low, mask=~ok_rows),
        "best": pa.array(high, mask=~ok_rows),
        "fatal": pa.array(fatal, mask=~ok_rows),
        "dimensions": _lists(
            np.where(ok_rows, dims, 0),
            {
                "dimension": ids.take(pa.array(np.tile(np.arange(dims), int(ok_rows.sum())))),
                "worst": pa.array(dim_low.reshape(n, dims)[ok_rows].ravel()),
                "best": pa.array(dim_high.reshape(n, dims)[ok_rows].ravel()),
            },
        ),
        "items": _lists(
            np.bincount(call, minlength=n),
            {
                "rule": pa.array(card.rules, pa.string()).take(pa.array(rule)),
                "dimension": ids.take(pa.array(card.dimension_of[rule])),
                "verdict": pa.array(_WORDS, pa.string()).take(pa.array(verdict.astype(np.int64))),
                "machine": pa.array(_WORDS, pa.string()).take(pa.array(machine.astype(np.int64))),
                "count": pa.array(np.where(undecided, 1, verdicts.count[counted]), pa.int32()),
                "worst": pa.array(worst),
                "best": pa.array(best),
            },
        ),
    }
    target = schema("scores")
    return pa.table({f.name: columns[f.name] for f in target}, schema=target)


_COPIED = ("call_id", "pack_id", "pack_version", "pack_sha256", "pack_signer", "status", "reason", "message")


def _lists(lengths: Any, members: dict[str, pa.Array]) -> pa.Array:
    """A list-of-struct column from the lists' lengths and their flat members."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(list(members.values()), list(members)))
