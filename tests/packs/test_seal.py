"""Sealed packs between honest houses: one spelling, signatures that add up, the same findings on both sides."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from qc.cli.main import main
from qc.errors import Exit, PackError, UsageError
from qc.packs import load_pack, trust_local, trust_pack
from qc.packs.archive import read_archive, write_archive
from qc.packs.install import precedence
from qc.packs.keys import add_trust, make_keys, read_keys, read_private
from qc.packs.seal import MAX_TEXT_BYTES, conditions_of, parse_sealed, read_sealed, seal, texts_beside
from qc.packs.verify import verify
from qc.store import Store

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line: exit code, and what it printed on both channels."""

    def call(*arguments: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return call


class House:
    """One company: its keys, its folder of settings, its store."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home, self.name = folder, name
        folder.mkdir()
        self.key, self.pub = make_keys(name, folder / "own")
        self.store = Store(folder / "store")


@pytest.fixture
def houses(tmp_path: Path) -> tuple[House, House, House]:
    return (
        House(tmp_path / "merchant", "Acme Outdoor"),
        House(tmp_path / "provider", "甲外包"),
        House(tmp_path / "market", "Market"),
    )


def test_the_same_pack_and_keys_give_the_same_bytes(folder: Path, tmp_path: Path, run: Run) -> None:
    (folder / "README.md").write_text("read me\n", encoding="utf-8")
    make_keys("Acme", tmp_path / "a")
    for name in ("one", "two"):
        assert run("rules", "export", folder, "--key", tmp_path / "a.key", "-o", tmp_path / f"{name}.qcpack")[0] == Exit.OK
    assert (tmp_path / "one.qcpack").read_bytes() == (tmp_path / "two.qcpack").read_bytes()


def test_any_zip_tool_opens_it_and_finds_what_the_manifest_lists(folder: Path) -> None:
    (folder / "LICENSE").write_text("free\n", encoding="utf-8")
    (folder / "notes.txt").write_text("private\n", encoding="utf-8")
    pack = load_pack(folder)
    sealed = seal(pack, texts_beside(folder))
    with zipfile.ZipFile(io.BytesIO(sealed.encode())) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["LICENSE", "manifest.json", "pack.json", "signatures.json"]
        assert opened.read("pack.json") == pack.flat
        manifest = json.loads(opened.read("manifest.json"))
    assert manifest["conditions"] == ["says"] == list(conditions_of(pack))
    assert {f["name"]: f["sha256"] for f in manifest["files"]}["LICENSE"] == hashlib.sha256(b"free\n").hexdigest()


def test_what_was_sealed_is_read_back(folder: Path, tmp_path: Path) -> None:
    pack = load_pack(folder)
    sealed = seal(pack, {"README.md": b"hello"}).signed_by(read_private(make_keys("A", tmp_path / "a")[0]))
    again = parse_sealed(sealed.encode(), "x.qcpack")
    assert again.pack() == pack
    assert again.encode() == sealed.encode()
    assert again.manifest == sealed.manifest


def test_texts_beside_must_be_readable_texts(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"\xff\xfe")
    (folder / "LICENSE").write_bytes(b"x" * (MAX_TEXT_BYTES + 1))
    (folder / "NOTICE").symlink_to("/etc/hostname")
    with pytest.raises(PackError) as told:
        texts_beside(folder)
    assert [p.message.split(" ", 2)[2] for p in told.value.problems] == [
        "is larger than 1024 KiB", "that travels with the pack must be a file of its own", "is not UTF-8",
    ]  # fmt: skip


def test_two_houses_sign_and_both_names_are_told(folder: Path, houses: tuple[House, House, House]) -> None:
    merchant, _, market = houses
    sealed = seal(load_pack(folder), {})
    for house in (market, merchant):
        sealed = sealed.signed_by(read_private(house.key))
    keys = [*read_keys(merchant.pub), *read_keys(market.pub)]
    both = verify(parse_sealed(sealed.encode(), "x"), keys)
    assert both.signer == f"{keys[0].shown}, {keys[1].shown}"
    one = verify(sealed, keys[:1])
    assert (one.signer, one.unknown) == (keys[0].shown, (keys[1].id,))


def test_signing_again_with_the_same_key_changes_nothing(folder: Path, houses: tuple[House, House, House]) -> None:
    key = read_private(houses[0].key)
    once = seal(load_pack(folder), {}).signed_by(key)
    assert once.signed_by(key).encode() == once.encode()


def _transcripts(store: Store) -> None:
    said = ["我们会尽快联系商家", "我们三小时内给您回电话", "好的再见", "我尽早帮您处理"]
    rows = []
    for number, text in enumerate(said):
        place = {"channel": 0, "role": "agent", "start_ms": 0, "end_ms": 3000}
        turns = [{**place, "turn": 0, "text": text}]
        rows.append({"call_id": f"c{number}", "status": "ok", "turns": turns, "spans": [{**place, "heard": True}]})
    store.append("transcripts", [*rows, {"call_id": "c9", "status": "failed", "reason": "empty", "message": "m"}])


def test_merchant_and_provider_get_the_same_findings_to_the_byte(
    folder: Path, houses: tuple[House, House, House], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    merchant, provider, _ = houses
    file = merchant.home / "small-1.2.3.qcpack"
    assert run("rules", "export", folder, "--key", merchant.key, "-o", file)[0] == Exit.OK
    sent = provider.home / "from-merchant.qcpack"
    sent.write_bytes(file.read_bytes())
    tables = []
    for house, pack in ((merchant, file), (provider, sent)):
        monkeypatch.setenv("QC_HOME", str(house.home / "settings"))
        assert run("rules", "trust", merchant.pub)[0] == Exit.OK
        code, said = run("rules", "import", pack)
        assert code == Exit.OK, said
        _transcripts(house.store)
        installed = house.home / "settings" / "packs" / "small.qcpack"
        code, said = run("scan", "--rules", installed, "--store", house.store.path)
        assert code == Exit.FAILED_CALLS, said  # the failed transcript is a row
        assert "Acme Outdoor (" in said
        assert run("store", "compact", "--store", house.store.path)[0] == Exit.OK
        out = house.home / "findings.csv"
        assert run("store", "export", "findings", "-o", out, "--store", house.store.path)[0] == Exit.OK
        (part,) = house.store.parts("findings")
        tables.append((part.read_bytes(), out.read_bytes()))
        rows = house.store.read("findings").to_pylist()
        assert [r["hits"] for r in rows] == [1, 0, 0, 1, None]
        assert {r["pack_signer"] for r in rows} == {read_keys(merchant.pub)[0].shown}
        assert {r["pack_sha256"] for r in rows} == {load_pack(folder).sha256}
    assert tables[0] == tables[1]


def test_an_untrusted_pack_scans_nothing(folder: Path, houses: tuple[House, House, House], run: Run, tmp_path: Path) -> None:
    merchant, provider, _ = houses
    file = tmp_path / "x.qcpack"
    run("rules", "export", folder, "--key", merchant.key, "-o", file)
    _transcripts(provider.store)
    common = ("scan", "--rules", file, "--store", provider.store.path, "--trust", provider.pub)
    code, said = run(*common)
    assert (code, "[trust]" in said) == (Exit.UNTRUSTED, True)
    assert not provider.store.parts("findings")
    assert run(*common, "--allow", "trust")[0] == Exit.FAILED_CALLS
    assert set(provider.store.read("findings")["pack_signer"].to_pylist()) == {"unverified (trust)"}
    assert run(*common, "--allow", "trsut")[0] == Exit.USAGE


def test_a_folder_is_local_and_a_sealed_pack_never_is(folder: Path, tmp_path: Path) -> None:
    assert trust_pack(folder).signer == trust_local(folder).signer == "local"


def test_import_shows_what_changes(folder: Path, houses: tuple[House, House, House], run: Run, tmp_path: Path) -> None:
    merchant = houses[0]
    where = ("--trust", merchant.pub, "--into", tmp_path / "packs")
    file = tmp_path / "a.qcpack"
    run("rules", "export", folder, "--key", merchant.key, "-o", file)
    code, said = run("rules", "import", file, *where)
    assert (code, "no version of it was installed" in said) == (Exit.OK, True)
    head, rules = folder / "pack.yaml", folder / "rules.yaml"
    head.write_text(head.read_text(encoding="utf-8").replace("1.2.3", "1.3.0"), encoding="utf-8")
    rules.write_text(rules.read_text(encoding="utf-8").replace("-5", "-8").replace("尽早", "稍后"), encoding="utf-8")
    run("rules", "export", folder, "--key", merchant.key, "-o", file)
    before = (tmp_path / "packs" / "small.qcpack").read_bytes()
    code, said = run("rules", "import", file, *where, "--dry-run", "--json")
    value = json.loads(said)
    assert (code, value["replaces"], value["installed"]) == (Exit.OK, "1.2.3", "")
    assert (tmp_path / "packs" / "small.qcpack").read_bytes() == before
    assert {(c["id"], c["field"]) for c in value["changes"]} == {
        ("small", "version"),
        ("promise", "points"),
        ("promise", "when.says"),
    }
    code, said = run("rules", "import", file, *where)
    assert "rule promise, points: -5 → -8" in said
    assert "rule promise, when.says: added «稍后»; removed «尽早»" in said
    assert (tmp_path / "packs" / "small.qcpack").read_bytes() == file.read_bytes()


def test_a_pack_whose_cases_fail_is_neither_exported_nor_imported(
    folder: Path, houses: tuple[House, House, House], run: Run
) -> None:
    merchant = houses[0]
    rules = folder / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("agent: 三小时内", "agent: 尽快"), encoding="utf-8")
    out = merchant.home / "bad.qcpack"
    code, said = run("rules", "export", folder, "-o", out)
    assert (code, out.exists()) == (Exit.USAGE, False)
    assert "rules.yaml:15:9: error: promise: a case must be miss, came out hit" in said
    out.write_bytes(seal(load_pack(folder), {}).signed_by(read_private(merchant.key)).encode())
    where = ("--trust", merchant.pub, "--into", merchant.home / "packs")
    code, said = run("rules", "import", out, *where)
    assert (code, "[cases]" in said, (merchant.home / "packs").exists()) == (Exit.UNTRUSTED, True, False)
    assert run("rules", "import", out, *where, "--allow", "cases")[0] == Exit.OK


def test_the_cases_of_every_rule_of_a_large_pack_are_run(folder: Path, tmp_path: Path, run: Run) -> None:
    rules = folder / "rules.yaml"
    text = rules.read_text(encoding="utf-8")
    bad = text.replace("agent: 三小时内", "agent: 尽快").replace("id: promise", "id: bad")
    rules.write_text("".join(text.replace("id: promise", f"id: r{i}") for i in range(60)) + bad, encoding="utf-8")
    code, said = run("rules", "export", folder, "-o", tmp_path / "x.qcpack")
    assert (code, "bad: a case must be miss" in said, "1 problem" in said) == (Exit.USAGE, True, True)
    rules.write_text(rules.read_text(encoding="utf-8").replace(bad, ""), encoding="utf-8")
    assert run("rules", "export", folder, "-o", tmp_path / "x.qcpack")[0] == Exit.OK


def test_keys_are_made_once_and_the_private_one_is_private(tmp_path: Path, run: Run) -> None:
    assert run("rules", "keygen", "Acme", "-o", tmp_path / "k")[0] == Exit.OK
    assert (tmp_path / "k.key").stat().st_mode & 0o077 == 0
    before = (tmp_path / "k.key").read_bytes()
    assert run("rules", "keygen", "Acme", "-o", tmp_path / "k")[0] == Exit.USAGE
    assert (tmp_path / "k.key").read_bytes() == before


def test_trust_is_a_list_that_grows_by_a_line(houses: tuple[House, House, House], tmp_path: Path, run: Run) -> None:
    merchant, provider, _ = houses
    path = tmp_path / "list"
    path.write_text("# ours\n" + merchant.pub.read_text(encoding="utf-8").strip(), encoding="utf-8")
    assert run("rules", "trust", provider.pub, "--as", "Desk B", "--trust", path)[0] == Exit.OK
    assert [k.name for k in read_keys(path)] == ["Acme Outdoor", "Desk B"]
    assert add_trust(read_keys(merchant.pub)[0], path) == (path, False)
    _, said = run("rules", "trust", "--trust", path, "--json")
    assert [k["name"] for k in json.loads(said)["keys"]] == ["Acme Outdoor", "Desk B"]


def test_versions_stand_in_the_order_of_semantic_versioning() -> None:
    told = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    told += ["1.0.1", "1.9.0", "1.10.0", "2.0.0"]
    assert sorted({*told}, key=precedence) == told


def test_the_archive_comes_back_as_it_went_in() -> None:
    files = {"b": b"", "a.json": b"{}", "README.md": bytes(range(256))}
    assert read_archive(write_archive(files)) == files


@pytest.mark.parametrize("path", sorted(p.parent for p in (ROOT / "rules").glob("*/pack.yaml")), ids=lambda p: p.name)
def test_the_starter_packs_travel(path: Path, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "x.qcpack"
    code, said = run("rules", "export", path, "-o", file)
    assert code == Exit.OK, said
    assert read_sealed(file).pack() == load_pack(path)


def test_a_name_for_a_key_is_checked(tmp_path: Path) -> None:
    for bad in ("", "local", "LOCAL", "Unverified", "a\u202eb", "a\u200bb", "a, b", "a (b)", "x" * 65, "a\nb", "#a"):
        with pytest.raises(UsageError):
            make_keys(bad, tmp_path / "k")
    assert not list(tmp_path.iterdir())


def test_keys_of_other_kinds_do_not_sign(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec, ed448

    path = tmp_path / "other.key"
    for key in (ec.generate_private_key(ec.SECP256R1()), ed448.Ed448PrivateKey.generate()):
        path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
        with pytest.raises(UsageError, match="another kind"):
            read_private(path)
    path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x")))
    with pytest.raises(UsageError, match="passphrase"):
        read_private(path)
    path.write_bytes(make_keys("Acme", tmp_path / "k")[1].read_bytes())
    with pytest.raises(UsageError, match="no private key"):
        read_private(path)


def test_a_changed_byte_in_a_transcript_shows_in_the_findings(folder: Path, houses: tuple[House, House, House], run: Run) -> None:
    merchant, provider, _ = houses
    tables = []
    for house, text in ((merchant, "我们会尽快联系商家"), (provider, "我们会尽快联系商家。")):
        turn = {"turn": 0, "channel": 0, "role": "agent", "start_ms": 0, "end_ms": 2000, "text": text, "flags": []}
        house.store.append("transcripts", [{"call_id": "a", "status": "ok", "duration_ms": 2000, "turns": [turn], "spans": []}])
        assert run("scan", "--rules", folder, "--store", house.store.path)[0] == Exit.OK
        tables.append(house.store.read("findings").to_pylist()[0])
    assert tables[0]["transcript_sha256"] != tables[1]["transcript_sha256"]
    assert [t["hits"] for t in tables] == [1, 1], "the verdict is the same, and the row still differs"


@pytest.mark.parametrize(("name", "verb"), [("rules.json", "convert"), ("words.csv", "convert"), ("rules.xlsx", "from-excel")])
def test_import_says_which_verb_takes_other_files(name: str, verb: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / name).write_text("{}", encoding="utf-8")
    code, said = run("rules", "import", tmp_path / name)
    assert (code, f"qc rules {verb}" in said) == (Exit.USAGE, True)
