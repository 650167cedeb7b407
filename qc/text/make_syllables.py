"""Makes `syllables.tsv` from pypinyin's data: `python -m qc.text.make_syllables`. Nothing imports it at run time.

The table is shipped, not looked up when scanning, so that the same pack gives the same verdicts wherever it is read.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from qc.text.script import simplify_char
from qc.text.sound import TABLE

SHARE = 0.05
"""A reading counts when it is the character's first in the dictionary, or in at least this share of its phrases."""


FEWEST = 2
"""And in at least so many of its phrases."""


def table(share: float = SHARE, fewest: int = FEWEST) -> str:
    """The table's text: a syllable (no tone, v for ü), a tab, the characters that may be read so, in order of code point.

    `share`, `fewest`: what a reading other than the first needs; `bench/matching.py` measures others than those shipped.
    """
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_normal

    seen = phrases_read()
    chars: dict[str, list[str]] = defaultdict(list)
    for code in range(0x4E00, 0xA000):
        char = chr(code)
        if code not in PINYIN_DICT or simplify_char(char) != char:
            continue
        total = sum(seen[char].values())
        listed = [to_normal(reading) for reading in PINYIN_DICT[code].split(",")]
        common = {r for r in listed if total and seen[char][r] >= max(fewest, share * total)}
        for syllable in sorted({listed[0], *common}):
            chars[syllable].append(char)
    return "".join(f"{syllable}\t{''.join(chars[syllable])}\n" for syllable in sorted(chars))


def phrases_read() -> dict[str, Counter[str]]:
    """For each character, in how many phrases of the dictionary it is read as each syllable."""
    from pypinyin.constants import PHRASES_DICT
    from pypinyin.contrib.tone_convert import to_normal

    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for phrase, readings in PHRASES_DICT.items():
        if len(phrase) == len(readings):
            for char, reading in zip(phrase, readings, strict=True):
                seen[char][to_normal(reading[0])] += 1
    return seen


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
