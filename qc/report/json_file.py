"""The whole report as one JSON document, for programs: sorted keys, text exactly as it is in the tables. Shape: docs/reports.md."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from qc.report.model import Call, ReportData
from qc.version import VERSION

SCHEMA = "qc.report/1"


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
        "rules": {r.id: _rule(r) for r in data.rules.values()},
        "calls": [_call(c) for c in data.calls],
    }
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return (text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n").encode("utf-8", "surrogatepass")


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
    plain = {k: getattr(rule, k) for k in ("dimension", "severity", "points", "fatal", "cap", "clause")}
    return {**plain, "title": dict(rule.title), "why": dict(rule.why)}


def _call(call: Call) -> dict[str, Any]:
    value = {f.name: getattr(call, f.name) for f in dataclasses.fields(call) if f.name not in ("findings", "agent")}
    return {**value, "agent_key": call.agent, "findings": [_finding(f) for f in call.findings]}


def _finding(finding: Any) -> dict[str, Any]:
    return {f.name: getattr(finding, f.name) for f in dataclasses.fields(finding) if f.name not in ("excerpts", "more")}
