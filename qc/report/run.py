"""The verb `report`: tables to a folder of pages, spreadsheets and data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qc.errors import UsageError
from qc.progress import Progress, Silent
from qc.report.csv_files import csv_files
from qc.report.folder import Folder
from qc.report.gather import gather, spoken
from qc.report.html import Pages, write_pages
from qc.report.json_file import json_file
from qc.report.model import AUDIO_MODES, LANGS, ReportData, ReportOptions, ReportSummary, Sound
from qc.report.parquet_files import parquet_files
from qc.report.sounds import bring_sounds
from qc.report.xlsx import xlsx_file
from qc.store import Store


@dataclass(frozen=True)
class Job:
    """What a format works with. `sounds`: recordings by call id; `downloads`: (name, path) of files that formats before it made."""

    store: Store
    data: ReportData
    options: ReportOptions
    folder: Folder
    sounds: dict[str, Sound]
    downloads: tuple[tuple[str, str], ...]


def _write_csv(job: Job) -> list[str]:
    return _put(job, csv_files(job.data, masked=job.options.redact))


def _write_parquet(job: Job) -> list[str]:
    return _put(job, parquet_files(job.data, masked=job.options.redact))


def _write_xlsx(job: Job) -> list[str]:
    return _put(job, {f"report-{lang}.xlsx": xlsx_file(job.data, lang) for lang in job.options.langs})


def _write_json(job: Job) -> list[str]:
    return _put(job, {"report.json": json_file(job.data)})


def _write_html(job: Job) -> list[str]:
    write_pages(
        Pages(job.data, job.options, job.sounds, job.downloads, partial(spoken, job.store, masked=job.options.redact)),
        job.folder.write,
    )
    return []


def _put(job: Job, files: dict[str, bytes]) -> list[str]:
    names = []
    for name, data in sorted(files.items()):
        job.folder.write(f"data/{name}", data)
        names.append(f"data/{name}")
    return names


FORMATS: dict[str, Callable[[Job], list[str]]] = {
    "xlsx": _write_xlsx,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "html": _write_html,
}
"""Formats in the order they are written; each gives the names of the files to offer for download. The pages come last and
link the others."""


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
    downloads: list[str] = []
    listener.start("report", data.totals.calls, data.totals.audio_ms)
    for name, write in FORMATS.items():
        if name in options.formats:
            links = tuple((Path(d).name, d) for d in downloads)
            downloads += write(Job(store, data, options, folder, sounds, links))
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
