"""Rules and transcripts in a line: what the scan tests are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from qc.packs import Pack, load_pack

HEAD = """\
id: {id}
version: 1.0.0
language: 1
title: t
{extra}dimensions: [{{id: d, title: d}}]
rules:
"""
RULE = """\
  - id: {id}
    title: t
    why: w
    dimension: d
    severity: {severity}
    points: -1
    when: {when}
    cases: {{hit: [{{agent: a}}], miss: [{{agent: b}}]}}
    {more}
"""
CHANNEL = {"agent": 0, "customer": 1}

MakePack = Callable[..., Pack]
MakeRow = Callable[..., dict[str, Any]]


@pytest.fixture
def pack_folder(tmp_path: Path) -> Callable[..., Path]:
    """A pack's folder from conditions in YAML flow style, by rule id."""

    def make(whens: dict[str, str], *, pack_id: str = "p", extra: str = "", severity: str = "medium", more: str = "") -> Path:
        folder = tmp_path / f"pack-{pack_id}"
        folder.mkdir(exist_ok=True)
        rules = "".join(RULE.format(id=name, when=when, severity=severity, more=more) for name, when in whens.items())
        (folder / "pack.yaml").write_text(HEAD.format(id=pack_id, extra=extra) + rules, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def make_pack(pack_folder: Callable[..., Path]) -> MakePack:
    return lambda whens, **kwargs: load_pack(pack_folder(whens, **kwargs))


def span(role: str, start_ms: int, end_ms: int, heard: bool = True) -> dict[str, Any]:
    return {"role": role, "channel": CHANNEL.get(role, 2), "start_ms": start_ms, "end_ms": end_ms, "heard": heard}


@pytest.fixture
def make_row() -> MakeRow:
    """A row of `transcripts` from turns; spans follow from them, and more spans may be added."""

    def make(
        turns: Sequence[dict[str, Any]], *, spans: Sequence[dict[str, Any]] = (), call_id: str = "c1", **more: Any
    ) -> dict[str, Any]:
        numbered = [{**t, "turn": i} for i, t in enumerate(turns)]
        own = [span(t["role"], t["start_ms"], t["end_ms"], not t.get("flags")) for t in turns if t["start_ms"] is not None]
        ordered = sorted([*own, *spans], key=lambda s: s["start_ms"])
        return {"call_id": call_id, "status": "ok", "turns": numbered, "spans": ordered, "warnings": [], **more}

    return make
