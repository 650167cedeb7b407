"""Stage 3, transcripts to findings: every call against every pack, a batch at a time, finished work skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qc.errors import UsageError
from qc.packs.flatten import save
from qc.packs.model import SEVERITIES, Pack
from qc.packs.trust import TrustedPack
from qc.scan.evaluate import PackScanner
from qc.scan.facts import asks_the_list
from qc.scan.matching import CallMatches
from qc.scan.view import Call, digest, view
from qc.version import VERSION

if TYPE_CHECKING:
    from qc.progress import Progress
    from qc.store import Store

BATCH_CALLS = 256
"""Calls in one buffer: enough that matching costs, not Python's set-up; a few megabytes."""

_CALL_COLUMNS = ("provider", "queue", "agent_id", "agent_name", "started_at", "hangup", "satisfaction")


@dataclass(frozen=True)
class ScanOptions:
    """`redo`: scan again what was scanned with the same pack, transcript and version of qc."""

    redo: bool = False


@dataclass(frozen=True)
class ScanSummary:
    """What the store's findings say of these packs after the run (rows are pairs of call and pack).

    `calls`: rows. `scanned`: evaluated in this run. `skipped`: were there already. `failed`: rows of calls that could not
    be scanned. `hits` and `undecided`: verdicts, by severity (every severity is a key) and in all. `failures`: by reason.
    """

    calls: int
    scanned: int
    skipped: int
    failed: int
    hits: Mapping[str, int]
    undecided: int
    failures: Mapping[str, int] = field(default_factory=dict)

    def hits_at_or_above(self, severity: str) -> int:
        """Hits at least as grave as `severity`."""
        return sum(self.hits[s] for s in SEVERITIES[SEVERITIES.index(severity) :])


def scan(store: Store, packs: Sequence[TrustedPack], options: ScanOptions, progress: Progress) -> ScanSummary:
    """Scan the store's transcripts with packs; append one row a call and pack to `findings`.

    A call whose transcript failed gets a failed row that repeats the reason; a call that cannot be evaluated gets one that
    says so. Raises StoreError, and UsageError when two packs have the same id.
    """
    ids = [trusted.pack.id for trusted in packs]
    if len(set(ids)) < len(ids):
        raise UsageError("two of the packs have the same id", where=", ".join(ids), hint="give each pack once")
    runs = [_PackRun(store, trusted, options) for trusted in packs]
    for run in runs:
        save(store, run.pack)
    total = store.keys("transcripts").num_rows
    progress.start("scan", total)
    scanned = 0
    meta = _call_list(store) if any(run.needs_meta for run in runs) else {}
    for batch in store.batches("transcripts", rows=BATCH_CALLS):
        rows = batch.to_pylist()
        digests = [digest(row) for row in rows]
        findings: list[dict[str, Any]] = []
        for run in runs:
            findings.extend(run.rows(rows, digests, meta))
        scanned += len(findings)
        store.append("findings", findings)
        progress.advance(len(rows), audio_ms=0, failed=sum(row["status"] != "ok" for row in rows))
    progress.finish()
    return _summary(store, [run.pack for run in runs], scanned)


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

    def __init__(self, store: Store, trusted: TrustedPack, options: ScanOptions) -> None:
        self.pack: Pack = trusted.pack
        self.needs_meta = any(r.applies_to or r.valid_from or r.valid_until or asks_the_list(r.when) for r in self.pack.rules)
        self._scanner = PackScanner(self.pack)
        self._signer = trusted.signer
        # A rule that asks the call list may change its verdict without the transcript changing: such packs are scanned anew.
        self._done = {} if options.redo or self.needs_meta else _already(store, self.pack)

    def rows(
        self, rows: Sequence[Mapping[str, Any]], digests: Sequence[str], meta: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Rows of `findings` for the calls of a batch that are not done yet."""
        todo = [(row, d) for row, d in zip(rows, digests, strict=True) if self._done.get(row["call_id"]) != d]
        calls: list[Call] = []
        broken: dict[str, Exception] = {}
        for row, _ in todo:
            if row["status"] == "ok":
                try:
                    calls.append(view(row, confidence_floor=self.pack.confidence_floor, meta=meta.get(row["call_id"])))
                except (TypeError, ValueError, KeyError) as error:
                    broken[row["call_id"]] = error
        found = {call.call_id: (call, matches) for call, matches in zip(calls, self._scanner.scan(calls), strict=True)}
        for row, transcript in todo:
            base = self._base(row, transcript)
            if row["call_id"] in found:
                yield base | self._verdicts(*found[row["call_id"]])
            elif row["call_id"] in broken:
                message = f"the transcript's turns cannot be read ({broken[row['call_id']]}); transcribe or import the call again"
                yield base | {"status": "failed", "reason": "bad_transcript", "message": message}
            else:
                yield base | {"status": "failed", "reason": row["reason"] or "unknown", "message": row["message"]}

    def _verdicts(self, call: Call, matches: CallMatches) -> dict[str, Any]:
        listed = self._scanner.findings(call, matches)
        return {
            "status": "ok",
            "rules": len(self.pack.rules),
            "hits": sum(f.verdict == "hit" for f in listed),
            "undecided": sum(f.verdict == "undecided" for f in listed),
            "verdicts": [f.row() for f in listed if f.verdict != "miss"],
        }

    def _base(self, row: Mapping[str, Any], transcript: str) -> dict[str, Any]:
        return {
            "call_id": row["call_id"],
            "pack_id": self.pack.id,
            "pack_version": self.pack.version,
            "pack_sha256": self.pack.sha256,
            "pack_signer": self._signer,
            "tool_version": VERSION,
            "transcript_sha256": transcript,
        }


def _already(store: Store, pack: Pack) -> dict[str, str]:
    """Calls that were scanned with this very pack by this version of qc: call id to the transcript's digest."""
    done = {}
    for batch in store.batches("findings", ("call_id", "pack_sha256", "tool_version", "transcript_sha256")):
        for row in batch.to_pylist():
            if row["pack_sha256"] == pack.sha256 and row["tool_version"] == VERSION:
                done[row["call_id"]] = row["transcript_sha256"]
    return done


def _summary(store: Store, packs: Sequence[Pack], scanned: int) -> ScanSummary:
    import pyarrow as pa
    import pyarrow.compute as pc

    digests = pa.array([pack.sha256 for pack in packs], pa.string())
    hits: dict[str, int] = dict.fromkeys(SEVERITIES, 0)
    failures: dict[str, int] = {}
    calls = undecided = 0
    for batch in store.batches("findings", ("pack_sha256", "status", "reason", "verdicts")):
        chosen = batch.filter(pc.is_in(batch["pack_sha256"], digests))
        calls += chosen.num_rows
        for value in pc.value_counts(chosen.filter(pc.equal(chosen["status"], "failed"))["reason"]).to_pylist():
            failures[value["values"]] = failures.get(value["values"], 0) + value["counts"]
        verdicts = pc.list_flatten(chosen["verdicts"])
        said, severity = pc.struct_field(verdicts, "verdict"), pc.struct_field(verdicts, "severity")
        undecided += pc.sum(pc.equal(said, "undecided")).as_py() or 0
        for value in pc.value_counts(severity.filter(pc.equal(said, "hit"))).to_pylist():
            hits[value["values"]] = hits.get(value["values"], 0) + value["counts"]
    return ScanSummary(
        calls=calls,
        scanned=scanned,
        skipped=calls - scanned,
        failed=sum(failures.values()),
        hits=hits,
        undecided=undecided,
        failures=dict(sorted(failures.items())),
    )
