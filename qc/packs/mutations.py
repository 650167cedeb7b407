"""Must-hit cases damaged as recognisers damage text: what share of them a rule still catches is its robustness.

One damage at a time, the same ones every time. A figure, not a pass or a fail: a rule may well want to miss what its
words no longer say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from qc.packs.cases import ROLES
from qc.packs.conditions import AllOf, AnyOf, AtLeast, Condition, Count, Near, NotNear, Repeat, Says, Then
from qc.packs.model import Case, Line, Rule
from qc.text.normal import kind
from qc.text.numerals import replacements
from qc.text.script import simplify_char
from qc.text.sound import sounds_like

MOST_PLACES = 12
"""Characters of a case that are swapped, and dropped: spread evenly over what is said."""

PSEUDO_SPEECH = "请不吝点赞订阅转发打赏"
"""What a recogniser is known to write where nobody spoke."""

MUTATIONS: dict[str, tuple[str, str]] = {
    "homophone": ("一个字换成同音字（不看声调）", "one character written as another that sounds the same, tones aside"),
    "dropped": ("漏掉一个字", "one character left out"),
    "script": ("繁体、全角、大写、字间空格", "traditional characters; full width, upper case, spaces between characters"),
    "numerals": ("数字换一种写法：3小时、三小时", "numbers written the other way: 3小时, 三小时"),
    "pseudo_speech": ("插进一句没有人说过的话", "a line put in that nobody said"),
    "roles": (
        "客服和客户对调；规则说了是谁说的，就不该再命中",
        "agent and customer swapped, where the rule says who: it must then not hit",
    ),
}
"""Kinds of damage, in Chinese and English."""


@dataclass(frozen=True)
class Mutant:
    """A damaged case. It survives when the rule hits it; with `hits` False, when the rule does not."""

    kind: str
    case: Case
    hits: bool = True


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Every damage of every must-hit case of a rule, in order: at most about 35 a case."""
    for case in rule.cases:
        if case.verdict != "hit":
            continue
        yield from _each_place(case, "homophone", _homophone)
        yield from _each_place(case, "dropped", lambda text, at: text[:at] + text[at + 1 :])
        yield from _whole(case, "script", _traditional)
        yield from _whole(case, "script", _spread)
        yield from _whole(case, "numerals", _other_numerals)
        yield from _with_pseudo_speech(case)
        if names_a_role(rule.when):
            yield Mutant("roles", replace(case, lines=tuple(map(_swapped, case.lines))), hits=False)


def names_a_role(condition: Condition) -> bool:
    """The condition asks that one side says something: with the sides swapped it must not hold."""
    if isinstance(condition, Says | Repeat):
        return condition.who != "anyone"
    if isinstance(condition, AllOf | AtLeast):
        return any(map(names_a_role, condition.parts))
    if isinstance(condition, AnyOf):
        return all(map(names_a_role, condition.parts))
    if isinstance(condition, Near):
        return names_a_role(condition.first) or names_a_role(condition.second)
    if isinstance(condition, NotNear):
        return names_a_role(condition.first)
    if isinstance(condition, Then):
        return any(names_a_role(step.condition) for step in condition.steps)
    if isinstance(condition, Count) and condition.hits is not None:
        return condition.bound.op in ("over", "at least") and names_a_role(condition.hits)
    return False


# -- one place at a time ----------------------------------------------------------------------------------------


def _each_place(case: Case, name: str, damage: Callable[[str, int], str]) -> Iterator[Mutant]:
    places = [
        (number, at)
        for number, line in enumerate(case.lines)
        if line.what in ROLES
        for at, char in enumerate(line.text)
        if kind(char) in "cl"
    ]
    for number, at in _spread_over(places):
        line = case.lines[number]
        text = damage(line.text, at)
        if text != line.text and text.strip():
            yield Mutant(name, _with_line(case, number, replace(line, text=text)))


def _spread_over(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(places) <= MOST_PLACES:
        return list(places)
    return [places[i * len(places) // MOST_PLACES] for i in range(MOST_PLACES)]


def _homophone(text: str, at: int) -> str:
    """`text` with another common character of the same sound at a place; unchanged where there is none."""
    others = _common(simplify_char(text[at]))
    return text if not others else text[:at] + others[(at * 7 + ord(text[at])) % len(others)] + text[at + 1 :]


@cache
def _common(char: str) -> str:
    """Common characters (level 1 of GB 2312: 3,755 of them) that sound like one, itself left out, in order."""
    return "".join(sorted(other for other in sounds_like(char) if other != char and _is_common(other)))


def _is_common(char: str) -> bool:
    try:
        code = char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and 0xB0 <= code[0] <= 0xD7


# -- the whole case ---------------------------------------------------------------------------------------------


def _whole(case: Case, name: str, damage: Callable[[str], str]) -> Iterator[Mutant]:
    lines = tuple(replace(line, text=damage(line.text)) if line.what in ROLES else line for line in case.lines)
    if lines != case.lines:
        yield Mutant(name, replace(case, lines=lines))


def _traditional(text: str) -> str:
    converted: str = _to_traditional().convert(text)
    return converted


@cache
def _to_traditional() -> Any:
    import opencc

    return opencc.OpenCC("s2t")


def _spread(text: str) -> str:
    """Full-width letters and digits, upper case, and a space beside every Chinese character."""
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text.upper())
    return "".join(c + " " if kind(simplify_char(c)) == "c" else c for c in wide).strip()


def _other_numerals(text: str) -> str:
    """Numbers in words as digits; where there are none, digits as words."""
    changes = replacements(text)
    if changes:
        out, position = [], 0
        for start, end, new in changes:
            out += [text[position:start], new]
            position = end
        return "".join([*out, text[position:]])
    return _in_words(text)


def _in_words(text: str) -> str:
    out, digits = [], ""
    for char in text + "\0":
        if char.isascii() and char.isdigit():
            digits += char
            continue
        out.append(say_number(digits) if digits else "")
        out.append(char)
        digits = ""
    return "".join(out)[:-1]


def say_number(digits: str) -> str:
    """Digits as they are said: 24 as 二十四, 12315 and what begins with 0 one by one."""
    said = "零一二三四五六七八九"
    if len(digits) > 4 or digits.startswith("0"):
        return "".join(said[int(d)] for d in digits)
    out, zero = "", False
    for place, digit in zip(("千", "百", "十", "")[-len(digits) :], digits, strict=True):
        if digit == "0":
            zero = bool(out)
            continue
        out += ("零" if zero else "") + ("" if digit == "1" and place == "十" and not out else said[int(digit)]) + place
        zero = False
    return out


def _with_pseudo_speech(case: Case) -> Iterator[Mutant]:
    """A line that nobody said: before the first, in the middle, after the last."""
    spoken = [number for number, line in enumerate(case.lines) if line.what in ROLES]
    if not spoken:
        return
    for number in dict.fromkeys((spoken[0], spoken[len(spoken) // 2], spoken[-1] + 1)):
        beside = case.lines[min(number, spoken[-1])]
        lines = (*case.lines[:number], Line(beside.what, text=PSEUDO_SPEECH), *case.lines[number:])
        yield Mutant("pseudo_speech", replace(case, lines=lines))


def _swapped(line: Line) -> Line:
    other = {"agent": "customer", "customer": "agent"}
    if line.what in other:
        return replace(line, what=other[line.what])
    return replace(line, text=other[line.text]) if line.what in ("unheard", "silent") and line.text in other else line


def _with_line(case: Case, number: int, line: Line) -> Case:
    return replace(case, lines=(*case.lines[:number], line, *case.lines[number + 1 :]))
