"""What people answered into the table `reviews`: from a CSV or Excel file, or one by one. Strangers' files change no chances."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import Problem, UsageError
from qc.packs import Manual, read_stored
from qc.store import Store

MOST_BYTES = 64 << 20
MOST_ROWS = 1_000_000
ANSWERS = ("hit", "miss", "cannot_tell", "not_applicable")
_WORDS = {"成立": "hit", "不成立": "miss", "无法判断": "cannot_tell", "不适用": "not_applicable", "n/a": "not_applicable"}
_YES, _NO = ("yes", "是", "有"), ("no", "否", "没有")
MOST_NOTE, MOST_NAME = 2_000, 200


@dataclass(frozen=True)
class Taken:
    """`answers` were stored, `blank` lines had none; `problems`: lines that could not be taken, in order."""

    answers: int
    blank: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Plan:
    """What was drawn: (call, rule) → pack; and the manual items of these packs by (pack, id)."""

    packs: Mapping[tuple[str, str], str]
    manual: Mapping[tuple[str, str], Manual]

    @classmethod
    def of(cls, store: Store) -> Plan:
        """The plan that lies in a store."""
        packs = {(r["call_id"], r["rule"]): r["pack_id"] for r in store.read("review_plan").to_pylist()}
        found = store.read("findings", ["pack_id", "pack_sha256"])
        used = found.group_by(["pack_id", "pack_sha256"]).aggregate([]).to_pylist()
        manual: dict[tuple[str, str], Manual] = {}
        for row in sorted(used, key=lambda r: str(r["pack_sha256"])):
            if row["pack_id"] in set(packs.values()) and row["pack_sha256"]:
                manual |= {(row["pack_id"], m.id): m for m in read_stored(store, row["pack_sha256"]).manual}
        return cls(packs, manual)

    def row(self, given: Mapping[str, str], who: str, at: str) -> dict[str, Any]:
        """A row of `reviews` of an answer: `call_id`, `rule`, `answer`, `note`, `shown`. Raises ValueError, saying what is wrong."""
        key = (given.get("call_id", ""), given.get("rule", ""))
        if key not in self.packs:
            raise ValueError(f"call {key[0][:80]!r} was not drawn for rule {key[1][:80]!r}")
        item = self.manual.get((self.packs[key], key[1]))
        said = given.get("answer", "").strip().lower()
        answer = _WORDS.get(said, said)
        if said in (*_YES, *_NO):
            answer = "hit" if (said in _YES) != bool(item and item.on_no) else "miss"
        allowed = ANSWERS if item and item.may_not_apply else ANSWERS[:3]
        if answer not in allowed:
            raise ValueError(f"no such answer: {said[:40]!r}; one of: {', '.join(allowed)}")
        if not who:
            raise ValueError("nobody is named as the reviewer")
        return {
            "pack_id": self.packs[key],
            "call_id": key[0],
            "rule": key[1],
            "reviewer": who[:MOST_NAME],
            "at": at[:64],
            "answer": answer,
            "note": given.get("note", "").strip()[:MOST_NOTE],
            "shown": given.get("shown", "").strip().lower() in ("true", "1", *_YES),
        }


def take_reviews(store: Store, file: Path, reviewer: str = "", at: str = "") -> Taken:
    """Store the answers of a file. `reviewer`, `at`: for lines that do not say who and when.

    Raises UsageError for a file that cannot be read or lacks its columns.
    """
    plan = Plan.of(store)
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    problems: list[Problem] = []
    blank = 0
    for line, row in _lines(file):
        if not (row.get("answer") or "").strip():
            blank += 1
            continue
        given = row | {name: _plain(row.get(name)) for name in ("call_id", "rule", "note")}
        who = _plain(row.get("reviewer")) or reviewer
        try:
            made = plan.row(given, who, (row.get("at") or "").strip() or at)
        except ValueError as error:
            hint = "give --reviewer NAME" if not who else ""
            problems.append(Problem(str(file), line, 1, str(error), hint))
            continue
        rows[made["call_id"], made["rule"], who] = made
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
