"""The scanner says what the reference evaluator says: verdict, evidence, coverage, count and reason, of every rule on every call.

A few hundred random packs in a plain run; HYPOTHESIS_PROFILE=deep (`make conform`) looks at thousands, new ones each time.
"""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from random import Random
from struct import pack as pack_floats
from struct import unpack
from typing import Any

import pytest
import random_packs
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from qc.conformance import reference
from qc.conformance.answers import findings_of
from qc.scan import compiled

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
CALLS = 8


@settings(max_examples=5000 if DEEP else 200, deadline=None, derandomize=not DEEP, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=True))
def test_the_scanner_equals_the_reference(rng: Random) -> None:
    compare(rng)


def test_the_machine_code_of_large_scans_equals_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a day is scanned with: small scans go without, so the random packs above never come to it."""
    monkeypatch.setattr("qc.scan.stage.COMPILED_CALLS", 0)
    for seed in range(1000 if DEEP else 40):
        compare(Random(seed))
        assert compiled.used()
    compiled.use(False)


def compare(rng: Random) -> None:
    plain = random_packs.pack(rng)
    rows = [random_packs.transcript(rng, f"c{number}") for number in range(CALLS)]
    listed = {row["call_id"]: random_packs.call_list(rng) for row in rows}
    pack, calls = findings_of(plain, rows, listed)
    for row, cells, found in calls:
        for rule in pack.rules:
            meant = as_stored(reference.finding(rule, pack, row, cells))
            got = found.get(rule.id, meant if meant["verdict"] == "miss" else None)
            if got != meant:
                when = next(r for r in plain["rules"] if r["id"] == rule.id)
                note(json.dumps({"rule": when, "row": row, "listed": cells}, ensure_ascii=False))
            assert got == meant


def as_stored(finding: dict[str, Any]) -> dict[str, Any]:
    """Coverage as the table holds it, in single precision."""
    share = finding["coverage"]
    return finding if share is None else {**finding, "coverage": unpack("<f", pack_floats("<f", share))[0]}


def test_the_reference_shares_no_code_with_the_scanner() -> None:
    for name in ("reference", "dispatch", "said", "times", "quantities", "beside", "call", "words", "combine"):
        path = Path(reference.__file__).with_name(f"{name}.py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert all(module.startswith(("qc.conformance", "qc.packs", "qc.text")) for module in modules if module.startswith("qc"))
