"""Reading fields out of the tree, noting every problem instead of stopping at the first.

Each method returns a usable value even where there is a problem, so that reading goes on; whoever reads checks
`problems` at the end and throws the value away when there are any.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from qc.errors import Problem
from qc.packs.conditions import Condition, Gap, Term, Window
from qc.packs.model import LANGUAGES, Text
from qc.packs.nodes import Node, wide_colon
from qc.packs.patterns import BadPattern

MAX_ITEMS = 5_000
MAX_TEXT = 2_000

_DURATION = re.compile(
    r"\s*(\d{1,7}(?:\.\d{1,3})?)\s*(ms|毫秒|s|sec|second|seconds|秒|min|minute|minutes|分钟|h|hour|hours|小时)\s*"
)
_UNIT_MS = {"ms": 1, "毫秒": 1, "s": 1000, "sec": 1000, "second": 1000, "seconds": 1000, "秒": 1000}
_UNIT_MS |= {"min": 60_000, "minute": 60_000, "minutes": 60_000, "分钟": 60_000, "h": 3_600_000, "hour": 3_600_000}
_UNIT_MS |= {"hours": 3_600_000, "小时": 3_600_000}
_WINDOW = re.compile(r"(first|last)\s+(.+)")
_TURNS = re.compile(r"(\d{1,4}) ?turns?(?: of (agent|customer|anyone))?")
_COUNTED = re.compile(r"(\d{1,4}) ?(turns?|characters?)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


_IN_CHINESE: dict[str, tuple[str, ...]] = {
    word: tuple(english.split())
    for words, english in (
        ("客服 坐席 小二", "agent"),
        ("客户 顾客 用户 买家", "customer"),
        ("任何人 所有人 双方", "anyone"),
        ("系统", "system"),
        ("严重 致命 重大", "critical"),
        ("高", "high"),
        ("中", "medium"),
        ("低 轻微", "low"),
        ("是", "true yes"),
        ("否", "false no"),
        ("标题 名称", "title"),
        ("原因 为什么 说明", "why"),
        ("维度", "dimension"),
        ("严重程度 级别", "severity"),
        ("分数 扣分 分值", "points"),
        ("条件", "when"),
        ("用例 例子", "cases"),
        ("规则", "rules"),
        ("词表", "lists list"),
        ("版本", "version"),
        ("谁", "who by"),
        ("说", "says"),
        ("不说 没说 未说", "never_says"),
        ("除非", "unless"),
        ("例外 排除", "except except_after"),
        ("命中", "hit"),
        ("不命中 未命中", "miss"),
        ("次数", "times"),
        ("精确", "exact"),
        ("同音 谐音", "sound"),
    )
    for word in words.split()
}
"""What a Chinese reader may write where the language has an English word."""


def meant(word: str, known: Iterable[str]) -> str:
    """What a near miss, or the Chinese word for it, stands for; empty where it stands for nothing known."""
    listed = sorted(known)
    english = next((english for english in _IN_CHINESE.get(word.strip(), ()) if english in listed), "")
    return english or next(iter(difflib.get_close_matches(word.lower(), listed, n=1, cutoff=0.6)), "")


def suggestion(word: str, known: Iterable[str]) -> str:
    """«did you mean» for a near miss, else the list of what there is."""
    near = meant(word, known)
    return f"did you mean {near!r}?" if near else "use one of: " + ", ".join(sorted(known))


class Reader:
    """Typed access to nodes. `lists`: the named word lists that terms may refer to."""

    def __init__(self, lists: Mapping[str, tuple[Term, ...]] | None = None) -> None:
        self.problems: list[Problem] = []
        self.unread = False
        """A file could not be read: what else is said to be missing may be there."""
        self.lists = dict(lists or {})
        self.terms_read = 0
        self.patterns: dict[str, BadPattern | None] = {}
        """Different patterns read so far, each with what is wrong with it."""
        self.costly: set[Term] = set()
        """Different words to be matched nearly, and sentences, read so far."""
        self.parts_read = 0
        self.named: dict[str, tuple[Condition, Any]] = {}
        """Conditions by name, each with its size (`qc.packs.names`)."""

    def problem(self, node: Node, message: str, hint: str = "") -> None:
        self.problems.append(node.problem(message, hint))

    # -- shapes -------------------------------------------------------------------------------------------------

    def fields(self, node: Node, known: Sequence[str], required: Sequence[str] = (), what: str = "this") -> dict[str, Node]:
        """A map's values by key; unknown, double and missing keys are problems."""
        if node.kind != "map":
            hint = wide_colon(node.text) or f"it has the keys {', '.join(known)}"
            self.problem(node, f"{what} must be `key: value` lines", hint)
            return {}
        found: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.kind != "text" or key.text not in known:
                cut = value.kind == "text" and not value.text and found
                hint = "put a text that holds a comma in quotes" if cut else suggestion(key.text, known)
                self.problem(key, f"{what} has no key {show(key)}", hint)
            elif key.text in found:
                self.problem(key, f"{key.text!r} is there twice", "keep one of them")
            else:
                found[key.text] = value
        for name in required:
            if name not in found:
                self.problem(node, f"{what} needs `{name}:`", "add it")
        return found

    def items(self, node: Node, what: str, most: int = MAX_ITEMS) -> tuple[Node, ...]:
        """A list's items; one value alone counts as a list of one."""
        if node.kind != "list":
            return (node,)
        if not node.items:
            self.problem(node, f"{what} is empty", "write at least one, or leave the key out")
        if len(node.items) > most:
            self.problem(node, f"{what} has more than {most} entries", "split it")
        return node.items[:most]

    # -- scalars ------------------------------------------------------------------------------------------------

    def text(self, node: Node, what: str, most: int = MAX_TEXT) -> str:
        """A text that is not empty."""
        if node.kind != "text" or not node.text.strip():
            self.problem(node, f"{what} must be a text", "write the text on the same line, in quotes if it holds : or #")
            return ""
        if len(node.text) > most:
            self.problem(node, f"{what} is longer than {most} characters", "make it shorter")
        if _CONTROL.search(node.text):
            self.problem(node, f"{what} holds control characters", "type it anew")
        return node.text.strip()

    def texts(self, node: Node, what: str, most: int = 200) -> tuple[str, ...]:
        """A list of texts, or one."""
        return tuple(self.text(item, f"each of {what}") for item in self.items(node, what, most))

    def localized(self, node: Node, what: str) -> Text:
        """`{zh: …, en: …}`, or one text for both. A language left out takes the other's text."""
        if node.kind == "text":
            text = self.text(node, what)
            return dict.fromkeys(LANGUAGES, text)
        fields = self.fields(node, LANGUAGES, what=what)
        texts = {language: self.text(value, what) for language, value in fields.items()}
        if not texts:
            return dict.fromkeys(LANGUAGES, "")
        first = next(texts[language] for language in LANGUAGES if language in texts)
        return {language: texts.get(language, first) for language in LANGUAGES}

    def choice(self, node: Node, options: Sequence[str], what: str) -> str:
        """One of `options`."""
        if node.kind == "text" and node.text in options:
            return node.text
        self.problem(node, f"{what} cannot be {show(node)}", suggestion(node.text, options))
        return options[0]

    def flag(self, node: Node, what: str) -> bool:
        """true or false."""
        return self.choice(node, ("false", "true"), what) == "true"

    def number(self, node: Node, what: str, low: float, high: float) -> float:
        """A number in [low, high]."""
        try:
            value = Decimal(node.text) if node.kind == "text" and len(node.text) < 20 else None
        except InvalidOperation:
            value = None
        if value is None or not value.is_finite() or not low <= value <= high:
            self.problem(node, f"{what} must be a number from {low:g} to {high:g}, not {show(node)}", "write it in digits")
            return low
        return float(value)

    def integer(self, node: Node, what: str, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        if node.kind == "text" and re.fullmatch(r"-?[0-9]{1,9}", node.text) and low <= int(node.text) <= high:
            return int(node.text)
        self.problem(node, f"{what} must be a whole number from {low} to {high}, not {show(node)}", "write it in digits")
        return low

    def date(self, node: Node, what: str) -> str:
        """An ISO date."""
        if node.kind == "text" and _DATE.fullmatch(node.text):
            return node.text
        self.problem(node, f"{what} must be a date, not {show(node)}", "write it as 2026-11-30")
        return ""

    def duration_ms(self, node: Node, what: str, low: int = 0, high: int = 86_400_000) -> int:
        """A length of time with its unit, in whole milliseconds."""
        value = parse_duration(node.text) if node.kind == "text" else None
        if value is None:
            self.problem(node, f"{what} must be a length of time, not {show(node)}", "write the unit, for example 8 s or 500 ms")
            return low
        if not low <= value <= high:
            self.problem(node, f"{what} must be from {low / 1000:g} s to {high / 1000:g} s", "write another length of time")
            return low
        return value

    def window(self, node: Node) -> Window | None:
        """`first 15 s`, `last 20 s`, `first 3 turns`, `last 2 turns of agent`; None, without a problem, for anything else."""
        match = _WINDOW.fullmatch(" ".join(node.text.split())) if node.kind == "text" else None
        if match is None:
            return None
        turns = _TURNS.fullmatch(match.group(2))
        length = parse_duration(match.group(2))
        side: Literal["first", "last"] = "first" if match.group(1) == "first" else "last"
        if turns and int(turns.group(1)) > 0:
            of: Any = turns.group(2)
            return Window(side, "turns", int(turns.group(1)), of)
        return Window(side, "ms", length) if length else None

    def gap(self, node: Node, what: str) -> Gap:
        """`2 turns`, `5 s`, `10 characters`."""
        gap = parse_gap(node.text) if node.kind == "text" else None
        if gap is None:
            self.problem(node, f"{what} cannot be {show(node)}", "write how far, for example 2 turns, 5 s or 10 characters")
        return gap or Gap("turns", 1)


def parse_gap(text: str) -> Gap | None:
    """`2 turns`, `5 s`, `10 characters`; None when it is none of these."""
    counted = _COUNTED.fullmatch(" ".join(text.split()))
    if counted:
        unit: Literal["turns", "chars"] = "turns" if counted.group(2).startswith("turn") else "chars"
        return Gap(unit, int(counted.group(1))) if int(counted.group(1)) else None
    length = parse_duration(text)
    return Gap("ms", length) if length else None


def parse_duration(text: str) -> int | None:
    """`8 s`, `500 ms`, `1.5 min`, `8 秒` in milliseconds; None when it is none of these."""
    match = _DURATION.fullmatch(text)
    return int(Decimal(match.group(1)) * _UNIT_MS[match.group(2)]) if match else None


def show(node: Node) -> str:
    """A node in a message."""
    if node.kind != "text":
        return "a list" if node.kind == "list" else "a map"
    return repr(node.text if len(node.text) <= 40 else node.text[:40] + "…")
