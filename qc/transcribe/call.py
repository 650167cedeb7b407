"""One call: what was prepared to a row of `transcripts`. Hear it, doubt it, say who spoke."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from qc.audio.levels import SILENCE_DBFS
from qc.errors import CallError
from qc.transcribe import guard
from qc.transcribe.engines import Engine, Heard, Window
from qc.transcribe.options import TranscribeOptions, canonical
from qc.transcribe.prepare import Cut, Ready, prepare
from qc.transcribe.second import second_chance
from qc.transcribe.speakers import agent_of
from qc.transcribe.speech import detector_digest
from qc.version import VERSION


@dataclass(frozen=True)
class Maker:
    """What a row says of how it was made: the engine's name, the model's name and digest. `longest_ms`: its longest window."""

    name: str
    model: str
    model_sha256: str
    longest_ms: int

    @staticmethod
    def of(engine: Engine) -> Maker:
        """The facts of a loaded engine, without the engine."""
        return Maker(engine.name, engine.model, engine.model_sha256, engine.longest_ms)


@dataclass(frozen=True)
class _Said:
    """A cut, what was heard in it, and why that may not be trusted."""

    cut: Cut
    heard: Heard
    text: str
    flags: tuple[str, ...]


def transcribe_call(call: Mapping[str, Any], engine: Engine, options: TranscribeOptions) -> dict[str, Any]:
    """The `transcripts` row of a row of `calls`. Raises CallError (and AudioError) for one that cannot be done."""
    return hear_call(call, prepare(call, options, engine.longest_ms, engine.spans), engine, options)


def hear_call(call: Mapping[str, Any], ready: Ready, engine: Engine, options: TranscribeOptions) -> dict[str, Any]:
    """The row of a call that is prepared. Raises CallError for one that cannot be done."""

    def hear(windows: Sequence[Window]) -> list[Heard]:
        return engine.hear(ready.key, windows)

    heard = hear(ready.windows)
    if options.second_chance and not getattr(engine, "knows_calls", False):
        draws = not getattr(engine, "greedy", False)
        ready, heard = second_chance(ready, heard, lambda c, h: _judged(c, h, options), hear, options, draws)
    return finish(call, ready, heard, engine, options)


def finish(
    call: Mapping[str, Any], ready: Ready, heard: Sequence[Heard], engine: Engine, options: TranscribeOptions
) -> dict[str, Any]:
    """The row of a call whose windows were heard: one answer for each window."""
    said = [_judge(c, h, options) for c, h in zip(ready.cuts, heard, strict=True)]
    roles, warnings = _roles(ready.lanes, agent_channel_of(call, options), options)
    if ready.sureness:
        roles, warnings = _roles_by_voice(said, ready.sureness)
    if getattr(engine, "rough_times", False) and any(one.text for one in said):
        warnings = [*warnings, "rough_times"]
    row = identity(call, Maker.of(engine), options)
    row |= {
        "status": "ok",
        "warnings": [*ready.warnings, *warnings],
        "container": ready.container,
        "codec": ready.codec,
        "rate_hz": ready.rate_hz,
        "channels": ready.channels,
        "duration_ms": ready.duration_ms,
        "roles": _role_rows(said, roles),
        "spans": _span_rows(said, roles, ready),
        "turns": _turn_rows(said, roles),
    }
    return row


def failed_row(call: Mapping[str, Any], maker: Maker, options: TranscribeOptions, error: CallError) -> dict[str, Any]:
    """The row of a call that could not be done: what, where, what to do."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return identity(call, maker, options) | {"status": "failed", "reason": error.code, "message": message}


def identity(call: Mapping[str, Any], maker: Maker, options: TranscribeOptions) -> dict[str, Any]:
    """The columns that say of what, by what and how a row was made: a finished row is current while these are."""
    return {
        "call_id": call["call_id"],
        "source": "audio",
        "audio_sha256": call["sha256"],
        "language": options.language,
        "engine": maker.name,
        "model": maker.model,
        "model_sha256": maker.model_sha256,
        "options": canonical(options, agent_channel_of(call, options), detector_digest()),
        "tool_version": VERSION,
    }


def agent_channel_of(call: Mapping[str, Any], options: TranscribeOptions) -> int:
    """The agent's channel: the call list's, else the option's."""
    listed = call["agent_channel"]
    return options.agent_channel if listed is None else int(listed)


@dataclass(frozen=True)
class _Roles:
    """Who speaks: each channel's role, or each voice's on the one channel."""

    of: tuple[str, ...]
    by_voice: bool = False

    def role(self, cut: Cut) -> str:
        """The role of whoever speaks in a cut."""
        if self.by_voice:
            return "unknown" if cut.speaker is None else self.of[cut.speaker]
        return self.of[cut.span.channel]

    def lanes(self) -> list[tuple[int, str]]:
        """(channel, role), one for each role of each channel."""
        return [(0 if self.by_voice else n, role) for n, role in enumerate(self.of)]


def _roles_by_voice(said: Sequence[_Said], sureness: float) -> tuple[_Roles, list[str]]:
    """Roles of the two voices of a one-channel recording by what each says, and warnings; unknown where that is unsure."""
    texts = [[one.text for one in said if one.cut.speaker == k and one.text and not one.flags] for k in (0, 1)]
    agent, sure = agent_of(texts, sureness)
    if agent is None:
        return _Roles(("unknown",)), ["mono"]
    return _Roles(tuple("agent" if k == agent else "customer" for k in (0, 1)), by_voice=True), [
        "mono",
        f"voices:{sure:.0%}"[:-1],
    ]


def _roles(channels: int, agent: int, options: TranscribeOptions) -> tuple[_Roles, list[str]]:
    """Each channel's role, and warnings. Two channels: agent and customer; one: `mono_role`; further ones: unknown."""
    if channels == 1:
        return _Roles((options.mono_role,)), ["mono"]
    if agent >= channels:
        return _Roles(("unknown",) * channels), ["agent_channel_missing"]
    roles = ["unknown"] * channels
    roles[agent] = "agent"
    if agent < 2:
        roles[1 - agent] = "customer"
    elif channels > 2:
        roles[0] = "customer"
    return _Roles(tuple(roles)), []


@cache
def _simplifier() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def _judge(cut: Cut, heard: Heard, options: TranscribeOptions) -> _Said:
    return _Said(cut, heard, *_judged(cut, heard, options))


def _judged(cut: Cut, heard: Heard, options: TranscribeOptions) -> tuple[str, tuple[str, ...]]:
    """The text as it is stored, empty where it holds no word, and its flags."""
    text = heard.text.strip()
    if options.language == "zh":
        text = _simplifier().convert(text)
    if not any(c.isalnum() for c in text):
        return "", ()
    span = cut.span
    figures = (heard.avg_logprob, heard.no_speech_prob, heard.capped)
    utterance = guard.Utterance(text, options.language, span.end_ms - span.start_ms, cut.share, *figures, options.prompt)
    return text, tuple(guard.flags(utterance, options.guard))


def _turn_rows(said: Sequence[_Said], roles: _Roles) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in said:
        if one.text:
            rows.append(
                {
                    "turn": len(rows),
                    "channel": one.cut.span.channel,
                    "role": roles.role(one.cut),
                    "start_ms": one.cut.span.start_ms,
                    "end_ms": one.cut.span.end_ms,
                    "text": one.text,
                    "avg_logprob": one.heard.avg_logprob,
                    "no_speech_prob": one.heard.no_speech_prob,
                    "char_ms": _char_ms(one),
                    "level_dbfs": level_dbfs([one.cut]),
                    "flags": list(one.flags),
                }
            )
    return rows


def _char_ms(one: _Said) -> list[int] | None:
    """When each character of a turn's text was said; None where the engine does not say, or the text was changed in length."""
    times, heard = one.heard.char_ms, one.heard.text
    if times is None or len(times) != len(heard):
        return None
    kept = times[len(heard) - len(heard.lstrip()) : len(heard.rstrip())]
    return list(kept) if len(kept) == len(one.text) else None


def _span_rows(said: Sequence[_Said], roles: _Roles, ready: Ready) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "channel": one.cut.span.channel,
            "role": roles.role(one.cut),
            "start_ms": one.cut.span.start_ms,
            "end_ms": one.cut.span.end_ms,
            "heard": _is_heard(one),
            "why": None if _is_heard(one) else (one.flags[0] if one.flags else "no_text"),
        }
        for one in said
    ]
    if ready.expected_ms is not None and ready.expected_ms > ready.duration_ms:
        # What a cut recording lost may have held anyone's words: unknown speech, so that no verdict rests on its absence.
        lost = {"start_ms": ready.duration_ms, "end_ms": ready.expected_ms, "heard": False, "why": "truncated"}
        rows.append({"channel": 0, "role": "unknown", **lost})
    return rows


def _is_heard(one: _Said) -> bool:
    return bool(one.text) and not one.flags


def _role_rows(said: Sequence[_Said], roles: _Roles) -> list[dict[str, Any]]:
    rows = []
    for channel, role in roles.lanes():
        mine = [one for one in said if one.cut.span.channel == channel and roles.role(one.cut) == role]
        speech = sum(one.cut.span.end_ms - one.cut.span.start_ms for one in mine)
        heard = sum(one.cut.span.end_ms - one.cut.span.start_ms for one in mine if _is_heard(one))
        rows.append(
            {
                "channel": channel,
                "role": role,
                "speech_ms": speech,
                "heard_ms": heard,
                "coverage": heard / speech if speech else None,
                "level_dbfs": level_dbfs([one.cut for one in mine]) if mine else None,
            }
        )
    return rows


def level_dbfs(cuts: Sequence[Cut]) -> float:
    """Root-mean-square level of some cuts together, dBFS to two places."""
    power, samples = math.fsum(c.power for c in cuts), sum(c.samples for c in cuts)
    return round(max(SILENCE_DBFS, 10.0 * math.log10(max(power / samples, 1e-12))) if samples else SILENCE_DBFS, 2)
