"""What rules are worth, and words that they lack: against figures worked out by hand and by other means."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.changes.suggest import SuggestOptions, log_odds, read_labels, suggest
from qc.changes.value import adjusted, fisher, relative_risk, value
from qc.errors import Exit, UsageError
from qc.packs import load_pack, trust_local
from qc.progress import Silent
from qc.scan import ScanOptions, scan
from qc.store import Store
from tests.changes.conftest import Run, call, rule, write


@pytest.fixture
def scanned(store: Store, tmp_path: Path) -> Store:
    """`vague` hits the four calls that were rated 1; `twin` hits the same; `never` hits nothing; `later` one rated 4."""
    rules = (rule("vague", "尽快"), rule("twin", "我们尽快"), rule("never", "滚蛋"), rule("later", "稍后"))
    for n in range(2):
        call(store, f"more{n}", [("agent", "我们尽快处理")], rating=1)
    scan(store, [trust_local(write(tmp_path / "p.yaml", *rules))], ScanOptions(), Silent())
    return store


def test_lift_never_and_together(scanned: Store) -> None:
    found = value(scanned, "csat")
    assert (found.calls, found.rated, found.rated_low) == (14, 14, 6)
    vague = next(r for r in found.rules if r.rule == "vague")
    assert (vague.hit_low, vague.hit_other, vague.miss_low, vague.miss_other) == (6, 0, 0, 8)
    assert vague.lift is not None
    assert vague.low is not None
    assert vague.low > 1
    assert vague.q < 0.05
    assert [(s.rule, s.calls) for s in found.never] == [("never", 14)]
    assert found.never[0].upper == pytest.approx(100 * (1 - 0.05 ** (1 / 14)))
    assert [(t.first, t.second, t.both, t.share) for t in found.together] == [("twin", "vague", 6, 1.0)]


def test_any_column_of_the_call_list_will_do_if_it_says_what_is_low(scanned: Store) -> None:
    assert value(scanned, "csat", 4).rated_low == 12
    with pytest.raises(UsageError, match="which values of 'other' are low"):
        value(scanned, "other")
    with pytest.raises(UsageError, match="no scanned call has a number in 'other'"):
        value(scanned, "other", 3)
    with pytest.raises(UsageError, match="which pack"):
        value(scanned, "csat", pack_id="elsewhere")


def test_undecided_calls_count_on_neither_side(store: Store, tmp_path: Path) -> None:
    call(store, "doubt", [("unknown", "我们尽快处理")], rating=1)
    scan(store, [trust_local(write(tmp_path / "p.yaml", rule("vague", "尽快")))], ScanOptions(), Silent())
    vague = value(store, "csat").rules[0]
    assert vague.hit_low + vague.hit_other + vague.miss_low + vague.miss_other == 12, "13 rated calls, one of them undecided"


def test_relative_risk_is_the_published_one() -> None:
    ratio, low, high = relative_risk(
        139, 10898, 239, 10795
    )  # aspirin and heart attacks: Agresti, Categorical Data Analysis, § 2.1
    assert ratio == pytest.approx(0.58, abs=0.005)
    assert low == pytest.approx(0.47, abs=0.005)
    assert high == pytest.approx(0.72, abs=0.006)
    assert relative_risk(0, 0, 3, 4) == (None, None, None)


def test_fisher_is_the_published_one() -> None:
    assert fisher(3, 1, 1, 3) == pytest.approx(34 / 70), "the lady tasting tea"
    assert fisher(8, 2, 1, 5) == pytest.approx(0.03497, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(*(st.integers(0, 12) for _ in range(4)))
def test_fisher_is_what_counting_every_table_gives(a: int, b: int, c: int, d: int) -> None:
    hits, low, total = a + b, a + c, a + b + c + d
    ways = [math.comb(low, x) * math.comb(total - low, hits - x) for x in range(max(0, hits + low - total), min(hits, low) + 1)]
    mine = math.comb(low, a) * math.comb(total - low, hits - a)
    assert fisher(a, b, c, d) == pytest.approx(sum(w for w in ways if w <= mine) / math.comb(total, hits))


def test_benjamini_hochberg() -> None:
    assert adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjusted([]) == []


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Store, Path]:
    """Bad calls say 私下转账 (heard as 私下转帐 once, as 思下转账 twice), good ones do not; all say 您好."""
    store = Store(tmp_path / "words")
    lines = []
    for n in range(12):
        bad = n < 6
        said = "您好请您私下转账给我电话13800138000" if bad else "您好请您在平台付款"
        said = said.replace("私下转账", "思下转账") if n in (0, 1) else said
        call(store, f"w{n}", [("customer", "怎么付款"), ("agent", said)])
        lines.append(f"w{n},{'bad' if bad else '合格'}")
    labels = tmp_path / "labels.csv"
    labels.write_text("call_id,label\n" + "\n".join(lines) + "\nelsewhere,bad\n", encoding="utf-8")
    return store, labels


def test_phrases_that_separate_come_with_counts_and_an_example(labelled: tuple[Store, Path]) -> None:
    found = suggest(labelled[0], read_labels(labelled[1]), None)
    assert (found.bad, found.good) == (6, 6)
    best = found.separating[0]
    assert best.bad == 6
    assert best.good == 0
    assert best.low > 0
    assert "下转账" in best.phrase
    assert best.phrase in best.example
    assert not [s for s in found.separating if "138" in s.phrase], "personal data is never a word for a rule"
    assert not [s for s in found.separating if s.phrase == "您好"]


def test_a_phrase_that_a_rule_knows_is_not_suggested(labelled: tuple[Store, Path], tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "p.yaml", rule("transfer", "下转账")))
    found = suggest(labelled[0], read_labels(labelled[1]), pack)
    assert not [s for s in found.separating if "下转账" in s.phrase]


def test_variants_by_sound_and_one_character_apart(labelled: tuple[Store, Path], tmp_path: Path) -> None:
    call(labelled[0], "apart", [("agent", "我帮您私下付账吧")])
    pack = load_pack(write(tmp_path / "p.yaml", rule("transfer", "私下转账")))
    found = suggest(labelled[0], None, pack)
    assert [(v.variant, v.how, v.calls, v.rules) for v in found.variants] == [
        ("思下转账", "same sound", 2, ("transfer",)),
        ("私下付账", "one character apart", 1, ("transfer",)),
    ]
    text = (tmp_path / "p.yaml").read_text(encoding="utf-8").replace("says: [私下转账]", "says: [{word: 私下转账, match: sound}]")
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    heard = suggest(labelled[0], None, load_pack(tmp_path / "p.yaml"))
    assert [v.variant for v in heard.variants] == ["私下付账"], "a word matched by sound knows what sounds the same"


def test_examples_hide_personal_data_when_asked(labelled: tuple[Store, Path]) -> None:
    found = suggest(labelled[0], read_labels(labelled[1]), None, SuggestOptions(redact=True))
    assert "13800138000" not in json.dumps(found.as_dict(), ensure_ascii=False)


def test_log_odds_are_drawn_towards_none_and_widen_with_few_calls() -> None:
    many, few = log_odds(500, 1000, 100, 1000), log_odds(5, 10, 1, 10)
    assert many[0] == pytest.approx(math.log(1) - math.log(100 / 900), abs=0.01)
    assert few[2] - few[1] > many[2] - many[1]
    assert log_odds(3, 10, 3, 10)[0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "need the columns"), ("call_id,label\nx,maybe\n", "is no label"), ("call_id,label\nx,bad\n", "all alike"), ("", "is empty")],
)  # fmt: skip
def test_labels_that_are_none_are_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_labels(tmp_path / "l.csv")


def test_the_verbs_print_what_can_be_pasted(labelled: tuple[Store, Path], scanned: Store, tmp_path: Path, qc: Run) -> None:
    pack = write(tmp_path / "q.yaml", rule("transfer", "私下转账"))
    code, said = qc("rules", "suggest", "--store", labelled[0].path, "--labels", labelled[1], "--rules", pack)
    assert code == Exit.OK
    assert "- 思下转账   # 私下转账: same sound, 2 calls (transfer)" in said
    code, said = qc("rules", "suggest", "--store", labelled[0].path)
    assert code == Exit.USAGE
    code, said = qc("rules", "value", "--store", scanned.path)
    assert code == Exit.OK
    assert "go with low ratings (q ≤ 0.05): twin, vague" in said
    assert "never fires: never, 14 calls decided" in said
    assert "fire together: twin and vague, both on 6 calls (100% of either)" in said
    code, said = qc("rules", "value", "--store", scanned.path, "--json")
    assert json.loads(said)["rated_low"] == 6
