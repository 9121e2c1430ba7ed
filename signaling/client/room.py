"""Room: what a Space is to one who is in it, as told by snapshots and events. No I/O."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict
from typing import Final

from signaling.protocol.messages import (
    Audience,
    Ended,
    Event,
    Invited,
    Joined,
    Person,
    Pins,
    PostAdded,
    PostDeleted,
    PostRow,
    Queue,
    Reactions,
    Removed,
    Resumed,
    Settings,
    SpaceSettings,
    Stage,
    StageSeat,
    You,
)
from signaling.rules.roles import Role

__all__ = ["POSTS_KEPT", "News", "Room"]

POSTS_KEPT: Final = 100
"""Of the posts the latest are kept; then the oldest is dropped. The server has them all."""
_REACTIONS_KEPT: Final = 32  # kinds; a server names eight

_Numbered = Stage | Queue | Audience | Ended | Settings | PostAdded | PostDeleted | Reactions | Pins


class News(enum.Enum):
    """What an event was to the room."""

    FRESH = "fresh"
    STALE = "stale"  # older than what is known: nothing has changed
    GAP = "gap"  # fresh, but one before it is missing: ask for a snapshot


class Room:
    """The state of one Space, for one person in it.

    What concerns everybody is numbered by the Space without gaps; `you`, `removed`, `noted`, `invited` and
    `answered` are private and take no number.
    """

    def __init__(self, me: str, joined: Joined) -> None:
        self.me = me
        self.id = joined.space
        self.gaps = 0
        self.muted = False
        self.over: str | None = None
        """Why nothing can be done here any more: left, removed, ended or closed."""
        self.reactions: Counter[str] = Counter()
        self._posts: OrderedDict[int, PostRow] = OrderedDict()
        self.refresh(joined)

    @property
    def posts(self) -> tuple[PostRow, ...]:
        """Those that were told since one came, the oldest first."""
        return tuple(self._posts.values())

    def refresh(self, joined: Joined) -> None:
        """Take over a snapshot."""
        self.serial = joined.serial
        self.resume_ms = joined.resume_ms
        self.role = _role(joined.role)
        self.seat = joined.seat
        self.audience = joined.audience
        self.settings = joined.settings or SpaceSettings(joined.title)
        self.price = joined.price
        self.host = joined.host
        self.pins = tuple(joined.pins)
        self.invited = joined.invited
        self._set_stage(joined.stage)
        self._set_queue(joined.queue, joined.waiting)
        own = [row for row in self.stage if row.user == self.me]
        self.muted = bool(own) and own[0].muted

    def resume(self, resumed: Resumed) -> News:
        """One is back; a gap if the events that follow do not begin where ours ended."""
        self.role, self.seat, self.muted = _role(resumed.role), resumed.seat, resumed.muted
        return News.FRESH if resumed.serial <= self.serial else News.GAP

    def apply(self, event: Event) -> News:
        """Take over an event of this Space."""
        if isinstance(event, You):
            self.role, self.seat, self.muted = _role(event.role), event.seat, event.muted
            self.invited = self.invited and self.seat is None
        elif isinstance(event, Invited):
            self.invited = event.expires_in_ms > 0
        elif isinstance(event, Removed):
            self.over = "removed"
        elif isinstance(event, _Numbered):
            return self._apply_numbered(event)
        return News.FRESH

    def skip(self, serial: int) -> None:
        """An event that is not known here had this serial: it is not missing."""
        if serial == self.serial + 1:
            self.serial = serial

    def snapshot(self) -> tuple[Stage, Queue, Audience, You]:
        """What one must know at least, as the events that would tell it."""
        return (
            Stage(self.serial, list(self.stage)),
            Queue(self.serial, list(self.queue), self.waiting),
            Audience(self.serial, self.audience),
            You(self.serial, self.role, self.seat, self.muted),
        )

    def at(self, seats: tuple[int, ...]) -> tuple[StageSeat, ...]:
        """Who holds these seats, in the same order; seats that are free by now are left out."""
        return tuple(self._by_seat[seat] for seat in seats if seat in self._by_seat)

    def _apply_numbered(self, event: _Numbered) -> News:
        if event.serial <= self.serial:
            return News.STALE
        missing = event.serial > self.serial + 1
        self.serial = event.serial
        match event:
            case Stage():
                self._set_stage(event.stage)
            case Queue():
                self._set_queue(event.queue, event.waiting)
            case Audience():
                self.audience = event.count
            case Settings():
                self.settings = event.settings
            case Pins():
                self.pins = tuple(event.pins)
            case Ended():
                self.over = "ended"
            case _:
                self._on_talk(event)
        self.gaps += missing
        return News.GAP if missing else News.FRESH

    def _on_talk(self, event: PostAdded | PostDeleted | Reactions) -> None:
        if isinstance(event, PostAdded):
            self._posts[event.post.post] = event.post
            if len(self._posts) > POSTS_KEPT:
                self._posts.popitem(last=False)
        elif isinstance(event, PostDeleted):
            self._posts.pop(event.post, None)
        else:
            for name, count in event.counts.items():
                if name in self.reactions or len(self.reactions) < _REACTIONS_KEPT:
                    self.reactions[name] += count

    def _set_stage(self, rows: list[StageSeat]) -> None:
        self.stage = tuple(rows)
        self._by_seat = {row.seat: row for row in rows}
        self.host = next((row.user for row in rows if row.role == Role.HOST), self.host)

    def _set_queue(self, rows: list[Person], waiting: int) -> None:
        self.queue = tuple(rows)
        self.waiting = max(waiting, len(rows))


def _role(number: int) -> Role:
    """A role of a newer server is shown as the least of ours."""
    try:
        return Role(number)
    except ValueError:
        return Role.LISTENER
