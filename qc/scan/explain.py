"""Why a rule did, did not, or could not hit a call: its conditions as a tree, each with its verdict, and the nearest miss.

The verdict at the top is the scanner's own; the tree asks the scanner for each condition by itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qc.packs.conditions import AllOf, AnyOf, AtLeast, Beside, Condition, Count, Near, NeverSays, Not, NotNear, Says, Then
from qc.packs.model import Pack, Rule
from qc.packs.places import write_gap
from qc.packs.readable import one_line, readable
from qc.packs.reasons import WHY
from qc.packs.syntax import NAMES, write_condition
from qc.scan.conditions import evaluate
from qc.scan.evaluate import Finding, PackScanner
from qc.scan.nearest import Nearest, clock, nearest
from qc.scan.verdicts import Evidence, Outcome, Verdict
from qc.scan.view import view
from qc.scan.words import Context

if TYPE_CHECKING:
    from qc.store import Store


_CALL_COLUMNS = ("provider", "queue", "agent_id", "agent_name", "started_at", "hangup", "satisfaction")


@dataclass(frozen=True)
class Reason:
    """A condition and what became of it. `label`: the condition on one line. `evidence`: what it rests on.

    `coverage`: heard ÷ detected speech of its window, where it was asked for. `why`: a word of `qc.packs.reasons.WHY`.
    """

    label: str
    verdict: str
    why: str
    coverage: float | None
    evidence: tuple[Evidence, ...]
    nearest: tuple[Nearest, ...]
    parts: tuple[Reason, ...]


@dataclass(frozen=True)
class Explanation:
    """A rule on a call. `finding` is what a scan stores; `tree` is None where the rule does not apply to the call."""

    rule: Rule
    finding: Finding
    tree: Reason | None


def explain(
    pack: Pack, row: Mapping[str, Any], *, meta: Mapping[str, str | None] | None = None, rules: Sequence[str] = ()
) -> list[Explanation]:
    """Explain rules (all of the pack, or these ids) on a row of `transcripts`. `meta`: the call list's cells, as text.

    Raises ValueError, TypeError or KeyError for turns that cannot be read, as `view` does.
    """
    call = view(row, confidence_floor=pack.confidence_floor, meta=meta)
    scanner = PackScanner(pack)
    matches = scanner.scan([call])[0]
    context = Context(call, matches, pack.coverage_floor)
    explained = []
    for finding in scanner.findings(call, matches):
        if not rules or finding.rule.id in rules:
            applies = finding.verdict != "not_applicable"
            explained.append(Explanation(finding.rule, finding, reason(finding.rule.when, context) if applies else None))
    return explained


def call_cells(store: Store, call_id: str) -> dict[str, str | None] | None:
    """What the call list says of a call, every column as text; None where it is not in the table of calls."""
    import pyarrow.compute as pc

    for batch in store.batches("calls", ("call_id", *_CALL_COLUMNS, "meta")):
        for row in batch.filter(pc.equal(batch["call_id"], call_id)).to_pylist():
            values = {name: None if row[name] is None else str(row[name]) for name in _CALL_COLUMNS}
            return values | {item["name"]: item["value"] for item in row["meta"] or []}
    return None


def reason(condition: Condition, context: Context) -> Reason:
    """A condition and everything in it."""
    outcome = evaluate(condition, context)
    parts = tuple(reason(part, context) for part in _parts(condition))
    asked: Condition = condition
    if isinstance(condition, NeverSays):
        asked = Says(condition.terms, condition.who, condition.window, except_=condition.except_)
    tell = outcome.verdict is not Verdict.HIT if asked is condition else outcome.verdict is not Verdict.MISS
    return Reason(
        label=label(condition),
        verdict=outcome.verdict.value,
        why=outcome.why,
        coverage=outcome.coverage,
        evidence=_evidence(condition, outcome),
        nearest=nearest(asked, context) if tell else (),
        parts=parts,
    )


def _evidence(condition: Condition, outcome: Outcome) -> tuple[Evidence, ...]:
    """What a verdict rests on; of a `never_says` that does not hold, what was said after all."""
    if isinstance(condition, AllOf | AnyOf | AtLeast | Not):
        return ()
    if isinstance(condition, NeverSays) and outcome.verdict is Verdict.MISS:
        return outcome.absence
    return outcome.evidence


def _parts(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        yield from condition.parts
    elif isinstance(condition, Not):
        yield condition.part
    elif isinstance(condition, Near | NotNear):
        yield from (condition.first, condition.second)
    elif isinstance(condition, Then):
        yield from (step.condition for step in condition.steps)
    elif isinstance(condition, Count) and condition.hits is not None:
        yield condition.hits
    elif isinstance(condition, Says | NeverSays) and isinstance(condition.window, Beside):
        yield condition.window.anchor


def label(condition: Condition) -> str:
    """A condition on one line, in the words of the rule language."""
    if isinstance(condition, Says | NeverSays):
        return _words(condition)
    if isinstance(condition, AllOf | AnyOf):
        return f"{NAMES[type(condition)]} of these"
    if isinstance(condition, AtLeast):
        return f"at least {condition.count} of these"
    if isinstance(condition, Not):
        return "not"
    if isinstance(condition, Near | NotNear):
        return f"{NAMES[type(condition)].replace('_', ' ')}, within {readable(write_gap(condition.gap))}"
    if isinstance(condition, Then):
        return "then, one after the other"
    if isinstance(condition, Count) and condition.hits is not None:
        return f"count of places: {condition.bound.op} {condition.bound.value}"
    return ", ".join(f"{name}: {one_line(value)}" for name, value in readable(write_condition(condition)).items())


def _words(condition: Says | NeverSays) -> str:
    window = condition.window
    plain = readable(write_condition(dataclasses.replace(condition, window=None if isinstance(window, Beside) else window)))
    head = "says" if isinstance(condition, Says) else "never_says"
    text = f"{condition.who} {head.replace('_', ' ')} {one_line(plain[head])}"
    rest = [f"{name}: {one_line(value)}" for name, value in plain.items() if name not in (head, "who")]
    if isinstance(window, Beside):
        gap = f"{readable(write_gap(window.gap))} " if window.gap else ""
        which = {"any": "", "every": "every place of ", 1: "the first place of ", -1: "the last place of "}
        rest.append(f"{gap}{window.side} {which.get(window.which, f'place {window.which} of ')}this:")
    return text + (f"  ({'; '.join(rest)})" if rest else "")


def why_text(why: str) -> str:
    """A reason in English; the word itself where it is not known here."""
    return WHY[why]["en"] if why in WHY else why


def at(one: Evidence) -> str:
    """When it is: 00:41, or 00:41 to 00:50 for what lies between turns."""
    return clock(one.start_ms) if one.turn is not None else f"{clock(one.start_ms)} to {clock(one.end_ms)}"
