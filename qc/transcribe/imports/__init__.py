"""The door for transcripts made elsewhere: one visible dict of formats, and what each gives.

To add one: a reader here, and a line in `FORMATS`. A reader takes a file and yields pieces of calls; it never raises for
a bad line, which becomes a problem with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qc.errors import CallError, Problem, UsageError

MAX_FILE = 1 << 29
MAX_LINE = 16 << 20
MAX_TEXT = 50_000
MAX_TURNS = 100_000
MAX_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class SaidThere:
    """A turn as another tool gave it. Times in ms from the start of the call, or None; `clock_ms`: a point in time instead.

    `text` None: the line was there and could not be read. `char_ms`: start of each character of `text`.
    """

    text: str | None
    speaker: str = ""
    channel: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    clock_ms: int | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    char_ms: tuple[int, ...] | None = None


@dataclass
class Piece:
    """What one file says of one call. `call_id` None: the file's name says it. `heard`: a recogniser made it, not a keyboard."""

    call_id: str | None
    turns: list[SaidThere]
    where: str
    language: str | None = None
    heard: bool = True
    error: CallError | None = None
    problems: list[Problem] = field(default_factory=list)


def _whisper(path: Path) -> Iterator[Piece]:
    from qc.transcribe.imports.whisper import read_whisper

    return read_whisper(path)


def _subtitles(path: Path) -> Iterator[Piece]:
    from qc.transcribe.imports.subtitles import read_subtitles

    return read_subtitles(path)


def _jsonl(path: Path) -> Iterator[Piece]:
    from qc.transcribe.imports.lines import read_jsonl

    return read_jsonl(path)


def _csv(path: Path) -> Iterator[Piece]:
    from qc.transcribe.imports.lines import read_csv

    return read_csv(path)


FORMATS: dict[str, Callable[[Path], Iterator[Piece]]] = {
    "whisper": _whisper,
    "whisperx": _whisper,
    "srt": _subtitles,
    "vtt": _subtitles,
    "jsonl": _jsonl,
    "csv": _csv,
}
_BY_SUFFIX = {
    ".json": "whisper",
    ".srt": "srt",
    ".vtt": "vtt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}


def format_of(path: Path, asked: str) -> str:
    """The format of a file: as asked, or by its suffix. Raises UsageError."""
    name = _BY_SUFFIX.get(path.suffix.lower(), "") if asked == "auto" else asked
    if name not in FORMATS:
        hint = f"say it with --format, one of {', '.join(FORMATS)}"
        raise UsageError(f"no transcript format is known for {path.suffix or asked!r}", where=str(path), hint=hint, code="format")
    return name


def read_bounded(path: Path) -> bytes:
    """A file's bytes. Raises CallError for one that cannot be read or is larger than any call's transcript."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise CallError("the file is larger than any call's transcript", where=str(path), code="too_large")
        return path.read_bytes()
    except OSError as error:
        raise CallError(f"the file cannot be read: {error.strerror}", where=str(path), code="unreadable") from error


def valid_text(text: str) -> str:
    """Text that can be stored: half surrogates become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
