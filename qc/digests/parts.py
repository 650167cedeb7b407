"""A part of `transcripts` carries the digests of its calls, and a checksum of each row group that says whether they still hold.

The digests are worked out from the rows when a part is written, never taken over from rows that were read; the file's own
metadata has the SHA-256 of each row group's bytes. Another program that changes a text writes other bytes, whatever it keeps
of columns and metadata, so its digests are not relied on: the reader works them out anew. One who forges both could as well
forge the findings: this keeps honest programs from being mistaken, and is no signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from qc.digests.rows import digests

DIGEST = "_digest"
"""A column of the parts alone, no field of the table: hexadecimal SHA-256 (`qc.digests.rows`)."""

_CHECKSUMS = "qc.digests.1"
"""Under this key. The number stands for what digests are made of: where that changes, so does the number."""

_AT_ONCE = 1 << 20
_CALLS = 1_024
"""Calls of which digests are made at once: an Arrow array of strings has room for 2 GB."""

_TEXTS = ("turns.list.element.text",)
"""Hardly any is there twice, so a dictionary of them is of no use."""

_COUNTS = ("turns.list.element.turn", *(f"{of}.list.element.{at}_ms" for of in ("turns", "spans") for at in ("start", "end")))
"""They go up, so the differences are what is written."""


def write(rows: pa.Table, out: BinaryIO, group_rows: int) -> None:
    """A part of `transcripts` with digests and checksums to an empty file that can be read too.

    LZ4, since a text is written once and read by every scan: a third larger than with Zstandard, read in two thirds of the time.
    """
    columns = rows.schema.append(pa.field(DIGEST, pa.string()))
    dictionaries = [path for path in _leaves(columns) if path not in (*_TEXTS, *_COUNTS, DIGEST)]
    how: Any = {"use_dictionary": dictionaries, "column_encoding": dict.fromkeys(_COUNTS, "DELTA_BINARY_PACKED")}
    checksums = []
    with pq.ParquetWriter(out, columns, compression="lz4", **how) as writer:
        out.flush()
        begin = out.tell()
        for at in range(0, rows.num_rows, group_rows):
            group = rows.slice(at, group_rows)
            made = [digest for i in range(0, group.num_rows, _CALLS) for digest in digests(group.slice(i, _CALLS))]
            writer.write_table(group.append_column(columns.field(DIGEST), pa.array(made, pa.string())), row_group_size=group_rows)
            out.flush()
            end = out.tell()
            out.seek(begin)
            checksums.append(_checksum(out, end - begin))
            begin = end
        if hasattr(writer, "add_key_value_metadata"):  # not in the oldest Arrow that will do
            writer.add_key_value_metadata({_CHECKSUMS: json.dumps(checksums)})


def hold(file: Any, part: Any, group: int) -> bool:
    """Whether the digests of a row group are those of its rows. `file`: the ParquetFile of `part`, which is read."""
    said = (file.metadata.metadata or {}).get(_CHECKSUMS.encode())
    if said is None or DIGEST not in file.schema_arrow.names:
        return False
    try:
        checksums = json.loads(said)
        expected = checksums[group]
    except (ValueError, LookupError, TypeError):
        return False
    begin, end = _bytes_of(file.metadata.row_group(group))
    if begin < 0:
        return False
    part.seek(begin)
    return bool(_checksum(part, end - begin) == expected)


def _bytes_of(group: Any) -> tuple[int, int]:
    """Where a row group's bytes begin and end in its file."""
    columns = [group.column(i) for i in range(group.num_columns)]
    begins = [c.data_page_offset if c.dictionary_page_offset is None else c.dictionary_page_offset for c in columns]
    return min(begins), max(begin + c.total_compressed_size for begin, c in zip(begins, columns, strict=True))


def _checksum(part: Any, size: int) -> str:
    """Of so many bytes from here on; what is in memory is not copied."""
    read = getattr(part, "read_buffer", part.read)
    found = hashlib.sha256()
    while size > 0 and len(piece := read(min(size, _AT_ONCE))):
        found.update(piece)
        size -= len(piece)
    return found.hexdigest()


def _leaves(columns: pa.Schema) -> Sequence[str]:
    """Paths of all that Parquet keeps apart."""
    found: list[str] = []

    def walk(path: str, kind: Any) -> None:
        if pa.types.is_struct(kind):
            for field in kind:
                walk(f"{path}.{field.name}", field.type)
        elif pa.types.is_list(kind):
            walk(f"{path}.list.element", kind.value_type)
        else:
            found.append(path)

    for field in columns:
        walk(field.name, field.type)
    return found
