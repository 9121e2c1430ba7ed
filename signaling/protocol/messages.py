"""Every message of `spaces/1` as a frozen struct: `[tag, id or serial, fields…]` on the wire, in field order.

Requests 1..15 carry an `id` that the client chooses (1.., increasing). Replies 64..127 repeat it. Events
96..113 carry the `serial` of the Space, or 0 where they concern the connection. The limits that stand in the
types are checked when a message is decoded, not when a struct is made; see `signaling.protocol.wire`.
Fields are only ever added at the end and with a default, so that old and new peers understand each other.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from signaling.protocol.fields import (
    U8,
    U16,
    U32,
    Address,
    Cursor,
    DurationMs,
    Explanation,
    Figures,
    Name,
    PageSize,
    Reason,
    RequestId,
    Software,
    SpaceId,
    Title,
    Token,
    User,
    UserOrNone,
)

__all__ = [
    "EVENT_TYPES",
    "MAX_ROWS",
    "MESSAGE_NAMES",
    "REPLY_TYPES",
    "REQUEST_TYPES",
    "Admit",
    "Ask",
    "Audience",
    "Closing",
    "Decline",
    "Elsewhere",
    "End",
    "Ended",
    "Error",
    "Event",
    "FromServer",
    "Hello",
    "Join",
    "Joined",
    "Leave",
    "ListPeople",
    "ListSpaces",
    "LiveSpace",
    "Move",
    "Mute",
    "Ok",
    "Open",
    "People",
    "Person",
    "Queue",
    "Remove",
    "Removed",
    "Renew",
    "Reply",
    "Request",
    "Spaces",
    "Stage",
    "StageSeat",
    "TokenExpiring",
    "Unmute",
    "Welcome",
    "You",
]

# --- rows of lists; they are arrays without a tag ---------------------------------------------------------


class StageSeat(Struct, array_like=True, frozen=True):
    """Who holds which seat on stage. `role`: 1 speaker, 2 host. `seat` is the number in audio datagrams."""

    seat: U8
    user: User
    name: Name
    role: U8
    muted: bool


class Person(Struct, array_like=True, frozen=True):
    """A person in a Space: in the queue, or in the page that `people` answers with."""

    user: User
    name: Name


class LiveSpace(Struct, array_like=True, frozen=True):
    """A Space that is live now, as `list` answers. `people` counts everybody in it."""

    space: SpaceId
    title: Title
    host_name: Name
    people: U32


MAX_ROWS: Final = 100

StageRows = Annotated[list[StageSeat], Meta(max_length=MAX_ROWS)]
PersonRows = Annotated[list[Person], Meta(max_length=MAX_ROWS)]
LiveRows = Annotated[list[LiveSpace], Meta(max_length=MAX_ROWS)]


# --- requests: client to server ---------------------------------------------------------------------------


class Hello(Struct, array_like=True, tag=1, frozen=True):
    """The first message: who I am (a token) and what I can do. Answered by Welcome."""

    id: RequestId
    token: Token
    client: Software = ""
    name: Name = ""
    capabilities: Figures = {}


class Renew(Struct, array_like=True, tag=2, frozen=True):
    """A fresh token for the same subject. Answered by Ok."""

    id: RequestId
    token: Token


class Open(Struct, array_like=True, tag=3, frozen=True):
    """Open a Space and be its host. Answered by Joined."""

    id: RequestId
    title: Title


class ListSpaces(Struct, array_like=True, tag=4, frozen=True):
    """Which Spaces are live. `after` is the `more` of the page before. Answered by Spaces."""

    id: RequestId
    limit: PageSize = 50
    after: Cursor | None = None


class Join(Struct, array_like=True, tag=5, frozen=True):
    """Enter a Space, or get a fresh snapshot of the one I am in. Answered by Joined or Elsewhere."""

    id: RequestId
    space: SpaceId


class Leave(Struct, array_like=True, tag=6, frozen=True):
    """Leave the Space. Answered by Ok."""

    id: RequestId


class Ask(Struct, array_like=True, tag=7, frozen=True):
    """A listener asks to speak. Answered by Ok."""

    id: RequestId


class Admit(Struct, array_like=True, tag=8, frozen=True):
    """The host lets somebody who asked speak. Answered by Ok."""

    id: RequestId
    user: User


class Decline(Struct, array_like=True, tag=9, frozen=True):
    """The host takes somebody who asked off the queue. Answered by Ok."""

    id: RequestId
    user: User


class Mute(Struct, array_like=True, tag=10, frozen=True):
    """Silence oneself (empty `user`), or anyone on stage as the host. Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""


class Unmute(Struct, array_like=True, tag=11, frozen=True):
    """Speak again. Only oneself: `user` is empty or one's own. Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""


class Move(Struct, array_like=True, tag=12, frozen=True):
    """From the stage to the listeners: oneself (empty `user`), or a speaker as the host. Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""


class Remove(Struct, array_like=True, tag=13, frozen=True):
    """The host removes somebody from the Space for good. Answered by Ok."""

    id: RequestId
    user: User


class End(Struct, array_like=True, tag=14, frozen=True):
    """The host ends the Space for everybody. Answered by Ok."""

    id: RequestId


class ListPeople(Struct, array_like=True, tag=15, frozen=True):
    """Who is in the Space, by user id. `after` is the `more` of the page before. Answered by People."""

    id: RequestId
    after: UserOrNone = ""
    limit: PageSize = 100


# --- replies: server to client, each answers the request with the same id ---------------------------------


class Welcome(Struct, array_like=True, tag=64, frozen=True):
    """Answers Hello. `token_expires_ms` is the time left, not a date; `token` was minted here, or is ""."""

    id: RequestId
    user: User
    name: Name
    token_expires_ms: DurationMs
    token: Token = ""
    limits: Figures = {}
    capabilities: Figures = {}


class Ok(Struct, array_like=True, tag=65, frozen=True):
    """Done, nothing to tell."""

    id: RequestId


class Joined(Struct, array_like=True, tag=66, frozen=True):
    """The state of the Space one is now in; it holds at event number `serial`.

    `waiting` is the whole length of the queue, of which `queue` holds what fits (`wire.fit_rows`).
    """

    id: RequestId
    space: SpaceId
    title: Title
    role: U8
    seat: U8 | None
    serial: U32
    stage: StageRows
    queue: PersonRows = []
    audience: U32 = 0
    waiting: U32 = 0


class Spaces(Struct, array_like=True, tag=67, frozen=True):
    """One page of live Spaces; `more` is None on the last."""

    id: RequestId
    spaces: LiveRows
    more: Cursor | None = None


class Elsewhere(Struct, array_like=True, tag=68, frozen=True):
    """The Space lives on another node: join it there. `address` is `host:port`."""

    id: RequestId
    address: Address


class People(Struct, array_like=True, tag=69, frozen=True):
    """One page of people in the Space; `more` is empty on the last."""

    id: RequestId
    people: PersonRows
    more: UserOrNone = ""


class Error(Struct, array_like=True, tag=127, frozen=True):
    """The request was refused and changed nothing. `code` is an ErrorCode, or one of a newer server."""

    id: RequestId
    code: U16
    message: Explanation = ""
    retry_after_ms: U32 = 0


# --- events: server to client, unasked --------------------------------------------------------------------


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


class You(Struct, array_like=True, tag=99, frozen=True):
    """Your own role, seat or mute has changed. Private: repeats the last serial, takes no new one."""

    serial: U32
    role: U8
    seat: U8 | None = None
    muted: bool = False


class Removed(Struct, array_like=True, tag=100, frozen=True):
    """You are out of the Space and may not come back. Private, as You."""

    serial: U32
    reason: Reason = ""


class Ended(Struct, array_like=True, tag=101, frozen=True):
    """The Space is over."""

    serial: U32
    reason: Reason = ""


class TokenExpiring(Struct, array_like=True, tag=112, frozen=True):
    """Your token ends in `in_ms`: send Renew before."""

    serial: U32
    in_ms: DurationMs


class Closing(Struct, array_like=True, tag=113, frozen=True):
    """The server will close this connection; come back after `reconnect_after_ms`."""

    serial: U32
    reason: Reason = ""
    reconnect_after_ms: U32 = 0


Request = (
    Hello
    | Renew
    | Open
    | ListSpaces
    | Join
    | Leave
    | Ask
    | Admit
    | Decline
    | Mute
    | Unmute
    | Move
    | Remove
    | End
    | ListPeople
)
Reply = Welcome | Ok | Joined | Spaces | Elsewhere | People | Error
Event = Stage | Queue | Audience | You | Removed | Ended | TokenExpiring | Closing
FromServer = Reply | Event

REQUEST_TYPES: Final[tuple[type[Request], ...]] = (
    Hello, Renew, Open, ListSpaces, Join, Leave, Ask, Admit, Decline, Mute, Unmute, Move, Remove, End,
    ListPeople,
)  # fmt: skip
REPLY_TYPES: Final[tuple[type[Reply], ...]] = (Welcome, Ok, Joined, Spaces, Elsewhere, People, Error)
EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    Stage, Queue, Audience, You, Removed, Ended, TokenExpiring, Closing,
)  # fmt: skip

_OTHER_NAMES = {ListSpaces: "list", ListPeople: "people", TokenExpiring: "token_expiring"}

# The names that the specification uses; request and reply `people` differ by their direction.
MESSAGE_NAMES: Final[dict[type[Struct], str]] = {
    kind: _OTHER_NAMES.get(kind, kind.__name__.lower())
    for kind in (*REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES)
}
