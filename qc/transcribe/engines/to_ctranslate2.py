"""Any Whisper checkpoint as a CTranslate2 folder: by CTranslate2's own specification and converter, without transformers.

Only the tensors' names and the tokenizer's file are our work: the byte-pair merges are read out of openai-whisper's
vocabulary, in which a token's rank says when its two halves were merged.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qc.transcribe.engines.align import fallback_heads
from qc.transcribe.engines.checkpoints import Weights


def convert(weights: Weights, folder: Path, quantization: str | None = None) -> None:
    """Write a folder that `faster_whisper.WhisperModel` loads. `quantization`: as CTranslate2 names it, None for float32."""
    from ctranslate2.converters.converter import Converter
    from whisper.tokenizer import get_tokenizer

    multilingual = weights.dims["n_vocab"] >= 51_865
    languages = weights.dims["n_vocab"] - 51_765 - int(multilingual)
    tokenizer = get_tokenizer(multilingual, num_languages=languages, language="en" if not multilingual else "zh")
    special = sorted(tokenizer.special_tokens.items(), key=lambda pair: pair[1])

    class Ours(Converter):
        def _load(self) -> Any:
            return _spec(weights, tokenizer)

    folder.mkdir(parents=True, exist_ok=True)
    Ours().convert(str(folder), quantization=quantization, force=True)
    (folder / "tokenizer.json").write_text(_tokenizer_json(tokenizer.encoding, special), encoding="utf-8")
    preprocessor = {
        "feature_size": weights.dims["n_mels"],
        "sampling_rate": 16_000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")


def _spec(weights: Weights, tokenizer: Any) -> Any:
    """CTranslate2's description of the network with the tensors in it."""
    from ctranslate2.specs import whisper_spec

    dims, state = weights.dims, weights.state
    spec = whisper_spec.WhisperSpec(dims["n_audio_layer"], dims["n_audio_head"], dims["n_text_layer"], dims["n_text_head"])
    for conv in ("conv1", "conv2"):
        _linear(getattr(spec.encoder, conv), state, f"encoder.{conv}")
    spec.encoder.position_encodings.encodings = _array(state["encoder.positional_embedding"])
    _norm(spec.encoder.layer_norm, state, "encoder.ln_post")
    spec.decoder.position_encodings.encodings = _array(state["decoder.positional_embedding"])
    spec.decoder.embeddings.weight = _array(state["decoder.token_embedding.weight"])
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    _norm(spec.decoder.layer_norm, state, "decoder.ln")
    for side in ("encoder", "decoder"):
        for number, layer in enumerate(getattr(spec, side).layer):
            _block(layer, state, f"{side}.blocks.{number}.", cross=side == "decoder")
    heads = weights.alignment_heads or fallback_heads(dims)
    spec.config.alignment_heads = [list(h) for h in heads]
    spec.config.suppress_ids = [*tokenizer.non_speech_tokens]
    spec.config.suppress_ids_begin = [*tokenizer.encode(" "), tokenizer.eot]
    spec.config.lang_ids = list(tokenizer.all_language_tokens)
    names = [_printable(piece) for piece in _ranked(tokenizer.encoding)]
    spec.register_vocabulary([*names, *(n for n, _ in sorted(tokenizer.special_tokens.items(), key=lambda pair: pair[1]))])
    return spec


def _block(layer: Any, state: Mapping[str, Any], prefix: str, cross: bool) -> None:
    _attention(layer.self_attention, state, f"{prefix}attn", fused=("query", "key", "value"))
    _norm(layer.self_attention.layer_norm, state, f"{prefix}attn_ln")
    if cross:
        _attention(layer.attention, state, f"{prefix}cross_attn", fused=("query",), second=("key", "value"))
        _norm(layer.attention.layer_norm, state, f"{prefix}cross_attn_ln")
    _linear(layer.ffn.linear_0, state, f"{prefix}mlp.0")
    _linear(layer.ffn.linear_1, state, f"{prefix}mlp.2")
    _norm(layer.ffn.layer_norm, state, f"{prefix}mlp_ln")


def _attention(spec: Any, state: Mapping[str, Any], prefix: str, fused: tuple[str, ...], second: tuple[str, ...] = ()) -> None:
    for number, names in enumerate(part for part in (fused, second) if part):
        _together(spec.linear[number], state, [f"{prefix}.{name}" for name in names])
    _linear(spec.linear[-1], state, f"{prefix}.out")


def _together(spec: Any, state: Mapping[str, Any], names: list[str]) -> None:
    """Several matrices of the same input in one; Whisper's keys have no bias."""
    import numpy as np

    weights = [_array(state[f"{n}.weight"]) for n in names]
    spec.weight = np.concatenate(weights)
    spec.bias = np.concatenate(
        [
            _array(state[f"{n}.bias"]) if f"{n}.bias" in state else np.zeros(w.shape[0], np.float32)
            for n, w in zip(names, weights, strict=True)
        ]
    )


def _linear(spec: Any, state: Mapping[str, Any], name: str) -> None:
    spec.weight, spec.bias = _array(state[f"{name}.weight"]), _array(state[f"{name}.bias"])


def _norm(spec: Any, state: Mapping[str, Any], name: str) -> None:
    spec.gamma, spec.beta = _array(state[f"{name}.weight"]), _array(state[f"{name}.bias"])


def _array(tensor: Any) -> Any:
    return tensor.detach().float().cpu().contiguous().numpy()


def _ranked(encoding: Any) -> list[bytes]:
    """Every ordinary token's bytes, in order of rank."""
    ranks: dict[bytes, int] = encoding._mergeable_ranks
    return sorted(ranks, key=ranks.__getitem__)


def _printable(piece: bytes) -> str:
    return "".join(_LETTERS[b] for b in piece)


def _letters() -> list[str]:
    """GPT-2's way to write every byte as a letter that can be seen: most as themselves, the others from U+0100 on."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(b) if b in plain else chr(next(spare)) for b in range(256)]


_LETTERS = _letters()


def _merges(encoding: Any) -> list[tuple[str, str]]:
    """The merges in order: each token of several bytes as the two parts that lower ranks leave of it."""
    ranks: dict[bytes, int] = encoding._mergeable_ranks
    found = []
    for piece in _ranked(encoding):
        if len(piece) == 1:
            continue
        parts = [bytes((b,)) for b in piece]
        while len(parts) > 2:
            joined = [ranks.get(a + b, 1 << 30) for a, b in itertools.pairwise(parts)]
            best = min(joined)
            if best >= ranks[piece]:
                break
            at = joined.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            found.append((_printable(parts[0]), _printable(parts[1])))
    return found


def _tokenizer_json(encoding: Any, special: list[tuple[str, int]]) -> str:
    """The vocabulary as a file of the `tokenizers` library."""
    vocabulary = {_printable(piece): rank for rank, piece in enumerate(_ranked(encoding))}
    added = [
        {"id": n, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for name, n in special
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    value = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [f"{a} {b}" for a, b in _merges(encoding)],
        },
    }
    return json.dumps(value, ensure_ascii=False)
