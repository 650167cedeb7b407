"""The page and the sheet on which people judge drawn calls: offline, file by file, answers saved as a small CSV file.

The page says of each call what the rule looks for and plays the call; it does not say what the machine found until the
reviewer has answered, so that nobody is led.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from qc.report.csv_files import csv_bytes
from qc.report.folder import Folder
from qc.report.gather import gather, spoken
from qc.report.html import Pages, ToJudge, review_page, root_page
from qc.report.listen import WholeCall, bring_whole_calls, whole_calls
from qc.report.model import LANGS, ReportOptions, Sound
from qc.store import Store


@dataclass(frozen=True)
class PageOptions:
    """`langs`, `redact` as in a report. `evidence`: what the machine found lies folded up beside each call."""

    langs: tuple[str, ...] = LANGS
    redact: bool = False
    evidence: bool = False


def write_review(store: Store, out: Path, plan: Sequence[Mapping[str, Any]], options: PageOptions) -> Path:
    """Write the page, the sheet and the recordings of a draw (rows of `review_plan`) into a folder; the page to open."""
    pages, items = _gathered(store, plan, options)
    folder = Folder(out)
    calls = list({call.call_id: call for _, call, _ in items}.values())
    pages = replace(pages, sounds=dict(bring_whole_calls(store, folder, calls, options.redact)))
    folder.write("data/answers.csv", csv_bytes(_sheet(plan)))
    for lang in options.langs:
        folder.write(f"{lang}/index.html", review_page(pages, lang, items, evidence=options.evidence).encode())
    folder.write("index.html", root_page(pages).encode())
    folder.finish()
    return out / "index.html"


def served_review(
    store: Store, plan: Sequence[Mapping[str, Any]], options: PageOptions
) -> tuple[dict[str, bytes], dict[str, WholeCall]]:
    """The pages of a draw by their names, for a server, and the recordings that they play, by name, not made yet."""
    pages, items = _gathered(store, plan, options)
    calls = list({call.call_id: call for _, call, _ in items}.values())
    whole = whole_calls(store, calls, options.redact)
    pages = replace(pages, sounds={w.call_id: Sound(None, w.problem) if w.problem else Sound(w.name) for w in whole})
    made = {
        f"{lang}/index.html": review_page(pages, lang, items, evidence=options.evidence, served=True).encode()
        for lang in options.langs
    }
    return {**made, "index.html": root_page(pages).encode()}, {w.name: w for w in whole if not w.problem}


def _gathered(store: Store, plan: Sequence[Mapping[str, Any]], options: PageOptions) -> tuple[Pages, list[ToJudge]]:
    how = ReportOptions(langs=options.langs, pack=plan[0]["pack_id"], redact=options.redact)
    ids = sorted({r["call_id"] for r in plan})
    data = gather(store, how, only=pl.Series(ids, dtype=pl.String))
    calls = {c.call_id: c for c in data.calls}
    words = {s.call_id: s.turns for s in spoken(store, ids, masked=options.redact)}
    return Pages(data, how, {}), [(row, calls[row["call_id"]], words.get(row["call_id"], ())) for row in plan]


def _sheet(plan: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The empty sheet: one line a call and rule, answers to be filled in."""
    columns = {"call_id": [r["call_id"] for r in plan], "rule": [r["rule"] for r in plan]}
    blank = [""] * len(plan)
    return pl.DataFrame({**columns, "answer": blank, "note": blank, "reviewer": blank, "at": blank})
