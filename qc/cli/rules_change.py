"""`qc rules impact`: what a change of rules does to stored calls, before it is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qc.cli import console, options
from qc.errors import Exit, UsageError

if TYPE_CHECKING:
    from qc.changes.impact import GroupShift, Impact

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def impact(
    old: Annotated[Path, typer.Argument(help="The pack as it is: a folder, or a sealed pack.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The pack as it would be.", show_default=False)],
    store: Annotated[Path, typer.Option("--store", help="The store with the transcripts.")] = Path("qc-store"),
    html: Annotated[Path | None, typer.Option("--html", help="Write a page too.")] = None,
    lang: options.Lang = "both",
    max_shift: Annotated[
        float | None,
        typer.Option(
            "--max-shift", min=0, help="Exit with 1 when a provider's, an agent's or the whole mean score moves by more points."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Show so many of the calls that change most.")] = 20,
    redact: Annotated[bool, typer.Option("--redact", help="Mask personal data in what was said.")] = False,
    trust: options.TrustList = None,
    allow: options.Allow = None,
    as_json: _Json = False,
) -> None:
    """Say what a change of rules does to stored calls: whose verdicts and scores change, by how much, with the evidence.

    Both packs are run over the store's transcripts; the store is not changed. Agents and providers with fewer than 5 scored
    calls do not count for --max-shift.

    Example:  qc rules impact acme-1.1.0.qcpack rules/acme --store qc-store --html impact.html --max-shift 2
    """
    from qc.changes.impact import ImpactOptions
    from qc.changes.impact import impact as compare
    from qc.changes.page import page
    from qc.packs import trust_pack
    from qc.store import atomic_write

    langs = options.langs(lang)
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise UsageError("a page's name ends in .html", where=str(html), hint=f"--html {html.stem or 'impact'}.html")
    packs = [trust_pack(path, trust, allow or ()) for path in (old, new)]
    opened = options.existing_store(store)
    with console.progress(as_json) as progress:
        found = compare(opened, packs[0], packs[1], progress, ImpactOptions(top, redact))
    if html is not None:
        atomic_write(html, page(found, langs).encode())
    over = max_shift is not None and found.max_shift > max_shift
    if not console.result(found.as_dict() | {"page": str(html or ""), "over_max_shift": over}, as_json):
        _print(found)
        if html is not None:
            console.out(f"open:   {html}")
        if over:
            console.out(f"a mean score moves by {found.max_shift:.2f} points, more than --max-shift {max_shift:g}")
    raise typer.Exit(int(Exit.FINDINGS if over else Exit.OK))


def _print(found: Impact) -> None:
    from qc.changes.page import span

    console.out(
        f"{found.old['id']} {found.old['version']} → {found.new['id']} {found.new['version']}: {console.several(len(found.changes), 'change')}"
    )
    for sentence in found.changes[:40]:
        console.out(f"  {sentence['en']}")
    if len(found.changes) > 40:
        console.out(f"  and {len(found.changes) - 40} more: qc rules diff")
    console.out(
        f"{console.several(found.calls, 'call')}: {found.verdicts_changed:,} with other verdicts, {found.scores_changed:,} with another score, "
        f"{found.failed:,} without one"
    )
    if found.rules:
        rows = [(r.rule, r.hits_before, r.hits_after, r.new_hits or "", r.lost_hits or "", r.other or "") for r in found.rules]
        columns = ["rule", "hits before", "after", "new", "lost", "other"]
        console.table("Rules whose verdicts change", columns, rows, right=(1, 2, 3, 4, 5))
    _groups("Providers", [found.whole, *found.providers])
    _groups("Agents, the largest shifts first", [g for g in found.agents if g.changed][:20])
    for call in found.most_changed:
        console.out(
            f"{call.call_id} ({call.agent or 'unassigned'}): {span(call.before)} → {span(call.after)} ({call.shift:+.1f})"
        )
        for verdict in call.verdicts:
            quotes = "".join(f" «{quote}»" for quote in verdict.quotes)
            console.out(f"    {verdict.rule}: {verdict.was} → {verdict.now}{quotes}")


def _groups(title: str, groups: list[GroupShift]) -> None:
    from qc.changes.page import span

    if not groups:
        return
    rows = [
        (
            "all" if g.kind == "all" else g.name or "unassigned",
            f"{g.scored:,}",
            f"{g.changed:,}",
            span(g.before),
            span(g.after),
            "–" if g.shift is None else f"{g.shift:+.2f}",
        )
        for g in groups
    ]
    console.table(title, ["name", "scored", "changed", "before", "after", "shift"], rows, right=(1, 2, 3, 4, 5))


VERBS: dict[str, Callable[..., None]] = {"impact": impact}
"""Commands of `qc rules`, by name."""
