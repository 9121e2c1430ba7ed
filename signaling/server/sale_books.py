"""SaleBooks: what hosts and buyers may read of sales: terms, tickets, statements and payouts."""

from __future__ import annotations

from typing import NamedTuple

from signaling.pay.till import Till
from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows
from signaling.rules import Refused, no_such_space
from signaling.rules.payouts import statement
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, TicketState
from signaling.server.answers import Answer
from signaling.server.relations import Relations
from signaling.server.sale_rows import payout_row, terms_row, ticket_rows
from signaling.store import (
    Store,
    StoredSpace,
    StoreError,
    deliveries,
    offers,
    payouts,
    sales,
    spaces,
    waiting,
)
from signaling.store.pages import pack_cursor, parse_cursor

__all__ = ["SaleBooks", "Seen"]

_MS_US = 1_000
_EVER_US = (1 << 62) - 1  # no sale is that late: where a list begins


class Seen(NamedTuple):
    """A Space as who asks may see it: what is stored of it, and what of it is on sale."""

    stored: StoredSpace
    on_sale: OnSale


class SaleBooks:
    """Reads only. **To strangers of its host a Space is not there.**"""

    def __init__(self, store: Store, relations: Relations, till: Till, limits: SaleLimits) -> None:
        self._store = store
        self._relations = relations
        self._till = till
        self._limits = limits

    async def look(self, user: str, space: bytes) -> Seen | Refused:
        """The Space, in whatever state. Refused: no_such_space. Raises GraphError and StoreError."""
        async with self._store.transaction() as connection:
            stored = await spaces.get(connection, space)
            on_sale = await offers.get(connection, space)
        if stored is None or on_sale is None:
            return no_such_space(space)
        hosts = {stored.host, on_sale.host} - {user}
        if await self._relations.strangers_among(user, hosts):
            return no_such_space(space)
        return Seen(stored, on_sale)

    async def sale_terms(self, request_id: int, seen: Seen, user: str) -> Answer:
        """What a ticket costs, and how it stands with `user`. Refused: not_for_sale."""
        stored, on_sale = seen
        if on_sale.terms is None:
            return _not_for_sale()
        async with self._store.transaction() as connection:
            place = await waiting.place(connection, stored.space, user)
            mine = await sales.ticket_of(connection, stored.space, user)
        return wire.SaleTerms(
            request_id,
            stored.space,
            stored.title,
            stored.host_name,
            on_sale.starts_us // _MS_US,
            terms_row(on_sale, on_sale.terms),
            place,
            mine is not None and mine.ticket is TicketState.VALID,
        )

    async def tickets_of(self, request_id: int, user: str, after: bytes | None, limit: int) -> Answer:
        """The tickets of a buyer; before all others the one that is being paid for."""
        begin = _begin(after)
        if isinstance(begin, Refused):
            return begin
        async with self._store.transaction() as connection:
            under_way = await sales.open_of(connection, user) if begin is None else None
            found, more = await sales.page(connection, buyer=user, after=begin, limit=limit)
            if under_way is not None and (under_way.attempts or under_way.state is SaleState.PAYING):
                found = [under_way, *found]
        rows = await ticket_rows(self._store, found, self._limits)
        return _page(request_id, found, rows, limit, more)

    async def sold(self, request_id: int, host: str, space: bytes, after: bytes | None, limit: int) -> Answer:
        """The tickets that were sold for a Space of `host`, and who has them."""
        begin = _begin(after)
        if isinstance(begin, Refused):
            return begin
        seen = await self._own(host, space)
        if isinstance(seen, Refused):
            return seen
        async with self._store.transaction() as connection:
            found, more = await sales.page(connection, space=space, after=begin, limit=limit)
        rows = await ticket_rows(self._store, found, self._limits, with_holders=True)
        return _page(request_id, found, rows, limit, more)

    async def statement(self, request_id: int, host: str, space: bytes) -> Answer:
        """What a Space of `host` sold, and what became of it. Refused: not_for_sale and as `look`."""
        seen = await self._own(host, space)
        if isinstance(seen, Refused):
            return seen
        stored, on_sale = seen
        if on_sale.terms is None:
            return _not_for_sale()
        async with self._store.transaction() as connection:
            sold = await sales.of_space(connection, space)
            paid = await payouts.paid_of(connection, host)
            delivered = await deliveries.of_space(connection, space)
        sums = statement(sold, paid)
        on_air_us = 0 if delivered is None else delivered.on_air_us
        heard_us = 0 if delivered is None else sum(delivered.to(each.sale) for each in sold)
        closed_us = stored.ended_us
        return wire.Statement(
            request_id,
            space,
            stored.title,
            on_sale.terms.currency,
            self._limits.currency.exponent,
            sums.tickets,
            sums.sold_minor,
            sums.refunded_minor,
            sums.charged_back_minor,
            sums.fees_minor,
            sums.host_minor,
            sums.platform_minor,
            sums.unsettled_minor,
            max(0, sums.paid_minor),
            0 if closed_us is None else (closed_us + self._limits.available_us) // _MS_US,
            on_sale.terms.promised_us // _MS_US,
            on_air_us // _MS_US,
            heard_us // len(sold) // _MS_US if sold else 0,
            any(each.sandbox for each in sold),
        )

    async def payouts(self, request_id: int, host: str, after: bytes | None, limit: int) -> Answer:
        """What was paid to a host, and what they have."""
        begin = _begin(after)
        if isinstance(begin, Refused):
            return begin
        holdings = await self._till.holdings(host)
        async with self._store.transaction() as connection:
            found, more = await payouts.page(connection, host, begin, limit)
        rows = fit_rows([payout_row(each, self._limits) for each in found])
        if len(rows) < len(found):
            last = found[len(rows) - 1].payout
            more = (last.at_us, last.payout)
        return wire.Payouts(
            request_id,
            rows,
            None if more is None else pack_cursor(*more),
            self._limits.currency.code,
            self._limits.currency.exponent,
            holdings.balance_minor,
            holdings.available_minor,
            self._limits.payout_least_minor,
        )

    async def _own(self, host: str, space: bytes) -> Seen | Refused:
        """The Space, where `host` is who sells it. Refused: no_such_space, not_permitted."""
        seen = await self.look(host, space)
        if isinstance(seen, Refused) or seen.on_sale.host == host:
            return seen
        return Refused(
            "not_permitted", "What a Space sold is for who sells its tickets, and you are not; ask the host."
        )


def _page(
    request_id: int,
    found: list[Sale],
    rows: list[wire.TicketRow],
    limit: int,
    more: tuple[int, bytes] | None,
) -> wire.Tickets:
    """As many rows as fit. One that is not sold yet is only ever the first."""
    shown = fit_rows(rows[:limit])
    if len(shown) < len(rows):
        last = found[len(shown) - 1]
        more = (_EVER_US, last.sale) if last.sold_us is None else (last.sold_us, last.sale)
    return wire.Tickets(request_id, shown, None if more is None else pack_cursor(*more))


def _begin(after: bytes | None) -> tuple[int, bytes] | Refused | None:
    if after is None:
        return None
    try:
        return parse_cursor(after)
    except StoreError as error:
        return Refused("bad_value", error.message)


def _not_for_sale() -> Refused:
    return Refused("not_for_sale", "This Space sells no tickets, 0 are for sale; join it when it is live.")
