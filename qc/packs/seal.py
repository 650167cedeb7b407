"""A sealed pack: one file with the flattened pack, its README and licence, a manifest of every hash, and signatures.

    name-1.2.0.qcpack      a ZIP with one spelling (`archive`), so equal packs are equal bytes
      manifest.json        id, version, language, conditions used, each file's size and SHA-256, hidden rules' commitments
      pack.json            the flattened pack (`flatten`), cases included
      README.md, LICENSE…  texts that lay beside pack.yaml
      signatures.json      key id and Ed25519 signature over the exact bytes of manifest.json, one for each signer

Reading is bounded and checks form only; whether the file is to be trusted is `verify`'s to say.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from qc.errors import PackError, Problem, UntrustedPackError
from qc.packs.archive import NAME, BadArchive, read_archive, write_archive
from qc.packs.flatten import MAX_FLAT_BYTES, unflatten
from qc.packs.keys import PrivateKey, key_id
from qc.packs.model import LANGUAGE_VERSION, Pack
from qc.packs.parse import read_id
from qc.packs.syntax import CONDITIONS, NAMES

FORMAT = "qcpack-1"
MANIFEST, PACK, SIGNATURES = "manifest.json", "pack.json", "signatures.json"
MAX_TEXT_BYTES = 1 << 20
MAX_SEALED_BYTES = MAX_FLAT_BYTES + (8 << 20)
MAX_SIGNATURES = 16
MAX_VALUES = 1_000_000
"""Commas and opening brackets in the flattened pack: what reading it costs in memory depends on them."""

TEXTS = re.compile(r"(README|LICENSE|LICENCE|NOTICE|CHANGELOG)(\.[A-Za-z-]{2,8})?(\.(md|txt))?")
"""Names of the texts beside pack.yaml that travel with the pack."""

_HEX = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9A-Za-z.-]{5,60}")
_FORM_HINT = "ask its author to export it again, and to send the file as it is"


@dataclass(frozen=True)
class Manifest:
    """What a sealed pack says of itself. `files`: name, bytes, hex SHA-256. `hidden`: commitments to hidden rules."""

    id: str
    version: str
    language: int
    conditions: tuple[str, ...]
    files: tuple[tuple[str, int, str], ...]
    hidden: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Canonical JSON: the bytes that are signed."""
        return canonical(
            {
                "format": FORMAT,
                "id": self.id,
                "version": self.version,
                "language": self.language,
                "conditions": list(self.conditions),
                "files": [{"name": name, "bytes": size, "sha256": digest} for name, size, digest in self.files],
                "hidden": list(self.hidden),
            }
        )


@dataclass(frozen=True)
class Sealed:
    """The contents of a sealed pack, its form checked and nothing else. `signatures`: key id to 64 bytes."""

    manifest_bytes: bytes
    files: Mapping[str, bytes]
    signatures: Mapping[str, bytes] = field(default_factory=dict)
    where: str = ""

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest. Raises UntrustedPackError when it is none."""
        return _read_manifest(self.manifest_bytes, self.where)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the manifest: what the signatures sign."""
        return hashlib.sha256(self.manifest_bytes).hexdigest()

    def encode(self) -> bytes:
        """The file's bytes."""
        listed = [{"key": key, "signature": base64.b64encode(s).decode()} for key, s in sorted(self.signatures.items())]
        return write_archive({**self.files, MANIFEST: self.manifest_bytes, SIGNATURES: canonical(listed)})

    def signed_by(self, key: PrivateKey) -> Sealed:
        """The same with one more signature (or the same one again)."""
        made = {**self.signatures, key_id(key.raw_public): key.sign(self.manifest_bytes)}
        return dataclasses.replace(self, signatures=made)

    def pack(self) -> Pack:
        """The pack inside, to look at: it is not known who made it. Raises UntrustedPackError, PackError."""
        manifest, data = self.manifest, self.files.get(PACK)
        _check_language(manifest, self.where)
        if data is None:
            raise bad_form(f"{PACK} is missing", self.where)
        if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
            raise bad_form(f"{PACK} holds more than {MAX_VALUES} values", self.where)
        pack = unflatten(data, f"{self.where}/{PACK}")
        if _flat(pack) != data:
            raise bad_form(f"{PACK} is not in the canonical form", self.where)
        if (pack.id, pack.version, pack.language) != (manifest.id, manifest.version, manifest.language):
            raise bad_form("the manifest names another pack than the one inside", self.where)
        return pack


def _flat(pack: Pack) -> bytes:
    try:
        return pack.flat
    except UnicodeEncodeError:  # half of a surrogate pair, written as an escape
        return b""


def canonical(value: Any) -> bytes:
    """JSON in one spelling: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def bad_form(message: str, where: str) -> UntrustedPackError:
    """The file is not what `qc rules export` writes."""
    return UntrustedPackError(f"this is no sealed pack as qc writes it: {message}", where=where, hint=_FORM_HINT, code="form")


def seal(pack: Pack, texts: Mapping[str, bytes], hidden: tuple[str, ...] = ()) -> Sealed:
    """The sealed pack of `pack` (shown rules alone) and the texts beside it, not signed yet."""
    files = {**texts, PACK: pack.flat}
    listed = tuple((name, len(files[name]), hashlib.sha256(files[name]).hexdigest()) for name in sorted(files))
    manifest = Manifest(pack.id, pack.version, pack.language, conditions_of(pack), listed, tuple(sorted(hidden)))
    sealed = Sealed(manifest.encode(), files, {}, f"{pack.id}-{pack.version}.qcpack")
    if len(sealed.encode()) > MAX_SEALED_BYTES - (64 << 10):
        raise PackError([Problem(sealed.where, 1, 1, "the sealed pack would be too large", "make two packs of it")])
    return sealed


def conditions_of(pack: Pack) -> tuple[str, ...]:
    """Names of the conditions that the pack's rules use, sorted."""
    return tuple(sorted({name for rule in pack.rules for name in _conditions(rule.when)}))


def _conditions(value: Any) -> Iterator[str]:
    if type(value) in NAMES:
        yield NAMES[type(value)]
    if dataclasses.is_dataclass(value):
        for part in dataclasses.fields(value):
            yield from _conditions(getattr(value, part.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _conditions(item)


def texts_beside(path: Path) -> dict[str, bytes]:
    """README, licence and the like in a pack's folder. Raises PackError for one too large, not UTF-8, or lying elsewhere."""
    folder = path if path.is_dir() else path.parent
    found: dict[str, bytes] = {}
    problems = []
    for file in sorted(folder.iterdir()) if path.is_dir() else ():
        if not TEXTS.fullmatch(file.name):
            continue
        wrong = ""
        if file.is_symlink() or not file.is_file():
            wrong = "a text that travels with the pack must be a file of its own"
        else:
            with file.open("rb") as opened:
                data = opened.read(MAX_TEXT_BYTES + 1)
            if len(data) > MAX_TEXT_BYTES:
                wrong = f"the text is larger than {MAX_TEXT_BYTES >> 10} KiB"
            elif not _is_text(data):
                wrong = "the text is not UTF-8"
            found[file.name] = data.replace(b"\r\n", b"\n")
        if wrong:
            problems.append(Problem(str(file), 1, 1, wrong, "mend it or move it out of the folder"))
    if problems:
        raise PackError(problems)
    return found


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def read_sealed(path: Path) -> Sealed:
    """The sealed pack at `path`, at most `MAX_SEALED_BYTES`. Raises UntrustedPackError for what is none."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_SEALED_BYTES + 1)
    except OSError as error:
        raise UntrustedPackError(
            f"cannot read: {error.strerror}", where=str(path), hint="give the .qcpack file", code="form"
        ) from error
    return parse_sealed(data, str(path))


def parse_sealed(data: bytes, where: str) -> Sealed:
    """The sealed pack in `data`. Raises UntrustedPackError."""
    if len(data) > MAX_SEALED_BYTES:
        raise bad_form(f"it is larger than {MAX_SEALED_BYTES >> 20} MiB", where)
    try:
        files = read_archive(data)
    except BadArchive as error:
        raise bad_form(str(error), where) from None
    for name in (MANIFEST, SIGNATURES):
        if name not in files:
            raise bad_form(f"{name} is missing", where)
    for name, contents in files.items():
        if name != PACK and len(contents) > MAX_TEXT_BYTES:
            raise bad_form(f"{name} is larger than {MAX_TEXT_BYTES >> 10} KiB", where)
    manifest, signatures = files.pop(MANIFEST), files.pop(SIGNATURES)
    sealed = Sealed(manifest, files, _read_signatures(signatures, where), where)
    _ = sealed.manifest
    return sealed


def read_canonical(data: bytes, name: str, where: str) -> Any:
    """The value of JSON that is in its one spelling (so no key is there twice). Raises UntrustedPackError."""
    try:
        value = json.loads(data)
        same = canonical(value) == data
    except (ValueError, RecursionError):
        same, value = False, None
    if not same:
        raise bad_form(f"{name} is not canonical JSON", where)
    return value


def _read_signatures(data: bytes, where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    value = read_canonical(data, SIGNATURES, where)
    if not isinstance(value, list) or len(value) > MAX_SIGNATURES:
        raise bad_form(f"{SIGNATURES} is no list of at most {MAX_SIGNATURES}", where)
    for item in value:
        if not isinstance(item, dict) or set(item) != {"key", "signature"} or not all(isinstance(v, str) for v in item.values()):
            raise bad_form(f"{SIGNATURES} holds something that is no signature", where)
        try:
            signature = base64.b64decode(item["signature"], validate=True)
        except (binascii.Error, ValueError):
            signature = b""
        if not _HEX.fullmatch(item["key"]) or len(signature) != 64 or item["key"] in found:
            raise bad_form(f"{SIGNATURES} holds a damaged or doubled signature", where)
        found[item["key"]] = signature
    if canonical([{"key": k, "signature": base64.b64encode(s).decode()} for k, s in sorted(found.items())]) != data:
        raise bad_form(f"{SIGNATURES} is not in order", where)
    return found


def _read_manifest(data: bytes, where: str) -> Manifest:
    value = read_canonical(data, MANIFEST, where)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise bad_form(f"{MANIFEST} is not of the format {FORMAT}", where)
    try:
        manifest = Manifest(
            id=_checked(value["id"], str),
            version=_checked(value["version"], str),
            language=_checked(value["language"], int),
            conditions=tuple(_checked(c, str) for c in _checked(value["conditions"], list)),
            files=tuple(
                (_checked(f["name"], str), _checked(f["bytes"], int), _checked(f["sha256"], str))
                for f in _checked(value["files"], list)
            ),
            hidden=tuple(_checked(h, str) for h in _checked(value["hidden"], list)),
        )
    except (KeyError, TypeError):
        raise bad_form(f"{MANIFEST} lacks a field or has a wrong one", where) from None
    _check_manifest(manifest, where)
    if manifest.encode() != data:
        raise bad_form(f"{MANIFEST} has fields that do not belong there", where)
    return manifest


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(kind)
    return value


def _check_manifest(manifest: Manifest, where: str) -> None:
    from qc.packs.nodes import Node
    from qc.packs.reader import Reader

    reader = Reader()
    read_id(reader, Node("text", where, 1, 1, manifest.id), "id")
    if reader.problems or not _VERSION.fullmatch(manifest.version):
        raise bad_form("its id or version is not one that a pack can have", where)
    names = [name for name, _, _ in manifest.files]
    if names != sorted(set(names)) or not all(NAME.fullmatch(n) and n not in (MANIFEST, SIGNATURES) for n in names):
        raise bad_form(f"{MANIFEST} lists files that no pack has", where)
    if not all(_HEX.fullmatch(d) for _, _, d in manifest.files) or not all(_HEX.fullmatch(h) for h in manifest.hidden):
        raise bad_form(f"{MANIFEST} holds something that is no SHA-256", where)


def _check_language(manifest: Manifest, where: str) -> None:
    unknown = sorted(set(manifest.conditions) - set(CONDITIONS))
    if manifest.language > LANGUAGE_VERSION:
        said = f"the pack needs version {manifest.language} of the rule language; this qc speaks {LANGUAGE_VERSION}"
    elif unknown:
        said = f"the pack uses conditions that this qc does not know: {', '.join(ascii(n)[1:41] for n in unknown[:10])}"
    else:
        return
    raise UntrustedPackError(
        said, where=where, hint="update qc; read with this one, its rules would mean something else", code="language"
    )
