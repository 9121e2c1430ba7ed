"""People, as a client sees them: follows, blocks, profiles."""

from __future__ import annotations

from signaling.client.asking import Asking, gather
from signaling.client.names import WhichPeople, Who, people_number, user_id
from signaling.protocol.messages import (
    Block,
    Follow,
    GetProfile,
    ListFollows,
    People,
    Person,
    Profile,
    SetProfile,
    Unblock,
    Unfollow,
)

__all__ = ["PeopleVerbs"]


class PeopleVerbs(Asking):
    """Part of Client. People are named by user id or @handle."""

    async def follow(self, user: Who) -> None:
        """Follow somebody: the Spaces in which they are on stage are in my timeline. Twice is harmless."""
        await self._do(lambda number: Follow(number, user_id(user)))

    async def unfollow(self, user: Who) -> None:
        """Follow somebody no more."""
        await self._do(lambda number: Unfollow(number, user_id(user)))

    async def block(self, user: Who) -> None:
        """Neither sees the other's Spaces any more, nor follows; from a Space of mine they are removed."""
        await self._do(lambda number: Block(number, user_id(user)))

    async def unblock(self, user: Who) -> None:
        """Take a block back."""
        await self._do(lambda number: Unblock(number, user_id(user)))

    async def follows(self, which: WhichPeople = "following", most: int = 1000) -> list[Person]:
        """Whom I follow, who follows me (`followers`), or whom I block (`blocked`); by user id."""
        asked = people_number(which)

        async def page(after: str, limit: int) -> tuple[list[Person], str]:
            reply = await self._get(lambda number: ListFollows(number, asked, after, limit), People)
            return reply.people, reply.more

        return await gather(page, "", most)

    async def profile(self, user: Who = "") -> Profile:
        """Who somebody is, and what is between me and them; without a name myself."""
        return await self._get(lambda number: GetProfile(number, user_id(user)), Profile)

    async def set_profile(self, *, name: str = "", handle: str = "") -> Profile:
        """Set my name, my handle, or both; returns how it is now."""
        return await self._get(lambda number: SetProfile(number, name, handle), Profile)
