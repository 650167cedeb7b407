"""Plain data of a rule as a person would write it: lengths of time in seconds and minutes, one line where it fits one."""

from __future__ import annotations

import json
import re
from typing import Any

_MS = re.compile(r"(.*?)(\d{1,9}) ms")
_ONE = re.compile(r"\b1 (turn|character)s\b")
_PLAIN = re.compile(r"[\w.%/ -]+")
_LENGTHS = frozenset(
    ("within", "in", "longer_than", "after", "overlap", "pause", "lasts", "unheard", "duration", "after_last_turn", "once_per")
)
"""Keys whose values are lengths. Anywhere else «5000 ms» may be a word that somebody said."""


def readable(value: Any) -> Any:
    """The same data with lengths as a person writes them: `first 30000 ms` as `first 30 s`, `1 turns` as `1 turn`."""
    if isinstance(value, dict):
        return {key: inner if isinstance(inner, str) and key not in _LENGTHS else readable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [inner if isinstance(inner, str) else readable(inner) for inner in value]
    if not isinstance(value, str):
        return value
    match = _MS.fullmatch(value)
    if match is None:
        return _ONE.sub(r"1 \1", value) if "1 " in value else value
    ms = int(match[2])
    for unit, size in (("min", 60_000), ("s", 1000)):
        if ms and ms % size == 0:
            return f"{match[1]}{ms // size} {unit}"
    return value


def one_line(value: Any, most: int = 6) -> str:
    """Data on one line, as YAML would write it in brackets; of long lists the first `most`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {one_line(inner, most)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        said = [one_line(inner, most) for inner in value[:most]]
        return "[" + ", ".join(said + ([f"… {len(value) - most} more"] if len(value) > most else [])) + "]"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False) if ": " in text or "," in text else text
