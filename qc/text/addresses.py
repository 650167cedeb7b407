"""What looks like an address: 浙江省杭州市余杭区文一西路969号3幢502室, 阳光小区5栋, 12 Long Street.

Chinese addresses are chains of names, each with its kind behind it, from large to small. A chain counts when it names a
road, estate or village and a number there, three kinds, or two after words that announce an address.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from qc.text.normal import Normal, kind

_LEVELS = {
    "province": "自治区|(?<=[江南北东西徽建川州疆藏龙肃海蒙])省",
    "city": "自治州|(?<![超城夜菜股门上])市(?!场|面|民|价|值)",
    "county": "(?<![小地社灾景专市校])区(?!别|间|分|域|块)|(?<![知州])县|(?<=[东西南北左右前后中])旗",
    "town": "街道|(?<![城市])镇(?!定|静)|(?<![城])乡(?!下|村|亲)",
    "place": "小区|社区|新村|花园|公寓|大厦|广场|家园|家属院|宿舍|写字楼|(?<![农乡])村(?!民|里|上)|(?<=[东西南北中名馨雅嘉华])[苑庭府]",
    "road": "(?<![一这那哪条思线电网半铁公短断链套出上马])路(?!上|过|由|径|线|边|口|程|费)|大街|(?<![上逛])街(?!上|道|边|坊)|大道|胡同|巷",
    "number": "[0-9]{1,5}(?: [0-9]{1,4}){0,3} ?(?:号楼|号院|号|幢|栋|座|单元|弄|室|楼(?!上|下)|层(?!次))|[0-9a-z]{1,4} (?:[0-9]{1,4} )?[0-9]{3,4}",
}
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _LEVELS.items()))
_ANNOUNCED = re.compile(
    "(?:地址(?:就|写的)?[是在为:]?|住址是?|住在|家住|家在|寄到|送到|发到|寄往|送货到|收货地址是?|配送到|搬到|改成|改到)(?:了|我|我家|我们|的)?"
)
_ROOM = re.compile("[零0-9]{2,4}(?![0-9个元块天年月点分秒号])")
_STOP = frozenset("的了我你您他她们是在到从往去来这那吗呢吧啊和跟给就寄送住请问要把于也都说叫错对不没有")
_MOST_NAME = 6
_ENGLISH = re.compile(
    r"(?<![a-z0-9])[0-9]{1,5}[a-z]? (?:[a-z]+ ){1,4}(?:street|st|road|rd|avenue|ave|lane|drive|court|boulevard|blvd|terrace|parkway|highway|square)"
    r"(?: (?:apt|apartment|suite|unit|floor) [0-9a-z]{1,5})?(?![a-z])"
)


@dataclass(frozen=True)
class _Part:
    start: int
    end: int
    level: str


def addresses(said: Normal, text: str) -> Iterator[tuple[int, int, str]]:
    """What looks like an address in a normal form: (start, end, "address"). Linear in its length."""
    form = said.text
    announced = [match.end() for match in _ANNOUNCED.finditer(form)]
    for chain in _chains(form):
        first = chain[0]
        start = _left(said, text, first) if first.level != "number" else first.start
        at = bisect_left(announced, start - 2)
        told = at < len(announced) and announced[at] <= first.end
        levels = {part.level for part in chain}
        named = levels - {"number"}
        numbered = "number" in levels and bool(named)
        sure = numbered and (levels & {"road", "place", "town"} or len(named) > 1 or told)
        if sure or len(named) > 2 or (told and len(levels) > 1):
            yield start, _room(form, chain[-1].end), "address"
    for match in _ENGLISH.finditer(form):
        yield match.start(), match.end(), "address"


def _chains(form: str) -> Iterator[list[_Part]]:
    """Kinds of place one after the other, with no more than a name between."""
    chain: list[_Part] = []
    for match in _TOKEN.finditer(form):
        part = _Part(match.start(), match.end(), str(match.lastgroup))
        if chain and not _goes_on(form, chain[-1], part):
            yield chain
            chain = []
        chain.append(part)
    if chain:
        yield chain


def _goes_on(form: str, before: _Part, part: _Part) -> bool:
    between = form[before.end : part.start]
    return len(between) <= _MOST_NAME and _STOP.isdisjoint(between)


def _left(said: Normal, text: str, part: _Part) -> int:
    """Where the name before a kind begins: after a stop word or a sign, at most so many characters back."""
    form = said.text
    start = part.start
    while start > 0 and part.start - start < _MOST_NAME and form[start - 1] not in _STOP and kind(form[start - 1]) == "c":
        start -= 1
        if start > 0 and text[said.ends[start - 1] : said.starts[start]].strip():
            break
    return start


def _room(form: str, end: int) -> int:
    """The end with the number of a room behind it: 二单元三零一."""
    room = _ROOM.match(form, end)
    return room.end() if room else end
