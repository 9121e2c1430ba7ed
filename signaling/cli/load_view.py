"""How a load looks: a live view while it runs, and the table of figures at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.console import RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from signaling.load.page import rows_of
from signaling.load.plan import LoadPlan

__all__ = ["LiveView", "lines_of"]

_WIDTH: Final = 72
_LINE_EVERY: Final = 5  # samples, and at the first of a phase, where nobody watches a terminal
_GOOD_PCT: Final = 99.9
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_HISTORY: Final = 40


class LiveView:
    """The newest sample, drawn. Without a terminal `say` gets a line now and then."""

    def __init__(self, plan: LoadPlan) -> None:
        self.say: Callable[[RenderableType], None] | None = None
        self._plan = plan
        self._samples: list[dict[str, Any]] = []
        self._begun: dict[str, float] = {}
        self._seen = 0

    def on_sample(self, sample: dict[str, Any]) -> None:
        """Once a second."""
        self._samples = [*self._samples[-(_HISTORY - 1) :], sample]
        is_first = sample["phase"] not in self._begun
        self._begun.setdefault(sample["phase"], sample["at_s"] - 1)
        self._seen += 1
        if self.say is not None and (is_first or self._seen % _LINE_EVERY == 0):
            self.say(self.line(sample))

    def line(self, sample: dict[str, Any]) -> str:
        """One sample in words."""
        parts = [f"{sample['at_s']:5.0f} s  {sample['phase']}: {sample['listeners']} listeners"]
        if sample["failed"]:
            parts.append(f"{sample['failed']} failed")
        if sample["delivered_pct"] is not None:
            parts.append(f"{sample['delivered_pct']:.2f} % delivered")
        if sample["server_cpu_pct"] is not None:
            parts.append(f"server {sample['server_cpu_pct']:.0f} % of a core")
        parts.append(f"load {sample['load_cpu_pct']:.0f} %")
        return ", ".join(parts)

    def render(self, phase: str) -> RenderableType:
        """The live view."""
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for row in self._rows():
            table.add_row(*row)
        title = Text(f"{self._plan.server}  {phase}")
        return Panel(table, title=title, subtitle="Ctrl-C ends it and reports", width=_WIDTH)

    def _rows(self) -> Iterator[tuple[RenderableType, ...]]:
        plan = self._plan
        if not self._samples:
            yield "people", "on their way", ""
            return
        sample = self._samples[-1]
        yield (
            "listeners",
            self._people(sample),
            ProgressBar(plan.listeners or 1, sample["listeners"], width=24),
        )
        if sample["phase"] == "listening":
            done_s = min(plan.duration_s, sample["at_s"] - self._begun["listening"])
            yield (
                "time",
                f"{done_s:.0f} of {plan.duration_s:g} s",
                ProgressBar(plan.duration_s, done_s, width=24),
            )
        delivered = sample["delivered_pct"]
        if delivered is not None:
            style = "green" if delivered >= _GOOD_PCT else "bold red"
            yield (
                "delivered",
                Text(f"{delivered:.3f} %", style),
                self._spark("delivered_pct", from_zero=False),
            )
        if sample["server_cpu_pct"] is not None:
            yield "server CPU", f"{sample['server_cpu_pct']:.0f} %", self._spark("server_cpu_pct")
        if sample["tick_late"] is not None:
            yield "tick late p99", f"{sample['tick_late']['ms_p99']:.2f} ms", ""
        yield "load CPU", f"{sample['load_cpu_pct']:.0f} %", self._spark("load_cpu_pct")

    def _people(self, sample: dict[str, Any]) -> Text:
        text = Text(f"{sample['listeners']:,} of {self._plan.listeners:,}")
        if sample["failed"]:
            text.append(f"  {sample['failed']:,} failed", "bold red")
        return text

    def _spark(self, key: str, *, from_zero: bool = True) -> Text:
        values = [sample[key] for sample in self._samples[-24:] if sample[key] is not None]
        if not values:
            return Text()
        low, high = (0.0 if from_zero else min(values)), max(values)
        span = (high - low) or 1.0
        marks = [_SPARKS[min(7, int((value - low) / span * 7.999))] for value in values]
        return Text("".join(marks), "cyan")


def lines_of(report: dict[str, Any]) -> Iterator[RenderableType]:
    """The report as text."""
    delivered = report["delivered_pct"]
    if delivered is None:
        yield Text("Nothing was measured.", "bold red")
    else:
        style = "bold green" if delivered >= _GOOD_PCT else "bold red"
        yield Text.assemble("\n", (f"{delivered:.3f} %", style), " of the audio was delivered.\n")
    rows = rows_of(report)
    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column(rows[0][0], no_wrap=True, style="dim")
    for name in rows[0][1:]:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    yield table
    for phase in report["phases"]:
        for each in phase["failures"]:
            words = f"{each['n']:,} × {each['code']} at {each['at']} while {phase['name']}: {each['message']}"
            yield Text(words, "red")
    for hint in report["hints"]:
        yield Text(f"→ {hint}", "yellow")
    yield Text()
