"""Any Whisper checkpoint on openai-whisper's own modules: one utterance, one window, greedy, batched within a call.

What it decodes is what `whisper.decode` decodes for the same window (language and task forced, no timestamps, prompt by
language, the same tokens suppressed); tests hold it to that. A row stops at its own cap of tokens, so that a loop costs
little. Only windows of one call share a batch, in order, so the figures never depend on which calls ran before.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qc.errors import CallError, ModelError
from qc.transcribe.engines import RATE_HZ, CallKey, EngineRequest, Heard, Window
from qc.transcribe.engines.checkpoints import Checkpoint, load_model, locate
from qc.transcribe.guard import PROMPTS

if TYPE_CHECKING:
    import torch

_HOP = 160
_TOKENS_PER_S = 8
_TOKENS_MORE = 16
_MARGIN_MS = 2_000
_CPU_ENCODES = 2  # windows in one call, so that Ctrl-C never waits long for one


def open_engine(request: EngineRequest) -> WhisperEngine:
    """Find, check and load a checkpoint. Raises ModelError."""
    checkpoint = locate(request.model)
    device = _device(request.device)
    return WhisperEngine(checkpoint, load_model(checkpoint, device), request)


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"this machine has no device {name!r}: {reason}", hint="--device auto takes what there is", code="device"
        ) from error
    return str(device)


@dataclass(frozen=True)
class _Vocabulary:
    """The tokens that decoding needs. `initial`: what every row starts with; `sot`: index of start-of-transcript in it."""

    initial: tuple[int, ...]
    sot: int
    end: int
    no_speech: int
    suppressed: tuple[int, ...]
    blank: tuple[int, ...]


class WhisperEngine:
    """A loaded checkpoint."""

    name = "whisper"

    def __init__(self, checkpoint: Checkpoint, model: Any, request: EngineRequest) -> None:
        self.model, self.model_sha256 = checkpoint.name, checkpoint.sha256
        self._model, self._batch = model, request.batch
        self._tokenizer, self._vocabulary = _vocabulary(model, request.language)
        self._frames = 2 * model.dims.n_audio_ctx
        self._context = model.dims.n_text_ctx
        self.longest_ms = max(1_000, self._frames * _HOP * 1000 // RATE_HZ - _MARGIN_MS)

    def spans(self, call: CallKey) -> None:
        """None: speech detection says where speech is."""

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        """Greedy text of each window. Raises CallError when the device's memory does not suffice."""
        import torch

        heard: list[Heard] = []
        try:
            for first in range(0, len(windows), self._batch):
                heard += self._decode(windows[first : first + self._batch])
        except torch.OutOfMemoryError as error:
            raise CallError(
                "the device's memory does not suffice", where=call.call_id, hint="give a smaller --batch", code="out_of_memory"
            ) from error
        return heard

    def _decode(self, windows: Sequence[Window]) -> list[Heard]:
        import torch

        words = self._vocabulary
        with torch.inference_mode():
            at_once = _CPU_ENCODES if self._model.device.type == "cpu" else self._batch
            mels = self._mel(windows).split(at_once)
            audio = torch.cat([self._model.encoder(mel) for mel in mels])
            room = self._context - len(words.initial)
            caps = [min(room, -(-_TOKENS_PER_S * w.speech_ms // 1000) + _TOKENS_MORE) for w in windows]
            rows, sums, silence = _greedy(self._model, audio, words, caps)
        answers = []
        for row, total, nobody, cap in zip(rows, sums, silence, caps, strict=True):
            text = self._tokenizer.decode(row).replace("\ufffd", "").strip()
            answers.append(Heard(text, total / (len(row) + 1), nobody, capped=len(row) >= cap))
        return answers

    def _mel(self, windows: Sequence[Window]) -> torch.Tensor:
        """Log-mel of each window on its own (its loudest value sets its floor): float32 [n, n_mels, n_frames]."""
        import torch
        from whisper.audio import log_mel_spectrogram, pad_or_trim

        length = self._frames * _HOP
        mels = [
            log_mel_spectrogram(
                torch.from_numpy(pad_or_trim(w.samples, length)), self._model.dims.n_mels, device=self._model.device
            )
            for w in windows
        ]
        weight = self._model.encoder.conv1.weight
        return torch.stack(mels).to(weight.dtype)


def _vocabulary(model: Any, language: str) -> tuple[Any, _Vocabulary]:
    """Tokenizer and tokens for a language. Raises ModelError for a language that the model does not know."""
    from whisper.decoding import DecodingOptions, DecodingTask
    from whisper.tokenizer import LANGUAGES

    if language not in LANGUAGES:
        raise ModelError(f"Whisper knows no language {language!r}", hint="a code such as zh, en, yue, ja", code="language")
    if not model.is_multilingual and language != "en":
        raise ModelError("this checkpoint knows English alone", hint="--language en, or a multilingual model", code="language")
    options = DecodingOptions(
        language=language, task="transcribe", prompt=PROMPTS.get(language) or None, without_timestamps=True, fp16=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # whisper leaves its vocabulary file to the garbage collector
        task = DecodingTask(model, options)
    tokenizer = task.tokenizer
    return tokenizer, _Vocabulary(
        initial=tuple(task.initial_tokens),
        sot=task.sot_index,
        end=tokenizer.eot,
        no_speech=tokenizer.no_speech,
        suppressed=tuple(task._get_suppress_tokens()),
        blank=(*tokenizer.encode(" "), tokenizer.eot),
    )


def _greedy(
    model: Any, audio: torch.Tensor, words: _Vocabulary, caps: Sequence[int]
) -> tuple[list[list[int]], list[float], list[float]]:
    """Most likely token after token. Tokens of each row without the end, sums of log-probabilities, probabilities of silence."""
    import torch

    device, count = audio.device, audio.shape[0]
    limit = torch.tensor(caps, device=device)
    tokens = torch.tensor([words.initial], device=device).repeat(count, 1)
    suppressed = torch.tensor(words.suppressed, device=device)
    total = torch.zeros(count, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    picked: list[torch.Tensor] = []
    silence = [0.0] * count
    cache, hooks = model.install_kv_cache_hooks()
    try:
        for step in range(max(caps) + 1):
            logits = model.decoder(tokens if step == 0 else tokens[:, -1:], audio, kv_cache=cache).float()
            if step == 0:
                silence = logits[:, words.sot].softmax(dim=-1)[:, words.no_speech].tolist()
            logits = logits[:, -1]
            if step == 0:
                logits[:, list(words.blank)] = -torch.inf
            logits[:, suppressed] = -torch.inf
            # A row at its cap is ended by force; the end's log-probability is not the model's choice and is not counted.
            full = (step >= limit) & ~done
            best = logits.argmax(dim=-1)
            gain = torch.log_softmax(logits, dim=-1).gather(1, best[:, None])[:, 0]
            total += torch.where(done | full, 0.0, gain)
            best = torch.where(done | full, words.end, best)
            done = done | (best == words.end)
            picked.append(best)
            if bool(done.all()):
                break
            tokens = best[:, None]
    finally:
        for hook in hooks:
            hook.remove()
    columns = torch.stack(picked, dim=1).tolist()
    rows = [row[: row.index(words.end)] if words.end in row else row for row in columns]
    return rows, total.tolist(), silence
