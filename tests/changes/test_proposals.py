"""Proposals from house to house: signed, figures only, fitting the rule as it is; what is decided is told with who asked for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.changes.proposals import next_version, read_proposal
from qc.errors import Exit, QcError, UntrustedPackError
from qc.packs import load_pack
from qc.packs.seal import canonical
from qc.store import Store
from tests.changes.conftest import HEAD, Run, call, rule, write


class Houses:
    """A merchant with a pack, and a desk with a changed copy, a key and a store of its own."""

    def __init__(self, folder: Path, qc: Run) -> None:
        self.folder, self.qc = folder, qc
        for name in ("desk", "other"):
            assert qc("rules", "keygen", name.title(), "-o", folder / name)[0] == Exit.OK
        self.pack = folder / "small"
        (self.pack / "lists").mkdir(parents=True)
        (self.pack / "pack.yaml").write_text(HEAD.removesuffix("rules:\n"), encoding="utf-8")
        text = (rule("vague", "尽快, 尽早") + rule("kept", "加微信")).replace("\n  ", "\n").replace("  - id", "- id", 1)
        (self.pack / "rules.yaml").write_text(text.replace("says: [加微信]", "says: [加微信, {list: moves}]"), encoding="utf-8")
        (self.pack / "lists" / "moves.yaml").write_text("- 私下转账\n", encoding="utf-8")
        (self.pack / "README.md").write_text("# ours\n", encoding="utf-8")
        self.copy = write(
            folder / "copy.yaml", rule("vague", "尽快", -5), rule("kept", "加微信, 私下转账"), rule("new", "不知道", -2)
        )
        self.store = Store(folder / "deskstore")
        for n in range(6):
            call(self.store, f"secret{n}", [("agent", "我们尽快处理张三的订单")], agent="李四", provider="秘密外包")

    def propose(self, name: str = "desk", *more: str | Path, copy: Path | None = None) -> Path:
        file = self.folder / f"{name}-{len(list(self.folder.glob('*.qcproposal')))}.qcproposal"
        code, said = self.qc("rules", "propose", self.pack, copy or self.copy, "--reason", "尽早 is <b>polite</b>", "--by", "Best Desk",
                             "-o", file, "--key", self.folder / f"{name}.key", *more)  # fmt: skip
        assert code == Exit.OK, said
        return file

    def review(self, *more: str | Path) -> tuple[int, str]:
        return self.qc("rules", "review", self.pack, "--trust", self.folder / "desk.pub", *more)


@pytest.fixture
def houses(tmp_path: Path, qc: Run) -> Houses:
    return Houses(tmp_path, qc)


def test_a_proposal_is_taken_into_the_next_version_with_who_asked_for_what(houses: Houses, tmp_path: Path) -> None:
    file = houses.propose("desk", "--store", houses.store.path)
    code, said = houses.review(file)
    assert code == Exit.OK, said
    assert "from Desk (" in said
    assert "rule vague, points: -10 → -5" in said
    assert "of 6 calls 0 with other verdicts, 6 with another score; largest shift 5.0" in said
    assert not (tmp_path / "next").exists()
    code, said = houses.review("--accept", file, "-o", tmp_path / "next")
    assert code == Exit.OK, said
    made = load_pack(tmp_path / "next")
    assert made.version == "1.1.0"
    assert [(r.id, r.points) for r in made.rules] == [("vague", -5), ("kept", -10), ("new", -2)]
    assert made.by_id["kept"] == load_pack(houses.pack).by_id["kept"]
    assert "list: moves" in (tmp_path / "next" / "rules.yaml").read_text(encoding="utf-8"), "what is not touched stays as written"
    assert (tmp_path / "next" / "README.md").read_text(encoding="utf-8") == "# ours\n"
    log = (tmp_path / "next" / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## 1.1.0" in log
    assert "accepted: Desk (" in log
    assert "尽早 is \\<b\\>polite\\</b\\>" in log
    assert "规则 vague，points：-10 → -5" in log


def test_a_refusal_is_told_too_and_changes_nothing_but_the_version(houses: Houses, tmp_path: Path) -> None:
    file = houses.propose()
    code, said = houses.review("--refuse", file, "--why", "too mild", "-o", tmp_path / "next")
    assert code == Exit.OK, said
    assert load_pack(tmp_path / "next").rules == load_pack(houses.pack).rules
    assert "too mild" in (tmp_path / "next" / "CHANGELOG.md").read_text(encoding="utf-8")


def test_nothing_of_any_call_is_in_the_file(houses: Houses) -> None:
    text = houses.propose("desk", "--store", houses.store.path).read_text(encoding="utf-8")
    assert not [word for word in ("张三", "李四", "秘密外包", "secret0", "订单") if word in text]
    assert json.loads(text)["impact"]["scores_changed"] == 6


def test_the_same_proposal_has_the_same_bytes(houses: Houses) -> None:
    assert houses.propose().read_bytes() == houses.propose().read_bytes()


def test_a_stranger_is_not_listened_to_unless_told(houses: Houses, tmp_path: Path) -> None:
    file = houses.propose("other")
    code, said = houses.review(file)
    assert (code, "[trust]" in said) == (Exit.UNTRUSTED, True)
    code, said = houses.review(file, "--allow", "trust")
    assert (code, "from Best Desk (not verified)" in said) == (Exit.OK, True)


def test_a_changed_proposal_is_noticed(houses: Houses) -> None:
    file = houses.propose()
    value = json.loads(file.read_bytes())
    value["changed"]["vague"]["now"]["points"] = -1
    file.write_bytes(canonical(value))
    code, said = houses.review(file)
    assert (code, "the signature of Desk" in said) == (Exit.UNTRUSTED, True)
    file.write_bytes(json.dumps(value).encode())
    assert houses.review(file)[0] == Exit.UNTRUSTED


def test_a_signature_of_a_pack_is_none_of_a_proposal(houses: Houses) -> None:
    """Signatures have a purpose: what was signed as a pack cannot be passed off as a proposal."""
    from qc.changes.proposals import _PURPOSE
    from qc.packs.keys import key_id, read_private

    file = houses.propose()
    key, proposal = read_private(houses.folder / "desk.key"), read_proposal(file)
    without_purpose = {key_id(key.raw_public): key.sign(proposal.body)}
    file.write_bytes(type(proposal)(**{**proposal.__dict__, "signatures": without_purpose}).encode())
    assert _PURPOSE
    assert houses.review(file)[0] == Exit.UNTRUSTED


def test_two_proposals_for_one_rule_do_not_overwrite_each_other(houses: Houses, tmp_path: Path) -> None:
    first = houses.propose()
    second = houses.propose(copy=write(tmp_path / "b.yaml", rule("vague", "尽快", -1), rule("kept", "加微信, 私下转账")))
    code, said = houses.review("--accept", first, "--accept", second, "-o", tmp_path / "next")
    assert (code, "it changes rules that are not (or no longer) as it says: vague" in said) == (Exit.USAGE, True)
    assert not (tmp_path / "next").exists()
    other = houses.propose(
        copy=write(tmp_path / "c.yaml", rule("vague", "尽快, 尽早"), rule("kept", "加微信, 私下转账"), rule("third", "别人", -3))
    )
    assert houses.review("--accept", first, "--accept", other, "-o", tmp_path / "next")[0] == Exit.OK
    assert [r.id for r in load_pack(tmp_path / "next").rules] == ["vague", "kept", "new", "third"]


def test_a_proposal_on_an_older_version_fits_where_its_rules_are_the_same(houses: Houses) -> None:
    file = houses.propose()
    rules = houses.pack / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("加微信, {list", "加微信, 加QQ, {list"), encoding="utf-8")
    assert houses.review(file)[0] == Exit.OK
    rules.write_text(rules.read_text(encoding="utf-8").replace("尽快, 尽早", "尽快, 稍后"), encoding="utf-8")
    code, said = houses.review(file)
    assert (code, "does not fit: vague" in said) == (Exit.OK, True)


def test_a_rule_can_be_asked_to_go_and_a_copy_whose_cases_fail_is_not_sent(houses: Houses, tmp_path: Path) -> None:
    gone = houses.propose(copy=write(tmp_path / "b.yaml", rule("kept", "加微信, 私下转账")))
    assert houses.review("--accept", gone, "-o", tmp_path / "next")[0] == Exit.OK
    assert [r.id for r in load_pack(tmp_path / "next").rules] == ["kept"]
    broken = write(tmp_path / "c.yaml", rule("vague", "尽快").replace("miss: [{customer", "miss: [{agent"))
    code, said = houses.qc("rules", "propose", houses.pack, broken, "--reason", "r", "--by", "b", "-o", tmp_path / "x.qcproposal")
    assert (code, "a case must be miss, came out hit" in said) == (Exit.USAGE, True)
    same = houses.qc("rules", "propose", houses.pack, houses.pack, "--reason", "r", "--by", "b")
    assert (same[0], "do not differ" in same[1]) == (Exit.USAGE, True)


def test_versions_are_raised_in_the_middle() -> None:
    assert [next_version(v) for v in ("1.2.3", "0.9.0-beta.1")] == ["1.3.0", "0.10.0"]


@settings(max_examples=150, deadline=None)
@given(st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=5)), lambda x: st.one_of(st.lists(x, max_size=3), st.dictionaries(
    st.sampled_from(["format", "base", "author", "reason", "head", "added", "removed", "changed", "impact", "signatures", "id", "was", "now"]), x, max_size=10))))  # fmt: skip
def test_whatever_stands_in_the_file_it_is_a_proposal_or_refused(value: object) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.qcproposal"
        full = {"format": "qcproposal-1", "base": {"id": "a", "version": "1.0.0", "sha256": "0" * 64}, "author": "a", "reason": "r",
                "head": {}, "added": [], "removed": {}, "changed": {}, "impact": None, "signatures": []}  # fmt: skip
        for data in (value, full | (value if isinstance(value, dict) else {"added": value}), full | {"changed": {"a": value}}):
            file.write_bytes(canonical(data))
            try:
                read_proposal(file)
            except UntrustedPackError as error:
                assert error.code == "form"
            except QcError:
                pass
