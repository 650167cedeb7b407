"""`qc listen`: a list of real calls to listen to, drawn by a stated plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console, options


def listen(
    store: options.StoreFolder = Path("qc-store"),
    n: Annotated[int, typer.Option("--n", min=1, max=500, help="How many calls.")] = 20,
    plan: Annotated[
        str,
        typer.Option(
            "--plan",
            help="random, stratified (providers alike), costly, undecided, best, or mixed: half of it random, the rest extreme ones.",
        ),
    ] = "mixed",
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same calls; take another one every week.")] = 1,
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the list to.")] = Path("reports/listen"),
    pack: Annotated[str | None, typer.Option("--pack", help="Pack id; needed when the store holds findings of several.")] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data in the words, and drown it out by a tone in the recordings.")
    ] = False,
    lang: options.Lang = "both",
    as_json: options.Json = False,
) -> None:
    """Write a list of real calls to listen to: recordings, findings, and how each call came to be there.

    Random and stratified calls carry their chance of having been drawn, so that what is heard may be said of all calls; the
    others were picked for being extreme, and the page says so. Opens from disk, offline.

    Example:  qc listen --n 20 --seed 47 -o reports/week-47
    """
    from qc.report.listen import ListenOptions, write_listen

    opened = options.existing_store(store)
    done = write_listen(opened, output, ListenOptions(n, plan, seed, options.langs(lang), pack, redact))
    if not console.result(done.as_dict(), as_json):
        console.out(f"{done.calls} calls; open {done.index}")
        if done.without_sound:
            console.out(f"{done.without_sound} of them without a recording; the page says why")
