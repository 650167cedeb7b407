"""Stage 3: transcripts and rule packs to findings, in three values, with the evidence."""

from __future__ import annotations

from qc.scan.cases import CaseResult, run_cases
from qc.scan.stage import ScanOptions, ScanSummary, cores, scan

__all__ = ["CaseResult", "ScanOptions", "ScanSummary", "cores", "run_cases", "scan"]
