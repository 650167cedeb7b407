"""How far reviewers agree: Krippendorff's alpha and Cohen's kappa, from NLTK (`pip install 'qc[agreement]'`).

An answer is hit, miss or not applicable; «cannot tell» is none. Alpha (Krippendorff, «Content Analysis», 2004, chapter 11; nominal)
takes any number of reviewers and calls that only some of them judged. Kappa (Cohen 1960, Educational and Psychological
Measurement 20) is of two reviewers over the calls that both judged; of more, the mean over their pairs, each counted by its
calls. Neither can be said where all answers are alike: there is no disagreement by chance to compare with.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qc.tables import schema

ANSWERS = ("hit", "miss", "not_applicable")
_Unit = tuple[str, str]


def measurable() -> bool:
    """Whether the library is here."""
    return importlib.util.find_spec("nltk") is not None


def agreement(reviews: pa.Table, pack: Mapping[str, str]) -> pa.Table:
    """Rows of `agreement` for one pack: all rules together (empty id), then each that two reviewers judged in the same call."""
    mine = reviews.filter(pc.equal(reviews["pack_id"], pack["pack_id"])).to_pylist()
    units: dict[_Unit, dict[str, str]] = {}
    for row in mine:
        if row["answer"] in ANSWERS:
            units.setdefault((row["rule"], row["call_id"]), {})[row["reviewer"]] = row["answer"]
    shared = {unit: said for unit, said in sorted(units.items()) if len(said) > 1}
    rows = []
    for rule in ["", *sorted({rule for rule, _ in shared})] if shared else []:
        chosen = [said for (r, _), said in shared.items() if rule in ("", r)]
        pairs = [(a, b) for said in chosen for a, b in combinations(said.values(), 2)]
        alpha, kappa = coefficients(chosen)
        rows.append(
            {
                **pack,
                "rule": rule,
                "reviewers": len({who for said in chosen for who in said}),
                "calls": len(chosen),
                "pairs": len(pairs),
                "agreed": round(sum(a == b for a, b in pairs) / len(pairs), 6),
                "alpha": alpha,
                "kappa": kappa,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema("agreement"))


def coefficients(units: Sequence[Mapping[str, str]]) -> tuple[float | None, float | None]:
    """Alpha and kappa of answers by reviewer, one mapping a thing judged; None where they cannot be said."""
    if not measurable() or len({answer for said in units for answer in said.values()}) < 2:
        return None, None
    from nltk.metrics.agreement import AnnotationTask

    triples = [(who, str(i), answer) for i, said in enumerate(units) for who, answer in said.items()]
    alpha = round(float(AnnotationTask(triples).alpha()), 6)
    weighted = total = 0.0
    for a, b in sorted({pair for said in units for pair in combinations(sorted(said), 2)}):
        both = [(said[a], said[b]) for said in units if a in said and b in said]
        if _certain(both):
            continue
        task = AnnotationTask(
            [(who, str(i), answer) for i, said in enumerate(both) for who, answer in zip((a, b), said, strict=True)]
        )
        weighted += len(both) * float(task.kappa())
        total += len(both)
    return alpha, round(weighted / total, 6) if total else None


def _certain(both: Sequence[tuple[Any, Any]]) -> bool:
    """By chance alone the two would always agree."""
    first, second = Counter(a for a, _ in both), Counter(b for _, b in both)
    return len(first) == len(second) == 1 and first.keys() == second.keys()
