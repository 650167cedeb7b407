"""Other people's collections of attacks as names, ids, files, words and reasons, through every format: set QC_TEST_DATA to their folder.

A collection is not part of the project, so the tests with them skip without it; the same tests always run with a few attacks of
our own. A page is harmless where it has the tags and attributes of a page made of tame words, and no other.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import fixture_store
import openpyxl
import polars as pl
import pytest

from qc.report import ReportOptions, write_report

DATA = Path(os.environ.get("QC_TEST_DATA", "")) / "suite_hostile"
FORMATS = ("html", "xlsx", "csv", "json", "parquet")
COLLECTIONS = {
    "formulas": ("csv-injection-payloads", 1, 120),
    "scripts": ("xss-payload-list", 40, 120),
    "naughty": ("big-list-of-naughty-strings", 4, 120),
    "all-things": ("payloadsallthethings", 40, 120),
}
_HREF = re.compile(r"(#|\.\./|agents/|providers/|rules/|calls/|calls\.html|index\.html|zh/|en/|data/)[\w./#-]*")


def payloads(name: str) -> list[str]:
    """Lines of a collection's files, every so many of them; our own where no collection is meant."""
    if name == "own":
        return list(fixture_store.EVIL)
    if not DATA.is_dir():
        pytest.skip("QC_TEST_DATA names no folder with collections of attacks")
    folder, every, most = COLLECTIONS[name]
    found: list[str] = []
    for path in sorted(p for p in (DATA / folder).rglob("*") if p.suffix in (".txt", ".csv", ".json", ".md")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found += (
            [t for t in json.loads(text) if t.strip()] if path.suffix == ".json" else [t for t in text.split("\n") if t.strip()]
        )
    return list(dict.fromkeys(found))[::every][:most]


class Parts(HTMLParser):
    """Tags with their attributes' names, and every address of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.names: set[tuple[str, str]] = set()
        self.addresses: list[str] = []
        self.scripts = 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag in ("script", "style")
        self.names |= {(tag, name) for name, _ in attrs} | {(tag, "")}
        self.addresses += [v or "" for n, v in attrs if n in ("href", "src", "data-src")]


def pages(folder: Path) -> Iterator[Parts]:
    for path in sorted(folder.rglob("*.html")):
        yield Parts(path)


@pytest.fixture(scope="module", params=["own", *COLLECTIONS])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    texts = payloads(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    options = ReportOptions(formats=FORMATS, audio="none", call_pages=12)
    write_report(fixture_store.hostile(folder, texts), folder / "out", options)
    return folder / "out", texts


@pytest.fixture(scope="module")
def tame(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Tags and attributes of a report of harmless words."""
    folder = tmp_path_factory.mktemp("tame")
    texts = [f"tame {n}" for n in range(40)]
    write_report(fixture_store.hostile(folder, texts), folder / "out", ReportOptions(audio="none"))
    return {name for page in pages(folder / "out") for name in page.names}


def test_pages_have_no_tag_attribute_or_address_that_words_brought(
    attacked: tuple[Path, list[str]], tame: set[tuple[str, str]]
) -> None:
    out, _ = attacked
    for page in pages(out):
        assert page.names <= tame
        assert page.scripts == 2
        assert [a for a in page.addresses if a and not _HREF.fullmatch(a)] == []


def test_no_file_is_named_after_a_word(attacked: tuple[Path, list[str]]) -> None:
    out, _ = attacked
    found = [p.relative_to(out) for p in out.rglob("*") if p.is_file()]
    assert all(re.fullmatch(r"[a-z0-9./-]+\.(html|csv|json|parquet|xlsx)", p.as_posix()) for p in found)


def test_no_cell_is_a_formula_or_a_link(attacked: tuple[Path, list[str]]) -> None:
    out, _ = attacked
    for path in sorted((out / "data").glob("*.csv")):
        for row in list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))[1:]:
            for cell in row:
                assert not cell.lstrip(" ").startswith(("=", "+", "@", "\t", "\r", "＝", "＋", "＠", "－")), cell
                assert not cell.startswith("-") or float(cell) < 0, cell
    for lang in ("zh", "en"):
        book = openpyxl.load_workbook(out / "data" / f"report-{lang}.xlsx")
        for cell in (c for sheet in book for row in sheet.iter_rows() for c in row):
            assert cell.data_type in ("s", "n", "d", "inlineStr"), cell.value
            assert cell.hyperlink is None or re.fullmatch(
                rf"\.\.[/\\]{lang}[/\\]calls[/\\]call-[0-9a-f]{{16}}\.html", cell.hyperlink.target
            )


def test_data_for_programs_has_the_words_as_they_are(attacked: tuple[Path, list[str]]) -> None:
    out, texts = attacked
    ids = {f"{text}#{n}" for n, text in enumerate(texts)}
    document = json.loads((out / "data" / "report.json").read_bytes().decode("utf-8", "surrogatepass"))
    assert {c["call_id"] for c in document["calls"]} == ids
    assert set(pl.read_parquet(out / "data" / "calls.parquet")["call_id"]) == ids
