"""The normal form: what must be equal is equal, and every position finds its way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.text.normal import kind, normal, normal_text
from qc.text.script import simplify, simplify_char

EQUAL = [
    ("三小时", "3小时"),
    ("二十四小时内", "24 小时内"),
    ("一二三一五", "12315"),
    ("一二三幺五", "１２３１５"),
    ("三个工作日", "3个工作日"),
    ("两个工作日", "2个工作日"),
    ("十二点", "12点"),
    ("十分钟", "10分钟"),
    ("三百五十元", "350元"),
    ("三百五", "350"),
    ("一千零五", "1005"),
    ("一万二", "12000"),
    ("三万", "3万"),
    ("两百", "200"),
    ("百分之三十", "30%"),
    ("百分之百有效", "100%有效"),
    ("三点五折", "3.5折"),
    ("三点五万", "3.5万"),
    ("1.5万", "15000"),
    ("百分百有效", "百分之百有效"),
    ("百分之二点五", "2.5%"),
    ("两人", "2人"),
    ("1,000元", "一千元"),
    ("下午三点三十分", "下午3：30分"),
    ("第一时间", "第1时间"),
    ("星期二", "星期2"),
    ("下午一点", "下午1点"),
    ("二零二六年", "2026年"),
    ("一三八，零零一三", "138-0013"),
    ("歡迎致電", "欢迎致电"),
    ("您好，很高兴为您服务！", "您好 很高兴为您服务"),
    ("加我ＱＱ", "加我 qq"),
    ("Don’t worry, it's FINE.", "don't worry its fine"),
    ("e-mail", "E mail"),
    ("好\u200b的", "好的"),
    ("re\u00adfund", "refund"),
    ("著急", "着急"),
]
WORDS = [
    "一下",
    "一定",
    "一样",
    "统一",
    "万一",
    "三心二意",
    "二维码",
    "千万不要",
    "一点都不",
    "十分感谢",
    "一一核对",
    "百八十块",
    "十来天",
    "百度",
    "一起",
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_what_is_said_alike_is_written_alike(left: str, right: str) -> None:
    assert normal_text(left) == normal_text(right)


@pytest.mark.parametrize("word", WORDS)
def test_numerals_inside_words_stay_words(word: str) -> None:
    assert normal_text(word) == word


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("一百零五天", "105天"),
        ("三千五百万", "35000000"),
        ("一亿两千万", "120000000"),
        ("二十", "20"),
        ("十", "十"),
        ("一两天", "1到2天"),
        ("三四百", "300到400"),
        ("三四十", "30到40"),
        ("七百三四十块", "730到740块"),
        ("十五六个", "15到16个"),
        ("二十七八岁", "27到28岁"),
        ("一百零三四", "103到104"),
        ("一万三四千", "13000到14000"),
        ("五六百万", "5000000到6000000"),
        ("三五个工作日", "3到5个工作日"),
        ("百分之三四", "3到4%"),
        ("周五六", "周5到6"),
        ("下午三四点", "下午3到4点"),
        ("下午三点四五分", "下午3点45分"),
        ("尾号三四", "尾号34"),
        ("八九年", "89年"),
        ("三四号楼", "34号楼"),
        ("二三四天", "234天"),
        ("十三五", "13五"),
        ("第一，二十四小时", "第1 24小时"),
        ("5G手机", "5g手机"),
        ("a  b", "a b"),
        ("请稍等……", "请稍等"),
    ],
)
def test_forms(text: str, form: str) -> None:
    assert normal_text(text) == form


def test_a_range_leads_back_to_both_of_its_numbers() -> None:
    text = "大概两三天吧"
    form = normal(text)
    assert form.text == "大概2到3天吧"
    start = form.text.index("3天")
    assert text[slice(*form.original(start, start + 2))] == "两三天"


@pytest.mark.parametrize(
    ("text", "said"), [("好二十四", "二十四"), ("好二十四啊", "二十四"), ("好百分之三十", "百分之三十"), ("好3.5万", "3.5万")]
)
def test_each_digit_of_a_number_leads_back_to_all_of_it(text: str, said: str) -> None:
    form = normal(text)
    places = [i for i, char in enumerate(form.text) if char not in "好啊"]
    assert all(text[slice(*form.original(i, i + 1))] == said for i in places)
    assert text[slice(*form.original(places[0], places[-1] + 1))] == said


def test_positions_lead_back_to_what_was_said() -> None:
    text = "我们 会 在「二十四」小时内，给您答复"
    form = normal(text)
    start = form.text.index("24小时")
    first, last = form.original(start, start + 4)
    assert text[first:last] == "二十四」小时"
    start = form.text.index("答复")
    assert text[slice(*form.original(start, start + 2))] == "答复"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_normal_form_with_a_whole_map(text: str) -> None:
    form = normal(text)
    assert len(form.text) == len(form.starts) == len(form.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(form.starts, form.ends, strict=True))
    assert list(form.starts) == sorted(form.starts)
    assert "\n" not in form.text


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="零一二三四五六七八九十百千万亿两幺点分天个第周0123456789，.%ab好", max_size=12))
def test_numerals_of_any_shape_never_fail_and_keep_order(text: str) -> None:
    form = normal(text)
    assert list(form.starts) == sorted(form.starts)
    assert all(kind(c) != "s" or c in " ." for c in form.text)


def test_a_very_long_number_is_linear_and_harmless() -> None:
    assert normal_text("一" * 50_000) == "1" * 50_000
    assert len(normal_text("十万" * 20_000)) > 0


def test_simplifying_keeps_every_position() -> None:
    text = "這個產品乾燥後，麵條和頭髮"
    assert len(simplify(text)) == len(text)
    assert simplify("妳著") == "你着"
    assert simplify_char("a") == "a"


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("1万2000元", "一万两千元"),
        ("1亿2300人", "一亿两千三百人"),
        ("100万1111", "一百万一千一百一十一"),
        ("3万5千", "三万五千"),
        ("2点02分", "两点零二分"),
        ("1.5亿", "一点五亿"),
        ("1.2个百分点", "一点二个百分点"),
        ("10000米", "十千米"),
        ("25千克", "二十五千克"),
        ("311千米", "三百一十一千米"),
        ("1.25元", "一点二五元"),
        ("1.2克", "一点二克"),
        ("1.5小时", "一点五小时"),
        ("1.5个小时", "一点五个小时"),
    ],
)
def test_peers_are_right_about_these(written: str, same: str) -> None:
    assert normal_text(written) == normal_text(same)


@pytest.mark.parametrize("text", ["便宜一点三块钱", "早一点一定给您", "快一点五分钟", "便宜一点九折吧", "快一点三天能到吗"])
def test_a_little_is_no_number(text: str) -> None:
    assert "一点" in normal_text(text)


def test_the_examples_of_the_meaning_page_hold() -> None:
    page = (Path(__file__).parents[2] / "docs" / "meaning.md").read_text(encoding="utf-8")
    section = page.split("## The normal form")[1].split("## ")[0]
    examples = [line.split(" → ") for line in section.split("```")[1].strip().splitlines()]
    assert len(examples) >= 20
    assert [(said, normal_text(said)) for said, _ in examples] == [tuple(pair) for pair in examples]
