"""The flattened pack: one canonical JSON text in the rule language itself, word lists written out, cases included.

Equal packs flatten to equal bytes, and the bytes read back, by the same reader as the files, to an equal pack. The store
keeps it under the digest of its bytes, so that scores and reports use the very pack that findings were made with.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from qc.errors import PackError, StoreError
from qc.packs.cases import write_cases
from qc.packs.load import uncollected
from qc.packs.model import Manual, Pack, Rule
from qc.packs.nodes import from_data
from qc.packs.parse import read_pack
from qc.packs.reader import Reader
from qc.packs.syntax import write_condition

if TYPE_CHECKING:
    from qc.store import Store

MAX_FLAT_BYTES = 32 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


def flatten(pack: Pack) -> bytes:
    """Canonical JSON: UTF-8, sorted keys, no spaces, no optional key that says what is the default."""
    plain: dict[str, Any] = {
        "id": pack.id,
        "version": pack.version,
        "language": pack.language,
        "title": dict(pack.title),
        "languages": list(pack.languages),
        "base": _number(pack.base),
        "coverage_floor": _number(pack.coverage_floor),
        "dimensions": [{"id": d.id, "title": dict(d.title), "weight": _number(d.weight)} for d in pack.dimensions],
    }
    with uncollected():
        plain["rules"] = [plain_rule(rule) for rule in pack.rules]
    if pack.manual:
        plain["manual"] = [_plain_manual(item) for item in pack.manual]
    if pack.authors:
        plain["authors"] = list(pack.authors)
    if pack.qc:
        plain["qc"] = pack.qc
    if pack.licence:
        plain["licence"] = pack.licence
    if pack.confidence_floor is not None:
        plain["confidence_floor"] = _number(pack.confidence_floor)
    with uncollected():
        return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _plain_manual(item: Manual) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": item.id,
        "title": dict(item.title),
        "question": dict(item.question),
        "dimension": item.dimension,
        "points": _number(item.points),
    }
    plain.update({k: True for k in ("on_no", "may_not_apply") if getattr(item, k)})
    if item.severity != "medium":
        plain["severity"] = item.severity
    if item.clause:
        plain["clause"] = item.clause
    return plain


def plain_rule(rule: Rule) -> dict[str, Any]:
    """A rule in the rule language, as plain data."""
    plain: dict[str, Any] = {
        "id": rule.id,
        "title": dict(rule.title),
        "why": dict(rule.why),
        "dimension": rule.dimension,
        "severity": rule.severity,
        "points": _number(rule.points),
        "when": write_condition(rule.when),
        "cases": write_cases(rule.cases),
    }
    if rule.fatal:
        plain["fatal"] = True
    if rule.cap is not None:
        plain["cap"] = _number(rule.cap)
    if rule.once_per_ms is not None:
        plain["once_per"] = f"{rule.once_per_ms} ms"
    if rule.tags:
        plain["tags"] = list(rule.tags)
    if rule.applies_to:
        plain["applies_to"] = {column: list(values) for column, values in rule.applies_to}
    if rule.visibility != "shown":
        plain["visibility"] = rule.visibility
    plain.update({k: v for k in ("clause", "valid_from", "valid_until") if (v := getattr(rule, k))})
    return plain


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def unflatten(data: bytes, name: str = "pack.json") -> Pack:
    """The pack of a flattened text. Raises PackError when it is not one."""
    from qc.errors import Problem

    if len(data) > MAX_FLAT_BYTES:
        raise PackError([Problem(name, 1, 1, "the flattened pack is too large")])
    reader = Reader()
    with uncollected():
        try:
            node = from_data(json.loads(data), name)
        except (ValueError, RecursionError):
            raise PackError([Problem(name, 1, 1, "this is no flattened pack", "load the folder of the pack instead")]) from None
        pack = read_pack(reader, node, [], [])
    if reader.problems:
        raise PackError(reader.problems)
    return pack


def read_stored(store: Store, sha256: str) -> Pack:
    """The pack that findings name by its digest. Raises StoreError when it is missing or was changed."""
    if not _DIGEST.fullmatch(sha256):
        raise StoreError("this is no digest of a pack", where=repr(sha256[:80]))
    path = store.path / "packs" / f"{sha256}.json"
    hint = "run `qc scan` again with the pack"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"the pack of these findings cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError("the stored pack was changed: its digest differs from its name", where=str(path), hint=hint)
    try:
        return unflatten(data, path.name)
    except PackError as error:
        raise StoreError(f"the stored pack cannot be read: {error.message}", where=str(path), hint="update qc") from error


def save(store: Store, pack: Pack) -> None:
    """Keep the flattened pack in the store, under its digest."""
    if not (store.path / "packs" / f"{pack.sha256}.json").exists():
        store.write_file(f"packs/{pack.sha256}.json", pack.flat)
