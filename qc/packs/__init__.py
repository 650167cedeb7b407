"""Rule packs: the model, loading with every problem at once, the flattened form that the store keeps, and trust."""

from __future__ import annotations

from qc.packs.flatten import flatten, read_stored, unflatten
from qc.packs.load import load_pack
from qc.packs.model import SEVERITIES, Case, Dimension, Line, Manual, Pack, Rule
from qc.packs.trust import TrustedPack, trust_local, trust_pack, trust_sealed

__all__ = [
    "SEVERITIES",
    "Case",
    "Dimension",
    "Line",
    "Manual",
    "Pack",
    "Rule",
    "TrustedPack",
    "flatten",
    "load_pack",
    "read_stored",
    "trust_local",
    "trust_pack",
    "trust_sealed",
    "unflatten",
]
