"""Trust as a type: scanning takes a `TrustedPack`, and there is no way to get one but to verify, or to say it is one's own."""

from __future__ import annotations

from pathlib import Path

from qc.packs.load import load_pack
from qc.packs.model import Pack

_MADE_HERE = object()
LOCAL = "local"


class TrustedPack:
    """A pack and who answers for it. `signer` is `local` for a folder of one's own."""

    __slots__ = ("pack", "signer")

    def __init__(self, pack: Pack, signer: str, made_by: object) -> None:
        if made_by is not _MADE_HERE:
            raise TypeError("a TrustedPack comes from trust_local(), nowhere else")
        self.pack = pack
        self.signer = signer


def trust_local(path: Path | str) -> TrustedPack:
    """Load a folder (or file) that lies on this machine, and answer for it oneself.

    Raises PackError with every problem; UntrustedPackError for a sealed pack, which is verified, never just trusted.
    """
    return TrustedPack(load_pack(path), LOCAL, _MADE_HERE)
