"""The report as flat tables, in no language: what the CSV files and the spreadsheet both lay out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from qc.packs import SEVERITIES
from qc.report.model import Call, Finding, ReportData

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """`name`: in CSV. `word`: key of its header in `WORDS`. `kind`: how a value is written:

    `text`, `int`, `points` (one decimal), `share` (0 to 1), `hours`, `clock` (ms), `when` (ISO 8601), `flag`, or a closed list of ours: `severity`, `verdict`,
    `role`, `status`; `reason`, `remedy`, `warnings`, `why`, `title` (a pack's text in both languages), `dimension`.
    `width`: in characters.
    """

    name: str
    word: str
    kind: str = "text"
    width: int = 12


@dataclass(frozen=True)
class Sheet:
    """One table: its name (in CSV and as a key of `WORDS`), columns, rows."""

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[ReportData], Iterator[Row]]


_FIGURES = (
    Column("calls", "calls", "int", 9),
    Column("scored", "scored", "int", 9),
    Column("failed", "failed", "int", 9),
    Column("undecided", "undecided_calls", "int", 11),
    Column("unheard", "unheard", "int", 11),
    Column("unjudged", "unjudged", "int", 11),
    Column("fatal", "fatal", "int", 11),
    Column("audio_ms", "hours", "hours", 11),
    Column("coverage", "coverage", "share", 10),
    Column("level_dbfs", "audio_level", "points", 10),
    Column("mono", "mono", "int", 10),
    Column("warned", "warned", "int", 10),
    Column("mean_worst", "mean_worst", "points", 12),
    Column("mean_best", "mean_best", "points", 12),
    Column("low", "low", "points", 12),
    Column("high", "high", "points", 12),
)


def _summaries(rows: tuple[Row, ...]) -> Iterator[Row]:
    for row in rows:
        yield {**row, "agent": row["name"], "agent_id": row["id"].rpartition("/")[2].replace("%2F", "/").replace("%25", "%")}


def _who(call: Call) -> Row:
    code = call.agent.rpartition("/")[2].replace("%2F", "/").replace("%25", "%")
    return {"call_id": call.call_id, "provider": call.provider, "agent": call.agent_name, "agent_id": code}


def _calls(data: ReportData) -> Iterator[Row]:
    for c in data.calls:
        yield {
            **_who(c),
            **{k: getattr(c, k) for k in ("file", "started_at", "duration_ms", "coverage", "status", "reason", "worst", "best")},
            "fatal": c.fatal if c.status == "ok" else None,
            "hits": c.hits if c.status == "ok" else None,
            "undecided": c.undecided if c.status == "ok" else None,
            "warnings": c.warnings,
        }


def _findings(data: ReportData) -> Iterator[Row]:
    """One row a piece of evidence; a finding without any is one row, too."""
    for call in data.calls:
        for finding in call.findings:
            for piece in finding.evidence or ({},):
                yield {
                    **_who(call),
                    "started_at": call.started_at,
                    **_finding(data, finding),
                    **piece,
                    "start": piece.get("start_ms"),
                }


def _finding(data: ReportData, f: Finding) -> Row:
    rule = data.rules[f.rule]
    return {
        "rule": f.rule,
        "title": rule.title,
        "dimension": rule.dimension,
        "severity": f.severity or rule.severity,
        **{k: getattr(f, k) for k in ("verdict", "count", "why", "coverage")},
        "points_worst": f.worst,
        "points_best": f.best,
    }


def rules_by_hits(data: ReportData, rows: Iterable[Row]) -> list[Row]:
    """Rules of a summary: those that hit most first, then the graver, then those undecided most, then in the pack's order."""
    order = {rule: i for i, rule in enumerate(data.rules)}

    def key(row: Row) -> tuple[int, int, int, int]:
        return -row["hits"], -SEVERITIES.index(data.rules[row["rule"]].severity), -row["undecided"], order[row["rule"]]

    return sorted(rows, key=key)


def _rules(data: ReportData) -> Iterator[Row]:
    for row in rules_by_hits(data, data.whole["rules"] if data.whole else ()):
        rule = data.rules[row["rule"]]
        yield {**row, "title": rule.title, "severity": rule.severity, "dimension": rule.dimension}


def _failures(data: ReportData) -> Iterator[Row]:
    for c in data.failures:
        yield {**_who(c), "file": c.file, "reason": c.reason, "remedy": c.reason, "message": c.message}


_AGENT = (Column("provider", "provider", width=18), Column("agent", "agent", width=18), Column("agent_id", "agent_id", width=14))
_CALL = (Column("call_id", "call_id", width=24), *_AGENT)
_RULE = (
    Column("rule", "rule_id", width=24),
    Column("title", "rule", "title", 28),
    Column("dimension", "dimension", "dimension", 14),
    Column("severity", "severity", "severity", 11),
)

SHEETS: dict[str, Sheet] = {
    s.name: s
    for s in (
        Sheet("providers", (Column("provider", "provider", width=22), *_FIGURES), lambda d: _summaries(d.providers)),
        Sheet("agents", (*_AGENT, *_FIGURES), lambda d: _summaries(d.agents)),
        Sheet(
            "calls",
            (
                *_CALL,
                Column("file", "file", width=28),
                Column("started_at", "started_at", "when", 20),
                Column("duration_ms", "duration", "clock", 10),
                Column("coverage", "coverage", "share", 10),
                Column("status", "status", "status", 10),
                Column("reason", "reason", "reason", 20),
                Column("worst", "worst", "points", 11),
                Column("best", "best", "points", 11),
                Column("fatal", "fatal", "flag", 11),
                Column("hits", "hits", "int", 8),
                Column("undecided", "undecided", "int", 10),
                Column("warnings", "warnings", "warnings", 20),
            ),
            _calls,
        ),
        Sheet(
            "findings",
            (
                *_CALL,
                Column("started_at", "started_at", "when", 20),
                *_RULE,
                Column("verdict", "verdict", "verdict", 10),
                Column("count", "count", "int", 8),
                Column("points_worst", "points_worst", "points", 11),
                Column("points_best", "points_best", "points", 11),
                Column("role", "role_column", "role", 10),
                Column("start", "time", "clock", 9),
                Column("quote", "quote", width=48),
                Column("why", "why_undecided", "why", 30),
                Column("turn", "turn", "int", 8),
                Column("start_ms", "start_ms", "int", 11),
                Column("end_ms", "end_ms", "int", 11),
            ),
            _findings,
        ),
        Sheet(
            "rules",
            (
                *_RULE,
                Column("hits", "hit_calls", "int", 10),
                Column("calls", "decided_calls", "int", 12),
                Column("rate", "rate", "points", 12),
                Column("low", "low", "points", 12),
                Column("high", "high", "points", 12),
                Column("undecided", "undecided_calls", "int", 11),
            ),
            _rules,
        ),
        Sheet(
            "failures",
            (
                *_CALL,
                Column("file", "file", width=28),
                Column("reason", "reason", "reason", 22),
                Column("remedy", "what_to_do", "remedy", 48),
                Column("message", "detail", width=60),
            ),
            _failures,
        ),
    )
}
"""Every flat table of a report, by name."""
