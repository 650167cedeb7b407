"""One call: recording to a row of `transcripts`. Decode, find speech, hear it, doubt it, say who spoke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from qc.audio.crosstalk import leaked, same_channels
from qc.audio.decode import RATE_HZ, Audio, decode
from qc.audio.find import local_path
from qc.audio.levels import dbfs, frame_dbfs
from qc.audio.tones import Stretch, find_tones
from qc.errors import CallError
from qc.transcribe import guard
from qc.transcribe.engines import CallKey, Engine, Heard, Window
from qc.transcribe.options import SILENT_DBFS, TranscribeOptions, canonical
from qc.transcribe.speech import FRAME_MS, detector_digest, speech_probabilities
from qc.transcribe.windows import Span, SpeechOptions, find_spans
from qc.version import VERSION

if TYPE_CHECKING:
    import numpy as np

_TONE_OVERLAP = 0.8
_MUSIC_SURE = 0.8
_SURE = 0.5
_LEAK_NOTICED_MS = 500


@dataclass(frozen=True)
class _Said:
    """A span, what was heard in it, and why that may not be trusted."""

    span: Span
    heard: Heard
    text: str
    flags: tuple[str, ...]


def transcribe_call(call: Mapping[str, Any], engine: Engine, options: TranscribeOptions) -> dict[str, Any]:
    """The `transcripts` row of a row of `calls`. Raises CallError (and AudioError) for one that cannot be done."""
    if not call["path"]:
        raise CallError("the list names a recording that was not found", where=str(call["file"]), code="missing_file")
    audio = decode(local_path(call["path"]), options.decode)
    key = CallKey(call["call_id"], call["file"] or "", call["sha256"] or "")
    agent = agent_channel_of(call, options)
    one = same_channels(audio.samples)
    roles, warnings = _roles(1 if one else audio.channels, agent, options)
    warnings = [*audio.warnings, *(["same_channels"] if one else []), *warnings]
    spans, shares = _find(audio, engine, key, _fitting(options.speech, engine), warnings)
    heard = engine.hear(key, [_window(audio, s) for s in spans])
    said = [_judge(s, h, share, options) for s, h, share in zip(spans, heard, shares, strict=True)]
    row = identity(call, engine, options)
    row |= {
        "status": "ok",
        "warnings": warnings,
        "container": audio.container,
        "codec": audio.codec,
        "rate_hz": audio.source_rate_hz,
        "channels": audio.channels,
        "duration_ms": audio.duration_ms,
        "roles": _role_rows(said, roles, audio),
        "spans": _span_rows(said, roles, audio),
        "turns": _turn_rows(said, roles, audio),
    }
    return row


def failed_row(call: Mapping[str, Any], engine: Engine, options: TranscribeOptions, error: CallError) -> dict[str, Any]:
    """The row of a call that could not be done: what, where, what to do."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return identity(call, engine, options) | {"status": "failed", "reason": error.code, "message": message}


def identity(call: Mapping[str, Any], engine: Engine, options: TranscribeOptions) -> dict[str, Any]:
    """The columns that say of what, by what and how a row was made: a finished row is current while these are."""
    return {
        "call_id": call["call_id"],
        "source": "audio",
        "audio_sha256": call["sha256"],
        "language": options.language,
        "engine": engine.name,
        "model": engine.model,
        "model_sha256": engine.model_sha256,
        "options": canonical(options, agent_channel_of(call, options), detector_digest()),
        "tool_version": VERSION,
    }


def agent_channel_of(call: Mapping[str, Any], options: TranscribeOptions) -> int:
    """The agent's channel: the call list's, else the option's."""
    listed = call["agent_channel"]
    return options.agent_channel if listed is None else int(listed)


def _roles(channels: int, agent: int, options: TranscribeOptions) -> tuple[list[str], list[str]]:
    """Each channel's role, and warnings. Two channels: agent and customer; one: `mono_role`; further ones: unknown."""
    if channels == 1:
        return [options.mono_role], ["mono"]
    if agent >= channels:
        return ["unknown"] * channels, ["agent_channel_missing"]
    roles = ["unknown"] * channels
    roles[agent] = "agent"
    if agent < 2:
        roles[1 - agent] = "customer"
    elif channels > 2:
        roles[0] = "customer"
    return roles, []


def _fitting(speech: SpeechOptions, engine: Engine) -> SpeechOptions:
    from dataclasses import replace

    return replace(speech, max_ms=max(1_000, min(speech.max_ms, engine.longest_ms - 2 * speech.pad_ms)))


def _find(
    audio: Audio, engine: Engine, key: CallKey, speech: SpeechOptions, warnings: list[str]
) -> tuple[list[Span], list[float]]:
    """Spans in order of start, then channel, and the share of sure speech frames in each."""
    loud = []
    used = 1 if "same_channels" in warnings else audio.channels
    for channel in range(used):
        levels = frame_dbfs(audio.samples[channel])
        if levels.size and float(levels.max()) >= SILENT_DBFS:
            loud.append(channel)
        else:
            warnings.append(f"silent_channel:{channel}")
    known = engine.spans(key)
    if known is not None:
        kept = [s for s in known if s.channel < used]
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
    inside = {"ringback": 0, "hold_music": 0}
    for tone in tones:
        inside[tone.kind] += max(0, min(span.end_ms, tone.end_ms) - max(span.start_ms, tone.start_ms))
    length = span.end_ms - span.start_ms
    if inside["ringback"] >= _TONE_OVERLAP * length:
        return True
    return inside["hold_music"] >= _TONE_OVERLAP * length and float(probabilities[_frames(span)].mean()) < _MUSIC_SURE


def _slice(audio: Audio, channel: int, start_ms: int, end_ms: int) -> np.ndarray:
    return audio.samples[channel, start_ms * RATE_HZ // 1000 : end_ms * RATE_HZ // 1000]


def _window(audio: Audio, span: Span) -> Window:
    return Window(_slice(audio, span.channel, span.hear_from_ms, span.hear_to_ms), span.channel, span.start_ms, span.end_ms)


@cache
def _simplifier() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def _judge(span: Span, heard: Heard, share: float, options: TranscribeOptions) -> _Said:
    text = heard.text.strip()
    if options.language == "zh":
        text = _simplifier().convert(text)
    if not any(c.isalnum() for c in text):
        return _Said(span, heard, "", ())
    utterance = guard.Utterance(
        text, options.language, span.end_ms - span.start_ms, share, heard.avg_logprob, heard.no_speech_prob, heard.capped
    )
    return _Said(span, heard, text, tuple(guard.flags(utterance, options.guard)))


def _turn_rows(said: Sequence[_Said], roles: Sequence[str], audio: Audio) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in said:
        if one.text:
            rows.append(
                {
                    "turn": len(rows),
                    "channel": one.span.channel,
                    "role": roles[one.span.channel],
                    "start_ms": one.span.start_ms,
                    "end_ms": one.span.end_ms,
                    "text": one.text,
                    "avg_logprob": one.heard.avg_logprob,
                    "no_speech_prob": one.heard.no_speech_prob,
                    "char_ms": None,
                    "level_dbfs": round(dbfs(_slice(audio, one.span.channel, one.span.start_ms, one.span.end_ms)), 2),
                    "flags": list(one.flags),
                }
            )
    return rows


def _span_rows(said: Sequence[_Said], roles: Sequence[str], audio: Audio) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "channel": one.span.channel,
            "role": roles[one.span.channel],
            "start_ms": one.span.start_ms,
            "end_ms": one.span.end_ms,
            "heard": _is_heard(one),
            "why": None if _is_heard(one) else (one.flags[0] if one.flags else "no_text"),
        }
        for one in said
    ]
    if audio.expected_ms is not None and audio.expected_ms > audio.duration_ms:
        # What a cut recording lost may have held anyone's words: unknown speech, so that no verdict rests on its absence.
        lost = {"start_ms": audio.duration_ms, "end_ms": audio.expected_ms, "heard": False, "why": "truncated"}
        rows.append({"channel": 0, "role": "unknown", **lost})
    return rows


def _is_heard(one: _Said) -> bool:
    return bool(one.text) and not one.flags


def _role_rows(said: Sequence[_Said], roles: Sequence[str], audio: Audio) -> list[dict[str, Any]]:
    rows = []
    for channel, role in enumerate(roles):
        mine = [one for one in said if one.span.channel == channel]
        speech = sum(one.span.end_ms - one.span.start_ms for one in mine)
        heard = sum(one.span.end_ms - one.span.start_ms for one in mine if _is_heard(one))
        rows.append(
            {
                "channel": channel,
                "role": role,
                "speech_ms": speech,
                "heard_ms": heard,
                "coverage": heard / speech if speech else None,
                "level_dbfs": _speech_level(audio, mine),
            }
        )
    return rows


def _speech_level(audio: Audio, said: Sequence[_Said]) -> float | None:
    import numpy as np

    pieces = [_slice(audio, one.span.channel, one.span.start_ms, one.span.end_ms) for one in said]
    return round(dbfs(np.concatenate(pieces)), 2) if pieces else None
