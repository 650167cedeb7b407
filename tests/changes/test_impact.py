"""What a change of rules does: counted call by call against the scan and the scores themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qc.changes.impact import ImpactOptions, impact
from qc.errors import Exit, StoreError
from qc.packs import trust_local
from qc.progress import Silent
from qc.store import Store
from tests.changes.conftest import Run, call, rule, write


def files(store: Store) -> dict[str, bytes]:
    return {str(p.relative_to(store.path)): p.read_bytes() for p in sorted(store.path.rglob("*")) if p.is_file()}


@pytest.fixture
def packs(tmp_path: Path) -> tuple[Path, Path]:
    """Vague promises cost 10; then 20, and 稍后 is vague too."""
    old = write(tmp_path / "old.yaml", rule("vague", "尽快"), rule("gone", "三小时内", -1))
    return old, write(tmp_path / "new.yaml", rule("vague", "尽快, 稍后", -20), version="1.1.0")


def test_every_figure_is_what_scanning_gives(store: Store, packs: tuple[Path, Path]) -> None:
    before = files(store)
    found = impact(store, trust_local(packs[0]), trust_local(packs[1]), Silent())
    assert files(store) == before, "the store must not change"
    assert (found.calls, found.failed) == (13, 1)
    assert found.verdicts_changed == 3, "b0 now hits, a4 and a5 no longer hit `gone`"
    assert found.scores_changed == 7
    by_rule = {r.rule: (r.hits_before, r.hits_after, r.new_hits, r.lost_hits) for r in found.rules}
    assert by_rule == {"vague": (4, 5, 1, 0), "gone": (2, 0, 0, 2)}
    assert found.whole.before == (pytest.approx((4 * 90 + 2 * 99 + 600) / 12),) * 2
    assert found.whole.after == (pytest.approx((4 * 80 + 200 + 80 + 500) / 12),) * 2
    shifts = {g.id: (g.scored, g.changed, g.shift) for g in found.providers}
    assert shifts["甲"] == (6, 6, pytest.approx((-40 + 2) / 6, abs=1e-5))
    assert shifts["乙"] == (6, 1, pytest.approx(-20 / 6, abs=1e-5))
    assert found.max_shift == pytest.approx(38 / 6, abs=1e-5)
    assert found.most_changed[0].call_id == "b0"
    assert found.most_changed[0].verdicts[0].quotes == ("稍后",)
    assert (found.most_changed[0].before, found.most_changed[0].after) == ((100.0, 100.0), (80.0, 80.0))


def test_the_same_pack_changes_nothing(store: Store, packs: tuple[Path, Path]) -> None:
    found = impact(store, trust_local(packs[0]), trust_local(packs[0]), Silent())
    assert (found.verdicts_changed, found.scores_changed, found.max_shift, found.rules, found.most_changed) == (0, 0, 0.0, (), ())


def test_few_calls_do_not_decide_the_shift(tmp_path: Path, packs: tuple[Path, Path]) -> None:
    store = Store(tmp_path / "few")
    for n in range(40):
        call(store, f"c{n}", [("agent", "您好")])
    call(store, "odd", [("agent", "稍后")], agent="rare", provider="丙")
    found = impact(store, trust_local(packs[0]), trust_local(packs[1]), Silent())
    assert {g.id: g.shift for g in found.providers}["丙"] == -20
    assert found.max_shift == pytest.approx(20 / 41, abs=1e-5)


def test_the_verb_says_it_in_text_in_html_and_in_json(store: Store, packs: tuple[Path, Path], tmp_path: Path, qc: Run) -> None:
    page = tmp_path / "impact.html"
    common = ("rules", "impact", *packs, "--store", store.path, "--html", page)
    code, said = qc(*common)
    assert code == Exit.OK
    assert "13 calls: 3 with other verdicts, 7 with another score, 1 without one" in said
    assert "b0 (a2): 100.0 → 80.0 (-20.0)" in said
    html = page.read_text(encoding="utf-8")
    assert "改规则的影响" in html
    assert "What a change of rules does" in html
    assert "规则 vague，points：-10 → -20" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    first = page.read_bytes()
    code, said = qc(*common, "--json", "--max-shift", "6")
    assert (code, json.loads(said)["over_max_shift"]) == (Exit.FINDINGS, True)
    assert page.read_bytes() == first
    assert qc(*common, "--json", "--max-shift", "7")[0] == Exit.OK


def test_personal_data_in_quotes_is_masked(tmp_path: Path) -> None:
    store = Store(tmp_path / "private")
    call(store, "c", [("agent", "电话13800138000")])
    packs = [trust_local(write(tmp_path / f"{n}.yaml", rule("r", words))) for n, words in enumerate(("没有", "电话13800138000"))]
    shown = impact(store, *packs, Silent())
    masked = impact(store, *packs, Silent(), ImpactOptions(redact=True))
    assert shown.most_changed[0].verdicts[0].quotes == ("电话13800138000",)
    assert masked.most_changed[0].verdicts[0].quotes == ("电话███████████",)


def test_what_strangers_wrote_stays_text(tmp_path: Path, qc: Run) -> None:
    store = Store(tmp_path / "evil")
    call(store, "<script>alert(1)</script>", [("agent", "稍后\u202e<b>x</b>")], agent="<img src=x>", provider="\u202eevil")
    old, new = write(tmp_path / "a.yaml", rule("r", "没有")), write(tmp_path / "b.yaml", rule("r", "稍后"))
    assert qc("rules", "impact", old, new, "--store", store.path, "--html", tmp_path / "x.html")[0] == Exit.OK
    html = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "\u202e" not in html


def test_figures_hold_no_word_and_no_name(store: Store, packs: tuple[Path, Path]) -> None:
    figures = json.dumps(impact(store, trust_local(packs[0]), trust_local(packs[1]), Silent()).figures(), ensure_ascii=False)
    assert not [name for name in ("甲", "乙", "a1", "a2", "b0", "稍后", "尽快") if name in figures]


def test_a_store_without_transcripts_is_said(tmp_path: Path, packs: tuple[Path, Path]) -> None:
    with pytest.raises(StoreError, match="no transcripts"):
        impact(Store(tmp_path / "none"), trust_local(packs[0]), trust_local(packs[1]), Silent())
