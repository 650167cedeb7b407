"""`qc rules new, schema, explain`: start a pack, help an editor, read a rule aloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console
from qc.errors import UsageError

if TYPE_CHECKING:
    from rich.tree import Tree

    from qc.packs.aloud import Part

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SHOWN_CASES = 6


def new(
    folder: Annotated[Path, typer.Argument(help="Folder to make; its name becomes the pack's id.", show_default=False)],
    pack_id: Annotated[str, typer.Option("--id", help="Id of the pack, if not the folder's name.")] = "",
    title: Annotated[str, typer.Option("--title", help="Title of the pack, if not its id.")] = "",
    lang: Annotated[str, typer.Option("--lang", help="Language of what the editor shows: zh or en.")] = "en",
    as_json: _Json = False,
) -> None:
    """Start a rule pack: three rules with cases to change, a word list, and schemas so that editors help while writing.

    Example:  qc rules new my-rules --title 我的规则 --lang zh
    """
    from qc.packs.new_pack import write_new

    written = write_new(folder, pack_id, title, _lang(lang))
    if console.result({"folder": str(folder), "files": [str(path) for path in written]}, as_json):
        return
    for path in written:
        console.out(str(path))
    console.say(f"next: qc rules check {folder}; qc rules test {folder}")


def schema(
    kind: Annotated[str, typer.Argument(help="Which files: pack (pack.yaml), rules (the other *.yaml), list (lists/*.yaml).")],
    lang: Annotated[str, typer.Option("--lang", help="Language of the descriptions: zh or en.")] = "en",
) -> None:
    """Print the JSON Schema of a pack's files, for editors: keys as they are typed, and what they mean.

    `qc rules new` puts them into .schema/ and points to them; in another pack, write into the first line of a file
    `# yaml-language-server: $schema=.schema/rules.json`.

    Example:  qc rules schema rules --lang zh > .schema/rules.json
    """
    from qc.packs.reader import suggestion
    from qc.packs.schema import KINDS
    from qc.packs.schema import schema as made

    if kind not in KINDS:
        raise UsageError(f"there is no schema {kind!r}", where="KIND", hint=suggestion(kind, KINDS))
    console.emit_json(made(kind, _lang(lang)))


def explain(
    pack: Annotated[Path, typer.Argument(help="Folder of a rule pack, or a sealed pack.", show_default=False)],
    rule: Annotated[str, typer.Argument(help="Id of the rule.", show_default=False)],
    lang: Annotated[str, typer.Option("--lang", help="Language: zh or en.")] = "en",
    as_json: _Json = False,
) -> None:
    """Read a rule aloud: what it looks for, what it costs, why it is there, with its cases.

    Why it did or did not hit a call says `qc scan --explain CALL --rule RULE`.

    Example:  qc rules explain rules/ecommerce-zh promise-without-time --lang zh
    """
    from qc.packs.aloud import describe, visible
    from qc.packs.book_words import SEVERITY
    from qc.packs.cases import write_cases
    from qc.packs.readable import readable
    from qc.packs.reader import suggestion
    from qc.packs.syntax import write_condition
    from qc.packs.trust import look

    _lang(lang)
    loaded = look(pack)
    found = loaded.by_id.get(rule)
    if found is None:
        raise UsageError(f"there is no rule {rule!r}", where="RULE", hint=suggestion(rule, loaded.by_id))
    part = describe(write_condition(found.when), lang)
    cases = readable(write_cases(found.cases))
    value = {
        "rule": found.id,
        "title": found.title[lang],
        "why": found.why[lang],
        "severity": found.severity,
        "points": found.points,
        "fatal": found.fatal,
        "where": found.where,
        "when": _plain(part),
        "cases": cases,
    }
    if console.result(value, as_json):
        return
    console.out(f"{visible(found.title[lang])} ({found.id}, {SEVERITY[lang][found.severity]}, {found.points:+g})")
    console.out(visible(found.why[lang]))
    _show(part)
    for verdict, listed in cases.items():
        console.out(f"{verdict}:")
        for lines in listed[:_SHOWN_CASES]:
            console.out("  - " + " / ".join(_line(line) for line in lines))


def _line(line: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {_cells(value) if isinstance(value, Mapping) else value}" for key, value in line.items())


def _cells(cells: Mapping[str, Any]) -> str:
    """Columns of the call list, as a line of a case writes one."""
    return ", ".join(f"{column} = {cell}" for column, cell in cells.items())


def _plain(part: Part) -> dict[str, Any]:
    words = [word["text"] for word in part.words]
    return {"text": part.label, "words": words, "parts": [_plain(inner) for inner in part.parts]}


def _show(part: Part) -> None:
    import sys

    from rich.console import Console
    from rich.tree import Tree

    root = Tree(_text(part), guide_style="dim")
    _grow(root, part)
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(root)


def _grow(tree: Tree, part: Part) -> None:
    for inner in part.parts:
        _grow(tree.add(_text(inner)), inner)


def _text(part: Part) -> Any:
    from rich.text import Text

    words = ", ".join(f"/{word['text'].strip('/')}/" if word["pattern"] else word["text"] for word in part.words)
    return Text(console.clean(f"{part.label}{words}{part.more}"))


def _lang(lang: str) -> str:
    from qc.packs.model import LANGUAGES

    if lang not in LANGUAGES:
        raise UsageError(f"there is no language {lang!r}", where="--lang", hint="use zh or en")
    return lang


VERBS: dict[str, Callable[..., None]] = {"new": new, "schema": schema, "explain": explain}
