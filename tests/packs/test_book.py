"""The rulebook: every rule in both languages, safe whatever a pack holds, nothing loaded, nothing hidden in it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qc.cli.main import main
from qc.errors import PackError
from qc.packs import load_pack
from qc.packs.aloud import describe
from qc.packs.book import book
from qc.packs.book_words import ROLES, SEVERITY, WORDS
from qc.packs.keys import make_keys, read_private
from qc.packs.model import SEVERITIES
from qc.packs.seal import seal
from qc.packs.syntax import CONDITIONS

ROOT = Path(__file__).parents[2]
PACKS = sorted(p.parent for p in (ROOT / "rules").glob("*/pack.yaml"))


class Page(HTMLParser):
    """Elements, ids and links of a page, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "action"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.mark.parametrize("path", PACKS, ids=lambda p: p.name)
def test_every_rule_is_there_in_both_languages(path: Path) -> None:
    pack = load_pack(path)
    page = Page(book(pack))
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert {f"{lang}-{rule.id}" for lang in ("zh", "en") for rule in pack.rules} | {"zh", "en"} == set(page.ids)
    assert {link.removeprefix("#") for link in page.links} == set(page.ids)
    text = "".join(page.text)
    for rule in pack.rules:
        assert rule.title["zh"] in text
        assert rule.title["en"] in text
        assert rule.why["zh"] in text
    assert pack.sha256 in text


def test_the_page_loads_and_runs_nothing(folder: Path) -> None:
    text = book(load_pack(folder))
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in text or f"style-src 'sha256-{digest}'" in text
    assert "url(" not in style[1]


EVIL = '"><script>alert(1)</script>{{ 7*7 }}\u202e</title></style>'


def test_what_a_stranger_writes_stays_text(folder: Path) -> None:
    pack = load_pack(folder)
    both = {"zh": EVIL, "en": EVIL}
    rule = dataclasses.replace(pack.rules[0], title=both, why=both, clause=EVIL, applies_to=((EVIL, (EVIL,)),))
    cases = tuple(
        dataclasses.replace(case, lines=tuple(dataclasses.replace(line, text=EVIL) for line in case.lines)) for case in rule.cases
    )
    dimensions = tuple(dataclasses.replace(d, title=both) for d in pack.dimensions)
    evil = dataclasses.replace(
        pack, title=both, licence=EVIL, authors=(EVIL,), dimensions=dimensions, rules=(dataclasses.replace(rule, cases=cases),)
    )
    text = book(evil, signer=EVIL)
    page = Page(text)
    assert not page.open
    assert "script" not in page.tags
    assert "\u202e" not in text
    assert "⟨U+202E⟩" in text
    assert "{{ 7*7 }}" in "".join(page.text)


def test_hidden_rules_are_not_in_it(folder: Path) -> None:
    pack = load_pack(folder)
    (rule,) = pack.rules
    hidden = dataclasses.replace(rule, id="canary", title={"zh": "暗记", "en": "secret"}, visibility="hidden")
    text = book(dataclasses.replace(pack, rules=(rule, hidden)))
    assert "canary" not in text
    assert "secret" not in text
    assert "1 rules" in text
    with pytest.raises(PackError, match="hidden"):
        book(dataclasses.replace(pack, rules=(hidden,)))


def test_what_is_said_badly_and_well_depends_on_the_sign_of_the_points(folder: Path) -> None:
    pack = load_pack(folder)
    (rule,) = pack.rules

    def page(points: float) -> str:
        return book(dataclasses.replace(pack, rules=(dataclasses.replace(rule, points=points),)), ["en"])

    for points, hit, miss, shown in (
        (-5, "Not like this", "This is fine", "−5"),
        (5, "This earns points", "This earns nothing", "+5"),
        (0, "Is pointed out", "Is not pointed out", ">0<"),
    ):
        text = page(points)
        assert text.index(hit) < text.index("我们会尽快联系商家") < text.index(miss) < text.index("三小时内")
        assert shown in text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_words_are_there_in_every_language(lang: str) -> None:
    assert set(WORDS[lang]) == set(WORDS["en"])
    assert set(SEVERITY[lang]) == set(SEVERITIES)
    assert set(ROLES[lang]) == set(ROLES["en"])


def test_a_condition_without_words_here_is_described_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one must not break the book."""
    monkeypatch.setitem(CONDITIONS, "sneezes", CONDITIONS["all"])
    plain = {"sneezes": [{"says": ["尽快", "/x/"], "in": "first 15000 ms"}], "within": "2 turns", "loudly": {"by": "agent"}}
    zh, en = describe(plain, "zh"), describe(plain, "en")
    assert zh.label == "sneezes" == en.label
    assert [w["text"] for w in zh.parts[0].words] == ["尽快", "/x/"] == [w["text"] for w in en.parts[0].words]
    assert zh.parts[0].parts[0].label == "哪一段：开头 15 秒"
    assert en.parts[0].parts[0].label == "where: first 15 s"
    assert zh.parts[1].label.endswith("2 句")
    assert (zh.parts[2].label, zh.parts[2].parts[0].label) == ("loudly", "谁：客服")


def test_the_verb_writes_one_language_or_both_and_names_a_verified_signer(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = make_keys("Acme", tmp_path / "k")
    file = tmp_path / "x.qcpack"
    file.write_bytes(seal(load_pack(folder), {}).signed_by(read_private(private)).encode())
    out = tmp_path / "b.html"

    def made(*arguments: str | Path) -> str:
        with pytest.raises(SystemExit) as end:
            main(["rules", "book", *map(str, arguments), "-o", str(out)])
        assert not end.value.code, capsys.readouterr()
        return out.read_text(encoding="utf-8")

    assert Page(made(folder, "--lang", "zh")).ids == ["zh", "zh-promise"]
    assert made(folder) == made(folder)
    assert "签名 Acme (" in made(file, "--trust", public)
    assert "签名" not in made(file)
    assert "the page names no signer" in capsys.readouterr().err
