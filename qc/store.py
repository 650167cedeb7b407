"""A store: a folder of tables, each a folder of Parquet parts that any engine reads.

Parts are written beside under a hidden name and renamed, so a reader never sees half of one. A later part wins for
the same key. Several processes may append at once: names never clash. Nothing is changed in place.

    qc-store/
      calls/part-<nanoseconds>-<random>.parquet
      transcripts/…  findings/…  scores/…  summaries/…   (those of transcripts with a digest of each row: `qc.digests`)
      packs/<sha256>.json            the packs that findings were made with, flattened
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.errors import StoreError
from qc.tables import TABLES, schema

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_STORE = "qc-store"
DIGESTED = "transcripts"
"""The table whose parts carry a digest of each row (`qc.digests`)."""

_SUFFIX = ".parquet"
_RETRIES = 5
_BATCH_BYTES = 256 << 20
_GROUP_ROWS = 16_384
_SORTED_ROWS = 131_072
_MOST_PILES = 250
"""Where rows of a table do not come in order, how many are sorted at a time; and the most files that are open for it."""


@dataclass(frozen=True)
class Share:
    """A part's row group: what one process reads by itself. `rows`: how many there are; `kept`: which of them are current
    (bool [rows]), None where all are; `first`: the number of its first row in the part."""

    path: Path
    group: int
    rows: int
    first: int
    kept: Any = None


@dataclass(frozen=True)
class Lean:
    """How to read less of a table's lists. `numbered`: members that come as dictionaries, a number a row instead of a string;
    `left_out`: members that are not read at all. By name, of any list.

    `digests`: where the row group's digests hold, they come as another column (`qc.digests.DIGEST`), and then `with_digests` is
    left out too, and of `if_any` what is null throughout, or where a word is given, what that cannot be among.
    """

    numbered: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    digests: bool = False
    with_digests: frozenset[str] = frozenset()
    if_any: Mapping[str, str | None] = field(default_factory=dict)


class Store:
    """The tables under one folder. Rows come as dicts or as pyarrow tables of `tables.schema(name)`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._made = False

    # -- writing ------------------------------------------------------------------------------------------------

    def append(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> Path | None:
        """Write one part, whole or not at all; its path, or None when there are no rows.

        Raises StoreError when the folder cannot be written or the disk is full.
        """
        data = _as_table(table, rows)
        return None if data.num_rows == 0 else self._write(table, data, f"{time.time_ns():020d}-{secrets.token_hex(4)}")

    def replace(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table, *, where: tuple[str, str] | None = None) -> None:
        """Make `rows` the whole table; with `where=(column, value)`, replace only the rows that have that value."""
        import pyarrow as pa
        import pyarrow.compute as pc

        old = self.parts(table)
        data = _as_table(table, rows)
        if where and old:
            kept = self.read(table)
            keep = pc.fill_null(pc.not_equal(kept[where[0]], where[1]), True)
            data = pa.concat_tables([kept.filter(keep), data])
        self._write(table, data, f"{time.time_ns():020d}-{secrets.token_hex(4)}")
        _remove(old)

    @contextlib.contextmanager
    def replacing(self, table: str, by: Sequence[str]) -> Iterator[SortedRows]:
        """Make the rows added inside the whole table, sorted by these columns; an error inside leaves the table as it was.

        Rows come in any order, a piece at a time: memory stays flat however many there are. The same rows give the same bytes.
        """
        old = self.parts(table)
        final, beside = self._place(table, f"{time.time_ns():020d}-{secrets.token_hex(4)}")
        rows = SortedRows(table, tuple(by), beside, lambda: self._writing(table))
        try:
            yield rows
            rows.finish()
            with self._writing(table):
                os.replace(beside, final)
        finally:
            with contextlib.suppress(StoreError), self._writing(table):
                rows.close()
            _discard(beside)
        _remove(old)

    def compact(self, table: str) -> tuple[int, int]:
        """Merge a table's parts into one, sorted by key, losers dropped. (parts before, rows after)."""
        old = self.parts(table)
        if not old:
            return 0, 0
        data = self._read(table, old, None)
        stamp = old[-1].name.removeprefix("part-").split("-")[0]
        self._write(table, data, f"{stamp}-zz{secrets.token_hex(4)}")
        _remove(old)
        return len(old), data.num_rows

    def write_file(self, relative: str, data: bytes) -> Path:
        """Write a file of the store (a pack, say) atomically."""
        return atomic_write(self.path / relative, data)

    # -- reading ------------------------------------------------------------------------------------------------

    def tables(self) -> list[str]:
        """Names of the tables that have at least one part, in pipeline order."""
        return [name for name in TABLES if self.parts(name)]

    def parts(self, table: str) -> list[Path]:
        """Finished parts of a table, oldest first."""
        folder = self.path / table
        try:
            return sorted(p for p in folder.iterdir() if p.suffix == _SUFFIX and p.name.startswith("part-"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"cannot read the table: {error.strerror}", where=str(folder)) from error

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The table's current rows, sorted by key. An absent table is an empty one.

        Old parts without a newer field are read with null. Raises StoreError for a part that is not Parquet.
        """
        for attempt in range(_RETRIES):
            try:
                return self._read(table, self.parts(table), columns)
            except FileNotFoundError:  # compacted away between listing and reading
                if attempt == _RETRIES - 1:
                    raise StoreError("parts keep vanishing while they are read", where=str(self.path / table)) from None
        raise AssertionError("unreachable")

    def batches(self, table: str, columns: Sequence[str] | None = None, rows: int = 2048) -> Iterator[pa.Table]:
        """The current rows in tables of at most `rows`, in the order of parts: memory stays flat however many there are."""
        import pyarrow as pa

        parts = self.parts(table)
        want = _columns(table, columns)
        position = 0
        try:
            winners, _ = self._winners(table, parts)
        except FileNotFoundError:
            raise _compacted(self.path / table) from None
        for part in parts:
            try:
                file = _open(part)
            except FileNotFoundError:
                raise _compacted(self.path / table) from None
            present = [c for c in want if c in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=rows, columns=present):
                keep = winners[position : position + batch.num_rows]
                position += batch.num_rows
                chosen = batch.filter(pa.array(keep))
                if chosen.num_rows:
                    yield _conform(pa.Table.from_batches([chosen]), table, want)

    def rows(self, table: str) -> int:
        """How many rows the table's parts have, those that a later part replaced too: read from their ends alone. Raises StoreError."""
        try:
            return sum(_open(part).metadata.num_rows for part in self.parts(table))
        except FileNotFoundError:
            raise _compacted(self.path / table) from None

    def shares(self, table: str) -> list[Share]:
        """The table cut where its files can be read apart, in the order of parts. Raises StoreError."""
        parts = self.parts(table)
        try:
            winners, groups = self._winners(table, parts)
        except FileNotFoundError:
            raise _compacted(self.path / table) from None
        found: list[Share] = []
        position = 0
        for part, sizes in zip(parts, groups, strict=True):
            first = 0
            for group, rows in enumerate(sizes):
                kept = winners[position : position + rows]
                if kept.any():
                    found.append(Share(part, group, rows, first, None if kept.all() else kept))
                position += rows
                first += rows
        return found

    def share_batches(
        self, table: str, share: Share, columns: Sequence[str], rows: int = 2048, lean: Lean | None = None
    ) -> Iterator[pa.Table]:
        """The current rows of a share in tables of at most `rows`, fewer where rows are large. Raises StoreError.

        With `lean` a part that was written as the table is now is read so; any other as without it.
        """
        import pyarrow as pa

        try:
            with _source(share.path, lean) as part:
                file = _open(share.path, part)
                leaves, columns, numbered = _leaves_to_read(file, part, share.group, table, columns, lean)
                if numbered:
                    file = _open(share.path, part, numbered, file.metadata)
                position = 0
                size = file.metadata.row_group(share.group).total_byte_size
                rows = max(1, min(rows, share.rows * _BATCH_BYTES // max(size, 1)))
                found: pa.Table | None = None
                for batch in file.iter_batches(batch_size=rows, row_groups=[share.group], columns=leaves, use_threads=False):
                    here = slice(position, position + batch.num_rows)
                    chosen = batch if share.kept is None else batch.filter(pa.array(share.kept[here]))
                    position += batch.num_rows
                    if chosen.num_rows:
                        found = pa.Table.from_batches([chosen])
                        found = _conform(found, table, columns) if numbered is None else found.select(list(columns))
                    del batch, chosen
                    if position == share.rows:
                        break
                    if found is not None:
                        yield found
                        found = None
                del file
        except FileNotFoundError:
            raise _compacted(self.path / table) from None
        if found is not None:  # the last, after the part's own bytes are gone
            yield found

    def keys(self, table: str) -> pa.Table:
        """The current keys alone."""
        return self.read(table, TABLES[table].key)

    # -- inside -------------------------------------------------------------------------------------------------

    def _write(self, table: str, data: pa.Table, stem: str) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from qc import digests

        final, beside = self._place(table, stem)
        try:
            with self._writing(table), open(beside, "w+b") as out:
                if table == DIGESTED:
                    digests.write(data, out, _GROUP_ROWS)
                else:
                    flat = [
                        f.name for f in data.schema if not pa.types.is_nested(f.type)
                    ]  # of others nobody asks the least value
                    how = {"compression": "zstd", "row_group_size": _GROUP_ROWS, "write_statistics": flat}
                    pq.write_table(data, out, **how)
                out.flush()
                os.fsync(out.fileno())
            with self._writing(table):
                os.replace(beside, final)
        finally:
            _discard(beside)
        return final

    def _place(self, table: str, stem: str) -> tuple[Path, Path]:
        """Where a part will be, and where it is written; the table's folder is there."""
        folder = self.path / table
        with self._writing(table):
            if not self._made:  # once: a store that vanishes later is not made anew somewhere else
                self.path.mkdir(parents=True, exist_ok=True)
                self._made = True
            folder.mkdir(exist_ok=True)
        final = folder / f"part-{stem}{_SUFFIX}"
        return final, folder / f".{final.name}.tmp"

    @contextlib.contextmanager
    def _writing(self, table: str) -> Iterator[None]:
        """Whatever the disk says while a table is written becomes a StoreError."""
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException) as error:
            if isinstance(error, FileNotFoundError) and not self.path.exists():
                raise StoreError(
                    "the store's folder is gone",
                    where=str(self.path),
                    hint="mount its disk again, then run the same command again; what is finished is kept there",
                    code="gone",
                ) from error
            raise StoreError(
                f"cannot write to the store: {getattr(error, 'strerror', None) or error}",
                where=str(self.path / table),
                hint="free the disk or choose another --store; what is finished is kept, run the same command again",
            ) from error

    def _read(self, table: str, parts: Sequence[Path], columns: Sequence[str] | None) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        want = _columns(table, columns)
        key = TABLES[table].key
        load = list(dict.fromkeys([*key, *want]))
        pieces = []
        for part in parts:
            file = _open(part)
            pieces.append(_conform(file.read(columns=[c for c in load if c in file.schema_arrow.names]), table, load))
        if not pieces:
            return schema(table).empty_table().select(want)
        whole = pa.concat_tables(pieces)
        index = pa.array(np.arange(whole.num_rows))
        last = whole.select(list(key)).append_column("_i", index).group_by(list(key)).aggregate([("_i", "max")])
        order = last.sort_by([(k, "ascending") for k in key])["_i_max"]
        return whole.take(order).select(want).combine_chunks()

    def _winners(self, table: str, parts: Sequence[Path]) -> tuple[Any, list[list[int]]]:
        """bool [rows in all parts]: whether each row is the last of its key; and of each part the rows of its row groups."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        key = list(TABLES[table].key)
        pieces, groups = [], []
        for part in parts:
            with _open(part) as file:
                pieces.append(_conform(file.read(columns=key), table, key))
                groups.append([file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)])
        if not pieces:
            return np.zeros(0, bool), groups
        keys = pa.concat_tables(pieces)
        if len(key) == 1 and len(pc.unique(keys[key[0]])) == keys.num_rows:  # mostly nothing was replaced
            return np.ones(keys.num_rows, bool), groups
        last = keys.append_column("_i", pa.array(np.arange(keys.num_rows))).group_by(key).aggregate([("_i", "max")])
        mask = np.zeros(keys.num_rows, bool)
        mask[last["_i_max"].to_numpy()] = True
        return mask, groups


class SortedRows:
    """Rows of a table that are being written (`Store.replacing`): `add` them piece by piece; then `order` says where each went.

    They are written as they come. Where they did not come in order, they are dealt out over files by where they belong, and
    these are sorted one by one.
    """

    def __init__(
        self, table: str, by: tuple[str, ...], beside: Path, writing: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> None:
        self._table, self._by, self._beside, self._writing = table, by, beside, writing
        self._keys: list[pa.Table] = []
        self._out: _Groups | None = None
        self.order: Any = None
        """Once all are written: which of the added rows became each row of the table, int64 [rows]."""

    def add(self, rows: pa.Table) -> None:
        """Write some rows. Raises StoreError when the disk refuses."""
        data = _as_table(self._table, rows)
        with self._writing():
            if self._out is None:
                self._out = _Groups(self._beside, data.schema)
            self._out.add(data)
        self._keys.append(data.select(self._by))

    def finish(self) -> None:
        """Put all rows in order, and on the disk. Raises StoreError when the disk refuses."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        empty = schema(self._table).empty_table()
        if self._out is None:
            self.add(empty)
        keys = pa.concat_tables([empty.select(self._by), *self._keys])
        self._keys.clear()
        self.order = pc.sort_indices(keys, [(c, "ascending") for c in self._by]).to_numpy().astype(np.int64)
        del keys
        with self._writing():
            self.close()
            if (np.diff(self.order) < 0).any():
                self._sort()
            with open(self._beside, "rb") as file:
                os.fsync(file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._out is not None:
            self._out.close()

    def _sort(self) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.arange(len(self.order))
        target, most = schema(self._table), max(_SORTED_ROWS, -(-len(place) // _MOST_PILES))
        pile_of = place // most
        with tempfile.TemporaryDirectory(prefix=".sorting-", dir=self._beside.parent) as scratch:
            dealt = [_Groups(Path(scratch) / str(i), target) for i in range(-(-len(place) // most))]
            with contextlib.ExitStack() as files:
                for pile in dealt:
                    files.callback(pile.close)
                begin = 0
                with pq.ParquetFile(self._beside) as unsorted:
                    for batch in unsorted.iter_batches(_GROUP_ROWS):
                        here = pile_of[begin : begin + batch.num_rows]
                        begin += batch.num_rows
                        for i in np.unique(here):
                            dealt[i].add(pa.Table.from_batches([batch.filter(pa.array(here == i))]))
            self._out = _Groups(self._beside, target)
            for i, pile in enumerate(dealt):
                with pq.ParquetFile(pile.path) as file:
                    self._out.add(file.read().take(pa.array(np.argsort(place[pile_of == i]))))
                pile.path.unlink()
            self.close()


class _Groups:
    """A Parquet file in row groups of one size, whatever the pieces: the bytes depend on the rows alone."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self._file = pq.ParquetWriter(path, columns, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        import pyarrow as pa

        self._waiting.append(rows)
        self._rows += rows.num_rows
        if self._rows < _GROUP_ROWS:
            return
        whole = pa.concat_tables(self._waiting)
        full = self._rows - self._rows % _GROUP_ROWS
        self._file.write_table(whole.slice(0, full), row_group_size=_GROUP_ROWS)
        self._waiting, self._rows = [whole.slice(full)], self._rows - full

    def close(self) -> None:
        """Write what waits; the second time, nothing."""
        import pyarrow as pa

        if self._file.is_open:
            waiting, self._waiting = self._waiting, []
            try:
                if self._rows:
                    self._file.write_table(pa.concat_tables(waiting), row_group_size=_GROUP_ROWS)
            finally:
                self._file.close()


def atomic_write(path: Path, data: bytes) -> Path:
    """Write a file beside its name and rename it, so that nobody sees half of it. Raises StoreError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, path)
    except OSError as error:
        _discard(beside)
        raise StoreError(
            f"cannot write: {error.strerror}", where=str(path), hint="free the disk or choose another folder"
        ) from error
    return path


def _as_table(table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> pa.Table:
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return _conform(rows, table, schema(table).names)
    listed = list(rows)
    known = set(schema(table).names)
    for row in listed:
        unknown = set(row) - known
        if unknown:
            raise StoreError(f"no such column in {table}: {', '.join(sorted(unknown))}", where=table)
        for key in TABLES[table].key:
            if row.get(key) is None:
                raise StoreError(f"a row of {table} has no {key}", where=table)
    return pa.Table.from_pylist(listed, schema=schema(table))


def _columns(table: str, columns: Sequence[str] | None) -> list[str]:
    return list(schema(table).names if columns is None else columns)


def _conform(data: pa.Table, table: str, want: Sequence[str]) -> pa.Table:
    """`data` with exactly the columns `want`, typed as the table says; what an old part lacks is null."""
    import pyarrow as pa

    target = pa.schema([schema(table).field(c) for c in want])
    arrays = []
    for wanted in target:
        if wanted.name in data.column_names:
            column = data[wanted.name]
            arrays.append(column if column.type.equals(wanted.type) else _cast(column, wanted.type))
        else:
            arrays.append(pa.nulls(data.num_rows, wanted.type))
    return pa.table(arrays, schema=target)


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Cast, also where nested structs gained or lost members since the part was written."""
    import pyarrow as pa

    try:
        return column.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return pa.chunked_array([pa.array(column.to_pylist(), wanted)], wanted)


def _leaves_to_read(
    file: Any, part: Any, group: int, table: str, columns: Sequence[str], lean: Lean | None
) -> tuple[list[str], Sequence[str], list[str] | None]:
    """What to read of a row group; the columns that come of it; and what comes as numbers, None where nothing is read leanly."""
    from qc.digests import DIGEST, hold

    names = file.schema_arrow.names
    now = schema(table)
    if lean is None or any(c not in names or not file.schema_arrow.field(c).type.equals(now.field(c).type) for c in columns):
        return [c for c in columns if c in names], columns, None
    leaves = {file.schema.column(i).path: i for i in range(len(file.schema))}
    left_out = lean.left_out
    whole = file.metadata.row_group(group)
    if lean.digests and hold(file, part, group):
        columns = (*columns, DIGEST)
        asked = {path: lean.if_any[_member(path)] for path in leaves if _member(path) in lean.if_any}
        none = {path for path, word in asked.items() if _without(whole.column(leaves[path]), word)}
        left_out = left_out | lean.with_digests
        leaves = {path: i for path, i in leaves.items() if path not in none}
    wanted = [path for path in leaves if path.split(".")[0] in columns and _member(path) not in left_out]
    return wanted, columns, [path for path in wanted if _member(path) in lean.numbered]


def _member(path: str) -> str:
    """The name of a list's member, whatever it is made of: `char_ms` of `turns.list.element.char_ms.list.element`."""
    return [name for name in path.split(".") if name not in ("list", "element")][-1]


def _without(column: Any, word: str | None) -> bool:
    """Whether a row group's column is null throughout, or this word is not among what it holds."""
    known = column.statistics
    if known is None or not known.has_null_count:
        return False
    if known.null_count == column.num_values:
        return True
    return word is not None and known.has_min_max and not known.min <= word <= known.max


@contextlib.contextmanager
def _source(part: Path, lean: Lean | None) -> Iterator[Any]:
    """The part as a file. One that is checked and read is read into memory once, if it is not too large."""
    import numpy as np
    import pyarrow as pa

    with _opened(part) as file:
        size = os.fstat(file.fileno()).st_size
        if lean is None or not lean.digests or size > _BATCH_BYTES // 4:
            yield file
            return
        room = np.empty(size, np.uint8)
        yield pa.BufferReader(pa.py_buffer(room[: _read_into(room.data, file, part)]))


def _opened(part: Path) -> Any:
    try:
        return open(part, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(part, error) from error


def _read_into(room: memoryview, file: Any, part: Path) -> int:
    """Fills `room`, as far as the file goes; how many bytes. Raises StoreError."""
    done = 0
    try:
        while done < len(room) and (more := file.readinto(room[done:])):
            done += more
    except OSError as error:
        raise _unreadable(part, error) from error
    return done


def _unreadable(part: Path, error: Exception) -> StoreError:
    return StoreError(f"cannot read the part: {error}", where=str(part), hint="move the file away and run again")


def _open(part: Path, source: Any = None, numbered: Sequence[str] | None = None, known: Any = None) -> Any:
    """A part, or its bytes where they are in memory, as a Parquet file. `known`: its metadata, if they were read already."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(part if source is None else source, read_dictionary=numbered, metadata=known)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(part, error) from error


def _remove(parts: Iterable[Path]) -> None:
    for part in parts:
        part.unlink(missing_ok=True)


def _compacted(folder: Path) -> StoreError:
    return StoreError("the table was compacted while it was being read", where=str(folder), hint="run the same command again")


def _discard(beside: Path) -> None:
    """Drop a half-written file; the error that made it half-written is the one to tell."""
    with contextlib.suppress(OSError):
        beside.unlink(missing_ok=True)
