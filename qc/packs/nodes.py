"""YAML (and JSON) as a bounded tree that knows its lines: what strangers write is never turned into objects.

Only maps, lists and texts exist; nothing is a number, a date or a truth value until the reader of a field says so, so
`no`, `1.0` and `12:30` stay what was written. Tags, anchors and aliases are refused: they make objects and bombs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import StringIO
from typing import Any, Literal

from qc.errors import PackError, Problem

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 200_000


@dataclass(frozen=True)
class Node:
    """A value and where it stands. `text` for a scalar, `items` for a list, `pairs` for a map (in order, keys as written)."""

    kind: Literal["map", "list", "text"]
    file: str
    line: int
    column: int
    text: str = ""
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem at this place."""
        return Problem(self.file, self.line, self.column, message, hint)


def read_yaml(data: bytes, file: str) -> Node | None:
    """The tree of one YAML document; None for an empty one. `file` is the name that problems give.

    Raises PackError for what is not YAML 1.2 in UTF-8, is larger than `MAX_FILE_BYTES`, nests deeper than `MAX_DEPTH`,
    or holds tags, anchors, aliases or a second document.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(data) > MAX_FILE_BYTES:
        raise PackError([Problem(file, 1, 1, f"the file is larger than {MAX_FILE_BYTES // 1024} KiB", "split it")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PackError([Problem(file, line, 1, "the file is not UTF-8", "save it as UTF-8 in the editor")]) from None
    try:
        return _Builder(file).build(YAML(typ="safe", pure=True).parse(StringIO(text)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = " ".join(str(error.problem or error.context or "not readable").split())
        raise PackError([Problem(file, line, column, f"not YAML: {said}", _yaml_hint(said))]) from None
    except YAMLError as error:
        said = str(error).splitlines()[0]
        raise PackError([Problem(file, 1, 1, f"not YAML: {said}", "remove characters that cannot be printed")]) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise PackError([Problem(file, 1, 1, f"not YAML: {type(error).__name__}", "check the file")]) from None


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

    def build(self, events: Any) -> Node | None:
        stack: list[tuple[Node, list[Node]]] = []
        root: Node | None = None
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self._refuse(event, "a second document in one file", "use one file for each, without ---")
            if kind == "AliasEvent" or getattr(event, "anchor", None):
                raise self._refuse(event, "anchors and aliases (& and *) are not allowed", "quote a text that starts with & or *")
            if getattr(event, "tag", None) is not None and kind.endswith(("ScalarEvent", "StartEvent")):
                raise self._refuse(event, "tags (!) are not allowed", "quote a text that starts with !")
            if kind == "ScalarEvent":
                done: Node | None = self._node(event, "text", event.value)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                if len(stack) >= MAX_DEPTH:
                    raise self._refuse(event, f"nested deeper than {MAX_DEPTH} levels", "make it flatter")
                stack.append((self._node(event, "map" if kind[0] == "M" else "list"), []))
                done = None
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                node, children = stack.pop()
                done = _close(node, children)
            else:
                continue
            if done is None:
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

    def _refuse(self, event: Any, message: str, hint: str) -> PackError:
        mark = event.start_mark
        return PackError([Problem(self.file, mark.line + 1, mark.column + 1, message, hint)])


def _close(node: Node, children: list[Node]) -> Node:
    if node.kind == "list":
        return replace(node, items=tuple(children))
    return replace(node, pairs=tuple(zip(children[::2], children[1::2], strict=True)))


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
