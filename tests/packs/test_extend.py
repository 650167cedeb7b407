"""A pack on top of another: rules added, switched off, reweighted, tightened, and told where they came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qc.cli.main import main
from qc.errors import PackError
from qc.packs import load_pack
from qc.packs.diff import diff
from qc.packs.extend import CHANGE_KEYS
from qc.packs.keys import add_trust, make_keys, read_keys, read_private
from qc.packs.load import load_extended
from qc.packs.seal import seal
from qc.packs.written import flat_yaml
from qc.scan import run_cases

HEAD = """\
id: mine
version: 0.1.0
language: 1
title: mine
extends: small 1.2.3
"""
OWN = """\
rules:
  - id: own
    title: t
    why: w
    dimension: certainty
    severity: low
    points: -1
    when: {says: [不知道]}
    cases: {hit: [{agent: 我不知道}], miss: [{agent: 好}]}
"""
Mine = Callable[..., Path]


@pytest.fixture
def mine(folder: Path) -> Mine:
    """A pack beside the small one, on top of it."""

    def make(more: str = OWN, *, head: str = HEAD) -> Path:
        place = folder.parent / "mine"
        place.mkdir(exist_ok=True)
        (place / "pack.yaml").write_text(head + more, encoding="utf-8")
        return place

    return make


def problems(path: Path) -> str:
    with pytest.raises(PackError) as told:
        load_pack(path)
    return "\n".join(map(str, told.value.problems))


def test_rules_are_added(mine: Mine, folder: Path) -> None:
    loaded = load_extended(mine())
    assert [r.id for r in loaded.pack.rules] == ["promise", "own"]
    assert loaded.pack.by_id["promise"] == load_pack(folder).by_id["promise"]
    assert {rule: o.pack for rule, o in loaded.origins.items()} == {"promise": "small 1.2.3", "own": "mine 0.1.0"}
    assert [d.id for d in loaded.pack.dimensions] == ["certainty"]


def test_rules_are_switched_off(mine: Mine) -> None:
    loaded = load_extended(mine(OWN + "off: [promise]\n"))
    assert [r.id for r in loaded.pack.rules] == ["own"]
    assert loaded.off["promise"].pack == "small 1.2.3"


def test_rules_are_reweighted_and_nothing_else_of_them_changes(mine: Mine, folder: Path) -> None:
    path = mine("change:\n  promise: {points: -10, severity: high, fatal: true, cap: 20}\n")
    loaded = load_extended(path)
    rule = loaded.pack.by_id["promise"]
    assert (rule.points, rule.severity, rule.fatal, rule.cap) == (-10, "high", True, 20)
    told = {(c.id, c.field) for c in diff(load_pack(folder), loaded.pack) if c.of == "rule"}
    assert told == {("promise", "points"), ("promise", "severity"), ("promise", "fatal"), ("promise", "cap")}
    assert loaded.origins["promise"].changes == (("mine 0.1.0", ("points", "severity", "fatal", "cap")),)


def test_a_rule_is_made_to_hit_more(mine: Mine) -> None:
    more = "change:\n  promise:\n    also: {who: agent, says: [过两天]}\n    cases: {hit: [{agent: 过两天再说}]}\n"
    results = run_cases(load_pack(mine(more)))
    assert [(r.case.verdict, r.ok) for r in results] == [("hit", True), ("hit", True), ("miss", True)]


def test_a_rule_is_made_to_hit_less(mine: Mine) -> None:
    more = (
        "change:\n  promise:\n    only_when: {who: customer, says: [投诉]}\n"
        "    cases_instead:\n      hit: ['customer: 我要投诉\n\n\n        agent: 我们会尽快联系商家']\n      miss: [{agent: 我们会尽快联系商家}]\n"
    )
    results = run_cases(load_pack(mine(more)))
    assert [(r.case.verdict, r.ok) for r in results] == [("hit", True), ("miss", True)]


def test_a_base_of_a_base_is_found_and_told(mine: Mine, folder: Path) -> None:
    mine(OWN + "change:\n  promise: {points: -7}\n")
    top = folder.parent / "top"
    top.mkdir()
    head = HEAD.replace("mine", "top").replace("small 1.2.3", "mine 0.1.0")
    (top / "pack.yaml").write_text(head + "off: [own]\nchange: {promise: {severity: critical}}\n", encoding="utf-8")
    loaded = load_extended(top)
    assert loaded.origins["promise"].pack == "small 1.2.3"
    assert [pack for pack, _ in loaded.origins["promise"].changes] == ["mine 0.1.0", "top 0.1.0"]
    assert loaded.off["own"].pack == "mine 0.1.0"
    assert (loaded.pack.rules[0].points, loaded.pack.rules[0].severity) == (-7, "critical")


def test_a_sealed_base_must_be_signed_by_a_trusted_key(
    mine: Mine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QC_HOME", str(tmp_path / "settings"))
    private, public = make_keys("Market", tmp_path / "k")
    file = tmp_path / "small-1.2.3.qcpack"
    file.write_bytes(seal(load_pack(folder), {}).signed_by(read_private(private)).encode())
    before = load_pack(mine())
    folder.rename(tmp_path / "elsewhere")
    assert "not trusted here" in problems(mine())
    add_trust(read_keys(public)[0])
    assert load_pack(mine()) == before
    file.rename(tmp_path / "settings" / "x")
    assert "there is no pack small 1.2.3" in problems(mine())
    (tmp_path / "settings" / "packs").mkdir()
    (tmp_path / "settings" / "x").rename(tmp_path / "settings" / "packs" / "small.qcpack")
    assert load_pack(mine()) == before


@pytest.mark.parametrize(
    "more, said",
    [
        ("off: [promize]\n", "pack.yaml:6:7: small has no rule 'promize' to switch off (did you mean 'promise'?)"),
        ("change: {promize: {points: 1}}\n", "has no rule 'promize' to change"),
        ("change: {promise: {point: 1}}\n", "a change has no key 'point'"),
        ("change: {promise: {when: {says: [x]}}}\n", "a change has no key 'when'"),
        ("change: {promise: {id: other}}\n", "a change has no key 'id'"),
        ("change: {promise: {points: many}}\n", "pack.yaml:6:28: `points` must be a number"),
        ("change: {promise: {also: {say: [x]}}}\n", "there is no condition here"),
        ("off: [promise]\nchange: {promise: {points: 1}}\n", "or switched off as well"),
        ("change: [promise]\n", "`change` must be"),
        ("off: [promise]\n", "the pack has no rules"),
        (OWN.replace("id: own", "id: promise"), "there is another rule 'promise' at"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(mine: Mine, more: str, said: str) -> None:
    assert said in problems(mine(more))


@pytest.mark.parametrize(
    "name", ["../small 1.2.3", "/etc 1.2.3", "small", "small ../../x", "Small 1.2.3", "ѕmall 1.2.3", "[small]"]
)
def test_a_base_is_a_name_and_never_a_path(mine: Mine, name: str) -> None:
    assert "must be a pack's id and its version" in problems(mine(head=HEAD.replace("small 1.2.3", name)))


def test_another_version_than_the_one_named_is_refused(mine: Mine) -> None:
    assert "but what is here is small 1.2.3" in problems(mine(head=HEAD.replace("1.2.3", "1.2.4")))


def test_packs_that_stand_on_each_other_in_a_circle_are_refused(mine: Mine, folder: Path) -> None:
    head = folder / "pack.yaml"
    head.write_text(head.read_text(encoding="utf-8") + "extends: mine 0.1.0\n", encoding="utf-8")
    assert "in a circle" in problems(mine())


def test_extending_and_writing_it_flat_by_hand_is_the_same(mine: Mine, folder: Path, tmp_path: Path) -> None:
    loaded = load_extended(mine(OWN + "change:\n  promise: {points: -10}\n"))
    written = tmp_path / "flat.yaml"
    written.write_text(flat_yaml(loaded), encoding="utf-8")
    assert load_pack(written).flat == loaded.pack.flat
    text = written.read_text(encoding="utf-8")
    assert "# from small 1.2.3; points changed by mine 0.1.0\n- id: promise" in text
    assert "# from mine 0.1.0\n- id: own" in text


def test_every_key_of_a_change_but_the_conditions_is_a_key_of_a_rule() -> None:
    from qc.packs.parse import RULE_KEYS

    assert set(CHANGE_KEYS) - {"also", "only_when", "cases_instead"} == set(RULE_KEYS) - {"id", "when", "define"}


def test_flat_and_diff_speak_json(mine: Mine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mine("change:\n  promise: {points: -10}\n")
    with pytest.raises(SystemExit) as end:
        main(["rules", "flat", str(path), "--json"])
    value = json.loads(capsys.readouterr().out)
    assert not end.value.code
    assert value["origins"]["promise"] == {"pack": "small 1.2.3", "changes": [{"pack": "mine 0.1.0", "keys": ["points"]}]}
    with pytest.raises(SystemExit) as end:
        main(["rules", "diff", str(folder), str(path), "--json", "--exit-code"])
    assert end.value.code == 1
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert {"kind": "changed", "of": "rule", "id": "promise", "field": "points", "was": -5, "now": -10} in changes


def test_a_pack_that_needs_a_newer_qc_is_refused_and_told_so(mine: Mine) -> None:
    own = load_pack(mine(head=HEAD + "qc: 0.0.9\n"))
    assert own.qc == "0.0.9"
    assert json.loads(own.flat)["qc"] == "0.0.9"  # so a sealed pack says it, too
    for needed, said in (("99.0.0", "needs qc 99.0.0 or newer"), ("soon", "`qc` must be the oldest version")):
        with pytest.raises(PackError, match=said) as caught:
            load_pack(mine(head=HEAD + f"qc: {needed}\n"))
        assert "pack.yaml:6:" in str(caught.value)


def test_of_two_oldest_versions_the_newer_counts(mine: Mine, folder: Path) -> None:
    below = folder / "pack.yaml"
    below.write_text(below.read_text(encoding="utf-8") + "qc: 0.0.10\n", encoding="utf-8")
    assert [load_pack(mine(head=HEAD + own)).qc for own in ("", "qc: 0.0.9\n", "qc: 0.1.0\n")] == ["0.0.10", "0.0.10", "0.1.0"]
