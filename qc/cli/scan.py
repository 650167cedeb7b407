"""`qc scan`: transcripts and rule packs to findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qc.cli import console, options
from qc.errors import Exit, StoreError, UsageError

if TYPE_CHECKING:
    from qc.packs import TrustedPack
    from qc.scan import ScanSummary


def scan(
    rules: options.Rules,
    store: Annotated[Path, typer.Option("--store", help="The store's folder.")] = Path("qc-store"),
    fail_on: Annotated[
        str,
        typer.Option("--fail-on", help="Exit with 1 when there are hits of this severity or above: low, medium, high, critical."),
    ] = "",
    trust: options.TrustList = None,
    allow: options.Allow = None,
    explain: Annotated[
        str,
        typer.Option("--explain", help="Say why rules did, did not, or could not hit this call (its id); nothing is written."),
    ] = "",
    rule: Annotated[list[str] | None, typer.Option("--rule", help="With --explain: this rule; repeat it for several.")] = None,
    redact: options.Redact = False,
    redo: Annotated[bool, typer.Option("--redo", help="Scan again what was scanned with the same pack.")] = False,
    processes: Annotated[
        int, typer.Option("--processes", min=0, max=256, help="Processes that scan; 0: as many as there are cores to use.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Scan the transcripts of a store with rule packs; every call gets a row in findings.

    A call already scanned with the same pack is skipped, so a second run does only what is new. Where the pack changed,
    the verdicts of rules that did not are taken over, and it says how many. A rule that could not be decided, because part of the speech was not heard, is counted as undecided, never as a hit.

    A sealed pack is verified against the list of trusted keys before anything is scanned; every row says who signed it.

    With --explain one call is looked at and nothing is written: each rule's conditions as a tree with their verdicts, and
    the nearest miss: words outside the window or by the other side, words that only sound alike, a silence too short.

    Exit codes: 0 done, 1 hits at or above --fail-on, 2 the pack or the command line is wrong, 3 some calls failed (each
    is a row that says why; this comes before 1), 4 a pack is not trusted.

    Example:  qc scan --rules rules/ecommerce-zh --store qc-store --explain c001 --rule promise-without-time

    Example:  qc scan --rules rules/ecommerce-zh --store qc-store --fail-on high
    """
    from qc.scan.ahead import get_ready_for
    from qc.store import Store

    options.severity(fail_on)
    opened = Store(store)
    if processes != 1 and not explain:
        get_ready_for(store)
    from qc.packs import trust_pack
    from qc.scan import ScanOptions, cores
    from qc.scan import scan as run

    packs = [trust_pack(path, trust, allow or ()) for path in rules]
    if not opened.parts("transcripts"):
        raise StoreError(
            "there are no transcripts here", where=str(store), hint="run `qc transcribe` or `qc import` first", code="empty"
        )
    if explain:
        from qc.cli.explain import explain_call, show

        told = explain_call(opened, packs, explain, rule or (), redact=redact)
        if not console.result(told, as_json):
            show(told, every=bool(rule))
        return
    if rule or redact:
        raise UsageError("--rule and --redact go with --explain", hint="give the id of a call with --explain")
    with console.progress(as_json) as progress:
        summary = run(opened, packs, ScanOptions(redo=redo, processes=processes or cores()), progress)
    _print(summary, packs, store, as_json)
    raise typer.Exit(int(_exit(summary, fail_on)))


def _exit(summary: ScanSummary, fail_on: str) -> Exit:
    if summary.failed:
        return Exit.FAILED_CALLS
    return Exit.FINDINGS if fail_on and summary.hits_at_or_above(fail_on) else Exit.OK


def _print(summary: ScanSummary, packs: list[TrustedPack], store: Path, as_json: bool) -> None:
    listed = [
        {"id": t.pack.id, "version": t.pack.version, "sha256": t.pack.sha256, "signer": t.signer, "rules": len(t.pack.rules)}
        for t in packs
    ]
    value = {
        "store": str(store),
        "packs": listed,
        "calls": summary.calls,
        "scanned": summary.scanned,
        "skipped": summary.skipped,
        "failed": summary.failed,
        "failures": dict(summary.failures),
        "hits": dict(summary.hits),
        "undecided": summary.undecided,
        "evaluated": summary.evaluated,
        "reused": summary.reused,
    }
    if console.result(value, as_json):
        return
    for trusted in packs:
        pack, signer = trusted.pack, "" if trusted.signer == "local" else f", signer: {trusted.signer}"
        console.out(f"{pack.id} {pack.version}, {len(pack.rules)} rules, sha256 {pack.sha256[:16]}{signer}")
    console.out(
        f"{summary.calls:,} calls: {summary.scanned:,} scanned now, {summary.skipped:,} already done, {summary.failed:,} failed"
    )
    if summary.reused:
        pairs = summary.evaluated + summary.reused
        console.out(
            f"taken over, because neither rule nor transcript changed: {summary.reused:,} of {pairs:,} verdicts "
            f"({100 * summary.reused / pairs:.1f} %)"
        )
    hits = ", ".join(f"{summary.hits[s]:,} {s}" for s in reversed(options.SEVERITIES))
    console.out(f"hits: {hits}; undecided: {summary.undecided:,}")
    for reason, count in summary.failures.items():
        console.out(f"failed: {count:,} × {reason}")
    console.out(f"next: qc score --store {store}")
