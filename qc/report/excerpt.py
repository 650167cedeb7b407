"""The words a finding rests on, with their neighbours: which turns to quote, what to mark in them, where to play from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qc.report.model import SEEK_BEFORE_MS, Line

MOST_EVIDENCE = 6
"""Pieces of evidence quoted per finding; the rest is counted."""
_MOST_CHARACTERS = 600
_TOUCH_MS = 200


def excerpts(evidence: Sequence[Mapping[str, Any]], turns: Sequence[Mapping[str, Any]]) -> tuple[tuple[Line, ...], ...]:
    """Excerpts of a call for a finding's evidence, each a run of lines: the turns with evidence and one turn either side.

    `turns` in the order of the table. Evidence between turns (a silence) becomes a line of its own.
    """
    by_number = {t["turn"]: i for i, t in enumerate(turns)}
    marks: dict[int, list[Mapping[str, Any]]] = {}
    between: dict[int, list[Line]] = {}
    shown: set[int] = set()
    for piece in evidence[:MOST_EVIDENCE]:
        place = by_number.get(piece["turn"]) if piece["turn"] is not None else None
        if place is None:
            before, neighbours, line = _stretch(piece, turns)
            between.setdefault(before, []).append(line)
            shown |= neighbours
        else:
            marks.setdefault(place, []).append(piece)
            shown |= set(range(max(place - 1, 0), min(place + 2, len(turns))))
    return _runs(sorted(shown), marks, between, turns)


MOST_TURNS = 1_500
"""Turns of a call that its page shows."""


def whole(
    evidence: Sequence[Mapping[str, Any]], turns: Sequence[Mapping[str, Any]], silences: Sequence[tuple[int, int]]
) -> tuple[list[Line], int]:
    """Every turn of a call as a line, evidence marked, silences (start, end in ms) between them; and how many turns are left out."""
    marks: dict[Any, list[Mapping[str, Any]]] = {}
    for piece in evidence:
        if piece["turn"] is not None:
            marks.setdefault(piece["turn"], []).append(piece)
    lines = [_line(t, marks.get(t["turn"], ()), at=int(t["start_ms"])) for t in turns[:MOST_TURNS]]
    if len(turns) <= MOST_TURNS:
        lines += [Line(None, "silence", a, b, (), False, a) for a, b in silences]
        lines.sort(key=lambda line: (line.start_ms, line.turn is not None, line.turn or 0))
    return lines, max(len(turns) - MOST_TURNS, 0)


def _stretch(piece: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]) -> tuple[int, set[int], Line]:
    """Evidence that is no turn: after which turn it is told, which turns to show with it, its line.

    Where turns lie inside it is the window that a rule looked at, and these are shown; else it is a silence.
    """
    start, end = int(piece["start_ms"]), int(piece["end_ms"])
    inside = [i for i, t in enumerate(turns) if min(t["end_ms"], end) - max(t["start_ms"], start) > _TOUCH_MS]
    if inside:
        line = Line(None, "window", start, end, (), True, start)
        return inside[0] - 1, set(inside[:MOST_EVIDENCE]), line
    before = max((i for i, t in enumerate(turns) if t["start_ms"] <= start), default=-1)
    line = Line(None, "silence", start, end, (), True, max(start - SEEK_BEFORE_MS, 0))
    return before, {i for i in (before, before + 1) if 0 <= i < len(turns)}, line


def _runs(
    shown: Sequence[int],
    marks: Mapping[int, Sequence[Mapping[str, Any]]],
    between: Mapping[int, Sequence[Line]],
    turns: Sequence[Mapping[str, Any]],
) -> tuple[tuple[Line, ...], ...]:
    runs: list[list[Line]] = [list(between[-1])] if -1 in between else []
    previous = -1 if -1 in between else None
    for i in shown:
        if i - 1 in between and i - 1 not in shown and i > 0:
            runs.append(list(between[i - 1]))
        elif previous is None or i != previous + 1:
            runs.append([])
        runs[-1].append(_line(turns[i], marks.get(i, ())))
        runs[-1].extend(between.get(i, ()))
        previous = i
    return tuple(tuple(run) for run in runs)


def _line(turn: Mapping[str, Any], pieces: Sequence[Mapping[str, Any]], at: int | None = None) -> Line:
    """A turn as a line. `at`: the time to show; without it that of the evidence."""
    text = turn["text"] or ""
    first = min((int(p["start_ms"]) for p in pieces), default=int(turn["start_ms"]))
    start = first if at is None else at
    return Line(
        turn=turn["turn"],
        role=turn["role"] or "unknown",
        start_ms=start,
        end_ms=int(turn["end_ms"]),
        pieces=_pieces(text, [(p["char_start"], p["char_end"]) for p in pieces]),
        marked=bool(pieces),
        seek_ms=max(first - SEEK_BEFORE_MS, 0) if pieces else int(turn["start_ms"]),
        quarantined=bool(turn["flags"]),
    )


def _pieces(text: str, spans: Sequence[tuple[int | None, int | None]]) -> tuple[tuple[str, bool], ...]:
    """(text, marked) pieces. A span without characters, or outside the text, marks nothing. Long text is cut around marks."""
    inside = [False] * len(text)
    for start, end in spans:
        if start is not None and end is not None:
            for i in range(max(start, 0), min(end, len(text))):
                inside[i] = True
    first, last = 0, len(text)
    if len(text) > _MOST_CHARACTERS:
        middle = inside.index(True) if True in inside else 0
        first = max(0, min(middle - _MOST_CHARACTERS // 3, len(text) - _MOST_CHARACTERS))
        last = first + _MOST_CHARACTERS
    out: list[tuple[str, bool]] = [("…", False)] if first else []
    begin = first
    for i in range(first + 1, last + 1):
        if i == last or inside[i] != inside[begin]:
            out.append((text[begin:i], inside[begin]))
            begin = i
    return (*out, ("…", False)) if last < len(text) else tuple(out)
