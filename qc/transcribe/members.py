"""What runs in the processes of a crew: one that hears, for each device, and those that decode and find speech for it.

Each talks to the crew's process through one pipe and ends when that process does, however it ended. A member sends a beat
now and then with how far it has come, so that one that hangs is told from one that works.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from qc.errors import QcError
from qc.progress import Pulse, watch
from qc.transcribe.call import Maker
from qc.transcribe.engines import Engine
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import Ready
from qc.transcribe.work import DeviceLostError, Doors, at_once_of, ready_of, request, row_of

_Jobs = queue.SimpleQueue[tuple[int, Mapping[str, Any], bytes | None]]
BEAT_S = 2.0
LOST_EXIT = 70


@dataclass(frozen=True)
class Member:
    """What a member is told at its start. `device`: of one that hears; `threads`: for the arithmetic, 0 for the library's own choice."""

    options: TranscribeOptions
    doors: Doors
    device: str = "cpu"
    threads: int = 0


class _Wire:
    """The pipe to the crew's process: several threads may send, none waits for an answer."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.lock, self.pulse = pipe, threading.Lock(), Pulse()

    def send(self, *message: Any, payload: bytes | None = None) -> None:
        """A message, and the bytes that belong to it. Without anybody to hear it, this process ends."""
        try:
            with self.lock:
                self.pipe.send(message)
                if payload is not None:
                    self.pipe.send_bytes(payload)
        except OSError:
            os._exit(0)

    def attend(self) -> None:
        """Beat for as long as the parent lives; end with it. Ctrl-C is the parent's to handle."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        watch(self.pulse)
        threading.Thread(target=self._beat, name="qc-beat", daemon=True).start()

    def _beat(self) -> None:
        parent = parent_process()
        while True:
            if parent is not None and wait([parent.sentinel], BEAT_S):
                os._exit(0)
            self.send("beat", self.pulse.count)


def _threads(count: int) -> None:
    """So many threads for the arithmetic of this process. Said before the libraries are loaded, so that they need not be."""
    if count:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(count)


def produce(pipe: Connection, member: Member, maker: Maker) -> None:
    """A process that prepares one call after the other: a call comes, a prepared one goes, or the row of one that cannot be."""
    wire = _Wire(pipe)
    wire.attend()
    _threads(member.threads)
    wire.send("up")
    while True:
        number, call = _next(pipe)
        try:
            made = ready_of(call, maker, member.options, lambda key: None, member.doors)
        except QcError as error:
            wire.send("error", error)
            return
        wire.pulse.count += 1
        if isinstance(made, Ready):
            wire.send("ready", number, made.nbytes, payload=pickle.dumps(made, pickle.HIGHEST_PROTOCOL))
        else:
            wire.send("row", number, made)


def hear(pipe: Connection, member: Member) -> None:
    """A process that loads the engine on its device, then gives a row for every call that comes, prepared or not, in any order."""
    wire = _Wire(pipe)
    wire.attend()
    _threads(member.threads)
    try:
        engine = member.doors.open_engine(member.options.engine, request(member.options, member.device))
    except QcError as error:
        wire.send("error", error)
        return
    at_once = at_once_of(engine)
    wire.send("maker", Maker.of(engine), bool(getattr(engine, "knows_calls", False)), at_once)
    jobs: _Jobs = queue.SimpleQueue()
    for _ in range(at_once):
        threading.Thread(target=_hear_on, args=(jobs, wire, engine, member), name="qc-hear", daemon=True).start()
    _receive(pipe, jobs)


def _hear_on(jobs: _Jobs, wire: _Wire, engine: Engine, member: Member) -> None:
    """One of the threads that hear: their windows share the engine's batch where it can do that."""
    watch(wire.pulse)
    maker = Maker.of(engine)
    while True:
        number, call, payload = jobs.get()
        made: Ready | dict[str, Any]
        wire.pulse.count += 1
        try:
            if payload is None:
                wire.send("preparing", number)
                made = ready_of(call, maker, member.options, engine.spans, member.doors)
            else:
                made = pickle.loads(payload)
            if isinstance(made, Ready):
                wire.send("hearing", number)
                made = row_of(call, made, engine, member.options)
        except DeviceLostError as lost:
            wire.send("lost", number, lost.message)
            os._exit(LOST_EXIT)
        except QcError as error:
            wire.send("error", error)
            os._exit(0)
        wire.send("row", number, made)


def _next(pipe: Connection) -> tuple[int, Mapping[str, Any]]:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        os._exit(0)


def _receive(pipe: Connection, jobs: _Jobs) -> None:
    """Take what comes as soon as it comes, so that the crew's process never waits for this one; end with it."""
    try:
        while True:
            number, call, has_payload = pipe.recv()
            jobs.put((number, call, pipe.recv_bytes() if has_payload else None))
    except (EOFError, OSError):
        os._exit(0)
