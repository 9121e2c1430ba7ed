"""Tickets, as a client sees them: selling, buying, refunding, and what a host is paid."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar, cast

from msgspec import Struct, structs

from signaling.client.asking import Asking, gather
from signaling.client.errors import ConnectionClosed, RequestRefused, TimedOut
from signaling.client.names import Where, milliseconds, space_id
from signaling.client.ticket_states import TicketState
from signaling.protocol import Retry
from signaling.protocol.messages import (
    Bought,
    Buy,
    GetPayoutAccount,
    GetStatement,
    GetTerms,
    ListPayouts,
    ListTickets,
    PayOut,
    Payout,
    PayoutAccount,
    PayoutRow,
    Payouts,
    Refund,
    Refunded,
    Release,
    Request,
    Reserve,
    Reserved,
    SaleTerms,
    SeatOffered,
    Sell,
    Statement,
    StopWaiting,
    TicketRow,
    Tickets,
    Wait,
    Waiting,
)

__all__ = ["KEY_BYTES", "TRIES", "Hold", "Ticket", "TicketVerbs"]

KEY_BYTES: Final = 16
TRIES: Final = 3
"""So often a request with a key is sent where no answer comes."""
_ASK_AGAIN_S: Final = 2.0

Hold = bytes | str | Reserved | SeatOffered
"""A seat that is held for me: its id (16 bytes, or hex), or what told of it."""
Ticket = bytes | str | TicketRow | Bought
"""A ticket: its id (16 bytes, or hex), a row of a list, or what was bought."""

R = TypeVar("R", bound=Struct)


class TicketVerbs(Asking):
    """Part of Client. Amounts are integers in minor units: 1250 with `exponent` 2 is 12.50.

    What takes a `key` is carried out once, however often it is sent: where no answer comes it is sent again,
    with the same key. With a key of one's own (16 bytes) that can go on after this client is gone: the same
    call with the same key gets the same answer for 7 days.
    """

    # For hosts

    async def sell(
        self,
        space: Where,
        price_minor: int,
        capacity: int,
        promised: timedelta,
        *,
        sale_from: datetime | None = None,
        sale_until: datetime | None = None,
        currency: str = "",
    ) -> SaleTerms:
        """Sell tickets for a scheduled Space of mine, or at other terms while nobody has one.

        promised: how long it will be on air. The sale begins at once and ends with the promised length,
        where nothing else is said. ValueError for times without a zone.
        """
        wanted, promised_ms = space_id(space), promised // timedelta(milliseconds=1)
        from_ms = 0 if sale_from is None else milliseconds("sale_from", sale_from)
        until_ms = 0 if sale_until is None else milliseconds("sale_until", sale_until)
        return await self._get(
            lambda number: Sell(
                number, wanted, price_minor, capacity, promised_ms, from_ms, until_ms, currency
            ),
            SaleTerms,
        )

    async def sold_tickets(self, space: Where, most: int = 1000) -> list[TicketRow]:
        """The tickets that were sold for a Space of mine and who has them, the latest first."""
        return await self._list(space_id(space), most)

    async def refund(
        self, ticket: Ticket, amount_minor: int = 0, reason: str = "", *, key: bytes | None = None
    ) -> Refunded:
        """Give a holder money back; 0: all that is left, and then it is no ticket any more."""
        wanted = _id_of(ticket)
        return await self._once(
            lambda number, key: Refund(number, wanted, amount_minor, reason, key), Refunded, key
        )

    async def statement(self, space: Where) -> Statement:
        """What a Space of mine sold, and what became of the money."""
        wanted = space_id(space)
        return await self._get(lambda number: GetStatement(number, wanted), Statement)

    async def payouts(self, most: int = 100) -> Payouts:
        """My payouts, the latest first, with my balance, what is available, and the currency of all of it."""
        latest: list[Payouts] = []

        async def page(after: bytes | None, limit: int) -> tuple[list[PayoutRow], bytes | None]:
            reply = await self._get(lambda number: ListPayouts(number, after, limit), Payouts)
            latest[:] = [reply]
            return reply.payouts, reply.more

        rows = await gather(page, None, max(1, most))
        return structs.replace(latest[0], payouts=rows)

    async def pay_out(self, *, key: bytes | None = None) -> PayoutRow:
        """Pay me all that is available."""
        return (await self._once(PayOut, Payout, key)).payout

    async def payout_account(self) -> PayoutAccount:
        """Where my money goes, and a link at which to set that up."""
        return await self._get(GetPayoutAccount, PayoutAccount)

    # For buyers

    async def terms(self, space: Where) -> SaleTerms:
        """What a ticket costs, and whether there is any."""
        wanted = space_id(space)
        return await self._get(lambda number: GetTerms(number, wanted), SaleTerms)

    async def reserve(self, space: Where, *, key: bytes | None = None) -> Reserved | Waiting:
        """Hold a seat for me while I pay. Waiting: none is free, and I am on the waiting list."""
        wanted = space_id(space)
        reply = await self._once(lambda number, key: Reserve(number, wanted, key), (Reserved, Waiting), key)
        return cast(Reserved | Waiting, reply)

    async def buy(self, hold: Hold, method: str, *, key: bytes | None = None) -> Bought:
        """Pay for a seat that is held for me; `method` is the payment provider's name of a card.

        Where `state` is not SOLD it is not decided yet: `paid()` waits until it is.
        """
        wanted = _id_of(hold)
        return await self._once(lambda number, key: Buy(number, wanted, method, key), Bought, key)

    async def paid(self, ticket: Ticket) -> TicketRow:
        """Wait until the payment of a ticket of mine is decided, however long that takes and whatever the
        connection does meanwhile. RequestRefused(no_such_ticket)."""
        wanted = _id_of(ticket)
        while True:
            try:
                row = await self._mine(wanted)
                if row.state != TicketState.PAYING:
                    return row
            except (TimedOut, ConnectionClosed):
                if self._line.is_over:
                    raise
            except RequestRefused as error:
                if error.retry is not Retry.later:
                    raise
            await asyncio.sleep(_ASK_AGAIN_S)

    async def release(self, hold: Hold) -> None:
        """Let go of a seat that is held for me."""
        wanted = _id_of(hold)
        await self._do(lambda number: Release(number, wanted))

    async def tickets(self, most: int = 100) -> list[TicketRow]:
        """My tickets, the latest first."""
        return await self._list(None, most)

    async def wait(self, space: Where) -> int:
        """Put me on the waiting list of a Space that is sold out; my place on it. See `ticket_events()`."""
        wanted = space_id(space)
        return (await self._get(lambda number: Wait(number, wanted), Waiting)).place

    async def stop_waiting(self, space: Where) -> None:
        """Take me off the waiting list."""
        wanted = space_id(space)
        await self._do(lambda number: StopWaiting(number, wanted))

    # Inside

    async def _mine(self, ticket: bytes) -> TicketRow:
        for row in await self.tickets():
            if row.ticket == ticket:
                return row
        raise RequestRefused(
            "no_such_ticket", f"no ticket of mine has the id {ticket.hex()}; list the tickets"
        )

    async def _list(self, space: bytes | None, most: int) -> list[TicketRow]:
        async def page(after: bytes | None, limit: int) -> tuple[list[TicketRow], bytes | None]:
            reply = await self._get(lambda number: ListTickets(number, after, limit, space), Tickets)
            return reply.tickets, reply.more

        return await gather(page, None, most)

    async def _once(
        self,
        build: Callable[[int, bytes], Request],
        expected: type[R] | tuple[type[R], ...],
        key: bytes | None,
    ) -> R:
        """Ask for something that may not be done twice, until there is an answer."""
        known = secrets.token_bytes(KEY_BYTES) if key is None else key
        if len(known) != KEY_BYTES:
            raise ValueError(f"key has {len(known)} bytes; give {KEY_BYTES} random ones, or none")
        for _ in range(TRIES - 1):
            try:
                return await self._get(lambda number: build(number, known), expected)
            except (TimedOut, ConnectionClosed):
                if self._line.is_over:
                    raise
        return await self._get(lambda number: build(number, known), expected)


def _id_of(value: Hold | Ticket) -> bytes:
    """RequestRefused(bad_value) for what is no id."""
    if isinstance(value, Reserved | SeatOffered):
        return value.hold
    if isinstance(value, TicketRow | Bought):
        return value.ticket
    try:
        found = bytes.fromhex(value.strip()) if isinstance(value, str) else value
    except ValueError:
        found = b""
    if len(found) != KEY_BYTES:
        raise RequestRefused(
            "bad_value", f"{value[:64]!r} is no id of a ticket or hold: these have 16 bytes, or 32 hex digits"
        )
    return found
