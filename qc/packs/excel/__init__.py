"""A rule pack as a workbook and back: what people who write rules in Excel edit, without a loss that is not told."""

from qc.packs.excel.read import read_workbook
from qc.packs.excel.write import workbook

__all__ = ["read_workbook", "workbook"]
