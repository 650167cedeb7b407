"""Dialogues made from a condition: what would have to be said for it to hold. Candidates for cases, not proof of anything.

They are tried on the rule itself before they are used (`qc.changes.convert`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qc.packs.conditions import (
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    Interruption,
    Near,
    NeverSays,
    Not,
    NotNear,
    Repeat,
    Reply,
    Says,
    Silence,
    Speed,
    Term,
    Then,
)

Lines = list[dict[str, str]]
"""A dialogue as cases are written: `{agent: …}`, `{pause: 8000 ms}`."""

NEUTRAL: tuple[Lines, ...] = (
    [{"customer": "今天天气不错"}, {"agent": "是的没错"}],
    [{"customer": "the weather is fine today"}, {"agent": "yes it is"}],
    [{"agent": "是的没错"}],
    [{"customer": "今天天气不错"}],
)
"""Dialogues that few rules mind."""

_ENTITIES = {"phone": "13800138000", "amount": "一百块", "time": "三个小时", "duration": "三个小时"}


def candidates(condition: Condition) -> Iterator[Lines]:
    """Dialogues that may hit or miss: built from the condition, said by the other side, and neutral ones."""
    built = dialogue(condition)
    if built:
        yield built
        yield [{_other(key): value for key, value in line.items()} for line in built]
        for at in range(len(built)):
            if len(built) > 1:
                yield built[:at] + built[at + 1 :]
    opposite = _opposite(condition)
    if opposite:
        yield opposite
    yield from NEUTRAL


def dialogue(condition: Condition) -> Lines:
    """What would have to be said for the condition to hold."""
    if isinstance(condition, Says):
        return _says(condition)
    if isinstance(condition, (AllOf, AtLeast)):
        return [line for part in condition.parts for line in dialogue(part)]
    if isinstance(condition, AnyOf):
        return dialogue(condition.parts[0])
    if isinstance(condition, Near):
        return _joined(dialogue(condition.first) + dialogue(condition.second))
    if isinstance(condition, NotNear):
        return dialogue(condition.first)
    if isinstance(condition, Then):
        return _joined([line for step in condition.steps for line in dialogue(step.condition)])
    return _measured(condition)


def _opposite(condition: Condition) -> Lines:
    """What must not be said for the condition to hold."""
    if isinstance(condition, NeverSays):
        return _says(Says(condition.terms, condition.who))
    if isinstance(condition, Not):
        return dialogue(condition.part)
    if isinstance(condition, (AllOf, AnyOf)):
        return [line for part in condition.parts for line in _opposite(part)]
    return []


def _measured(condition: Condition) -> Lines:
    if isinstance(condition, (NeverSays, Not)):
        return list(NEUTRAL[0])
    if isinstance(condition, Silence):
        gap = {"pause": f"{condition.longer_than_ms + 1000} ms"}
        first, second = ("agent", "customer") if condition.before == "customer" else ("customer", "agent")
        return [line for _ in range(condition.times) for line in ({first: "请问一下"}, gap, {second: "我在听"})]
    if isinstance(condition, Interruption):
        other = "agent" if condition.by == "customer" else "customer"
        long = "我想说一下这个事情它其实是这样的" * (2 + (condition.after_ms + condition.overlap_ms) // 4000)
        return [
            {other: long},
            {"overlap": f"{condition.overlap_ms + 500} ms"},
            {condition.by: "您先听我说一下好不好这个不是这样的" * 3},
        ]
    if isinstance(condition, Repeat):
        return [{condition.who: "麻烦您提供一下付款截图" * (1 + condition.characters // 11)}] * condition.times
    if isinstance(condition, Reply):
        return [{_other(condition.by): "请问一下"}, {"pause": f"{condition.longer_than_ms + 1000} ms"}, {condition.by: "我在听"}]
    if isinstance(condition, Speed):
        return [{condition.who: "麻烦您提供一下付款截图" * (1 + condition.characters // 11)}]
    return []


def _says(condition: Says) -> Lines:
    who = "customer" if condition.who == "anyone" else condition.who
    count = len(condition.terms) if condition.need == -1 else condition.need
    words = [text for term in condition.terms[:200] if (text := sample(term))][: max(1, count)]
    return [{who: word} for word in words * max(1, -(-condition.times // max(1, len(words))))]


def _joined(lines: Lines) -> Lines:
    """Lines of one speaker in a row as one turn: what must be near is said in one breath."""
    made: Lines = []
    for line in lines:
        ((who, text),) = line.items()
        if made and who in made[-1] and who in ("agent", "customer"):
            made[-1] = {who: f"{made[-1][who]} {text}"}
        else:
            made.append(line)
    return made


def _other(who: str) -> str:
    return {"agent": "customer", "customer": "agent"}.get(who, who)


def sample(term: Term) -> str:
    """A text that the term matches; empty where none is found."""
    if term.kind == "entity":
        return _ENTITIES.get(term.text, "")
    if term.kind != "pattern":
        return term.text
    from qc.packs.patterns import compile_pattern
    from qc.text.normal import normal_text

    text = _pattern(term.text)
    return text if text and compile_pattern(term.text).search(normal_text(text)) else ""


def _pattern(pattern: str) -> str:
    """A shortest text by the pattern's own parts, first branch first; empty where Python cannot read it."""
    from re import _parser  # type: ignore[attr-defined]

    try:
        return _walk(_parser.parse(pattern))
    except (re.error, RecursionError, OverflowError, ValueError):
        return ""


def _walk(tree: Any) -> str:
    made = ""
    for operator, value in tree:
        name = str(operator)
        if name == "LITERAL":
            made += chr(value)
        elif name == "ANY" or name == "NOT_LITERAL":
            made += "嗯"
        elif name == "IN":
            made += _class(value)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            made += _walk(value[2]) * min(value[0], 100)
        elif name == "SUBPATTERN":
            made += _walk(value[3])
        elif name == "BRANCH":
            made += _walk(value[1][0])
    return made


def _class(parts: Any) -> str:
    negated = any(str(operator) == "NEGATE" for operator, _ in parts)
    for operator, value in parts:
        if negated:
            break
        if str(operator) == "LITERAL":
            return chr(value)
        if str(operator) == "RANGE":
            return chr(value[0])
        if str(operator) == "CATEGORY":
            return "1" if str(value).endswith("DIGIT") and "NOT" not in str(value) else "" if "SPACE" in str(value) else "a"
    return "嗯"
