"""From what was counted to the figures of a row: no process, no clock."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CLIENT_ACK_EVERY = 10
"""The policy of our client: packets that hold only audio are acknowledged at the 10th or after 600 ms."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What one row measures."""

    plane: str
    listeners: int
    bundle: int
    ack_every: int
    seconds: float  # of talk, all rounds together
    rounds: int = 5


@dataclass(frozen=True)
class Sample:
    """The server at one moment: CPU seconds used, its counters, ticks by how late they were (µs)."""

    at_s: float
    cpu_s: float
    figures: Mapping[str, float]
    late: Mapping[int, int]


@dataclass(frozen=True)
class Round:
    """One hushed phase in which bare packets were sent, and the phase of talk that followed it."""

    raw_us_per_packet: float
    begin: Sample
    end: Sample

    @property
    def seconds(self) -> float:
        return self.end.at_s - self.begin.at_s

    @property
    def cpu_s(self) -> float:
        """All that the server used while somebody talked: mixing, sending, receiving, its event loop."""
        return self.end.cpu_s - self.begin.cpu_s

    def grown(self, name: str) -> float:
        """By how much this counter grew."""
        return self.end.figures[name] - self.begin.figures[name]

    @property
    def packets(self) -> float:
        return self.grown(SENT)

    @property
    def us_per_packet(self) -> float:
        return self.cpu_s * 1e6 / max(1.0, self.packets)

    @property
    def ratio(self) -> float:
        return self.us_per_packet / self.raw_us_per_packet


def late_ms(rounds: Sequence[Round], plane: str, share: float = 0.99) -> float:
    """So many of the ticks of all rounds were at most this late; the upper end of the histogram's step."""
    ticks: Counter[int] = Counter()
    for each in rounds:
        ticks.update(each.end.late)
        ticks.subtract(each.begin.late)
    wanted = share * ticks.total()
    seen = 0
    for edge_us, count in sorted(ticks.items()):
        seen += count
        if count and seen >= wanted:
            width_us = PLAIN_STEP_US if plane == "aioquic" else max(1.0, edge_us / NATIVE_STEPS)
            return (edge_us + width_us) / 1000
    return 0.0


SENT = "udp_datagrams_out"
"""UDP packets that the server sent, through its event loop and past it."""
RECEIVED = "udp_datagrams_in"
SKIPPED = "media_ticks_skipped"
PLAIN_STEP_US = 100.0  # width of a step of the lateness of ticks, plain plane …
NATIVE_STEPS = 32.0  # … and native: so small a part of the lateness itself


@dataclass(frozen=True)
class Heard:
    """What the listeners got in all rounds together, as the load generator counts it."""

    expected: int
    received: int
    mismatched: int  # frames whose bytes were not what the others got
    gap_ms_p50: float
    gap_ms_p99: float
    gap_ms_max: float
    ack_delay_ms: float
    joins_per_s: float  # since the mark
    load_cpu_pct: float  # of its core


def row_of(
    case: Case, rounds: Sequence[Round], heard: Heard, packet_bytes: float, rss_kb: tuple[int, int]
) -> Row:
    """The row of one case; `rss_kb` of the server before the first listener came, and with all of them.

    `packet_bytes` is the mean UDP payload, which the bare packets had too.
    """
    listener_s = case.listeners * sum(each.seconds for each in rounds)
    ratios = [each.ratio for each in rounds]
    raws = [each.raw_us_per_packet for each in rounds]
    row = {
        "plane": case.plane,
        "listeners": case.listeners,
        "bundle": case.bundle,
        "ack_every": case.ack_every,
        "ack_delay_ms": heard.ack_delay_ms,
        "ack_policy": ack_policy(case.ack_every),
        "delivered_pct": percent(heard.received, heard.expected),
        "mismatched": heard.mismatched,
        "gap_ms_p50": heard.gap_ms_p50,
        "gap_ms_p99": heard.gap_ms_p99,
        "gap_ms_max": heard.gap_ms_max,
        "server_cpu_ms_per_listener_s": sum(each.cpu_s for each in rounds) * 1000 / listener_s,
        "us_per_packet": statistics.median(each.us_per_packet for each in rounds),
        "raw_us_per_packet": statistics.median(raws),
        "ratio_to_raw": statistics.median(ratios),
        "ratio_to_raw_min": min(ratios),
        "ratio_to_raw_max": max(ratios),
        "rounds": len(rounds),
        "tick_late_ms_p99": late_ms(rounds, case.plane),
        "ticks_skipped": int(sum(each.grown(SKIPPED) for each in rounds)),
        "packets_out_per_listener_s": sum(each.packets for each in rounds) / listener_s,
        "packets_in_per_listener_s": sum(each.grown(RECEIVED) for each in rounds) / listener_s,
        "packet_bytes": packet_bytes,
        "load_cpu_pct": heard.load_cpu_pct,
        "rss_kb_per_listener": (rss_kb[1] - rss_kb[0]) / case.listeners,
        "seconds": sum(each.seconds for each in rounds),
    }
    return {name: tidy(value) for name, value in row.items()}


def ack_policy(every: int) -> str:
    """Whether the listeners acknowledged as our client does."""
    return "the client's own" if every == CLIENT_ACK_EVERY else "set for this row"


def percent(part: float, whole: float) -> float:
    """0 where there was nothing to get: silence is no delivery."""
    return 100.0 * part / whole if whole else 0.0


def tidy(value: Any) -> Any:
    """Four significant digits after the point at most; counts as they are."""
    return round(value, 4) if isinstance(value, float) else value


def summary(rows: Sequence[Row]) -> float:
    """What a bare packet cost: the median over the rows."""
    return float(tidy(float(statistics.median(row["raw_us_per_packet"] for row in rows)))) if rows else 0.0
