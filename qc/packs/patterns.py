"""Patterns of the rule language: RE2 alone, so that time is linear whatever the pattern and the text.

A pattern runs over the normal form of a turn (`qc.text.normal`): lower case, simplified characters, Arabic numbers, no
punctuation between Chinese characters. `^` and `$` are the ends of a turn; nothing matches across turns.
"""

from __future__ import annotations

import re
from typing import Any

from qc.text.script import simplify

MAX_LENGTH = 500
MAX_PROGRAM = 5_000
"""RE2 instructions; about what 5,000 characters of plain text need."""

_UNSUPPORTED = {
    "(?=": ("looking ahead (?=…) is not allowed: it can take for ever", "use `unless:` or `except:`, or write the words out"),
    "(?!": ("looking ahead (?!…) is not allowed: it can take for ever", "use `unless:` for what the turn may not say"),
    "(?<=": ("looking back (?<=…) is not allowed: it can take for ever", "write the words before it into the pattern"),
    "(?<!": ("looking back (?<!…) is not allowed: it can take for ever", "use `except:` for the longer phrase"),
    "(?>": ("atomic groups (?>…) are not needed here", "use (?:…)"),
    "(?#": ("comments inside a pattern are not allowed", "write the comment behind a # in the file"),
}


_NOT_AFTER = re.compile(r"(?P<x>.+)\(\?!(?P<y>[^()]+)\)")
_AFTER = re.compile(r"(?P<x>.+)\(\?=(?P<y>[^()]+)\)")
_NOT_BEFORE = re.compile(r"\(\?<!(?P<y>[^()]+)\)(?P<x>.+)")
_BEFORE = re.compile(r"\(\?<=(?P<y>[^()]+)\)(?P<x>.+)")
_POSSESSIVE = re.compile(r"(?<!\\)([*+?}])\+")
_LINES_OFF = re.compile(r"\(\?[a-zA-Z]*-[a-zA-Z]*m")


class BadPattern(Exception):
    """Why a pattern is refused: `message`, and `hint`, what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def compile_pattern(text: str) -> Any:
    """The compiled pattern, as scanning uses it: any case, `^`/`$` at turns, never across a line feed.

    Raises BadPattern for what RE2 has not, for what is too large, and for a pattern that matches the empty text.
    """
    import re2

    if len(text) > MAX_LENGTH:
        raise BadPattern(f"the pattern is longer than {MAX_LENGTH} characters", "use a word list")
    _refuse_unsupported(text)
    try:
        compiled = re2.compile("(?m)" + simplify(text), _options())
    except re2.error as error:
        raise BadPattern(*_explain(text, error)) from None
    except (UnicodeError, ValueError):
        raise BadPattern("the pattern holds characters that are no text", "type it anew") from None
    if compiled.programsize > MAX_PROGRAM:
        raise BadPattern("the pattern grows too large when its repetitions are counted out", "use smaller {n,m}")
    if compiled.search("") is not None:
        raise BadPattern("the pattern matches where nothing is said", "one part of it must be neither `*` nor `?`")
    return compiled


def _options() -> Any:
    import re2

    options = re2.Options()
    options.never_nl = True
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 2 << 20
    return options


def _refuse_unsupported(text: str) -> None:
    for start, (message, hint) in _UNSUPPORTED.items():
        if start in text:
            raise BadPattern(message, _rewritten(text) or hint)
    if _LINES_OFF.search(text):
        raise BadPattern("(?-m) is not allowed", "^ and $ are always the ends of a turn; leave the flag out")
    position = 0
    while (position := text.find("\\", position)) >= 0:
        letter = text[position + 1 : position + 2]
        if letter in ("1", "2", "3", "4", "5", "6", "7", "8", "9", "k"):
            raise BadPattern(f"a back reference (\\{letter}) is not allowed: it can take for ever", "write the words out")
        if letter in ("A", "z", "Z", "C", "n", "r"):
            raise BadPattern(f"\\{letter} is not allowed", "a turn has no lines; its ends are ^ and $")
        position += 2


def _rewritten(text: str) -> str:
    """What to write instead of the whole pattern, where that can be said and does compile; empty else."""
    if "(?>" in text:
        return _if_it_compiles("write {}: nothing is tried twice here anyway", text.replace("(?>", "(?:"))
    for shape, hint in (
        (_NOT_AFTER, "write {} and `except: [{}]`"),
        (_AFTER, "write {1}"),
        (_NOT_BEFORE, "write {} and `except: [{}]`"),
        (_BEFORE, "write {1}"),
    ):
        match = shape.fullmatch(text)
        if match:
            x, y = match.group("x"), f"(?:{match.group('y')})"
            longer = x + y if shape in (_NOT_AFTER, _AFTER) else y + x
            return _if_it_compiles(hint, x, longer)
    return ""


def _if_it_compiles(hint: str, *patterns: str) -> str:
    try:
        for pattern in patterns:
            compile_pattern(pattern)
    except BadPattern:
        return ""
    return hint.format(*(f"/{pattern}/" for pattern in patterns))


def _explain(text: str, error: Exception) -> tuple[str, str]:
    if _POSSESSIVE.search(text):
        plain = _POSSESSIVE.sub(r"\1", text)
        hint = _if_it_compiles("write {}: nothing is tried twice here anyway", plain)
        if hint:
            return "a possessive repetition (*+, ++, ?+) is not needed here", hint
    raw = error.args[0] if error.args else ""
    said = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)).replace("(?m)", "", 1)
    hint = "put a backslash before a sign that is meant as itself: \\( \\) \\[ \\. \\? \\* \\+"
    if "\\u" in said:
        hint = "write the character itself, or \\x{4E00} with its code"
    if "repetition size" in said or "too large" in said:
        hint = "repeat at most 1000 times"
    return f"not a pattern: {said}", hint
