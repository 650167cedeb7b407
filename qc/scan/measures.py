"""What is measured turn by turn: repeat, speed, level; and reply, from detected speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from statistics import median_low

from qc.packs.conditions import Bound, Level, Repeat, Reply, Speed
from qc.scan.nearly import near_enough
from qc.scan.timing import counted
from qc.scan.verdicts import Evidence, Outcome, Verdict
from qc.scan.view import Call, Span, Turn, is_by, may_be_by
from qc.scan.words import Context, not_found

MAX_COMPARED = 500
"""Characters of a turn that `repeat` compares."""

FEWEST_FOR_MEDIAN = 3


def within(bound: Bound, low: int | Fraction, high: int | Fraction | None, scale: int = 1) -> Verdict:
    """What a number somewhere in [low, high] (None: no upper end) says of a bound whose value is multiplied by `scale`."""
    value = bound.value * scale
    if bound.op in ("under", "at most"):
        above = low >= value if bound.op == "under" else low > value
        below = high is not None and (high < value if bound.op == "under" else high <= value)
        return Verdict.HIT if below else Verdict.MISS if above else Verdict.UNDECIDED
    above = low > value if bound.op == "over" else low >= value
    below = high is not None and (high <= value if bound.op == "over" else high < value)
    return Verdict.HIT if above else Verdict.MISS if below else Verdict.UNDECIDED


def _turn_evidence(turn: Turn) -> Evidence:
    return Evidence(turn.start_ms, turn.end_ms, turn.role, turn.number, 0, len(turn.text), turn.text)


def _from_turns(context: Context, who: str, turns: Iterable[Turn], times: int) -> Outcome:
    """A verdict from the turns that fit: those of unknown role are doubtful, and where not all was heard there may be more."""
    fitting = list(turns)
    return _from_both(
        context, who, [t for t in fitting if is_by(t.role, who)], [t for t in fitting if not is_by(t.role, who)], times
    )


def _from_both(context: Context, who: str, certain: list[Turn], unsure: list[Turn], times: int) -> Outcome:
    doubtful = [(turn, "unknown_role") for turn in unsure]
    outcome = counted(context.call, certain, doubtful, times, _turn_evidence)
    rest = not_found(who, context)
    if outcome.verdict is Verdict.MISS:
        return rest
    if outcome.verdict is Verdict.HIT and not outcome.more:
        return Outcome(Verdict.HIT, outcome.evidence, more=rest.why)
    return outcome


def _reliable(call: Call, who: str) -> list[Turn]:
    return [turn for turn in call.turns if turn.reliable and may_be_by(turn.role, who)]


def repeat(condition: Repeat, context: Context) -> Outcome:
    """Hit where enough turns of one speaker are nearly the same as turns of theirs before. Whoever is unknown may be that one."""
    turns = [t for t in _reliable(context.call, condition.who) if len(t.normal.text) >= condition.characters]
    certain: list[Turn] = []
    perhaps: dict[int, Turn] = {}
    for role in ("agent", "customer"):
        if is_by(role, condition.who):
            own = [turn for turn in turns if turn.role == role]
            either = [turn for turn in turns if turn.role in (role, "unknown")]
            found = _repeated(own, condition)
            certain += found
            perhaps |= {id(turn): turn for turn in (_repeated(either, condition) if len(either) > len(own) else found)}
    known = {id(turn) for turn in certain}
    doubtful = [turn for turn in perhaps.values() if id(turn) not in known]
    return _from_both(context, condition.who, _in_time(certain), _in_time(doubtful), 1)


def _in_time(turns: Iterable[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda t: (t.start_ms, t.number))


def _repeated(turns: Sequence[Turn], condition: Repeat) -> list[Turn]:
    """The turns that say for at least the `times`th time what was said in the turns before them."""
    from rapidfuzz.distance import Levenshtein

    texts = [turn.normal.text[:MAX_COMPARED] for turn in turns]
    said: list[int] = []
    for i, text in enumerate(texts):
        count = 1
        for j in range(max(0, i - condition.look_back), i):
            longer = max(len(text), len(texts[j]))
            most = (100 - condition.percent) * longer // 100
            if abs(len(text) - len(texts[j])) > most:
                continue
            if near_enough(Levenshtein.distance(text, texts[j], score_cutoff=most), longer, condition.percent):
                count = max(count, said[j] + 1)
        said.append(count)
    return [turn for turn, count in zip(turns, said, strict=True) if count >= condition.times]


def _characters(turn: Turn) -> int:
    return len(turn.normal.text) - turn.normal.text.count(" ")


def speed(condition: Speed, context: Context) -> Outcome:
    """Hit where turns, or all of them together, are said at such a pace."""
    call = context.call
    if not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    turns = [t for t in _reliable(call, condition.who) if _characters(t) >= condition.characters and t.end_ms > t.start_ms]
    if condition.per == "turn":
        return _from_turns(
            context, condition.who, [t for t in turns if _paced([t], condition.pace) is Verdict.HIT], condition.times
        )
    rest = not_found(condition.who, context)
    if rest.verdict is Verdict.UNDECIDED or not turns:
        return rest
    if not all(is_by(turn.role, condition.who) for turn in turns):
        return Outcome(Verdict.UNDECIDED, why="unknown_role")
    verdict = _paced(turns, condition.pace)
    shown = (Evidence(turns[0].start_ms, max(t.end_ms for t in turns), condition.who),)
    return Outcome(verdict, shown if verdict is Verdict.HIT else (), coverage=rest.coverage, absence=shown)


def _paced(turns: Sequence[Turn], pace: Bound) -> Verdict:
    """Characters a minute against the bound, in whole numbers: characters x 60,000 against the bound x milliseconds."""
    characters = sum(map(_characters, turns)) * 60_000
    return within(pace, characters, characters, sum(turn.end_ms - turn.start_ms for turn in turns))


def level(condition: Level, context: Context) -> Outcome:
    """Hit where turns are so loud, or so much louder than the role's median. A turn need not be understood to be loud."""
    call = context.call
    by_role: dict[str, list[tuple[Turn, int]]] = {}
    unknown = False
    for turn in call.turns:
        if may_be_by(turn.role, condition.who):
            if turn.level_dbfs is None:
                unknown = True
            else:
                by_role.setdefault(turn.role, []).append((turn, round(turn.level_dbfs * 10)))
    fitting: list[Turn] = []
    for turns in by_role.values():
        if condition.what == "rise" and len(turns) < FEWEST_FOR_MEDIAN:
            unknown = True
            continue
        zero = median_low([tenths for _, tenths in turns]) if condition.what == "rise" else 0
        fitting.extend(turn for turn, tenths in turns if within(condition.bound, tenths - zero, tenths - zero) is Verdict.HIT)
    outcome = _from_turns(context, condition.who, _in_time(fitting), condition.times)
    if outcome.verdict is Verdict.MISS and unknown:
        return Outcome(Verdict.UNDECIDED, coverage=outcome.coverage, why="no_level")
    if outcome.verdict is Verdict.HIT and unknown:
        return replace(outcome, more=outcome.more or "no_level")
    return outcome


def reply(condition: Reply, context: Context) -> Outcome:
    """Hit where enough answers come late, whether or not what was not heard is speech and whoever it is that is not known."""
    call = context.call
    if not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    spans = sorted((s for s in call.spans if s.role != "system"), key=lambda s: (s.start_ms, s.end_ms))
    heard = [s for s in spans if s.heard]
    readings = [spans] if len(heard) == len(spans) else [spans, heard]
    unknown = (True, False) if call.has_unknown() else (False,)
    worlds = [_late(listed, condition, unknown_answers) for listed in readings for unknown_answers in unknown]
    certain: list[Evidence] = []
    doubtful: list[tuple[Evidence, str]] = []
    for start in sorted(set().union(*worlds)):
        evidence = Evidence(max(world[start] for world in worlds if start in world), start, condition.by)
        if all(start in world for world in worlds):
            certain.append(evidence)
        else:
            doubtful.append((evidence, "unknown_role" if call.has_unknown() else "not_heard"))
    return counted(call, certain, doubtful, condition.times, lambda e: e)


def _late(spans: Sequence[Span], condition: Reply, unknown_answers: bool) -> dict[int, int]:
    """When each late answer starts, and since when it was waited for, if this is all the speech there is."""
    found: dict[int, int] = {}
    since: int | None = None
    for span in spans:
        if span.role == condition.by or (unknown_answers and span.role == "unknown"):
            if since is not None and span.start_ms - since > condition.longer_than_ms:
                found[span.start_ms] = since
            since = None
        else:
            since = max(span.end_ms, since or 0)
    return found
