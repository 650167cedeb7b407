"""Whisper checkpoints: found by name, file or folder, checked, and read without ever running code that they may hold.

A checkpoint from a stranger may be a pickle with a program inside, or may name sizes that no memory holds. It is read
with `weights_only` (or is safetensors, which holds no code), its sizes are checked against bounds before the first
tensor is made, and every tensor's shape against what those sizes ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import ModelError
from qc.progress import Progress
from qc.transcribe.engines import hugging_face
from qc.transcribe.engines.download import default_folder, digest, fetch
from qc.transcribe.packing import PACK_MS

_BOUNDS = {
    "n_mels": (80, 128),
    "n_audio_ctx": (50, 3_000),
    "n_audio_state": (16, 4_096),
    "n_audio_head": (1, 64),
    "n_audio_layer": (1, 64),
    "n_vocab": (51_864, 51_866),
    "n_text_ctx": (64, 4_096),
    "n_text_state": (16, 4_096),
    "n_text_head": (1, 64),
    "n_text_layer": (1, 64),
}
_MEL_BANKS = (80, 128)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's name as asked for, its file or folder, and a SHA-256: of the file's bytes, or of those of a folder's files.

    `published`: openai-whisper's name for these very bytes; `embedded`: the model that comes with qc.
    """

    name: str
    path: Path
    sha256: str
    published: str | None = None
    embedded: bool = False


@dataclass(frozen=True)
class Weights:
    """A checkpoint that is read. `dims`, `state`: openai-whisper's sizes and state dict.

    `alignment_heads`: (layer, head) of those that follow the audio, None where nobody listed them; `pack_ms`: most
    sound of a window of several utterances that it hears as well as one utterance alone; `short`: (places of audio at the least, places of silence behind a window) in which it
    hears short windows as well as in all of n_audio_ctx (None: not known).
    """

    dims: dict[str, int]
    state: dict[str, Any]
    alignment_heads: list[tuple[int, int]] | None
    pack_ms: int
    short: tuple[int, int] | None = None


def locate(model: str, model_dir: Path | None = None, progress: Progress | None = None) -> Checkpoint:
    """Find a checkpoint by name (openai-whisper's names, the embedded model), file or folder. Raises ModelError.

    `model_dir`: a folder where published models are, or go; `progress` hears of a download.
    """
    path = Path(model)
    if path.is_file():
        sha256 = digest(path)
        return Checkpoint(
            path.name, path, sha256, next((n for n, url in published().items() if url.split("/")[-2] == sha256), None)
        )
    if path.is_dir() and (path / hugging_face.CONFIG).is_file():
        return Checkpoint(path.resolve().name, path, hugging_face.folder_digest(path))
    embedded = _embedded(model)
    if embedded is not None:
        return Checkpoint(model, embedded, digest(embedded), embedded=True)
    urls = published()
    if model in urls:
        folder = model_dir if model_dir is not None else default_folder()
        return Checkpoint(model, fetch(model, urls[model], folder, progress), urls[model].split("/")[-2], published=model)
    if path.is_dir():
        hint = f"a Hugging Face folder has {hugging_face.CONFIG} and model.safetensors"
        raise ModelError("this folder holds no Whisper checkpoint", where=model, hint=hint, code="no_model")
    if path.suffix or len(path.parts) > 1:
        hint = "give a .pt file, a Hugging Face folder, or a name such as turbo"
        raise ModelError("there is no such model file", where=model, hint=hint, code="no_model")
    known = ", ".join(n for n in urls if not n.endswith(".en"))
    raise ModelError(
        f"no model is called {model!r}", hint=f"demo-zh, {known}, a .pt file or a Hugging Face folder", code="no_model"
    )


def published() -> dict[str, str]:
    """openai-whisper's names and where each is; the last folder of an address is the file's SHA-256."""
    import whisper

    urls: dict[str, str] = whisper._MODELS
    return urls


def _embedded(model: str) -> Path | None:
    """The path of the model that comes with qc, when it is asked for."""
    from qc.transcribe.embedded import EMBEDDED_NAME, expanded_model_path

    return Path(expanded_model_path()) if model == EMBEDDED_NAME else None


def read_weights(checkpoint: Checkpoint) -> Weights:
    """Sizes, tensors and what is known of the model. Raises ModelError for anything that is no Whisper checkpoint."""
    heads: list[tuple[int, int]] | None = None
    pack_ms, short = PACK_MS, None
    if checkpoint.path.is_dir():
        sizes, state, heads = hugging_face.read(checkpoint.path)
        dims = checked_dims(sizes, checkpoint.path)
    else:
        raw = _read(checkpoint.path)
        dims, state = checked_dims(raw["dims"], checkpoint.path), raw["model_state_dict"]
    if checkpoint.published:
        heads = _published_heads(checkpoint.published, dims)
    if checkpoint.embedded:
        from qc.transcribe import embedded

        heads, pack_ms, short = embedded.alignment_heads(), embedded.PACK_MS, embedded.SHORT
    _check_shapes(dims, state, checkpoint.path)
    if heads is not None:
        heads = [h for h in heads if h[0] < dims["n_text_layer"] and h[1] < dims["n_text_head"]] or None
    return Weights(dims, state, heads, pack_ms, short)


def _published_heads(name: str, dims: Mapping[str, int]) -> list[tuple[int, int]] | None:
    """The heads that openai-whisper lists for its own models: a packed table of layers by heads."""
    import base64
    import gzip

    import numpy as np
    import whisper

    packed = whisper._ALIGNMENT_HEADS.get(name)
    if packed is None:
        return None
    table = np.frombuffer(gzip.decompress(base64.b85decode(packed)), dtype=bool)
    return [(int(n) // dims["n_text_head"], int(n) % dims["n_text_head"]) for n in np.flatnonzero(table)]


def load_model(checkpoint: Checkpoint, device: str) -> Any:
    """The checkpoint as openai-whisper's own module on a device, float32. Raises ModelError."""
    import torch
    from whisper.model import ModelDimensions

    weights = read_weights(checkpoint)
    model = _without_weights(ModelDimensions(**weights.dims))
    model.load_state_dict({k: v.float() for k, v in weights.state.items()}, strict=False, assign=True)
    heads = torch.zeros(weights.dims["n_text_layer"], weights.dims["n_text_head"], dtype=torch.bool)
    if weights.alignment_heads:
        for layer, head in weights.alignment_heads:
            heads[layer, head] = True
    else:
        heads[weights.dims["n_text_layer"] // 2 :] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model.eval().requires_grad_(False).to(torch.device(device))


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


def shapes(dims: Mapping[str, int]) -> dict[str, Any]:
    """The shape of every tensor of a checkpoint of these sizes, by its name."""
    from whisper.model import ModelDimensions

    return {name: tensor.shape for name, tensor in _without_weights(ModelDimensions(**dims)).state_dict().items()}


def _check_shapes(dims: Mapping[str, int], state: Mapping[str, Any], path: Path) -> None:
    """Every tensor that the sizes ask for is there, a float, and of its shape; nothing is made for it. Raises ModelError."""
    import torch

    for state_size, heads in (("n_audio_state", "n_audio_head"), ("n_text_state", "n_text_head")):
        if dims[state_size] % dims[heads]:
            raise _unfit(f"{state_size} {dims[state_size]} cannot be shared among {dims[heads]} heads", path)
    if dims["n_text_state"] != dims["n_audio_state"]:
        raise _unfit("encoder and decoder differ in width", path)
    for name, wanted in shapes(dims).items():
        tensor = state.get(name)
        if not isinstance(tensor, torch.Tensor):
            raise _unfit(f"there is no {name}", path)
        if tensor.shape != wanted or not tensor.is_floating_point():
            raise _unfit(f"{name} is {tuple(tensor.shape)} {tensor.dtype}, not {tuple(wanted)}", path)


def _unfit(reason: str, path: Path) -> ModelError:
    return ModelError(f"the weights do not fit the sizes it names: {reason}", where=str(path), code="bad_model")


def _read(path: Path) -> dict[str, Any]:
    raw = hugging_face.read_pickle(path)
    if not isinstance(raw.get("dims"), dict) or not isinstance(raw.get("model_state_dict"), dict):
        raise ModelError(
            "this is no Whisper checkpoint: it has no `dims` and `model_state_dict`", where=str(path), code="bad_model"
        )
    return raw


def checked_dims(dims: Mapping[str, Any], path: Path) -> dict[str, int]:
    """openai-whisper's ten sizes, each within its bounds. Raises ModelError."""
    for name, (low, high) in _BOUNDS.items():
        value = dims.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            shown = json.dumps(value, default=str)[:40]
            raise ModelError(f"its size {name} is {shown}, not between {low} and {high}", where=str(path), code="bad_model")
    if dims["n_mels"] not in _MEL_BANKS:
        raise ModelError(f"its size n_mels is {dims['n_mels']}, not 80 or 128", where=str(path), code="bad_model")
    return {name: dims[name] for name in _BOUNDS}
