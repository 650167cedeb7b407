"""How the reference evaluator finds words: every place is looked at, nothing is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from qc.conformance.call import (
    Call,
    Place,
    said_at,
)
from qc.packs.conditions import (
    Term,
)
from qc.packs.patterns import compile_pattern
from qc.text.entities import ENTITIES, parts
from qc.text.normal import kind, normal
from qc.text.sound import readings


@dataclass(frozen=True)
class Match:
    """`term` in characters `[start, end)` of the normal form of turn `turn` (its index)."""

    turn: int
    start: int
    end: int
    term: Term


def matches_of(term: Term, call: Call) -> list[Match]:
    """Every match of a term in every turn, turn by turn."""
    return [Match(i, a, b, term) for i, turn in enumerate(call.turns) for a, b in _FINDERS[term.kind](term, turn.normal.text)]


def _word(term: Term, text: str) -> Iterator[tuple[int, int]]:
    form = normal(term.text).text
    for start in range(len(text) - len(form) + 1):
        if text[start : start + len(form)] == form and _uncut(text, start, start + len(form)):
            yield start, start + len(form)


def _sound(term: Term, text: str) -> Iterator[tuple[int, int]]:
    form = normal(term.text).text
    for start in range(len(text) - len(form) + 1):
        heard = text[start : start + len(form)]
        if all(_alike(a, b, term.tolerate) for a, b in zip(form, heard, strict=True)) and _uncut(text, start, start + len(form)):
            yield start, start + len(form)


def _alike(written: str, heard: str, tolerate: Sequence[str]) -> bool:
    return written == heard or any(_same_syllable(a, b, tolerate) for a in readings(written) for b in readings(heard))


def _same_syllable(one: str, other: str, tolerate: Sequence[str]) -> bool:
    """`other` comes of `one` by swapping what is tolerated, again and again."""
    reached, new = {one}, [one]
    while new:
        syllable = new.pop()
        for pair in tolerate:
            for a, b in (pair.split("/"), pair.split("/")[::-1]):
                if pair in ("an/ang", "en/eng", "in/ing"):
                    swapped = syllable.removesuffix(a) + b if syllable.endswith(a) else syllable
                else:
                    swapped = b + syllable.removeprefix(a) if _initial(syllable) == a else syllable
                if swapped not in reached:
                    reached.add(swapped)
                    new.append(swapped)
    return other in reached


def _initial(syllable: str) -> str:
    return syllable[:2] if syllable[:2] in ("zh", "ch", "sh") else syllable[:1]


def _fuzzy(term: Term, text: str) -> Iterator[tuple[int, int]]:
    """Parts that are near enough; of those that overlap the most similar, then the first, then the shortest."""
    form = normal(term.text).text
    found = []
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + 2 * len(form)) + 1):
            if _uncut(text, start, end):
                unlike = Fraction(distance(form, text[start:end]), max(len(form), end - start))
                if 1 - unlike >= Fraction(term.percent, 100):
                    found.append((unlike, start, end))
    kept: list[tuple[int, int]] = []
    for _, start, end in sorted(found):
        if all(end <= a or start >= b for a, b in kept):
            kept.append((start, end))
    yield from sorted(kept)


def _similar(term: Term, text: str) -> Iterator[tuple[int, int]]:
    if text and similar(normal(term.text).text, text, term.percent):
        yield 0, len(text)


def _pattern(term: Term, text: str) -> Iterator[tuple[int, int]]:
    for found in compile_pattern(term.text).finditer(text):
        if found.end() > found.start():
            yield found.start(), found.end()


def _entity(term: Term, text: str) -> Iterator[tuple[int, int]]:
    entity = ENTITIES[term.text]
    for found in compile_pattern(entity.pattern).finditer(text):
        run = found.group()
        for a, b in [(0, len(run))] if entity.check is None else parts(run, entity.check):
            if _uncut(text, found.start() + a, found.start() + b):
                yield found.start() + a, found.start() + b


_FINDERS: dict[str, Callable[[Term, str], Iterable[tuple[int, int]]]] = {
    "word": _word,
    "sound": _sound,
    "fuzzy": _fuzzy,
    "similar": _similar,
    "pattern": _pattern,
    "entity": _entity,
}


def _uncut(text: str, start: int, end: int) -> bool:
    """No number and no spelled word is cut at either end."""
    return not (start > 0 and _one_piece(text[start - 1], text[start])) and not (
        end < len(text) and _one_piece(text[end - 1], text[end])
    )


def _one_piece(left: str, right: str) -> bool:
    if left == ".":
        return kind(right) == "d"
    if right == ".":
        return kind(left) == "d"
    return kind(left) == kind(right) and kind(left) in ("d", "l")


def distance(one: str, other: str) -> int:
    """Levenshtein's: the fewest characters to put in, take out or change."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
    return row[-1]


def similar(one: str, other: str, percent: int) -> bool:
    """1 - distance / length of the longer is at least `percent` / 100."""
    longer = max(len(one), len(other))
    return longer > 0 and 1 - Fraction(distance(one, other), longer) >= Fraction(percent, 100)


def chosen(terms: Sequence[Term], except_: Sequence[Term], call: Call) -> list[Match]:
    """Matches of any of the terms, those inside a match of `except_` left out; in order of turn, then place, the longest first."""
    outer = [m for term in except_ for m in matches_of(term, call)]
    found = [
        m
        for term in terms
        for m in matches_of(term, call)
        if not any(o.turn == m.turn and o.start <= m.start and m.end <= o.end for o in outer)
    ]
    return sorted(found, key=lambda m: (m.turn, m.start, -m.end))


def occurrences(found: Iterable[Match]) -> list[Match]:
    """Where matches overlap the leftmost counts, then the longest."""
    kept: list[Match] = []
    for match in sorted(found, key=lambda m: (m.turn, m.start, -m.end)):
        if all(m.turn != match.turn or m.end <= match.start for m in kept):
            kept.append(match)
    return kept


def place_of(match: Match, call: Call) -> Place:
    """A match in the original text, and when it was said: by the characters' times, else by its share of the turn."""
    turn = call.turns[match.turn]
    first = min(turn.normal.starts[match.start : match.end])
    last = max(turn.normal.ends[match.start : match.end])
    start, end = said_at(turn, first, last)
    return Place(start, end, turn.role, turn.number, first, last, turn.text[first:last])
