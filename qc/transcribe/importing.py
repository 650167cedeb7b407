"""Stage 2 without recordings: transcripts made elsewhere into the same tables, one row a call.

Files of one call come together by name (`x_agent.srt`, `x_customer.srt`), speakers become roles, missing times are made up
in a way that is said. Without audio the turns are the detected speech; a line that could not be read is speech not heard.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from qc.errors import CallError, Problem, UsageError
from qc.progress import Progress
from qc.store import Store
from qc.transcribe import guard
from qc.transcribe.imports import FORMATS, Piece, SaidThere, format_of
from qc.transcribe.options import ROLES
from qc.version import VERSION

SPEAKERS: dict[str, str] = {
    **dict.fromkeys(
        "agent operator seller staff service csr rep representative assistant host 坐席 座席 客服 员工 商家 卖家 店小二 小二 客服人员".split(),
        "agent",
    ),
    **dict.fromkeys("customer caller client user buyer visitor guest 客户 用户 买家 顾客 消费者 访客 来电人".split(), "customer"),
    **dict.fromkeys("system ivr bot robot 系统 机器人 智能客服 自动回复".split(), "system"),
    "unknown": "unknown",
    "未知": "unknown",
}
"""What other tools call the two sides. `--role NAME=agent` says more."""

_SIDES: dict[str, tuple[str, int]] = {"agent": ("agent", 0), "customer": ("customer", 1), "caller": ("customer", 1)}
_CHANNELS = {"left": 0, "right": 1, "ch0": 0, "ch1": 1}
_MS_A_CHAR = 200
_SHORTEST_MS = 600
_COMMIT = 2_000


@dataclass(frozen=True)
class ImportOptions:
    """`format`: one of `imports.FORMATS` or `auto`; `roles`: speaker → role; `agent_channel`: of files by channel.

    `agent_pattern`, `customer_pattern`: RE2 expressions searched in file names that say whose side a file is; what is left of
    the name, or the group `call_id`, names the call. `mono_role`: role of a speaker that nothing names.
    """

    format: str = "auto"
    roles: Mapping[str, str] = field(default_factory=dict)
    agent_channel: int = 0
    agent_pattern: str | None = None
    customer_pattern: str | None = None
    mono_role: str = "unknown"
    language: str = "zh"
    guard: guard.GuardOptions = field(default_factory=guard.GuardOptions)


@dataclass
class ImportSummary:
    """What an import did. `failures`: (call_id, reason, message)."""

    calls: int = 0
    turns: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed_calls(self) -> int:
        return sum(self.failed.values())


@dataclass(frozen=True)
class _Part:
    """A piece and what its file's name says: whose side it is, which channel."""

    piece: Piece
    format: str
    role: str | None
    channel: int | None


def import_transcripts(
    store: Store, files: Sequence[Path], options: ImportOptions, progress: Progress, listed: Sequence[Mapping[str, Any]] = ()
) -> ImportSummary:
    """Import files into `calls` and `transcripts`. `listed`: rows of `calls` from a call list, joined by id.

    A listed call without a transcript is a failed row, unless the store has its transcript. Raises UsageError before
    anything is done, StoreError when the store cannot be written.
    """
    _check(options)
    parts, summary = _gather(files, options, progress)
    known = {row["call_id"]: row for row in listed}
    progress.start("import", len(parts) + len(known.keys() - parts.keys()))
    counted: Counter[str] = Counter()
    fresh: list[dict[str, Any]] = []
    for call_id, own in parts.items():
        call = known.get(call_id)
        fresh.append(_call_row(call_id, own) if call is None else dict(call))
    fresh += [dict(row) for call_id, row in known.items() if call_id not in parts]
    stored = {r["call_id"]: r for r in store.read("calls").to_pylist()}
    store.append("calls", [r for r in fresh if not _is_known(stored.get(r["call_id"]), r)])
    pending: list[dict[str, Any]] = []
    for row in _rows(parts, known, store, options):
        summary.calls += 1
        summary.turns += len(row.get("turns") or ())
        if row["status"] != "ok":
            counted[row["reason"]] += 1
            summary.failures.append((row["call_id"], row["reason"], row["message"]))
        progress.advance(1, row.get("duration_ms") or 0, int(row["status"] != "ok"))
        pending.append(row)
        if len(pending) >= _COMMIT:
            store.append("transcripts", pending)
            pending = []
    store.append("transcripts", pending)
    progress.finish()
    summary.failed = dict(sorted(counted.items()))
    return summary


def _is_known(stored: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
    """Whether the store's row says as much: an import without a list never takes away what a list said before."""
    if stored is None:
        return False
    return not row["listed"] or all(stored.get(k) == v for k, v in row.items())


def _check(options: ImportOptions) -> None:
    for name, role in options.roles.items():
        if role not in ROLES:
            raise UsageError(f"{role!r} is no role", where=f"--role {name}", hint=f"one of {', '.join(ROLES)}", code="role")


def _gather(files: Sequence[Path], options: ImportOptions, progress: Progress) -> tuple[dict[str, list[_Part]], ImportSummary]:
    """The parts of each call, in the order of files."""
    namer = _Namer(options)
    summary = ImportSummary()
    parts: dict[str, list[_Part]] = {}
    for path in _expand(files, options):
        name = format_of(path, options.format)
        stem, role, channel = namer.name(path)
        for piece in FORMATS[name](path):
            summary.problems += piece.problems
            if piece.call_id is None and not piece.turns and piece.error is None:
                if not piece.problems or name not in ("jsonl", "csv"):
                    parts.setdefault(stem, []).append(_Part(piece, name, role, channel))
                continue
            parts.setdefault(piece.call_id or stem, []).append(_Part(piece, name, role, channel))
    return parts, summary


def _expand(files: Sequence[Path], options: ImportOptions) -> Iterator[Path]:
    """Files as given; of folders, the transcripts in them, sorted."""
    from qc.transcribe.imports import _BY_SUFFIX

    for path in files:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            yield from (p for p in found if p.suffix.lower() in _BY_SUFFIX)
        elif path.exists():
            yield path
        else:
            raise UsageError("there is no such file or folder", where=str(path), code="no_file")


class _Namer:
    """What a file's name says: the call, the side, the channel."""

    def __init__(self, options: ImportOptions) -> None:
        import re2

        self.patterns = []
        for role, text in (("agent", options.agent_pattern), ("customer", options.customer_pattern)):
            if text is not None:
                try:
                    self.patterns.append((role, re2.compile(text)))
                except re2.error as error:
                    raise UsageError(
                        f"the pattern cannot be read: {error}", where=f"--{role}-file-pattern", code="pattern"
                    ) from error

    def name(self, path: Path) -> tuple[str, str | None, int | None]:
        """(call, role or None, channel or None)."""
        from qc.audio.find import shown_name

        whole = shown_name(path.name)
        for role, pattern in self.patterns:
            match = pattern.search(whole)
            if match is not None:
                left = whole[: match.start()] + whole[match.end() :]
                call = (match.groupdict() or {}).get("call_id") or left.rsplit(".", 1)[0].strip("._- ") or whole
                return call, role, _SIDES[role][1]
        stem = whole.rsplit(".", 1)[0]
        for end in (*_SIDES, *_CHANNELS):
            for mark in ("_", "-", "."):
                if stem.lower().endswith(mark + end) and len(stem) > len(end) + 1:
                    rest = stem[: -len(end) - 1]
                    return (rest, *_SIDES[end]) if end in _SIDES else (rest, None, _CHANNELS[end])
        return stem, None, None


def _call_row(call_id: str, parts: Sequence[_Part]) -> dict[str, Any]:
    from qc.audio.find import shown_name

    name = shown_name(Path(parts[0].piece.where.rsplit(":", 1)[0] if ":" in parts[0].piece.where else parts[0].piece.where).name)
    return {"call_id": call_id, "file": name, "listed": False, "found": False, "meta": []}


def _rows(
    parts: Mapping[str, Sequence[_Part]], known: Mapping[str, Mapping[str, Any]], store: Store, options: ImportOptions
) -> Iterator[dict[str, Any]]:
    """A row for every call: transcripts, then listed calls that have none."""
    for call_id, own in parts.items():
        yield _row(call_id, own, known.get(call_id), options)
    missing = [c for c in known if c not in parts]
    if missing:
        have = store.read("transcripts", ("call_id", "status")).to_pylist()
        done = {r["call_id"] for r in have if r["status"] == "ok"}
        for call_id in missing:
            if call_id not in done:
                error = CallError(
                    "the list has this call, no transcript does", hint="import its transcript", code="no_transcript"
                )
                yield _failed(call_id, "list", error, options)


def _failed(call_id: str, source: str, error: CallError, options: ImportOptions) -> dict[str, Any]:
    message = f"{error.where}: {error.message}" if error.where else error.message
    base = {"call_id": call_id, "source": source, "language": options.language, "tool_version": VERSION}
    return base | {"status": "failed", "reason": error.code, "message": f"{message} ({error.hint})" if error.hint else message}


def _row(call_id: str, parts: Sequence[_Part], call: Mapping[str, Any] | None, options: ImportOptions) -> dict[str, Any]:
    source = parts[0].format
    error = next((p.piece.error for p in parts if p.piece.error is not None), None)
    said = [(_with_side(turn, part), part) for part in parts for turn in part.piece.turns]
    if error is None and not any(turn.text for turn, _ in said):
        error = CallError("the transcript has no turn", where=parts[0].piece.where, code="no_turns")
    if error is not None:
        return _failed(call_id, source, error, options)
    warnings: list[str] = []
    timed = _timed([turn for turn, _ in said], warnings)
    listed = None if call is None else call.get("agent_channel")
    agent = options.agent_channel if listed is None else int(listed)
    roles = [_role(turn, part, agent, options, warnings) for turn, part in said]
    order = sorted(
        range(len(said)), key=lambda i: (timed[i][0], timed[i][2], -1 if said[i][0].channel is None else said[i][0].channel)
    )
    turns: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for i in order:
        turn, part = said[i]
        flags = _flags(turn, timed[i][1] - timed[i][0], part, options)
        place: dict[str, Any] = {"channel": turn.channel, "role": roles[i], "start_ms": timed[i][0], "end_ms": timed[i][1]}
        if turn.text:
            turns.append(_turn_row(len(turns), turn, place, flags))
        why = "bad_line" if turn.text is None else flags[0] if flags else None if turn.text else "no_text"
        spans.append(place | {"channel": turn.channel or 0, "heard": why is None, "why": why})
    lost = sum(1 for turn, _ in said if turn.text is None)
    return {
        "call_id": call_id,
        "status": "ok",
        "warnings": [*([f"bad_lines:{lost}"] if lost else []), *dict.fromkeys(warnings)],
        "source": source,
        "channels": len({s["channel"] for s in spans}),
        "duration_ms": max(s["end_ms"] for s in spans),
        "language": next((p.piece.language for p in parts if p.piece.language), options.language),
        "options": _canonical(options, agent),
        "tool_version": VERSION,
        "roles": _role_rows(spans),
        "spans": spans,
        "turns": turns,
    }


def _canonical(options: ImportOptions, agent: int) -> str:
    value = {"agent_channel": agent, "format": options.format, "mono_role": options.mono_role, "roles": dict(options.roles)}
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _with_side(turn: SaidThere, part: _Part) -> SaidThere:
    """A turn with its file's channel where it has none of its own."""
    return turn if turn.channel is not None or part.channel is None else replace(turn, channel=part.channel)


def _role(turn: SaidThere, part: _Part, agent: int, options: ImportOptions, warnings: list[str]) -> str:
    """A turn's role: by `--role`, its speaker's name, its file's name, its channel; else `mono_role`."""
    if turn.speaker:
        named = options.roles.get(turn.speaker) or SPEAKERS.get(turn.speaker.lower())
        if named is not None:
            return named
        if turn.text is not None:
            warnings.append(f"unmapped_speaker:{turn.speaker}")
    if part.role is not None:
        return part.role
    if turn.channel is not None and turn.channel < 2 and agent < 2:
        return "agent" if turn.channel == agent else "customer"
    return options.mono_role if turn.text is not None else "unknown"


def _timed(turns: Sequence[SaidThere], warnings: list[str]) -> list[tuple[int, int, int]]:
    """(start, end, place) of each turn in ms: as given, relative to the first point in time, or made up in order."""
    clocks = [t.clock_ms for t in turns if t.clock_ms is not None]
    zero = min(clocks) if clocks else 0
    starts: list[int] = []
    made_up = 0
    last = 0
    for turn in turns:
        start = turn.start_ms if turn.clock_ms is None else turn.clock_ms - zero
        if start is None:
            made_up += turn.text is not None
            start = last if not starts else last + 1000
        starts.append(start)
        last = start
    if made_up:
        warnings.append("no_times")
    following = _next_starts(starts)
    out = []
    for place, (turn, start, after) in enumerate(zip(turns, starts, following, strict=True)):
        guessed = start + max(_SHORTEST_MS, _MS_A_CHAR * len(turn.text or ""))
        end = (
            turn.end_ms if turn.end_ms is not None and turn.end_ms > start else min(guessed, after if after > start else guessed)
        )
        out.append((start, end, place))
    return out


def _next_starts(starts: Sequence[int]) -> list[int]:
    """The next later start after each one: a turn of unknown end is over by then."""
    later: dict[int, int] = {}
    ordered = sorted(set(starts))
    for one, following in pairwise(ordered):
        later[one] = following
    return [later.get(s, s) for s in starts]


def _flags(turn: SaidThere, length_ms: int, part: _Part, options: ImportOptions) -> list[str]:
    """What the guard says of a recogniser's text; what people typed is theirs."""
    if not turn.text or not (part.piece.heard or turn.avg_logprob is not None):
        return []
    language = part.piece.language or options.language
    speech = max(length_ms, _MS_A_CHAR * len(turn.text)) if turn.end_ms is None else length_ms
    utterance = guard.Utterance(turn.text, language, speech, 1.0, turn.avg_logprob, turn.no_speech_prob)
    return guard.flags(utterance, options.guard)


def _turn_row(number: int, turn: SaidThere, place: Mapping[str, Any], flags: Sequence[str]) -> dict[str, Any]:
    return {
        "turn": number,
        **place,
        "text": turn.text,
        "avg_logprob": turn.avg_logprob,
        "no_speech_prob": turn.no_speech_prob,
        "char_ms": None if turn.char_ms is None else list(turn.char_ms),
        "level_dbfs": None,
        "flags": list(flags),
    }


def _role_rows(spans: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[int, str], list[int]] = {}
    for span in spans:
        pair = groups.setdefault((span["channel"], span["role"]), [0, 0])
        length = span["end_ms"] - span["start_ms"]
        pair[0] += length
        pair[1] += length if span["heard"] else 0
    return [
        {"channel": c, "role": r, "speech_ms": a, "heard_ms": b, "coverage": b / a if a else None, "level_dbfs": None}
        for (c, r), (a, b) in sorted(groups.items())
    ]
