"""A rule read aloud: nothing of it is left in the language of the file, and what it says is what it means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from qc.packs import load_pack
from qc.packs.aloud import MAX_WORDS, Part, describe
from qc.packs.aloud_words import BESIDE, BOUNDS, KEYS, WAYS
from qc.packs.syntax import CONDITIONS, write_condition

ROOT = Path(__file__).parents[2]
RULES = [(f"{path.name}:{rule.id}", rule) for path in (ROOT / "rules").iterdir() for rule in load_pack(path).rules]


def labels(part: Part) -> list[str]:
    return [part.label, *(label for inner in part.parts for label in labels(inner))]


def lines(part: Part, depth: int = 0) -> list[str]:
    said = "  " * depth + part.label + ", ".join(word["text"] for word in part.words) + part.more
    return [said.rstrip(), *(line for inner in part.parts for line in lines(inner, depth + 1))]


@pytest.mark.parametrize("rule", [rule for _, rule in RULES], ids=[name for name, _ in RULES])
def test_no_key_of_the_language_is_left(rule: Any) -> None:
    plain = write_condition(rule.when)
    columns = {name for part in _parts(plain) if "listed" in part for name in part["listed"]}
    for label in labels(describe(plain, "zh")):
        left = set(re.findall("[a-zA-Z_]{2,}", label)) - columns - {"dBFS", "dB", "ms"}
        assert not left or label in columns, label
    for label in labels(describe(plain, "en")):
        assert label, "a line that says nothing"
        assert "_" not in label, label


def _parts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(part for inner in value.values() for part in _parts(inner))]
    return [part for inner in value for part in _parts(inner)] if isinstance(value, list) else []


def test_every_condition_and_every_key_of_one_has_words() -> None:
    for lang in ("zh", "en"):
        for name, syntax in CONDITIONS.items():
            assert name in KEYS[lang]
            for key in syntax.keys:
                told = {key.name, f"{name}.{key.name}"} & set(KEYS[lang])
                assert told or key.name in ("match", "tolerate") or name == "at_least", (name, key.name)
        assert set(KEYS["en"]) <= set(KEYS["zh"])
    for words in (WAYS, BESIDE, BOUNDS):
        assert set(words["zh"]) == set(words["en"])


@pytest.mark.parametrize(
    ("plain", "zh", "en"),
    [
        (
            {"never_says": ["登记"], "who": "agent", "in": {"after": {"says": ["投诉"]}, "within": "2 turns", "which": "every"}},
            ["一次也没有说 登记", "  谁：客服", "  哪一段：下面这件事（每一次）之后，2 句之内", "    说了 投诉"],
            ["never says 登记", "  who: agent", "  where: after this (every time), within 2 turns", "    says 投诉"],
        ),
        (
            {"says": ["甲"], "in": {"before": {"says": ["乙"]}, "which": "2th"}},
            ["说了 甲", "  哪一段：下面这件事（第 2 次）之前", "    说了 乙"],
            ["says 甲", "  where: before this (time 2)", "    says 乙"],
        ),
        (
            {"silence": {"longer_than": "8000 ms", "before": "agent", "after": "customer"}},
            ["没有人说话", "  超过：8 秒", "  接着该谁说：客服", "  之前是谁在说：顾客"],
            ["nobody speaks", "  longer than: 8 s", "  who speaks next: agent", "  who spoke last: customer"],
        ),
        (
            {"interruption": {"by": "agent", "after": "1000 ms", "overlap": "500 ms"}},
            ["打断对方", "  谁：客服", "  对方至少已经说了：1 秒", "  同时说话至少：0.5 秒"],
            ["interrupts the other", "  who: agent", "  the other has spoken for at least: 1 s", "  both speak for at least: 0.5 s"],
        ),
        (
            {"at_least": 2, "of": [{"says": ["甲"]}, {"not": {"says": ["乙"]}}]},
            ["以下至少 2 个成立", "  说了 甲", "  以下不成立", "    说了 乙"],
            ["at least 2 of these hold", "  says 甲", "  this does not hold", "    says 乙"],
        ),
        (
            {"says": [{"word": "投诉", "match": "sound"}, "退款", {"entity": "order_number"}, {"similar": "你好吗", "at_least": 0.7}]},
            ["说了 退款, 订单号、运单号", "  （读音相同也算） 投诉", "  （整句话，70% 相似就算） 你好吗"],
            ["says 退款, order or tracking number", "  (or what sounds like it) 投诉", "  (as a whole turn, 70% alike) 你好吗"],
        ),
        (
            {"says": [{"word": "流量", "match": "sound", "tolerate": ["n/l"]}], "in": "last 2 turns of agent", "need": "all"},
            ["说了（读音相同也算，不分 n/l） 流量", "  哪一段：最后 2 句（客服的）", "  要几个：全部"],
            ["says (or what sounds like it, n/l not told apart) 流量", "  where: last 2 turns of agent", "  how many: all of them"],
        ),
        (
            {"then": [{"says": ["甲"]}, {"step": {"near": [{"says": ["乙"]}, {"says": ["丙"]}], "within": "6 characters"}, "within": "1 turns"}]},
            ["按这个顺序发生", "  说了 甲", "  在一起出现", "    说了 乙", "    说了 丙", "    相隔不超过：6 个字", "    离上一步不超过：1 句"],
            [
                "happen in this order", "  says 甲", "  happen close together", "    says 乙", "    says 丙",
                "    at most this far apart: 6 characters", "    at most this long after the step before: 1 turn",
            ],
        ),
        (
            {"call": {"agent_share": "over 80 %", "ended_by": "customer"}},
            ["整通电话", "  客服说话占：多于 80 %", "  谁先挂断：顾客"],
            ["the whole call", "  the agent's share of the speech: over 80 %", "  who hung up: customer"],
        ),
        (
            {"listed": {"queue": ["售后", "退款"], "ticket": "missing", "satisfaction": "at most 2"}},
            ["通话清单里", "  queue：售后, 退款", "  ticket：空着", "  satisfaction：至多 2"],
            ["in the call list", "  queue: 售后, 退款", "  ticket: missing", "  satisfaction: at most 2"],
        ),
    ],
)  # fmt: skip
def test_it_says_what_it_means(plain: dict[str, Any], zh: list[str], en: list[str]) -> None:
    assert lines(describe(plain, "zh")) == zh
    assert lines(describe(plain, "en")) == en


def test_very_many_words_are_counted() -> None:
    part = describe({"says": [f"w{i}" for i in range(MAX_WORDS + 5)]}, "en")
    assert len(part.words) == MAX_WORDS
    assert part.more == "… and 5 more"
