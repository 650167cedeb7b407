"""Names of people, told by what stands before them: 我姓王, 我叫王小明, «my name is John Smith», and by 王女士, Mrs Smith."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qc.text.normal import Normal
from qc.text.sound import readings
from qc.text.surnames import COMPOUND, SINGLE

_CALLED = re.compile(
    "(?:我|本人|名字|免贵|他|她|本名|全名)[姓性幸](?:是)?|(?:我|本人|名字|他|她|本名|全名|客服)(?:就|是)?[叫教](?:做|作)?"
)
_IS = re.compile(
    "(?:姓名|名字|收货人|收件人|联系人|寄件人|持卡人|机主|户主|开户人|本人)(?:的?名字|姓名)?(?:就?是|为|叫|写的?是?|填的?是?)"
)
_TITLED = re.compile("(?P<full>先生|女士|小姐(?!姐)|太太)|同志|阿姨|师傅|大姐|大哥|老师")
_NICKNAME = re.compile(f"(?:客服|我是|专员|经理|主管|我叫|坐席)[小老阿]([{''.join(sorted(SINGLE))}])")
_ENGLISH = re.compile(
    r"(?<![a-z])(?:my (?:(?:first|last|full|family|sur) ?)?name(?: is|s)|name is|mr|mrs|ms|miss|mister|dr)"
    r" ([a-z]+(?: [a-z]+){0,2})|(?<![a-z])this is ([a-z]+(?: [a-z]+)?) (?:speaking|calling|from|here)(?![a-z])"
)
_NO_NAME = frozenset(
    "的地得我你您他她它们咱这那哪是不没了吗呢吧啊呀嘛哦嗯什么怎个啥就都也还再又来去要想给把被让跟说问找请和与或在"
)
_NO_ENGLISH = frozenset(
    "a an the and or i im am is are was calling from with here speaking to my your his her it its that this not so very just about what "
    "why how when where who which for in on of at by but if no yes okay ok going gonna really good bad great fine sorry regarding "
    "concerning because we you they he she there now today can could may would will have has had do did please".split()
)
_MOST_AFTER_SURNAME = 2


def names(said: Normal, text: str) -> Iterator[tuple[int, int, str]]:
    """Names in a normal form: (start, end, "name"). A name ends at punctuation of the original `text`, or where no name goes on."""
    form = said.text
    for match in _CALLED.finditer(form):
        only_surname = match.group().rstrip("是")[-1] in "姓性幸"
        end = _name_end(said, text, match.end(), sure=only_surname, surname=only_surname)
        yield match.end(), end, "name"
    for match in _IS.finditer(form):
        yield match.end(), _name_end(said, text, match.end(), sure=False, surname=False), "name"
    for match in _TITLED.finditer(form):
        start = match.start()
        yield _titled_from(said, text, start, most=3 if match["full"] else 1), start, "name"
    for match in _NICKNAME.finditer(form):
        yield match.start(1), match.end(1), "name"
    for match in _ENGLISH.finditer(form):
        start = end = match.start(match.lastindex or 1)
        for word in re.finditer("[a-z]+", match.group(match.lastindex or 1)):
            if word.group() in _NO_ENGLISH:
                break
            end = start + word.end()
        yield start, end, "name"


def _name_end(said: Normal, text: str, start: int, *, sure: bool, surname: bool) -> int:
    """Where a name that begins at `start` ends; `start` itself where there is none.

    `sure`: whatever stands there is a name (我姓…), known surname or not. `surname`: none but the surname follows.
    """
    form = said.text
    if start >= len(form) or not _in_name(form[start]):
        return start
    if form[start : start + 2] in COMPOUND:
        end = start + 2
    elif form[start] in SINGLE or sure or _alone(said, text, start):
        end = start + 1
    else:
        return start
    if surname:
        return end
    last = end + _MOST_AFTER_SURNAME
    while end < min(last, len(form)) and _in_name(form[end]) and not _broken(said, text, end):
        end += 1
    return end


def _titled_from(said: Normal, text: str, title: int, *, most: int) -> int:
    """Where the name before a title begins: the longest that starts with a surname and after no word; else `title`.

    A surname alone may stand after anything before the titles of `most` above 1: 找王先生.
    """
    form = said.text
    for size in range(min(most, title), 0, -1):
        start = title - size
        name = form[start:title]
        free = start == 0 or not _in_name(form[start - 1]) or _broken(said, text, start) or form[start - 1] in "找接帮见联系位"
        known = name[0] in SINGLE or name[:2] in COMPOUND
        if known and all(map(_in_name, name)) and (free or (size == 1 and most > 1)):
            return start
    return title


def _in_name(char: str) -> bool:
    return char not in _NO_NAME and bool(readings(char))


def _alone(said: Normal, text: str, start: int) -> bool:
    """Two to four characters and then an end: what else but a name."""
    end = start + 1
    while end < len(said.text) and end - start < 5 and not _broken(said, text, end):
        if not _in_name(said.text[end]):
            return False
        end += 1
    return 2 <= end - start <= 4


def _broken(said: Normal, text: str, at: int) -> bool:
    """Something stands between this character of the normal form and the one before."""
    return bool(text[said.ends[at - 1] : said.starts[at]].strip())
