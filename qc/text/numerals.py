"""Chinese numerals and digits made comparable: 三小时 and 3小时, 一二三一五 and 12315 become the same text.

Policy (what a recogniser writes is chance, so both the rule's words and the call's words go through it):
  1. Digits read out, two or more (零〇一…九幺, no units): digit by digit. 一二三一五 → 12315, 二零二六 → 2026. Not 一一 alone.
  2. Numbers with units (十百千万亿, 两 before a unit): their value. 二十四 → 24, 三百五 → 350, 一万二 → 12000, 3万 → 30000,
     1万2000 → 12000.
  3. One digit alone (or 十, 两): only before a measure word (三小时, 两天, 一个) or after 第, 周, 星期. So 一下, 一定, 统一,
     万一, 三心二意, 二维码 stay words. 一点 is a number after 上午, 下午, … and in 一点五亿, 一点五小时, 一点二五元 and the like alone (not
     before 块, 天, 折: 便宜一点九折); 十分 only before 钟 or after 点.
  4. 百分之三十 → 30%, 百分之百 → 100%. 三点五 → 3.5 where no 分 follows, 1.5万 → 15000. 15:30 → 15点30. 1,000 → 1000.
  5. Two numbers said as one are a range: 三四十 → 30到40, 七百三四十 → 730到740, 十五六 → 15到16, 两三天 → 2到3天, 三五百 → 300到500. Two
     digits without a unit only before a measure word (三四天; 三四年, 三四号 and 三四 alone are read out) or after 第, 周, 星期.
     千八百, 百八十 stay words.
English number words stay words.
"""

from __future__ import annotations

import re
from decimal import Decimal

DIGITS = {c: str(i) for i, c in enumerate("零一二三四五六七八九")} | {"〇": "0", "幺": "1", "两": "2"}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10_000, "亿": 100_000_000}
_MEASURES = (
    "个|位|名|人|天|日|号|小时|分钟|刻钟|点|分|秒|次|遍|回|趟|年|月|周|星期|礼拜|季度|元|块|毛|角|件|单|份|条|张|箱|包|袋|盒|瓶|台|部|只|双|套"
    "|家|层|楼|折|倍|岁|斤|公斤|千克|克|吨|米|厘米|毫米|公里|里|升|毫升|成|股|句|项|种|类|步|页|届|期|批|代|级|星|格|万|亿|百|千"
)
_AFTER = ("第", "周", "星期", "礼拜", "拜")
_TIME_BEFORE = ("上午", "下午", "中午", "晚上", "早上", "凌晨", "傍晚", "今晚", "明晚", "明早", "天", "号")
_RUN = re.compile(r"[0-9零〇一二三四五六七八九十百千万亿两幺]+")
_DECIMAL = re.compile(r"([0-9]{1,9})\.([0-9]{1,6})([万亿])")
_TOKEN = re.compile(f"{_DECIMAL.pattern}|[0-9]+\\.[0-9]+|{_RUN.pattern}")
_SPOKEN_DECIMALS = re.compile(r"点([零〇一二三四五六七八九]+)([万亿]?)(?![0-9零〇一二三四五六七八九十百千分刻半])")
_ONE_POINT = re.compile("点[零〇一二三四五六七八九]{1,9}(?:[万亿倍元斤克吨米升秒]|个?小时|公[斤里]|[厘毫][米升]|个百分点)")
"""After 一: one point five, not «a little»."""

_MEASURE = re.compile(_MEASURES)
_READ_OUT = re.compile(r"[零〇一二三四五六七八九幺]{2,}")
_CARDINAL = re.compile(
    r"(?:[0-9]+|[一二三四五六七八九两])?[十百千万亿](?:[零〇]?(?:[0-9]+|[一二三四五六七八九两])?[十百千万亿])*(?:[零〇]?(?:[一二三四五六七八九]|[0-9]+))?"
)
_UNITS = "十百千万亿"
_PAIR = "一[二两]|[二两]三|三[四五]|四五|五六|六七|七八|八九"
_NEXT = "一[二两]|[二两]三|三四|四五|五六|六七|七八|八九"
"""Without 三五: 十三五 is a name."""

_RANGE = re.compile(
    f"(?P<head>(?:.*[{_UNITS}])?)(?P<pair>{_PAIR})(?P<tail>[{_UNITS}]+)|(?P<whole>.*[{_UNITS}][零〇]?)(?P<last>{_NEXT})|(?P<two>{_PAIR})"
)
"""A whole run that says two numbers as one."""

_NO_RANGE_BEFORE = re.compile("[年号级届期]|点[零〇一二三四五六七八九十两0-9]")
BETWEEN = "到"
"""Written between the two numbers of a range; never looked at."""

_ROUGHLY = re.compile("百[一二三四五六七八九]十|千[一二三四五六七八九]百|万[一二三四五六七八九]千")
ALPHABET = frozenset(
    [*DIGITS, *_SMALL, *_LARGE, *"0123456789.点分之钟刻半", *_MEASURES.replace("|", ""), *"".join(_AFTER), *"".join(_TIME_BEFORE)]
)
"""Every character that is looked at here: between two characters that are not in it, nothing else matters."""

_MAX_RUN = 64
"""Longer runs are read digit by digit at most: nobody says a number of that many characters."""


def replacements(text: str) -> list[tuple[int, int, str]]:
    """What to replace in `text`: (start, end, new text), in order, without overlaps. `text` is folded (simplified, half width)."""
    found: list[tuple[int, int, str]] = []
    position = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if start < position:
            continue
        if "." in match.group():
            if match.group(3):
                found.append((start, end, _times(match.group(1), match.group(2), match.group(3))))
            continue
        percent = _percent(text, start)
        if percent is not None:
            found.append(percent)
            position = percent[1]
            continue
        pieces = _pieces(text, start, end)
        position = end
        if pieces and pieces[-1][1] == end:
            pieces[-1], position = _with_decimals(text, pieces[-1])
        found.extend(pieces)
    return [piece for piece in found if text[piece[0] : piece[1]] != piece[2]]


def _times(whole: str, decimals: str, unit: str) -> str:
    """1.5万 as 15000."""
    value = Decimal(f"{whole}.{decimals}" if decimals else whole) * (_LARGE[unit] if unit else 1)
    return format(value.normalize(), "f")


def _percent(text: str, start: int) -> tuple[int, int, str] | None:
    """百分之三十 as 30%, 百分百 as 100%, where the run at `start` is its first 百."""
    if text.startswith("百分百", start):
        return start, start + 3, "100%"
    if not text.startswith("百分之", start):
        return None
    after = _RUN.match(text, start + 3)
    if after is None or after.end() - after.start() > _MAX_RUN:
        return None
    words = after.group()
    if words == "百":
        return start, after.end(), "100%"
    value = words if words.isascii() else _between(words) or _value(words)
    if value is None:
        return None
    (_, end, number), _ = _with_decimals(text, (start + 3, after.end(), str(value)))
    return start, end, number + "%"


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """A run cut into numbers; what is no number by the policy is left out."""
    if _ROUGHLY.fullmatch(text, start, end):
        return []
    between = _range(text, start, end) if 2 <= end - start <= _MAX_RUN else ""
    if between:
        return [(start, end, between)]
    pieces = []
    position = start
    while position < end:
        read_out = _read_out_end(text, position, end)
        cardinal = _CARDINAL.match(text, position, min(end, position + _MAX_RUN))
        if read_out:
            pieces.extend(_read_out(text, position, read_out, whole=(start, end)))
            position = read_out
        elif cardinal and (value := _cardinal_here(text, cardinal.start(), cardinal.end())) is not None:
            pieces.append((position, cardinal.end(), value))
            position = cardinal.end()
        else:
            single = _single(text, position)
            if single is not None:
                pieces.append((position, position + 1, single))
            position += 1
    return pieces


def _range(text: str, start: int, end: int) -> str:
    """Two numbers said as one (三四十) as both of them; empty where a run is something else, two digits read out among them."""
    if end - start == 2:
        before, after = text[max(0, start - 2) : start], text[end : end + 4]
        measured = _MEASURE.match(after) and not before.endswith("点")
        if not (measured or before.endswith(_AFTER)) or _NO_RANGE_BEFORE.match(after):
            return ""
    return _between(text[start:end])


def _between(words: str) -> str:
    match = _RANGE.fullmatch(words)
    if match is None:
        return ""
    head, pair, tail = match["head"] or match["whole"] or "", match["pair"] or match["last"] or match["two"], match["tail"] or ""
    low, high = (_value(head + digit + tail) for digit in pair)
    return "" if low is None or high is None or low >= high else f"{low}{BETWEEN}{high}"


def _read_out_end(text: str, position: int, end: int) -> int:
    """Where the digits read out from `position` end; 0 when there are fewer than two. 三四百 is not read out: about 400."""
    match = _READ_OUT.match(text, position, end)
    if match is None:
        return 0
    stop = match.end() - 1 if match.end() < end and text[match.end()] in "十百千万亿" else match.end()
    return stop if stop - position >= 2 else 0


def _read_out(text: str, start: int, end: int, *, whole: tuple[int, int]) -> list[tuple[int, int, str]]:
    """Digits one by one; 一一 alone stays a word (一一核对)."""
    if text[start:end] == "一一" and (start, end) == whole:
        return []
    return [(i, i + 1, DIGITS.get(text[i], text[i])) for i in range(start, end)]


def _cardinal_here(text: str, start: int, end: int) -> str | None:
    words = text[start:end]
    if words[0] in "百千万亿":
        return None  # 万一, 千万, 百度: a unit without a number is a word
    if words == "十":
        return _ten(text, start)
    if words == "十分":
        return None
    value = _value(words)
    return None if value is None else str(value)


def _ten(text: str, start: int) -> str | None:
    """十 alone: a number before a measure word, but 十分 is «very» unless it is time."""
    after = text[start + 1 : start + 4]
    if after.startswith("分"):
        return "10" if after.startswith("分钟") or text[start - 1 : start] == "点" else None
    return "10" if _MEASURE.match(after) or text[max(0, start - 2) : start].endswith(_AFTER) else None


def _single(text: str, position: int) -> str | None:
    """One numeral alone, by rule 3."""
    char = text[position]
    if char not in DIGITS or char.isascii():
        return None
    before = text[max(0, position - 2) : position]
    after = text[position + 1 : position + 4]
    if before.endswith(_AFTER):
        return DIGITS[char]
    if char == "一" and after.startswith("点"):
        return "1" if before.endswith(_TIME_BEFORE) or _ONE_POINT.match(text, position + 1) else None
    if char == "幺" or not _MEASURE.match(after) or after[0] in "十百千万亿":
        return None
    return DIGITS[char]


def _with_decimals(text: str, piece: tuple[int, int, str]) -> tuple[tuple[int, int, str], int]:
    """三点五 as 3.5: the piece with what follows it, and where to go on."""
    start, end, value = piece
    more = _SPOKEN_DECIMALS.match(text, end)
    if more is None or not value.isdigit() or text[max(0, start - 2) : start].endswith(_TIME_BEFORE):
        return piece, end
    decimals = "".join(DIGITS[c] for c in more.group(1))
    number = _times(value, decimals, more.group(2)) if more.group(2) else f"{value}.{decimals}"
    return (start, more.end(), number), more.end()


def _value(words: str) -> int | None:
    """The value of a number in words; None when it is not well formed or absurdly large."""
    total = section = 0
    digit: int | None = None
    last_unit = 1
    zero = False
    for char in re.findall(r"[0-9]+|.", words):
        if char.isascii():
            digit = int(char) if len(char) <= 12 else None
            if digit is None:
                return None
        elif char in "零〇":
            zero = True
        elif char in DIGITS:
            if digit is not None:
                return None
            digit = int(DIGITS[char])
        elif char in _SMALL:
            if section and _SMALL[char] > last_unit:
                section = (section + (digit or 0)) * _SMALL[char]  # 二十五千克 is 25千克
            else:
                section += (1 if digit is None else digit) * _SMALL[char]
            digit, last_unit, zero = None, _SMALL[char], False
        else:
            section += digit or 0
            if char == "万":
                total += section * 10_000
            else:
                total = (total + section) * _LARGE[char]
            section, digit, last_unit, zero = 0, None, _LARGE[char], False
    if digit is not None:
        section += digit * (last_unit // 10 if last_unit > 10 and not zero and digit < 10 else 1)
    value = total + section
    return value if value < 10**16 else None
