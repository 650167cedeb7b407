"""The whole path: from the sample recordings to pages, killed and gone on with, and what its exit code says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qc.calls import CallOptions
from qc.errors import Exit, PackError, UsageError
from qc.progress import Silent
from qc.report import ReportOptions
from qc.run import RunOptions, RunSummary, run_all
from qc.store import Store
from qc.transcribe.options import TranscribeOptions

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "audio_samples"
PACK = ROOT / "rules" / "ecommerce-zh"
CHAIN = ("calls", "transcripts", "findings", "scores")


def options(out: Path | None, source: Path = SAMPLES) -> RunOptions:
    """The samples with their own truth as prepared transcripts: everything is real but the hearing."""
    return RunOptions(
        calls=CallOptions((source,), SAMPLES / "calls.csv"),
        packs=(PACK,),
        transcribe=TranscribeOptions(model=str(SAMPLES / "truth.jsonl")),
        report_dir=out,
        report=ReportOptions(audio="none"),
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    folder = tmp_path_factory.mktemp("run")
    return folder, run_all(Store(folder / "store"), options(folder / "report"), Silent())


def test_every_call_is_a_row_in_every_table(done: tuple[Path, RunSummary]) -> None:
    store = Store(done[0] / "store")
    ids = {name: store.read(name, ["call_id"])["call_id"].to_pylist() for name in CHAIN}
    listed = {json.loads(line)["call_id"] for line in (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()}
    for name in CHAIN:
        assert set(ids[name]) == listed, name
        assert len(ids[name]) == len(listed), name


def test_broken_recordings_are_rows_with_a_reason_and_the_rest_is_done(done: tuple[Path, RunSummary]) -> None:
    folder, summary = done
    assert summary.transcribe.failed == {"missing_file": 1, "not_audio": 1}
    for name in ("transcripts", "findings", "scores"):
        rows = Store(folder / "store").read(name, ["call_id", "status", "reason"]).to_pylist()
        assert sorted(r["reason"] for r in rows if r["status"] == "failed") == ["missing_file", "not_audio"], name
    assert summary.failed


def test_the_report_is_there_in_both_languages(done: tuple[Path, RunSummary]) -> None:
    folder, summary = done
    assert summary.reports[0].index == folder / "report" / "index.html"
    for lang, word in (("zh", "承诺没有时限"), ("en", "Promise without a time")):
        assert word in (folder / "report" / lang / "index.html").read_text(encoding="utf-8")
        assert len(list((folder / "report" / lang / "agents").glob("*.html"))) == summary.agents


def test_a_second_run_does_nothing_and_changes_nothing(done: tuple[Path, RunSummary]) -> None:
    folder, summary = done
    store = Store(folder / "store")
    before = {name: store.read(name) for name in (*CHAIN, "summaries")}
    pages = {p: p.read_bytes() for p in (folder / "report").rglob("*") if p.is_file()}
    again = run_all(store, options(folder / "report"), Silent())
    assert again.transcribe.skipped == summary.transcribe.calls - 2
    assert again.transcribe.transcribed == 0
    for name, table in before.items():
        assert store.read(name).equals(table), name
    assert {p: p.read_bytes() for p in (folder / "report").rglob("*") if p.is_file()} == pages


def test_a_bad_pack_stops_the_run_before_anything_is_transcribed(tmp_path: Path) -> None:
    pack = shutil.copytree(PACK, tmp_path / "pack")
    (pack / "pack.yaml").write_text("id: broken\n", encoding="utf-8")
    wanted = options(None)
    with pytest.raises(PackError):
        run_all(Store(tmp_path / "store"), RunOptions(wanted.calls, (pack,), wanted.transcribe), Silent())
    assert not (tmp_path / "store").exists()


def test_a_folder_without_recordings_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear", encoding="utf-8")
    wanted = RunOptions(CallOptions((tmp_path,)), (PACK,), options(None).transcribe)
    with pytest.raises(UsageError, match="no recording was found"):
        run_all(Store(tmp_path / "store"), wanted, Silent())


def test_the_same_pack_twice_is_a_usage_error(tmp_path: Path) -> None:
    wanted = options(None)
    with pytest.raises(UsageError, match="the same id"):
        run_all(Store(tmp_path / "store"), RunOptions(wanted.calls, (PACK, PACK), wanted.transcribe), Silent())


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "qc", *arguments], capture_output=True, text=True, timeout=300, check=False)


def test_the_exit_code_says_failed_findings_or_fine(tmp_path: Path) -> None:
    some = tmp_path / "some"
    some.mkdir()
    for name in ("c001.wav", "c002.mp3"):
        shutil.copy(SAMPLES / name, some / name)
    listed = (SAMPLES / "calls.csv").read_text(encoding="utf-8").splitlines()
    (some / "calls.csv").write_text("\n".join(listed[:3]) + "\n", encoding="utf-8")
    base = ["run", str(some), "--calls", str(some / "calls.csv"), "--model", str(SAMPLES / "truth.jsonl")]
    base += ["--store", str(tmp_path / "store"), "-o", str(tmp_path / "report"), "--rules", str(PACK)]
    fine = cli(*base)
    assert fine.returncode == Exit.OK, fine.stderr
    assert "open:" in fine.stdout
    (some / "c003.wav").write_text("this is no recording", encoding="utf-8")
    broken = cli(*base, "--json")
    assert broken.returncode == Exit.FAILED_CALLS
    assert json.loads(broken.stdout)["failed"] == {"not_audio": 1}
    (some / "c003.wav").unlink()
    rude = next(
        json.loads(x)
        for x in (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()
        if '"rude-words", "verdict": "hit"' in x
    )
    shutil.copy(SAMPLES / rude["file"], some / rude["file"])
    base[base.index("--store") + 1] = str(tmp_path / "store2")
    found = cli(*base, "--fail-on", "critical")
    assert found.returncode == Exit.FINDINGS, found.stderr


def test_a_sealed_pack_is_not_trusted_unverified(tmp_path: Path) -> None:
    sealed = tmp_path / "pack.qcpack"
    sealed.write_bytes(b"PK\x03\x04 whatever")
    refused = cli("run", str(SAMPLES), "--rules", str(sealed), "--store", str(tmp_path / "store"), "-o", str(tmp_path / "r"))
    assert refused.returncode == Exit.UNTRUSTED, refused.stderr
    assert not (tmp_path / "store").exists()
