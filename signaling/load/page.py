"""The report as one HTML page that needs nothing else: tables, plots, and the figures themselves as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Any, Final

from signaling.load.figures import Histogram
from signaling.load.plots import Band, Series, tail_plot, time_plot

__all__ = ["page", "rows_of"]

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2127; --soft: #68717c; --line: #d9dee4; --paper: #fff;
  --band: #f3f5f8; --c0: #2463c4; --c1: #c4582a; --c2: #25854f; --c3: #8145b3; --good: #25854f;
  --bad: #c0362c;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #98a2ad; --line: #323941; --paper: #14181c; --band: #1b2026; --c0: #6fa3f5;
    --c1: #f0925f; --c2: #63c98c; --c3: #c293ee; --good: #63c98c; --bad: #f07167; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.big { font-size: 2.6rem; font-weight: 650; line-height: 1.2; margin: .5rem 0; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.soft, figcaption .unit { color: var(--soft); }
.unit { font-weight: 400; margin-left: .4em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .25rem .6rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; }
td:first-child, th:first-child { text-align: left; }
figure { margin: 1.2rem 0; }
figcaption { font-weight: 600; }
svg { width: 100%; height: auto; display: block; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick, .phase { fill: var(--soft); font-size: 11px; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.band.even { fill: transparent; }
.band.odd { fill: var(--band); }
.c0 { stroke: var(--c0); }
.c1 { stroke: var(--c1); }
.c2 { stroke: var(--c2); }
.c3 { stroke: var(--c3); }
.dot { stroke-width: 2; fill: none; }
.key { font-weight: 400; margin-left: 1em; }
.key i { display: inline-block; width: 1.2em; height: .2em; margin-right: .4em; vertical-align: middle; }
i.c0 { background: var(--c0); }
i.c1 { background: var(--c1); }
i.c2 { background: var(--c2); }
i.c3 { background: var(--c3); }
"""

_TARGET_PCT: Final = 99.9


def page(report: dict[str, Any]) -> str:
    """The page for what `Report.to_json` gave. It loads nothing and runs nothing."""
    plan = report["plan"]
    title = f"{plan['listeners']} listeners at {report['server']['address']}"
    delivered = report["delivered_pct"]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(report["tool"])} · {escape(report["began"])}'
        f"{' · interrupted' if report['interrupted'] else ''}</p>",
        _headline(delivered),
        *(f'<p class="bad">{escape(hint)}</p>' for hint in report["hints"]),
        "<h2>Figures</h2>",
        _table(rows_of(report)),
        "<h2>Over time</h2>",
        *_over_time(report["samples"]),
        "<h2>Distributions</h2>",
        *_distributions(report["phases"]),
        *_failures(report["phases"]),
        *_worst(report["phases"]),
        "<h2>Conditions</h2>",
        _table(
            [[name, _text(value)] for name, value in (report["conditions"] | plan).items() if value != ""]
        ),
    ]
    # A "<" could end the element, or begin a comment in it; JSON may write it by its number.
    data = json.dumps(report, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + f'\n<script type="application/json" id="report">{data}</script>\n</body></html>\n'
    )


def rows_of(report: dict[str, Any]) -> list[list[str]]:
    """The table of figures: the first row names the phases, each other one is a figure in all of them."""
    phases = report["phases"]
    rows = [["", *(phase["name"] for phase in phases)]]
    for label, parts in _FIGURES:
        cells = [_cell(phase, parts) for phase in phases]
        if any(cells):
            rows.append([label, *(cell or "–" for cell in cells)])
    return rows


# What stands in the table: the label, then a format and the way to each figure in a phase.
_FIGURES: Final[tuple[tuple[str, tuple[tuple[str, str], ...]], ...]] = (
    ("seconds", (("{:.1f}", "seconds"),)),
    ("listeners", (("{:,}", "delivery.listeners"),)),
    ("delivered", (("{:.3f} %", "delivered_pct"),)),
    ("frames expected / received", (("{:,}", "delivery.expected"), ("{:,}", "delivery.received"))),
    ("listeners that got nothing", (("{:,}", "delivery.deaf"),)),
    ("frames with other bytes", (("{:,}", "delivery.mismatched"),)),
    ("datagrams, bundled of them", (("{:,}", "delivery.datagrams"), ("{:,}", "delivery.bundled"))),
    (
        "gap p50 / p99 / longest",
        (("{:.1f}", "gap.ms_p50"), ("{:.1f}", "gap.ms_p99"), ("{:.1f} ms", "gap.ms_max")),
    ),
    ("jitter p50 / p99", (("{:.2f}", "jitter.ms_p50"), ("{:.2f} ms", "jitter.ms_p99"))),
    ("joins, a second", (("{:,}", "joins.joined"), ("{:.1f}/s", "joins.per_s"))),
    (
        "join p50 / p99 / longest",
        (
            ("{:.1f}", "joins.join.ms_p50"),
            ("{:.1f}", "joins.join.ms_p99"),
            ("{:.1f} ms", "joins.join.ms_max"),
        ),
    ),
    ("handshake p50 / p99", (("{:.1f}", "joins.handshake.ms_p50"), ("{:.1f} ms", "joins.handshake.ms_p99"))),
    ("server CPU", (("{:.1f} %", "server.cpu_pct"),)),
    ("server CPU ms a listener-second", (("{:.3f}", "server.cpu_ms_per_listener_s"),)),
    ("server memory", (("{:,.0f} MiB", "server.rss_bytes"),)),
    (
        "tick late p50 / p99 / most",
        (
            ("{:.2f}", "server.tick_late.ms_p50"),
            ("{:.2f}", "server.tick_late.ms_p99"),
            ("{:.2f} ms", "server.tick_late.ms_max"),
        ),
    ),
    ("ticks, skipped", (("{:,}", "server.tick_late.ticks"), ("{:,}", "server.tick_late.skipped"))),
    ("ACK packets, reports sent", (("{:,}", "network.acks_out"), ("{:,}", "network.reports_out"))),
    ("lost in the made-up network", (("{:,} down", "network.lost_in"), ("{:,} up", "network.lost_out"))),
    ("load CPU", (("{:.1f} %", "load.cpu_pct"),)),
    ("load memory", (("{:,.0f} MiB", "load.rss_bytes"),)),
    (
        "load turn p99 / speakers late",
        (("{:.1f}", "load.turn.ms_p99"), ("{:.1f} ms", "load.talk_late_ms_max")),
    ),
)

# Rows that say something only where there is something.
_ONLY_IF: Final = {
    "delivery.deaf",
    "delivery.mismatched",
    "joins.joined",
    "joins.join.ms_p50",
    "joins.handshake.ms_p50",
    "network.lost_in",
    "network.acks_out",
}


def _cell(phase: dict[str, Any], parts: Sequence[tuple[str, str]]) -> str:
    found: list[str] = []
    for form, way in parts:
        value: Any = phase
        for step in way.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is None or (not found and way in _ONLY_IF and not value):
            return ""
        found.append(form.format(value / 2**20 if way.endswith("_bytes") else value))
    return " / ".join(found)


def _headline(delivered_pct: float | None) -> str:
    if delivered_pct is None:
        return '<p class="big bad">nothing measured</p>'
    mark = "good" if delivered_pct >= _TARGET_PCT else "bad"
    return f'<p class="big {mark}">{delivered_pct:.3f} % delivered</p>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = []
    for number, row in enumerate(rows):
        tag = "th" if number == 0 and not row[0] else "td"
        lines.append("<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _over_time(samples: Sequence[dict[str, Any]]) -> list[str]:
    bands = []
    for phase, group in groupby(samples, key=lambda sample: sample["phase"]):
        at_s = [sample["at_s"] for sample in group]
        bands.append(Band(str(phase), at_s[0] - 1, at_s[-1]))

    def over_time(key: str) -> list[tuple[float, float | None]]:
        return [(sample["at_s"], sample[key]) for sample in samples]

    def late(key: str) -> list[tuple[float, float | None]]:
        return [
            (sample["at_s"], sample["tick_late"][key] if sample["tick_late"] else None) for sample in samples
        ]

    plots = [
        time_plot(
            "Delivered", "%", [Series("", over_time("delivered_pct"))], bands=bands, least=99.0, highest=100.0
        ),
        time_plot("Listeners", "in the Space", [Series("", over_time("listeners"))], bands=bands),
    ]
    cpu = [Series("load", over_time("load_cpu_pct"))]
    if any(sample["server_cpu_pct"] is not None for sample in samples):
        cpu.insert(0, Series("server", over_time("server_cpu_pct")))
        memory = [
            (sample["at_s"], sample["server_rss_bytes"] and sample["server_rss_bytes"] / 2**20)
            for sample in samples
        ]
        plots.append(time_plot("CPU", "% of a core", cpu, bands=bands))
        plots.append(time_plot("Server memory", "MiB", [Series("", memory)], bands=bands))
    else:
        plots.append(time_plot("CPU", "% of a core", cpu, bands=bands))
    if any(sample["tick_late"] for sample in samples):
        lines = [Series("p50", late("ms_p50")), Series("p99", late("ms_p99")), Series("most", late("ms_max"))]
        plots.append(time_plot("Tick lateness at the server", "ms, of each second", lines, bands=bands))
    return plots


def _distributions(phases: Sequence[dict[str, Any]]) -> list[str]:
    def of(name: str) -> list[tuple[str, Histogram]]:
        return [
            (phase["name"], Histogram.from_json(phase["distributions"][name]))
            for phase in phases
            if phase["distributions"][name]["counts"]
        ]

    return [
        tail_plot("Gaps between datagrams", "ms", of("gap")),
        tail_plot("Jitter (RFC 3550), of listener-seconds", "ms", of("jitter")),
    ]


def _failures(phases: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [phase["name"], each["at"], each["code"], f"{each['n']:,}", each["message"]]
        for phase in phases
        for each in phase["failures"]
    ]
    if not rows:
        return []
    return [
        "<h2>Who did not get in, or was cut off</h2>",
        _table([["", "at", "code", "how many", "why"], *rows]),
    ]


def _worst(phases: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [
            row.get("address") or str(row["ear"]),
            phase["name"],
            f"{row['received']:,} of {row['expected']:,}",
            f"{row['longest_gap_ms']:.1f}",
            f"{row['jitter_ms']:.2f}",
        ]
        for phase in phases
        for row in phase["worst"]
        if row["expected"]
    ]
    if not rows:
        return []
    return [
        "<h2>The listeners served worst</h2>",
        _table([["", "phase", "frames", "longest gap ms", "jitter ms"], *rows]),
    ]


def _text(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
