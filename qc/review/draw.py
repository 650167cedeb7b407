"""Which calls people judge, rule by rule: hits, misses near a hit and other misses, with known chances, by a seed; for a manual
item calls out of all. Calls that somebody asks for by id are judged, too, and count in no statistic.

The three strata make it possible to say both how many of the machine's hits are right and how many it missed, from few
calls: most of what a rule misses lies near what it finds (`qc.score.reviews`).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from qc.errors import UsageError
from qc.packs import read_stored
from qc.report.columns import Columns, read_columns
from qc.report.gather import choose_pack
from qc.report.sampling import draw_some
from qc.store import Store

SHARES = (("hit", 0.5), ("near", 0.3), ("other", 0.2))
"""Strata and their parts of the calls drawn per rule."""


@dataclass(frozen=True)
class DrawOptions:
    """`per_rule` calls for each rule by `seed`; `rules`: only these ids (manual items, too), or all; `round`: the draw's name.
    `calls`: these calls instead of drawn ones, for the given rules, else for their findings and every manual item."""

    per_rule: int = 20
    seed: int = 1
    rules: tuple[str, ...] = ()
    round: str = ""
    calls: tuple[str, ...] = ()
    pack: str | None = None


def draw_reviews(store: Store, options: DrawOptions) -> list[dict[str, Any]]:
    """Rows of `review_plan` in order of rule, stratum and call; nothing is written.

    Raises UsageError for an unknown rule, or a store that was not scored.
    """
    pack_id = choose_pack(store, options.pack)
    if pack_id is None:
        raise UsageError("nothing was scanned yet", where=str(store.path), hint="run qc scan and qc score first")
    columns = read_columns(store, pack_id)
    packs = [read_stored(store, digest) for digest in columns.packs]
    rules = {r.id: r.dimension for p in packs for r in p.rules}
    manual = {m.id for p in packs for m in p.manual}
    unknown = [r for r in options.rules if r not in rules and r not in manual]
    if unknown:
        raise UsageError(f"the pack has no rule {unknown[0]!r}", where="--rule", hint="qc rules list lists them")
    if options.calls:
        return _asked(columns, pack_id, options, manual)
    rows = []
    for rule in options.rules or (*sorted(rules), *sorted(manual)):
        parts = {"all": _scored(columns)} if rule in manual else strata(columns, rule, rules)
        for stratum, ids in parts.items():
            share = {**dict(SHARES), "all": 1.0}[stratum]
            drawn = draw_some(ids, max(round(options.per_rule * share), 1), seed_of(options.seed, rule, stratum))
            machine = _machine(columns, rule)
            otherwise = "manual" if rule in manual else "miss"
            rows += [
                {
                    "pack_id": pack_id,
                    "call_id": call_id,
                    "rule": rule,
                    "round": options.round or f"seed-{options.seed}",
                    "stratum": stratum,
                    "stratum_calls": len(ids),
                    "stratum_drawn": len(drawn),
                    "machine": machine.get(call_id, otherwise),
                }
                for call_id in drawn
            ]
    return rows


def _asked(columns: Columns, pack_id: str, options: DrawOptions, manual: set[str]) -> list[dict[str, Any]]:
    """Rows of `review_plan` for calls that were asked for. Raises UsageError for one without a score."""
    scored = set(_scored(columns))
    absent = [c for c in options.calls if c not in scored]
    if absent:
        raise UsageError(f"there is no scored call {absent[0][:80]!r}", where="--call", hint="give ids as the report has them")
    said: dict[str, dict[str, str]] = {}
    rows = columns.findings.filter(pl.col("call_id").is_in(list(options.calls)) & pl.col("machine").is_in(["hit", "undecided"]))
    for row in rows.iter_rows(named=True):
        said.setdefault(row["call_id"], {})[row["rule"]] = row["machine"]
    plan = []
    for call_id in sorted(set(options.calls)):
        found = said.get(call_id, {})
        for rule in options.rules or (*sorted(found), *sorted(manual)):
            plan.append(
                {
                    "pack_id": pack_id,
                    "call_id": call_id,
                    "rule": rule,
                    "round": options.round or "asked",
                    "stratum": "asked",
                    "stratum_calls": 1,
                    "stratum_drawn": 1,
                    "machine": "manual" if rule in manual else found.get(rule, "miss"),
                }
            )
    return plan


def keep_plan(store: Store, plan: list[dict[str, Any]]) -> None:
    """Put a draw into the store in place of the earlier one of the pack; what was asked for is added to what is there."""
    if not plan:
        return
    if any(r["stratum"] != "asked" for r in plan):
        store.replace("review_plan", plan, where=("pack_id", plan[0]["pack_id"]))
        return
    known = {(r["pack_id"], r["call_id"], r["rule"]) for r in store.read("review_plan").to_pylist()}
    store.append("review_plan", [r for r in plan if (r["pack_id"], r["call_id"], r["rule"]) not in known])


def _scored(columns: Columns) -> list[str]:
    return columns.calls.filter("ok")["call_id"].to_list()


def seed_of(seed: int, rule: str, stratum: str) -> int:
    """A seed for one rule and stratum, so that no two draw the same calls for being asked with one seed."""
    return zlib.crc32(f"{seed}|{rule}|{stratum}".encode())


def strata(columns: Columns, rule: str, dimension_of: dict[str, str]) -> dict[str, list[str]]:
    """Scored calls by what the machine said of a rule: `hit`; `near`: undecided, or a hit of another rule of its dimension; `other`."""
    machine = _machine(columns, rule)
    family = [r for r, d in dimension_of.items() if d == dimension_of[rule] and r != rule]
    f = columns.findings
    near = set(f.filter((pl.col("machine") == "hit") & pl.col("rule").is_in(family))["call_id"].to_list())
    out: dict[str, list[str]] = {"hit": [], "near": [], "other": []}
    for call_id in _scored(columns):
        said = machine.get(call_id, "miss")
        stratum = "hit" if said == "hit" else "near" if said == "undecided" or call_id in near else "other"
        out[stratum].append(call_id)
    return out


def _machine(columns: Columns, rule: str) -> dict[str, str]:
    rows = columns.findings.filter((pl.col("rule") == rule) & pl.col("machine").is_in(["hit", "undecided"]))
    return dict(zip(rows["call_id"].to_list(), rows["machine"].to_list(), strict=True))
