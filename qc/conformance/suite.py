"""The conformance suite: cases as data, what a program must answer to each, and how an answer is marked.

The cases stand in `cases/*.yaml`, written by hand from the meaning (docs/conformance.md tells the format). What comes out
here is plain: a pack in the rule language, a row of `transcripts`, the call list's cells, the verdict that is expected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from struct import pack
from typing import Any

from qc.errors import UsageError
from qc.packs.flatten import unflatten
from qc.packs.model import Pack

CASES = Path(__file__).with_name("cases")
ANSWER = ("verdict", "count", "coverage", "why", "evidence")
RULE = "it"
"""The id of the one rule of each case's pack."""

_INHERITED = ("when", "define", "rule", "pack", "call")
_GROUP = {"id", "about", "cases", *_INHERITED}
_CASE = {"about", "expect", *_INHERITED}
_LINE = re.compile(r"(-?\d+)-(-?\d+) (agent|customer|system|unknown|nobody)((?: [a-z]+(?:=[-.\d]+)?)*)")
_PLACE = re.compile(r"(-?\d+)-(-?\d+) (\w+)(?: (\d+)\[(\d+):(\d+)\] ?(.*))?", re.DOTALL)
_CHANNEL = {"agent": 0, "customer": 1, "system": 2, "unknown": 3, "nobody": 3}
PADDING = "啊"
"""What fills a turn up to as many characters as `padded=` says."""

_FACTS = {"listed", "warnings", "duration_ms", "no_spans"}


@dataclass(frozen=True)
class Case:
    """One case. `plain`: its pack as plain data; `row`: of `transcripts`; `listed`: None where the call list has no such call;
    `expect`: the verdict, and what else of `ANSWER` is expected."""

    id: str
    about: str
    plain: Mapping[str, Any]
    row: Mapping[str, Any]
    listed: Mapping[str, str | None] | None
    expect: Mapping[str, Any]

    @property
    def pack(self) -> Pack:
        """The pack, read."""
        return unflatten(json.dumps(self.plain, ensure_ascii=False).encode(), self.id)

    def as_json(self) -> dict[str, Any]:
        """The case for other programs: one object, nothing left out."""
        about = {"id": self.id, "about": self.about}
        return {**about, "pack": self.plain, "transcript": self.row, "listed": self.listed, "expect": self.expect}


def load_suite(folder: Path = CASES) -> list[Case]:
    """Every case, in order of file and place. Raises ValueError, with the case's id, for one that is not written right."""
    from ruamel.yaml import YAML

    found: dict[str, Case] = {}
    for path in sorted(folder.glob("*.yaml")):
        for group in YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")):
            for case in _cases(group):
                if case.id in found:
                    raise ValueError(f"there are two cases {case.id}")
                found[case.id] = case
    return list(found.values())


def _cases(group: Mapping[str, Any]) -> Iterator[Case]:
    _known(group, _GROUP, group["id"])
    shared = {key: group[key] for key in _INHERITED if key in group}
    for number, own in enumerate(group["cases"], 1):
        name = f"{group['id']}-{number}"
        _known(own, _CASE, name)
        case = {**shared, **own}
        about = ". ".join(text for text in (group.get("about", ""), own.get("about", "")) if text)
        row, listed = _transcript(name, case.get("call", []))
        yield Case(name, about, _pack(case), row, listed, _expect(name, case["expect"]))


def _known(data: Mapping[str, Any], keys: set[str], name: str) -> None:
    if not data.keys() <= keys:
        raise ValueError(f"{name}: unknown {sorted(data.keys() - keys)}")


def _pack(case: Mapping[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": RULE, "title": "t", "why": "w", "dimension": "d", "severity": "low", "points": -1}
    rule |= {"cases": {"hit": [{"agent": "甲"}], "miss": [{"agent": "乙"}]}, "when": case["when"], **case.get("rule", {})}
    rule |= {"define": case["define"]} if "define" in case else {}
    head = {"id": "case", "version": "1.0.0", "language": 1, "title": "t", "dimensions": [{"id": "d", "title": "t"}]}
    return {**head, **case.get("pack", {}), "rules": [rule]}


def _transcript(name: str, lines: list[Any]) -> tuple[dict[str, Any], dict[str, str | None] | None]:
    turns: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    for line in lines:
        [(key, value)] = line.items()
        if key in _FACTS:
            facts[key] = value
            continue
        match = _LINE.fullmatch(str(key))
        if match is None:
            raise ValueError(f"{name}: no line {key!r}")
        _add(turns, spans, match, value)
    warnings = facts.get("warnings", [])
    if "no_times" in warnings:
        turns = [turn | {"start_ms": None, "end_ms": None} for turn in turns]
    turns = [{"turn": i, **turn} for i, turn in enumerate(turns)]
    listed = facts.get("listed")
    spans = [] if facts.get("no_spans") or "no_times" in warnings else sorted(spans, key=lambda s: s["start_ms"])
    row = {"call_id": name, "status": "ok", "warnings": warnings, "turns": turns, "spans": spans}
    cells = None if listed is None else {k: None if v is None else str(v) for k, v in listed.items()}
    return row | {"duration_ms": facts.get("duration_ms")}, cells


def _add(turns: list[dict[str, Any]], spans: list[dict[str, Any]], match: re.Match[str], value: Any) -> None:
    """A line of a call: `0-1000 agent: words`, with words after the role for what is odd about it."""
    odd = dict((*word.split("="), "")[:2] for word in match.group(4).split())
    place = {
        "channel": None if "chat" in odd else int(odd.get("channel", _CHANNEL[match.group(3)])),
        "role": None if match.group(3) == "nobody" else match.group(3),
        "start_ms": int(match.group(1)),
        "end_ms": int(match.group(2)),
    }
    bad = {"unheard": "no_text", "lost": "truncated", "flagged": "pseudo_speech"}
    why = next((bad[word] for word in odd if word in bad), None)
    if "unspanned" not in odd:
        spans.append({**place, "heard": why is None, "why": why})
    if odd.keys() & {"unheard", "lost", "spoken"}:
        return
    text, chars = (value["text"], value["char_ms"]) if isinstance(value, dict) else (value or "", None)
    text = str(text) + PADDING * (int(odd.get("padded", 0)) - len(str(text)))
    turns.append(
        {
            **place,
            "text": text,
            "char_ms": chars,
            "avg_logprob": float(odd["logprob"]) if "logprob" in odd else None,
            "level_dbfs": float(odd["level"]) if "level" in odd else None,
            "flags": [why] if why else [],
        }
    )


def _expect(name: str, said: Any) -> dict[str, Any]:
    expect = {"verdict": said} if isinstance(said, str) else dict(said)
    _known(expect, set(ANSWER), name)
    if expect["verdict"] not in ("hit", "miss", "undecided", "not_applicable"):
        raise ValueError(f"{name}: there is no verdict {expect['verdict']!r}")
    if isinstance(expect.get("coverage"), str):
        expect["coverage"] = float(Fraction(expect["coverage"]))
    if "evidence" in expect:
        expect["evidence"] = [_place(name, place) for place in expect["evidence"]]
    return expect


def _place(name: str, said: str) -> dict[str, Any]:
    match = _PLACE.fullmatch(said)
    if match is None:
        raise ValueError(f"{name}: no evidence {said!r}")
    start, end, role, turn, first, last, quote = match.groups()
    place: dict[str, Any] = {"start_ms": int(start), "end_ms": int(end), "role": role}
    inside = {"turn": int(turn), "char_start": int(first), "char_end": int(last), "quote": quote} if turn else {}
    return place | (inside or dict.fromkeys(("turn", "char_start", "char_end", "quote")))


def mark(case: Case, answer: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with an answer, a line for each thing; nothing where it is right."""
    if answer is None:
        return ["no answer"]
    return [
        f"{key}: expected {_shown(case.expect[key])}, answered {_shown(answer.get(key))}"
        for key in ANSWER
        if key in case.expect and not _same(case.expect[key], answer.get(key))
    ]


def _same(expected: Any, answered: Any) -> bool:
    """Equal; shares (coverage) as tables hold them, in single precision."""
    if isinstance(expected, float) and isinstance(answered, float):
        return pack("<f", expected) == pack("<f", answered)
    return bool(expected == answered)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_answers(path: Path) -> dict[str, dict[str, Any]]:
    """Another program's answers: a JSON object a line, each with the case's `id` and its answer. Raises UsageError."""
    answers = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the answers cannot be read", where=str(path), hint="give a file of JSON lines in UTF-8") from error
    for number, line in enumerate(lines, 1):
        try:
            answer = json.loads(line)
            answers[answer["id"]] = answer
        except (ValueError, KeyError, TypeError, RecursionError):
            hint = 'each line is an object such as {"id": "…", "verdict": "hit", "evidence": []}'
            raise UsageError("this is no answer", where=f"{path}:{number}", hint=hint) from None
    return answers
