"""Recordings are found by content, in order, once; what is no recording is left out or named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qc.audio.find import Finding, find_recordings, local_path, shown_name, stored_path
from qc.audio.sniff import is_audio
from qc.errors import UsageError
from tests.audio.sounds import encode, two_sides, write_wav


def names(folder: Path, tally: Finding | None = None, skip: tuple[Path, ...] = ()) -> list[str]:
    return [one.relative for one in find_recordings(folder, tally or Finding(), skip)]


def test_recordings_are_found_below_folders_whatever_their_suffix(tmp_path: Path) -> None:
    write_wav(tmp_path / "b" / "two.wav", two_sides())
    write_wav(tmp_path / "a.dat", two_sides())
    encode(tmp_path / "c.mp3", two_sides(), "libmp3lame").rename(tmp_path / "no_suffix")
    assert names(tmp_path) == ["a.dat", "b/two.wav", "no_suffix"]


def test_other_files_are_counted_and_false_recordings_are_kept_to_be_told(tmp_path: Path) -> None:
    for name, data in (
        ("a.csv", b"x,y\n"),
        ("b.png", b"\x89PNG\r\n"),
        ("c.jsonl", b"{}\n"),
        ("u16.txt", "你好".encode("utf-16")),
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "false.mp3").write_bytes(b"no recording")
    tally = Finding()
    assert names(tmp_path, tally) == ["false.mp3"]
    assert tally.ignored == 4


def test_hidden_and_unfinished_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".a.wav", "b.wav.part", "c.wav.tmp", "~$d.wav", ".hidden/e.wav", "f.wav.crdownload", "g.wav~"):
        write_wav(tmp_path / name, two_sides(0.1))
    assert names(tmp_path) == []


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    write_wav(tmp_path / "in" / "a.wav", two_sides(0.1))
    (tmp_path / "in" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "in" / "nowhere.wav").symlink_to(tmp_path / "gone")
    assert names(tmp_path) == ["in/a.wav"]


def test_skipped_folders_are_not_entered(tmp_path: Path) -> None:
    write_wav(tmp_path / "store" / "clip.wav", two_sides(0.1))
    write_wav(tmp_path / "a.wav", two_sides(0.1))
    assert names(tmp_path, skip=(tmp_path / "store",)) == ["a.wav"]


def test_a_single_recording_may_be_given_and_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    assert names(write_wav(tmp_path / "a.wav", two_sides(0.1))) == ["a.wav"]
    with pytest.raises(UsageError):
        names(tmp_path / "no")


def test_names_that_are_no_unicode_survive_a_table(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/" + "通话".encode("gb18030") + b".wav"
    try:
        os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    path = Path(os.fsdecode(raw))
    assert local_path(stored_path(path)) == path
    assert names(tmp_path) == ["通话.wav"]
    stored_path(path).encode("utf-8")
    assert shown_name("plain") == "plain"
    assert local_path(stored_path(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xfb", b"\xff\xfe" + b"a\0" * 400, b"ID3", b"\xff" * 5000, b"RIFF....AVI ", b"#!AMQ\n"]
)
def test_lookalikes_are_no_recordings(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert not is_audio(path)


@pytest.mark.parametrize("name", ["a.mp3", "a.aac", "a.ogg", "a.flac", "a.m4a", "a.webm", "a.aiff", "a.au"])
def test_content_tells_every_kind(name: str, tmp_path: Path) -> None:
    codec = {
        "mp3": "libmp3lame",
        "aac": "aac",
        "ogg": "libopus",
        "flac": "flac",
        "m4a": "aac",
        "webm": "libopus",
        "au": "pcm_mulaw",
    }
    assert is_audio(encode(tmp_path / name, two_sides(), codec.get(name[2:], "pcm_s16be"), rate=16_000))
