"""Imported by the process that those of a large scan are forked from: what all of them need is loaded once, machine code too."""

from __future__ import annotations

import contextlib

import pyarrow as pa

from qc.packs.conditions import Term
from qc.scan import before, compiled, emit
from qc.scan.columns import NAMES, Batch, Columns
from qc.scan.finding import Finder
from qc.tables import schema

WORDS = (Term("word", "您好"),)
TERMS = (*WORDS, Term("sound", "您好"), Term("pattern", "您.好"))


def load() -> None:
    """One call is scanned for nothing: each loop is loaded, or compiled where it never was."""
    place = {"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 1000}
    turns = [{**place, "turn": 0, "text": "您好，一二三，您们好"}]
    row = {"call_id": "c", "status": "ok", "warnings": [], "turns": turns, "spans": [{**place, "heard": True}]}
    columns = Columns(pa.Table.from_pylist([row], schema=schema("transcripts")).select(NAMES))
    columns.digests()
    for terms in (WORDS, TERMS):
        finder = Finder(terms)
        finder.find(Batch(columns, None, {}).look_at(finder.turns(*columns.texts)))


compiled.use(True)
with contextlib.suppress(Exception):  # whatever is wrong is said by the process that needs it
    load()
compiled.use(False)

__all__ = ["before", "emit", "load"]
