"""What is booked of each happening, that order and repetition do not matter, and what may be paid out."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from signaling.rules.holds import captured
from signaling.rules.payouts import (
    MoneyState,
    Payout,
    PayoutState,
    book_payout,
    book_payout_failed,
    book_payout_paid,
    held_back_minor,
    host_now_minor,
    money_state,
    payout_due,
    statement,
)
from signaling.rules.postings import (
    Kind,
    Posting,
    Transaction,
    book_capture,
    book_chargeback,
    book_chargeback_won,
    book_fee,
    book_refund,
    book_refund_bounced,
    book_refund_paid,
    position,
)
from signaling.rules.refunds import RefundReason, RefundState
from signaling.rules.sale import Sale
from signaling.rules.sales import TicketState
from tests.signaling.rules_sales import (
    DAY_US,
    LIMITS,
    T0,
    code,
    held,
    kinds,
    on_sale,
    paying,
    posted,
    refund,
    settled,
    sold,
)

PAYOUT = Payout(b"payout".ljust(16), "ann", 6_000, "USD", "bank", T0)


def test_a_sale_whose_fee_is_known_is_split_at_once() -> None:
    booked = book_capture(paying(), captured(paying(), on_sale(), False, T0), 59, 0, LIMITS.tiers)
    assert posted(booked) == [
        ("clearing:bank", 1_000),
        ("fees:bank", -59),
        ("host:ann", -912),
        ("platform", -29),
    ]
    assert kinds(booked) == {Kind.SALE}
    assert money_state(booked.sale, T0, T0 + DAY_US, LIMITS) is MoneyState.AVAILABLE


def test_a_sale_whose_fee_comes_later_is_unsettled_until_then() -> None:
    before = paying()
    booked = book_capture(before, captured(before, on_sale(), False, T0), None, 0, LIMITS.tiers)
    assert posted(booked) == [("clearing:bank", 1_000), ("unsettled", -1_000)]
    assert money_state(booked.sale, T0, T0 + DAY_US, LIMITS) is MoneyState.UNSETTLED
    fee = book_fee(booked.sale, 59, 0, LIMITS.tiers)
    assert posted(fee) == [("fees:bank", -59), ("host:ann", -912), ("platform", -29), ("unsettled", 1_000)]
    assert book_fee(fee.sale, 99, 0, LIMITS.tiers).transaction is None, "a second report is no news"
    assert book_capture(fee.sale, fee.sale, 1, 0, LIMITS.tiers).transaction is None


def test_a_refund_is_owed_then_paid() -> None:
    owed = book_refund(settled(), refund(500))
    assert posted(owed) == [("host:ann", 456), ("platform", 15), ("platform", 29), ("refunds", -500)]
    assert kinds(owed) == {Kind.REFUND, Kind.REFUND_FEE_KEPT}
    paid = book_refund_paid(owed.sale, refund(500))
    assert posted(paid) == [("clearing:bank", -500), ("refunds", 500)]
    assert book_refund_paid(paid.sale, paid.refund).transaction is None
    bounced = book_refund_bounced(paid.sale, paid.refund)
    assert posted(bounced) == [("clearing:bank", 500), ("refunds", -500)]
    assert (bounced.sale, bounced.refund.state) == (owed.sale, RefundState.OWED)
    assert book_refund_bounced(bounced.sale, bounced.refund).transaction is None


def test_the_host_bears_the_fee_of_what_the_host_caused() -> None:
    owed = book_refund(settled(), refund(1_000, RefundReason.HOST_CANCELLED))
    assert posted(owed) == [("host:ann", 912), ("host:ann", 59), ("platform", 29), ("refunds", -1_000)]
    assert host_now_minor(owed.sale) == -59


@pytest.mark.parametrize(
    ("reason", "bearer"), [(RefundReason.GIVEN, "host:ann"), (RefundReason.CUT_OFF, "platform")]
)
def test_a_fee_that_is_given_back_goes_to_who_bore_it(reason: RefundReason, bearer: str) -> None:
    owed = book_refund(settled(), refund(1_000, reason))
    paid = book_refund_paid(owed.sale, refund(1_000, reason), 59)
    assert set(posted(paid)) == {
        ("clearing:bank", -1_000),
        ("fees:bank", 59),
        (bearer, -59),
        ("refunds", 1_000),
    }
    assert host_now_minor(paid.sale) == 0
    assert statement([paid.sale]).fees_minor == 0
    bounced = book_refund_bounced(paid.sale, paid.refund)
    assert (bounced.sale, bounced.refund.fee_returned_minor) == (owed.sale, 0)


def test_a_fee_that_comes_back_after_its_refund_is_booked_then() -> None:
    """The provider says first that the money is paid back, and later, twice, what of the fee it returns."""
    owed = book_refund(settled(), refund(1_000, RefundReason.GIVEN))
    first = book_refund_paid(owed.sale, refund(1_000, RefundReason.GIVEN))
    later = book_refund_paid(first.sale, first.refund, 59)
    assert posted(later) == [("fees:bank", 59), ("host:ann", -59)]
    assert (later.refund.fee_returned_minor, later.sale.refund_paid_minor) == (59, 1_000)
    at_once = book_refund_paid(owed.sale, refund(1_000, RefundReason.GIVEN), 59)
    assert (later.sale, later.refund) == (at_once.sale, at_once.refund)
    for fee_minor in (59, 58, 0):
        assert book_refund_paid(later.sale, later.refund, fee_minor).transaction is None
    assert book_refund_bounced(later.sale, later.refund).sale == owed.sale


def test_a_chargeback_and_its_fee_and_winning_it() -> None:
    lost = book_chargeback(settled(), 1_000, 1_500)
    assert posted(lost) == [
        ("clearing:bank", -1_000),
        ("fees:bank", -1_500),
        ("host:ann", 912),
        ("platform", 1_529),
        ("platform", 59),
    ]
    assert lost.sale.ticket is TicketState.REVOKED
    assert book_chargeback(lost.sale, 1_000, 1_500).transaction is None
    won = book_chargeback_won(lost.sale)
    assert posted(won) == [("clearing:bank", 1_000), ("host:ann", -912), ("platform", -29), ("platform", -59)]
    assert won.sale.ticket is TicketState.REVOKED
    for again in (book_chargeback_won(won.sale), book_chargeback(won.sale, 1_000, 1_500)):
        assert again.transaction is None
    back = book_chargeback_won(lost.sale, fee_returned=True)
    assert position(back.sale) == position(settled())


def test_a_chargeback_that_is_won_before_it_is_heard_of() -> None:
    won = book_chargeback_won(settled())
    assert won.transaction is None
    assert book_chargeback(won.sale, 1_000, 1_500).transaction is None


def test_what_a_chargeback_takes_beyond_the_sale_is_the_platforms_loss() -> None:
    refunded = book_refund(settled(), refund(600)).sale
    lost = book_chargeback(refunded, 1_000, 0)
    assert sum(amount for account, amount in posted(lost) if account == "host:ann") == 912 - 547
    assert sum(position(lost.sale).values()) == 0
    assert lost.sale.refundable_minor == 0
    assert statement([lost.sale]).platform_minor == -659, "600 lost and a fee of 59 borne"


def happenings(sale: Sale, order: tuple[str, ...]) -> Sale:
    """The sale after fee, refunds (each decided, then paid), and a chargeback, in this order."""
    for name in order:
        match name:
            case "fee":
                sale = book_fee(sale, 59, 0, LIMITS.tiers).sale
            case "by host":
                given = refund(333, RefundReason.GIVEN)
                sale = book_refund_paid(book_refund(sale, given).sale, given).sale
            case "by platform":
                cut = refund(112, RefundReason.CUT_OFF)
                sale = book_refund(sale, cut).sale
            case "chargeback":
                sale = book_chargeback(sale, 500, 1_500).sale
    return sale


def test_the_order_in_which_things_are_heard_of_does_not_matter() -> None:
    names = ("fee", "by host", "by platform", "chargeback")
    assert (
        len({tuple(sorted(position(happenings(sold(), order)).items())) for order in permutations(names)})
        == 1
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: book_capture(held(), held(), None, 0, LIMITS.tiers),
        lambda: book_fee(held(), 1, 0, LIMITS.tiers),
        lambda: book_fee(sold(), -1, 0, LIMITS.tiers),
        lambda: book_refund(held(), refund(1)),
        lambda: book_refund_paid(settled(), refund(1)),
        lambda: book_refund_paid(settled(), refund(1), -1),
        lambda: book_refund_paid(settled(), replace(refund(1), sale=b"other")),
        lambda: book_refund_bounced(settled(), replace(refund(1), state=RefundState.PAID)),
        lambda: book_chargeback(held(), 1, 0),
        lambda: book_chargeback(settled(), 0, 0),
        lambda: book_chargeback(settled(), 1, -1),
        lambda: book_chargeback_won(held()),
        lambda: book_payout(replace(PAYOUT, amount_minor=0)),
        lambda: book_payout(replace(PAYOUT, state=PayoutState.PAID)),
    ],
)
def test_what_did_not_happen_cannot_be_booked(wrong) -> None:
    with pytest.raises(ValueError, match=r"; (give|book|report|ask)|another sale"):
        wrong()


@pytest.mark.parametrize("amounts", [(), (1,), (1, -2), (1, -1, 0)])
def test_a_transaction_sums_to_0(amounts: tuple[int, ...]) -> None:
    postings = tuple(Posting("platform", amount, Kind.SALE) for amount in amounts)
    with pytest.raises(ValueError, match="that sum to 0"):
        Transaction(Kind.SALE, b"sale", "USD", False, postings)


def test_money_is_available_24_hours_after_the_space_closed() -> None:
    sale = settled()
    for closed_us, now_us, state in (
        (None, T0 + 90 * DAY_US, MoneyState.SETTLED),
        (T0, T0 + DAY_US - 1, MoneyState.SETTLED),
        (T0, T0 + DAY_US, MoneyState.AVAILABLE),
    ):
        assert money_state(sale, closed_us, now_us, LIMITS) is state
        held_back = 912 if state is MoneyState.SETTLED else 0
        assert held_back_minor(sale, closed_us, now_us, LIMITS) == held_back
    assert money_state(replace(sale, payout=b"payout"), T0, T0, LIMITS) is MoneyState.PAID
    assert held_back_minor(sold(), T0, T0 + DAY_US, LIMITS) == 0, "nothing is the host's before the split"


def test_debts_are_not_held_back() -> None:
    owing = book_refund(settled(), refund(1_000, RefundReason.GIVEN)).sale
    assert held_back_minor(owing, None, T0, LIMITS) == 0


def test_a_sandbox_sale_is_never_payable() -> None:
    sale = book_fee(sold(sandbox=True), 59, 0, LIMITS.tiers)
    assert sale.transaction is not None and sale.transaction.sandbox
    assert money_state(sale.sale, T0, T0 + 90 * DAY_US, LIMITS) is MoneyState.SETTLED
    assert held_back_minor(sale.sale, T0, T0, LIMITS) == 0, "it is not in the balance either"


def test_50_are_paid_out_and_less_rolls_over() -> None:
    assert payout_due(5_000, 0, True, LIMITS) == 5_000
    assert payout_due(9_000, 1_000, True, LIMITS) == 8_000
    assert code(payout_due(4_999, 0, True, LIMITS)) == "payout_too_small"
    assert code(payout_due(9_000, 4_001, True, LIMITS)) == "payout_too_small"
    assert code(payout_due(-59, 0, True, LIMITS)) == "payout_too_small"
    assert code(payout_due(9_000, 0, False, LIMITS)) == "payout_account_missing"


def test_a_payout_is_sent_then_paid_or_failed() -> None:
    sent = book_payout(PAYOUT)
    paid = book_payout_paid(PAYOUT)
    failed = book_payout_failed(PAYOUT)
    returned = book_payout_failed(paid.payout)
    assert [
        [(posting.account, posting.amount_minor) for posting in booked.transaction.postings]
        for booked in (sent, paid, failed, returned)
        if booked.transaction is not None
    ] == [
        [("host:ann", 6_000), ("payouts:bank", -6_000)],
        [("clearing:bank", -6_000), ("payouts:bank", 6_000)],
        [("host:ann", -6_000), ("payouts:bank", 6_000)],
        [("clearing:bank", 6_000), ("host:ann", -6_000)],
    ]
    assert book_payout_paid(paid.payout).transaction is book_payout_failed(failed.payout).transaction is None
    assert book_payout_paid(failed.payout).payout.state is PayoutState.PAID, "what happened, happened"


def test_the_statement_of_a_space() -> None:
    kept = replace(settled(), payout=PAYOUT.payout)
    partly = book_refund(settled(), refund(500, RefundReason.GIVEN)).sale
    found = statement(
        [held(), sold(), kept, partly, book_chargeback(settled(), 1_000, 1_500).sale],
        frozenset({PAYOUT.payout}),
    )
    assert (found.tickets, found.seats_kept, found.sold_minor, found.refunded_minor) == (4, 4, 4_000, 500)
    assert (found.charged_back_minor, found.unsettled_minor, found.paid_minor) == (1_000, 1_000, 912)
    assert found.fees_minor == 3 * 59 + 1_500
    assert found.host_minor == 912 + (912 - 456 - 29)
    assert (
        found.sold_minor - found.refunded_minor - found.charged_back_minor
        == found.fees_minor + found.host_minor + found.platform_minor + found.unsettled_minor
    )
