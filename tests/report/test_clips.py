"""Clips and masking: a clip holds the seconds around the evidence, and what is masked in the text is drowned out in the sound."""

from __future__ import annotations

import io
import json
import math
import struct
import wave
import zipfile
from pathlib import Path
from typing import Any

import fixture_store
import numpy as np
import polars as pl
import pytest

from qc.audio.decode import DecodeOptions, Stream, blocks_of
from qc.errors import UsageError
from qc.report import ReportOptions, write_report
from qc.report.clips import MOST_MS, RATE_HZ, TONE_HZ, clip_name, cut, private, windows
from qc.report.model import Call, Clip, Finding, Sound


def speak(path: Path, seconds: int, rate: int = 16_000) -> None:
    """A recording whose pitch tells the second: 200 Hz in the first, 210 Hz in the next, and so on; two channels."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        for s in range(seconds):
            tone = [int(8000 * math.sin(2 * math.pi * (200 + 10 * s) * i / rate)) for i in range(rate)]
            file.writeframes(b"".join(struct.pack("<hh", v, v) for v in tone))


def pitch(samples: Any, second: float) -> float:
    """The strongest frequency in the half second that begins at `second`, Hz."""
    piece = samples[0, int(second * RATE_HZ) : int((second + 0.5) * RATE_HZ)]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
    return float(np.fft.rfftfreq(len(piece), 1 / RATE_HZ)[spectrum.argmax()])


def decoded(path: Path) -> Any:
    return np.concatenate(list(blocks_of(path, Stream(), DecodeOptions(rate_hz=RATE_HZ))), axis=1)


def call_with(*evidence: tuple[int, int]) -> Call:
    pieces = tuple(
        {"turn": None, "role": "agent", "start_ms": a, "end_ms": b, "char_start": None, "char_end": None, "quote": None}
        for a, b in evidence
    )
    finding = Finding("r", "hit", "low", 1, None, "", -1, -1, evidence=pieces)
    return Call("c", "c.wav", "/", None, None, None, "", 60_000, (), 1.0, "ok", findings=(finding,))


def test_a_clip_is_the_stretch_of_the_recording_that_it_says(tmp_path: Path) -> None:
    source = tmp_path / "call.wav"
    speak(source, 30)
    made = cut(source, {"a.mp3": (4_000, 9_000), "b.mp3": (20_000, 26_000)}, (), tmp_path)
    assert made == [Clip("a.mp3", 4_000, 9_000), Clip("b.mp3", 20_000, 26_000)]
    first, second = (decoded(tmp_path / name) for name in ("a.mp3", "b.mp3"))
    for samples, start, length in ((first, 4, 5), (second, 20, 6)):
        assert samples.shape[0] == 2
        assert abs(samples.shape[1] / RATE_HZ - length) < 0.15
        for s in range(length - 1):
            assert abs(pitch(samples, s + 0.25) - (200 + 10 * (start + s))) <= 4


def test_a_clip_past_the_end_is_shorter_or_is_not_there(tmp_path: Path) -> None:
    source = tmp_path / "call.wav"
    speak(source, 10)
    made = cut(source, {"a.mp3": (8_000, 14_000), "b.mp3": (20_000, 26_000)}, (), tmp_path)
    assert made == [Clip("a.mp3", 8_000, 10_000)]
    assert not (tmp_path / "b.mp3").exists()


def test_what_is_private_becomes_a_tone_and_the_rest_stays(tmp_path: Path) -> None:
    source = tmp_path / "call.wav"
    speak(source, 20)
    cut(source, {"a.mp3": (5_000, 15_000)}, [(8_000, 11_000)], tmp_path)
    samples = decoded(tmp_path / "a.mp3")
    heard = [round(pitch(samples, s + 0.25) / 10) * 10 for s in range(9)]
    assert heard == [250, 260, 270, TONE_HZ, TONE_HZ, TONE_HZ, 310, 320, 330]


def test_windows_are_around_the_evidence_joined_and_bounded() -> None:
    assert windows(call_with((10_000, 11_000))) == ((5_000, 16_000),)
    assert windows(call_with((1_000, 2_000))) == ((0, 7_000),)
    assert windows(call_with((10_000, 11_000), (14_000, 15_000))) == ((5_000, 20_000),)
    ((start, end),) = windows(call_with((10_000, 3_600_000)))
    assert end - start <= MOST_MS + 10_000


def test_private_stretches_come_from_the_characters_or_else_the_whole_turn() -> None:
    text = "电话是13800138000对吗"
    turn = {"text": text, "role": "agent", "start_ms": 1_000, "end_ms": 1_000 + 200 * len(text)}
    ((a, b),) = private([{**turn, "char_ms": [1_000 + 200 * i for i in range(len(text))]}])
    assert 1_000 + 200 * 3 - 500 <= a <= 1_000 + 200 * 3
    assert 1_000 + 200 * 14 <= b <= 1_000 + 200 * 14 + 500
    ((a, b),) = private([{**turn, "char_ms": None}])
    assert a <= 1_000 and b >= turn["end_ms"]
    assert private([{**turn, "text": "好的"}]) == ()


def test_a_clips_name_changes_with_what_is_drowned_out() -> None:
    plain = clip_name("d", (0, 10_000), ())
    assert plain == clip_name("d", (0, 10_000), [(20_000, 21_000)])
    assert plain != clip_name("d", (0, 10_000), [(5_000, 6_000)])
    assert plain != clip_name("e", (0, 10_000), ())


def test_a_place_is_found_in_the_clip_that_holds_it() -> None:
    sound = Sound(None, "", (Clip("a.mp3", 5_000, 9_000), Clip("b.mp3", 20_000, 26_000)))
    assert sound.at(5_000) == ("a.mp3", 0)
    assert sound.at(21_500) == ("b.mp3", 1_500)
    assert sound.at(10_000) is None
    assert Sound("x.wav").at(7) == ("x.wav", 7)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("masked")
    store = fixture_store.personal(base, audio=True)
    everything = ("html", "xlsx", "csv", "json", "parquet")
    write_report(store, base / "out", ReportOptions(redact=True, audio="clips", formats=everything))
    return base / "out"


def test_no_file_of_a_masked_report_has_the_personal_data(masked: Path) -> None:
    seen = 0
    for path in sorted(p for p in masked.rglob("*") if p.is_file() and p.suffix != ".mp3"):
        data = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(io.BytesIO(data)) as book:
                data = b"".join(book.read(n) for n in book.namelist())
        if path.suffix == ".parquet":
            data = str(pl.read_parquet(path).to_dicts()).encode()
        for secret in (*fixture_store.PRIVATE, "零零一三八零零零"):
            assert secret.encode() not in data, (path, secret)
        seen += "█".encode() in data
    assert seen >= 8


def test_the_masked_report_plays_clips_only(masked: Path) -> None:
    clips = sorted(p.name for p in (masked / "audio").iterdir())
    assert clips and all(c.startswith("clip-") and c.endswith(".mp3") for c in clips)
    page = next((masked / "zh" / "calls").glob("*.html")).read_text(encoding="utf-8")
    assert 'data-src="../../audio/clip-' in page
    assert "rec-" not in page
    call = json.loads((masked / "data" / "report.json").read_text(encoding="utf-8"))["calls"][0]
    assert call["findings"][0]["evidence"][0]["quote"] == "尽快回复" + "█" * 11


def test_masking_with_whole_recordings_is_refused(tmp_path: Path) -> None:
    store = fixture_store.personal(tmp_path)
    for mode in ("copy", "link"):
        with pytest.raises(UsageError, match="whole recordings") as caught:
            write_report(store, tmp_path / "out", ReportOptions(redact=True, audio=mode))
        assert "clips" in caught.value.hint


def test_the_same_report_with_clips_has_the_same_bytes(tmp_path: Path) -> None:
    store = fixture_store.personal(tmp_path, audio=True)
    options = ReportOptions(audio="clips", formats=("html",), langs=("zh",))
    for name in ("one", "two", "two"):
        write_report(store, tmp_path / name, options)
    both = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in ("one", "two")
    ]
    assert both[0] == both[1]
    assert any(p.name.startswith("clip-") for p in both[0])
