"""What is left out of reading is not asked for: the same verdicts as where all of it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from qc.packs import load_pack, trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, scan
from qc.scan.columns import NAMES, Columns
from qc.scan.reading import BATCH_BYTES, BATCH_CALLS, at_once, lean
from qc.store import Store
from tests.scan.test_stage import transcript


def loud(call_id: str, level: float, sure: float, **more: Any) -> dict[str, Any]:
    row = transcript(call_id, ["agent: 您好", "customer: 退款", "agent: 尽快"], duration_ms=9_000, **more)
    for turn in row["turns"]:
        turn.update(level_dbfs=level, avg_logprob=sure, char_ms=[turn["start_ms"], turn["start_ms"] + 1_500])
    row["spans"][0].update(heard=False, why="loop")
    return row


ROWS = [
    loud("c1", -12.0, -0.2),
    loud("c2", -30.0, -2.5),
    loud("c3", -30.0, -0.2, warnings=["truncated"]),
    {**loud("c4", -12.0, -0.2, warnings=["truncated"]), "turns": []},
]
WHENS = {
    "level": "{level: {who: customer, loudness: over -15 dBFS}}",
    "nested": "{any: [{says: [谢谢]}, {not: {level: {who: customer, loudness: over -15 dBFS}}}]}",
    "words": "{says: [尽快]}",
    "never": "{who: agent, never_says: [再见], in: last 5 s}",
}


@pytest.mark.parametrize("names", [("level",), ("nested",), ("words", "never"), ("words", "level")])
@pytest.mark.parametrize("extra", ["", "confidence_floor: -1.0\n"])
@pytest.mark.parametrize("lost", [False, True])
def test_verdicts_do_not_depend_on_what_is_left_out(
    tmp_path: Path, pack_folder: Callable[..., Path], names: tuple[str, ...], extra: str, lost: bool
) -> None:
    folder = pack_folder({name: WHENS[name] for name in names}, extra=extra)
    rows = [dict(row) for row in ROWS]
    if lost:  # how much of the recording is missing is known
        rows[2] = {
            **rows[2],
            "spans": [
                *rows[2]["spans"],
                {**rows[2]["spans"][2], "start_ms": 8_000, "end_ms": 99_000, "heard": False, "why": "truncated"},
            ],
        }
    store, plain = Store(tmp_path / "store"), Store(tmp_path / "plain")
    part = store.append("transcripts", rows)
    assert part is not None
    (plain.path / "transcripts").mkdir(parents=True)
    pq.write_table(store.read("transcripts"), plain.path / "transcripts" / part.name)  # without digests: all of it is read
    for one in (store, plain):
        scan(one, [trust_local(folder)], ScanOptions(), Silent())
    found = store.read("findings")
    assert found.equals(plain.read("findings"))
    assert sum(found["hits"].to_pylist()) + sum(found["undecided"].to_pylist()) > 0


def members(store: Store, folder: Path) -> tuple[set[str], set[str]]:
    """Of turns and of detected speech."""
    (share,) = store.shares("transcripts")
    (batch,) = store.share_batches("transcripts", share, NAMES, 10, lean([load_pack(folder)]))
    Columns(batch)
    return tuple({field.name for field in batch.schema.field(name).type.value_type} for name in ("turns", "spans"))  # type: ignore[return-value]


def test_only_what_is_asked_is_read(tmp_path: Path, pack_folder: Callable[..., Path]) -> None:
    store = Store(tmp_path / "store")
    store.append("transcripts", ROWS[:2])
    turn = {"turn", "channel", "role", "start_ms", "end_ms", "text", "char_ms", "flags"}
    span = {"channel", "role", "start_ms", "end_ms", "heard"}
    assert members(store, pack_folder({"words": WHENS["words"]})) == (turn, span)
    assert members(store, pack_folder({"nested": WHENS["nested"]}))[0] == turn | {"level_dbfs"}
    assert members(store, pack_folder({"words": WHENS["words"]}, extra="confidence_floor: -1.0\n"))[0] == turn | {"avg_logprob"}
    store = Store(tmp_path / "other")
    plain = transcript("c5", ["agent: 您好"])
    store.append("transcripts", [plain, {**plain, "call_id": "c6", "spans": [{**plain["spans"][0], "why": "truncated"}]}])
    assert members(store, pack_folder({"words": WHENS["words"]})) == (turn - {"char_ms"}, span | {"why"})


def test_words_alone_take_more_calls_at_a_time(make_pack: Callable[..., Any]) -> None:
    words, sounds = make_pack({"r": WHENS["words"]}), make_pack({"r": "{says: [退款], match: sound}"})
    assert at_once([words])[0] > BATCH_CALLS
    assert at_once([words, sounds]) == (BATCH_CALLS, BATCH_BYTES)


@pytest.mark.parametrize("compression", ["lz4", "none"])
def test_what_was_read_stays_when_the_next_part_is_read_into_the_same_memory(
    tmp_path: Path, pack_folder: Callable[..., Path], compression: str
) -> None:
    store = Store(tmp_path / "store")
    texts = [[f"agent: 您好，这里是第{n}个电话{k}" for k in range(50)] for n in range(2)]
    for n, lines in enumerate(texts):
        part = store.append("transcripts", [transcript(f"c{n}", lines)])
        assert part is not None
        if compression == "none":  # then a page is what lies in the file
            pq.write_table(pq.read_table(part), part, compression="none", use_dictionary=False)
    how = lean([load_pack(pack_folder({"words": WHENS["words"]}))])
    first, second = store.shares("transcripts")
    (kept,) = store.share_batches("transcripts", first, NAMES, 10, how)
    before = kept.to_pylist()
    (other,) = store.share_batches("transcripts", second, NAMES, 10, how)
    assert kept.to_pylist() == before
    assert [t["text"] for t in other.to_pylist()[0]["turns"]] == [line.removeprefix("agent: ") for line in texts[1]]
