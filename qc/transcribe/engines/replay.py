"""The engine that reads prepared transcripts instead of hearing: for tests, for demonstrations, for going through a run again.

A JSONL file, one call a line: `{"call_id" or "file" or "sha256": …, "turns": [{"channel": 0, "start_ms": 0,
"end_ms": 900, "text": "…", "avg_logprob": -0.2, "no_speech_prob": 0.01}, …]}`. The recording is decoded and measured as for any
engine; where its speech is, and what was said, comes from the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qc.errors import CallError, ModelError
from qc.transcribe.engines import CallKey, EngineRequest, Heard, Window
from qc.transcribe.windows import Span

_MAX_LINE = 16 << 20
_MAX_MS = 7 * 24 * 3600 * 1000


def open_engine(request: EngineRequest) -> Replay:
    """Read the prepared transcripts. Raises ModelError with file:line for anything that cannot be read."""
    path = Path(request.model)
    turns: dict[str, list[tuple[Span, Heard]]] = {}
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE + 1), b""), 1):
                digest.update(line)
                where = f"{path}:{number}"
                if len(line) > _MAX_LINE:
                    raise ModelError("the line is too long for a call's transcript", where=where, code="replay")
                if line.strip():
                    _take(line, where, turns)
    except OSError as error:
        raise ModelError(f"cannot read the prepared transcripts: {error.strerror}", where=str(path), code="replay") from error
    return Replay(path.name, digest.hexdigest(), turns)


def _take(line: bytes, where: str, into: dict[str, list[tuple[Span, Heard]]]) -> None:
    try:
        value = json.loads(line)
        keys = [f"{kind}:{value[kind]}" for kind in ("call_id", "file", "sha256") if value.get(kind)]
        found = sorted((_turn(t) for t in value["turns"]), key=lambda pair: (pair[0].start_ms, pair[0].channel, pair[0].end_ms))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"this is no prepared transcript: {error}", where=where, code="replay") from error
    if not keys:
        raise ModelError("a prepared transcript needs call_id, file or sha256", where=where, code="replay")
    for key in keys:
        if key in into:
            raise ModelError(f"a second transcript for {key}", where=where, code="replay")
        into[key] = found


def _turn(value: dict[str, Any]) -> tuple[Span, Heard]:
    channel, start, end = int(value.get("channel", 0)), int(value["start_ms"]), int(value["end_ms"])
    if not (0 <= channel < 64 and 0 <= start < end <= _MAX_MS):
        raise ValueError(f"a turn from {start} to {end} ms on channel {channel}")
    if not isinstance(value["text"], str):
        raise ValueError("a text that is none")
    figures = [None if value.get(k) is None else float(value[k]) for k in ("avg_logprob", "no_speech_prob")]
    return Span(channel, start, end, start, end), Heard(value["text"], figures[0], figures[1])


class Replay:
    """Prepared transcripts behind the engine's door."""

    name = "replay"
    longest_ms = _MAX_MS
    at_once = 1
    knows_calls = True
    rough_times = False

    def __init__(self, model: str, model_sha256: str, turns: dict[str, list[tuple[Span, Heard]]]) -> None:
        self.model, self.model_sha256, self._turns = model, model_sha256, turns

    def spans(self, call: CallKey) -> list[Span]:
        """The prepared turns' places. Raises CallError (`no_transcript`) for a call that the file does not have."""
        return [span for span, _ in self._of(call)]

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        """The prepared text of each window."""
        known = {(s.channel, s.start_ms, s.end_ms): heard for s, heard in self._of(call)}
        return [known.get((w.channel, w.start_ms, w.end_ms), Heard("")) for w in windows]

    def _of(self, call: CallKey) -> list[tuple[Span, Heard]]:
        for key in (f"call_id:{call.call_id}", f"file:{call.file}", f"sha256:{call.sha256}"):
            if key in self._turns:
                return self._turns[key]
        raise CallError(
            "the prepared transcripts have none for this call", where=call.call_id, hint="add a line for it", code="no_transcript"
        )
