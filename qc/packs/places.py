"""How conditions that stand beside one another are written: `in: 3 turns after NAME`, near, not_near, then."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

from qc.packs.conditions import Beside, Condition, Gap, Near, NotNear, Says, Side, Step, Then, Window
from qc.packs.names import happens_somewhere, refer
from qc.packs.nodes import Node
from qc.packs.reader import Reader, parse_gap, show

MAX_STEPS = 10
SIDES: tuple[Side, ...] = ("before", "after", "around")
_BESIDE = re.compile(
    r"(?:(.{1,40}?) )?(before|after|around) (?:the )?(?:(first|last|any|every|[1-9]\d{0,2}(?:st|nd|rd|th)) )?(\S{1,63})"
)
_NTH = re.compile(r"([1-9]\d{0,2})(?:st|nd|rd|th)")
_HINT = "write first 15 s, last 20 s, first 3 turns, last 2 turns of agent, 3 turns after NAME, 10 s before NAME, or whole call"

Which = Literal["any", "every"] | int


def read_window(reader: Reader, node: Node, depth: int) -> Window | Beside | None:
    """What `in` says; None for the whole call."""
    if node.kind == "map":
        return _read_map(reader, node, depth)
    said = " ".join(node.text.split()) if node.kind == "text" else ""
    window = reader.window(node)
    if window is not None or said == "whole call":
        return window
    match = _BESIDE.fullmatch(said)
    gap = parse_gap(match.group(1)) if match and match.group(1) else None
    if match is None or (match.group(1) and gap is None):
        reader.problem(node, f"`in` cannot be {show(node)}", _HINT)
        return None
    side: Any = match.group(2)
    name = replace(node, text=match.group(4))
    return _beside(reader, node, refer(reader, name, depth + 1), (side, gap, _which(match.group(3) or "any")))


def _read_map(reader: Reader, node: Node, depth: int) -> Beside | None:
    from qc.packs.syntax import read_condition

    fields = reader.fields(node, (*SIDES, "within", "which"), what="`in`")
    sides = [side for side in SIDES if side in fields]
    if len(sides) != 1:
        reader.problem(node, "`in` needs one of before, after, around", _HINT)
        return None
    gap = reader.gap(fields["within"], "`within`") if "within" in fields else None
    which: Which = "any"
    if "which" in fields:
        said = fields["which"].text
        if said in ("any", "every", "first", "last") or _NTH.fullmatch(said):
            which = _which(said)
        else:
            reader.problem(fields["which"], f"`which` cannot be {show(fields['which'])}", "write any, every, first, last or 2nd")
    return _beside(reader, node, read_condition(reader, fields[sides[0]], depth + 1), (sides[0], gap, which))


def _which(said: str) -> Which:
    nth = _NTH.fullmatch(said)
    if nth:
        return int(nth.group(1))
    return {"first": 1, "last": -1}.get(said, "every" if said == "every" else "any")


def _beside(reader: Reader, node: Node, anchor: Condition, rest: tuple[Side, Gap | None, Which]) -> Beside:
    side, gap, which = rest
    if side == "around" and gap is None:
        reader.problem(node, "`around` needs how far", "for example 5 s around NAME")
    _check_place(reader, node, anchor)
    return Beside(anchor, side, gap, which)


def _check_place(reader: Reader, node: Node, condition: Condition) -> None:
    if not happens_somewhere(condition):
        reader.problem(node, "this condition happens at no one place", "take one that does: says, silence, then, …")


def write_window(window: Window | Beside) -> Any:
    """The window as plain data."""
    from qc.packs.syntax import write_condition

    if isinstance(window, Window):
        return f"{window.side} {window.size} {window.unit}" + (f" of {window.of}" if window.of else "")
    plain: dict[str, Any] = {window.side: write_condition(window.anchor)}
    if window.gap is not None:
        plain["within"] = write_gap(window.gap)
    if window.which != "any":
        plain["which"] = window.which if isinstance(window.which, str) else "last" if window.which < 0 else f"{window.which}th"
    return plain


def write_gap(gap: Gap) -> str:
    """The gap as it is written."""
    return f"{gap.size} " + {"ms": "ms", "turns": "turns", "chars": "characters"}[gap.unit]


def _pair(reader: Reader, fields: dict[str, Node], name: str, depth: int) -> tuple[Condition, Condition, Gap]:
    from qc.packs.syntax import read_condition

    node = fields[name]
    items = node.items if node.kind == "list" else (node,)
    if len(items) != 2:
        hint = (
            "write both, each after `- `" if len(items) < 2 else "words go into one list: says: [退款, 退货]; others under `any:`"
        )
        reader.problem(node, f"`{name}` must be a list of two conditions", hint)
    conditions = [read_condition(reader, item, depth + 1) for item in items[:MAX_STEPS]]
    for item, condition in zip(items, conditions, strict=False):
        _check_place(reader, item, condition)
    if "within" not in fields:
        reader.problem(node, f"`{name}` needs `within:`", "say how far: 2 turns, 5 s, 10 characters")
    gap = reader.gap(fields["within"], "`within`") if "within" in fields else Gap("turns", 1)
    first, second = conditions if len(conditions) == 2 else (Says(terms=()), Says(terms=()))
    return first, second, gap


def read_near(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    """`near:` two conditions, `within:` how far."""
    return Near(*_pair(reader, fields, "near", depth))


def read_not_near(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    """`not_near:` what happens and what should be near it, `within:` how far."""
    return NotNear(*_pair(reader, fields, "not_near", depth))


def write_pair(name: str, condition: Near | NotNear) -> dict[str, Any]:
    """near or not_near as plain data."""
    from qc.packs.syntax import write_condition

    return {
        name: [write_condition(condition.first), write_condition(condition.second)],
        "within": write_gap(condition.gap),
    }


def read_then(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    """`then:` a list of steps, each a condition with `within:` of its own."""
    from qc.packs.syntax import read_condition

    node = fields["then"]
    if "within" in fields:
        reader.problem(fields["within"], "`within` stands beside `then:`", "write it into each step, beside its condition")
    if node.kind != "list" or not 2 <= len(node.items) <= MAX_STEPS:
        few = node.kind == "list" and len(node.items) == 1
        hint = "write the next step under it, after `- `" if few else "begin each with `- `"
        reader.problem(node, f"`then` must be a list of 2 to {MAX_STEPS} steps", hint)
        return Says(terms=())
    steps = []
    for index, item in enumerate(node.items):
        named = _named_step(item)
        gaps = [value for key, value in item.pairs if key.text == "within"] if item.kind == "map" else []
        if named is not None:
            reader.fields(item, ("step", "within"), what="a step")
            bare = named
        elif not gaps or _own_within(item):
            bare = item
        else:
            bare = replace(item, pairs=tuple(p for p in item.pairs if p[0].text != "within"))
        gap = reader.gap(gaps[0], "`within`") if gaps and bare is not item else None
        if gap is not None and index == 0:
            reader.problem(gaps[0], "the first step comes after nothing", "leave its `within` out")
        condition = read_condition(reader, bare, depth + 1)
        _check_place(reader, item, condition)
        steps.append(Step(condition, gap))
    return Then(tuple(steps))


def _named_step(node: Node) -> Node | None:
    """The condition (or name) of `{step: NAME, within: 5 s}`."""
    return next((value for key, value in node.pairs if key.text == "step"), None) if node.kind == "map" else None


def _own_within(node: Node) -> bool:
    """The step is a condition that has a `within` itself: to limit such a step, write it as `{step: …, within: …}`."""
    return any(key.text in ("near", "not_near") for key, _ in node.pairs)


def write_then(condition: Then) -> dict[str, Any]:
    """The sequence as plain data."""
    return {"then": [_write_step(step) for step in condition.steps]}


def _write_step(step: Step) -> dict[str, Any]:
    from qc.packs.syntax import write_condition

    plain = write_condition(step.condition)
    if step.gap is None:
        return plain
    within = {"within": write_gap(step.gap)}
    return {"step": plain, **within} if "within" in plain else plain | within
