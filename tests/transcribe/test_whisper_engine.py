"""The whisper engine says what openai-whisper says, token for token, whatever else is in its batch."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qc.audio import decode
from qc.errors import CallError, ModelError, UsageError
from qc.transcribe.engines import CallKey, EngineRequest, Window, open_engine
from qc.transcribe.engines.decoder import Job
from qc.transcribe.engines.matrices import eight_bits_fast
from qc.transcribe.engines.mel import log_mel
from qc.transcribe.engines.tokens import Tokens
from qc.transcribe.engines.whisper import WhisperEngine
from qc.transcribe.guard import PROMPTS
from tests.transcribe.models import DIMS, ENGLISH, LARGE, tiny_checkpoint

SAMPLES = Path(__file__).parents[2] / "audio_samples"
CALL = CallKey("c1", "c1.wav", "00")
PLACES = [(0, 600, 4600), (1, 8500, 10_800), (0, 12_000, 13_000), (1, 15_000, 15_500), (0, 20_000, 22_400), (1, 1_000, 1_300)]


@cache
def windows() -> list[Window]:
    samples = decode(SAMPLES / "c001.wav").samples
    return [Window(samples[c, a * 16 : b * 16], c, a, b) for c, a, b in PLACES]


@cache
def engine(path: str, batch: int, dtype: str = "float32", **more: Any) -> WhisperEngine:
    made = open_engine("whisper", EngineRequest(path, device="cpu", batch=batch, dtype=dtype, pack="off", **more))
    assert isinstance(made, WhisperEngine)
    return made


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_checkpoint(tmp_path_factory.mktemp("model")))


def cap(window: Window) -> int:
    return -(-8 * window.speech_ms // 1000) + 16


def oracle(model: Any, window: Window, language: str = "zh") -> Any:
    """What `whisper.decode` makes of a window: greedy, no timestamps, forced language."""
    import torch
    import whisper
    from whisper.audio import log_mel_spectrogram, pad_or_trim

    mel = log_mel_spectrogram(
        torch.from_numpy(pad_or_trim(window.samples, model.dims.n_audio_ctx * 320)), n_mels=model.dims.n_mels
    )
    options = whisper.DecodingOptions(
        language=language,
        task="transcribe",
        prompt=PROMPTS.get(language),
        without_timestamps=True,
        fp16=False,
        sample_len=cap(window),
    )
    with torch.inference_mode():
        return whisper.decode(model, mel, options)


def tokens_of(made: WhisperEngine, heard: list[Window]) -> list[Job]:
    """The engine's own jobs for some windows, decoded."""
    jobs = [made._job([w]) for w in heard]
    made._decode(CALL, jobs)
    return jobs


@pytest.mark.parametrize(("dims", "language"), [(DIMS, "zh"), (DIMS, "en"), (LARGE, "yue"), (ENGLISH, "en")])
def test_random_checkpoints_say_token_for_token_what_openai_whisper_says(
    dims: dict[str, int], language: str, tmp_path: Path
) -> None:
    import whisper

    path = str(tiny_checkpoint(tmp_path, dims))
    made = open_engine("whisper", EngineRequest(path, language, "cpu", batch=4, dtype="float32", pack="off"))
    assert isinstance(made, WhisperEngine)
    theirs = whisper.load_model(path, device="cpu")
    jobs = tokens_of(made, windows())
    for window, job, heard in zip(windows(), jobs, made.hear(CALL, windows()), strict=True):
        expected = oracle(theirs, window, language)
        assert job.tokens == expected.tokens
        assert heard.text == expected.text.replace("\ufffd", "").strip()
        assert heard.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-3)
        assert heard.no_speech_prob == pytest.approx(expected.no_speech_prob, rel=1e-2)


def test_features_are_those_of_openai_whisper_for_each_window_alone() -> None:
    import torch
    from whisper.audio import log_mel_spectrogram, pad_or_trim

    mels = log_mel([w.samples * 10.0 ** (-n) for n, w in enumerate(windows())], 80, 1000, torch.device("cpu"))
    assert mels.shape == (len(windows()), 80, 1000)
    for n, (window, mel) in enumerate(zip(windows(), mels, strict=True)):
        wanted = log_mel_spectrogram(torch.from_numpy(pad_or_trim(window.samples * np.float32(10.0 ** (-n)), 160_000)))
        assert torch.allclose(mel, wanted, atol=2e-4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.integers(0, len(PLACES) - 1), min_size=1, max_size=7),
    batch=st.sampled_from([1, 2, 3, 5]),
    dtype=st.sampled_from(["float32", "bfloat16", *(["int8"] if eight_bits_fast() else [])]),
)
def test_a_windows_text_never_depends_on_its_neighbours(tiny: str, chosen: list[int], batch: int, dtype: str) -> None:
    alone = [tokens_of(engine(tiny, 1, dtype), [windows()[n]])[0] for n in sorted(set(chosen))]
    known = dict(zip(sorted(set(chosen)), alone, strict=True))
    for n, job in zip(chosen, tokens_of(engine(tiny, batch, dtype), [windows()[n] for n in chosen]), strict=True):
        assert job.tokens == known[n].tokens
        assert job.avg_logprob == pytest.approx(known[n].avg_logprob, abs=1e-3 if dtype == "float32" else 0.05)
        assert job.starts == known[n].starts or dtype != "float32"


def test_a_finished_rows_place_is_taken_at_once(tiny: str) -> None:
    made = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=2, dtype="float32", pack="off"))
    assert isinstance(made, WhisperEngine)
    jobs = tokens_of(made, windows() * 2)
    said = sum(len(j.tokens) for j in jobs)
    longest = max(len(j.tokens) for j in jobs)
    assert made.decoder.counts["windows"] == 12
    assert made.decoder.counts["steps"] <= said / 2 + longest
    assert made.decoder.active == 0


def test_threads_share_the_batch_and_get_their_own_answers(tiny: str) -> None:
    made = engine(tiny, 3)
    wanted = [made.hear(CALL, [w]) for w in windows()]
    found: list[Any] = [None] * len(windows())

    def ask(n: int) -> None:
        found[n] = made.hear(CALL, [windows()[n]])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(windows()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [[h.text for h in f] for f in found] == [[h.text for h in w] for w in wanted]


def test_when_memory_runs_out_the_batch_is_halved_and_nothing_is_lost(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    made = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=4, dtype="float32", pack="off"))
    assert isinstance(made, WhisperEngine)
    real, left = made.network.step, [2]

    def sometimes(*arguments: Any) -> Any:
        if made.decoder.counts["steps"] > 5 and left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("injected")
        return real(*arguments)

    monkeypatch.setattr(made.network, "step", sometimes)
    heard = made.hear(CALL, windows())
    assert left == [0]
    assert made.decoder.rows == 1
    assert [h.text for h in heard] == [h.text for h in engine(tiny, 1).hear(CALL, windows())]


def test_when_memory_does_not_suffice_for_one_window_the_call_fails_and_the_next_is_heard(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    made = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=2, dtype="float32", pack="off"))
    assert isinstance(made, WhisperEngine)

    def never(*_: Any) -> Any:
        raise torch.OutOfMemoryError("injected")

    with monkeypatch.context() as broken:
        broken.setattr(made.network, "encode", never)
        with pytest.raises(CallError) as caught:
            made.hear(CALL, windows()[:3])
    assert caught.value.code == "out_of_memory"
    assert [h.text for h in made.hear(CALL, windows()[:2])] == [h.text for h in engine(tiny, 1).hear(CALL, windows()[:2])]


def test_an_interrupt_leaves_an_engine_that_can_go_on(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=2, dtype="float32", pack="off"))
    assert isinstance(made, WhisperEngine)

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(made.network, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            made.hear(CALL, windows())
    assert made.hear(CALL, windows()[2:4]) == engine(tiny, 2).hear(CALL, windows()[2:4])


def test_a_second_chance_draws_the_same_words_in_any_batch(tiny: str) -> None:
    hot = [Window(w.samples, w.channel, w.start_ms, w.end_ms, temperature=0.7) for w in windows()]
    drawn = tokens_of(engine(tiny, 3), hot)
    assert [j.tokens for j in tokens_of(engine(tiny, 1), hot[::-1])] == [j.tokens for j in drawn[::-1]]
    cold = tokens_of(engine(tiny, 3), windows())
    assert any(a.tokens != b.tokens for a, b in zip(drawn, cold, strict=True))
    mixed = tokens_of(engine(tiny, 3), [w for pair in zip(windows(), hot, strict=True) for w in pair])
    assert [j.tokens for j in mixed[::2]] == [j.tokens for j in cold]
    assert [j.tokens for j in mixed[1::2]] == [j.tokens for j in drawn]


def test_draws_follow_the_probabilities(tiny: str) -> None:
    import torch

    decoder = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=1, dtype="float32")).decoder  # type: ignore[attr-defined]
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    decoder.state.temperature[0] = 1.0
    counts = torch.zeros(3)
    for seed in range(3000):
        decoder.state.seed[0] = seed * 7919
        counts[int(decoder._drawn(logits, slice(0, 1)).argmax())] += 1
    assert torch.allclose(counts / 3000, logits[0].softmax(0), atol=0.04)


def test_forced_counts_are_kept_to_the_token(tiny: str) -> None:
    made = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=3, dtype="float32", pack="off"))
    assert isinstance(made, WhisperEngine)
    made.tokens_per_s = 4.5
    assert [len(j.tokens) for j in tokens_of(made, windows())] == [round(4.5 * w.speech_ms / 1000) or 1 for w in windows()]


@pytest.mark.parametrize(("pack", "embedded", "other"), [("auto", 5_000, 10_000), ("on", 29_400, 10_000), ("off", 0, 0)])
def test_windows_are_packed_as_far_as_suits_the_model(tmp_path: Path, pack: str, embedded: int, other: int) -> None:
    for model, most in (("demo-zh", embedded), (str(tiny_checkpoint(tmp_path)), other)):  # its windows are 10 s
        made = open_engine("whisper", EngineRequest(model, device="cpu", batch=1, dtype="float32", pack=pack))
        assert isinstance(made, WhisperEngine)
        assert made.pack_ms == most


def test_packed_windows_answer_each_utterance_in_its_own_time(tiny: str) -> None:
    made = open_engine("whisper", EngineRequest(tiny, device="cpu", batch=2, dtype="float32", pack="on"))
    assert isinstance(made, WhisperEngine)
    heard = made.hear(CALL, windows())
    assert len(heard) == len(windows())
    assert made.decoder.counts["windows"] == 2  # one for each side
    for window, one in zip(windows(), heard, strict=True):
        assert one.char_ms is not None
        assert len(one.char_ms) == len(one.text)
        assert list(one.char_ms) == sorted(one.char_ms)
        assert all(window.start_ms <= ms <= window.end_ms for ms in one.char_ms)


def test_words_to_expect_stand_before_every_window(tiny: str) -> None:
    words = Tokens(DIMS["n_vocab"], DIMS["n_text_ctx"], "zh", "极速退款 小蜜蜂")
    text = words.tokenizer.decode([t for t in words.vocabulary.initial if t < words.tokenizer.eot])
    assert text == " 极速退款 小蜜蜂 以下是普通话的句子。"
    assert words.vocabulary.initial[words.vocabulary.sot] == words.tokenizer.sot
    with pytest.raises(UsageError, match="tokens long"):
        Tokens(DIMS["n_vocab"], DIMS["n_text_ctx"], "zh", "退款 " * 200)


def test_text_is_spelled_as_openai_whisper_spells_it(tiny: str) -> None:
    words = Tokens(DIMS["n_vocab"], DIMS["n_text_ctx"], "zh")
    rng = np.random.default_rng(5)
    for _ in range(200):
        tokens = rng.integers(0, DIMS["n_vocab"], rng.integers(0, 30)).tolist()
        spelled = words.spell(tokens)
        assert spelled.text == words.tokenizer.decode(tokens).replace("\ufffd", "").strip()
        assert len(spelled.tokens) == len(spelled.text)
        assert list(spelled.tokens) == sorted(spelled.tokens)
    text = " 您好，我要退款 10 元。"
    spelled = words.spell(words.tokenizer.encode(text))
    assert spelled.text == text.strip()


def test_a_language_the_model_does_not_know_is_refused(tiny: str, tmp_path: Path) -> None:
    english = str(tiny_checkpoint(tmp_path, ENGLISH))
    for path, language in ((tiny, "klingon"), (tiny, "yue"), (english, "zh")):
        with pytest.raises(ModelError):
            open_engine("whisper", EngineRequest(path, language, "cpu"))


def test_a_dtype_or_device_that_is_none_is_refused(tiny: str) -> None:
    with pytest.raises(ModelError):
        open_engine("whisper", EngineRequest(tiny, device="cpu", dtype="int3"))
    with pytest.raises(ModelError):
        open_engine("whisper", EngineRequest(tiny, device="cuda:77"))
