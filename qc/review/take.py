"""What people answered, read back: a CSV or Excel file into the table `reviews`. Strangers' files change no chances."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import Problem, UsageError
from qc.review.page import ANSWERS
from qc.store import Store

MOST_BYTES = 64 << 20
MOST_ROWS = 1_000_000
_WORDS = {"成立": "hit", "不成立": "miss", "无法判断": "cannot_tell", "yes": "hit", "no": "miss"}


@dataclass(frozen=True)
class Taken:
    """`answers` were stored, `blank` lines had none; `problems`: lines that could not be taken, in order."""

    answers: int
    blank: int
    problems: tuple[Problem, ...]


def take_reviews(store: Store, file: Path, reviewer: str = "", at: str = "") -> Taken:
    """Store the answers of a file. `reviewer`, `at`: for lines that do not say who and when.

    Raises UsageError for a file that cannot be read or lacks its columns.
    """
    plan = {(r["call_id"], r["rule"]): r["pack_id"] for r in store.read("review_plan").to_pylist()}
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    problems: list[Problem] = []
    blank = 0
    for line, row in _lines(file):
        said = (row.get("answer") or "").strip().lower()
        answer = _WORDS.get(said, said)
        key = (_plain(row.get("call_id")), _plain(row.get("rule")))
        who = (row.get("reviewer") or "").strip() or reviewer
        if not answer:
            blank += 1
        elif answer not in ANSWERS:
            problems.append(Problem(str(file), line, 1, f"no such answer: {said[:40]!r}", f"one of: {', '.join(ANSWERS)}"))
        elif key not in plan:
            problems.append(Problem(str(file), line, 1, f"call {key[0][:80]!r} was not drawn for rule {key[1][:80]!r}"))
        elif not who:
            problems.append(Problem(str(file), line, 1, "nobody is named as the reviewer", "give --reviewer NAME"))
        else:
            rows[key[0], key[1], who] = {
                "pack_id": plan[key],
                "call_id": key[0],
                "rule": key[1],
                "reviewer": who,
                "at": (row.get("at") or "").strip() or at,
                "answer": answer,
                "note": (row.get("note") or "").strip(),
            }
    store.append("reviews", list(rows.values()))
    return Taken(len(rows), blank, tuple(problems))


def _plain(cell: str | None) -> str:
    """A cell as it was before the apostrophe that keeps spreadsheets from running it."""
    text = (cell or "").strip()
    return text[1:] if text.startswith("'") and text[1:2] in "=+-@" else text


def _lines(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by header) of a file."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UsageError("the file is too large to be answers", where=str(file), hint="give the file that the page saved")
        rows = _sheet_rows(file) if file.suffix.lower() == ".xlsx" else _csv_rows(file)
        header = [str(h or "").strip().lower() for h in next(rows, [])]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UsageError(f"cannot read the answers: {error}", where=str(file), hint="CSV or XLSX") from error
    missing = [c for c in ("call_id", "rule", "answer") if c not in header]
    if missing:
        raise UsageError(
            f"there is no column {missing[0]}", where=str(file), hint="the header is call_id,rule,answer,note,reviewer,at"
        )
    for line, cells in enumerate(rows, start=2):
        if line > MOST_ROWS:
            return
        yield line, {h: "" if c is None else str(c) for h, c in zip(header, cells, strict=False)}


def _csv_rows(file: Path) -> Iterator[list[Any]]:
    text = file.read_bytes().decode("utf-8-sig", errors="replace")
    yield from csv.reader(io.StringIO(text.replace("\0", ""), newline=""))


def _sheet_rows(file: Path) -> Iterator[list[Any]]:
    import zipfile

    from openpyxl import load_workbook

    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error
    try:
        for row in book.worksheets[0].iter_rows(values_only=True, max_col=50):
            yield list(row)
    finally:
        book.close()
