"""The one thread that drives a device: it loads the weights, decodes what any other thread lays down, and nothing else does.

On a CPU that is worth a third of the time: the library that PyTorch shares work between cores with keeps its helpers awake only
while one thread alone asks for them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from qc.errors import ModelError

if TYPE_CHECKING:
    from qc.transcribe.engines.decoder import Decoder, Job

T = TypeVar("T")

_LOOK_S = 0.2
_STOP_S = 5.0


class NoMemoryError(Exception):
    """A window that does not fit into the device's memory, even alone."""


class Driver:
    """A thread with a decoder, and the jobs that wait for it."""

    def __init__(self) -> None:
        self.decoder: Decoder
        self._make: Callable[[int], Decoder]
        self._waiting: deque[Job] = deque()
        self._asked: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._dropped: set[int] = set()
        self._change = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="qc-device", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """What the function gives, from the driver's thread. Raises what it raises."""
        answer: Future[T] = Future()
        with self._change:
            self._asked.append((function, answer))
            self._change.notify()
        return answer.result()

    def begin(self, make: Callable[[int], Decoder], rows: int, before: Callable[[], None] | None = None) -> None:
        """Make the decoder; where that needs more memory than there is, one of fewer rows. From the driver's thread.

        `before` is called whenever there is something to decode.
        """
        self._make, self._before = make, before
        self._shrink(rows)

    def decode(self, jobs: Sequence[Job]) -> None:
        """Have jobs decoded, together with those of other threads. Raises NoMemoryError, and whatever the device raises."""
        left = threading.Semaphore(0)
        for job in jobs:
            job.ready = left.release
        with self._change:
            self._waiting.extend(jobs)
            self._change.notify()
        try:
            for _ in jobs:
                while not left.acquire(timeout=_LOOK_S):
                    if not self._thread.is_alive():
                        raise ModelError("the engine has been closed", code="closed")
        except BaseException:
            self._drop(jobs)
            raise
        fault = next((job.fault for job in jobs if job.fault is not None), None)
        if fault is not None:
            raise fault

    def stop(self) -> None:
        """End the thread; what it has in hand is dropped."""
        with self._change:
            self._over = True
            self._change.notify()
        if hasattr(self, "decoder"):
            self.decoder.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOP_S)

    def _drop(self, jobs: Sequence[Job]) -> None:
        with self._change:
            for job in jobs:
                with suppress(ValueError):
                    self._waiting.remove(job)
            self._dropped.update(id(job) for job in jobs if not job.finished)

    def _run(self) -> None:
        while True:
            with self._change:
                while not (self._over or self._waiting or self._asked):
                    self._change.wait()
                if self._over:
                    return
                asked = self._asked.popleft() if self._asked else None
            if asked is None:
                self._drive()
                continue
            function, answer = asked
            try:
                answer.set_result(function())
            except BaseException as error:  # whatever it is, the thread that asked must hear of it
                answer.set_exception(error)
            del function, answer, asked

    def _drive(self) -> None:
        """Decode what waits, until nothing does."""
        import torch

        if self._before is not None:
            self._before()
        try:
            self.decoder.run(self._waiting, lambda: self._over or bool(self._dropped) or bool(self._asked))
        except torch.OutOfMemoryError as error:
            again = self.decoder.abandon()
            if self.decoder.rows == 1:  # the window at work, or else the one that was to be next
                _fail(again[:1], NoMemoryError(str(error)))
                self._waiting.extendleft(reversed(again[1:]))
            else:
                self._waiting.extendleft(reversed(again))
                self._shrink(self.decoder.rows // 2)
        except BaseException as error:  # whatever it is, the threads that wait must hear of it
            again = [*self.decoder.abandon(), *self._waiting]
            self._waiting.clear()
            _fail(again, error)
        else:
            again = self.decoder.abandon()
            with self._change:
                self._waiting.extendleft(reversed([job for job in again if id(job) not in self._dropped]))
                self._dropped.clear()

    def _shrink(self, rows: int) -> None:
        """A decoder of so many rows, or fewer where memory does not suffice; the windows begin again."""
        import torch

        while True:
            if hasattr(self, "decoder"):
                self.decoder.close()
                del self.decoder
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            try:
                self.decoder = self._make(rows)
            except torch.OutOfMemoryError:
                if rows == 1:
                    raise
                rows //= 2
            else:
                return


def _fail(jobs: Sequence[Job], fault: BaseException) -> None:
    for job in jobs:
        job.fault, job.finished = fault, True
        if job.ready is not None:
            job.ready()


def use_threads(count: int) -> None:
    """Have the arithmetic of this thread use so many cores."""
    import torch

    torch.set_num_threads(count)


def cores() -> int:
    """Cores this process may use, unless the environment says how many."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdigit() and int(named):
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
