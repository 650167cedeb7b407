"""The process that those of a large scan are forked from: begun as early as can be, since it takes as long as all else before."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

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


def get_ready_for(store: str | os.PathLike[str]) -> None:
    """The same where there is much to scan in the store of this folder, as the files' sizes say: nothing is read. A folder that cannot be
    looked at is said by whoever opens it."""
    with contextlib.suppress(OSError, ValueError), os.scandir(Path(store) / "transcripts") as parts:
        if sum(part.stat().st_size for part in parts if part.name.startswith("part-")) >= LARGE_BYTES:
            get_ready(machine_code=True)


def glance(arguments: Sequence[str]) -> None:
    """The same as soon as the command line is there and before it is read, which takes a tenth of a second itself.

    A guess: what it overlooks, `get_ready_for` does. Where it guesses wrong, a process has begun for nothing and ends with this one.
    """
    if any(one.partition("=")[0] in ("--explain", "--processes", "--help", "-h") for one in arguments):
        return
    given = [one.partition("=")[2] for one in arguments if one.startswith("--store=")]
    given += [arguments[n + 1] for n, one in enumerate(arguments[:-1]) if one == "--store"]
    get_ready_for(given[-1] if given else "qc-store")
