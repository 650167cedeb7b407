"""MiaRec's query language: a query a line, `name: query` or `name = query`, or a query under a line `# name`.

Source: the «Moments Query Language reference guide» of docs.miarec.com. Distances there are words, here characters of the
same turn; positions there are words, here seconds. Both are told as carried over nearly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qc.packs.importers.draft import (
    LEFT_OUT,
    NEARLY,
    CannotSayError,
    Draft,
    Foreign,
    alike,
    either,
    negated,
    pattern_item,
    word_items,
)

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<regex>R"(?:[^"\\]|\\.)*")
    | (?P<quoted>"[^"]*"|“[^”]*”)
    | (?P<near>(?:NOTNEAR|ONEAR|NEAR|AFTER)(?::\d+)?(?![\w:]))
    | (?P<place>POS(?:BEFORE|AFTER):-?\d+)
    | (?P<who>(?:AGENT|CUSTOMER|A|C):)
    | (?P<word>(?:AND|OR|NOTIN|NOT)(?![\w:]))
    | (?P<sign>[&|()])
    | (?P<meta>\$[\w-]+\s*(?:[<>=!]+)\s*(?:"[^"]*"|[-\d.]+))
    | (?P<text>[^\s&|()"$]+)
    )""",
    re.VERBOSE,
)
_OPERATORS = re.compile(
    r'\b(AND|OR|NOT|NOTIN)\b|\b(NEAR|ONEAR|NOTNEAR|AFTER|POSBEFORE|POSAFTER):-?\d|\b(AGENT|CUSTOMER):|R"|\$[\w-]+\s*[<>=]'
)
_NAMED = re.compile(r"(?P<name>[^\"$()&|:=]{1,80}?)\s*(?:=|:(?!-?\d))\s+(?P<query>.+)")
_DEFAULT_NEAR = 5
_CHARACTERS_A_WORD = 7
_WORDS_A_SECOND = 2.5
MAX_DEPTH = 20


def fits(value: Any) -> bool:
    """A text with at least one operator of the language."""
    return isinstance(value, str) and bool(_OPERATORS.search(value))


def read(value: Any) -> Foreign:
    """A draft for each line that can be said."""
    foreign = Foreign()
    title = ""
    for number, line in enumerate(str(value).splitlines(), 1):
        query = line.strip()
        if not query or query.startswith("#"):
            title = query.lstrip("# ").strip()
            continue
        named = _NAMED.fullmatch(query)
        if named and named["name"].strip() not in ("AGENT", "CUSTOMER", "A", "C"):
            title, query = named["name"].strip(), named["query"]
        name, title = title or f"query {number}", ""
        try:
            foreign.drafts.append(Draft(name, _Parser(query, foreign, f"line {number}").parse(), why=query[:500]))
        except CannotSayError as error:
            foreign.lose(LEFT_OUT, f"line {number}", f"{query[:120]}: {error}")
    return foreign


class _Parser:
    """Operators bind as in the guide: NOT and places, then NEAR and its kin, then AND, then OR."""

    def __init__(self, query: str, foreign: Foreign, where: str) -> None:
        self.foreign, self.where = foreign, where
        self.tokens: list[tuple[str, str]] = []
        self.depth = 0
        at = 0
        while at < len(query.rstrip()):
            match = _TOKEN.match(query, at)
            if match is None:
                raise CannotSayError(f"cannot read {query[at : at + 20]!r}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
            at = match.end()
        self.at = 0

    def parse(self) -> Mapping[str, Any]:
        made = self._either()
        if self.at < len(self.tokens):
            raise CannotSayError(f"cannot read on at {self.tokens[self.at][1]!r}")
        return made

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _take(self, *texts: str) -> bool:
        kind, text = self._peek()
        if kind in ("word", "sign") and text in texts:
            self.at += 1
            return True
        return False

    def _either(self) -> Mapping[str, Any]:
        parts = [self._all()]
        while self._take("OR", "|"):
            parts.append(self._all())
        return either(parts)

    def _all(self) -> Mapping[str, Any]:
        parts = [self._near()]
        while self._take("AND", "&"):
            parts.append(self._near())
        return parts[0] if len(parts) == 1 else {"all": parts}

    def _near(self) -> Mapping[str, Any]:
        left = self._one()
        while True:
            kind, text = self._peek()
            if kind == "near":
                self.at += 1
                name, _, distance = text.partition(":")
                left = self._beside(name, int(distance or _DEFAULT_NEAR), left, self._one())
            elif self._take("NOTIN"):
                left = self._not_in(left, self._one())
            elif kind in ("text", "quoted", "regex"):
                left = self._beside("ONEAR", _DEFAULT_NEAR, left, self._one())
            else:
                return left

    def _beside(self, name: str, words: int, left: Mapping[str, Any], right: Mapping[str, Any]) -> Mapping[str, Any]:
        for part in (left, right):
            if not {"says", "near", "then"} & set(part):
                raise CannotSayError(f"{name} of something that is no word")
        characters = max(1, min(9999, words * _CHARACTERS_A_WORD))
        self.foreign.lose(NEARLY, self.where, f"{name}:{words} words became within {characters} characters of the same turn")
        within = f"{characters} characters"
        if name == "NEAR":
            return {"near": [left, right], "within": within}
        if name == "NOTNEAR":
            return {"not_near": [left, right], "within": within}
        first, second = left, right
        if name == "AFTER":
            said = "AFTER is described in two ways; taken as in its example, the left side after the right one"
            self.foreign.lose(NEARLY, self.where, said)
            first, second = right, left
        return {"then": [first, {**second, "within": within} if "says" in second else {"step": second, "within": within}]}

    def _not_in(self, left: Mapping[str, Any], right: Mapping[str, Any]) -> Mapping[str, Any]:
        if "says" not in left or alike(right) is None:
            raise CannotSayError("NOTIN of something that is no word")
        return {**left, "except": [*left.get("except", ()), *right["says"]]}

    def _one(self) -> Mapping[str, Any]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CannotSayError("it is nested too deep")
        try:
            return self._unary()
        finally:
            self.depth -= 1

    def _unary(self) -> Mapping[str, Any]:
        kind, text = self._peek()
        if kind == "end":
            raise CannotSayError("it ends too early")
        self.at += 1
        if (kind, text) == ("word", "NOT"):
            return negated(self._one())
        if (kind, text) == ("sign", "("):
            made = self._either()
            if not self._take(")"):
                raise CannotSayError("a bracket is not closed")
            return made
        if kind == "who":
            return self._spread(self._one(), "who", "agent" if text[0] == "A" else "customer")
        if kind == "place":
            return self._spread(self._one(), "in", self._place(text))
        if kind in ("text", "quoted", "regex"):
            return {"says": self._items(kind, text)}
        if kind == "meta":
            raise CannotSayError(f"{text}: the call's own data; write it as `call:` or `whole_call:`")
        raise CannotSayError(f"{text!r} stands where a word should")

    def _place(self, text: str) -> str:
        name, _, number = text.partition(":")
        words = int(number)
        seconds = max(1, round(abs(words) / _WORDS_A_SECOND))
        if name == "POSAFTER" and words >= 0:
            raise CannotSayError(f"{text}: after so many words")
        self.foreign.lose(NEARLY, self.where, f"{text} words became {seconds} s, at {_WORDS_A_SECOND:g} words a second")
        return f"{'first' if name == 'POSBEFORE' else 'last'} {seconds} s"

    def _spread(self, part: Mapping[str, Any], key: str, value: str) -> Mapping[str, Any]:
        """`who` or `in` given to every word of a condition."""
        if "says" in part or "never_says" in part:
            return {key: value, **part}
        for head in ("any", "all", "near", "not_near"):
            if head in part:
                return {**part, head: [self._spread(inner, key, value) for inner in part[head]]}
        if "then" in part:
            return {"then": [self._spread(step, key, value) for step in part["then"]]}
        if "not" in part:
            return {"not": self._spread(part["not"], key, value)}
        raise CannotSayError(f"{value} of something that is no word")

    def _items(self, kind: str, text: str) -> list[str]:
        if kind == "regex":
            return [pattern_item(text[2:-1].lower())]
        text = text.strip('"“”')
        if "*" in text:
            return [pattern_item(r"\b" + r"\w*".join(re.escape(part.lower()) for part in text.split("*")))]
        return word_items([text], self.foreign, self.where)
