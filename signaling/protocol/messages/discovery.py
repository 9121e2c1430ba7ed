"""Requests about Spaces one is not in: finding, planning, opening and entering them."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import (
    U32,
    Cursor,
    EpochMs,
    Kind,
    OneOfThree,
    PageSize,
    Query,
    RequestId,
    Secret,
    SpaceId,
    Title,
    Topics,
    User,
    UserOrNone,
)

__all__ = [
    "Cancel",
    "Create",
    "Join",
    "ListPlanned",
    "ListSpaces",
    "Open",
    "Oversee",
    "Peek",
    "Remind",
    "Reschedule",
    "Resume",
    "Schedule",
    "Start",
    "Timeline",
]


class Open(Struct, array_like=True, tag=3, frozen=True):
    """Open a Space and be its host. Answered by Joined.

    `who_may_speak`: 0 everyone, 1 people the host follows, 2 only invited. `kind`: a word of the operator's.
    """

    id: RequestId
    title: Title
    topics: Topics = []
    who_may_speak: OneOfThree = 0
    kind: Kind = ""


class ListSpaces(Struct, array_like=True, tag=4, frozen=True):
    """Which Spaces are live; with `text` in the title and about `topic`, where these are given.

    `after` is the `more` of the page before. Answered by Spaces.
    """

    id: RequestId
    limit: PageSize = 50
    after: Cursor | None = None
    text: Query = ""
    topic: Query = ""


class Join(Struct, array_like=True, tag=5, frozen=True):
    """Enter a Space, or get a fresh snapshot of the one I am in. Answered by Joined or Elsewhere.

    `invite` is the secret of a link that lets me speak, 16 bytes; empty without one.
    """

    id: RequestId
    space: SpaceId
    invite: Secret = b""


class Resume(Struct, array_like=True, tag=16, frozen=True):
    """Come back after a lost connection, as what one was; `serial` is the last event seen.

    Answered by Resumed and then the events since, or by Joined where they are no longer kept.
    """

    id: RequestId
    space: SpaceId
    serial: U32


class Timeline(Struct, array_like=True, tag=24, frozen=True):
    """The bubbles; with `subscribe` also every change of them from now on. Answered by Bubbles."""

    id: RequestId
    subscribe: bool = True


class Peek(Struct, array_like=True, tag=25, frozen=True):
    """Look at a Space without being in it. Answered by Peeked."""

    id: RequestId
    space: SpaceId


class Schedule(Struct, array_like=True, tag=26, frozen=True):
    """Announce a Space of mine; `starts_ms` since the epoch. Answered by Planned."""

    id: RequestId
    title: Title
    starts_ms: EpochMs
    topics: Topics = []
    kind: Kind = ""
    who_may_speak: OneOfThree = 0


class Reschedule(Struct, array_like=True, tag=27, frozen=True):
    """Another time for a scheduled Space of mine. Answered by Planned."""

    id: RequestId
    space: SpaceId
    starts_ms: EpochMs


class Cancel(Struct, array_like=True, tag=28, frozen=True):
    """Call a scheduled Space of mine off. Answered by Ok."""

    id: RequestId
    space: SpaceId


class ListPlanned(Struct, array_like=True, tag=29, frozen=True):
    """Scheduled Spaces, the next first: of `host`; empty: mine and of those I follow. Answered by Plans."""

    id: RequestId
    host: UserOrNone = ""
    limit: PageSize = 50
    after: Cursor | None = None


class Start(Struct, array_like=True, tag=30, frozen=True):
    """Begin a scheduled Space of mine. Answered by Joined."""

    id: RequestId
    space: SpaceId


class Remind(Struct, array_like=True, tag=31, frozen=True):
    """Tell me when a scheduled Space starts, moves or is cancelled; or no more. Answered by Ok."""

    id: RequestId
    space: SpaceId
    on: bool = True


class Oversee(Struct, array_like=True, tag=55, frozen=True):
    """For a service: act on this Space from here on without being in it. Answered by Joined."""

    id: RequestId
    space: SpaceId


class Create(Struct, array_like=True, tag=56, frozen=True):
    """For a service: open a Space for a host who is not here yet. Answered by Created."""

    id: RequestId
    host: User
    title: Title
    topics: Topics = []
    kind: Kind = ""
    who_may_speak: OneOfThree = 0
