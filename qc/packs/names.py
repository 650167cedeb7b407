"""Named conditions: `define` gives a name, a name stands for its condition. Names are gone once a pack has been read.

A name may use those before it, never itself, so there are no circles; what names blow up to is bounded here.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from qc.packs.conditions import (
    AnyOf,
    Condition,
    Interruption,
    Level,
    Near,
    NotNear,
    Repeat,
    Reply,
    Says,
    Silence,
    Speed,
    Term,
    Then,
)
from qc.packs.nodes import Node
from qc.packs.reader import Reader, show, suggestion

MAX_NESTING = 8
MAX_NAMES = 500
MAX_EXPANDED = 20_000
"""Conditions that names stand for, in all of a pack, each time they are used."""

_NAME = re.compile(r"[^\W\d][\w-]{0,62}")
_RESERVED = {"first", "last", "any", "every", "the", "call", "turns", "of"}
_AT_A_PLACE = (Says, Silence, Interruption, Near, NotNear, Then, Repeat, Reply, Level)


def happens_somewhere(condition: Condition) -> bool:
    """The condition, where it holds, holds at places that can be pointed at."""
    if isinstance(condition, AnyOf):
        return all(happens_somewhere(part) for part in condition.parts)
    if isinstance(condition, Speed):
        return condition.per == "turn"
    return isinstance(condition, _AT_A_PLACE)


def read_names(reader: Reader, node: Node) -> None:
    """`name: condition` lines into `reader.named`, in order."""
    from qc.packs.syntax import read_condition

    if node.kind != "map" or not node.pairs:
        reader.problem(node, "`define` must be `name: condition` lines", "for example `complaint: {who: customer, says: [投诉]}`")
        return
    for key, value in node.pairs:
        if not _NAME.fullmatch(key.text) or key.text in _RESERVED:
            reader.problem(key, f"a condition cannot be called {key.text[:40]!r}", "use a word of letters, digits and hyphens")
        elif key.text in reader.named:
            reader.problem(key, f"there are two conditions called {key.text!r}", "rename one of them")
        elif len(reader.named) >= MAX_NAMES:
            reader.problem(key, f"there are more than {MAX_NAMES} names", "make two packs of them")
            return
        else:
            condition = read_condition(reader, value)
            reader.named[key.text] = (condition, _measure(condition))


def refer(reader: Reader, node: Node, depth: int) -> Condition:
    """The condition that a name stands for; it counts as if it were written out."""
    if node.text not in reader.named:
        hint = suggestion(node.text, reader.named) if reader.named else "name it under `define:`, or write the condition out"
        reader.problem(node, f"there is no condition called {show(node)}", hint)
        return Says(terms=())
    condition, size = reader.named[node.text]
    if depth + size.height > MAX_NESTING:
        reader.problem(node, f"conditions are nested deeper than {MAX_NESTING} levels", "make two rules of it")
    reader.parts_read += size.parts
    reader.terms_read += size.terms
    if reader.parts_read > MAX_EXPANDED:
        reader.problem(node, f"names stand for more than {MAX_EXPANDED} conditions in all", "make two packs of them")
        return Says(terms=())
    return condition


@dataclass
class _Size:
    parts: int = 0
    terms: int = 0
    height: int = 0


def _measure(condition: Condition) -> _Size:
    size = _Size()
    _add(condition, size, 0)
    return size


def _add(item: Any, size: _Size, height: int) -> None:
    if isinstance(item, Term):
        size.terms += 1
        return
    if dataclasses.is_dataclass(item):
        size.parts += 1
        size.height = max(size.height, height)
        for part in dataclasses.fields(item):
            value = getattr(item, part.name)
            for inner in value if isinstance(value, tuple) else (value,):
                if not isinstance(inner, str | int) and inner is not None:
                    _add(inner, size, height + (dataclasses.is_dataclass(inner) and not isinstance(inner, Term)))
