"""The house stands: imports point one way, only some rooms import some libraries, only `cli` prints."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

QC = Path(__file__).parent.parent / "qc"
LEVEL = {
    "errors": 0, "progress": 0, "machine": 0, "version": 0, "tables": 1, "digests": 1, "store": 2, "text": 3, "audio": 3, "packs": 4,
    "calls": 5, "transcribe": 5, "scan": 5, "score": 5, "report": 5, "run": 6, "search": 6, "review": 6, "conformance": 6, "changes": 6,
    "cli": 7, "__main__": 8, "__init__": 8,
}  # fmt: skip
STAGES = {"calls", "transcribe", "scan", "score", "report"}
MODEL_LIBRARIES = {"torch", "whisper", "silero_vad", "safetensors", "faster_whisper"}
HEAVY = {
    *MODEL_LIBRARIES,
    "pyarrow",
    "polars",
    "numpy",
    "jinja2",
    "xlsxwriter",
    "openpyxl",
    "re2",
    "ahocorasick_rs",
    "opencc",
    "av",
    "ruamel",
    "numba",
    "yaml",
    "cryptography",
}
FILES = sorted(QC.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(QC).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative imports hide which room they come from"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(QC).as_posix())
def test_imports_point_up_the_page_only(path: Path) -> None:
    here = room(path)
    assert here in LEVEL, f"{here} is not a room of the house (docs/architecture.md)"
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if not name.startswith("qc."):
            continue
        there = name.split(".")[1]
        assert there == here or LEVEL[there] < LEVEL[here] or {here, there} <= {"text", "audio", "errors", "progress"}, (
            f"{here} imports {there}"
        )
        assert not ({here, there} <= STAGES and here != there), f"stage {here} imports stage {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(QC).as_posix())
def test_model_libraries_stay_in_transcribe(path: Path) -> None:
    if room(path) == "transcribe" or path.name == "doctor.py":
        return
    used = {name.split(".")[0] for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    assert not used & MODEL_LIBRARIES


@pytest.mark.parametrize("path", [p for p in FILES if room(p) != "cli"], ids=lambda p: p.relative_to(QC).as_posix())
def test_only_the_command_line_prints(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "cli"], ids=lambda p: p.name)
def test_verbs_import_heavy_libraries_inside_their_functions(path: Path) -> None:
    top = [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.Import | ast.ImportFrom)]
    for node in top:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        assert not {n.split(".")[0] for n in names} & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(QC).as_posix())
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_drawers_for_odds_and_ends() -> None:
    assert not [p for p in FILES if p.stem in ("utils", "util", "common", "helpers", "misc", "manager")]


def test_the_public_names_are_these() -> None:
    import qc

    assert qc.__all__ == ["__version__"]
