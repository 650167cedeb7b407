"""A query in one line, read as the `when` of a rule: the same conditions, the same checks, the same meaning.

    投诉                       the word, said by anyone           says: [投诉]
    投诉|举报                  either                             says: [投诉, 举报]
    "thank you"               a phrase with spaces
    /(应该|可能).{0,5}吧/        a pattern (RE2)
    sound:投诉                 any characters that sound so       {word: 投诉, match: sound}
    fuzzy:七天无理由退货         nearly                             {word: …, match: fuzzy 0.80}
    similar:"…"               the whole turn is nearly this      {similar: …}
    entity:phone              what has a form of its own         {entity: phone}
    agent:尽快   customer:(…)   who says it
    agent:您好 first 30s        where in the call; last 20s, first 3 turns, last 2 turns of agent
    A B                       both in the call                   all:
    A OR B                    either in the call                 any:
    NOT A                     surely not                         not:
    A NEAR B   NEAR/5s         near each other (2 turns, if not said)
    A NOT NEAR B              A without B near it
    A THEN B   THEN/3turns     one after the other
    ( … )                     what belongs together

What binds closest comes first: `|`, then NOT, then NEAR and THEN, then side by side, then OR. Distances are 5s, 2turns or
10chars. Full-width brackets, colons and quotes are read as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from qc.errors import PackError, Problem
from qc.packs.conditions import Condition
from qc.packs.nodes import Node
from qc.packs.reader import Reader, parse_gap, suggestion
from qc.packs.syntax import read_condition

FILE = "QUERY"
MAX_LENGTH = 2_000
MAX_DEPTH = 8
NEAR_IF_NOT_SAID = "2 turns"
FUZZY = "fuzzy 0.80"

ROLES = {"agent": "agent", "customer": "customer", "anyone": "anyone", "客服": "agent", "坐席": "agent", "客户": "customer"}
ROLES |= {"顾客": "customer"}
KINDS = ("sound", "fuzzy", "similar", "entity")
_OPERATORS = ("NEAR", "THEN", "NOT", "OR", "AND")
_UNITS = {"t": "turns", "c": "characters", "char": "characters", "chars": "characters", "turn": "turns"}
_WIDE = str.maketrans("（）：｜“”　", '():|"" ')
_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<open>\()|(?P<close>\))|(?P<bar>\|)|"(?P<quoted>[^"]*)"|(?P<pattern>/(?:[^/\\]|\\.)*/)'
    rf"|(?P<head>(?:{'|'.join([*ROLES, *KINDS, 'role'])})(?=:\s*\S)|[A-Za-z]+(?=:\S)):\s*|(?P<operator>NEAR|THEN)(?:/(?P<gap>[^\s()|]+))?(?=[\s()]|$)"
    r'|(?P<word>[^\s()|"]+)|(?P<bad>.)'
)
_SIZE = re.compile(r"\d{1,7}(?:\.\d{1,3})?")
_OPERATORS_IN_CHINESE = {
    **dict.fromkeys(("或", "或者"), "| or OR"),
    **dict.fromkeys(("和", "且", "并且", "与", "及"), "AND, or nothing at all"),
    **dict.fromkeys(("非", "不含", "没有", "除了"), "NOT"),
    **dict.fromkeys(("附近", "靠近"), "NEAR"),
    **dict.fromkeys(("然后", "之后"), "THEN"),
}
_NO_UNIT = re.compile(r"(?<!\S)(first|last)\s+(\d{1,7})(?!\S)(?!\s+(?:s|sec|seconds?|min|minutes?|turns?)(?!\S))")
_APART = re.compile(r"(?<!\S)(?P<operator>NEAR|THEN)\s+(?P<size>\d{1,7})\s?(?P<unit>s|sec|seconds?|turns?|chars?)(?!\S)")
_UNIT = re.compile("turns?|ms|s|sec|seconds?|min|minutes?|h|hours?|秒|分钟|小时")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int
    gap: str = ""


@dataclass
class _Words:
    """`says`, as it is put together: terms as nodes, and what stands around them."""

    column: int
    terms: list[Node]
    who: Node | None = None
    window: Node | None = None


@dataclass
class _Joined:
    """Conditions under an operator: all, any, not, near, not_near, then. `gaps`: one for each part after the first."""

    column: int
    name: str
    parts: list[_Part] = field(default_factory=list)
    gaps: list[Node | None] = field(default_factory=list)


_Part = _Words | _Joined


def parse_query(text: str) -> Condition:
    """The condition that a query stands for. Raises PackError with every problem, at QUERY:1:column."""
    if len(text) > MAX_LENGTH:
        raise PackError([Problem(FILE, 1, 1, f"the query is longer than {MAX_LENGTH} characters", "make a rule of it")])
    parser = _Parser(text)
    tree = parser.query()
    reader = Reader()
    reader.problems.extend(parser.problems)
    if tree is None:
        if not reader.problems:
            reader.problems.append(Problem(FILE, 1, 1, "the query is empty", "write a word, for example 投诉 or agent:尽快"))
        raise PackError(reader.problems, text)
    condition = read_condition(reader, _node(tree))
    if reader.problems:
        raise PackError(sorted({replace(p, hint=_as_query(p.hint)) for p in reader.problems}), text)
    return condition


def _as_query(hint: str) -> str:
    """A hint as it is written in a rule, as it is written in a query."""
    return re.sub(r"\{word: (.+?), match: (sound|exact)\}", lambda m: f"sound:{m[1]}" if m[2] == "sound" else m[1], hint)


def slips(text: str) -> list[str]:
    """What may not have been meant: operators in small letters or in Chinese, distances apart from their operator, windows
    without a unit: all of them are words."""
    text = re.sub(r'"[^"]*"', '""', text.translate(_WIDE))
    bare = set(re.findall(r"(?<!\S)[a-z]+(?!\S)", text))
    found = [
        f"{word!r} is looked for as a word; the operator is written {word.upper()}" for word in sorted(bare & {"near", "then"})
    ]
    for match in _APART.finditer(text):
        said = f"{match['size']} {match['unit']}"
        found.append(f"{said!r} is looked for as words; the distance is written {match['operator']}/{said.replace(' ', '')}")
    for word in re.findall(r"(?<!\S)[\u4e00-\u9fff]{1,2}(?!\S)", text):
        if word in _OPERATORS_IN_CHINESE:
            found.append(f"{word!r} is looked for as a word; the operator is written {_OPERATORS_IN_CHINESE[word]}")
    for match in _NO_UNIT.finditer(text):
        side, size = match.groups()
        found.append(f"'{side} {size}' is looked for as words; write {side} {size}s, or {side} {size} turns")
    return found


class _Parser:
    """Reads tokens from left to right; every problem is noted, and reading goes on."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.tokens = self._tokens(text.translate(_WIDE))
        self.at = 0
        self.depth = 0

    def _tokens(self, text: str) -> list[_Token]:
        found = []
        for match in _TOKEN.finditer(text):
            kind = str(match.lastgroup) if match["operator"] is None else "operator"
            if kind == "space":
                continue
            said = match["operator"] or match[kind]
            if kind == "bad":
                self.problem(match.start(), f"{said!r} opens a quote that nothing closes", 'write "…"')
                continue
            if kind == "word" and said in _OPERATORS:
                kind = "operator"
            found.append(_Token(kind, said, match.start() + 1, match["gap"] or ""))
        return found

    def problem(self, position: int, message: str, hint: str) -> None:
        self.problems.append(Problem(FILE, 1, position + 1, message, hint))

    def peek(self, ahead: int = 0) -> _Token:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else _Token("end", "", len(self.tokens) and self.tokens[-1].column)

    def take(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def is_operator(self, *names: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "operator" and token.text in names

    # -- from loose to close --------------------------------------------------------------------------------------

    def query(self) -> _Part | None:
        parts = []
        while self.peek().kind != "end":
            part = self.alternatives()
            if part is not None:
                parts.append(part)
            if self.peek().kind == "close":
                self.problem(self.take().column - 1, "this bracket closes nothing", "take it out, or open one before")
        return _join("all", parts)

    def alternatives(self) -> _Part | None:
        parts = [self.both()]
        while self.is_operator("OR"):
            operator = self.take()
            part = self.both()
            parts.append(part)
            if part is None or parts[0] is None:
                self.problem(operator.column - 1, "OR stands between two things", "for example 投诉 OR 举报")
        return _join("any", [part for part in parts if part is not None])

    def both(self) -> _Part | None:
        parts = []
        while self.peek().kind not in ("end", "close") and not self.is_operator("OR"):
            if self.is_operator("AND"):
                self.take()
                continue
            part = self.chain()
            if part is not None:
                parts.append(part)
        return _join("all", parts)

    def chain(self) -> _Part | None:
        left = self.one()
        while self.is_operator("NEAR", "THEN") or (self.is_operator("NOT") and self.is_operator("NEAR", ahead=1)):
            negative = self.is_operator("NOT")
            if negative:
                self.take()
            operator = self.take()
            right = self.one()
            if left is None or right is None:
                self.problem(
                    operator.column - 1, f"{operator.text} stands between two things", f"for example 退款 {operator.text} 不行"
                )
                left = left or right
                continue
            gap = self._gap(operator)
            if operator.text == "THEN" and isinstance(left, _Joined) and left.name == "then":
                left.parts.append(right)
                left.gaps.append(gap)
            elif operator.text == "THEN":
                left = _Joined(left.column, "then", [left, right], [gap])
            else:
                gap = gap or Node("text", FILE, 1, operator.column, NEAR_IF_NOT_SAID)
                left = _Joined(left.column, "not_near" if negative else "near", [left, right], [gap])
        return left

    def _gap(self, operator: _Token) -> Node | None:
        if not operator.gap:
            return None
        written = re.fullmatch(r"([0-9.]+)\s*([^0-9.]*)", operator.gap)
        said = f"{written[1]} {_UNITS.get(written[2], written[2])}" if written else operator.gap
        if parse_gap(said) is None:
            self.problem(
                operator.column + len(operator.text),
                f"{operator.gap!r} is no distance",
                f"write {operator.text}/5s, {operator.text}/2turns or {operator.text}/10chars",
            )
            return None
        return Node("text", FILE, 1, operator.column, said)

    def one(self) -> _Part | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.problem(self.peek().column - 1, f"nested deeper than {MAX_DEPTH} levels", "make a rule of it")
            self.at = len(self.tokens)
        found = None if self.peek().kind == "end" else self._one()
        self.depth -= 1
        return found

    def _one(self) -> _Part | None:
        token = self.peek()
        if token.kind == "operator" and token.text == "NOT":
            self.take()
            inner = self.one()
            if inner is None:
                self.problem(token.column - 1, "NOT stands before nothing", "for example NOT agent:您好")
                return None
            return _Joined(token.column, "not", [inner])
        window = self._window()
        part = self.item()
        after = self._window()
        if part is not None:
            for said in (window, after):
                if said is not None:
                    self._put(part, "window", said)
        elif window is not None:
            self.problem(window.column - 1, f"{window.text!r} says where, but not what", "write a word behind it")
        return part

    def item(self) -> _Part | None:
        token = self.peek()
        if token.kind == "open":
            return self._group()
        if token.kind == "head":
            return self._headed()
        if token.kind in ("word", "quoted", "pattern"):
            return self._words()
        if token.kind == "bar":
            self.problem(self.take().column - 1, "`|` stands between two words", "for example 投诉|举报")
        return None

    def _group(self) -> _Part | None:
        opened = self.take()
        inner = self.alternatives()
        if self.peek().kind == "close":
            self.take()
            if inner is None:
                self.problem(opened.column - 1, "there is nothing between these brackets", "write a word")
        elif not self.problems:
            self.problem(opened.column - 1, "this bracket is never closed", "close it with )")
        return inner

    def _headed(self) -> _Part | None:
        head = self.take()
        name = head.text if head.text in ROLES else head.text.lower()
        if name == "role" and self.peek().kind == "word" and self.peek().text in ROLES:
            name = self.take().text
        if name not in ROLES and name not in KINDS:
            self.problem(
                head.column - 1, f"there is no `{head.text}:`", suggestion(name, (*ROLES, *KINDS)) + " or put it in quotes"
            )
        part = self.one() if self.peek().kind == "head" else self.item()
        if part is None:
            self.problem(head.column - 1, f"`{head.text}:` stands before nothing", f"for example {head.text}:投诉")
            return None
        if name in ROLES:
            self._put(part, "who", Node("text", FILE, 1, head.column, ROLES[name]))
        elif name in KINDS:
            _match(part, name)
        return part

    def _words(self) -> _Words:
        first = self.take()
        found = _Words(first.column, [_term(first)])
        while self.peek().kind == "bar":
            bar = self.take()
            token = self.peek()
            if token.kind == "head" and token.text in KINDS and self.peek(1).kind in ("word", "quoted"):
                self.take()
                alone = _Words(token.column, [_term(self.take())])
                _match(alone, token.text)
                found.terms += alone.terms
            elif token.kind in ("word", "quoted", "pattern"):
                found.terms.append(_term(self.take()))
            else:
                self.problem(bar.column - 1, "`|` stands between two words", "for example 投诉|举报; between conditions write OR")
        return found

    def _window(self) -> Node | None:
        """`first 30s`, `last 3 turns`: only with a length behind it; else `first` is a word."""
        token, size, unit = self.peek(), self.peek(1), self.peek(2)
        if token.kind != "word" or token.text not in ("first", "last") or size.kind != "word":
            return None
        number = _SIZE.match(size.text)
        if number is None:
            return None
        said = size.text[number.end() :]
        used = 2
        if not said and unit.kind == "word":
            said, used = unit.text, 3
        if _UNIT.fullmatch(said) is None:
            return None
        of, whose = self.peek(used), self.peek(used + 1)
        if said.startswith("turn") and (of.kind, of.text) == ("word", "of") and whose.kind == "word" and whose.text in ROLES:
            said, used = f"{said} of {ROLES[whose.text]}", used + 2
        self.at += used
        return Node("text", FILE, 1, token.column, f"{token.text} {number.group()} {said}")

    def _put(self, part: _Part, name: str, node: Node) -> None:
        """Says of all words in a part who says them, or where; what is said closer by stays."""
        if isinstance(part, _Words):
            if getattr(part, name) is None:
                setattr(part, name, node)
            return
        for inner in part.parts:
            self._put(inner, name, node)


def _join(name: str, parts: list[_Part]) -> _Part | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return _Joined(parts[0].column, name, parts)


def _term(token: _Token) -> Node:
    return Node("text", FILE, 1, token.column, token.text.strip())


def _match(part: _Part, kind: str) -> None:
    """Says of all plain words in a part how they match."""
    if isinstance(part, _Joined):
        for inner in part.parts:
            _match(inner, kind)
        return
    part.terms = [_matched(term, kind) if term.kind == "text" else term for term in part.terms]


def _matched(term: Node, kind: str) -> Node:
    if re.fullmatch("/.+/", term.text):
        return term

    def key(name: str) -> Node:
        return replace(term, text=name)

    if kind in ("similar", "entity"):
        return replace(term, kind="map", text="", pairs=((key(kind), term),))
    how = "sound" if kind == "sound" else FUZZY
    return replace(term, kind="map", text="", pairs=((key("word"), term), (key("match"), key(how))))


def _node(part: _Part) -> Node:
    """A part as the tree that a rule's file would give."""
    place = Node("text", FILE, 1, part.column)

    def key(name: str) -> Node:
        return replace(place, text=name)

    def listed(items: list[Node]) -> Node:
        return replace(place, kind="list", items=tuple(items))

    if isinstance(part, _Words):
        pairs = [(key("says"), listed(part.terms))]
        if part.who is not None:
            pairs.append((key("who"), part.who))
        if part.window is not None:
            pairs.append((key("in"), part.window))
        return replace(place, kind="map", pairs=tuple(pairs))
    inner = [_node(one) for one in part.parts]
    if part.name == "not":
        return replace(place, kind="map", pairs=((key("not"), inner[0]),))
    if part.name == "then":
        steps = [inner[0], *(_with_gap(node, gap) for node, gap in zip(inner[1:], part.gaps, strict=True))]
        return replace(place, kind="map", pairs=((key("then"), listed(steps)),))
    if part.name in ("near", "not_near"):
        gap = part.gaps[0]
        assert gap is not None
        return replace(place, kind="map", pairs=((key(part.name), listed(inner)), (key("within"), gap)))
    return replace(place, kind="map", pairs=((key(part.name), listed(inner)),))


def _with_gap(step: Node, gap: Node | None) -> Node:
    """A step with how far after the one before."""
    if gap is None:
        return step
    return replace(step, pairs=(*step.pairs, (replace(gap, text="within"), gap)))
