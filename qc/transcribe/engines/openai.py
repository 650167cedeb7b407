"""openai-whisper's own `transcribe`, one window after the other: the oracle that the fast engine is held to. Slow."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from qc.errors import CallError, ModelError
from qc.transcribe.engines import CallKey, EngineRequest, Heard, Window
from qc.transcribe.engines.checkpoints import load_model, locate
from qc.transcribe.engines.tokens import Tokens
from qc.transcribe.engines.whisper import device_of

if TYPE_CHECKING:
    import numpy as np

_CONTEXT = 1500
_LONGEST_MS = 28_000


def open_engine(request: EngineRequest) -> OpenAIWhisper:
    """Find, check and load a checkpoint. Raises ModelError, also for one whose windows are not of 30 s: `transcribe` knows no other."""
    checkpoint = locate(request.model, request.model_dir, request.progress)
    model = load_model(checkpoint, device_of(request.device))
    if model.dims.n_audio_ctx != _CONTEXT:
        raise ModelError(
            f"its windows hold {model.dims.n_audio_ctx / 50:g} s; openai-whisper's transcribe takes 30 s alone",
            where=str(checkpoint.path),
            hint="--engine whisper",
            code="bad_model",
        )
    words = Tokens(model.dims.n_vocab, model.dims.n_text_ctx, request.language, request.prompt)
    return OpenAIWhisper(checkpoint.name, checkpoint.sha256, model, words.prompt, request.language)


class OpenAIWhisper:
    """openai-whisper behind the engine's door: greedy, language forced, the same prompt before every window."""

    name = "openai"
    longest_ms = _LONGEST_MS
    at_once = 1
    knows_calls = False
    rough_times = False

    def __init__(self, model: str, model_sha256: str, module: Any, prompt: str, language: str) -> None:
        self.model, self.model_sha256 = model, model_sha256
        self._module, self._prompt, self._language = module, prompt, language

    def spans(self, call: CallKey) -> None:
        """None: speech detection says where speech is."""

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        """The text of each window. Raises CallError when the device's memory does not suffice."""
        import torch

        try:
            return [self._one(w) for w in windows]
        except torch.OutOfMemoryError as error:
            raise CallError("the device's memory does not suffice", where=call.call_id, code="out_of_memory") from error

    def _one(self, window: Window) -> Heard:
        import numpy as np

        samples = np.ascontiguousarray(window.samples)
        with _same_draws(samples) if window.temperature else nullcontext():
            result = self._module.transcribe(
                samples,
                language=self._language,
                task="transcribe",
                temperature=window.temperature,
                condition_on_previous_text=False,
                initial_prompt=self._prompt or None,
                without_timestamps=True,
                fp16=self._module.device.type == "cuda",
            )
        parts = result["segments"]
        text = result["text"].replace("\ufffd", "").strip()
        tokens = sum(len(p["tokens"]) + 1 for p in parts)
        if not parts or not tokens:
            return Heard(text)
        sure = sum(p["avg_logprob"] * (len(p["tokens"]) + 1) for p in parts) / tokens
        return Heard(text, sure, max(p["no_speech_prob"] for p in parts))


@contextmanager
def _same_draws(samples: np.ndarray) -> Iterator[None]:
    """Random numbers that depend on the samples alone; those of the process go on as if nothing had been drawn."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(zlib.crc32(samples.tobytes()))
        yield
