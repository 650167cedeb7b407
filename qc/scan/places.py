"""Conditions beside one another: the zone beside a place, words beside another condition, near, not_near, then.

All of them are «does this hold in the zone beside a place where that happens?», asked for each place; so what was not heard in
a zone makes that zone undecided and no other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qc.packs.conditions import AllOf, AnyOf, Beside, Condition, Gap, Near, NeverSays, Not, NotNear, Says, Then
from qc.scan.verdicts import Evidence, Outcome, Verdict, combine_all, combine_any, negate

if TYPE_CHECKING:
    from qc.scan.view import Call
    from qc.scan.words import Context

MAX_PLACES = 100
"""Places of one condition that are looked at: each asks for the coverage of its own zone."""


@dataclass(frozen=True)
class Zone:
    """A part of the call beside a place. `turn`: only this one (its index), between `chars` of its original text: what
    comes after begins at or before the second, what comes before ends at or after the first.
    """

    start_ms: int
    end_ms: int
    side: str
    anchor: Evidence
    turn: int | None = None
    chars: tuple[int, int] = (0, 0)

    @property
    def heard(self) -> bool:
        """All of it lies in a turn that was heard."""
        return self.turn is not None

    def holds(self, evidence: Evidence) -> bool:
        """Whether this lies in the zone, the anchor's own words left out."""
        start, end = evidence.start_ms, evidence.end_ms
        if self.side == "after":
            timely = self.start_ms <= start < self.end_ms
        elif self.side == "before":
            timely = self.start_ms < end <= self.end_ms
        else:
            timely = start < self.end_ms and end > self.start_ms
        same = evidence.turn is not None and evidence.turn == self.anchor.turn
        if self.turn is not None and not same:
            return False
        if not same or evidence.char_start is None or evidence.char_end is None or self.anchor.char_start is None:
            return timely
        after, before = evidence.char_start >= (self.anchor.char_end or 0), evidence.char_end <= self.anchor.char_start
        if not {"after": after, "before": before, "around": after or before}[self.side]:
            return False
        return timely if self.turn is None else evidence.char_start <= self.chars[1] and evidence.char_end >= self.chars[0]


def zone_beside(call: Call, anchor: Evidence, side: str, gap: Gap | None, who: str) -> Zone:
    """The zone before, after or around a place; it reaches past the call's end where the call has less than the gap."""
    low, high = call.bounds
    low, high = min(low, anchor.start_ms), max(high, anchor.end_ms) + 1
    if gap is None:
        start, end = low, high
    elif gap.unit == "ms":
        start, end = anchor.start_ms - gap.size, anchor.end_ms + gap.size
    elif gap.unit == "turns":
        start, end = _turns_around(call, anchor, gap.size, who, (low, high))
    else:
        return _chars_around(call, anchor, side, gap.size)
    if side == "after":
        start = anchor.end_ms
    elif side == "before":
        end = anchor.start_ms
    return Zone(start, max(start, end), side, anchor)


def _turns_around(call: Call, anchor: Evidence, size: int, who: str, bounds: tuple[int, int]) -> tuple[int, int]:
    """From the start of the `size`th turn of `who` before the anchor to the end of the `size`th after it."""
    listed = call.turns_by(who)
    if anchor.turn is not None and anchor.turn in call.indices:
        index = call.indices[anchor.turn]
        before, after = bisect_left(listed, index), bisect_right(listed, index)
    else:
        before = bisect_right(listed, anchor.start_ms, key=lambda i: call.turns[i].start_ms)
        after = bisect_left(listed, anchor.end_ms, key=lambda i: call.turns[i].start_ms)
    start = call.turns[listed[before - size]].start_ms if before >= size else bounds[0]
    end = call.turns[listed[after + size - 1]].end_ms if after + size <= len(listed) else bounds[1]
    return start, end


def _chars_around(call: Call, anchor: Evidence, side: str, size: int) -> Zone:
    index = call.indices.get(anchor.turn if anchor.turn is not None else -1)
    if index is None or anchor.char_start is None or anchor.char_end is None:
        return Zone(anchor.end_ms, anchor.end_ms, side, anchor, turn=-1)
    turn = call.turns[index]
    normal = turn.normal
    first, last = bisect_left(normal.starts, anchor.char_start), bisect_left(normal.starts, anchor.char_end)
    low = normal.ends[first - size - 1] if first > size else 0
    high = normal.starts[last + size] if last + size < len(normal.text) else len(turn.text)
    start, end = turn.times(low, high)
    return Zone(start, end, side, anchor, index, (low, high))


def inside(condition: Condition, context: Context, zone: Zone) -> Outcome:
    """The condition's verdict in a zone. Words ask what was heard there; of others what they rest on must lie there."""
    from qc.scan.conditions import evaluate

    if isinstance(condition, AllOf):
        return combine_all([inside(part, context, zone) for part in condition.parts])
    if isinstance(condition, AnyOf):
        return combine_any([inside(part, context, zone) for part in condition.parts])
    if isinstance(condition, Not):
        return negate(inside(condition.part, context, zone))
    if isinstance(condition, Says | NeverSays) and not isinstance(condition.window, Beside):
        return evaluate(condition, replace(context, zone=zone))
    outcome = evaluate(condition, context)
    if outcome.verdict is not Verdict.HIT:
        return outcome
    held = tuple(e for e in outcome.evidence if zone.holds(e))
    if held:
        return replace(outcome, evidence=held)
    return Outcome(Verdict.UNDECIDED, why=outcome.more) if outcome.more else Outcome(Verdict.MISS)


def _by(condition: Condition) -> str:
    who: str = getattr(condition, "who", "anyone")
    return who


def beside(condition: Says | NeverSays, context: Context) -> Outcome:
    """Words beside another condition: the verdict in the zone of any, every or the nth of its places."""
    from qc.scan.conditions import evaluate

    window = condition.window
    assert isinstance(window, Beside)
    context = replace(context, zone=None)
    if window.gap is not None and window.gap.unit == "ms" and not context.call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    anchors = evaluate(window.anchor, context)
    if anchors.verdict is not Verdict.HIT:
        return replace(anchors, evidence=(), absence=())
    bare: Says | NeverSays = replace(condition, window=None)
    places = list(anchors.evidence)
    more = anchors.more
    if isinstance(window.which, int):
        nth = window.which - 1 if window.which > 0 else len(places) - 1
        if more or nth >= len(places):
            return Outcome(Verdict.UNDECIDED, why=more) if more else Outcome(Verdict.MISS)
        places = [places[nth]]
    elif len(places) > MAX_PLACES:
        places, more = places[:MAX_PLACES], "too_many"
    outcomes = []
    for place in places:
        zone = zone_beside(context.call, place, window.side, window.gap, condition.who)
        outcomes.append(_with(inside(bare, context, zone), place))
    if window.which == "every":
        return _if_all_known(combine_all(outcomes), Verdict.HIT, more)
    return _if_all_known(combine_any(outcomes), Verdict.MISS, more)


def _with(outcome: Outcome, place: Evidence) -> Outcome:
    """A verdict about a place shows the place too."""
    if outcome.verdict is Verdict.MISS:
        return outcome
    return replace(outcome, evidence=(place, *outcome.evidence))


def _if_all_known(outcome: Outcome, needs_all: Verdict, more: str) -> Outcome:
    """A verdict that one more place could change is undecided where there may be one."""
    if more and outcome.verdict is needs_all:
        return Outcome(Verdict.UNDECIDED, coverage=outcome.coverage, why=more)
    return replace(outcome, more=more or outcome.more) if outcome.verdict is Verdict.HIT else outcome


def near(condition: Near, context: Context) -> Outcome:
    """Hit where the second happens around a place of the first."""
    return _around(condition, context, negative=False)


def not_near(condition: NotNear, context: Context) -> Outcome:
    """Hit where the first has a place around which the second does not happen, and that was heard."""
    return _around(condition, context, negative=True)


def _around(condition: Near | NotNear, context: Context, *, negative: bool) -> Outcome:
    from qc.scan.conditions import evaluate

    call = context.call
    if condition.gap.unit == "ms" and not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    first = evaluate(condition.first, context)
    if first.verdict is Verdict.MISS:
        return replace(first, evidence=(), absence=())
    if first.verdict is Verdict.UNDECIDED:
        second = Outcome(Verdict.HIT) if negative else evaluate(condition.second, context)
        return replace(second, evidence=(), absence=()) if second.verdict is Verdict.MISS else first
    places = first.evidence[:MAX_PLACES]
    more = "too_many" if len(first.evidence) > MAX_PLACES else first.more
    outcomes = []
    for place in places:
        zone = zone_beside(call, place, "around", condition.gap, _by(condition.second))
        outcome = inside(condition.second, context, zone)
        if negative:
            outcome = replace(negate(outcome), evidence=())
        outcomes.append(_with(outcome, place))
    return _if_all_known(combine_any(outcomes), Verdict.MISS, more)


def then(condition: Then, context: Context) -> Outcome:
    """Hit where a chain of places has every step in the zone after the one before."""
    from qc.scan.conditions import evaluate

    call = context.call
    if not call.timed and any(step.gap is not None and step.gap.unit == "ms" for step in condition.steps):
        return Outcome(Verdict.UNDECIDED, why="no_times")
    context = replace(context, zone=None)
    alone = [evaluate(step.condition, context) for step in condition.steps]
    missing = next((outcome for outcome in alone if outcome.verdict is Verdict.MISS), None)
    if missing is not None:
        return replace(missing, evidence=(), absence=())
    if alone[0].verdict is Verdict.UNDECIDED:
        return alone[0]
    chains: list[tuple[Evidence, ...]] = [(place,) for place in alone[0].evidence]
    doubt = alone[0].more
    for step in condition.steps[1:]:
        if len(chains) > MAX_PLACES:
            chains, doubt = chains[:MAX_PLACES], doubt or "too_many"
        following: dict[Evidence, tuple[Evidence, ...]] = {}
        for chain in chains:
            zone = zone_beside(call, chain[-1], "after", step.gap, _by(step.condition))
            outcome = inside(step.condition, context, zone)
            if outcome.verdict is Verdict.HIT:
                for place in outcome.evidence:
                    following.setdefault(place, (*chain, place))
            doubt = doubt or (outcome.why if outcome.verdict is Verdict.UNDECIDED else outcome.more)
        chains = list(following.values())
    return _chained(chains, doubt)


def _chained(chains: Sequence[tuple[Evidence, ...]], doubt: str) -> Outcome:
    if chains:
        shown = dict.fromkeys(place for chain in chains[:MAX_PLACES] for place in chain)
        return Outcome(Verdict.HIT, tuple(sorted(shown, key=lambda e: e.order)), more=doubt)
    return Outcome(Verdict.UNDECIDED, why=doubt) if doubt else Outcome(Verdict.MISS)
