"""Calls done in other processes: one that hears for each device, and producers that decode and find speech for them.

This process only hands out, collects and replaces. A member that dies or hangs takes its call with it: a producer has
one call in hand; of one that hears it is known which calls it was at. Such a call is taken again, alone, and the second
death is its own row (`worker_died`); all others are simply taken again. No more calls are under way than the devices
have work for, so memory stays flat however many there are.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from qc.audio.decode import timed_out
from qc.errors import CallError, QcError
from qc.transcribe.call import Maker, failed_row
from qc.transcribe.members import Member, hear, produce
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.work import Call, Doors, fault_row

_AHEAD = 4
_AHEAD_BYTES = 1 << 30
_LOOK_S = 1.0
_SILENT_S = 600.0
_STRIKES = 2
_DEATHS_IN_A_ROW = 4
_STOP_S = 0.3


@dataclass(eq=False)
class _Process:
    """A member as seen from here. `moved`: when it last got further; `heard`: when it last said anything."""

    process: Any
    pipe: Connection
    device: str = ""
    up: bool = False
    ended: bool = False
    count: int = -1
    moved: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    jobs: dict[int, Call] = field(default_factory=dict)
    at: set[int] = field(default_factory=set)
    """Of `jobs`, those that it has begun."""
    preparing: bool = False
    at_once: int = 1
    alone: bool = False
    said: str = ""

    def stir(self) -> None:
        self.moved = self.heard = time.monotonic()


@dataclass(frozen=True)
class _Prepared:
    number: int
    call: Call
    payload: bytes | None


class Crew:
    """Processes that hear, one for each of `devices`, and `producers` that prepare (0: those that hear do it themselves)."""

    def __init__(self, options: TranscribeOptions, doors: Doors, devices: Sequence[str], producers: int) -> None:
        self.options, self.doors = options, doors
        self._context = multiprocessing.get_context("spawn")
        self._wanted = producers
        self._hearers = [self._hearer(d) for d in devices]
        self._producers: list[_Process] = []
        self._strikes: Counter[int] = Counter()
        self._again: deque[tuple[int, Call]] = deque()
        self._alone: deque[tuple[int, Call]] = deque()
        self._shelf: deque[_Prepared] = deque()
        self._out: deque[tuple[Call, dict[str, Any]]] = deque()
        self._deaths = 0
        try:
            self.maker = self._first_word()
            self._producers = [self._producer() for _ in range(self._wanted)]
        except BaseException:
            self.close()
            raise

    # -- the processes ------------------------------------------------------------------------------------------

    def _start(self, what: Any, *arguments: Any) -> _Process:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=what, args=(theirs, *arguments), daemon=True)
        with _ctrl_c_is_ours():
            process.start()
        theirs.close()
        return _Process(process, ours)

    def _hearer(self, device: str) -> _Process:
        started = self._start(hear, Member(self.options, self.doors, device))
        started.device = device
        return started

    def _producer(self) -> _Process:
        return self._start(produce, Member(self.options, self.doors, threads=1), self.maker)

    def _first_word(self) -> Maker:
        """The engine's facts, from the first process that has loaded it. Raises what kept it from loading."""
        while True:
            for member in self._members():
                message = self._message(member)
                if message is not None and message[0] == "maker":
                    self._take(member, message)
                    return message[1]
                if message is not None:
                    self._take(member, message)
                elif member.ended:
                    raise self._gone("while it loaded the model", member)
            wait([m.pipe for m in self._members()], _LOOK_S)

    def _gone(self, when: str, member: _Process) -> QcError:
        return QcError(
            f"the process that hears ended {when} ({_how(member)})",
            where=member.device,
            hint="mostly memory: a smaller --model or --batch; run the same command again, finished calls are kept",
            code="worker_died",
        )

    def _members(self) -> list[_Process]:
        return [*self._hearers, *self._producers]

    def close(self) -> None:
        """End every process at once: what is under way is dropped."""
        for member in self._members():
            member.process.kill()
        for member in self._members():
            member.process.join(_STOP_S)
            member.pipe.close()
        self._hearers, self._producers = [], []

    # -- the work -----------------------------------------------------------------------------------------------

    def perform(self, calls: Iterable[Call]) -> Iterator[tuple[Call, dict[str, Any]]]:
        """Each call once with its row, as they are finished."""
        source = enumerate(calls)
        try:
            while True:
                more = self._hand_out(source)
                yield from self._finished()
                if not more and not self._under_way():
                    return
                self._listen()
                yield from self._finished()
        except BaseException:
            self.close()
            raise

    def _finished(self) -> Iterator[tuple[Call, dict[str, Any]]]:
        while self._out:
            yield self._out.popleft()

    def _under_way(self) -> bool:
        return bool(self._again or self._alone or self._shelf or any(m.jobs for m in self._members()))

    def _hand_out(self, source: Iterator[tuple[int, Call]]) -> bool:
        """Give every idle member something to do; whether calls are left that nobody has taken."""
        self._serve_hearers()
        if not self._wanted:
            return self._feed(source)
        room = sum(h.at_once + _AHEAD for h in self._hearers)
        for producer in self._producers:
            if producer.jobs:
                continue
            waiting = len(self._shelf) + sum(len(m.jobs) for m in self._members())
            if waiting >= room or sum(len(p.payload or b"") for p in self._shelf) > _AHEAD_BYTES:
                return True
            job = self._next(source)
            if job is None:
                return False
            self._give(producer, *job)
        return True

    def _next(self, source: Iterator[tuple[int, Call]]) -> tuple[int, Call] | None:
        return self._again.popleft() if self._again else next(source, None)

    def _feed(self, source: Iterator[tuple[int, Call]]) -> bool:
        """Without producers: calls as they are, a few to each process that hears."""
        while len(self._shelf) < len(self._hearers):  # they are taken off it below as long as there is room
            job = self._next(source)
            if job is None:
                return False
            self._shelf.append(_Prepared(*job, None))
            self._serve_hearers()
        return True

    def _serve_hearers(self) -> None:
        """Prepared calls to the processes with the least in hand; a suspect only to one with nothing else."""
        ready = [h for h in self._hearers if h.up and not h.alone]
        for hearer in ready:
            if self._alone and not hearer.jobs:
                number, call = self._alone.popleft()
                hearer.alone = True
                self._give_hearer(hearer, _Prepared(number, call, None))
        if self._alone:
            ready = ready[1:]  # the first one must come free for the suspect
        ready = [h for h in ready if not h.alone and len(h.jobs) < h.at_once + _AHEAD]
        while self._shelf and ready:
            least = min(ready, key=lambda h: len(h.jobs))
            self._give_hearer(least, self._shelf.popleft())
            ready = [h for h in ready if len(h.jobs) < h.at_once + _AHEAD]

    def _give(self, producer: _Process, number: int, call: Call) -> None:
        producer.jobs[number] = call
        producer.at.add(number)
        producer.stir()
        self._send(producer, (number, call))

    def _give_hearer(self, hearer: _Process, one: _Prepared) -> None:
        hearer.jobs[one.number] = one.call
        hearer.stir()
        self._send(hearer, (one.number, one.call, one.payload is not None), one.payload)

    def _send(self, member: _Process, message: tuple[Any, ...], payload: bytes | None = None) -> None:
        try:
            member.pipe.send(message)
            if payload is not None:
                member.pipe.send_bytes(payload)
        except OSError:
            pass  # it has died: `_listen` finds out and takes its calls again

    # -- what they say ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait for words or deaths, and act on them."""
        members = self._members()
        by_handle: dict[Any, _Process] = {}
        for member in members:
            by_handle[member.pipe] = by_handle[member.process.sentinel] = member
        heard = wait(list(by_handle), _LOOK_S)
        for member in dict.fromkeys(by_handle[h] for h in heard):
            while (message := self._message(member)) is not None:
                self._take(member, message)
            if member.ended:
                self._bury(member)
        for member in self._members():
            self._watch(member)

    def _message(self, member: _Process) -> Any:
        """The member's next word, None when there is none; after its last one it has `ended`."""
        try:
            return member.pipe.recv() if member.pipe.poll() else None
        except (EOFError, OSError):
            member.ended = True
            return None

    def _take(self, member: _Process, message: tuple[Any, ...]) -> None:
        kind = message[0]
        member.heard = time.monotonic()
        if kind == "beat":
            if message[1] != member.count:
                member.count, member.moved = message[1], member.heard
            return
        member.moved = member.heard
        if kind == "error":
            raise message[1]
        member.up = True
        if kind == "maker":
            member.at_once = message[3]
            if message[2]:
                self._wanted = 0  # an engine that knows where speech is prepares its calls itself
        elif kind in ("preparing", "hearing"):
            member.at.add(message[1])
            member.preparing = kind == "preparing"
        elif kind == "lost":
            member.said = message[2]
        elif kind == "ready":
            self._take_ready(member, message[1])
        elif kind == "row":
            self._take_row(member, message[1], message[2])

    def _take_ready(self, member: _Process, number: int) -> None:
        try:
            payload = member.pipe.recv_bytes()
        except (EOFError, OSError):
            return  # it died while it was sending
        call = member.jobs.pop(number)
        member.at.clear()
        self._shelf.append(_Prepared(number, call, payload))

    def _take_row(self, member: _Process, number: int, row: dict[str, Any]) -> None:
        call = member.jobs.pop(number)
        member.at.discard(number)
        member.preparing = member.alone = False
        self._deaths = 0
        self._strikes.pop(number, None)
        self._out.append((call, row))

    # -- deaths and replacements --------------------------------------------------------------------------------

    def _watch(self, member: _Process) -> None:
        """End a member that hangs: in a decoder for the time that one has, or without a beat for far longer."""
        now = time.monotonic()
        decoding = member.up and bool(member.at) and (member in self._producers or member.preparing)
        if decoding and now - member.moved > self.options.decode.stall_s:
            for number in sorted(member.at):
                call = member.jobs.pop(number)
                self._out.append((call, fault_row(call, self.maker, self.options, timed_out(call["path"]))))
            member.at.clear()
            self._replace(member)
        elif now - member.heard > _SILENT_S:
            member.said = f"no sign of life for {_SILENT_S / 60:g} minutes"
            member.process.kill()

    def _bury(self, member: _Process) -> None:
        """A member that ended: its calls are taken again, those that it was at alone, and failed after the second time."""
        self._deaths += 1
        if self._deaths > _DEATHS_IN_A_ROW:
            raise self._gone(f"{self._deaths} times without finishing a call", member)
        suspects = sorted(member.at)
        for number in suspects:
            call = member.jobs.pop(number)
            self._strikes[number] += 1
            if self._strikes[number] >= _STRIKES:
                self._deaths = 0
                how = member.said or _how(member)
                error = CallError(f"the process that worked on it ended twice: {how}", code="worker_died")
                self._out.append((call, failed_row(call, self.maker, self.options, error)))
            elif member in self._producers:
                self._again.append((number, call))
            else:
                self._alone.append((number, call))
        member.at.clear()
        self._replace(member)

    def _replace(self, member: _Process) -> None:
        """Another one in a member's place; what it had in hand and had not begun is taken again."""
        member.process.kill()
        member.process.join()
        member.pipe.close()
        self._again.extend(sorted(member.jobs.items()))
        if member in self._hearers:
            self._hearers[self._hearers.index(member)] = self._hearer(member.device)
        else:
            self._producers[self._producers.index(member)] = self._producer()


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """A process started in here never gets a Ctrl-C, which a terminal sends to all: this one ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how(member: _Process) -> str:
    """How a process ended, for people."""
    member.process.join(_STOP_S)
    code = member.process.exitcode
    if code is None:
        return "hung"
    if code < 0:
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else str(-code)
        return f"signal {name}" + (", often the machine's memory" if name == "SIGKILL" else "")
    return f"exit code {code}"
