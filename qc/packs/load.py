"""A pack from a folder (pack.yaml, rules in *.yaml beside it, word lists in lists/, also as text or spreadsheet) or one file.

All problems are told at once, in file order, by the names that the author knows: paths inside the pack.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from qc.errors import PackError, Problem, QcError, UntrustedPackError
from qc.packs.extend import MAX_DEPTH, Loaded, Origin, extend
from qc.packs.model import Pack
from qc.packs.nodes import MAX_FILE_BYTES, Node, read_lines, read_yaml
from qc.packs.parse import read_pack
from qc.packs.reader import Reader
from qc.packs.sheets import SUFFIXES, columns, item, read_sheets

MAX_FILES = 500
MAX_PACK_BYTES = 32 << 20
"""All files of a pack together."""

HEAD, LISTS = "pack.yaml", "lists"
SEALED_SUFFIX = ".qcpack"


def load_pack(path: Path | str) -> Pack:
    """The pack at `path`, with the pack that it extends (if any) under it.

    Raises PackError with every problem found, UntrustedPackError for a sealed pack (`.qcpack`).
    """
    with uncollected():
        return load_extended(path).pack


def folder_of(path: Path) -> Path:
    """The pack's folder for a file that is part of one (rules, a word list, README): what a commit hook names are files."""
    if path.suffix == SEALED_SUFFIX or not path.is_file():
        return path
    for folder in (path.parent, path.parent.parent if path.parent.name == LISTS else path.parent):
        if (folder / HEAD).is_file():
            return folder
    return path


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for garbage: a pack of 10,000 rules is a million small objects, all of them needed."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def load_extended(path: Path | str, depth: int = 0) -> Loaded:
    """The pack at `path`, and where each of its rules came from. Raises as `load_pack`."""
    path = Path(path)
    if path.suffix == SEALED_SUFFIX:
        raise UntrustedPackError(
            "this is a sealed pack: it is verified, never loaded like a folder",
            where=str(path),
            hint="look at it with `qc rules verify`",
        )
    if not path.exists():
        raise PackError([Problem(str(path), 1, 1, "there is no such pack", "give the folder that holds pack.yaml")])
    reader = Reader()
    files = Files(path, reader)
    head = files.head()
    if head is None:
        raise PackError(reader.problems)
    rules, lists = files.rules(), files.lists()
    extended = extend(reader, head, _inline(head, rules), lambda name, version, at: _base(files, name, version, at, depth))
    if extended:
        head, rules = _without_rules(extended.head), extended.rules
    elif reader.problems and any(key.text == "extends" for key, _ in head.pairs):
        raise PackError(sorted(set(reader.problems)))
    pack = read_pack(reader, head, rules, lists)
    if reader.problems:
        raise PackError(sorted(set(reader.problems)))
    origins = dict.fromkeys((rule.id for rule in pack.rules), Origin(f"{pack.id} {pack.version}"))
    return Loaded(pack, origins | extended.origins, extended.off) if extended else Loaded(pack, origins, {})


def _inline(head: Node, rules: list[Node]) -> list[Node]:
    """Rules of pack.yaml itself, then those of the other files."""
    own = next((value for key, value in head.pairs if key.text == "rules"), None)
    return [*(own.items if own is not None and own.kind == "list" else () if own is None else (own,)), *rules]


def _without_rules(head: Node) -> Node:
    return replace(head, pairs=tuple(pair for pair in head.pairs if pair[0].text != "rules"))


def _base(files: Files, name: str, version: str, at: Node, depth: int) -> Loaded | None:
    """The pack that another extends: beside it, as a folder or sealed, else among the installed ones."""
    from qc.packs.install import packs_folder

    beside = files.folder.resolve().parent
    folder, sealed = beside / name, f"{name}-{version}{SEALED_SUFFIX}"
    found: Loaded | None = None
    told = []
    try:
        if depth >= MAX_DEPTH:
            told.append(f"more than {MAX_DEPTH} packs stand on top of each other, or in a circle")
        elif (folder / HEAD).is_file():
            found = load_extended(folder, depth + 1)
        else:
            for path in (beside / sealed, packs_folder() / f"{name}{SEALED_SUFFIX}"):
                if found is None and path.is_file():
                    found = _sealed_base(path)
    except QcError as error:
        told.append(f"the pack that it extends cannot be used: {error}")
    if not told and found is None:
        told.append(f"there is no pack {name} {version}, neither beside this one nor installed")
    elif not told and found and (found.pack.id, found.pack.version) != (name, version):
        told.append(f"it extends {name} {version}, but what is here is {found.pack.id} {found.pack.version}")
    for message in told:
        hint = f"put the folder {name} or the file {sealed} beside the pack's folder, or `qc rules import` it"
        files.reader.problem(at, message, hint)
    return None if told else found


def _sealed_base(path: Path) -> Loaded:
    from qc.packs.trust import trust_sealed

    pack = trust_sealed(path).pack
    return Loaded(pack, dict.fromkeys((rule.id for rule in pack.rules), Origin(f"{pack.id} {pack.version}")), {})


class Files:
    """The files of a pack, read within bounds."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.single = path.is_file()
        self.folder = path.parent if self.single else path
        self.head_name = path.name if self.single else HEAD
        self.shown = str(path.parent if self.single else path)
        self.reader = reader
        self.bytes_left = MAX_PACK_BYTES

    def head(self) -> Node | None:
        if not self.single and not (self.folder / HEAD).is_file():
            hint = "a pack is a folder with pack.yaml in it"
            self.reader.problems.append(Problem(self._name(HEAD), 1, 1, "there is no pack.yaml", hint))
            return None
        node = self._tree(self.folder / self.head_name, self.head_name)
        if node is None and not self.reader.problems:
            self.reader.problems.append(
                Problem(self._name(self.head_name), 1, 1, "the file is empty", "begin with `id: my-pack`")
            )
        return node

    def rules(self) -> list[Node]:
        """Rules of every other YAML file in the folder, files in order of name."""
        found: list[Node] = []
        for file in self._yaml_files(self.folder):
            if file.name == HEAD:
                continue
            node = self._tree(file, file.name)
            if node is None:
                continue
            if node.kind != "list":
                self.reader.problem(node, "a file of rules must be a list", "begin each rule with `- id: …`")
                continue
            found.extend(node.items)
        return found

    def lists(self) -> list[tuple[Node, str, Node]]:
        """Word lists: a YAML or text file's name without suffix is the list's name; of a spreadsheet every column is a list,
        named by its header."""
        found = []
        for file in self._files(self.folder / LISTS, (".yaml", ".yml", ".txt", *SUFFIXES)):
            shown = f"{LISTS}/{file.name}"
            if file.suffix in SUFFIXES:
                found.extend(self._columns(file, shown))
                continue
            node = self._tree(file, shown)
            if node is not None:
                found.append((node, file.stem, node))
        return found

    def _columns(self, file: Path, shown: str) -> list[tuple[Node, str, Node]]:
        if self._data(file, shown) is None:
            return []
        found = []
        try:
            for name, words in (column for sheet in read_sheets(file, self._name(shown)) for column in columns(sheet)):
                if words:
                    found.append((name, name.text, replace(name, kind="list", text="", items=tuple(map(item, words)))))
                else:
                    said = f"the column {name.text[:40]!r} has no words"
                    self.reader.problem(name, said, "write one a cell, or remove the header")
        except PackError as error:
            self.reader.problems.extend(error.problems)
        return found

    def _yaml_files(self, folder: Path) -> list[Path]:
        return self._files(folder, (".yaml", ".yml"))

    def _files(self, folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
        if self.single or not folder.is_dir():
            return []
        files = sorted(f for f in folder.iterdir() if f.suffix in suffixes and not f.name.startswith((".", "~$")))
        if len(files) > MAX_FILES:
            self.reader.problems.append(
                Problem(self._name(folder.name), 1, 1, f"more than {MAX_FILES} files", "put rules together")
            )
        return files[:MAX_FILES]

    def _name(self, relative: str) -> str:
        return f"{self.shown}/{relative}"

    def _tree(self, file: Path, relative: str) -> Node | None:
        data = self._data(file, relative)
        if data is None:
            return None
        try:
            if file.suffix == ".txt":
                return read_lines(data, self._name(relative))
            return read_yaml(data, self._name(relative))
        except PackError as error:
            self.reader.problems.extend(error.problems)
            self.reader.unread = True
            return None

    def _data(self, file: Path, relative: str) -> bytes | None:
        """The bytes of a file that lies in the folder; None, and a problem, where that cannot be."""
        name = self._name(relative)
        try:
            if not file.resolve().is_relative_to(self.folder.resolve()):
                self.reader.problems.append(
                    Problem(name, 1, 1, "the file lies outside the pack's folder", "copy it into the pack")
                )
                return None
            if not file.is_file():
                self.reader.problems.append(Problem(name, 1, 1, "this is no file", "remove it"))
                return None
            with file.open("rb") as opened:
                data = opened.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            self.reader.problems.append(
                Problem(name, 1, 1, f"the file cannot be read: {error.strerror}", "check its permissions")
            )
            return None
        self.bytes_left -= len(data)
        if self.bytes_left < 0:
            if self.bytes_left + len(data) >= 0:
                said = f"the files of the pack hold more than {MAX_PACK_BYTES >> 20} MiB"
                self.reader.problems.append(Problem(name, 1, 1, said, "make two packs of it"))
            return None
        return data
