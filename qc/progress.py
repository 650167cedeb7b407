"""What a stage tells the outside while it works. The stage knows nothing of terminals; `cli` draws.

A stage calls `start` once, `advance` for each finished call, `note` for a line worth reading, `finish` once.
"""

from __future__ import annotations

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
