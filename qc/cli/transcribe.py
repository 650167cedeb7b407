"""`qc transcribe`: recordings and a call list in, the tables `calls` and `transcripts` out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console, options
from qc.errors import Exit, Problem

if TYPE_CHECKING:
    from qc.calls import CallOptions
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.run import TranscribeSummary

_SHOWN = 20


def transcribe(
    sources: options.Sources,
    calls: options.CallList = None,
    store: options.StoreFolder = Path("qc-store"),
    model: options.Model = "turbo",
    language: options.Language = "zh",
    device: options.Device = "auto",
    mapping: options.Mapping = None,
    name_pattern: options.NamePattern = None,
    agent_channel: options.AgentChannel = "left",
    mono_role: options.MonoRole = "unknown",
    raw: options.Raw = None,
    max_hours: options.MaxHours = 6.0,
    batch: options.Batch = 0,
    engine: options.Engine = "auto",
    dtype: options.Dtype = "auto",
    packing: options.Packing = "auto",
    prompt_file: options.PromptFile = None,
    model_dir: options.ModelDir = None,
    workers: options.Workers = None,
    producers: options.Producers = None,
    write: Annotated[str, typer.Option("--write", help="Files to write besides: srt,vtt,txt,json.")] = "",
    write_dir: Annotated[Path | None, typer.Option("--write-dir", help="Where; else beside the recordings.")] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data in the files of --write; the store keeps it.")
    ] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Transcribe again what is done.")] = False,
    as_json: options.Json = False,
) -> None:
    """Transcribe recordings: find them, join the call list, hear each channel on its own.

    Run it again and it does only what is missing or failed. A recording that cannot be done is a row that says why; then
    the exit code is 3. Ctrl-C saves what is finished.

    Example:  qc transcribe recordings/ --calls calls.csv --store qc-store --model demo-zh
    """
    from qc.calls import CallOptions

    which = CallOptions(options.sources(sources), calls, options.mapping(mapping), name_pattern, skip=(store,))
    how = options.hearing(
        raw,
        max_hours,
        model=model,
        language=language,
        device=device,
        batch=batch,
        engine=engine,
        dtype=dtype,
        packing=packing,
        prompt_file=prompt_file,
        model_dir=model_dir,
        agent_channel=agent_channel,
        mono_role=mono_role,
        redo=redo,
        workers=workers,
        producers=producers,
        write=tuple(w.strip() for w in write.split(",") if w.strip()),
        write_dir=write_dir,
        redact=redact,
    )
    _run(which, how, store, as_json)


def _run(which: CallOptions, how: TranscribeOptions, store: Path, as_json: bool) -> None:
    from qc.calls import join_calls, look_first, nothing_found, save_calls
    from qc.store import Store
    from qc.transcribe.run import TranscribeInterrupted, fetch, transcribe

    place = Store(store)
    try:
        with console.progress(as_json) as progress:
            fetch(how, progress, lambda: look_first(which))  # what cannot be had is told of first
            joined = join_calls(which, progress)
            problems = joined.problems
            show_problems(problems)
            if not joined.table.num_rows:
                raise nothing_found(which)
            save_calls(place, joined.table)
            summary = transcribe(place, how, progress, joined.table)
    except TranscribeInterrupted as stopped:
        done = stopped.summary.transcribed + stopped.summary.skipped
        console.leave_interrupted(f"{done:,} of {stopped.summary.calls:,} calls are saved in {store}.")
    except KeyboardInterrupt:
        console.leave_interrupted(f"No call was finished; {store} is as it was.")
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
        "failures": [{"call_id": c, "file": summary.files.get(c), "reason": r, "message": m} for c, r, m in summary.failures],
        "problems": [{"where": p.where, "message": p.message, "hint": p.hint} for p in problems],
        "wall_s": round(summary.wall_s, 3),
    }


def _show(summary: TranscribeSummary, store: Path) -> None:
    speed = summary.audio_ms / 1000 / summary.wall_s if summary.wall_s else 0.0
    console.out(
        f"{summary.calls:,} calls: {summary.transcribed:,} transcribed ({console.hours(summary.audio_ms)} of audio, {speed:,.1f} × real time), "
        f"{summary.skipped:,} already done, {summary.failed_calls:,} failed. Tables: {store}"
    )
    show_failures(summary.failed, summary.failures, summary.files)


def show_failures(failed: dict[str, int], failures: list[tuple[str, str, str]], files: Mapping[str, str] | None = None) -> None:
    """A table of the failures by reason, and the first of them by call; by its file where its id was made of its bytes."""
    from qc.transcribe.reasons import REASONS

    if not failed:
        return
    counted = [(reason, f"{n:,}", REASONS.get(reason, "")) for reason, n in failed.items()]
    console.table("Failed", ["reason", "calls", "what it means"], counted, right=[1])
    for call_id, reason, message in failures[:_SHOWN]:
        console.say(f"{shown_name(call_id, files or {})}: {reason}: {message}")
    if len(failures) > _SHOWN:
        console.say(f"… and {len(failures) - _SHOWN:,} more; all are rows of the transcripts table.")


def shown_name(call_id: str, files: Mapping[str, str]) -> str:
    """What people know a call by: its file where its id was only made of its bytes."""
    return (files.get(call_id) if call_id.startswith("sha256:") else None) or call_id


def show_problems(problems: list[Problem]) -> None:
    """Say what is wrong with the lists, line by line."""
    for problem in problems[:_SHOWN]:
        console.say(str(problem))
    if len(problems) > _SHOWN:
        console.say(f"… and {len(problems) - _SHOWN:,} more problems like these; --json lists all.")
