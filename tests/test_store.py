"""The store: parts whole or absent, the later part wins, several writers, old parts, compaction, failures."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.errors import StoreError
from qc.store import Store, atomic_write
from qc.tables import TABLES, schema


def rows(store: Store, table: str = "transcripts") -> dict[str, str]:
    return {r["call_id"]: r["status"] for r in store.read(table, ["call_id", "status"]).to_pylist()}


def test_a_later_part_wins_for_the_same_call(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("transcripts", [{"call_id": "b", "status": "failed"}, {"call_id": "a", "status": "ok"}])
    store.append("transcripts", [{"call_id": "b", "status": "ok"}])
    assert rows(store) == {"a": "ok", "b": "ok"}
    assert store.read("transcripts")["call_id"].to_pylist() == ["a", "b"]
    streamed = [r for batch in store.batches("transcripts", ["call_id", "status"], rows=1) for r in batch.to_pylist()]
    assert sorted((r["call_id"], r["status"]) for r in streamed) == [("a", "ok"), ("b", "ok")]


def test_within_a_part_the_later_row_wins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("transcripts", [{"call_id": "a", "status": "failed"}, {"call_id": "a", "status": "ok"}])
    assert rows(store) == {"a": "ok"}


def test_findings_are_kept_apart_by_pack(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("findings", [{"call_id": "a", "pack_id": p, "status": "ok"} for p in ("one", "two")])
    store.append("findings", [{"call_id": "a", "pack_id": "two", "status": "failed"}])
    assert [(r["pack_id"], r["status"]) for r in store.read("findings").to_pylist()] == [("one", "ok"), ("two", "failed")]


def test_an_absent_table_is_empty_and_typed(tmp_path: Path) -> None:
    for name in TABLES:
        assert Store(tmp_path).read(name).schema.equals(schema(name))
    assert list(Store(tmp_path).batches("calls")) == []


def test_half_written_parts_and_strange_files_are_not_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("calls", [{"call_id": "a"}])
    (tmp_path / "calls" / ".part-0-x.parquet.tmp").write_bytes(b"half")
    (tmp_path / "calls" / "notes.txt").write_text("mine", encoding="utf-8")
    assert store.read("calls")["call_id"].to_pylist() == ["a"]


def test_a_part_that_is_no_parquet_is_one_clear_error(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("calls", [{"call_id": "a"}])
    (tmp_path / "calls" / "part-00000000000000000009-x.parquet").write_bytes(b"not parquet")
    with pytest.raises(StoreError, match="cannot read the part") as caught:
        store.read("calls")
    assert caught.value.where.endswith("part-00000000000000000009-x.parquet")


def test_old_parts_without_a_newer_field_are_read_with_null(tmp_path: Path) -> None:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    turns = pa.array([[{"turn": 0, "role": "agent", "text": "您好"}]])
    pq.write_table(pa.table({"call_id": ["old"], "turns": turns}), folder / "part-00000000000000000001-x.parquet")
    Store(tmp_path).append("transcripts", [{"call_id": "new", "status": "ok"}])
    old = {r["call_id"]: r for r in Store(tmp_path).read("transcripts").to_pylist()}["old"]
    assert old["status"] is None
    assert old["turns"][0]["text"] == "您好"
    assert old["turns"][0]["char_ms"] is None


def test_compact_keeps_the_rows_and_orders_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("c", "a", "b", "a"):
        store.append("calls", [{"call_id": name, "file": name}])
    before = store.read("calls")
    assert store.compact("calls") == (4, 3)
    assert len(store.parts("calls")) == 1
    assert store.read("calls").equals(before)
    store.append("calls", [{"call_id": "a", "file": "later"}])
    assert {r["call_id"]: r["file"] for r in store.read("calls").to_pylist()}["a"] == "later"


def test_replace_makes_the_rows_the_whole_table_or_one_value_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append("summaries", [{"pack_id": p, "kind": "agent", "id": i} for p in ("one", "two") for i in ("x", "y")])
    store.replace("summaries", [{"pack_id": "one", "kind": "agent", "id": "z"}], where=("pack_id", "one"))
    assert [(r["pack_id"], r["id"]) for r in store.read("summaries").to_pylist()] == [("one", "z"), ("two", "x"), ("two", "y")]
    store.replace("summaries", [])
    assert store.read("summaries").num_rows == 0


def test_a_row_with_an_unknown_column_or_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such column"):
        Store(tmp_path).append("calls", [{"call_id": "a", "colour": "red"}])
    with pytest.raises(StoreError, match="has no call_id"):
        Store(tmp_path).append("calls", [{"file": "a.wav"}])


def _append_many(folder: str, who: str) -> None:
    store = Store(folder)
    for index in range(20):
        store.append("calls", [{"call_id": f"{who}-{index}"}])


def test_two_processes_append_at_once_while_a_third_reads_and_compacts(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(str(tmp_path), who)) for who in ("one", "two")]
    for writer in writers:
        writer.start()
    store = Store(tmp_path)
    while any(writer.is_alive() for writer in writers):
        store.read("calls")
        store.compact("calls")
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert store.read("calls").num_rows == 40


def test_a_store_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("a file where the table's folder should be", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write to the store") as caught:
        Store(tmp_path).append("calls", [{"call_id": "a"}])
    assert "run the same command again" in caught.value.hint
    with pytest.raises(StoreError, match="cannot write"):
        atomic_write(tmp_path / "calls" / "x.json", b"{}")
