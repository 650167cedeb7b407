"""A day of calls to scan, and a pack to scan it with: seeded, made of realistic dialogues, no call twice.

Sentences come from the grammar of service calls that the embedded model was trained on (`training.grammar`), a turn is one
to four of them, a call some fifty turns in a service call's order. One call in twelve has a bad line (a tenth of its
turns not heard), one in a hundred has both speakers in one channel, long silences and talking at once occur as on the
phone. The files come out the same for the same seed, so the numbers of two runs compare.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from qc.store import Store  # noqa: E402
from qc.tables import schema  # noqa: E402
from training import grammar  # noqa: E402

CALLS_A_DAY = 240_000
PART_CALLS = 12_000
TURNS = 50
POOL = 120_000
CHAR_MS = 230

# who says what where in a call: topic to weight
OPENING = {"agent": {"greeting": 1}, "customer": {"open": 1}}
MIDDLE = {
    "agent": {"query": 28, "refund": 14, "promise": 9, "a_talk": 30, "good": 5, "a_short": 12, "identity": 5, "bad": 0.4},
    "customer": {"info": 22, "complain": 9, "question": 22, "c_talk": 28, "c_short": 22, "open": 3},
}
CLOSING = {"agent": {"closing": 1}, "customer": {"thanks": 1}}
TOPICS = tuple(grammar.TOPICS)


@dataclass(frozen=True)
class Pool:
    """Sentences, those of a topic together: topic i has `[first[i], first[i + 1])`."""

    text: pa.Array
    first: np.ndarray


def pool(seed: int, size: int = POOL) -> Pool:
    """So many sentences of the grammar, in proportion to how many different ones a topic can give."""
    rng = random.Random(seed)
    share = {name: len(templates) for name, (_, templates, _) in grammar.TOPICS.items()}
    listed: list[str] = []
    first = [0]
    for name in TOPICS:
        count = max(200, size * share[name] // sum(share.values()))
        listed.extend(grammar.from_topic(name, rng, None).text for _ in range(count))
        first.append(len(listed))
    return Pool(pa.array(listed, pa.string()), np.array(first))


def _topics(rng: np.random.Generator, weights: dict[str, float], count: int) -> np.ndarray:
    names = list(weights)
    share = np.array([weights[n] for n in names], float)
    return np.array([TOPICS.index(n) for n in names])[rng.choice(len(names), count, p=share / share.sum())]


def transcripts(seed: int, part: int, calls: int, sentences: Pool) -> pa.Table:
    """A part of `transcripts` with so many calls."""
    rng = np.random.default_rng((seed, part))
    sizes = np.clip(np.round(rng.lognormal(np.log(TURNS) - 0.125, 0.5, calls)), 4, 400).astype(np.int64)
    first = np.concatenate(([0], np.cumsum(sizes)))
    total = int(first[-1])
    call = np.repeat(np.arange(calls), sizes)
    place = np.arange(total) - first[call]
    # roles: mostly by turns; the agent begins
    switched = np.cumsum(rng.random(total) < 0.85)
    customer = (switched - switched[first[call]]) % 2 == 1
    topic = np.empty(total, np.int64)
    ends = place >= sizes[call] - 2
    for is_customer, role in ((False, "agent"), (True, "customer")):
        for here, weights in ((place < 2, OPENING), (ends & (place >= 2), CLOSING), (~ends & (place >= 2), MIDDLE)):
            chosen = np.flatnonzero(here & (customer == is_customer))
            topic[chosen] = _topics(rng, weights[role], len(chosen))
    text = _texts(rng, topic, sentences)
    chars = pc.utf8_length(text).to_numpy(zero_copy_only=False).astype(np.int64)
    # times: speech at an ordinary pace, pauses of people, a long silence now and then, both at once now and then
    speech = np.maximum(300, chars * CHAR_MS * rng.uniform(0.8, 1.25, total)).astype(np.int64)
    gap = np.minimum(rng.lognormal(6.0, 0.7, total), 3_000).astype(np.int64)
    gap = np.where(rng.random(total) < 0.012, rng.integers(4_000, 20_000, total), gap)
    over = (rng.random(total) < 0.03) & (place > 0)
    gap = np.where(over, -np.minimum(rng.integers(200, 2_500, total), np.roll(speech, 1) // 2), gap)
    moved = np.cumsum(gap + np.roll(speech, 1) * (place > 0))
    start = moved - moved[first[call]] + gap[first[call]]
    start = np.maximum(start, 0)
    end = start + speech
    bad_line = rng.random(calls) < 1 / 12
    lost = rng.random(total) < np.where(bad_line[call], 0.1, 0.0005)
    mono = rng.random(calls) < 0.01
    role = np.where(mono[call], 3, customer.astype(np.int64))
    roles = pa.DictionaryArray.from_arrays(pa.array(role), pa.array(["agent", "customer", "system", "unknown"])).cast(pa.string())
    channel = pa.array(np.where(mono[call], 0, customer).astype(np.int32))
    number = pa.array(place.astype(np.int32))
    flags = _lists(lost.astype(np.int64), pa.array(["low_confidence"] * int(lost.sum()), pa.string()))
    level = pa.array(np.round(rng.normal(-24, 4, total), 1).astype(np.float32))
    turns = pa.StructArray.from_arrays(
        [
            number,
            channel,
            roles,
            pa.array(start),
            pa.array(end),
            text,
            pa.array(np.round(rng.normal(-0.3, 0.1, total), 3).astype(np.float32)),
            pa.array(np.round(rng.random(total) * 0.2, 3).astype(np.float32)),
            pa.nulls(total, pa.list_(pa.int32())),
            level,
            flags,
        ],
        fields=list(schema("transcripts").field("turns").type.value_type),
    )
    why = pa.DictionaryArray.from_arrays(pa.array(np.zeros(total, np.int64), mask=~lost), pa.array(["low_confidence"]))
    spans = pa.StructArray.from_arrays(
        [channel, roles, pa.array(start), pa.array(end), pa.array(~lost), why.cast(pa.string())],
        fields=list(schema("transcripts").field("spans").type.value_type),
    )
    offsets = pa.array(first.astype(np.int32))
    duration = np.maximum.reduceat(end, first[:-1]) + rng.integers(200, 3_000, calls)
    columns: dict[str, Any] = {
        "call_id": pa.array([f"d{part:03d}-{i:06d}" for i in range(calls)]),
        "status": pa.array(["ok"] * calls),
        "warnings": _lists(np.zeros(calls, np.int64), pa.array([], pa.string())),
        "source": pa.array(["audio"] * calls),
        "rate_hz": pa.array(np.full(calls, 8000, np.int32)),
        "channels": pa.array(np.where(mono, 1, 2).astype(np.int32)),
        "duration_ms": pa.array(duration),
        "turns": pa.ListArray.from_arrays(offsets, turns),
        "spans": pa.ListArray.from_arrays(offsets, spans),
    }
    target = schema("transcripts")
    return pa.table([columns.get(f.name, pa.nulls(calls, f.type)) for f in target], schema=target)


def _texts(rng: np.random.Generator, topic: np.ndarray, sentences: Pool) -> pa.Array:
    """One to four sentences of the topic each; short answers stay short."""
    short = np.isin(topic, [TOPICS.index(n) for n in ("a_short", "c_short", "thanks", "greeting")])
    count = np.where(short, 1, rng.choice([1, 2, 3, 4], len(topic), p=[0.25, 0.35, 0.25, 0.15]))
    size = np.diff(sentences.first)
    pieces = []
    for i in range(4):
        chosen = sentences.first[topic] + (rng.random(len(topic)) * size[topic]).astype(np.int64)
        taken = sentences.text.take(pa.array(chosen, mask=count <= i))
        pieces.append(taken)
    return pc.binary_join_element_wise(*pieces, pa.scalar(""), null_handling="skip")


def _lists(sizes: np.ndarray, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)), values)


def write_day(folder: Path, calls: int, seed: int = 1) -> Store:
    """A store with so many calls, made once; and `turns.txt` beside it, a turn a line, for tools that read plain text."""
    store = Store(folder / "store")
    done = folder / "done"
    if done.exists():
        return store
    sentences = pool(seed)
    with open(folder / "turns.txt", "wb") as plain:
        for part in range(-(-calls // PART_CALLS)):
            table = transcripts(seed, part, min(PART_CALLS, calls - part * PART_CALLS), sentences)
            store.append("transcripts", table)
            text = pc.struct_field(pc.list_flatten(table["turns"]), "text").combine_chunks()
            ends = pa.array(["\n"] * len(text))
            plain.write(pc.binary_join_element_wise(text, ends, "").buffers()[2])
    done.write_text(f"{calls}\n", encoding="utf-8")
    return store


# -- the pack -----------------------------------------------------------------------------------------------------


def words(count: int, seed: int = 1) -> list[str]:
    """Words of 2 to 6 characters as a pack has them: most of them seldom said, a third never."""
    rng = random.Random(seed)
    said = pool(seed, 30_000).text.to_pylist()
    seen: Counter[str] = Counter()
    for sentence in said:
        for size in (2, 3, 4, 5, 6):
            seen.update({sentence[i : i + size] for i in range(len(sentence) - size + 1)})
    plain = [w for w in seen if seen[w] <= 4 and all("\u4e00" <= c <= "\u9fff" and c not in _NUMERALS for c in w)]
    plain.sort()
    rng.shuffle(plain)
    chars = sorted({c for w in plain[:5000] for c in w})
    chosen = plain[: count - count // 3]
    taken = set(chosen)
    while len(chosen) < count:
        word = "".join(rng.choice(chars) for _ in range(rng.choice((2, 3, 3, 4, 4, 5, 6))))
        if word not in taken and word not in seen:
            taken.add(word)
            chosen.append(word)
    rng.shuffle(chosen)
    return chosen


_NUMERALS = "零〇一二三四五六七八九十百千万亿两幺点分号日月年"
SUBJECTS = "退款 快递 订单 发票 运费 密码 验证码 身份证 银行卡 地址 优惠券 商家 仓库 物流 投诉 差评 好评 赔偿 会员 保修".split()
FRAMES = (
    "(不|没).{{0,3}}{s}",
    "{s}.{{0,6}}(告诉|发给|报给)我",
    "{s}(已经|都).{{0,4}}[0-9]+(个)?(小时|天|工作日)",
    "(马上|立刻|尽快|第一时间).{{0,5}}{s}",
    "{s}[^您你]{{0,8}}(凭什么|怎么办|有没有)",
)


def patterns(count: int = 100) -> list[str]:
    """Patterns as QA leads write them: a thing, a gap, what is said of it."""
    listed = [frame.format(s=subject) for frame in FRAMES for subject in SUBJECTS]
    more = (f"{a}.{{0,5}}{b}{frame}" for frame in ("", "吗$", "了") for a in SUBJECTS for b in SUBJECTS if a != b)
    while len(listed) < count:
        listed.append(next(more))
    return listed[:count]


LISTS = {
    "promise": ["尽快", "稍后", "第一时间"],
    "limit": ["小时内", "工作日", "今天之内", "/[0-9]+(小时|天|分钟)/"],
    "anger": ["生气", "失望", "太差了", "不满意", "什么态度"],
    "authority": ["消费者协会", "12315", "律师", "曝光", "工商局"],
    "sorry": ["抱歉", "对不起", "不好意思"],
    "hello": ["您好", "你好", "很高兴为您服务"],
    "goodbye": ["再见", "祝您生活愉快", "感谢您的来电"],
    "money": ["转账", "打款", "汇款", "个人账户"],
    "private": ["加我微信", "加微信", "扣扣", "私下"],
    "hold": ["请稍等", "稍等一下", "稍等"],
    "proof": ["截图", "凭证", "照片", "视频"],
    "refuse": ["保证不了", "没办法", "规定就是这样", "不归我们管"],
}


def structured(sounds: list[str]) -> list[dict[str, Any]]:
    """Sixty rules that ask for more than words: near, order, windows, silence, reply time, sounds."""

    def by(who: str, name: str, **more: Any) -> dict[str, Any]:
        return {"who": who, "says": LISTS[name], **more}

    def never(name: str, where: str, who: str = "agent") -> dict[str, Any]:
        return {"who": who, "never_says": LISTS[name], "in": where}

    near = [("anger", "authority", "10 s"), ("money", "private", "2 turns"), ("refuse", "anger", "15 s"), ("proof", "anger", "20 s"),
            ("authority", "refuse", "30 s"), ("private", "proof", "3 turns"), ("money", "promise", "10 characters"),
            ("anger", "promise", "5 s"), ("authority", "money", "30 s"), ("private", "promise", "10 s"),
            ("refuse", "authority", "4 turns"), ("money", "proof", "12 characters")]  # fmt: skip
    rules: list[dict[str, Any]] = [{"near": [{"says": LISTS[a]}, {"says": LISTS[b]}], "within": gap} for a, b, gap in near]
    for a, b, gap in (("anger", "sorry", "3 turns"), ("authority", "sorry", "5 turns"), ("refuse", "sorry", "2 turns")):
        rules.append({"not_near": [{"says": LISTS[a]}, {"says": LISTS[b]}], "within": gap})
    for a, b, c in (("anger", "refuse", "authority"), ("private", "money", "promise"), ("proof", "proof", "anger"),
                    ("refuse", "anger", "goodbye"), ("authority", "refuse", "anger"), ("money", "private", "anger"),
                    ("promise", "anger", "authority"), ("anger", "sorry", "authority"), ("hold", "anger", "authority")):  # fmt: skip
        rules.append({"then": [{"says": LISTS[a]}, {"says": LISTS[b], "within": "60 s"}, {"says": LISTS[c], "within": "60 s"}]})
    for where in ("first 15 s", "first 30 s", "first 3 turns", "first 2 turns of agent"):
        rules.append(never("hello", where))
    for where in ("last 20 s", "last 3 turns", "last 2 turns of agent", "last 30 s"):
        rules.append(never("goodbye", where))
    for name, where in (("anger", "last 30 s"), ("authority", "last 60 s"), ("refuse", "first 60 s"), ("anger", "first 20 s")):
        rules.append({"says": LISTS[name], "in": where})
    for longer, before in (("8 s", "agent"), ("12 s", "agent"), ("15 s", "anyone"), ("10 s", "customer"), ("18 s", "agent"), ("9 s", "agent")):  # fmt: skip
        rules.append({"silence": {"longer_than": longer, "before": before, "except_after": LISTS["hold"]}})
    for longer, by_whom, times in (("6 s", "agent", 3), ("8 s", "agent", 2), ("12 s", "agent", 1), ("15 s", "agent", 1), ("10 s", "customer", 2), ("18 s", "customer", 1)):  # fmt: skip
        rules.append({"reply": {"by": by_whom, "longer_than": longer, "times": times}})
    for i in range(8):
        rules.append({"who": ("agent", "customer")[i % 2], "says": sounds[i * 25 : i * 25 + 25], "match": "sound"})
    for who, name, unless in (("agent", "promise", "limit"), ("agent", "refuse", "sorry"), ("agent", "money", "sorry"), ("agent", "private", "hold")):  # fmt: skip
        rules.append(by(who, name, unless=LISTS[unless]))
    assert len(rules) == 60
    return rules


def pack(folder: Path, name: str, whens: list[dict[str, Any]]) -> Path:
    """A pack's folder from conditions; JSON is YAML."""
    rules = [
        {
            "id": f"r{i:05d}",
            "title": f"Rule {i}",
            "why": "It is measured.",
            "dimension": "d",
            "severity": ("low", "medium", "high", "critical")[i % 4],
            "points": -1,
            "when": when,
            "cases": {"hit": [{"agent": "a"}], "miss": [{"agent": "b"}]},
        }
        for i, when in enumerate(whens)
    ]
    head = {"id": name, "version": "1.0.0", "language": 1, "title": name, "dimensions": [{"id": "d", "title": "d"}]}
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    (target / "pack.yaml").write_text(json.dumps(head, ensure_ascii=False), encoding="utf-8")
    for at in range(0, len(rules), 500):
        lines = ["- " + json.dumps(rule, ensure_ascii=False) for rule in rules[at : at + 500]]
        (target / f"rules-{at:05d}.yaml").write_text("\n".join(lines), encoding="utf-8")
    return target


def word_rules(listed: list[str], size: int = 25) -> list[dict[str, Any]]:
    """Words, so many a rule, of the agent, the customer or anyone."""
    return [
        {"who": ("agent", "customer", "anyone")[i % 3], "says": listed[at : at + size]}
        for i, at in enumerate(range(0, len(listed), size))
    ]


def pattern_rules(listed: list[str]) -> list[dict[str, Any]]:
    """Patterns, two a rule."""
    return [
        {"who": ("agent", "customer")[i % 2], "says": [f"/{p}/" for p in listed[at : at + 2]]}
        for i, at in enumerate(range(0, len(listed), 2))
    ]


def day_pack(folder: Path, seed: int = 1) -> Path:
    """1,000 words, 100 patterns, 60 structured rules (with 200 more words by sound)."""
    listed = words(1_200, seed)
    return pack(folder, "day", [*word_rules(listed[:1_000]), *pattern_rules(patterns()), *structured(listed[1_000:])])


def words_pack(folder: Path, count: int = 1_000, seed: int = 1) -> Path:
    """Words alone."""
    return pack(folder, f"words-{count}", word_rules(words(count, seed)))
