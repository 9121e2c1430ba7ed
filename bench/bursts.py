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
    """So many joins as fast as they come while others listen; all clients share the other core.

    Who comes is in a process of its own, so that what handshakes cost on that side does not make the one who
    talks late. Gaps and delivery are those of the listeners who were there before.
    """
    case = Case("native", listening, 1, CLIENT_ACK_EVERY, 0.0)
    those_who_come = Case("native", joins, 1, CLIENT_ACK_EVERY, 0.0)
    with (
        Served(case, cores.server) as server,
        Crowd(server.address, server.fingerprint, server.key, case, cores.load) as crowd,
        Crowd(
            server.address, server.fingerprint, server.key, those_who_come, cores.load, space=crowd.space
        ) as others,
    ):
        crowd.join(listening)
        crowd.talk()
        time.sleep(_SETTLE_S)
        crowd.mark()
        others.mark()
        begin = server.sample()
        others.join(joins)
        end = server.sample()
        heard = crowd.heard()
        came = others.heard()
    turn = Round(1.0, begin, end)
    late = late_ms([turn], "native")
    figures = {
        "joins": joins,
        "while": listening,
        "joins_per_s": came.joins_per_s,
        "server_core_pct": 100 * turn.cpu_s / turn.seconds,
        "load_core_pct": heard.load_cpu_pct + came.load_cpu_pct,
        "ticks_skipped": int(turn.grown(SKIPPED)),
        "tick_late_ms_p99": late,
        "tick_late_ms_above_timer": late - timer_late_ms,
        "gap_ms_max": heard.gap_ms_max,
        "delivered_pct": percent(heard.received, heard.expected),
    }
    return {name: tidy(value) for name, value in figures.items()}
