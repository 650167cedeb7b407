"""The reference evaluator: what a rule says of a call, as `docs/meaning.md` has it, in plain loops and nothing clever.

It shares no code with `qc.scan`, looks at one rule and one call at a time, keeps nothing and skips nothing. It is far too
slow to scan with; it is there to be read, and to be what the scanner must equal. What it takes from elsewhere is data: the
pack as it was read, the normal form of text, the readings of characters, the patterns of entities.

`call.py` is the call and what was heard of it, `words.py` finds words, `combine.py` puts verdicts together; here is what each
condition and each rule means. In the code a stretch of time is `[start, end)`, a part of a turn is `[start, end)` characters, times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from typing import Any

from qc.conformance.call import (
    BREATH_MS,
    FEWEST_FOR_MEDIAN,
    HIT,
    MISS,
    MOST_COMPARED,
    MOST_EVIDENCE,
    MOST_PLACES,
    NOT_APPLICABLE,
    STRETCH_MS,
    UNDECIDED,
    Call,
    Outcome,
    Place,
    Span,
    Turn,
    Zone,
    is_by,
    may_be_by,
    not_found,
    read_call,
    said_at,
    stretch,
    unheard,
)
from qc.conformance.combine import (
    all_of,
    any_of,
    at_least,
    compared,
    decide,
    merged,
    opposite,
)
from qc.conformance.words import (
    Match,
    chosen,
    occurrences,
    place_of,
    similar,
)
from qc.packs.conditions import (
    AllOf,
    AnyOf,
    AtLeast,
    Beside,
    Bound,
    Column,
    Condition,
    Count,
    Gap,
    Interruption,
    Level,
    Listed,
    Near,
    NeverSays,
    Not,
    NotNear,
    Repeat,
    Reply,
    Says,
    Silence,
    Speed,
    Term,
    Then,
    WholeCall,
    Window,
)
from qc.packs.model import Pack, Rule

# -- conditions -------------------------------------------------------------------------------------------------


def evaluate(condition: Condition, call: Call) -> Outcome:
    """A condition's verdict on the whole call."""
    return _EVALUATORS[type(condition)](condition, call)


def says(condition: Says, call: Call, zone: Zone | None = None) -> Outcome:
    if isinstance(condition.window, Beside):
        return beside(condition, call)
    window = condition.window
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
    if isinstance(condition.window, Beside):
        return beside(condition, call)
    return opposite(says(Says(condition.terms, condition.who, condition.window, except_=condition.except_), call, zone))


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


def whole_turn(turn: Turn) -> Place:
    return Place(turn.start, turn.end, turn.role, turn.number, 0, len(turn.text), turn.text)


def by_who(turns: Sequence[Turn], who: str) -> tuple[list[Turn], list[Turn]]:
    """Those that are certainly by `who`, and the others."""
    return [t for t in turns if is_by(t.role, who)], [t for t in turns if not is_by(t.role, who)]


def by_turns(call: Call, sure: Sequence[Turn], unsure: Sequence[Turn], who: str, times: int) -> Outcome:
    """The verdict from whole turns: where they are too few, what was not heard may be more of them."""
    certain = [whole_turn(t) for t in sure]
    doubtful = [(whole_turn(t), "unknown_role") for t in unsure]
    outcome = decide(call, certain, doubtful, times)
    rest = not_found(call, who, call.low, call.high, limited=False)
    if outcome.verdict == MISS:
        return rest
    if outcome.verdict == HIT and not outcome.more:
        return replace(outcome, more=rest.why)
    return outcome


def repeat(condition: Repeat, call: Call) -> Outcome:
    turns = [t for t in call.turns if t.counts and t.role != "system" and len(t.normal.text) >= condition.characters]
    certain: list[Turn] = []
    perhaps: list[Turn] = []
    for role in ("agent", "customer"):
        if is_by(role, condition.who):
            certain += repeated([t for t in turns if t.role == role], condition)
            perhaps += repeated([t for t in turns if t.role in (role, "unknown")], condition)
    doubtful = [t for t in dict.fromkeys(perhaps) if t not in certain]
    return by_turns(call, in_time(certain), in_time(doubtful), condition.who, 1)


def repeated(turns: Sequence[Turn], condition: Repeat) -> list[Turn]:
    """Turns of one person that are, for the `times`th time or more, like one of theirs before."""
    said: list[int] = []
    for i, turn in enumerate(turns):
        text = turn.normal.text[:MOST_COMPARED]
        before = range(max(0, i - condition.look_back), i)
        like = [j for j in before if similar(text, turns[j].normal.text[:MOST_COMPARED], condition.percent)]
        said.append(1 + max((said[j] for j in like), default=0))
    return [turn for turn, times in zip(turns, said, strict=True) if times >= condition.times]


def in_time(turns: Iterable[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda t: (t.start, t.number))


def characters(turn: Turn) -> int:
    return len(turn.normal.text.replace(" ", ""))


def paced(turns: Sequence[Turn], pace: Bound) -> str:
    """Characters a minute, exactly."""
    rate = Fraction(60_000 * sum(map(characters, turns)), sum(t.end - t.start for t in turns))
    return compared(pace, rate, rate)


def speed(condition: Speed, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    turns = [
        t
        for t in call.turns
        if t.counts and may_be_by(t.role, condition.who) and characters(t) >= condition.characters and t.end > t.start
    ]
    if condition.per == "turn":
        fitting = [t for t in turns if paced([t], condition.pace) == HIT]
        return by_turns(call, *by_who(fitting, condition.who), condition.who, condition.times)
    rest = not_found(call, condition.who, call.low, call.high, limited=False)
    if rest.verdict == UNDECIDED or not turns:
        return rest
    if any(not is_by(t.role, condition.who) for t in turns):
        return Outcome(UNDECIDED, why="unknown_role")
    verdict = paced(turns, condition.pace)
    place = (Place(turns[0].start, max(t.end for t in turns), condition.who),)
    return Outcome(verdict, place if verdict == HIT else (), rest.coverage, window=place)


def level(condition: Level, call: Call) -> Outcome:
    fitting: list[Turn] = []
    unknown = False
    for role in dict.fromkeys(t.role for t in call.turns if may_be_by(t.role, condition.who)):
        own = [t for t in call.turns if t.role == role]
        loud = [(t, round(t.level * 10)) for t in own if t.level is not None]
        unknown = unknown or len(loud) < len(own)
        zero = 0
        if condition.what == "rise" and loud:
            if len(loud) < FEWEST_FOR_MEDIAN:
                unknown = True
                continue
            zero = sorted(tenths for _, tenths in loud)[(len(loud) - 1) // 2]
        fitting += [t for t, tenths in loud if compared(condition.bound, tenths - zero, tenths - zero) == HIT]
    outcome = by_turns(call, *by_who(in_time(fitting), condition.who), condition.who, condition.times)
    if unknown and outcome.verdict == MISS:
        return Outcome(UNDECIDED, coverage=outcome.coverage, why="no_level")
    if unknown and outcome.verdict == HIT:
        return replace(outcome, more=outcome.more or "no_level")
    return outcome


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


def fact(verdict: str, call: Call, why: str, share: float | None = None) -> Outcome:
    """A verdict about the whole call: the call shows it."""
    if verdict == UNDECIDED:
        return Outcome(UNDECIDED, coverage=share, why=why)
    whole = (Place(call.low, call.high, "anyone"),) if call.timed else ()
    return Outcome(verdict, whole if verdict == HIT else (), share, window=whole)


def count(condition: Count, call: Call) -> Outcome:
    if condition.hits is not None:
        found = evaluate(condition.hits, call)
        size = len(found.places) if found.verdict == HIT else 0
        open_ended = found.verdict == UNDECIDED or bool(found.more)
        verdict = compared(condition.bound, size, None if open_ended else size)
        if verdict == HIT and size:
            return Outcome(HIT, found.places, found.coverage)
        return fact(verdict, call, found.why or found.more, found.coverage)
    perhaps = [t for t in call.turns if t.role != "system" and may_be_by(t.role, condition.who)]
    sure = [t for t in perhaps if t.counts and is_by(t.role, condition.who)]
    low = high = len(sure)
    if condition.what == "turns":
        high = len(perhaps)
        known = True
    else:
        roles = [t.role for t in sure if t.role != "unknown"]
        low = high = sum(a != b for a, b in pairwise(roles))
        known = len(roles) == len(perhaps)
    rest = not_found(call, condition.who, call.low, call.high, limited=False)
    verdict = compared(condition.bound, low, high if known and not rest.why else None)
    return fact(verdict, call, rest.why or "unknown_role", rest.coverage)


def whole_call(condition: WholeCall, call: Call) -> Outcome:
    outcomes = [call_fact(name, bound, call) for name, bound in condition.facts]
    if condition.ended_by:
        ended = (call.listed.get("hangup") or "").strip()
        outcomes.append(fact(UNDECIDED if not ended else HIT if ended == condition.ended_by else MISS, call, "not_listed"))
    return all_of(outcomes)


def call_fact(name: str, bound: Bound, call: Call) -> Outcome:
    if not call.timed:
        return Outcome(UNDECIDED, why="no_times")
    if name in ("duration", "after_last_turn") and call.duration is None:
        return Outcome(UNDECIDED, why="no_duration")
    if name == "duration":
        return fact(compared(bound, call.duration, None if call.cut else call.duration), call, "truncated")
    if call.cut:
        return Outcome(UNDECIDED, why="truncated")
    spoken = [s for s in call.spans if s.role != "system"]
    if name == "after_last_turn":
        assert call.duration is not None
        low = max(0, call.duration - call.high)
        high = max(low, call.duration - max((s.end for s in spoken if s.heard), default=0))
        return fact(compared(bound, low, high), call, "not_heard")
    if not spoken:
        return Outcome(UNDECIDED, why="no_speech")
    role = name.removesuffix("_share")

    def length(chosen: Iterable[Span]) -> int:
        return sum(s.end - s.start for s in chosen)

    own, unknown = [s for s in spoken if s.role == role], [s for s in spoken if s.role == "unknown"]
    other = [s for s in spoken if s.role not in (role, "unknown")]
    own_heard, other_heard = length(s for s in own if s.heard), length(s for s in other if s.heard)
    least = Fraction(own_heard, (own_heard + length(other) + length(unknown)) or 1)
    most_of = length(own) + length(unknown)
    most = Fraction(most_of, (most_of + other_heard) or 1)
    verdict = compared(bound, least * 1000, most * 1000)
    return fact(verdict, call, "unknown_role" if unknown else "not_heard")


def listed(condition: Listed, call: Call) -> Outcome:
    return all_of([fact(cell(column, call), call, "not_listed") for column in condition.columns])


def cell(column: Column, call: Call) -> str:
    if column.name not in call.listed:
        return UNDECIDED
    value = (call.listed[column.name] or "").strip()
    if column.op in ("missing", "given"):
        return HIT if bool(value) == (column.op == "given") else MISS
    if not value:
        return UNDECIDED
    if column.op == "is":
        return HIT if value in column.values else MISS
    try:
        number = Decimal(value) if len(value) < 30 else Decimal("NaN")
    except InvalidOperation:
        return UNDECIDED
    if not number.is_finite():
        return UNDECIDED
    asked = Decimal(column.number)
    holds = {"over": number > asked, "under": number < asked, "at least": number >= asked, "at most": number <= asked}
    return HIT if holds[column.op] else MISS


# -- beside one another -----------------------------------------------------------------------------------------


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


_EVALUATORS: dict[type, Callable[[Any, Call], Outcome]] = {
    Says: says,
    NeverSays: never_says,
    Silence: silence,
    Interruption: interruption,
    AllOf: lambda c, call: all_of([evaluate(part, call) for part in c.parts]),
    AnyOf: lambda c, call: any_of([evaluate(part, call) for part in c.parts]),
    Not: lambda c, call: opposite(evaluate(c.part, call)),
    AtLeast: lambda c, call: at_least(c.count, [evaluate(part, call) for part in c.parts]),
    Near: near,
    NotNear: not_near,
    Then: then,
    Repeat: repeat,
    Count: count,
    Reply: reply,
    Speed: speed,
    Level: level,
    WholeCall: whole_call,
    Listed: listed,
}


# -- rules ------------------------------------------------------------------------------------------------------


def finding(rule: Rule, pack: Pack, row: Mapping[str, Any], listed: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """What a rule says of a call: rule, verdict, severity, count, coverage, why, evidence, as in `findings.verdicts`.

    `row`: of `transcripts`, of a call that was transcribed. `listed`: the call list's columns and cells, None where there is none.
    """
    call = read_call(pack, row, listed)
    applies, why = applicable(rule, call)
    outcome = evaluate(rule.when, call) if applies != "no" else Outcome(NOT_APPLICABLE, why=why)
    if applies == "unknown" and outcome.verdict == HIT:
        outcome = replace(outcome, verdict=UNDECIDED, why=why)
    return {
        "rule": rule.id,
        "verdict": outcome.verdict,
        "severity": rule.severity,
        "count": counted(rule, outcome) if outcome.verdict == HIT else 0,
        "coverage": outcome.coverage,
        "why": outcome.why if outcome.verdict in (UNDECIDED, NOT_APPLICABLE) else None,
        "evidence": [place.__dict__ for place in outcome.places[:MOST_EVIDENCE]] if outcome.verdict != MISS else [],
    }


def findings(pack: Pack, row: Mapping[str, Any], listed: Mapping[str, str | None] | None = None) -> list[dict[str, Any]]:
    """Every rule's finding on a call, misses included, in the pack's order."""
    return [finding(rule, pack, row, listed) for rule in pack.rules]


def counted(rule: Rule, outcome: Outcome) -> int:
    """Once a call; with `once_per` again for what starts so much later than what counted last."""
    if rule.once_per_ms is None or not outcome.places:
        return 1
    starts: list[int] = []
    for place in outcome.places:
        if not starts or place.start_ms - starts[-1] >= rule.once_per_ms:
            starts.append(place.start_ms)
    return len(starts)


def applicable(rule: Rule, call: Call) -> tuple[str, str]:
    """`yes`, `no` or `unknown`, by the call list and the day of the call; and why."""
    unknown = False
    for column, values in rule.applies_to:
        value = call.listed.get(column)
        if value is not None and value.strip() not in values:
            return "no", "applies_to"
        unknown = unknown or value is None
    if rule.valid_from or rule.valid_until:
        day = (call.listed.get("started_at") or "")[:10]
        if day and ((rule.valid_from and day < rule.valid_from) or (rule.valid_until and day > rule.valid_until)):
            return "no", "not_valid"
        unknown = unknown or not day
    return ("unknown", "applies_unknown") if unknown else ("yes", "")
