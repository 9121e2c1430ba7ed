"""Events: server to client, unasked. `serial` numbers those of a Space, 0 for those of the connection."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import (
    U8,
    U32,
    DurationMs,
    EpochMs,
    Figures,
    Name,
    Reason,
    Seats,
    SpaceId,
    Title,
    User,
)
from signaling.protocol.messages.rows import (
    Bubble,
    NoteRow,
    PersonRows,
    PinRows,
    PostRow,
    SpaceSettings,
    StageRows,
)

__all__ = [
    "Answered",
    "Audience",
    "BubbleChanged",
    "BubbleGone",
    "Closing",
    "Ended",
    "Invited",
    "Noted",
    "Notice",
    "Pins",
    "PostAdded",
    "PostDeleted",
    "Queue",
    "Reactions",
    "Removed",
    "Settings",
    "Stage",
    "Talking",
    "TokenExpiring",
    "You",
]


class Stage(Struct, array_like=True, tag=96, frozen=True):
    """Everybody on stage, in full, in order of seat."""

    serial: U32
    stage: StageRows


class Queue(Struct, array_like=True, tag=97, frozen=True):
    """Who asks to speak, first come first; `waiting` counts all of them, `queue` holds those that fit."""

    serial: U32
    queue: PersonRows
    waiting: U32 = 0


class Audience(Struct, array_like=True, tag=98, frozen=True):
    """How many listen."""

    serial: U32
    count: U32


class Talking(Struct, array_like=True, tag=119, frozen=True):
    """Which seats are heard now, and which dominates. Private, as You: to services that oversee."""

    serial: U32
    seats: Seats
    dominant: U8 | None = None


class You(Struct, array_like=True, tag=99, frozen=True):
    """Your own role, seat or mute has changed. Private: repeats the last serial, takes no new one."""

    serial: U32
    role: U8
    seat: U8 | None = None
    muted: bool = False


class Removed(Struct, array_like=True, tag=100, frozen=True):
    """You were put out of the Space; `reason` says whether you may come back. Private, as You."""

    serial: U32
    reason: Reason = ""


class Ended(Struct, array_like=True, tag=101, frozen=True):
    """The Space is over."""

    serial: U32
    reason: Reason = ""


class Settings(Struct, array_like=True, tag=102, frozen=True):
    """Hosts changed what the Space is."""

    serial: U32
    settings: SpaceSettings


class PostAdded(Struct, array_like=True, tag=103, frozen=True):
    """Somebody posted."""

    serial: U32
    post: PostRow


class PostDeleted(Struct, array_like=True, tag=104, frozen=True):
    """A post was taken away."""

    serial: U32
    post: U32


class Noted(Struct, array_like=True, tag=105, frozen=True):
    """A private note to the hosts. Private, as You."""

    serial: U32
    note: NoteRow


class Reactions(Struct, array_like=True, tag=106, frozen=True):
    """How many reactions of each name came in the last second; names that nobody used are left out."""

    serial: U32
    counts: Figures


class Pins(Struct, array_like=True, tag=107, frozen=True):
    """What is pinned now, in full."""

    serial: U32
    pins: PinRows


class Invited(Struct, array_like=True, tag=108, frozen=True):
    """You are invited to speak: Accept or Refuse. `expires_in_ms` 0: it is taken back. Private, as You."""

    serial: U32
    user: User
    name: Name
    expires_in_ms: DurationMs


class Answered(Struct, array_like=True, tag=109, frozen=True):
    """Somebody took up or turned down an invitation. To the hosts; private, as You."""

    serial: U32
    user: User
    accepted: bool


class TokenExpiring(Struct, array_like=True, tag=112, frozen=True):
    """Your token ends in `in_ms`: send Renew before."""

    serial: U32
    in_ms: DurationMs


class Closing(Struct, array_like=True, tag=113, frozen=True):
    """The server will close this connection; come back after `reconnect_after_ms`."""

    serial: U32
    reason: Reason = ""
    reconnect_after_ms: U32 = 0


class BubbleChanged(Struct, array_like=True, tag=114, frozen=True):
    """A bubble is there, or is different."""

    serial: U32
    bubble: Bubble


class BubbleGone(Struct, array_like=True, tag=115, frozen=True):
    """A bubble is there no more."""

    serial: U32
    space: SpaceId


class Notice(Struct, array_like=True, tag=116, frozen=True):
    """Of a scheduled Space. `what`: 0 yours starts soon, 1 live now, 2 cancelled, 3 another time."""

    serial: U32
    what: U8
    space: SpaceId
    title: Title
    host_name: Name
    starts_ms: EpochMs = 0
