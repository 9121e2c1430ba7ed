"""SaleNews: tells buyers who are here of seats and tickets, and has the till do what is due by time."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from signaling.protocol import messages as wire
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits
from signaling.server.presence import Presence
from signaling.server.sale_rows import ticket_rows
from signaling.server.session import Session
from signaling.server.surroundings import Surroundings
from signaling.store import Store, StoreError, sales, spaces

__all__ = ["NEWS_KEPT", "DueWork", "SaleNews"]

log = logging.getLogger(__name__)

NEWS_KEPT: Final = 10_000
"""Of so many sales it is known what was last told of them; of an older one the same may be told again."""

# So many of those who come are looked up in one transaction.
ARRIVALS_AT_ONCE: Final = 64
# What is due is tried again so long after the store had no time for it, or after it failed otherwise.
RETRY_US: Final = 1_000_000
FAULT_RETRY_US: Final = 10_000_000

_MS_US = 1_000


class DueWork:
    """Calls `work` when something is due, one call at a time. `work` returns when to be called again.
    `name`: of its alarm.

    Times are of the wall. What fails is logged and tried again.
    """

    def __init__(self, around: Surroundings, name: str, work: Callable[[], Awaitable[int]]) -> None:
        self._around = around
        self._key = ("sales", name)
        self._work = work
        self._next_us: int | None = None  # of the monotonic clock
        self._is_working = False
        self._is_over = False

    def due(self, at_us: int) -> None:
        """There is something to do at `at_us`, perhaps before what was known."""
        self._set(self._around.clock_us() + max(0, at_us - self._around.wall_us()))

    def stop(self) -> None:
        """Call it no more; a call under way goes on."""
        self._is_over = True
        self._around.alarms.set(self._key, None, self._ring)

    def _set(self, clock_us: int) -> None:
        if self._is_over or (self._next_us is not None and self._next_us <= clock_us):
            return
        self._next_us = clock_us
        if not self._is_working:
            self._around.alarms.set(self._key, clock_us, self._ring)

    def _ring(self, now_us: int) -> None:
        if self._is_working or self._is_over:
            return
        self._is_working, self._next_us = True, None
        self._around.spawn(self._call())

    async def _call(self) -> None:
        again_us = self._around.wall_us() + FAULT_RETRY_US
        try:
            again_us = await self._work()
        except StoreError as error:
            self._around.counts.store_failures += 1
            log.warning("what is due of sales is done later: %s", error)
            again_us = self._around.wall_us() + RETRY_US
        finally:
            self._is_working = False
            known_us, self._next_us = self._next_us, None
            if known_us is not None:
                self._set(known_us)
            self.due(again_us)


class SaleNews:
    """**What is told of a ticket is how it is when it is told**, so that the last word is always right. The
    same is told once, also where it is heard of twice: from the till, and as what some server did.

    A seat that is offered is told to who is here, and to who comes while it is held: who comes is looked up
    many in one transaction. Whatever cannot be told is in `list_tickets` still.
    """

    def __init__(
        self,
        store: Store,
        presence: Presence,
        around: Surroundings,
        limits: SaleLimits,
        due: Sequence[DueWork],
    ) -> None:
        self._store = store
        self._presence = presence
        self._around = around
        self._limits = limits
        self._due = due
        self.on_ticket: Callable[[Sale], None] = lambda sale: None
        """Told of each ticket that changed once its buyer was: whoever is put out for it hears first why. It
        must not wait and do little."""
        self._arrived: dict[str, None] = {}
        self._told: OrderedDict[tuple[bytes, str], object] = OrderedDict()
        self._is_looking = False

    # What the till tells, once it is committed

    def seat_offered(self, sale: Sale) -> None:
        """A seat is held for somebody who waited for it."""
        if self._is_news(sale, "seat", sale.held_until_us) and sale.buyer in self._presence:
            self._around.spawn(self._safely(self._offer([sale.buyer])))

    def ticket_changed(self, sale: Sale) -> None:
        """A ticket is new or different, or its payment has come to an end."""
        if not self._is_news(sale, "ticket", (sale.state, sale.ticket, sale.returned_minor, sale.attempts)):
            return
        if sale.buyer in self._presence:
            self._around.spawn(self._tell_and_act(sale))
        else:
            self.on_ticket(sale)

    def due(self, at_us: int) -> None:
        """There is something to do by time at `at_us`."""
        for work in self._due:
            work.due(at_us)

    # Who comes and goes

    def came(self, session: Session) -> None:
        """Somebody is here: perhaps a seat is held for them."""
        if session.member is None or session.member.is_service:
            return
        self._arrived[session.member.user] = None
        if not self._is_looking:
            self._is_looking = True
            self._around.spawn(self._look_up())

    def gone(self, session: Session) -> None:
        """The connection is over."""
        if session.member is not None and session.member.user not in self._presence:
            self._arrived.pop(session.member.user, None)

    def _is_news(self, sale: Sale, of: str, what: object) -> bool:
        """Whether it was not the last that was heard of the seat or the ticket of this sale."""
        key = (sale.sale, of)
        if self._told.get(key) == what:
            return False
        self._told[key] = what
        self._told.move_to_end(key)
        if len(self._told) > NEWS_KEPT:
            self._told.popitem(last=False)
        return True

    async def _look_up(self) -> None:
        try:
            while self._arrived:
                users = list(self._arrived)[:ARRIVALS_AT_ONCE]
                for user in users:
                    del self._arrived[user]
                await self._safely(self._offer(users))
                await asyncio.sleep(0)
        finally:
            self._is_looking = False

    async def _offer(self, users: Sequence[str]) -> None:
        """Tell those of `users` for whom an offered seat is held now."""
        async with self._store.transaction() as connection:
            found = await sales.offered_to(connection, users)
            titles = await spaces.titles(connection, {sale.space for sale in found}) if found else {}
        now_us = self._around.wall_us()
        for sale in found:
            left_ms = (sale.held_until_us - now_us) // _MS_US
            if sale.state is SaleState.HELD and left_ms > 0:
                title = titles.get(sale.space, "")
                self._presence.tell(sale.buyer, wire.SeatOffered(0, sale.space, sale.sale, left_ms, title))

    async def _tell_and_act(self, sale: Sale) -> None:
        try:
            await self._safely(self._changed(sale.sale))
        finally:
            self.on_ticket(sale)

    async def _changed(self, ticket: bytes) -> None:
        async with self._store.transaction() as connection:
            sale = await sales.get(connection, ticket)
        if sale is not None:
            for row in await ticket_rows(self._store, [sale], self._limits):
                self._presence.tell(sale.buyer, wire.TicketChanged(0, row))

    async def _safely(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except StoreError as error:
            self._around.counts.notices_failed += 1
            log.warning("news of tickets could not be told: %s", error)
