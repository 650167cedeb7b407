"""Writes the trained weights as the file that ships: float16 safetensors, used token rows only. Of several runs that went on from
each other, their mean: better than either.

Also finds the decoder heads that follow the audio: over held-out windows, the share of a head's attention that
falls on the utterance being written, minus what a uniform look at all utterances would give.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from .data import Cache, finish
from .train import Attention, Dims, Model, Vocabulary, Windows


@torch.no_grad()
def alignment(model: Model, vocabulary: Vocabulary, cache: Cache, count: int = 12) -> list[tuple[float, int, int]]:
    """[(share of attention on the right utterance, layer, head)], best first."""
    windows = Windows(cache, vocabulary, 11)
    tok, row = vocabulary.tok, vocabulary.row
    weights: dict[int, torch.Tensor] = {}

    def watch(layer: int, attention: Attention):
        def hook(_module, inputs):
            x, xa = inputs[0], inputs[1]
            q, k = attention.split(attention.query(x)), attention.split(attention.key(xa))
            weights[layer] = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)[0]

        return hook

    hooks = [b.cross_attn.register_forward_pre_hook(watch(i, b.cross_attn)) for i, b in enumerate(model.decoder.blocks)]
    head_ids = [tok.sot, tok.to_language_token("zh"), tok.transcribe, tok.no_timestamps]
    total = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head)
    n = 0
    while n < count:
        w = windows.draw(2800, 6)
        if w is None or len(w.marks) < 3:
            continue
        raw = torch.full((1, 3000, 80), -10.0)
        raw[0, : len(w.raw)] = torch.from_numpy(w.raw.astype("float32"))
        top, _ = model.encoder(finish(raw))
        tokens = torch.tensor([[row[t] for t in head_ids] + w.rows])
        model.decoder(tokens, top)
        at = len(head_ids)
        for start, end, rows in w.marks:  # attention at position p writes token p + 1
            for layer, heads in weights.items():
                piece = heads[:, at - 1 : at - 1 + len(rows), max(0, start // 2 - 10) : end // 2 + 10]
                total[layer] += piece.sum(-1).mean(-1) / len(w.marks)
            at += len(rows)
        n += 1
    for h in hooks:
        h.remove()
    shares = total / count
    return sorted(((float(shares[i, j]), i, j) for i in range(shares.shape[0]) for j in range(shares.shape[1])), reverse=True)


def export(weights: list[Path], target: Path, heldout: Path | None = None) -> None:
    from safetensors.torch import save_file

    runs = [torch.load(path, weights_only=True) for path in weights]
    saved, ids = runs[-1], runs[-1]["vocabulary"]
    if any(run["vocabulary"] != ids for run in runs):
        raise SystemExit("these weights are not of one vocabulary, so there is no mean of them")
    state = {
        name: sum(run["average"][name] for run in runs) / len(runs) if value.is_floating_point() else value
        for name, value in saved["average"].items()
    }
    out = {}
    for name, value in state.items():
        if name.startswith("ctc_") or name == "encoder.positional_embedding":
            continue
        if name == "decoder.token_embedding.weight":
            out["decoder.token_embedding.rows"] = value.half().contiguous()
        else:
            out[name] = value.half().contiguous()
    out["decoder.token_embedding.ids"] = torch.tensor(ids, dtype=torch.int32)
    metadata = {"dims": json.dumps(saved["dims"]), "format": "pt", "name": "demo-zh", "steps": str(saved["step"])}
    if heldout is not None and heldout.exists():
        vocabulary = Vocabulary(ids, json.loads((weights[-1].parent / "vocabulary.json").read_text(encoding="utf-8"))["units"])
        model = Model(Dims(**saved["dims"]), len(ids), len(vocabulary.units)).eval()
        model.load_state_dict(state)
        found = alignment(model, vocabulary, Cache(heldout))
        print("attention on the right utterance by head:", [(round(s, 2), i, j) for s, i, j in found])
        metadata["alignment_heads"] = json.dumps([[i, j] for s, i, j in found if s >= max(0.5, 0.85 * found[0][0])])
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    save_file(out, part, metadata)
    part.chmod(0o644)
    part.replace(target)
    rate = f", held-out CER on the way {saved['cer']:.1%}" if len(runs) == 1 else ""
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, step {saved['step']}{rate}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, nargs="+", help="weights.pt; of several, the mean")
    parser.add_argument("--target", type=Path, default=Path("qc/transcribe/embedded/model.safetensors"))
    parser.add_argument("--heldout", type=Path, help="folder of held-out shards, for the alignment heads")
    a = parser.parse_args()
    export(a.weights, a.target, a.heldout)
