"""What a recording says of itself, without decoding it: container, codec, rate, channels, duration. A few kilobytes are read.

For plans, not for results: headers lie, and only decoding finds out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qc.audio.decode import DecodeOptions, opened, parse_raw
from qc.audio.sniff import suffix_is_headerless
from qc.errors import AudioError

_BYTES = {"alaw": 1.0, "mulaw": 1.0, "u8": 1.0, "s16le": 2.0, "s16be": 2.0, "s24le": 3.0, "s32le": 4.0, "f32le": 4.0, "vox": 0.5}


@dataclass(frozen=True)
class Header:
    """`duration_ms`: None where the file does not say; `size_bytes`: of the file."""

    container: str
    codec: str
    rate_hz: int
    channels: int
    duration_ms: int | None
    size_bytes: int


def look(path: Path, options: DecodeOptions | None = None) -> Header:
    """Read a recording's header. Raises AudioError with the reason that decoding it would give, as far as a header tells."""
    options = options or DecodeOptions()
    with opened(path, options) as container:
        size = path.stat().st_size
        if options.raw is not None and suffix_is_headerless(path):
            name, rate, channels = parse_raw(options.raw)
            return Header("raw", name, rate, channels, int(size * 1000 / (_BYTES[name] * rate * channels)), size)
        if not container.streams.audio:
            raise AudioError("the file holds no audio stream", where=str(path), code="no_audio_stream")
        source = container.streams.audio[0]
        context = source.codec_context
        length: float | None = None
        if source.duration is not None and source.time_base is not None:
            length = float(source.duration * source.time_base) * 1000
        elif container.duration is not None:
            length = container.duration / 1000
        known = length is not None and 0 < length <= options.max_hours * 3_600_000
        return Header(
            str(container.format.name).split(",")[0],
            str(context.name),
            int(context.sample_rate or 0),
            int(context.channels or 0),
            round(length) if known and length is not None else None,
            size,
        )
