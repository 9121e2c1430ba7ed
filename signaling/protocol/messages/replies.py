"""Replies: server to client, each answers the request with the same id."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import (
    U8,
    U16,
    U32,
    Address,
    Cursor,
    DurationMs,
    EpochMs,
    Explanation,
    Figures,
    Handle,
    Link,
    Name,
    RequestId,
    SpaceId,
    Title,
    Token,
    User,
    UserOrNone,
)
from signaling.protocol.messages.rows import (
    AuditRows,
    BubbleRows,
    LiveRows,
    NoteRows,
    PersonRows,
    PinRows,
    PlannedRows,
    PlannedSpace,
    PostRows,
    PriceRow,
    SpaceSettings,
    StageRows,
    TalkerRows,
)

__all__ = [
    "Audit",
    "Bubbles",
    "Created",
    "Elsewhere",
    "Error",
    "Joined",
    "Notes",
    "Ok",
    "Peeked",
    "People",
    "Planned",
    "Plans",
    "Posted",
    "Posts",
    "Profile",
    "Resumed",
    "Shared",
    "Spaces",
    "Talkers",
    "Welcome",
]


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
    `resume_ms`: how long after a lost connection `resume` works. `invited`: an invitation to speak is open.
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
    host: UserOrNone = ""
    settings: SpaceSettings | None = None
    pins: PinRows = []
    resume_ms: U32 = 0
    invited: bool = False
    price: PriceRow | None = None


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


class Resumed(Struct, array_like=True, tag=70, frozen=True):
    """One is back as what one was; the events from `serial` + 1 follow."""

    id: RequestId
    space: SpaceId
    serial: U32
    role: U8
    seat: U8 | None = None
    muted: bool = False


class Profile(Struct, array_like=True, tag=71, frozen=True):
    """Who somebody is. `follows`, `follows_me`, `blocked`: between me and them; `since_ms`: with us since."""

    id: RequestId
    user: User
    name: Name
    handle: Handle = ""
    followers: U32 = 0
    following: U32 = 0
    since_ms: EpochMs = 0
    follows: bool = False
    follows_me: bool = False
    blocked: bool = False


class Bubbles(Struct, array_like=True, tag=72, frozen=True):
    """The live Spaces of those one follows: most of them on stage first, then the largest."""

    id: RequestId
    bubbles: BubbleRows
    subscribed: bool = False


class Peeked(Struct, array_like=True, tag=73, frozen=True):
    """A Space from outside. `state`: 0 scheduled, 1 live, 2 ended, 3 cancelled, 4 timed out."""

    id: RequestId
    space: SpaceId
    settings: SpaceSettings
    state: U8
    host: User
    host_name: Name
    stage: StageRows = []
    people: U32 = 0
    starts_ms: EpochMs = 0
    reminded: bool = False
    price: PriceRow | None = None


class Planned(Struct, array_like=True, tag=74, frozen=True):
    """A scheduled Space as it is now."""

    id: RequestId
    planned: PlannedSpace


class Plans(Struct, array_like=True, tag=75, frozen=True):
    """One page of scheduled Spaces; `more` is None on the last."""

    id: RequestId
    plans: PlannedRows
    more: Cursor | None = None


class Shared(Struct, array_like=True, tag=76, frozen=True):
    """A link; `expires_in_ms` is 0 where it does not expire."""

    id: RequestId
    link: Link
    expires_in_ms: DurationMs = 0


class Audit(Struct, array_like=True, tag=77, frozen=True):
    """One page of what was done; `more` is 0 on the last."""

    id: RequestId
    entries: AuditRows
    more: U32 = 0


class Talkers(Struct, array_like=True, tag=93, frozen=True):
    """Who was heard, who longest first; `people` counts also those that do not fit."""

    id: RequestId
    talkers: TalkerRows
    people: U32 = 0
    heard_ms: DurationMs = 0


class Posted(Struct, array_like=True, tag=78, frozen=True):
    """The number of the new post."""

    id: RequestId
    post: U32


class Posts(Struct, array_like=True, tag=79, frozen=True):
    """One page of posts; `more` is 0 on the last."""

    id: RequestId
    posts: PostRows
    more: U32 = 0


class Notes(Struct, array_like=True, tag=80, frozen=True):
    """One page of notes; `more` is 0 on the last."""

    id: RequestId
    notes: NoteRows
    more: U32 = 0


class Created(Struct, array_like=True, tag=81, frozen=True):
    """The id of the new Space."""

    id: RequestId
    space: SpaceId


class Error(Struct, array_like=True, tag=127, frozen=True):
    """The request was refused and changed nothing. `code` is an ErrorCode, or one of a newer server."""

    id: RequestId
    code: U16
    message: Explanation = ""
    retry_after_ms: U32 = 0
