"""Rules of other products: what can be said is said with the same meaning, what cannot is told, nothing is dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.changes.convert import convert
from qc.errors import Exit, QcError, UsageError
from qc.packs import load_pack
from qc.packs.importers import FORMATS, connect, miarec, read_foreign, sca
from qc.packs.importers.draft import LEFT_OUT, NEARLY, Foreign
from qc.scan import run_cases
from tests.changes.conftest import Run


def condition(cid: str, kind: str, param: dict[str, Any], **check: Any) -> dict[str, Any]:
    return {"cid": cid, "check_range": check, "lambda": "1", "operators": [{"oid": "1", "type": kind, "param": param}]}


def of_sca(*conditions: dict[str, Any], text: str = "1", **rule: Any) -> Foreign:
    return sca.read({"conditions": list(conditions), "rules": [{"rid": "9", "name": "规则", "lambda": text, **rule}]})


def of_connect(*operands: dict[str, Any], operator: str = "AND") -> Foreign:
    return connect.read({"Version": "2022-11-25", "RuleFunction": {"Operator": operator, "Operands": list(operands)}})


def words_of(kind: str, operands: list[Any], *filters: dict[str, Any], negate: bool = False) -> dict[str, Any]:
    clause = {"LogicOperator": "AND", "Filters": list(filters)}
    value = f"$.ContactLens.PostCall.{kind}.Transcript"
    return {"Operator": "CONTAINS_ANY", "Operands": operands, "ComparisonValue": value, "FilterClause": clause, "Negate": negate}


def only(foreign: Foreign) -> Any:
    assert len(foreign.drafts) == 1, foreign.losses
    return foreign.drafts[0].when


ANY, ALL = "HIT_ANY_KEYWORDS", "INCLUDE_KEYWORDS"


@pytest.mark.parametrize(
    ("made", "when"),
    [
        (condition("1", ANY, {"keywords": ["尽快", "尽早"]}, role="客服"), {"who": "agent", "says": ["尽快", "尽早"]}),
        (condition("1", ALL, {"keywords": ["您好", "工号"]}), {"says": ["您好", "工号"], "need": "all"}),
        (condition("1", ALL, {"keywords": ["a1", "b2", "c3"], "keywordMatchSize": 2}), {"says": ["a1", "b2", "c3"], "need": 2}),
        (condition("1", ALL, {"Keywords": ["您好"], "KeywordMatchSize": 0}, role="客服"), {"who": "agent", "never_says": ["您好"]}),
        (condition("1", ANY, {"keywords": ["投诉"], "threshold": 3}, role="客户"), {"who": "customer", "says": ["投诉"], "times": 3}),
        (condition("1", ALL, {"keywords": ["退", "款"], "in_sentence": True}), {"near": [{"says": ["退"]}, {"says": ["款"]}], "within": "9999 characters"}),
        (condition("1", "REGULAR_EXPRESSION", {"regex": "\\d{3}元", "notRegex": "不要"}), {"says": ["/\\d{3}元/"], "unless": ["/不要/"]}),
        (condition("1", "INTERVAL_GREATER", {"interval": 8000}, role="客服"), {"silence": {"longer_than": "8000 ms", "before": "agent"}}),
        (condition("1", "SPEECH_SPEED_CHECK", {"velocityInMint": 400, "minWordSize": 9}), {"speed": {"who": "agent", "pace": "over 400", "characters": 9}}),
        (condition("1", ANY, {"keywords": ["您好"]}, range={"from": 1, "to": 3}), {"in": "first 3 turns", "says": ["您好"]}),
        (condition("1", ANY, {"keywords": ["再见"]}, range={"from": -2, "to": -1}), {"in": "last 2 turns", "says": ["再见"]}),
    ],
)  # fmt: skip
def test_an_operator_of_sca_is_said_in_our_language(made: dict[str, Any], when: dict[str, Any]) -> None:
    assert only(of_sca(made)) == when


def test_conditions_of_sca_are_combined_as_their_expression_says() -> None:
    a, b, c = (condition(n, ANY, {"keywords": [w]}, role="客服") for n, w in (("1", "甲甲"), ("2", "乙乙"), ("3", "丙丙")))
    assert only(of_sca(a, b, c, text="1&&(2||!3)")) == {
        "all": [
            {"who": "agent", "says": ["甲甲"]},
            {"any": [{"who": "agent", "says": ["乙乙"]}, {"who": "agent", "never_says": ["丙丙"]}]},
        ]
    }
    before = condition(
        "2",
        ANY,
        {"keywords": ["投诉"]},
        role="客户",
        anchor={"cid": "1", "location": "AFTER", "hit_time": 2},
        range={"from": 1, "to": 3},
    )
    foreign = of_sca(a, before, text="2", scoreNum=5, scoreType=3)
    assert only(foreign) == {"who": "customer", "in": "3 turns after the 2nd c-1", "says": ["投诉"]}
    assert foreign.drafts[0].define == {"c-1": {"who": "agent", "says": ["甲甲"]}}
    assert foreign.drafts[0].points == -5


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (condition("1", "EMOTION_MODEL", {}), "1"),
        (condition("1", ANY, {"keywords": ["x1"]}), "1&&7"),
        (condition("1", ANY, {"keywords": ["x1"]}), "1&&("),
        (condition("1", ANY, {"keywords": []}), "1"),
        (condition("1", "REGULAR_EXPRESSION", {"regex": "(?<=a)b"}), "1"),
        (condition("1", ANY, {"keywords": ["x1"]}, anchor={"cid": "1"}), "1"),
        (condition("1", ANY, {"keywords": ["x1"]}, range={"from": 3, "to": 5}), "1"),
        (condition("1", "INTERVAL_GREATER", {"interval": 1, "compareOperator": "lt"}), "1"),
    ],
)
def test_a_rule_with_a_part_that_cannot_be_said_is_left_out_whole_and_told(made: dict[str, Any], text: str) -> None:
    foreign = of_sca(made, text=text)
    assert not foreign.drafts
    assert [loss.kind for loss in foreign.losses] == [LEFT_OUT]
    assert foreign.losses[0].where == "规则"


@pytest.mark.parametrize(
    ("query", "when"),
    [
        ("website AND problem", {"all": [{"says": ["website"]}, {"says": ["problem"]}]}),
        ("purchase | buy", {"says": ["purchase", "buy"]}),
        ('problem NOTIN "not a problem"', {"says": ["problem"], "except": ["not a problem"]}),
        ('NOT "replacement order"', {"never_says": ["replacement order"]}),
        ("cancel NEAR:3 order", {"near": [{"says": ["cancel"]}, {"says": ["order"]}], "within": "21 characters"}),
        ("number NOTNEAR:3 phone", {"not_near": [{"says": ["number"]}, {"says": ["phone"]}], "within": "21 characters"}),
        ("cancel ONEAR:5 order", {"then": [{"says": ["cancel"]}, {"says": ["order"], "within": "35 characters"}]}),
        ("cancel order", {"then": [{"says": ["cancel"]}, {"says": ["order"], "within": "35 characters"}]}),
        ('AGENT: ("my name" OR "this is")', {"who": "agent", "says": ["my name", "this is"]}),
        ('POSBEFORE:50 "my name is"', {"in": "first 20 s", "says": ["my name is"]}),
        ("ship*", {"says": ["/\\bship\\w*/"]}),
        ('R"ship(ment|ping)"', {"says": ["/ship(ment|ping)/"]}),
        ("a1 OR b2 AND c3", {"any": [{"says": ["a1"]}, {"all": [{"says": ["b2"]}, {"says": ["c3"]}]}]}),
    ],
)
def test_a_query_of_miarec_is_said_in_our_language(query: str, when: dict[str, Any]) -> None:
    assert only(miarec.read(query)) == when


@pytest.mark.parametrize(
    "query", ["(a AND b", "a AND", 'R"(?=x)" AND y', '$call-duration > "2:00"', "POSAFTER:50 x", ")", "(" * 99 + "a"]
)
def test_a_query_that_cannot_be_said_is_told_with_its_line(query: str) -> None:
    foreign = miarec.read(f"fine AND good\n{query}\n")
    assert len(foreign.drafts) == 1
    assert [(loss.kind, loss.where) for loss in foreign.losses] == [(LEFT_OUT, "line 2")]


def test_words_and_patterns_of_connect_are_said_in_our_language() -> None:
    customer, first = (
        {"Type": "ParticipantRole", "Data": "CUSTOMER"},
        {"Type": "PostCallContactPeriodSeconds", "Data": {"First": 60}},
    )
    assert only(of_connect(words_of("ExactMatch", ["refund"], customer, first))) == {
        "who": "customer",
        "in": "first 60 s",
        "says": ["refund"],
    }
    assert only(of_connect(words_of("ExactMatch", ["sorry"], negate=True))) == {"never_says": ["sorry"]}
    both = of_connect(words_of("ExactMatch", ["a1"]), words_of("ExactMatch", ["b2"]), operator="OR")
    assert only(both) == {"says": ["a1", "b2"]}
    pieces = [{"Type": "PLAIN", "Value": "pay"}, {"Type": "LIST", "Value": [{"Type": "PLAIN", "Value": "a"}, {"Type": "PLAIN", "Value": "b"}]},
              {"Type": "PROXIMITY", "Value": {"Distance": 2, "IsWithin": True}}, {"Type": "NUMERICAL", "Value": {"Decimal": False}}]  # fmt: skip
    assert only(of_connect(words_of("PatternMatch", [pieces]))) == {"says": ["/pay(a|b).{0,14}[0-9]+/"]}
    described = {"Rule": {"Name": "Refund", "RuleArn": "arn", "Function": json.dumps({"RuleFunction": {"Operator": "AND", "Operands": [words_of("SemanticMatch", ["give me my money"])]}})}}  # fmt: skip
    foreign = connect.read(described)
    assert foreign.drafts[0].name == "Refund"
    assert NEARLY in [loss.kind for loss in foreign.losses]
    queue = {"Operator": "CONTAINS_ANY", "Operands": ["id"], "ComparisonValue": "$.ContactLens.PostCall.Queue.QueueId"}
    assert not of_connect(words_of("ExactMatch", ["a1"]), queue).drafts


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.json", json.dumps({"data": {"conditions": [condition("1", ANY, {"keywords": ["尽快"]})], "rules": [{"rid": "1", "lambda": "1"}]}}), "sca"),
        ("b.json", json.dumps({"Version": "2022-11-25", "RuleFunction": {"Operator": "AND", "Operands": [words_of("ExactMatch", ["refund"])]}}), "connect"),
        ("c.txt", "# cancel\ncancel NEAR:3 order\n", "miarec"),
        ("d.txt", "# 敏感词\n加微信\n私下转账\n", "words"),
        ("e.csv", "关键词,分类,备注\n加微信,导流,x\n私下转账,导流,\n滚,辱骂,\n", "words"),
    ],
)  # fmt: skip
def test_the_format_is_guessed_and_the_pack_passes_its_cases(name: str, content: str, form: str, tmp_path: Path, qc: Run) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    code, said = qc("rules", "convert", file, "-o", tmp_path / "made", "--json")
    assert code == Exit.OK, said
    value = json.loads(said)
    assert value["format"] == form
    pack = load_pack(tmp_path / "made")
    assert len(pack.rules) == value["rules"] > 0
    results = run_cases(pack)
    assert len(results) >= 2 * len(pack.rules)
    assert all(result.ok for result in results)
    report = (tmp_path / "made" / "CONVERSION.md").read_text(encoding="utf-8")
    assert all(loss["what"].split("|")[0][:20] in report for loss in value["losses"])
    assert qc("rules", "convert", file, "-o", tmp_path / "made")[0] == Exit.USAGE, "the folder is not empty"


def test_a_column_a_list_in_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["导流", "辱骂"], ["加微信", "滚"], ["私下转账、线下交易", None]):
        book.active.append(row)
    book.save(tmp_path / "x.xlsx")
    form, foreign = read_foreign(tmp_path / "x.xlsx")
    assert form == "words"
    assert {d.name: d.when["says"] for d in foreign.drafts} == {"导流": ["加微信", "私下转账", "线下交易"], "辱骂": ["滚"]}
    assert [loss.kind for loss in foreign.losses] == [NEARLY]


def test_a_rule_without_a_dialogue_is_left_out_and_told() -> None:
    foreign = miarec.read('good AND fine\nnever NOTIN "never"')
    made = convert(foreign, "miarec", "x")
    assert len(made.pack.rules) == 1
    assert "no dialogue was found that must hit" in made.losses[-1].what


def test_nothing_that_can_be_carried_over_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rule could be carried over"):
        convert(of_sca(condition("1", "EMOTION_MODEL", {})), "sca", "x")
    (tmp_path / "x.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(UsageError, match="no format that can be read"):
        read_foreign(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="no JSON"):
        read_foreign(tmp_path / "y.json")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["conditions", "rules", "lambda", "cid", "check_range", "operators", "oid", "type", "param", "keywords", "Operator",
                                         "Operands", "RuleFunction", "FilterClause", "Filters", "anchor", "range", "Negate"]), inner, max_size=5),
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(JSON, st.text(alphabet='ab"()|&*:AND OR NOT NEAR:3 R$<>2', max_size=40))
def test_whatever_stands_in_a_file_is_read_or_refused(value: Any, text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, content in (
            ("x.json", json.dumps({"conditions": [value], "rules": [value], "RuleFunction": value})),
            ("x.txt", text),
        ):
            file = Path(folder) / name
            file.write_text(content, encoding="utf-8")
            for form in ("", *FORMATS):
                try:
                    _, foreign = read_foreign(file, form)
                    convert(foreign, "x", "x")
                except QcError as error:
                    assert str(error)
