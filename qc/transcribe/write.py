"""Transcripts as the files people expect beside a recording: SRT, WebVTT, plain text, and openai-whisper's JSON with roles.

Text recognisers make up (pseudo-speech, loops, the prompt's echo) is left out of what people read and kept, flagged, in
JSON. A file that exists is never overwritten unless the call is transcribed anew with --redo.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from qc.audio.find import local_path
from qc.audio.remote import is_address
from qc.errors import StoreError, UsageError
from qc.progress import Progress
from qc.store import atomic_write
from qc.text.redact import redact_turns
from qc.transcribe.options import TranscribeOptions

_LEFT_OUT = frozenset({"pseudo_speech", "loop", "prompt_echo"})
_NAMES = {"agent": "Agent", "customer": "Customer", "system": "System", "unknown": "Speaker"}
_MAX_NAME = 180  # bytes


def _spoken(row: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Turns that people read, and their text on one line."""
    for turn in row["turns"] or ():
        if not _LEFT_OUT & set(turn["flags"] or ()):
            yield turn, " ".join(turn["text"].split())


def _clock(ms: int | None, comma: str) -> str:
    ms = ms or 0
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{comma}{ms % 1000:03}"


def srt(row: Mapping[str, Any]) -> str:
    """SubRip."""
    blocks = []
    for number, (turn, text) in enumerate(_spoken(row), 1):
        safe = text.replace("-->", "->")
        times = f"{_clock(turn['start_ms'], ',')} --> {_clock(turn['end_ms'], ',')}"
        blocks.append(f"{number}\n{times}\n{_NAMES[turn['role']]}: {safe}\n")
    return "\n".join(blocks)


def vtt(row: Mapping[str, Any]) -> str:
    """WebVTT with voice spans."""
    blocks = ["WEBVTT\n"]
    for turn, text in _spoken(row):
        safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = f"{_clock(turn['start_ms'], '.')} --> {_clock(turn['end_ms'], '.')}"
        blocks.append(f"{times}\n<v {_NAMES[turn['role']]}>{safe}\n")
    return "\n".join(blocks)


def txt(row: Mapping[str, Any]) -> str:
    """A line a turn: time, who, text."""
    return "".join(f"[{_clock(t['start_ms'], '.')}] {_NAMES[t['role']]}: {text}\n" for t, text in _spoken(row))


def whisper_json(row: Mapping[str, Any]) -> str:
    """openai-whisper's shape, with `channel`, `role` and `flags` added to each segment."""
    segments = [
        {
            "id": turn["turn"],
            "seek": 0,
            "start": (turn["start_ms"] or 0) / 1000,
            "end": (turn["end_ms"] or 0) / 1000,
            "text": turn["text"],
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": turn["avg_logprob"],
            "compression_ratio": None,
            "no_speech_prob": turn["no_speech_prob"],
            "channel": turn["channel"],
            "role": turn["role"],
            "flags": list(turn["flags"] or ()),
        }
        for turn in row["turns"] or ()
    ]
    whole = "".join(text for _, text in _spoken(row))
    value = {"text": whole, "segments": segments, "language": row["language"], "call_id": row["call_id"]}
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


FORMATS: dict[str, Callable[[Mapping[str, Any]], str]] = {"srt": srt, "vtt": vtt, "txt": txt, "json": whisper_json}


class Written:
    """Where each call's files go: beside its recording or, in `write_dir`, under the same folders. `calls`: gone through once, and
    only where files are to be written; of each its `call_id`, `path` and `file`.
    """

    def __init__(self, options: TranscribeOptions, calls: Iterable[Mapping[str, Any]]) -> None:
        unknown = sorted(set(options.write) - set(FORMATS))
        if unknown:
            from qc.packs.reader import suggestion

            raise UsageError(f"no such format: {', '.join(unknown)}", where="--write", hint=suggestion(unknown[0], FORMATS))
        self.formats, self.redo, self.redact = options.write, options.redo, options.redact
        self.places: dict[str, str] = {}
        self.shared: set[str] = set()
        if not options.write:
            return
        stems: set[str] = set()
        for call in calls:
            if options.write_dir is None and is_address(call["path"] or ""):
                hint = "say where with --write-dir"
                raise UsageError("nothing can be written beside recordings on another machine", where="--write", hint=hint)
            if call["path"]:
                place = _place(call, options.write_dir)
                stem = str(place.with_suffix(""))
                (self.shared if stem in stems else stems).add(stem)
                self.places[call["call_id"]] = str(place)

    def _stem(self, call_id: str) -> Path | None:
        """A call's files without their suffixes; with the recording's own suffix where two recordings differ in that alone."""
        if call_id not in self.places:
            return None
        place = Path(self.places[call_id])
        stem = place.with_suffix("")
        return place if str(stem) in self.shared else stem

    def write(self, row: Mapping[str, Any], progress: Progress) -> None:
        """Write a finished call's files; one that cannot be written is a note, not a failure of the call."""
        stem = self._stem(row["call_id"])
        if stem is None or row["status"] != "ok":
            return
        if self.redact:
            turns = row["turns"] or ()
            row = {**row, "turns": [{**turn, "text": text} for turn, text in zip(turns, redact_turns(turns), strict=True)]}
        for name in self.formats:
            target = stem.with_name(f"{stem.name}.{name}")
            if os.path.lexists(target) and not self.redo:
                continue
            try:
                atomic_write(target, FORMATS[name](row).encode("utf-8", "replace"))
            except StoreError as error:
                progress.note(f"{row['call_id']}: {error}")


def _place(call: Mapping[str, Any], folder: Path | None) -> Path:
    """The recording's place, or its mirror under `folder`: never outside of it, whatever the file is called."""
    path = local_path(call["path"])
    if folder is None:
        return path
    relative = PurePosixPath(str(call["file"] or path.name).replace("\\", "/"))
    parts = [_safe(p) for p in relative.parts if p not in ("..", ".", "/", "")]
    return folder.joinpath(*parts) if parts else folder / _safe(path.name)


def _safe(name: str) -> str:
    kept = "".join(c if c.isprintable() and c not in '<>:"|?*/\\' else "_" for c in name)
    return kept.encode("utf-8", "replace")[:_MAX_NAME].decode("utf-8", "ignore") or "_"
