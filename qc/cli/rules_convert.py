"""`qc rules convert`: rules of other products as a pack, with a report of what could not be carried over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console
from qc.errors import UsageError


def convert(
    file: Annotated[Path, typer.Argument(help="JSON, text, CSV or XLSX with the rules or words.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write the pack to.")],
    form: Annotated[str, typer.Option("--format", help="sca, connect, miarec or words; without it the format is guessed.")] = "",
    pack_id: Annotated[str, typer.Option("--id", help="Id of the new pack; without it the folder's name.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Put it in place of the pack that the folder holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a pack of rules from elsewhere: Alibaba SCA, Amazon Connect, MiaRec queries, plain word lists.

    What cannot be said in our rule language, or only nearly, is printed and kept in CONVERSION.md beside the pack; a rule with
    such a part is left out as a whole. Each rule gets a dialogue that hits and one that does not, made from its own words and
    tried on it: put real ones in their place.

    Example:  qc rules convert sca-rules.json -o rules/from-sca
    """
    import re

    from qc.changes.convert import REPORT
    from qc.changes.convert import convert as make
    from qc.packs.folder import write_folder
    from qc.packs.importers import read_foreign

    name = pack_id or output.name.lower()
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", name):
        raise UsageError(f"{name[:80]!r} cannot be a pack's id", where="--id", hint="small letters, digits and hyphens")
    found, foreign = read_foreign(file, form)
    made = make(foreign, found, name)
    files = write_folder(output, made.files, replace=replace)
    value = {
        "format": found,
        "folder": str(output),
        "id": made.pack.id,
        "rules": len(made.pack.rules),
        "files": [str(path) for path in files],
        "losses": [{"kind": loss.kind, "where": loss.where, "what": loss.what} for loss in made.losses],
    }
    if console.result(value, as_json):
        return
    console.out(f"{output}: {console.several(len(made.pack.rules), 'rule')}, read as {found}")
    for loss in made.losses:
        console.out(f"{loss.kind}: {loss.where}: {loss.what}")
    console.out(f"the same list is in {output / REPORT}; next: qc rules test {output}")


VERBS: dict[str, Callable[..., None]] = {"convert": convert}
"""Commands of `qc rules`, by name."""
