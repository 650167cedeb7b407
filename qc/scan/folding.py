"""The normal form of many turns at once: what `qc.text.normal` says, a batch in columns instead of a character at a time.

Every character's folding and kind is asked of `qc.text.normal` once and kept in a table; numerals are asked of
`qc.text.numerals` once for each different phrase. So this file holds no policy of its own, and `tests/scan` holds the
two against each other. Positions are indices into the whole batch; `Folded.original` leads back to a turn's characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from qc.scan import compiled
from qc.text.normal import _fold, kind, normal
from qc.text.numerals import ALPHABET, DIGITS, replacements

CHINESE, LETTER, DIGIT, SEPARATOR, ODD = 1, 2, 3, 4, 5
"""Kinds of a folded character; ODD: folds to none or to several, so its turn goes through `normal` itself."""

_KIND, _PHRASE, _NUMERAL, _READ_OUT, _START = 7, 8, 16, 32, 64
_KINDS = {"c": CHINESE, "l": LETTER, "d": DIGIT, "s": SEPARATOR}
_NUMERALS = frozenset("0123456789零〇一二三四五六七八九十百千万亿两幺")
_SPOKEN = frozenset("零〇一二三四五六七八九幺")
_SINGLE = {ord("'"): "ll", 0x2019: "ll", ord("`"): "ll", ord("."): "dd", ord(":"): "dd", ord(","): "dd"}
_CODES = 0x110000
_LETTERS = sorted(ALPHABET)
_BITS = len(_LETTERS).bit_length()
_PACKED = 64 // _BITS
"""So many characters of a phrase of numerals fit into one number."""

_MEMO = 400_000
"""Most phrases to remember."""

_FEW, _LEAST_AHEAD = 1_000, 32
"""With fewer phrases known than this, most are unknown; so many turns at least are looked through after one."""

_MISSED = 1 << 13
"""Room for the characters of unknown phrases, besides those of the longest turn."""

_Array = Any


@dataclass
class _Edits:
    """Phrases that become numbers: where each starts, how many characters it has there, where its new text lies in
    `TABLES.news` and how long that is. All int64 [edits]."""

    start: _Array
    size: _Array
    new: _Array
    length: _Array

    @property
    def rest(self) -> tuple[_Array, _Array, _Array]:
        return self.size, self.new, self.length


def _joined_edits(parts: list[_Edits]) -> _Edits:
    return _Edits(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("start", "size", "new", "length")))


def _edits(listed: list[tuple[int, int, str]]) -> _Edits:
    """Edits of (start, size, new text)."""
    at = TABLES.add_news([new for _, _, new in listed])
    start, size = np.array([(a, b) for a, b, _ in listed], np.int64).reshape(-1, 2).T
    return _Edits(start, size, at, np.array([len(new) for _, _, new in listed], np.int64))


class _Known:
    """What `replacements` makes of phrases between characters that it does not look at: asked once for each phrase."""

    def __init__(self) -> None:
        none = np.zeros(0, np.int64)
        self.keys = np.zeros(0, np.uint64)
        self.first, self.count = none, none
        self.edits = _Edits(none, none, none, none)

    def look_up(self, keys: _Array) -> _Array:
        """The number of each phrase, which is given as its characters' numbers, the last in the lowest bits."""
        which = self._place(keys)
        new = np.unique(keys[which < 0])
        if len(new):
            if len(self.keys) + len(new) > _MEMO:
                TABLES.forget()
                new = np.unique(keys)
            self._learn(new)
            which = self._place(keys)
        return which

    def _place(self, keys: _Array) -> _Array:
        if not len(self.keys):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)

    def _learn(self, keys: _Array) -> None:
        listed: list[tuple[int, int, str]] = []
        counts = []
        for key in keys.tolist():
            phrase = ""
            while key:
                phrase = _LETTERS[(key & (1 << _BITS) - 1) - 1] + phrase
                key >>= _BITS
            found = replacements(phrase)
            counts.append(len(found))
            listed += [(a, b - a, new) for a, b, new in found]
        count = np.array(counts, np.int64)
        first = len(self.edits.start) + np.cumsum(count) - count
        self.edits = _joined_edits([self.edits, _edits(listed)])
        order = np.argsort(np.concatenate((self.keys, keys)), kind="stable")
        self.keys = np.concatenate((self.keys, keys))[order]
        self.first = np.concatenate((self.first, first))[order]
        self.count = np.concatenate((self.count, count))[order]


class _PhraseBook:
    """The same of phrases of any length, as `qc.scan.compiled.fold` looks for them."""

    def __init__(self) -> None:
        self._slots = np.full(1 << 12, -1, np.int64)
        self._hashes: list[int] = []
        self._entries = np.zeros((4, 1 << 8), np.int64)
        self._codes = np.zeros(1 << 12, np.uint32)
        self._used = self._edited = 0
        self.edits = np.zeros((1 << 8, 4), np.int64)

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def arrays(self) -> tuple[_Array, ...]:
        """Slots, start of each phrase, its length, its edits' first and count, all characters."""
        return (self._slots, *self._entries, self._codes)

    def learn(self, phrases: list[str]) -> None:
        """More phrases, each of them new."""
        number = len(self._hashes)
        found = [replacements(phrase) for phrase in phrases]
        sizes, counts = ([len(one) for one in listed] for listed in (phrases, found))
        edits = [(start, end - start, new) for edited in found for start, end, new in edited]
        used, edited = self._used + sum(sizes), self._edited + len(edits)
        self._codes = _room(self._codes, used)
        self._codes[self._used : used] = codes_of("".join(phrases))
        self.edits = _room(self.edits, edited)
        if edits:
            at = TABLES.add_news([new for _, _, new in edits]).tolist()
            self.edits[self._edited : edited] = [(a, size, n, len(new)) for (a, size, new), n in zip(edits, at, strict=True)]
        while number + len(phrases) > self._entries.shape[1]:
            self._entries = np.concatenate((self._entries, np.zeros_like(self._entries)), axis=1)
        begins = [self._used + end - size for end, size in zip(accumulate(sizes), sizes, strict=True)]
        edit_begins = [self._edited + end - count for end, count in zip(accumulate(counts), counts, strict=True)]
        self._entries[:, number : number + len(phrases)] = begins, sizes, edit_begins, counts
        self._used, self._edited = used, edited
        self._hashes += [compiled.phrase_hash(list(map(ord, phrase))) for phrase in phrases]
        if 2 * len(self._hashes) > len(self._slots):
            self._slots = np.full(1 << (4 * len(self._hashes) - 1).bit_length(), -1, np.int64)
            number = 0
        for i in range(number, len(self._hashes)):
            self._put(i)

    def _put(self, number: int) -> None:
        slot = self._hashes[number] & len(self._slots) - 1
        while self._slots[slot] >= 0:
            slot = slot + 1 & len(self._slots) - 1
        self._slots[slot] = number


def _room(values: _Array, size: int) -> _Array:
    """With room for at least so many rows."""
    if size <= len(values):
        return values
    return np.concatenate((values, np.zeros((max(size, 2 * len(values)) - len(values), *values.shape[1:]), values.dtype)))


class _Tables:
    """What is known of characters so far: low 21 bits the folded character, from bit 24 on its kind and marks; 0 unknown."""

    def __init__(self) -> None:
        self.packed = np.zeros(_CODES, np.uint32)
        self.kinds = np.zeros(_CODES, np.uint8)
        self.digits = np.zeros(_CODES, np.uint32)
        for char, digit in DIGITS.items():
            self.digits[ord(char)] = ord(digit)
        self.letters = np.zeros(_CODES, np.uint64)
        self.letters[[ord(char) for char in _LETTERS]] = np.arange(1, len(_LETTERS) + 1)
        self.forget()

    def forget(self) -> None:
        """Begin anew with numerals, so that strangers' texts do not fill the memory."""
        self.known = _Known()
        self.phrase_book = _PhraseBook()
        self.news = np.zeros(1 << 8, np.uint32)
        self._news_size = 0
        self._places: dict[str, int] = {}
        self.phrases: dict[str, list[tuple[int, int, str]]] = {}

    def add_news(self, texts: list[str]) -> _Array:
        """Where each of these texts lies in `news`."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._places]
        if fresh:
            added = codes_of("".join(fresh))
            self.news = _room(self.news, self._news_size + len(added))
            self.news[self._news_size : self._news_size + len(added)] = added
        for text in fresh:
            self._places[text] = self._news_size
            self._news_size += len(text)
        return np.array([self._places[text] for text in texts], np.int64)

    def look_up(self, codes: _Array) -> _Array:
        packed = self.packed[codes]
        if not packed.all():
            for code in np.unique(codes[packed == 0]).tolist():
                self.packed[code] = _describe(chr(code))
            packed = self.packed[codes]
        return packed

    def kind_of(self, codes: _Array) -> _Array:
        """Kinds of characters of a normal form."""
        found = self.kinds[codes]
        if not found.all():
            for code in np.unique(codes[found == 0]).tolist():
                self.kinds[code] = _KINDS[kind(chr(code))]
            found = self.kinds[codes]
        return found


def _describe(char: str) -> int:
    folded = _fold(char)
    if len(folded) != 1:
        unheard = bool(folded) and all(kind(c) == "s" for c in folded)  # … is ..., a gap whatever it is made of
        return (SEPARATOR if unheard else ODD) << 24
    marks = _KINDS[kind(folded)]
    if folded in ALPHABET:
        marks |= _PHRASE
    if folded in _NUMERALS:
        marks |= _NUMERAL
    if folded in _SPOKEN:
        marks |= _READ_OUT
    return marks << 24 | ord(folded)


TABLES = _Tables()


@dataclass
class Folded:
    """Normal forms of a batch's turns, one after the other.

    `codes` uint32 [characters]: code points; turn i has `[first[i], first[i + 1])`. `low`, `high` uint32 [characters]: the
    characters of its turn's original text that each came from, `[low, high)`, neither ever falling within a turn.
    `known` bool [turns]: where given, only these turns' forms are here; those of others are empty. `chosen`: the same turns as numbers,
    and where the form of each begins. `chars` int64 [turns, or those chosen]: characters of their texts, where that is known.
    """

    codes: _Array
    first: _Array
    low: _Array
    high: _Array
    known: _Array | None = None
    chosen: tuple[_Array, _Array] | None = None
    chars: _Array | None = None

    def turn_of(self, places: _Array) -> _Array:
        """The turn of each place in `codes`."""
        if self.chosen is not None:  # few, and near each other
            turns, first = self.chosen
            return turns[np.searchsorted(first, places, side="right") - 1]
        return np.searchsorted(self.first, places, side="right") - 1

    def text(self, turn: int) -> str:
        """The normal form of a turn."""
        return text_of(self.codes[self.first[turn] : self.first[turn + 1]])

    def original(self, turns: _Array, starts: _Array, ends: _Array) -> tuple[_Array, _Array]:
        """Characters of each turn's original text that its normal form's `[start, end)` came from."""
        at = self.first[turns]
        return self.low[at + starts].astype(np.int64), self.high[at + ends - 1].astype(np.int64)

    def original_of(self, turn: int, start: int, end: int) -> tuple[int, int]:
        """The same for one place."""
        at = int(self.first[turn])
        return int(self.low[at + start]), int(self.high[at + end - 1])


def text_of(codes: _Array) -> str:
    """Code points as text."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


def codes_of(text: str) -> _Array:
    """Text as code points, uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def normal_forms(texts: list[str]) -> Folded:
    """Texts that are normal forms already."""
    codes = codes_of("".join(texts))
    first = np.concatenate(([0], np.cumsum([len(text) for text in texts], dtype=np.int64)))
    low = (np.arange(len(codes)) - np.repeat(first[:-1], np.diff(first))).astype(np.uint32)
    return Folded(codes, first, low, low + np.uint32(1))


def fold_utf8(data: _Array, at: _Array, chars: int) -> Folded:
    """The normal form of every turn. `data` uint8: UTF-8 of all texts; turn i is `[at[i], at[i + 1])`; `chars` in all.

    Raises UnicodeDecodeError.
    """
    if compiled.used():
        return _fold_compiled(data, at[:-1], at[1:], chars)
    source = codes_of(str(memoryview(data[at[0] : at[-1]] if len(at) else data), "utf-8"))
    begins = np.concatenate(([0], np.cumsum((data[at[0] : at[-1]] & 0xC0) != 0x80)))
    return fold(source, begins[at - at[0]])


def fold_chosen(data: _Array, at: _Array, chosen: _Array) -> Folded:
    """The normal form of some turns (numbers in order), by machine code; of all others nothing, and `known` says so."""
    begin, end = at[chosen], at[chosen + 1]
    some = _fold_compiled(data, begin, end, int((end - begin).sum()) // 2)
    sizes = np.zeros(len(at), np.int64)
    sizes[chosen + 1] = np.diff(some.first)
    known = np.zeros(len(at) - 1, bool)
    known[chosen] = True
    return Folded(some.codes, np.cumsum(sizes), some.low, some.high, known, (chosen, some.first[:-1]), some.chars)


def _fold_compiled(data: _Array, at: _Array, ends: _Array, chars: int) -> Folded:
    """The same by `qc.scan.compiled`, which stops at what it does not know yet; turn i is `[at[i], ends[i])`."""
    out = np.empty((3, chars + chars // 8 + 64), np.uint32)
    first, sizes = np.zeros(len(at) + 1, np.int64), np.zeros(len(at), np.int64)
    state = np.zeros(6, np.int64)
    longest = int((ends - at).max(initial=0))
    work = np.empty((4, 2 * longest + 64), np.uint32)
    unknown = np.empty(longest + _MISSED, np.uint32), np.empty(compiled.MOST_AHEAD, np.int64)
    ahead = compiled.MOST_AHEAD if len(TABLES.phrase_book) < _FEW else _LEAST_AHEAD
    while True:
        missed = unknown[0], unknown[1][:ahead]
        phrases = TABLES.phrase_book
        texts = data, at, ends
        tables = TABLES.packed, TABLES.digits, phrases.arrays, phrases.edits, TABLES.news
        why = compiled.fold(*texts, *tables, out, first, sizes, state, work, missed)
        if state[3]:
            new = _phrases(missed[0], missed[1][: state[3]])
            if ahead > 1:  # many in few turns: more to come
                ahead = min(max(_LEAST_AHEAD, 16 * len(new)), compiled.MOST_AHEAD)
            if len(phrases) + len(new) > _MEMO:  # so many that one turn's are kept at a time
                TABLES.forget()
                ahead = 1
                new = new[:1]
            TABLES.phrase_book.learn(new)
            state[:2] = state[4:]
            continue
        turn, used = int(state[0]), int(state[1])
        if why == compiled.DONE:
            return Folded(out[0, :used], first, out[1, :used], out[2, :used], chars=sizes)
        if why == compiled.BAD:
            raise_bad(data, at, ends)
        if why == compiled.NEW_CHAR:
            TABLES.look_up(np.array([state[2]]))
        elif why == compiled.FULL:
            out = _longer(out, used, 0)
        else:
            form = normal(str(memoryview(data[at[turn] : ends[turn]]), "utf-8"))
            out = _longer(out, used, len(form.text))
            until = used + len(form.text)
            out[0, used:until], out[1, used:until], out[2, used:until] = codes_of(form.text), form.starts, form.ends
            state[:2] = turn + 1, until
            first[turn + 1] = until


def _phrases(codes: _Array, ends: _Array) -> list[str]:
    """Different phrases, of which the characters lie one after the other."""
    text = text_of(codes[: ends[-1]])
    return list(dict.fromkeys(text[a:b] for a, b in pairwise([0, *ends.tolist()])))


def raise_bad(data: _Array, at: _Array, ends: _Array) -> None:
    """Raises UnicodeDecodeError for the first turn that is no UTF-8."""
    for begin, end in zip(at.tolist(), ends.tolist(), strict=True):
        str(memoryview(data[begin:end]), "utf-8")
    raise AssertionError("unreachable")


def _longer(out: _Array, used: int, more: int) -> _Array:
    """With room for `more`, or where that is 0, for much more."""
    if more and used + more <= out.shape[1]:
        return out
    found = np.empty((3, used + more + out.shape[1] // 2 + (1 << 20)), np.uint32)
    found[:, :used] = out[:, :used]
    return found


def fold(source: _Array, source_first: _Array) -> Folded:
    """The normal form of every turn. `source` uint32: all texts, one after the other; `source_first` int64 [turns + 1]."""
    packed = TABLES.look_up(source)
    codes = packed & 0x1FFFFF
    marks = (packed >> 24).astype(np.uint8)
    starts = source_first[:-1]
    marks[starts[starts < len(marks)]] |= _START
    odd = np.unique(np.searchsorted(source_first, np.flatnonzero((marks & _KIND) == ODD), side="right") - 1)
    work = _Work(codes, marks, source_first)
    work.numbers()
    work.separators()
    kept = np.cumsum(work.counts, dtype=np.int64)
    longer = work.longer
    out = np.repeat(codes, work.counts) if len(longer.last) else codes[work.counts.view(bool)]
    out[ranges(kept[longer.last] - longer.extra, longer.extra)] = longer.codes
    first = np.concatenate(([0], kept))[source_first]
    at = np.repeat(np.arange(len(codes)), work.counts)
    low, high = at.copy(), at + 1
    begin = np.concatenate([*work.low, np.zeros(0, np.int64)])
    end = np.concatenate([*work.high, np.zeros(0, np.int64)])
    if len(begin):
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], end[order]
        which = np.searchsorted(begin, at, side="right") - 1
        inside = (which >= 0) & (at < end[which])
        low, high = np.where(inside, begin[which], low), np.where(inside, end[which], high)
    before = np.repeat(source_first[:-1], np.diff(first))
    folded = Folded(out, first, (low - before).astype(np.uint32), (high - before).astype(np.uint32))
    return _with_odd(folded, odd.tolist(), source, source_first) if len(odd) else folded


def _with_odd(folded: Folded, turns: list[int], source: _Array, source_first: _Array) -> Folded:
    """The same with some turns replaced by what `normal` says."""
    columns: list[list[_Array]] = [[], [], []]
    sizes = np.diff(folded.first)
    done = 0
    whole = (folded.codes, folded.low, folded.high)
    for turn in turns:
        form = normal(text_of(source[source_first[turn] : source_first[turn + 1]]))
        sizes[turn] = len(form.text)
        instead = codes_of(form.text), np.array(form.starts, np.uint32), np.array(form.ends, np.uint32)
        for pieces, values, new in zip(columns, whole, instead, strict=True):
            pieces += [values[done : folded.first[turn]], new]
        done = folded.first[turn + 1]
    codes, low, high = (np.concatenate([*pieces, values[done:]]) for pieces, values in zip(columns, whole, strict=True))
    return Folded(codes, np.concatenate(([0], np.cumsum(sizes))), low, high)


@dataclass
class _Longer:
    """Numbers that got longer: the last place of each, how many characters are more, and these one after the other."""

    last: _Array
    extra: _Array
    codes: _Array

    def texts(self) -> dict[int, str]:
        """What comes after each place."""
        text = text_of(self.codes)
        ends = np.cumsum(self.extra)
        return {
            place: text[end - extra : end]
            for place, extra, end in zip(self.last.tolist(), self.extra.tolist(), ends.tolist(), strict=True)
        }


class _Work:
    """Changes codes in place and counts what stays of each character: 0 nothing, 1 it, more where a number got longer."""

    def __init__(self, codes: _Array, marks: _Array, first: _Array) -> None:
        self.codes, self.marks, self.first = codes, marks, first
        self.counts = np.ones(len(codes), np.uint8)
        none = np.zeros(0, np.int64)
        self.longer = _Longer(none, none, none)
        self.low: list[_Array] = []
        self.high: list[_Array] = []

    # -- numerals -----------------------------------------------------------------------------------------------

    def numbers(self) -> None:
        places = np.flatnonzero(self.marks & _PHRASE)
        if not len(places):
            return
        marks = self.marks[places]
        begins = np.flatnonzero(np.concatenate(([True], (np.diff(places) != 1) | ((marks[1:] & _START) != 0))))
        numerals = np.bitwise_or.reduceat(marks, begins) & _NUMERAL
        spoken = np.bitwise_and.reduceat(marks, begins) & _READ_OUT
        starts = places[begins]
        sizes = np.diff(np.concatenate((begins, [len(places)])))
        said = (numerals != 0) & (spoken == 0)
        self._read_out(starts[spoken != 0], sizes[spoken != 0])
        said &= ~self._number_after_words(starts, sizes, marks, begins)
        short = said & (sizes <= _PACKED)
        long = said & (sizes > _PACKED)
        self._change(_joined_edits([self._short(starts[short], sizes[short]), self._long(starts[long], sizes[long])]))

    def _read_out(self, starts: _Array, sizes: _Array) -> None:
        """Digits read out and nothing else: one by one, but 一一 alone is a word, and so is one alone."""
        ones = (sizes == 2) & (self.codes[starts] == ord("一"))
        ones &= self.codes[np.minimum(starts + 1, len(self.codes) - 1)] == ord("一")
        chosen = (sizes >= 2) & ~ones
        places = ranges(starts[chosen], sizes[chosen])
        self.codes[places] = TABLES.digits[self.codes[places]]
        self.marks[places] = self.marks[places] & ~np.uint8(_KIND) | DIGIT

    def _number_after_words(self, starts: _Array, sizes: _Array, marks: _Array, begins: _Array) -> _Array:
        """Phrases that end with three digits or more, read out, and before them have words alone: 单号九三五. They are done here."""
        numeral = np.concatenate(([0], np.cumsum((marks & _NUMERAL) != 0)))
        spoken = np.concatenate(([0], np.cumsum((marks & _READ_OUT) != 0)))
        ends = begins + sizes
        run = numeral[ends] - numeral[begins]
        fits = (run >= 3) & (run < sizes) & (spoken[ends] - spoken[ends - run] == run)
        before = self.codes[np.maximum(starts + sizes - run - 1, 0)]
        fits &= (before != ord("点")) & (before != ord("之")) & (before != ord("."))
        places = ranges((starts + sizes - run)[fits], run[fits])
        self.codes[places] = TABLES.digits[self.codes[places]]
        self.marks[places] = self.marks[places] & ~np.uint8(_KIND) | DIGIT
        return fits

    def _short(self, starts: _Array, sizes: _Array) -> _Edits:
        """Phrases short enough to be one number: what is known of them is looked up for all at once."""
        key = np.zeros(len(starts), np.uint64)
        for offset in range(int(sizes.max(initial=0))):
            inside = sizes > offset
            key[inside] = key[inside] << np.uint64(_BITS) | TABLES.letters[self.codes[starts[inside] + offset]]
        which = TABLES.known.look_up(key)
        edits = TABLES.known.edits
        first, count = TABLES.known.first[which], TABLES.known.count[which]
        chosen = ranges(first, count)
        return _Edits(np.repeat(starts, count) + edits.start[chosen], *(column[chosen] for column in edits.rest))

    def _long(self, starts: _Array, sizes: _Array) -> _Edits:
        text = text_of(self.codes[ranges(starts, sizes)])
        memo = TABLES.phrases
        if len(memo) > _MEMO // 8:
            memo.clear()
        found: list[tuple[int, int, str]] = []
        at = 0
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
            phrase = text[at : at + size]
            changes = memo.get(phrase)
            if changes is None:
                changes = memo[phrase] = replacements(phrase)
            found += [(start + a, b - a, new) for a, b, new in changes]
            at += size
        return _edits(found)

    def _change(self, edits: _Edits) -> None:
        """Characters [start, start + size) become the new text."""
        start, size, length = edits.start, edits.size, edits.length
        if not len(start):
            return
        both = np.minimum(size, length)
        self.codes[ranges(start, both)] = TABLES.news[ranges(edits.new, both)]
        whole = ranges(start, size)
        self.marks[whole] = self.marks[whole] & ~np.uint8(_KIND) | DIGIT
        last = start + size - 1
        percent = last[TABLES.news[edits.new + length - 1] == ord("%")]
        self.marks[percent] = self.marks[percent] & ~np.uint8(_KIND) | CHINESE
        less = np.maximum(size - length, 0)
        self.counts[ranges(start + length, less)] = 0
        more = np.flatnonzero(length > size)
        extra = length[more] - size[more]
        self.counts[last[more]] = 1 + extra
        self.longer = _Longer(last[more], extra, TABLES.news[ranges(edits.new[more] + size[more], extra)])
        joined = size > 1
        self.low.append(start[joined])
        self.high.append(start[joined] + size[joined])

    # -- separators ---------------------------------------------------------------------------------------------

    def separators(self) -> None:
        """Gone, but between two letters or digits a space (or what `qc.text.normal` keeps of it)."""
        kinds = self.marks & _KIND
        places = np.flatnonzero(kinds == SEPARATOR)
        if not len(places):
            return
        self.counts[places] = 0
        begin = np.concatenate(([True], (np.diff(places) != 1) | ((self.marks[places[1:]] & _START) != 0)))
        start = places[begin]
        end = places[np.concatenate((begin[1:], [True]))]
        inner = ((self.marks[start] & _START) == 0) & (start > 0) & (end + 1 < len(kinds))
        start, end = start[inner], end[inner]
        before, after = kinds[start - 1], kinds[end + 1]
        spelled = (before >= LETTER) & (before <= DIGIT) & (after >= LETTER) & (after <= DIGIT)
        spelled &= (self.marks[end + 1] & _START) == 0
        start, end, before, after = start[spelled], end[spelled], before[spelled], after[spelled]
        single = np.where(start == end, self.codes[start], 0)
        self.counts[start] = 1
        self.codes[start] = ord(" ")
        for sign, kinds_said in _SINGLE.items():
            wanted = LETTER if kinds_said == "ll" else DIGIT
            here = start[(single == sign) & (before == wanted) & (after == wanted)]
            if len(here):
                self._single(chr(sign), here)
        wide = end > start
        self.low.append(start[wide])
        self.high.append(end[wide] + 1)

    def _single(self, sign: str, places: _Array) -> None:
        if sign == ".":
            self.codes[places] = ord(".")
        elif sign == ":":
            self.codes[places] = ord("点")
        elif sign == ",":
            gone = self._thousands(places)
            self.counts[gone] = 0
        else:
            self.counts[places] = 0

    def _thousands(self, commas: _Array) -> _Array:
        """Those after which three digits come and not four, in what the numerals made of the text."""
        after = commas[:, None] + np.arange(1, 5)
        near = np.minimum(after, len(self.codes) - 1)
        codes, kinds = self.codes[near], self.marks[near] & _KIND
        digits = (codes >= 48) & (codes <= 57) & (kinds == DIGIT)
        plain = (after < len(self.codes)) & ((self.marks[near] & _START) == 0)
        plain &= ((self.counts[near] == 1) | (kinds == SEPARATOR)) & ((codes < 128) | (kinds != LETTER))
        sure = plain.all(axis=1)
        gone = sure & digits[:, :3].all(axis=1) & ~digits[:, 3]
        unsure = np.flatnonzero(~sure)
        if len(unsure):
            extra = self.longer.texts()
            gone[unsure] = [self._thousands_after(comma, extra) for comma in commas[unsure].tolist()]
        return commas[gone]

    def _thousands_after(self, comma: int, extra: dict[int, str]) -> bool:
        after = ""
        place = comma + 1
        end = int(self.first[np.searchsorted(self.first, comma, side="right")])
        while place < end and len(after) < 4:
            count = int(self.counts[place])
            if count or (int(self.marks[place]) & _KIND) == SEPARATOR:
                after += chr(int(self.codes[place])) + (extra.get(place, "") if count > 1 else "")
            place += 1
        after = after[:4]
        return len(after) >= 3 and after[:3].isdigit() and not after[3:].isdigit()


def ranges(starts: _Array, sizes: _Array) -> _Array:
    """All numbers of the ranges [start, start + size), one range after the other."""
    total = int(sizes.sum())
    if not total:
        return np.zeros(0, np.int64)
    ends = np.cumsum(sizes)
    return np.arange(total) + np.repeat(starts - (ends - sizes), sizes)
