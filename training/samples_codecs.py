"""The sample recordings' files: samples to the bytes of every codec that call centres store, and back.

PyAV writes all of them but GSM, which needs `sox`. The same samples give the same bytes.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
import wave
from pathlib import Path

import av
import numpy as np

from training import speak

# codec -> (container, sample rate in Hz, bit rate in bit/s or None); what PyAV's encoder is called where it differs
CODECS = {
    "pcm_alaw": ("wav", 8000, None),
    "pcm_mulaw": ("wav", 8000, None),
    "pcm_s16le": ("wav", 8000, None),
    "flac": ("flac", 8000, None),
    "mp3": ("mp3", 16000, 32_000),
    "aac": ("ipod", 16000, 40_000),
    "opus": ("ogg", 16000, 32_000),
    "amr_nb": ("amr", 8000, 12_200),
    "gsm_ms": ("wav", 8000, None),
}
ENCODERS = {"mp3": "libmp3lame", "opus": "libopus", "amr_nb": "libopencore_amrnb"}


def encode(channels: np.ndarray, codec: str) -> bytes:
    """float32 [channels, samples] at 16 kHz as the bytes of a file of that codec."""
    container, rate_hz, bit_rate = CODECS[codec]
    small = np.stack([speak.resample(c, speak.RATE_HZ, rate_hz) for c in channels])
    pcm = np.round(np.clip(small, -1, 1) * 32767).astype(np.int16)
    if codec == "gsm_ms":
        return _gsm(pcm, rate_hz)
    layout = "stereo" if len(pcm) == 2 else "mono"
    out = io.BytesIO()
    with av.open(out, "w", format=container, options={"fflags": "+bitexact"}) as target:
        stream = target.add_stream(ENCODERS.get(codec, codec), rate=rate_hz)
        stream.codec_context.layout = layout
        if bit_rate:
            stream.bit_rate = bit_rate
        stream.codec_context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT: no encoder version in the file
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate_hz, stream.codec_context.frame_size or None)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm.T.reshape(1, -1)), format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            target.mux(stream.encode(converted))
        target.mux(stream.encode(None))
    return out.getvalue()


def _gsm(pcm: np.ndarray, rate_hz: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder, "plain.wav"), Path(folder, "gsm.wav")
        with wave.open(str(plain), "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(2)
            target.setframerate(rate_hz)
            target.writeframes(pcm[0].tobytes())
        subprocess.run(["sox", "-D", str(plain), "-e", "gsm-full-rate", str(small)], check=True)
        data = small.read_bytes()
    at = data.find(b"data", 12) + 4  # sox counts the padding byte as a block of its own: say whole blocks of 65 bytes
    return data[:at] + ((len(data) - at - 4) // 65 * 65).to_bytes(4, "little") + data[at + 4 :]


def decode(data: bytes) -> tuple[np.ndarray, int]:
    """(float32 [channels, samples], rate) of a file's bytes, as PyAV gives them; as far as they can be decoded."""
    parts = []
    with av.open(io.BytesIO(data)) as source:
        stream = source.streams.audio[0]
        resampler = av.AudioResampler("fltp", stream.layout, stream.rate)
        try:
            for frame in source.decode(stream):
                parts += [f.to_ndarray() for f in resampler.resample(frame)]
        except av.error.InvalidDataError:
            pass
        return np.concatenate(parts, axis=1), stream.rate


def delay_ms(before: np.ndarray, after: np.ndarray, rate_hz: int) -> int:
    """By how much the decoded file lags behind what was encoded: the peak of the envelopes' correlation, 1 ms steps."""
    a = _envelope(before.sum(axis=0), speak.RATE_HZ)
    b = _envelope(after.sum(axis=0), rate_hz)
    n = min(len(a), len(b))
    lags = range(-200, 201)
    scores = [float(np.dot(a[max(0, -k) : n - max(0, k)], b[max(0, k) : n - max(0, -k)])) for k in lags]
    return list(lags)[int(np.argmax(scores))]


def _envelope(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    step = rate_hz // 1000
    n = len(samples) // step
    level = np.abs(samples[: n * step]).reshape(n, step).mean(axis=1)
    return level - level.mean()
