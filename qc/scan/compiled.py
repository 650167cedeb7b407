"""The inner loops of a large scan as machine code: normal forms and words of whole batches (Numba).

They say what `qc.scan.folding` and `qc.scan.finding` say in NumPy, with one look at each character instead
of some fifty; `tests/scan` holds the two against each other. Compiling takes seconds the first time, loading what was
compiled half a second, so small scans go without (`use`). Texts and packs come from strangers: every loop checks its bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qc.machine import compiled

_used = False


def use(wanted: bool) -> None:
    """Whether this process's scans are large enough for it."""
    global _used
    _used = wanted


def used() -> bool:
    """Whether the loops here are to be used."""
    return _used


class Later:
    """A function that is compiled when it is first called: a small scan never imports Numba."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._made: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self._made is None:
            self._made = compiled(self._function)
        return self._made(*arguments)


# -- normal form ----------------------------------------------------------------------------------------------------

DONE, NEW_CHAR, BY_ITSELF, FULL, BAD = range(5)
"""Why `fold` stops: all is done; it wants a character's entry; a turn has to go through `qc.text.normal`; the output is full; the
text is no UTF-8."""

MOST_AHEAD = 512
"""So many turns `fold` goes on at most after one with a phrase that it does not know, to come back with several."""

CHINESE, _LETTER, _DIGIT, SEPARATOR, ODD = 1, 2, 3, 4, 5
KIND, _PHRASE, NUMERAL, _READ_OUT = 7, 8, 16, 32
_ONE, _POINT, _OF = 0x4E00, 0x70B9, 0x4E4B
MULTIPLIER = 0x9E3779B97F4A7C15


def _fold(data, at, ends, table, digits, phrases, edits, news, out, first, sizes, state, work, missed):  # type: ignore[no-untyped-def]
    """Normal forms of turns from `state[0]` on; `state[1]` characters are there already. Gives why it stopped.

    `data` uint8: UTF-8 of all turns, turn i `[at[i], ends[i])`. `table` uint32 by code point (`folding.TABLES.packed`).
    `phrases`: (slots, start of each phrase, its length, its edits' first and count, characters). `edits` int64
    [n, 4]: start, size, where in `news`, length. `out` uint32 [3, n]: code point, first source character, one past the
    last, within the turn. `sizes` int64 [turns]: characters of each turn's text. On NEW_CHAR `state[2]` is the code point. `work` uint32 [4, longest]: room for a turn.

    After a turn with an unknown phrase it only looks for more of these, whatever it says; then `state[3]` phrases are to be learned, and `state[4]`, `[5]` are
    what `state[0]`, `[1]` have to be afterwards. `missed`: (their characters uint32 [at least the longest turn], where each
    ends int64 [turns that it goes on for after the first]).
    """
    slots, phrase_first, phrase_size, edit_first, edit_count, phrase_codes = phrases
    form_out, low_out, high_out = out[0], out[1], out[2]
    chars, numbered, low, high = work[0], work[1], work[2], work[3]
    room = work.shape[1]
    turns = len(at)
    turn, used = state[0], state[1]
    code_bits = np.uint32(0x1FFFFF)
    missed_codes, missed_ends = missed
    unknown, noted = 0, 0
    u1, u2, u3 = np.uint64(1), np.uint64(2), np.uint64(3)
    state[3] = 0
    while turn < turns:
        if unknown > 0 and turn - state[4] >= len(missed_ends):
            return DONE
        # the characters, each with its marks
        place, end = np.uint64(at[turn]), np.uint64(ends[turn])
        filled = np.uint64(0)
        all_marks = np.uint32(0)
        special = False
        while place < end:
            byte = np.uint32(data[place])
            if byte < 0x80:
                code = byte
                place += u1
            elif byte & 0xF0 == 0xE0:
                if place + u2 >= end:
                    return BAD
                second, third = np.uint32(data[place + u1]), np.uint32(data[place + u2])
                if (second & 0xC0) != 0x80 or (third & 0xC0) != 0x80:
                    return BAD
                code = (byte & np.uint32(15)) << 12 | (second & np.uint32(63)) << 6 | third & np.uint32(63)
                if code < 0x800 or 0xD800 <= code < 0xE000:
                    return BAD
                place += u3
            elif 0xC2 <= byte < 0xE0:
                if place + u1 >= end or (data[place + u1] & 0xC0) != 0x80:
                    return BAD
                code = (byte & np.uint32(31)) << 6 | np.uint32(data[place + u1]) & np.uint32(63)
                place += u2
            elif 0xF0 <= byte < 0xF5:
                if place + u3 >= end:
                    return BAD
                code = byte & np.uint32(7)
                for k in range(1, 4):
                    if (data[place + np.uint64(k)] & 0xC0) != 0x80:
                        return BAD
                    code = code << 6 | np.uint32(data[place + np.uint64(k)]) & np.uint32(63)
                if code < 0x10000 or code > 0x10FFFF:
                    return BAD
                place += u3 + u1
            else:
                return BAD
            char = table[code]
            if char == 0:
                state[0], state[1], state[2] = turn, used, code
                return NEW_CHAR
            special |= (char >> 24 & KIND) == ODD
            chars[filled] = char
            all_marks |= char
            filled += u1
        sizes[turn] = filled
        if special:
            state[0], state[1] = turn, used
            return BY_ITSELF
        # the numerals
        size = np.int64(filled)
        plain = (all_marks >> 24 & NUMERAL) == 0
        forms = chars
        count = size
        if not plain:
            forms = numbered
            count = i = 0
            while i < size:
                j = i  # the next phrase with a numeral, and all before it
                while j < size and chars[np.uint64(j)] >> 24 & NUMERAL == 0:
                    j += 1
                while i < j < size and chars[np.uint64(j - 1)] >> 24 & _PHRASE:
                    j -= 1
                to, source = np.uint64(count), np.uint64(i)
                count += j - i
                i = j
                while source < np.uint64(j):
                    forms[to], low[to], high[to] = chars[source], source, source + u1
                    to += u1
                    source += u1
                if i == size:
                    break
                numerals = 0
                every = np.uint32(_READ_OUT)
                while j < size and chars[j] >> 24 & _PHRASE:
                    numerals += chars[j] >> 24 & NUMERAL
                    every &= chars[j] >> 24
                    j += 1
                numerals //= NUMERAL
                spoken_from = j  # from here on digits are read out
                if numerals > 0 and every:
                    if j - i >= 2 and not (j - i == 2 and chars[i] & code_bits == _ONE and chars[i + 1] & code_bits == _ONE):
                        spoken_from = i
                elif numerals > 0:
                    if 3 <= numerals < j - i:
                        before = chars[j - numerals - 1] & code_bits
                        spoken = before != _POINT and before != _OF and before != 46
                        for k in range(j - numerals, j):
                            spoken &= (chars[k] >> 24 & _READ_OUT) != 0
                        if spoken:
                            spoken_from = j - numerals
                    if spoken_from == j:
                        hashed = np.uint64(0)
                        for k in range(i, j):
                            hashed = (hashed ^ np.uint64(chars[k] & code_bits)) * np.uint64(MULTIPLIER)
                            hashed ^= hashed >> np.uint64(29)
                        slot = hashed & np.uint64(len(slots) - 1)
                        found = -1
                        while slots[slot] >= 0:
                            entry = slots[slot]
                            if phrase_size[entry] == j - i:
                                same = True
                                begin = phrase_first[entry]
                                for k in range(j - i):
                                    if phrase_codes[begin + k] != chars[i + k] & code_bits:
                                        same = False
                                        break
                                if same:
                                    found = entry
                                    break
                            slot = (slot + np.uint64(1)) & np.uint64(len(slots) - 1)
                        if found < 0:
                            if unknown == 0:
                                state[4], state[5] = turn, used
                            elif noted + j - i > len(missed_codes):
                                return DONE
                            for k in range(i, j):
                                missed_codes[noted] = chars[k] & code_bits
                                noted += 1
                            missed_ends[unknown] = noted
                            unknown += 1
                            state[3] = unknown
                            break
                        begin = i
                        for e in range(edit_first[found], edit_first[found] + edit_count[found]):
                            start, length, new, new_length = i + edits[e, 0], edits[e, 1], edits[e, 2], edits[e, 3]
                            if count + (start - begin) + new_length + (size - begin) >= room:
                                state[0], state[1] = turn, used
                                return BY_ITSELF
                            for k in range(begin, start):
                                forms[count], low[count], high[count] = chars[k], k, k + 1
                                count += 1
                            for k in range(new_length):
                                form = news[new + k]
                                forms[count] = form | np.uint32((CHINESE if form == 37 else _DIGIT) << 24)
                                low[count], high[count] = start, start + length
                                count += 1
                            begin = start + length
                        i = begin
                for k in range(i, j):
                    if k >= spoken_from:
                        forms[count] = digits[chars[k] & code_bits] | np.uint32(_DIGIT << 24)
                    else:
                        forms[count] = chars[k]
                    low[count], high[count] = k, k + 1
                    count += 1
                i = j
        if unknown > 0:  # it comes again
            turn += 1
            continue
        # the separators
        if used + count > len(form_out):
            state[0], state[1] = turn, used
            return FULL
        begin = used
        gap, gap_at, before_kind = 0, 0, np.uint32(0)
        strange = False
        for i in range(count):
            char = forms[i]
            kind = char >> 24 & np.uint32(KIND)
            if kind == SEPARATOR:
                if gap == 0:
                    gap_at = i
                gap += 1
                continue
            if gap > 0:
                if _LETTER <= before_kind <= _DIGIT and _LETTER <= kind <= _DIGIT:
                    sign = np.uint32(32)
                    if gap == 1 and before_kind == kind:
                        only = forms[gap_at] & code_bits
                        if kind == _LETTER:
                            if only == 39 or only == 0x2019 or only == 96:
                                sign = np.uint32(0)
                        elif only == 46:
                            sign = np.uint32(46)
                        elif only == 58:
                            sign = np.uint32(_POINT)
                        elif only == 44:
                            after = 0  # digits right behind the comma, 4 at most
                            while after < 4 and gap_at + 1 + after < count:
                                form = forms[gap_at + 1 + after] & code_bits
                                if form >= 128 and forms[gap_at + 1 + after] >> 24 & KIND == _LETTER:
                                    strange = True
                                if not 48 <= form <= 57:
                                    break
                                after += 1
                            if after == 3:
                                sign = np.uint32(0)
                    if sign != 0:
                        form_out[used] = sign
                        low_out[used] = gap_at if plain else low[gap_at]
                        high_out[used] = gap_at + gap if plain else high[gap_at + gap - 1]
                        used += 1
                gap = 0
            form_out[used] = char & code_bits
            low_out[used] = i if plain else low[i]
            high_out[used] = i + 1 if plain else high[i]
            used += 1
            before_kind = kind
        if strange:
            state[0], state[1] = turn, begin
            return BY_ITSELF
        turn += 1
        first[turn] = used
    state[0], state[1] = turn, used
    return DONE


fold = Later(_fold)


def phrase_hash(codes: list[int]) -> int:
    """The hash by which `fold` looks for a phrase."""
    hashed = 0
    for code in codes:
        hashed = (hashed ^ code) * MULTIPLIER & 0xFFFFFFFFFFFFFFFF
        hashed ^= hashed >> 29
    return hashed


# -- words ----------------------------------------------------------------------------------------------------------


_STEP = 1 << 12
"""So many characters are looked at before what they hold is."""


def _find_words(codes, near, single, pairs, found):  # type: ignore[no-untyped-def]
    """Every place of every word into `found` int64 [2, n] (number, place), in order of place; how many there are, be it more.

    `near`, `pairs`: `qc.scan.pairs.Pairs.near` and `.slots`. `single` int32 by code point: a word alone, or -1; or empty.
    """
    two_bits, three_bits, shift = near
    slots, keys, group_first, group_size, groups, lengths, chars = pairs
    u1, u6, u32, u63, multiplier = np.uint64(1), np.uint64(6), np.uint64(32), np.uint64(63), np.uint64(MULTIPLIER)
    room = found.shape[1]
    count = 0
    size = len(codes)
    some_single = len(single) > 0
    mask = np.uint64(len(slots) - 1)
    places = np.empty(_STEP, np.int64)
    for begin in range(0, size, _STEP):
        end = min(begin + _STEP, size)
        many = np.uint64(0)  # first where anything may be, hardly ever branching
        code, after = np.uint64(codes[begin]), np.uint64(codes[min(begin + 1, size - 1)])
        for place in range(begin, min(end, size - 1)):
            third = np.uint64(codes[min(place + 2, size - 1)])
            hashed = (code << u32 | after) * multiplier
            bit, more = hashed >> shift, (hashed ^ third) * multiplier >> shift
            maybe = (two_bits[bit >> u6] >> (bit & u63) | three_bits[more >> u6] >> (more & u63)) & u1
            if some_single:
                maybe |= np.uint64(single[code] >= 0)
            places[many] = place
            many += maybe
            code, after = after, third
        if end == size and some_single:
            places[many] = size - 1
            many += u1
        for place in places[: np.int64(many)]:
            code = codes[place]
            if some_single and single[code] >= 0:
                if count < room:
                    found[0, count], found[1, count] = single[code], place
                count += 1
            if place + 1 == size:
                break
            key = np.uint64(code) << u32 | np.uint64(codes[place + 1])
            hashed = key * multiplier
            slot = hashed >> u32 & mask
            while slots[slot] >= 0 and keys[slots[slot]] != key:
                slot = (slot + u1) & mask
            pair = slots[slot]
            if pair < 0:
                continue
            for k in range(group_first[pair], group_first[pair] + group_size[pair]):
                word = groups[k]
                length = lengths[word]
                if place + length > size:
                    continue
                same = True
                for offset in range(2, length):
                    if chars[word, offset] != codes[place + offset]:
                        same = False
                        break
                if same:
                    if count < room:
                        found[0, count], found[1, count] = word, place
                    count += 1
    return count


find_words = Later(_find_words)


def _find_sounds(codes, char, first, second, terms, heard, found):  # type: ignore[no-untyped-def]
    """Every place of every term into `found` int64 [2, n] (number, place), in order of place; how many there are, be it more.

    `char` uint16 by code point: its number, 0 for others. `first`, `second` uint64 by that number: bit i where it can begin,
    or come second in, a term whose number is i modulo 64. `terms`: (first of each term's sets in `sets`, sets). `heard` bool
    [sets, numbers]: whether a character is in a set.
    """
    begins, sets = terms
    count = 0
    size = len(codes)
    total = len(begins) - 1
    room = found.shape[1]
    now = char[codes[0]] if size else np.uint16(0)
    for place in range(size - 1):
        here = now
        now = char[codes[place + 1]]
        both = first[here] & second[now]
        term = 0
        while both != 0:
            if both & np.uint64(1):
                number = term
                while number < total:
                    begin, length = begins[number], begins[number + 1] - begins[number]
                    if place + length <= size:
                        same = True
                        for offset in range(length):
                            if not heard[sets[begin + offset], char[codes[place + offset]]]:
                                same = False
                                break
                        if same:
                            if count < room:
                                found[0, count], found[1, count] = number, place
                            count += 1
                    number += 64
            both >>= np.uint64(1)
            term += 1
    return count


find_sounds = Later(_find_sounds)


def _hold(codes, first, turns, bits):  # type: ignore[no-untyped-def]
    """Which of the turns hold one of some characters, or another that is the same in its lowest 12 bits. `bits` uint64 [64]."""
    found = np.zeros(len(turns), np.bool_)
    for i in range(len(turns)):
        any_of = np.uint64(0)
        for code in codes[first[turns[i]] : first[turns[i] + 1]]:
            any_of |= bits[code >> np.uint32(6) & np.uint32(63)] >> np.uint64(code & np.uint32(63))
        found[i] = any_of & np.uint64(1) != 0
    return found


hold = Later(_hold)


def _write_lines(codes, first, turns, out, begins):  # type: ignore[no-untyped-def]
    """UTF-8 of some turns into `out`, a line feed between them; `begins` where each begins. Gives how many bytes there are."""
    u1, u2, u3, u4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    used = np.uint64(0)
    for i in range(len(turns)):
        if i > 0:
            out[used] = 10
            used += u1
        begins[i] = used
        for code in codes[first[turns[i]] : first[turns[i] + 1]]:
            if np.uint32(0x800) <= code < np.uint32(0x10000):
                out[used] = 0xE0 | code >> 12
                out[used + u1] = 0x80 | code >> 6 & 63
                out[used + u2] = 0x80 | code & 63
                used += u3
            elif code < np.uint32(0x80):
                out[used] = code
                used += u1
            elif code < np.uint32(0x800):
                out[used] = 0xC0 | code >> 6
                out[used + u1] = 0x80 | code & 63
                used += u2
            else:
                out[used] = 0xF0 | code >> 18
                out[used + u1] = 0x80 | code >> 12 & 63
                out[used + u2] = 0x80 | code >> 6 & 63
                out[used + u3] = 0x80 | code & 63
                used += u4
    return np.int64(used)


write_lines = Later(_write_lines)


def _count_chars(data, starts, ends):  # type: ignore[no-untyped-def]
    """How many characters begin in each range of the bytes of UTF-8. int64 [ranges]."""
    counts = np.empty(len(starts), np.int64)
    for i in range(len(starts)):
        many = 0
        for byte in data[starts[i] : ends[i]]:
            many += (byte & 0xC0) != 0x80
        counts[i] = many
    return counts


count_chars = Later(_count_chars)


def hashes(keys: Any) -> Any:
    """What the loops above make of pairs of characters (uint64, the first << 32 | the second); the highest bits tell most."""
    return keys * np.uint64(MULTIPLIER)
