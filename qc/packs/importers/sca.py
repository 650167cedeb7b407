"""Alibaba Cloud SCA's rules: `conditions` and `rules` as UploadRule takes and GetRule gives them, operator by operator.

Source: «规则对象说明» and «检测算子对象说明» of the product's developer reference. Keys are compared without case and
underscores, because the two versions of its interface write them differently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from qc.packs.importers.draft import (
    LEFT_OUT,
    NEARLY,
    UNUSED,
    CannotSayError,
    Draft,
    Foreign,
    either,
    negated,
    pattern_item,
    word_items,
)

_WHO = {"客服": "agent", "坐席": "agent", "客户": "customer", "agent": "agent", "customer": "customer"}
_ANYONE = ("", "所有", "all", "none")
_TOKEN = re.compile(r"\s*(&&|\|\||!|\(|\)|[\w-]+)")
_SAME_TURN = "9999 characters"
_ABOUT = {"rid", "name", "lambda", "conditions", "triggers", "scorenum", "scoretype", "comments", "id"}
MAX_DEPTH = 20


def _key(name: Any) -> str:
    return str(name).replace("_", "").casefold()


def _plain(value: Any) -> Any:
    """The value with its keys in one spelling."""
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _find(value: Any, depth: int = 0) -> dict[str, Any] | None:
    """The map that has both conditions and rules, however it is wrapped (data, JsonStr, jsonStrForRule)."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = _plain(json.loads(value))
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict) or depth > 5:
        return None
    if isinstance(value.get("conditions"), list) and isinstance(value.get("rules"), list):
        return value
    return next((found for item in value.values() if (found := _find(item, depth + 1))), None)


def fits(value: Any) -> bool:
    """JSON with conditions and rules."""
    return _find(_plain(value)) is not None if isinstance(value, dict) else False


def read(value: Any) -> Foreign:
    """A draft for each rule all of whose operators can be said."""
    foreign = Foreign()
    found = _find(_plain(value)) or {"conditions": [], "rules": []}
    conditions = {str(c.get("cid", c.get("id"))): c for c in found["conditions"] if isinstance(c, dict)}
    for number, rule in enumerate(found["rules"], 1):
        if not isinstance(rule, dict):
            continue
        name = str(rule.get("name") or f"rule {rule.get('rid', number)}")
        try:
            foreign.drafts.append(_Rule(conditions, foreign, name).draft(rule))
        except CannotSayError as error:
            foreign.lose(LEFT_OUT, name, str(error))
        for key in sorted(set(rule) - _ABOUT):
            foreign.lose(UNUSED, name, key)
    return foreign


class _Rule:
    """One rule being read."""

    def __init__(self, conditions: Mapping[str, Any], foreign: Foreign, name: str) -> None:
        self.conditions, self.foreign, self.name = conditions, foreign, name
        self.define: dict[str, Any] = {}
        self.open: list[str] = []

    def draft(self, rule: Mapping[str, Any]) -> Draft:
        text = str(rule.get("lambda") or "")
        if not text:
            ids = [str(c) for c in rule.get("triggers") or []]
            ids = (
                ids
                or [cid for cid, c in self.conditions.items() if str(c.get("rid")) == str(rule.get("rid"))]
                or list(self.conditions)
            )
            text = "||".join(ids)
        when = combine(text, self.condition)
        points = rule.get("scorenum")
        sign = -1 if str(rule.get("scoretype", "3")) == "3" else 1
        given = sign * float(points) if isinstance(points, (int, float)) and not isinstance(points, bool) else None
        return Draft(self.name, when, self.define, given, str(rule.get("comments") or ""))

    def condition(self, cid: str) -> Mapping[str, Any]:
        """A condition of the rule: its operators, with whom and where they look."""
        node = self.conditions.get(cid)
        if node is None:
            raise CannotSayError(f"there is no condition {cid}")
        if cid in self.open or len(self.open) > 5:
            raise CannotSayError(f"condition {cid} stands before itself")
        self.open.append(cid)
        look = self._look(node.get("checkrange") or {})
        operators = {str(o.get("oid", o.get("id"))): o for o in node.get("operators") or [] if isinstance(o, dict)}
        text = str(node.get("lambda") or "||".join(operators))
        if len(operators) == 1 and text not in operators:
            text = next(iter(operators))

        def operator(oid: str) -> Mapping[str, Any]:
            if oid not in operators:
                raise CannotSayError(f"condition {cid} has no operator {oid}")
            return self.operator(operators[oid], look)

        made = combine(text, operator)
        self.open.pop()
        return made

    def _look(self, check: Mapping[str, Any]) -> dict[str, Any]:
        """`who` and `in` of a check range."""
        look: dict[str, Any] = {}
        role = str(check.get("role") or "")
        if role not in _ANYONE:
            if role not in _WHO:
                raise CannotSayError(f"the role {role}")
            look["who"] = _WHO[role]
        if check.get("allsentencessatisfy"):
            raise CannotSayError("every sentence of the range must satisfy it")
        span = check.get("range")
        span = span if isinstance(span, dict) else {}
        first, last = span.get("from"), span.get("to")
        anchor = check.get("anchor")
        if isinstance(anchor, dict) and anchor.get("cid") not in (None, "", "0", 0, "-1", -1):
            look["in"] = self._anchored(anchor, first, last)
        elif isinstance(first, int) and isinstance(last, int) and (first, last) not in ((0, 0), (1, -1)):
            look["in"] = _numbered(first, last)
        return look

    def _anchored(self, anchor: Mapping[str, Any], first: Any, last: Any) -> str:
        cid = str(anchor["cid"])
        name = f"c-{re.sub(r'[^A-Za-z0-9]', '', cid) or 'x'}"
        self.define[name] = self.condition(cid)
        time = int(anchor.get("hittime", -1))
        which = {0: "every ", -1: ""}.get(time, "the first " if time == 1 else f"the {_ordinal(time)} ")
        side = str(anchor.get("location", "AFTER")).upper()
        if side not in ("BEFORE", "AFTER", "AROUND"):
            raise CannotSayError(f"the place {side} of an anchor: the same sentence")
        size = max((abs(n) for n in (first, last) if isinstance(n, int)), default=0)
        if isinstance(first, int) and isinstance(last, int) and min(abs(first), abs(last)) > 1:
            self.foreign.lose(NEARLY, self.name, f"sentences {first} to {last} {side} the anchor became all {size} of them")
        return f"{size} turns {side.lower()} {which}{name}" if size else f"{side.lower()} {which}{name}"

    # -- operators ----------------------------------------------------------------------------------------------------

    def operator(self, node: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """One operator."""
        kind = str(node.get("type") or "").upper()
        param = node.get("param") if isinstance(node.get("param"), dict) else {}
        assert isinstance(param, dict)
        if kind not in OPERATORS:
            raise CannotSayError(f"the operator {kind or '(none)'}")
        return OPERATORS[kind](self, param, look)

    def keywords(self, param: Mapping[str, Any], look: dict[str, Any], size: int) -> Mapping[str, Any]:
        """Key words: any, all, so many, none of them."""
        words = word_items(param.get("keywords") or param.get("operkeywords") or [], self.foreign, self.name)
        for word, alike in (param.get("synonyms") or {}).items():
            words += [
                w for w in word_items(alike if isinstance(alike, list) else [alike], self.foreign, str(word)) if w not in words
            ]
        if param.get("keywordextension"):
            self.foreign.lose(NEARLY, self.name, "the extension of key words: only the words written here are looked for")
        if param.get("casesensitive"):
            self.foreign.lose(NEARLY, self.name, "upper and lower case: ours match both")
        size = int(param.get("keywordmatchsize", size))
        if size == 0:
            return {**look, "never_says": words}
        if (size in (1, -1) and len(words) == 1) or size == 1:
            made: dict[str, Any] = {**look, "says": words}
        elif param.get("insentence") and size in (-1, 2) and len(words) == 2:
            return {"near": [{**look, "says": [words[0]]}, {**look, "says": [words[1]]}], "within": _SAME_TURN}
        else:
            if param.get("insentence"):
                self.foreign.lose(NEARLY, self.name, "the words need not be in one sentence")
            made = {**look, "says": words, "need": "all" if size == -1 else size}
        threshold = int(param.get("threshold") or 1)
        return made | ({"times": threshold} if threshold > 1 else {})

    def regex(self, param: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """A pattern, unless another one is in the same sentence."""
        made: dict[str, Any] = {**look, "says": [pattern_item(str(param.get("regex") or ""))]}
        if param.get("notregex"):
            made["unless"] = [pattern_item(str(param["notregex"]))]
        return made

    def similar(self, param: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """Sentences that are alike."""
        least = min(1.0, max(0.5, float(param.get("score", 80)) / 100))
        sentences = [str(s) for s in param.get("similarlysentences") or []]
        if not sentences:
            raise CannotSayError("similar to no sentence")
        self.foreign.lose(NEARLY, self.name, "likeness is measured in another way; look at the cases")
        return {**look, "says": [{"similar": sentence, "at_least": round(least, 2)} for sentence in sentences]}

    def repeat(self, param: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """The same said again."""
        if param.get("excludes"):
            self.foreign.lose(NEARLY, self.name, "the sentences excluded from repeats")
        inner = {
            "who": look.get("who", "agent"),
            "similarity": max(0.5, round(float(param.get("similaritythreshold", 0.6)), 2)),
            "look_back": int(param.get("from") or 0) or 100,
            "characters": max(1, int(param.get("threshold") or 1)),
            "times": int(param.get("hittime") or 1) + 1,
        }
        return {"repeat": inner}

    def silence(self, param: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """Nobody speaks for so long."""
        if str(param.get("compareoperator") or "gt").lower() != "gt" or int(param.get("target", 1)) == 0:
            raise CannotSayError("a gap shorter than so long, or the length of a sentence")
        for key in ("fromend", "differentrole", "neardialogue", "intervalend"):
            if param.get(key):
                self.foreign.lose(NEARLY, self.name, f"{key}: the gap is measured between any two turns, end to start")
        inner = {"longer_than": f"{max(500, int(param.get('interval') or 0))} ms"}
        return {"silence": inner | ({"before": look["who"]} if "who" in look else {})}

    def speed(self, param: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """Characters a minute."""
        inner: dict[str, Any] = {"who": look.get("who", "agent"), "pace": f"over {int(param.get('velocityinmint') or 0)}"}
        if param.get("minwordsize"):
            inner["characters"] = int(param["minwordsize"])
        return {"speed": inner | ({"per": "call"} if param.get("average") else {})}

    def interruption(self, param: Mapping[str, Any], look: dict[str, Any]) -> Mapping[str, Any]:
        """One side starts while the other has been speaking for a while."""
        if "who" not in look:
            raise CannotSayError("an interruption by anyone")
        return {"interruption": {"by": look["who"], "after": f"{int(param.get('delaytime') or 1000)} ms"}}


OPERATORS: dict[str, Callable[[_Rule, Mapping[str, Any], dict[str, Any]], Mapping[str, Any]]] = {
    "HIT_ANY_KEYWORDS": lambda rule, param, look: rule.keywords(param, look, 1),
    "INCLUDE_KEYWORDS": lambda rule, param, look: rule.keywords(param, look, -1),
    "REGULAR_EXPRESSION": _Rule.regex,
    "SIMILAR_MATCH": _Rule.similar,
    "ADVANCED_REPEAT_DETECT": _Rule.repeat,
    "INTERVAL_GREATER": _Rule.silence,
    "SPEECH_SPEED_CHECK": _Rule.speed,
    "GRAB_TALK": _Rule.interruption,
    "INTERRUPT": _Rule.interruption,
}
"""Operators that can be said, by their type."""


def _numbered(first: int, last: int) -> str:
    """Sentences by number, from the beginning or (below zero) from the end."""
    if first in (0, 1) and last > 0:
        return f"first {last} turns"
    if first < 0 and last in (-1, 0):
        return f"last {-first} turns"
    raise CannotSayError(f"sentences {first} to {last}")


def _ordinal(number: int) -> str:
    return f"{number}{'th' if 10 < number % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def combine(text: str, leaf: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    """An expression over ids with && || ! and brackets. Raises CannotSayError."""
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) > 500:
            raise CannotSayError(f"the expression {text[:80]!r}")
        tokens.append(match[1])
        at = match.end()
    tokens.reverse()

    def one(depth: int) -> Mapping[str, Any]:
        token = tokens.pop() if tokens else ""
        if depth > MAX_DEPTH or not token or token in ("&&", "||", ")"):
            raise CannotSayError(f"the expression {text[:80]!r}")
        if token == "!":
            return negated(one(depth + 1))
        if token == "(":
            made = any_of(depth + 1)
            if not tokens or tokens.pop() != ")":
                raise CannotSayError(f"the expression {text[:80]!r}: a bracket is not closed")
            return made
        return leaf(token)

    def all_of(depth: int) -> Mapping[str, Any]:
        parts = [one(depth)]
        while tokens and tokens[-1] == "&&":
            tokens.pop()
            parts.append(one(depth))
        return parts[0] if len(parts) == 1 else {"all": parts}

    def any_of(depth: int) -> Mapping[str, Any]:
        parts = [all_of(depth)]
        while tokens and tokens[-1] == "||":
            tokens.pop()
            parts.append(all_of(depth))
        return either(parts)

    made = any_of(0)
    if tokens:
        raise CannotSayError(f"the expression {text[:80]!r}")
    return made
