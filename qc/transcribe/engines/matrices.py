"""A layer's matrix and bias, ready to multiply with: in the network's own type, or in 8 bits on a CPU.

In 8 bits a matrix has one scale a row of weights. What it is multiplied with gets one scale a window in the encoder (where a
window is multiplied by itself) and one a position in the decoder, so a window's figures never depend on its neighbours. The
products are sums of integers: exact, whatever the batch. Scheme: Jacob et al. 2018 (arXiv 1712.05877), scales taken from
what is multiplied as it comes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Matrix = Callable[["Tensor"], "Tensor"]
"""[..., k] to [..., n]."""

_MOST, _STEPS = 127, 255
_TINY = 1e-12


class Plain:
    """In the network's own type. `gelu`: with the activation behind it."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool = False) -> None:
        self.weight, self.bias, self.gelu = weight, bias, gelu

    def __call__(self, x: Tensor) -> Tensor:
        from torch.nn import functional

        y = functional.linear(x.to(self.weight.dtype), self.weight, self.bias)
        return functional.gelu(y) if self.gelu else y


class _Eight:
    """8-bit weights, laid out for the library once. `dtype`: of what comes out; `rows`: how many positions it is laid out for."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, gelu: bool = False, *, rows: int) -> None:
        import torch

        exact = weight.detach().float()
        self.scales = exact.abs().amax(dim=1).clamp_min(_TINY) / _MOST
        whole = (exact / self.scales[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(whole, [rows, whole.shape[1]])
        self.zeros = torch.zeros(len(whole), dtype=torch.int64)
        self.bias, self.dtype, self.gelu, self.width = bias.detach().float(), dtype, gelu, len(whole)

    def _product(self, x: Tensor, scale: float, zero: int, bias: Tensor | None, dtype: torch.dtype, gelu: bool) -> Tensor:
        """Of unsigned 8-bit x [rows, k]."""
        import torch

        after = "gelu" if gelu else "none"
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            x, scale, zero, self.packed, self.scales, self.zeros, bias, 1.0, 0, dtype, after, [], "none"
        )
        return product


class EightOfWindow(_Eight):
    """For x of one window: one scale for all its positions."""

    def __call__(self, x: Tensor) -> Tensor:
        import torch

        flat = x.reshape(-1, x.shape[-1]).float()
        low, high = (float(end) for end in torch.aminmax(flat))
        low, high = min(low, 0.0), max(high, _TINY)
        scale = (high - low) / _STEPS
        zero = min(_STEPS, max(0, round(-low / scale)))
        y = self._product(_rounded(flat, scale, zero), scale, zero, self.bias, self.dtype, self.gelu)
        return y.view(*x.shape[:-1], self.width)


class EightOfRow(_Eight):
    """For x of any windows: each position has a scale of its own."""

    def __call__(self, x: Tensor) -> Tensor:
        import torch
        from torch.nn import functional

        flat = x.reshape(-1, x.shape[-1]).float()
        most = flat.abs().amax(dim=-1, keepdim=True).clamp_min_(_TINY)
        y = self.raw(_rounded(flat / most, 1 / _MOST, _MOST + 1))
        y = torch.addcmul(self.bias, y, most)
        y = functional.gelu(y) if self.gelu else y
        return y.to(self.dtype).view(*x.shape[:-1], self.width)

    def raw(self, x: Tensor) -> Tensor:
        """Of rows already rounded, unsigned 8 bits about 128 [rows, k]: float32 [rows, n], over each row's largest, without bias."""
        import torch

        return self._product(x, 1 / _MOST, _MOST + 1, None, torch.float32, False)


def _rounded(x: Tensor, scale: float, zero: int) -> Tensor:
    """Float32 x / scale + zero as unsigned bytes, to the nearest even. In one pass while this PyTorch has a function for it."""
    import torch

    if hasattr(torch, "quantize_per_tensor"):
        made = torch.quantize_per_tensor(x, scale, zero, torch.quint8)
        # Its bytes as they lie there: asking it for them copies them one at a time.
        return torch.empty(0, dtype=torch.uint8).set_(made.untyped_storage(), 0, made.shape, made.stride())
    return (x * (1 / scale)).round_().add_(zero).clamp_(0, _STEPS).to(torch.uint8)


def eight_bits_fast() -> bool:
    """Whether this processor multiplies 8-bit integers in hardware (AVX-512 VNNI) and this PyTorch has the functions for it.

    Without VNNI the library adds in 16 bits, which can overflow.
    """
    import torch

    warnings.filterwarnings("ignore", message="torch.quantize_per_tensor", category=UserWarning)
    known = getattr(torch.cpu, "_is_vnni_supported", None) or getattr(torch.cpu, "_is_avx512_vnni_supported", None)
    if known is None or not known():
        return False
    try:
        asked = torch.arange(32.0).reshape(2, 16) / 16 - 0.9
        weight = torch.sin(torch.arange(128.0)).reshape(8, 16)
        exact = asked @ weight.T
        for kind in (EightOfWindow, EightOfRow):
            made = kind(weight, torch.zeros(8), torch.float32, rows=2)(asked)
            if not torch.allclose(made, exact, atol=0.05):
                return False
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True
