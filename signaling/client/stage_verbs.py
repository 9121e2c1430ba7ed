"""The stage of a Space: asking to speak, being invited, and roles."""

from __future__ import annotations

from signaling.client.asking import Asking
from signaling.client.names import Who, user_id
from signaling.protocol.messages import (
    Accept,
    Admit,
    Ask,
    Decline,
    Demote,
    HandOver,
    Invite,
    Move,
    Promote,
    Refuse,
    Uninvite,
)

__all__ = ["StageVerbs"]


class StageVerbs(Asking):
    """Part of Space. Hosts are the host and the co-hosts."""

    async def ask(self) -> None:
        """Ask to speak. The hosts' answer comes as `You` with a seat, or as a `Queue` without me."""
        await self._do(Ask)

    async def admit(self, user: Who) -> None:
        """Let somebody who asked speak (hosts)."""
        await self._do(lambda number: Admit(number, user_id(user)))

    async def decline(self, user: Who) -> None:
        """Take somebody off the queue (hosts)."""
        await self._do(lambda number: Decline(number, user_id(user)))

    async def invite(self, user: Who) -> None:
        """Invite a listener to speak (hosts). Their answer comes as `Answered`."""
        await self._do(lambda number: Invite(number, user_id(user)))

    async def uninvite(self, user: Who) -> None:
        """Take an invitation back (hosts)."""
        await self._do(lambda number: Uninvite(number, user_id(user)))

    async def accept(self) -> None:
        """Take up the invitation that came as `Invited`: on stage, muted at first."""
        await self._do(Accept)

    async def refuse(self) -> None:
        """Turn the invitation down."""
        await self._do(Refuse)

    async def promote(self, user: Who) -> None:
        """Make somebody on stage a co-host (host)."""
        await self._do(lambda number: Promote(number, user_id(user)))

    async def demote(self, user: Who = "") -> None:
        """Make a co-host a speaker again (host), or step down oneself."""
        await self._do(lambda number: Demote(number, user_id(user)))

    async def hand_over(self, user: Who) -> None:
        """Make somebody on stage the host (host)."""
        await self._do(lambda number: HandOver(number, user_id(user)))

    async def move(self, user: Who = "") -> None:
        """Back from the stage to the listeners: myself, or another (hosts)."""
        await self._do(lambda number: Move(number, user_id(user)))
