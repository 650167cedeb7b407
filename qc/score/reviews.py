"""What people heard counts above what the machine found: reviews settle single verdicts, and measure each rule.

A reviewer says of a call and rule: hit, miss, or cannot tell. Where several did, most decide; a tie, and «cannot tell», leave
the machine's verdict as it is. The machine's verdict stays in `findings` and in the item of the score.

Precision and recall of a rule come from the calls that `review_plan` drew for it, with known chances, out of three strata:
the machine's hits, the misses near a hit (undecided, or another rule of the dimension hit in the call), the other misses.

    precision = share of right ones among the hits      recall = H·p ÷ (H·p + N·q + M·r)

with H, N, M calls in the strata and p, q, r the shares in which the reviewer heard a hit. Intervals: each share has its
Jeffreys distribution, Beta(x + ½, n − x + ½) (Brown, Cai & DasGupta 2001); of 4,000 seeded draws of the formulas above the
2.5 and 97.5 % points are told.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from qc.score.scorecard import HIT, MISS, OVERRULED, Scorecard, Verdicts
from qc.tables import schema

STRATA = ("hit", "near", "other")
_DRAWS = 4_000

Settled = Mapping[tuple[str, str], bool]
"""(call id, rule) → whether people heard a hit."""


def settle(reviews: pa.Table, pack_id: str) -> dict[tuple[str, str], bool]:
    """What most reviewers said, by call and rule; ties and «cannot tell» are left out."""
    votes: dict[tuple[str, str], int] = {}
    for row in reviews.to_pylist():
        if row["pack_id"] == pack_id and row["answer"] in ("hit", "miss"):
            key = (row["call_id"], row["rule"])
            votes[key] = votes.get(key, 0) + (1 if row["answer"] == "hit" else -1)
    return {key: n > 0 for key, n in votes.items() if n}


def overrule(card: Scorecard, verdicts: Verdicts, call_ids: pa.Array, settled: Settled) -> Verdicts:
    """The verdicts with people's in place of the machine's; `machine` keeps the latter. Calls without a review are as they were."""
    if not settled:
        return verdicts
    row_of = {c: i for i, c in enumerate(call_ids.to_pylist())}
    rule_of = {r: i for i, r in enumerate(card.rules)}
    wanted = {row_of[c] * len(card.rules) + rule_of[r]: hit for (c, r), hit in settled.items() if c in row_of and r in rule_of}
    cell = verdicts.call * len(card.rules) + verdicts.rule
    here = {int(c): i for i, c in enumerate(cell)} if wanted else {}
    verdict = verdicts.verdict.copy()
    more = []
    for key, hit in sorted(wanted.items()):
        place = here.get(key)
        if place is None:
            more += [key] if hit else []
        else:
            verdict[place] = HIT if hit else OVERRULED
    made = replace(verdicts, verdict=verdict, count=np.maximum(verdicts.count, 1))
    if not more:
        return made
    new = np.array(more, np.int64)
    call = np.concatenate([made.call, new // len(card.rules)])
    rule = np.concatenate([made.rule, new % len(card.rules)])
    order = np.lexsort((rule, call))
    ones = np.ones(len(new), np.int64)
    return Verdicts(
        call=call[order],
        rule=rule[order],
        verdict=np.concatenate([made.verdict, np.full(len(new), HIT, np.int8)])[order],
        count=np.concatenate([made.count, ones])[order],
        machine=np.concatenate([made.machine, np.full(len(new), MISS, np.int8)])[order],
    )


def quality(plan: pa.Table, reviews: pa.Table, pack: Mapping[str, str]) -> pa.Table:
    """Rows of `quality` for one pack: precision and recall of every rule that was reviewed, from the calls that were drawn."""
    settled = settle(reviews, pack["pack_id"])
    unsure = {(r["call_id"], r["rule"]) for r in reviews.to_pylist() if r["pack_id"] == pack["pack_id"]} - set(settled)
    drawn: dict[str, dict[str, list[str]]] = {}
    size: dict[tuple[str, str], int] = {}
    for row in plan.to_pylist():
        if row["pack_id"] == pack["pack_id"]:
            drawn.setdefault(row["rule"], {}).setdefault(row["stratum"], []).append(row["call_id"])
            size[row["rule"], row["stratum"]] = row["stratum_calls"]
    rows = []
    for rule in sorted(drawn):
        answered = {s: [settled[c, rule] for c in drawn[rule].get(s, ()) if (c, rule) in settled] for s in STRATA}
        if not any(answered.values()):
            continue
        sizes = {s: size.get((rule, s), 0) for s in STRATA}
        rows.append(
            {
                **pack,
                "rule": rule,
                "reviewed": sum(map(len, answered.values())),
                "cannot_tell": sum((c, rule) in unsure for s in STRATA for c in drawn[rule].get(s, ())),
                "reviewed_hits": len(answered["hit"]),
                "right": sum(answered["hit"]),
                "missed": sum(answered["near"]) + sum(answered["other"]),
                **_shares(answered, sizes, rule),
            }
        )
    return pa.Table.from_pylist(rows, schema=schema("quality"))


def _shares(answered: Mapping[str, list[bool]], sizes: Mapping[str, int], rule: str) -> dict[str, float | None]:
    """Precision and recall with their intervals, shares 0 to 1. Recall needs answers in every stratum that has calls."""
    rng = np.random.default_rng(zlib.crc32(rule.encode()))
    point = {s: float(np.mean(a)) if a else 0.0 for s, a in answered.items()}
    draws = {s: rng.beta(sum(a) + 0.5, len(a) - sum(a) + 0.5, _DRAWS) for s, a in answered.items()}
    out: dict[str, float | None] = dict.fromkeys(
        ("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high")
    )
    if answered["hit"]:
        out |= _told("precision", point["hit"], draws["hit"])
    if all(answered[s] for s in STRATA if sizes[s]) and sizes["hit"]:
        found, missed = sizes["hit"] * point["hit"], sum(sizes[s] * point[s] for s in ("near", "other"))
        drawn_found = sizes["hit"] * draws["hit"]
        drawn_missed = sum(sizes[s] * draws[s] for s in ("near", "other") if sizes[s])
        if found + missed > 0:
            out |= _told("recall", found / (found + missed), drawn_found / (drawn_found + drawn_missed))
    return out


def _told(name: str, value: float, draws: Any) -> dict[str, float | None]:
    low, high = np.quantile(draws, [0.025, 0.975])
    ends = (0.0 if value == 0 else min(low, value), 1.0 if value == 1 else max(high, value))
    return {name: round(value, 6), f"{name}_low": round(float(ends[0]), 6), f"{name}_high": round(float(ends[1]), 6)}
