"""The recordings beside the pages: copied where browsers play them, converted where they do not, linked where they lie, or cut.

Copies are named after the recording's digest, never after its name; the same recording is copied once. What cannot be
brought into the report is a `Sound` with the reason, which the page shows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from qc.errors import QcError
from qc.progress import Progress
from qc.report.clips import clip_name, cut, private, windows
from qc.report.folder import Folder
from qc.report.gather import Spoken
from qc.report.model import Call, Clip, Recording, ReportData, ReportOptions, Sound
from qc.report.safe import safe_name
from qc.report.timeline import Stretch

COPY_UP_TO_CALLS = 500
"""`auto` copies for reports with at most so many calls with findings, and links for larger ones."""

PLAYABLE: dict[tuple[str, str], str] = {
    ("wav", "pcm_s16le"): ".wav",
    ("wav", "pcm_u8"): ".wav",
    ("mp3", "mp3"): ".mp3",
    ("mp3", "mp3float"): ".mp3",
    ("flac", "flac"): ".flac",
    ("ogg", "opus"): ".ogg",
    ("ogg", "libopus"): ".ogg",
    ("ogg", "vorbis"): ".ogg",
    ("mov", "aac"): ".m4a",
    ("aac", "aac"): ".aac",
}
"""(first word of the container, codec) that current browsers play as they are, and the copy's suffix."""


Words = Callable[[Iterable[str]], Iterator[Spoken]]
"""Gives the words of calls by their ids, unmasked."""


def bring_sounds(data: ReportData, options: ReportOptions, folder: Folder, progress: Progress, words: Words) -> dict[str, Sound]:
    """A `Sound` for every call with findings, by call id. One that fails is a Sound with a problem, never an error."""
    mode = options.audio
    if mode == "auto":
        copied = "clips" if options.redact else "copy"
        mode = copied if len(data.recordings) <= COPY_UP_TO_CALLS else "none" if options.redact else "link"
    progress.start("recordings", len(data.recordings))
    out = {}
    each = _cut_each(data, folder, words, masked=options.redact) if mode == "clips" else _each(data, mode, folder)
    for call_id, sound in each:
        out[call_id] = sound
        progress.advance(failed=int(sound.problem not in ("", "none")))
    progress.finish()
    return out


def _cut_each(data: ReportData, folder: Folder, words: Words, *, masked: bool) -> Iterator[tuple[str, Sound]]:
    """The clips of each call, with personal data drowned out where it is masked in the text."""
    calls = {c.call_id: c for c in data.calls if c.call_id in data.recordings}
    muted = {s.call_id: private(s.turns) for s in words(calls)} if masked else {}
    for call_id, recording in sorted(data.recordings.items()):
        problem = missing(recording)
        yield call_id, Sound(None, problem) if problem else _clips(calls[call_id], recording, muted.get(call_id, ()), folder)


def _clips(call: Call, recording: Recording, muted: Sequence[Stretch], folder: Folder) -> Sound:
    source = Path(recording.path or "")
    wanted = {clip_name(recording.sha256 or call.call_id, w, muted): w for w in windows(call)}
    here = [Clip(name, *w) for name, w in wanted.items() if recording.sha256 and folder.has(name)]
    known = {c.href for c in here}
    try:
        made = (
            cut(source, {n: w for n, w in wanted.items() if n not in known}, muted, folder.path)
            if len(known) < len(wanted)
            else []
        )
    except (OSError, QcError):
        return Sound(None, "unreadable")
    for clip in made:
        folder.made(clip.href)
    return Sound(None, "", tuple(sorted([*here, *made], key=lambda c: c.start_ms)))


def missing(recording: Recording) -> str:
    """Why a recording cannot be brought (`no_file`, `gone`), or nothing."""
    if not recording.path:
        return "no_file"
    return "" if Path(recording.path).is_file() else "gone"


def _each(data: ReportData, mode: str, folder: Folder) -> Iterator[tuple[str, Sound]]:
    for call_id, recording in sorted(data.recordings.items()):
        problem = missing(recording)
        if mode == "none":
            yield call_id, Sound(None, "none")
        elif problem:
            yield call_id, Sound(None, problem)
        elif mode == "link":
            yield call_id, _link(recording, Path(recording.path or ""), folder)
        else:
            yield call_id, _copy(recording, Path(recording.path or ""), call_id, folder)


def _suffix(recording: Recording) -> str | None:
    return PLAYABLE.get((recording.container.split(",")[0], recording.codec))


def _link(recording: Recording, source: Path, folder: Folder) -> Sound:
    """A relative link, percent-encoded: a name cannot break out of it."""
    if _suffix(recording) is None:
        return Sound(None, "not_playable")
    try:
        relative = os.path.relpath(source.resolve(), folder.path.resolve())
    except ValueError:  # another drive
        return Sound(None, "elsewhere")
    return Sound(quote(Path(relative).as_posix(), safe="/"))


def _copy(recording: Recording, source: Path, call_id: str, folder: Folder) -> Sound:
    suffix = _suffix(recording)
    stem = f"rec-{recording.sha256[:16]}" if recording.sha256 else safe_name("rec", call_id)
    name = f"audio/{stem}{suffix or '.mp3'}"
    target = folder.path / name
    if recording.sha256 and folder.has(name):
        return Sound(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if suffix is None:
            from qc.audio.clips import make_playable

            make_playable(source, target)
        else:
            beside = target.with_name(f".{target.name}.tmp")
            shutil.copyfile(source, beside)
            os.replace(beside, target)
    except (OSError, QcError):
        return Sound(None, "unreadable")
    folder.made(name)
    return Sound(name)
