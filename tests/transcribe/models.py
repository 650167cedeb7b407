"""Small things to test with: a Whisper checkpoint of random weights, a store with prepared transcripts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.audio.sounds import tone, write_wav

DIMS = {
    "n_mels": 80,
    "n_audio_ctx": 500,
    "n_audio_state": 32,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_vocab": 51_865,
    "n_text_ctx": 448,
    "n_text_state": 32,
    "n_text_head": 2,
    "n_text_layer": 2,
}


ENGLISH = DIMS | {"n_vocab": 51_864, "n_audio_ctx": 300, "n_text_layer": 3}
LARGE = DIMS | {"n_vocab": 51_866, "n_mels": 128, "n_audio_ctx": 400, "n_audio_layer": 2, "n_text_layer": 1, "n_text_head": 4}
"""Shapes like those of the `.en` models and of large-v3: other vocabularies, filter banks and numbers of heads."""


@cache
def _weights(sizes: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    import torch
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    model = Whisper(ModelDimensions(**dict(sizes)))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return model.state_dict()


def weights(dims: dict[str, int] | None = None) -> dict[str, Any]:
    """openai-whisper's state dict of random weights, the same ones each time."""
    return _weights(tuple((dims or DIMS).items()))


def tiny_checkpoint(folder: Path, dims: dict[str, int] | None = None) -> Path:
    """An openai-whisper checkpoint of random weights, by default with 10 s windows, 7 MB."""
    import torch

    path = folder / "tiny.pt"
    torch.save({"dims": dims or DIMS, "model_state_dict": weights(dims)}, path)
    return path


def dialogue(number: int, turns: int = 3) -> list[dict[str, Any]]:
    """Prepared turns of a call, the two sides in turn."""
    return [
        {
            "channel": k % 2,
            "start_ms": 1000 * k,
            "end_ms": 1000 * k + 800,
            "text": f"第{number}通第{k}句退款",
            "avg_logprob": -0.2,
            "no_speech_prob": 0.01,
        }
        for k in range(turns)
    ]


def calls_folder(folder: Path, count: int) -> tuple[Path, Path]:
    """(folder of `count` two-channel recordings, JSONL of their prepared transcripts)."""
    recordings = folder / "in"
    lines = []
    for number in range(count):
        both = np.stack([tone(300 + 7 * number, 3.2), tone(400, 3.2)])
        write_wav(recordings / f"c{number:03}.wav", both)
        lines.append(json.dumps({"file": f"c{number:03}.wav", "turns": dialogue(number)}, ensure_ascii=False))
    prepared = folder / "prepared.jsonl"
    prepared.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return recordings, prepared
