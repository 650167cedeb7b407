"""`qc rules diff, flat, book`: what changed between packs, a pack written out with its origins, a pack for people to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console, options
from qc.errors import Exit

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def diff(
    old: Annotated[Path, typer.Argument(help="Folder of a pack, or a sealed pack.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The other one.", show_default=False)],
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when there are changes.")] = False,
    as_json: _Json = False,
) -> None:
    """Say what changed between two packs: which rules, words, points, cases. Sealed packs are looked at, whoever signed them.

    Example:  qc rules diff ecommerce-zh-1.0.0.qcpack rules/ecommerce-zh
    """
    from qc.packs.diff import diff as compare
    from qc.packs.trust import look

    a, b = look(old), look(new)
    changes = compare(a, b)
    heads = [{"id": pack.id, "version": pack.version, "sha256": pack.sha256} for pack in (a, b)]
    if not console.result({"old": heads[0], "new": heads[1], "changes": [c.as_dict() for c in changes]}, as_json):
        for change in changes:
            console.out(change.sentence())
        console.out(f"{a.id} {a.version} → {b.id} {b.version}: {console.several(len(changes), 'change')}")
    raise typer.Exit(int(Exit.FINDINGS if exit_code and changes else Exit.OK))


def flat(
    pack: Annotated[Path, typer.Argument(help="Folder of the rule pack.", show_default=False)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file instead of printing it.")] = None,
    as_json: _Json = False,
) -> None:
    """Print a pack flat: the pack that it extends and its word lists written out, and where each rule came from.

    What is printed is YAML that loads again as the same pack.

    Example:  qc rules flat rules/ecommerce-zh
    """
    import json

    from qc.packs.load import load_extended
    from qc.packs.written import flat_yaml
    from qc.store import atomic_write

    loaded = load_extended(pack)
    origins = {
        rule: {"pack": o.pack, "changes": [{"pack": name, "keys": list(keys)} for name, keys in o.changes]}
        for rule, o in loaded.origins.items()
    }
    value = {"pack": json.loads(loaded.pack.flat), "origins": origins, "off": {r: o.pack for r, o in loaded.off.items()}}
    if console.result(value, as_json):
        return
    if output:
        atomic_write(output, flat_yaml(loaded).encode())
        console.out(
            f"{output}: {loaded.pack.id} {loaded.pack.version}, {console.several(len(loaded.pack.rules), 'rule')}, {len(loaded.off)} off"
        )
    else:
        console.out(flat_yaml(loaded).removesuffix("\n"))


def book(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack, or a sealed pack.", show_default=False)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The page; without it ID-VERSION.html here.")] = None,
    lang: options.Lang = "both",
    trusted: options.TrustList = None,
    as_json: _Json = False,
) -> None:
    """Make a rulebook to print and to train with: every rule with why, what to say and what not, points. Chinese, English.

    One HTML file that opens offline. Hidden rules are never in it. A sealed pack that is verified is shown with its signer.

    Example:  qc rules book rules/ecommerce-zh -o rulebook.html
    """
    from qc.errors import UntrustedPackError
    from qc.packs.book import book as write
    from qc.packs.trust import look, trust_pack
    from qc.store import atomic_write

    langs = options.langs(lang)
    try:
        found = trust_pack(pack, trusted)
        chosen, signer = found.pack, "" if found.signer == "local" else found.signer
    except UntrustedPackError as error:
        if error.code != "trust":
            raise
        chosen, signer = look(pack), ""
        console.say("the pack is not signed by anyone you trust; the page names no signer")
    output = output or Path(f"{chosen.id}-{chosen.version}.html")
    atomic_write(output, write(chosen, langs, signer).encode())
    hidden = sum(rule.visibility != "shown" for rule in chosen.rules)
    value = {"file": str(output), "rules": len(chosen.rules) - hidden, "hidden": hidden, "signer": signer}
    if console.result(value, as_json):
        return
    console.out(
        f"{output}: {console.several(len(chosen.rules) - hidden, 'rule')}"
        + (f", {hidden} hidden ones left out" if hidden else "")
    )


VERBS: dict[str, Callable[..., None]] = {"diff": diff, "flat": flat, "book": book}
"""Commands of `qc rules`, by name."""
