"""A workbook as a pack: every row becomes the tree that the rule language's own reader checks, cells for places.

So an error names its sheet and cell, and nothing can be written in Excel that could not be written in YAML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qc.errors import PackError, Problem
from qc.packs.excel.layout import CASES, KEY, MANUAL, PACK, RULES, SCORECARD, SHEETS, SIMPLE, VALUE, WORDS, Column, unlabel
from qc.packs.model import Pack
from qc.packs.nodes import Node, read_yaml
from qc.packs.parse import read_pack
from qc.packs.reader import Reader, suggestion
from qc.packs.sheets import Sheet, columns, item, placed, read_sheets
from qc.packs.source import files_of

_FILE = re.compile(r"[\w-]{1,60}\.ya?ml")
_LINES = (*WORDS, "tolerate", "tags", "languages", "authors")
_NEEDED = ("rules", "scorecard", "pack")


@dataclass
class Workbook:
    """A workbook that was read: the pack, the files that it makes (name to text), and what of it was not used (sheet names)."""

    pack: Pack
    files: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def read_workbook(path: Path) -> Workbook:
    """The pack in a workbook. Raises PackError with every problem, each with its sheet and cell."""
    if path.suffix.lower() != ".xlsx":
        hint = "save it as .xlsx; word lists alone may be CSV in the pack's lists/ folder"
        raise PackError([Problem(str(path), 1, 1, "a workbook's name ends in .xlsx", hint)])
    sheets: dict[str, Sheet] = {}
    unused = []
    for sheet in read_sheets(path):
        key = next((key for key, names in SHEETS.items() if sheet.name.strip() in names), "")
        if key:
            sheets[key] = sheet
        elif sheet.rows:
            unused.append(sheet.name)
    missing = [SHEETS[key] for key in _NEEDED if key not in sheets]
    if missing:
        names = ", ".join(f"{zh} ({en})" for zh, en in missing)
        raise PackError([Problem(str(path), 1, 1, f"the workbook has no sheet {names}", "begin with `qc rules to-excel PACK`")])
    reader = Reader()
    head = _head(reader, sheets["pack"], sheets["scorecard"], sheets.get("manual"))
    rules = _rules(reader, sheets["rules"], sheets.get("cases"))
    lists = [(name, name.text, Node("list", name.file, name.line, name.column, items=tuple(map(item, words)), cell=name.cell))
             for name, words in (columns(sheets["lists"]) if "lists" in sheets else []) if words]  # fmt: skip
    pack = read_pack(reader, head, [node for _, node in rules], lists)
    if reader.problems:
        raise PackError(sorted(set(reader.problems)))
    return Workbook(pack, files_of(head, rules, [(name, node) for _, name, node in lists]), tuple(unused))


# -- rows -------------------------------------------------------------------------------------------------------------


def _rows(reader: Reader, sheet: Sheet, known: Sequence[Column]) -> list[dict[str, Node]]:
    """A sheet's rows, cells by key; unknown and doubled headers are problems."""
    rows = [row for row in sheet.rows if row]
    if not rows:
        return []
    names = {name.casefold(): column.key for column in known for name in (column.key, column.zh, column.en)}
    keys: list[str] = []
    for cell in rows[0]:
        key = names.get(cell.text.casefold(), "")
        if cell.text and not key:
            reader.problem(cell, f"there is no column {cell.text[:40]!r}", suggestion(cell.text, [c.head("zh") for c in known]))
        elif key and key in keys:
            reader.problem(cell, f"there are two columns {cell.text!r}", "remove one of them")
        keys.append(key)
    return [{key: cell for key, cell in zip(keys, row, strict=False) if key and cell.text} for row in rows[1:]]


def _at(place: Node, text: str) -> Node:
    """A key at a cell's place."""
    return replace(place, kind="text", text=text, items=(), pairs=())


def _map(place: Node, pairs: Sequence[tuple[str, Node]]) -> Node:
    return replace(place, kind="map", text="", items=(), pairs=tuple((_at(value, key), value) for key, value in pairs))


def _list(place: Node, items: Sequence[Node]) -> Node:
    return replace(place, kind="list", text="", pairs=(), items=tuple(items))


def _yaml(reader: Reader, cell: Node) -> Node:
    try:
        tree = read_yaml(cell.text.encode(), cell.file)
    except PackError as error:
        for problem in error.problems:
            said = f"{problem.message}, line {problem.line} of the cell"
            reader.problem(cell, said, problem.hint)
        tree = None
    return placed(tree, cell) if tree is not None else _map(cell, ())


def _value(reader: Reader, column: Column, cell: Node) -> Node:
    """A cell as the value of its key."""
    if column.key in ("when", "define"):
        return _yaml(reader, cell)
    if column.key in _LINES:
        return _list(cell, [item(_at(cell, line.strip())) for line in cell.text.splitlines() if line.strip()])
    if column.key == "applies_to":
        return _applies(reader, cell)
    if column.choices or column.key == "match":
        return _at(cell, unlabel(cell.text))
    return cell


def _applies(reader: Reader, cell: Node) -> Node:
    if cell.text.startswith("{"):
        return _yaml(reader, cell)
    pairs = []
    for line in filter(str.strip, cell.text.splitlines()):
        name, equals, values = line.partition("=")
        if not equals:
            reader.problem(cell, f"{line.strip()[:40]!r} is no column and its values", "for example queue = 售后 | 退款")
        pairs.append((name.strip(), _list(cell, [_at(cell, value.strip()) for value in values.split("|")])))
    return _map(cell, pairs)


def _fields(reader: Reader, known: Sequence[Column], row: dict[str, Node]) -> list[tuple[str, Node]]:
    """The keys of a map from a row: `title.zh` and `title.en` become one."""
    pairs: dict[str, Node] = {}
    for column in known:
        if column.key not in row:
            continue
        name, _, language = column.key.partition(".")
        value = _value(reader, column, row[column.key])
        if language:
            inner = [(key.text, node) for key, node in pairs[name].pairs] if name in pairs else []
            value = _map(value, [*inner, (language, value)])
        pairs[name] = value
    return list(pairs.items())


def _rules(reader: Reader, sheet: Sheet, cases: Sheet | None) -> list[tuple[str, Node]]:
    dialogues = _cases(reader, cases) if cases else {}
    rules = []
    for row in _rows(reader, sheet, RULES):
        if not row:
            continue
        file = row.pop("file", None)
        name = file.text if file else "rules.yaml"
        if file and not _FILE.fullmatch(name):
            reader.problem(file, f"a file cannot be called {name[:40]!r}", "use letters, digits and hyphens: greetings.yaml")
            name = "rules.yaml"
        fields = _fields(reader, RULES, row)
        first = next(iter(row.values()))
        simple = [(key, value) for key, value in fields if key in SIMPLE]
        rest = [(key, value) for key, value in fields if key not in SIMPLE]
        if simple and "when" in row:
            reader.problem(row["when"], f"the condition is there twice, here and under {simple[0][0]!r}", "empty one of them")
        elif simple:
            rest.append(("when", _map(simple[0][1], simple)))
        rule = row["id"].text if "id" in row else ""
        if rule in dialogues:
            place, verdicts = dialogues.pop(rule)
            pairs = tuple((cell, _list(found[0], found)) for cell, found in verdicts.values())
            rest.append(("cases", replace(_map(place, ()), pairs=pairs)))
        rules.append((name, _map(first, rest)))
    for rule, (place, _) in dialogues.items():
        reader.problem(place, f"there is no rule {rule!r} for this case", "mend the rule's id")
    return rules


_Dialogues = dict[str, tuple[Node, dict[str, tuple[Node, list[Node]]]]]
"""By rule: its cell, and by verdict the verdict's cell and the dialogues."""


def _cases(reader: Reader, sheet: Sheet) -> _Dialogues:
    found: _Dialogues = {}
    for row in _rows(reader, sheet, CASES):
        if not row:
            continue
        for column in CASES:
            if column.key not in row:
                reader.problem(
                    next(iter(row.values())), f"the row has no {column.zh} ({column.en})", "fill it in, or empty the row"
                )
        if len(row) == len(CASES):
            verdict = _at(row["verdict"], unlabel(row["verdict"].text))
            verdicts = found.setdefault(row["rule"].text, (row["rule"], {}))[1]
            verdicts.setdefault(verdict.text, (verdict, []))[1].append(_dialogue(row["dialogue"]))
    return found


_SPEAKER = re.compile(r"\s*(\w+)\s*[:：]\s*(.*\S)\s*")


def _dialogue(cell: Node) -> Node:
    """A dialogue of one turn as a map, as people write it in YAML; others stay a block."""
    one = _SPEAKER.fullmatch(cell.text)
    if one and "\n" not in cell.text and unlabel(one[1]) in ("agent", "customer", "unknown", "system"):
        return _map(cell, [(unlabel(one[1]), _at(cell, one[2]))])
    return replace(cell, text=cell.text + "\n")


def _head(reader: Reader, sheet: Sheet, scorecard: Sheet, manual: Sheet | None) -> Node:
    names = {name.casefold(): column.key for column in PACK for name in (column.key, column.zh, column.en)}
    row: dict[str, Node] = {}
    place = Node("map", "", 1, 1)
    for cells in filter(None, sheet.rows):
        place = cells[0] if not place.file else place
        key = names.get(cells[0].text.casefold(), "")
        if cells[0].text.casefold() in (KEY[0], KEY[1].casefold()) and (len(cells) < 2 or cells[1].text.casefold() in VALUE):
            continue
        if not key:
            reader.problem(
                cells[0], f"there is no setting {cells[0].text[:40]!r}", suggestion(cells[0].text, [c.zh for c in PACK])
            )
        elif len(cells) > 1 and cells[1].text:
            row[key] = cells[1]
    fields = _fields(reader, PACK, row)
    for name, listed, columns_of in (("dimensions", scorecard, SCORECARD), ("manual", manual, MANUAL)):
        rows = _rows(reader, listed, columns_of) if listed else []
        items = [_map(next(iter(row.values())), _fields(reader, columns_of, row)) for row in rows if row]
        if items:
            fields.append((name, _list(items[0], items)))
    return _map(place, fields)
