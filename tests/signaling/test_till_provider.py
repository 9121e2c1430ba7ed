"""Providers that change from one start to the next, sandbox money beside real, payments of what is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.config import AuthConfig, ConfigError, ServerConfig, StoreConfig, TicketsConfig
from signaling.config.tree import ListenConfig
from signaling.pay import ProviderUnknown
from signaling.pay.charging import Bought, BuyState
from signaling.pay.opening import check_ledger
from signaling.pay.payouts import Holdings
from signaling.pay.refunding import Refunded
from signaling.rules.sale import SaleState
from signaling.rules.sales import TicketState
from signaling.server import Server
from signaling.store import charges, ledger
from signaling.store.payouts import StoredPayout
from tests.signaling.store_stories import MEMORY
from tests.signaling.till_stories import FEE, HOUR_US, PRICE, World, fresh, refused, told

OTHER = bytes(reversed(range(16)))
DAY_US = 24 * HOUR_US
SHARE = (PRICE - FEE) * 9_700 // 10_000


def test_of_what_another_provider_did_this_one_is_not_asked() -> None:
    """A payment, a refund and a payout without an outcome, and a start with another provider configured."""

    async def story(world: World) -> None:
        await world.on_sale(capacity=3)
        paid = await world.bought("bob")
        await world.go_live()
        await world.end(on_air_us=HOUR_US)
        world.now_us += DAY_US
        world.bank.after["transfer"] = world.bank.before["find_transfer"] = 1
        await world.till.pay_out("ann", world.key())
        world.bank.before["refund"] = world.bank.before["find_refund"] = 1
        await world.till.refund("ann", paid.sale, 0, world.key())
        await world.on_sale(space=OTHER)
        hold = await world.held("cid", OTHER)
        world.bank.after["charge"] = world.bank.before["find_charge"] = 1
        await world.till.buy("cid", hold.sale, "card_ok", world.key())
        before = dict(world.bank.asked)
        world.bank.name = "other"
        assert await world.born().complete_unfinished() == 3
        for _ in range(5):
            world.now_us += HOUR_US // 2
            await world.till.on_time()
        assert world.bank.asked == before, "it was not asked, and nothing was charged, paid or given back"
        assert (await world.sale(hold.sale)).state is SaleState.RELEASED
        world.bank.name = "bank"
        assert await world.born().complete_unfinished() == 0
        assert (await world.sale(paid.sale)).refund_paid_minor == PRICE
        assert (await world.sale(hold.sale)).ticket is TicketState.VALID, "it is late, and a seat is free"
        async with world.store.transaction() as connection:
            late = await charges.of_sale(connection, hold.sale)
        assert [each.state for each in late] == ["succeeded"]
        await world.expect_right()

    told(MEMORY, story)


def test_who_asked_about_another_providers_charge_is_told_which() -> None:
    async def story(world: World) -> None:
        with pytest.raises(ProviderUnknown, match="stripe again"):
            world.till._office.must_be_here("stripe")

    told(MEMORY, story)


def test_sandbox_money_beside_real_money_is_marked_and_never_paid_out(store_url: str) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        world.bank.name, world.bank.is_sandbox = "sandbox", True
        play = await world.bought("bob")
        world.bank.name, world.bank.is_sandbox = "bank", False
        real = await world.bought("cid")
        assert (play.sandbox, real.sandbox) == (True, False)
        async with world.store.transaction() as connection:
            marked = {(line.ref, line.sandbox) async for line in ledger.lines(connection)}
        assert marked == {(play.sale, True), (real.sale, False)}
        assert real.host_minor == play.host_minor == SHARE
        await world.go_live()
        await world.end(on_air_us=HOUR_US)
        world.now_us += 7 * DAY_US
        assert await world.till.holdings("ann") == Holdings(SHARE, SHARE)
        world.bank.name, world.bank.is_sandbox = "sandbox", True
        assert await world.till.holdings("ann") == Holdings(SHARE, 0), "the sandbox has none of it to give"
        assert refused(await world.till.pay_out("ann", world.key())) == "payout_too_small"
        world.bank.name, world.bank.is_sandbox = "bank", False
        paid = await world.till.pay_out("ann", world.key())
        assert isinstance(paid, StoredPayout)
        assert paid.payout.amount_minor == SHARE
        assert (await world.sale(play.sale)).payout == b""
        await world.till.refund("ann", play.sale, 0, world.key())
        assert await world.till.holdings("ann") == Holdings(0, 0), "a sandbox refund is nobody's debt"

    told(store_url, story)


def test_a_payment_that_finds_its_space_over_is_paid_back_and_says_so() -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold, key = await world.held("bob"), world.key()
        world.bank.after["charge"] = world.bank.before["find_charge"] = 1
        answer = await world.till.buy("bob", hold.sale, "card_ok", key)
        assert isinstance(answer, Bought)
        assert answer.state is BuyState.PENDING
        await world.cancel()
        await world.till.complete_unfinished()
        for _ in range(2):
            assert refused(await world.till.buy("bob", hold.sale, "card_ok", key)) == "sale_closed"
        sale = await world.sale(hold.sale)
        assert (sale.ticket, sale.refund_paid_minor) == (TicketState.REFUNDED, PRICE)
        assert sale.refunded_by_host_minor == 0
        await world.expect_right()

    told(MEMORY, story)


def test_a_ticket_that_is_given_back_later_was_bought_all_the_same() -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        hold, key = await world.held("bob"), world.key()
        await world.till.buy("bob", hold.sale, "card_ok", key)
        assert isinstance(await world.till.refund("ann", hold.sale, 0, world.key()), Refunded)
        again = await world.till.buy("bob", hold.sale, "card_ok", key)
        assert isinstance(again, Bought)
        assert (again.state, again.sale.ticket) == (BuyState.SOLD, TicketState.REFUNDED)

    told(MEMORY, story)


def test_a_store_has_one_currency_from_one_start_to_the_next(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await check_ledger(world.store, "JPY")
        await world.on_sale()
        await check_ledger(world.store, "USD")
        with pytest.raises(ConfigError, match="sells, in USD"):
            await check_ledger(world.store, "JPY")
        await world.cancel()
        await check_ledger(world.store, "JPY")  # nothing was sold, and nothing is for sale
        await world.on_sale(space=OTHER)
        await world.bought("bob", space=OTHER)
        await world.cancel(OTHER)

    url = fresh(tmp_path)
    told(url, story)

    async def started(currency: str) -> None:
        server = Server(
            ServerConfig(
                auth=AuthConfig(development=True),
                listen=ListenConfig(port=0),
                store=StoreConfig(tmp_path / "data", url),
                tickets=TicketsConfig(currency=currency),
            )
        )
        try:
            await server.start()
        finally:
            await server.stop()
        assert server.store.in_progress == 0

    asyncio.run(started("USD"))
    with pytest.raises(ConfigError) as caught:
        asyncio.run(started("JPY"))
    assert (caught.value.code, caught.value.key) == ("pay_currency", "tickets.currency")
