"""When who spoke in a call, when nobody did, when both did, and where the findings lie: what the call's chart is drawn from.

Speech is the detected speech of the transcript's spans; a transcript without spans has its turns in their place. Silence
is a stretch of at least `SILENCE_MS` in which nobody was detected to speak; overlap one of at least `OVERLAP_MS` in which
agent and customer both were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qc.report.model import Finding

SILENCE_MS = 3_000
OVERLAP_MS = 300
_ROLES = ("agent", "customer", "system", "unknown")

Stretch = tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """Where a finding's evidence lies: `number` is the finding's place in the list on the page, from 1."""

    number: int
    start_ms: int
    end_ms: int
    hit: bool


@dataclass(frozen=True)
class Timeline:
    """Stretches in milliseconds, in order of time. `lanes`: roles that are there; agent and customer always."""

    duration_ms: int
    lanes: tuple[str, ...]
    heard: Mapping[str, tuple[Stretch, ...]]
    unheard: Mapping[str, tuple[Stretch, ...]]
    silences: tuple[Stretch, ...]
    overlaps: tuple[Stretch, ...]
    marks: tuple[Mark, ...]


def timeline(
    spans: Sequence[Mapping[str, Any]], turns: Sequence[Mapping[str, Any]], duration_ms: int | None, findings: Sequence[Finding]
) -> Timeline:
    """A call's timeline from its spans, turns (rows of `transcripts`), duration and findings in the page's order."""
    source = spans or turns
    end = max([int(s["end_ms"]) for s in source] + [duration_ms or 0])
    by_role: dict[str, dict[bool, list[Stretch]]] = {}
    for s in source:
        role = s["role"] if s["role"] in _ROLES else "unknown"
        clear = s["heard"] is not False if "heard" in s else not s["flags"]
        by_role.setdefault(role, {True: [], False: []})[clear].append((int(s["start_ms"]), int(s["end_ms"])))
    lanes = tuple(r for r in _ROLES if r in by_role or r in ("agent", "customer"))
    heard = {r: merge(by_role.get(r, {}).get(True, ())) for r in lanes}
    unheard = {r: merge(by_role.get(r, {}).get(False, ())) for r in lanes}
    speaking = {r: merge([*heard[r], *unheard[r]]) for r in lanes}
    everyone = merge(s for r in lanes for s in speaking[r])
    return Timeline(
        duration_ms=end,
        lanes=lanes,
        heard=heard,
        unheard=unheard,
        silences=tuple(s for s in _between(everyone, end) if s[1] - s[0] >= SILENCE_MS),
        overlaps=tuple(s for s in _both(speaking["agent"], speaking["customer"]) if s[1] - s[0] >= OVERLAP_MS),
        marks=tuple(
            Mark(n, int(e["start_ms"]), int(e["end_ms"]), f.verdict == "hit")
            for n, f in enumerate(findings, start=1)
            for e in f.evidence
        ),
    )


def merge(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Stretches that touch become one."""
    out: list[Stretch] = []
    for start, end in sorted(stretches):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        elif end > start:
            out.append((start, end))
    return tuple(out)


def _between(stretches: Sequence[Stretch], end: int) -> list[Stretch]:
    """What lies between merged stretches, from 0 to `end`."""
    edges = [0, *(e for s in stretches for e in s), end]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def _both(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    """Where both of two merged lists are, in one walk."""
    out, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            out.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return out
