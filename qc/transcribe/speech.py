"""Where somebody speaks: silero's network on the shipped weights, whole channels at once.

The stock package walks a channel frame by frame in Python. Here the convolutions run over all frames of all channels
of a call as one batch and the LSTM as one sequence: the same figures, many times faster. The network: silero-vad 6,
16 kHz form (frames of 512 samples behind 64 samples of context, short-time Fourier basis, four convolutions, one LSTM).
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qc.errors import ModelError
from qc.progress import beat

if TYPE_CHECKING:
    import numpy as np
    import torch

FRAME = 512
FRAME_MS = 32
_CONTEXT = 64
_BLOCK = 2048  # frames for which the convolutions are run at once: 65 s of one channel
_WEIGHTS = "silero_vad.jit"
_NAMES = {
    "stft_conv.weight": "stft.forward_basis_buffer",
    **{f"conv{i + 1}.{w}": f"encoder.{i}.reparam_conv.{w}" for i in range(4) for w in ("weight", "bias")},
    **{f"lstm.{w}_l0": f"decoder.rnn.{w}" for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    "final_conv.weight": "decoder.decoder.2.weight",
    "final_conv.bias": "decoder.decoder.2.bias",
}


def speech_probabilities(samples: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Speech probability of each frame of 32 ms: float32 [channels, ceil(n_samples / 512)] from float32 [channels, n_samples] at 16 kHz.

    The last frame is filled up with zeros. Raises ModelError when silero's weights are not installed.
    """
    import numpy as np
    import torch

    network = _network(device)
    channels, length = samples.shape
    frames = -(-length // FRAME)
    out = np.zeros((channels, frames), np.float32)
    state: tuple[torch.Tensor, torch.Tensor] | None = None
    with torch.inference_mode():
        for first in range(0, frames, _BLOCK):
            last = min(frames, first + _BLOCK)
            piece = np.zeros((channels, _CONTEXT + (last - first) * FRAME), np.float32)
            low, high = first * FRAME - _CONTEXT, min(length, last * FRAME)
            piece[:, max(0, -low) : high - low] = samples[:, max(0, low) : high]
            windows = torch.from_numpy(piece).to(device).unfold(1, _CONTEXT + FRAME, FRAME)
            probabilities, state = network(windows, state)
            out[:, first:last] = probabilities.cpu().numpy()
            beat()
    return out


@cache
def detector_digest() -> str:
    """The first 12 hex digits of the SHA-256 of silero's weights, so that a transcript says which ones found its speech."""
    import hashlib

    return hashlib.sha256(_weights_path().read_bytes()).hexdigest()[:12]


def _weights_path() -> Path:
    # silero_vad itself is never imported: its import sets torch to one thread for the whole process.
    spec = find_spec("silero_vad")
    path = Path(spec.origin).parent / "data" / _WEIGHTS if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise ModelError(f"silero's weights ({_WEIGHTS}) are not installed", hint="pip install 'silero-vad>=6.2'", code="no_vad")
    return path


@cache
def _network(device: str) -> torch.nn.Module:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.load, of which only the weights are taken
        weights = torch.jit.load(str(_weights_path()), map_location="cpu").state_dict()
    network = _build()
    network.load_state_dict({ours: weights[f"_model.{theirs}"] for ours, theirs in _NAMES.items()})
    return network.eval().requires_grad_(False).to(torch.device(device))


def _build() -> torch.nn.Module:
    import torch
    from torch.nn import functional

    class Silero(torch.nn.Module):
        """[channels, frames, 576] and an LSTM state to ([channels, frames] probabilities, state)."""

        def __init__(self) -> None:
            super().__init__()
            self.stft_conv = torch.nn.Conv1d(1, 258, 256, stride=128, bias=False)
            self.conv1 = torch.nn.Conv1d(129, 128, 3, padding=1)
            self.conv2 = torch.nn.Conv1d(128, 64, 3, stride=2, padding=1)
            self.conv3 = torch.nn.Conv1d(64, 64, 3, stride=2, padding=1)
            self.conv4 = torch.nn.Conv1d(64, 128, 3, padding=1)
            self.lstm = torch.nn.LSTM(128, 128, batch_first=True)
            self.final_conv = torch.nn.Conv1d(128, 1, 1)

        def forward(
            self, windows: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None
        ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
            channels, frames, width = windows.shape
            x = functional.pad(windows.reshape(channels * frames, 1, width), (0, 64), mode="reflect")
            x = self.stft_conv(x)
            x = torch.sqrt(x[:, :129] ** 2 + x[:, 129:] ** 2)
            for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
                x = torch.relu(layer(x))
            x, state = self.lstm(x.reshape(channels, frames, 128), state)
            x = self.final_conv(torch.relu(x).transpose(1, 2))
            return torch.sigmoid(x)[:, 0], state

    return Silero()
