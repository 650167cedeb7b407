"""Trains the small speech model: openai-whisper's architecture, a small part of its vocabulary, CPU bf16.

What makes an hour on two cores enough:
* only tokens in use have rows; the other rows of the full table are zero, so their logits are zero, and one
  constant logit log(number of unused tokens) makes the small softmax exactly the full one;
* two CTC heads (middle and top of the encoder) over pinyin initials and finals teach the encoder to hear;
  they are thrown away;
* Muon for the matrices, AdamW for the rest; the learning rate follows the wall clock and ends at zero;
* short utterances first, then packed windows, at the end windows of exactly 30 s as the transcriber feeds them.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing as mp
import random
import re
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Queue

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from . import grammar
from .data import FLOOR, Cache, finish
from .speak import pinyin_text

N_VOCAB = 51865
TIME_GRID = 5  # timestamps are taught on a grid of 0.1 s


@dataclass
class Dims:
    n_mels: int = 80
    n_audio_ctx: int = 1500
    n_audio_state: int = 256
    n_audio_head: int = 4
    n_audio_layer: int = 4
    n_vocab: int = N_VOCAB
    n_text_ctx: int = 448
    n_text_state: int = 256
    n_text_head: int = 4
    n_text_layer: int = 2


# ------------------------------------------------------------------ text to targets
_SYLLABLE = re.compile(r"^(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw]?)(.*)$")


def ctc_units(text: str) -> list[str]:
    """您好。 -> n, in2, h, ao3"""
    units = []
    for part in pinyin_text(text).split():
        if part in {",", ".", "?"}:
            continue
        if part[-1].isdigit():
            initial, final = _SYLLABLE.match(part).groups()
            units += [u for u in (initial, final) if u]
        else:
            units += [c for c in part.lower() if c.isalpha()]
    return units


class Vocabulary:
    """The part of the multilingual tokenizer that is in use, and the units of the CTC heads."""

    def __init__(self, ids: list[int], units: list[str]) -> None:
        self.ids, self.units = ids, units
        self.row = {t: i for i, t in enumerate(ids)}
        self.unit = {u: i + 1 for i, u in enumerate(units)}  # 0 is the blank
        from whisper.tokenizer import get_tokenizer

        self.tok = get_tokenizer(True, language="zh", task="transcribe")
        self._memo: dict[str, tuple[list[int], list[int]] | None] = {}
        self.weight = [self._duration(t) for t in ids]

    @staticmethod
    def build(seed: int, cache: Cache) -> Vocabulary:
        from whisper.tokenizer import get_tokenizer

        tok = get_tokenizer(True, language="zh", task="transcribe")
        rng = random.Random(seed)
        texts = {i[2] for _, items in cache.sides for i in items}
        texts |= {grammar.utterance(rng, None).text for _ in range(60_000)}
        texts |= {grammar.word_sequence(rng).text for _ in range(10_000)}
        texts |= set(grammar._lines(grammar.ENGLISH)) | {grammar.PROMPT}
        texts |= set("".join(texts)) | set("、；！：")
        ids = {t for text in texts for t in tok.encode(text)} | {t for text in texts for t in tok.encode(" " + text)}
        ids |= {
            tok.eot,
            tok.sot,
            tok.sot_prev,
            tok.transcribe,
            tok.no_timestamps,
            tok.no_speech,
            tok.to_language_token("zh"),
            tok.to_language_token("en"),
        }
        ids |= {tok.timestamp_begin + t for t in range(0, 1501, TIME_GRID)}
        units = {u for text in texts for u in ctc_units(text)}
        return Vocabulary(sorted(ids), sorted(units))

    def _duration(self, token: int) -> float:
        """How long a token takes, in characters: a comma is a pause, other punctuation next to nothing."""
        if token >= self.tok.eot:
            return 0.0
        data = self.tok.encoding.decode_single_token_bytes(token)
        if data == "，".encode():
            return 1.2
        return 0.3 if data in ("。".encode(), "？".encode()) else max(1, len(data)) / 3

    def places(self, start: int, end: int, rows: list[int]) -> list[tuple[int, int]]:
        """For each token the encoder frames in which it is about to be heard, from the utterance's start and end."""
        weights = [self.weight[r] for r in rows]
        total, at, out = sum(weights) or 1.0, 0.0, []
        slack = 30 + 0.05 * (end - start)  # mel frames on both sides
        for w in weights:
            middle = start + (at + w / 2) / total * (end - start)
            at += w
            out.append((max(0, int(middle - slack) // 2), int(middle + slack) // 2 + 1))
        return out

    def encode(self, text: str) -> tuple[list[int], list[int]] | None:
        """Rows of the tokens and CTC units, None where the text needs a token that is not in use."""
        if text not in self._memo:
            try:
                try:
                    rows = [self.row[t] for t in self.tok.encode(text)]
                except KeyError:  # a merged pair that was never collected: character by character
                    rows = [self.row[t] for c in text for t in self.tok.encode(c)]
                self._memo[text] = rows, [self.unit[u] for u in ctc_units(text)]
            except KeyError:
                self._memo[text] = None
        return self._memo[text]


# ------------------------------------------------------------------ windows
@dataclass
class Window:
    raw: np.ndarray  # float16 [frames, 80]
    rows: list[int]
    units: list[int]
    marks: list[tuple[int, int, list[int]]]  # start and end frame, rows
    texts: list[str]
    english: bool = False


class Windows:
    """Draws windows of a wanted length from the cache."""

    def __init__(self, cache: Cache, vocabulary: Vocabulary, seed: int) -> None:
        self.cache, self.vocabulary = cache, vocabulary
        self.rng, self.nrng = random.Random(seed), np.random.default_rng(seed)

    def piece(self, side, index: int, fed: bool = False, beside: bool = False) -> tuple[np.ndarray, int, int, str]:
        """An utterance with a little of the line before and after it; `fed`: as much as the transcriber gives, less `beside` another."""
        frames, items = side
        start, end, text = items[index]
        least, most = ((4, 26) if beside else (10, 44)) if fed else (4, 32)
        before = min(self.rng.randint(least, most), start - (items[index - 1][1] if index else 0))
        after_limit = (items[index + 1][0] if index + 1 < len(items) else len(frames)) - end
        least, most = ((6, 26) if self.rng.random() < 0.5 else (10, 44)) if fed else (6, 32)
        after = min(self.rng.randint(least, most), after_limit)
        return frames[start - before : end + after], before, before + end - start, text

    def draw(self, limit: int, count: int, fed: bool = False) -> Window | None:
        """Up to `count` utterances that fit into `limit` frames; `fed`: mostly of one voice, as the transcriber packs them."""
        rng = self.rng
        side = rng.choice(self.cache.sides)
        kind = rng.uniform(0.2, 0.65) if fed else rng.random()  # two voices by turns, one voice, or another voice every time
        other = rng.choice(self.cache.sides) if kind < 0.25 else side
        many = kind > 0.6
        index = {id(side): rng.randrange(len(side[1])), id(other): rng.randrange(len(other[1]))}
        raws, marks, texts, rows, units, at, english = [], [], [], [], [], 0, False
        level = {id(s): np.float16(rng.uniform(-0.8, 0.8)) for s in (side, other)}
        for n in range(count):
            now = side if n == 0 or rng.random() < 0.6 else other
            if many and n:
                now = rng.choice(self.cache.sides)
            if id(now) not in index:
                index[id(now)] = rng.randrange(len(now[1]))
                level[id(now)] = np.float16(rng.uniform(-0.8, 0.8))
            if index[id(now)] >= len(now[1]):
                index[id(now)] = 0
            raw, start, end, text = self.piece(now, index[id(now)], fed, n > 0)
            index[id(now)] += 1
            encoded = self.vocabulary.encode(text)
            if encoded is None:
                continue
            if at + len(raw) > limit:
                if n == 0:
                    continue
                break
            if "a" <= text[1] <= "z":
                if n and not english:
                    continue
                english = True
            elif english:
                continue
            raws.append(raw + level[id(now)])
            marks.append((at + start, at + end, encoded[0]))
            rows += encoded[0]
            units += encoded[1]
            texts.append(text)
            at += len(raw)
            if rng.random() < 0.15 and n + 1 < count:  # a longer pause: digital silence or the line itself
                gap = rng.randint(10, 60) if rng.random() < 0.7 else rng.randint(60, 400)
                gap = min(gap, limit - at)
                if gap > 0:
                    quiet = (
                        np.full((gap, 80), FLOOR, np.float16)
                        if rng.random() < 0.5
                        else np.resize(raw[:start] if start else raw[-4:], (gap, 80)).reshape(gap, 80)
                    )
                    raws.append(quiet + level[id(now)])
                    at += gap
        if not raws:
            return None
        return Window(np.concatenate(raws), rows, units, marks, texts, english)

    def quiet(self, limit: int) -> Window:
        raw, _ = self.rng.choice(self.cache.quiet)
        n = self.rng.randint(50, limit)
        raw = raw[:n] if self.rng.random() < 0.8 else np.full((n, 80), FLOOR, np.float16)
        return Window(raw + np.float16(self.rng.uniform(-1, 1)), [], [], [], [])


@dataclass
class Batch:
    raw: Tensor  # [n, frames, 80]
    tokens: Tensor  # [n, length] rows going in
    targets: Tensor  # [n, length] rows wanted, -100 where nothing is taught
    units: Tensor
    unit_lengths: Tensor
    offset: int
    guide: Tensor  # [n, length, 2] where (encoder frames) the token wanted at this place is about to be heard; -1 none

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        moved = {k: v.pin_memory().to(device, non_blocking=True) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)


class Batches:
    def __init__(self, windows: Windows, clock) -> None:
        self.windows, self.clock, self.v = windows, clock, windows.vocabulary
        self.rng = windows.rng
        self.words = [r for r, w in enumerate(self.v.weight) if w > 0]

    def plan(self) -> tuple[int, int, int, bool]:
        """(frames of the window, most utterances in it, windows in the batch, whether as the transcriber feeds them) for now."""
        p, rng = self.clock(), self.rng
        if rng.random() < self.fed:
            return self._as_fed()
        if p < 0.12 and not self.begun:
            limit, count = rng.choice((300, 400, 500, 600)), 1
        elif p < self.packed_from:  # one or a few utterances; attention over 30 s costs most of a step
            limit = rng.choice((400, 500, 600, 700, 900)) if rng.random() < 0.94 else 3000
            count = 1 if rng.random() < 0.4 else 5
        else:  # as the transcriber feeds it: one utterance, a few, and windows packed full
            limit = 3000 if rng.random() < self.full else rng.choice((500, 700, 900, 1500))
            count = 1 if rng.random() < 0.2 else 16
        return limit, count, max(3, self.budget // limit), False

    def _as_fed(self) -> tuple[int, int, int, bool]:
        """A plan of what the transcriber feeds: packs of some seconds, long utterances alone, and a word or two alone."""
        kind, rng = self.rng.random(), self.rng
        if kind < 0.15:
            limit, count = 250, 2
        elif kind < 0.85:
            limit, count = rng.choice((500, 600, 600, 700)), 6
        else:
            limit, count = rng.choice((900, 1300)), 1
        return limit, count, self.budget // limit, True

    packed_from, full, begun, fed = 0.6, 0.33, False, 0.0
    budget = 12_000

    def prompt(self, window: Window) -> list[int]:
        rng, tok = self.rng, self.v.tok
        kind = rng.random()
        if kind < 0.35:
            return []
        text = grammar.PROMPT
        if kind > 0.85:
            slots = grammar.Slots(rng)
            words = [
                slots.value(rng.choice(("name", "goods", "city", "courier", "shop", "dept"))) for _ in range(rng.randint(1, 5))
            ]
            if window.texts and rng.random() < 0.5:
                t = rng.choice(window.texts)
                at = rng.randrange(max(1, len(t) - 3))
                words.append(t[at : at + rng.randint(2, 4)].strip("，。？") or "退款")
            rng.shuffle(words)
            text = (text if rng.random() < 0.8 else "") + "、".join(words) + "。"
        encoded = tok.encode(" " + text if rng.random() < 0.8 else text)  # transcribe() strips and prepends a space
        return [self.v.row[tok.sot_prev]] + [self.v.row[t] for t in encoded if t in self.v.row]

    def draw(self) -> Batch:
        rng, row, tok = self.rng, self.v.row, self.v.tok
        limit, count, n, fed = self.plan()
        p = self.clock()
        full = limit == 3000
        windows: list[Window] = []
        while len(windows) < n:
            if p > 0.08 and self.windows.cache.quiet and rng.random() < 0.025:
                windows.append(self.windows.quiet(min(limit, 2800)))
                continue
            fill = limit
            if full:
                fill = 900 if p < self.packed_from else 2800
                if rng.random() < 0.35:  # a window that is not full
                    fill = rng.randint(300, fill)
            w = self.windows.draw(fill, count, fed)
            if w is not None:
                windows.append(w)
        frames = limit if full else min(limit, (max(len(w.raw) for w in windows) + 51) // 2 * 2)
        raw = np.full((n, frames, 80), FLOOR, np.float32)
        inputs, targets, units, guides = [], [], [], []
        offset = 0 if full or rng.random() < (0.5 if p < 0.6 else 0.8) else rng.randint(0, 1500 - frames // 2)
        for i, w in enumerate(windows):
            at = 0
            if len(w.raw) + 100 < frames and rng.random() < 0.3:
                at = rng.randint(0, min(100, frames - len(w.raw)))
            raw[i, at : at + len(w.raw)] = w.raw[: frames - at]
            prefix = self.prompt(w)
            language = tok.to_language_token("en" if w.english else "zh")
            head = [*prefix, row[tok.sot]]
            timed = w.marks and offset == 0 and at == 0 and rng.random() < (0.12 if p > 0.5 or self.begun else 0.0)
            ids = head + [row[language], row[tok.transcribe]] + ([] if timed else [row[tok.no_timestamps]])
            out = [-100] * len(ids)
            out[len(head) - 1] = row[language] if w.marks else row[tok.no_speech]
            if timed:
                body, last = [], -1
                for start, end, rows in w.marks:
                    a = max(last, round(start / 10) * 10)
                    b = max(a + 10, round(end / 10) * 10)
                    body += [row[tok.timestamp_begin + a // 2], *rows, row[tok.timestamp_begin + b // 2]]
                    last = b
            else:
                body = list(w.rows)
            body.append(row[tok.eot])
            guide = [(-1, -1)] * (len(ids) - 1)
            for start, end, rows in w.marks:
                places = self.v.places(start + at, end + at, rows)
                guide += [places[0], *places, places[-1]] if timed else places
            guides.append(guide)
            out[-1] = body[0]
            out += body[1:]
            ids += body[:-1]
            guide += [(-1, -1)] * (len(ids) - len(guide))
            if (p > 0.25 or self.begun) and (share := rng.choice(self.damage)):
                ids, out, guides[-1] = self.damaged(ids, out, guide, share)
            inputs.append(ids)
            targets.append(out)
            units.append(w.units)
        length = max(map(len, inputs))
        tokens, wanted = torch.zeros((n, length), dtype=torch.long), torch.full((n, length), -100)
        guide = torch.full((n, length, 2), -1)
        for i, (a, b, g) in enumerate(zip(inputs, targets, guides, strict=True)):
            tokens[i, : len(a)], wanted[i, : len(b)] = torch.tensor(a), torch.tensor(b)
            guide[i, : len(g)] = torch.tensor(g)
        self.spoil(raw)
        return Batch(
            torch.from_numpy(raw),
            tokens,
            wanted,
            torch.tensor([u for us in units for u in us], dtype=torch.long),
            torch.tensor([len(u) for u in units]),
            offset,
            guide,
        )

    damage = (0.0, 0.0, 0.05, 0.1, 0.2)

    def damaged(self, ids: list[int], out: list[int], guide: list, share: float) -> tuple[list, list, list]:
        """Wrong, missing and extra words before the one to write, which stays right: it must be heard, not guessed."""
        a, b, c = [], [], []
        for n, (i, o, g) in enumerate(zip(ids, out, guide, strict=True)):
            if n and guide[n - 1][1] > 0 and g[1] > 0 and self.rng.random() < share:
                kind = self.rng.random()
                if kind < 0.3:
                    continue
                if kind < 0.6:
                    a, b, c = [*a, i], [*b, o], [*c, g]
                i = self.rng.choice(self.words)
            a.append(i)
            b.append(o)
            c.append(g)
        return a, b, c

    def spoil(self, raw: np.ndarray) -> None:
        """Light masking, a slope over frequency, and noise frames. In numpy: torch would start threads of its own here."""
        rng, nrng = self.rng, self.windows.nrng
        slope = np.linspace(-1, 1, 80, dtype=np.float32)
        for x in raw:
            if rng.random() < 0.5:
                x += slope * np.float32(rng.uniform(-0.4, 0.4))
                np.maximum(x, np.float32(FLOOR), out=x)
            if rng.random() < 0.4:
                at, width = rng.randint(0, 70), rng.randint(1, 9)
                x[:, at : at + width] = x.mean()
            if rng.random() < 0.3:
                for _ in range(rng.randint(1, 1 + len(x) // 500)):
                    at, width = rng.randint(0, len(x) - 2), rng.randint(1, 6)
                    x[at : at + width] = x.mean()
            if rng.random() < 0.12:  # a floor of steady noise
                floor = x.max() - np.float32(rng.uniform(3, 5.5))
                noise = floor + np.float32(0.25) * nrng.standard_normal(x.shape, np.float32)
                x[:] = np.logaddexp(x * np.float32(2.3026), noise * np.float32(2.3026)) / np.float32(2.3026)


# ------------------------------------------------------------------ the model, with whisper's parameter names
def sinusoids(length: int, channels: int) -> Tensor:
    from whisper.model import sinusoids as table

    return table(length, channels)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        return x.view(n, t, self.heads, d // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, xa: Tensor | None = None, causal: bool = False, guide: Tensor | None = None):
        if xa is None:
            weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])
            bias = torch.cat([self.query.bias, torch.zeros_like(self.query.bias), self.value.bias])
            q, k, v = F.linear(x, weight, bias).chunk(3, -1)
        else:
            q = self.query(x)
            weight = torch.cat([self.key.weight, self.value.weight])
            bias = torch.cat([torch.zeros_like(self.value.bias), self.value.bias])
            k, v = F.linear(xa, weight, bias).chunk(2, -1)
        q, k, v = self.split(q), self.split(k), self.split(v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        y = self.out(y.transpose(1, 2).reshape(x.shape))
        if guide is None:
            return y
        # the first half of the heads must look about where the token is heard
        half = self.heads // 2
        looks = ((q[:, :half] @ k[:, :half].transpose(2, 3)).float() / q.shape[-1] ** 0.5).softmax(-1)
        frames = torch.arange(looks.shape[-1], device=looks.device)
        inside = (frames >= guide[..., :1]) & (frames < guide[..., 1:])  # [n, length, frames]
        mass = (looks * inside[:, None]).sum(-1).clamp_min(1e-5)
        valid = (guide[..., 1] > 0)[:, None].expand_as(mass)
        return y, -mass[valid].log().mean() if valid.any() else mass.sum() * 0


class Block(nn.Module):
    def __init__(self, width: int, heads: int, cross: bool) -> None:
        super().__init__()
        self.attn, self.attn_ln = Attention(width, heads), nn.LayerNorm(width)
        if cross:
            self.cross_attn, self.cross_attn_ln = Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, xa: Tensor | None = None, causal: bool = False, guide: Tensor | None = None):
        x = x + self.attn(self.attn_ln(x), causal=causal)
        astray = 0.0
        if xa is not None:
            y = self.cross_attn(self.cross_attn_ln(x), xa, guide=guide)
            if guide is not None:
                y, astray = y
            x = x + y
        x = x + self.mlp(self.mlp_ln(x))
        return x if guide is None else (x, astray)


class Encoder(nn.Module):
    def __init__(self, d: Dims) -> None:
        super().__init__()
        w = d.n_audio_state
        self.conv1 = nn.Conv1d(d.n_mels, w, 3, padding=1)
        self.conv2 = nn.Conv1d(w, w, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(d.n_audio_ctx, w))
        self.blocks = nn.ModuleList(Block(w, d.n_audio_head, False) for _ in range(d.n_audio_layer))
        self.ln_post = nn.LayerNorm(w)

    def forward(self, mel: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """mel [n, frames, 80] -> top [n, frames / 2, width], middle the same."""
        # whisper's convolutions as matrix products: three neighbours side by side, then one linear
        x = F.pad(mel, (0, 0, 1, 1))
        x = torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], -1)
        x = F.gelu(F.linear(x, self.conv1.weight.permute(0, 2, 1).flatten(1), self.conv1.bias))
        x = F.pad(x, (0, 0, 1, 1))
        x = torch.cat([x[:, 0:-2:2], x[:, 1:-1:2], x[:, 2::2]], -1)
        x = F.gelu(F.linear(x, self.conv2.weight.permute(0, 2, 1).flatten(1), self.conv2.bias))
        x = x + self.positional_embedding[offset : offset + x.shape[1]].to(x.dtype)
        middle = x
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i + 1 == len(self.blocks) // 2:
                middle = x
        return self.ln_post(x), middle


class Decoder(nn.Module):
    def __init__(self, d: Dims, n_rows: int) -> None:
        super().__init__()
        w = d.n_text_state
        self.token_embedding = nn.Embedding(n_rows, w)
        self.positional_embedding = nn.Parameter(torch.randn(d.n_text_ctx, w) * 0.01)
        self.blocks = nn.ModuleList(Block(w, d.n_text_head, True) for _ in range(d.n_text_layer))
        self.ln = nn.LayerNorm(w)

    def forward(self, tokens: Tensor, xa: Tensor, guide: Tensor | None = None):
        """Hidden states, and with a guide how far the attention is astray."""
        x = F.embedding(tokens, self.token_embedding.weight) + self.positional_embedding[: tokens.shape[1]]
        astray = []
        for block in self.blocks:
            x = block(x, xa, causal=True, guide=guide)
            if guide is not None:
                x, loss = x
                astray.append(loss)
        return self.ln(x) if guide is None else (self.ln(x), sum(astray) / len(astray))


class Model(nn.Module):
    def __init__(self, dims: Dims, n_rows: int, n_units: int) -> None:
        super().__init__()
        self.dims = dims
        self.encoder, self.decoder = Encoder(dims), Decoder(dims, n_rows)
        self.ctc_middle = nn.Linear(dims.n_audio_state, n_units + 1)
        self.ctc_top = nn.Linear(dims.n_audio_state, n_units + 1)
        self.unused = math.log(dims.n_vocab - n_rows)
        nn.init.normal_(self.decoder.token_embedding.weight, std=0.02)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., rows + 1]: the last one stands for all rows that are zero."""
        out = F.linear(hidden, self.decoder.token_embedding.weight).float()
        return torch.cat([out, torch.full_like(out[..., :1], self.unused)], -1)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        top, middle = self.encoder(finish(batch.raw).to(self.dtype), batch.offset)
        hidden, astray = self.decoder(batch.tokens, top, batch.guide)
        keep = batch.targets >= 0
        ce = F.cross_entropy(self.logits(hidden[keep]), batch.targets[keep])
        heads = ((self.ctc_middle, middle), (self.ctc_top, top))
        ctcs = [self.ctc(head, x, batch) for head, x in (heads if self.two_heads else heads[1:])]
        return ce, ctcs[0], ctcs[-1], astray

    def forward(self, mel: Tensor, offset: int) -> tuple[Tensor, Tensor]:
        return self.encoder(mel, offset)

    def ctc(self, head: nn.Linear, x: Tensor, batch: Batch) -> Tensor:
        """Nats a unit. x [n, t, width]."""
        n, t, _ = x.shape
        logp = F.log_softmax(F.linear(x, head.weight, head.bias).float(), -1).transpose(0, 1)
        lengths = torch.full((n,), t, device=x.device)
        loss = F.ctc_loss(logp, batch.units, lengths, batch.unit_lengths, reduction="sum", zero_infinity=True)
        return loss / max(1, len(batch.units))

    dtype = torch.bfloat16
    two_heads = True


# ------------------------------------------------------------------ optimiser
@torch.no_grad()
def orthogonal(g: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration, batched: [k, rows, columns] towards the nearest semi-orthogonal matrix."""
    x = g.bfloat16()
    flip = x.shape[1] > x.shape[2]
    if flip:
        x = x.transpose(1, 2)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x.transpose(1, 2) if flip else x).float()


class Muon:
    """Momentum, made orthogonal, for matrices of the same shape at once."""

    def __init__(self, parameters: list[nn.Parameter], momentum: float = 0.95) -> None:
        self.momentum, self.faster = momentum, {}
        self.groups: dict[tuple[int, int], list[nn.Parameter]] = {}
        for p in parameters:
            self.groups.setdefault((p.shape[0], p[0].numel()), []).append(p)
        self.state = [torch.zeros_like(p) for ps in self.groups.values() for p in ps]

    @torch.no_grad()
    def step(self, lr: float, decay: float) -> None:
        at = 0
        for (rows, columns), ps in self.groups.items():
            buffers = self.state[at : at + len(ps)]
            at += len(ps)
            grads = []
            for p, b in zip(ps, buffers, strict=True):
                b.mul_(self.momentum).add_(p.grad)
                grads.append(p.grad.add(b, alpha=self.momentum).view(rows, columns))
            for p, u in zip(ps, orthogonal(torch.stack(grads)), strict=True):
                p.mul_(1 - lr * decay).add_(u.view_as(p), alpha=-lr * self.faster.get(id(p), 1.0) * max(1, rows / columns) ** 0.5)


# ------------------------------------------------------------------ measuring while training
def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


_PUNCTUATION = re.compile(r"[，。？、！；：,.?! ]")


@torch.no_grad()
def greedy(model: Model, vocabulary: Vocabulary, raw: Tensor, prompt: str | None, limit: int = 180) -> list[str]:
    """raw [n, 3000, 80] -> texts, argmax, with caches of keys and values."""
    tok, row = vocabulary.tok, vocabulary.row
    head = [row[tok.sot_prev]] + [row[t] for t in tok.encode(" " + prompt)] if prompt else []
    head += [row[tok.sot], row[tok.to_language_token("zh")], row[tok.transcribe], row[tok.no_timestamps]]
    top = torch.cat([model.encoder(finish(r[None]).to(model.dtype))[0] for r in raw])
    decoder, caches = model.decoder, []
    for block in decoder.blocks:
        cross = block.cross_attn
        caches.append([cross.split(cross.key(top)), cross.split(cross.value(top)), None, None])
    tokens, out = torch.tensor([head] * len(raw), device=raw.device), []
    done, at = torch.zeros(len(raw), dtype=torch.bool, device=raw.device), 0
    for _ in range(limit):
        length = tokens.shape[1]
        x = decoder.token_embedding(tokens) + decoder.positional_embedding[at : at + length]
        at += length
        for block, cache in zip(decoder.blocks, caches, strict=True):
            own, y = block.attn, block.attn_ln(x)
            k, v = own.split(own.key(y)), own.split(own.value(y))
            cache[2] = k if cache[2] is None else torch.cat([cache[2], k], 2)
            cache[3] = v if cache[3] is None else torch.cat([cache[3], v], 2)
            y = F.scaled_dot_product_attention(own.split(own.query(y)), cache[2], cache[3], is_causal=length > 1)
            x = x + own.out(y.transpose(1, 2).reshape(x.shape))
            y = block.cross_attn.split(block.cross_attn.query(block.cross_attn_ln(x)))
            y = F.scaled_dot_product_attention(y, cache[0], cache[1])
            x = x + block.cross_attn.out(y.transpose(1, 2).reshape(x.shape))
            x = x + block.mlp(block.mlp_ln(x))
        best = model.logits(decoder.ln(x[:, -1]))[:, :-1].argmax(-1)
        best[done] = row[tok.eot]
        done |= best == row[tok.eot]
        out.append(best)
        tokens = best[:, None]
        if done.all():
            break
    texts = []
    for line in torch.stack(out, 1).tolist():
        ids = [vocabulary.ids[r] for r in line]
        ids = ids[: ids.index(tok.eot)] if tok.eot in ids else ids
        texts.append(tok.decode([t for t in ids if t < tok.eot]))
    return texts


def heldout_windows(cache: Cache, vocabulary: Vocabulary, count: int, longest: int = 2800) -> tuple[Tensor, list[str]]:
    windows = Windows(cache, vocabulary, 7)
    raw, texts = torch.full((count, 3000, 80), FLOOR), []
    while len(texts) < count:
        n = len(texts)
        w = windows.draw(longest, 8) if n % 4 == 3 else windows.draw(800, 1)
        if w is not None:
            raw[n, : len(w.raw)] = torch.from_numpy(w.raw.astype(np.float32))
            texts.append("".join(w.texts))
    return raw, texts


def error_rate(truths: list[str], heard: list[str]) -> float:
    wrong = total = 0
    for a, b in zip(truths, heard, strict=True):
        a, b = _PUNCTUATION.sub("", a), _PUNCTUATION.sub("", b)
        wrong, total = wrong + distance(a, b), total + len(a)
    return wrong / max(1, total)


# ------------------------------------------------------------------ the loop
def cast(model: Model, source: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    source = source if source is not None else dict(model.named_parameters())
    return {k: v.to(model.dtype) if v.is_floating_point() else v for k, v in source.items()}


class Losses(nn.Module):
    """So that `functional_call` reaches `losses` with bf16 copies of the float32 weights."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch):
        return self.model.losses(batch)


def fit_heads(model: Model, queue, steps: int = 120) -> None:
    """New CTC heads on an encoder that listens already: alone first, or they would unlearn it."""
    heads = [*model.ctc_top.parameters(), *model.ctc_middle.parameters()]
    adam = torch.optim.AdamW(heads, lr=1e-2, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(steps):
        batch = queue.get().to(model.ctc_top.weight.device)
        with torch.no_grad():
            weights = {"encoder." + k: v.to(model.dtype) for k, v in model.encoder.named_parameters()}
            mel = finish(batch.raw).to(model.dtype)
            top, middle = torch.func.functional_call(model, weights, (mel, batch.offset))
        loss = sum(model.ctc(head, x.float(), batch) for head, x in ((model.ctc_top, top), (model.ctc_middle, middle)))
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = 1e-2 * (1 - step / steps)
        adam.step()
        adam.zero_grad()
        if step % 20 == 19:
            print({"heads": step + 1, "ctc": round(loss.item() / 2, 3)}, flush=True)


class Producers:
    """Batches drawn ahead: by one thread, or by `workers` processes (a GPU wants about a dozen)."""

    def __init__(self, a: argparse.Namespace, cache: Cache, vocabulary: Vocabulary, seed: int, progress) -> None:
        self.progress, self.workers = progress, a.workers
        if not a.workers:
            self.batches = draws(a, cache, vocabulary, seed, progress)
            self.queue = Queue(6)
            threading.Thread(target=self._fill, daemon=True).start()
            return
        context = mp.get_context("spawn")
        self.clock, self.queue = context.Value("d", progress()), context.Queue(2 * a.workers)
        spelled = vocabulary.ids, vocabulary.units
        for n in range(a.workers):
            context.Process(target=_produce, args=(a, spelled, seed + 7919 * n, self.clock, self.queue), daemon=True).start()

    def _fill(self) -> None:
        while True:
            self.queue.put(self.batches.draw())
            if self.batches.rng.random() < 0.01:
                self.batches.windows.cache.refresh()

    def get(self) -> Batch:
        if not self.workers:
            return self.queue.get()
        self.clock.value = self.progress()
        offset, *arrays = self.queue.get()
        tensors = [torch.from_numpy(x) for x in arrays]
        return Batch(tensors[0].float(), *tensors[1:5], offset, tensors[5])


def draws(a: argparse.Namespace, cache: Cache, vocabulary: Vocabulary, seed: int, clock) -> Batches:
    batches = Batches(Windows(cache, vocabulary, seed), clock)
    batches.budget, batches.packed_from, batches.full, batches.begun = a.frames, a.packed_from, a.full, bool(a.init)
    batches.fed = a.fed
    return batches


def _produce(a: argparse.Namespace, spelled: tuple[list, list], seed: int, clock, queue) -> None:
    """One producing process: plain arrays, frames as float16, so that no shared-memory handle is passed on."""
    torch.set_num_threads(1)
    batches = draws(a, Cache(a.cache / "train"), Vocabulary(*spelled), seed, lambda: clock.value)
    while True:
        b = batches.draw()
        parts = (b.raw.half(), b.tokens, b.targets, b.units, b.unit_lengths, b.guide)
        queue.put((b.offset, *(x.numpy() for x in parts)))


def save(path: Path, **content) -> None:
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def grow(old: Vocabulary, new: Vocabulary, state: dict) -> None:
    """Rows for tokens and units that the grammar has learnt since the state was saved, appended."""
    old.ids += [t for t in new.ids if t not in old.row]
    old.units += [u for u in new.units if u not in old.unit]

    def longer(x: Tensor, n: int, fill: float) -> Tensor:
        return torch.cat([x, torch.randn(n - x.shape[0], *x.shape[1:]) * fill]) if n > x.shape[0] else x

    sizes = {"decoder.token_embedding.weight": len(old.ids)}
    for head in ("ctc_middle", "ctc_top"):
        sizes |= {f"{head}.weight": len(old.units) + 1, f"{head}.bias": len(old.units) + 1}
    before = {}
    for name, n in sizes.items():
        before[tuple(state["model"][name].shape)] = n
        for part in ("model", "average"):
            state[part][name] = longer(state[part][name], n, 0.02)
    for moments in state["adam"]["state"].values():
        for key in ("exp_avg", "exp_avg_sq"):
            if (n := before.get(tuple(moments[key].shape))) is not None:
                moments[key] = longer(moments[key], n, 0.0)


def begin_from(path: Path, model: Model, vocabulary: Vocabulary) -> None:
    """Weights of an exported model; token rows that it lacks and the CTC heads stay random."""
    from safetensors.torch import load_file

    saved = load_file(path)
    ids, rows = saved.pop("decoder.token_embedding.ids").tolist(), saved.pop("decoder.token_embedding.rows").float()
    model.load_state_dict({k: v.float() for k, v in saved.items()}, strict=False)
    known = {t: r for r, t in enumerate(ids)}
    with torch.no_grad():
        for r, t in enumerate(vocabulary.ids):
            if t in known:
                model.decoder.token_embedding.weight[r] = rows[known[t]]


def train(a: argparse.Namespace) -> None:
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    device = torch.device(a.device)
    cache, held = Cache(a.cache / "train"), Cache(a.cache / "heldout")
    a.out.mkdir(parents=True, exist_ok=True)
    state_path = a.out / "state.pt"
    state = torch.load(state_path, map_location=device, weights_only=True) if state_path.exists() else None
    vocabulary_path = a.out / "vocabulary.json"
    if not vocabulary_path.exists():
        v = Vocabulary.build(a.seed, cache)
        vocabulary_path.write_text(json.dumps({"ids": v.ids, "units": v.units}, ensure_ascii=False), encoding="utf-8")
    vocabulary = Vocabulary(**json.loads(vocabulary_path.read_text(encoding="utf-8")))
    if a.grow and state:
        grow(vocabulary, Vocabulary.build(a.seed, cache), state)
        vocabulary = Vocabulary(vocabulary.ids, vocabulary.units)
        vocabulary_path.write_text(
            json.dumps({"ids": vocabulary.ids, "units": vocabulary.units}, ensure_ascii=False), encoding="utf-8"
        )
    dims = Dims(
        n_audio_state=a.width,
        n_text_state=a.width,
        n_audio_head=a.width // 64,
        n_text_head=a.width // 64,
        n_audio_layer=a.layers,
        n_text_layer=a.text_layers,
    )
    model = Model(dims, len(vocabulary.ids), len(vocabulary.units)).to(device)
    matrices = [p for n, p in model.named_parameters() if ("blocks" in n or "conv" in n) and p.ndim > 1]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    muon, adam = Muon(matrices), torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0)
    muon.faster = {id(p): a.decoder_lr for p in model.decoder.parameters()}
    step, spent, average = 0, 0.0, None
    if a.init and not state:
        begin_from(a.init, model, vocabulary)
    if state:
        model.load_state_dict(state["average" if a.from_average else "model"])
        adam.load_state_dict(state["adam"])
        muon.state, step, spent = state["muon"], state["step"], state["spent"]
        average = state["average"]
    if average is None:
        average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    print(
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(vocabulary.ids)} rows, "
        f"{len(vocabulary.units)} units, {cache.hours:.1f} h",
        flush=True,
    )
    began, total = time.time() - spent, a.minutes * 60

    def progress() -> float:
        return min(1.0, (time.time() - began) / total)

    raw, truths = heldout_windows(held, vocabulary, a.held)
    queue = Producers(a, cache, vocabulary, a.seed + step, progress)
    raw = raw.to(device)
    if a.init and not state:
        fit_heads(model, queue)
    door = Losses(model)
    log = (a.out / "log.jsonl").open("a", encoding="utf-8")
    sums, seen, last, next_eval = np.zeros(4), 0, time.time(), a.eval_minutes * 60 * (1 + int(spent / (a.eval_minutes * 60)))
    n_frames = 0
    while (p := progress()) < 1.0:
        batch = queue.get().to(device)
        model.two_heads = p < 0.4 and not a.init
        warm = min(1.0, (step + 1) / 100)
        scale = warm * (1.0 if p < a.hold else max(0.0, (1 - p) / (1 - a.hold)))
        finite = True
        for turn in range(a.accumulate):  # few windows fit a batch, and a step needs many voices
            if turn:
                batch = queue.get().to(device)
            copies = {"model." + k: v for k, v in cast(model).items()}
            ce, middle, top, astray = torch.func.functional_call(door, copies, (batch,))
            weight = a.ctc if p < 0.6 else a.ctc * 0.6
            loss = ce + weight * (0.5 * middle + top) + (a.guide if p < 0.8 else a.guide * 0.2) * astray
            (loss / a.accumulate).backward()
            sums += torch.stack([v.detach().float() for v in (ce, middle, top, astray)]).tolist()
            seen += 1
            n_frames += batch.raw.shape[0] * batch.raw.shape[1]
            finite = finite and bool(torch.isfinite(loss))
        norm = torch.nn.utils.clip_grad_norm_(others, 1.0)
        if not finite or not torch.isfinite(norm):
            print("a step without a number, skipped", flush=True)
            model.zero_grad(set_to_none=True)
            continue
        muon.step(a.muon_lr * scale, 0.1)
        for group in adam.param_groups:
            group["lr"] = a.lr * scale
        adam.step()
        model.zero_grad(set_to_none=True)
        step += 1
        keep = min(a.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in model.state_dict().items():
                average[k].lerp_(v, 1 - keep) if v.is_floating_point() else average[k].copy_(v)
        if step % 25 == 0:
            now = time.time()
            row = {
                "step": step,
                "p": round(p, 4),
                "ce": round(float(sums[0]) / seen, 3),
                "ctc_middle": round(float(sums[1]) / seen, 3),
                "ctc_top": round(float(sums[2]) / seen, 3),
                "astray": round(float(sums[3]) / seen, 3),
                "s_step": round((now - last) / seen, 3),
                "audio_x": round(n_frames / 100 / (now - last)),
                "queue": queue.queue.qsize(),
            }
            print(json.dumps(row), file=log, flush=True)
            print(row, flush=True)
            sums, seen, last, n_frames = np.zeros(4), 0, now, 0
        if time.time() - began > next_eval or (a.max_steps and step >= a.max_steps):
            next_eval += a.eval_minutes * 60
            rate = measure(model, average, vocabulary, raw, truths)
            print({"step": step, "p": round(p, 3), "held_out_cer": round(rate, 4)}, flush=True)
            print(json.dumps({"step": step, "p": round(p, 4), "held_out_cer": round(rate, 4)}), file=log, flush=True)
            save(a.out / "weights.pt", dims=asdict(dims), average=average, vocabulary=vocabulary.ids, cer=rate, step=step)
            save(
                state_path,
                model=model.state_dict(),
                adam=adam.state_dict(),
                muon=muon.state,
                step=step,
                spent=time.time() - began,
                average=average,
            )
            last, n_frames, seen, sums = time.time(), 0, 0, np.zeros(4)
            if a.max_steps and step >= a.max_steps:
                break
    rate = measure(model, average, vocabulary, raw, truths)
    save(a.out / "weights.pt", dims=asdict(dims), average=average, vocabulary=vocabulary.ids, cer=rate, step=step)
    save(
        state_path,
        model=model.state_dict(),
        adam=adam.state_dict(),
        muon=muon.state,
        step=step,
        spent=time.time() - began,
        average=average,
    )
    print({"step": step, "done": True, "held_out_cer": round(rate, 4)}, flush=True)


@torch.no_grad()
def measure(model: Model, average: dict, vocabulary: Vocabulary, raw: Tensor, truths: list[str]) -> float:
    now = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average)
    model.to(model.dtype)
    heard = greedy(model, vocabulary, raw, grammar.PROMPT)
    model.float()
    model.load_state_dict(now)
    for t, h in list(zip(truths, heard, strict=True))[:3]:
        print("  +", t, "\n  -", h, flush=True)
    return error_rate(truths, heard)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that `training.data` filled")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, state and log")
    parser.add_argument("--minutes", type=float, default=80, help="wall clock, the schedule follows it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches; 0: one thread")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--text-layers", type=int, default=2)
    parser.add_argument("--frames", type=int, default=10_000, help="mel frames a batch")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--muon-lr", type=float, default=0.008)
    parser.add_argument("--ctc", type=float, default=1.0)
    parser.add_argument("--decoder-lr", type=float, default=1.0, help="how much faster the decoder's matrices learn")
    parser.add_argument("--packed-from", type=float, default=0.6, help="share of the time after which windows are packed full")
    parser.add_argument("--full", type=float, default=0.33, help="share of batches with full windows from then on")
    parser.add_argument(
        "--fed", type=float, default=0.0, help="share of batches as the transcriber feeds this model: packs of some seconds"
    )
    parser.add_argument("--guide", type=float, default=1.0, help="weight of the guided attention")
    parser.add_argument("--hold", type=float, default=0.15, help="share of the time before the rate falls")
    parser.add_argument("--average", type=float, default=0.99)
    parser.add_argument("--held", type=int, default=24, help="held-out windows measured on the way")
    parser.add_argument("--eval-minutes", type=float, default=6)
    parser.add_argument("--grow", action="store_true", help="going on with a state after the grammar has grown")
    parser.add_argument("--from-average", action="store_true", help="go on from the averaged weights of the state")
    parser.add_argument("--accumulate", type=int, default=2, help="batches a step")
    parser.add_argument("--init", type=Path, help="begin from an exported model.safetensors")
    parser.add_argument("--max-steps", type=int, default=0)
    return parser


if __name__ == "__main__":
    train(arguments().parse_args())
