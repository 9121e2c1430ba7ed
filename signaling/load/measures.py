"""Measures: what one process has measured since the last mark, as plain values that can be put together."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from typing import Any, Final

from signaling.load._swarm import Swarm
from signaling.load._tally import Board
from signaling.load.figures import GAP_WIDTH_US, JITTER_WIDTH_US, Histogram
from signaling.load.person import Failed

__all__ = ["WORST", "Measures", "own_rss_bytes"]

WORST: Final = 5
"""So many of the listeners with the poorest delivery are named."""


def own_rss_bytes() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Measures:
    """Joins, failures, delivery and the cost of it. `mark` begins anew; all else changes nothing."""

    def __init__(self, board: Board, swarm: Swarm) -> None:
        self._board = board
        self._swarm = swarm
        self.joined = 0
        self.failed = 0
        """Both since the beginning."""
        self.mark(0)

    def mark(self, now_us: int) -> None:
        """Begin a new measurement."""
        self.turns = Histogram(GAP_WIDTH_US)
        self.spoken = 0
        self.talk_late_us = 0
        self._marked_us = now_us
        self._joins_us: list[int] = []
        self._handshakes_us: list[int] = []
        self._first_join_us = self._last_join_us = 0
        self._failures: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._cpu_s = time.process_time()
        self._before = self._swarm.stats
        self._board.mark(now_us)

    def join(self, started_us: int, established_us: int, joined_us: int) -> None:
        """A listener is in."""
        self.joined += 1
        self._joins_us.append(joined_us - started_us)
        self._handshakes_us.append(established_us - started_us)
        if self._first_join_us == 0 or started_us < self._first_join_us:
            self._first_join_us = started_us
        self._last_join_us = max(self._last_join_us, joined_us)

    def fail(self, failed: Failed) -> None:
        """Somebody did not get in, or was cut off."""
        self.failed += 1
        key = f"{failed.at}: {failed.code}"
        self._failures[key] += 1
        self._examples.setdefault(key, failed.message)

    def totals(self, now_us: int) -> dict[str, float]:
        """The few figures that are shown while it runs."""
        listeners, expected, received = self._board.totals(now_us)
        return {
            "listeners": listeners,
            "expected": expected,
            "received": received,
            "joined": self.joined,
            "failed": self.failed,
            "cpu_s": time.process_time() - self._cpu_s,
        }

    def stats(self, now_us: int) -> dict[str, Any]:
        """Everything, as plain values."""
        delivery = self._board.stats(now_us)
        swarm = self._swarm.stats
        rows = sorted(
            self._board.rows(now_us), key=lambda row: (row.received - row.expected, -row.longest_gap_us)
        )
        gaps = Histogram(GAP_WIDTH_US, self._board.gaps(), delivery.longest_gap_us)
        jitters = Histogram(JITTER_WIDTH_US, self._board.jitters())
        return {
            "elapsed_us": now_us - self._marked_us,
            "delivery": delivery._asdict(),
            "gaps": gaps.to_json(),
            "jitters": jitters.to_json(),
            "turns": self.turns.to_json(),
            "joins_us": self._joins_us,
            "handshakes_us": self._handshakes_us,
            "joining_us": max(0, self._last_join_us - self._first_join_us),
            "failures": dict(self._failures),
            "examples": self._examples,
            "swarm": {
                name: value - before
                for (name, value), before in zip(swarm._asdict().items(), self._before, strict=True)
            },
            "spoken": self.spoken,
            "talk_late_us": self.talk_late_us,
            "cpu_s": time.process_time() - self._cpu_s,
            "rss_bytes": own_rss_bytes(),
            "worst": [row._asdict() for row in rows[:WORST]],
        }
