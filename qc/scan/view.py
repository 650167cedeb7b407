"""A transcript as scanning sees it: turns with their normal form, detected speech, what was heard, and windows.

Built once a call from a row of `transcripts`; no evaluator reads the row itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from qc.packs.conditions import Window
from qc.text.normal import Normal, normal

STRETCH_GAP_MS = 2000
"""Turns of one speaker, nobody between, at most so far apart, are one stretch: what `unless` looks at."""

MAX_TURN_CHARS = 20_000
"""Over an hour of speech. A longer turn is none; it counts as not heard, so that no text makes matching slow."""

LOST = "truncated"
"""Warning of a recording that breaks off; `why` of the unheard span that stands for what its header promised beyond."""

_NO_TIME_STEP_MS = 1000


@dataclass(frozen=True)
class Turn:
    """One turn. `reliable` is False for a quarantined turn or one below the pack's confidence floor: it counts as not heard."""

    number: int
    role: str
    channel: int | None
    start_ms: int
    end_ms: int
    text: str
    normal: Normal
    reliable: bool
    char_ms: tuple[int, ...] | None = None
    level_dbfs: float | None = None

    def times(self, char_start: int, char_end: int) -> tuple[int, int]:
        """Start and end in ms of characters of the original text: `char_ms` where known, else a linear share of the turn."""
        size = len(self.text)
        length = self.end_ms - self.start_ms
        if self.char_ms is not None and len(self.char_ms) == size:
            start = self.char_ms[char_start]
            end = self.char_ms[char_end] if char_end < size else self.end_ms
            return start, max(start, end)
        return self.start_ms + length * char_start // max(size, 1), self.start_ms + length * char_end // max(size, 1)


@dataclass(frozen=True)
class Span:
    """Detected speech."""

    role: str
    channel: int | None
    start_ms: int
    end_ms: int
    heard: bool


@dataclass(frozen=True)
class Call:
    """One call. Times are made up by the turn's number where the transcript has none (`timed` is False then).

    `silent`: roles without any speech though there is audio, so that their silence proves nothing. `cut`: the recording
    breaks off and nobody knows how much is missing (where it is known, an unheard span stands for it).
    """

    call_id: str
    turns: tuple[Turn, ...]
    spans: tuple[Span, ...]
    timed: bool = True
    cut: bool = False
    silent: frozenset[str] = frozenset()
    meta: Mapping[str, str | None] | None = None
    duration_ms: int | None = None

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """From the first detected speech to the last, tones and prompts (`system`) left out. (0, 0) where there is none."""
        spans = [s for s in self.spans if s.role != "system"]
        return (min(s.start_ms for s in spans), max(s.end_ms for s in spans)) if spans else (0, 0)

    @cached_property
    def stretches(self) -> tuple[int, ...]:
        """For each turn, the index of the first turn of its stretch."""
        found: list[int] = []
        for i, turn in enumerate(self.turns):
            joined = i > 0 and self.turns[i - 1].role == turn.role and turn.start_ms - self.turns[i - 1].end_ms <= STRETCH_GAP_MS
            found.append(found[-1] if joined else i)
        return tuple(found)

    def stretch(self, index: int) -> range:
        """Indices of the turns in the stretch of turn `index`."""
        first = self.stretches[index]
        last = index
        while last + 1 < len(self.turns) and self.stretches[last + 1] == first:
            last += 1
        return range(first, last + 1)

    @cached_property
    def indices(self) -> dict[int, int]:
        """Index of each turn by its number."""
        return {turn.number: index for index, turn in reversed(list(enumerate(self.turns)))}

    @cached_property
    def _indices_by(self) -> dict[str, list[int]]:
        return {}

    def turns_by(self, who: str) -> list[int]:
        """Indices of the turns that are certainly by `who`, in order."""
        if who not in self._indices_by:
            self._indices_by[who] = [i for i, turn in enumerate(self.turns) if is_by(turn.role, who)]
        return self._indices_by[who]

    def has_unknown(self) -> bool:
        """Somebody speaks of whom the role is not known."""
        return any(s.role == "unknown" for s in self.spans)

    def range_ms(self, window: Window | None, who: str) -> tuple[int, int]:
        """Start and end of a window; a window in turns reaches from the call's edge to the last of those turns."""
        start, end = self.bounds
        if window is None:
            return start, end
        if window.unit == "ms":
            return (start, start + window.size) if window.side == "first" else (end - window.size, end)
        who = window.of or who
        turns = [t for t in self.turns if is_by(t.role, who)] or [t for t in self.turns if t.role == "unknown"]
        if not turns:
            return start, end
        if window.side == "first":
            return start, turns[: window.size][-1].end_ms
        return turns[-window.size :][0].start_ms, end

    def coverage(self, who: str, start: int, end: int) -> float | None:
        """Heard speech ÷ detected speech of `who` (and of unknown roles) in a range; None where nobody speaks there."""
        key = (who, start, end)
        if key not in self._coverages:
            self._coverages[key] = self._coverage(who, start, end)
        return self._coverages[key]

    @cached_property
    def _coverages(self) -> dict[tuple[str, int, int], float | None]:
        """Most rules of a pack ask for the same few windows."""
        return {}

    @cached_property
    def _all_heard(self) -> bool:
        return all(s.heard for s in self.spans) and all(t.reliable for t in self.turns)

    def _coverage(self, who: str, start: int, end: int) -> float | None:
        if self._all_heard:
            spans, latest, starts = self._spans_by(who)
            near = spans[bisect_right(latest, start) : bisect_left(starts, end)]
            return 1.0 if any(min(s.end_ms, end) > max(s.start_ms, start) for s in near) else None
        heard = total = 0
        spans, latest, starts = self._spans_by(who)
        for span in spans[bisect_right(latest, start) : bisect_left(starts, end)]:
            low, high = max(span.start_ms, start), min(span.end_ms, end)
            if high <= low:
                continue
            total += high - low
            if span.heard:
                heard += high - low - self._unreliable(span, low, high)
        return max(heard, 0) / total if total else None

    def _spans_by(self, who: str) -> tuple[list[Span], list[int], list[int]]:
        """Speech that may be by `who` in order of start; the latest end up to each; the starts."""
        if who not in self._spans_of:
            spans = sorted((s for s in self.spans if may_be_by(s.role, who)), key=lambda s: s.start_ms)
            latest = list(accumulate((s.end_ms for s in spans), max))
            self._spans_of[who] = spans, latest, [s.start_ms for s in spans]
        return self._spans_of[who]

    @cached_property
    def _spans_of(self) -> dict[str, tuple[list[Span], list[int], list[int]]]:
        return {}

    def _unreliable(self, span: Span, low: int, high: int) -> int:
        """Milliseconds of a span under turns that do not count."""
        pieces = self._doubtful.get((span.channel, span.role))
        if pieces is None:
            return 0
        return sum(end - start for start, end in overlaps(pieces, low, high))

    @cached_property
    def _doubtful(self) -> dict[tuple[int | None, str], list[tuple[int, int]]]:
        """Times under turns that do not count, apart and in order, by channel and role."""
        found: dict[tuple[int | None, str], list[tuple[int, int]]] = {}
        for turn in self.turns:
            if not turn.reliable:
                found.setdefault((turn.channel, turn.role), []).append((turn.start_ms, turn.end_ms))
        return {key: apart_in_time(pieces) for key, pieces in found.items()}

    @cached_property
    def _unheard(self) -> dict[str, list[tuple[int, int]]]:
        """Times of speech without reliable text, apart and in order, by role."""
        found: dict[str, list[tuple[int, int]]] = {}
        for span in self.spans:
            if not span.heard:
                found.setdefault(span.role, []).append((span.start_ms, span.end_ms))
        for (_, role), pieces in self._doubtful.items():
            found.setdefault(role, []).extend(pieces)
        return {role: apart_in_time(pieces) for role, pieces in found.items()}

    def unheard_between(self, role: str, start: int, end: int) -> bool:
        """Speech of the role (or of nobody known) that gave no reliable text touches this range."""
        for other, pieces in self._unheard.items():
            at = bisect_left(pieces, (end, 0)) - 1
            if may_be_by(other, role) and at >= 0 and pieces[at][0] < end and pieces[at][1] > start:
                return True
        return False


def apart_in_time(pieces: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Times in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def overlaps(pieces: Sequence[tuple[int, int]], low: int, high: int) -> Iterator[tuple[int, int]]:
    """What of these times, apart and in order, lies between `low` and `high`."""
    at = max(0, bisect_right(pieces, (low, low)) - 1)
    while at < len(pieces) and pieces[at][0] < high:
        start, end = max(pieces[at][0], low), min(pieces[at][1], high)
        if end > start:
            yield start, end
        at += 1


def is_by(role: str, who: str) -> bool:
    """The role is certainly the one meant. `anyone` is anyone but tones and prompts."""
    return role != "system" if who == "anyone" else role == who


def may_be_by(role: str, who: str) -> bool:
    """The role is, or may be, the one meant."""
    return is_by(role, who) or role == "unknown"


def view(row: Mapping[str, Any], *, confidence_floor: float | None = None, meta: Mapping[str, str | None] | None = None) -> Call:
    """The call of a `transcripts` row. Linear in its text. Raises ValueError for speech without times among turns with times."""
    listed = row.get("turns") or []
    warnings = row.get("warnings") or []
    timed = "no_times" not in warnings and all(t["start_ms"] is not None and t["end_ms"] is not None for t in listed)
    turns = tuple(_turn(t, i, timed, confidence_floor) for i, t in enumerate(listed))
    listed_spans = (row.get("spans") or []) if timed else []
    spans = tuple(_span(s) for s in listed_spans)
    if not spans:
        spans = tuple(Span(t.role, t.channel, t.start_ms, max(t.end_ms, t.start_ms + 1), t.reliable) for t in turns)
    lost = [s.get("why") == LOST for s in listed_spans]
    return Call(
        call_id=row["call_id"],
        turns=turns,
        spans=spans,
        timed=timed,
        cut=LOST in warnings and not any(lost),
        silent=_silent(turns, [span for span, gone in zip(spans, lost, strict=True) if not gone] if any(lost) else spans),
        meta=meta,
        duration_ms=row.get("duration_ms") if timed else None,
    )


def _span(span: Mapping[str, Any]) -> Span:
    if span["start_ms"] is None or span["end_ms"] is None:
        raise ValueError("a stretch of speech has no times")
    return Span(
        span["role"] or "unknown", span["channel"], span["start_ms"], max(span["start_ms"], span["end_ms"]), bool(span["heard"])
    )


def _turn(turn: Mapping[str, Any], index: int, timed: bool, floor: float | None) -> Turn:
    sure = turn.get("avg_logprob")
    text = turn["text"] or ""
    reliable = not turn.get("flags") and (floor is None or sure is None or sure >= floor) and len(text) <= MAX_TURN_CHARS
    chars = turn.get("char_ms")
    start = turn["start_ms"] if timed else index * _NO_TIME_STEP_MS
    end = turn["end_ms"] if timed else (index + 1) * _NO_TIME_STEP_MS
    return Turn(
        number=turn["turn"] if turn.get("turn") is not None else index,
        role=turn["role"] or "unknown",
        channel=turn.get("channel"),
        start_ms=start,
        end_ms=max(start, end),
        text=text,
        normal=normal(text[:MAX_TURN_CHARS]),
        reliable=reliable,
        char_ms=tuple(chars) if chars and None not in chars else None,
        level_dbfs=turn.get("level_dbfs"),
    )


def _silent(turns: Sequence[Turn], spans: Sequence[Span]) -> frozenset[str]:
    """Roles of whom there is no sound at all. Nobody's in a chat: who writes nothing there has said nothing."""
    present = {s.role for s in spans} | {t.role for t in turns}
    if "unknown" in present or (turns and all(t.channel is None for t in turns)):
        return frozenset()
    missing = {"agent", "customer"} - present
    return frozenset(missing | {"anyone"}) if len(missing) == 2 else frozenset(missing)
