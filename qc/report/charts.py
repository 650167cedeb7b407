"""The charts of the pages, drawn by Vega (through vl-convert) into SVG that stands in the page: no script, no request.

What is here are Vega specifications (https://vega.github.io/vega/docs/specification/), not drawing code. Colours are the
pages' own CSS variables, so charts follow the dark and the printed page. Every place is fixed (no automatic sizes, no
overlap tests), so that fonts of the machine change nothing: the same figures give the same bytes. Words come in as
placeholders and are filled in per language, so that a chart is drawn once for all languages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

from qc.report.safe import short, visible

Spec = dict[str, Any]

_WIDTH = 640
_ROLES = re.compile(r' (?:aria-[a-z]+|role|pointer-events|stroke-miterlimit)="[^"]*"')
_EMPTY = re.compile(r'<path class="(?:background|foreground)"[^>]*?d="(?:M0,0h0v0h0Z)?"[^>]*/>')
_SIZE = re.compile(r'^<svg [^>]*viewBox="([^"]*)"[^>]*>')
_SLOT = re.compile("\u27e6([a-z_]+)\u27e7")
_INK, _MUTED, _LINE, _ACCENT, _SOFT = (f"var(--{n})" for n in ("ink", "muted", "line", "accent", "accent-soft"))


def slot(name: str) -> str:
    """A placeholder for a word of the page's language: filled in by `words`."""
    return f"\u27e6{name}\u27e7"


def draw(spec: Spec, label: str, words: Mapping[str, str] | None = None) -> Markup:
    """A specification as inline SVG, with `label` for readers who do not see it and `words` put into its slots."""
    body = _draw(json.dumps(spec, sort_keys=True, ensure_ascii=False))
    given = words or {}
    filled = _SLOT.sub(lambda m: str(escape(given.get(m.group(1), ""))), body)
    box = _SIZE.match(filled)
    inner = filled[box.end() :] if box else filled
    return Markup('<svg class="chart" viewBox="{}" role="img" aria-label="{}">').format(
        box.group(1) if box else "", label
    ) + Markup(inner)  # Vega's own output: it escapes the texts that it was given


@lru_cache(maxsize=256)
def _draw(spec: str) -> str:
    import vl_convert

    svg = vl_convert.vega_to_svg(spec, allowed_base_urls=[])
    return _EMPTY.sub("", _ROLES.sub("", svg)).strip()


def name_of(text: str, most: int = 26) -> str:
    """A stranger's name as a label: visible, short, and no slot."""
    return short(visible(text), most).replace("\u27e6", "[").replace("\u27e7", "]")


# -- pieces


def _spec(
    height: int, *, data: Sequence[Spec], scales: Sequence[Spec], marks: Sequence[Spec], width: int = _WIDTH, **more: Any
) -> Spec:
    padding = more.pop("padding", {"left": 8, "right": 8, "top": 8, "bottom": 8})
    return {
        "$schema": "https://vega.github.io/schema/vega/v5.json",
        "width": width,
        "height": height,
        "padding": padding,
        "autosize": "none",
        "data": list(data),
        "scales": list(scales),
        "marks": list(marks),
        "config": {
            "axis": {
                "domain": False,
                "ticks": False,
                "gridColor": _LINE,
                "labelColor": _MUTED,
                "titleColor": _MUTED,
                "labelFont": "inherit",
                "titleFont": "inherit",
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "labelPadding": 6,
                "labelOverlap": False,
                "labelBound": False,
            },
            "axisBottom": {"titleY": 26},
            "axisLeft": {"titleX": -46},
            "text": {"font": "inherit", "fontSize": 12},
        },
        **more,
    }


def _mark(kind: str, data: str, **enter: Any) -> Spec:
    return {"type": kind, "from": {"data": data}, "encode": {"enter": enter}}


def _at(scale: str, field: str, **more: Any) -> Spec:
    return {"scale": scale, "field": field, **more}


def _wide(text: str) -> int:
    """Columns that a text takes: two for a Chinese character."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


# -- the charts


def distribution(counts: Sequence[int], base: float, mean: tuple[float, float] | None) -> Spec:
    """How many calls have which score: `counts` of equal bins from 0 to `base`, and where the mean lies."""
    step = base / len(counts)
    rows = [{"a": i * step, "b": (i + 1) * step, "n": n} for i, n in enumerate(counts)]
    marks = [
        _mark(
            "rect",
            "bins",
            x=_at("x", "a", offset=1),
            x2=_at("x", "b", offset=-1),
            y=_at("y", "n"),
            y2={"scale": "y", "value": 0},
            fill={"value": _ACCENT},
            cornerRadiusTopLeft={"value": 2},
            cornerRadiusTopRight={"value": 2},
        )
    ]
    data = [{"name": "bins", "values": rows}]
    if mean is not None:
        data.append({"name": "mean", "values": [{"a": mean[0], "b": max(mean[1], mean[0] + base / 400)}]})
        place = {"x": _at("x", "a"), "x2": _at("x", "b"), "y": {"value": 0}, "y2": {"signal": "height"}}
        marks.append(_mark("rect", "mean", **place, fill={"value": _INK}, fillOpacity={"value": 0.55}))
    return _spec(
        180,
        data=data,
        scales=[
            {"name": "x", "type": "linear", "domain": [0, base], "range": "width"},
            {"name": "y", "type": "linear", "domain": [0, max([*counts, 1])], "range": "height", "nice": True},
        ],
        marks=marks,
        axes=[
            {"scale": "y", "orient": "left", "grid": True, "tickCount": 4, "format": ",d"},
            {"scale": "x", "orient": "bottom", "title": slot("score"), "tickCount": 10},
        ],
        padding={"left": 56, "right": 12, "top": 10, "bottom": 42},
        width=_WIDTH - 68,
    )


def intervals(rows: Sequence[Mapping[str, Any]], domain: tuple[float, float], slot_name: str) -> Spec:
    """A line a row: a dot (or the stretch from `worst` to `best`) and its 95 % interval. Rows: name, worst, best, low, high."""
    values = [
        {**r, "k": i, "label": name_of(r["name"]), "thick": max(r["best"] - r["worst"], (domain[1] - domain[0]) / 160)}
        for i, r in enumerate(rows)
    ]
    known = [v for v in values if v["low"] is not None]
    y = _at("y", "k", band=0.5)
    return _spec(
        26 * len(rows),
        data=[
            {
                "name": "all",
                "values": values,
                "transform": [{"type": "formula", "as": "to", "expr": "datum.worst + datum.thick"}],
            },
            {"name": "known", "values": known},
        ],
        scales=[
            {"name": "x", "type": "linear", "domain": list(domain), "range": "width", "nice": True, "zero": False},
            {"name": "y", "type": "band", "domain": [v["k"] for v in values], "range": "height"},
        ],
        marks=[
            _mark(
                "rule", "known", x=_at("x", "low"), x2=_at("x", "high"), y=y, stroke={"value": _SOFT}, strokeWidth={"value": 9}
            ),
            _mark(
                "rect",
                "all",
                x=_at("x", "worst"),
                x2=_at("x", "to"),
                y=_at("y", "k", band=0.5, offset=-6),
                height={"value": 12},
                fill={"value": _ACCENT},
            ),
            _mark(
                "text",
                "all",
                x={"value": -8},
                y=y,
                text=_at_field("label"),
                align={"value": "right"},
                baseline={"value": "middle"},
                fill={"value": _INK},
            ),
        ],
        axes=[{"scale": "x", "orient": "bottom", "grid": True, "tickCount": 6, "title": slot(slot_name)}],
        padding={"left": 190, "right": 16, "top": 6, "bottom": 42},
        width=_WIDTH - 206,
    )


def _at_field(field: str) -> Spec:
    return {"field": field}


def heat(columns: Sequence[str], rows: Sequence[str], cells: Sequence[tuple[int, int, float | None]]) -> Spec:
    """Rules down, agents (or providers) across: how often, per 100 calls. Cells: (row, column, rate or None where unknown)."""
    most = max([c[2] for c in cells if c[2] is not None] + [1.0])
    width = max(22, min(56, 620 // max(len(columns), 1)))
    values = [
        {"r": r, "c": c, "v": v, "t": "" if v is None else (f"{v:.0f}" if v >= 9.5 or v == 0 else f"{v:.1f}")}
        for r, c, v in cells
    ]
    known = [v for v in values if v["v"] is not None]
    cell = {"x": _at("x", "c"), "y": _at("y", "r"), "width": {"scale": "x", "band": 1}, "height": {"scale": "y", "band": 1}}
    middle = {"x": _at("x", "c", band=0.5), "y": _at("y", "r", band=0.5)}
    centred = {"align": {"value": "center"}, "baseline": {"value": "middle"}}
    labels = [name_of(n, 18) for n in columns]
    names = [{"c": i, "t": n} for i, n in enumerate(labels)]
    titles = [{"r": i, "t": name_of(n, 24)} for i, n in enumerate(rows)]
    return _spec(
        26 * len(rows),
        data=[
            {"name": "cells", "values": values},
            {"name": "known", "values": known},
            {"name": "columns", "values": names},
            {"name": "rows", "values": titles},
        ],
        scales=[
            {"name": "x", "type": "band", "domain": list(range(len(columns))), "range": "width", "paddingInner": 0.06},
            {"name": "y", "type": "band", "domain": list(range(len(rows))), "range": "height", "paddingInner": 0.1},
            {"name": "o", "type": "sqrt", "domain": [0, most], "range": [0.04, 0.9]},
        ],
        marks=[
            _mark("rect", "cells", **cell, fill={"value": "none"}, stroke={"value": _LINE}),
            _mark("rect", "known", **cell, fill={"value": _ACCENT}, fillOpacity=_at("o", "v")),
            _mark(
                "text",
                "known",
                **middle,
                **centred,
                text=_at_field("t"),
                fontSize={"value": 11},
                fill=[{"test": f"datum.v > {most * 0.3:.6f}", "value": "var(--card)"}, {"value": _INK}],
            ),
            _mark(
                "text",
                "rows",
                x={"value": -8},
                y=_at("y", "r", band=0.5),
                text=_at_field("t"),
                align={"value": "right"},
                baseline={"value": "middle"},
                fill={"value": _INK},
            ),
            _mark(
                "text",
                "columns",
                x=_at("x", "c", band=0.5),
                y={"value": -8},
                text=_at_field("t"),
                angle={"value": -40},
                align={"value": "left"},
                baseline={"value": "middle"},
                fill={"value": _MUTED},
            ),
        ],
        padding={"left": 190, "right": 90, "top": 24 + int(7.5 * max((_wide(n) for n in labels), default=4) * 0.65), "bottom": 6},
        width=width * len(columns),
    )


def pareto(rows: Sequence[tuple[str, float]], total: float) -> Spec:
    """Points lost by rule, the most first, and their running share of all points lost. Rows: (name, points lost, positive)."""
    running, values = 0.0, []
    for i, (name, lost) in enumerate(rows):
        running += lost
        values.append({"k": i, "label": name_of(name, 24), "lost": lost, "share": 100 * running / total if total else 0.0})
    y = _at("y", "k", band=0.5)
    return _spec(
        26 * len(values),
        data=[{"name": "rules", "values": values}],
        scales=[
            {"name": "x", "type": "linear", "domain": [0, max([lost for _, lost in rows] + [1.0])], "range": "width"},
            {"name": "s", "type": "linear", "domain": [0, 100], "range": "width"},
            {"name": "y", "type": "band", "domain": [v["k"] for v in values], "range": "height", "paddingInner": 0.2},
        ],
        marks=[
            _mark(
                "rect",
                "rules",
                x={"value": 0},
                x2=_at("x", "lost"),
                y=_at("y", "k"),
                height={"scale": "y", "band": 1},
                fill={"value": _SOFT},
                cornerRadiusTopRight={"value": 2},
                cornerRadiusBottomRight={"value": 2},
            ),
            _mark("line", "rules", x=_at("s", "share"), y=y, stroke={"value": _ACCENT}, strokeWidth={"value": 1.5}),
            _mark("symbol", "rules", x=_at("s", "share"), y=y, fill={"value": _ACCENT}, size={"value": 28}),
            _mark(
                "text",
                "rules",
                x={"value": -8},
                y=y,
                text=_at_field("label"),
                align={"value": "right"},
                baseline={"value": "middle"},
                fill={"value": _INK},
            ),
            _mark(
                "text",
                "rules",
                x={"value": 6},
                y=y,
                text={"signal": "format(datum.lost, ',.0f')"},
                baseline={"value": "middle"},
                fill={"value": _INK},
            ),
        ],
        axes=[
            {
                "scale": "s",
                "orient": "bottom",
                "grid": True,
                "tickCount": 5,
                "title": slot("pareto_axis"),
                "encode": {"labels": {"update": {"text": {"signal": "datum.value + '%'"}}}},
            }
        ],
        padding={"left": 190, "right": 24, "top": 6, "bottom": 42},
        width=_WIDTH - 214,
    )


def trend(rows: Sequence[Mapping[str, Any]], base: float) -> Spec:
    """Mean score by day (or week): the stretch from worst to best, its 95 % interval. Rows: period, worst, best, low, high."""
    lows = [r["low"] if r["low"] is not None else r["worst"] for r in rows]
    highs = [r["high"] if r["high"] is not None else r["best"] for r in rows]
    every = max(1, -(-len(rows) // 9))
    values = [
        {
            **r,
            "k": i,
            "mid": (r["worst"] + r["best"]) / 2,
            "low": lows[i],
            "high": highs[i],
            "tick": r["period"][5:] if i % every == 0 else "",
        }
        for i, r in enumerate(rows)
    ]
    pad = max((max(highs) - min(lows)) * 0.15, 0.5)
    x = _at("x", "k")
    return _spec(
        180,
        data=[{"name": "t", "values": values}],
        scales=[
            {"name": "x", "type": "point", "domain": [v["k"] for v in values], "range": "width", "padding": 0.5},
            {
                "name": "y",
                "type": "linear",
                "domain": [max(min(lows) - pad, 0), min(max(highs) + pad, base)],
                "range": "height",
                "zero": False,
            },
        ],
        marks=[
            _mark("area", "t", x=x, y=_at("y", "low"), y2=_at("y", "high"), fill={"value": _SOFT}, fillOpacity={"value": 0.7}),
            _mark(
                "area", "t", x=x, y=_at("y", "worst"), y2=_at("y", "best"), fill={"value": _ACCENT}, fillOpacity={"value": 0.35}
            ),
            _mark("line", "t", x=x, y=_at("y", "mid"), stroke={"value": _ACCENT}, strokeWidth={"value": 2}),
            _mark("symbol", "t", x=x, y=_at("y", "mid"), fill={"value": _ACCENT}, size={"value": 36}),
            _mark(
                "text",
                "t",
                x=x,
                y={"signal": "height + 18"},
                text=_at_field("tick"),
                align={"value": "center"},
                fill={"value": _MUTED},
            ),
        ],
        axes=[{"scale": "y", "orient": "left", "grid": True, "tickCount": 5, "title": slot("score")}],
        padding={"left": 60, "right": 12, "top": 10, "bottom": 30},
        width=_WIDTH - 72,
    )


def timeline(line: Any) -> Spec:
    """One call from its first second to its last: who spoke when, what was not heard, silence, overlap, and the findings.

    `line`: `qc.report.timeline.Timeline`.
    """
    lanes = [*line.lanes, "gaps", "marks"]
    place = {name: i for i, name in enumerate(lanes)}
    duration = max(line.duration_ms, 1)

    def rows(name: str, stretches: Any) -> list[Spec]:
        return [{"a": a, "b": max(b, a + duration // 500), "y": place[name]} for a, b in stretches]

    speech = [r for lane in line.lanes for r in rows(lane, line.heard[lane])]
    unheard = [r for lane in line.lanes for r in rows(lane, line.unheard[lane])]
    overlap = rows("gaps", line.overlaps)
    silence = rows("gaps", line.silences)
    marks = [
        {"a": m.start_ms, "b": max(m.end_ms, m.start_ms + duration // 250), "y": place["marks"], "n": m.number, "hit": m.hit}
        for m in sorted(line.marks, key=lambda m: (m.start_ms - m.end_ms, m.start_ms))  # the short ones on top
    ]
    names = [{"y": place[n], "t": slot(n)} for n in lanes]
    box = {"x": _at("x", "a"), "x2": _at("x", "b"), "y": _at("y", "y", band=0.15), "height": {"scale": "y", "band": 0.7}}
    return _spec(
        30 * len(lanes),
        data=[
            {"name": "lanes", "values": names},
            {"name": "speech", "values": speech},
            {"name": "unheard", "values": unheard},
            {"name": "overlap", "values": overlap},
            {"name": "silence", "values": silence},
            {"name": "hits", "values": [m for m in marks if m["hit"]]},
            {"name": "unsure", "values": [m for m in marks if not m["hit"]]},
        ],
        scales=[
            {"name": "x", "type": "linear", "domain": [0, duration], "range": "width"},
            {"name": "y", "type": "band", "domain": list(range(len(lanes))), "range": "height"},
        ],
        marks=[
            _mark("rule", "lanes", x={"value": 0}, x2={"signal": "width"}, y=_at("y", "y", band=0.5), stroke={"value": _LINE}),
            _mark("rect", "speech", **box, fill={"value": _ACCENT}, cornerRadius={"value": 2}),
            _mark(
                "rect",
                "unheard",
                **box,
                fill={"value": "var(--card)"},
                stroke={"value": _MUTED},
                strokeDash={"value": [3, 2]},
                cornerRadius={"value": 2},
            ),
            _mark("rect", "silence", **box, fill={"value": _LINE}, cornerRadius={"value": 2}),
            _mark("rect", "overlap", **box, fill={"value": _INK}, cornerRadius={"value": 2}),
            _mark("rect", "hits", **box, fill={"value": "var(--mark)"}, stroke={"value": _INK}, cornerRadius={"value": 2}),
            _mark(
                "rect",
                "unsure",
                **box,
                fill={"value": "none"},
                stroke={"value": _MUTED},
                strokeDash={"value": [3, 2]},
                cornerRadius={"value": 2},
            ),
            *(
                _mark(
                    "text",
                    d,
                    x=_at("x", "a", offset=4),
                    y=_at("y", "y", band=0.5),
                    text=_at_field("n"),
                    baseline={"value": "middle"},
                    fontSize={"value": 11},
                    fontWeight={"value": 600},
                    fill={"value": colour},
                )
                for d, colour in (("hits", "var(--mark-ink)"), ("unsure", _MUTED))
            ),
            _mark(
                "text",
                "lanes",
                x={"value": -10},
                y=_at("y", "y", band=0.5),
                text=_at_field("t"),
                align={"value": "right"},
                baseline={"value": "middle"},
                fill={"value": _MUTED},
            ),
        ],
        axes=[
            {
                "scale": "x",
                "orient": "bottom",
                "grid": True,
                "zindex": 0,
                "values": _ticks(duration),
                "encode": {
                    "labels": {
                        "update": {
                            "text": {"signal": "floor(datum.value / 60000) + ':' + format(floor(datum.value / 1000) % 60, '02d')"}
                        }
                    }
                },
            }
        ],
        padding={"left": TIMELINE_LEFT, "right": TIMELINE_RIGHT, "top": 4, "bottom": 26},
        width=TIMELINE_WIDTH - TIMELINE_LEFT - TIMELINE_RIGHT,
    )


TIMELINE_WIDTH, TIMELINE_LEFT, TIMELINE_RIGHT = 1080, 124, 20
"""Size of the timeline in SVG units: the page's script needs them to know which second was clicked."""


def _ticks(duration_ms: int) -> list[int]:
    """Round places on a clock, at most twelve."""
    for step in (5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400):
        if duration_ms / (step * 1000) <= 12:
            return list(range(0, duration_ms + 1, step * 1000))
    return [0, duration_ms]
