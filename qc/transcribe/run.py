"""Stage 2: the calls that are not done yet into `transcripts`; a part every few calls.

A finished row is current while the bytes, the engine, the model's digest and the options are the same; then it is left
alone. Failed ones are tried again. However often a run is cut, the table ends up the same as that of one quiet run.
Small runs are done in this process, others by processes of their own, so that nothing that one call does ends the run.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qc.errors import StoreError
from qc.progress import Progress
from qc.store import Store
from qc.tables import rows_at
from qc.transcribe.call import identity
from qc.transcribe.engines import address_of, fetch_model
from qc.transcribe.inline import Inline
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.work import Call, Doors, Hands
from qc.transcribe.write import Written

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CURRENT = ("audio_sha256", "language", "engine", "model_sha256", "options")
_LARGEST_PART = 512
_FEW_ON_CPU = 256
_FEW_ON_GPU = 8
_TOLD = 10_000
_GONE_IN_A_ROW = 50
_GONE = frozenset({"missing_file", "unreadable", "denied", "network"})


@dataclass
class TranscribeSummary:
    """What a run did. `audio_ms`: decoded in this run; `failed`: calls by reason; `wall_s`: without loading the model."""

    calls: int = 0
    audio_ms: int = 0
    transcribed: int = 0
    skipped: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """(call_id, reason, message) of each failed call, the first 10,000 of them."""
    files: dict[str, str] = field(default_factory=dict)
    """The files of these calls."""
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
    store: Store,
    options: TranscribeOptions,
    progress: Progress,
    calls: Sequence[Mapping[str, Any]] | pa.Table | None = None,
    doors: Doors | None = None,
) -> TranscribeSummary:
    """Transcribe `calls` (rows of the calls table; all of the store's when None) that are not done.

    Calls that fail are rows and are counted. Raises ModelError or UsageError before anything is done, StoreError when the
    store cannot be written, QcError when no process can be kept alive, TranscribeInterrupted on Ctrl-C after saving what is
    finished. A table costs far less memory than as many rows.
    """
    table = _table(store.read("calls") if calls is None else calls)
    places = table.select(["call_id", "path", "file"]).to_batches()
    written = Written(options, (row for batch in places for row in batch.to_pylist()))
    fetch(options, progress)
    hands = hands_for(options, table.num_rows, doors or Doors())
    try:
        return _Work(store, options, progress, hands, written).run(table)
    finally:
        hands.close()


def _table(calls: Sequence[Mapping[str, Any]] | pa.Table) -> pa.Table:
    import pyarrow as pa

    from qc.tables import schema

    return calls if isinstance(calls, pa.Table) else pa.Table.from_pylist([dict(c) for c in calls], schema=schema("calls"))


def fetch(options: TranscribeOptions, progress: Progress, look: Callable[[], None] | None = None) -> None:
    """Have the model on the disk: what is named and not there is downloaded, and progress told. Raises ModelError.

    `look`: a glance at the work, after it is known that there is such a model and before a download begins.
    """
    ours = options.engine in ("auto", "whisper", "openai")
    if ours:
        address_of(options.model)
    if look is not None:
        look()
    if ours:
        fetch_model(options.model, options.model_dir, progress)


def hands_for(options: TranscribeOptions, count: int, doors: Doors) -> Hands:
    """Who does the work: this process for few calls and prepared transcripts, else one process for each device."""
    replayed = options.engine == "replay" or (options.engine == "auto" and options.model.lower().endswith(".jsonl"))
    devices = ["cpu"] if replayed or options.workers == 0 else devices_of(options.device)
    on_gpu = devices[0].startswith("cuda")
    few = replayed or count <= (_FEW_ON_GPU if on_gpu else _FEW_ON_CPU)
    if options.workers == 0 or (options.workers is None and few):
        return Inline(options, doors)
    from qc.transcribe.crew import Crew

    workers = len(devices) if options.workers is None else options.workers
    chosen = [devices[i % len(devices)] for i in range(max(1, workers))]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    spare = max(1, min(cores - len(chosen), 16 * len(chosen))) if on_gpu else 1
    return Crew(options, doors, chosen, spare if options.producers is None else options.producers)


def devices_of(device: str) -> list[str]:
    """The devices to use for what was asked: every GPU of the machine for `auto` and `cuda`, else the one that was named."""
    if device not in ("auto", "cuda"):
        return [device]
    import torch

    count = torch.cuda.device_count()
    return [f"cuda:{i}" for i in range(count)] or ["cpu" if device == "auto" else device]


class _Work:
    """One run: the rows not yet written, and what was counted."""

    def __init__(self, store: Store, options: TranscribeOptions, progress: Progress, hands: Hands, written: Written) -> None:
        self.store, self.options, self.progress, self.hands, self.written = store, options, progress, hands, written
        self.maker = hands.maker
        self.summary = TranscribeSummary()
        self.failed: Counter[str] = Counter()
        self.pending: list[dict[str, Any]] = []
        self.finished = self.gone = 0
        self.place: tuple[int, int] | None = None
        self.began = self.committed = time.monotonic()

    def run(self, table: pa.Table) -> TranscribeSummary:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        self.summary.calls = table.num_rows
        done = self._done(table)
        todo = np.flatnonzero(~done)
        self.summary.skipped = table.num_rows - len(todo)
        listed = table["listed_duration_ms"].filter(pa.array(~done))
        self.progress.start("transcribe", len(todo), None if listed.null_count else pc.sum(listed).as_py() or 0)
        try:
            self._all(table, todo)
            self._flush()
            self._write_skipped(table, done)
        except KeyboardInterrupt:
            with _no_interrupts():
                self.hands.close()
                self._flush()
            raise TranscribeInterrupted(self._summed_up()) from None
        finally:
            self.progress.finish()
        return self._summed_up()

    def _summed_up(self) -> TranscribeSummary:
        self.summary.failed = dict(sorted(self.failed.items()))
        self.summary.wall_s = time.monotonic() - self.began
        return self.summary

    def _done(self, table: pa.Table) -> np.ndarray:
        """bool [calls]: whether a call's row is fine and current."""
        import numpy as np
        import pyarrow.compute as pc

        done = np.zeros(table.num_rows, bool)
        if self.options.redo:
            return done
        ids, digests, channels = table["call_id"], table["sha256"], table["agent_channel"]
        current: dict[int | None, dict[str, Any]] = {}
        for batch in self.store.batches("transcripts", ("call_id", "status", *_CURRENT), rows=8192):
            places = pc.index_in(batch["call_id"], value_set=ids).to_pylist()
            for place, row in zip(places, batch.to_pylist(), strict=True):
                if place is None or row["status"] != "ok":
                    continue
                channel = channels[place].as_py()
                if channel not in current:
                    call = {"call_id": "", "sha256": None, "agent_channel": channel}
                    current[channel] = identity(call, self.maker, self.options)
                now = current[channel] | {"audio_sha256": digests[place].as_py()}
                done[place] = all(row[c] == now[c] for c in _CURRENT)
        return done

    def _all(self, table: pa.Table, todo: np.ndarray) -> None:
        """First every call that is no copy, then the copies: their text is their original's when all else is the same."""
        import numpy as np

        original_of = table["duplicate_of"]
        copy = original_of.is_valid().to_numpy()[todo]
        self._perform(rows_at(table, todo[~copy]))
        if copy.any():
            self._flush()
            left = self._copy(table, todo[copy].tolist(), original_of)
            self._perform(rows_at(table, np.array(left, np.int64)))

    def _perform(self, calls: Iterator[Call]) -> None:
        for call, row in self.hands.perform(calls):
            self._take(call, row)

    def _copy(self, table: pa.Table, copies: Sequence[int], original_of: pa.ChunkedArray) -> list[int]:
        """Rows for copies whose original has one that is current for them; the other copies are left to be heard."""
        waiting: dict[str, list[int]] = {}
        for i in copies:
            waiting.setdefault(original_of[i].as_py(), []).append(i)
        left = []
        for original in self._stored(waiting.__contains__):
            places = waiting.pop(original["call_id"])
            for place, call in zip(places, rows_at(table, places), strict=True):
                now = identity(call, self.maker, self.options)
                if all(original[c] == now[c] for c in _CURRENT):
                    self._take(call, original | {"call_id": call["call_id"]})
                else:
                    left.append(place)
        return sorted([*(i for group in waiting.values() for i in group), *left])

    def _stored(self, wanted: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
        """Fine rows of the store whose ids are wanted."""
        for batch in self.store.batches("transcripts", rows=256):
            names, states = batch["call_id"].to_pylist(), batch["status"].to_pylist()
            chosen = [i for i, (n, s) in enumerate(zip(names, states, strict=True)) if s == "ok" and wanted(n)]
            if chosen:
                yield from batch.take(chosen).to_pylist()

    def _take(self, call: Call, row: dict[str, Any]) -> None:
        """Count a finished call, and write a part when it is time. Raises StoreError when recordings are gone in a row."""
        failed = row["status"] != "ok"
        if failed:
            self.failed[row["reason"]] += 1
            if len(self.summary.failures) < _TOLD:
                self.summary.failures.append((row["call_id"], row["reason"], row["message"]))
                self.summary.files[row["call_id"]] = str(call["file"] or "")
        else:
            self.summary.transcribed += 1
            self.summary.audio_ms += row["duration_ms"]
        self.finished += 1
        self.pending.append(row)
        self.progress.advance(1, row.get("duration_ms") or 0, int(failed))
        # Parts grow with the run, so that a long one leaves hundreds of them and not tens of thousands.
        enough = max(self.options.commit_calls, min(_LARGEST_PART, self.finished // 8))
        if len(self.pending) >= enough or time.monotonic() - self.committed >= self.options.commit_s:
            self._flush()
        self.gone = self.gone + 1 if failed and call.get("found") and row["reason"] in _GONE else 0
        if self.gone >= _GONE_IN_A_ROW:
            self._flush()
            raise StoreError(
                f"{self.gone} recordings in a row that were there are gone",
                where=str(call["path"]),
                hint="mount their disk, or reach their server, again; then run the same command again; what is finished is kept",
                code="gone",
            )

    def _flush(self) -> None:
        if self.pending:
            self._still_there()
            self.store.append("transcripts", self.pending)
            self._still_there()
            for row in self.pending:
                self.written.write(row, self.progress)
        self.pending = []
        self.committed = time.monotonic()

    def _still_there(self) -> None:
        """The store's folder is the one the run began with: a part must not land where a vanished mount leaves a hole."""
        try:
            status = self.store.path.stat()
            place: tuple[int, int] | None = (status.st_dev, status.st_ino)
        except OSError:
            place = None
        if self.place is not None and place != self.place:
            raise StoreError(
                "the store's folder is not the one that the run began with, or is gone",
                where=str(self.store.path),
                hint="mount its disk again, then run the same command again; what is finished is kept there",
                code="gone",
            )
        self.place = place

    def _write_skipped(self, table: pa.Table, done: np.ndarray) -> None:
        """Files asked for now, of calls that were done before."""
        import pyarrow as pa

        if self.options.write and done.any():
            ids = set(table["call_id"].filter(pa.array(done)).to_pylist())
            for row in self._stored(ids.__contains__):
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
