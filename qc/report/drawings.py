"""Which figures go into which chart: from the report's data to the panels of `charts`, still in no language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from qc.report import charts
from qc.report.charts import Drawing, Kind, Panel, name_of, slot
from qc.report.model import Counts, ReportData
from qc.report.timeline import Timeline
from qc.report.words import Words

MOST_COLUMNS = 24
MOST_RULES = 15
MOST_ROWS = 30
MOST_PERIODS = 62
_WORDS = {
    **{word: word for word in ("score", "rate", "pareto_axis", "unassigned", "unassigned_agent")},
    "gaps": "lane_gaps",
    "marks": "lane_marks",
}
_ROLES = ("agent", "customer", "system", "unknown")


@dataclass(frozen=True)
class Wanted:
    """A chart to be drawn. `label`: key of the words that tell what it shows; `rules`: whose titles stand in slots `r0`, `r1`, …"""

    kind: Kind
    panel: Panel
    label: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A drawn chart, for a page in any language."""

    drawing: Drawing
    label: str
    rules: tuple[str, ...] = ()

    def shown(self, t: Words, data: ReportData) -> Markup:
        """The chart in the reader's words."""
        titles = {f"r{i}": name_of(t.text(data.rules[rule].title, rule), 24) for i, rule in enumerate(self.rules)}
        roles = {role: t.named("role", role) for role in _ROLES}
        return self.drawing.shown(t(self.label), {**{s: t(word) for s, word in _WORDS.items()}, **roles, **titles})


def draw_all(wanted: Sequence[Wanted | None]) -> list[Chart | None]:
    """Draw charts, those of a kind together; None stays None."""
    out: list[Chart | None] = [None] * len(wanted)
    by_kind: dict[Kind, list[tuple[int, Wanted]]] = {}
    for place, chart in enumerate(wanted):
        if chart is not None:
            by_kind.setdefault(chart.kind, []).append((place, chart))
    for kind, group in by_kind.items():
        for (place, chart), drawing in zip(group, charts.draw(kind, [c.panel for _, c in group]), strict=True):
            out[place] = Chart(drawing, chart.label, chart.rules)
    return out


def spread(counts: Counts, summary: Mapping[str, Any] | None, base: float) -> Wanted | None:
    """How the calls' scores are spread; None where no call has one."""
    if not sum(counts.bins) or summary is None or summary["mean_worst"] is None or base <= 0:
        return None
    panel = charts.distribution(counts.bins, base, (summary["mean_worst"], summary["mean_best"]))
    return Wanted(charts.DISTRIBUTION, panel, "distribution_note")


def side_by_side(rows: Sequence[Mapping[str, Any]], base: float) -> Wanted | None:
    """Providers with their means and intervals, the best first; None where there are fewer than two."""
    known = sorted(
        (r for r in rows if r["mean_worst"] is not None), key=lambda r: (-(r["mean_worst"] + r["mean_best"]), r["id"])
    )[:MOST_ROWS]
    if len(known) < 2:
        return None
    values = [
        {
            "name": name_of(r["name"]) if r["name"] else slot("unassigned"),
            "worst": r["mean_worst"],
            "best": r["mean_best"],
            "low": r["low"],
            "high": r["high"],
        }
        for r in known
    ]
    low = min(v["worst"] if v["low"] is None else v["low"] for v in values)
    return Wanted(charts.INTERVALS, charts.intervals(values, (max(low - 1, 0), base), "score"), "side_by_side_note")


def rates(rows: Sequence[Mapping[str, Any]]) -> Wanted | None:
    """A rule's rate by provider with its intervals, the highest first; None where there are fewer than two."""
    known = sorted((r for r in rows if r["rate"] is not None), key=lambda r: (-r["rate"], r["name"] or ""))[:MOST_ROWS]
    if len(known) < 2:
        return None
    values = [
        {
            "name": name_of(r["name"]) if r["name"] else slot("unassigned"),
            "worst": r["rate"],
            "best": r["rate"],
            "low": r["low"],
            "high": r["high"],
        }
        for r in known
    ]
    most = max(v["high"] for v in values)
    return Wanted(charts.INTERVALS, charts.intervals(values, (0, most), "rate"), "rule_by_provider")


def heat_map(data: ReportData, groups: Sequence[Mapping[str, Any]]) -> Wanted | None:
    """Rules by agents: the rules that hit most, the first agents given; None where there is nothing to compare."""
    groups = [g for g in groups if g["scored"]][:MOST_COLUMNS]
    total: dict[str, int] = {}
    for g in groups:
        for r in g["rules"]:
            total[r["rule"]] = total.get(r["rule"], 0) + r["hits"]
    order = {rule: i for i, rule in enumerate(data.rules)}
    rules = sorted((r for r, n in total.items() if n), key=lambda r: (-total[r], order[r]))[:MOST_RULES]
    if len(groups) < 2 or not rules:
        return None
    cells = []
    for column, g in enumerate(groups):
        known = {r["rule"]: r["rate"] for r in g["rules"]}
        cells += [(place, column, known.get(rule, 0.0)) for place, rule in enumerate(rules)]
    names = [name_of(g["name"]) if g["name"] else slot("unassigned") for g in groups]
    kind, panel = charts.heat(names, [slot(f"r{i}") for i in range(len(rules))], cells)
    return Wanted(kind, panel, "heat_note", tuple(rules))


def points_lost(lost: Mapping[str, float]) -> Wanted | None:
    """Points that hits took, by rule; None where none took any. A fatal hit counts with its points."""
    rows = sorted(lost.items(), key=lambda r: (-r[1], r[0]))
    if not rows:
        return None
    shown = [(slot(f"r{i}"), points) for i, (_, points) in enumerate(rows[:MOST_RULES])]
    panel = charts.pareto(shown, sum(lost.values()))
    return Wanted(charts.PARETO, panel, "pareto_note", tuple(rule for rule, _ in rows[:MOST_RULES]))


def trend(rows: Sequence[Mapping[str, Any]], base: float, label: str = "side_trend_note") -> Wanted | None:
    """Mean score by day (or week); None where there are fewer than two days with calls."""
    values = [
        {"period": r["period"], "worst": r["mean_worst"], "best": r["mean_best"], "low": r["low"], "high": r["high"]}
        for r in rows[-MOST_PERIODS:]
    ]
    return Wanted(charts.TREND, charts.trend(values, base), label) if len(values) >= 2 else None


def of_call(line: Timeline) -> Wanted:
    """A call from its first second to its last."""
    return Wanted(charts.TIMELINE, charts.timeline(line), "timeline")
