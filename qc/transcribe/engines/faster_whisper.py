"""faster-whisper (CTranslate2), an extra: `pip install 'qc[faster-whisper]'`. Takes its own folders, and any Whisper checkpoint.

A checkpoint that is not CTranslate2's is converted into a temporary folder first, without transformers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from qc.errors import CallError, MissingExtraError, ModelError
from qc.transcribe.engines import CallKey, EngineRequest, Heard, Window
from qc.transcribe.engines.checkpoints import locate, read_weights
from qc.transcribe.engines.download import digest
from qc.transcribe.engines.tokens import Tokens

_LONGEST_MS = 28_000
_TOKENS_PER_S = 8
_TOKENS_MORE = 16
_BATCH = 8
_OWN = "model.bin"
_CONTEXT = 1500


def open_engine(request: EngineRequest) -> FasterWhisper:
    """Load a CTranslate2 folder, or convert any other checkpoint. Raises MissingExtraError, ModelError."""
    try:
        import faster_whisper
    except ImportError as error:
        hint = "pip install 'qc[faster-whisper]', or --engine whisper"
        raise MissingExtraError("the engine faster-whisper needs the package faster-whisper", hint=hint) from error
    with tempfile.TemporaryDirectory(prefix="qc-ct2-") as temporary:
        folder = Path(request.model)
        if (folder / _OWN).is_file():
            name, sha256 = folder.resolve().name, digest(folder / _OWN)
        else:
            from qc.transcribe.engines.to_ctranslate2 import convert

            checkpoint = locate(request.model, request.model_dir, request.progress)
            weights = read_weights(checkpoint)
            if weights.dims["n_audio_ctx"] != _CONTEXT:
                seconds = weights.dims["n_audio_ctx"] / 50
                raise ModelError(
                    f"its windows hold {seconds:g} s; faster-whisper takes 30 s alone",
                    where=str(checkpoint.path),
                    code="bad_model",
                )
            folder, name, sha256 = Path(temporary), checkpoint.name, checkpoint.sha256
            convert(weights, folder)
        device = "auto" if request.device == "auto" else request.device.partition(":")[0]
        compute = {"auto": "default" if device == "cuda" else "int8"}.get(request.dtype, request.dtype)
        try:
            model = faster_whisper.WhisperModel(str(folder), device=device, compute_type=compute, local_files_only=True)
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"faster-whisper cannot load it: {reason}", where=request.model, code="bad_model") from error
    return FasterWhisper(name, sha256, model, request)


class FasterWhisper:
    """CTranslate2's Whisper behind the engine's door: greedy, several windows at once."""

    name = "faster-whisper"
    longest_ms = _LONGEST_MS
    at_once = 1
    knows_calls = False
    rough_times = False
    greedy = True  # CTranslate2 draws other words each time, so a window's temperature is passed over

    def __init__(self, name: str, sha256: str, model: Any, request: EngineRequest) -> None:
        self.model, self.model_sha256 = name, sha256
        self._model, self._batch = model, request.batch or _BATCH
        size = model.hf_tokenizer.get_vocab_size(with_added_tokens=True)
        self._tokens = Tokens(size, model.max_length, request.language, request.prompt)

    def spans(self, call: CallKey) -> None:
        """None: speech detection says where speech is."""

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        """The text of each window. Raises CallError when the device's memory does not suffice."""
        heard: list[Heard] = []
        try:
            for first in range(0, len(windows), self._batch):
                heard += self._some(windows[first : first + self._batch])
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            raise CallError(
                "the device's memory does not suffice", where=call.call_id, hint="give a smaller --batch", code="out_of_memory"
            ) from error
        return heard

    def _some(self, windows: Sequence[Window]) -> list[Heard]:
        import numpy as np
        from faster_whisper.audio import pad_or_trim

        words = self._tokens.vocabulary
        caps = [-(-_TOKENS_PER_S * w.speech_ms // 1000) + _TOKENS_MORE for w in windows]
        extract = self._model.feature_extractor
        features = np.stack([pad_or_trim(extract(np.ascontiguousarray(w.samples), chunk_length=30)) for w in windows])
        answers = self._model.model.generate(
            self._model.encode(features),
            [list(words.initial)] * len(windows),
            beam_size=1,
            max_length=min(self._model.max_length, len(words.initial) + max(caps)),
            suppress_blank=True,
            suppress_tokens=list(words.suppressed),
            return_scores=True,
            return_no_speech_prob=True,
        )
        heard = []
        for answer, cap in zip(answers, caps, strict=True):
            said = answer.sequences_ids[0]
            total = answer.scores[0] * max(1, len(said))
            text = self._tokens.spell(said[:cap]).text
            heard.append(Heard(text, total / (len(said) + 1), answer.no_speech_prob, capped=len(said) >= cap))
        return heard


def installed() -> bool:
    """Whether the extra is there."""
    with suppress(ImportError):
        import faster_whisper

        return faster_whisper is not None
    return False
