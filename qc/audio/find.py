"""Recordings below folders, by content and not only by suffix, in a fixed order.

Hidden and half-written files are passed over. A file that is no recording by content is left out, unless its name says
it is one: then it is taken, so that somebody is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from qc.audio.sniff import has_audio_suffix, is_audio
from qc.errors import UsageError

_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".lock", "~")
_DEEPEST = 200
_ADDRESS = "file://"


@dataclass(frozen=True)
class Found:
    """A recording: its absolute path, and its path below the folder it was found in, with forward slashes.

    One on another machine has an `address`, its size and a mark of its version instead of bytes to read; its path is no file's.
    """

    path: Path
    relative: str
    address: str = ""
    size_bytes: int | None = None
    version: str = ""


@dataclass
class Finding:
    """What a walk passed over: files that are no recordings, and files that could not be opened to see."""

    ignored: int = 0
    unreadable: int = 0


def find_recordings(folder: Path, tally: Finding, skip: Sequence[Path] = ()) -> Iterator[Found]:
    """Yield recordings below a folder (or the one file), sorted by path. `skip`: folders never entered.

    Raises UsageError when the folder is not there.
    """
    if folder.is_file():
        yield Found(Path(os.path.abspath(folder)), shown_name(folder.name))  # noqa: PTH100  (links are not followed here)
        return
    if not folder.is_dir():
        raise UsageError("there is no such file or folder", where=str(folder), code="no_folder")
    root = Path(os.path.abspath(folder))  # noqa: PTH100  (links are not followed here)
    never = {p.resolve() for p in skip}
    yield from _walk(root, root, never, set(), tally)


def _walk(folder: Path, root: Path, never: set[Path], seen: set[tuple[int, int]], tally: Finding) -> Iterator[Found]:
    """One folder; links to folders are followed, none twice, so that a loop of links ends."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        tally.unreadable += 1
        return
    place = (status.st_dev, status.st_ino)
    if place in seen or folder.resolve() in never:
        return
    if len(folder.parts) - len(root.parts) > _DEEPEST:
        tally.unreadable += 1
        return
    seen.add(place)
    for entry in entries:
        path = Path(entry.path)
        if is_hidden(entry.name):
            continue
        try:
            if entry.is_dir():
                yield from _walk(path, root, never, seen, tally)
            elif entry.is_file():
                if has_audio_suffix(path) or is_audio(path):
                    yield Found(path, shown_name(path.relative_to(root).as_posix()))
                else:
                    tally.ignored += 1
        except OSError:
            if has_audio_suffix(path):
                yield Found(path, shown_name(path.relative_to(root).as_posix()))
            else:
                tally.unreadable += 1


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, temporary or half-written, by its name."""
    return name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED)


def stored_path(path: Path) -> str:
    """A path as a table can hold it: as it is, or as a `file://` address where its bytes are no Unicode text."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return path.as_uri()
    return str(path)


def local_path(stored: str) -> Path:
    """The file that `stored_path` was made from."""
    if stored.startswith(_ADDRESS):
        return Path(os.fsdecode(unquote_to_bytes(stored.removeprefix(_ADDRESS))))
    return Path(stored)


def shown_name(name: str) -> str:
    """A file name that people can read, whatever its bytes were: UTF-8, else GB18030, else with replacement characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "replace")
    return name
