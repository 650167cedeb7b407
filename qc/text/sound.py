"""What Chinese characters sound like: toneless syllables, for words that a recogniser writes with the wrong character.

Two characters sound alike when they share a reading, whichever of its readings a polyphone has there; tones do not count.
The readings are those in common use (`make_syllables` says how they were chosen from pypinyin's data). Characters
without a reading (letters, digits) sound like themselves alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("syllables.tsv")

_INITIALS = {
    "n/l": ("n", "l"),
    "zh/z": ("zh", "z"),
    "ch/c": ("ch", "c"),
    "sh/s": ("sh", "s"),
    "h/f": ("h", "f"),
    "r/l": ("r", "l"),
}
_FINALS = {"an/ang": ("ang", "an"), "en/eng": ("eng", "en"), "in/ing": ("ing", "in")}
TOLERATE = (*_INITIALS, *_FINALS)
"""Pairs that a pack may take for the same."""


@cache
def _readings() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        syllable, _, chars = line.partition("\t")
        for char in chars:
            found.setdefault(char, []).append(syllable)
    return {char: tuple(listed) for char, listed in found.items()}


def readings(char: str) -> tuple[str, ...]:
    """The toneless syllables of a simplified character, `v` for ü; none where it has no reading."""
    return _readings().get(char, ())


@lru_cache(maxsize=1 << 14)
def heard_as(syllable: str, tolerate: tuple[str, ...]) -> str:
    """What stands for a syllable and all that it is taken for: zhang with zh/z and an/ang becomes zan.

    The pairs add up: with n/l and r/l, n, l and r are all the same. What comes out need not be a syllable.
    """
    initial = syllable[:2] if syllable[:2] in ("zh", "ch", "sh") else syllable[:1].strip("aeo")
    rest = syllable[len(initial) :]
    groups = [set(_INITIALS[pair]) for pair in tolerate if pair in _INITIALS]
    same = {initial}
    for _ in groups:
        for group in groups:
            if same & group:
                same |= group
    for pair in tolerate:
        if pair in _FINALS and rest.endswith(_FINALS[pair][0]):
            rest = rest[: -len(_FINALS[pair][0])] + _FINALS[pair][1]
    return min(same) + rest


@lru_cache(maxsize=1 << 12)
def sounds_like(char: str, tolerate: tuple[str, ...] = ()) -> frozenset[str]:
    """Every character that may be written for `char`: itself, and those that share a reading (or a tolerated one)."""
    keys = {heard_as(syllable, tolerate) for syllable in readings(char)}
    return frozenset({char}.union(*(_by_key(tolerate).get(key, ()) for key in keys)))


@lru_cache(maxsize=8)
def _by_key(tolerate: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for char, listed in _readings().items():
        for syllable in listed:
            found.setdefault(heard_as(syllable, tolerate), set()).add(char)
    return {key: frozenset(chars) for key, chars in found.items()}


def in_order(tolerate: Iterable[str]) -> tuple[str, ...]:
    """The pairs in the order of `TOLERATE`, each once: equal choices are equal values."""
    chosen = set(tolerate)
    return tuple(pair for pair in TOLERATE if pair in chosen)
