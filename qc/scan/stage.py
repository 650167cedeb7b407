"""Stage 3, transcripts to findings: every call against every pack, many calls at once, finished work skipped.

The table is read share by share (a row group of a part), in several processes if asked; each writes the findings of its
share as one part, so an interrupted run keeps what it finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qc.errors import UsageError
from qc.packs.model import SEVERITIES, Pack
from qc.scan.ahead import get_ready, method
from qc.version import VERSION

if TYPE_CHECKING:
    from qc.packs.trust import TrustedPack
    from qc.progress import Progress
    from qc.scan.before import Before
    from qc.scan.columns import Columns
    from qc.scan.emit import BatchScanner, Verdicts
    from qc.store import Share, Store

CALLS_A_PROCESS = 4_000
"""Fewer calls than this are not worth another process."""

COMPILED_CALLS = 20_000
"""From so many calls on the inner loops are worth the second or two that compiling (once) or loading them takes."""

_CALL_COLUMNS = ("provider", "queue", "agent_id", "agent_name", "started_at", "hangup", "satisfaction")


@dataclass(frozen=True)
class ScanOptions:
    """`redo`: scan again what was scanned with the same pack, transcript and version of qc. `processes`: at most so many."""

    redo: bool = False
    processes: int = 1


@dataclass(frozen=True)
class ScanSummary:
    """What the store's findings say of these packs after the run (rows are pairs of call and pack).

    `calls`: rows. `scanned`: evaluated in this run. `skipped`: were there already. `failed`: rows of calls that could not
    be scanned. `hits` and `undecided`: verdicts, by severity (every severity is a key) and in all. `failures`: by reason.
    `evaluated` and `reused`: pairs of call and rule that this run worked out, and that it took over from an earlier scan
    because neither the rule nor the transcript had changed.
    """

    calls: int
    scanned: int
    skipped: int
    failed: int
    hits: Mapping[str, int]
    undecided: int
    failures: Mapping[str, int] = field(default_factory=dict)
    evaluated: int = 0
    reused: int = 0

    def hits_at_or_above(self, severity: str) -> int:
        """Hits at least as grave as `severity`."""
        return sum(self.hits[s] for s in SEVERITIES[SEVERITIES.index(severity) :])


def cores() -> int:
    """Cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scan(store: Store, packs: Sequence[TrustedPack], options: ScanOptions, progress: Progress) -> ScanSummary:
    """Scan the store's transcripts with packs; append one row a call and pack to `findings`.

    A call whose transcript failed gets a failed row that repeats the reason; a call that cannot be evaluated gets one that
    says so. Raises StoreError, and UsageError when two packs have the same id.
    """
    ids = [trusted.pack.id for trusted in packs]
    if len(set(ids)) < len(ids):
        raise UsageError("two of the packs have the same id", where=", ".join(ids), hint="give each pack once")
    from qc.packs.flatten import save

    for trusted in packs:
        save(store, trusted.pack)
    rows = store.rows("transcripts")
    if min(options.processes, rows // CALLS_A_PROCESS) > 1:
        get_ready(machine_code=rows >= COMPILED_CALLS)
    shares = store.shares("transcripts")
    calls = sum(share.rows if share.kept is None else int(share.kept.sum()) for share in shares)
    progress.start("scan", calls)
    job = _Job(store, tuple((t.pack, t.signer) for t in packs), options.redo, rows >= COMPILED_CALLS)
    first = not store.parts("findings")
    done = _Counts()
    for counts in _run(job, shares, max(1, min(options.processes, calls // CALLS_A_PROCESS, len(shares)))):
        done.add(counts)
        progress.advance(counts.calls, audio_ms=0, failed=counts.failed_calls)
    progress.finish()
    return _summary(store, [pack for pack, _ in job.packs], done, first=first)


@dataclass(frozen=True)
class _Job:
    """What every process needs to know."""

    store: Store
    packs: tuple[tuple[Pack, str], ...]
    redo: bool
    compiled: bool = False


@dataclass
class _Counts:
    """What became of some calls."""

    calls: int = 0
    failed_calls: int = 0
    scanned: int = 0
    skipped: int = 0
    evaluated: int = 0
    reused: int = 0
    undecided: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, other: _Counts) -> None:
        for name, value in vars(other).items():
            if isinstance(value, Counter):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)


def _run(job: _Job, shares: Sequence[Share], processes: int) -> Iterator[_Counts]:
    """The shares' counts as they are done."""
    if processes == 1:
        worker = _Worker(job)
        for share in shares:
            yield from worker.share(share)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    ordered = sorted(shares, key=lambda share: -share.rows)
    with ProcessPoolExecutor(processes, get_context(method()), _begin, (job,)) as pool:
        try:
            for future in as_completed([pool.submit(_share, share) for share in ordered]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker: _Worker | None = None


def _begin(job: _Job) -> None:
    """In a new process: an interrupt is the parent's to handle, and one thread is this process's part."""
    import signal

    import pyarrow as pa

    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pa.set_cpu_count(1)
    _keep_memory()
    _worker = _Worker(job)


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def _keep_memory() -> None:
    """What a batch frees is for the next batch, large blocks too: given back to the system and asked for again it would cost a fifth
    of the time."""
    import ctypes

    import pyarrow as pa

    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another C library than glibc
        return
    for name, size in ((_TRIM_THRESHOLD, 1 << 29), (_TOP_PAD, 1 << 26), (_MMAP_MAX, 0)):
        tune(name, size)
    pa.set_memory_pool(pa.system_memory_pool())


def _share(share: Share) -> _Counts:
    assert _worker is not None
    total = _Counts()
    for counts in _worker.share(share):
        total.add(counts)
    return total


class _Worker:
    """Scans shares, one after the other."""

    def __init__(self, job: _Job) -> None:
        from qc.scan import compiled
        from qc.scan.reading import at_once, lean

        compiled.use(job.compiled)
        packs = [pack for pack, _ in job.packs]
        self._lean, (self._calls, self._bytes) = lean(packs), at_once(packs)
        self._store = job.store
        self._runs = [_PackRun(job.store, pack, signer, redo=job.redo) for pack, signer in job.packs]
        self._meta = _call_list(job.store) if any(run.needs_meta for run in self._runs) else {}

    def share(self, share: Share) -> Iterator[_Counts]:
        """Scan a share and write its findings; counts for each batch."""
        import pyarrow as pa

        from qc.scan.columns import NAMES

        tables: list[Any] = []
        for batch in self._store.share_batches("transcripts", share, NAMES, self._calls, self._lean):
            for piece in _pieces(batch, self._bytes):
                yield self._scanned(piece, tables)
                del piece
            del batch  # before the next is read
        if tables:
            self._store.append("findings", pa.concat_tables(tables))

    def _scanned(self, table: Any, tables: list[Any]) -> _Counts:
        """Add the findings of some calls to the tables."""
        from qc.scan.columns import Columns

        columns = Columns(table)
        counts = _Counts(calls=columns.size, failed_calls=columns.size - int(columns.ok.sum()))
        digests = columns.digests()
        for run in self._runs:
            found = run.rows(columns, digests, self._meta, counts)
            if found is not None:
                tables.append(found)
        return counts


def _pieces(batch: Any, most: int) -> Iterator[Any]:
    """The batch, or where its text is more than so many bytes, its halves: a call alone at last."""
    import pyarrow.compute as pc

    if batch.num_rows > 1:
        turns = pc.list_flatten(batch["turns"])
        size = pc.sum(pc.binary_length(pc.struct_field(turns, "text"))).as_py() or 0
        if size + 40 * len(turns) > most:
            half = batch.num_rows // 2
            yield from _pieces(batch.slice(0, half), most)
            yield from _pieces(batch.slice(half), most)
            return
    yield batch


def _call_list(store: Store) -> dict[str, dict[str, str | None]]:
    """What the call list says of each call, every column as text."""
    found = {}
    for batch in store.batches("calls", ("call_id", *_CALL_COLUMNS, "meta")):
        for row in batch.to_pylist():
            values = {name: None if row[name] is None else str(row[name]) for name in _CALL_COLUMNS}
            values.update({item["name"]: item["value"] for item in row["meta"] or []})
            found[row["call_id"]] = values
    return found


class _PackRun:
    """One pack in one run of the stage."""

    def __init__(self, store: Store, pack: Pack, signer: str, *, redo: bool) -> None:
        from qc.scan.before import Before, asks_meta

        self.pack, self._signer = pack, signer
        self.needs_meta = any(asks_meta(rule) for rule in pack.rules)
        self._before: Before | None = None if redo else Before(store, pack)
        self._scanners: dict[tuple[str, ...], BatchScanner] = {}

    def rows(self, columns: Columns, digests: Any, meta: Mapping[str, Any], counts: _Counts) -> Any:
        """A table of `findings` for the calls that are not done yet; None where all are."""
        import numpy as np
        import pyarrow as pa

        from qc.scan.columns import Batch
        from qc.scan.emit import Verdicts

        batch = Batch(columns, self.pack.confidence_floor, meta)
        fresh = columns.ok.copy()
        todo = np.ones(columns.size, bool)
        verdicts = Verdicts()
        broken: dict[int, Exception] = {}
        groups = self._before.groups(columns.table["call_id"], digests) if self._before else {}
        for sha256, (calls, places) in groups.items():
            assert self._before is not None
            changed = self._before.changed(sha256)
            if sha256 == self.pack.sha256 and not changed:
                todo[calls] = False
                fresh[calls] = False
                continue
            scanned = columns.ok[calls] & self._before.decided(places)
            calls, places = calls[scanned], places[scanned]
            kept = [rule for rule in self.pack.rules if rule not in changed]
            if not len(calls) or not kept:
                continue
            fresh[calls] = False
            verdicts.keep(self._before.verdicts(calls, places, kept))
            chosen = np.zeros(columns.size, bool)
            chosen[calls] = True
            broken.update(self._scanner(changed).scan(batch, chosen, verdicts))
            counts.reused += len(kept) * len(calls)
            counts.evaluated += len(changed) * len(calls)
        if fresh.any():
            broken.update(self._scanner(self.pack.rules).scan(batch, fresh, verdicts))
            counts.evaluated += len(self.pack.rules) * int(fresh.sum())
        counts.skipped += int((~todo).sum())
        counts.scanned += int(todo.sum())
        if not todo.any():
            return None
        rows = None if todo.all() else pa.array(np.flatnonzero(todo))
        return self._table(columns, digests, rows, verdicts, broken, counts)

    def _scanner(self, rules: Sequence[Any]) -> BatchScanner:
        from qc.scan.emit import BatchScanner

        key = tuple(rule.id for rule in rules)
        if key not in self._scanners:
            self._scanners[key] = BatchScanner(self.pack, rules)
        return self._scanners[key]

    def _table(
        self,
        columns: Columns,
        digests: Any,
        todo: Any,
        verdicts: Verdicts,
        broken: Mapping[int, Exception],
        counts: _Counts,
    ) -> Any:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from qc.tables import schema

        ok = columns.ok.copy()
        ok[list(broken)] = False
        lists, hits, undecided = verdicts.column(columns.size, self.pack.rules, ok)
        table = columns.table
        size = columns.size
        bad = ~ok
        reason: list[str | None] = [None] * size
        message: list[str | None] = [None] * size
        failed = np.flatnonzero(bad)
        told = table.select(["reason", "message"]).take(pa.array(failed))
        for call, why, words in zip(failed.tolist(), told["reason"].to_pylist(), told["message"].to_pylist(), strict=True):
            reason[call], message[call] = why or "unknown", words
        for call, error in broken.items():
            reason[call] = "bad_transcript"
            message[call] = f"the transcript's turns cannot be read ({error}); transcribe or import the call again"
        whole = {
            "call_id": table["call_id"],
            "pack_id": pa.repeat(self.pack.id, size),
            "pack_version": pa.repeat(self.pack.version, size),
            "pack_sha256": pa.repeat(self.pack.sha256, size),
            "pack_signer": pa.repeat(self._signer, size),
            "status": pc.if_else(pa.array(ok), "ok", "failed"),
            "reason": pa.array(reason, pa.string()),
            "message": pa.array(message, pa.string()),
            "tool_version": pa.repeat(VERSION, size),
            "transcript_sha256": digests,
            "rules": pa.array(np.full(size, len(self.pack.rules), np.int32), mask=bad),
            "hits": pa.array(hits.astype(np.int32), mask=bad),
            "undecided": pa.array(undecided.astype(np.int32), mask=bad),
            "verdicts": lists,
        }
        target = schema("findings")
        found = pa.table([whole[f.name] for f in target], schema=target)
        if todo is not None:
            found = found.take(todo)
        counts.undecided += pc.sum(found["undecided"]).as_py() or 0
        counts.failures.update(r for r in found["reason"].to_pylist() if r is not None)
        _count_hits(found, counts)
        return found


def _count_hits(findings: Any, counts: _Counts) -> None:
    import pyarrow.compute as pc

    verdicts = pc.list_flatten(findings["verdicts"])
    severity = pc.struct_field(verdicts, "severity").filter(pc.equal(pc.struct_field(verdicts, "verdict"), "hit"))
    for value in pc.value_counts(severity).to_pylist():
        counts.hits[value["values"]] += value["counts"]


def _summary(store: Store, packs: Sequence[Pack], done: _Counts, *, first: bool) -> ScanSummary:
    """What this run counted where nothing was there before; else what the store says now."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = done
    calls = done.scanned
    if not first:
        counts, calls = _Counts(), 0
        digests = pa.array([pack.sha256 for pack in packs], pa.string())
        for batch in store.batches("findings", ("pack_sha256", "status", "reason", "undecided", "verdicts")):
            chosen = batch.filter(pc.is_in(batch["pack_sha256"], digests))
            calls += chosen.num_rows
            counts.undecided += pc.sum(chosen["undecided"]).as_py() or 0
            counts.failures.update(chosen.filter(pc.equal(chosen["status"], "failed"))["reason"].to_pylist())
            _count_hits(chosen, counts)
    return ScanSummary(
        calls=calls,
        scanned=done.scanned,
        skipped=calls - done.scanned,
        failed=sum(counts.failures.values()),
        hits={severity: counts.hits[severity] for severity in SEVERITIES},
        undecided=counts.undecided,
        failures=dict(sorted(counts.failures.items())),
        evaluated=done.evaluated,
        reused=done.reused,
    )
