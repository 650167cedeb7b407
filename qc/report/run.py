"""The verb `report`: tables to a folder of pages, spreadsheets and data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from qc.errors import UsageError
from qc.progress import Progress, Silent
from qc.report.csv_files import csv_files
from qc.report.folder import Folder
from qc.report.gather import gather, spoken
from qc.report.html import Pages
from qc.report.json_file import SCHEMA_FILE, json_file, schema_file
from qc.report.model import AUDIO_MODES, LANGS, Call, ReportData, ReportOptions, ReportSummary, Totals
from qc.report.parquet_files import parquet_files
from qc.report.safe import safe_name
from qc.report.sounds import bring_sounds
from qc.report.work import Work
from qc.report.xlsx import xlsx_file
from qc.store import Store


@dataclass(frozen=True)
class Job:
    """What a format works with. `work`: pages and workbooks in the making; `downloads`: (name, path) of files that formats before it made."""

    store: Store
    data: ReportData
    options: ReportOptions
    folder: Folder
    work: Work
    downloads: tuple[tuple[str, str], ...]


def _write_csv(job: Job) -> list[str]:
    return _put(job, csv_files(job.data, masked=job.options.redact))


def _write_parquet(job: Job) -> list[str]:
    return _put(job, parquet_files(job.data, masked=job.options.redact))


def _write_xlsx(job: Job) -> list[str]:
    made = _put(job, {f"report-{lang}.xlsx": job.work.workbook(lang) for lang in job.options.langs})
    if job.options.per_agent:
        for lang in job.options.langs:
            links = job.work.links(lang, "../../")
            for name, part in agent_parts(job.data):
                job.folder.write(f"data/agents/{name}-{lang}.xlsx", xlsx_file(part, lang, links))
    return made


def agent_parts(data: ReportData) -> Iterator[tuple[str, ReportData]]:
    """(file name without suffix, the report cut down to one agent) for each agent: nothing of anyone else is in it."""
    by_agent: dict[str, list[Call]] = {}
    for call in data.calls:
        by_agent.setdefault(call.agent, []).append(call)
    for row in data.agents:
        calls, counts = by_agent.get(row["id"], []), data.count("agent", row["id"])
        totals = Totals(
            calls=row["calls"],
            scored=row["scored"],
            failed=row["failed"],
            audio_ms=row["audio_ms"],
            hits=counts.hits,
            undecided=counts.undecided,
            calls_with_hits=counts.hit_calls,
            mono=sum(c.mono for c in calls),
            unlisted=0,
            duplicates=0,
        )
        part = replace(data, totals=totals, whole=row, providers=(), agents=(row,), calls=tuple(calls), columns=None)
        yield safe_name("agent", row["id"]), part


def _write_json(job: Job) -> list[str]:
    return [n for n in _put(job, {"report.json": json_file(job.data), SCHEMA_FILE: schema_file()}) if not n.endswith(SCHEMA_FILE)]


def _write_html(job: Job) -> list[str]:
    job.work.finish(job.downloads)
    return []


def _put(job: Job, files: dict[str, bytes]) -> list[str]:
    names = []
    for name, data in sorted(files.items()):
        job.folder.write(f"data/{name}", data)
        names.append(f"data/{name}")
    return names


FORMATS: dict[str, Callable[[Job], list[str]]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
    "html": _write_html,
}
"""Formats in the order they are written; each gives the names of the files to offer for download. The pages come last and
link the others, spreadsheets first. Workbooks are made by other processes meanwhile."""


def write_report(
    store: Store, out: Path, options: ReportOptions | None = None, progress: Progress | None = None
) -> ReportSummary:
    """Write the report of a store into the folder `out`.

    The folder must be new, empty or an earlier report, of which only files that are out of date are replaced. Raises
    UsageError for an unknown option, another folder, or a store that was not scored; StoreError for a disk that refuses.
    """
    options, listener = options or ReportOptions(), progress or Silent()
    _check(options)
    data = gather(store, options)
    folder = Folder(out)
    with_pages = "html" in options.formats
    sounds = bring_sounds(data, options, folder, listener, partial(spoken, store)) if with_pages else {}
    listener.start("report", data.totals.calls, data.totals.audio_ms)
    work = Work(Pages(data, options, sounds), folder, options.processes)
    downloads: list[str] = []
    try:
        work.start()
        for name, write in FORMATS.items():
            if name in options.formats:
                downloads += write(Job(store, data, options, folder, work, tuple((Path(d).name, d) for d in downloads)))
    finally:
        work.close()
    listener.advance(data.totals.calls, data.totals.audio_ms, data.totals.failed)
    listener.finish()
    files = folder.finish()
    return ReportSummary(
        index=out / "index.html" if with_pages else out,
        pages=sum(f.endswith(".html") for f in files),
        files=files,
        calls=data.totals.calls,
        failed=data.totals.failed,
        audio_problems=sum(s.problem not in ("", "none") for s in sounds.values()),
    )


def _check(options: ReportOptions) -> None:
    for where, given, known in (
        ("--lang", options.langs, LANGS),
        ("--format", options.formats, tuple(FORMATS)),
        ("--audio", (options.audio,), AUDIO_MODES),
    ):
        wrong = [g for g in given if g not in known]
        if wrong or not given:
            raise UsageError(f"unknown: {', '.join(wrong) or 'nothing given'}", where=where, hint=f"any of: {', '.join(known)}")
    if options.redact and options.audio in ("copy", "link"):
        raise UsageError(
            "whole recordings would give away what --redact masks",
            where="--audio",
            hint="use --audio clips (or --clips), or none",
        )
