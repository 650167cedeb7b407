"""The plain way to find terms, to hold the fast one against: one text, one automaton pass, one pass a pattern."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from qc.packs.conditions import Term
from qc.packs.patterns import compile_pattern
from qc.scan.matching import CallMatches, Match
from qc.scan.nearly import NearlyMatcher, SentenceMatcher
from qc.scan.view import Call
from qc.text.entities import ENTITIES, parts
from qc.text.normal import kind, normal_text
from qc.text.sound import sounds_like

SEPARATOR = "\n"


class Matcher:
    """Finds a fixed set of terms. Building it costs; matching is linear in the text (times the patterns)."""

    def __init__(self, terms: Iterable[Term]) -> None:
        import ahocorasick_rs

        wanted = dict.fromkeys(terms)
        self._by_form: dict[str, list[Term]] = {}
        for term in wanted:
            if term.kind == "word":
                self._by_form.setdefault(normal_text(term.text), []).append(term)
        self._forms = list(self._by_form)
        self._automaton = (
            ahocorasick_rs.AhoCorasick(self._forms, matchkind=ahocorasick_rs.MatchKind.Standard) if self._forms else None
        )
        self._patterns = [(term, compile_pattern(term.text)) for term in wanted if term.kind == "pattern"]
        self._entities = [(term, compile_pattern(ENTITIES[term.text].pattern)) for term in wanted if term.kind == "entity"]
        self._sounds = [term for term in wanted if term.kind == "sound"]
        self._nearly = NearlyMatcher([term for term in wanted if term.kind == "fuzzy"])
        self._sentences = SentenceMatcher([term for term in wanted if term.kind == "similar"])

    def match(self, calls: Sequence[Call]) -> list[CallMatches]:
        """The matches of each call."""
        buffer, starts, owners = _buffer(calls)
        results = [CallMatches() for _ in calls]

        def add(term: Term, start: int, end: int) -> None:
            place = bisect_right(starts, start) - 1
            call, turn = owners[place]
            offset = starts[place]
            results[call].found.setdefault(term, []).append(Match(turn, start - offset, end - offset, term))

        if self._automaton is not None:
            for which, start, end in self._automaton.find_matches_as_indexes(buffer, overlapping=True):
                if _whole(buffer, start, end):
                    for term in self._by_form[self._forms[which]]:
                        add(term, start, end)
        for term, pattern in self._patterns:
            for found in pattern.finditer(buffer):
                if found.end() > found.start():
                    add(term, found.start(), found.end())
        for term, pattern in self._entities:
            for found in pattern.finditer(buffer):
                for first, last in _entity_parts(term, found.group()):
                    if _whole(buffer, found.start() + first, found.start() + last):
                        add(term, found.start() + first, found.start() + last)
        for term, start, end in _sounding(self._sounds, buffer):
            if _whole(buffer, start, end):
                add(term, start, end)
        for term, start, end in self._nearly.find(buffer, _whole):
            add(term, start, end)
        for term, start, end in self._sentences.find(buffer, starts):
            add(term, start, end)
        return results


def _entity_parts(term: Term, found: str) -> list[tuple[int, int]]:
    """Where in what an entity's pattern found the entity is."""
    check = ENTITIES[term.text].check
    return [(0, len(found))] if check is None else list(parts(found, check))


def _buffer(calls: Sequence[Call]) -> tuple[str, list[int], list[tuple[int, int]]]:
    """All turns as one text, where each starts, and (call, turn) of each."""
    texts: list[str] = []
    starts: list[int] = []
    owners: list[tuple[int, int]] = []
    position = 0
    for c, call in enumerate(calls):
        for t, turn in enumerate(call.turns):
            texts.append(turn.normal.text)
            starts.append(position)
            owners.append((c, t))
            position += len(turn.normal.text) + 1
    return SEPARATOR.join(texts), starts, owners


def _whole(buffer: str, start: int, end: int) -> bool:
    """No number and no spelled word is cut: 4小时 is not in 24小时, «rude» is not in «intruder»."""
    if start > 0 and _joined(buffer[start - 1], buffer[start]):
        return False
    return end >= len(buffer) or not _joined(buffer[end - 1], buffer[end])


def _joined(left: str, right: str) -> bool:
    kinds = kind(left) + kind(right)
    return kinds in ("dd", "ll") or (kinds == "sd" and left == ".") or (kinds == "ds" and right == ".")


def _sounding(terms: Iterable[Term], buffer: str) -> Iterator[tuple[Term, int, int]]:
    for term in terms:
        heard = [sounds_like(char, term.tolerate) for char in normal_text(term.text)]
        for start in range(len(buffer) - len(heard) + 1):
            if all(buffer[start + i] in chars for i, chars in enumerate(heard)):
                yield term, start, start + len(heard)
