"""The recordings beside the pages: copied where browsers play them, converted where they do not, or linked where they lie.

Copies are named after the recording's digest, never after its name; the same recording is copied once. What cannot be
brought into the report is a `Sound` with the reason, which the page shows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from qc.errors import QcError
from qc.progress import Progress
from qc.report.folder import Folder
from qc.report.model import Recording, ReportData, ReportOptions, Sound
from qc.report.safe import safe_name

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


def bring_sounds(data: ReportData, options: ReportOptions, folder: Folder, progress: Progress) -> dict[str, Sound]:
    """A `Sound` for every call with findings, by call id. One that fails is a Sound with a problem, never an error."""
    mode = options.audio
    if mode == "auto":
        mode = "copy" if len(data.recordings) <= COPY_UP_TO_CALLS else "link"
    progress.start("recordings", len(data.recordings))
    out = {}
    for call_id, sound in _each(data, mode, folder):
        out[call_id] = sound
        progress.advance(failed=int(sound.href is None and mode != "none"))
    progress.finish()
    return out


def _each(data: ReportData, mode: str, folder: Folder) -> Iterator[tuple[str, Sound]]:
    for call_id, recording in sorted(data.recordings.items()):
        if mode == "none":
            yield call_id, Sound(None, "none")
        elif not recording.path:
            yield call_id, Sound(None, "no_file")
        elif not Path(recording.path).is_file():
            yield call_id, Sound(None, "gone")
        elif mode == "link":
            yield call_id, _link(recording, Path(recording.path), folder)
        else:
            yield call_id, _copy(recording, Path(recording.path), call_id, folder)


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
