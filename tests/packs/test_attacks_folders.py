"""A folder from a stranger: what YAML, ids and links may try, and what must happen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qc.errors import PackError
from qc.packs import load_pack
from qc.packs.seal import texts_beside


@pytest.mark.parametrize(
    "text, said",
    [
        ("!!python/object/apply:os.system [id]", "tags"),
        ("a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b]", "anchors"),
        ("- id: !!binary aGk=", "tags"),
        ("? " * 40 + "x", "nested deeper"),
        ("[" * 5000, "nested deeper"),
    ],
)
def test_yaml_that_makes_objects_or_bombs_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "evil.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PackError) as told:
        load_pack(folder)
    assert any(said in p.message for p in told.value.problems)


@pytest.mark.parametrize(
    "name", ["рromise", "promise\u200b", "ＰＲＯＭＩＳＥ", "promise\u202e", "promısе", "../promise", "-promise", "pro mise", "é"]
)
def test_an_id_that_looks_like_another_is_refused(spoilt: Callable[[str, str], Path], name: str) -> None:
    with pytest.raises(PackError, match="small letters, digits and hyphens"):
        load_pack(spoilt("id: promise", f'id: "{name}"'))


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("secret", encoding="utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(PackError, match="outside the pack"):
        load_pack(folder)
    (folder / "link.yaml").unlink()
    (folder / "README.md").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(PackError, match="a file of its own"):
        texts_beside(folder)
