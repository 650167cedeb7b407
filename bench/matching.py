"""Measures exact, sound and fuzzy matching side by side, over the starter pack's words, on text that was damaged.

    python bench/matching.py                                    characters swapped for others that sound the same
    python bench/matching.py --store qc-store --truth audio_samples/truth.jsonl    and what a recogniser made of recordings
    python bench/matching.py --readings [--data FOLDER]         what more readings a character would win and cost

Sentences come from the grammar of service calls (`training.grammar`). What a word matches in the clean text, exactly, is the
truth; damage keeps every character's place, so a match of the damaged text is right where the truth has that word there.
Words of the pack that sound the same (工号 and its misspelling 公号) are one word in several spellings. A share of the Chinese
characters is replaced, each by another common one (GB 2312, level 1) of the same sound: pypinyin's reading of it alone is the
reading of the other in its sentence, tones aside; or, harder, any reading that pypinyin's dictionary gives it; or, with
--data, any that the standard dictionary has (`suite_pinyin/pinyin-data/kTGHZ2013.txt` of that folder). `qc rules check` advises against what is measured here to find too much (`qc.packs.advice`).
Needs pypinyin (`.[dev]`). The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from qc.packs import load_pack  # noqa: E402
from qc.packs.advice import SHORT_SOUND  # noqa: E402
from qc.packs.conditions import Term  # noqa: E402
from qc.scan.matching import Matcher, terms_of  # noqa: E402
from qc.scan.view import Call, view  # noqa: E402
from qc.store import Store  # noqa: E402
from qc.text import sound  # noqa: E402
from qc.text.make_syllables import FEWEST, SHARE, phrases_read, table  # noqa: E402
from qc.text.normal import kind, normal_text  # noqa: E402
from qc.text.sound import TOLERATE, sounds_like  # noqa: E402
from training import grammar  # noqa: E402

SHARES = (0.0, 0.05, 0.10, 0.20)
NEAR_MS = 1500
Span = tuple[int, int]


def starter_words(path: Path) -> list[str]:
    """Every word of two Chinese characters or more in the pack's rules, lists written out; patterns left out."""
    found = {t.text for rule in load_pack(path).rules for t in terms_of(rule.when) if t.kind in ("word", "sound", "fuzzy")}
    return sorted(word for word in found if len(normal_text(word)) >= 2 and all(kind(c) == "c" for c in normal_text(word)))


def sentences(count: int, seed: int) -> list[str]:
    """Different sentences of service calls."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[grammar.utterance(rng, None).text] = None
    return list(found)


Alike = dict[str, list[str]]
"""By toneless syllable the characters that may be read so."""


def common_chars() -> Iterator[str]:
    """The characters of GB 2312 level 1."""
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            try:
                yield bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue


def common_by_syllable(*, rare: bool) -> Alike:
    """The common characters by syllable: the usual reading alone, or every one in the dictionary."""
    from pypinyin import Style, pinyin

    found: Alike = defaultdict(list)
    for char in common_chars():
        for syllable in set(pinyin(char, style=Style.NORMAL, heteronym=rare)[0]):
            found[syllable].append(char)
    return found


def standard_by_syllable(data: Path) -> Alike:
    """The common characters by every syllable that the standard dictionary of 2013 has for them."""
    from pypinyin.contrib.tone_convert import to_normal

    common = set(common_chars())
    found: Alike = defaultdict(list)
    for line in (data / "suite_pinyin" / "pinyin-data" / "kTGHZ2013.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"U\+[0-9A-F]+:\s*(\S+)\s*#\s*(\S)", line)
        if match and match[2] in common:
            for syllable in sorted({to_normal(reading) for reading in match[1].split(",")}):
                found[syllable].append(match[2])
    return found


def damage(texts: Sequence[str], share: float, seed: int, alike: Alike) -> list[str]:
    """The sentences with a share of their Chinese characters swapped for others of the same sound; same lengths."""
    from pypinyin import Style, lazy_pinyin

    rng = random.Random(seed)
    found = []
    for text in texts:
        syllables = lazy_pinyin(text, style=Style.NORMAL, errors=lambda run: list(run))
        chars = list(text)
        if len(syllables) != len(chars):
            raise RuntimeError(f"pypinyin lost the places of {text!r}")
        for i, (char, syllable) in enumerate(zip(text, syllables, strict=True)):
            if "\u4e00" <= char <= "\u9fff" and rng.random() < share:
                others = [c for c in alike.get(syllable, ()) if c != char]
                chars[i] = rng.choice(others) if others else char
        found.append("".join(chars))
    return found


# -- ways to match ----------------------------------------------------------------------------------------------


def _fuzzy(word: str, percent: int) -> Term | None:
    return Term("fuzzy", word, percent=percent) if 4 <= len(normal_text(word)) <= 40 else None


WAYS: dict[str, Callable[[str], Term | None]] = {
    "exact": lambda word: Term("word", word),
    "sound": lambda word: Term("sound", word),
    "sound, all tolerated": lambda word: Term("sound", word, tolerate=TOLERATE),
    "fuzzy 0.75": lambda word: _fuzzy(word, 75),
    "fuzzy 0.85": lambda word: _fuzzy(word, 85),
    "as advised": lambda word: Term("sound", word, TOLERATE if len(normal_text(word)) > SHORT_SOUND else ()),
}
"""A word as it is matched; None where it cannot be so."""


def chats(texts: Sequence[str]) -> Call:
    """All texts as one call without times."""
    turns = [{"role": "agent", "channel": 0, "start_ms": None, "end_ms": None, "text": text} for text in texts]
    return view({"call_id": "c", "warnings": ["no_times"], "turns": turns, "spans": []})


def places(call: Call, words: Sequence[str], way: Callable[[str], Term | None]) -> dict[str, dict[int, list[Span]]]:
    """Where each word matches: turn to characters of the original text. Words that cannot be matched so are left out."""
    terms = {word: way(word) for word in words}
    matches = Matcher([term for term in terms.values() if term]).match([call])[0]
    found: dict[str, dict[int, list[Span]]] = {}
    for word, term in terms.items():
        if term is not None:
            found[word] = defaultdict(list)
            for match in matches.of([term]):
                found[word][match.turn].append(call.turns[match.turn].normal.original(match.start, match.end))
    return found


@dataclass
class Tally:
    """Right places found, right places there are, places found that are not right. By word: (found, there, wrong)."""

    by_word: dict[str, list[int]] = field(default_factory=dict)

    def add(self, word: str, hit: int, there: int, wrong: int) -> None:
        row = self.by_word.setdefault(word, [0, 0, 0])
        for i, n in enumerate((hit, there, wrong)):
            row[i] += n

    def rates(self, length: Callable[[int], bool] = lambda _: True) -> tuple[float, float, int]:
        """Recall, precision, places there are; of words of such a length."""
        rows = [row for word, row in self.by_word.items() if length(len(normal_text(word)))]
        hit, there, wrong = (sum(row[i] for row in rows) for i in range(3))
        return hit / there if there else 1.0, hit / (hit + wrong) if hit + wrong else 1.0, there


def spellings(words: Sequence[str]) -> dict[str, str]:
    """For each word the first of those that sound the same: they are one word in several spellings."""
    forms = {word: normal_text(word) for word in words}
    first: dict[str, str] = {}
    for word in words:
        alike = [w for w in first if len(forms[w]) == len(forms[word]) and _alike(forms[w], forms[word])]
        first[word] = first[alike[0]] if alike else word
    return first


def _alike(one: str, other: str) -> bool:
    return all(b in sounds_like(a) for a, b in zip(one, other, strict=True))


def together(found: dict[str, dict[int, list[Span]]], first: dict[str, str]) -> dict[str, dict[int, list[Span]]]:
    """The places of each word in any of its spellings, each once."""
    whole: dict[str, dict[int, list[Span]]] = {}
    for word, turns in found.items():
        mine = whole.setdefault(first[word], defaultdict(list))
        for turn, spans in turns.items():
            mine[turn] = sorted({*mine[turn], *spans})
    return whole


def compare(truth: dict[str, dict[int, list[Span]]], got: dict[str, dict[int, list[Span]]]) -> Tally:
    """Places that overlap a true one are right."""
    tally = Tally()
    for word, turns in got.items():
        hit = there = wrong = 0
        for turn in truth[word].keys() | turns.keys():
            true, here = truth[word].get(turn, []), turns.get(turn, [])
            there += len(true)
            hit += sum(any(a < d and c < b for c, d in here) for a, b in true)
            wrong += sum(not any(a < d and c < b for c, d in true) for a, b in here)
        tally.add(word, hit, there, wrong)
    return tally


def swapped(words: Sequence[str], count: int, seed: int) -> Iterator[tuple[str, str, Tally]]:
    """(share of characters swapped, way of matching, what came of it)."""
    clean = sentences(count, seed)
    first = spellings(words)
    truth = together(places(chats(clean), words, WAYS["exact"]), first)
    usual = common_by_syllable(rare=False)
    for share in SHARES:
        call = chats(damage(clean, share, seed + 1, usual) if share else clean)
        for name, way in WAYS.items():
            yield f"{share:.0%}", name, compare(truth, together(places(call, words, way), first))
    call = chats(damage(clean, 0.10, seed + 1, common_by_syllable(rare=True)))
    for name in ("exact", "sound"):
        yield "10%, any reading", name, compare(truth, together(places(call, words, WAYS[name]), first))


# -- other tables of readings -----------------------------------------------------------------------------------

READINGS: dict[str, tuple[float, int]] = {
    "as shipped: the first, and any in 5 % of the character's phrases": (SHARE, FEWEST),
    "any in 1 % of them": (0.01, FEWEST),
    "any that a single phrase shows": (0.0, 1),
    "any in the dictionary": (0.0, 0),
}
"""Which readings count: the share of a character's phrases in pypinyin's dictionary, and how many of them at least."""


@contextmanager
def read_by(text: str) -> Iterator[None]:
    """Sounds are matched by this table (as `qc/text/syllables.tsv`) in place of the one that is shipped."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        syllable, _, chars = line.partition("\t")
        for char in chars:
            found[char].append(syllable)
    read = {char: tuple(listed) for char, listed in found.items()}

    def forget() -> None:
        for known in (sound.sounds_like, sound._by_key):
            known.cache_clear()

    forget()
    with patch.object(sound, "_readings", lambda: read):
        yield
    forget()


def mistaken(texts: Sequence[str]) -> float:
    """Any two characters that stand side by side in the sentences, as a word by sound: at how many places, in the mean, it hits others."""
    forms = Counter(form[i : i + 2] for form in map(normal_text, texts) for i in range(len(form) - 1))
    pairs = {pair: count for pair, count in forms.items() if all(kind(char) == "c" for char in pair)}
    by_sound: dict[tuple[str, str], set[str]] = defaultdict(set)

    def heard(pair: str) -> Iterator[tuple[str, str]]:
        return product(*(sound.readings(char) or (char,) for char in pair))

    for pair in pairs:
        for key in heard(pair):
            by_sound[key].add(pair)
    wrong = sum(count * (len(set().union(*(by_sound[key] for key in heard(pair)))) - 1) for pair, count in pairs.items())
    return wrong / len(pairs)


def readings_compared(words: Sequence[str], count: int, seed: int, data: Path | None) -> None:
    """Print what the tables of `READINGS` find, and how often they are wrong."""
    clean = sentences(count, seed)
    usual, rare = common_by_syllable(rare=False), common_by_syllable(rare=True)
    damages = {
        "the usual reading": usual,
        "any of the standard dictionary": standard_by_syllable(data) if data else {},
        "any reading": rare,
    }
    texts = {name: damage(clean, 0.10, seed + 1, alike) for name, alike in damages.items() if alike}
    print("| readings that count | " + " | ".join(f"swapped by {name}" for name in texts) + " | pairs taken for others |")
    print("|---|" + "---|" * len(texts) + "---|")
    for name, (share, fewest) in READINGS.items():
        with read_by(table(share, fewest)):
            first = spellings(words)
            truth = together(places(chats(clean), words, WAYS["exact"]), first)
            cells = []
            for text in texts.values():
                got = together(places(chats(text), words, WAYS["sound"]), first)
                recall, precision, _ = compare(truth, got).rates()
                cells.append(f"{recall:.1%} / {precision:.1%}")
            print(f"| {name} | " + " | ".join(cells) + f" | {mistaken(clean):.1f} |", flush=True)
    first = spellings(words)
    truth = together(places(chats(clean), words, WAYS["exact"]), first)
    got = together(places(chats(texts["any reading"]), words, WAYS["sound"]), first)
    print("\nMissed where any reading is swapped in, by the phrases in which its character is read so:")
    for name, found in lost(clean, texts["any reading"], truth, got).items():
        few = ", ".join(f"{old} as {new} ({syllable}, {n})" for (old, new, syllable), n in found.most_common(8))
        print(f"- {name}: {found.total()} swaps: {few}")


def lost(
    clean: Sequence[str], damaged: Sequence[str], truth: dict[str, dict[int, list[Span]]], got: dict[str, dict[int, list[Span]]]
) -> dict[str, Counter[tuple[str, str, str]]]:
    """The swaps (character, its replacement, syllable) for which words were missed, by how well the reading is attested."""
    from pypinyin import Style, lazy_pinyin

    seen = phrases_read()
    found: dict[str, Counter[tuple[str, str, str]]] = {"no phrase": Counter(), "one phrase": Counter(), "more": Counter()}
    for word, turns in truth.items():
        for turn, spans in turns.items():
            here = got[word].get(turn, [])
            for a, b in spans:
                if any(a < d and c < b for c, d in here):
                    continue
                syllables = lazy_pinyin(clean[turn], style=Style.NORMAL, errors=lambda run: list(run))[a:b]
                for old, new, syllable in zip(clean[turn][a:b], damaged[turn][a:b], syllables, strict=True):
                    if old != new and not _alike(normal_text(old), normal_text(new)):
                        count = seen[new][syllable]
                        found["no phrase" if not count else "one phrase" if count == 1 else "more"][old, new, syllable] += 1
    return found


# -- a recogniser's own mistakes --------------------------------------------------------------------------------


def heard(store: Path, truth: Path, words: Sequence[str]) -> Iterator[tuple[str, Tally, list[str], list[str]]]:
    """(way of matching, what came of it, wrong matches, words missed): what was said in recordings against the store's transcripts.

    A match is right where the truth has the word within 1.5 s of it, said by the same side where that is known. A wrong match
    is told with its call and the turn, and begins with = where the word stands there letter for letter.
    """
    rows = {row["call_id"]: row for row in Store(store).read("transcripts").to_pylist() if row["status"] == "ok"}
    said = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    calls = [(view(_timed(one)), view(rows[one["call_id"]])) for one in said if one["call_id"] in rows and one["turns"]]
    first = spellings(words)
    for name, way in WAYS.items():
        tally = Tally()
        wrongly: list[str] = []
        missed: list[str] = []
        for true, got in calls:
            right, found = _times(true, words, WAYS["exact"], first), _times(got, words, way, first)
            literal = _times(got, words, WAYS["exact"], first)
            for word, here in found.items():
                meant = right[word]
                lost = [a for a in meant if not any(_close(a, b) for b in here)]
                wrong = [b for b in here if not any(_close(a, b) for a in meant)]
                tally.add(word, len(meant) - len(lost), len(meant), len(wrong))
                missed += [f"{true.call_id} {a[1] / 1000:.1f} s {word}: {_said(got, a)}" for a in lost]
                wrongly += [
                    f"{'=' if b in literal[word] else '~'}{word} {true.call_id} {b[1] / 1000:.1f} s: {_said(got, b)}"
                    for b in wrong
                ]
        yield name, tally, wrongly, missed


def _said(call: Call, place: tuple[str, int, int]) -> str:
    """The turns of a transcript at a place."""
    near = [t.text for t in call.turns if t.start_ms < place[2] and t.end_ms > place[1] and t.role in (place[0], "unknown")]
    return " / ".join(near)


def _timed(one: dict[str, Any]) -> dict[str, Any]:
    return {"call_id": one["call_id"], "turns": one["turns"], "spans": [], "warnings": []}


def _times(
    call: Call, words: Sequence[str], way: Callable[[str], Term | None], first: dict[str, str]
) -> dict[str, list[tuple[str, int, int]]]:
    found: dict[str, list[tuple[str, int, int]]] = {}
    for word, turns in together(places(call, words, way), first).items():
        found[word] = [(call.turns[t].role, *call.turns[t].times(a, b)) for t, spans in turns.items() for a, b in spans]
    return found


def _close(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    same = one[0] == other[0] or "unknown" in (one[0], other[0])
    return same and one[1] - NEAR_MS < other[2] and other[1] - NEAR_MS < one[2]


# -- telling ----------------------------------------------------------------------------------------------------

LENGTHS: dict[str, Callable[[int], bool]] = {
    "all": lambda _: True,
    "2": lambda n: n == 2,
    "3": lambda n: n == 3,
    "4 to 6": lambda n: 4 <= n <= 6,
    "7 and more": lambda n: n >= 7,
}


def row(share: str, name: str, tally: Tally) -> str:
    cells = []
    for length in LENGTHS.values():
        recall, precision, there = tally.rates(length)
        cells.append(f"{recall:.1%} / {precision:.1%}" if there else "–")
    return f"| {share} | {name} | " + " | ".join(cells) + " |"


def worst(tally: Tally, most: int = 12) -> str:
    """The words that match wrongly most often."""
    wrong = sorted(((w[2], word) for word, w in tally.by_word.items() if w[2]), reverse=True)[:most]
    return ", ".join(f"{word} ({count})" for count, word in wrong) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=ROOT / "rules" / "ecommerce-zh")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path, help="transcripts of the recordings of --truth")
    parser.add_argument("--truth", type=Path, default=ROOT / "audio_samples" / "truth.jsonl")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--readings", action="store_true", help="compare tables of readings, and nothing else")
    parser.add_argument("--data", type=Path, help="folder with suite_pinyin/, for --readings")
    options = parser.parse_args()
    words = starter_words(options.pack)
    if options.readings:
        readings_compared(words, options.sentences, options.seed, options.data)
        return
    figures: dict[str, Any] = {"words": len(words), "sentences": options.sentences}
    print(f"{len(words)} words, {options.sentences} sentences. Recall / precision, by the words' length in characters.\n")
    print("| swapped | matching | " + " | ".join(LENGTHS) + " |\n|---|---|" + "---|" * len(LENGTHS))
    for share, name, tally in swapped(words, options.sentences, options.seed):
        print(row(share, name, tally), flush=True)
        figures[f"{name} {share}"] = tally.rates()[:2]
        if share == "0%" and name != "exact":
            figures[f"worst {name}"] = worst(tally)
    print("\nMatches wrongly most often on clean text:")
    print("".join(f"- {name}: {text}\n" for name, text in figures.items() if name.startswith("worst")))
    if options.store:
        print("\nWhat the recogniser heard:\n")
        print("| | matching | " + " | ".join(LENGTHS) + " |\n|---|---|" + "---|" * len(LENGTHS))
        told: dict[str, list[str]] = {}
        for name, tally, wrongly, missed in heard(options.store, options.truth, words):
            print(row("heard", name, tally), flush=True)
            figures[f"{name} heard"] = tally.rates()[:2]
            written = sum(one.startswith("=") for one in wrongly)
            hit, there, _ = (sum(r[i] for r in tally.by_word.values()) for i in range(3))
            figures[f"{name} heard, places"] = {
                "said": there,
                "found": hit,
                "wrong": len(wrongly),
                "wrong, but written so": written,
            }
            told[name] = [*wrongly, *(f"missed {one}" for one in missed)]
        print("\n| matching | said | found | wrong | of these written so | precision without these |\n|---|---|---|---|---|---|")
        for name in told:
            f = figures[f"{name} heard, places"]
            rest = f["found"] / (f["found"] + f["wrong"] - f["wrong, but written so"])
            print(f"| {name} | {f['said']} | {f['found']} | {f['wrong']} | {f['wrong, but written so']} | {rest:.1%} |")
        print("\nBy sound, wrong (= letter for letter, ~ by sound alone) and missed:")
        print("".join(f"- {one}\n" for one in told["sound"]))
    if options.json:
        options.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
