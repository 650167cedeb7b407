"""What changed between two packs: rules, words, points, cases, one change a line, in words and as data.

It works on the flattened packs, so whatever the rule language can say is compared, and what means the same is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qc.packs.model import Pack
from qc.packs.syntax import CONDITIONS

_TOLD = ("rules", "dimensions", "manual")
MAX_SHOWN = 160


@dataclass(frozen=True)
class Change:
    """One change. `kind`: added, removed (`was` or `now` is the whole thing), changed (`was` to `now`), or words (`added`
    and `removed` members of a list). `of`: pack, dimension, manual (item) or rule; `id`: which; `field`: a path like `when.says`."""

    kind: str
    of: str
    id: str
    field: str = ""
    was: Any = None
    now: Any = None
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The change as data."""
        plain: dict[str, Any] = {"kind": self.kind, "of": self.of, "id": self.id, "field": self.field}
        if self.kind == "words":
            return plain | {"added": list(self.added), "removed": list(self.removed)}
        return plain | {"was": self.was, "now": self.now}

    def sentence(self, lang: str = "en") -> str:
        """The change in words."""
        w = _SAID[lang]
        place = f"{w.get(self.of, self.of)} {self.id}" + (f"{w['comma']}{self.field}" if self.field else "") + w["colon"]
        if self.kind == "added" and not self.field:
            return f"{place}{w['new']}{_gist(self.now, lang)}"
        if self.kind == "removed" and not self.field:
            return f"{place}{w['gone']}{_gist(self.was, lang)}"
        if self.kind == "words":
            lists = ((w["plus"], self.added), (w["minus"], self.removed))
            parts = [f"{word}{_several(items, w['more'])}" for word, items in lists if items]
            return place + (w["semicolon"].join(parts) or w["order"])
        if self.kind == "added":
            return f"{place}{w['now']}{_show(self.now)}"
        if self.kind == "removed":
            return f"{place}{w['no_longer']}{_show(self.was)}"
        return f"{place}{_show(self.was)} → {_show(self.now)}"


_SAID = {
    "en": {
        "comma": ", ", "colon": ": ", "semicolon": "; ", "new": "added", "gone": "removed", "plus": "added ", "minus": "removed ",
        "order": "put in another order", "now": "now ", "no_longer": "no longer ", "more": " and {} more", "points": "{:+g} points",
        "manual": "manual item",
    },
    "zh": {
        "comma": "，", "colon": "：", "semicolon": "；", "new": "新增", "gone": "删去", "plus": "增加 ", "minus": "去掉 ",
        "order": "换了顺序", "now": "现在是 ", "no_longer": "不再是 ", "more": " 等，另有 {} 个", "points": "{:+g} 分",
        "pack": "规则包", "dimension": "维度", "rule": "规则", "manual": "人工评分项",
    },
}  # fmt: skip


def diff(old: Pack, new: Pack) -> tuple[Change, ...]:
    """Every change from `old` to `new`: the pack's head, dimensions, then rules in the new order, removed ones last."""
    was, now = json.loads(old.flat), json.loads(new.flat)
    changes = list(_fields("pack", new.id, _without(was), _without(now), ""))
    for of, key in (("dimension", "dimensions"), ("manual", "manual"), ("rule", "rules")):
        changes.extend(_members(of, was.get(key, ()), now.get(key, ())))
    return tuple(changes)


def _without(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key not in _TOLD}


def _members(of: str, was: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    before = {item["id"]: item for item in was}
    after = {item["id"]: item for item in now}
    for name, item in after.items():
        if name not in before:
            yield Change("added", of, name, now=item)
        else:
            yield from _fields(of, name, before[name], item, "")
    for name, item in before.items():
        if name not in after:
            yield Change("removed", of, name, was=item)
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield Change("words", of, "all", "order")


def _fields(of: str, name: str, was: Mapping[str, Any], now: Mapping[str, Any], path: str) -> Iterator[Change]:
    for key in sorted({*was, *now}):
        at = f"{path}.{key}" if path else key
        if key not in was:
            yield Change("added", of, name, at, now=now[key])
        elif key not in now:
            yield Change("removed", of, name, at, was=was[key])
        else:
            yield from _values(of, name, was[key], now[key], at)


def _values(of: str, name: str, was: Any, now: Any, at: str) -> Iterator[Change]:
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict) and _head(was) != _head(now):
        yield _rewritten(of, name, was, now, at)
    elif isinstance(was, dict) and isinstance(now, dict):
        yield from _fields(of, name, was, now, at)
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) == len(now) and at.startswith("when") and not any(isinstance(item, str) for item in (*was, *now)):
            for index, (a, b) in enumerate(zip(was, now, strict=True), 1):
                yield from _values(of, name, a, b, f"{at}[{index}]")
            return
        before, after = {_key(item): item for item in was}, {_key(item): item for item in now}
        yield Change(
            "words", of, name, at,
            added=tuple(item for key, item in after.items() if key not in before),
            removed=tuple(item for key, item in before.items() if key not in after),
        )  # fmt: skip
    else:
        yield Change("changed", of, name, at, was, now)


def _head(value: Mapping[str, Any]) -> str:
    """The word of the condition that a map is; empty where it is none."""
    return next((key for key in value if key in CONDITIONS), "")


def _rewritten(of: str, name: str, was: Mapping[str, Any], now: Mapping[str, Any], at: str) -> Change:
    """A condition that became another; where the old one lives on beside new ones, only these are told."""
    head = _head(now)
    if head in ("any", "all") and was in now[head]:
        return Change("words", of, name, f"{at}.{head}", added=tuple(part for part in now[head] if part != was))
    head = _head(was)
    if head in ("any", "all") and now in was[head]:
        return Change("words", of, name, f"{at}.{head}", removed=tuple(part for part in was[head] if part != now))
    return Change("changed", of, name, at, was, now)


def _key(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _show(value: Any) -> str:
    """A value as a person writes it: words as they are, a case as its lines."""
    if isinstance(value, str):
        text = f"«{value}»"
    elif isinstance(value, dict):
        text = ", ".join(f"{key}: {_bare(item)}" for key, item in value.items())
    elif isinstance(value, list):
        text = " / ".join(_bare(item) for item in value)
    else:
        text = str(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _bare(value: Any) -> str:
    return (
        value if isinstance(value, str) else f"({_show(value)})" if isinstance(value, dict) and len(value) > 1 else _show(value)
    )


def _several(items: Sequence[Any], more: str) -> str:
    shown = ", ".join(_show(item) for item in items[:20])
    return shown + (more.format(len(items) - 20) if len(items) > 20 else "")


def _gist(value: Mapping[str, Any], lang: str) -> str:
    """What a rule or dimension that came or went was about."""
    title = value["title"]
    said = f" ({title['zh']} / {title['en']}" if title["zh"] != title["en"] else f" ({title['en']}"
    if "points" not in value:
        return said + ")"
    return said + f", {value.get('severity', 'medium')}, {_SAID[lang]['points'].format(value['points'])})"
