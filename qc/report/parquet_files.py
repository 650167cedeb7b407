"""The sheets as Parquet, typed and exact, every row: for warehouses and notebooks."""

from __future__ import annotations

import io

from qc.report.flat import flat
from qc.report.model import ReportData

PARQUET_SHEETS = ("agents", "calls", "findings", "providers")


def parquet_files(data: ReportData, *, masked: bool = False) -> dict[str, bytes]:
    """File name → bytes. With `masked`, personal data is masked."""
    out = {}
    for name in PARQUET_SHEETS:
        buffer = io.BytesIO()
        flat(name, data, masked=masked).write_parquet(buffer, compression="zstd")
        out[f"{name}.parquet"] = buffer.getvalue()
    return out
