"""The training cache: spoken calls as raw log-mel frames, in shards that are memory-mapped.

A shard is one process's work: `N.mel.npy` float16 [frames, 80] (log10 of the mel power, before openai-whisper
clamps it to eight decades below the window's maximum) and `N.json` with the utterances' frames and texts.
Raw frames can be cut, shifted in level and joined into any window; `finish` then does what whisper does last.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import random
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from . import grammar, speak

FLOOR = -10.0  # log10 of the power of digital silence


@lru_cache(maxsize=1)
def _mel_tools():
    import torch
    import whisper

    return torch.hann_window(400), whisper.audio.mel_filters("cpu", 80)


def raw_log_mel(wave: np.ndarray) -> np.ndarray:
    """float32 [n] -> float16 [n // 160, 80], openai-whisper's log-mel before clamping."""
    import torch

    window, filters = _mel_tools()
    stft = torch.stft(torch.from_numpy(wave), 400, 160, window=window, return_complex=True)
    mel = filters @ stft[..., :-1].abs() ** 2
    return torch.clamp(mel, min=1e-10).log10().T.numpy().astype(np.float16)


def finish(raw):
    """Raw frames of one window -> what the encoder takes. torch [..., frames, 80], one maximum a window."""
    import torch

    top = raw.amax(dim=(-2, -1), keepdim=True)
    return (torch.maximum(raw, top - 8.0) + 4.0) / 4.0


def call_side(rng: random.Random, nrng: np.random.Generator, heldout: bool) -> tuple[np.ndarray, list[dict]]:
    """One speaker over one line: wave and its utterances (start, end in samples, text)."""
    kind = rng.random()
    english = not heldout and kind < 0.008
    variant = rng.choice(speak.HELDOUT_VARIANTS if heldout else speak.TRAIN_VARIANTS)
    speed, pitch = rng.randint(130, 215), rng.randint(20, 80)
    stretch = rng.choice((1.0, rng.uniform(0.9, 1.12)))
    salad = not heldout and not english and kind < 0.10
    line = speak.Line.draw(nrng)
    pieces, items, at, seconds = [], [], 0, 0.0
    while seconds < 26:
        if english:
            text = grammar.english(rng).text
        else:
            text = (grammar.word_sequence(rng) if salad else grammar.utterance(rng, heldout)).text
        voice = ("en+" if english else "") + variant
        wave = speak.speak(text, voice, speed + rng.randint(-8, 8), pitch + rng.randint(-4, 4), stretch)
        if len(wave) == 0:
            continue
        wave = wave * np.float32(10 ** (rng.uniform(-2, 2) / 20))
        gap = np.zeros(int(rng.uniform(0.7, 1.1) * speak.RATE_HZ), np.float32)
        pieces += [gap, wave]
        at += len(gap)
        items.append({"start": at, "end": at + len(wave), "text": text})
        at += len(wave)
        seconds = at / speak.RATE_HZ
    pieces.append(np.zeros(12_000, np.float32))
    return speak.through_line(np.concatenate(pieces), line, nrng), items


def no_speech(rng: random.Random, nrng: np.random.Generator) -> np.ndarray:
    """10 to 28 s of what a line carries when nobody speaks."""
    seconds = rng.uniform(10, 28)
    n = int(seconds * speak.RATE_HZ)
    kind = rng.choice(("silence", "noise", "noise", "ringback", "busy", "dtmf", "music", "music"))
    base = np.zeros(n, np.float32)
    if kind == "ringback":
        base = speak.ringback(seconds, hz=rng.choice((450, 450, 425, 440)))
    elif kind == "busy":
        base = speak.busy_tone(seconds)
    elif kind == "music":
        base = speak.hold_music(seconds, nrng)
    elif kind == "dtmf":
        keys = speak.dtmf("".join(rng.choice("0123456789*#") for _ in range(rng.randint(2, 30))))[:n]
        base[: len(keys)] = keys
    if kind == "noise" or rng.random() < 0.5:
        base = base + speak.noise(n, nrng, rng.choice(speak.NOISE_KINDS)) * np.float32(10 ** (rng.uniform(-80, -30) / 20))
    base = np.roll(base, rng.randint(0, n)) * np.float32(10 ** (rng.uniform(-25, 10) / 20))
    return speak.g711(np.clip(base, -1, 1)) if rng.random() < 0.6 else base


def make_shard(folder: Path, number: int, seed: int, hours: float, heldout: bool) -> None:
    import torch

    torch.set_num_threads(1)
    path = folder / f"{number:04d}.json"
    if path.exists():
        return
    rng, nrng = random.Random(seed * 100_003 + number), np.random.default_rng((seed, number))
    mels, sides, at = [], [], 0
    while at < hours * 360_000:
        if rng.random() < 0.02 and not heldout:
            wave, items = no_speech(rng, nrng), []
        else:
            wave, items = call_side(rng, nrng, heldout)
        mel = raw_log_mel(wave)
        sides.append(
            {
                "at": at,
                "frames": len(mel),
                "items": [[i["start"] // 160, i["end"] // 160, i["text"]] for i in items],
            }
        )
        mels.append(mel)
        at += len(mel)
    np.save(folder / f"{number:04d}.mel.npy", np.concatenate(mels))
    path.with_suffix(".part").write_text(json.dumps(sides, ensure_ascii=False), encoding="utf-8")
    path.with_suffix(".part").rename(path)


def _work(job: tuple) -> None:
    folder, number, seed, hours, heldout, nice = job
    if nice:
        os.nice(nice - os.nice(0) if nice > os.nice(0) else 0)
    make_shard(folder, number, seed, hours, heldout)


def make_cache(folder: Path, hours: float, seed: int = 1, processes: int = 2, nice: int = 0, first: int = 0) -> None:
    """Shards of half an hour each until there are `hours` of calls; finished shards are kept."""
    began = time.time()
    train, held = folder / "train", folder / "heldout"
    train.mkdir(parents=True, exist_ok=True)
    held.mkdir(parents=True, exist_ok=True)
    jobs = [(held, 0, seed + 1000, 0.5, True, nice)]
    jobs += [(train, n, seed, 0.5, False, nice) for n in range(first, first + round(hours * 2))]
    with mp.get_context("spawn").Pool(processes) as pool:
        for n, _ in enumerate(pool.imap_unordered(_work, jobs), 1):
            print(f"shard {n} of {len(jobs)}, {time.time() - began:.0f} s", flush=True)


class Cache:
    """All finished shards of a folder; `refresh` picks up new ones."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sides, self.quiet, self.seen = folder, [], [], set()
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.json")):
            if path.name in self.seen:
                continue
            self.seen.add(path.name)
            mel = np.load(self.folder / f"{path.stem}.mel.npy", mmap_mode="r")
            for side in json.loads(path.read_text(encoding="utf-8")):
                frames = mel[side["at"] : side["at"] + side["frames"]]
                (self.sides if side["items"] else self.quiet).append((frames, side["items"]))

    @property
    def hours(self) -> float:
        return sum(len(f) for f, _ in self.sides) / 360_000


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first shard, to add to a cache")
    a = parser.parse_args()
    make_cache(a.cache, a.hours, a.seed, a.processes, a.nice, a.first)
