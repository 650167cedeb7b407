"""Spreadsheets as rows of text: XLSX and CSV, read within bounds, every cell knowing where it stands.

Whatever a workbook can carry besides text is refused by the cell's name: formulas (their results are whatever the program
that saved them says), error values. What it unpacks to is counted before it is unpacked, and XML with a DTD is not read.
"""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from qc.errors import PackError, Problem
from qc.packs.nodes import Node, read_yaml

SUFFIXES = (".xlsx", ".csv", ".tsv")
MAX_BYTES = 16 << 20
MAX_UNPACKED_BYTES = 128 << 20
MAX_ROWS = 100_000
MAX_COLUMNS = 500
_DELIMITERS = (",", "\t", ";")


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name (empty for CSV) and its rows of cells, each as long as it is filled, empty ones at the end left out."""

    name: str
    rows: tuple[tuple[Node, ...], ...]


def read_sheets(path: Path, shown: str = "") -> tuple[Sheet, ...]:
    """The sheets of a workbook, or the one of a CSV file. `shown`: the name that problems give. Raises PackError."""
    shown = shown or str(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(shown, f"the file cannot be read: {error.strerror}", "check its name and permissions") from error
    if len(data) > MAX_BYTES:
        raise _wrong(shown, f"the file is larger than {MAX_BYTES >> 20} MiB", "split it")
    if path.suffix.lower() == ".xlsx":
        return _workbook(data, shown)
    return (Sheet("", _csv(decode(data, shown), shown)),)


def decode(data: bytes, shown: str) -> str:
    """Text in UTF-8, UTF-16 (with its mark) or GB18030, which is what Excel in China saves CSV in. Raises PackError."""
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise _wrong(shown, "the file is no text in UTF-8, UTF-16 or GB18030", "save it as CSV UTF-8")


def _wrong(shown: str, message: str, hint: str, line: int = 1) -> PackError:
    return PackError([Problem(shown, line, 1, message, hint)])


def _csv(text: str, shown: str) -> tuple[tuple[Node, ...], ...]:
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=lambda d: (sum(p.count(d) for p in header.split('"')[::2]), -_DELIMITERS.index(d)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[tuple[Node, ...]] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return tuple(rows)
        except csv.Error as error:
            raise _wrong(shown, f"cannot read the line: {error}", "quotes must come in pairs", line) from error
        _bounded(shown, len(rows), len(cells))
        rows.append(_filled([Node("text", shown, line, column, cell.strip()) for column, cell in enumerate(cells, 1)]))


def _filled(cells: list[Node]) -> tuple[Node, ...]:
    while cells and not cells[-1].text:
        cells.pop()
    return tuple(cells)


def _bounded(shown: str, rows: int, columns: int) -> None:
    if rows >= MAX_ROWS or columns > MAX_COLUMNS:
        raise _wrong(shown, f"a sheet has more than {MAX_ROWS} rows or {MAX_COLUMNS} columns", "split it")


def _workbook(data: bytes, shown: str) -> tuple[Sheet, ...]:
    import openpyxl

    hint = "open it in Excel and save it as .xlsx anew"
    try:
        _check_archive(data, shown)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
            try:
                return tuple(_sheet(sheet, shown) for sheet in book.worksheets)
            finally:
                book.close()
    except PackError:
        raise
    except Exception as error:  # openpyxl lets many kinds through for a damaged workbook
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise _wrong(shown, f"the workbook cannot be read: {reason}", hint) from error


def _check_archive(data: bytes, shown: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise _wrong(shown, f"the workbook unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB", "split it")
        for item in archive.infolist():
            if item.filename.endswith((".xml", ".rels")):
                with archive.open(item) as part:
                    head = part.read(4096)
                if b"<!DOCTYPE" in head or b"<!ENTITY" in head or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise _wrong(shown, "the workbook holds XML with a DTD, which no spreadsheet program writes", "do not use it")


def _sheet(sheet: Any, shown: str) -> Sheet:
    from openpyxl.utils import get_column_letter

    sheet.reset_dimensions()
    rows: list[tuple[Node, ...]] = []
    problems: list[Problem] = []
    for line, row in enumerate(sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS + 1), 1):
        cells = []
        for column, cell in enumerate(row, 1):
            node = Node("text", shown, line, column, _text(cell.value), cell=f"{sheet.title}!{get_column_letter(column)}{line}")
            if node.text and cell.data_type == "f":
                problems.append(node.problem("the cell holds a formula", "put its value there (copy, paste as values)"))
            elif node.text and cell.data_type == "e":
                problems.append(node.problem(f"the cell holds the error {node.text[:20]}", "write what is meant"))
            cells.append(node)
        filled = _filled(cells)
        _bounded(shown, len(rows), len(filled))
        rows.append(filled)
    if problems:
        raise PackError(problems[:100])
    while rows and not rows[-1]:
        rows.pop()
    return Sheet(sheet.title, tuple(rows))


def _text(value: Any) -> str:
    """A typed cell as text: whole numbers without a point, days in ISO form, nothing as the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return str(value).replace("_x000D_", "").replace("\r\n", "\n").replace("\r", "\n").strip()


def columns(sheet: Sheet) -> list[tuple[Node, list[Node]]]:
    """A sheet's columns: the first filled row names them; under each name its filled cells. Nameless columns are left out."""
    rows = [row for row in sheet.rows if row]
    if not rows:
        return []
    return [
        (name, [row[at] for row in rows[1:] if at < len(row) and row[at].text]) for at, name in enumerate(rows[0]) if name.text
    ]


def item(cell: Node) -> Node:
    """A cell of words as an item of a list: a word or pattern as it is, `{word: …, match: sound}` and `"…"` as YAML says.

    Raises PackError for braces that are not closed.
    """
    if cell.text[:1] not in ("{", "[", '"'):
        return cell
    try:
        tree = read_yaml(cell.text.encode(), cell.file)
    except PackError as error:
        first = error.problems[0]
        raise PackError([cell.problem(first.message, first.hint)]) from None
    return placed(tree, cell) if tree is not None else cell


def placed(tree: Node, at: Node) -> Node:
    """A tree, all of it standing at one cell."""
    pairs = tuple((placed(key, at), placed(value, at)) for key, value in tree.pairs)
    items = tuple(placed(item, at) for item in tree.items)
    return Node(tree.kind, at.file, at.line, at.column, tree.text, items, pairs, at.cell)
