"""The pages: an index, a page per provider and per agent, in each language, made to be opened from disk, offline, on any screen.

Style and script are inside each page, allowed by their hashes in a Content-Security-Policy that allows nothing else but
the recordings. Every value goes through `visible` and through escaping, whatever the template's author forgot.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.packs import SEVERITIES
from qc.report.model import Call, Finding, ReportData, ReportOptions, Sound
from qc.report.safe import safe_name, short, visible
from qc.report.sheets import rules_by_hits
from qc.report.words import Words, clock, figure, percent, span, when
from qc.tables import MIN_CALLS
from qc.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_FAILURES = 500
MOST_CLEAN = 500
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Pages:
    """What pages are made of: the data, the recordings beside them by call id, the files to offer as (name, path)."""

    data: ReportData
    options: ReportOptions
    sounds: Mapping[str, Sound]
    downloads: tuple[tuple[str, str], ...] = ()


def write_pages(pages: Pages, write: Callable[[str, bytes], None]) -> int:
    """Write every page through `write(name relative to the report, bytes)`; how many. The root page comes last."""
    data, langs = pages.data, pages.options.langs
    by_agent: dict[str, list[Call]] = {}
    by_provider: dict[str, list[Call]] = {}
    for call in data.calls:
        by_agent.setdefault(call.agent, []).append(call)
        by_provider.setdefault(call.provider or "", []).append(call)
    for lang in langs:
        write(f"{lang}/index.html", _index(pages, lang).encode())
        for row in data.providers:
            write(f"{lang}/{provider_href(row['id'])}", _provider(pages, lang, row, by_provider.get(row["id"], [])).encode())
        for row in data.agents:
            write(f"{lang}/{agent_href(row['id'])}", _agent(pages, lang, row, by_agent.get(row["id"], [])).encode())
    write("index.html", _root(pages).encode())
    return len(langs) * (1 + len(data.providers) + len(data.agents)) + 1


def agent_href(agent_id: str) -> str:
    """Where an agent's page lies, relative to its language's folder."""
    return f"agents/{safe_name('agent', agent_id)}.html"


def provider_href(provider_id: str) -> str:
    """Where a provider's page lies, relative to its language's folder."""
    return f"providers/{safe_name('provider', provider_id)}.html"


def _index(pages: Pages, lang: str) -> str:
    data = pages.data
    return _render(
        "index.html",
        pages,
        lang,
        here="index.html",
        rules=rules_by_hits(data, data.whole["rules"] if data.whole else ()),
        agents=_agents_lowest_first(data.agents),
        downloads=[(name, f"../{href}") for name, href in pages.downloads],
    )


def _agents_lowest_first(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda a: (a["mean_worst"] is None, a["mean_worst"] or 0.0, a["id"]))
    return [{"href": agent_href(a["id"]), "name": a["name"], "code": agent_code(a["id"]), "row": a} for a in ordered]


def _provider(pages: Pages, lang: str, row: Mapping[str, Any], calls: list[Call]) -> str:
    return _render(
        "provider.html",
        pages,
        lang,
        here=provider_href(row["id"]),
        depth=2,
        s=row,
        name=row["name"] or Words(lang)("unassigned"),
        rules=rules_by_hits(pages.data, row["rules"]),
        agents=_agents_lowest_first(a for a in pages.data.agents if (a["provider"] or "") == row["id"]),
        failed=[c for c in calls if c.status != "ok"],
    )


def agent_code(agent_id: str) -> str:
    """The agent's own id out of a summary's id."""
    return agent_id.rpartition("/")[2].replace("%2F", "/").replace("%25", "%")


def _agent(pages: Pages, lang: str, row: Mapping[str, Any], calls: list[Call]) -> str:
    t = Words(lang)
    with_findings = sorted((c for c in calls if c.findings), key=lambda c: (c.worst or 0.0, c.best or 0.0, c.call_id))
    shown = with_findings[: pages.options.calls_per_agent]
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
        more_calls=len(with_findings) - len(shown),
        clean=[c for c in calls if c.status == "ok" and not c.findings],
        failed=[c for c in calls if c.status != "ok"],
        hits=sum(c.hits for c in calls),
        hit_calls=sum(c.hits > 0 for c in calls),
        undecided=sum(c.undecided for c in calls),
    )


def _render(template: str, pages: Pages, lang: str, *, here: str, depth: int = 1, **values: Any) -> str:
    data, t = pages.data, Words(lang)
    others = [x for x in pages.options.langs if x != lang]
    titles = {d.id: t.text(d.title, d.id) for d in data.pack.dimensions} if data.pack else {}
    style, script = _asset("report.css"), _asset("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            data=data,
            t=t,
            heading=data.title or t("report"),
            other={"t": Words(others[0]), "href": "../" * depth + f"{others[0]}/{here}"} if others else None,
            dimension=lambda d: titles.get(d, d),
            css=style.markup,
            js=script.markup,
            csp=_policy(style, script, "media-src 'self' file: data:"),
            **values,
        )
    )


def _root(pages: Pages) -> str:
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
def _asset(name: str) -> _Asset:
    from markupsafe import Markup

    text = (_TEMPLATES / name).read_text(encoding="utf-8")
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
        provider_href=provider_href,
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
