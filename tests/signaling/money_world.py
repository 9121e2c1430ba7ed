"""A provider with books of its own and a till that forgets: what random histories of money are played in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from signaling.rules import Refused, State
from signaling.rules.holds import BuyerFacts, captured, declined, lapse, pay, reserve
from signaling.rules.money import Tier, currency
from signaling.rules.payouts import (
    Payout,
    book_payout,
    book_payout_failed,
    book_payout_paid,
    held_back_minor,
    payout_due,
)
from signaling.rules.postings import (
    Booked,
    Transaction,
    book_capture,
    book_chargeback,
    book_chargeback_won,
    book_fee,
    book_refund,
    book_refund_bounced,
    book_refund_paid,
    host_account,
)
from signaling.rules.refunds import Refund, RefundReason, due_minor, lifetime_minor
from signaling.rules.sale import Sale, SaleState, seats
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, Terms, TicketState
from signaling.rules.waiting import Waiter, next_offers, offer

# Small, so that histories cross the tiers, meet each bound and reach a payout.
LIMITS = replace(
    SaleLimits.for_currency(currency("USD"), tiers=(Tier(3_000, 9_700), Tier(None, 8_000))),
    payout_least_minor=500,
    hold_us=5_000_000,
    offer_us=8_000_000,
    paying_us=3_000_000,
    pause_us=1,
    pause_most_us=4,
    promised_least_us=1_000_000,
    available_us=20_000_000,
    attempts=3,
)
PROMISED_US = 10_000_000


class Outcome(NamedTuple):
    """What the provider does with a charge: the fee is None until it is told, `told` whether it answers."""

    charged: bool
    fee_minor: int
    fee_known: bool
    told: bool


@dataclass
class Bank:
    """The provider: real money, and the truth. It takes and gives each id once, and gives back no more than
    it took."""

    charges: dict[bytes, int] = field(default_factory=dict)
    fees: dict[bytes, int] = field(default_factory=dict)
    declines: set[bytes] = field(default_factory=set)
    refunds: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    transfers: dict[bytes, int] = field(default_factory=dict)
    disputes: dict[bytes, int] = field(default_factory=dict)
    cash_minor: int = 0

    def charge(self, charge: bytes, amount_minor: int, outcome: Outcome) -> None:
        assert charge not in self.charges and charge not in self.declines, "charged twice"
        if not outcome.charged:
            self.declines.add(charge)
            return
        self.charges[charge], self.fees[charge] = amount_minor, outcome.fee_minor
        self.cash_minor += amount_minor - outcome.fee_minor

    def refund(self, refund: bytes, charge: bytes, amount_minor: int) -> None:
        assert refund not in self.refunds, "refunded twice"
        self.refunds[refund] = (charge, amount_minor)
        self.cash_minor -= amount_minor
        given = sum(amount for each, amount in self.refunds.values() if each == charge)
        assert given <= self.charges[charge], "refunded more than was paid"

    def refund_bounces(self, refund: bytes) -> None:
        self.cash_minor += self.refunds.pop(refund)[1]

    def transfer(self, payout: bytes, amount_minor: int) -> None:
        assert payout not in self.transfers, "paid out twice"
        self.transfers[payout] = amount_minor
        self.cash_minor -= amount_minor

    def transfer_returns(self, payout: bytes) -> None:
        self.cash_minor += self.transfers.pop(payout)

    def dispute(self, charge: bytes, fee_minor: int) -> None:
        self.disputes[charge] = fee_minor
        self.cash_minor -= self.charges[charge] + fee_minor

    def dispute_won(self, charge: bytes) -> None:
        self.cash_minor += self.charges[charge]


class Till:
    """Carries the rules out as a server does. `ledger`: (account, sandbox) → minor units."""

    def __init__(self) -> None:
        self.banks = {False: Bank(), True: Bank()}
        self.spaces: dict[bytes, OnSale] = {}
        self.sandboxed: set[bytes] = set()
        self.closed_us: dict[bytes, int] = {}
        self.sales: dict[bytes, Sale] = {}
        self.charges: dict[bytes, bytes] = {}
        self.refunds: dict[bytes, Refund] = {}
        self.payouts: dict[bytes, Payout] = {}
        self.waiters: dict[bytes, list[Waiter]] = {}
        self.ledger: Counter[tuple[str, bool]] = Counter()
        self.now_us = 1_000
        self.ids = 0

    def open(self, space: OnSale, *, sandbox: bool) -> None:
        self.spaces[space.space], self.waiters[space.space] = space, []
        if sandbox:
            self.sandboxed.add(space.space)

    def new_id(self) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(16)

    def bank(self, sale: Sale) -> Bank:
        return self.banks[sale.sandbox]

    def balance(self, account: str, sandbox: bool = False) -> int:
        return self.ledger[account, sandbox]

    def book(self, transaction: Transaction | None) -> None:
        if transaction is not None:
            for posting in transaction.postings:
                self.ledger[posting.account, transaction.sandbox] += posting.amount_minor

    def keep(self, after: Sale) -> None:
        """Store the sale, and change the counters of its Space by what it takes now and took before."""
        before = self.sales.get(after.sale)
        self.sales[after.sale] = after
        held, sold = seats(after)
        if before is not None:
            held, sold = held - seats(before).held, sold - seats(before).sold
        space = self.spaces[after.space]
        self.spaces[after.space] = replace(space, held=space.held + held, sold=space.sold + sold)

    def keep_booked(self, booked: Booked) -> None:
        self.book(booked.transaction)
        self.keep(booked.sale)

    def facts(self, space: bytes, buyer: str) -> BuyerFacts:
        return BuyerFacts("net", has_ticket=self.has_ticket(space, buyer), open_hold=self.open_hold(buyer))

    def has_ticket(self, space: bytes, buyer: str) -> bool:
        kept = (TicketState.VALID, TicketState.REVOKED)
        mine = (sale for sale in self.sales.values() if (sale.space, sale.buyer) == (space, buyer))
        return any(sale.ticket in kept for sale in mine)

    def open_hold(self, buyer: str) -> bool:
        return any(sale.is_open for sale in self.sales.values() if sale.buyer == buyer)

    def lifetime_minor(self, host: str, sandbox: bool) -> int:
        mine = [sale for sale in self.sales.values() if (sale.host, sale.sandbox) == (host, sandbox)]
        return sum(lifetime_minor(sale) for sale in mine)

    # Acts

    def reserve(self, space: bytes, buyer: str) -> Sale | Refused:
        sandbox = space in self.sandboxed
        answer = reserve(
            self.spaces[space], self.new_id(), buyer, self.facts(space, buyer),
            "sandbox" if sandbox else "bank", sandbox, self.now_us, LIMITS,
        )  # fmt: skip
        if isinstance(answer, Sale):
            self.keep(answer)
        return answer

    def offer_seats(self, space: bytes) -> None:
        marked = [each._replace(open_hold=self.open_hold(each.user)) for each in self.waiters[space]]
        for waiter in next_offers(self.spaces[space], marked, self.now_us):
            sandbox = space in self.sandboxed
            provider = "sandbox" if sandbox else "bank"
            self.keep(
                offer(self.spaces[space], self.new_id(), waiter, provider, sandbox, self.now_us, LIMITS)
            )
            self.waiters[space] = [each for each in self.waiters[space] if each.user != waiter.user]
        self.count_waiters(space)

    def count_waiters(self, space: bytes) -> None:
        self.spaces[space] = replace(self.spaces[space], waiting=len(self.waiters[space]))

    def pay(self, sale: Sale, outcome: Outcome) -> None:
        """The intent, then the call; where the provider does not answer, only its own books know."""
        answer = pay(sale, self.spaces[sale.space], sale.buyer, self.new_id(), self.now_us, LIMITS)
        if isinstance(answer, Refused):
            return
        self.keep(answer)
        self.charges[answer.charge] = answer.sale
        self.bank(sale).charge(answer.charge, sale.amount_minor, outcome)
        if outcome.told:
            self.hear_charge(answer.charge, outcome.fee_known)

    def lapse(self) -> None:
        for sale in list(self.sales.values()):
            self.keep(lapse(sale, self.now_us))

    def refund(self, sale: Sale, amount_minor: int, reason: RefundReason) -> None:
        order = Refund(self.new_id(), sale.sale, amount_minor, reason, self.now_us)
        self.refunds[order.refund] = order
        self.keep_booked(book_refund(sale, order))
        self.bank(sale).refund(order.refund, self.charge_of(sale), amount_minor)

    def refund_due(
        self, sale: Sale, reason: RefundReason, broadcast_us: int = 0, delivered_us: int = 0
    ) -> None:
        due = due_minor(sale, reason, broadcast_us, delivered_us)
        if due:
            self.refund(sale, due, reason)

    def charge_of(self, sale: Sale) -> bytes:
        """The charge that took the money; a sale may have been tried with others."""
        mine = [charge for charge, of in self.charges.items() if of == sale.sale]
        return next(charge for charge in mine if charge in self.bank(sale).charges)

    def close(self, space: bytes, state: State) -> None:
        self.spaces[space] = replace(self.spaces[space], state=state)
        self.closed_us[space] = self.now_us

    def pay_out(self, host: str) -> int:
        """What was paid out now, 0 for nothing."""
        mine = [sale for sale in self.sales.values() if sale.host == host]
        held = sum(
            held_back_minor(sale, self.closed_us.get(sale.space), self.now_us, LIMITS) for sale in mine
        )
        due = payout_due(-self.balance(host_account(host)), held, True, LIMITS)
        if isinstance(due, Refused):
            return 0
        payout = Payout(self.new_id(), host, due, "USD", "bank", self.now_us)
        self.payouts[payout.payout] = payout
        self.book(book_payout(payout).transaction)
        return due

    # What is heard, at any time, in any order, any number of times

    def hear_charge(self, charge: bytes, with_fee: bool) -> None:
        sale = self.sales[self.charges[charge]]
        bank = self.bank(sale)
        if charge in bank.declines:
            self.keep(declined(sale, charge, self.now_us, LIMITS))
            return
        fee = bank.fees[charge] if with_fee else None
        lifetime = self.lifetime_minor(sale.host, sale.sandbox)
        if sale.state is not SaleState.SOLD:
            has_ticket = self.has_ticket(sale.space, sale.buyer)
            after = captured(sale, self.spaces[sale.space], has_ticket, self.now_us)
            self.keep_booked(book_capture(sale, after, fee, lifetime, LIMITS.tiers))
            if after.ticket is TicketState.REFUNDED:
                self.refund_due(self.sales[sale.sale], RefundReason.NO_SEAT)
        elif fee is not None:
            self.keep_booked(book_fee(sale, fee, lifetime, LIMITS.tiers))

    def hear_refund(self, refund: bytes) -> None:
        order = self.refunds[refund]
        sale = self.sales[order.sale]
        book = book_refund_paid if refund in self.bank(sale).refunds else book_refund_bounced
        booked = book(sale, order)
        self.book(booked.transaction)
        self.keep(booked.sale)
        self.refunds[refund] = booked.refund

    def hear_dispute(self, charge: bytes, won: bool) -> None:
        self.hear_charge(charge, with_fee=False)
        sale = self.sales[self.charges[charge]]
        if won:
            self.keep_booked(book_chargeback_won(sale))
        else:
            self.keep_booked(book_chargeback(sale, sale.amount_minor, self.bank(sale).disputes[charge]))

    def hear_payout(self, payout: bytes) -> None:
        known = self.payouts[payout]
        book = book_payout_paid if payout in self.banks[False].transfers else book_payout_failed
        booked = book(known)
        self.book(booked.transaction)
        self.payouts[payout] = booked.payout


def a_space(number: int, host: str, price_minor: int, capacity: int) -> OnSale:
    terms = Terms(price_minor, capacity, PROMISED_US, "USD", 0, 10**12)
    return OnSale(number.to_bytes(16), host, State.SCHEDULED, 10**9, terms)
