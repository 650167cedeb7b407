"""The store's tables to `ReportData`: joined, in order, with excerpts only of calls that have findings.

Every row of `calls` is in the report. A call that has no score is a failure with a reason, also where a stage has not
reached it yet (`not_transcribed`, `not_scanned`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qc.errors import UsageError
from qc.packs import read_stored
from qc.report.columns import Columns, chosen, counts, details, read_columns, rows_by_id, totals
from qc.report.excerpt import MOST_EVIDENCE, MOST_TURNS, excerpts
from qc.report.model import Call, Finding, MadeWith, Recording, ReportData, ReportOptions
from qc.text.redact import quote, redact, redact_turns

if TYPE_CHECKING:
    import polars as pl

    from qc.packs import Manual, Rule
    from qc.store import Store

_Row = Mapping[str, Any]
_BATCH_CALLS = 4_096
MOST_SPANS = 20_000
"""Spans of a call that its page draws."""


def gather(store: Store, options: ReportOptions, only: pl.Series | None = None) -> ReportData:
    """Everything a report says, from a store. `only`: ids of the calls to tell one by one, in place of the usual choice.

    Raises UsageError when the store is empty, holds several packs and none was chosen, or was not scored since it was scanned.
    """
    pack_id = choose_pack(store, options.pack)
    columns = read_columns(store, pack_id)
    summaries = _rows(store, "summaries", pack_id)
    packs = {digest: read_stored(store, digest) for digest in columns.packs}
    latest = max(packs.values(), key=lambda p: (_version_key(p.version), p.sha256), default=None)
    told = chosen(columns, options.tell_at_most, options.calls_per_agent) if only is None else only
    more = details(store, pack_id, told)
    rows = [{**row, **more[row["call_id"]]} for row in rows_by_id(columns.calls, told)]
    found: dict[str, list[_Row]] = {}
    for row in rows_by_id(columns.findings, told):
        found.setdefault(row["call_id"], []).append(row)
    made = [_call(row, found.get(row["call_id"], ()), options.redact) for row in rows]
    paged = calls_with_pages(made, options.call_pages)
    quoted, words = _quoted(store, made, paged, masked=options.redact)
    base = float(latest.base) if latest else 100.0
    lines: list[Rule | Manual] = []
    for p in sorted(packs.values(), key=lambda p: _version_key(p.version)):
        lines += p.rules
        lines += p.manual
    return ReportData(
        title=options.title,
        pack=latest,
        signer=columns.signer,
        versions=tuple(sorted({(p.version, p.sha256) for p in packs.values()})),
        made_with=_made_with(columns),
        totals=totals(columns),
        whole=next((s for s in summaries if s["kind"] == "all"), None),
        providers=tuple(sorted((s for s in summaries if s["kind"] == "provider"), key=lambda s: (s["name"] is None, s["id"]))),
        agents=tuple(s for s in summaries if s["kind"] == "agent"),
        calls=tuple(quoted.get(c.call_id, c) for c in made),
        rules={r.id: r for r in lines},
        recordings={r["call_id"]: _recording(r) for r in rows if r["call_id"] in found},
        comparisons=tuple(_rows(store, "comparisons", pack_id)),
        trends=_trends(store, pack_id),
        counts=counts(columns, base),
        quality={r["rule"]: r for r in _rows(store, "quality", pack_id)},
        agreement={r["rule"]: r for r in _rows(store, "agreement", pack_id)},
        corrected=tuple(_rows(store, "corrected", pack_id)),
        columns=columns,
        words=words,
    )


def _rows(store: Store, table: str, pack_id: str | None) -> list[dict[str, Any]]:
    return [r for r in store.read(table).to_pylist() if r["pack_id"] == pack_id] if pack_id is not None else []


def _trends(store: Store, pack_id: str | None) -> tuple[dict[str, Any], ...]:
    """Rows of `trends`, without the days of agents who have too few calls on every day to say anything of them."""
    import polars as pl

    rows = pl.from_arrow(store.read("trends"))
    assert isinstance(rows, pl.DataFrame)
    told = pl.col("low").is_not_null().any().over("kind", "id", "unit")
    keep = (pl.col("pack_id") == pl.lit(pack_id, pl.String)) & ((pl.col("kind") != "agent") | (pl.col("unit") != "day") | told)
    return tuple(rows.filter(keep).to_dicts())


def choose_pack(store: Store, wanted: str | None) -> str | None:
    """The pack to report on: the one asked for, or the only one; None where nothing was scanned."""
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


def _version_key(version: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts 1.10.0 after 1.9.0."""
    return tuple((0, int(p)) if p.isdigit() else (1, p) for p in version.replace("-", ".").split("."))


def _call(row: _Row, found: Iterable[_Row], masked: bool) -> Call:
    clean = redact if masked else str
    fine = row["status"] == "ok"
    return Call(
        call_id=row["call_id"],
        file=clean(row["file"]),
        agent=row["agent"],
        agent_name=row["agent_name"],
        provider=row["provider"],
        queue=row["queue"],
        started_at=row["started_at"],
        duration_ms=row["duration_ms"],
        warnings=tuple(row["warnings"] or ()),
        coverage=row["coverage"],
        status=row["status"],
        reason=row["reason"],
        message=clean(row["message"]),
        worst=row["worst"],
        best=row["best"],
        fatal=bool(row["fatal"]),
        dimensions=tuple(row["dimensions"] or ()) if fine else (),
        findings=tuple(_finding(f) for f in found) if fine else (),
        unjudged=tuple(row["unjudged"] or ()) if fine else (),
    )


def _finding(f: _Row) -> Finding:
    evidence = tuple(f["evidence"] or ())
    return Finding(
        rule=f["rule"],
        verdict=f["verdict"],
        severity=f["severity"] or "",
        count=f["count"],
        coverage=f["coverage"],
        why=f["why"] or "",
        worst=f["points_worst"],
        best=f["points_best"],
        evidence=evidence,
        more=max(len(evidence) - MOST_EVIDENCE, 0),
        reviewed=bool(f["reviewed"]),
    )


def calls_with_pages(calls: Iterable[Call], most: int) -> dict[str, Call]:
    """The calls with findings that get a page: every agent's lowest score, then every agent's second, up to `most`."""
    ordered = sorted((c for c in calls if c.findings), key=lambda c: (c.worst or 0.0, c.best or 0.0, c.call_id))
    seen: dict[str, int] = {}
    ranked = []
    for place, call in enumerate(ordered):
        rank = seen.get(call.agent, 0)
        seen[call.agent] = rank + 1
        ranked.append((rank, place, call))
    return {call.call_id: call for _, _, call in sorted(ranked, key=lambda r: r[:2])[:most]}


def _quoted(
    store: Store, calls: Iterable[Call], paged: Collection[str], *, masked: bool
) -> tuple[dict[str, Call], dict[str, Spoken]]:
    """Calls with their excerpts, by id, and the words of those that have a page. One pass over the transcripts."""
    wanted = {c.call_id: c for c in calls if c.call_id in paged or any(f.evidence for f in c.findings)}
    quoted, words = {}, {}
    for said in spoken(store, wanted, masked=masked):
        call = wanted[said.call_id]
        texts = {t["turn"]: t["text"] or "" for t in said.turns}
        made = []
        for f in call.findings:
            evidence = tuple(_masked(e, texts) for e in f.evidence) if masked else f.evidence
            made.append(replace(f, evidence=evidence, excerpts=excerpts(evidence, said.turns)))
        quoted[call.call_id] = replace(call, findings=tuple(made))
        if call.call_id in paged:
            left_out = max(len(said.turns) - MOST_TURNS, 0)
            words[call.call_id] = replace(said, turns=said.turns[:MOST_TURNS], spans=said.spans[:MOST_SPANS], left_out=left_out)
    return quoted, words


def _masked(piece: Mapping[str, Any], texts: Mapping[Any, str]) -> dict[str, Any]:
    """Evidence with its words cut out of the masked turn."""
    return {**piece, "quote": quote(texts.get(piece["turn"], ""), piece["char_start"], piece["char_end"]) or None}


@dataclass(frozen=True)
class Spoken:
    """What was said in a call, as the table of transcripts has it: turns and spans in order. `left_out`: turns that are not here."""

    call_id: str
    turns: tuple[_Row, ...] = ()
    spans: tuple[_Row, ...] = ()
    left_out: int = 0


def spoken(store: Store, call_ids: Iterable[str], *, masked: bool = False) -> Iterator[Spoken]:
    """The words of these calls, in the order of the store's parts, a few thousand calls in memory at a time.

    With `masked`, personal data is masked in the turns' texts; every character stays in its place.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(sorted(call_ids), pa.string())
    if not len(wanted):
        return
    for batch in store.batches("transcripts", ["call_id", "turns", "spans"], _BATCH_CALLS):
        for row in batch.filter(pc.is_in(batch["call_id"], value_set=wanted)).to_pylist():
            turns = tuple(row["turns"] or ())
            if masked:
                turns = tuple({**t, "text": text} for t, text in zip(turns, redact_turns(turns), strict=True))
            yield Spoken(row["call_id"], turns, tuple(row["spans"] or ()))


def _made_with(columns: Columns) -> MadeWith:
    rows = columns.made_with.to_dicts()
    return MadeWith(
        engines=tuple(sorted({r["engine"] for r in rows if r["engine"]})),
        models=tuple(sorted({(r["model"], r["model_sha256"] or "") for r in rows if r["model"]})),
        versions=tuple(sorted({r["tool_version"] for r in rows if r["tool_version"]})),
    )


def _recording(row: _Row) -> Recording:
    return Recording(
        path=row["path"], sha256=row["audio_sha256"] or "", container=row["container"] or "", codec=row["codec"] or ""
    )
