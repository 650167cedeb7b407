"""What a pattern needs: a text that holds none of it is never matched, and the usual patterns need something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.packs.patterns import BadPattern, compile_pattern
from qc.scan.atoms import atoms
from qc.text.script import simplify

PATTERNS = Path(__file__).parents[3] / "shared" / "data" / "suite_match"


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("退款.{0,6}到账", [{"退款"}, {"到账"}]),
        ("(不|没).{0,3}退款", [{"退款"}, {"不", "没"}]),
        ("(应该|可能).{0,6}(吧|把)$", [{"应该", "可能"}, {"吧", "把"}]),
        ("[0-9]+(小时|天)", [{"小时", "天"}, set("0123456789")]),
        ("退(款|货)了", [{"退款了", "退货了"}]),
        ("(退款){2,}", [{"退款"}]),
        ("WeChat", [{"wechat"}]),
        ("(退款)?", []),
        ("a|", []),
        (".*", []),
        (r"\d\w", []),
        (r"\pL+退款", []),
        ("[[:alpha:]]退款", []),
        ("(?i)退款", []),
        ("[^退]款", [{"款"}]),
        (r"1\.5元", [{"1.5元"}]),
    ],
)
def test_what_is_needed(pattern: str, needed: list[set[str]]) -> None:
    assert sorted(map(sorted, atoms(pattern))) == sorted(map(sorted, needed))


PIECES = st.sampled_from(["a", "b", "退", "款", ".", "[ab]", "[^a]", "(a|b退)", "(?:款a)", r"\.", r"\d", "1", "^", "$", "(a|)"])
REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{0,2}", "{1,3}", "+?", "*?"])
WHOLE = st.lists(st.tuples(PIECES, REPEATS).map("".join), min_size=1, max_size=5).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.lists(WHOLE, min_size=1, max_size=3).map("|".join), st.lists(st.text(alphabet="ab退款1.", max_size=8), max_size=6))
def test_every_match_holds_one_of_each(pattern: str, texts: list[str]) -> None:
    try:
        compiled = compile_pattern(pattern)
    except BadPattern:
        return
    sets = atoms(simplify(pattern))
    for text in texts:
        if any(m.end() > m.start() for m in compiled.finditer(text)):
            assert all(any(needed in text for needed in some) for some in sets)


def test_odd_expressions_need_nothing_or_something_that_compiles() -> None:
    for text in ["(", "[a", "a{99999}", "(?P<n>a)", "(?<=a)b", "\\", "a" * 400, "(" * 90 + ")" * 90, "[z-a]"]:
        assert isinstance(atoms(text), tuple)


@pytest.mark.skipif(not PATTERNS.is_dir(), reason="the collection of expressions is not here")
def test_the_collections_expressions() -> None:
    for file in sorted(PATTERNS.rglob("*.txt")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            for texts in atoms(line):
                assert all(texts)
                assert all(re.escape(text) for text in texts)
