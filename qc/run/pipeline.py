"""calls → transcripts → findings → scores → report, in this order, each stage doing only what is missing.

Packs are loaded and trusted, and the model is had, before the first recording is touched, so that a typo in a rule costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qc.calls import CallOptions, join_calls, look_first, nothing_found, save_calls
from qc.errors import Problem, UsageError
from qc.packs import trust_pack
from qc.progress import Progress
from qc.report import ReportOptions, ReportSummary, write_report
from qc.scan import ScanOptions, ScanSummary, cores, scan
from qc.score import score
from qc.store import Store
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import TranscribeSummary, fetch, transcribe


@dataclass(frozen=True)
class RunOptions:
    """Everything a run needs. `packs`: folders of rule packs, or sealed packs, which are verified against the list of keys
    `trust` (None: the person's own), passing over the checks in `allow`. `report_dir`: None writes no report."""

    calls: CallOptions
    packs: tuple[Path, ...]
    trust: Path | None = None
    allow: tuple[str, ...] = ()
    transcribe: TranscribeOptions = field(default_factory=TranscribeOptions)
    report_dir: Path | None = None
    report: ReportOptions = field(default_factory=ReportOptions)


@dataclass(frozen=True)
class RunSummary:
    """What each stage did. `reports`: one per pack."""

    problems: Sequence[Problem]
    transcribe: TranscribeSummary
    scan: ScanSummary
    agents: int
    providers: int
    reports: Sequence[ReportSummary]

    @property
    def failed(self) -> bool:
        """Some call, or some line of the call list, could not be done."""
        return bool(self.problems or self.transcribe.failed)


def run_all(store: Store, options: RunOptions, progress: Progress) -> RunSummary:
    """Run every stage. Failed calls are rows; see the stages for what they raise."""
    packs = [trust_pack(path, options.trust, options.allow) for path in options.packs]
    if len({p.pack.id for p in packs}) < len(packs):
        raise UsageError(
            "two packs have the same id", where="--rules", hint="scan them into two stores, or give one of them another id"
        )
    fetch(options.transcribe, progress, lambda: look_first(options.calls))
    joined = join_calls(options.calls, progress)
    if not joined.table.num_rows:
        raise nothing_found(options.calls)
    save_calls(store, joined.table)
    heard = transcribe(store, options.transcribe, progress, joined.table)
    found = scan(store, packs, ScanOptions(redo=options.transcribe.redo, processes=cores()), progress)
    score(store, progress=progress)
    reports = []
    if options.report_dir is not None:
        for trusted in packs:
            folder = options.report_dir if len(packs) == 1 else options.report_dir / trusted.pack.id
            reports.append(write_report(store, folder, replace(options.report, pack=trusted.pack.id), progress))
    kinds = store.read("summaries", ["kind", "id"]).to_pylist()
    return RunSummary(
        problems=joined.problems,
        transcribe=heard,
        scan=found,
        agents=len({s["id"] for s in kinds if s["kind"] == "agent"}),
        providers=len({s["id"] for s in kinds if s["kind"] == "provider"}),
        reports=reports,
    )
