"""The rule language's conditions as data: one frozen dataclass each, nothing that reads files, nothing that runs.

How each is written in a file is in `syntax.py`, what it means for a call in `qc.scan.conditions`; both are registries
with the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Who = Literal["agent", "customer", "anyone"]
WHO: tuple[Who, ...] = ("agent", "customer", "anyone")


TermKind = Literal["word", "exact", "sound", "fuzzy", "similar", "entity", "pattern"]


@dataclass(frozen=True)
class Term:
    """What is looked for in a turn's normal form.

    `word`: as written. `sound`: any characters of the same toneless syllables, `tolerate` the pairs that are taken for the
    same. `fuzzy`: a part of the turn whose edit similarity is at least `percent`. `similar`: the whole turn is that
    similar. `entity`: one of `qc.text.entities.ENTITIES`. `pattern`: RE2. `exact` stands in word lists alone: a word that stays a `word` whatever the condition asks.
    """

    kind: TermKind
    text: str
    tolerate: tuple[str, ...] = ()
    percent: int = 100


@dataclass(frozen=True)
class Window:
    """A part of the call: the first or last `size` milliseconds or turns (of role `of`, else of the one the condition names)."""

    side: Literal["first", "last"]
    unit: Literal["ms", "turns"]
    size: int
    of: Who | None = None


@dataclass(frozen=True)
class Gap:
    """How far: milliseconds, turns of the role that the condition names, or characters of the same turn's normal form."""

    unit: Literal["ms", "turns", "chars"]
    size: int


Side = Literal["before", "after", "around"]


@dataclass(frozen=True)
class Beside:
    """The part of the call beside where `anchor` happens; without `gap` up to the call's edge.

    `which`: any or every place where it happens, or its number (1 the first, -1 the last).
    """

    anchor: Condition
    side: Side
    gap: Gap | None = None
    which: Literal["any", "every"] | int = "any"


@dataclass(frozen=True)
class Says:
    """`who` says `need` different ones of `terms` (-1: all of them), `times` in all, inside `window`."""

    terms: tuple[Term, ...]
    who: Who = "anyone"
    window: Window | Beside | None = None
    unless: tuple[Term, ...] = ()
    except_: tuple[Term, ...] = ()
    need: int = 1
    times: int = 1


@dataclass(frozen=True)
class NeverSays:
    """`who` says none of `terms` inside `window`, and the window was heard."""

    terms: tuple[Term, ...]
    who: Who = "anyone"
    window: Window | Beside | None = None
    except_: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Silence:
    """Nobody speaks for longer than `longer_than_ms`; `before`/`after`: who speaks next / spoke last."""

    longer_than_ms: int
    before: Who = "anyone"
    after: Who = "anyone"
    except_after: tuple[Term, ...] = ()
    times: int = 1


@dataclass(frozen=True)
class Interruption:
    """`by` starts while the other side has been speaking for `after_ms`; both then speak for at least `overlap_ms`."""

    by: Who
    after_ms: int = 1000
    overlap_ms: int = 1000
    times: int = 1


@dataclass(frozen=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition


@dataclass(frozen=True)
class AtLeast:
    """At least `count` of the parts hold."""

    count: int
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Near:
    """`first` happens with `second` within `gap` of it, before or after."""

    first: Condition
    second: Condition
    gap: Gap


@dataclass(frozen=True)
class NotNear:
    """`first` happens without `second` within `gap` of it, and what lies there was heard."""

    first: Condition
    second: Condition
    gap: Gap


@dataclass(frozen=True)
class Step:
    """A step of a sequence, at most `gap` after the one before (None: any time after)."""

    condition: Condition
    gap: Gap | None = None


@dataclass(frozen=True)
class Then:
    """The steps happen one after the other."""

    steps: tuple[Step, ...]


Op = Literal["over", "under", "at least", "at most"]


@dataclass(frozen=True)
class Bound:
    """A number is over, under, at least or at most `value`: ms, per mille, tenths of a dB, or a count."""

    op: Op
    value: int


@dataclass(frozen=True)
class Repeat:
    """`who` says nearly the same (edit similarity, per cent) as in one of the `look_back` turns of theirs before.

    Counted are turns of at least `characters`; `times`: how often in all, the first time among them.
    """

    who: Who
    percent: int = 80
    look_back: int = 10
    characters: int = 6
    times: int = 2


@dataclass(frozen=True)
class Count:
    """How many turns of `who`, changes of speaker, or places of the condition `hits` there are."""

    what: Literal["turns", "role_changes", "hits"]
    bound: Bound
    who: Who = "anyone"
    hits: Condition | None = None


@dataclass(frozen=True)
class Reply:
    """`by` answers what the other side said later than `longer_than_ms` after its end."""

    by: Who
    longer_than_ms: int
    times: int = 1


@dataclass(frozen=True)
class Speed:
    """Characters a minute of a turn of `who` (of at least `characters`), or of all these turns together."""

    who: Who
    pace: Bound
    per: Literal["turn", "call"] = "turn"
    characters: int = 20
    times: int = 1


@dataclass(frozen=True)
class Level:
    """Loudness of a turn of `who`, in tenths of a dBFS, or its rise over the median of the role's turns, in tenths of a dB."""

    who: Who
    what: Literal["loudness", "rise"]
    bound: Bound
    times: int = 1


@dataclass(frozen=True)
class WholeCall:
    """Facts of the whole call, all of which hold: (name, bound). `ended_by`: who hung up by the call list."""

    facts: tuple[tuple[str, Bound], ...] = ()
    ended_by: str = ""


@dataclass(frozen=True)
class Column:
    """What a cell of the call list must be. `op` is: one of `values`; missing, given; or a comparison with `number`."""

    name: str
    op: Literal["is", "missing", "given", "over", "under", "at least", "at most"]
    values: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True)
class Listed:
    """The call list says all of this of the call."""

    columns: tuple[Column, ...]


Condition = (
    Says
    | NeverSays
    | Silence
    | Interruption
    | AllOf
    | AnyOf
    | Not
    | AtLeast
    | Near
    | NotNear
    | Then
    | Repeat
    | Count
    | Reply
    | Speed
    | Level
    | WholeCall
    | Listed
)
