"""What `qc rules check` advises: ways to match that are allowed, and that find too much; measured in docs/matching.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qc.packs.conditions import Term
from qc.packs.model import Pack
from qc.text.normal import normal_text

SHORT_SOUND = 2
"""Words of so many characters by sound, with sounds that are taken for one another, are too often other words."""

FUZZY_EDITS = 6
"""A word of so many characters or fewer with one character changed is too often another phrase."""


@dataclass(frozen=True)
class Advice:
    """What finds too much, where (`file:line:column` of the rule), and what to write instead."""

    where: str
    message: str
    hint: str


def advise(pack: Pack) -> list[Advice]:
    """Advice on a pack's words, in the order of its rules; none of it stops a pack from being used."""
    return [
        Advice(rule.where, f"{rule.id}: {message}", hint)
        for rule in pack.rules
        for message, hint in dict.fromkeys(_advice(term) for term in _terms(rule.when))
        if message
    ]


def _advice(term: Term) -> tuple[str, str]:
    """What is wrong with how a word is matched, and what to write instead; empty where nothing is."""
    if not (term.kind == "fuzzy" or (term.kind == "sound" and term.tolerate)):
        return "", ""
    size = len(normal_text(term.text))
    if term.kind == "sound" and size <= SHORT_SOUND:
        return (
            f"{term.text} has two syllables; with {', '.join(term.tolerate)} taken for the same it also hits other words",
            f"write a longer phrase, or {{word: {term.text}, match: sound}} without `tolerate`",
        )
    if term.kind == "fuzzy" and size <= FUZZY_EDITS and (100 - term.percent) * size >= 100:
        return (
            f"{term.text} at fuzzy 0.{term.percent:02d} may have any character changed, and most of what that hits is other phrases",
            f"write {{word: {term.text}, match: sound}}: recognisers write other characters of the same sound",
        )
    return "", ""


def _terms(item: Any) -> Iterator[Term]:
    if isinstance(item, Term):
        yield item
    elif isinstance(item, tuple):
        for part in item:
            yield from _terms(part)
    elif dataclasses.is_dataclass(item):
        for part in dataclasses.fields(item):
            yield from _terms(getattr(item, part.name))
