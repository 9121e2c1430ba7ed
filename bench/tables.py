"""The figures of bench.capacity as tables: text for a terminal, Markdown for bench/RESULTS.md.

`python -m bench.tables FIGURES.json` prints the Markdown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Key, title, form.
TABLE = (
    ("plane", "plane", "{}"),
    ("listeners", "N", "{}"),
    ("bundle", "bundle", "{}"),
    ("ack_every", "ACK", "{}"),
    ("delivered_pct", "delivered %", "{:.3f}"),
    ("gap_ms_p50", "gap p50 ms", "{:.1f}"),
    ("gap_ms_p99", "p99", "{:.1f}"),
    ("gap_ms_max", "max", "{:.1f}"),
    ("server_cpu_ms_per_listener_s", "CPU ms/s", "{:.3f}"),
    ("us_per_packet", "µs/packet", "{:.2f}"),
    ("raw_us_per_packet", "bare µs", "{:.2f}"),
    ("ratio_to_raw", "ratio", "{:.2f}"),
    ("ratio_to_raw_min", "min", "{:.2f}"),
    ("ratio_to_raw_max", "max", "{:.2f}"),
    ("packets_in_per_listener_s", "in/s", "{:.1f}"),
    ("tick_late_ms_p99", "late p99 ms", "{:.2f}"),
    ("ticks_skipped", "skipped", "{}"),
    ("rss_kb_per_listener", "KB", "{:.0f}"),
)
LEGEND = (
    "*ACK*: at which packet of audio listeners acknowledge; 10 is our client's own policy (or after 600 ms), "
    "others are set. *CPU ms/s*: of the whole server for each second that one listener listens. *µs/packet*: "
    "the same for each UDP packet sent. *bare*: `sendmmsg` of 64 in the same run, same size, same addresses, "
    "no GSO. *in/s*: UDP packets that came in for each listener in a second, the host's among them. *KB*: "
    "resident memory of the server for each."
)
PARTS = {
    "joins": "A burst of joins while others listen; gaps and delivery are those of all",
    "memory": "Memory of a listener, and of an idle connection to a stock aioquic server in the same run",
}


def text_of(found: dict[str, Any]) -> str:
    """For a terminal, conditions first."""
    lines = [f"# {name}: {value}" for name, value in found["conditions"].items()]
    lines += [f"# {part.strip()}" for part in timer_line(found).split("; ")]
    lines.append("# " + LEGEND.replace("*", "").replace("`", "").replace(". ", ".\n# "))
    if found["rows"]:
        lines.append(" ".join(f"{title:>11}" for _, title, _ in TABLE))
    lines += [" ".join(f"{cell:>11}" for cell in cells_of(row)) for row in found["rows"]]
    for part, title in PARTS.items():
        if part in found:
            lines += ["", f"# {title}", *(f"{name:>36} {value:g}" for name, value in found[part].items())]
    return "\n".join(lines)


def markdown_of(found: dict[str, Any]) -> str:
    """For a page: the ladder, and what else was measured."""
    known = found["conditions"]
    lines = [
        f"Commit `{known['commit']}`, {known['cpu']}, {known['system']}, Python {known['python']}, load "
        f"{known['load_1min']} before; {timer_line(found)}. {LEGEND}",
        "",
        "| " + " | ".join(title for _, title, _ in TABLE) + " |",
        "|---" * len(TABLE) + "|",
        *("| " + " | ".join(cells_of(row)) + " |" for row in found["rows"]),
    ]
    for part, title in PARTS.items():
        if part in found:
            lines += ["", f"{title}:", "", "| figure | |", "|---|---|"]
            lines += [f"| {name} | {value:g} |" for name, value in found[part].items()]
    return "\n".join(lines)


def timer_line(found: dict[str, Any]) -> str:
    late = found["timer_late_ms"]
    return (
        f"server on core {found['conditions']['server_core']}, load on core "
        f"{found['conditions']['load_core']}; a bare timer of 20 ms on the server's core was late by p50 "
        f"{late['p50']:.3f}, p99 {late['p99']:.3f}, at most {late['max']:.3f} ms"
    )


def cells_of(row: dict[str, Any]) -> list[str]:
    return [form.format(row[name]) for name, _, form in TABLE]


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("python -m bench.tables FIGURES.json", file=sys.stderr)
        return 2
    print(markdown_of(json.loads(Path(arguments[0]).read_text("utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
