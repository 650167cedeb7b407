"""openai-whisper's and WhisperX's JSON: `segments` with start, end and text; WhisperX adds speakers and words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qc.errors import CallError, Problem
from qc.transcribe.imports import MAX_TURNS, Piece, SaidThere, read_bounded, valid_text
from qc.transcribe.imports.fields import channel_of, name_of, offset_ms, probability, text_of


def read_whisper(path: Path) -> Iterator[Piece]:
    """One piece: the file is one call, or one channel of one."""
    piece = Piece(None, [], str(path))
    try:
        value = parse_json(read_bounded(path), str(path))
        if not isinstance(value, dict) or not isinstance(value.get("segments"), list):
            raise CallError("this is no Whisper JSON: it has no list `segments`", where=str(path), code="bad_format")
        if len(value["segments"]) > MAX_TURNS:
            raise CallError(f"the transcript has more than {MAX_TURNS:,} turns", where=str(path), code="too_large")
    except CallError as error:
        piece.error = error
        yield piece
        return
    piece.language = name_of(value.get("language")) or None
    piece.call_id = name_of(value.get("call_id")) or None
    for number, segment in enumerate(value["segments"]):
        try:
            piece.turns.append(_segment(segment))
        except ValueError as error:
            piece.problems.append(Problem(str(path), 1, 1, f"segments[{number}]: {error}; it is left out"))
            piece.turns.append(SaidThere(None))
    yield piece


def parse_json(data: bytes, where: str) -> Any:
    """JSON of a stranger. Raises CallError (`bad_format`) for anything else, however deep."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise CallError(f"this is no JSON: {reason}", where=where, code="bad_format") from error


def _segment(segment: Any) -> SaidThere:
    if not isinstance(segment, dict):
        raise ValueError("a segment is no object")
    text = text_of(segment.get("text"))
    speaker = segment.get("role") or segment.get("speaker")
    return SaidThere(
        text,
        name_of(speaker),
        channel_of(segment.get("channel")),
        offset_ms(segment.get("start"), in_ms=False),
        offset_ms(segment.get("end"), in_ms=False),
        None,
        probability(segment.get("avg_logprob"), "log-probability"),
        probability(segment.get("no_speech_prob"), "probability"),
        _char_ms(text, segment.get("words")),
    )


def _char_ms(text: str, words: Any) -> tuple[int, ...] | None:
    """Start of each character from timed words, where the words spell the text; a word's characters share its time evenly."""
    if not isinstance(words, list) or not words:
        return None
    times: list[int] = []
    at = 0
    last = 0
    for word in words:
        if not isinstance(word, dict) or not isinstance(word.get("word"), str):
            return None
        letters = valid_text(word["word"]).strip()
        try:
            start, end = offset_ms(word.get("start"), in_ms=False), offset_ms(word.get("end"), in_ms=False)
        except ValueError:
            return None
        place = text.find(letters, at)
        if place < 0 or place - at > 2 or not letters:
            return None
        start = last if start is None else start
        end = max(start, start if end is None else end)
        times += [last] * (place - at)
        times += [start + (end - start) * k // len(letters) for k in range(len(letters))]
        at, last = place + len(letters), end
    times += [last] * (len(text) - at)
    return tuple(times)
