"""Recordings of people, telephones, noise and broken files that others collected: QC_TEST_DATA names their folder; else skipped.

Every file is decoded or refused with a reason of the table, none crashes or hangs; what is decoded is as long as others say;
speech lies where labels say it does. The figures of each collection: `python bench/recordings.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import recordings
from qc.transcribe.reasons import REASONS, WARNINGS

DATA = Path(os.environ.get("QC_TEST_DATA", "/nowhere"))
pytestmark = pytest.mark.skipif(not (DATA / "AUDIO.tsv").is_file(), reason="QC_TEST_DATA names no folder of recordings")


@pytest.mark.parametrize("collection", recordings.COLLECTIONS)
def test_every_file_is_decoded_or_refused_with_a_reason(collection: str) -> None:
    found = [recordings.look(path, DATA) for path in recordings.files(DATA / collection)]
    assert found
    for one in found:
        assert one.reason is None or one.reason in REASONS
        assert {w.partition(":")[0] for w in one.warnings} <= {w.partition(":")[0] for w in WARNINGS}
    if collection != "audio_malformed":
        # Headerless ones say how to be read, and so is one whose header is missing; everything else is heard.
        assert {one.reason for one in found} <= {None, "headerless", "not_audio"}
        known = [one for one in found if one.listed_ms and one.reason is None]
        assert len(known) >= 20
        # An MP3's frames hold up to two frames' time of nothing, which decoding leaves out and ffprobe counts.
        wrong = [one for one in known if abs(one.duration_ms - one.listed_ms) > (200 if one.name.endswith(".mp3") else 50)]
        assert wrong == []


def test_speech_is_found_where_labels_say_that_it_is() -> None:
    found = recordings.labelled(DATA)
    assert len(found) >= 5
    assert all(one.recall >= (0.95 if one.by == "people" else 0.75) for one in found), found


def test_speech_of_people_is_found_in_every_recording_of_speech() -> None:
    silent = [
        one.name
        for collection in ("audio_zh", "audio_en", "audio_telephone")
        for one in (recordings.look(path, DATA) for path in recordings.files(DATA / collection))
        if one.reason is None and not one.speech_ms and one.duration_ms > 1_200
    ]
    assert silent == []
