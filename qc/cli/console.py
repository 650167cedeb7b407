"""What verbs print with: stdout is data, stderr is talk. Errors, tables, progress, JSON.

In a terminal progress is a bar; elsewhere a line now and then; with `--json` one JSON object a line on stderr.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from qc.errors import Exit, PackError, QcError
from qc.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

LINE_EVERY_S = 10.0
_CONTROL = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), 13), "�")


def clean(text: str) -> str:
    """Text from strangers, safe for a terminal: no control characters, no escape sequences."""
    return text.translate(_CONTROL)


def several(count: int, one: str) -> str:
    """A count with its word: 1 rule, 2 rules, 1,200 calls."""
    return f"{count:,} {one}" + ("" if count == 1 else "s")


def say(text: str) -> None:
    """A line of talk, on stderr."""
    print(clean(text), file=sys.stderr, flush=True)


def out(text: str) -> None:
    """A line of data, on stdout."""
    print(clean(text))


def emit_json(value: Any) -> None:
    """The verb's result for machines: one JSON document on stdout, keys sorted."""
    json.dump(value, sys.stdout, ensure_ascii=False, sort_keys=True, indent=2)
    print()


def show_error(error: QcError, *, as_json: bool = False) -> None:
    """An error, once, as text on stderr or as JSON on stdout."""
    if as_json:
        value: dict[str, Any] = {"error": error.as_dict()}
        if isinstance(error, PackError):
            value["error"]["problems"] = [{"where": p.where, "message": p.message, "hint": p.hint} for p in error.problems]
        emit_json(value)
        return
    if isinstance(error, PackError):
        for problem in error.problems:
            say(f"{problem.where}: error: {problem.message}")
            if error.source:
                say(pointed_at(error.source, problem.column))
            if problem.hint:
                say(f"    {problem.hint}")
        say(f"{several(len(error.problems), 'problem')}.")
        return
    say(f"error: {error.where + ': ' if error.where else ''}{error.message}")
    if error.hint:
        say(f"    {error.hint}")


def pointed_at(line: str, column: int, cells: int | None = None) -> str:
    """A line that was typed, and under it a caret at the column (from 1); of a long line what lies around it.

    `cells`: how wide the terminal is; a Chinese character takes two.
    """
    import shutil
    from unicodedata import east_asian_width

    def width(text: str) -> int:
        return len(text) + sum(east_asian_width(char) in "WF" for char in text)

    most = max(10, min(cells or shutil.get_terminal_size().columns, 100) - 9) // (2 if width(line) > len(line) else 1)
    place = min(max(column - 1, 0), len(line))
    first = max(0, min(place - most // 2, len(line) - most))
    shown = "".join(char if char.isprintable() else " " for char in line[first : first + most])
    left = width(shown[: place - first])
    head, tail = ("… " if first else ""), (" …" if first + most < len(line) else "")
    return f"    {head}{shown}{tail}\n    {' ' * (len(head) + left)}^"


def leave_interrupted(said: str) -> NoReturn:
    """Say what is saved and how to go on, and be gone at once: taking a model down in good order can take seconds."""
    say(f"Interrupted. {said} Go on with:")
    say("    " + shlex.join(["qc", *sys.argv[1:]]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(Exit.INTERRUPTED))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> None:
    """A table on stdout. `right`: indices of the columns to align right (figures)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(header_style="bold", show_edge=False, pad_edge=False)
    for index, name in enumerate(columns):
        drawn.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(clean(str(cell))) for cell in row))
    wide = None if sys.stdout.isatty() else 120
    console = Console(width=wide, soft_wrap=False, highlight=False)
    console.print(Text(clean(title), style="bold"), soft_wrap=True)  # a title of the table's own is cut to its width
    console.print(drawn)


def hours(ms: float) -> str:
    """A stretch of recorded time for people: 95 s, 12 min, 3.4 h."""
    seconds = ms / 1000
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


@dataclass
class _Counts:
    stage: str = ""
    total: int | None = None
    calls: int = 0
    failed: int = 0
    audio_ms: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def speed(self) -> float:
        """Recorded seconds per second of wall clock."""
        return self.audio_ms / 1000 / max(time.monotonic() - self.began, 1e-6)

    @property
    def left_s(self) -> float | None:
        if not self.total or not self.calls:
            return None
        return (time.monotonic() - self.began) / self.calls * (self.total - self.calls)

    def line(self) -> str:
        parts = [f"{self.stage}: {self.calls:,}" + (f" of {self.total:,} calls" if self.total is not None else " calls")]
        if self.audio_ms:
            parts.append(f"{hours(self.audio_ms)} of audio")
            parts.append(f"{self.speed:,.1f} × real time")
        else:
            parts.append(f"{self.calls / max(time.monotonic() - self.began, 1e-6):,.0f} calls/s")
        if self.left_s is not None:
            parts.append(f"{hours(self.left_s * 1000)} left")
        parts.append(f"{self.failed:,} failed")
        return ", ".join(parts)

    def data(self) -> dict[str, object]:
        return {
            "event": "progress",
            "stage": self.stage,
            "calls": self.calls,
            "total": self.total,
            "failed": self.failed,
            "audio_ms": self.audio_ms,
            "x_real_time": round(self.speed, 2),
            "left_s": None if self.left_s is None else round(self.left_s, 1),
        }


class _Lines:
    """Progress away from a terminal: a line now and then, and one at the end of a stage."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.counts = _Counts()
        self._last = 0.0

    def start(self, stage: str, total_calls: int | None, total_audio_ms: int | None = None) -> None:
        self.counts = _Counts(stage, total_calls)
        self._last = time.monotonic()

    def advance(self, calls: int = 1, audio_ms: int = 0, failed: int = 0) -> None:
        self.counts.calls += calls
        self.counts.audio_ms += audio_ms
        self.counts.failed += failed
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._print()

    def note(self, text: str) -> None:
        say(json.dumps({"event": "note", "text": text}, ensure_ascii=False) if self.as_json else text)

    def finish(self) -> None:
        self._print()

    def _print(self) -> None:
        self._last = time.monotonic()
        say(json.dumps(self.counts.data(), ensure_ascii=False, sort_keys=True) if self.as_json else self.counts.line())


class _Bar:
    """Progress in a terminal."""

    def __init__(self, drawn: RichProgress) -> None:
        self.drawn = drawn
        self.counts = _Counts()
        self._task: TaskID | None = None

    def start(self, stage: str, total_calls: int | None, total_audio_ms: int | None = None) -> None:
        self.counts = _Counts(stage, total_calls)
        self._task = self.drawn.add_task(stage, total=total_calls, detail="")

    def advance(self, calls: int = 1, audio_ms: int = 0, failed: int = 0) -> None:
        self.counts.calls += calls
        self.counts.audio_ms += audio_ms
        self.counts.failed += failed
        self._show()

    def note(self, text: str) -> None:
        from rich.text import Text

        self.drawn.console.print(Text(clean(text)))

    def finish(self) -> None:
        self._show()
        if self._task is not None:
            self.drawn.stop_task(self._task)

    def _show(self) -> None:
        if self._task is not None:
            detail = self.counts.line().partition(", ")[2]
            self.drawn.update(self._task, completed=self.counts.calls, detail=detail)


@contextmanager
def progress(as_json: bool = False) -> Iterator[Progress]:
    """The progress listener that fits where stderr goes."""
    if as_json or not sys.stderr.isatty():
        yield _Lines(as_json)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=False) as drawn:
        yield _Bar(drawn)


def result(value: Mapping[str, Any], as_json: bool) -> bool:
    """Emit the verb's result when `--json` was asked for; whether it did."""
    if as_json:
        emit_json(value)
    return as_json
