"""Requests about oneself and others: who I am, whom I follow and block."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import (
    Figures,
    Handle,
    Name,
    OneOfThree,
    PageSize,
    RequestId,
    Software,
    Token,
    User,
    UserOrNone,
)

__all__ = [
    "Block",
    "Follow",
    "GetProfile",
    "Hello",
    "ListFollows",
    "Renew",
    "SetProfile",
    "Unblock",
    "Unfollow",
]


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


class Follow(Struct, array_like=True, tag=17, frozen=True):
    """Follow somebody, by user id or @handle. Answered by Ok."""

    id: RequestId
    user: User


class Unfollow(Struct, array_like=True, tag=18, frozen=True):
    """Follow somebody no more. Answered by Ok."""

    id: RequestId
    user: User


class Block(Struct, array_like=True, tag=19, frozen=True):
    """Neither sees the other's Spaces any more, nor follows. Answered by Ok."""

    id: RequestId
    user: User


class Unblock(Struct, array_like=True, tag=20, frozen=True):
    """Take a block back. Answered by Ok."""

    id: RequestId
    user: User


class ListFollows(Struct, array_like=True, tag=21, frozen=True):
    """`which`: 0 whom I follow, 1 who follows me, 2 whom I block; by user id. Answered by People."""

    id: RequestId
    which: OneOfThree = 0
    after: UserOrNone = ""
    limit: PageSize = 100


class GetProfile(Struct, array_like=True, tag=22, frozen=True):
    """Who somebody is, by user id or @handle; empty for oneself. Answered by Profile."""

    id: RequestId
    user: UserOrNone = ""


class SetProfile(Struct, array_like=True, tag=23, frozen=True):
    """Set my name or handle; empty leaves it as it is. Answered by Profile."""

    id: RequestId
    name: Name = ""
    handle: Handle = ""
