"""Several utterances in one window: joined before the recogniser hears them, told apart again by when each character was said.

A window is 30 s long whatever is in it, so short utterances cost as much as long ones; a packed window carries as much
speech as fits. Only utterances of one call and channel are packed, in order, each with the real sound around it (0.4 s
between two at most), never one directly at another. One that is too long for what room is left does not close a pack: a
later, shorter one may still fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qc.transcribe.engines import RATE_HZ, Window

PACK_MS = 29_400
"""Most sound of a packed window; each utterance has its own quiet end, so only a little room is left behind the last. A model may say less."""
_ENDS = frozenset("。？！?!.…")
_MARKS = _ENDS | frozenset("，、；：,;:”’」』）)")
_REACH = 2  # characters by which the place between two utterances may be off, when the text has a sentence's end there


_BESIDE_MS = 200  # most sound that an utterance keeps on a side where another one follows
_LOOK_BACK = 3  # packs of a channel that take what fits


@dataclass(frozen=True)
class Pack:
    """Windows of one channel heard as one. `members`: their indices; `windows`: them as they are heard, those beside others with
    less sound around; `starts_ms`: where each begins in the joined samples.
    """

    members: tuple[int, ...]
    windows: tuple[Window, ...]
    starts_ms: tuple[float, ...]

    def between(self) -> list[float]:
        """The moments, in ms of the joined samples, that part each two neighbours: half way between their speech."""
        moments = []
        for n in range(1, len(self.windows)):
            one, two = self.windows[n - 1], self.windows[n]
            ends = self.starts_ms[n - 1] + one.lead_ms + one.speech_ms
            begins = self.starts_ms[n] + two.lead_ms
            moments.append((ends + begins) / 2)
        return moments


def single(windows: Sequence[Window]) -> list[Pack]:
    """Each window for itself."""
    return [Pack((n,), (window,), (0.0,)) for n, window in enumerate(windows)]


def pack(windows: Sequence[Window], longest_ms: int = PACK_MS) -> list[Pack]:
    """Windows in few packs of at most `longest_ms`, each where it leaves the least room among the last packs of its channel; one
    that is longer, or is to be heard alone, is a pack.

    Packs are in order of their first window, and members in order of time.
    """
    most = longest_ms * RATE_HZ // 1000
    found: list[list[int]] = []
    lengths: list[int] = []
    open_packs: dict[int, list[int]] = {}
    for number, window in enumerate(windows):
        mine, best, length = open_packs.setdefault(window.channel, []), None, most + 1
        for place in () if window.alone else mine:
            joined = lengths[place] - _surplus(windows[found[place][-1]])[1] + len(window.samples) - _surplus(window)[0]
            if joined <= most and (best is None or joined > length):
                best, length = place, joined
        if best is not None:
            found[best].append(number)
            lengths[best] = length
            continue
        found.append([number])
        lengths.append(len(window.samples))
        if not window.alone:
            mine.append(len(found) - 1)
            del mine[:-_LOOK_BACK]
    return [_pack(members, windows) for members in found]


def _pack(members: Sequence[int], windows: Sequence[Window]) -> Pack:
    heard, starts, at = [], [], 0
    for place, number in enumerate(members):
        one = _beside(windows[number], place > 0, place + 1 < len(members))
        heard.append(one)
        starts.append(at * 1000 / RATE_HZ)
        at += len(one.samples)
    return Pack(tuple(members), tuple(heard), tuple(starts))


def _surplus(window: Window) -> tuple[int, int]:
    """Samples before and after a window's speech that it does not keep beside others."""
    most, lead = _BESIDE_MS * RATE_HZ // 1000, window.lead_ms * RATE_HZ // 1000
    tail = len(window.samples) - lead - window.speech_ms * RATE_HZ // 1000
    return max(0, lead - most), max(0, tail - most)


def _beside(window: Window, before: bool, after: bool) -> Window:
    """A window as it is heard where others are before and after it."""
    lead, tail = _surplus(window)
    first, last = lead if before else 0, len(window.samples) - (tail if after else 0)
    return replace(window, samples=window.samples[first:last], lead_ms=window.lead_ms - first * 1000 // RATE_HZ)


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
