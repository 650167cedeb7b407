"""Loading: a good pack is what it says; a bad one tells every problem, where, and what to write instead."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qc.errors import PackError, Problem, UntrustedPackError
from qc.packs import load, load_pack, nodes, trust_local
from qc.packs.conditions import Says, Term
from qc.packs.flatten import unflatten
from qc.packs.nodes import MAX_DEPTH, MAX_FILE_BYTES, MAX_SLOW_BYTES, Node, read_yaml
from qc.packs.parse import MAX_RULES
from tests.packs.conftest import LIST, RULE

Spoil = Callable[[str, str], Path]


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(PackError) as caught:
        load_pack(path)
    return caught.value.problems


def test_a_good_pack_is_read_whole(folder: Path) -> None:
    pack = load_pack(folder)
    rule = pack.rules[0]
    assert (pack.id, pack.version, pack.base, pack.coverage_floor) == ("small", "1.2.3", 100.0, 0.9)
    assert rule.title["zh"] == "承诺"
    assert rule.title["en"] == "Promise"
    assert rule.where.endswith("rules.yaml:1:3")
    assert isinstance(rule.when, Says)
    assert rule.when.unless == (Term("pattern", r"\d+ ?(分钟|小时)"), Term("word", "今天下午"))
    assert [case.verdict for case in rule.cases] == ["hit", "miss"]
    assert trust_local(folder).signer == "local"


def test_one_file_can_be_a_pack(folder: Path, tmp_path: Path) -> None:
    head = (folder / "pack.yaml").read_text(encoding="utf-8")
    rules = (folder / "rules.yaml").read_text(encoding="utf-8")
    file = tmp_path / "one.yaml"
    indented = "\n".join("  " + line for line in rules.splitlines())
    file.write_text(f"{head}lists:\n  times: [/\\d+小时/]\nrules:\n{indented}", encoding="utf-8")
    assert load_pack(file).rules[0].id == "promise"


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "hint"),
    [
        ("  why:", "  wy:", 3, "a rule has no key 'wy'", "did you mean 'why'?"),
        ("certainty\n", "certanty\n", 4, "`dimension` cannot be 'certanty'", "did you mean 'certainty'?"),
        ("medium", "middling", 5, "`severity` cannot be 'middling'", "use one of"),
        ("points: -5", "points: minus five", 6, "`points` must be a number", "write it in digits"),
        ("points: -5", "points: .nan", 6, "`points` must be a number", "write it in digits"),
        ("who: agent", "who: agents", 8, "`who` cannot be 'agents'", "did you mean 'agent'?"),
        ("who: agent", "who: 客服", 8, "`who` cannot be '客服'", "did you mean 'agent'?"),
        ("medium", "严重", 5, "`severity` cannot be '严重'", "did you mean 'critical'?"),
        ("  why:", "  原因:", 3, "a rule has no key '原因'", "did you mean 'why'?"),
        ("who: agent", "who：agent", 8, "： is no colon here", "write `who: …`, a half-width colon and a space"),
        ("  why:", "  why：", 3, "： is no colon here", "write `why: …`, a half-width colon and a space"),
        ("says:", "say:", 9, "there is no condition here", "did you mean 'says'?"),
        ("[尽快, 尽早]", "尽快，尽早", 9, "read as one phrase", "write [尽快, 尽早]"),
        ("[尽快, 尽早]", "['…']", 9, "nothing that can be said", "write words"),
        ("[尽快, 尽早]", "[]", 9, "`says` is empty", "write at least one"),
        ("[尽快, 尽早]", "['/(?=a)b/']", 9, "looking ahead", "unless"),
        ("[尽快, 尽早]", r"['/(a)\1/']", 9, "back reference", "write the words out"),
        ("[尽快, 尽早]", "['/(a/']", 9, "not a pattern", "backslash"),
        ("[尽快, 尽早]", "['/a*/']", 9, "matches where nothing is said", "neither"),
        ("[尽快, 尽早]", "['/((a{100}){100}){100}/']", 9, "not a pattern", "repeat at most"),
        ("[尽快, 尽早]", "['/(我们会|您好){900}/']", 9, "grows too large", "smaller"),
        ("[尽快, 尽早]", r"['/\Aa/']", 9, "is not allowed", "^ and $"),
        (
            "    says: [尽快, 尽早]\n    unless: {list: times}",
            "    silence: {longer_than: 8 s}",
            8,
            "stands beside `silence:`",
            "inside it go",
        ),
        ("list: times", "list: time", 10, "there is no word list 'time'", "did you mean 'times'?"),
        ("    unless:", "    need: 3\n    unless:", 10, "there are 2 words", "lower it"),
        ("    unless:", "    in: first 15\n    unless:", 10, "`in` cannot be 'first 15'", "first 15 s"),
        ("    unless:", "    silence: {longer_than: 8 s}\n    unless:", 10, "side by side", "all"),
        ("    miss:\n      - agent: 三小时内\n", "", 12, "no `miss` case", "add a dialogue"),
        ("- agent: 三小时内", "- agnt: 三小时内", 15, "no line 'agnt'", "did you mean 'agent'?"),
        ("- agent: 三小时内", "- 三小时内", 15, "needs its speaker", "agent: …"),
        (
            "- agent: 三小时内",
            "- |\n        agent: 好\n        pause: 3",
            17,
            "`pause` must be a length of time",
            "write the unit",
        ),
        ("  points: -5", "  points: -5\n  points: -6", 7, "'points' is there twice", "keep one"),
        ("en: Promise}", "en: Promise, kept}", 2, "no key 'kept'", "comma in quotes"),
        ("id: promise", "id: Promise one", 1, "small letters", "for example"),
        ("  points: -5", "  points: -5\n  valid_from: tomorrow", 7, "must be a date", "2026-11-30"),
        ("  points: -5", "  points: -5\n  once_per: 60", 7, "length of time", "write the unit"),
        ("  points: -5", "\tpoints: -5", 6, "not YAML", ""),
        ("id: promise", "id: &a promise", 1, "anchors and aliases", "quote"),
        ("id: promise", "id: !!python/object:os.system promise", 1, "tags (!)", "quote"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(
    spoilt: Spoil, old: str, new: str, line: int, message: str, hint: str
) -> None:
    found = problems(spoilt(old, new))
    assert any(p.line == line and message in p.message and hint in p.hint for p in found), [str(p) for p in found]
    assert all(p.file.endswith((".yaml",)) and p.column >= 1 for p in found)


def test_all_problems_are_told_at_once_in_file_order(spoilt: Spoil, folder: Path) -> None:
    spoilt("medium", "hihg")
    spoilt("who: agent", "who: agnet")
    (folder / "pack.yaml").write_text(
        (folder / "pack.yaml").read_text(encoding="utf-8").replace("1.2.3", "one"), encoding="utf-8"
    )
    (folder / "lists" / "times.yaml").write_text("- /(/\n", encoding="utf-8")
    found = problems(folder)
    assert [Path(p.file).name for p in found] == ["times.yaml", "pack.yaml", "rules.yaml", "rules.yaml"]
    assert list(found) == sorted(found)


def test_who_beside_all_is_told_to_go_into_each_condition(spoilt: Spoil) -> None:
    found = problems(
        spoilt("    says: [尽快, 尽早]\n    unless: {list: times}", "    all:\n      - says: [尽快]\n      - says: [尽早]")
    )
    assert [(p.line, p.message) for p in found] == [(8, "`who` stands beside `all:`")]
    assert "write `who` in each condition under `all:`" in found[0].hint


def test_quotes_without_an_end_are_told_where_they_begin(spoilt: Spoil) -> None:
    found = problems(spoilt("en: Promise}", 'en: "Promise}'))[-1]
    assert (found.line, found.column, found.message) == (2, 23, "not YAML: the quotes that begin here have no end")


def test_two_rules_with_one_id_name_each_other(folder: Path) -> None:
    (folder / "b.yaml").write_text((folder / "rules.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert any("another rule 'promise' at" in p.message and "b.yaml:1:3" in p.message for p in problems(folder))


def test_a_pack_of_a_newer_language_is_refused(folder: Path) -> None:
    head = folder / "pack.yaml"
    head.write_text(head.read_text(encoding="utf-8").replace("language: 1", "language: 2"), encoding="utf-8")
    assert problems(folder)[0].hint == "update qc"


def test_a_pack_that_would_grow_without_bound_is_refused(folder: Path) -> None:
    """A list of many words, referred to by many rules; and a flood of patterns."""
    rule = (folder / "rules.yaml").read_text(encoding="utf-8")
    (folder / "lists" / "times.yaml").write_text("".join(f"- w{i}\n" for i in range(4000)), encoding="utf-8")
    (folder / "rules.yaml").write_text("".join(rule.replace("id: promise", f"id: r{i}") for i in range(60)), encoding="utf-8")
    assert ["200000 words" in p.message for p in problems(folder)] == [True]
    (folder / "lists" / "times.yaml").write_text("".join(f"- /a{i}/\n" for i in range(1001)), encoding="utf-8")
    assert any("1000 patterns" in p.message for p in problems(folder))


def test_one_list_of_patterns_and_sentences_that_many_rules_use_counts_once_in_the_sealed_pack_too(folder: Path) -> None:
    """Sealing writes lists out: the same pattern then stands in every rule, and is still one pattern to look for."""
    rule = (folder / "rules.yaml").read_text(encoding="utf-8")
    words = [*(f"- /第{i}次\\d+/\n" for i in range(20)), *(f"- {{similar: 这是第{i}句要说的话}}\n" for i in range(20))]
    (folder / "lists" / "times.yaml").write_text("".join(words), encoding="utf-8")
    (folder / "rules.yaml").write_text("".join(rule.replace("id: promise", f"id: r{i}") for i in range(60)), encoding="utf-8")
    pack = load_pack(folder)
    assert unflatten(pack.flat) == pack
    more = "".join(f"- {{similar: 这是第{i}句要说的话}}\n" for i in range(501))
    (folder / "lists" / "times.yaml").write_text(more, encoding="utf-8")
    assert ["more than 500 words are matched nearly" in p.message for p in problems(folder)] == [True]


def test_a_bad_pattern_is_told_at_every_place_it_stands(folder: Path) -> None:
    (folder / "lists" / "times.yaml").write_text("- /(?=甲)乙/\n- 小时\n- /(?=甲)乙/\n", encoding="utf-8")
    assert [(p.line, "looking ahead" in p.message) for p in problems(folder)] == [(1, True), (3, True)]


def test_nothing_there_and_no_head_are_said_plainly(tmp_path: Path) -> None:
    assert "no such pack" in problems(tmp_path / "none")[0].message
    assert "no pack.yaml" in problems(tmp_path)[0].message
    (tmp_path / "pack.yaml").write_text("", encoding="utf-8")
    assert "empty" in problems(tmp_path)[0].message


def test_a_pack_without_rules_is_refused(folder: Path) -> None:
    (folder / "rules.yaml").unlink()
    assert "no rules" in problems(folder)[0].message


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("- id: x\n", encoding="utf-8")
    (folder / "z.yaml").symlink_to(secret)
    assert any("outside the pack's folder" in p.message for p in problems(folder))


def test_a_sealed_pack_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(UntrustedPackError):
        trust_local(tmp_path / "theirs.qcpack")


def test_a_trusted_pack_cannot_be_made_by_hand(folder: Path) -> None:
    from qc.packs import TrustedPack

    with pytest.raises(TypeError):
        TrustedPack(load_pack(folder), "somebody", object())


@pytest.mark.parametrize(
    "data",
    [
        b"a: &a [x, x]\nb: [*a, *a]\n",
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"a: 1\n---\nb: 2\n",
        b"x" * (MAX_FILE_BYTES + 1),
        b"%YAML 1.3\n---\nx: y\n",
        b"a: \xff\xfe\n",
        b"a: b: c\n",
        b"{" * 5000,
        b"- !ruby/object x\n",
        b"a: \x00\n",
        b"? - a\n: &x b\n",
    ],
)
def test_hostile_yaml_is_one_clear_problem(data: bytes) -> None:
    with pytest.raises(PackError) as caught:
        read_yaml(data, "x.yaml")
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].hint


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_tree_or_a_problem(data: bytes) -> None:
    try:
        read_yaml(data, "x.yaml")
    except PackError as error:
        assert error.problems


@settings(max_examples=60, deadline=None)
@given(
    data=st.recursive(
        st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
            ["id", "when", "says", "cases", "hit", "miss", "agent", "all", "not", "silence", "in", "need", "rules", "title", "list"]
        ), inner, max_size=4), max_leaves=12)
)  # fmt: skip
def test_any_shape_of_pack_is_problems_never_a_crash(data: object) -> None:
    import json

    from qc.packs import unflatten

    with pytest.raises(PackError):
        unflatten(json.dumps(data).encode())


SUITE = Path(os.environ.get("QC_TEST_DATA", "")) / "suite_hostile" / "yaml_suite"


def _shape(node: Node | None) -> object:
    """A tree without the columns of empty values, where the two parsers differ by where they stopped looking."""
    if node is None:
        return None
    place = (node.line, node.column) if node.text or node.items or node.pairs else ()
    return node.kind, place, node.text, [_shape(n) for n in node.items], [(_shape(k), _shape(v)) for k, v in node.pairs]


def _slowly(text: str, monkeypatch: pytest.MonkeyPatch) -> Node | None:
    monkeypatch.setattr(nodes, "_read_fast", lambda text, file: None)
    return read_yaml(text.encode(), "x.yaml")


@pytest.mark.parametrize(
    "text",
    [
        RULE,
        LIST,
        "a: |\n  one\n   two\n\nb: >-\n  three\n  four\n",
        "a: 'it''s'\nb: \"\\u4e2d\\n\\\"\"\nc: [x, 'y, z', {k: v}]\nd:\n- 1\n- {}\n- []\n",
        "- a # no\n- b#yes\n- 'c # yes'\n",
        "x: [a,\n  b]\n'y z': v\n? z\n: w\n",
        "a: one\n  two\n  three\n",
        "a: b # c\td\n",
        "a: b\u2028c\u0085d\n",
    ],
)
def test_both_parsers_read_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = _shape(read_yaml(text.encode(), "x.yaml"))
    assert fast == _shape(_slowly(text, monkeypatch))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_both_parsers_read_the_same_when_a_pack_was_mistyped(data: st.DataObject) -> None:
    text = list(RULE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from(list("-:{}[],'\"|>#&*!?%@` \n\\a中~0")))
    written = "".join(text)
    with pytest.MonkeyPatch.context() as patch:
        try:
            slow: object = _shape(_slowly(written, patch))
        except PackError:
            return  # the slow parser has its own faults; whoever writes YAML that it refuses is told by the other, or reads well
    try:
        assert _shape(read_yaml(written.encode(), "x.yaml")) == slow
    except PackError as error:
        pytest.fail(f"only the slow one reads it: {error}")


@pytest.mark.skipif(not SUITE.is_dir(), reason="QC_TEST_DATA names no folder with the YAML test suite")
def test_both_parsers_agree_on_the_yaml_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    for file in sorted(SUITE.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        fast = nodes._read_fast(text, file.name)
        if fast is not None and not nodes._ONLY_SLOW.search(text):
            with monkeypatch.context() as patch:
                assert _shape(fast) == _shape(_slowly(text, patch)), file.name
            compared += 1
    assert compared > 100


def test_a_large_file_is_read_only_when_it_can_be_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    many = b"- " + b"x" * 98 + b"\n"
    large = many * (MAX_SLOW_BYTES // len(many) + 2)
    tree = read_yaml(large, "x.yaml")
    assert tree is not None
    assert len(tree.items) == large.count(b"\n")
    with pytest.raises(PackError) as told:
        read_yaml(large + b"- a\tb\n", "x.yaml")
    assert "split it" in told.value.hint
    with pytest.raises(PackError) as told:
        read_yaml(large + b"- [\n", "x.yaml")
    assert told.value.problems[0].line >= large.count(b"\n")


def test_ten_thousand_rules_are_a_pack_and_one_more_is_not(folder: Path) -> None:
    rules = "".join(RULE.replace("id: promise", f"id: promise-{n}") for n in range(MAX_RULES))
    (folder / "rules.yaml").write_text(rules, encoding="utf-8")
    assert len(load_pack(folder).rules) == MAX_RULES == 10_000
    (folder / "rules.yaml").write_text(rules + RULE, encoding="utf-8")
    with pytest.raises(PackError, match="more than 10000 rules"):
        load_pack(folder)


def test_all_files_of_a_pack_together_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MAX_PACK_BYTES", 300)
    assert any(p.message.startswith("the files of the pack hold more than") for p in problems(folder))
