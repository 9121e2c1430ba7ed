"""The waiting list of a Space that is sold out: who may wait, whose turn it is, and the seat offered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from signaling.rules.holds import BuyerFacts, held_for, not_for
from signaling.rules.permissions import ALLOWED, Allowed, Refused
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, sale_open


class Waiter(NamedTuple):
    """One who waits for a seat. `number` counts up in a Space; `open_hold` as in BuyerFacts."""

    number: int
    user: str
    open_hold: bool = False


def wait(
    on_sale: OnSale, buyer: str, facts: BuyerFacts, now_us: int, limits: SaleLimits
) -> Allowed | Refused:
    """Whether `buyer` may go to the end of the waiting list; who waits already keeps their place.

    Refused: not_for_sale, sale_closed, not_permitted, has_ticket, not_permitted while a seat is free, busy
    (the list is full).
    """
    terms = sale_open(on_sale, now_us)
    if isinstance(terms, Refused):
        return terms
    refused = not_for(on_sale, buyer, facts)
    if refused is not None:
        return refused
    if on_sale.free > on_sale.waiting:
        return Refused(
            "not_permitted", f"{on_sale.free} seats are free, and waiting is for none; reserve one."
        )
    if on_sale.waiting >= limits.waiting:
        return Refused(
            "busy",
            f"{on_sale.waiting} wait already and {limits.waiting} is the limit; try again later.",
            60_000,
        )
    return ALLOWED


def next_offers(on_sale: OnSale, waiters: Iterable[Waiter], now_us: int) -> tuple[Waiter, ...]:
    """Who is offered the free seats, the longest waiting first. Whoever has a hold elsewhere keeps their
    place and is passed over this time. Nobody when the sale is closed."""
    if isinstance(sale_open(on_sale, now_us), Refused):
        return ()
    ready = sorted(waiter for waiter in waiters if not waiter.open_hold)
    return tuple(ready[: on_sale.free])


def offer(  # noqa: PLR0917 - as for reserve
    on_sale: OnSale,
    sale: bytes,
    waiter: Waiter,
    provider: str,
    sandbox: bool,
    now_us: int,
    limits: SaleLimits,
    prefix: str = "",
) -> Sale:
    """A seat held for one of `next_offers`, who is off the list with it, for longer than an ordinary hold.

    Nobody asked for it just now, so neither pause nor prefix count. ValueError: nothing is for sale.
    """
    held = held_for(on_sale, sale, waiter.user, prefix, provider, sandbox, now_us, limits.offer_us)
    return replace(held, offered=True)
