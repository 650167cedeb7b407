"""Every word is there in both languages, is used, and every word that a stage can give has one for the reader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import qc.report
from qc.packs.reasons import WHY
from qc.report.words import REASONS, WARNINGS, WORDS, Words, clock, figure, percent, span
from qc.transcribe import reasons

HOME = Path(qc.report.__file__).parent
SOURCES = [
    p.read_text(encoding="utf-8") for p in sorted([*HOME.glob("*.py"), *HOME.glob("templates/*.html")]) if p.name != "words.py"
]
LISTS = ("role_", "severity_", "verdict_", "status_", "sound_", "sheet_", "answer_", "board_", "example_", "plan_", "review_")


def test_both_languages_have_every_word_and_the_same_places_to_fill() -> None:
    texts = [*WORDS.values(), *WARNINGS.values(), *(pair for both in REASONS.values() for pair in both)]
    for zh, en in texts:
        assert zh.strip() and en.strip()
        assert set(re.findall(r"\{\w*\}", zh)) == set(re.findall(r"\{\w*\}", en)), (zh, en)
        assert not re.search(r"[\u4e00-\u9fff]", en) or (zh, en) == WORDS["language"]


def test_every_word_asked_for_is_there_and_no_other() -> None:
    text = "\n".join([*SOURCES, (HOME / "words.py").read_text(encoding="utf-8").split("class Words", 1)[1]])
    asked = set(re.findall(r"\b(?:t|self)\(\s*['\"](\w+)['\"]", text))
    assert not {a for a in asked if a not in WORDS and not a.endswith("_")}
    mentioned = set(re.findall(r"['\"](\w+)['\"]", text))
    unused = {k for k in WORDS if k not in mentioned and not k.startswith(LISTS)}
    assert not unused


def test_every_reason_warning_and_doubt_of_the_stages_has_words() -> None:
    assert set(reasons.REASONS) <= set(REASONS)
    assert {w.partition(":")[0] for w in reasons.WARNINGS} <= set(WARNINGS)
    for word, texts in WHY.items():
        assert [Words("zh").why(word), Words("en").why(word)] == [texts["zh"], texts["en"]]


def test_words_that_nobody_knows_are_shown_as_they_are() -> None:
    t = Words("zh")
    assert t.reason("new_reason") == "new reason"
    assert t.remedy("new_reason") == t.remedy("unknown")
    assert t.why("something") == t.warning("something") == "something"
    assert t.named("severity", "absurd") == "absurd"
    assert t.warning("ringback:1") == "声道 1 有回铃音"
    assert Words("en").text({"zh": "只有中文"}) == "只有中文"
    assert t.text({}, "id") == "id"


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "00:00"), (65_999, "01:05"), (3_599_999, "59:59"), (3_723_000, "1:02:03"), (None, "–")]
)
def test_places_in_a_recording(ms: int | None, text: str) -> None:
    assert clock(ms) == text


def test_figures() -> None:
    assert [figure(v) for v in (None, 0.0, -0.0, -0.04, -5.0, 12345.67)] == ["–", "0.0", "0.0", "0.0", "−5.0", "12,345.7"]
    assert figure(12345, 0) == "12,345"
    assert [span(90.01, 90.04), span(1.0, 2.0), span(None, 2.0)] == ["90.0", "1.0 – 2.0", "–"]
    assert [percent(s) for s in (None, 1.0, 0.9999, 0.5, 0.0)] == ["–", "100%", "99.9%", "50%", "0%"]


ODD = ["十一月三日", "2025-13-03", "2025-02-30", "2025-11-03T99:99", "", "2025-11-03T10", "２０２５-11-03"]


def test_times_of_the_list() -> None:
    for lang, day in (("zh", "2025年11月3日"), ("en", "3 Nov 2025")):
        when = Words(lang).when
        assert when("2025-11-03T10:35:00+08:00") == when("2025-11-03 10:35") == day + {"zh": " 10:35", "en": ", 10:35"}[lang]
        assert when("2025-11-03") == day
        assert [when(odd) for odd in ODD] == ODD


def test_lengths() -> None:
    zh, en = Words("zh"), Words("en")
    assert [zh.length(ms) for ms in (9_200, 95_000, 720_000, 12_240_000)] == ["9.2 秒", "95 秒", "12 分钟", "3.4 小时"]
    assert en.length(72_000_000_000) == "20,000.0 h"
