"""What whoever works on calls shares: the doors to engine and recordings, prepared calls to rows, faults to rows.

`inline` works in this process, `crew` in others; both give one row for each call, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from qc.errors import CallError, QcError
from qc.transcribe.call import Maker, failed_row, hear_call
from qc.transcribe.engines import CallKey, Engine, EngineRequest, open_engine
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import Ready, prepare
from qc.transcribe.windows import Span

Call = Mapping[str, Any]
Known = Callable[[CallKey], "list[Span] | None"]

_LOST = (
    "cuda error",
    "cuda kernel errors",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "cudnn_status_execution_failed",
    "cublas_status_execution_failed",
    "cublas_status_not_initialized",
    "an uncorrectable ecc error",
    "driver shutting down",
)


@dataclass(frozen=True)
class Doors:
    """How engines and recordings are opened. Other ones than the product's own must be functions of an importable module."""

    open_engine: Callable[[str, EngineRequest], Engine] = open_engine
    prepare: Callable[[Call, TranscribeOptions, int, Known], Ready] = prepare


class Hands(Protocol):
    """Whoever works on calls. `maker`: what rows say of how they were made."""

    maker: Maker

    def perform(self, calls: Iterable[Call]) -> Iterator[tuple[Call, dict[str, Any]]]:
        """Each call once with its row, in any order. Raises QcError when the work cannot go on."""

    def close(self) -> None:
        """Let everything go at once, done or not."""


class DeviceLostError(QcError):
    """The device is in a state that only a new process gets out of (a sticky CUDA error). `calls`: ids of those it was hearing."""

    code = "device"

    def __init__(self, message: str, calls: Sequence[str] = ()) -> None:
        super().__init__(message, hint="run the same command again; finished calls are kept")
        self.calls = tuple(calls)


def request(options: TranscribeOptions, device: str | None = None) -> EngineRequest:
    """What is asked of the engine; `device`: instead of the options'."""
    return EngineRequest(
        options.model,
        options.language,
        device or options.device,
        options.batch,
        dtype=options.dtype,
        pack=options.pack,
        prompt=options.prompt,
        model_dir=options.model_dir,
    )


def row_of(call: Call, ready: Ready, engine: Engine, options: TranscribeOptions) -> dict[str, Any]:
    """The row of a prepared call, whatever happens to it. Raises DeviceLostError when the device is lost to this process."""
    try:
        return hear_call(call, ready, engine, options)
    except Exception as fault:
        if is_lost(fault):
            raise DeviceLostError(first_line(fault), (call["call_id"],)) from fault
        return fault_row(call, Maker.of(engine), options, fault)


def ready_of(call: Call, maker: Maker, options: TranscribeOptions, known: Known, doors: Doors) -> Ready | dict[str, Any]:
    """The call prepared, or its row when it cannot be."""
    try:
        return doors.prepare(call, options, maker.longest_ms, known)
    except Exception as fault:
        return fault_row(call, maker, options, fault)


def fault_row(call: Call, maker: Maker, options: TranscribeOptions, fault: Exception) -> dict[str, Any]:
    """The row of a call that went wrong: its own error where it has one, else what went wrong in one line."""
    if isinstance(fault, CallError):
        error = fault
    elif isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":
        error = CallError("the machine's memory does not suffice for this recording", code="out_of_memory")
    elif isinstance(fault, QcError):
        raise fault
    else:
        error = CallError(f"the call could not be processed: {first_line(fault)}", code="engine")
    return failed_row(call, maker, options, error)


def first_line(fault: BaseException) -> str:
    """A fault in one line: its kind and what it says."""
    said = str(fault).splitlines()
    return f"{type(fault).__name__}: {said[0] if said else ''}"


def at_once_of(engine: Engine) -> int:
    """How many calls an engine likes to hear at once, each from a thread of its own; 1 where it does not say."""
    return max(1, int(getattr(engine, "at_once", 1)))


def is_lost(fault: BaseException) -> bool:
    """Whether a fault leaves the device unusable for this process: every later call on it would fail the same way."""
    text = str(fault).lower()
    return "out of memory" not in text and isinstance(fault, RuntimeError) and any(mark in text for mark in _LOST)
