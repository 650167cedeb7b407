"""The report's folder: written file by file, each whole or not at all; what an earlier report left is taken away.

`manifest.json` lists the files that are ours with their digests. It is written first (`complete` false) and last, so a
report that was cut off is known as ours and can be written again. Nothing that it does not list is ever touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from qc.errors import StoreError, UsageError
from qc.store import atomic_write
from qc.version import VERSION

MANIFEST = "manifest.json"
_SCHEMA = "qc.report.manifest/1"


@dataclass(frozen=True)
class Writer:
    """Writes files of a report, in whichever process. `old`: digests of the earlier report's files by name."""

    path: Path
    old: Mapping[str, str]

    def put(self, name: str, data: bytes) -> str:
        """Write one file whole, unless it is there already; its digest. `name`: relative, with `/`. Raises StoreError.

        It is written beside its name, then renamed, and not forced to disk: a report can be made again, and the manifest
        tells whether it is whole.
        """
        target = self.path / name
        digest = hashlib.sha256(data).hexdigest()
        if self.old.get(name) == digest and _digest(target) == digest:
            return digest
        beside = target.with_name(f".{target.name}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(data)
            os.replace(beside, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise StoreError(
                f"cannot write: {error.strerror}", where=str(target), hint="free the disk or choose another folder with -o"
            ) from error
        return digest


class Folder:
    """A report being written. Raises UsageError for a folder that holds something else, StoreError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._old = _earlier(path)
        self._new: dict[str, str] = {}
        self.writer = Writer(path, self._old)
        self._write_manifest({**self._old, **self._new}, complete=False)

    def write(self, name: str, data: bytes) -> None:
        """Write one file of the report. `name`: relative, with `/`."""
        self._new[name] = self.writer.put(name, data)

    def written(self, files: Mapping[str, str]) -> None:
        """Take files that `writer` wrote elsewhere into the report: names and digests."""
        self._new.update(files)

    def has(self, name: str) -> bool:
        """Whether the file is here already: from this run, or unchanged from an earlier one by this version of qc.

        It then belongs to this report, too.
        """
        if name in self._new:
            return True
        digest = self._old.get(name)
        if digest is None or _digest(self.path / name) != digest:
            return False
        self._new[name] = digest
        return True

    def made(self, name: str) -> None:
        """Take a file that something else wrote here into the report."""
        self._new[name] = _digest(self.path / name) or ""

    def finish(self) -> tuple[str, ...]:
        """Remove what the earlier report had and this one has not, write the manifest; the names of the files, sorted."""
        root = self.path.resolve()
        for name in sorted(set(self._old) - set(self._new)):
            stale = self.path / name
            if stale.parent.resolve().is_relative_to(root):
                stale.unlink(missing_ok=True)
        self._write_manifest(self._new, complete=True)
        return tuple(sorted(self._new))

    def _write_manifest(self, files: dict[str, str], *, complete: bool) -> None:
        value = {"complete": complete, "files": dict(sorted(files.items())), "schema": _SCHEMA, "tool_version": VERSION}
        atomic_write(self.path / MANIFEST, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def _earlier(path: Path) -> dict[str, str]:
    """Files and digests of the report that lies here; empty for a new folder."""
    refusal = UsageError(
        "the folder is not empty and holds no report of ours",
        where=str(path),
        hint="choose another folder with -o; nothing was written",
    )
    try:
        if not path.exists() or not any(path.iterdir()):
            return {}
        value: Any = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise refusal from None
    except OSError as error:
        raise StoreError(f"cannot read the folder: {error.strerror}", where=str(path)) from error
    files = value.get("files") if isinstance(value, dict) and value.get("schema") == _SCHEMA else None
    if not isinstance(files, dict):
        raise refusal
    known = {n: d for n, d in files.items() if isinstance(d, str) and _inside(n)}
    return known if value.get("tool_version") == VERSION else dict.fromkeys(known, "")


def _inside(name: str) -> bool:
    pure = PurePosixPath(name)
    return not pure.is_absolute() and bool(pure.parts) and ".." not in pure.parts and "\\" not in name and ":" not in name


def _digest(path: Path) -> str | None:
    """Hex SHA-256 of a file; None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _by_blocks(file)
    except OSError:
        return None


def _by_blocks(file: Any) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
