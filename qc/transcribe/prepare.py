"""A recording to what an engine can hear: decode, measure, find speech, cut. No engine is needed, so producers do it ahead.

What comes out holds the samples of the speech alone, and every figure that the row needs besides: the recording itself is
let go here, so that a call waiting for the device costs little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qc.audio.crosstalk import leaked, same_channels
from qc.audio.decode import RATE_HZ, Audio, decode
from qc.audio.levels import frame_dbfs
from qc.audio.remote import on_disk
from qc.audio.tones import Stretch, find_tones
from qc.errors import CallError
from qc.transcribe.engines import CallKey, Window
from qc.transcribe.options import SILENT_DBFS, TranscribeOptions
from qc.transcribe.speakers import FLOOR
from qc.transcribe.speech import FRAME_MS, speech_probabilities
from qc.transcribe.voices import can_tell, tell_apart
from qc.transcribe.windows import Span, SpeechOptions, find_spans

if TYPE_CHECKING:
    import numpy as np

_TONE_OVERLAP = 0.8
_MUSIC_SURE = 0.8
_SURE = 0.5
_LEAK_NOTICED_MS = 500
_TURN_GAP_MS = 200


@dataclass(frozen=True)
class Cut:
    """One stretch of speech as measured. `share`: share of its frames that are surely speech.

    `power`: sum of its squared samples; `samples`: how many there are: levels of any set of stretches come from these.
    `speaker`: which of the two voices of a one-channel recording, 0 or 1; None where nobody can say, or the channel does.
    """

    span: Span
    share: float
    power: float
    samples: int
    speaker: int | None = None


@dataclass(frozen=True)
class Ready:
    """A call that an engine can hear: one window for each cut, in order of start, then channel.

    `lanes`: channels that count (1 where two hold the same mix); `channels`: those that the file has.
    """

    key: CallKey
    container: str
    codec: str
    rate_hz: int
    channels: int
    lanes: int
    duration_ms: int
    expected_ms: int | None
    warnings: tuple[str, ...]
    cuts: tuple[Cut, ...]
    windows: tuple[Window, ...]
    sureness: float = 0.0
    """That the cuts' speakers are two voices told apart rightly, 0 to 1; 0 where nobody tried."""

    @property
    def nbytes(self) -> int:
        """Bytes of the samples held."""
        return sum(w.samples.nbytes for w in self.windows)


def key_of(call: Mapping[str, Any]) -> CallKey:
    """What names a row of `calls` to an engine."""
    return CallKey(call["call_id"], call["file"] or "", call["sha256"] or "")


def prepare(
    call: Mapping[str, Any], options: TranscribeOptions, longest_ms: int, known: Callable[[CallKey], list[Span] | None]
) -> Ready:
    """Decode a row of `calls` and cut its speech. Raises CallError (and AudioError) for one that cannot be done.

    `longest_ms`: the longest window that the engine takes; `known`: where speech is, for an engine that knows already.
    """
    if not call["path"]:
        raise CallError("the list names a recording that was not found", where=str(call["file"]), code="missing_file")
    with on_disk(call["path"]) as path:
        audio = decode(path, options.decode)
    one = same_channels(audio.samples)
    warnings = [*audio.warnings, *(["same_channels"] if one else [])]
    lanes = 1 if one else audio.channels
    key = key_of(call)
    places = known(key)
    speech = _fitting(options.speech, longest_ms)
    by_voice = lanes == 1 and places is None and options.mono_role == "unknown" and options.voices and can_tell()
    if by_voice:  # people answer one another faster than one of them pauses
        speech = replace(speech, min_silence_ms=min(speech.min_silence_ms, _TURN_GAP_MS))
    spans, shares = _find(audio, lanes, places, speech, warnings)
    cuts = [_cut(audio, s, share) for s, share in zip(spans, shares, strict=True)]
    sureness = 0.0
    if by_voice:
        cuts, sureness = _by_voice(audio, cuts)
    return Ready(
        key=key,
        container=audio.container,
        codec=audio.codec,
        rate_hz=audio.source_rate_hz,
        channels=audio.channels,
        lanes=lanes,
        duration_ms=audio.duration_ms,
        expected_ms=audio.expected_ms,
        warnings=tuple(warnings),
        cuts=tuple(cuts),
        windows=tuple(_window(audio, c.span) for c in cuts),
        sureness=sureness,
    )


def _by_voice(audio: Audio, cuts: Sequence[Cut]) -> tuple[list[Cut], float]:
    """The cuts of a one-channel recording with their speakers, cut again where the voice changes; as they are where that is unsure."""
    voices = tell_apart(audio.samples[0], [c.span for c in cuts])
    if voices is None or voices.sureness < FLOOR:
        return list(cuts), 0.0
    found = []
    for span, speaker in zip(voices.spans, voices.speakers, strict=True):
        whole = next(c for c in cuts if c.span.start_ms <= span.start_ms and span.end_ms <= c.span.end_ms)
        found.append(replace(_cut(audio, span, whole.share), speaker=speaker))
    return found, voices.sureness


def _fitting(speech: SpeechOptions, longest_ms: int) -> SpeechOptions:
    return replace(speech, max_ms=max(1_000, min(speech.max_ms, longest_ms - 2 * speech.pad_ms)))


def _find(
    audio: Audio, lanes: int, known: list[Span] | None, speech: SpeechOptions, warnings: list[str]
) -> tuple[list[Span], list[float]]:
    """Spans in order of start, then channel, and the share of sure speech frames in each."""
    loud = []
    for channel in range(lanes):
        levels = frame_dbfs(audio.samples[channel])
        if levels.size and float(levels.max()) >= SILENT_DBFS:
            loud.append(channel)
        else:
            warnings.append(f"silent_channel:{channel}")
    if known is not None:
        kept = [s for s in known if s.channel < lanes]
        if not kept:
            warnings.append("no_speech")
        return kept, [1.0] * len(kept)
    found: list[tuple[Span, float]] = []
    probabilities = _probabilities(audio, loud, warnings)
    for row, channel in enumerate(loud):
        tones = find_tones(audio.samples[channel])
        warnings += [f"{kind}:{channel}" for kind in sorted({t.kind for t in tones}, reverse=True)]
        spans = find_spans(probabilities[row], frame_dbfs(audio.samples[channel]), channel, audio.duration_ms, speech)
        found += [(s, _share(probabilities[row], s)) for s in spans if not _is_tone(s, probabilities[row], tones)]
    if not found:
        warnings.append("no_speech")
    found.sort(key=lambda pair: (pair[0].start_ms, pair[0].channel))
    return [s for s, _ in found], [share for _, share in found]


def _probabilities(audio: Audio, channels: Sequence[int], warnings: list[str]) -> np.ndarray:
    """Speech probabilities of some channels, float32 [len(channels), n_frames]; zero where a channel only hears another."""
    import numpy as np

    if not channels:
        return np.zeros((0, 0), np.float32)
    samples = audio.samples[list(channels)]
    probabilities = speech_probabilities(samples)
    leak = leaked(samples)
    speech = probabilities[:, : leak.shape[1]] >= _SURE
    for row, channel in enumerate(channels):
        if int((leak[row] & speech[row]).sum()) * FRAME_MS >= _LEAK_NOTICED_MS:
            warnings.append(f"crosstalk:{channel}")
    probabilities[:, : leak.shape[1]][leak] = 0.0
    return probabilities


def _frames(span: Span) -> slice:
    return slice(span.start_ms // FRAME_MS, max(span.start_ms // FRAME_MS + 1, -(-span.end_ms // FRAME_MS)))


def _share(probabilities: np.ndarray, span: Span) -> float:
    return float((probabilities[_frames(span)] >= _SURE).mean())


def _is_tone(span: Span, probabilities: np.ndarray, tones: Sequence[Stretch]) -> bool:
    """Whether a span lies in tones, or in music without being surely speech."""
    inside = {"tone": 0, "hold_music": 0}
    for tone in tones:
        kind = tone.kind if tone.kind in inside else "tone"
        inside[kind] += max(0, min(span.end_ms, tone.end_ms) - max(span.start_ms, tone.start_ms))
    length = span.end_ms - span.start_ms
    if inside["tone"] >= _TONE_OVERLAP * length:
        return True
    return inside["hold_music"] >= _TONE_OVERLAP * length and float(probabilities[_frames(span)].mean()) < _MUSIC_SURE


def _slice(audio: Audio, channel: int, start_ms: int, end_ms: int) -> np.ndarray:
    return audio.samples[channel, start_ms * RATE_HZ // 1000 : end_ms * RATE_HZ // 1000]


def _window(audio: Audio, span: Span) -> Window:
    # A copy: the window must not keep the whole recording alive.
    samples = _slice(audio, span.channel, span.hear_from_ms, span.hear_to_ms).copy()
    return Window(samples, span.channel, span.start_ms, span.end_ms, lead_ms=span.start_ms - span.hear_from_ms)


def _cut(audio: Audio, span: Span, share: float) -> Cut:
    return measured(span, share, _slice(audio, span.channel, span.start_ms, span.end_ms))


def measured(span: Span, share: float, samples: np.ndarray) -> Cut:
    """A stretch with its level. `samples`: its float32 [n_samples], without what the recogniser hears around it."""
    import numpy as np

    return Cut(span, share, float(np.square(samples, dtype=np.float64).sum()), int(samples.size))
