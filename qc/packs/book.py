"""The rulebook: a pack as a page for people, in Chinese and English, to print and to train agents with.

One HTML file that loads nothing and runs nothing: its only style is allowed by its hash in a Content-Security-Policy that
allows nothing else. Every text of the pack is escaped, and characters that hide or turn text round are spelled out.
Hidden rules are never in it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qc.errors import PackError, Problem
from qc.packs.aloud import describe, visible
from qc.packs.aloud_words import length
from qc.packs.book_words import ROLES, SEVERITY, WORDS
from qc.packs.model import LANGUAGES, Case, Line, Manual, Pack, Rule
from qc.packs.syntax import write_condition

MAX_EXAMPLES = 12
_TEMPLATES = Path(__file__).parent / "templates"


def book(pack: Pack, langs: Sequence[str] = LANGUAGES, signer: str = "") -> str:
    """The page. `signer`: who answers for the pack, shown at its end. Raises PackError when there is nothing to show."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    shown = [rule for rule in pack.rules if rule.visibility == "shown"]
    if not shown:
        raise PackError([Problem(pack.id, 1, 1, "every rule of the pack is hidden", "a rulebook shows the others")])
    style = (_TEMPLATES / "book.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("book.html").render(
        books=[_book(pack, shown, lang, signer) for lang in langs],
        css=Markup(style),  # our own file, never a stranger's
        csp=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def _book(pack: Pack, rules: Sequence[Rule], lang: str, signer: str) -> dict[str, Any]:
    w = WORDS[lang]
    groups = []
    for dimension in pack.dimensions:
        inside = [_rule(rule, lang) for rule in rules if rule.dimension == dimension.id]
        if inside:
            groups.append({"title": visible(dimension.title[lang]), "rules": inside})
    ends = [f"{pack.id} {pack.version}", f"sha256 {pack.sha256}", f"{w['signer']} {visible(signer)}" if signer else ""]
    ends += [f"{w['licence']} {visible(pack.licence)}" if pack.licence else "", visible(", ".join(pack.authors))]
    return {
        "lang": lang,
        "words": w,
        "title": visible(pack.title[lang]),
        "subtitle": w["subtitle"].format(id=pack.id, version=pack.version, rules=len(rules)),
        "how": [w["base"].format(base=f"{pack.base:g}"), w["proof"].format(floor=f"{pack.coverage_floor * 100:g}")],
        "groups": groups,
        "manual": [_manual(item, pack, lang) for item in pack.manual],
        "footer": " · ".join(end for end in ends if end),
    }


def _manual(item: Manual, pack: Pack, lang: str) -> dict[str, str]:
    w = WORDS[lang]
    titles = {d.id: d.title[lang] for d in pack.dimensions}
    facts = [
        visible(titles[item.dimension]),
        w["on_no" if item.on_no else "on_yes"].format(points=f"{item.points:+g}".replace("-", "−")),
    ]
    facts += [w["may_not_apply"]] if item.may_not_apply else []
    facts += [f"{w['clause']} {visible(item.clause)}"] if item.clause else []
    return {"title": visible(item.title[lang]), "question": visible(item.question[lang]), "facts": " · ".join(facts)}


def _rule(rule: Rule, lang: str) -> dict[str, Any]:
    w = WORDS[lang]
    sign = "costs" if rule.points < 0 or rule.fatal else "earns" if rule.points > 0 else "tells"
    facts = [rule.id, SEVERITY[lang][rule.severity]]
    if rule.once_per_ms is not None:
        facts.append(w["once_per"].format(length=length(rule.once_per_ms, lang)))
    if rule.cap is not None:
        facts.append(w["cap"].format(cap=f"{rule.cap:g}"))
    facts += [f"{visible(column)}: {visible(', '.join(values))}" for column, values in rule.applies_to]
    if rule.valid_from or rule.valid_until:
        facts.append(f"{rule.valid_from or '…'} – {rule.valid_until or '…'}")
    facts += [f"{w['clause']} {visible(rule.clause)}"] if rule.clause else []
    return {
        "id": rule.id,
        "title": visible(rule.title[lang]),
        "why": visible(rule.why[lang]),
        "severity": SEVERITY[lang][rule.severity],
        "points": f"{rule.points:+g}".replace("-", "−") if rule.points else "0",
        "fatal": rule.fatal,
        "facts": facts,
        "hit_title": w[f"hit_{sign}"],
        "hit_kind": "good" if sign == "earns" else "bad",
        "hits": _cases(rule.cases, "hit", lang),
        "miss_title": w[f"miss_{sign}"],
        "miss_kind": "bad" if sign == "earns" else "good",
        "misses": _cases(rule.cases, "miss", lang),
        "when": describe(write_condition(rule.when), lang),
    }


def _cases(cases: Sequence[Case], verdict: str, lang: str) -> list[list[dict[str, str]]]:
    chosen = [case for case in cases if case.verdict == verdict][:MAX_EXAMPLES]
    return [[_line(line, lang) for line in case.lines] for case in chosen]


def _line(line: Line, lang: str) -> dict[str, str]:
    w, roles = WORDS[lang], ROLES[lang]
    if line.what in roles:
        return {"who": roles[line.what], "text": visible(line.text)}
    if line.what == "call":
        return {"who": "", "text": f"{visible(line.text)}: {visible(line.value)}"}
    said = w.get(f"line_{line.what}", line.what)
    return {
        "who": "",
        "text": said.format(
            length=length(line.ms, lang), role=roles.get(line.text, visible(line.text)), value=visible(line.value)
        ),
    }
