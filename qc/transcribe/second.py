"""A second chance for what the guard flags: the same speech, cut otherwise, heard once more; then with words drawn, not the likeliest.

A recogniser that loops, drifts or runs on does so for the window as a whole; cut in two at its quietest place, or with
less around it, the same speech mostly comes out well. What that does not mend is heard at a higher temperature, which
leads out of a loop. Surely speech that came out without a word is heard again too: packed windows lose an utterance now
and then. What another hearing gives is taken only where it is clearly better: unflagged, surely speech, and surer than a
first hearing needs to be. All else stays as it was, flag and all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qc.transcribe.engines import RATE_HZ, Heard, Window
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import Cut, Ready, measured

if TYPE_CHECKING:
    import numpy as np

_WORTH = frozenset({"loop", "too_long_text", "token_cap", "wrong_script", "prompt_echo", "low_confidence"})
_SPLIT_MS = 1_600
_TIGHT_MS = 60
_FRAME = 512
_LEAST = 4
_TEMPERATURE = 0.4
_SILENT_WORTH_MS = 400
_SILENT_SHARE = 0.8

Judge = Callable[[Cut, Heard], tuple[str, tuple[str, ...]]]
"""A cut and what was heard in it, to the text and its flags."""
Hear = Callable[[Sequence[Window]], list[Heard]]


@dataclass(frozen=True)
class _One:
    """A cut, its window and what was heard in it."""

    cut: Cut
    window: Window
    heard: Heard


def second_chance(
    ready: Ready, heard: Sequence[Heard], judge: Judge, hear: Hear, options: TranscribeOptions, draws: bool = True
) -> tuple[Ready, list[Heard]]:
    """The call with its flagged windows heard again where that helps; a window may become two. At most a quarter of a call's
    windows, and four in any case, get the chance, so that a hopeless recording does not cost double.

    `draws`: whether the engine minds a window's temperature; else another cut is all there is.
    """
    whole = [_One(c, w, h) for c, w, h in zip(ready.cuts, ready.windows, heard, strict=True)]
    chosen = [i for i, one in enumerate(whole) if _is_worth_it(one, judge, options)][: max(_LEAST, len(whole) // 4)]
    if not chosen:
        return ready, list(heard)
    found: list[list[_One]] = [[one] for one in whole]
    left = _again({i: _otherwise(whole[i].cut, whole[i].window) for i in chosen}, found, judge, hear, options)
    if left and draws:
        hot = {i: [(whole[i].cut, replace(whole[i].window, alone=True, temperature=_TEMPERATURE))] for i in left}
        _again(hot, found, judge, hear, options)
    pieces = sorted((one for group in found for one in group), key=lambda o: (o.cut.span.start_ms, o.cut.span.channel))
    changed = replace(ready, cuts=tuple(p.cut for p in pieces), windows=tuple(p.window for p in pieces))
    return changed, [p.heard for p in pieces]


def _is_worth_it(one: _One, judge: Judge, options: TranscribeOptions) -> bool:
    """Whether it is surely speech, and what was heard in it is flagged or nothing at all."""
    text, flags = judge(one.cut, one.heard)
    if not text:
        length = one.cut.span.end_ms - one.cut.span.start_ms
        return length >= _SILENT_WORTH_MS and one.cut.share >= _SILENT_SHARE
    return bool(_WORTH & set(flags)) and one.cut.share >= options.guard.low_share


def _again(
    tries: dict[int, list[tuple[Cut, Window]]], found: list[list[_One]], judge: Judge, hear: Hear, options: TranscribeOptions
) -> list[int]:
    """Hear what is tried for each place, and put it there where it is better; the places where it is not."""
    answers = iter(hear([window for pieces in tries.values() for _, window in pieces]))
    left = []
    for place, pieces in tries.items():
        group = [_One(c, w, next(answers)) for c, w in pieces]
        judged = [judge(one.cut, one.heard) for one in group]
        clean = [
            bool(text) and not flags and _surer(one.heard, options) for (text, flags), one in zip(judged, group, strict=True)
        ]
        if any(clean) and not _worse(judged, clean):
            found[place] = group
        else:
            left.append(place)
    return left


def _surer(heard: Heard, options: TranscribeOptions) -> bool:
    return heard.avg_logprob is None or heard.avg_logprob >= options.guard.doubt_logprob


def _worse(judged: Sequence[tuple[str, tuple[str, ...]]], clean: Sequence[bool]) -> bool:
    """Whether some piece has text that is neither clean nor flagged: unsure text must not slip in beside a good half."""
    return any(text and not flags and not good for (text, flags), good in zip(judged, clean, strict=True))


def _otherwise(cut: Cut, window: Window) -> list[tuple[Cut, Window]]:
    """The same speech as two windows, apart at its quietest place; a short one as one window with hardly anything around it."""
    span = cut.span
    if span.end_ms - span.start_ms < _SPLIT_MS:
        return [_piece(cut, window, span.start_ms, span.end_ms, _TIGHT_MS, _TIGHT_MS)]
    middle = _quietest(_part(cut, window, span.start_ms, span.end_ms)) + span.start_ms
    before, after = span.start_ms - span.hear_from_ms, span.hear_to_ms - span.end_ms
    return [
        _piece(cut, window, span.start_ms, middle, before, 0),
        _piece(cut, window, middle, span.end_ms, 0, after),
    ]


def _quietest(samples: np.ndarray) -> int:
    """The quietest place in the middle half of float32 [n_samples], ms from its beginning."""
    import numpy as np

    from qc.audio.levels import frame_dbfs

    levels = frame_dbfs(samples, _FRAME)
    quarter = levels.size // 4
    # Two frames together, so that the closure of a stop does not win over a pause.
    pairs = np.convolve(levels, (0.5, 0.5), mode="same")
    return (quarter + int(pairs[quarter : levels.size - quarter].argmin())) * _FRAME * 1000 // RATE_HZ


def _part(cut: Cut, window: Window, start_ms: int, end_ms: int) -> np.ndarray:
    """The window's samples from `start_ms` to `end_ms` of the recording."""
    first = cut.span.hear_from_ms
    return window.samples[(start_ms - first) * RATE_HZ // 1000 : (end_ms - first) * RATE_HZ // 1000]


def _piece(cut: Cut, window: Window, start_ms: int, end_ms: int, before_ms: int, after_ms: int) -> tuple[Cut, Window]:
    span = cut.span
    low, high = max(span.hear_from_ms, start_ms - before_ms), min(span.hear_to_ms, end_ms + after_ms)
    inner = replace(span, start_ms=start_ms, end_ms=end_ms, hear_from_ms=low, hear_to_ms=high)
    piece = measured(inner, cut.share, _part(cut, window, start_ms, end_ms))
    heard = _part(cut, window, low, high)
    return replace(piece, speaker=cut.speaker), Window(heard, span.channel, start_ms, end_ms, lead_ms=start_ms - low, alone=True)
