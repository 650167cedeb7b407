"""Machine code for `qc.scan.needles`: which turns hold one of many texts, as a quick look at each of their characters says.

Three steps over a block of turns, which stays near meanwhile: the characters as they are folded, without separators
(`forms_of`, and `rare_forms_of` for turns in which something is met for the first time); where two of them are a pair that
is in a needle (`find_pairs`); and whether the needle is there (`hold`). The first and the second, which see every character,
hardly ever branch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qc.scan.compiled import BAD, CHINESE, DONE, KIND, MULTIPLIER, NEW_CHAR, NUMERAL, ODD, SEPARATOR, Later

HIT, SKIP, LATER = 1 << 15, 1 << 14, 1 << 13
"""Marks of a form: a turn with it can hold a word; it is left out, a separator; it is not known yet. Numbers of characters are less."""

ASCII = 1 << 16
FORMS = ASCII + 128

BLOCK = 1 << 18
"""So many characters make a block; it ends with a turn."""

_FIRST, _SECOND = 0x9E3779B1, 0x85EBCA77


def _forms_of(data, at, turn, forms, block, marks, rare, most_rare):  # type: ignore[no-untyped-def]
    """Turns from `turn` on into the block; gives (the turn after the last, how many have segments, their characters, how many are rare).

    `data`, `at` as in `qc.scan.compiled.fold`. `forms` uint16 [FORMS]: of each character (from ASCII on those of one byte, the rest
    by code point, and of those without three bytes always LATER) a mark, or its number where it can be in a needle, or 0. `block`: (text uint16, for each segment the end int64, for each its turn int64); a 0 ends each.
    `marks` bool [turns] is set for turns with a HIT. `rare` int64: turns with other characters than these, which are left out, of
    `most_rare` bytes and a turn more at most.
    """
    text, ends, owners = block
    u1, u2, u3 = np.uint64(1), np.uint64(2), np.uint64(3)
    three, three_bits, ascii_from = np.uint32(0xE08080), np.uint32(0xF0C0C0), np.uint32(ASCII)
    hit, skip, later = np.uint16(HIT), np.uint16(SKIP), np.uint16(LATER)
    size, segments, rares, rare_bytes = np.uint64(0), 0, 0, 0
    while turn < len(at) - 1 and size < np.uint64(BLOCK) and segments < len(ends):
        if rares == len(rare) or rare_bytes > most_rare:
            break
        place, end = np.uint64(at[turn]), np.uint64(at[turn + 1])
        begin = size
        seen, wrong = np.uint16(0), np.uint32(0)
        while place < end:
            byte = np.uint32(data[place])
            if byte < np.uint32(0x80):
                form = forms[byte + ascii_from]
                place += u1
            elif place + u2 < end:
                bits = np.uint32(byte << 16 | np.uint32(data[place + u1]) << 8 | np.uint32(data[place + u2])) ^ three
                form = forms[np.uint32(bits >> 4 & 0xF000 | bits >> 2 & 0xFC0 | bits & 63)]
                wrong |= bits
                place += u3
            else:
                wrong = three_bits
                break
            seen |= form
            text[size] = form
            size += np.uint64(form & skip == 0)
        if wrong & three_bits != 0 or seen & later != 0:
            rare[rares] = turn
            rares += 1
            rare_bytes += at[turn + 1] - at[turn]
            size = begin
        elif seen & hit != 0:
            marks[turn] = True
            size = begin
        else:
            text[size] = 0
            size += u1
            ends[segments], owners[segments] = size, turn
            segments += 1
        turn += 1
    return turn, segments, np.int64(size), rares


forms_of = Later(_forms_of)


def _rare_forms_of(data, at, turns, table, needs, forms, block, marks, state):  # type: ignore[no-untyped-def]
    """The same for some turns, whatever is in them, from number `state[0]` of them on: segment `state[1]` and character `state[2]` of
    the block are next. Gives why it stopped (DONE, NEW_CHAR as `fold` with the character in `state[3]`, BAD).

    `table` as in `fold`; `needs`: (`single` bool by code point or empty: a needle alone; `loose`: any letter, digit or numeral
    is a hit; uint16 by code point: the number of a character of a needle, or HIT, or 0). What a character is goes to `forms`.
    """
    text, ends, owners = block
    single, loose, numbers = needs
    for number in range(state[0], len(turns)):
        turn = turns[number]
        place, end = at[turn], at[turn + 1]
        size = state[2]
        hit = False
        while place < end:
            byte = np.uint32(data[place])
            more, code = 0, byte
            if byte >= 0x80:
                if 0xC2 <= byte < 0xE0:
                    more, code = 1, np.uint32(byte & 31)
                elif byte & 0xF0 == 0xE0:
                    more, code = 2, np.uint32(byte & 15)
                elif 0xF0 <= byte < 0xF5:
                    more, code = 3, np.uint32(byte & 7)
                else:
                    return BAD
                if place + more >= end:
                    return BAD
                for k in range(1, more + 1):
                    if data[place + k] & 0xC0 != 0x80:
                        return BAD
                    code = np.uint32(code << 6 | data[place + k] & 63)
                if (more == 2 and (code < 0x800 or 0xD800 <= code < 0xE000)) or (more == 3 and not 0x10000 <= code < 0x110000):
                    return BAD
            place += 1 + more
            char = table[code]
            if char == 0:
                state[0], state[3] = number, code
                return NEW_CHAR
            kind, folded = char >> 24 & KIND, char & 0x1FFFFF
            form = np.uint16(0)
            if kind == SEPARATOR:
                form = np.uint16(SKIP)
            elif kind == CHINESE and folded != 37:
                form = numbers[folded]
                if (len(single) > 0 and single[folded]) or (loose and char >> 24 & NUMERAL != 0):
                    form = np.uint16(HIT)
            elif loose or kind == ODD:
                form = np.uint16(HIT)
            hit |= form == np.uint16(HIT)
            if 0x800 <= code < ASCII:
                forms[code] = form
            elif code < 0x80:
                forms[ASCII + code] = form
            if form & np.uint16(SKIP) == 0:
                text[size] = form
                size += 1
        if hit:
            marks[turn] = True
            continue
        text[size] = 0
        size += 1
        ends[state[1]], owners[state[1]] = size, turn
        state[1] += 1
        state[2] = size
    return DONE


rare_forms_of = Later(_rare_forms_of)


def _find_pairs(text, size, near, places):  # type: ignore[no-untyped-def]
    """The places of which the two characters from there on may be a pair, by `near`: uint8 with a bit for each of `pair_hashes`; how
    many."""
    first, second = np.uint32(_FIRST), np.uint32(_SECOND)
    bits = 0
    while 1 << bits < 8 * len(near):
        bits += 1
    shift = np.uint32(32 - bits)
    count = np.uint64(0)
    for place in range(size - 1):
        hashed = np.uint32(np.uint32(np.uint32(text[place]) * first) + np.uint32(np.uint32(text[place + 1]) * second)) >> shift
        places[count] = place
        count += np.uint64(near[hashed >> np.uint32(3)] >> (hashed & np.uint32(7)) & 1)
    return np.int64(count)


find_pairs = Later(_find_pairs)


def _hold(block, size, places, pairs, needles, marks):  # type: ignore[no-untyped-def]
    """Marks the turns of the block in which a needle is at one of the places. `pairs`: the first five of `qc.scan.pairs.Pairs.slots`;
    `needles`: (where in it each needle has its pair, its length, its characters uint32 [needles, longest])."""
    text, ends, owners = block
    slots, keys, group_first, group_size, groups = pairs
    offsets, lengths, chars = needles
    u1, u32 = np.uint64(1), np.uint64(32)
    mask = np.uint64(len(slots) - 1)
    segment, begin = 0, 0
    for place in places:
        while ends[segment] <= place:
            begin = ends[segment]
            segment += 1
        turn = owners[segment]
        if marks[turn]:
            continue
        key = np.uint64(text[place]) << u32 | np.uint64(text[place + 1])
        slot = key * np.uint64(MULTIPLIER) >> u32 & mask
        while slots[slot] >= 0 and keys[slots[slot]] != key:
            slot = slot + u1 & mask
        pair = slots[slot]
        if pair < 0:
            continue
        for k in range(group_first[pair], group_first[pair] + group_size[pair]):
            needle = groups[k]
            start = np.int64(place) - offsets[needle]
            same = start >= begin and start + lengths[needle] <= size
            offset = 0
            while same and offset < lengths[needle]:
                same = chars[needle, offset] == text[start + offset]
                offset += 1
            if same:
                marks[turn] = True
                break


hold = Later(_hold)


def pair_hashes(first: Any, second: Any, bits: int) -> Any:
    """What `find_pairs` makes of pairs of characters (uint64), so many bits."""
    return ((first * np.uint64(_FIRST) + second * np.uint64(_SECOND)) & np.uint64(0xFFFFFFFF)) >> np.uint64(32 - bits)
