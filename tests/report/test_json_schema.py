"""The JSON document has the shape that its schema says, and the schema says all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fixture_store
import pytest
from jsonschema import Draft202012Validator

from qc.report import ReportOptions, write_report
from qc.report.json_file import json_schema
from qc.store import Store

STORES = {
    "normal": fixture_store.normal,
    "empty": fixture_store.empty,
    "hostile": fixture_store.hostile,
    "personal": fixture_store.personal,
}


@pytest.mark.parametrize("kind", STORES)
def test_every_report_is_as_its_schema_says(kind: str, tmp_path: Path) -> None:
    make: Callable[[Path], Store] = STORES[kind]
    write_report(make(tmp_path), tmp_path / "out", ReportOptions(formats=("json",)))
    schema = json.loads((tmp_path / "out" / "data" / "report.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    assert schema == json_schema()
    document = json.loads((tmp_path / "out" / "data" / "report.json").read_bytes().decode("utf-8", "surrogatepass"))
    assert [
        f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in Draft202012Validator(schema).iter_errors(document)
    ] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("left_out"),
        lambda d: d.update(unheard_of=1),
        lambda d: d["totals"].update(calls="30"),
        lambda d: d["calls"][1]["findings"][0].pop("verdict"),
        lambda d: d["calls"][1]["findings"][0]["evidence"][0].update(start_ms=0.5),
        lambda d: d["agents"][0].update(more=None),
    ],
)
def test_the_schema_refuses_another_shape(change: Callable[[Any], Any], tmp_path: Path) -> None:
    write_report(fixture_store.normal(tmp_path), tmp_path / "out", ReportOptions(formats=("json",)))
    document = json.loads((tmp_path / "out" / "data" / "report.json").read_bytes())
    change(document)
    assert list(Draft202012Validator(json_schema()).iter_errors(document))
