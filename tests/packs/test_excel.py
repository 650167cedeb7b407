"""A pack as a workbook and back: nothing is lost that is not told, and what is wrong is told by sheet and cell."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from qc.errors import Exit, PackError, Problem
from qc.packs import load_pack
from qc.packs.examples import EXAMPLES
from qc.packs.excel import read_workbook, workbook
from qc.packs.measure_examples import MEASURE_EXAMPLES
from qc.packs.source import read_source
from qc.packs.term_examples import FORM_EXAMPLES
from tests.packs.conftest import HEAD, Run

ROOT = Path(__file__).parents[2]
STARTERS = sorted(p.parent for p in (ROOT / "rules").glob("*/pack.yaml"))
RULES, LISTS, CASES = "规则", "词表", "用例"


def there_and_back(pack: Path, tmp_path: Path, lang: str = "zh") -> Path:
    """The pack through a workbook into a folder."""
    file = tmp_path / "rules.xlsx"
    file.write_bytes(workbook(read_source(pack), lang)[0])
    return file


def edited(file: Path, edit: Callable[[openpyxl.Workbook], None]) -> Path:
    """The workbook, changed and saved as another program saves it."""
    book = openpyxl.load_workbook(file)
    edit(book)
    book.save(file)
    return file


def cell(sheet: Worksheet, header: str, row: int) -> openpyxl.cell.Cell:
    at = next(c.column for c in sheet[1] if c.value == header)
    return sheet.cell(row, at)


def problems(file: Path) -> tuple[Problem, ...]:
    with pytest.raises(PackError) as told:
        read_workbook(file)
    return told.value.problems


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("pack", STARTERS, ids=lambda p: p.name)
def test_a_starter_pack_comes_back_as_it_went(pack: Path, lang: str, tmp_path: Path, qc: Run) -> None:
    file = tmp_path / "x.xlsx"
    assert qc("rules", "to-excel", pack, "-o", file, "--lang", lang)[0] == Exit.OK
    edited(file, lambda book: None)  # another program's spelling of the same workbook
    assert qc("rules", "from-excel", file, "-o", tmp_path / "back")[0] == Exit.OK
    assert load_pack(tmp_path / "back").flat == load_pack(pack).flat
    assert {p.name for p in (tmp_path / "back").rglob("*.yaml")} == {p.name for p in pack.rglob("*.yaml")}


@pytest.mark.parametrize("name", [*EXAMPLES, *MEASURE_EXAMPLES, *FORM_EXAMPLES])
def test_whatever_the_language_can_say_comes_back(name: str, folder: Path, tmp_path: Path) -> None:
    example = {**EXAMPLES, **MEASURE_EXAMPLES, **FORM_EXAMPLES}[name].good
    if not example:
        pytest.skip("this form is shown by the word lists of the starter packs")
    head = "- id: example\n  title: {zh: 例, en: Example}\n  why: {zh: 因, en: Why}\n  dimension: certainty\n  severity: low\n  points: -1\n"
    body = "\n".join(f"  {line}" for line in example.strip().splitlines())
    (folder / "rules.yaml").write_text(f"{head}{body}\n", encoding="utf-8")
    pack = load_pack(folder)
    assert read_workbook(there_and_back(folder, tmp_path)).pack.flat == pack.flat


def test_every_field_of_a_rule_and_of_the_pack_comes_back(folder: Path, tmp_path: Path) -> None:
    head = HEAD.replace(
        "language: 1\n",
        "language: 1\nauthors: [甲, B]\nlicence: MIT\nbase: 90\ncoverage_floor: 0.85\nconfidence_floor: -1.5\ndefine: {c: {who: customer, says: [投诉]}}\n",
    )
    (folder / "pack.yaml").write_text(head.replace("Certainty}}", "Certainty}, weight: 2.5}"), encoding="utf-8")
    rules = (folder / "rules.yaml").read_text(encoding="utf-8")
    more = (
        "  fatal: true\n  cap: 7.5\n  once_per: 90 s\n  clause: 第 3.2 条\n  tags: [a, b]\n  applies_to: {queue: [售后, 退款], 'a=b': 'x|y'}\n"
        "  valid_from: 2026-01-01\n  valid_until: 2026-12-31\n  visibility: hidden\n  define: {d: {who: agent, says: [好]}}\n"
    )
    rules = rules.replace("  when:\n", more + "  when:\n").replace(
        "[尽快, 尽早]", "['{尽快', '=1+1', {word: 尽早, match: sound}, '+86', /a\\d+/]"
    )
    (folder / "rules.yaml").write_text(rules, encoding="utf-8")
    read = read_workbook(there_and_back(folder, tmp_path, "en"))
    assert read.pack.flat == load_pack(folder).flat


def test_the_same_pack_gives_the_same_bytes(folder: Path) -> None:
    assert workbook(read_source(folder)) == workbook(read_source(folder))


def test_there_are_drop_downs_comments_and_chinese_headers(folder: Path, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(there_and_back(folder, tmp_path))
    assert book.sheetnames == ["说明", "规则", "词表", "用例", "评分表", "人工评分项", "规则包"]
    rules = book[RULES]
    assert [c.value for c in rules[1]][:4] == ["编号", "名称", "英文名称", "为什么"]
    assert all(c.comment is not None for c in rules[1])
    listed = {v.formula1 for v in rules.data_validations.dataValidation}
    assert '"低,中,高,严重"' in listed
    assert any("评分表" in formula for formula in listed)
    assert cell(rules, "严重程度", 2).value == "中"


def test_what_a_stranger_wrote_is_never_a_formula(folder: Path, tmp_path: Path) -> None:
    evil = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", '=HYPERLINK("http://x")']
    text = (folder / "rules.yaml").read_text(encoding="utf-8")
    words = ", ".join("'" + w.replace("'", "''").replace("|", " ").replace("/", " ") + "'" for w in evil)
    (folder / "rules.yaml").write_text(text.replace("尽快, 尽早", "尽快, " + words), encoding="utf-8")
    (folder / "lists" / "times.yaml").write_text("- '=2*2'\n- 小时\n", encoding="utf-8")
    book = openpyxl.load_workbook(there_and_back(folder, tmp_path))
    assert not [c for sheet in book for row in sheet.iter_rows() for c in row if c.data_type == "f"]
    assert book[LISTS]["A2"].value == "=2*2"


def test_what_excel_cannot_hold_is_listed(folder: Path, tmp_path: Path, qc: Run) -> None:
    (folder / "README.md").write_text("hello\n", encoding="utf-8")
    rules = folder / "rules.yaml"
    rules.write_text("# why\n" + rules.read_text(encoding="utf-8"), encoding="utf-8")
    code, said = qc("rules", "to-excel", folder, "-o", tmp_path / "x.xlsx")
    assert code == Exit.OK
    assert "not in it: 1 comments" in said
    assert "README.md" in said
    about = [c.value for c in openpyxl.load_workbook(tmp_path / "x.xlsx")["说明"]["A"]]
    assert any("1 处注释" in str(text) for text in about)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "pack.yaml").write_text(
        "id: mine\nversion: 1.0.0\nlanguage: 1\ntitle: Mine\nextends: small 1.2.3\n", encoding="utf-8"
    )
    source = read_source(mine)
    assert any("extends" in en for _, en in workbook(source)[1])


@pytest.mark.parametrize(
    ("sheet", "header", "row", "value", "where", "message"),
    [
        (RULES, "分值", 2, "viel", "规则!H2", "`points` must be a number"),
        (RULES, "严重程度", 2, "hgih", "规则!G2", "`severity` cannot be"),
        (RULES, "说了", 2, "尽快、尽早", "规则!M2", "is read as one phrase"),
        (RULES, "说了", 2, "{word: 尽", "规则!M2", "not YAML"),
        (RULES, "说了", 2, "=A1", "规则!M2", "holds a formula"),
        (RULES, "在哪一段", 2, "frist 3 turns", "规则!Q2", ""),
        (RULES, "其他条件", 2, "says: [x]", "规则!V2", "the condition is there twice"),
        (RULES, "文件", 2, "../evil.yaml", "规则!AD2", "a file cannot be called"),
        (CASES, "应当", 2, "也许", "用例!B2", "has no key '也许'"),
        (CASES, "对话", 2, "没有说话人", "用例!C2", "needs its speaker"),
        (CASES, "规则编号", 3, "promisse", "用例!A3", "there is no rule 'promisse'"),
        (LISTS, "times", 2, "/(/", "词表!A2", "not a pattern"),
        (LISTS, "times", 2, "#REF!", "词表!A2", ""),
        ("评分表", "权重", 2, "0", "评分表!D2", "`weight` must be a number"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_sheet_and_cell(
    sheet: str, header: str, row: int, value: str, where: str, message: str, folder: Path, tmp_path: Path
) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        cell(book[sheet], header, row).value = value

    told = problems(edited(there_and_back(folder, tmp_path), edit))
    assert any(p.where.endswith(f"rules.xlsx:{where}") and message in p.message for p in told), told


def test_unknown_columns_and_missing_sheets_are_told(folder: Path, tmp_path: Path) -> None:
    def rename(book: openpyxl.Workbook) -> None:
        book[RULES]["H1"] = "分数"

    assert any("there is no column '分数'" in p.message for p in problems(edited(there_and_back(folder, tmp_path), rename)))

    def remove(book: openpyxl.Workbook) -> None:
        book.remove(book["评分表"])

    assert "no sheet 评分表 (Scorecard)" in problems(edited(there_and_back(folder, tmp_path), remove))[0].message


def test_a_sheet_of_ones_own_is_left_alone_and_told(folder: Path, tmp_path: Path, qc: Run) -> None:
    def add(book: openpyxl.Workbook) -> None:
        book.create_sheet("my notes")["A1"] = "remember"

    file = edited(there_and_back(folder, tmp_path), add)
    code, said = qc("rules", "from-excel", file, "-o", tmp_path / "back")
    assert (code, "'my notes' is none of a pack's" in said) == (Exit.OK, True)


def test_a_folder_is_replaced_only_when_told_and_keeps_what_is_no_rule(folder: Path, tmp_path: Path, qc: Run) -> None:
    file = there_and_back(folder, tmp_path)
    (folder / "README.md").write_text("keep\n", encoding="utf-8")
    (folder / "old.yaml").write_text("[]\n", encoding="utf-8")
    flat = load_pack(folder).flat if not (folder / "old.yaml").exists() else None
    assert flat is None
    code, said = qc("rules", "from-excel", file, "-o", folder)
    assert (code, "--replace" in said) == (Exit.USAGE, True)
    assert qc("rules", "from-excel", file, "-o", folder, "--replace")[0] == Exit.OK
    assert (folder / "README.md").exists()
    assert not (folder / "old.yaml").exists()
    assert [r.id for r in load_pack(folder).rules] == ["promise"]
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_bytes(b"x")
    assert qc("rules", "from-excel", file, "-o", other, "--replace")[0] == Exit.USAGE


def test_a_workbook_that_is_a_bomb_or_none_is_refused(folder: Path, tmp_path: Path) -> None:
    file = there_and_back(folder, tmp_path)
    good = file.read_bytes()

    def with_part(name: str, data: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            for item in old.infolist():
                new.writestr(item, data if item.filename == name else old.read(item))
        return out.getvalue()

    bomb = with_part("xl/styles.xml", b"<a>" + b"\0" * (200 << 20))
    entities = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxx">]><a>&x;</a>'
    for data, message in (
        (bomb, "unpacks to more than"),
        (with_part("xl/workbook.xml", entities), "XML with a DTD"),
        (good[:2000], "cannot be read"),
        (b"no zip", "cannot be read"),
    ):
        file.write_bytes(data)
        assert message in problems(file)[0].message


def test_word_lists_come_from_text_and_from_columns_of_spreadsheets(folder: Path) -> None:
    lists = folder / "lists"
    (lists / "times.yaml").unlink()
    (lists / "times.txt").write_text("# hours\n小时\n\n/\\d+ ?分钟/\n{word: 今天下午, match: sound}\n", encoding="utf-8")
    (lists / "more.csv").write_bytes("道歉,辱骂\n抱歉,\n不好意思,滚\n".encode("gb18030"))
    book = openpyxl.Workbook()
    book.active.append(["问候", "告别"])
    book.active.append(["您好", "再见"])
    book.active.append([123, None])
    book.save(lists / "多表.xlsx")
    rules = folder / "rules.yaml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("[尽快, 尽早]", "[尽快, {list: [道歉, 辱骂, 问候, 告别]}]"), encoding="utf-8")
    when = load_pack(folder).rules[0].when
    assert [t.text for t in when.terms] == ["尽快", "抱歉", "不好意思", "滚", "您好", "123", "再见"]  # type: ignore[union-attr]
    assert [(t.kind, t.text) for t in when.unless] == [("word", "小时"), ("pattern", "\\d+ ?分钟"), ("sound", "今天下午")]  # type: ignore[union-attr]
    book.active["A3"] = "滚、蛋"
    book.create_sheet("二")["A1"] = "空"
    book.save(lists / "多表.xlsx")
    with pytest.raises(PackError) as told:
        load_pack(folder)
    wheres = {p.where: p.message for p in told.value.problems}
    assert "is read as one phrase" in wheres[next(w for w in wheres if w.endswith("多表.xlsx:Sheet!A3"))]
    assert "has no words" in wheres[next(w for w in wheres if w.endswith("多表.xlsx:二!A1"))]
