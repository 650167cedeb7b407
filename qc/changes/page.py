"""An impact as one HTML page, Chinese and English: loads nothing, runs nothing, escapes everything that a stranger wrote."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from qc.changes.impact import Impact
from qc.changes.words import Words
from qc.report.safe import visible

MOST_GROUPS = 50
"""Agents or providers listed; the JSON has all."""

_TEMPLATES = Path(__file__).parent / "templates"


def page(result: Impact, langs: Sequence[str]) -> str:
    """The page in one language or more, one after the other."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (_TEMPLATES / "impact.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["span"] = span
    environment.finalize = lambda value: visible(value) if type(value) is str else value
    return environment.get_template("impact.html").render(
        words=[Words(lang) for lang in langs],
        impact=result,
        groups=[("providers", result.providers), ("agents", result.agents)],
        most=MOST_GROUPS,
        css=Markup(style),  # our own file, never a stranger's
        csp=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def span(ends: Sequence[float] | None) -> str:
    """An interval as people read it: one number where its ends are the same."""
    if ends is None:
        return "–"
    low, high = (f"{end:.1f}" for end in ends)
    return low if low == high else f"{low} – {high}"
