"""Things with a form of their own in a normal form: phone numbers, cards with check digits, amounts, time limits, links.

All run over the normal form (`qc.text.normal`), where spoken digits are digits already and dots between letters are
spaces. Patterns are linear (RE2 runs them); what a pattern cannot say, check digits and dates, a function checks.
Check digits: ID cards by GB 11643-1999 (ISO 7064 MOD 11-2), bank cards by ISO/IEC 7812-1 annex B (Luhn).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10x98765432"
_DIGITS = r"[0-9](?: ?[0-9]){6,40}(?: ?x)?"
_MOST_GROUPS = 8
_PHONE = re.compile(r"(?:86)?1[3-9][0-9]{9}|0[1-9][0-9]{1,2}[2-9][0-9]{6,7}|[48]00[0-9]{7}")
_ID_CARD = re.compile(r"[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9x]")
_BANK_CARD = re.compile(r"[2-6][0-9]{15,18}")


def is_phone(digits: str) -> bool:
    """A Chinese mobile number, a landline with its area code, or a 400/800 number."""
    return _PHONE.fullmatch(digits) is not None


def is_id_card(digits: str) -> bool:
    """A resident identity card of 18 characters whose date can be one and whose check character is right."""
    if _ID_CARD.fullmatch(digits) is None:
        return False
    return _CHECKS[sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=False)) % 11] == digits[17]


def is_bank_card(digits: str) -> bool:
    """A card number of 16 to 19 digits with a right check digit; none that is an ID card."""
    if _BANK_CARD.fullmatch(digits) is None or is_id_card(digits):
        return False
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(int(d) for d in digits[::-2]) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def parts(run: str, check: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """Where the numbers are in a run of digits and spaces: the leftmost longest groups of digits that pass the check."""
    groups = [(m.start(), m.end()) for m in re.finditer(r"[^ ]+", run)]
    first = 0
    while first < len(groups):
        for last in range(min(first + _MOST_GROUPS, len(groups)) - 1, first - 1, -1):
            if check(run[groups[first][0] : groups[last][1]].replace(" ", "")):
                yield groups[first][0], groups[last][1]
                first = last
                break
        first += 1


@dataclass(frozen=True)
class Entity:
    """`pattern` (RE2) finds it; `check`, where there is one, decides on the digits of groups inside. `zh`/`en`: what it is."""

    pattern: str
    zh: str
    en: str
    check: Callable[[str], bool] | None = None


ENTITIES: dict[str, Entity] = {
    "phone": Entity(_DIGITS, "手机号、带区号的座机、400/800 号码", "mobile, landline with area code, 400/800 number", is_phone),
    "id_card": Entity(_DIGITS, "身份证号（校验位正确）", "Chinese identity card (with its check digit)", is_id_card),
    "bank_card": Entity(
        _DIGITS, "银行卡号（16 到 19 位，校验位正确）", "bank card (16 to 19 digits, with its check digit)", is_bank_card
    ),
    "amount": Entity(
        r"[0-9]+(?:\.[0-9]+)? ?(?:元|块|毛|角|万|千|百|人民币|美元|欧元|港币|yuan|rmb|dollars?|euros?|pounds?|bucks)",
        "金额：三百块、1.5万、50 dollars",
        "an amount of money: 300块, 50 dollars",
    ),
    "time_limit": Entity(
        r"(?:[0-9]+(?:\.[0-9]+)?|半) ?个?(?:工作日|秒|分钟|小时|钟头|天|日|周|星期|礼拜|月)|[0-9]{1,2}月[0-9]{1,2}[日号]|"
        r"[0-9]{1,2}点(?:半|[0-9]{1,2}分?)?|(?:今|明|后)(?:天|晚|早)|"
        r"[0-9]+ (?:seconds?|minutes?|hours?|(?:working |business )?days?|weeks?|months?)|today|tonight|tomorrow",
        "时限：三个工作日、24小时、明天、15:30、11月3日",
        "a time limit: 3个工作日, 24 hours, tomorrow, 15:30",
    ),
    "order_number": Entity(
        r"(?:订单|单号|运单|快递|工单|order|tracking)(?:号码|编号|number|no|号|是|为|的|is| ){0,4}[a-z]{0,4} ?[0-9](?: ?[0-9]){5,24}",
        "订单号、运单号：前面说了是什么号的 6 位以上数字",
        "order or tracking number: six digits or more after what they are",
    ),
    "url": Entity(
        r"(?:https? |www ?点?)?[a-z0-9]+(?:(?: |点)[a-z0-9]+){0,4}(?: |点)(?:com|cn|net|org|cc|vip|shop|top|xyz)",
        "网址：www.example.com、某某点com",
        "web address: www.example.com",
    ),
    "chat_handle": Entity(
        r"(?:微信|薇信|威信|vx|wx|wechat|qq|扣扣|telegram|whatsapp|支付宝)(?:账号|帐号|号码|号|id|是|为|我的|is| ){0,4}[a-z0-9](?: ?[a-z0-9]){4,19}",
        "微信、QQ 等账号：说了是什么号的 5 位以上字母数字",
        "a WeChat, QQ or other handle: five letters or digits or more after what they are",
    ),
}
