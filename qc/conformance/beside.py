"""One condition beside another: windows before, after and around a place, near, not near, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from qc.conformance.call import HIT, MISS, MOST_PLACES, UNDECIDED, Call, Outcome, Place, Zone, is_by, said_at
from qc.conformance.combine import all_of, any_of, merged, opposite
from qc.conformance.dispatch import evaluate
from qc.conformance.said import lies_in, never_says, says
from qc.packs.conditions import AnyOf, Beside, Condition, Gap, Near, NeverSays, NotNear, Says, Then


def zone_of(anchor: Place, side: str, gap: Gap | None, who: str, call: Call) -> Zone:
    """The part of the call before, after or around a place."""
    low, high = min(call.low, anchor.start_ms), max(call.high, anchor.end_ms) + 1
    if gap is not None and gap.unit == "chars":
        return chars_zone(anchor, side, gap.size, call)
    if gap is None:
        start, end = low, high
    elif gap.unit == "ms":
        start, end = anchor.start_ms - gap.size, anchor.end_ms + gap.size
    else:
        here = next((i for i, t in enumerate(call.turns) if t.number == anchor.turn), None) if anchor.turn is not None else None
        own = [(i, t) for i, t in enumerate(call.turns) if is_by(t.role, who)]
        before = [t for i, t in own if (i < here if here is not None else t.start <= anchor.start_ms)]
        after = [t for i, t in own if (i > here if here is not None else t.start >= anchor.end_ms)]
        start = before[-gap.size].start if len(before) >= gap.size else low
        end = after[gap.size - 1].end if len(after) >= gap.size else high
    if side == "after":
        start = anchor.end_ms
    if side == "before":
        end = anchor.start_ms
    return Zone(start, max(start, end), side, anchor)


def chars_zone(anchor: Place, side: str, size: int, call: Call) -> Zone:
    """At most `size` characters of the normal form lie between the place and what is in its zone."""
    turn = next((t for t in call.turns if anchor.turn is not None and t.number == anchor.turn), None)
    if turn is None or anchor.char_start is None or anchor.char_end is None:
        return Zone(anchor.end_ms, anchor.end_ms, side, anchor, nowhere=True)
    form = turn.normal
    before = [i for i, start in enumerate(form.starts) if start < anchor.char_start]
    after = [i for i, start in enumerate(form.starts) if start >= anchor.char_end]
    low = form.ends[before[-size - 1]] if len(before) > size else 0
    high = form.starts[after[size]] if len(after) > size else len(turn.text)
    start, end = said_at(turn, low, high)
    return Zone(start, end, side, anchor, chars=(low, high))


def inside(condition: Condition, zone: Zone, call: Call) -> Outcome:
    """A condition's verdict in a zone. Words ask what was heard there; of others a place must lie there."""
    if isinstance(condition, AnyOf):
        return any_of([inside(part, zone, call) for part in condition.parts])
    if isinstance(condition, Says) and not isinstance(condition.window, Beside):
        return says(condition, call, zone)
    if isinstance(condition, NeverSays) and not isinstance(condition.window, Beside):
        return never_says(condition, call, zone)
    outcome = evaluate(condition, call)
    if outcome.verdict != HIT:
        return outcome
    held = tuple(place for place in outcome.places if lies_in(place, zone))
    if held:
        return replace(outcome, places=held)
    return Outcome(UNDECIDED, why=outcome.more) if outcome.more else Outcome(MISS)


def _by(condition: Condition) -> str:
    return str(getattr(condition, "who", "anyone"))


def bare(outcome: Outcome) -> Outcome:
    return replace(outcome, places=(), window=())


def with_place(outcome: Outcome, place: Place) -> Outcome:
    return outcome if outcome.verdict == MISS else replace(outcome, places=(place, *outcome.places))


def if_all_known(outcome: Outcome, needs_all: str, more: str) -> Outcome:
    """There may be another place (`more`): then no verdict holds that it could change."""
    if more and outcome.verdict == needs_all:
        return Outcome(UNDECIDED, coverage=outcome.coverage, why=more)
    return replace(outcome, more=more or outcome.more) if outcome.verdict == HIT else outcome


def beside(condition: Says | NeverSays, call: Call) -> Outcome:
    window = condition.window
    assert isinstance(window, Beside)
    if window.gap is not None and window.gap.unit == "ms" and not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    anchors = evaluate(window.anchor, call)
    if anchors.verdict != HIT:
        return bare(anchors)
    places, more = anchors.places, anchors.more
    if isinstance(window.which, int):
        if more:
            return Outcome(UNDECIDED, why=more)
        if window.which > len(places):
            return Outcome(MISS)
        places = (places[window.which - 1 if window.which > 0 else -1],)
    elif len(places) > MOST_PLACES:
        places, more = places[:MOST_PLACES], "too_many"
    alone = replace(condition, window=None)
    outcomes = [
        with_place(inside(alone, zone_of(place, window.side, window.gap, condition.who, call), call), place) for place in places
    ]
    if window.which == "every":
        return if_all_known(all_of(outcomes), HIT, more)
    return if_all_known(any_of(outcomes), MISS, more)


def near(condition: Near, call: Call) -> Outcome:
    return around(condition, call, lambda outcome: outcome)


def not_near(condition: NotNear, call: Call) -> Outcome:
    return around(condition, call, lambda outcome: replace(opposite(outcome), places=()))


def around(condition: Near | NotNear, call: Call, turned: Callable[[Outcome], Outcome]) -> Outcome:
    if condition.gap.unit == "ms" and not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    first = evaluate(condition.first, call)
    if first.verdict == MISS:
        return bare(first)
    if first.verdict == UNDECIDED:
        second = evaluate(condition.second, call)
        return bare(second) if isinstance(condition, Near) and second.verdict == MISS else first
    more = "too_many" if len(first.places) > MOST_PLACES else first.more
    outcomes = []
    for place in first.places[:MOST_PLACES]:
        zone = zone_of(place, "around", condition.gap, _by(condition.second), call)
        outcomes.append(with_place(turned(inside(condition.second, zone, call)), place))
    return if_all_known(any_of(outcomes), MISS, more)


def then(condition: Then, call: Call) -> Outcome:
    if not call.timed and any(step.gap is not None and step.gap.unit == "ms" for step in condition.steps):
        return Outcome(UNDECIDED, why="no_times")
    alone = [evaluate(step.condition, call) for step in condition.steps]
    for outcome in alone:
        if outcome.verdict == MISS:
            return bare(outcome)
    if alone[0].verdict == UNDECIDED:
        return alone[0]
    chains: list[tuple[Place, ...]] = [(place,) for place in alone[0].places]
    doubt = alone[0].more
    for step in condition.steps[1:]:
        if len(chains) > MOST_PLACES:
            chains, doubt = chains[:MOST_PLACES], doubt or "too_many"
        longer: dict[Place, tuple[Place, ...]] = {}
        for chain in chains:
            outcome = inside(step.condition, zone_of(chain[-1], "after", step.gap, _by(step.condition), call), call)
            if outcome.verdict == HIT:
                for place in outcome.places:
                    longer.setdefault(place, (*chain, place))
            doubt = doubt or (outcome.why if outcome.verdict == UNDECIDED else outcome.more)
        chains = list(longer.values())
    if chains:
        return Outcome(HIT, merged(place for chain in chains[:MOST_PLACES] for place in chain), more=doubt)
    return Outcome(UNDECIDED, why=doubt) if doubt else Outcome(MISS)
