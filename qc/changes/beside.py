"""A store beside another: the same calls and transcripts, findings and scores of its own, gone when it is no longer needed.

So packs are tried on stored calls by the very stages that scan and score, and nothing of the store changes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qc.errors import StoreError
from qc.packs import TrustedPack
from qc.progress import Progress
from qc.scan import ScanOptions, scan
from qc.score import score
from qc.store import Store

SHARED = ("calls", "transcripts")


@contextmanager
def tried(store: Store, pack: TrustedPack, progress: Progress) -> Iterator[Store]:
    """A store in which the transcripts of `store` were scanned with `pack` and scored. Raises StoreError without transcripts."""
    if not store.parts("transcripts"):
        raise StoreError(
            "there are no transcripts here", where=str(store.path), hint="run `qc transcribe` or `qc import` first", code="empty"
        )
    folder = Path(tempfile.mkdtemp(prefix="qc-tried-"))
    try:
        for table in SHARED:
            _share(store.path.resolve() / table, folder / table)
        made = Store(folder)
        scan(made, [pack], ScanOptions(), progress)
        score(made, progress=progress)
        yield made
    finally:
        for table in SHARED:
            if (folder / table).is_symlink():
                (folder / table).unlink()
        shutil.rmtree(folder, ignore_errors=True)


def _share(there: Path, here: Path) -> None:
    """The folder under another name; a copy where there are no links."""
    if not there.is_dir():
        return
    try:
        here.symlink_to(there, target_is_directory=True)
    except OSError:
        shutil.copytree(there, here)
