"""Rules of tickets, carried out by a till with its store: tiers, lifetime revenue, keys, prefixes, pauses."""

from __future__ import annotations

import pytest

from signaling.pay import ProviderEvent, TransferChanged, TransferResult
from signaling.pay.charging import Bought
from signaling.pay.payouts import Holdings
from signaling.pay.provider import Dispute, DisputeState, MoveState
from signaling.pay.refunding import Refunded
from signaling.rules import Refused
from signaling.rules.money import Tier
from signaling.rules.refunds import RefundReason
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState
from signaling.store import charges, ledger, sellers
from signaling.store.payouts import StoredPayout
from tests.signaling.store_stories import MEMORY
from tests.signaling.till_stories import (
    FEE,
    HOUR_US,
    MINUTE_US,
    PREFIX,
    PRICE,
    SPACE,
    World,
    refused,
    told,
)

NET = PRICE - FEE
DAY_US = 24 * HOUR_US
OTHER = bytes(reversed(range(16)))


async def lifetime(world: World) -> int:
    async with world.store.transaction() as connection:
        return await ledger.lifetime_net(connection, "ann")


@pytest.mark.parametrize("before_minor", [5_000_000 - 1, 5_000_000 - 333, 5_000_000 - NET, 5_000_000])
def test_the_sale_that_crosses_50_000_is_split_at_the_cent(before_minor: int) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        async with world.store.transaction() as connection:
            await sellers.earn(connection, "ann", False, before_minor)
        sale = await world.bought("bob")
        low = 5_000_000 - before_minor
        share = low * 9_700 // 10_000 + (NET - low) * 8_000 // 10_000
        assert (sale.host_minor, sale.platform_minor) == (share, NET - share)
        assert await world.balance("host:ann") == -share
        assert await world.balance("platform") == share - NET
        assert await lifetime(world) == before_minor + NET
        await world.expect_right()

    told(MEMORY, story)


def test_a_refund_lowers_the_lifetime_and_splits_nothing_anew() -> None:
    """The first tier ends in the second sale. Then the first is given back, and a third is sold."""

    async def story(world: World) -> None:
        await world.on_sale(capacity=4)
        first, second = await world.bought("bob"), await world.bought("cid")
        low = 10_000 - NET
        share = low * 9_700 // 10_000 + (NET - low) * 8_000 // 10_000
        assert (first.host_minor, second.host_minor) == (NET * 9_700 // 10_000, share)
        await world.till.refund("ann", first.sale, 0, world.key())
        assert await lifetime(world) == NET
        assert (await world.sale(second.sale)).host_minor == share, "as it was stored"
        third = await world.bought("dan")
        assert third.host_minor == share
        assert (await world.sale(first.sale)).host_minor == first.host_minor
        await world.till.refund("ann", third.sale, 5_000, world.key())
        assert NET < await lifetime(world) < 2 * NET
        await world.expect_right()

    told(MEMORY, story, tiers=(Tier(10_000, 9_700), Tier(None, 8_000)))


def test_a_late_fee_is_split_by_what_was_earned_when_it_is_told() -> None:
    """Sold first, settled last: its share is what is left of the first tier then."""

    async def story(world: World) -> None:
        await world.on_sale()
        world.bank.fee_hidden = True
        early = await world.bought("bob")
        world.bank.fee_hidden = False
        later = await world.bought("cid")
        assert later.host_minor == NET * 9_700 // 10_000
        world.now_us += HOUR_US // 2
        await world.till.on_time()
        settled = await world.sale(early.sale)
        assert settled.host_minor == NET * 8_000 // 10_000
        await world.expect_right()

    told(MEMORY, story, tiers=(Tier(NET, 9_700), Tier(None, 8_000)))


def test_a_key_holds_for_seven_days_and_not_a_moment_longer() -> None:
    """Of each of the four requests with a key: the same answer at seven days, also after a look at what is
    forgotten; another request is refused until then; one microsecond later the key is new."""

    async def story(world: World) -> None:
        till, week_us = world.till, 7 * DAY_US
        assert world.limits.keys_us == week_us
        await world.on_sale()
        hold_key, buy_key, give_key, pay_key = (world.key() for _ in range(4))
        hold = await till.reserve(SPACE, "bob", PREFIX, hold_key)
        assert isinstance(hold, Sale)
        await till.buy("bob", hold.sale, "card_ok", buy_key)
        given = await till.refund("ann", hold.sale, 100, give_key, "sorry")
        await world.go_live()
        await world.end(on_air_us=HOUR_US)
        begun_us = world.now_us
        world.now_us += DAY_US
        paid = await till.pay_out("ann", pay_key)
        assert isinstance(given, Refunded) and isinstance(paid, StoredPayout)
        for at_us in (begun_us + DAY_US, begun_us + week_us):
            world.now_us = at_us
            await till.on_time()
            again = await till.reserve(SPACE, "bob", PREFIX, hold_key)
            bought = await till.buy("bob", hold.sale, "card_ok", buy_key)
            assert isinstance(again, Sale) and isinstance(bought, Bought)
            assert again.sale == bought.sale.sale == hold.sale
            refund = await till.refund("ann", hold.sale, 100, give_key, "sorry")
            assert isinstance(refund, Refunded)
            assert (refund.refund, refund.sale.refunded_minor) == (given.refund, 100)
            for other in (
                await till.reserve(OTHER, "bob", PREFIX, hold_key),
                await till.buy("bob", hold.sale, "card_declined", buy_key),
                await till.refund("ann", hold.sale, 101, give_key, "sorry"),
                await till.refund("ann", hold.sale, 100, pay_key, "sorry"),
            ):
                assert refused(other) == "key_reused"
        assert (await till.pay_out("ann", pay_key)) == paid
        world.now_us = begun_us + week_us + 1
        assert refused(await till.reserve(SPACE, "bob", PREFIX, hold_key)) == "sale_closed"
        assert refused(await till.buy("bob", hold.sale, "card_ok", buy_key)) == "has_ticket"
        anew = await till.refund("ann", hold.sale, 101, give_key)
        assert isinstance(anew, Refunded)
        assert anew.sale.refunded_minor == 201
        assert (await till.pay_out("ann", pay_key)) == paid, "its week began a day later"
        world.now_us = begun_us + DAY_US + week_us + 1
        assert refused(await till.pay_out("ann", pay_key)) == "payout_too_small"
        assert (world.bank.asked["charge"], world.bank.asked["transfer"]) == (1, 1)
        await world.expect_right()

    told(MEMORY, story)


def test_so_many_seats_are_on_hold_from_one_network(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale(capacity=10)
        held = [await world.held(f"bob{number}") for number in range(2)]
        full = await world.till.reserve(SPACE, "cid", PREFIX, world.key())
        assert isinstance(full, Refused)
        assert (full.code, "2 is the limit" in full.message) == ("busy", True)
        assert isinstance(await world.till.reserve(SPACE, "cid", "198.51.100.0/24", world.key()), Sale)
        await world.till.buy("bob0", held[0].sale, "card_ok", world.key())
        assert isinstance(await world.till.reserve(SPACE, "dan", PREFIX, world.key()), Sale), "one was bought"
        assert refused(await world.till.reserve(SPACE, "eve", PREFIX, world.key())) == "busy"
        world.now_us = held[1].expires_us
        await world.till.on_time()
        assert isinstance(await world.till.reserve(SPACE, "eve", PREFIX, world.key()), Sale), "one lapsed"

    told(store_url, story, holds_per_prefix=2)


def test_after_holds_that_bought_nothing_one_pauses_longer_each_time() -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        for pause_us in (MINUTE_US, 2 * MINUTE_US, 4 * MINUTE_US):
            hold = await world.held("bob")
            await world.till.release("bob", hold.sale)
            world.now_us += pause_us - 1
            early = await world.till.reserve(SPACE, "bob", PREFIX, world.key())
            assert isinstance(early, Refused)
            assert (early.code, early.retry_after_ms) == ("hold_too_soon", 1)
            world.now_us += 1
        await world.bought("bob")
        first = await world.sale((await world.held("cid")).sale)
        assert first.is_open

    told(MEMORY, story)


def test_a_seat_goes_down_the_line_until_somebody_buys_it(store_url: str) -> None:
    """Offered to cid, who lets it lapse, to dan, who gives it back, and to eve, who buys: nobody is asked
    twice, who let it go may hold again at once, and a refund offers it to fay."""

    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        first = await world.bought("bob")
        for who in ("cid", "dan", "eve", "fay"):
            await world.till.wait(SPACE, who)
        await world.till.refund("ann", first.sale, 0, world.key())
        (_, offered) = world.heard.offers[-1]
        world.now_us = (await world.sale(offered)).expires_us
        await world.till.on_time()
        assert (await world.sale(offered)).state is SaleState.RELEASED
        (_, offered) = world.heard.offers[-1]
        await world.till.release("dan", offered)
        (_, offered) = world.heard.offers[-1]
        await world.till.buy("eve", offered, "card_ok", world.key())
        assert [who for who, _ in world.heard.offers] == ["cid", "dan", "eve"]
        again = await world.till.reserve(SPACE, "cid", PREFIX, world.key())
        assert refused(again) == "sold_out", "no pause for an offer, and no seat"
        await world.till.refund("ann", offered, 0, world.key())
        assert [who for who, _ in world.heard.offers] == ["cid", "dan", "eve", "fay"]
        assert (await world.seen()).waiting == 0
        await world.expect_right()

    told(store_url, story)


def test_a_chargeback_after_the_payout_is_carried_forward() -> None:
    """The debt is made up by the next Space, a payout that would be below 50.00 rolls over meanwhile."""

    async def story(world: World) -> None:
        await world.on_sale(capacity=1)
        sale = await world.bought("bob")
        await world.go_live()
        await world.end(on_air_us=HOUR_US)
        world.now_us += DAY_US
        share = NET * 9_700 // 10_000
        assert isinstance(await world.till.pay_out("ann", world.key()), StoredPayout)
        ref = "sandbox_" + sale.charge.hex()
        for number in range(2):
            lost = Dispute("d", ref, DisputeState.OPENED, PRICE, 1_500)
            await world.till.on_provider_event(ProviderEvent(f"{number}", 0, lost))
        assert (await world.sale(sale.sale)).ticket is TicketState.REVOKED
        assert await world.till.holdings("ann") == Holdings(-share, 0)
        assert await world.balance("platform") == PRICE - NET + 1_500, "what it earned is gone, fees stay"
        assert await lifetime(world) == 0
        assert refused(await world.till.refund("ann", sale.sale, 0, world.key())) == "refund_too_large"
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        await world.on_sale(capacity=2, space=OTHER)
        for who in ("cid", "dan"):
            await world.bought(who, space=OTHER)
        await world.go_live(OTHER)
        await world.end(OTHER, on_air_us=HOUR_US)
        world.now_us += DAY_US
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        assert paid.payout.amount_minor == share

    told(MEMORY, story)


def test_payouts_begin_at_50_and_what_comes_back_is_paid_again() -> None:
    async def story(world: World) -> None:
        assert world.limits.payout_least_minor == 5_000
        await world.on_sale(capacity=1)
        sale = await world.bought("bob")
        keep = 4_999
        over = sale.host_minor - keep
        # The host gives back as much as leaves one cent less than the least.
        back = -(-over * PRICE // (sale.host_minor + FEE))
        while True:
            done = await world.till.refund("ann", sale.sale, back, world.key())
            assert isinstance(done, Refunded)
            left = (await world.till.holdings("ann")).balance_minor
            if left <= keep:
                break
            back = 1
        await world.go_live()
        await world.end(on_air_us=HOUR_US)
        world.now_us += DAY_US
        assert 4_900 < left < 5_000
        small = await world.till.pay_out("ann", world.key())
        assert isinstance(small, Refused)
        assert small.code == "payout_too_small"
        assert "50.00 USD is the least" in small.message
        await world.on_sale(capacity=1, space=OTHER)
        await world.bought("cid", space=OTHER)
        await world.go_live(OTHER)
        await world.end(OTHER, on_air_us=HOUR_US)
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small", "not yet"
        world.now_us += DAY_US
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        assert paid.payout.amount_minor == left + sale.host_minor, "it rolled over"
        world.bank.answers["find_transfer"] = TransferResult(MoveState.FAILED, paid.ref, "account_closed")
        failed = TransferChanged(paid.payout.payout, TransferResult(MoveState.FAILED, paid.ref, "x"))
        await world.till.on_provider_event(ProviderEvent("1", 0, failed))
        assert (await world.till.holdings("ann")).available_minor == paid.payout.amount_minor

    told(MEMORY, story)


@pytest.mark.parametrize(
    ("reason", "bearer"),
    [
        (RefundReason.HOST_CANCELLED, "host"),
        (RefundReason.HOST_ABSENT, "host"),
        (RefundReason.PLATFORM_ENDED, "platform"),
    ],
)
def test_who_caused_a_refund_bears_the_fee_that_is_kept(reason: RefundReason, bearer: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        await world.bought("bob")
        await world.cancel()
        assert await world.till.refund_space(SPACE, reason) == 1
        owes = {"host": await world.balance("host:ann"), "platform": await world.balance("platform")}
        assert owes == {"host": 0, "platform": 0} | {bearer: FEE}
        async with world.store.transaction() as connection:
            kinds = [line.kind async for line in ledger.lines(connection)]
        assert "refund_fee_kept" in kinds

    told(MEMORY, story)


def test_why_a_card_was_declined_is_kept_with_the_attempt(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold = await world.held("bob")
        answer = await world.till.buy("bob", hold.sale, "card_declined", world.key())
        assert isinstance(answer, Refused)
        assert "(card_declined)" in answer.message
        async with world.store.transaction() as connection:
            (tried,) = await charges.of_sale(connection, hold.sale)
            assert await charges.declines(connection, [tried.charge]) == {hold.sale: "card_declined"}
        assert (tried.state, tried.decline_code) == ("declined", "card_declined")
        await world.till.buy("bob", hold.sale, "card_ok", world.key())
        async with world.store.transaction() as connection:
            paid = (await charges.of_sale(connection, hold.sale))[-1]
            assert await charges.declines(connection, [paid.charge]) == {}

    told(store_url, story)
