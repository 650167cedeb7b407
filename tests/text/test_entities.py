"""Entities: check digits by their standards' own arithmetic, and what is found in what a recogniser writes."""

from __future__ import annotations

import pytest

from qc.packs.conditions import Term
from qc.scan.matching import Matcher
from qc.scan.view import view
from qc.text.entities import ENTITIES, is_bank_card, is_id_card, parts


def found(name: str, text: str) -> list[str]:
    call = view({"call_id": "c", "turns": [{"turn": 0, "role": "agent", "start_ms": 0, "end_ms": 9, "text": text}]})
    term = Term("entity", name)
    matches = Matcher([term]).match([call])[0].of([term])
    return [text[slice(*call.turns[0].normal.original(m.start, m.end))] for m in matches]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("phone", "您打13800138000吧", ["13800138000"]),
        ("phone", "您打 138 0013 8000", ["138 0013 8000"]),
        ("phone", "幺三八零零幺三八零零零", ["幺三八零零幺三八零零零"]),
        ("phone", "13800138000 13900139000", ["13800138000", "13900139000"]),
        ("phone", "打4008001234", ["4008001234"]),
        ("phone", "010-62345678", ["010-62345678"]),
        ("phone", "单号1380013800012", []),
        ("phone", "12800138000", []),
        ("id_card", "证件11010519491231002X", ["11010519491231002X"]),
        ("id_card", "证件110105194912310021", []),
        ("bank_card", "卡号4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("bank_card", "卡号4111 1111 1111 1112", []),
        ("bank_card", "卡号62220212345678903", ["62220212345678903"]),
        ("bank_card", "卡号6222021234567890128", ["6222021234567890128"]),
        ("bank_card", "卡号6222021234567890129", []),
        ("amount", "赔您三百块", ["三百块"]),
        ("amount", "一共 50 dollars", ["50 dollars"]),
        ("amount", "三天", []),
        ("time_limit", "三个工作日内到账", ["三个工作日"]),
        ("time_limit", "within 24 hours", ["24 hours"]),
        ("time_limit", "明天给您", ["明天"]),
        ("time_limit", "尽快给您", []),
        ("order_number", "订单号是 20261122 001", ["订单号是 20261122 001"]),
        ("order_number", "20261122", []),
        ("url", "打开 www.example.com 看", ["www.example.com"]),
        ("url", "打开淘宝看", []),
        ("chat_handle", "加我微信号abc_12345", ["微信号abc_12345"]),
        ("chat_handle", "加我微信", []),
    ],
)
def test_what_is_found(name: str, text: str, expected: list[str]) -> None:
    assert found(name, text) == expected


def test_one_wrong_digit_never_passes() -> None:
    for good, check in (("11010519491231002x", is_id_card), ("4111111111111111", is_bank_card)):
        assert check(good)
        for place in range(len(good)):
            for digit in "0123456789":
                if digit != good[place]:
                    assert not check(good[:place] + digit + good[place + 1 :])


def test_parts_are_the_leftmost_longest_groups() -> None:
    assert list(parts("12 34 5", lambda d: len(d) == 4)) == [(0, 5)]
    assert list(parts("1 2 3", lambda d: d == "9")) == []


def test_every_entity_is_explained() -> None:
    assert all(entity.zh and entity.en for entity in ENTITIES.values())
