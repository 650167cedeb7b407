"""What strangers send is large: memory stays in proportion, whatever it is. Sizes here are small ones of the same shapes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qc.packs import unflatten
from qc.packs.trust import LOCAL
from qc.scan.finding import MOST_WORDS, Finder
from qc.scan.folding import normal_forms
from qc.scan.matching import Matcher
from qc.scan.stage import _Job, _Worker
from qc.store import Store
from tests.scan.test_hostile import HEAD, REST
from tests.scan.test_many_calls import PACK, alone

MB = 1 << 20


def peak_mb(run: Callable[[], Any]) -> float:
    """The most memory that was held at once, numpy's included."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def scanned(folder: Path, rows: list[dict[str, Any]], pack: Any = PACK) -> list[dict[str, Any]]:
    store = Store(folder)
    store.append("transcripts", rows)
    worker = _Worker(_Job(store, ((pack, LOCAL),), redo=True))
    for share in store.shares("transcripts"):
        list(worker.share(share))
    return store.read("findings").to_pylist()


def turn(i: int, text: str) -> dict[str, Any]:
    place = {"role": ("agent", "customer")[i % 2], "channel": i % 2, "start_ms": i * 1500, "end_ms": i * 1500 + 1000}
    return {**place, "turn": i, "text": text, "flags": []}


def call(turns: list[dict[str, Any]], call_id: str = "c") -> dict[str, Any]:
    spans = [{k: t[k] for k in ("role", "channel", "start_ms", "end_ms")} | {"heard": True} for t in turns]
    return {"call_id": call_id, "status": "ok", "turns": turns, "spans": spans, "duration_ms": turns[-1]["end_ms"]}


def test_a_turn_of_megabytes_counts_as_not_heard_and_costs_its_own_size(tmp_path: Path) -> None:
    rows = [call([turn(0, "您好"), turn(1, "尽快" * MB), turn(2, "再见")])]
    found: list[Any] = []
    used = peak_mb(lambda: found.extend(scanned(tmp_path, rows)))
    verdicts = {v["rule"]: v for v in found[0]["verdicts"]}
    assert verdicts["near-turns"]["verdict"] == "undecided"
    assert used < 12 * 6 + 40  # the text is 6 MB


def test_very_many_turns_in_one_call_cost_a_bounded_amount_each(tmp_path: Path) -> None:
    size = 20_000
    rows = [call([turn(i, ("尽快", "小时", "好的", "您好")[i % 4]) for i in range(size)])]
    found: list[Any] = []
    used = peak_mb(lambda: found.extend(scanned(tmp_path, rows)))
    assert found[0]["status"] == "ok"
    assert used * MB / size < 20_000


def test_a_batch_is_cut_where_its_text_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qc.scan import reading

    rows = [call([turn(0, "您好"), turn(1, f"尽快{i}")], f"c{i}") for i in range(9)]
    whole = scanned(tmp_path / "a", rows)
    for most in ("BATCH_BYTES", "_MANY_BYTES"):
        monkeypatch.setattr(reading, most, 1)
    assert scanned(tmp_path / "b", rows) == whole
    assert len(whole) == 9


def test_very_many_words_go_through_the_automaton_and_find_the_same() -> None:
    from qc.packs.conditions import Term

    few = [Term("word", f"词{i:05d}") for i in range(40)] + [Term("word", w) for w in ("尽快", "快", "尽快处理")]
    many = few + [Term("word", f"别{i}的{i}") for i in range(MOST_WORDS)]
    folded = normal_forms(["请尽快处理词00007", "词00039别7的7", "", "快尽快"])
    a, b = Finder(few).find(folded), Finder(many).find(folded)
    assert {t: f.turn.tolist() for t, f in a.items()} == {t: f.turn.tolist() for t, f in b.items() if t in set(few)}
    assert b[Term("word", "别7的7")].turn.tolist() == [1]


def test_words_that_begin_alike_go_through_the_automaton() -> None:
    from qc.packs.conditions import Term

    words = [Term("word", "啊啊" + "啊" * i) for i in range(60)]
    found = Finder(words).find(normal_forms(["啊" * 70, "啊"]))
    assert [len(found[w]) for w in words] == [69 - i for i in range(60)]


def test_a_pack_of_very_many_words_is_made_ready_in_bounded_memory() -> None:
    words = [f"{chr(0x4E00 + i % 5000)}{chr(0x4E00 + i // 7 % 5000)}{chr(0x4E00 + i % 83)}" for i in range(20_000)]
    rules = [{"id": f"r{i}", "when": {"says": words[i : i + 4_000]}, **REST} for i in range(0, 20_000, 4_000)]
    pack = unflatten(json.dumps({**HEAD, "rules": rules}).encode())
    terms = [t for rule in pack.rules for t in rule.when.terms]  # type: ignore[union-attr]
    assert peak_mb(lambda: Matcher(terms)) < 100


def test_a_chat_without_times_is_scanned(tmp_path: Path) -> None:
    turns = [{"turn": i, "role": "agent", "text": "尽快", "start_ms": None, "end_ms": None} for i in range(3)]
    row = {"call_id": "c", "status": "ok", "turns": turns, "spans": [], "warnings": ["no_times"]}
    found = scanned(tmp_path, [row])
    assert found[0]["verdicts"] == alone(PACK, Store(tmp_path).read("transcripts").to_pylist()[0])
