"""How conditions are written: one registry, `CONDITIONS`, from the word in the file to how it is read and written back.

To add a condition: a dataclass in `conditions.py`, its syntax here (keys, reader, writer, examples), its evaluator in
`qc.scan.conditions`, one line in each registry. The reference page is made from this file, and the tests ask it for a
hit, a miss, an undecided and a bad example of each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qc.packs.conditions import (
    WHO,
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    Interruption,
    Near,
    NeverSays,
    Not,
    NotNear,
    Says,
    Silence,
    Term,
    Then,
)
from qc.packs.examples import EXAMPLES
from qc.packs.grammar import Key, Syntax
from qc.packs.measures import MEASURES
from qc.packs.names import MAX_NESTING, refer
from qc.packs.nodes import Node
from qc.packs.places import read_near, read_not_near, read_then, read_window, write_pair, write_then, write_window
from qc.packs.reader import Reader, meant, suggestion
from qc.packs.terms import FORMS, How, read_how, read_terms, write_terms

MAX_PARTS = 50


def read_condition(reader: Reader, node: Node, depth: int = 0) -> Condition:
    """The condition at `node`; problems go to the reader."""
    nothing = Says(terms=())
    if depth > MAX_NESTING:
        reader.problem(node, f"conditions are nested deeper than {MAX_NESTING} levels", "make two rules of it")
        return nothing
    if node.kind == "text" and node.text:
        return refer(reader, node, depth)
    if node.kind != "map":
        reader.problem(
            node, "a condition is `key: value` lines", "for example `says: [尽快, 尽早]`; several go under `all:` or `any:`"
        )
        return nothing
    heads = [key for key, _ in node.pairs if key.text in CONDITIONS]
    if not heads:
        form = next((key for key, _ in node.pairs if key.text in FORMS), None)
        if form is not None:
            reader.problem(form, "there is no condition here", f"write `says: {{{form.text}: …}}`, or `never_says:`")
            return nothing
        near = next((key for key, _ in node.pairs if meant(key.text, CONDITIONS)), None)
        place = near or (node.pairs[0][0] if node.pairs else node)
        reader.problem(place, "there is no condition here", suggestion(place.text, CONDITIONS))
        if near is None:
            return nothing
        right = replace(near, text=meant(near.text, CONDITIONS))  # to tell what else is wrong with it
        return read_condition(reader, replace(node, pairs=tuple((right if k is near else k, v) for k, v in node.pairs)), depth)
    if len(heads) > 1:
        reader.problem(heads[1], f"`{heads[0].text}` and `{heads[1].text}` stand side by side", "put each under `all:` or `any:`")
        return nothing
    name = heads[0].text
    syntax = CONDITIONS[name]
    if name in _INSIDE:
        return _read_inside(reader, node, name, depth)
    fields = reader.fields(_without_strays(reader, node, name), (name, *(key.name for key in syntax.keys)), what=f"`{name}`")
    return syntax.read(reader, fields, depth) if name in fields else nothing


def _without_strays(reader: Reader, node: Node, name: str) -> Node:
    """The node without `who` and the like beside `all:` and its kind: each of the conditions below says that for itself."""
    if name in ("says", "never_says"):
        return node
    own = {name, *(key.name for key in CONDITIONS[name].keys)}
    strays = [key for key, _ in node.pairs if key.text not in own and key.text in _OF_WORDS]
    for key in strays:
        hint = f"write `{key.text}` in each condition under `{name}:`, for example `- {{who: agent, says: [尽快]}}`"
        reader.problem(key, f"`{key.text}` stands beside `{name}:`", hint)
    return replace(node, pairs=tuple(pair for pair in node.pairs if pair[0] not in strays)) if strays else node


def _read_inside(reader: Reader, node: Node, name: str, depth: int) -> Condition:
    """A condition whose keys stand inside its value; keys that stand beside it are a common slip."""
    fields: dict[str, Node] = {}
    for key, value in node.pairs:
        if key.text == name:
            fields.setdefault(name, value)
        else:
            known = ", ".join(inner.name for inner in CONDITIONS[name].keys)
            reader.problem(
                key, f"`{key.text}` stands beside `{name}:`", f"inside it go {known}: `{name}: {{{known.split(', ')[0]}: …}}`"
            )
    return CONDITIONS[name].read(reader, fields, depth)


def write_condition(condition: Condition) -> dict[str, Any]:
    """The condition as plain data that `read_condition` reads back to an equal one."""
    name = NAMES[type(condition)]
    return CONDITIONS[name].write(condition)


# -- words ------------------------------------------------------------------------------------------------------


def _who(reader: Reader, fields: dict[str, Node], key: str = "who") -> Any:
    return reader.choice(fields[key], WHO, f"`{key}`") if key in fields else "anyone"


def _terms(reader: Reader, fields: dict[str, Node], key: str, how: How | None = None) -> tuple[Term, ...]:
    return read_terms(reader, fields[key], f"`{key}`", how) if key in fields else ()


def _are(count: int, what: str) -> str:
    return f"is 1 {what}" if count == 1 else f"are {count} {what}s"


def _times(reader: Reader, fields: dict[str, Node]) -> int:
    return reader.integer(fields["times"], "`times`", 1, 1000) if "times" in fields else 1


def _read_says(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    how = read_how(reader, fields)
    terms = _terms(reader, fields, "says", how)
    need = 1
    if "need" in fields:
        said = fields["need"].text
        words = {"any": 1, "all": -1}
        need = words[said] if said in words else reader.integer(fields["need"], "`need` (any, all, or how many)", 1, 1000)
        if terms and need > len(terms):
            reader.problem(
                fields["need"], f"`need: {need}`, but there {_are(len(terms), 'word')}", "lower it, or write more words"
            )
    return Says(
        terms=terms,
        who=_who(reader, fields),
        window=read_window(reader, fields["in"], depth) if "in" in fields else None,
        unless=_terms(reader, fields, "unless", how),
        except_=_terms(reader, fields, "except", how),
        need=need,
        times=_times(reader, fields),
    )


def _read_never(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    how = read_how(reader, fields)
    return NeverSays(
        terms=_terms(reader, fields, "never_says", how),
        who=_who(reader, fields),
        window=read_window(reader, fields["in"], depth) if "in" in fields else None,
        except_=_terms(reader, fields, "except", how),
    )


def _write_words(head: str, condition: Says | NeverSays) -> dict[str, Any]:
    plain: dict[str, Any] = {head: write_terms(condition.terms)}
    if condition.who != "anyone":
        plain["who"] = condition.who
    if condition.window is not None:
        plain["in"] = write_window(condition.window)
    if condition.except_:
        plain["except"] = write_terms(condition.except_)
    if isinstance(condition, Says):
        if condition.unless:
            plain["unless"] = write_terms(condition.unless)
        if condition.need != 1:
            plain["need"] = "all" if condition.need == -1 else condition.need
        if condition.times != 1:
            plain["times"] = condition.times
    return plain


# -- time -------------------------------------------------------------------------------------------------------


def _inside(reader: Reader, fields: dict[str, Node], name: str) -> dict[str, Node]:
    known = tuple(key.name for key in CONDITIONS[name].keys)
    required = tuple(key.name for key in CONDITIONS[name].keys if not key.default)
    return reader.fields(fields[name], known, required, f"`{name}`")


def _read_silence(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _inside(reader, fields, "silence")
    longer = reader.duration_ms(inner["longer_than"], "`longer_than`", 500) if "longer_than" in inner else 500
    return Silence(
        longer_than_ms=longer,
        before=_who(reader, inner, "before"),
        after=_who(reader, inner, "after"),
        except_after=_terms(reader, inner, "except_after"),
        times=_times(reader, inner),
    )


def _write_silence(condition: Silence) -> dict[str, Any]:
    plain: dict[str, Any] = {"longer_than": f"{condition.longer_than_ms} ms"}
    if condition.before != "anyone":
        plain["before"] = condition.before
    if condition.after != "anyone":
        plain["after"] = condition.after
    if condition.except_after:
        plain["except_after"] = write_terms(condition.except_after)
    if condition.times != 1:
        plain["times"] = condition.times
    return {"silence": plain}


def _read_interruption(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    inner = _inside(reader, fields, "interruption")
    return Interruption(
        by=_who(reader, inner, "by"),
        after_ms=reader.duration_ms(inner["after"], "`after`") if "after" in inner else 1000,
        overlap_ms=reader.duration_ms(inner["overlap"], "`overlap`", 100) if "overlap" in inner else 1000,
        times=_times(reader, inner),
    )


def _write_interruption(condition: Interruption) -> dict[str, Any]:
    plain: dict[str, Any] = {"by": condition.by, "after": f"{condition.after_ms} ms", "overlap": f"{condition.overlap_ms} ms"}
    if condition.times != 1:
        plain["times"] = condition.times
    return {"interruption": plain}


# -- combining --------------------------------------------------------------------------------------------------


def _parts(reader: Reader, node: Node, name: str, depth: int) -> tuple[Condition, ...]:
    if node.kind != "list":
        reader.problem(node, f"`{name}` must be a list of conditions", "begin each with `- `")
        return ()
    return tuple(read_condition(reader, item, depth + 1) for item in reader.items(node, f"`{name}`", MAX_PARTS))


def _read_all(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    return AllOf(_parts(reader, fields["all"], "all", depth))


def _read_at_least(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    parts = _parts(reader, fields["of"], "of", depth) if "of" in fields else ()
    if "of" not in fields:
        reader.problem(fields["at_least"], "`at_least` needs `of:`", "write the conditions under `of:`, each after `- `")
    count = reader.integer(fields["at_least"], "`at_least`", 1, MAX_PARTS)
    if parts and count > len(parts):
        reader.problem(
            fields["at_least"], f"`at_least: {count}`, but there {_are(len(parts), 'condition')}", "lower it, or write more"
        )
    return AtLeast(count, parts)


def _read_any(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    return AnyOf(_parts(reader, fields["any"], "any", depth))


def _read_not(reader: Reader, fields: dict[str, Node], depth: int) -> Condition:
    if fields["not"].kind == "list":
        hint = "write it without `- `" if len(fields["not"].items) < 2 else "put them under `any:` (none of them) or `all:`"
        reader.problem(fields["not"], "`not` takes one condition", hint)
        return Not(Says(terms=()))
    return Not(read_condition(reader, fields["not"], depth + 1))


_WHO_KEY = Key("who", "谁说的：agent 客服，customer 客户，anyone 任何人", "who says it: agent, customer or anyone", "anyone")
_IN_KEY = Key(
    "in",
    "通话的哪一段：first 15 s、last 20 s、first 3 turns、last 2 turns of agent（从第一句话开始算，到最后一句话为止，等待音不算）；"
    "或另一个条件的旁边：3 turns after NAME、10 s before NAME、5 s around every NAME、after the first NAME、after the 2nd NAME，见「在哪里」",
    "which part of the call: first 15 s, last 20 s, first 3 turns, last 2 turns of agent (from the first speech to the last, ringing "
    "left out); or beside another condition: 3 turns after NAME, 10 s before NAME, 5 s around every NAME, after the first NAME, "
    "after the 2nd NAME; see «Where»",
    "整通电话 / whole call",
)
_EXCEPT_KEY = Key(
    "except",
    "例外：词落在这些更长的说法里面时不算（「转账」落在「不要私下转账」里）",
    "a match inside one of these longer phrases does not count (转账 inside 不要私下转账)",
    "无 / none",
)
_MATCH_KEYS = tuple(
    Key(name, *FORMS["word"].keys[name], default) for name, default in (("match", "exact"), ("tolerate", "无 / none"))
)
_WITHIN_KEY = Key(
    "within",
    "多远：2 turns（第二个条件所说的那个人的话）、5 s、10 characters（同一句话里，按规范形式数）",
    "how far: 2 turns (of whom the second condition names), 5 s, or 10 characters (of the same turn, in normal form)",
)
_TIMES_KEY = Key("times", "一共至少几次", "how often it must happen, in all", "1")

CONDITIONS: dict[str, Syntax] = {
    "says": Syntax(
        Says,
        "说了这些词或说法中的任何一个。默认只要一个、一次。",
        "Says any of these words or phrases. One of them, once, is enough unless `need` or `times` ask for more.",
        (
            _WHO_KEY,
            _IN_KEY,
            Key(
                "unless",
                "除非同一句话（或同一人紧接着的下一句，中间没有别人说话，间隔不超过 2 秒）里也说了这些",
                "unless the same turn (or the same speaker's turns joined to it, nobody between, at most 2 s apart) also says one of these",
                "无 / none",
            ),
            _EXCEPT_KEY,
            *_MATCH_KEYS,
            Key(
                "need",
                "要说到几个不同的：any 任一，all 全部，或一个数字",
                "how many different ones: any, all, or a number",
                "any",
            ),
            _TIMES_KEY,
        ),
        _read_says,
        lambda c: _write_words("says", c),
        EXAMPLES["says"].good,
        EXAMPLES["says"].bad,
    ),
    "never_says": Syntax(
        NeverSays,
        "一次也没说这些。只有这一段确实听清楚了（覆盖率达到规则包的下限）才成立，否则「无法判定」。",
        "Says none of these. Holds only where the window was really heard (coverage at or above the pack's floor); else undecided.",
        (_WHO_KEY, _IN_KEY, _EXCEPT_KEY, *_MATCH_KEYS),
        _read_never,
        lambda c: _write_words("never_says", c),
        EXAMPLES["never_says"].good,
        EXAMPLES["never_says"].bad,
    ),
    "silence": Syntax(
        Silence,
        "两句话之间没有人说话，超过这么久。",
        "Between two stretches of speech nobody speaks for longer than this.",
        (
            Key("longer_than", "多久以上，例如 8 s", "how long, for example 8 s"),
            Key("before", "之后该谁开口（谁接着说）", "who speaks next", "anyone"),
            Key("after", "之前是谁在说", "who spoke last", "anyone"),
            Key(
                "except_after",
                "例外：之前双方各自的最后一句话里有这些（例如 请稍等）就不算",
                "does not count where the last turn of either side before it says one of these (one moment, please)",
                "无 / none",
            ),
            _TIMES_KEY,
        ),
        _read_silence,
        _write_silence,
        EXAMPLES["silence"].good,
        EXAMPLES["silence"].bad,
    ),
    "interruption": Syntax(
        Interruption,
        "打断：对方已经说了一会儿、还在说，这一方开口，两人同时说了一段时间。",
        "One side starts while the other has been speaking for a while; both then speak at once for a while.",
        (
            Key("by", "谁打断", "who interrupts"),
            Key("after", "对方至少已经说了多久", "how long the other has been speaking at least", "1 s"),
            Key("overlap", "两人同时说话至少多久", "how long both speak at least", "1 s"),
            _TIMES_KEY,
        ),
        _read_interruption,
        _write_interruption,
        EXAMPLES["interruption"].good,
        EXAMPLES["interruption"].bad,
    ),
    "all": Syntax(
        AllOf,
        "下面每一个条件都成立。",
        "Every one of these conditions holds.",
        (),
        _read_all,
        lambda c: {"all": [write_condition(part) for part in c.parts]},
        EXAMPLES["all"].good,
        EXAMPLES["all"].bad,
    ),
    "any": Syntax(
        AnyOf,
        "下面至少一个条件成立。",
        "At least one of these conditions holds.",
        (),
        _read_any,
        lambda c: {"any": [write_condition(part) for part in c.parts]},
        EXAMPLES["any"].good,
        EXAMPLES["any"].bad,
    ),
    "not": Syntax(
        Not,
        "这个条件不成立。无法判定的，反过来仍是无法判定。",
        "This condition does not hold. The opposite of undecided is undecided.",
        (),
        _read_not,
        lambda c: {"not": write_condition(c.part)},
        EXAMPLES["not"].good,
        EXAMPLES["not"].bad,
    ),
    "at_least": Syntax(
        AtLeast,
        "`of` 里至少这么多个条件成立。",
        "At least so many of the conditions in `of` hold.",
        (Key("of", "一列条件", "a list of conditions"),),
        _read_at_least,
        lambda c: {"at_least": c.count, "of": [write_condition(part) for part in c.parts]},
        EXAMPLES["at_least"].good,
        EXAMPLES["at_least"].bad,
    ),
    "near": Syntax(
        Near,
        "两个条件离得不远，谁先谁后都行。",
        "Both happen, and not far from each other, in any order.",
        (_WITHIN_KEY,),
        read_near,
        lambda c: write_pair("near", c),
        EXAMPLES["near"].good,
        EXAMPLES["near"].bad,
    ),
    "not_near": Syntax(
        NotNear,
        "第一个条件出现了，而它前后这么远之内没有第二个，并且那一段听清楚了。",
        "The first happens somewhere without the second so near to it, and what lies there was heard.",
        (_WITHIN_KEY,),
        read_not_near,
        lambda c: write_pair("not_near", c),
        EXAMPLES["not_near"].good,
        EXAMPLES["not_near"].bad,
    ),
    "then": Syntax(
        Then,
        "依次发生。每一步都可以写 `within`：离上一步多远。用名字写的一步（或本身有 `within` 的 near、not_near），写成 "
        "`{step: 名字, within: 5 s}`。",
        "One after the other. Each step may say `within`: how far after the step before. A step given by its name (or near and "
        "not_near, which have a `within` of their own) is written `{step: NAME, within: 5 s}`.",
        (_WITHIN_KEY,),
        read_then,
        write_then,
        EXAMPLES["then"].good,
        EXAMPLES["then"].bad,
    ),
    **MEASURES,
}

NAMES: dict[type, str] = {syntax.type: name for name, syntax in CONDITIONS.items()}
_OF_WORDS = frozenset(key.name for key in CONDITIONS["says"].keys)
_INSIDE = ("silence", "interruption", *MEASURES)
"""Conditions whose keys stand inside their value, not beside it."""
