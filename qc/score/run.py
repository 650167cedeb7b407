"""The verb `score`: findings and reviews → scores, summaries, comparisons, trends, quality. Cheap next to scanning, so it is always done anew, as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.errors import StoreError, UsageError
from qc.packs import Pack, read_stored
from qc.progress import Progress, Silent
from qc.score.agreement import agreement
from qc.score.compare import comparisons, strata_of, trends
from qc.score.corrected import corrected
from qc.score.reviews import judged_by_people, overrule, quality, reviewed_rules, settle
from qc.score.scorecard import Scorecard, Verdicts, read_verdicts, score_batch
from qc.score.summaries import CALLED, Scored, call_facts, group_by_provider, heard_of, named, pack_columns, summarise
from qc.store import Store
from qc.tables import schema
from qc.version import VERSION

MADE = ("summaries", "comparisons", "trends", "quality", "agreement", "corrected")
"""Tables that are made from scores and reviews, each replaced as a whole."""

_ORDER = ("pack_id", "call_id")
_REPEATED = ("pack_id", "pack_version", "pack_sha256", "pack_signer", "status")
_SUMMED = ("call_id", *_REPEATED, "worst", "best", "fatal", "dimensions")
_COLUMNS = ("call_id", "pack_id", "pack_version", "pack_sha256", "pack_signer", "status", "reason", "message", "verdicts")


@dataclass(frozen=True)
class ScoreOptions:
    """`batch_calls`: how many calls are scored at a time (memory, not results, depends on it)."""

    batch_calls: int = 16_384


@dataclass(frozen=True)
class ScoreSummary:
    """What `score` did. `calls` counts rows of `scores`: one a call and pack."""

    calls: int
    scored: int
    failed: int
    undecided: int
    packs: tuple[str, ...]
    providers: int
    agents: int

    def as_dict(self) -> dict[str, Any]:
        """The summary as data."""
        return {**self.__dict__, "packs": list(self.packs)}


def score(store: Store, options: ScoreOptions | None = None, progress: Progress | None = None) -> ScoreSummary:
    """Score every row of `findings` and summarise; replaces `scores` and every table made from them (`MADE`).

    Raises UsageError when nothing was scanned yet, StoreError when findings do not fit the pack that they name.
    """
    options, listener = options or ScoreOptions(), progress or Silent()
    if not store.parts("findings"):
        raise UsageError("nothing was scanned yet", where=str(store.path), hint="run qc scan --rules PACK first")
    cards = _Cards(lambda digest: read_stored(store, digest))
    listener.start("score", sum(s.rows if s.kept is None else int(s.kept.sum()) for s in store.shares("findings")))
    reviews = store.read("reviews")
    settled: dict[str, dict[tuple[str, str], str]] = {}
    kept = _Kept([], [], [])
    with store.replacing("scores", _ORDER) as out:
        for batch in store.batches("findings", _COLUMNS, options.batch_calls):
            for digest in sorted(pc.unique(batch["pack_sha256"]).to_pylist(), key=str):
                part = batch.filter(pc.equal(batch["pack_sha256"], digest))
                card = cards.of(digest)
                pack_id = part["pack_id"][0].as_py()
                verdicts = read_verdicts(card, part, f"{pack_id} {digest}")
                if pack_id not in settled:
                    settled[pack_id] = settle(reviews, pack_id)
                ids, ok = part["call_id"].combine_chunks(), pc.fill_null(pc.equal(part["status"], "ok"), False).to_numpy()
                verdicts = overrule(card, verdicts, ids, settled[pack_id])
                verdicts = judged_by_people(card, verdicts, ids, ok, settled[pack_id])
                rows = score_batch(card, part, verdicts, VERSION)
                out.add(rows)
                kept.add(card, digest, rows, verdicts)
                listener.advance(part.num_rows, failed=part.num_rows - pc.sum(pc.equal(part["status"], "ok")).as_py())
    scores, by_machine, parts = kept.in_order(out.order)
    pa.default_memory_pool().release_unused()  # what scoring took is not needed any more
    made = _summaries(store, (scores, by_machine), cards, parts, listener)
    for name, table in made.items():
        store.replace(name, table)
    listener.finish()
    return _summary(scores, made["summaries"])


class _Cards:
    """Scorecards by digest, each read once."""

    def __init__(self, read: Callable[[str], Pack]) -> None:
        self._read = read
        self._known: dict[str, Scorecard] = {}

    def of(self, digest: str | None) -> Scorecard:
        if digest is None:
            raise StoreError(
                "a finding does not say which pack it was made with", where="findings", hint="scan the calls again with --redo"
            )
        if digest not in self._known:
            self._known[digest] = Scorecard.of(self._read(digest))
        return self._known[digest]


_Parts = dict[str, tuple[Any, Verdicts]]


@dataclass(frozen=True)
class _Kept:
    """What summaries need of all calls at once, without the items, which are large: rows of `scores`, the same by the machine alone
    (None where that changes nothing), and per batch the pack's digest, its rows and its verdicts."""

    scores: list[pa.Table]
    by_machine: list[pa.Table | None]
    taken: list[tuple[str, Any, Verdicts]]

    def add(self, card: Scorecard, digest: str, rows: pa.Table, verdicts: Verdicts) -> None:
        """Keep what is needed of rows of `scores` and of the verdicts that made them."""
        first = int(self.taken[-1][1][-1]) + 1 if self.taken else 0
        self.scores.append(_slim(rows))
        self.by_machine.append(
            _slim(score_batch(card, rows, verdicts.only(~card.manual[verdicts.rule]), VERSION)) if card.manual.any() else None
        )
        said = replace(
            verdicts, call=verdicts.call + first, rule=verdicts.rule.astype(np.int32), count=verdicts.count.astype(np.int32)
        )
        self.taken.append((digest, np.arange(first, first + rows.num_rows), said))

    def in_order(self, order: Any) -> tuple[pa.Table, pa.Table, _Parts]:
        """The rows, those by the machine alone, and the verdicts, in the order of the table: `order`, as `Store.replacing` gives it."""
        scores = machine = _taken(self.scores, order)
        if any(m is not None for m in self.by_machine):
            pairs = zip(self.by_machine, self.scores, strict=True)
            machine = _taken([whole if mine is None else mine for mine, whole in pairs], order)
        parts = _in_order(self.taken, order)
        for pieces in (self.scores, self.by_machine, self.taken):
            pieces.clear()
        return scores, machine, parts


def _slim(rows: pa.Table) -> pa.Table:
    """Rows of `scores` without items and messages; what repeats is told once."""
    return pa.table({c: rows[c].dictionary_encode() if c in _REPEATED else rows[c] for c in _SUMMED})


def _taken(pieces: list[pa.Table], order: Any) -> pa.Table:
    """Pieces put together, in this order."""
    table = pa.concat_tables(pieces or [_slim(schema("scores").empty_table())]).unify_dictionaries().combine_chunks()
    return table.take(pa.array(order)).combine_chunks() if (np.diff(order) < 0).any() else table


def _in_order(taken: list[tuple[str, Any, Verdicts]], order: Any) -> _Parts:
    """Per digest its rows and verdicts, with `call` as rows of the sorted table. Verdicts sorted by row, then by rule."""
    new_row = np.empty(len(order), np.int64)
    new_row[order] = np.arange(len(order))
    out: _Parts = {}
    for digest in sorted({d for d, _, _ in taken}):
        mine = [(rows, v) for d, rows, v in taken if d == digest]
        call = new_row[np.concatenate([v.call for _, v in mine])]
        rule = np.concatenate([v.rule for _, v in mine])
        rest = [np.concatenate([getattr(v, f) for _, v in mine]) for f in ("verdict", "count", "machine")]
        both = Verdicts(call, rule, *rest)
        rows = np.sort(new_row[np.concatenate([r for r, _ in mine])])
        cell = call * (int(rule.max(initial=0)) + 1) + rule
        out[digest] = (rows, both.only(np.argsort(cell, kind="stable")) if (np.diff(cell) < 0).any() else both)
    return out


def _summaries(
    store: Store, tables_of: tuple[pa.Table, pa.Table], cards: _Cards, parts: _Parts, listener: Progress
) -> dict[str, pa.Table]:
    """The tables of `MADE`, by name. `tables_of`: scores, and those by the machine alone, which are what is compared."""
    scores, machine = tables_of
    calls = named(store.batches("calls", CALLED, 65_536))
    heard = heard_of(store.batches("transcripts", ["call_id", "duration_ms", "roles", "warnings"], 65_536))
    plan, reviews = store.read("review_plan"), store.read("reviews")
    packs = scores["pack_id"].to_numpy(zero_copy_only=False)
    tables = {name: [schema(name).empty_table()] for name in MADE}
    for pack in sorted(pc.unique(scores["pack_id"]).to_pylist()):
        first, last = np.searchsorted(packs, pack), np.searchsorted(packs, pack, side="right")
        mine = scores.slice(first, last - first)
        digests = [d for d, (rows, _) in parts.items() if first <= rows[0] < last]
        if len(digests) > 1:
            listener.note(
                f"pack {pack}: the calls were scanned with {len(digests)} versions of it; scan again to bring all to one"
            )
        inside = [(cards.of(d), parts[d][0] - first, replace(parts[d][1], call=parts[d][1].call - first)) for d in digests]
        facts = call_facts(mine["call_id"].combine_chunks(), calls, heard)
        tables["summaries"].append(summarise(Scored(mine, inside), facts))
        columns = pack_columns(mine)
        by_machine = machine.slice(first, last - first)
        tables["comparisons"].append(comparisons(by_machine, facts, columns))
        tables["trends"].append(trends(by_machine, facts, columns, max(card.base for card, _, _ in inside)))
        rules = reviewed_rules(plan, reviews, pack)
        tables["quality"].append(quality(rules, columns))
        tables["agreement"].append(agreement(reviews, columns))
        if rules:
            counts = facts.counted(mine)
            groups = group_by_provider(facts)
            tables["corrected"].append(corrected(groups, inside, counts, strata_of(facts, counts), rules, columns))
    return {name: pa.concat_tables(made) for name, made in tables.items()}


def _summary(scores: pa.Table, summaries: pa.Table) -> ScoreSummary:
    kinds = summaries["kind"].to_pylist()
    whole = summaries.filter(pc.equal(summaries["kind"], "all"))
    return ScoreSummary(
        calls=scores.num_rows,
        scored=sum(whole["scored"].to_pylist()),
        failed=sum(whole["failed"].to_pylist()),
        undecided=sum(whole["undecided"].to_pylist()),
        packs=tuple(whole["pack_id"].to_pylist()),
        providers=kinds.count("provider"),
        agents=kinds.count("agent"),
    )
