"""What the demo looks like: meters while it runs, one table at its end, and both as a picture."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from signaling.cli.demo.figures import (
    LEAST_DELIVERED_PCT,
    TARGET_DELAY_MS,
    TARGET_JOIN_MS,
    Figures,
)
from signaling.cli.demo.script import END_S
from signaling.cli.demo.story import Story
from signaling.cli.meters import meter

__all__ = ["Picture", "live_view", "own_fonts", "result_table"]

_WIDTH = 78


def live_view(story: Story) -> RenderableType:
    """Everybody with two meters: what they say, what they hear."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for title in ("", "", "says", "hears"):
        table.add_column(title, no_wrap=True)
    for person in sorted(story.people, key=lambda person: person.name):
        on_stage = person.space.seat is not None
        says = meter(person.levels.of("mouth"), 22) if on_stage else Text("")
        role = "host" if person.role == "host" else "speaker" if on_stage else "listener"
        table.add_row(Text(person.name, "bold"), Text(role, "dim"), says, meter(person.levels.of("ear"), 22))
    bar = ProgressBar(total=END_S, completed=min(story.seconds, END_S), width=_WIDTH - 4)
    return Panel(
        Group(table, Text(), bar),
        title="a Space over QUIC on this machine",
        subtitle=f"{story.seconds:4.1f} s  {story.phase}",
        width=_WIDTH,
    )


def result_table(figures: Figures) -> Table:
    """The figures, what each should be, and whether it is."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for title in ("", "", "measured", "should be"):
        table.add_column(title, no_wrap=True, justify="right" if title == "measured" else "left")
    p50, joined = figures.mouth_to_ear_ms_p50, figures.join_ms_p50
    rows: list[tuple[bool | None, str, str, str]] = [
        (None, "frames sent", f"{figures.frames_sent}", ""),
        (
            figures.delivered_pct >= LEAST_DELIVERED_PCT,
            "frames arrived",
            f"{figures.frames_arrived} ({figures.delivered_pct:.2f} %)",
            f"≥ {LEAST_DELIVERED_PCT:g} %",
        ),
        (None, "frames concealed", f"{figures.concealed_pct:.2f} %", ""),
        (
            p50 is not None and p50 <= TARGET_DELAY_MS,
            "mouth to ear, p50",
            _ms(p50),
            f"≤ {TARGET_DELAY_MS:g} ms",
        ),
        (None, "mouth to ear, p99", _ms(figures.mouth_to_ear_ms_p99), ""),
        (None, "server CPU per listener-second", _ms(figures.server_cpu_ms_per_listener_s), ""),
        (
            joined is not None and joined <= TARGET_JOIN_MS,
            "join to first sound, p50",
            _ms(joined),
            f"≤ {TARGET_JOIN_MS:g} ms",
        ),
        (figures.heard_both, "each listener heard both speakers", _yes(figures.heard_both), "yes"),
        (figures.heard_other, "each speaker heard the other", _yes(figures.heard_other), "yes"),
        (not figures.heard_self, "a speaker heard themselves", _yes(figures.heard_self), "no"),
        (figures.everyone_told, "all were told of the end", _yes(figures.everyone_told), "yes"),
    ]
    for passed, name, value, wanted in rows:
        mark = Text("✓", "green") if passed else Text("·", "dim") if passed is None else Text("✗", "red")
        table.add_row(mark, name, Text(value, "bold"), Text(wanted, "dim"))
    return table


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} ms"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


class Picture:
    """An SVG of the live view at one moment and of the table at the end: docs/demo.svg is one of a real run.

    Made by  spaces demo --picture docs/demo.svg
    """

    def __init__(self) -> None:
        self._console = Console(
            record=True, width=_WIDTH + 2, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        self._console.print(Text("$ spaces demo", "bold"))

    def take(self, view: RenderableType) -> None:
        """Add this, as it is now."""
        self._console.print(view)
        self._console.print()

    def save(self, path: Path) -> None:
        """Write it."""
        path.write_text(own_fonts(self._console.export_svg(title="spaces demo")), encoding="utf-8")


def own_fonts(svg: str) -> str:
    """A picture that fetches no font from anywhere: the reader's own monospace is used."""
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "monospace")
