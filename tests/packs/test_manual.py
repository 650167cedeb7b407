"""Manual items: what only people can judge is read, checked, flattened, sealed, compared, written to Excel and printed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from qc.errors import Exit, PackError
from qc.packs import Manual, load_pack, unflatten
from qc.packs.book import book
from qc.packs.diff import diff
from qc.packs.excel import read_workbook, workbook
from qc.packs.keys import make_keys, read_private
from qc.packs.reference import MANUAL_DOC, MANUAL_KEYS, reference
from qc.packs.schema import schema
from qc.packs.seal import seal
from qc.packs.source import read_source
from tests.packs.conftest import Run

ITEMS = """\
manual:
  - id: need-met
    title: {zh: 解决了问题, en: Need met}
    question: {zh: 问题解决了吗？, en: "Solved: yes or no?"}
    dimension: certainty
    points: -10
    on_no: true
    may_not_apply: true
  - {id: warm, title: {zh: 有温度, en: Warm}, question: {zh: 温暖吗？, en: =1+1?}, dimension: certainty, points: 2.5, severity: low, clause: 4.2}
"""
NEED = Manual(
    "need-met",
    {"zh": "解决了问题", "en": "Need met"},
    {"zh": "问题解决了吗？", "en": "Solved: yes or no?"},
    "certainty",
    -10,
    True,
    True,
)


@pytest.fixture
def manual(folder: Path) -> Path:
    """The small pack with two manual items."""
    head = folder / "pack.yaml"
    head.write_text(head.read_text(encoding="utf-8") + ITEMS, encoding="utf-8")
    return folder


def test_manual_items_are_read_and_come_back_from_the_flattened_pack(manual: Path, folder: Path) -> None:
    pack = load_pack(manual)
    assert pack.manual[0] == NEED and pack.manual[1].id == "warm"
    assert (pack.manual[1].points, pack.manual[1].on_no, pack.manual[1].severity) == (2.5, False, "low")
    again = unflatten(pack.flat)
    assert (again.manual, again.sha256) == (pack.manual, pack.sha256)
    assert dataclasses.replace(pack, manual=()).sha256 != pack.sha256
    assert b"manual" not in dataclasses.replace(pack, manual=()).flat


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id: warm", "id: need-met", "there is another rule or manual item 'need-met'"),
        ("id: warm", "id: promise", "there is another rule or manual item 'promise'"),
        ("dimension: certainty, points: 2.5", "dimension: nowhere, points: 2.5", "`dimension` cannot be 'nowhere'"),
        ("points: -10", "points: many", "`points`"),
        ("on_no: true", "on_no: sometimes", "`on_no`"),
        ("    points: -10\n", "", "needs `points:`"),
        ("severity: low", "fatal: true", "a manual item has no key 'fatal'"),
    ],
)
def test_a_wrong_manual_item_is_told_by_its_line(manual: Path, old: str, new: str, said: str) -> None:
    head = manual / "pack.yaml"
    text = head.read_text(encoding="utf-8")
    assert old in text
    head.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PackError) as caught:
        load_pack(manual)
    assert any(said in p.message and "pack.yaml" in str(p) for p in caught.value.problems), caught.value.problems


def test_a_sealed_pack_has_its_manual_items(manual: Path, tmp_path: Path) -> None:
    private, _ = make_keys("Acme", tmp_path / "acme")
    sealed = seal(load_pack(manual), {}).signed_by(read_private(private))
    assert sealed.pack().manual == load_pack(manual).manual


def test_a_pack_on_top_of_another_takes_switches_off_and_replaces_its_manual_items(manual: Path, tmp_path: Path) -> None:
    def stand(text: str) -> tuple[tuple[str, float], ...]:
        top = tmp_path / "top"
        top.mkdir(exist_ok=True)
        (top / "pack.yaml").write_text(
            f"id: top\nversion: 1.0.0\nextends: small 1.2.3\nlanguage: 1\ntitle: top\n{text}", encoding="utf-8"
        )
        return tuple((item.id, item.points) for item in load_pack(top).manual)

    own = "manual:\n  - {id: warm, title: w, question: w?, dimension: certainty, points: 5}\n"
    assert stand("") == (("need-met", -10), ("warm", 2.5))
    assert stand("off: [need-met]\n") == (("warm", 2.5),)
    assert stand(own) == (("need-met", -10), ("warm", 5))
    with pytest.raises(PackError, match="no rule 'nothing'"):
        stand("off: [nothing]\n")


def test_changes_of_manual_items_are_told_in_both_languages(manual: Path) -> None:
    now = load_pack(manual)
    before = dataclasses.replace(now, manual=(dataclasses.replace(NEED, points=-5),))
    told = diff(before, now)
    assert [(c.kind, c.of, c.id, c.field) for c in told] == [
        ("changed", "manual", "need-met", "points"),
        ("added", "manual", "warm", ""),
    ]
    assert [c.sentence("zh") for c in told] == [
        "人工评分项 need-met，points：-5 → -10",
        "人工评分项 warm：新增 (有温度 / Warm, low, +2.5 分)",
    ]
    assert told[1].sentence("en") == "manual item warm: added (有温度 / Warm, low, +2.5 points)"
    assert [c.kind for c in diff(now, before)] == ["changed", "removed"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_manual_items_go_to_excel_and_back(manual: Path, tmp_path: Path, lang: str) -> None:
    file = tmp_path / "x.xlsx"
    data, losses = workbook(read_source(manual), lang)
    file.write_bytes(data)
    back = read_workbook(file)
    assert back.pack.manual == load_pack(manual).manual
    assert back.pack.sha256 == load_pack(manual).sha256
    assert losses == ()


def test_the_rulebook_has_them_in_both_languages(manual: Path) -> None:
    page = book(load_pack(manual))
    for text in (
        "由人判断",
        "问题解决了吗？",
        "答「否」−10 分",
        "Judged by people",
        "Solved: yes or no?",
        "+2.5 points where the answer is yes",
    ):
        assert text in page


def test_the_flat_print_and_the_list_have_them(manual: Path, tmp_path: Path, qc: Run) -> None:
    code, out = qc("rules", "flat", manual)
    assert code == Exit.OK
    (tmp_path / "flat.yaml").write_text(out, encoding="utf-8")
    assert load_pack(tmp_path / "flat.yaml").sha256 == load_pack(manual).sha256
    code, out = qc("rules", "list", manual, "--json")
    assert [item["id"] for item in json.loads(out)["packs"][0]["manual"]] == ["need-met", "warm"]
    assert "judged by people" in qc("rules", "list", manual)[1]


def test_the_schema_knows_what_the_reader_takes(manual: Path) -> None:
    flat = json.loads(load_pack(manual).flat)
    check = jsonschema.Draft7Validator(schema("pack"))
    assert list(check.iter_errors(flat)) == []
    for spoil in ({"fatal": True}, {"points": "many"}, {"on_no": "yes"}):
        flat["manual"][0] |= spoil
        assert list(check.iter_errors(flat)), spoil
        flat = json.loads(load_pack(manual).flat)
    assert set(schema("pack")["definitions"]["manual"]["properties"]) == set(MANUAL_KEYS)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_reference_page_tells_every_key(language: str) -> None:
    page = reference(language)
    assert tuple(key.name for key in MANUAL_DOC) == MANUAL_KEYS
    assert all(f"`{key}`" in page for key in MANUAL_KEYS)
