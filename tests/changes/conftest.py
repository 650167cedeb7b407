"""A store of made-up calls, spoken as a few agents speak, and a small pack to try on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qc.store import Store

Run = Callable[..., tuple[int, str]]

HEAD = """\
id: small
version: 1.0.0
language: 1
title: {zh: 小包, en: Small}
dimensions:
  - {id: service, title: {zh: 服务, en: Service}}
rules:
"""
RULE = """\
  - id: ID
    title: {zh: 题 ID, en: Title ID}
    why: {zh: 因, en: Why}
    dimension: service
    severity: medium
    points: POINTS
    when: {who: agent, says: [WORDS]}
    cases:
      hit: [{agent: FIRST}]
      miss: [{customer: FIRST}]
"""


def rule(name: str, words: str, points: int = -10) -> str:
    """A rule of the pack: id, words with commas between, points."""
    text = RULE.replace("ID", name).replace("POINTS", str(points)).replace("WORDS", words)
    return text.replace("FIRST", words.split(",")[0])


def write(path: Path, *rules: str, version: str = "1.0.0") -> Path:
    """A pack in one file; its path."""
    path.write_text(HEAD.replace("1.0.0", version) + "".join(rules), encoding="utf-8")
    return path


def turns(*lines: tuple[str, str]) -> list[dict[str, object]]:
    return [
        {"turn": n, "channel": 0 if role == "agent" else 1, "role": role, "start_ms": n * 3000, "end_ms": n * 3000 + 2500, "text": text,
         "flags": []}
        for n, (role, text) in enumerate(lines)
    ]  # fmt: skip


def call(
    store: Store, name: str, lines: list[tuple[str, str]], agent: str = "a1", provider: str = "甲", rating: int | None = None
) -> None:
    """One call of the store."""
    said = turns(*lines)
    spans = [
        {"channel": t["channel"], "role": t["role"], "start_ms": t["start_ms"], "end_ms": t["end_ms"], "heard": True}
        for t in said
    ]
    store.append(
        "calls",
        [{"call_id": name, "agent_id": agent, "agent_name": agent, "provider": provider, "satisfaction": rating, "listed": True, "found": True,
          "meta": [{"name": "csat", "value": None if rating is None else str(rating)}]}],
    )  # fmt: skip
    store.append(
        "transcripts", [{"call_id": name, "status": "ok", "duration_ms": len(said) * 3000, "turns": said, "spans": spans}]
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Twelve calls: six of agent a1 who promises vaguely in four, six of a2 at another provider, one of them failed."""
    made = Store(tmp_path / "store")
    for n in range(6):
        call(
            made,
            f"a{n}",
            [("customer", "什么时候发货"), ("agent", "我们尽快处理" if n < 4 else "三小时内回复您")],
            rating=1 if n < 4 else 5,
        )
        call(
            made,
            f"b{n}",
            [("customer", "我要退款"), ("agent", "好的稍后给您电话" if n == 0 else "今天下午回复您")],
            "a2",
            "乙",
            4,
        )
    made.append("transcripts", [{"call_id": "broken", "status": "failed", "reason": "not_audio"}])
    return made


@pytest.fixture
def qc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `qc ARGUMENTS`: (exit code, what it printed on stdout)."""
    from qc.cli.main import main

    monkeypatch.setenv("QC_HOME", str(tmp_path / "settings"))

    def run(*arguments: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out or said.err

    return run
