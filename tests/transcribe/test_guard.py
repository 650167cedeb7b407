"""What recognisers make up is flagged; what people say is not."""

from __future__ import annotations

import pytest

from qc.transcribe import guard
from qc.transcribe.reasons import WHY_NOT_HEARD

OPTIONS = guard.GuardOptions()


def flags(text: str, **changes: object) -> list[str]:
    values: dict[str, object] = {
        "language": "zh",
        "speech_ms": 60_000,
        "speech_share": 0.9,
        "avg_logprob": -0.3,
        "no_speech_prob": 0.1,
    }
    return guard.flags(guard.Utterance(text, **(values | changes)), OPTIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", "字幕由Amara.org社区提供", "谢谢观看", "优优独播剧场——YoYo Television Series Exclusive",
     "字幕志愿者 杨茜茜", "Thanks for watching!", "Subtitles by the Amara.org community", "下期再见。"],
)  # fmt: skip
def test_subtitle_credits_are_pseudo_speech_however_sure(text: str) -> None:
    assert flags(text, avg_logprob=-0.01, no_speech_prob=0.0) == ["pseudo_speech"]


@pytest.mark.parametrize(
    "text",
    ["谢谢", "再见", "视频没有字幕怎么办", "我要订阅会员", "对对对对对", "好的好的好的", "喂喂喂喂", "哈哈哈哈哈哈哈哈", "一三八零零零零零零零零",
     "OK", "iPhone 15 Pro Max 多少钱", "您好，请问有什么可以帮您？", "请问您的订单号是多少", "我要投诉", "是的是的"],
)  # fmt: skip
def test_what_is_said_in_calls_is_not_flagged(text: str) -> None:
    assert flags(text) == []


def test_phrases_that_are_also_said_need_doubt_besides() -> None:
    assert flags("谢谢大家", speech_share=0.3, avg_logprob=-0.9) == ["pseudo_speech"]
    assert flags("谢谢大家", speech_share=0.9, avg_logprob=-0.9) == []


@pytest.mark.parametrize(
    ("text", "flag"),
    [("好的好的好的好的好的好的好的好的好的", "loop"), ("我们来看一下。" * 6, "loop"), ("嗯，" + "谢谢您的来电，" * 9, "loop"),
     ("以下是普通话的句子。", "prompt_echo"), ("ご視聴ありがとうございました", "wrong_script"), ("Спасибо за просмотр", "wrong_script")],
)  # fmt: skip
def test_each_failure_has_its_flag(text: str, flag: str) -> None:
    assert flag in flags(text)


def test_figures_flag_too() -> None:
    assert flags("您好", avg_logprob=-1.2) == ["low_confidence"]
    assert flags("您好" * 1 + "请问有什么可以帮您的吗先生", speech_ms=100) == ["too_long_text"]
    assert flags("您好", capped=True) == ["token_cap"]
    assert flags("您好", avg_logprob=None, no_speech_prob=None) == []


def test_every_flag_is_explained() -> None:
    texts = ["谢谢观看", "好" * 200, "以下是普通话的句子。", "ありがとう", "您好"]
    found = {f for t in texts for f in flags(t, speech_ms=100, avg_logprob=-2.0)} | {"token_cap"}
    assert found <= set(WHY_NOT_HEARD)


def test_a_megabyte_of_text_is_judged() -> None:
    assert "loop" in flags("ab" * 500_000)
    assert "too_long_text" in flags("".join(chr(0x4E00 + k % 5000) for k in range(500_000)))


@pytest.mark.parametrize(
    ("share", "speech_ms", "doubted"),
    [(0.0, 900, True), (0.06, 512, True), (0.2, 160, True), (0.2, 900, False), (0.5, 160, False)],
)
def test_text_where_hardly_a_frame_is_speech_is_doubted(share: float, speech_ms: int, doubted: bool) -> None:
    heard = guard.Utterance("退款", "zh", speech_ms, share, avg_logprob=-0.2)
    assert ("pseudo_speech" in guard.flags(heard, guard.GuardOptions())) is doubted


WORDS = "极速退款 小蜜蜂\n京东白条，iPhone 15 Pro Max\nNew York City Hall"


@pytest.mark.parametrize(
    ("text", "changes", "echoed"),
    [
        ("极速退款，小蜜蜂，京东白条。", {}, True),
        ("小蜜蜂 京东白条 iPhone 15 Pro Max", {}, True),
        ("极速退款 小蜜蜂 京东白条 iPhone 15 Pro Max New York City Hall 以下是普通话的句子。", {}, True),
        ("嗯，极速退款小蜜蜂京东白条", {}, True),
        ("我要退货，以下是普通话的句子。", {}, True),
        ("极速退款", {}, False),
        ("极速退款。", {"avg_logprob": -0.95}, False),
        ("极速退款小蜜蜂", {}, False),
        ("iPhone 15 Pro Max", {}, False),
        ("New York City Hall.", {}, False),
        ("京东白条，小蜜蜂，极速退款", {}, False),
        ("极速退款和小蜜蜂还有京东白条我都用过，怎么样", {}, False),
        ("小蜜蜂", {"speech_share": 0.2}, True),
        ("小蜜蜂", {"speech_share": 0.4, "no_speech_prob": 0.8}, True),
        ("小蜜蜂坏了", {"speech_share": 0.2}, False),
    ],
)
def test_the_users_own_words_are_an_echo_only_when_nobody_can_have_said_them_so(
    text: str, changes: dict[str, object], echoed: bool
) -> None:
    assert ("prompt_echo" in flags(text, prompt=WORDS, **changes)) is echoed
    if "以下" not in text:
        assert "prompt_echo" not in flags(text, **changes)


def test_a_long_text_is_searched_for_many_words_in_linear_time() -> None:
    words = " ".join("你好" * n for n in range(1, 60))
    assert "prompt_echo" not in flags("你好" * 200_000, prompt=words)
