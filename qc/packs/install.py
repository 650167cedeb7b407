"""Packs that came from others, kept in one folder: the newest of each, as the sealed file it came in.

An older version, another pack under the same version, or one that the former signers did not sign does not replace it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from qc.errors import QcError, StoreError
from qc.packs.keys import PublicKey, home
from qc.packs.model import Pack
from qc.packs.seal import Sealed, read_sealed
from qc.packs.verify import Failure, Verified, pass_over, signers_of, verify
from qc.store import atomic_write

_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-(.*))?")


@dataclass(frozen=True)
class Arrival:
    """A verified pack and what it would replace. `previous`: the installed pack, None when there is none."""

    verified: Verified
    previous: Pack | None
    target: Path
    passed_over: tuple[str, ...] = ()


def packs_folder() -> Path:
    """Where packs are installed unless another folder is named."""
    return home() / "packs"


def precedence(version: str) -> tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]:
    """Sorts versions as Semantic Versioning 2.0.0 §11 says: 1.0.0-beta.2 < 1.0.0-beta.11 < 1.0.0."""
    match = _NUMBERS.fullmatch(version)
    if match is None:
        return (0, 0, 0, 0, ())
    parts = [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in (match[4] or "").split(".") if p]
    return int(match[1]), int(match[2]), int(match[3]), 0 if match[4] else 1, tuple(parts)


def arrive(path: Path, folder: Path, keys: Sequence[PublicKey], allow: Collection[str] = ()) -> Arrival:
    """Verify the sealed pack at `path` and hold it against what `folder` has. Nothing is written.

    Raises UntrustedPackError with the failed checks.
    """
    verified = verify(read_sealed(path), keys, allow)
    target = folder / f"{verified.pack.id}.qcpack"
    if not target.exists():
        return Arrival(verified, None, target)
    try:
        installed = read_sealed(target)
        previous = installed.pack()
    except QcError as error:
        hint = f"look at it, then remove it and import again ({error.message})"
        raise StoreError("the installed pack cannot be read", where=str(target), hint=hint) from error
    passed_over = pass_over(_against(verified, installed, previous, keys), allow, str(path))
    return Arrival(verified, previous, target, passed_over)


def _against(verified: Verified, installed: Sealed, previous: Pack, keys: Sequence[PublicKey]) -> list[Failure]:
    new = verified.pack
    failures = []
    if precedence(new.version) < precedence(previous.version):
        failures.append(Failure("rollback", f"it is version {new.version}, and {previous.version} is installed, which is newer"))
    elif new.version == previous.version and verified.sealed.manifest_bytes != installed.manifest_bytes:
        failures.append(Failure("same-version", f"version {new.version} is installed already, with other contents"))
    before, _ = signers_of(installed, keys)
    if before and verified.signers and not set(before) & set(verified.signers):
        names = ", ".join(key.shown for key in before)
        failures.append(Failure("signer", f"the installed version is signed by {names}, this one is not"))
    return failures


def install(arrival: Arrival) -> Path:
    """Put the pack where it belongs, whole or not at all; the path. Raises StoreError."""
    return atomic_write(arrival.target, arrival.verified.sealed.encode())
