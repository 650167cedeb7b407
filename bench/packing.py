"""Whole two-channel calls heard by the embedded model, packed and not, beside the oracle; and how right their times are.

    python bench/packing.py                          # the sample recordings, and held-out calls spoken now (needs espeak-ng)
    python bench/packing.py --folder F               # calls with a truth.json (bench/heldout.py)
    python bench/packing.py --pack auto,on --calls 12 --json p.json

Ours is `qc transcribe` with the model as it ships, for each way of packing. The oracle is openai-whisper's own decoding in
float32, utterance by utterance, on the true turns. Character errors are counted channel by channel; turns that the guard
flags count as not heard. Times are those of the characters that were heard right: how far `char_ms` is from when the
syllable began, and whether the character stands in a turn that was spoken then. Exit code 1 when `auto` is worse than the
oracle by more than 0.3 points.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
POINTS = 0.003
NEAR_MS = 100
PAD_MS = 300


def plain(text: str) -> str:
    """The characters that count: no punctuation, no spaces."""
    return "".join(c for c in text if c.isalnum())


@dataclass
class Errors:
    """Character errors and characters said."""

    wrong: int = 0
    said: int = 0

    @property
    def rate(self) -> float:
        return self.wrong / self.said if self.said else 0.0

    def add(self, said: str, heard: str) -> None:
        from rapidfuzz.distance import Levenshtein

        self.wrong, self.said = self.wrong + Levenshtein.distance(said, heard), self.said + len(said)


def sample_calls() -> tuple[Path, list[dict[str, Any]]]:
    """The sample recordings with two channels and a truth."""
    folder = ROOT / "audio_samples"
    rows = map(json.loads, (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines())
    return folder, [r for r in rows if r["found"] and r["turns"] and r["channels"] == 2 and not r["duplicate_of"]]


def said(call: dict[str, Any], channel: int) -> str:
    return plain("".join(t["text"] for t in call["turns"] if t["channel"] == channel))


# -- who hears ------------------------------------------------------------------------------------------------------


def hear_ours(folder: Path, calls: Sequence[dict[str, Any]], pack: str, model: str = "demo-zh") -> dict[str, dict[str, Any]]:
    """Rows of `transcripts` by file, made by the stage as `qc transcribe` runs it."""
    from qc.calls import CallOptions, build_calls
    from qc.progress import Silent
    from qc.store import Store
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.run import transcribe

    with tempfile.TemporaryDirectory() as place:
        rows, _ = build_calls(CallOptions(tuple(folder / c["file"] for c in calls)))
        store = Store(Path(place))
        transcribe(store, TranscribeOptions(model=model, pack=pack, device="cpu"), Silent(), rows)
        names = {r["call_id"]: r["file"] for r in rows}
        return {names[r["call_id"]]: r for r in store.read("transcripts").to_pylist()}


def hear_oracle(folder: Path, calls: Sequence[dict[str, Any]], batch: int = 8) -> dict[str, list[str]]:
    """openai-whisper's text of each true turn, by file; the samples are cut as far before and behind as ours are."""
    import torch
    import whisper

    from qc.audio import decode
    from qc.transcribe.embedded import expanded_model_path
    from qc.transcribe.guard import PROMPTS

    model = whisper.load_model(str(expanded_model_path()), device="cpu").eval()
    options = whisper.DecodingOptions(language="zh", without_timestamps=True, fp16=False, prompt=PROMPTS["zh"])
    windows = []
    for call in calls:
        samples = decode(folder / call["file"]).samples
        windows += [
            samples[t["channel"], max(0, t["start_ms"] - PAD_MS) * 16 : (t["end_ms"] + PAD_MS) * 16] for t in call["turns"]
        ]
    texts: list[str] = []
    for at in range(0, len(windows), batch):
        some = [torch.from_numpy(whisper.pad_or_trim(np.ascontiguousarray(w))) for w in windows[at : at + batch]]
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # whisper leaves its vocabulary file to the garbage collector
            heard = whisper.decode(model, torch.stack([whisper.log_mel_spectrogram(w) for w in some]), options)
        texts += [h.text for h in heard]
    left = iter(texts)
    return {call["file"]: [next(left) for _ in call["turns"]] for call in calls}


# -- what it is worth -----------------------------------------------------------------------------------------------


def errors_of_ours(calls: Sequence[dict[str, Any]], rows: dict[str, dict[str, Any]]) -> Errors:
    """Character errors of the turns that are not flagged, channel by channel."""
    found = Errors()
    for call in calls:
        for channel in (0, 1):
            turns = [t for t in rows[call["file"]]["turns"] or () if t["channel"] == channel and not t["flags"]]
            found.add(said(call, channel), plain("".join(t["text"] for t in turns)))
    return found


def errors_of_oracle(calls: Sequence[dict[str, Any]], texts: dict[str, list[str]]) -> Errors:
    """Character errors of the oracle, turn by turn."""
    found = Errors()
    for call in calls:
        for turn, text in zip(call["turns"], texts[call["file"]], strict=True):
            found.add(plain(turn["text"]), plain(text))
    return found


@dataclass
class Times:
    """Of the characters heard right: ms off (signed), and how many stand in a turn of another time than theirs."""

    off_ms: list[int]
    astray: int = 0

    def summary(self) -> dict[str, float]:
        off = np.array(self.off_ms)
        return {
            "characters": len(off),
            "median_off_ms": float(np.median(off)),
            "off_ms_p50": float(np.percentile(np.abs(off), 50)),
            "off_ms_p90": float(np.percentile(np.abs(off), 90)),
            "off_ms_p99": float(np.percentile(np.abs(off), 99)),
            "within_200_ms": round(float((np.abs(off) <= 200).mean()), 4),
            "in_another_turn": round(self.astray / max(1, len(off)), 4),
        }


def overlap(one: dict[str, Any], other: dict[str, Any]) -> int:
    """ms in which two turns are both spoken."""
    return max(0, min(one["end_ms"], other["end_ms"]) - max(one["start_ms"], other["start_ms"]))


def _heard_right(
    call: dict[str, Any], row: dict[str, Any], channel: int
) -> Iterator[tuple[dict[str, Any], int, dict[str, Any], int]]:
    """(true turn, character in it, heard turn, character in it) of every character that was heard as it was said."""
    from rapidfuzz.distance import Levenshtein

    def flat(turns: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
        return [(t, n) for t in turns for n, c in enumerate(t["text"]) if c.isalnum()]

    true = flat([t for t in call["turns"] if t["channel"] == channel])
    mine = flat([t for t in row["turns"] or () if t["channel"] == channel])
    texts = ["".join(t["text"][n] for t, n in side) for side in (true, mine)]
    for step in Levenshtein.opcodes(*texts):
        if step.tag == "equal":
            for k in range(step.src_end - step.src_start):
                yield (*true[step.src_start + k], *mine[step.dest_start + k])


def times(calls: Sequence[dict[str, Any]], rows: dict[str, dict[str, Any]]) -> Times:
    """How far each character's time is from when it was said."""
    found = Times([])
    for call in calls:
        for channel in (0, 1):
            for true, n, mine, m in _heard_right(call, rows[call["file"]], channel):
                began = true["char_ms"][n]
                if mine["char_ms"] is not None:
                    found.off_ms.append(mine["char_ms"][m] - began)
                found.astray += not mine["start_ms"] - NEAR_MS <= began <= mine["end_ms"] + NEAR_MS
    return found


def measure(folder: Path, calls: Sequence[dict[str, Any]], packs: Sequence[str]) -> dict[str, Any]:
    """The figures of one set of calls."""
    oracle = errors_of_oracle(calls, hear_oracle(folder, calls))
    value: dict[str, Any] = {
        "calls": len(calls),
        "turns": sum(len(c["turns"]) for c in calls),
        "characters": oracle.said,
        "oracle_cer": round(oracle.rate, 4),
    }
    for pack in packs:
        began = time.perf_counter()
        rows = hear_ours(folder, calls, pack)
        seconds = time.perf_counter() - began
        mine = errors_of_ours(calls, rows)
        value[pack] = {
            "cer": round(mine.rate, 4),
            "points_over_oracle": round(100 * (mine.rate - oracle.rate), 2),
            "flagged_turns": sum(bool(t["flags"]) for r in rows.values() for t in r["turns"] or ()),
            "seconds": round(seconds, 1),
        }
        if all("char_ms" in t for c in calls for t in c["turns"]):
            value[pack]["times"] = times(calls, rows).summary()
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", default="auto,on,off")
    parser.add_argument("--calls", type=int, default=12, help="held-out calls to speak")
    parser.add_argument("--seed", type=int, default=7_000)
    parser.add_argument("--folder", type=Path, help="measure these calls alone")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    packs = chosen.pack.split(",")
    value: dict[str, Any] = {}
    from bench import heldout

    if chosen.folder is not None:
        value["held_out"] = measure(chosen.folder, heldout.read_truth(chosen.folder), packs)
    else:
        value["samples"] = measure(*sample_calls(), packs)
        with tempfile.TemporaryDirectory() as place:
            heldout.write_calls(Path(place), chosen.calls, chosen.seed)
            value["held_out"] = measure(Path(place), heldout.read_truth(Path(place)), packs)
    print(json.dumps(value, ensure_ascii=False, indent=1))
    if chosen.json:
        chosen.json.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.exit(any(one.get("auto", {}).get("points_over_oracle", 0) > 100 * POINTS for one in value.values()))


if __name__ == "__main__":
    main()
