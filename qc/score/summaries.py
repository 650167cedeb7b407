"""Scores of calls become figures of agents, providers and the whole: means with intervals, rule rates with intervals.

The interval of a mean owns both doubts, of sampling and of what was not heard: from the lower end of the t-interval of the
worst scores to the upper end of that of the best ones. Calls of which nothing was heard are in no mean. There is none below `MIN_CALLS` scored calls, nor where all of them
have the same score: the t-interval would claim certainty from seeing no spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.score.intervals import PRIOR_DF, half_width, wilson
from qc.score.scorecard import HIT, NOT_APPLICABLE, UNDECIDED, Scorecard, Verdicts
from qc.tables import MIN_CALLS, agent_key, schema


@dataclass(frozen=True)
class Scored:
    """What summaries are made from: the rows of `scores` of one pack id, sorted by call, and their verdicts by rule.

    `parts` has one entry a pack digest: its scorecard, its rows (int64), and its verdicts, whose `call` are rows of `scores`.
    """

    scores: pa.Table
    parts: Sequence[tuple[Scorecard, Any, Verdicts]]


@dataclass(frozen=True)
class CallFacts:
    """Per row of `Scored.scores`: who took the call, how long it is, how much of it was heard. Arrays [calls], of strings in
    whichever encoding; nobody is null."""

    provider: pa.Array
    agent: pa.Array
    agent_name: pa.Array
    queue: pa.Array
    started_at: pa.Array
    audio_ms: Any
    speech_ms: Any
    heard_ms: Any
    unheard: Any = None
    """bool: speech was looked for, and none was heard."""
    mono: Any = None
    warned: Any = None
    level: Any = None
    """Sum of dBFS × ms of detected speech, and of these ms, float64 [calls, 2]."""

    def counted(self, scores: pa.Table) -> Any:
        """Calls that count in means and comparisons: scored, and something of them was heard. bool [calls]."""
        ok = pc.fill_null(pc.equal(scores["status"], "ok"), False).to_numpy()
        return ok if self.unheard is None else ok & ~self.unheard


_NAMES = ("provider", "agent_id", "agent_name", "queue")
CALLED = ("call_id", *_NAMES, "started_at")
"""What `named` needs of the table of calls."""


def named(batches: Iterable[pa.Table]) -> pa.Table:
    """What calls' facts need of `calls`, a row a call, a batch at a time: names without blanks, and days, each written once."""
    target = pa.schema([("call_id", pa.string()), *((c, pa.dictionary(pa.int32(), pa.string())) for c in CALLED[1:])])
    made = [target.empty_table()]
    for batch in batches:
        day = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(batch["started_at"].combine_chunks()), 0, 10)
        columns = {c: _no_blank(batch[c].combine_chunks()) for c in _NAMES} | {"started_at": _no_blank(day)}
        made.append(pa.table([batch["call_id"], *(columns[c].dictionary_encode() for c in CALLED[1:])], schema=target))
    return pa.concat_tables(made).unify_dictionaries().combine_chunks()


def heard_of(batches: Iterable[pa.Table]) -> pa.Table:
    """What calls' facts need of `transcripts`, a row a call, a batch at a time: the lists of roles are large, these figures small."""
    kinds = {
        "audio_ms": pa.float64(),
        "speech_ms": pa.float64(),
        "heard_ms": pa.float64(),
        "loud": pa.float64(),
        "weight": pa.float64(),
    }
    kinds |= dict.fromkeys(("unheard", "mono", "warned"), pa.bool_())
    target = pa.schema([("call_id", pa.string()), *kinds.items()])
    made = []
    for batch in batches:
        roles = batch["roles"].combine_chunks()
        owner, flat = pc.list_parent_indices(roles).to_numpy(), pc.list_flatten(roles)
        level, spoken = pc.struct_field(flat, "level_dbfs"), _filled(pc.struct_field(flat, "speech_ms"))
        weight = np.where(pc.is_valid(level).to_numpy(zero_copy_only=False), spoken, 0.0)
        parts = {
            "speech_ms": spoken,
            "heard_ms": _filled(pc.struct_field(flat, "heard_ms")),
            "weight": weight,
            "loud": weight * _filled(level),
        }
        sums = {k: np.bincount(owner, weights=v, minlength=len(roles)) for k, v in parts.items()}
        said = _warnings(batch["warnings"].combine_chunks(), {"no_speech": ("no_speech",), "mono": _ONE_CHANNEL})
        silent = said.pop("no_speech")
        columns = {
            **sums,
            **said,
            "audio_ms": _filled(batch["duration_ms"].combine_chunks()),
            "unheard": (sums["heard_ms"] == 0) & ((sums["speech_ms"] > 0) | silent),
        }
        made.append(pa.table([batch["call_id"], *(pa.array(columns[k], t) for k, t in kinds.items())], schema=target))
    return pa.concat_tables([target.empty_table(), *made]).combine_chunks()


def call_facts(call_ids: pa.Array, calls: pa.Table, heard: pa.Table) -> CallFacts:
    """Look up the facts of calls by id in `named` calls and `heard_of` their transcripts; what they do not have gets null, 0, false."""
    row = pc.index_in(call_ids, value_set=calls["call_id"].combine_chunks())
    names = {c: calls[c].combine_chunks().take(row) for c in CALLED[1:]}
    heard_row = pc.index_in(call_ids, value_set=heard["call_id"].combine_chunks())

    def fact(name: str) -> Any:
        return pc.fill_null(heard[name].combine_chunks().take(heard_row), False if name in ("unheard", "mono", "warned") else 0.0)

    facts = {name: fact(name).to_numpy(zero_copy_only=False) for name in heard.column_names[1:]}
    return CallFacts(
        provider=names["provider"],
        agent=pc.coalesce(*(names[c].cast(pa.string()) for c in ("agent_id", "agent_name"))).dictionary_encode(),
        agent_name=names["agent_name"],
        queue=names["queue"],
        started_at=names["started_at"],
        level=np.column_stack([facts.pop("loud"), facts.pop("weight")]),
        **facts,
    )


_ONE_CHANNEL = ("mono", "same_channels")


def _warnings(column: pa.ListArray, wanted: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Whether each transcript has one of these warnings, and (`warned`) any other: bool [transcripts] each."""
    owner, flat = pc.list_parent_indices(column).to_numpy(), pc.list_flatten(column)
    any_other = np.ones(len(flat), bool)
    out = {}
    for name, words in wanted.items():
        here = pc.fill_null(pc.is_in(flat, value_set=pa.array(words)), False).to_numpy(zero_copy_only=False)
        any_other &= ~here
        out[name] = np.bincount(owner[here], minlength=len(column)) > 0
    return {**out, "warned": np.bincount(owner[any_other], minlength=len(column)) > 0}


def _filled(values: pa.Array) -> Any:
    return pc.fill_null(values, 0).to_numpy(zero_copy_only=False)


def _no_blank(column: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def summarise(scored: Scored, facts: CallFacts) -> pa.Table:
    """Rows of `summaries` for one pack id: the whole, then providers, then agents, each in order of id."""
    n = scored.scores.num_rows
    whole = Groups("all", np.zeros(n, np.int64), [""], [None], [None])
    tables = [_rows(scored, facts, g) for g in (whole, group_by_provider(facts), group_by_agent(facts))]
    return pa.concat_tables(tables)


@dataclass(frozen=True)
class Groups:
    """Calls by what they are summed up under."""

    kind: str
    code: Any  # int64 [calls], which group
    ids: list[str]
    names: list[str | None]
    providers: list[str | None]


def group_by_provider(facts: CallFacts) -> Groups:
    """Calls by provider, those without one under an empty id."""
    code, keys = encode(facts.provider)
    return Groups("provider", code, keys, [k or None for k in keys], [k or None for k in keys])


def group_by_agent(facts: CallFacts) -> Groups:
    """Agents under their providers. The name shown is the first one given, else the id; None for the unassigned."""
    provider, providers = encode(facts.provider)
    agent, agents = encode(facts.agent)
    pair, code = np.unique(provider * max(len(agents), 1) + agent, return_inverse=True)
    which = [divmod(int(p), max(len(agents), 1)) for p in pair]
    named = np.flatnonzero(pc.is_valid(facts.agent_name).to_numpy(zero_copy_only=False))
    first = dict(zip(*np.unique(code[named], return_index=True), strict=True))
    names = [
        facts.agent_name[int(named[first[g]])].as_py() if g in first else agents[a] or None for g, (_, a) in enumerate(which)
    ]
    return Groups(
        "agent",
        code,
        [agent_key(providers[p], agents[a]) for p, a in which],
        names,
        [providers[p] or None for p, _ in which],
    )


def encode(keys: pa.Array) -> tuple[Any, list[str]]:
    """Codes int64 [n] into the sorted distinct keys, and these; null is the empty key."""
    encoded = keys.dictionary_encode()
    known = [k or "" for k in encoded.dictionary.to_pylist()]
    place = np.where(pc.is_valid(encoded.indices).to_numpy(zero_copy_only=False), _filled(encoded.indices), len(known))
    known.append("")
    found = sorted({known[i] for i in np.unique(place)})
    rank = {k: i for i, k in enumerate(found)}
    return np.array([rank.get(k, 0) for k in known], np.int64)[place], found


def _rows(scored: Scored, facts: CallFacts, groups: Groups) -> pa.Table:
    data, size = scored.scores, len(groups.ids)
    ok = pc.fill_null(pc.equal(data["status"], "ok"), False).to_numpy()
    code = groups.code

    def count(mask: Any) -> Any:
        return np.bincount(code[mask], minlength=size)

    def total(values: Any) -> Any:
        return np.bincount(code, weights=values, minlength=size)

    worst, best = (pc.fill_null(data[c], 0.0).to_numpy() for c in ("worst", "best"))
    counted = facts.counted(data)
    worst, best = np.where(counted, worst, 0.0), np.where(counted, best, 0.0)
    scored_calls, in_mean = count(ok), count(counted)
    divisor = np.where(in_mean > 0, in_mean, 1)
    mean_worst, mean_best = total(worst) / divisor, total(best) / divisor
    ceiling = max((card.base for card, _, _ in scored.parts), default=np.inf)
    below, above = (half_width(in_mean, total(v), total(v**2), PRIOR_DF) for v in (worst, best))
    low, high = np.maximum(mean_worst - below, 0.0), np.minimum(mean_best + above, ceiling)
    known = (in_mean >= MIN_CALLS) & ((below > 0) | (above > 0) | (mean_best > mean_worst))
    speech, heard = total(facts.speech_ms), total(facts.heard_ms)
    unsure, unjudged = np.zeros(data.num_rows, bool), np.zeros(data.num_rows, bool)
    for card, _, verdicts in scored.parts:
        open_ = verdicts.verdict == UNDECIDED
        by_people = card.manual[verdicts.rule] if len(card.rules) else open_
        unsure[verdicts.call[open_ & ~by_people]] = True
        unjudged[verdicts.call[open_ & by_people]] = True
    none = np.zeros(data.num_rows, bool)
    level = np.zeros((data.num_rows, 2)) if facts.level is None else facts.level
    loud, spoken = total(level[:, 0]), total(level[:, 1])
    columns: dict[str, Any] = {
        **{k: pa.array([v] * size, pa.string()) for k, v in pack_columns(data).items()},
        "kind": pa.array([groups.kind] * size, pa.string()),
        "id": pa.array(groups.ids, pa.string()),
        "name": pa.array(groups.names, pa.string()),
        "provider": pa.array(groups.providers, pa.string()),
        "calls": np.bincount(code, minlength=size),
        "scored": scored_calls,
        "failed": count(~ok),
        "unheard": count(ok & ~counted),
        "undecided": count(unsure & ok),
        "unjudged": count(unjudged & ok),
        "level_dbfs": _masked(loud / np.where(spoken > 0, spoken, 1), spoken > 0),
        "mono": count(none if facts.mono is None else facts.mono),
        "warned": count(none if facts.warned is None else facts.warned),
        "audio_ms": total(facts.audio_ms).astype(np.int64),
        "coverage": _masked(heard / np.where(speech > 0, speech, 1), speech > 0),
        "mean_worst": _masked(mean_worst, in_mean > 0),
        "mean_best": _masked(mean_best, in_mean > 0),
        "low": _masked(low, known),
        "high": _masked(high, known),
        "fatal": count(pc.fill_null(data["fatal"], False).to_numpy()),
        "rules": pa.array(_rule_lists(scored, groups, ok), schema("summaries").field("rules").type),
        "dimensions": pa.array(_dimension_lists(data, code, size, counted), schema("summaries").field("dimensions").type),
    }
    target = schema("summaries")
    return pa.table([_array(columns[f.name], f.type) for f in target], schema=target)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _masked(values: Any, keep: Any) -> pa.Array:
    return pa.array(np.round(values, 6), pa.float64(), mask=~keep)


def pack_columns(data: pa.Table) -> dict[str, str]:
    """The pack's columns; where calls were scanned with several versions, all of them, joined by a comma."""
    out = {}
    for name in ("pack_id", "pack_version", "pack_sha256", "pack_signer"):
        out[name] = ", ".join(sorted(v for v in pc.unique(data[name]).to_pylist() if v is not None))
    return out


def _rule_lists(scored: Scored, groups: Groups, ok: Any) -> list[list[dict[str, Any]]]:
    """Per group the rules that hit or could not be decided, and the manual items that people judged, in the pack's order, with
    rates and Wilson intervals."""
    names = list(dict.fromkeys(rule for card, _, _ in scored.parts for rule in card.rules))
    place = {rule: i for i, rule in enumerate(names)}
    shape = (len(groups.ids), len(names))
    hits, unsure, decided = (np.zeros(shape, np.int64) for _ in range(3))
    for card, rows, verdicts in scored.parts:
        column = np.array([place[r] for r in card.rules], np.int64)
        cell = groups.code[verdicts.call] * len(names) + (column[verdicts.rule] if len(column) else 0)

        def tally(verdict: int, cell: Any = cell, verdicts: Verdicts = verdicts) -> Any:
            return np.bincount(cell[verdicts.verdict == verdict], minlength=shape[0] * shape[1]).reshape(shape)

        hits += tally(HIT)
        unsure += tally(UNDECIDED)
        decided[:, column] += np.bincount(groups.code[rows[ok[rows]]], minlength=shape[0])[:, None]
        decided -= tally(UNDECIDED) + tally(NOT_APPLICABLE)
    by_people = np.zeros(len(names), bool)
    for card, _, _ in scored.parts:
        by_people[[place[r] for r in card.rules]] = card.manual
    listed = (hits > 0) | np.where(by_people, decided > 0, unsure > 0)
    low, high = wilson(hits, decided)
    rate = 100 * hits / np.where(decided > 0, decided, 1)

    def entry(g: int, r: int) -> dict[str, Any]:
        known = decided[g, r] > 0
        values = {"rate": rate[g, r], "low": 100 * low[g, r], "high": 100 * high[g, r]}
        return {
            "rule": names[r],
            "hits": int(hits[g, r]),
            "undecided": int(unsure[g, r]),
            "calls": int(decided[g, r]),
            **{k: round(float(v), 6) if known else None for k, v in values.items()},
        }

    return [[entry(g, int(r)) for r in np.flatnonzero(listed[g])] for g in range(shape[0])]


def _dimension_lists(data: pa.Table, code: Any, size: int, counted: Any) -> list[list[dict[str, Any]]]:
    """Per group the mean of each dimension's worst and best, in the pack's order."""
    owner, which, names, values = dimensions_of(data)
    shape = (size, max(len(names), 1))
    number, sums = np.zeros(shape, np.int64), {m: np.zeros(shape) for m in values}
    for d in range(len(names)):
        mine = np.flatnonzero((which == d) & counted[owner])
        group = code[owner[mine]]
        number[:, d] = np.bincount(group, minlength=size)
        for m, points in values.items():
            sums[m][:, d] = np.bincount(group, weights=points[mine], minlength=size)
    means = {m: np.round(s / np.where(number > 0, number, 1), 6) for m, s in sums.items()}
    return [
        [
            {"dimension": name, "mean_worst": float(means["worst"][g, d]), "mean_best": float(means["best"][g, d])}
            for d, name in enumerate(names)
            if number[g, d]
        ]
        for g in range(size)
    ]


def dimensions_of(scores: pa.Table) -> tuple[Any, Any, list[str], dict[str, Any]]:
    """The calls' dimensions, flat: row of the call and index of the name, int32 each; the names; `worst` and `best`, float64."""
    column = scores["dimensions"]
    lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies even a single one
    owner = pc.list_parent_indices(lists).to_numpy().astype(np.int32)
    flat = pc.list_flatten(lists)
    names = pc.struct_field(flat, "dimension").dictionary_encode()
    values = {m: pc.struct_field(flat, m).to_numpy(zero_copy_only=False) for m in ("worst", "best")}
    return owner, names.indices.to_numpy(zero_copy_only=False), names.dictionary.to_pylist(), values
