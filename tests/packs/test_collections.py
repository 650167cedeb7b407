"""Collections of attacks, against everything that takes a pack: a small one of our own, and other people's large ones.

Theirs are not part of the project: set QC_TEST_DATA to the folder that holds them, and they are run as well.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest

from qc.cli.console import clean
from qc.errors import PackError, QcError, UntrustedPackError
from qc.packs import load_pack
from qc.packs.archive import BadArchive, read_archive, write_archive
from qc.packs.book import book
from qc.packs.excel import read_workbook, workbook
from qc.packs.flatten import unflatten
from qc.packs.folder import write_folder
from qc.packs.keys import check_name
from qc.packs.nodes import read_yaml
from qc.packs.patterns import BadPattern, compile_pattern
from qc.packs.source import dump_yaml, read_source
from tests.packs.conftest import HEAD

DATA = Path(os.environ.get("QC_TEST_DATA", "")) / "suite_hostile"
theirs = pytest.mark.skipif(not DATA.is_dir(), reason="QC_TEST_DATA names no folder with collections of attacks")

SCRIPTS = [
    "<script>document.title=1</script>",
    "<img src=x onerror=go()>",
    '"><svg/onload=go()>',
    "' onmouseover='go()",
    "</title></style></textarea><b>x",
    "<a href='javascript:go()'>x</a>",
    "{{7*7}}${7*7}<%=7*7%>",
    "<!--<iframe srcdoc='<p>x'>-->",
    "&lt;script&gt;go()&lt;/script&gt;",
    "\uff1cscript\uff1ego()\uff1c/script\uff1e",
]
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1:A9)",
    '=HYPERLINK("http://x.example","x")',
    "=cmd|' /C calc'!A0",
    "'=1+1",
    "\uff1d1+1",
    "{=1}",
    ";=1+1",
]
NAMES = [
    "../x",
    "..\\x",
    "/etc/x",
    "C:\\x",
    "a/../../x",
    "./x",
    "x/",
    "..",
    "%2e%2e%2fx",
    "\uff0e\uff0e\uff0fx",
    "x\u202egpj",
    "con:",
    "x\0y",
    "~root/x",
]
STRANGE = [
    "\u202eabc",
    "a\u0301\u0301\u0301",
    "\ufeff",
    "\u200b\u200d",
    "e\u0301 \u00e9",
    "\x1b[31mred\x1b[0m",
    "\x07bell",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ud55c\uae00 \u0627\u0644 \u0e01\u0e47",
    "\ufdfd",
    "(a+)+$",
    "(?:x{1000}){1000}",
    "[a-",
    "(((((",
    "null",
    "NaN",
    "1e999",
    "!!python/object:x",
    "&a *a",
    "| > % @ `",
    "' OR 1=1 --",
    "$(reboot) `x`",
    "%s%n%x",
    "\u2028\u2029",
]
OWN = {
    "xss-payload-list/xss-payload-list.txt": SCRIPTS,
    "csv-injection-payloads/csv-payload.txt": FORMULAS,
    "payloadsallthethings/README.md": FORMULAS,
    "payloadsallthethings/directory_traversal.txt": NAMES,
    "payloadsallthethings/deep_traversal.txt": ["../" * depth + "x" for depth in (1, 8, 64)],
}


def lines(name: str, every: int = 1) -> list[str]:
    """Our own lines, and those of a collection that is here: comments and empty ones left out, every so many of them."""
    if not DATA.is_dir():
        return OWN[name]
    text = (DATA / name).read_text(encoding="utf-8", errors="replace")
    found = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return OWN[name] + list(dict.fromkeys(found))[::every]


def naughty() -> list[str]:
    if not DATA.is_dir():
        return STRANGE
    return STRANGE + [
        text
        for text in json.loads((DATA / "big-list-of-naughty-strings" / "blns.json").read_text(encoding="utf-8"))
        if text.strip()
    ]


def pack_of(folder: Path, texts: list[str]) -> Path:
    """A pack whose rules have the texts for titles, reasons, words, tags and cases, as far as each may stand there."""
    rules = []
    for number, text in enumerate(texts):
        said = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:80] or "x"
        rules.append(
            {"id": f"r{number}", "title": said, "why": said, "dimension": "certainty", "severity": "low", "points": -1, "clause": said, "tags": [said],
             "when": {"who": "agent", "says": ["好的"]}, "cases": {"hit": [{"agent": f"好的 {said}"}], "miss": [{"agent": f"x {said}"}]}}
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.yaml").write_text(HEAD, encoding="utf-8")
    (folder / "rules.yaml").write_text(dump_yaml(rules), encoding="utf-8")
    return folder


class Shape(HTMLParser):
    """Counts tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.update([tag, *(f"{tag}.{name}" for name, _ in attrs)])


def shape(html: str) -> Counter[str]:
    parser = Shape()
    parser.feed(html)
    return parser.seen


def test_scripts_in_titles_stay_text_in_the_rulebook(tmp_path: Path) -> None:
    payloads = lines("xss-payload-list/xss-payload-list.txt", 25)
    assert len(payloads) > (200 if DATA.is_dir() else 9)
    evil = shape(book(load_pack(pack_of(tmp_path / "evil", payloads))))
    assert evil == shape(book(load_pack(pack_of(tmp_path / "tame", ["tame"] * len(payloads)))))


def test_formulas_and_naughty_strings_are_text_in_a_workbook_and_come_back(tmp_path: Path) -> None:
    texts = lines("csv-injection-payloads/csv-payload.txt") + naughty()
    texts += [line.strip("`") for line in lines("payloadsallthethings/README.md") if line.startswith(("=", "+", "-", "@", "`"))]
    folder = pack_of(tmp_path / "small", texts)
    data, _ = workbook(read_source(folder))
    cells = [c for sheet in openpyxl.load_workbook(io.BytesIO(data)) for row in sheet.iter_rows() for c in row]
    assert not [c.value for c in cells if c.data_type == "f" or c.hyperlink]
    file = tmp_path / "x.xlsx"
    file.write_bytes(data)
    assert read_workbook(file).pack.flat == load_pack(folder).flat


def test_no_name_leads_out_of_an_archive_or_a_folder(tmp_path: Path) -> None:
    names = (
        lines("payloadsallthethings/directory_traversal.txt") + lines("payloadsallthethings/deep_traversal.txt", 5) + naughty()
    )
    for name in names:
        if re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*", name):
            continue  # a name like any other: «undefined»
        with pytest.raises(BadArchive):
            write_archive({name: b"x"})
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            made.writestr(zipfile.ZipInfo((name.replace("\0", "") or "x")[:60000]), b"x")
        with pytest.raises(BadArchive):
            read_archive(out.getvalue())
        with pytest.raises(QcError):
            write_folder(tmp_path / "pack", {name: "x"})
    assert not list(tmp_path.iterdir())


def test_naughty_strings_are_no_ids_no_signers_and_no_terminal_commands() -> None:
    flat = json.loads(unflatten_ready())
    for text in naughty():
        with pytest.raises(PackError):
            unflatten(json.dumps(flat | {"id": text + "\n"}).encode())
        assert not any(ord(c) < 32 and c not in "\t\n" for c in clean(text))
        try:
            shown = check_name(text, "x")
        except QcError:
            continue
        assert shown.isprintable()


def unflatten_ready() -> bytes:
    """A small pack, flat."""
    rule = {"id": "a", "title": "t", "why": "w", "dimension": "d", "severity": "low", "points": -1, "when": {"says": ["x1"]},
            "cases": {"hit": [{"agent": "x1"}], "miss": [{"agent": "y1"}]}}  # fmt: skip
    plain = {
        "id": "p",
        "version": "1.0.0",
        "language": 1,
        "title": "t",
        "dimensions": [{"id": "d", "title": "t"}],
        "rules": [rule],
    }
    return json.dumps(plain).encode()


def test_naughty_strings_as_words_and_patterns_are_read_or_refused_in_words(tmp_path: Path) -> None:
    flat = json.loads(unflatten_ready())
    for text in naughty():
        flat["rules"][0]["when"] = {"says": [text]}
        try:
            unflatten(json.dumps(flat).encode())
        except PackError as error:
            assert error.problems[0].message
        try:
            compile_pattern(text)
        except BadPattern as bad:
            assert bad.message


@theirs
def test_the_yaml_suite_is_read_or_refused_and_never_makes_an_object() -> None:
    read = refused = 0
    for file in sorted((DATA / "yaml_suite").glob("*.yaml")):
        for data in (file.read_bytes(), *_documents(file)):
            try:
                tree = read_yaml(data, file.name)
                read += tree is not None
            except PackError as error:
                assert error.problems[0].line >= 1
                refused += 1
    assert read > 100
    assert refused > 20


def _documents(file: Path) -> list[bytes]:
    """The document inside each case of the suite, its visible blanks made real."""
    import yaml

    cases = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # texts alone
    marks = {"␣": " ", "»": "\t", "—": "", "←": "\r", "⇔": "\ufeff", "↵": "", "∎": ""}
    return [case["yaml"].translate(str.maketrans(marks)).encode() for case in cases if isinstance(case, dict) and "yaml" in case]


@theirs
def test_a_pack_that_is_any_of_the_files_is_one_clear_error(tmp_path: Path) -> None:
    from qc.packs.seal import read_sealed

    for file in sorted(DATA.rglob("*.*"))[::7]:
        target = tmp_path / "x.qcpack"
        target.write_bytes(file.read_bytes())
        with pytest.raises(UntrustedPackError):
            read_sealed(target)
