"""Where somebody speaks: silero's network on the shipped weights, whole channels at once.

The stock package walks a channel frame by frame in Python. Here all frames of all channels of a call go through the
spectra and convolutions as rows of a few matrix products, and through the LSTM as one sequence: the same figures, many
times faster. The network: silero-vad 6, 16 kHz form (frames of 512 samples behind 64 samples of context, short-time Fourier
basis, four convolutions, one LSTM).
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
_BLOCK = 2048  # frames of each channel that are held at once: 65 s
_ROWS = 1024  # frames, of all channels, whose products are done at once: what a core's cache holds
_HOP = 128
_SPECTRA = 4
_STRIDES = (1, 2, 2, 1)
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
        loaded = torch.jit.load(str(_weights_path()), map_location="cpu").state_dict()
    weights = {ours: loaded[f"_model.{theirs}"] for ours, theirs in _NAMES.items()}
    return _build(weights).eval().requires_grad_(False).to(torch.device(device))


def _build(weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    import torch
    from torch.nn import functional

    class Silero(torch.nn.Module):
        """[channels, frames, 576] and an LSTM state to ([channels, frames] probabilities, state).

        The stored Fourier basis is a windowed one, so a fast transform behind the window (its first row) does the same. A frame
        has but four spectra, so each convolution over them is one matrix product.
        """

        window: torch.Tensor
        last: torch.Tensor
        last_bias: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("window", weights["stft_conv.weight"][0, 0].clone())
            spectra = _SPECTRA
            for n, stride in enumerate(_STRIDES, 1):
                matrix, bias, spectra = _as_product(weights[f"conv{n}.weight"], weights[f"conv{n}.bias"], spectra, stride)
                self.register_buffer(f"matrix{n}", matrix)
                self.register_buffer(f"bias{n}", bias)
            self.lstm = torch.nn.LSTM(128, 128, batch_first=True)
            self.lstm.load_state_dict({k.removeprefix("lstm."): v for k, v in weights.items() if k.startswith("lstm.")})
            self.register_buffer("last", weights["final_conv.weight"][:, :, 0].T.clone())
            self.register_buffer("last_bias", weights["final_conv.bias"].clone())

        def features(self, windows: torch.Tensor) -> torch.Tensor:
            """[frames, 576] to [frames, 128]."""
            padded = functional.pad(windows[:, None], (0, 64), mode="reflect")[:, 0]
            spectrum = torch.fft.rfft(padded.unfold(1, 2 * _HOP, _HOP) * self.window)
            x = spectrum.abs().flatten(1)
            for n in range(1, len(_STRIDES) + 1):
                x = torch.addmm(getattr(self, f"bias{n}"), x, getattr(self, f"matrix{n}")).relu_()
            return x

        def forward(
            self, windows: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None
        ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
            channels, frames, width = windows.shape
            rows = windows.reshape(channels * frames, width).split(_ROWS)
            x = torch.cat([self.features(some) for some in rows])
            x, state = self.lstm(x.reshape(channels, frames, 128), state)
            return torch.sigmoid(torch.relu(x) @ self.last + self.last_bias)[..., 0], state

    return Silero()


def _as_product(weight: torch.Tensor, bias: torch.Tensor, length: int, stride: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """A convolution of width 3 with a zero on both sides, over `length` places, as ([length × in, out places × out], bias, out places)."""
    import torch

    outs, ins, _ = weight.shape
    places = (length - 1) // stride + 1
    matrix = torch.zeros(length * ins, places * outs)
    for to in range(places):
        for tap in range(3):
            at = to * stride + tap - 1
            if 0 <= at < length:
                matrix[at * ins : (at + 1) * ins, to * outs : (to + 1) * outs] = weight[:, :, tap].T
    return matrix, bias.repeat(places), places
