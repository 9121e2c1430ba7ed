"""Killed at any step of an act, a till that begins anew finishes it.

Nothing acknowledged is lost, nobody pays twice, and the ledger says of the bank what the bank says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from signaling.pay.charging import Bought, BuyState
from signaling.rules import Refused
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState
from tests.signaling.till_stories import FEE, HOUR_US, MINUTE_US, PRICE, Fate, Killed, World, fresh, told

STEPS_MOST = 60

Act = Callable[[World], Awaitable[object]]


async def killed_at(world: World, step: int, act: Act) -> tuple[bool, object]:
    """Carry `act` out in a process that dies at a step; whether it died, and what was acknowledged."""
    world.born(Fate(dies_at=step))
    try:
        answer = await act(world)
        died = False
    except Killed:
        answer, died = None, True
    world.born()
    return died, answer


def at_each_step(
    folder: Path, begin: Act, act: Act, check: Callable[[World, object, object], Awaitable[None]]
) -> None:
    """`begin` lives; `act` is killed at its first step, in another world at its second, and so on."""
    for step in range(STEPS_MOST):
        died = False

        async def story(world: World, step: int = step) -> None:
            nonlocal died
            await world.on_sale()
            begun = await begin(world)
            died, answer = await killed_at(world, step, lambda world: act_on(world, begun))
            assert await world.till.complete_unfinished() == 0, f"killed at step {step}"
            await world.till.on_time()
            await check(world, begun, answer)
            await world.expect_right()

        async def act_on(world: World, begun: object) -> object:
            world.begun = begun
            return await act(world)

        told(fresh(folder), story)
        if not died:
            assert step > 3, "it has several steps"
            return
    raise AssertionError(f"the act has more than {STEPS_MOST} steps")


@pytest.mark.parametrize("card", ["card_ok", "card_times_out_charged", "card_times_out_not_charged"])
def test_a_purchase_killed_at_any_step(tmp_path: Path, card: str) -> None:
    async def begin(world: World) -> Sale:
        world.retry_key = world.key()
        return await world.held("bob")

    async def act(world: World) -> object:
        return await world.till.buy("bob", world.begun.sale, card, world.retry_key)

    async def check(world: World, begun: Sale, answer: object) -> None:
        sale = await world.sale(begun.sale)
        charged = world.bank.entries("charge", "succeeded")
        assert world.bank.asked.get("charge", 0) <= 1
        assert [entry.id for entry in charged] == (
            [sale.charge.hex()] if sale.state is SaleState.SOLD else []
        )
        if isinstance(answer, Bought):
            assert (answer.state, sale.ticket) == (BuyState.SOLD, TicketState.VALID)
        # The buyer asks again with the same key and learns what is so; a card that was charged is not again.
        again = await world.till.buy("bob", begun.sale, card, world.retry_key)
        sale = await world.sale(begun.sale)
        assert len(world.bank.entries("charge", "succeeded")) == (sale.state is SaleState.SOLD)
        assert isinstance(again, Bought) == (sale.state is SaleState.SOLD)
        if isinstance(again, Bought):
            assert sale.fee_minor == FEE
        else:
            assert isinstance(again, Refused)
            assert again.code == "card_declined"

    at_each_step(tmp_path, begin, act, check)


def test_a_hold_killed_at_any_step(tmp_path: Path) -> None:
    async def begin(world: World) -> bytes:
        return world.key()

    async def act(world: World) -> object:
        return await world.till.reserve(bytes(range(16)), "bob", "192.0.2.0/24", world.begun)

    async def check(world: World, key: bytes, answer: object) -> None:
        again = await world.till.reserve(bytes(range(16)), "bob", "192.0.2.0/24", key)
        assert isinstance(again, Sale)
        assert answer in (None, again)
        assert (await world.seen()).held == 1

    for_steps(tmp_path, begin, act, check)


def for_steps(
    folder: Path, begin: Act, act: Act, check: Callable[[World, object, object], Awaitable[None]]
) -> None:
    """As `at_each_step`, for an act of one transaction."""
    for step in range(3):

        async def story(world: World, step: int = step) -> None:
            await world.on_sale()
            world.begun = await begin(world)
            _, answer = await killed_at(world, step, act)
            await check(world, world.begun, answer)

        told(fresh(folder), story)


def test_a_refund_on_request_killed_at_any_step(tmp_path: Path) -> None:
    async def begin(world: World) -> Sale:
        world.retry_key = world.key()
        return await world.bought("bob")

    async def act(world: World) -> object:
        return await world.till.refund("ann", world.begun.sale, 4_000, world.retry_key)

    async def check(world: World, begun: Sale, answer: object) -> None:
        back = (await world.sale(begun.sale)).refunded_minor
        assert world.bank.balance_minor == PRICE - back
        assert back == 4_000 if answer is not None else back in (0, 4_000)
        await world.till.refund("ann", begun.sale, 4_000, world.retry_key)
        assert (await world.sale(begun.sale)).refund_paid_minor == 4_000
        assert world.bank.balance_minor == PRICE - 4_000

    at_each_step(tmp_path, begin, act, check)


def test_the_refunds_of_a_cancelled_space_killed_at_any_step(tmp_path: Path) -> None:
    """The next start finds a Space that is over and pays what is owed still; nobody gets it twice."""

    async def begin(world: World) -> tuple[Sale, Sale]:
        sold = (await world.bought("bob"), await world.bought("cid"))
        await world.cancel()
        return sold

    async def act(world: World) -> object:
        return await world.till.space_over(bytes(range(16)))

    async def check(world: World, begun: tuple[Sale, Sale], answer: object) -> None:
        for sale in begun:
            after = await world.sale(sale.sale)
            assert (after.ticket, after.refund_paid_minor) == (TicketState.REFUNDED, PRICE)
        assert world.bank.balance_minor == 0
        assert len(world.bank.entries("refund", "succeeded")) == 2

    at_each_step(tmp_path, begin, act, check)


def test_a_payout_killed_at_any_step(tmp_path: Path) -> None:
    async def begin(world: World) -> Sale:
        world.retry_key = world.key()
        sale = await world.bought("bob")
        await world.go_live()
        await world.end(on_air_us=HOUR_US)
        world.now_us += 25 * HOUR_US
        await world.till.payout_account("ann")
        return sale

    async def act(world: World) -> object:
        return await world.till.pay_out("ann", world.retry_key)

    async def check(world: World, begun: Sale, answer: object) -> None:
        await world.till.pay_out("ann", world.retry_key)
        await world.till.pay_out("ann", world.key())
        assert [entry.amount_minor for entry in world.bank.entries("transfer", "succeeded")] == [
            begun.host_minor
        ]
        assert await world.balance("host:ann") == 0
        assert await world.balance("payouts:bank") == 0

    at_each_step(tmp_path, begin, act, check)


def test_a_lapse_of_a_payment_under_way_killed_at_any_step(tmp_path: Path) -> None:
    async def begin(world: World) -> Sale:
        hold = await world.held("bob")
        world.bank.after["charge"] = 1
        world.bank.before["find_charge"] = 1
        answer = await world.till.buy("bob", hold.sale, "card_ok", world.key())
        assert isinstance(answer, Bought)
        await world.till.wait(bytes(range(16)), "cid")
        world.now_us = answer.sale.expires_us + MINUTE_US
        return answer.sale

    async def act(world: World) -> object:
        return await world.till.on_time()

    async def check(world: World, begun: Sale, answer: object) -> None:
        sale = await world.sale(begun.sale)
        assert sale.state is SaleState.SOLD
        assert sale.ticket is TicketState.VALID
        assert world.bank.asked["charge"] == 1

    at_each_step(tmp_path, begin, act, check)


def test_what_nobody_answers_stays_unfinished_and_is_asked_for_later(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        _, answer = await killed_at(
            world, 3, lambda world: world.till.buy("bob", hold.sale, "card_ok", world.key())
        )
        assert answer is None
        world.bank.before["find_charge"] = 1
        assert await world.till.complete_unfinished() == 1
        world.now_us = world.heard.due_us[-1]
        await world.till.on_time()
        assert (await world.sale(hold.sale)).state is SaleState.SOLD
        assert await world.till.complete_unfinished() == 0
        await world.expect_right()

    told(fresh(tmp_path), story)
