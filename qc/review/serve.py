"""The review page served on this machine alone: every answer is stored at once, with who and when.

Whoever can reach the port could answer in a reviewer's name, so that four things must fit before anything is given or taken:
the connection is to the loopback address, the `Host` is ours (a name that an attacker lets point to 127.0.0.1 is not), no
other page is behind the request (`Origin`, `Sec-Fetch-Site`), and the path begins with a random token that only the terminal
was shown. Answers are JSON of a bounded size from our own page. Nothing of the disk is served but the recordings of the plan,
by names that are looked up, never joined to a path.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import tempfile
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qc.errors import QcError, UsageError
from qc.review.page import PageOptions, served_review
from qc.review.take import Plan
from qc.store import Store

ADDRESS = "127.0.0.1"
MOST_BYTES = 16 << 10
"""An answer's size."""
WAIT_S = 20
"""How long a connection may be silent."""
_BLOCK = 256 << 10
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_FIELDS = ("call_id", "rule", "answer", "note", "reviewer", "shown")


class ReviewServer(ThreadingHTTPServer):
    """The server of one plan. `url` is the address to open; `saved` counts answers. Close it when done.

    Raises UsageError where nothing was drawn, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, store: Store, plan: Sequence[Mapping[str, Any]], options: PageOptions, port: int = 0) -> None:
        if not plan:
            raise UsageError("nothing was drawn to be judged", where=str(store.path), hint="run qc review draw first")
        self.store, self.plan = store, Plan.of(store)
        self.pages, self.sounds = served_review(store, plan, options)
        self.token = secrets.token_urlsafe(24)
        self.saved = 0
        self.folder = tempfile.TemporaryDirectory(prefix="qc-review-")
        self.lock = threading.Lock()
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            self.folder.cleanup()
            raise UsageError(
                f"cannot listen on port {port}: {getattr(error, 'strerror', None) or error}",
                where="--port",
                hint="choose another, or 0 for any that is free",
            ) from error
        self.hosts = tuple(f"{name}:{self.server_address[1]}" for name in (ADDRESS, "localhost"))

    @property
    def url(self) -> str:
        """Where the page is, its token with it."""
        return f"http://{self.hosts[0]}/{self.token}/index.html"

    def server_close(self) -> None:
        """Free the port and remove the recordings that were made."""
        super().server_close()
        self.folder.cleanup()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes a connection is no error to tell."""

    def sound(self, name: str) -> Path | None:
        """The file of a recording of the plan, made when it is first asked for; None where there is none or it cannot be read."""
        whole = self.sounds.get(name)
        if whole is None:
            return None
        folder = Path(self.folder.name)
        with self.lock:
            if not (folder / name).is_file():
                try:
                    whole.make(folder)
                except (OSError, QcError):
                    return None
        return folder / name if (folder / name).is_file() else None

    def take(self, given: Mapping[str, Any]) -> None:
        """Store an answer. Raises ValueError, saying what is wrong with it; StoreError where it cannot be written."""
        if not all(isinstance(given.get(name, ""), str) for name in _FIELDS) or set(given) - set(_FIELDS):
            raise ValueError(f"an answer is made of the texts {', '.join(_FIELDS)}")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        row = self.plan.row({name: given.get(name, "") for name in _FIELDS}, given.get("reviewer", "").strip(), now)
        self.store.append("reviews", [row])
        with self.lock:
            self.saved += 1

    def answers(self, reviewer: str) -> list[dict[str, str]]:
        """What a reviewer answered so far, by call and rule: nobody sees the others' answers here."""
        rows = self.store.read("reviews").to_pylist()
        mine = [r for r in rows if r["reviewer"] == reviewer and (r["call_id"], r["rule"]) in self.plan.packs]
        return [{name: r[name] or "" for name in ("call_id", "rule", "answer", "note")} for r in mine]


class _Handler(BaseHTTPRequestHandler):
    """One connection. What does not fit gets a status and one line, and learns nothing else."""

    protocol_version = "HTTP/1.1"
    server_version = "qc"
    sys_version = ""
    timeout = WAIT_S
    server: ReviewServer

    def do_GET(self) -> None:
        """A page, a recording, or a reviewer's own answers."""
        name = self._asked(("same-origin", "none"))
        if name is None:
            return
        path = urlsplit(name).path
        if path in self.server.pages:
            self._say(200, self.server.pages[path], "text/html; charset=utf-8")
        elif path == "answers":
            reviewer = parse_qs(urlsplit(name).query).get("reviewer", [""])[0]
            self._json(200, {"answers": self.server.answers(reviewer)})
        elif (file := self.server.sound(path)) is not None:
            self._play(file)
        else:
            self._json(404, {"error": "there is nothing here"})

    def do_HEAD(self) -> None:
        """The same without its body."""
        self.do_GET()

    def do_POST(self) -> None:
        """An answer."""
        name = self._asked(("same-origin",))
        if name is None:
            return
        length = self.headers.get("Content-Length", "")
        if name != "answer":
            self._json(404, {"error": "there is nothing here"})
        elif self.headers.get("Origin") is None:
            self._json(403, {"error": "only the page itself may answer"})
        elif self.headers.get_content_type() != "application/json":
            self._json(415, {"error": "an answer is JSON"})
        elif not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._json(411, {"error": "an answer says how long it is"})
        elif len(length) > 9 or int(length) > MOST_BYTES:
            self._json(413, {"error": f"an answer has at most {MOST_BYTES:,} bytes"})
        else:
            self._take(self.rfile.read(int(length)))

    def _take(self, data: bytes) -> None:
        try:
            given = json.loads(data)
            if not isinstance(given, dict):
                raise ValueError("an answer is a JSON object")
            self.server.take(given)
        except (ValueError, RecursionError) as error:
            self._json(400, {"error": str(error)[:300]})
        except QcError as error:
            self._json(500, {"error": error.message})
        else:
            self._json(200, {"saved": True})

    def _asked(self, sites: tuple[str, ...]) -> str | None:
        """What is asked for, after the token; None where the request is refused, and was told so."""
        hosts, origins = self.headers.get_all("Host") or [], self.headers.get_all("Origin") or []
        foreign = set(origins) - {f"http://{host}" for host in self.server.hosts}
        token, _, name = self.path.removeprefix("/").partition("/")
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            self._json(421, {"error": "this is not the host that was asked for"})
        elif foreign or self.headers.get("Sec-Fetch-Site", sites[0]) not in sites:
            self._json(403, {"error": "another site may not ask"})
        elif not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            self._json(404, {"error": "there is nothing here"})
        else:
            return name
        return None

    def _play(self, file: Path) -> None:
        """A recording, or the part of it that was asked for."""
        size = file.stat().st_size
        first, last, status = 0, size - 1, 200
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match and (match[1] or match[2]):
            status = 206
            if match[1]:
                first, last = int(match[1]), min(int(match[2] or last), last)
            else:
                first = max(size - int(match[2]), 0)
            if first > last:
                self._say(416, b"", "audio/mpeg", {"Content-Range": f"bytes */{size}"})
                return
        more = {"Content-Range": f"bytes {first}-{last}/{size}"} if status == 206 else {}
        self._head(status, "audio/mpeg", last - first + 1, {**more, "Accept-Ranges": "bytes"})
        if self.command == "HEAD":
            return
        with file.open("rb") as data:
            data.seek(first)
            left = last - first + 1
            while left > 0 and (block := data.read(min(left, _BLOCK))):
                self.wfile.write(block)
                left -= len(block)

    def _json(self, status: int, value: Any) -> None:
        if status >= 400:
            self.close_connection = True  # what else was sent is not read
        self._say(status, json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=utf-8")

    def _say(self, status: int, data: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self._head(status, kind, len(data), more or {})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: int, kind: str, length: int, more: Mapping[str, str]) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": kind,
            "Content-Length": str(length),
            "Cache-Control": "no-store",
            "Content-Security-Policy": "frame-ancestors 'none'",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            **({"Connection": "close"} if self.close_connection else {}),
        }
        for name, value in {**fixed, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the token would be in it."""
