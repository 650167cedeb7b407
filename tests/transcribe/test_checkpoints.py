"""Checkpoints in every format give the same model; a stranger's is never run; a published one is what it says it is."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from qc.errors import ModelError
from qc.transcribe.engines import EngineRequest, open_engine
from qc.transcribe.engines.checkpoints import load_model, locate, published, read_weights
from tests.transcribe.models import DIMS, tiny_checkpoint, weights

HF = {
    "blocks": "layers",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "attn_ln": "self_attn_layer_norm",
    "mlp_ln": "final_layer_norm",
    "cross_attn": "encoder_attn",
    "attn": "self_attn",
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "out": "out_proj",
    "ln_post": "layer_norm",
    "ln": "layer_norm",
    "token_embedding": "embed_tokens",
}


def hf_name(name: str) -> str:
    """The Hugging Face name of an openai-whisper tensor, written down apart from the code under test."""
    if name.endswith("positional_embedding"):
        return "model." + name.replace("positional_embedding", "embed_positions.weight")
    name = name.replace("mlp.0", "fc1").replace("mlp.2", "fc2")
    return "model." + ".".join(HF.get(part, part) for part in name.split("."))


CONFIG = {
    "model_type": "whisper",
    "num_mel_bins": DIMS["n_mels"],
    "max_source_positions": DIMS["n_audio_ctx"],
    "d_model": DIMS["n_audio_state"],
    "encoder_attention_heads": DIMS["n_audio_head"],
    "encoder_layers": DIMS["n_audio_layer"],
    "encoder_ffn_dim": 4 * DIMS["n_audio_state"],
    "vocab_size": DIMS["n_vocab"],
    "max_target_positions": DIMS["n_text_ctx"],
    "decoder_attention_heads": DIMS["n_text_head"],
    "decoder_layers": DIMS["n_text_layer"],
    "decoder_ffn_dim": 4 * DIMS["n_text_state"],
    "activation_function": "gelu",
}


def hf_folder(folder: Path, kind: str, **config: Any) -> Path:
    """A checkpoint of the same random weights as a Hugging Face folder: safetensors or bin, whole or in two shards."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | config), encoding="utf-8")
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": [[1, 0], [0, 1]]}), encoding="utf-8")
    state = {hf_name(k): v.contiguous() for k, v in weights().items()}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"].clone()
    if kind == "safetensors":
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    elif kind == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        names = sorted(state)
        shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for file, mine in shards.items():
            save_file({n: state[n] for n in mine}, folder / file)
        index = {"weight_map": {n: file for file, mine in shards.items() for n in mine}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", ["safetensors", "bin", "sharded"])
def test_a_hugging_face_folder_is_the_same_model(kind: str, tmp_path: Path) -> None:
    import torch

    found = locate(str(hf_folder(tmp_path / "hf", kind)))
    assert found.name == "hf"
    assert len(found.sha256) == 64
    read = read_weights(found)
    assert read.dims == DIMS
    assert read.alignment_heads == [(1, 0), (0, 1)]
    wanted = weights()
    assert set(read.state) == set(wanted)
    assert all(torch.equal(read.state[k], wanted[k]) for k in wanted)


def test_a_folders_digest_follows_its_weights_and_its_name_does_not_matter(tmp_path: Path) -> None:
    one = hf_folder(tmp_path / "a", "safetensors")
    two = hf_folder(tmp_path / "b", "safetensors")
    assert locate(str(one)).sha256 == locate(str(two)).sha256
    raw = bytearray((two / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (two / "model.safetensors").write_bytes(bytes(raw))
    assert locate(str(one)).sha256 != locate(str(two)).sha256


def test_a_file_is_named_and_has_its_own_digest(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path)
    found = locate(str(path))
    assert (found.name, found.sha256) == ("tiny.pt", hashlib.sha256(path.read_bytes()).hexdigest())
    assert read_weights(found).alignment_heads is None


def test_openai_whisper_runs_what_was_read(tmp_path: Path) -> None:
    import torch
    import whisper

    path = tiny_checkpoint(tmp_path)
    ours, theirs = load_model(locate(str(path)), "cpu"), whisper.load_model(str(path), device="cpu")
    mel = torch.zeros(1, DIMS["n_mels"], 2 * DIMS["n_audio_ctx"])
    with torch.inference_mode():
        assert torch.equal(ours.encoder(mel), theirs.encoder(mel))


def test_published_models_list_their_alignment_heads() -> None:
    from qc.transcribe.engines.checkpoints import _published_heads

    turbo = {"n_text_layer": 4, "n_text_head": 20}
    assert _published_heads("turbo", turbo) == [(2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)]
    assert _published_heads("base", {"n_text_layer": 6, "n_text_head": 8})


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize(
    "kind",
    [
        "bomb",
        "text",
        "empty",
        "no_dims",
        "wrong_dims",
        "huge_dims",
        "other_mels",
        "odd_heads",
        "missing",
        "wrong_weights",
        "integers",
    ],
)
def test_a_strangers_checkpoint_is_refused_and_never_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    good = {"dims": DIMS, "model_state_dict": weights()}
    if kind == "bomb":
        path.write_bytes(pickle.dumps({"dims": _Bomb(), "model_state_dict": {}}))
    elif kind in ("text", "empty"):
        path.write_bytes(b"" if kind == "empty" else b"hello")
    else:
        state = weights()
        changed: dict[str, Any] = {
            "no_dims": {"model_state_dict": {}},
            "wrong_dims": {**good, "dims": {**DIMS, "n_mels": "80"}},
            "huge_dims": {**good, "dims": {**DIMS, "n_text_state": 10**9}},
            "other_mels": {**good, "dims": {**DIMS, "n_mels": 96}},
            "odd_heads": {**good, "dims": {**DIMS, "n_text_head": 3}},
            "missing": {**good, "model_state_dict": {k: v for k, v in state.items() if k != "decoder.ln.bias"}},
            "wrong_weights": {**good, "dims": {**DIMS, "n_text_layer": 3}},
            "integers": {**good, "model_state_dict": {**state, "decoder.ln.bias": state["decoder.ln.bias"].long()}},
        }[kind]
        torch.save(changed, path)
    with pytest.raises(ModelError):
        open_engine("whisper", EngineRequest(str(path), device="cpu"))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("kind", ["bomb", "no_weights", "no_json", "other_model", "outside", "untied", "narrow", "cut"])
def test_a_strangers_folder_is_refused_and_never_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"other_model": {"model_type": "bart"}, "untied": {"tie_word_embeddings": False}, "narrow": {"encoder_ffn_dim": 32}}
    folder = hf_folder(tmp_path / "hf", "sharded" if kind == "outside" else "safetensors", **config.get(kind, {}))
    if kind in ("bomb", "no_weights"):
        (folder / "model.safetensors").unlink()
    if kind == "bomb":
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"model.encoder.conv1.weight": _Bomb()}))
    elif kind == "no_json":
        (folder / "config.json").write_text("[" * 10_000, encoding="utf-8")
    elif kind == "outside":
        index = {"weight_map": {"model.encoder.conv1.weight": "../model.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    elif kind == "cut":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError):
        open_engine("whisper", EngineRequest(str(folder), device="cpu"))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("model", ["no-such-model", "folder/none.pt", "none.pt"])
def test_a_model_that_is_not_there_is_named(model: str) -> None:
    with pytest.raises(ModelError) as caught:
        open_engine("whisper", EngineRequest(model, device="cpu"))
    assert model in str(caught.value)


class Shown:
    """A progress listener that keeps what it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps = 0
        self.total: int | None = None
        self.ended = False

    def start(self, stage: str, total_calls: int | None, total_audio_ms: int | None = None) -> None:
        self.total = total_calls

    def advance(self, calls: int = 1, audio_ms: int = 0, failed: int = 0) -> None:
        self.steps += calls

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finish(self) -> None:
        self.ended = True


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A published model «pico» that is served from a file; returns its address."""
    path = tiny_checkpoint(tmp_path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    place = tmp_path / "served" / sha256 / "pico.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(path.read_bytes())
    import whisper

    monkeypatch.setattr(whisper, "_MODELS", {"pico": place.as_uri()})
    return place.as_uri()


def test_a_published_model_is_downloaded_once_with_progress_and_checked(shelf: str, tmp_path: Path) -> None:
    shown = Shown()
    found = locate("pico", tmp_path / "models", shown)
    assert found.path == tmp_path / "models" / "pico.pt"
    assert (found.published, found.sha256) == ("pico", shelf.split("/")[-2])
    assert shown.notes
    assert shown.ended
    assert shown.steps == shown.total == -(-found.path.stat().st_size // (1 << 20))
    assert list((tmp_path / "models").iterdir()) == [found.path]
    Path(shelf.removeprefix("file://")).unlink()
    assert locate("pico", tmp_path / "models") == found


def test_a_download_that_is_not_what_it_should_be_is_never_kept(shelf: str, tmp_path: Path) -> None:
    Path(shelf.removeprefix("file://")).write_bytes(b"something else")
    with pytest.raises(ModelError, match="SHA-256"):
        locate("pico", tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_file_under_a_published_name_that_is_another_one_is_refused(shelf: str, tmp_path: Path) -> None:
    (tmp_path / "pico.pt").write_bytes(b"something else")
    with pytest.raises(ModelError, match="not the published model"):
        locate("pico", tmp_path)


def test_without_a_network_the_way_out_is_said(shelf: str, tmp_path: Path) -> None:
    Path(shelf.removeprefix("file://")).unlink()
    with pytest.raises(ModelError, match=r"copy the file pico\.pt to .*models"):
        locate("pico", tmp_path / "models")


def test_the_addresses_of_published_models_end_in_digest_and_name() -> None:
    for url in published().values():
        assert url.startswith("https://")
        assert len(url.split("/")[-2]) == 64
