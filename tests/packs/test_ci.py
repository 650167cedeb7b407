"""Packs under continuous integration: JUnit results, commit hooks, the workflow in the docs, trust in `qc run`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from qc.cli import junit
from qc.errors import Exit
from qc.packs.load import folder_of
from qc.packs.nodes import read_yaml
from tests.packs.conftest import Run

ROOT = Path(__file__).parents[2]


def test_junit_counts_every_case_and_says_what_must_come_out(folder: Path, tmp_path: Path, qc: Run) -> None:
    out = tmp_path / "results" / "junit.xml"
    assert qc("rules", "test", folder, "--junit", out)[0] == Exit.OK
    root = ET.parse(out).getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "0")
    assert [t.get("classname") for t in root.iter("testcase")] == ["small.promise", "small.promise"]
    rules = folder / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("三小时内", "我们会尽早 <联系> & 回复"), encoding="utf-8")
    code, _ = qc("rules", "test", folder, "--junit", out)
    assert code == Exit.FINDINGS
    root = ET.parse(out).getroot()
    assert root.get("failures") == "1"
    (failure,) = root.iter("failure")
    assert failure.get("message") == "must be miss, came out hit"
    assert "<联系> & 回复" in (failure.text or "")
    assert "rules.yaml" in (failure.text or "")


def test_junit_holds_nothing_that_xml_cannot() -> None:
    assert junit._text("a\x08b\uffff\ud800<中😀>") == "a�b��<中😀>"


def test_a_file_of_a_pack_stands_for_the_pack(folder: Path, tmp_path: Path, qc: Run) -> None:
    (folder / "README.md").write_text("hello\n", encoding="utf-8")
    for name in ("pack.yaml", "rules.yaml", "lists/times.yaml", "README.md"):
        assert folder_of(folder / name) == folder
    alone = tmp_path / "alone.yaml"
    alone.write_text("id: x\n", encoding="utf-8")
    assert folder_of(alone) == alone
    code, said = qc("rules", "check", folder / "rules.yaml", folder / "lists" / "times.yaml")
    assert (code, said.count("no problems")) == (Exit.OK, 1)


def test_the_commit_hooks_run_verbs_that_there_are(folder: Path, qc: Run) -> None:
    tree = read_yaml((ROOT / ".pre-commit-hooks.yaml").read_bytes(), "hooks")
    assert tree is not None
    hooks = [{key.text: value.text for key, value in item.pairs} for item in tree.items]
    assert {h["id"] for h in hooks} == {"qc-rules-check", "qc-rules-test"}
    for hook in hooks:
        assert hook["language"] == "python"
        assert all(re.search(hook["files"], name) for name in ("rules/a/pack.yaml", "rules/a/lists/b.txt"))
        assert not re.search(hook["files"], ".github/workflows/ci.yml")
        program, *verb = shlex.split(hook["entry"])
        assert program == "qc"
        assert qc(*verb, folder / "rules.yaml", folder / "pack.yaml")[0] == Exit.OK
    (folder / "rules.yaml").write_text("- id: [\n", encoding="utf-8")
    assert qc(*verb, folder / "rules.yaml")[0] == Exit.USAGE


def test_run_verifies_a_sealed_pack_before_it_starts(folder: Path, tmp_path: Path, qc: Run) -> None:
    assert qc("rules", "keygen", "Acme", "-o", tmp_path / "acme")[0] == Exit.OK
    assert qc("rules", "keygen", "Other", "-o", tmp_path / "other")[0] == Exit.OK
    sealed = tmp_path / "small.qcpack"
    assert qc("rules", "export", folder, "--key", tmp_path / "acme.key", "-o", sealed)[0] == Exit.OK
    (tmp_path / "calls").mkdir()
    common = ("run", tmp_path / "calls", "--rules", sealed, "--store", tmp_path / "store", "-o", tmp_path / "report")
    code, said = qc(*common, "--trust", tmp_path / "other.pub")
    assert (code, "[trust]" in said) == (Exit.UNTRUSTED, True)
    for trusting in (("--trust", tmp_path / "acme.pub"), ("--trust", tmp_path / "other.pub", "--allow", "trust")):
        code, said = qc(*common, *trusting)
        assert (code, "no recording was found" in said) == (Exit.USAGE, True)


@pytest.mark.parametrize("word", ["rules check", "rules test", "--junit", "qc-rules-check"])
def test_the_docs_show_a_workflow_and_the_hooks(word: str) -> None:
    assert word in (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")
