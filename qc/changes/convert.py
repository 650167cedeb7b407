"""Foreign rules as a pack: drafts become rules with ids, and with cases that were tried on them and came out.

Other products keep no cases with their rules; ours have to have some. A rule gets a dialogue that hits and one that does
not, made from its own words (`qc.packs.samples`) and kept only if the scanner agrees. They show what the rule does, not
that it is right: the report says so. A rule for which none can be found is left out and told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qc.errors import UsageError
from qc.packs.importers import Foreign
from qc.packs.importers.draft import LEFT_OUT, Draft, Loss
from qc.packs.load import HEAD
from qc.packs.model import Case, Pack
from qc.packs.nodes import from_data
from qc.packs.parse import read_pack
from qc.packs.reader import Reader
from qc.packs.samples import candidates
from qc.packs.source import dump_yaml
from qc.scan import run_cases

POINTS, SEVERITY = -1, "medium"
REPORT = "CONVERSION.md"
_DIMENSION = {"id": "imported", "title": {"zh": "导入的规则", "en": "Imported rules"}}
_ID = re.compile(r"[a-z0-9]+")
_NOTHING = {"hit": [{"agent": "x"}], "miss": [{"agent": "y"}]}


@dataclass(frozen=True)
class Converted:
    """A pack made of foreign rules. `files`: name to text, the report among them; `losses`: what is not, or not quite, in it."""

    pack: Pack
    files: Mapping[str, str]
    losses: tuple[Loss, ...]


def convert(foreign: Foreign, form: str, pack_id: str) -> Converted:
    """The pack. Raises UsageError when not one rule could be carried over."""
    losses = list(foreign.losses)
    rules: list[dict[str, Any]] = []
    taken: set[str] = set()
    for number, draft in enumerate(foreign.drafts, 1):
        rule = _rule(draft, _name(draft.name, form, number, taken))
        problem = _try(rule)
        if problem:
            losses.append(Loss(LEFT_OUT, draft.name, problem))
        else:
            taken.add(rule["id"])
            rules.append(rule)
    if not rules:
        said = "; ".join(f"{loss.where}: {loss.what}" for loss in losses[:3])
        raise UsageError(f"no rule could be carried over ({said})", hint="see what the rule language can say in docs/rules.md")
    head = {
        "id": pack_id,
        "version": "0.1.0",
        "language": 1,
        "title": {"zh": f"导入自 {form}", "en": f"Imported from {form}"},
        "dimensions": [_DIMENSION],
    }
    pack = _read(head | {"rules": rules})
    assert isinstance(pack, Pack)
    files = {
        HEAD: dump_yaml(head),
        "rules.yaml": "\n".join(dump_yaml([rule]) for rule in rules),
        REPORT: _report(form, len(foreign.drafts), rules, losses),
    }
    return Converted(pack, files, tuple(losses))


def _name(name: str, form: str, number: int, taken: set[str]) -> str:
    wished = "-".join(_ID.findall(name.lower()))[:56].strip("-") if name.isascii() else ""
    made = wished or f"{form}-{number}"
    return made if made not in taken else f"{made}-{number}"


def _rule(draft: Draft, name: str) -> dict[str, Any]:
    title = " ".join(draft.name.split())[:200] or name
    rule: dict[str, Any] = {"id": name, "title": title, "why": " ".join(draft.why.split())[:1000] or title}
    rule |= {"dimension": "imported", "severity": SEVERITY, "points": POINTS if draft.points is None else _number(draft.points)}
    rule |= {"define": dict(draft.define)} if draft.define else {}
    return rule | {"when": draft.when, "cases": _NOTHING}


def _number(points: float) -> float | int:
    return int(points) if points.is_integer() else points


def _read(plain: Mapping[str, Any]) -> Pack | str:
    """The pack, or the first problem with it."""
    reader = Reader()
    tree = from_data(plain, "imported")
    pack = read_pack(reader, tree, [], [])
    if reader.problems:
        first = reader.problems[0]
        return f"{first.message} ({first.hint})" if first.hint else first.message
    return pack


def _try(rule: dict[str, Any]) -> str:
    """Give the rule cases that come out; what is wrong, or nothing."""
    head = {"id": "x", "version": "0.1.0", "language": 1, "title": "x", "dimensions": [_DIMENSION]}
    pack = _read(head | {"rules": [rule]})
    if isinstance(pack, str):
        return pack
    listed = list(candidates(pack.rules[0].when))
    rule["cases"] = {"hit": listed, "miss": [[{"agent": "y"}]]}
    tried = _read(head | {"rules": [rule]})
    if isinstance(tried, str):
        return tried
    cases: dict[str, Sequence[Any]] = {}
    for made, result in zip(listed, _results(tried), strict=False):
        if result in ("hit", "miss"):
            cases.setdefault(result, [made])
    missing = [verdict for verdict in ("hit", "miss") if verdict not in cases]
    if missing:
        return f"no dialogue was found that must {missing[0]}; write the rule and its cases by hand: {dump_yaml(rule['when'], flow=True).strip()}"
    rule["cases"] = {verdict: [_one(made) for made in found] for verdict, found in sorted(cases.items())}
    return ""


def _results(pack: Pack) -> list[str]:
    """What the cases of the only rule come out as, in order."""
    by_case: dict[Case, str] = {result.case: result.finding.verdict for result in run_cases(pack)}
    return [by_case[case] for case in pack.rules[0].cases if case.verdict == "hit"]


def _one(lines: Any) -> Any:
    return lines[0] if len(lines) == 1 else lines


def _report(form: str, drafts: int, rules: Sequence[Mapping[str, Any]], losses: Sequence[Loss]) -> str:
    def cell(text: str) -> str:
        return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())

    out = len([loss for loss in losses if loss.kind == LEFT_OUT])
    lines = [
        f"# 导入报告 / What was carried over from {form}",
        "",
        f"- {len(rules)} 条规则在包里，{out} 处没有带过来。 / {len(rules)} rules are in the pack, {out} were left out.",
        f"- 分值和严重程度：来源没有的，一律 {POINTS} 分、{SEVERITY}。 / Points and severity, where the source has none: {POINTS}, {SEVERITY}.",
        "- 用例是从规则自己的词造出来的：它们说明规则做什么，不说明规则对不对。请换成真实的对话。 / The cases were made from the rules' own",
        "  words: they show what a rule does, not that it is right. Put real dialogues in their place.",
        "",
        "| what | where | |",
        "|---|---|---|",
    ]
    lines += [f"| {loss.kind} | {cell(loss.where)} | {cell(loss.what)} |" for loss in losses]
    return "\n".join([*lines, *([] if losses else ["| nothing was lost | | |"]), ""])
