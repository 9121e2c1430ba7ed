"""Seats of a ticketed Space: held, given back, waited for, and offered to who waits longest."""

from __future__ import annotations

from typing import NamedTuple

from signaling.pay.keyed import claimed, made
from signaling.pay.office import Office, Work
from signaling.rules import holds
from signaling.rules import waiting as waiting_rules
from signaling.rules.permissions import Refused, no_such_space
from signaling.rules.sale import Sale, SaleState
from signaling.store import accounts, offers, sales, waiting
from signaling.store import holds as hold_facts

__all__ = ["Waits", "book_lapse", "offer_free", "release", "reserve", "stop_waiting", "wait"]


class Waits(NamedTuple):
    """A place on the waiting list of a Space, from 1."""

    space: bytes
    place: int


async def reserve(
    office: Office, space: bytes, buyer: str, prefix: str, key: bytes, *, free_of_charge: bool = False
) -> Sale | Waits | Refused:
    """Hold a seat. The same key gives the same hold again, as it is now. Waits: who waits for one already."""

    async def act(work: Work) -> Sale | Waits | Refused:
        known = await claimed(work, office.limits, buyer, key, "reserve", space)
        if known is not None:
            return await work.sale(known)
        on_sale = await offers.get(work.connection, space)
        if on_sale is None:
            return no_such_space(space)
        facts = await hold_facts.facts(work.connection, space, buyer, prefix, free_of_charge=free_of_charge)
        provider = office.provider
        held = holds.reserve(
            on_sale,
            office.new_id(),
            buyer,
            facts,
            provider.name,
            provider.is_sandbox,
            work.now_us,
            office.limits,
        )
        if isinstance(held, Refused):
            return held
        await work.add(held)
        await waiting.remove(work.connection, space, buyer)
        await made(work, buyer, key, held.sale)
        return held

    answer: Sale | Waits | Refused = await office.decide(act)
    if not isinstance(answer, Refused) or answer.code != "sold_out":
        return answer
    async with office.store.transaction() as connection:
        place = await waiting.place(connection, space, buyer)
    return Waits(space, place) if place else answer


async def release(office: Office, buyer: str, hold: bytes) -> Sale | Refused:
    """Give a seat back that is not paid; who waits longest is offered it."""

    async def act(work: Work) -> Sale | Refused:
        sale = await sales.get(work.connection, hold)
        if sale is None:
            return holds.no_such_hold()
        released = holds.release(sale, buyer)
        if isinstance(released, Refused):
            return released
        await work.save(sale, released)
        if released != sale:
            await book_lapse(work, released, office)
            await offer_free(work, sale.space, office)
        return released

    return await office.decide(act)


async def wait(office: Office, space: bytes, buyer: str, *, free_of_charge: bool = False) -> Waits | Refused:
    """Go to the end of the waiting list; who is on it keeps their place."""

    async def act(work: Work) -> Waits | Refused:
        await accounts.ensure(work.connection, buyer, "", work.now_us)
        on_sale = await offers.get(work.connection, space)
        if on_sale is None:
            return no_such_space(space)
        place = await waiting.place(work.connection, space, buyer)
        if place:
            return Waits(space, place)
        facts = await hold_facts.facts(work.connection, space, buyer, "", free_of_charge=free_of_charge)
        refused = waiting_rules.wait(on_sale, buyer, facts, work.now_us, office.limits)
        if isinstance(refused, Refused):
            return refused
        return Waits(space, await waiting.add(work.connection, space, buyer, work.now_us))

    return await office.decide(act)


async def stop_waiting(office: Office, space: bytes, buyer: str) -> bool:
    """Returns whether they waited."""

    async def act(work: Work) -> bool:
        return await waiting.remove(work.connection, space, buyer)

    return await office.commit(act)


async def offer_free(work: Work, space: bytes, office: Office) -> None:
    """Hold the free seats of a Space for those who wait longest, in this transaction."""
    on_sale = await offers.get(work.connection, space)
    if on_sale is None or not on_sale.free or not on_sale.waiting:
        return
    waiters = await waiting.first(work.connection, space, on_sale.free)
    provider = office.provider
    for waiter in waiting_rules.next_offers(on_sale, waiters, work.now_us):
        held = waiting_rules.offer(
            on_sale, office.new_id(), waiter, provider.name, provider.is_sandbox, work.now_us, office.limits
        )
        await waiting.remove(work.connection, space, waiter.user)
        await work.add(held)


async def book_lapse(work: Work, sale: Sale, office: Office) -> None:
    """Count a hold that ended without a purchase."""
    if sale.state not in (SaleState.RELEASED, SaleState.FAILED):
        return
    before = await hold_facts.lapses_of(work.connection, sale.buyer)
    after = holds.after_lapse(sale, before, work.now_us, office.limits)
    if after != before:
        await hold_facts.put_lapses(work.connection, sale.buyer, after)
