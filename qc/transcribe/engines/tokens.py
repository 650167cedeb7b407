"""Tokens and text: what every window starts with, what is never said, and which character came from which token."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qc.errors import ModelError, UsageError
from qc.transcribe.engines.decoder import Vocabulary
from qc.transcribe.guard import PROMPTS


@dataclass(frozen=True)
class Spelled:
    """A text and, for each of its characters, the index of the token that it began in."""

    text: str
    tokens: tuple[int, ...]


class Tokens:
    """openai-whisper's tokenizer for a model of some sizes, in one language. `prompt`: words to expect, before the language's own prompt.

    Raises ModelError for a language that the model does not know, UsageError for a prompt that is too long.
    """

    def __init__(self, n_vocab: int, n_text_ctx: int, language: str, prompt: str = "") -> None:
        from whisper.tokenizer import LANGUAGES, get_tokenizer

        multilingual = n_vocab >= 51_865
        if language not in LANGUAGES:
            raise ModelError(f"Whisper knows no language {language!r}", hint="a code such as zh, en, yue, ja", code="language")
        if not multilingual and language != "en":
            raise ModelError(
                "this checkpoint knows English alone", hint="--language en, or a multilingual model", code="language"
            )
        languages = n_vocab - 51_765 - int(multilingual)
        if language in tuple(LANGUAGES)[languages:]:
            raise ModelError(
                f"this checkpoint does not know the language {language!r}", hint="large-v3 and turbo do", code="language"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # whisper leaves its vocabulary file to the garbage collector
            self.tokenizer: Any = get_tokenizer(multilingual, num_languages=languages, language=language, task="transcribe")
        self.prompt = " ".join(p for p in (" ".join(prompt.split()), PROMPTS.get(language, "")) if p)
        self.vocabulary = self._vocabulary(n_text_ctx, prompt)
        self._bytes: dict[int, bytes] = {}

    def _vocabulary(self, n_text_ctx: int, words: str) -> Vocabulary:
        t = self.tokenizer
        said_before = [t.sot_prev, *t.encode(" " + self.prompt)] if self.prompt else []
        most = n_text_ctx // 2
        if len(said_before) > most:
            raise UsageError(
                f"the words to expect are {len(said_before) - 1} tokens long; the model takes {most - 1}",
                where="--prompt-file",
                hint="keep the names that matter most",
                code="prompt",
            )
        sequence = (*said_before, *t.sot_sequence_including_notimestamps)
        never = {t.transcribe, t.translate, t.sot, t.sot_prev, t.sot_lm, t.no_speech, *t.non_speech_tokens}
        return Vocabulary(
            initial=sequence,
            sot=len(said_before),
            end=t.eot,
            no_speech=t.no_speech,
            suppressed=tuple(sorted(never)),
            blank=(*t.encode(" "), t.eot),
        )

    def spell(self, tokens: Sequence[int]) -> Spelled:
        """Text of tokens as openai-whisper decodes it, without timestamps, halves of characters and space at the ends."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        chars: list[str] = []
        origins: list[int] = []
        begun: int | None = None
        for number, token in enumerate(tokens):
            for byte in self._bytes_of(token):
                begun = number if begun is None else begun
                for char in decoder.decode(bytes((byte,))):
                    chars.append(char)
                    origins.append(begun)
                    begun = number
                if not decoder.getstate()[0]:
                    begun = None
        kept = [n for n, char in enumerate(chars) if char != "\ufffd"]
        while kept and chars[kept[0]].isspace():
            kept.pop(0)
        while kept and chars[kept[-1]].isspace():
            kept.pop()
        return Spelled("".join(chars[n] for n in kept), tuple(origins[n] for n in kept))

    def _bytes_of(self, token: int) -> bytes:
        if token >= self.tokenizer.timestamp_begin:
            return b""
        if token not in self._bytes:
            self._bytes[token] = self.tokenizer.encoding.decode_single_token_bytes(token)
        return self._bytes[token]
