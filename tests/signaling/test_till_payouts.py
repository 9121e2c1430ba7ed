"""Payouts: all that is available, once, to a verified account; what is too little rolls over, debts too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.pay import MoveState, ProviderEvent, TransferChanged, TransferResult
from signaling.pay.payouts import Holdings
from signaling.rules.payouts import PayoutState
from signaling.store import sales
from signaling.store.payouts import StoredPayout
from tests.signaling.till_stories import FEE, HOUR_US, PRICE, SPACE, World, fresh, refused, told

SHARE = (PRICE - FEE) * 9_700 // 10_000
OTHER = bytes(reversed(range(16)))
DAY_US = 24 * HOUR_US


async def over(world: World, *buyers: str, space: bytes = SPACE) -> None:
    """A Space with these tickets sold that is over since now."""
    await world.on_sale(capacity=len(buyers), space=space)
    for buyer in buyers:
        await world.bought(buyer, space=space)
    await world.go_live(space)
    await world.end(space, on_air_us=HOUR_US)


async def shares_in(world: World) -> set[bytes]:
    """The payouts that the shares of the Space's sales went into."""
    async with world.store.transaction() as connection:
        return {sale.payout for sale in await sales.of_space(connection, SPACE)}


def test_a_share_is_paid_out_a_day_after_its_space_closed(store_url: str) -> None:
    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US - 1
        assert await world.till.holdings("ann") == Holdings(SHARE, 0)
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        world.now_us += 1
        assert await world.till.holdings("ann") == Holdings(SHARE, SHARE)
        key = world.key()
        for _ in range(3):
            paid = await world.till.pay_out("ann", key)
            assert isinstance(paid, StoredPayout)
            assert (paid.payout.amount_minor, paid.payout.state) == (SHARE, PayoutState.PAID)
        assert world.bank.asked["transfer"] == 1
        assert await shares_in(world) == {paid.payout.payout}
        assert await world.till.holdings("ann") == Holdings(0, 0)
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        await world.expect_right()

    told(store_url, story)


def test_two_payouts_at_once_pay_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US
        await asyncio.gather(*(world.till.pay_out("ann", world.key()) for _ in range(3)))
        assert world.bank.asked["transfer"] == 1
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_what_is_too_little_rolls_over(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        await over(world, "cid", space=OTHER)
        world.now_us += DAY_US
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        assert paid.payout.amount_minor == 2 * SHARE

    told(fresh(tmp_path), story, payout_least_minor=SHARE + 1)


def test_a_payout_takes_no_share_of_a_space_that_is_not_over_for_a_day(tmp_path: Path) -> None:
    """The second Space is sold out when the first is paid out, and is paid out when its own day is over."""

    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US
        await world.on_sale(space=OTHER)
        later = await world.bought("cid", space=OTHER)
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        assert paid.payout.amount_minor == SHARE
        assert (await world.sale(later.sale)).payout == b""
        await world.go_live(OTHER)
        await world.end(OTHER, on_air_us=HOUR_US)
        assert await world.till.holdings("ann") == Holdings(SHARE, 0)
        world.now_us += DAY_US
        again = await world.till.pay_out("ann", world.key())
        assert isinstance(again, StoredPayout)
        assert (await world.sale(later.sale)).payout == again.payout.payout

    told(fresh(tmp_path), story)


def test_a_refund_after_the_payout_is_carried_forward(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US
        await world.till.pay_out("ann", world.key())
        async with world.store.transaction() as connection:
            (sold,) = await sales.of_space(connection, SPACE)
        await world.till.refund("ann", sold.sale, 0, world.key())
        assert await world.till.holdings("ann") == Holdings(-SHARE - FEE, 0)
        await over(world, "cid", "dan", space=OTHER)
        world.now_us += DAY_US
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        assert paid.payout.amount_minor == SHARE - FEE
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_no_verified_account_no_payout(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.bank.inner._unverified = frozenset({"ann"})
        await over(world, "bob")
        world.now_us += DAY_US
        key = world.key()
        assert refused(await world.till.pay_out("ann", key)) == "payout_account_missing"
        world.bank.inner._unverified = frozenset()
        paid = await world.till.pay_out("ann", key)
        assert isinstance(paid, StoredPayout), "a refusal does nothing, so its key is free still"
        assert paid.account == "sandbox_ann"

    told(fresh(tmp_path), story)


def test_sandbox_money_is_never_paid_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.bank.is_sandbox = True
        await over(world, "bob")
        world.now_us += 7 * DAY_US
        assert await world.balance("host:ann") == -SHARE, "booked apart"
        assert await world.till.holdings("ann") == Holdings(0, 0)
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        assert "transfer" not in world.bank.asked

    told(fresh(tmp_path), story)


def test_an_unsettled_sale_is_not_paid_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.bank.fee_hidden = True
        await over(world, "bob")
        world.now_us += 7 * DAY_US
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        world.bank.fee_hidden = False
        await world.till.on_time()
        assert isinstance(await world.till.pay_out("ann", world.key()), StoredPayout)
        await world.expect_right()

    told(fresh(tmp_path), story)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_payout_without_an_answer_is_asked_about(tmp_path: Path, carried_out: bool) -> None:
    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US
        (world.bank.after if carried_out else world.bank.before)["transfer"] = 1
        world.bank.before["find_transfer"] = 1
        sent = await world.till.pay_out("ann", world.key())
        assert isinstance(sent, StoredPayout)
        assert sent.payout.state is PayoutState.SENT
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        world.now_us = world.heard.due_us[-1]
        await world.till.on_time()
        assert world.bank.asked["transfer"] == (1 if carried_out else 2)
        assert len(world.bank.entries("transfer", "succeeded")) == 1
        assert await world.balance("payouts:bank") == 0
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_a_payout_that_comes_back_is_available_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await over(world, "bob")
        world.now_us += DAY_US
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        failed = TransferResult(MoveState.FAILED, paid.ref, "account_closed")
        world.bank.answers["find_transfer"] = failed
        late = TransferResult(MoveState.SUCCEEDED, paid.ref)
        for event_id, result in (("2", failed), ("1", late), ("2", failed)):
            event = ProviderEvent(event_id, 0, TransferChanged(paid.payout.payout, result))
            await world.till.on_provider_event(event)
            assert await world.till.holdings("ann") == Holdings(SHARE, SHARE)
            assert await shares_in(world) == {b""}
        again = await world.till.pay_out("ann", world.key())
        assert isinstance(again, StoredPayout)
        assert again.payout.amount_minor == SHARE

    told(fresh(tmp_path), story)
