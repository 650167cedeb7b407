"""Rows of a store's tables with personal data masked, for `qc store export --redact`.

Turns and quotes are masked as whole calls are (`redact_turns`), names of agents wholly, other free text (paths, the call
list's own columns, messages, reviewers' notes) cell by cell. Ids stay: tables are joined by them, so they should hold nobody's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qc.text.redact import MASK, quote, redact, redact_turns

if TYPE_CHECKING:
    from qc.store import Store

Said = Mapping[tuple[str, int], str]
"""Masked texts of turns, by call and number of the turn."""

CELLS: dict[str, tuple[str, ...]] = {
    "calls": ("file", "path"),
    "transcripts": ("message",),
    "findings": ("message",),
    "scores": ("message",),
    "reviews": ("note",),
}
"""Columns of free text, by table, masked cell by cell."""

_PERSONAL = re.compile(
    "姓名|名字|客户名|联系人|收[货件]人|地址|电话|手机|号码|身份证|卡号|邮箱|微信|name|phone|mobile|tel(?![a-z])|e-?mail|address|id_?card|caller|callee",
    re.IGNORECASE,
)
"""Columns of a call list whose names say that they hold personal data."""


def redacted(table: str, rows: Iterable[Mapping[str, Any]], store: Store) -> Iterator[dict[str, Any]]:
    """Rows of a table, masked; the store gives the turns that quotes are cut out of."""
    said = said_in_evidence(store) if table == "findings" else {}
    for row in rows:
        yield redact_row(table, row, said)


def redact_row(table: str, row: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """One row, masked. A quote whose turn is not in `said` is masked wholly."""
    masked = dict(row)
    for name in CELLS.get(table, ()):
        if isinstance(masked.get(name), str):
            masked[name] = redact(masked[name])
    if table == "calls":
        masked["agent_name"] = hidden(row.get("agent_name"))
        masked["meta"] = [{**cell, "value": _cell(cell["name"], cell["value"])} for cell in row.get("meta") or []]
    elif table == "summaries" and row.get("kind") == "agent":
        masked["name"] = row["id"] if row.get("name") == row["id"] else hidden(row.get("name"))
    elif table == "transcripts":
        turns = row.get("turns") or []
        masked["turns"] = [turn | {"text": text} for turn, text in zip(turns, redact_turns(turns), strict=True)]
    elif table == "findings":
        masked["verdicts"] = [_verdict(row["call_id"], verdict, said) for verdict in row.get("verdicts") or []]
    return masked


def _cell(column: str, value: str | None) -> str | None:
    """A cell of the call list: masked wholly where its column's name says what it holds."""
    return hidden(value) if _PERSONAL.search(column or "") else redact(value) if value else value


def hidden(text: str | None) -> str | None:
    """A text of which nothing is shown, not even its length."""
    return MASK * 3 if text else text


def said_in_evidence(store: Store) -> dict[tuple[str, int], str]:
    """The masked texts of all turns that the store's findings quote."""
    wanted: dict[str, set[int]] = {}
    for batch in store.batches("findings", ("call_id", "verdicts")):
        for row in batch.to_pylist():
            numbers = {e["turn"] for v in row["verdicts"] or [] for e in v["evidence"] or [] if e["turn"] is not None}
            if numbers:
                wanted.setdefault(row["call_id"], set()).update(numbers)
    said = {}
    for batch in store.batches("transcripts", ("call_id", "turns")):
        for row in batch.to_pylist():
            numbers = wanted.get(row["call_id"], set())
            turns = row["turns"] or [] if numbers else []
            for turn, text in zip(turns, redact_turns(turns), strict=True):
                if turn["turn"] in numbers:
                    said[row["call_id"], turn["turn"]] = text
    return said


def _verdict(call_id: str, verdict: Mapping[str, Any], said: Said) -> dict[str, Any]:
    return {**verdict, "evidence": [_evidence(call_id, one, said) for one in verdict["evidence"] or []]}


def _evidence(call_id: str, one: Mapping[str, Any], said: Said) -> dict[str, Any]:
    if one["quote"] is None:
        return dict(one)
    text = said.get((call_id, one["turn"]))
    return {**one, "quote": MASK * len(one["quote"]) if text is None else quote(text, one["char_start"], one["char_end"])}
