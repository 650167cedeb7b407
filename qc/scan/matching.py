"""Matches of terms in calls: one at a time where a case or an explanation asks; `qc.scan.finding` finds them for a batch."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from qc.packs.conditions import Term
from qc.scan.view import Call


@dataclass(frozen=True)
class Match:
    """`term` in a turn's normal form at [start, end); `turn` is the turn's index in the call."""

    turn: int
    start: int
    end: int
    term: Term


@dataclass
class CallMatches:
    """All matches of one call, by term."""

    found: dict[Term, list[Match]] = field(default_factory=dict)

    def of(self, terms: Iterable[Term], except_: Sequence[Term] = ()) -> list[Match]:
        """Matches of any of the terms, in order, without those that lie inside a match of `except_`."""
        matches = [match for term in terms for match in self.found.get(term, ())]
        if matches and except_:
            matches = _outside(matches, [match for term in except_ for match in self.found.get(term, ())])
        return sorted(matches, key=lambda m: (m.turn, m.start, -m.end))


def _outside(matches: Sequence[Match], longer: Sequence[Match]) -> list[Match]:
    """Matches that lie in none of `longer`: one sweep, since strangers write both the text and the rules."""
    kept = []
    waiting = deque(sorted(longer, key=lambda m: (m.turn, m.start)))
    turn, reach = -1, 0
    for match in sorted(matches, key=lambda m: (m.turn, m.start)):
        while waiting and (waiting[0].turn, waiting[0].start) <= (match.turn, match.start):
            other = waiting.popleft()
            turn, reach = other.turn, max(other.end, reach) if other.turn == turn else other.end
        if not (turn == match.turn and match.end <= reach):
            kept.append(match)
    return kept


def apart(matches: Sequence[Match]) -> list[Match]:
    """Occurrences: leftmost-longest matches that do not overlap. Takes and gives matches in order."""
    kept: list[Match] = []
    for match in matches:
        if not kept or kept[-1].turn != match.turn or match.start >= kept[-1].end:
            kept.append(match)
    return kept


def terms_of(condition: Any) -> Iterator[Term]:
    """Every term anywhere in a condition."""
    for item in dataclasses.fields(condition):
        value = getattr(condition, item.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Term):
                yield part
            elif dataclasses.is_dataclass(part):
                yield from terms_of(part)


class Matcher:
    """Finds a fixed set of terms in calls. Building it costs; matching is linear in the text (times the patterns at worst)."""

    def __init__(self, terms: Iterable[Term]) -> None:
        from qc.scan.finding import Finder

        self._finder = Finder(terms)

    def match(self, calls: Sequence[Call]) -> list[CallMatches]:
        """The matches of each call."""
        from qc.scan.folding import normal_forms

        folded = normal_forms([turn.normal.text for call in calls for turn in call.turns])
        owners = [(c, t) for c, call in enumerate(calls) for t in range(len(call.turns))]
        results = [CallMatches() for _ in calls]
        for term, found in self._finder.find(folded).items():
            for place, start, end in zip(found.turn.tolist(), found.start.tolist(), found.end.tolist(), strict=True):
                call, turn = owners[place]
                results[call].found.setdefault(term, []).append(Match(turn, start, end, term))
        return results
