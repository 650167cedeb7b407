"""Speech detection gives silero's own figures, and its stretches keep their promises."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.audio import decode
from qc.audio.levels import frame_dbfs
from qc.transcribe.speech import FRAME, speech_probabilities
from qc.transcribe.windows import SpeechOptions, find_spans

NO_LEVELS = np.zeros(0, np.float32)
SAMPLES = Path(__file__).parents[2] / "audio_samples"


def stock_probabilities(samples: np.ndarray) -> np.ndarray:
    """silero's own model, frame by frame, as its package runs it: float32 [n_frames] of float32 [n_samples]."""
    import torch

    spec = find_spec("silero_vad")
    assert spec is not None
    assert spec.origin is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.load(str(Path(spec.origin).parent / "data" / "silero_vad.jit"))
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    with torch.inference_mode():
        return np.array(
            [model(torch.from_numpy(padded[k : k + FRAME])[None], 16_000).item() for k in range(0, len(padded), FRAME)]
        )


def test_probabilities_are_those_of_the_stock_model() -> None:
    samples = decode(SAMPLES / "c001.wav").samples[:, : 16_000 * 8 + 77]
    mine = speech_probabilities(samples)
    assert mine.shape == (2, -(-samples.shape[1] // FRAME))
    for channel in (0, 1):
        assert np.abs(mine[channel] - stock_probabilities(samples[channel])).max() < 1e-3
    assert mine.max() > 0.9


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = decode(SAMPLES / "c001.wav").samples[:, : 16_000 * 8]
    whole = speech_probabilities(samples)
    monkeypatch.setattr("qc.transcribe.speech._BLOCK", 37)
    assert np.abs(speech_probabilities(samples) - whole).max() < 1e-4


def test_spoken_turns_are_found_where_they_were_spoken() -> None:
    import json

    lines = (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    truth = next(v for v in map(json.loads, lines) if v["call_id"] == "c001")
    audio = decode(SAMPLES / "c001.wav")
    probabilities = speech_probabilities(audio.samples)
    for channel in (0, 1):
        spans = find_spans(
            probabilities[channel], frame_dbfs(audio.samples[channel]), channel, audio.duration_ms, SpeechOptions()
        )
        turns = [t for t in truth["turns"] if t["channel"] == channel]
        assert len(spans) == len(turns)
        for span, turn in zip(spans, turns, strict=True):
            assert abs(span.start_ms - turn["start_ms"]) <= 100
            assert abs(span.end_ms - turn["end_ms"]) <= 150


@settings(max_examples=150, deadline=None)
@given(
    probabilities=st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.31, 0.6, 0.99]), min_size=1, max_size=400),
    max_ms=st.integers(1_000, 6_000),
    silence=st.integers(100, 800),
)
def test_spans_are_in_order_apart_bounded_and_inside(probabilities: list[float], max_ms: int, silence: int) -> None:
    duration = len(probabilities) * 32 - 7
    options = SpeechOptions(min_silence_ms=silence, max_ms=max_ms)
    spans = find_spans(np.array(probabilities, np.float32), NO_LEVELS, 1, duration, options)
    for span in spans:
        assert 0 <= span.hear_from_ms <= span.start_ms < span.end_ms <= duration
        assert span.hear_to_ms <= duration
        assert span.end_ms - span.start_ms <= max_ms + 32
    for one, following in pairwise(spans):
        assert one.end_ms <= following.start_ms
        assert one.hear_to_ms <= max(following.hear_from_ms, one.end_ms)


def test_every_sure_frame_lies_in_some_span() -> None:
    values = np.random.default_rng(3).choice([0.0, 0.9], 1000, p=[0.6, 0.4]).astype(np.float32)
    spans = find_spans(values, NO_LEVELS, 0, 32_000, SpeechOptions(min_speech_ms=32))
    inside = np.zeros(1000, bool)
    for span in spans:
        inside[span.hear_from_ms // 32 : -(-span.hear_to_ms // 32)] = True
    assert inside[values > 0.5].all()


def test_a_long_stretch_is_cut_where_speech_is_least_likely() -> None:
    values = np.full(600, 0.9, np.float32)
    values[250] = 0.4
    spans = find_spans(values, NO_LEVELS, 0, 600 * 32, SpeechOptions(max_ms=12_000))
    assert len(spans) == 2
    assert abs(spans[1].start_ms - 250 * 32) <= 96


@pytest.mark.parametrize(("quiet_frames", "count"), [(9, 1), (10, 1), (11, 2), (14, 2)])
def test_a_pause_is_as_long_as_its_silence_and_not_as_what_the_detector_leaves_of_it(quiet_frames: int, count: int) -> None:
    values, levels = np.zeros(100, np.float32), np.full(100, -75.0, np.float32)
    for first, last in ((20, 40), (40 + quiet_frames, 70)):
        values[first:last], levels[first:last] = 0.95, -20.0
        values[last : last + 4] = 0.4  # the detector holds on for 128 ms
    spans = find_spans(values, levels, 0, 3_200, SpeechOptions())
    assert [(s.start_ms, s.end_ms) for s in spans] == (
        [(640, 1_280), (32 * (40 + quiet_frames), 2_240)] if count == 2 else [(640, 2_240)]
    )
