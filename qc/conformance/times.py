"""Time: silence, interruption, late answers. Worked out with what was not heard as speech, and as noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from qc.conformance.call import BREATH_MS, UNDECIDED, Call, Outcome, Place, Span, is_by, may_be_by, stretch, unheard
from qc.conformance.combine import decide
from qc.conformance.words import chosen
from qc.packs.conditions import Interruption, Reply, Silence, Term


def _sounds(call: Call) -> list[Span]:
    return sorted(call.spans, key=lambda s: (s.start, s.end))


def silence(condition: Silence, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    certain: list[Place] = []
    doubtful: list[tuple[Place, str]] = []
    as_speech = gaps(_sounds(call), condition.longer_than_ms)
    as_noise = gaps([s for s in _sounds(call) if s.heard], condition.longer_than_ms)

    def fits(gap: tuple[int, int, str, str], by: Callable[[str, str], bool]) -> bool:
        return by(gap[3], condition.before) and by(gap[2], condition.after)

    for gap in as_speech:
        start, end, _, after = gap
        excuse = gap_excused(condition.except_after, start, call)
        if not fits(gap, may_be_by) or excuse == "yes":
            continue
        place = Place(start, end, after)
        if not fits(gap, is_by):
            doubtful.append((place, "unknown_role"))
        elif excuse:
            doubtful.append((place, excuse))
        elif not any(fits(wide, is_by) for wide in as_noise if wide[0] <= start and end <= wide[1]):
            doubtful.append((place, "not_heard"))
        else:
            certain.append(place)
    counted_already = [gap for gap in as_speech if fits(gap, may_be_by)]
    for gap in as_noise:
        start, end, _, after = gap
        holds_one = any(start <= a and b <= end for a, b, _, _ in counted_already)
        if fits(gap, may_be_by) and not holds_one and gap_excused(condition.except_after, start, call) != "yes":
            doubtful.append((Place(start, end, after), "not_heard"))
    return decide(call, certain, doubtful, condition.times)


def gaps(spans: Sequence[Span], longer_than: int) -> list[tuple[int, int, str, str]]:
    """(start, end, who spoke last, who speaks next) of each stretch without sound that no tone or prompt borders on."""
    found = []
    for i, span in enumerate(spans):
        before = spans[:i]
        if not before:
            continue
        last = max(before, key=lambda s: s.end)
        if span.start - last.end > longer_than and "system" not in (last.role, span.role):
            found.append((last.end, span.start, last.role, span.role))
    return found


def gap_excused(except_after: Sequence[Term], at: int, call: Call) -> str:
    """`yes` where the last turn of either side that ended by `at` says one of the words (or its stretch does)."""
    if not except_after:
        return ""
    said = {m.turn for m in chosen(except_after, (), call) if call.turns[m.turn].counts}
    last: dict[str, int] = {}
    for i, turn in enumerate(call.turns):
        over = turn.role != "system" and turn.end <= at + BREATH_MS
        if over and (turn.role not in last or turn.end >= call.turns[last[turn.role]].end):
            last[turn.role] = i
    stretches = [stretch(call, index) for index in last.values()]
    if any(said & set(one) for one in stretches):
        return "yes"
    since = min((call.turns[one[0]].start for one in stretches), default=0)
    return "unless_not_heard" if unheard(call, "anyone", since, at) else ""


def interruption(condition: Interruption, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    certain: list[Place] = []
    doubtful: list[tuple[Place, str]] = []
    speech = pieces(_sounds(call))
    for i, by in enumerate(speech):
        if not may_be_by(by.role, condition.by):
            continue
        overlaps = []
        for other in speech[:i]:
            end = min(by.end, other.end)
            two = other.role != "system" and (other.role != by.role or by.role == "unknown")
            if two and by.start - other.start >= condition.after_ms and end > by.start and end - by.start >= condition.overlap_ms:
                overlaps.append((by.heard and other.heard, end))
        if not overlaps:
            continue
        heard, end = max(overlaps)
        place = interrupting(by, end, call)
        if not heard:
            doubtful.append((place, "not_heard"))
        elif not is_by(by.role, condition.by):
            doubtful.append((place, "unknown_role"))
        else:
            certain.append(place)
    mixed = any(s.role == "unknown" for s in call.spans) and len({s.channel for s in call.spans}) == 1
    if mixed and not certain and not doubtful:
        return Outcome(UNDECIDED, why="unknown_role")
    return decide(call, certain, doubtful, condition.times)


def pieces(spans: Sequence[Span]) -> list[Span]:
    """Speech of each channel and role; a pause of a breath ends none. In order of the first span of each."""
    found: list[Span] = []
    for span in spans:
        same = [i for i, p in enumerate(found) if (p.channel, p.role) == (span.channel, span.role)]
        if same and span.start - found[same[-1]].end <= BREATH_MS:
            old = found[same[-1]]
            found[same[-1]] = replace(old, end=max(old.end, span.end), heard=old.heard and span.heard)
        else:
            found.append(span)
    return found


def interrupting(by: Span, end: int, call: Call) -> Place:
    """The overlap, with the turn that breaks in: the last one of that speaker that began before the overlap's end."""
    own = sorted((t for t in call.turns if t.counts and (t.role, t.channel) == (by.role, by.channel)), key=lambda t: t.start)
    begun = [t for t in own if t.start < end]
    if not begun or begun[-1].end <= by.start:
        return Place(by.start, end, by.role)
    return Place(by.start, end, by.role, begun[-1].number, 0, len(begun[-1].text), begun[-1].text)


def reply(condition: Reply, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    other = "customer" if condition.by == "agent" else "agent"
    worlds = []
    for unknown in (condition.by, other):
        known = [replace(s, role=unknown) if s.role == "unknown" else s for s in _sounds(call)]
        worlds += [late_answers(known, condition), late_answers([s for s in known if s.heard], condition)]
    certain: list[Place] = []
    doubtful: list[tuple[Place, str]] = []
    for start in sorted({at for world in worlds for at in world}):
        since = max(world[start] for world in worlds if start in world)
        place = Place(since, start, condition.by)
        if all(start in world for world in worlds):
            certain.append(place)
        else:
            nobody = any(s.role == "unknown" for s in call.spans)
            doubtful.append((place, "unknown_role" if nobody else "not_heard"))
    return decide(call, certain, doubtful, condition.times)


def late_answers(spans: Sequence[Span], condition: Reply) -> dict[int, int]:
    """When each late answer starts, and since when it was waited for, if this is all the speech there is."""
    found: dict[int, int] = {}
    since: int | None = None
    for span in spans:
        if span.role == condition.by:
            if since is not None and span.start - since > condition.longer_than_ms:
                found[span.start] = since
            since = None
        elif span.role != "system":
            since = max(span.end, since or 0)
    return found
