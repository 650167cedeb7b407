"""Call-progress tones, dialled digits and hold music: stretches of a channel that are no speech however much of it they resemble.

A tone: nearly all the energy lies in one or two narrow lines between 300 and 700 Hz that do not move (ringback and busy
tones: 450 Hz in China, 425 Hz in most of Europe, 440 + 480 Hz and 480 + 620 Hz in North America; ITU-T E.180). Speech
has harmonics beyond. Hold music: sound without the pauses that speech has, for many seconds, and lines that stand
still. Both tests are strict: speech wrongly taken for music would be lost, music taken for speech meets further guards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qc.audio.levels import frame_dbfs
from qc.progress import beat

if TYPE_CHECKING:
    import numpy as np

_RATE_HZ = 16_000
_FRAME = 1024  # 64 ms, lines 15.6 Hz apart
_BLOCK = 4096  # frames whose spectra are held at once
_TONE_BAND_HZ = (300.0, 700.0)
_TONE_SHARE = 0.92
_TONE_MIN_FRAMES = 4
_TONE_LONG_FRAMES = 11  # 0.7 s
_FLOOR_DBFS = -55.0
_DTMF_FRAME = 512  # 32 ms, lines 31 Hz apart
_DTMF_LOW_HZ = (697.0, 770.0, 852.0, 941.0)
_DTMF_HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
_DTMF_SHARE = 0.85
_DTMF_EACH = 0.08  # each of the two lines has at least this share
_DTMF_JOIN = 12  # digits up to so many frames (0.4 s) apart are one stretch
_MUSIC_MIN_FRAMES = 160  # 10 s
_MUSIC_STEP = 16
_MUSIC_STILL = 0.62  # share of frames whose strongest line is that of the frame before
_MUSIC_ONE_LINE = 0.6  # a line that is the strongest in more frames than this is hum, not music
_MUSIC_QUIET = 0.05  # share of frames 20 dB below the stretch's loud frames


@dataclass(frozen=True)
class Stretch:
    """A stretch of a channel that is no speech. `kind`: `ringback`, `dtmf` or `hold_music`."""

    kind: str
    start_ms: int
    end_ms: int


def find_tones(samples: np.ndarray) -> list[Stretch]:
    """Tones and hold music of one channel, float32 [n_samples] at 16 kHz, in order of time, never overlapping."""
    import numpy as np

    levels = frame_dbfs(samples, _FRAME)
    share, line = _lines(samples)
    tonal = (share >= _TONE_SHARE) & (levels > _FLOOR_DBFS)
    steady = np.zeros_like(tonal)
    steady[1:] = tonal[1:] & tonal[:-1] & (np.abs(np.diff(line)) <= 1)
    tones = [Stretch("ringback", _ms(a - 1), _ms(b)) for a, b in _call_progress(_runs(steady), line)]
    music = [Stretch("hold_music", _ms(a), _ms(b)) for a, b in _music(levels, line)]
    tones += [d for d in _digits(samples) if not any(t.start_ms < d.end_ms and d.start_ms < t.end_ms for t in tones)]
    free = [m for m in music if not any(t.start_ms < m.end_ms and m.start_ms < t.end_ms for t in tones)]
    return sorted([*tones, *free], key=lambda s: s.start_ms)


def _digits(samples: np.ndarray) -> list[Stretch]:
    """Dialled digits: two lines that do not move, one of each group, with nearly all the energy (ITU-T Q.23, Q.24)."""
    import numpy as np

    count = samples.shape[0] // _DTMF_FRAME
    window = np.hanning(_DTMF_FRAME).astype(np.float32)
    levels = frame_dbfs(samples, _DTMF_FRAME)
    bin_hz = _RATE_HZ / _DTMF_FRAME
    pair = np.full(count, -1, np.int32)
    for first in range(0, count, _BLOCK):
        chosen = first + np.flatnonzero(levels[first : first + _BLOCK] > _FLOOR_DBFS)
        frames = samples[: count * _DTMF_FRAME].reshape(count, _DTMF_FRAME)[chosen] * window
        power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float64)
        total = power.sum(axis=1) + 1e-12
        groups = []
        for group in (_DTMF_LOW_HZ, _DTMF_HIGH_HZ):
            near = [round(hz / bin_hz) for hz in group]
            groups.append(np.stack([power[:, n - 1 : n + 2].sum(axis=1) for n in near], axis=1) / total[:, None])
        low, high = (g.max(axis=1) for g in groups)
        sure = (low + high >= _DTMF_SHARE) & (low >= _DTMF_EACH) & (high >= _DTMF_EACH)
        pair[chosen] = np.where(sure, groups[0].argmax(axis=1) * 4 + groups[1].argmax(axis=1), -1)
        beat()
    held = np.zeros(count, bool)
    held[1:] = (pair[1:] >= 0) & (pair[1:] == pair[:-1])
    found: list[tuple[int, int]] = []
    for a, b in _runs(held):
        start, end = a - 1, b
        if found and start - found[-1][1] <= _DTMF_JOIN:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    step = _DTMF_FRAME * 1000 // _RATE_HZ
    # A digit begins and ends within a frame that it only partly fills.
    return [Stretch("dtmf", max(0, a - 1) * step, (b + 1) * step) for a, b in found]


def _call_progress(runs: list[tuple[int, int]], line: np.ndarray) -> list[tuple[int, int]]:
    """The runs that are call-progress tones: long, or repeated at the same line; more than two lines are a melody."""
    by_line: dict[int, list[tuple[int, int]]] = {}
    for first, last in runs:
        if last - first + 1 >= _TONE_MIN_FRAMES:
            place = int(line[first])
            near = next((known for known in by_line if abs(known - place) <= 1), place)
            by_line.setdefault(near, []).append((first, last))
    kept = [found for found in by_line.values() if len(found) >= 3 or max(b - a for a, b in found) >= _TONE_LONG_FRAMES]
    return sorted(run for found in kept for run in found) if len(kept) <= 2 else []


def _ms(frame: int) -> int:
    return int(frame) * _FRAME * 1000 // _RATE_HZ


def _lines(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each frame: the share of energy in its two strongest lines within the tone band, and the index of its strongest line."""
    import numpy as np

    count = samples.shape[0] // _FRAME
    window = np.hanning(_FRAME).astype(np.float32)
    bin_hz = _RATE_HZ / _FRAME
    low, high = int(_TONE_BAND_HZ[0] / bin_hz), int(_TONE_BAND_HZ[1] / bin_hz) + 1
    share = np.zeros(count, np.float32)
    line = np.zeros(count, np.int32)
    for first in range(0, count, _BLOCK):
        last = min(count, first + _BLOCK)
        frames = samples[first * _FRAME : last * _FRAME].reshape(last - first, _FRAME) * window
        power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float64)
        power[:, :4] = 0.0  # hum and offset
        total = power.sum(axis=1) + 1e-12
        band = power[:, low:high].copy()
        line[first:last] = power.argmax(axis=1)
        rows = np.arange(last - first)
        taken = np.zeros(last - first)
        for _ in range(2):
            peak = band.argmax(axis=1)
            for offset in (-2, -1, 0, 1, 2):
                place = np.clip(peak + offset, 0, high - low - 1)
                taken += band[rows, place]
                band[rows, place] = 0.0
        share[first:last] = taken / total
        beat()
    return share, line


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True as (first, after the last)."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _music(levels: np.ndarray, line: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of at least 10 s without pauses whose strongest line mostly stands still, as frame ranges."""
    import numpy as np

    count = levels.shape[0]
    marked = np.zeros(count, bool)
    still = np.zeros(count, np.float32)
    still[1:] = np.abs(np.diff(line)) <= 0
    for first in range(0, count - _MUSIC_MIN_FRAMES + 1, _MUSIC_STEP):
        part = slice(first, first + _MUSIC_MIN_FRAMES)
        loud = float(np.percentile(levels[part], 90))
        if loud < _FLOOR_DBFS + 10 or float((levels[part] < loud - 20).mean()) > _MUSIC_QUIET:
            continue
        commonest = int(np.bincount(line[part]).max()) / _MUSIC_MIN_FRAMES
        if float(still[part].mean()) >= _MUSIC_STILL and commonest <= _MUSIC_ONE_LINE:
            marked[part] = True
    return _runs(marked)
