"""`qc run`: recordings to pages in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, options
from qc.cli.transcribe import shown_name
from qc.errors import Exit

if TYPE_CHECKING:
    from qc.run import RunOptions, RunSummary


def run(
    sources: options.Sources,
    rules: options.Rules,
    calls: options.CallList = None,
    store: options.StoreFolder = Path("qc-store"),
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the report to.")] = Path("reports/latest"),
    model: options.Model = "turbo",
    language: options.Language = "zh",
    device: options.Device = "auto",
    mapping: options.Mapping = None,
    name_pattern: options.NamePattern = None,
    agent_channel: options.AgentChannel = "left",
    mono_role: options.MonoRole = "unknown",
    raw: options.Raw = None,
    max_hours: options.MaxHours = 6.0,
    batch: options.Batch = 0,
    engine: options.Engine = "auto",
    dtype: options.Dtype = "auto",
    packing: options.Packing = "auto",
    prompt_file: options.PromptFile = None,
    model_dir: options.ModelDir = None,
    workers: options.Workers = None,
    producers: options.Producers = None,
    lang: options.Lang = "both",
    redact: Annotated[
        bool,
        typer.Option("--redact", help="Mask personal data in the report: a tone over it in the recordings. The store keeps it."),
    ] = False,
    fail_on: options.FailOn = "",
    trust: options.TrustList = None,
    allow: options.Allow = None,
    redo: Annotated[bool, typer.Option("--redo", help="Do again what is done.")] = False,
    as_json: options.Json = False,
) -> None:
    """Transcribe, scan, score and report, in this order; each step does only what is missing.

    Run it again after a crash, a Ctrl-C or new recordings, and it goes on where it was. A recording that cannot be done
    is a row that says why and a line of the report; then the exit code is 3. A sealed pack is verified before anything is
    started; one that is not trusted ends with 4.

    Example:  qc run recordings/ --calls calls.csv --rules rules/ecommerce-zh -o reports/today
    """
    from qc.calls import CallOptions
    from qc.report import ReportOptions
    from qc.run import RunOptions

    options.severity(fail_on)
    everything = RunOptions(
        calls=CallOptions(options.sources(sources), calls, options.mapping(mapping), name_pattern, skip=(store, output)),
        packs=tuple(rules),
        trust=trust,
        allow=tuple(allow or ()),
        transcribe=options.hearing(
            raw,
            max_hours,
            model=model,
            language=language,
            device=device,
            batch=batch,
            engine=engine,
            dtype=dtype,
            packing=packing,
            prompt_file=prompt_file,
            model_dir=model_dir,
            agent_channel=agent_channel,
            mono_role=mono_role,
            redo=redo,
            workers=workers,
            producers=producers,
        ),
        report_dir=output,
        report=ReportOptions(langs=options.langs(lang), redact=redact),
    )
    summary = run_interruptibly(everything, store, as_json)
    if not console.result(as_dict(summary, store), as_json):
        show(summary, store)
    if summary.failed:
        raise typer.Exit(int(Exit.FAILED_CALLS))
    if fail_on and summary.scan.hits_at_or_above(fail_on):
        raise typer.Exit(int(Exit.FINDINGS))


def run_interruptibly(everything: RunOptions, store: Path, as_json: bool) -> RunSummary:
    """Run all stages; on Ctrl-C say what is saved and how to go on, and exit."""
    from qc.run import run_all
    from qc.store import Store

    try:
        with console.progress(as_json) as progress:
            return run_all(Store(store), everything, progress)
    except KeyboardInterrupt:
        saved = Store(store).keys("transcripts").num_rows
        console.leave_interrupted(f"{saved:,} call{'s are' if saved != 1 else ' is'} saved in {store}.")


def as_dict(summary: RunSummary, store: Path) -> dict[str, Any]:
    """The run for machines."""
    heard = summary.transcribe
    return {
        "store": str(store),
        "calls": heard.calls,
        "transcribed": heard.transcribed,
        "skipped": heard.skipped,
        "failed": heard.failed,
        "failures": [{"call_id": c, "file": heard.files.get(c), "reason": r, "message": m} for c, r, m in heard.failures],
        "problems": [{"where": p.where, "message": p.message, "hint": p.hint} for p in summary.problems],
        "audio_ms": heard.audio_ms,
        "wall_s": round(heard.wall_s, 3),
        "agents": summary.agents,
        "providers": summary.providers,
        "hits": dict(summary.scan.hits),
        "undecided": summary.scan.undecided,
        "reports": [r.as_dict() for r in summary.reports],
    }


def show(summary: RunSummary, store: Path) -> None:
    """The run for people: a table, the failures, the page to open."""
    heard, found = summary.transcribe, summary.scan
    for problem in summary.problems:
        console.say(str(problem))
    speed = f"{heard.audio_ms / 1000 / heard.wall_s:,.1f} ×" if heard.transcribed and heard.wall_s else "–"
    hits = ", ".join(f"{found.hits[s]:,} {s}" for s in reversed(options.SEVERITIES) if found.hits[s])
    rows = [
        ("calls", f"{heard.calls:,}", f"{heard.transcribed:,} transcribed now, {heard.skipped:,} already done"),
        ("agents", f"{summary.agents:,}", ""),
        ("providers", f"{summary.providers:,}", ""),
        ("findings", f"{sum(found.hits.values()):,}", hits),
        ("undecided", f"{found.undecided:,}", "not heard well enough to say; never a mark against the agent"),
        ("failures", f"{heard.failed_calls:,}", ", ".join(f"{n} {reason}" for reason, n in heard.failed.items())),
        ("speed", speed, f"real time, over {console.hours(heard.audio_ms)} of audio"),
    ]
    console.table("", ("", "", ""), rows, right=(1,))
    for call_id, reason, message in heard.failures[:20]:
        console.say(f"failed: {shown_name(call_id, heard.files)}: {reason}: {message}")
    if len(heard.failures) > 20:
        console.say(f"… and {len(heard.failures) - 20:,} more: qc store info --store {store}")
    console.out(f"tables: {store}")
    for report in summary.reports:
        console.out(f"open:   {report.index}")
