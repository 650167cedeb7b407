"""Many calls at once give what each call alone gives: verdict, evidence, coverage, count, reason."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.packs import unflatten
from qc.packs.model import Pack
from qc.packs.trust import LOCAL
from qc.scan import compiled
from qc.scan.evaluate import PackScanner
from qc.scan.matching import terms_of
from qc.scan.stage import _Job, _Worker
from qc.scan.view import view
from qc.store import Store
from tests.scan.plain_matcher import Matcher
from tests.scan.test_hostile import HEAD, MORE, REST, WHENS

YAML: dict[str, str] = {
    **WHENS,
    **MORE,
    "plain": "{says: [尽快, 快处, 请, '/快.{0,2}处/'], except: [请尽快, 尽快尽快]}",
    "agent": "{who: agent, says: [尽快, 小时]}",
    "need": "{who: customer, says: [尽快, 小时, 您好], need: 2}",
    "need-all": "{says: [尽快, 小时], need: all}",
    "first": "{who: agent, says: [尽快], in: first 2 s}",
    "last": "{who: agent, never_says: [再见], in: last 5 s}",
    "last-turns": "{never_says: [再见], in: last 2 turns}",
    "first-turn": "{who: customer, says: [您好], in: first 1 turn}",
    "of": "{who: customer, never_says: [您好], in: last 1 turn of agent}",
    "all": "{all: [{who: agent, says: [您好]}, {who: customer, never_says: [尽快]}]}",
    "any": "{any: [{who: agent, says: [您好]}, {who: customer, says: [再见]}]}",
    "not": "{not: {any: [{says: [尽快]}, {says: [再见], in: last 3 s}]}}",
    "many": "{at_least: 2, of: [{says: [尽快]}, {who: agent, says: [再见]}, {who: customer, never_says: [小时]}]}",
    "near-ms": "{near: [{who: agent, says: [尽快]}, {who: customer, says: [小时]}], within: 2 s}",
    "near-turns": "{near: [{says: [尽快]}, {says: [您好]}], within: 1 turn}",
    "not-near-ms": "{not_near: [{says: [尽快]}, {says: [您好]}], within: 3 s}",
    "steps": "{then: [{says: [您好]}, {says: [尽快], within: 5 s}, {who: customer, says: [再见]}]}",
    "before": "{who: customer, says: [小时], in: {before: {who: agent, says: [尽快]}, within: 4 s, which: last}}",
    "no-word": "{who: agent, never_says: [您好], in: {after: {says: [稍等]}, within: 2 turns}}",
    "quiet": "{silence: {longer_than: 2 s}}",
    "quiet-times": "{silence: {longer_than: 1 s, after: customer, before: agent, times: 2}}",
    "break-in": "{interruption: {by: agent, after: 0 s, overlap: 300 ms}}",
    "slow": "{reply: {by: customer, longer_than: 3 s}}",
}


def packed(whens: dict[str, str], **more: Any) -> Pack:
    import ruamel.yaml

    read = ruamel.yaml.YAML(typ="safe")
    rules = [{"id": name, "when": read.load(when), **REST, **more} for name, when in whens.items()]
    return unflatten(json.dumps({**HEAD, "confidence_floor": -1.0, "rules": rules}).encode())


PACK = packed(YAML)
SPACED = packed({"a": "{who: agent, says: [尽快, 请]}", "b": "{never_says: [您好]}"}, once_per="2 s")


def alone(pack: Pack, row: dict[str, Any]) -> list[dict[str, Any]] | None:
    """A call's verdicts by the evaluators of single calls and the plain matcher; None where it cannot be read."""
    try:
        call = view(row, confidence_floor=pack.confidence_floor)
    except (TypeError, ValueError, KeyError):
        return None
    matches = Matcher(term for rule in pack.rules for term in terms_of(rule.when)).match([call])[0]
    return [f.row() for f in PackScanner(pack).findings(call, matches) if f.verdict != "miss"]


def together(
    pack: Pack, rows: list[dict[str, Any]], *, machine_code: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Findings of the stage, and the rows as they are read back (32-bit floats and all)."""
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.append("transcripts", rows)
        worker = _Worker(_Job(store, ((pack, LOCAL),), redo=False, compiled=machine_code))
        try:
            for share in store.shares("transcripts"):
                list(worker.share(share))
        finally:
            compiled.use(False)
        read = {row["call_id"]: row for row in store.read("transcripts").to_pylist()}
        return store.read("findings").to_pylist(), [read[row["call_id"]] for row in rows]


def check(pack: Pack, rows: list[dict[str, Any]]) -> None:
    found, read = together(pack, rows)
    by_id = {row["call_id"]: row for row in found}
    for row in read:
        wanted = alone(pack, row)
        mine = by_id[row["call_id"]]
        if wanted is None:
            assert (mine["status"], mine["reason"], mine["verdicts"]) == ("failed", "bad_transcript", None)
            continue
        for verdict in wanted:
            if verdict["coverage"] is not None:
                verdict["coverage"] = float(np.float32(verdict["coverage"]))
        assert mine["verdicts"] == wanted
        assert mine["hits"] == sum(v["verdict"] == "hit" for v in wanted)


CHARS = st.text(alphabet="请尽快您好再见小时稍等处a1 ，二十", max_size=10)
PHRASES = st.sampled_from(
    ["尽快", "您好", "再见", "请稍等", "小时", "尽快处理", "请尽快", "", "一三八零零一三八零零零", "三百元"]
)
ROLES = st.sampled_from(["agent"] * 6 + ["customer"] * 6 + ["system", "unknown", "boss", None])


@st.composite
def orderly(draw: st.DrawFn) -> dict[str, Any]:
    """A call as it comes from audio: turns in order, speech detected under each, some of it not heard."""
    turns, spans = [], []
    now = draw(st.integers(0, 3000))
    sound = draw(st.booleans())
    for number in range(draw(st.integers(0, 7))):
        start = max(0, now + draw(st.integers(-900, 3500)))
        end = start + draw(st.integers(0, 4000))
        now = max(now, end)
        role = draw(ROLES) if not sound else draw(st.sampled_from(["agent", "customer"]))
        lost = not sound and draw(st.integers(0, 6)) == 0
        text = draw(PHRASES) + draw(CHARS) + draw(PHRASES)
        chars = [start + i for i in range(len(text))] if draw(st.integers(0, 4)) == 0 else None
        place = {"role": role, "channel": {"agent": 0, "customer": 1}.get(role or ""), "start_ms": start, "end_ms": end}
        flags = ["loop"] if lost else []
        turn = {**place, "turn": number, "text": text, "flags": flags, "char_ms": chars}
        turns.append({**turn, "avg_logprob": draw(st.sampled_from([None, -0.25, -1.5 if not sound else -0.5]))})
        spans.append({**place, "heard": sound or draw(st.integers(0, 5)) > 0})
    more = {"warnings": [] if sound else draw(st.sampled_from([[], [], ["truncated"], ["no_times"]]))}
    if not sound and draw(st.integers(0, 5)) == 0:
        spans.append({"role": "agent", "channel": 0, "start_ms": now, "end_ms": now + 900, "heard": False, "why": "truncated"})
    spans.sort(key=lambda s: s["start_ms"])
    return {"status": "ok", "turns": turns, "spans": spans, "duration_ms": now + 500, **more}


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"call_id": f"c{i}", **row} for i, row in enumerate(rows)]


@settings(max_examples=120, deadline=None)
@given(st.lists(orderly(), min_size=1, max_size=4))
def test_calls_from_audio(rows: list[dict[str, Any]]) -> None:
    check(PACK, numbered(rows))


@settings(max_examples=40, deadline=None)
@given(st.lists(orderly(), min_size=1, max_size=4))
def test_spaced_counts(rows: list[dict[str, Any]]) -> None:
    check(SPACED, numbered(rows))


WORDS = packed(
    {name: when for name, when in YAML.items() if not any(sign in when for sign in ("/", "match", "similar", "nearly", "entity"))}
    | {"who": "{who: agent, says: [尽快, 请稍等]}", "window": "{who: customer, says: [请, 快处, 小时], in: first 2 turns}"}
)


@settings(max_examples=80, deadline=None)
@given(st.lists(orderly(), min_size=1, max_size=4))
def test_machine_code_says_the_same_of_packs_of_words(rows: list[dict[str, Any]]) -> None:
    """Only turns that can hold one of the words are read there; digests are the same, too."""
    found, _ = together(WORDS, numbered(rows), machine_code=True)
    assert found == together(WORDS, numbered(rows))[0]


@settings(max_examples=20, deadline=None)
@given(st.lists(orderly(), min_size=1, max_size=4))
def test_machine_code_says_the_same_of_any_pack(rows: list[dict[str, Any]]) -> None:
    found, _ = together(PACK, numbered(rows), machine_code=True)
    assert found == together(PACK, numbered(rows))[0]


TALK = packed(
    {
        name: when
        for name, when in YAML.items()
        if any(word in when for word in ("near:", "then:", "silence", "reply", "unless", "says:"))
    }
    | {
        "near-wide": "{near: [{says: [尽快, 请]}, {who: agent, says: [小时, 尽快处]}], within: 9 s}",
        "not-near-turns": "{not_near: [{says: [尽快, 小时]}, {who: agent, says: [您好]}], within: 2 turns}",
        "near-chars": "{near: [{says: [尽快]}, {says: [小时]}], within: 4 characters}",
        "steps-turns": "{then: [{says: [尽快, 请]}, {who: agent, says: [小时, 请], within: 2 turns}]}",
        "steps-far": "{then: [{says: [请]}, {says: [尽快]}, {says: [小时, 尽快]}]}",
        "pause": "{silence: {longer_than: 500 ms, except_after: [请稍等, 尽快]}}",
        "pauses": "{silence: {longer_than: 900 ms, before: agent, times: 2, except_after: [尽快]}}",
        "answer": "{reply: {by: agent, longer_than: 500 ms, times: 2}}",
        "unless": "{who: agent, says: [尽快, 请], unless: [小时]}",
    }
)


@st.composite
def patchy(draw: st.DrawFn) -> dict[str, Any]:
    """A call of two known speakers in two channels, much of it not heard: by detection, by a flag, or both."""
    turns: list[dict[str, Any]] = []
    spans = []
    now = 0
    for number in range(draw(st.integers(2, 9))):
        start = max(0, now + draw(st.sampled_from([-700, 0, 200, 600, 1200, 3500])))
        start = max(start, turns[-1]["start_ms"] if turns else 0)
        end = start + draw(st.sampled_from([300, 900, 2500]))
        now = max(now, end)
        role = ("agent", "customer")[number] if number < 2 else draw(st.sampled_from(["agent", "customer"]))
        place = {"role": role, "channel": int(role == "customer"), "start_ms": start, "end_ms": end}
        heard = draw(st.sampled_from(["yes", "yes", "yes", "no", "flag"]))
        text = draw(PHRASES) + draw(st.sampled_from(["", "，", "尽快", "小时", "啊"])) + draw(PHRASES)
        turns.append({**place, "turn": number, "text": text, "flags": [] if heard == "yes" else ["loop"], "char_ms": None})
        spans.append({**place, "heard": heard != "no"})
    return {"status": "ok", "turns": turns, "spans": spans, "duration_ms": now + 500, "warnings": []}


@settings(max_examples=150, deadline=None)
@given(st.lists(patchy(), min_size=1, max_size=6))
def test_calls_of_which_much_was_not_heard(rows: list[dict[str, Any]]) -> None:
    check(TALK, numbered(rows))


TIMES = st.one_of(st.integers(0, 30_000), st.integers(0, 30_000), st.sampled_from([-3_000, 1 << 41, 1 << 50, (1 << 62) - 1]))
ODD_TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["agent", "customer", "system", "unknown", None]),
            "channel": st.sampled_from([0, 1, None]),
            "start_ms": TIMES | st.none(),
            "end_ms": TIMES,
            "text": CHARS | st.none(),
            "flags": st.sampled_from([None, [], ["loop"]]),
            "char_ms": st.none() | st.lists(st.integers(0, 30_000), max_size=4),
        }
    ),
    max_size=5,
)
ODD_SPANS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["agent", "customer", "system", "unknown", None]),
            "channel": st.sampled_from([0, 1, None]),
            "start_ms": TIMES,
            "end_ms": TIMES | st.sampled_from([None, 5]),
            "heard": st.booleans(),
        }
    ),
    max_size=5,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(ODD_TURNS, ODD_SPANS, st.sampled_from([[], ["truncated"]])), min_size=1, max_size=3), patchy())
def test_transcripts_from_strangers(calls: list[Any], ours: dict[str, Any]) -> None:
    strange = [{"status": "ok", "turns": t, "spans": s, "warnings": w} for t, s, w in calls]
    check(PACK, numbered([*strange[:1], ours, *strange[1:]]))
