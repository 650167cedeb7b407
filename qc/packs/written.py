"""A pack written out flat, as one YAML file that loads again: word lists and bases in place, each rule with its origin."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from qc.packs.extend import Loaded, Origin
from qc.packs.parse import RULE_KEYS

_ORDER = (*(key for key in RULE_KEYS if key not in ("when", "cases")), "when", "cases")
"""A rule's keys as a person reads them: what it is first, how it is decided last."""


def flat_yaml(loaded: Loaded) -> str:
    """The flat pack as YAML; a comment over each rule says where it came from, and who changed what since."""
    plain = json.loads(loaded.pack.flat)
    rules = plain.pop("rules")
    head = {key: plain.pop(key) for key in ("id", "version", "language", "title")} | plain
    parts = [_dump(head)]
    parts += [f"# switched off: {rule} (from {origin.pack})\n" for rule, origin in sorted(loaded.off.items())]
    parts.append("rules:\n")
    for rule in rules:
        ordered = {key: rule[key] for key in _ORDER if key in rule}
        parts.append(f"# {told(loaded.origins[ordered['id']])}\n{_dump([ordered])}")
    return "".join(parts)


def told(origin: Origin) -> str:
    """Where a rule came from, in words."""
    return f"from {origin.pack}" + "".join(f"; {', '.join(keys)} changed by {pack}" for pack, keys in origin.changes)


def _dump(value: Any) -> str:
    from ruamel.yaml import YAML

    writer = YAML()
    writer.default_flow_style = False
    writer.width = 1_000_000
    writer.indent(mapping=2, sequence=2, offset=0)
    out = StringIO()
    writer.dump(value, out)
    return out.getvalue()
