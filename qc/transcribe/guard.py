"""What a recogniser makes up, told from what was said. Flagged text is kept and shown, and never scored.

Each check looks at one utterance's text and figures alone, in linear time. The phrase lists are our own, of phrases
that recognisers trained on subtitles are known to produce; a phrase also said in calls («谢谢大家») needs doubt besides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

PROMPTS: dict[str, str] = {"zh": "以下是普通话的句子。"}
"""What the recogniser is told before every window, by language: keeps script and punctuation steady."""

_NEVER_SAID = frozenset(
    (
        "谢谢观看 谢谢收看 感谢观看 感谢收看 感谢您的观看 感谢您的收看 谢谢大家观看 谢谢大家收看 感谢大家观看 感谢大家收看 谢谢大家的观看"
        " 感谢收听 感谢您的收听 下期再见 我们下期再见 我们下期节目再见 下期节目再见 中文字幕 字幕志愿者 字幕制作 字幕提供 字幕组 点赞订阅 订阅点赞"
        " 记得点赞订阅 别忘了点赞订阅 欢迎点赞订阅 欢迎订阅 请点击订阅点赞 记得点赞关注 别忘了点赞关注 欢迎订阅我的频道 请订阅我的频道 点赞关注"
        " thanksforwatching thankyouforwatching pleasesubscribe pleasesubscribetomychannel likeandsubscribe dontforgettosubscribe"
        " dontforgettolikeandsubscribe seeyouinthenextvideo thanksforwatchingandillseeyounexttime mingpei mingpei明佩 ingpaocanadaingpaotoronto"
        " pleaselikeandsubscribe"
    ).split()
)
_CREDIT_ANYWHERE = (
    "amaraorg 明镜与点点 点点栏目 独播剧场 televisionseriesexclusive 电视剧独家播出 订阅转发打赏 点赞订阅转发 不吝点赞 不吝点讚 不吝赐赞"
    " 收看订阅明镜 欢迎收看订阅"
).split()
_CREDIT_START = tuple(
    "字幕by 字幕由 本字幕由 字幕志愿者 字幕组荣誉 提供字幕 subtitlesby captionsby transcribedby 李宗盛 词曲李宗盛 曲李宗盛 mingpao".split()
)
_ALSO_SAID = frozenset(
    (
        "谢谢大家 谢谢 谢谢你 谢谢您 再见 拜拜 请订阅 下次再见 嗯 啊 哦 好 thankyou thankyouverymuch thankyousomuch thanks bye byebye you okay ok so"
        " thankyouforlistening illseeyounexttime seeyounexttime"
    ).split()
)
_CREDIT_CHARS = 60
_HAN_PER_SECOND = 12.0
_LETTERS_PER_SECOND = 40.0
_GRACE_S = 1.0
_LOOP_CHARS = 12
_HARDLY, _HARDLY_SHORT, _SHORT_MS = 0.1, 0.3, 300
_ECHO_WORDS = 3  # so many of the user's words one after the other, as listed, are an echo when there is hardly anything else
_ECHO_SHARE = 0.8
# Between listed words: lines and commas, and spaces but those inside of a name in Latin letters.
_BETWEEN_WORDS = re.compile(r"[\n,，、;；|/。]+|(?<=[^\x00-\u024f])[ \t]+|[ \t]+(?=[^\x00-\u024f])")


@dataclass(frozen=True)
class GuardOptions:
    """`min_logprob`: the confidence floor; `low_share`: a share of sure speech frames below which short phrases are doubted."""

    min_logprob: float = -1.0
    high_no_speech: float = 0.6
    low_share: float = 0.5
    doubt_logprob: float = -0.7


@dataclass(frozen=True)
class Utterance:
    """An utterance as the recogniser gave it. `speech_share`: share of its frames whose speech probability is at least 0.5.

    Probabilities are None where the engine has none; `capped`: the recogniser had to be stopped; `prompt`: the user's words to
    expect, which it was told before.
    """

    text: str
    language: str
    speech_ms: int
    speech_share: float
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    capped: bool = False
    prompt: str = ""


def flags(utterance: Utterance, options: GuardOptions) -> list[str]:
    """Why this text may not be trusted, most telling first; empty when nothing speaks against it."""
    core = squeezed(utterance.text)
    found = []
    if _is_pseudo(core, utterance, options):
        found.append("pseudo_speech")
    if core and (_is_prompt(core, utterance.language) or _is_echo(core, utterance, options)):
        found.append("prompt_echo")
    if loops(core):
        found.append("loop")
    if _too_much(core, utterance.speech_ms):
        found.append("too_long_text")
    if _wrong_script(core, utterance.language):
        found.append("wrong_script")
    if utterance.avg_logprob is not None and utterance.avg_logprob < options.min_logprob:
        found.append("low_confidence")
    if utterance.capped and not found:
        found.append("token_cap")
    return found


def squeezed(text: str) -> str:
    """Letters and digits alone, in lower case and full-width folded: what phrases are compared by."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def _is_pseudo(core: str, utterance: Utterance, options: GuardOptions) -> bool:
    if core in _NEVER_SAID:
        return True
    # Noises pass the detector's low threshold now and then, with hardly a frame that is surely speech.
    if core and utterance.speech_share < (_HARDLY_SHORT if utterance.speech_ms < _SHORT_MS else _HARDLY):
        return True
    if len(core) <= _CREDIT_CHARS and (core.startswith(_CREDIT_START) or any(mark in core for mark in _CREDIT_ANYWHERE)):
        return True
    return core in _ALSO_SAID and _is_doubtful(utterance, options)


def _is_doubtful(utterance: Utterance, options: GuardOptions) -> bool:
    """Whether little of it is surely speech, and the recogniser is unsure, or hardly any of it is."""
    unsure = utterance.avg_logprob is not None and utterance.avg_logprob < options.doubt_logprob
    silent = utterance.no_speech_prob is not None and utterance.no_speech_prob > options.high_no_speech
    return utterance.speech_share < options.low_share and (unsure or silent or utterance.speech_share < options.low_share / 2)


def _is_prompt(core: str, language: str) -> bool:
    """Whether a text holds what the recogniser is told before every window, or is a good part of it: nobody says that in a call."""
    prompt = squeezed(PROMPTS.get(language, ""))
    return bool(prompt) and (prompt in core or (len(core) >= 6 and core in prompt))


def _is_echo(core: str, utterance: Utterance, options: GuardOptions) -> bool:
    """Whether the user's own words came back: several as they are listed and hardly anything else, or any of them where it is
    doubtful that somebody spoke. One or two that were clearly said are what they were listed for.
    """
    words = _words(utterance.prompt)
    if not words:
        return False
    count, length = _run_of(words, core)
    if length < _ECHO_SHARE * len(core):
        return False
    return count >= _ECHO_WORDS or (count > 0 and _is_doubtful(utterance, options))


@lru_cache(maxsize=8)
def _words(prompt: str) -> tuple[str, ...]:
    return tuple(word for word in map(squeezed, _BETWEEN_WORDS.split(prompt)) if word)


def _run_of(words: Sequence[str], core: str) -> tuple[int, int]:
    """(how many, their characters) of the most listed words that stand in a text one after the other, in the list's order."""
    best = (0, 0)
    text = core[:600]
    for first, word in enumerate(words):
        at = text.find(word)
        while at >= 0:
            end, last = at, first
            while last < len(words) and text.startswith(words[last], end):
                end, last = end + len(words[last]), last + 1
            best = max(best, (last - first, end - at))
            at = text.find(word, end)
    return best


def loops(core: str) -> bool:
    """Whether most of a text is one piece over and over: found from its failure function, in linear time per starting place.

    People do say «对对对对对» and «好的好的好的»: only long runs count. Source of the period: Knuth, Morris, Pratt 1977.
    """
    length = len(core)
    if length < _LOOP_CHARS:
        return False
    text = core[:600]
    length = len(text)
    for offset in range(0, min(length // 3, 60), 4):
        tail = text[offset:]
        period, covered = _best_period(tail)
        repeats = covered / period
        needed = 10 if period == 1 else 6 if period <= 3 else 4 if period <= 8 else 3
        if repeats >= needed and covered >= 0.6 * length:
            return True
    return False


def _best_period(text: str) -> tuple[int, int]:
    """(period, covered characters) of the prefix of `text` with the most repeats of its own period."""
    fail = [0] * len(text)
    best = (len(text) or 1, len(text))
    most = 1.0
    matched = 0
    for place in range(1, len(text)):
        while matched and text[place] != text[matched]:
            matched = fail[matched - 1]
        if text[place] == text[matched]:
            matched += 1
        fail[place] = matched
        period = place + 1 - matched
        repeats = (place + 1) / period
        if repeats > most:
            most, best = repeats, (period, place + 1)
    return best


def _too_much(core: str, speech_ms: int) -> bool:
    han = sum(1 for c in core if _is_han(c))
    seconds = speech_ms / 1000 + _GRACE_S
    return han / _HAN_PER_SECOND + (len(core) - han) / _LETTERS_PER_SECOND > seconds


def _wrong_script(core: str, language: str) -> bool:
    letters = [c for c in core if c.isalpha()]
    if not letters:
        return False
    han = sum(1 for c in letters if _is_han(c))
    latin = sum(1 for c in letters if c < "\u0250")
    if language == "zh":
        other = len(letters) - han - latin
        return other * 2 > len(letters) or (han == 0 and latin >= 40)
    if language in ("ja", "yue", "ko"):
        return False
    if language in ("en", "de", "fr", "es", "it", "pt", "nl"):
        return latin * 2 < len(letters)
    return False


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"
