"""The call list: CSV, XLSX or Parquet from any system, as rows of text with their line numbers.

Lists come from strangers: encodings and delimiters are guessed, sizes are bounded, nothing in a cell is evaluated.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from qc.errors import Problem, UsageError

LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".parquet")
_MAX_BYTES = 1 << 29
_MAX_COLUMNS = 500
_BLOCK = 1 << 20
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Row:
    """A line of the list: where it begins in the file (the header is line 1), and its cells by column; empty ones are left out."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Listing:
    """A call list: its columns in order, and its lines as they are read, once: a row, or what is wrong with it.

    Going through the lines raises UsageError where the file cannot be read on.
    """

    path: Path
    columns: tuple[str, ...]
    lines: Iterator[Row | Problem]


def read_list(path: Path) -> Listing:
    """Begin to read a call list; its lines are not held. Raises UsageError for a file that is no list."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError("the call list is larger than 512 MiB", where=str(path), hint="split it by day", code="list")
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise UsageError(f"cannot read the call list: {error.strerror}", where=str(path), code="list") from error
    if head[:4] == b"PK\x03\x04":
        return _table(path, _xlsx(path))
    if head[:4] == b"PAR1":
        return _table(path, _parquet(path))
    return _table(path, _csv(path))


def _table(path: Path, lines: Iterator[tuple[int, list[str]]]) -> Listing:
    first = next(lines, None)
    while first is not None and not any(cell.strip() for cell in first[1]):
        first = next(lines, None)
    if first is None:
        raise UsageError("the call list is empty", where=str(path), code="list")
    columns = _headers(first[1], path)
    return Listing(path, tuple(c for c in columns if c), _lines(path, columns, lines))


def _lines(path: Path, columns: Sequence[str], lines: Iterator[tuple[int, list[str]]]) -> Iterator[Row | Problem]:
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            message = f"the line has {len(cells)} cells, the header {len(columns)}; it is not used"
            yield Problem(str(path), line, len(columns) + 1, message, "quote cells that hold the delimiter")
            continue
        yield Row(line, {c: v.strip() for c, v in zip(columns, cells, strict=False) if c and v.strip()})


def _headers(cells: list[str], path: Path) -> list[str]:
    """Column names: a name that comes twice gets a number; nameless columns at the end are dropped."""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) > _MAX_COLUMNS:
        raise UsageError(f"the call list has {len(cells)} columns; {_MAX_COLUMNS} are the most", where=f"{path}:1", code="list")
    seen: dict[str, int] = {}
    names = []
    for index, cell in enumerate(cells, 1):
        name = cell.strip() or f"column {index}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _encoding(path: Path) -> str:
    """UTF-8, UTF-16 (with mark) or GB18030, whichever the whole file is. Raises UsageError for one that is no text."""
    with open(path, "rb") as file:
        marked = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            with open(path, encoding=encoding, newline="") as text:
                if any("\0" in block for block in iter(lambda: text.read(_BLOCK), "")):
                    raise UsageError("the file is no text", where=str(path), hint="give a CSV, XLSX or Parquet file", code="list")
            return encoding
        except UnicodeDecodeError:
            continue
    hint = "save it as CSV UTF-8"
    raise UsageError("the file is no text in UTF-8, UTF-16 or GB18030", where=str(path), hint=hint, code="list")


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    encoding = _encoding(path)
    with open(path, encoding=encoding, newline="") as text:
        header = next((line for line in text if line.strip()), "")
        delimiter = max(_DELIMITERS, key=lambda d: (_outside_quotes(header, d), -_DELIMITERS.index(d)))
        text.seek(0)
        yield from _cells(path, csv.reader(text, delimiter=delimiter))


def _cells(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UsageError(
                f"cannot read the line: {error}", where=f"{path}:{line}", hint="quotes must come in pairs", code="list"
            ) from error
        yield line, cells


def _outside_quotes(line: str, delimiter: str) -> int:
    return sum(part.count(delimiter) for part in line.split('"')[::2])


def _xlsx(path: Path) -> Iterator[tuple[int, list[str]]]:
    import warnings

    import openpyxl

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MAX_BYTES:
                raise UsageError("the workbook unpacks to more than 512 MiB", where=str(path), hint="save it as CSV", code="list")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                sheet = book.worksheets[0]
                sheet.reset_dimensions()
                rows: Iterable[tuple[Any, ...]] = sheet.iter_rows(values_only=True, max_col=_MAX_COLUMNS + 1)
                yield from ((line, [cell_text(c) for c in row]) for line, row in enumerate(rows, 1))
            finally:
                book.close()
    except UsageError:
        raise
    except Exception as error:  # openpyxl lets many kinds through for a damaged workbook
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"cannot read the workbook: {reason}", where=str(path), hint="save it as CSV UTF-8", code="list"
        ) from error


def _parquet(path: Path) -> Iterator[tuple[int, list[str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = list(file.schema_arrow.names)
        yield 1, names
        line = 2
        for batch in file.iter_batches(batch_size=4096):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield line, [cell_text(c) for c in row]
                line += 1
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"cannot read the Parquet file: {error}", where=str(path), code="list") from error


def cell_text(value: Any) -> str:
    """A typed cell as text: whole numbers without a point, times in ISO form, nothing as the empty string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else "" if value != value else repr(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
