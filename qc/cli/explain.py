"""`qc scan --explain`: why rules did, did not, or could not hit one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qc.cli import console
from qc.errors import CallError, UsageError

if TYPE_CHECKING:
    from rich.tree import Tree

    from qc.packs import TrustedPack
    from qc.scan.explain import Explanation, Reason
    from qc.scan.nearest import Nearest
    from qc.scan.verdicts import Evidence
    from qc.store import Store

_MARKS = {"hit": ("●", "bold red"), "miss": ("○", "green"), "undecided": ("◐", "yellow"), "not_applicable": ("-", "dim")}
_MOST_EVIDENCE = 5


def explain_call(
    store: Store, packs: Sequence[TrustedPack], call_id: str, rules: Sequence[str], *, redact: bool
) -> dict[str, Any]:
    """Explanations of one call as data, in the order of packs and rules. Nothing is written.

    Raises UsageError for a call or a rule that is not there, CallError for a call without a transcript.
    """
    from qc.packs.reader import suggestion
    from qc.scan.explain import call_cells, explain
    from qc.text.redact import redact_turns

    known = [rule.id for trusted in packs for rule in trusted.pack.rules]
    for rule in rules:
        if rule not in known:
            raise UsageError(f"there is no rule {rule!r}", where="--rule", hint=suggestion(rule, known))
    row = _row(store, call_id)
    if row["status"] != "ok":
        raise CallError(f"the call has no transcript: {row['message'] or row['reason']}", where=call_id)
    turns = row.get("turns") or []
    texts = redact_turns(turns) if redact else [str(turn["text"] or "") for turn in turns]
    said = {turn["turn"]: text for turn, text in zip(turns, texts, strict=True)}
    meta = call_cells(store, call_id)
    told = []
    for trusted in packs:
        mine = [rule for rule in rules if rule in trusted.pack.by_id]
        if rules and not mine:
            continue
        try:
            explained = explain(trusted.pack, row, meta=meta, rules=mine)
        except (TypeError, ValueError, KeyError) as error:
            raise CallError(f"the transcript's turns cannot be read ({error})", where=call_id) from None
        told.append({"pack": trusted.pack.id, "rules": [_plain(one, said) for one in explained]})
    return {"call_id": call_id, "packs": told}


def show(value: Mapping[str, Any], *, every: bool) -> None:
    """The explanations as trees. `every`: rules that missed by far, too."""
    import sys

    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    wide = None if sys.stdout.isatty() else 120
    screen = Console(highlight=False, width=wide)
    counts = dict.fromkeys(_MARKS, 0)
    for pack in value["packs"]:
        for rule in pack["rules"]:
            counts[rule["verdict"]] += 1
            tree = rule["tree"]
            if not (every or rule["verdict"] in ("hit", "undecided") or (tree and _near(tree))):
                continue
            mark, style = _MARKS[rule["verdict"]]
            head = Text(f"{mark} {rule['rule']}: {rule['verdict'].replace('_', ' ')}", style=style)
            head.append(f"  {console.clean(rule['title'])}  ({rule['severity']}, {rule['points']:+g})", style="not bold dim")
            drawn = Tree(head, guide_style="dim")
            if tree is None:
                drawn.add(Text(rule["why_text"]))
            else:
                _draw(drawn, tree)
            screen.print(drawn)
    summary = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items() if count)
    rest = "" if every else "; rules that missed without coming near are left out: name one with --rule"
    console.say(f"{value['call_id']}: {summary}{rest}")


def _draw(parent: Tree, reason: Mapping[str, Any]) -> None:
    from rich.text import Text

    mark, style = _MARKS[reason["verdict"]]
    line = Text(f"{mark} ", style=style)
    line.append(console.clean(reason["label"]), style="not bold default")
    line.append(f"  {reason['verdict']}")
    branch = parent.add(line)
    if reason["verdict"] == "undecided" and reason["why"]:
        heard = f" ({reason['coverage']:.0%} heard)" if reason["coverage"] is not None else ""
        branch.add(Text(f"{reason['why_text']}{heard}", style="yellow"))
    for one in reason["evidence"][:_MOST_EVIDENCE]:
        said = one["at"] if one["role"] == "anyone" else f"{one['at']} {one['role']}"
        branch.add(Text(console.clean(f"{said}: {one['quote']}" if one["quote"] else said), style="dim"))
    if len(reason["evidence"]) > _MOST_EVIDENCE:
        branch.add(Text(f"… {len(reason['evidence']) - _MOST_EVIDENCE} more", style="dim"))
    for near in reason["nearest"]:
        branch.add(Text(f"nearest: {console.clean(near['text'])}", style="cyan"))
    for part in reason["parts"]:
        _draw(branch, part)


def _near(reason: Mapping[str, Any]) -> bool:
    return bool(reason["nearest"]) or any(_near(part) for part in reason["parts"])


def _row(store: Store, call_id: str) -> dict[str, Any]:
    import pyarrow.compute as pc

    from qc.packs.reader import suggestion

    for batch in store.batches("transcripts"):
        chosen = batch.filter(pc.equal(batch["call_id"], call_id))
        if chosen.num_rows:
            row: dict[str, Any] = chosen.to_pylist()[0]
            return row
    known = store.read("transcripts", ["call_id"])["call_id"].to_pylist()
    hint = suggestion(call_id, known) if len(known) <= 20_000 else "see the call_id column of `qc store export calls`"
    if not hint.startswith("did you mean"):
        hint = "see the call_id column of `qc store export calls`"
    raise UsageError(f"there is no call {call_id!r} in the store", where="--explain", hint=hint)


def _plain(explanation: Explanation, said: Mapping[int, str]) -> dict[str, Any]:
    from qc.scan.explain import why_text

    finding, rule = explanation.finding, explanation.rule
    return {
        "rule": rule.id,
        "title": rule.title["en"],
        "severity": rule.severity,
        "points": rule.points,
        "verdict": finding.verdict,
        "why": finding.why,
        "why_text": why_text(finding.why) if finding.why else "",
        "tree": None if explanation.tree is None else _reason(explanation.tree, said),
    }


def _reason(reason: Reason, said: Mapping[int, str]) -> dict[str, Any]:
    from qc.scan.explain import why_text

    return {
        "label": reason.label,
        "verdict": reason.verdict,
        "why": reason.why,
        "why_text": why_text(reason.why) if reason.why else "",
        "coverage": reason.coverage,
        "evidence": [_evidence(one, said) for one in reason.evidence],
        "nearest": [_nearest(one, said) for one in reason.nearest],
        "parts": [_reason(part, said) for part in reason.parts],
    }


def _evidence(one: Evidence, said: Mapping[int, str]) -> dict[str, Any]:
    from qc.scan.explain import at

    return {
        "at": at(one),
        "start_ms": one.start_ms,
        "end_ms": one.end_ms,
        "role": one.role,
        "turn": one.turn,
        "quote": _quote(one, said),
    }


def _nearest(one: Nearest, said: Mapping[int, str]) -> dict[str, Any]:
    quote = "" if one.evidence is None else _quote(one.evidence, said)
    return {"how": one.how, "text": one.say(quote), "evidence": None if one.evidence is None else _evidence(one.evidence, said)}


def _quote(one: Evidence, said: Mapping[int, str]) -> str:
    """The evidence's characters in its turn, as that is to be shown."""
    if one.turn is None or one.char_start is None or one.char_end is None:
        return ""
    return said.get(one.turn, "")[one.char_start : one.char_end]
