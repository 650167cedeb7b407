"""Engines and decoders with faults, for the processes of a crew: what really happens on a bad day, done for real.

They stand in a module of their own, because a process that is started finds them by their name. Which call is the bad one, and
what happens on it, is in its file's name: `kill`, `lost`, `hang`, `memory`, `leave`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qc.transcribe.engines import CallKey, EngineRequest, Heard, Window
from qc.transcribe.engines.replay import Replay
from qc.transcribe.engines.replay import open_engine as open_replay
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import Ready, prepare
from qc.transcribe.work import Doors


class Faulty(Replay):
    """Prepared transcripts, but for the calls whose names say otherwise."""

    knows_calls = False
    started_in = ""

    def spans(self, call: CallKey) -> Any:
        return super().spans(call)

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        if "kill" in call.file:
            os.kill(os.getpid(), signal.SIGKILL)
        if "lost" in call.file:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nand many lines more")
        if "memory" in call.file:
            import torch

            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if "leave" in call.file and not (mark := Path(self.marks) / call.file).exists():
            mark.touch()
            os._exit(9)
        return super().hear(call, windows)

    marks = ""


class Knowing(Faulty):
    """The same, prepared where it hears."""

    knows_calls = True


def _opened(kind: type[Faulty], request: EngineRequest) -> Faulty:
    engine = open_replay(request)
    engine.__class__ = kind
    assert isinstance(engine, kind)
    engine.marks = str(Path(request.model).parent)
    return engine


def open_faulty(name: str, request: EngineRequest) -> Faulty:
    """An engine whose calls are prepared by producers."""
    return _opened(Faulty, request)


def open_knowing(name: str, request: EngineRequest) -> Faulty:
    """An engine whose calls are prepared where it hears."""
    return _opened(Knowing, request)


def open_dying(name: str, request: EngineRequest) -> Faulty:
    """An engine that never comes up."""
    os._exit(3)


def prepare_with_known(call: Mapping[str, Any], options: TranscribeOptions, longest_ms: int, known: Any) -> Ready:
    """What producers do here: they look the places up themselves, so that no speech detector is needed; `hang` hangs."""
    if "hang" in (call["file"] or ""):
        time.sleep(3600)
    if "dies" in (call["file"] or ""):
        os.kill(os.getpid(), signal.SIGKILL)
    engine = open_replay(EngineRequest(options.model))
    return prepare(call, options, longest_ms, engine.spans)


PRODUCED = Doors(open_faulty, prepare_with_known)
KNOWING = Doors(open_knowing, prepare_with_known)
DYING = Doors(open_dying)


def as_a_command(arguments: list[str]) -> None:
    """`qc` with these arguments, in a process that has its libraries already and says nothing."""
    from qc.cli.main import main

    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    main(arguments)
