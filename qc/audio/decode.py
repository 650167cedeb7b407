"""Any recording to float32 samples per channel at one rate, through PyAV, whatever its header claims.

Recordings come from strangers: headers lie, files are cut, rates and channels change midway. Everything decodable is
decoded, what was odd is a warning, and what cannot be decoded is one AudioError whose code is a reason of the table.
The two channels of a call are never mixed. This is the one place where samples change their rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.audio.sniff import declared_samples, is_audio, missing_end, suffix_is_headerless
from qc.errors import AudioError
from qc.progress import beat

if TYPE_CHECKING:
    import numpy as np

RATE_HZ = 16_000
MAX_HOURS = 6.0
MAX_CHANNELS = 64
_GAP_FILLED_S = 60.0
_GAP_NOTICED_S = 0.05
_MAX_BAD_PACKETS = 1_000


@dataclass(frozen=True)
class DecodeOptions:
    """`max_hours`: longer two-channel recordings are refused (`too_long`); more channels get proportionally less.

    `raw`: `CODEC:RATE[:CHANNELS]` for headerless files (`alaw:8000`, `mulaw:8000:2`, `vox:6000`); None refuses them.
    `stall_s`: a recording is given up that needs so many seconds more than it lasts, or that stands still for so long.
    """

    rate_hz: int = RATE_HZ
    max_hours: float = MAX_HOURS
    raw: str | None = None
    stall_s: float = 120.0


@dataclass
class Stream:
    """What is known of a recording: filled while its blocks are read, complete when they end.

    `rate_hz` and `channels` are the recording's own; `expected_ms` is the duration that a truncated file's header
    promised, None where nothing is missing or nothing is known.
    """

    container: str = ""
    codec: str = ""
    rate_hz: int = 0
    channels: int = 0
    decoded_samples: int = 0
    expected_ms: int | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, word: str) -> None:
        """Note a warning once."""
        if word not in self.warnings:
            self.warnings.append(word)


@dataclass(frozen=True)
class Audio:
    """A decoded recording. `samples`: float32 [channels, n_samples] at `rate_hz`; `source_rate_hz`: the file's own rate."""

    samples: np.ndarray
    rate_hz: int
    source_rate_hz: int
    container: str
    codec: str
    expected_ms: int | None
    warnings: tuple[str, ...]

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def duration_ms(self) -> int:
        return int(self.samples.shape[1]) * 1000 // self.rate_hz


def decode(path: Path | str, options: DecodeOptions | None = None) -> Audio:
    """Decode a whole recording, all channels apart. Raises AudioError (codes: see docs/transcribe.md)."""
    import numpy as np

    options = options or DecodeOptions()
    stream = Stream()
    blocks = list(blocks_of(Path(path), stream, options))
    samples = np.concatenate(blocks, axis=1)
    return Audio(
        samples,
        options.rate_hz,
        stream.rate_hz,
        stream.container,
        stream.codec,
        stream.expected_ms,
        tuple(stream.warnings),
    )


def blocks_of(path: Path, stream: Stream, options: DecodeOptions) -> Iterator[np.ndarray]:
    """Yield float32 [channels, n] blocks at `options.rate_hz`; the channel count never changes. Raises AudioError.

    Fills `stream` on the way; its truncation warnings are there once the last block was taken.
    """
    with opened(path, options) as container:
        in_time = _in_time(path, stream, options.stall_s)
        if isinstance(container, _Vox):
            stream.container, stream.codec = "vox", str(container.codec.name)
            frames = container.frames(in_time)
        else:
            frames = _stream_frames(path, container, stream, in_time)
        limit = options.max_hours * 3600
        out_samples = 0
        for block in _resampled(frames, stream, options.rate_hz):
            out_samples += block.shape[1]
            beat()
            if out_samples * max(2, block.shape[0]) / 2 > limit * options.rate_hz:
                raise AudioError(
                    f"the recording is longer than {options.max_hours:g} hours",
                    where=str(path),
                    hint="raise --max-hours if that is right",
                    code="too_long",
                )
            yield block
    if out_samples == 0:
        raise AudioError("nothing in the file could be decoded", where=str(path), code="undecodable")
    _notice_truncation(path, stream, out_samples / options.rate_hz, limit)


def opened(path: Path, options: DecodeOptions) -> Any:
    """The file as PyAV's input container, to be used in `with`. Raises AudioError."""
    import av

    _refuse_impossible(path, options)
    try:
        return _open(path, options)
    except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise _why_not_open(path, error) from error


def _refuse_impossible(path: Path, options: DecodeOptions) -> None:
    try:
        size = path.stat().st_size
        regular = path.is_file()
    except FileNotFoundError:
        raise AudioError("there is no such file", where=str(path), code="missing_file") from None
    except OSError as error:
        raise AudioError(f"the file cannot be read: {error.strerror}", where=str(path), code="unreadable") from error
    if not regular:
        raise AudioError("this is not a regular file", where=str(path), code="unreadable")
    if size == 0:
        raise AudioError("the file is empty", where=str(path), code="empty")
    if options.raw is None and suffix_is_headerless(path):
        raise AudioError(
            "a headerless recording does not say its codec and rate",
            where=str(path),
            hint="say it with --raw, for example --raw alaw:8000 or --raw mulaw:8000:2",
            code="headerless",
        )


def parse_raw(raw: str) -> tuple[str, int, int]:
    """`CODEC:RATE[:CHANNELS]`, commas for colons too, as (FFmpeg format name, rate in Hz, channels). Raises ValueError."""
    name, _, rest = raw.replace(",", ":").partition(":")
    rate, _, channels = rest.partition(":")
    name = {"ulaw": "mulaw", "pcm": "s16le"}.get(name, name)
    if name not in {"alaw", "mulaw", "s16le", "s16be", "u8", "s24le", "s32le", "f32le", "vox"}:
        raise ValueError(f"unknown headerless codec {name!r}; known: alaw, mulaw, s16le, s16be, u8, s24le, s32le, f32le, vox")
    if not rate.isascii() or not rate.isdigit() or not 1000 <= int(rate) <= 384_000:
        raise ValueError(f"{raw!r} has no sample rate between 1000 and 384000, as in {name}:8000")
    if channels and (channels not in {str(n) for n in range(1, 9)}):
        raise ValueError(f"{raw!r} must have 1 to 8 channels, as in {name}:8000:2")
    if name == "vox" and channels not in ("", "1"):
        raise ValueError(f"{raw!r}: Dialogic ADPCM has one channel, as in vox:6000")
    return name, int(rate), int(channels or 1)


def _open(path: Path, options: DecodeOptions) -> Any:
    import av

    # "file:" keeps FFmpeg from reading a name such as "concat:…" as a protocol; its whitelist keeps playlists from
    # opening other files or the network.
    # WAV packets of 64 KiB and not 4: half the time that decoding takes would go into their frames.
    guard = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS), "max_size": "65536"}
    url = "file:" + str(path)
    if options.raw is not None and suffix_is_headerless(path):
        name, rate, channels = parse_raw(options.raw)
        if name == "vox":
            return _Vox(path, rate)
        layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels}c")
        return av.open(url, format=name, options={"protocol_whitelist": "file", "sample_rate": str(rate), "ch_layout": layout})
    return av.open(url, options=guard, metadata_errors="replace")


_FORMATS = (
    "wav,w64,mp3,aac,amr,amrnb,amrwb,flac,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,gsm,aiff,au,caf,voc,wv,tta,ape,nistsphere,sph,nist,"
    "g729,g722,tak,ac3,eac3,dts,mpegts,mpeg,avi,flv,xwma,sox,ircam,avr,rm,mpc,mpc8,loas,latm,spdif"
).split(",")


def _why_not_open(path: Path, error: Exception) -> AudioError:
    kind = type(error).__name__
    if isinstance(error, PermissionError):
        return AudioError("the file cannot be read: permission denied", where=str(path), code="unreadable")
    if _looks_like_audio(path):
        return AudioError(f"it begins like a recording, but cannot be decoded ({kind})", where=str(path), code="undecodable")
    return AudioError(f"this is no recording that can be read ({kind})", where=str(path), code="not_audio")


def _looks_like_audio(path: Path) -> bool:
    try:
        return is_audio(path)
    except OSError:
        return False


def _stream_frames(path: Path, container: Any, stream: Stream, in_time: Callable[[], None]) -> Iterator[Any]:
    """Frames of a container's first audio stream, of which `stream` is told. Raises AudioError when it has none."""
    if not container.streams.audio:
        raise AudioError("the file holds no audio stream", where=str(path), code="no_audio_stream")
    source = container.streams.audio[0]
    stream.container = str(container.format.name).split(",")[0]
    stream.codec = str(source.codec_context.name)
    if len(container.streams.audio) > 1:
        stream.warn("more_streams")
    return _frames(container, source, stream, in_time)


class _Vox:
    """A headerless Dialogic ADPCM file (VOX), for which FFmpeg has a decoder and no container."""

    _BYTES = 4096

    def __init__(self, path: Path, rate_hz: int) -> None:
        import av

        self.file = open(path, "rb")  # noqa: SIM115  (closed by its own exit)
        codec: Any = av.CodecContext.create("adpcm_ima_oki", "r")
        codec.sample_rate, codec.layout = rate_hz, "mono"
        self.codec = codec

    def __enter__(self) -> _Vox:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def frames(self, in_time: Callable[[], None]) -> Iterator[Any]:
        """Decoded frames to the end of the file."""
        import av

        while data := self.file.read(self._BYTES):
            in_time()
            yield from self.codec.decode(av.Packet(data))


def _in_time(path: Path, stream: Stream, stall_s: float) -> Callable[[], None]:
    """A check that decoding keeps up with the recording's own clock, but for `stall_s`; it raises AudioError (`timeout`)."""
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > stall_s + stream.decoded_samples / max(stream.rate_hz, 1):
            raise timed_out(str(path))

    return check


def timed_out(where: str) -> AudioError:
    """The error of a recording whose decoding does not end."""
    hint = "look at the disk or the network it lies on, else leave it out"
    return AudioError("decoding it takes longer than hearing it, or stands still", where=where, hint=hint, code="timeout")


def _frames(container: Any, source: Any, stream: Stream, in_time: Callable[[], None]) -> Iterator[Any]:
    """Decoded frames; a packet that does not decode is skipped and noted."""
    import av

    bad = 0
    packets = container.demux(source)
    while True:
        in_time()
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError, ValueError):  # the container breaks off here
            stream.warn("truncated")
            packet = None
        try:
            yield from source.codec_context.decode(packet)
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, ValueError, OverflowError, MemoryError):
            if packet is not None and packet.size:
                stream.warn("damaged")
                bad += 1
        if packet is None or bad > _MAX_BAD_PACKETS:
            return


def _resampled(frames: Iterator[Any], stream: Stream, rate_hz: int) -> Iterator[np.ndarray]:
    """Frames as float32 [channels, n] at one rate; gaps in the file's own clock become silence."""
    import numpy as np

    state: tuple[int, int] | None = None
    resampler: _Resampler | None = None
    clock: float | None = None
    for frame in frames:
        data = _planar(frame)
        if data is None or data.shape[1] == 0 or not 500 <= frame.sample_rate <= 768_000:
            stream.warn("damaged")
            continue
        if stream.channels == 0:
            stream.channels, stream.rate_hz = min(data.shape[0], MAX_CHANNELS), int(frame.sample_rate)
        data = _same_channels(data, stream)
        if state != (data.shape[0], frame.sample_rate):
            if resampler is not None:
                stream.warn("rate_changed")
                yield from resampler.flush()
            state, resampler = (data.shape[0], frame.sample_rate), _Resampler(int(frame.sample_rate), rate_hz)
        assert resampler is not None
        start = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        if clock is not None and start is not None and start - clock > _GAP_NOTICED_S:
            if start - clock <= _GAP_FILLED_S:
                yield from resampler.push(np.zeros((data.shape[0], round((start - clock) * frame.sample_rate)), np.float32))
            else:
                stream.warn("time_jump")
        stream.decoded_samples += data.shape[1]
        clock = None if start is None else start + data.shape[1] / frame.sample_rate
        yield from resampler.push(data)
    if resampler is not None:
        yield from resampler.flush()


def _same_channels(data: np.ndarray, stream: Stream) -> np.ndarray:
    """Keep the first frame's channel count: channels that appear later are dropped, missing ones are silent, both noted."""
    import numpy as np

    if data.shape[0] == stream.channels:
        return data
    stream.warn("channels_changed")
    if data.shape[0] > stream.channels:
        return data[: stream.channels]
    return np.concatenate([data, np.zeros((stream.channels - data.shape[0], data.shape[1]), np.float32)])


_SCALES: dict[str, tuple[float, float]] = {"u8": (128.0, 128.0), "s16": (0.0, 32768.0), "s32": (0.0, 2147483648.0)}


def _planar(frame: Any) -> np.ndarray | None:
    """A frame's samples as float32 [channels, n] in -1…1; None for a sample format that FFmpeg's decoders do not give."""
    import numpy as np

    raw = frame.to_ndarray()
    name = frame.format.name
    base = name.removesuffix("p")
    if not frame.format.is_planar:
        raw = raw.reshape(-1, len(frame.layout.channels)).T
    if base in ("flt", "dbl"):
        data = raw.astype(np.float32)
        return np.nan_to_num(np.clip(data, -8.0, 8.0), nan=0.0, posinf=8.0, neginf=-8.0)
    if base not in _SCALES:
        return None
    zero, scale = _SCALES[base]
    return ((raw.astype(np.float32) - np.float32(zero)) / np.float32(scale)).astype(np.float32)


class _Resampler:
    """One rate to another, every channel on its own, through FFmpeg's resampler, so that layouts cannot mix channels."""

    _BLOCK = 1 << 16

    def __init__(self, source_hz: int, target_hz: int) -> None:
        self.source_hz, self.target_hz = source_hz, target_hz
        self.lanes: list[Any] = []
        self.held: list[np.ndarray] = []
        self.held_samples = 0

    def push(self, data: np.ndarray) -> Iterator[np.ndarray]:
        """Take [channels, n]; yield what is ready. Input is gathered into blocks, so that small frames cost little."""
        self.held.append(data)
        self.held_samples += data.shape[1]
        if self.held_samples >= self._BLOCK:
            yield from self._drain(last=False)

    def flush(self) -> Iterator[np.ndarray]:
        """Yield the rest."""
        yield from self._drain(last=True)

    def _drain(self, last: bool) -> Iterator[np.ndarray]:
        import av
        import numpy as np

        if not self.held:
            return
        data = np.concatenate(self.held, axis=1)
        self.held, self.held_samples = [data[:, :0]], 0
        if self.source_hz == self.target_hz:
            if data.shape[1]:
                yield data
            return
        if not self.lanes:
            self.lanes = [av.AudioResampler(format="flt", layout="mono", rate=self.target_hz) for _ in range(data.shape[0])]
        rows = [self._lane(lane, row, last) for lane, row in zip(self.lanes, data, strict=True)]
        shortest = min(r.shape[0] for r in rows)
        if shortest:
            yield np.stack([r[:shortest] for r in rows])

    def _lane(self, lane: Any, row: np.ndarray, last: bool) -> np.ndarray:
        import av
        import numpy as np

        frames = []
        if row.shape[0]:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(row)[None], format="flt", layout="mono")
            frame.sample_rate = self.source_hz
            frames += lane.resample(frame)
        if last:
            frames += lane.resample(None)
        pieces = [f.to_ndarray()[0] for f in frames]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _notice_truncation(path: Path, stream: Stream, seconds: float, limit_s: float) -> None:
    """Compare what was decoded with what the header promised; a promise beyond any call's length is not believed."""
    promised = declared_samples(path, stream.container)
    if promised is not None and stream.rate_hz:
        expected = promised / stream.rate_hz
        if expected - seconds > max(0.25, 0.002 * expected):
            stream.warn("truncated")
            stream.expected_ms = round(expected * 1000) if expected <= limit_s else None
    elif missing_end(path):
        stream.warn("truncated")
