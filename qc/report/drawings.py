"""Which figures go into which chart: from the report's data to the specifications of `charts`, with the reader's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qc.report import charts
from qc.report.charts import draw
from qc.report.model import Counts, ReportData
from qc.report.words import Words

MOST_COLUMNS = 24
MOST_RULES = 15
MOST_ROWS = 30
MOST_PERIODS = 62


def spread(t: Words, counts: Counts, summary: Mapping[str, Any] | None, base: float) -> Any:
    """How the calls' scores are spread; None where no call has one."""
    if not sum(counts.bins) or summary is None or summary["mean_worst"] is None or base <= 0:
        return None
    spec = charts.distribution(counts.bins, base, (summary["mean_worst"], summary["mean_best"]))
    return draw(spec, t("distribution_note"), {"score": t("score")})


def side_by_side(t: Words, rows: Sequence[Mapping[str, Any]], base: float) -> Any:
    """Providers with their means and intervals, the best first; None where there are fewer than two."""
    known = sorted(
        (r for r in rows if r["mean_worst"] is not None), key=lambda r: (-(r["mean_worst"] + r["mean_best"]), r["id"])
    )[:MOST_ROWS]
    if len(known) < 2:
        return None
    values = [
        {
            "name": r["name"] or t("unassigned"),
            "worst": r["mean_worst"],
            "best": r["mean_best"],
            "low": r["low"],
            "high": r["high"],
        }
        for r in known
    ]
    low = min(v["worst"] if v["low"] is None else v["low"] for v in values)
    return draw(charts.intervals(values, (max(low - 1, 0), base), "score"), t("side_by_side_note"), {"score": t("score")})


def rates(t: Words, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A rule's rate by provider with its intervals, the highest first; None where there are fewer than two."""
    known = sorted((r for r in rows if r["rate"] is not None), key=lambda r: (-r["rate"], r["name"]))[:MOST_ROWS]
    if len(known) < 2:
        return None
    values = [{"name": r["name"], "worst": r["rate"], "best": r["rate"], "low": r["low"], "high": r["high"]} for r in known]
    most = max(v["high"] for v in values)
    return draw(charts.intervals(values, (0, most), "rate"), t("rule_by_provider"), {"rate": t("rate")})


def heat_map(t: Words, data: ReportData, groups: Sequence[Mapping[str, Any]]) -> Any:
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
    place = {rule: i for i, rule in enumerate(rules)}
    cells = []
    for column, g in enumerate(groups):
        rates = {r["rule"]: r["rate"] for r in g["rules"]}
        cells += [(place[rule], column, rates.get(rule, 0.0)) for rule in rules]
    names = [g["name"] or t("unassigned") for g in groups]
    titles = [t.text(data.rules[r].title, r) for r in rules]
    return draw(charts.heat(names, titles, cells), t("heat_note"))


def points_lost(t: Words, data: ReportData, lost: Mapping[str, float]) -> Any:
    """Points that hits took, by rule; None where none took any. A fatal hit counts with its points."""
    rows = sorted(lost.items(), key=lambda r: (-r[1], r[0]))
    if not rows:
        return None
    shown = [(t.text(data.rules[rule].title, rule), points) for rule, points in rows[:MOST_RULES]]
    spec = charts.pareto(shown, sum(lost.values()))
    return draw(spec, t("pareto_note"), {"pareto_axis": t("pareto_axis")})


def trend(t: Words, rows: Sequence[Mapping[str, Any]], base: float) -> Any:
    """Mean score by day; None where there are fewer than two days with calls."""
    values = [
        {"period": r["period"], "worst": r["mean_worst"], "best": r["mean_best"], "low": r["low"], "high": r["high"]}
        for r in rows[-MOST_PERIODS:]
    ]
    if len(values) < 2:
        return None
    return draw(charts.trend(values, base), t("trend_note"), {"score": t("score")})
