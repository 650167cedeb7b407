"""Hidden rules: the other side gets a commitment and nothing else, and the author can open it later, or is caught."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from qc.cli.main import main
from qc.errors import Exit, PackError, UntrustedPackError
from qc.packs import load_pack
from qc.packs.hidden import Openings, open_rules, prove, read_openings, split
from qc.packs.keys import PrivateKey, make_keys, read_private
from qc.packs.seal import Sealed, read_sealed, seal

HIDDEN = """\
- id: canary
  title: 暗记
  why: 看有没有人偷看
  dimension: certainty
  severity: low
  points: -1
  visibility: hidden
  when: {says: [芝麻开门]}
  cases: {hit: [{agent: 芝麻开门}], miss: [{agent: 关门}]}
"""


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    return read_private(make_keys("Acme", tmp_path / "k")[0])


@pytest.fixture
def made(folder: Path, key: PrivateKey) -> tuple[Sealed, Openings]:
    (folder / "hidden.yaml").write_text(HIDDEN, encoding="utf-8")
    shown, hidden = split(load_pack(folder))
    assert hidden is not None
    openings = open_rules(hidden, key)
    return seal(shown, {}, tuple(o.commitment for o in openings.rules)), openings


def test_nothing_of_a_hidden_rule_is_in_the_sealed_pack(made: tuple[Sealed, Openings]) -> None:
    sealed, openings = made
    data = sealed.encode()
    for word in ("canary", "芝麻", "暗记", "偷看", "hidden.yaml", openings.rules[0].salt):
        assert word.encode() not in data
    assert [r.id for r in sealed.pack().rules] == ["promise"]
    assert sealed.manifest.hidden == (openings.rules[0].commitment,)


def test_the_author_proves_it_and_a_change_is_caught(made: tuple[Sealed, Openings]) -> None:
    sealed, openings = made
    assert prove(sealed, openings) == openings.rules
    (opening,) = openings.rules
    for rule, salt in (({**opening.rule, "points": -2}, opening.salt), (opening.rule, "0" * 64)):
        forged = dataclasses.replace(openings, rules=(dataclasses.replace(opening, rule=rule, salt=salt),))
        with pytest.raises(UntrustedPackError, match="not committed to in the sealed pack: canary"):
            prove(sealed, forged)
    for change in ({"version": "9.9.9"}, {"id": "other"}):
        with pytest.raises(UntrustedPackError, match="the openings are of"):
            prove(sealed, dataclasses.replace(openings, **change))
    with pytest.raises(UntrustedPackError, match="no openings"):
        prove(sealed, dataclasses.replace(openings, rules=()))


def test_salts_are_secret_differ_by_version_and_key_and_repeat(
    folder: Path, made: tuple[Sealed, Openings], key: PrivateKey, tmp_path: Path
) -> None:
    hidden = split(load_pack(folder))[1]
    assert hidden is not None
    other = read_private(make_keys("Other", tmp_path / "o")[0])
    salts = [
        open_rules(pack, signer).rules[0].salt
        for pack, signer in ((hidden, key), (dataclasses.replace(hidden, version="2.0.0"), key), (hidden, other))
    ]
    assert len(set(salts)) == 3
    assert open_rules(hidden, key) == made[1]


def test_a_pack_of_hidden_rules_alone_is_not_exported(folder: Path) -> None:
    rules = folder / "rules.yaml"
    rules.write_text(HIDDEN, encoding="utf-8")
    with pytest.raises(PackError, match="every rule of the pack is hidden"):
        split(load_pack(folder))


def test_openings_are_read_back_and_damaged_ones_are_refused(made: tuple[Sealed, Openings], tmp_path: Path) -> None:
    path = tmp_path / "o.json"
    data = made[1].encode()
    path.write_bytes(data)
    assert read_openings(path) == made[1]
    for bad in (b"", b"[]", b"{}", data[:-1], data.replace(b'"salt":"', b'"salt":"z'), data + b" ", b"[" * 100_000):
        path.write_bytes(bad)
        with pytest.raises(UntrustedPackError):
            read_openings(path)


def test_merchant_exports_hands_over_one_rule_and_provider_checks_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "hidden.yaml").write_text(HIDDEN + HIDDEN.replace("canary", "canary-2"), encoding="utf-8")
    private, public = make_keys("Acme", tmp_path / "acme")

    def qc(*arguments: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    out = tmp_path / "x.qcpack"
    assert qc("rules", "export", folder, "-o", out)[0] == Exit.USAGE  # no key, no commitments
    for _ in range(2):  # the same again is no other
        code, said = qc("rules", "export", folder, "--key", private, "-o", out)
        assert (code, "2 hidden rules left out" in said) == (Exit.OK, True)
    kept = tmp_path / "x.openings.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert len(read_sealed(out).manifest.hidden) == 2
    one = tmp_path / "one.json"
    trust = ("--trust", public)
    assert qc("rules", "prove", out, kept, "--rule", "canary-2", "-o", one, *trust)[0] == Exit.OK
    code, said = qc("rules", "prove", out, one, "--json", *trust)
    assert [p["rule"]["id"] for p in json.loads(said)["proven"]] == ["canary-2"]
    assert qc("rules", "prove", out, kept, "--rule", "none", *trust)[0] == Exit.USAGE
    one.write_bytes(one.read_bytes().replace("芝麻".encode(), "西瓜".encode()))
    code, said = qc("rules", "prove", out, one, *trust)
    assert (code, "not committed" in said) == (Exit.UNTRUSTED, True)
    head = folder / "hidden.yaml"
    head.write_text(HIDDEN.replace("-1", "-2"), encoding="utf-8")
    code, said = qc("rules", "export", folder, "--key", private, "-o", out)
    assert (code, "there already" in said) == (Exit.USAGE, True)  # openings are never written over
