"""Imported by the process that those of a large scan are forked from: what all of them need is loaded once, machine code too."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

gc.disable()  # what is imported stays: looking through it again and again takes a sixth of the time

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from qc.packs.conditions import Term  # noqa: E402
from qc.scan import before, compiled, emit  # noqa: E402
from qc.scan.columns import NAMES, Batch, Columns  # noqa: E402
from qc.scan.finding import Finder  # noqa: E402
from qc.tables import schema  # noqa: E402

WORDS = (Term("word", "您好"),)
TERMS = (*WORDS, Term("sound", "您好"), Term("pattern", "您.好"))


@contextlib.contextmanager
def without(library: str) -> Iterator[None]:
    """As if a library were not installed."""
    known = library in sys.modules
    if not known:
        sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not known:
            sys.modules.pop(library, None)


def load() -> None:
    """One call is scanned for nothing: each loop is loaded, or compiled where it never was."""
    place = {"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 1000}
    turns = [{**place, "turn": 0, "text": "您好，一二三，您们好"}]
    row = {"call_id": "c", "status": "ok", "warnings": [], "turns": turns, "spans": [{**place, "heard": True}]}
    columns = Columns(pa.Table.from_pylist([row], schema=schema("transcripts")).select(NAMES))
    columns.chars_of(np.zeros(1, np.int64))
    for terms in (WORDS, TERMS):
        finder = Finder(terms)
        finder.find(Batch(columns, None, {}).look_at(finder.turns(*columns.texts)))


compiled.use(True)
with contextlib.suppress(Exception), without("scipy.linalg"), without("cffi"):  # what is wrong says the process that needs it
    load()  # Numba asks for SciPy and cffi, which no loop here needs: a quarter of a second
compiled.use(False)
gc.freeze()
gc.enable()

__all__ = ["before", "emit", "load"]
