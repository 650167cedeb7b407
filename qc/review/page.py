"""The page and the sheet on which people judge drawn calls: offline, file by file, answers saved as a small CSV file.

The page says of each call what the rule looks for and plays the call; it does not say what the machine found until the
reviewer has answered, so that nobody is led.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from qc.report.csv_files import csv_bytes
from qc.report.folder import Folder
from qc.report.gather import gather, spoken
from qc.report.html import Pages, review_page, root_page
from qc.report.listen import bring_whole_calls
from qc.report.model import LANGS, ReportOptions
from qc.store import Store

ANSWERS = ("hit", "miss", "cannot_tell")


@dataclass(frozen=True)
class PageOptions:
    """`langs`, `redact` as in a report."""

    langs: tuple[str, ...] = LANGS
    redact: bool = False


def write_review(store: Store, out: Path, plan: Sequence[Mapping[str, Any]], options: PageOptions) -> Path:
    """Write the page, the sheet and the recordings of a draw (rows of `review_plan`) into a folder; the page to open."""
    how = ReportOptions(langs=options.langs, pack=plan[0]["pack_id"], redact=options.redact)
    ids = sorted({r["call_id"] for r in plan})
    data = gather(store, how, only=pl.Series(ids, dtype=pl.String))
    folder = Folder(out)
    calls = {c.call_id: c for c in data.calls}
    sounds = dict(bring_whole_calls(store, folder, [calls[i] for i in ids], options.redact))
    words = {s.call_id: s.turns for s in spoken(store, ids, masked=options.redact)}
    pages = Pages(data, how, sounds)
    folder.write("data/answers.csv", csv_bytes(_sheet(plan)))
    items = [(row, calls[row["call_id"]], words.get(row["call_id"], ())) for row in plan]
    for lang in options.langs:
        folder.write(f"{lang}/index.html", review_page(pages, lang, items).encode())
    folder.write("index.html", root_page(pages).encode())
    folder.finish()
    return out / "index.html"


def _sheet(plan: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The empty sheet: one line a call and rule, answers to be filled in."""
    columns = {"call_id": [r["call_id"] for r in plan], "rule": [r["rule"] for r in plan]}
    blank = [""] * len(plan)
    return pl.DataFrame({**columns, "answer": blank, "note": blank, "reviewer": blank, "at": blank})
