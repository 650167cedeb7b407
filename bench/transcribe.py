"""Measures transcription: speed and character errors beside openai-whisper and faster-whisper, where the time goes, growth.

    python bench/transcribe.py                        # both models on this CPU, alternating rounds
    python bench/transcribe.py --quick --json t.json  # a few minutes; flat figures
    python bench/transcribe.py --device cuda          # large-v3-turbo's shape on a GPU, beside transformers
    python bench/transcribe.py --device cpu --dry-run # the GPU's path on a tiny random model, to see that it works
    python bench/transcribe.py --growth 1,10,100      # hours of replayed calls: time and memory

Every engine hears the same two-channel calls. Ours is timed as a whole (recordings to tables) and alone (prepared windows
to text); the others from reading a recording to the text of both channels, which is what they do. Models are loaded
before. Rounds alternate, and the best of each counts, since other work on a machine only ever slows down; `cpu_ratio_…`
compares what the cores worked and not the clock, for machines that are never quiet. Random weights
say nothing, so there every engine says 4.5 tokens for each second of speech, and no character error rate is given.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SAMPLES = ROOT / "audio_samples"
TOKENS_PER_S = 4.5
LANGUAGE, PROMPT = "zh", "以下是普通话的句子。"
BASE = {
    "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 512, "n_audio_head": 8, "n_audio_layer": 6,
    "n_vocab": 51_865, "n_text_ctx": 448, "n_text_state": 512, "n_text_head": 8, "n_text_layer": 6,
}  # fmt: skip
TURBO = BASE | {
    "n_mels": 128, "n_audio_state": 1280, "n_audio_head": 20, "n_audio_layer": 32,
    "n_vocab": 51_866, "n_text_state": 1280, "n_text_head": 20, "n_text_layer": 4,
}  # fmt: skip
TINY = BASE | {
    "n_audio_state": 64,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_text_state": 64,
    "n_text_head": 2,
    "n_text_layer": 1,
}


@dataclass(frozen=True)
class Bench:
    """What is measured: a model, the calls (files with two channels), and whether tokens are forced."""

    name: str
    model: str
    calls: list[Path]
    forced: bool
    device: str
    dtype: str = "auto"
    pack: str = "auto"
    batch: int = 0


@dataclass
class Run:
    """One engine's best round. `seconds`: whole; `cpu_s`: what all cores worked; `texts`: by (file, channel); `more`: its own."""

    seconds: float = float("inf")
    cpu_s: float = float("inf")
    texts: dict[tuple[str, int], str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def random_checkpoint(dims: dict[str, int], path: Path) -> str:
    """An openai-whisper checkpoint of a shape with random weights, float16, the same ones each time."""
    import torch

    from qc.transcribe.engines.checkpoints import shapes

    torch.manual_seed(0)
    wanted = shapes(dims)
    state = {k: (torch.randn(s) * (0.02 if len(s) > 1 else 0.01)).half() for k, s in wanted.items()}
    state |= {k: torch.ones(s).half() for k, s in wanted.items() if ("ln" in k.split(".")[-2]) and k.endswith("weight")}
    torch.save({"dims": dims, "model_state_dict": state}, path)
    return str(path)


def sound(path: Path) -> tuple[np.ndarray, float]:
    """(float32 [channels, n_samples] at 16 kHz, seconds)."""
    from qc.audio import decode

    audio = decode(path)
    return audio.samples, audio.duration_ms / 1000


def speech_seconds(calls: list[Path]) -> dict[str, list[float]]:
    """Seconds of detected speech of each file's channels."""
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.prepare import prepare

    found = {}
    for path in calls:
        ready = prepare(row_of(path, 0), TranscribeOptions(), 28_000, lambda key: None)
        found[path.name] = [sum(w.speech_ms for w in ready.windows if w.channel == c) / 1000 for c in (0, 1)]
    return found


def row_of(path: Path, number: int) -> dict[str, Any]:
    """A row of the calls table for a recording. The digest is made up, so that a copy counts as a call of its own."""
    return {
        "call_id": f"{path.stem}-{number:06}", "file": path.name, "path": str(path), "sha256": f"{number:064x}", "found": True,
        "listed": False, "duplicate_of": None, "agent_channel": None, "listed_duration_ms": None, "meta": [],
    }  # fmt: skip


class Ours:
    """qc: recordings to tables, and its engine alone."""

    name = "ours"

    def __init__(self, bench: Bench) -> None:
        from qc.transcribe.engines import EngineRequest, open_engine

        self.bench = bench
        request = EngineRequest(bench.model, LANGUAGE, bench.device, bench.batch, dtype=bench.dtype, pack=bench.pack)
        self.engine: Any = open_engine("whisper", request)
        if bench.forced:
            self.engine.tokens_per_s = TOKENS_PER_S

    def round(self) -> Run:
        from qc.progress import Silent
        from qc.store import Store
        from qc.transcribe.options import TranscribeOptions
        from qc.transcribe.run import transcribe
        from qc.transcribe.work import Doors

        options = TranscribeOptions(model=self.bench.model, second_chance=not self.bench.forced, workers=0)
        rows = [row_of(path, n) for n, path in enumerate(self.bench.calls)]
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            cpu, began = time.process_time(), time.perf_counter()
            transcribe(store, options, Silent(), rows, Doors(open_engine=lambda name, request: self.engine))
            seconds = time.perf_counter() - began
            idle = 1 - (time.process_time() - cpu) / seconds / (os.cpu_count() or 1)
            texts: dict[tuple[str, int], str] = {}
            for row in store.read("transcripts").to_pylist():
                name = next(r["file"] for r in rows if r["call_id"] == row["call_id"])
                for turn in row["turns"] or ():
                    key = (name, turn["channel"])
                    texts[key] = texts.get(key, "") + turn["text"]
        return Run(seconds, texts=texts, more={"cores_idle": idle})

    def alone(self) -> dict[str, float]:
        """Where the time goes: each stage by itself, one after the other, over all calls."""
        from qc.audio import decode
        from qc.transcribe.engines import CallKey
        from qc.transcribe.options import TranscribeOptions
        from qc.transcribe.prepare import prepare
        from qc.transcribe.speech import speech_probabilities

        found = {"decode": 0.0, "vad": 0.0, "rest_of_prepare": 0.0, "engine": 0.0}
        options = TranscribeOptions()
        prepared = []
        for path in self.bench.calls:
            a = time.perf_counter()
            audio = decode(path)
            b = time.perf_counter()
            speech_probabilities(audio.samples)
            c = time.perf_counter()
            prepared.append(prepare(row_of(path, 0), options, self.engine.longest_ms, lambda key: None))
            d = time.perf_counter()
            found["decode"] += b - a
            found["vad"] += c - b
            found["rest_of_prepare"] += max(0.0, d - c - (c - a))
        decoder = self.engine.decoder
        before, counts = dict(decoder.seconds), dict(decoder.counts)
        began = time.perf_counter()
        # One hearing for all calls: as many windows at once as fit, which is what a long run does.
        windows = [w for n, r in enumerate(prepared) for w in _apart(r.windows, n)]
        self.engine.hear(CallKey("bench", "", ""), windows)
        found["engine"] = time.perf_counter() - began
        found |= {f"engine_{k}": decoder.seconds[k] - before[k] for k in before}
        found |= {k: decoder.counts[k] - counts[k] for k in counts}
        found["speech_s"] = sum(w.speech_ms for w in windows) / 1000
        return found


def _apart(windows: Any, number: int) -> list[Any]:
    """Windows whose channels are told from those of other calls, so that no two calls share a packed window."""
    from dataclasses import replace

    return [replace(w, channel=w.channel + 64 * number) for w in windows]


class OpenAI:
    """openai-whisper's `transcribe` of each channel, greedy, without fallbacks, language given."""

    name = "openai_whisper"

    def __init__(self, bench: Bench) -> None:
        from qc.transcribe.engines.checkpoints import load_model, locate

        self.bench = bench
        self.model = load_model(locate(bench.model), bench.device)
        self.speech = speech_seconds(bench.calls) if bench.forced else {}

    def round(self) -> Run:
        from whisper.tokenizer import get_tokenizer

        options: dict[str, Any] = {
            "language": LANGUAGE, "task": "transcribe", "temperature": 0.0, "condition_on_previous_text": False,
            "initial_prompt": PROMPT, "without_timestamps": True, "fp16": self.model.device.type == "cuda",
        }  # fmt: skip
        if self.bench.forced:
            tokenizer = get_tokenizer(True, num_languages=self.model.num_languages)
            options |= {"suppress_tokens": [-1, tokenizer.eot], "no_speech_threshold": None, "logprob_threshold": None}
            options |= {"compression_ratio_threshold": None}
        texts: dict[tuple[str, int], str] = {}
        said = 0
        began = time.perf_counter()
        for path in self.bench.calls:
            samples, seconds = sound(path)
            for channel in (0, 1):
                if self.bench.forced:
                    windows = max(1, -(-int(seconds) // 30))
                    options["sample_len"] = max(1, round(TOKENS_PER_S * self.speech[path.name][channel] / windows))
                result = self.model.transcribe(np.ascontiguousarray(samples[channel]), **options)
                said += sum(len(s["tokens"]) for s in result["segments"])
                texts[path.name, channel] = result["text"]
        return Run(time.perf_counter() - began, texts=texts, more={"tokens": said})


class FasterWhisper:
    """faster-whisper's `BatchedInferencePipeline`, int8 on a CPU: its own speech detection, greedy or with its default beam of 5."""

    def __init__(self, bench: Bench, folder: Path, beam: int) -> None:
        import faster_whisper

        from qc.transcribe.engines.checkpoints import locate, read_weights
        from qc.transcribe.engines.to_ctranslate2 import convert

        self.name = "faster_whisper_int8" if beam == 1 else f"faster_whisper_int8_beam{beam}"
        self.bench, self.beam = bench, beam
        if not (folder / "model.bin").is_file():
            convert(read_weights(locate(bench.model)), folder)
        compute = "int8" if bench.device == "cpu" else "float16"
        model = faster_whisper.WhisperModel(str(folder), device=bench.device.partition(":")[0], compute_type=compute)
        self.pipeline = faster_whisper.BatchedInferencePipeline(model)
        self.model = model
        self.tokens = 0
        if bench.forced:
            windows = self._windows()
            speech = sum(map(sum, speech_seconds(bench.calls).values()))
            self.tokens = wanted = max(1, round(TOKENS_PER_S * speech / max(1, windows)))
            # Its limit is not of tokens that it gives back: raised until as many come as were asked for.
            for _ in range(4):
                said = self._hear()[1] / max(1, windows)
                if said >= 0.97 * wanted:
                    break
                self.tokens = min(400, round(self.tokens * wanted / max(1, said)))

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"language": LANGUAGE, "beam_size": self.beam, "batch_size": 8, "initial_prompt": PROMPT}
        if self.bench.forced:
            end = self.model.hf_tokenizer.token_to_id("<|endoftext|>")
            options |= {"suppress_tokens": [-1, end], "max_new_tokens": self.tokens or 1}
        return options

    def _windows(self) -> int:
        """Windows that its own packing makes of the calls: counted by a pass that says one token each, not timed."""
        counted = []
        real = self.pipeline.generate_segment_batched

        def count(features: Any, *rest: Any) -> Any:
            counted.append(len(features))
            return real(features, *rest)

        self.pipeline.generate_segment_batched = count
        self._hear()
        self.pipeline.generate_segment_batched = real
        return sum(counted)

    def _hear(self) -> tuple[dict[tuple[str, int], str], int]:
        texts: dict[tuple[str, int], str] = {}
        said = 0
        for path in self.bench.calls:
            samples, _ = sound(path)
            for channel in (0, 1):
                segments, _ = self.pipeline.transcribe(np.ascontiguousarray(samples[channel]), **self._options())
                parts = list(segments)
                said += sum(len(p.tokens) for p in parts)
                texts[path.name, channel] = "".join(p.text for p in parts)
        return texts, said

    def round(self) -> Run:
        began = time.perf_counter()
        texts, said = self._hear()
        return Run(time.perf_counter() - began, texts=texts, more={"tokens": said})


class Transformers:
    """Hugging Face's Whisper, batched: half precision, SDPA, the windows that ours packs (so its speech detection costs nothing)."""

    name = "transformers"

    def __init__(self, bench: Bench, ours: Ours, batch: int = 64) -> None:
        import torch
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        from qc.transcribe.engines.checkpoints import locate, read_weights

        self.bench, self.ours, self.batch = bench, ours, batch
        dims = read_weights(locate(bench.model)).dims
        config = WhisperConfig(
            num_mel_bins=dims["n_mels"], d_model=dims["n_audio_state"], encoder_layers=dims["n_audio_layer"],
            encoder_attention_heads=dims["n_audio_head"], decoder_layers=dims["n_text_layer"],
            decoder_attention_heads=dims["n_text_head"], vocab_size=dims["n_vocab"], encoder_ffn_dim=4 * dims["n_audio_state"],
            decoder_ffn_dim=4 * dims["n_text_state"],
        )  # fmt: skip
        dtype = torch.bfloat16 if bench.device != "cpu" else torch.float32
        made = WhisperForConditionalGeneration._from_config(config, attn_implementation="sdpa")
        self.model = made.to(bench.device, dtype).eval()  # random weights of the same shape: only their speed is measured
        self.dtype = dtype

    def round(self) -> Run:
        import torch

        from qc.transcribe.engines.mel import log_mel
        from qc.transcribe.options import TranscribeOptions
        from qc.transcribe.packing import pack
        from qc.transcribe.prepare import prepare

        began = time.perf_counter()
        waiting: list[tuple[np.ndarray, float]] = []
        for path in self.bench.calls:
            ready = prepare(row_of(path, 0), TranscribeOptions(), 28_000, lambda key: None)
            for one in pack(ready.windows):
                waiting.append((np.concatenate([w.samples for w in one.windows]), sum(w.speech_ms for w in one.windows) / 1000))
        device = torch.device(self.bench.device)
        with torch.inference_mode():
            for first in range(0, len(waiting), self.batch):
                some = waiting[first : first + self.batch]
                count = max(1, round(TOKENS_PER_S * sum(s for _, s in some) / len(some)))
                mel = log_mel([w for w, _ in some], self.model.config.num_mel_bins, 3000, device).to(self.dtype)
                self.model.generate(
                    mel, language="zh", task="transcribe", min_new_tokens=count, max_new_tokens=count, do_sample=False
                )
        if device.type == "cuda":
            torch.cuda.synchronize()
        return Run(time.perf_counter() - began, texts={}, more={"windows": len(waiting)})


def cer(texts: dict[tuple[str, int], str], calls: list[Path]) -> float:
    """Character errors per character over whole channels, punctuation left out; what was planted is in truth.jsonl."""
    from rapidfuzz.distance import Levenshtein

    from training.cer import plain

    truth = {v["file"]: v for v in map(json.loads, (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines())}
    wrong = total = 0
    for path in calls:
        for channel in (0, 1):
            said = plain("".join(t["text"] for t in truth[path.name]["turns"] if t["channel"] == channel))
            wrong += Levenshtein.distance(said, plain(texts.get((path.name, channel), "")))
            total += len(said)
    return wrong / max(1, total)


def two_channel(limit_s: float) -> list[Path]:
    """Sample calls with two channels, WAV first, up to so many seconds."""
    rows = [json.loads(line) for line in (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    fine = [r for r in rows if r["channels"] == 2 and r["found"] and not r["duplicate_of"] and not r["notes"] and r["turns"]]
    chosen, seconds = [], 0.0
    for row in sorted(fine, key=lambda r: (not r["file"].endswith(".wav"), r["file"])):
        if seconds < limit_s:
            chosen.append(SAMPLES / row["file"])
            seconds += row["duration_ms"] / 1000
    return chosen


def peak_flops(device: str, dtype: Any, seconds: float = 1.0) -> float:
    """Operations a second of a large product of matrices: what this machine's library reaches at best."""
    import torch

    size = 8192 if device.startswith("cuda") else 1536
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    until = time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < until or best == float("inf"):
            _wait(device)
            began = time.perf_counter()
            torch.matmul(a, b)
            _wait(device)
            best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def bandwidth(device: str) -> float:
    """Bytes a second that a large sum reads."""
    import torch

    x = torch.ones((1 << 30) if device.startswith("cuda") else (1 << 27), device=device)
    best = float("inf")
    for _ in range(5):
        _wait(device)
        began = time.perf_counter()
        x.sum()
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return x.numel() * 4 / best


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def kernels(engine: Any, device: str) -> dict[str, float]:
    """The encoder's share of the arithmetic and a full decode step's share of the memory's bandwidth, each measured alone."""
    import torch

    from qc.transcribe.engines.network import flops_of_a_window

    network, decoder = engine.network, engine.decoder
    count = decoder.encode_at_once
    flops, _ = flops_of_a_window(network.dims)
    caches = decoder.caches
    rows, width = decoder.rows, min(caches.positions, 128)
    mel = torch.zeros(count, network.dims["n_mels"], 2 * network.dims["n_audio_ctx"], device=network.device)
    at = torch.arange(count, device=network.device)
    encode = step = float("inf")
    with torch.inference_mode():
        for _ in range(4):
            _wait(device)
            began = time.perf_counter()
            network.remember(network.remembered(network.encode(mel)), caches, at)
            _wait(device)
            encode = min(encode, time.perf_counter() - began)
        decoder.state.place.fill_(width - 1)
        for _ in range(8):
            _wait(device)
            began = time.perf_counter()
            if decoder.cuda:
                decoder._graph(rows, width).replay()
            else:
                decoder._step(rows, width, hot=False)
            _wait(device)
            step = min(step, (time.perf_counter() - began) / (decoder.look if decoder.cuda else 1))
            decoder.state.place.fill_(width - 1)
        decoder.state.done.fill_(True)
    item = network.dtype.itemsize
    dims = network.dims
    read = 2 * dims["n_text_layer"] * dims["n_text_state"] * (dims["n_audio_ctx"] + width) * item * rows
    read += (14 * dims["n_text_layer"] * dims["n_text_state"] ** 2 + decoder._later.table.numel()) * item
    peak, wide = peak_flops(device, network.dtype), bandwidth(device)
    return {
        "encoder_ms_a_window": 1e3 * encode / count,
        "encoder_gflops": flops * count / encode / 1e9,
        "matmul_gflops": peak / 1e9,
        "encoder_share_of_matmul": flops * count / encode / peak,
        "decode_rows": rows,
        "decode_step_ms": 1e3 * step,
        "decode_gb_s": read / step / 1e9,
        "memory_gb_s": wide / 1e9,
        "decode_share_of_memory": read / step / wide,
    }


def compare(bench: Bench, engines: list[Any], rounds: int) -> dict[str, Run]:
    """Each engine's best round; the rounds alternate."""
    best = {e.name: Run() for e in engines}
    for number in range(rounds):
        for engine in engines if number % 2 == 0 else engines[::-1]:
            cpu = time.process_time()
            run = engine.round()
            run.cpu_s = time.process_time() - cpu
            print(f"  {bench.name}: {engine.name}: {run.seconds:.2f} s", flush=True)
            least = min(run.cpu_s, best[engine.name].cpu_s)
            if run.seconds < best[engine.name].seconds:
                best[engine.name] = run
            best[engine.name].cpu_s = least
    return best


def on_a_cpu(bench: Bench, rounds: int, folder: Path, beams: bool) -> dict[str, Any]:
    """Ours beside openai-whisper and faster-whisper, as flat figures."""
    seconds = sum(sound(p)[1] for p in bench.calls)
    ours = Ours(bench)
    engines: list[Any] = [ours, OpenAI(bench)]
    notes = []
    try:
        engines.append(FasterWhisper(bench, folder / "ct2", 1))
        if beams:
            engines.append(FasterWhisper(bench, folder / "ct2", 5))
    except ImportError:
        notes.append("faster-whisper is not installed: pip install faster-whisper")
    best = compare(bench, engines, rounds)
    value: dict[str, Any] = {"call_s": round(seconds, 1), "calls": len(bench.calls)}
    value |= {"dtype": str(ours.engine.network.dtype).removeprefix("torch."), "pack_ms": ours.engine.pack_ms}
    mine = best["ours"].seconds
    for name, run in best.items():
        value[f"seconds_{name}"] = round(run.seconds, 3)
        value[f"x_real_time_{name}"] = round(seconds / run.seconds, 2)
        if name != "ours":
            value[f"ratio_{name}"] = round(run.seconds / mine, 2)
            value[f"cpu_ratio_{name}"] = round(run.cpu_s / best["ours"].cpu_s, 2)
            value[f"tokens_{name}"] = run.more.get("tokens")
        if not bench.forced:
            short = name.removesuffix("_whisper").replace("faster_whisper_int8", "faster_whisper")
            value[f"cer_{short}"] = round(cer(run.texts, bench.calls), 4)
    value["cores_idle"] = round(best["ours"].more["cores_idle"], 3)
    alone = ours.alone()
    value |= {k: round(v, 3) for k, v in alone.items()}
    value["tokens_ours"] = round(TOKENS_PER_S * alone["speech_s"]) if bench.forced else None
    value["x_real_time_engine"] = round(seconds / alone["engine"], 2)
    value["write_and_rest"] = round(max(0.0, mine - sum(alone[k] for k in ("decode", "vad", "rest_of_prepare", "engine"))), 3)
    value |= {k: round(v, 3) for k, v in kernels(ours.engine, bench.device).items()}
    return value | ({"notes": notes} if notes else {})


def tiled_calls(folder: Path, count: int, minutes: float) -> list[Path]:
    """Two-channel G.711 calls made of the samples' turns one after the other, each begun elsewhere, of so many minutes."""
    import av

    parts = [sound(p)[0][:, ::2] for p in two_channel(600)]
    whole = np.concatenate(parts, axis=1)
    length = int(minutes * 60 * 8000)
    made = []
    for number in range(count):
        shifted = np.roll(whole, -number * 7919 * 8, axis=1)
        one = np.tile(shifted, -(-length // shifted.shape[1]))[:, :length]
        path = folder / f"call{number:04}.wav"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("pcm_alaw", rate=8000, layout="stereo")
            frame = av.AudioFrame.from_ndarray(
                (np.clip(one.T.reshape(1, -1), -1, 1) * 32767).astype(np.int16), format="s16", layout="stereo"
            )
            frame.sample_rate = 8000
            for packet in stream.encode(frame):
                file.mux(packet)
            for packet in stream.encode(None):
                file.mux(packet)
        made.append(path)
    return made


def on_a_gpu(bench: Bench, rounds: int, transformers: bool) -> dict[str, Any]:
    """large-v3-turbo's shape, all in: recordings to tables; beside transformers and openai-whisper."""
    seconds = sum(sound(p)[1] for p in bench.calls)
    ours = Ours(bench)
    engines: list[Any] = [ours]
    notes = []
    if transformers:
        try:
            engines.append(Transformers(bench, ours))
        except ImportError:
            notes.append("transformers is not installed: pip install transformers")
    ours.round()  # graphs are captured once
    best = compare(bench, engines, rounds)
    value: dict[str, Any] = {"call_s": round(seconds, 1), "device": device_name(bench.device)}
    value["call_time_x"] = round(seconds / best["ours"].seconds, 1)
    for name, run in best.items():
        value[f"seconds_{name}"] = round(run.seconds, 3)
        if name != "ours":
            value[f"ratio_{name}"] = round(run.seconds / best["ours"].seconds, 2)
    few = Bench(bench.name, bench.model, bench.calls[:1], True, bench.device)
    theirs = OpenAI(few).round().seconds
    value["ratio_openai_whisper"] = round(theirs / sound(few.calls[0])[1] / (best["ours"].seconds / seconds), 2)
    alone = ours.alone()
    value |= {k: round(v, 3) for k, v in alone.items()}
    value["engine_call_time_x"] = round(seconds / alone["engine"], 1)
    value["device_idle"] = idle_share(ours, bench)
    value |= {k: round(v, 3) for k, v in kernels(ours.engine, bench.device).items()}
    return value | ({"notes": notes} if notes else {})


def idle_share(ours: Ours, bench: Bench) -> float | None:
    """Share of a whole run in which no kernel ran, by the driver's own count; None where it does not say."""
    import threading

    import torch

    if not bench.device.startswith("cuda"):
        return None
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            try:
                seen.append(torch.cuda.utilization())
            except (RuntimeError, ModuleNotFoundError, OSError):
                return

    thread = threading.Thread(target=watch)
    thread.start()
    ours.round()
    stop.set()
    thread.join()
    return round(1 - sum(seen) / len(seen) / 100, 3) if seen else None


def device_name(device: str) -> str:
    """What the device calls itself."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(torch.device(device))


def growth(hours: list[float]) -> list[dict[str, float]]:
    """Replayed calls of so many hours, each in a process of its own: seconds, and the most memory it held."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        (call,) = tiled_calls(Path(folder), 1, 6.0)
        for many in hours:
            code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from bench.transcribe import replay; replay({str(call)!r}, {many})"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            found.append({"hours": many} | json.loads(done.stdout.splitlines()[-1]))
            print(f"  {found[-1]}", flush=True)
    return found


def replay(path: str, hours: float) -> None:
    """Run so many hours of one recording under many names through decoding, measuring and writing; print seconds and memory."""
    from qc.progress import Silent
    from qc.store import Store
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.run import transcribe

    call = Path(path)
    turns = [{"channel": n % 2, "start_ms": 4000 * n, "end_ms": 4000 * n + 3000, "text": f"第{n}句"} for n in range(80)]
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.jsonl"
        prepared.write_text(json.dumps({"file": call.name, "turns": turns}, ensure_ascii=False) + "\n", encoding="utf-8")
        rows = [row_of(call, n) for n in range(max(1, round(hours * 10)))]
        began, worked = time.perf_counter(), time.process_time()
        done = transcribe(Store(Path(folder) / "s"), TranscribeOptions(model=str(prepared)), Silent(), rows)
        seconds, core_s = time.perf_counter() - began, time.process_time() - worked
    assert done.transcribed == len(rows)
    value = {"calls": len(rows), "seconds": round(seconds, 2), "core_s": round(core_s, 2)}
    value |= {"core_s_an_hour": round(core_s / hours, 3), "x_real_time": round(hours * 3600 / seconds)}
    # Linux counts in KiB.
    print(json.dumps(value | {"memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All figures that were asked for; those of the embedded model have no prefix on a CPU, the others say of what they are."""
    value: dict[str, Any] = {"cores": os.cpu_count(), "device": options.device}
    if options.growth:
        return value | {"growth": growth([float(h) for h in options.growth.split(",")])}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if options.device != "cpu" or options.dry_run:
            dims = TINY if options.dry_run else TURBO
            calls = tiled_calls(place, 2 if options.dry_run else options.calls, 0.5 if options.dry_run else 5.0)
            model = random_checkpoint(dims, place / "random.pt")
            bench = Bench(
                "tiny" if options.dry_run else "turbo", model, calls, True, options.device, pack="on", batch=options.batch
            )
            return value | on_a_gpu(bench, 1 if options.dry_run else options.rounds, not options.dry_run)
        rounds = 1 if options.quick else options.rounds
        if "demo" in options.models:
            demo = Bench("demo-zh", "demo-zh", two_channel(120 if options.quick else 400), False, "cpu", pack=options.pack)
            (place / "demo").mkdir()
            value |= on_a_cpu(demo, rounds + 1, place / "demo", not options.quick)
        if "base" in options.models:
            model = random_checkpoint(BASE, place / "base.pt")
            (place / "base").mkdir()
            # Calls as long as real ones: several windows a channel, so that everybody's batches fill.
            calls = tiled_calls(place / "base", 2 if options.quick else 3, 3.0 if options.quick else 5.0)
            base = Bench("base", model, calls, True, "cpu", pack="on")
            value |= {f"base_{k}": v for k, v in on_a_cpu(base, rounds, place / "base", not options.quick).items()}
    return value


def show(value: dict[str, Any], indent: str = "") -> None:
    """The figures, one a line."""
    for name, one in value.items():
        print(f"{indent}{name:32} {one}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few minutes")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dry-run", action="store_true", help="the GPU's path with a tiny random model")
    parser.add_argument("--models", default="demo,base", help="on a CPU: demo, base or both")
    parser.add_argument("--pack", default="auto", help="packing with the embedded model: auto, on or off")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=96, help="on a GPU: calls of five minutes")
    parser.add_argument("--batch", type=int, default=0, help="on a GPU: windows at once; 0 for what fits")
    parser.add_argument("--growth", default="", help="hours of replayed calls, such as 1,10,100,1000")
    options = parser.parse_args()
    value = run(options)
    show(value)
    if options.json:
        options.json.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
