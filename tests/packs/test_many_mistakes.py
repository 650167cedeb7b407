"""A pack by somebody in a hurry: every mistake is told at once, each with its place, what is wrong, and what to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qc.errors import PackError, Problem
from qc.packs import load_pack
from tests.packs.conftest import RULE

HURRIED = """\
- id: Greeting First
  title: {zh: 问候, en: Greeting}
  why: because
  dimension: certanty
  severity: mild
  points: minus five
  when:
    who: agnet
    say: [您好]
    unless: {list: time}
  cases:
    hit: [{agent: 您好}]
    miss: [{agnt: 好}]
- id: promise
  title: {zh: 承诺, en: Promise}
  dimension: certainty
  severity: low
  points: -1
  once_per: one minute
  valid_from: 2026-13-01
  when:
    all:
      - silence: {longer_than: 8, befor: agent}
      - {who: agent, says: ["/(?<=a)b/", "/(a/", {word: 投, match: sound}, {word: 你好, match: fuzy 0.8}], times: zero}
      - near: [{says: [退款]}]
        within: 5 metres
  cases:
    hit: [{agent: 好}]
"""
TOLD = [
    (1, "a rule's `id` must be small letters, digits and hyphens", "for example promise-without-time"),
    (4, "`dimension` cannot be 'certanty'", "did you mean 'certainty'?"),
    (5, "`severity` cannot be 'mild'", "use one of: critical, high, low, medium"),
    (6, "`points` must be a number", "write it in digits"),
    (8, "`who` cannot be 'agnet'", "did you mean 'agent'?"),
    (9, "there is no condition here", "did you mean 'says'?"),
    (10, "there is no word list 'time'", "times"),
    (13, "a case has no line 'agnt'", "did you mean 'agent'?"),
    (14, "a rule needs `why:`", "add it"),
    (14, "there is another rule 'promise'", "give one of them another id"),
    (19, "`once_per` must be a length of time", "write the unit"),
    (20, "`valid_from` must be a date", "write it as 2026-11-30"),
    (23, "`longer_than` must be a length of time", "write the unit"),
    (23, "`silence` has no key 'befor'", "did you mean 'before'?"),
    (24, "looking back", "write /(?:a)b/"),
    (24, "not a pattern: missing ): (a", "put a backslash"),
    (24, "'投' is one syllable", "write a longer phrase"),
    (24, "`match` cannot be 'fuzy 0.8'", "fuzzy with a similarity"),
    (24, "`times` must be a whole number", "write it in digits"),
    (25, "`near` must be a list of two conditions", "write both, each after `- `"),
    (26, "`within` cannot be '5 metres'", "2 turns, 5 s or 10 characters"),
    (28, "the rule has no `miss` case", "add a dialogue"),
]


def problems(path: Path) -> list[Problem]:
    with pytest.raises(PackError) as caught:
        load_pack(path)
    return list(caught.value.problems)


def test_twenty_mistakes_are_told_at_once(folder: Path) -> None:
    (folder / "a.yaml").write_text(RULE, encoding="utf-8")
    (folder / "rules.yaml").write_text(HURRIED, encoding="utf-8")
    found = problems(folder)
    for line, message, hint in TOLD:
        assert any(p.line == line and message in p.message and hint in p.hint for p in found), (line, message)
    assert all(p.column >= 1 and p.hint for p in found)
    assert len(found) == len(TOLD), "little else: what follows from a mistake is no mistake of its own"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [("en: Promise}", "en: Promise", (2, 10, "close it with }")), ("[尽快, 尽早]", "[尽快, 尽早", (9, 11, "close it with ]"))],
)
def test_a_file_that_is_no_yaml_is_the_only_problem(
    spoilt: Callable[[str, str], Path], old: str, new: str, place: tuple[int, int, str]
) -> None:
    """Not «the pack has no rules»: they are in the file that cannot be read."""
    (found,) = problems(spoilt(old, new))
    assert (found.line, found.column, found.hint) == place
    assert found.message == "not YAML: the bracket that begins here has no end"


@pytest.mark.parametrize(
    ("when", "message", "hint"),
    [
        ("not: [{says: [好]}]", "`not` takes one condition", "write it without `- `"),
        ("not: [{says: [好]}, {says: [行]}]", "`not` takes one condition", "put them under `any:` (none of them) or `all:`"),
        ("then: [{says: [好]}]", "`then` must be a list of 2 to 10 steps", "write the next step under it, after `- `"),
        ("at_least: 3\n    of: [{says: [好]}]", "`at_least: 3`, but there is 1 condition", "lower it, or write more"),
        ("says: [好]\n    need: 2", "`need: 2`, but there is 1 word", "lower it, or write more words"),
    ],
)
def test_what_to_write_instead(spoilt: Callable[[str, str], Path], when: str, message: str, hint: str) -> None:
    (found,) = problems(spoilt("    who: agent\n    says: [尽快, 尽早]\n    unless: {list: times}", f"    {when}"))
    assert (found.message, found.hint) == (message, hint)


def test_words_without_says_are_told_to_go_under_it(spoilt: Callable[[str, str], Path]) -> None:
    (found,) = problems(spoilt("    says: [尽快, 尽早]\n    unless: {list: times}", "    list: times"))
    assert (found.line, found.hint) == (9, "write `says: {list: …}`, or `never_says:`")


def test_a_mistyped_condition_that_nests_is_read_on(spoilt: Callable[[str, str], Path]) -> None:
    found = problems(
        spoilt("    who: agent\n    says: [尽快, 尽早]\n    unless: {list: times}", "    al:\n      - {sayz: [好], who: you}")
    )
    assert [(p.line, p.hint[:21]) for p in found] == [
        (8, "did you mean 'all'?"),
        (9, "did you mean 'says'?"),
        (9, "use one of: agent, an"),
    ]
