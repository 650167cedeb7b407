"""`qc rules conform`: the suite answered, written for others, and others' answers marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qc.cli.main import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["rules", "conform", *arguments])
    return int(left.value.code or 0)


@pytest.mark.parametrize("who", [[], ["--reference"]])
def test_it_answers_the_suite(capsys: pytest.CaptureFixture[str], who: list[str]) -> None:
    assert run("--case", "silence-length", *who) == 0
    assert capsys.readouterr().out == "8 cases, all as they must be.\n"


def test_another_program_reads_answers_and_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, answers = tmp_path / "cases.jsonl", tmp_path / "answers.jsonl"
    assert run("--case", "silence-length", "--write", str(written)) == 0
    cases = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    answers.write_text("".join(json.dumps({"id": c["id"], **c["expect"]}) + "\n" for c in cases), encoding="utf-8")
    assert run("--case", "silence-length", "--answers", str(answers)) == 0
    lines = answers.read_text(encoding="utf-8").splitlines()
    answers.write_text("\n".join([lines[0].replace("miss", "hit"), *lines[2:]]), encoding="utf-8")
    capsys.readouterr()
    assert run("--case", "silence-length", "--answers", str(answers), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["cases"], told["wrong"]) == (8, 2)
    assert told["results"][0]["wrong"] == ['verdict: expected "miss", answered "hit"']
    assert told["results"][1]["wrong"] == ["no answer"]


@pytest.mark.parametrize("text", ["hit", "[]", '{"verdict": "hit"}', "[" * 100_000])
def test_answers_that_are_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text(text, encoding="utf-8")
    assert run("--answers", str(answers)) == 2
    assert "answers.jsonl:1" in capsys.readouterr().err


def test_a_case_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--case", "nothing-so-called") == 2
    assert "no case" in capsys.readouterr().err
