"""Speech probabilities to stretches of speech: where a turn begins and ends, and which samples the recogniser gets.

A stretch's own times are tight (turn times, silence, overlap and coverage are made of them). The recogniser hears a
little more on both sides, but never a neighbour's words. A stretch longer than a window is cut where speech is least
likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qc.transcribe.speech import FRAME_MS

if TYPE_CHECKING:
    import numpy as np

# A stretch begins up to 10 frames earlier where there is sound well above the channel's floor and not far below the stretch,
# over the short closures that stops have; and ends up to 5 frames earlier where there is no such sound.
_ONSET_FRAMES = 10
_ONSET_GAP = 3
_LAG_FRAMES = 5
_SHORTEST = 2
_ABOVE_FLOOR_DB = 12.0
_BELOW_SPEECH_DB = 20.0


@dataclass(frozen=True)
class SpeechOptions:
    """How speech is cut. `threshold` opens a stretch, `threshold - 0.15` (at least 0.01) closes it after `min_silence_ms`.

    `pad_ms`: what the recogniser hears beyond the stretch; `max_ms`: the longest stretch.
    """

    threshold: float = 0.3
    min_silence_ms: int = 350
    min_speech_ms: int = 96
    pad_ms: int = 300
    max_ms: int = 28_000


@dataclass(frozen=True)
class Span:
    """A stretch of speech of one channel. `hear_from_ms`, `hear_to_ms`: the padded stretch that the recogniser gets."""

    channel: int
    start_ms: int
    end_ms: int
    hear_from_ms: int
    hear_to_ms: int


def find_spans(
    probabilities: np.ndarray, levels: np.ndarray, channel: int, duration_ms: int, options: SpeechOptions
) -> list[Span]:
    """Stretches of one channel, in order, that never overlap.

    `probabilities`: float32 [n_frames]; `levels`: float32 dBFS of the same frames (the last, unfilled one may be missing).
    """
    gap = -(-options.min_silence_ms // FRAME_MS)
    # The detector holds on after the sound has ended: a pause is as long as its silence, not as what the detector leaves of it.
    held = min(_LAG_FRAMES, gap - 1) if levels.size else 0
    likely = _stretches(probabilities, options, gap - held)
    raw = _joined(likely, _by_sound(likely, levels), gap, options.min_speech_ms // FRAME_MS)
    cut = [piece for stretch in raw for piece in _split(probabilities, stretch, options.max_ms // FRAME_MS)]
    tight = [(a * FRAME_MS, min(b * FRAME_MS, duration_ms)) for a, b in cut if a * FRAME_MS < duration_ms]
    spans = []
    for index, (start, end) in enumerate(tight):
        before = tight[index - 1][1] if index else 0
        after = tight[index + 1][0] if index + 1 < len(tight) else duration_ms
        first = max(start - options.pad_ms, (before + start) // 2 if index else 0)
        last = min(end + options.pad_ms, (end + after) // 2 if index + 1 < len(tight) else duration_ms)
        spans.append(Span(channel, start, end, first, last))
    return spans


def _by_sound(stretches: list[tuple[int, int]], levels: np.ndarray) -> list[tuple[int, int]]:
    """Stretches that begin and end where their sound does.

    The detector passes over a soft first syllable, and its probability falls about 100 ms after the sound has.
    """
    import numpy as np

    if not levels.size:
        return stretches
    floor = float(np.percentile(levels, 20)) + _ABOVE_FLOOR_DB
    found: list[tuple[int, int]] = []
    for first, last in stretches:
        if first >= levels.size:
            found.append((first, last))
            continue
        needed = max(floor, float(np.median(levels[first:last])) - _BELOW_SPEECH_DB)
        earliest = max(first - _ONSET_FRAMES, found[-1][1] + 1 if found else 0)
        start, end = first, last
        for frame in range(first - 1, earliest - 1, -1):
            if levels[frame] >= needed:
                start = frame
            elif start - frame > _ONSET_GAP:
                break
        while end > last - _LAG_FRAMES and end - first > _SHORTEST and (end > levels.size or levels[end - 1] < needed):
            end -= 1
        found.append((start, end))
    return found


def _joined(likely: list[tuple[int, int]], sounding: list[tuple[int, int]], gap: int, shortest: int) -> list[tuple[int, int]]:
    """Stretches by their sound, those less than `gap` frames apart made one; without those that are shorter than `shortest`, by
    the detector and by their sound.
    """
    found: list[tuple[int, int]] = []
    longest: list[int] = []
    for (first, last), (begin, end) in zip(sounding, likely, strict=True):
        if found and first - found[-1][1] < gap:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
            longest[-1] = max(longest[-1], end - begin)
        else:
            found.append((first, last))
            longest.append(end - begin)
    return [(a, b) for (a, b), most in zip(found, longest, strict=True) if max(b - a, most) >= shortest]


def _stretches(probabilities: np.ndarray, options: SpeechOptions, gap: int) -> list[tuple[int, int]]:
    """Stretches as (first frame, frame after the last), by a threshold with hysteresis, `gap` frames apart or more."""
    low = max(options.threshold - 0.15, 0.01)
    found: list[tuple[int, int]] = []
    start: int | None = None
    last = 0
    for frame, value in enumerate(probabilities.tolist()):
        if value >= options.threshold:
            start = frame if start is None else start
            last = frame
        elif start is not None and value >= low:
            last = frame
        elif start is not None and frame - last >= gap:
            found.append((start, last + 1))
            start = None
    if start is not None:
        found.append((start, last + 1))
    return found


def _split(probabilities: np.ndarray, stretch: tuple[int, int], longest: int) -> list[tuple[int, int]]:
    """A stretch in pieces of at most `longest` frames, cut at the least likely frame of each piece's second half."""
    pieces = []
    start, end = stretch
    while end - start > longest:
        half = start + longest // 2
        cut = half + int(probabilities[half : start + longest].argmin())
        pieces.append((start, cut))
        start = cut
    pieces.append((start, end))
    return pieces
