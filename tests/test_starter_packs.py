"""The starter packs: every rule keeps its cases, says why in both languages, and holds to the demanded shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from qc.packs import load_pack
from qc.packs.cases import ROLES
from qc.packs.model import Pack
from qc.scan import CaseResult, run_cases

RULES = Path(__file__).parent.parent / "rules"
PACKS = {name: load_pack(RULES / name) for name in ("ecommerce-zh", "service-en")}
RESULTS = [(f"{name}:{r.rule.id}:{r.case.verdict}:{i}", r) for name, pack in PACKS.items() for i, r in enumerate(run_cases(pack))]
LEAST = {"ecommerce-zh": 30, "service-en": 10}


@pytest.mark.parametrize("result", [r for _, r in RESULTS], ids=[name for name, _ in RESULTS])
def test_a_case_comes_out_as_promised(result: CaseResult) -> None:
    lines = " / ".join(f"{line.what}: {line.text or line.ms}" for line in result.case.lines)
    assert result.ok, f"{result.case.where}: {lines} must be {result.case.verdict}, came out {result.finding}"


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_pack_has_what_it_promises(pack: Pack) -> None:
    assert len(pack.rules) >= LEAST[pack.id]
    assert {d.id for d in pack.dimensions} == {"certainty", "simplicity", "warmth", "risk"}
    assert {rule.dimension for rule in pack.rules} == {d.id for d in pack.dimensions}
    for rule in pack.rules:
        assert rule.why["zh"] != rule.why["en"], rule.id
        assert rule.title["zh"] != rule.title["en"], rule.id
        assert {"hit", "miss"} <= {case.verdict for case in rule.cases}, rule.id


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_hits_do_not_hang_on_one_character_of_punctuation_or_script(pack: Pack) -> None:
    """The same dialogues without any punctuation, in full width, and with the letters' case swapped."""
    import dataclasses

    from qc.packs.model import Line
    from qc.text.normal import kind

    def wide(text: str) -> str:
        return "".join(chr(ord(c) + 0xFEE0) if "0" <= c <= "9" or "a" <= c.lower() <= "z" else c for c in text)

    def bare(text: str) -> str:
        return "".join(c if kind(c) != "s" or c in " .'" else " " for c in text)

    for damage in (wide, bare, str.swapcase):

        def spoil(line: Line, damage: object = damage) -> Line:
            return dataclasses.replace(line, text=damage(line.text)) if line.what in ROLES else line  # type: ignore[operator]

        rules = tuple(
            dataclasses.replace(r, cases=tuple(dataclasses.replace(c, lines=tuple(map(spoil, c.lines))) for c in r.cases))
            for r in pack.rules
        )
        spoilt = run_cases(dataclasses.replace(pack, rules=rules))
        assert not [(r.case.where, damage) for r in spoilt if not r.ok]


def test_the_first_dimension_tells_a_promise_with_a_time_from_one_without() -> None:
    """The people who ran the service gave this example: the reason why the pack exists."""
    rule = PACKS["ecommerce-zh"].by_id["promise-without-time"]
    said = {c.lines[0].text: c.verdict for c in rule.cases if len(c.lines) == 1 and c.lines[0].what == "agent"}
    assert said["我们会尽快联系商家"] == "hit"
    assert said["我们将联系商家并在3小时内电话回复您"] == "miss"
