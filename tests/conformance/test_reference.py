"""The scanner says what the reference evaluator says: verdict, evidence, coverage, count and reason, of every rule on every call.

A few hundred random packs in a plain run; HYPOTHESIS_PROFILE=deep (`make conform`) looks at thousands, new ones each time.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any

import random_packs
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from qc.conformance import reference
from qc.packs.flatten import unflatten
from qc.packs.model import Pack
from qc.scan.evaluate import PackScanner
from qc.scan.view import view

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
CALLS = 4


def scanned(pack: Pack, rows: list[dict[str, Any]], listed: list[Any]) -> list[list[dict[str, Any]]]:
    """What the scanner says of all calls at once: a list of findings a call."""
    scanner = PackScanner(pack)
    calls = [view(row, confidence_floor=pack.confidence_floor, meta=meta) for row, meta in zip(rows, listed, strict=True)]
    return [[f.row() for f in scanner.findings(call, found)] for call, found in zip(calls, scanner.scan(calls), strict=True)]


@settings(max_examples=5000 if DEEP else 200, deadline=None, derandomize=not DEEP, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=True))
def test_the_scanner_equals_the_reference(rng: Random) -> None:
    plain = random_packs.pack(rng)
    rows = [random_packs.transcript(rng) for _ in range(CALLS)]
    listed = [random_packs.call_list(rng) for _ in range(CALLS)]
    pack = unflatten(json.dumps(plain).encode())
    for row, meta, found in zip(rows, listed, scanned(pack, rows, listed), strict=True):
        for rule, got in zip(pack.rules, found, strict=True):
            meant = reference.finding(rule, pack, row, meta)
            if got != meant:
                when = next(r for r in plain["rules"] if r["id"] == rule.id)
                note(json.dumps({"rule": when, "row": row, "listed": meta}, ensure_ascii=False))
            assert got == meant
