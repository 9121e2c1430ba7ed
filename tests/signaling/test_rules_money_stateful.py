"""Random histories of sales, refunds, chargebacks and payouts: ledger and tickets against a simple model.

The model knows sums and fractions only. The provider keeps books of its own, answers late, twice, out of
order or not at all, and is asked in the end what became of everything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from signaling.rules import Refused, State
from signaling.rules.holds import release, revoke
from signaling.rules.payouts import PayoutState, host_now_minor, statement
from signaling.rules.postings import host_account, position
from signaling.rules.refunds import BORNE_BY_HOST, RefundReason, RefundState
from signaling.rules.sale import Sale, SaleState, seats
from signaling.rules.sales import TicketState
from signaling.rules.waiting import Waiter, wait
from tests.signaling.money_world import LIMITS, PROMISED_US, Outcome, Till, a_space

HOSTS = ("ann", "ben")
BUYERS = ("cat", "dan", "eve", "fay", "gus")
# Host, price, capacity; the last is sold in the sandbox. One is opened anew when it has closed.
KINDS = (("ann", 1_999, 2), ("ann", 101, 3), ("ben", 2_500, 1), ("ben", 777, 2))

picks = st.integers(0, 1_000_000)
kinds = st.integers(0, len(KINDS) - 1)
buyers = st.sampled_from(BUYERS)
outcomes = st.builds(
    Outcome,
    charged=st.sampled_from([True, True, True, False]),
    fee_minor=st.integers(0, 130),  # more than the cheapest ticket costs
    fee_known=st.booleans(),
    told=st.booleans(),
)


class Histories(RuleBasedStateMachine):
    @initialize()
    def open_it(self) -> None:
        self.till = Till()
        self.opened = [self.open_space(kind) for kind in range(len(KINDS))]
        self.numbers = 0

    def open_space(self, kind: int) -> bytes:
        host, price_minor, capacity = KINDS[kind]
        space = a_space(len(self.till.spaces), host, price_minor, capacity)
        self.till.open(space, sandbox=kind == len(KINDS) - 1)
        return space.space

    def capacity(self, space: bytes) -> int:
        terms = self.till.spaces[space].terms
        assert terms is not None
        return terms.capacity

    def sale(self, pick: int, *states: SaleState) -> Sale | None:
        found = [sale for sale in self.till.sales.values() if sale.state in states]
        return found[pick % len(found)] if found else None

    def now(self, sale: Sale) -> Sale:
        return self.till.sales[sale.sale]

    # Buyers

    @rule(kind=kinds, buyer=buyers)
    def reserve(self, kind: int, buyer: str) -> None:
        space = self.opened[kind]
        before = self.till.spaces[space]
        answer = self.till.reserve(space, buyer)
        assert isinstance(answer, Refused) or before.held + before.sold < self.capacity(space)

    @rule(kind=kinds, buyer=buyers)
    def wait(self, kind: int, buyer: str) -> None:
        space = self.opened[kind]
        line = self.till.waiters[space]
        facts = self.till.facts(space, buyer)
        answer = wait(self.till.spaces[space], buyer, facts, self.till.now_us, LIMITS)
        if not isinstance(answer, Refused) and all(each.user != buyer for each in line):
            self.numbers += 1
            line.append(Waiter(self.numbers, buyer))
            self.till.count_waiters(space)

    @rule(kind=kinds)
    def offer_seats(self, kind: int) -> None:
        space = self.opened[kind]
        self.till.offer_seats(space)

    @rule(pick=picks, outcome=outcomes)
    def pay(self, pick: int, outcome: Outcome) -> None:
        sale = self.sale(pick, SaleState.HELD)
        if sale is not None:
            self.till.pay(sale, outcome)

    @rule(kind=kinds, buyer=buyers, outcome=outcomes)
    def buy(self, kind: int, buyer: str, outcome: Outcome) -> None:
        space = self.opened[kind]
        answer = self.till.reserve(space, buyer)
        if isinstance(answer, Sale):
            self.till.pay(answer, outcome)

    @rule(kind=kinds, tries=st.lists(outcomes, min_size=5, max_size=5))
    def sell_out(self, kind: int, tries: list[Outcome]) -> None:
        """Everybody wants in; who finds no seat waits, and is offered what becomes free."""
        for buyer, outcome in zip(BUYERS, tries, strict=True):
            self.buy(kind, buyer, outcome)
            self.wait(kind, buyer)
        self.pass_time(5_000_000, True)
        self.offer_seats(kind)

    @rule(pick=picks)
    def release(self, pick: int) -> None:
        sale = self.sale(pick, *SaleState)
        answer = release(sale, sale.buyer) if sale is not None else None
        if isinstance(answer, Sale):
            self.till.keep(answer)

    @rule(step_us=st.integers(0, 6_000_000), sweep=st.booleans())
    def pass_time(self, step_us: int, sweep: bool) -> None:
        self.till.now_us += step_us
        if sweep:
            self.till.lapse()

    # The provider's news

    @precondition(lambda self: self.till.charges)
    @rule(pick=picks, with_fee=st.booleans())
    def hear_of_a_charge(self, pick: int, with_fee: bool) -> None:
        charges = list(self.till.charges)
        self.till.hear_charge(charges[pick % len(charges)], with_fee)

    @rule()
    def hear_of_all_charges(self) -> None:
        for charge in list(self.till.charges):
            self.till.hear_charge(charge, with_fee=True)

    @precondition(lambda self: self.till.refunds)
    @rule(pick=picks, bounces=st.sampled_from([False, False, False, True]))
    def hear_of_a_refund(self, pick: int, bounces: bool) -> None:
        refund = list(self.till.refunds)[pick % len(self.till.refunds)]
        sale = self.till.sales[self.till.refunds[refund].sale]
        bank = self.till.bank(sale)
        if bounces and refund in bank.refunds:
            bank.refund_bounces(refund)
        elif refund not in bank.refunds:  # tried again
            bank.refund(refund, self.till.charge_of(sale), self.till.refunds[refund].amount_minor)
        self.till.hear_refund(refund)

    @rule(pick=picks, fee=st.integers(0, 30), won=st.booleans(), heard_first=st.booleans())
    def dispute(self, pick: int, fee: int, won: bool, heard_first: bool) -> None:
        sale = self.sale(pick, SaleState.SOLD)
        if sale is None or sale.disputed:
            return
        charge, bank = self.till.charge_of(sale), self.till.bank(sale)
        bank.dispute(charge, fee)
        if won:
            bank.dispute_won(charge)
        if won and heard_first:
            # The fee of a dispute that is heard of as won only is never told: give it back.
            bank.cash_minor += fee
            self.till.hear_dispute(charge, won=True)
        self.till.hear_dispute(charge, won=False)
        if won:
            self.till.hear_dispute(charge, won=True)
        self.till.hear_dispute(charge, won=False)

    # Hosts

    def refund(self, sale: Sale, amount_minor: int, reason: RefundReason) -> None:
        self.till.refund(sale, amount_minor, reason)

    @rule(pick=picks, share=st.fractions(0, 1), reason=st.sampled_from(sorted(RefundReason)))
    def refund_a_part(self, pick: int, share: Fraction, reason: RefundReason) -> None:
        sale = self.sale(pick, SaleState.SOLD)
        if sale is not None and sale.refundable_minor:
            self.refund(sale, max(1, int(share * sale.refundable_minor)), reason)

    @rule(pick=picks)
    def remove_for_cause(self, pick: int) -> None:
        sale = self.sale(pick, SaleState.SOLD)
        answer = revoke(sale) if sale is not None else None
        if isinstance(answer, Sale):
            self.till.keep(answer)

    @rule(kind=kinds)
    def go_live(self, kind: int) -> None:
        space = self.opened[kind]
        found = self.till.spaces[space]
        if found.state is State.SCHEDULED:
            self.till.spaces[space] = replace(found, state=State.LIVE)

    @rule(
        kind=kinds,
        reason=st.sampled_from(sorted(set(RefundReason) - {RefundReason.GIVEN, RefundReason.NO_SEAT})),
        broadcast_us=st.integers(0, PROMISED_US + 1),
        share=st.fractions(0, 1),
        twice=st.booleans(),
    )
    def close(self, kind: int, reason: RefundReason, broadcast_us: int, share: Fraction, twice: bool) -> None:
        """It ends, and every ticket is refunded what it is due; after a crash in between, once more."""
        space = self.opened[kind]
        self.till.close(space, State.CANCELLED if broadcast_us == 0 else State.ENDED)
        delivered_us = int(share * broadcast_us)
        for _ in range(2 if twice else 1):
            for sale in [sale for sale in self.till.sales.values() if sale.space == space]:
                left = sale.refundable_minor
                self.till.refund_due(sale, reason, broadcast_us, delivered_us)
                assert self.now(sale).refundable_minor <= left
        self.opened[kind] = self.open_space(kind)

    @rule(kind=kinds)
    def end_in_time(self, kind: int) -> None:
        """It kept its promise, its fees are known, and its money becomes available."""
        self.close(kind, RefundReason.BROKE_OFF, PROMISED_US, Fraction(0), False)
        self.hear_of_all_charges()
        self.pass_time(20_000_000, True)

    @rule(host=st.sampled_from(HOSTS), fails=st.booleans(), heard=st.booleans())
    def pay_out(self, host: str, fails: bool, heard: bool) -> None:
        """Never more than was earned in Spaces that closed long enough ago, less what was paid before."""
        due = self.till.pay_out(host)
        if not due:
            return
        payout = list(self.till.payouts)[-1]
        closed = {
            space
            for space, at_us in self.till.closed_us.items()
            if self.till.now_us >= at_us + LIMITS.available_us
        }
        earned = sum(
            host_now_minor(sale)
            for sale in self.till.sales.values()
            if sale.host == host and sale.space in closed and not sale.sandbox
        )
        before = sum(
            each.amount_minor
            for each in self.till.payouts.values()
            if each.host == host and each.state is not PayoutState.FAILED and each.payout != payout
        )
        assert LIMITS.payout_least_minor <= due <= earned - before
        if not fails:
            self.till.banks[False].transfer(payout, due)
        if heard:
            self.till.hear_payout(payout)

    @precondition(lambda self: self.till.payouts)
    @rule(pick=picks, returns=st.booleans())
    def hear_of_a_payout(self, pick: int, returns: bool) -> None:
        payout = list(self.till.payouts)[pick % len(self.till.payouts)]
        if returns and payout in self.till.banks[False].transfers:
            self.till.banks[False].transfer_returns(payout)
        self.till.hear_payout(payout)

    # What always holds

    @invariant()
    def the_trial_balance_is_0(self) -> None:
        for sandbox in (False, True):
            assert sum(amount for (_, of), amount in self.till.ledger.items() if of is sandbox) == 0
        assert all(sum(position(sale).values()) == 0 for sale in self.till.sales.values())

    @invariant()
    def no_more_seats_are_taken_than_there_are(self) -> None:
        for space, found in self.till.spaces.items():
            mine = [seats(sale) for sale in self.till.sales.values() if sale.space == space]
            assert found.held == sum(each.held for each in mine)
            assert found.sold == sum(each.sold for each in mine)
            assert 0 <= found.held + found.sold <= self.capacity(space)

    @invariant()
    def one_ticket_and_one_open_hold_an_account(self) -> None:
        tickets = Counter(
            (sale.space, sale.buyer) for sale in self.till.sales.values() if sale.ticket is TicketState.VALID
        )
        holds = Counter(sale.buyer for sale in self.till.sales.values() if sale.is_open)
        assert max(tickets.values(), default=0) <= 1
        assert max(holds.values(), default=0) <= 1

    @invariant()
    def no_refund_goes_beyond_its_sale(self) -> None:
        for sale in self.till.sales.values():
            mine = [refund for refund in self.till.refunds.values() if refund.sale == sale.sale]
            assert sum(refund.amount_minor for refund in mine) == sale.refunded_minor <= sale.amount_minor
            paid = [refund.amount_minor for refund in mine if refund.state is RefundState.PAID]
            assert sum(paid) == sale.refund_paid_minor

    @invariant()
    def hosts_have_what_fractions_say(self) -> None:
        """The split as stored, less its exact part of what went back and of the fee they bear."""
        for host in HOSTS:
            mine = [sale for sale in self.till.sales.values() if sale.host == host and not sale.sandbox]
            exact = Fraction(0)
            for sale in mine:
                refunds = [each for each in self.till.refunds.values() if each.sale == sale.sale]
                refunded = sum(each.amount_minor for each in refunds)
                caused = sum(each.amount_minor for each in refunds if each.reason in BORNE_BY_HOST)
                back = Fraction(min(sale.amount_minor, refunded + sale.charged_back_minor), sale.amount_minor)
                exact += sale.host_minor * (1 - back)
                exact -= Fraction((sale.fee_minor or 0) * caused, sale.amount_minor)
            paid_out = sum(
                payout.amount_minor
                for payout in self.till.payouts.values()
                if payout.host == host and payout.state is not PayoutState.FAILED
            )
            assert abs(-self.till.balance(host_account(host)) + paid_out - exact) <= 3 * len(mine)

    @invariant()
    def statements_add_up(self) -> None:
        for space in self.till.spaces:
            found = statement(sale for sale in self.till.sales.values() if sale.space == space)
            kept = found.fees_minor + found.host_minor + found.platform_minor + found.unsettled_minor
            assert found.sold_minor - found.refunded_minor - found.charged_back_minor == kept

    def teardown(self) -> None:
        """The provider is asked about everything: all is resolved, and the ledger has its money, no more."""
        till = self.till
        for _ in range(2):  # a payment that is heard of may have been refunded at once
            for charge in list(till.charges):
                till.hear_charge(charge, with_fee=True)
            for refund in list(till.refunds):
                till.hear_refund(refund)
            for payout in list(till.payouts):
                till.hear_payout(payout)
        self.the_trial_balance_is_0()
        self.no_more_seats_are_taken_than_there_are()
        self.no_refund_goes_beyond_its_sale()
        self.hosts_have_what_fractions_say()
        assert self.sale(0, SaleState.PAYING) is None, "every intent is resolved"
        assert {payout.state for payout in till.payouts.values()} <= {PayoutState.PAID, PayoutState.FAILED}
        for sandbox, name in ((False, "bank"), (True, "sandbox")):
            at_the_bank = till.balance(f"clearing:{name}", sandbox) + till.balance(f"fees:{name}", sandbox)
            assert at_the_bank == till.banks[sandbox].cash_minor
            assert till.balance("unsettled", sandbox) == till.balance(f"payouts:{name}", sandbox) == 0
            owed = sum(
                refund.amount_minor
                for refund in till.refunds.values()
                if refund.state is RefundState.OWED and till.sales[refund.sale].sandbox is sandbox
            )
            assert till.balance("refunds", sandbox) == -owed


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=60, deadline=None, derandomize=True)
