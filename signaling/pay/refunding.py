"""Refunds: booked as owed with their reason, then carried out by the provider, and owed until it confirms."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from signaling.pay.batches import few_at_once
from signaling.pay.keyed import claimed, made
from signaling.pay.office import Office, Work
from signaling.pay.provider import MoveState, Provider, ProviderUnknown, RefundOrder, RefundResult
from signaling.pay.seats import offer_free
from signaling.rules.holds import no_such_ticket, revoke
from signaling.rules.permissions import Refused
from signaling.rules.postings import RefundBooked, book_refund, book_refund_bounced, book_refund_paid
from signaling.rules.refunds import Refund, RefundReason, RefundState, asked, due_minor
from signaling.rules.sale import Sale, seats
from signaling.store import charges, deliveries, refunds, sales
from signaling.store.refunds import StoredRefund

__all__ = [
    "Refunded",
    "give_back",
    "owe",
    "pay_back",
    "pay_back_all",
    "refund_space",
    "remove_holder",
    "settle_refund",
    "settle_refund_in",
]

log = logging.getLogger(__name__)

ASK_FIRST_US: Final = 1_000_000
ASK_MOST_US: Final = 600_000_000
# What the provider has not carried out yet it is asked about again so much later.
PENDING_US: Final = 3_600_000_000
# What it refused stays owed, and is tried again so much later; somebody has to look at it meanwhile.
FAILED_US: Final = 86_400_000_000

OWED_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Refunded:
    """One refund on request, and the sale as it is now."""

    refund: Refund
    sale: Sale

    @property
    def is_paid(self) -> bool:
        """Whether the provider has confirmed it."""
        return self.refund.state is RefundState.PAID


async def give_back(  # noqa: PLR0917 - what a refund is made of
    office: Office, host: str, ticket: bytes, amount_minor: int, key: bytes, note: str = ""
) -> Refunded | Refused:
    """The host gives back a part, or with 0 all that is left. The same key gives back nothing more.

    `note`: what the host says to it; holder and host read it.

    Refused: no_such_ticket, refund_too_large, bad_value, key_reused.
    """
    fresh: list[bytes] = []

    async def act(work: Work) -> bytes | Refused:
        fresh.clear()
        request = (ticket, str(amount_minor).encode(), note.encode())
        known = await claimed(work, office.limits, host, key, "refund", *request)
        if known is not None:
            return known
        sale = await sales.get(work.connection, ticket)
        due = no_such_ticket() if sale is None else asked(sale, host, amount_minor, office.limits)
        if sale is None or isinstance(due, Refused):
            return due if isinstance(due, Refused) else no_such_ticket()
        refund = await owe(office, work, sale, due, RefundReason.GIVEN, note)
        fresh.append(refund)
        await made(work, host, key, refund)
        return refund

    decided = await office.decide(act)
    if isinstance(decided, Refused):
        return decided
    await pay_back_all(office, fresh)
    async with office.store.transaction() as connection:
        stored = await refunds.get(connection, decided)
        sale = None if stored is None else await sales.get(connection, stored.refund.sale)
    if stored is None or sale is None:
        raise KeyError(decided.hex())
    return Refunded(stored.refund, sale)


async def refund_space(office: Office, space: bytes, reason: RefundReason) -> int:
    """Pay back what the tickets of a Space are owed for this reason; returns how many were owed something.

    For a Space that broke off, what was delivered is what the last checkpoint says. Asked again it owes
    nothing more, so it may be asked at any time after the Space is over, also after a crash.
    """
    async with office.store.transaction() as connection:
        delivered = await deliveries.of_space(connection, space)
        sold = [sale.sale for sale in await sales.of_space(connection, space)]
    if delivered is None:
        return 0
    fresh: list[bytes] = []
    for at in range(0, len(sold), OWED_AT_ONCE):

        async def act(work: Work, part: list[bytes] = sold[at : at + OWED_AT_ONCE]) -> list[bytes]:
            owed: list[bytes] = []
            for ticket in part:
                sale = await work.sale(ticket)
                due = due_minor(sale, reason, delivered.on_air_us, delivered.to(ticket))
                if due:
                    owed.append(await owe(office, work, sale, due, reason))
            return owed

        fresh += await office.commit(act)
    await pay_back_all(office, fresh)
    return len(fresh)


async def remove_holder(office: Office, space: bytes, user: str, *, for_cause: bool) -> bool:
    """The host removed somebody: all of their money goes back, or the ticket is revoked for cause.

    Returns whether they had a valid ticket.
    """
    fresh: list[bytes] = []

    async def act(work: Work) -> bool:
        fresh.clear()
        sale = await sales.ticket_of(work.connection, space, user)
        revoked = no_such_ticket() if sale is None else revoke(sale)
        if sale is None or isinstance(revoked, Refused):
            return False
        reason = RefundReason.REMOVED
        due = 0 if for_cause else due_minor(sale, reason)
        if due:
            fresh.append(await owe(office, work, sale, due, reason))
        else:
            await work.save(sale, revoked)
        return True

    had = await office.commit(act)
    await pay_back_all(office, fresh)
    return had


async def owe(  # noqa: PLR0917 - what a refund is made of
    office: Office, work: Work, sale: Sale, amount_minor: int, reason: RefundReason, note: str = ""
) -> bytes:
    """Book a refund as owed, in this transaction; returns its id, for `pay_back_all` after the commit.

    A seat that becomes free with it is offered to who waits.
    """
    refund = Refund(office.new_id(), sale.sale, amount_minor, reason, work.now_us, note=note)
    booked = book_refund(sale, refund)
    await refunds.add(work.connection, refund)
    await work.save(sale, booked.sale, booked.transaction)
    work.due_us.append(work.now_us)
    if seats(booked.sale) != seats(sale):
        await offer_free(work, sale.space, office)
    return refund.refund


async def pay_back_all(office: Office, owed: Iterable[bytes]) -> None:
    """Have the provider carry refunds out, a few at a time; what it does not answer is tried again later."""

    async def once(refund: bytes) -> None:
        await pay_back(office, refund)

    await few_at_once(once, list(owed))


async def pay_back(office: Office, refund_id: bytes, *, asks_first: bool = False) -> None:
    """Have the provider carry a refund out that is owed. `asks_first`: it may have done so already."""
    async with office.store.transaction() as connection:
        stored = await refunds.get(connection, refund_id)
        sale = None if stored is None else await sales.get(connection, stored.refund.sale)
        charge = None if sale is None else await charges.get(connection, sale.charge)
    if stored is None or sale is None or charge is None or stored.refund.state is RefundState.PAID:
        return
    refund = stored.refund
    order = RefundOrder(refund.refund, sale.charge, charge.ref, refund.amount_minor, sale.currency)
    try:
        office.must_be_here(sale.provider)
        result = await _carried_out(office.provider, order, refund.at_us / 1_000_000, asks_first)
    except ProviderUnknown:
        await _put_off(office, stored)
        return
    await settle_refund(office, refund_id, result)


async def settle_refund(office: Office, refund_id: bytes, result: RefundResult) -> None:
    """Commit what the provider says of a refund."""

    async def act(work: Work) -> None:
        await settle_refund_in(work, refund_id, result)

    await office.commit(act)


async def settle_refund_in(work: Work, refund_id: bytes, result: RefundResult) -> None:
    """As `settle_refund`, within a transaction: one posting for each change, however often it is told."""
    stored = await refunds.get(work.connection, refund_id)
    if stored is None:
        log.warning("the provider told of refund %s, which is none of ours", refund_id.hex())
        return
    refund, sale = stored.refund, await work.sale(stored.refund.sale)
    if result.state is MoveState.SUCCEEDED:
        booked = book_refund_paid(sale, refund, result.fee_returned_minor)
    elif result.state is MoveState.FAILED:
        log.error("the provider refuses refund %s: %s", refund_id.hex(), result.failure_code)
        booked = book_refund_bounced(sale, refund)
    else:
        booked = RefundBooked(sale, refund, None)
    await refunds.save(work.connection, booked.refund, ref=result.ref, failure=result.failure_code)
    await work.save(sale, booked.sale, booked.transaction)
    if booked.refund.state is RefundState.OWED:
        pause_us = FAILED_US if result.state is MoveState.FAILED else PENDING_US
        await _wait_until(work, refund_id, work.now_us + pause_us)


async def _carried_out(
    provider: Provider, order: RefundOrder, since_s: float, asks_first: bool
) -> RefundResult:
    """Raises ProviderUnknown where it is not known what became of it."""

    async def found() -> RefundResult | None:
        return await provider.find_refund(order.id, charge_ref=order.charge_ref, since_s=since_s)

    known = await found() if asks_first else None
    if known is not None:
        return known
    try:
        return await provider.refund(order)
    except ProviderUnknown:
        known = await found()
        if known is None:
            raise
        return known


async def _put_off(office: Office, stored: StoredRefund) -> None:
    """Nothing could be learned: again later, with growing pauses."""

    async def act(work: Work) -> None:
        pause_us = min(ASK_FIRST_US << min(stored.attempts, 20), ASK_MOST_US)
        await _wait_until(work, stored.refund.refund, work.now_us + pause_us)

    await office.commit(act)


async def _wait_until(work: Work, refund: bytes, until_us: int) -> None:
    await refunds.put_off(work.connection, refund, until_us)
    work.due_us.append(until_us)
