"""The stage as a whole: rows for every call, resumable whatever happens, the same tables each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qc.calls import CallOptions, build_calls, save_calls
from qc.errors import StoreError, UsageError
from qc.progress import Silent
from qc.store import Store
from qc.transcribe.engines import CallKey, Engine, EngineRequest, open_engine
from qc.transcribe.engines.replay import Replay
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import prepare
from qc.transcribe.reasons import REASONS, WARNINGS, WHY_NOT_HEARD
from qc.transcribe.run import TranscribeInterrupted, TranscribeSummary, transcribe
from qc.transcribe.work import Doors
from tests.audio.sounds import tone, write_wav
from tests.transcribe.models import calls_folder, tiny_checkpoint

SAMPLES = Path(__file__).parents[2] / "audio_samples"


def run(folder: Path, store: Path, model: Path, doors: Doors | None = None, **options: Any) -> TranscribeSummary:
    place = Store(store)
    rows, _ = build_calls(CallOptions((folder,), skip=(store,)))
    save_calls(place, rows)
    return transcribe(place, TranscribeOptions(model=str(model), device="cpu", **options), Silent(), rows, doors)


def table(store: Path) -> list[dict[str, Any]]:
    return Store(store).read("transcripts").to_pylist()


def test_a_call_becomes_turns_spans_and_roles(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    summary = run(folder, tmp_path / "s", model)
    assert (summary.calls, summary.transcribed, summary.failed, summary.audio_ms) == (1, 1, {}, 3200)
    (row,) = table(tmp_path / "s")
    assert (row["status"], row["source"], row["channels"], row["rate_hz"], row["codec"]) == ("ok", "audio", 2, 8000, "pcm_s16le")
    assert [(t["turn"], t["role"], t["start_ms"], t["end_ms"], t["flags"]) for t in row["turns"]] == [
        (0, "agent", 0, 800, []),
        (1, "customer", 1000, 1800, []),
        (2, "agent", 2000, 2800, []),
    ]
    assert [t["level_dbfs"] for t in row["turns"]] == pytest.approx([-13.5] * 3, abs=0.2)
    assert [s["heard"] for s in row["spans"]] == [True] * 3
    assert [(r["role"], r["speech_ms"], r["coverage"]) for r in row["roles"]] == [("agent", 1600, 1.0), ("customer", 800, 1.0)]
    assert json.loads(row["options"])["agent_channel"] == 0


def test_the_agent_may_be_on_the_right(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    run(folder, tmp_path / "s", model, agent_channel=1)
    assert [t["role"] for t in table(tmp_path / "s")[0]["turns"]] == ["customer", "agent", "customer"]


def test_a_mono_recording_has_unknown_roles_unless_told(tmp_path: Path) -> None:
    write_wav(tmp_path / "in" / "c000.wav", tone(300, 3))
    model = tmp_path / "p.jsonl"
    model.write_text('{"file":"c000.wav","turns":[{"start_ms":0,"end_ms":500,"text":"您好"}]}\n', encoding="utf-8")
    for role in ("unknown", "agent"):
        run(tmp_path / "in", tmp_path / role, model, mono_role=role)
        (row,) = table(tmp_path / role)
        assert (row["turns"][0]["role"], row["warnings"]) == (role, ["mono"])


def test_what_the_guard_flags_is_kept_and_counts_as_not_heard(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    turns = [
        {"channel": 0, "start_ms": 0, "end_ms": 900, "text": "字幕由Amara.org社区提供"},
        {"channel": 0, "start_ms": 1000, "end_ms": 1900, "text": "您好", "avg_logprob": -1.5},
        {"channel": 1, "start_ms": 2000, "end_ms": 2900, "text": "…"},
        {"channel": 1, "start_ms": 2900, "end_ms": 3200, "text": "謝謝"},
    ]
    model.write_text(json.dumps({"file": "c000.wav", "turns": turns}) + "\n", encoding="utf-8")
    run(folder, tmp_path / "s", model)
    (row,) = table(tmp_path / "s")
    assert [(t["text"], t["flags"]) for t in row["turns"]] == [
        ("字幕由Amara.org社区提供", ["pseudo_speech"]),
        ("您好", ["low_confidence"]),
        ("谢谢", []),
    ]
    assert [s["why"] for s in row["spans"]] == ["pseudo_speech", "low_confidence", "no_text", None]
    assert [r["heard_ms"] for r in row["roles"]] == [0, 300]


def broken_folder(tmp_path: Path) -> tuple[Path, Path]:
    folder, model = calls_folder(tmp_path, 3)
    (folder / "text.mp3").write_bytes(b"no recording at all")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "bare.alaw").write_bytes(b"\xd5" * 800)
    whole = write_wav(folder / "cut.wav", np.stack([tone(300, 4), tone(500, 4)]))
    whole.write_bytes(whole.read_bytes()[:40_000])
    return folder, model


def test_broken_files_are_rows_with_a_reason_and_the_others_are_done(tmp_path: Path) -> None:
    folder, model = broken_folder(tmp_path)
    with open(model, "a", encoding="utf-8") as file:
        file.write('{"file":"cut.wav","turns":[{"start_ms":0,"end_ms":500,"text":"您好"}]}\n')
    summary = run(folder, tmp_path / "s", model)
    assert summary.failed == {"empty": 1, "headerless": 1, "not_audio": 1}
    assert summary.transcribed == 4
    rows = {r["call_id"]: r for r in table(tmp_path / "s")}
    assert len(rows) == 7
    assert {r["reason"] for r in rows.values() if r["status"] == "failed"} <= set(REASONS)
    assert all(r["message"] and "None" not in r["message"] for r in rows.values() if r["status"] == "failed")
    cut = next(r for r in rows.values() if "truncated" in (r["warnings"] or ()))
    assert cut["spans"][-1] | {"start_ms": 0} == {
        "channel": 0,
        "role": "unknown",
        "start_ms": 0,
        "end_ms": 4000,
        "heard": False,
        "why": "truncated",
    }


def test_run_again_it_does_only_what_is_missing_or_failed(tmp_path: Path) -> None:
    folder, model = broken_folder(tmp_path)
    first = run(folder, tmp_path / "s", model)
    before = table(tmp_path / "s")
    again = run(folder, tmp_path / "s", model)
    assert (again.transcribed, again.skipped) == (0, first.transcribed)
    assert again.failed == first.failed
    assert table(tmp_path / "s") == before
    assert run(folder, tmp_path / "s", model, redo=True).transcribed == first.transcribed
    assert table(tmp_path / "s") == before
    changed = run(folder, tmp_path / "s", model, agent_channel=1)
    assert changed.skipped == 0


def test_a_changed_recording_or_model_is_done_again(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 2)
    run(folder, tmp_path / "s", model)
    model.write_text(model.read_text(encoding="utf-8").replace("退款", "换货"), encoding="utf-8")
    assert run(folder, tmp_path / "s", model).transcribed == 2
    assert all("换货" in r["turns"][0]["text"] for r in table(tmp_path / "s"))


def test_the_same_bytes_are_heard_once_and_are_two_rows(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    (folder / "copy.wav").write_bytes((folder / "c000.wav").read_bytes())
    prepared = []

    def counted(call: Any, *rest: Any) -> Any:
        prepared.append(call["call_id"])
        return prepare(call, *rest)

    assert run(folder, tmp_path / "s", model, doors=Doors(prepare=counted)).transcribed == 2
    one, two = table(tmp_path / "s")
    assert len(prepared) == 1
    assert one["call_id"] != two["call_id"]
    assert one | {"call_id": ""} == two | {"call_id": ""}


def test_a_copy_of_what_was_done_before_is_not_heard(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    run(folder, tmp_path / "s", model)
    for number in range(3):
        (folder / f"copy{number}.wav").write_bytes((folder / "c000.wav").read_bytes())

    def never(*_: Any) -> Any:
        raise AssertionError("nothing is left to decode")

    summary = run(folder, tmp_path / "s", model, doors=Doors(prepare=never))
    assert (summary.skipped, summary.transcribed, summary.failed) == (1, 3, {})
    rows = table(tmp_path / "s")
    assert all(r | {"call_id": ""} == rows[0] | {"call_id": ""} for r in rows)


def test_a_copy_with_the_agent_on_the_other_side_is_heard_for_itself(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    (folder / "copy.wav").write_bytes((folder / "c000.wav").read_bytes())
    text = model.read_text(encoding="utf-8")
    model.write_text(text + text.replace("c000.wav", "copy.wav"), encoding="utf-8")
    listed = tmp_path / "calls.csv"
    listed.write_text("call_id,file,agent_channel\na,c000.wav,left\nb,copy.wav,right\n", encoding="utf-8")
    place = Store(tmp_path / "s")
    rows, _ = build_calls(CallOptions((folder,), calls=listed))
    transcribe(place, TranscribeOptions(model=str(model), device="cpu"), Silent(), rows)
    one, two = table(tmp_path / "s")
    assert [t["role"] for t in one["turns"]] == ["agent", "customer", "agent"]
    assert [t["role"] for t in two["turns"]] == ["customer", "agent", "customer"]


def test_a_fault_in_one_call_is_its_row_and_no_more(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 3)

    def sometimes(call: Any, *rest: Any) -> Any:
        if call["file"] == "c001.wav":
            raise RuntimeError("cuDNN is out of sorts\nlong trace")
        if call["file"] == "c002.wav":
            raise MemoryError
        return prepare(call, *rest)

    summary = run(folder, tmp_path / "s", model, doors=Doors(prepare=sometimes))
    assert summary.failed == {"engine": 1, "out_of_memory": 1}
    assert summary.transcribed == 1
    assert any("cuDNN is out of sorts" in (r["message"] or "") for r in table(tmp_path / "s"))


def test_parts_grow_with_the_run(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 60)
    run(folder, tmp_path / "s", model, commit_calls=1, commit_s=3600.0)
    assert len(table(tmp_path / "s")) == 60
    assert 15 <= len(Store(tmp_path / "s").parts("transcripts")) <= 30


def test_recordings_that_vanish_stop_the_run_and_it_goes_on_when_they_are_back(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 60)
    rows, _ = build_calls(CallOptions((folder,)))
    gone = folder.rename(tmp_path / "gone")
    options = TranscribeOptions(model=str(model), device="cpu")
    with pytest.raises(StoreError, match="gone"):
        transcribe(Store(tmp_path / "s"), options, Silent(), rows)
    assert {r["reason"] for r in table(tmp_path / "s")} == {"missing_file"}
    gone.rename(folder)
    assert transcribe(Store(tmp_path / "s"), options, Silent(), rows).transcribed == 60


def test_a_store_that_vanishes_is_not_made_anew_somewhere_else(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 6)
    rows, _ = build_calls(CallOptions((folder,)))
    store = Store(tmp_path / "s")

    def vanishing(call: Any, *rest: Any) -> Any:
        if call["file"] == "c004.wav":
            store.path.rename(tmp_path / "away")
        return prepare(call, *rest)

    options = TranscribeOptions(model=str(model), device="cpu", commit_calls=1)
    with pytest.raises(StoreError, match="gone"):
        transcribe(store, options, Silent(), rows, Doors(prepare=vanishing))
    assert not store.path.exists()
    kept = len(table(tmp_path / "away"))
    (tmp_path / "away").rename(store.path)
    assert transcribe(store, options, Silent(), rows).skipped == kept
    assert len(table(store.path)) == 6


def test_a_store_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    rows, _ = build_calls(CallOptions((folder,)))
    (tmp_path / "s").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(StoreError):
        transcribe(Store(tmp_path / "s"), TranscribeOptions(model=str(model)), Silent(), rows)


def test_an_interrupt_saves_what_is_finished(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 6)

    class Interrupted(Replay):
        def hear(self, call: CallKey, windows: Any) -> Any:
            if call.file == "c003.wav":
                raise KeyboardInterrupt
            return super().hear(call, windows)

    def opened(name: str, request: EngineRequest) -> Engine:
        engine = open_engine(name, request)
        engine.__class__ = Interrupted
        return engine

    with pytest.raises(TranscribeInterrupted) as caught:
        run(folder, tmp_path / "s", model, doors=Doors(open_engine=opened))
    assert caught.value.summary.transcribed == 3
    assert len(table(tmp_path / "s")) == 3


def command(folder: Path, store: Path, model: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "qc",
        "transcribe",
        str(folder),
        "--store",
        str(store),
        "--model",
        str(model),
        "--device",
        "cpu",
    ]


def _hear_ctrl_c() -> None:
    """Tests that run in the background of a shell would hand down that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder: Path, store: Path, model: Path, parts: int) -> subprocess.Popen[bytes]:
    """A run in a process of its own that has written at least `parts` parts."""
    process = subprocess.Popen(
        command(folder, store, model),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=None if os.name == "nt" else _hear_ctrl_c,
    )
    for _ in range(12_000):
        if len(Store(store).parts("transcripts")) >= parts or process.poll() is not None:
            break
        time.sleep(0.05)
    return process


MANY = 36  # so many that the run is still going when its first part is there


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, Any]]]:
    """(folder of short spoken calls, Whisper checkpoint, the table of an undisturbed run)."""
    from qc.audio import decode

    folder = tmp_path_factory.mktemp("spoken")
    speech = decode(SAMPLES / "c001.wav").samples
    for number in range(MANY):
        at = 16_000 * 2 + 6_000 * number
        write_wav(folder / "in" / f"c{number:02}.wav", speech[:, at : at + 48_000], rate=16_000)
    model = tiny_checkpoint(folder)
    run(folder / "in", folder / "quiet", model)
    return folder / "in", model, table(folder / "quiet")


def test_killed_in_the_middle_and_run_again_the_tables_are_those_of_a_quiet_run(
    spoken: tuple[Path, Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, model, quiet = spoken
    process = started(folder, tmp_path / "s", model, 1)
    process.kill()
    process.communicate()
    done = len(table(tmp_path / "s"))
    assert 0 < done < MANY
    summary = run(folder, tmp_path / "s", model)
    assert summary.skipped == done
    assert table(tmp_path / "s") == quiet
    assert sum(len(r["turns"]) for r in quiet) > 5


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_what_is_saved_and_how_to_go_on(
    number: signal.Signals, spoken: tuple[Path, Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, model, quiet = spoken
    process = started(folder, tmp_path / "s", model, 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err.decode()
    assert f"of {MANY} calls are saved".encode() in err
    assert b"qc transcribe" in err
    assert b"Traceback" not in err
    run(folder, tmp_path / "s", model)
    assert table(tmp_path / "s") == quiet


def test_words_in_rows_are_all_explained(spoken: tuple[Path, Path, list[dict[str, Any]]]) -> None:
    known = {w.partition(":")[0] for w in WARNINGS}
    for row in spoken[2]:
        assert {w.partition(":")[0] for w in row["warnings"]} <= known
        assert {s["why"] for s in row["spans"]} - {None} <= set(WHY_NOT_HEARD)
        assert {f for t in row["turns"] for f in t["flags"]} <= set(WHY_NOT_HEARD)


def test_a_wrong_format_to_write_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    with pytest.raises(UsageError):
        run(folder, tmp_path / "s", model, write=("docx",))
    assert table(tmp_path / "s") == []


def test_a_model_that_none_has_is_told_before_recordings_are_looked_for(tmp_path: Path) -> None:
    for name in ("tubro", str(tmp_path), "none.pt"):
        done = subprocess.run(
            [sys.executable, "-m", "qc", "transcribe", "nowhere", "--store", str(tmp_path / "s"), "--model", name],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2
        assert name in done.stderr.decode()
        assert b"nowhere" not in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_failed_call_without_an_id_of_its_own_is_told_by_its_file(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    (folder / "bad.wav").write_bytes(b"no recording")
    arguments = [sys.executable, "-m", "qc", "transcribe", str(folder), "--store", str(tmp_path / "s"), "--model", str(model)]
    shown = subprocess.run(arguments, capture_output=True, check=False)
    assert shown.returncode == 3
    assert b"bad.wav: not_audio" in shown.stderr
    told = json.loads(subprocess.run([*arguments, "--json"], capture_output=True, check=False).stdout)
    assert [f["file"] for f in told["failures"]] == ["bad.wav"]
