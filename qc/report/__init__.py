"""Stage 5: the tables become pages to read and listen to, spreadsheets, and data. One file per format; `FORMATS` lists them."""

from qc.report.model import ReportOptions, ReportSummary
from qc.report.run import FORMATS, write_report

__all__ = ["FORMATS", "ReportOptions", "ReportSummary", "write_report"]
