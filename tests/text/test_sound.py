"""Sounds: readings, tolerances, and the shipped table."""

from __future__ import annotations

import pytest

from qc.text.sound import TABLE, TOLERATE, heard_as, in_order, readings, sounds_like


def test_the_table_is_what_pypinyin_says() -> None:
    pytest.importorskip("pypinyin")
    from qc.text.make_syllables import table

    assert TABLE.read_text(encoding="utf-8") == table()


@pytest.mark.parametrize(
    ("char", "syllables"), [("投", {"tou"}), ("行", {"hang", "xing"}), ("女", {"nv"}), ("Q", set()), ("3", set())]
)
def test_readings(char: str, syllables: set[str]) -> None:
    assert set(readings(char)) == syllables


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ("zhang", "zan", ("zh/z", "an/ang")),
        ("niu", "liu", ("n/l",)),
        ("shen", "seng", ("sh/s", "en/eng")),
        ("ying", "yin", ("in/ing",)),
        ("huang", "fuan", ("h/f", "an/ang")),
        ("nan", "ran", ("n/l", "r/l")),
        ("chuang", "cuan", ("ch/c", "an/ang")),
        ("ang", "an", ("an/ang",)),
        ("en", "eng", ("en/eng",)),
    ],
)
def test_what_is_tolerated_is_heard_alike_and_no_more(left: str, right: str, pairs: tuple[str, ...]) -> None:
    assert heard_as(left, pairs) == heard_as(right, pairs)
    for pair in pairs:
        fewer = tuple(other for other in pairs if other != pair)
        assert heard_as(left, fewer) != heard_as(right, fewer)


def test_tolerances_leave_other_sounds_alone() -> None:
    assert heard_as("zhong", ("an/ang", "en/eng", "in/ing")) == "zhong"
    assert heard_as("shi", ("h/f",)) == "shi"
    assert heard_as("an", TOLERATE) == "an"


def test_a_character_sounds_like_itself_and_it_is_mutual() -> None:
    assert sounds_like("Q") == {"Q"}
    assert "头" in sounds_like("投")
    assert "投" not in sounds_like("诉")
    assert "涨" in sounds_like("长")
    assert all(char in sounds_like(other) for char in "长行了女" for other in sounds_like(char))


def test_equal_choices_are_equal_values() -> None:
    assert in_order(["zh/z", "n/l", "zh/z"]) == ("n/l", "zh/z")
