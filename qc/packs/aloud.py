"""A condition read aloud: a tree of short phrases in Chinese or English, for the rulebook and `qc rules explain`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qc.packs.aloud_words import BESIDE, BOUNDS, KEYS, WAYS, length
from qc.packs.syntax import CONDITIONS
from qc.text.entities import ENTITIES

MAX_WORDS = 60
_COLON = {"zh": "：", "en": ": "}
_MORE = {"zh": "……另有 {n} 个", "en": "… and {n} more"}
_MS = re.compile(r"(\d{1,9}) ms\b")
_BOUND = re.compile(r"(over|under|at least|at most) (.+)")
_EDGE = re.compile(r"(first|last) (.+?)(?: of (\w+))?")
_TURNS = re.compile(r"(\d+) turns?")
_CHARACTERS = re.compile(r"(\d+) characters?")
_WORDS = frozenset(("says", "never_says", "unless", "except", "except_after"))


@dataclass(frozen=True)
class Part:
    """A condition, or something in one, in words. `words`: (text, whether it is a pattern); `more`: how many were left out."""

    label: str
    words: tuple[dict[str, Any], ...] = ()
    more: str = ""
    parts: tuple[Part, ...] = ()


def visible(text: str) -> str:
    """`text` on one line, with what cannot be seen spelled out: ⟨U+202E⟩."""
    return "".join(c if c.isprintable() else " " if c in "\n\t" else f"⟨U+{ord(c):04X}⟩" for c in text)


def describe(value: Mapping[str, Any], lang: str) -> Part:
    """A condition (as `write_condition` gives it) in words. What has no word here is shown as it is written."""
    if isinstance(value.get("step"), Mapping):
        step = describe(value["step"], lang)
        rest = [_described(key, item, lang, "then") for key, item in value.items() if key != "step"]
        return Part(step.label, step.words, step.more, (*step.parts, *rest))
    head = next((key for key in value if key in CONDITIONS), "")
    parts = [_described(key, item, lang, head) for key, item in value.items() if key != head]
    if not head:
        return Part("", parts=tuple(parts))
    if head == "at_least":
        listed = tuple(describe(part, lang) for part in value.get("of", ()))
        return Part(KEYS[lang].get(head, head).format(n=value[head]), parts=listed)
    inner = _described(head, value[head], lang, head)
    return Part(inner.label, inner.words, inner.more, (*inner.parts, *parts))


def _described(key: str, value: Any, lang: str, head: str) -> Part:
    """A key of the condition `head` with its value; `head` itself too."""
    keys = KEYS[lang]
    label = keys.get(f"{head}.{key}") or keys.get(key, key)
    if key in _WORDS and isinstance(value, list):
        return _terms(label, value, lang)
    if key == "in" and isinstance(value, Mapping):
        return _beside(label, value, lang)
    if isinstance(value, Mapping):
        if any(name in CONDITIONS for name in value):
            return Part(label, parts=(describe(value, lang),))
        return Part(label, parts=tuple(_described(inner, item, lang, key) for inner, item in value.items()))
    if isinstance(value, list):
        words = tuple(_word(str(item)) for item in value if not isinstance(item, Mapping))
        steps = [_step(item, lang) if head == "then" else describe(item, lang) for item in value if isinstance(item, Mapping)]
        return Part(label + (_COLON[lang] if words else ""), words[:MAX_WORDS], parts=tuple(steps))
    said = keys.get(f"{key}.{value}") or _value(str(value), lang)
    return Part(f"{label}{_COLON[lang]}{said}")


def _step(value: Mapping[str, Any], lang: str) -> Part:
    """A step of `then`: how far it may be after the one before is said as such."""
    if "step" in value or "within" not in value or any(name in value for name in ("near", "not_near")):
        return describe(value, lang)
    bare = describe({key: item for key, item in value.items() if key != "within"}, lang)
    return Part(bare.label, bare.words, bare.more, (*bare.parts, _described("within", value["within"], lang, "then")))


def _terms(label: str, terms: Sequence[Any], lang: str) -> Part:
    """Words, by how they match: those as written first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for term in terms:
        way, word = _term(term, lang)
        groups.setdefault(way, []).append(word)
    ways = sorted(groups, key=lambda way: way != "")
    first, rest = (ways[0], ways[1:]) if ways else ("", [])
    found = [_listed(f"{label}{first} ", groups.get(first, []), lang)]
    found += [_listed(f"{way.strip()} ", groups[way], lang) for way in rest]
    return Part(found[0].label, found[0].words, found[0].more, tuple(found[1:]))


def _listed(label: str, words: Sequence[dict[str, Any]], lang: str) -> Part:
    more = _MORE[lang].format(n=len(words) - MAX_WORDS) if len(words) > MAX_WORDS else ""
    return Part(label, tuple(words[:MAX_WORDS]), more)


def _term(term: Any, lang: str) -> tuple[str, dict[str, Any]]:
    """(how it matches, the word)."""
    ways = WAYS[lang]
    if not isinstance(term, Mapping):
        return "", _word(str(term))
    if "entity" in term:
        names = [term["entity"]] if isinstance(term["entity"], str) else term["entity"]
        return "", {"text": ways["or"].join(_entity(name, lang) for name in names), "pattern": False}
    if "similar" in term:
        return ways["similar"].format(percent=f"{round(term.get('at_least', 0.75) * 100)}%"), _word(str(term["similar"]))
    how = str(term.get("match", ""))
    if how.startswith("fuzzy"):
        return ways["fuzzy"].format(percent=f"{round(float(how.removeprefix('fuzzy')) * 100)}%"), _word(str(term.get("word")))
    pairs = term.get("tolerate")
    way = ways["tolerated"].format(pairs=ways["or"].join(pairs)) if pairs else ways["sound"] if how == "sound" else ""
    return way, _word(str(term.get("word", "")))


def _entity(name: str, lang: str) -> str:
    """What an entity is, without its examples."""
    known = ENTITIES.get(name)
    if known is None:
        return visible(name)
    return re.split("：|（", known.zh)[0] if lang == "zh" else re.split(r": | \(", known.en)[0]


def _beside(label: str, window: Mapping[str, Any], lang: str) -> Part:
    """Words beside another condition: which of its places, on which side, how far."""
    said = BESIDE[lang]
    side = next((name for name in ("after", "before", "around") if name in window), "around")
    which = str(window.get("which", "any"))
    number = re.match(r"\d+", which)
    name = said["first"] if number and number[0] == "1" else said["nth"].format(n=number[0]) if number else said.get(which, which)
    text = said[side].format(which=name)
    if "within" in window:
        text += said["within"].format(gap=_value(str(window["within"]), lang))
    anchor = window.get(side)
    return Part(f"{label}{_COLON[lang]}{text}", parts=(describe(anchor, lang),) if isinstance(anchor, Mapping) else ())


def _value(text: str, lang: str) -> str:
    """A role, a number against a bound, a length of time, a part of the call, as a person says it."""
    known = KEYS[lang].get(text)
    if known:
        return known
    bound, edge = _BOUND.fullmatch(text), _EDGE.fullmatch(text)
    if bound:
        return BOUNDS[lang][bound[1]].format(n=_value(bound[2], lang))
    said = _MS.sub(lambda m: length(int(m[1]), lang), visible(text))
    if lang != "zh":
        return re.sub(r"\b1 turns\b", "1 turn", re.sub(r"\b1 characters\b", "1 character", said))
    said = _CHARACTERS.sub(r"\1 个字", _TURNS.sub(r"\1 句", said))
    if edge and (match := _EDGE.fullmatch(said)):
        whose = f"（{KEYS[lang].get(match[3], match[3])}的）" if match[3] else ""
        return f"{'开头' if match[1] == 'first' else '最后'} {match[2]}{whose}"
    return said


def _word(text: str) -> dict[str, Any]:
    pattern = len(text) > 2 and text.startswith("/") and text.endswith("/")
    return {"text": visible(text), "pattern": pattern}


__all__ = ["MAX_WORDS", "Part", "describe", "visible"]
