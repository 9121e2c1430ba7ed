"""What an act in a Space changes, for the server to carry out: write, push, and change the mix.

| effect          | store                         | push                         | fan-out and mix         |
|-----------------|-------------------------------|------------------------------|-------------------------|
| Opened          | a new live Space              |                              | a new room              |
| SettingsChanged | title, topics, policies, lock | `settings` to all inside     |                         |
| Entered         |                               |                              | into the fan-out        |
| Left            |                               |                              | out of the fan-out      |
| WentAbsent      |                               |                              |                         |
| CameBack        |                               | `resumed` to this one        |                         |
| AbsenceOver     |                               |                              |                         |
| SeatAdded       | on stage                      |                              | add the seat            |
| SeatChanged     | on stage                      |                              | mute, volume if `mixed` |
| SeatRemoved     | off stage, unless `kept`      |                              | remove the seat         |
| PlaceGone       | off stage                     |                              | (it is out already)     |
| Spoke           | was on stage                  |                              |                         |
| Asked           | an open ask                   |                              |                         |
| AskClosed       | no longer an open ask         |                              |                         |
| InviteAdded     | an open invitation            | `invited` to this one        |                         |
| InviteClosed    | no longer an open invitation  | `invited`; hosts: `answered` |                         |
| LinkAdded       | a link to speak               |                              |                         |
| LinkClosed      | no longer good                |                              |                         |
| Banned          | a ban                         |                              |                         |
| Unbanned        | no longer a ban               |                              |                         |
| BlockedByHost   | a block in the graph          |                              |                         |
| Removed         |                               | `removed` to this one        | out of the fan-out      |
| RoleChanged     |                               | `you` to this one            |                         |
| HostChanged     | who hosts                     |                              |                         |
| Posted          | a post                        | `post_added` to all inside   |                         |
| PostGone        | the post is gone              | `post_deleted` to all inside |                         |
| NoteAdded       | a note                        | `noted` to the hosts         |                         |
| Reacted         |                               | counted into `reactions`     |                         |
| Pinned          | a pin                         |                              |                         |
| Unpinned        | the pin is gone               |                              |                         |
| Reported        | a report                      |                              |                         |
| Overseen        |                               | events to this service       |                         |
| Audited         | a line of the audit log       |                              |                         |
| StageChanged    |                               | `stage` to all inside        |                         |
| QueueChanged    |                               | `queue` to all inside        |                         |
| AudienceChanged |                               | `audience` to all inside     |                         |
| PinsChanged     |                               | `pins` to all inside         |                         |
| HostAbsent      |                               |                              |                         |
| HostReturned    |                               |                              |                         |
| Ended           | over; stage, asks … empty     | `ended` to all inside        | all out, room closed    |

They stand in the order in which they are to be carried out. Ended is the last of its outcome, after at most
an Audited, and stands for everyone's leaving; the fan-out to push it to is the one before it.
When `on_time` has something to do says `SpaceState.deadline_us`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from signaling.rules.parts import Invitation, Note, OnStage, Pin, Post, Report, SpeakLink, Waiting
from signaling.rules.roles import Role, State
from signaling.rules.settings import Settings


@dataclass(frozen=True, slots=True)
class Opened:
    space: bytes
    settings: Settings
    host: str
    host_name: str


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    settings: Settings


@dataclass(frozen=True, slots=True)
class Entered:
    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Left:
    user: str


@dataclass(frozen=True, slots=True)
class WentAbsent:
    """The connection is lost; what they were is kept until `until_us`."""

    user: str
    until_us: int


@dataclass(frozen=True, slots=True)
class CameBack:
    """Who was absent is what they were."""

    user: str


@dataclass(frozen=True, slots=True)
class AbsenceOver:
    """Nothing is kept for somebody absent any more. `how`: left (the time is up) or removed."""

    user: str
    how: str


@dataclass(frozen=True, slots=True)
class SeatAdded:
    """A new stream begins: of who comes back in the seat they had, else under a number not freed just now."""

    seat: int
    user: str
    name: str
    role: Role
    muted: bool
    held: bool = False
    volume_pct: int = 100


@dataclass(frozen=True, slots=True)
class SeatChanged:
    """All of it as it is now. `mixed` is False for whose connection is lost: their seat is not in the mix."""

    seat: int
    user: str
    role: Role
    muted: bool
    held: bool = False
    volume_pct: int = 100
    mixed: bool = True


@dataclass(frozen=True, slots=True)
class SeatRemoved:
    """Out of the mix. `kept`: the connection is lost, and the place on stage stays theirs for a while."""

    seat: int
    user: str
    kept: bool = False


@dataclass(frozen=True, slots=True)
class PlaceGone:
    """A place on stage that was kept is no longer: its seat left the mix when the connection was lost."""

    seat: int
    user: str


@dataclass(frozen=True, slots=True)
class Spoke:
    """On stage for the first time."""

    user: str


@dataclass(frozen=True, slots=True)
class Asked:
    user: str
    name: str
    first_time: bool = True


@dataclass(frozen=True, slots=True)
class AskClosed:
    """`how`: admitted, declined, withdrawn, left or removed."""

    user: str
    how: str


@dataclass(frozen=True, slots=True)
class InviteAdded:
    invitation: Invitation


@dataclass(frozen=True, slots=True)
class InviteClosed:
    """`how`: accepted, refused, withdrawn, lapsed, left or removed."""

    user: str
    how: str


@dataclass(frozen=True, slots=True)
class LinkAdded:
    digest: bytes
    link: SpeakLink


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """`how`: used (by `user`), revoked or lapsed."""

    digest: bytes
    how: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Banned:
    user: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class Unbanned:
    user: str


@dataclass(frozen=True, slots=True)
class BlockedByHost:
    """`blocker`, whose Space it is, blocks `user` from all of theirs."""

    blocker: str
    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Removed:
    """`reason`: removed, or may_return. Somebody absent cannot be told: AbsenceOver stands for it."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoleChanged:
    user: str
    role: Role
    seat: int | None
    muted: bool


@dataclass(frozen=True, slots=True)
class HostChanged:
    """`how`: handed_over, absent (a co-host stands in) or returned."""

    host: str
    host_name: str
    how: str


@dataclass(frozen=True, slots=True)
class Posted:
    post: Post


@dataclass(frozen=True, slots=True)
class PostGone:
    post: int
    by: str


@dataclass(frozen=True, slots=True)
class NoteAdded:
    note: Note


@dataclass(frozen=True, slots=True)
class Reacted:
    user: str
    reaction: str


@dataclass(frozen=True, slots=True)
class Pinned:
    pin: Pin


@dataclass(frozen=True, slots=True)
class Unpinned:
    pin: int


@dataclass(frozen=True, slots=True)
class Reported:
    report: Report


@dataclass(frozen=True, slots=True)
class Overseen:
    service: str


@dataclass(frozen=True, slots=True)
class Audited:
    """`actor` did `action`, the word of an Action, to `target` if it has one."""

    actor: str
    action: str
    target: str = ""
    detail: str = ""


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
class PinsChanged:
    pins: tuple[Pin, ...]


@dataclass(frozen=True, slots=True)
class HostAbsent:
    """A co-host who is there stands in from `until_us` on."""

    until_us: int


@dataclass(frozen=True, slots=True)
class HostReturned:
    user: str


@dataclass(frozen=True, slots=True)
class Ended:
    """`reason`: host_ended, host_left, host_lost (timed out), service_ended, or what was given to `close`:
    server_stopping, internal, host_absent."""

    reason: str
    state: State = State.ENDED


Effect: TypeAlias = (
    Opened
    | SettingsChanged
    | Entered
    | Left
    | WentAbsent
    | CameBack
    | AbsenceOver
    | SeatAdded
    | SeatChanged
    | SeatRemoved
    | PlaceGone
    | Spoke
    | Asked
    | AskClosed
    | InviteAdded
    | InviteClosed
    | LinkAdded
    | LinkClosed
    | Banned
    | Unbanned
    | BlockedByHost
    | Removed
    | RoleChanged
    | HostChanged
    | Posted
    | PostGone
    | NoteAdded
    | Reacted
    | Pinned
    | Unpinned
    | Reported
    | Overseen
    | Audited
    | StageChanged
    | QueueChanged
    | AudienceChanged
    | PinsChanged
    | HostAbsent
    | HostReturned
    | Ended
)
