"""Log-mel spectrograms on the device, whole batches at once, each window for itself.

`whisper.audio.log_mel_spectrogram` sets its floor from the loudest value of the whole batch, so a window's features
would depend on its neighbours. Here every row has a maximum of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

HOP = 160
_FFT = 400
_SILENCE = -10.0  # log10 of openai-whisper's smallest power, 1e-10


def log_mel(windows: Sequence[np.ndarray], n_mels: int, frames: int, device: torch.device) -> Tensor:
    """float32 [n, n_mels, frames] of windows float32 [n_samples] at 16 kHz, as openai-whisper makes it of each alone.

    Windows are cut or filled up with zeros to `frames` hops. Frames that hear only that filling are not computed: their
    value is known.
    """
    import torch

    whole = frames * HOP
    longest = max((min(len(w), whole) for w in windows), default=0)
    length = min(whole, -(-(longest + _FFT) // HOP) * HOP)
    samples = torch.zeros(len(windows), length)
    for row, window in enumerate(windows):
        used = min(len(window), whole)
        samples[row, :used] = torch.from_numpy(window[:used])
    hann, bank = _tables(n_mels, device)
    spectrum = torch.stft(samples.to(device), _FFT, HOP, window=hann, return_complex=True)
    power = torch.view_as_real(spectrum[..., :-1]).square().sum(-1)
    log = torch.matmul(bank, power).clamp_(min=1e-10).log10_()
    log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0) if length == whole else _filled(log, frames)
    return (log + 4.0) / 4.0


def _filled(log: Tensor, frames: int) -> Tensor:
    """The frames of silence after the computed ones, then the floor of each row."""
    from torch.nn import functional

    log = functional.pad(log, (0, frames - log.shape[-1]), value=_SILENCE)
    return log.maximum(log.amax(dim=(1, 2), keepdim=True) - 8.0)


@cache
def _tables(n_mels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Hann window [400] and openai-whisper's own filter bank [n_mels, 201]."""
    import torch
    from whisper.audio import mel_filters

    with torch.inference_mode(False):
        return torch.hann_window(_FFT).to(device), mel_filters("cpu", n_mels).to(device)
