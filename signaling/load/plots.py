"""Plots as inline SVG, without any library: lines over time, and how often a value is exceeded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from signaling.load.figures import Histogram

__all__ = ["Band", "Series", "nice_ticks", "tail_plot", "time_plot"]

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 18, 40
_DASHES: Final = ("", "6 3", "2 3")
_TAIL_DECADES: Final = 5  # down to 0.001 %
_MOST_POINTS: Final = 1_500  # of one line: a long run is thinned to it, keeping the extremes

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: (x, y) in order of x; where y is None the line has a hole."""

    label: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Band:
    """A part of the x axis with a name: a phase."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class _Axes:
    x: Callable[[float], float]
    y: Callable[[float], float]


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from low to high in steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def time_plot(
    title: str,
    unit: str,
    series: Sequence[Series],
    *,
    bands: Sequence[Band] = (),
    least: float | None = 0.0,
    highest: float | None = None,
) -> str:
    """Lines over seconds. `least` and `highest` are the ends of the y axis, None: as the values have them."""
    values = [y for line in series for _, y in line.points if y is not None]
    seconds = [x for line in series for x, _ in line.points]
    if not values:
        return _empty(title)
    bottom = min(values) if least is None else min(least, *values)
    top = max(values) if highest is None else max(highest, bottom)
    if top <= bottom:
        top = bottom + (abs(bottom) * 0.1 or 1.0)
    elif highest is None:
        top += (top - bottom) * 0.05
    left, right = min(0.0, *seconds), max(seconds)
    axes = _axes(left, max(right, left + 1e-9), bottom, top)
    parts = [_band(axes, band, number) for number, band in enumerate(bands)]
    parts += [_grid_y(axes, tick, _number(tick)) for tick in nice_ticks(bottom, top)]
    parts += [_grid_x(axes, tick, _number(tick)) for tick in nice_ticks(left, right, 8)]
    parts += [_line(axes, line.points, number) for number, line in enumerate(series)]
    return _frame(title, unit, "seconds", parts, [line.label for line in series])


def tail_plot(title: str, unit: str, series: Sequence[tuple[str, Histogram]]) -> str:
    """How many of the values, in per cent, are longer than x ms; the y axis is logarithmic."""
    lines = [Series(label, _tail(histogram)) for label, histogram in series if histogram.counts]
    if not lines:
        return _empty(title)
    right = max(x for line in lines for x, _ in line.points)
    low = -float(_TAIL_DECADES) + 2
    axes = _axes(0.0, right * 1.02 or 1.0, low, 2.0)
    decades = range(round(low), 3)
    parts = [_grid_y(axes, exponent, f"{10.0**exponent:g} %") for exponent in decades]
    parts += [_grid_x(axes, tick, _number(tick)) for tick in nice_ticks(0.0, right, 8)]
    parts += [_line(axes, line.points, number) for number, line in enumerate(lines)]
    return _frame(title, "longer than that", unit, parts, [line.label for line in lines])


def _tail(histogram: Histogram) -> list[Point]:
    """(ms, log10 of per cent): what is longer than the lower end of each bucket, then than its upper end."""
    n = left = histogram.counts.total()
    points: list[Point] = []
    for low, count in sorted(histogram.counts.items()):
        points.append((low / 1000, math.log10(100 * left / n)))
        left -= count
        share = math.log10(100 * left / n) if left else -float(_TAIL_DECADES) + 2
        points.append(((low + histogram.width_us) / 1000, max(share, -float(_TAIL_DECADES) + 2)))
    return points


# --- parts of a picture -----------------------------------------------------------------------------------


def _axes(left: float, right: float, bottom: float, top: float) -> _Axes:
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    return _Axes(
        lambda x: _LEFT + (x - left) / (right - left) * wide,
        lambda y: _TOP + (top - min(max(y, bottom), top)) / (top - bottom) * high,
    )


def _line(axes: _Axes, points: Sequence[Point], number: int) -> str:
    runs: list[list[str]] = [[]]
    for x, y in _thinned(points):
        if y is None:
            runs.append([])
        else:
            runs[-1].append(f"{axes.x(x):.1f},{axes.y(y):.1f}")
    dash = _DASHES[number % len(_DASHES)]
    style = f' stroke-dasharray="{dash}"' if dash else ""
    parts = []
    for run in filter(None, runs):
        if len(run) > 1:
            parts.append(f'<polyline class="line c{number % 4}"{style} points="{" ".join(run)}"/>')
        else:
            left, _, down = run[0].partition(",")
            parts.append(f'<circle class="dot c{number % 4}" cx="{left}" cy="{down}" r="2.5"/>')
    return "".join(parts)


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Of every group of neighbours the lowest and the highest, so that no peak is lost."""
    if len(points) <= _MOST_POINTS:
        return points
    size = -(-2 * len(points) // _MOST_POINTS)
    kept: list[Point] = []
    for at in range(0, len(points), size):
        group = points[at : at + size]
        known = [point for point in group if point[1] is not None]
        if not known:
            kept.append(group[0])
            continue
        ends = {min(known, key=_height), max(known, key=_height)}
        kept += sorted(ends, key=lambda point: point[0])
    return kept


def _height(point: Point) -> float:
    return point[1] if point[1] is not None else 0.0


def _grid_y(axes: _Axes, value: float, text: str) -> str:
    y = axes.y(value)
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def _grid_x(axes: _Axes, value: float, text: str) -> str:
    x, bottom = axes.x(value), _HEIGHT - _BOTTOM
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        f'<text class="tick" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{escape(text)}</text>'
    )


def _band(axes: _Axes, band: Band, number: int) -> str:
    x, width = axes.x(band.start), max(0.0, axes.x(band.end) - axes.x(band.start))
    shade = "odd" if number % 2 else "even"
    return (
        f'<rect class="band {shade}" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}"/>'
        f'<text class="phase" x="{x + 4:.1f}" y="{_TOP - 4}">{escape(band.label)}</text>'
    )


def _frame(title: str, unit: str, x_unit: str, parts: Sequence[str], labels: Sequence[str]) -> str:
    legend = "".join(
        f'<span class="key"><i class="c{number % 4}"></i>{escape(label)}</span>'
        for number, label in enumerate(labels)
        if label
    )
    return (
        f'<figure><figcaption>{escape(title)} <span class="unit">{escape(unit)}</span>{legend}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}"
        f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">'
        f"{escape(x_unit)}</text>"
        "</svg></figure>"
    )


def _empty(title: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption><p>Nothing was measured.</p></figure>"


def _number(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:.3g}"
