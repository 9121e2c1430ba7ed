"""Requests within a Space: posts, notes, reactions and pinned items."""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import U32, Body, PageSize, PinText, Reaction, RequestId

__all__ = [
    "DeletePost",
    "ListNotes",
    "ListPosts",
    "Note",
    "Pin",
    "Post",
    "React",
    "Unpin",
]


class Post(Struct, array_like=True, tag=47, frozen=True):
    """Say something in writing to everybody here; `reply_to` is another post, or 0. Answered by Posted."""

    id: RequestId
    text: Body
    reply_to: U32 = 0


class DeletePost(Struct, array_like=True, tag=48, frozen=True):
    """Take a post away: one's own, or any as a host. Answered by Ok."""

    id: RequestId
    post: U32


class ListPosts(Struct, array_like=True, tag=49, frozen=True):
    """Posts, the latest first; `before` is the `more` of the page before. Answered by Posts."""

    id: RequestId
    before: U32 = 0
    limit: PageSize = 50


class Note(Struct, array_like=True, tag=50, frozen=True):
    """A private word to the hosts. Answered by Ok."""

    id: RequestId
    text: Body


class ListNotes(Struct, array_like=True, tag=51, frozen=True):
    """Notes to the hosts, the latest first. Answered by Notes."""

    id: RequestId
    before: U32 = 0
    limit: PageSize = 50


class React(Struct, array_like=True, tag=52, frozen=True):
    """One of `signaling.protocol.terms.REACTIONS`. Answered by Ok."""

    id: RequestId
    reaction: Reaction


class Pin(Struct, array_like=True, tag=53, frozen=True):
    """A host pins something for all to see. Answered by Ok."""

    id: RequestId
    text: PinText


class Unpin(Struct, array_like=True, tag=54, frozen=True):
    """A host takes a pinned item away. Answered by Ok."""

    id: RequestId
    pin: U32
