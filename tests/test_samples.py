"""The sample recordings are what their README says: files, list, codecs, truth, and what is planted in them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qc.audio import Audio, decode
from qc.errors import AudioError
from qc.packs.trust import trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, scan
from qc.store import Store

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "audio_samples"
PACK = ROOT / "rules" / "ecommerce-zh"
CODECS = {"pcm_alaw", "pcm_mulaw", "pcm_s16le", "gsm_ms", "mp3", "aac", "opus", "amr_nb", "flac"}
NO_RECORDING = {"calls.csv", "truth.jsonl", "README.md"}
TRUTH: list[dict[str, Any]] = [json.loads(line) for line in (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
SPOKEN = [row for row in TRUTH if row["turns"]]


@pytest.fixture(scope="module")
def call_list() -> list[dict[str, str]]:
    with open(SAMPLES / "calls.csv", encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


@pytest.fixture(scope="module")
def decoded() -> dict[str, Audio]:
    """Every recording that the truth says can be decoded, by call id."""
    return {row["call_id"]: decode(SAMPLES / row["file"]) for row in TRUTH if row["codec"]}


def planted(row: dict[str, Any], verdict: str) -> set[str]:
    return {p["rule"] for p in row["planted"] if p["verdict"] == verdict}


def test_the_folder_is_small_enough_to_clone() -> None:
    assert sum(p.stat().st_size for p in SAMPLES.iterdir()) <= 15_000_000


def test_list_truth_and_files_agree(call_list: list[dict[str, str]]) -> None:
    files = {p.name for p in SAMPLES.iterdir()} - NO_RECORDING
    assert files == {r["file"] for r in TRUTH if r["found"]}
    assert [r["call_id"] for r in call_list] == [r["call_id"] for r in TRUTH if r["listed"]]
    assert [r["file"] for r in call_list] == [r["file"] for r in TRUTH if r["listed"]]
    assert len({r["call_id"] for r in TRUTH}) == len(TRUTH)


def test_the_list_has_agents_of_three_providers_and_sane_cells(call_list: list[dict[str, str]]) -> None:
    assert len({r["agent_id"] for r in call_list}) >= 8
    assert len({r["provider"] for r in call_list}) == 3
    assert all(r["hangup"] in ("agent", "customer", "system") for r in call_list)
    assert all(r["satisfaction"] in ("", *"12345") for r in call_list)
    names = {(r["agent_id"], r["agent_name"], r["provider"]) for r in call_list}
    assert len(names) == len({r["agent_id"] for r in call_list})


def test_every_codec_is_there_as_the_truth_says(decoded: dict[str, Audio]) -> None:
    alias = {"mp3float": "mp3", "amrnb": "amr_nb", "libopus": "opus", "libopencore_amrnb": "amr_nb"}
    for row in TRUTH:
        if row["codec"]:
            audio = decoded[row["call_id"]]
            assert alias.get(audio.codec, audio.codec) == row["codec"], row["call_id"]
            assert audio.channels == row["channels"]
    assert {row["codec"] for row in TRUTH if row["codec"]} == CODECS


def test_at_least_thirty_two_channel_calls_of_20_to_120_seconds() -> None:
    good = [r for r in SPOKEN if r["channels"] == 2 and 20_000 <= r["duration_ms"] <= 120_000 and not r["duplicate_of"]]
    assert len(good) >= 30


def test_durations_are_those_of_the_files(decoded: dict[str, Audio], call_list: list[dict[str, str]]) -> None:
    listed = {r["call_id"]: float(r["duration_s"]) * 1000 for r in call_list}
    for row in TRUTH:
        if row["codec"]:
            assert abs(decoded[row["call_id"]].duration_ms - row["duration_ms"]) <= 20, row["call_id"]
            if row["listed"] and "ends early" not in row["notes"]:
                assert abs(listed[row["call_id"]] - row["duration_ms"]) <= 100, row["call_id"]


def test_turns_lie_inside_the_recording_in_order() -> None:
    for row in SPOKEN:
        starts = [t["start_ms"] for t in row["turns"]]
        assert starts == sorted(starts)
        assert all(0 <= t["start_ms"] < t["end_ms"] <= row["duration_ms"] for t in row["turns"]), row["call_id"]
        sides = ("agent", "customer")
        assert all(t["channel"] == (sides.index(t["role"]) if row["channels"] == 2 else 0) for t in row["turns"])


def test_speech_is_where_the_truth_says(decoded: dict[str, Audio]) -> None:
    """A turn is at least 12 dB louder than where nobody speaks, and begins and ends within 50 ms of where it is said to."""
    steps = []
    for row in SPOKEN:
        audio = decoded[row["call_id"]]
        level = _levels(audio)
        for channel in range(audio.channels):
            turns = [t for t in row["turns"] if t["channel"] == channel]
            if not turns:
                continue
            quiet = np.ones(level.shape[1], bool)
            for t in turns:
                quiet[max(0, t["start_ms"] // 10 - 10) : t["end_ms"] // 10 + 10] = False
            floor = float(np.median(level[channel][quiet]))
            for t in turns:
                inside = level[channel, t["start_ms"] // 10 : t["end_ms"] // 10]
                assert np.percentile(inside, 80) > floor + 12, (row["call_id"], t["text"])
                assert inside[:15].max() > floor + 6, (row["call_id"], t["text"])
                assert inside[-15:].max() > floor + 6, (row["call_id"], t["text"])
                start, end = t["start_ms"] // 10, t["end_ms"] // 10
                steps.append(inside[:5].max() - level[channel, max(0, start - 10) : start - 2].max())
                steps.append(inside[-5:].max() - level[channel, end + 2 : end + 10].max())
    assert np.percentile(steps, 5) > 6


def _levels(audio: Audio) -> np.ndarray:
    """dBFS of every 10 ms: float [channels, n]."""
    step = audio.rate_hz // 100
    n = audio.samples.shape[1] // step
    power = np.square(audio.samples[:, : n * step]).reshape(audio.channels, n, step).mean(axis=2)
    return 10 * np.log10(power + 1e-10)


def test_the_truncated_recording_promises_more_than_it_holds(decoded: dict[str, Audio]) -> None:
    (row,) = [r for r in TRUTH if "ends early" in r["notes"]]
    audio = decoded[row["call_id"]]
    assert "truncated" in audio.warnings
    assert audio.expected_ms is not None
    assert audio.expected_ms > audio.duration_ms + 3000


def test_dead_channels_hold_nothing(decoded: dict[str, Audio]) -> None:
    by_note = {r["notes"]: decoded[r["call_id"]].samples for r in TRUTH if "dead" in r["notes"]}
    nothing = 0.001  # G.711 has no zero
    assert np.abs(by_note["both channels are dead"]).max() < nothing
    assert np.abs(by_note["the customer's channel is dead"][1]).max() < nothing
    assert np.abs(by_note["the customer's channel is dead"][0]).max() > 0.1


def test_the_broken_the_missing_the_double_and_the_unlisted_are_there() -> None:
    (broken,) = [r for r in TRUTH if r["found"] and not r["codec"]]
    with pytest.raises(AudioError) as caught:
        decode(SAMPLES / broken["file"])
    assert caught.value.code == "not_audio"
    (missing,) = [r for r in TRUTH if not r["found"]]
    assert missing["listed"] and not (SAMPLES / missing["file"]).exists()
    (double,) = [r for r in TRUTH if r["duplicate_of"]]
    (first,) = [r for r in TRUTH if r["call_id"] == double["duplicate_of"]]
    assert (SAMPLES / double["file"]).read_bytes() == (SAMPLES / first["file"]).read_bytes()
    (unlisted,) = [r for r in TRUTH if not r["listed"]]
    assert unlisted["call_id"] == f"sha256:{hashlib.sha256((SAMPLES / unlisted['file']).read_bytes()).hexdigest()[:16]}"


def test_plants_point_at_their_lines() -> None:
    for row in TRUTH:
        for p in row["planted"]:
            assert p["verdict"] in ("hit", "miss", "undecided")
            if p["turn"] is None:
                assert p["note"]
            else:
                assert p["text"] == row["turns"][p["turn"]]["text"]


def test_one_provider_is_better_than_the_others(call_list: list[dict[str, str]]) -> None:
    provider = {r["call_id"]: r["provider"] for r in call_list}
    bad = Counter(provider[r["call_id"]] for r in TRUTH if r["listed"] for p in planted(r, "hit") if p != "praised-by-customer")
    assert bad["云帆客服"] * 3 < bad["恒信外包"] < bad["迅达服务"]


# ------------------------------------------------------------------ the truth against the starter pack
@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Findings of the starter pack on the truth's own words, by call id: what a recogniser that hears all would give."""
    store = Store(tmp_path_factory.mktemp("truth"))
    store.append("transcripts", [transcript(row) for row in TRUTH if row["codec"]])
    scan(store, [trust_local(PACK)], ScanOptions(), Silent())
    return {row["call_id"]: row for row in store.read("findings").to_pylist()}


def transcript(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `transcripts` that holds the truth. In a mono call nobody knows who speaks."""
    mono = row["channels"] == 1
    turns = [t | {"role": "unknown"} if mono else t for t in row["turns"]]
    return {
        "call_id": row["call_id"],
        "status": "ok",
        "source": "audio",
        "channels": row["channels"],
        "duration_ms": row["duration_ms"],
        "warnings": ["truncated"] if "ends early" in row["notes"] else [],
        "spans": [{k: t[k] for k in ("channel", "role", "start_ms", "end_ms")} | {"heard": True} for t in turns],
        "turns": [t | {"turn": n, "flags": []} for n, t in enumerate(turns)],
    }


def of(finding: dict[str, Any], verdict: str) -> set[str]:
    return {v["rule"] for v in finding["verdicts"] if v["verdict"] == verdict}


def test_every_rule_of_the_starter_pack_is_planted_with_a_near_miss() -> None:
    rules = set(trust_local(PACK).pack.by_id)
    assert set().union(*(planted(r, "hit") for r in TRUTH)) == rules
    assert set().union(*(planted(r, "miss") for r in TRUTH)) == rules


@pytest.mark.parametrize("row", [r for r in TRUTH if r["codec"]], ids=lambda r: r["file"])
def test_the_pack_hits_exactly_what_is_planted(row: dict[str, Any], verdicts: dict[str, dict[str, Any]]) -> None:
    finding = verdicts[row["call_id"]]
    assert finding["status"] == "ok", finding["message"]
    assert of(finding, "hit") == planted(row, "hit")
    assert planted(row, "undecided") <= of(finding, "undecided")


def test_the_evidence_of_a_hit_is_the_planted_line_and_never_a_near_miss(verdicts: dict[str, dict[str, Any]]) -> None:
    for row in TRUTH:
        if not row["codec"]:
            continue
        evidence: dict[str, set[int]] = {}
        for v in verdicts[row["call_id"]]["verdicts"]:
            if v["verdict"] == "hit":
                evidence[v["rule"]] = {e["turn"] for e in v["evidence"] if e["turn"] is not None}
        for p in row["planted"]:
            if p["turn"] is not None and evidence.get(p["rule"]):  # a silence lies between turns
                assert (p["turn"] in evidence[p["rule"]]) == (p["verdict"] == "hit"), (row["call_id"], p)
