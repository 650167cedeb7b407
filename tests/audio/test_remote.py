"""Recordings on other machines: found, fetched, heard; and nothing else there is ever opened."""

from __future__ import annotations

import functools
import http.server
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qc.audio.remote import describe_remote, fetched, find_remote, is_address, is_under
from qc.calls import CallOptions, build_calls
from qc.errors import AudioError, MissingExtraError, QcError, UsageError
from qc.progress import Silent
from qc.store import Store
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import transcribe
from tests.transcribe.models import calls_folder

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(address of a folder in memory with three calls, their prepared transcripts)."""
    folder, model = calls_folder(tmp_path, 3)
    fs = fsspec.filesystem("memory")
    for path in folder.iterdir():
        fs.pipe(f"/calls/day/{path.name}", path.read_bytes())
    fs.pipe("/calls/notes.txt", b"no recording")
    fs.pipe("/secret/other.wav", (folder / "c000.wav").read_bytes())
    yield "memory://calls", model
    fs.rm("/", recursive=True)


def run(sources: tuple[Any, ...], store: Path, model: Path, calls: Path | None = None) -> Any:
    rows, problems = build_calls(CallOptions(sources, calls=calls))
    return transcribe(Store(store), TranscribeOptions(model=str(model), device="cpu"), Silent(), rows), rows, problems


def test_a_folder_on_another_machine_is_heard_like_one_here(
    bucket: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, model = bucket
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    text = model.read_text(encoding="utf-8").replace('"c0', '"day/c0')
    model.write_text(text, encoding="utf-8")
    summary, rows, problems = run((address,), tmp_path / "s", model)
    assert (summary.transcribed, summary.failed, problems) == (3, {}, [])
    assert [r["file"] for r in rows] == ["day/c000.wav", "day/c001.wav", "day/c002.wav"]
    assert rows[0]["path"] == "memory://calls/day/c000.wav"
    assert all(r["sha256"].startswith("tag:") and r["size_bytes"] > 0 for r in rows)
    assert run((address,), tmp_path / "s", model)[0].skipped == 3
    assert list(copies.iterdir()) == []


def test_a_recording_that_changed_there_is_heard_again(bucket: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = bucket
    before = build_calls(CallOptions((address,)))[0]
    fs = fsspec.filesystem("memory")
    fs.pipe("/calls/day/c001.wav", fs.cat("/calls/day/c002.wav") + b"\0\0")
    after = build_calls(CallOptions((address,)))[0]
    assert [a["sha256"] == b["sha256"] for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_a_list_names_recordings_there_but_none_outside(bucket: tuple[str, Path], tmp_path: Path) -> None:
    address, model = bucket
    listed = tmp_path / "calls.csv"
    listed.write_text(
        "call_id,file\n"
        "k000,memory://calls/day/c000.wav\n"
        "k001,day/c001.wav\n"
        "k002,memory://secret/other.wav\n"
        "k003,memory://calls/../secret/other.wav\n"
        "k004,memory://calls/day/none.wav\n",
        encoding="utf-8",
    )
    model.write_text("".join(json.dumps({"call_id": f"k00{n}", "turns": []}) + "\n" for n in range(5)), encoding="utf-8")
    summary, rows, problems = run((address,), tmp_path / "s", model, listed)
    named = {r["call_id"]: r for r in rows}
    assert [named[f"k00{n}"]["found"] for n in range(5)] == [True, True, False, False, False]
    assert [p.line for p in problems] == [4, 5]
    assert all("not opened" in p.message for p in problems)
    assert summary.failed["missing_file"] == 3


def test_what_is_gone_when_it_is_fetched_is_a_missing_file(bucket: tuple[str, Path]) -> None:
    with pytest.raises(AudioError) as caught, fetched("memory://calls/day/none.wav"):
        pass
    assert caught.value.code == "missing_file"
    with pytest.raises(UsageError):
        find_remote("memory://nowhere/at/all")


class Answer(OSError):
    """What a web client raises: an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, message='said so'")
        self.status = status


def wrapped(cause: Exception) -> Exception:
    """As fsspec's web file system raises it: not found, whatever it was."""
    error = FileNotFoundError("https://x/a.wav")
    error.__cause__ = cause
    return error


FAULTS: dict[str, tuple[Exception, str]] = {
    "gone": (FileNotFoundError("gone"), "missing_file"),
    "wrapped-404": (wrapped(Answer(404)), "missing_file"),
    "rights": (PermissionError("AccessDenied"), "denied"),
    "wrapped-403": (wrapped(Answer(403)), "denied"),
    "refused": (ConnectionRefusedError(111, "Connection refused"), "network"),
    "slow": (TimeoutError("timed out"), "network"),
    "no-such-host": (wrapped(socket.gaierror(-2, "Name or service not known")), "network"),
    "busy": (wrapped(Answer(503)), "network"),
    "odd": (ValueError("a fault of its own\nand a long trace"), "unreadable"),
}


class Failing(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A server on which every file has the fault that its name says; `late` ones fail when they are read."""

    protocol = "failing"
    cachable = False

    def _fault(self, path: str) -> Exception:
        return FAULTS[path.rpartition("/")[2].partition(".")[0]][0]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path in ("calls", ""):
            return {"name": path, "type": "directory", "size": 0}
        if "/late/" in path:
            return {"name": path, "type": "file", "size": 100}
        raise self._fault(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        return []

    def _open(self, path: str, *_: Any, **__: Any) -> Any:
        raise self._fault(path)


@pytest.fixture
def failing() -> None:
    fsspec.register_implementation("failing", Failing, clobber=True)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_a_server_is_its_own_reason(name: str) -> None:
    _, code = FAULTS[name]
    if code == "missing_file":
        assert describe_remote(f"failing://calls/{name}.wav") is None
    else:
        with pytest.raises(AudioError) as described:
            describe_remote(f"failing://calls/{name}.wav")
        assert described.value.code == code
        assert described.value.hint
    with pytest.raises(AudioError) as caught, fetched(f"failing://calls/late/{name}.wav"):
        pass
    assert caught.value.code == code
    assert "\n" not in caught.value.message
    with pytest.raises(UsageError) as listed:
        find_remote(f"failing://calls/{name}.wav")
    assert listed.value.code == ("no_folder" if code == "missing_file" else "remote")


@pytest.mark.usefixtures("failing")
def test_a_listed_address_that_does_not_answer_is_a_problem_and_a_row_with_its_reason(tmp_path: Path) -> None:
    listed = tmp_path / "calls.csv"
    lines = [f"k{n},failing://calls/{name}.wav" for n, name in enumerate(FAULTS)]
    listed.write_text("call_id,file\n" + "\n".join(lines) + "\n", encoding="utf-8")
    model = tmp_path / "p.jsonl"
    model.write_text("".join(json.dumps({"call_id": f"k{n}", "turns": []}) + "\n" for n in range(9)), encoding="utf-8")
    summary, rows, problems = run(("failing://calls",), tmp_path / "s", model, listed)
    codes = [code for _, code in FAULTS.values()]
    assert [r["found"] for r in rows] == [code != "missing_file" for code in codes]
    assert [p.line for p in problems] == [n for n, code in enumerate(codes, 2) if code != "missing_file"]
    assert any("refuses" in p.message for p in problems)
    assert summary.failed == {code: codes.count(code) for code in sorted(set(codes))}
    assert [r["reason"] for r in Store(tmp_path / "s").read("transcripts").to_pylist()] == codes


def test_an_address_that_needs_another_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError) as caught:
        find_remote("s3://bucket/calls")
    assert "qc[remote]" in caught.value.hint
    with pytest.raises(QcError):
        find_remote("nosuchthing://x")


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("s3://b/calls/a.wav", True),
        ("s3://b/calls", True),
        ("s3://b/calls2/a.wav", False),
        ("s3://b/calls/../x.wav", False),
        ("s3://c/calls/a.wav", False),
        ("https://user@b/calls/a.wav", False),
        ("s3://b/calls\\..\\x.wav", False),
    ],
)
def test_what_lies_under_an_address(address: str, inside: bool) -> None:
    assert is_under(address, ("s3://b/calls", "https://user")) is inside


def test_what_an_address_is() -> None:
    assert is_address("s3://b/x")
    assert not any(is_address(t) for t in ("/x/y", "C:/x", "file:///x", "x.wav", "s3:/b", "://x"))


def test_recordings_of_a_web_server_are_heard(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="needs the extra `remote`")
    folder, model = calls_folder(tmp_path, 2)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        summary, rows, _ = run((f"http://127.0.0.1:{server.server_port}/c001.wav",), tmp_path / "s", model)
        assert (summary.transcribed, rows[0]["file"]) == (1, "c001.wav")
    finally:
        server.shutdown()
        server.server_close()
