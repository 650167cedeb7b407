"""How the command ends: at once, but not before what was printed is out and what is to be done at the end is done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qc.cli import begin


def ended(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], text=True, timeout=60, check=False, **{"capture_output": True, **more})  # type: ignore[call-overload,no-any-return]


def test_what_was_printed_and_what_is_to_be_done_at_the_end_comes_out() -> None:
    done = ended(
        "import atexit, sys\nfrom qc.cli.begin import leave\natexit.register(print, 'last')\nprint('first')\nleave(3)\nprint('never')"
    )
    assert (done.returncode, done.stdout.split()) == (3, ["first", "last"])


def test_the_code_is_that_of_the_command_line() -> None:
    assert subprocess.run([sys.executable, "-m", "qc", "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    assert (
        subprocess.run(
            [sys.executable, "-m", "qc", "scan", "--nonsense"], capture_output=True, timeout=60, check=False
        ).returncode
        == 2
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qc", "--version"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode not in (0, None)
    assert b"No space left" in done.stderr


def test_it_waits_for_threads_that_are_to_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("ended before a thread did"))
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        begin.leave(0)
    finally:
        over.set()
        thread.join()


def test_a_message_instead_of_a_code_is_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("a message would be lost"))
    begin.leave("what went wrong")
