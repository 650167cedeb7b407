"""bench/agreement.py over tables of its own: what counts as agreement, and what it says where there are no tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "agreement.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_shares_of_small_tables(tmp_path: Path) -> None:
    write(tmp_path / "suite_itn/wetext_x/number.txt", "二十四 => 24\n二十四 => 25\n")
    write(tmp_path / "suite_itn/nemo_x/cardinal.txt", "10000~一万\n")
    write(tmp_path / "suite_t2s/opencc/testcases.json", '{"cases": [{"input": "繁體", "expected": {"t2s": "繁体"}},]}')
    for name in ("", ".s2t", ".s2tw"):
        write(tmp_path / f"suite_t2s/opencc/us_constitution_zhs{name}.txt", "国\n" if not name else "國\n")
    write(tmp_path / "suite_pinyin/pycorrector/same_pinyin.txt", "#a\tb\tc\n一\t壹\t政\n")
    write(tmp_path / "suite_pinyin/pinyin-data/kTGHZ2013.txt", "U+4E00: yī  # 一\nU+8D70: zǒu,huài  # 走\n")
    write(
        tmp_path / "suite_pinyin/python-pinyin/test_pinyin.jsonl",
        '{"hans": "中心", "args": [], "expected": [["zhōng"], ["xīn"]]}\n',
    )
    phone = [
        {"text": "call +1 415 555 0132", "expected_positions": [[5, 20]]},
        {"text": "24 hours", "expected_positions": []},
    ]
    write(tmp_path / "suite_pii/presidio/phone.jsonl", "".join(json.dumps(row) + "\n" for row in phone))
    done = run("--data", tmp_path, "--json", tmp_path / "out.json", "--show", "1")
    assert done.returncode == 0, done.stderr
    assert "二十四 | 25 | 24 | 25" in done.stdout
    told = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert told.pop("reasons") == {"not explained": 1}, "a wrong number is no matter of policy"
    figures = {name: (f["agree"], f["rows"]) for name, f in told.items()}
    assert figures == {
        "wetext_x/number": (1, 2),
        "nemo_x/cardinal": (1, 1),
        "opencc/t2s": (1, 1),
        "opencc/us_constitution lines (s2t folded back)": (1, 1),
        "opencc/us_constitution lines (s2tw folded back)": (1, 1),
        "pinyin-data/kTGHZ2013, every reading": (2, 3),
        "pinyin-data/kTGHZ2013, every reading of common characters": (1, 1),
        "pycorrector/same_pinyin, pairs that sound the same": (1, 2),
        "pypinyin tests, characters": (2, 2),
        "presidio/phone, what must be found": (1, 1),
        "presidio/phone, what must be left": (1, 1),
    }


def test_without_tables_nothing_is_claimed(tmp_path: Path) -> None:
    done = run("--data", tmp_path)
    assert done.returncode == 2
    assert "nothing was compared" in done.stderr
