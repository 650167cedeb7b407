"""Words and sentences that are nearly there: edit similarity, 1 - distance / length of the longer, in whole per cent.

Levenshtein's distance (V. I. Levenshtein, Soviet Physics Doklady 10, 1966), by rapidfuzz. A word with at most k edits holds
one of k + 1 pieces of it unchanged (S. Wu, U. Manber, Communications of the ACM 35, 1992), so only places near such a
piece are compared. Similarities are compared as integers: no rounding decides a verdict.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qc.text.normal import normal_text

if TYPE_CHECKING:
    from qc.packs.conditions import Term

SEPARATOR = "\n"
_BLOCK = 2_000
_SCALE = 10**9

Whole = Callable[[str, int, int], bool]


def near_enough(distance: int, longer: int, percent: int) -> bool:
    """1 - distance / longer is at least percent / 100."""
    return 100 * distance <= (100 - percent) * longer


class NearlyMatcher:
    """Finds parts of turns that are nearly a word."""

    def __init__(self, terms: Sequence[Term]) -> None:
        import ahocorasick_rs

        self._words = [_Word(term) for term in terms]
        pieces: dict[str, list[tuple[int, int]]] = {}
        for index, word in enumerate(self._words):
            for offset, piece in word.pieces():
                pieces.setdefault(piece, []).append((index, offset))
        self.pieces = list(pieces)
        """Of these a turn that nearly holds a word holds one."""
        self._owners = list(pieces.values())
        self._automaton = (
            ahocorasick_rs.AhoCorasick(list(pieces), matchkind=ahocorasick_rs.MatchKind.Standard) if pieces else None
        )

    def find(self, buffer: str, whole: Whole) -> Iterator[tuple[Term, int, int]]:
        """(term, start, end) in the buffer: of parts that overlap the most similar, then the first, then the shortest."""
        if self._automaton is None:
            return
        regions: list[list[tuple[int, int]]] = [[] for _ in self._words]
        for which, start, _ in self._automaton.find_matches_as_indexes(buffer, overlapping=True):
            for index, offset in self._owners[which]:
                word = self._words[index]
                low = max(start - offset - word.edits, 0)
                _extend(regions[index], low, start - offset + word.edits)
        for word, places in zip(self._words, regions, strict=True):
            for start, end in _best(word.candidates(buffer, places, whole)):
                yield word.term, start, end


def _extend(regions: list[tuple[int, int]], low: int, high: int) -> None:
    """Add a range of places where a match may begin; ranges come in almost the right order."""
    if regions and low <= regions[-1][1] + 1 and high >= regions[-1][0]:
        regions[-1] = (min(low, regions[-1][0]), max(high, regions[-1][1]))
    else:
        regions.append((low, high))


class _Word:
    """A word and how far a part of a turn may be from it. Its parts have from `shortest` to `longest` characters."""

    def __init__(self, term: Term) -> None:
        self.term = term
        self.form = normal_text(term.text)
        size = len(self.form)
        self.shortest = -(-size * term.percent // 100)
        self.longest = size * 100 // term.percent
        self.edits = (100 - term.percent) * self.longest // 100

    def pieces(self) -> list[tuple[int, str]]:
        """One more piece than edits, as even as can be, with their offsets."""
        count = self.edits + 1
        cuts = [len(self.form) * i // count for i in range(count + 1)]
        return [(a, self.form[a:b]) for a, b in pairwise(cuts)]

    def candidates(self, buffer: str, regions: Sequence[tuple[int, int]], whole: Whole) -> Iterator[tuple[int, int, int]]:
        """(unlikeness, start, end) of every part near enough that begins in one of the regions."""
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        done = -1
        for low, high in sorted(regions):
            for block in range(max(low, done + 1), high + 1, _BLOCK):
                spans = list(self._parts(buffer, block, min(block + _BLOCK, high + 1), whole))
                if not spans:
                    continue
                parts = [buffer[a:b] for a, b in spans]
                distances = cdist([self.form], parts, scorer=Levenshtein.distance, score_cutoff=self.edits)[0].tolist()
                for distance, (start, end) in zip(distances, spans, strict=True):
                    longer = max(len(self.form), end - start)
                    if near_enough(distance, longer, self.term.percent):
                        yield distance * _SCALE // longer, start, end
            done = max(done, high)

    def _parts(self, buffer: str, low: int, high: int, whole: Whole) -> Iterator[tuple[int, int]]:
        for start in range(low, min(high, len(buffer))):
            stop = buffer.find(SEPARATOR, start, start + self.longest)
            last = min(start + self.longest, len(buffer)) if stop < 0 else stop
            for end in range(start + self.shortest, last + 1):
                if whole(buffer, start, end):
                    yield start, end


def _best(candidates: Iterator[tuple[int, int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    taken: set[int] = set()
    for _, start, end in sorted(candidates, key=lambda c: (c[0], c[1], c[2])):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            kept.append((start, end))
    return sorted(kept)


class SentenceMatcher:
    """Finds turns that are nearly a sentence."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._sentences = [(term, normal_text(term.text)) for term in terms]

    def find(self, buffer: str, starts: Sequence[int]) -> Iterator[tuple[Term, int, int]]:
        """(term, start, end) of whole turns. `starts`: where each turn begins in the buffer."""
        if not self._sentences or not starts:
            return
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        ends = [*(start - 1 for start in starts[1:]), len(buffer)]
        by_length = sorted((end - start, start) for start, end in zip(starts, ends, strict=True))
        lengths = [length for length, _ in by_length]
        for term, form in self._sentences:
            shortest, longest = -(-len(form) * term.percent // 100), len(form) * 100 // term.percent
            chosen = by_length[bisect_right(lengths, shortest - 1) : bisect_right(lengths, longest)]
            if not chosen:
                continue
            edits = (100 - term.percent) * longest // 100
            turns: list[Any] = [buffer[start : start + length] for length, start in chosen]
            distances = cdist([form], turns, scorer=Levenshtein.distance, score_cutoff=edits)[0].tolist()
            for distance, (length, start) in zip(distances, chosen, strict=True):
                if near_enough(distance, max(length, len(form)), term.percent):
                    yield term, start, start + length
