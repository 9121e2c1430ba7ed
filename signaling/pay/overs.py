"""Spaces that are over: what their tickets are owed unasked, by what the store knows of their end.

Asked when a Space ends, and again at each start and by time: so no crash in between loses a refund.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signaling.pay.batches import few_at_once
from signaling.pay.office import Office, Work
from signaling.pay.refunding import refund_space
from signaling.rules.refunds import RefundReason
from signaling.store import offers, spaces, waiting

__all__ = ["REASONS", "Overs", "space_over"]

# Of what ends a Space: whose fault it is. Any other end is the server's own, such as a crash.
REASONS: Final[Mapping[str, RefundReason]] = MappingProxyType(
    {
        "host_cancelled": RefundReason.HOST_CANCELLED,
        "not_started": RefundReason.HOST_ABSENT,
        "host_absent": RefundReason.HOST_ABSENT,
        "service_ended": RefundReason.PLATFORM_ENDED,
        "host_ended": RefundReason.BROKE_OFF,
        "host_left": RefundReason.BROKE_OFF,
        "host_lost": RefundReason.BROKE_OFF,
    }
)

# A start looks back so far: a server that was away for longer has to be told which Spaces to look at.
BACK_US: Final = 30 * 86_400_000_000
# By time, those that are over for so long: whoever ended them has written down what was delivered by then.
AFTER_US: Final = 60_000_000
EVERY_US: Final = 60_000_000
RECENT_US: Final = 3_600_000_000


async def space_over(office: Office, space: bytes) -> int:
    """Pay back what the tickets of a Space that is over are owed, and let nobody wait for it any more.

    Returns how many were owed something: 0 for one that is not over, or not ticketed, or the second time.
    What was delivered must be written down before.
    """
    async with office.store.transaction() as connection:
        stored = await spaces.get(connection, space)
    if stored is None or stored.ended_reason is None:
        return 0

    async def act(work: Work) -> int:
        return await waiting.clear(work.connection, space)

    await office.commit(act)
    return await refund_space(office, space, REASONS.get(stored.ended_reason, RefundReason.CUT_OFF))


class Overs:
    """Looks again at Spaces that are over."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._next_us = 0

    async def at_start(self) -> None:
        """All that ended lately, the last word about what was delivered is what is written down."""
        await self._look(self._office.wall_us() - BACK_US, self._office.wall_us())

    async def by_time(self) -> None:
        """Those that ended a while ago, in case that whoever ended them did not ask."""
        now_us = self._office.wall_us()
        if now_us >= self._next_us:
            self._next_us = now_us + EVERY_US
            await self._look(now_us - RECENT_US, now_us - AFTER_US)

    async def _look(self, since_us: int, until_us: int) -> None:
        async with self._office.store.transaction() as connection:
            over = await offers.over(connection, since_us, until_us)

        async def once(space: bytes) -> None:
            await space_over(self._office, space)

        await few_at_once(once, over)
