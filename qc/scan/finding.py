"""Everything that a pack's words, sounds and patterns find in a batch, as columns: one pass over the batch for each kind.

Words: a table of which characters begin a word and which come second leaves few places of the text; at these the words
are compared. Where the words are very many, or share their beginnings, an Aho-Corasick automaton (`ahocorasick_rs`) takes
the place, so that time stays linear. Sounds: likewise, with sets of characters. Patterns: RE2, over the turns that
hold their `atoms`. Words that are nearly there: over the turns that hold a piece of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qc.packs.conditions import Term
from qc.packs.patterns import compile_pattern
from qc.scan import compiled
from qc.scan.atoms import atoms, is_common
from qc.scan.folding import CHINESE, DIGIT, LETTER, SEPARATOR, TABLES, Folded, ranges, text_of
from qc.scan.nearly import NearlyMatcher, SentenceMatcher
from qc.scan.needles import needles
from qc.scan.pairs import Pairs
from qc.text.entities import ENTITIES, parts
from qc.text.normal import kind, normal_text
from qc.text.script import simplify
from qc.text.sound import sounds_like

_CODES = 0x110000
_NEWLINE = 10
MOST_WORDS = 8_000
MOST_ALIKE = 48
"""Words that begin with the same two characters; where there are more, or more words in all, the automaton is used."""

MOST_ALIKE_COMPILED = 512
MOST_CHARS = 1 << 23
"""By machine code any number of words can be found whose table, as wide as the longest, is no larger."""

_STEP = 1 << 20
_PLACE_BITS = 40
_Array = Any


@dataclass(frozen=True)
class Found:
    """Places of one term: `[start, end)` of the normal form of a turn of the batch, in order of turn and start."""

    turn: _Array
    start: _Array
    end: _Array

    def __len__(self) -> int:
        return len(self.turn)


NOTHING = Found(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


class Finder:
    """Finds a fixed set of terms. Building it costs; finding is linear in the text (times the patterns at worst)."""

    def __init__(self, terms: Iterable[Term]) -> None:
        wanted = dict.fromkeys(terms)
        self._words: dict[str, list[Term]] = {}
        for term in wanted:
            if term.kind == "word":
                self._words.setdefault(normal_text(term.text), []).append(term)
        self._patterns = [_Pattern(term) for term in wanted if term.kind in ("pattern", "entity")]
        self._fuzzy = NearlyMatcher([term for term in wanted if term.kind == "fuzzy"])
        self._sentences = SentenceMatcher([term for term in wanted if term.kind == "similar"])
        self._any_similar = any(term.kind == "similar" for term in wanted)
        rare = [texts for pattern in self._patterns for texts in pattern.rare]
        needed = [text for texts in rare for text in sorted(texts)] + self._fuzzy.pieces
        self._texts = list(dict.fromkeys([*self._words, *needed]))
        self._owners = list(self._words.values())
        self._lengths = np.array([len(text) for text in self._texts], np.int64)
        self._number = {text: i for i, text in enumerate(self._texts)}
        self._literals = _Literals(self._texts)
        self._sounds = _Sounds([term for term in wanted if term.kind == "sound"])
        words_alone = len(self._words) == len(self._texts) and all(term.kind == "word" for term in wanted)
        self._needles = needles(self._texts) if words_alone and compiled.used() else None

    def turns(self, data: _Array, at: _Array) -> _Array | None:
        """The turns outside which nothing can be found (numbers in order); None where that is not known. `data`, `at`: as in
        `qc.scan.folding.fold_utf8`. Raises UnicodeDecodeError."""
        return None if self._needles is None else self._needles.pick(data, at)

    def find(self, folded: Folded) -> dict[Term, Found]:
        """What is found of each term; terms that are not found are left out."""
        which, place = self._literals.find(folded.codes)
        if self._literals.ordered and len(self._texts) <= 1 << 16:
            order = np.argsort(which.astype(np.uint16), kind="stable")
            which, place = which[order], place[order]
        else:
            key = np.sort(which << _PLACE_BITS | place)
            which, place = key >> _PLACE_BITS, key & ((1 << _PLACE_BITS) - 1)
        end = place + self._lengths[which]
        turn = folded.turn_of(place)
        inside = end <= folded.first[turn + 1]
        if not inside.all():
            which, place, end, turn = which[inside], place[inside], end[inside], turn[inside]
        bounds = np.searchsorted(which, np.arange(len(self._texts) + 1))
        words = slice(0, bounds[len(self._owners)])  # their numbers come first
        result = self._whole_words(folded, which[words], place[words], end[words], turn[words])

        known: dict[tuple[Any, ...], _Some] = {}
        one_of: dict[Any, _Array] = {}

        def turns_with(texts: Any) -> _Array:
            """Turns that hold one of these texts, in order."""
            pieces = [turn[bounds[i] : bounds[i + 1]] for i in (self._number[text] for text in texts)]
            found = pieces[0] if len(pieces) == 1 else np.sort(np.concatenate(pieces))
            return found[np.concatenate(([True], found[1:] != found[:-1]))] if len(found) else found

        def holding(sets: tuple[Any, ...]) -> _Some:
            """Turns that hold one text of each set."""
            if sets not in known:
                turns = np.arange(len(folded.first) - 1) if not sets else None
                for texts in sets:
                    if turns is not None and is_common(texts):
                        if compiled.used():
                            turns = turns[compiled.hold(folded.codes, folded.first, turns, _few_bits(texts))]
                        continue
                    if texts not in one_of:
                        one_of[texts] = turns_with(texts)
                    turns = one_of[texts] if turns is None else _both(turns, one_of[texts])
                known[sets] = _Some(folded, turns)
            return known[sets]

        for pattern in self._patterns:
            _put(result, pattern.term, pattern.find(folded, holding))
        for term, places in self._sounds.find(folded):
            _put(result, term, places)
        for term, places in self._nearly(folded, holding):
            _put(result, term, places)
        return result

    def _whole_words(self, folded: Folded, which: _Array, place: _Array, end: _Array, turn: _Array) -> dict[Term, Found]:
        """The words of these places, in order of word, that cut nothing in two."""
        whole = _whole(folded, place, end, turn)
        if not whole.all():
            which, place, end, turn = which[whole], place[whole], end[whole], turn[whole]
        first = folded.first[turn]
        start, stop = place - first, end - first
        bounds = np.searchsorted(which, np.arange(len(self._owners) + 1)).tolist()
        result: dict[Term, Found] = {}
        for owners, a, b in zip(self._owners, bounds, bounds[1:], strict=False):
            if a < b:
                found = Found(turn[a:b], start[a:b], stop[a:b])
                result.update((term, found) for term in owners)
        return result

    def _nearly(self, folded: Folded, holding: Any) -> list[tuple[Term, Found]]:
        listed: dict[Term, list[tuple[int, int, int]]] = {}
        if self._fuzzy.pieces:
            some = holding((tuple(self._fuzzy.pieces),))
            text = some.text
            for term, start, end in self._fuzzy.find(text, whole_in):
                listed.setdefault(term, []).append(some.place(start, end))
        if self._any_similar and len(folded.first) > 1:
            some = _Some(folded, np.arange(len(folded.first) - 1))
            for term, start, end in self._sentences.find(some.text, some.first.tolist()):
                listed.setdefault(term, []).append(some.place(start, end))
        return [(term, _found(places)) for term, places in listed.items()]


def _both(some: _Array, others: _Array) -> _Array:
    """What is in both; each in order and once."""
    if not len(others):
        return others
    at = np.minimum(np.searchsorted(others, some), len(others) - 1)
    return some[others[at] == some]


def _few_bits(texts: Iterable[str]) -> _Array:
    """The first characters of these texts as `qc.scan.compiled.hold` looks for them."""
    bits = np.zeros(64, np.uint64)
    for text in texts:
        bits[ord(text[0]) >> 6 & 63] |= np.uint64(1 << (ord(text[0]) & 63))
    return bits


def _put(result: dict[Term, Found], term: Term, found: Found) -> None:
    if len(found):
        result[term] = found


def _found(places: Sequence[tuple[int, int, int]]) -> Found:
    if not places:
        return NOTHING
    turn, start, end = np.array(sorted(places), np.int64).T
    return Found(turn, start, end)


def _whole(folded: Folded, place: _Array, end: _Array, turn: _Array) -> _Array:
    """Which places cut no number and no spelled word in two: 4小时 is not in 24小时, «rude» is not in «intruder»."""
    if not len(place):
        return np.zeros(0, bool)
    codes = folded.codes
    last = len(codes) - 1
    left = (place > folded.first[turn]) & _joined(codes[np.maximum(place - 1, 0)], codes[place])
    right = (end < folded.first[turn + 1]) & _joined(codes[end - 1], codes[np.minimum(end, last)])
    return ~(left | right)


def _joined(left: _Array, right: _Array) -> _Array:
    a, b = TABLES.kind_of(left), TABLES.kind_of(right)
    same = (a == b) & ((a == DIGIT) | (a == LETTER))
    dotted = ((a == SEPARATOR) & (left == ord(".")) & (b == DIGIT)) | ((a == DIGIT) & (b == SEPARATOR) & (right == ord(".")))
    return same | dotted


def whole_in(text: str, start: int, end: int) -> bool:
    """The same of one place of a text."""
    if start > 0 and _joined_chars(text[start - 1], text[start]):
        return False
    return end >= len(text) or not _joined_chars(text[end - 1], text[end])


def _joined_chars(left: str, right: str) -> bool:
    kinds = kind(left) + kind(right)
    return kinds in ("dd", "ll") or (kinds == "sd" and left == ".") or (kinds == "ds" and right == ".")


class _Some:
    """The normal forms of some turns as one text with a line feed between them, which no normal form holds."""

    def __init__(self, folded: Folded, turns: _Array) -> None:
        self.turns = turns
        self._folded = folded
        self._sizes = folded.first[turns + 1] - folded.first[turns]
        self.first = np.concatenate(([0], np.cumsum(self._sizes + 1)[:-1])) if len(turns) else np.zeros(0, np.int64)

    @cached_property
    def codes(self) -> _Array:
        codes = np.full(int(self._sizes.sum()) + max(len(self.turns) - 1, 0), _NEWLINE, np.uint32)
        codes[ranges(self.first, self._sizes)] = self._folded.codes[ranges(self._folded.first[self.turns], self._sizes)]
        return codes

    @cached_property
    def text(self) -> str:
        return text_of(self.codes)

    @cached_property
    def data(self) -> bytes:
        """The text in UTF-8."""
        if not compiled.used():
            return self.text.encode("utf-8", "surrogatepass")
        out = np.empty(4 * (int(self._sizes.sum()) + len(self.turns)), np.uint8)
        self._begins = np.empty(len(self.turns), np.int64)
        size = compiled.write_lines(self._folded.codes, self._folded.first, self.turns, out, self._begins)
        return out[:size].tobytes()

    def places(self, spans: _Array) -> tuple[_Array, _Array]:
        """The characters at which these spans of `data` (int64 [n, 2]) begin and end."""
        if compiled.used():
            data: _Array = np.frombuffer(self.data, np.uint8)
            at = np.searchsorted(self._begins, spans[:, 0], side="right") - 1
            start = self.first[at] + compiled.count_chars(data, self._begins[at], spans[:, 0])
            return start, start + compiled.count_chars(data, spans[:, 0], spans[:, 1])
        return self._chars[spans[:, 0]], self._chars[spans[:, 1]]

    @cached_property
    def _chars(self) -> _Array:
        """For each byte of `data` (and its end) the character it begins."""
        return np.concatenate(([0], np.cumsum((np.frombuffer(self.data, np.uint8) & 0xC0) != 0x80)))

    def place(self, start: int, end: int) -> tuple[int, int, int]:
        """Turn of the batch, and where in it."""
        i = int(np.searchsorted(self.first, start, side="right")) - 1
        return int(self.turns[i]), start - int(self.first[i]), end - int(self.first[i])


def spans_alone(pattern: Any) -> Any:
    """The pattern without groups: RE2 finds where it begins and ends by its automaton alone, several times as fast."""
    import re2

    options = re2.Options()
    for name in options.NAMES:
        setattr(options, name, getattr(pattern.options, name))
    options.never_capture = True
    return re2.compile(pattern.pattern, options)


class _Pattern:
    """A pattern or an entity: RE2 over the turns that can hold it."""

    def __init__(self, term: Term) -> None:
        self.term = term
        entity = ENTITIES[term.text] if term.kind == "entity" else None
        text = entity.pattern if entity else term.text
        self._check = entity.check if entity else None
        self._whole = entity is not None
        self._compiled = spans_alone(compile_pattern(text))
        self.atoms = atoms(simplify(text))
        self.rare = self.atoms[:1] + tuple(texts for texts in self.atoms[1:] if not is_common(texts))

    def find(self, folded: Folded, holding: Any) -> Found:
        some = holding(self.atoms)
        if not len(some.turns):
            return NOTHING
        data = some.data
        listed = [m.span() for m in self._compiled.finditer(data)]
        if not listed:
            return NOTHING
        spans = np.array(listed, np.int64)
        spans = spans[spans[:, 1] > spans[:, 0]]
        start, end = some.places(spans)
        if self._check is not None:
            start, end = self._parts(some.text, start.tolist(), end.tolist())
        at = np.searchsorted(some.first, start, side="right") - 1
        turn, low = some.turns[at], some.first[at]
        found = Found(turn, start - low, end - low)
        if not self._whole:
            return found
        place = folded.first[turn]
        kept = _whole(folded, place + found.start, place + found.end, turn)
        return Found(turn[kept], found.start[kept], found.end[kept])

    def _parts(self, text: str, starts: list[int], ends: list[int]) -> tuple[_Array, _Array]:
        """Where in what an entity's pattern found the entities are."""
        assert self._check is not None
        found = [
            (start + first, start + last)
            for start, end in zip(starts, ends, strict=True)
            for first, last in parts(text[start:end], self._check)
        ]
        return tuple(np.array(found, np.int64).reshape(-1, 2).T)


class _Literals:
    """Finds texts: every place of each, those that overlap too."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._automaton: Any = None
        words = sum(len(text) > 1 for text in texts)
        wide = len(texts) * max(map(len, texts), default=0)
        if wide > MOST_CHARS if compiled.used() else words > MOST_WORDS:
            self._automaton = _automaton(texts)
            return
        self._pairs = pairs = Pairs(texts)
        if pairs.most_alike > (MOST_ALIKE_COMPILED if compiled.used() else MOST_ALIKE):
            self._automaton = _automaton(texts)
            return
        self._single = np.full(_CODES, -1, np.int32) if words < len(texts) else np.zeros(0, np.int32)
        self._table = np.zeros(_CODES, np.uint32)
        for i, text in enumerate(texts):
            if len(text) == 1:
                self._table[ord(text)] |= 1 << 16
                self._single[ord(text)] = i
        for pair in pairs.pairs:
            bit = 1 << (ord(pair[1]) * 0x9E3779B1 >> 13) % 8
            self._table[ord(pair[0])] |= bit
            self._table[ord(pair[1])] |= bit << 8
        self._number_pairs()

    def _number_pairs(self) -> None:
        """A small table of pairs where it is small enough to be one: first and second characters numbered."""
        keys = self._pairs.keys
        firsts = np.unique((keys >> np.uint64(32)).astype(np.int64))
        seconds = np.unique((keys & np.uint64(0xFFFFFFFF)).astype(np.int64))
        self._first_of = np.zeros(_CODES, np.uint16)
        self._second_of = np.zeros(_CODES, np.uint16)
        self._first_of[firsts] = np.arange(1, len(firsts) + 1)
        self._second_of[seconds] = np.arange(1, len(seconds) + 1)
        self._width = len(seconds) + 1
        self._numbers = np.full((len(firsts) + 1) * self._width, -1, np.int32) if len(firsts) * len(seconds) < 1 << 23 else None
        if self._numbers is not None:
            a = self._first_of[(keys >> np.uint64(32)).astype(np.int64)].astype(np.int64)
            b = self._second_of[(keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]
            self._numbers[a * self._width + b] = np.arange(len(keys))

    @property
    def ordered(self) -> bool:
        """Whether `find` gives places in order."""
        return compiled.used() and self._automaton is None

    def find(self, codes: _Array) -> tuple[_Array, _Array]:
        """(number of the text, start) of every place, in no order unless `ordered`."""
        empty = np.zeros(0, np.int64)
        if not len(codes) or not self._texts:
            return empty, empty
        if self._automaton is not None:
            listed = self._automaton.find_matches_as_indexes(text_of(codes), overlapping=True)
            which, start, _ = np.array(listed, np.int64).reshape(-1, 3).T
            return which, start
        if compiled.used():
            return self._compiled(codes)
        marks = self._table[codes]
        found: list[tuple[_Array, _Array]] = []
        if len(self._single):
            here = np.flatnonzero(marks & 1 << 16)
            found.append((self._single[codes[here]].astype(np.int64), here))
        seconds = (marks[1:] >> 8).astype(np.uint8)
        here = np.flatnonzero(marks[:-1].astype(np.uint8) & seconds)
        for at in range(0, len(here), _STEP):
            found.extend(self._longer(codes, here[at : at + _STEP]))
        if not found:
            return empty, empty
        which, start = (np.concatenate(column) for column in zip(*found, strict=True))
        return which, start

    def _compiled(self, codes: _Array) -> tuple[_Array, _Array]:
        """The same by `qc.scan.compiled`."""
        words = self._pairs.near, self._single, self._pairs.slots
        found = np.empty((2, len(codes) // 16 + 1024), np.int64)
        count = compiled.find_words(codes, *words, found)
        if count > found.shape[1]:
            found = np.empty((2, count), np.int64)
            compiled.find_words(codes, *words, found)
        return found[0, :count], found[1, :count]

    def _longer(self, codes: _Array, here: _Array) -> list[tuple[_Array, _Array]]:
        pair = self._pair(codes[here], codes[here + 1])
        here, pair = here[pair >= 0], pair[pair >= 0]
        sizes = self._pairs.sizes[pair]
        which = self._pairs.groups[ranges(self._pairs.first[pair], sizes)]
        place = np.repeat(here, sizes)
        fits = place + self._pairs.lengths[which] <= len(codes)
        which, place = which[fits], place[fits]
        found = []
        for offset in range(2, self._pairs.chars.shape[1] + 1):
            done = self._pairs.lengths[which] == offset
            if done.any():
                found.append((which[done], place[done]))
                which, place = which[~done], place[~done]
            if not len(which):
                break
            same = self._pairs.chars[which, offset] == codes[place + offset]
            which, place = which[same], place[same]
        return found

    def _pair(self, first: _Array, second: _Array) -> _Array:
        """The number of the pair of characters, -1 where no word begins so."""
        if self._numbers is not None:
            at = self._first_of[first].astype(np.int64) * self._width + self._second_of[second]
            known = (self._first_of[first] > 0) & (self._second_of[second] > 0)
            return np.where(known, self._numbers[at], -1)
        key = first.astype(np.uint64) << np.uint64(32) | second
        at = np.minimum(np.searchsorted(self._pairs.keys, key), len(self._pairs.keys) - 1)
        return np.where(self._pairs.keys[at] == key, at, -1)


def _automaton(texts: Sequence[str]) -> Any:
    import ahocorasick_rs

    return ahocorasick_rs.AhoCorasick(list(texts), matchkind=ahocorasick_rs.MatchKind.Standard)


class _Sounds:
    """Finds words of the same toneless syllables, overlapping places included."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._terms: list[tuple[Term, list[int]]] = []
        numbers: dict[frozenset[str], int] = {}
        for term in terms:
            heard = [sounds_like(char, term.tolerate) for char in normal_text(term.text)]
            self._terms.append((term, [numbers.setdefault(chars, len(numbers)) for chars in heard]))
        chars = sorted(set().union(*numbers)) if numbers else []
        self._char = np.zeros(_CODES, np.uint16)
        self._char[[ord(c) for c in chars]] = np.arange(1, len(chars) + 1)
        place = {char: i for i, char in enumerate(chars, 1)}
        self._heard = np.zeros((len(numbers), len(chars) + 1), bool)
        for listed, i in numbers.items():
            self._heard[i, [place[char] for char in listed]] = True
        self._first = np.zeros(len(chars) + 1, np.uint64)
        self._second = np.zeros(len(chars) + 1, np.uint64)
        for n, (_, sets) in enumerate(self._terms):
            bit = np.uint64(1 << n % 64)
            self._first[self._heard[sets[0]]] |= bit
            self._second[self._heard[sets[1]]] |= bit

    def find(self, folded: Folded) -> Iterable[tuple[Term, Found]]:
        if not self._terms or len(folded.codes) < 2:
            return
        if compiled.used():
            yield from self._compiled(folded)
            return
        chars = self._char[folded.codes]
        both = self._first[chars[:-1]] & self._second[chars[1:]]
        here = np.flatnonzero(both)
        both = both[here]
        by_bit = [here[(both & np.uint64(1 << bit)) != 0] for bit in range(min(64, len(self._terms)))]
        for n, (term, sets) in enumerate(self._terms):
            places = by_bit[n % 64]
            places = places[places + len(sets) <= len(chars)]
            for offset, number in enumerate(sets):
                places = places[self._heard[number][chars[places + offset]]]
                if not len(places):
                    break
            if len(places):
                yield term, self._turns(folded, places, places + len(sets))

    def _compiled(self, folded: Folded) -> Iterable[tuple[Term, Found]]:
        """The same by `qc.scan.compiled`."""
        sizes = [len(sets) for _, sets in self._terms]
        begins = np.concatenate(([0], np.cumsum(sizes)))
        terms = begins, np.array([number for _, sets in self._terms for number in sets], np.int64)
        tables = self._char, self._first, self._second, terms, self._heard
        found = np.empty((2, len(folded.codes) // 16 + 1024), np.int64)
        count = compiled.find_sounds(folded.codes, *tables, found)
        if count > found.shape[1]:
            found = np.empty((2, count), np.int64)
            compiled.find_sounds(folded.codes, *tables, found)
        key = np.sort(found[0, :count] << _PLACE_BITS | found[1, :count])
        bounds = np.searchsorted(key >> _PLACE_BITS, np.arange(len(self._terms) + 1)).tolist()
        place = key & ((1 << _PLACE_BITS) - 1)
        for n, (term, sets) in enumerate(self._terms):
            here = place[bounds[n] : bounds[n + 1]]
            if len(here):
                yield term, self._turns(folded, here, here + len(sets))

    def _turns(self, folded: Folded, place: _Array, end: _Array) -> Found:
        turn = folded.turn_of(place)
        kept = end <= folded.first[turn + 1]
        kept[kept] &= _whole(folded, place[kept], end[kept], turn[kept])
        at = folded.first[turn]
        return Found(turn[kept], (place - at)[kept], (end - at)[kept])


__all__ = ["CHINESE", "Finder", "Found", "whole_in"]
