"""Patterns that take for ever in other engines: they end here, or are refused with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qc.packs.conditions import Term
from qc.packs.patterns import BadPattern, compile_pattern
from qc.scan.evaluate import PackScanner
from qc.scan.finding import Finder
from qc.scan.folding import normal_forms
from qc.scan.view import MAX_TURN_CHARS, view

COLLECTION = Path(__file__).parents[3] / "shared" / "data" / "suite_match" / "redos"

CATASTROPHIC = [
    ("(a+)+$", "a", "!"),
    ("(a*)*b", "a", "c"),
    ("(a|a)*b", "a", "c"),
    ("(a|aa)+$", "a", "b"),
    ("(.*)*退", "快", "款"),
    ("(.*?,){11}p", "1,", "x"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a", "1"),
    (r"(\d+)+元", "1", "块"),
    (r"(\w+\s?)*好$", "请 ", "!"),
    ("(x+x+)+y", "x", "z"),
    ("((ab)*)*c", "ab", "d"),
    ("(a?){50}a{50}", "a", ""),
    (r"([一-龥]+)*$", "尽快", "1"),
    ("(?:快{1,20}){1,20}慢", "快", "好"),
    ("^(.+.+)+退$", "请", "款"),
]


@pytest.mark.parametrize(("pattern", "pump", "end"), CATASTROPHIC)
def test_a_pattern_that_backtracks_elsewhere_ends_here(pattern: str, pump: str, end: str) -> None:
    try:
        compile_pattern(pattern)
    except BadPattern as refused:
        assert refused.hint
        return
    text = (pump * MAX_TURN_CHARS)[: MAX_TURN_CHARS - len(end)] + end
    Finder([Term("pattern", pattern)]).find(normal_forms([text] * 5))


@pytest.mark.skipif(not COLLECTION.is_dir(), reason="the collection of expressions is not here")
def test_the_collection_ends_or_is_refused_with_a_hint() -> None:
    texts = [(pump * MAX_TURN_CHARS)[: MAX_TURN_CHARS - 1] + "!" for pump in ("a", "1", "ab ", "<a>", "a.", "a@", "x-1 ")]
    folded = normal_forms(texts)
    refused = kept = 0
    for file in sorted(COLLECTION.glob("*.txt")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                compile_pattern(line)
            except BadPattern as bad:
                assert bad.message
                assert bad.hint
                refused += 1
                continue
            kept += 1
            Finder([Term("pattern", line)]).find(folded)
    assert kept > refused


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        ("投诉(?!电话)", "write /投诉/ and `except: [/投诉(?:电话)/]`"),
        ("(?<!不|别)投诉", "write /投诉/ and `except: [/(?:不|别)投诉/]`"),
        ("投诉(?=电话)", "write /投诉(?:电话)/"),
        ("(?<=我要)投诉", "write /(?:我要)投诉/"),
        ("(?>a+)b", "write /(?:a+)b/: nothing is tried twice here anyway"),
        ("a++b", "write /a+b/: nothing is tried twice here anyway"),
        ("[0-9]{2,4}+天", "write /[0-9]{2,4}天/: nothing is tried twice here anyway"),
    ],
)
def test_what_to_write_instead(pattern: str, instead: str) -> None:
    with pytest.raises(BadPattern) as refused:
        compile_pattern(pattern)
    assert refused.value.hint == instead


@pytest.mark.parametrize(
    ("refused", "when", "hits", "misses"),
    [
        ("投诉(?!电话)", "{says: [/投诉/], except: ['/投诉(?:电话)/']}", ["我要投诉"], ["投诉电话是多少", "好"]),
        ("(?<!不|别)投诉", "{says: [/投诉/], except: ['/(?:不|别)投诉/']}", ["我要投诉", "不投诉我投诉"], ["别投诉"]),
    ],
)
def test_the_rewrite_means_the_same(
    make_pack: Any, make_row: Any, refused: str, when: str, hits: list[str], misses: list[str]
) -> None:
    import re

    scanner = PackScanner(make_pack({"r": when}))
    for text, wanted in [*((t, "hit") for t in hits), *((t, "miss") for t in misses)]:
        assert bool(re.search(refused.replace("不|别", "[不别]"), text)) == (wanted == "hit")
        call = view(make_row([{"role": "agent", "channel": 0, "start_ms": 0, "end_ms": 900, "text": text}]))
        assert scanner.findings(call, scanner.scan([call])[0])[0].verdict == wanted


@pytest.mark.parametrize("pattern", ["(?-m)^a", "(?s-m:^a)", r"\u4e00", "(a", r"(a)\1", "a{2000}", r"a\r"])
def test_what_cannot_be_is_refused_with_a_hint(pattern: str) -> None:
    with pytest.raises(BadPattern) as refused:
        compile_pattern(pattern)
    assert refused.value.hint
