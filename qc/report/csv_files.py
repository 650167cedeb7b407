"""Providers, agents, calls, findings, rules, failures as CSV for machines: UTF-8 with a mark for Excel, headers and words as in the tables.

A cell that a spreadsheet would run as a formula gets an apostrophe before it (`qc.text.cells`); so do call ids that begin
so. Whoever needs the bytes exactly takes the Parquet files, or the store's own tables.
"""

from __future__ import annotations

import io

import polars as pl

from qc.report.flat import PLAIN, flat, spelled
from qc.report.model import ReportData
from qc.report.safe import visible
from qc.text.cells import harmless

CSV_SHEETS = ("agents", "calls", "findings", "providers", "rules", "failures")
_ODD = f"^ *[=+@\uff1d\uff0b\uff0d\uff20-]|[^{PLAIN}]"


def csv_files(data: ReportData, *, masked: bool = False) -> dict[str, bytes]:
    """File name → bytes. With `masked`, personal data is masked."""
    return {f"{name}.csv": csv_bytes(flat(name, data, masked=masked)) for name in CSV_SHEETS}


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as the bytes of a CSV file, every text harmless in a spreadsheet."""
    texts = [spelled(frame[c], _ODD, _text) for c, kind in frame.schema.items() if kind == pl.String]
    figures = [pl.col(c).round(6) for c, kind in frame.schema.items() if kind == pl.Float64]
    out = io.BytesIO()
    shown = frame.with_columns(*texts, *figures).with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
    shown.write_csv(out, include_bom=True, line_terminator="\r\n", null_value="")
    return out.getvalue()


def _text(value: str) -> str:
    return harmless(visible(value))
