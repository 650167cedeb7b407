"""JSON Schema for editors: every key of the language is in it, what loads fits it, what is bad in shape does not."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from qc.errors import Exit
from qc.packs import load_pack
from qc.packs.extend import CHANGE_KEYS, EXTEND_KEYS
from qc.packs.parse import PACK_KEYS, RULE_KEYS
from qc.packs.schema import _HEADS, _INNER, _SHARED, KINDS, VALUES, schema
from qc.packs.syntax import CONDITIONS
from qc.packs.terms import FORMS
from qc.packs.where_doc import WHERE_EXAMPLE
from qc.scan import run_cases

RULES = Path(__file__).parents[2] / "rules"


def read(text: str) -> Any:
    """YAML as an editor reads it: numbers are numbers, dates are texts."""
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # two lines of one speaker in a case
    yaml.constructor.yaml_constructors.pop("tag:yaml.org,2002:timestamp", None)
    yaml.constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
    return yaml.load(StringIO(text))


def problems(kind: str, value: Any) -> list[str]:
    return [error.message for error in Draft7Validator(schema(kind)).iter_errors(value)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_they_are_schemas(kind: str, language: str) -> None:
    Draft7Validator.check_schema(schema(kind, language))


def test_every_key_of_the_language_is_in_it() -> None:
    pack = schema("pack")
    assert set(pack["properties"]) == {*PACK_KEYS, *EXTEND_KEYS}
    assert set(pack["definitions"]["rule"]["properties"]) == set(RULE_KEYS)
    changes = pack["properties"]["change"]["additionalProperties"]["properties"]
    assert set(changes) == set(CHANGE_KEYS)
    assert VALUES.keys() == CONDITIONS.keys()
    assert _HEADS.keys() == FORMS.keys()
    for name, syntax in CONDITIONS.items():
        assert all(key.name in VALUES[name] or key.name in _SHARED for key in syntax.keys), name
        extra = set(VALUES[name]) - {key.name for key in syntax.keys} - {name}
        assert not extra, f"{name} has no key {extra}"


def rule_of(example: str) -> dict[str, Any]:
    head = {"id": "r", "title": "t", "why": "w", "dimension": "d", "severity": "low", "points": -1}
    return head | {"cases": {"hit": [{"agent": "a"}], "miss": [{"agent": "b"}]}} | read(example)


@pytest.mark.parametrize("name", CONDITIONS)
def test_examples_of_conditions_fit(name: str) -> None:
    assert problems("rules", [rule_of(CONDITIONS[name].example)]) == []


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.example])
def test_examples_of_words_fit(name: str) -> None:
    assert problems("rules", [rule_of(FORMS[name].example)]) == []


def test_the_example_of_windows_fits() -> None:
    assert problems("rules", [rule_of(WHERE_EXAMPLE.good)]) == []


@pytest.mark.parametrize("folder", sorted(p.name for p in RULES.iterdir() if p.is_dir()))
def test_starter_packs_fit(folder: str) -> None:
    for path in sorted((RULES / folder).rglob("*.yaml")):
        kind = "pack" if path.name == "pack.yaml" else "list" if path.parent.name == "lists" else "rules"
        assert problems(kind, read(path.read_text(encoding="utf-8"))) == [], path


@pytest.mark.parametrize(
    "bad",
    [
        "when: {say: [尽快]}",
        "when: {says: [尽快], whom: agent}",
        "when: {says: [尽快], who: manager}",
        "when: {says: [尽快], in: beginning}",
        "when: {says: [{word: 尽快, match: loud}]}",
        "when: {says: [{entity: fone}]}",
        "when: {silence: {longer_than: 8}}",
        "when: {silence: {}}",
        "when: {near: [{says: [a]}], within: 5 s}",
        "when: {near: [{says: [a]}, {says: [b]}], within: nearby}",
        "when: {call: {duration: long}}",
        "when: {repeat: {who: agent, similarity: 80}}",
        "severity: grave\nwhen: {says: [a]}",
        "points: many\nwhen: {says: [a]}",
        "valid_from: tomorrow\nwhen: {says: [a]}",
        "cases: {hit: [{agent: a}]}\nwhen: {says: [a]}",
        "colour: red\nwhen: {says: [a]}",
    ],
)
def test_what_is_bad_in_shape_does_not_fit(bad: str) -> None:
    assert problems("rules", [rule_of(bad)])


def test_a_pack_that_extends_another_fits() -> None:
    text = "id: mine\nversion: 1.0.0\nextends: ecommerce-zh 1.0.0\noff: [rude-words]\nchange: {no-greeting: {points: -5}}\n"
    assert problems("pack", read(text)) == []
    assert problems("pack", read("id: mine\nversion: 1.0.0\n"))
    assert problems("pack", read(text.replace("points: -5", "pionts: -5")))


def test_conditions_that_hold_their_keys_are_those_of_the_reader() -> None:
    from qc.packs import syntax

    assert set(syntax._INSIDE) - {"listed"} == _INNER


def qc(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qc", "rules", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_new_pack_checks_tests_and_fits_its_schemas(tmp_path: Path) -> None:
    folder = tmp_path / "acme-rules"
    done = qc("new", folder, "--title", '我的: "规则" #1', "--lang", "zh")
    assert done.returncode == Exit.OK, done.stderr
    assert done.stdout.splitlines()[0].endswith("pack.yaml")
    pack = load_pack(folder)
    assert (pack.id, pack.title["zh"]) == ("acme-rules", '我的: "规则" #1')
    assert all(result.ok for result in run_cases(pack))
    for name, kind in (("pack.yaml", "pack"), ("rules.yaml", "rules"), ("lists/time-limits.yaml", "list")):
        text = (folder / name).read_text(encoding="utf-8")
        assert problems(kind, read(text)) == []
        written = json.loads((folder / ".schema" / f"{kind}.json").read_text(encoding="utf-8"))
        assert written == json.loads(json.dumps(schema(kind, "zh")))
        assert (folder / name).parent.joinpath(text.split("$schema=")[1].split("\n")[0]).resolve().is_file()


def test_new_takes_no_folder_with_something_in_it_and_no_bad_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("", encoding="utf-8")
    assert qc("new", tmp_path / "a").returncode == Exit.USAGE
    assert qc("new", tmp_path / "B ad").returncode == Exit.USAGE
    assert not (tmp_path / "B ad").exists()
    assert qc("new", tmp_path / "B ad", "--id", "good").returncode == Exit.OK


def test_the_schema_is_printed_and_a_rule_read_aloud() -> None:
    assert json.loads(qc("schema", "list").stdout)["title"] == "qc list"
    done = qc("schema", "rule")
    assert done.returncode == Exit.USAGE
    assert "did you mean 'rules'" in done.stderr
    pack = RULES / "ecommerce-zh"
    said = qc("explain", pack, "promise-without-time", "--lang", "zh").stdout
    assert "承诺没有时限" in said
    assert "尽快" in said
    assert qc("explain", pack, "promise-without-time").stdout != said
    value = json.loads(qc("explain", pack, "long-silence", "--json").stdout)
    recipes = RULES / "recipes-zh"
    assert "  - call: level = VIP / call: satisfaction = 1 / customer: 我很失望" in qc("explain", recipes, "vip-unhappy").stdout
    assert value["rule"] == "long-silence"
    done = qc("explain", pack, "promise-without-tiem")
    assert done.returncode == Exit.USAGE
    assert "did you mean 'promise-without-time'" in done.stderr
