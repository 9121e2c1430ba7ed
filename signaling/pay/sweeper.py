"""Sweeper: what comes with time. Holds lapse, seats are offered to who waits longest, keys are forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from signaling.pay.batches import few_at_once
from signaling.pay.charging import ask, put_off, settle
from signaling.pay.office import Office, Work
from signaling.pay.provider import ProviderUnknown
from signaling.pay.seats import book_lapse, offer_free
from signaling.rules import holds
from signaling.rules.sale import Sale, SaleState
from signaling.store import charges, keys, offers, sales

__all__ = ["Sweeper"]

# Keys are looked through so often; one that is older counts as forgotten anyway.
KEYS_EVERY_US: Final = 3_600_000_000
SWEPT_AT_ONCE: Final = 100


class Sweeper:
    """Does what is due, in small transactions."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._keys_us = 0

    async def sweep(self) -> int | None:
        """What is due of seats, without the provider; returns when the next hold expires, None where there is
        none."""
        next_us = await self._expire_all(SaleState.HELD, self._expire)
        await self._offer()
        await self._forget()
        return next_us

    async def give_up(self) -> int | None:
        """What is due of seats whose payment is under way; returns when the next of them expires."""
        return await self._expire_all(SaleState.PAYING, self._expire_paying)

    async def _expire_all(self, state: SaleState, expire: Callable[[Sale], Awaitable[None]]) -> int | None:
        office = self._office
        while True:
            async with office.store.transaction() as connection:
                due = await sales.expired(connection, office.wall_us(), SWEPT_AT_ONCE, state=state)
            failed = await few_at_once(expire, due)
            if failed or len(due) < SWEPT_AT_ONCE:
                break
        async with office.store.transaction() as connection:
            return await sales.next_expiry_us(connection, state=state)

    async def _expire_paying(self, sale: Sale) -> None:
        """The payment is cancelled first; it may arrive still."""
        await self._give_up(sale)
        await self._expire(sale)

    async def _expire(self, sale: Sale) -> None:
        async def act(work: Work) -> None:
            now = await work.sale(sale.sale)
            after = holds.lapse(now, work.now_us)
            if after == now:
                return
            await work.save(now, after)
            await book_lapse(work, after, self._office)
            await offer_free(work, now.space, self._office)

        await self._office.commit(act)

    async def _give_up(self, sale: Sale) -> None:
        office = self._office
        async with office.store.transaction() as connection:
            charge = await charges.get(connection, sale.charge)
        if charge is None:
            return
        try:
            result = await ask(office, charge, give_up=True)
        except ProviderUnknown:
            await put_off(office, charge)
        else:
            await settle(office, charge.charge, result)

    async def _offer(self) -> None:
        """Where a seat was free while nobody could take it, offer it now."""
        office = self._office
        async with office.store.transaction() as connection:
            spaces = await offers.with_room(connection, SWEPT_AT_ONCE)
        for space in spaces:

            async def act(work: Work, space: bytes = space) -> None:
                await offer_free(work, space, office)

            await office.commit(act)

    async def _forget(self) -> None:
        office = self._office
        now_us = office.wall_us()
        if now_us < self._keys_us:
            return
        self._keys_us = now_us + KEYS_EVERY_US

        async def act(work: Work) -> int:
            return await keys.forget(work.connection, now_us - office.limits.keys_us)

        while await office.commit(act):
            pass
