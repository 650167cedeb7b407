"""Words that a pack might want: those that separate bad calls from good ones, and variants of its words that nobody listed.

Separating words: log-odds of occurring in a bad call against a good one, with an informative Dirichlet prior (Monroe,
Colaresi & Quinn 2008, «Fightin' Words», Political Analysis 16), counted once a call, with 95 % interval. Candidates are runs
of 2 to 6 Chinese characters and 1 to 3 words of spelled scripts, in normal form, level by level: a run is counted only where
its parts are frequent enough, so memory stays bounded. Variants: written with other characters of the same sound, of nearly
the same sound (every pair of `TOLERATE`), or, in words of four characters and more, with any one character different: of
shorter words nearly everything is one character apart.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from qc.errors import UsageError
from qc.packs.conditions import Term
from qc.packs.model import Pack
from qc.packs.sheets import read_sheets
from qc.store import Store
from qc.text.normal import normal_text
from qc.text.redact import MASK, redact_turns
from qc.text.sound import TOLERATE, sounds_like

MAX_CALLS = 5_000
"""Calls looked at: with labels those labelled, else the first in order of the digest of their ids."""

HOW = ("same sound", "nearly the same sound", "one character apart")
APART = 4
"""Characters from which on a word may differ in one of them."""

MIN_CALLS = 3
MAX_RUN, MAX_WORDS = 6, 3
PRIOR = 1.0
"""Calls' worth of prior for each candidate, spread as the candidate is over all labelled calls."""

_Z = NormalDist().inv_cdf(0.975)
_PIECES = re.compile(r"[\u3400-\u9fff]+|[a-z0-9][a-z0-9' ]*")
_BAD = {"bad", "1", "坏", "差", "不合格", "违规", "yes", "true", "是", "hit"}
_GOOD = {"good", "0", "好", "合格", "正常", "no", "false", "否", "miss"}


@dataclass(frozen=True)
class Separating:
    """A phrase that occurs more in bad calls. `bad`, `good`: calls with it; `log_odds` with its 95 % interval; an example."""

    phrase: str
    bad: int
    good: int
    log_odds: float
    low: float
    high: float
    example: str


@dataclass(frozen=True)
class Variant:
    """Something said that is nearly a listed word. `how`: one of `HOW`; `rules`: those with the word."""

    word: str
    variant: str
    how: str
    calls: int
    rules: tuple[str, ...]
    example: str


@dataclass(frozen=True)
class Suggestions:
    """The whole. `bad`, `good`: labelled calls that have a transcript; `calls`: calls looked through for variants."""

    bad: int
    good: int
    calls: int
    separating: tuple[Separating, ...]
    variants: tuple[Variant, ...]

    def as_dict(self) -> dict[str, Any]:
        """The suggestions as data."""
        return asdict(self)

    def paste(self) -> str:
        """The suggestions as YAML to paste under `says:` or into a word list, each with its reason behind a #."""
        lines = ["# more in bad calls than in good ones"] if self.separating else []
        lines += [f"- {_yaml(s.phrase)}   # {s.bad} bad, {s.good} good, log-odds {s.log_odds:.1f}" for s in self.separating]
        lines += ["# variants of listed words"] if self.variants else []
        lines += [
            f"- {_yaml(v.variant)}   # {v.word}: {v.how}, {v.calls} calls ({', '.join(v.rules[:3])})" for v in self.variants
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class SuggestOptions:
    """`role`: whose words; `top`: how many of each; `redact`: personal data in examples is masked."""

    role: str = "agent"
    top: int = 30
    redact: bool = False


def _yaml(text: str) -> str:
    return (
        text
        if re.fullmatch(r"[^\W\d_][\w ]*", text) and text not in ("yes", "no", "true", "false", "null", "on", "off")
        else f"'{text}'"
    )


def read_labels(path: Path) -> dict[str, bool]:
    """Call id to whether it is bad, from a CSV or XLSX with the columns call_id and label (bad or good). Raises UsageError."""
    rows = [[cell.text for cell in row] for sheet in read_sheets(path)[:1] for row in sheet.rows if row]
    if not rows:
        raise UsageError("the file of labels is empty", where=str(path), hint="columns call_id and label")
    heads = [head.casefold() for head in rows[0]]
    at = [
        next((i for i, head in enumerate(heads) if head in names), None)
        for names in (("call_id", "call", "id", "通话"), ("label", "标签", "结论"))
    ]
    if at[0] is None or at[1] is None:
        raise UsageError("the labels need the columns call_id and label", where=str(path), hint="label: bad or good")
    found = {}
    for number, row in enumerate(rows[1:], 2):
        call_id, label = ((row[i] if i is not None and i < len(row) else "") for i in at)
        if label.casefold() not in _BAD | _GOOD:
            raise UsageError(
                f"{label[:40]!r} is no label", where=f"{path}:{number}", hint="write bad or good (1 or 0, 不合格 or 合格)"
            )
        found[call_id] = label.casefold() in _BAD
    if len(set(found.values())) < 2:
        raise UsageError("the labels are all alike", where=str(path), hint="label some calls bad and some good")
    return found


def suggest(
    store: Store, labels: Mapping[str, bool] | None, pack: Pack | None, options: SuggestOptions | None = None
) -> Suggestions:
    """Words that separate the labelled calls, and variants of the pack's words. Either may be left out."""
    chosen = options or SuggestOptions()
    calls = dict(_calls(store, labels, chosen))
    terms = list(_terms(pack)) if pack else []
    known = {normal_text(term.text) for term, _ in terms}
    separating: tuple[Separating, ...] = ()
    bad = [c for c in calls if labels and labels[c]]
    good = [c for c in calls if labels and not labels[c]]
    if labels:
        if not bad or not good:
            raise UsageError("of the labelled calls the store has only good or only bad ones", hint="check the call ids")
        separating = _separating([calls[c] for c in bad], [calls[c] for c in good], known, chosen.top)
    return Suggestions(len(bad), len(good), len(calls), separating, _variants(calls, terms, known, chosen.top))


def _calls(
    store: Store, labels: Mapping[str, bool] | None, options: SuggestOptions
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Call id and its turns by the role: (normal form, as shown). At most `MAX_CALLS`."""
    import hashlib

    import pyarrow as pa
    import pyarrow.compute as pc

    ids = store.read("transcripts", ["call_id"])["call_id"].to_pylist()
    if labels is not None:
        ids = [call_id for call_id in ids if call_id in labels]
    ids.sort(key=lambda call_id: hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest())
    wanted = pa.array(sorted(ids[:MAX_CALLS]), pa.string())
    for batch in store.batches("transcripts", ("call_id", "turns")):
        for row in batch.filter(pc.is_in(batch["call_id"], wanted)).to_pylist():
            turns = row["turns"] or []
            yield row["call_id"], list(_pieces(turns, redact_turns(turns), options))


def _pieces(turns: Sequence[Mapping[str, Any]], masked: Sequence[str], options: SuggestOptions) -> Iterator[tuple[str, str]]:
    """What the role says, between personal data, which is never a word for a rule: (normal form, the turn as shown)."""
    for turn, hidden in zip(turns, masked, strict=True):
        if options.role in ("anyone", turn["role"]) and not turn["flags"]:
            shown = hidden if options.redact else turn["text"] or ""
            yield from ((normal_text(piece), shown) for piece in hidden.split(MASK) if piece)


def _terms(pack: Pack) -> Iterator[tuple[Term, str]]:
    """The words of the pack's rules and the rule that each is in."""

    def walk(value: Any) -> Iterator[Term]:
        if isinstance(value, Term):
            yield value
        elif dataclasses.is_dataclass(value):
            for part in dataclasses.fields(value):
                yield from walk(getattr(value, part.name))
        elif isinstance(value, tuple):
            for item in value:
                yield from walk(item)

    for rule in pack.rules:
        for term in walk(rule.when):
            if term.kind in ("word", "sound", "fuzzy"):
                yield term, rule.id


# -- words that separate ----------------------------------------------------------------------------------------------

_Call = Sequence[tuple[str, str]]


def _runs(text: str, size: int) -> Iterator[str]:
    """Runs of `size` units: characters of Chinese, words of spelled scripts (from one word on)."""
    for piece in _PIECES.findall(text):
        if piece[0] >= "\u3400":
            if size >= 2:
                yield from (piece[i : i + size] for i in range(len(piece) - size + 1))
        elif size <= MAX_WORDS:
            words = piece.split()
            yield from (" ".join(words[i : i + size]) for i in range(len(words) - size + 1))


def _parts(run: str) -> tuple[str, str]:
    words = run.split(" ")
    return (run[:-1], run[1:]) if run[0] >= "\u3400" else (" ".join(words[:-1]), " ".join(words[1:]))


def _counts(calls: Iterable[_Call], size: int, frequent: set[str] | None) -> Counter[str]:
    """In how many calls each run of the size occurs; with `frequent`, only runs both of whose parts are in it."""
    counts: Counter[str] = Counter()
    for call in calls:
        found = {run for text, _ in call for run in _runs(text, size)}
        if frequent is not None:
            found = {run for run in found if (size == 2 and run[0] >= "\u3400") or all(part in frequent for part in _parts(run))}
        counts.update(found)
    return counts


def _separating(bad: Sequence[_Call], good: Sequence[_Call], known: set[str], top: int) -> tuple[Separating, ...]:
    counts: dict[str, tuple[int, int]] = {}
    frequent: set[str] | None = None
    for size in range(1, MAX_RUN + 1):
        b, g = _counts(bad, size, frequent), _counts(good, size, frequent)
        frequent = {run for run in {*b, *g} if b[run] + g[run] >= MIN_CALLS}
        counts.update((run, (b[run], g[run])) for run in frequent)
    scored = []
    for run, (in_bad, in_good) in counts.items():
        odds, low, high = log_odds(in_bad, len(bad), in_good, len(good))
        if low > 0 and not any(word in run for word in known if word):
            scored.append((odds, low, high, run))
    scored.sort(key=lambda s: (-s[1], -len(s[3]), s[3]))
    kept: list[Separating] = []
    for odds, low, high, run in scored:
        if any(run in s.phrase or s.phrase in run for s in kept):
            continue
        shown = next(shown for call in bad for text, shown in call if run in text)
        kept.append(Separating(run, *counts[run], round(odds, 3), round(low, 3), round(high, 3), shown[:120]))
        if len(kept) == top:
            break
    return tuple(kept)


def log_odds(a: int, n: int, b: int, m: int) -> tuple[float, float, float]:
    """Log-odds ratio of a of n against b of m, drawn towards none by `PRIOR`, and its 95 % interval."""
    share = (a + b) / (n + m)
    prior = PRIOR * share, PRIOR * (1 - share) + 1e-9
    x, y = a + prior[0], b + prior[0]
    not_x, not_y = n - a + prior[1], m - b + prior[1]
    odds = math.log(x / not_x) - math.log(y / not_y)
    error = math.sqrt(1 / x + 1 / not_x + 1 / y + 1 / not_y)
    return odds, odds - _Z * error, odds + _Z * error


# -- variants ---------------------------------------------------------------------------------------------------------


def _variants(calls: Mapping[str, _Call], terms: Sequence[tuple[Term, str]], known: set[str], top: int) -> tuple[Variant, ...]:
    rules: dict[str, set[str]] = {}
    for term, rule in terms:
        word = normal_text(term.text)
        if 2 <= len(word) <= 12 and all(c >= "\u3400" for c in word):
            rules.setdefault(word, set()).add(rule)
    index: dict[str, list[str]] = {}
    for word in rules:
        for char in sounds_like(word[0], TOLERATE):
            index.setdefault(char, []).append(word)
    by_rest: dict[str, list[str]] = {}
    for word in rules:
        if len(word) >= APART:
            by_rest.setdefault(word[1:3], []).append(word)
    sounds = {(word, term.tolerate) for term, _ in terms if term.kind == "sound" for word in [normal_text(term.text)]}
    found: dict[tuple[str, str, str], set[str]] = {}
    examples: dict[tuple[str, str, str], str] = {}
    for call_id, turns in calls.items():
        for text, shown in turns:
            for key in _in_text(text, index, by_rest):
                if key[1] not in known and not any(_heard(key[1], word, pairs) for word, pairs in sounds):
                    found.setdefault(key, set()).add(call_id)
                    examples.setdefault(key, shown[:120])
    listed = sorted(found, key=lambda k: (HOW.index(k[2]), -len(found[k]), k))
    return tuple(
        Variant(word, variant, how, len(found[word, variant, how]), tuple(sorted(rules[word])), examples[word, variant, how])
        for word, variant, how in listed[:top]
    )


def _heard(variant: str, word: str, tolerate: tuple[str, ...]) -> bool:
    """A word that is matched by sound already knows the variant."""
    return len(variant) == len(word) and all(v in sounds_like(w, tolerate) for v, w in zip(variant, word, strict=True))


def _in_text(
    text: str, index: Mapping[str, Sequence[str]], by_rest: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, str]]:
    for at, char in enumerate(text):
        for word in index.get(char, ()):
            yield from _compare(word, text[at : at + len(word)])
        for word in by_rest.get(text[at + 1 : at + 3], ()):
            if char not in sounds_like(word[0], TOLERATE):
                yield from _compare(word, text[at : at + len(word)])


def _compare(word: str, said: str) -> Iterator[tuple[str, str, str]]:
    if len(said) < len(word) or said == word:
        return
    differ = [i for i, (a, b) in enumerate(zip(word, said, strict=True)) if a != b]
    for how, tolerate in ((HOW[0], ()), (HOW[1], TOLERATE)):
        if all(said[i] in sounds_like(word[i], tolerate) for i in differ):
            yield word, said, how
            return
    if len(differ) == 1 and len(word) >= APART and said[differ[0]] >= "\u3400":
        yield word, said, HOW[2]
