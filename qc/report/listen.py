"""The listen list: calls drawn by a stated plan, with their recordings, for people who listen to real calls every week.

One page a language and one table; the page plays each call from its beginning and from each finding, and says how the call
came to be there, so that nobody takes the worst calls for the usual ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from qc.errors import QcError, UsageError
from qc.report.clips import clip_name, cut, private
from qc.report.columns import Columns, read_columns
from qc.report.csv_files import csv_bytes
from qc.report.folder import Folder
from qc.report.gather import choose_pack, gather, spoken
from qc.report.html import Pages, listen_page, root_page
from qc.report.model import LANGS, Call, Recording, ReportOptions, Sound
from qc.report.sampling import Drawn, draw_calls
from qc.report.sounds import missing
from qc.report.timeline import Stretch
from qc.store import Store


@dataclass(frozen=True)
class ListenOptions:
    """`n` calls by `plan` (`sampling.PLANS`) and `seed`; `pack`, `langs`, `redact` as in a report."""

    n: int = 20
    plan: str = "mixed"
    seed: int = 1
    langs: tuple[str, ...] = LANGS
    pack: str | None = None
    redact: bool = False


@dataclass(frozen=True)
class ListenSummary:
    """What was written. `without_sound`: drawn calls whose recording could not be brought."""

    index: Path
    calls: int
    without_sound: int
    drawn: tuple[Drawn, ...]

    def as_dict(self) -> dict[str, Any]:
        """The summary as data."""
        return {**self.__dict__, "index": str(self.index), "drawn": [d.__dict__ for d in self.drawn]}


def write_listen(store: Store, out: Path, options: ListenOptions) -> ListenSummary:
    """Draw calls and write the list into a folder: new, empty, or an earlier list or report.

    Raises UsageError for an unknown plan, fewer than one call, or a store without scores.
    """
    if options.n < 1:
        raise UsageError("no calls were asked for", where="--n", hint="at least 1")
    pack_id = choose_pack(store, options.pack)
    columns = read_columns(store, pack_id)
    drawn = draw_calls(scored_calls(columns), options.plan, options.n, options.seed)
    if not drawn:
        raise UsageError("no call has a score yet", where=str(store.path), hint="run qc scan and qc score first")
    how = ReportOptions(langs=options.langs, pack=pack_id, redact=options.redact)
    data = gather(store, how, only=pl.Series([d.call_id for d in drawn], dtype=pl.String))
    folder = Folder(out)
    calls = {c.call_id: c for c in data.calls}
    sounds = dict(bring_whole_calls(store, folder, [calls[d.call_id] for d in drawn], options.redact))
    data = replace(data, title="")
    pages = Pages(data, how, sounds, (("listen.csv", "data/listen.csv"),))
    folder.write("data/listen.csv", _table(drawn, calls))
    for lang in options.langs:
        folder.write(
            f"{lang}/index.html", listen_page(pages, lang, [(d, calls[d.call_id]) for d in drawn], options.seed).encode()
        )
    folder.write("index.html", root_page(pages).encode())
    folder.finish()
    return ListenSummary(out / "index.html", len(drawn), sum(bool(s.problem) for s in sounds.values()), tuple(drawn))


def scored_calls(columns: Columns) -> pl.DataFrame:
    """Scored calls as `sampling` draws from them."""
    bonus = (
        columns.findings.filter((pl.col("verdict") == "hit") & (pl.col("points_best") > 0))
        .group_by("call_id")
        .agg(bonus=pl.col("points_best").sum())
    )
    calls = columns.calls.filter("ok").select("call_id", "provider", "worst", "best", "undecided")
    return calls.join(bonus, on="call_id", how="left", maintain_order="left").with_columns(pl.col("bonus").fill_null(0.0))


@dataclass(frozen=True)
class WholeCall:
    """A call's recording as one small file: `name` in the folder, `muted` what is drowned out in it (ms); `problem`: why there is none."""

    call_id: str
    recording: Recording
    name: str
    muted: tuple[Stretch, ...]
    problem: str = ""

    def make(self, folder: Path) -> None:
        """Write the file. Raises OSError, QcError for a recording that cannot be read."""
        cut(Path(self.recording.path or ""), {self.name: _WHOLE}, self.muted, folder)


_WHOLE = (0, 24 * 3_600_000)


def whole_calls(store: Store, calls: list[Call], masked: bool) -> list[WholeCall]:
    """What has to be made so that each call can be heard, personal data drowned out where it is masked in the text."""
    ids = [c.call_id for c in calls]
    wanted = pl.Series(ids, dtype=pl.String).implode()
    rows = _recordings(store, wanted)
    muted = {s.call_id: private(s.turns) for s in spoken(store, ids)} if masked else {}
    found = []
    for call in calls:
        recording, drowned = rows[call.call_id], tuple(muted.get(call.call_id, ()))
        name = clip_name(recording.sha256 or call.call_id, _WHOLE, drowned)
        found.append(WholeCall(call.call_id, recording, name, drowned, missing(recording)))
    return found


def bring_whole_calls(store: Store, folder: Folder, calls: list[Call], masked: bool) -> Iterator[tuple[str, Sound]]:
    """Each call's recording as one small file in the folder."""
    for whole in whole_calls(store, calls, masked):
        if whole.problem:
            yield whole.call_id, Sound(None, whole.problem)
            continue
        try:
            if not (whole.recording.sha256 and folder.has(whole.name)):
                whole.make(folder.path)
                folder.made(whole.name)
            yield whole.call_id, Sound(whole.name)
        except (OSError, QcError):
            yield whole.call_id, Sound(None, "unreadable")


def _recordings(store: Store, wanted: pl.Series) -> dict[str, Recording]:
    listed = pl.from_arrow(store.read("calls", ["call_id", "path"]))
    heard = pl.from_arrow(store.read("transcripts", ["call_id", "audio_sha256"]))
    assert isinstance(listed, pl.DataFrame) and isinstance(heard, pl.DataFrame)
    both = heard.join(listed, on="call_id", how="left").filter(pl.col("call_id").is_in(wanted))
    return {r["call_id"]: Recording(r["path"], r["audio_sha256"] or "", "", "") for r in both.to_dicts()}


def _table(drawn: list[Drawn], calls: dict[str, Call]) -> bytes:
    rows = [
        {
            "call_id": d.call_id,
            "plan": d.plan,
            "stratum": d.stratum,
            "chance": d.chance,
            "provider": calls[d.call_id].provider,
            "agent": calls[d.call_id].agent_name,
            "worst": calls[d.call_id].worst,
            "best": calls[d.call_id].best,
        }
        for d in drawn
    ]
    kinds = {"chance": pl.Float64, "worst": pl.Float64, "best": pl.Float64}
    return csv_bytes(pl.DataFrame(rows, schema={k: kinds.get(k, pl.String) for k in rows[0]}))
