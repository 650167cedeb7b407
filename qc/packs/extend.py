"""A pack on top of another: `extends: ecommerce-zh 1.0.0` in pack.yaml, then rules added, switched off or changed.

    extends: ecommerce-zh 1.0.0
    off: [too-fast]
    change:
      promise-without-time: {points: -10, also: {who: agent, says: [过两天]}}

The base is named, never located: it is looked for beside the pack and among the installed packs, so that no pack can make
its reader open a file elsewhere. Everything is done on the trees before they are read, so the result is checked, counted
and flattened like any other pack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from qc.packs.model import Pack
from qc.packs.nodes import Node, from_data
from qc.packs.reader import Reader, suggestion

EXTEND_KEYS: dict[str, str] = {
    "extends": "the pack that this one builds on, and its version: `ecommerce-zh 1.0.0`",
    "off": "ids of its rules (or manual items) that do not apply here",
    "change": "rule id to the keys that are other here",
}
CHANGE_KEYS: dict[str, str] = {
    "also": "a condition: the rule hits there too",
    "only_when": "a condition: the rule hits only where this holds as well",
    "cases": "more cases; the base's still have to come out",
    "cases_instead": "cases in place of the base's, for a rule that hits less than it did",
    **dict.fromkeys(
        ("title", "why", "dimension", "severity", "points", "fatal", "cap", "once_per", "clause", "tags", "applies_to"),
        "in place of the base's",
    ),
    **dict.fromkeys(("valid_from", "valid_until", "visibility"), "in place of the base's"),
}
INHERITED = ("base", "coverage_floor", "confidence_floor", "languages", "licence", "qc")
MAX_DEPTH = 4
_BASE = re.compile(r"([a-z0-9][a-z0-9-]{0,63})[ @]([0-9A-Za-z.-]{5,60})")


@dataclass(frozen=True)
class Origin:
    """Where a rule comes from. `pack`: id and version that it was written in; `changes`: (pack, keys) that changed it since."""

    pack: str
    changes: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A pack, where each of its rules came from, and the rules of bases that were switched off (id to origin)."""

    pack: Pack
    origins: dict[str, Origin]
    off: dict[str, Origin]


@dataclass(frozen=True)
class Extended:
    """The trees of an extending pack, its base put under it, and what became of the base's rules."""

    head: Node
    rules: list[Node]
    origins: dict[str, Origin]
    off: dict[str, Origin]


FindBase = Callable[[str, str, Node], Loaded | None]
"""The pack of this id and version; what is wrong goes to the reader's problems, at the node."""


def extend(reader: Reader, head: Node, rules: list[Node], find_base: FindBase) -> Extended | None:
    """The trees with the base under them; None where there is nothing to extend, or no base. Problems go to `reader`."""
    own = {key.text: value for key, value in head.pairs if key.text in EXTEND_KEYS}
    if "extends" not in own:
        return None
    plain = replace(head, pairs=tuple(pair for pair in head.pairs if pair[0].text not in EXTEND_KEYS))
    match = _BASE.fullmatch(own["extends"].text.strip()) if own["extends"].kind == "text" else None
    if match is None:
        reader.problem(own["extends"], "`extends` must be a pack's id and its version", "for example: ecommerce-zh 1.0.0")
        return None
    base = find_base(match[1], match[2], own["extends"])
    if base is None:
        return None
    flat = from_data(json.loads(base.pack.flat), f"{base.pack.id} {base.pack.version}")
    below = {key.text: value for key, value in flat.pairs}
    off = _off(reader, own.get("off"), base)
    changes = _changes(reader, own.get("change"), base, off)
    name = " ".join(_text(plain, key) for key in ("id", "version"))
    origins, kept = {}, []
    for node in below["rules"].items:
        rule = _text(node, "id")
        if rule in off:
            continue
        old = base.origins[rule]
        if rule in changes:
            keys = tuple(key.text for key, _ in changes[rule].pairs)
            node, old = _changed(node, changes[rule]), replace(old, changes=(*old.changes, (name, keys)))
        origins[rule] = old
        kept.append(node)
    here = Origin(f"{base.pack.id} {base.pack.version}")
    gone = {name: base.origins.get(name, here) for name in off}
    return Extended(_inherit(plain, below, off), [*kept, *rules], origins, {**base.off, **gone})


def _text(node: Node, key: str) -> str:
    return next((value.text for name, value in node.pairs if name.text == key), "")


def _off(reader: Reader, node: Node | None, base: Loaded) -> set[str]:
    off: set[str] = set()
    for item in reader.items(node, "`off`") if node is not None else ():
        known = {*base.pack.by_id, *(item.id for item in base.pack.manual)}
        if item.kind != "text" or item.text not in known:
            hint = suggestion(item.text, known)
            reader.problem(item, f"{base.pack.id} has no rule {item.text[:80]!r} to switch off", hint)
        else:
            off.add(item.text)
    return off


def _changes(reader: Reader, node: Node | None, base: Loaded, off: set[str]) -> dict[str, Node]:
    changes: dict[str, Node] = {}
    if node is None:
        return changes
    if node.kind != "map":
        reader.problem(node, "`change` must be `rule-id: {key: value}` lines", "for example promise: {points: -10}")
        return changes
    for key, value in node.pairs:
        if key.text not in base.pack.by_id:
            hint = suggestion(key.text, base.pack.by_id)
            reader.problem(key, f"{base.pack.id} has no rule {key.text[:80]!r} to change", hint)
        elif key.text in off or key.text in changes:
            reader.problem(key, f"{key.text!r} is changed twice, or switched off as well", "keep one of them")
        elif reader.fields(value, tuple(CHANGE_KEYS), what="a change"):
            changes[key.text] = value
    return changes


def _changed(rule: Node, change: Node) -> Node:
    """The base's rule with what is other here; places in the file are those of the change."""
    fields = {key.text: (key, value) for key, value in rule.pairs}
    new = {key.text: (key, value) for key, value in change.pairs}
    for name, combine in (("also", "any"), ("only_when", "all")):
        if name in new:
            key, value = new.pop(name)
            both = replace(key, kind="list", text="", items=(fields["when"][1], value))
            when = replace(key, kind="map", text="", pairs=((replace(key, text=combine), both),))
            fields["when"] = (replace(key, text="when"), when)
    if "cases_instead" in new:
        key, value = new.pop("cases_instead")
        fields["cases"] = (replace(key, text="cases"), value)
    if "cases" in new:
        key, value = new.pop("cases")
        fields["cases"] = (key, _more_cases(fields["cases"][1], value))
    fields.update(new)
    return replace(rule, line=change.line, column=change.column, file=change.file, pairs=tuple(fields.values()))


def _more_cases(old: Node, new: Node) -> Node:
    if old.kind != "map" or new.kind != "map":
        return new
    verdicts = {key.text: (key, value) for key, value in old.pairs}
    for key, value in new.pairs:
        items = value.items if value.kind == "list" else (value,)
        if key.text in verdicts and verdicts[key.text][1].kind == "list":
            verdicts[key.text] = (key, replace(value, kind="list", text="", pairs=(), items=verdicts[key.text][1].items + items))
        else:
            verdicts[key.text] = (key, value)
    return replace(new, pairs=tuple(verdicts.values()))


def _older(one: str, other: str) -> bool:
    """Whether a version of qc is older than another; of what is no version nothing is said here."""
    parts = [text.split(".") for text in (one, other)]
    return all(p.isdigit() and p.isascii() for text in parts for p in text) and [*map(int, parts[0])] < [*map(int, parts[1])]


def _inherit(head: Node, below: dict[str, Node], off: set[str]) -> Node:
    """The head with what it leaves out taken from the base; dimensions and manual items of both, its own where both have one."""
    own = {key.text: (key, value) for key, value in head.pairs}
    for name in INHERITED:
        if name in below and (name not in own or (name == "qc" and _older(own[name][1].text, below[name].text))):
            own[name] = (Node("text", head.file, head.line, head.column, name), below[name])
    for name, left_out in (("dimensions", set()), ("manual", off)):
        listed = own[name][1] if name in own else None
        if name not in below or (listed is not None and listed.kind != "list"):
            continue
        mine = listed.items if listed else ()
        ids = {_text(item, "id") for item in mine} | left_out
        both = tuple(item for item in below[name].items if _text(item, "id") not in ids) + mine
        place = listed or head
        if both:
            own[name] = (
                Node("text", place.file, place.line, place.column, name),
                Node("list", place.file, place.line, place.column, items=both),
            )
    return replace(head, pairs=tuple(own.values()))
