"""What the provider tells: one posting or none, however often, however late, in whatever order."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from signaling.pay import (
    AccountState,
    ChargeChanged,
    ChargeResult,
    ChargeState,
    Dispute,
    DisputeState,
    MoveState,
    PayoutAccount,
    ProviderEvent,
    RefundChanged,
    RefundResult,
    TransferChanged,
    TransferResult,
)
from signaling.pay.charging import Bought, BuyState
from signaling.pay.events import EventTooEarly
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState
from signaling.store import keys, ledger, payouts
from tests.signaling.till_stories import FEE, PRICE, World, fresh, told

DISPUTE_FEE = 1_500


async def entries(world: World) -> int:
    async with world.store.transaction() as connection:
        return (await ledger.trial_balance(connection)).entries


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_purchase_told_in_any_order_and_twice(tmp_path: Path, order: tuple[int, ...]) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        answer = await world.till.buy("bob", hold.sale, "card_needs_action", world.key())
        assert isinstance(answer, Bought)
        assert answer.state is BuyState.NEEDS_ACTION
        charge, ref = answer.sale.charge, "sandbox_" + answer.sale.charge.hex()
        await world.bank.inner.act(charge, approves=True)
        told_of = [
            ChargeResult(ChargeState.NEEDS_ACTION, ref),
            ChargeResult(ChargeState.PENDING, ref),
            ChargeResult(ChargeState.SUCCEEDED, ref),
            ChargeResult(ChargeState.SUCCEEDED, ref, FEE),
        ]
        for number in (*order, *order):
            event = ProviderEvent(f"e{number}", number, ChargeChanged(charge, told_of[number]))
            await world.till.on_provider_event(event)
        sale = await world.sale(hold.sale)
        assert (sale.state, sale.fee_minor) == (SaleState.SOLD, FEE)
        assert await entries(world) == (1 if order.index(3) < order.index(2) else 2)
        await world.expect_right()

    told(fresh(tmp_path), story)


async def _disputed(
    world: World, sale: Sale, event: str, state: DisputeState, fee: int = DISPUTE_FEE
) -> None:
    subject = Dispute("dp_1", "sandbox_" + sale.charge.hex(), state, PRICE, fee)
    await world.till.on_provider_event(ProviderEvent(event, 0, subject))


def test_a_chargeback_takes_the_shares_back_and_the_ticket(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        for _ in range(3):
            await _disputed(world, sale, "opened", DisputeState.OPENED)
        await _disputed(world, sale, "lost", DisputeState.LOST)
        after = await world.sale(sale.sale)
        assert (after.ticket, after.charged_back_minor) == (TicketState.REVOKED, PRICE)
        assert await world.balance("host:ann") == 0
        assert await world.balance("platform") == FEE + DISPUTE_FEE
        assert world.heard.changes[-1] == ("bob", SaleState.SOLD, TicketState.REVOKED)
        assert await entries(world) == 2

    told(store_url, story)


@pytest.mark.parametrize("order", list(itertools.permutations(("opened", "won"))))
def test_a_dispute_that_is_won_leaves_the_money_where_it_was(tmp_path: Path, order: tuple[str, ...]) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        for event in (*order, *order):
            await _disputed(world, sale, event, DisputeState(event))
        assert (await world.sale(sale.sale)).charged_back_minor == 0
        assert await world.balance("host:ann") == -sale.host_minor
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_a_dispute_of_a_payment_not_known_yet_is_to_be_sent_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        world.bank.after["charge"] = 1
        world.bank.before["find_charge"] = 1
        answer = await world.till.buy("bob", hold.sale, "card_ok", world.key())
        assert isinstance(answer, Bought)
        with pytest.raises(EventTooEarly):
            await _disputed(world, answer.sale, "opened", DisputeState.OPENED)
        world.now_us = world.heard.due_us[-1]
        await world.till.on_time()
        await _disputed(world, answer.sale, "opened", DisputeState.OPENED)
        assert (await world.sale(hold.sale)).charged_back_minor == PRICE

    told(fresh(tmp_path), story)


def test_what_is_none_of_ours_posts_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        foreign = bytes(range(100, 116))
        subjects = (
            ChargeChanged(foreign, ChargeResult(ChargeState.SUCCEEDED, "x", FEE)),
            RefundChanged(foreign, RefundResult(MoveState.SUCCEEDED, "x")),
            TransferChanged(foreign, TransferResult(MoveState.SUCCEEDED, "x")),
        )
        for number, subject in enumerate(subjects):
            await world.till.on_provider_event(ProviderEvent(f"e{number}", 0, subject))
        assert await entries(world) == 0
        async with world.store.transaction() as connection:
            assert not await keys.first_time(connection, world.bank.name, "e1", 0), "it is known now"

    told(fresh(tmp_path), story)


def test_an_end_is_not_undone_by_an_older_word(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        for number, state in enumerate((ChargeState.DECLINED, ChargeState.PENDING, ChargeState.NEEDS_ACTION)):
            change = ChargeChanged(sale.charge, ChargeResult(state, "sandbox_" + sale.charge.hex()))
            await world.till.on_provider_event(ProviderEvent(f"e{number}", 0, change))
        assert (await world.sale(sale.sale)).ticket is TicketState.VALID
        assert await entries(world) == 1

    told(fresh(tmp_path), story)


def test_of_an_account_the_latest_word_counts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        late_s = world.now_us // 1_000_000
        for event, at_s, state in (
            ("2", late_s, AccountState.VERIFIED),
            ("1", late_s - 9, AccountState.PENDING),
        ):
            account = PayoutAccount("ann", state, "acct_1")
            await world.till.on_provider_event(ProviderEvent(event, at_s, account))
        async with world.store.transaction() as connection:
            known = await payouts.account_of(connection, "ann", world.bank.name)
        assert known is not None
        assert (known.state, known.ref) == ("verified", "acct_1")

    told(fresh(tmp_path), story)
