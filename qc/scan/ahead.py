"""The process that those of a large scan are forked from: begun as early as can be, since it takes as long as all else before."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qc.store import Store

LARGE_BYTES = 40_000_000
"""Transcripts of so many bytes are of some ten thousand calls: their scan is worth machine code and more than one process."""

_TUNABLES, _LARGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def method() -> str:
    """How processes begin. Others than Linux start each anew: there forking is not safe."""
    return "forkserver" if sys.platform == "linux" else "spawn"


def get_ready(*, machine_code: bool) -> None:
    """Begin with the process that the others are forked from, while this one sees what there is to do."""
    if method() == "spawn":
        return
    from multiprocessing import forkserver, get_context

    get_context("forkserver").set_forkserver_preload(["qc.scan.ready" if machine_code else "qc.scan.emit"])
    with _large_pages():
        forkserver.ensure_running()


@contextlib.contextmanager
def _large_pages() -> Iterator[None]:
    """Programs begun meanwhile ask Linux for memory in large pages (glibc 2.35 on; others do not look): a batch is some hundred megabytes
    of columns, and a twentieth of the time went into asking for them 4 KB at a time."""
    before = os.environ.get(_TUNABLES)
    os.environ[_TUNABLES] = _LARGE_PAGES if before is None else f"{before}:{_LARGE_PAGES}"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TUNABLES]
        else:
            os.environ[_TUNABLES] = before


def get_ready_for(store: Store) -> None:
    """The same where there is much to scan, as the files' sizes say: nothing is read."""
    if sum(part.stat().st_size for part in store.parts("transcripts")) >= LARGE_BYTES:
        get_ready(machine_code=True)
