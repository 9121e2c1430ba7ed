"""Timers: who of many wants to be looked at next. One pending time each, the earliest that was asked for."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

__all__ = ["Timers"]


class Timers:
    """A heap of times, µs of any clock. A time that an earlier one has replaced is passed over."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._pending: dict[int, int] = {}

    def ask(self, who: int, at_us: int) -> None:
        """Look at them no later than then; an earlier time that is pending stays."""
        pending_us = self._pending.get(who)
        if pending_us is None or at_us < pending_us:
            self._pending[who] = at_us
            heapq.heappush(self._heap, (at_us, who))

    def forget(self, who: int) -> None:
        """They need not be looked at any more."""
        self._pending.pop(who, None)

    def due(self, now_us: int) -> Iterator[int]:
        """Whose time has come, in order; each may ask for another time while it is looked at."""
        while self._heap and self._heap[0][0] <= now_us:
            at_us, who = heapq.heappop(self._heap)
            if self._pending.get(who) == at_us:
                del self._pending[who]
                yield who

    @property
    def next_us(self) -> int | None:
        """The earliest time that may be due."""
        return self._heap[0][0] if self._heap else None
