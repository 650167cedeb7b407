"""Words that one room writes and another reads: every one is known on the other side."""

from __future__ import annotations

from qc.packs.book_words import SEVERITY
from qc.packs.reasons import WHY
from qc.report.words import REASONS as REPORT_REASONS
from qc.report.words import WARNINGS as REPORT_WARNINGS
from qc.report.words import Words
from qc.transcribe.reasons import REASONS, WARNINGS


def test_the_report_has_a_word_and_a_remedy_for_every_failure_and_warning() -> None:
    assert set(REASONS) <= set(REPORT_REASONS)
    assert {w.partition(":")[0] for w in WARNINGS} <= set(REPORT_WARNINGS)


def test_the_report_and_the_rulebook_call_severities_the_same() -> None:
    for lang, words in SEVERITY.items():
        assert {word: Words(lang).named("severity", word).lower() for word in words} == {k: v.lower() for k, v in words.items()}


def test_the_report_has_a_word_for_every_reason_of_an_undecided_verdict() -> None:
    for lang in ("zh", "en"):
        assert all(Words(lang).why(word) != word for word in WHY)
