"""What joining holds of each call, in temporary files: memory does not grow with the length of a list.

`Index` finds recordings and ids again (a private SQLite database that only spills what its small cache cannot hold); `Rows` are
rows of `calls` in order, at last a table that is mapped and not loaded. Both are gone with the process, however it ends.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from qc.audio.find import Found
from qc.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

_SLICE = 2048
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -8192;
CREATE TABLE found (
  number INTEGER PRIMARY KEY, path BLOB UNIQUE, relative TEXT, name TEXT, stem TEXT, address TEXT, size_bytes INTEGER,
  version TEXT, named TEXT, taken INTEGER DEFAULT 0);
CREATE TABLE ids (call_id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID;
CREATE TABLE first (sha256 TEXT PRIMARY KEY, call_id TEXT) WITHOUT ROWID;
CREATE TABLE again (base TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
"""
_LOOKED_UP = (
    "CREATE INDEX by_name ON found (name)",
    "CREATE INDEX by_stem ON found (stem)",
    "CREATE INDEX by_pattern ON found (named) WHERE named IS NOT NULL",
)
_FOUND = "SELECT path, relative, address, size_bytes, version FROM found"


@contextmanager
def _temporary() -> Iterator[None]:
    """Whatever goes wrong with a temporary file, as one error that says what to do."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise _no_room(error) from error


def _no_room(error: Exception) -> StoreError:
    return StoreError(
        f"cannot write a temporary file: {getattr(error, 'strerror', None) or error}",
        where=tempfile.gettempdir(),
        hint="free its disk, or name another folder in the environment variable TMPDIR",
    )


class Index:
    """Recordings by path, name and stem, which id belongs to whom, which bytes came first. Raises StoreError when the temporary disk is full."""

    def __init__(self) -> None:
        with _temporary():
            self._db = sqlite3.connect("", isolation_level=None)
            self._db.executescript(_TABLES)
            self._db.execute("BEGIN")

    def close(self) -> None:
        """Let the temporary file go."""
        self._db.close()

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise _no_room(error) from error

    # -- recordings -------------------------------------------------------------------------------------------------

    def add_found(self, found: Iterable[tuple[Found, str | None]]) -> None:
        """Recordings in order, each with the call id that its name gives; one that is there already is passed over."""

        def values() -> Iterator[tuple[Any, ...]]:
            for one, named in found:
                name = PurePosixPath(one.relative).name
                stem = name.rsplit(".", 1)[0]
                yield (_key(one.path), one.relative, name, stem, one.address, one.size_bytes, one.version, named)

        columns = "path, relative, name, stem, address, size_bytes, version, named"
        with _temporary():
            self._db.executemany(f"INSERT OR IGNORE INTO found ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values())
            for index in _LOOKED_UP:
                self._db.execute(index)

    def at(self, path: Path) -> Found | None:
        """The recording at a path."""
        return self._one("path = ?", _key(path))

    def by_pattern(self, call_id: str) -> Found | None:
        """The last recording whose name gives this id."""
        return self._one("named = ? ORDER BY number DESC LIMIT 1", call_id)

    def _one(self, where: str, value: Any) -> Found | None:
        row = self._do(f"{_FOUND} WHERE {where}", value).fetchone()
        return None if row is None else _found(row)

    def called(self, name: str, *, stem: bool) -> tuple[int, list[Found]]:
        """(how many recordings have this name, or stem; the first three of them)."""
        column = "stem" if stem else "name"
        rows = self._do(f"{_FOUND} WHERE {column} = ? ORDER BY number LIMIT 4", name).fetchall()
        count = len(rows)
        if count > 3:
            (count,) = self._do(f"SELECT count(*) FROM found WHERE {column} = ?", name).fetchone()
        return count, [_found(row) for row in rows[:3]]

    def take(self, path: Path) -> None:
        """Note that a line of a list named the recording at this path."""
        self._do("UPDATE found SET taken = 1 WHERE path = ?", _key(path))

    def not_taken(self) -> Iterator[Found]:
        """Recordings that no line named, by their paths below their folders."""
        rows = self._do(f"{_FOUND} WHERE NOT taken ORDER BY relative, number")
        while True:
            with _temporary():
                some = rows.fetchmany(_SLICE)
            if not some:
                return
            yield from map(_found, some)

    # -- ids and copies ---------------------------------------------------------------------------------------------

    def id_place(self, call_id: str) -> str | None:
        """Where an id was given; None when it is free."""
        row = self._do("SELECT place FROM ids WHERE call_id = ?", call_id).fetchone()
        return None if row is None else str(row[0])

    def add_id(self, call_id: str, place: str) -> None:
        """Note where an id is given, unless it is already."""
        self._do("INSERT OR IGNORE INTO ids VALUES (?, ?)", call_id, place)

    def free_id(self, base: str) -> str:
        """`base`, or `base-2`, `base-3`, … : the first that is free; it is not any more."""
        row = self._do("SELECT number FROM again WHERE base = ?", base).fetchone()
        number = row[0] if row else 0
        while True:
            number += 1
            call_id = base if number == 1 else f"{base}-{number}"
            if self.id_place(call_id) is None:
                break
        self._do("INSERT OR REPLACE INTO again VALUES (?, ?)", base, number)
        self.add_id(call_id, "")
        return call_id

    def first_with(self, sha256: str, call_id: str) -> str | None:
        """The id of the first call with these bytes; None when `call_id` is that."""
        if self._do("INSERT OR IGNORE INTO first VALUES (?, ?)", sha256, call_id).rowcount:
            return None
        return str(self._do("SELECT call_id FROM first WHERE sha256 = ?", sha256).fetchone()[0])


def _key(path: Path) -> bytes:
    """A path's bytes, whatever they are."""
    return os.fsencode(path)


def _found(row: tuple[Any, ...]) -> Found:
    path, relative, address, size_bytes, version = row
    return Found(Path(os.fsdecode(path)), relative, address, size_bytes, version)


class Rows:
    """Rows of `calls`, written as they come. Raises StoreError when the temporary disk is full."""

    def __init__(self) -> None:
        import pyarrow as pa

        from qc.tables import schema

        self._schema = schema("calls")
        self._waiting: list[Mapping[str, Any]] = []
        self.count = 0
        with _temporary():
            self._file = tempfile.TemporaryFile(prefix="qc-calls-")  # noqa: SIM115  (closed by `table`)
            self._writer = pa.ipc.new_file(self._file, self._schema)

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) == _SLICE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        with _temporary():
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []

    def table(self) -> pa.Table:
        """All rows, in the file and not in memory; nothing can be added any more."""
        import pyarrow as pa

        if self._waiting:
            self._flush()
        with _temporary():
            self._writer.close()
            self._file.flush()
            mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            self._file.close()
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all()

    def close(self) -> None:
        """Let the file go, for rows that nobody wants any more; a table made of them stays."""
        with suppress(OSError):  # what a full disk did not take was told when it was written
            self._file.close()
