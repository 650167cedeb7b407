"""Machine code for `qc.scan.columns`: what is so of the members of many lists, one look at each member."""

from __future__ import annotations

import numpy as np

from qc.scan.compiled import Later


def _any_of(marks, first):  # type: ignore[no-untyped-def]
    """For each list whether any member is marked (bool). `marks` bool; list i has the members `[first[i], first[i + 1])`."""
    found = np.zeros(len(first) - 1, np.bool_)
    for i in range(len(found)):
        for k in range(first[i], first[i + 1]):
            if marks[k]:
                found[i] = True
                break
    return found


any_of = Later(_any_of)


def _heard_between(first, start, end, role, heard, counts, low, high):  # type: ignore[no-untyped-def]
    """Of each call (detected speech, what was heard of it) in ms between `low` and `high` (int64 [calls]), as int64 [2, calls].

    `counts` bool by role: whose speech it is about; `first` as in `any_of`, the rest of each stretch of speech.
    """
    found = np.empty((2, len(low)), np.int64)
    for i in range(len(low)):
        begin, over, total, known = low[i], high[i], 0, 0
        for k in range(first[i], first[i + 1]):  # who speaks next is anybody's guess: without a branch
            length = max(min(end[k], over) - max(start[k], begin), 0) * counts[role[k]]
            total += length
            known += length * heard[k]
        found[0, i], found[1, i] = total, known
    return found


heard_between = Later(_heard_between)


def _heard_under(lost, turns, first, spans):  # type: ignore[no-untyped-def]
    """Of which calls heard speech lies under one of the turns `lost`, by the same role in the same channel (bool [calls]).

    `turns`: (call, role, channel, start, end) of each turn; `spans`: (role, channel, start, end, heard) of each stretch of
    speech, those of a call as `first` says.
    """
    turn_call, turn_role, turn_channel, turn_start, turn_end = turns
    role, channel, start, end, heard = spans
    found = np.zeros(len(first) - 1, np.bool_)
    for turn in lost:
        call = turn_call[turn]
        for k in range(first[call], first[call + 1]):
            same = heard[k] and role[k] == turn_role[turn] and channel[k] == turn_channel[turn]
            if same and start[k] < turn_end[turn] and end[k] > turn_start[turn]:
                found[call] = True
                break
    return found


heard_under = Later(_heard_under)
