"""`silence` and `interruption`: made from detected speech, whether or not its words were heard.

Speech that gave no reliable text may be noise. So what needs it to be speech, or needs it not to be, is undecided.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from qc.packs.conditions import Interruption, Silence, Term
from qc.scan.verdicts import Evidence, Outcome, Verdict
from qc.scan.view import Call, Span, Turn, is_by, may_be_by
from qc.scan.words import Context

JOIN_MS = 300
"""Speech of one channel that pauses for less is one piece: a breath is no end of speaking."""


@dataclass(frozen=True)
class _Gap:
    start_ms: int
    end_ms: int
    before: str
    after: str


def silence(condition: Silence, context: Context) -> Outcome:
    """Hit where enough gaps are certain; undecided where doubtful ones are needed; miss else."""
    call = context.call
    if not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    certain: list[_Gap] = []
    doubtful: list[tuple[_Gap, str]] = []
    excuse = _excuses(condition.except_after, context)
    sure = _gaps(call.spans, condition.longer_than_ms)
    if_noise = _gaps([s for s in call.spans if s.heard], condition.longer_than_ms)
    around = _Around(if_noise)
    for gap in sure:
        excused = excuse(gap) if _may_fit(gap, condition) else "yes"
        if excused == "yes":
            continue
        wide = around.of(gap)
        if not _fits(gap, condition):
            doubtful.append((gap, "unknown_role"))
        elif excused:
            doubtful.append((gap, excused))
        elif wide is None or not _fits(wide, condition):
            doubtful.append((gap, "not_heard"))
        else:
            certain.append(gap)
    for gap in _only_if_noise(if_noise, [gap for gap in sure if _may_fit(gap, condition)]):
        if _may_fit(gap, condition) and excuse(gap) != "yes":
            doubtful.append((gap, "not_heard"))
    return counted(call, certain, doubtful, condition.times, _gap_evidence)


class _Around:
    """For a gap the one around it that is there if what was not heard was no speech."""

    def __init__(self, if_noise: Sequence[_Gap]) -> None:
        self._gaps = if_noise
        self._starts = [gap.start_ms for gap in if_noise]

    def of(self, gap: _Gap) -> _Gap | None:
        at = bisect_right(self._starts, gap.start_ms) - 1
        return self._gaps[at] if at >= 0 and self._gaps[at].end_ms >= gap.end_ms else None


def _only_if_noise(if_noise: Sequence[_Gap], sure: Sequence[_Gap]) -> Iterator[_Gap]:
    """Gaps that are there only if what was not heard was no speech, and that hold no sure gap."""
    starts = [gap.start_ms for gap in sure]
    for gap in if_noise:
        at = bisect_left(starts, gap.start_ms)
        if at == len(sure) or sure[at].end_ms > gap.end_ms:
            yield gap


def _fits(gap: _Gap, condition: Silence) -> bool:
    return is_by(gap.after, condition.before) and is_by(gap.before, condition.after)


def _may_fit(gap: _Gap, condition: Silence) -> bool:
    return may_be_by(gap.after, condition.before) and may_be_by(gap.before, condition.after)


def _gaps(spans: Sequence[Span], longer_than_ms: int) -> list[_Gap]:
    """Stretches between two pieces of speech in which nobody speaks. Tones and prompts are sound, but nobody's speech."""
    found: list[_Gap] = []
    ordered = sorted(spans, key=lambda s: (s.start_ms, s.end_ms))
    last: Span | None = None
    for span in ordered:
        long = last is not None and span.start_ms - last.end_ms > longer_than_ms
        if last is not None and long and "system" not in (last.role, span.role):
            found.append(_Gap(last.end_ms, span.start_ms, last.role, span.role))
        if last is None or span.end_ms > last.end_ms:
            last = span
    return found


def _excuses(except_after: Sequence[Term], context: Context) -> Callable[[_Gap], str]:
    """For a gap: `yes` where the last turn of either side before it says one of the words; a reason where it was not heard."""
    if not except_after:
        return lambda gap: ""
    call = context.call
    said = {call.stretches[match.turn] for match in context.matches.of(except_after) if call.turns[match.turn].reliable}
    ends: dict[str, list[tuple[int, int]]] = {}
    for index, turn in enumerate(call.turns):
        if turn.role != "system":
            ends.setdefault(turn.role, []).append((turn.end_ms, index))
    for listed in ends.values():
        listed.sort()

    def of_gap(gap: _Gap) -> str:
        before = [bisect_right(listed, (gap.start_ms + JOIN_MS, len(call.turns))) - 1 for listed in ends.values()]
        last = [listed[at][1] for listed, at in zip(ends.values(), before, strict=True) if at >= 0]
        if any(call.stretches[index] in said for index in last):
            return "yes"
        since = min((call.turns[call.stretches[index]].start_ms for index in last), default=0)
        return "unless_not_heard" if call.unheard_between("anyone", since, gap.start_ms) else ""

    return of_gap


def _gap_evidence(gap: _Gap) -> Evidence:
    return Evidence(gap.start_ms, gap.end_ms, gap.after)


@dataclass(frozen=True)
class _Overlap:
    """`by` starts at `start_ms` while another speaks; both speak until `end_ms`."""

    start_ms: int
    end_ms: int
    by: Span
    heard: bool


def interruption(condition: Interruption, context: Context) -> Outcome:
    """Hit where one side starts into the other's speech and both go on long enough."""
    call = context.call
    if not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    pieces = _pieces(call.spans)
    certain: list[_Overlap] = []
    doubtful: list[tuple[_Overlap, str]] = []
    speaking: list[Span] = []
    for by in pieces:
        speaking = [other for other in speaking if other.end_ms > by.start_ms]
        overlap = _overlap(by, speaking, condition) if may_be_by(by.role, condition.by) else None
        speaking.append(by)
        if overlap is None:
            continue
        if not overlap.heard:
            doubtful.append((overlap, "not_heard"))
        elif not is_by(by.role, condition.by):
            doubtful.append((overlap, "unknown_role"))
        else:
            certain.append(overlap)
    if not certain and not doubtful and _one_channel(call):
        return Outcome(Verdict.UNDECIDED, why="unknown_role")
    return counted(call, certain, doubtful, condition.times, _shower(call))


def _one_channel(call: Call) -> bool:
    """A mix of all speakers in one channel hides who speaks over whom."""
    return call.has_unknown() and len({s.channel for s in call.spans}) == 1


def _overlap(by: Span, speaking: Sequence[Span], condition: Interruption) -> _Overlap | None:
    best: _Overlap | None = None
    for other in speaking:
        if other.role == "system" or (other.role == by.role and other.role != "unknown"):
            continue
        if other.start_ms + condition.after_ms > by.start_ms:
            continue
        end = min(by.end_ms, other.end_ms)
        if end - by.start_ms >= condition.overlap_ms:
            found = _Overlap(by.start_ms, end, by, by.heard and other.heard)
            if best is None or (found.heard, found.end_ms) > (best.heard, best.end_ms):
                best = found
    return best


def _pieces(spans: Sequence[Span]) -> list[Span]:
    """Speech of each channel and role, short pauses closed. A piece is heard when all of it was."""
    last: dict[tuple[int | None, str], int] = {}
    pieces: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start_ms, s.end_ms)):
        key = (span.channel, span.role)
        at = last.get(key)
        if at is not None and span.start_ms - pieces[at].end_ms <= JOIN_MS:
            before = pieces[at]
            pieces[at] = replace(before, end_ms=max(before.end_ms, span.end_ms), heard=before.heard and span.heard)
        else:
            last[key] = len(pieces)
            pieces.append(span)
    return pieces


def _shower(call: Call) -> Callable[[_Overlap], Evidence]:
    """Shows an overlap: the turn that breaks in, whole, at the time of the overlap."""
    turns: dict[tuple[str, int | None], list[Turn]] = {}
    for turn in sorted((t for t in call.turns if t.reliable), key=lambda t: t.start_ms):
        turns.setdefault((turn.role, turn.channel), []).append(turn)
    starts = {key: [turn.start_ms for turn in listed] for key, listed in turns.items()}

    def show(overlap: _Overlap) -> Evidence:
        key = (overlap.by.role, overlap.by.channel)
        at = bisect_left(starts.get(key, []), overlap.end_ms) - 1
        if at < 0 or turns[key][at].end_ms <= overlap.start_ms:
            return Evidence(overlap.start_ms, overlap.end_ms, overlap.by.role)
        turn = turns[key][at]
        return Evidence(overlap.start_ms, overlap.end_ms, turn.role, turn.number, 0, len(turn.text), turn.text)

    return show


_Found = TypeVar("_Found")


def counted(
    call: Call, certain: list[_Found], doubtful: list[tuple[_Found, str]], times: int, show: Callable[[_Found], Evidence]
) -> Outcome:
    """Hit where enough is certain; undecided where what is doubtful is needed, or the recording breaks off; miss else."""
    shown = [show(item) for item in certain]
    if len(certain) >= times:
        return Outcome(Verdict.HIT, tuple(shown), more=doubtful[0][1] if doubtful else "truncated" if call.cut else "")
    if len(certain) + len(doubtful) >= times:
        shown += [show(item) for item, _ in doubtful]
        return Outcome(Verdict.UNDECIDED, tuple(sorted(shown, key=lambda e: e.order)), why=doubtful[0][1])
    return Outcome(Verdict.UNDECIDED, why="truncated") if call.cut else Outcome(Verdict.MISS)
