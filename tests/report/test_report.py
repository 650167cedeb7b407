"""The report's folder, formats and safety: what is written, what never is, and what a stranger's text may do (nothing)."""

from __future__ import annotations

import base64
import csv
import dataclasses
import datetime
import hashlib
import io
import json
import random
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fixture_store
import openpyxl
import pytest

from qc.errors import StoreError, UsageError
from qc.packs.flatten import save
from qc.report import FORMATS, ReportOptions, write_report
from qc.report import sounds as sounds_module
from qc.report.safe import safe_name, visible
from qc.score import score
from qc.store import Store

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path]:
    """The normal store with recordings, and its report."""
    base = tmp_path_factory.mktemp("normal")
    store = fixture_store.normal(base, audio=True)
    write_report(store, base / "out")
    return store, base / "out"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("hostile")
    write_report(fixture_store.hostile(base), base / "out")
    return base / "out"


class Page(HTMLParser):
    """Tags with attributes, visible text, scripts and styles of a page; checks that tags close."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "link"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.inside:
            self.inside[self._open[-1]].append(data)
        else:
            self.text.append(data)

    def values(self, tag: str, name: str) -> list[str]:
        return [a[name] or "" for t, a in self.tags if t == tag and name in a]


def pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


# -- the folder


def test_the_same_store_gives_the_same_bytes(normal: tuple[Store, Path], tmp_path: Path) -> None:
    store, out = normal
    write_report(store, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(out)
    write_report(store, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(out)


def test_neither_the_order_of_the_calls_nor_the_number_of_processes_changes_a_byte(
    normal: tuple[Store, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose rows were written in another order, in many parts, reported by two processes beside one."""
    store, _ = normal
    other = Store(tmp_path / "other")
    save(other, fixture_store.pack())
    for table in ("calls", "transcripts", "findings"):
        rows = store.read(table).to_pylist()
        for first in range(0, len(rows), 4):
            other.append(table, random.Random(table).sample(rows, len(rows))[first : first + 4])
    score(other)
    monkeypatch.setattr("qc.report.work.PAGES_A_PROCESS", 10)
    begun: list[int] = []
    monkeypatch.setattr("qc.report.work.ProcessPoolExecutor", lambda n, *a: begun.append(n) or ProcessPoolExecutor(n, *a))
    for name, of, processes in (("one", store, 1), ("two", other, 2)):
        write_report(of, tmp_path / name, ReportOptions(formats=tuple(FORMATS), processes=processes))
    assert begun == [2]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) > 90


def test_the_board_has_whose_difference_is_proven_and_nobody_else(tmp_path: Path) -> None:
    """Of three providers of 60 calls one is worse in one dimension alone; the others differ by chance."""
    store, rules = Store(tmp_path / "store"), fixture_store.pack()
    save(store, rules)
    base = {
        "pack_id": rules.id,
        "pack_version": rules.version,
        "pack_sha256": rules.sha256,
        "pack_signer": "local",
        "status": "ok",
    }
    who = {"甲": lambda i: i % 6 == 0, "乙": lambda i: i % 5 == 0, "丙": lambda i: i % 2 == 0}
    calls = [(f"{p}{i:02d}", p, hit(i)) for p, hit in who.items() for i in range(60)]
    slip = {"rule": "passed-around", "verdict": "hit", "severity": "high", "count": 1, "evidence": []}
    store.append("calls", [{"call_id": c, "provider": p, "agent_id": f"{i % 2}"} for i, (c, p, _) in enumerate(calls)])
    store.append("findings", [{**base, "call_id": c, "verdicts": [slip] if hit else []} for c, _, hit in calls])
    score(store)
    write_report(store, tmp_path / "out", ReportOptions(langs=("en",), formats=("html",)))
    text = (tmp_path / "out" / "en" / "index.html").read_text(encoding="utf-8")
    board = text[text.index('id="board"') : text.index("</section>", text.index('id="board"'))]
    sides = re.findall(r'<h3 class="of">([^<]+)</h3>|<div class="side (\w+)">|<li><a [^>]*>([^<]+)</a>', board)
    told = [next(filter(None, found)) for found in sides]
    assert told.count("丙") == 2 and told[told.index("丙") - 1] == "worse"
    assert [d for d, _, _ in sides if d] == ["Score", "Simplicity"]
    proven = {
        (r["dimension"], r["answer"], r["id"])
        for r in store.read("comparisons").to_pylist()
        if r["answer"] in ("better", "worse")
    }
    assert {(d, a) for d, a, _ in proven} <= {(d, a) for d in ("", "simplicity") for a in ("better", "worse")}
    assert sum(len(found[2]) > 0 for found in sides) == len(proven)


def test_the_manifest_lists_every_file_with_its_digest(normal: tuple[Store, Path]) -> None:
    files = contents(normal[1])
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["complete"] is True
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def test_what_an_earlier_report_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    store, out = fixture_store.normal(tmp_path), tmp_path / "out"
    write_report(store, out)
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    write_report(store, out, ReportOptions(langs=("en",), formats=("html",)))
    left = contents(out)
    assert not [name for name in left if name.startswith(("zh/", "data/"))]
    assert left["notes.txt"] == b"mine"


def test_a_folder_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    store, out = fixture_store.normal(tmp_path), tmp_path / "photos"
    out.mkdir()
    (out / "cat.jpg").write_bytes(b"meow")
    for manifest in (None, "{}", "nonsense", '{"schema": "other", "files": {}}'):
        if manifest is not None:
            (out / "manifest.json").write_text(manifest, encoding="utf-8")
        before = contents(out)
        with pytest.raises(UsageError, match="no report of ours"):
            write_report(store, out)
        assert contents(out) == before


def test_a_manifest_cannot_make_us_remove_files_outside(tmp_path: Path) -> None:
    store, out = fixture_store.normal(tmp_path), tmp_path / "out"
    (tmp_path / "precious").write_text("keep", encoding="utf-8")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "away").write_text("keep", encoding="utf-8")
    out.mkdir()
    (out / "link").symlink_to(tmp_path / "far", target_is_directory=True)
    names = dict.fromkeys(("../precious", str(tmp_path / "precious"), "link/away", "a/../../precious"), "x")
    (out / "manifest.json").write_text(json.dumps({"schema": "qc.report.manifest/1", "files": names}), encoding="utf-8")
    write_report(store, out)
    assert (tmp_path / "precious").exists()
    assert (tmp_path / "far" / "away").exists()


def test_a_report_that_was_cut_off_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, out = fixture_store.normal(tmp_path), tmp_path / "out"

    def broken(job: Any) -> list[str]:
        raise OSError("the light went out")

    with monkeypatch.context() as patched:
        patched.setitem(FORMATS, "html", broken)
        with pytest.raises(OSError, match="light"):
            write_report(store, out)
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["complete"] is False
    write_report(store, out)
    write_report(store, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    store, out = fixture_store.normal(tmp_path), tmp_path / "out"
    write_report(store, out, ReportOptions(formats=("json",)))
    (out / "zh").write_text("a file where a folder is wanted", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write"):
        write_report(store, out)
    assert not list(out.rglob(".*"))


# -- options and the store's state


@pytest.mark.parametrize(
    "options",
    [{"langs": ("fr",)}, {"langs": ()}, {"formats": ("pdf",)}, {"formats": ()}, {"audio": "stream"}],
    ids=lambda o: next(iter(o)),
)
def test_an_unknown_option_says_what_is_known(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="unknown") as caught:
        write_report(Store(tmp_path), tmp_path / "out", ReportOptions(**options))
    assert "any of" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_can_be_had_alone(name: str, tmp_path: Path) -> None:
    done = write_report(fixture_store.normal(tmp_path), tmp_path / "out", ReportOptions(formats=(name,)))
    kinds = {Path(f).suffix.lstrip(".") for f in done.files}
    assert kinds == {name}
    assert done.index.exists()


def test_one_language_alone_has_no_switch(tmp_path: Path) -> None:
    done = write_report(fixture_store.normal(tmp_path), tmp_path / "out", ReportOptions(langs=("zh",), formats=("html",)))
    assert not [f for f in done.files if f.startswith("en/")]
    assert "hreflang" not in (tmp_path / "out" / "zh" / "index.html").read_text(encoding="utf-8")
    assert Page(tmp_path / "out" / "index.html").values("a", "href") == ["zh/index.html"]


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        write_report(Store(tmp_path), tmp_path / "out")


def test_findings_newer_than_scores_are_refused(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    row = store.read("findings").to_pylist()[1]
    store.append("findings", [{**row, "verdicts": []}])
    with pytest.raises(UsageError, match="1 calls were scanned after") as caught:
        write_report(store, tmp_path / "out")
    assert "qc score" in caught.value.hint
    score(store)
    write_report(store, tmp_path / "out")


def test_several_packs_ask_which(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    other = dataclasses.replace(fixture_store.pack(), id="other")
    save(store, other)
    rows = [{**r, "pack_id": other.id, "pack_sha256": other.sha256} for r in store.read("findings").to_pylist()]
    store.append("findings", rows[:3])
    score(store)
    with pytest.raises(UsageError, match="several packs") as caught:
        write_report(store, tmp_path / "out")
    assert "ecommerce-test, other" in caught.value.hint
    with pytest.raises(UsageError, match="'none'"):
        write_report(store, tmp_path / "out", ReportOptions(pack="none"))
    write_report(store, tmp_path / "out", ReportOptions(pack="other"))
    value = json.loads((tmp_path / "out" / "data" / "report.json").read_text(encoding="utf-8"))
    assert (value["pack"]["id"], value["totals"]["scored"], value["totals"]["failed"]) == ("other", 3, 27)
    assert {c["reason"] for c in value["calls"] if c["status"] == "failed"} == {"not_scanned", "missing_file", "not_audio"}


def test_every_call_of_the_store_is_in_the_report(normal: tuple[Store, Path]) -> None:
    store, out = normal
    value = json.loads((out / "data" / "report.json").read_text(encoding="utf-8"))
    ids = [c["call_id"] for c in value["calls"]]
    assert ids == sorted(store.read("calls", ["call_id"])["call_id"].to_pylist())
    assert value["totals"]["calls"] == value["totals"]["scored"] + value["totals"]["failed"] == len(ids)
    hits = sum(f["verdict"] == "hit" for c in value["calls"] for f in c["findings"])
    assert value["totals"]["hits"] == hits > 0


# -- pages


def test_pages_quote_mark_and_time_the_evidence(normal: tuple[Store, Path]) -> None:
    _, out = normal
    for lang, role in (("zh", "客服"), ("en", "Agent")):
        text = "".join(p.read_text(encoding="utf-8") for p in (out / lang / "agents").iterdir())
        assert re.search(
            r'data-at="(\d+)" data-call="20251103-\d+" aria-label="[^"]+">(\d\d:\d\d)</a>\s*'
            rf'<span class="who">{role}</span><span class="text">我们会<mark>尽快</mark>联系商家，请您放心。</span>',
            text,
        )
    story = fixture_store.turns_of(fixture_store.STORIES["promise"])
    begins = fixture_store.evidence_of(story, "尽快")[0]["start_ms"]
    assert f'data-at="{begins - 2_000}"' in text


def test_a_page_links_only_into_its_report(normal: tuple[Store, Path]) -> None:
    _, out = normal
    known = set(contents(out))
    for path in pages(out):
        page = Page(path)
        for href in [*page.values("a", "href"), *page.values("a", "data-src")]:
            if href.startswith("#"):
                continue
            target = (path.parent / href.partition("#")[0]).resolve()
            assert target.relative_to(out.resolve()).as_posix() in known, (path, href)


def test_the_two_languages_lead_to_the_same_page(normal: tuple[Store, Path]) -> None:
    _, out = normal
    for path in pages(out / "zh"):
        other = next(a["href"] for t, a in Page(path).tags if t == "a" and "hreflang" in a)
        assert (path.parent / str(other)).resolve() == (out / "en" / path.relative_to(out / "zh")).resolve()


@pytest.mark.parametrize("kind", ["normal", "hostile"])
def test_pages_keep_their_content_policy(kind: str, request: pytest.FixtureRequest) -> None:
    got = request.getfixturevalue(kind)
    for path in pages(got if kind == "hostile" else got[1]):
        page = Page(path)
        (policy,) = [a["content"] or "" for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        for name in ("script", "style"):
            assert len(page.inside[name]) == sum(t == name for t, _ in page.tags) == 1
            digest = base64.b64encode(hashlib.sha256(page.inside[name][0].encode()).digest()).decode()
            assert f"{name}-src 'sha256-{digest}'" in policy
        assert not [t for t, _ in page.tags if t in ("img", "iframe", "object", "embed", "link", "base", "form")]
        assert not [(t, n) for t, a in page.tags for n in a if n.startswith("on") or n == "style"]


def test_hostile_text_is_shown_and_does_nothing(hostile: Path) -> None:
    everything = ""
    for path in pages(hostile):
        page = Page(path)
        everything += "".join(page.text)
        raw = path.read_text(encoding="utf-8")
        assert not HIDDEN.search(raw)
        for _, attributes in page.tags:
            for name in ("href", "src", "data-src"):
                value = attributes.get(name) or ""
                assert (
                    re.fullmatch(
                        r"(#|\.\./|agents/|providers/|rules/|calls/|calls\.html|index\.html|zh/|en/|data/)[\w./#-]*", value
                    )
                    or not value
                ), value
    for shown in ("<script>alert(1)</script>", "⟨U+202E⟩gnp.exe", "a⟨U+0000⟩b⟨U+001B⟩[31m", "{{ 7*7 }}{% raw %}", "' or 1=1 --"):
        assert shown in everything


def test_no_file_is_named_after_a_strangers_text(hostile: Path) -> None:
    fixed = {
        "index",
        "report",
        "report-zh",
        "report-en",
        "manifest",
        "report.schema",
        "agents",
        "calls",
        "findings",
        "providers",
        "rules",
        "failures",
    }
    for name in contents(hostile):
        assert Path(name).stem in fixed or re.fullmatch(r"(agent|provider|call|rule|rec)-[0-9a-f]{16}", Path(name).stem), name


def test_a_page_that_quotes_only_some_calls_says_how_many_more(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    write_report(store, tmp_path / "out", ReportOptions(langs=("en",), formats=("html",), calls_per_agent=1))
    text = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "out" / "en" / "agents").iterdir())
    assert re.search(r"This page quotes the 1 calls with the lowest scores; \d more calls have findings", text)


def test_visible_text_and_safe_names() -> None:
    assert visible("a\tb\nc") == "a b c"
    assert visible("\u202ea\u2066\x1b\ufeff\U000e0041") == "⟨U+202E⟩a⟨U+2066⟩⟨U+001B⟩⟨U+FEFF⟩⟨U+E0041⟩"
    assert visible("家👨‍👩‍👧 é") == "家👨‍👩‍👧 é"
    assert safe_name("agent", "../x") != safe_name("agent", "../y")
    assert re.fullmatch(r"agent-[0-9a-f]{16}", safe_name("agent", "\ud800"))
    spelled = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and visible(chr(c)).startswith("⟨U+")]
    assert len(spelled) > 180
    assert not [c for c in spelled if c.isprintable()]  # the quick way out loses none


# -- recordings


def test_recordings_are_copied_once_under_their_digest(normal: tuple[Store, Path]) -> None:
    store, out = normal
    by_digest = {hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in (out / "audio").iterdir()}
    assert {p.stem for p in (out / "audio").iterdir()} == {f"rec-{d}" for d in by_digest}
    known = {d[:16] for d in store.read("transcripts", ["audio_sha256"])["audio_sha256"].to_pylist() if d}
    assert by_digest == known


def test_recordings_that_browsers_do_not_play_are_converted(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path, audio=True)
    rows = store.read("transcripts").to_pylist()
    store.append("transcripts", [{**r, "codec": "pcm_alaw"} for r in rows if r["codec"]])
    done = write_report(store, tmp_path / "out", ReportOptions(formats=("html",)))
    audio = [tmp_path / "out" / f for f in done.files if f.startswith("audio/")]
    assert audio and {p.suffix for p in audio} == {".mp3"}
    assert all(p.read_bytes()[:3] == b"ID3" or p.read_bytes()[0] == 0xFF for p in audio)
    assert done.audio_problems == 0


def test_links_are_relative_and_cannot_break_out(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path, audio=True)
    rows = [r for r in store.read("calls").to_pylist() if r["path"]]
    evil = tmp_path / "recordings" / 'a"><script>#?%41.wav'
    shutil.copyfile(rows[0]["path"], evil)
    store.append("calls", [{**rows[0], "path": str(evil)}])
    done = write_report(store, tmp_path / "out", ReportOptions(formats=("html",), audio="link"))
    assert not [f for f in done.files if f.startswith("audio/")]
    links = {h for p in pages(tmp_path / "out") for h in Page(p).values("a", "data-src")}
    assert "../../../recordings/a%22%3E%3Cscript%3E%23%3F%2541.wav" in links
    assert all(re.fullmatch(r"\.\./\.\./\.\./recordings/[\w./%-]+", h) for h in links)


@pytest.mark.parametrize(
    ("mode", "change", "says"),
    [
        ("none", {}, "made without recordings"),
        ("copy", {"path": None}, "an imported transcript, or a listed file"),
        ("copy", {"path": "/nowhere/gone.wav"}, "no longer where it was"),
        ("copy", {"path": "http://example.com/a.wav"}, "no longer where it was"),
        ("link", {"codec": "gsm"}, "browsers do not play this codec"),
        ("copy", {"codec": "gsm", "bytes": b"not a recording at all"}, "could not be read or converted"),
    ],
)
def test_a_recording_that_cannot_be_had_is_explained(tmp_path: Path, mode: str, change: dict[str, Any], says: str) -> None:
    store = fixture_store.normal(tmp_path, audio=True)
    calls = [r for r in store.read("calls").to_pylist() if r["path"]]
    if "path" in change:
        store.append("calls", [{**r, "path": change["path"]} for r in calls])
    if "codec" in change:
        ids = {r["call_id"] for r in calls}
        rows = [r for r in store.read("transcripts").to_pylist() if r["call_id"] in ids]
        store.append("transcripts", [{**r, "codec": change["codec"]} for r in rows])
    if "bytes" in change:
        for r in calls:
            Path(r["path"]).write_bytes(change["bytes"])
    done = write_report(store, tmp_path / "out", ReportOptions(langs=("en",), formats=("html",), audio=mode))
    text = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "out" / "en" / "agents").iterdir())
    assert text.count(says) == len(calls)
    assert 'class="play"' not in text
    assert done.audio_problems == (0 if mode == "none" else len(calls))


def test_auto_links_when_there_are_many_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fixture_store.normal(tmp_path, audio=True)
    monkeypatch.setattr(sounds_module, "COPY_UP_TO_CALLS", 3)
    done = write_report(store, tmp_path / "out", ReportOptions(formats=("html",)))
    assert not [f for f in done.files if f.startswith("audio/")]


# -- spreadsheets and data


def sheets(path: Path) -> dict[str, Any]:
    return {s.title: s for s in openpyxl.load_workbook(path).worksheets}


def test_the_workbook_is_laid_out_for_people(normal: tuple[Store, Path]) -> None:
    for lang, names in (
        ("zh", ["汇总", "服务商", "坐席", "通话", "命中与未定", "规则", "失败"]),
        ("en", ["Summary", "Providers", "Agents", "Calls", "Findings", "Rules", "Failures"]),
    ):
        book = sheets(normal[1] / "data" / f"report-{lang}.xlsx")
        assert list(book) == names
        for name in names[1:]:
            sheet = book[name]
            assert sheet.freeze_panes == "B2"
            assert sheet.auto_filter.ref == sheet.dimensions
            assert all(8 <= sheet.column_dimensions[c.column_letter].width <= 70 for c in sheet[1])
        assert book[names[3]].max_row == 31
        assert book[names[4]].conditional_formatting


def test_the_workbook_and_the_json_say_the_same(normal: tuple[Store, Path]) -> None:
    value = json.loads((normal[1] / "data" / "report.json").read_text(encoding="utf-8"))
    sheet = sheets(normal[1] / "data" / "report-en.xlsx")["Calls"]
    head = [c.value for c in sheet[1]]
    rows = [dict(zip(head, (c.value for c in row), strict=True)) for row in sheet.iter_rows(min_row=2)]
    for row, call in zip(rows, value["calls"], strict=True):
        assert (row["Call id"], row["Worst score"], row["Best score"]) == (call["call_id"], call["worst"], call["best"])
        assert row["Status"] == ("scored" if call["status"] == "ok" else "failed")
        assert row["Started"].isoformat() == call["started_at"][:19]
        assert row["Duration"] is None or round(_seconds(row["Duration"]) * 1000) == call["duration_ms"]
    formats = [sheet.cell(2, head.index(name) + 1).number_format for name in ("Started", "Duration")]
    assert formats == ["d mmm yyyy, hh:mm", "[>=0.0416666666]h:mm:ss;mm:ss"]


def _seconds(value: datetime.time | datetime.timedelta | float) -> float:
    if isinstance(value, datetime.time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return value.total_seconds() if isinstance(value, datetime.timedelta) else value * 86_400


@pytest.mark.parametrize("kind", ["normal", "hostile"])
def test_no_cell_of_a_workbook_is_a_formula(kind: str, request: pytest.FixtureRequest) -> None:
    got = request.getfixturevalue(kind)
    for lang in ("zh", "en"):
        for sheet in sheets((got if kind == "hostile" else got[1]) / "data" / f"report-{lang}.xlsx").values():
            for cell in (c for row in sheet.iter_rows() for c in row):
                assert cell.data_type in ("s", "n", "d"), cell.value
                if cell.hyperlink is not None:
                    assert cell.column == 1
                    assert re.fullmatch(rf"\.\./{lang}/calls/call-[0-9a-f]{{16}}\.html", cell.hyperlink.target.replace("\\", "/"))
                assert not (isinstance(cell.value, str) and HIDDEN.search(cell.value))


def test_no_cell_of_a_csv_is_a_formula(hostile: Path) -> None:
    seen = 0
    for path in sorted((hostile / "data").glob("*.csv")):
        raw = path.read_bytes()
        assert raw.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
        assert len({len(r) for r in rows}) == 1
        for cell in (c for row in rows[1:] for c in row):
            assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
            assert not cell.startswith("-") or float(cell) < 0
            assert not HIDDEN.search(cell)
            seen += cell.startswith("'=")
    assert seen


def test_csv_headers_are_the_same_in_every_report(normal: tuple[Store, Path]) -> None:
    head = (normal[1] / "data" / "calls.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert head == (
        "call_id,provider,agent,agent_id,file,started_at,duration_ms,coverage,status,reason,worst,best,fatal,hits,undecided,warnings"
    )


def test_the_json_keeps_text_exactly_and_tells_no_paths(normal: tuple[Store, Path], hostile: Path) -> None:
    value = json.loads((hostile / "data" / "report.json").read_text(encoding="utf-8"))
    assert {c["agent_name"] for c in value["calls"]} >= {e.strip() for e in fixture_store.EVIL}
    for out in (normal[1], hostile):
        assert "/nowhere" not in (out / "data" / "report.json").read_text(encoding="utf-8")
        assert str(out.parent) not in (out / "data" / "report.json").read_text(encoding="utf-8")


def test_a_workbook_longer_than_a_sheet_says_so(
    normal: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("qc.report.xlsx.MOST_ROWS", 10)
    write_report(normal[0], tmp_path / "out", ReportOptions(langs=("en",), formats=("xlsx",)))
    sheet = sheets(tmp_path / "out" / "data" / "report-en.xlsx")["Calls"]
    assert sheet.max_row == 12
    assert "the first 10 are here" in sheet.cell(12, 1).value


def test_calls_in_the_workbook_lead_to_their_pages(normal: tuple[Store, Path]) -> None:
    _, out = normal
    for lang in ("zh", "en"):
        seen = 0
        for sheet in sheets(out / "data" / f"report-{lang}.xlsx").values():
            for cell in (c for row in sheet.iter_rows() for c in row if c.hyperlink is not None):
                page = (out / "data" / cell.hyperlink.target.replace("\\", "/")).resolve()
                assert f"<h1>{cell.value}</h1>" in page.read_text(encoding="utf-8")
                seen += 1
        assert seen >= 13


def test_a_file_per_agent_has_nothing_of_anyone_else(tmp_path: Path) -> None:
    store = fixture_store.normal(tmp_path)
    options = ReportOptions(langs=("zh",), formats=("xlsx",), per_agent=True)
    write_report(store, tmp_path / "out", options)
    files = sorted((tmp_path / "out" / "data" / "agents").glob("*.xlsx"))
    people = {n: i for agents in fixture_store.AGENTS.values() for i, n in agents}
    assert len(files) == 9
    seen = set()
    for path in files:
        text = "\n".join(str(c.value) for s in sheets(path).values() for row in s.iter_rows() for c in row if c.value is not None)
        named = {n for n in people if n in text}
        assert len(named) <= 1, (path, named)
        seen |= named
        book = sheets(path)
        assert book["坐席"].max_row == 2
    assert seen == set(people)


def test_an_agents_page_says_what_to_talk_about_and_a_better_line(normal: tuple[Store, Path]) -> None:
    _, out = normal
    texts = [p.read_text(encoding="utf-8") for p in (out / "zh" / "agents").iterdir()]
    coached = [t for t in texts if "最该改进的地方" in t]
    assert coached and all("可以这样说：</b> “好的”" in t for t in coached)
    assert sum("值得表扬的地方" in t for t in texts) == 1
