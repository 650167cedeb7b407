"""A pack's folder, written: pack.yaml, rules and lists under safe names, whole or with nothing of an existing pack touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from qc.errors import UsageError
from qc.packs.load import HEAD, LISTS
from qc.packs.sheets import SUFFIXES
from qc.store import atomic_write

_NAME = re.compile(r"(lists/)?[\w-]{1,64}\.(ya?ml|md)")


def write_folder(folder: Path, files: Mapping[str, str], *, replace: bool = False) -> list[Path]:
    """Write a pack's files (name relative to the folder to text); the paths. Raises UsageError for a folder that is not empty.

    `replace`: the pack that is there gives way, its rules and lists; other files of the folder (README, licence) stay.
    """
    for name in files:
        if not _NAME.fullmatch(name):
            raise UsageError(f"a pack has no file {name[:80]!r}", where=str(folder))
    old: list[Path] = []
    if folder.exists():
        if not folder.is_dir():
            raise UsageError("this is a file", where=str(folder), hint="give a folder with -o")
        if any(folder.iterdir()) and not replace:
            hint = "give another folder, or --replace to put this pack in place of the one there"
            raise UsageError("the folder is not empty", where=str(folder), hint=hint)
        if any(folder.iterdir()) and not (folder / HEAD).is_file():
            raise UsageError("this is no pack's folder, so nothing in it is replaced", where=str(folder), hint="give another one")
        old = [p for p in (*folder.glob("*.yaml"), *folder.glob("*.yml")) if p.is_file()]
        old += [p for p in (folder / LISTS).glob("*") if p.suffix in (".yaml", ".yml", ".txt", *SUFFIXES) and p.is_file()]
    written = [atomic_write(folder / name, text.encode()) for name, text in files.items()]
    for path in set(old) - set(written):
        path.unlink()
    return written
