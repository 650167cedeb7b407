"""Whisper's network on weights that are cast once: encoder, static caches, one decode step for many rows at once.

The network is openai-whisper's (Radford et al. 2022, arXiv 2212.04356), weight for weight; the forward functions are our
own. Every row of the caches belongs to one window and has a position of its own, so rows can begin and end at any
time. No function here waits for the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qc.transcribe.engines.matrices import EightOfRow, EightOfWindow, Matrix, Plain

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from qc.transcribe.engines.steps import Steps

Sound = tuple["Tensor", ...]
"""What cross-attention looks at of windows' sound in one layer: the parts of `Caches.sound`."""

_MOSTLY = 2  # the table of tokens is read without its zero rows when fewer than one in so many is in use
_EXACT_BYTES = 16 << 20  # a table of tokens that takes no more than this in float32 is kept in it on a CPU
_QUERIES = 500  # whose scores over 1,500 keys are made together on a CPU: 1.5 MB in bfloat16
_TEXT_ROWS = 8  # rows of a decode step that 8-bit matrices are laid out for
_WIDTH = 64  # the table is filled up to a multiple of this on a GPU


@dataclass(frozen=True)
class Norm:
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Layer:
    """One block's weights; queries, keys and values of self-attention in one matrix, cross-attention's keys and values in one."""

    attn_ln: Norm
    qkv: Matrix
    out: Matrix
    mlp_ln: Norm
    up: Matrix  # with the activation behind it
    down: Matrix
    cross_ln: Norm | None = None
    cross_q: Matrix | None = None
    cross_kv: Matrix | None = None
    cross_out: Matrix | None = None


@dataclass(frozen=True)
class Choices:
    """The tokens a row may say, as a table to multiply with.

    `ids`: int64 [n], token of each column; `table`: [n, n_state]; `bias`: [n] or None; `kept_at`: the column of the one token
    that is there whatever its embedding. Tokens whose embedding is zero all have logit 0: `silent` is how many there are;
    `ids` then has the first of them once more at its end.
    """

    ids: Tensor
    table: Tensor
    bias: Tensor | None
    kept_at: int
    silent: int
    eight: EightOfRow | None = None


class Caches:
    """Static keys and values of `rows` windows at once, for all decoder layers.

    `sound`, of cross-attention: keys and values [layers, rows, heads, n_audio_ctx, d]; in 8 bits keys int8 [layers, rows, heads, d,
    n_audio_ctx] and their scales float32 [layers, rows, heads, d], values as above and their scales. `self_k`, `self_v`:
    [layers, rows, heads, positions, d].
    `lengths`: int64 [rows], how much of n_audio_ctx each has (less in 8 bits alone).
    `watched`: (layer, head) of cross-attention whose weights will be asked for; `asked` keeps their queries, for each of
    their layers [rows, its watched heads, positions, d].
    """

    def __init__(self, network: Network, rows: int, positions: int, watched: Sequence[tuple[int, int]] = ()) -> None:
        import torch

        dims = network.dims
        heads = dims["n_text_head"]
        shape = (dims["n_text_layer"], rows, heads)
        width = dims["n_text_state"] // heads
        made: dict[str, Any] = {"dtype": torch.float32 if network.eight else network.dtype, "device": network.device}
        self.rows, self.positions = rows, positions
        self.sound: Sound
        if network.eight:
            keys = torch.zeros(*shape, width, dims["n_audio_ctx"], dtype=torch.int8)
            values = torch.zeros(*shape, dims["n_audio_ctx"], width, dtype=torch.int8)
            self.sound = (keys, torch.zeros(*shape, width), values, torch.zeros(*shape, width))
        else:
            self.sound = tuple(torch.zeros(*shape, dims["n_audio_ctx"], width, **made) for _ in range(2))
        self.self_k = torch.zeros(*shape, positions, width, **made)
        self.self_v = torch.zeros_like(self.self_k)
        self.heads = {layer: sorted({h for at, h in watched if at == layer}) for layer in sorted({at for at, _ in watched})}
        self.asked = {at: torch.zeros(rows, len(some), positions, width, **made) for at, some in self.heads.items()}
        self.numbers = torch.arange(rows, device=network.device)
        self.columns = torch.arange(positions, device=network.device)
        self.lengths = torch.full((rows,), dims["n_audio_ctx"])
        self.steps: Steps | None = None
        if network.eight:
            from qc.transcribe.engines.steps import Steps

            self.steps = Steps(network.decoder, network.decoder_ln, self)

    def move(self, source: int, target: int) -> None:
        """Copy a row's place over another's."""
        for part in (*self.sound, self.self_k, self.self_v):
            part[:, target].copy_(part[:, source])
        for queries in self.asked.values():
            queries[target].copy_(queries[source])
        self.lengths[target] = self.lengths[source]

    @staticmethod
    def row_bytes(network: Network, positions: int) -> int:
        """Bytes that one row takes."""
        dims = network.dims
        audio, text = (1, 4) if network.eight else (network.dtype.itemsize,) * 2
        return 2 * dims["n_text_layer"] * dims["n_text_state"] * (dims["n_audio_ctx"] * audio + positions * text)


class Network:
    """A Whisper network on one device in one dtype.

    `dims`: openai-whisper's sizes; `state`: its state dict, any float dtype. On a CPU what blocks add to is kept in float32,
    whatever they multiply in: it costs little there, and bfloat16 hears as float32 does. Layer norms sum in float32.
    `eight` (on a CPU alone): matrices, a large table of tokens and what is kept of the audio in 8 bits, attention over text in
    float32, over audio in the encoder in `dtype`. `parts`: threads that then share the rows of a step.
    """

    def __init__(
        self, dims: Mapping[str, int], state: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype, eight: bool = False
    ) -> None:
        import torch

        self.dims, self.device, self.dtype, self.eight = dict(dims), device, dtype, eight
        self.stream = torch.float32 if device.type == "cpu" else dtype
        self.parts = 1
        self._state = state
        self.conv1, self.conv2 = self._pair("encoder.conv1"), self._pair("encoder.conv2")
        self.audio_positions = self._cast(state["encoder.positional_embedding"])
        self.encoder = [self._layer(f"encoder.blocks.{n}.", False) for n in range(dims["n_audio_layer"])]
        self.encoder_ln = self._norm("encoder.ln_post")
        self.tokens = self._cast(state["decoder.token_embedding.weight"])
        self.positions = self._cast(state["decoder.positional_embedding"])
        self._embedding = state["decoder.token_embedding.weight"]
        self.decoder = [self._layer(f"decoder.blocks.{n}.", True) for n in range(dims["n_text_layer"])]
        self.decoder_ln = self._norm("decoder.ln")
        self._state = {}

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.detach().to(device=self.device, dtype=self.dtype).contiguous()

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return self._cast(self._state[f"{name}.weight"]), self._cast(self._state[f"{name}.bias"])

    def _norm(self, name: str) -> Norm:
        return Norm(*(self._state[f"{name}.{part}"].detach().to(self.device, self.stream) for part in ("weight", "bias")))

    def _matrix(self, *names: str, audio: bool, gelu: bool = False, added: bool = False, kept: bool = False) -> Matrix:
        """One matrix, or several of the same input under each other; Whisper's keys have no bias.

        `audio`: it multiplies windows of audio, not positions of texts; `added`: what comes out is added to the stream;
        `kept`: it is kept of the audio.
        """
        import torch

        weights = [self._state[f"{n}.weight"] for n in names]
        biases = [self._state.get(f"{n}.bias", torch.zeros_like(w[:, 0])) for n, w in zip(names, weights, strict=True)]
        weight, bias = torch.cat(weights), torch.cat(biases)
        if not self.eight:
            return Plain(self._cast(weight), self._cast(bias), gelu)
        made = self.stream if added or gelu or kept else self.dtype
        if audio:
            return EightOfWindow(weight, bias, made, gelu, rows=self.dims["n_audio_ctx"])
        return EightOfRow(weight, bias, made, gelu, rows=_TEXT_ROWS)

    def _layer(self, prefix: str, cross: bool) -> Layer:
        a, c, audio = f"{prefix}attn.", f"{prefix}cross_attn.", not cross
        return Layer(
            attn_ln=self._norm(f"{prefix}attn_ln"),
            qkv=self._matrix(f"{a}query", f"{a}key", f"{a}value", audio=audio),
            out=self._matrix(f"{a}out", audio=audio, added=True),
            mlp_ln=self._norm(f"{prefix}mlp_ln"),
            up=self._matrix(f"{prefix}mlp.0", audio=audio, gelu=True),
            down=self._matrix(f"{prefix}mlp.2", audio=audio, added=True),
            cross_ln=self._norm(f"{prefix}cross_attn_ln") if cross else None,
            cross_q=self._matrix(f"{c}query", audio=False) if cross else None,
            cross_kv=self._matrix(f"{c}key", f"{c}value", audio=True, kept=True) if cross else None,
            cross_out=self._matrix(f"{c}out", audio=False, added=True) if cross else None,
        )

    def choices(self, forbidden: Sequence[int], kept: Sequence[int] = ()) -> Choices:
        """The table of all tokens but the forbidden ones; tokens with a zero embedding are counted, not multiplied with."""
        import torch

        allowed = torch.ones(self.tokens.shape[0], dtype=torch.bool, device=self.device)
        allowed[list(forbidden)] = False
        used = (self._embedding != 0).any(dim=1).to(self.device)
        if int(used.sum()) * _MOSTLY > len(used):
            used = torch.ones_like(used)
        used[list(kept)] = True
        ids = torch.nonzero(allowed & used)[:, 0]
        zeros = torch.nonzero(allowed & ~used)[:, 0]
        kept_at = int(torch.nonzero(ids == kept[0])[0]) if kept else 0
        table, bias, eight = self.tokens[ids], None, None
        if self.stream == torch.float32 and table.numel() * 4 <= _EXACT_BYTES:
            table = self._embedding[ids.cpu()].float()
        elif self.eight:
            eight = EightOfRow(table, torch.zeros(len(ids)), torch.float32, rows=_TEXT_ROWS)
        if self.device.type == "cuda" and len(ids) % _WIDTH:
            more = _WIDTH - len(ids) % _WIDTH
            bias = torch.zeros(len(ids) + more, dtype=self.dtype, device=self.device)
            bias[len(ids) :] = -torch.inf
            table = torch.cat([table, table[:1].expand(more, -1)])
            ids = torch.cat([ids, ids[:1].expand(more)])
        return Choices(torch.cat([ids, zeros[:1]]), table.contiguous(), bias, kept_at, len(zeros), eight)

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mel [n, n_mels, 2 * ctx] to audio features [n, ctx, n_audio_state]; ctx is n_audio_ctx, or in 8 bits less."""
        import torch
        from torch.nn import functional

        if self.eight and mel.shape[0] > 1:
            return torch.cat([self.encode(one) for one in mel.split(1)])
        x = functional.gelu(functional.conv1d(mel.to(self.dtype), *self.conv1, padding=1))
        x = functional.gelu(functional.conv1d(x, *self.conv2, stride=2, padding=1))
        x = (x.transpose(1, 2) + self.audio_positions[: x.shape[2]]).to(self.stream).contiguous()
        for layer in self.encoder:
            x = self._self_attention(x, layer)
            x = self._mlp(x, layer)
        return self._normed(x, self.encoder_ln)

    def remembered(self, audio: Tensor) -> list[Sound]:
        """Cross-attention's keys and values of audio features [n, n_audio_ctx, n_audio_state]: of each layer, as in `Caches` [n, ...]."""
        import torch

        found: list[Sound] = []
        for layer in self.decoder:
            assert layer.cross_kv is not None
            if self.eight:
                from qc.transcribe.engines import steps

                kept = [steps.kept_sound(layer.cross_kv(one), self.dims["n_text_head"]) for one in audio]
                found.append(tuple(torch.stack(parts) for parts in zip(*kept, strict=True)))
            else:
                found.append(tuple(self._heads(layer.cross_kv(audio), 2, "n_text_head")))
        return found

    @staticmethod
    def remember(memory: Sequence[Sound], caches: Caches, rows: Tensor) -> None:
        """What `remembered` gave, into rows int64 [n]."""
        if caches.steps is not None:
            for n, row in enumerate(rows.tolist()):
                caches.lengths[row] = length = memory[0][0].shape[-1]
                for number, (keys, key_scales, values, value_scales) in enumerate(memory):
                    places = [part[number, row] for part in caches.sound]
                    places[0][..., :length], places[1][:], places[2][:, :length], places[3][:] = (
                        part[n] for part in (keys, key_scales, values, value_scales)
                    )
            return
        for number, sound in enumerate(memory):
            for part, new in zip(caches.sound, sound, strict=True):
                part[number].index_copy_(0, rows, new)

    def prefill(self, tokens: Tensor, caches: Caches, rows: Tensor) -> Tensor:
        """What every window starts with, int64 [n, length], through the decoder: last states [n, length, n_text_state].

        Fills the first `length` positions of the rows' own keys and values.
        """
        length = tokens.shape[1]
        x = self._begun(tokens, self.positions[:length])
        for number, layer in enumerate(self.decoder):
            x, key, value = self._causal(x, layer)
            caches.self_k[number, :, :, :length].index_copy_(0, rows, key.to(caches.self_k.dtype))
            caches.self_v[number, :, :, :length].index_copy_(0, rows, value.to(caches.self_v.dtype))
            x, query = self._cross(x, layer, caches, number, rows)
            if number in caches.asked:
                asked = caches.asked[number]
                asked[:, :, :length].index_copy_(0, rows, query[:, caches.heads[number]].to(asked.dtype))
            x = self._mlp(x, layer)
        return self._ended(x)

    def step(self, tokens: Tensor, places: Tensor, caches: Caches, width: int) -> Tensor:
        """One token further in the first len(tokens) rows: last states [rows, n_text_state].

        `tokens`, `places`: int64 [rows], the token and its position in each row; `width`: positions to look back at, more
        than every place.
        """

        if caches.steps is not None:
            from qc.transcribe.engines.steps import in_parts

            x, work = self._begun(tokens, self.positions[places]), caches.steps.step
            in_parts(len(tokens), self.parts, lambda first, last: work(x, places, first, last))
            return self._ended(x)
        rows = tokens.shape[0]
        x = self._begun(tokens, self.positions[places])[:, None]
        numbers = caches.numbers[:rows]
        seen = (caches.columns[:width] <= places[:, None])[:, None, None]
        for number, layer in enumerate(self.decoder):
            query, key, value = self._heads(layer.qkv(self._normed(x, layer.attn_ln)), 3, "n_text_head")
            keys, values = caches.self_k[number], caches.self_v[number]
            keys[numbers, :, places] = key[:, :, 0]
            values[numbers, :, places] = value[:, :, 0]
            a = self._looked(query, keys[:rows, :, :width], values[:rows, :, :width], seen)
            x = x + layer.out(self._joined(a))
            x, query = self._cross(x, layer, caches, number, slice(0, rows))
            if number in caches.asked:
                caches.asked[number][numbers, :, places] = query[:, :, 0][:, caches.heads[number]]
            x = self._mlp(x, layer)
        return self._ended(x)[:, 0]

    def attention(self, caches: Caches, rows: Tensor, first: int, last: int) -> Tensor:
        """Cross-attention weights of the watched heads at positions from `first` up to `last` that have been decoded.

        `rows`: int64 [n]. Float32 [n, heads, last - first, n_audio_ctx].
        """
        import torch

        found = []
        for number, queries in caches.asked.items():
            few = caches.heads[number] if len(caches.heads[number]) < caches.self_k.shape[2] else slice(None)
            keys = caches.sound[0][number].index_select(0, rows)[:, few]
            query = queries[:, :, first:last].index_select(0, rows)
            if self.eight:
                scores = torch.matmul(query * caches.sound[1][number].index_select(0, rows)[:, few, None], keys.float())
            else:
                scores = torch.matmul(query, keys.transpose(-1, -2)).float()
            found.append((scores * query.shape[-1] ** -0.5).softmax(dim=-1))
        return torch.cat(found, dim=1)

    def logits(self, states: Tensor, choices: Choices) -> Tensor:
        """Float32 logits [rows, n] of last states [rows, n_text_state] over a table of tokens."""
        from torch.nn import functional

        if choices.eight is not None:
            return choices.eight(states)
        # In fours: the library sums a lone row in another order than one of several, and figures would differ with the batch.
        rows = states.shape[0]
        padded = functional.pad(states, (0, 0, 0, -rows % 4)) if self.stream != self.dtype else states
        return functional.linear(padded.to(choices.table.dtype), choices.table, choices.bias)[:rows].float()

    def chosen(self, states: Tensor, choices: Choices, forced: Tensor | None) -> tuple[Tensor, Tensor]:
        """The likeliest token of last states [rows, n_text_state]: its column int64 [rows], its log-probability float32 [rows].

        `forced`: bool [rows], rows that do not choose the one token that is kept.
        """
        if self.eight:
            from qc.transcribe.engines import steps

            return steps.chosen(states, choices, self.logits, forced, self.parts)
        logits = self.weighed(states, choices, forced)
        column = logits.argmax(dim=1, keepdim=True)
        return column[:, 0], logits.gather(1, column)[:, 0] - _total(logits[:, :-1] if choices.silent else logits, choices.silent)

    def share(self, states: Tensor, choices: Choices) -> Tensor:
        """The probability of the one token that is kept among all choices, float32 [rows], of last states [rows, n_text_state]."""
        logits = self.logits(states, choices)
        return (logits[:, choices.kept_at] - _total(logits, choices.silent)).exp()

    def weighed(self, states: Tensor, choices: Choices, forced: Tensor | None) -> Tensor:
        """Logits of all columns [rows, n], one of them for all the silent tokens. `forced` as in `chosen`."""
        import torch

        logits = self.logits(states, choices)
        if forced is not None:
            logits[:, choices.kept_at] = logits[:, choices.kept_at].masked_fill(forced, -torch.inf)
        return torch.cat([logits, torch.zeros_like(logits[:, :1])], dim=1) if choices.silent else logits

    def _normed(self, x: Tensor, norm: Norm) -> Tensor:
        from torch.nn import functional

        return functional.layer_norm(x, (x.shape[-1],), norm.weight, norm.bias, 1e-5)

    def _ended(self, x: Tensor) -> Tensor:
        """The decoder's last states: not yet rounded, since words are chosen by small differences."""
        from torch.nn import functional

        return functional.layer_norm(x, (x.shape[-1],), self.decoder_ln.weight, self.decoder_ln.bias, 1e-5)

    def _begun(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return self.tokens[tokens].to(self.stream) + positions

    def _split(self, x: Tensor, heads: str) -> Tensor:
        """[n, length, heads * d] to [n, heads, length, d]."""
        return x.unflatten(-1, (self.dims[heads], -1)).transpose(1, 2)

    def _heads(self, x: Tensor, parts: int, heads: str) -> list[Tensor]:
        """[n, length, parts * heads * d] to `parts` times [n, heads, length, d]."""
        return [self._split(part, heads) for part in x.chunk(parts, dim=-1)]

    @staticmethod
    def _joined(x: Tensor) -> Tensor:
        """[n, heads, length, d] to [n, length, heads * d]."""
        return x.transpose(1, 2).flatten(2)

    def _self_attention(self, x: Tensor, layer: Layer) -> Tensor:

        query, key, value = self._heads(layer.qkv(self._normed(x, layer.attn_ln)), 3, "n_audio_head")
        return x + layer.out(self._joined(self._attended(query, key, value)))

    def _looked(self, query: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None = None) -> Tensor:
        """Attention of one query a row: on a CPU as two products, which read the caches four times as fast as the fused kernel."""
        import torch
        from torch.nn import functional

        if self.device.type != "cpu":
            return functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
        scores = torch.matmul(query * query.shape[-1] ** -0.5, keys.transpose(-1, -2))
        if seen is not None:
            scores.masked_fill_(~seen, -torch.inf)
        return torch.matmul(scores.softmax(dim=-1), values)

    def _attended(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention of many queries. The fused kernel multiplies bfloat16 as float32 on a CPU, so there it is done head by head
        and in blocks of queries whose scores stay in the cache, and comes out in float32.
        """
        import torch
        from torch.nn import functional

        if self.device.type != "cpu" or self.dtype == torch.float32:
            return functional.scaled_dot_product_attention(query, keys, values)
        from qc.transcribe.engines.softmax import exponentials

        query = query * query.shape[-1] ** -0.5
        out, sums = torch.empty(query.shape, dtype=query.dtype), torch.empty(query.shape[:-1])
        for row in range(query.shape[0]):
            for head in range(query.shape[1]):
                key, value = keys[row, head].contiguous().T, values[row, head].contiguous()
                for first in range(0, query.shape[2], _QUERIES):
                    some = slice(first, first + _QUERIES)
                    scores = torch.matmul(query[row, head, some], key)
                    sums[row, head, some] = exponentials(scores)
                    torch.matmul(scores, value, out=out[row, head, some])
        return out / sums[..., None]

    def _causal(self, x: Tensor, layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
        """Causal self-attention over whole texts: new states, keys and values."""
        from torch.nn import functional

        query, key, value = self._heads(layer.qkv(self._normed(x, layer.attn_ln)), 3, "n_text_head")
        a = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return x + layer.out(self._joined(a)), key, value

    def _cross(self, x: Tensor, layer: Layer, caches: Caches, number: int, rows: Tensor | slice) -> tuple[Tensor, Tensor]:
        """New states, and the queries [n, heads, length, d]; of the windows in `rows` (int64 [n] or a slice), by the layer of that number."""
        assert layer.cross_ln is not None
        assert layer.cross_q is not None
        assert layer.cross_out is not None
        query = self._split(layer.cross_q(self._normed(x, layer.cross_ln)), "n_text_head")
        if self.eight:
            from qc.transcribe.engines import steps

            a = steps.looked(query, caches.numbers[rows], caches.lengths, tuple(part[number] for part in caches.sound))
        else:
            keys, values = (part[number, rows] for part in caches.sound)
            a = self._looked(query, keys, values) if x.shape[1] == 1 else self._attended(query, keys, values)
        return x + layer.cross_out(self._joined(a)), query

    def _mlp(self, x: Tensor, layer: Layer) -> Tensor:
        return x + layer.down(layer.up(self._normed(x, layer.mlp_ln)))


def _total(logits: Tensor, silent: int) -> Tensor:
    """Logarithm of the sum of what logits [rows, n] weigh, and so many tokens of logit zero: [rows]."""
    import math

    import torch

    total = torch.logsumexp(logits, dim=1)
    return torch.logaddexp(total, torch.full_like(total, math.log(silent))) if silent else total


def flops_of_a_window(dims: Mapping[str, int]) -> tuple[int, int]:
    """(operations of the encoder for one window, operations of one decode step of one row), two for each multiply-add.

    Matrices and attention alone; layer norms, soft-max and activations are left out.
    """
    ctx, d, mels = dims["n_audio_ctx"], dims["n_audio_state"], dims["n_mels"]
    conv = 2 * (2 * ctx) * 3 * mels * d + 2 * ctx * 3 * d * d
    block = 2 * ctx * 12 * d * d + 4 * ctx * ctx * d
    e = dims["n_text_state"]
    layer = 2 * (16 - 2) * e * e + 4 * ctx * e
    step = dims["n_text_layer"] * layer + 2 * dims["n_vocab"] * e
    cross = dims["n_text_layer"] * 2 * ctx * 2 * d * e
    return conv + dims["n_audio_layer"] * block + cross, step
