"""Selling: puts a Space on sale; gathers what the gate has to know of its host, and asks the rules."""

from __future__ import annotations

import logging
from collections.abc import Callable

from signaling.pay.provider import AccountState, ProviderUnknown
from signaling.pay.till import Till
from signaling.protocol import messages as wire
from signaling.rules import Refused, no_such_space
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import SellerFacts, Terms, may_sell, set_terms
from signaling.server.relations import Relations
from signaling.server.sale_books import SaleBooks, Seen
from signaling.store import Store, accounts, offers, payouts, spaces

__all__ = ["Selling"]

log = logging.getLogger(__name__)

_MS_US = 1_000


class Selling:
    """**Terms are decided on and written in one transaction**; the provider is asked before it."""

    def __init__(  # noqa: PLR0917 - the parts it is made of
        self,
        store: Store,
        relations: Relations,
        books: SaleBooks,
        till: Till,
        provider_name: str,
        limits: SaleLimits,
        wall_us: Callable[[], int],
    ) -> None:
        self._store = store
        self._relations = relations
        self._books = books
        self._till = till
        self._provider = provider_name
        self._limits = limits
        self._wall_us = wall_us

    async def sell(self, host: str, request: wire.Sell) -> Seen | Refused:
        """Sell tickets for a scheduled Space of `host`, or at other terms; the Space as it is then.

        Refused: no_such_space, what `set_terms` and `may_sell` say. Raises GraphError and StoreError.
        """
        terms = Terms(
            request.price_minor,
            request.capacity,
            request.promised_ms * _MS_US,
            request.currency,
            request.sale_from_ms * _MS_US,
            request.sale_until_ms * _MS_US,
        )
        seen = await self._books.look(host, request.space)
        if isinstance(seen, Refused):
            return seen
        # Before anybody else is asked about the host.
        decided = set_terms(seen.on_sale, host, terms, self._wall_us(), self._limits)
        if isinstance(decided, Refused):
            return decided
        allowed = may_sell(await self._facts(host), self._limits.gate, self._wall_us())
        if isinstance(allowed, Refused):
            return allowed
        async with self._store.transaction() as connection:
            on_sale = await offers.get(connection, request.space)
            if on_sale is None:
                return no_such_space(request.space)
            decided = set_terms(on_sale, host, terms, self._wall_us(), self._limits)
            if isinstance(decided, Refused):
                return decided
            await offers.put(connection, request.space, host, decided)
        return await self._books.look(host, request.space)

    async def _facts(self, host: str) -> SellerFacts:
        """What the gate asks for; what it does not ask for is not looked up."""
        gate, now_us = self._limits.gate, self._wall_us()
        followers = await self._relations.followers_count(host) if gate.min_followers else 0
        async with self._store.transaction() as connection:
            account = await accounts.get(connection, host) if gate.min_account_age_us else None
            hosted = 0
            if gate.min_hosted:
                hosted = await spaces.count_hosted(connection, host, now_us - gate.hosted_within_us)
        verified = await self._is_verified(host) if gate.verified_account else False
        return SellerFacts(followers, None if account is None else account.created_us, hosted, verified)

    async def _is_verified(self, host: str) -> bool:
        """Whether money of theirs can go anywhere. One that cannot be asked about is as good as none."""
        async with self._store.transaction() as connection:
            known = await payouts.account_of(connection, host, self._provider)
        if known is not None and known.state == AccountState.VERIFIED.value:
            return True
        try:
            account = await self._till.payout_account(host)
        except ProviderUnknown as error:
            log.warning("whether the payout account of %r is verified is not known: %s", host, error)
            return False
        return account.state is AccountState.VERIFIED
