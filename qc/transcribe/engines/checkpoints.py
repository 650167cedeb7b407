"""Whisper checkpoints: found by name or file, checked, and read without ever running code that they may hold.

A checkpoint from a stranger may be a pickle with a program inside, or may name sizes that no memory holds. It is read
with `weights_only`, and its sizes are checked against bounds before the first tensor is made.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import ModelError

_BOUNDS = {
    "n_mels": (40, 256),
    "n_audio_ctx": (50, 3_000),
    "n_audio_state": (16, 4_096),
    "n_audio_head": (1, 64),
    "n_audio_layer": (1, 64),
    "n_vocab": (51_864, 60_000),
    "n_text_ctx": (64, 4_096),
    "n_text_state": (16, 4_096),
    "n_text_head": (1, 64),
    "n_text_layer": (1, 64),
}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's name as asked for, its file, and the SHA-256 of the file's bytes."""

    name: str
    path: Path
    sha256: str


def locate(model: str) -> Checkpoint:
    """Find a checkpoint by name (openai-whisper's names, the embedded model) or file. Raises ModelError."""
    path = Path(model)
    if path.is_file():
        return Checkpoint(path.name, path, _digest(path))
    embedded = _embedded(model)
    if embedded is not None:
        return Checkpoint(model, embedded, _digest(embedded))
    if path.suffix or len(path.parts) > 1:
        raise ModelError(
            "there is no such model file", where=model, hint="give a .pt file, or a name such as turbo", code="no_model"
        )
    return _published(model)


def _embedded(model: str) -> Path | None:
    """The path of the model that comes with qc, when it is asked for."""
    try:
        from qc.transcribe.embedded import EMBEDDED_NAME, expanded_model_path
    except ImportError:
        return None
    return Path(expanded_model_path()) if model == EMBEDDED_NAME else None


def _published(name: str) -> Checkpoint:
    """A model that openai-whisper knows by name: from its cache, else downloaded and checked against its digest."""
    import whisper

    urls: dict[str, str] = whisper._MODELS
    if name not in urls:
        known = ", ".join(n for n in whisper.available_models() if not n.endswith(".en"))
        raise ModelError(f"no model is called {name!r}", hint=f"demo-zh, {known}, or a .pt file", code="no_model")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"
    try:
        path = Path(str(whisper._download(urls[name], str(cache), False)))
    except (OSError, RuntimeError, TypeError) as error:
        raise ModelError(
            f"cannot download the model {name}: {error}",
            where=urls[name],
            hint=f"copy the file {Path(urls[name]).name} to {cache} or give its path as --model",
            code="no_download",
        ) from error
    return Checkpoint(name, path, urls[name].split("/")[-2])


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"cannot read the model: {error.strerror}", where=str(path), code="no_model") from error
    return digest.hexdigest()


def load_model(checkpoint: Checkpoint, device: str) -> Any:
    """The checkpoint as openai-whisper's module on a device, float32 (on CUDA: float16 but for layer norms). Raises ModelError."""
    import torch
    from whisper.model import ModelDimensions

    raw = _read(checkpoint)
    dims = ModelDimensions(**_checked_dims(raw, checkpoint))
    weights = raw["model_state_dict"]
    try:
        model = _without_weights(dims)
        model.load_state_dict({k: v.float() for k, v in weights.items()}, assign=True)
    except (RuntimeError, AttributeError, TypeError, AssertionError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"the weights do not fit the sizes it names: {reason}", where=str(checkpoint.path), code="bad_model"
        ) from error
    model = model.eval().requires_grad_(False)
    if device.startswith("cuda"):
        for module in model.modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d)):
                module.half()
        model.decoder.token_embedding.half()
        model.decoder.positional_embedding.data = model.decoder.positional_embedding.data.half()
        model.encoder.positional_embedding.data = model.encoder.positional_embedding.data.half()
    return model.to(torch.device(device))


def _without_weights(dims: Any) -> Any:
    """openai-whisper's module without memory for its weights and without random numbers in them: they are about to come."""
    import torch
    from whisper.model import AudioEncoder, TextDecoder, Whisper

    model = Whisper.__new__(Whisper)
    torch.nn.Module.__init__(model)
    model.dims = dims
    with torch.device("meta"):
        model.encoder = AudioEncoder(dims.n_mels, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer)
        model.decoder = TextDecoder(dims.n_vocab, dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer)
    model.decoder.mask = torch.full((dims.n_text_ctx, dims.n_text_ctx), -torch.inf).triu_(1)
    return model


def _read(checkpoint: Checkpoint) -> dict[str, Any]:
    import pickle
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = torch.load(checkpoint.path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        hint = "a checkpoint holds only tensors and sizes; one that needs more is never opened"
        raise ModelError(
            f"this is no Whisper checkpoint ({type(error).__name__})", where=str(checkpoint.path), hint=hint, code="bad_model"
        ) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("dims"), dict) or not isinstance(raw.get("model_state_dict"), dict):
        raise ModelError(
            "this is no Whisper checkpoint: it has no `dims` and `model_state_dict`", where=str(checkpoint.path), code="bad_model"
        )
    return raw


def _checked_dims(raw: dict[str, Any], checkpoint: Checkpoint) -> dict[str, int]:
    dims = raw["dims"]
    for name, (low, high) in _BOUNDS.items():
        value = dims.get(name)
        if not isinstance(value, int) or not low <= value <= high:
            raise ModelError(
                f"its size {name} is {value!r}, not between {low} and {high}", where=str(checkpoint.path), code="bad_model"
            )
    return {name: dims[name] for name in _BOUNDS}
