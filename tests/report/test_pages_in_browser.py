"""The pages in headless Chromium: nothing to complain of, sorting, filtering, playing, phones, the dark."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import browser
import fixture_store
import pytest
from browser import Browser

from qc.packs.book import book
from qc.report import write_report
from qc.report.listen import ListenOptions, write_listen
from qc.review.draw import DrawOptions, draw_reviews, keep_plan
from qc.review.page import PageOptions, write_review
from qc.review.serve import ReviewServer
from qc.score import score
from qc.store import Store

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is a browser")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The normal store, its calls drawn for review and judged as the machine did, but where it could not tell."""
    made = fixture_store.normal(tmp_path_factory.mktemp("browser"), audio=True)
    keep_plan(made, draw_reviews(made, DrawOptions(per_rule=4, seed=2)))
    said = {(r["call_id"], v["rule"]): v["verdict"] for r in made.read("findings").to_pylist() for v in r["verdicts"] or ()}
    asked = [{k: r[k] for k in ("pack_id", "call_id", "rule")} for r in made.read("review_plan").to_pylist()]
    answers = [r | {"reviewer": "li", "answer": said.get((r["call_id"], r["rule"]), "miss")} for r in asked]
    made.append("reviews", [r for r in answers if r["answer"] != "undecided"])
    score(made)
    return made


@pytest.fixture(scope="module")
def report(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser-report") / "out"
    write_report(store, out)
    return out


@pytest.fixture(scope="module")
def others(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str | Path]]]:
    """Pages that are not the report's, by kind and language: the listen list, the page to judge on, the same served, the rulebook."""
    base = tmp_path_factory.mktemp("browser-others")
    plan = store.read("review_plan").to_pylist()[:6]
    write_listen(store, base / "listen", ListenOptions(n=6, seed=3))
    write_review(store, base / "review", plan, PageOptions(evidence=True))
    served = ReviewServer(store, plan, PageOptions(evidence=True))
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    made: dict[str, dict[str, str | Path]] = {kind: {} for kind in ("listen", "review", "served", "rulebook")}
    for lang in ("zh", "en"):
        made["listen"][lang] = base / "listen" / lang / "index.html"
        made["review"][lang] = base / "review" / lang / "index.html"
        made["served"][lang] = served.url.replace("index.html", f"{lang}/index.html")
        made["rulebook"][lang] = base / f"rulebook-{lang}.html"
        (base / f"rulebook-{lang}.html").write_text(book(fixture_store.pack(), (lang,)), encoding="utf-8")
    yield made
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("browser-hostile")
    write_report(fixture_store.hostile(base), base / "out")
    return base / "out"


@pytest.fixture(scope="module")
def wide() -> Iterator[Browser]:
    with Browser((1280, 900)) as opened:
        yield opened


@pytest.fixture(scope="module")
def phone() -> Iterator[Browser]:
    with Browser((360, 740), dark=True, lang="zh-CN") as opened:
        yield opened


def agent_page(report: Path, lang: str, words: str) -> Path:
    """An agent's page that has these words."""
    return next(p for p in sorted((report / lang / "agents").iterdir()) if words in p.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["report", "hostile"])
def test_no_page_complains_or_scrolls_sideways(kind: str, wide: Browser, request: pytest.FixtureRequest) -> None:
    try:
        for path in sorted(request.getfixturevalue(kind).rglob("*.html")):
            wide.open(path)
            for size in ((1280, 900), (360, 740)):
                wide.look(size, dark=size[0] < 600)
                inner, content = wide.run("return [innerWidth, document.documentElement.scrollWidth]")
                assert content <= inner == size[0], path
            assert wide.run("return document.images.length + window.frames.length") == 0
            assert wide.complaints() == [], path
    finally:
        wide.look((1280, 900), dark=False)


def test_the_root_opens_in_the_readers_language(report: Path, wide: Browser, phone: Browser) -> None:
    for window, lang in ((wide, "en"), (phone, "zh")):
        window.open(report / "index.html")
        assert window.wait(f"return location.href.endsWith('/{lang}/index.html')")
        assert window.run("return document.documentElement.lang")[:2] == lang


def test_columns_sort_both_ways_with_the_empty_last(report: Path, wide: Browser) -> None:
    wide.open(report / "en" / "index.html")
    column = """
        const table = document.getElementById('agents').closest('section').querySelector('table');
        const index = [...table.tHead.rows[0].cells].findIndex((c) => c.textContent === arguments[0]);
        const th = table.tHead.rows[0].cells[index];
        th.querySelector('button').click();
        return [th.getAttribute('aria-sort'), [...table.tBodies[0].rows].map((r) => r.cells[index].dataset.v ?? r.cells[index].textContent)];
    """
    order, calls = wide.run(column, "Calls")
    assert order == "ascending"
    assert [int(c) for c in calls] == sorted(int(c) for c in calls)
    order, calls = wide.run(column, "Calls")
    assert order == "descending"
    assert [int(c) for c in calls] == sorted((int(c) for c in calls), reverse=True)
    _, lows = wide.run(column, "95% interval")
    given = [float(v) for v in lows if v]
    assert given == sorted(given) and "" in lows
    assert lows == [v for v in lows if v] + [""] * lows.count("")
    _, names = wide.run(column, "Provider")
    assert [name for name, _ in itertools.groupby(names)] == sorted(set(names)) and len(set(names)) == 4


def test_the_filter_hides_rows_and_says_how_many_are_left(report: Path, wide: Browser) -> None:
    wide.open(report / "zh" / "index.html")
    filtered = """
        const input = document.getElementById('filter');
        input.value = arguments[0];
        input.dispatchEvent(new Event('input'));
        const rows = [...document.querySelector('table[data-filter]').tBodies[0].rows];
        return [rows.filter((r) => r.offsetHeight > 0).length, document.querySelector('.filter [role=status]').textContent];
    """
    assert wide.run(filtered, "华信") == [3, "显示 3 行"]
    assert wide.run(filtered, "华信 1002") == [1, "显示 1 行"]
    assert wide.run(filtered, "(.*") == [0, "显示 0 行"]
    assert wide.run(filtered, "") == [9, ""]


def test_a_click_on_the_evidence_plays_from_two_seconds_before_it(report: Path, wide: Browser) -> None:
    page = agent_page(report, "en", "Asks for a verification code")
    wide.open(page)
    assert wide.run("return document.getElementById('player').hidden") is True
    at = wide.run("const a = document.querySelector('li.said a.play'); a.click(); return Number(a.dataset.at)")
    story = fixture_store.turns_of(fixture_store.STORIES["code"])
    evidence = fixture_store.evidence_of(story, "把验证码告诉我")[0]["start_ms"]
    assert at == evidence - 2_000
    assert wide.wait(f"return document.querySelector('audio').currentTime >= {at / 1000}")
    now, status, pressed = wide.run(
        "return [document.querySelector('audio').currentTime, document.querySelector('#player [role=status]').textContent,"
        " document.querySelectorAll('a.play[aria-pressed]').length]"
    )
    assert at / 1000 <= now < at / 1000 + 8
    assert status.startswith("Playing: 20251103-")
    assert pressed == 1
    paused = "document.querySelector('li.said a.play').click(); return document.querySelector('audio').paused"
    assert wide.run(paused) is True
    later = wide.run(
        "const all = document.querySelectorAll('a.play'); const a = all[all.length - 1]; a.click(); return Number(a.dataset.at)"
    )
    assert wide.wait(f"return Math.abs(document.querySelector('audio').currentTime - {later / 1000}) < 3")
    wide.run("document.querySelector('#player button').click()")
    assert wide.run("return [document.getElementById('player').hidden, document.querySelector('audio').paused]") == [True, True]
    assert wide.complaints() == []


def test_the_keyboard_plays_too(report: Path, wide: Browser) -> None:
    wide.open(agent_page(report, "zh", "推给别人"))
    wide.run("document.querySelector('li.said a.play').focus()")
    for kind in ("keyDown", "keyUp"):
        wide.devtools(
            "Input.dispatchKeyEvent", {"type": kind, "key": " ", "code": "Space", "text": " ", "windowsVirtualKeyCode": 32}
        )
    assert wide.wait("return document.querySelector('audio').currentTime > 0")
    assert wide.run("return document.activeElement.matches('a.play')") is True


def test_a_recording_that_vanished_is_told(report: Path, wide: Browser, tmp_path: Path) -> None:
    page = agent_page(report, "en", "Passed on to somebody else")
    moved = tmp_path / "a" / "b" / page.name
    moved.parent.mkdir(parents=True)
    moved.write_bytes(page.read_bytes())
    wide.open(moved)
    wide.run("document.querySelector('a.play').click()")
    assert wide.wait(
        "return document.querySelector('#player [role=status]').textContent.startsWith('This recording cannot be played')"
    )
    wide.complaints()


def test_pages_read_without_scripts(report: Path) -> None:
    with Browser((1280, 900)) as window:
        window.devtools("Emulation.setScriptExecutionDisabled", {"value": True})
        window.open(agent_page(report, "zh", "推给别人"))
        tree = window.devtools("Accessibility.getFullAXTree", {})["nodes"]
        names = [(n.get("role", {}).get("value"), n.get("name", {}).get("value")) for n in tree]
        assert any(role == "mark" or name == "不归我们管" for role, name in names)
        assert any(role == "button" and name and name.startswith("播放 20251103-") for role, name in names)
        headings = [name for role, name in names if role == "heading"]
        assert "推给别人" in headings


def test_tables_keep_their_meaning_on_a_phone(report: Path, phone: Browser) -> None:
    phone.open(report / "zh" / "index.html")
    labels = phone.run(
        "return [...document.querySelectorAll('.stack tbody tr:first-child td[data-label]')].map((c) => c.dataset.label)"
    )
    assert "平均得分" in labels
    assert phone.run("return getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"


def page_of(report: Path, kind: str, lang: str = "en") -> Path:
    """The largest page of a kind, with an undecided rule where there is one."""
    if kind in ("index", "calls"):
        return report / lang / f"{kind}.html"
    pages = (report / lang / kind.removeprefix("a_")).glob("*.html")
    return max(pages, key=lambda p: ("finding undecided" in p.read_text(encoding="utf-8"), p.stat().st_size, p.name))


KINDS = ("index", "calls", "providers", "agents", "rules", "a_calls")


LOOKS = {"zh": (((1280, 900), False), ((400, 860), True)), "en": (((1280, 900), True), ((400, 860), False))}
"""Sizes and schemes in which a page is looked at, by language: each pair of language, size and scheme comes once."""


@pytest.mark.parametrize("kind", [*KINDS, "listen", "review", "served", "rulebook"])
def test_axe_finds_no_serious_fault(kind: str, report: Path, others: dict[str, dict[str, str | Path]], wide: Browser) -> None:
    """axe-core's rules (WCAG 2 A and AA, best practices); nothing scrolls sideways, nothing comes from elsewhere, the console is silent.

    The agent's page has the coaching sheet, the rule's what reviews say of the rule, the call's what was not heard."""
    axe = pytest.importorskip("axe_core_python")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    try:
        for lang, looks in LOOKS.items():
            page = others[kind][lang] if kind in others else page_of(report, kind, lang)
            for size, dark in looks:
                wide.look(size, dark=dark)
                wide.open(page)
                there = wide.run(
                    "return [...arguments[0]].map((a) => document.querySelectorAll(a).length)", MUST_HAVE.get(kind, [])
                )
                assert all(there), (page, there)
                assert wide.run("return [...document.querySelectorAll('details')].map((d) => { d.open = true; }).length") >= 0
                assert wide.faults(source) == [], (page, size, dark)
                assert wide.run("return document.documentElement.scrollWidth") == size[0], (page, size)
                here = wide.run("return location.href.slice(0, location.href.lastIndexOf('/'))")
                names = wide.run("return performance.getEntriesByType('resource').map((e) => e.name)")
                assert all(kind == "served" and n.startswith(here.rpartition("/")[0]) for n in names), names
                assert wide.complaints() == [], page
    finally:
        wide.look((1280, 900), dark=False)


MUST_HAVE = {
    "agents": ["#coach", "#compared", "article.call"],
    "rules": ["#places", "#examples", ".facts > div:nth-of-type(6)"],
    "a_calls": [".time svg", ".finding.undecided", "#transcript"],
    "review": ["article.judge fieldset"],
    "served": ["article.judge fieldset", "#saving[data-served]"],
    "listen": ["article.call a.play"],
    "rulebook": ["article .cases"],
}


def test_no_page_asks_for_anything_but_its_own_sound(report: Path, wide: Browser) -> None:
    for kind in KINDS:
        wide.open(page_of(report, kind))
        assert wide.run("return performance.getEntriesByType('resource').map((e) => e.name)") == []
    wide.open(page_of(report, "a_calls"))
    wide.run("document.querySelector('#transcript a.play').click()")
    assert wide.wait("return document.querySelector('audio').currentTime > 0")
    names = wide.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert all(n.startswith((report / "audio").resolve().as_uri()) for n in names), names
    assert wide.complaints() == []


def test_a_click_on_the_timeline_plays_from_there(report: Path, wide: Browser) -> None:
    wide.open(page_of(report, "a_calls"))
    seconds, clicked = wide.run("""
        const line = document.querySelector('.time');
        const box = line.getBoundingClientRect();
        const share = (n) => Number(line.dataset[n]) / Number(line.dataset.width);
        const x = box.left + line.clientWidth * (share('left') + 0.5 * (1 - share('left') - share('right')));
        line.dispatchEvent(new MouseEvent('click', { clientX: x, clientY: box.top + 20, bubbles: true }));
        return [Number(line.dataset.duration) / 1000, true];
    """)
    assert clicked
    assert wide.wait(f"return Math.abs(document.querySelector('audio').currentTime - {seconds / 2}) < 2")
    assert wide.wait("return !document.querySelector('.time .head').hidden")
    left = wide.run("return parseFloat(document.querySelector('.time .head').style.left)")
    assert 45 < left < 65
    assert wide.complaints() == []


def test_n_and_p_walk_through_the_evidence(report: Path, wide: Browser) -> None:
    page = next(
        p for p in sorted((report / "en" / "calls").glob("*.html")) if p.read_text(encoding="utf-8").count('class="said') >= 4
    )
    wide.open(page)

    def press(key: str) -> int:
        for kind in ("keyDown", "keyUp"):
            code = {"type": kind, "key": key, "code": f"Key{key.upper()}", "text": key, "windowsVirtualKeyCode": ord(key.upper())}
            wide.devtools("Input.dispatchKeyEvent", code)
        return wide.run("return [...document.querySelectorAll('#transcript li.said a.play')].indexOf(document.activeElement)")

    assert [press(k) for k in "nnp"] == [0, 1, 0]
    assert wide.wait("return document.querySelector('audio').currentTime > 0")


def test_calls_are_found_by_the_rule_that_hit(report: Path, wide: Browser) -> None:
    wide.open(report / "en" / "calls.html")
    shown = wide.run("""
        const input = document.getElementById('filter');
        input.value = 'promise without';
        input.dispatchEvent(new Event('input'));
        return [...document.querySelector('table').tBodies[0].rows].filter((r) => r.offsetHeight > 0).map((r) => r.textContent);
    """)
    assert len(shown) == 3
    assert all("Promise without a time" in row for row in shown)


def test_the_index_of_a_page_prints_without_what_only_a_screen_has(report: Path, wide: Browser) -> None:
    wide.open(page_of(report, "a_calls"))
    wide.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert wide.run("return getComputedStyle(document.querySelector('.top')).display") == "none"
        assert wide.run("return document.querySelector('.chart').getBoundingClientRect().width") > 200
    finally:
        wide.devtools(
            "Emulation.setEmulatedMedia", {"media": "", "features": [{"name": "prefers-color-scheme", "value": "light"}]}
        )
