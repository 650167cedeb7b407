"""What a change of rules does to stored calls: whose verdicts and scores change, by how much, shown by the calls that change most.

Both packs are run over the same transcripts by the scanner and the scorecard themselves (`qc.changes.beside`); nothing is
estimated. A score is an interval; a shift is the larger of the changes of its two ends, with its sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from qc.changes.beside import tried
from qc.packs import TrustedPack
from qc.packs.diff import diff
from qc.packs.model import LANGUAGES
from qc.progress import Progress
from qc.store import Store
from qc.tables import MIN_CALLS

if TYPE_CHECKING:
    import polars as pl

MISS = "miss"
QUOTES = 3
"""Pieces of evidence shown for a changed verdict."""


@dataclass(frozen=True)
class RuleShift:
    """One rule: calls by what became of its verdict. A rule that a pack has not counts as a miss there."""

    rule: str
    title: Mapping[str, str]
    hits_before: int
    hits_after: int
    new_hits: int
    lost_hits: int
    other: int


@dataclass(frozen=True)
class GroupShift:
    """An agent, a provider, or all: mean scores before and after, and the shift of the mean; None without scored calls."""

    kind: str
    id: str
    name: str
    provider: str
    scored: int
    changed: int
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    shift: float | None


@dataclass(frozen=True)
class VerdictShift:
    """A rule's verdict on one call, before and after, and the words it rests on where it hits."""

    rule: str
    was: str
    now: str
    quotes: tuple[str, ...]


@dataclass(frozen=True)
class CallShift:
    """One changed call."""

    call_id: str
    agent: str
    provider: str
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    shift: float
    verdicts: tuple[VerdictShift, ...]


@dataclass(frozen=True)
class Impact:
    """The whole. `old`, `new`: id, version and digest of the packs; `changes`: what differs between them, in words.

    `calls`: with a transcript; `verdicts_changed`, `scores_changed`: calls with a change; `max_shift`: the largest shift of
    the mean of a provider or agent with at least `MIN_CALLS` scored calls, or of all calls together.
    """

    old: Mapping[str, str]
    new: Mapping[str, str]
    changes: tuple[Mapping[str, str], ...]
    calls: int
    failed: int
    verdicts_changed: int
    scores_changed: int
    max_shift: float
    whole: GroupShift
    providers: tuple[GroupShift, ...]
    agents: tuple[GroupShift, ...]
    rules: tuple[RuleShift, ...]
    most_changed: tuple[CallShift, ...]

    def as_dict(self) -> dict[str, Any]:
        """The impact as data."""
        return asdict(self)

    def figures(self) -> dict[str, Any]:
        """The impact without a word of any call and without anybody's name: what a proposal carries to another house."""
        plain = self.as_dict()
        kept = {key: plain[key] for key in ("calls", "failed", "verdicts_changed", "scores_changed", "max_shift")}
        shifts = sorted(round(g.shift, 4) for g in self.agents if g.shift is not None and g.scored >= MIN_CALLS)
        whole = {key: plain["whole"][key] for key in ("scored", "changed", "before", "after", "shift")}
        rules = [{key: value for key, value in rule.items() if key != "title"} for rule in plain["rules"]]
        return kept | {"whole": whole, "agents": len(self.agents), "agent_shifts": shifts, "rules": rules}


@dataclass(frozen=True)
class ImpactOptions:
    """`top`: how many of the most changed calls are shown. `redact`: personal data in quotes is masked."""

    top: int = 20
    redact: bool = False


def impact(store: Store, old: TrustedPack, new: TrustedPack, progress: Progress, options: ImpactOptions | None = None) -> Impact:
    """Run both packs over the store's transcripts and compare. The store is not changed.

    Raises StoreError when there are no transcripts.
    """
    chosen = options or ImpactOptions()
    with tried(store, old, progress) as before:
        was = _Outcome.of(before)
    with tried(store, new, progress) as after:
        now = _Outcome.of(after)
    calls = _compare(was, now)
    verdicts = _verdicts(was, now)
    changed_ids = set(verdicts["call_id"].unique().to_list())
    groups = _groups(calls, was, now)
    whole = groups.pop(0)
    judged = [whole, *(g for g in groups if g.scored >= MIN_CALLS)]
    titles: dict[str, Mapping[str, str]] = {r.id: r.title for pack in (old.pack, new.pack) for r in pack.rules}
    return Impact(
        old=_head(old),
        new=_head(new),
        changes=tuple({lang: c.sentence(lang) for lang in LANGUAGES} for c in diff(old.pack, new.pack)),
        calls=calls.height,
        failed=int(calls["failed"].sum()),
        verdicts_changed=len(changed_ids),
        scores_changed=int((calls["shift"] != 0).sum()),
        max_shift=max((abs(g.shift) for g in judged if g.shift is not None), default=0.0),
        whole=whole,
        providers=tuple(g for g in groups if g.kind == "provider"),
        agents=tuple(g for g in groups if g.kind == "agent"),
        rules=_rules(was, now, verdicts, titles),
        most_changed=_most_changed(store, calls, verdicts, chosen),
    )


def _head(pack: TrustedPack) -> dict[str, str]:
    return {"id": pack.pack.id, "version": pack.pack.version, "sha256": pack.pack.sha256, "signer": pack.signer}


@dataclass(frozen=True)
class _Outcome:
    """What a pack made of the calls: `scores` a row a call, `verdicts` a row for each that is not a miss."""

    scores: pl.DataFrame
    verdicts: pl.DataFrame
    people: pl.DataFrame
    summaries: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, store: Store) -> _Outcome:
        import polars as pl

        def table(name: str, columns: Sequence[str]) -> pl.DataFrame:
            found = pl.from_arrow(store.read(name, list(columns)))
            assert isinstance(found, pl.DataFrame)
            return found

        verdicts = (
            table("findings", ("call_id", "verdicts"))
            .explode("verdicts")
            .drop_nulls("verdicts")
            .unnest("verdicts")
            .filter(pl.col("verdict") != "not_applicable")
            .select("call_id", "rule", "verdict", "evidence")
        )
        return cls(
            scores=table("scores", ("call_id", "status", "worst", "best")),
            verdicts=verdicts,
            people=table("calls", ("call_id", "agent_id", "agent_name", "provider")),
            summaries=tuple(store.read("summaries").to_pylist()),
        )


def _shift(was: str, now: str) -> pl.Expr:
    """The larger of the changes of the two ends of an interval, with its sign; 0 where there is no score."""
    import polars as pl

    low = pl.col(f"worst{now}") - pl.col(f"worst{was}")
    high = pl.col(f"best{now}") - pl.col(f"best{was}")
    return pl.when(low.abs() >= high.abs()).then(low).otherwise(high).round(6).fill_null(0.0)


def _compare(was: _Outcome, now: _Outcome) -> pl.DataFrame:
    """A row a call: scores before and after, shift, agent and provider; in order of call id."""
    import polars as pl

    both = was.scores.join(now.scores, on="call_id", how="full", coalesce=True, suffix="_now")
    return (
        both.with_columns(_shift("", "_now").alias("shift"), (pl.col("status_now") != "ok").fill_null(True).alias("failed"))
        .join(now.people, on="call_id", how="left")
        .sort("call_id")
    )


def _verdicts(was: _Outcome, now: _Outcome) -> pl.DataFrame:
    """A row for each verdict that changed, in order of call and rule."""
    import polars as pl

    both = was.verdicts.join(now.verdicts, on=["call_id", "rule"], how="full", coalesce=True, suffix="_now")
    filled = both.with_columns(pl.col("verdict").fill_null(MISS), pl.col("verdict_now").fill_null(MISS))
    return filled.filter(pl.col("verdict") != pl.col("verdict_now")).sort("call_id", "rule")


def _rules(was: _Outcome, now: _Outcome, changed: pl.DataFrame, titles: Mapping[str, Mapping[str, str]]) -> tuple[RuleShift, ...]:
    import polars as pl

    def counted(rows: pl.DataFrame) -> dict[str, int]:
        return dict(rows.group_by("rule").len().iter_rows())

    hit, now_hit = pl.col("verdict") == "hit", pl.col("verdict_now") == "hit"
    before, after = (counted(o.verdicts.filter(hit)) for o in (was, now))
    new, lost = counted(changed.filter(now_hit)), counted(changed.filter(hit))
    other = counted(changed.filter(~hit & ~now_hit))
    rules = [
        RuleShift(r, titles[r], *(part.get(r, 0) for part in (before, after, new, lost, other)))
        for r in sorted({*new, *lost, *other})
    ]
    return tuple(sorted(rules, key=lambda r: (-(r.new_hits + r.lost_hits), r.rule)))


def _groups(calls: pl.DataFrame, was: _Outcome, now: _Outcome) -> list[GroupShift]:
    """All first, then providers and agents, the largest shifts first."""
    import polars as pl

    from qc.tables import agent_key

    changed = calls.filter(pl.col("shift") != 0)
    counts: dict[tuple[str, str], int] = {("all", ""): changed.height}
    for provider, agent in changed.select("provider", "agent_id").iter_rows():
        for key in (("provider", (provider or "").strip()), ("agent", agent_key(provider, agent))):
            counts[key] = counts.get(key, 0) + 1
    before = {(s["kind"], s["id"]): s for s in was.summaries}
    groups = []
    for row in now.summaries:
        old = before.get((row["kind"], row["id"]))
        groups.append(_group(old, row, counts))
    order = {"all": 0, "provider": 1, "agent": 2}
    return sorted(groups, key=lambda g: (order[g.kind], -abs(g.shift or 0.0), g.id))


def _group(old: Mapping[str, Any] | None, new: Mapping[str, Any], counts: Mapping[tuple[str, str], int]) -> GroupShift:
    ends = [None if s is None or s["mean_worst"] is None else (s["mean_worst"], s["mean_best"]) for s in (old, new)]
    moves: list[float] | None = (
        None if ends[0] is None or ends[1] is None else [b - a for a, b in zip(ends[0], ends[1], strict=True)]
    )
    return GroupShift(
        kind=new["kind"],
        id=new["id"],
        name=new["name"] or "",
        provider=new["provider"] or "",
        scored=new["scored"],
        changed=counts.get((new["kind"], new["id"]), 0),
        before=ends[0],
        after=ends[1],
        shift=None if moves is None else round(max((abs(move), move) for move in moves)[1], 6),
    )


def _most_changed(store: Store, calls: pl.DataFrame, verdicts: pl.DataFrame, options: ImpactOptions) -> tuple[CallShift, ...]:
    import polars as pl

    known = verdicts.group_by("call_id").len(name="many")
    listed = (
        calls.join(known, on="call_id", how="left")
        .with_columns(pl.col("many").fill_null(0), pl.col("shift").abs().alias("size"))
        .filter((pl.col("size") > 0) | (pl.col("many") > 0))
        .sort(["size", "many", "call_id"], descending=[True, True, False])
        .head(options.top)
    )
    ids = listed["call_id"].to_list()
    texts = masked_turns(store, ids) if options.redact else {}
    mine: dict[str, list[VerdictShift]] = {}
    for row in verdicts.filter(pl.col("call_id").is_in(ids)).iter_rows(named=True):
        evidence = row["evidence_now"] if row["verdict_now"] == "hit" else row["evidence"]
        quotes = dict.fromkeys(_quote(e, texts.get(row["call_id"]) if options.redact else None) for e in evidence or ())
        words = tuple(q for q in quotes if q)[:QUOTES]
        mine.setdefault(row["call_id"], []).append(VerdictShift(row["rule"], row["verdict"], row["verdict_now"], words))
    return tuple(
        CallShift(
            call_id=row["call_id"],
            agent=row["agent_name"] or row["agent_id"] or "",
            provider=row["provider"] or "",
            before=None if row["worst"] is None else (row["worst"], row["best"]),
            after=None if row["worst_now"] is None else (row["worst_now"], row["best_now"]),
            shift=row["shift"],
            verdicts=tuple(mine.get(row["call_id"], ())),
        )
        for row in listed.iter_rows(named=True)
    )


def _quote(evidence: Mapping[str, Any], texts: Mapping[int, str] | None) -> str:
    from qc.text.redact import quote

    if texts is None:
        return evidence["quote"] or ""
    return quote(texts.get(evidence["turn"], ""), evidence["char_start"], evidence["char_end"])


def masked_turns(store: Store, call_ids: Sequence[str]) -> dict[str, dict[int, str]]:
    """The texts of these calls by call and turn, personal data masked."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from qc.text.redact import redact_turns

    found: dict[str, dict[int, str]] = {}
    wanted = pa.array(list(call_ids), pa.string())
    for batch in store.batches("transcripts", ("call_id", "turns")):
        for row in batch.filter(pc.is_in(batch["call_id"], wanted)).to_pylist():
            turns = row["turns"] or []
            found[row["call_id"]] = {t["turn"]: text for t, text in zip(turns, redact_turns(turns), strict=True)}
    return found
