"""The ledger in the store: it sums to 0 at any moment, is only added to, and tells where all money is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import payouts as payout_rules
from signaling.rules import postings as posting_rules
from signaling.rules.payouts import Payout, PayoutState
from signaling.rules.postings import Kind, Posting, Transaction
from signaling.rules.refunds import RefundState
from signaling.store import StoreError, accounts, ledger, payouts, refunds, sales
from tests.signaling.money_stories import SPACE, TIERS, an_id, book, put_on_sale, refunded, sold
from tests.signaling.store_stories import Told


def test_a_sale_is_booked_and_sums_to_nothing(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        sale = await sold(connection, 1)
        assert sale.host_minor == 1_148
        found = {one.account: one.amount_minor for one in await ledger.accounts(connection)}
        assert found == {"clearing:stripe": 1_250, "fees:stripe": -66, "host:ann": -1_148, "platform": -36}
        assert await ledger.balance(connection, "host:ann", "USD") == -1_148
        assert await ledger.balance(connection, "host:ann", "USD", sandbox=True) == 0
        assert await ledger.lifetime_net(connection, "ann") == 1_184
        trial = await ledger.trial_balance(connection)
        assert (trial.is_right, trial.total_minor, trial.entries, trial.postings) == (True, 0, 1, 4)

    told(story)


def test_an_entry_that_does_not_sum_to_nothing_is_not_written(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        bad = Transaction(
            Kind.SALE, an_id(1), "USD", False, (Posting("a", 5, Kind.SALE), Posting("b", -5, Kind.SALE))
        )
        for lines in ((Posting("a", 5, Kind.SALE),), ()):
            object.__setattr__(bad, "postings", lines)
            with pytest.raises(StoreError) as caught:
                await ledger.post(connection, bad, None, 1)
            assert caught.value.code == "inconsistent"
        assert (await ledger.trial_balance(connection)).entries == 0

    told(story)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE postings SET amount_minor = 1",
        "DELETE FROM postings",
        "UPDATE ledger_transactions SET at_us = 1",
        "DELETE FROM ledger_transactions",
    ],
)
def test_what_is_posted_stays_as_it_is(told: Told, change: str) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        await sold(connection, 1)
        before = await ledger.page(connection)
        with pytest.raises(DBAPIError, match="only added to"):
            async with connection.begin_nested():
                await connection.execute(sa.text(change))
        assert await ledger.page(connection) == before

    told(story)


def test_what_is_wrong_is_found_and_named(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        await sold(connection, 1)
        await connection.execute(sa.text("UPDATE balances SET amount_minor = 7 WHERE account = 'platform'"))
        trial = await ledger.trial_balance(connection)
        assert (trial.is_right, trial.total_minor, trial.drifted) == (False, 0, ("platform",))
        (entry,) = (await connection.execute(sa.text("SELECT entry FROM ledger_transactions"))).scalars()
        planted = (
            "INSERT INTO postings (entry, account, amount_minor, kind) VALUES (:entry, 'host:ann', -5, 'fee')"
        )
        await connection.execute(sa.text(planted), {"entry": entry})
        trial = await ledger.trial_balance(connection)
        assert (trial.total_minor, trial.unbalanced) == (5, (entry,))
        assert trial.totals == {("USD", False): -5}
        assert trial.drifted == ("host:ann", "platform")

    told(story)


def test_a_fee_that_comes_late_and_refunds_in_parts(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        sale = await sold(connection, 1, fee_minor=None)
        assert await ledger.balance(connection, "unsettled", "USD") == -1_250
        sale = await refunded(connection, sale, 100, 1)
        lifetime = await ledger.lifetime_net(connection, "ann")
        sale = await book(connection, sale, posting_rules.book_fee(sale, 66, lifetime, TIERS), 30)
        assert await ledger.balance(connection, "unsettled", "USD") == 0
        sale = await refunded(connection, sale, 1_150, 2)
        assert await ledger.lifetime_net(connection, "ann") == 0
        assert await ledger.balance(connection, "refunds", "USD") == -1_250
        owed = await refunds.owed(connection, 0)
        for each in owed:
            booked = posting_rules.book_refund_paid(sale, each.refund)
            sale = await book(connection, sale, posting_rules.Booked(booked.sale, booked.transaction), 40)
            assert await refunds.save(connection, booked.refund, ref="re_1")
        assert await refunds.owed(connection, 99) == []
        assert [one.refund.state for one in await refunds.of_sale(connection, sale.sale)] == [
            RefundState.PAID,
            RefundState.PAID,
        ]
        assert await refunds.of_space(connection, SPACE) == await refunds.of_sale(connection, sale.sale)
        assert await ledger.balance(connection, "clearing:stripe", "USD") == 0
        # The host gave it back, so the host bears the fee that the provider keeps.
        assert await ledger.balance(connection, "host:ann", "USD") == 66
        assert (await ledger.trial_balance(connection)).is_right

    told(story)


def test_a_refund_that_is_put_off_is_due_later(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        await refunded(connection, await sold(connection, 1), 10, 1)
        await refunds.put_off(connection, an_id(1, 2), 500)
        assert await refunds.owed(connection, 499) == []
        found = await refunds.get(connection, an_id(1, 2))
        assert found is not None
        assert (found.attempts, found.next_us) == (1, 500)
        assert await refunds.owed(connection, 500) == [found]
        assert await refunds.get(connection, an_id(9)) is None
        assert not await refunds.save(connection, replace(found.refund, refund=an_id(9)))

    told(story)


def test_the_sandbox_is_summed_apart(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        await sold(connection, 1, sandbox=True)
        assert await ledger.balance(connection, "host:ann", "USD") == 0
        assert await ledger.balance(connection, "host:ann", "USD", sandbox=True) == -1_148
        assert await ledger.lifetime_net(connection, "ann") == 0
        assert await ledger.lifetime_net(connection, "ann", sandbox=True) == 1_184
        trial = await ledger.trial_balance(connection)
        assert trial.totals == {("USD", True): 0}

    told(story)


def test_a_payout_goes_out_once_and_may_come_back(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        sale = await sold(connection, 1)
        assert await sales.unpaid(connection, "ann") == [(sale, None)]
        sent = Payout(an_id(1, 3), "ann", 1_148, "USD", "stripe", 50)
        await payouts.add(connection, sent, "acct_1")
        booked = payout_rules.book_payout(sent)
        assert booked.transaction is not None
        await ledger.post(connection, booked.transaction, None, 50)
        paid_sale = replace(sale, payout=sent.payout)
        await sales.save(connection, sale, paid_sale)
        assert await sales.unpaid(connection, "ann") == []
        assert await sales.of_payout(connection, sent.payout) == [paid_sale]
        with pytest.raises(StoreError) as caught:
            await payouts.add(connection, replace(sent, payout=an_id(2, 3)), "acct_1")
        assert caught.value.code == "busy"
        assert (await ledger.statement(connection, SPACE)).paid_minor == 0
        done = payout_rules.book_payout_paid(sent)
        assert done.transaction is not None
        await ledger.post(connection, done.transaction, None, 60)
        assert await payouts.save(connection, done.payout, ref="tr_1")
        statement = await ledger.statement(connection, SPACE)
        assert (statement.sold_minor, statement.host_minor, statement.paid_minor) == (1_250, 1_148, 1_148)
        assert await ledger.balance(connection, "host:ann", "USD") == 0
        found = await payouts.get(connection, sent.payout)
        assert found is not None
        assert (found.payout.state, found.account, found.ref) == (PayoutState.PAID, "acct_1", "tr_1")
        assert await payouts.under_way(connection, 99) == []
        await payouts.add(connection, replace(sent, payout=an_id(2, 3), at_us=70), "acct_1")
        latest, after = await payouts.page(connection, "ann", limit=1)
        rest, end = await payouts.page(connection, "ann", after, limit=1)
        assert [one.payout.at_us for one in (*latest, *rest)] == [70, 50]
        assert end is None
        await payouts.put_off(connection, an_id(2, 3), 90)
        assert await payouts.under_way(connection, 89) == []
        assert [one.attempts for one in await payouts.under_way(connection, 90)] == [1]
        assert (await ledger.trial_balance(connection)).is_right

    told(story)


def test_accounts_to_pay_to_and_disputes_are_kept_as_they_are_told(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await accounts.ensure(connection, "ann", "Ann", 0)
        assert await payouts.account_of(connection, "ann", "stripe") is None
        for state in ("pending", "verified"):
            told_of = payouts.StoredAccount("ann", "stripe", "acct_1", state, 5)
            await payouts.put_account(connection, told_of)
            assert await payouts.account_of(connection, "ann", "stripe") == told_of
            assert await payouts.account_by_ref(connection, "stripe", "acct_1") == told_of
        assert await payouts.account_by_ref(connection, "stripe", "") is None
        await put_on_sale(connection)
        sale = await sold(connection, 1)
        assert await refunds.dispute(connection, "stripe", "dp_1") is None
        for state in ("opened", "won"):
            known = refunds.StoredDispute("stripe", "dp_1", sale.sale, state, 1_250, 1_500, 9)
            await refunds.put_dispute(connection, known)
            assert await refunds.dispute(connection, "stripe", "dp_1") == known

    told(story)


def test_postings_are_read_in_pages(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        for number in range(3):
            await sold(connection, number)
        everything = [line async for line in ledger.lines(connection)]
        assert len(everything) == 12
        assert await ledger.page(connection, everything[4].posting, 2) == everything[5:7]
        of_host = [line async for line in ledger.lines(connection, account="host:ann")]
        assert [line.amount_minor for line in of_host] == [-1_148] * 3
        assert {(line.ref, line.space, line.currency) for line in of_host} == {
            (an_id(number), SPACE, "USD") for number in range(3)
        }

    told(story)
