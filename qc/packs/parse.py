"""From trees to a pack: rules, dimensions, the pack's head. Every problem is noted in the reader; nothing is raised."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from qc.packs.cases import read_cases
from qc.packs.model import LANGUAGE_VERSION, LANGUAGES, SEVERITIES, VISIBILITIES, Dimension, Manual, Pack, Rule
from qc.packs.names import read_names
from qc.packs.nodes import Node
from qc.packs.reader import Reader
from qc.packs.syntax import read_condition
from qc.packs.terms import read_terms
from qc.version import VERSION

MAX_RULES = 10_000
MAX_MANUAL = 100
PACK_KEYS = (
    "id",
    "version",
    "language",
    "qc",
    "title",
    "languages",
    "authors",
    "licence",
    "base",
    "coverage_floor",
    "confidence_floor",
    "dimensions",
    "manual",
    "lists",
    "define",
    "rules",
)
RULE_KEYS = (
    "id",
    "title",
    "why",
    "dimension",
    "severity",
    "points",
    "when",
    "cases",
    "fatal",
    "cap",
    "once_per",
    "clause",
    "tags",
    "applies_to",
    "valid_from",
    "valid_until",
    "visibility",
    "define",
)
MANUAL_KEYS = ("id", "title", "question", "dimension", "points", "on_no", "may_not_apply", "severity", "clause")
ID_FORM = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_LIST_NAME = re.compile(r"[\w-]{1,64}")
_SEMVER = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(-[0-9A-Za-z.-]{1,40})?")
_RELEASE = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}", re.ASCII)


def read_id(reader: Reader, node: Node, what: str) -> str:
    """An id: small letters, digits and hyphens."""
    if node.kind == "text" and ID_FORM.fullmatch(node.text):
        return node.text
    reader.problem(node, f"{what} must be small letters, digits and hyphens", "for example promise-without-time")
    return ""


def read_lists(reader: Reader, named: list[tuple[Node, str, Node]]) -> None:
    """Word lists into `reader.lists`: (place of the name, name, words). A list cannot refer to lists."""
    for place, name, words in named:
        if not _LIST_NAME.fullmatch(name):
            reader.problem(place, f"a word list cannot be called {name!r}", "use letters, digits and hyphens")
        elif name in reader.lists:
            reader.problem(place, f"there are two word lists called {name!r}", "rename one of them")
        else:
            plain = Reader()
            plain.patterns = reader.patterns
            reader.lists[name] = read_terms(plain, words, f"the list {name!r}", as_list=True)
            reader.problems.extend(plain.problems)


def read_rules(reader: Reader, nodes: list[Node], dimensions: tuple[Dimension, ...]) -> tuple[Rule, ...]:
    """Rules in order; ids must differ."""
    rules: list[Rule] = []
    seen: dict[str, Node] = {}
    for node in nodes:
        if len(rules) == MAX_RULES:
            reader.problem(node, f"more than {MAX_RULES} rules", "make two packs of them")
            break
        name = next((value.text for key, value in node.pairs if key.text == "id"), "")
        if name and name in seen:
            reader.problem(node, f"there is another rule {name!r} at {seen[name].where}", "give one of them another id")
        seen.setdefault(name, node)
        rule = _read_rule(reader, node, dimensions)
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _read_rule(reader: Reader, node: Node, dimensions: tuple[Dimension, ...]) -> Rule | None:
    required = ("id", "title", "why", "dimension", "severity", "points", "when", "cases")
    fields = reader.fields(node, RULE_KEYS, required, "a rule")
    named = dict(reader.named)
    if "define" in fields:
        read_names(reader, fields["define"])
    values = {name: read(reader, fields[name]) for name, read in _rule_readers(dimensions).items() if name in fields}
    reader.named = named
    if any(name not in values for name in required):
        return None
    renamed = {"once_per": "once_per_ms"}
    return Rule(**{renamed.get(name, name): value for name, value in values.items()}, where=node.where)


def _rule_readers(dimensions: tuple[Dimension, ...]) -> dict[str, Callable[[Reader, Node], Any]]:
    """How each key of a rule is read."""
    return {
        "id": lambda r, n: read_id(r, n, "a rule's `id`"),
        "title": lambda r, n: r.localized(n, "`title`"),
        "why": lambda r, n: r.localized(n, "`why`"),
        "dimension": lambda r, n: r.choice(n, [d.id for d in dimensions] or [""], "`dimension`"),
        "severity": lambda r, n: r.choice(n, SEVERITIES, "`severity`"),
        "points": lambda r, n: r.number(n, "`points`", -1000, 1000),
        "when": read_condition,
        "cases": read_cases,
        "fatal": lambda r, n: r.flag(n, "`fatal`"),
        "cap": lambda r, n: r.number(n, "`cap`", 0, 10_000),
        "once_per": lambda r, n: r.duration_ms(n, "`once_per`", 1000),
        "clause": lambda r, n: r.text(n, "`clause`"),
        "tags": lambda r, n: r.texts(n, "`tags`"),
        "applies_to": _read_applies,
        "valid_from": lambda r, n: r.date(n, "`valid_from`"),
        "valid_until": lambda r, n: r.date(n, "`valid_until`"),
        "visibility": lambda r, n: r.choice(n, VISIBILITIES, "`visibility`"),
    }


def _read_applies(reader: Reader, node: Node) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if node.kind != "map" or not node.pairs:
        reader.problem(node, "`applies_to` must be `column: value` lines", "for example {queue: [售后, 退款]}")
        return ()
    return tuple((key.text.strip(), reader.texts(value, f"`{key.text}`")) for key, value in node.pairs)


def _read_dimensions(reader: Reader, node: Node) -> tuple[Dimension, ...]:
    found: dict[str, Dimension] = {}
    for item in reader.items(node, "`dimensions`", 50):
        fields = reader.fields(item, ("id", "title", "weight"), ("id", "title"), "a dimension")
        if "id" not in fields or "title" not in fields:
            continue
        name = read_id(reader, fields["id"], "a dimension's `id`")
        if name in found:
            reader.problem(fields["id"], f"there are two dimensions {name!r}", "rename one of them")
        weight = reader.number(fields["weight"], "`weight`", 0.001, 1000) if "weight" in fields else 1.0
        found[name] = Dimension(name, reader.localized(fields["title"], "`title`"), weight)
    return tuple(found.values())


def _read_manual(reader: Reader, node: Node, dimensions: tuple[Dimension, ...], rules: tuple[Rule, ...]) -> tuple[Manual, ...]:
    """What only people can judge; ids must differ from each other and from those of the rules."""
    found: dict[str, Manual] = {}
    taken = {rule.id for rule in rules}
    shared = _rule_readers(dimensions)
    readers: dict[str, Callable[[Reader, Node], Any]] = {
        **{name: shared[name] for name in ("title", "dimension", "points", "severity", "clause")},
        "id": lambda r, n: read_id(r, n, "a manual item's `id`"),
        "question": lambda r, n: r.localized(n, "`question`"),
        "on_no": lambda r, n: r.flag(n, "`on_no`"),
        "may_not_apply": lambda r, n: r.flag(n, "`may_not_apply`"),
    }
    required = ("id", "title", "question", "dimension", "points")
    for item in reader.items(node, "`manual`", MAX_MANUAL):
        fields = reader.fields(item, MANUAL_KEYS, required, "a manual item")
        values = {name: read(reader, fields[name]) for name, read in readers.items() if name in fields}
        if any(name not in values for name in required):
            continue
        if values["id"] in found or values["id"] in taken:
            reader.problem(fields["id"], f"there is another rule or manual item {values['id']!r}", "give one of them another id")
        found[values["id"]] = Manual(**values)
    return tuple(found.values())


def read_pack(reader: Reader, head: Node, rules: list[Node], lists: list[tuple[Node, str, Node]]) -> Pack:
    """A pack from its head (the map of pack.yaml), the rules and the lists found beside it."""
    fields = reader.fields(head, PACK_KEYS, ("id", "version", "language", "title", "dimensions"), "a pack")
    if "lists" in fields:
        lists = [*lists, *((key, key.text, value) for key, value in fields["lists"].pairs)]
        if fields["lists"].kind != "map":
            reader.problem(fields["lists"], "`lists` must be `name: [words]` lines", "or put each list in lists/NAME.yaml")
    read_lists(reader, lists)
    if "define" in fields:
        read_names(reader, fields["define"])
    if "rules" in fields:
        rules = [*reader.items(fields["rules"], "`rules`", MAX_RULES + 1), *rules]
    dimensions = _read_dimensions(reader, fields["dimensions"]) if "dimensions" in fields else ()
    read = read_rules(reader, rules, dimensions)
    if not rules and not reader.unread:
        reader.problem(head, "the pack has no rules", "write them in *.yaml files beside pack.yaml")
    return Pack(
        id=read_id(reader, fields["id"], "the pack's `id`") if "id" in fields else "",
        version=_read_version(reader, fields["version"]) if "version" in fields else "",
        title=reader.localized(fields["title"], "`title`") if "title" in fields else dict.fromkeys(LANGUAGES, ""),
        dimensions=dimensions,
        rules=read,
        manual=_read_manual(reader, fields["manual"], dimensions, read) if "manual" in fields else (),
        languages=_read_languages(reader, fields["languages"]) if "languages" in fields else LANGUAGES,
        language=_read_language(reader, fields["language"]) if "language" in fields else LANGUAGE_VERSION,
        qc=_read_qc(reader, fields["qc"]) if "qc" in fields else "",
        authors=reader.texts(fields["authors"], "`authors`") if "authors" in fields else (),
        licence=reader.text(fields["licence"], "`licence`") if "licence" in fields else "",
        base=reader.number(fields["base"], "`base`", 0, 10_000) if "base" in fields else 100.0,
        coverage_floor=reader.number(fields["coverage_floor"], "`coverage_floor`", 0, 1) if "coverage_floor" in fields else 0.9,
        confidence_floor=(
            reader.number(fields["confidence_floor"], "`confidence_floor`", -20, 0) if "confidence_floor" in fields else None
        ),
    )


def _read_version(reader: Reader, node: Node) -> str:
    if node.kind == "text" and _SEMVER.fullmatch(node.text):
        return node.text
    reader.problem(node, "`version` must be three numbers", "for example 1.0.0")
    return "0.0.0"


def _read_language(reader: Reader, node: Node) -> int:
    version = reader.integer(node, "`language`", 1, 1000)
    if version > LANGUAGE_VERSION:
        reader.problem(
            node, f"the pack needs version {version} of the rule language; this qc speaks {LANGUAGE_VERSION}", "update qc"
        )
    return version


def _read_qc(reader: Reader, node: Node) -> str:
    """The oldest version of qc that reads the pack as it is meant; a problem where this one is older."""
    needed = reader.text(node, "`qc`")
    if not _RELEASE.fullmatch(needed):
        reader.problem(node, "`qc` must be the oldest version of qc that will do, three numbers", f"for example {VERSION}")
        return ""
    if [int(part) for part in needed.split(".")] > [int(part) for part in VERSION.split(".")[:3]]:
        reader.problem(node, f"the pack needs qc {needed} or newer; this is {VERSION}", "update qc")
    return needed


def _read_languages(reader: Reader, node: Node) -> tuple[str, ...]:
    return tuple(reader.choice(item, LANGUAGES, "`languages`") for item in reader.items(node, "`languages`", len(LANGUAGES)))
