"""Whisper in a Hugging Face folder: the same tensors under other names. Read without transformers, and without running anything."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qc.errors import ModelError
from qc.transcribe.engines.download import digest

CONFIG = "config.json"
_GENERATION = "generation_config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_MAX_JSON = 16 << 20
_SIZES = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
_RENAMED = (
    (re.compile(r"^(encoder|decoder)\.layers\.(\d+)\."), r"\1.blocks.\2."),
    (re.compile(r"\.self_attn_layer_norm\."), ".attn_ln."),
    (re.compile(r"\.encoder_attn_layer_norm\."), ".cross_attn_ln."),
    (re.compile(r"\.final_layer_norm\."), ".mlp_ln."),
    (re.compile(r"\.self_attn\."), ".attn."),
    (re.compile(r"\.encoder_attn\."), ".cross_attn."),
    (re.compile(r"\.q_proj\."), ".query."),
    (re.compile(r"\.k_proj\."), ".key."),
    (re.compile(r"\.v_proj\."), ".value."),
    (re.compile(r"\.out_proj\."), ".out."),
    (re.compile(r"\.fc1\."), ".mlp.0."),
    (re.compile(r"\.fc2\."), ".mlp.2."),
    (re.compile(r"^encoder\.layer_norm\."), "encoder.ln_post."),
    (re.compile(r"^decoder\.layer_norm\."), "decoder.ln."),
    (re.compile(r"^(encoder|decoder)\.embed_positions\.weight$"), r"\1.positional_embedding"),
    (re.compile(r"^decoder\.embed_tokens\."), "decoder.token_embedding."),
)


def openai_name(name: str) -> str | None:
    """openai-whisper's name of a Hugging Face tensor; None for one that it does not have."""
    name = name.removeprefix("model.")
    if not name.startswith(("encoder.", "decoder.")):
        return None
    for pattern, renamed in _RENAMED:
        name = pattern.sub(renamed, name)
    return name


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and digests of the files that a checkpoint's text can depend on."""
    weights, shards = _weights(folder)
    names = sorted({CONFIG, weights.name, *shards, *((_GENERATION,) if (folder / _GENERATION).is_file() else ())})
    listed = {name: digest(folder / name) for name in names}
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Any], list[tuple[int, int]] | None]:
    """(openai-whisper's sizes, its state dict, alignment heads where they are listed). Raises ModelError."""
    config = _json(folder / CONFIG)
    if config.get("model_type") != "whisper":
        raise ModelError("this is no Whisper model by its config.json", where=str(folder), code="bad_model")
    if config.get("tie_word_embeddings") is False:
        raise ModelError("its output layer is not its token table; Whisper's always is", where=str(folder), code="bad_model")
    sizes = {ours: config.get(theirs) for ours, theirs in _SIZES.items()}
    for side in ("encoder", "decoder"):
        if config.get(f"{side}_ffn_dim") != 4 * (config.get("d_model") or 0):
            raise ModelError(f"its {side}_ffn_dim is not four times d_model", where=str(folder / CONFIG), code="bad_model")
    if config.get("activation_function", "gelu") != "gelu":
        raise ModelError("its activation is not Whisper's", where=str(folder / CONFIG), code="bad_model")
    return sizes, _state(folder), _heads(folder)


def _heads(folder: Path) -> list[tuple[int, int]] | None:
    if not (folder / _GENERATION).is_file():
        return None
    listed = _json(folder / _GENERATION).get("alignment_heads")
    try:
        found = [(int(layer), int(head)) for layer, head in listed or ()]
    except (TypeError, ValueError):
        return None
    return [(layer, head) for layer, head in found if layer >= 0 and head >= 0] or None


def _weights(folder: Path) -> tuple[Path, list[str]]:
    """The file of weights, or the index of several and their names. Safetensors are taken first. Raises ModelError."""
    for name in _WEIGHTS:
        path = folder / name
        if not path.is_file():
            continue
        if not name.endswith(".json"):
            return path, []
        listed = _json(path).get("weight_map")
        shards = sorted({str(v) for v in listed.values()}) if isinstance(listed, Mapping) else []
        suffix = ".safetensors" if "safetensors" in name else ".bin"
        for shard in shards:
            if Path(shard).name != shard or not shard.endswith(suffix):
                raise ModelError(f"its index names a file outside of the folder: {shard!r}", where=str(path), code="bad_model")
        return path, shards
    raise ModelError("there are no weights", where=str(folder), hint=f"one of {', '.join(_WEIGHTS)}", code="bad_model")


def _state(folder: Path) -> dict[str, Any]:
    path, shards = _weights(folder)
    state: dict[str, Any] = {}
    for file in [folder / s for s in shards] or [path]:
        for name, tensor in _tensors(file).items():
            ours = openai_name(name)
            if ours is not None:
                state[ours] = tensor
    return state


def _tensors(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return read_pickle(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"the weights cannot be read ({type(error).__name__})", where=str(path), code="bad_model") from error


def read_pickle(path: Path) -> dict[str, Any]:
    """A dictionary saved by torch, of tensors and plain values alone. Raises ModelError for any other; nothing in it is run."""
    import pickle
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        hint = "a checkpoint holds only tensors and sizes; one that needs more is never opened"
        raise ModelError(
            f"this is no Whisper checkpoint ({type(error).__name__})", where=str(path), hint=hint, code="bad_model"
        ) from error
    if not isinstance(raw, dict):
        raise ModelError("this is no Whisper checkpoint: it is no dictionary of tensors", where=str(path), code="bad_model")
    return raw


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ModelError("the file is too large for what it should hold", where=str(path), code="bad_model")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"cannot be read ({type(error).__name__})", where=str(path), code="bad_model") from error
    if not isinstance(value, dict):
        raise ModelError("this is no configuration", where=str(path), code="bad_model")
    return value
