"""Holds that lapse, seats that are offered, and payments that come too late for theirs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.pay import ChargeChanged, ChargeResult, ChargeState, ProviderEvent
from signaling.pay.charging import Bought, BuyState
from signaling.pay.seats import Waits
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState
from tests.signaling.till_stories import (
    FEE,
    MINUTE_US,
    PREFIX,
    PRICE,
    SPACE,
    World,
    fresh,
    refused,
    told,
)


def test_a_hold_lapses_and_its_seat_is_offered_to_the_first_waiting(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        hold = await world.held("bob")
        assert [await world.till.wait(SPACE, who) for who in ("cid", "dan", "cid")] == [
            Waits(SPACE, 1),
            Waits(SPACE, 2),
            Waits(SPACE, 1),
        ]
        assert await world.till.reserve(SPACE, "dan", PREFIX, world.key()) == Waits(SPACE, 2)
        world.now_us = hold.expires_us - 1
        assert await world.till.on_time() == hold.expires_us
        world.now_us += 1
        await world.till.on_time()
        assert (await world.sale(hold.sale)).state is SaleState.RELEASED
        ((buyer, offered),) = world.heard.offers
        assert buyer == "cid"
        answer = await world.till.buy("cid", offered, "card_ok", world.key())
        assert isinstance(answer, Bought)
        assert refused(await world.till.buy("bob", hold.sale, "card_ok", world.key())) == "hold_lapsed"
        assert await world.till.stop_waiting(SPACE, "dan")
        assert not await world.till.stop_waiting(SPACE, "dan")
        seen = await world.seen()
        assert (seen.held, seen.sold, seen.waiting) == (0, 1, 0)
        await world.expect_right()

    told(store_url, story)


def test_a_seat_given_back_is_offered_at_once(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        hold = await world.held("bob")
        await world.till.wait(SPACE, "cid")
        assert refused(await world.till.release("cid", hold.sale)) == "no_such_hold"
        assert refused(await world.till.release("bob", bytes(16))) == "no_such_hold"
        released = await world.till.release("bob", hold.sale)
        assert isinstance(released, Sale)
        assert await world.till.release("bob", hold.sale) == released
        assert [buyer for buyer, _ in world.heard.offers] == ["cid"]

    told(store_url, story)


def test_a_provider_that_does_not_answer_keeps_no_seat(tmp_path: Path) -> None:
    """Payments, refunds and whatever else wait for it; a hold lapses and is offered all the same."""

    async def story(world: World) -> None:
        never = asyncio.Event()
        await world.on_sale(capacity=3)
        sold, hold = await world.bought("bob"), await world.held("cid")
        world.bank.after["charge"] = world.bank.before["find_charge"] = 1
        await world.till.buy("eve", (await world.held("eve")).sale, "card_ok", world.key())
        await world.till.wait(SPACE, "dan")
        world.bank.before["refund"] = world.bank.before["find_refund"] = 1
        await world.till.refund("ann", sold.sale, 1, world.key())

        async def silent(*arguments: object, **hints: object) -> None:
            await never.wait()

        for verb in ("find_charge", "find_refund", "cancel_charge"):
            setattr(world.bank.inner, verb, silent)
        world.now_us = hold.expires_us
        money = asyncio.ensure_future(world.till.on_money())
        assert await world.till.on_seats() > world.now_us
        assert [buyer for buyer, _ in world.heard.offers] == ["dan"]
        assert not money.done()
        money.cancel()
        await asyncio.gather(money, return_exceptions=True)

    told(fresh(tmp_path), story)


async def _lapsed_while_paying(world: World) -> Sale:
    """Bob's payment is under way when its hold lapses, and the provider is not to be reached."""
    hold = await world.held("bob")
    world.bank.after["charge"] = 1
    world.bank.before["find_charge"] = 100
    answer = await world.till.buy("bob", hold.sale, "card_ok", world.key())
    assert isinstance(answer, Bought)
    assert answer.state is BuyState.PENDING
    world.now_us = answer.sale.expires_us
    await world.till.on_time()
    lapsed = await world.sale(hold.sale)
    assert lapsed.state is SaleState.RELEASED
    world.bank.before.clear()
    world.now_us += 2 * MINUTE_US
    return lapsed


def test_a_payment_that_arrives_late_gets_a_free_seat(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        lapsed = await _lapsed_while_paying(world)
        await world.till.on_time()
        assert (await world.sale(lapsed.sale)).ticket is TicketState.VALID
        assert (await world.seen()).sold == 1
        await world.expect_right()

    told(store_url, story)


def test_a_payment_that_arrives_late_without_a_free_seat_is_paid_back(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        lapsed = await _lapsed_while_paying(world)
        await world.bought("cid")
        await world.till.on_time()
        late = await world.sale(lapsed.sale)
        assert (late.ticket, late.refund_paid_minor) == (TicketState.REFUNDED, PRICE)
        seen = await world.seen()
        assert (seen.held, seen.sold) == (0, 1)
        assert world.bank.balance_minor == PRICE
        await world.expect_right()

    told(store_url, story)


def test_a_payment_that_was_not_made_when_its_hold_lapses_is_cancelled(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        hold = await world.held("bob")
        answer = await world.till.buy("bob", hold.sale, "card_needs_action", world.key())
        assert isinstance(answer, Bought)
        world.now_us = answer.sale.expires_us
        await world.till.on_time()
        assert (await world.sale(hold.sale)).state in (SaleState.RELEASED, SaleState.FAILED)
        assert not await world.bank.inner.act(answer.sale.charge, approves=True), "it is too late to pay"
        assert (await world.seen()).free == 1

    told(store_url, story)


def test_a_charge_that_was_given_up_and_went_through_is_paid_back(store_url: str) -> None:
    """The provider said that it was cancelled, a second card paid, and then the first one did after all."""

    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        await world.till.buy("bob", hold.sale, "card_times_out_not_charged", world.key())
        first = (await world.sale(hold.sale)).charge
        await world.till.buy("bob", hold.sale, "card_ok", world.key())
        with world.bank.inner._book.writing() as book:
            entry = book.get("charge", first)
            assert entry is not None
            values = {"amount_minor": PRICE, "currency": "USD", "state": ChargeState.SUCCEEDED.value}
            book.put(type(entry)("charge", entry.id, **values))
        event = ProviderEvent(
            "late",
            0,
            ChargeChanged(first, ChargeResult(ChargeState.SUCCEEDED, "sandbox_" + first.hex(), FEE)),
        )
        await world.till.on_provider_event(event)
        await world.till.on_provider_event(event)
        assert (await world.sale(hold.sale)).ticket is TicketState.VALID
        assert world.bank.balance_minor == PRICE
        await world.expect_right()

    told(store_url, story)


def test_one_that_cannot_be_finished_does_not_keep_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider breaks at one of two payments under way, in a way that no provider should."""

    async def story(world: World) -> None:
        await world.on_sale()
        holds = [await world.held(who) for who in ("bob", "cid")]
        world.bank.after["charge"] = 2
        world.bank.before["find_charge"] = 2
        for hold in holds:
            await world.till.buy(hold.buyer, hold.sale, "card_ok", world.key())
        bad, find = (await world.sale(holds[0].sale)).charge, world.bank.inner.find_charge

        async def broken(charge_id: bytes, /, **hints: object) -> ChargeResult | None:
            if charge_id == bad:
                raise ZeroDivisionError("a fault in the provider")
            return await find(charge_id)

        world.bank.inner.find_charge = broken
        assert await world.till.complete_unfinished() == 1
        assert "could not be finished" in caplog.text
        states = [(await world.sale(hold.sale)).state for hold in holds]
        assert states == [SaleState.PAYING, SaleState.SOLD]
        world.bank.inner.find_charge = find
        assert await world.till.complete_unfinished() == 0
        await world.expect_right()

    told(fresh(tmp_path), story)
