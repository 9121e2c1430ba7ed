"""Finding Spaces from outside: what is live, what is planned, and looking in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from signaling.client.asking import Asking, gather
from signaling.client.names import Where, Who, WhoMaySpeak, milliseconds, policy_number, space_id, user_id
from signaling.protocol.messages import (
    Audit,
    AuditRow,
    Cancel,
    Create,
    Created,
    ListAudit,
    ListPlanned,
    ListSpaces,
    ListTalkers,
    LiveSpace,
    Peek,
    Peeked,
    Planned,
    PlannedSpace,
    Plans,
    Remind,
    Reschedule,
    Schedule,
    Spaces,
    Talkers,
)

__all__ = ["FindingVerbs"]


class FindingVerbs(Asking):
    """Part of Client."""

    async def live(self, most: int = 100, *, text: str = "", topic: str = "") -> list[LiveSpace]:
        """Which Spaces are live, at most so many; with `text` in the title, about `topic`."""

        async def page(after: bytes | None, limit: int) -> tuple[list[LiveSpace], bytes | None]:
            reply = await self._get(lambda number: ListSpaces(number, limit, after, text, topic), Spaces)
            return reply.spaces, reply.more

        return await gather(page, None, most)

    async def peek(self, space: Where) -> Peeked:
        """Look at a Space without joining, and without being seen in it. TicketRequired, as for `join`."""
        wanted = space_id(space)
        return await self._get(lambda number: Peek(number, wanted), Peeked)

    async def audit(self, space: Where, most: int = 100) -> list[AuditRow]:
        """Who did what in a Space that I had, the latest first; also when it is over. Services: in any."""
        wanted = space_id(space)

        async def page(before: int, limit: int) -> tuple[list[AuditRow], int]:
            reply = await self._get(lambda number: ListAudit(number, before, limit, wanted), Audit)
            return reply.entries, reply.more

        return await gather(page, 0, most)

    async def talkers(self, space: Where) -> Talkers:
        """Who was heard for how long in a Space that I had, as `Space.talkers`; also when it is over.

        The server remembers it of the last 1,000 Spaces, until it is started anew.
        """
        wanted = space_id(space)
        return await self._get(lambda number: ListTalkers(number, wanted), Talkers)

    async def schedule(
        self,
        title: str,
        starts: datetime,
        *,
        topics: Sequence[str] = (),
        who_may_speak: WhoMaySpeak = "everyone",
        kind: str = "",
    ) -> PlannedSpace:
        """Announce a Space of mine. `starts` says its time zone (ValueError)."""
        starts_ms, policy = milliseconds("starts", starts), policy_number(who_may_speak)
        reply = await self._get(
            lambda number: Schedule(number, title, starts_ms, list(topics), kind, policy), Planned
        )
        return reply.planned

    async def reschedule(self, space: Where, starts: datetime) -> PlannedSpace:
        """Another time for a Space of mine that is scheduled. ValueError as `schedule`."""
        wanted, starts_ms = space_id(space), milliseconds("starts", starts)
        return (await self._get(lambda number: Reschedule(number, wanted, starts_ms), Planned)).planned

    async def cancel(self, space: Where) -> None:
        """Call a scheduled Space of mine off."""
        wanted = space_id(space)
        await self._do(lambda number: Cancel(number, wanted))

    async def planned(self, host: Who = "", most: int = 100) -> list[PlannedSpace]:
        """Scheduled Spaces, the next first: of a host; without one mine and of those I follow."""

        async def page(after: bytes | None, limit: int) -> tuple[list[PlannedSpace], bytes | None]:
            reply = await self._get(lambda number: ListPlanned(number, user_id(host), limit, after), Plans)
            return reply.plans, reply.more

        return await gather(page, None, most)

    async def remind(self, space: Where, on: bool = True) -> None:
        """Tell me when a scheduled Space starts, or no more. It comes in `notices()`."""
        wanted = space_id(space)
        await self._do(lambda number: Remind(number, wanted, on))

    async def create(
        self,
        host: Who,
        title: str,
        *,
        topics: Sequence[str] = (),
        who_may_speak: WhoMaySpeak = "everyone",
        kind: str = "",
    ) -> bytes:
        """For a service: open a Space for a host who is not here yet; returns its id."""
        policy = policy_number(who_may_speak)
        reply = await self._get(
            lambda number: Create(number, user_id(host), title, list(topics), kind, policy), Created
        )
        return reply.space
