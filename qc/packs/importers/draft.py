"""What a reader of foreign rules gives: drafts, and what was lost or only carried over nearly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LEFT_OUT, NEARLY, UNUSED = "left out", "nearly", "not used"
"""Kinds of loss: the rule is not in the pack; it is, with a meaning that differs a little; a field that says nothing about calls."""

_SEPARATORS = re.compile(r"[,，、;；|/\n\t]")


@dataclass(frozen=True)
class Loss:
    """What of the source is not, or not quite, in the pack: kind, where in the source, what and why."""

    kind: str
    where: str
    what: str


@dataclass(frozen=True)
class Draft:
    """A rule in the making. `when`: a condition as it is written in YAML; `define`: the names that it uses."""

    name: str
    when: Mapping[str, Any]
    define: Mapping[str, Any] = field(default_factory=dict)
    points: float | None = None
    why: str = ""


@dataclass
class Foreign:
    """The contents of a foreign file."""

    drafts: list[Draft] = field(default_factory=list)
    lists: dict[str, list[str]] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def lose(self, kind: str, where: str, what: str) -> None:
        """Note a loss, once."""
        loss = Loss(kind, where, what)
        if loss not in self.losses:
            self.losses.append(loss)


class CannotSayError(Exception):
    """A part of a rule that our language cannot say; the message says what."""


def word_items(words: Sequence[Any], foreign: Foreign, where: str) -> list[str]:
    """Words as our lists take them: one phrase each; a word with separators in it becomes several."""
    found: dict[str, None] = {}
    for word in words:
        parts = [part.strip() for part in _SEPARATORS.split(str(word)) if part.strip()]
        if len(parts) > 1:
            foreign.lose(NEARLY, where, f"the word {str(word)[:60]!r} holds a separator and became {len(parts)} words")
        for part in parts:
            if not re.search(r"\w", part):
                foreign.lose(UNUSED, where, f"{part[:60]!r} holds nothing that can be said")
            elif len(part) > 100:
                raise CannotSayError(f"a phrase of {len(part)} characters; 100 are the most")
            else:
                found[part] = None
    if not found:
        raise CannotSayError("there are no words")
    return list(found)


def pattern_item(pattern: str) -> str:
    """A regular expression as an item of our lists. Raises CannotSayError for what RE2 has not."""
    from qc.packs.patterns import BadPattern, compile_pattern

    try:
        compile_pattern(pattern)
    except BadPattern as bad:
        raise CannotSayError(f"the pattern {pattern[:80]!r}: {bad.message} ({bad.hint})") from None
    return f"/{pattern}/"


def alike(part: Mapping[str, Any]) -> tuple[str, Any] | None:
    """What `says` conditions must share to be put into one: who and where; None for anything else."""
    return (part.get("who", "anyone"), part.get("in")) if set(part) <= {"who", "in", "says"} else None


def either(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Any of the conditions; plain words of the same speaker become one list."""
    if len(parts) == 1:
        return parts[0]
    shared = {alike(part) for part in parts}
    if len(shared) == 1 and None not in shared:
        return {**parts[0], "says": list(dict.fromkeys(word for part in parts for word in part["says"]))}
    return {"any": list(parts)}


def negated(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """The opposite of a condition; of plain words, that they are never said."""
    if alike(part) is not None:
        return {("never_says" if key == "says" else key): value for key, value in part.items()}
    return {"not": part}
