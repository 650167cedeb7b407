"""YAML (and JSON) as a bounded tree that knows its lines: what strangers write is never turned into objects.

Only maps, lists and texts exist; nothing is a number, a date or a truth value until the reader of a field says so, so
`no`, `1.0` and `12:30` stay what was written. Tags, anchors and aliases are refused: they make objects and bombs.

Two parsers read it. PyYAML's, in C, is quick, and speaks YAML 1.1; ruamel's, in Python, speaks YAML 1.2 and is a hundred
times slower. What the first reads it reads as the second does (`_ONLY_SLOW` are the exceptions, and a test compares them);
what it cannot read is given to the second, whose word is final.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal

from qc.errors import PackError, Problem

MAX_FILE_BYTES = 8 << 20
MAX_SLOW_BYTES = 1 << 20
"""What the slow parser is given at most: about ten seconds."""

MAX_DEPTH = 32
MAX_NODES = 1_000_000

_WIDE_COLON = re.compile(r"\s*(?:- )?([\w-]{1,30})：")

_ONLY_SLOW = re.compile("[\x85\u2028\u2029\ufeff]|^%|^[ \t]*\\?|\t", re.MULTILINE)
"""Where YAML 1.1 and 1.2 part: its line breaks, directives, and what the two parsers make of `?` and of tabs."""


@dataclass(slots=True)
class Node:
    """A value and where it stands. `text` for a scalar, `items` for a list, `pairs` for a map (in order, keys as written).

    Nobody changes one once it is made; it is not frozen because a pack of 10,000 rules has half a million of them.
    """

    kind: Literal["map", "list", "text"]
    file: str
    line: int
    column: int
    text: str = ""
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()
    cell: str = ""
    """Sheet and cell of a workbook, `Rules!C5`, where it comes from one."""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.cell}" if self.cell else f"{self.file}:{self.line}:{self.column}"

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem at this place."""
        return Problem(self.file, self.line, self.column, message, hint, self.cell)


def read_yaml(data: bytes, file: str) -> Node | None:
    """The tree of one YAML document; None for an empty one. `file` is the name that problems give.

    Raises PackError for what is not YAML 1.2 in UTF-8, is larger than `MAX_FILE_BYTES`, nests deeper than `MAX_DEPTH`,
    or holds tags, anchors, aliases or a second document.
    """
    import yaml
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(data) > MAX_FILE_BYTES:
        raise PackError([Problem(file, 1, 1, f"the file is larger than {MAX_FILE_BYTES >> 20} MiB", "split it")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PackError([Problem(file, line, 1, "the file is not UTF-8", "save it as UTF-8 in the editor")]) from None
    quick = hasattr(yaml, "CSafeLoader") and not _ONLY_SLOW.search(text)
    large = len(data) > MAX_SLOW_BYTES
    tree = _read_fast(text, file) if quick and not large else None
    if tree is not None:
        return tree
    if large and not quick:
        said = f"a file of more than {MAX_SLOW_BYTES >> 20} MiB may hold no tabs, no `?` keys and no directives"
        raise PackError([Problem(file, 1, 1, said, "split it, or indent with spaces")])
    try:
        return _Builder(file).build(
            yaml.parse(text, Loader=yaml.CSafeLoader) if large else YAML(typ="safe", pure=True).parse(StringIO(text))
        )
    except (MarkedYAMLError, yaml.MarkedYAMLError) as error:
        raise PackError([_not_yaml(error, text, file)]) from None
    except (YAMLError, yaml.YAMLError) as error:
        said = str(error).splitlines()[0]
        raise PackError([Problem(file, 1, 1, f"not YAML: {said}", "remove characters that cannot be printed")]) from None
    except PackError:
        raise
    except Exception as error:  # the parser lets many kinds through: a directive %YAML 1.3 is an AssertionError
        raise PackError([Problem(file, 1, 1, f"not YAML: {type(error).__name__}", "check the file")]) from None


def read_lines(data: bytes, file: str) -> Node | None:
    """The tree of a text file: a list with a text a line. Empty lines, and those that begin with #, are left out."""
    from qc.packs.sheets import decode, item

    if len(data) > MAX_FILE_BYTES:
        raise PackError([Problem(file, 1, 1, f"the file is larger than {MAX_FILE_BYTES >> 20} MiB", "split it")])
    lines = [(number, line.strip()) for number, line in enumerate(decode(data, file).split("\n"), 1)]
    items = tuple(item(Node("text", file, number, 1, line)) for number, line in lines if line and not line.startswith("#"))
    return Node("list", file, 1, 1, items=items) if items else None


def _read_fast(text: str, file: str) -> Node | None:
    """The tree by the parser in C; None where it finds nothing, or something wrong."""
    import yaml

    try:
        return _Builder(file).build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return None


def _not_yaml(error: Any, text: str, file: str) -> Problem:
    """A parser's complaint, at the place that has to be mended where that is known better than by the parser."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = " ".join(str(error.problem or error.context or "not readable").split())
    lines = text.splitlines()
    for number in (line, line - 1):
        hint = wide_colon(lines[number - 1]) if 0 < number <= len(lines) else ""
        if hint:
            return Problem(file, number, lines[number - 1].index("：") + 1, "not YAML: ： is no colon here", hint)
    if "quoted scalar" in str(error.context) and error.context_mark:
        opened = error.context_mark
        return Problem(file, opened.line + 1, opened.column + 1, "not YAML: the quotes that begin here have no end", "close them")
    if "flow" in str(error.context) and error.context_mark and error.context_mark.line + 1 < line:
        opened = error.context_mark
        bracket = "}" if "mapping" in error.context else "]"
        return Problem(
            file,
            opened.line + 1,
            opened.column + 1,
            "not YAML: the bracket that begins here has no end",
            f"close it with {bracket}",
        )
    return Problem(file, line, column, f"not YAML: {said}", _yaml_hint(said))


def wide_colon(line: str) -> str:
    """What to write instead of a key with a full-width colon; nothing where a line does not begin with one."""
    match = _WIDE_COLON.match(line)
    return f"write `{match.group(1)}: …`, a half-width colon and a space" if match else ""


def _yaml_hint(said: str) -> str:
    if "tab" in said or "\\t" in said:
        return "indent with spaces, not with tabs"
    if "mapping values are not allowed" in said:
        return "put text that holds a colon in quotes"
    return "check the indentation, the brackets and the quotes"


class _Builder:
    """Builds the tree from the parser's events, iteratively, and counts."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.nodes = 0

    def build(self, events: Iterable[Any]) -> Node | None:
        stack: list[tuple[Node, list[Node]]] = []
        root: Node | None = None
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "ScalarEvent":
                if event.anchor is not None or event.tag is not None:
                    self._refuse_marked(event)
                done = self._node(event, "text", event.value)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                if event.anchor is not None or event.tag is not None:
                    self._refuse_marked(event)
                if len(stack) >= MAX_DEPTH:
                    raise self._refuse(event, f"nested deeper than {MAX_DEPTH} levels", "make it flatter")
                stack.append((self._node(event, "map" if kind[0] == "M" else "list"), []))
                continue
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                done, children = stack.pop()
                _close(done, children)
            elif kind == "AliasEvent":
                raise self._refuse_marked(event)
            elif kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self._refuse(event, "a second document in one file", "use one file for each, without ---")
                continue
            else:
                continue
            if stack:
                stack[-1][1].append(done)
            else:
                root = done
        empty = root is None or (root.kind == "text" and not root.text)
        return None if empty else root

    def _node(self, event: Any, kind: Literal["map", "list", "text"], text: str = "") -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._refuse(event, f"more than {MAX_NODES} values", "split the file")
        mark = event.start_mark
        return Node(kind, self.file, mark.line + 1, mark.column + 1, text)

    def _refuse_marked(self, event: Any) -> PackError:
        """Raise what is wrong with an event that has an anchor or a tag, or is an alias."""
        if event.anchor is not None:
            raise self._refuse(event, "anchors and aliases (& and *) are not allowed", "quote a text that starts with & or *")
        raise self._refuse(event, "tags (!) are not allowed", "quote a text that starts with !")

    def _refuse(self, event: Any, message: str, hint: str) -> PackError:
        mark = event.start_mark
        return PackError([Problem(self.file, mark.line + 1, mark.column + 1, message, hint)])


def _close(node: Node, children: list[Node]) -> None:
    if node.kind == "list":
        node.items = tuple(children)
    else:
        node.pairs = tuple(zip(children[::2], children[1::2], strict=True))


def from_data(value: Any, file: str) -> Node:
    """The tree of plain data (dicts, lists, texts, numbers, truth values), as a stored pack holds it."""
    if isinstance(value, dict):
        pairs = tuple((Node("text", file, 1, 1, str(k)), from_data(v, file)) for k, v in value.items())
        return Node("map", file, 1, 1, pairs=pairs)
    if isinstance(value, list):
        return Node("list", file, 1, 1, items=tuple(from_data(v, file) for v in value))
    if isinstance(value, bool):
        return Node("text", file, 1, 1, "true" if value else "false")
    return Node("text", file, 1, 1, "" if value is None else str(value))
