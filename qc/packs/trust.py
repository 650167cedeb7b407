"""Trust as a type: scanning takes a `TrustedPack`, and there is no way to get one but to verify, or to say it is one's own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from qc.packs.load import SEALED_SUFFIX, load_pack
from qc.packs.model import Pack

_MADE_HERE = object()
LOCAL = "local"


class TrustedPack:
    """A pack and who answers for it. `signer`: `local` for a folder of one's own, else names and fingerprints of the keys."""

    __slots__ = ("pack", "signer")

    def __init__(self, pack: Pack, signer: str, made_by: object) -> None:
        if made_by is not _MADE_HERE:
            raise TypeError("a TrustedPack comes from trust_local() or trust_sealed(), nowhere else")
        self.pack = pack
        self.signer = signer


def trust_local(path: Path | str) -> TrustedPack:
    """Load a folder (or file) that lies on this machine, and answer for it oneself.

    Raises PackError with every problem; UntrustedPackError for a sealed pack, which is verified, never just trusted.
    """
    return TrustedPack(load_pack(path), LOCAL, _MADE_HERE)


def trust_sealed(path: Path | str, trust: Path | None = None, allow: Collection[str] = ()) -> TrustedPack:
    """Verify a sealed pack against a trust list (None: the person's own), passing over the checks that `allow` names.

    Raises UntrustedPackError with every failed check, PackError for a pack that cannot be read.
    """
    from qc.packs.keys import read_trust
    from qc.packs.seal import read_sealed
    from qc.packs.verify import check_allowed, verify

    verified = verify(read_sealed(Path(path)), read_trust(trust), check_allowed(allow))
    return TrustedPack(verified.pack, verified.signer, _MADE_HERE)


def trust_pack(path: Path | str, trust: Path | None = None, allow: Collection[str] = ()) -> TrustedPack:
    """A folder of one's own as it is, a sealed pack (`.qcpack`) verified."""
    path = Path(path)
    return trust_sealed(path, trust, allow) if path.suffix == SEALED_SUFFIX else trust_local(path)


def look(path: Path | str) -> Pack:
    """The pack at `path`, to be looked at: a folder, or a sealed pack that holds together, whoever signed it.

    Raises PackError, UntrustedPackError.
    """
    from qc.packs.seal import read_sealed
    from qc.packs.verify import verify

    path = Path(path)
    return verify(read_sealed(path), (), ("trust",)).pack if path.suffix == SEALED_SUFFIX else load_pack(path)


__all__ = ["LOCAL", "TrustedPack", "look", "trust_local", "trust_pack", "trust_sealed"]
