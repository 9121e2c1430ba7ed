"""Every message of `spaces/1` as a frozen struct: `[tag, id or serial, fields…]` on the wire, in field order.

Requests 1..57 carry an `id` that the client chooses (1.., increasing). Replies 64..127 repeat it. Events
96..116 carry the `serial` of the Space, or 0 where they concern the connection. The limits that stand in the
types are checked when a message is decoded, not when a struct is made; see `signaling.protocol.wire`.
Fields are only ever added at the end and with a default, so that old and new peers understand each other.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from signaling.protocol.messages.account import (
    Block,
    Follow,
    GetProfile,
    Hello,
    ListFollows,
    Renew,
    SetProfile,
    Unblock,
    Unfollow,
)
from signaling.protocol.messages.discovery import (
    Cancel,
    Create,
    Join,
    ListPlanned,
    ListSpaces,
    Open,
    Oversee,
    Peek,
    Remind,
    Reschedule,
    Resume,
    Schedule,
    Start,
    Timeline,
)
from signaling.protocol.messages.events import (
    Answered,
    Audience,
    BubbleChanged,
    BubbleGone,
    Closing,
    Ended,
    Invited,
    Noted,
    Notice,
    Pins,
    PostAdded,
    PostDeleted,
    Queue,
    Reactions,
    Removed,
    Settings,
    Stage,
    TokenExpiring,
    You,
)
from signaling.protocol.messages.replies import (
    Audit,
    Bubbles,
    Created,
    Elsewhere,
    Error,
    Joined,
    Notes,
    Ok,
    Peeked,
    People,
    Planned,
    Plans,
    Posted,
    Posts,
    Profile,
    Resumed,
    Shared,
    Spaces,
    Welcome,
)
from signaling.protocol.messages.rows import (
    MAX_ROWS,
    AuditRow,
    AuditRows,
    Bubble,
    BubbleRows,
    LiveRows,
    LiveSpace,
    NoteRow,
    NoteRows,
    Person,
    PersonRows,
    PinRow,
    PinRows,
    PlannedRows,
    PlannedSpace,
    PostRow,
    PostRows,
    SpaceSettings,
    StageRows,
    StageSeat,
)
from signaling.protocol.messages.stage import (
    Accept,
    Admit,
    Ask,
    Change,
    Decline,
    Demote,
    End,
    HandOver,
    Invite,
    Leave,
    ListAudit,
    ListBans,
    ListPeople,
    Move,
    Mute,
    MuteAll,
    Promote,
    Refuse,
    Remove,
    Report,
    Share,
    Unban,
    Uninvite,
    Unmute,
    Unshare,
    Volume,
)
from signaling.protocol.messages.talk import DeletePost, ListNotes, ListPosts, Note, Pin, Post, React, Unpin

__all__ = [
    "EVENT_TYPES",
    "MAX_ROWS",
    "MESSAGE_NAMES",
    "REPLY_TYPES",
    "REQUEST_TYPES",
    "Accept",
    "Admit",
    "Answered",
    "Ask",
    "Audience",
    "Audit",
    "AuditRow",
    "AuditRows",
    "Block",
    "Bubble",
    "BubbleChanged",
    "BubbleGone",
    "BubbleRows",
    "Bubbles",
    "Cancel",
    "Change",
    "Closing",
    "Create",
    "Created",
    "Decline",
    "DeletePost",
    "Demote",
    "Elsewhere",
    "End",
    "Ended",
    "Error",
    "Event",
    "Follow",
    "FromServer",
    "GetProfile",
    "HandOver",
    "Hello",
    "Invite",
    "Invited",
    "Join",
    "Joined",
    "Leave",
    "ListAudit",
    "ListBans",
    "ListFollows",
    "ListNotes",
    "ListPeople",
    "ListPlanned",
    "ListPosts",
    "ListSpaces",
    "LiveRows",
    "LiveSpace",
    "Move",
    "Mute",
    "MuteAll",
    "Note",
    "NoteRow",
    "NoteRows",
    "Noted",
    "Notes",
    "Notice",
    "Ok",
    "Open",
    "Oversee",
    "Peek",
    "Peeked",
    "People",
    "Person",
    "PersonRows",
    "Pin",
    "PinRow",
    "PinRows",
    "Pins",
    "Planned",
    "PlannedRows",
    "PlannedSpace",
    "Plans",
    "Post",
    "PostAdded",
    "PostDeleted",
    "PostRow",
    "PostRows",
    "Posted",
    "Posts",
    "Profile",
    "Promote",
    "Queue",
    "React",
    "Reactions",
    "Refuse",
    "Remind",
    "Remove",
    "Removed",
    "Renew",
    "Reply",
    "Report",
    "Request",
    "Reschedule",
    "Resume",
    "Resumed",
    "Schedule",
    "SetProfile",
    "Settings",
    "Share",
    "Shared",
    "SpaceSettings",
    "Spaces",
    "Stage",
    "StageRows",
    "StageSeat",
    "Start",
    "Timeline",
    "TokenExpiring",
    "Unban",
    "Unblock",
    "Unfollow",
    "Uninvite",
    "Unmute",
    "Unpin",
    "Unshare",
    "Volume",
    "Welcome",
    "You",
]

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
    | Resume
    | Follow
    | Unfollow
    | Block
    | Unblock
    | ListFollows
    | GetProfile
    | SetProfile
    | Timeline
    | Peek
    | Schedule
    | Reschedule
    | Cancel
    | ListPlanned
    | Start
    | Remind
    | Share
    | Unshare
    | Change
    | Invite
    | Uninvite
    | Accept
    | Refuse
    | Promote
    | Demote
    | HandOver
    | MuteAll
    | Volume
    | Unban
    | Report
    | ListAudit
    | Post
    | DeletePost
    | ListPosts
    | Note
    | ListNotes
    | React
    | Pin
    | Unpin
    | Oversee
    | Create
    | ListBans
)
Reply = (
    Welcome
    | Ok
    | Joined
    | Spaces
    | Elsewhere
    | People
    | Resumed
    | Profile
    | Bubbles
    | Peeked
    | Planned
    | Plans
    | Shared
    | Audit
    | Posted
    | Posts
    | Notes
    | Created
    | Error
)
Event = (
    Stage
    | Queue
    | Audience
    | You
    | Removed
    | Ended
    | Settings
    | PostAdded
    | PostDeleted
    | Noted
    | Reactions
    | Pins
    | Invited
    | Answered
    | TokenExpiring
    | Closing
    | BubbleChanged
    | BubbleGone
    | Notice
)
FromServer = Reply | Event

REQUEST_TYPES: Final[tuple[type[Request], ...]] = (
    Hello, Renew, Open, ListSpaces, Join, Leave, Ask, Admit, Decline, Mute, Unmute, Move, Remove, End,
    ListPeople, Resume, Follow, Unfollow, Block, Unblock, ListFollows, GetProfile, SetProfile, Timeline,
    Peek, Schedule, Reschedule, Cancel, ListPlanned, Start, Remind, Share, Unshare, Change, Invite,
    Uninvite, Accept, Refuse, Promote, Demote, HandOver, MuteAll, Volume, Unban, Report, ListAudit, Post,
    DeletePost, ListPosts, Note, ListNotes, React, Pin, Unpin, Oversee, Create, ListBans,
)  # fmt: skip
REPLY_TYPES: Final[tuple[type[Reply], ...]] = (
    Welcome, Ok, Joined, Spaces, Elsewhere, People, Resumed, Profile, Bubbles, Peeked, Planned, Plans,
    Shared, Audit, Posted, Posts, Notes, Created, Error,
)  # fmt: skip
EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    Stage, Queue, Audience, You, Removed, Ended, Settings, PostAdded, PostDeleted, Noted, Reactions, Pins,
    Invited, Answered, TokenExpiring, Closing, BubbleChanged, BubbleGone, Notice,
)  # fmt: skip

_OTHER_NAMES = {ListSpaces: "list", ListPeople: "people"}

# The names that the specification uses: ListSpaces is `list`, HandOver `hand_over`; request and reply
# `people` differ by their direction.
MESSAGE_NAMES: Final[dict[type[Struct], str]] = {
    kind: _OTHER_NAMES.get(kind, re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower())
    for kind in (*REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES)
}
