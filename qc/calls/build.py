"""Recordings found and lines listed, joined into rows of `calls`: every recording and every usable line is a row.

Nothing is dropped without a word: a line that cannot be used is a problem with its place, a listed call without a file and a
file without a line are rows that say so, the same bytes twice are two rows of which one points at the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.audio.find import Finding, Found, find_recordings, local_path, stored_path
from qc.audio.remote import find_remote, is_address
from qc.calls.columns import NAMES, READERS, duration_ms, guess
from qc.calls.disk import Index, Rows
from qc.calls.listing import LIST_SUFFIXES, Listing, Row, read_list
from qc.calls.match import Finder, found_at
from qc.errors import Problem, UsageError
from qc.progress import Progress, Silent
from qc.store import Store
from qc.tables import CALLS, rows_at

if TYPE_CHECKING:
    import pyarrow as pa

_FIELDS = tuple(f.name for f in CALLS.fields)
_SLICE = 4096
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


@dataclass(frozen=True)
class Joined:
    """Rows of `calls`: listed ones in the list's order, then the others by path; problems of the lists in file order.

    The table lies in a temporary file that is mapped, not loaded; it is gone with the table.
    """

    table: pa.Table
    problems: list[Problem]


def join_calls(options: CallOptions, progress: Progress | None = None) -> Joined:
    """The calls that `options` name, in memory that does not grow with their number.

    Raises UsageError when nothing can be started: no folder, no readable list, a mapping or pattern that does not fit; StoreError
    when temporary files cannot be written.
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
    roots = [*folders, *(p.parent for p in lists if p != options.calls or not (folders or addresses))]
    with closing(Index()) as index, closing(Rows()) as rows, closing(Rows()) as finished:
        remote = (found_at(one) for address in addresses for one in find_remote(address))
        found = chain(_find(folders, options, progress), remote)
        index.add_found((one, _groups(pattern, one).get("call_id")) for one in found)
        joiner = _Joiner(index, Finder(index, roots, addresses), pattern, rows)
        for path in lists:
            listing = read_list(path)
            joiner.take_list(listing, guess(listing.columns, dict(options.mapping), str(path)))
        joiner.take_unlisted()
        _finish(rows, finished, index, progress if options.digest else None)
        return Joined(finished.table(), sorted(joiner.problems))


def look_first(options: CallOptions) -> None:
    """A glance before anything that takes long, such as the download of a model: is there a recording to begin with?

    Raises UsageError when the sources are folders and files of this machine alone and no recording is among them, or one of
    them is not there. Lists and addresses are not looked into.
    """
    here = [s for s in options.sources if isinstance(s, Path) and not (s.is_file() and s.suffix.lower() in LIST_SUFFIXES)]
    if len(here) == len(options.sources) and options.calls is None and next(_find(here, options, Silent()), None) is None:
        raise nothing_found(options)


def nothing_found(options: CallOptions) -> UsageError:
    """What to say when there is nothing to hear."""
    return UsageError(
        "no recording was found",
        where=", ".join(map(str, options.sources)),
        hint="give a folder with recordings, or a list that names them",
        code="no_recordings",
    )


def build_calls(options: CallOptions, progress: Progress | None = None) -> tuple[list[dict[str, Any]], list[Problem]]:
    """`join_calls` for few calls: (rows of `calls`, problems). A row costs ten times what it costs in the table."""
    joined = join_calls(options, progress)
    return joined.table.to_pylist(), joined.problems


def save_calls(store: Store, rows: Sequence[Mapping[str, Any]] | pa.Table) -> int:
    """Append the rows that the store does not have just so; how many there were. Raises StoreError."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = rows if isinstance(rows, pa.Table) else calls_table(rows)
    known = np.zeros(table.num_rows, bool)
    ids = table["call_id"]
    for batch in store.batches("calls", rows=_SLICE):
        places = pc.index_in(batch["call_id"], value_set=ids)
        here = pc.is_valid(places)
        mine = pc.filter(places, here).combine_chunks()
        for place, row, stored in zip(mine.to_pylist(), rows_at(table, mine), batch.filter(here).to_pylist(), strict=True):
            known[place] = row == stored
    count = int((~known).sum())
    store.append("calls", table.filter(pa.array(~known)) if known.any() else table)
    return count


def calls_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows as a pyarrow table."""
    import pyarrow as pa

    from qc.tables import schema

    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema("calls"))


def _pattern(text: str | None) -> Any:
    import re2

    if text is None:
        return None
    try:
        quiet = re2.Options()
        quiet.log_errors = False
        pattern = re2.compile(text, quiet)
    except re2.error as error:
        raise UsageError(f"the pattern cannot be read: {error}", where="--name-pattern", code="pattern") from error
    if not pattern.groupindex:
        hint = "for example (?P<agent_id>\\d+)_(?P<call_id>\\w+)"
        raise UsageError("the pattern has no named group", where="--name-pattern", hint=hint, code="pattern")
    return pattern


def _find(folders: Iterable[Path], options: CallOptions, progress: Progress) -> Iterator[Found]:
    tally = Finding()
    for folder in folders:
        yield from find_recordings(folder, tally, options.skip)
    if tally.ignored:
        progress.note(f"{tally.ignored:,} file(s) are no recordings by content or name and were left out.")
    if tally.unreadable:
        progress.note(f"{tally.unreadable:,} file(s) or folder(s) could not be opened and were left out.")


def _groups(pattern: Any, one: Found) -> dict[str, str]:
    """What the pattern reads from a file's name."""
    if pattern is None:
        return {}
    match = pattern.search(Path(one.relative).name)
    return {} if match is None else {k: v for k, v in match.groupdict().items() if v}


class _Joiner:
    """Lines and recordings to rows, one at a time."""

    def __init__(self, index: Index, finder: Finder, pattern: Any, rows: Rows) -> None:
        self.index, self.finder, self.pattern, self.rows = index, finder, pattern, rows
        self.problems: list[Problem] = []

    def take_list(self, listing: Listing, fields: Mapping[str, str]) -> None:
        """Join a list's lines, in its order. Raises UsageError for a list that names neither calls nor files."""
        if "call_id" not in fields and "file" not in fields:
            hint = f"columns: {', '.join(listing.columns)}; say which with --map call_id=COLUMN or --map file=COLUMN"
            raise UsageError(
                "no column of the call list is a call's id or a file", where=f"{listing.path}:1", hint=hint, code="list"
            )
        for line in listing.lines:
            if isinstance(line, Problem):
                self.problems.append(line)
            else:
                self._take_line(listing, line, fields)

    def _take_line(self, listing: Listing, line: Row, fields: Mapping[str, str]) -> None:
        cells = {name: line.cells[column] for name, column in fields.items() if column in line.cells}
        call_id, named = cells.get("call_id"), cells.get("file")

        def problem(message: str, name: str, hint: str = "") -> None:
            column = listing.columns.index(fields[name]) + 1 if name in fields else 1
            self.problems.append(Problem(str(listing.path), line.line, column, message, hint))

        if not call_id and not named:
            problem("the line has neither a call's id nor a file; it is not used", "call_id")
            return
        if call_id and (used := self.index.id_place(call_id)) is not None:
            message = f"call id {call_id!r} is already used at {used}; this line is not used"
            problem(message, "call_id", "ids must differ; a recording named here is taken as not listed")
            return
        one, trouble = self.finder.find(named, call_id)
        if one is None and not named and (alike := self.index.by_pattern(str(call_id))) is not None:
            one, trouble = alike, ""
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
                    values[name] = cell
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
            for name, text in _groups(self.pattern, one).items():
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
            self.index.add_id(row["call_id"], where)
        if one is not None and row["listed"]:
            self.index.take(one.path)
        self.rows.add(row)

    def take_unlisted(self) -> None:
        """Rows for the recordings that no line named."""
        for one in self.index.not_taken():
            row = self._row(one, None, {}, {})
            if row["call_id"] and (used := self.index.id_place(row["call_id"])) is not None:
                message = f"call id {row['call_id']!r} by its name is already used at {used}; it gets one by its bytes"
                self.problems.append(Problem(one.relative, 1, 1, message))
                row["call_id"] = None
            self._add(row, one, one.relative)


def _finish(rows: Rows, finished: Rows, index: Index, progress: Progress | None) -> None:
    """Size and SHA-256 of every row's file, an id where there is none, and whose bytes are whose copy (listed rows come first).

    `progress`: None where files are not read through.
    """
    if progress is not None:
        progress.start("find", rows.count)
    for batch in rows.table().to_batches():
        for row in batch.to_pylist():
            if progress is not None:
                _digest(row)
                progress.advance()
            _name_and_mark_copy(row, index)
            finished.add(row)
    if progress is not None:
        progress.finish()


def _digest(row: dict[str, Any]) -> None:
    """A file that cannot be read has no digest; one on another machine has a mark instead already."""
    if row["path"] is None or is_address(row["path"]):
        return
    pair = _sha256(local_path(row["path"]))
    if pair is not None:
        row["size_bytes"], row["sha256"] = pair


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


def _name_and_mark_copy(row: dict[str, Any], index: Index) -> None:
    digest = row["sha256"]
    if not row["call_id"]:
        source = digest or hashlib.sha256(str(row["path"] or row["file"]).encode("utf-8", "replace")).hexdigest()
        row["call_id"] = index.free_id(f"sha256:{source[:16]}")
    if digest and row["size_bytes"]:
        row["duplicate_of"] = index.first_with(digest, row["call_id"])
