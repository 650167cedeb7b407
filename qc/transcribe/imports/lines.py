"""JSONL and CSV of turns: chat logs, other recognisers' exports, warehouse extracts. A line a turn, or (JSONL) a line a call.

The columns go by many names; `NAMES` lists them. A bad line is a problem with its place, and leaves a gap that is known.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qc.errors import CallError, Problem
from qc.transcribe.imports import MAX_LINE, MAX_TURNS, Piece, SaidThere, read_bounded
from qc.transcribe.imports.fields import channel_of, name_of, offset_ms, point_ms, probability, text_of

NAMES: dict[str, list[str]] = {
    "call_id": "call_id callid id session_id sessionid conversation_id conversationid chat_id dialogue_id 通话id 录音编号 会话id 会话编号 对话id".split(),
    "text": "text content message msg utterance sentence transcript body 内容 文本 消息 消息内容 发言内容 聊天内容 话术 转写文本 对话内容".split(),
    "speaker": "role speaker sender from who author sender_type sendertype party 角色 说话人 发送方 发送者 发言人 发言方 身份".split(),
    "channel": "channel track 声道 通道".split(),
    "start_ms": "start_ms begin_ms offset_ms startms begin_time 开始毫秒 开始时间ms 起始毫秒".split(),
    "end_ms": "end_ms finish_ms endms end_time 结束毫秒 结束时间ms".split(),
    "start": "start begin offset 开始 开始秒 起始".split(),
    "end": "end finish 结束 结束秒".split(),
    "time": "time timestamp ts created_at sent_at send_time datetime date 时间 发送时间 消息时间 发言时间".split(),
    "avg_logprob": "avg_logprob logprob".split(),
    "no_speech_prob": ["no_speech_prob"],
}
"""Field → the names it goes by. `start` and `end` are seconds, `…_ms` milliseconds, `time` a point in time or a clock."""


def _plain(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).lower() if c.isalnum())


_FIELD_OF = {_plain(name): field for field, names in NAMES.items() for name in names}


def _fields(names: Iterable[str]) -> dict[str, str]:
    """Field → the name it has here, most telling first."""
    here = {_plain(name): name for name in names if isinstance(name, str)}
    found = {}
    for field, known in NAMES.items():
        name = next((here[_plain(n)] for n in known if _plain(n) in here), None)
        if name is not None:
            found[field] = name
    return found


def _turn(value: Mapping[str, Any], fields: Mapping[str, str]) -> SaidThere:
    """A turn from a line's values. Raises ValueError."""

    def cell(field: str) -> Any:
        return value.get(fields[field]) if field in fields else None

    start, end = offset_ms(cell("start_ms"), in_ms=True), offset_ms(cell("end_ms"), in_ms=True)
    start = offset_ms(cell("start"), in_ms=False) if start is None else start
    end = offset_ms(cell("end"), in_ms=False) if end is None else end
    clock = None
    if start is None and cell("time") not in (None, ""):
        start, clock = _time(cell("time"))
    return SaidThere(
        text_of(cell("text")),
        name_of(cell("speaker")),
        channel_of(cell("channel")),
        start,
        end,
        clock,
        probability(cell("avg_logprob"), "log-probability"),
        probability(cell("no_speech_prob"), "probability"),
    )


def _time(value: Any) -> tuple[int | None, int | None]:
    """(ms from the start, None) for a clock or a small number of ms, (None, ms since 1970) for a point in time. Raises ValueError."""
    if isinstance(value, str) and ":" in value and not any(c in value for c in "-/T年"):
        return offset_ms(value, in_ms=False), None
    try:
        small = float(value) < 100_000_000
    except (TypeError, ValueError, OverflowError):
        small = False
    return (offset_ms(value, in_ms=True), None) if small else (None, point_ms(value))


class _Calls:
    """Turns gathered by call, in the order in which calls first come up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieces: dict[str | None, Piece] = {}
        self.stray = Piece(None, [], str(path), heard=False)

    def piece(self, call_id: str | None, line: int) -> Piece:
        if call_id not in self.pieces:
            self.pieces[call_id] = Piece(call_id, [], f"{self.path}:{line}", heard=False)
        return self.pieces[call_id]

    def problem(self, line: int, message: str, hint: str = "") -> None:
        """A line that belongs to no call that is known."""
        self.stray.problems.append(Problem(str(self.path), line, 1, message, hint))

    def add(self, line: int, value: Mapping[str, Any], fields: Mapping[str, str], call_id: str | None) -> None:
        """A line's turn; one that cannot be read leaves a gap in its call."""
        piece = self.piece(call_id, line)
        if len(piece.turns) >= MAX_TURNS:
            piece.error = CallError(f"the transcript has more than {MAX_TURNS:,} turns", where=piece.where, code="too_large")
            return
        try:
            piece.turns.append(_turn(value, fields))
        except ValueError as error:
            piece.problems.append(Problem(str(self.path), line, 1, f"{error}; the turn is left out"))
            piece.turns.append(SaidThere(None))

    def all(self) -> Iterator[Piece]:
        if self.stray.problems:
            yield self.stray
        yield from self.pieces.values()


def read_jsonl(path: Path) -> Iterator[Piece]:
    """A piece for each call of the file; lines of one call need not follow one another."""
    calls = _Calls(path)
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                if len(line) > MAX_LINE:
                    calls.problem(number, f"the line is longer than {MAX_LINE >> 20} MiB; the rest of the file is not read")
                    break
                if line.strip():
                    _json_line(line, number, calls)
    except OSError as error:
        calls.stray.error = CallError(f"the file cannot be read: {error.strerror}", where=str(path), code="unreadable")
        yield calls.stray
        return
    yield from calls.all()


def _json_line(line: bytes, number: int, calls: _Calls) -> None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        calls.problem(number, f"this is no JSON: {str(error)[:200]}; the line is left out")
        return
    if not isinstance(value, dict):
        calls.problem(number, "a line must be an object: a turn, or a call with `turns`; the line is left out")
        return
    fields = _fields(value)
    call_id = name_of(value.get(fields["call_id"])) if "call_id" in fields else ""
    turns = next((value[k] for k in ("turns", "messages", "utterances", "segments") if isinstance(value.get(k), list)), None)
    if turns is None:
        calls.add(number, value, fields, call_id or None)
        return
    calls.piece(call_id or None, number)
    for turn in turns[: MAX_TURNS + 1]:
        inner = turn if isinstance(turn, dict) else {}
        calls.add(number, inner, _fields(inner), call_id or None)


def read_csv(path: Path) -> Iterator[Piece]:
    """A piece for each call of the table; the first line names the columns."""
    calls = _Calls(path)
    try:
        text = _text(path)
        rows = _rows(text, path)
        header = next((r for _, r in rows if any(c.strip() for c in r)), None)
        fields = _fields(header or [])
        if header is None or "text" not in fields:
            hint = f"its columns are {', '.join(header or [])[:300]}; one must be called text, content or 内容"
            raise CallError("no column holds the text", where=f"{path}:1", hint=hint, code="bad_format")
    except CallError as error:
        calls.stray.error = error
        yield calls.stray
        return
    try:
        for line, cells in rows:
            if any(c.strip() for c in cells):
                value = dict(zip(header, cells, strict=False))
                call_id = name_of(value.get(fields["call_id"])) if "call_id" in fields else ""
                if "call_id" in fields and not call_id:
                    calls.problem(line, "the line has no call id; it is left out")
                    continue
                calls.add(line, value, fields, call_id or None)
    except CallError as error:
        calls.problem(0, f"{error.message}; the rest of the file is not read")
    yield from calls.all()


def _text(path: Path) -> str:
    data = read_bounded(path)
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CallError("the file is no text in UTF-8, UTF-16 or GB18030", where=str(path), code="bad_format")


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells). Raises CallError where the table cannot be read on."""
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    csv.field_size_limit(MAX_LINE)  # Python's own limit would end the file at one long turn, which is refused alone
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CallError(f"line {line} cannot be read: {error}", where=f"{path}:{line}", code="bad_format") from error
