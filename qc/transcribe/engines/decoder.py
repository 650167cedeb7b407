"""Continuous batching: greedy decoding of many windows at once, where a finished window's row is taken by the next at once.

The state of every row (token, position, end flag, text so far) lives on the device, and a step changes all rows without
asking for anything. The end flags are looked at every few steps; on CUDA the steps in between are one graph, and the
flags arrive one round later, so that the device never waits for this side.

What a row says depends on its own window alone: rows share matrices, never values. Temperature, where one is asked
for, draws from numbers made of the window's own seed, so that is as repeatable as the rest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from qc.transcribe.engines.mel import HOP
from qc.transcribe.engines.network import Caches, Choices, Network, Sound

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_GRAPHS_FROM = 16  # on CUDA a smaller batch runs as one of so many rows: few graphs, each worth its capture
_MOST_TOKENS = 256
_ENOUGH = 16  # rows that a step is worth taking for while more windows come: reading the weights costs the same for one
_CPU_WIDTH, _CUDA_WIDTH = 16, 64  # positions looked back at grow by so many


Memory = Sequence[Sound]
"""What cross-attention looks at of windows' sound, of each layer of the decoder."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that decoding needs.

    `initial`: what every row starts with; `sot`: index of start-of-transcript in it; `suppressed`: never said; `blank`: not
    said first.
    """

    initial: tuple[int, ...]
    sot: int
    end: int
    no_speech: int
    suppressed: tuple[int, ...]
    blank: tuple[int, ...]


@dataclass(eq=False)
class Job:
    """One window to decode. `samples`: float32 [n_samples]; `cap`: most tokens; `temperature`, `seed`: for a second chance.

    Filled in: `tokens` without the end, `logprobs` of each and of the end where the model chose it, `nobody` (no-speech
    probability), `starts` and `peaks` (when each token begins in the window, and when it is heard best, ms) where times were
    asked for, `finished`, `fault` (what ended it instead); then `ready` is called. `forced`: exactly
    `cap` tokens are said, the end never (for measuring speed with random weights).
    """

    samples: np.ndarray
    cap: int
    temperature: float = 0.0
    seed: int = 0
    forced: bool = False
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    nobody: float = 0.0
    starts: list[int] | None = None
    peaks: list[int] | None = None
    finished: bool = False
    fault: BaseException | None = None
    ready: Callable[[], None] | None = None

    @property
    def capped(self) -> bool:
        """Whether it was stopped and did not end by itself."""
        return len(self.tokens) >= self.cap

    @property
    def avg_logprob(self) -> float:
        """As openai-whisper counts it: the sum of log-probabilities over the tokens and the end."""
        return sum(self.logprobs) / (len(self.tokens) + 1)


@dataclass(frozen=True)
class Short:
    """Windows are heard as if audio had fewer places than n_audio_ctx: those of their sound, `silent` more, and `least` at least.

    Only for a model of which is known that it hears them as well.
    """

    least: int
    silent: int

    def places(self, samples: int) -> int:
        """Of a window of so many samples: a multiple of 50, a second."""
        return max(self.least, -(-(samples // (2 * HOP) + self.silent) // 50) * 50)


class Align(Protocol):
    """What fills in the times of finished jobs; `heads`: (layer, head) of cross-attention that it looks at."""

    @property
    def heads(self) -> Sequence[tuple[int, int]]: ...

    def __call__(self, network: Network, caches: Caches, rows: Tensor, jobs: Sequence[Job]) -> Callable[[], None]: ...


class _State:
    """What the device knows of each row, besides the caches. All [rows] but `text` and `sure` [rows, most + 2].

    `token`: the last one; `place`: its position; `said`: tokens so far; `done`: ended; the last but one column of `text` and
    `sure` takes what a row that has ended goes on to say, the last of `sure` the no-speech probability.
    """

    def __init__(self, rows: int, most: int, end: int, device: torch.device) -> None:
        import torch

        whole: dict[str, Any] = {"dtype": torch.int64, "device": device}
        self.token = torch.full((rows,), end, **whole)
        self.place = torch.zeros(rows, **whole)
        self.said = torch.zeros(rows, **whole)
        self.cap = torch.zeros(rows, **whole)
        self.seed = torch.zeros(rows, **whole)
        self.done = torch.ones(rows, dtype=torch.bool, device=device)
        self.forced = torch.zeros(rows, dtype=torch.bool, device=device)
        self.temperature = torch.zeros(rows, device=device)
        self.text = torch.zeros(rows, most + 2, **whole)
        self.sure = torch.zeros(rows, most + 2, device=device)

    def move(self, source: int, target: int) -> None:
        """Copy a row's state over another's; the first one's is then ended."""
        for part in vars(self).values():
            part[target] = part[source]
        self.done[source] = True


class Decoder:
    """Decodes jobs on a network with places for `rows` windows at once.

    `mel`: float32 samples of some windows to their log-mel on the device. `align`: called with (network, caches, rows, jobs)
    for jobs that are finished and whose audio is still in its rows; gives what to call later, when the device is through.
    `ahead`, on a CPU: so many threads encode what comes next, a window each, while this one decodes; `own`: the threads of
    this one meanwhile. It takes them all when nothing more comes. 0: one after the other. `short`: how short windows are heard,
    in 8 bits; None: as long ones.
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        rows: int,
        mel: Callable[[Sequence[np.ndarray]], Tensor],
        align: Align | None = None,
        ahead: int = 0,
        own: int = 0,
        short: Short | None = None,
    ) -> None:
        self.network, self.vocabulary, self.rows = network, vocabulary, rows
        self.short = short if network.eight else None
        self._mel, self._align = mel, align
        self.cuda = network.device.type == "cuda"
        self.encode_at_once, self.look = (min(32, rows), 8) if self.cuda else (1, 1)
        self.most, positions = places_for(network, vocabulary)
        self.caches = Caches(network, rows, positions, align.heads if align else ())
        self.state = _State(rows, self.most, vocabulary.end, network.device)
        self._first = network.choices((*vocabulary.suppressed, *vocabulary.blank))
        self._later = network.choices(vocabulary.suppressed, kept=(vocabulary.end,))
        self._any = network.choices((), kept=(vocabulary.no_speech,))
        self._jobs: list[Job | None] = [None] * rows
        self._ages = [0] * rows  # each row's next position, known here without asking the device
        self._born = [0] * rows  # the round in which each row's job began
        self._round = 0
        self._late: list[tuple[int, list[Job], Callable[[], None]]] = []
        self._ahead = ThreadPoolExecutor(ahead, "qc-audio", _use_threads, (1,)) if ahead else None
        self._most_ahead = ahead + 2
        self._threads, self._using = (own, ahead + own), 0
        self._coming: deque[tuple[Job, Future[Memory]]] = deque()
        self._graphs: dict[tuple[int, int], Any] = {}
        self.counts = {"windows": 0, "steps": 0, "row_steps": 0, "graphs": 0}
        self.seconds = {"mel": 0.0, "encode": 0.0, "decode": 0.0, "align": 0.0}
        if self.cuda:
            self._prepare_cuda()

    def _prepare_cuda(self) -> None:
        import torch

        self._flags = [torch.ones(self.rows, dtype=torch.bool, pin_memory=True) for _ in range(2)]
        self._events = [torch.cuda.Event() for _ in range(2)]
        self._side = torch.cuda.Stream(self.network.device)

    @property
    def active(self) -> int:
        """Rows at work."""
        return sum(job is not None for job in self._jobs)

    def run(self, waiting: deque[Job], until: Callable[[], bool] = lambda: False) -> None:
        """Decode what waits, and what comes to wait meanwhile, until nothing is left or `until` says so.

        Raises what the device raises (torch.OutOfMemoryError among others); `abandon` then gives back what was not finished.
        """
        import torch

        with torch.inference_mode():
            while (waiting or self._coming or self.active or self._late) and not until():
                self._round += 1
                self._refill(waiting)
                if self._ahead is not None:
                    self._share(bool(waiting or self._coming))
                if self.active:
                    if not (self.cuda or waiting or self._coming):
                        self._close_up()
                    self._steps()
                if self.cuda:
                    self._collect(*self._flags_of_the_round_before())
                else:
                    self._collect(self._round, self.state.done.tolist())
                self._finish_late()

    def abandon(self) -> list[Job]:
        """Take the unfinished jobs out of their rows, to be decoded from their start again."""
        left = [job for job in self._jobs if job is not None] + [job for _, jobs, _ in self._late for job in jobs]
        left += [job for job, _ in self._coming]
        self._jobs, self._late = [None] * self.rows, []
        self._coming.clear()
        self.state.done.fill_(True)
        return left

    def close(self) -> None:
        """End the thread that encodes."""
        if self._ahead is not None:
            self._ahead.shutdown(wait=False, cancel_futures=True)

    def _refill(self, waiting: deque[Job]) -> None:
        """Windows into free rows; on a GPU only as many at once as the encoder takes well, unless nothing else is to be done."""
        free = [n for n, job in enumerate(self._jobs) if job is None]
        if self._ahead is not None:
            self._refill_from(self._ahead, free, waiting)
            return
        while free and waiting and (len(free) >= min(self.encode_at_once, len(waiting)) or not self.active):
            rows, free = free[: self.encode_at_once], free[self.encode_at_once :]
            jobs = [waiting.popleft() for _ in range(min(len(rows), len(waiting)))]
            self._take(rows[: len(jobs)], jobs)
            self._remember(rows[: len(jobs)], self._hear(jobs))
            self._begin(rows[: len(jobs)], jobs)

    def _refill_from(self, ahead: Executor, free: list[int], waiting: deque[Job]) -> None:
        """Windows that have been encoded meanwhile into free rows; while few rows are at work, this thread encodes as well.

        They begin together: reading the weights costs the same for one.
        """
        rows, jobs = [], []
        while True:
            while waiting and len(self._coming) < self._most_ahead:
                job = waiting.popleft()
                self._coming.append((job, ahead.submit(self._hear, [job])))
            few = self.rows - len(free) < min(self.rows, _ENOUGH)
            if not (free and self._coming and (few or self._coming[0][1].done())):
                break
            row = free.pop(0)
            mine = (
                None if self._coming[0][1].done() else next((n for n, (_, one) in enumerate(self._coming) if one.cancel()), None)
            )
            if mine is None:
                job, memory = self._coming[0][0], self._coming[0][1].result()
                self._coming.popleft()
            else:
                job = self._coming[mine][0]
                memory = self._hear([job])
                del self._coming[mine]
            self._take([row], [job])
            self._remember([row], memory)
            rows.append(row)
            jobs.append(job)
        if rows:
            self._begin(rows, jobs)

    def _share(self, more: bool) -> None:
        """So many threads for the steps as nobody else needs."""
        wanted = self._threads[0 if more else 1]
        if wanted != self._using:
            self.network.parts = self._using = wanted
            _use_threads(1 if self.network.eight else wanted)

    def _take(self, rows: Sequence[int], jobs: Sequence[Job]) -> None:
        for row, job in zip(rows, jobs, strict=True):
            self._jobs[row], self._born[row], self._ages[row] = job, self._round, len(self.vocabulary.initial)

    def _hear(self, jobs: Sequence[Job]) -> Memory:
        """What the decoder looks at of some windows' sound."""
        import torch

        with torch.inference_mode():
            with self._timed("mel"):
                mel = self._mel([job.samples for job in jobs])
                if self.short is not None:
                    mel = mel[:, :, : 2 * max(self.short.places(len(job.samples)) for job in jobs)]
            with self._timed("encode"):
                return self.network.remembered(self.network.encode(mel))

    def _remember(self, rows: Sequence[int], memory: Memory) -> None:
        import torch

        with self._timed("decode"):
            self.network.remember(memory, self.caches, torch.tensor(rows, device=self.network.device))

    def _begin(self, rows: Sequence[int], jobs: Sequence[Job]) -> None:
        """What every window starts with into rows whose audio is there; then the first token of each."""
        import torch

        words, network, state = self.vocabulary, self.network, self.state
        device = network.device
        at = torch.tensor(rows, device=device)
        with self._timed("decode"):
            start = torch.tensor([words.initial], device=device).expand(len(rows), -1)
            states = network.prefill(start, self.caches, at)
            nobody = network.share(states[:, words.sot], self._any)
            for job in jobs:
                job.cap = max(1, min(job.cap, self.most))
                job.tokens, job.logprobs, job.starts, job.peaks = [], [], None, None
            state.cap[at] = torch.tensor([job.cap for job in jobs], device=device)
            state.forced[at] = torch.tensor([job.forced for job in jobs], device=device)
            state.temperature[at] = torch.tensor([job.temperature for job in jobs], device=device)
            state.seed[at] = torch.tensor([job.seed for job in jobs], device=device)
            state.said[at] = 0
            state.place[at] = len(words.initial) - 1
            state.done[at] = False
            state.sure[at, self.most + 1] = nobody
            self._say(at, states[:, -1], self._first, any(job.temperature for job in jobs))
        self.counts["windows"] += len(jobs)

    def _say(self, rows: Tensor | slice, states: Tensor, choices: Choices, hot: bool) -> None:
        """The next token of some rows from their last states, and all that follows from it for their state."""
        import torch

        words, state, most = self.vocabulary, self.state, self.most
        forced = state.forced[rows] if choices is self._later else None
        column, gain = self.network.chosen(states, choices, forced)
        if hot:  # a row without a temperature says and counts what it does beside rows that have none
            logits = self.network.weighed(states, choices, forced)
            total = logits.gather(1, column[:, None])[:, 0] - gain
            drawn = self._drawn(logits, rows).argmax(dim=1)
            warm = state.temperature[rows] > 0
            column = torch.where(warm, drawn, column)
            gain = torch.where(warm, logits.gather(1, drawn[:, None])[:, 0] - total, gain)
        over, said = state.done[rows], state.said[rows]
        token = torch.where(over, words.end, choices.ids[column])
        place = torch.where(over, most, said)[:, None]
        if isinstance(rows, slice):
            state.text[rows].scatter_(1, place, token[:, None])
            state.sure[rows].scatter_(1, place, gain[:, None])
        else:
            state.text[rows, place[:, 0]] = token
            state.sure[rows, place[:, 0]] = gain
        ended = token == words.end
        said = said + (~(over | ended)).long()
        state.said[rows] = said
        state.done[rows] = over | ended | (said >= state.cap[rows])
        state.token[rows] = token
        state.place[rows] = (state.place[rows] + 1).clamp_max(self.caches.positions - 1)

    def _drawn(self, logits: Tensor, rows: Tensor | slice) -> Tensor:
        """For rows with a temperature: logits over it plus Gumbel noise, whose largest is a draw from their soft-max.

        The noise is a hash of the row's seed, the number of tokens so far and the column, so a window draws the same in any
        row, batch or order.
        """
        import torch

        state, mask = self.state, 0xFFFFFFFF
        value = (torch.arange(logits.shape[1], device=logits.device) * 0x9E3779B1)[None]
        value = value + (state.seed[rows] * 0x85EBCA6B + state.said[rows] * 0xC2B2AE35)[:, None]
        for shift, factor in ((16, 0x7FEB352D), (15, 0x6A09E667), (16, 1)):
            value = value & mask
            value = (value ^ (value >> shift)) * factor
        uniform = (((value & mask) >> 8).float() + 0.5) / 2**24
        temperature = state.temperature[rows][:, None]
        drawn = logits / temperature.clamp_min(1e-3) - torch.log(-torch.log(uniform))
        return torch.where(temperature > 0, drawn, logits)

    def _close_up(self) -> None:
        """Rows at work side by side from the first one on, so that the last windows of a run cost no empty rows."""
        while True:
            last = max(n for n, job in enumerate(self._jobs) if job is not None)
            hole = next((n for n in range(last) if self._jobs[n] is None), None)
            if hole is None or self._bucket(last + 1) == self._bucket(self.active):
                return
            self.caches.move(last, hole)
            self.state.move(last, hole)
            self._jobs[hole], self._ages[hole], self._born[hole] = self._jobs[last], self._ages[last], self._born[last]
            self._jobs[last] = None

    def _bucket(self, rows: int) -> int:
        least = max(rows, _GRAPHS_FROM) if self.cuda else rows
        return min(self.rows, next((b for b in _BUCKETS if b >= least), self.rows))

    def _steps(self) -> None:
        """`look` steps of the rows at work."""
        at_work = [n for n, job in enumerate(self._jobs) if job is not None]
        rows = self._bucket(at_work[-1] + 1)
        oldest = max(self._ages[n] for n in at_work)
        hot = any(job is not None and job.temperature for job in self._jobs)
        with self._timed("decode"):
            if self.cuda and not hot:
                self._graph(rows, self._width(oldest + self.look, _CUDA_WIDTH)).replay()
            else:
                for n in range(self.look):
                    self._step(rows, self._width(oldest + n + 1, _CPU_WIDTH), hot)
        for n in range(rows):
            self._ages[n] += self.look
        self.counts["steps"] += self.look
        self.counts["row_steps"] += self.look * rows
        if self.cuda:
            import torch

            which = self._round % 2
            self._flags[which].copy_(self.state.done, non_blocking=True)
            self._events[which].record(torch.cuda.current_stream(self.network.device))

    def _width(self, positions: int, by: int) -> int:
        return min(self.caches.positions, -(-positions // by) * by)

    def _step(self, rows: int, width: int, hot: bool) -> None:
        states = self.network.step(self.state.token[:rows], self.state.place[:rows], self.caches, width)
        self._say(slice(0, rows), states, self._later, hot)

    def _graph(self, rows: int, width: int) -> Any:
        """`look` steps of so many rows as one CUDA graph, captured when first asked for.

        Capturing runs nothing, but warming up does: so it is done on a copy of the state.
        """
        import torch

        key = (rows, width)
        if key not in self._graphs:
            kept = {name: part.clone() for name, part in vars(self.state).items()}
            stream = torch.cuda.Stream(self.network.device)
            stream.wait_stream(torch.cuda.current_stream(self.network.device))
            with torch.cuda.stream(stream):
                self.state.done.fill_(True)
                self.state.place.fill_(self.caches.positions - 1)  # what warming up writes, no row reads before it is written
                for _ in range(2):
                    self._step(rows, width, hot=False)
            torch.cuda.current_stream(self.network.device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(self.look):
                    self._step(rows, width, hot=False)
            for name, part in vars(self.state).items():
                part.copy_(kept[name])
            self._graphs[key] = graph
            self.counts["graphs"] += 1
        return self._graphs[key]

    def _flags_of_the_round_before(self) -> tuple[int, list[bool]]:
        """The end flags as they were a round ago: they are here by now, while the device is at its next steps."""
        which = (self._round - 1) % 2
        self._events[which].synchronize()
        return self._round - 1, self._flags[which].tolist()

    def _collect(self, known: int, done: Sequence[bool]) -> None:
        """Take the text out of the rows that have ended, by flags of round `known`; the rows are free then."""
        import torch

        rows = [n for n, job in enumerate(self._jobs) if job is not None and done[n] and self._born[n] <= known]
        if not rows:
            return
        jobs = [job for n in rows if (job := self._jobs[n]) is not None]
        texts, sure, said = self._fetch(rows)
        for job, text, gains, count in zip(jobs, texts, sure, said, strict=True):
            job.tokens, job.nobody = text[:count], gains[self.most + 1]
            job.logprobs = gains[: count + (count < job.cap)]
        late: Callable[[], None] = _nothing
        if self._align is not None:
            with self._timed("align"):
                late = self._align(self.network, self.caches, torch.tensor(rows, device=self.network.device), jobs)
        for row in rows:
            self._jobs[row] = None
        self._late.append((self._round + (1 if self.cuda else 0), jobs, late))

    def _fetch(self, rows: Sequence[int]) -> tuple[list[list[int]], list[list[float]], list[int]]:
        """Text, log-probabilities and number of tokens of rows that have ended: nothing changes in them any more.

        On CUDA by a stream of its own, so that this does not wait for the steps that the other rows are at.
        """
        import torch

        if not self.cuda:
            return self.state.text[rows].tolist(), self.state.sure[rows].tolist(), self.state.said[rows].tolist()
        with torch.cuda.stream(self._side):
            at = torch.tensor(rows, device=self.network.device)
            return self.state.text[at].tolist(), self.state.sure[at].tolist(), self.state.said[at].tolist()

    def _finish_late(self) -> None:
        """What was waiting for the device to be through."""
        ready = [one for one in self._late if one[0] <= self._round]
        self._late = [one for one in self._late if one[0] > self._round]
        for _, jobs, late in ready:
            with self._timed("align"):
                late()
            for job in jobs:
                job.finished = True
                if job.ready is not None:
                    job.ready()

    def _timed(self, what: str) -> _Timer:
        return _Timer(self.seconds, what)


class _Timer:
    """Adds the time a block takes on this side to a sum (on a GPU: the time to hand the work over)."""

    def __init__(self, sums: dict[str, float], what: str) -> None:
        self.sums, self.what = sums, what

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.sums[self.what] += time.perf_counter() - self.began


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _nothing() -> None:
    """What there is to do later where nothing is."""


def places_for(network: Network, vocabulary: Vocabulary) -> tuple[int, int]:
    """(most tokens of a window, positions of a row's own keys and values)."""
    start = len(vocabulary.initial)
    most = min(_MOST_TOKENS, network.dims["n_text_ctx"] - start)
    return most, start + most
