"""Where nobody speaks nothing is said: no unflagged character comes of noise, tones and music. The hour: bench/nonspeech.py."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from qc.calls import CallOptions, build_calls
from qc.progress import Silent
from qc.store import Store
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import transcribe
from tests.audio.sounds import write_wav
from tests.transcribe.nonspeech import KINDS, RATE

SECONDS = 24.0


@pytest.mark.parametrize("seed", [int(os.environ.get("QC_SEED", "1"))])
def test_no_unflagged_character_comes_of_a_line_on_which_nobody_speaks(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    for kind, make in KINDS.items():
        write_wav(tmp_path / "in" / f"{kind}.wav", np.stack([make(SECONDS, rng), make(SECONDS, rng)]), rate=RATE)
    rows, _ = build_calls(CallOptions((tmp_path / "in",)))
    store = Store(tmp_path / "s")
    summary = transcribe(store, TranscribeOptions(model="demo-zh", device="cpu"), Silent(), rows)
    assert summary.transcribed == len(KINDS)
    names = {r["call_id"]: r["file"] for r in rows}
    said = [(names[r["call_id"]], t["text"]) for r in store.read("transcripts").to_pylist() for t in r["turns"] if not t["flags"]]
    assert said == []
    found = {names[r["call_id"]]: r for r in store.read("transcripts").to_pylist()}
    assert found["silence.wav"]["spans"] == []
    assert {w.partition(":")[0] for w in found["digits.wav"]["warnings"]} >= {"dtmf"}
    assert {w.partition(":")[0] for w in found["ringback.wav"]["warnings"]} >= {"ringback"}
