"""`qc store export --redact` and `qc transcribe --write --redact`: nothing personal is left in any table or file."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from qc.cli.main import main
from qc.errors import Exit
from qc.progress import Silent
from qc.store import Store
from qc.tables import TABLES
from qc.text.personal import MASK
from qc.text.rows import CELLS, redact_row, redacted
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.write import FORMATS, Written

PHONE, SPOKEN, NAME = "13800138000", "幺三八零零一三八零零零", "王小明"
SECRETS = (PHONE, SPOKEN, NAME, "1380013", "李雷", "文一西路")


def turn(number: int, role: str, text: str) -> dict[str, Any]:
    start = number * 1000
    return {"turn": number, "channel": 0, "role": role, "start_ms": start, "end_ms": start + 900, "text": text}


TURNS = [
    turn(0, "customer", f"我叫{NAME}，电话{SPOKEN}"),
    turn(1, "agent", "住在文一西路969号3幢吗"),
    turn(2, "customer", "138"),
    turn(3, "agent", "嗯"),
    turn(4, "customer", "0013"),
    turn(5, "agent", "好，3小时内答复"),
]


def evidence(number: int | None, start: int | None, end: int | None) -> dict[str, Any]:
    text = None if number is None else TURNS[number]["text"][start:end]
    return {
        "turn": number,
        "role": "customer",
        "start_ms": 0,
        "end_ms": 900,
        "char_start": start,
        "char_end": end,
        "quote": text,
    }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "store")
    meta = [{"name": "客户姓名", "value": "李雷"}, {"name": "备注", "value": f"回电{PHONE}"}, {"name": "空", "value": None}]
    file = f"{PHONE}_a.wav"
    opened.append(
        "calls", [{"call_id": "c", "file": file, "path": f"/x/{file}", "agent_id": "7", "agent_name": NAME, "meta": meta}]
    )
    opened.append("transcripts", [{"call_id": "c", "status": "ok", "turns": TURNS}])
    verdict = {
        "rule": "r",
        "verdict": "hit",
        "severity": "low",
        "count": 1,
        "evidence": [evidence(0, 8, 13), evidence(4, 0, 4), evidence(5, 2, 5), evidence(None, None, None)],
    }
    opened.append(
        "findings",
        [{"call_id": "c", "pack_id": "p", "status": "ok", "rules": 1, "hits": 1, "undecided": 0, "verdicts": [verdict]}],
    )
    opened.append("scores", [{"call_id": "c", "pack_id": "p", "status": "failed", "reason": "x", "message": f"{file} is gone"}])
    return opened


def test_every_table_is_masked_whatever_the_format(store: Store, tmp_path: Path) -> None:
    for table in store.tables():
        for to in ("jsonl", "csv", "parquet"):
            out = tmp_path / f"{table}.{to}"
            with pytest.raises(SystemExit) as left:
                main(["store", "export", table, "--store", str(store.path), "--format", to, "-o", str(out), "--redact"])
            assert left.value.code == Exit.OK
            if to == "parquet":
                rows = pq.read_table(out)
                assert rows.schema.names == [field.name for field in TABLES[table].fields]
                text = json.dumps(rows.to_pylist(), ensure_ascii=False, default=str)
            else:
                text = out.read_text(encoding="utf-8-sig")
            assert not [secret for secret in SECRETS if secret in text], (table, to)
            assert MASK in text, (table, to)


def test_quotes_are_cut_out_of_their_masked_turns(store: Store) -> None:
    (row,) = redacted("findings", store.read("findings").to_pylist(), store)
    quotes = [one["quote"] for one in row["verdicts"][0]["evidence"]]
    assert quotes == [MASK * 5, MASK * 4, "3小时", None]


def test_a_quote_without_its_turn_is_masked_wholly(store: Store) -> None:
    row = redact_row("findings", store.read("findings").to_pylist()[0], {})
    assert [one["quote"] for one in row["verdicts"][0]["evidence"]] == [MASK * 5, MASK * 4, MASK * 3, None]


def test_ids_stay_and_so_does_what_is_not_personal(store: Store) -> None:
    (call,) = redacted("calls", store.read("calls").to_pylist(), store)
    assert (call["call_id"], call["agent_id"]) == ("c", "7")
    assert [cell["value"] for cell in call["meta"]] == [MASK * 3, f"回电{MASK * 11}", None]
    (transcript,) = redacted("transcripts", store.read("transcripts").to_pylist(), store)
    assert transcript["turns"][5]["text"] == "好，3小时内答复"


def test_columns_of_free_text_are_there() -> None:
    for table, columns in CELLS.items():
        assert set(columns) <= {field.name for field in TABLES[table].fields}


def test_exploded_turns_are_masked(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "turns.csv"
    command = [sys.executable, "-m", "qc", "store", "export", "transcripts", "--explode", "turns", "--format", "csv", "--redact"]
    subprocess.run([*command, "--store", str(store.path), "-o", str(out)], timeout=120, check=True)
    rows = list(csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["text"] for row in rows][2:5] == [MASK * 3, "嗯", MASK * 4]


@pytest.mark.parametrize("name", FORMATS)
def test_files_beside_recordings_are_masked(name: str, tmp_path: Path) -> None:
    calls = [{"call_id": "c", "path": str(tmp_path / "a.wav"), "file": "a.wav"}]
    full = [t | {"flags": [], "avg_logprob": None, "no_speech_prob": None} for t in TURNS]
    row = {"call_id": "c", "status": "ok", "language": "zh", "turns": full}
    Written(TranscribeOptions(write=(name,), redact=True), calls).write(row, Silent())
    text = (tmp_path / f"a.{name}").read_text(encoding="utf-8")
    assert not [secret for secret in SECRETS if secret in text]
    assert "3小时内答复" in text
    assert row["turns"][0]["text"] == TURNS[0]["text"]
