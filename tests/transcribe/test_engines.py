"""The contract of every engine, and what the replay engine refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qc.audio import decode
from qc.errors import CallError, ModelError, UsageError
from qc.transcribe.engines import ENGINES, CallKey, Engine, EngineRequest, Window, open_engine
from qc.transcribe.engines.faster_whisper import installed
from tests.transcribe.models import DIMS, dialogue, tiny_checkpoint

SAMPLES = Path(__file__).parents[2] / "audio_samples"
CALL = CallKey("c1", "c1.wav", "00")


def request_for(name: str, folder: Path) -> EngineRequest:
    if name == "replay":
        path = folder / "prepared.jsonl"
        path.write_text(json.dumps({"call_id": "c1", "turns": dialogue(1)}) + "\n", encoding="utf-8")
        return EngineRequest(str(path))
    thirty_seconds = None if name == "whisper" else DIMS | {"n_audio_ctx": 1500}
    return EngineRequest(str(tiny_checkpoint(folder, thirty_seconds)), device="cpu", batch=3)


def windows() -> list[Window]:
    samples = decode(SAMPLES / "c001.wav").samples
    places = [(0, 600, 7600), (1, 8500, 11_800), (0, 12_000, 14_000), (1, 15_000, 15_500), (0, 20_000, 24_000)]
    return [Window(samples[c, a * 16 : b * 16], c, a, b) for c, a, b in places]


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_keeps_the_contract(name: str, tmp_path: Path) -> None:
    if name == "faster-whisper" and not installed():
        pytest.skip("the extra faster-whisper is not installed")
    engine = open_engine(name, request_for(name, tmp_path))
    assert isinstance(engine, Engine)
    assert engine.name == name
    assert len(engine.model_sha256) == 64
    assert engine.longest_ms >= 1000
    assert engine.at_once >= 1
    assert engine.knows_calls == (engine.spans(CALL) is not None)
    spans = engine.spans(CALL)
    assert spans is None or all(s.start_ms < s.end_ms for s in spans)
    heard = engine.hear(CALL, windows())
    assert len(heard) == 5
    assert heard == engine.hear(CALL, windows())
    assert engine.hear(CALL, []) == []
    hot = [replace(windows()[0], alone=True, temperature=0.6)]
    assert engine.hear(CALL, hot) == engine.hear(CALL, hot)
    assert all(isinstance(h.text, str) for h in heard)
    for window, one in zip(windows(), heard, strict=True):
        assert one.char_ms is None or len(one.char_ms) == len(one.text)
        assert all(window.start_ms <= ms <= window.end_ms for ms in one.char_ms or ())


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError):
        open_engine("parrot", EngineRequest("x"))


def test_a_language_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        open_engine("whisper", EngineRequest(str(tiny_checkpoint(tmp_path)), language="klingon", device="cpu"))


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"call_id":"a"}', '{"call_id":"a","turns":[{"start_ms":5,"end_ms":1,"text":"x"}]}',
                                  '{"turns":[]}', '{"call_id":"a","turns":[{"start_ms":0,"end_ms":1,"text":5}]}', "[" * 100_000])  # fmt: skip
def test_prepared_transcripts_that_cannot_be_read_are_named_by_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        open_engine("auto", EngineRequest(str(path)))
    assert "p.jsonl:2" in str(caught.value)


def test_a_call_without_a_prepared_transcript_is_a_call_error(tmp_path: Path) -> None:
    engine = open_engine("replay", request_for("replay", tmp_path))
    with pytest.raises(CallError) as caught:
        engine.spans(CallKey("other", "other.wav", "11"))
    assert caught.value.code == "no_transcript"


def test_samples_of_a_window_are_one_channel() -> None:
    assert all(w.samples.dtype == np.float32 and w.samples.ndim == 1 for w in windows())
