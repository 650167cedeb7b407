"""Bad days: processes that are killed, hang, run out of memory or lose their device; disks that are full or vanish.

Whatever happens, every other call is done, each call that cannot be is a row that says why, and run again the tables are those
of a run that nobody disturbed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qc.audio.decode import DecodeOptions
from qc.calls import CallOptions, build_calls, save_calls
from qc.errors import QcError, StoreError
from qc.progress import Silent
from qc.store import Store
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import TranscribeSummary, transcribe
from qc.transcribe.work import Doors
from tests.audio.sounds import tone, write_wav
from tests.transcribe.faults import DYING, KNOWING, PRODUCED, as_a_command
from tests.transcribe.models import calls_folder, dialogue

posix = pytest.mark.skipif(os.name == "nt", reason="signals and mounts are other things there")


def named(folder: Path, names: tuple[str, ...], good: int = 5) -> tuple[Path, Path]:
    """(folder with good calls and one of each name, their prepared transcripts)."""
    recordings, model = calls_folder(folder, good)
    lines = [model.read_text(encoding="utf-8")]
    for number, name in enumerate(names, 100):
        write_wav(recordings / name, np.stack([tone(300 + number, 3.2), tone(400, 3.2)]))
        lines.append(json.dumps({"file": name, "turns": dialogue(number)}, ensure_ascii=False) + "\n")
    model.write_text("".join(lines), encoding="utf-8")
    return recordings, model


def run(folder: Path, store: Path, model: Path, doors: Doors | None = None, **options: Any) -> TranscribeSummary:
    rows, _ = build_calls(CallOptions((folder,)))
    place = Store(store)
    save_calls(place, rows)
    return transcribe(place, TranscribeOptions(model=str(model), device="cpu", **options), Silent(), rows, doors)


def table(store: Path) -> list[dict[str, Any]]:
    return Store(store).read("transcripts").to_pylist()


def by_file(folder: Path, store: Path) -> dict[str, dict[str, Any]]:
    names = {r["call_id"]: r["file"] for r in Store(store).read("calls").to_pylist()}
    return {names[r["call_id"]]: r for r in table(store)}


def test_other_processes_give_the_rows_that_this_one_gives(tmp_path: Path) -> None:
    folder, model = named(tmp_path, ("empty.wav",))
    (folder / "empty.wav").write_bytes(b"")
    run(folder, tmp_path / "here", model)
    summary = run(folder, tmp_path / "crew", model, PRODUCED, workers=1, producers=1)
    assert summary.failed == {"empty": 1}
    assert table(tmp_path / "crew") == table(tmp_path / "here")


@posix
def test_what_kills_a_process_twice_is_a_row_and_all_others_are_done(tmp_path: Path) -> None:
    folder, model = named(tmp_path, ("c001kill.wav", "c002dies.wav", "c003lost.wav", "c003memory.wav", "c004leave.wav"))
    summary = run(folder, tmp_path / "s", model, PRODUCED, workers=1, producers=1)
    rows = by_file(folder, tmp_path / "s")
    assert summary.failed == {"out_of_memory": 1, "worker_died": 3}
    assert summary.transcribed == 6
    for name, word in (("c001kill.wav", "SIGKILL"), ("c002dies.wav", "SIGKILL"), ("c003lost.wav", "illegal memory access")):
        assert rows[name]["reason"] == "worker_died"
        assert word in rows[name]["message"]
    assert rows["c004leave.wav"]["status"] == "ok"
    healed = run(folder, tmp_path / "s", model)
    assert (healed.skipped, healed.transcribed, healed.failed) == (6, 4, {})
    run(folder, tmp_path / "quiet", model)
    assert [r | {"engine": ""} for r in table(tmp_path / "s")] == [r | {"engine": ""} for r in table(tmp_path / "quiet")]


@posix
def test_where_calls_are_prepared_by_the_one_that_hears_the_same_holds(tmp_path: Path) -> None:
    folder, model = named(tmp_path, ("c001kill.wav", "c002dies.wav"))
    summary = run(folder, tmp_path / "s", model, KNOWING, workers=1)
    assert summary.failed == {"worker_died": 2}
    assert summary.transcribed == 5


@pytest.mark.parametrize("workers", [0, 1])
def test_a_decoder_that_hangs_is_given_up_and_the_others_go_on(workers: int, tmp_path: Path) -> None:
    folder, model = named(tmp_path, ("c001hang.wav",))
    stall = DecodeOptions(stall_s=5.0)
    summary = run(folder, tmp_path / "s", model, PRODUCED, workers=workers, producers=1, decode=stall)
    assert summary.failed == {"timeout": 1}
    assert summary.transcribed == 5
    healed = run(folder, tmp_path / "s", model)
    assert (healed.skipped, healed.transcribed) == (5, 1)


def test_an_engine_that_never_comes_up_is_one_clear_error(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 2)
    with pytest.raises(QcError, match="exit code 3"):
        run(folder, tmp_path / "s", model, DYING, workers=1)
    assert table(tmp_path / "s") == []


# -- kill -9 at random moments --------------------------------------------------------------------------------------


def command(folder: Path, store: Path, model: Path) -> list[str]:
    return [sys.executable, "-m", "qc", "transcribe", str(folder), "--store", str(store), "--model", str(model), "--json"]


def _starter() -> Any:
    """Starts processes from one that has imported what the command needs, so that kills fall into its work and not into imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.transcribe.faults", "qc.cli.main", "qc.cli.transcribe", "qc.calls", "pyarrow.parquet", "av"]
    )
    return context


@posix
def test_killed_at_twenty_random_moments_the_tables_end_up_the_same(tmp_path: Path) -> None:
    seed = int(os.environ.get("QC_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    sys.stderr.write(f"QC_SEED={seed}\n")
    chance = random.Random(seed)
    folder, model = calls_folder(tmp_path, 80)
    began = time.monotonic()
    run(folder, tmp_path / "quiet", model)
    whole_s = time.monotonic() - began
    quiet = table(tmp_path / "quiet")
    kills = halves = midway = rounds = 0
    store = tmp_path / "s"
    starter, arguments = _starter(), command(folder, store, model)[3:]
    while kills < 20:
        process = starter.Process(target=as_a_command, args=(arguments,))
        process.start()
        before = _half_parts(store)
        if kills % 4 == 3:  # while a part is being written
            _wait(process, lambda before=before: bool(_half_parts(store) - before))
        elif kills % 4:  # somewhere in the work
            more = len(Store(store).parts("transcripts")) + chance.randint(1, 4)
            _wait(process, lambda more=more: len(Store(store).parts("transcripts")) >= more)
            process.join(chance.uniform(0, 0.05) * whole_s)
        else:  # anywhere
            process.join(chance.uniform(0.05, 0.6) * whole_s)
        if process.exitcode is None:
            process.kill()
            kills += 1
        process.join()
        halves += bool(_half_parts(store) - before)
        found = table(store)
        midway += 0 < len(found) < len(quiet)
        ids = [r["call_id"] for r in found]
        assert len(ids) == len(set(ids))
        assert all(row in quiet for row in found[:: max(1, len(found) // 7)])
        if len(found) == len(quiet):
            assert found == quiet
            shutil.rmtree(store)
            rounds += 1
    final = subprocess.run(command(folder, store, model), capture_output=True, check=False)
    assert final.returncode == 0, final.stderr.decode()
    assert table(store) == quiet
    sys.stderr.write(f"{kills} kills: {halves} left half a part, {midway} some of the calls; {rounds} rounds finished between\n")
    assert halves >= 2
    assert midway >= 5


def _half_parts(store: Path) -> set[Path]:
    """What is left of parts whose writer was killed."""
    return set((store / "transcripts").glob(".part-*.tmp"))


def _wait(process: Any, until: Callable[[], bool]) -> None:
    """Until something is so, or the process has ended."""
    while process.exitcode is None and not until():
        time.sleep(0.0002)


# -- disks ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[Path]:
    """A small file system of its own at `place`; skips where this user cannot mount one."""
    place.mkdir(parents=True, exist_ok=True)
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs Linux and mount")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def test_a_full_disk_is_a_clear_error_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 40)
    run(folder, tmp_path / "quiet", model)
    with mounted(tmp_path / "disk", "size=256k") as disk:
        (disk / "ballast").write_bytes(b"\0" * 120_000)
        with pytest.raises(StoreError, match="No space left") as caught:
            run(folder, disk / "s", model, commit_calls=1, commit_s=0.0)
        assert caught.value.hint
        kept = table(disk / "s")
        assert len(kept) < 40
        assert not [p for p in (disk / "s").rglob("*") if p.suffix == ".tmp" and p.stat().st_size > 0]
        (disk / "ballast").unlink()
        done = subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert run(folder, disk / "s", model).skipped == len(kept)
        assert table(disk / "s") == table(tmp_path / "quiet")


def test_a_disk_that_is_read_only_is_a_clear_error_before_anything_is_heard(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 2)
    with mounted(tmp_path / "disk", "size=1m") as disk:
        done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        with pytest.raises(StoreError) as caught:
            run(folder, disk / "s", model)
        assert "Read-only" in caught.value.message or os.strerror(errno.EROFS) in caught.value.message


@posix
def test_a_file_system_that_takes_no_more_bytes_is_a_clear_error_for_any_user(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 40)
    run(folder, tmp_path / "quiet", model)
    store = tmp_path / "s"
    small = f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)); sys.argv = {command(folder, store, model)[2:]!r}; runpy.run_module('qc', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", small], capture_output=True, check=False, text=True)
    assert done.returncode == 5, done.stderr
    assert "cannot write" in json.loads(done.stdout)["error"]["message"]
    assert done.stderr == ""
    assert table(store) != table(tmp_path / "quiet")
    run(folder, store, model)
    assert table(store) == table(tmp_path / "quiet")


def test_temporary_files_that_find_no_room_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = calls_folder(tmp_path, 2)
    lines = "".join(f"c{n},c{n}.wav,{'x' * 90}\n" for n in range(5_000))
    (tmp_path / "calls.csv").write_text("call_id,file,note\n" + lines, encoding="utf-8")
    with mounted(tmp_path / "small", "size=64k") as small:
        monkeypatch.setattr("tempfile.tempdir", str(small))
        with pytest.raises(StoreError, match="No space left") as caught:
            build_calls(CallOptions((folder,), tmp_path / "calls.csv"))
        assert "TMPDIR" in caught.value.hint
        assert list(small.iterdir()) == []


def test_a_mount_that_vanishes_under_the_store_leaves_nothing_behind_and_is_gone_on_with_when_it_is_back(tmp_path: Path) -> None:
    folder, model = calls_folder(tmp_path, 12)
    run(folder, tmp_path / "quiet", model)
    rows, _ = build_calls(CallOptions((folder,)))
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    with mounted(kept, "size=8m"), _again(kept, disk):
        store = Store(disk / "s")
        save_calls(store, rows)
        options = TranscribeOptions(model=str(model), device="cpu", commit_calls=1)

        class Vanishing(Silent):
            seen = 0

            def advance(self, calls: int = 1, audio_ms: int = 0, failed: int = 0) -> None:
                self.seen += calls
                if self.seen == 5:
                    subprocess.run(["umount", "-l", str(disk)], check=True)

        with pytest.raises(StoreError, match="gone"):
            transcribe(store, replace(options), Vanishing(), rows)
        assert list(disk.iterdir()) == []
        saved = len(table(kept / "s"))
        assert 0 < saved < 12
        with _again(kept, disk):
            assert run(folder, disk / "s", model).skipped == saved
            assert table(disk / "s") == table(tmp_path / "quiet")


@contextlib.contextmanager
def _again(there: Path, place: Path) -> Iterator[None]:
    """What is mounted at one place, at another one too."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(there), str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
