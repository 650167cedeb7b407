"""The random packs reach what they are there for: every condition with each verdict, every window, every reason, every kind of text.

A comparison of scanner and reference says nothing of a cell that no example gets to. So the reference is asked, over a few
hundred packs of fixed seeds, how often each is reached; one that (nearly) never is fails here, and the generator wants mending.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import random_packs

from qc.conformance import reference
from qc.conformance.dispatch import EVALUATORS
from qc.packs.conditions import Beside, NeverSays, Says
from qc.packs.reasons import WHY
from qc.packs.syntax import NAMES
from qc.packs.trust import trust_local
from qc.text.normal import normal_text

PACKS, CALLS = 400, 4
VERDICTS = ("hit", "miss", "undecided")


def features(condition: Any) -> Iterator[str]:
    """What is special about a condition: its name, its window, what it asks of words."""
    name = NAMES[type(condition)]
    yield name
    if isinstance(condition, Says | NeverSays):
        window = condition.window
        if isinstance(window, Beside):
            yield f"beside {window.side} {window.gap.unit if window.gap else 'the edge'}"
            yield f"beside which {window.which}"
        elif window is not None:
            yield f"{name} in {window.side} {window.unit}"
            yield f"in turns of {window.of}" if window.unit == "turns" else ""
        for key in ("unless", "except_"):
            yield f"{name} {key}" if getattr(condition, key, ()) else ""
        yield from (f"{name} {term.kind}" for term in condition.terms)
    for key in ("need", "times"):
        yield f"{name} {key}" if getattr(condition, key, 1) not in (1, 2 if name == "repeat" else 1) else ""
    for key in ("what", "per"):
        yield f"{name} {getattr(condition, key)}" if isinstance(getattr(condition, key, None), str) else ""


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Counter[Any]:
    """How often each (feature, verdict), reason, and kind of call was there."""
    folder = tmp_path_factory.mktemp("reach")
    found: Counter[Any] = Counter()
    plain = dict(EVALUATORS)

    def counted(kind: type) -> Any:
        def evaluate(condition: Any, call: Any) -> Any:
            outcome = plain[kind](condition, call)
            found.update((feature, outcome.verdict) for feature in {*features(condition)} if feature)
            return outcome

        return evaluate

    with pytest.MonkeyPatch.context() as patch:
        for kind in plain:
            patch.setitem(EVALUATORS, kind, counted(kind))
        for seed in range(PACKS):
            rng = Random(seed)
            file = folder / "pack.json"
            file.write_text(json.dumps(random_packs.pack(rng), ensure_ascii=False), encoding="utf-8")
            pack = trust_local(file).pack
            for _ in range(CALLS):
                row, listed = random_packs.transcript(rng), random_packs.call_list(rng)
                found.update(kinds_of(row))
                for rule in pack.rules:
                    found.update(_of_finding(reference.finding(rule, pack, row, listed)))
    return found


def _of_finding(finding: dict[str, Any]) -> Iterator[Any]:
    yield "rule", finding["verdict"]
    yield "why", finding["why"]
    share = finding["coverage"]
    yield "partial coverage", share is not None and 0 < share < 1
    yield "counted again", finding["count"] > 1
    yield "several pieces of evidence", len(finding["evidence"]) > 1
    for piece in finding["evidence"]:
        quote = piece["quote"] or ""
        yield "evidence", "between turns" if piece["turn"] is None else "in a turn"
        yield "quote is not its normal form", bool(quote) and quote != normal_text(quote)


def kinds_of(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What there is in a call."""
    for one in row["turns"]:
        text = one["text"]
        kinds = {unicodedata.category(c) for c in text}
        scripts = {unicodedata.name(c, "?").split()[0] for c in text if c.isalpha()}
        yield "text", "empty" if not text else "some"
        yield "role", str(one["role"])
        for name in scripts & {"CJK", "LATIN", "FULLWIDTH", "THAI", "HANGUL", "ARABIC"}:
            yield "text", name
        for name, there in (
            ("mixed scripts", len(scripts) > 1),
            ("emoji", any(0x1F300 <= ord(c) < 0x1FA00 for c in text)),
            ("combining", "Mn" in kinds),
            ("digits", "Nd" in kinds),
            ("traditional", "訴" in text),
            ("flagged", bool(one["flags"])),
            ("character times", one["char_ms"] is not None and len(one["char_ms"]) == len(text)),
        ):
            if there:
                yield "text", name
    timed = [t for t in row["turns"] if t["start_ms"] is not None]
    if any(b["start_ms"] < a["end_ms"] for a, b in pairwise(timed)):
        yield "call", "overlapping turns"
    if any(b["start_ms"] == a["start_ms"] for a, b in pairwise(timed)):
        yield "call", "turns at the same time"
    if {s["heard"] for s in row["spans"]} == {True, False}:
        yield "call", "partly heard"
    for warning in row["warnings"]:
        yield "call", warning
    yield "call", "no spans" if not row["spans"] else "spans"
    yield "call", "no turns" if not row["turns"] else "turns"


def few(reached: Counter[Any], cells: list[tuple[str, Any]], least: int) -> list[str]:
    return [f"{cell}: {reached[cell]}" for cell in cells if reached[cell] < least]


def test_every_condition_has_every_verdict(reached: Counter[Any]) -> None:
    assert few(reached, [(name, verdict) for name in NAMES.values() for verdict in VERDICTS], 6) == []
    kinds = ["count hits", "count turns", "count role_changes", "level loudness", "level rise", "speed turn", "speed call"]
    kinds += ["says unless", "says except_", "never_says except_", "says need", "says times"]
    assert few(reached, [(name, verdict) for name in kinds for verdict in VERDICTS], 3) == []


def test_every_window_has_every_verdict(reached: Counter[Any]) -> None:
    cells = [
        f"{name} in {side} {unit}" for name in ("says", "never_says") for side in ("first", "last") for unit in ("ms", "turns")
    ]
    cells += [f"beside {side} {gap}" for side in ("before", "after") for gap in ("the edge", "ms", "turns", "chars")]
    cells += [f"beside around {gap}" for gap in ("ms", "turns", "chars")]
    cells += [f"beside which {which}" for which in ("any", "every", "1", "-1", "2")]
    assert few(reached, [(cell, verdict) for cell in cells for verdict in VERDICTS], 1) == []
    assert few(reached, [(f"in turns of {who}", "hit") for who in ("None", "agent", "customer", "anyone")], 3) == []


def test_every_way_to_write_a_word_is_found(reached: Counter[Any]) -> None:
    kinds = ("word", "sound", "fuzzy", "similar", "entity", "pattern")
    assert few(reached, [(f"{name} {kind}", "hit") for name in ("says", "never_says") for kind in kinds], 5) == []


def test_every_reason_comes_up(reached: Counter[Any]) -> None:
    alone_in_the_suite = {"too_many"}
    """A hundred places in one call: too long for a random one."""
    assert few(reached, [("why", why) for why in WHY if why not in alone_in_the_suite], 4) == []
    assert few(reached, [("rule", verdict) for verdict in (*VERDICTS, "not_applicable")], 100) == []
    rest = ["partial coverage", "counted again", "several pieces of evidence", "quote is not its normal form"]
    assert few(reached, [(name, True) for name in rest], 5) == []


def test_texts_and_calls_are_as_odd_as_they_come(reached: Counter[Any]) -> None:
    texts = ["empty", "CJK", "LATIN", "FULLWIDTH", "THAI", "HANGUL", "ARABIC", "mixed scripts", "emoji", "combining", "digits"]
    assert few(reached, [("text", kind) for kind in (*texts, "traditional", "flagged", "character times")], 15) == []
    assert few(reached, [("role", role) for role in ("agent", "customer", "system", "unknown", "None")], 50) == []
    calls = ["overlapping turns", "turns at the same time", "partly heard", "no_times", "truncated", "no spans", "no turns"]
    assert few(reached, [("call", kind) for kind in calls], 15) == []


def test_the_evidence_is_of_both_kinds(reached: Counter[Any]) -> None:
    assert few(reached, [("evidence", "in a turn"), ("evidence", "between turns")], 100) == []


def test_the_file_of_random_packs_is_the_one_compared() -> None:
    source = Path(__file__).with_name("test_evaluator.py").read_text(encoding="utf-8")
    assert "random_packs.pack(rng)" in source and "random_packs.transcript(rng" in source
