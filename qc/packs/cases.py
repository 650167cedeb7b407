"""Cases: short dialogues inside a rule, and the verdict that each must give.

A case is one line (`agent: 我们会尽快联系商家`), several lines of a map or a list, or a block of text with a line each:

    - |
      customer: 我要投诉
      pause: 10 s
      agent: 好的
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from qc.packs.model import Case, Line
from qc.packs.nodes import Node
from qc.packs.reader import Reader, suggestion

VERDICTS = ("hit", "miss", "undecided")
ROLES = ("agent", "customer", "system", "unknown")
MAX_CASES = 200
MAX_LINES = 200
_SAME = {"客服": "agent", "坐席": "agent", "客户": "customer", "顾客": "customer", "系统": "system", "未知": "unknown"}
LINE_KEYS = {
    **dict.fromkeys(ROLES, "what the role says"),
    "pause": "nobody speaks for so long before the next line",
    "overlap": "the next line starts so long before the last one ends",
    "lasts": "the next line is said in so long, not at the ordinary pace: `3 s`",
    "unheard": "speech that gave no text: `agent 3 s`",
    "silent": "the role's channel carries no speech at all: `agent`",
    "cut": "the recording breaks off here: `yes`",
    "call": "a column of the call list: `queue = 售后`; an empty cell: `queue =`",
    "level": "how loud the next line is, in dBFS: `-12`",
}
_BLOCK = re.compile(r"\s*([^:：\s]{1,20})\s*[:：]\s*(.*?)\s*")
_UNHEARD = re.compile(r"(\w+)\s+(.+)")


def read_cases(reader: Reader, node: Node) -> tuple[Case, ...]:
    """A rule's cases; at least one hit and one miss."""
    fields = reader.fields(node, VERDICTS, what="`cases`")
    for verdict, why in (("hit", "that it must catch"), ("miss", "that it must leave alone")):
        if verdict not in fields and node.kind == "map":
            reader.problem(node, f"the rule has no `{verdict}` case", f"add a dialogue {why}, close to the others")
    found = []
    for verdict, listed in fields.items():
        for item in reader.items(listed, f"`{verdict}`", MAX_CASES):
            lines = _lines(reader, item)
            if lines:
                found.append(Case(verdict, lines, item.where))
    return tuple(found)


def _lines(reader: Reader, node: Node) -> tuple[Line, ...]:
    lines: list[Line] = []
    if node.kind == "list":
        for item in node.items[:MAX_LINES]:
            lines.extend(_lines(reader, item))
    elif node.kind == "map":
        for key, value in node.pairs[:MAX_LINES]:
            lines.extend(_line(reader, key, value))
    else:
        lines.extend(_block(reader, node))
    if len(lines) > MAX_LINES:
        reader.problem(node, f"a case has more than {MAX_LINES} lines", "keep what matters")
    elif not lines and node.kind != "text" and not (node.items or node.pairs):
        reader.problem(node, "the case is empty", "for example `- agent: 我们会尽快联系商家`")
    return tuple(lines)


def _block(reader: Reader, node: Node) -> list[Line]:
    """A block of text, one line each."""
    lines: list[Line] = []
    numbered = [(number, line) for number, line in enumerate(node.text.splitlines(), 1) if line.strip()]
    for number, line in numbered[: MAX_LINES + 1]:
        place = replace(node, line=node.line + (number if len(numbered) > 1 else 0))
        match = _BLOCK.fullmatch(line)
        if match is None:
            reader.problem(
                place, f"a case's line needs its speaker, not {line.strip()[:40]!r}", "for example `agent: …` or `customer: …`"
            )
            return []
        lines.extend(_line(reader, replace(place, text=match.group(1)), replace(place, text=match.group(2))))
    if not numbered:
        reader.problem(node, "the case is empty", "for example `- agent: 我们会尽快联系商家`")
    return lines


def _line(reader: Reader, key: Node, value: Node) -> list[Line]:
    what = _SAME.get(key.text, key.text)
    if what in ROLES:
        return [Line(what, text=reader.text(value, f"what the {what} says"))]
    if what == "lasts":
        return [Line(what, ms=reader.duration_ms(value, "`lasts`", 100, 3_600_000))]
    if what in ("pause", "overlap"):
        return [Line(what, ms=reader.duration_ms(value, f"`{what}`", 0, 3_600_000))]
    if what == "unheard":
        return [_unheard(reader, value)]
    if what == "silent":
        return [Line(what, text=reader.choice(value, ROLES, "`silent`"))]
    if what == "cut":
        reader.choice(value, ("yes",), "`cut`")
        return [Line(what)]
    if what == "call":
        return _call(reader, value)
    if what == "level":
        return [Line(what, value=f"{reader.number(value, '`level`', -100, 0):g}")]
    reader.problem(key, f"a case has no line {key.text!r}", suggestion(key.text, LINE_KEYS))
    return []


def _unheard(reader: Reader, value: Node) -> Line:
    match = _UNHEARD.fullmatch(value.text.strip()) if value.kind == "text" else None
    if match is None or match.group(1) not in (*ROLES, *_SAME):
        reader.problem(value, "`unheard` needs who and how long", "for example `unheard: agent 3 s`")
        return Line("unheard", text="agent", ms=1000)
    length = replace(value, text=match.group(2))
    role = _SAME.get(match.group(1), match.group(1))
    return Line("unheard", text=role, ms=reader.duration_ms(length, "`unheard`", 100, 3_600_000))


def _call(reader: Reader, value: Node) -> list[Line]:
    if value.kind == "map":
        return [
            Line("call", text=k.text.strip(), value=v.text.strip() if v.kind == "text" else reader.text(v, "`call`"))
            for k, v in value.pairs
        ]
    column, equals, cell = value.text.partition("=")
    if not equals or not column.strip():
        reader.problem(value, "`call` needs a column and its value", "for example `call: queue = 售后`")
    return [Line("call", text=column.strip(), value=cell.strip())]


def write_cases(cases: tuple[Case, ...]) -> dict[str, Any]:
    """The cases as plain data that `read_cases` reads back to equal ones."""
    plain: dict[str, Any] = {}
    for case in cases:
        plain.setdefault(case.verdict, []).append([_write_line(line) for line in case.lines])
    return plain


def _write_line(line: Line) -> dict[str, Any]:
    if line.what in ROLES:
        return {line.what: line.text}
    if line.what in ("pause", "overlap", "lasts"):
        return {line.what: f"{line.ms} ms"}
    if line.what == "unheard":
        return {"unheard": f"{line.text} {line.ms} ms"}
    if line.what == "silent":
        return {"silent": line.text}
    if line.what == "call":
        return {"call": {line.text: line.value}}
    if line.what == "level":
        return {"level": line.value}
    return {line.what: "yes"}
