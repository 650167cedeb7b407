"""`qc report`: scores and findings to pages and spreadsheets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console, options


def report(
    store: Annotated[Path, typer.Option("--store", help="The store's folder.")] = Path("qc-store"),
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the report to.")] = Path("reports/latest"),
    lang: Annotated[str, typer.Option("--lang", help="zh, en or both.")] = "both",
    formats: Annotated[
        str, typer.Option("--format", help="Any of html,xlsx,csv,json,parquet, joined by commas.")
    ] = "html,xlsx,csv,json",
    pack: Annotated[str | None, typer.Option("--pack", help="Pack id; needed when the store holds findings of several.")] = None,
    audio: Annotated[
        str,
        typer.Option(
            "--audio",
            help="Recordings in the pages: copy (converted where browsers need it), link, clips, none; auto copies for up to 500 calls with findings.",
        ),
    ] = "auto",
    clips: Annotated[
        bool, typer.Option("--clips", help="Cut the seconds around the evidence into small files; the same as --audio clips.")
    ] = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data in every text, and drown it out by a tone in the clips.")
    ] = False,
    per_agent: Annotated[
        bool, typer.Option("--per-agent", help="Write a spreadsheet for each agent, too, with nothing of anyone else in it.")
    ] = False,
    call_pages: Annotated[
        int, typer.Option("--call-pages", min=0, help="The most calls with a page of their own, each agent's lowest score first.")
    ] = 2000,
    told: Annotated[
        int,
        typer.Option(
            "--told",
            min=1,
            help="The most calls told one by one in pages, workbooks and JSON; of more, each agent's lowest scores. Figures, CSV and Parquet have all.",
        ),
    ] = 20_000,
    processes: Annotated[
        int, typer.Option("--processes", min=0, max=256, help="Processes that make pages; 0: as many as there are cores to use.")
    ] = 0,
    title: Annotated[str, typer.Option("--title", help="Title of the report.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the report: pages to read and listen to, spreadsheets, data. Opens from disk, offline.

    The folder must be empty, new, or an earlier report; of an earlier report, what is out of date is replaced. Calls that
    failed are listed with the reason and what to do.

    Example:  qc report --store qc-store -o reports/today --lang both
    """
    from qc.report import ReportOptions, write_report

    opened = options.existing_store(store)
    how = ReportOptions(
        langs=options.langs(lang),
        formats=tuple(f.strip() for f in formats.split(",") if f.strip()),
        audio="clips" if clips else audio,
        redact=redact,
        per_agent=per_agent,
        call_pages=call_pages,
        tell_at_most=told,
        processes=processes or _cores(),
        pack=pack,
        title=title,
    )
    with console.progress(as_json) as listener:
        done = write_report(opened, output, how, listener)
    if not console.result(done.as_dict(), as_json):
        console.out(f"{done.pages} pages, {len(done.files)} files; open {done.index}")
        if done.audio_problems:
            console.out(f"{done.audio_problems} recordings could not be brought into the report; their pages say why")


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
