"""What `Server.statistics()` returns: every counter of a server under one flat name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

from signaling.media import Figures, no_figures
from signaling.quic.driver import DriverStats
from signaling.quic.gate import GateStats
from signaling.quic.limits import LinkStats
from signaling.server.counts import Counts
from signaling.server.inbox import InboxCounts

__all__ = ["Statistics", "collect", "zero"]

Statistics = dict[str, int | float]
"""Counters since the start (they only grow), percentiles of all since then, and, named `now_…`, gauges."""

_SUMMED_LINK = (
    "audio_dropped",
    "audio_oversized",
    "streams_refused",
    "control_bytes_in",
    "control_bytes_out",
)
_MICROSECONDS = 1_000_000


def collect(
    *,
    counts: Counts,
    rooms: Figures,
    driver: DriverStats,
    inbox: InboxCounts,
    gate: GateStats,
    links: Iterable[LinkStats],
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
    for name, number in rooms.items():  # audio may come in beside the sessions, so both count it
        found[name] = found.get(name, 0) + number
    found["listened_s"] = found.pop("listened_us") / _MICROSECONDS
    for prefix, source in (("udp", driver), ("inbox", inbox), ("gate", gate)):
        for item in fields(source):
            found[f"{prefix}_{item.name}"] = getattr(source, item.name)
    # On the native plane a thread reads all that comes, and sends beside the loop.
    found["udp_datagrams_in"] = max(found["udp_datagrams_in"], found["plane_received"])
    found["udp_datagrams_out"] += found["plane_sent"]
    found["store_refused"] = store_refused
    found["cpu_s"] = time.process_time()
    return found


def zero() -> Statistics:
    """The names there are, at their start."""
    return collect(
        counts=Counts(),
        rooms=no_figures(),
        driver=DriverStats(),
        inbox=InboxCounts(),
        gate=GateStats(),
        links=(),
        store_refused=0,
    )
