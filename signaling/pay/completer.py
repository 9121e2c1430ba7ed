"""Completer: finishes what was begun and has no outcome yet, after a crash and by time.

Every intent is in the store before the provider is called, so each is found here: charges and payouts
without an end, refunds that are owed, sales whose fee is not reported. The provider is asked what it knows.
"""

from __future__ import annotations

from typing import Final

from signaling.pay.batches import few_at_once
from signaling.pay.charging import ask, put_off, settle
from signaling.pay.office import Office
from signaling.pay.payouts import send
from signaling.pay.provider import ChargeState, ProviderUnknown
from signaling.pay.refunding import pay_back
from signaling.rules.sale import Sale
from signaling.store import charges, payouts, refunds, sales
from signaling.store.charges import StoredCharge

__all__ = ["Completer"]

# Fees that are not reported are asked for so often, so many at once.
FEES_EVERY_US: Final = 60_000_000
FEES_AT_ONCE: Final = 100

# At start-up whatever has no outcome is due, whenever it was to be asked about.
_EVER_US: Final = 2**62
ASKED_AT_START: Final = 100_000
ASKED_AT_ONCE: Final = 100


class Completer:
    """Asks about what has no outcome, a few at a time."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._fees_us = 0
        self._fees_after = b""

    async def finish_all(self) -> int:
        """At start-up: ask about all that has no outcome. Returns how much of it has none still."""
        await self._finish(_EVER_US, ASKED_AT_START)
        async with self._office.store.transaction() as connection:
            return (
                len(await charges.under_way(connection, _EVER_US, ASKED_AT_START))
                + len(await refunds.owed(connection, _EVER_US, ASKED_AT_START))
                + len(await payouts.under_way(connection, _EVER_US, ASKED_AT_START))
            )

    async def finish_due(self) -> None:
        """By time: ask about what is due."""
        now_us = self._office.wall_us()
        await self._finish(now_us, ASKED_AT_ONCE)
        if now_us >= self._fees_us:
            self._fees_us = now_us + FEES_EVERY_US
            await self._ask_fees()

    async def _finish(self, now_us: int, limit: int) -> None:
        async with self._office.store.transaction() as connection:
            asked = await charges.under_way(connection, now_us, limit)
            owed = await refunds.owed(connection, now_us, limit)
            sent = await payouts.under_way(connection, now_us, limit)
        await few_at_once(self._finish_charge, asked)
        await few_at_once(self._pay_back, [each.refund.refund for each in owed])
        await few_at_once(self._send, [each.payout.payout for each in sent])

    async def _finish_charge(self, charge: StoredCharge) -> None:
        try:
            result = await ask(self._office, charge)
        except ProviderUnknown:
            await put_off(self._office, charge)
            return
        await settle(self._office, charge.charge, result)
        if result.state in (ChargeState.NEEDS_ACTION, ChargeState.PENDING):
            await put_off(self._office, charge)

    async def _pay_back(self, refund: bytes) -> None:
        await pay_back(self._office, refund, asks_first=True)

    async def _send(self, payout: bytes) -> None:
        await send(self._office, payout, asks_first=True)

    async def _ask_fees(self) -> None:
        """Of some sales whose fee is not known; the next time of others, round and round."""
        async with self._office.store.transaction() as connection:
            unsettled = await sales.unsettled(connection, self._fees_after, FEES_AT_ONCE)
        self._fees_after = unsettled[-1].sale if len(unsettled) == FEES_AT_ONCE else b""
        await few_at_once(self._ask_fee, unsettled)

    async def _ask_fee(self, sale: Sale) -> None:
        async with self._office.store.transaction() as connection:
            charge = await charges.get(connection, sale.charge)
        if charge is None:
            return
        try:
            self._office.must_be_here(charge.provider)
            result = await self._office.provider.find_charge(
                charge.charge, ref=charge.ref, since_s=charge.made_us / 1_000_000
            )
        except ProviderUnknown:
            return
        if result is not None:
            await settle(self._office, charge.charge, result)
