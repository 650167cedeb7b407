"""What a report says, before any format: frozen data in plain Python, in no language. Formats only lay it out.

Times are integer milliseconds from the start of the recording; scores are points; rates are per 100 calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qc.packs import Manual, Pack, Rule
    from qc.report.columns import Columns
    from qc.report.gather import Spoken

LANGS = ("zh", "en")
AUDIO_MODES = ("auto", "copy", "link", "clips", "none")
SEEK_BEFORE_MS = 2_000


@dataclass(frozen=True)
class ReportOptions:
    """How to write a report.

    `langs`: of `LANGS`, the first opens where a reader's language is unknown. `formats`: of `qc.report.FORMATS`. `audio`:
    of `AUDIO_MODES`. `pack`: pack id, needed where the store holds several. `calls_per_agent`: the most calls with findings
    that an agent's page quotes (the lowest scores first); the page says how many there are more, the other formats have all.
    `call_pages`: the most calls that get a page of their own, each agent's lowest score first. `tell_at_most`: a store with
    more calls has only the lowest scores of each agent told one by one; figures, CSV and Parquet always have all.
    `redact`: personal data is masked in every text, and muted in every clip.
    `per_agent`: a spreadsheet for each agent, too, with nothing of anyone else in it. `processes`: at most so many make pages,
    beside this one, which writes the other formats meanwhile; with 1 all happens here.
    """

    langs: tuple[str, ...] = LANGS
    formats: tuple[str, ...] = ("html", "xlsx", "csv", "json")
    audio: str = "auto"
    pack: str | None = None
    title: str = ""
    calls_per_agent: int = 200
    call_pages: int = 2_000
    tell_at_most: int = 20_000
    redact: bool = False
    per_agent: bool = False
    processes: int = 1


@dataclass(frozen=True)
class ReportSummary:
    """What was written. `index`: the page to open, or the folder when no pages were asked for; `files`: relative names."""

    index: Path
    pages: int
    files: tuple[str, ...]
    calls: int
    failed: int
    audio_problems: int

    def as_dict(self) -> dict[str, Any]:
        """The summary as data."""
        return {**self.__dict__, "index": str(self.index), "files": list(self.files)}


@dataclass(frozen=True)
class Line:
    """A turn of an excerpt, or (`turn` None, `role` says which) a `silence` between turns or the `window` that a rule looked at.

    `pieces`: (text, is evidence), together the words. `seek_ms`: where to play from; `marked`: it is (part of) the evidence, not its neighbour.
    """

    turn: int | None
    role: str
    start_ms: int
    end_ms: int
    pieces: tuple[tuple[str, bool], ...]
    marked: bool
    seek_ms: int
    quarantined: bool = False


@dataclass(frozen=True)
class Finding:
    """A rule's verdict on a call, with what it costs and the words it rests on.

    `worst`, `best`: points as they count in the call's score. `excerpts`: stretches of neighbouring lines in order of time.
    `more`: pieces of evidence beyond those quoted. `reviewed`: people's verdict, other than the machine's.
    """

    rule: str
    verdict: str
    severity: str
    count: int
    coverage: float | None
    why: str
    worst: float
    best: float
    evidence: tuple[dict[str, Any], ...] = ()
    excerpts: tuple[tuple[Line, ...], ...] = ()
    more: int = 0
    reviewed: bool = False


@dataclass(frozen=True)
class Recording:
    """Where a call's recording lies and what it is: for the player alone, never written into a report."""

    path: str | None
    sha256: str
    container: str
    codec: str


@dataclass(frozen=True)
class Clip:
    """A stretch of a recording as a file of its own; `href` relative to the report's folder."""

    href: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Sound:
    """A recording in the report: `href` relative to the report's folder, or its `clips`, or neither and the reason (`no_file`, …)."""

    href: str | None
    problem: str = ""
    clips: tuple[Clip, ...] = ()

    def at(self, ms: int) -> tuple[str, int] | None:
        """(file, place in it in ms) where a place of the recording can be heard; None where it cannot."""
        if self.href is not None:
            return self.href, ms
        clip = next((c for c in self.clips if c.start_ms <= ms < c.end_ms), None)
        return None if clip is None else (clip.href, ms - clip.start_ms)


@dataclass(frozen=True)
class Call:
    """One call. `status`: `ok`, `failed` (`reason` and `message` say why). `agent`: id of its row in `agents`."""

    call_id: str
    file: str
    agent: str
    agent_name: str | None
    provider: str | None
    queue: str | None
    started_at: str
    duration_ms: int | None
    warnings: tuple[str, ...]
    coverage: float | None
    status: str
    reason: str = ""
    message: str = ""
    worst: float | None = None
    best: float | None = None
    fatal: bool = False
    dimensions: tuple[dict[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    unjudged: tuple[str, ...] = ()
    """Manual items that nobody has judged yet."""

    @property
    def hits(self) -> int:
        """Rules that hit."""
        return sum(f.verdict == "hit" for f in self.findings)

    @property
    def undecided(self) -> int:
        """Rules that could not be decided."""
        return sum(f.verdict == "undecided" for f in self.findings)

    @property
    def mono(self) -> bool:
        """Both speakers are on one channel, so that roles had to be guessed."""
        return bool({"mono", "same_channels"} & set(self.warnings))


@dataclass(frozen=True)
class Totals:
    """The day in figures."""

    calls: int
    scored: int
    failed: int
    audio_ms: int
    hits: int
    undecided: int
    calls_with_hits: int
    mono: int
    unlisted: int
    duplicates: int


BINS = 20
"""Equal parts of the scale from 0 to the base, in which the spread of scores is counted."""


@dataclass(frozen=True)
class Counts:
    """What is counted over all calls of the whole, a provider or an agent.

    `bins`: scored calls by the middle of their score; `lost`: points that hits took, by rule, positive.
    """

    hits: int = 0
    hit_calls: int = 0
    undecided: int = 0
    with_findings: int = 0
    clean: int = 0
    failed: int = 0
    bins: tuple[int, ...] = ()
    lost: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeWith:
    """What made the tables: distinct engines, models with digests, versions of qc, in order."""

    engines: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    versions: tuple[str, ...]


@dataclass(frozen=True)
class ReportData:
    """Everything that a report says. `pack` is None where nothing was scanned yet; then there are calls and failures only.

    `whole`, `providers`, `agents`: rows of `summaries` as dicts. `comparisons`, `trends`, `corrected`: rows of these tables; `quality`,
    `agreement`: theirs by rule. `rules`: rules and manual items
    by id of every version of the pack in use. `calls`: the calls that are told one by one: all, or of a large store those
    that `columns.chosen` chose; `columns` has all of them. `counts`: by (kind, id) of a summary. `recordings`: by call id,
    of calls with findings that are told. `words`: turns and spans of the calls that have a page.
    """

    title: str
    pack: Pack | None
    signer: str
    versions: tuple[tuple[str, str], ...]
    made_with: MadeWith
    totals: Totals
    whole: dict[str, Any] | None
    providers: tuple[dict[str, Any], ...]
    agents: tuple[dict[str, Any], ...]
    calls: tuple[Call, ...]
    rules: dict[str, Rule | Manual] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)
    comparisons: tuple[dict[str, Any], ...] = ()
    trends: tuple[dict[str, Any], ...] = ()
    counts: dict[tuple[str, str], Counts] = field(default_factory=dict)
    quality: dict[str, dict[str, Any]] = field(default_factory=dict)
    agreement: dict[str, dict[str, Any]] = field(default_factory=dict)
    corrected: tuple[dict[str, Any], ...] = ()
    columns: Columns | None = None
    words: dict[str, Spoken] = field(default_factory=dict)

    @cached_property
    def compared(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Rows of `comparisons` by (kind, id)."""
        out: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self.comparisons:
            out.setdefault((row["kind"], row["id"]), []).append(row)
        return out

    @cached_property
    def series(self) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
        """Rows of `trends` by (kind, id, unit), in order of time."""
        out: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for row in self.trends:
            out.setdefault((row["kind"], row["id"], row["unit"]), []).append(row)
        return out

    @property
    def left_out(self) -> int:
        """Calls that are counted but not told one by one."""
        return self.totals.calls - len(self.calls)

    def count(self, kind: str, who: str) -> Counts:
        """Counts of the whole, a provider or an agent."""
        return self.counts.get((kind, who), Counts())

    @property
    def failures(self) -> tuple[Call, ...]:
        """Calls without a score, in order of reason, then id."""
        return tuple(sorted((c for c in self.calls if c.status != "ok"), key=lambda c: (c.reason, c.call_id)))

    @property
    def base(self) -> float:
        """Points that a call starts with, and the most it can have."""
        return float(self.pack.base) if self.pack else 100.0
