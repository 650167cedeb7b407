"""Several utterances in one window: joined before the recogniser hears them, told apart again by when each character was said.

A window is 30 s long whatever is in it, so short utterances cost as much as long ones; a packed window carries as much
speech as fits. Only utterances of one call and channel are packed, in order, each with the real sound around it (0.6 s
between two at most), never one directly at another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qc.transcribe.engines import RATE_HZ, Window

PACK_MS = 29_400
"""Most sound of a packed window; each utterance has its own quiet end, so only a little room is left behind the last."""
_ENDS = frozenset("。？！?!.…")
_MARKS = _ENDS | frozenset("，、；：,;:”’」』）)")
_REACH = 2  # characters by which the place between two utterances may be off, when the text has a sentence's end there


@dataclass(frozen=True)
class Pack:
    """Windows of one channel heard as one. `members`: their indices; `starts_ms`: where each begins in the joined samples."""

    members: tuple[int, ...]
    starts_ms: tuple[float, ...]

    def between(self, windows: Sequence[Window]) -> list[float]:
        """The moments, in ms of the joined samples, that part each two neighbours: half way between their speech."""
        moments = []
        for n in range(1, len(self.members)):
            one, two = windows[self.members[n - 1]], windows[self.members[n]]
            ends = self.starts_ms[n - 1] + one.lead_ms + one.speech_ms
            begins = self.starts_ms[n] + two.lead_ms
            moments.append((ends + begins) / 2)
        return moments


def pack(windows: Sequence[Window], longest_ms: int = PACK_MS) -> list[Pack]:
    """Windows in as few packs of at most `longest_ms` as their order allows; one that is longer, or is to be heard alone, is a pack.

    Packs are in order of their first window.
    """
    open_packs: dict[int, list[int]] = {}
    lengths: dict[int, int] = {}
    found: list[list[int]] = []
    most = longest_ms * RATE_HZ // 1000
    for number, window in enumerate(windows):
        size = len(window.samples)
        mine = open_packs.get(window.channel)
        if mine is None or window.alone or lengths[window.channel] + size > most:
            mine = []
            found.append(mine)
            open_packs[window.channel], lengths[window.channel] = mine, 0
        mine.append(number)
        lengths[window.channel] += size
        if window.alone:
            del open_packs[window.channel]
    packs = []
    for members in found:
        at, starts = 0, []
        for number in members:
            starts.append(at * 1000 / RATE_HZ)
            at += len(windows[number].samples)
        packs.append(Pack(tuple(members), tuple(starts)))
    return packs


def cuts(text: str, heard_ms: Sequence[float], between: Sequence[float]) -> list[int]:
    """Where a packed window's text comes apart: for each moment between two utterances, the index of the next one's first character.

    `heard_ms`: when each character is heard best, never falling; `between`: as of `Pack.between`. A mark belongs to what is
    before it, and a sentence's end within two characters is taken for the place.
    """
    found: list[int] = []
    low = 0
    for moment in between:
        place = max(low, sum(1 for ms in heard_ms if ms < moment))
        while place < len(text) and text[place] in _MARKS and place > 0:
            place += 1
        place = max(low, _snapped(text, place))
        found.append(place)
        low = place
    return found


def _snapped(text: str, place: int) -> int:
    if place in (0, len(text)) or text[place - 1] in _ENDS:
        return place
    for by in range(1, _REACH + 1):
        for other in (place - by, place + by):
            if 0 < other < len(text) and text[other - 1] in _ENDS and text[other] not in _MARKS:
                return other
    return place
