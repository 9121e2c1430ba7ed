"""A burst of joins while others listen: what it does to ticks and to those who listen."""

from __future__ import annotations

import time
from typing import Any

from bench.crowd import Crowd
from bench.ladder import Cores
from bench.rows import CLIENT_ACK_EVERY, SKIPPED, Case, Round, late_ms, percent, tidy
from bench.served import Served

_SETTLE_S = 2.0


def measure_joins(joins: int, listening: int, cores: Cores, timer_late_ms: float) -> dict[str, Any]:
    """So many joins as fast as they come while others listen; the clients of both share the other core."""
    case = Case("native", listening, 1, CLIENT_ACK_EVERY, 0.0)
    with (
        Served(Case("native", listening + joins, 1, CLIENT_ACK_EVERY, 0.0), cores.server) as server,
        Crowd(server.address, server.fingerprint, case, cores.load) as crowd,
    ):
        crowd.talk()
        time.sleep(_SETTLE_S)
        crowd.mark()
        begin = server.sample()
        began_s = time.monotonic()
        burst = Case("native", joins, 1, CLIENT_ACK_EVERY, 0.0)
        with Crowd(server.address, server.fingerprint, burst, cores.load, space=crowd.space) as joined:
            took_s = joined.join_s or time.monotonic() - began_s
            end = server.sample()
            heard = crowd.heard(0.0)
    turn = Round(1.0, begin, end)
    late = late_ms([turn], "native")
    figures = {
        "joins": joins,
        "while": listening,
        "joins_per_s": joins / took_s,
        "server_cpu_ms_per_join": turn.cpu_s * 1000 / joins,
        "ticks_skipped": int(turn.grown(SKIPPED)),
        "tick_late_ms_p99": late,
        "tick_late_ms_above_timer": late - timer_late_ms,
        "gap_ms_max": heard.gap_ms_max,
        "delivered_pct": percent(heard.received, heard.expected),
    }
    return {name: tidy(value) for name, value in figures.items()}
