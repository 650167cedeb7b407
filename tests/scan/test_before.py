"""Rescanning: what did not change is taken over, what did is worked out again, and the rows are those of a new scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qc.packs import trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, ScanSummary, scan
from qc.scan import stage as stage_module
from qc.store import Store
from tests.scan.test_stage import transcript

RULES = {
    "promise": "{who: agent, says: [尽快]}",
    "greeting": "{who: agent, never_says: [您好], in: first 10 s}",
    "quiet": "{silence: {longer_than: 500 ms}}",
    "bye": "{who: customer, says: [再见]}",
}
LINES = {
    "c1": ["agent: 您好", "customer: 你好", "agent: 我们尽快处理", "customer: 再见"],
    "c2": ["agent: 喂", "customer: 谢谢"],
    "c3": ["agent: 尽快", "customer: 再见"],
    "c4": ["customer: 嗯"],
}


def fresh(folder: Path) -> Store:
    store = Store(folder)
    store.append("transcripts", [transcript(name, lines) for name, lines in LINES.items()])
    store.append("transcripts", [{"call_id": "c5", "status": "failed", "reason": "not_audio", "message": "m"}])
    return store


def run(store: Store, folder: Path, **options: Any) -> ScanSummary:
    return scan(store, [trust_local(folder)], ScanOptions(**options), Silent())


@pytest.mark.parametrize(
    ("change", "evaluated", "reused"),
    [
        ({"promise": "{who: agent, says: [谢谢]}"}, 4, 12),
        ({"extra": "{says: [谢谢]}"}, 4, 16),
        ({}, 0, 0),
        (dict.fromkeys(RULES, "{says: [您好]}"), 16, 0),
    ],
    ids=["one rule changed", "a rule is new", "nothing changed", "every rule changed"],
)
def test_only_what_changed_is_worked_out_again(
    tmp_path: Path, pack_folder: Callable[..., Path], change: dict[str, str], evaluated: int, reused: int
) -> None:
    store = fresh(tmp_path / "a")
    first = run(store, pack_folder(RULES))
    assert (first.evaluated, first.reused) == (16, 0)
    again = run(store, pack_folder(RULES | change))
    assert (again.evaluated, again.reused) == (evaluated, reused)
    other = fresh(tmp_path / "b")
    whole = run(other, pack_folder(RULES | change))
    assert store.read("findings").equals(other.read("findings"))
    assert (again.hits, again.undecided, again.failures, again.calls) == (
        whole.hits,
        whole.undecided,
        whole.failures,
        whole.calls,
    )


def test_a_rule_that_goes_takes_its_verdicts_with_it(tmp_path: Path, pack_folder: Callable[..., Path]) -> None:
    store = fresh(tmp_path / "a")
    run(store, pack_folder(RULES))
    again = run(store, pack_folder({name: when for name, when in RULES.items() if name != "promise"}))
    assert (again.evaluated, again.reused) == (0, 12)
    assert all(v["rule"] != "promise" for r in store.read("findings").to_pylist() for v in r["verdicts"] or [])


def test_a_changed_transcript_and_a_changed_floor_are_worked_out_again(tmp_path: Path, pack_folder: Callable[..., Path]) -> None:
    store = fresh(tmp_path / "a")
    run(store, pack_folder(RULES))
    store.append("transcripts", [transcript("c2", ["agent: 尽快"])])
    again = run(store, pack_folder(RULES | {"bye": "{says: [谢谢]}"}))
    assert (again.evaluated, again.reused) == (3 + 4, 9)
    again = run(store, pack_folder(RULES, extra="coverage_floor: 0.5\n"))
    assert (again.evaluated, again.reused) == (16, 0)


def test_rules_that_ask_the_call_list_are_never_taken_over(tmp_path: Path, pack_folder: Callable[..., Path]) -> None:
    store = fresh(tmp_path / "a")
    folder = pack_folder(RULES | {"listed": "{listed: {queue: 售后}}"})
    run(store, folder)
    store.append("calls", [{"call_id": "c1", "queue": "售后"}])
    again = run(store, folder)
    assert (again.evaluated, again.reused) == (4, 16)
    rows = {
        row["call_id"]: {v["rule"]: v["verdict"] for v in row["verdicts"] or []} for row in store.read("findings").to_pylist()
    }
    assert rows["c1"]["listed"] == "hit"
    assert rows["c2"]["listed"] == "undecided"


def test_a_call_that_could_not_be_read_is_tried_again_only_when_it_changed(
    tmp_path: Path, pack_folder: Callable[..., Path]
) -> None:
    store = fresh(tmp_path / "a")
    odd = transcript("c0", ["agent: 尽快"])
    odd["spans"][0]["start_ms"] = None
    store.append("transcripts", [odd])
    folder = pack_folder(RULES)
    assert run(store, folder).failures == {"bad_transcript": 1, "not_audio": 1}
    again = run(store, folder)
    assert (again.scanned, again.skipped) == (0, 6)
    again = run(store, pack_folder(RULES | {"bye": "{says: [谢谢]}"}))
    assert again.failures == {"bad_transcript": 1, "not_audio": 1}


def test_several_processes_give_the_same_rows(
    tmp_path: Path, pack_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pack_folder(RULES)
    one, two = fresh(tmp_path / "a"), fresh(tmp_path / "b")
    monkeypatch.setattr(stage_module, "CALLS_A_PROCESS", 1)
    first, second = run(one, folder), run(two, folder, processes=2)
    assert len(two.parts("findings")) == 2
    assert (first.hits, first.undecided, first.failures) == (second.hits, second.undecided, second.failures)
    assert one.read("findings").equals(two.read("findings"))
