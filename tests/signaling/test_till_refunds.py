"""Money back: in parts, all of it, unasked, by what was delivered; owed until the provider has paid it."""

from __future__ import annotations

from pathlib import Path

import pytest

from signaling.pay import MoveState, ProviderEvent, RefundChanged, RefundResult
from signaling.pay.refunding import Refunded
from signaling.pay.seats import Waits
from signaling.rules.refunds import RefundReason, RefundState
from signaling.rules.sale import SaleState
from signaling.rules.sales import TicketState
from signaling.store import deliveries, refunds
from tests.signaling.till_stories import (
    FEE,
    HOUR_US,
    MINUTE_US,
    PREFIX,
    PRICE,
    SPACE,
    World,
    fresh,
    refused,
    told,
)


def test_parts_add_up_to_the_whole_and_never_to_more(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        sale = await world.bought("bob")
        await world.till.wait(SPACE, "cid")
        key = world.key()
        for _ in range(3):
            first = await world.till.refund("ann", sale.sale, 3_333, key)
            assert isinstance(first, Refunded)
            assert (first.refund.amount_minor, first.is_paid) == (3_333, True)
        assert refused(await world.till.refund("ann", sale.sale, 3_334, key)) == "key_reused"
        too_much = await world.till.refund("ann", sale.sale, PRICE - 3_332, world.key())
        assert refused(too_much) == "refund_too_large"
        await world.till.refund("ann", sale.sale, 1, world.key())
        assert (await world.sale(sale.sale)).ticket is TicketState.VALID
        assert world.heard.offers == []
        rest = await world.till.refund("ann", sale.sale, 0, world.key())
        assert isinstance(rest, Refunded)
        assert rest.refund.amount_minor == PRICE - 3_334
        assert rest.sale.ticket is TicketState.REFUNDED
        # The seat is offered to who waits, and the provider has paid back the price once.
        assert [buyer for buyer, _ in world.heard.offers] == ["cid"]
        assert world.bank.asked["refund"] == 3
        assert world.bank.balance_minor == 0
        assert refused(await world.till.refund("ann", sale.sale, 0, world.key())) == "refund_too_large"
        assert await world.balance("host:ann") == FEE, "the host gave it back, so the kept fee is the host's"
        await world.expect_right()

    told(store_url, story)


def test_who_may_not_give_back_and_what(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale, hold = await world.bought("bob"), await world.held("cid")
        for host, ticket, amount, code in (
            ("bob", sale.sale, 0, "no_such_ticket"),
            ("ann", hold.sale, 0, "no_such_ticket"),
            ("ann", bytes(16), 0, "no_such_ticket"),
            ("ann", sale.sale, -1, "bad_value"),
            ("ann", sale.sale, PRICE + 1, "refund_too_large"),
        ):
            assert refused(await world.till.refund(host, ticket, amount, world.key())) == code
        assert "refund" not in world.bank.asked
        await world.expect_right()

    told(fresh(tmp_path), story)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_refund_without_an_answer_is_owed_until_there_is_one(tmp_path: Path, carried_out: bool) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        (world.bank.after if carried_out else world.bank.before)["refund"] = 1
        world.bank.before["find_refund"] = 1
        answer = await world.till.refund("ann", sale.sale, 0, world.key())
        assert isinstance(answer, Refunded)
        assert not answer.is_paid
        assert await world.balance("refunds") == -PRICE
        world.now_us = world.heard.due_us[-1]
        await world.till.on_time()
        assert (await world.sale(sale.sale)).refund_paid_minor == PRICE
        assert await world.balance("refunds") == 0
        assert len(world.bank.entries("refund", "succeeded")) == 1
        assert world.bank.asked["refund"] == (1 if carried_out else 2)
        await world.expect_right()

    told(fresh(tmp_path), story)


@pytest.mark.parametrize(
    ("reason", "bearer"),
    [
        (RefundReason.HOST_CANCELLED, "host:ann"),
        (RefundReason.HOST_ABSENT, "host:ann"),
        (RefundReason.PLATFORM_ENDED, "platform"),
    ],
)
def test_a_space_that_is_off_pays_everybody_back_once(
    tmp_path: Path, reason: RefundReason, bearer: str
) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=3)
        sold = [await world.bought(who) for who in ("bob", "cid")]
        await world.till.refund("ann", sold[0].sale, 1_000, world.key())
        await world.held("dan")
        await world.till.wait(SPACE, "eve")
        await world.cancel()
        before = await world.balance(bearer)
        assert await world.till.refund_space(SPACE, reason) == 2
        assert await world.till.refund_space(SPACE, reason) == 0
        for sale in sold:
            after = await world.sale(sale.sale)
            assert (after.ticket, after.refund_paid_minor) == (TicketState.REFUNDED, PRICE)
        assert world.bank.balance_minor == 0
        assert await world.balance(bearer) > before, "who caused it bears the fee"
        assert await world.balance("host:ann") + await world.balance("platform") == 2 * FEE
        assert world.heard.offers == [], "nobody is offered a seat of what is off"
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_what_was_not_delivered_goes_back_rounded_up(tmp_path: Path) -> None:
    """Broken off after 20 of 60 minutes; cid heard 7 of them and was cut off in the others."""

    async def story(world: World) -> None:
        await world.on_sale()
        bob, cid = await world.bought("bob"), await world.bought("cid")
        await world.go_live()
        async with world.store.transaction() as connection:
            missed = {cid.sale: 13 * MINUTE_US}
            await deliveries.checkpoint(connection, SPACE, 20 * MINUTE_US, missed, world.now_us)
        await world.end()
        assert await world.till.refund_space(SPACE, RefundReason.BROKE_OFF) == 2
        assert await world.till.refund_space(SPACE, RefundReason.BROKE_OFF) == 0
        assert (await world.sale(bob.sale)).refund_paid_minor == -(-PRICE * 40 // 60)
        assert (await world.sale(cid.sale)).refund_paid_minor == -(-PRICE * 53 // 60)
        assert (await world.sale(cid.sale)).ticket is TicketState.VALID
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_on_air_for_the_promised_length_nothing_is_due(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        async with world.store.transaction() as connection:
            await deliveries.checkpoint(connection, SPACE, HOUR_US, {sale.sale: HOUR_US}, world.now_us)
        assert await world.till.refund_space(SPACE, RefundReason.BROKE_OFF) == 0
        assert await world.till.refund_space(bytes(16), RefundReason.BROKE_OFF) == 0
        assert (await world.sale(sale.sale)).refunded_minor == 0

    told(fresh(tmp_path), story)


def test_somebody_who_is_removed_is_paid_back_but_not_for_cause(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=2)
        bob, cid = await world.bought("bob"), await world.bought("cid")
        assert await world.till.wait(SPACE, "dan") == Waits(SPACE, 1)
        assert await world.till.remove_holder(SPACE, "cid", for_cause=True)
        assert (await world.sale(cid.sale)).ticket is TicketState.REVOKED
        assert world.heard.offers == [], "a revoked ticket keeps its seat"
        assert await world.till.remove_holder(SPACE, "bob", for_cause=False)
        after = await world.sale(bob.sale)
        assert (after.ticket, after.refund_paid_minor) == (TicketState.REFUNDED, PRICE)
        assert [buyer for buyer, _ in world.heard.offers] == ["dan"]
        for who in ("bob", "cid", "eve"):
            assert not await world.till.remove_holder(SPACE, who, for_cause=False)
        assert world.heard.changes[-2:] == [
            ("cid", SaleState.SOLD, TicketState.REVOKED),
            ("bob", SaleState.SOLD, TicketState.REFUNDED),
        ]
        assert world.bank.balance_minor == PRICE
        await world.expect_right()

    told(fresh(tmp_path), story)


def test_a_refund_that_comes_back_is_owed_again_whatever_order_is_told(tmp_path: Path) -> None:
    """The provider tells late that it was paid, when it has failed since: it is asked how it is now."""

    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        answer = await world.till.refund("ann", sale.sale, 0, world.key())
        assert isinstance(answer, Refunded)
        refund = answer.refund.refund
        failed = RefundResult(MoveState.FAILED, "sandbox_r", failure_code="card_closed")
        world.bank.answers["find_refund"] = failed
        paid = RefundChanged(refund, RefundResult(MoveState.SUCCEEDED, "sandbox_r"))
        for event_id, subject in (("2", RefundChanged(refund, failed)), ("1", paid), ("2", paid)):
            await world.till.on_provider_event(ProviderEvent(event_id, 0, subject))
            assert (await world.sale(sale.sale)).refund_paid_minor == 0
            assert await world.balance("refunds") == -PRICE
        async with world.store.transaction() as connection:
            stored = await refunds.get(connection, refund)
        assert stored is not None
        assert (stored.refund.state, stored.failure) == (RefundState.OWED, "card_closed")

    told(fresh(tmp_path), story)


@pytest.mark.parametrize(
    ("reason", "bearer"), [("host_cancelled", "host:ann"), ("service_ended", "platform")]
)
def test_a_fee_that_the_provider_gives_back_is_kept_and_goes_again_with_the_refund(
    store_url: str, reason: str, bearer: str
) -> None:
    """Whoever bore the fee of the returned price gets it back; when the refund bounces they bear it again."""

    async def story(world: World) -> None:
        await world.on_sale()
        sale = await world.bought("bob")
        world.bank.answers["refund"] = RefundResult(MoveState.SUCCEEDED, "r", FEE - 20)
        if reason == "service_ended":
            await world.go_live()
            await world.end(reason=reason)
        else:
            await world.cancel(reason=reason)
        assert await world.till.space_over(SPACE) == 1
        async with world.store.transaction() as connection:
            (stored,) = await refunds.of_sale(connection, sale.sale)
        assert (stored.refund.fee_returned_minor, stored.refund.state) == (FEE - 20, RefundState.PAID)
        assert await world.balance(bearer) == 20, "what the provider kept"
        assert await world.balance("fees:bank") == -20
        failed = RefundResult(MoveState.FAILED, "r", failure_code="card_closed")
        world.bank.answers["find_refund"] = failed
        await world.till.on_provider_event(ProviderEvent("1", 0, RefundChanged(stored.refund.refund, failed)))
        after = await world.sale(sale.sale)
        assert (after.fee_returned_minor, after.fee_returned_to_host_minor) == (0, 0)
        assert await world.balance(bearer) == FEE
        assert await world.balance("fees:bank") == -FEE
        assert await world.balance("refunds") == -PRICE
        async with world.store.transaction() as connection:
            (stored,) = await refunds.of_sale(connection, sale.sale)
        assert (stored.refund.fee_returned_minor, stored.failure) == (0, "card_closed")

    told(store_url, story)


def test_what_the_host_said_is_kept_with_the_refund_and_belongs_to_the_request(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        sale, key = await world.bought("bob"), world.key()
        for _ in range(2):
            done = await world.till.refund("ann", sale.sale, 100, key, "the sound was bad")
            assert isinstance(done, Refunded)
            assert done.refund.note == "the sound was bad"
        assert refused(await world.till.refund("ann", sale.sale, 100, key, "other words")) == "key_reused"
        assert (await world.sale(sale.sale)).refunded_minor == 100

    told(fresh(tmp_path), story)


def test_who_got_their_money_back_may_buy_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        first = await world.bought("bob")
        await world.till.refund("ann", first.sale, 0, world.key())
        second = await world.till.reserve(SPACE, "bob", PREFIX, world.key())
        assert not isinstance(second, Waits)
        again = await world.till.refund("ann", first.sale, 0, world.key())
        assert refused(again) == "refund_too_large"

    told(fresh(tmp_path), story)


@pytest.mark.parametrize(
    ("reason", "back", "bearer"),
    [
        ("host_cancelled", PRICE, "host"),
        ("not_started", PRICE, "host"),
        ("service_ended", PRICE, "platform"),
        ("host_ended", -(-PRICE * 40 // 60), "host"),
        ("host_absent", PRICE, "host"),
        ("host_left", -(-PRICE * 40 // 60), "host"),
        ("host_lost", -(-PRICE * 40 // 60), "host"),
        ("server_restarted", -(-PRICE * 40 // 60), "platform"),
        ("server_stopping", -(-PRICE * 40 // 60), "platform"),
    ],
)
def test_each_end_of_a_space_owes_by_its_reason(tmp_path: Path, reason: str, back: int, bearer: str) -> None:
    """On air for 20 of 60 minutes where it was; nobody has to ask, `on_time` comes by."""

    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        sale = await world.bought("bob")
        await world.till.wait(SPACE, "cid")
        assert await world.till.space_over(SPACE) == 0, "it is not over"
        if reason in ("host_cancelled", "not_started"):
            await world.cancel(reason=reason)
        else:
            await world.go_live()
            async with world.store.transaction() as connection:
                await deliveries.checkpoint(connection, SPACE, 20 * MINUTE_US, {}, world.now_us)
            await world.end(reason=reason)
        await world.till.on_time()
        assert (await world.sale(sale.sale)).refunded_minor == 0, "it may be written down yet"
        world.now_us += 2 * MINUTE_US
        await world.till.on_time()
        after = await world.sale(sale.sale)
        assert after.refund_paid_minor == back
        assert after.refunded_by_host_minor == (back if bearer == "host" else 0)
        assert (await world.seen()).waiting == 0
        assert world.heard.offers == []
        world.now_us += 10 * MINUTE_US
        await world.till.on_time()
        assert await world.till.space_over(SPACE) == 0
        assert await world.till.complete_unfinished() == 0
        assert world.bank.asked["refund"] == 1
        await world.expect_right()

    told(fresh(tmp_path), story)
