"""What `qc rules check` advises: ways to match that are allowed, and that find too much; measured in docs/matching.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qc.packs.conditions import NeverSays, Says, Term
from qc.packs.model import Pack
from qc.packs.syntax import NAMES
from qc.text.normal import kind, normal_text
from qc.text.sound import in_order, sounds_like

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
        for message, hint in dict.fromkeys([*(_advice(term) for term in _terms(rule.when)), *_idle(rule.when)])
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


def _idle(item: Any) -> Iterator[tuple[str, str]]:
    """Of `except` what excludes nothing, for it holds none of the words: mostly `unless` was meant."""
    if isinstance(item, Says | NeverSays):
        plain = all(term.kind in ("word", "sound") for term in (*item.terms, *item.except_))
        idle = [longer.text for longer in item.except_ if plain and not any(_holds(longer, term) for term in item.terms)]
        if idle:
            yield (
                f"`except: {', '.join(idle[:5])}` holds none of the words of `{NAMES[type(item)]}`, so it leaves out nothing",
                "write a longer phrase with one of the words in it"
                + ("; what the turn may not also say goes under `unless:`" if isinstance(item, Says) else ""),
            )
    for value in item if isinstance(item, tuple) else vars(item).values() if dataclasses.is_dataclass(item) else ():
        yield from _idle(value)


def _holds(longer: Term, term: Term) -> bool:
    """A place of the longer one can hold the other."""
    whole, part = normal_text(longer.text), normal_text(term.text)
    return any(
        all(_same(a, b, longer, term) for a, b in zip(whole[at : at + len(part)], part, strict=True))
        for at in range(len(whole) - len(part) + 1)
        if not _cut(whole, at) and not _cut(whole, at + len(part))
    )


def _cut(text: str, at: int) -> bool:
    """A number or a spelled word would be cut there: no match begins or ends so."""
    return 0 < at < len(text) and kind(text[at - 1]) == kind(text[at]) and kind(text[at]) in "dl"


def _same(one: str, other: str, longer: Term, term: Term) -> bool:
    if one == other:
        return True
    tolerate = in_order((*longer.tolerate, *term.tolerate))
    return "sound" in (longer.kind, term.kind) and not sounds_like(one, tolerate).isdisjoint(sounds_like(other, tolerate))


def _terms(item: Any) -> Iterator[Term]:
    if isinstance(item, Term):
        yield item
    elif isinstance(item, tuple):
        for part in item:
            yield from _terms(part)
    elif dataclasses.is_dataclass(item):
        for part in dataclasses.fields(item):
            yield from _terms(getattr(item, part.name))
