"""Recordings and call lists join into rows; nothing is dropped without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qc.calls import CallOptions, build_calls, save_calls
from qc.errors import Problem, UsageError
from qc.store import Store
from tests.audio.sounds import tone, two_sides, write_wav

HEADER = "录音编号,文件名,坐席工号,坐席姓名,服务商,技能组,开始时间,通话时长,挂机方,满意度,坐席声道,备注\n"


def recording(path: Path, number: int = 0) -> Path:
    return write_wav(path, tone(300 + 10 * number, 0.2))


def build(folder: Path, text: str | None = None, **options: Any) -> tuple[list[dict[str, Any]], list[Problem]]:
    calls = None
    if text is not None:
        calls = folder.parent / "calls.csv"
        calls.write_text(text, encoding="utf-8")
    return build_calls(CallOptions((folder,), calls, **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.wav", "b.wav", "sub/c.wav")):
        recording(tmp_path / "in" / name, number)
    return tmp_path / "in"


def test_a_chinese_list_joins_by_its_usual_headers(folder: Path) -> None:
    rows, problems = build(folder, HEADER + "C1,a.wav,1001,张三,甲方,售后,2024/5/1 10:00:00,0:32,客户,非常满意,右,加急\n")
    assert problems == []
    row = rows[0]
    assert row | {"path": "", "sha256": "", "size_bytes": 0} == {
        "call_id": "C1",
        "file": "a.wav",
        "path": "",
        "sha256": "",
        "size_bytes": 0,
        "listed": True,
        "found": True,
        "duplicate_of": None,
        "agent_id": "1001",
        "agent_name": "张三",
        "provider": "甲方",
        "queue": "售后",
        "started_at": "2024-05-01T10:00:00",
        "listed_duration_ms": 32_000,
        "hangup": "customer",
        "satisfaction": 5,
        "agent_channel": 1,
        "meta": [{"name": "备注", "value": "加急"}],
    }
    assert row["path"] == str(folder / "a.wav")
    assert [(r["file"], r["listed"]) for r in rows[1:]] == [("b.wav", False), ("sub/c.wav", False)]
    assert all(r["call_id"] == f"sha256:{r['sha256'][:16]}" for r in rows[1:])


def test_columns_are_mapped_by_hand(folder: Path) -> None:
    rows, _ = build(folder, "nr;rec;who\nX;b.wav;7\n", mapping={"call_id": "nr", "file": "rec", "agent_id": "who"})
    assert (rows[0]["call_id"], rows[0]["file"], rows[0]["agent_id"]) == ("X", "b.wav", "7")


@pytest.mark.parametrize("mapping", [{"agent_id": "none such"}, {"none_such": "file"}])
def test_a_mapping_that_does_not_fit_is_refused(folder: Path, mapping: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        build(folder, "file\na.wav\n", mapping=mapping)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_found_out(folder: Path, encoding: str, delimiter: str) -> None:
    path = folder.parent / "list.csv"
    path.write_bytes(f"通话ID{delimiter}文件{delimiter}坐席姓名\r\nC1{delimiter}a.wav{delimiter}王芳\r\n".encode(encoding))
    rows, problems = build_calls(CallOptions((folder,), path))
    assert problems == []
    assert (rows[0]["call_id"], rows[0]["agent_name"]) == ("C1", "王芳")


def test_workbooks_and_parquet_say_the_same(folder: Path) -> None:
    from datetime import datetime

    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = {"call_id": ["1001"], "file": ["a.wav"], "started_at": [datetime(2024, 5, 1, 10)], "duration": [32.5]}
    pq.write_table(pa.table(cells), folder.parent / "l.parquet")
    book = openpyxl.Workbook()
    book.active.append(list(cells))
    book.active.append([1001.0, "a.wav", datetime(2024, 5, 1, 10), 32.5])
    book.save(folder.parent / "l.xlsx")
    for name in ("l.parquet", "l.xlsx"):
        rows, problems = build_calls(CallOptions((folder,), folder.parent / name))
        assert problems == []
        assert [rows[0][k] for k in ("call_id", "file", "started_at", "listed_duration_ms")] == [
            "1001",
            "a.wav",
            "2024-05-01T10:00:00",
            32_500,
        ]


def test_each_bad_line_has_one_message_with_its_place(folder: Path) -> None:
    text = (
        "call_id,file,duration,satisfaction\n"
        "C1,a.wav,12,5\n"
        ",,10,1\n"
        "C1,b.wav,10,1\n"
        "C3,b.wav,soon,9\n"
        "C4,../../etc/passwd,1,1\n"
        "C5,/etc/passwd,1,1\n"
        "C6,x,1,1,surplus\n"
    )
    rows, problems = build(folder, text)
    assert [(p.line, p.column) for p in problems] == [(3, 1), (4, 1), (5, 3), (5, 4), (6, 2), (7, 2), (8, 5)]
    assert all(p.file.endswith("calls.csv") for p in problems)
    assert "calls.csv:2" in problems[1].message
    by_id = {r["call_id"]: r for r in rows}
    assert by_id["C3"]["listed_duration_ms"] is None
    assert {"name": "duration", "value": "soon"} in by_id["C3"]["meta"]
    assert not by_id["C4"]["found"]
    assert by_id["C4"]["path"] is None
    assert not by_id["C5"]["found"]


def test_a_line_without_a_file_and_a_file_without_a_line_are_rows(folder: Path) -> None:
    rows, problems = build(folder, "call_id,file\nC1,gone.wav\n")
    assert problems == []
    assert [(r["listed"], r["found"]) for r in rows] == [(True, False), (False, True), (False, True), (False, True)]


@pytest.mark.parametrize("named", ["sub/c.wav", "sub\\c.wav", "./sub/c.wav", "c.wav", "c", "sub/../sub/c.wav"])
def test_files_are_named_in_many_ways(folder: Path, named: str) -> None:
    rows, problems = build(folder, f"call_id,file\nC1,{named}\n")
    assert problems == []
    assert rows[0]["path"] == str(folder / "sub" / "c.wav")


def test_a_call_id_may_be_the_files_name(folder: Path) -> None:
    rows, _ = build(folder, "call_id,agent_id\nc,9\n")
    assert (rows[0]["file"], rows[0]["agent_id"]) == ("sub/c.wav", "9")


def test_an_ambiguous_name_is_a_message_and_not_a_guess(folder: Path) -> None:
    recording(folder / "other" / "c.wav", 5)
    rows, problems = build(folder, "call_id,file\nC1,c.wav\n")
    assert len(problems) == 1
    assert "any of 2" in problems[0].message
    assert not rows[0]["found"]


def test_the_same_bytes_twice_are_two_rows(folder: Path) -> None:
    (folder / "z.wav").write_bytes((folder / "a.wav").read_bytes())
    rows, _ = build(folder)
    twins = [r for r in rows if r["file"] in ("a.wav", "z.wav")]
    assert len({r["call_id"] for r in twins}) == 2
    assert twins[0]["duplicate_of"] is None
    assert twins[1]["duplicate_of"] == twins[0]["call_id"]
    rows, _ = build(folder, "call_id,file\nC1,z.wav\n")
    unlisted = next(r for r in rows if r["file"] == "a.wav")
    assert unlisted["duplicate_of"] == "C1"


def test_ids_and_cells_that_look_like_formulas_or_escapes_are_data(folder: Path) -> None:
    rows, problems = build(folder, 'call_id,file,note\n"=cmd|calc\x1b[31m",a.wav,"@SUM(1)"\n')
    assert problems == []
    assert rows[0]["call_id"] == "=cmd|calc\x1b[31m"
    assert rows[0]["meta"] == [{"name": "note", "value": "@SUM(1)"}]


def test_names_give_fields_by_a_pattern(folder: Path) -> None:
    recording(folder / "9527_K77_L.wav", 8)
    rows, problems = build(folder, name_pattern=r"(?P<agent_id>\d+)_(?P<call_id>K\d+)_(?P<side>\w)")
    assert problems == []
    row = next(r for r in rows if r["file"] == "9527_K77_L.wav")
    assert (row["call_id"], row["agent_id"]) == ("K77", "9527")
    assert row["meta"] == [{"name": "side", "value": "L"}]
    rows, _ = build(folder, "call_id,agent_name\nK77,李雷\n", name_pattern=r"(?P<agent_id>\d+)_(?P<call_id>K\d+)")
    assert (rows[0]["agent_id"], rows[0]["agent_name"], rows[0]["found"]) == ("9527", "李雷", True)


@pytest.mark.parametrize("pattern", ["(", "no groups", r"(?P<a>x)(?=y)"])
def test_a_pattern_that_cannot_be_used_is_refused(folder: Path, pattern: str) -> None:
    with pytest.raises(UsageError):
        build(folder, name_pattern=pattern)


def test_a_list_alone_names_its_files_and_no_others(folder: Path) -> None:
    path = folder / "list.csv"
    path.write_text("file,call_id\nsub/c.wav,C1\n../outside.wav,C2\n", encoding="utf-8")
    recording(folder.parent / "outside.wav")
    rows, problems = build_calls(CallOptions((path,)))
    assert [(r["call_id"], r["found"]) for r in rows] == [("C1", True), ("C2", False)]
    assert len(problems) == 1


def test_a_link_out_of_the_folder_is_not_followed_by_a_list(folder: Path) -> None:
    outside = recording(folder.parent / "outside.wav", 9)
    (folder / "link.wav").symlink_to(outside)
    path = folder / "list.csv"
    path.write_text("file\nlink.wav\n", encoding="utf-8")
    assert [r["found"] for r in build_calls(CallOptions((path,)))[0]] == [False]


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"", "a.csv"), (b"\n\n", "a.csv"), (b"\x00\x01\x02", "a.csv"), (b"PK\x03\x04junk", "a.xlsx"), (b"PAR1junk", "a.parquet"),
     (b"colour,size\nred,1\n", "a.csv"), (b"\xff\xfe\x00", "a.csv")],
)  # fmt: skip
def test_what_is_no_list_is_refused_with_its_name(data: bytes, name: str, folder: Path) -> None:
    path = folder.parent / name
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        build_calls(CallOptions((folder,), path))
    assert name in str(caught.value)


def test_quoted_cells_over_several_lines_keep_their_line_numbers(folder: Path) -> None:
    _, problems = build(folder, 'call_id,note\nA,"one\ntwo"\n,\n,x\n')
    assert [p.line for p in problems] == [5]


def test_rows_are_saved_once_and_again_only_when_they_change(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    rows, _ = build(folder)
    assert save_calls(store, rows) == 3
    assert save_calls(store, build(folder)[0]) == 0
    assert store.read("calls").num_rows == 3
    changed, _ = build(folder, "call_id,file\nC1,a.wav\n")
    assert save_calls(store, changed) == 1


def test_the_same_folder_gives_the_same_rows(folder: Path) -> None:
    assert build(folder) == build(folder)


def test_two_folders_and_a_missing_one(folder: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "more" / "d.wav", two_sides(0.1))
    assert len(build_calls(CallOptions((folder, tmp_path / "more")))[0]) == 4
    with pytest.raises(UsageError):
        build_calls(CallOptions((tmp_path / "none",)))
