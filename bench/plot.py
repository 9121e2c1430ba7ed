"""Draws what a listener costs: `python -m bench.plot FIGURES.json --out FILE.svg`, figures of bench.capacity.

A plain SVG that is readable on light and on dark ground; its colours follow the reader's.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 820, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 210, 56, 64
LABEL_PX = 17
TICKS_PER_S = 50
# By class and not by CSS variables: some programs that draw SVG do not know these.
LIGHT = {"ground": "#ffffff", "ink": "#1c2733", "faint": "#d8dee5", "soft": "#5b6875"} | {
    "b1": "#1f5fc4",
    "b2": "#0b7f5c",
    "b3": "#9a6200",
    "aioquic": "#b3261e",
}
DARK = {"ground": "#10161d", "ink": "#e6edf3", "faint": "#2b3540", "soft": "#9aa7b4"} | {
    "b1": "#79aaff",
    "b2": "#4fd1a5",
    "b3": "#f0b84a",
    "aioquic": "#ff8a80",
}
SERIES = ("b1", "b2", "b3", "aioquic")


def style() -> str:
    """Shapes once, colours twice."""
    return (
        "text { font: 13px system-ui, sans-serif; } .soft { font-size: 12px; } "
        ".title { font-size: 16px; font-weight: 600; } .line { fill: none; stroke-width: 2.5; "
        "stroke-linejoin: round; } .ceiling { stroke-width: 1.5; stroke-dasharray: 3 4; }\n"
        f"{colours(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n{colours(DARK)}\n}}"
    )


def colours(of: dict[str, str]) -> str:
    rules = [
        f".ground {{ fill: {of['ground']}; }} text {{ fill: {of['ink']}; }}",
        f"text.soft {{ fill: {of['soft']}; }} .grid {{ stroke: {of['faint']}; }}",
    ]
    rules += [
        f".line.{name} {{ stroke: {of[name]}; }} circle.{name}, text.{name} {{ fill: {of[name]}; }}"
        for name in SERIES
    ]
    return "\n".join(rules)


@dataclass(frozen=True)
class Series:
    """One line: its name, its colour, and (listeners, CPU ms per listener-second) in order."""

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    is_ceiling: bool = False


def series_of(figures: dict[str, Any]) -> list[Series]:
    """The lines that the figures hold, dearest first. Of several ACK policies the laziest is drawn."""
    found = []
    rows: list[dict[str, Any]] = figures["rows"]
    lazy = max((row["ack_every"] for row in rows), default=0)
    for bundle in sorted({row["bundle"] for row in rows if row["plane"] == "native"}):
        own = [
            row
            for row in rows
            if row["plane"] == "native" and row["bundle"] == bundle and row["ack_every"] == lazy
        ]
        frames = "1 frame" if bundle == 1 else f"{bundle} frames"
        found.append(Series(f"native, {frames} a packet", f"b{bundle}", cost_of(own)))
        found.append(Series(f"bare sendmmsg, {frames}", f"b{bundle}", ceiling_of(own), is_ceiling=True))
    found.append(
        Series("plain aioquic", "aioquic", cost_of([row for row in rows if row["plane"] == "aioquic"]))
    )
    return sorted((each for each in found if each.points), key=lambda each: -each.points[-1][1])


def cost_of(rows: Sequence[dict[str, Any]]) -> tuple[tuple[float, float], ...]:
    """What the server spent."""
    return tuple(sorted({row["listeners"]: row["server_cpu_ms_per_listener_s"] for row in rows}.items()))


def ceiling_of(rows: Sequence[dict[str, Any]]) -> tuple[tuple[float, float], ...]:
    """What sending packets of that size costs without a server."""
    return tuple(
        sorted(
            {
                row["listeners"]: row["raw_us_per_packet"] * TICKS_PER_S / row["bundle"] / 1000
                for row in rows
                if row["raw_us_per_packet"]
            }.items()
        )
    )


def svg(figures: dict[str, Any]) -> str:
    """The whole picture. ValueError if there is nothing to draw."""
    lines = series_of(figures)
    if not lines:
        raise ValueError("the figures hold no row; run  python -m bench.capacity --json")
    most = max(x for line in lines for x, _ in line.points)
    costs = [y for line in lines for _, y in line.points]
    scale = Scale(nice_above(most), nice_below(min(costs)), max(costs) * 1.3)
    known = figures.get("conditions", {})
    under = f"{known.get('cpu', '')}, one core; {known.get('system', '')}; commit {known.get('commit', '')}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="CPU of the server for each listener">',
            f"<style>{style()}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" class="ground"/>',
            f'<text class="title" x="{LEFT}" y="28">CPU of the server for each listener, ms per second '
            "(log scale)</text>",
            *grid(scale),
            *(drawn(line, scale) for line in lines),
            *labels(lines, scale),
            f'<text class="soft" x="{LEFT}" y="{HEIGHT - 12}">{escape(under)}</text>',
            "</svg>",
            "",
        ]
    )


@dataclass(frozen=True)
class Scale:
    """From figures to places: linear across from 0, logarithmic upwards."""

    right: float
    low: float
    high: float

    def x(self, listeners: float) -> float:
        return LEFT + listeners / self.right * (WIDTH - LEFT - RIGHT)

    def y(self, cost: float) -> float:
        share = math.log(cost / self.low) / math.log(self.high / self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def nice_above(most: float) -> float:
    """The next of 1, 2, 3, 5 × a power of ten."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 3, 5, 10) if step * power >= most)


def nice_below(least: float) -> float:
    """The last of 1, 2, 5 × a power of ten that leaves a little room."""
    power = 10.0 ** math.floor(math.log10(least / 1.05))
    return max(step * power for step in (1, 2, 5) if step * power <= least / 1.05)


def grid(scale: Scale) -> list[str]:
    found = []
    for step in range(6):
        listeners = scale.right * step / 5
        x = scale.x(listeners)
        found.append(
            f'<text class="soft" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{listeners:g}</text>"
        )
    found.append(
        f'<text class="soft" x="{scale.x(scale.right / 2):.1f}" y="{HEIGHT - BOTTOM + 36}" '
        'text-anchor="middle">listeners</text>'
    )
    decade = 10.0 ** math.floor(math.log10(scale.low))
    while decade <= scale.high:
        for step in (1, 2, 5):
            cost = decade * step
            if scale.low <= cost <= scale.high:
                y = scale.y(cost)
                found.append(
                    f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                )
                found.append(
                    f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{cost:g}</text>'
                )
        decade *= 10
    return found


def drawn(line: Series, scale: Scale) -> str:
    places = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    kind = "line ceiling" if line.is_ceiling else "line"
    dots = [f'<circle class="{line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places]
    found = f'<polyline class="{kind} {line.colour}" points="{path}"/>'
    return found if line.is_ceiling else found + "".join(dots)


def labels(lines: Sequence[Series], scale: Scale) -> list[str]:
    """A name at the right end of each line, pushed apart where they would lie on each other."""
    found = []
    free = float(TOP)
    for line in lines:
        x, cost = line.points[-1]
        y = max(scale.y(cost) + 4, free)
        free = y + LABEL_PX
        # A line that ends early keeps its name beside its end; the others stand in one column.
        at = scale.x(x) + 10 if x < scale.right * 0.5 else WIDTH - RIGHT + 10
        found.append(f'<text class="{line.colour}" x="{at:.1f}" y="{y:.1f}">{escape(line.name)}</text>')
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.plot", description=__doc__)
    parser.add_argument("figures", type=Path, help="what  python -m bench.capacity --json  printed")
    parser.add_argument("--out", type=Path, default=Path("capacity.svg"), help="the picture (capacity.svg)")
    chosen = parser.parse_args(arguments)
    try:
        picture = svg(json.loads(chosen.figures.read_text("utf-8")))
    except (OSError, ValueError) as error:
        parser.error(f"{chosen.figures}: {error}")
    chosen.out.write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
