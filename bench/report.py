"""A month of calls to scores, tables and pages: how long, how much memory, how large the largest page is.

    python bench/report.py [--quick] [--json FILE] [--keep FOLDER]

The month is made, not recorded: 1,000,000 calls of 3,000 agents at 20 providers over 30 days and four queues, with the rules of
`rules/ecommerce-zh`. Every agent, provider and queue has its own true rates (seeded); each hit quotes a turn that is really in
the call's transcript; 2 % of the calls failed, in 4 % something was not heard. `--quick` makes a tenth of it, and asks for a tenth
of what a report bounds (`--told`, `--call-pages`): else it would tell as many calls as the month does.

Measured are `qc score` and `qc report` (all formats, both languages, no recordings) as whole processes, one after the other;
making the month is not measured. `peak_rss_mb` is the larger one's peak, summed over its processes (Linux; elsewhere of one). `month_seconds` is their time for the whole month:
measured, or with --quick ten times the measured (`month_measured` says which).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from qc.packs import load_pack
from qc.packs.flatten import save
from qc.store import Store
from qc.tables import schema

HOME = Path(__file__).resolve().parents[1]
MONTH = (1_000_000, 3_000, 20)
BATCH = 50_000
TURNS = 12
QUEUES = ("售前", "售后", "退款", "物流")
SAID = (
    *("您好，很高兴为您服务。", "我的快递三天没动了。", "麻烦您报一下订单号。", "我看到了，包裹在中转站。", "那什么时候能到？"),
    *("预计明天下午六点前送到。", "退款多久到账？", "审核通过后二十四小时内原路退回。", "我再核对一下地址。", "地址没有变。"),
    *("给您登记好了。", "好的，谢谢。", "感谢您的来电，再见。", "请稍等，我查一下。", "这个商品还有货吗？"),
)


def make(store: Store, calls: int, agents: int, providers: int) -> None:
    """Write the tables of a month into an empty store."""
    pack = load_pack(HOME / "rules" / "ecommerce-zh")
    save(store, pack)
    rng = np.random.default_rng(20251101)
    rules = len(pack.rules)
    skill = rng.gamma(4.0, 0.25, agents)
    house = rng.gamma(20.0, 0.05, providers)
    usual = rng.beta(0.6, 24, rules)
    of_agent = rng.integers(0, providers, agents)
    hard = np.array([0.8, 1.0, 1.5, 1.1])
    for start in range(0, calls, BATCH):
        n = min(BATCH, calls - start)
        agent = rng.integers(0, agents, n)
        queue = rng.integers(0, len(QUEUES), n)
        rate = usual[None, :] * (skill[agent] * house[of_agent[agent]] * hard[queue])[:, None]
        hit = rng.random((n, rules)) < np.minimum(rate, 0.9)
        unsure = (rng.random(n) < 0.04)[:, None] & ~hit & (rng.random((n, rules)) < 0.15)
        failed = rng.random(n) < 0.02
        hit[failed] = unsure[failed] = False
        ids = pa.array([f"m{start + i:07d}" for i in range(n)])
        day = rng.integers(0, 30, n)
        _write_calls(store, ids, (agent, of_agent[agent], queue, day), rng)
        at = _write_transcripts(store, ids, failed, rng)
        _write_findings(store, ids, pack, (hit, unsure, failed), at)


def _write_calls(store: Store, ids: pa.Array, who: tuple[Any, Any, Any, Any], rng: np.random.Generator) -> None:
    agent, provider, queue, day = who
    hour = rng.integers(8, 22, len(ids))
    rows = {
        "call_id": ids,
        "file": pa.array([f"{i}.wav" for i in ids.to_pylist()]),
        "listed": pa.array(np.ones(len(ids), bool)),
        "found": pa.array(np.ones(len(ids), bool)),
        "agent_id": pa.array([f"{a:05d}" for a in agent]),
        "agent_name": pa.array([f"坐席{a:05d}" for a in agent]),
        "provider": pa.array([f"服务商{p:02d}" for p in provider]),
        "queue": pa.array([QUEUES[q] for q in queue]),
        "started_at": pa.array([f"2025-11-{d + 1:02d}T{h:02d}:15:00+08:00" for d, h in zip(day, hour, strict=True)]),
    }
    store.append("calls", _table("calls", rows, len(ids)))


def _write_transcripts(store: Store, ids: pa.Array, failed: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Transcripts of `TURNS` turns a call; start and end of each turn, int64 [calls, turns] each."""
    n = len(ids)
    length = rng.integers(1_200, 9_000, (n, TURNS))
    gap = rng.integers(100, 1_500, (n, TURNS))
    end = np.cumsum(length + gap, axis=1)
    start = end - length
    words = pa.array(SAID).take(pa.array(rng.integers(0, len(SAID), n * TURNS)))
    role = pa.array(["agent", "customer"]).take(pa.array(np.tile(np.arange(TURNS) % 2, n)))
    turns = {
        "turn": pa.array(np.tile(np.arange(TURNS, dtype=np.int32), n)),
        "channel": pa.array(np.tile((np.arange(TURNS) % 2).astype(np.int32), n)),
        "role": role,
        "start_ms": pa.array(start.ravel()),
        "end_ms": pa.array(end.ravel()),
        "text": words,
    }
    spans = {k: turns[k] for k in ("channel", "role", "start_ms", "end_ms")} | {"heard": pa.array(rng.random(n * TURNS) < 0.99)}
    speech = length.reshape(n, TURNS // 2, 2).sum(axis=1)
    heard = (speech * np.where(rng.random((n, 1)) < 0.04, 0.8, 0.995)).astype(np.int64)
    roles = {
        "channel": pa.array(np.tile(np.arange(2, dtype=np.int32), n)),
        "role": pa.array(["agent", "customer"]).take(pa.array(np.tile(np.arange(2), n))),
        "speech_ms": pa.array(speech.ravel()),
        "heard_ms": pa.array(heard.ravel()),
    }
    fine = ~failed
    rows = {
        "call_id": ids,
        "status": _status(failed),
        "reason": _reason(failed),
        "duration_ms": pa.array(end[:, -1] + 1_000),
        "engine": pa.array(["replay"] * n),
        "model": pa.array(["truth.jsonl"] * n),
        "turns": _lists("transcripts", "turns", turns, np.where(fine, TURNS, 0), np.repeat(fine, TURNS)),
        "spans": _lists("transcripts", "spans", spans, np.where(fine, TURNS, 0), np.repeat(fine, TURNS)),
        "roles": _lists("transcripts", "roles", roles, np.where(fine, 2, 0), np.repeat(fine, 2)),
    }
    store.append("transcripts", _table("transcripts", rows, n))
    return start, end


def _write_findings(store: Store, ids: pa.Array, pack: Any, what: tuple[Any, Any, Any], at: tuple[Any, Any]) -> None:
    hit, unsure, failed = what
    n = len(ids)
    call, rule = np.nonzero(hit | unsure)
    sure = hit[call, rule]
    turn = (rule * 5 + call) % TURNS
    start, end = at[0][call, turn], at[1][call, turn]
    evidence = {
        "turn": pa.array(turn[sure].astype(np.int32)),
        "role": pa.array(["agent", "customer"]).take(pa.array(turn[sure] % 2)),
        "start_ms": pa.array(start[sure]),
        "end_ms": pa.array(end[sure]),
        "char_start": pa.array(np.zeros(int(sure.sum()), np.int32)),
        "char_end": pa.array(np.full(int(sure.sum()), 4, np.int32)),
        "quote": pa.array(["我查一下"] * int(sure.sum())),
    }
    verdicts = {
        "rule": pa.array([r.id for r in pack.rules]).take(pa.array(rule)),
        "verdict": pa.array(["undecided", "hit"]).take(pa.array(sure.astype(np.int64))),
        "severity": pa.array([r.severity for r in pack.rules]).take(pa.array(rule)),
        "count": pa.array(sure.astype(np.int32)),
        "coverage": pa.array(np.where(sure, 1.0, 0.7).astype(np.float32)),
        "why": pa.array(["not_heard", ""]).take(pa.array(sure.astype(np.int64))),
    }
    kind = schema("findings").field("verdicts").type.value_type
    verdicts["evidence"] = _list_of(kind.field("evidence").type, evidence, sure.astype(np.int64))
    rows = {
        "call_id": ids,
        "pack_id": pa.array([pack.id] * n),
        "pack_version": pa.array([pack.version] * n),
        "pack_sha256": pa.array([pack.sha256] * n),
        "pack_signer": pa.array(["local"] * n),
        "status": _status(failed),
        "reason": _reason(failed),
        "rules": pa.array(np.full(n, len(pack.rules), np.int32)),
        "hits": pa.array(hit.sum(axis=1).astype(np.int32)),
        "undecided": pa.array(unsure.sum(axis=1).astype(np.int32)),
        "verdicts": _list_of(schema("findings").field("verdicts").type, verdicts, np.bincount(call, minlength=n)),
    }
    store.append("findings", _table("findings", rows, n))


def _status(failed: Any) -> pa.Array:
    return pa.array(["ok", "failed"]).take(pa.array(failed.astype(np.int64)))


def _reason(failed: Any) -> pa.Array:
    return pa.array([None, "undecodable"], pa.string()).take(pa.array(failed.astype(np.int64)))


def _lists(table: str, name: str, members: dict[str, pa.Array], lengths: Any, keep: Any) -> pa.Array:
    mask = pa.array(keep)
    return _list_of(schema(table).field(name).type, {k: v.filter(mask) for k, v in members.items()}, lengths)


def _list_of(kind: pa.ListType, members: dict[str, pa.Array], lengths: Any) -> pa.Array:
    """A list-of-struct column from the lists' lengths and their members; members that are not given are null."""
    total = int(lengths.sum())
    given = [members[f.name].cast(f.type) if f.name in members else pa.nulls(total, f.type) for f in kind.value_type]
    flat = pa.StructArray.from_arrays(given, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), flat)


def _table(name: str, rows: dict[str, pa.Array], n: int) -> pa.Table:
    target = schema(name)
    return pa.table([rows[f.name].cast(f.type) if f.name in rows else pa.nulls(n, f.type) for f in target], schema=target)


def measured(*arguments: str) -> tuple[float, float]:
    """Run `qc` with these arguments as a process; wall seconds and peak memory in MB. Raises where it fails."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as talk:
        child = subprocess.Popen([sys.executable, "-m", "qc", *arguments], stdout=subprocess.DEVNULL, stderr=talk)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, _resident_mb(child.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - begin
        if child.returncode not in (0, 3):  # 3: some calls failed, as they should
            talk.seek(0)
            raise SystemExit(f"qc {' '.join(arguments)} failed:\n{talk.read().decode(errors='replace')}")
    return seconds, peak or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _resident_mb(pid: int) -> float:
    """Memory of a process and its children, MB; 0 where the system does not tell."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        children = [int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
    except (OSError, ValueError, IndexError):
        return 0.0
    return own + sum(_resident_mb(c) for c in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the month")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--keep", type=Path, help="leave the store and the report in this folder")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    calls, agents, providers = MONTH[0] // share, MONTH[1] // share, MONTH[2]
    folder = options.keep or Path(tempfile.mkdtemp(prefix="qc-bench-report-"))
    store, out = folder / "store", folder / "report"
    try:
        begin = time.perf_counter()
        make(Store(store), calls, agents, providers)
        making = time.perf_counter() - begin
        score_s, score_mb = measured("score", "--store", str(store), "--json")
        report = ("report", "--store", str(store), "-o", str(out), "--audio", "none", "--format", "html,xlsx,csv,json,parquet")
        report += ("--told", str(20_000 // share), "--call-pages", str(2_000 // share))
        report_s, report_mb = measured(*report)
        pages = sorted((p.stat().st_size, p) for p in out.rglob("*.html"))
        figures = {
            "calls": calls,
            "agents": agents,
            "providers": providers,
            "make_seconds": round(making, 1),
            "score_seconds": round(score_s, 1),
            "report_seconds": round(report_s, 1),
            "seconds": round(score_s + report_s, 1),
            "score_peak_mb": round(score_mb),
            "report_peak_mb": round(report_mb),
            "peak_rss_mb": round(max(score_mb, report_mb)),
            "pages": len(pages),
            "largest_page_mb": round(pages[-1][0] / 1e6, 3),
            "largest_page": str(pages[-1][1].relative_to(out)),
            "index_mb": round((out / "zh" / "index.html").stat().st_size / 1e6, 3),
            "report_mb": round(sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e6),
            "month_seconds": round((score_s + report_s) * share, 1),
            "month_measured": not options.quick,
        }
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    for name, value in figures.items():
        print(f"{name:>20}  {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
