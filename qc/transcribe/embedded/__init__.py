"""The speech model that ships with qc: openai-whisper's format, small, for the demo and the tests.

The file keeps only the token rows in use (the others are zero) and no tables that can be computed. It is expanded
once into the user's cache, as a checkpoint that `whisper.load_model(path)` loads. How it was made: `training/`.
What it can do, and what it cannot: `MODEL_CARD.md` beside this file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDED_NAME = "demo-zh"
SHORT = (300, 100)
"""Places of audio at the least (6 s), and of silence behind a window (2 s), in which this model hears as well as in 1,500: see the
model card."""
PACK_MS = 5_000
"""Most sound of a window of several utterances that this model hears as well as one utterance alone: see the model card."""
MODEL_FILE = Path(__file__).with_name("model.safetensors")
_ROWS, _IDS, _TABLE = "decoder.token_embedding.rows", "decoder.token_embedding.ids", "decoder.token_embedding.weight"
_POSITIONS = "encoder.positional_embedding"


def default_cache_dir() -> Path:
    """$QC_CACHE_DIR, else the platform's folder for caches."""
    if chosen := os.environ.get("QC_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "qc" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "qc"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qc"


def _metadata() -> dict[str, str]:
    from safetensors import safe_open

    _require_file()
    with safe_open(MODEL_FILE, "pt") as file:
        return dict(file.metadata() or {})


def _require_file() -> None:
    if not MODEL_FILE.is_file():
        raise ModelError(
            "the embedded speech model is missing",
            where=str(MODEL_FILE),
            hint="install qc again; the model is part of the package",
        )


def alignment_heads() -> list[tuple[int, int]]:
    """Decoder heads (layer, head) whose cross-attention follows the audio; for times of characters."""
    import json

    return [(int(layer), int(head)) for layer, head in json.loads(_metadata().get("alignment_heads", "[]"))]


def load_state() -> tuple[dict[str, int], dict[str, Tensor]]:
    """(dims, state dict) of an openai-whisper model, float16, without touching the cache."""
    import json

    import torch
    from safetensors.torch import load_file
    from whisper.model import sinusoids

    dims: dict[str, int] = json.loads(_metadata()["dims"])
    state: dict[str, Any] = load_file(MODEL_FILE)
    rows, ids = state.pop(_ROWS), state.pop(_IDS)
    table = torch.zeros((dims["n_vocab"], dims["n_text_state"]), dtype=rows.dtype)
    table[ids.long()] = rows
    state[_TABLE] = table
    state[_POSITIONS] = sinusoids(dims["n_audio_ctx"], dims["n_audio_state"]).to(rows.dtype)
    return dims, state


def expanded_model_path(cache_dir: Path | None = None) -> Path:
    """Path of a checkpoint for `whisper.load_model`, written into the cache on the first call.

    The name carries the digest of the shipped file, so another version never finds the older one's. The file is
    written beside its place and renamed, so two processes can do this at once and none sees half a file.
    """
    import hashlib
    import tempfile

    import torch

    _require_file()
    digest = hashlib.sha256(MODEL_FILE.read_bytes()).hexdigest()[:16]
    folder = cache_dir if cache_dir is not None else default_cache_dir()
    path = folder / f"{EMBEDDED_NAME}-{digest}.pt"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        dims, state = load_state()
        handle, part = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save({"dims": dims, "model_state_dict": state}, file)
            os.replace(part, path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ModelError(
            f"the embedded speech model cannot be expanded: {error}",
            where=str(path),
            hint="set QC_CACHE_DIR to a folder that can be written",
        ) from error
    return path
