"""`qc scan` and `qc rules` as a person runs them: what is printed where, and the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qc.errors import Exit
from qc.store import Store


def qc(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qc", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "store")
    place = {"channel": 0, "role": "agent", "start_ms": 0, "end_ms": 2000}
    opened.append(
        "transcripts",
        [{"call_id": "c1", "status": "ok", "turns": [{**place, "turn": 0, "text": "尽快"}], "spans": [{**place, "heard": True}]}],
    )
    return opened


def test_scanning_and_its_exit_codes(store: Store, pack_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = pack_folder({"r": "{says: [尽快]}"}, severity="medium")
    done = qc("scan", "--rules", folder, "--store", store.path, "--fail-on", "high")
    assert done.returncode == Exit.OK, done.stderr
    assert "1 medium" in done.stdout
    done = qc("scan", "--rules", folder, "--store", store.path, "--fail-on", "medium", "--json")
    assert done.returncode == Exit.FINDINGS
    value = json.loads(done.stdout)
    assert (value["calls"], value["skipped"], value["hits"]["medium"]) == (1, 1, 1)
    store.append("transcripts", [{"call_id": "c2", "status": "failed", "reason": "empty", "message": "m"}])
    assert qc("scan", "--rules", folder, "--store", store.path, "--fail-on", "low").returncode == Exit.FAILED_CALLS


def test_what_is_wrong_is_said_before_anything_is_scanned(store: Store, pack_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = pack_folder({"r": "{says: [尽快]}"})
    assert qc("scan", "--rules", folder, "--store", store.path, "--fail-on", "bad").returncode == Exit.USAGE
    assert qc("scan", "--rules", tmp_path / "none", "--store", store.path).returncode == Exit.USAGE
    assert qc("scan", "--rules", tmp_path / "theirs.qcpack", "--store", store.path).returncode == Exit.UNTRUSTED
    assert qc("scan", "--rules", folder, "--store", tmp_path / "empty").returncode == Exit.STOPPED
    assert not store.parts("findings")


def test_check_tells_every_problem_of_every_pack(pack_folder: Callable[..., Path]) -> None:
    good = pack_folder({"r": "{says: [尽快]}"})
    bad = pack_folder({"r": "{say: [尽快]}"}, pack_id="q", severity="hihg")
    assert qc("rules", "check", good).returncode == Exit.OK
    done = qc("rules", "check", good, bad)
    assert done.returncode == Exit.USAGE
    assert "did you mean 'high'?" in done.stderr
    assert "2 problems" in done.stderr
    listed = json.loads(qc("rules", "check", bad, "--json").stdout)["error"]["problems"]
    assert [p["where"].split(":")[-2] for p in listed] == ["11", "13"]


def test_cases_that_fail_are_shown_with_what_came_out(pack_folder: Callable[..., Path]) -> None:
    done = qc("rules", "test", pack_folder({"r": "{says: [a]}"}))
    assert done.returncode == Exit.OK, done.stdout
    folder = pack_folder({"r": "{says: [b]}"})
    done = qc("rules", "test", folder)
    assert done.returncode == Exit.FINDINGS
    assert "must be miss, came out hit: b" in done.stdout
    value = json.loads(qc("rules", "test", folder, "--json").stdout)
    assert (value["failed"], len(value["cases"])) == (2, 2)
    assert qc("rules", "test", folder, "--rule", "x").returncode == Exit.USAGE


def test_list_shows_rules_in_both_languages() -> None:
    pack = Path(__file__).parents[2] / "rules" / "ecommerce-zh"
    assert "承诺没有时限" in qc("rules", "list", pack, "--lang", "zh").stdout
    assert "Promise without a time" in qc("rules", "list", pack).stdout
    value = json.loads(qc("rules", "list", pack, "--json").stdout)
    assert len(value["packs"][0]["rules"]) >= 30
