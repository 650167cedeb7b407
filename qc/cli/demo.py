"""`qc demo`: the whole path on the sample recordings, with the embedded speech model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console, options
from qc.errors import Exit, UsageError

_MADE_BY_DEMO = ("calls", "transcripts", "findings", "scores", "summaries", "packs")


def demo(
    samples: Annotated[
        Path | None, typer.Option("--samples", help="Folder of sample recordings; audio_samples/ beside the code if not given.")
    ] = None,
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the report to.")] = Path("reports/demo"),
    store: options.StoreFolder = Path("reports/demo-store"),
    lang: options.Lang = "both",
    as_json: options.Json = False,
) -> None:
    """Run the main job for real on the sample recordings: transcribe, scan, score, report. Takes a minute or two.

    A finished demo starts anew, a broken-off one goes on. Some samples are broken on purpose, to show what happens to
    them; the exit code is 3 only when another call failed.

    Example:  qc demo
    """
    from qc.calls import CallOptions
    from qc.cli.run import as_dict, run_interruptibly, show
    from qc.report import ReportOptions
    from qc.run import RunOptions
    from qc.store import Store
    from qc.transcribe.embedded import EMBEDDED_NAME
    from qc.transcribe.options import TranscribeOptions

    folder = samples or _beside("audio_samples")
    pack = _beside("rules") / "ecommerce-zh"
    if Store(store).parts("summaries"):
        for name in _MADE_BY_DEMO:
            shutil.rmtree(store / name, ignore_errors=True)
    everything = RunOptions(
        calls=CallOptions((folder,), folder / "calls.csv", skip=(store, output)),
        packs=(pack,),
        transcribe=TranscribeOptions(model=EMBEDDED_NAME),
        report_dir=output,
        report=ReportOptions(langs=options.langs(lang)),
    )
    summary = run_interruptibly(everything, store, as_json)
    broken = _broken_on_purpose(folder / "truth.jsonl")
    unexpected = sorted({call_id for call_id, _, _ in summary.transcribe.failures} - broken)
    if not console.result({**as_dict(summary, store), "unexpected_failures": unexpected}, as_json):
        show(summary, store)
        if summary.transcribe.failed and not unexpected:
            console.say("The failed calls are broken on purpose.")
    if unexpected or summary.problems:
        raise typer.Exit(int(Exit.FAILED_CALLS))


def _beside(name: str) -> Path:
    """A folder of the checkout: in the current folder, or beside the package."""
    for place in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (place / name).is_dir():
            return place / name
    raise UsageError(
        f"there is no folder {name} here",
        where=str(Path.cwd()),
        hint="run the demo in a checkout of qc, or give --samples FOLDER",
    )


def _broken_on_purpose(truth: Path) -> set[str]:
    """Ids of the sample calls that cannot be transcribed, by the truth that lies beside them."""
    if not truth.is_file():
        return set()
    lines = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    return {line["call_id"] for line in lines if not line["found"] or line["codec"] is None}
