"""What an act in a Space changes, for the server to carry out: write, push, and change the mix.

| effect         | store                        | push                           | fan-out and mix          |
|----------------|------------------------------|--------------------------------|--------------------------|
| Opened         | a new live Space             |                                | a new room               |
| Entered        |                              |                                | into the fan-out         |
| Left           |                              |                                | out of the fan-out       |
| SeatAdded      | on stage                     |                                | add the seat             |
| SeatMuted      | on stage                     |                                | mute or unmute the seat  |
| SeatRemoved    | no longer on stage           |                                | remove the seat          |
| Asked          | an open ask                  |                                |                          |
| AskClosed      | no longer an open ask        |                                |                          |
| Banned         | a ban                        |                                |                          |
| Removed        |                              | `removed` to this one          | out of the fan-out       |
| RoleChanged    |                              | `you` to this one              |                          |
| StageChanged   |                              | `stage` to all inside          |                          |
| QueueChanged   |                              | `queue` to all inside          |                          |
| AudienceChanged|                              | `audience` to all inside       |                          |
| HostAbsent     |                              |                                | call `on_time` at until  |
| HostReturned   |                              |                                |                          |
| Ended          | ended; stage and asks empty  | `ended` to all inside          | all out, the room closed |

They stand in the order in which they are to be carried out. Ended is alone in its outcome and stands
for everyone's leaving; the fan-out to push it to is the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from signaling.rules.roles import Role


class OnStage(NamedTuple):
    """One person on stage, in the order of the wire. `seat` is what audio datagrams name them by."""

    seat: int
    user: str
    name: str
    role: Role
    muted: bool


class Waiting(NamedTuple):
    """One person who asks to speak. The first in the queue asked first."""

    user: str
    name: str


class Person(NamedTuple):
    """One person inside."""

    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Opened:
    space: bytes
    title: str
    host: str
    host_name: str


@dataclass(frozen=True, slots=True)
class Entered:
    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Left:
    user: str


@dataclass(frozen=True, slots=True)
class SeatAdded:
    """A new stream begins under a number that the last change of the stage did not free."""

    seat: int
    user: str
    name: str
    role: Role
    muted: bool


@dataclass(frozen=True, slots=True)
class SeatMuted:
    seat: int
    user: str
    muted: bool


@dataclass(frozen=True, slots=True)
class SeatRemoved:
    seat: int
    user: str


@dataclass(frozen=True, slots=True)
class Asked:
    user: str
    name: str


@dataclass(frozen=True, slots=True)
class AskClosed:
    """`how`: admitted, declined, withdrawn, left or removed."""

    user: str
    how: str


@dataclass(frozen=True, slots=True)
class Banned:
    user: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class Removed:
    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoleChanged:
    user: str
    role: Role
    seat: int | None
    muted: bool


@dataclass(frozen=True, slots=True)
class StageChanged:
    stage: tuple[OnStage, ...]


@dataclass(frozen=True, slots=True)
class QueueChanged:
    queue: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class AudienceChanged:
    count: int


@dataclass(frozen=True, slots=True)
class HostAbsent:
    until_us: int


@dataclass(frozen=True, slots=True)
class HostReturned:
    user: str


@dataclass(frozen=True, slots=True)
class Ended:
    """`reason`: host_ended, host_left, host_lost, or what the server gave to `close`."""

    reason: str


Effect: TypeAlias = (
    Opened
    | Entered
    | Left
    | SeatAdded
    | SeatMuted
    | SeatRemoved
    | Asked
    | AskClosed
    | Banned
    | Removed
    | RoleChanged
    | StageChanged
    | QueueChanged
    | AudienceChanged
    | HostAbsent
    | HostReturned
    | Ended
)
