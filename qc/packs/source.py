"""A pack as it was written, before it is read: trees of its head, rules and word lists, for what rewrites packs.

A pack that stands on another, or that is sealed, has no source of its own here: it is taken flat, and that is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import PackError
from qc.packs.load import HEAD, LISTS, SEALED_SUFFIX, Files, load_pack
from qc.packs.model import Pack
from qc.packs.nodes import Node, from_data
from qc.packs.reader import Reader

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?")
_COMMENT = re.compile(r"^\s*#|\s#\s", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A pack's trees. `rules` and `lists` with the file (relative to the pack) that each is in; `losses`: what is not here,
    (Chinese, English)."""

    pack: Pack
    head: Node
    rules: tuple[tuple[str, Node], ...]
    lists: tuple[tuple[str, Node], ...]
    losses: tuple[tuple[str, str], ...] = ()


def read_source(path: Path) -> Source:
    """The trees of the pack at `path`, which loads. Raises as `load_pack`, and for a sealed pack as `trust.look`."""
    from qc.packs.trust import look

    if path.suffix == SEALED_SUFFIX:
        told = ("密封包：词表和所基于的包已展开写在规则里", "sealed pack: word lists and bases are written out in the rules")
        return _flat(look(path), told)
    pack = load_pack(path)
    reader = Reader()
    files = Files(path, reader)
    head = files.head()
    if head is None:
        raise PackError(reader.problems)
    if any(key.text == "extends" for key, _ in head.pairs):
        told = (
            "extends、off、change：所基于的包已展开写出，词表也展开写在规则里",
            "extends, off, change: the pack that it builds on is written out, and so are word lists",
        )
        return _flat(pack, told)
    inline = {key.text: value for key, value in head.pairs}
    own = inline["rules"].items if "rules" in inline and inline["rules"].kind == "list" else ()
    rules = [(HEAD, node) for node in own] + [(Path(node.file).name, node) for node in files.rules()]
    lists = [(name, node) for _, name, node in files.lists()]
    lists += [(key.text, value) for key, value in inline["lists"].pairs] if "lists" in inline else []
    return Source(pack, _bare(head), tuple(rules), tuple(lists), _losses(path, files))


def _bare(head: Node) -> Node:
    pairs = tuple(pair for pair in head.pairs if pair[0].text not in ("rules", "lists"))
    return Node("map", head.file, head.line, head.column, pairs=pairs)


def _flat(pack: Pack, told: tuple[str, str]) -> Source:
    tree = from_data(json.loads(pack.flat), f"{pack.id} {pack.version}")
    rules = next(value for key, value in tree.pairs if key.text == "rules")
    return Source(pack, _bare(tree), tuple(("rules.yaml", node) for node in rules.items), (), (told,))


def _losses(path: Path, files: Files) -> tuple[tuple[str, str], ...]:
    losses = []
    comments = 0
    listed = [path] if path.is_file() else [*path.glob("*.y*ml"), *(path / LISTS).glob("*.y*ml"), *(path / LISTS).glob("*.txt")]
    for file in listed:
        comments += len(_COMMENT.findall(file.read_text(encoding="utf-8-sig", errors="replace")))
    if comments:
        losses.append((f"{comments} 处注释（# 后面的话）", f"{comments} comments (what stands after a #)"))
    beside = sorted(f.name for f in path.iterdir() if f.is_file() and f.suffix in (".md", ".txt", "")) if path.is_dir() else []
    if beside:
        names = ", ".join(beside)
        losses.append((f"旁边的文件：{names}", f"the files beside it: {names}"))
    return tuple(losses)


def plain(node: Node) -> Any:
    """A tree as plain data. Numbers and truth values that are written in one way only become such; the rest stays text."""
    if node.kind == "map":
        return {key.text: plain(value) for key, value in node.pairs}
    if node.kind == "list":
        return [plain(item) for item in node.items]
    if node.text in ("true", "false"):
        return node.text == "true"
    match = _NUMBER.fullmatch(node.text)
    if match is None or node.text == "-0":
        return node.text
    number = float(node.text) if match[2] else int(node.text)
    return number if str(number) == node.text else node.text


def files_of(head: Node, rules: Sequence[tuple[str, Node]], lists: Sequence[tuple[str, Node]]) -> dict[str, str]:
    """The files of a pack's folder: name to YAML. `rules` with the file that each is in, `lists` with their names."""
    inline = [plain(node) for file, node in rules if file == HEAD]
    top = plain(head) | ({"rules": inline} if inline else {})
    files = {HEAD: dump_yaml(top)}
    for name in dict.fromkeys(file for file, _ in rules if file != HEAD):
        files[name] = "\n".join(dump_yaml([plain(node)]) for file, node in rules if file == name)
    return files | {f"{LISTS}/{name}.yaml": dump_yaml(plain(node)) for name, node in lists}


def dump_yaml(value: Any, *, flow: bool = False) -> str:
    """Plain data as YAML that `read_yaml` reads back; `flow`: in braces on one line."""
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):
        """Texts of several lines as blocks, nothing by reference."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _text)
    options: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": 1_000_000}
    text: str = yaml.dump(value, Dumper=Dumper, default_flow_style=flow, **options)
    return text.removesuffix("\n...\n").removesuffix("\n") + "\n"


def _text(dumper: Any, text: str) -> Any:
    block = "\n" in text and text == "\n".join(line.rstrip() for line in text.split("\n")) and not text[:1].isspace()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)
