"""The pages: an index, the calls, a page per provider, agent, rule and call, in each language, to be opened from disk, offline.

Style and script are inside each page, allowed by their hashes in a Content-Security-Policy that allows nothing else but
the recordings. Every value goes through `visible` and through escaping, whatever the template's author forgot.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.packs import SEVERITIES, Rule
from qc.report import drawings
from qc.report.charts import TIMELINE_LEFT, TIMELINE_RIGHT, TIMELINE_WIDTH, draw
from qc.report.charts import timeline as timeline_chart
from qc.report.coach import moments
from qc.report.excerpt import whole
from qc.report.gather import Spoken, calls_with_pages
from qc.report.model import Call, Finding, ReportData, ReportOptions, Sound
from qc.report.safe import safe_name, short, visible
from qc.report.sampling import Drawn
from qc.report.sheets import rules_by_hits
from qc.report.timeline import SILENCE_MS, timeline
from qc.report.words import Words, clock, figure, percent, span, when
from qc.tables import MIN_CALLS, MIN_COMPARED
from qc.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_FAILURES = 500
MOST_CLEAN = 500
MOST_AGENTS = 300
MOST_CALLS = 1_500
MOST_PLACES = 40
MOST_RULE_AGENTS = 200
MOST_EXAMPLES = 3
MOST_ON_BOARD = 5
MOST_PERIODS = 31
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Pages:
    """What pages are made of: the data, the recordings beside them by call id, the files to offer as (name, path)."""

    data: ReportData
    options: ReportOptions
    sounds: Mapping[str, Sound]
    downloads: tuple[tuple[str, str], ...] = ()
    paged: frozenset[str] = field(default_factory=frozenset)
    """Ids of the calls that have a page."""


def write_pages(pages: Pages, write: Callable[[str, bytes], None]) -> int:
    """Write every page through `write(name relative to the report, bytes)`; how many. The root page comes last."""
    data, langs = pages.data, pages.options.langs
    with_page = calls_with_pages(data.calls, pages.options.call_pages)
    pages = replace(pages, paged=frozenset(with_page))
    by_agent: dict[str, list[Call]] = {}
    by_provider: dict[str, list[Call]] = {}
    by_rule: dict[str, list[tuple[Call, Finding]]] = {}
    for call in data.calls:
        by_agent.setdefault(call.agent, []).append(call)
        by_provider.setdefault(call.provider or "", []).append(call)
        for f in call.findings:
            by_rule.setdefault(f.rule, []).append((call, f))
    made = 0
    for lang in langs:
        write(f"{lang}/index.html", _index(pages, lang).encode())
        write(f"{lang}/calls.html", _calls(pages, lang).encode())
        for row in data.providers:
            write(f"{lang}/{provider_href(row['id'])}", _provider(pages, lang, row, by_provider.get(row["id"], [])).encode())
        for row in data.agents:
            write(f"{lang}/{agent_href(row['id'])}", _agent(pages, lang, row, by_agent.get(row["id"], [])).encode())
        for rule in data.rules.values():
            write(f"{lang}/{rule_href(rule.id)}", _rule(pages, lang, rule, by_rule.get(rule.id, [])).encode())
        made += 2 + len(data.providers) + len(data.agents) + len(data.rules)
    for call_id, call in sorted(with_page.items()):
        said = data.words.get(call_id, Spoken(call_id))
        for lang in langs:
            write(f"{lang}/{call_href(call_id)}", _call(pages, lang, call, said).encode())
            made += 1
    write("index.html", root_page(pages).encode())
    return made + 1


def call_href(call_id: str) -> str:
    """Where a call's page lies, relative to its language's folder."""
    return f"calls/{safe_name('call', call_id)}.html"


def rule_href(rule_id: str) -> str:
    """Where a rule's page lies, relative to its language's folder."""
    return f"rules/{safe_name('rule', rule_id)}.html"


def agent_href(agent_id: str) -> str:
    """Where an agent's page lies, relative to its language's folder."""
    return f"agents/{safe_name('agent', agent_id)}.html"


def provider_href(provider_id: str) -> str:
    """Where a provider's page lies, relative to its language's folder."""
    return f"providers/{safe_name('provider', provider_id)}.html"


def _index(pages: Pages, lang: str) -> str:
    data, t = pages.data, Words(lang)
    agents = _agents_lowest_first(data.agents)
    rules = rules_by_hits(data, data.whole["rules"] if data.whole else ())
    return _render(
        "index.html",
        pages,
        lang,
        here="index.html",
        rules=rules,
        agents=agents[:MOST_AGENTS],
        more_agents=max(len(agents) - MOST_AGENTS, 0),
        spread=drawings.spread(t, data.count("all", ""), data.whole, data.base),
        compared=drawings.side_by_side(t, data.providers, data.base),
        heat=drawings.heat_map(t, data, [a["row"] for a in agents]),
        lost=drawings.points_lost(t, data, data.count("all", "").lost),
        board=_board(pages, t),
        trend=drawings.trend(t, _series(data, "all", "", "day"), data.base),
        weeks=_series(data, "all", "", "week")[-MOST_PERIODS:],
        days=_series(data, "all", "", "day")[-MOST_PERIODS:],
        downloads=[(name, f"../{href}") for name, href in pages.downloads],
    )


def _series(data: ReportData, kind: str, who: str, unit: str) -> list[Mapping[str, Any]]:
    return [r for r in data.trends if (r["kind"], r["id"], r["unit"]) == (kind, who, unit)]


def _board(pages: Pages, t: Words) -> list[dict[str, Any]]:
    """Proven differences by dimension, the whole score first: `{dimension, best, worst}`, each a list of rows to show."""
    data = pages.data
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
                    name = s["name"] or t("unassigned")
                    shown.append({**r, "name": name, "href": href, "provider": s["provider"], "coverage": s["coverage"]})
            sides[answer] = shown
        out.append({"dimension": dimension, **sides})
    return out


def _compared(data: ReportData, kind: str, who: str) -> list[Mapping[str, Any]]:
    """Its rows of `comparisons`, the whole score first, then in the pack's order."""
    order = {"": -1, **{d.id: i for i, d in enumerate(data.pack.dimensions)}} if data.pack else {}
    rows = data.compared.get((kind, who), ())
    return sorted(rows, key=lambda r: order.get(r["dimension"], len(order)))


def _calls(pages: Pages, lang: str) -> str:
    ordered = sorted((c for c in pages.data.calls if c.findings), key=lambda c: (c.worst or 0.0, c.best or 0.0, c.call_id))
    return _render(
        "calls.html", pages, lang, here="calls.html", calls=ordered[:MOST_CALLS], total=pages.data.count("all", "").with_findings
    )


def _rule(pages: Pages, lang: str, rule: Rule, found: list[tuple[Call, Finding]]) -> str:
    data, t = pages.data, Words(lang)
    providers = [
        {**r, "href": provider_href(s["id"]), "name": s["name"] or t("unassigned")}
        for s in data.providers
        for r in s["rules"]
        if r["rule"] == rule.id
    ]
    agents = [
        {**r, "href": agent_href(s["id"]), "name": s["name"] or t("unassigned_agent")}
        for s in data.agents
        for r in s["rules"]
        if r["rule"] == rule.id and r["hits"]
    ]
    agents.sort(key=lambda r: (-(r["low"] or 0.0), -r["hits"], r["href"]))
    found = sorted(found, key=lambda cf: (cf[1].verdict != "hit", cf[1].worst, cf[0].worst or 0.0, cf[0].call_id))
    cases = {
        kind: [c.lines for c in rule.cases if c.verdict == kind and _spoken_only(c)][:MOST_EXAMPLES] for kind in ("hit", "miss")
    }
    return _render(
        "rule.html",
        pages,
        lang,
        here=rule_href(rule.id),
        depth=2,
        rule=rule,
        quality=data.quality.get(rule.id),
        row=next((r for r in (data.whole or {}).get("rules", ()) if r["rule"] == rule.id), None),
        by_provider=sorted(providers, key=lambda r: (-(r["rate"] or 0.0), r["name"])),
        chart=drawings.rates(t, providers),
        by_agent=agents[:MOST_RULE_AGENTS],
        more_agents=max(len(agents) - MOST_RULE_AGENTS, 0),
        places=[(c, pages.sounds.get(c.call_id, Sound(None, "none")), f) for c, f in found[:MOST_PLACES]],
        more_places=max(len(found) - MOST_PLACES, 0),
        examples=[(kind, given) for kind, given in cases.items() if given],
    )


def listen_page(pages: Pages, lang: str, drawn: Sequence[tuple[Drawn, Call]], seed: int) -> str:
    """The listen list in one language."""
    return _render("listen.html", pages, lang, here="index.html", drawn=drawn, seed=seed, sounds=pages.sounds, linked=False)


def review_page(pages: Pages, lang: str, items: Sequence[tuple[Mapping[str, Any], Call, Sequence[Mapping[str, Any]]]]) -> str:
    """The page to judge drawn calls on: rows of `review_plan` with their calls and turns."""
    return _render(
        "review.html", pages, lang, here="index.html", script="review.js", items=items, sounds=pages.sounds, linked=False
    )


def _spoken_only(case: Any) -> bool:
    return all(line.what in ("agent", "customer", "system", "unknown") for line in case.lines)


def _call(pages: Pages, lang: str, call: Call, said: Spoken) -> str:
    t = Words(lang)
    told_first, _ = told(call)
    line = timeline(said.spans, said.turns, call.duration_ms, told_first)
    rows, more = whole([e for f in call.findings for e in f.evidence], said.turns, line.silences)
    words = {role: t.named("role", role) for role in ("agent", "customer", "system", "unknown")}
    return _render(
        "call.html",
        pages,
        lang,
        here=call_href(call.call_id),
        depth=2,
        call=call,
        sound=pages.sounds.get(call.call_id, Sound(None, "none")),
        line=line,
        drawing=draw(timeline_chart(line), t("timeline"), {**words, "gaps": t("lane_gaps"), "marks": t("lane_marks")}),
        rows=rows,
        more_turns=more + said.left_out,
        silence_s=SILENCE_MS // 1000,
        tl_left=TIMELINE_LEFT,
        tl_right=TIMELINE_RIGHT,
        tl_width=TIMELINE_WIDTH,
    )


def _agents_lowest_first(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda a: (a["mean_worst"] is None, a["mean_worst"] or 0.0, a["id"]))
    return [{"href": agent_href(a["id"]), "name": a["name"], "code": agent_code(a["id"]), "row": a} for a in ordered]


def _provider(pages: Pages, lang: str, row: Mapping[str, Any], calls: list[Call]) -> str:
    t, counts = Words(lang), pages.data.count("provider", row["id"])
    agents = _agents_lowest_first(a for a in pages.data.agents if (a["provider"] or "") == row["id"])
    return _render(
        "provider.html",
        pages,
        lang,
        here=provider_href(row["id"]),
        depth=2,
        s=row,
        name=row["name"] or t("unassigned"),
        rules=rules_by_hits(pages.data, row["rules"]),
        agents=agents,
        spread=drawings.spread(t, counts, row, pages.data.base),
        trend=drawings.trend(t, _series(pages.data, "provider", row["id"], "day"), pages.data.base),
        compared=_compared(pages.data, "provider", row["id"]),
        heat=drawings.heat_map(t, pages.data, [a["row"] for a in agents]),
        lost=drawings.points_lost(t, pages.data, counts.lost),
        failed=[c for c in calls if c.status != "ok"],
        failed_count=counts.failed,
    )


def agent_code(agent_id: str) -> str:
    """The agent's own id out of a summary's id."""
    return agent_id.rpartition("/")[2].replace("%2F", "/").replace("%25", "%")


def _agent(pages: Pages, lang: str, row: Mapping[str, Any], calls: list[Call]) -> str:
    t, counts = Words(lang), pages.data.count("agent", row["id"])
    with_findings = sorted((c for c in calls if c.findings), key=lambda c: (c.worst or 0.0, c.best or 0.0, c.call_id))
    shown = with_findings[: pages.options.calls_per_agent]
    bad, good = moments(with_findings, pages.data.rules)
    return _render(
        "agent.html",
        pages,
        lang,
        here=agent_href(row["id"]),
        depth=2,
        s=row,
        name=row["name"] or t("unassigned_agent"),
        code=agent_code(row["id"]),
        rules=rules_by_hits(pages.data, row["rules"]),
        quoted=[(c, pages.sounds.get(c.call_id, Sound(None, "none"))) for c in shown],
        compared=_compared(pages.data, "agent", row["id"]),
        worst_moments=bad,
        best_moments=good,
        sounds=lambda call_id: pages.sounds.get(call_id, Sound(None, "none")),
        more_calls=counts.with_findings - len(shown),
        clean=[c for c in calls if c.status == "ok" and not c.findings],
        failed=[c for c in calls if c.status != "ok"],
        failed_count=counts.failed,
        lost=drawings.points_lost(t, pages.data, counts.lost) if len(pages.data.agents) <= MOST_AGENTS else None,
        counts=counts,
    )


def _render(template: str, pages: Pages, lang: str, *, here: str, depth: int = 1, script: str = "", **values: Any) -> str:
    data, t = pages.data, Words(lang)
    others = [x for x in pages.options.langs if x != lang]
    titles = {d.id: t.text(d.title, d.id) for d in data.pack.dimensions} if data.pack else {}
    style, code = _asset("report.css"), _asset("page.js", script)
    return (
        _environment()
        .get_template(template)
        .render(
            data=data,
            t=t,
            heading=data.title or t("report"),
            other={"t": Words(others[0]), "href": "../" * depth + f"{others[0]}/{here}"} if others else None,
            dimension=lambda d: titles.get(d, d),
            paged=pages.paged,
            root="../" * depth,
            **{"linked": True, **values},
            css=style.markup,
            js=code.markup,
            csp=_policy(style, code, "media-src 'self' file: data:"),
        )
    )


def root_page(pages: Pages) -> str:
    """The page that opens the reader's language."""
    style, script = _asset("report.css"), _asset("root.js")
    return (
        _environment()
        .get_template("root.html")
        .render(
            data=pages.data,
            words=[Words(lang) for lang in pages.options.langs],
            css=style.markup,
            js=script.markup,
            csp=_policy(style, script),
        )
    )


@dataclass(frozen=True)
class _Asset:
    """Text of ours to put into a page, and the hash that allows it."""

    markup: Any
    source: str


@cache
def _asset(*names: str) -> _Asset:
    from markupsafe import Markup

    text = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names if name)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return _Asset(Markup(text), f"'sha256-{digest}'")  # our own file, never a stranger's


def _policy(style: _Asset, script: _Asset, *more: str) -> str:
    rules = (
        "default-src 'none'",
        f"style-src {style.source}",
        f"script-src {script.source}",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join((*rules, *more))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(
        clock=clock,
        figure=figure,
        span=span,
        percent=percent,
        short=short,
        points=points,
        told=told,
        stretch=_stretch,
        when=when,
        number=lambda value: "" if value is None else repr(float(value)),
        severity_rank=lambda rule: -1 if rule.points > 0 else SEVERITIES.index(rule.severity),
        signed=_signed,
        min_compared=MIN_COMPARED,
        difference=difference,
        provider_href=provider_href,
        agent_href=agent_href,
        call_href=call_href,
        rule_href=rule_href,
        anchor=lambda call_id: safe_name("call", call_id),
        version=VERSION,
        min_calls=MIN_CALLS,
        most_failures=MOST_FAILURES,
        most_clean=MOST_CLEAN,
    )
    return made


def told(call: Call) -> tuple[list[Finding], list[tuple[str, list[Finding]]]]:
    """A call's findings to tell one by one, and those that share a reason why nothing can be said: (reason, findings)."""
    by_why: dict[str, list[Finding]] = {}
    for f in call.findings:
        if f.verdict == "undecided" and not f.excerpts:
            by_why.setdefault(f.why, []).append(f)
    together = [(why, fs) for why, fs in by_why.items() if len(fs) > 1]
    grouped = {f.rule for _, fs in together for f in fs}
    return [f for f in call.findings if f.rule not in grouped], together


def points(*findings: Finding) -> str:
    """What findings count, for people: `−5`, `+3`, `−20 … 0`."""
    low, high = (_signed(v) for v in (sum(f.worst for f in findings), sum(f.best for f in findings)))
    return low if low == high else f"{low} … {high}"


def difference(row: Mapping[str, Any], name: str = "") -> str:
    """A difference with its interval: `−3.2 (−5.0 … −1.4)`; a dash where there is none."""
    prefix = f"{name}_" if name else ""
    value, low, high = row["difference"], row[f"{prefix}low"], row[f"{prefix}high"]
    return "–" if value is None or row["answer"] == "not_enough" else f"{_plus(value)} ({_plus(low)} … {_plus(high)})"


def _plus(value: float) -> str:
    text = figure(value)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def _signed(value: float) -> str:
    text = figure(value).removesuffix(".0")
    return f"+{text}" if value > 0 else text


def _stretch(low: float, high: float, base: float) -> Any:
    """`x` and `width` of a bar's part, as attributes: never too thin to see, never past the end."""
    from markupsafe import Markup

    first, last = _share(low, base), _share(high, base)
    width = max(last - first, 1.0)
    return Markup('x="{:.2f}" width="{:.2f}"').format(min(first, 100 - width), width)


def _share(value: float, base: float) -> float:
    """Per cent of the base, kept between 0 and 100."""
    return min(max(100 * value / base, 0.0), 100.0) if base > 0 else 0.0
