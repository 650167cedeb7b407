"""Transcripts made elsewhere: every format, both sides, bad lines told, strangers' files harmless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qc.errors import UsageError
from qc.progress import Silent
from qc.store import Store
from qc.tables import schema
from qc.transcribe.importing import SPEAKERS, ImportOptions, ImportSummary, import_transcripts
from qc.transcribe.imports import FORMATS
from qc.transcribe.options import ROLES
from qc.transcribe.reasons import REASONS, WHY_NOT_HEARD
from qc.transcribe.write import srt, vtt, whisper_json


def bring(tmp_path: Path, *files: Path, listed: Any = (), **options: Any) -> tuple[list[dict[str, Any]], ImportSummary]:
    store = Store(tmp_path / "store")
    summary = import_transcripts(store, files, ImportOptions(**options), Silent(), listed)
    return store.read("transcripts").to_pylist(), summary


def put(tmp_path: Path, name: str, text: str | bytes | dict[str, Any]) -> Path:
    path = tmp_path / name
    data = json.dumps(text, ensure_ascii=False) if isinstance(text, dict) else text
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


def said(row: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(t["role"], t["start_ms"], t["end_ms"], t["text"]) for t in row["turns"]]


def whisper(*segments: dict[str, Any]) -> dict[str, Any]:
    return {"text": "", "language": "zh", "segments": list(segments)}


def test_whisper_json_of_two_channels_is_one_call(tmp_path: Path) -> None:
    agent = put(
        tmp_path,
        "c1_agent.json",
        whisper({"start": 0.5, "end": 2.0, "text": " 您好 ", "avg_logprob": -0.2, "no_speech_prob": 0.01}),
    )
    customer = put(tmp_path, "c1_customer.json", whisper({"start": 2.5, "end": 3.0, "text": "你好"}))
    (row,), summary = bring(tmp_path, agent, customer)
    assert (summary.calls, summary.turns, summary.failed, summary.problems) == (1, 2, {}, [])
    assert row["call_id"] == "c1"
    assert said(row) == [("agent", 500, 2000, "您好"), ("customer", 2500, 3000, "你好")]
    assert [t["channel"] for t in row["turns"]] == [0, 1]
    assert row["turns"][0]["avg_logprob"] == pytest.approx(-0.2)
    assert [s["heard"] for s in row["spans"]] == [True, True]
    assert (row["source"], row["duration_ms"]) == ("whisper", 3000)


@pytest.mark.parametrize(
    ("ends", "roles"), [(("_left", "_right"), ["agent", "customer"]), (("-agent", "-customer"), ["agent", "customer"])]
)
def test_names_of_files_say_the_side(ends: tuple[str, str], roles: list[str], tmp_path: Path) -> None:
    files = [put(tmp_path, f"x{e}.srt", f"1\n00:00:0{k},000 --> 00:00:0{k},900\n好\n") for k, e in enumerate(ends)]
    (row,), _ = bring(tmp_path, *files)
    assert [t["role"] for t in row["turns"]] == roles


def test_the_agents_files_may_be_named_by_a_pattern(tmp_path: Path) -> None:
    one = put(tmp_path, "K7-A.srt", "1\n00:00:00,000 --> 00:00:01,000\n您好\n")
    two = put(tmp_path, "K7-B.srt", "1\n00:00:02,000 --> 00:00:03,000\n你好\n")
    (row,), _ = bring(tmp_path, one, two, agent_pattern=r"-A\b", customer_pattern=r"-B\b")
    assert (row["call_id"], [t["role"] for t in row["turns"]]) == ("K7", ["agent", "customer"])
    with pytest.raises(UsageError):
        bring(tmp_path, one, agent_pattern="(")


def test_whisperx_speakers_and_words(tmp_path: Path) -> None:
    words = [{"word": "退", "start": 1.0, "end": 1.2}, {"word": "款", "start": 1.2, "end": 1.5}]
    segments = [
        {"start": 1.0, "end": 1.5, "text": "退款", "speaker": "SPEAKER_00", "words": words},
        {"start": 2, "end": 3, "text": "好", "speaker": "SPEAKER_01"},
    ]
    (row,), _ = bring(tmp_path, put(tmp_path, "a.json", whisper(*segments)), roles={"SPEAKER_00": "agent"}, format="whisperx")
    assert [t["role"] for t in row["turns"]] == ["agent", "unknown"]
    assert row["turns"][0]["char_ms"] == [1000, 1200]
    assert row["turns"][1]["char_ms"] is None
    assert row["warnings"] == ["unmapped_speaker:SPEAKER_01"]


def test_subtitles_with_speakers(tmp_path: Path) -> None:
    text = "1\r\n00:00:01,000 --> 00:00:02,500\r\n客服：您好\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n[SPEAKER_9]: 退款<i>吧</i>\r\n"
    (row,), _ = bring(tmp_path, put(tmp_path, "a.srt", text), roles={"SPEAKER_9": "customer"})
    assert said(row) == [("agent", 1000, 2500, "您好"), ("customer", 3000, 4000, "退款吧")]
    web = put(tmp_path, "b.vtt", "WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.500 align:start\n<v Agent>hello &amp; welcome\n")
    rows, _ = bring(tmp_path, web)
    assert said(rows[1]) == [("agent", 1000, 2500, "hello & welcome")]


@pytest.mark.parametrize("name", ["json", "srt", "vtt"])
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    turns = [
        {"turn": k, "channel": k % 2, "role": ("agent", "customer")[k % 2], "start_ms": 1000 * k, "end_ms": 1000 * k + 700,
         "text": f"第{k}句", "avg_logprob": -0.25, "no_speech_prob": 0.5, "flags": []} for k in range(4)
    ]  # fmt: skip
    row = {"call_id": "c9", "language": "zh", "turns": turns}
    text = {"json": whisper_json, "srt": srt, "vtt": vtt}[name](row)
    (back,), _ = bring(tmp_path, put(tmp_path, f"c9.{name}", text))
    assert back["call_id"] == "c9"
    assert said(back) == [(t["role"], t["start_ms"], t["end_ms"], t["text"]) for t in turns]


def test_a_chat_log_in_csv(tmp_path: Path) -> None:
    text = (
        "会话ID,角色,发送时间,内容\n"
        "D1,客服,2024-05-01 10:00:00,您好，请问有什么可以帮您\n"
        'D1,客户,2024-05-01 10:00:08,"=HYPERLINK(""x"")"\n'
        "D1,机器人,2024/5/1 10:00:20,已转人工\n"
        "D2,小二,1714557600000,亲在的\n"
    )
    rows, summary = bring(tmp_path, put(tmp_path, "chat.csv", text.encode("gb18030")), roles={"小二": "agent"})
    assert summary.problems == []
    assert [r["call_id"] for r in rows] == ["D1", "D2"]
    assert said(rows[0]) == [
        ("agent", 0, 2400, "您好，请问有什么可以帮您"),
        ("customer", 8000, 8000 + 200 * 15, '=HYPERLINK("x")'),
        ("system", 20_000, 20_800, "已转人工"),
    ]
    assert [t["channel"] for t in rows[0]["turns"]] == [None] * 3


def test_jsonl_of_turns_and_of_calls(tmp_path: Path) -> None:
    lines = [
        {"call_id": "A", "role": "agent", "start_ms": 0, "end_ms": 900, "text": "好"},
        {"call_id": "B", "turns": [{"role": "客户", "text": "你好"}, {"role": "客服", "text": "在的"}]},
        {"call_id": "A", "role": "user", "start": 1.5, "end": 2.0, "content": "嗯嗯"},
    ]
    rows, summary = bring(tmp_path, put(tmp_path, "a.jsonl", "\n".join(json.dumps(v) for v in lines)))
    assert summary.problems == []
    assert said(rows[0]) == [("agent", 0, 900, "好"), ("customer", 1500, 2000, "嗯嗯")]
    assert said(rows[1]) == [("customer", 0, 600, "你好"), ("agent", 1000, 1600, "在的")]
    assert rows[1]["warnings"] == ["no_times"]


def test_bad_lines_are_told_with_their_place_and_count_as_not_heard(tmp_path: Path) -> None:
    good = '{"call_id":"J","role":"agent","start_ms":0,"end_ms":900,"text":"好"}'
    bad = ["not json", "[]", '{"call_id":"J","start_ms":-5,"text":"x"}', '{"call_id":"J","start":NaN,"text":"x"}', '{"call_id":"J","start":1e400,"text":"x"}',
           '{"call_id":"J","text":5}', '{"call_id":"J"}', '{"call_id":"J","text":"x","channel":"middle"}', "[" * 50_000]  # fmt: skip
    (row,), summary = bring(tmp_path, put(tmp_path, "a.jsonl", "\n".join([good, *bad])))
    assert sorted(p.line for p in summary.problems) == list(range(2, 11))
    assert all(p.file.endswith("a.jsonl") and p.message for p in summary.problems)
    assert row["warnings"] == ["bad_lines:6"]
    lost = [s for s in row["spans"] if not s["heard"]]
    assert len(lost) == 6
    assert {(s["role"], s["why"]) for s in lost} == {("unknown", "bad_line")}
    assert all(s["end_ms"] > s["start_ms"] for s in lost)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", b"[" * 100_000, "bad_format"),
        ("a.json", b"{}", "bad_format"),
        ("a.json", b'{"segments": 5}', "bad_format"),
        ("a.json", b'{"segments": []}', "no_turns"),
        ("a.json", b"\xff\xfe\xfd", "bad_format"),
        ("a.srt", b"no cues at all", "bad_format"),
        ("a.srt", b"", "no_turns"),
        ("a.srt", b"\xff\xff\xff\x00\x80", "bad_format"),
        ("a.csv", b"colour,size\nred,1\n", "bad_format"),
        ("a.csv", b"", "bad_format"),
    ],
)
def test_a_file_that_is_no_transcript_is_a_failed_row(name: str, data: bytes, reason: str, tmp_path: Path) -> None:
    (row,), summary = bring(tmp_path, put(tmp_path, name, data))
    assert (row["call_id"], row["status"], row["reason"]) == ("a", "failed", reason)
    assert reason in REASONS
    assert row["message"]
    assert summary.failed == {reason: 1}


def test_a_turn_of_ten_megabytes_is_left_out_alone(tmp_path: Path) -> None:
    text = "call_id,role,text\nA,agent," + "好" * 3_400_000 + "\nA,customer,你好\n"
    (row,), summary = bring(tmp_path, put(tmp_path, "a.csv", text))
    assert [t["text"] for t in row["turns"]] == ["你好"]
    assert [p.line for p in summary.problems] == [2]


def test_half_characters_and_controls_can_be_stored(tmp_path: Path) -> None:
    (row,), _ = bring(tmp_path, put(tmp_path, "a.jsonl", '{"call_id":"\\ud800","speaker":"\\udfff","text":"a\\u0000\\ud83d"}'))
    assert (row["call_id"], row["turns"][0]["text"]) == ("?", "a\0?")


def test_pseudo_speech_of_a_recogniser_is_flagged_and_typed_text_is_not(tmp_path: Path) -> None:
    heard = put(
        tmp_path,
        "a.json",
        whisper({"start": 0, "end": 3, "text": "字幕由Amara.org社区提供"}, {"start": 4, "end": 5, "text": "您好"}),
    )
    typed = put(tmp_path, "b.csv", "call_id,role,text\nb,agent,字幕由Amara.org社区提供\n")
    rows, _ = bring(tmp_path, heard, typed)
    assert [t["flags"] for t in rows[0]["turns"]] == [["pseudo_speech"], []]
    assert rows[0]["spans"][0]["why"] in WHY_NOT_HEARD
    assert rows[1]["turns"][0]["flags"] == []


def test_a_call_list_joins_and_a_listed_call_without_a_transcript_is_a_row(tmp_path: Path) -> None:
    listed = [
        {"call_id": "a", "listed": True, "found": False, "agent_id": "7", "agent_channel": 1, "meta": []},
        {"call_id": "gone", "listed": True, "found": False, "agent_id": "8", "agent_channel": None, "meta": []},
    ]
    lines = [
        {"call_id": "a", "channel": 0, "start": 0, "end": 1, "text": "你好"},
        {"call_id": "a", "channel": 1, "start": 1, "end": 2, "text": "您好"},
    ]
    path = put(tmp_path, "a.jsonl", "\n".join(json.dumps(v) for v in lines))
    rows, summary = bring(tmp_path, path, listed=listed)
    assert [t["role"] for t in rows[0]["turns"]] == ["customer", "agent"]
    assert (rows[1]["call_id"], rows[1]["reason"]) == ("gone", "no_transcript")
    assert summary.failed == {"no_transcript": 1}
    calls = {r["call_id"]: r for r in Store(tmp_path / "store").read("calls").to_pylist()}
    assert (calls["a"]["agent_id"], calls["gone"]["agent_id"]) == ("7", "8")
    bring(tmp_path, path)
    assert Store(tmp_path / "store").read("calls").to_pylist() == list(calls.values())


def test_an_import_again_gives_the_same_tables(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", '{"call_id":"A","role":"agent","text":"好"}')
    assert bring(tmp_path, path)[0] == bring(tmp_path, path)[0]


def test_folders_are_searched_and_unknown_files_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    put(tmp_path, "in/a.srt", "1\n00:00:01,000 --> 00:00:02,000\nx\n")
    put(tmp_path, "in/readme.md", "x")
    assert [r["call_id"] for r in bring(tmp_path, tmp_path / "in")[0]] == ["a"]
    with pytest.raises(UsageError):
        bring(tmp_path, tmp_path / "in" / "readme.md")
    with pytest.raises(UsageError):
        bring(tmp_path, tmp_path / "none.srt")
    with pytest.raises(UsageError):
        bring(tmp_path, tmp_path / "in", roles={"x": "king"})


def test_every_name_of_a_speaker_is_a_role() -> None:
    assert set(SPEAKERS.values()) <= set(ROLES)
    assert all(name == name.lower() for name in SPEAKERS)


class Memory(Store):
    """A store that keeps transcripts in memory, checked against the table's schema."""

    def __init__(self, path: Path) -> None:
        super().__init__(path / "none")
        self.rows: list[dict[str, Any]] = []

    def append(self, table: str, rows: Any) -> None:
        import pyarrow as pa

        if table == "transcripts":
            self.rows += pa.Table.from_pylist(list(rows), schema=schema(table)).to_pylist()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(FORMATS)), data=st.binary(max_size=400), values=st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(), lambda s: st.lists(s, max_size=3) | st.dictionaries(
        st.sampled_from(["segments", "text", "start", "end", "turns", "call_id", "channel", "time", "words", "word", "speaker"]), s, max_size=4), max_leaves=12))  # fmt: skip
def test_whatever_a_file_holds_it_is_rows_and_messages(tmp_path: Path, kind: str, data: bytes, values: Any) -> None:
    for content in (data, json.dumps(values).encode(), json.dumps({"segments": [values, values]}).encode()):
        store = Memory(tmp_path)
        import_transcripts(store, [put(tmp_path, "x.bin", content)], ImportOptions(format=kind), Silent())
        for row in store.rows:
            assert row["status"] in ("ok", "failed")
            starts = [t["start_ms"] for t in row["turns"] or ()]
            assert starts == sorted(starts)
            assert all(s["start_ms"] < s["end_ms"] for s in row["spans"] or ())
