"""Order in a Space: muting, removing, settings, links, and what was done by whom."""

from __future__ import annotations

from collections.abc import Sequence

from signaling.client.asking import Asking, gather
from signaling.client.names import (
    QueueOrder,
    RemoveHow,
    Who,
    WhoMaySpeak,
    order_number,
    policy_number,
    removal_number,
    user_id,
)
from signaling.protocol.messages import (
    Audit,
    AuditRow,
    Change,
    End,
    ListAudit,
    ListBans,
    ListPeople,
    ListTalkers,
    Mute,
    MuteAll,
    People,
    Person,
    Remove,
    Report,
    Share,
    Shared,
    Talkers,
    Unban,
    Unmute,
    Unshare,
    Volume,
)

__all__ = ["OrderVerbs"]


class OrderVerbs(Asking):
    """Part of Space. Hosts are the host and the co-hosts."""

    async def mute(self, user: Who = "", *, hold: bool = False) -> None:
        """Switch my voice off, or anybody's on stage (hosts); with `hold` until a host lets go."""
        await self._do(lambda number: Mute(number, user_id(user), hold))

    async def unmute(self, user: Who = "") -> None:
        """Switch my voice on again. Of another, hosts only let go of a mute that is held."""
        await self._do(lambda number: Unmute(number, user_id(user)))

    async def mute_all(self, *, hold: bool = False) -> None:
        """Mute everybody on stage but the hosts (hosts)."""
        await self._do(lambda number: MuteAll(number, hold))

    async def volume(self, user: Who, volume_pct: int) -> None:
        """Make somebody on stage less loud for everybody: 0 to 100, as they speak (hosts)."""
        await self._do(lambda number: Volume(number, user_id(user), volume_pct))

    async def remove(self, user: Who, how: RemoveHow = "ban", *, refund: bool = True) -> None:
        """Put somebody out (hosts). They may come back (`remove`), not to this Space (`ban`), or to no Space
        of the host (`block`). When it is done nothing of them is heard any more. What they paid for a ticket
        goes back to them, and the ticket is none any more; without `refund` they are put out for cause."""
        await self._do(lambda number: Remove(number, user_id(user), removal_number(how), refund))

    async def unban(self, user: Who) -> None:
        """Let somebody who was banned come back (hosts)."""
        await self._do(lambda number: Unban(number, user_id(user)))

    async def bans(self, most: int = 1000) -> list[Person]:
        """Who may not come back, by user id (hosts)."""

        async def page(after: str, limit: int) -> tuple[list[Person], str]:
            reply = await self._get(lambda number: ListBans(number, after, limit), People)
            return reply.people, reply.more

        return await gather(page, "", most)

    async def people(self, most: int = 1000) -> list[Person]:
        """Who is in the Space, by user id, at most so many."""

        async def page(after: str, limit: int) -> tuple[list[Person], str]:
            reply = await self._get(lambda number: ListPeople(number, after, limit), People)
            return reply.people, reply.more

        return await gather(page, "", most)

    async def change(
        self,
        *,
        title: str | None = None,
        topics: Sequence[str] | None = None,
        who_may_speak: WhoMaySpeak | None = None,
        queue_order: QueueOrder | None = None,
        locked: bool | None = None,
    ) -> None:
        """Change what the Space is (hosts); what is not given stays. Locked, nobody new comes in."""
        await self._do(
            lambda number: Change(
                number,
                title,
                None if topics is None else list(topics),
                None if who_may_speak is None else policy_number(who_may_speak),
                None if queue_order is None else order_number(queue_order),
                locked,
            )
        )

    async def share(self, *, speak: bool = False, lifetime_s: int = 0) -> Shared:
        """A link to here: `.link`, and `.expires_in_ms` where it expires. With `speak` (hosts) it lets one
        person speak, once, within `lifetime_s` (0: as long as the server says)."""
        return await self._get(lambda number: Share(number, int(speak), lifetime_s), Shared)

    async def unshare(self, link: str) -> None:
        """Revoke a link to speak (hosts)."""
        await self._do(lambda number: Unshare(number, link))

    async def report(self, user: Who, reason: str, text: str = "") -> None:
        """Tell whoever runs the server about somebody here; kept with who was there."""
        await self._do(lambda number: Report(number, user_id(user), reason, text))

    async def audit(self, most: int = 100) -> list[AuditRow]:
        """Who did what here, the latest first (hosts)."""

        async def page(before: int, limit: int) -> tuple[list[AuditRow], int]:
            reply = await self._get(lambda number: ListAudit(number, before, limit), Audit)
            return reply.entries, reply.more

        return await gather(page, 0, most)

    async def talkers(self) -> Talkers:
        """Who was heard here for how long, who longest first, at most 100 rows (hosts)."""
        return await self._get(ListTalkers, Talkers)

    async def end(self) -> None:
        """End the Space for everybody (host)."""
        await self._do(End)
