"""A query as a rule in YAML, with cases cut out of the calls that it found: they are run before they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

from qc.packs.cases import write_cases
from qc.packs.conditions import Condition
from qc.packs.model import Case, Line, Pack
from qc.packs.readable import readable
from qc.packs.syntax import write_condition
from qc.scan.cases import case_call
from qc.scan.evaluate import PackScanner
from qc.search.find import CallHits, pack_of
from qc.text.redact import redact_turns

FROM_CALLS = 3
"""Calls that hit cases are cut out of."""

_AROUND = (0, 1, 3, 8)
"""Turns beside the found ones that a case holds, tried from few to many."""

_MOST_LINES = 40


def as_rule(query: str, condition: Condition, found: Sequence[CallHits]) -> str:
    """The rule, ready to be put into a pack's file once it has a title, a reason and points.

    Cases are masked, since packs travel; one that no longer gives its verdict when masked is left out.
    """
    pack = pack_of(condition)
    scanner = PackScanner(pack)
    hits = [case for call in found[:FROM_CALLS] if (case := _first(_hit_cases(call), pack, scanner))]
    misses = [case for call in found[:FROM_CALLS] if (case := _first(_miss_cases(call), pack, scanner))]
    cases = tuple(dict.fromkeys([*hits, *misses[:1]]))
    rule: dict[str, Any] = {
        "id": "new-rule",
        "title": query,
        "why": f"qc search {json.dumps(query, ensure_ascii=False)}",
        "dimension": "service",
        "severity": "medium",
        "points": 0,
        "when": readable(write_condition(condition)),
    }
    if cases:
        written = write_cases(cases)
        rule["cases"] = {verdict: [_short(case) for case in listed] for verdict, listed in written.items()}
    notes = ["# Give it an id, a title, a reason, points, and one of your pack's dimensions; then `qc rules check`."]
    if not hits or not misses:
        lacking = " and ".join(what for what, have in (("hits", hits), ("misses", misses)) if not have)
        notes.append(f"# Write a case that it {lacking} under `cases`: none could be taken from the calls.")
    return "\n".join(notes) + "\n" + _yaml([rule])


def _hit_cases(call: CallHits) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The found turns, with ever more around them."""
    shown = {line.turn for line in call.lines if line.turn is not None}
    places = [i for i, (number, _, _) in enumerate(call.dialogue) if number in shown]
    masked = _masked(call)
    for around in _AROUND:
        if places:
            first, last = max(0, places[0] - around), places[-1] + around + 1
            if last - first <= _MOST_LINES:
                yield "hit", masked[first:last]
    if len(masked) <= _MOST_LINES:
        yield "hit", masked


def _miss_cases(call: CallHits) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Turns of the same call that were not found, those beside the found ones first, longest first among them."""
    shown = {line.turn for line in call.lines}
    roles = {line.role for line in call.lines}
    masked = _masked(call)
    others = [
        (said[0] not in roles, -len(said[1]), i)
        for i, ((number, _, _), said) in enumerate(zip(call.dialogue, masked, strict=True))
        if number not in shown and len(said[1]) <= 60
    ]
    for _, _, index in sorted(others)[:20]:
        yield "miss", [masked[index]]


def _masked(call: CallHits) -> list[tuple[str, str]]:
    texts = redact_turns([{"role": role, "text": text} for _, role, text in call.dialogue])
    said = [(role, " ".join(text.split())) for (_, role, _), text in zip(call.dialogue, texts, strict=True)]
    return [(role, text) for role, text in said]


def _first(candidates: Iterator[tuple[str, list[tuple[str, str]]]], pack: Pack, scanner: PackScanner) -> Case | None:
    """The first dialogue that gives its verdict."""
    for verdict, dialogue in candidates:
        case = Case(verdict, tuple(Line(role, text=text) for role, text in dialogue if text))
        if not case.lines:
            continue
        call = case_call(case, pack)
        if scanner.findings(call, scanner.scan([call])[0])[0].verdict == verdict:
            return replace(case, where="")
    return None


def _short(case: list[dict[str, Any]]) -> Any:
    return case[0] if len(case) == 1 else case


def _yaml(value: Any) -> str:
    from ruamel.yaml import YAML

    writer = YAML(typ="rt", pure=True)
    writer.default_flow_style = None
    writer.width = 110
    writer.allow_unicode = True
    out = StringIO()
    writer.dump(value, out)
    return out.getvalue()
