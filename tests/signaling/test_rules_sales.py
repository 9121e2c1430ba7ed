"""Terms of sale at their bounds, who may sell, and who gets in without a ticket."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from signaling.rules import ALLOWED, Standing, State
from signaling.rules.money import currency
from signaling.rules.sale_limits import SaleLimits, SellGate
from signaling.rules.sales import (
    OnSale,
    SellerFacts,
    Terms,
    TicketState,
    may_enter,
    may_reschedule,
    may_sell,
    sale_open,
    set_terms,
)
from tests.signaling.rules_sales import (
    DAY_US,
    HOUR_US,
    LIMITS,
    MINUTE_US,
    STARTS_US,
    T0,
    code,
    done,
    on_sale,
)

NEW = replace(on_sale(), terms=None)
TERMS = Terms(1_000, 10, HOUR_US)
ABLE = SellerFacts(1_000, T0 - 30 * DAY_US, 3, True)


def answered(space: OnSale = NEW, actor: str = "ann", now_us: int = T0, **changed: Any) -> Terms | object:
    return set_terms(space, actor, replace(TERMS, **changed), now_us, LIMITS)


def test_what_is_left_open_is_filled_in() -> None:
    assert answered() == Terms(1_000, 10, HOUR_US, "USD", T0, STARTS_US + HOUR_US)


@pytest.mark.parametrize(
    ("field", "low", "high", "refusal"),
    [
        ("price_minor", 100, 99_900, "bad_price"),
        ("capacity", 1, 10_000, "bad_value"),
        ("promised_us", 5 * MINUTE_US, DAY_US, "bad_value"),
    ],
)
def test_each_number_at_its_bounds_and_one_past_them(field: str, low: int, high: int, refusal: str) -> None:
    for value in (low, high):
        assert getattr(done(answered(**{field: value})), field) == value
    for value in (low - 1, high + 1, 0, -low, 10**18):
        assert code(answered(**{field: value})) == refusal


@pytest.mark.parametrize(
    ("money", "low", "high"), [("USD", 100, 99_900), ("JPY", 1, 999), ("KWD", 1_000, 999_000)]
)
def test_prices_from_1_to_999_whole_units_unless_set(money: str, low: int, high: int) -> None:
    limits = SaleLimits.for_currency(currency(money))
    assert (limits.price_least_minor, limits.price_most_minor) == (low, high)
    assert limits.payout_least_minor == low * 50
    for price in (low, high):
        assert done(set_terms(NEW, "ann", replace(TERMS, price_minor=price), T0, limits)).currency == money
    for price in (low - 1, high + 1):
        assert code(set_terms(NEW, "ann", replace(TERMS, price_minor=price), T0, limits)) == "bad_price"
    yen = SaleLimits.for_currency(currency("JPY"), price_least_minor=100, price_most_minor=99_900)
    assert done(set_terms(NEW, "ann", replace(TERMS, price_minor=1_500), T0, yen)).price_minor == 1_500


def test_one_currency_only() -> None:
    assert done(answered(currency="USD")).currency == "USD"
    for other in ("EUR", "usd", "XAU", "?" * 999):
        assert code(answered(currency=other)) == "bad_price"


@pytest.mark.parametrize(
    ("from_us", "until_us", "fits"),
    [
        (T0, STARTS_US, True),
        (T0, STARTS_US + HOUR_US, True),
        (T0, STARTS_US + HOUR_US + 1, False),
        (T0 - 1, STARTS_US, False),
        (STARTS_US, STARTS_US, False),
        (STARTS_US, STARTS_US + 1, True),
        (0, T0, False),
        (0, T0 + 1, True),
        (0, -1, False),
        (-1, 0, False),
    ],
)
def test_the_window_of_the_sale(from_us: int, until_us: int, fits: bool) -> None:
    answer = answered(sale_from_us=from_us, sale_until_us=until_us)
    assert fits if isinstance(answer, Terms) else code(answer) == "bad_time" and not fits


def test_terms_are_the_hosts_and_set_before_the_space_is_live() -> None:
    assert code(answered(actor="bob")) == "not_permitted"
    for state in (State.LIVE, State.ENDED, State.CANCELLED, State.TIMED_OUT):
        assert code(answered(replace(NEW, state=state))) == "not_planned"


def test_terms_change_until_the_first_sale() -> None:
    assert done(answered(on_sale(), price_minor=2_000)).price_minor == 2_000
    assert code(answered(on_sale(held=1))) == "busy"
    assert code(answered(on_sale(sold=1, ever_sold=True))) == "not_permitted"
    assert code(answered(on_sale(ever_sold=True))) == "not_permitted", "a refund does not undo a sale"


def test_a_sale_that_is_on_keeps_its_beginning() -> None:
    kept = done(answered(on_sale(), now_us=T0 + 5, sale_from_us=T0))
    assert kept.sale_from_us == T0
    assert code(answered(on_sale(), now_us=T0 + 5, sale_from_us=T0 + 4)) == "bad_time"


def test_a_plan_moves_until_the_first_sale() -> None:
    assert may_reschedule(NEW, LIMITS) == may_reschedule(on_sale(), LIMITS) == ALLOWED
    assert code(may_reschedule(on_sale(held=1), LIMITS)) == "busy"
    assert code(may_reschedule(on_sale(sold=1), LIMITS)) == "not_permitted"
    assert code(may_reschedule(on_sale(ever_sold=True), LIMITS)) == "not_permitted"


def test_every_gate_at_its_number_and_one_below() -> None:
    gate = SellGate()
    assert may_sell(ABLE, gate, T0) == ALLOWED
    for changed, said in (
        ({"followers": 999}, "1000 followers (you have 999)"),
        ({"account_created_us": T0 - 30 * DAY_US + 1}, "an account 30 days old (yours is 29.9 days)"),
        ({"account_created_us": None}, "an account 30 days old (the age of yours is not known)"),
        ({"hosted_lately": 2}, "3 Spaces hosted within 30 days (you have 2)"),
        ({"verified_account": False}, "1 verified payout account (you have 0)"),
    ):
        answer = may_sell(replace(ABLE, **changed), gate, T0)  # type: ignore[arg-type]
        assert code(answer) == "not_eligible_to_sell"
        assert said in str(answer)


def test_all_that_is_missing_is_said_at_once_and_when_time_alone_helps() -> None:
    nothing = may_sell(SellerFacts(0, T0, 0, False), SellGate(), T0)
    assert str(nothing).count("you have 0") == 3
    assert "retry_after_ms=0" in str(nothing)
    young = may_sell(replace(ABLE, account_created_us=T0 - 30 * DAY_US + 1_500), SellGate(), T0)
    assert "retry_after_ms=2" in str(young)
    assert may_sell(SellerFacts(0, None, 0, False), SellGate(0, 0, 0, 0, False), T0) == ALLOWED


def test_who_needs_a_ticket() -> None:
    space = on_sale(state=State.LIVE)
    for standing in Standing:
        hosts = standing in (Standing.HOST, Standing.CO_HOST)
        assert (may_enter(space, standing, False, None) == ALLOWED) == hosts
        assert may_enter(space, standing, True, None) == ALLOWED
        assert may_enter(space, standing, False, TicketState.VALID) == ALLOWED
        assert may_enter(NEW, standing, False, None) == ALLOWED
    for ticket, why in (
        (None, "you hold none"),
        (TicketState.REFUNDED, "was refunded"),
        (TicketState.REVOKED, "was revoked"),
    ):
        answer = may_enter(space, Standing.OUTSIDE, False, ticket)
        assert code(answer) == "ticket_required"
        assert why in str(answer)


def test_when_tickets_are_sold() -> None:
    space = on_sale()
    assert code(sale_open(NEW, T0)) == "not_for_sale"
    assert sale_open(space, T0) == sale_open(replace(space, state=State.LIVE), STARTS_US) == space.terms
    early = sale_open(space, T0 - 1_500)
    assert code(early) == "sale_closed"
    assert "retry_after_ms=2" in str(early)
    assert code(sale_open(space, STARTS_US + HOUR_US)) == "sale_closed"
    for state in (State.ENDED, State.CANCELLED, State.TIMED_OUT):
        assert code(sale_open(replace(space, state=state), T0)) == "sale_closed"


def test_every_limit_is_checked() -> None:
    for item in fields(SaleLimits):
        if item.name not in ("currency", "tiers", "gate"):
            for value in (-1, 10**18):
                with pytest.raises(ValueError, match=rf"the limit \w+ is {value}; set it to|; set it to"):
                    replace(LIMITS, **{item.name: value})
    for item in fields(SellGate):
        with pytest.raises(ValueError, match=f"the gate {item.name} is -1; set it to 0 or more"):
            SellGate(**{item.name: -1})
