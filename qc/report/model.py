"""What a report says, before any format: frozen data in plain Python, in no language. Formats only lay it out.

Times are integer milliseconds from the start of the recording; scores are points; rates are per 100 calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qc.packs import Pack, Rule

LANGS = ("zh", "en")
AUDIO_MODES = ("auto", "copy", "link", "none")
SEEK_BEFORE_MS = 2_000


@dataclass(frozen=True)
class ReportOptions:
    """How to write a report.

    `langs`: of `LANGS`, the first opens where a reader's language is unknown. `formats`: of `qc.report.FORMATS`. `audio`:
    of `AUDIO_MODES`. `pack`: pack id, needed where the store holds several. `calls_per_agent`: the most calls with findings
    that an agent's page quotes (the lowest scores first); the page says how many there are more, the other formats have all.
    """

    langs: tuple[str, ...] = LANGS
    formats: tuple[str, ...] = ("html", "xlsx", "csv", "json")
    audio: str = "auto"
    pack: str | None = None
    title: str = ""
    calls_per_agent: int = 200


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
    `more`: pieces of evidence beyond those quoted.
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


@dataclass(frozen=True)
class Recording:
    """Where a call's recording lies and what it is: for the player alone, never written into a report."""

    path: str | None
    sha256: str
    container: str
    codec: str


@dataclass(frozen=True)
class Sound:
    """A recording in the report: `href` relative to the report's folder, or None and the reason (`no_file`, …)."""

    href: str | None
    problem: str = ""


@dataclass(frozen=True)
class Call:
    """One call. `status`: `ok`, `failed` (`reason` and `message` say why). `agent`: id of its row in `agents`."""

    call_id: str
    file: str
    agent: str
    agent_name: str | None
    provider: str | None
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


@dataclass(frozen=True)
class MadeWith:
    """What made the tables: distinct engines, models with digests, versions of qc, in order."""

    engines: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    versions: tuple[str, ...]


@dataclass(frozen=True)
class ReportData:
    """Everything that a report says. `pack` is None where nothing was scanned yet; then there are calls and failures only.

    `whole`, `providers`, `agents`: rows of `summaries` as dicts. `rules`: rules by id of every version of the pack in use.
    `recordings`: by call id, of calls with findings.
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
    rules: dict[str, Rule] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[Call, ...]:
        """Calls without a score, in order of reason, then id."""
        return tuple(sorted((c for c in self.calls if c.status != "ok"), key=lambda c: (c.reason, c.call_id)))

    @property
    def base(self) -> float:
        """Points that a call starts with, and the most it can have."""
        return float(self.pack.base) if self.pack else 100.0
