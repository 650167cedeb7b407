"""Providers, agents, calls, findings, rules, failures as CSV for machines: UTF-8 with a mark for Excel, headers and words as in the tables.

A cell that a spreadsheet would run as a formula gets an apostrophe before it (`qc.text.cells`); so do call ids that begin
so. Whoever needs the bytes exactly takes the JSON, or the store's own tables.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from qc.report.model import LANGS, ReportData
from qc.report.safe import visible
from qc.report.sheets import SHEETS, Column, Sheet
from qc.text.cells import harmless

CSV_SHEETS = ("agents", "calls", "findings", "providers", "rules", "failures")


def csv_files(data: ReportData) -> dict[str, bytes]:
    """File name → bytes."""
    return {f"{name}.csv": _csv(SHEETS[name], data) for name in CSV_SHEETS}


def _csv(sheet: Sheet, data: ReportData) -> bytes:
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\r\n")
    columns = [c for c in sheet.columns if c.name not in ("start", "remedy")]
    writer.writerow([h for c in columns for h in _headers(c)])
    for row in sheet.rows(data):
        writer.writerow([cell for c in columns for cell in _cells(c, row.get(c.name))])
    return out.getvalue().encode("utf-8", "surrogatepass")


def _headers(column: Column) -> list[str]:
    return [f"{column.name}_{lang}" for lang in LANGS] if column.kind == "title" else [column.name]


def _cells(column: Column, value: Any) -> list[Any]:
    if column.kind == "title":
        return [_text(value.get(lang, "")) for lang in LANGS]
    if value is None:
        return [""]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int):
        return [value]
    if isinstance(value, float):
        return [repr(round(value, 6))]
    return [_text(";".join(value) if isinstance(value, tuple) else value)]


def _text(value: str) -> str:
    return harmless(visible(value))
