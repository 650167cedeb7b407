"""A plan says what is there, what cannot be read, how long it takes and what a budget does not reach; it stores nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from qc.audio.decode import DecodeOptions
from qc.audio.header import look
from qc.calls import CallOptions, build_calls, save_calls
from qc.cli.main import app
from qc.errors import AudioError, ModelError, UsageError
from qc.progress import Silent
from qc.run.plan import Plan, PlanOptions, plan, write_order
from qc.store import Store
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import hands_for, transcribe
from qc.transcribe.work import Doors, Hands
from tests.audio.sounds import encode, two_sides, write_wav
from tests.transcribe.models import calls_folder


def planned(folder: Path, model: Path, calls: Path | None = None, store: Path | None = None, **options: Any) -> Plan:
    which = CallOptions((folder,), calls=calls)
    return plan(PlanOptions(which, TranscribeOptions(model=str(model), device="cpu"), store, **options), Silent())


def listed(folder: Path, count: int) -> Path:
    lines = ["call_id,file,satisfaction,amount,kind"]
    lines += [
        f"k{n},c{n:03}.wav,{n % 5 + 1},{'' if n == 3 else 100 * n},{'complaint' if n == 4 else '=HYPERLINK'}"
        for n in range(count)
    ]
    path = folder / "calls.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_it_counts_what_is_there_and_says_what_cannot_be_read(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 6)
    encode(folder / "x.mp3", two_sides(4.0), "libmp3lame")
    (folder / "bad.wav").write_bytes(b"no recording")
    (folder / "void.wav").write_bytes(b"")
    made = planned(folder, model)
    assert (made.calls, made.found, made.missing, made.done) == (9, 9, 0, 0)
    assert made.codecs == {"wav/pcm_s16le": 6, "mp3/mp3float": 1}
    assert (made.channels, made.rates_hz) == ({"2": 7}, {"8000": 7})
    assert made.unreadable == {"empty": 1, "not_audio": 1}
    assert {f for f, _, _ in made.unreadable_files} == {"bad.wav", "void.wav"}
    assert made.audio_ms == pytest.approx(6 * 3200 + 4000, abs=200)
    assert made.probe is not None
    assert (made.probe.calls, made.probe.failed) == (6, 1)
    assert made.probe.speech_ms == 6 * 2400


def test_the_forecast_is_the_probes_speed_carried_over(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 12)
    made = planned(folder, model, probe_calls=4, price=3.6)
    assert made.probe is not None
    assert made.probe.calls == 4
    assert made.wall_s is not None
    assert made.wall_s - made.probe.load_s == pytest.approx(made.probe.wall_s * 3, rel=1e-6)
    assert made.device_hours == pytest.approx(made.wall_s / 3600)
    assert made.money == pytest.approx(made.wall_s / 1000)
    assert made.low_s is not None
    assert made.high_s is not None
    assert made.low_s <= made.wall_s <= made.high_s


def test_calls_that_the_store_has_are_left_out_and_nothing_is_stored(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 5)
    rows, _ = build_calls(CallOptions((folder,)))
    store = Store(tmp_path / "s")
    save_calls(store, rows)
    transcribe(store, TranscribeOptions(model=str(model), device="cpu"), Silent(), rows[:3])
    parts = store.parts("transcripts")
    made = planned(folder, model, store=store.path)
    assert (made.found, made.done) == (5, 3)
    assert made.audio_ms == 2 * 3200
    assert store.parts("transcripts") == parts
    assert planned(folder, model, store=tmp_path / "none").done == 0
    assert not (tmp_path / "none").exists()


def test_a_budget_reaches_the_riskiest_calls_and_names_the_rest(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 10)
    calls = listed(tmp_path, 10)
    whole = planned(folder, model, calls)
    assert whole.probe is not None
    half = whole.probe.load_s + 5.5 * 3.2 / whole.probe.x_real_time
    made = planned(folder, model, calls, budget_s=half, risk=("kind=complaint", "satisfaction:low", "amount:high"))
    order = [row["call_id"] for row, _, _ in made.order]
    assert order == ["k4", "k5", "k0", "k6", "k1", "k7", "k2", "k8", "k3", "k9"]
    assert made.reached is not None
    assert made.not_reached is not None
    assert made.reached + made.not_reached == 10
    assert [hit for _, _, hit in made.order] == [True] * made.reached + [False] * made.not_reached
    assert planned(folder, model, calls, budget_s=0.0).reached == 0
    assert planned(folder, model, calls, budget_s=1e9).not_reached == 0


def test_the_order_is_a_call_list_that_a_run_follows(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 6)
    made = planned(folder, model, listed(tmp_path, 6), risk=("amount:high",))
    write_order(made, tmp_path / "order.csv")
    with open(tmp_path / "order.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["call_id"] for r in rows] == ["k5", "k4", "k2", "k1", "k0", "k3"]
    assert {r["kind"] for r in rows} == {"'=HYPERLINK", "complaint"}
    followed, problems = build_calls(CallOptions((folder,), calls=tmp_path / "order.csv"))
    assert problems == []
    assert [r["call_id"] for r in followed] == ["k5", "k4", "k2", "k1", "k0", "k3"]
    assert all(r["listed_duration_ms"] == 3200 for r in followed)


@pytest.mark.parametrize("risk", ["", "satisfaction", "satisfaction:most", ":high", "=x", "nothing:high"])
def test_a_risk_that_cannot_be_read_is_refused(risk: str, tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 1)
    with pytest.raises(UsageError):
        planned(folder, model, listed(tmp_path, 1), risk=(risk,))


def test_a_header_tells_what_decoding_would(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.flac", two_sides(3.0), "flac")
    head = look(path)
    assert (head.container, head.codec, head.rate_hz, head.channels, head.duration_ms) == ("flac", "flac", 8000, 2, 3000)
    (tmp_path / "b.alaw").write_bytes(b"\xd5" * 16_000)
    assert look(tmp_path / "b.alaw", DecodeOptions(raw="alaw,8000,2")).duration_ms == 1000
    with pytest.raises(AudioError) as caught:
        look(tmp_path / "b.alaw")
    assert caught.value.code == "headerless"
    lying = write_wav(tmp_path / "c.wav", two_sides())
    data = bytearray(lying.read_bytes())
    data[40:44] = b"\xff\xff\xff\x7f"
    lying.write_bytes(bytes(data))
    assert look(lying).duration_ms in (None, 2000)


def test_the_command_prints_a_plan_and_json_and_its_exit_code_tells_of_bad_files(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 3)
    arguments = ["plan", str(folder), "--model", str(model), "--store", str(tmp_path / "s")]
    shown = CliRunner().invoke(app, [*arguments, "--price", "2", "--budget", "1h30m"])
    assert shown.exit_code == 0, shown.output
    for word in ("recordings", "speech", "speed", "time", "money", "reached"):
        assert word in shown.output
    (folder / "bad.wav").write_bytes(b"no recording")
    told = CliRunner().invoke(app, [*arguments, "--json"])
    assert told.exit_code == 3
    value = json.loads(told.stdout)
    assert value["unreadable"] == {"not_audio": 1}
    assert value["probe"]["calls"] == 3
    assert CliRunner().invoke(app, [*arguments, "--budget", "soon"]).exit_code != 0
    assert not (tmp_path / "s").exists()


def test_whatever_changes_how_long_a_run_takes_can_be_told_to_the_plan() -> None:
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    kept = {name: {p.name: p for p in verbs[name].params} for name in ("plan", "transcribe")}
    of_what_is_kept_or_written = {"agent_channel", "redo", "write", "write_dir", "redact"}
    assert set(kept["transcribe"]) - set(kept["plan"]) == of_what_is_kept_or_written
    for name in set(kept["transcribe"]) & set(kept["plan"]):
        assert kept["plan"][name].default == kept["transcribe"][name].default
        assert kept["plan"][name].opts == kept["transcribe"][name].opts


def test_the_probe_hears_with_the_options_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, model = calls_folder(tmp_path, 1)
    (tmp_path / "words.txt").write_text("云帆\n", encoding="utf-8")
    told: list[TranscribeOptions] = []

    def hands(options: TranscribeOptions, count: int, doors: Doors) -> Hands:
        told.append(options)
        return hands_for(options, count, doors)

    monkeypatch.setattr("qc.run.plan.hands_for", hands)
    more = ["--prompt-file", str(tmp_path / "words.txt"), "--batch", "3", "--pack", "on", "--workers", "0", "--dtype", "float32"]
    done = CliRunner().invoke(app, ["plan", str(folder), "--model", str(model), *more])
    assert done.exit_code == 0, done.output
    (one,) = told
    assert (one.prompt, one.batch, one.pack, one.workers, one.dtype) == ("云帆", 3, "on", 0, "float32")
    other = tmp_path / "models" / "large-v3.pt"
    other.parent.mkdir()
    other.write_bytes(b"another file under the name")
    refused = CliRunner().invoke(app, ["plan", str(folder), "--model", "large-v3", "--model-dir", str(other.parent)])
    assert isinstance(refused.exception, ModelError)
    assert refused.exception.code == "wrong_digest"
