"""Charts as SVG that takes its colours and its font from the page around it, so that it fits a light and a dark one."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.section import Chart, Series

__all__ = ["SERIES_COLOURS", "picture", "svg"]

SERIES_COLOURS = 6
PALETTE = Path(__file__).with_name("palette.css")

# matplotlib wants colours; these stand for the page's custom properties, and occur nowhere else.
_INK, _FAINT, _LIMIT = "#010101", "#020202", "#030303"
_SERIES = [f"#0404{number:02x}" for number in range(1, SERIES_COLOURS + 1)]
_PROPERTIES = {_INK: "ink", _FAINT: "faint", _LIMIT: "limit"} | {
    colour: f"series-{number}" for number, colour in enumerate(_SERIES, 1)
}

_WIDTH = 8.0  # inches, of 72 units in the SVG
_BAR = 0.21  # inches that a bar takes
_GAP = 0.13  # inches between groups
_ROOM = 0.95  # inches for legend, ticks and what the axis means
_STYLE: Mapping[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": _FAINT,
    "axes.linewidth": 0.8,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def svg(chart: Chart, name: str) -> str:
    """Draw a chart.

    Args:
        chart: what to draw; at most six series.
        name: of letters and digits, and no other chart's on the page.

    Returns:
        An `<svg>` element that loads nothing.
    """
    if len(chart.series) > SERIES_COLOURS:
        raise ValueError(f"a chart has at most {SERIES_COLOURS} series: {chart.title}")
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(layout="constrained")
        axes = figure.add_subplot()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.set_axisbelow(True)
        if chart.kind == "bars":
            _bars(figure, axes, chart)
        else:
            _lines(figure, axes, chart)
        if len(chart.series) > 1:
            axes.legend(
                loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0, handlelength=1.2
            )
        drawn = io.StringIO()
        figure.savefig(
            drawn, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    return _for_page(drawn.getvalue(), name)


def picture(chart: Chart, name: str) -> str:
    """Draw a chart as a file of its own, which has the colours of the page."""
    head, _, rest = svg(chart, name).partition(">")
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" font-family="sans-serif"'
    return f"{head} {spaces}>\n<style>{PALETTE.read_text(encoding='utf-8')}</style>{rest}\n"


def _bars(figure: Figure, axes: Axes, chart: Chart) -> None:
    groups = list(dict.fromkeys(x for series in chart.series for x, _ in series.points))
    tops, middles, height = _places(groups, chart.series)
    figure.set_size_inches(_WIDTH, height + _ROOM)
    farthest = max((y for series in chart.series for y in _reach(series)), default=1.0)
    for series, colour in zip(chart.series, _SERIES, strict=False):
        places = [tops[series.name, x] for x, _ in series.points]
        values = [y for _, y in series.points]
        axes.barh(places, values, height=_BAR * 0.86, align="edge", color=colour, label=series.name)
        for place, value, reach in zip(places, values, _reach(series), strict=True):
            axes.annotate(
                _short(value),
                (reach, place + _BAR * 0.43),
                (4, 0),
                textcoords="offset points",
                va="center_baseline",
                fontsize=8.5,
                annotation_clip=False,
            )
        for place, (low, high) in zip(places, series.spread, strict=False):
            axes.plot([low, high], [place + _BAR * 0.43] * 2, color=_INK, linewidth=1, solid_capstyle="butt")
    axes.set_yticks(middles, [str(group) for group in groups])
    axes.set_ylim(height, 0)
    if chart.log_y:
        axes.set_xscale("log")
        # Bars on a logarithmic axis have to begin somewhere: at a power of ten, in all charts.
        nearest = min((y for series in chart.series for _, y in series.points if y > 0), default=1.0)
        axes.set_xlim(10 ** math.floor(math.log10(nearest)), farthest * 1.6)
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0, farthest * 1.08)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.grid(axis="x")
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(chart.y)
    if chart.limit is not None:
        axes.axvline(chart.limit, color=_LIMIT, linewidth=1.2, linestyle=(0, (4, 3)))


def _places(
    groups: Sequence[object], series: Sequence[Series]
) -> tuple[dict[tuple[str, object], float], list[float], float]:
    """Where each bar begins, where the middle of each group is, and how high all is; in inches from the top."""
    tops, middles, at = {}, [], _GAP / 2
    for group in groups:
        bars = [one.name for one in series if any(x == group for x, _ in one.points)]
        middles.append(at + _BAR * len(bars) / 2)
        for name in bars:
            tops[name, group] = at
            at += _BAR
        at += _GAP
    return tops, middles, at


def _reach(series: Series) -> Iterator[float]:
    """How far each bar reaches to the right, with its spread."""
    for number, (_, y) in enumerate(series.points):
        yield max(y, series.spread[number][1]) if number < len(series.spread) else y


def _lines(figure: Figure, axes: Axes, chart: Chart) -> None:
    figure.set_size_inches(_WIDTH, 3.6)
    for series, colour in zip(chart.series, _SERIES, strict=False):
        xs, ys = zip(*series.points, strict=True)
        axes.plot(xs, ys, color=colour, linewidth=2, marker="o", markersize=4.5, label=series.name)
        if series.spread:
            lows, highs = zip(*series.spread, strict=True)
            axes.fill_between(xs, lows, highs, color=colour, alpha=0.18, linewidth=0)
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    known = sorted({x for series in chart.series for x, _ in series.points})
    if len(known) <= 8:
        axes.xaxis.set_major_locator(FixedLocator(known))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.grid(axis="y")
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    if chart.limit is not None:
        axes.axhline(chart.limit, color=_LIMIT, linewidth=1.2, linestyle=(0, (4, 3)))


def _short(value: float) -> str:
    """Show a number of a chart with no more digits than count."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _tick(value: float) -> str:
    """Show a number of an axis, which has as few digits as there can be."""
    return f"{value:,.10g}"


def _for_page(drawing: str, name: str) -> str:
    drawing = drawing[drawing.index("<svg") :]
    for colour, stands_for in _PROPERTIES.items():
        drawing = drawing.replace(colour, f"var(--{stands_for})")
    drawing = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", drawing)
    # The page says how wide it is, and what its font is.
    drawing = re.sub(r'^<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", drawing)
    drawing = re.sub(r"<defs>\s*<style.*?</defs>", "", drawing, flags=re.DOTALL)
    return re.sub(r" font-family: [^;]*;", "", drawing)
