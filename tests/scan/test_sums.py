"""What is so of the members of many lists, by machine code and by NumPy: the same, and what a call by itself says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.scan import compiled
from qc.scan.columns import NAMES, Batch, Columns, any_of
from qc.scan.view import view
from qc.tables import schema

ROLES = st.sampled_from(["agent", "customer", "system", "unknown", None, "robot"])
TIMES = st.tuples(st.integers(0, 60), st.integers(0, 25)).map(lambda t: {"start_ms": t[0], "end_ms": t[0] + t[1]})
PLACE = st.fixed_dictionaries({"role": ROLES, "channel": st.sampled_from([0, 1, None])})


def merged(*parts: Any) -> Any:
    return st.tuples(*parts).map(lambda told: {k: v for part in told for k, v in part.items()})


SPAN = merged(PLACE, TIMES, st.fixed_dictionaries({"heard": st.booleans(), "why": st.sampled_from([None, "loop", "truncated"])}))
TURN = merged(
    PLACE, TIMES, st.fixed_dictionaries({"text": st.sampled_from(["", "好"]), "flags": st.sampled_from([[], ["loop"]])})
)
CALL = st.fixed_dictionaries(
    {"status": st.just("ok"), "turns": st.lists(TURN, max_size=5), "spans": st.lists(SPAN, min_size=1, max_size=6)}
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=4), max_size=6))
def test_any_of(lists: list[list[bool]]) -> None:
    marks = np.array([mark for listed in lists for mark in listed], bool)
    first = np.concatenate(([0], np.cumsum([len(listed) for listed in lists]))).astype(np.int64)
    compiled.use(True)
    try:
        assert any_of(marks, first).tolist() == [any(listed) for listed in lists]
    finally:
        compiled.use(False)


@settings(max_examples=150, deadline=None)
@given(st.lists(CALL, min_size=1, max_size=4), st.integers(0, 40), st.integers(1, 60))
def test_how_much_was_heard(calls: list[dict[str, Any]], low: int, length: int) -> None:
    rows = [{"call_id": f"c{i}", "warnings": [], **call} for i, call in enumerate(calls)]
    table = pa.Table.from_pylist(rows, schema=schema("transcripts")).select(NAMES)
    start, end = np.full(len(rows), low), np.full(len(rows), low + length)
    for who in ("agent", "customer", "anyone", "robot"):
        told = []
        for machine_code in (False, True):
            compiled.use(machine_code)
            try:
                batch = Batch(Columns(table), None, {})
                share, some = batch.coverage(who, start, end, "range")
                told.append([value if known else None for value, known in zip(share.tolist(), some.tolist(), strict=True)])
                told.append([a.tolist() for a in batch._deducted])
            finally:
                compiled.use(False)
        assert told[0] == told[2]
        assert told[1] == told[3]
        assert told[0] == [view(row).coverage(who, low, low + length) for row in rows]
