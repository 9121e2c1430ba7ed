"""Selling at the till: one ticket for one payment, whatever the provider answers and whoever asks twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from signaling.pay import ChargeChanged, ProviderEvent
from signaling.pay.charging import Bought, BuyState
from signaling.pay.office import Work
from signaling.pay.seats import Waits
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState
from signaling.store import StoreError
from tests.signaling.till_stories import (
    FEE,
    HOUR_US,
    PREFIX,
    PRICE,
    SPACE,
    World,
    fresh,
    refused,
    told,
)


def test_a_seat_is_held_paid_and_booked(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        assert (await world.seen()).held == 1
        answer = await world.till.buy("bob", hold.sale, "card_ok", world.key())
        assert isinstance(answer, Bought)
        sale = answer.sale
        assert (answer.state, sale.state, sale.ticket) == (BuyState.SOLD, SaleState.SOLD, TicketState.VALID)
        assert (sale.fee_minor, sale.host_minor) == (FEE, (PRICE - FEE) * 9_700 // 10_000)
        seen = await world.seen()
        assert (seen.held, seen.sold) == (0, 1)
        assert world.heard.changes == [("bob", SaleState.SOLD, TicketState.VALID)]
        assert await world.balance("host:ann") == -sale.host_minor
        await world.expect_right()

    told(store_url, story)


def test_the_same_key_holds_and_pays_once(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold_key, buy_key = world.key(), world.key()
        first = await world.till.reserve(SPACE, "bob", PREFIX, hold_key)
        assert isinstance(first, Sale)
        assert await world.till.reserve(SPACE, "bob", PREFIX, hold_key) == first
        bought = await world.till.buy("bob", first.sale, "card_ok", buy_key)
        for _ in range(3):
            assert await world.till.buy("bob", first.sale, "card_ok", buy_key) == bought
        assert world.bank.asked["charge"] == 1
        # With another request it is none, and nothing happens.
        assert refused(await world.till.buy("bob", first.sale, "card_other", buy_key)) == "key_reused"
        assert refused(await world.till.reserve(bytes(16), "bob", PREFIX, hold_key)) == "key_reused"
        # Keys are an account's own.
        other = await world.till.reserve(SPACE, "cid", PREFIX, hold_key)
        assert isinstance(other, Sale)
        assert other.sale != first.sale
        await world.expect_right()

    told(store_url, story)


def test_a_key_is_forgotten_after_seven_days(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        key = world.key()
        first = await world.till.reserve(SPACE, "bob", PREFIX, key)
        world.now_us += world.limits.keys_us
        await world.till.on_time()
        assert await world.till.reserve(SPACE, "bob", PREFIX, key) != first, "nobody sells any more"
        world.now_us += 1
        assert refused(await world.till.reserve(SPACE, "bob", PREFIX, key)) == "sale_closed"

    told(store_url, story)


def test_two_requests_with_one_key_at_once_pay_once(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold, key = await world.held("bob"), world.key()
        answers = await asyncio.gather(*(world.till.buy("bob", hold.sale, "card_ok", key) for _ in range(4)))
        assert all(isinstance(answer, Bought) for answer in answers)
        assert world.bank.asked["charge"] == 1
        assert (await world.sale(hold.sale)).state is SaleState.SOLD
        await world.expect_right()

    told(store_url, story)


def test_an_answer_of_500_after_charging_is_asked_about(store_url: str) -> None:
    """It was charged, and nobody said so: found by asking, and charged once."""

    async def story(world: World) -> None:
        await world.on_sale()
        world.bank.after["charge"] = 1
        sale = await world.bought("bob")
        assert sale.ticket is TicketState.VALID
        assert (world.bank.asked["charge"], world.bank.asked["find_charge"]) == (1, 1)
        await world.expect_right()

    told(store_url, story)


@pytest.mark.parametrize("silent", [1, 3])
def test_while_nobody_answers_the_outcome_is_pending_and_asked_for_later(store_url: str, silent: int) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold, key = await world.held("bob"), world.key()
        world.bank.after["charge"] = 1
        world.bank.before["find_charge"] = silent
        answer = await world.till.buy("bob", hold.sale, "card_ok", key)
        assert isinstance(answer, Bought)
        assert answer.state is BuyState.PENDING
        assert refused(await world.till.buy("bob", hold.sale, "card_ok", world.key())) == "payment_unknown"
        assert refused(await world.till.release("bob", hold.sale)) == "payment_unknown"
        for _ in range(silent + 1):
            world.now_us = max(world.now_us, world.heard.due_us[-1])
            await world.till.on_time()
        again = await world.till.buy("bob", hold.sale, "card_ok", key)
        assert isinstance(again, Bought)
        assert again.state is BuyState.SOLD
        assert world.bank.asked["charge"] == 1
        await world.expect_right()

    told(store_url, story)


def test_what_the_provider_never_saw_is_given_up_there(store_url: str) -> None:
    """A request that is still on its way then is not carried out: the charge is cancelled before it came."""

    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        answer = await world.till.buy("bob", hold.sale, "card_times_out_not_charged", world.key())
        assert refused(answer) == "card_declined"
        assert (await world.sale(hold.sale)).state is SaleState.HELD, "another card may be tried"
        again = await world.till.buy("bob", hold.sale, "card_ok", world.key())
        assert isinstance(again, Bought)
        assert again.state is BuyState.SOLD
        await world.expect_right()

    told(store_url, story)


def test_a_declined_card_keeps_the_hold_until_it_was_tried_too_often(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        hold = await world.held("bob")
        assert await world.till.wait(SPACE, "cid") == Waits(SPACE, 1)
        key = world.key()
        for _ in range(2):
            assert refused(await world.till.buy("bob", hold.sale, "card_declined", key)) == "card_declined"
        assert (await world.sale(hold.sale)).attempts == 1
        second = await world.till.buy("bob", hold.sale, "card_declined", world.key())
        assert refused(second) == "card_declined"
        assert (await world.sale(hold.sale)).state is SaleState.FAILED
        # The seat is offered to who waits, and who wore it out has to wait a while.
        assert [buyer for buyer, _ in world.heard.offers] == ["cid"]
        assert refused(await world.till.reserve(SPACE, "bob", PREFIX, world.key())) == "hold_too_soon"
        assert await world.till.reserve(SPACE, "dan", PREFIX, world.key()) == await _sold_out(world)

    async def _sold_out(world: World) -> object:
        answer = await world.till.reserve(SPACE, "eve", PREFIX, world.key())
        assert refused(answer) == "sold_out"
        return answer

    told(store_url, story, attempts=2)


def test_a_card_that_needs_action_is_paid_when_the_provider_says_so(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        world.bank.inner.action_base = "https://pay.example"
        hold, key = await world.held("bob"), world.key()
        answer = await world.till.buy("bob", hold.sale, "card_needs_action", key)
        assert isinstance(answer, Bought)
        assert answer.state is BuyState.NEEDS_ACTION
        assert answer.action_url.startswith("https://pay.example/")
        assert await world.till.buy("bob", hold.sale, "card_needs_action", key) == answer
        await world.bank.inner.act(answer.sale.charge, approves=True)
        result = await world.bank.inner.find_charge(answer.sale.charge)
        assert result is not None
        await world.till.on_provider_event(ProviderEvent("e", 0, ChargeChanged(answer.sale.charge, result)))
        paid = await world.till.buy("bob", hold.sale, "card_needs_action", key)
        assert isinstance(paid, Bought)
        assert paid.state is BuyState.SOLD
        await world.expect_right()

    told(store_url, story)


def test_a_fee_that_comes_late_settles_the_sale(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        world.bank.fee_hidden = True
        sale = await world.bought("bob")
        assert sale.fee_minor is None
        assert await world.balance("unsettled") == -PRICE
        await world.till.on_time()
        assert (await world.sale(sale.sale)).fee_minor is None
        world.bank.fee_hidden = False
        world.now_us += HOUR_US // 2
        await world.till.on_time()
        assert (await world.sale(sale.sale)).fee_minor == FEE
        assert await world.balance("unsettled") == 0
        await world.expect_right()

    told(store_url, story)


def test_bad_requests_post_nothing(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        till = world.till
        assert refused(await till.reserve(bytes(16), "bob", PREFIX, world.key())) == "no_such_space"
        assert refused(await till.wait(bytes(16), "bob")) == "no_such_space"
        assert refused(await till.reserve(SPACE, "ann", PREFIX, world.key())) == "not_permitted"
        free = await till.reserve(SPACE, "cohost", PREFIX, world.key(), free_of_charge=True)
        assert refused(free) == "not_permitted"
        assert refused(await till.buy("bob", bytes(16), "card_ok", world.key())) == "no_such_hold"
        hold = await world.held("bob")
        assert refused(await till.buy("eve", hold.sale, "card_ok", world.key())) == "no_such_hold"
        assert refused(await till.reserve(SPACE, "bob", PREFIX, world.key())) == "hold_open"
        await till.buy("bob", hold.sale, "card_ok", world.key())
        assert refused(await till.buy("bob", hold.sale, "card_ok", world.key())) == "has_ticket"
        assert refused(await till.reserve(SPACE, "bob", PREFIX, world.key())) == "has_ticket"
        world.now_us += 4 * HOUR_US
        assert refused(await till.reserve(SPACE, "cid", PREFIX, world.key())) == "sale_closed"
        assert world.bank.asked == {"charge": 1}
        await world.expect_right()

    told(store_url, story)


def test_where_another_server_was_faster_the_decision_is_made_again(tmp_path: Path) -> None:
    """Two tills at one store: what one of them read, the other changes before it is written."""

    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        office = world.till._office
        attempts = 0

        async def act(work: Work) -> Sale:
            nonlocal attempts
            attempts += 1
            sale = hold if attempts == 1 else await work.sale(hold.sale)
            await work.save(sale, replace(sale, attempts=sale.attempts + 1))
            return sale

        async def meanwhile(work: Work) -> None:
            sale = await work.sale(hold.sale)
            await work.save(sale, replace(sale, attempts=3))

        await office.commit(meanwhile)
        assert (await office.commit(act)).attempts == 3
        assert attempts == 2
        assert (await world.sale(hold.sale)).attempts == 4

        async def never(work: Work) -> Sale:
            await work.save(hold, replace(hold, attempts=9))
            return hold

        assert refused(await office.decide(never)) == "busy"
        with pytest.raises(StoreError, match="20 times in a row"):
            await office.commit(never)

    told(fresh(tmp_path), story)


def test_a_row_that_another_server_wrote_first_is_read_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        attempts = 0

        async def act(work: Work) -> int:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed: keys"))
            return attempts

        assert await world.till._office.decide(act) == 2

    told(fresh(tmp_path), story)


def test_what_cannot_be_told_is_committed_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        def broken(sale: Sale) -> None:
            raise OSError("nobody listens")

        await world.on_sale()
        world.heard.ticket_changed = broken
        assert (await world.bought("bob")).ticket is TicketState.VALID
        assert "could not be told" in caplog.text

    told(fresh(tmp_path), story)
