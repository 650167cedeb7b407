"""`qc search` over a store: which calls, which characters, and what the verb prints."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest

from qc.cli.console import pointed_at
from qc.cli.main import main
from qc.cli.search import parts_shown
from qc.errors import Exit
from qc.packs.cases import read_cases
from qc.packs.nodes import read_yaml
from qc.packs.reader import Reader
from qc.packs.syntax import read_condition
from qc.scan.evaluate import PackScanner
from qc.scan.view import view
from qc.search import SearchSummary, parse_query, search
from qc.search.as_rule import as_rule
from qc.search.find import SearchOptions, pack_of
from qc.store import Store


def turn(number: int, role: str, text: str, **more: Any) -> dict[str, Any]:
    channel = {"agent": 0, "customer": 1}[role]
    return {
        "turn": number, "channel": channel, "role": role, "start_ms": number * 5000, "end_ms": number * 5000 + 4000, "text": text, **more
    }  # fmt: skip


def row(call_id: str, *turns: dict[str, Any], unheard: bool = False) -> dict[str, Any]:
    spans = [{k: t[k] for k in ("channel", "role", "start_ms", "end_ms")} | {"heard": not t.get("flags")} for t in turns]
    if unheard:
        spans.append({"channel": 0, "role": "agent", "start_ms": 60_000, "end_ms": 90_000, "heard": False, "why": "no_text"})
    return {"call_id": call_id, "status": "ok", "turns": list(turns), "spans": spans}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "store")
    opened.append("calls", [{"call_id": "c1", "agent_id": "=7", "provider": "远航"}])
    opened.append(
        "transcripts",
        [
            row("c1", turn(0, "customer", "我要投诉，电话13800138000"), turn(1, "agent", "我们会尽快，尽快处理")),
            row("c2", turn(0, "agent", "您好"), unheard=True),
            row("c3", turn(0, "agent", "3小时内给您答复"), turn(1, "customer", "好\tthe\nend")),
            row("c4", turn(0, "agent", "我们尽快", flags=["pseudo_speech"])),
            {"call_id": "c5", "status": "failed", "reason": "empty", "message": "m"},
        ],
    )
    return opened


def found(store: Store, query: str, *, redact: bool = False) -> tuple[dict[str, list[str]], SearchSummary]:
    summary = SearchSummary()
    hits = {
        call.call_id: [line.text[start:end] for line in call.lines for start, end in line.marks]
        for call in search(store, parse_query(query), SearchOptions(redact), summary)
    }
    return hits, summary


def test_calls_and_characters(store: Store) -> None:
    hits, summary = found(store, "agent:尽快")
    assert hits == {"c1": ["尽快", "尽快"]}
    assert summary == SearchSummary(calls=5, hits=1, misses=1, undecided=2, failed=1, places=2)


def test_a_call_that_was_not_heard_is_no_proof_of_absence(store: Store) -> None:
    hits, summary = found(store, "NOT agent:尽快")
    assert set(hits) == {"c3"}
    assert summary.undecided == 2


def test_spoken_and_written_numerals_are_the_same(store: Store) -> None:
    assert found(store, "三小时")[0] == {"c3": ["3小时"]}


def test_what_is_masked_cannot_be_found(store: Store) -> None:
    assert set(found(store, "13800138000")[0]) == {"c1"}
    assert found(store, "13800138000", redact=True)[0] == {}
    assert found(store, "entity:phone", redact=True)[0] == {}
    hits, _ = found(store, "我要投诉", redact=True)
    assert hits == {"c1": ["我要投诉"]}


def test_the_rule_of_a_query_loads_and_its_cases_come_out(store: Store) -> None:
    query = "agent:尽快 NOT agent:/[0-9]+小时/"
    condition = parse_query(query)
    text = as_rule(query, condition, list(search(store, condition, SearchOptions(), SearchSummary())))
    node = read_yaml(text.encode(), "rule.yaml")
    assert node is not None
    fields = {key.text: value for key, value in node.items[0].pairs}
    reader = Reader()
    assert read_condition(reader, fields["when"]) == condition
    cases = read_cases(reader, fields["cases"])
    assert not reader.problems
    assert [case.verdict for case in cases] == ["hit", "miss"]
    assert "13800138000" not in text
    assert "none could be taken" not in text


def test_a_query_that_finds_nothing_gives_a_rule_without_cases(store: Store) -> None:
    text = as_rule("绝无此词", parse_query("绝无此词"), [])
    assert "cases:" not in text
    assert "none could be taken" in text


def qc(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The verb in this process: a new one each time would spend its time importing."""
    command = ["search", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        main(command)
    return subprocess.CompletedProcess(command, int(left.value.code or 0), out.getvalue(), err.getvalue())


def test_lines_counts_and_json(store: Store) -> None:
    done = qc("customer:投诉|好", "--store", store.path)
    assert done.returncode == Exit.OK, done.stderr
    assert done.stdout == "c1\t00:00\tcustomer\t我要投诉，电话13800138000\nc3\t00:05\tcustomer\t好 the end\n"
    assert qc("尽快", "--store", store.path, "--count").stdout == (
        "1 of 5 calls, 2 places; 2 undecided (not all was heard); 1 without a transcript\n"
    )
    value = json.loads(qc("投诉", "--store", store.path, "--json", "--redact").stdout)
    assert (value["hits"], value["calls"]) == (1, 5)
    assert value["found"][0]["lines"][0]["text"] == "我要投诉，电话███████████"
    assert value["found"][0]["lines"][0]["marks"] == [[2, 4]]


def test_files_are_harmless_in_a_spreadsheet(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    assert qc("投诉", "--store", store.path, "--out", out).returncode == Exit.OK
    rows = list(csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines()))
    assert [(r["call_id"], r["agent_id"], r["provider"], r["quote"]) for r in rows] == [("c1", "'=7", "远航", "投诉")]
    out = tmp_path / "found.jsonl"
    assert qc("投诉", "--store", store.path, "--out", out).returncode == Exit.OK
    assert [json.loads(line)["call_id"] for line in out.read_text(encoding="utf-8").splitlines()] == ["c1"]


def test_what_is_wrong_is_a_usage_error(store: Store, tmp_path: Path) -> None:
    done = qc("agnet:投诉", "--store", store.path)
    assert done.returncode == Exit.USAGE
    assert "QUERY:1:1" in done.stderr
    assert "did you mean 'agent'" in done.stderr
    assert qc("投诉", "--store", store.path, "--out", "x.doc").returncode == Exit.USAGE
    assert qc("投诉", "--store", store.path, "--count", "--as-rule").returncode == Exit.USAGE
    assert qc("投诉", "--store", tmp_path / "none").returncode == Exit.STOPPED


@pytest.mark.parametrize(
    "query", ["尽快", "NOT 尽快", "agent:尽快 OR customer:好", "投诉 THEN 尽快", "entity:phone", "3小时 first 2 turns"]
)
def test_a_query_finds_what_the_same_rule_hits(query: str, store: Store) -> None:
    pack = pack_of(parse_query(query))
    scanner = PackScanner(pack)
    expected: dict[str, list[str]] = {}
    for one in store.read("transcripts").to_pylist():
        if one["status"] == "ok":
            call = view(one)
            finding = scanner.findings(call, scanner.scan([call])[0])[0]
            if finding.verdict == "hit":
                expected[one["call_id"]] = [str(e.quote) for e in finding.evidence if e.turn is not None]
    assert found(store, query)[0] == expected


def test_a_long_turn_is_shown_in_parts_around_what_was_found() -> None:
    text = "a" * 300 + " scam " + "b" * 400 + "fraud" + "c" * 50 + "!" + "d" * 200
    parts = list(parts_shown(text, [(301, 305), (706, 711), (761, 762)]))
    assert parts == [
        ("… " + "a" * 59 + " ", False),
        ("scam", True),
        (" " + "b" * 59 + " … " + "b" * 60, False),
        ("fraud", True),
        ("c" * 50, False),
        ("!", True),
        ("d" * 60 + " …", False),
    ]
    assert list(parts_shown("a scam, yes", [(2, 6)])) == [("a ", False), ("scam", True), (", yes", False)]
    assert list(parts_shown("x" * 500, [(0, 500)])) == [("x" * 500, True)]


def test_a_wrong_query_is_shown_with_a_caret_where_it_is_wrong(store: Store) -> None:
    said = qc("客服：（投诉 sound:投", "--store", store.path).stderr.splitlines()
    assert said[0].startswith("QUERY:1:4: error: this bracket")
    assert said[1:3] == ["    客服：（投诉 sound:投", " " * 10 + "^"], "a Chinese character is two wide"
    said = qc("fuzzy:投诉", "--store", store.path).stderr.splitlines()
    assert said[2:4] == [" " * 10 + "^", "    use sound:投诉"], "as a query writes it, not a rule"


@pytest.mark.parametrize(("line", "cells"), [("退款 " * 100 + "sound:投" + " 退款" * 100, 60), ("a" * 700, 46), ("退" * 300, 40)])
def test_a_caret_fits_a_narrow_terminal_and_stays_under_its_character(line: str, cells: int) -> None:
    for column in (1, 20, len(line) // 2, len(line)):
        shown, under = pointed_at(line, column, cells).splitlines()
        wide = [(char, east_asian_width(char) in "WF") for char in shown]
        assert sum(1 + two for _, two in wide) <= cells
        at = 0
        while sum(1 + two for _, two in wide[:at]) < under.index("^"):
            at += 1
        assert shown[at] == line[column - 1]


def test_a_search_that_finds_nothing_says_what_may_help(store: Store) -> None:
    assert qc("头诉", "--store", store.path).stderr.splitlines()[1:] == [
        "note: recognisers may write other characters that sound the same: try sound:头诉"
    ]
    assert set(found(store, "sound:头诉")[0]) == {"c1"}
    assert len(qc("sound:绝无此词", "--store", store.path).stderr.splitlines()) == 1
    assert "what is masked cannot be found" in qc("13800138000", "--store", store.path, "--redact").stderr
