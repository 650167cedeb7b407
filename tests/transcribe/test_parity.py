"""The embedded model on held-out speech: token for token what openai-whisper says in float32, and as good in bfloat16."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qc.transcribe.engines import CallKey, EngineRequest, Window, open_engine
from qc.transcribe.engines.decoder import Job
from qc.transcribe.engines.matrices import eight_bits_fast
from qc.transcribe.engines.tokens import Tokens
from qc.transcribe.engines.whisper import WhisperEngine
from qc.transcribe.guard import PROMPTS
from training.cer import Case, distance, plain, read_set

SET = Path(__file__).parents[1] / "data" / "heldout"
CALL = CallKey("held", "held.wav", "00")
POINTS = 0.003


@cache
def cases() -> list[Case]:
    """Every held-out window; the first 24 are of all conditions, packed ones too."""
    return read_set(SET)


def windows(chosen: list[Case]) -> list[Window]:
    return [Window(c.wave, 0, 0, len(c.wave) * 1000 // 16_000) for c in chosen]


@cache
def heard(dtype: str) -> list[Job]:
    """What the engine says of each case, as jobs."""
    made = open_engine("whisper", EngineRequest("demo-zh", device="cpu", batch=8, dtype=dtype, pack="off"))
    assert isinstance(made, WhisperEngine)
    jobs = [made._job([w]) for w in windows(cases())]
    made._decode(CALL, jobs)
    return jobs


@cache
def oracle() -> Any:
    import whisper

    from qc.transcribe.embedded import expanded_model_path

    return whisper.load_model(str(expanded_model_path()), device="cpu")


def cer(jobs: list[Job]) -> float:
    """Character errors per character, punctuation left out."""
    words = Tokens(51_865, 448, "zh")
    texts = [words.spell(j.tokens).text for j in jobs]
    wrong = sum(distance(plain(c.text), plain(t)) for c, t in zip(cases(), texts, strict=True))
    return wrong / sum(len(plain(c.text)) for c in cases())


@pytest.mark.parametrize("first", range(0, 24, 8))
def test_held_out_windows_are_heard_token_for_token_as_by_openai_whisper(first: int) -> None:
    import torch
    import whisper

    model = oracle()
    jobs = heard("float32")
    chosen = list(range(first, min(first + 8, len(cases()))))
    mels = [whisper.log_mel_spectrogram(torch.from_numpy(whisper.pad_or_trim(cases()[n].wave))) for n in chosen]
    options = whisper.DecodingOptions(
        language="zh", task="transcribe", prompt=PROMPTS["zh"], without_timestamps=True, fp16=False, sample_len=224
    )
    with torch.inference_mode():
        expected = whisper.decode(model, torch.stack(mels), options)
    for n, one in zip(chosen, expected, strict=True):
        assert jobs[n].tokens == one.tokens[: jobs[n].cap]


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_in_fewer_bits_it_hears_as_well_as_in_float32(dtype: str) -> None:
    if dtype == "int8" and not eight_bits_fast():
        pytest.skip("this processor does not multiply 8-bit integers in hardware")
    assert cer(heard(dtype)) <= cer(heard("float32")) + POINTS


def test_windows_are_silent_where_nobody_speaks() -> None:
    rng = np.random.default_rng(1)
    made = open_engine("whisper", EngineRequest("demo-zh", device="cpu", batch=2, dtype="float32", pack="off"))
    empty = [np.zeros(16_000, np.float32), (1e-4 * rng.standard_normal(32_000)).astype(np.float32)]
    for one in made.hear(CALL, [Window(e, 0, 0, len(e) // 16) for e in empty]):
        assert one.no_speech_prob is not None
        assert 0 <= one.no_speech_prob <= 1
