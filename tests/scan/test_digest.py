"""A call's digest is its own: the same beside any other calls, by machine code and without, and it changes with what is said."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from qc.scan import compiled
from qc.scan.columns import NAMES, Columns
from qc.scan.digest import digests
from qc.tables import schema
from tests.scan.test_stage import transcript

ROWS = [
    transcript("c1", ["agent: 您好", "customer: 你好，二十四小时", "agent: "], duration_ms=9_000),
    transcript('it\'s "c2"', ["agent: 再见😀"], duration_ms=3_000),
    transcript("c3", [], duration_ms=0),
]
OTHERS = [
    {"call_id": "c4", "status": "failed", "reason": "not_audio", "message": "c4.wav is no audio"},
    transcript("c5", ["customer: 喂"], warnings=["mono"]),
]


def of(rows: list[dict[str, object]]) -> list[str]:
    return Columns(pa.Table.from_pylist(rows, schema=schema("transcripts")).select(NAMES)).digests()


@pytest.mark.parametrize("machine_code", [False, True])
def test_a_digest_does_not_depend_on_the_calls_beside(machine_code: bool) -> None:
    plain = of(ROWS)
    assert len(set(plain)) == len(ROWS)
    compiled.use(machine_code)
    try:
        assert of(ROWS) == plain
        assert of([*ROWS, *OTHERS])[: len(ROWS)] == plain
        assert [of([row])[0] for row in ROWS] == plain
        assert of([]) == []
    finally:
        compiled.use(False)


def test_a_digest_changes_with_what_is_said_and_when() -> None:
    first = of(ROWS[:1])
    for change in ({"text": "您好吗"}, {"start_ms": 1}, {"role": "customer"}, {"flags": ["loop"]}, {"avg_logprob": -0.5}):
        turns = [dict(ROWS[0]["turns"][0], **change), *ROWS[0]["turns"][1:]]  # type: ignore[index]
        assert of([{**ROWS[0], "turns": turns}]) != first, change


@pytest.mark.parametrize("machine_code", [False, True])
def test_pieces_are_hashed_one_after_the_other(machine_code: bool) -> None:
    """More than is put together at once, calls without any bytes, a call larger than all others."""
    rng = np.random.default_rng(0)
    sizes = np.array([0, 5, 400_000, 900_000, 3_000_000, 0, 1])
    data = rng.integers(0, 256, int(sizes.sum()), dtype=np.uint8)
    at = np.concatenate(([0], np.cumsum(sizes)))
    end = np.frombuffer(b"|", np.uint8)
    compiled.use(machine_code)
    try:
        found = digests([(data, at), (end, None), (data[::-1].copy(), at)], len(sizes))
    finally:
        compiled.use(False)
    back = data[::-1].tobytes()
    assert found == [
        hashlib.sha256(data.tobytes()[a:b] + b"|" + back[a:b]).hexdigest()
        for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True)
    ]
