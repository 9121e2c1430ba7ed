"""Turns: the clock of a server in its loop: what is due in the rooms, then what was set for this time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context

from signaling.server.alarms import Alarms
from signaling.server.counts import Counts

__all__ = ["Turns"]

log = logging.getLogger(__name__)

_SECOND_US = 1_000_000


class Turns:
    """Takes a turn whenever something is due, between `begin` and `end`. For one event loop.

    clock: seconds, of a monotonic clock. `alarms` may be set at any time; before `begin` and after `end` they
    wake nobody.
    """

    def __init__(self, clock: Callable[[], float], counts: Counts) -> None:
        self.alarms = Alarms(self._sooner)
        self._clock = clock
        self._counts = counts
        self._work: Callable[[int], int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Timers keep the context in which they are set: without one of ours, that of whoever set an alarm.
        self._context = Context()
        self._timer: asyncio.TimerHandle | None = None
        self._next_us = 0

    def now_us(self) -> int:
        """The time, in microseconds."""
        return int(self._clock() * _SECOND_US)

    def begin(self, work: Callable[[int], int]) -> None:
        """Take the first turn now. `work(now_us)` does what is due and returns when more will be."""
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._turn()

    def end(self) -> None:
        """Take no more turns. Ending twice does nothing."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        if self._work is None:
            return
        now_us = self.now_us()
        due_us = self._work(now_us)
        for ring in self.alarms.take_due(now_us):
            try:
                ring(now_us)
            except Exception:
                self._counts.errors_caught += 1
                log.exception("an alarm failed")
        alarm_us = self.alarms.next_us
        self._turn_at(due_us if alarm_us is None else min(due_us, alarm_us))

    def _turn_at(self, due_us: int) -> None:
        if self._loop is not None:
            self._next_us = due_us
            self._timer = self._loop.call_later(
                max(0, due_us - self.now_us()) / _SECOND_US, self._turn, context=self._context
            )

    def _sooner(self, at_us: int) -> None:
        """An alarm was set that comes before all others: wake for it, if that is before the next turn."""
        if self._timer is not None and at_us < self._next_us:
            self._timer.cancel()
            self._turn_at(at_us)
