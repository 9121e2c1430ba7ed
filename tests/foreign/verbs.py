"""Every request that the client makes, by the name that the page gives it."""

from __future__ import annotations

from typing import Any

from tests.foreign.numbers import Reply, Request
from tests.foreign.room import item
from tests.foreign.wire import Message

MAY_RETURN, BAN, BLOCK = 0, 1, 2
FOLLOWED, FOLLOWERS, BLOCKED = 0, 1, 2


class Verbs:
    """Requests as coroutines. Whoever inherits sends them with `request`, which raises what is refused."""

    async def request(self, number: int, *fields: Any) -> Message:
        """Send a request and wait for its answer."""
        raise NotImplementedError

    async def renew(self, token: str) -> None:
        """Give a fresh token for the same subject."""
        await self.request(Request.RENEW, token)

    # finding Spaces

    async def list_spaces(self, text: str = "", topic: str = "") -> list[Message]:
        """All live Spaces: rows of space, title, host_name, people, and what may follow."""
        rows: list[Message] = []
        after: bytes | None = None
        while True:
            answer = await self.request(Request.LIST, 50, after, text, topic)
            rows += answer[2]
            after = item(answer, 3, None)
            if after is None:
                return rows

    async def peek(self, space: bytes) -> Message:
        """Look at a Space from outside: space, settings, state, host, host_name, stage, people, …"""
        return (await self.request(Request.PEEK, space))[2:]

    async def share(self, *, speak: bool = False, lifetime_s: int = 0) -> str:
        """A link to the Space I am in."""
        return str((await self.request(Request.SHARE, int(speak), lifetime_s))[2])

    async def unshare(self, link: str) -> None:
        """Revoke a link to speak."""
        await self.request(Request.UNSHARE, link)

    async def schedule(self, title: str, starts_ms: int, topics: list[str]) -> Message:
        """Announce a Space: its row of `plans`."""
        return list((await self.request(Request.SCHEDULE, title, starts_ms, topics))[2])

    async def cancel(self, space: bytes) -> None:
        """Call a scheduled Space off."""
        await self.request(Request.CANCEL, space)

    async def planned(self, host: str = "") -> list[Message]:
        """The first page of scheduled Spaces."""
        return list((await self.request(Request.LIST_PLANNED, host))[2])

    async def remind(self, space: bytes, *, on: bool = True) -> None:
        """Be told of a scheduled Space, or no more."""
        await self.request(Request.REMIND, space, on)

    async def create(self, host: str, title: str) -> bytes:
        """For a service: open a Space for a host who is not here yet; its id."""
        return bytes((await self.request(Request.CREATE, host, title))[2])

    # people

    async def follow(self, user: str) -> None:
        """Follow somebody, by id or @handle."""
        await self.request(Request.FOLLOW, user)

    async def unfollow(self, user: str) -> None:
        """Follow somebody no more."""
        await self.request(Request.UNFOLLOW, user)

    async def block(self, user: str) -> None:
        """Block somebody."""
        await self.request(Request.BLOCK, user)

    async def unblock(self, user: str) -> None:
        """Take a block back."""
        await self.request(Request.UNBLOCK, user)

    async def follows(self, which: int = FOLLOWED) -> list[str]:
        """User ids: whom I follow, who follows me, or whom I block."""
        return await self._users(Request.LIST_FOLLOWS, which)

    async def profile(self, user: str = "") -> Message:
        """Who somebody is: user, name, handle, followers, following, since_ms, follows, follows_me, …"""
        return (await self.request(Request.GET_PROFILE, user))[2:]

    async def set_profile(self, name: str = "", handle: str = "") -> Message:
        """Set my name or handle; the answer is as of `profile`."""
        return (await self.request(Request.SET_PROFILE, name, handle))[2:]

    # the stage

    async def ask(self) -> None:
        """Ask to speak."""
        await self.request(Request.ASK)

    async def admit(self, user: str) -> None:
        """Let somebody who asked speak."""
        await self.request(Request.ADMIT, user)

    async def decline(self, user: str) -> None:
        """Take somebody off the queue; my own id withdraws."""
        await self.request(Request.DECLINE, user)

    async def invite(self, user: str) -> None:
        """Invite a listener to speak."""
        await self.request(Request.INVITE, user)

    async def accept(self) -> None:
        """Take up an invitation."""
        await self.request(Request.ACCEPT)

    async def refuse(self) -> None:
        """Turn an invitation down."""
        await self.request(Request.REFUSE)

    async def promote(self, user: str) -> None:
        """Make a speaker a co-host."""
        await self.request(Request.PROMOTE, user)

    async def mute(self, user: str = "", *, hold: bool = False) -> None:
        """Silence a voice; mine if no other is named."""
        await self.request(Request.MUTE, user, hold)

    async def unmute(self, user: str = "") -> None:
        """Speak again; or let go of the held mute of another."""
        await self.request(Request.UNMUTE, user)

    async def move(self, user: str = "") -> None:
        """Back from the stage to the listeners."""
        await self.request(Request.MOVE, user)

    # order

    async def change(self, **fields: Any) -> None:
        """Change what the Space is; what is not named stays."""
        order = ("title", "topics", "who_may_speak", "queue_order", "locked")
        await self.request(Request.CHANGE, *(fields.get(name) for name in order))

    async def remove(self, user: str, how: int = BAN) -> None:
        """Put somebody out of the Space."""
        await self.request(Request.REMOVE, user, how)

    async def bans(self) -> list[str]:
        """User ids of those who may not come back."""
        return await self._users(Request.LIST_BANS)

    async def audit(self) -> list[Message]:
        """The first page of what was done to keep order: entry, at_ms, actor, action, target, detail."""
        return list((await self.request(Request.LIST_AUDIT))[2])

    async def talkers(self) -> list[Message]:
        """Who was heard how long: rows of user, name, talk_ms, turns, talking."""
        return list((await self.request(Request.LIST_TALKERS))[2])

    async def end(self) -> None:
        """End the Space for everybody."""
        await self.request(Request.END)

    async def people(self) -> list[Message]:
        """Everybody in the Space: rows of user, name."""
        rows: list[Message] = []
        after = ""
        while True:
            answer = await self.request(Request.PEOPLE, after)
            rows += answer[2]
            after = item(answer, 3, "")
            if not after:
                return rows

    # writing

    async def post(self, text: str, reply_to: int = 0) -> int:
        """Say something in writing; its number."""
        return int((await self.request(Request.POST, text, reply_to))[2])

    async def delete_post(self, post: int) -> None:
        """Take a post away."""
        await self.request(Request.DELETE_POST, post)

    async def posts(self) -> list[Message]:
        """All posts, the latest first."""
        rows: list[Message] = []
        before = 0
        while True:
            answer = await self.request(Request.LIST_POSTS, before)
            rows += answer[2]
            before = item(answer, 3, 0)
            if not before:
                return rows

    async def note(self, text: str) -> None:
        """A private word to the hosts."""
        await self.request(Request.NOTE, text)

    async def react(self, reaction: str) -> None:
        """React."""
        await self.request(Request.REACT, reaction)

    async def pin(self, text: str) -> None:
        """Pin something for all to see."""
        await self.request(Request.PIN, text)

    async def _users(self, number: int, *fields: Any) -> list[str]:
        """User ids of all pages of a list whose `after` comes next."""
        users: list[str] = []
        after = ""
        while True:
            answer = await self.request(number, *fields, after)
            if answer[0] != Reply.PEOPLE:
                raise TypeError(f"a list of people was answered with message {answer[0]}")
            users += [row[0] for row in answer[2]]
            after = item(answer, 3, "")
            if not after:
                return users
