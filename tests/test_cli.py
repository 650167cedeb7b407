"""The command line as a whole: help, docs, errors, exit codes. The code is asked for the list of verbs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from qc.cli import console
from qc.errors import EXIT_MEANINGS, Exit, PackError, Problem, UsageError

ROOT = Path(__file__).parent.parent


def qc(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qc", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_made_from_the_code_are_current(maker: ModuleType) -> None:
    for name, text in maker.pages().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"docs/{name} is stale: run `make docs`"


def test_every_verb_has_help_with_an_example_and_every_option_is_explained(maker: ModuleType) -> None:
    import typer

    from qc.cli.main import app

    verbs = dict(maker.commands(typer.main.get_command(app), "qc"))
    assert {"qc run", "qc demo", "qc transcribe", "qc import", "qc scan", "qc score", "qc report", "qc doctor"} <= set(verbs)
    for name, command in verbs.items():
        assert command.help, f"{name} has no help"
        assert f"Example:  {name}" in " ".join(command.help.split("\n")).replace("Example: qc", "Example:  qc"), (
            f"{name} shows no example"
        )
        for param in command.params:
            assert param.name == "help" or getattr(param, "help", None), f"{name}: {param.name} is not explained"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; sys.argv = ['qc', '--help']\n"
        "try: runpy.run_module('qc', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "bad = {'torch','whisper','pyarrow','polars','numpy','jinja2','av','re2','ruamel','opencc'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_every_exit_code_has_a_meaning_and_a_place_in_the_docs() -> None:
    assert set(EXIT_MEANINGS) == set(Exit)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for code in Exit:
        assert f"| {int(code)} |" in page


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = qc("transscribe")
    assert done.returncode == Exit.USAGE
    assert "transscribe" in done.stderr


def test_a_store_that_is_not_there_is_one_clear_message(tmp_path: Path) -> None:
    done = qc("store", "info", "--store", str(tmp_path / "none"))
    assert done.returncode == Exit.STOPPED
    assert "there is no store here" in done.stderr
    assert "Traceback" not in done.stderr
    as_json = qc("store", "info", "--store", str(tmp_path / "none"), "--json")
    assert json.loads(as_json.stdout)["error"]["code"] == "store"


def test_errors_are_rendered_with_where_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(UsageError("no such thing", where="--map", hint="write it so"))
    assert capsys.readouterr().err == "error: --map: no such thing\n    write it so\n"
    problems = [Problem("b.yaml", 2, 1, "second", "do that"), Problem("a.yaml", 9, 3, "first")]
    console.show_error(PackError(problems))
    assert capsys.readouterr().err == "a.yaml:9:3: error: first\nb.yaml:2:1: error: second\n    do that\n2 problems.\n"
    console.show_error(PackError(problems), as_json=True)
    assert [p["where"] for p in json.loads(capsys.readouterr().out)["error"]["problems"]] == ["a.yaml:9:3", "b.yaml:2:1"]


def test_escape_sequences_from_strangers_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.out("\x1b[31mred\x07 \x9b2J")
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_an_interrupted_verb_ends_with_its_own_code_and_says_how_to_go_on(tmp_path: Path) -> None:
    code = (
        "import sys, qc.cli.scan as verb, qc.scan as stage\n"
        "def stop(*a, **k): raise KeyboardInterrupt\n"
        "stage.scan = stop\n"
        "from qc.store import Store\n"
        f"Store({str(tmp_path)!r}).append('transcripts', [dict(call_id='a', status='failed', reason='empty')])\n"
        f"sys.argv = ['qc', 'scan', '--rules', {str(ROOT / 'rules' / 'service-en')!r}, '--store', {str(tmp_path)!r}]\n"
        "from qc.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == Exit.INTERRUPTED, done.stderr
    assert "Interrupted. What was finished is saved. Go on with:\n    qc scan --rules" in done.stderr
