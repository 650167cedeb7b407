"""The stage: a row for every call and pack, finished work skipped, failures told, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qc.errors import UsageError
from qc.packs import read_stored, trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, ScanSummary, scan
from qc.store import Store

RULES = {"promise": "{who: agent, says: [尽快]}", "greeting": "{who: agent, never_says: [您好]}"}
TURNS = {
    "c1": ["agent: 您好", "customer: 你好", "agent: 我们尽快处理"],
    "c2": ["agent: 您好", "customer: 谢谢"],
    "c3": ["agent: 尽快", "customer: 尽快"],
}


def transcript(call_id: str, lines: list[str], **more: Any) -> dict[str, Any]:
    turns, spans = [], []
    for i, line in enumerate(lines):
        role, _, text = line.partition(": ")
        place = {"channel": int(role == "customer"), "role": role, "start_ms": i * 3000, "end_ms": i * 3000 + 2000}
        turns.append(
            {**place, "turn": i, "text": text, "avg_logprob": -0.25, "no_speech_prob": float("nan"), "char_ms": None, "flags": []}
        )
        spans.append({**place, "heard": True})
    return {"call_id": call_id, "status": "ok", "warnings": [], "source": "audio", "turns": turns, "spans": spans, **more}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "store")
    opened.append("transcripts", [transcript(name, lines) for name, lines in TURNS.items()])
    opened.append("transcripts", [{"call_id": "c4", "status": "failed", "reason": "not_audio", "message": "c4.wav is no audio"}])
    return opened


def run(store: Store, *folders: Path, redo: bool = False) -> ScanSummary:
    return scan(store, [trust_local(f) for f in folders], ScanOptions(redo=redo), Silent())


def test_every_call_and_pack_gets_a_row(store: Store, pack_folder: Callable[..., Path]) -> None:
    one, two = pack_folder(RULES), pack_folder({"x": "{says: [谢谢]}"}, pack_id="q", severity="critical")
    summary = run(store, one, two)
    assert (summary.calls, summary.scanned, summary.skipped, summary.failed) == (8, 8, 0, 2)
    assert summary.hits == {"low": 0, "medium": 3, "high": 0, "critical": 1}
    assert summary.failures == {"not_audio": 2}
    assert (summary.hits_at_or_above("medium"), summary.hits_at_or_above("high")) == (4, 1)
    rows = {(r["call_id"], r["pack_id"]): r for r in store.read("findings").to_pylist()}
    assert set(rows) == {(c, p) for c in ("c1", "c2", "c3", "c4") for p in ("p", "q")}
    assert [(v["rule"], v["verdict"]) for v in rows["c3", "p"]["verdicts"]] == [("promise", "hit"), ("greeting", "hit")]
    assert rows["c2", "p"]["verdicts"] == []
    assert (rows["c2", "p"]["rules"], rows["c2", "p"]["hits"], rows["c2", "p"]["undecided"]) == (2, 0, 0)
    assert (rows["c4", "p"]["status"], rows["c4", "p"]["reason"], rows["c4", "p"]["verdicts"]) == ("failed", "not_audio", None)
    evidence = rows["c1", "p"]["verdicts"][0]["evidence"][0]
    assert (evidence["turn"], evidence["quote"], evidence["char_start"]) == (2, "尽快", 2)
    pack = trust_local(one).pack
    assert rows["c1", "p"]["pack_sha256"] == pack.sha256
    assert rows["c1", "p"]["pack_signer"] == "local"
    assert read_stored(store, pack.sha256) == pack


def test_a_second_run_does_nothing_and_says_the_same(store: Store, pack_folder: Callable[..., Path]) -> None:
    folder = pack_folder(RULES)
    first = run(store, folder)
    parts = store.parts("findings")
    again = run(store, folder)
    assert (again.scanned, again.skipped, again.hits) == (0, 4, first.hits)
    assert store.parts("findings") == parts


def test_what_changed_is_scanned_again(store: Store, pack_folder: Callable[..., Path]) -> None:
    folder = pack_folder(RULES)
    run(store, folder)
    store.append("transcripts", [transcript("c2", ["agent: 您好", "agent: 尽快"]), transcript("c4", ["agent: 您好"])])
    summary = run(store, folder)
    assert (summary.scanned, summary.failed, summary.hits["medium"]) == (2, 0, 4)
    assert run(store, pack_folder({"promise": "{says: [您好]}"})).scanned == 4
    assert run(store, folder, redo=True).scanned == 4


def test_the_same_input_gives_the_same_rows(store: Store, tmp_path: Path, pack_folder: Callable[..., Path]) -> None:
    folder = pack_folder(RULES)
    run(store, folder)
    other = Store(tmp_path / "other")
    other.append("transcripts", store.read("transcripts"))
    run(other, folder)
    assert store.read("findings").equals(other.read("findings"))


def test_the_call_list_decides_what_applies_and_a_change_in_it_is_seen(store: Store, pack_folder: Callable[..., Path]) -> None:
    folder = pack_folder({"r": "{says: [尽快]}"}, more="applies_to: {queue: 售后, 产品: 手机}")
    meta = [{"name": "产品", "value": "手机"}]
    store.append("calls", [{"call_id": "c1", "queue": "售后", "meta": meta}, {"call_id": "c3", "queue": "售前", "meta": meta}])
    run(store, folder)
    verdicts = {r["call_id"]: [v["verdict"] for v in r["verdicts"] or []] for r in store.read("findings").to_pylist()}
    assert verdicts == {"c1": ["hit"], "c2": [], "c3": ["not_applicable"], "c4": []}
    store.append("calls", [{"call_id": "c3", "queue": "售后", "meta": meta}])
    assert run(store, folder).hits["medium"] == 2


def test_a_transcript_that_cannot_be_read_is_a_row_and_stops_nothing(store: Store, pack_folder: Callable[..., Path]) -> None:
    odd = transcript("c0", ["agent: 尽快"])
    odd["spans"][0]["start_ms"] = None
    store.append("transcripts", [odd])
    summary = run(store, pack_folder(RULES))
    rows = {r["call_id"]: r for r in store.read("findings").to_pylist()}
    assert rows["c0"]["reason"] == "bad_transcript"
    assert rows["c1"]["status"] == "ok"
    assert summary.failed == 2


def test_two_packs_with_one_id_are_refused(store: Store, pack_folder: Callable[..., Path], tmp_path: Path) -> None:
    import shutil

    folder = pack_folder(RULES)
    shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(UsageError, match="same id"):
        run(store, folder, tmp_path / "copy")


def test_rows_fit_the_tables_words(store: Store, pack_folder: Callable[..., Path]) -> None:
    """Hits and undecided in a row are counts of its verdicts; misses are not listed."""
    run(store, pack_folder({**RULES, "silent": "{who: customer, says: [再见]}"}))
    for row in store.read("findings").to_pylist():
        if row["status"] == "ok":
            listed = [v["verdict"] for v in row["verdicts"]]
            assert (listed.count("hit"), listed.count("undecided")) == (row["hits"], row["undecided"])
            assert "miss" not in listed
