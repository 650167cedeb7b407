"""What of `transcripts` a scan has to read: less where each call's digest lies beside it and the packs do not ask for the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from qc.packs.conditions import Level
from qc.packs.model import Pack
from qc.scan.matching import terms_of
from qc.scan.view import LOST
from qc.store import Lean

BATCH_CALLS = 3_072
"""Calls in one set of columns: enough that matching costs, not Python's set-up; some tens of megabytes."""

BATCH_BYTES = 1 << 26
"""A set with more text than this is cut, down to single calls: memory stays bounded."""

FEW_RULES, FEW_TERMS = 1_000, 20_000
_MANY_CALLS, _MANY_BYTES = 6_144, 3 << 25


def at_once(packs: Sequence[Pack]) -> tuple[int, int]:
    """How many calls to take at a time, and how many bytes of text. Where only words are asked, and neither they nor the rules are
    very many, most turns need no normal form and there are few verdicts: twice as many calls cost half the set-up."""
    rules = [rule for pack in packs for rule in pack.rules]
    terms = [term for rule in rules for term in terms_of(rule.when)]
    few = len(rules) <= FEW_RULES and len(terms) <= FEW_TERMS
    if few and all(term.kind == "word" for term in terms):
        return _MANY_CALLS, _MANY_BYTES
    return BATCH_CALLS, BATCH_BYTES


def lean(packs: Sequence[Pack]) -> Lean:
    """How to read the table for scanning it with these packs.

    A role need not be a string for each turn, and nothing depends on `no_speech_prob`. What is only part of the digest is left
    out where that is known: how sure the recogniser was, where no pack has a floor for it; how loud a turn is, where no rule
    asks. Times of characters are read where there are any, why something was not heard where a recording may break off.
    """
    unasked = set()
    if all(pack.confidence_floor is None for pack in packs):
        unasked.add("avg_logprob")
    if not any(_asks(rule.when, Level) for pack in packs for rule in pack.rules):
        unasked.add("level_dbfs")
    return Lean(
        numbered=frozenset({"role"}),
        left_out=frozenset({"no_speech_prob"}),
        digests=True,
        with_digests=frozenset(unasked),
        if_any={"char_ms": None, "why": LOST},
    )


def _asks(condition: Any, kind: type) -> bool:
    """Whether the condition is, or has anywhere in it, one of this kind."""
    if isinstance(condition, kind):
        return True
    if isinstance(condition, tuple):
        return any(_asks(part, kind) for part in condition)
    return dataclasses.is_dataclass(condition) and any(
        _asks(getattr(condition, f.name), kind) for f in dataclasses.fields(condition)
    )
