"""Rule packs: the model, loading with every problem at once, the flattened form that the store keeps, and trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qc.packs.flatten import read_stored, unflatten
    from qc.packs.load import load_pack
    from qc.packs.model import SEVERITIES, Case, Dimension, Line, Manual, Pack, Rule
    from qc.packs.trust import TrustedPack, trust_local, trust_pack, trust_sealed

_HOMES = {
    "flatten": ("read_stored", "unflatten"),
    "load": ("load_pack",),
    "model": ("SEVERITIES", "Case", "Dimension", "Line", "Manual", "Pack", "Rule"),
    "trust": ("TrustedPack", "trust_local", "trust_pack", "trust_sealed"),
}

__all__ = [
    "SEVERITIES",
    "Case",
    "Dimension",
    "Line",
    "Manual",
    "Pack",
    "Rule",
    "TrustedPack",
    "load_pack",
    "read_stored",
    "trust_local",
    "trust_pack",
    "trust_sealed",
    "unflatten",
]


def __getattr__(name: str) -> Any:
    """Only the model is needed where packs were read already."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"qc.packs.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
