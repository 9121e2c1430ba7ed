"""Talk in a Space beside the voices: posts, notes to the hosts, reactions, pinned items."""

from __future__ import annotations

from signaling.client.asking import Asking, gather
from signaling.protocol.messages import (
    DeletePost,
    ListNotes,
    ListPosts,
    Note,
    NoteRow,
    Notes,
    Pin,
    PinRow,
    Post,
    Posted,
    PostRow,
    Posts,
    React,
    Unpin,
)

__all__ = ["TalkVerbs"]


class TalkVerbs(Asking):
    """Part of Space. Who writes too often is refused with `too_often`, and when to try again."""

    async def post(self, text: str, *, reply_to: int | PostRow = 0) -> int:
        """Say something in writing to everybody; returns the number of the post."""
        answered = reply_to if isinstance(reply_to, int) else reply_to.post
        return (await self._get(lambda number: Post(number, text, answered), Posted)).post

    async def delete_post(self, post: int | PostRow) -> None:
        """Take a post away: one's own, or any (hosts)."""
        which = post if isinstance(post, int) else post.post
        await self._do(lambda number: DeletePost(number, which))

    async def posts(self, most: int = 50) -> list[PostRow]:
        """The posts, the latest first; also those from before I came."""

        async def page(before: int, limit: int) -> tuple[list[PostRow], int]:
            reply = await self._get(lambda number: ListPosts(number, before, limit), Posts)
            return reply.posts, reply.more

        return await gather(page, 0, most)

    async def note(self, text: str) -> None:
        """A private word to the hosts."""
        await self._do(lambda number: Note(number, text))

    async def notes(self, most: int = 50) -> list[NoteRow]:
        """What was noted to the hosts, the latest first (hosts)."""

        async def page(before: int, limit: int) -> tuple[list[NoteRow], int]:
            reply = await self._get(lambda number: ListNotes(number, before, limit), Notes)
            return reply.notes, reply.more

        return await gather(page, 0, most)

    async def react(self, reaction: str) -> None:
        """One of the protocol's reactions: heart, laugh, clap, fire, hundred, wave, sad, surprised."""
        await self._do(lambda number: React(number, reaction))

    async def pin(self, text: str) -> None:
        """Pin something for all to see (hosts)."""
        await self._do(lambda number: Pin(number, text))

    async def unpin(self, pin: int | PinRow) -> None:
        """Take a pinned item away (hosts)."""
        which = pin if isinstance(pin, int) else pin.pin
        await self._do(lambda number: Unpin(number, which))
