"""`--redact` in every output: whatever a verb prints or writes of what was said, nothing personal is in it.

Two calls full of personal data go the whole way, from recordings on. Then each verb runs twice: as it is, where the data shows
(so the call does reach that output), and with `--redact`, where no piece of it is left. A verb that is in neither table
below fails the test, so that a new one has to be thought about.
"""

from __future__ import annotations

import csv
import html
import http.client
import io
import json
import math
import re
import struct
import threading
import wave
import zipfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.main import get_command

from qc.audio.decode import DecodeOptions, Stream, blocks_of
from qc.cli.main import app, main
from qc.report.clips import TONE_HZ
from qc.review.page import PageOptions
from qc.review.serve import ReviewServer
from qc.store import Store

FILE = "13912345678_a.wav"
SAID: list[tuple[str, str]] = [
    ("agent", "您好请问怎么称呼"),
    ("customer", "我姓欧阳电话幺三八零零一三八零零零"),
    ("agent", "您的电话是13800138000对吗"),
    ("customer", "身份证11010519491231002X"),
    ("customer", "卡号4012888888881881"),
    ("customer", "住在文一西路969号3幢502室"),
    ("customer", "我叫王小明你们尽快退款"),
    ("agent", "我们会尽快处理加我微信 abc_12345"),
    ("customer", "电话幺三七"),
    ("agent", "嗯"),
    ("customer", "七七四一"),
    ("agent", "七七四一"),
    ("customer", "八八五二"),
    ("agent", "好的我们今天处理"),
]
SECRETS = (
    "13800138000", "幺三八零零一三八零零零", "11010519491231002", "4012888888881881", "文一西路", "969号", "502室", "王小明", "欧阳",
    "abc_12345", "七七四一", "八八五二", "13912345678", "李雷", "13666666666",
)  # fmt: skip
TURN_MS = 2000

RULES = """
rules:
  - {id: said, title: t, why: w, dimension: d, severity: medium, points: -5, when: {who: customer, says: [/电话.*/, /身份证.*/, /卡号.*/, /住在.*/, /我叫.*/, /八八.*/]}, cases: {hit: [{customer: 电话}], miss: [{customer: 好}]}}
  - {id: asked, title: t, why: w, dimension: d, severity: medium, points: -5, when: {who: agent, says: [entity: [phone, chat_handle], /七七.*/]}, cases: {hit: [{agent: 电话13800138001}], miss: [{agent: 好}]}}
  - {id: near, title: t, why: w, dimension: d, severity: low, points: -1, when: {near: [{who: customer, says: [/住在.*/]}, {who: customer, says: [尽快]}], within: 2 turns}, cases: {hit: ["customer: 住在这\\ncustomer: 尽快"], miss: [{customer: 好}]}}
  - {id: name, title: t, why: w, dimension: d, severity: low, points: -1, when: {who: customer, says: [王晓明, 推款]}, cases: {hit: [{customer: 王晓明}], miss: [{customer: 好}]}}
  - {id: late, title: t, why: w, dimension: d, severity: low, points: -1, when: {who: customer, says: [/住在.*/], in: first 3 s}, cases: {hit: [{customer: 住在这}], miss: [{customer: 好}]}}
"""


def pack(folder: Path, more: str = "") -> Path:
    folder.mkdir()
    head = "id: p\nversion: 1.0.0\nlanguage: 1\ntitle: t\ndimensions: [{id: d, title: t}]\n"
    (folder / "pack.yaml").write_text(head + RULES + more, encoding="utf-8")
    return folder


def record(path: Path, said: Sequence[tuple[str, str]]) -> None:
    """The agent left, the customer right; each turn has a pitch of its own, 200 Hz and up."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        for n, (role, _) in enumerate(said):
            tone = [int(8000 * math.sin(2 * math.pi * pitch_of(n) * i / 8000)) for i in range(8 * TURN_MS)]
            file.writeframes(b"".join(struct.pack("<hh", *((v, 0) if role == "agent" else (0, v))) for v in tone))


def pitch_of(turn: int) -> int:
    return 200 + 20 * turn


@dataclass(frozen=True)
class World:
    """A store that `qc run` filled, and what verbs ask for besides."""

    folder: Path
    store: str
    call: str
    pack: str
    changed: str
    labels: str


def qc(*arguments: Any) -> str:
    """Everything that a command prints."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    assert left.value.code in (0, 1, None), said.getvalue()
    return said.getvalue()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("redact")
    calls = folder / "calls"
    calls.mkdir()
    record(calls / FILE, SAID)
    record(calls / "b.wav", SAID[:1])
    (folder / "calls.csv").write_text(
        f"file,agent_id,provider,客户姓名,备注,评分\n{FILE},7,甲,李雷,回电13666666666,1\nb.wav,8,甲,,,5\n", encoding="utf-8"
    )
    turns = [
        {"channel": int(role == "customer"), "start_ms": TURN_MS * n, "end_ms": TURN_MS * n + 1900, "text": text}
        for n, (role, text) in enumerate(SAID)
    ]
    prepared = [{"file": FILE, "turns": turns}, {"file": "b.wav", "turns": [{**turns[0], "text": "您好今天处理"}]}]
    (folder / "said.jsonl").write_text("\n".join(json.dumps(p) for p in prepared), encoding="utf-8")
    qc(*run_of(folder, folder / "plain"))
    store = Store(folder / "store")
    ids = {row["file"]: row["call_id"] for row in store.read("calls").to_pylist()}
    labels = folder / "labels.csv"
    labels.write_text(f"call_id,label\n{ids[FILE]},bad\n{ids['b.wav']},good\n", encoding="utf-8")
    more = "  - {id: new, title: t, why: w, dimension: d, severity: high, points: -9, when: {says: [/.*卡号.*/, /.*微信.*/]}, cases: {hit: [{agent: 卡号}], miss: [{agent: 好}]}}\n"
    made = World(folder, str(store.path), ids[FILE], str(folder / "pack"), str(pack(folder / "changed", more)), str(labels))
    qc("review", "draw", "--store", made.store, "-o", folder / "drawn", "--rule", "said", "--rule", "near")
    answers = folder / "answers.csv"
    with answers.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["call_id", "rule", "answer", "note", "reviewer", "at"])
        rows.writerow([made.call, "said", "hit", "我叫王小明，电话13800138000", "甲", "2026-11-02T10:00:00"])
    qc("review", "take", answers, "--store", made.store)
    return made


def run_of(folder: Path, out: Path) -> list[Any]:
    if not (folder / "pack").exists():
        pack(folder / "pack")
    of = ["run", folder / "calls", "--calls", folder / "calls.csv", "--rules", folder / "pack", "--store", folder / "store"]
    return [*of, "-o", out, "--model", folder / "said.jsonl", "--workers", "1"]


TABLES = ("calls", "transcripts", "findings", "scores", "reviews")
Command = Callable[[World, Path], Sequence[Any]]

OUTPUTS: dict[str, list[Command]] = {
    "run": [lambda w, o: run_of(w.folder, o / "report")],
    "scan": [
        lambda w, o: ["scan", "--rules", w.pack, "--store", w.store, "--explain", w.call],
        lambda w, o: ["scan", "--rules", w.pack, "--store", w.store, "--explain", w.call, "--json"],
        lambda w, o: ["scan", "--rules", w.pack, "--store", w.store, "--explain", w.call, "--rule", "name", "--rule", "late"],
    ],
    "report": [
        lambda w, o: ["report", "--store", w.store, "-o", o / "r", "--format", "html,xlsx,csv,json,parquet", "--per-agent", "--clips"],
    ],
    "listen": [lambda w, o: ["listen", "--store", w.store, "-o", o / "l", "--n", "2"]],
    "search": [
        lambda w, o: ["search", "/.*(电话|身份证|卡号|住在|我叫|微信).*/|/七七.*/", "--store", w.store],
        lambda w, o: ["search", "尽快 NEAR/9turns /电话.*/", "--store", w.store, "--json"],
        lambda w, o: ["search", "尽快", "--store", w.store, "--out", o / "f.csv"],
        lambda w, o: ["search", "尽快|微信|entity:phone", "--store", w.store, "--out", o / "f.jsonl"],
        lambda w, o: ["search", "身份证", "--store", w.store],
    ],
    "review draw": [
        lambda w, o: ["review", "draw", "--store", w.store, "-o", o / "p", "--rule", "said", "--rule", "asked", "--evidence", "--seed", "2"],
    ],
    "rules impact": [
        lambda w, o: ["rules", "impact", w.pack, w.changed, "--store", w.store, "--html", o / "i.html"],
        lambda w, o: ["rules", "impact", w.pack, w.changed, "--store", w.store, "--json"],
    ],
    "rules suggest": [
        lambda w, o: ["rules", "suggest", "--store", w.store, "--rules", w.pack, "--labels", w.labels, "--role", "customer"],
        lambda w, o: ["rules", "suggest", "--store", w.store, "--rules", w.pack, "--role", "anyone", "--json"],
    ],
    "store export": [
        (lambda w, o, t=t, f=f: ["store", "export", t, "--store", w.store, "--format", f, "-o", o / f"x.{f}"])
        for t in TABLES
        for f in ("jsonl", "csv", "parquet")
        if t != "scores"
    ],
    "transcribe": [
        lambda w, o: ["transcribe", w.folder / "calls", "--store", o / "s", "--model", w.folder / "said.jsonl", "--workers", "1",
                      "--write", "txt,srt,vtt,json", "--write-dir", o / "beside"],
    ],
}  # fmt: skip
"""What verbs print and write of what was said, without `--redact`."""

SERVED = {"review serve": "its pages are asked for below"}

ALWAYS_MASKED: dict[str, Command] = {
    "search --as-rule": lambda w, o: ["search", "尽快", "--store", w.store, "--as-rule"],
}

WORDLESS: dict[str, list[Command]] = {
    "score": [lambda w, o: ["score", "--store", w.store], lambda w, o: ["score", "--store", w.store, "--json"]],
    "rules value": [lambda w, o: ["rules", "value", "--store", w.store, "--by", "csat", "--low", "1", "--json"]],
    "rules propose": [
        lambda w, o: ["rules", "propose", w.pack, w.changed, "--reason", "r", "--by", "b", "-o", o / "x.qcproposal", "--store", w.store],
    ],
    "review agreement": [lambda w, o: ["review", "agreement", "--store", w.store, "--json"]],
    "review take": [lambda w, o: ["review", "take", w.folder / "answers.csv", "--store", w.store, "--json"]],
    "store info": [lambda w, o: ["store", "info", "--store", w.store]],
    "store check": [lambda w, o: ["store", "check", "--store", w.store]],
    "store compact": [lambda w, o: ["store", "compact", "--store", w.store]],
    "scan": [lambda w, o: ["scan", "--rules", w.pack, "--store", w.store, "--redo", "--processes", "1", "--json"]],
}  # fmt: skip
"""Verbs that look into a store and tell no word of any call, asked or not."""

NO_STORE = {
    "demo", "plan", "import", "doctor", "rules check", "rules test", "rules list", "rules new", "rules schema", "rules explain", "rules diff",
    "rules flat", "rules book", "rules to-excel", "rules from-excel", "rules convert", "rules conform", "rules review", "rules export",
    "rules keygen", "rules sign", "rules trust", "rules verify", "rules import", "rules prove",
}  # fmt: skip
"""Verbs that print nothing of a store's calls: they read packs, or recordings that nobody has heard yet, or count tables."""


def everything(folder: Path) -> str:
    """All text in all files below a folder, in whatever a format writes it."""
    texts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".mp3", ".wav")):
        texts.append(str(path.relative_to(folder)))
        data = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(io.BytesIO(data)) as book:
                data = b"\n".join(book.read(name) for name in book.namelist())
        if path.suffix == ".parquet":
            data = json.dumps(pl.read_parquet(path).to_dicts(), ensure_ascii=False, default=str).encode()
        texts.append(data.decode("utf-8"))
    return "\n".join(texts)


def secrets_in(text: str) -> list[str]:
    """The personal data in a text, written plainly, as HTML, as JSON, with marks of evidence in it."""
    plain = html.unescape(re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m.group(1), 16)), text))
    plain += re.sub(r"</?(?:mark|b|span|em|strong|r|t|rPr|si)\b[^>]*>", "", plain)
    return [secret for secret in SECRETS if secret in plain]


def told(command: Command, world: World, out: Path, *more: str) -> str:
    out.mkdir()
    said = qc(*command(world, out), *more)
    written = [p for p in out.iterdir() if p.name != "s"]  # the store itself keeps what was said
    return said + "\n".join(everything(p) if p.is_dir() else everything(p.parent) for p in written)


def numbered(table: dict[str, list[Command]]) -> list[Any]:
    return [pytest.param(command, id=f"{name} {i}") for name, listed in table.items() for i, command in enumerate(listed, 1)]


@pytest.mark.parametrize("command", numbered(OUTPUTS))
def test_what_shows_without_is_masked_with_redact(world: World, tmp_path: Path, command: Command) -> None:
    assert secrets_in(told(command, world, tmp_path / "plain")), "personal data does not reach this output: it shows nothing"
    left = secrets_in(told(command, world, tmp_path / "masked", "--redact"))
    beside_recordings = "--write-dir" in command(world, tmp_path)  # files there are named as the recordings are
    assert left == (["13912345678"] if beside_recordings else [])


@pytest.mark.parametrize("command", [*numbered(WORDLESS), *(pytest.param(c, id=n) for n, c in ALWAYS_MASKED.items())])
def test_what_tells_no_words_needs_no_redact(world: World, tmp_path: Path, command: Command) -> None:
    assert secrets_in(told(command, world, tmp_path / "out")) == []


def test_every_verb_is_in_a_table() -> None:
    def verbs(command: Any, before: str = "") -> dict[str, set[str]]:
        if not hasattr(command, "commands"):
            return {before.strip(): {name for p in command.params for name in p.opts}}
        found: dict[str, set[str]] = {}
        for name, one in command.commands.items():
            found |= verbs(one, f"{before} {name}")
        return found

    known = verbs(get_command(app))
    assert set(known) == OUTPUTS.keys() | SERVED.keys() | WORDLESS.keys() | NO_STORE
    assert {name for name, options in known.items() if "--redact" in options} == OUTPUTS.keys() | SERVED.keys()
    assert all("--store" not in known[name] or name in ("demo", "import", "plan", "doctor") for name in NO_STORE)


@pytest.mark.parametrize("redact", [False, True])
def test_the_pages_that_are_served(world: World, redact: bool) -> None:
    store = Store(world.store)
    server = ReviewServer(store, store.read("review_plan").to_pylist(), PageOptions(redact=redact, evidence=True))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
        text = ""
        for name in ("index.html", "zh/index.html", "en/index.html"):
            connection.request("GET", f"/{server.token}/{name}")
            text += connection.getresponse().read().decode()
        connection.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert bool(secrets_in(text)) is not redact


PERSONAL_TURNS = {n for n, (_, text) in enumerate(SAID) if text not in ("您好请问怎么称呼", "嗯", "好的我们今天处理")}
"""Turns of which something is personal; the recogniser gives no times of characters here, so the whole turn goes."""


@pytest.mark.parametrize(
    "command",
    [
        lambda w, o: ["report", "--store", w.store, "-o", o / "x", "--format", "html", "--clips", "--redact"],
        lambda w, o: ["listen", "--store", w.store, "-o", o / "x", "--n", "2", "--redact"],
        lambda w, o: ["review", "draw", "--store", w.store, "-o", o / "x", "--rule", "said", "--seed", "3", "--redact"],
    ],
    ids=["report", "listen", "review"],
)
def test_what_is_masked_in_the_words_is_a_tone_in_the_sound(world: World, tmp_path: Path, command: Command) -> None:
    told(command, world, tmp_path / "out")
    heard: dict[int, set[int]] = {}
    for path in (tmp_path / "out").rglob("*.mp3"):
        samples = np.concatenate(list(blocks_of(path, Stream(), DecodeOptions(rate_hz=16_000))), axis=1)
        assert samples.shape[0] == 2
        for channel in samples:
            pitches = [pitch(channel, ms) for ms in range(0, channel.size // 16 - 400, 200)]
            known = {n for n in range(len(SAID)) if any(abs(p - pitch_of(n)) < 4 for p in pitches)}
            beeped = any(abs(p - TONE_HZ) < 4 for p in pitches)
            heard[len(heard)] = known | ({-1} if beeped else set())
    assert heard
    assert not [n for turns in heard.values() for n in turns & PERSONAL_TURNS]
    assert any(-1 in turns and turns - {-1} for turns in heard.values()), "nothing is left to hear, or nothing is drowned out"


def pitch(channel: Any, ms: int) -> float:
    """The strongest frequency of 400 ms, Hz; 0 where there is no sound."""
    piece = channel[ms * 16 : (ms + 400) * 16]
    if np.abs(piece).max() < 0.01:
        return 0.0
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(piece.size)))
    return float(np.fft.rfftfreq(piece.size, 1 / 16_000)[spectrum.argmax()])
