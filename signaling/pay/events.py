"""What a provider tells by itself, posted once: duplicated, late, or in another order than it happened."""

from __future__ import annotations

import logging

from signaling.pay.charging import settle_in
from signaling.pay.office import Office, Work
from signaling.pay.payouts import put_account_in, settle_payout_in
from signaling.pay.provider import (
    ChargeChanged,
    Dispute,
    DisputeState,
    EventSubject,
    ProviderError,
    ProviderEvent,
    RefundChanged,
    TransferChanged,
)
from signaling.pay.refunding import pay_back_all, settle_refund_in
from signaling.rules.postings import book_chargeback, book_chargeback_won
from signaling.rules.sale import SaleState
from signaling.store import charges, keys, payouts, refunds, sales
from signaling.store.refunds import StoredDispute

__all__ = ["EventTooEarly", "post_event"]

log = logging.getLogger(__name__)

_SECOND_US = 1_000_000


class EventTooEarly(ProviderError):  # noqa: N818  # a state of knowledge, no fault
    """An event is about something of which the outcome is not known here yet: have it sent again later."""


async def post_event(office: Office, event: ProviderEvent) -> None:
    """Post an event with the note that it was posted, in one transaction. A second time it is nothing.

    Of refunds and transfers, which may succeed and fail after all, the order of events says nothing: the
    provider is asked how it is now. Raises EventTooEarly, ProviderUnknown, StoreError: send it again.
    """
    subject = await _as_it_is_now(office, event.subject)

    async def act(work: Work) -> tuple[bytes, ...]:
        is_news = await keys.first_time(work.connection, office.provider.name, event.id, work.now_us)
        if not is_news:
            return ()
        return await _post(office, work, subject, event.at_s * _SECOND_US)

    await pay_back_all(office, await office.commit(act))


async def _as_it_is_now(office: Office, subject: EventSubject) -> EventSubject:
    if isinstance(subject, RefundChanged):
        async with office.store.transaction() as connection:
            stored = await refunds.get(connection, subject.id)
            sale = None if stored is None else await sales.get(connection, stored.refund.sale)
            charge = None if sale is None else await charges.get(connection, sale.charge)
        if stored is not None and charge is not None:
            since_s = stored.refund.at_us / _SECOND_US
            refund = await office.provider.find_refund(subject.id, charge_ref=charge.ref, since_s=since_s)
            return subject if refund is None else RefundChanged(subject.id, refund)
    if isinstance(subject, TransferChanged):
        async with office.store.transaction() as connection:
            sent = await payouts.get(connection, subject.id)
        if sent is not None:
            since_s = sent.payout.at_us / _SECOND_US
            transfer = await office.provider.find_transfer(subject.id, since_s=since_s)
            return subject if transfer is None else TransferChanged(subject.id, transfer)
    return subject


async def _post(office: Office, work: Work, subject: EventSubject, at_us: int) -> tuple[bytes, ...]:
    if isinstance(subject, ChargeChanged):
        return await settle_in(office, work, subject.id, subject.result)
    if isinstance(subject, RefundChanged):
        await settle_refund_in(work, subject.id, subject.result)
    elif isinstance(subject, TransferChanged):
        await settle_payout_in(work, subject.id, subject.result)
    elif isinstance(subject, Dispute):
        await _dispute(office, work, subject, at_us)
    else:
        await put_account_in(office, work, subject, at_us)
    return ()


async def _dispute(office: Office, work: Work, dispute: Dispute, at_us: int) -> None:
    """The buyer's bank took the money, kept it, or gave it back: in whatever order this is heard."""
    provider = office.provider.name
    charge = await charges.by_ref(work.connection, provider, dispute.charge_ref)
    sale = None if charge is None else await work.sale(charge.sale)
    if sale is None or sale.state is not SaleState.SOLD:
        raise EventTooEarly(f"the dispute {dispute.ref} is of a charge that is not known to be paid")
    if dispute.state is DisputeState.WON:
        booked = book_chargeback_won(sale, fee_returned=dispute.fee_minor > 0)
    else:
        booked = book_chargeback(sale, dispute.amount_minor, dispute.fee_minor)
    await work.save(sale, booked.sale, booked.transaction)
    known = await refunds.dispute(work.connection, provider, dispute.ref)
    if known is not None and dispute.state is DisputeState.OPENED:
        return
    await refunds.put_dispute(
        work.connection,
        StoredDispute(
            provider,
            dispute.ref,
            sale.sale,
            dispute.state.value,
            dispute.amount_minor,
            dispute.fee_minor,
            at_us,
        ),
    )
