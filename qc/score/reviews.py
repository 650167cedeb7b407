"""What people heard counts above what the machine found: reviews settle single verdicts and manual items, and measure each rule.

A reviewer says of a call and rule: hit, miss, cannot tell, and of a manual item that allows it: not applicable. Where several
did, the answer that most gave counts; a tie, and «cannot tell», leave the machine's verdict as it is, and a manual item
undecided. The machine's verdict stays in `findings` and in the item of the score.

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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.score.scorecard import HIT, MANUAL, MISS, NOT_APPLICABLE, OVERRULED, UNDECIDED, Scorecard, Verdicts
from qc.tables import schema

STRATA = ("hit", "near", "other")
_DRAWS = 4_000
_ANSWERS = ("hit", "miss", "not_applicable")

Settled = Mapping[tuple[str, str], str]
"""(call id, rule or manual item) → `hit`, `miss` or `not_applicable`: what people say."""


def settle(reviews: pa.Table, pack_id: str) -> dict[tuple[str, str], str]:
    """What most reviewers said, by call and rule; ties and «cannot tell» are left out."""
    votes: dict[tuple[str, str], dict[str, int]] = {}
    for row in reviews.filter(pc.equal(reviews["pack_id"], pack_id)).to_pylist():
        if row["answer"] in _ANSWERS:
            given = votes.setdefault((row["call_id"], row["rule"]), {})
            given[row["answer"]] = given.get(row["answer"], 0) + 1
    out = {}
    for key, given in votes.items():
        most = [answer for answer, n in given.items() if n == max(given.values())]
        if len(most) == 1:
            out[key] = most[0]
    return out


def overrule(card: Scorecard, verdicts: Verdicts, call_ids: pa.Array, settled: Settled) -> Verdicts:
    """The verdicts with people's in place of the machine's; `machine` keeps the latter. Calls without a review are as they were."""
    if not settled:
        return verdicts
    row_of = {c: i for i, c in enumerate(call_ids.to_pylist())}
    rule_of = {r: i for i, r in enumerate(card.rules) if not card.manual[i]}
    wanted = {row_of[c] * len(card.rules) + rule_of[r]: word for (c, r), word in settled.items() if c in row_of and r in rule_of}
    cell = verdicts.call * len(card.rules) + verdicts.rule
    here = {int(c): i for i, c in enumerate(cell)} if wanted else {}
    verdict = verdicts.verdict.copy()
    more = []
    for key, word in sorted(wanted.items()):
        place = here.get(key)
        if place is None:
            more += [key] if word == "hit" else []
        else:
            verdict[place] = {"hit": HIT, "miss": OVERRULED, "not_applicable": NOT_APPLICABLE}[word]
    made = replace(verdicts, verdict=verdict, count=np.maximum(verdicts.count, 1))
    if not more:
        return made
    new = np.array(more, np.int64)
    return _with(made, new // len(card.rules), new % len(card.rules), np.full(len(new), HIT, np.int8), MISS)


def judged_by_people(card: Scorecard, verdicts: Verdicts, call_ids: pa.Array, ok: Any, settled: Settled) -> Verdicts:
    """The verdicts with those of the manual items: people's, or undecided, for each scored call. `ok`: bool [calls]."""
    items = np.flatnonzero(card.manual)
    if not len(items):
        return verdicts
    rows = np.flatnonzero(ok)
    row_of = {c: i for i, c in enumerate(call_ids.to_pylist())} if settled else {}
    place = {card.rules[r]: i for i, r in enumerate(items)}
    said = np.full((len(ok), len(items)), UNDECIDED, np.int8)
    for (call, item), word in settled.items():
        if call in row_of and item in place:
            said[row_of[call], place[item]] = {"hit": HIT, "miss": MISS, "not_applicable": NOT_APPLICABLE}[word]
    return _with(verdicts, np.repeat(rows, len(items)), np.tile(items, len(rows)), said[rows].ravel(), MANUAL)


def _with(verdicts: Verdicts, call: Any, rule: Any, verdict: Any, machine: int) -> Verdicts:
    """More verdicts among the others, in the order of calls, then of rules."""
    both_calls, both_rules = np.concatenate([verdicts.call, call]), np.concatenate([verdicts.rule, rule])
    order = np.lexsort((both_rules, both_calls))
    return Verdicts(
        call=both_calls[order],
        rule=both_rules[order],
        verdict=np.concatenate([verdicts.verdict, verdict])[order],
        count=np.concatenate([verdicts.count, np.ones(len(call), np.int64)])[order],
        machine=np.concatenate([verdicts.machine, np.full(len(call), machine, np.int8)])[order],
    )


# -- precision and recall


@dataclass(frozen=True)
class Reviewed:
    """What people said of the calls drawn for a rule. By stratum: `answered`, whether they heard a hit; `sizes`, scored calls in it.

    `unsure`: drawn calls on which they could not tell or disagreed.
    """

    rule: str
    answered: Mapping[str, list[bool]]
    sizes: Mapping[str, int]
    unsure: int

    @property
    def whole(self) -> bool:
        """Every stratum that has calls has answers."""
        return all(self.answered[s] for s in STRATA if self.sizes[s])

    def point(self, stratum: str) -> float:
        """Share of the answers that are hits."""
        return float(np.mean(self.answered[stratum])) if self.answered[stratum] else 0.0

    def draws(self) -> dict[str, Any]:
        """Draws of each stratum's share from its Jeffreys distribution, float64 [4,000]; always the same for the same rule."""
        rng = np.random.default_rng(zlib.crc32(self.rule.encode()))
        return {s: rng.beta(sum(a) + 0.5, len(a) - sum(a) + 0.5, _DRAWS) for s, a in self.answered.items()}


def reviewed_rules(plan: pa.Table, reviews: pa.Table, pack_id: str) -> list[Reviewed]:
    """The rules of a pack for which drawn calls were judged, in order of id."""
    settled = settle(reviews, pack_id)
    mine = reviews.filter(pc.equal(reviews["pack_id"], pack_id)).to_pylist()
    unsure = {(r["call_id"], r["rule"]) for r in mine} - set(settled)
    drawn: dict[str, dict[str, list[str]]] = {}
    size: dict[tuple[str, str], int] = {}
    for row in plan.to_pylist():
        if row["pack_id"] == pack_id:
            drawn.setdefault(row["rule"], {}).setdefault(row["stratum"], []).append(row["call_id"])
            size[row["rule"], row["stratum"]] = row["stratum_calls"]
    found = []
    for rule in sorted(drawn):
        calls = {s: drawn[rule].get(s, []) for s in STRATA}
        answered = {s: [settled[c, rule] == "hit" for c in calls[s] if (c, rule) in settled] for s in STRATA}
        if any(answered.values()):
            sizes = {s: size.get((rule, s), 0) for s in STRATA}
            found.append(Reviewed(rule, answered, sizes, sum((c, rule) in unsure for s in STRATA for c in calls[s])))
    return found


def quality(rules: list[Reviewed], pack: Mapping[str, str]) -> pa.Table:
    """Rows of `quality` for one pack: precision and recall of every rule that was reviewed, from the calls that were drawn."""
    rows = [
        {
            **pack,
            "rule": r.rule,
            "reviewed": sum(map(len, r.answered.values())),
            "cannot_tell": r.unsure,
            "reviewed_hits": len(r.answered["hit"]),
            "right": sum(r.answered["hit"]),
            "missed": sum(r.answered["near"]) + sum(r.answered["other"]),
            **_shares(r),
        }
        for r in rules
    ]
    return pa.Table.from_pylist(rows, schema=schema("quality"))


def _shares(r: Reviewed) -> dict[str, float | None]:
    """Precision and recall with their intervals, shares 0 to 1. Recall needs answers in every stratum that has calls."""
    draws, sizes = r.draws(), r.sizes
    out: dict[str, float | None] = dict.fromkeys(
        ("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high")
    )
    if r.answered["hit"]:
        out |= told("precision", r.point("hit"), draws["hit"])
    if r.whole and sizes["hit"]:
        found, missed = sizes["hit"] * r.point("hit"), sum(sizes[s] * r.point(s) for s in ("near", "other"))
        drawn_found = sizes["hit"] * draws["hit"]
        drawn_missed = sum(sizes[s] * draws[s] for s in ("near", "other") if sizes[s])
        if found + missed > 0:
            out |= told("recall", found / (found + missed), drawn_found / (drawn_found + drawn_missed))
    return out


def told(name: str, value: float, draws: Any) -> dict[str, float | None]:
    """A share, and the 2.5 and 97.5 % points of its draws, as `NAME`, `NAME_low`, `NAME_high`."""
    low, high = np.quantile(draws, [0.025, 0.975])
    ends = (0.0 if value == 0 else min(low, value), 1.0 if value == 1 else max(high, value))
    return {name: round(value, 6), f"{name}_low": round(float(ends[0]), 6), f"{name}_high": round(float(ends[1]), 6)}
