"""Lines and points as SVG, drawn as bench.plot draws: on light and on dark ground, by classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from bench.plot import DARK, LIGHT, SERIES, colours

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 130, 40, 44
_STEPS: Final = 5
_LABEL_PX: Final = 16
_ROOM: Final = 1.08


@dataclass(frozen=True)
class Line:
    """A name and (x, y) in order of x; of one point it is a dot."""

    name: str
    points: tuple[tuple[float, float], ...]


def style() -> str:
    """The colours of bench.plot, once for a whole page."""
    shapes = (
        "svg text { font: 12px system-ui, sans-serif; } svg .title { font-weight: 600; font-size: 14px; }"
    )
    lines = ".line { fill: none; stroke-width: 2; }"
    return f"{shapes} {lines}\n{colours(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n{colours(DARK)}\n}}"


def picture(title: str, across: str, lines: Sequence[Line]) -> str:
    """One plot; both axes begin at 0."""
    right = max((x for line in lines for x, _ in line.points), default=1) * _ROOM or 1
    top = max((y for line in lines for _, y in line.points), default=1) * _ROOM or 1
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    places = [
        [(_LEFT + x / right * wide, _HEIGHT - _BOTTOM - y / top * high) for x, y in line.points]
        for line in lines
    ]
    parts = [f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>']
    below = _HEIGHT - _BOTTOM + 16
    for step in range(_STEPS + 1):
        x, y = _LEFT + wide * step / _STEPS, _HEIGHT - _BOTTOM - high * step / _STEPS
        parts += [
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * step / _STEPS:.3g}</text>',
            f'<text x="{x:.1f}" y="{below}" text-anchor="middle">{right * step / _STEPS:.3g}</text>',
        ]
    parts.append(
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
    )
    parts += [drawn(points, number) for number, points in enumerate(places)]
    parts += labels([line.name for line in lines], places)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" class="ground"/>{"".join(parts)}</svg>'
    )


def drawn(points: Sequence[tuple[float, float]], number: int) -> str:
    colour = SERIES[number % len(SERIES)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points)
    return f'<polyline class="line {colour}" points="{path}"/>{dots}'


def labels(names: Sequence[str], places: Sequence[Sequence[tuple[float, float]]]) -> list[str]:
    """A name beside the end of each line, pushed apart where they would lie on each other."""
    found = []
    free = float(_TOP)
    ends = [
        (points[-1], name, number)
        for number, (points, name) in enumerate(zip(places, names, strict=True))
        if points
    ]
    for (x, end_y), name, number in sorted(ends, key=lambda end: end[0][1]):
        y = max(end_y + 4, free)
        free = y + _LABEL_PX
        found.append(
            f'<text class="{SERIES[number % len(SERIES)]}" x="{x + 8:.1f}" y="{y:.1f}">{escape(name)}</text>'
        )
    return found
