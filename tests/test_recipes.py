"""`rules/recipes-zh`: what people ask for can be said, shortly, and works; every condition of the language is shown by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qc.packs import load_pack
from qc.packs.nodes import Node, read_yaml
from qc.packs.syntax import CONDITIONS, NAMES
from qc.packs.terms import FORMS
from qc.scan import CaseResult, run_cases
from qc.scan.matching import terms_of

FOLDER = Path(__file__).parent.parent / "rules" / "recipes-zh"
PACK = load_pack(FOLDER)
SHORT = 12
"""Lines of a `when`, and of the names that it uses, at most."""


@pytest.mark.parametrize(
    "result", run_cases(PACK), ids=lambda r: f"{r.rule.id}:{r.case.verdict}:{r.case.where.rsplit(':', 2)[1]}"
)
def test_a_case_comes_out_as_promised(result: CaseResult) -> None:
    assert result.ok, f"{result.case.where}: must be {result.case.verdict}, came out {result.finding}"


def test_each_says_why_in_both_languages() -> None:
    assert len(PACK.rules) >= 30
    assert {rule.dimension for rule in PACK.rules} == {dimension.id for dimension in PACK.dimensions}
    for rule in PACK.rules:
        assert rule.title["zh"] != rule.title["en"], rule.id
        assert rule.why["zh"] != rule.why["en"], rule.id


def test_every_condition_and_every_way_to_write_a_word_is_shown() -> None:
    used = {name for rule in PACK.rules for name in _conditions(rule.when)}
    assert used == set(CONDITIONS), "a new condition needs a rule here"
    kinds = {term.kind for rule in PACK.rules for term in terms_of(rule.when)}
    assert kinds >= {"word", "sound", "similar", "entity", "pattern"}
    assert set(FORMS) == {"word", "similar", "entity", "list"}


def _conditions(condition: Any) -> Iterator[str]:
    if type(condition) in NAMES:
        yield NAMES[type(condition)]
    for item in dataclasses.fields(condition) if dataclasses.is_dataclass(condition) else ():
        value = getattr(condition, item.name)
        for part in value if isinstance(value, tuple) else (value,):
            yield from _conditions(part)


def test_each_is_short() -> None:
    for file in FOLDER.glob("*.yaml"):
        tree = read_yaml(file.read_bytes(), file.name)
        assert tree is not None
        for rule in tree.items:
            fields = {key.text: value for key, value in rule.pairs}
            assert sum(_last(fields[key]) - fields[key].line + 1 for key in ("define", "when") if key in fields) <= SHORT


def _last(node: Node) -> int:
    """The last line of a value that is not a text of several."""
    return max([node.line, *map(_last, node.items), *(_last(part) for pair in node.pairs for part in pair)])
