"""The pages in headless Chromium: nothing to complain of, sorting, filtering, playing, phones, the dark."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import browser
import fixture_store
import pytest
from browser import Browser

from qc.report import write_report

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is a browser")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("browser")
    write_report(fixture_store.normal(base, audio=True), base / "out")
    return base / "out"


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
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_no_page_complains_or_scrolls_sideways(kind: str, size: str, request: pytest.FixtureRequest) -> None:
    window: Browser = request.getfixturevalue(size)
    for path in sorted(request.getfixturevalue(kind).rglob("*.html")):
        window.open(path)
        inner, content = window.run("return [innerWidth, document.documentElement.scrollWidth]")
        assert content <= inner, path
        assert window.run("return document.images.length + window.frames.length") == 0
        assert window.complaints() == [], path


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
    """The largest page of a kind."""
    if kind in ("index", "calls"):
        return report / lang / f"{kind}.html"
    return max((report / lang / kind.removeprefix("a_")).glob("*.html"), key=lambda p: (p.stat().st_size, p.name))


KINDS = ("index", "calls", "providers", "agents", "rules", "a_calls")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_axe_finds_no_serious_fault(kind: str, size: str, report: Path, request: pytest.FixtureRequest) -> None:
    """axe-core's rules (WCAG 2 A and AA, best practices), in the light on a desk and in the dark on a telephone."""
    axe = pytest.importorskip("axe_core_python")
    window: Browser = request.getfixturevalue(size)
    window.open(page_of(report, kind, "zh" if size == "phone" else "en"))
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    window.evaluate(f"{source}; 0")
    window.evaluate("axe.run(document).then((r) => { window.found = r; return 0; })")
    found = window.run(
        "return window.found.violations.map((v) => [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])"
    )
    assert [v for v in found if v[0] in ("serious", "critical")] == []
    assert window.run("return window.found.passes.length") > 10


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
