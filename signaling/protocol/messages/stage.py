"""Requests within a Space: its stage, its doors and who keeps order."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import (
    U32,
    BodyOrNone,
    Link,
    OneOfThree,
    OneOfTwo,
    PageSize,
    Percent,
    Reason,
    RequestId,
    SpaceId,
    Title,
    Topics,
    User,
    UserOrNone,
)

__all__ = [
    "Accept",
    "Admit",
    "Ask",
    "Change",
    "Decline",
    "Demote",
    "End",
    "HandOver",
    "Invite",
    "Leave",
    "ListAudit",
    "ListBans",
    "ListPeople",
    "ListTalkers",
    "Move",
    "Mute",
    "MuteAll",
    "Promote",
    "Refuse",
    "Remove",
    "Report",
    "Share",
    "Unban",
    "Uninvite",
    "Unmute",
    "Unshare",
    "Volume",
]


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
    """Silence oneself (empty `user`), or another as a host; `hold`: until a host lets go. Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""
    hold: bool = False


class Unmute(Struct, array_like=True, tag=11, frozen=True):
    """Speak again: oneself. A host who names another only lets go of a held mute. Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""


class Move(Struct, array_like=True, tag=12, frozen=True):
    """From the stage to the listeners: oneself (empty `user`), or a speaker as the host. Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""


class Remove(Struct, array_like=True, tag=13, frozen=True):
    """A host puts somebody out of the Space. Answered by Ok when nothing of them is heard any more.

    `how`: 0 they may come back, 1 not to this Space, 2 to no Space of the host. `refund`: what they paid
    for a ticket goes back to them; without it they are put out for cause.
    """

    id: RequestId
    user: User
    how: OneOfThree = 1
    refund: bool = True


class End(Struct, array_like=True, tag=14, frozen=True):
    """The host ends the Space for everybody. Answered by Ok."""

    id: RequestId


class ListPeople(Struct, array_like=True, tag=15, frozen=True):
    """Who is in the Space, by user id. `after` is the `more` of the page before. Answered by People."""

    id: RequestId
    after: UserOrNone = ""
    limit: PageSize = 100


class Change(Struct, array_like=True, tag=34, frozen=True):
    """A host changes the Space; nil leaves a field as it is. Answered by Ok."""

    id: RequestId
    title: Title | None = None
    topics: Topics | None = None
    who_may_speak: OneOfThree | None = None
    queue_order: OneOfTwo | None = None
    locked: bool | None = None


class Invite(Struct, array_like=True, tag=35, frozen=True):
    """A host invites a listener to speak. Answered by Ok."""

    id: RequestId
    user: User


class Uninvite(Struct, array_like=True, tag=36, frozen=True):
    """A host takes an invitation back. Answered by Ok."""

    id: RequestId
    user: User


class Accept(Struct, array_like=True, tag=37, frozen=True):
    """Take up an invitation: on stage, muted. Answered by Ok."""

    id: RequestId


class Refuse(Struct, array_like=True, tag=38, frozen=True):
    """Turn an invitation down. Answered by Ok."""

    id: RequestId


class Promote(Struct, array_like=True, tag=39, frozen=True):
    """The host makes somebody on stage a co-host. Answered by Ok."""

    id: RequestId
    user: User


class Demote(Struct, array_like=True, tag=40, frozen=True):
    """A co-host is a speaker again: the host names them, or they themselves (empty). Answered by Ok."""

    id: RequestId
    user: UserOrNone = ""


class HandOver(Struct, array_like=True, tag=41, frozen=True):
    """The host makes somebody on stage the host, and is a co-host or speaker from then on. Answered by Ok."""

    id: RequestId
    user: User


class MuteAll(Struct, array_like=True, tag=42, frozen=True):
    """A host mutes everybody on stage but the hosts; `hold` as in Mute. Answered by Ok."""

    id: RequestId
    hold: bool = False


class Volume(Struct, array_like=True, tag=43, frozen=True):
    """A host makes somebody on stage less loud for everybody; 100 as they are. Answered by Ok."""

    id: RequestId
    user: User
    volume_pct: Percent


class Unban(Struct, array_like=True, tag=44, frozen=True):
    """A host lets somebody who was banned come back. Answered by Ok."""

    id: RequestId
    user: User


class ListBans(Struct, array_like=True, tag=57, frozen=True):
    """Who may not come back, by user id. Answered by People."""

    id: RequestId
    after: UserOrNone = ""
    limit: PageSize = 100


class Report(Struct, array_like=True, tag=45, frozen=True):
    """Tell whoever runs the server about somebody here; `reason` is a word of a fixed set. Answered by Ok."""

    id: RequestId
    user: User
    reason: Reason
    text: BodyOrNone = ""


class ListAudit(Struct, array_like=True, tag=46, frozen=True):
    """Who did what, the latest first; `before` is the `more` of the page before. Answered by Audit.

    `space`: of which Space, also one that is over, for who had it; None: of the one I am in.
    """

    id: RequestId
    before: U32 = 0
    limit: PageSize = 50
    space: SpaceId | None = None


class ListTalkers(Struct, array_like=True, tag=135, frozen=True):
    """Who was heard for how long, who longest first. Answered by Talkers.

    `space`: of which Space, also one that is over, for who had it; None: of the one I am in.
    """

    id: RequestId
    space: SpaceId | None = None


class Share(Struct, array_like=True, tag=32, frozen=True):
    """A link to here. Answered by Shared.

    `form`: 0 to listen; 1 to speak, for hosts: good once and for `lifetime_s`, where 0 is the usual time.
    """

    id: RequestId
    form: OneOfTwo = 0
    lifetime_s: U32 = 0


class Unshare(Struct, array_like=True, tag=33, frozen=True):
    """A host revokes a link to speak. Answered by Ok."""

    id: RequestId
    link: Link
