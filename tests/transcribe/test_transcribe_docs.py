"""The documentation lists every word that a row may carry, and every name that a column goes by."""

from __future__ import annotations

import re
from pathlib import Path

from qc.calls.columns import NAMES
from qc.transcribe import reasons
from qc.transcribe.importing import SPEAKERS
from qc.transcribe.imports import FORMATS
from qc.transcribe.imports.lines import NAMES as LINE_NAMES

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_every_reason_warning_and_flag_is_explained_in_the_codes_words() -> None:
    text = page("transcribe.md")
    for words in (reasons.REASONS, reasons.WARNINGS, reasons.WHY_NOT_HEARD):
        for word, meaning in words.items():
            assert f"| `{word}` | {meaning} |" in text, word


def test_every_column_name_is_listed() -> None:
    for names, text in ((NAMES, page("transcribe.md")), (LINE_NAMES, page("import.md"))):
        for field, known in names.items():
            assert f"| `{field}` | {' · '.join(known)} |" in text, field


def test_every_import_format_and_speaker_is_listed() -> None:
    text = page("import.md")
    assert all(f"| `{name}` |" in text for name in FORMATS)
    assert all(name in text for name in SPEAKERS)


def test_every_reason_that_the_code_gives_is_known() -> None:
    given = set()
    for folder in ("audio", "transcribe"):
        for path in (ROOT / "qc" / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            for call in re.finditer(r"(?:AudioError|CallError)\((?:[^()]|\([^()]*\))*?code=\"(\w+)\"", source):
                given.add(call[1])
    assert given == set(reasons.REASONS)
