"""The door for speech engines: what one must do, and the one visible dict of those there are.

To add one: a file here with a function `open_engine(request) -> Engine`, and a line in `ENGINES`. Every engine must pass
tests/transcribe/test_engines.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from qc.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from qc.progress import Progress
    from qc.transcribe.windows import Span

RATE_HZ = 16_000


@dataclass(frozen=True)
class EngineRequest:
    """What the caller asks for. `model`: a name, a file or a folder; `device`: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    `batch`: windows at once, 0 for as many as the memory takes; `dtype`: `auto`, `int8`, `float32`, `bfloat16`, `float16`; `pack`:
    several utterances in one window, `auto` (as the model takes it), `on` or `off`; `prompt`: words to expect; `model_dir`:
    where models are instead of the cache; `progress`: told of a download.
    """

    model: str
    language: str = "zh"
    device: str = "auto"
    batch: int = 0
    dtype: str = "auto"
    pack: str = "auto"
    prompt: str = ""
    model_dir: Path | None = None
    progress: Progress | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Window:
    """What an engine hears at once. `samples`: float32 [n_samples] at 16 kHz, one channel; `speech_ms`: how much of it is speech.

    `start_ms`, `end_ms`: the speech's place in the recording, without the pads that `samples` has; `lead_ms`: the pad before
    it. `alone`: not to be packed with others; `temperature`: above 0 words are drawn, not the likeliest taken (a second
    chance), the same ones for the same samples.
    """

    samples: np.ndarray
    channel: int
    start_ms: int
    end_ms: int
    lead_ms: int = 0
    alone: bool = False
    temperature: float = 0.0

    @property
    def speech_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(frozen=True)
class Heard:
    """What an engine made of one window. Probabilities are None where it has none; `capped`: it had to be stopped.

    `char_ms`: when each character of `text` was said, in ms of the recording; None where the engine does not know.
    """

    text: str
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    capped: bool = False
    char_ms: tuple[int, ...] | None = None


@dataclass(frozen=True)
class CallKey:
    """What names a call to an engine that knows calls (replay): its id, its file and the bytes' digest."""

    call_id: str
    file: str
    sha256: str


@runtime_checkable
class Engine(Protocol):
    """A recogniser that is loaded and ready.

    The same windows in the same order give the same answers, whatever was heard before. `longest_ms`: the longest
    window it takes. `model_sha256`: digest of what it is loaded from. `at_once`: how many calls it likes to hear at once, each
    from a thread of its own. `knows_calls`: its `spans` gives places, and its calls are prepared where it is. `rough_times`:
    its times of characters come from attention heads that nobody chose for it. One with `greedy` set minds no temperature.
    """

    name: str
    model: str
    model_sha256: str
    longest_ms: int
    at_once: int
    knows_calls: bool
    rough_times: bool

    def spans(self, call: CallKey) -> list[Span] | None:
        """Where this call's speech is, for an engine that knows already; None leaves it to speech detection.

        Raises CallError when the engine knows calls and not this one.
        """

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        """One answer for each window of one call, in order. Raises CallError when this call cannot be done."""


def _whisper(request: EngineRequest) -> Engine:
    from qc.transcribe.engines.whisper import open_engine

    return open_engine(request)


def _openai(request: EngineRequest) -> Engine:
    from qc.transcribe.engines.openai import open_engine

    return open_engine(request)


def _faster_whisper(request: EngineRequest) -> Engine:
    from qc.transcribe.engines.faster_whisper import open_engine

    return open_engine(request)


def _replay(request: EngineRequest) -> Engine:
    from qc.transcribe.engines.replay import open_engine

    return open_engine(request)


ENGINES: dict[str, Callable[[EngineRequest], Engine]] = {
    "whisper": _whisper,
    "openai": _openai,
    "faster-whisper": _faster_whisper,
    "replay": _replay,
}


def address_of(model: str) -> str | None:
    """Where a published Whisper model is downloaded from; None for one that is here. Nothing is read or downloaded.

    Raises ModelError for a name, file or folder that is no model.
    """
    from qc.transcribe.embedded import EMBEDDED_NAME
    from qc.transcribe.engines.checkpoints import locate, published
    from qc.transcribe.engines.hugging_face import CONFIG

    here = model.lower().endswith(".jsonl") or Path(model).is_file() or (Path(model) / CONFIG).is_file()
    if here or model == EMBEDDED_NAME:
        return None
    url = published().get(model)
    if url is None:
        locate(model)  # raises what is wrong with it
    return url


def fetch_model(model: str, model_dir: Path | None, progress: Progress) -> None:
    """Download a published Whisper model that is not there yet, and tell of it; nothing is read of one that is there.

    Raises ModelError, also for a name that none has.
    """
    from qc.transcribe.engines.download import default_folder, fetch

    url = address_of(model)
    folder = default_folder() if model_dir is None else model_dir
    if url is not None and not (folder / url.split("/")[-1]).is_file():
        fetch(model, url, folder, progress)


def open_engine(name: str, request: EngineRequest) -> Engine:
    """Load an engine; `auto` is `replay` for a `.jsonl` model and `whisper` for any other. Raises UsageError, ModelError."""
    if name == "auto":
        name = "replay" if request.model.lower().endswith(".jsonl") else "whisper"
    if name not in ENGINES:
        raise UsageError(f"no such engine: {name}", hint=f"there are {', '.join(ENGINES)}", code="engine")
    return ENGINES[name](request)
