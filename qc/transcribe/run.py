"""Stage 2: the calls that are not done yet, one after the other, into `transcripts`; a part every few calls.

A finished row is current while the bytes, the engine, the model's digest and the options are the same; then it is left
alone. Failed ones are tried again. However often a run is cut, the table ends up the same as that of one quiet run.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from qc.errors import CallError
from qc.progress import Progress
from qc.store import Store
from qc.transcribe.call import Maker, failed_row, identity, transcribe_call
from qc.transcribe.engines import Engine, EngineRequest, open_engine
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.write import Written

_CURRENT = ("audio_sha256", "language", "engine", "model_sha256", "options")


@dataclass
class TranscribeSummary:
    """What a run did. `audio_ms`: decoded in this run; `failed`: calls by reason; `wall_s`: without loading the model."""

    calls: int = 0
    audio_ms: int = 0
    transcribed: int = 0
    skipped: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """(call_id, reason, message) of each failed call."""
    wall_s: float = 0.0

    @property
    def failed_calls(self) -> int:
        return sum(self.failed.values())


class TranscribeInterrupted(KeyboardInterrupt):
    """The run was interrupted; what was finished is saved. `summary`: what was done until then."""

    def __init__(self, summary: TranscribeSummary) -> None:
        super().__init__("interrupted")
        self.summary = summary


def transcribe(
    store: Store, options: TranscribeOptions, progress: Progress, calls: Sequence[Mapping[str, Any]] | None = None
) -> TranscribeSummary:
    """Transcribe `calls` (rows of the calls table; all of the store's when None) that are not done.

    Calls that fail are rows and are counted. Raises ModelError or UsageError before anything is done, StoreError when the
    store cannot be written, TranscribeInterrupted on Ctrl-C after saving what is finished.
    """
    rows = list(store.read("calls").to_pylist() if calls is None else calls)
    engine = open_engine(options.engine, EngineRequest(options.model, options.language, options.device, options.batch))
    work = _Work(store, options, progress, engine, Written(options, rows))
    return work.run(rows)


class _Work:
    """One run: the rows not yet written, and what was counted."""

    def __init__(self, store: Store, options: TranscribeOptions, progress: Progress, engine: Engine, written: Written) -> None:
        self.store, self.options, self.progress, self.engine, self.written = store, options, progress, engine, written
        self.maker = Maker.of(engine)
        self.summary = TranscribeSummary()
        self.failed: Counter[str] = Counter()
        self.pending: list[dict[str, Any]] = []
        self.began = self.committed = time.monotonic()

    def run(self, rows: Sequence[Mapping[str, Any]]) -> TranscribeSummary:
        self.summary.calls = len(rows)
        done = set() if self.options.redo else self._done(rows)
        todo = [r for r in rows if r["call_id"] not in done]
        self.summary.skipped = len(rows) - len(todo)
        listed = [r["listed_duration_ms"] for r in todo]
        known = None if None in listed else sum(listed)
        self.progress.start("transcribe", len(todo), known)
        try:
            self._all(todo)
            self._flush()
            self._write_skipped([r for r in rows if r["call_id"] in done])
        except KeyboardInterrupt:
            with _no_interrupts():
                self._flush()
            raise TranscribeInterrupted(self._finished()) from None
        finally:
            self.progress.finish()
        return self._finished()

    def _finished(self) -> TranscribeSummary:
        self.summary.failed = dict(sorted(self.failed.items()))
        self.summary.wall_s = time.monotonic() - self.began
        return self.summary

    def _done(self, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        """Ids of calls whose row is fine and current."""
        wanted = {r["call_id"]: r for r in rows}
        stored = self.store.read("transcripts", ("call_id", "status", *_CURRENT)).to_pylist()
        done = set()
        for row in stored:
            call = wanted.get(row["call_id"])
            if call is not None and row["status"] == "ok":
                now = identity(call, self.maker, self.options)
                if all(row[c] == now[c] for c in _CURRENT):
                    done.add(row["call_id"])
        return done

    def _all(self, todo: Sequence[Mapping[str, Any]]) -> None:
        """First every call that is no copy, then the copies: their text is their original's when all else is the same."""
        copies = [r for r in todo if r["duplicate_of"]]
        wanted = {r["duplicate_of"] for r in copies}
        originals: dict[str, dict[str, Any]] = {}
        for call in todo:
            if not call["duplicate_of"]:
                row = self._one(call)
                if call["call_id"] in wanted and row["status"] == "ok":
                    originals[call["call_id"]] = row
        for missing in self._stored(wanted - set(originals)):
            originals[missing["call_id"]] = missing
        for call in copies:
            self._one(call, originals.get(call["duplicate_of"]))

    def _stored(self, ids: set[str]) -> Iterator[dict[str, Any]]:
        """Fine rows of the store with these ids."""
        if not ids:
            return
        for batch in self.store.batches("transcripts"):
            for row in batch.to_pylist():
                if row["call_id"] in ids and row["status"] == "ok":
                    yield row

    def _one(self, call: Mapping[str, Any], original: Mapping[str, Any] | None = None) -> dict[str, Any]:
        now = identity(call, self.maker, self.options)
        if original is not None and all(original[c] == now[c] for c in _CURRENT):
            row = dict(original) | {"call_id": call["call_id"]}
        else:
            row = self._attempt(call)
        failed = row["status"] != "ok"
        if failed:
            self.failed[row["reason"]] += 1
            self.summary.failures.append((row["call_id"], row["reason"], row["message"]))
        else:
            self.summary.transcribed += 1
            self.summary.audio_ms += row["duration_ms"]
        self.pending.append(row)
        self.progress.advance(1, row.get("duration_ms") or 0, int(failed))
        if len(self.pending) >= self.options.commit_calls or time.monotonic() - self.committed >= self.options.commit_s:
            self._flush()
        return row

    def _attempt(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The call's row, whatever happens: a call that breaks the engine or the memory is a row too."""
        try:
            return transcribe_call(call, self.engine, self.options)
        except CallError as error:
            return failed_row(call, self.maker, self.options, error)
        except MemoryError:
            full = CallError("the machine's memory does not suffice for this recording", code="out_of_memory")
            return failed_row(call, self.maker, self.options, full)
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            OSError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as fault:
            reason = f"{type(fault).__name__}: {str(fault).splitlines()[0] if str(fault) else ''}"
            return failed_row(
                call, self.maker, self.options, CallError(f"the call could not be processed: {reason}", code="engine")
            )

    def _flush(self) -> None:
        if self.pending:
            self.store.append("transcripts", self.pending)
            for row in self.pending:
                self.written.write(row, self.progress)
        self.pending = []
        self.committed = time.monotonic()

    def _write_skipped(self, skipped: Sequence[Mapping[str, Any]]) -> None:
        """Files asked for now, of calls that were done before."""
        if self.options.write and skipped:
            for row in self._stored({r["call_id"] for r in skipped}):
                self.written.write(row, self.progress)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """No Ctrl-C while the last part is written; in another thread there is none anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
