"""How loud: root-mean-square levels of samples and of short frames. dBFS: 0 is a full-scale square wave, silence is -120."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SILENCE_DBFS = -120.0
FRAME = 512


def dbfs(samples: np.ndarray) -> float:
    """Root-mean-square level of float32 [n_samples], in dBFS; -120 for none or for digital silence."""
    import numpy as np

    if samples.size == 0:
        return SILENCE_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(SILENCE_DBFS, 10.0 * float(np.log10(max(power, 1e-12))))


def frame_dbfs(samples: np.ndarray, frame: int = FRAME) -> np.ndarray:
    """Level of each whole frame of float32 [n_samples]: float32 [n_samples // frame], in dBFS."""
    import numpy as np

    count = samples.shape[0] // frame
    power = np.square(samples[: count * frame].reshape(count, frame)).mean(axis=1, dtype=np.float64)
    return np.maximum(10.0 * np.log10(np.maximum(power, 1e-12)), SILENCE_DBFS).astype(np.float32)
