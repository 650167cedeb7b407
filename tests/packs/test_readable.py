"""Lengths as a person writes them; what was said is left alone, whatever it looks like."""

from __future__ import annotations

from typing import Any

import pytest

from qc.packs.readable import readable
from qc.packs.reader import parse_duration
from qc.packs.syntax import write_condition
from qc.search import parse_query
from qc.search.as_rule import as_rule


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ("30000 ms", "30 s"),
        ({"in": "first 30000 ms"}, {"in": "first 30 s"}),
        ({"in": {"after": {"says": ["投诉"]}, "within": "1 turns"}}, {"in": {"after": {"says": ["投诉"]}, "within": "1 turn"}}),
        ({"in": "last 1 turns of agent"}, {"in": "last 1 turn of agent"}),
        ({"silence": {"longer_than": "60000 ms", "after": "agent"}}, {"silence": {"longer_than": "1 min", "after": "agent"}}),
        ({"call": {"duration": "over 1200000 ms"}}, {"call": {"duration": "over 20 min"}}),
        ({"within": "1500 ms"}, {"within": "1500 ms"}),
        ([{"pause": "9000 ms"}, {"unheard": "agent 3000 ms"}], [{"pause": "9 s"}, {"unheard": "agent 3 s"}]),
    ],
)
def test_lengths(plain: Any, said: Any) -> None:
    assert readable(plain) == said


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500 ms", 500), ("8s", 8000), ("8 sec", 8000), ("1 second", 1000), ("1.5 seconds", 1500), ("8 秒", 8000), ("0.001 s", 1),
        ("1 min", 60_000), ("2 minutes", 120_000), ("1.5 分钟", 90_000), ("1 h", 3_600_000), ("2 hours", 7_200_000), ("1 小时", 3_600_000),
        ("8", None), ("eight s", None), ("-1 s", None), ("1 day", None), ("1 s 2", None),
    ],
)  # fmt: skip
def test_every_unit_of_time_is_exact(text: str, ms: int | None) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    "plain",
    [
        {"says": ["5000 ms", {"word": "first 60000 ms", "match": "fuzzy 0.80"}], "unless": ["1 turns"]},
        {"listed": {"timeout": ["5000 ms"]}},
        [{"agent": "5000 ms"}, {"call": {"timeout": "5000 ms"}}],
    ],
)
def test_words_and_cells_are_left_alone(plain: Any) -> None:
    assert readable(plain) == plain


def test_a_rule_made_of_a_query_looks_for_the_same_words() -> None:
    text = as_rule("q", parse_query('"5000 ms" NEAR/5s agent:超时'), [])
    assert "5000 ms" in text
    assert "within: 5 s" in text
    assert write_condition(parse_query('"5000 ms"')) == {"says": ["5000 ms"]}
