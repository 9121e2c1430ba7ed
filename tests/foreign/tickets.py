"""Requests about tickets and money, by the names that the page gives them; amounts are in minor units."""

from __future__ import annotations

import os
from typing import Any

from tests.foreign.numbers import Reply, Request
from tests.foreign.wire import Message

VALID, REFUNDED, REVOKED, PAYING, FAILED = range(5)
SOLD, NEEDS_ACTION, NOT_KNOWN = range(3)


def new_key() -> bytes:
    """For one thing that the user wants."""
    return os.urandom(16)


class TicketVerbs:
    """Requests as coroutines. Whoever inherits sends them with `request`, which raises what is refused."""

    async def request(self, number: int, *fields: Any) -> Message:
        """Send a request and wait for its answer."""
        raise NotImplementedError

    async def sell(self, space: bytes, price_minor: int, capacity: int, promised_ms: int) -> Message:
        """Sell tickets for a scheduled Space of mine: its row of terms."""
        return list((await self.request(Request.SELL, space, price_minor, capacity, promised_ms))[6])

    async def terms(self, space: bytes) -> Message:
        """What a ticket costs: a row of terms."""
        return list((await self.request(Request.GET_TERMS, space))[6])

    async def reserve(self, space: bytes, key: bytes = b"") -> Message:
        """Hold a seat: hold, expires_in_ms, price_minor, currency, exponent. Or wait: space, place."""
        return (await self.request(Request.RESERVE, space, key or new_key()))[2:]

    async def buy(self, hold: bytes, method: str, key: bytes = b"") -> Message:
        """Pay for a seat: ticket, state, action_url."""
        return (await self.request(Request.BUY, hold, method, key or new_key()))[2:]

    async def release(self, hold: bytes) -> None:
        """Let go of a seat."""
        await self.request(Request.RELEASE, hold)

    async def list_tickets(self, space: bytes | None = None) -> list[Message]:
        """All my tickets, or those sold for a Space of mine: rows."""
        rows: list[Message] = []
        after: bytes | None = None
        while True:
            answer = await self.request(Request.LIST_TICKETS, after, 50, space)
            rows += answer[2]
            after = answer[3]
            if after is None:
                return rows

    async def refund(self, ticket: bytes, amount_minor: int = 0, reason: str = "") -> Message:
        """Give money back: ticket, amount_minor, refunded_minor, currency, exponent, state."""
        return (await self.request(Request.REFUND, ticket, amount_minor, reason, new_key()))[2:]

    async def statement(self, space: bytes) -> Message:
        """What a Space of mine sold: the fields from its id on."""
        return (await self.request(Request.GET_STATEMENT, space))[2:]

    async def payouts(self) -> Message:
        """Rows of payouts, and what is said beside them."""
        return (await self.request(Request.LIST_PAYOUTS))[2:]

    async def pay_out(self) -> Message:
        """Be paid: a row."""
        return list((await self.request(Request.PAY_OUT, new_key()))[2])

    async def payout_account(self) -> Message:
        """Where my money goes: state, link."""
        return (await self.request(Request.GET_PAYOUT_ACCOUNT))[2:]

    async def wait(self, space: bytes) -> int:
        """Stand in line; my place."""
        answer = await self.request(Request.WAIT, space)
        if answer[0] != Reply.WAITING:
            raise TypeError(f"wait was answered with message {answer[0]}")
        return int(answer[3])

    async def stop_waiting(self, space: bytes) -> None:
        """Leave the line."""
        await self.request(Request.STOP_WAITING, space)
