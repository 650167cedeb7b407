"""A pack from a folder (pack.yaml, rules in *.yaml beside it, word lists in lists/) or from one YAML file.

All problems are told at once, in file order, by the names that the author knows: paths inside the pack.
"""

from __future__ import annotations

from pathlib import Path

from qc.errors import PackError, Problem, UntrustedPackError
from qc.packs.model import Pack
from qc.packs.nodes import MAX_FILE_BYTES, Node, read_yaml
from qc.packs.parse import read_pack
from qc.packs.reader import Reader

MAX_FILES = 500
HEAD = "pack.yaml"
SEALED_SUFFIX = ".qcpack"


def load_pack(path: Path | str) -> Pack:
    """The pack at `path`.

    Raises PackError with every problem found, UntrustedPackError for a sealed pack (`.qcpack`).
    """
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
    files = _Files(path, reader)
    head = files.head()
    if head is None:
        raise PackError(reader.problems)
    pack = read_pack(reader, head, files.rules(), files.lists())
    if reader.problems:
        raise PackError(sorted(set(reader.problems)))
    return pack


class _Files:
    """The files of a pack, read within bounds."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.single = path.is_file()
        self.folder = path.parent if self.single else path
        self.head_name = path.name if self.single else HEAD
        self.shown = str(path.parent if self.single else path)
        self.reader = reader

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
        """Word lists: the file's name without suffix is the list's name."""
        found = []
        for file in self._yaml_files(self.folder / "lists"):
            node = self._tree(file, f"lists/{file.name}")
            if node is not None:
                found.append((node, file.stem, node))
        return found

    def _yaml_files(self, folder: Path) -> list[Path]:
        if self.single or not folder.is_dir():
            return []
        files = sorted(f for f in folder.iterdir() if f.suffix in (".yaml", ".yml") and not f.name.startswith("."))
        if len(files) > MAX_FILES:
            self.reader.problems.append(
                Problem(self._name(folder.name), 1, 1, f"more than {MAX_FILES} files", "put rules together")
            )
        return files[:MAX_FILES]

    def _name(self, relative: str) -> str:
        return f"{self.shown}/{relative}"

    def _tree(self, file: Path, relative: str) -> Node | None:
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
        try:
            return read_yaml(data, name)
        except PackError as error:
            self.reader.problems.extend(error.problems)
            return None
