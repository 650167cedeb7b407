"""A new pack to start from: three rules with their cases, a word list, schemas for the editor. It checks as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from qc.errors import StoreError, UsageError
from qc.packs.parse import ID_FORM
from qc.packs.schema import KINDS, schema
from qc.store import atomic_write

_TEMPLATE = Path(__file__).parent / "templates" / "new"
_FILES = ("pack.yaml", "rules.yaml", "lists/time-limits.yaml")


def pack_files(pack_id: str, title: str = "", language: str = "en") -> Iterator[tuple[str, str]]:
    """The files of a new pack, by path in its folder. `language`: of what the editor shows, `zh` or `en`."""
    for name in _FILES:
        text = (_TEMPLATE / name).read_text(encoding="utf-8")
        if name == "pack.yaml":
            text = text.replace("{id}", pack_id).replace("{title}", json.dumps(title or pack_id, ensure_ascii=False))
        yield name, text
    for kind in KINDS:
        yield f".schema/{kind}.json", json.dumps(schema(kind, language), ensure_ascii=False, indent=1) + "\n"


def write_new(folder: Path, pack_id: str = "", title: str = "", language: str = "en") -> list[Path]:
    """Write a new pack into a folder that is empty or not there; the files written.

    Raises UsageError for a folder with something in it, and for a name that no pack can have; StoreError when the disk
    refuses.
    """
    pack_id = pack_id or folder.resolve().name
    if not ID_FORM.fullmatch(pack_id):
        hint = "small letters, digits and hyphens, for example --id acme-service"
        raise UsageError(f"a pack cannot be called {pack_id[:80]!r}", where="--id", hint=hint)
    if any(not char.isprintable() for char in title):
        raise UsageError("the title holds characters that cannot be seen", where="--title", hint="type it anew")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError("there is something here already", where=str(folder), hint="name a folder that is not there yet")
    except OSError as error:
        raise StoreError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from error
    return [atomic_write(folder / name, text.encode()) for name, text in pack_files(pack_id, title, language)]
