"""Words in a file: plain, as a pattern, from a list, by sound, nearly, as a whole sentence; how they match when they say so.

`FORMS` is the registry of how a word may be written; the reference page is made from it, and the tests run its examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from qc.packs.conditions import Term, TermKind
from qc.packs.nodes import Node
from qc.packs.patterns import BadPattern, compile_pattern
from qc.packs.reader import Reader, show, suggestion
from qc.packs.term_examples import FORM_EXAMPLES
from qc.text.entities import ENTITIES
from qc.text.normal import normal_text
from qc.text.sound import TOLERATE, in_order

MAX_WORD = 100
MAX_TERMS = 5_000
MAX_PACK_TERMS = 200_000
"""Words and patterns of all rules together, lists written out."""

MAX_PATTERNS = 1_000
"""Different patterns in a pack: one that many rules use is looked for once."""

MAX_COSTLY = 500
"""Different words matched nearly, and sentences, in a pack: each costs as much as a pattern."""

FUZZY_LENGTH = (4, 40)
SENTENCE_LENGTH = (4, 100)
_FUZZY = re.compile(r"fuzzy\s+(0\.[0-9]{1,2})")
_PATTERN = re.compile("/.+/", re.DOTALL)
_SAID = re.compile("[0-9A-Za-z\u4e00-\u9fff]")
"""Characters that surely leave something in the normal form."""


@dataclass(frozen=True)
class How:
    """How words match that do not say so themselves."""

    kind: TermKind = "word"
    tolerate: tuple[str, ...] = ()
    percent: int = 100


def read_how(reader: Reader, fields: dict[str, Node]) -> How | None:
    """What `match` and `tolerate` say; None where neither is there."""
    if "match" not in fields:
        if "tolerate" in fields:
            reader.problem(fields["tolerate"], "`tolerate` needs `match: sound`", "add it, or leave `tolerate` out")
        return None
    node = fields["match"]
    said = " ".join(node.text.split()) if node.kind == "text" else ""
    fuzzy = _FUZZY.fullmatch(said)
    if "tolerate" in fields and said != "sound":
        reader.problem(fields["tolerate"], "`tolerate` needs `match: sound`", "sounds are compared nowhere else")
    if said == "exact":
        return How("exact")
    if said == "sound":
        return How("sound", _read_tolerate(reader, fields["tolerate"]) if "tolerate" in fields else ())
    if fuzzy and float(fuzzy.group(1)) >= 0.7:
        return How("fuzzy", percent=_percent(fuzzy.group(1)))
    hint = "write exact, sound, or fuzzy with a similarity from 0.70 to 0.99, for example fuzzy 0.85"
    reader.problem(node, f"`match` cannot be {show(node)}", hint)
    return None


def _percent(said: str) -> int:
    return int(said[2:].ljust(2, "0"))


def _read_tolerate(reader: Reader, node: Node) -> tuple[str, ...]:
    if node.kind == "text" and node.text == "all":
        return TOLERATE
    return in_order(reader.choice(item, TOLERATE, "`tolerate`") for item in reader.items(node, "`tolerate`", len(TOLERATE)))


def read_terms(reader: Reader, node: Node, what: str, how: How | None = None, *, as_list: bool = False) -> tuple[Term, ...]:
    """Terms, references to lists resolved, doubles dropped. `as_list`: a word list, whose `exact` words stay so marked."""
    found: dict[Term, None] = {}
    for item in reader.items(node, what):
        for term in _read_item(reader, item, what):
            fit = term if as_list else _as_asked(reader, item, term, how)
            if fit is not None:
                found[fit] = None
    if len(found) > MAX_TERMS:
        reader.problem(node, f"{what} has more than {MAX_TERMS} words", "split it")
    reader.terms_read += len(found)
    if reader.terms_read > MAX_PACK_TERMS:
        _too_many(reader, node, f"the rules hold more than {MAX_PACK_TERMS} words in all, lists written out")
        return ()
    return tuple(found)


def _as_asked(reader: Reader, node: Node, term: Term, how: How | None) -> Term | None:
    """The term as the condition wants it matched. None, and a problem, where that cannot be."""
    if term.kind == "word" and how is not None:
        term = replace(term, kind=how.kind, tolerate=how.tolerate, percent=how.percent)
    if term.kind == "exact":
        return replace(term, kind="word")
    if term.kind not in ("sound", "fuzzy", "similar"):
        return term
    size = len(normal_text(term.text))
    if term.kind == "sound" and size < 2:
        reader.problem(
            node,
            f"{term.text!r} is one syllable, which sounds like too much else",
            f"write a longer phrase, or {{word: {term.text}, match: exact}}",
        )
        return None
    if term.kind == "fuzzy" and not FUZZY_LENGTH[0] <= size <= FUZZY_LENGTH[1]:
        reader.problem(
            node,
            f"{term.text!r} has {size} characters; only {FUZZY_LENGTH[0]} to {FUZZY_LENGTH[1]} can be matched nearly",
            f"use {{word: {term.text}, match: sound}}" if size < FUZZY_LENGTH[0] else "write the part that matters",
        )
        return None
    if term.kind in ("fuzzy", "similar"):
        reader.costly.add(term)
        if len(reader.costly) > MAX_COSTLY:
            _too_many(reader, node, f"more than {MAX_COSTLY} words are matched nearly or as sentences")
            return None
    return term


def _too_many(reader: Reader, node: Node, message: str) -> None:
    """Said once: what comes after is too many as well."""
    if not any(problem.message == message for problem in reader.problems):
        reader.problem(node, message, "make two packs of them")


def _read_item(reader: Reader, node: Node, what: str) -> tuple[Term, ...]:
    if node.kind != "map":
        term = _plain(reader, node, what)
        return () if term is None else (term,)
    heads = [key for key, _ in node.pairs if key.text in _MAPS]
    if len(heads) != 1:
        place = node.pairs[0][0] if node.pairs else node
        reader.problem(place, f"each of {what} must be a word", "or one of: " + ", ".join(f"{{{name}: …}}" for name in _MAPS))
        return ()
    name = heads[0].text
    keys = tuple(key for key in FORMS[name].keys)
    fields = reader.fields(node, (name, *keys), (name,), f"`{name}`")
    return _MAPS[name](reader, fields, what) if name in fields else ()


def _listed(reader: Reader, fields: dict[str, Node], what: str) -> tuple[Term, ...]:
    found: list[Term] = []
    for name in reader.items(fields["list"], "list"):
        if name.kind == "text" and name.text in reader.lists:
            found.extend(reader.lists[name.text])
        else:
            hint = suggestion(name.text, reader.lists) if reader.lists else "make the file lists/NAME.yaml in the pack's folder"
            reader.problem(name, f"there is no word list {show(name)}", hint)
    return tuple(found)


def _worded(reader: Reader, fields: dict[str, Node], what: str) -> tuple[Term, ...]:
    term = _plain(reader, fields["word"], what)
    how = read_how(reader, fields) or How()
    if term is None:
        return ()
    if term.kind == "pattern":
        reader.problem(fields["word"], "a pattern matches as it is written", "write it without `word:`")
        return ()
    return (replace(term, kind=how.kind, tolerate=how.tolerate, percent=how.percent),)


def _sentence(reader: Reader, fields: dict[str, Node], what: str) -> tuple[Term, ...]:
    node = fields["similar"]
    text = reader.text(node, "`similar`")
    size = len(normal_text(text))
    if text and not SENTENCE_LENGTH[0] <= size <= SENTENCE_LENGTH[1]:
        reader.problem(
            node, f"the sentence has {size} characters", f"write one of {SENTENCE_LENGTH[0]} to {SENTENCE_LENGTH[1]} characters"
        )
        return ()
    least = reader.number(fields["at_least"], "`at_least`", 0.5, 1) if "at_least" in fields else 0.75
    return (Term("similar", text, percent=round(least * 100)),) if text else ()


def _entity(reader: Reader, fields: dict[str, Node], what: str) -> tuple[Term, ...]:
    chosen = (reader.choice(item, tuple(ENTITIES), "`entity`") for item in reader.items(fields["entity"], "`entity`", 20))
    return tuple(Term("entity", name) for name in chosen)


def _plain(reader: Reader, node: Node, what: str) -> Term | None:
    """A word, or a pattern between slashes."""
    text = reader.text(node, f"each of {what}")
    if not text:
        return None
    if len(text) > 2 and _PATTERN.fullmatch(text):
        return _pattern(reader, node, text[1:-1])
    separator = next((c for c in ",，、;；|/" if c in text), "")
    if separator:
        several = ", ".join(part.strip() for part in re.split(r"[,，、;；|/]", text) if part.strip())
        reader.problem(
            node,
            f"{show(node)} is read as one phrase, for all its {separator!r}",
            "write one a line (Alt+Enter)" if node.cell else f"write [{several}] for any of them",
        )
        return None
    if not _SAID.search(text) and not normal_text(text):
        reader.problem(node, f"{show(node)} holds nothing that can be said", "write words")
        return None
    if len(text) > MAX_WORD:
        reader.problem(node, f"a word is longer than {MAX_WORD} characters", "keep the shortest part that cannot be mistaken")
        return None
    return Term("word", text)


def _pattern(reader: Reader, node: Node, text: str) -> Term | None:
    if text not in reader.patterns:
        if len(reader.patterns) >= MAX_PATTERNS:
            _too_many(reader, node, f"there are more than {MAX_PATTERNS} patterns")
            return None
        reader.patterns[text] = _wrong(text)
    wrong = reader.patterns[text]
    if wrong is not None:
        reader.problem(node, wrong.message, wrong.hint)
        return None
    return Term("pattern", text)


def _wrong(pattern: str) -> BadPattern | None:
    try:
        compile_pattern(pattern)
    except BadPattern as bad:
        return bad
    return None


def write_terms(terms: tuple[Term, ...]) -> list[Any]:
    """Terms as plain data that `read_terms` reads back to equal ones."""
    return [_write(term) for term in terms]


def _write(term: Term) -> Any:
    if term.kind == "pattern":
        return f"/{term.text}/"
    if term.kind == "entity":
        return {"entity": term.text}
    if term.kind == "similar":
        return {"similar": term.text, "at_least": term.percent / 100}
    if term.kind == "fuzzy":
        return {"word": term.text, "match": f"fuzzy 0.{term.percent:02d}"}
    if term.kind == "sound":
        plain: dict[str, Any] = {"word": term.text, "match": "sound"}
        return plain | ({"tolerate": list(term.tolerate)} if term.tolerate else {})
    return term.text


@dataclass(frozen=True)
class Form:
    """A way to write a word: `keys` beside its own (name to meaning in zh, en), an example of each verdict, a bad one."""

    zh: str
    en: str
    keys: dict[str, tuple[str, str]]
    example: str
    bad: str


_HOW_KEYS = {
    "match": (
        "怎么匹配：exact 照写（默认），sound 同音，fuzzy 0.85 编辑相似度",
        "how it matches: exact (as written, the default), sound, or fuzzy 0.85",
    ),
    "tolerate": (
        "同音时不分的音，或 all：" + "、".join(TOLERATE),
        "with sound: pairs taken for the same, or all: " + ", ".join(TOLERATE),
    ),
}

FORMS: dict[str, Form] = {
    "word": Form(
        "一个词，单独说明怎么匹配。写在条件旁边的 `match` 管这个条件里的所有词（包括 `except`、`unless`），写在词上的只管这个词。"
        "sound：不看声调，每个字与写的字有同样的读音（多音字任一常用读音都算，字母和数字照写），至少两个字；"
        "fuzzy：话里有一段，与这个词的编辑相似度 1 − 编辑距离 ÷ 较长者的字数，不低于这个数，4 到 40 个字；重叠的取最像的。模式不受 `match` 影响。",
        "A word that says how it matches. `match` beside a condition is for all its words (`except` and `unless` too), on a word "
        "for that word alone. sound: tones aside, every character shares a reading with the one written (any common reading of a "
        "polyphone counts; letters and digits as they are), two characters or more. fuzzy: a part of the turn has an edit "
        "similarity, 1 − edit distance ÷ length of the longer, at or above the number; 4 to 40 characters; of parts that overlap "
        "the most similar counts. Patterns are left alone by `match`.",
        dict(_HOW_KEYS),
        FORM_EXAMPLES["word"].good,
        FORM_EXAMPLES["word"].bad,
    ),
    "similar": Form(
        "整句话与这句话相似：编辑相似度不低于 `at_least`（0.5 到 1，默认 0.75）。句子 4 到 100 个字。",
        "The whole turn is close to this sentence: edit similarity at or above `at_least` (0.5 to 1, 0.75 when left out). The "
        "sentence has 4 to 100 characters.",
        {"at_least": ("至少多相似", "how similar at least")},
        FORM_EXAMPLES["similar"].good,
        FORM_EXAMPLES["similar"].bad,
    ),
    "entity": Form(
        "有固定样子的东西，说出来的数字也算（幺三八……、三个工作日）："
        + "；".join(f"`{n}` {e.zh}" for n, e in ENTITIES.items())
        + "。",
        "What has a form of its own, spoken digits too: " + "; ".join(f"`{n}`: {e.en}" for n, e in ENTITIES.items()) + ".",
        {},
        FORM_EXAMPLES["entity"].good,
        FORM_EXAMPLES["entity"].bad,
    ),
    "list": Form(
        "一个词表里的所有词。词表在 pack.yaml 的 `lists` 里，或在 lists/ 里：名字.yaml；名字.txt，一行一个，# 开头的行不算；"
        "CSV 或 XLSX，每一列是一个词表，第一行是名字。",
        "All words of a list, from `lists` in pack.yaml or from the folder lists/: NAME.yaml; NAME.txt, a word a line, lines that begin "
        "with # left out; CSV or XLSX, where every column is a list, named in the first row.",
        {},
        "",
        FORM_EXAMPLES["list"].bad,
    ),
}
_MAPS: dict[str, Callable[[Reader, dict[str, Node], str], tuple[Term, ...]]] = {
    "word": _worded,
    "similar": _sentence,
    "entity": _entity,
    "list": _listed,
}
