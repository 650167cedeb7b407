"""What is said, and what is not: words in a window or a zone, what excuses them, what was heard where they are not found."""

from __future__ import annotations

from collections.abc import Sequence

from qc.conformance.call import (
    HIT,
    MISS,
    STRETCH_MS,
    UNDECIDED,
    Call,
    Outcome,
    Place,
    Zone,
    is_by,
    may_be_by,
    not_found,
    stretch,
    unheard,
)
from qc.conformance.combine import opposite
from qc.conformance.words import Match, chosen, occurrences, place_of
from qc.packs.conditions import Beside, NeverSays, Says, Term, Window


def says(condition: Says, call: Call, zone: Zone | None = None) -> Outcome:
    """What is said in a zone (None: in all of the call). A window beside something else is `beside`'s to see to."""
    window = condition.window
    assert not isinstance(window, Beside)
    if window is not None and window.unit == "ms" and not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    low, high = window_of(window, condition.who, call)
    found = placed(condition, call)
    if zone is not None:
        found = sorted((f for f in found if lies_in(f[1], zone)), key=lambda f: f[1].start_ms)
    if window is not None:
        found = [f for f in found if f[1].end_ms >= low and f[1].start_ms < high]
    certain = [match for match, _, doubt in found if not doubt]
    perhaps = [match for match, _, _ in found]
    doubt = next((doubt for _, _, doubt in found if doubt), "")
    rest = _rest(condition, call, zone, (low, high))
    if call.cut and window is not None and window.side == "last":
        return Outcome(UNDECIDED, shown(certain, call), why="truncated")
    if enough(condition, certain):
        return Outcome(HIT, shown(certain, call), more=doubt or rest.why)
    if enough(condition, perhaps):
        return Outcome(UNDECIDED, shown(perhaps, call), why=doubt)
    return rest


def _rest(condition: Says, call: Call, zone: Zone | None, window: tuple[int, int]) -> Outcome:
    """The verdict where the words are not found."""
    start, end = window
    if zone is not None:
        start, end = (zone.start, zone.end) if condition.window is None else (max(start, zone.start), min(end, zone.end))
        if zone.chars is not None or zone.nowhere:
            return Outcome(MISS, window=(Place(start, max(start, end), condition.who),))
    return not_found(call, condition.who, start, end, limited=zone is not None or condition.window is not None)


def placed(condition: Says, call: Call) -> list[tuple[Match, Place, str]]:
    """Matches that count, or may: each with its place and the reason for doubt."""
    found = []
    for match in chosen(condition.terms, condition.except_, call):
        turn = call.turns[match.turn]
        excuse = excused(condition.unless, match.turn, call)
        if turn.counts and may_be_by(turn.role, condition.who) and excuse != "yes":
            found.append((match, place_of(match, call), excuse if is_by(turn.role, condition.who) else "unknown_role"))
    return found


def excused(unless: Sequence[Term], index: int, call: Call) -> str:
    """`yes` where the turn's stretch says one of `unless`; a reason where that may not have been heard."""
    if not unless:
        return ""
    near = stretch(call, index)
    if any(m.turn in near and call.turns[m.turn].counts for m in chosen(unless, (), call)):
        return "yes"
    last = call.turns[near[-1]]
    end = last.end + STRETCH_MS
    if near[-1] + 1 < len(call.turns):
        end = min(end, max(last.end, call.turns[near[-1] + 1].start))
    return "unless_not_heard" if unheard(call, last.role, call.turns[near[0]].start, end) else ""


def enough(condition: Says, found: Sequence[Match]) -> bool:
    need = len(condition.terms) if condition.need == -1 else condition.need
    return len({m.term for m in found}) >= need and len(occurrences(found)) >= condition.times and bool(found)


def shown(found: Sequence[Match], call: Call) -> tuple[Place, ...]:
    return tuple(place_of(match, call) for match in occurrences(found))


def lies_in(place: Place, zone: Zone) -> bool:
    """After: begins in the zone. Before: ends in it. Around: touches it. The anchor's own words are not beside it."""
    start, end, anchor = place.start_ms, place.end_ms, zone.anchor
    timely = {
        "after": zone.start <= start < zone.end,
        "before": zone.start < end <= zone.end,
        "around": start < zone.end and end > zone.start,
    }[zone.side]
    same_turn = place.turn is not None and place.turn == anchor.turn
    if zone.nowhere or (zone.chars is not None and not same_turn):
        return False
    if not same_turn or place.char_start is None or place.char_end is None or anchor.char_start is None:
        return timely
    after, before = place.char_start >= (anchor.char_end or 0), place.char_end <= anchor.char_start
    if not {"after": after, "before": before, "around": after or before}[zone.side]:
        return False
    return timely if zone.chars is None else place.char_start <= zone.chars[1] and place.char_end >= zone.chars[0]


def window_of(window: Window | None, who: str, call: Call) -> tuple[int, int]:
    """A window of time; one in turns reaches from the call's edge to the far end of the last of these turns."""
    if window is None:
        return call.low, call.high
    if window.unit == "ms":
        return (call.low, call.low + window.size) if window.side == "first" else (call.high - window.size, call.high)
    turns = [t for t in call.turns if is_by(t.role, window.of or who)] or [t for t in call.turns if t.role == "unknown"]
    if not turns:
        return call.low, call.high
    if window.side == "first":
        return call.low, turns[: window.size][-1].end
    return turns[-window.size :][0].start, call.high


def never_says(condition: NeverSays, call: Call, zone: Zone | None = None) -> Outcome:
    return opposite(says(Says(condition.terms, condition.who, condition.window, except_=condition.except_), call, zone))
