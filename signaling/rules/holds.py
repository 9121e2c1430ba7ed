"""A sale from the hold to the ticket: who may hold a seat, and the machine of sales.

    held ──pay──> paying ──captured──> sold ──refunds──> (ticket refunded)
      │ ▲           │ │
      │ └─declined──┘ └─lapse──> released ──captured late──> sold, with a seat or a refund
      ├─release, lapse──> released
      └ declined once too often, or after the hold ──> failed

A `Sale` is a value; a verb gives the next one, or `Refused`. How many seats it takes in each state says
`sale.seats`: what a verb changes of the counters of the Space is the difference before and after it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from signaling.rules.permissions import Refused
from signaling.rules.roles import State
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits, span
from signaling.rules.sales import OnSale, TicketState, sale_open

_PREFIX_BITS = {4: 24, 6: 48}


class Lapses(NamedTuple):
    """Holds of one buyer in a row that bought nothing, and when the last of them ended."""

    holds: int = 0
    last_us: int = 0


NO_LAPSES: Final = Lapses()


@dataclass(frozen=True, slots=True)
class BuyerFacts:
    """What is known of who wants to hold a seat.

    `free_of_charge`: `sales.free_of_charge` for this Space. `has_ticket` for this Space, valid or revoked;
    `open_hold` for any Space; `prefix_holds`: open holds from the same prefix, of any Space.
    """

    prefix: str
    free_of_charge: bool = False
    has_ticket: bool = False
    open_hold: bool = False
    prefix_holds: int = 0
    lapses: Lapses = NO_LAPSES


def address_prefix(address: str) -> str:
    """What holds are counted by: the /24 of an IPv4 address, the /48 of an IPv6 one.

    An IPv4 address mapped into IPv6 counts as what it is. ValueError: no address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    known = mapped or found
    return str(ipaddress.ip_network(f"{known}/{_PREFIX_BITS[known.version]}", strict=False))


def reserve(  # noqa: PLR0917 - what a hold is made of
    on_sale: OnSale,
    sale: bytes,
    buyer: str,
    facts: BuyerFacts,
    provider: str,
    sandbox: bool,
    now_us: int,
    limits: SaleLimits,
) -> Sale | Refused:
    """Hold a seat for `buyer` under the new random id `sale`.

    Refused: not_for_sale, sale_closed, not_permitted (needs no ticket), has_ticket, hold_open, hold_too_soon
    (with the time to wait), busy (too many holds from the prefix), sold_out, also while a free seat is for
    those who waited before.
    """
    terms = sale_open(on_sale, now_us)
    if isinstance(terms, Refused):
        return terms
    refused = not_for(on_sale, buyer, facts) or _too_many(facts, now_us, limits)
    if refused is not None:
        return refused
    if on_sale.free <= on_sale.waiting:
        return _sold_out(on_sale)
    return held_for(on_sale, sale, buyer, facts.prefix, provider, sandbox, now_us, limits.hold_us)


def pay(  # noqa: PLR0917 - the hold, the Space, and the attempt
    sale: Sale, on_sale: OnSale, buyer: str, charge: bytes, now_us: int, limits: SaleLimits
) -> Sale | Refused:
    """The intent to charge under the new id `charge`: committed before the provider is called.

    Refused: no_such_hold (also a foreign one), hold_lapsed, has_ticket (bought already), payment_unknown
    (one is under way), card_declined (too often), sale_closed.
    """
    refused = _not_yours(sale, buyer) or _cannot_pay(sale, on_sale, now_us, limits)
    if refused is not None:
        return refused
    return replace(
        sale,
        state=SaleState.PAYING,
        charge=charge,
        attempts=sale.attempts + 1,
        expires_us=max(sale.held_until_us, now_us + limits.paying_us),
    )


def declined(sale: Sale, charge: bytes, now_us: int, limits: SaleLimits) -> Sale:
    """The provider declined or cancelled that charge: the hold goes on if it is good still, for another card.

    Of an earlier charge, or where nothing is under way, it is no news.
    """
    if sale.state is not SaleState.PAYING or charge != sale.charge:
        return sale
    again = now_us < sale.held_until_us and sale.attempts < limits.attempts
    return replace(sale, state=SaleState.HELD if again else SaleState.FAILED, expires_us=sale.held_until_us)


def captured(sale: Sale, on_sale: OnSale, has_ticket: bool, now_us: int) -> Sale:
    """The provider has the money: sold, whatever the state was, for that is what happened.

    A payment that comes after its seat was given up gets a free one; where there is none, where the buyer
    `has_ticket` of another sale, or where the Space is over, its ticket is refunded from the start: the
    whole amount is owed then, with the reason NO_SEAT. A second time it is no news.
    """
    if sale.state is SaleState.SOLD:
        return sale
    kept = sale.is_open or on_sale.free > 0
    over = on_sale.state not in (State.SCHEDULED, State.LIVE)
    ticket = TicketState.VALID if kept and not has_ticket and not over else TicketState.REFUNDED
    return replace(sale, state=SaleState.SOLD, ticket=ticket, sold_us=now_us)


def release(sale: Sale, buyer: str) -> Sale | Refused:
    """The buyer gives the seat back. One that lapsed already is no news.

    Refused: no_such_hold (also a foreign one), has_ticket (sold), payment_unknown (a payment is under way).
    """
    refused = _not_yours(sale, buyer)
    if refused is not None:
        return refused
    if sale.state is SaleState.SOLD:
        return _bought()
    if sale.state is SaleState.PAYING:
        return _under_way(sale)
    return replace(sale, state=SaleState.RELEASED) if sale.state is SaleState.HELD else sale


def lapse(sale: Sale, now_us: int) -> Sale:
    """Give the seat up if its time is over; else the same sale.

    A payment under way is cancelled at the provider first, where it answers; it may still arrive: `captured`.
    """
    if sale.is_open and now_us >= sale.expires_us:
        return replace(sale, state=SaleState.RELEASED)
    return sale


def revoke(sale: Sale) -> Sale | Refused:
    """The holder was removed for cause: no way in, no refund. Refused: no_such_ticket."""
    if sale.ticket is not TicketState.VALID:
        return no_such_ticket()
    return replace(sale, ticket=TicketState.REVOKED)


def after_lapse(sale: Sale, lapses: Lapses, now_us: int, limits: SaleLimits) -> Lapses:
    """The buyer's lapses after `sale` was given up unpaid. An offer counts for nothing; after a purchase it
    is `Lapses()` again."""
    if sale.offered:
        return lapses
    return Lapses(1 if _forgotten(lapses, now_us, limits) else lapses.holds + 1, now_us)


def pause_until_us(lapses: Lapses, now_us: int, limits: SaleLimits) -> int:
    """From when on the buyer may hold again; `now_us` or earlier for at once."""
    if not lapses.holds or _forgotten(lapses, now_us, limits):
        return now_us
    # Bounded before it is computed: nobody reaches 2 ** 40 pauses.
    return lapses.last_us + min(limits.pause_us << min(lapses.holds - 1, 40), limits.pause_most_us)


def no_such_ticket() -> Refused:
    """The one answer to an id that is no ticket, or not one's own."""
    return Refused("no_such_ticket", "No valid ticket has this id, of 1 that is needed; list the tickets.")


def no_such_hold() -> Refused:
    """The one answer to an id that is no hold, or not one's own."""
    return Refused("no_such_hold", "You have no hold of this id, of 1 that is needed; reserve a seat first.")


def held_for(  # noqa: PLR0917 - as for reserve
    on_sale: OnSale,
    sale: bytes,
    buyer: str,
    prefix: str,
    provider: str,
    sandbox: bool,
    now_us: int,
    length_us: int,
) -> Sale:
    """A new hold of that length. ValueError: nothing is for sale."""
    terms = on_sale.terms
    if terms is None:
        raise ValueError(f"the Space {on_sale.space.hex()} has no terms of sale; ask before a seat is held")
    until_us = now_us + length_us
    return Sale(
        sale, on_sale.space, on_sale.host, buyer, terms.price_minor, terms.currency, terms.promised_us,
        provider, sandbox, prefix, now_us, until_us, until_us,
    )  # fmt: skip


def not_for(on_sale: OnSale, buyer: str, facts: BuyerFacts) -> Refused | None:
    """Why `buyer` can have no use for a seat, or None: they need no ticket, or have one."""
    if facts.free_of_charge or buyer == on_sale.host:
        return Refused(
            "not_permitted", "Hosts and whom they invite to speak need 0 tickets, and you are one; just join."
        )
    return _bought() if facts.has_ticket else None


def _too_many(facts: BuyerFacts, now_us: int, limits: SaleLimits) -> Refused | None:
    if facts.open_hold:
        return Refused(
            "hold_open", "You hold a seat already and 1 is the limit; buy or release that one first."
        )
    wait_us = pause_until_us(facts.lapses, now_us, limits) - now_us
    if wait_us > 0:
        return Refused(
            "hold_too_soon",
            f"Your last {facts.lapses.holds} holds bought nothing; hold again in {span(wait_us)}.",
            -(-wait_us // 1_000),
        )
    if facts.prefix_holds >= limits.holds_per_prefix:
        return Refused(
            "busy",
            f"{facts.prefix_holds} seats are on hold from your network {facts.prefix} and "
            f"{limits.holds_per_prefix} is the limit; try again when some were bought or have lapsed.",
            limits.hold_us // 1_000,
        )
    return None


def _cannot_pay(sale: Sale, on_sale: OnSale, now_us: int, limits: SaleLimits) -> Refused | None:
    if sale.state is SaleState.SOLD:
        return _bought()
    if sale.state is SaleState.PAYING:
        return _under_way(sale)
    if sale.state is not SaleState.HELD:
        return Refused(
            "hold_lapsed", f"This hold is {sale.state} and only an open one is paid; reserve anew."
        )
    return _worn_out(sale, on_sale, now_us, limits)


def _worn_out(sale: Sale, on_sale: OnSale, now_us: int, limits: SaleLimits) -> Refused | None:
    if now_us >= sale.held_until_us:
        late = span(now_us - sale.held_until_us)
        return Refused("hold_lapsed", f"This hold lapsed {late} ago; reserve anew.")
    if sale.attempts >= limits.attempts:
        return Refused(
            "card_declined",
            f"{sale.attempts} payments failed and {limits.attempts} is the limit; reserve anew.",
        )
    if on_sale.state not in (State.SCHEDULED, State.LIVE):
        return Refused("sale_closed", f"This Space is {on_sale.state} and sells no more; choose another.")
    return None


def _not_yours(sale: Sale, buyer: str) -> Refused | None:
    if sale.buyer == buyer:
        return None
    return no_such_hold()


def _bought() -> Refused:
    return Refused("has_ticket", "You have a ticket for this Space and 1 is the limit; join with it.")


def _under_way(sale: Sale) -> Refused:
    return Refused(
        "payment_unknown",
        f"Payment {sale.attempts} of this hold is under way; wait for its outcome, it is asked for.",
        5_000,
    )


def _sold_out(on_sale: OnSale) -> Refused:
    capacity = 0 if on_sale.terms is None else on_sale.terms.capacity
    return Refused(
        "sold_out",
        f"{on_sale.sold} of {capacity} tickets are sold, {on_sale.held} on hold and {on_sale.waiting} people "
        "wait; wait for a seat too.",
    )


def _forgotten(lapses: Lapses, now_us: int, limits: SaleLimits) -> bool:
    return now_us >= lapses.last_us + limits.lapses_forgotten_us
