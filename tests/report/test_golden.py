"""The empty, the normal, the redacted and the hostile report, byte by byte. `UPDATE_GOLDEN=1 pytest tests/report/test_golden.py` writes them anew.

Of pages the style, the script and what is inside charts are left out (they have tests of their own), of everything the
pack's digest and the version.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import fixture_store
import pytest

from qc.report import ReportOptions, write_report
from qc.version import VERSION

GOLDEN = Path(__file__).parent.parent / "golden" / "report"
STORES = {
    "normal": (fixture_store.normal, ReportOptions()),
    "redacted": (fixture_store.personal, ReportOptions(redact=True)),
    "empty": (fixture_store.empty, ReportOptions()),
    "hostile": (fixture_store.hostile, ReportOptions()),
}


def plain(text: str) -> str:
    """A report's file without what may change though the report does not."""
    text = re.sub(r"(?s)<(style|script)>.*?</\1>", r"<\1></\1>", text)
    text = re.sub(r'(?s)(<svg class="chart"[^>]*>).*?</svg>', r"\1</svg>", text)
    text = re.sub(r"&#39;sha256-[A-Za-z0-9+/=]+&#39;", "&#39;sha256-…&#39;", text)
    digest = fixture_store.pack().sha256
    return (
        text.replace(digest, "<digest>")
        .replace(digest[:16], "<digest>")
        .replace(f"qc {VERSION}", "qc <version>")
        .replace(f'"tool_version": "{VERSION}"', '"tool_version": "<version>"')
    )


@pytest.mark.parametrize("kind", STORES)
def test_the_report_is_the_golden_one(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make, options = STORES[kind]
    write_report(make(tmp_path), out, options)
    agents = sorted((out / "zh" / "agents").glob("*.html"), key=lambda p: (-p.stat().st_size, p.name))[:1]
    made = {f"{lang}-index.html": out / lang / "index.html" for lang in ("zh", "en")}
    made |= {f"{lang}-agent.html": out / lang / "agents" / a.name for a in agents for lang in ("zh", "en")}
    providers = sorted((out / "zh" / "providers").glob("*.html"))[:1]
    made |= {f"{lang}-provider.html": out / lang / "providers" / p.name for p in providers for lang in ("zh", "en")}
    for page in ("calls", "rules"):
        largest = sorted((out / "zh" / page).glob("*.html"), key=lambda p: (-p.stat().st_size, p.name))[:1]
        made |= {f"{lang}-{page[:-1]}.html": out / lang / page / p.name for p in largest for lang in ("zh", "en")}
    made |= {f"{lang}-calls.html": out / lang / "calls.html" for lang in ("zh", "en")}
    made |= {f: out / "data" / f for f in ("report.json", "agents.csv", "calls.csv", "findings.csv", "failures.csv")}
    folder = GOLDEN / kind
    for name, path in sorted(made.items()):
        text = plain(path.read_bytes().decode("utf-8"))
        if os.environ.get("UPDATE_GOLDEN"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
        assert text == (folder / name).read_bytes().decode("utf-8"), f"{kind}/{name} changed; if it should, UPDATE_GOLDEN=1"
    assert {p.name for p in folder.iterdir()} == set(made)
