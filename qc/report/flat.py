"""The report's sheets as frames, every row of them: what CSV and Parquet files are written from, for a million calls as for ten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from qc.report.columns import Columns
from qc.report.model import LANGS, ReportData
from qc.report.safe import visible
from qc.report.sheets import SHEETS, Column
from qc.text.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = "\x20-\x7e\u00ae-\u02ff\u3001-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uff5e\u2018-\u201d\u2014\u2026"
"""Characters, as in a class of an expression, that need no spelling out (`safe.visible`)."""

_TYPES = {"int": pl.Int64, "points": pl.Float64, "share": pl.Float64, "hours": pl.Int64, "clock": pl.Int64, "flag": pl.Boolean}
_LEFT_OUT = ("start", "remedy")


def flat(name: str, data: ReportData, *, masked: bool = False) -> pl.DataFrame:
    """A sheet by its name (`sheets.SHEETS`), all rows, columns as in its CSV file: titles in each language, lists joined by `;`.

    With `masked`, personal data is masked in quotes, file names and messages.
    """
    columns = [c for c in SHEETS[name].columns if c.name not in _LEFT_OUT]
    make: dict[str, Callable[[Columns, ReportData], pl.DataFrame]] = {
        "calls": _calls,
        "findings": _findings,
        "failures": _failures,
    }
    if name in make and data.columns is not None:
        frame = make[name](data.columns, data)
    else:
        frame = _small(columns, list(SHEETS[name].rows(data)))
    if masked:
        hide = [c for c in ("file", "message") if c in frame.columns]
        frame = frame.with_columns(_each(pl.col(c), redact) for c in hide)
        if "quote" in frame.columns:
            frame = _masked_quotes(frame, data)
    return frame.select(out for c in columns for out in _outputs(c)).with_columns(pl.col(pl.Categorical).cast(pl.String))


def _outputs(column: Column) -> list[str]:
    return [f"{column.name}_{lang}" for lang in LANGS] if column.kind == "title" else [column.name]


def _small(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    values: dict[str, pl.Series] = {}
    for c in columns:
        given = [r.get(c.name) for r in rows]
        if c.kind == "title":
            for lang in LANGS:
                values[f"{c.name}_{lang}"] = pl.Series(f"{c.name}_{lang}", [(g or {}).get(lang, "") for g in given], pl.String)
        else:
            values[c.name] = pl.Series(c.name, given, _TYPES.get(c.kind, pl.String))
    return pl.DataFrame(values)


def _who(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(agent_id=pl.col("person").fill_null(""), agent=pl.col("agent_name"))


def _calls(columns: Columns, data: ReportData) -> pl.DataFrame:
    counted = [pl.when("ok").then(pl.col(c)).alias(c) for c in ("hits", "undecided")]
    return _who(columns.calls).with_columns(*counted, warnings=pl.col("warnings").list.join(";").fill_null(""))


def _failures(columns: Columns, data: ReportData) -> pl.DataFrame:
    return _who(columns.calls.filter(~pl.col("ok"))).sort("reason", "call_id")


def _findings(columns: Columns, data: ReportData) -> pl.DataFrame:
    """One row a piece of evidence; a finding without any is one row, too."""
    evidence = pl.col("evidence")
    rows = (
        columns.findings.with_columns(evidence=pl.when(evidence.list.len() > 0).then(evidence))
        .explode("evidence")
        .unnest("evidence")
    )
    rules = pl.DataFrame(
        {
            "rule": list(data.rules),
            "dimension": [r.dimension for r in data.rules.values()],
            "own_severity": [r.severity for r in data.rules.values()],
            **{f"title_{lang}": [r.title.get(lang, "") for r in data.rules.values()] for lang in LANGS},
        },
        schema_overrides={
            "rule": pl.Categorical,
            "dimension": pl.String,
            "own_severity": pl.String,
            **{f"title_{lang}": pl.String for lang in LANGS},
        },
    )
    calls = _who(columns.calls.filter("ok")).select("call_id", "provider", "agent", "agent_id", "started_at")
    return (
        rows.join(calls, on="call_id", maintain_order="left")
        .join(rules, on="rule", how="left", maintain_order="left")
        .with_columns(
            pl.col("why").cast(pl.String).fill_null(""),
            pl.coalesce(pl.col("severity").cast(pl.String), "own_severity").fill_null(""),
        )
    )


def _masked_quotes(frame: pl.DataFrame, data: ReportData) -> pl.DataFrame:
    """Quotes of the calls that are told come masked with their turns; of the others none is given: a piece cannot be judged alone."""
    told = {
        (c.call_id, f.rule, e["turn"], e["char_start"]): e["quote"] for c in data.calls for f in c.findings for e in f.evidence
    }
    keys = frame.select("call_id", "rule", "turn", "char_start").iter_rows()
    return frame.with_columns(quote=pl.Series("quote", [told.get(k) for k in keys], pl.String))


def _each(column: pl.Expr, change: Callable[[str], str]) -> pl.Expr:
    return column.map_elements(change, return_dtype=pl.String, skip_nulls=True)


def fit_to_show(frame: pl.DataFrame) -> pl.DataFrame:
    """Every text with control characters spelled out; only those that have any are touched."""
    odd = f"[^{PLAIN}]"
    return frame.with_columns(spelled(frame[c], odd, visible) for c, kind in frame.schema.items() if kind == pl.String)


def spelled(column: pl.Series, odd: str, change: Callable[[str], str]) -> pl.Series:
    """The column with `change` applied to the texts that match `odd`."""
    where = column.str.contains(odd).fill_null(False)
    if not where.any():
        return column
    places = where.arg_true()
    return column.clone().scatter(places, [change(v) for v in column.gather(places).to_list()])
