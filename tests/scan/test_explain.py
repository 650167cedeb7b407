"""Why a rule did, did not, or could not hit: the tree says what the scanner says, and the nearest miss is a true one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qc.errors import Exit
from qc.packs import load_pack
from qc.packs.nodes import Node
from qc.packs.reader import Reader
from qc.packs.syntax import CONDITIONS, read_condition
from qc.scan.cases import case_call
from qc.scan.evaluate import PackScanner
from qc.scan.explain import Reason, call_cells, explain, label, reason
from qc.scan.verdicts import Evidence
from qc.scan.words import Context
from qc.store import Store

MakePack = Callable[..., Any]
MakeRow = Callable[..., dict[str, Any]]


def turns(*said: tuple[str, int, int, str]) -> list[dict[str, Any]]:
    """Turns from (role, start s, end s, text)."""
    channel = {"agent": 0, "customer": 1}
    return [
        {"role": role, "channel": channel.get(role, 2), "start_ms": start * 1000, "end_ms": end * 1000, "text": text}
        for role, start, end, text in said
    ]


def told(pack: Any, row: dict[str, Any]) -> list[str]:
    """Every near miss of the pack's only rule, in words."""
    (explained,) = explain(pack, row)
    assert explained.tree is not None
    found: list[str] = []

    def walk(node: Reason) -> None:
        found.extend(near.say("" if near.evidence is None else near.evidence.quote or "") for near in node.nearest)
        for part in node.parts:
            walk(part)

    walk(explained.tree)
    return found


CASES: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "after the window": (
        "{who: agent, says: [稍后], in: first 30 s}",
        turns(("agent", 0, 5, "您好"), ("agent", 33, 35, "稍后")),
        "said 稍后 at 00:33, but 3 s after the window (first 30 s: 00:00 to 00:30)",
    ),
    "before the window": (
        "{who: agent, says: [再见], in: last 10 s}",
        turns(("agent", 0, 2, "再见"), ("agent", 18, 20, "您好")),
        "said 再见 at 00:00, but 8 s before the window (last 10 s: 00:10 to 00:20)",
    ),
    "by the other": (
        "{who: agent, says: [尽快]}",
        turns(("customer", 41, 43, "你们尽快"), ("agent", 44, 45, "好")),
        "said 尽快 at 00:42, but by the customer; the rule asks for the agent",
    ),
    "by sound": (
        "{says: [投诉]}",
        turns(("customer", 0, 2, "我要投素")),
        "投素 at 00:01 sounds like 投诉; the rule asks for exact",
    ),
    "by a sound that may be tolerated": (
        "{says: [联系商家], match: sound}",
        turns(("customer", 0, 4, "年系桑家")),
        "年系桑家 at 00:00 sounds nearly like 联系商家; the rule asks for the same sound",
    ),
    "nearly": (
        "{says: [{word: 七天无理由退货, match: fuzzy 0.90}]}",
        turns(("customer", 0, 7, "七天没理由退货")),
        "七天没理由退货 at 00:00 is 85 % like 七天无理由退货; the rule asks for 90 %",
    ),
    "excluded": (
        "{says: [尽快], except: [请尽快]}",
        turns(("agent", 0, 3, "请尽快")),
        "said 尽快 at 00:01, but inside one of the longer phrases under `except`",
    ),
    "excused": (
        "{says: [尽快], unless: [三小时]}",
        turns(("agent", 0, 6, "尽快三小时内")),
        "said 尽快 at 00:00, but the same speaker also says one of the words under `unless` there",
    ),
    "too seldom": (
        "{says: [订单号], times: 2}",
        turns(("agent", 0, 3, "订单号")),
        "said 订单号 and the like 1 time; the rule asks for 2",
    ),
    "too few": (
        "{says: [姓名, 订单号], need: all}",
        turns(("agent", 0, 3, "订单号")),
        "said 订单号 at 00:00, but the rule asks for all of them of its 2 words",
    ),
    "in a turn that does not count": (
        "{says: [谢谢观看]}",
        [turns(("agent", 0, 4, "谢谢观看"))[0] | {"flags": ["pseudo_speech"]}, *turns(("agent", 5, 90, "您好"))],
        "said 谢谢观看 at 00:00, but the turn does not count: it is flagged, or below the confidence floor",
    ),
    "too short a silence": (
        "{silence: {longer_than: 8 s}}",
        turns(("agent", 0, 2, "好"), ("customer", 8, 9, "喂")),
        "the longest silence of this kind was 6 s (at 00:02); the rule asks for more than 8 s",
    ),
    "an excused silence": (
        "{silence: {longer_than: 8 s, except_after: [请稍等]}}",
        turns(("agent", 0, 2, "请稍等"), ("agent", 20, 21, "好了")),
        "18 s of silence at 00:02, after one of the words under `except_after`",
    ),
    "too far apart": (
        "{near: [{says: [退款]}, {says: [不行]}], within: 5 s}",
        turns(("customer", 0, 1, "退款"), ("agent", 13, 14, "不行")),
        "both happen, but 12 s apart; the rule asks for at most 5 s",
    ),
    "a step too late": (
        "{then: [{says: [投诉]}, {says: [抱歉], within: 5 s}]}",
        turns(("customer", 0, 1, "投诉"), ("agent", 13, 14, "抱歉")),
        "step 2 comes 12 s after the one before; the rule asks for at most 5 s",
    ),
    "in another order": (
        "{then: [{says: [投诉]}, {says: [抱歉]}, {says: [您好]}]}",
        turns(("agent", 0, 1, "您好"), ("customer", 2, 3, "投诉"), ("agent", 4, 5, "抱歉")),
        "steps 1 to 2 happen in this order; step 3 does not come after them",
    ),
    "too few turns": (
        "{count: {turns: over 3, who: agent}}",
        turns(("agent", 0, 1, "好"), ("agent", 3, 4, "好")),
        "2 turns; the rule asks for over 3 turns",
    ),
    "beside another": (
        "{who: agent, says: [抱歉], in: {after: {who: customer, says: [投诉]}, within: 5 s}}",
        turns(("customer", 0, 1, "投诉"), ("agent", 13, 14, "抱歉")),
        "said 抱歉 at 00:13, 12 s after what it is measured from; the rule asks for 5 s after it",
    ),
    "never said, but something like it": (
        "{who: agent, never_says: [通话录音]}",
        turns(("agent", 0, 4, "通话路音")),
        "通话路音 at 00:00 sounds like 通话录音; the rule asks for exact",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_nearest_miss(name: str, make_pack: MakePack, make_row: MakeRow) -> None:
    when, said, expected = CASES[name]
    assert expected in told(make_pack({"r": when}), make_row(said, duration_ms=90_000))


def test_a_place_that_sounds_alike_is_told_once(make_pack: MakePack, make_row: MakeRow) -> None:
    found = told(make_pack({"r": "{who: agent, says: [进快]}"}), make_row(turns(("agent", 0, 3, "我们尽快"))))
    assert found == ["尽快 at 00:01 sounds like 进快; the rule asks for exact"]


def test_a_column_that_the_call_list_does_not_have_is_told_with_those_it_has(make_pack: MakePack, make_row: MakeRow) -> None:
    pack, row = make_pack({"r": "{listed: {队列: 售后, queue: 售后}}"}), make_row(turns(("agent", 0, 3, "好")))
    (explained,) = explain(pack, row, meta={"queue": "售后", "ticket": None})
    assert explained.tree is not None
    assert [near.text for near in explained.tree.nearest] == ["the call list has no column 队列; it has queue, ticket"]
    assert told(pack, row) == ["the call list does not have this call"]


def test_a_rule_that_misses_by_far_has_no_near_miss(make_pack: MakePack, make_row: MakeRow) -> None:
    assert told(make_pack({"r": "{says: [投诉]}"}), make_row(turns(("agent", 0, 3, "今天天气很好")))) == []


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_tree_says_what_the_scan_says_on_every_example(name: str, tmp_path: Path) -> None:
    """Every condition's examples of the reference: the root of the tree has the verdict that a scan stores."""
    head = "id: p\nversion: 1.0.0\nlanguage: 1\ntitle: t\ndimensions: [{id: d, title: d}]\nrules:\n"
    body = "id: r\ntitle: t\nwhy: w\ndimension: d\nseverity: low\npoints: -1\n" + CONDITIONS[name].example
    rule = "".join(("  - " if i == 0 else "    ") + line + "\n" for i, line in enumerate(body.splitlines()))
    (tmp_path / "pack.yaml").write_text(head + rule, encoding="utf-8")
    pack = load_pack(tmp_path)
    scanner = PackScanner(pack)
    for case in pack.rules[0].cases:
        call = case_call(case, pack)
        matches = scanner.scan([call])[0]
        context = Context(call, matches, pack.coverage_floor)
        tree = reason(pack.rules[0].when, context)
        assert tree.verdict == case.verdict == scanner.findings(call, matches)[0].verdict
        assert all(isinstance(one, Evidence) for one in tree.evidence)
        assert "\n" not in tree.label


def test_the_cells_of_a_call_are_those_of_a_scan(tmp_path: Path) -> None:
    from qc.scan import stage

    store = Store(tmp_path)
    store.append("calls", [{"call_id": c, "queue": "售后", "satisfaction": 5, "meta": [{"name": "x", "value": c}]} for c in "ab"])
    assert call_cells(store, "b") == stage._call_list(store)["b"]
    assert call_cells(store, "c") is None


def test_labels_are_short_however_long_the_list() -> None:
    words = Node("list", "f", 1, 1, items=tuple(Node("text", "f", 1, 1, f"词{i}") for i in range(100)))
    node = Node("map", "f", 1, 1, pairs=((Node("text", "f", 1, 1, "says"), words),))
    assert label(read_condition(Reader(), node)) == "anyone says [词0, 词1, 词2, 词3, 词4, 词5, … 94 more]"


def qc(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qc", "scan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_verb_explains_masks_and_writes_nothing(pack_folder: Callable[..., Path], make_row: MakeRow, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.append("transcripts", [make_row(turns(("customer", 0, 9, "投诉，电话13800138000"), ("agent", 10, 12, "尽快")))])
    store.append("transcripts", [{"call_id": "c2", "status": "failed", "reason": "empty", "message": "nothing in it"}])
    folder = pack_folder({"r": "{says: [{entity: phone}]}", "s": "{who: agent, says: [投诉]}", "far": "{says: [天气]}"})
    base = ("--rules", folder, "--store", store.path)
    done = qc(*base, "--explain", "c1", "--redact")
    assert done.returncode == Exit.OK, done.stderr
    assert "███████████" in done.stdout
    assert "13800138000" not in done.stdout
    assert "nearest: said 投诉 at 00:00, but by the customer" in done.stdout
    assert "far:" not in done.stdout
    assert "1 hit, 2 miss" in done.stderr
    value = json.loads(qc(*base, "--explain", "c1", "--rule", "r", "--json").stdout)
    (rule,) = value["packs"][0]["rules"]
    assert (rule["rule"], rule["verdict"], rule["tree"]["evidence"][0]["quote"]) == ("r", "hit", "13800138000")
    assert not store.parts("findings")
    assert qc(*base, "--explain", "c2").returncode == Exit.FAILED_CALLS
    assert qc(*base, "--explain", "c9").returncode == Exit.USAGE
    assert qc(*base, "--rule", "r").returncode == Exit.USAGE
    done = qc(*base, "--explain", "c1", "--rule", "farr")
    assert done.returncode == Exit.USAGE
    assert "did you mean 'far'" in done.stderr
