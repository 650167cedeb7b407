"""The charts of the pages, drawn by Vega (through vl-convert) into SVG that stands in the page: no script, no request.

A chart is a `Panel`: rows of a few marks (rules, boxes, lines, dots, words) whose places are told in shares of its width and in
units of its height. Vega draws all panels of a kind at once, and the drawing is taken apart. This is for speed: a report of a
month has 10,000 charts, and Vega takes 30 ms for one alone with axes, 2 ms for one of many (most of the rest goes into
measuring texts, so that words are only placed by Vega and written here).

Colours are the pages' own CSS variables, so that charts follow the dark and the printed page. Every place is fixed (no
automatic sizes, no overlap tests), so that fonts of the machine change nothing: the same figures give the same bytes. Words of
the page's language are slots, filled in per language, so that a chart is drawn once for all languages.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from qc.report.safe import short, visible

Row = dict[str, Any]

_INK, _MUTED, _LINE, _ACCENT, _SOFT = (f"var(--{n})" for n in ("ink", "muted", "line", "accent", "accent-soft"))
_SLOT = re.compile("\u27e6([a-z_]+[0-9]*)\u27e7")
_WIDTH = 640


@dataclass(frozen=True)
class Kind:
    """What charts that are drawn together share, in SVG units: the width, the margins, and how high one unit of `y` is."""

    width: int
    unit: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def inner(self) -> int:
        """Width between the margins."""
        return self.width - self.left - self.right


@dataclass(frozen=True)
class Panel:
    """One chart: its rows by layer (`_LAYERS` and `words`) and how many units it is high.

    A row's `x` is a share of the inner width, its `y` units from the top.
    """

    units: float
    layers: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Drawing:
    """A chart that stands in no language yet: its view box, and what is inside as SVG."""

    box: str
    body: str

    def shown(self, label: str, words: Mapping[str, str]) -> Markup:
        """Inline SVG, with `label` for readers who do not see it and `words` put into its slots."""
        body = _SLOT.sub(lambda m: escape(name_of(words.get(m.group(1), ""), 60)), self.body)
        head = Markup('<svg class="chart" viewBox="{}" role="img" aria-label="{}">').format(self.box, label)
        return head + Markup(body + "</svg>")  # every text in it was escaped by `_text` or above


def slot(name: str) -> str:
    """A place for a word of the page's language: filled in by `Drawing.shown`."""
    return f"\u27e6{name}\u27e7"


def name_of(text: str, most: int = 26) -> str:
    """A stranger's name as a label: visible, short, and no slot."""
    return short(visible(text), most).replace("\u27e6", "[").replace("\u27e7", "]")


# -- drawing

_SCHEMA = "https://vega.github.io/schema/vega/v5.json"
_LAYERS: dict[str, tuple[str, tuple[str, ...], Row]] = {
    "rules": ("rule", ("x", "x2", "y", "y2", "stroke"), {}),
    "wide": ("rule", ("x", "x2", "y", "y2"), {"stroke": {"value": _SOFT}, "strokeWidth": {"value": 9}}),
    "boxes": ("rect", ("x", "x2", "y", "y2", "fill", "fillOpacity", "stroke", "strokeDash"), {}),
    "lines": ("rule", ("x", "x2", "y", "y2"), {"stroke": {"value": _ACCENT}, "strokeWidth": {"value": 1.8}}),
    "dots": ("symbol", ("x", "y"), {"fill": {"value": _ACCENT}, "size": {"value": 30}}),
    "words": ("symbol", ("x", "y"), {"size": {"value": 1}}),
}
"""Layers of a panel, the lowest first: Vega's mark, the channels that rows give, what all rows have."""


def draw(kind: Kind, panels: Sequence[Panel]) -> list[Drawing]:
    """Draw charts of one kind, all at once."""
    data, marks, layers = [], [], []
    for name, (mark, channels, fixed) in _LAYERS.items():
        rows = [row for panel in panels for row in panel.layers.get(name, ())]
        if rows:
            layers.append(name)
            data.append({"name": name, "values": [{c: row[c] for c in channels if c in row} for row in rows]})
            given = {c: {"scale": c[0], "field": c} if c in ("x", "x2", "y", "y2") else {"field": c} for c in channels}
            marks.append({"type": mark, "from": {"data": name}, "encode": {"enter": {**given, **fixed}}})
    bodies = _taken_apart(_svg(kind, data, marks), panels, layers) if marks else [""] * len(panels)
    place = f'<g fill="none" transform="translate({kind.left},{kind.top})">'
    boxes = [f"0 0 {kind.width} {round(kind.top + panel.units * kind.unit + kind.bottom)}" for panel in panels]
    return [Drawing(box, f"{place}{body}</g>") for box, body in zip(boxes, bodies, strict=True)]


def _svg(kind: Kind, data: Sequence[Row], marks: Sequence[Row]) -> str:
    import vl_convert

    spec = {
        "$schema": _SCHEMA,
        "width": kind.inner,
        "height": kind.unit,
        "padding": 0,
        "autosize": "none",
        "data": data,
        "scales": [
            {"name": "x", "type": "linear", "domain": [0, 1], "range": [0, kind.inner]},
            {"name": "y", "type": "linear", "domain": [0, 1], "range": [0, kind.unit]},
        ],
        "marks": marks,
    }
    return vl_convert.vega_to_svg(json.dumps(spec), allowed_base_urls=[])


_NS = "{http://www.w3.org/2000/svg}"
_KEPT = frozenset("d transform x x2 y y2 fill fill-opacity stroke stroke-width stroke-dasharray".split())
_OWN = frozenset("d transform x x2 y y2".split())
_USUAL = frozenset({("stroke-width", "1"), ("fill-opacity", "1"), ("x", "0"), ("y", "0"), ("x2", "0"), ("y2", "0")})
_LONG = re.compile(r"\d+\.\d{2,}(?:e-?\d+)?")


def _taken_apart(svg: str, panels: Sequence[Panel], layers: Sequence[str]) -> list[str]:
    """Each panel's part of a drawing: of every layer's mark as many items as it has rows."""
    drawn = [g for g in ElementTree.fromstring(svg).iter(f"{_NS}g") if "role-mark" in g.attrib.get("class", "")]
    bodies: list[list[str]] = [[] for _ in panels]
    for name, layer in zip(layers, drawn, strict=True):
        items = iter(layer)
        for body, panel in zip(bodies, panels, strict=True):
            rows = panel.layers.get(name, ())
            own = [
                {k: v for k, v in item.attrib.items() if k in _KEPT and (k, v) not in _USUAL}
                for item in itertools.islice(items, len(rows))
            ]
            if len(own) != len(rows):
                raise AssertionError(f"{len(rows)} {name} were to be drawn, {len(own)} were")
            if name == "words":
                body += [_text(row, at["transform"]) for row, at in zip(rows, own, strict=True)]
            elif own:
                body.append(_layer(layer[0].tag.removeprefix(_NS), own))
        if next(items, None) is not None:
            raise AssertionError(f"more {name} were drawn than there were rows")
    return ["".join(body) for body in bodies]


def _layer(tag: str, items: Sequence[Mapping[str, str]]) -> str:
    """Items of one mark; what is the same for all of them is said once."""
    shared = {k: v for k, v in items[0].items() if k not in _OWN and all(item.get(k) == v for item in items)}
    inside = "".join(f"<{tag}{_attributes({k: v for k, v in item.items() if k not in shared})}/>" for item in items)
    return f"<g{_attributes(shared)}>{inside}</g>"


def _attributes(given: Mapping[str, str]) -> str:
    return "".join(f' {k}="{escape(_LONG.sub(_rounded, v))}"' for k, v in given.items())


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match.group()):.1f}".removesuffix(".0")


_ANCHORS = {"center": "middle", "right": "end"}


def _text(row: Row, place: str) -> str:
    """A word at its place, its middle on the line."""
    turned = f" rotate({row['angle']})" if "angle" in row else ""
    given = {
        "transform": f"{place}{turned}",
        "dx": str(row.get("dx", "")),
        "dy": ".35em",
        "text-anchor": _ANCHORS.get(row["align"], ""),
        "fill": row["fill"],
        "font-size": str(row.get("size", 12)),
        "font-weight": str(row.get("weight", "")),
    }
    return f"<text{_attributes({k: v for k, v in given.items() if v})}>{escape(row['text'])}</text>"


# -- pieces of charts


def _word(text: str, x: float, y: float, *, fill: str = _INK, align: str = "left", **more: Any) -> Row:
    return {"text": text, "x": x, "y": y, "fill": fill, "align": align, **more}


def _label(text: str, x: float, y: float, **more: Any) -> Row:
    """A word of an axis."""
    return _word(text, x, y, fill=_MUTED, **{"align": "center", **more})


def _upright(x: float, height: float) -> Row:
    return {"x": x, "x2": x, "y": 0, "y2": height, "stroke": _LINE}


def _level(y: float) -> Row:
    return {"x": 0, "x2": 1, "y": y, "y2": y, "stroke": _LINE}


def _joined(places: Sequence[Row]) -> list[Row]:
    """A line through these places, stretch by stretch."""
    return [{**a, "x2": b["x"], "y2": b["y"]} for a, b in itertools.pairwise(places)]


def round_places(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` numbers from low to high that are 1, 2 or 5 times a power of ten apart."""
    power = 10.0 ** math.floor(math.log10(max(high - low, 1e-9) / most))
    step = next(s * power for s in (1, 2, 5, 10, 20) if (high - low) / (s * power) <= most - 1)
    return [round(i * step, 9) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


# -- the charts

DISTRIBUTION = Kind(_WIDTH, 180, 56, 12, 10, 42)


def distribution(counts: Sequence[int], base: float, mean: tuple[float, float] | None) -> Panel:
    """How many calls have which score: `counts` of equal bins from 0 to `base`, and where the mean lies."""
    n = len(counts)
    ticks = round_places(0, max([*counts, 1]) * 1.05, 5)
    top = max(max(counts, default=0), ticks[-1], 1)
    gap = 0.04 / n
    boxes = [
        {"x": i / n + gap, "x2": (i + 1) / n - gap, "y": 1 - count / top, "y2": 1, "fill": _ACCENT}
        for i, count in enumerate(counts)
    ]
    if mean is not None:
        low, high = mean[0] / base, max(mean[1], mean[0] + base / 400) / base
        boxes.append({"x": low, "x2": high, "y": 0, "y2": 1, "fill": _INK, "fillOpacity": 0.55})
    below = round_places(0, base, 12)
    words = [_label(_figure(tick), 0, 1 - tick / top, dx=-6, align="right") for tick in ticks if tick == round(tick)]
    words += [_label(_figure(tick), tick / base, 1 + 16 / 180) for tick in below]
    words.append(_label(slot("score"), 0.5, 1 + 34 / 180))
    return Panel(1, {"rules": [_level(1 - tick / top) for tick in ticks], "boxes": boxes, "words": words})


INTERVALS = Kind(_WIDTH, 26, 190, 16, 6, 42)


def intervals(rows: Sequence[Mapping[str, Any]], domain: tuple[float, float], axis: str) -> Panel:
    """A line a row: a mark (or the stretch from `worst` to `best`) and its 95 % interval. Rows: name, worst, best, low, high.

    `name` may be a slot. `axis`: slot of what is measured.
    """
    ticks = round_places(*domain)
    low, high = min(domain[0], ticks[0]), max(domain[1], ticks[-1])
    n = len(rows)

    def at(value: float) -> float:
        return (value - low) / max(high - low, 1e-9)

    wide = [
        {"x": at(r["low"]), "x2": at(r["high"]), "y": i + 0.5, "y2": i + 0.5} for i, r in enumerate(rows) if r["low"] is not None
    ]
    boxes = [
        {"x": at(r["worst"]), "x2": max(at(r["best"]), at(r["worst"]) + 1 / 160), "y": i + 0.27, "y2": i + 0.73, "fill": _ACCENT}
        for i, r in enumerate(rows)
    ]
    words = [_word(r["name"], 0, i + 0.5, dx=-8, align="right") for i, r in enumerate(rows)]
    words += [_label(_figure(tick), at(tick), n + 16 / 26) for tick in ticks]
    words.append(_label(slot(axis), 0.5, n + 34 / 26))
    return Panel(n, {"rules": [_upright(at(tick), n) for tick in ticks], "wide": wide, "boxes": boxes, "words": words})


def heat(columns: Sequence[str], rows: Sequence[str], cells: Sequence[tuple[int, int, float | None]]) -> tuple[Kind, Panel]:
    """Rules down, agents (or providers) across: how often, per 100 calls. Cells: (row, column, rate or None where unknown).

    Names may be slots.
    """
    most = max([c[2] for c in cells if c[2] is not None] + [1.0])
    names = [n if _SLOT.fullmatch(n) else short(n, 18) for n in columns]
    width = max(22, min(56, 620 // max(len(columns), 1)))
    n, tall = len(columns), len(rows)
    top = 24 + int(7.5 * max((_wide(name) for name in names), default=4) * 0.65)
    boxes, words = [], []
    for r, c, value in cells:
        box = {"x": (c + 0.03) / n, "x2": (c + 0.97) / n, "y": r + 0.05, "y2": r + 0.95}
        boxes.append({**box, "fill": "none", "stroke": _LINE})
        if value is None:
            continue
        # never so dark that the figure in it could not be read, by day or by night
        boxes.append({**box, "fill": _ACCENT, "fillOpacity": 0.04 + 0.46 * math.sqrt(value / most)})
        text = f"{value:.0f}" if value >= 9.5 or value == 0 else f"{value:.1f}"
        words.append(_word(text, (c + 0.5) / n, r + 0.5, align="center", size=11))
    words += [_word(name, 0, i + 0.5, dx=-8, align="right") for i, name in enumerate(rows)]
    words += [_label(name, (i + 0.5) / n, -8 / 26, align="left", angle=-40) for i, name in enumerate(names)]
    return Kind(190 + width * n + 90, 26, 190, 90, top, 6), Panel(tall, {"boxes": boxes, "words": words})


def _wide(text: str) -> int:
    """Columns that a text takes: two for a Chinese character."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


PARETO = Kind(_WIDTH, 26, 190, 24, 6, 42)


def pareto(rows: Sequence[tuple[str, float]], total: float) -> Panel:
    """Points lost by rule, the most first, and their running share of all points lost. Rows: (slot of its name, points lost)."""
    most, running = max([lost for _, lost in rows] + [1.0]), 0.0
    n = len(rows)
    boxes, share, words = [], [], []
    for i, (name, lost) in enumerate(rows):
        running += lost
        boxes.append({"x": 0, "x2": lost / most, "y": i + 0.08, "y2": i + 0.92, "fill": _SOFT})
        share.append({"x": running / total if total else 0.0, "y": i + 0.5})
        words += [_word(name, 0, i + 0.5, dx=-8, align="right"), _word(f"{lost:,.0f}", 0, i + 0.5, dx=6)]
    ticks = [tick / 100 for tick in range(0, 101, 20)]
    words += [_label(f"{tick:.0%}", tick, n + 16 / 26) for tick in ticks]
    words.append(_label(slot("pareto_axis"), 0.5, n + 34 / 26))
    return Panel(
        n, {"rules": [_upright(t, n) for t in ticks], "boxes": boxes, "lines": _joined(share), "dots": share, "words": words}
    )


TREND = Kind(_WIDTH, 180, 60, 12, 10, 30)


def trend(rows: Sequence[Mapping[str, Any]], base: float) -> Panel:
    """Mean score by day (or week), from worst to best, with its 95 % interval. Rows: period, worst, best, low, high."""
    lows = [r["low"] if r["low"] is not None else r["worst"] for r in rows]
    highs = [r["high"] if r["high"] is not None else r["best"] for r in rows]
    pad = max((max(highs) - min(lows)) * 0.15, 0.5)
    bottom, top = max(min(lows) - pad, 0), min(max(highs) + pad, base)

    def up(value: float) -> float:
        return (top - value) / max(top - bottom, 1e-9)

    across = [(i + 0.5) / len(rows) for i in range(len(rows))]
    middle = [{"x": x, "y": up((r["worst"] + r["best"]) / 2)} for x, r in zip(across, rows, strict=True)]
    half = min(0.3 / len(rows), 0.02)

    def box(x: float, low: float, high: float, **how: Any) -> Row:
        return {"x": x - half, "x2": x + half, "y": up(high), "y2": up(low), **how}

    boxes = [box(x, low, high, fill=_SOFT) for x, low, high in zip(across, lows, highs, strict=True)]
    boxes += [
        box(x, r["worst"], r["best"], fill=_ACCENT, fillOpacity=0.4)
        for x, r in zip(across, rows, strict=True)
        if r["best"] > r["worst"]
    ]
    every = max(1, -(-len(rows) // 9))
    words = [_label(r["period"][5:], x, 1 + 18 / 180) for x, r in list(zip(across, rows, strict=True))[::every]]
    ticks = round_places(bottom, top)
    words += [_label(_figure(tick), 0, up(tick), dx=-6, align="right") for tick in ticks]
    words.append(_label(slot("score"), -46 / TREND.inner, 0.5, angle=-90))
    return Panel(
        1, {"rules": [_level(up(t)) for t in ticks], "boxes": boxes, "lines": _joined(middle), "dots": middle, "words": words}
    )


TIMELINE = Kind(1080, 30, 124, 20, 4, 26)
"""The page's script needs the width and both sides to know which second was clicked."""


def timeline(line: Any) -> Panel:
    """One call from its first second to its last: who spoke when, what was not heard, silence, overlap, and the findings.

    `line`: `qc.report.timeline.Timeline`.
    """
    lanes = [*line.lanes, "gaps", "marks"]
    place = {name: i for i, name in enumerate(lanes)}
    duration = max(line.duration_ms, 1)

    def boxes(name: str, stretches: Any, least: int = 500, **how: Any) -> list[Row]:
        at = {"y": place[name] + 0.15, "y2": place[name] + 0.85, **how}
        return [{"x": a / duration, "x2": max(b / duration, a / duration + 1 / least), **at} for a, b in stretches]

    dashed: Row = {"stroke": _MUTED, "strokeDash": [3, 2]}
    drawn = [b for lane in line.lanes for b in boxes(lane, line.heard[lane], fill=_ACCENT)]
    drawn += [b for lane in line.lanes for b in boxes(lane, line.unheard[lane], fill="var(--card)", **dashed)]
    drawn += boxes("gaps", line.silences, fill=_LINE) + boxes("gaps", line.overlaps, fill=_INK)
    words = [_label(slot(n), 0, place[n] + 0.5, dx=-10, align="right") for n in lanes]
    middle = place["marks"] + 0.5
    looks: dict[bool, Row] = {True: {"fill": "var(--mark)", "stroke": _INK}, False: {"fill": "none", **dashed}}
    for hit, look in looks.items():
        found = sorted((m for m in line.marks if m.hit is hit), key=lambda m: (m.start_ms - m.end_ms, m.start_ms))
        drawn += boxes("marks", [(m.start_ms, m.end_ms) for m in found], 250, **look)  # the short ones on top
        colour = "var(--mark-ink)" if hit else _MUTED
        words += [_word(str(m.number), m.start_ms / duration, middle, dx=4, fill=colour, size=11, weight=600) for m in found]
    ticks = _ticks(duration)
    words += [_label(f"{ms // 60_000}:{ms // 1_000 % 60:02d}", ms / duration, len(lanes) + 0.5) for ms in ticks]
    grid = [_upright(ms / duration, len(lanes)) for ms in ticks] + [_level(i + 0.5) for i in range(len(lanes))]
    return Panel(len(lanes), {"rules": grid, "boxes": drawn, "words": words})


def _ticks(duration_ms: int) -> list[int]:
    """Round places on a clock, at most twelve."""
    for step in (5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400):
        if duration_ms / (step * 1000) <= 12:
            return list(range(0, duration_ms + 1, step * 1000))
    return [0, duration_ms]
