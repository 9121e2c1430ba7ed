"""Payments: the intent is committed, the provider called, what it says committed; the unknown is asked for.

A charge has one id from its intent on. **It is called for once; afterwards it is only asked about**, and
given up at the provider where that has never seen it, so that it cannot be carried out later.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from signaling.pay.keyed import claimed, made
from signaling.pay.office import Office, Work
from signaling.pay.provider import Charge, ChargeResult, ChargeState, ProviderUnknown
from signaling.pay.refunding import owe, pay_back_all
from signaling.pay.seats import book_lapse, offer_free
from signaling.rules import holds
from signaling.rules.permissions import Refused
from signaling.rules.postings import book_capture, book_fee
from signaling.rules.refunds import RefundReason, due_minor
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState
from signaling.store import charges, offers, refunds, sales, sellers
from signaling.store import holds as hold_facts
from signaling.store.charges import StoredCharge

__all__ = ["Bought", "BuyState", "ask", "buy", "later_us", "put_off", "settle", "settle_in"]

log = logging.getLogger(__name__)

# The first pause before something is asked about again; it doubles up to the last.
ASK_FIRST_US: Final = 1_000_000
ASK_MOST_US: Final = 60_000_000
# A call of ours has an end within this time: who asks before might ask about what is not sent yet.
IN_FLIGHT_US: Final = 60_000_000

_ENDS: Final = frozenset({ChargeState.SUCCEEDED.value, ChargeState.DECLINED.value})


class BuyState(IntEnum):
    """How far a purchase is: the numbers of the protocol."""

    SOLD = 0
    NEEDS_ACTION = 1
    PENDING = 2


@dataclass(frozen=True, slots=True)
class Bought:
    """The sale as it is now; `action_url` is where the buyer goes on with NEEDS_ACTION."""

    sale: Sale
    state: BuyState
    action_url: str = ""


async def buy(office: Office, buyer: str, hold: bytes, method: str, key: bytes) -> Bought | Refused:
    """Pay for a hold. The same key never pays again: it answers how far that payment is by now.

    Refused besides what `holds.pay` says: card_declined, key_reused, and hold_lapsed where the payment came
    too late for a seat and is refunded.
    """
    begun = False

    async def act(work: Work) -> tuple[Sale, bytes] | Refused:
        nonlocal begun
        begun = False
        sale = await sales.get(work.connection, hold)
        if sale is None:
            return holds.no_such_hold()
        known = await claimed(work, office.limits, buyer, key, "buy", hold, method.encode())
        if known is not None:
            return sale, known
        on_sale = await offers.get(work.connection, sale.space)
        if on_sale is None:
            return holds.no_such_hold()
        charge = office.new_id()
        paying = holds.pay(sale, on_sale, buyer, charge, work.now_us, office.limits)
        if isinstance(paying, Refused):
            return paying
        await work.save(sale, paying)
        ask_us = work.now_us + IN_FLIGHT_US
        await charges.add(
            work.connection,
            StoredCharge(charge, sale.sale, sale.provider, work.now_us, next_us=ask_us),
        )
        work.due_us.append(ask_us)
        await made(work, buyer, key, charge)
        begun = True
        return paying, charge

    decided = await office.decide(act)
    if isinstance(decided, Refused):
        return decided
    sale, charge = decided
    if begun:
        await _call(office, sale, method)
    return await _how_far(office, charge)


async def settle(office: Office, charge: bytes, result: ChargeResult) -> None:
    """Commit what the provider says of a charge, and pay back at once what is owed by that."""

    async def act(work: Work) -> tuple[bytes, ...]:
        return await settle_in(office, work, charge, result)

    await pay_back_all(office, await office.commit(act))


async def settle_in(office: Office, work: Work, charge_id: bytes, result: ChargeResult) -> tuple[bytes, ...]:
    """As `settle`, within a transaction; returns the refunds that are owed by it. In any order, and as often
    as it is told: one posting. A charge that is not ours is nothing."""
    charge = await charges.get(work.connection, charge_id)
    if charge is None:
        log.warning("the provider told of charge %s, which is none of ours", charge_id.hex())
        return ()
    sale = await work.sale(charge.sale)
    if result.state is ChargeState.SUCCEEDED:
        if charge.state == ChargeState.SUCCEEDED.value:
            await _report_fee(office, work, sale, result)
            return ()
        return await _captured(office, work, charge, sale, result)
    if charge.state in _ENDS:
        return ()
    if result.state is ChargeState.DECLINED:
        await charges.put(
            work.connection,
            charge_id,
            result.state.value,
            ref=result.ref,
            decline_code=result.decline_code,
        )
        await _declined(office, work, sale, charge_id)
        return ()
    await charges.put(
        work.connection, charge_id, result.state.value, ref=result.ref, action_url=result.action_url
    )
    return ()


async def ask(office: Office, charge: StoredCharge, *, give_up: bool = False) -> ChargeResult:
    """What became of a charge. One that was never seen is cancelled, with `give_up` any that has no end.

    Raises ProviderUnknown where it cannot be said yet.
    """
    office.must_be_here(charge.provider)
    provider, since_s = office.provider, charge.made_us / 1_000_000
    found = await provider.find_charge(charge.charge, ref=charge.ref, since_s=since_s)
    if found is not None and (not give_up or found.state.value in _ENDS):
        return found
    ref = charge.ref if found is None else found.ref
    return await provider.cancel_charge(charge.charge, ref=ref, since_s=since_s)


async def put_off(office: Office, charge: StoredCharge) -> None:
    """Nothing could be learned of it: ask again later, with growing pauses."""

    async def act(work: Work) -> None:
        known = await charges.get(work.connection, charge.charge)
        if known is None or known.state in _ENDS:
            return
        until_us = later_us(work.now_us, charge.attempts)
        await charges.put_off(work.connection, charge.charge, until_us)
        if known.state == charges.INTENDED:
            await charges.put(work.connection, charge.charge, ChargeState.UNKNOWN.value)
        work.due_us.append(until_us)

    await office.commit(act)


def later_us(now_us: int, attempts: int) -> int:
    """When to ask again after so many attempts in vain."""
    return now_us + min(ASK_FIRST_US << min(attempts, 20), ASK_MOST_US)


async def _call(office: Office, sale: Sale, method: str) -> None:
    """Call for a charge that was just intended, and commit what is known of it then."""
    order = Charge(sale.charge, sale.amount_minor, sale.currency, method, f"ticket {sale.sale.hex()}")
    charge = StoredCharge(sale.charge, sale.sale, sale.provider, sale.held_us)
    try:
        try:
            result = await office.provider.charge(order)
        except ProviderUnknown:
            result = await ask(office, replace(charge, made_us=office.wall_us()))
    except ProviderUnknown:
        await put_off(office, charge)
        return
    await settle(office, sale.charge, result)


async def _how_far(office: Office, charge_id: bytes) -> Bought | Refused:
    async with office.store.transaction() as connection:
        charge = await charges.get(connection, charge_id)
        if charge is None:
            raise KeyError(charge_id.hex())
        sale = await sales.get(connection, charge.sale)
        if sale is None:
            raise KeyError(charge.sale.hex())
        given = await refunds.of_sale(connection, sale.sale)
    if charge.state == ChargeState.DECLINED.value:
        why = f" ({charge.decline_code})" if charge.decline_code else ""
        return Refused(
            "card_declined",
            f"This payment was declined{why}; a hold may be paid {office.limits.attempts} times while it is "
            "good: try another card, or reserve anew.",
        )
    if charge.state == ChargeState.NEEDS_ACTION.value:
        return Bought(sale, BuyState.NEEDS_ACTION, charge.action_url)
    if charge.state != ChargeState.SUCCEEDED.value:
        return Bought(sale, BuyState.PENDING)
    if any(each.refund.reason is RefundReason.NO_SEAT for each in given):
        return _too_late(sale)
    return Bought(sale, BuyState.SOLD)


def _too_late(sale: Sale) -> Refused:
    if (sale.sold_us or 0) >= sale.expires_us:
        return Refused(
            "hold_lapsed",
            "The payment came after the hold had lapsed and 0 seats were free; all of it is paid back.",
        )
    return Refused(
        "sale_closed", "The Space was over when the payment came, 0 seats are for it; all of it is paid back."
    )


async def _captured(
    office: Office, work: Work, charge: StoredCharge, sale: Sale, result: ChargeResult
) -> tuple[bytes, ...]:
    """The provider has the money: a ticket, or a refund of all of it."""
    connection = work.connection
    if sale.state is SaleState.SOLD:
        sale = await _sale_of_its_own(office, work, charge, sale)
    on_sale = await offers.get(connection, sale.space)
    if on_sale is None:
        raise KeyError(sale.space.hex())
    other = await sales.ticket_of(connection, sale.space, sale.buyer)
    has_ticket = other is not None and other.ticket in (TicketState.VALID, TicketState.REVOKED)
    sold = holds.captured(replace(sale, charge=charge.charge), on_sale, has_ticket, work.now_us)
    lifetime_minor = await sellers.lifetime_minor(connection, sale.host, sandbox=sale.sandbox)
    booked = book_capture(sale, sold, result.fee_minor, lifetime_minor, office.limits.tiers)
    await work.save(sale, booked.sale, booked.transaction)
    await charges.put(connection, charge.charge, ChargeState.SUCCEEDED.value, ref=result.ref)
    await hold_facts.put_lapses(connection, sale.buyer, holds.NO_LAPSES)
    if sold.ticket is not TicketState.REFUNDED:
        return ()
    reason = RefundReason.NO_SEAT
    return (await owe(office, work, booked.sale, due_minor(booked.sale, reason), reason),)


async def _sale_of_its_own(office: Office, work: Work, charge: StoredCharge, sale: Sale) -> Sale:
    """A charge that was given up went through after all, when another had paid for the sale: the money is
    booked by a sale of its own, which is refunded."""
    log.error("charge %s of a sale that is paid already went through; it is paid back", charge.charge.hex())
    own = Sale(
        office.new_id(), sale.space, sale.host, sale.buyer, sale.amount_minor, sale.currency,
        sale.promised_us, sale.provider, sale.sandbox, sale.prefix, sale.held_us, sale.held_until_us,
        sale.expires_us, state=SaleState.RELEASED,
    )  # fmt: skip
    await work.add(own)
    await charges.move(work.connection, charge.charge, own.sale)
    return own


async def _report_fee(office: Office, work: Work, sale: Sale, result: ChargeResult) -> None:
    if result.fee_minor is None or sale.fee_minor is not None or sale.state is not SaleState.SOLD:
        return
    lifetime_minor = await sellers.lifetime_minor(work.connection, sale.host, sandbox=sale.sandbox)
    booked = book_fee(sale, result.fee_minor, lifetime_minor, office.limits.tiers)
    await work.save(sale, booked.sale, booked.transaction)


async def _declined(office: Office, work: Work, sale: Sale, charge: bytes) -> None:
    after = holds.declined(sale, charge, work.now_us, office.limits)
    await work.save(sale, after)
    if sale.is_open and not after.is_open:
        await book_lapse(work, after, office)
        await offer_free(work, sale.space, office)
