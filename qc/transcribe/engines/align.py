"""When each token was said: cross-attention of the alignment heads over the known text, then dynamic time warping.

The way of openai-whisper's `timing.py`, without a second pass over the text: the queries of those heads are kept as the
text is decoded, and meet the audio's keys when it is finished. A token's time does not depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from qc.transcribe.engines.decoder import Job
from qc.transcribe.engines.mel import HOP
from qc.transcribe.engines.network import Caches, Network

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FRAME_MS = 20


def fallback_heads(dims: Mapping[str, int]) -> list[tuple[int, int]]:
    """All heads of the decoder's later half, as openai-whisper takes for a model without a list of its own."""
    layers = dims["n_text_layer"]
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(dims["n_text_head"])]


class Aligner:
    """Fills in `starts` and `peaks` of finished jobs. `length`: tokens every text starts with; `heads`: (layer, head).

    Called while the jobs' audio is still in its rows; gives what to call when the device is through. A text that was
    stopped ends where its window's audio does.
    """

    def __init__(self, length: int, heads: Sequence[tuple[int, int]]) -> None:
        self.length, self.heads = length, tuple(heads)

    def __call__(self, network: Network, caches: Caches, rows: Tensor, jobs: Sequence[Job]) -> Callable[[], None]:
        import torch

        device = network.device
        if network.eight:
            return self._in_machine_code(network, caches, rows.tolist(), jobs)
        if device.type == "cpu":  # one at a time: what is worked on stays in the cache
            parts = [self._paths(network, caches, rows[n : n + 1], jobs[n : n + 1])[0] for n in range(len(jobs))]
            return lambda: _all_times(jobs, parts)
        paths = self._paths(network, caches, rows, jobs).to("cpu", non_blocking=True)
        event = None
        if device.type == "cuda":
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(device))

        def late() -> None:
            if event is not None:
                event.synchronize()
            _all_times(jobs, paths)

        return late

    def _in_machine_code(self, network: Network, caches: Caches, rows: Sequence[int], jobs: Sequence[Job]) -> Callable[[], None]:
        """All of it at once, since nothing of it is far away."""
        import numpy as np

        from qc.transcribe.engines import loops
        from qc.transcribe.engines.steps import in_parts

        keys, scales = (part.numpy() for part in caches.sound[:2])
        first = self.length - 1

        def follow(begin: int, end: int) -> None:
            for row, job in zip(rows[begin:end], jobs[begin:end], strict=True):
                last, frames = first + _rows(job), _frames(job, network.dims["n_audio_ctx"])
                parts = [
                    (asked[row, :, first:last].contiguous().numpy(), np.array(caches.heads[at]), keys[at, row], scales[at, row])
                    for at, asked in caches.asked.items()
                ]
                whole = sum(len(heads) for _, heads, _, _ in parts)
                heard = sum(loops.heard(*part, frames) * (len(part[1]) / whole) for part in parts)
                _times(job, np.asarray(heard, np.float32))

        in_parts(len(jobs), network.parts, follow)
        return _nothing

    def _paths(self, network: Network, caches: Caches, rows: Tensor, jobs: Sequence[Job]) -> Tensor:
        """How much each token, and the end where the model chose it, is heard in each frame: [n, most tokens, most frames]."""
        import torch

        frames, counts = [_frames(job, network.dims["n_audio_ctx"]) for job in jobs], [_rows(job) for job in jobs]
        first = self.length - 1
        weights = network.attention(caches, rows, first, first + max(counts))[..., : max(frames)]
        device = network.device
        return _followed(weights, torch.tensor(frames, device=device), torch.tensor(counts, device=device))


def _nothing() -> None:
    """What there is to do later where all is done."""


def _frames(job: Job, most: int) -> int:
    """Frames of a job's audio."""
    return min(most, max(1, -(-len(job.samples) // (2 * HOP))))


def _rows(job: Job) -> int:
    """Tokens of a job that the decoder has looked for sound with, the end among them where the model chose it."""
    return max(1, len(job.tokens) + (not job.capped))


def _all_times(jobs: Sequence[Job], paths: Iterable[Tensor]) -> None:
    for job, path in zip(jobs, paths, strict=True):
        _times(job, path.numpy())


def _times(job: Job, path: np.ndarray) -> None:
    """The times of a finished job's tokens, from how much each is heard in each frame [tokens, frames]."""
    import numpy as np

    from qc.transcribe.engines import loops

    heard = np.ascontiguousarray(path[: _rows(job), : _frames(job, path.shape[1])])
    loops.medians(heard)
    begun = first_columns(-heard.astype(np.float64)).tolist()
    ends = [*begun[1:], heard.shape[1] - 1][: len(job.tokens)]
    # The path enters a token's row half way from where the one before is heard best, and attention comes before the sound:
    # entries are as early as a syllable is long. Where a token is heard best is nearer to its beginning (docs/benchmarks.md).
    job.peaks = [
        (first + int(heard[n, first : last + 1].argmax())) * FRAME_MS
        for n, (first, last) in enumerate(zip(begun, ends, strict=False))
    ]
    job.starts = list(job.peaks)


def _followed(weights: Tensor, frames: Tensor, counts: Tensor) -> Tensor:
    """How much each token (and the end) is heard in each frame, from attention [n, heads, tokens, ctx]: [n, tokens, ctx].

    Each head's weights within the window's audio, standardised over the text's own tokens; mean over the heads.
    """
    import torch

    columns = torch.arange(weights.shape[-1], device=weights.device)
    inside = (columns < frames[:, None])[:, None, None]
    weights = weights.masked_fill(~inside, 0.0)
    weights = weights / weights.sum(dim=-1, keepdim=True).clamp_min(1e-12)
    said = (torch.arange(weights.shape[2], device=weights.device) < counts[:, None])[:, None, :, None]
    number = counts[:, None, None, None].float()
    mean = (weights * said).sum(dim=2, keepdim=True) / number
    spread = (((weights - mean) * said).square().sum(dim=2, keepdim=True) / number).sqrt()
    return ((weights - mean) / spread.clamp_min(1e-9)).mean(dim=1)


def first_columns(cost: np.ndarray) -> np.ndarray:
    """The column in which the cheapest path through a matrix enters each row: int64 [n] of float64 cost [n, columns].

    Paths go from the first cell to the last by steps right, down or both (Sakoe and Chiba 1978). Going right from where
    a row was entered costs a difference of running sums, so the best place to enter is a running minimum.
    """
    from qc.transcribe.engines import loops

    found: np.ndarray = loops.entries(cost)
    return found
