"""Recordings found and lines listed, joined into rows of `calls`: every recording and every usable line is a row.

Nothing is dropped without a word: a line that cannot be used is a problem with its place, a listed call without a file and a
file without a line are rows that say so, the same bytes twice are two rows of which one points at the other.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.audio.find import Finding, Found, find_recordings, stored_path
from qc.audio.remote import find_remote
from qc.calls.columns import NAMES, READERS, duration_ms, guess
from qc.calls.listing import LIST_SUFFIXES, Listing, Row, read_list
from qc.calls.match import Finder, found_at
from qc.errors import Problem, UsageError
from qc.progress import Progress, Silent
from qc.store import Store
from qc.tables import CALLS

if TYPE_CHECKING:
    import pyarrow as pa

_FIELDS = tuple(f.name for f in CALLS.fields)
_SLICE = 8192
_TEXT_FIELDS = ("agent_id", "agent_name", "provider", "queue")


@dataclass(frozen=True)
class CallOptions:
    """Where the calls are.

    `sources`: folders, recordings, addresses (`s3://…`), or lists (CSV, XLSX, Parquet) that name the files. `calls`: the call list of the
    folders. `mapping`: field → column. `name_pattern`: an RE2 expression with named groups, searched in each file's name.
    `skip`: folders that are no recordings (the store). `digest`: read every recording through for its SHA-256; without it
    ids are made of paths, and the same bytes twice are not noticed (for plans).
    """

    sources: tuple[Path | str, ...]
    calls: Path | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    name_pattern: str | None = None
    skip: tuple[Path, ...] = ()
    digest: bool = True


def build_calls(options: CallOptions, progress: Progress | None = None) -> tuple[list[dict[str, Any]], list[Problem]]:
    """(rows of `calls`: listed ones in the list's order, then the others by path; problems of the lists in file order).

    Raises UsageError when nothing can be started: no folder, no readable list, a mapping or pattern that does not fit.
    """
    progress = progress or Silent()
    if not options.sources:
        raise UsageError("no folder and no list was given", code="no_folder")
    addresses = [s for s in options.sources if isinstance(s, str)]
    paths = [s for s in options.sources if not isinstance(s, str)]
    lists = [p for p in paths if p.is_file() and p.suffix.lower() in LIST_SUFFIXES]
    folders = [p for p in paths if p not in lists]
    if options.calls is not None:
        lists.append(options.calls)
    pattern = _pattern(options.name_pattern)
    found = [*_find(folders, options, progress), *(found_at(one) for address in addresses for one in find_remote(address))]
    roots = [*folders, *(p.parent for p in lists if p != options.calls or not (folders or addresses))]
    joiner = _Joiner(Finder(found, roots, addresses), pattern)
    for path in lists:
        listing = read_list(path)
        joiner.take_list(listing, guess(listing.columns, dict(options.mapping), str(path)))
    joiner.take_unlisted(found)
    rows = joiner.rows
    if options.digest:
        _digest(rows, joiner.paths, progress)
    _name_and_mark_copies(rows)
    return rows, sorted(joiner.problems)


def save_calls(store: Store, rows: Sequence[Mapping[str, Any]]) -> int:
    """Append the rows that the store does not have just so; how many there were. Raises StoreError."""
    mine = {row["call_id"]: row for row in rows}
    known = set()
    for batch in store.batches("calls"):
        for stored in batch.to_pylist():
            row = mine.get(stored["call_id"])
            if row is not None and stored == {name: row.get(name) for name in _FIELDS}:
                known.add(stored["call_id"])
    new = [row for row in rows if row["call_id"] not in known]
    store.append("calls", calls_table(new))
    return len(new)


def calls_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows as a pyarrow table, which costs a fraction of the memory."""
    import pyarrow as pa

    from qc.tables import schema

    slices = [rows[at : at + _SLICE] for at in range(0, len(rows), _SLICE)]
    return pa.concat_tables(
        [pa.Table.from_pylist([dict(r) for r in some], schema=schema("calls")) for some in slices or [rows]]
    ).combine_chunks()


def _pattern(text: str | None) -> Any:
    import re2

    if text is None:
        return None
    try:
        pattern = re2.compile(text)
    except re2.error as error:
        raise UsageError(f"the pattern cannot be read: {error}", where="--name-pattern", code="pattern") from error
    if not pattern.groupindex:
        hint = "for example (?P<agent_id>\\d+)_(?P<call_id>\\w+)"
        raise UsageError("the pattern has no named group", where="--name-pattern", hint=hint, code="pattern")
    return pattern


def _find(folders: Iterable[Path], options: CallOptions, progress: Progress) -> list[Found]:
    tally = Finding()
    found: dict[Path, Found] = {}
    for folder in folders:
        for one in find_recordings(folder, tally, options.skip):
            found.setdefault(one.path, one)
    if tally.ignored:
        progress.note(f"{tally.ignored:,} file(s) are no recordings by content or name and were left out.")
    if tally.unreadable:
        progress.note(f"{tally.unreadable:,} file(s) or folder(s) could not be opened and were left out.")
    return list(found.values())


class _Joiner:
    """The rows so far. `paths`: each row's file, by the row's place."""

    def __init__(self, finder: Finder, pattern: Any) -> None:
        self.finder, self.pattern = finder, pattern
        self.rows: list[dict[str, Any]] = []
        self.paths: list[Path | None] = []
        self.problems: list[Problem] = []
        self.ids: dict[str, str] = {}
        self.taken: set[Path] = set()
        self.by_pattern = self._ids_by_pattern() if pattern is not None else {}

    def _ids_by_pattern(self) -> dict[str, Found]:
        groups = ((one, self._groups(one)) for one in self.finder.found)
        return {g["call_id"]: one for one, g in groups if g.get("call_id")}

    def _groups(self, one: Found) -> dict[str, str]:
        """What the pattern reads from a file's name."""
        if self.pattern is None:
            return {}
        match = self.pattern.search(Path(one.relative).name)
        return {} if match is None else {k: v for k, v in match.groupdict().items() if v}

    def take_list(self, listing: Listing, fields: Mapping[str, str]) -> None:
        """Join a list's lines, in its order. Raises UsageError for a list that names neither calls nor files."""
        self.problems += listing.problems
        if "call_id" not in fields and "file" not in fields:
            hint = f"columns: {', '.join(listing.columns)}; say which with --map call_id=COLUMN or --map file=COLUMN"
            raise UsageError(
                "no column of the call list is a call's id or a file", where=f"{listing.path}:1", hint=hint, code="list"
            )
        for row in listing.rows:
            self._take_line(listing, row, fields)

    def _take_line(self, listing: Listing, line: Row, fields: Mapping[str, str]) -> None:
        cells = {name: line.cells[column] for name, column in fields.items() if column in line.cells}
        call_id, named = cells.get("call_id"), cells.get("file")

        def problem(message: str, name: str, hint: str = "") -> None:
            column = listing.columns.index(fields[name]) + 1 if name in fields else 1
            self.problems.append(Problem(str(listing.path), line.line, column, message, hint))

        if not call_id and not named:
            problem("the line has neither a call's id nor a file; it is not used", "call_id")
            return
        if call_id and call_id in self.ids:
            message = f"call id {call_id!r} is already used at {self.ids[call_id]}; this line is not used"
            problem(message, "call_id", "ids must differ; a recording named here is taken as not listed")
            return
        one, trouble = self.finder.find(named, call_id)
        if one is None and not named and call_id in self.by_pattern:
            one, trouble = self.by_pattern[str(call_id)], ""
        if trouble:
            problem(trouble, "file" if named else "call_id")
        values, others = self._values(line, cells, fields, problem)
        row = self._row(one, call_id, values, others)
        row["listed"] = True
        if one is None:
            row["file"] = named
        self._add(row, one, f"{listing.path}:{line.line}")

    def _values(
        self, line: Row, cells: Mapping[str, str], fields: Mapping[str, str], problem: Any
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Typed fields, and every other column with a value; a cell that cannot be read is among the others."""
        used = {fields[name]: name for name in cells}
        others = {column: value for column, value in line.cells.items() if column not in used}
        values: dict[str, Any] = {}
        for column, name in used.items():
            cell = line.cells[column]
            try:
                if name == "listed_duration_ms":
                    values[name] = duration_ms(cell, column)
                elif name in READERS:
                    values[name] = READERS[name](cell)
                elif name in _TEXT_FIELDS:
                    values[name] = sys.intern(cell)  # a few hundred names in a hundred thousand lines
            except (ValueError, OverflowError) as error:
                problem(f"{column} is {cell[:80]!r}: {error}; it is kept as text only", name)
                others[column] = cell
        return values, others

    def _row(
        self, one: Found | None, call_id: str | None, values: Mapping[str, Any], others: Mapping[str, str]
    ) -> dict[str, Any]:
        """A row of `calls`; what the file's name says counts where the list says nothing."""
        row: dict[str, Any] = dict.fromkeys(_FIELDS)
        row |= {"listed": False, "found": one is not None}
        extra = dict(others)
        if one is not None:
            row |= {"file": one.relative, "path": one.address or stored_path(one.path)}
            if one.address:
                row |= {"size_bytes": one.size_bytes, "sha256": one.version or None}
            for name, text in self._groups(one).items():
                if name == "call_id":
                    call_id = call_id or text
                elif name in NAMES or name == "duration":
                    self._from_name(row, name, text, one)
                else:
                    extra.setdefault(name, text)
        row |= {"call_id": call_id, **values}
        row["meta"] = [{"name": n, "value": v} for n, v in sorted(extra.items())]
        return row

    def _from_name(self, row: dict[str, Any], name: str, text: str, one: Found) -> None:
        try:
            if name in ("duration", "listed_duration_ms"):
                row["listed_duration_ms"] = duration_ms(text, name)
            else:
                row[name] = READERS[name](text) if name in READERS else text
        except (ValueError, OverflowError) as error:
            self.problems.append(Problem(one.relative, 1, 1, f"{name} in the file's name is {text!r}: {error}"))

    def _add(self, row: dict[str, Any], one: Found | None, where: str) -> None:
        if row["call_id"]:
            self.ids.setdefault(row["call_id"], where)
        if one is not None:
            self.taken.add(one.path)
        self.rows.append(row)
        self.paths.append(None if one is None or one.address else one.path)

    def take_unlisted(self, found: Iterable[Found]) -> None:
        """Rows for the recordings that no line named."""
        for one in sorted(found, key=lambda f: f.relative):
            if one.path in self.taken:
                continue
            row = self._row(one, None, {}, {})
            if row["call_id"] and row["call_id"] in self.ids:
                message = f"call id {row['call_id']!r} by its name is already used at {self.ids[row['call_id']]}; it gets one by its bytes"
                self.problems.append(Problem(one.relative, 1, 1, message))
                row["call_id"] = None
            self._add(row, one, one.relative)


def _digest(rows: Sequence[dict[str, Any]], paths: Sequence[Path | None], progress: Progress) -> None:
    """Size and SHA-256 of every row's file; a file that cannot be read has none."""
    known: dict[Path, tuple[int, str] | None] = {}
    progress.start("find", len(rows))
    for row, path in zip(rows, paths, strict=True):
        if path is not None:
            if path not in known:
                known[path] = _sha256(path)
            if (pair := known[path]) is not None:
                row["size_bytes"], row["sha256"] = pair
        progress.advance()
    progress.finish()


def _sha256(path: Path) -> tuple[int, str] | None:
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError:
        return None
    return size, digest.hexdigest()


def _name_and_mark_copies(rows: Sequence[dict[str, Any]]) -> None:
    """Give ids to rows without one, and point each copy at the first row with the same bytes (listed rows come first)."""
    used = {row["call_id"] for row in rows if row["call_id"]}
    first: dict[str, str] = {}
    again: Counter[str] = Counter()
    for row in rows:
        digest = row["sha256"]
        if not row["call_id"]:
            source = digest or hashlib.sha256(str(row["path"] or row["file"]).encode("utf-8", "replace")).hexdigest()
            base = f"sha256:{source[:16]}"
            again[base] += 1
            row["call_id"] = base if again[base] == 1 and base not in used else f"{base}-{again[base] + (base in used)}"
            used.add(row["call_id"])
        if digest and row["size_bytes"]:
            row["duplicate_of"] = first.get(digest)
            first.setdefault(digest, row["call_id"])
