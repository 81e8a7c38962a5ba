"""Numbers as text and charts as geometry: pure functions from blocks to what the templates draw.

A chart is drawn in a square of 100 by 100 (y downwards) that the page stretches, while its labels are ordinary text beside it:
so it stays sharp and readable from a phone to paper. No drawing library and no script.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from burnish.viewer.blocks import Bars, Cell, Changes, Curves, Estimate, Point, Series, Style

DASH = "—"
"""Shown for what was not measured."""

MANY_POINTS = 40
"""Above this many points in a line, the points themselves are drawn only under the pointer."""


MANY_CHANGES = 60
"""Above this many items that changed, only those with the largest and the smallest gains are drawn."""


class Tick(NamedTuple):
    """A label at a position in percent of the axis."""

    at: float
    label: str


class Dot(NamedTuple):
    """A point of a line, with the text shown for it."""

    x: float
    y: float
    title: str


class Line(NamedTuple):
    """One line: SVG path data of the line and of its interval band, and its points."""

    name: str
    path: str
    band: str
    dots: tuple[Dot, ...]
    crowded: bool


class Plot(NamedTuple):
    """A line chart ready to draw."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


class BarLine(NamedTuple):
    """One bar: from `start` over `width` percent, whisker from `low` over `spread` percent (None without an interval)."""

    label: str
    text: str
    start: float
    width: float
    low: float | None
    spread: float
    negative: bool


class BarPlot(NamedTuple):
    """A bar chart ready to draw. `zero` is where the bars begin."""

    ticks: tuple[Tick, ...]
    zero: float
    bars: tuple[BarLine, ...]


class ChangePlot(NamedTuple):
    """The items that changed, largest gain first, and counts in words."""

    changed: tuple[tuple[str, float, float, str], ...]
    summary: str


def write_number(value: float, style: Style = "number") -> str:
    """A number in the given style; a dash if it is not finite."""
    if not math.isfinite(value):
        return DASH
    if style == "percent":
        return f"{100 * value:.1f}%"
    if style == "points":
        return f"{100 * value:+.1f} points".replace("-", "−")
    return (f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def write_interval(value: Estimate | Point) -> str:
    """The interval in brackets without its unit, or nothing."""
    if value.low is None or value.high is None or not math.isfinite(value.low + value.high):
        return ""
    style = value.style if isinstance(value, Estimate) else "number"
    low, high = (write_number(end, style).removesuffix("%").removesuffix(" points") for end in (value.low, value.high))
    return f"{low} to {high}"


def write_cell(cell: Cell) -> str:
    """A table cell or tile as text, without its interval."""
    if cell is None:
        return DASH
    if isinstance(cell, Estimate):
        return write_number(cell.value, cell.style)
    return cell if isinstance(cell, str) else write_number(cell)


def plot(curves: Curves) -> Plot:
    """Geometry of a line chart. Points that are not finite break their line."""
    points = [point for line in curves.series for point in line.points if math.isfinite(point.y)]
    x_ticks = nice_ticks([point.x for point in points], whole=all(float(point.x).is_integer() for point in points))
    y_ticks = nice_ticks([*_extents(points), *([0.0] if curves.from_zero else [])])
    x_range = min(point.x for point in points) if points else 0.0, max(point.x for point in points) if points else 1.0
    x, y = _Axis(*x_range), _Axis(y_ticks[0], y_ticks[-1])
    return Plot(
        tuple(Tick(x(at), _tick_text(at, x_ticks, "number")) for at in x_ticks if x_range[0] <= at <= x_range[1]),
        tuple(Tick(100 - y(at), _tick_text(at, y_ticks, curves.style)) for at in y_ticks),
        tuple(_line(line, x, y, curves) for line in curves.series),
    )


def bar_plot(block: Bars) -> BarPlot:
    """Geometry of a bar chart; its axis always holds zero."""
    finite = [bar for bar in block.bars if math.isfinite(bar.value)]
    ticks = nice_ticks([0.0, *(end for bar in finite for end in (bar.value, bar.low, bar.high) if end is not None)])
    axis = _Axis(ticks[0], ticks[-1])
    zero, bars = axis(0.0), []
    for bar in block.bars:
        at = axis(bar.value) if math.isfinite(bar.value) else zero
        low, high = (None, None) if bar.low is None or bar.high is None else (axis(bar.low), axis(bar.high))
        spread = 0.0 if low is None or high is None else high - low
        estimate = Estimate(value=bar.value, low=bar.low, high=bar.high, style=block.style)
        text = " · ".join(part for part in (write_cell(estimate), write_interval(estimate)) if part)
        bars.append(BarLine(bar.label, text, min(at, zero), abs(at - zero), low, spread, at < zero))
    return BarPlot(tuple(Tick(axis(at), _tick_text(at, ticks, block.style)) for at in ticks), zero, tuple(bars))


def change_plot(block: Changes) -> ChangePlot:
    """The changed items sorted by gain, and how many rose, fell and stayed."""
    moved = sorted((c for c in block.changes if c.before != c.after), key=lambda c: (c.before - c.after, c.label))
    rose = sum(change.after > change.before for change in moved)
    still = [change.after for change in block.changes if change.before == change.after]
    ends = [f"{count} at {name}" for name, count in (("0%", still.count(0.0)), ("100%", still.count(1.0))) if count]
    stayed = f"{len(still)} did not change" + (f" ({', '.join(ends)})" if ends else "")
    summary = f"Of {len(block.changes)}, {rose} rose, {len(moved) - rose} fell, {stayed}."
    if len(moved) > MANY_CHANGES:
        half = MANY_CHANGES // 2
        moved, summary = moved[:half] + moved[-half:], f"{summary} Drawn: the {half} largest and the {half} smallest gains."
    return ChangePlot(tuple((c.label, 100 * c.before, 100 * c.after, write_number(c.after - c.before, "points")) for c in moved), summary)


def nice_ticks(values: Iterable[float], *, count: int = 5, whole: bool = False) -> list[float]:
    """Round numbers, about `count` of them, that enclose all values. Without values, 0 and 1."""
    values = list(values) or [0.0, 1.0]
    low, high = min(values), max(values)
    if low == high:
        low, high = (min(low, 0.0), max(high, 0.0)) if low else (0.0, 1.0)
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
    step = max(1.0, math.ceil(step)) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


class _Axis:
    """Maps values to percent of the axis."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.width = low, (high - low) or 1.0

    def __call__(self, value: float) -> float:
        return round(100 * (value - self.low) / self.width, 3)


def _extents(points: Sequence[Point]) -> list[float]:
    ends = [end for point in points for end in (point.y, point.low, point.high) if end is not None]
    return [end for end in ends if math.isfinite(end)]


def _tick_text(value: float, ticks: Sequence[float], style: Style) -> str:
    scale = 1 if style == "number" else 100
    step = scale * (ticks[1] - ticks[0]) if len(ticks) > 1 else 1.0
    decimals = min(6, max(0, -math.floor(math.log10(step)))) if step < 1 else int(not float(step).is_integer())
    text = f"{scale * value + 0.0:,.{decimals}f}".replace("-", "−")
    return f"{text}%" if style == "percent" else text


def _line(series: Series, x: _Axis, y: _Axis, curves: Curves) -> Line:
    dots = tuple(Dot(x(point.x), 100 - y(point.y), _dot_text(series, point, curves)) for point in series.points if math.isfinite(point.y))
    runs = _unbroken(series.points)
    path = " ".join("M" + " L".join(f"{x(p.x):g} {100 - y(p.y):g}" for p in run) for run in runs)
    return Line(series.name, path, " ".join(_band(run, x, y) for run in runs), dots, len(dots) > MANY_POINTS)


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    runs: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point.y):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _band(run: Sequence[Point], x: _Axis, y: _Axis) -> str:
    ends = [(point.x, point.low, point.high) for point in run if point.low is not None and point.high is not None]
    if len(ends) < 2:
        return ""
    upper = [f"{x(at):g} {100 - y(high):g}" for at, _, high in ends]
    lower = [f"{x(at):g} {100 - y(low):g}" for at, low, _ in reversed(ends)]
    return f"M{' L'.join(upper + lower)}Z"


def _dot_text(series: Series, point: Point, curves: Curves) -> str:
    estimate = Estimate(value=point.y, low=point.low, high=point.high, style=curves.style)
    interval = write_interval(estimate)
    return f"{series.name}, {curves.x_label} {point.x:g}: {write_cell(estimate)}{f' ({interval})' if interval else ''}"
