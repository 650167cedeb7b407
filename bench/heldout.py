"""Held-out two-channel calls whose every turn and character has a known time: made by espeak-ng, which says when each syllable begins.

    python bench/heldout.py FOLDER [--calls 12] [--seed 7000] [--opus]

Sentences and voices are those that training never draws (`training/grammar.py`, `training/speak.py`). Each side of a call has one
voice and one line (band, noise, level, codec). `truth.json` beside the recordings: of each call its file and its turns, each with
channel, start_ms, end_ms, text, and char_ms, when each of its characters begins (null for a mark).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import re
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training import grammar, speak

MS = speak.RATE_HZ // 1000
_SYLLABLE = re.compile(r"[a-zü]+[1-5]")
_WORD = 1  # espeak_EVENT_TYPE of a word, which is a syllable in the pinyin voice
_EDGE = 200  # samples that `speak.speak` leaves around what is above its threshold of silence
_AUDIBLE = 0.003


@dataclass(frozen=True)
class Turn:
    """One turn as it was spoken. `char_ms`: when each character of `text` begins, None for a mark."""

    channel: int
    start_ms: int
    end_ms: int
    text: str
    char_ms: tuple[int | None, ...]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice:
    """espeak-ng's library with what it tells of the times of syllables."""

    _CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))

    def __init__(self) -> None:
        self.library = speak._Library()
        self.chunks: list[np.ndarray] = []
        self.words: list[tuple[int, int, int]] = []
        self._keep = self._CALLBACK(self._collect)
        self.library.lib.espeak_SetSynthCallback(self._keep)

    def _collect(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self.chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        number = 0
        while events[number].type:
            one = events[number]
            if one.type == _WORD:
                self.words.append((one.text_position - 1, one.length, one.sample))
            number += 1
        return 0

    def say(self, text: str, variant: str, speed: int, pitch: int) -> tuple[np.ndarray, list[int]] | None:
        """(float32 [n] at 16 kHz, first sample of each syllable); None when the syllables are not those of the text."""
        spelled = speak.pinyin_text(text)
        self.chunks, self.words = [], []
        self.library.speak(spelled, f"{speak.VOICE}+{variant}", speed, pitch)
        wave = np.concatenate(self.chunks).astype(np.float32) / 32768.0
        loud = np.flatnonzero(np.abs(wave) > _AUDIBLE)
        said = [sample for at, length, sample in self.words if _SYLLABLE.fullmatch(spelled[at : at + length])]
        if not loud.size or len(said) != sum(map(str.isalnum, text)):
            return None
        first, last = max(0, int(loud[0]) - _EDGE), min(len(wave), int(loud[-1]) + _EDGE)
        rate = self.library.rate_hz
        wave = speak.resample(wave[first:last], rate, speak.RATE_HZ)
        return wave * np.float32(0.5 / np.abs(wave).max()), [round((s - first) * speak.RATE_HZ / rate) for s in said]


@cache
def _voice() -> _Voice:
    return _Voice()


def make_call(seed: int) -> tuple[np.ndarray, list[Turn]]:
    """(float32 [2, n_samples] at 16 kHz, the turns in order of start) of one call."""
    rng, nrng = random.Random(seed), np.random.default_rng(seed)
    voices = rng.sample(speak.HELDOUT_VARIANTS, 2)
    manner = [(rng.randint(140, 205), rng.randint(25, 75)) for _ in range(2)]
    lines = [speak.Line.draw(nrng) for _ in range(2)]
    turns: list[Turn] = []
    pieces: list[list[tuple[int, np.ndarray]]] = [[], []]
    at, before = MS * rng.randint(300, 900), -1
    for said in grammar.dialogue(rng, True).turns:
        side = int(said.role == grammar.CUSTOMER)
        spoken = _voice().say(said.text, voices[side], *manner[side])
        if spoken is None:
            continue
        # One goes on after a breath; the other answers sooner or later, now and then before the first has ended.
        at += MS * (rng.randint(400, 900) if side == before else rng.randint(-150, 1500))
        if any(place + len(wave) > at - 400 * MS for place, wave in pieces[side][-1:]):
            at = pieces[side][-1][0] + len(pieces[side][-1][1]) + 400 * MS
        wave, starts = spoken
        times = iter((at + s) // MS for s in starts)
        edge = _EDGE * speak.RATE_HZ // 22_050
        chars = tuple(next(times) if c.isalnum() else None for c in said.text)
        turns.append(Turn(side, (at + edge) // MS, (at + len(wave) - edge) // MS, said.text, chars))
        pieces[side].append((at, wave))
        at, before = at + len(wave), side
    both = np.zeros((2, at + MS * 500), np.float32)
    for side in (0, 1):
        for place, wave in pieces[side]:
            both[side, place : place + len(wave)] += wave
        both[side] = speak.through_line(both[side], lines[side], nrng)[: both.shape[1]]
    return both, sorted(turns, key=lambda t: t.start_ms)


def write_calls(folder: Path, count: int, seed: int, opus: bool = False) -> None:
    """`count` calls and their truth: WAV of 16 bits at 8 kHz, or Opus for a set that is kept."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number in range(count):
        samples, turns = make_call(seed + number)
        name = f"call{number:03}.{'opus' if opus else 'wav'}"
        if opus:
            soundfile.write(folder / name, samples.T, speak.RATE_HZ, format="OGG", subtype="OPUS")
        else:
            small = np.stack([speak.resample(row, speak.RATE_HZ, 8000) for row in samples])
            soundfile.write(folder / name, np.clip(small, -1, 1).T, 8000, subtype="PCM_16")
        listed.append({"file": name, "duration_ms": samples.shape[1] // MS, "turns": [asdict(t) for t in turns]})
    lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in listed)
    (folder / "truth.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read_truth(folder: Path) -> list[dict[str, Any]]:
    """The calls of a folder that `write_calls` made."""
    found: list[dict[str, Any]] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7_000)
    parser.add_argument("--opus", action="store_true")
    chosen = parser.parse_args()
    write_calls(chosen.folder, chosen.calls, chosen.seed, chosen.opus)


if __name__ == "__main__":
    main()
