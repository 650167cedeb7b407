"""One channel heard in another: the leak that codecs and lines make, and recordings whose two channels are the same.

Low-rate stereo codecs (Opus, MP3) and bad lines copy one side, far quieter, into the other: the recogniser would write
every sentence twice, once with the wrong role. A leak is told from real overlap by being the same waveform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qc.audio.levels import FRAME, frame_dbfs

if TYPE_CHECKING:
    import numpy as np

_LOUDER_DB = 12.0
_ALIKE = 0.8
_NEAR = 4
_SAME_RESIDUAL = 0.01
_BLOCK = 1 << 16


def leaked(samples: np.ndarray) -> np.ndarray:
    """Frames of a channel that are another channel's leak: bool [channels, n_samples // 512] from float32 [channels, n_samples].

    A frame is a leak when another channel is at least 12 dB louder there and has the same waveform (correlation 0.8).
    """
    import numpy as np

    channels, count = samples.shape[0], samples.shape[1] // FRAME
    out = np.zeros((channels, count), bool)
    levels = [frame_dbfs(row) for row in samples]
    for quiet in range(channels):
        for loud in range(channels):
            if quiet != loud:
                candidates = np.flatnonzero(levels[loud] - levels[quiet] >= _LOUDER_DB)
                for first in range(0, candidates.size, _BLOCK // FRAME):
                    chosen = candidates[first : first + _BLOCK // FRAME]
                    out[quiet, chosen] |= _correlation(samples[quiet], samples[loud], chosen) >= _ALIKE
                out[quiet] |= _spread(out[quiet]) & (levels[quiet] < levels[loud])
    return out


def _spread(mask: np.ndarray) -> np.ndarray:
    """The mask and its neighbours, `_NEAR` frames on both sides: a leak's faint edges correlate badly."""
    import numpy as np

    if not mask.size:
        return mask
    near = np.convolve(mask.astype(np.int16), np.ones(2 * _NEAR + 1, np.int16))
    return near[_NEAR : _NEAR + mask.size] > 0


def _correlation(one: np.ndarray, other: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Absolute correlation of two channels in each of `frames`: float64 [n]."""
    import numpy as np

    count = one.shape[0] // FRAME
    a = one[: count * FRAME].reshape(count, FRAME)[frames].astype(np.float64)
    b = other[: count * FRAME].reshape(count, FRAME)[frames].astype(np.float64)
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    power = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    return np.abs((a * b).sum(axis=1)) / np.maximum(power, 1e-9)


def same_channels(samples: np.ndarray) -> bool:
    """Whether a two-channel recording holds the same mix twice (up to loudness): then it is one channel in truth."""
    import numpy as np

    if samples.shape[0] != 2 or samples.shape[1] == 0:
        return False
    left = right = cross = 0.0
    for first in range(0, samples.shape[1], _BLOCK):
        a, b = samples[:, first : first + _BLOCK]
        # einsum, not a product of vectors: that one wakes another core for what a single one does in a millisecond.
        left, right, cross = (sum_ + float(np.einsum("i,i", x, y)) for sum_, x, y in ((left, a, a), (right, b, b), (cross, a, b)))
    if min(left, right) < 1e-6 * samples.shape[1]:  # silence, -60 dBFS, is like anything
        return False
    # The share of one channel's power that the other, scaled to fit best, does not explain.
    return cross > 0 and 1.0 - cross * cross / (left * right) < _SAME_RESIDUAL
