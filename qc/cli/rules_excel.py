"""`qc rules to-excel, from-excel`: a rule pack as a workbook that people edit, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console
from qc.errors import UsageError

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def to_excel(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack, or a sealed pack.", show_default=False)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The workbook; without it ID-VERSION.xlsx here.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="Language of headers, drop-downs and comments: zh or en.")] = "zh",
    as_json: _Json = False,
) -> None:
    """Write a pack as an Excel workbook: rules, word lists, cases, scorecard, each a sheet, with drop-downs and comments.

    `qc rules from-excel` makes the same pack of it. Conditions that have no columns of their own stand in one as YAML.
    What Excel cannot hold (comments, a base that is extended, the files beside the pack) is listed, here and on the first sheet.

    Example:  qc rules to-excel rules/ecommerce-zh -o rules.xlsx
    """
    from qc.packs.excel import workbook
    from qc.packs.source import read_source
    from qc.store import atomic_write

    if lang not in ("zh", "en"):
        raise UsageError(f"there is no language {lang!r}", where="--lang", hint="use zh or en")
    source = read_source(pack)
    output = output or Path(f"{source.pack.id}-{source.pack.version}.xlsx")
    if output.suffix.lower() != ".xlsx":
        raise UsageError("a workbook's name ends in .xlsx", where=str(output), hint=f"-o {output.stem or 'rules'}.xlsx")
    data, losses = workbook(source, lang)
    atomic_write(output, data)
    value = {
        "file": str(output),
        "id": source.pack.id,
        "version": source.pack.version,
        "sha256": source.pack.sha256,
        "rules": len(source.rules),
        "lists": len(source.lists),
        "not_held": [{"zh": zh, "en": en} for zh, en in losses],
    }
    if console.result(value, as_json):
        return
    console.out(
        f"{output}: {source.pack.id} {source.pack.version}, {console.several(len(source.rules), 'rule')}, {console.several(len(source.lists), 'word list')}"
    )
    for _, loss in losses:
        console.out(f"not in it: {loss}")


def from_excel(
    workbook: Annotated[Path, typer.Argument(help="The workbook, *.xlsx.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write the pack to.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in place of the pack that the folder holds.")] = False,
    as_json: _Json = False,
) -> None:
    """Make a pack's folder of a workbook as `qc rules to-excel` writes it. Every problem is told with its sheet and cell.

    Formulas are neither run nor accepted. Run `qc rules test` on the folder afterwards. With --replace, the rules and lists in
    the folder give way (comments in them are lost); README, licence and other files stay.

    Example:  qc rules from-excel rules.xlsx -o rules/mine
    """
    from qc.packs.excel import read_workbook
    from qc.packs.folder import write_folder

    read = read_workbook(workbook)
    files = write_folder(output, read.files, replace=replace)
    value = {
        "folder": str(output),
        "id": read.pack.id,
        "version": read.pack.version,
        "sha256": read.pack.sha256,
        "rules": len(read.pack.rules),
        "files": [str(f) for f in files],
        "sheets_not_read": list(read.unused),
    }
    if console.result(value, as_json):
        return
    console.out(
        f"{output}: {read.pack.id} {read.pack.version}, {console.several(len(read.pack.rules), 'rule')} in {console.several(len(files), 'file')}"
    )
    for sheet in read.unused:
        console.say(f"the sheet {sheet!r} is none of a pack's, and was not read")
    console.out(f"next: qc rules test {output}")


VERBS: dict[str, Callable[..., None]] = {"to-excel": to_excel, "from-excel": from_excel}
"""Commands of `qc rules`, by name."""
