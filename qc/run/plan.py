"""Before a big run: how much there is, what cannot be read, and how long it will take on this machine with this model.

Headers say how long recordings are; a short probe transcribes a few of them, drawn by their names, through the very code of
a run, and its speed is carried over to the rest. With a budget, calls are ordered by risk and the plan says which of them the
time does not reach.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qc.audio.header import Header, look
from qc.audio.remote import is_address, on_disk
from qc.calls import CallOptions, build_calls, look_first, nothing_found
from qc.errors import AudioError, Problem, UsageError
from qc.progress import Progress
from qc.store import Store, atomic_write
from qc.tables import CALLS
from qc.text.cells import harmless
from qc.transcribe.options import TranscribeOptions
from qc.transcribe.run import devices_of, fetch, hands_for
from qc.transcribe.work import Call, Doors

_MOST_HEADERS = 20_000
_MOST_FETCHED = 64  # recordings on other machines come whole
_LOOKERS = 8
_FEWEST_PROBED = 3
_TOLD = 1_000
_FIELDS = tuple(f.name for f in CALLS.fields)
_LIST = (
    "call_id",
    "file",
    "agent_id",
    "agent_name",
    "provider",
    "queue",
    "started_at",
    "hangup",
    "satisfaction",
    "agent_channel",
)


@dataclass(frozen=True)
class PlanOptions:
    """What to plan. `store`: what is done there is left out; `probe_s`: about how long the probe may hear, `probe_calls` at most.

    `price`: money for an hour of one device; `budget_s`: the time that there is; `risk`: columns in order of weight, each
    `COLUMN:high`, `COLUMN:low` or `COLUMN=VALUE`.
    """

    calls: CallOptions
    transcribe: TranscribeOptions = field(default_factory=TranscribeOptions)
    store: Path | None = None
    probe_s: float = 30.0
    probe_calls: int = 24
    price: float | None = None
    budget_s: float | None = None
    risk: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """What was measured on a few calls. `speech_share`: speech of all channels ÷ duration; `error`: its relative standard error.

    `load_s`: loading the model; `wall_s`: hearing `audio_ms`; `device`, `devices`: where and on how many.
    """

    calls: int
    failed: int
    audio_ms: int
    speech_ms: int
    load_s: float
    wall_s: float
    error: float
    device: str
    devices: int

    @property
    def x_real_time(self) -> float:
        """Recorded seconds for each second of the clock, all devices together."""
        return self.audio_ms / 1000 / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def speech_share(self) -> float:
        return self.speech_ms / self.audio_ms if self.audio_ms else 0.0


@dataclass
class Plan:
    """The plan. `looked_at`: recordings whose header was read (fewer than `found` only above 20,000, or 64 remote ones); `audio_ms`: of what is
    left to do, estimated where headers do not say. `low_s`, `high_s`: the 95 % interval of `wall_s`.
    """

    calls: int = 0
    found: int = 0
    missing: int = 0
    done: int = 0
    looked_at: int = 0
    size_bytes: int = 0
    audio_ms: int = 0
    guessed: int = 0
    channels: dict[str, int] = field(default_factory=dict)
    codecs: dict[str, int] = field(default_factory=dict)
    rates_hz: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    unreadable_files: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    probe: Probe | None = None
    wall_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    device_hours: float | None = None
    money: float | None = None
    budget_s: float | None = None
    reached: int | None = None
    reached_ms: int | None = None
    not_reached: int | None = None
    not_reached_ms: int | None = None
    not_reached_risk: dict[str, int] = field(default_factory=dict)
    order: list[tuple[Mapping[str, Any], int, bool]] = field(default_factory=list, repr=False)
    """(row of `calls`, expected duration in ms, whether the budget reaches it), in order of risk."""


def plan(options: PlanOptions, progress: Progress, doors: Doors | None = None) -> Plan:
    """Look at the recordings, probe the machine, forecast. Raises UsageError, ModelError."""
    risks = [_risk(text) for text in options.risk]
    fetch(options.transcribe, progress, lambda: look_first(options.calls))
    rows, problems = build_calls(replace(options.calls, digest=False), progress)
    made = Plan(calls=len(rows), problems=problems)
    if not rows:
        raise nothing_found(options.calls)
    _check_columns(risks, rows)
    done = _done(options.store)
    made.missing = sum(not r["found"] for r in rows)
    made.found = len(rows) - made.missing
    left = [r for r in rows if r["found"] and r["path"] not in done]
    made.done = made.found - len(left)
    durations, bad = _survey(left, options, made, progress)
    readable = [(r, d) for r, d in zip(left, durations, strict=True) if r["path"] not in bad]
    made.audio_ms = sum(d for _, d in readable)
    if readable:
        made.probe = _probe([r for r, _ in readable], options, progress, doors or Doors())
        _forecast(made, options)
    _order(made, readable, risks, options.budget_s)
    return made


# -- what there is --------------------------------------------------------------------------------------------------


def _done(store: Path | None) -> set[str]:
    """Paths of recordings that the store has fine transcripts of."""
    if store is None or not store.is_dir():
        return set()
    place = Store(store)
    fine = {r["call_id"] for r in place.read("transcripts", ("call_id", "status")).to_pylist() if r["status"] == "ok"}
    return {r["path"] for r in place.read("calls", ("call_id", "path")).to_pylist() if r["call_id"] in fine}


def _by_name(row: Call) -> str:
    """A place in a fixed random order: the digest of the file's name."""
    return hashlib.sha256(str(row["file"]).encode("utf-8", "surrogatepass")).hexdigest()


def _survey(rows: Sequence[Call], options: PlanOptions, made: Plan, progress: Progress) -> tuple[list[int], set[str]]:
    """Expected duration of each row, ms, and the paths that cannot be read; fills the plan's counts."""
    chosen: Sequence[int] = range(len(rows))
    most = _MOST_FETCHED if any(is_address(r["path"]) for r in rows) else _MOST_HEADERS
    if len(rows) > most:
        chosen = sorted(range(len(rows)), key=lambda i: _by_name(rows[i]))[:most]
    made.looked_at = len(chosen)
    headers: dict[int, Header] = {}
    bad: set[str] = set()
    counts: dict[str, Counter[str]] = {k: Counter() for k in ("channels", "codecs", "rates_hz", "unreadable")}

    def read(i: int) -> tuple[int, Header | AudioError]:
        try:
            with on_disk(rows[i]["path"]) as path:
                return i, look(path, options.transcribe.decode)
        except AudioError as error:
            return i, error

    progress.start("look", len(chosen))
    with ThreadPoolExecutor(_LOOKERS) as pool:
        for i, found in pool.map(read, chosen):
            progress.advance(1, 0, int(isinstance(found, AudioError)))
            if isinstance(found, AudioError):
                counts["unreadable"][found.code] += 1
                bad.add(rows[i]["path"])
                if len(made.unreadable_files) < _TOLD:
                    made.unreadable_files.append((str(rows[i]["file"]), found.code, found.message))
                continue
            headers[i] = found
            counts["channels"][str(found.channels)] += 1
            counts["codecs"][f"{found.container}/{found.codec}"] += 1
            counts["rates_hz"][str(found.rate_hz)] += 1
    progress.finish()
    made.size_bytes = sum(h.size_bytes for h in headers.values())
    for name, counted in counts.items():
        setattr(made, name, dict(sorted(counted.items(), key=lambda kv: (-kv[1], kv[0]))))
    return _durations(rows, headers, made), bad


def _durations(rows: Sequence[Call], headers: Mapping[int, Header], made: Plan) -> list[int]:
    """The header's duration; else the call list's; else by the size of files of the same kind; else the mean of all."""
    kinds: dict[tuple[str, int, int], list[int]] = {}
    for known_head in headers.values():
        if known_head.duration_ms:
            bytes_ms = kinds.setdefault((known_head.codec, known_head.rate_hz, known_head.channels), [0, 0])
            bytes_ms[0] += known_head.size_bytes
            bytes_ms[1] += known_head.duration_ms
    known = [h.duration_ms for h in headers.values() if h.duration_ms]
    mean = round(sum(known) / len(known)) if known else 0
    found = []
    for i, row in enumerate(rows):
        head = headers.get(i)
        if head is not None and head.duration_ms:
            found.append(head.duration_ms)
            continue
        made.guessed += 1
        alike = kinds.get((head.codec, head.rate_hz, head.channels)) if head is not None else None
        if row["listed_duration_ms"]:
            found.append(int(row["listed_duration_ms"]))
        elif head is not None and alike and alike[0]:
            found.append(head.size_bytes * alike[1] // alike[0])
        else:
            found.append(mean)
    return found


# -- how fast -------------------------------------------------------------------------------------------------------


def _probe(rows: Sequence[Call], options: PlanOptions, progress: Progress, doors: Doors) -> Probe:
    """Transcribe some calls, drawn by their names, as a run would; nothing is stored."""
    drawn = sorted(rows, key=_by_name)[: options.probe_calls]
    how = options.transcribe
    began = time.monotonic()
    progress.start("probe", len(drawn))
    hands = hands_for(how, len(rows), doors)
    try:
        up = time.monotonic()

        def until() -> Iterator[Call]:
            for number, row in enumerate(drawn):
                if number >= _FEWEST_PROBED and time.monotonic() - up > options.probe_s:
                    return
                yield row

        measured, failed = [], 0
        for _, row in hands.perform(until()):
            if row["status"] == "ok":
                measured.append((int(row["duration_ms"]), sum(int(r["speech_ms"]) for r in row["roles"])))
            else:
                failed += 1
            progress.advance(1, row.get("duration_ms") or 0, int(row["status"] != "ok"))
        wall = time.monotonic() - up
    finally:
        hands.close()
        progress.finish()
    audio, speech = sum(d for d, _ in measured), sum(s for _, s in measured)
    devices = devices_of(how.device) if hands.maker.name != "replay" else ["cpu"]
    return Probe(
        len(measured), failed, audio, speech, up - began, wall, _ratio_error(measured), devices[0], how.workers or len(devices)
    )


def _ratio_error(pairs: Sequence[tuple[int, int]]) -> float:
    """Relative standard error of Σ speech ÷ Σ duration (Cochran, Sampling Techniques, 6.4); 1 for fewer than two calls."""
    count = len(pairs)
    audio, speech = sum(d for d, _ in pairs), sum(s for _, s in pairs)
    if count < 2 or not audio or not speech:
        return 1.0
    ratio = speech / audio
    residual = sum((s - ratio * d) ** 2 for d, s in pairs) / (count - 1)
    return math.sqrt(residual / count) / (speech / count)


def _forecast(made: Plan, options: PlanOptions) -> None:
    probe = made.probe
    if probe is None or not probe.x_real_time:
        return
    work = made.audio_ms / 1000 / probe.x_real_time
    spread = min(1.0, 1.96 * probe.error)
    made.wall_s = probe.load_s + work
    made.low_s, made.high_s = probe.load_s + work * (1 - spread), probe.load_s + work * (1 + spread)
    made.device_hours = made.wall_s / 3600 * probe.devices
    if options.price is not None:
        made.money = made.device_hours * options.price


# -- what first -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Risk:
    """`value`: calls with it first; else by the column's figure, the highest or the lowest first."""

    column: str
    value: str | None = None
    lowest_first: bool = False


def _risk(text: str) -> _Risk:
    column, equals, value = text.partition("=")
    if equals and column.strip():
        return _Risk(column.strip(), value.strip())
    column, _, way = text.rpartition(":")
    if not column.strip() or way not in ("high", "low"):
        raise UsageError(f"{text!r} is no risk", where="--risk", hint="COLUMN:high, COLUMN:low or COLUMN=VALUE", code="risk")
    return _Risk(column.strip(), lowest_first=way == "low")


def _cells(row: Call) -> dict[str, Any]:
    return {**{m["name"]: m["value"] for m in row["meta"] or ()}, **{k: v for k, v in row.items() if v is not None}}


def _check_columns(risks: Sequence[_Risk], rows: Sequence[Call]) -> None:
    known = set(_FIELDS) | {m["name"] for r in rows for m in r["meta"] or ()} if risks else set()
    for risk in risks:
        if risk.column not in known:
            raise UsageError(
                f"the call list has no column {risk.column!r}",
                where="--risk",
                hint=f"there are {', '.join(sorted(known - {'meta'}))}",
                code="risk",
            )


def _rank(row: Call, risks: Sequence[_Risk]) -> tuple[Any, ...]:
    """Smaller is riskier. A cell that is no figure comes after those that are."""
    cells = _cells(row)
    rank: list[float] = []
    for risk in risks:
        cell = str(cells.get(risk.column, "")).strip()
        if risk.value is not None:
            rank.append(0.0 if cell == risk.value else 1.0)
            continue
        try:
            figure = float(cell)
        except ValueError:
            figure = math.nan
        rank.append(math.inf if math.isnan(figure) else figure if risk.lowest_first else -figure)
    return tuple(rank)


def _order(made: Plan, readable: Sequence[tuple[Call, int]], risks: Sequence[_Risk], budget_s: float | None) -> None:
    """Calls by risk, and how far the budget goes: a call is reached when all before it and it itself fit."""
    ordered = sorted(readable, key=lambda one: _rank(one[0], risks)) if risks else list(readable)
    made.budget_s = budget_s
    speed = made.probe.x_real_time if made.probe is not None else 0.0
    if budget_s is None or not speed or made.probe is None:
        made.order = [(row, ms, True) for row, ms in ordered]
        return
    room_ms = max(0.0, budget_s - made.probe.load_s) * speed * 1000
    spent = 0
    for row, ms in ordered:
        spent += ms
        made.order.append((row, ms, spent <= room_ms))
    made.reached = sum(1 for _, _, hit in made.order if hit)
    made.reached_ms = sum(ms for _, ms, hit in made.order if hit)
    made.not_reached = len(ordered) - made.reached
    made.not_reached_ms = made.audio_ms - made.reached_ms
    missed = Counter(
        f"{risk.column}={risk.value if risk.value is not None else _cells(row).get(risk.column, '')}"
        for row, _, hit in made.order
        if not hit
        for risk in risks
        if risk.value is None or str(_cells(row).get(risk.column, "")) == risk.value
    )
    made.not_reached_risk = dict(missed.most_common(20))


def write_order(made: Plan, target: Path) -> None:
    """The calls in order of risk as a CSV call list: given to `--calls`, it makes a run take them in this order."""
    metas = list(dict.fromkeys(m["name"] for row, _, _ in made.order for m in row["meta"] or ()))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*_LIST, "duration_ms", *metas, "plan"])
    for row, ms, hit in made.order:
        cells = _cells(row) | ({} if row["listed"] and not str(row["call_id"]).startswith("sha256:") else {"call_id": ""})
        values = [str(cells.get(name, "")) for name in (*_LIST,)] + [str(ms)] + [str(cells.get(name, "")) for name in metas]
        writer.writerow([*(harmless(v) for v in values), "reached" if hit else "not reached"])
    atomic_write(target, out.getvalue().encode("utf-8-sig"))
