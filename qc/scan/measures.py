"""What is measured turn by turn: repeat, speed, level; and reply, from detected speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import median_low

from qc.packs.conditions import Bound, Level, Repeat, Reply, Speed
from qc.scan.nearly import near_enough
from qc.scan.timing import counted
from qc.scan.verdicts import Evidence, Outcome, Verdict
from qc.scan.view import Call, Turn, is_by, may_be_by
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
    certain = [turn for turn in fitting if is_by(turn.role, who)]
    doubtful = [(turn, "unknown_role") for turn in fitting if not is_by(turn.role, who)]
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
    """Hit where enough turns of one speaker are nearly the same as turns of theirs before."""
    by_role: dict[str, list[Turn]] = {}
    for turn in _reliable(context.call, condition.who):
        if len(turn.normal.text) >= condition.characters:
            by_role.setdefault(turn.role, []).append(turn)
    fitting: list[Turn] = []
    for turns in by_role.values():
        fitting.extend(_repeated(turns, condition))
    return _from_turns(context, condition.who, sorted(fitting, key=lambda t: (t.start_ms, t.number)), 1)


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
    outcome = _from_turns(context, condition.who, sorted(fitting, key=lambda t: (t.start_ms, t.number)), condition.times)
    if outcome.verdict is Verdict.MISS and unknown:
        return Outcome(Verdict.UNDECIDED, coverage=outcome.coverage, why="no_level")
    if outcome.verdict is Verdict.HIT and unknown:
        return replace(outcome, more=outcome.more or "no_level")
    return outcome


@dataclass(frozen=True)
class _Wait:
    """Since `start_ms` somebody waits; `doubt`: why that is not certain."""

    start_ms: int
    doubt: str


def reply(condition: Reply, context: Context) -> Outcome:
    """Hit where enough answers come late. What was not heard may be noise: it doubtfully ends a wait and doubtfully begins one."""
    call = context.call
    if not call.timed:
        return Outcome(Verdict.UNDECIDED, why="no_times")
    certain: list[Evidence] = []
    doubtful: list[tuple[Evidence, str]] = []
    wait: _Wait | None = None
    for span in sorted((s for s in call.spans if s.role != "system"), key=lambda s: (s.start_ms, s.end_ms)):
        doubt = "unknown_role" if span.role == "unknown" else "" if span.heard else "not_heard"
        if wait is not None and may_be_by(span.role, condition.by) and span.start_ms - wait.start_ms > condition.longer_than_ms:
            evidence = Evidence(wait.start_ms, span.start_ms, condition.by)
            if wait.doubt or doubt:
                doubtful.append((evidence, wait.doubt or doubt))
            else:
                certain.append(evidence)
        if span.role == condition.by and not doubt:
            wait = None
        elif span.role != condition.by or wait is not None:
            end = max(span.end_ms, wait.start_ms if wait is not None else 0)
            wait = _Wait(end, doubt)
    return counted(call, certain, doubtful, condition.times, lambda e: e)
