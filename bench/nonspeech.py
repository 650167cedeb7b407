"""An hour in which nobody speaks: silence, noise, ringback, busy tone, dialled digits, hold music. What text comes of it?

    python bench/nonspeech.py [--model demo-zh] [--minutes 60] [--seed 1] [--json FILE]

Every recording is made here from the seed, two channels at 8 kHz as a telephone recorder writes them, and goes through the whole
stage. Exit code 1 when a character came out that is not flagged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from qc.calls import CallOptions, build_calls
from qc.progress import Silent
from qc.store import Store
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import transcribe
from tests.audio.sounds import write_wav
from tests.transcribe.nonspeech import KINDS, RATE

CALL_S = 120


def recordings(minutes: float, seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Write the recordings, the kinds in turn, until the time is full: (kind, seconds) of each."""
    rng = np.random.default_rng(seed)
    left, number, longest = minutes * 60, 0, min(CALL_S, minutes * 60 / len(KINDS))
    while left > 0.5:
        kind = list(KINDS)[number % len(KINDS)]
        seconds = min(longest, left)
        sides = np.stack([KINDS[kind](seconds, rng) for _ in range(2)])
        write_wav(folder / f"{kind}-{number:03}.wav", sides, rate=RATE)
        yield kind, seconds
        left, number = left - seconds, number + 1


def measure(model: str, minutes: float, seed: int, device: str = "auto") -> dict[str, object]:
    """Characters by kind of sound: unflagged, flagged, and the speech that was found where there is none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = list(recordings(minutes, seed, folder / "in"))
        rows, _ = build_calls(CallOptions((folder / "in",)))
        store = Store(folder / "s")
        began = time.monotonic()
        transcribe(store, TranscribeOptions(model=model, device=device), Silent(), rows)
        wall = time.monotonic() - began
        files = {r["call_id"]: r["file"] for r in rows}
        by_kind = {kind: {"seconds": 0.0, "found_ms": 0, "flagged": 0, "unflagged": 0} for kind in KINDS}
        for kind, seconds in made:
            by_kind[kind]["seconds"] += seconds
        texts = []
        for row in store.read("transcripts").to_pylist():
            kind = files[row["call_id"]].rsplit("-", 1)[0]
            by_kind[kind]["found_ms"] += sum(s["end_ms"] - s["start_ms"] for s in row["spans"] or ())
            for turn in row["turns"] or ():
                by_kind[kind]["flagged" if turn["flags"] else "unflagged"] += len(turn["text"])
                if not turn["flags"]:
                    texts.append((kind, turn["text"][:60]))
    return {
        "model": model,
        "minutes": minutes,
        "seed": seed,
        "kinds": by_kind,
        "unflagged": sum(int(v["unflagged"]) for v in by_kind.values()),
        "flagged": sum(int(v["flagged"]) for v in by_kind.values()),
        "texts": texts,
        "x_real_time": round(minutes * 60 / wall, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo-zh")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found = measure(chosen.model, chosen.minutes, chosen.seed)
    for kind, counts in found["kinds"].items():  # type: ignore[attr-defined]
        print(f"{kind:12} " + "  ".join(f"{name} {value:g}" for name, value in counts.items()))
    print(f"unflagged characters: {found['unflagged']}, flagged: {found['flagged']}, {found['x_real_time']} × real time")
    for kind, text in found["texts"]:  # type: ignore[attr-defined]
        print(f"  {kind}: {text}")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, ensure_ascii=False, sort_keys=True, indent=1), encoding="utf-8")
    sys.exit(1 if found["unflagged"] else 0)


if __name__ == "__main__":
    main()
