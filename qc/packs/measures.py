"""How what is measured is written: repeat, count, reply, speed, level, call, listed. Numbers read aloud: over 20 min, at most 3."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from qc.packs.conditions import (
    WHO,
    Bound,
    Column,
    Condition,
    Count,
    Level,
    Listed,
    Repeat,
    Reply,
    Speed,
    WholeCall,
)
from qc.packs.grammar import Key, Syntax
from qc.packs.measure_examples import MEASURE_EXAMPLES
from qc.packs.names import happens_somewhere
from qc.packs.nodes import Node
from qc.packs.reader import Reader, parse_duration, show

MAX_COLUMNS = 20
_BOUND = re.compile(r"(over|under|at least|at most) (.+)")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d)?) ?%")
_DECIBELS = re.compile(r"([+-]?\d{1,3}(?:\.\d)?)(?: ?dB(?:FS)?)?")
_WHOLE = re.compile(r"\d{1,6}")
_NUMBER = re.compile(r"-?\d{1,12}(?:\.\d{1,6})?")


def _permille(text: str) -> int | None:
    match = _PERCENT.fullmatch(text)
    return int(Decimal(match.group(1)) * 10) if match and Decimal(match.group(1)) <= 100 else None


def _tenths(text: str) -> int | None:
    match = _DECIBELS.fullmatch(text)
    return int(Decimal(match.group(1)) * 10) if match else None


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


UNITS: dict[str, tuple[Callable[[str], int | None], str, Callable[[int], str]]] = {
    "time": (parse_duration, "over 20 min, under 10 s", lambda v: f"{v} ms"),
    "share": (_permille, "over 80 %, under 10 %", lambda v: f"{Decimal(v) / 10:f} %"),
    "loudness": (_tenths, "over -15 dBFS", lambda v: f"{Decimal(v) / 10:f} dB"),
    "number": (_whole, "at least 3, at most 10, over 400", str),
}
"""Kinds of numbers: how one is read, an example, how it is written."""

FACTS = {"duration": "time", "after_last_turn": "time", "agent_share": "share", "customer_share": "share"}


def read_bound(reader: Reader, node: Node, what: str, unit: str) -> Bound:
    """`over 20 min`, `under 10 %`, `at least 3`, `at most -15 dBFS`."""
    read, example, _ = UNITS[unit]
    match = _BOUND.fullmatch(" ".join(node.text.split())) if node.kind == "text" else None
    value = read(match.group(2)) if match else None
    if match is None or value is None:
        reader.problem(node, f"{what} cannot be {show(node)}", f"write over, under, at least or at most: {example}")
        return Bound("over", 0)
    op: Any = match.group(1)
    return Bound(op, value)


def write_bound(bound: Bound, unit: str) -> str:
    """The bound as it is written."""
    return f"{bound.op} {UNITS[unit][2](bound.value)}"


def _fields(reader: Reader, fields: dict[str, Node], name: str) -> dict[str, Node]:
    keys = MEASURES[name].keys
    return reader.fields(fields[name], [key.name for key in keys], [key.name for key in keys if not key.default], f"`{name}`")


def _who(reader: Reader, inner: dict[str, Node], key: str = "who") -> Any:
    return reader.choice(inner[key], WHO, f"`{key}`") if key in inner else "anyone"


def _whole_number(reader: Reader, inner: dict[str, Node], key: str, bounds: tuple[int, int, int]) -> int:
    low, high, default = bounds
    return reader.integer(inner[key], f"`{key}`", low, high) if key in inner else default


def _only(plain: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if defaults.get(key) != value}


def _read_repeat(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _fields(reader, fields, "repeat")
    similarity = reader.number(inner["similarity"], "`similarity`", 0.5, 1) if "similarity" in inner else 0.8
    return Repeat(
        who=_who(reader, inner),
        percent=round(similarity * 100),
        look_back=_whole_number(reader, inner, "look_back", (1, 50, 10)),
        characters=_whole_number(reader, inner, "characters", (2, 200, 6)),
        times=_whole_number(reader, inner, "times", (2, 50, 2)),
    )


def _write_repeat(c: Repeat) -> dict[str, Any]:
    plain = {"who": c.who, "similarity": c.percent / 100, "look_back": c.look_back, "characters": c.characters, "times": c.times}
    return {"repeat": _only(plain, {"similarity": 0.8, "look_back": 10, "characters": 6, "times": 2})}


def _read_count(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    from qc.packs.syntax import read_condition

    inner = _fields(reader, fields, "count")
    counted = [key for key in ("turns", "role_changes", "hits") if key in inner]
    if len(counted) != 1:
        reader.problem(fields["count"], "`count` needs one of turns, role_changes, hits", "for example {turns: at least 30}")
        return Count("turns", Bound("over", 0))
    what: Any = counted[0]
    hits = read_condition(reader, inner["of"], depth + 1) if "of" in inner else None
    if (what == "hits") != (hits is not None):
        reader.problem(fields["count"], "`hits` and `of` go together", "for example {hits: at least 3, of: NAME}")
    if hits is not None and not happens_somewhere(hits):
        reader.problem(inner["of"], "this condition happens at no one place", "take one that does: says, silence, then, …")
    if "who" in inner and what != "turns":
        reader.problem(inner["who"], "`who` counts turns alone", "leave it out")
    return Count(what, read_bound(reader, inner[what], f"`{what}`", "number"), _who(reader, inner), hits)


def _write_count(c: Count) -> dict[str, Any]:
    from qc.packs.syntax import write_condition

    plain: dict[str, Any] = _only({c.what: write_bound(c.bound, "number"), "who": c.who}, {"who": "anyone"})
    return {"count": plain | ({"of": write_condition(c.hits)} if c.hits is not None else {})}


def _read_reply(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _fields(reader, fields, "reply")
    by: Any = reader.choice(inner["by"], WHO[:2], "`by`") if "by" in inner else "agent"
    longer = reader.duration_ms(inner["longer_than"], "`longer_than`", 100) if "longer_than" in inner else 100
    return Reply(by, longer, _whole_number(reader, inner, "times", (1, 1000, 1)))


def _write_reply(c: Reply) -> dict[str, Any]:
    return {"reply": _only({"by": c.by, "longer_than": f"{c.longer_than_ms} ms", "times": c.times}, {"times": 1})}


def _read_speed(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _fields(reader, fields, "speed")
    per: Any = reader.choice(inner["per"], ("turn", "call"), "`per`") if "per" in inner else "turn"
    times = _whole_number(reader, inner, "times", (1, 1000, 1))
    if per == "call" and times != 1:
        reader.problem(inner["times"], "a call has one speed", "leave `times` out")
    pace = read_bound(reader, inner["pace"], "`pace`", "number") if "pace" in inner else Bound("over", 0)
    return Speed(_who(reader, inner), pace, per, _whole_number(reader, inner, "characters", (1, 1000, 20)), times)


def _write_speed(c: Speed) -> dict[str, Any]:
    plain = {"who": c.who, "pace": write_bound(c.pace, "number"), "per": c.per, "characters": c.characters, "times": c.times}
    return {"speed": _only(plain, {"per": "turn", "characters": 20, "times": 1})}


def _read_level(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _fields(reader, fields, "level")
    found = [key for key in ("loudness", "rise") if key in inner]
    if len(found) != 1:
        reader.problem(fields["level"], "`level` needs one of loudness, rise", "for example {who: customer, rise: over 8 dB}")
        return Level("anyone", "rise", Bound("over", 0))
    what: Any = found[0]
    bound = read_bound(reader, inner[what], f"`{what}`", "loudness")
    return Level(_who(reader, inner), what, bound, _whole_number(reader, inner, "times", (1, 1000, 1)))


def _write_level(c: Level) -> dict[str, Any]:
    return {"level": _only({"who": c.who, c.what: write_bound(c.bound, "loudness"), "times": c.times}, {"times": 1})}


def _read_call(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _fields(reader, fields, "call")
    if not inner:
        reader.problem(fields["call"], "`call` says nothing of the call", "for example {duration: over 20 min}")
    facts = tuple((name, read_bound(reader, inner[name], f"`{name}`", FACTS[name])) for name in FACTS if name in inner)
    ended = reader.choice(inner["ended_by"], ("agent", "customer", "system"), "`ended_by`") if "ended_by" in inner else ""
    return WholeCall(facts, ended)


def _write_call(c: WholeCall) -> dict[str, Any]:
    plain = {name: write_bound(bound, FACTS[name]) for name, bound in c.facts}
    return {"call": plain | ({"ended_by": c.ended_by} if c.ended_by else {})}


def _read_listed(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    node = fields["listed"]
    if node.kind != "map" or not 1 <= len(node.pairs) <= MAX_COLUMNS:
        reader.problem(
            node, "`listed` must be `column: value` lines", "for example {queue: [售后, 退款], satisfaction: at most 2}"
        )
        return Listed(())
    found: dict[str, Column] = {}
    for key, value in node.pairs:
        name = key.text.strip()
        if name in found:
            reader.problem(key, f"{name!r} is there twice", "keep one of them")
        found[name] = _column(reader, name, value)
    return Listed(tuple(found[name] for name in sorted(found)))


def _column(reader: Reader, name: str, value: Node) -> Column:
    said = " ".join(value.text.split()) if value.kind == "text" else ""
    if said == "missing" or said == "given":
        op: Literal["missing", "given"] = "missing" if said == "missing" else "given"
        return Column(name, op)
    match = _BOUND.fullmatch(said)
    if match is None:
        return Column(name, "is", reader.texts(value, f"`{name}`"))
    if not _NUMBER.fullmatch(match.group(2)):
        reader.problem(value, f"{show(value)} compares with no number", f"write at most 2, or [{said}] for this very text")
        return Column(name, "given")
    compare: Any = match.group(1)
    return Column(name, compare, number=match.group(2))


def _write_listed(c: Listed) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for column in c.columns:
        if column.op == "is":
            plain[column.name] = list(column.values)
        else:
            plain[column.name] = f"{column.op} {column.number}".strip()
    return {"listed": plain}


_WHO = Key("who", "谁：agent、customer 或 anyone", "who: agent, customer or anyone", "anyone")
_NAMED = Key("who", "谁：agent 或 customer", "who: agent or customer")
_TIMES = Key("times", "一共至少几次", "how often it must happen, in all", "1")
_ANY = "—"


def _syntax(name: str, texts: tuple[str, str], keys: tuple[Key, ...], ways: tuple[type, Any, Any]) -> Syntax:
    kind, read, write = ways
    return Syntax(kind, *texts, keys, read, write, MEASURE_EXAMPLES[name].good, MEASURE_EXAMPLES[name].bad)


MEASURES: dict[str, Syntax] = {
    "repeat": _syntax(
        "repeat",
        (
            "同一个人又说了差不多的话：与自己前面几句中的一句，编辑相似度不低于 `similarity`。只比前 500 个字。",
            "The same person says nearly the same again: edit similarity with one of their turns before at or above `similarity`. "
            "The first 500 characters are compared.",
        ),
        (
            _NAMED,
            Key("similarity", "相似度，0.5 到 1", "how similar, 0.5 to 1", "0.8"),
            Key("look_back", "往前看自己的几句", "how many of their own turns to look back", "10"),
            Key("characters", "少于这么多个字的话不算", "shorter turns do not count", "6"),
            Key("times", "一共说了几次（连第一次）", "how often it is said in all, the first time too", "2"),
        ),
        (Repeat, _read_repeat, _write_repeat),
    ),
    "count": _syntax(
        "count",
        (
            "数一数：`turns` 几句话，`role_changes` 换了几次人说，`hits` 条件 `of` 出现了几处。没听清的可能还有，结论要看它们就是无法判定。",
            "Counts: `turns`, `role_changes` (how often another speaks), or `hits`, the places of the condition in `of`. What was not "
            "heard may be more; where that could change the verdict it is undecided.",
        ),
        (
            Key("turns", "几句：at least 30", "how many turns: at least 30", _ANY),
            Key("role_changes", "几次：at most 4", "how many changes: at most 4", _ANY),
            Key("hits", "几处：over 2", "how many places: over 2", _ANY),
            Key("of", "数哪个条件（名字或条件）", "the condition (or name) whose places are counted", _ANY),
            _WHO,
        ),
        (Count, _read_count, _write_count),
    ),
    "reply": _syntax(
        "reply",
        (
            "回应太慢：从对方说完，到这一方开口，超过这么久。提示音和等待音不算开口；对方又说了话就重新算。",
            "An answer comes late: from the end of the other side's speech to the start of this one's. Tones and prompts are no "
            "answer; where the other side goes on, the wait begins anew.",
        ),
        (
            Key("by", "谁该回应：agent 或 customer", "who answers: agent or customer"),
            Key("longer_than", "多久以上，例如 5 s", "how long, for example 5 s"),
            _TIMES,
        ),
        (Reply, _read_reply, _write_reply),
    ),
    "speed": _syntax(
        "speed",
        (
            "语速：每分钟多少个字（规范形式，标点空格不算）。",
            "Characters a minute (normal form, no punctuation or spaces).",
        ),
        (
            _NAMED,
            Key("pace", "over 400、under 120", "over 400, under 120"),
            Key("per", "turn：某一句；call：所有这样的话合起来", "turn: a turn; call: all such turns together", "turn"),
            Key("characters", "少于这么多个字的话不算", "shorter turns do not count", "20"),
            _TIMES,
        ),
        (Speed, _read_speed, _write_speed),
    ),
    "level": _syntax(
        "level",
        (
            "音量：一句话的 dBFS（`loudness`），或比这个人自己所有话的中位数高出多少 dB（`rise`，至少三句才有中位数）。",
            "Loudness of a turn in dBFS (`loudness`), or dB over the median of all turns of that person (`rise`; three turns at least).",
        ),
        (
            _NAMED,
            Key("loudness", "over -15 dBFS", "over -15 dBFS", _ANY),
            Key("rise", "over 8 dB", "over 8 dB", _ANY),
            _TIMES,
        ),
        (Level, _read_level, _write_level),
    ),
    "call": _syntax(
        "call",
        (
            "整通电话的事实，写出来的每一项都要成立。没听清的声音可能不是说话：占比和结尾按两种可能算，结论不同就是无法判定。",
            "Facts of the whole call; every one written must hold. What was not heard may be no speech: shares and the end are worked "
            "out both ways, and where that changes the verdict it is undecided.",
        ),
        (
            Key("duration", "时长：over 20 min", "how long it is: over 20 min", _ANY),
            Key("agent_share", "客服占双方说话时间：over 80 %", "the agent's share of both sides' speech: over 80 %", _ANY),
            Key("customer_share", "客户占双方说话时间", "the customer's share", _ANY),
            Key("after_last_turn", "最后一句到录音结束：over 30 s", "from the last speech to the end: over 30 s", _ANY),
            Key(
                "ended_by",
                "谁挂的（通话清单）：agent、customer、system",
                "who hung up, by the call list: agent, customer, system",
                _ANY,
            ),
        ),
        (WholeCall, _read_call, _write_call),
    ),
    "listed": _syntax(
        "listed",
        (
            "通话清单里的列：等于其中一个值，比大小（at most 2），missing 没填，given 填了。写出来的每一列都要符合。清单里没有这通电话或这一列，就是无法判定。",
            "Columns of the call list: one of these values, a comparison (at most 2), `missing` or `given`. Every column written must "
            "fit. Where the list has no such call or column the verdict is undecided.",
        ),
        (),
        (Listed, _read_listed, _write_listed),
    ),
}
