"""Small copies of recordings that any browser plays: for the player in reports.

MP3 by default, since every browser plays and seeks it, offline too; Ogg Opus and M4A by the target's suffix. The same
samples give the same bytes: no clock, no random stream serial, no encoder date.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.audio.decode import DecodeOptions, Stream, blocks_of
from qc.errors import AudioError, QcError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ClipCodec:
    """How one kind of clip is written. `bits_per_channel`: bit rate of each channel, bit/s."""

    container: str
    encoder: str
    sample_format: str
    bits_per_channel: int
    media_type: str


CLIP_CODECS: dict[str, ClipCodec] = {
    ".mp3": ClipCodec("mp3", "libmp3lame", "fltp", 16_000, "audio/mpeg"),
    ".ogg": ClipCodec("ogg", "libopus", "flt", 16_000, "audio/ogg"),
    ".opus": ClipCodec("ogg", "libopus", "flt", 16_000, "audio/ogg"),
    ".m4a": ClipCodec("ipod", "aac", "fltp", 16_000, "audio/mp4"),
}
CLIP_SUFFIX = ".mp3"
_RATE_HZ = 16_000
_BLOCK = 16_000


def make_playable(source: Path, target: Path, *, start_ms: int = 0, end_ms: int | None = None) -> None:
    """Write a browser-playable copy of a recording, or of the part from `start_ms` to `end_ms`; two channels stay two.

    The target's suffix chooses the codec (`CLIP_CODECS`). Memory stays flat however long the recording is. More than two
    channels: the first two are kept. Raises AudioError for a source that cannot be decoded, QcError for a target that
    cannot be written or has another suffix.
    """
    codec = _codec_for(target)
    stream = Stream()
    blocks = blocks_of(Path(source), stream, DecodeOptions(rate_hz=_RATE_HZ))
    _write(
        _cut(blocks, start_ms * _RATE_HZ // 1000, None if end_ms is None else end_ms * _RATE_HZ // 1000), target, codec, source
    )


def write_clip(samples: np.ndarray, rate_hz: int, target: Path) -> None:
    """Write float32 [channels, n_samples] or [n_samples] (at 16 kHz, 1 or 2 channels) as a clip; the suffix chooses the codec.

    Raises QcError for another rate, an unknown suffix or a target that cannot be written.
    """
    import numpy as np

    if rate_hz != _RATE_HZ:
        raise QcError(f"clips are written from {_RATE_HZ} Hz, not {rate_hz} Hz", where=str(target), code="clip_rate")
    data = np.atleast_2d(np.asarray(samples, np.float32))
    _write(iter([data]), target, _codec_for(target), target)


def _codec_for(target: Path) -> ClipCodec:
    codec = CLIP_CODECS.get(target.suffix.lower())
    if codec is None:
        raise QcError(
            f"no clip codec for {target.suffix!r}",
            where=str(target),
            hint=f"use one of {', '.join(CLIP_CODECS)}",
            code="clip_codec",
        )
    return codec


def _cut(blocks: Iterable[np.ndarray], start: int, end: int | None) -> Iterator[np.ndarray]:
    """The samples from `start` to `end` of a stream of [channels, n] blocks."""
    at = 0
    for block in blocks:
        low, high = max(0, start - at), block.shape[1] if end is None else min(block.shape[1], end - at)
        at += block.shape[1]
        if low < high:
            yield block[:, low:high]
        if end is not None and at >= end:
            return


def _write(blocks: Iterator[np.ndarray], target: Path, codec: ClipCodec, source: Path) -> None:
    """Encode beside the target's name, then rename: nobody sees half a clip."""
    import av

    first = next((b for b in blocks if b.shape[1]), None)
    if first is None:
        raise AudioError("there is nothing to write in that stretch", where=str(source), code="empty")
    channels = min(2, int(first.shape[0]))
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(beside), "w", format=codec.container, options={"fflags": "+bitexact"}) as out:
            _encode(out, codec, channels, _chain(first, blocks))
        os.replace(beside, target)
    except (OSError, av.error.FFmpegError) as error:
        raise QcError(
            f"cannot write the clip: {error.strerror or error}", where=str(target), hint="free the disk", code="clip"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _encode(out: Any, codec: ClipCodec, channels: int, blocks: Iterator[np.ndarray]) -> None:
    import av
    import numpy as np

    layout = "stereo" if channels == 2 else "mono"
    stream = out.add_stream(codec.encoder, rate=_RATE_HZ, layout=layout)
    stream.bit_rate = codec.bits_per_channel * channels
    stream.codec_context.flags |= int(av.codec.context.Flags.bitexact)
    position = 0
    for block in blocks:
        data = np.clip(block[:channels], -1.0, 1.0)
        for at in range(0, data.shape[1], _BLOCK):
            piece = np.ascontiguousarray(data[:, at : at + _BLOCK], np.float32)
            packed = piece if codec.sample_format == "fltp" else np.ascontiguousarray(piece.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format=codec.sample_format, layout=layout)
            frame.sample_rate = _RATE_HZ
            frame.pts = position
            position += piece.shape[1]
            for packet in stream.encode(frame):
                out.mux(packet)
    for packet in stream.encode(None):
        out.mux(packet)
