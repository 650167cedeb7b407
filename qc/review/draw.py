"""Which calls people judge, rule by rule: hits, misses near a hit and other misses, with known chances, by a seed.

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
    """`per_rule` calls for each rule by `seed`; `rules`: only these ids, or all; `round`: the draw's name."""

    per_rule: int = 20
    seed: int = 1
    rules: tuple[str, ...] = ()
    round: str = ""
    pack: str | None = None


def draw_reviews(store: Store, options: DrawOptions) -> list[dict[str, Any]]:
    """Rows of `review_plan` in order of rule, stratum and call; nothing is written.

    Raises UsageError for an unknown rule, or a store that was not scored.
    """
    pack_id = choose_pack(store, options.pack)
    if pack_id is None:
        raise UsageError("nothing was scanned yet", where=str(store.path), hint="run qc scan and qc score first")
    columns = read_columns(store, pack_id)
    rules = {r.id: r.dimension for digest in columns.packs for r in read_stored(store, digest).rules}
    unknown = [r for r in options.rules if r not in rules]
    if unknown:
        raise UsageError(f"the pack has no rule {unknown[0]!r}", where="--rule", hint="qc rules show lists them")
    rows = []
    for rule in options.rules or tuple(sorted(rules)):
        for stratum, ids in strata(columns, rule, rules).items():
            share = dict(SHARES)[stratum]
            drawn = draw_some(ids, max(round(options.per_rule * share), 1), seed_of(options.seed, rule, stratum))
            machine = _machine(columns, rule)
            rows += [
                {
                    "pack_id": pack_id,
                    "call_id": call_id,
                    "rule": rule,
                    "round": options.round or f"seed-{options.seed}",
                    "stratum": stratum,
                    "stratum_calls": len(ids),
                    "stratum_drawn": len(drawn),
                    "machine": machine.get(call_id, "miss"),
                }
                for call_id in drawn
            ]
    return rows


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
    for call_id in columns.calls.filter("ok")["call_id"].to_list():
        said = machine.get(call_id, "miss")
        stratum = "hit" if said == "hit" else "near" if said == "undecided" or call_id in near else "other"
        out[stratum].append(call_id)
    return out


def _machine(columns: Columns, rule: str) -> dict[str, str]:
    rows = columns.findings.filter((pl.col("rule") == rule) & pl.col("machine").is_in(["hit", "undecided"]))
    return dict(zip(rows["call_id"].to_list(), rows["machine"].to_list(), strict=True))
