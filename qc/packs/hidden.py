"""Hidden rules: a sealed pack holds a commitment to each, so that its author can prove later that it was there unchanged.

A commitment is SHA-256 over a label, a secret salt of 32 bytes and the rule's canonical JSON; without the salt the rule
cannot be guessed from it. The salt comes from the author's private key (HMAC-SHA-256 over pack, version and rule), so that
equal packs give equal files. The openings (rule and salt) lie in a file of their own, which the author keeps.
What is proven is that the holder of the sealed file has held the commitment since he got it; the file has no clock.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qc.errors import PackError, Problem, UntrustedPackError, UsageError
from qc.packs.flatten import plain_rule
from qc.packs.keys import PrivateKey
from qc.packs.model import Pack
from qc.packs.seal import Sealed, bad_form, canonical, read_canonical

FORMAT = "qcpack-openings-1"
MAX_OPENINGS_BYTES = 32 << 20
_LABEL = b"qc-hidden-rule-1\0"
_SALT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Opening:
    """A hidden rule as plain data, and the salt (hex) of its commitment."""

    rule: dict[str, Any]
    salt: str

    @property
    def commitment(self) -> str:
        """Hex SHA-256 of label, salt and rule."""
        return hashlib.sha256(_LABEL + bytes.fromhex(self.salt) + canonical(self.rule)).hexdigest()


@dataclass(frozen=True)
class Openings:
    """Openings of the hidden rules of one version of a pack."""

    id: str
    version: str
    rules: tuple[Opening, ...]

    def encode(self) -> bytes:
        """The file's bytes."""
        listed = [{"rule": o.rule, "salt": o.salt} for o in sorted(self.rules, key=lambda o: str(o.rule["id"]))]
        return canonical({"format": FORMAT, "id": self.id, "version": self.version, "rules": listed})


def split(pack: Pack) -> tuple[Pack, Pack | None]:
    """The pack without its hidden rules, and with them alone (None when there are none).

    Raises PackError when nothing would be left to see.
    """
    shown = tuple(rule for rule in pack.rules if rule.visibility == "shown")
    hidden = tuple(rule for rule in pack.rules if rule.visibility != "shown")
    if not shown:
        raise PackError([Problem(pack.id, 1, 1, "every rule of the pack is hidden", "let others see at least one")])
    return dataclasses.replace(pack, rules=shown), dataclasses.replace(pack, rules=hidden) if hidden else None


def open_rules(hidden: Pack, key: PrivateKey) -> Openings:
    """Openings of every rule of `hidden`, salts made with `key`."""
    made = []
    for rule in hidden.rules:
        plain = plain_rule(rule)
        purpose = b"\0".join((_LABEL, hidden.id.encode(), hidden.version.encode(), canonical(plain)))
        made.append(Opening(plain, key.secret(purpose).hex()))
    return Openings(hidden.id, hidden.version, tuple(made))


def read_openings(path: Path) -> Openings:
    """Openings from their file. Raises UsageError, UntrustedPackError."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_OPENINGS_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read: {error.strerror}", where=str(path), hint="give the .openings.json file") from error
    if len(data) > MAX_OPENINGS_BYTES:
        raise bad_form("the openings are too large", str(path))
    value = read_canonical(data, path.name, str(path))
    try:
        if value["format"] != FORMAT:
            raise ValueError
        rules = tuple(_opening(item) for item in value["rules"])
        openings = Openings(str(value["id"]), str(value["version"]), rules)
    except (KeyError, TypeError, ValueError):
        raise bad_form("this is no file of openings", str(path)) from None
    if openings.encode() != data:
        raise bad_form("this is no file of openings", str(path))
    return openings


def _opening(item: Any) -> Opening:
    if set(item) != {"rule", "salt"} or not isinstance(item["rule"], dict) or not isinstance(item["rule"].get("id"), str):
        raise ValueError
    if not isinstance(item["salt"], str) or not _SALT.fullmatch(item["salt"]):
        raise ValueError
    return Opening(item["rule"], item["salt"])


def prove(sealed: Sealed, openings: Openings) -> tuple[Opening, ...]:
    """The openings, if every one is committed to in `sealed`.

    Raises UntrustedPackError naming the rules that are not, or when the openings belong to another pack or version.
    """
    manifest = sealed.manifest
    if (openings.id, openings.version) != (manifest.id, manifest.version):
        said = f"the openings are of {openings.id!r} {openings.version!r}, the sealed pack is {manifest.id} {manifest.version}"
        raise UntrustedPackError(said, where=sealed.where, hint="use the openings that were written beside it", code="openings")
    wrong = [str(o.rule["id"]) for o in openings.rules if o.commitment not in manifest.hidden]
    if wrong or not openings.rules:
        said = f"not committed to in the sealed pack: {', '.join(wrong)}" if wrong else "there are no openings"
        raise UntrustedPackError(said, where=sealed.where, hint="the rule was changed, or was not in it", code="openings")
    return openings.rules
