"""What the registry of conditions holds: a condition's keys, how it is read and written, what its reference says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qc.packs.conditions import Condition
from qc.packs.nodes import Node
from qc.packs.reader import Reader


@dataclass(frozen=True)
class Key:
    """A key beside (or inside) a condition: what it means, in both languages, and what stands there when it is left out."""

    name: str
    zh: str
    en: str
    default: str = ""


@dataclass(frozen=True)
class Syntax:
    """One condition of the language.

    `read(reader, fields, depth)` makes the dataclass from the keys found (its own word among them); `write` is the
    inverse, in plain data. `example` is a rule's `when` and `cases` in YAML that must come out as they say; `bad` is a
    `when` that must be refused.
    """

    type: type
    zh: str
    en: str
    keys: tuple[Key, ...]
    read: Callable[[Reader, dict[str, Node], int], Condition]
    write: Callable[[Any], dict[str, Any]]
    example: str
    bad: str
