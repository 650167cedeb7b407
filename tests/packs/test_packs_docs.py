"""docs/packs.md says what the code does: every check, key and verb is on it, and its example loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qc.changes.suggest import HOW
from qc.cli import rules_change, rules_compare, rules_convert, rules_excel, rules_propose, rules_seal, rules_words
from qc.packs import load_pack
from qc.packs.excel.layout import SHEETS
from qc.packs.extend import CHANGE_KEYS, EXTEND_KEYS, INHERITED
from qc.packs.importers import FORMATS
from qc.packs.seal import MAX_SEALED_BYTES, TEXTS
from qc.packs.verify import CHECKS
from qc.scan import run_cases

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_is_on_the_page(check: str) -> None:
    assert re.search(rf"^\| `{check}` \| (import: )?{re.escape(CHECKS[check])}", PAGE, re.MULTILINE)


def test_every_key_and_verb_is_on_the_page() -> None:
    for key in (*EXTEND_KEYS, *CHANGE_KEYS, *INHERITED):
        assert f"`{key}`" in PAGE
    rooms = (rules_change, rules_compare, rules_convert, rules_excel, rules_propose, rules_seal, rules_words)
    for verb in (verb for room in rooms for verb in room.VERBS):
        assert f"qc rules {verb}" in PAGE
    for name in FORMATS:
        assert f"| `{name}` |" in PAGE
    for zh, en in (names for key, names in SHEETS.items() if key != "about"):
        assert f"{zh} {en}" in PAGE
    for how in HOW:
        assert how.removeprefix("nearly ") in PAGE
    assert f"at most {MAX_SEALED_BYTES >> 20} MiB" in PAGE
    for name in ("README", "LICENSE", "LICENCE", "NOTICE", "CHANGELOG"):
        assert TEXTS.fullmatch(name)
        assert name in PAGE


def test_the_example_of_a_pack_on_top_of_another_loads_and_its_cases_come_out(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example
    (tmp_path / "ecommerce-zh").symlink_to(ROOT / "rules" / "ecommerce-zh")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "pack.yaml").write_text(example[1], encoding="utf-8")
    pack = load_pack(tmp_path / "acme")
    assert "passed-around" not in pack.by_id
    assert pack.by_id["promise-without-time"].points == -10
    assert all(result.ok for result in run_cases(pack))
