"""Why a verdict is undecided or not applicable: every word that `findings.verdicts.why` may hold, in both languages."""

from __future__ import annotations

from qc.packs.model import Text

WHY: dict[str, Text] = {
    "not_heard": {
        "zh": "规则所看的那一段里，有语音没有得到可靠的文字（覆盖率低于规则包的下限）",
        "en": "part of the speech in the rule's window gave no reliable text (coverage below the pack's floor)",
    },
    "no_speech": {
        "zh": "这一方的声道从头到尾没有语音，什么也证明不了",
        "en": "the channel of the role carries no speech at all, which proves nothing",
    },
    "unknown_role": {"zh": "话说了，但不知道是谁说的", "en": "it was said, but who said it is not known"},
    "unless_not_heard": {
        "zh": "话说了，但紧挨着的、可能构成例外的那句没有听清",
        "en": "it was said, but what was said right beside it, which may excuse it, was not heard",
    },
    "truncated": {"zh": "录音中断，后面的内容不得而知", "en": "the recording breaks off; what came after is not known"},
    "too_many": {
        "zh": "出现的地方太多，只看了前 100 处，没有得出结论",
        "en": "it happens in too many places; the first 100 do not decide",
    },
    "no_level": {
        "zh": "这一方的音量不知道，或者话太少，没有中位数",
        "en": "how loud the role speaks is not known, or of too few turns",
    },
    "no_duration": {"zh": "通话多长不知道", "en": "how long the call is, is not known"},
    "not_listed": {"zh": "通话清单没有这一列，或者这一格没有可比的值", "en": "the call list does not say, or not as a number"},
    "no_times": {"zh": "转写文本没有时间", "en": "the transcript has no times"},
    "applies_unknown": {
        "zh": "通话清单没有说这条规则是否适用于这通电话",
        "en": "the call list does not say whether the rule applies to this call",
    },
    "applies_to": {"zh": "按通话清单，这条规则不适用于这通电话", "en": "by the call list, the rule does not apply to this call"},
    "not_valid": {"zh": "通话当天规则不在有效期内", "en": "the rule was not in force on the day of the call"},
}
