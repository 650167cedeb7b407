"""One step of the decoder on a CPU in 8 bits: between two products of matrices one loop of machine code a row.

A step of a few rows reads much and multiplies little, so it is made of few passes: each loop takes what one product gave, does
with it what the network does, and rounds it to the 8 bits that the next product takes. What is kept of the audio lies in 8
bits too, one scale for each channel of each head of a window (its keys' scales are multiplied into the query, its values' into
the sum); keys lie channel by channel and values position by position, as they are read. Sums are in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qc.transcribe.engines import loops
from qc.transcribe.engines.matrices import EightOfRow

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from qc.transcribe.engines.network import Caches, Choices, Layer, Norm, Sound

_MOST_HELPERS = 32


def kept_sound(y: Tensor, heads: int) -> Sound:
    """Cross-attention's keys and values of one window, float32 [ctx, 2 * heads * d], in 8 bits: as in `Caches`, [heads, ...]."""
    import torch

    ctx, d = y.shape[0], y.shape[1] // heads // 2
    keys, values = torch.empty(heads, d, ctx, dtype=torch.int8), torch.empty(heads, ctx, d, dtype=torch.int8)
    key_scales, value_scales = torch.empty(heads, d), torch.empty(heads, d)
    loops.kept(*(part.numpy() for part in (y.contiguous(), keys, key_scales, values, value_scales)))
    return keys, key_scales, values, value_scales


def looked(query: Tensor, rows: Tensor, lengths: Tensor, sound: Sound) -> Tensor:
    """Attention of queries [n, heads, length, d] over the sound of the windows in `rows` int64 [n]: float32, of the same shape.

    `lengths`: int64 [rows of the caches], how much of its places each has.
    """
    import torch

    n, heads, length, d = query.shape
    flat = query.float().transpose(1, 2).reshape(n * length, heads, d).contiguous()
    out = torch.empty_like(flat)
    keys, key_scales, values, value_scales = (part.numpy() for part in sound)
    at = rows.repeat_interleave(length).numpy()
    loops.looked(flat.numpy(), at, lengths.numpy(), keys, key_scales, values, value_scales, out.numpy())
    return out.view(n, length, heads, d).transpose(1, 2)


@dataclass(frozen=True)
class _Block:
    """One block's layer norms (weight, bias) and products (matrix, bias), in the order of their use."""

    norms: tuple[tuple[np.ndarray, np.ndarray], ...]
    products: tuple[tuple[EightOfRow, np.ndarray], ...]


def _block(layer: Layer) -> _Block:
    norms = [
        (norm.weight.float().numpy(), norm.bias.float().numpy()) for norm in (layer.attn_ln, layer.cross_ln, layer.mlp_ln) if norm
    ]
    matrices = (layer.qkv, layer.out, layer.cross_q, layer.cross_out, layer.up, layer.down)
    return _Block(tuple(norms), tuple((m, m.bias.numpy()) for m in matrices if isinstance(m, EightOfRow)))


class Steps:
    """The decoder's blocks in 8 bits, and what a step of the rows of `caches` works on. For one thread at a time."""

    def __init__(self, layers: Sequence[Layer], last: Norm, caches: Caches) -> None:
        import torch

        rows, heads, d = caches.rows, caches.self_k.shape[2], caches.self_k.shape[4]
        self.blocks = [_block(layer) for layer in layers]
        self.last = (last.weight.float().numpy(), last.bias.float().numpy())
        self.caches = caches
        self._bytes = torch.empty(rows, heads * d, dtype=torch.uint8)
        self._more_bytes = torch.empty(rows, self.blocks[0].products[4][0].width, dtype=torch.uint8)
        self._most, self._query = torch.empty(rows), torch.empty(rows, heads, d)
        self._self = [(k.numpy(), v.numpy()) for k, v in zip(caches.self_k, caches.self_v, strict=True)]
        self._sound = [tuple(part[n].numpy() for part in caches.sound) for n in range(len(layers))]

    def step(self, x: Tensor, places: Tensor, first: int, last: int) -> None:
        """One token further, rows from `first` up to `last`: x float32 [rows, width], what the blocks begin with, becomes what they
        end with. Other rows may be at work in other threads.
        """
        some = slice(first, last)
        given, wide, query = self._bytes[some], self._more_bytes[some], self._query[some]
        stream, at, most, out, asked = (
            x.numpy()[some],
            places.numpy()[some],
            self._most.numpy()[some],
            given.numpy(),
            query.numpy(),
        )
        numbers, caches = self.caches.numbers[some], self.caches
        loops.normed(stream, *self.blocks[0].norms[0], out, most)
        for number, block in enumerate(self.blocks):
            qkv, joined, cross, heard, up, down = block.products
            texts, sounds = ([part[some] for part in parts[number]] for parts in (self._self, self._sound))
            loops.attended_text(qkv[0].raw(given).numpy(), most, qkv[1], *texts, at, out)
            loops.added(stream, joined[0].raw(given).numpy(), most, joined[1], *block.norms[1], out)
            loops.attended_audio(cross[0].raw(given).numpy(), most, cross[1], caches.lengths.numpy()[some], *sounds, asked, out)
            if number in caches.asked:
                caches.asked[number][numbers, :, places[some]] = query[:, caches.heads[number]]
            loops.added(stream, heard[0].raw(given).numpy(), most, heard[1], *block.norms[2], out)
            loops.curved(up[0].raw(given).numpy(), most, up[1], wide.numpy())
            after = self.blocks[number + 1].norms[0] if number + 1 < len(self.blocks) else self.last
            loops.added(stream, down[0].raw(wide).numpy(), most, down[1], *after, out)


def chosen(
    states: Tensor, choices: Choices, logits: Callable[[Tensor, Choices], Tensor], forced: Tensor | None, parts: int
) -> tuple[Tensor, Tensor]:
    """The likeliest of the tokens to choose from, of last states: (column int64 [rows], log-probability float32 [rows]).

    `logits`: what gives them of a table that is not in 8 bits; `forced`: bool [rows], rows that do not choose the token that is kept.
    """
    import torch

    rows = states.shape[0]
    most, given = torch.ones(rows), torch.empty(states.shape, dtype=torch.uint8)
    columns, gains = torch.empty(rows, dtype=torch.int64), torch.empty(rows)
    never = -1 if forced is None else choices.kept_at
    stopped = (torch.zeros(rows, dtype=torch.bool) if forced is None else forced).numpy()
    states = states.contiguous()
    exact = logits(states, choices) if choices.eight is None else None

    def choose(first: int, last: int) -> None:
        some = slice(first, last)
        if choices.eight is not None:
            loops.rounded(states[some].numpy(), given[some].numpy(), most[some].numpy())
            found = choices.eight.raw(given[some])
        else:
            assert exact is not None
            found = exact[some]
        here = (part[some].numpy() for part in (columns, gains))
        loops.chosen(found.numpy(), most[some].numpy(), never, stopped[some], choices.silent, *here)

    in_parts(rows, parts, choose)
    return columns, gains


_helpers: ThreadPoolExecutor | None = None


def in_parts(rows: int, parts: int, work: Callable[[int, int], None]) -> None:
    """Have rows worked on, from one up to another, by so many threads, this one among them; each multiplies by itself.

    The library's own way of sharing a product between threads takes longer for a few rows than the product.
    """
    import torch

    global _helpers
    parts = min(rows, parts)
    if parts <= 1:
        work(0, rows)
        return
    if _helpers is None:
        _helpers = ThreadPoolExecutor(_MOST_HELPERS, "qc-rows", torch.set_num_threads, (1,))
    ends = [rows * n // parts for n in range(parts + 1)]
    with_mode = _in_the_mode_of_inference(work)
    others = [_helpers.submit(with_mode, ends[n], ends[n + 1]) for n in range(1, parts)]
    work(0, ends[1])
    for other in others:
        other.result()


def _in_the_mode_of_inference(work: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """The mode is a thread's own: without it, what was made in it could not be written to."""
    import torch

    def done(first: int, last: int) -> None:
        with torch.inference_mode():
            work(first, last)

    return done
