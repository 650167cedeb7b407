"""What changed between two packs, in words: every kind of change gives its sentence, and no change gives none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qc.packs import load_pack
from qc.packs.diff import diff

ROOT = Path(__file__).parents[2]
Spoil = Callable[[str, str], Path]


def test_the_same_pack_has_no_changes(folder: Path) -> None:
    assert diff(load_pack(folder), load_pack(folder)) == ()


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("-5", "-6.5", ["rule promise, points: -5 → -6.5"]),
        ("尽早]", "尽早, 稍后]", ["rule promise, when.says: added «稍后»"]),
        ("[尽快, 尽早]", "[尽快]", ["rule promise, when.says: removed «尽早»"]),
        ("[尽快, 尽早]", "[尽早, 尽快]", ["rule promise, when.says: put in another order"]),
        ("who: agent", "who: customer", ["rule promise, when.who: «agent» → «customer»"]),
        ("severity: medium", "severity: high\n  fatal: true", ["rule promise, fatal: now True", "rule promise, severity: «medium» → «high»"]),
        ("    unless: {list: times}\n", "", ["rule promise, when.unless: no longer /\\d+ ?(分钟|小时)/ / 今天下午"]),
        ("agent: 三小时内", "agent: 两小时内", ["rule promise, cases.miss: added agent: 两小时内; removed agent: 三小时内"]),
        ("zh: 承诺,", "zh: 许诺,", ["rule promise, title.zh: «承诺» → «许诺»"]),
        ("id: promise", "id: other", ["rule other: added (承诺 / Promise, medium, -5 points)", "rule promise: removed (承诺 / Promise, medium, -5 points)"]),
    ],
)  # fmt: skip
def test_a_change_is_told_in_words(folder: Path, spoilt: Spoil, old: str, new: str, said: list[str]) -> None:
    before = load_pack(folder)
    assert [change.sentence() for change in diff(before, load_pack(spoilt(old, new)))] == said


def test_a_word_added_to_a_list_is_told_where_rules_use_it(folder: Path) -> None:
    before = load_pack(folder)
    (folder / "lists" / "times.yaml").write_text("- /\\d+ ?(分钟|小时)/\n- 今天下午\n- 明天\n", encoding="utf-8")
    assert [c.sentence() for c in diff(before, load_pack(folder))] == ["rule promise, when.unless: added «明天»"]


def test_conditions_inside_conditions_have_a_path(folder: Path, spoilt: Spoil) -> None:
    when = "  when:\n    who: agent\n    says: [尽快, 尽早]\n    unless: {list: times}\n"
    spoilt(when, "  when:\n    all:\n      - says: [尽快]\n      - not: {says: [请]}\n")
    before = load_pack(folder)
    spoilt("[请]", "[请, 麻烦]")
    assert [c.sentence() for c in diff(before, load_pack(folder))] == ["rule promise, when.all[2].not.says: added «麻烦»"]


def test_a_condition_put_into_another_is_told_as_what_came_to_it(folder: Path, spoilt: Spoil) -> None:
    when = "  when:\n    who: agent\n    says: [尽快, 尽早]\n    unless: {list: times}\n"
    old = "says: [尽快]"
    before = load_pack(spoilt(when, f"  when: {{{old}}}\n"))
    after = load_pack(spoilt(f"{{{old}}}", f"{{any: [{{{old}}}, {{says: [过两天]}}]}}"))
    assert [c.sentence() for c in diff(before, after)] == ["rule promise, when.any: added says: 过两天"]
    assert [c.sentence() for c in diff(after, before)] == ["rule promise, when.any: removed says: 过两天"]
    other = load_pack(spoilt(f"{{any: [{{{old}}}, {{says: [过两天]}}]}}", "{never_says: [尽快]}"))
    assert [c.sentence() for c in diff(before, other)] == ["rule promise, when: says: 尽快 → never_says: 尽快"]


def test_the_head_and_the_dimensions_are_compared(folder: Path) -> None:
    before = load_pack(folder)
    head = folder / "pack.yaml"
    text = head.read_text(encoding="utf-8").replace("1.2.3", "1.3.0")
    head.write_text(text + "  - {id: risk, title: {zh: 风险, en: Risk}}\nbase: 80\n", encoding="utf-8")
    assert [c.sentence() for c in diff(before, load_pack(folder))] == [
        "pack small, base: 100 → 80",
        "pack small, version: «1.2.3» → «1.3.0»",
        "dimension risk: added (风险 / Risk)",
    ]


def test_two_quite_different_packs_can_be_compared() -> None:
    a, b = load_pack(ROOT / "rules" / "ecommerce-zh"), load_pack(ROOT / "rules" / "service-en")
    there, back = diff(a, b), diff(b, a)
    assert {(c.kind, c.of, c.id) for c in there if c.kind == "added" and c.of == "rule"} == {
        ("added", c.of, c.id) for c in back if c.kind == "removed" and c.of == "rule"
    }
    assert all(c.sentence() for c in (*there, *back))
