"""Machine code that was kept is loaded without all that compiling it took, and what was not kept is compiled all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOOP = """
import numpy as np
from qc.machine import compiled

def _total(values):
    room = np.empty(len(values), values.dtype)
    total = values[0]
    for n in range(1, len(values)):
        room[n] = values[n]
        total += room[n]
    return total

total = compiled(_total)
"""
USE = """
import sys
import numpy as np
from loop import total
assert total(np.arange(10)) == 45
needed_to_compile = "numba.np.linalg" in sys.modules
assert total(np.arange(10) / 2) == 22.5
print(sum(total.stats.cache_hits.values()), sum(total.stats.cache_misses.values()), needed_to_compile)
"""


def said(folder: Path, use: str = USE) -> str:
    done = subprocess.run([sys.executable, "-c", use], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_kept_code_is_loaded_alone(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, encoding="utf-8")
    assert said(tmp_path) == "0 2 True"
    assert said(tmp_path) == "2 0 False"


def test_one_kept_and_one_compiled(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, encoding="utf-8")
    said(tmp_path, "import numpy as np\nfrom loop import total\ntotal(np.arange(10))")
    assert said(tmp_path) == "1 1 False"


def test_kept_code_that_is_gone_is_compiled_anew(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, encoding="utf-8")
    said(tmp_path)
    kept = sorted((tmp_path / "__pycache__").glob("*.nbc"))
    assert len(kept) == 2
    for file in kept:
        file.unlink()
    assert said(tmp_path) == "0 2 True"
