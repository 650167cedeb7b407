"""Stage 3: transcripts and rule packs to findings, in three values, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qc.scan.cases import CaseResult, run_cases
    from qc.scan.stage import ScanOptions, ScanSummary, cores, scan

__all__ = ["CaseResult", "ScanOptions", "ScanSummary", "cores", "run_cases", "scan"]


def __getattr__(name: str) -> Any:
    """Loaded when it is asked for, so that `qc.scan.ahead` can begin before."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("qc.scan.cases" if name in ("CaseResult", "run_cases") else "qc.scan.stage"), name)
