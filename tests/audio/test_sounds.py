"""Levels, tones, music, crosstalk, and the clips that reports play."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qc.audio import CLIP_CODECS, decode, make_playable, write_clip
from qc.audio.crosstalk import leaked, same_channels
from qc.audio.levels import dbfs, frame_dbfs
from qc.audio.tones import find_tones
from qc.errors import AudioError, QcError
from tests.audio.sounds import strongest_hz, tone, two_sides, write_wav

RATE = 16_000
SAMPLES = Path(__file__).parents[2] / "audio_samples"


def test_levels_are_those_of_the_definition() -> None:
    assert dbfs(np.ones(1000, np.float32)) == pytest.approx(0.0)
    assert dbfs(tone(1000, 1, RATE, level=1.0)) == pytest.approx(-3.01, abs=0.01)
    assert dbfs(np.zeros(0, np.float32)) == -120.0
    assert frame_dbfs(np.zeros(1100, np.float32)).tolist() == [-120.0, -120.0]


def cadence(on: float, off: float, times: int, *hertz: float) -> np.ndarray:
    one = np.concatenate([sum(tone(h, on, RATE, 0.2) for h in hertz), np.zeros(round(off * RATE), np.float32)])
    return np.tile(one, times).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "count"),
    [
        (cadence(1, 4, 3, 450), 3),
        (cadence(0.35, 0.35, 8, 450), 8),
        (cadence(2, 4, 2, 440, 480), 2),
        (cadence(0.5, 0.5, 5, 480, 620), 5),
    ],
)
def test_call_progress_tones_are_found_where_they_are(sound: np.ndarray, count: int) -> None:
    found = find_tones(sound)
    assert [t.kind for t in found] == ["ringback"] * count
    assert found[0].start_ms <= 64


def melody(seconds: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    notes = [262, 330, 392, 523, 440, 349, 294, 494]
    parts = []
    for _ in range(seconds * 2):
        time = np.arange(RATE // 2) / RATE
        chord = rng.choice(notes, 3, replace=False)
        parts.append(sum(np.sin(2 * np.pi * f * k * time) / k for f in chord for k in (1, 2, 3)) * np.exp(-1.5 * time))
    whole = np.concatenate(parts)
    return (0.3 * whole / np.abs(whole).max()).astype(np.float32)


def test_hold_music_is_found() -> None:
    found = find_tones(np.concatenate([np.zeros(RATE * 2, np.float32), melody(20, 0)]))
    assert {t.kind for t in found} == {"hold_music"}
    assert sum(t.end_ms - t.start_ms for t in found) > 15_000


@pytest.mark.parametrize("name", ["c001.wav", "c002.mp3", "c006.flac", "c015.wav"])
def test_speech_is_neither_tone_nor_music(name: str) -> None:
    for row in decode(SAMPLES / name).samples:
        assert find_tones(row) == []


def test_dialled_digits_are_found_and_speech_between_them_is_not() -> None:
    speech = decode(SAMPLES / "c001.wav").samples[0, RATE * 5 : RATE * 8]
    quiet = np.zeros(RATE // 10, np.float32)
    digits = [
        tone(low, 0.1, RATE, 0.2) + tone(high, 0.1, RATE, 0.2) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477)
    ]
    dialled = np.concatenate([part for digit in digits for part in (digit, quiet)])
    found = find_tones(np.concatenate([dialled, speech, dialled]))
    assert [t.kind for t in found] == ["dtmf", "dtmf"]
    length = 1000 * len(dialled) // RATE
    assert found[0].start_ms <= 64
    assert abs(found[0].end_ms - length) < 250
    assert abs(found[1].start_ms - (length + 3000)) < 100


def test_steady_hum_is_no_music() -> None:
    hum = tone(100, 30, RATE, 0.2) + 0.05 * np.random.default_rng(0).standard_normal(30 * RATE).astype(np.float32)
    assert find_tones(hum) == []


def test_a_leak_is_told_from_overlapping_speech() -> None:
    call = decode(SAMPLES / "c001.wav").samples
    loud = call[:, : RATE * 30].copy()
    leak = loud.copy()
    leak[1] += 0.05 * loud[0]
    leak[0] += 0.05 * loud[1]
    marked = leaked(leak)
    speaking = frame_dbfs(loud[0]) > -35
    assert marked[1][speaking].mean() > 0.9
    assert not marked[0][speaking & (frame_dbfs(loud[1]) < -50)].any()
    apart = np.stack([loud[0], np.roll(loud[0], 5000)])
    assert leaked(apart).mean() < 0.02


def test_the_same_mix_twice_is_one_channel() -> None:
    call = decode(SAMPLES / "c001.wav").samples
    mix = call.sum(axis=0)
    assert same_channels(np.stack([mix, 0.7 * mix]))
    assert not same_channels(call)
    assert not same_channels(np.zeros((2, RATE), np.float32))
    assert not same_channels(mix[None])


@pytest.mark.parametrize("suffix", CLIP_CODECS)
def test_clips_play_keep_both_sides_and_are_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", two_sides(3))
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    make_playable(source, one)
    make_playable(source, two)
    assert one.read_bytes() == two.read_bytes()
    audio = decode(one)
    assert audio.channels == 2
    assert abs(audio.duration_ms - 3000) < 100
    assert abs(strongest_hz(audio.samples[0, 8000:40_000], RATE) - 400) < 5
    assert abs(strongest_hz(audio.samples[1, 8000:40_000], RATE) - 900) < 5
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([one.name, two.name, "a.wav"])


def test_a_clip_of_a_part_is_that_part(tmp_path: Path) -> None:
    both = np.concatenate([two_sides(2), two_sides(2)[::-1]], axis=1)
    make_playable(write_wav(tmp_path / "a.wav", both), tmp_path / "b.mp3", start_ms=2000, end_ms=3000)
    part = decode(tmp_path / "b.mp3")
    assert abs(part.duration_ms - 1000) < 100
    assert abs(strongest_hz(part.samples[0, 4000:12_000], RATE) - 900) < 10


def test_samples_become_a_clip_and_nonsense_is_refused(tmp_path: Path) -> None:
    write_clip(tone(500, 1, RATE), RATE, tmp_path / "a.mp3")
    assert decode(tmp_path / "a.mp3").channels == 1
    with pytest.raises(QcError):
        write_clip(tone(500, 1), 8000, tmp_path / "b.mp3")
    with pytest.raises(QcError):
        write_clip(tone(500, 1, RATE), RATE, tmp_path / "b.xyz")
    with pytest.raises(AudioError):
        write_clip(np.zeros((1, 0), np.float32), RATE, tmp_path / "c.mp3")
    (tmp_path / "broken.wav").write_bytes(b"nothing")
    with pytest.raises(AudioError):
        make_playable(tmp_path / "broken.wav", tmp_path / "d.mp3")
    assert not (tmp_path / "d.mp3").exists()


@pytest.mark.parametrize("frames", [0, 1, 3, 8, 9, 40])
def test_a_recording_of_a_moment_is_looked_at_too(frames: int) -> None:
    rng = np.random.default_rng(frames)
    loud = rng.standard_normal(frames * 512 + 77).astype(np.float32) * 0.1
    both = np.stack([loud, 0.05 * loud])
    assert leaked(both).tolist() == [[False] * frames, [True] * frames]
    assert same_channels(np.stack([loud, loud]))
    assert not same_channels(np.stack([loud, rng.standard_normal(loud.size).astype(np.float32)]))
