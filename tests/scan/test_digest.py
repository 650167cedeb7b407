"""A call's digest is its own: the same beside any other calls, and it changes with what is said; one kept beside a call is
relied on only while the part is as it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.digests import DIGEST, digests
from qc.digests.rows import joined
from qc.packs import trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, ScanSummary, scan
from qc.scan.columns import NAMES, Columns
from qc.scan.reading import lean
from qc.store import Store
from qc.tables import schema
from tests.scan.test_stage import transcript

ROWS = [
    transcript("c1", ["agent: 您好", "customer: 你好，二十四小时", "agent: "], duration_ms=9_000),
    transcript('it\'s "c2"', ["agent: 再见😀"], duration_ms=3_000),
    transcript("c3", [], duration_ms=0),
]
OTHERS = [
    {"call_id": "c4", "status": "failed", "reason": "not_audio", "message": "c4.wav is no audio"},
    transcript("c5", ["customer: 喂"], warnings=["mono"]),
]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema("transcripts"))


def of(rows: list[dict[str, Any]]) -> list[str]:
    return digests(table(rows))


def test_a_digest_does_not_depend_on_the_calls_beside() -> None:
    plain = of(ROWS)
    assert len(set(plain)) == len(ROWS)
    assert of([*ROWS, *OTHERS])[: len(ROWS)] == plain
    assert [of([row])[0] for row in ROWS] == plain
    assert digests(table([*OTHERS, *ROWS]).slice(len(OTHERS))) == plain
    assert Columns(table(ROWS).select(NAMES)).digests().to_pylist() == plain
    assert of([]) == []


def test_a_digest_changes_with_what_is_said_and_when() -> None:
    first = of(ROWS[:1])
    for change in ({"text": "您好吗"}, {"start_ms": 1}, {"role": "customer"}, {"flags": ["loop"]}, {"avg_logprob": -0.5}):
        turns = [dict(ROWS[0]["turns"][0], **change), *ROWS[0]["turns"][1:]]  # type: ignore[index]
        assert of([{**ROWS[0], "turns": turns}]) != first, change


def test_pieces_are_hashed_one_after_the_other() -> None:
    """Calls without any bytes, a call larger than all others."""
    rng = np.random.default_rng(0)
    sizes = np.array([0, 5, 400_000, 900_000, 3_000_000, 0, 1])
    data = rng.integers(0, 256, int(sizes.sum()), dtype=np.uint8)
    at = np.concatenate(([0], np.cumsum(sizes)))
    end = np.frombuffer(b"|", np.uint8)
    back = data[::-1].tobytes()
    assert joined([(data, at), (end, None), (data[::-1].copy(), at)], len(sizes)) == [
        hashlib.sha256(data.tobytes()[a:b] + b"|" + back[a:b]).hexdigest()
        for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True)
    ]


# -- beside the calls ---------------------------------------------------------------------------------------------


def said(store: Store) -> list[tuple[str, bool]]:
    """Of each current call the digest that scanning goes by, and whether it was read."""
    found = []
    for share in store.shares("transcripts"):
        for batch in store.share_batches("transcripts", share, NAMES, 2, lean(())):
            read = DIGEST in batch.column_names
            found += [(digest, read) for digest in Columns(batch).digests().to_pylist()]
    return found


def as_written_by_another(part: Path, change: Callable[[pa.Table], pa.Table], **how: Any) -> None:
    """Another program reads the part, with the column of digests and the metadata, changes it and writes it again."""
    with pq.ParquetFile(part) as file:
        read, metadata = file.read(), file.metadata.metadata
    changed = change(read)
    with pq.ParquetWriter(part, changed.schema, **how) as writer:
        writer.write_table(changed)
        writer.add_key_value_metadata({k: v for k, v in metadata.items() if k != b"ARROW:schema"})


def with_text(old: str, new: str) -> Callable[[pa.Table], pa.Table]:
    def change(read: pa.Table) -> pa.Table:
        rows = read.to_pylist()
        for row in rows:
            for turn in row["turns"] or []:
                turn["text"] = turn["text"].replace(old, new)
        return pa.Table.from_pylist(rows, schema=read.schema)

    return change


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "store")
    opened.append("transcripts", [*ROWS, *OTHERS])
    return opened


def test_a_part_carries_its_calls_digests(store: Store) -> None:
    assert said(store) == [(digest, True) for digest in of([*ROWS, *OTHERS])]
    assert DIGEST not in store.read("transcripts").column_names


def test_each_row_group_is_checked_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [transcript(f"d{i}", [f"agent: 您好{i}"]) for i in range(7)]
    monkeypatch.setattr("qc.store._GROUP_ROWS", 3)
    part = store.append("transcripts", rows)
    assert part is not None
    assert said(store) == [(digest, True) for digest in of([*ROWS, *OTHERS, *rows])]
    data = bytearray(part.read_bytes())
    place = data.index(b"d3", pq.read_metadata(part).row_group(1).column(0).dictionary_page_offset)
    data[place : place + 2] = b"d8"
    part.write_bytes(data)
    assert [read for _, read in said(store)[len(ROWS) + len(OTHERS) :]] == [True] * 3 + [False] * 3 + [True]


@pytest.mark.parametrize("how", [{"compression": "lz4"}, {"compression": "zstd"}, {"use_dictionary": False}])
def test_a_part_that_another_program_wrote_is_not_taken_at_its_word(store: Store, how: dict[str, Any]) -> None:
    (part,) = store.parts("transcripts")
    as_written_by_another(part, with_text("二十四", "二十五"), **how)
    assert DIGEST in pq.read_schema(part).names
    after = store.read("transcripts")
    assert sorted(said(store)) == sorted((digest, False) for digest in digests(after))
    assert set(digests(after)) - set(of([*ROWS, *OTHERS])) == {said(store)[0][0]}


def test_compacting_makes_digests_of_what_is_there(store: Store) -> None:
    (part,) = store.parts("transcripts")
    as_written_by_another(part, with_text("再见", "再会"), compression="lz4")
    store.append("transcripts", ROWS[2:])
    store.compact("transcripts")
    assert said(store) == [(digest, True) for digest in digests(store.read("transcripts"))]
    assert set(dict(said(store))) - set(of([*ROWS, *OTHERS]))


def run(store: Store, folder: Path) -> ScanSummary:
    return scan(store, [trust_local(folder)], ScanOptions(), Silent())


@pytest.mark.parametrize("compact_before", [False, True])
@pytest.mark.parametrize("compact_after", [False, True])
def test_a_changed_transcript_is_always_scanned_again(
    store: Store, pack_folder: Callable[..., Path], compact_before: bool, compact_after: bool
) -> None:
    folder = pack_folder({"r": "{says: [再会]}"})
    if compact_before:
        store.compact("transcripts")
    assert (run(store, folder).scanned, run(store, folder).scanned) == (5, 0)
    (part,) = store.parts("transcripts")
    as_written_by_another(part, with_text("再见", "再会"), compression="lz4")
    if compact_after:
        store.compact("transcripts")
    summary = run(store, folder)
    assert (summary.scanned, summary.hits["medium"]) == (1, 1)
    assert run(store, folder).scanned == 0


def test_a_part_without_digests_is_scanned_as_one_with_them(
    store: Store, tmp_path: Path, pack_folder: Callable[..., Path]
) -> None:
    folder = pack_folder({"r": "{says: [再见, 喂]}"})
    other = Store(tmp_path / "other")
    (part,) = store.parts("transcripts")
    (other.path / "transcripts").mkdir(parents=True)
    pq.write_table(store.read("transcripts"), other.path / "transcripts" / part.name)
    run(store, folder)
    run(other, folder)
    assert not any(read for _, read in said(other))
    assert store.read("findings").equals(other.read("findings"))


@pytest.mark.parametrize("word", [b"", b"[]", b"{}", b"[1]", b"no JSON", b"[[]]", b"null"])
def test_strange_checksums_are_no_checksums(store: Store, word: bytes) -> None:
    (part,) = store.parts("transcripts")
    with pq.ParquetFile(part) as file:
        read = file.read()
    with pq.ParquetWriter(part, read.schema) as writer:
        writer.write_table(read)
        writer.add_key_value_metadata({"qc.digests.1": word})
    assert said(store) == [(digest, False) for digest in of([*ROWS, *OTHERS])]
