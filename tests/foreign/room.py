"""What the client knows of the Space it is in, and how messages change it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.foreign.numbers import Event
from tests.foreign.wire import Message

NUMBERED = (
    Event.STAGE,
    Event.QUEUE,
    Event.AUDIENCE,
    Event.SETTINGS,
    Event.POST_ADDED,
    Event.POST_DELETED,
    Event.REACTIONS,
    Event.PINS,
)  # and `ended`, after which there is nothing to number


def item(message: Message, index: int, default: Any) -> Any:
    """A field that may be left out at the end of a message."""
    return message[index] if index < len(message) else default


@dataclass
class Welcome:
    """The answer to `hello`."""

    user: str
    name: str
    token_expires_ms: int
    token: str = ""
    limits: dict[str, int] = field(default_factory=dict)
    capabilities: dict[str, int] = field(default_factory=dict)


@dataclass
class Room:
    """A snapshot that is kept up to date: rows of the stage are seat, user, name, role, muted, held, …

    `posts` holds those seen here by their number. `invited` says whether an invitation to speak is open.
    """

    space: bytes
    title: str
    role: int
    seat: int | None
    serial: int
    stage: list[Message]
    queue: list[Message] = field(default_factory=list)
    audience: int = 0
    waiting: int = 0
    host: str = ""
    settings: Message | None = None
    pins: list[Message] = field(default_factory=list)
    resume_ms: int = 0
    invited: bool = False
    muted: bool = False
    posts: dict[int, Message] = field(default_factory=dict)
    reactions: Counter[str] = field(default_factory=Counter)
    notes: list[Message] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)

    @classmethod
    def of(cls, joined: Message) -> Room:
        """The room that `joined` describes; whether I am muted is only in my row of the stage."""
        room = cls(*joined[2:16])
        room.muted = any(row[0] == room.seat and row[4] for row in room.stage)
        room.waiting = max(room.waiting, len(room.queue))
        return room

    def resumed(self, message: Message) -> Room:
        """The same room, over a new connection: who I am here now; the events after its serial follow."""
        self.serial, self.role = message[3:5]
        self.seat, self.muted = item(message, 5, None), item(message, 6, False)
        return self

    def apply_private(self, event: Message) -> None:
        """An event to me alone, whatever its serial is."""
        if event[0] == Event.INVITED:
            self.invited = event[4] > 0
        elif event[0] == Event.NOTED:
            self.notes.append(event[2])
        elif event[0] == Event.ANSWERED:
            self.answers.append(event[2:4])

    def apply(self, event: Message) -> bool:
        """Apply an event to everybody; False where events before it were missed."""
        number, serial = event[:2]
        if serial <= self.serial:
            return True
        missed = serial > self.serial + 1
        self.serial = serial
        if number == Event.STAGE:
            self.stage = event[2]
        elif number == Event.QUEUE:
            self.queue = event[2]
            self.waiting = max(len(self.queue), item(event, 3, 0))
        elif number == Event.AUDIENCE:
            self.audience = event[2]
        elif number == Event.SETTINGS:
            self.settings, self.title = event[2], event[2][0]
        elif number == Event.PINS:
            self.pins = event[2]
        else:
            self._written(number, event[2])
        return not missed

    def _written(self, number: int, what: Any) -> None:
        """A post, one that was taken away, or counts of reactions."""
        if number == Event.POST_ADDED:
            self.posts[what[0]] = what
        elif number == Event.POST_DELETED:
            self.posts.pop(what, None)
        elif number == Event.REACTIONS:
            self.reactions.update(what)

    def row_of(self, user: str) -> Message | None:
        """Somebody's row of the stage."""
        return next((row for row in self.stage if row[1] == user), None)

    def users_on_stage(self) -> list[str]:
        """User ids in order of seat."""
        return [row[1] for row in self.stage]

    def users_asking(self) -> list[str]:
        """User ids, first come first."""
        return [row[0] for row in self.queue]
