"""How far our reading of text agrees with other projects' test tables: numerals, scripts, sounds, personal data.

    python bench/agreement.py --data FOLDER [--show 20] [--json FILE]

FOLDER holds the tables of WeTextProcessing and NeMo (suite_itn), OpenCC (suite_t2s), pypinyin, pinyin-data and pycorrector
(suite_pinyin) and Presidio (suite_pii); they are not part of this project. One line a table: rows, rows that agree, share.
`--show N` prints that many rows of each that do not. Of numerals, each row that does not agree is put to the first of
`REASONS` whose marks it bears, and the rows are counted by reason: docs/agreement.md says more of each.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qc.text.normal import normal_text
from qc.text.personal import personal
from qc.text.script import simplify
from qc.text.sound import readings, sounds_like


@dataclass
class Table:
    """A peer's table: how many rows there are, how many agree, and what the others look like."""

    name: str
    rows: int = 0
    agree: int = 0
    others: list[str] = field(default_factory=list)

    def add(self, agrees: bool, shown: str) -> None:
        self.rows += 1
        self.agree += agrees
        if not agrees:
            self.others.append(shown)


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


# -- numerals: the spoken and the written form must get one normal form -----------------------------------------


def numerals(folder: Path) -> Iterator[Table]:
    """Inverse text normalisation, and its opposite: agree where both sides have one normal form."""
    for peer in sorted(p for p in (folder / "suite_itn").iterdir() if p.is_dir()):
        for path in sorted(peer.glob("*.txt")):
            table = Table(f"{peer.name}/{path.stem}")
            for line in lines(path):
                left, mark, right = line.partition(" => ") if "wetext" in peer.name else line.partition("~")
                if mark:
                    mine, theirs = normal_text(left), normal_text(right)
                    table.add(mine == theirs, f"{left} | {right} | {mine} | {theirs}")
            if table.rows:
                yield table


# -- scripts ----------------------------------------------------------------------------------------------------


def scripts(folder: Path) -> Iterator[Table]:
    """Traditional to simplified: agree where the folded input is what the table says, folded (characters, one by one)."""
    text = (folder / "suite_t2s/opencc/testcases.json").read_text(encoding="utf-8")
    cases = json.loads(re.sub(r",(\s*[\]}])", r"\1", text))["cases"]
    for name in ("t2s", "tw2s", "hk2s"):
        table = Table(f"opencc/{name}")
        for case in cases:
            if name in case["expected"]:
                mine, theirs = simplify(case["input"]), case["expected"][name]
                table.add(simplify(theirs) == mine, f"{case['input']} | {theirs} | {mine}")
        if table.rows:
            yield table
    plain = (folder / "suite_t2s/opencc/us_constitution_zhs.txt").read_text(encoding="utf-8").splitlines()
    for name in ("s2t", "s2tw"):
        other = (folder / f"suite_t2s/opencc/us_constitution_zhs.{name}.txt").read_text(encoding="utf-8").splitlines()
        table = Table(f"opencc/us_constitution lines ({name} folded back)")
        for here, there in zip(plain, other, strict=True):
            if here.strip():
                table.add(simplify(there) == simplify(here), f"{there[:60]} | {here[:60]}")
        yield table


# -- sounds -----------------------------------------------------------------------------------------------------


def toneless(syllable: str) -> str:
    """zhōng as zhong, lǜ as lv."""
    plain = unicodedata.normalize(
        "NFD", syllable.replace("ü", "v").replace("ǖ", "v").replace("ǘ", "v").replace("ǚ", "v").replace("ǜ", "v")
    )
    return "".join(c for c in plain if not unicodedata.combining(c)).replace("ê", "e").lower()


def sounds(folder: Path) -> Iterator[Table]:
    """Readings: agree where a character's reading in the table is among ours, tones aside."""
    root = folder / "suite_pinyin"
    common = set(re.findall(r"[\u4e00-\u9fff]", "".join(lines(root / "pycorrector/same_pinyin.txt"))))
    for title, wanted in (
        ("pinyin-data/kTGHZ2013, every reading", None),
        ("pinyin-data/kTGHZ2013, every reading of common characters", common),
    ):
        table = Table(title)
        for line in lines(root / "pinyin-data/kTGHZ2013.txt"):
            match = re.match(r"U\+([0-9A-F]+):\s*(\S+)\s*#\s*(\S)", line)
            if match and "\u4e00" <= match[3] <= "\u9fff" and (wanted is None or match[3] in wanted):
                for reading in match[2].split(","):
                    ours = readings(simplify(match[3]))
                    table.add(toneless(reading) in ours, f"{match[3]} {reading} | {' '.join(ours)}")
        yield table
    table = Table("pycorrector/same_pinyin, pairs that sound the same")
    for line in lines(root / "pycorrector/same_pinyin.txt")[1:]:
        char, *groups = line.split("\t")
        for other in "".join(groups):
            table.add(other in sounds_like(char), f"{char} {other} | {readings(char)} {readings(other)}")
    yield table
    table = Table("pypinyin tests, characters")
    for line in lines(root / "python-pinyin/test_pinyin.jsonl"):
        case = json.loads(line)
        expected = case.get("expected")
        hans = case.get("hans")
        if not isinstance(hans, str) or not isinstance(expected, list) or len(expected) != len(hans) or case.get("args"):
            continue
        for char, listed in zip(hans, expected, strict=True):
            if "\u4e00" <= char <= "\u9fff" and isinstance(listed, list):
                ours = readings(simplify(char))
                table.add(any(toneless(str(r)) in ours for r in listed), f"{char} {listed} | {' '.join(ours)}")
    if table.rows:
        yield table


# -- personal data ----------------------------------------------------------------------------------------------


def personal_data(folder: Path) -> Iterator[Table]:
    """Recognisers: agree where every character that the table finds is masked, and nothing where it finds nothing."""
    for path in sorted((folder / "suite_pii/presidio").glob("*.jsonl")):
        finds, spares = Table(f"presidio/{path.stem}, what must be found"), Table(f"presidio/{path.stem}, what must be left")
        for line in lines(path):
            case = json.loads(line)
            text = case.get("text", case.get("iban"))
            spans = case.get("expected_positions", case.get("expected_res"))
            if not isinstance(text, str) or spans is None:
                continue
            masked = {i for one in personal(text) for i in range(one.start, one.end)}
            shown = "".join("█" if i in masked else c for i, c in enumerate(text))
            if spans:
                held = all({i for i in range(*span[:2]) if text[i : i + 1].isalnum()} <= masked for span in spans)
                finds.add(held, f"{text} | {shown}")
            else:
                spares.add(not masked, f"{text} | {shown}")
        yield from (table for table in (finds, spares) if table.rows)


REASONS: tuple[tuple[str, str], ...] = (
    ("spoken English words become figures", r"^[\x00-\u024f\u0370-\u03ff\u2000-\u20ff]*$"),
    ("filled pauses, 儿 and unknown characters are deleted or marked", r"[呃儿]|oov|啊 \||^啊"),
    ("several numbers in a row are told apart", r"[百千]一[个千]|九百九|十[二九]?[一九]千|二十九千"),
    ("fractions get a slash", r"分之|[0-9]又?[0-9]?/[0-9]+(?!/)(?![0-9]*月)"),
    ("signs of arithmetic", r"[-±+=≤≥<>−] ?[0-9.]|[负加比]|等于"),
    ("money gets its sign", r"[￥¥$€£₩₽]|CNY|HKD|TWD|RM[0-9]"),
    (
        "units get their sign",
        r"[0-9 ](?:kg|km|g|kwh|mol|m²|ms|min|s|°|°C|Wv|w张)|O2O|B2B|c e o|[0-9]两|a七|[GDTKgdtk][0-9]|[A-Z][0-9A-Z]{4}",
    ),
    (
        "dates and times are rewritten",
        r"[年月日号点分秒][^|]*\|[^|]*[0-9][/:.-][0-9]|[0-9][ ]?[:：/.·-][0-9]|[0-9]0?[0-9]月|[0-9] ?[ab]\.?[dcm]\.?|[ap]m|[0-9]号|公元|刻|点[0-9]",
    ),
    ("ranges have ~ or - between them", r"[~]|[0-9]-[0-9]|百分之"),
    ("a digit alone becomes a figure", r"^-?[零一二十0-9]+ \||\| -?[零一二十0-9]+ \||十几|[五十]+,"),
    ("兆, 洞拐, 百分三十, 一点二五: not read here", r"[兆洞拐]|百分三|一点|\| 1\.[0-9]+ \|"),
)
"""Why a row of numerals does not agree: what the peers do besides, and the marks by which such a row is known."""


def reason(shown: str) -> str:
    """The first of `REASONS` whose marks a row (spoken | written | …) bears, or nothing."""
    row = " | ".join(shown.split(" | ")[:2])
    return next((name for name, marks in REASONS if re.search(marks, row)), "")


GROUPS: dict[str, Callable[[Path], Iterator[Table]]] = {
    "numerals": numerals,
    "scripts": scripts,
    "sounds": sounds,
    "personal data": personal_data,
}


def main() -> int:
    """Print the share that agrees, table by table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with suite_itn, suite_t2s, suite_pinyin, suite_pii")
    parser.add_argument("--show", type=int, default=0, help="rows that do not agree to print, of each table")
    parser.add_argument("--only", default="", help="tables whose name holds this")
    parser.add_argument("--json", type=Path, help="write the figures here")
    asked = parser.parse_args()
    if not (asked.data / "suite_itn").is_dir():
        print(f"{asked.data}: the tables are not here; nothing was compared", file=sys.stderr)
        return 2
    figures: dict[str, Any] = {}
    unknown: list[str] = []
    for group, tables in GROUPS.items():
        print(f"\n## {group}\n\n| table | rows | agree | share |\n|---|---|---|---|")
        reasons: Counter[str] = Counter()
        for table in tables(asked.data):
            if asked.only not in table.name:
                continue
            figures[table.name] = {"rows": table.rows, "agree": table.agree}
            print(f"| {table.name} | {table.rows:,} | {table.agree:,} | {table.agree / table.rows:.1%} |")
            for shown in table.others[: asked.show]:
                print(f"      {shown}")
            if group == "numerals":
                reasons.update(map(reason, table.others))
                unknown += [shown for shown in table.others if not reason(shown)]
        if reasons:
            print("\n| why not | rows |\n|---|---|")
            print("".join(f"| {name or 'not explained'} | {count:,} |\n" for name, count in reasons.most_common()))
            print("".join(f"      {shown}\n" for shown in unknown))
            figures["reasons"] = {name or "not explained": count for name, count in reasons.items()}
    if asked.json:
        asked.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
