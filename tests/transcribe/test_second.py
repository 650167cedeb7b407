"""A second chance: another cut, then a higher temperature; taken only where it is better, and what stays flagged is never scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qc.calls import CallOptions, build_calls, save_calls
from qc.packs import trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, scan
from qc.store import Store
from qc.transcribe.engines import CallKey, Heard, Window
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.prepare import prepare
from qc.transcribe.run import transcribe
from qc.transcribe.windows import Span
from qc.transcribe.work import Doors
from tests.audio.sounds import tone, write_wav

LOOP = Heard("我们尽快处理" * 8, -0.1)
GOOD = Heard("我要退款", -0.2)
UNSURE = Heard("我要退货", -0.9)
NOTHING = Heard("", -0.2)
WHOLE = 4_000
PACK = """\
id: p
version: 1.0.0
language: 1
title: t
dimensions: [{id: d, title: d}]
rules:
  - {id: promise, title: t, why: w, dimension: d, severity: medium, points: -1,
     when: {who: agent, says: [尽快]}, cases: {hit: [{agent: 尽快}], miss: [{agent: 您好}]}}
  - {id: greeting, title: t, why: w, dimension: d, severity: medium, points: -1,
     when: {who: agent, never_says: [您好]}, cases: {hit: [{agent: 尽快}], miss: [{agent: 您好}]}}
"""
SPANS = [Span(0, 1_000, 1_000 + WHOLE, 800, 5_200)]


class Scripted:
    """An engine that answers by what it is asked: the first hearing, a piece of another cut, a hearing at a temperature."""

    name, model, model_sha256 = "scripted", "scripted", "0" * 64
    longest_ms, at_once, knows_calls, rough_times, greedy = 28_000, 1, False, False, False

    def __init__(self, first: Heard, cut: Sequence[Heard], hot: Heard) -> None:
        self.first, self.cut, self.hot = first, list(cut), hot
        self.asked: list[list[Window]] = []

    def spans(self, call: CallKey) -> None:
        return None

    def hear(self, call: CallKey, windows: Sequence[Window]) -> list[Heard]:
        self.asked.append(list(windows))
        if len(self.asked) == 1:
            return [self.first] * len(windows)
        if windows[0].temperature:
            return [self.hot] * len(windows)
        return [self.cut[n % len(self.cut)] for n in range(len(windows))]


def heard(tmp_path: Path, engine: Scripted, spans: Sequence[Span] = SPANS, **options: Any) -> dict[str, Any]:
    """The row of a call of 60 s, whose sound is quietest at 2.6 s, as the stage writes it."""
    sound = tone(440, 60, 16_000)
    sound[int(2.55 * 16_000) : int(2.65 * 16_000)] *= 0.01
    write_wav(tmp_path / "in" / "c.wav", np.stack([sound, tone(500, 60, 16_000)]), rate=16_000)
    rows, _ = build_calls(CallOptions((tmp_path / "in",)))
    store = Store(tmp_path / "s")
    save_calls(store, rows)
    doors = Doors(
        lambda name, request: engine, lambda call, how, longest, known: prepare(call, how, longest, lambda key: list(spans))
    )
    transcribe(store, TranscribeOptions(workers=0, engine="scripted", **options), Silent(), rows, doors)
    (row,) = store.read("transcripts").to_pylist()
    assert row["status"] == "ok", row["message"]
    return row


def test_another_cut_that_comes_out_well_takes_the_place_of_what_was_flagged(tmp_path: Path) -> None:
    engine = Scripted(LOOP, [GOOD, Heard("今天就要", -0.3)], GOOD)
    row = heard(tmp_path, engine)
    assert [(t["text"], t["flags"]) for t in row["turns"]] == [("我要退款", []), ("今天就要", [])]
    (one, two) = row["turns"]
    assert (one["start_ms"], two["end_ms"]) == (1_000, 5_000)
    assert one["end_ms"] == two["start_ms"]
    assert abs(one["end_ms"] - 2_600) <= 64
    assert row["roles"][0]["coverage"] == 1.0
    first, again = engine.asked
    assert [(w.alone, w.temperature) for w in again] == [(True, 0.0)] * 2
    assert sum(w.speech_ms for w in again) == WHOLE
    assert np.concatenate([w.samples for w in again]).tobytes() == first[0].samples.tobytes()


def test_what_another_cut_does_not_mend_is_heard_at_a_temperature(tmp_path: Path) -> None:
    engine = Scripted(LOOP, [LOOP], GOOD)
    row = heard(tmp_path, engine)
    assert [(t["text"], t["flags"], t["start_ms"], t["end_ms"]) for t in row["turns"]] == [("我要退款", [], 1_000, 5_000)]
    (hot,) = engine.asked[2]
    assert hot.alone
    assert 0 < hot.temperature <= 1
    assert hot.samples.tobytes() == engine.asked[0][0].samples.tobytes()


@pytest.mark.parametrize(("cut", "hot"), [(LOOP, LOOP), (UNSURE, UNSURE), (NOTHING, LOOP), (LOOP, NOTHING)])
def test_what_stays_flagged_is_kept_with_its_flag_and_decides_nothing(cut: Heard, hot: Heard, tmp_path: Path) -> None:
    row = heard(tmp_path, Scripted(LOOP, [cut], hot))
    assert [(t["text"], t["flags"]) for t in row["turns"]] == [(LOOP.text, ["loop"])]
    assert [(s["start_ms"], s["end_ms"], s["heard"], s["why"]) for s in row["spans"]] == [(1_000, 5_000, False, "loop")]
    assert row["roles"][0]["coverage"] == 0.0
    store = Store(tmp_path / "s")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack.yaml").write_text(PACK, encoding="utf-8")
    scan(store, [trust_local(tmp_path / "pack")], ScanOptions(), Silent())
    (found,) = store.read("findings").to_pylist()
    assert found["hits"] == 0
    assert {v["rule"]: v["verdict"] for v in found["verdicts"]} == {"promise": "undecided", "greeting": "undecided"}


def test_one_half_that_comes_out_well_is_taken_and_the_other_stays_flagged(tmp_path: Path) -> None:
    row = heard(tmp_path, Scripted(LOOP, [GOOD, LOOP], GOOD))
    assert [(t["text"], t["flags"]) for t in row["turns"]] == [("我要退款", []), (LOOP.text, ["loop", "too_long_text"])]
    assert [s["heard"] for s in row["spans"]] == [True, False]


def test_unsure_text_does_not_slip_in_beside_a_good_half(tmp_path: Path) -> None:
    row = heard(tmp_path, Scripted(LOOP, [GOOD, UNSURE], LOOP))
    assert [t["flags"] for t in row["turns"]] == [["loop"]]


def test_sure_speech_without_a_word_is_heard_again(tmp_path: Path) -> None:
    row = heard(tmp_path, Scripted(NOTHING, [GOOD, NOTHING], LOOP))
    assert [(t["text"], t["flags"]) for t in row["turns"]] == [("我要退款", [])]
    assert [s["why"] for s in row["spans"]] == [None, "no_text"]
    nothing = Scripted(NOTHING, [LOOP], LOOP)
    assert heard(tmp_path / "again", nothing)["turns"] == []
    assert len(nothing.asked) == 3


def test_an_engine_that_never_draws_is_not_asked_at_a_temperature(tmp_path: Path) -> None:
    engine = Scripted(LOOP, [LOOP], GOOD)
    engine.greedy = True
    assert heard(tmp_path, engine)["turns"][0]["flags"] == ["loop"]
    assert len(engine.asked) == 2


@pytest.mark.parametrize(("flagged", "chances"), [(3, 3), (8, 4), (40, 10)])
def test_a_hopeless_call_does_not_cost_double(flagged: int, chances: int, tmp_path: Path) -> None:
    spans = [Span(0, 1_000 + 1_200 * n, 2_000 + 1_200 * n, 1_000 + 1_200 * n, 2_000 + 1_200 * n) for n in range(flagged)]
    engine = Scripted(LOOP, [LOOP], LOOP)
    row = heard(tmp_path, engine, spans)
    assert [len(asked) for asked in engine.asked] == [flagged, chances, chances]
    assert len(row["turns"]) == flagged


def test_without_a_second_chance_nothing_is_heard_twice(tmp_path: Path) -> None:
    engine = Scripted(LOOP, [GOOD], GOOD)
    assert heard(tmp_path, engine, second_chance=False)["turns"][0]["flags"] == ["loop"]
    assert len(engine.asked) == 1


def test_the_prompts_echo_is_told_by_the_words_that_were_given(tmp_path: Path) -> None:
    echo = Heard("极速退款，小蜜蜂，京东白条", -0.1)
    said = [Heard("极速退款", -0.1), Heard("小蜜蜂", -0.1)]
    row = heard(tmp_path, Scripted(echo, [echo], echo), prompt="极速退款 小蜜蜂 京东白条")
    assert [t["flags"] for t in row["turns"]] == [["prompt_echo"]]
    assert [t["flags"] for t in heard(tmp_path / "none", Scripted(echo, [echo], echo))["turns"]] == [[]]
    really = heard(tmp_path / "said", Scripted(echo, said, echo), prompt="极速退款 小蜜蜂 京东白条")
    assert [(t["text"], t["flags"]) for t in really["turns"]] == [("极速退款", []), ("小蜜蜂", [])]
