"""The whole report as one JSON document, for programs: sorted keys, a line a call, text exactly as it is in the tables.

Its shape is data, too: `json_schema` makes a JSON Schema (draft 2020-12) of the same tables and dataclasses as the document.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from qc.report.model import Call, Finding, MadeWith, ReportData, Totals
from qc.tables import AGREEMENT, CORRECTED, FINDINGS, QUALITY, SCORES, SUMMARIES, Field
from qc.version import VERSION

SCHEMA = "qc.report/1"
SCHEMA_FILE = "report.schema.json"
_RULE = ("dimension", "severity", "points", "fatal", "cap", "clause")
_NOT_WRITTEN = ("excerpts", "more", "findings", "agent")
"""Fields of calls and findings that are made for pages, or written under another name."""


def json_file(data: ReportData) -> bytes:
    """The document's bytes."""
    value = {
        "schema": SCHEMA,
        "title": data.title,
        "tool_version": VERSION,
        "pack": _pack(data),
        "made_with": dataclasses.asdict(data.made_with),
        "totals": dataclasses.asdict(data.totals),
        "whole": data.whole,
        "providers": data.providers,
        "agents": data.agents,
        "quality": data.quality,
        "agreement": data.agreement,
        "corrected": data.corrected,
        "rules": {r.id: _rule(r) for r in data.rules.values()},
        "left_out": data.left_out,
        "calls": (_call(c) for c in data.calls),
    }
    return "".join(_lines(value)).encode("utf-8", "surrogatepass")


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    """The document piece by piece: a key a line, and of lists of objects an object a line."""
    for i, (key, entry) in enumerate(sorted(value.items())):
        yield f"{',' if i else '{'}\n{_text(key)}: "
        if isinstance(entry, str | int | float | dict) or entry is None:
            yield _text(entry)
        else:
            yield "["
            yield from (f"{',' if n else ''}\n{_text(row)}" for n, row in enumerate(entry))
            yield "]"
    yield "\n}\n"


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _pack(data: ReportData) -> dict[str, Any] | None:
    if data.pack is None:
        return None
    return {
        "id": data.pack.id,
        "title": dict(data.pack.title),
        "base": data.pack.base,
        "dimensions": [{"id": d.id, "title": dict(d.title), "weight": d.weight} for d in data.pack.dimensions],
        "signer": data.signer,
        "versions": [{"version": version, "sha256": digest} for version, digest in data.versions],
    }


def _rule(rule: Any) -> dict[str, Any]:
    return {**{k: getattr(rule, k) for k in _RULE}, "title": dict(rule.title), "why": dict(rule.why)}


def _call(call: Call) -> dict[str, Any]:
    value = {name: getattr(call, name) for name in _written(Call)}
    findings = [{name: getattr(f, name) for name in _written(Finding)} for f in call.findings]
    return {**value, "agent_key": call.agent, "findings": findings}


@cache
def _written(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind) if f.name not in _NOT_WRITTEN)


# -- its shape


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document. Every object has exactly the keys that it names."""
    text, count, number = {"type": "string"}, {"type": "integer"}, {"type": "number"}
    texts = {"type": "object", "additionalProperties": text}
    dimension = _object({"id": text, "title": texts, "weight": number})
    pack = _object(
        {
            "id": text,
            "title": texts,
            "base": number,
            "dimensions": _array(dimension),
            "signer": text,
            "versions": _array(_object({"version": text, "sha256": text})),
        }
    )
    rule = {
        "dimension": text,
        "severity": text,
        "points": number,
        "fatal": {"type": "boolean"},
        "cap": _or_null(number),
        "clause": text,
        "title": texts,
        "why": texts,
    }
    evidence = _member(FINDINGS.fields, "verdicts", "evidence")
    finding = _of_class(Finding, {"evidence": _array(_of_fields(evidence.fields))})
    call = _of_class(
        Call,
        {
            "dimensions": _array(_of_fields(_member(SCORES.fields, "dimensions").fields)),
            "agent_key": {**text, "description": "`id` of its row in `agents`."},
            "findings": _array(finding),
        },
    )
    summary = _of_fields(SUMMARIES.fields)
    document = _object(
        {
            "schema": {"const": SCHEMA},
            "title": text,
            "tool_version": text,
            "pack": _or_null(pack),
            "made_with": _of_class(MadeWith, {"models": _array({"type": "array", "items": text})}),
            "totals": _of_class(Totals, {}),
            "whole": _or_null(summary),
            "providers": _array(summary),
            "agents": _array(summary),
            "quality": {"type": "object", "additionalProperties": _of_fields(QUALITY.fields)},
            "agreement": {"type": "object", "additionalProperties": _of_fields(AGREEMENT.fields)},
            "corrected": _array(_of_fields(CORRECTED.fields)),
            "rules": {"type": "object", "additionalProperties": _object(rule)},
            "left_out": {**count, "description": "Calls that are counted, but not among `calls`."},
            "calls": _array(call),
        }
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, "title": "qc report", **document}


def schema_file() -> bytes:
    """The schema's bytes."""
    return (json.dumps(json_schema(), ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": sorted(properties), "additionalProperties": False}


def _array(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [dict(schema), {"type": "null"}]}


def _member(fields: Iterable[Field], *path: str) -> Field:
    found = next(f for f in fields if f.name == path[0])
    return _member(found.fields, *path[1:]) if path[1:] else found


def _of_fields(fields: Iterable[Field]) -> dict[str, Any]:
    return _object({f.name: {**_or_null(_of_field(f)), "description": f.meaning} for f in fields})


def _of_field(field: Field) -> dict[str, Any]:
    if field.type == "list<struct>":
        return _array(_of_fields(field.fields))
    if field.type.startswith("list<"):
        return _array(_TYPES[field.type[5:-1].rstrip("3264")])
    return _TYPES[field.type.rstrip("3264")]


_TYPES: dict[Any, dict[str, Any]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}


def _of_class(kind: type, known: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass that are written. `known`: those whose types say too little, and others besides."""
    hints = get_type_hints(kind)
    return _object({**{n: _of_hint(hints[n]) for n in _written(kind) if n not in known}, **known})


def _of_hint(hint: Any) -> dict[str, Any]:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        given, *_ = (a for a in inside if a is not type(None))
        return _or_null(_of_hint(given))
    return _array(_of_hint(inside[0])) if origin is tuple else _TYPES[hint]
