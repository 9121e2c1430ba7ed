"""What the client knows of the Space it is in, and how messages change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.foreign.wire import Event, Message


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
    """A snapshot that is kept up to date: stage rows are seat, user, name, role, muted."""

    space: bytes
    title: str
    role: int
    seat: int | None
    serial: int
    stage: list[Message]
    queue: list[Message] = field(default_factory=list)
    audience: int = 0
    waiting: int = 0
    muted: bool = False

    @classmethod
    def of(cls, joined: Message) -> Room:
        """The room that `joined` describes; whether I am muted is only in my row of the stage."""
        room = cls(*joined[2:11])
        room.muted = any(row[0] == room.seat and row[4] for row in room.stage)
        room.waiting = max(room.waiting, len(room.queue))
        return room

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
        return not missed

    def users_on_stage(self) -> list[str]:
        """User ids in order of seat."""
        return [row[1] for row in self.stage]

    def users_asking(self) -> list[str]:
        """User ids, first come first."""
        return [row[0] for row in self.queue]
