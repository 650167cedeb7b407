"""Plain word lists: a text file with a word a line, or a sheet with a list a column; each list becomes a rule.

A sheet that has a column of words beside a column of categories (word, category; 关键词, 分类) is read by category.
"""

from __future__ import annotations

from typing import Any

from qc.packs.importers.draft import LEFT_OUT, UNUSED, CannotSayError, Draft, Foreign, word_items
from qc.packs.nodes import Node
from qc.packs.sheets import Sheet, columns

_WORD = ("word", "words", "keyword", "keywords", "phrase", "term", "关键词", "词", "词语", "敏感词", "话术")
_CATEGORY = ("category", "type", "group", "list", "topic", "分类", "类别", "类型", "词表")


def fits(value: Any) -> bool:
    """Any text with lines, any sheet."""
    return isinstance(value, (str, tuple))


def read(value: Any) -> Foreign:
    """The lists, and a rule for each."""
    foreign = Foreign()
    if isinstance(value, str):
        lines = [line.strip() for line in value.splitlines()]
        _add(foreign, "words", [line for line in lines if line and not line.startswith("#")], "the file")
        return foreign
    for sheet in value:
        _sheet(foreign, sheet)
    return foreign


def _sheet(foreign: Foreign, sheet: Sheet) -> None:
    rows = [row for row in sheet.rows if row]
    if not rows:
        return
    heads = [cell.text.casefold() for cell in rows[0]]
    word = next((at for at, head in enumerate(heads) if head in _WORD), None)
    category = next((at for at, head in enumerate(heads) if head in _CATEGORY), None)
    if word is None:
        for name, cells in columns(sheet):
            _add(foreign, name.text, [cell.text for cell in cells], name.where)
        return
    for at, cell in enumerate(rows[0]):
        if at not in (word, category) and cell.text:
            foreign.lose(UNUSED, cell.where, f"the column {cell.text[:60]!r}")
    groups: dict[str, list[str]] = {}
    for row in rows[1:]:
        if _cell(row, word):
            groups.setdefault(_cell(row, category) or "words", []).append(_cell(row, word))
    for group, found in groups.items():
        _add(foreign, group, found, rows[0][word].where)


def _cell(row: tuple[Node, ...], at: int | None) -> str:
    return row[at].text if at is not None and at < len(row) else ""


def _add(foreign: Foreign, name: str, words: list[str], where: str) -> None:
    try:
        foreign.drafts.append(Draft(name, {"says": word_items(words, foreign, where)}))
    except CannotSayError as error:
        foreign.lose(LEFT_OUT, where, f"{name[:60]}: {error}")
