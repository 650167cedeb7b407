"""Amazon Connect's rule functions (version 2022-11-25), as `describe-rule` prints them: words, patterns, who, first and last seconds.

Source: «Amazon Connect Rules Function language» in the Amazon Connect API reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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

_WHO = {"CUSTOMER": "customer", "AGENT": "agent", "ANY": "anyone"}
_TRANSCRIPT = re.compile(r"\$\.ContactLens\.\w+\.(ExactMatch|SemanticMatch|PatternMatch)\.Transcript")
_SIMILAR = 0.75
_CHARACTERS_A_WORD = 7


def fits(value: Any) -> bool:
    """A rule function is in there somewhere."""
    return any(True for _ in _functions(value, "rule"))


def read(value: Any) -> Foreign:
    """A draft for each rule function whose conditions are all about words."""
    foreign = Foreign()
    for name, function, beside in _functions(value, "rule"):
        for key in beside:
            foreign.lose(UNUSED, name, f"{key}: it says what is done with a hit, or where the rule lives")
        try:
            foreign.drafts.append(Draft(name, _condition(function, foreign, name)))
        except CannotSayError as error:
            foreign.lose(LEFT_OUT, name, str(error))
    return foreign


def _functions(value: Any, name: str) -> Any:
    """Every rule function in the value: its name, itself, keys beside it. A function may be JSON inside a text."""
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _functions(item, f"{name} {number}")
    elif isinstance(value, dict):
        if isinstance(value.get("RuleFunction"), dict):
            yield str(value.get("Name") or name), value["RuleFunction"], ()
            return
        inner = value.get("Function")
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                inner = None
        if isinstance(inner, dict) and isinstance(inner.get("RuleFunction"), dict):
            beside = tuple(sorted(set(value) - {"Name", "Function"}))
            yield str(value.get("Name") or name), inner["RuleFunction"], beside
            return
        for key in ("Rule", "Rules", "RuleSummaryList"):
            if key in value:
                yield from _functions(value[key], name)


def _condition(node: Any, foreign: Foreign, name: str) -> Mapping[str, Any]:
    if not isinstance(node, dict):
        raise CannotSayError(f"a condition that is none: {str(node)[:60]}")
    operator, operands = node.get("Operator"), node.get("Operands")
    if not isinstance(operands, list) or not operands:
        raise CannotSayError(f"{operator} without operands")
    if operator in ("AND", "OR"):
        parts = [_condition(item, foreign, name) for item in operands]
        made = either(parts) if operator == "OR" else parts[0] if len(parts) == 1 else {"all": parts}
        return negated(made) if node.get("Negate") is True else made
    match = _TRANSCRIPT.fullmatch(str(node.get("ComparisonValue")))
    if match is None or operator != "CONTAINS_ANY":
        raise CannotSayError(
            f"{operator} on {str(node.get('ComparisonValue'))[:80]}: not about words, or bound to one Connect instance"
        )
    made = {**_where(node.get("FilterClause"), foreign, name), "says": _items(match[1], operands, foreign, name)}
    return negated(made) if node.get("Negate") is True else made


def _items(kind: str, operands: list[Any], foreign: Foreign, name: str) -> list[Any]:
    if kind == "PatternMatch":
        return [_pattern(operand, foreign, name) for operand in operands]
    words: list[Any] = list(word_items(operands, foreign, name))
    if kind == "SemanticMatch":
        said = f"meaning (SemanticMatch) became likeness of the sentence, {_SIMILAR:g}; phrases too short for that are taken as they are"
        foreign.lose(NEARLY, name, said)
        return [{"similar": word, "at_least": _SIMILAR} if len(word) >= 4 else word for word in words]
    return words


def _where(clause: Any, foreign: Foreign, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in clause.get("Filters", []) if isinstance(clause, dict) else []:
        kind, data = item.get("Type"), item.get("Data")
        if kind == "ParticipantRole" and data in _WHO:
            found["who"] = _WHO[data]
        elif kind == "PostCallContactPeriodSeconds" and isinstance(data, dict) and len(data) == 1:
            side, seconds = next(iter(data.items()))
            if side not in ("First", "Last") or not isinstance(seconds, (int, float)) or seconds <= 0:
                raise CannotSayError(f"the period {data}")
            found["in"] = f"{side.lower()} {seconds:g} s"
        elif kind == "PatternMatchLanguageFilter":
            foreign.lose(UNUSED, name, f"the language filter {data}: our words match in any language")
        else:
            raise CannotSayError(f"the filter {kind}")
    if found.get("who") == "anyone":
        del found["who"]
    return found


def _pattern(operand: Any, foreign: Foreign, name: str) -> str:
    """Pattern objects in a row as one pattern: PLAIN text, LIST of texts, PROXIMITY within so many words, NUMERICAL."""
    pieces = operand if isinstance(operand, list) else [operand]
    made = ""
    for piece in pieces:
        kind, value = (piece.get("Type"), piece.get("Value")) if isinstance(piece, dict) else ("PLAIN", piece)
        if kind == "PLAIN":
            made += re.escape(str(value).lower())
        elif kind == "LIST" and isinstance(value, list) and value:
            made += "(" + "|".join(re.escape(str(v.get("Value") if isinstance(v, dict) else v).lower()) for v in value) + ")"
        elif kind == "PROXIMITY" and isinstance(value, dict) and value.get("IsWithin") and isinstance(value.get("Distance"), int):
            characters = min(1000, value["Distance"] * _CHARACTERS_A_WORD)
            foreign.lose(NEARLY, name, f"within {value['Distance']} words became within {characters} characters of the same turn")
            made += f".{{0,{characters}}}"
        elif kind == "NUMERICAL":
            made += r"[0-9]+(\.[0-9]+)?" if isinstance(value, dict) and value.get("Decimal") else "[0-9]+"
        else:
            raise CannotSayError(f"the pattern object {kind} {str(value)[:60]}")
    return pattern_item(made)
