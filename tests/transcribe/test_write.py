"""Files beside the recordings: right, harmless, and never over somebody's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qc.progress import Silent
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.write import FORMATS, Written, srt, txt, vtt, whisper_json


def row(**changes: Any) -> dict[str, Any]:
    def turn(number: int, role: str, text: str, flags: list[str]) -> dict[str, Any]:
        return {
            "turn": number,
            "channel": number,
            "role": role,
            "start_ms": 3_661_001 * number,
            "end_ms": 3_661_001 * number + 500,
            "text": text,
            "avg_logprob": -0.1,
            "no_speech_prob": 0.0,
            "flags": flags,
        }

    turns = [
        turn(0, "agent", "您好\n<b>x</b> --> &", []),
        turn(1, "customer", "谢谢观看", ["pseudo_speech"]),
        turn(2, "unknown", "好", []),
    ]
    return {"call_id": "c", "status": "ok", "language": "zh", "turns": turns} | changes


def test_subrip() -> None:
    assert srt(row()) == (
        "1\n00:00:00,000 --> 00:00:00,500\nAgent: 您好 <b>x</b> -> &\n\n2\n02:02:02,002 --> 02:02:02,502\nSpeaker: 好\n"
    )


def test_webvtt() -> None:
    text = vtt(row())
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.500\n<v Agent>您好 &lt;b&gt;x&lt;/b&gt; --&gt; &amp;\n")
    assert "谢谢观看" not in text


def test_plain_text() -> None:
    assert txt(row()) == "[00:00:00.000] Agent: 您好 <b>x</b> --> &\n[02:02:02.002] Speaker: 好\n"


def test_json_has_whispers_shape_with_roles_and_everything_heard() -> None:
    value = json.loads(whisper_json(row()))
    assert set(value) == {"text", "segments", "language", "call_id"}
    first = value["segments"][0]
    assert {
        "id",
        "seek",
        "start",
        "end",
        "text",
        "tokens",
        "temperature",
        "avg_logprob",
        "compression_ratio",
        "no_speech_prob",
    } <= set(first)
    assert [(s["role"], s["channel"], s["flags"]) for s in value["segments"]][1] == ("customer", 1, ["pseudo_speech"])
    assert value["segments"][2]["start"] == 7322.002


@pytest.mark.parametrize("name", FORMATS)
def test_a_call_without_turns_is_an_empty_file_of_its_kind(name: str) -> None:
    assert isinstance(FORMATS[name](row(turns=[])), str)


def call(path: Path, call_id: str = "c", file: str | None = None) -> dict[str, Any]:
    return {"call_id": call_id, "path": str(path), "file": file or path.name}


def test_files_lie_beside_the_recording_and_nobodys_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("my notes", encoding="utf-8")
    options = TranscribeOptions(write=("srt", "txt"))
    Written(options, [call(tmp_path / "c.wav")]).write(row(), Silent())
    assert (tmp_path / "c.txt").read_text(encoding="utf-8") == "my notes"
    assert (tmp_path / "c.srt").exists()
    Written(TranscribeOptions(write=("txt",), redo=True), [call(tmp_path / "c.wav")]).write(row(), Silent())
    assert (tmp_path / "c.txt").read_text(encoding="utf-8").startswith("[00:")


def test_two_recordings_of_one_name_do_not_share_a_file(tmp_path: Path) -> None:
    calls = [call(tmp_path / "c.wav", "1"), call(tmp_path / "c.mp3", "2")]
    written = Written(TranscribeOptions(write=("txt",)), calls)
    for call_id in ("1", "2"):
        written.write(row(call_id=call_id), Silent())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.mp3.txt", "c.wav.txt"]


@pytest.mark.parametrize(
    "file",
    ["../../evil.wav", "/etc/evil.wav", "a\\..\\..\\evil.wav", "x/../../../evil.wav", "con\x00trol\n<>.wav", "é" * 500 + ".wav"],
)
def test_names_never_leave_the_folder_to_write_to(file: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    Written(TranscribeOptions(write=("txt",), write_dir=target), [call(tmp_path / "in.wav", file=file)]).write(row(), Silent())
    (found,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert target in found.parents


def test_a_file_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way", encoding="utf-8")
    notes: list[str] = []

    class Listener(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    options = TranscribeOptions(write=("txt",), write_dir=tmp_path / "out")
    Written(options, [call(tmp_path / "in.wav")]).write(row(), Listener())
    assert len(notes) == 1
