"""Measures `qc` on `audio_samples/`: planted violations found, near-misses left alone, character errors per codec.

    python bench/samples.py --store qc-store --json samples.json

Runs the pipeline (calls, transcripts, findings) where the store lacks it, reads the tables, and compares them with
`truth.jsonl`. For every miss it prints what was said beside what was heard.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from qc.store import Store

ROOT = Path(__file__).resolve().parent.parent
NEAR_MS = 500  # evidence this close to a planted turn is about it: speech detection is not exact
MATTERS = {"hit": "violations found", "miss": "near-misses left alone", "undecided": "undecidable left unscored"}


@dataclass(frozen=True)
class Outcome:
    """What became of one planted line. `said` is the truth, `heard` what the recogniser made of it."""

    call_id: str
    rule: str
    planted: str
    verdict: str
    right: bool
    said: str
    heard: str
    note: str


def judge(truth: dict, finding: dict | None, transcript: dict | None) -> list[Outcome]:
    """The outcome of every plant of a call; a call without a finding (failed, missing) has the verdict `failed`.

    A hit counts only where its evidence touches the planted turn; a near-miss is left alone where no evidence does.
    """
    outcomes = []
    for plant in truth["planted"]:
        turn = None if plant["turn"] is None else truth["turns"][plant["turn"]]
        verdict, touches = _verdict(finding, plant["rule"], turn)
        hit = verdict == "hit" and touches
        right = hit if plant["verdict"] == "hit" else verdict != "failed" and not hit
        said = plant["text"] or plant["note"]
        outcomes.append(
            Outcome(
                truth["call_id"], plant["rule"], plant["verdict"], verdict, right, said, _heard(transcript, turn), plant["note"]
            )
        )
    return outcomes


def _verdict(finding: dict | None, rule: str, turn: dict | None) -> tuple[str, bool]:
    """(verdict of the rule on the call, whether its evidence is about the turn)."""
    if finding is None or finding["status"] != "ok":
        return "failed", False
    for item in finding["verdicts"] or []:
        if item["rule"] == rule:
            evidence = [e for e in item["evidence"] or [] if e["start_ms"] is not None]
            touches = turn is None or not evidence or any(_touch(e, turn) for e in evidence)
            return item["verdict"], touches
    return "miss", False


def _touch(one: dict, other: dict) -> bool:
    return one["start_ms"] < other["end_ms"] + NEAR_MS and other["start_ms"] < one["end_ms"] + NEAR_MS


def _heard(transcript: dict | None, turn: dict | None) -> str:
    """What the transcript has at the time and on the channel of a planted turn; flags in brackets."""
    if turn is None or transcript is None:
        return ""
    heard = []
    for t in transcript["turns"] or []:
        middle = (t["start_ms"] + t["end_ms"]) / 2
        if t["channel"] == turn["channel"] and _touch({"start_ms": middle, "end_ms": middle}, turn):
            heard.append(t["text"] + "".join(f"[{f}]" for f in t["flags"] or []))
    return " | ".join(heard)


def false_alarms(truth: dict, finding: dict | None) -> list[dict]:
    """Hits that nobody planted in this call."""
    wanted = {p["rule"] for p in truth["planted"] if p["verdict"] == "hit"}
    verdicts = (finding or {}).get("verdicts") or []
    return [
        {"call_id": truth["call_id"], "rule": v["rule"], "quotes": [e["quote"] for e in v["evidence"] or []]}
        for v in verdicts
        if v["verdict"] == "hit" and v["rule"] not in wanted
    ]


def misheard(truth: dict, transcript: dict | None) -> list[dict]:
    """The turns of a call that were not heard as they were said: why a verdict is wrong stands in one of them."""
    pairs = [(turn, _heard(transcript, turn)) for turn in truth["turns"]]
    return [
        {"call_id": truth["call_id"], "role": turn["role"], "said": turn["text"], "heard": heard}
        for turn, heard in pairs
        if plain(turn["text"]) != plain(heard)
    ]


# ------------------------------------------------------------------ character errors
def plain(text: str) -> str:
    """The characters that count: no punctuation, no spaces."""
    return "".join(c for c in text if c.isalnum())


def errors(said: str, heard: str) -> int:
    """Edit distance of two strings of plain characters."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def channel_errors(truth: dict, transcript: dict) -> tuple[int, int]:
    """(errors, characters said), channel by channel in the order of time. Quarantined turns count as not heard."""
    wrong = total = 0
    for channel in range(transcript["channels"]):
        said = plain("".join(t["text"] for t in truth["turns"] if t["channel"] == channel))
        turns = [t for t in transcript["turns"] or [] if t["channel"] == channel and not t["flags"]]
        wrong += errors(said, plain("".join(t["text"] for t in turns)))
        total += len(said)
    return wrong, total


# ------------------------------------------------------------------ the report
def compare(truths: list[dict], findings: dict[str, dict], transcripts: dict[str, dict]) -> dict:
    """Everything measured, as data for `--json`. `findings` and `transcripts` by call id."""
    outcomes: list[Outcome] = []
    alarms: list[dict] = []
    cer: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for truth in truths:
        finding, transcript = findings.get(truth["call_id"]), transcripts.get(truth["call_id"])
        outcomes += judge(truth, finding, transcript)
        alarms += false_alarms(truth, finding)
        if transcript and transcript["status"] == "ok" and truth["turns"] and not truth["duplicate_of"]:
            for key in (truth["codec"], "all"):
                for i, n in enumerate(channel_errors(truth, transcript)):
                    cer[key][i] += n
    rules: dict[str, dict] = {}
    for o in outcomes:
        row = rules.setdefault(o.rule, {"planted": 0, "found": 0, "near": 0, "left_alone": 0, "false_alarms": 0})
        if o.planted == "hit":
            row["planted"] += 1
            row["found"] += o.right
        elif o.planted == "miss":
            row["near"] += 1
            row["left_alone"] += o.right
    for rule, n in Counter(a["rule"] for a in alarms).items():
        rules.setdefault(rule, {"planted": 0, "found": 0, "near": 0, "left_alone": 0, "false_alarms": 0})["false_alarms"] = n
    odd = {o.call_id for o in outcomes if not o.right} | {a["call_id"] for a in alarms}
    turns = [m for t in truths if t["call_id"] in odd for m in misheard(t, transcripts.get(t["call_id"]))]
    totals = {name: _share([o for o in outcomes if o.planted == kind]) for kind, name in MATTERS.items()}
    return {
        "totals": totals,
        "verdicts": {kind: dict(Counter(o.verdict for o in outcomes if o.planted == kind)) for kind in MATTERS},
        "rules": rules,
        "wrong": [asdict(o) for o in outcomes if not o.right],
        "false_alarms": alarms,
        "misheard": turns,
        "cer": {k: {"errors": e, "characters": n, "cer": round(e / n, 4)} for k, (e, n) in sorted(cer.items()) if n},
    }


def _share(outcomes: list[Outcome]) -> dict:
    right = sum(o.right for o in outcomes)
    return {"right": right, "of": len(outcomes), "share": round(right / len(outcomes), 4) if outcomes else None}


def show(result: dict) -> None:
    """The figures for a person."""
    print(f"{'rule':32} {'found':>9} {'left alone':>11} {'false alarms':>13}")
    for rule, r in sorted(result["rules"].items()):
        mark = "" if r["found"] == r["planted"] and r["left_alone"] == r["near"] and not r["false_alarms"] else "  <"
        print(f"{rule:32} {r['found']:4}/{r['planted']:<4} {r['left_alone']:5}/{r['near']:<5} {r['false_alarms']:13}{mark}")
    _show_wrong(result)
    print("\ncharacter error rate")
    for codec, c in result["cer"].items():
        print(f"   {codec:10} {c['cer']:7.1%}  ({c['errors']} of {c['characters']})")
    print()
    for name, t in result["totals"].items():
        print(f"{name}: {t['right']} of {t['of']}" + (f" ({t['share']:.1%})" if t["of"] else ""))
    print(f"verdicts: {result['verdicts']}")


def _show_wrong(result: dict) -> None:
    """Call by call: what was decided wrongly, then the turns that were heard otherwise than they were said."""
    for call_id in sorted({w["call_id"] for w in (*result["wrong"], *result["false_alarms"])}):
        print(f"\n{call_id}")
        for o in (o for o in result["wrong"] if o["call_id"] == call_id):
            print(f"   {o['rule']}: planted {o['planted']}, verdict {o['verdict']}; said {o['said']}, heard {o['heard'] or '-'}")
        for a in (a for a in result["false_alarms"] if a["call_id"] == call_id):
            print(f"   {a['rule']}: nobody planted this; evidence {[q for q in a['quotes'] if q] or 'what was not heard'}")
        for m in (m for m in result["misheard"] if m["call_id"] == call_id):
            print(f"      {m['role']:9} {m['said']}\n      {'heard':9} {m['heard'] or '-'}")


def read_truth(folder: Path) -> list[dict]:
    """The lines of truth.jsonl."""
    return [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


def read_rows(store: Store, table: str) -> dict[str, dict]:
    """A table's rows by call id."""
    return {row["call_id"]: row for row in store.read(table).to_pylist()}


def run_pipeline(samples: Path, rules: Path, store: Path, model: str) -> None:
    """`qc transcribe` and `qc scan` as a user runs them. Exit code 3 (some recordings are broken on purpose) is expected."""
    calls = [str(samples), "--calls", str(samples / "calls.csv"), "--store", str(store), "--model", model]
    for words in (["transcribe", *calls], ["scan", "--rules", str(rules), "--store", str(store)]):
        code = subprocess.run([sys.executable, "-m", "qc", *words], check=False).returncode
        if code not in (0, 3):
            sys.exit(f"qc {words[0]} ended with exit code {code}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=ROOT / "audio_samples")
    parser.add_argument("--rules", type=Path, default=ROOT / "rules" / "ecommerce-zh")
    parser.add_argument("--store", type=Path, default=ROOT / "qc-store" / "samples")
    parser.add_argument("--model", default="demo-zh")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    run_pipeline(options.samples, options.rules, options.store, options.model)
    store = Store(options.store)
    result = compare(read_truth(options.samples), read_rows(store, "findings"), read_rows(store, "transcripts"))
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
