"""Calls done in this process: a thread decodes and finds speech while the engine hears. For small runs, and without a GPU.

A thread that hangs in a decoder cannot be ended; it is left behind, its call is a row that says so, and another thread
goes on with the next one.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from qc.audio.decode import timed_out
from qc.progress import Pulse, watch
from qc.transcribe.call import Maker
from qc.transcribe.engines.driver import use_threads
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import Ready
from qc.transcribe.work import Call, Doors, at_once_of, fault_row, ready_of, request, row_of

_AHEAD = 2
_AHEAD_BYTES = 256 << 20
_LOOK_S = 0.25

_Item = tuple[Call, "Ready | dict[str, Any] | BaseException"]


class Inline:
    """The engine in this process, one thread that prepares, and as many that hear as the engine likes."""

    def __init__(self, options: TranscribeOptions, doors: Doors) -> None:
        self.options, self.doors = options, doors
        self.engine = doors.open_engine(options.engine, request(options))
        self.maker = Maker.of(self.engine)
        self._shelf = _Shelf()
        self._thread: _Preparing | None = None
        self._at_once = at_once_of(self.engine)
        self._to_hear: queue.SimpleQueue[tuple[Call, Ready]] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[tuple[Call, dict[str, Any] | BaseException]] = queue.SimpleQueue()
        for _ in range(self._at_once if self._at_once > 1 else 0):
            threading.Thread(target=self._hear_on, name="qc-hear", daemon=True).start()

    def perform(self, calls: Iterable[Call]) -> Iterator[tuple[Call, dict[str, Any]]]:
        """Each call with its row; in the order given where the engine hears one call at a time."""
        source = iter(calls)
        self._thread = self._begin(source)
        hearing = 0
        try:
            while True:
                while not self._heard.empty() or hearing >= self._at_once:
                    yield self._row()
                    hearing -= 1
                if self._thread.done and self._shelf.empty():
                    if not hearing:
                        return
                    yield self._row()
                    hearing -= 1
                    continue
                item = self._shelf.take(_LOOK_S)
                if item is None:
                    stuck = self._thread.stuck(self.options.decode.stall_s)
                    if stuck is not None:
                        self._thread = self._begin(source)
                        yield stuck, fault_row(stuck, self.maker, self.options, timed_out(stuck["path"]))
                    continue
                call, ready = item
                if isinstance(ready, BaseException):
                    raise ready
                if isinstance(ready, dict):
                    yield call, ready
                elif self._at_once == 1:
                    yield call, row_of(call, ready, self.engine, self.options)
                else:
                    self._to_hear.put((call, ready))
                    hearing += 1
        finally:
            self.close()

    def _row(self) -> tuple[Call, dict[str, Any]]:
        """The next row of the threads that hear. Raises what one of them could not make a row of."""
        while True:
            try:
                call, row = self._heard.get(timeout=_LOOK_S)  # in short waits, so that Ctrl-C gets through
            except queue.Empty:
                continue
            if isinstance(row, BaseException):
                raise row
            return call, row

    def _hear_on(self) -> None:
        """One of the threads that hear: their windows share the engine's batch."""
        while True:
            call, ready = self._to_hear.get()
            try:
                self._heard.put((call, row_of(call, ready, self.engine, self.options)))
            except BaseException as fault:  # whatever it is, the thread that waits must hear of it
                self._heard.put((call, fault))

    def _begin(self, source: Iterator[Call]) -> _Preparing:
        thread = _Preparing(source, self)
        thread.start()
        return thread

    def prepared(self, call: Call) -> Ready | dict[str, Any]:
        """One call prepared, or its row."""
        return ready_of(call, self.maker, self.options, self.engine.spans, self.doors)

    def put(self, item: _Item, thread: _Preparing) -> None:
        """Lay down what a thread made, when there is room."""
        self._shelf.put(item, thread)

    def wake(self) -> None:
        """Have whoever waits at the shelf look again."""
        self._shelf.wake()

    def close(self) -> None:
        """Tell the thread to end; what it has in hand is dropped."""
        if self._thread is not None:
            self._thread.left = True
            self.wake()


class _Preparing(threading.Thread):
    """Prepares calls one after the other. `left`: nobody waits for it any more."""

    def __init__(self, source: Iterator[Call], inline: Inline) -> None:
        super().__init__(name="qc-prepare", daemon=True)
        self.source, self.inline, self.pulse = source, inline, Pulse()
        self.left = self.done = False
        self.call: Call | None = None
        self._seen = (-1, time.monotonic())

    def run(self) -> None:
        watch(self.pulse)
        if "torch" in sys.modules:  # else the engine is not one of this machine's, and neither is its arithmetic
            use_threads(1)
        try:
            for call in self.source:
                self.call = call
                self.pulse.count += 1
                ready = self.inline.prepared(call)
                self.call = None
                self.inline.put((call, ready), self)
                if self.left:
                    return
        except BaseException as fault:  # whatever it is, the thread that waits must hear of it
            self.inline.put(({}, fault), self)
        finally:
            self.done = True
            self.inline.wake()

    def stuck(self, stall_s: float) -> Call | None:
        """The call on which this thread has not moved for `stall_s`; then the thread is left behind."""
        now, call = time.monotonic(), self.call
        if call is None or self.pulse.count != self._seen[0]:
            self._seen = (self.pulse.count, now)
            return None
        if now - self._seen[1] < stall_s:
            return None
        self.left = True
        return call


class _Shelf:
    """Prepared calls between the threads: a few, and never more than so many bytes unless one alone is larger."""

    def __init__(self) -> None:
        self.items: deque[_Item] = deque()
        self.bytes = 0
        self.change = threading.Condition()

    def put(self, item: _Item, thread: _Preparing) -> None:
        size = item[1].nbytes if isinstance(item[1], Ready) else 0
        with self.change:
            while self.items and (len(self.items) >= _AHEAD or self.bytes + size > _AHEAD_BYTES) and not thread.left:
                self.change.wait(_LOOK_S)
            if not thread.left:
                self.items.append(item)
                self.bytes += size
                self.change.notify_all()

    def take(self, wait_s: float) -> _Item | None:
        with self.change:
            if not self.items:
                self.change.wait(wait_s)
            if not self.items:
                return None
            item = self.items.popleft()
            self.bytes -= item[1].nbytes if isinstance(item[1], Ready) else 0
            self.change.notify_all()
            return item

    def empty(self) -> bool:
        with self.change:
            return not self.items

    def wake(self) -> None:
        with self.change:
            self.change.notify_all()
