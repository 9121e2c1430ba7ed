"""Till: where tickets are reserved, paid, given back and paid out, one object for a server.

Each act is: its intent and its idempotency key committed; the provider called, outside any transaction; what
it said committed with its postings. The process may be killed between any two of these: `complete_unfinished`
at the next start finishes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from signaling.pay import charging, overs, payouts, refunding, seats
from signaling.pay.charging import Bought
from signaling.pay.completer import Completer
from signaling.pay.events import post_event
from signaling.pay.office import Nobody, Office, Told
from signaling.pay.payouts import Holdings
from signaling.pay.provider import PayoutAccount, Provider, ProviderEvent
from signaling.pay.refunding import Refunded
from signaling.pay.seats import Waits
from signaling.pay.sweeper import Sweeper
from signaling.rules.permissions import Refused
from signaling.rules.refunds import RefundReason
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.store import Store
from signaling.store.payouts import StoredPayout

__all__ = ["IDLE_US", "Till"]

IDLE_US: Final = 10_000_000
"""The longest that `on_time` lets be waited for its next call."""


class Till:
    """Everything that moves seats or money. For one event loop; the store may be another till's, too.

    `wall_us`: microseconds since the epoch. `told` hears what has become so, after it was committed.
    Verbs answer with what is so now, or Refused; they raise StoreError where the store fails. `key`: of the
    account's, 16 bytes; the same request with it does nothing twice and gets the same answer, with another
    request it is refused with key_reused. A refusal does nothing, and is not remembered.
    """

    def __init__(
        self,
        store: Store,
        provider: Provider,
        limits: SaleLimits,
        *,
        wall_us: Callable[[], int],
        told: Told | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._office = Office(store, provider, wall_us, limits, random_bytes, told or Nobody())
        self._completer = Completer(self._office)
        self._overs = overs.Overs(self._office)
        self._sweeper = Sweeper(self._office)

    # Buyers

    async def reserve(
        self, space: bytes, buyer: str, prefix: str, key: bytes, *, free_of_charge: bool = False
    ) -> Sale | Waits | Refused:
        """Hold a seat, see `rules.holds.reserve`. Waits: who is on the waiting list of a full Space.

        `prefix`: `rules.holds.address_prefix` of the buyer. `free_of_charge`: they need no ticket.
        """
        return await seats.reserve(self._office, space, buyer, prefix, key, free_of_charge=free_of_charge)

    async def release(self, buyer: str, hold: bytes) -> Sale | Refused:
        """Give a seat back, see `rules.holds.release`; who waits longest is offered it."""
        return await seats.release(self._office, buyer, hold)

    async def buy(self, buyer: str, hold: bytes, method: str, key: bytes) -> Bought | Refused:
        """Pay for a hold, see `charging.buy`. Takes as long as the provider."""
        return await charging.buy(self._office, buyer, hold, method, key)

    async def wait(self, space: bytes, buyer: str, *, free_of_charge: bool = False) -> Waits | Refused:
        """Go to the end of the waiting list, see `rules.waiting.wait`; who is on it keeps their place."""
        return await seats.wait(self._office, space, buyer, free_of_charge=free_of_charge)

    async def stop_waiting(self, space: bytes, buyer: str) -> bool:
        """Returns whether they waited."""
        return await seats.stop_waiting(self._office, space, buyer)

    # Money back

    async def refund(
        self, host: str, ticket: bytes, amount_minor: int, key: bytes, note: str = ""
    ) -> Refunded | Refused:
        """The host gives back a part or, with 0, all that is left: see `rules.refunds.asked`. `note`: what
        they say to it."""
        return await refunding.give_back(self._office, host, ticket, amount_minor, key, note)

    async def space_over(self, space: bytes) -> int:
        """A Space has ended or was cancelled, and what was delivered is written down: pay back what its
        tickets are owed unasked, by the reason of its end. See `overs.space_over`; it may be asked again."""
        return await overs.space_over(self._office, space)

    async def refund_space(self, space: bytes, reason: RefundReason) -> int:
        """Pay back what the tickets of a Space that is over are owed unasked; returns how many were.

        It may be asked again at any time: see `refunding.refund_space`.
        """
        return await refunding.refund_space(self._office, space, reason)

    async def remove_holder(self, space: bytes, user: str, *, for_cause: bool) -> bool:
        """Somebody was removed: their money goes back, or for cause not. Returns whether they had one."""
        return await refunding.remove_holder(self._office, space, user, for_cause=for_cause)

    # Hosts

    async def pay_out(self, host: str, key: bytes) -> StoredPayout | Refused:
        """Send a host all that is available, see `payouts.pay_out`. Takes as long as the provider."""
        return await payouts.pay_out(self._office, host, key)

    async def holdings(self, host: str) -> Holdings:
        """What a host has, and how much of it is available."""
        return await payouts.holdings(self._office, host)

    async def payout_account(self, user: str) -> PayoutAccount:
        """Where the money of `user` goes. Raises ProviderUnknown."""
        return await payouts.payout_account(self._office, user)

    # By themselves

    async def on_provider_event(self, event: ProviderEvent) -> None:
        """Post what the provider tells. Returns once it is committed; raises where it must be sent again."""
        await post_event(self._office, event)

    async def complete_unfinished(self) -> int:
        """At start-up, before anybody is served: finish what a crash left. Returns how much has no outcome
        still, because the provider says nothing of it; `on_time` goes on asking."""
        await self._overs.at_start()
        return await self._completer.finish_all()

    async def on_time(self) -> int:
        """Do what is due: `on_seats`, then `on_money`. For who has nothing else to do meanwhile."""
        return min(await self.on_seats(), await self.on_money())

    async def on_seats(self) -> int:
        """Let holds lapse and offer free seats, without the provider: whatever that does, no seat waits for
        it. Returns when to call again, at most IDLE_US from now. One call at a time, beside `on_money`."""
        return self._within_idle(await self._sweeper.sweep())

    async def on_money(self) -> int:
        """Do what is due with the provider, which may take as long as that. Otherwise as `on_seats`."""
        await self._overs.by_time()
        await self._completer.finish_due()
        return self._within_idle(await self._sweeper.give_up())

    def _within_idle(self, next_us: int | None) -> int:
        idle_us = self._office.wall_us() + IDLE_US
        return idle_us if next_us is None else min(next_us, idle_us)
