"""Rules of other products, read into our language as far as they can be said in it; what cannot is told, never dropped.

`FORMATS` is the registry: to add a format, one file here and one line there. A reader gives drafts (a name and a condition
in plain data) and losses. A rule with a part that cannot be said is left out as a whole: half of it would mean another thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import UsageError
from qc.packs.importers import connect, miarec, sca, words
from qc.packs.importers.draft import Foreign
from qc.packs.reader import suggestion
from qc.packs.sheets import MAX_BYTES, SUFFIXES, decode, read_sheets


@dataclass(frozen=True)
class Format:
    """A format: what it is, whether a file's contents are of it, how they are read. JSON and sheets come parsed, else text."""

    title: str
    fits: Callable[[Any], bool]
    read: Callable[[Any], Foreign]


FORMATS: dict[str, Format] = {
    "sca": Format("Alibaba Cloud SCA rules (JSON)", sca.fits, sca.read),
    "connect": Format("Amazon Connect rule functions (JSON)", connect.fits, connect.read),
    "miarec": Format("MiaRec query language (text, a query a line)", miarec.fits, miarec.read),
    "words": Format("plain word lists (text, CSV, XLSX)", words.fits, words.read),
}
"""In the order in which they are tried."""


def read_foreign(path: Path, name: str = "") -> tuple[str, Foreign]:
    """The rules in a foreign file and the name of its format, guessed unless given. Raises UsageError, PackError."""
    if name and name not in FORMATS:
        raise UsageError(f"there is no format {name!r}", where="--format", hint=suggestion(name, FORMATS))
    value = _contents(path)
    try:
        for key, form in FORMATS.items():
            if key == name or (not name and form.fits(value)):
                return key, form.read(value)
    except RecursionError:
        raise UsageError("it is nested too deep", where=str(path), hint="no product writes such rules") from None
    except (TypeError, ValueError, AttributeError) as error:
        said = f"the file has not the form of its kind: {error}"
        raise UsageError(said, where=str(path), hint="export it again, or name its format with --format") from error
    known = "; ".join(f"{key}: {form.title}" for key, form in FORMATS.items())
    raise UsageError("this is no format that can be read", where=str(path), hint=f"{known}. Name it with --format")


def _contents(path: Path) -> Any:
    """JSON parsed, sheets read, other files as text."""
    if path.suffix.lower() in SUFFIXES:
        return read_sheets(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read: {error.strerror}", where=str(path), hint="give the file with the rules") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"the file is larger than {MAX_BYTES >> 20} MiB", where=str(path), hint="split it")
    text = decode(data, str(path))
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            if path.suffix.lower() == ".json":
                raise UsageError(f"this is no JSON: {error}", where=str(path), hint="export it again") from None
    return text


__all__ = ["FORMATS", "Foreign", "Format", "read_foreign"]
