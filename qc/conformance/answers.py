"""Who answers the suite: the scanner, from the table of transcripts to the table of findings, or the reference evaluator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qc.conformance import reference
from qc.conformance.suite import ANSWER, RULE, Case
from qc.packs.model import Pack
from qc.packs.trust import trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, scan
from qc.store import Store

TOGETHER = 25
"""Cases in one pack: every rule looks at every call, so that none is shown to mind the others."""

_COLUMNS = ("agent_id", "agent_name", "provider", "queue", "started_at", "hangup")


def by_reference(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """The reference evaluator's answers, by the case's id."""
    found = {}
    for case in cases:
        pack = case.pack
        found[case.id] = _answer(reference.finding(pack.rules[0], pack, case.row, case.listed))
    return found


def by_scanner(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """The scanner's answers, by the case's id: packs, transcripts and call lists in a store, `qc scan`, findings."""
    found: dict[str, dict[str, Any]] = {}
    ordered = sorted(cases, key=_floors)
    for _, alike in groupby(ordered, key=_floors):
        listed = list(alike)
        for first in range(0, len(listed), TOGETHER):
            found |= dict(_scanned(listed[first : first + TOGETHER]))
    return {case.id: found[case.id] for case in cases}


def _floors(case: Case) -> str:
    return json.dumps({key: value for key, value in case.plain.items() if key != "rules"}, sort_keys=True)


def _scanned(cases: Sequence[Case]) -> Iterator[tuple[str, dict[str, Any]]]:
    rules = [{**case.plain["rules"][0], "id": f"{RULE}{number}"} for number, case in enumerate(cases)]
    plain = {**cases[0].plain, "rules": rules}
    _, calls = findings_of(plain, [case.row for case in cases], {case.id: case.listed for case in cases})
    found = {row["call_id"]: verdicts for row, _, verdicts in calls}
    missed = {"verdict": "miss", "count": 0, "coverage": None, "why": None, "evidence": []}
    for number, case in enumerate(cases):
        yield case.id, _answer(found[case.id].get(f"{RULE}{number}", missed))


Cells = Mapping[str, str | None]
Scanned = tuple[dict[str, Any], Cells | None, dict[str, dict[str, Any]]]


def findings_of(
    plain: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], listed: Mapping[str, Cells | None]
) -> tuple[Pack, list[Scanned]]:
    """Scan rows of `transcripts` with a pack (plain data), in a store that is thrown away.

    `listed`: the call list's cells by call id. The pack as it was read; and for each call the row as the store holds it, its
    cells as the scanner sees them (every column of `calls` is there), and its verdicts by rule, misses left out.
    """
    with TemporaryDirectory(prefix="qc-conform-") as folder:
        file = Path(folder) / "pack.json"
        file.write_text(json.dumps(plain, ensure_ascii=False), encoding="utf-8")
        trusted = trust_local(file)
        store = Store(Path(folder) / "store")
        store.append("transcripts", [dict(row) for row in rows])
        store.append("calls", [_call(name, cells) for name, cells in listed.items() if cells is not None])
        scan(store, [trusted], ScanOptions(), Silent())
        found = {row["call_id"]: row["verdicts"] for row in store.read("findings").to_pylist()}
        held = store.read("transcripts").to_pylist()
    calls: list[Scanned] = []
    for row in held:
        cells = listed[row["call_id"]]
        seen = None if cells is None else {**dict.fromkeys(_COLUMNS), "satisfaction": None, **cells}
        calls.append((row, seen, {verdict["rule"]: verdict for verdict in found[row["call_id"]]}))
    return trusted.pack, calls


def _call(name: str, cells: Cells) -> dict[str, Any]:
    own = {column: cells[column] for column in _COLUMNS if column in cells}
    meta = [{"name": column, "value": value} for column, value in cells.items() if column not in _COLUMNS]
    return {"call_id": name, "listed": True, "found": True, **own, "meta": meta}


def _answer(finding: dict[str, Any]) -> dict[str, Any]:
    return {key: finding[key] for key in ANSWER}
