"""The GPU's bench runs through on a CPU with a tiny random model, so that it can be trusted where there is a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_gpu_bench_runs_through_dry(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "bench" / "transcribe.py"), "--device", "cpu", "--dry-run", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    value = json.loads(out.read_text(encoding="utf-8"))
    assert value["call_s"] == 60.0
    assert value["windows"] > 0
    assert value["call_time_x"] > 0
    assert value["ratio_openai_whisper"] > 0
    assert {"engine_mel", "engine_encode", "engine_decode", "encoder_share_of_matmul", "decode_share_of_memory"} <= set(value)
