"""Keys that sign packs, and the list of keys that are trusted: plain files, Ed25519 (RFC 8032), nothing else.

A private key is a PKCS#8 PEM file, a public key one line of text: `ed25519 BASE64 NAME`. A trust list is a text file of
such lines. The name says whom the reader takes the key for; it comes from the reader's own list, never from a pack.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qc.errors import UntrustedPackError, UsageError
from qc.store import atomic_write

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_KEY_FILE_BYTES = 256 << 10
MAX_KEYS = 1000
KIND = "ed25519"
TRUST_FILE = "trusted.keys"
_NAME = re.compile(r"[^\W_][\w .@&+-]{0,62}[\w.]|[^\W_]")
_TAKEN = ("local", "unverified")


def home() -> Path:
    """Where a person's trust list and installed packs lie: $QC_HOME, else $XDG_CONFIG_HOME/qc, else ~/.config/qc."""
    own = os.environ.get("QC_HOME")
    return Path(own) if own else Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "qc"


@dataclass(frozen=True, order=True)
class PublicKey:
    """A key that signatures are verified with. `raw`: its 32 bytes; `name`: whom the reader takes it for."""

    name: str
    raw: bytes

    @property
    def id(self) -> str:
        """Hex SHA-256 of the raw key."""
        return key_id(self.raw)

    @property
    def shown(self) -> str:
        """Name and fingerprint, as findings and pages show a signer."""
        return f"{self.name} ({self.id[:16]})"

    @property
    def line(self) -> str:
        """The key as a line of a trust list."""
        return f"{KIND} {base64.b64encode(self.raw).decode()} {self.name}"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `data`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


class PrivateKey:
    """A key that signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def raw_public(self) -> bytes:
        """The 32 bytes of its public half."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`: 64 bytes, always the same for the same key and data."""
        return self._key.sign(data)

    def secret(self, purpose: bytes) -> bytes:
        """32 bytes that only the holder of the key can make, always the same for the same purpose (HMAC-SHA-256)."""
        return hmac.new(self._key.private_bytes_raw(), b"qc-secret-1\0" + purpose, hashlib.sha256).digest()


def key_id(raw: bytes) -> str:
    """Hex SHA-256 of a raw public key: how a signature says which key made it."""
    return hashlib.sha256(raw).hexdigest()


def check_name(name: str, where: str) -> str:
    """A name fit to be shown as a signer's, in NFC. Raises UsageError."""
    name = unicodedata.normalize("NFC", name.strip())
    if not _NAME.fullmatch(name) or not name.isprintable():
        hint = "letters, digits, spaces and . @ & + - _, at most 64, for example: Acme Outdoor"
        raise UsageError(f"{name[:80]!r} is no name for a key", where=where, hint=hint)
    if _skeleton(name) in _TAKEN:
        raise UsageError(f"a key cannot be called {name!r}: findings say that of packs nobody signed", where=where)
    return name


def _skeleton(name: str) -> str:
    """What two names must not share: case, width and spacing apart."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def make_keys(name: str, stem: Path) -> tuple[Path, Path]:
    """Make a pair: `STEM.key` (private, readable by its owner alone) and `STEM.pub`. Raises UsageError if one is there."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    name = check_name(name, "NAME")
    private, public = stem.with_name(stem.name + ".key"), stem.with_name(stem.name + ".pub")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    line = PublicKey(name, key.public_key().public_bytes_raw()).line + "\n"
    if public.exists():
        raise UsageError("there is a key already", where=str(public), hint="give another name with -o")
    write_private(private, pem)
    atomic_write(public, line.encode())
    return private, public


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; never over another. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError("the file is there already", where=str(path), hint="move it away, or give another name") from None
    except OSError as error:
        raise UsageError(f"cannot write: {error.strerror}", where=str(path), hint="choose another folder") from error
    with os.fdopen(opened, "wb") as out:
        out.write(data)


def read_private(path: Path) -> PrivateKey:
    """The private key in a file. Raises UsageError when it is none, or not an Ed25519 one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    hint = "make one with `qc rules keygen`; the private key is the .key file"
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise UsageError("the private key is locked with a passphrase", where=str(path), hint="unlock it first") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError("this is no private key", where=str(path), hint=hint) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("this private key is of another kind than Ed25519", where=str(path), hint=hint)
    return PrivateKey(key)


def read_keys(path: Path) -> tuple[PublicKey, ...]:
    """The keys of a trust list (or of one .pub file), in order. Raises UntrustedPackError with the line that is wrong."""
    text = _read(path).decode("utf-8", "replace")
    keys: list[PublicKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            keys.append(_read_line(line.strip(), f"{path}:{number}"))
    if len(keys) > MAX_KEYS:
        raise UntrustedPackError(f"more than {MAX_KEYS} keys", where=str(path), hint="keep those that you need")
    _check_distinct(keys, str(path))
    return tuple(keys)


def _read_line(line: str, where: str) -> PublicKey:
    kind, _, rest = line.partition(" ")
    coded, _, name = rest.strip().partition(" ")
    if kind != KIND:
        hint = "a public key is a line `ed25519 BASE64 NAME`, as `qc rules keygen` writes it into the .pub file"
        raise UntrustedPackError("this is no public key", where=where, hint=hint)
    try:
        raw = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32 or base64.b64encode(raw).decode() != coded:
        raise UntrustedPackError("the key is damaged: it must be 32 bytes in base64", where=where, hint="copy it again")
    try:
        return PublicKey(check_name(name, where), raw)
    except UsageError as error:
        raise UntrustedPackError(error.message, where=where, hint=error.hint) from None


def _check_distinct(keys: Iterable[PublicKey], where: str) -> None:
    """One key has one name, one name has one key: else nobody could tell who signed."""
    names: dict[str, str] = {}
    raws: dict[bytes, str] = {}
    for key in keys:
        if _skeleton(key.name) in names:
            raise UntrustedPackError(
                f"two keys have names that look the same: {names[_skeleton(key.name)]!r} and {key.name!r}",
                where=where,
                hint="rename one of them in the list",
            )
        if key.raw in raws:
            raise UntrustedPackError(
                f"{raws[key.raw]!r} and {key.name!r} are one and the same key", where=where, hint="keep one of the lines"
            )
        names[_skeleton(key.name)] = key.name
        raws[key.raw] = key.name


def read_trust(path: Path | None = None) -> tuple[PublicKey, ...]:
    """The trust list at `path`; without one the person's own (`home()/trusted.keys`), empty where there is none yet.

    Raises UntrustedPackError for a list that was named but cannot be read.
    """
    if path is not None:
        return read_keys(path)
    own = home() / TRUST_FILE
    return read_keys(own) if own.exists() else ()


def add_trust(key: PublicKey, path: Path | None = None) -> tuple[Path, bool]:
    """Add a key to a trust list; (the list, whether it is new there). Raises UntrustedPackError for a name that is taken."""
    path = path or home() / TRUST_FILE
    known = read_keys(path) if path.exists() else ()
    if any(old == key for old in known):
        return path, False
    _check_distinct([*known, key], str(path))
    before = _read(path) if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    atomic_write(path, before + key.line.encode() + b"\n")
    with contextlib.suppress(OSError):
        path.chmod(0o600)
    return path, True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise UntrustedPackError(
            f"cannot read: {error.strerror}", where=str(path), hint="give the file that holds the key"
        ) from error
    if len(data) > MAX_KEY_FILE_BYTES:
        raise UntrustedPackError(
            f"the file is larger than {MAX_KEY_FILE_BYTES >> 10} KiB", where=str(path), hint="this is no list of keys"
        )
    return data
