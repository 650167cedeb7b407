"""The nearest miss: what came closest to making a condition hold, for a person who asks why it did not.

Each is found by asking the same scanner a little less: the same words from anyone, anywhere in the call, written as they
sound; a shorter silence, a wider gap. So what is told here is never another reading of the rule than the scanner's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from qc.packs.conditions import (
    Beside,
    Bound,
    Condition,
    Count,
    Gap,
    Interruption,
    Level,
    Listed,
    Near,
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
from qc.packs.places import write_gap, write_window
from qc.packs.readable import one_line, readable
from qc.packs.terms import FUZZY_LENGTH
from qc.scan.conditions import evaluate
from qc.scan.matching import Match, Matcher
from qc.scan.verdicts import Evidence, Verdict
from qc.scan.view import is_by, may_be_by
from qc.scan.words import Context
from qc.text.normal import kind, normal_text
from qc.text.sound import TOLERATE

MOST = 3
"""Near misses told of one condition."""

_MOST_WORDS = 300
"""Words of a condition that are also tried by sound and nearly."""

_LEAST_PERCENT = 60
QUOTE = "\0"
"""Where the words of the evidence go in a sentence: put in last, so that they can be masked."""


@dataclass(frozen=True)
class Nearest:
    """`how`: what kind of miss (`where`, `who`, `sound`, …). `text`: the sentence, with QUOTE for the words themselves."""

    how: str
    text: str
    evidence: Evidence | None = None

    def say(self, quote: str) -> str:
        """The sentence with these words in it."""
        return self.text.replace(QUOTE, quote)


def clock(ms: int) -> str:
    """Minutes and seconds: 00:41."""
    return f"{max(ms, 0) // 60_000:02d}:{max(ms, 0) // 1000 % 60:02d}"


def seconds(ms: int) -> str:
    """A length of time: 3 s, 0.4 s, 95 s."""
    return f"{ms / 1000:.1f}".rstrip("0").rstrip(".") + " s"


def nearest(condition: Condition, context: Context) -> tuple[Nearest, ...]:
    """Up to `MOST` near misses of a condition that does not hold, the most telling first."""
    if isinstance(condition, Says):
        found = _words(condition, context)
    elif isinstance(condition, Near):
        found = _near(condition, context)
    elif isinstance(condition, Then):
        found = _then(condition, context)
    else:
        found = _numbers(condition, context)
    kept: dict[tuple[str, str], Nearest] = {}
    for one in found:
        kept.setdefault((one.how, one.text), one)
        if len(kept) == MOST:
            break
    return tuple(kept.values())


def _shown(condition: Condition, context: Context) -> tuple[Evidence, ...]:
    outcome = evaluate(condition, context)
    return outcome.evidence if outcome.verdict is not Verdict.MISS else ()


# -- words ------------------------------------------------------------------------------------------------------


def _words(says: Says, context: Context) -> Iterator[Nearest]:
    yield from _fewer(says, context)
    yield from _elsewhere(says, context)
    for one in _by_others(replace(says, who="anyone"), says.who, context):
        yield Nearest("who", f"{_said(one)}, but by {_role(one.role)}; the rule asks for the {says.who}", one)
    for one in _shown(replace(says, except_=()), context) if says.except_ else ():
        yield Nearest("except", f"{_said(one)}, but inside one of the longer phrases under `except`", one)
    for one in _shown(replace(says, unless=()), context) if says.unless else ():
        yield Nearest("unless", f"{_said(one)}, but the same speaker also says one of the words under `unless` there", one)
    if says.window is not None:
        for one in _by_others(replace(says, who="anyone", window=None), says.who, context):
            yield Nearest("who_and_where", f"{_said(one)}, but by {_role(one.role)} and outside {_where(says.window)}", one)
    yield from _doubtful(says, context)
    yield from _otherwise_written(says, context)


def _by_others(anyone: Says, who: str, context: Context) -> Iterator[Evidence]:
    """What the others say of it, where the rule names a role."""
    if who != "anyone":
        yield from (one for one in _shown(anyone, context) if not is_by(one.role, who))


def _fewer(says: Says, context: Context) -> Iterator[Nearest]:
    if says.need == 1 and says.times == 1:
        return
    found = _shown(replace(says, need=1, times=1), context)
    if not found:
        return
    if says.times > 1 and len(found) < says.times:
        times = f"{len(found)} time" + ("s" if len(found) > 1 else "")
        yield Nearest("times", f"said {QUOTE} and the like {times}; the rule asks for {says.times}", found[0])
    else:
        need = "all of them" if says.need == -1 else f"{says.need} different ones"
        yield Nearest("need", f"{_said(found[0])}, but the rule asks for {need} of its {len(says.terms)} words", found[0])


def _elsewhere(says: Says, context: Context) -> Iterator[Nearest]:
    window = says.window
    if window is None:
        return
    found = _shown(replace(says, window=None), context)
    if isinstance(window, Beside):
        places = _shown(window.anchor, context)
        if not places:
            return
        for one in sorted(found, key=lambda e: min(_apart(e, place) for place in places)):
            place = min(places, key=lambda p: _apart(one, p))
            side = "before" if one.start_ms < place.start_ms else "after"
            asked = f"{readable(write_gap(window.gap))} {window.side}" if window.gap else window.side
            text = f"{_said(one)}, {seconds(_apart(one, place))} {side} what it is measured from; the rule asks for {asked} it"
            yield Nearest("where", text, one)
        return
    start, end = context.call.range_ms(window, says.who)
    for one in sorted(found, key=lambda e: max(start - e.end_ms, e.start_ms - end)):
        far = f"{seconds(one.start_ms - end)} after" if one.start_ms >= end else f"{seconds(start - one.end_ms)} before"
        yield Nearest("where", f"{_said(one)}, but {far} the window ({_where(window)}: {clock(start)} to {clock(end)})", one)


def _doubtful(says: Says, context: Context) -> Iterator[Nearest]:
    """The words in turns that do not count."""
    for match in context.matches.of(says.terms, says.except_):
        turn = context.call.turns[match.turn]
        if not turn.reliable and may_be_by(turn.role, says.who):
            one = _evidence(match, context)
            yield Nearest(
                "quarantined", f"{_said(one)}, but the turn does not count: it is flagged, or below the confidence floor", one
            )


def _otherwise_written(says: Says, context: Context) -> Iterator[Nearest]:
    """Words that sound like the rule's, or are nearly them; from whom and where the rule asks for first."""
    words = [term for term in says.terms if term.kind in ("word", "sound", "fuzzy")][:_MOST_WORDS]
    sounds = [t for t in words if t.kind != "fuzzy" and len(normal_text(t.text)) > 1 and kind(normal_text(t.text)[0]) == "c"]
    tried = {replace(t, kind="sound", tolerate=()): t for t in sounds if t.kind == "word"}
    tried |= {replace(t, kind="sound", tolerate=TOLERATE): t for t in sounds}
    low, high = FUZZY_LENGTH
    nearly = [t for t in words if low <= len(normal_text(t.text)) <= high]
    tried |= {Term("fuzzy", t.text, percent=_LEAST_PERCENT): t for t in nearly}
    matches = Matcher(tried).match([context.call])[0]
    told = []
    for order, (term, asked) in enumerate(tried.items()):
        for match in matches.of([term]):
            turn = context.call.turns[match.turn]
            if turn.reliable and turn.role != "system":
                said = turn.normal.text[match.start : match.end]
                if said != normal_text(asked.text):
                    told.append((not is_by(turn.role, says.who), order, match.turn, match, asked, said))
    seen: set[tuple[int, int, int, Term]] = set()
    for wrong_role, _, _, match, asked, said in sorted(told, key=lambda item: item[:3]):
        place = (match.turn, match.start, match.end, asked)
        if place in seen:
            continue  # what sounds like it sounds nearly like it, too
        seen.add(place)
        one = _evidence(match, context)
        by = f" by {_role(one.role)}" if wrong_role else ""
        at = f"at {clock(one.start_ms)}{by}"
        if match.term.kind == "fuzzy":
            alike = _similarity(said, normal_text(asked.text))
            wants = f"{asked.percent} %" if asked.kind == "fuzzy" else "exact" if asked.kind == "word" else "the same sound"
            yield Nearest("fuzzy", f"{QUOTE} {at} is {alike} % like {asked.text}; the rule asks for {wants}", one)
        elif match.term.tolerate:
            wants = (
                "exact"
                if asked.kind == "word"
                else "the same sound" + (" but for the pairs it tolerates" if asked.tolerate else "")
            )
            yield Nearest("sound", f"{QUOTE} {at} sounds nearly like {asked.text}; the rule asks for {wants}", one)
        else:
            yield Nearest("sound", f"{QUOTE} {at} sounds like {asked.text}; the rule asks for exact", one)


def _similarity(said: str, asked: str) -> int:
    from rapidfuzz.distance import Levenshtein

    return 100 - -(-100 * Levenshtein.distance(said, asked) // max(len(said), len(asked)))


def _evidence(match: Match, context: Context) -> Evidence:
    turn = context.call.turns[match.turn]
    first, last = turn.normal.original(match.start, match.end)
    start, end = turn.times(first, last)
    return Evidence(start, end, turn.role, turn.number, first, last, turn.text[first:last])


def _said(one: Evidence) -> str:
    return f"said {QUOTE} at {clock(one.start_ms)}"


def _role(role: str) -> str:
    return "somebody whose role is not known" if role == "unknown" else f"the {role}"


def _where(window: Window | Beside) -> str:
    said = readable(write_window(window))
    return said if isinstance(said, str) else one_line(said)


def _apart(one: Evidence, other: Evidence) -> int:
    return max(0, one.start_ms - other.end_ms, other.start_ms - one.end_ms)


# -- beside one another -----------------------------------------------------------------------------------------

_GAPS = {"ms": 86_400_000, "turns": 5_000, "chars": 20_000}


def _near(near: Near, context: Context) -> Iterator[Nearest]:
    def wider(size: int) -> Condition:
        return replace(near, gap=Gap(near.gap.unit, size))

    size = _least(wider, near.gap.size, _GAPS[near.gap.unit], context)
    if size is not None:
        one = _first(wider(size), context)
        text = f"both happen, but {_gap(near.gap.unit, size)} apart; the rule asks for at most {readable(write_gap(near.gap))}"
        yield Nearest("apart", text, one)


def _then(then: Then, context: Context) -> Iterator[Nearest]:
    for index, step in enumerate(then.steps):
        if step.gap is None:
            continue
        unit = step.gap.unit

        def wider(size: int, index: int = index, unit: Any = unit) -> Condition:
            steps = list(then.steps)
            steps[index] = replace(steps[index], gap=Gap(unit, size))
            return replace(then, steps=tuple(steps))

        size = _least(wider, step.gap.size, _GAPS[unit], context)
        if size is not None:
            asked = readable(write_gap(step.gap))
            text = f"step {index + 1} comes {_gap(unit, size)} after the one before; the rule asks for at most {asked}"
            yield Nearest("apart", text, _first(wider(size), context))
    loose = replace(then, steps=tuple(replace(step, gap=None) for step in then.steps))
    for length in range(len(then.steps) - 1, 1, -1):
        if _hits(replace(loose, steps=loose.steps[:length]), context):
            yield Nearest("order", f"steps 1 to {length} happen in this order; step {length + 1} does not come after them")
            return


def _gap(unit: Any, size: int) -> str:
    return seconds(size) if unit == "ms" else write_gap(Gap(unit, size))


# -- numbers ----------------------------------------------------------------------------------------------------


def _no_column(condition: Listed, context: Context) -> Iterator[Nearest]:
    """No cell is told: it may hold anybody's number."""
    listed = context.call.meta
    if listed is None:
        yield Nearest("column", "the call list does not have this call")
        return
    for column in condition.columns:
        if column.name not in listed:
            names = ", ".join(sorted(listed)[:_MOST_WORDS])
            yield Nearest("column", f"the call list has no column {column.name}; it has {names}")


def _numbers(condition: Condition, context: Context) -> Iterator[Nearest]:
    """Conditions on a number: the nearest number at which they would hold. Of the call list: columns that it does not have."""
    if isinstance(condition, Listed):
        yield from _no_column(condition, context)
    elif isinstance(condition, Silence):
        yield from _silence(condition, context)
    elif isinstance(condition, Reply):
        yield from _longest("longer_than_ms", condition, "the longest wait for an answer was {}", context)
    elif isinstance(condition, Interruption):
        yield from _longest("overlap_ms", condition, "both spoke at once for {} at most", context)
        yield from _longest("after_ms", condition, "the other had been speaking for {} at most", context)
    elif isinstance(condition, Repeat):
        best = _most(lambda v: replace(condition, percent=v), 1, condition.percent, context)
        if best is not None:
            text = f"the most similar turns are {best} % alike; the rule asks for {condition.percent} %"
            yield Nearest("similarity", text, _first(replace(condition, percent=best), context))
    elif isinstance(condition, Count):
        yield from _bound(condition.bound, lambda b: replace(condition, bound=b), _COUNTED[condition.what], 1, context)
    elif isinstance(condition, Speed):
        yield from _bound(condition.pace, lambda b: replace(condition, pace=b), "characters a minute", 1, context)
    elif isinstance(condition, Level):
        unit = "dBFS" if condition.what == "loudness" else "dB above the role's median"
        yield from _bound(condition.bound, lambda b: replace(condition, bound=b), unit, 10, context)
    elif isinstance(condition, WholeCall):
        for name, bound in condition.facts:

            def alone(b: Bound, name: str = name) -> Condition:
                return replace(condition, facts=((name, b),), ended_by="")

            if not _hits(alone(bound), context):
                unit, scale = ("%", 10) if name.endswith("share") else ("s", 1000) if name != "turns" else ("turns", 1)
                yield from _bound(bound, alone, unit, scale, context, name.replace("_", " ") + ": ")


_COUNTED = {"turns": "turns", "role_changes": "changes of speaker", "hits": "places"}


def _silence(condition: Silence, context: Context) -> Iterator[Nearest]:
    yield from _longest("longer_than_ms", condition, "the longest silence of this kind was {}", context)
    if condition.except_after:
        for one in _shown(replace(condition, except_after=()), context):
            length = seconds(one.end_ms - one.start_ms)
            yield Nearest(
                "except", f"{length} of silence at {clock(one.start_ms)}, after one of the words under `except_after`", one
            )
    if (condition.before, condition.after) != ("anyone", "anyone"):
        for one in _shown(replace(condition, before="anyone", after="anyone"), context):
            length = seconds(one.end_ms - one.start_ms)
            yield Nearest("who", f"{length} of silence at {clock(one.start_ms)}, but between others than the rule asks for", one)
    if condition.times > 1:
        found = _shown(replace(condition, times=1), context)
        if found:
            yield Nearest("times", f"it happens {len(found)} times; the rule asks for {condition.times}", found[0])


def _longest(name: str, condition: Any, said: str, context: Context) -> Iterator[Nearest]:
    asked = getattr(condition, name)
    best = _most(lambda v: replace(condition, **{name: v}), 0, asked, context)
    if best is None:
        return
    one = _first(replace(condition, **{name: best}), context)
    length = best + 1 if name == "longer_than_ms" else best
    at = f" (at {clock(one.start_ms)})" if one is not None else ""
    bound = "more than" if name == "longer_than_ms" else "at least"
    yield Nearest("length", said.format(seconds(length)) + f"{at}; the rule asks for {bound} {seconds(asked)}", one)


def _bound(
    bound: Bound, make: Callable[[Bound], Condition], unit: str, scale: int, context: Context, head: str = ""
) -> Iterator[Nearest]:
    def at(value: int) -> Condition:
        return make(Bound("at least" if upward else "at most", value))

    upward = bound.op in ("over", "at least")
    far = 100_000_000
    best = _most(at, -2_000, bound.value, context) if upward else _least(at, bound.value, far, context)
    if best is not None and (not upward or best > -2_000):
        asked = f"{bound.op} {bound.value / scale:g} {unit}"
        yield Nearest("number", f"{head}{best / scale:g} {unit}; the rule asks for {asked}", _first(at(best), context))


def _hits(condition: Condition, context: Context) -> bool:
    return evaluate(condition, context).verdict is Verdict.HIT


def _first(condition: Condition, context: Context) -> Evidence | None:
    shown = evaluate(condition, context).evidence
    return next((one for one in shown if one.turn is not None), shown[0] if shown else None)


def _most(make: Callable[[int], Condition], low: int, asked: int, context: Context) -> int | None:
    """The largest value from `low` to `asked` at which the condition holds; smaller ones hold the more."""
    if not _hits(make(low), context):
        return None
    high = asked
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _hits(make(middle), context) else (low, middle - 1)
    return low


def _least(make: Callable[[int], Condition], asked: int, high: int, context: Context) -> int | None:
    """The smallest value from `asked` to `high` at which the condition holds; larger ones hold the more."""
    if not _hits(make(high), context):
        return None
    low = asked
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _hits(make(middle), context) else (middle + 1, high)
    return high
