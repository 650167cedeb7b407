"""`qc score`: findings to scores of calls, agents and providers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from qc.cli import console, options
from qc.errors import Exit
from qc.tables import MIN_CALLS


def score(
    store: Annotated[Path, typer.Option("--store", help="The store's folder.")] = Path("qc-store"),
    top: Annotated[int, typer.Option("--top", min=0, help="Print at most so many agents, the lowest scores first; 0: all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score every scanned call, agent and provider; print providers and agents with their intervals.

    A score is an interval: rules that could not be decided count as hits at its lower end and as misses at its upper
    end. The 95 % interval also owns that only so many calls were seen; below 5 scored calls, or where all
    scores are alike, there is none. Scores are
    made anew each time from the findings. Exits 3 when some calls failed and have no score.

    Example:  qc score --store qc-store
    """
    from qc.score import score as make_scores

    opened = options.existing_store(store)
    with console.progress(as_json) as listener:
        done = make_scores(opened, progress=listener)
    summaries = opened.read("summaries").to_pylist()
    if not console.result({"store": str(store), **done.as_dict(), "summaries": summaries}, as_json):
        for pack in done.packs:
            _print([s for s in summaries if s["pack_id"] == pack], top)
    if done.failed:
        raise typer.Exit(int(Exit.FAILED_CALLS))


_COLUMNS = ("calls", "scored", "failed", "undecided", "heard", "mean score", "95 % interval", "fatal")


def _print(summaries: list[dict[str, Any]], top: int) -> None:
    whole = next(s for s in summaries if s["kind"] == "all")
    providers = sorted((s for s in summaries if s["kind"] == "provider"), key=lambda s: (s["name"] is None, s["id"]))
    agents = [s for s in summaries if s["kind"] == "agent"]
    agents.sort(key=lambda s: (s["mean_worst"] is None, s["mean_worst"] or 0.0, s["id"]))
    title = f"{whole['pack_id']} {whole['pack_version']}"
    right = tuple(range(1, 9))
    rows = [(s["name"] or "unassigned", *_figures(s)) for s in providers]
    console.table(f"{title}: providers", ("provider", *_COLUMNS), [*rows, ("all", *_figures(whole))], right)
    shown = agents[:top] if top else agents
    console.out("")
    console.table(
        f"{title}: agents, the lowest scores first",
        ("provider", "agent", *_COLUMNS),
        [(s["provider"] or "unassigned", s["name"] or "unassigned", *_figures(s)) for s in shown],
        tuple(i + 1 for i in right),
    )
    if len(shown) < len(agents):
        console.out(f"{len(agents) - len(shown)} more agents; --top 0 prints all")


def _figures(s: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{s['calls']:,}",
        f"{s['scored']:,}",
        f"{s['failed']:,}",
        f"{s['undecided']:,}",
        "–" if s["coverage"] is None else f"{s['coverage']:.1%}",
        _interval(s["mean_worst"], s["mean_best"], "–"),
        _interval(s["low"], s["high"], "not enough calls" if s["scored"] - s["unheard"] < MIN_CALLS else "all alike"),
        f"{s['fatal']:,}",
    )


def _interval(low: float | None, high: float | None, absent: str) -> str:
    if low is None or high is None:
        return absent
    first, last = f"{low:.1f}", f"{high:.1f}"
    return first if first == last else f"{first} – {last}"
