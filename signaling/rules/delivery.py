"""Delivered time: how long a Space was on air, and how much of that did not reach each of who was in it.

A Space is on air while it is live and whoever hosts it is there. Of the time on air a holder misses

- what the room stood still, while they were inside;
- while they were inside, that share of the time whose datagrams of sound were lost on the way to them. What
  is on its way is decided later; nothing sent, as in silence, is nothing missed;
- everything from the moment their connection was lost until they are there again.

All else counts as delivered, also the time in which they chose to be elsewhere.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

__all__ = ["STALL_US", "UNHEARD_US", "Airtime", "Frames", "Hearing", "delivered_us"]

STALL_US: Final = 200_000
"""A room that is behind by more stands still: below that, a tick is only a little late."""

UNHEARD_US: Final = 2_000_000
"""Who has acknowledged nothing for so long hears nothing: clients acknowledge within 0.6 s."""


class Frames(NamedTuple):
    """Datagrams of sound for one connection since it began; `sent - acked - lost` are on their way.

    Those that had no room to be sent are among both `sent` and `lost`.
    """

    sent: int = 0
    acked: int = 0
    lost: int = 0


class _Where(Enum):
    ELSEWHERE = "elsewhere"
    INSIDE = "inside"
    LOST = "lost"


class Airtime:
    """How long a Space was on air, and how much of that its room stood still. Look at it at every change."""

    __slots__ = ("_at_us", "_is_on", "_seen_us", "_ticked_us", "on_air_us", "stalled_us")

    def __init__(self) -> None:
        self.on_air_us = 0
        self.stalled_us = 0
        self._is_on = False
        self._at_us = 0
        self._seen_us = 0  # of the room's ticks
        self._ticked_us = 0  # while on air

    def look(self, now_us: int, ticked_us: int, is_on: bool) -> None:
        """Take in the time since the last look; from now on it is on air, or not.

        `ticked_us`: the time of all ticks of the room so far.
        """
        if self._is_on:
            self.on_air_us += max(0, now_us - self._at_us)
            self._ticked_us += max(0, ticked_us - self._seen_us)
            # A room that was ahead for a moment has not made up for standing still later.
            self._ticked_us = min(self._ticked_us, self.on_air_us + STALL_US)
            self.stalled_us = max(self.stalled_us, self.on_air_us - self._ticked_us - STALL_US)
        self._at_us = max(now_us, self._at_us)
        self._seen_us = ticked_us
        self._is_on = is_on


class Hearing:
    """What one person missed of the time on air. They are elsewhere until they come.

    Every method takes what the Space's Airtime says now; `frames` are those of the connection that they are,
    or were, inside over. None: it is gone, and nothing is known of what it was sent last.
    """

    __slots__ = ("_frames", "_is_silent", "_missed_us", "_on_air_us", "_open_us", "_stalled_us", "_where")

    def __init__(self) -> None:
        self._where = _Where.ELSEWHERE
        self._missed_us = 0
        self._open_us = 0  # time whose frames are on their way
        self._is_silent = False  # of what was sent, nothing is known to have arrived since the last look
        self._on_air_us = 0
        self._stalled_us = 0
        self._frames = Frames()

    @property
    def missed_us(self) -> int:
        """So far; with what is on its way to somebody of whom nothing is heard."""
        return self._missed_us + (self._open_us if self._is_silent else 0)

    def come(self, air: Airtime, frames: Frames | None) -> None:
        """They are inside from now on, over a new connection."""
        self._pass(air)
        self._close(missed=self._is_silent)
        self._where = _Where.INSIDE
        self._frames = frames or Frames()

    def look(self, air: Airtime, frames: Frames | None) -> None:
        """Time has passed."""
        self._pass(air)
        if self._where is not _Where.INSIDE:
            return
        if frames is None:
            self._close(missed=True)
            return
        before, self._frames = self._frames, frames
        acked = max(0, frames.acked - before.acked)
        lost = max(0, frames.lost - before.lost)
        due = max(acked + lost, frames.sent - before.acked - before.lost)
        if due == 0:
            self._close(missed=False)
            return
        self._missed_us += self._open_us * lost // due
        self._open_us -= self._open_us * (acked + lost) // due
        self._is_silent = acked == 0 and self._open_us >= UNHEARD_US

    def leave(self, air: Airtime, frames: Frames | None) -> None:
        """They go because they want to: from now on they miss nothing."""
        self.look(air, frames)
        self._close(missed=self._is_silent)
        self._where = _Where.ELSEWHERE

    def lose(self, air: Airtime, frames: Frames | None) -> None:
        """Their connection is lost: what was on its way is too, and from now on they miss everything."""
        self.look(air, frames)
        self._close(missed=True)
        self._where = _Where.LOST

    def _pass(self, air: Airtime) -> None:
        span_us = max(0, air.on_air_us - self._on_air_us)
        stalled_us = min(span_us, max(0, air.stalled_us - self._stalled_us))
        self._on_air_us = max(self._on_air_us, air.on_air_us)
        self._stalled_us = max(self._stalled_us, air.stalled_us)
        if self._where is _Where.LOST:
            self._missed_us += span_us
        elif self._where is _Where.INSIDE:
            self._missed_us += stalled_us
            self._open_us += span_us - stalled_us

    def _close(self, *, missed: bool) -> None:
        """It is decided of the time that was open."""
        if missed:
            self._missed_us += self._open_us
        self._open_us = 0
        self._is_silent = False


def delivered_us(on_air_us: int, missed_us: int) -> int:
    """What counts as delivered of the time on air to who missed so much of it."""
    return max(0, on_air_us - missed_us)
