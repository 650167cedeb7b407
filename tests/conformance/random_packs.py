"""Random packs and random calls, small and full of edges: what the scanner and the reference evaluator are compared on.

Times are multiples of 250 ms and so are the lengths that rules ask for: boundaries are hit all the time, not once a year.
Every function takes the source of its chances, `random.Random` or what Hypothesis gives for one.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

CORE = ["投诉", "退款", "好", "您好", "3小时", "ok", "转账", "尽快", "稍等"]
"""What most rules ask for and most people say here, so that words meet."""

MISHEARD = ["头诉", "投素", "腿款", "退宽", "不型", "不行", "酒好", "蓝好"]
"""What sounds like a word that rules ask for by sound, polyphones among them."""

OVERLAPPING = ["退款", "款退", "退款退", "款退款", "款"]
"""Words that overlap in 退款退款."""

PIECES = [
    "投诉", "头诉", "投訴", "退款", "退", "款", "尽快", "您好", "你好", "好", "三小时", "3小时", "24小时", "二十四小时", "小时",
    "不要私下转账", "转账", "请稍等", "稍等", "谢谢您", "我要投诉你们", "我要头素你们", "安全", "昂全", "男", "蓝",
    "ok", "OK", "Ｏｋ", "refund", "refunds", "don't", "please", "re-fund", "1,000", "3.5", "15:30", "12", "1 2", "一二",
    "幺三八零零一三八零零零", "13800138000", "微信号 abc_12345", "三百块", "50 dollars", "www.example.com", "百分之三十",
    "😀", "👩‍👩‍👧", "e\u0301", "é", "ñ", "n\u0303", "ไทย", "한국어", "العربية", "\u200b", "，", "。", " ", "  ", "'", ".", "\n", "\t", "-", "İ", "ß",
]  # fmt: skip
WORDS = [
    "投诉", "退款", "退", "尽快", "您好", "好", "小时", "3小时", "24小时", "转账", "不要私下转账", "稍等", "谢谢您", "安全", "男人",
    "ok", "refund", "dont", "don't", "please", "12", "1000", "3.5", "30%", "é", "ไทย", "한국어", "é é", "投诉退款", "ok ok",
]  # fmt: skip
SOUNDS = ["投诉", "退款", "不行", "安全", "男好", "谢谢您", "3小时", "小时", "ok投诉", "好好"]
FUZZY = ["我要投诉你们", "不要私下转账", "refund please", "尽快退款您好", "24小时退款"]
PATTERNS = [
    r"/\d+ ?小时/", "/退.{0,2}款/", "/^您好/", "/好$/", "/[你您]好/", "/o+k?/", r"/\bre\w*/", "/a?投诉|诉/", r"/\D好/", "/^.{1,3}$/",
    r"/\d+|投/", "/[^好]好/", "/(投诉)+/", r"/\Bo/", r"/\s\w/", "/x*好/",
]  # fmt: skip
TOLERATE = ["n/l", "zh/z", "ch/c", "sh/s", "h/f", "r/l", "an/ang", "en/eng", "in/ing"]
ENTITIES = ["phone", "id_card", "bank_card", "amount", "time_limit", "order_number", "url", "chat_handle"]
OPS = ["over", "under", "at least", "at most"]
WHO = ["agent", "customer", "anyone"]
SAID = [*[[*CORE, "，", "嗯"]] * 8, OVERLAPPING, MISHEARD]
CHANNEL = {"agent": 0, "customer": 1}


def chance(rng: Random, one_in: int) -> bool:
    return rng.randrange(one_in) == 0


def seconds(rng: Random, low: int, high: int) -> str:
    """A length of time on the grid of 250 ms."""
    return f"{rng.randint(max(1, low // 250), high // 250) * 250} ms"


def gap(rng: Random) -> str:
    return rng.choice(
        [seconds(rng, 250, 9000), seconds(rng, 250, 3000), f"{rng.randint(1, 3)} turns", f"{rng.randint(1, 6)} characters"]
    )


def bound(rng: Random, values: list[str]) -> str:
    return f"{rng.choice(OPS)} {rng.choice(values)}"


def some(rng: Random, one_in: int, keys: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Each key with its value, or left out: one in so many is there."""
    return {key: make() for key, make in keys.items() if chance(rng, one_in)}


# -- rules ------------------------------------------------------------------------------------------------------


def term(rng: Random) -> Any:
    if not chance(rng, 3):
        return rng.choice(CORE)
    tolerate = {"tolerate": rng.sample(TOLERATE, rng.randint(1, 4))} if chance(rng, 2) else {}
    return rng.choice(
        [
            rng.choice(WORDS),
            rng.choice(PATTERNS),
            {"word": rng.choice(SOUNDS), "match": "sound"} | tolerate,
            {"word": rng.choice(FUZZY), "match": f"fuzzy 0.{rng.choice([70, 75, 80, 85, 99])}"},
            {"similar": rng.choice(FUZZY), "at_least": rng.choice([0.5, 0.66, 0.75, 1])},
            {"entity": rng.choice(ENTITIES)},
        ]
    )


def terms(rng: Random) -> list[Any]:
    return [term(rng) for _ in range(rng.choice([1, 1, 2, 2, 3]))]


def in_time(rng: Random) -> str:
    side = rng.choice(["first", "last"])
    of = rng.choice(["", " of agent", " of customer", " of anyone"])
    return rng.choice([f"{side} {seconds(rng, 250, 6000)}", f"{side} {rng.randint(1, 3)} turns{of}"])


def beside(rng: Random, depth: int) -> dict[str, Any]:
    side = rng.choice(["before", "after", "around"])
    plain: dict[str, Any] = {side: part(rng, depth - 1)}
    if side == "around" or chance(rng, 2):
        plain["within"] = gap(rng)
    if chance(rng, 2):
        plain["which"] = rng.choice(["any", "every", "first", "last", "2nd", "3rd"])
    return plain


def words(rng: Random, depth: int, *, never: bool = False) -> dict[str, Any]:
    listed = rng.choice([terms, terms, terms, lambda rng: rng.sample(OVERLAPPING, 2)])(rng)
    plain: dict[str, Any] = {"never_says" if never else "says": listed, "who": rng.choice([*WHO, "anyone"])}
    plain |= some(rng, 4, {"except": lambda: terms(rng)} | ({} if never else {"unless": lambda: terms(rng)}))
    if chance(rng, 3):
        plain["in"] = beside(rng, depth) if depth > 0 and chance(rng, 2) else in_time(rng)
    if not never:
        distinct = len({repr(item) for item in listed})
        plain |= some(rng, 6, {"times": lambda: rng.randint(1, 3), "need": lambda: rng.choice(["all", rng.randint(1, distinct)])})
    return plain


def silence(rng: Random) -> dict[str, Any]:
    plain = {"longer_than": seconds(rng, 500, 3000)} | some(rng, 6, {"times": lambda: 2})
    plain |= some(rng, 2, {"before": lambda: rng.choice(WHO), "after": lambda: rng.choice(WHO)})
    return {"silence": plain | some(rng, 3, {"except_after": lambda: terms(rng)})}


def interruption(rng: Random) -> dict[str, Any]:
    rest = some(rng, 2, {"after": lambda: seconds(rng, 250, 1000), "overlap": lambda: seconds(rng, 250, 1000)})
    return {"interruption": {"by": rng.choice(WHO)} | rest | some(rng, 6, {"times": lambda: 2})}


def reply(rng: Random) -> dict[str, Any]:
    plain = {"by": rng.choice(WHO[:2]), "longer_than": seconds(rng, 250, 3000)}
    return {"reply": plain | some(rng, 6, {"times": lambda: 2})}


def repeat(rng: Random) -> dict[str, Any]:
    rest = {
        "look_back": lambda: rng.randint(1, 3),
        "times": lambda: rng.randint(2, 3),
        "similarity": lambda: rng.choice([0.5, 0.75, 1]),
    }
    return {"repeat": {"who": rng.choice(WHO), "characters": rng.randint(2, 6)} | some(rng, 2, rest)}


def level(rng: Random) -> dict[str, Any]:
    what = rng.choice(["loudness", "rise"])
    values = ["-20 dBFS", "-15.5 dBFS", "0 dB", "3 dB", "8 dB"] if what == "loudness" else ["-3 dB", "0 dB", "3 dB", "8 dB"]
    return {"level": {"who": rng.choice(WHO), what: bound(rng, values)} | some(rng, 6, {"times": lambda: 2})}


def speed(rng: Random) -> dict[str, Any]:
    plain = {"who": rng.choice(WHO), "pace": bound(rng, ["60", "120", "240"]), "characters": rng.randint(1, 4)}
    return {"speed": plain | some(rng, 6, {"times": lambda: 2})}


def speed_of_call(rng: Random) -> dict[str, Any]:
    return {
        "speed": {
            "who": rng.choice(WHO),
            "pace": bound(rng, ["60", "120", "240"]),
            "per": "call",
            "characters": rng.randint(1, 3),
        }
    }


def sequence(rng: Random, depth: int) -> dict[str, Any]:
    steps = [part(rng, depth - 1) for _ in range(rng.choice([2, 2, 3]))]
    return {
        "then": [
            step | ({"within": gap(rng)} if i and "within" not in step and chance(rng, 2) else {}) for i, step in enumerate(steps)
        ]
    }


def simple(rng: Random) -> dict[str, Any]:
    """Words that are said all the time."""
    listed = rng.sample(CORE if not chance(rng, 5) else OVERLAPPING, rng.randint(1, 3))
    rest: dict[str, Callable[[], Any]] = {"times": lambda: 2, "unless": lambda: rng.sample(CORE, 1), "except": lambda: ["退款退"]}
    return {"says": listed} | some(rng, 3, {"who": lambda: rng.choice(WHO)}) | some(rng, 8, rest)


def often(rng: Random) -> dict[str, Any]:
    """What happens all the time, between turns or in them."""
    twice = some(rng, 6, {"times": lambda: 2})
    short = {"longer_than": seconds(rng, 500, 1500)} | twice
    return rng.choice(
        [
            {"silence": short},
            {"silence": short | {"before": rng.choice(WHO), "after": rng.choice(WHO)}},
            {
                "interruption": {"by": rng.choice(WHO), "after": seconds(rng, 250, 1000), "overlap": seconds(rng, 250, 500)}
                | twice
            },
            {"reply": {"by": rng.choice(WHO[:2]), "longer_than": seconds(rng, 250, 1000)} | twice},
        ]
    )


def part(rng: Random, depth: int) -> dict[str, Any]:
    """A condition that another stands beside: mostly one that happens, or there would be nothing to be beside."""
    return rng.choice([simple, simple, often, lambda rng: at_a_place(rng, depth)])(rng)


def at_a_place(rng: Random, depth: int) -> dict[str, Any]:
    """A condition that can be pointed at."""
    if depth <= 0 or chance(rng, 3):
        return words(rng, max(depth, 0)) if not chance(rng, 3) else measured(rng)
    pair = rng.choice(["near", "not_near"])
    return rng.choice(
        [
            lambda: {pair: [at_a_place(rng, depth - 1) for _ in "ab"], "within": gap(rng)},
            lambda: {pair: [part(rng, depth - 1) for _ in "ab"], "within": gap(rng)},
            lambda: {pair: [simple(rng) for _ in "ab"], "within": gap(rng)},
            lambda: sequence(rng, depth),
            lambda: {"then": [simple(rng), simple(rng) | some(rng, 2, {"within": lambda: gap(rng)})]},
            lambda: {"any": [at_a_place(rng, depth - 1) for _ in range(rng.randint(1, 3))]},
            lambda: words(rng, depth) | {"in": beside(rng, depth)},
            lambda: simple(rng) | {"says": rng.sample(CORE, rng.randint(1, 6)), "in": beside(rng, depth)},
            lambda: simple(rng) | {"says": rng.sample(CORE, 6), "in": beside(rng, depth)},
        ]
    )()


def measured(rng: Random) -> dict[str, Any]:
    """What happens in time, or turn by turn."""
    return rng.choice([often, silence, interruption, reply, repeat, level, speed])(rng)


def whole_call(rng: Random) -> dict[str, Any]:
    facts = {
        "duration": lambda: bound(rng, [seconds(rng, 1000, 20000)]),
        "after_last_turn": lambda: bound(rng, [seconds(rng, 250, 3000)]),
        "agent_share": lambda: bound(rng, ["0 %", "33.3 %", "50 %", "66.6 %", "100 %"]),
        "customer_share": lambda: bound(rng, ["25 %", "50 %", "100 %"]),
        "ended_by": lambda: rng.choice(["agent", "customer", "system"]),
    }
    return {"call": some(rng, 3, facts) or {"agent_share": bound(rng, ["50 %"])}}


def count(rng: Random, depth: int) -> dict[str, Any]:
    what = rng.choice(["turns", "role_changes", "hits"])
    plain: dict[str, Any] = {what: bound(rng, [str(n) for n in range(6)])}
    if what == "hits":
        plain["of"] = at_a_place(rng, depth - 1)
    elif what == "turns":
        plain["who"] = rng.choice(WHO)
    return {"count": plain}


def listed(rng: Random) -> dict[str, Any]:
    asked = ["missing", "given", "at most 2", "over 1", "under 2.0", "at least -3", ["售后"], ["退款", "1"]]
    return {"listed": {column: rng.choice(asked) for column in rng.sample(["queue", "ticket", "score"], rng.randint(1, 2))}}


def condition(rng: Random, depth: int = 2) -> dict[str, Any]:
    """Any condition."""
    makers: list[Callable[[], dict[str, Any]]] = [
        lambda: at_a_place(rng, depth),
        lambda: at_a_place(rng, depth),
        lambda: at_a_place(rng, 0),
        lambda: measured(rng),
        lambda: words(rng, depth, never=True),
        lambda: {
            "never_says": rng.sample(CORE, 1),
            "who": rng.choice(WHO),
            "in": rng.choice([lambda: beside(rng, depth), lambda: in_time(rng)])(),
        },
        lambda: {"says": rng.sample(CORE, 5), "who": rng.choice([*WHO, "anyone"]), "in": beside(rng, depth)},
        lambda: rng.choice([whole_call, listed, speed_of_call])(rng),
        lambda: count(rng, depth),
    ]
    if depth > 0:
        parts = [condition(rng, depth - 1) for _ in range(rng.choice([1, 2, 2, 3]))]
        makers.append(lambda: {"not": parts[0]})
        makers.append(lambda: rng.choice([{"all": parts}, {"any": parts}, {"at_least": rng.randint(1, len(parts)), "of": parts}]))
    return rng.choice(makers)()


MORE: list[dict[str, Any]] = [
    {"once_per": "1 s"}, {"once_per": "2 s"},
    {"applies_to": {"queue": ["售后"]}}, {"applies_to": {"ticket": ["1", "2"], "queue": ["退款"]}},
    {"valid_from": "2026-06-01"}, {"valid_until": "2026-09-30", "valid_from": "2026-06-01"},
]  # fmt: skip


def pack(rng: Random, rules: int = 4) -> dict[str, Any]:
    """A pack as plain data."""
    plain: dict[str, Any] = {
        "id": "p",
        "version": "1.0.0",
        "language": 1,
        "title": "t",
        "dimensions": [{"id": "d", "title": "t"}],
    }
    plain |= rng.choice(
        [
            {},
            {},
            {"coverage_floor": 0.5},
            {"coverage_floor": 0.5},
            {"coverage_floor": 1},
            {"coverage_floor": 0, "confidence_floor": -0.5},
        ]
    )
    head = {"title": "t", "why": "w", "dimension": "d", "severity": "low", "points": -1}
    head["cases"] = {"hit": [{"agent": "a"}], "miss": [{"agent": "b"}]}
    listed = [
        {**head, "id": f"r{i}", "when": condition(rng)} | (rng.choice(MORE) if chance(rng, 3) else {}) for i in range(rules)
    ]
    return {**plain, "rules": listed}


# -- calls ------------------------------------------------------------------------------------------------------


def text(rng: Random) -> str:
    if not chance(rng, 3):
        return "".join(rng.choice(rng.choice(SAID)) for _ in range(rng.randint(1, 5)))
    if chance(rng, 3):
        return rng.choice(FUZZY + WORDS)
    if chance(rng, 4):
        return "".join(
            chr(rng.choice([rng.randrange(0x20, 0x250), rng.randrange(0x4E00, 0x9FFF), rng.randrange(0x1F300, 0x1F6FF)]))
            for _ in range(5)
        )
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))


def turn(rng: Random, start: int, role: Any, *, tidy: bool) -> dict[str, Any]:
    said = text(rng)
    length = rng.choice([0, 250, 500, 750, 1000, 1000, 1250, 2000, 3000]) if tidy else rng.randint(0, 12) * 250
    sure, loud = rng.choice([(-0.25, -20.0), (-0.25, -15.5), (-0.25, -12.25), (-0.5, -8.0)])
    chars = None
    if not tidy:
        sure = rng.choice([sure, sure, -0.75, -2.0])
        chars = rng.choice([None, None, [start + length * i // max(1, len(said)) for i in range(len(said))], [start]])
    return {
        "role": role,
        "channel": CHANNEL.get(role, 2 if tidy else rng.choice([0, 1, 2])),
        "start_ms": start,
        "end_ms": start + length,
        "text": said,
        "avg_logprob": sure,
        "char_ms": chars,
        "level_dbfs": loud,
        "flags": [] if tidy or not chance(rng, 6) else [rng.choice(["pseudo_speech", "loop"])],
    }


def span(role: Any, channel: Any, times: tuple[int, int], why: str | None) -> dict[str, Any]:
    return {"role": role, "channel": channel, "start_ms": times[0], "end_ms": times[1], "heard": why is None, "why": why}


def transcript(rng: Random, call_id: str = "c") -> dict[str, Any]:
    """A row of `transcripts`. Half are tidy: two sides, and all heard, or half of it. The others have turns that overlap, speech
    without text, tones, speakers of whom nothing is known, flags, missing spans; a few are chats or have no times."""
    kind = rng.choice(["tidy"] * 5 + ["half heard"] * 4 + ["messy"] * 5 + ["no_spans", "no_times", "chat"])
    tidy = kind in ("tidy", "half heard")
    mixed = ["agent", "customer"] * 3 + ["system", "unknown", None]
    roles = ["agent", "customer"] if tidy else rng.choice([mixed, mixed, mixed, ["agent"], ["agent", "unknown"], ["unknown"]])
    manner = rng.choice(["mixed", "mixed", "slow", "over each other", "over each other"])
    pauses = {
        "mixed": [0, 250, 300, 301, 500, 2000, 2001, 3000, -250, -500, -1000] + ([] if tidy else [-1000, -2000, -5000]),
        "slow": [500, 750, 1000, 1500, 2000, 2001, 3000, 4000],
        "over each other": [-250, -500, -1000, -1500, -2000, 0, 250],
    }[manner]
    at = rng.choice([0, 500, 3000])
    turns: list[dict[str, Any]] = []
    for _ in range(rng.randint(2, 8) if tidy else rng.randint(0, 7)):
        same = bool(turns) and chance(rng, 4)
        role = turns[-1]["role"] if same else rng.choice(roles)
        if manner == "over each other" and turns and not same:
            role = {"agent": "customer", "customer": "agent"}.get(turns[-1]["role"], role)
        turns.append(turn(rng, max(0, at), role, tidy=tidy))
        if kind == "half heard" and chance(rng, 4):
            turns[-1]["flags"] = ["loop"]
        if len(turns) > 1 and chance(rng, 4):
            own = [t for t in turns if t["role"] == turns[-1]["role"]]
            turns[-1] |= {"text": rng.choice(own)["text"], "char_ms": None}
        at = turns[-1]["end_ms"] + rng.choice(pauses)
    for one in turns if chance(rng, 8) else [t for t in turns if chance(rng, 16)]:
        one |= {"avg_logprob": None, "level_dbfs": None}
    turns.sort(key=lambda t: t["start_ms"])
    for i, one in enumerate(turns):
        one["turn"] = i
    detected = [t for t in turns if tidy or not chance(rng, 6)]
    spans = [span(t["role"], t["channel"], (t["start_ms"], t["end_ms"]), "flagged" if t["flags"] else None) for t in detected]
    warnings: list[str] = []
    for _ in range(rng.choice({"tidy": [0, 0, 0, 0, 1], "half heard": [0, 1, 1, 2]}.get(kind, [0, 0, 1, 2]))):
        start, role = rng.randint(0, 40) * 250, rng.choice(roles)
        why = rng.choice(["no_text", "no_text", "no_text", "truncated"] if kind != "half heard" else ["no_text"])
        spans.append(span(role, CHANNEL.get(role, 2), (start, start + rng.randint(0, 8) * 250), why))
        warnings += ["truncated"] if why == "truncated" else []
    spans.sort(key=lambda s: s["start_ms"])
    if not tidy and chance(rng, 10):
        warnings.append("truncated")
    if kind in ("no_times", "chat"):
        warnings.append("no_times")
        for one in turns:
            one |= {"start_ms": None, "end_ms": None, "char_ms": None} | ({"channel": None} if kind == "chat" else {})
    if kind in ("no_spans", "no_times", "chat"):
        spans = []
    end = max([t["end_ms"] or 0 for t in turns] + [s["end_ms"] for s in spans] + [0])
    duration = rng.choice([end, end + 250, end + 3000, None])
    return {"call_id": call_id, "status": "ok", "warnings": warnings, "duration_ms": duration, "turns": turns, "spans": spans}


def call_list(rng: Random) -> dict[str, str | None] | None:
    """What the call list says of a call: nothing, or some columns."""
    if chance(rng, 4):
        return None
    cells = ["售后", "退款", "", "  ", "1", "2", "2.0", "-3", "nan", "1e3", "９", None]
    columns: dict[str, Callable[[], Any]] = {name: lambda: rng.choice(cells) for name in ("queue", "ticket", "score")}
    columns["hangup"] = lambda: rng.choice(["agent", "customer", "system", "", None])
    columns["started_at"] = lambda: rng.choice(["2026-05-31", "2026-06-01T10:00:00", "2026-09-30", "2026-10-01", None])
    return {name: make() for name, make in columns.items() if not chance(rng, 4)}
