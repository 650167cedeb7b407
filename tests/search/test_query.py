"""The query form: what each writing stands for, and what is said of a bad one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.errors import PackError
from qc.packs.nodes import read_yaml
from qc.packs.reader import Reader
from qc.packs.syntax import read_condition, write_condition
from qc.search.as_rule import as_rule
from qc.search.query import KINDS, MAX_LENGTH, ROLES, parse_query, slips

MEANT: dict[str, Any] = {
    "投诉": {"says": ["投诉"]},
    "投诉|举报 退款": {"all": [{"says": ["投诉", "举报"]}, {"says": ["退款"]}]},
    "投诉 AND 退款": {"all": [{"says": ["投诉"]}, {"says": ["退款"]}]},
    "投诉 退款 OR 举报": {"any": [{"all": [{"says": ["投诉"]}, {"says": ["退款"]}]}, {"says": ["举报"]}]},
    "投诉 (退款 OR agent:尽快)": {"all": [{"says": ["投诉"]}, {"any": [{"says": ["退款"]}, {"says": ["尽快"], "who": "agent"}]}]},
    "agent:尽快 NOT agent:(小时|工作日)": {
        "all": [{"says": ["尽快"], "who": "agent"}, {"not": {"says": ["小时", "工作日"], "who": "agent"}}]
    },
    "客户:退款": {"says": ["退款"], "who": "customer"},
    "客服：（您好｜你好）": {"says": ["您好", "你好"], "who": "agent"},
    "role:agent 尽快": {"says": ["尽快"], "who": "agent"},
    "agent: 尽快": {"says": ["尽快"], "who": "agent"},
    "客服： sound: 尽快": {"says": [{"word": "尽快", "match": "sound"}], "who": "agent"},
    "agent:您好 first 30s": {"says": ["您好"], "who": "agent", "in": "first 30000 ms"},
    "last 20 s agent:再见": {"says": ["再见"], "who": "agent", "in": "last 20000 ms"},
    "agent:您好 first 3 turns": {"says": ["您好"], "who": "agent", "in": "first 3 turns"},
    "不 first 3 turns of customer": {"says": ["不"], "in": "first 3 turns of customer"},
    "客户:不 last 2 turns of 客服": {"says": ["不"], "who": "customer", "in": "last 2 turns of agent"},
    "不 first 3 turns of it": {"all": [{"says": ["不"], "in": "first 3 turns"}, {"says": ["of"]}, {"says": ["it"]}]},
    "first class": {"all": [{"says": ["first"]}, {"says": ["class"]}]},
    '"thank you"': {"says": ["thank you"]},
    '"first" 3s': {"all": [{"says": ["first"]}, {"says": ["3s"]}]},
    "/(应该|可能).{0,5}吧/": {"says": ["/(应该|可能).{0,5}吧/"]},
    "sound:投诉|举报": {"says": [{"word": "投诉", "match": "sound"}, {"word": "举报", "match": "sound"}]},
    "投诉|sound:举报": {"says": ["投诉", {"word": "举报", "match": "sound"}]},
    "agent:sound:投诉": {"says": [{"word": "投诉", "match": "sound"}], "who": "agent"},
    "fuzzy:七天无理由退货": {"says": [{"word": "七天无理由退货", "match": "fuzzy 0.80"}]},
    "similar:请问还有什么可以帮您": {"says": [{"similar": "请问还有什么可以帮您", "at_least": 0.75}]},
    "entity:phone": {"says": [{"entity": "phone"}]},
    "退款 NEAR 不行": {"near": [{"says": ["退款"]}, {"says": ["不行"]}], "within": "2 turns"},
    "退款 NEAR/10c 不行": {"near": [{"says": ["退款"]}, {"says": ["不行"]}], "within": "10 characters"},
    "退款 NOT NEAR/5s 到账": {"not_near": [{"says": ["退款"]}, {"says": ["到账"]}], "within": "5000 ms"},
    "投诉 THEN/3turns 抱歉 THEN 再见": {
        "then": [{"says": ["投诉"]}, {"says": ["抱歉"], "within": "3 turns"}, {"says": ["再见"]}]
    },
    "customer:(投诉 THEN agent:抱歉)": {
        "then": [{"says": ["投诉"], "who": "customer"}, {"says": ["抱歉"], "who": "agent"}]
    },
}  # fmt: skip

BAD = {
    "": (1, "empty"),
    "   ": (1, "empty"),
    "agnet:尽快": (1, "did you mean 'agent'?"),
    "投诉 fuzy:七天无理由": (4, "did you mean 'fuzzy'?"),
    "(投诉": (1, "never closed"),
    "投诉)": (3, "closes nothing"),
    "()": (1, "nothing between"),
    "NEAR 投诉": (1, "stands between two things"),
    "投诉 THEN": (4, "stands between two things"),
    "投诉 NEAR/5x 退": (9, "no distance"),
    "NOT": (1, "before nothing"),
    "agent:(": (1, "before nothing"),
    '"abc': (1, "nothing closes"),
    "a ||b": (3, "stands between two words"),
    "first 30s": (1, "but not what"),
    "/(/": (1, "not a pattern"),
    "sound:投": (7, "one syllable"),
    "entity:fone": (8, "did you mean 'phone'?"),
    "投诉 THEN (NOT 退款)": (10, "happens at no one place"),
    "NOT " * 20 + "a": (33, "nested deeper"),
    "(" * 300 + "a": (9, "nested deeper"),
    "a" * (MAX_LENGTH + 1): (1, "longer than"),
}


@pytest.mark.parametrize("query", MEANT)
def test_a_query_stands_for_this_condition(query: str) -> None:
    assert write_condition(parse_query(query)) == MEANT[query]


@pytest.mark.parametrize("query", BAD)
def test_a_bad_query_is_told_with_its_column(query: str) -> None:
    column, said = BAD[query]
    with pytest.raises(PackError) as error:
        parse_query(query)
    told = [(p.column, f"{p.message} ({p.hint})") for p in error.value.problems]
    assert any(c == column and said in text for c, text in told), told


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(PackError) as error:
        parse_query("agnet:尽快 NEAR/5x sound:投")
    assert len(error.value.problems) == 3


def test_every_role_and_kind_has_an_example() -> None:
    text = " ".join(MEANT)
    assert all(
        f"{name}:" in text.replace("：", ":") or name in ("customer", "坐席", "顾客", "anyone") for name in (*ROLES, *KINDS)
    )


def test_operators_in_small_letters_are_words_and_that_is_said() -> None:
    assert write_condition(parse_query("退款 near 不行")) == {"all": [{"says": ["退款"]}, {"says": ["near"]}, {"says": ["不行"]}]}
    assert slips("退款 near 不行") == ["'near' is looked for as a word; the operator is written NEAR"]
    assert slips("退款 NEAR 不行") == []
    assert slips("投诉 或 举报") == ["'或' is looked for as a word; the operator is written | or OR"]
    assert slips("尽快 first 30") == ["'first 30' is looked for as words; write first 30s, or first 30 turns"]
    assert slips('尽快 first 30 turns 投诉 last 20s "投诉 或 举报" 或许') == []
    told = "'2 turns' is looked for as words; the distance is written THEN/2turns"
    assert slips("退款 THEN 2 turns 不行 NEAR/5s 投诉") == [told]


_PIECES = [
    "投诉",
    "agent:",
    "客服：",
    "(",
    ")",
    "|",
    "NOT",
    "NEAR",
    "NEAR/5s",
    "THEN",
    "OR",
    "AND",
    '"',
    "/",
    "first",
    "30s",
    "3",
    "turns",
    "\\",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=20).map(" ".join))
def test_any_line_is_a_condition_or_problems_with_a_place(query: str) -> None:
    try:
        condition = parse_query(query)
    except PackError as error:
        assert all(p.line == 1 and 1 <= p.column <= len(query) + 1 and p.message for p in error.problems)
    else:
        assert write_condition(condition)


@pytest.mark.parametrize("query", [*MEANT, '"5000 ms"', "退款 NEAR/1turns 到账", "agent:再见 last 1 turns of agent"])
def test_the_rule_of_a_query_means_the_same(query: str) -> None:
    condition = parse_query(query)
    node = read_yaml(as_rule(query, condition, []).encode(), "rule.yaml")
    assert node is not None
    when = next(value for key, value in node.items[0].pairs if key.text == "when")
    reader = Reader()
    assert read_condition(reader, when) == condition
    assert not reader.problems
