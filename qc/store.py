"""A store: a folder of tables, each a folder of Parquet parts that any engine reads.

Parts are written beside under a hidden name and renamed, so a reader never sees half of one. A later part wins for
the same key. Several processes may append at once: names never clash. Nothing is changed in place.

    qc-store/
      calls/part-<nanoseconds>-<random>.parquet
      transcripts/…  findings/…  scores/…  summaries/…
      packs/<sha256>.json            the packs that findings were made with, flattened
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.errors import StoreError
from qc.tables import TABLES, schema

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_STORE = "qc-store"
_SUFFIX = ".parquet"
_RETRIES = 5
_BATCH_BYTES = 256 << 20


@dataclass(frozen=True)
class Share:
    """A part's row group: what one process reads by itself. `rows`: how many there are; `kept`: which of them are current
    (bool [rows]), None where all are; `first`: the number of its first row in the part."""

    path: Path
    group: int
    rows: int
    first: int
    kept: Any = None


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
            winners = self._winners(table, parts)
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

    def shares(self, table: str) -> list[Share]:
        """The table cut where its files can be read apart, in the order of parts. Raises StoreError."""
        parts = self.parts(table)
        try:
            winners = self._winners(table, parts)
            files = [(part, _open(part)) for part in parts]
        except FileNotFoundError:
            raise _compacted(self.path / table) from None
        found: list[Share] = []
        position = 0
        for part, file in files:
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                kept = winners[position : position + rows]
                if kept.any():
                    found.append(Share(part, group, rows, first, None if kept.all() else kept))
                position += rows
                first += rows
        return found

    def share_batches(self, table: str, share: Share, columns: Sequence[str], rows: int = 2048) -> Iterator[pa.Table]:
        """The current rows of a share in tables of at most `rows`, fewer where rows are large. Raises StoreError."""
        import pyarrow as pa

        try:
            file = _open(share.path)
        except FileNotFoundError:
            raise _compacted(self.path / table) from None
        present = [c for c in columns if c in file.schema_arrow.names]
        position = 0
        size = file.metadata.row_group(share.group).total_byte_size
        rows = max(1, min(rows, share.rows * _BATCH_BYTES // max(size, 1)))
        for batch in file.iter_batches(batch_size=rows, row_groups=[share.group], columns=present, use_threads=False):
            chosen = batch if share.kept is None else batch.filter(pa.array(share.kept[position : position + batch.num_rows]))
            position += batch.num_rows
            if chosen.num_rows:
                yield _conform(pa.Table.from_batches([chosen]), table, columns)

    def keys(self, table: str) -> pa.Table:
        """The current keys alone."""
        return self.read(table, TABLES[table].key)

    # -- inside -------------------------------------------------------------------------------------------------

    def _write(self, table: str, data: pa.Table, stem: str) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder = self.path / table
        final = folder / f"part-{stem}{_SUFFIX}"
        beside = folder / f".{final.name}.tmp"
        try:
            if not self._made:  # once: a store that vanishes later is not made anew somewhere else
                self.path.mkdir(parents=True, exist_ok=True)
                self._made = True
            folder.mkdir(exist_ok=True)
            with open(beside, "wb") as out:
                pq.write_table(data, out, compression="zstd", row_group_size=16_384)
                out.flush()
                os.fsync(out.fileno())
            os.replace(beside, final)
        except (OSError, pa.ArrowException) as error:
            _discard(beside)
            if isinstance(error, FileNotFoundError) and not self.path.exists():
                raise StoreError(
                    "the store's folder is gone",
                    where=str(self.path),
                    hint="mount its disk again, then run the same command again; what is finished is kept there",
                    code="gone",
                ) from error
            raise StoreError(
                f"cannot write to the store: {getattr(error, 'strerror', None) or error}",
                where=str(folder),
                hint="free the disk or choose another --store; what is finished is kept, run the same command again",
            ) from error
        return final

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

    def _winners(self, table: str, parts: Sequence[Path]) -> Any:
        """bool [rows in all parts]: whether each row is the last of its key."""
        import numpy as np
        import pyarrow as pa

        key = list(TABLES[table].key)
        pieces = [_conform(_open(p).read(columns=key), table, key) for p in parts]
        if not pieces:
            return np.zeros(0, bool)
        keys = pa.concat_tables(pieces)
        last = keys.append_column("_i", pa.array(np.arange(keys.num_rows))).group_by(key).aggregate([("_i", "max")])
        mask = np.zeros(keys.num_rows, bool)
        mask[last["_i_max"].to_numpy()] = True
        return mask


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
    for field in target:
        if field.name in data.column_names:
            column = data[field.name]
            arrays.append(column if column.type.equals(field.type) else _cast(column, field.type))
        else:
            arrays.append(pa.nulls(data.num_rows, field.type))
    return pa.table(arrays, schema=target)


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Cast, also where nested structs gained or lost members since the part was written."""
    import pyarrow as pa

    try:
        return column.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return pa.chunked_array([pa.array(column.to_pylist(), wanted)], wanted)


def _open(part: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(part)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot read the part: {error}", where=str(part), hint="move the file away and run again") from error


def _remove(parts: Iterable[Path]) -> None:
    for part in parts:
        part.unlink(missing_ok=True)


def _compacted(folder: Path) -> StoreError:
    return StoreError("the table was compacted while it was being read", where=str(folder), hint="run the same command again")


def _discard(beside: Path) -> None:
    """Drop a half-written file; the error that made it half-written is the one to tell."""
    with contextlib.suppress(OSError):
        beside.unlink(missing_ok=True)
