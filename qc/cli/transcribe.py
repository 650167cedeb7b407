"""`qc transcribe`: recordings and a call list in, the tables `calls` and `transcripts` out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console
from qc.errors import Exit, Problem, UsageError

if TYPE_CHECKING:
    from qc.calls import CallOptions
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.run import TranscribeSummary

_SHOWN = 20


def transcribe(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of recordings, recordings, or lists (CSV, XLSX, Parquet) that name them.", metavar="FOLDER|LIST"
        ),
    ],
    calls: Annotated[Path | None, typer.Option("--calls", help="The call list: CSV, XLSX or Parquet.")] = None,
    store: Annotated[Path, typer.Option("--store", help="The store's folder.")] = Path("qc-store"),
    model: Annotated[
        str, typer.Option("--model", help="turbo, large-v3 and so on, demo-zh, a .pt file, or a .jsonl of prepared transcripts.")
    ] = "turbo",
    language: Annotated[str, typer.Option("--language", help="The language spoken: zh, en and so on.")] = "zh",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    mapping: Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN of the call list; may be given again.")] = None,
    name_pattern: Annotated[
        str | None, typer.Option("--name-pattern", help="Expression with named groups, searched in each file's name.")
    ] = None,
    agent_channel: Annotated[
        str, typer.Option("--agent-channel", help="left, right, 0 or 1, where the list does not say.")
    ] = "left",
    mono_role: Annotated[
        str, typer.Option("--mono-role", help="Role of one-channel recordings: agent, customer, unknown.")
    ] = "unknown",
    raw: Annotated[str | None, typer.Option("--raw", help="CODEC:RATE[:CHANNELS] of headerless files, as in alaw:8000.")] = None,
    max_hours: Annotated[float, typer.Option("--max-hours", help="Longer recordings are refused.")] = 6.0,
    batch: Annotated[int, typer.Option("--batch", min=1, max=512, help="Windows of speech at once.")] = 8,
    write: Annotated[str, typer.Option("--write", help="Files to write besides: srt,vtt,txt,json.")] = "",
    write_dir: Annotated[Path | None, typer.Option("--write-dir", help="Where; else beside the recordings.")] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Transcribe again what is done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Transcribe recordings: find them, join the call list, hear each channel on its own.

    Run it again and it does only what is missing or failed. A recording that cannot be done is a row that says why; then
    the exit code is 3. Ctrl-C saves what is finished.

    Example:  qc transcribe recordings/ --calls calls.csv --store qc-store --model demo-zh
    """
    from qc.calls import CallOptions
    from qc.transcribe.options import TranscribeOptions

    which = CallOptions(tuple(sources), calls, _mapping(mapping or []), name_pattern, skip=(store,))
    how = TranscribeOptions(
        model=model,
        language=language,
        device=device,
        batch=batch,
        agent_channel=parse_channel(agent_channel),
        mono_role=_role(mono_role),
        redo=redo,
        write=tuple(w.strip() for w in write.split(",") if w.strip()),
        write_dir=write_dir,
        decode=_decode(raw, max_hours),
    )
    _run(which, how, store, as_json)


def _run(which: CallOptions, how: TranscribeOptions, store: Path, as_json: bool) -> None:
    from qc.calls import build_calls, save_calls
    from qc.store import Store
    from qc.transcribe.run import TranscribeInterrupted, transcribe

    place = Store(store)
    with console.progress(as_json) as progress:
        rows, problems = build_calls(which, progress)
        show_problems(problems)
        if not rows:
            raise UsageError(
                "no recording was found",
                where=", ".join(map(str, which.sources)),
                hint="give a folder with recordings",
                code="no_recordings",
            )
        save_calls(place, rows)
        try:
            summary = transcribe(place, how, progress, rows)
        except TranscribeInterrupted as stopped:
            summary = stopped.summary
            saved = summary.transcribed + summary.skipped
            console.say(f"Interrupted. {saved:,} of {summary.calls:,} calls are saved in {store}. Go on with:")
            console.say("    " + shlex.join(["qc", *sys.argv[1:]]))
            raise typer.Exit(int(Exit.INTERRUPTED)) from None
    value = _as_dict(summary, problems)
    if not console.result(value, as_json):
        _show(summary, store)
    if summary.failed or problems:
        raise typer.Exit(int(Exit.FAILED_CALLS))


def _as_dict(summary: TranscribeSummary, problems: list[Problem]) -> dict[str, Any]:
    return {
        "calls": summary.calls,
        "transcribed": summary.transcribed,
        "skipped": summary.skipped,
        "audio_ms": summary.audio_ms,
        "failed": summary.failed,
        "failures": [{"call_id": c, "reason": r, "message": m} for c, r, m in summary.failures],
        "problems": [{"where": p.where, "message": p.message, "hint": p.hint} for p in problems],
        "wall_s": round(summary.wall_s, 3),
    }


def _show(summary: TranscribeSummary, store: Path) -> None:
    speed = summary.audio_ms / 1000 / summary.wall_s if summary.wall_s else 0.0
    console.out(
        f"{summary.calls:,} calls: {summary.transcribed:,} transcribed ({console.hours(summary.audio_ms)} of audio, {speed:,.1f} × real time), "
        f"{summary.skipped:,} already done, {summary.failed_calls:,} failed. Tables: {store}"
    )
    if summary.failed:
        from qc.transcribe.reasons import REASONS

        counted = [(reason, f"{n:,}", REASONS.get(reason, "")) for reason, n in summary.failed.items()]
        console.table("Failed", ["reason", "calls", "what it means"], counted, right=[1])
        for call_id, reason, message in summary.failures[:_SHOWN]:
            console.say(f"{call_id}: {reason}: {message}")
        if len(summary.failures) > _SHOWN:
            console.say(f"… and {len(summary.failures) - _SHOWN:,} more; all are rows of the transcripts table.")


def show_problems(problems: list[Problem]) -> None:
    """Say what is wrong with the lists, line by line."""
    for problem in problems[:_SHOWN]:
        console.say(str(problem))
    if len(problems) > _SHOWN:
        console.say(f"… and {len(problems) - _SHOWN:,} more problems like these; --json lists all.")


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise UsageError(
                f"{pair!r} is not FIELD=COLUMN", where="--map", hint="for example --map agent_id=坐席工号", code="map"
            )
        mapping[name.strip()] = column.strip()
    return mapping


def parse_channel(text: str) -> int:
    """`left`, `right` or a number from 0 as a channel. Raises UsageError."""
    sides = {"left": 0, "right": 1}
    if text.lower() in sides:
        return sides[text.lower()]
    if text.isascii() and text.isdigit() and int(text) < 64:
        return int(text)
    raise UsageError(f"{text!r} is no channel", where="--agent-channel", hint="left, right, 0 or 1", code="channel")


def _role(text: str) -> str:
    if text not in ("agent", "customer", "unknown"):
        raise UsageError(f"{text!r} is no role", where="--mono-role", hint="agent, customer or unknown", code="role")
    return text


def _decode(raw: str | None, max_hours: float) -> Any:
    from qc.audio.decode import DecodeOptions, parse_raw

    if not 0 < max_hours <= 48:
        raise UsageError(f"{max_hours:g} hours is not between 0 and 48", where="--max-hours", code="max_hours")
    try:
        if raw is not None:
            parse_raw(raw)
    except ValueError as error:
        raise UsageError(str(error), where="--raw", code="raw") from error
    return DecodeOptions(raw=raw, max_hours=max_hours)
