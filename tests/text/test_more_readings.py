"""What more readings a character would win and cost, as `bench/matching.py --readings` measures it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pypinyin")

from bench import matching
from qc.text.make_syllables import table
from qc.text.sound import TABLE, sounds_like


def test_a_reading_of_a_single_phrase_makes_other_words_alike() -> None:
    shipped = TABLE.read_text(encoding="utf-8")
    texts = ["这个不会", "他不快"]
    with matching.read_by(shipped):
        assert matching.mistaken(texts) == 0
    with matching.read_by(table(0.0, 1)):
        assert "会" in sounds_like("快")
        assert matching.mistaken(texts) == 2 / 5
    assert "会" not in sounds_like("快")


def test_what_is_lost_is_told_by_how_often_the_character_is_read_so() -> None:
    clean, damaged = ["您好", "很快"], ["您唬", "很会"]
    truth = {"您好": {0: [(0, 2)]}, "很快": {1: [(0, 2)]}}
    found = matching.lost(clean, damaged, truth, {"您好": {}, "很快": {}})
    assert found == {
        "no phrase": Counter({("好", "唬", "hao"): 1}),
        "one phrase": Counter(),
        "more": Counter({("快", "会", "kuai"): 1}),
    }


def test_damage_takes_the_readings_it_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "suite_pinyin" / "pinyin-data"
    folder.mkdir(parents=True)
    folder.joinpath("kTGHZ2013.txt").write_text("# readings\nU+597D: hǎo,hào  # 好\nU+865F: hào  # 耗\n", encoding="utf-8")
    alike = matching.standard_by_syllable(tmp_path)
    assert alike == {"hao": ["好", "耗"]}
    assert matching.damage(["您好，好"], 1.0, 1, alike) == ["您耗，耗"]
