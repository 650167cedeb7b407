"""`qc review serve`: what a browser on this machine may do, what everybody else may not, and that answers are stored at once."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "report"))

import browser
import fixture_store

from qc.errors import UsageError
from qc.packs import Manual
from qc.packs.flatten import save
from qc.review.draw import DrawOptions, draw_reviews, keep_plan
from qc.review.page import PageOptions
from qc.review.serve import MOST_BYTES, ReviewServer
from qc.score import score
from qc.store import Store

SOLVED = Manual(
    "need-met",
    {"zh": "解决了问题", "en": "Need met"},
    {"zh": "顾客要办的事办成了吗？", "en": "Was the need met?"},
    "certainty",
    -10,
    on_no=True,
    may_not_apply=True,
)


def with_manual(folder: Path) -> Store:
    """The normal store, its calls scanned with a pack that has a manual item, twelve calls drawn."""
    store = fixture_store.normal(folder, audio=True)
    pack = dataclasses.replace(fixture_store.pack(), manual=(SOLVED,))
    save(store, pack)
    store.replace("findings", [{**row, "pack_sha256": pack.sha256} for row in store.read("findings").to_pylist()])
    score(store)
    keep_plan(store, draw_reviews(store, DrawOptions(per_rule=4, seed=2, rules=("promise-without-time", "need-met"))))
    return store


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewServer]:
    store = with_manual(tmp_path_factory.mktemp("serve"))
    made = ReviewServer(store, store.read("review_plan").to_pylist(), PageOptions(evidence=True))
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def ask(server: ReviewServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a request with the token before the path (unless it begins with /)."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    path = path if path.startswith("/") else f"/{server.token}/{path}"
    connection.request(method, path, body=data, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    out = (reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    connection.close()
    return out


def own(server: ReviewServer) -> dict[str, str]:
    """Headers of our own page's requests."""
    return {"Origin": f"http://{server.hosts[0]}", "Content_Type": "application/json", "Sec_Fetch_Site": "same-origin"}


def item(server: ReviewServer, rule: str = "promise-without-time", n: int = 0) -> dict[str, str]:
    rows = [r for r in server.store.read("review_plan").to_pylist() if r["rule"] == rule]
    return {"call_id": rows[n]["call_id"], "rule": rule, "answer": "hit", "note": "", "reviewer": "王芳", "shown": ""}


def stored(server: ReviewServer) -> list[dict[str, Any]]:
    return server.store.read("reviews").to_pylist()


# -- what it is for


def test_it_listens_on_the_loopback_address_alone_with_a_token_nobody_can_guess(server: ReviewServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_address[1]}/{server.token}/index.html"
    assert len(server.token) >= 32


def test_the_pages_are_there_in_both_languages_and_nobody_keeps_or_frames_them(server: ReviewServer) -> None:
    for name, text in (("zh/index.html", "顾客要办的事办成了吗？"), ("en/index.html", "Was the need met?")):
        status, headers, body = ask(server, "GET", name)
        assert status == 200 and text in body.decode()
        assert b"connect-src &#39;self&#39;" in body
        assert (headers["cache-control"], headers["x-frame-options"], headers["referrer-policy"]) == (
            "no-store",
            "DENY",
            "no-referrer",
        )
        assert headers["x-content-type-options"] == "nosniff" and server.token not in str(headers)
    assert ask(server, "GET", "index.html")[0] == 200
    status, headers, body = ask(server, "HEAD", "zh/index.html")
    assert (status, body) == (200, b"") and int(headers["content-length"]) > 1000


def test_an_answer_is_stored_at_once_with_who_and_when_and_the_findings_stay(server: ReviewServer) -> None:
    before = server.store.read("findings")
    given = item(server) | {"answer": "miss", "note": "说了三小时", "shown": "true"}
    assert ask(server, "POST", "answer", given, **own(server))[0] == 200
    (row,) = [r for r in stored(server) if (r["call_id"], r["rule"]) == (given["call_id"], given["rule"])]
    assert (row["answer"], row["note"], row["reviewer"], row["shown"]) == ("miss", "说了三小时", "王芳", True)
    assert row["at"].endswith("Z") and len(row["at"]) == 20
    assert server.store.read("findings") == before


def test_a_change_is_one_more_row_and_two_reviewers_are_both_kept(server: ReviewServer) -> None:
    given = item(server, n=1)
    parts = len(server.store.parts("reviews"))
    for answer, who in (("hit", "李"), ("cannot_tell", "李"), ("miss", "赵")):
        assert ask(server, "POST", "answer", given | {"answer": answer, "reviewer": who}, **own(server))[0] == 200
    assert len(server.store.parts("reviews")) == parts + 3
    said = {r["reviewer"]: r["answer"] for r in stored(server) if r["call_id"] == given["call_id"] and r["rule"] == given["rule"]}
    assert said == {"李": "cannot_tell", "赵": "miss"}
    answers = json.loads(ask(server, "GET", "answers?reviewer=%E6%9D%8E")[2])["answers"]
    assert [a["answer"] for a in answers] == ["cannot_tell"]


def test_manual_items_take_yes_no_and_does_not_apply_and_rules_do_not(server: ReviewServer) -> None:
    given = item(server, "need-met")
    for answer, kept in (("no", "hit"), ("是", "miss"), ("not_applicable", "not_applicable")):
        assert ask(server, "POST", "answer", given | {"answer": answer}, **own(server))[0] == 200
        assert [r["answer"] for r in stored(server) if r["rule"] == "need-met"] == [kept]
    status, _, body = ask(server, "POST", "answer", item(server) | {"answer": "not_applicable"}, **own(server))
    assert status == 400 and "no such answer" in json.loads(body)["error"]


def test_a_recording_is_played_from_any_place(server: ReviewServer) -> None:
    name = sorted(server.sounds)[0]
    status, headers, whole = ask(server, "GET", name)
    assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "audio/mpeg", "bytes")
    assert len(whole) > 1000
    for asked, first, last in (
        ("bytes=0-99", 0, 99),
        ("bytes=500-", 500, len(whole) - 1),
        ("bytes=-50", len(whole) - 50, len(whole) - 1),
    ):
        status, headers, body = ask(server, "GET", name, Range=asked)
        assert (status, body) == (206, whole[first : last + 1])
        assert headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    assert ask(server, "GET", name, Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(server, "GET", name, Range="bytes=nonsense")[2] == whole


# -- what others try


def test_a_name_that_an_attacker_lets_point_here_is_refused(server: ReviewServer) -> None:
    for host in ("evil.example", f"evil.example:{server.server_address[1]}", "127.0.0.1", "127.0.0.1:1", "[::1]:80", ""):
        status, _, body = ask(server, "GET", "zh/index.html", Host=host)
        assert status == 421 and b"Was the need" not in body


def test_two_hosts_in_one_request_are_refused(server: ReviewServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=20) as connection:
        host = server.hosts[0]
        connection.sendall(f"GET /{server.token}/index.html HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 421")


def test_without_the_token_there_is_nothing(server: ReviewServer) -> None:
    for path in (
        "/",
        "/index.html",
        "/zh/index.html",
        f"/{server.token[:-1]}/zh/index.html",
        f"/{server.token}x/zh/index.html",
        "/%00/x",
    ):
        status, _, body = ask(server, "GET", path)
        assert (status, json.loads(body)) == (404, {"error": "there is nothing here"})
    assert ask(server, "POST", "/answer", item(server), **own(server))[0] == 404


def test_another_site_can_neither_read_nor_answer(server: ReviewServer) -> None:
    before = stored(server)
    foreign = {"Origin": "http://evil.example", "Content_Type": "application/json"}
    other_port = {"Origin": "http://127.0.0.1:1", "Content_Type": "application/json"}
    nothing = {"Origin": "null", "Content_Type": "application/json"}
    for headers in (foreign, other_port, nothing, own(server) | {"Sec_Fetch_Site": "cross-site"}):
        assert ask(server, "POST", "answer", item(server, n=2), **headers)[0] == 403
        assert ask(server, "GET", "zh/index.html", **headers)[0] == 403
    assert ask(server, "GET", "zh/index.html", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(server, "POST", "answer", item(server, n=2), Content_Type="application/json")[0] == 403
    assert stored(server) == before


def test_a_form_of_another_page_is_no_answer(server: ReviewServer) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        assert ask(server, "POST", "answer", item(server, n=2), **own(server) | {"Content_Type": kind})[0] == 415


def test_no_preflight_is_answered(server: ReviewServer) -> None:
    status, headers, _ = ask(server, "OPTIONS", "answer", Origin="http://evil.example")
    assert status == 501 and not [h for h in headers if h.startswith("access-control")]


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "audio/../../../etc/passwd",
        "audio/%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd",
        "audio/clip-0.mp3",
        "audio",
    ],
)
def test_a_path_out_of_the_plan_finds_nothing(server: ReviewServer, name: str) -> None:
    status, _, body = ask(server, "GET", f"/{server.token}/{name}")
    assert status == 404 and b"root:" not in body


def test_an_answer_that_is_too_large_or_does_not_say_how_large_is_refused(server: ReviewServer) -> None:
    assert ask(server, "POST", "answer", b"x" * (MOST_BYTES + 1), **own(server))[0] == 413
    assert ask(server, "POST", "answer", b"", **own(server) | {"Content_Length": "0" * 40 + "9" * 9})[0] == 413
    assert ask(server, "POST", "answer", b"", **own(server) | {"Content_Length": "-1"})[0] == 411
    assert ask(server, "POST", "answer", b"0\r\n\r\n", **own(server) | {"Transfer_Encoding": "chunked"})[0] == 411


@pytest.mark.parametrize(
    "change",
    [
        {"call_id": "not-drawn"},
        {"rule": "rude-words"},
        {"answer": "perhaps"},
        {"reviewer": " "},
        {"note": 3},
        {"at": "2020"},
        {"answer": ["hit"]},
    ],
    ids=str,
)
def test_an_answer_to_what_was_not_asked_is_refused_and_stored_nowhere(server: ReviewServer, change: dict[str, Any]) -> None:
    before = stored(server)
    status, _, body = ask(server, "POST", "answer", item(server) | change, **own(server))
    assert status == 400 and json.loads(body)["error"]
    assert stored(server) == before


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b"{", b"\xff\xfe", b"[" * 9000], ids=lambda b: repr(b[:4]))
def test_what_is_no_json_object_is_refused(server: ReviewServer, body: bytes) -> None:
    assert ask(server, "POST", "answer", body, **own(server))[0] == 400


def test_a_note_is_bounded_and_stays_text(server: ReviewServer) -> None:
    given = item(server, n=-1) | {"note": "=1+1" + "长" * 2_500}
    assert ask(server, "POST", "answer", given, **own(server))[0] == 200
    (row,) = [r for r in stored(server) if (r["call_id"], r["rule"]) == (given["call_id"], given["rule"])]
    assert row["note"].startswith("=1+1") and len(row["note"]) == 2_000


# -- the verb, and the browser


def test_nothing_drawn_and_a_taken_port_are_clear_errors(server: ReviewServer) -> None:
    with pytest.raises(UsageError, match="nothing was drawn"):
        ReviewServer(server.store, [], PageOptions())
    plan = server.store.read("review_plan").to_pylist()
    with pytest.raises(UsageError, match="cannot listen on port"):
        ReviewServer(server.store, plan, PageOptions(), server.server_address[1])


@pytest.mark.skipif(os.name != "posix", reason="signals are sent otherwise elsewhere")
def test_the_verb_serves_until_ctrl_c_then_scores_anew(tmp_path: Path) -> None:
    store = with_manual(tmp_path)
    arguments = [sys.executable, "-m", "qc", "review", "serve", "--store", str(store.path), "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout
        text = ""
        while not text.rstrip().endswith("}"):
            text += child.stdout.readline()
        url = json.loads(text)["url"]
        host, token = url.split("/")[2:4]
        connection = http.client.HTTPConnection(host, timeout=20)
        plan = [r for r in store.read("review_plan").to_pylist() if r["rule"] == "need-met"]
        answer = {"call_id": plan[0]["call_id"], "rule": "need-met", "answer": "no", "reviewer": "王芳"}
        headers = {"Origin": f"http://{host}", "Content-Type": "application/json"}
        connection.request("POST", f"/{token}/answer", json.dumps(answer), headers)
        assert connection.getresponse().status == 200
        connection.close()
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
    (row,) = [r for r in store.read("scores").to_pylist() if r["call_id"] == plan[0]["call_id"]]
    assert [(i["verdict"], i["worst"]) for i in row["items"] if i["rule"] == "need-met"] == [("hit", -10)]


@pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is a browser")
@pytest.mark.parametrize(("lang", "yes", "saved"), [("zh", "是", "已保存"), ("en", "Yes", "saved")])
def test_in_the_browser_by_the_keyboard(server: ReviewServer, lang: str, yes: str, saved: str) -> None:
    name = "zh-CN" if lang == "zh" else "en"
    with browser.Browser((400, 800), lang="zh-CN" if lang == "zh" else "en-US") as window:
        window.open(server.url.replace("index.html", f"{lang}/index.html"))
        text = window.evaluate("""(async () => {
            const wait = async (done) => { for (let i = 0; i < 200 && !done(); i++) await new Promise((r) => setTimeout(r, 50)); };
            const name = document.getElementById('reviewer');
            const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
            name.value = document.documentElement.lang;
            name.dispatchEvent(new Event('input'));
            const items = [...document.querySelectorAll('article.judge')];
            const find = (rule) => items.findIndex((i) => i.dataset.rule === rule);
            const [first, manual] = [find('promise-without-time'), find('need-met')];
            for (let i = 0; i <= first; i++) press('j');
            press('e'); press('n');
            await wait(() => items[first].classList.contains('saved'));
            for (let i = 0; i < Math.abs(manual - first); i++) press(manual > first ? 'j' : 'k');
            press('y');
            await wait(() => items[manual].classList.contains('saved'));
            document.querySelectorAll('article.judge a.play')[0].click();
            const audio = document.querySelector('#player audio');
            await wait(() => audio.readyState > 0);
            const radio = items[manual].querySelector('input:checked');
            return JSON.stringify({
                state: items[first].querySelector('.state').textContent, label: radio.parentElement.textContent.trim(),
                heard: audio.duration > 1, done: document.getElementById('done').textContent,
                wide: document.documentElement.scrollWidth, lang: document.documentElement.lang,
            });
        })()""")
        found = json.loads(text)
        assert window.complaints() == []
    assert (found["state"], found["label"], found["heard"], found["wide"]) == (saved, yes, True, 400)
    assert "2" in found["done"] and found["lang"].startswith(lang)
    mine = {r["rule"]: (r["answer"], r["shown"]) for r in stored(server) if r["reviewer"] == name}
    assert mine == {"need-met": ("miss", False), "promise-without-time": ("miss", True)}
