"""A small pack, written to a folder, for tests to spoil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str]]

HEAD = """\
id: small
version: 1.2.3
language: 1
title: {zh: 小包, en: Small}
dimensions:
  - {id: certainty, title: {zh: 有保障, en: Certainty}}
"""
RULE = """\
- id: promise
  title: {zh: 承诺, en: Promise}
  why: {zh: 为什么, en: Because}
  dimension: certainty
  severity: medium
  points: -5
  when:
    who: agent
    says: [尽快, 尽早]
    unless: {list: times}
  cases:
    hit:
      - agent: 我们会尽快联系商家
    miss:
      - agent: 三小时内
"""
LIST = "- /\\d+ ?(分钟|小时)/\n- 今天下午\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pack that loads."""
    pack = tmp_path / "small"
    (pack / "lists").mkdir(parents=True)
    (pack / "pack.yaml").write_text(HEAD, encoding="utf-8")
    (pack / "rules.yaml").write_text(RULE, encoding="utf-8")
    (pack / "lists" / "times.yaml").write_text(LIST, encoding="utf-8")
    return pack


@pytest.fixture
def spoilt(folder: Path) -> Callable[[str, str], Path]:
    """Replace a text in the rules by another; the folder."""

    def spoil(old: str, new: str) -> Path:
        file = folder / "rules.yaml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return spoil


@pytest.fixture
def qc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `qc ARGUMENTS`, as a user who trusts nobody yet: (exit code, what it printed)."""
    from qc.cli.main import main

    monkeypatch.setenv("QC_HOME", str(tmp_path / "settings"))

    def run(*arguments: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return run
