"""What an earlier scan with the same pack already says: calls that are done, and rules whose verdicts can be taken over.

A verdict is taken over where the transcript, this version of qc, the rule and the pack's floors are what they were. A rule
that asks the call list may say something else today, so it is always evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.errors import StoreError
from qc.packs.model import Pack, Rule
from qc.scan.facts import asks_the_list
from qc.version import VERSION

if TYPE_CHECKING:
    from qc.store import Share, Store

_MATTERS = ("when", "severity", "once_per")
_NAMES = ("call_id", "pack_id", "pack_sha256", "status", "tool_version", "transcript_sha256")


def asks_meta(rule: Rule) -> bool:
    """The rule's verdict may change when the call list does."""
    return bool(rule.applies_to or rule.valid_from or rule.valid_until) or asks_the_list(rule.when)


@dataclass
class Kept:
    """Verdicts taken over, as columns (see `qc.scan.emit.Verdicts`)."""

    call: Any
    rule: Any
    verdict: Any
    count: Any
    coverage: Any
    why: list[str | None]
    shown: Any
    evidence: Any


class Before:
    """The current findings of one pack."""

    def __init__(self, store: Store, pack: Pack) -> None:
        self._store, self._pack = store, pack
        self._shares: list[Share] = []
        shas: list[Any] = []
        ids: list[Any] = []
        transcripts: list[Any] = []
        places: list[Any] = []
        ok: list[Any] = []
        for number, share in enumerate(store.shares("findings")):
            self._shares.append(share)
            row = 0
            for batch in store.share_batches("findings", share, _NAMES, rows=1 << 16):
                fits = pc.and_(pc.equal(batch["pack_id"], pack.id), pc.equal(batch["tool_version"], VERSION))
                fits = pc.fill_null(pc.and_(fits, pc.equal(batch["status"], "ok")), False)
                fits = pc.or_(
                    fits, pc.and_(pc.equal(batch["pack_sha256"], pack.sha256), pc.equal(batch["tool_version"], VERSION))
                )
                chosen = batch.filter(fits)
                ids.append(chosen["call_id"])
                shas.append(chosen["pack_sha256"])
                transcripts.append(chosen["transcript_sha256"])
                ok.append(_whole(pc.equal(chosen["status"], "ok")).to_numpy(zero_copy_only=False))
                at = np.flatnonzero(_whole(fits).to_numpy(zero_copy_only=False)) + row
                places.append(at + (number << 32))
                row += batch.num_rows
        self._ids = _one(ids)
        self._shas = _one(shas)
        self._ok = np.concatenate(ok) if ok else np.zeros(0, bool)
        self._transcripts = _one(transcripts)
        self._places = np.concatenate(places) if places else np.zeros(0, np.int64)
        self._changed: dict[str, list[Rule]] = {}
        self._read: tuple[int, Any] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def groups(self, call_ids: Any, digests: Any) -> dict[str, tuple[Any, Any]]:
        """By digest of the pack that it was scanned with: (calls of the batch, their places here), transcripts unchanged."""
        if not len(self._ids):
            return {}
        at = pc.index_in(call_ids, value_set=self._ids)
        same = pc.equal(self._transcripts.take(at), digests)
        known = np.flatnonzero(pc.fill_null(same, False).to_numpy(zero_copy_only=False))
        at = at.take(pa.array(known)).to_numpy(zero_copy_only=False).astype(np.int64)
        shas = self._shas.take(pa.array(at))
        return {
            sha: (known[chosen], at[chosen])
            for sha in pc.unique(shas).to_pylist()
            for chosen in [np.flatnonzero(pc.equal(shas, sha).to_numpy(zero_copy_only=False))]
        }

    def decided(self, at: Any) -> Any:
        """Whether there are verdicts at these places; a call that could not be evaluated has none."""
        return self._ok[at]

    def changed(self, sha256: str) -> list[Rule]:
        """Rules to be evaluated although the call was scanned with that pack."""
        if sha256 not in self._changed:
            self._changed[sha256] = self._compare(sha256)
        return self._changed[sha256]

    def _compare(self, sha256: str) -> list[Rule]:
        from qc.packs.flatten import read_stored

        pack = self._pack
        if sha256 == pack.sha256:
            return [rule for rule in pack.rules if asks_meta(rule)]
        try:
            old = read_stored(self._store, sha256)
        except StoreError:
            return list(pack.rules)
        if (old.coverage_floor, old.confidence_floor) != (pack.coverage_floor, pack.confidence_floor):
            return list(pack.rules)
        return [
            rule
            for rule in pack.rules
            if asks_meta(rule)
            or rule.id not in old.by_id
            or asks_meta(old.by_id[rule.id])
            or _what_matters(rule) != _what_matters(old.by_id[rule.id])
        ]

    def verdicts(self, calls: Any, at: Any, rules: list[Rule]) -> Kept:
        """What the findings at these places say of these rules; `calls`: the numbers that the calls have in the batch."""
        number = {rule.id: i for i, rule in enumerate(self._pack.rules)}
        names = [rule.id for rule in rules]
        places = self._places[at]
        pieces, owners = [], []
        for share in np.unique(places >> 32).tolist():
            here = np.flatnonzero(places >> 32 == share)
            lists = self._column(share).take(pa.array(places[here] & 0xFFFFFFFF))
            sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
            pieces.append(lists.flatten())
            owners.append(np.repeat(calls[here], sizes))
        listed = pa.concat_arrays(pieces)
        call = np.concatenate(owners)
        which = pc.index_in(pc.struct_field(listed, "rule"), value_set=pa.array(names, pa.string()))
        chosen = np.flatnonzero(which.is_valid().to_numpy(zero_copy_only=False))
        listed, which = listed.take(pa.array(chosen)), which.take(pa.array(chosen)).to_numpy(zero_copy_only=False)
        numbers = np.array([number[name] for name in names], np.int64)
        column = {name: pc.struct_field(listed, name) for name in ("verdict", "count", "coverage", "why", "evidence")}
        said = pc.index_in(column["verdict"], value_set=pa.array(["hit", "undecided", "not_applicable"]))
        coverage = pc.fill_null(column["coverage"], float("nan")).to_numpy(zero_copy_only=False)
        return Kept(
            call=call[chosen],
            rule=numbers[which.astype(np.int64)] if len(chosen) else np.zeros(0, np.int64),
            verdict=said.to_numpy(zero_copy_only=False).astype(np.int64),
            count=pc.fill_null(column["count"], 0).to_numpy(zero_copy_only=False).astype(np.int64),
            coverage=coverage.astype(np.float64),
            why=column["why"].to_pylist(),
            shown=pc.fill_null(pc.list_value_length(column["evidence"]), 0).to_numpy(zero_copy_only=False).astype(np.int64),
            evidence=column["evidence"].flatten(),
        )

    def _column(self, share: int) -> Any:
        """`verdicts` of a share; the last one read is kept, since calls come in the order of findings."""
        if self._read is None or self._read[0] != share:
            tables = list(self._store.share_batches("findings", self._shares[share], ("verdicts",), rows=1 << 16))
            self._read = share, _whole(pa.concat_tables(tables)["verdicts"])
        return self._read[1]


def _whole(column: Any) -> Any:
    """A chunked column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _one(columns: list[Any]) -> Any:
    """String columns, one after the other, as one array."""
    return pa.concat_arrays([pa.array([], pa.string()), *(chunk for column in columns for chunk in column.chunks)])


def _what_matters(rule: Rule) -> dict[str, Any]:
    from qc.packs.flatten import plain_rule

    plain = plain_rule(rule)
    return {name: plain.get(name) for name in _MATTERS}


__all__ = ["Before", "Kept", "asks_meta"]
