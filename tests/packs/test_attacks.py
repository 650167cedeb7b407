"""Whoever sends a pack may be a rival: each test is one thing he may try, and its name says what must happen."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qc.errors import PackError, QcError, StoreError, UntrustedPackError
from qc.packs import load_pack, trust_pack
from qc.packs.archive import BadArchive, write_archive
from qc.packs.install import arrive, install
from qc.packs.keys import PrivateKey, PublicKey, make_keys, read_keys, read_private
from qc.packs.model import Pack
from qc.packs.seal import MANIFEST, MAX_SEALED_BYTES, PACK, SIGNATURES, Sealed, canonical, parse_sealed, read_sealed, seal
from qc.packs.verify import CHECKS, verify


@pytest.fixture
def own(tmp_path: Path) -> tuple[PrivateKey, PublicKey]:
    private, public = make_keys("Merchant", tmp_path / "merchant")
    return read_private(private), read_keys(public)[0]


@pytest.fixture
def rival(tmp_path: Path) -> tuple[PrivateKey, PublicKey]:
    private, public = make_keys("Rival", tmp_path / "rival")
    return read_private(private), read_keys(public)[0]


@pytest.fixture
def good(folder: Path, own: tuple[PrivateKey, PublicKey]) -> Sealed:
    """A pack sealed and signed as it should be."""
    return seal(load_pack(folder), {"README.md": b"hello\n"}).signed_by(own[0])


def entries(sealed: Sealed) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(sealed.encode())) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def repacked(files: dict[str, bytes], **options: Any) -> bytes:
    """The files as another tool would zip them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def refused(data: bytes, keys: list[PublicKey], allow: tuple[str, ...] = ()) -> UntrustedPackError:
    with pytest.raises(UntrustedPackError) as told:
        verify(parse_sealed(data, "theirs.qcpack"), keys, allow)
    assert told.value.hint
    assert told.value.where == "theirs.qcpack"
    return told.value


# -- the file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "a/b",
        "..\\evil",
        "C:evil",
        ".hidden",
        "pack.json\x00.txt",
        "расk.json",
        "pаck.json",
        "a\u202eb",
        "NUL:",
    ],
)
def test_a_name_that_is_a_path_or_looks_like_another_is_refused(
    good: Sealed, own: tuple[PrivateKey, PublicKey], name: str
) -> None:
    coded = name.encode()
    plain = b"q" * len(coded)
    data = write_archive({**entries(good), plain.decode(): b"x"})
    assert data.count(plain) == 2
    assert "is called" in refused(data.replace(plain, coded), [own[1]], tuple(CHECKS)).message
    with pytest.raises(BadArchive):
        write_archive({name: b"x"})


def test_a_link_is_refused(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    data = bytearray(good.encode())
    at = data.rindex(b"PK\x01\x02") + 38
    struct.pack_into("<I", data, at, 0o120777 << 16)
    assert refused(bytes(data), [own[1]]).code == "form"


def test_a_compressed_file_is_refused_before_it_is_unpacked(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb", b"\0" * 50_000_000)
    assert "compressed" in refused(out.getvalue(), [own[1]]).message


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, own: tuple[PrivateKey, PublicKey]) -> None:
    huge = tmp_path / "huge.qcpack"
    with huge.open("wb") as out:
        out.truncate(MAX_SEALED_BYTES * 100)
    with pytest.raises(UntrustedPackError, match="larger than"):
        read_sealed(huge)


def test_a_size_in_a_header_is_not_believed(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    data = bytearray(good.encode())
    for size in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
        changed = bytearray(data)
        struct.pack_into("<II", changed, 18, size, size)
        assert refused(bytes(changed), [own[1]]).code == "form"


def test_more_files_than_a_pack_has_are_refused(own: tuple[PrivateKey, PublicKey]) -> None:
    assert "more than" in refused(write_archive({f"f{i}": b"" for i in range(5000)}), [own[1]]).message


def test_a_name_that_is_there_twice_is_refused(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    files = entries(good)
    out = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(out, "w") as made:
        for name in (*files, PACK):
            made.writestr(zipfile.ZipInfo(name), files[name])
    assert "twice" in refused(out.getvalue(), [own[1]]).message
    assert "twice" in refused(repacked({**files, "readme.MD": b"x"}), [own[1]]).message


def test_bytes_before_after_or_between_are_refused(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    data = good.encode()
    middle = data.index(b"PK\x01\x02")
    for changed in (
        b"#!/bin/sh\n" + data,
        data + b"\n",
        data[:middle] + b"\0" + data[middle:],
        data[:-1],
        data[:40],
        b"",
        b"PK\x03\x04",
    ):
        assert refused(changed, [own[1]]).code == "form"


def test_every_changed_byte_is_noticed(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    data = good.encode()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(UntrustedPackError):
            verify(parse_sealed(bytes(changed), "x"), [own[1]])


def test_a_pack_zipped_anew_by_another_tool_is_refused(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    assert refused(repacked(entries(good)), [own[1]]).code == "form"


# -- what is inside ---------------------------------------------------------------------------------------------


def test_a_missing_file_is_refused_unless_told_otherwise(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    files = entries(good)
    del files["README.md"]
    data = write_archive(files)
    assert refused(data, [own[1]]).code == "files"
    assert verify(parse_sealed(data, "x"), [own[1]], {"files"}).signer == "unverified (files)"
    del files[PACK]
    refused(write_archive(files), [own[1]], tuple(CHECKS))


def test_an_extra_file_is_refused_unless_told_otherwise(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    data = write_archive({**entries(good), "extra.txt": b"x"})
    assert refused(data, [own[1]]).code == "files"
    assert verify(parse_sealed(data, "x"), [own[1]], {"files"}).passed_over == ("files",)


def test_a_changed_file_is_refused_unless_told_otherwise(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    files = entries(good)
    files[PACK] = files[PACK].replace(b"-5", b"-6")
    data = write_archive(files)
    assert refused(data, [own[1]]).code == "hashes"
    assert verify(parse_sealed(data, "x"), [own[1]], {"hashes"}).signer == "unverified (hashes)"


def test_passing_over_one_check_does_not_pass_over_another(good: Sealed, rival: tuple[PrivateKey, PublicKey]) -> None:
    files = entries(good)
    files[PACK] = files[PACK].replace(b"-5", b"-6")
    assert refused(write_archive(files), [rival[1]], ("hashes",)).code == "trust"
    assert refused(write_archive(files), [rival[1]], ("trust",)).code == "hashes"


def test_a_manifest_for_another_pack_is_refused(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    other = dataclasses.replace(good.manifest, id="other").encode()
    sealed = dataclasses.replace(good, manifest_bytes=other).signed_by(own[0])
    assert "another pack" in refused(sealed.encode(), [own[1]], tuple(CHECKS)).message


@pytest.mark.parametrize(
    "old, new",
    [
        (b'"id":"small"', b'"id":"..\\/small"'),
        (b'"id":"small"', '"id":"ѕmall"'.encode()),
        (b'"id":"small"', b'"id":"small","id":"small"'),
        (b'"hidden":[]', b'"hidden":["x"]'),
        (b'"hidden":[]', b'"hidden":[],"more":1'),
        (b'"language":1', b'"language":1.0'),
        (b'"language":1', b'"language":true'),
        (b'"version":"1.2.3"', b'"version":"\\u202e1.2.3"'),
        (b'"format":"qcpack-1"', b'"format":"qcpack-2"'),
        (b'"name":"README.md"', b'"name":"../README.md"'),
        (b'{"conditions"', b"[" * 100_000 + b'{"conditions"'),
        (b'"bytes":6', b'"bytes":' + b"9" * 5000),
        (b'"bytes":6', b'"bytes":NaN'),
        (b'"bytes":6', b'"bytes":-6'),
    ],
)
def test_a_manifest_in_another_spelling_is_refused_even_when_it_is_signed(
    good: Sealed, own: tuple[PrivateKey, PublicKey], old: bytes, new: bytes
) -> None:
    assert old in good.manifest_bytes
    changed = good.manifest_bytes.replace(old, new)
    sealed = Sealed(changed, good.files, {}, "theirs.qcpack").signed_by(own[0])
    assert refused(sealed.encode(), [own[1]]).code in ("form", "hashes")


def test_a_newer_rule_language_is_refused_whatever_is_allowed(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    for change in ({"language": 999}, {"conditions": ("says", "telepathy")}):
        newer = dataclasses.replace(good.manifest, **change).encode()
        sealed = dataclasses.replace(good, manifest_bytes=newer).signed_by(own[0])
        told = refused(sealed.encode(), [own[1]], tuple(CHECKS))
        assert (told.code, "update qc" in told.hint) == ("language", True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"id":"small","id":"other"}',
        b'{"id":"\\ud800"}',
        b"[" + b"[]," * 1_100_000 + b"[]]",
        b"\xff",
    ],
    ids=["empty", "null", "deep", "double", "surrogate", "many", "binary"],
)
def test_a_pack_that_is_no_pack_is_one_clear_error_even_when_it_is_signed(
    own: tuple[PrivateKey, PublicKey], folder: Path, data: bytes
) -> None:
    sealed = seal(FakePack(load_pack(folder), data), {}).signed_by(own[0])  # type: ignore[arg-type]
    with pytest.raises((UntrustedPackError, PackError)):
        verify(parse_sealed(sealed.encode(), "x"), [own[1]], tuple(CHECKS))


class FakePack:
    """A pack whose bytes are what the attacker likes."""

    def __init__(self, pack: Pack, flat: bytes) -> None:
        self.id, self.version, self.language, self.rules, self.flat = pack.id, pack.version, pack.language, pack.rules, flat


def test_a_pack_that_is_not_in_canonical_form_is_refused(own: tuple[PrivateKey, PublicKey], folder: Path) -> None:
    pack = load_pack(folder)
    spaced = json.dumps(json.loads(pack.flat), ensure_ascii=False).encode()
    sealed = seal(FakePack(pack, spaced), {}).signed_by(own[0])  # type: ignore[arg-type]
    assert "canonical" in refused(sealed.encode().replace(b"small-1.2.3.qcpack", b"x"), [own[1]]).message


# -- signatures and keys ----------------------------------------------------------------------------------------


def test_stripped_signatures_are_noticed(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    told = refused(dataclasses.replace(good, signatures={}).encode(), [own[1]])
    assert (told.code, "nobody signed it" in told.message) == ("trust", True)
    files = entries(good)
    del files[SIGNATURES]
    assert refused(write_archive(files), [own[1]], tuple(CHECKS)).code == "form"


def test_a_signature_copied_from_another_pack_is_wrong(good: Sealed, own: tuple[PrivateKey, PublicKey], folder: Path) -> None:
    other = seal(dataclasses.replace(load_pack(folder), version="9.9.9"), {})
    copied = dataclasses.replace(other, signatures=good.signatures)
    assert refused(copied.encode(), [own[1]]).code == "signatures"


def test_a_signature_by_a_stranger_is_not_trusted(
    folder: Path, own: tuple[PrivateKey, PublicKey], rival: tuple[PrivateKey, PublicKey]
) -> None:
    assert refused(seal(load_pack(folder), {}).signed_by(rival[0]).encode(), [own[1]]).code == "trust"
    assert refused(seal(load_pack(folder), {}).signed_by(rival[0]).encode(), []).code == "trust"


def test_a_strangers_signature_under_a_trusted_keys_id_is_wrong(
    good: Sealed, own: tuple[PrivateKey, PublicKey], rival: tuple[PrivateKey, PublicKey]
) -> None:
    forged = dataclasses.replace(good, signatures={own[1].id: rival[0].sign(good.manifest_bytes)})
    assert refused(forged.encode(), [own[1]]).code == "signatures"


def test_one_good_signature_does_not_excuse_a_wrong_one(
    good: Sealed, own: tuple[PrivateKey, PublicKey], rival: tuple[PrivateKey, PublicKey]
) -> None:
    mixed = dataclasses.replace(good, signatures={**good.signatures, rival[1].id: bytes(64)})
    assert refused(mixed.encode(), [own[1], rival[1]]).code == "signatures"
    assert verify(mixed, [own[1]]).signer == own[1].shown  # a key that is not trusted says nothing, right or wrong


@pytest.mark.parametrize("what", ["order", "double", "short", "base64", "map", "many", "key"])
def test_signatures_in_another_spelling_are_refused(good: Sealed, rival: tuple[PrivateKey, PublicKey], what: str) -> None:
    listed = json.loads(entries(good.signed_by(rival[0]))[SIGNATURES])
    spoilt: dict[str, Any] = {
        "order": listed[::-1],
        "double": [listed[0], listed[0]],
        "short": [{**listed[0], "signature": base64.b64encode(b"x").decode()}],
        "base64": [{**listed[0], "signature": "?" + listed[0]["signature"]}],
        "map": {"key": "x"},
        "many": listed * 9,
        "key": [{**listed[0], "key": "../x"}],
    }
    data = write_archive({**entries(good), SIGNATURES: canonical(spoilt[what])})
    assert refused(data, []).code == "form"


def test_two_names_that_look_the_same_cannot_be_trusted_together(
    tmp_path: Path, own: tuple[PrivateKey, PublicKey], rival: tuple[PrivateKey, PublicKey]
) -> None:
    path = tmp_path / "list"
    for name in ("MERCHANT", "Ｍerchant", "merchant"):
        path.write_text(own[1].line + "\n" + dataclasses.replace(rival[1], name=name).line + "\n", encoding="utf-8")
        with pytest.raises(UntrustedPackError, match="look the same"):
            read_keys(path)


def test_one_key_under_two_names_is_refused(tmp_path: Path, own: tuple[PrivateKey, PublicKey]) -> None:
    path = tmp_path / "list"
    path.write_text(own[1].line + "\n" + dataclasses.replace(own[1], name="Other").line, encoding="utf-8")
    with pytest.raises(UntrustedPackError, match="one and the same key"):
        read_keys(path)


@pytest.mark.parametrize(
    "line",
    ["ed25519", "ed25519 AAAA name", "rsa AAAA name", "ed25519 {key} local", "ed25519 {key} a\u202eb", "ed25519 {key}=", "\x00"],
)
def test_a_line_that_is_no_key_is_named(tmp_path: Path, own: tuple[PrivateKey, PublicKey], line: str) -> None:
    path = tmp_path / "list"
    path.write_text(own[1].line + "\n" + line.format(key=base64.b64encode(own[1].raw[::-1]).decode()), encoding="utf-8")
    with pytest.raises(UntrustedPackError) as told:
        read_keys(path)
    assert told.value.where == f"{path}:2"


# -- what is installed ------------------------------------------------------------------------------------------


Put = Callable[..., Path]


@pytest.fixture
def put(folder: Path, tmp_path: Path, own: tuple[PrivateKey, PublicKey]) -> Put:
    """Seal the small pack with changes, and write it."""

    def write(*, signer: PrivateKey | None = None, name: str = "x", **changes: Any) -> Path:
        path = tmp_path / f"{name}.qcpack"
        pack = dataclasses.replace(load_pack(folder), **changes)
        path.write_bytes(seal(pack, {}).signed_by(signer or own[0]).encode())
        return path

    return write


def test_an_older_version_does_not_replace_a_newer_one(put: Put, tmp_path: Path, own: tuple[PrivateKey, PublicKey]) -> None:
    installed = tmp_path / "packs"
    install(arrive(put(version="2.0.0"), installed, [own[1]]))
    for version in ("1.9.9", "2.0.0-rc.1"):
        old = put(version=version)
        with pytest.raises(UntrustedPackError) as told:
            arrive(old, installed, [own[1]])
        assert told.value.code == "rollback"
        assert arrive(old, installed, [own[1]], {"rollback"}).passed_over == ("rollback",)


def test_a_version_cannot_be_given_twice_to_different_rules(put: Put, tmp_path: Path, own: tuple[PrivateKey, PublicKey]) -> None:
    installed = tmp_path / "packs"
    install(arrive(put(), installed, [own[1]]))
    install(arrive(put(), installed, [own[1]]))
    with pytest.raises(UntrustedPackError) as told:
        arrive(put(base=90.0), installed, [own[1]])
    assert told.value.code == "same-version"


def test_one_trusted_house_cannot_replace_the_pack_of_another(
    put: Put, tmp_path: Path, own: tuple[PrivateKey, PublicKey], rival: tuple[PrivateKey, PublicKey]
) -> None:
    installed, keys = tmp_path / "packs", [own[1], rival[1]]
    install(arrive(put(), installed, keys))
    with pytest.raises(UntrustedPackError) as told:
        arrive(put(version="9.0.0", signer=rival[0]), installed, keys)
    assert told.value.code == "signer"


def test_an_installed_pack_that_was_spoilt_is_noticed(put: Put, tmp_path: Path, own: tuple[PrivateKey, PublicKey]) -> None:
    installed = tmp_path / "packs"
    target = install(arrive(put(), installed, [own[1]]))
    target.write_bytes(b"x")
    with pytest.raises(StoreError, match="cannot be read"):
        arrive(put(), installed, [own[1]])


def test_a_sealed_pack_under_another_ending_is_not_taken_for_ones_own(put: Put, tmp_path: Path) -> None:
    path = put()
    for name in ("x.yaml", "x"):
        other = tmp_path / name
        other.write_bytes(path.read_bytes())
        with pytest.raises(QcError):
            trust_pack(other)


def test_the_manifest_is_what_is_signed(good: Sealed, own: tuple[PrivateKey, PublicKey]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    files = entries(good)
    signature = base64.b64decode(json.loads(files[SIGNATURES])[0]["signature"])
    Ed25519PublicKey.from_public_bytes(own[1].raw).verify(signature, files[MANIFEST])
