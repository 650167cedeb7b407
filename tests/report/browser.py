"""Chromium driven over its own protocol (DevTools, by a pipe), with the standard library alone: no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_TIMEOUT_S = 120.0


def _chromium() -> str | None:
    return next((found for n in ("chromium", "google-chrome", "chromium-browser") if (found := shutil.which(n))), None)


def missing() -> str:
    """Why no browser can be driven here, or nothing."""
    return "" if _chromium() and os.name == "posix" else "chromium is not installed"


class Browser:
    """One headless window. `size`: (width, height) in CSS pixels. Use as a context manager."""

    def __init__(self, size: tuple[int, int] = (1280, 900), *, dark: bool = False, lang: str = "en-US") -> None:
        self._home = tempfile.TemporaryDirectory(prefix="qc-browser-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        arguments = [
            *(
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ),
            *("--autoplay-policy=no-user-gesture-required", "--mute-audio", "--remote-debugging-pipe"),
            *(
                f"--accept-lang={lang}",
                f"--lang={lang}",
                f"--window-size={size[0]},{size[1]}",
                f"--user-data-dir={self._home.name}",
            ),
        ]
        places = f"import os, sys; os.dup2({theirs_in}, 100); os.dup2({theirs_out}, 101); os.dup2(100, 3); os.dup2(101, 4)"
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"{places}; os.execv(sys.argv[1], sys.argv[1:])",
                _chromium() or "",
                *arguments,
                "about:blank",
            ],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self.devtools("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self.devtools("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.devtools(f"{domain}.enable", {})
        self.look(size, dark=dark)

    def look(self, size: tuple[int, int], *, dark: bool) -> None:
        """Make the window so large, in the light or in the dark; below 600 pixels it is a telephone's."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def devtools(self, command: str, parameters: Any) -> Any:
        """A command of the DevTools protocol; its result."""
        self._last += 1
        message = {"id": self._last, "method": command, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _TIMEOUT_S
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{command}: {answer['error']}")
                return answer["result"]
            self._events.append(answer)

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(until - time.monotonic(), 0))[0]:
                raise RuntimeError("the browser does not answer")
            block = os.read(self._in, 1 << 20)
            if not block:
                raise RuntimeError("the browser ended")
            self._buffer += block
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path | str) -> None:
        """Open a file, as a reader does by a double click, or an address, and wait until it is loaded."""
        self._events = [e for e in self._events if e.get("method") != "Page.loadEventFired"]
        self.devtools("Page.navigate", {"url": page if isinstance(page, str) else page.resolve().as_uri()})
        until = time.monotonic() + _TIMEOUT_S
        while not any(e.get("method") == "Page.loadEventFired" for e in self._events):
            self._events.append(self._receive(until))

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a function body in the page; what it returns."""
        return self.evaluate(f"(function () {{ {script}\n }}).apply(null, {json.dumps(arguments)})")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.devtools("Runtime.evaluate", asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:2_000])
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> Any:
        """Wait until the script returns something true; what it returned last."""
        until = time.monotonic() + seconds
        while not (value := self.run(script)) and time.monotonic() < until:
            time.sleep(0.05)
        return value

    def complaints(self) -> list[str]:
        """What the console says since it was asked last: errors, refused loads, broken policies."""
        self.run("return 0")  # events that are on their way come before the answer
        said = [
            e
            for e in self._events
            if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        ]
        self._events = []
        return [json.dumps(e["params"], ensure_ascii=False)[:500] for e in said]

    def faults(self, axe: str) -> list[Any]:
        """What axe-core (its source) finds on the page: (impact, rule, pieces of the page) of each serious fault."""
        self.evaluate(f"{axe}; 0")
        self.evaluate("axe.run(document).then((r) => { window.found = r; return 0; })")
        assert self.run("return window.found.passes.length") > 8
        found = self.run(
            "return window.found.violations.map((v) => [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])"
        )
        return [v for v in found if v[0] in ("serious", "critical")]

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        shot = self.devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shot["data"]))

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._session = None
            self.devtools("Browser.close", {})
        except (RuntimeError, OSError):
            self._process.terminate()
        finally:
            self._process.wait(timeout=60)
            os.close(self._in)
            os.close(self._out)
            self._home.cleanup()
