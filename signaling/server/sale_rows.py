"""Rows of sales on the wire: terms, tickets and payouts, as the protocol shows what rules and store know."""

from __future__ import annotations

from collections.abc import Mapping

from signaling.protocol import messages as wire
from signaling.rules.money import currency
from signaling.rules.payouts import PayoutState
from signaling.rules.refunds import Refund
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, Terms, TicketState
from signaling.store import Store, accounts, charges, deliveries, refunds, spaces
from signaling.store.payouts import StoredPayout

__all__ = ["payout_row", "terms_row", "ticket_rows"]

_MS_US = 1_000
_REASON_CHARS = 100
_PAYING, _FAILED = 3, 4
_TICKETS: Mapping[TicketState, int] = {
    TicketState.VALID: 0,
    TicketState.REFUNDED: 1,
    TicketState.REVOKED: 2,
}
_PAYOUTS: Mapping[PayoutState, int] = {PayoutState.SENT: 0, PayoutState.PAID: 1, PayoutState.FAILED: 2}


def terms_row(on_sale: OnSale, terms: Terms) -> wire.TermsRow:
    """What a buyer reads. Seats that are for those who wait are none to others."""
    return wire.TermsRow(
        terms.price_minor,
        terms.currency,
        currency(terms.currency).exponent,
        terms.capacity,
        on_sale.sold,
        terms.sale_from_us // _MS_US,
        terms.sale_until_us // _MS_US,
        terms.promised_us // _MS_US,
        on_sale.free <= on_sale.waiting,
    )


async def ticket_rows(
    store: Store, found: list[Sale], limits: SaleLimits, *, with_holders: bool = False
) -> list[wire.TicketRow]:
    """Sales as their buyers see them, or `with_holders` as who sells them does."""
    names: Mapping[str, str] = {}
    async with store.transaction() as connection:
        titles = await spaces.titles(connection, {sale.space for sale in found})
        heard = await deliveries.of_sales(connection, [sale.sale for sale in found])
        given = await refunds.latest_of(connection, [sale.sale for sale in found if sale.refunded_minor])
        unpaid = [sale.charge for sale in found if sale.charge and sale.state is not SaleState.SOLD]
        declined = await charges.declines(connection, unpaid)
        if with_holders:
            names = await accounts.names(connection, {sale.buyer for sale in found})
    return [
        wire.TicketRow(
            sale.sale,
            sale.space,
            titles.get(sale.space, ""),
            _ticket_state(sale),
            sale.amount_minor if sale.state is SaleState.SOLD else 0,
            sale.returned_minor if sale.state is SaleState.SOLD else 0,
            sale.currency,
            (sale.sold_us or 0) // _MS_US,
            sale.promised_us // _MS_US,
            heard[sale.sale].delivered_us // _MS_US,
            limits.currency.exponent,
            sale.buyer if with_holders else "",
            names.get(sale.buyer, "") if with_holders else "",
            heard[sale.sale].on_air_us // _MS_US,
            _why(sale, given.get(sale.sale), declined.get(sale.sale, "")),
            given[sale.sale].note if sale.sale in given else "",
        )
        for sale in found
    ]


def payout_row(stored: StoredPayout, limits: SaleLimits) -> wire.PayoutRow:
    """A payout as its host sees it."""
    payout = stored.payout
    return wire.PayoutRow(
        payout.payout,
        payout.amount_minor,
        payout.currency,
        limits.currency.exponent,
        _PAYOUTS[payout.state],
        payout.at_us // _MS_US,
        " ".join(stored.failure.split())[:_REASON_CHARS] if payout.state is PayoutState.FAILED else "",
    )


def _why(sale: Sale, given: Refund | None, declined: str) -> str:
    """The reason of the last refund, of a chargeback, or the provider's word for a payment that failed."""
    if sale.charged_back_minor:
        return "charged_back"
    return declined if given is None else given.reason.value


def _ticket_state(sale: Sale) -> int:
    if sale.state is SaleState.SOLD and sale.ticket is not None:
        return _TICKETS[sale.ticket]
    return _PAYING if sale.state is SaleState.PAYING else _FAILED
