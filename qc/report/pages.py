"""Which pages there are and what is on them, in no language yet: `html` lays them out, `work` spreads them over processes.

A page is built, its charts are drawn with those of its neighbours, and then it is written in every language. An `Item` is what
a page is built from: small, and all that another process needs beside the figures that all pages share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from qc.report import drawings
from qc.report.charts import TIMELINE
from qc.report.coach import moments
from qc.report.drawings import Wanted
from qc.report.excerpt import whole
from qc.report.gather import Spoken, calls_with_pages
from qc.report.html import (
    MOST_CLEAN,
    MOST_FAILURES,
    Pages,
    agent_href,
    agents_lowest_first,
    call_href,
    provider_href,
    render,
    root_page,
    rule_href,
    told,
)
from qc.report.model import Call, Finding, ReportData, Sound
from qc.report.sheets import rules_by_hits
from qc.report.timeline import SILENCE_MS, timeline

if TYPE_CHECKING:
    from qc.packs import Manual, Rule

MOST_AGENTS = 300
MOST_CALLS = 1_500
MOST_PLACES = 40
MOST_RULE_AGENTS = 200
MOST_EXAMPLES = 3
MOST_ON_BOARD = 5
MOST_PERIODS = 31
_NO_SOUND = Sound(None, "none")


@dataclass(frozen=True)
class Page:
    """A page in no language: its template, its place in each language's folder, the template's values, its charts by name."""

    template: str
    here: str
    values: Mapping[str, Any]
    charts: Mapping[str, Wanted | None] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many folders below the report's it lies."""
        return 1 + self.here.count("/")


@dataclass(frozen=True)
class Item:
    """What a page is built from. `sounds`: recordings of the calls on it, by id."""

    kind: str
    about: Any
    calls: tuple[Call, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    sounds: Mapping[str, Sound] = field(default_factory=dict)


def prepare(pages: Pages) -> Pages:
    """With the calls that get a page of their own chosen."""
    return replace(pages, paged=frozenset(calls_with_pages(pages.data.calls, pages.options.call_pages)))


def shared(pages: Pages) -> Pages:
    """What every page needs, without what only some do."""
    data = replace(pages.data, calls=(), agents=(), comparisons=(), trends=(), counts={}, recordings={}, columns=None, words={})
    return replace(pages, data=data, sounds={})


def without_words(data: ReportData) -> ReportData:
    """What spreadsheets need of a report: no excerpts, no transcripts."""
    calls = tuple(
        replace(c, findings=tuple(replace(f, excerpts=()) for f in c.findings)) if c.findings else c for c in data.calls
    )
    return replace(data, calls=calls, comparisons=(), trends=(), counts={}, recordings={}, columns=None, words={})


def batches(pages: Pages, most: int) -> Iterator[list[Item]]:
    """What all pages but the overview are built from, so many at a time."""
    everything = items(pages)
    while batch := list(islice(everything, most)):
        yield batch


def made(base: Pages, batch: Sequence[Item]) -> Iterator[tuple[str, bytes]]:
    """The pages of a batch: (name relative to the report, bytes), in each language."""
    built = [_BUILDERS[item.kind](base, item) for item in batch]
    drawn = iter(drawings.draw_all([chart for page in built for chart in page.charts.values()]))
    for page in built:
        charts = {name: next(drawn) for name in page.charts}
        for lang in base.options.langs:
            yield f"{lang}/{page.here}", render(base, lang, page.template, page.here, {**page.values, **charts}).encode()


def front(pages: Pages) -> Iterator[tuple[str, bytes]]:
    """The overview, the list of calls and the page that opens the reader's language."""
    yield from made(pages, [Item("index", None), Item("calls", None)])
    yield "index.html", root_page(pages).encode()


def items(pages: Pages) -> Iterator[Item]:
    """What each page but the overview is built from."""
    data = pages.data
    by_agent: dict[str, list[Call]] = {}
    by_provider: dict[str, list[Call]] = {}
    by_rule: dict[str, list[tuple[Call, Finding]]] = {}
    for call in data.calls:
        by_agent.setdefault(call.agent, []).append(call)
        if call.status != "ok":
            by_provider.setdefault(call.provider or "", []).append(call)
        for f in call.findings:
            by_rule.setdefault(f.rule, []).append((call, f))
    for row in data.providers:
        yield _provider_item(data, row, by_provider.get(row["id"], []))
    rates = _rates_by_rule(data)
    for rule in data.rules.values():
        yield _rule_item(pages, rule, rates, by_rule.get(rule.id, []))
    for row in data.agents:
        yield _agent_item(pages, row, by_agent.get(row["id"], []))
    for call in data.calls:
        if call.call_id in pages.paged:
            said = data.words.get(call.call_id, Spoken(call.call_id))
            yield Item("call", said, (call,), sounds=_sounds(pages, (call,)))


def _sounds(pages: Pages, calls: Sequence[Call]) -> dict[str, Sound]:
    return {c.call_id: pages.sounds[c.call_id] for c in calls if c.call_id in pages.sounds}


def _of(item: Item, call_id: str) -> Sound:
    return item.sounds.get(call_id, _NO_SOUND)


# -- the overview


def _index(pages: Pages, item: Item) -> Page:
    data = pages.data
    agents = agents_lowest_first(data.agents)
    days, weeks = (data.series.get(("all", "", unit), []) for unit in ("day", "week"))
    return Page(
        "index.html",
        "index.html",
        {
            "rules": rules_by_hits(data, data.whole["rules"] if data.whole else ()),
            "agents": agents[:MOST_AGENTS],
            "more_agents": max(len(agents) - MOST_AGENTS, 0),
            "board": _board(data),
            "weeks": weeks[-MOST_PERIODS:],
            "days": days[-MOST_PERIODS:],
            "paged_calls": len(pages.paged),
            "downloads": [(name, f"../{href}") for name, href in pages.downloads],
        },
        {
            "spread": drawings.spread(data.count("all", ""), data.whole, data.base),
            "compared": drawings.side_by_side(data.providers, data.base),
            "heat": drawings.heat_map(data, [a["row"] for a in agents]),
            "lost": drawings.points_lost(data.count("all", "").lost),
            "trend": drawings.trend(days, data.base, "trend_note"),
        },
    )


def _board(data: ReportData) -> list[dict[str, Any]]:
    """Proven differences by dimension, the whole score first: `{dimension, better, worse}`, each a list of rows to show."""
    who = {("provider", s["id"]): (s, provider_href(s["id"])) for s in data.providers}
    who |= {("agent", s["id"]): (s, agent_href(s["id"])) for s in data.agents}
    out = []
    for dimension in ["", *(d.id for d in data.pack.dimensions)] if data.pack else []:
        rows = [r for r in data.comparisons if r["dimension"] == dimension and (r["kind"], r["id"]) in who]
        sides = {}
        for answer, up in (("better", True), ("worse", False)):
            proven = sorted(
                (r for r in rows if r["answer"] == answer),
                key=lambda r: (r["kind"] == "agent", -r["low"] if up else r["high"], r["id"]),
            )
            shown = []
            for kind in ("provider", "agent"):
                for r in [r for r in proven if r["kind"] == kind][:MOST_ON_BOARD]:
                    s, href = who[kind, r["id"]]
                    shown.append({**r, "name": s["name"], "href": href, "provider": s["provider"], "coverage": s["coverage"]})
            sides[answer] = shown
        out.append({"dimension": dimension, **sides})
    return out


def _calls(pages: Pages, item: Item) -> Page:
    ordered = sorted((c for c in pages.data.calls if c.findings), key=lambda c: (c.worst or 0.0, c.best or 0.0, c.call_id))
    total = pages.data.count("all", "").with_findings
    return Page("calls.html", "calls.html", {"calls": ordered[:MOST_CALLS], "total": total})


def _compared(data: ReportData, kind: str, who: str) -> list[Mapping[str, Any]]:
    """Its rows of `comparisons`, the whole score first, then in the pack's order."""
    order = {"": -1, **{d.id: i for i, d in enumerate(data.pack.dimensions)}} if data.pack else {}
    return sorted(data.compared.get((kind, who), ()), key=lambda r: order.get(r["dimension"], len(order)))


def _trends(data: ReportData, kind: str, who: str) -> dict[str, Any]:
    return {f"{unit}s": data.series.get((kind, who, unit), [])[-MOST_PERIODS:] for unit in ("day", "week")}


# -- providers


def _provider_item(data: ReportData, row: Mapping[str, Any], failed: list[Call]) -> Item:
    more = {
        "agents": [a for a in data.agents if (a["provider"] or "") == row["id"]],
        "compared": _compared(data, "provider", row["id"]),
        "counts": data.count("provider", row["id"]),
        **_trends(data, "provider", row["id"]),
    }
    return Item("provider", row, tuple(failed[:MOST_FAILURES]), more)


def _provider(pages: Pages, item: Item) -> Page:
    row, more, data = item.about, item.more, pages.data
    agents = agents_lowest_first(more["agents"])
    return Page(
        "provider.html",
        provider_href(row["id"]),
        {
            "s": row,
            "rules": rules_by_hits(data, row["rules"]),
            "agents": agents,
            "compared": more["compared"],
            "corrected": [
                {**r, "href": rule_href(r["rule"]), "title": data.rules[r["rule"]].title, "coverage": row["coverage"]}
                for r in data.corrected
                if r["id"] == row["id"] and r["rule"] in data.rules
            ],
            "days": more["days"],
            "weeks": more["weeks"],
            "failed": item.calls,
            "failed_count": more["counts"].failed,
        },
        {
            "spread": drawings.spread(more["counts"], row, data.base),
            "trend": drawings.trend(more["days"], data.base),
            "heat": drawings.heat_map(data, [a["row"] for a in agents]),
            "lost": drawings.points_lost(more["counts"].lost),
        },
    )


# -- rules


def _rates_by_rule(data: ReportData) -> dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Rates of each rule: of the providers, and of the agents whose calls it hit."""
    out: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {rule: ([], []) for rule in data.rules}
    for side, rows, href in ((0, data.providers, provider_href), (1, data.agents, agent_href)):
        for s in rows:
            where = {"href": href(s["id"]), "name": s["name"]}
            for r in s["rules"]:
                if (side == 0 or r["hits"]) and r["rule"] in out:
                    out[r["rule"]][side].append({**r, **where})
    return out


def _rule_item(
    pages: Pages,
    rule: Rule | Manual,
    rates: Mapping[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]],
    found: list[tuple[Call, Finding]],
) -> Item:
    providers, agents = rates[rule.id]
    ranked = sorted(found, key=lambda cf: (cf[1].verdict != "hit", cf[1].worst, cf[0].worst or 0.0, cf[0].call_id))[:MOST_PLACES]
    more = {
        "by_provider": sorted(providers, key=lambda r: (-(r["rate"] or 0.0), r["name"] or "", r["href"])),
        "by_agent": sorted(agents, key=lambda r: (-(r["low"] or 0.0), -r["hits"], r["href"]))[:MOST_RULE_AGENTS],
        "more_agents": max(len(agents) - MOST_RULE_AGENTS, 0),
        "more_places": max(len(found) - MOST_PLACES, 0),
    }
    calls = tuple(c for c, _ in ranked)
    return Item("rule", rule, calls, more, _sounds(pages, calls))


def _rule(pages: Pages, item: Item) -> Page:
    rule, data = item.about, pages.data
    cases = {
        kind: [c.lines for c in rule.cases if c.verdict == kind and _spoken_only(c)][:MOST_EXAMPLES] for kind in ("hit", "miss")
    }
    return Page(
        "rule.html",
        rule_href(rule.id),
        {
            **item.more,
            "rule": rule,
            "quality": data.quality.get(rule.id),
            "agreed": data.agreement.get(rule.id),
            "corrected": [
                {**r, "href": provider_href(r["id"]), "name": s["name"], "coverage": s["coverage"]}
                for s in data.providers
                for r in data.corrected
                if r["rule"] == rule.id and r["id"] == s["id"]
            ],
            "row": next((r for r in (data.whole or {}).get("rules", ()) if r["rule"] == rule.id), None),
            "places": [(c, _of(item, c.call_id), next(f for f in c.findings if f.rule == rule.id)) for c in item.calls],
            "examples": [(kind, given) for kind, given in cases.items() if given],
        },
        {"chart": drawings.rates(item.more["by_provider"])},
    )


def _spoken_only(case: Any) -> bool:
    return all(line.what in ("agent", "customer", "system", "unknown") for line in case.lines)


# -- agents


def _agent_item(pages: Pages, row: Mapping[str, Any], calls: list[Call]) -> Item:
    data = pages.data
    more = {
        "compared": _compared(data, "agent", row["id"]),
        "counts": data.count("agent", row["id"]),
        **_trends(data, "agent", row["id"]),
    }
    return Item("agent", row, tuple(calls), more, _sounds(pages, calls))


def _agent(pages: Pages, item: Item) -> Page:
    row, data, more = item.about, pages.data, item.more
    with_findings = sorted((c for c in item.calls if c.findings), key=lambda c: (c.worst or 0.0, c.best or 0.0, c.call_id))
    shown = with_findings[: pages.options.calls_per_agent]
    bad, good = moments(with_findings, data.rules)
    return Page(
        "agent.html",
        agent_href(row["id"]),
        {
            "s": row,
            "rules": rules_by_hits(data, row["rules"]),
            "quoted": [(c, _of(item, c.call_id)) for c in shown],
            "compared": more["compared"],
            "days": more["days"],
            "weeks": more["weeks"],
            "worst_moments": bad,
            "best_moments": good,
            "sounds": lambda call_id: _of(item, call_id),
            "more_calls": more["counts"].with_findings - len(shown),
            "clean": [c for c in item.calls if c.status == "ok" and not c.findings][:MOST_CLEAN],
            "failed": [c for c in item.calls if c.status != "ok"],
            "failed_count": more["counts"].failed,
            "counts": more["counts"],
        },
        {
            "lost": drawings.points_lost(more["counts"].lost),
            "trend": drawings.trend(more["days"] or more["weeks"], data.base, "side_trend_note" if more["days"] else "week_note"),
        },
    )


# -- calls


def _call(pages: Pages, item: Item) -> Page:
    call, said = item.calls[0], item.about
    told_first, _ = told(call)
    line = timeline(said.spans, said.turns, call.duration_ms, told_first)
    rows, more = whole([e for f in call.findings for e in f.evidence], said.turns, line.silences)
    return Page(
        "call.html",
        call_href(call.call_id),
        {
            "call": call,
            "sound": _of(item, call.call_id),
            "line": line,
            "rows": rows,
            "more_turns": more + said.left_out,
            "silence_s": SILENCE_MS // 1000,
            "kind": TIMELINE,
        },
        {"drawing": drawings.of_call(line)},
    )


_BUILDERS: dict[str, Callable[[Pages, Item], Page]] = {
    "index": _index,
    "calls": _calls,
    "provider": _provider,
    "rule": _rule,
    "agent": _agent,
    "call": _call,
}
