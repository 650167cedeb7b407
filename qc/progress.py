"""What a stage tells the outside while it works. The stage knows nothing of terminals; `cli` draws.

A stage calls `start` once, `advance` for each finished call, `note` for a line worth reading, `finish` once.
"""

from __future__ import annotations

import threading
from typing import Protocol


class Progress(Protocol):
    """A listener to a stage's progress. Every method returns at once and never raises."""

    def start(self, stage: str, total_calls: int | None, total_audio_ms: int | None = None) -> None: ...

    def advance(self, calls: int = 1, audio_ms: int = 0, failed: int = 0) -> None: ...

    def note(self, text: str) -> None: ...

    def finish(self) -> None: ...


class Silent:
    """Listens and says nothing: for tests and for library use."""

    def start(self, stage: str, total_calls: int | None, total_audio_ms: int | None = None) -> None:
        pass

    def advance(self, calls: int = 1, audio_ms: int = 0, failed: int = 0) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def finish(self) -> None:
        pass


class Pulse:
    """How far a thread has come, for whoever watches that it does not hang: `count` grows with every `beat`."""

    def __init__(self) -> None:
        self.count = 0


_here = threading.local()


def watch(pulse: Pulse | None) -> None:
    """From now on this thread's beats count on `pulse`; None: on none."""
    _here.pulse = pulse


def beat() -> None:
    """This thread got somewhere: a block was decoded, a stretch looked at. Costs next to nothing."""
    pulse = getattr(_here, "pulse", None)
    if pulse is not None:
        pulse.count += 1
