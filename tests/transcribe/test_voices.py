"""Two voices on one channel are told apart, the agent's by what it says; what is unsure stays unknown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qc.audio import decode
from qc.transcribe import voices
from qc.transcribe.call import hear_call, identity
from qc.transcribe.engines import CallKey, Heard, Window
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import prepare
from qc.transcribe.speakers import FLOOR, agent_of
from qc.transcribe.voices import tell_apart
from qc.transcribe.windows import Span
from tests.audio.sounds import write_wav

SAMPLES = Path(__file__).parents[2] / "audio_samples"
needs_sklearn = pytest.mark.skipif(not voices.can_tell(), reason="needs the extra `mono`")


def truth(call_id: str) -> dict[str, Any]:
    lines = (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return next(v for v in map(json.loads, lines) if v["call_id"] == call_id)


class Knowing:
    """An engine that hears what was said by when it was said: who said it, it does not know."""

    name, model, model_sha256, longest_ms = "whisper", "m", "d", 28_000

    def __init__(self, turns: Sequence[dict[str, Any]]) -> None:
        self.turns = turns

    def spans(self, call: CallKey) -> None:
        return None

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        return [Heard(self._said(w), -0.2, 0.01) for w in windows]

    def _said(self, window: Window) -> str:
        best = max(self.turns, key=lambda t: min(t["end_ms"], window.end_ms) - max(t["start_ms"], window.start_ms))
        return str(best["text"])


def mono_row(call_id: str, folder: Path, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(row of the call mixed to one channel, its truth)."""
    said = truth(call_id)
    mixed = decode(SAMPLES / said["file"]).samples.mean(axis=0)
    path = write_wav(folder / "mono.wav", mixed, rate=16_000)
    how = TranscribeOptions(device="cpu", **options)
    call = {"call_id": "m", "file": "mono.wav", "path": str(path), "sha256": "0", "agent_channel": None}
    engine = Knowing(said["turns"])
    ready = prepare(call, how, engine.longest_ms, engine.spans)
    return hear_call(call, ready, engine, how), said


def right_share(row: dict[str, Any], said: dict[str, Any]) -> float:
    """Of the time in which one side alone speaks and a turn says who: the share in which it says right."""
    length = max(t["end_ms"] for t in said["turns"]) // 10 + 1
    true, told = np.zeros((2, length), bool), np.full(length, -1)
    for turn in said["turns"]:
        true[turn["channel"], turn["start_ms"] // 10 : turn["end_ms"] // 10] = True
    for turn in row["turns"]:
        told[turn["start_ms"] // 10 : turn["end_ms"] // 10] = {"agent": 0, "customer": 1}.get(turn["role"], -1)
    counted = (true[0] ^ true[1]) & (told >= 0)
    assert counted.mean() > 0.4
    return float((told[counted] == true[1][counted]).mean())


@needs_sklearn
@pytest.mark.parametrize("call_id", ["c001", "c005", "c017"])
def test_a_call_mixed_to_one_channel_has_its_roles_told_by_voice(call_id: str, tmp_path: Path) -> None:
    row, said = mono_row(call_id, tmp_path)
    assert row["warnings"][0] == "mono"
    assert 60 <= int(row["warnings"][1].removeprefix("voices:")) <= 100
    assert right_share(row, said) > 0.95
    assert [(r["channel"], r["role"]) for r in row["roles"]] in (
        [(0, "agent"), (0, "customer")],
        [(0, "customer"), (0, "agent")],
    )
    assert sum(r["speech_ms"] for r in row["roles"]) == sum(s["end_ms"] - s["start_ms"] for s in row["spans"])


@needs_sklearn
def test_without_a_greeting_or_when_it_is_switched_off_the_roles_stay_unknown(tmp_path: Path) -> None:
    row, _ = mono_row("c001", tmp_path, voices=False)
    assert (row["warnings"], {t["role"] for t in row["turns"]}) == (["mono"], {"unknown"})
    said = truth("c001")
    mixed = decode(SAMPLES / said["file"]).samples.mean(axis=0)
    path = write_wav(tmp_path / "mono.wav", mixed, rate=16_000)
    call = {"call_id": "m", "file": "mono.wav", "path": str(path), "sha256": "0", "agent_channel": None}
    engine = Knowing([t | {"text": "今天天气不错"} for t in said["turns"]])
    how = TranscribeOptions(device="cpu")
    row = hear_call(call, prepare(call, how, engine.longest_ms, engine.spans), engine, how)
    assert (row["warnings"], {t["role"] for t in row["turns"]}) == (["mono"], {"unknown"})
    row, _ = mono_row("c001", tmp_path, mono_role="agent")
    assert {t["role"] for t in row["turns"]} == {"agent"}


@needs_sklearn
def test_one_voice_is_not_two() -> None:
    for call_id, side in (("c001", 0), ("c015", 0)):
        said = truth(call_id)
        turns = [t for t in said["turns"] if t["channel"] == side]
        spans = [Span(0, t["start_ms"], t["end_ms"], t["start_ms"], t["end_ms"]) for t in turns]
        found = tell_apart(decode(SAMPLES / said["file"]).samples[side], spans)
        assert found is None or found.sureness < FLOOR


@needs_sklearn
def test_pieces_are_in_order_and_cover_the_stretches_that_they_are_of() -> None:
    said = truth("c001")
    mixed = decode(SAMPLES / said["file"]).samples.mean(axis=0)
    whole = [Span(0, 500, 25_000, 500, 25_000), Span(0, 26_000, 50_000, 26_000, 50_000)]
    found = tell_apart(mixed, whole)
    assert found is not None
    assert len(found.spans) > 6
    assert len(found.spans) == len(found.speakers)
    for span in whole:
        pieces = [s for s in found.spans if span.start_ms <= s.start_ms < span.end_ms]
        assert (pieces[0].start_ms, pieces[-1].end_ms) == (span.start_ms, span.end_ms)
        assert all(a.end_ms == b.start_ms for a, b in pairwise(pieces))
        assert all(p.end_ms > p.start_ms and p.hear_from_ms <= p.start_ms and p.end_ms <= p.hear_to_ms for p in pieces)
    again = tell_apart(mixed, whole)
    assert again == found


@needs_sklearn
def test_silence_and_too_little_speech_tell_nothing() -> None:
    assert tell_apart(np.zeros(16_000 * 60, np.float32), [Span(0, 0, 60_000, 0, 60_000)]) is None
    assert tell_apart(np.zeros(0, np.float32), []) is None


@pytest.mark.parametrize(
    ("texts", "agent"),
    [
        ((["您好，优品客服中心，工号三零二五为您服务"], ["我的订单还没到"]), 0),
        ((["喂，我要退货"], ["感谢您的来电，请问有什么可以帮您", "好的，帮您登记"]), 1),
        ((["Thank you for calling Acme, my name is Joe.", "May I have your order number?"], ["I ordered a lamp."]), 0),
        ((["好的"], ["嗯"]), None),
        ((["为您服务", "我的订单"], ["您稍等"]), None),
        (([], []), None),
    ],
)
def test_the_agent_is_who_talks_like_one(texts: tuple[list[str], list[str]], agent: int | None) -> None:
    assert agent_of(texts, 0.95)[0] == agent
    assert agent_of(texts, 0.3)[0] is None


def test_the_options_say_whether_voices_were_told_apart() -> None:
    call = {"call_id": "m", "sha256": "0", "agent_channel": None}
    engine = Knowing([])
    one, two = (identity(call, engine, TranscribeOptions(voices=on))["options"] for on in (True, False))
    assert (one == two) is not voices.can_tell()
