"""Any Whisper checkpoint, fast: own forward functions on weights cast once, continuous batching, packed windows, times.

What it decodes is what `whisper.decode` decodes for the same window (language and task forced, no timestamps, the same
prompt and suppressed tokens); tests hold it to that, token for token in float32. A row stops at its own cap of tokens,
so that a loop costs little. Threads may call `hear` at once: their windows share the batch, and a window's text does not
depend on what else is in it.
"""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qc.errors import CallError, ModelError
from qc.transcribe.engines import RATE_HZ, CallKey, EngineRequest, Heard, Window
from qc.transcribe.engines.align import Aligner, fallback_heads
from qc.transcribe.engines.checkpoints import Checkpoint, Weights, locate, read_weights
from qc.transcribe.engines.decoder import Decoder, Job, Short, places_for
from qc.transcribe.engines.driver import Driver, NoMemoryError, cores, use_threads
from qc.transcribe.engines.matrices import eight_bits_fast
from qc.transcribe.engines.mel import HOP, log_mel
from qc.transcribe.engines.network import Caches, Network
from qc.transcribe.engines.tokens import Tokens
from qc.transcribe.packing import PACK_MS, Pack, cuts, pack, single

if TYPE_CHECKING:
    import numpy as np
    import torch

_TOKENS_PER_S = 8
_TOKENS_MORE = 16
_MARGIN_MS = 2_000
_ROWS = {"cpu": 16, "mps": 32, "cuda": 384}
_CALLS = {"cpu": 8, "mps": 8, "cuda": 96}  # float32 on a CPU: one, since its figures differ by a millionth with the batch
_MEMORY = {"cpu": 0.25, "mps": 0.25, "cuda": 0.7}  # share of the free memory that the caches may take


def open_engine(request: EngineRequest) -> WhisperEngine:
    """Find, check and load a checkpoint. Raises ModelError."""
    checkpoint = locate(request.model, request.model_dir, request.progress)
    driver = Driver()
    try:
        return driver.call(lambda: _open(checkpoint, request, driver))
    except BaseException:
        driver.stop()
        raise


def _open(checkpoint: Checkpoint, request: EngineRequest, driver: Driver) -> WhisperEngine:
    import torch

    device = torch.device(device_of(request.device))
    if device.type == "cpu":
        use_threads(cores())
    weights = read_weights(checkpoint)
    tokens = Tokens(weights.dims["n_vocab"], weights.dims["n_text_ctx"], request.language, request.prompt)
    network = Network(weights.dims, weights.state, device, *_dtype(request.dtype, device))
    pack_ms = {"auto": weights.pack_ms, "on": PACK_MS}.get(request.pack, 0)
    return WhisperEngine(checkpoint, network, tokens, request.batch, weights, pack_ms, driver)


def device_of(name: str) -> str:
    """The device of this name; `auto`: CUDA, else MPS, else the CPU. Raises ModelError for one that is not there."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"this machine has no device {name!r}: {reason}", hint="--device auto takes what there is", code="device"
        ) from error
    return str(device)


def _dtype(name: str, device: torch.device) -> tuple[torch.dtype, bool]:
    """The dtype asked for, and whether matrices are in 8 bits.

    `auto`: bfloat16 where the device multiplies it fast, else float16 on CUDA and float32 elsewhere; on a CPU that multiplies
    8-bit integers in hardware, `int8`: matrices in 8 bits and the rest as said.
    """
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name in known:
        return known[name], False
    if name not in ("auto", "int8"):
        raise ModelError(f"no such dtype: {name}", hint=f"auto, int8, {', '.join(known)}", code="dtype")
    if device.type == "cpu":
        eight = eight_bits_fast()
        if name == "int8" and not eight:
            raise ModelError("this processor does not multiply 8-bit integers in hardware", hint="--dtype auto", code="dtype")
        return torch.bfloat16 if _cpu_has_bf16() else torch.float32, eight
    if name == "int8":
        raise ModelError(f"int8 is for CPUs, not for {device}", hint="--dtype auto", code="dtype")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16, False
    return torch.float32, False


def _shares(network: Network) -> tuple[int, int]:
    """(cores that encode ahead, cores that decode): on a CPU; 0 ahead: all of them do one after the other.

    float32 does that: what multiplies it counts its threads for the whole process.
    """
    if network.device.type != "cpu":
        return 0, 0
    most = cores()
    if most == 1 or network.dtype.itemsize == 4:
        return 0, most
    own = max(1, most // 4)
    return most - own, own


def _cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware (AVX-512 BF16 or AMX); elsewhere it is slower than float32."""
    import torch

    asked = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(ask is not None and bool(ask()) for ask in asked)


class WhisperEngine:
    """A loaded checkpoint. `pack_ms`: most sound of a window of several utterances, 0
    for one a window. `tokens_per_s`: when set, every window says exactly so many tokens a second (to measure speed)."""

    name = "whisper"
    knows_calls = False

    def __init__(
        self,
        checkpoint: Checkpoint,
        network: Network,
        tokens: Tokens,
        batch: int,
        weights: Weights,
        pack_ms: int,
        driver: Driver,
    ) -> None:
        self.model, self.model_sha256 = checkpoint.name, checkpoint.sha256
        self.network, self.tokens = network, tokens
        heads = weights.alignment_heads
        self.rough_times = not heads
        self.at_once = 1 if network.dtype.itemsize == 4 and network.device.type == "cpu" else _CALLS[network.device.type]
        self.tokens_per_s: float | None = None
        frames = 2 * network.dims["n_audio_ctx"]
        self._frames = frames
        self.pack_ms = min(pack_ms, frames * HOP * 1000 // RATE_HZ)
        self.longest_ms = max(1_000, frames * HOP * 1000 // RATE_HZ - _MARGIN_MS)
        words = tokens.vocabulary
        align = Aligner(len(words.initial), heads or fallback_heads(network.dims))

        def mel(samples: Sequence[np.ndarray]) -> torch.Tensor:
            return log_mel(samples, network.dims["n_mels"], frames, network.device)

        short = Short(*weights.short) if weights.short else None
        self._driver = driver
        ahead, own = _shares(network)
        self._driver.begin(
            lambda rows: Decoder(network, words, rows, mel, align, ahead, own, short),
            batch or self._rows_that_fit(),
            (lambda: use_threads(own)) if own and not ahead else None,
        )
        weakref.finalize(self, driver.stop)

    @property
    def decoder(self) -> Decoder:
        """The decoder of the driver's thread."""
        return self._driver.decoder

    def _rows_that_fit(self) -> int:
        """Windows at once, by the memory that is free now."""
        kind = self.network.device.type
        _, positions = places_for(self.network, self.tokens.vocabulary)
        fit = int(_free_bytes(self.network.device) * _MEMORY[kind]) // Caches.row_bytes(self.network, positions)
        return max(1, min(_ROWS[kind], fit))

    def spans(self, call: CallKey) -> None:
        """None: speech detection says where speech is."""

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        """Greedy text of each window, packed where that is on. Raises CallError when the device's memory does not suffice."""
        packs = pack(windows, self.pack_ms) if self.pack_ms else single(windows)
        jobs = [self._job(one.windows) for one in packs]
        self._decode(call, jobs)
        answers: list[Heard | None] = [None] * len(windows)
        for one, job in zip(packs, jobs, strict=True):
            for number, heard in zip(one.members, self._answers(one, job), strict=True):
                answers[number] = heard
        return [a for a in answers if a is not None]

    def _decode(self, call: CallKey, jobs: Sequence[Job]) -> None:
        """Decode jobs, with those of other threads. Raises CallError when the device's memory does not suffice."""
        try:
            self._driver.decode(jobs)
        except NoMemoryError as error:
            raise CallError(
                "the device's memory does not suffice", where=call.call_id, hint="a smaller model", code="out_of_memory"
            ) from error

    def _job(self, windows: Sequence[Window]) -> Job:
        import numpy as np

        samples = windows[0].samples if len(windows) == 1 else np.concatenate([w.samples for w in windows])
        speech = sum(w.speech_ms for w in windows)
        cap = -(-_TOKENS_PER_S * speech // 1000) + _TOKENS_MORE
        if self.tokens_per_s is not None:
            return Job(samples, max(1, round(self.tokens_per_s * speech / 1000)), forced=True)
        heat = windows[0].temperature
        return Job(samples, cap, heat, zlib.crc32(np.ascontiguousarray(samples).tobytes()) if heat else 0)

    def _answers(self, one: Pack, job: Job) -> list[Heard]:
        """What was heard in each window of a pack."""
        spelled = self.tokens.spell(job.tokens)
        starts, peaks = job.starts or [], job.peaks or []
        if len(one.members) == 1:
            times = _within(one.windows[0], 0.0, [starts[t] for t in spelled.tokens])
            return [Heard(spelled.text, job.avg_logprob, job.nobody, job.capped, times)]
        places = [0, *cuts(spelled.text, [peaks[t] for t in spelled.tokens], one.between()), len(spelled.text)]
        answers = []
        for n, window in enumerate(one.windows):
            first, last = places[n], places[n + 1]
            text = spelled.text[first:last].strip()
            first += len(spelled.text[first:last]) - len(spelled.text[first:last].lstrip())
            origins = spelled.tokens[first : first + len(text)]
            used = sorted(set(origins))
            sure = sum(job.logprobs[t] for t in used) / len(used) if used else None
            capped = job.capped and last == len(spelled.text) and bool(text)
            times = _within(window, one.starts_ms[n], [starts[t] for t in origins])
            answers.append(Heard(text, sure, job.nobody, capped, times))
        return answers


def _within(window: Window, begins_ms: float, starts: Sequence[float]) -> tuple[int, ...]:
    """Times in the window's samples as times in the recording, never outside of the window's speech, never falling.

    `begins_ms`: where the window's samples begin in what was heard.
    """
    offset = window.start_ms - window.lead_ms - begins_ms
    found: list[int] = []
    for ms in starts:
        at = round(min(max(ms + offset, window.start_ms), window.end_ms))
        found.append(max(at, found[-1]) if found else at)
    return tuple(found)


def _free_bytes(device: torch.device) -> int:
    """Memory that is free now, in bytes; 4 GiB where the system does not say."""
    import os

    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            listed: dict[str, Any] = dict(line.split(":", 1) for line in file)
        return int(listed["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 << 30
