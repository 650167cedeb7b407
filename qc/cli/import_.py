"""`qc import`: transcripts made elsewhere, calls and chats, into the tables `calls` and `transcripts`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qc.cli import console, options
from qc.cli.transcribe import show_failures, show_problems
from qc.errors import Exit, UsageError

if TYPE_CHECKING:
    from qc.transcribe.importing import ImportSummary


def import_(
    files: Annotated[list[Path], typer.Argument(help="Transcripts, or folders of them.", metavar="FILE|FOLDER")],
    format_: Annotated[str, typer.Option("--format", help="auto, whisper, whisperx, srt, vtt, jsonl or csv.")] = "auto",
    calls: options.CallList = None,
    store: options.StoreFolder = Path("qc-store"),
    role: Annotated[list[str] | None, typer.Option("--role", help="SPEAKER=agent|customer|system; may be given again.")] = None,
    mapping: options.Mapping = None,
    agent_channel: Annotated[
        str, typer.Option("--agent-channel", help="left, right, 0 or 1, where nothing else says who.")
    ] = "left",
    agent_file_pattern: Annotated[
        str | None, typer.Option("--agent-file-pattern", help="Expression that an agent's file name matches.")
    ] = None,
    customer_file_pattern: Annotated[
        str | None, typer.Option("--customer-file-pattern", help="Expression that a customer's file name matches.")
    ] = None,
    mono_role: Annotated[
        str, typer.Option("--mono-role", help="Role of turns that nothing names: agent, customer, unknown.")
    ] = "unknown",
    language: Annotated[str, typer.Option("--language", help="The language, where the file does not say.")] = "zh",
    as_json: options.Json = False,
) -> None:
    """Import transcripts made elsewhere: Whisper and WhisperX JSON, SRT, WebVTT, JSONL or CSV of turns, chat logs.

    Files of one call come together by name: x_agent.srt and x_customer.srt, or _left and _right. A line that cannot be
    read is told with its place and counted as speech that was not heard; then the exit code is 3.

    Example:  qc import chats.csv --calls calls.csv --role 小二=agent --store qc-store
    """
    from qc.calls import CallOptions, build_calls
    from qc.store import Store
    from qc.transcribe.importing import ImportOptions, import_transcripts

    how = ImportOptions(
        format=format_,
        roles=_roles(role or []),
        agent_channel=options.channel(agent_channel),
        agent_pattern=agent_file_pattern,
        customer_pattern=customer_file_pattern,
        mono_role=options.mono_role(mono_role),
        language=language,
    )
    with console.progress(as_json) as progress:
        listed, problems = ([], []) if calls is None else build_calls(CallOptions((calls,), None, options.mapping(mapping)))
        summary = import_transcripts(Store(store), files, how, progress, listed)
        summary.problems = [*problems, *summary.problems]
        show_problems(summary.problems)
    if not console.result(_as_dict(summary), as_json):
        console.out(
            f"{summary.calls:,} calls with {summary.turns:,} turns, {summary.failed_calls:,} failed, "
            f"{len(summary.problems):,} problem(s). Tables: {store}"
        )
        show_failures(summary.failed, summary.failures)
    if summary.failed or summary.problems:
        raise typer.Exit(int(Exit.FAILED_CALLS))


def _as_dict(summary: ImportSummary) -> dict[str, object]:
    return {
        "calls": summary.calls,
        "turns": summary.turns,
        "failed": summary.failed,
        "failures": [{"call_id": c, "reason": r, "message": m} for c, r, m in summary.failures],
        "problems": [{"where": p.where, "message": p.message, "hint": p.hint} for p in summary.problems],
    }


def _roles(pairs: list[str]) -> dict[str, str]:
    roles = {}
    for pair in pairs:
        name, equals, role = pair.rpartition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"{pair!r} is not SPEAKER=ROLE", where="--role", hint="for example --role SPEAKER_00=agent", code="role"
            )
        roles[name.strip()] = role.strip()
    return roles
