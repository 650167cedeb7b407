"""A pack as a workbook: sheets of rules, word lists, cases, scorecard, pack; drop-downs and comments; strings, never formulas.

The same pack gives the same bytes. What a workbook cannot hold is listed on its first sheet and returned.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Sequence
from typing import Any

from qc.errors import UsageError
from qc.packs.cases import read_cases
from qc.packs.excel.layout import (
    CASES,
    KEY,
    MANUAL,
    PACK,
    RULES,
    SCORECARD,
    SHEETS,
    SIMPLE,
    VALUE,
    WORDS,
    Column,
    label,
    sheet_name,
)
from qc.packs.model import Case, Line
from qc.packs.nodes import Node
from qc.packs.reader import Reader
from qc.packs.source import Source, dump_yaml, plain
from qc.version import VERSION

MAX_CELL = 32_000
"""Characters; Excel's own limit is 32,767."""

_EPOCH = datetime.datetime(2000, 1, 1)
_FREE_ROWS = 500
"""Rows below the last that have drop-downs too."""

_ABOUT = {
    "zh": (
        "每张表的第一行是列名，鼠标停在上面看说明。列可以挪动，不要改名；空行会跳过。",
        "改好后：qc rules from-excel 这个文件 -o 文件夹，然后 qc rules test 文件夹。",
        "公式不会被执行也不被接受：请粘贴为值。",
        "Excel 装不下、因此不在这里的：",
        "没有什么丢失。",
    ),
    "en": (
        "The first row of each sheet names its columns; rest the mouse on a name to read about it. Columns may be moved, not renamed; empty rows are skipped.",
        "When you are done: qc rules from-excel THIS-FILE -o FOLDER, then qc rules test FOLDER.",
        "Formulas are neither run nor accepted: paste values.",
        "What Excel cannot hold, and what is therefore not in here:",
        "Nothing is lost.",
    ),
}


def workbook(source: Source, lang: str = "zh") -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The workbook's bytes, and what it cannot hold (Chinese, English).

    Raises UsageError for a pack with a text longer than a cell.
    """
    import xlsxwriter

    out = io.BytesIO()
    safe = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, safe)
    book.set_properties({"title": f"{source.pack.id} {source.pack.version}", "created": _EPOCH, "comments": f"qc {VERSION}"})
    made = _Book(book, lang)
    rules, cases, losses = [], [], list(source.losses)
    for file, node in source.rules:
        row, found = rule_row(file, node, lang)
        rules.append(row)
        for verdict, text, lost in found:
            cases.append({"rule": row["id"], "verdict": label(verdict, lang), "dialogue": text})
            losses += [(f"规则 {row['id']}：{lost[0]}", f"rule {row['id']}: {lost[1]}")] if lost else []
    dimensions = [_row(node, SCORECARD, lang) for node in _items(_value(source.head, "dimensions"))]
    manual = [_row(node, MANUAL, lang) for node in _items(_value(source.head, "manual"))]
    sheets = {key: book.add_worksheet(sheet_name(key, lang)) for key in SHEETS}
    _about(made, sheets["about"], losses)
    made.table(sheets["rules"], RULES, rules)
    made.table(sheets["cases"], CASES, cases)
    made.table(sheets["scorecard"], SCORECARD, dimensions)
    made.table(sheets["manual"], MANUAL, manual)
    _lists(made, sheets["lists"], source.lists)
    _head(made, sheets["pack"], source.head)
    _links(made, sheets, (len(rules), len(cases), len(dimensions), len(manual)))
    sheets["rules"].activate()
    book.close()
    return out.getvalue(), tuple(losses)


class _Book:
    """A workbook in the making: its formats, each made once."""

    def __init__(self, book: Any, lang: str) -> None:
        self.lang = lang
        cell = {"valign": "top", "text_wrap": True, "num_format": "@"}
        self.text = book.add_format(cell)
        self.quoted = book.add_format({**cell, "quote_prefix": True})
        self.number = book.add_format({"valign": "top"})
        self.head = book.add_format(
            {"bold": True, "bg_color": "#E8EEF0", "bottom": 1, "border_color": "#9AA5B1", "text_wrap": True, "valign": "vcenter"}
        )
        self.title = book.add_format({"bold": True, "font_size": 14})

    def write(self, sheet: Any, at: tuple[int, int], text: str, number: bool = False) -> None:
        """A cell: a number where the column has numbers and it is one, else text that no program takes for a formula."""
        if len(text) > MAX_CELL:
            where = f"{sheet.get_name()}, row {at[0] + 1}"
            raise UsageError(f"a text has more than {MAX_CELL:,} characters", where=where, hint="keep it in a list in YAML")
        value = plain(Node("text", "", 1, 1, text)) if number else text
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            sheet.write_number(*at, value, self.number)
        elif text:
            sheet.write_string(*at, text, self.quoted if text[0] in "=+-@" else self.text)

    def heads(self, sheet: Any, columns: Sequence[Column]) -> None:
        """The first row: names, comments, widths, drop-downs."""
        sheet.set_row(0, 30)
        sheet.freeze_panes(1, 1)
        for at, column in enumerate(columns):
            sheet.set_column(at, at, column.width, None if column.number else self.text)
            sheet.write_string(0, at, column.head(self.lang), self.head)
            sheet.write_comment(0, at, column.note(self.lang), {"x_scale": 2, "author": "qc"})

    def table(self, sheet: Any, columns: Sequence[Column], rows: Sequence[dict[str, str]]) -> None:
        """A sheet of rows."""
        self.heads(sheet, columns)
        for line, row in enumerate(rows, 1):
            for at, column in enumerate(columns):
                self.write(sheet, (line, at), row.get(column.key, ""), column.number)
        last = len(rows) + _FREE_ROWS
        for at, column in enumerate(columns):
            if column.choices:
                listed = [label(word, self.lang) for word in column.choices]
                sheet.data_validation(1, at, last, at, {"validate": "list", "source": listed})
        sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)


def _about(made: _Book, sheet: Any, losses: Sequence[tuple[str, str]]) -> None:
    *told, cannot, nothing = _ABOUT[made.lang]
    sheet.set_column(0, 0, 110)
    for row, text in enumerate(told):
        made.write(sheet, (row, 0), text)
    at = len(told) + 1
    sheet.write_string(at, 0, cannot, made.title)
    for row, loss in enumerate([zh if made.lang == "zh" else en for zh, en in losses] or [nothing], at + 1):
        made.write(sheet, (row, 0), loss)


def _lists(made: _Book, sheet: Any, lists: Sequence[tuple[str, Node]]) -> None:
    """A column a list, its name on top."""
    sheet.set_row(0, 30)
    sheet.freeze_panes(1, 0)
    for at, (name, node) in enumerate(lists):
        sheet.set_column(at, at, 24, made.text)
        sheet.write_string(0, at, name, made.head)
        for row, item in enumerate(_items(node), 1):
            made.write(sheet, (row, at), item_text(item))
    if not lists:
        sheet.set_column(0, 10, 24, made.text)


def _head(made: _Book, sheet: Any, head: Node) -> None:
    """The pack's own fields, one a row."""
    at = 0 if made.lang == "zh" else 1
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 70, made.text)
    for place, name in enumerate((KEY, VALUE)):
        sheet.write_string(0, place, name[at], made.head)
    fields = {key.text: value for key, value in head.pairs}
    for row, column in enumerate(PACK, 1):
        sheet.write_string(row, 0, column.head(made.lang), made.text)
        sheet.write_comment(row, 0, column.note(made.lang), {"x_scale": 2, "author": "qc"})
        made.write(sheet, (row, 1), field_text(fields, column.key), column.number)


def _links(made: _Book, sheets: dict[str, Any], sizes: tuple[int, int, int, int]) -> None:
    """Drop-downs that are filled from other sheets: dimensions of rules and manual items, rules of cases."""
    rules, cases, dimensions, manual = sizes
    for sheet, key, columns, source, many, rows in (
        ("rules", "dimension", RULES, "scorecard", dimensions, rules),
        ("manual", "dimension", MANUAL, "scorecard", dimensions, manual),
        ("cases", "rule", CASES, "rules", rules, cases),
    ):
        at = [column.key for column in columns].index(key)
        name = sheet_name(source, made.lang)
        options = {"validate": "list", "source": f"='{name}'!$A$2:$A${many + _FREE_ROWS}", "error_type": "warning"}
        sheets[sheet].data_validation(1, at, rows + _FREE_ROWS, at, options)


# -- a rule as a row ----------------------------------------------------------------------------------------------------


def rule_row(file: str, node: Node, lang: str) -> tuple[dict[str, str], list[tuple[str, str, tuple[str, str] | None]]]:
    """A rule's cells by key, and its cases: verdict, dialogue, what was lost of it (Chinese, English) or None."""
    fields = {key.text: value for key, value in node.pairs}
    row = {column.key: field_text(fields, column.key) for column in RULES if column.key not in (*SIMPLE, "when", "file")}
    for column in RULES:
        if column.choices and row.get(column.key):
            row[column.key] = label(row[column.key], lang)
    row["file"] = "" if file == "rules.yaml" else file
    when = fields["when"]
    if _is_simple(when):
        for key, value in when.pairs:
            row[key.text] = _words(value) if key.text in (*WORDS, "tolerate") else label(value.text, lang)
    else:
        row["when"] = dump_yaml(plain(when)).removesuffix("\n")
    reader = Reader()
    cases = [(case.verdict, *_dialogue(case)) for case in read_cases(reader, fields["cases"])]
    return row, cases


def _is_simple(when: Node) -> bool:
    """The condition has columns of its own: one of says and never_says, words a line each, nothing else."""
    if when.kind != "map" or not {key.text for key, _ in when.pairs} <= set(SIMPLE):
        return False
    for key, value in when.pairs:
        if key.text in (*WORDS, "tolerate"):
            if any(item.kind == "list" or "\n" in item.text for item in _items(value)):
                return False
        elif value.kind != "text":
            return False
    return True


def _items(node: Node | None) -> tuple[Node, ...]:
    return () if node is None else node.items if node.kind == "list" else (node,)


def _words(node: Node) -> str:
    return "\n".join(item_text(item) for item in _items(node))


def item_text(node: Node) -> str:
    """A word as a line of a cell: as it is, or in braces where it says how it matches."""
    if node.kind == "text" and node.text[:1] not in ("{", "[", '"') and "\n" not in node.text:
        return node.text
    return dump_yaml(plain(node), flow=True).strip() if node.kind != "text" else json.dumps(node.text, ensure_ascii=False)


def field_text(fields: dict[str, Node], key: str) -> str:
    """A field as a cell's text; empty where it is not there."""
    name, _, language = key.partition(".")
    node = fields.get(name)
    if node is None:
        return ""
    if language:
        if node.kind == "text":
            return node.text
        return next((value.text for inner, value in node.pairs if inner.text == language), "")
    if name == "define":
        return dump_yaml(plain(node)).removesuffix("\n")
    if name == "applies_to":
        return _applies(node)
    return _words(node) if node.kind == "list" else node.text


def _applies(node: Node) -> str:
    lines = []
    for key, value in node.pairs:
        values = [item.text for item in _items(value)]
        if any(set("|=\n") & set(text) for text in (key.text, *values)):
            return dump_yaml(plain(node), flow=True).strip()
        lines.append(f"{key.text} = {' | '.join(values)}")
    return "\n".join(lines)


def _row(node: Node, columns: Sequence[Column], lang: str) -> dict[str, str]:
    """A dimension's or a manual item's cells by key."""
    fields = {key.text: value for key, value in node.pairs}
    texts = {column.key: field_text(fields, column.key) for column in columns}
    return texts | {c.key: label(texts[c.key], lang) for c in columns if c.choices and texts[c.key]}


def _value(node: Node, key: str) -> Node | None:
    return next((value for name, value in node.pairs if name.text == key), None)


def _dialogue(case: Case) -> tuple[str, tuple[str, str] | None]:
    lost = None
    lines = []
    for line in case.lines:
        text = " ".join(line.text.split("\n"))
        if text != line.text:
            lost = ("用例里一句话中间的换行变成了空格", "a line break inside a turn of a case became a space")
        lines.append(_line(line, text))
    return "\n".join(lines), lost


def _line(line: Line, text: str) -> str:
    if line.what in ("pause", "overlap", "lasts"):
        return f"{line.what}: {line.ms} ms"
    if line.what == "unheard":
        return f"unheard: {text} {line.ms} ms"
    if line.what == "call":
        return f"call: {text} = {line.value}"
    if line.what == "level":
        return f"level: {line.value}"
    return f"{line.what}: {text or 'yes'}"
