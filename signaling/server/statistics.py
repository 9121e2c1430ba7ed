"""What `Server.statistics()` returns: every counter of a server under one flat name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

from signaling.media import AudienceCounts, TickerCounts
from signaling.quic.driver import DriverStats
from signaling.quic.gate import GateStats
from signaling.quic.limits import LinkStats
from signaling.server.counts import Counts
from spacecore import SpaceStats

__all__ = ["OF_ROOMS", "Statistics", "collect", "zero"]

Statistics = dict[str, int | float]
"""Counters since the start (they only grow) and, named `now_…`, gauges."""

_SUMMED_LINK = (
    "audio_dropped",
    "audio_oversized",
    "streams_refused",
    "control_bytes_in",
    "control_bytes_out",
)
OF_ROOMS = {
    "decodes": "decodes",
    "encodes": "encodes",
    "buffered": "buffered",
    "buffer_delay_us": "delay_us",
    "buffer_target_us": "target_us",
}
"""Counters of rooms, here and in spacecore.SpaceStats: of closed rooms in Counts, of live ones added."""
_MICROSECONDS = 1_000_000


def collect(
    *,
    counts: Counts,
    audiences: AudienceCounts,
    ticker: TickerCounts,
    driver: DriverStats,
    gate: GateStats,
    links: Iterable[LinkStats],
    rooms: Iterable[SpaceStats],
    store_refused: int,
) -> Statistics:
    """Add up what is counted in many places. Reading changes nothing; it costs O(connections)."""
    found: Statistics = {}
    for item in fields(counts):
        value = getattr(counts, item.name)
        if isinstance(value, Counter):
            found[item.name] = sum(value.values())
            found.update({f"{item.name}_{word}": number for word, number in sorted(value.items())})
        else:
            found[item.name] = value
    for link in links:
        for name in _SUMMED_LINK:
            found[name] += getattr(link, name)
    for room in rooms:
        for name, of_room in OF_ROOMS.items():
            found[name] += getattr(room, of_room)
    found["listened_s"] = found.pop("listened_us") / _MICROSECONDS
    found["tick_s"] = found.pop("tick_us") / _MICROSECONDS
    found["frames_out"] = audiences.full_sent + audiences.seat_sent
    found["frames_out_full"] = audiences.full_sent
    found["frames_out_seat"] = audiences.seat_sent
    found["frames_out_refused"] = audiences.refused
    found["frames_out_nobody"] = audiences.nobody
    for prefix, source in (("ticker", ticker), ("udp", driver), ("gate", gate)):
        for item in fields(source):
            found[f"{prefix}_{item.name}"] = getattr(source, item.name)
    found["store_refused"] = store_refused
    found["cpu_s"] = time.process_time()
    return found


def zero() -> Statistics:
    """The names there are, at their start."""
    return collect(
        counts=Counts(),
        audiences=AudienceCounts(),
        ticker=TickerCounts(),
        driver=DriverStats(),
        gate=GateStats(),
        links=(),
        rooms=(),
        store_refused=0,
    )
