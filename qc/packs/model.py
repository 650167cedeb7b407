"""What a rule pack is, once it has been read: frozen data, nothing that runs.

Everything is a plain value, so a pack can be compared, hashed, stored and read back. What may be written in a file is
in `conditions.py` (syntax); what it means for a call is in `qc.scan` (meaning).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from qc.packs.conditions import Condition

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""From mild to grave; `--fail-on` takes one of them."""

VISIBILITIES = ("shown", "hidden")
"""Who sees a rule: everyone who has the pack, or only the house it was written in (`qc.packs.hidden`)."""

LANGUAGES = ("zh", "en")
"""Languages that a person may read a pack in. A `Text` has every one of them."""

LANGUAGE_VERSION = 1
"""Version of the rule language that this code speaks (`language:` in pack.yaml)."""

Text = Mapping[str, str]
"""What a person reads, by language: `{"zh": …, "en": …}`. Written as one string it is the same in both."""


@dataclass(frozen=True)
class Dimension:
    """A side of service that points are lost on. `weight` is its share when dimensions are put together (any positive number)."""

    id: str
    title: Text
    weight: float = 1.0


@dataclass(frozen=True)
class Manual:
    """A line of the scorecard that only a person can judge. `question` is answered with yes or no; `points` (below zero a
    deduction, above zero a bonus) count where the answer is yes, or no with `on_no`. `may_not_apply`: the reviewer may say so."""

    id: str
    title: Text
    question: Text
    dimension: str
    points: float
    on_no: bool = False
    may_not_apply: bool = False
    severity: Severity = "medium"
    clause: str = ""

    fatal: ClassVar[bool] = False
    """As rules have it: no person's answer makes a score 0, else every call would be 0 at worst until it is heard."""
    cap: ClassVar[None] = None
    cases: ClassVar[tuple[Case, ...]] = ()

    @property
    def why(self) -> Text:
        """The question: what a reader is told the points are for."""
        return self.question


@dataclass(frozen=True)
class Line:
    """One line of a case. `what` is a role (`agent`, `customer`, `system`, `unknown`) whose words are `text`, or
    `pause`, `overlap`, `lasts` (`ms`), `unheard`, `silent` (`text` is the role), `cut` (the recording breaks off here), `call`
    (`text` is the column, `value` what the call list says) or `level` (`value`: the next line's, in dBFS)."""

    what: str
    text: str = ""
    ms: int = 0
    value: str = ""


@dataclass(frozen=True)
class Case:
    """A short dialogue and the verdict that its rule must give: `hit`, `miss` or `undecided`."""

    verdict: str
    lines: tuple[Line, ...]
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Rule:
    """One rule. `points` below zero is a deduction, above zero a bonus; `cap` bounds what it can cost (or give) in one
    call, as a positive number of points; without `once_per_ms` it counts once a call."""

    id: str
    title: Text
    why: Text
    dimension: str
    severity: Severity
    points: float
    when: Condition
    cases: tuple[Case, ...]
    fatal: bool = False
    cap: float | None = None
    once_per_ms: int | None = None
    clause: str = ""
    tags: tuple[str, ...] = ()
    applies_to: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Columns of the call list and the values they may have; every one must fit."""
    valid_from: str = ""
    """First and last day (ISO date) of calls it applies to; empty: no bound."""
    valid_until: str = ""
    visibility: str = "shown"
    where: str = field(default="", compare=False)
    """`file:line:column` it was read from; not part of the pack."""


@dataclass(frozen=True)
class Pack:
    """Rules, dimensions and scorecard under one version."""

    id: str
    version: str
    title: Text
    dimensions: tuple[Dimension, ...]
    rules: tuple[Rule, ...]
    languages: tuple[str, ...] = LANGUAGES
    language: int = LANGUAGE_VERSION
    qc: str = ""
    """The oldest version of qc that reads it as it is meant; empty: any that speaks its language."""
    authors: tuple[str, ...] = ()
    licence: str = ""
    base: float = 100.0
    """Points that a call starts with."""
    coverage_floor: float = 0.9
    """Share of the detected speech in a rule's window that must have been heard before «was not said» may be decided."""
    manual: tuple[Manual, ...] = ()
    """What only people can judge (`qc review`); undecided in every call until one has."""
    confidence_floor: float | None = None
    """Turns whose mean log-probability is lower count as not heard; None: the recogniser's own flags alone."""

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        """Rules by id."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def flat(self) -> bytes:
        """The pack as canonical JSON: what is stored, hashed and (later) signed."""
        from qc.packs.flatten import flatten

        return flatten(self)

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of `flat`: the pack's name in the store and in every finding."""
        return hashlib.sha256(self.flat).hexdigest()
