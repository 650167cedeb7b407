"""Single values of imported transcripts: times in every usual form, numbers that may be none, texts that may be too long."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import Any

from qc.transcribe.imports import MAX_MS, MAX_TEXT, valid_text

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,6}))?")
_EPOCH_S = 100_000_000


def offset_ms(value: Any, *, in_ms: bool) -> int | None:
    """A time from the call's start as ms: a number of seconds (or ms), `h:mm:ss.mmm`, or None for nothing. Raises ValueError."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no time")
    if isinstance(value, str):
        clock = _CLOCK.fullmatch(value.strip())
        if clock is not None:
            hours, minutes, seconds, fraction = clock.groups()
            whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
            return _within(whole * 1000 + int((fraction or "0").ljust(3, "0")[:3]))
    number = _number(value, "time")
    return _within(round(number if in_ms else number * 1000))


def _within(ms: int) -> int:
    if not 0 <= ms <= MAX_MS:
        raise ValueError(f"{ms} ms is no time in a call")
    return ms


def point_ms(value: Any) -> int | None:
    """A point in time (ISO 8601, or seconds or ms since 1970) as ms since 1970, None for nothing. Raises ValueError."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if re.fullmatch(r"\d{9,16}(\.\d{1,6})?", text):
        number = float(text)
        return round(number if number > _EPOCH_S * 1000 else number * 1000)
    dashed = re.sub(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", text)
    dashed = re.sub(r"([T ])(\d):", r"\g<1>0\2:", dashed)
    try:
        when = datetime.fromisoformat(dashed.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{text[:80]!r} is no time") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return round(when.timestamp() * 1000)


def probability(value: Any, name: str) -> float | None:
    """A log-probability or probability, None for nothing. Raises ValueError for what is no finite number."""
    return None if value is None or value == "" else _number(value, name)


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{str(value)[:80]!r} is no {name}") from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no {name}")
    return number


def channel_of(value: Any) -> int | None:
    """A channel from 0 to 63, None for nothing. Raises ValueError."""
    if value is None or value == "":
        return None
    sides = {"left": 0, "right": 1, "左": 0, "右": 1}
    if isinstance(value, str) and value.strip().lower() in sides:
        return sides[value.strip().lower()]
    number = _number(value, "channel")
    if number != int(number) or not 0 <= number < 64:
        raise ValueError(f"{value!r} is no channel")
    return int(number)


def text_of(value: Any) -> str:
    """A turn's text. Raises ValueError for what is none, or is longer than anyone says in a turn."""
    if not isinstance(value, str):
        raise ValueError("there is no text" if value is None else f"a text is wanted, not {type(value).__name__}")
    if len(value) > MAX_TEXT:
        raise ValueError(f"a turn of {len(value):,} characters; {MAX_TEXT:,} are the most")
    return valid_text(value).strip()


def name_of(value: Any) -> str:
    """A speaker's name as text, bounded."""
    return "" if value is None else valid_text(str(value)[:200]).strip()
