"""Sounds of a telephone line on which nobody speaks, made from a random stream."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE = 8000
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)
_SCALE = (0, 2, 4, 5, 7, 9, 11)


def silence(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Digital silence and a faint line, in turn: float32 [n_samples], as of all here."""
    line = rng.standard_normal(round(seconds * RATE)) * 10 ** (-70 / 20)
    line[: line.size // 2] = 0.0
    return line.astype(np.float32)


def white(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """White noise from -50 to -15 dBFS, in steps of 5 s."""
    count = round(seconds * RATE)
    levels = rng.uniform(-50, -15, count // (5 * RATE) + 1)
    return (rng.standard_normal(count) * np.repeat(10 ** (levels / 20), 5 * RATE)[:count]).astype(np.float32)


def coloured(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Noise that falls with frequency (traffic, fans, wind), with slow swells and clicks."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(np.arange(spectrum.size), 20.0) ** rng.uniform(0.5, 1.0)
    noise = np.fft.irfft(spectrum, count)
    noise /= np.abs(noise).max()
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * np.arange(count) / RATE / rng.uniform(4, 15))
    noise *= 0.25 * swell
    clicks = rng.integers(0, count, max(1, int(seconds / 3)))
    noise[clicks] += rng.choice((-0.8, 0.8), clicks.size)
    return np.clip(noise, -1, 1).astype(np.float32)


def _cadence(seconds: float, on: float, off: float, hertz: tuple[float, ...], level: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * f * time) for f in hertz) * level / len(hertz)
    return np.where(time % (on + off) < on, tone, 0.0).astype(np.float32)


def ringback(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Ringback of China, Europe or North America."""
    on, off, hertz = ((1.0, 4.0, (450.0,)), (1.0, 4.0, (425.0,)), (2.0, 4.0, (440.0, 480.0)))[rng.integers(3)]
    return _cadence(seconds, on, off, hertz, rng.uniform(0.05, 0.4))


def busy(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Busy or congestion tone."""
    on, off, hertz = ((0.35, 0.35, (450.0,)), (0.5, 0.5, (425.0,)), (0.5, 0.5, (480.0, 620.0)), (0.25, 0.25, (480.0, 620.0)))[
        rng.integers(4)
    ]
    return _cadence(seconds, on, off, hertz, rng.uniform(0.05, 0.4))


def digits(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Dialled digits of 60 to 200 ms, some quickly one after the other, some apart."""
    out = np.zeros(round(seconds * RATE), np.float32)
    at = 0
    while at < out.size - RATE:
        time = np.arange(round(rng.uniform(0.06, 0.2) * RATE)) / RATE
        tone = 0.15 * (np.sin(2 * np.pi * rng.choice(_ROWS) * time) + np.sin(2 * np.pi * rng.choice(_COLUMNS) * time))
        out[at : at + time.size] = tone
        at += time.size + round(rng.uniform(0.05, 0.15 if rng.random() < 0.8 else 2.0) * RATE)
    return out


def music(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Hold music: chords that change each half bar, a melody and a bass of plucked notes with overtones, a soft beat."""
    count = round(seconds * RATE)
    out = np.zeros(count + 4 * RATE)
    beat = 60 / rng.uniform(70, 120)
    root = 220 * 2 ** (rng.integers(-3, 4) / 12)

    def note(at_s: float, degree: int, length: float, level: float, fade: float) -> None:
        hertz = root * 2 ** ((_SCALE[degree % 7] + 12 * (degree // 7)) / 12)
        time = np.arange(round(length * RATE)) / RATE
        wave = sum(np.sin(2 * np.pi * hertz * k * time) / k**1.5 for k in range(1, 6) if hertz * k < 3800)
        start = round(at_s * RATE)
        out[start : start + time.size] += level * wave * np.exp(-fade * time) * np.minimum(1, time * 200)

    at, step = 0.0, 0
    while at < seconds:
        if step % 2 == 0:
            chord = int(rng.choice((0, 3, 4, 5)))
            for degree in (chord, chord + 2, chord + 4):
                note(at, degree, 2 * beat, 0.12, 0.8)
            note(at, chord - 7, 2 * beat, 0.2, 1.5)
        note(at, int(rng.choice((7, 8, 9, 11, 12))), beat, 0.25, 2.0)
        at, step = at + beat, step + 1
    whole = out[:count]
    return (0.3 * whole / np.abs(whole).max()).astype(np.float32)


KINDS: dict[str, Callable[[float, np.random.Generator], np.ndarray]] = {
    "silence": silence,
    "white": white,
    "coloured": coloured,
    "ringback": ringback,
    "busy": busy,
    "digits": digits,
    "music": music,
}
