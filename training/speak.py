"""Spoken Chinese from espeak-ng, and everything that a telephone line does to it.

All signals are float32 [n_samples] at 16 kHz, full scale 1.0. espeak-ng is called through its library (one
start for thousands of sentences), or through its program where the library cannot be loaded.
Used by the training of the embedded model and by whoever makes sample recordings.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import io
import subprocess
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import signal

RATE_HZ = 16_000

# espeak-ng voice variants. Held-out ones are heard by measuring only.
TRAIN_VARIANTS = (
    "m1 m2 m3 m5 m6 m7 m8 f1 f2 f3 f5 Alex Alicia Andrea Annie Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario "
    "Michael Mike Nguyen adam anika antonio aunty belinda benjamin boris caleb david edward gustave iven john max "
    "michel miguel norbert pablo paul pedro quincy rob robert sandro shelby steph travis victor zac"
).split()
HELDOUT_VARIANTS = "m4 f4 ed linda Gene2 edward2 steph2 marcelo".split()
# espeak-ng's plain `cmn` spells most syllables out as English letters and says the tone as a number;
# its pinyin voice speaks Mandarin.
VOICE = "cmn-latn-pinyin"
AGENT_VOICES = tuple("f1 f2 f3 f5 Annie Alicia Andrea belinda".split())
CUSTOMER_VOICES = tuple("m1 m2 m3 m7 Alex Denis Mike robert".split())


# ------------------------------------------------------------------ espeak-ng
class _Library:
    """libespeak-ng, synchronous, samples collected by a callback. One object a process, not for threads."""

    _CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
        self.lib = ctypes.CDLL(name)
        self.rate_hz = self.lib.espeak_Initialize(2, 0, None, 0x8000)
        if self.rate_hz <= 0:
            raise OSError("libespeak-ng did not start")
        self.chunks: list[np.ndarray] = []
        self._keep = self._CALLBACK(self._collect)
        self.lib.espeak_SetSynthCallback(self._keep)

    def _collect(self, wav, n: int, _events) -> int:
        if wav and n > 0:
            self.chunks.append(np.ctypeslib.as_array(wav, (n,)).copy())
        return 0

    def speak(self, text: str, voice: str, speed: int, pitch: int) -> np.ndarray:
        if self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((1, speed), (2, 100), (3, pitch)):
            self.lib.espeak_SetParameter(parameter, int(value), 0)
        data = text.encode() + b"\0"
        self.chunks = []
        self.lib.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 1, 0, 1, None, None)
        self.lib.espeak_Synchronize()
        return np.concatenate(self.chunks) if self.chunks else np.zeros(0, np.int16)


_library: _Library | bool | None = None


def _raw(text: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, int]:
    global _library
    if _library is None:
        try:
            _library = _Library()
        except (OSError, AttributeError):
            _library = False
    if _library:
        return _library.speak(text, voice, speed, pitch), _library.rate_hz
    done = subprocess.run(
        ["espeak-ng", "--stdout", "-v", voice, "-s", str(int(speed)), "-p", str(int(pitch)), text],
        check=True,
        capture_output=True,
    )
    data = io.BytesIO(done.stdout).getvalue()
    at = data.find(b"data") + 8
    return np.frombuffer(data[at : at + (len(data) - at) // 2 * 2], np.int16), int.from_bytes(data[24:28], "little")


def resample(wave: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """float32 [n] -> float32 [n * to / from]; soxr where it is installed."""
    if from_hz == to_hz or len(wave) == 0:
        return wave.astype(np.float32, copy=False)
    try:
        import soxr

        return soxr.resample(wave.astype(np.float32), from_hz, to_hz, quality="MQ").astype(np.float32)
    except ImportError:
        from fractions import Fraction

        ratio = Fraction(to_hz / from_hz).limit_denominator(441)
        return signal.resample_poly(wave, ratio.numerator, ratio.denominator).astype(np.float32)


def pinyin_text(text: str) -> str:
    """您好，再见。 -> `nin2 hao3 , zai4 jian4 .`: readings by context, which espeak-ng does not know."""
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError:
        return text
    parts = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, errors=lambda c: list(c))
    return " ".join({"，": ",", "。": ".", "？": "?", "、": ","}.get(p, p) for p in parts)


def speak(text: str, voice: str = "f2", speed: int = 165, pitch: int = 50, stretch: float = 1.0) -> np.ndarray:
    """The sentence as float32 [n] at 16 kHz, silence at both ends cut, peak about 0.5.

    voice   an espeak-ng variant (`f2`, `m1`, `Alex`, see the lists above); `en+f2` speaks English
    speed   words a minute, 130 to 210 sounds right; pitch 0 to 99
    stretch above 1 plays faster and higher (as a tape would), below 1 slower and lower
    """
    language, _, variant = voice.rpartition("+")
    if language != "en":
        language, text = VOICE, pinyin_text(text)
    samples, rate_hz = _raw(text, f"{language}+{variant}", speed, pitch)
    wave = samples.astype(np.float32) / 32768.0
    loud = np.flatnonzero(np.abs(wave) > 0.003)
    if len(loud) == 0:
        return np.zeros(0, np.float32)
    wave = wave[max(0, loud[0] - 200) : loud[-1] + 200]
    wave = resample(wave, rate_hz * stretch, RATE_HZ)
    return wave * np.float32(0.5 / max(1e-6, float(np.abs(wave).max())))


# ------------------------------------------------------------------ levels
def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave), dtype=np.float64))) if len(wave) else 0.0


def to_level(wave: np.ndarray, dbfs: float) -> np.ndarray:
    """Scaled so that the root mean square is `dbfs`; clipped at full scale."""
    return np.clip(wave * np.float32(10 ** (dbfs / 20) / max(1e-9, rms(wave))), -1, 1).astype(np.float32)


def add_noise(wave: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Noise of the same length, `snr_db` below the speech."""
    gain = rms(wave) / max(1e-9, rms(noise)) * 10 ** (-snr_db / 20)
    return (wave + np.float32(gain) * noise[: len(wave)]).astype(np.float32)


# ------------------------------------------------------------------ what the line does
def telephone_band(wave: np.ndarray, low_hz: float = 300, high_hz: float = 3400) -> np.ndarray:
    sos = signal.butter(4, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    return signal.sosfilt(sos, wave).astype(np.float32)


def narrow(wave: np.ndarray) -> np.ndarray:
    """Through 8 kHz sampling and back."""
    return resample(resample(wave, RATE_HZ, 8000), 8000, RATE_HZ)[: len(wave)]


def mu_law(wave: np.ndarray) -> np.ndarray:
    """G.711 µ-law: 8 bits of companded amplitude."""
    x = np.clip(wave, -1, 1)
    y = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256.0)
    y = np.round(y * 127) / 127
    return (np.sign(y) * np.expm1(np.abs(y) * np.log(256.0)) / 255).astype(np.float32)


def a_law(wave: np.ndarray) -> np.ndarray:
    """G.711 A-law."""
    x, a = np.clip(wave, -1, 1), 87.6
    m = np.abs(x)
    y = np.sign(x) * np.where(m < 1 / a, a * m, 1 + np.log(np.maximum(a * m, 1e-9))) / (1 + np.log(a))
    y = np.round(y * 127) / 127
    m = np.abs(y) * (1 + np.log(a))
    return (np.sign(y) * np.where(m < 1, m / a, np.exp(m - 1) / a)).astype(np.float32)


def g711(wave: np.ndarray, law: str = "alaw") -> np.ndarray:
    """8 kHz, G.711, and back to 16 kHz."""
    small = resample(wave, RATE_HZ, 8000)
    return resample(a_law(small) if law == "alaw" else mu_law(small), 8000, RATE_HZ)[: len(wave)]


def lossy(wave: np.ndarray, rng: np.random.Generator, step: float = 0.03) -> np.ndarray:
    """Coarse quantising of the short-time spectrum: sounds like a low-rate codec, costs next to nothing."""
    f, _, z = signal.stft(wave, RATE_HZ, nperseg=320)
    magnitude = np.abs(z)
    floor = step * magnitude.max(axis=0, keepdims=True) + 1e-6
    kept = np.where(magnitude < floor * rng.uniform(0.5, 1.5, (len(f), 1)), 0, z)
    out = signal.istft(kept, RATE_HZ, nperseg=320)[1]
    return np.pad(out, (0, max(0, len(wave) - len(out))))[: len(wave)].astype(np.float32)


def drop_packets(wave: np.ndarray, rng: np.random.Generator, share: float = 0.01) -> np.ndarray:
    """20 ms pieces lost and concealed by fading the piece before."""
    out, n = wave.copy(), 320
    for at in range(n, len(wave) - n, n):
        if rng.random() < share:
            out[at : at + n] = out[at - n : at] * 0.5
    return out


def echo(wave: np.ndarray, delay_ms: float, gain: float) -> np.ndarray:
    n = int(delay_ms * 16)
    out = wave.copy()
    if n < len(wave):
        out[n:] += np.float32(gain) * wave[:-n]
    return out


def equalise(wave: np.ndarray, rng: np.random.Generator, db: float = 6) -> np.ndarray:
    """A random gentle frequency response, as handsets have."""
    hz = np.array([0, 250, 500, 1000, 2000, 3000, 4000, 8000])
    taps = signal.firwin2(65, hz, 10 ** (rng.uniform(-db, db, len(hz)) / 20), fs=RATE_HZ)
    return signal.fftconvolve(wave, taps, "same").astype(np.float32)


# ------------------------------------------------------------------ noise, tones, music
def noise(n: int, rng: np.random.Generator, kind: str = "white") -> np.ndarray:
    """float32 [n], root mean square about 1. Kinds: white, pink, brown, hum, babble, room."""
    white = rng.standard_normal(n).astype(np.float32)
    if kind == "white":
        return white
    if kind == "hum":
        t = np.arange(n, dtype=np.float32) / RATE_HZ
        base = rng.choice((50, 60))
        wave = sum(rng.uniform(0.1, 1) / k * np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) for k in range(1, 9))
        return (wave / max(1e-6, rms(wave)) + 0.1 * white).astype(np.float32)
    slope = {"pink": 0.5, "brown": 1.0, "room": 0.8, "babble": 0.5}[kind]
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    wave = np.fft.irfft(spectrum / np.maximum(hz, 60) ** slope, n).astype(np.float32)
    if kind in ("babble", "room"):
        steps = max(2, n // 3200)
        wave *= np.interp(np.arange(n), np.linspace(0, n, steps), rng.uniform(0.3, 1.5, steps)).astype(np.float32)
    return wave / np.float32(max(1e-9, rms(wave)))


@lru_cache(maxsize=64)
def _noise_bank(kind: str, seed: int) -> np.ndarray:
    """Half a minute of one noise, made once: drawing fresh noise costs more than speaking does."""
    return noise(1 << 19, np.random.default_rng(seed), kind)


NOISE_KINDS = ("white", "pink", "brown", "hum", "babble", "room")


def tone(hz: tuple[float, ...], seconds: float, level: float = 0.1) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ), dtype=np.float64) / RATE_HZ
    return (level * sum(np.sin(2 * np.pi * f * t) for f in hz) / len(hz)).astype(np.float32)


def _cadence(on_s: float, off_s: float, seconds: float, hz: float, level: float) -> np.ndarray:
    one = np.concatenate([tone((hz,), on_s, level), np.zeros(int(off_s * RATE_HZ), np.float32)])
    n = int(seconds * RATE_HZ)
    return np.tile(one, n // len(one) + 1)[:n]


def ringback(seconds: float, level: float = 0.1, hz: float = 450) -> np.ndarray:
    """Chinese ringback: 450 Hz, one second on, four off."""
    return _cadence(1.0, 4.0, seconds, hz, level)


def busy_tone(seconds: float, level: float = 0.1, hz: float = 450) -> np.ndarray:
    """Chinese busy tone: 450 Hz, 350 ms on, 350 ms off."""
    return _cadence(0.35, 0.35, seconds, hz, level)


def dtmf(digits: str, level: float = 0.1) -> np.ndarray:
    """Keys as tones, 120 ms each with 80 ms between."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    keys = "123A456B789C*0#D"
    parts = []
    for key in digits:
        at = keys.index(key)
        parts += [tone((rows[at // 4], columns[at % 4]), 0.12, level), np.zeros(1280, np.float32)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def hold_music(seconds: float, rng: np.random.Generator, level: float = 0.1) -> np.ndarray:
    """Hold music made by rule: a pentatonic tune of plucked tones over a bass."""
    n = int(seconds * RATE_HZ)
    out = np.zeros(n, np.float32)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    beat_s = float(rng.uniform(0.22, 0.5))
    root = 220 * 2 ** (rng.integers(0, 12) / 12)
    step, at = 3, 0.0
    while at < seconds:
        step = int(np.clip(step + rng.integers(-2, 3), 0, len(scale) - 1))
        length = beat_s * float(rng.choice((1, 1, 2)))
        for hz, gain in ((root * 2 ** (scale[step] / 12), 1.0), (root / 2 * 2 ** (scale[step // 3] / 12), 0.5)):
            t = np.arange(int(min(length * 1.5, seconds - at) * RATE_HZ), dtype=np.float32) / RATE_HZ
            pluck = sum(np.sin(2 * np.pi * hz * k * t) / k**1.5 for k in range(1, 5)) * np.exp(-3 * t)
            start = int(at * RATE_HZ)
            out[start : start + len(t)] += (gain * pluck).astype(np.float32)[: n - start]
        at += length
    return out * np.float32(level / max(1e-6, float(np.abs(out).max())))


# ------------------------------------------------------------------ a line, drawn at random
@dataclass(frozen=True)
class Line:
    """How one side of a call sounds; drawn once a call, so that its utterances sound alike."""

    codec: str  # wide, narrow, alaw, mulaw, lossy
    low_hz: float
    high_hz: float
    noise_kind: str
    snr_db: float
    level_dbfs: float
    seed: int

    @staticmethod
    def draw(rng: np.random.Generator) -> Line:
        return Line(
            codec=str(rng.choice(("wide", "narrow", "alaw", "mulaw", "lossy"), p=(0.15, 0.2, 0.3, 0.2, 0.15))),
            low_hz=float(rng.uniform(100, 320)),
            high_hz=float(rng.uniform(3200, 3700)),
            noise_kind=str(rng.choice(NOISE_KINDS)),
            snr_db=float(rng.choice((60, rng.uniform(25, 45), rng.uniform(10, 30)), p=(0.3, 0.35, 0.35))),
            level_dbfs=float(rng.uniform(-35, -12)),
            seed=int(rng.integers(1 << 31)),
        )


def through_line(wave: np.ndarray, line: Line, rng: np.random.Generator | None = None) -> np.ndarray:
    """Speech (with its pauses) as the other end records it: noise, response, band, level, codec."""
    fixed = np.random.default_rng(line.seed)
    rng = rng or np.random.default_rng(line.seed + 1)
    speech = rms(wave[np.abs(wave) > 0.01]) if np.any(np.abs(wave) > 0.01) else 0.1
    wave = equalise(wave, fixed, 5)
    if line.snr_db < 60:
        gain = np.float32(speech * 10 ** (-line.snr_db / 20))
        bank = _noise_bank(line.noise_kind, int(fixed.integers(6)))
        at = int(rng.integers(len(bank)))
        wave = wave + gain * np.resize(np.roll(bank, -at) if at else bank, len(wave))
    if line.codec != "wide":
        wave = telephone_band(wave, line.low_hz, line.high_hz)
    wave = wave * np.float32(10 ** (line.level_dbfs / 20) / max(speech, 1e-6))
    peak = float(np.abs(wave).max()) if len(wave) else 0.0
    if peak > 0.99:
        wave = wave * np.float32(0.99 / peak) if fixed.random() < 0.7 else np.clip(wave, -0.99, 0.99)
    if line.codec == "narrow":
        wave = narrow(wave)
    elif line.codec in ("alaw", "mulaw"):
        wave = g711(wave, line.codec)
    elif line.codec == "lossy":
        wave = lossy(narrow(wave), fixed, float(fixed.uniform(0.005, 0.03)))
    return wave.astype(np.float32)
