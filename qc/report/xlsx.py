"""The spreadsheet, one per language: summary, providers, agents, calls, findings, rules, failures. Strings are strings, never formulas.

The same report gives the same bytes: times inside the file are fixed. Rows are written as they come, so that memory stays flat.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qc.report.model import ReportData
from qc.report.safe import short, visible
from qc.report.sheets import SHEETS, Column, Sheet
from qc.report.words import Words, moment, span
from qc.tables import MIN_CALLS
from qc.version import VERSION

MOST_ROWS = 1_000_000
MOST_LINKS = 60_000
"""Rows of a sheet that link to pages: Excel refuses more than 65,530 links a sheet."""
_MOST_CHARACTERS = 32_000
_MOST_LINK_TEXT = 255
_EPOCH = datetime.datetime(2000, 1, 1)
_FORMATS = {
    "int": "#,##0",
    "points": "0.0",
    "share": "0.0%",
    "hours": "#,##0.00",
    "clock": "[>=0.0416666666]h:mm:ss;mm:ss",
}
_DATES = {"zh": 'yyyy"年"m"月"d"日" hh:mm', "en": "d mmm yyyy, hh:mm"}
_DAY_MS = 86_400_000
_FIRST_YEAR = 1900
_WRAPPED = ("quote", "message", "remedy", "title", "why", "file")


def xlsx_file(data: ReportData, lang: str, links: Mapping[str, str] | None = None) -> bytes:
    """The workbook's bytes in one language. `links`: page of a call, relative to the workbook, by call id."""
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    t = Words(lang)
    book.set_properties({"title": data.title or t("report"), "created": _EPOCH})
    styles = _Styles(book, lang, links or {})
    _summary(book.add_worksheet(t("summary")), data, t, styles)
    for name in ("providers", "agents", "calls", "findings", "rules", "failures"):
        _table(book.add_worksheet(t(f"sheet_{name}")), SHEETS[name], data, t, styles)
    book.close()
    return out.getvalue()


@dataclass
class _Styles:
    """Formats of the workbook, each made once; and the pages that calls link to."""

    book: Any
    lang: str
    links: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        book = self.book
        plain = {"valign": "top", "font_size": 11}
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.head = book.add_format(
            {"bold": True, "bg_color": "#E8EEF0", "bottom": 1, "border_color": "#9AA5B1", "text_wrap": True, "valign": "vcenter"}
        )
        self.text = book.add_format(plain)
        self.link = book.add_format({**plain, "font_color": "#0A6C74", "underline": 1})
        self.wrap = book.add_format({**plain, "text_wrap": True})
        self.label = book.add_format({**plain, "font_color": "#596573"})
        self.kinds = {kind: book.add_format({**plain, "num_format": code, "align": "right"}) for kind, code in _FORMATS.items()}
        self.date = book.add_format({**plain, "num_format": _DATES[self.lang], "align": "left"})
        self.bad = book.add_format({"bg_color": "#F8D7D3", "font_color": "#7A1C12"})
        self.warn = book.add_format({"bg_color": "#FFF0C2", "font_color": "#6B4E00"})
        self.unsure = book.add_format({"bg_color": "#ECEFF2", "font_color": "#46525F", "italic": True})


def _summary(sheet: Any, data: ReportData, t: Words, styles: _Styles) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 90)
    sheet.write_string(0, 0, _cell(data.title or t("report")), styles.title)
    for row, (label, value) in enumerate(_facts(data, t), start=2):
        sheet.write_string(row, 0, label, styles.label)
        if isinstance(value, int):
            sheet.write_number(row, 1, value, styles.text)
        else:
            sheet.write_string(row, 1, _cell(value), styles.wrap)


def _facts(data: ReportData, t: Words) -> list[tuple[str, str | int]]:
    total, whole = data.totals, data.whole
    facts: list[tuple[str, str | int]] = []
    if data.pack:
        facts.append((t("pack"), f"{t.text(data.pack.title, data.pack.id)} ({data.pack.id} {data.pack.version})"))
    if whole and whole["mean_worst"] is not None:
        facts.append((t("mean_score"), span(whole["mean_worst"], whole["mean_best"])))
        absent = t("not_enough" if whole["scored"] - whole["unheard"] < MIN_CALLS else "all_alike")
        facts.append((t("interval"), absent if whole["low"] is None else span(whole["low"], whole["high"])))
    facts += [
        (t("calls"), total.calls),
        (t("scored"), total.scored),
        (t("failed"), total.failed),
        (t("hours"), t.length(total.audio_ms)),
        (t("hits"), total.hits),
        (t("undecided"), total.undecided),
        (t("mono"), total.mono),
    ]
    facts += [(t("digest"), f"{version} · {digest}") for version, digest in data.versions]
    facts += [(t("engine"), ", ".join(data.made_with.engines))] if data.made_with.engines else []
    facts += [(t("model"), f"{name} {digest}".strip()) for name, digest in data.made_with.models]
    facts.append((t("tool"), f"qc {VERSION}"))
    facts.append((t("how_to_read"), t("note_interval")))
    return [*facts, ("", t("note_sampling", n=MIN_CALLS)), ("", t("note_undecided"))]


def _table(sheet: Any, table: Sheet, data: ReportData, t: Words, styles: _Styles) -> None:
    columns = table.columns
    for i, column in enumerate(columns):
        sheet.set_column(i, i, column.width)
        sheet.write_string(0, i, t(column.word), styles.head)
    sheet.set_row(0, 32)
    sheet.freeze_panes(1, 1)
    titles = {d.id: t.text(d.title, d.id) for d in data.pack.dimensions} if data.pack else {}
    last = 0
    for last, row in enumerate(table.rows(data), start=1):
        if last > MOST_ROWS:
            sheet.write_string(last, 0, t("cut_rows", n=f"{MOST_ROWS:,}"))
            break
        for i, column in enumerate(columns):
            _write(sheet, (last, i), column, row.get(column.name), (t, titles, styles))
    sheet.autofilter(0, 0, max(last, 1), len(columns) - 1)
    _colour(sheet, columns, max(last, 1), t, styles)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _write(sheet: Any, at: tuple[int, int], column: Column, value: Any, words: tuple[Words, Mapping[str, str], _Styles]) -> None:
    t, titles, styles = words
    style = styles.wrap if column.name in _WRAPPED else styles.text
    if value is None or value == "":
        unassigned = column.name in ("provider", "agent")
        sheet.write_string(*at, t("unassigned"), style) if unassigned else sheet.write_blank(*at, None, style)
    elif column.name == "call_id" and value in styles.links and at[0] <= MOST_LINKS:
        sheet.write_url(*at, f"external:{styles.links[value]}", styles.link, _cell(value)[:_MOST_LINK_TEXT])
    elif column.kind == "hours":
        sheet.write_number(*at, value / 3_600_000, styles.kinds["hours"])
    elif column.kind == "clock":
        sheet.write_number(*at, value / _DAY_MS, styles.kinds["clock"])
    elif column.kind == "when" and (day := moment(value)) is not None and day.year >= _FIRST_YEAR:
        sheet.write_datetime(*at, day, styles.date)
    elif column.kind in _FORMATS:
        sheet.write_number(*at, value, styles.kinds[column.kind])
    else:
        sheet.write_string(*at, _cell(_worded(column.kind, value, t, titles)), style)


def _worded(kind: str, value: Any, t: Words, titles: Mapping[str, str]) -> str:
    if kind == "flag":
        return t("yes" if value else "no")
    if kind == "title":
        return t.text(value)
    if kind == "warnings":
        return ", ".join(t.warning(w) for w in value)
    if kind == "dimension":
        return titles.get(value, value)
    if kind in ("reason", "remedy", "why"):
        return str(getattr(t, kind)(value))
    return t.named(kind, value) if kind in ("severity", "verdict", "role", "status") else str(value)


def _cell(text: str) -> str:
    return short(visible(text), _MOST_CHARACTERS)


def _colour(sheet: Any, columns: tuple[Column, ...], last: int, t: Words, styles: _Styles) -> None:
    """Conditional colours: failures and grave findings red, undecided grey, low scores amber."""
    for i, column in enumerate(columns):

        def equal(word: str, style: Any, i: int = i) -> None:
            sheet.conditional_format(1, i, last, i, {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": style})

        if column.kind == "severity":
            equal(t.named("severity", "critical"), styles.bad)
            equal(t.named("severity", "high"), styles.warn)
        elif column.kind == "verdict":
            equal(t.named("verdict", "undecided"), styles.unsure)
        elif column.kind == "status":
            equal(t.named("status", "failed"), styles.bad)
        elif column.kind == "flag":
            equal(t("yes"), styles.bad)
        elif column.name in ("worst", "mean_worst"):
            rule = {"type": "cell", "criteria": "<", "value": 60, "format": styles.bad}
            sheet.conditional_format(1, i, last, i, {"type": "blanks", "stop_if_true": True})
            sheet.conditional_format(1, i, last, i, rule)
            sheet.conditional_format(1, i, last, i, {**rule, "value": 80, "format": styles.warn})
