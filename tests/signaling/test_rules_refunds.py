"""What is refunded and who gives it back, against exact fractions; n partial refunds equal one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.rules.delivery import delivered_us
from signaling.rules.holds import revoke
from signaling.rules.postings import book_chargeback, book_chargeback_won, book_fee, book_refund
from signaling.rules.refunds import (
    BORNE_BY_HOST,
    Parts,
    RefundReason,
    asked,
    due_minor,
    is_no_show,
    lifetime_minor,
    no_show_due_us,
    parts,
    undelivered_minor,
)
from signaling.rules.sale import Sale
from signaling.rules.sales import TicketState
from tests.signaling.rules_sales import (
    HOUR_US,
    LIMITS,
    MINUTE_US,
    STARTS_US,
    code,
    done,
    held,
    refund,
    settled,
    sold,
)

FULL = sorted(set(RefundReason) - {RefundReason.BROKE_OFF, RefundReason.CUT_OFF, RefundReason.GIVEN})
reasons = st.sampled_from(sorted(RefundReason))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Sale, list[tuple[int, RefundReason]]]:
    """A settled sale, and refunds that together are no more than it."""
    amount = draw(st.integers(1, 3_000))
    sale = settled(amount, draw(st.integers(0, amount + 20)), draw(st.integers(0, 5_002_000)))
    cuts = sorted(draw(st.lists(st.integers(0, amount), max_size=8)))
    steps = [high - low for low, high in zip([0, *cuts], cuts, strict=False) if high > low]
    return sale, [(step, draw(reasons)) for step in steps]


def after(sale: Sale, *refunds: tuple[int, RefundReason]) -> Sale:
    for amount, reason in refunds:
        sale = book_refund(sale, refund(amount, reason)).sale
    return sale


def test_20_of_60_minutes_delivered() -> None:
    assert undelivered_minor(1_000, 60 * MINUTE_US, 20 * MINUTE_US) == 667, "666.67 rounded up"
    sale = settled(1_000)
    assert due_minor(sale, RefundReason.BROKE_OFF, 20 * MINUTE_US, 20 * MINUTE_US) == 667
    assert due_minor(sale, RefundReason.CUT_OFF, 20 * MINUTE_US, 5 * MINUTE_US) == 917


@given(st.integers(1, 99_900), st.integers(1, 10**11), st.integers(0, 2 * 10**11))
def test_undelivered_time_against_fractions(amount: int, promised_us: int, delivered_us: int) -> None:
    exact = Fraction(amount * max(0, promised_us - delivered_us), promised_us)
    found = undelivered_minor(amount, promised_us, delivered_us)
    assert found == ceil(exact)
    assert 0 <= found <= amount
    assert undelivered_minor(amount, promised_us, delivered_us + 1) <= found


@pytest.mark.parametrize(
    ("on_air_us", "missed_us", "back"),
    [
        (0, 0, 1_500),
        (20 * MINUTE_US, 20 * MINUTE_US, 1_500),
        (20 * MINUTE_US, 0, 1_000),
        (20 * MINUTE_US, 1, 1_001),
        (HOUR_US - 1, 0, 1),
        (HOUR_US - 1, HOUR_US, 1_500),
        (HOUR_US, 0, 0),
        (HOUR_US, HOUR_US, 0),
        (2 * HOUR_US, 0, 0),
    ],
)
def test_at_each_edge_of_delivered_time_whole_yen_go_back(on_air_us: int, missed_us: int, back: int) -> None:
    sale = replace(settled(1_500, 80), currency="JPY")
    heard_us = delivered_us(on_air_us, missed_us)
    assert due_minor(sale, RefundReason.BROKE_OFF, on_air_us, heard_us) == back
    assert due_minor(
        after(sale, (400, RefundReason.GIVEN)), RefundReason.CUT_OFF, on_air_us, heard_us
    ) == max(0, back - 400)


def test_a_space_that_kept_its_promise_did_not_break_off() -> None:
    sale = settled(1_000)
    assert due_minor(sale, RefundReason.BROKE_OFF, HOUR_US, 0) == 0
    assert due_minor(sale, RefundReason.BROKE_OFF, HOUR_US - 1, HOUR_US) == 1, "rounded up"
    assert due_minor(sale, RefundReason.BROKE_OFF, 0, HOUR_US) == 1_000, "no more than was on air"
    assert due_minor(sale, RefundReason.BROKE_OFF, 5, -5) == 1_000


@pytest.mark.parametrize("reason", FULL)
def test_all_goes_back_but_what_went_back_before(reason: RefundReason) -> None:
    sale = settled(1_000)
    assert due_minor(sale, reason) == 1_000
    assert due_minor(after(sale, (300, RefundReason.GIVEN)), reason) == 700
    assert due_minor(replace(sale, charged_back_minor=1_200), reason) == 0
    assert due_minor(held(), reason) == 0


def test_what_is_due_is_due_once() -> None:
    """Asked again after it was booked, as after a crash in between, nothing is due."""
    sale = settled(1_000)
    given = after(sale, (300, RefundReason.GIVEN))
    for start in (sale, given):
        due = due_minor(start, RefundReason.BROKE_OFF, 20 * MINUTE_US, 20 * MINUTE_US)
        assert start.refunded_minor + due == 667
        booked = after(start, (due, RefundReason.BROKE_OFF))
        assert due_minor(booked, RefundReason.BROKE_OFF, 20 * MINUTE_US, 20 * MINUTE_US) == 0
    assert due_minor(sale, RefundReason.GIVEN) == 0, "nobody is owed what a host may give"


def test_who_was_removed_for_cause_is_owed_nothing_but_may_be_given() -> None:
    removed = done(revoke(settled(1_000)))
    for reason in RefundReason:
        assert due_minor(removed, reason) == 0
    assert asked(removed, "ann", 0, LIMITS) == 1_000
    disputed = book_chargeback_won(book_chargeback(settled(1_000), 1_000, 0).sale).sale
    assert due_minor(disputed, RefundReason.HOST_CANCELLED) == 1_000, "lost the ticket, not the money"


def test_a_host_gives_back_no_more_than_is_left() -> None:
    sale = after(settled(1_000), (300, RefundReason.GIVEN))
    assert [asked(sale, "ann", amount, LIMITS) for amount in (0, 1, 700)] == [700, 1, 700]
    assert code(asked(sale, "ann", 701, LIMITS)) == "refund_too_large"
    assert code(asked(sale, "ann", 10**18, LIMITS)) == "refund_too_large"
    assert code(asked(sale, "ann", -1, LIMITS)) == "bad_value"
    assert code(asked(sale, "bob", 1, LIMITS)) == code(asked(held(), "ann", 1, LIMITS)) == "no_such_ticket"
    empty = after(sale, (700, RefundReason.GIVEN))
    assert code(asked(empty, "ann", 0, LIMITS)) == code(asked(empty, "ann", 1, LIMITS)) == "refund_too_large"


def test_a_refund_beyond_the_sale_cannot_be_booked() -> None:
    for amount in (-1, 0, 1_001):
        with pytest.raises(ValueError, match="of which 1000 is left; ask how much is due first"):
            book_refund(settled(1_000), refund(amount))


def test_the_ticket_ends_with_the_last_of_the_money() -> None:
    sale = after(settled(1_000), (999, RefundReason.GIVEN))
    assert sale.ticket is TicketState.VALID
    assert after(sale, (1, RefundReason.GIVEN)).ticket is TicketState.REFUNDED


def test_who_bears_the_fee_that_is_kept() -> None:
    assert parts(after(settled(1_000), (1_000, RefundReason.PLATFORM_ENDED))) == Parts(912, 29, 59, 0, 59)
    assert parts(after(settled(1_000), (1_000, RefundReason.HOST_CANCELLED))) == Parts(912, 29, 59, 59, 0)
    assert frozenset(RefundReason) - BORNE_BY_HOST == {"platform_ended", "cut_off", "no_seat"}


@given(histories())
def test_n_refunds_equal_one(history: tuple[Sale, list[tuple[int, RefundReason]]]) -> None:
    sale, steps = history
    if not steps:
        return
    by_host = sum(amount for amount, reason in steps if reason in BORNE_BY_HOST)
    by_platform = sum(amount for amount, _ in steps) - by_host
    once = [(by_host, RefundReason.GIVEN), (by_platform, RefundReason.CUT_OFF)]
    assert parts(after(sale, *steps)) == parts(after(sale, *(step for step in once if step[0])))


@given(histories())
def test_each_gives_back_its_share_and_no_more(history: tuple[Sale, list[tuple[int, RefundReason]]]) -> None:
    """Against fractions of the sale: each part is within one unit (the host's within two, rounded down)."""
    sale, steps = history
    fee = sale.fee_minor or 0
    before = parts(sale)
    assert before == Parts(0, 0, 0, 0, 0)
    for step in steps:
        sale = after(sale, step)
        now, part = parts(sale), Fraction(sale.returned_minor, sale.amount_minor)
        assert now.host_minor + now.platform_minor + now.fee_minor == sale.returned_minor
        assert now.fee_of_host_minor + now.fee_of_platform_minor == now.fee_minor
        assert min(now.fee_of_host_minor, now.fee_of_platform_minor) >= 0
        assert 0 <= fee * part - now.fee_minor < 1
        assert abs(sale.host_minor * part - now.host_minor) < 2
        assert 0 <= now.host_minor <= sale.host_minor
        assert before.host_minor <= now.host_minor
        assert before.fee_minor <= now.fee_minor
        if fee <= sale.amount_minor:
            assert 0 <= before.platform_minor <= now.platform_minor <= sale.platform_minor
        before = now
    if not sale.refundable_minor:
        assert before[:3] == (sale.host_minor, sale.platform_minor, fee)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_who_caused_a_part_bears_the_fee_of_that_part(order: tuple[int, int]) -> None:
    """400 of 1,000 given by the host, and 600 because the platform ended the Space: of 59, 23 and 36."""
    steps = ((400, RefundReason.GIVEN), (600, RefundReason.PLATFORM_ENDED))
    sale = settled()
    for at in order:
        sale = after(sale, steps[at])
    borne = parts(sale)
    assert (borne.fee_minor, borne.fee_of_host_minor, borne.fee_of_platform_minor) == (59, 23, 36)


@given(histories())
def test_lifetime_revenue_counts_what_was_kept(history: tuple[Sale, list[tuple[int, RefundReason]]]) -> None:
    sale, steps = history
    net = max(0, sale.amount_minor - (sale.fee_minor or 0))
    assert lifetime_minor(sale) == net
    last = net
    for step in steps:
        sale = after(sale, step)
        assert 0 <= lifetime_minor(sale) <= last
        last = lifetime_minor(sale)
    assert sale.refundable_minor or last == 0
    assert lifetime_minor(sold()) == 0, "not known before the fee"


def test_a_refund_splits_no_sale_anew() -> None:
    """Sold across the tier; refunding an earlier sale leaves the stored split of this one as it is."""
    later = settled(10_000, 0, 4_995_000)
    assert (later.host_minor, later.platform_minor) == (4_850 + 4_000, 150 + 1_000)
    refunded = after(later, (5_000, RefundReason.GIVEN))
    assert (refunded.host_minor, refunded.platform_minor) == (later.host_minor, later.platform_minor)
    assert book_fee(refunded, 77, 0, LIMITS.tiers).transaction is None


def test_a_host_who_is_15_minutes_late_does_not_come() -> None:
    due_us = no_show_due_us(STARTS_US, LIMITS)
    assert due_us == STARTS_US + 15 * MINUTE_US
    assert not is_no_show(STARTS_US, None, due_us - 1, LIMITS)
    assert is_no_show(STARTS_US, None, due_us, LIMITS)
    assert is_no_show(STARTS_US, due_us, due_us, LIMITS)
    assert not is_no_show(STARTS_US, due_us - 1, due_us + HOUR_US, LIMITS)
    assert done(asked(settled(), "ann", 0, LIMITS)) == 1_000
