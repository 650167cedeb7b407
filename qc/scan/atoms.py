"""What a pattern cannot do without: sets of short texts of which every match holds at least one.

RE2 runs only over the turns that hold one of each set; a pattern of which nothing is known runs over every turn. This is
the idea of RE2's FilteredRE2 (R. Cox, «Regular Expression Matching with a Trigram Index», 2012), with the texts found in
one pass over a batch. Only what is certain is taken: ASCII letters and characters without case, from a syntax that
Python's parser and RE2 read alike.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

MOST_TEXTS = 24
MOST_SETS = 2
_PLAIN = re.compile(r"(?:[^\\\[(]|\\[.()\[\]?*+|^$/dDsSwWbB-]|\[\^?(?:[^\\\[\]]|\\[.()\[\]?*+|^$/dDsSwW-])+\]|\((?:\?:|(?!\?)))*")

Texts = frozenset[str]


def atoms(pattern: str) -> tuple[Texts, ...]:
    """The sets, those that tell most first; none where nothing is certain. `pattern` is RE2 in simplified characters."""
    if not _PLAIN.fullmatch(pattern):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _parse(pattern)
    except (re.error, Warning, RecursionError, OverflowError, ValueError):
        return ()
    found = sorted(_sets(tree), key=lambda texts: (-min(2, *map(len, texts)), len(texts), sorted(texts)))
    return tuple(dict.fromkeys(found))[:MOST_SETS]


def is_common(texts: Texts) -> bool:
    """Whether one of the texts is a character alone, which most turns may hold: looked for where little is left to look at."""
    return min(map(len, texts)) == 1


def _parse(pattern: str) -> Any:
    try:
        from re import _parser  # type: ignore[attr-defined]
    except ImportError:  # Python 3.10
        import sre_parse as _parser
    return _parser.parse(pattern)


def _sets(tree: Any) -> list[Texts]:
    """Sets that every match of a sequence needs."""
    found: list[Texts] = []
    run: Texts = frozenset([""])
    for op, value in tree:
        texts = _exactly(str(op), value)
        if texts is not None and len(texts) * len(run) <= MOST_TEXTS:
            run = frozenset(a + b for a in run for b in texts)
            continue
        _keep(found, run)
        run = texts if texts is not None and len(texts) <= MOST_TEXTS else frozenset([""])
        if texts is None:
            found.extend(_inside(str(op), value))
    _keep(found, run)
    return found


def _keep(found: list[Texts], run: Texts) -> None:
    if all(run):
        found.append(run)


def _exactly(op: str, value: Any) -> Texts | None:
    """Every text that this part can be, where they are few and all of a kind that is certain."""
    if op == "LITERAL":
        return _one(value)
    if op == "IN":
        return _any_of(value)
    if op == "SUBPATTERN":
        return _all_of(value[3]) if not value[1] and not value[2] else None
    if op == "BRANCH":
        parts = [_all_of(part) for part in value[1]]
        known = [part for part in parts if part is not None]
        texts = frozenset().union(*known) if len(known) == len(parts) else None
        return texts if texts is not None and len(texts) <= MOST_TEXTS else None
    if op == "MAX_REPEAT" and value[0] == value[1] == 1:
        return _all_of(value[2])
    return None


def _all_of(tree: Any) -> Texts | None:
    run: Texts | None = frozenset([""])
    for op, value in tree:
        texts = _exactly(str(op), value)
        if run is None or texts is None or len(texts) * len(run) > MOST_TEXTS:
            return None
        run = frozenset(a + b for a in run for b in texts)
    return run


def _one(code: int) -> Texts | None:
    char = chr(code)
    if char.isascii():
        return frozenset([char.lower()])
    return frozenset([char]) if char.lower() == char.upper() == char.casefold() else None


def _any_of(items: Sequence[tuple[Any, Any]]) -> Texts | None:
    codes: set[int] = set()
    for op, value in items:
        if str(op) == "LITERAL":
            codes.add(value)
        elif str(op) == "RANGE" and value[1] - value[0] < MOST_TEXTS:
            codes.update(range(value[0], value[1] + 1))
        else:
            return None
    known = [_one(code) for code in codes]
    if len(codes) > MOST_TEXTS or None in known:
        return None
    return frozenset().union(*(texts for texts in known if texts is not None))


def _inside(op: str, value: Any) -> list[Texts]:
    """Sets that a part needs which can be too much to list."""
    if op == "MAX_REPEAT" or op == "MIN_REPEAT":
        return _sets(value[2]) if value[0] >= 1 else []
    if op == "SUBPATTERN":
        return _sets(value[3])
    if op == "BRANCH":
        chosen = []
        for part in value[1]:
            sets = sorted(_sets(part), key=lambda texts: (-min(2, *map(len, texts)), len(texts), sorted(texts)))
            if not sets:
                return []
            chosen.append(sets[0])
        texts = frozenset().union(*chosen)
        return [texts] if len(texts) <= 2 * MOST_TEXTS else []
    return []
