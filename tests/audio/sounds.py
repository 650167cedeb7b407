"""Sounds made for the tests: written with the standard library or PyAV, never downloaded."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

RATE = 8000


def tone(hertz: float, seconds: float, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    """A sine: float32 [n_samples]."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def two_sides(seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    """Left 400 Hz, right 900 Hz: float32 [2, n_samples]."""
    return np.stack([tone(400, seconds, rate), tone(900, seconds, rate)])


def pcm16(samples: np.ndarray) -> bytes:
    """Interleaved little-endian 16-bit samples of [channels, n]."""
    return (np.clip(np.atleast_2d(samples), -1, 1).T * 32767).astype("<i2").tobytes()


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, tag: int = 1, data: bytes | None = None) -> Path:
    """A WAV of [channels, n]; `tag` 6 and 7 with encoded `data` are G.711."""
    channels = np.atleast_2d(samples).shape[0]
    width = 1 if tag in (6, 7) else 2
    body = pcm16(samples) if data is None else data
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, 8 * width)
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(head) + len(body)) + head + body)
    return path


def encode(path: Path, samples: np.ndarray, codec: str, rate: int = RATE, **options: str) -> Path:
    """[channels, n] in any codec that PyAV encodes; the container by the suffix."""
    import av

    data = np.atleast_2d(samples)
    layout = {1: "mono", 2: "stereo"}.get(data.shape[0], f"{data.shape[0]}c")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        if codec in ("libopus", "aac", "libmp3lame"):
            stream.bit_rate = 64_000
        form = stream.codec_context.format.name if stream.codec_context.format else "s16"
        whole = av.AudioFrame.from_ndarray(
            np.ascontiguousarray((data * 32767).astype(np.int16).T.reshape(1, -1)), format="s16", layout=layout
        )
        whole.sample_rate = rate
        resampler = av.AudioResampler(format=form, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size or 1024)
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def strongest_hz(samples: np.ndarray, rate: int) -> float:
    """Frequency of the strongest line of float32 [n_samples]."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.shape[0])))
    return float(spectrum.argmax() * rate / samples.shape[0])
