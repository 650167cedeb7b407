"""The embedded speech model from nothing: speak, train, export, measure. One command, seeded.

python -m training                      # about two hours on two cores
python -m training --minutes 30 --hours 20
python -m training --device cuda --workers 14 --processes 16 --hours 300 --minutes 15 --frames 100000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".cache/training"), help="spoken calls, weights, log")
    parser.add_argument("--hours", type=float, default=60, help="hours of calls to speak")
    parser.add_argument("--minutes", type=float, default=92, help="wall clock of the training")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", type=Path, default=Path("qc/transcribe/embedded/model.safetensors"))
    parser.add_argument("--processes", type=int, default=2, help="processes that speak")
    a, more = parser.parse_known_args()  # what is not known here goes to training.train
    cache, out = a.folder / "calls", a.folder / "run"
    steps = (
        ["training.data", "--cache", cache, "--hours", a.hours, "--seed", a.seed, "--processes", a.processes],
        ["training.train", "--cache", cache, "--out", out, "--minutes", a.minutes, "--seed", a.seed, *more],
        ["training.export", "--weights", out / "weights.pt", "--target", a.target, "--heldout", cache / "heldout"],
        ["training.cer"],
    )
    for step in steps:
        subprocess.run([sys.executable, "-m", *map(str, step)], check=True)


if __name__ == "__main__":
    main()
