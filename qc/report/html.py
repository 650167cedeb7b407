"""Pages laid out: a template, the words of a language, what is on the page (`pages`), to be opened from disk, offline.

Style and script are inside each page, allowed by their hashes in a Content-Security-Policy that allows nothing else but
the recordings. Every value goes through `visible` and through escaping, whatever the template's author forgot.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.packs import SEVERITIES
from qc.report.drawings import Chart
from qc.report.model import Call, Finding, ReportData, ReportOptions, Sound
from qc.report.safe import safe_name, short, visible
from qc.report.sampling import Drawn
from qc.report.words import Words, clock, figure, percent, span
from qc.tables import MIN_CALLS, MIN_COMPARED
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
    paged: frozenset[str] = field(default_factory=frozenset)
    """Ids of the calls that have a page."""


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


def listen_page(pages: Pages, lang: str, drawn: Sequence[tuple[Drawn, Call]], seed: int) -> str:
    """The listen list in one language."""
    values = {"drawn": drawn, "seed": seed, "sounds": pages.sounds, "linked": False}
    return render(pages, lang, "listen.html", "index.html", values)


ToJudge = tuple[Mapping[str, Any], Call, Sequence[Mapping[str, Any]]]
"""A row of `review_plan`, its call, and what was said in it."""


def review_page(pages: Pages, lang: str, items: Sequence[ToJudge], *, evidence: bool = False, served: bool = False) -> str:
    """The page to judge drawn calls on. With `evidence`, what the machine found lies folded up beside each; `served`: answers go
    to the server that the page came from, one by one."""
    policy = ("connect-src 'self'",) if served else ()
    found = {(c.call_id, f.rule): f for _, c, _ in items for f in c.findings}
    values = {"items": items, "found": found, "evidence": evidence, "served": served, "sounds": pages.sounds, "linked": False}
    return render(pages, lang, "review.html", "index.html", values, script="review.js", policy=policy)


def agents_lowest_first(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Summaries of agents as tables show them."""
    ordered = sorted(rows, key=lambda a: (a["mean_worst"] is None, a["mean_worst"] or 0.0, a["id"]))
    return [{"href": agent_href(a["id"]), "name": a["name"], "code": agent_code(a["id"]), "row": a} for a in ordered]


def agent_code(agent_id: str) -> str:
    """The agent's own id out of a summary's id."""
    return agent_id.rpartition("/")[2].replace("%2F", "/").replace("%25", "%")


def render(
    pages: Pages,
    lang: str,
    template: str,
    here: str,
    values: Mapping[str, Any],
    *,
    script: str = "",
    policy: tuple[str, ...] = (),
) -> str:
    """A page in one language. `here`: its place in the language's folder; `values`: the template's, charts among them; `policy`:
    what it may do beyond what all may."""
    data, t = pages.data, Words(lang)
    others = [x for x in pages.options.langs if x != lang]
    titles = {d.id: t.text(d.title, d.id) for d in data.pack.dimensions} if data.pack else {}
    style, code = _asset("report.css"), _asset("page.js", script)
    up = "../" * (1 + here.count("/"))
    common = {
        "data": data,
        "t": t,
        "heading": data.title or t("report"),
        "other": {"t": Words(others[0]), "href": f"{up}{others[0]}/{here}"} if others else None,
        "dimension": lambda d: titles.get(d, d),
        "paged": pages.paged,
        "root": up,
        "linked": True,
        "css": style.markup,
        "js": code.markup,
        "csp": _policy(style, code, "media-src 'self' file: data:", *policy),
    }
    shown = {k: v.shown(t, data) if isinstance(v, Chart) else v for k, v in values.items()}
    return _environment().get_template(template).render({**common, **shown})


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
        number=lambda value: "" if value is None else repr(float(value)),
        severity_rank=lambda rule: -1 if rule.points > 0 else SEVERITIES.index(rule.severity),
        signed=_signed,
        min_compared=MIN_COMPARED,
        difference=difference,
        provider_href=provider_href,
        agent_href=agent_href,
        agent_code=agent_code,
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
