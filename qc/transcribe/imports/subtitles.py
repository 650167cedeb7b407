"""SubRip and WebVTT: cues with times; the speaker from WebVTT's voice tag or a name before a colon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from qc.errors import CallError, Problem
from qc.transcribe.imports import MAX_TURNS, Piece, SaidThere, read_bounded
from qc.transcribe.imports.fields import offset_ms, text_of

_TIMES = re.compile(r"\s{0,8}([\d:.,]{5,16})\s{1,8}-->\s{1,8}([\d:.,]{5,16})(?:\s.{0,200})?")
_VOICE = re.compile(r"<v(?:\.[^\s>]{1,40})?\s{1,4}([^>]{1,100})>")
_TAG = re.compile(r"<[^<>]{0,200}>")
_NAME = re.compile(r"\[?([^\s:：\[\]]{1,40})\]?\s{0,2}[:：]\s{0,4}(?=\S)")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": "", "&amp;": "&"}


def read_subtitles(path: Path) -> Iterator[Piece]:
    """One piece: the file is one call, or one channel of one."""
    piece = Piece(None, [], str(path))
    try:
        text = _text(path)
    except CallError as error:
        piece.error = error
        yield piece
        return
    for line, times, words in _cues(text):
        if len(piece.turns) >= MAX_TURNS:
            piece.error = CallError(f"the transcript has more than {MAX_TURNS:,} turns", where=str(path), code="too_large")
            break
        try:
            start, end = (offset_ms(t, in_ms=False) for t in times)
            speaker, said = _speaker(text_of(words))
            piece.turns.append(SaidThere(said, speaker, None, start, end))
        except ValueError as error:
            piece.problems.append(Problem(str(path), line, 1, f"{error}; the cue is left out"))
            piece.turns.append(SaidThere(None))
    if not piece.turns and piece.error is None and text.strip().removeprefix("WEBVTT").strip():
        piece.error = CallError("there is no cue with times (00:00:01,000 --> 00:00:02,000)", where=str(path), code="bad_format")
    yield piece


def _text(path: Path) -> str:
    data = read_bounded(path)
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CallError("the file is no text in UTF-8, UTF-16 or GB18030", where=str(path), code="bad_format")


def _cues(text: str) -> Iterator[tuple[int, tuple[str, str], str]]:
    """(line, (start, end), text) of each cue; a cue ends at an empty line or at the next line of times."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    at = 0
    while at < len(lines):
        times = _TIMES.fullmatch(lines[at]) if "-->" in lines[at] else None
        if times is None:
            at += 1
            continue
        first, words = at, []
        at += 1
        while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:
            words.append(lines[at])
            at += 1
        if at < len(lines) and "-->" in lines[at] and words and words[-1].strip().isdigit():
            words.pop()  # the next cue's number, where the empty line between is missing
        yield first + 1, (times[1], times[2]), "\n".join(words)


def _speaker(text: str) -> tuple[str, str]:
    """(speaker or nothing, text without tags)."""
    voice = _VOICE.search(text)
    plain = _TAG.sub("", text)
    for entity, char in _ENTITIES.items():
        plain = plain.replace(entity, char)
    plain = " ".join(plain.split())
    if voice is not None:
        return voice[1].strip(), plain
    name = _NAME.match(plain)
    if name is not None and not name[1].isdigit() and name[1].lower() not in ("http", "https"):
        return name[1], plain[name.end() :]
    return "", plain
