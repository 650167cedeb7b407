"""The store's tables joined in columns, for a handful of calls and for a million alike: a row a call, a row a finding.

What is counted over all calls (totals, spreads, points lost) is counted here; what is told in words is made of the few
rows that pages have room for (`gather`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from qc.errors import UsageError
from qc.report.model import BINS, Counts, Totals
from qc.tables import schema

if TYPE_CHECKING:
    import pyarrow as pa

    from qc.store import Store

_CALLS = ("call_id", "file", "listed", "duplicate_of", "agent_id", "agent_name", "provider", "queue", "started_at")
_TRANSCRIPTS = (
    *("call_id", "status", "reason", "message", "warnings", "duration_ms", "roles"),
    *("engine", "model", "model_sha256", "tool_version"),
)
_FINDINGS = ("call_id", "pack_id", "pack_sha256", "pack_signer", "status", "reason", "message", "verdicts")
_SCORES = ("call_id", "pack_id", "pack_sha256", "status", "worst", "best", "fatal", "items")
_DETAILS = {
    "calls": ("call_id", "path"),
    "transcripts": ("call_id", "audio_sha256", "container", "codec"),
    "scores": ("call_id", "pack_id", "dimensions"),
}
_FEW = ("rule", "verdict", "machine", "settled", "severity", "why", "pack_sha256", "pack_signer", "status", "reason")
"""Columns of few distinct texts, kept as numbers of them."""


@dataclass(frozen=True)
class Columns:
    """`calls`: a row a call, sorted by id. `findings`: a row a hit or undecided verdict, calls in order, the dearest first.

    `calls` has what the sheet of calls says and `agent` (its key in `summaries`), `queue`, `message`, `mono`. `findings` has
    `evidence` as a list of structs. Manual items that nobody has judged are no findings; a call's are in `unjudged`, a list of
    their ids or null.
    """

    calls: pl.DataFrame
    findings: pl.DataFrame
    packs: tuple[str, ...]
    signer: str
    made_with: pl.DataFrame


def read_columns(store: Store, pack_id: str | None) -> Columns:
    """Join the tables of a store. Raises UsageError where findings are newer than scores."""
    found, verdicts = _of_pack(store, "findings", _FINDINGS, pack_id, "verdicts")
    verdicts = verdicts.filter(pl.col("verdict") != "not_applicable").drop("count")
    scored, items = _of_pack(store, "scores", _SCORES, pack_id, "items")
    items = items.select(
        "call_id",
        "rule",
        "count",
        machine=pl.coalesce("machine", "verdict"),
        settled="verdict",
        points_worst="worst",
        points_best="best",
    )
    by_people = pl.col("machine") == "manual"
    waiting = items.filter(by_people & (pl.col("settled") == "undecided"))
    unjudged = waiting.group_by("call_id", maintain_order=True).agg(unjudged=pl.col("rule").cast(pl.String))
    items = items.filter(~by_people | (pl.col("settled") == "hit"))
    findings = _settled((found, scored, verdicts, items), str(store.path))
    del verdicts, items
    tally = _tally(findings)
    packs = tuple(sorted(found["pack_sha256"].unique().drop_nulls().cast(pl.String).to_list()))
    signer = found.select(pl.col("pack_signer").sort_by("call_id").first()).item() or "" if len(found) else ""
    found, scored = found.drop("pack_sha256", "pack_signer"), scored.drop("pack_sha256", "status")
    spoken, made_with = _transcripts(store)
    listed = _frame(store.read("calls", _CALLS))
    names = _frame(_only(store.read("summaries", ["pack_id", "kind", "id", "name"]), pack_id))
    calls = _calls((listed, spoken, found, scored), names.filter(pl.col("kind") == "agent"))
    calls = calls.join(tally, on="call_id", how="left", maintain_order="left").with_columns(
        [pl.when(pl.col("ok")).then(pl.col(c).fill_null(0)).otherwise(0).alias(c) for c in ("hits", "undecided")]
    )
    calls = calls.join(unjudged, on="call_id", how="left", maintain_order="left")
    return Columns(calls=calls, findings=findings, packs=packs, signer=signer, made_with=made_with)


def details(store: Store, pack_id: str | None, ids: pl.Series) -> dict[str, dict[str, Any]]:
    """What only calls that are told need, by id: path, audio_sha256, container, codec, dimensions."""
    out: dict[str, dict[str, Any]] = {i: {c: None for cs in _DETAILS.values() for c in cs} for i in ids}
    for table, columns in _DETAILS.items():
        for batch in store.batches(table, columns, _BATCH_CALLS):
            frame = _frame(batch).filter(pl.col("call_id").is_in(ids.implode()))
            if "pack_id" in columns:
                frame = frame.filter(pl.col("pack_id") == pl.lit(pack_id, pl.String))
            for row in frame.iter_rows(named=True):
                out[row["call_id"]].update(row)
    return out


_BATCH_CALLS = 65_536


def _frames(store: Store, table: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """A table's rows, so many calls at a time: nested columns are large, and what is made of them is small."""
    yield _frame(_empty(table, columns))
    for batch in store.batches(table, columns, _BATCH_CALLS):
        yield _frame(batch)


def _empty(table: str, columns: Sequence[str]) -> pa.Table:
    return schema(table).empty_table().select(list(columns))


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _only(table: pa.Table, pack_id: str | None) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["pack_id"], pack_id)) if pack_id is not None else table.slice(0, 0)


def _of_pack(
    store: Store, table: str, columns: Sequence[str], pack_id: str | None, nested: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A pack's rows of a table without their list of `nested`; and a row an entry of these lists."""
    rows, entries = [], []
    for frame in _frames(store, table, columns):
        mine = frame.filter(pl.col("pack_id") == pl.lit(pack_id, pl.String)).drop("pack_id")
        entries.append(_narrow(_exploded(mine.select("call_id", nested), nested)))
        rows.append(_narrow(mine.drop(nested)))
    return pl.concat(rows), pl.concat(entries)


def _narrow(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(c).cast(pl.Categorical) for c in _FEW if c in frame.columns)


def _exploded(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """A row an entry of a list of structs."""
    rows = frame.filter(pl.col(column).list.len() > 0).explode(column)
    return rows.unnest(column)


def _transcripts(store: Store) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of transcripts with their coverage (share of the detected speech that was heard), and what made them."""
    by = ("engine", "model", "model_sha256", "tool_version")
    rows, made = [], []
    for frame in _frames(store, "transcripts", _TRANSCRIPTS):
        made.append(frame.select(by).unique())
        sums = (
            _exploded(frame.select("call_id", "roles"), "roles")
            .group_by("call_id")
            .agg(pl.col("speech_ms").sum(), pl.col("heard_ms").sum())
            .select("call_id", coverage=pl.when(pl.col("speech_ms") > 0).then(pl.col("heard_ms") / pl.col("speech_ms")))
        )
        rows.append(_narrow(frame.drop("roles", *by)).join(sums, on="call_id", how="left"))
    return pl.concat(rows), pl.concat(made).unique()


def _settled(tables: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame], where: str) -> pl.DataFrame:
    """The machine's verdicts with what was settled and what it costs, in the order of `Columns.findings`.

    Rows of findings and scores, verdicts of the one and items of the other are joined so many calls at a time. Raises
    UsageError where scores are not of these findings: other calls, packs, or verdicts.
    """
    tables = tuple(t.sort("call_id") for t in tables)  # type: ignore[assignment]
    cuts = pl.concat([t["call_id"] for t in tables[:2]]).unique().sort().gather_every(_BATCH_CALLS, _BATCH_CALLS)
    pieces, stale = [], 0
    for found, scored, verdicts, items in zip(*(_slices(t, cuts) for t in tables), strict=True):
        piece = verdicts.join(items, on=["call_id", "rule"], how="full", coalesce=True)
        stale += _stale(found, scored, piece)
        piece = piece.with_columns(verdict=pl.col("settled"), reviewed=pl.col("settled") != pl.col("machine")).drop("settled")
        pieces.append(piece.sort("call_id", pl.col("verdict") != "hit", "points_worst", pl.col("rule").cast(pl.String)))
    if stale:
        raise UsageError(f"{stale:,} calls were scanned after they were scored", where=where, hint="run qc score, then qc report")
    return pl.concat(pieces)


def _slices(frame: pl.DataFrame, cuts: pl.Series) -> Iterator[pl.DataFrame]:
    """A frame that is sorted by call, cut before each of these calls."""
    places = [0, *frame["call_id"].search_sorted(cuts, side="left"), frame.height]
    for first, last in itertools.pairwise(places):
        yield frame.slice(first, last - first)


def _stale(found: pl.DataFrame, scored: pl.DataFrame, piece: pl.DataFrame) -> int:
    """How many calls have scores of other findings than these."""
    keys = ["call_id", "pack_sha256", "status"]
    both = found.select(keys).join(scored.select(keys), on="call_id", how="full", suffix="_scored")
    same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_scored")) for c in keys)
    calls = both.filter(~same).select(pl.coalesce("call_id", "call_id_scored"))
    counted = pl.when(pl.col("machine").is_in(["hit", "undecided"])).then(pl.col("machine"))
    others = piece.filter(~pl.col("verdict").eq_missing(counted)).select("call_id")
    return pl.concat([calls, others])["call_id"].n_unique()


def _given(column: str) -> pl.Expr:
    trimmed = pl.col(column).str.strip_chars()
    return pl.when(trimmed != "").then(trimmed).alias(column)


def _escaped(column: str) -> pl.Expr:
    """A part of `tables.agent_key`."""
    return pl.col(column).fill_null("").str.replace_all("%", "%25", literal=True).str.replace_all("/", "%2F", literal=True)


def _calls(tables: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame], names: pl.DataFrame) -> pl.DataFrame:
    listed, spoken, found, scored = tables
    ids = pl.concat([f.select("call_id") for f in (listed, spoken, found)]).unique().sort("call_id")
    frame = (
        ids.join(listed, on="call_id", how="left")
        .join(spoken.with_columns(transcribed=True), on="call_id", how="left", suffix="_spoken")
        .join(found.select("call_id", "status", "reason", "message", scanned=True), on="call_id", how="left", suffix="_found")
        .join(scored.select("call_id", "worst", "best", "fatal"), on="call_id", how="left")
        .sort("call_id")
        .with_columns(_given("provider"), _given("agent_id"), _given("agent_name"), _given("queue"))
    )
    scanned, transcribed, fine = pl.col("scanned").is_not_null(), pl.col("transcribed").is_not_null(), pl.col("status") == "ok"
    frame = frame.with_columns(pl.col(c).cast(pl.String) for c in ("status", "status_found", "reason", "reason_found"))
    frame = frame.with_columns(
        ok=(scanned & (pl.col("status_found") == "ok")).fill_null(False),
        reason=pl.when(scanned)
        .then(pl.col("reason_found"))
        .when(~transcribed)
        .then(pl.lit("not_transcribed"))
        .when(fine)
        .then(pl.lit("not_scanned"))
        .otherwise(pl.col("reason")),
        message=pl.when(scanned).then(pl.col("message_found")).when(fine).then(None).otherwise(pl.col("message")),
        person=pl.coalesce("agent_id", "agent_name"),
        mono=pl.col("warnings").list.set_intersection(["mono", "same_channels"]).list.len().fill_null(0) > 0,
    )
    frame = frame.with_columns(
        status=pl.when("ok").then(pl.lit("ok")).otherwise(pl.lit("failed")),
        reason=pl.when("ok")
        .then(pl.lit(""))
        .otherwise(pl.when(pl.col("reason") != "").then(pl.col("reason")).otherwise(pl.lit("unknown"))),
        message=pl.when("ok").then(pl.lit("")).otherwise(pl.col("message").fill_null("")),
        agent=pl.concat_str(_escaped("provider"), pl.lit("/"), _escaped("person")),
        **{c: pl.when("ok").then(pl.col(c)) for c in ("worst", "best", "fatal")},
    )
    named = names.select(agent="id", shown="name")
    return (
        frame.join(named, on="agent", how="left", maintain_order="left")
        .with_columns(
            agent_name=pl.coalesce("shown", "agent_name", "person"),
            file=pl.col("file").fill_null(""),
            started_at=pl.col("started_at").fill_null(""),
        )
        .drop("shown", "status_found", "reason_found", "message_found", "scanned", "transcribed")
    )


def _tally(verdicts: pl.DataFrame) -> pl.DataFrame:
    return verdicts.group_by("call_id").agg(
        hits=(pl.col("verdict") == "hit").sum().cast(pl.Int64), undecided=(pl.col("verdict") == "undecided").sum().cast(pl.Int64)
    )


def totals(columns: Columns) -> Totals:
    """The day in figures."""
    c = columns.calls
    ok = int(c["ok"].sum())
    return Totals(
        calls=c.height,
        scored=ok,
        failed=c.height - ok,
        audio_ms=int(c["duration_ms"].sum() or 0),
        hits=int(c["hits"].sum()),
        undecided=int(c["undecided"].sum()),
        calls_with_hits=int((c["hits"] > 0).sum()),
        mono=int(c["mono"].sum()),
        unlisted=int((~c["listed"]).sum() or 0),
        duplicates=int(c["duplicate_of"].is_not_null().sum()),
    )


def counts(columns: Columns, base: float) -> dict[tuple[str, str], Counts]:
    """What charts and lines say of the whole, each provider and each agent, by (kind, id) as in `summaries`."""
    few = columns.calls.select("call_id", "agent", "ok", "worst", "best", "hits", "undecided", "provider")
    c = few.with_columns(
        provider=pl.col("provider").fill_null(""),
        bin=pl.when("ok").then(
            ((pl.col("worst") + pl.col("best")) / 2 / max(base, 1e-9) * BINS).floor().clip(0, BINS - 1).cast(pl.Int64)
        ),
        found=pl.col("ok") & (pl.col("hits") + pl.col("undecided") > 0),
    )
    f = (
        columns.findings.select("call_id", "rule", "verdict", "points_worst")
        .filter((pl.col("verdict") == "hit") & (pl.col("points_worst") < 0))
        .select("call_id", "rule", lost=-pl.col("points_worst"))
        .join(c.filter("ok").select("call_id", "provider", "agent"), on="call_id")
        .select("provider", "agent", pl.col("rule").cast(pl.String), "lost")
    )
    out: dict[tuple[str, str], Counts] = {}
    for kind, key in (("all", pl.lit("")), ("provider", pl.col("provider")), ("agent", pl.col("agent"))):
        lost: dict[str, dict[str, float]] = {}
        for row in f.group_by(key.alias("id"), "rule").agg(pl.col("lost").sum()).sort("id", "rule").iter_rows():
            lost.setdefault(row[0], {})[row[1]] = round(row[2], 6)
        bins: dict[str, list[int]] = {}
        for who, place, n in c.filter("ok").group_by(key.alias("id"), "bin").len().iter_rows():
            bins.setdefault(who, [0] * BINS)[place] = n
        summed = c.group_by(key.alias("id")).agg(
            pl.len().alias("calls"),
            pl.col("ok").sum(),
            pl.col("hits").sum(),
            (pl.col("hits") > 0).sum().alias("hit_calls"),
            pl.col("undecided").sum(),
            pl.col("found").sum(),
        )
        for entry in summed.iter_rows(named=True):
            out[kind, entry["id"]] = Counts(
                hits=entry["hits"],
                hit_calls=entry["hit_calls"],
                undecided=entry["undecided"],
                with_findings=entry["found"],
                clean=entry["ok"] - entry["found"],
                failed=entry["calls"] - entry["ok"],
                bins=tuple(bins.get(entry["id"], [0] * BINS)),
                lost=lost.get(entry["id"], {}),
            )
    return out


def chosen(columns: Columns, most: int, per_agent: int) -> pl.Series:
    """Ids of the calls that are told one by one: all while there are at most `most`; else of each agent those with the lowest
    scores that have findings, and of each provider the first failures."""
    c = columns.calls
    if c.height <= most:
        return c["call_id"]
    found = c.filter(pl.col("ok") & (pl.col("hits") + pl.col("undecided") > 0)).sort("worst", "best", "call_id")
    room = max(most // max(c["agent"].n_unique(), 1), 1)
    told = found.group_by("agent", maintain_order=True).head(min(per_agent, room))["call_id"]
    failed = (
        c.filter(~pl.col("ok")).sort("reason", "call_id").group_by("provider", maintain_order=True).head(FAILURES_PER_PROVIDER)
    )
    return pl.concat([told, failed["call_id"]]).unique().sort()


FAILURES_PER_PROVIDER = 500


def rows_by_id(frame: pl.DataFrame, ids: pl.Series) -> list[dict[str, Any]]:
    """Rows of these calls as dicts, in the frame's order."""
    return frame.filter(pl.col("call_id").is_in(ids.implode())).to_dicts()
