"""JSON Schema of packs, for editors: keys as they are typed, what each means, what may stand there.

Made from the registries that the reader and the reference page use (`RULE_DOC`, `PACK_DOC`, `CONDITIONS`, `FORMS`), in the
language of one's choice. It helps while writing; `qc rules check` has the last word, and knows more (names, word lists,
patterns, cases). JSON Schema draft 7, which is what YAML editors speak.
"""

from __future__ import annotations

from typing import Any

from qc.packs.cases import LINE_KEYS, VERDICTS
from qc.packs.conditions import WHO
from qc.packs.extend import CHANGE_KEYS, EXTEND_KEYS
from qc.packs.grammar import Key
from qc.packs.model import LANGUAGES, SEVERITIES, VISIBILITIES
from qc.packs.reference import MANUAL_DOC, PACK_DOC, RULE_DOC
from qc.packs.syntax import CONDITIONS
from qc.packs.terms import FORMS
from qc.text.entities import ENTITIES
from qc.text.sound import TOLERATE

DRAFT = "http://json-schema.org/draft-07/schema#"
KINDS = ("pack", "rules", "list")
"""Files of a pack: pack.yaml, the other *.yaml files, and those under lists/."""

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _listed(item: Schema) -> Schema:
    """A list, or one alone."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _number(low: float, high: float) -> Schema:
    return {"type": "number", "minimum": low, "maximum": high}


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _bound(unit: str) -> Schema:
    return {"type": "string", "pattern": f"^(over|under|at least|at most) {unit}$"}


_TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""Whatever YAML makes of a plain text: 12315 is a number to an editor, a text to qc."""

_DURATION = r"\d{1,7}(\.\d{1,3})? *(ms|毫秒|s|sec|seconds?|秒|min|minutes?|分钟|h|hours?|小时)"
_SHARE, _DECIBEL, _COUNT = r"\d{1,3}(\.\d)? ?%", r"[+-]?\d{1,3}(\.\d)?( ?dB(FS)?)?", r"\d{1,6}"
_ROLE_OR_ANYONE: Schema = {"enum": list(WHO)}
_TIMES = _whole(1, 1000)

_SHARED: dict[str, Schema] = {
    "who": _ROLE_OR_ANYONE,
    "in": _ref("window"),
    "unless": _ref("words"),
    "except": _ref("words"),
    "match": {"anyOf": [{"enum": ["exact", "sound"]}, {"type": "string", "pattern": r"^fuzzy +0\.\d{1,2}$"}]},
    "tolerate": {"anyOf": [{"const": "all"}, _listed({"enum": list(TOLERATE)})]},
    "times": _TIMES,
    "within": _ref("gap"),
}
"""Keys that mean the same wherever they stand."""

VALUES: dict[str, dict[str, Schema]] = {
    "says": {"says": _ref("words"), "need": {"anyOf": [{"enum": ["any", "all"]}, _whole(1, 1000)]}},
    "never_says": {"never_says": _ref("words")},
    "silence": {
        "longer_than": _ref("duration"),
        "before": _ROLE_OR_ANYONE,
        "after": _ROLE_OR_ANYONE,
        "except_after": _ref("words"),
    },
    "interruption": {"by": _ROLE_OR_ANYONE, "after": _ref("duration"), "overlap": _ref("duration")},
    "all": {"all": _ref("conditions")},
    "any": {"any": _ref("conditions")},
    "not": {"not": _ref("condition")},
    "at_least": {"at_least": _whole(1, 50), "of": _ref("conditions")},
    "near": {"near": _ref("pair")},
    "not_near": {"not_near": _ref("pair")},
    "then": {"then": _ref("steps")},
    "repeat": {"similarity": _number(0.5, 1), "look_back": _whole(1, 50), "characters": _whole(2, 200), "times": _whole(2, 50)},
    "count": {
        "turns": _bound(_COUNT),
        "role_changes": _bound(_COUNT),
        "hits": _bound(_COUNT),
        "of": _ref("condition"),
    },
    "reply": {"by": {"enum": list(WHO[:2])}, "longer_than": _ref("duration")},
    "speed": {"pace": _bound(_COUNT), "per": {"enum": ["turn", "call"]}, "characters": _whole(1, 1000)},
    "level": {"loudness": _bound(_DECIBEL), "rise": _bound(_DECIBEL)},
    "call": {
        "duration": _bound(_DURATION),
        "agent_share": _bound(_SHARE),
        "customer_share": _bound(_SHARE),
        "after_last_turn": _bound(_DURATION),
        "ended_by": {"enum": ["agent", "customer", "system"]},
    },
    "listed": {},
}
"""What may stand at each key of each condition, beside what `_SHARED` says. A test asks for every key of the registry."""

_INNER = frozenset(name for name, values in VALUES.items() if name not in values and name != "listed")
"""Conditions whose keys stand inside their value."""

_HEADS: dict[str, Schema] = {"word": _TEXT, "similar": _TEXT, "entity": _listed({"enum": list(ENTITIES)}), "list": _listed(_TEXT)}
_BESIDE_FORM: dict[str, dict[str, Schema]] = {"similar": {"at_least": _number(0.5, 1)}}

_RULE: dict[str, Schema] = {
    "id": _ref("id"),
    "title": _ref("localized"),
    "why": _ref("localized"),
    "dimension": _ref("id"),
    "severity": {"enum": list(SEVERITIES)},
    "points": _number(-1000, 1000),
    "when": _ref("condition"),
    "cases": _ref("cases"),
    "fatal": {"type": "boolean"},
    "cap": _number(0, 10_000),
    "once_per": _ref("duration"),
    "clause": _TEXT,
    "tags": _listed(_TEXT),
    "applies_to": {"type": "object", "minProperties": 1, "additionalProperties": _listed(_TEXT)},
    "valid_from": _ref("date"),
    "valid_until": _ref("date"),
    "visibility": {"enum": list(VISIBILITIES)},
    "define": _ref("names"),
}
_MANUAL: dict[str, Schema] = {
    **{name: _RULE[name] for name in ("id", "title", "dimension", "points", "severity", "clause")},
    "question": _ref("localized"),
    "on_no": {"type": "boolean"},
    "may_not_apply": {"type": "boolean"},
}
_PACK: dict[str, Schema] = {
    "id": _ref("id"),
    "version": {"type": "string", "pattern": r"^\d{1,6}\.\d{1,6}\.\d{1,6}(-[0-9A-Za-z.-]{1,40})?$"},
    "language": _whole(1, 1000),
    "qc": {"type": "string", "pattern": r"^\d{1,6}\.\d{1,6}\.\d{1,6}$"},
    "title": _ref("localized"),
    "languages": _listed({"enum": list(LANGUAGES)}),
    "authors": _listed(_TEXT),
    "licence": _TEXT,
    "base": _number(0, 10_000),
    "coverage_floor": _number(0, 1),
    "confidence_floor": _number(-20, 0),
    "dimensions": {"type": "array", "minItems": 1, "maxItems": 50, "items": _ref("dimension")},
    "manual": {"type": "array", "minItems": 1, "maxItems": 100, "items": _ref("manual")},
    "lists": {"type": "object", "additionalProperties": _ref("words")},
    "define": _ref("names"),
    "rules": {"type": "array", "items": _ref("rule")},
}
_CHANGE: dict[str, Schema] = {"also": _ref("condition"), "only_when": _ref("condition"), "cases_instead": _ref("more_cases")}
_CHANGE |= {"cases": _ref("more_cases")}
_EXTEND: dict[str, Schema] = {
    "extends": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,63}[ @][0-9A-Za-z.-]{5,60}$"},
    "off": _listed(_ref("id")),
    "change": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "minProperties": 1,
            "properties": {name: _CHANGE.get(name) or _RULE[name] for name in CHANGE_KEYS},
            "additionalProperties": False,
        },
    },
}
_RULE_REQUIRED = ("id", "title", "why", "dimension", "severity", "points", "when", "cases")
_MANUAL_REQUIRED = ("id", "title", "question", "dimension", "points")
_PACK_REQUIRED = ("id", "version", "language", "title", "dimensions")


def schema(kind: str, language: str = "en") -> Schema:
    """The schema of a file of a pack: `pack`, `rules` or `list`; descriptions in `zh` or `en`."""
    root = {
        "pack": _pack(language),
        "rules": {"type": "array", "items": _ref("rule")},
        "list": _ref("words"),
    }[kind]
    return {"$schema": DRAFT, "title": f"qc {kind}", **root, "definitions": _definitions(language)}


def _pack(language: str) -> Schema:
    """pack.yaml; one that extends another pack takes from it what it does not say itself."""
    own = _object(PACK_DOC, _PACK, (), language)
    more = {name: {"description": text, **_EXTEND[name]} for name, text in EXTEND_KEYS.items()}
    own["properties"] |= more
    needed = {"required": list(_PACK_REQUIRED)}
    return own | {"if": {"required": ["extends"]}, "then": {"required": ["id", "version"]}, "else": needed}


def _definitions(language: str) -> dict[str, Schema]:
    condition = {"anyOf": [{"type": "string"}, *(_condition(name, language) for name in CONDITIONS)]}
    return {
        "id": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"},
        "localized": {
            "anyOf": [
                _TEXT,
                {
                    "type": "object",
                    "properties": dict.fromkeys(LANGUAGES, _TEXT),
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        },
        "date": {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"},
        "duration": {"type": "string", "pattern": f"^ *{_DURATION} *$"},
        "gap": {"type": "string", "pattern": rf"^ *(\d{{1,4}} ?(turns?|characters?)|{_DURATION}) *$"},
        "window": _window(),
        "words": _listed(_ref("word")),
        "word": {"anyOf": [_TEXT, *(_form(name, language) for name in FORMS)]},
        "condition": condition,
        "conditions": {"type": "array", "minItems": 1, "maxItems": 50, "items": _ref("condition")},
        "pair": {"type": "array", "minItems": 2, "maxItems": 2, "items": _ref("condition")},
        "steps": {"type": "array", "minItems": 2, "maxItems": 10, "items": _ref("step")},
        "step": _step(condition),
        "names": {"type": "object", "minProperties": 1, "additionalProperties": _ref("condition")},
        "dimension": {
            "type": "object",
            "required": ["id", "title"],
            "properties": {"id": _ref("id"), "title": _ref("localized"), "weight": _number(0.001, 1000)},
            "additionalProperties": False,
        },
        "rule": _object(RULE_DOC, _RULE, _RULE_REQUIRED, language),
        "manual": _object(MANUAL_DOC, _MANUAL, _MANUAL_REQUIRED, language),
        "cases": {
            "type": "object",
            "required": list(VERDICTS[:2]),
            "properties": dict.fromkeys(VERDICTS, _listed(_ref("case"))),
            "additionalProperties": False,
        },
        "more_cases": {
            "type": "object",
            "minProperties": 1,
            "properties": dict.fromkeys(VERDICTS, _listed(_ref("case"))),
            "additionalProperties": False,
        },
        "case": {"anyOf": [{"type": "string"}, _ref("lines"), {"type": "array", "items": _ref("lines")}]},
        "lines": {
            "type": "object",
            "minProperties": 1,
            "properties": {name: _ref("line") | {"description": text} for name, text in LINE_KEYS.items()},
        },
        "line": {"type": ["string", "number", "boolean", "object", "null"]},
    }


def _object(doc: tuple[Key, ...], values: dict[str, Schema], required: tuple[str, ...], language: str) -> Schema:
    properties = {key.name: _told(values[key.name], key, language) for key in doc}
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _told(value: Schema, key: Key, language: str) -> Schema:
    """A value with what the key means. What stands beside `$ref` is not read in draft 7, so it goes round it."""
    text = key.zh if language == "zh" else key.en
    return {"description": text, "allOf": [value]} if "$ref" in value else {"description": text, **value}


def _condition(name: str, language: str) -> Schema:
    syntax = CONDITIONS[name]
    text = syntax.zh if language == "zh" else syntax.en
    values = _SHARED | VALUES[name]
    keys = {key.name: _told(values[key.name], key, language) for key in syntax.keys}
    if name == "listed":
        inner: Schema = {"type": "object", "minProperties": 1, "maxProperties": 20, "additionalProperties": _listed(_TEXT)}
    elif name in _INNER:
        needed = [key.name for key in syntax.keys if not key.default]
        inner = {"type": "object", "properties": keys, "required": needed, "additionalProperties": False}
    else:
        head = values[name]
        own = {"description": text, "allOf": [head]} if "$ref" in head else {"description": text, **head}
        return {"type": "object", "required": [name], "properties": {name: own, **keys}, "additionalProperties": False}
    return {
        "type": "object",
        "required": [name],
        "properties": {name: {"description": text, **inner}},
        "additionalProperties": False,
    }


def _step(condition: Schema) -> Schema:
    """A step of `then`: a condition with `within` of its own beside it, or `{step: …, within: …}`."""
    within = {"within": _ref("gap")}
    steps = [
        one if one == {"type": "string"} else {**one, "properties": one["properties"] | within} for one in condition["anyOf"]
    ]
    named = {
        "type": "object",
        "required": ["step"],
        "properties": {"step": _ref("condition"), **within},
        "additionalProperties": False,
    }
    return {"anyOf": [*steps, named]}


def _form(name: str, language: str) -> Schema:
    form = FORMS[name]
    beside = _SHARED | _BESIDE_FORM.get(name, {})
    keys = {key: {"description": zh if language == "zh" else en, **beside[key]} for key, (zh, en) in form.keys.items()}
    head = {"description": form.zh if language == "zh" else form.en, **_HEADS[name]}
    return {"type": "object", "required": [name], "properties": {name: head, **keys}, "additionalProperties": False}


def _window() -> Schema:
    beside = r"((.{1,40} )?(before|after|around) (the )?((first|last|any|every|[1-9]\d{0,2}(st|nd|rd|th)) )?\S{1,63})"
    edge = rf"((first|last) +(\d{{1,4}} ?turns?( of (agent|customer|anyone))?|{_DURATION}))"
    which = {
        "anyOf": [{"enum": ["any", "every", "first", "last"]}, {"type": "string", "pattern": r"^[1-9]\d{0,2}(st|nd|rd|th)$"}]
    }
    sides = {side: _ref("condition") for side in ("before", "after", "around")}
    return {
        "anyOf": [
            {"type": "string", "pattern": f"^({edge}|{beside}|whole call)$"},
            {"type": "object", "properties": {**sides, "within": _ref("gap"), "which": which}, "additionalProperties": False},
        ]
    }
