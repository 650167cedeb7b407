"""The flattened pack: equal packs have equal bytes, the bytes read back, and the store notices a change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qc.errors import PackError, StoreError
from qc.packs import load_pack, read_stored, unflatten
from qc.packs.flatten import flatten, save
from qc.packs.model import Pack
from qc.store import Store

ROOT = Path(__file__).parents[2]
PACKS = sorted(p.parent for p in (ROOT / "rules").glob("*/pack.yaml"))


@pytest.mark.parametrize("path", PACKS, ids=lambda p: p.name)
def test_a_pack_comes_back_from_its_bytes(path: Path) -> None:
    pack = load_pack(path)
    again = unflatten(pack.flat)
    assert again == pack
    assert flatten(again) == pack.flat
    assert again.sha256 == pack.sha256


def test_word_lists_are_written_out_and_places_are_left_out(folder: Path) -> None:
    plain = json.loads(load_pack(folder).flat)
    assert plain["rules"][0]["when"]["unless"] == [r"/\d+ ?(分钟|小时)/", "今天下午"]
    assert str(folder) not in load_pack(folder).flat.decode()


def test_comments_and_order_of_keys_do_not_change_the_digest(folder: Path) -> None:
    before = load_pack(folder).sha256
    rules = folder / "rules.yaml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(
        "# a remark\n" + text.replace("  severity: medium\n  points: -5\n", "  points: -5.0\n  severity: medium\n"),
        encoding="utf-8",
    )
    assert load_pack(folder).sha256 == before


def test_every_meaning_changes_the_digest(folder: Path) -> None:
    rules = folder / "rules.yaml"
    text = rules.read_text(encoding="utf-8")
    digests = {load_pack(folder).sha256}
    changes = [
        ("-5", "-6"),
        ("尽早", "尽量"),
        ("who: agent", "who: customer"),
        ("medium", "high"),
        ("我们会尽快", "我们尽快"),
        ("为什么", "何故"),
    ]
    for old, new in changes:
        rules.write_text(text.replace(old, new), encoding="utf-8")
        digests.add(load_pack(folder).sha256)
    assert len(digests) == len(changes) + 1


def stored(folder: Path, tmp_path: Path) -> tuple[Store, Pack]:
    store, pack = Store(tmp_path / "store"), load_pack(folder)
    save(store, pack)
    return store, pack


def test_the_store_gives_back_the_very_pack(folder: Path, tmp_path: Path) -> None:
    store, pack = stored(folder, tmp_path)
    assert read_stored(store, pack.sha256) == pack


def test_a_changed_stored_pack_is_noticed(folder: Path, tmp_path: Path) -> None:
    store, pack = stored(folder, tmp_path)
    file = store.path / "packs" / f"{pack.sha256}.json"
    file.write_bytes(file.read_bytes().replace(b"-5", b"-1"))
    with pytest.raises(StoreError, match="was changed"):
        read_stored(store, pack.sha256)


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "a" * 64, "A" * 64])
def test_a_digest_that_is_none_reads_no_file(tmp_path: Path, digest: str) -> None:
    with pytest.raises(StoreError):
        read_stored(Store(tmp_path), digest)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"nonsense", b"[" * 100_000, b'{"id": NaN}', b"\xff"])
def test_bytes_that_are_no_pack_are_refused(data: bytes) -> None:
    with pytest.raises(PackError):
        unflatten(data)
