"""The process that others are forked from begins early only where there is much to scan, and leaves nothing behind in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qc.scan import ahead
from qc.store import Store
from tests.scan.test_stage import transcript


def test_it_begins_where_the_files_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(ahead, "get_ready", lambda *, machine_code: begun.append(machine_code))
    store = Store(tmp_path / "store")
    ahead.get_ready_for(store.path)
    part = store.append("transcripts", [transcript("c1", ["agent: 您好"])])
    assert part is not None
    ahead.get_ready_for(store.path)
    assert begun == []
    monkeypatch.setattr(ahead, "LARGE_BYTES", part.stat().st_size)
    ahead.get_ready_for(store.path)
    assert begun == [True]


def test_a_glance_at_the_command_line_finds_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(ahead, "get_ready", lambda *, machine_code: begun.append(machine_code))
    monkeypatch.setattr(ahead, "LARGE_BYTES", 1)
    monkeypatch.chdir(tmp_path)
    Store(tmp_path / "here").append("transcripts", [transcript("c1", ["agent: 您好"])])
    for arguments in (
        ["scan", "--store", "here"],
        ["scan", "--store=here", "--json"],
        ["scan", "--store", str(tmp_path / "here")],
    ):
        ahead.glance(arguments)
    assert begun == [True] * 3
    for arguments in (["scan"], ["scan", "--store"], ["scan", "--store", "none"], ["scan", "--store", "a\0b"]):
        ahead.glance(arguments)
    for more in ("--explain", "--processes=1", "--help"):
        ahead.glance(["scan", "--store", "here", more])
    assert begun == [True] * 3


@pytest.mark.parametrize("before", [None, "glibc.malloc.check=0"])
def test_the_environment_is_left_as_it_was(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if before is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", before)
    with ahead._large_pages():
        assert os.environ["GLIBC_TUNABLES"].split(":") == [*([before] if before else []), "glibc.malloc.hugetlb=1"]
    assert os.environ.get("GLIBC_TUNABLES") == before


def test_it_is_light_and_what_is_loaded_ahead_leaves_linear_algebra_to_others() -> None:
    light = "import sys; import qc.scan.ahead; assert not {'numpy', 'pyarrow', 'numba'} & set(sys.modules)"
    ready = "import sys, gc; import qc.scan.ready; assert 'numba' in sys.modules and 'scipy.linalg' not in sys.modules and gc.isenabled()"
    for program in (light, ready):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
    pytest.importorskip("scipy")
    there = "import qc.scan.ready, scipy.linalg; assert scipy.linalg.norm([3.0, 4.0]) == 5"
    subprocess.run([sys.executable, "-c", there], check=True, timeout=300)
