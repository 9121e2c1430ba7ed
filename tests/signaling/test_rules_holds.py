"""The machine of sales: holds, payments that fail, come late or not at all, pauses and the waiting list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signaling.rules import ALLOWED, State
from signaling.rules.holds import (
    NO_LAPSES,
    Lapses,
    address_prefix,
    after_lapse,
    captured,
    declined,
    lapse,
    pause_until_us,
    pay,
    release,
    reserve,
    revoke,
)
from signaling.rules.sale import Sale, SaleState, Seats, seats
from signaling.rules.sales import OnSale, TicketState
from signaling.rules.waiting import Waiter, next_offers, offer, wait
from tests.signaling.rules_sales import (
    DAY_US,
    FACTS,
    HOUR_US,
    LIMITS,
    MINUTE_US,
    STARTS_US,
    T0,
    code,
    done,
    held,
    on_sale,
    paying,
)

ID, CHARGE, OTHER = b"sale".ljust(16), b"charge".ljust(16), b"other".ljust(16)
OVER = on_sale(state=State.ENDED)


def reserved(space: OnSale, **facts: object) -> Sale | object:
    return reserve(space, ID, "bob", replace(FACTS, **facts), "bank", False, T0, LIMITS)  # type: ignore[arg-type]


def test_a_seat_is_held_for_5_minutes() -> None:
    sale = done(reserved(on_sale()))
    assert isinstance(sale, Sale)
    assert (sale.amount_minor, sale.currency, sale.promised_us) == (1_000, "USD", HOUR_US)
    assert sale.expires_us == sale.held_until_us == T0 + 5 * MINUTE_US
    assert lapse(sale, sale.expires_us - 1) is sale
    assert lapse(sale, sale.expires_us).state is SaleState.RELEASED


def test_seats_are_what_is_left_of_the_capacity() -> None:
    assert isinstance(reserved(on_sale(held=4, sold=5)), Sale)
    assert code(reserved(on_sale(held=5, sold=5))) == "sold_out"
    assert code(reserved(on_sale(held=4, sold=5, waiting=1))) == "sold_out", "it is for who waits"
    assert isinstance(reserved(on_sale(held=3, sold=5, waiting=1)), Sale)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"free_of_charge": True}, "not_permitted"),
        ({"has_ticket": True}, "has_ticket"),
        ({"open_hold": True}, "hold_open"),
        ({"lapses": Lapses(1, T0)}, "hold_too_soon"),
        ({"prefix_holds": 20}, "busy"),
    ],
)
def test_who_may_not_hold_a_seat(facts: dict[str, object], refusal: str) -> None:
    assert code(reserved(on_sale(), **facts)) == refusal
    assert isinstance(reserved(on_sale(), prefix_holds=19, lapses=Lapses(1, T0 - MINUTE_US)), Sale)


def test_the_host_buys_nothing() -> None:
    assert code(reserve(on_sale(), ID, "ann", FACTS, "bank", False, T0, LIMITS)) == "not_permitted"


def test_the_pause_doubles_and_is_forgotten() -> None:
    lapses, now_us, pauses = NO_LAPSES, T0, []
    for _ in range(9):
        lapses = after_lapse(held(), lapses, now_us, LIMITS)
        pauses.append((pause_until_us(lapses, now_us, LIMITS) - now_us) // MINUTE_US)
        now_us = pause_until_us(lapses, now_us, LIMITS)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pause_until_us(Lapses(10**9, T0), T0, LIMITS) == T0 + HOUR_US
    assert pause_until_us(lapses, lapses.last_us + DAY_US, LIMITS) == lapses.last_us + DAY_US
    assert after_lapse(held(), lapses, lapses.last_us + DAY_US, LIMITS).holds == 1
    assert after_lapse(replace(held(), offered=True), NO_LAPSES, T0, LIMITS) == NO_LAPSES
    assert code(reserved(on_sale(), lapses=Lapses(3, T0 - 1))) == "hold_too_soon"


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
    ],
)
def test_neighbours_share_a_prefix(address: str, prefix: str) -> None:
    assert address_prefix(address) == prefix


def test_what_is_no_address() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        address_prefix("localhost")


def test_a_payment_keeps_the_seat_beyond_the_hold() -> None:
    late_us = T0 + 5 * MINUTE_US - 1
    sale = done(pay(held(), on_sale(), "bob", CHARGE, late_us, LIMITS))
    assert (sale.state, sale.attempts, sale.charge) == (SaleState.PAYING, 1, CHARGE)
    assert sale.expires_us == late_us + 10 * MINUTE_US
    assert lapse(sale, sale.held_until_us) is sale
    assert lapse(sale, sale.expires_us).state is SaleState.RELEASED
    assert paying().expires_us == T0 + 10 * MINUTE_US
    brief = replace(LIMITS, paying_us=0)
    sale = done(pay(held(), on_sale(), "bob", CHARGE, T0, brief))
    assert sale.expires_us == sale.held_until_us, "never shorter than the hold"


def test_what_cannot_be_paid() -> None:
    sale = held()
    released = done(release(sale, "bob"))
    sold = captured(paying(), on_sale(), False, T0)
    tired = replace(sale, attempts=5)
    for tried, space, buyer, now_us, refusal in (
        (sale, on_sale(), "eve", T0, "no_such_hold"),
        (sale, on_sale(), "bob", T0 + 5 * MINUTE_US, "hold_lapsed"),
        (sale, OVER, "bob", T0, "sale_closed"),
        (released, on_sale(), "bob", T0, "hold_lapsed"),
        (replace(sale, state=SaleState.FAILED), on_sale(), "bob", T0, "hold_lapsed"),
        (paying(), on_sale(), "bob", T0, "payment_unknown"),
        (sold, on_sale(), "bob", T0, "has_ticket"),
        (tired, on_sale(), "bob", T0, "card_declined"),
    ):
        assert code(pay(tried, space, buyer, CHARGE, now_us, LIMITS)) == refusal


def test_a_declined_card_leaves_the_hold_to_another() -> None:
    again = declined(paying(), CHARGE, T0 + 1, LIMITS)
    assert (again.state, again.expires_us) == (SaleState.HELD, T0 + 5 * MINUTE_US)
    second = done(pay(again, on_sale(), "bob", OTHER, T0 + 2, LIMITS))
    assert second.attempts == 2
    assert declined(second, CHARGE, T0 + 3, LIMITS) is second, "late news of the first attempt"
    assert declined(again, CHARGE, T0 + 3, LIMITS) is again
    late = declined(second, OTHER, T0 + 5 * MINUTE_US, LIMITS)
    last = declined(replace(second, attempts=5), OTHER, T0 + 3, LIMITS)
    assert late.state is last.state is SaleState.FAILED
    assert seats(late) == seats(last) == Seats(0, 0)


def test_a_captured_payment_is_a_ticket() -> None:
    sale = captured(paying(), on_sale(held=10), False, T0 + 7)
    assert (sale.state, sale.ticket, sale.sold_us) == (SaleState.SOLD, TicketState.VALID, T0 + 7)
    assert captured(sale, on_sale(), True, T0 + 8) is sale


@pytest.mark.parametrize("state", [SaleState.RELEASED, SaleState.FAILED])
def test_a_payment_that_comes_late_gets_a_seat_or_a_refund(state: SaleState) -> None:
    given_up = replace(paying(), state=state)
    for space, has_ticket, ticket in (
        (on_sale(held=4, sold=5), False, TicketState.VALID),
        (on_sale(held=5, sold=5), False, TicketState.REFUNDED),
        (on_sale(), True, TicketState.REFUNDED),
        (OVER, False, TicketState.REFUNDED),
    ):
        sale = captured(given_up, space, has_ticket, T0)
        assert (sale.state, sale.ticket) == (SaleState.SOLD, ticket)
        assert seats(sale) == Seats(0, 1 if ticket is TicketState.VALID else 0)
    assert captured(paying(), OVER, False, T0).ticket is TicketState.REFUNDED


def test_seats_in_every_state() -> None:
    assert seats(held()) == seats(paying()) == Seats(1, 0)
    sale = captured(paying(), on_sale(), False, T0)
    assert seats(sale) == seats(done(revoke(sale))) == Seats(0, 1)
    assert seats(replace(sale, ticket=TicketState.REFUNDED)) == Seats(0, 0)


def test_giving_a_seat_back() -> None:
    released = done(release(held(), "bob"))
    assert released.state is SaleState.RELEASED
    assert done(release(released, "bob")) is released
    assert code(release(held(), "eve")) == "no_such_hold"
    assert code(release(paying(), "bob")) == "payment_unknown"
    assert code(release(captured(paying(), on_sale(), False, T0), "bob")) == "has_ticket"


def test_only_a_valid_ticket_is_revoked() -> None:
    sale = captured(paying(), on_sale(), False, T0)
    assert done(revoke(sale)).ticket is TicketState.REVOKED
    for other in (held(), done(revoke(sale)), replace(sale, ticket=TicketState.REFUNDED)):
        assert code(revoke(other)) == "no_such_ticket"


def test_who_may_wait() -> None:
    full = on_sale(held=5, sold=5)
    assert wait(full, "bob", FACTS, T0, LIMITS) == ALLOWED
    assert code(wait(on_sale(sold=9), "bob", FACTS, T0, LIMITS)) == "not_permitted"
    assert wait(on_sale(sold=9, waiting=1), "bob", FACTS, T0, LIMITS) == ALLOWED
    assert wait(replace(full, waiting=999), "bob", FACTS, T0, LIMITS) == ALLOWED
    assert code(wait(replace(full, waiting=1_000), "bob", FACTS, T0, LIMITS)) == "busy"
    assert code(wait(full, "ann", FACTS, T0, LIMITS)) == "not_permitted"
    assert code(wait(full, "bob", replace(FACTS, has_ticket=True), T0, LIMITS)) == "has_ticket"
    assert code(wait(full, "bob", FACTS, STARTS_US + HOUR_US, LIMITS)) == "sale_closed"
    assert code(wait(replace(full, terms=None), "bob", FACTS, T0, LIMITS)) == "not_for_sale"


def test_seats_are_offered_to_who_waited_longest() -> None:
    waiters = [Waiter(7, "dan"), Waiter(2, "bob"), Waiter(5, "cat", open_hold=True), Waiter(6, "eve")]
    assert next_offers(on_sale(sold=10, waiting=4), waiters, T0) == ()
    assert next_offers(on_sale(sold=8, waiting=4), waiters, T0) == (Waiter(2, "bob"), Waiter(6, "eve"))
    assert len(next_offers(on_sale(waiting=4), waiters, T0)) == 3
    assert next_offers(on_sale(waiting=4), waiters, STARTS_US + HOUR_US) == ()
    assert next_offers(OVER, waiters, T0) == ()


def test_an_offer_is_a_hold_of_its_own_length() -> None:
    sale = offer(on_sale(sold=9, waiting=1), ID, Waiter(2, "bob"), "bank", False, T0, LIMITS)
    assert (sale.buyer, sale.offered, sale.expires_us) == ("bob", True, T0 + 10 * MINUTE_US)
    with pytest.raises(ValueError, match="no terms of sale"):
        offer(on_sale(terms=None), ID, Waiter(2, "bob"), "bank", False, T0, LIMITS)
