"""The store's tables to `ReportData`: joined, in order, with excerpts only of calls that have findings.

Every row of `calls` is in the report. A call that has no score is a failure with a reason, also where a stage has not
reached it yet (`not_transcribed`, `not_scanned`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qc.errors import UsageError
from qc.packs import Pack, read_stored
from qc.report.excerpt import MOST_EVIDENCE, excerpts
from qc.report.model import Call, Finding, MadeWith, Recording, ReportData, ReportOptions, Totals
from qc.tables import agent_key

if TYPE_CHECKING:
    import pyarrow as pa

    from qc.store import Store

_CALLS = ("call_id", "file", "path", "listed", "duplicate_of", "agent_id", "agent_name", "provider", "started_at")
_TRANSCRIPTS = (
    *("call_id", "status", "reason", "message", "warnings", "duration_ms", "roles", "audio_sha256", "container", "codec"),
    *("engine", "model", "model_sha256", "tool_version"),
)
_FINDINGS = ("call_id", "pack_id", "pack_version", "pack_sha256", "pack_signer", "status", "reason", "message", "verdicts")
_SCORES = ("call_id", "pack_id", "pack_sha256", "status", "worst", "best", "fatal", "dimensions", "items")

_Row = dict[str, Any]


def gather(store: Store, options: ReportOptions) -> ReportData:
    """Everything a report says, from a store.

    Raises UsageError when the store is empty, holds several packs and none was chosen, or was not scored since it was scanned.
    """
    pack_id = _choose_pack(store, options.pack)
    calls = _by_id(store.read("calls", _CALLS))
    transcripts = _by_id(store.read("transcripts", _TRANSCRIPTS))
    findings = _by_id(_only(store.read("findings", _FINDINGS), pack_id))
    scores = _by_id(_only(store.read("scores", _SCORES), pack_id))
    summaries = _only(store.read("summaries"), pack_id).to_pylist()
    _check_fresh(findings, scores, str(store.path))
    packs = _packs(store, findings)
    agents = {s["id"]: s for s in summaries if s["kind"] == "agent"}
    ids = sorted(set(calls) | set(transcripts) | set(findings))
    made = [_call(i, calls.get(i, {}), transcripts.get(i), findings.get(i), scores.get(i), agents) for i in ids]
    quoted = dict(_quoted(store, made))
    latest = max(packs.values(), key=lambda p: (_version_key(p.version), p.sha256), default=None)
    return ReportData(
        title=options.title,
        pack=latest,
        signer=next((f["pack_signer"] or "" for f in findings.values()), ""),
        versions=tuple(sorted({(p.version, p.sha256) for p in packs.values()})),
        made_with=_made_with(transcripts.values()),
        totals=_totals(made, calls),
        whole=next((s for s in summaries if s["kind"] == "all"), None),
        providers=tuple(sorted((s for s in summaries if s["kind"] == "provider"), key=lambda s: (s["name"] is None, s["id"]))),
        agents=tuple(agents.values()),
        calls=tuple(quoted.get(c.call_id, c) for c in made),
        rules={r.id: r for p in sorted(packs.values(), key=lambda p: _version_key(p.version)) for r in p.rules},
        recordings=_recordings(made, calls, transcripts),
    )


def _choose_pack(store: Store, wanted: str | None) -> str | None:
    if not store.tables():
        raise UsageError("the store is empty", where=str(store.path), hint="run qc run FOLDER --rules PACK first")
    known = sorted(set(store.read("findings", ["pack_id"])["pack_id"].to_pylist()))
    if wanted is not None and wanted not in known:
        raise UsageError(
            f"no call was scanned with pack {wanted!r}", where="--pack", hint=f"one of: {', '.join(known) or 'none yet'}"
        )
    if wanted is None and len(known) > 1:
        raise UsageError("the store holds findings of several packs", where="--pack", hint=f"choose one of: {', '.join(known)}")
    return wanted or (known[0] if known else None)


def _only(table: pa.Table, pack_id: str | None) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["pack_id"], pack_id)) if pack_id is not None else table.slice(0, 0)


def _by_id(table: pa.Table) -> dict[str, _Row]:
    return {row["call_id"]: row for batch in table.to_batches(max_chunksize=8192) for row in batch.to_pylist()}


def _check_fresh(findings: Mapping[str, _Row], scores: Mapping[str, _Row], where: str) -> None:
    """Scores must be of these findings: same calls, same packs, same verdicts that count."""
    stale = set(findings) ^ set(scores)
    for call_id in set(findings) & set(scores):
        found, scored = findings[call_id], scores[call_id]
        counted = [(v["rule"], v["verdict"]) for v in found["verdicts"] or () if v["verdict"] != "not_applicable"]
        items = [(i["rule"], i["verdict"]) for i in scored["items"] or ()]
        if (found["pack_sha256"], found["status"], counted) != (scored["pack_sha256"], scored["status"], items):
            stale.add(call_id)
    if stale:
        raise UsageError(
            f"{len(stale):,} calls were scanned after they were scored", where=where, hint="run qc score, then qc report"
        )


def _packs(store: Store, findings: Mapping[str, _Row]) -> dict[str, Pack]:
    return {digest: read_stored(store, digest) for digest in sorted({f["pack_sha256"] for f in findings.values()})}


def _version_key(version: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts 1.10.0 after 1.9.0."""
    return tuple((0, int(p)) if p.isdigit() else (1, p) for p in version.replace("-", ".").split("."))


def _call(
    call_id: str, listed: _Row, transcript: _Row | None, found: _Row | None, scored: _Row | None, agents: Mapping[str, _Row]
) -> Call:
    status, reason, message = _outcome(transcript, found)
    provider, person, name = (_given(listed.get(c)) for c in ("provider", "agent_id", "agent_name"))
    agent = agent_key(provider, person or name)
    summary = agents.get(agent, {})
    spoken = transcript or {}
    fine = scored is not None and status == "ok"
    return Call(
        call_id=call_id,
        file=listed.get("file") or "",
        agent=agent,
        agent_name=summary.get("name") or name or person,
        provider=provider,
        started_at=listed.get("started_at") or "",
        duration_ms=spoken.get("duration_ms"),
        warnings=tuple(spoken.get("warnings") or ()),
        coverage=_coverage(spoken.get("roles") or ()),
        status=status,
        reason=reason,
        message=message,
        worst=scored["worst"] if fine and scored else None,
        best=scored["best"] if fine and scored else None,
        fatal=bool(fine and scored and scored["fatal"]),
        dimensions=tuple(scored["dimensions"] or ()) if fine and scored else (),
        findings=_findings(found, scored) if fine and found and scored else (),
    )


def _given(cell: str | None) -> str | None:
    return (cell or "").strip() or None


def _outcome(transcript: _Row | None, found: _Row | None) -> tuple[str, str, str]:
    """Status, reason, message of a call: the last stage that has a row of it speaks."""
    if found is not None:
        row = found
    elif transcript is None:
        return "failed", "not_transcribed", ""
    elif transcript["status"] == "ok":
        return "failed", "not_scanned", ""
    else:
        row = transcript
    if row["status"] == "ok":
        return "ok", "", ""
    return "failed", row["reason"] or "unknown", row["message"] or ""


def _coverage(roles: Iterable[_Row]) -> float | None:
    speech = sum(r["speech_ms"] or 0 for r in roles)
    return sum(r["heard_ms"] or 0 for r in roles) / speech if speech else None


def _findings(found: _Row, scored: _Row) -> tuple[Finding, ...]:
    """Hits and undecided verdicts, those that cost most first."""
    items = {i["rule"]: i for i in scored["items"] or ()}
    made = [
        Finding(
            rule=v["rule"],
            verdict=v["verdict"],
            severity=v["severity"] or "",
            count=items[v["rule"]]["count"],
            coverage=v["coverage"],
            why=v["why"] or "",
            worst=items[v["rule"]]["worst"],
            best=items[v["rule"]]["best"],
            evidence=tuple(v["evidence"] or ()),
            more=max(len(v["evidence"] or ()) - MOST_EVIDENCE, 0),
        )
        for v in found["verdicts"] or ()
        if v["verdict"] != "not_applicable"
    ]
    return tuple(sorted(made, key=lambda f: (f.verdict != "hit", f.worst, f.rule)))


def _quoted(store: Store, calls: Iterable[Call]) -> Iterator[tuple[str, Call]]:
    """(call id, the call with its excerpts) of every call with evidence. Reads turns batch by batch, keeps the quoted ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = {c.call_id: c for c in calls if any(f.evidence for f in c.findings)}
    ids = pa.array(sorted(wanted), pa.string())
    for batch in store.batches("transcripts", ["call_id", "turns"], 1024):
        for row in batch.filter(pc.is_in(batch["call_id"], value_set=ids)).to_pylist():
            call = wanted[row["call_id"]]
            made = tuple(replace(f, excerpts=excerpts(f.evidence, row["turns"] or ())) for f in call.findings)
            yield call.call_id, replace(call, findings=made)


def _made_with(transcripts: Iterable[_Row]) -> MadeWith:
    rows = list(transcripts)
    return MadeWith(
        engines=tuple(sorted({r["engine"] for r in rows if r["engine"]})),
        models=tuple(sorted({(r["model"], r["model_sha256"] or "") for r in rows if r["model"]})),
        versions=tuple(sorted({r["tool_version"] for r in rows if r["tool_version"]})),
    )


def _totals(made: Iterable[Call], listed: Mapping[str, _Row]) -> Totals:
    calls = list(made)
    return Totals(
        calls=len(calls),
        scored=sum(c.status == "ok" for c in calls),
        failed=sum(c.status != "ok" for c in calls),
        audio_ms=sum(c.duration_ms or 0 for c in calls),
        hits=sum(c.hits for c in calls),
        undecided=sum(c.undecided for c in calls),
        calls_with_hits=sum(c.hits > 0 for c in calls),
        mono=sum(c.mono for c in calls),
        unlisted=sum(r["listed"] is False for r in listed.values()),
        duplicates=sum(r["duplicate_of"] is not None for r in listed.values()),
    )


def _recordings(made: Iterable[Call], listed: Mapping[str, _Row], transcripts: Mapping[str, _Row]) -> dict[str, Recording]:
    out = {}
    for call in made:
        if call.findings:
            row, spoken = listed.get(call.call_id, {}), transcripts.get(call.call_id, {})
            out[call.call_id] = Recording(
                path=row.get("path"),
                sha256=spoken.get("audio_sha256") or "",
                container=spoken.get("container") or "",
                codec=spoken.get("codec") or "",
            )
    return out
