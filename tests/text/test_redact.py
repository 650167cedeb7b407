"""Personal data masked: what is, what is not, and that nothing of it is left."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.text.personal import KINDS, MASK, personal
from qc.text.redact import quote, redact, redact_turns

FOUND: dict[str, list[str]] = {
    "phone": [
        "电话[13800138000]",
        "电话是[幺三八零零一三八零零零]",
        "打[0571-88889999]吧",
        "[+1 415 555 0132] please",
        "[138，嗯，0013，8000]",
    ],
    "id_card": ["身份证[11010519491231002X]", "身份证号[幺幺零幺零五幺九四九幺二三幺零零二X]"],
    "bank_card": ["卡号[4012 8888 8888 1881]", "我的卡是[4012-8888-8888-1881]"],
    "number": [
        "订单号是 [20261122334455]",
        "取件码[8823456]",
        "取件码[八八二三四五六]",
        "call me at [four one five five five five oh one three two]",
        "[double four one five 555 0132]",
    ],
    "code": ["尾号是[3456]", "验证码[六六七八]", "my pin is [one two three four]"],
    "handle": ["加我[微信 abc12345]"],
    "email": ["邮箱 [abc.d@example.com]", "it is [john dot smith at gmail dot com]"],
    "iban": ["to [GB29 NWBK 6016 1331 9268 19] please"],
    "ip": ["from [192.168.0.1]", "[684D:1111:222:3333:4444:5555:6:77]"],
    "plate": ["车牌[浙A12345]"],
    "address": [
        "[浙江省杭州市余杭区文一西路969号3幢502室]",
        "麻烦寄到[杭州市阳光小区五栋二单元三零一]",
        "我住在[朝阳区望京街道]",
        "i live at [12 long acre street apt 5]",
    ],
    "name": [
        "我姓[王]",
        "我叫[王小明]我想问一下",
        "我叫[歐陽鋒]",
        "收货人是[李雷]",
        "请问是[李]先生吗",
        "[王小明]先生",
        "找[王]师傅",
        "this is [john smith] speaking",
        "我是客服小[王]",
        "my name is [john smith] and i am calling",
        "mrs [robinson]",
    ],
}
"""What is in brackets is masked as this kind."""

LEFT = [
    "取件码882345",
    "三个工作日之内给您答复",
    "退您3800块钱",
    "一千二百万三千块",
    "我叫你不要催了",
    "我叫了快递",
    "这条路上3号楼那边",
    "你们这个套路太多了",
    "11月22号15:30",
    "请拨打12315投诉",
    "说明书第二十四页",
    "this is not what i ordered",
    "i have been waiting for 24 hours",
    "小姐姐你好",
    "我们历史老师说的",
    "this is accomplished with the tool",
    "this is harper valley bank",
    "这位女士",
    "",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, listed in FOUND.items() for text in listed])
def test_masked(kind: str, text: str) -> None:
    before, _, rest = text.partition("[")
    inside, _, after = rest.partition("]")
    plain = before + inside + after
    assert redact(plain) == before + MASK * len(inside) + after
    assert [p.kind for p in personal(plain)] == [kind]


def test_every_kind_has_examples() -> None:
    assert FOUND.keys() == KINDS.keys()


@pytest.mark.parametrize("text", LEFT)
def test_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_number_said_in_pieces_over_turns_is_masked_with_its_echo() -> None:
    turns = [
        {"role": "customer", "text": "我电话138"},
        {"role": "agent", "text": "138"},
        {"role": "customer", "text": "0013"},
        {"role": "agent", "text": "嗯"},
        {"role": "customer", "text": "8000"},
        {"role": "agent", "text": "好的，24小时内答复"},
    ]
    assert redact_turns(turns) == ["我电话███", "███", "████", "嗯", "████", "好的，24小时内答复"]


def test_short_numbers_of_two_turns_are_left_alone() -> None:
    turns = [{"role": "customer", "text": "买了12"}, {"role": "agent", "text": "好"}, {"role": "customer", "text": "退30"}]
    assert redact_turns(turns) == ["买了12", "好", "退30"]


def test_a_quote_is_cut_out_of_the_masked_turn() -> None:
    text = "电话13800138000"
    assert redact("13800") == "13800"
    assert quote(redact(text), 2, 7) == MASK * 5
    assert quote(redact(text), None, None) == ""


def test_two_numbers_become_the_same() -> None:
    assert redact("我的电话是13800138000") == redact("我的电话是13912345678")


_PIECES = st.sampled_from(
    ["我姓", "我叫", "王", "小明", "欧阳", "先生", "138", "幺三八", "零", "0013", "，", " ", "路", "省", "市", "区", "3号", "5栋", "元", "的", "x",
     "尾号", "name is", "john", " at ", " dot ", "com", "@", ".", ":", "GB29", "微信", "█", "嗯", "一", "\u0301", "😀", "住在", "客服小", "我是小", "师傅", "縣", "乡", "巷", "地址是"]
)  # fmt: skip
_TEXT = st.lists(_PIECES | st.text(max_size=4), max_size=25).map("".join)


@given(_TEXT)
def test_the_text_keeps_its_length_and_is_masked_once_for_all(text: str) -> None:
    masked = redact(text)
    assert len(masked) == len(text)
    assert redact(masked) == masked
    assert all(new in (old, MASK) for old, new in zip(text, masked, strict=True))


@given(_TEXT)
def test_the_quick_look_misses_nothing(text: str) -> None:
    found = personal(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qc.text.personal._QUICK", re.compile(""))
        assert personal(text) == found


@given(st.lists(_TEXT, max_size=6))
def test_turns_are_masked_at_least_as_much_as_alone(texts: list[str]) -> None:
    turns = [{"role": "agent" if i % 2 else "customer", "text": text} for i, text in enumerate(texts)]
    for text, masked in zip(texts, redact_turns(turns), strict=True):
        assert len(masked) == len(text)
        assert all(new == MASK for new, alone in zip(masked, redact(text), strict=True) if alone == MASK)


@pytest.mark.parametrize("unit", ["adot", "a dot ", "1 ", "1嗯", "我叫", "GB29 ", "路3号", "住在", "a@", "1.1.", ":1", "1 a "])
def test_a_long_hostile_turn_is_read_once(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    assert len(redact(text)) == len(text)
