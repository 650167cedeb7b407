"""Where personal data is in a text: numbers, addresses, names. For masking (`qc.text.redact`), where too much beats too little.

Found over the normal form, where spoken digits are digits already, and pointed at in the original characters. What the
rules of a pack find with `entity:` is stricter (`qc.text.entities`): there a wrong digit means that it is no card, here
it means that the recogniser misheard one. Every expression is linear: no part can match the same text in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qc.text.addresses import addresses
from qc.text.entities import ENTITIES, is_bank_card, is_id_card, is_phone
from qc.text.names import names
from qc.text.normal import Normal, normal

MASK = "█"
"""Stands for one character of personal data. A text's own MASK is taken for masked already: nothing is read across it."""

KINDS: dict[str, tuple[str, str]] = {
    "phone": ("电话号码：手机、座机、400/800、国际号码", "telephone numbers: mobile, landline, 400/800, international"),
    "id_card": ("身份证号（18 位，校验位正确）", "identity card numbers (18 characters with a right check character)"),
    "bank_card": ("银行卡号（校验位正确）", "bank card numbers (with a right check digit)"),
    "number": (
        "七位或更多的数字，不论是什么（订单号、听错一位的电话）；后面是元、块的金额除外",
        "seven digits or more, whatever they are (an order number, a telephone number with a digit misheard); not an amount of money",
    ),
    "code": ("尾号、后四位、验证码、密码之后的数字", "digits after «last four», «code», «PIN», 尾号, 验证码"),
    "handle": ("微信、QQ 等账号", "WeChat, QQ and other handles"),
    "email": ("电子邮箱，说出来的也算（at gmail dot com）", "e-mail addresses, spoken ones too (at gmail dot com)"),
    "iban": ("国际银行账号 IBAN", "international bank account numbers (IBAN)"),
    "ip": ("IP 地址", "IP addresses"),
    "plate": ("车牌号", "Chinese number plates"),
    "address": (
        "像地址的：路名加门牌、小区加楼栋、连着的省市区街道",
        "what looks like an address: road and number, estate and building",
    ),
    "name": (
        "我姓、我叫、姓名是、收件人之后的名字，先生、女士之前的姓",
        "names after 我姓, 我叫, «my name is», and before 先生, 女士, after Mr, Mrs, Ms",
    ),
}
"""What is masked, in Chinese and English; the privacy page is made from it."""

_FILLED = "(?:[ 嗯啊呃额哦诶对呐]|然后|那个){0,4}"
_D = "[0-9零一二三四五六七八九幺]"
_DIGITS = re.compile(f"{_D}(?:{_FILLED}{_D}){{6,60}}(?: ?x(?![a-z]))?")
_WORD_DIGIT = "(?:zero|one|two|three|four|five|six|seven|eight|nine|oh|double|triple|[0-9]{1,8})"
_SPELLED = re.compile(f"(?<![a-z]){_WORD_DIGIT}(?: {_WORD_DIGIT}){{4,60}}(?![a-z])")
_SHORT_CODE = re.compile(
    f"(?:尾号|后[34]位|[后末][三四]位|最后几位|验证码|校验码|密码|动态码|安全码|cvv|pin|passcode|password|security code|last 4|last four|"
    f"verification code)(?:[的数号字是为它就]|数字| |is|are|digits|number|of|my|the|:){{0,6}}({_D}(?:{_FILLED}{_D}){{1,7}}"
    f"|{_WORD_DIGIT}(?: {_WORD_DIGIT}){{2,7}})"
)
_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z][A-Za-z0-9-]{1,62}")
_SPOKEN_EMAIL = re.compile(
    "(?<![a-z0-9])[a-z0-9]{1,40}(?:(?: (?:dot|underscore|dash) |点|下划线)[a-z0-9]{1,40}){0,4}(?: at |艾特|圈a|小老鼠)[a-z0-9]{1,40}"
    "(?:(?: dot |点)[a-z0-9]{1,40}){0,3}(?: dot |点)(?:com|cn|net|org|edu|co|uk|hk|tw)(?![a-z])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?<![0-9.])(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9])(?:/[0-9]{{1,2}}(?![0-9]))?")
_IPV6 = re.compile(
    r"(?<![0-9A-Za-z:.])([0-9A-Fa-f:]{2,39}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3})?)(?![0-9A-Za-z:]|\.[0-9])(?:%[a-z0-9]{1,16}|/[0-9]{1,3}(?![0-9]))?"
)
_PLATE = re.compile(
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤川青藏琼宁][a-z] ?[a-z0-9](?: ?[a-z0-9]){4,5}(?![a-z0-9])"
)
_FOREIGN = re.compile(r"\+ ?[0-9]{1,3}(?:[ .()/-]{0,3}[0-9]){6,13}")
_HANDLE = re.compile("(?<![a-z0-9])" + ENTITIES["chat_handle"].pattern)
_MONEY = re.compile("(?:[多几来余]?(?:元|块|毛|人民币|美元|欧元|港币|万|亿)| ?(?:yuan|rmb|dollars?|euros?|pounds?))")
_UNITS = frozenset("十百千万亿拾佰仟萬億")
_QUICK = re.compile(
    "[0-9０-９零〇○一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖@＠]|[姓叫性教]|名|人|先生|女士|小姐|太太|本人|机主|機主|户主|戶主|同志|阿姨|师傅|師傅|大姐|大哥|老师|老師|客服|我是|专员|專員|经理|經理|主管|坐席|路|街|村|镇|鎮|區|区|市|省|院|县|縣|乡|鄉|道|巷|胡同|"
    "zero|one|two|three|four|five|six|seven|eight|nine|double|triple|name|m[rs]s?|mis|dr|this is|wechat|qq|微|薇|威|扣扣|vx|wx|"
    "telegram|whatsapp|支付|:|：| at |艾特|圈a|小老鼠|[^\\W\\d_]\\d",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Personal:
    """Personal data at characters [start, end) of a text; `kind` is a key of `KINDS`."""

    start: int
    end: int
    kind: str


def personal(text: str) -> tuple[Personal, ...]:
    """Personal data in a text, in order, apart from each other. Linear in its length.

    Where two overlap they are one, of the kind of the longer.
    """
    if _QUICK.search(text) is None:
        return ()
    found: list[Personal] = []
    position = 0
    for part in re.split(f"({MASK}+)", text):
        if part and not part.startswith(MASK):
            found.extend(Personal(p.start + position, p.end + position, p.kind) for p in _of_part(part))
        position += len(part)
    return _apart(found)


def _of_part(text: str) -> Iterator[Personal]:
    yield from _as_written(text)
    said = normal(text)
    if not said.text:
        return
    for start, end, kind in _in_normal(said, text):
        if start < end:
            yield Personal(*said.original(start, end), kind)


def _as_written(text: str) -> Iterator[Personal]:
    """What is told by its punctuation, which the normal form drops."""
    for kind, pattern in (("email", _EMAIL), ("ip", _IPV4), ("phone", _FOREIGN)):
        for match in pattern.finditer(text):
            yield Personal(match.start(), match.end(), kind)
    for match in _IBAN.finditer(text):
        end = _iban_end(match.group())
        if end:
            yield Personal(match.start(), match.start() + end, "iban")
    if ":" in text:
        for match in _IPV6.finditer(text):
            if is_ipv6(match.group(1)):
                yield Personal(match.start(), match.end(), "ip")


def _in_normal(said: Normal, text: str) -> Iterator[tuple[int, int, str]]:
    for match in _DIGITS.finditer(said.text):
        yield from _number(said, match, text)
    for match in _SPELLED.finditer(said.text):
        if _spelled_size(match.group()) >= 7:
            yield match.start(), match.end(), "number"
    for match in _SHORT_CODE.finditer(said.text):
        yield match.start(1), match.end(1), "code"
    for kind, pattern in (("email", _SPOKEN_EMAIL), ("plate", _PLATE), ("handle", _HANDLE)):
        for match in pattern.finditer(said.text):
            yield match.start(), match.end(), kind
    yield from addresses(said, text)
    yield from names(said, text)


def _number(said: Normal, match: re.Match[str], text: str) -> Iterator[tuple[int, int, str]]:
    start, end = match.span()
    digits = re.sub(r"[^0-9x]", "", match.group().translate(_TO_DIGITS))
    kind = "phone" if is_phone(digits) else "id_card" if is_id_card(digits) else "bank_card" if is_bank_card(digits) else "number"
    first, last = said.original(start, end)
    if kind == "number" and (_MONEY.match(said.text, end) or not _UNITS.isdisjoint(text[first:last])):
        return
    yield start, end, kind


_TO_DIGITS = {ord(c): str(i) for i, c in enumerate("零一二三四五六七八九")} | {ord("幺"): "1"}


def _spelled_size(words: str) -> int:
    """How many digits «double four one 23» stands for."""
    size = 0
    times = 1
    for word in words.split():
        if word in ("double", "triple"):
            times = 2 if word == "double" else 3
        else:
            size += (len(word) if word.isdigit() else 1) * times
            times = 1
    return size


def is_iban(text: str) -> bool:
    """An IBAN whose check digits are right (ISO 13616: the number modulo 97 is 1)."""
    plain = re.sub("[ -]", "", text).upper()
    if not 15 <= len(plain) <= 34:
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _iban_end(text: str) -> int:
    """Where the IBAN ends that `text` begins with, words after it left out; 0 where it begins with none."""
    ends = [len(text), *(m.start() for m in re.finditer(" ", text))]
    return next((end for end in sorted(ends, reverse=True) if is_iban(text[:end])), 0)


def is_ipv6(text: str) -> bool:
    """An IPv6 address as RFC 4291 writes it."""
    import ipaddress

    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return text != "::"


def _apart(found: list[Personal]) -> tuple[Personal, ...]:
    kept: list[Personal] = []
    for one in sorted(found):
        if kept and one.start < kept[-1].end:
            last = kept.pop()
            longer = last if last.end - last.start >= one.end - one.start else one
            kept.append(Personal(last.start, max(last.end, one.end), longer.kind))
        else:
            kept.append(one)
    return tuple(kept)
