"""The options of transcription, and the part of them that can change a transcript."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from qc.audio.decode import DecodeOptions
from qc.transcribe.guard import GuardOptions
from qc.transcribe.voices import VERSION, can_tell
from qc.transcribe.windows import SpeechOptions

ROLES = ("agent", "customer", "system", "unknown")
DEFAULT_MODEL = "turbo"
SILENT_DBFS = -60.0
HEARING = 2
"""The version of how we hear (cutting, engine, guard): raised when the same recording and options give another transcript, so
that what was heard the old way is heard again and not taken for current."""


@dataclass(frozen=True)
class TranscribeOptions:
    """How to transcribe.

    `model`: an openai-whisper name, `demo-zh`, a `.pt` file, a Hugging Face folder, or a `.jsonl` of prepared transcripts.
    `batch`: windows at once, 0 for as many as the memory takes. `dtype`, `pack`, `prompt`, `model_dir`: as of EngineRequest.
    `agent_channel`: the agent's channel, from 0, where the call list does not say. `mono_role`: the role of a one-channel recording.
    `second_chance`: hear flagged speech once more, cut otherwise. `voices`: tell the two sides of a one-channel recording apart. `redo`: transcribe again what is done. `commit_calls`,
    `commit_s`: a part is written after so many calls or seconds.
    `write`: formats to write besides (`srt`, `vtt`, `txt`, `json`), into `write_dir` or beside the recordings, with
    `redact` personal data masked in them. `workers`:
    processes that hear, 0 for none but this one; `producers`: processes that decode for them; None: as the machine and
    the number of calls ask for.
    """

    model: str = DEFAULT_MODEL
    engine: str = "auto"
    language: str = "zh"
    device: str = "auto"
    batch: int = 0
    dtype: str = "auto"
    pack: str = "auto"
    prompt: str = ""
    model_dir: Path | None = None
    agent_channel: int = 0
    mono_role: str = "unknown"
    second_chance: bool = True
    voices: bool = True
    redo: bool = False
    commit_calls: int = 8
    commit_s: float = 30.0
    workers: int | None = None
    producers: int | None = None
    write: tuple[str, ...] = ()
    write_dir: Path | None = None
    redact: bool = False
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    speech: SpeechOptions = field(default_factory=SpeechOptions)
    guard: GuardOptions = field(default_factory=GuardOptions)


def canonical(options: TranscribeOptions, agent_channel: int, detector: str) -> str:
    """Every option that can change a transcript, as JSON with sorted keys. `detector`: digest of the speech detector's weights."""
    speech, guard = options.speech, options.guard
    value = {
        "agent_channel": agent_channel,
        "detector": detector,
        "dtype": options.dtype,
        "hearing": HEARING,
        "language": options.language,
        "max_hours": options.decode.max_hours,
        "max_ms": speech.max_ms,
        "min_logprob": guard.min_logprob,
        "min_silence_ms": speech.min_silence_ms,
        "mono_role": options.mono_role,
        "pack": options.pack,
        "pad_ms": speech.pad_ms,
        "prompt": options.prompt,
        "raw": options.decode.raw,
        "second_chance": options.second_chance,
        "threshold": speech.threshold,
        "voices": VERSION if options.voices and can_tell() else "",
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
