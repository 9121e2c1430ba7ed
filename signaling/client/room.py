"""Room: what a Space is to one who is in it, as told by snapshots and events. No I/O."""

from __future__ import annotations

import enum

from signaling.protocol.messages import (
    Audience,
    Ended,
    Event,
    Joined,
    Person,
    Queue,
    Removed,
    Stage,
    StageSeat,
    You,
)
from signaling.rules.roles import Role

__all__ = ["News", "Room"]


class News(enum.Enum):
    """What an event was to the room."""

    FRESH = "fresh"
    STALE = "stale"  # older than what is known: nothing has changed
    GAP = "gap"  # fresh, but one before it is missing: ask for a snapshot


class Room:
    """The state of one Space, for one person in it.

    Stage, queue, audience and ended are numbered by the Space without gaps; `you` and `removed` are private
    and take no number.
    """

    def __init__(self, me: str, joined: Joined) -> None:
        self.me = me
        self.id = joined.space
        self.title = joined.title
        self.gaps = 0
        self.muted = False
        self.over: str | None = None
        """Why nothing can be done here any more: left, removed, ended or closed."""
        self.refresh(joined)

    def refresh(self, joined: Joined) -> None:
        """Take over a snapshot."""
        self.serial = joined.serial
        self.role = _role(joined.role)
        self.seat = joined.seat
        self.audience = joined.audience
        self._set_stage(joined.stage)
        self._set_queue(joined.queue, joined.waiting)
        own = [row for row in self.stage if row.user == self.me]
        self.muted = bool(own) and own[0].muted

    def apply(self, event: Event) -> News:
        """Take over an event of this Space."""
        if isinstance(event, You):
            self.role, self.seat, self.muted = _role(event.role), event.seat, event.muted
            return News.FRESH
        if isinstance(event, Removed):
            self.over = "removed"
            return News.FRESH
        if not isinstance(event, Stage | Queue | Audience | Ended):
            return News.FRESH
        if event.serial <= self.serial:
            return News.STALE
        missing = event.serial > self.serial + 1
        self.serial = event.serial
        if isinstance(event, Stage):
            self._set_stage(event.stage)
        elif isinstance(event, Queue):
            self._set_queue(event.queue, event.waiting)
        elif isinstance(event, Audience):
            self.audience = event.count
        else:
            self.over = "ended"
        self.gaps += missing
        return News.GAP if missing else News.FRESH

    def skip(self, serial: int) -> None:
        """An event that is not known here had this serial: it is not missing."""
        if serial == self.serial + 1:
            self.serial = serial

    def snapshot(self) -> tuple[Stage, Queue, Audience, You]:
        """The state as the events that would tell it."""
        return (
            Stage(self.serial, list(self.stage)),
            Queue(self.serial, list(self.queue), self.waiting),
            Audience(self.serial, self.audience),
            You(self.serial, self.role, self.seat, self.muted),
        )

    def at(self, seats: tuple[int, ...]) -> tuple[StageSeat, ...]:
        """Who holds these seats, in the same order; seats that are free by now are left out."""
        return tuple(self._by_seat[seat] for seat in seats if seat in self._by_seat)

    def _set_stage(self, rows: list[StageSeat]) -> None:
        self.stage = tuple(rows)
        self._by_seat = {row.seat: row for row in rows}

    def _set_queue(self, rows: list[Person], waiting: int) -> None:
        self.queue = tuple(rows)
        self.waiting = max(waiting, len(rows))


def _role(number: int) -> Role:
    """A role of a newer server is shown as the least of ours."""
    try:
        return Role(number)
    except ValueError:
        return Role.LISTENER
