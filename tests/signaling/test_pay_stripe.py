"""Stripe against localstripe, a server that nobody here wrote, also with faults between us and it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from signaling.config import HttpConfig
from signaling.http.app import WEBHOOK_PATH, provider_app
from signaling.http.door import HttpDoor
from signaling.pay import (
    ChargeChanged,
    ChargeState,
    MoveState,
    ProviderEvent,
    ProviderUnknown,
    RefundOrder,
)
from signaling.pay.refunding import Refunded
from signaling.pay.stripe import SETTLED_S, StripeProvider
from signaling.pay.webhooks import ProviderInbox
from signaling.rules import Refused
from signaling.server.counts import Counts
from signaling.store import Store, ledger
from tests.signaling.pay_world import (
    DECLINED,
    KEY,
    VISA,
    WEBHOOK_SECRET,
    FaultProxy,
    a_charge,
    an_id,
    localstripe,
    provider_at,
    serving,
)
from tests.signaling.store_stories import MEMORY
from tests.signaling.till_stories import World

# What is never answered is given up after this; what comes then is answered within it.
PATIENCE_S = 3.0


@pytest.fixture(scope="module")
def stripe_url() -> Iterator[str]:
    with localstripe() as url:
        yield url


@pytest.fixture(autouse=True)
def from_nothing(stripe_url: str) -> None:
    httpx.delete(f"{stripe_url}/_config/data", trust_env=False).raise_for_status()


Story = Callable[[StripeProvider, FaultProxy], Awaitable[None]]


def tell(stripe_url: str, story: Story, patience_s: float = 20.0) -> None:
    async def told() -> None:
        proxy = FaultProxy(stripe_url)
        async with serving(proxy) as url, provider_at(url, timeout_s=patience_s) as provider:
            await story(provider, proxy)

    asyncio.run(told())


def intents(stripe_url: str) -> list[dict[str, object]]:
    """All there are at localstripe, asked without us."""
    listed = httpx.get(
        f"{stripe_url}/v1/payment_intents?limit=100",
        headers={"Authorization": f"Bearer {KEY}"},
        trust_env=False,
    )
    found: list[dict[str, object]] = listed.json()["data"]
    return found


def long_ago_s() -> float:
    return time.time() - 2 * SETTLED_S


def test_a_charge_succeeds_is_captured_and_found_again(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        result = await provider.charge(a_charge())
        assert (result.state, result.fee_minor) == (ChargeState.SUCCEEDED, 0)
        sent = proxy.seen[0]
        assert sent.key == an_id(1).hex()
        assert (sent.values["confirm"], sent.values["capture_method"]) == ("true", "automatic")
        assert await provider.find_charge(an_id(1), ref=result.ref) == result
        assert await provider.find_charge(an_id(1), since_s=long_ago_s()) == result
        assert await provider.cancel_charge(an_id(1), ref=result.ref) == result

    tell(stripe_url, story)
    (intent,) = intents(stripe_url)
    assert (intent["status"], intent["amount"], intent["currency"]) == ("succeeded", 1_250, "usd")
    assert intent["metadata"] == {"spaces_charge": an_id(1).hex(), "description": "a ticket"}


def test_a_declined_card_says_why_and_the_same_charge_stays_declined(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        for _ in range(2):
            result = await provider.charge(a_charge(method=DECLINED))
            assert (result.state, result.decline_code) == (ChargeState.DECLINED, "card_declined")
        found = await provider.find_charge(an_id(1), since_s=long_ago_s())
        assert found is not None and found.state is ChargeState.DECLINED

    tell(stripe_url, story)
    assert len(intents(stripe_url)) == 1


def test_a_method_that_does_not_exist_is_declined_and_nothing_is_charged(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        result = await provider.charge(a_charge(method="pm_of_nobody"))
        assert result.state is ChargeState.DECLINED
        assert "pm_of_nobody" not in repr(result)

    tell(stripe_url, story)
    assert intents(stripe_url) == []


@pytest.mark.parametrize("fault", ["500", "silent", "cut"])
def test_a_charge_that_was_made_but_not_told_is_found_and_made_once(stripe_url: str, fault: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        proxy.faults.append(fault)
        begun_s = long_ago_s()
        with pytest.raises(ProviderUnknown) as caught:
            await provider.charge(a_charge())
        assert caught.value.__cause__ is None and KEY not in str(caught.value)
        await asyncio.wait_for(proxy.arrived.acquire(), 20)
        found = await provider.find_charge(an_id(1), since_s=begun_s)
        assert found is not None and found.state is ChargeState.SUCCEEDED
        assert await provider.find_charge(an_id(1), ref=found.ref) == found
        # Whoever calls again all the same, under the same id, is told of the same charge.
        assert await provider.charge(a_charge()) == found
        assert [each.method for each in proxy.seen].count("POST") == 2

    tell(stripe_url, story, PATIENCE_S if fault == "silent" else 20.0)
    assert len(intents(stripe_url)) == 1


@pytest.mark.parametrize("fault", ["lost", "refused"])
def test_a_charge_that_never_arrived_is_not_found_once_it_can_arrive_no_more(
    stripe_url: str, fault: str
) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        proxy.faults.append(fault)
        with pytest.raises(ProviderUnknown):
            await provider.charge(a_charge())
        with pytest.raises(ProviderUnknown, match=f"ask {SETTLED_S} s after"):
            await provider.find_charge(an_id(1), since_s=time.time())
        assert await provider.find_charge(an_id(1), since_s=long_ago_s()) is None
        cancelled = await provider.cancel_charge(an_id(1), since_s=long_ago_s())
        assert cancelled.state is ChargeState.DECLINED

    tell(stripe_url, story, PATIENCE_S if fault == "lost" else 20.0)
    assert intents(stripe_url) == []


def test_a_charge_that_arrives_twice_is_one(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        proxy.faults.append("twice")
        assert (await provider.charge(a_charge())).state is ChargeState.SUCCEEDED

    tell(stripe_url, story)
    assert len(intents(stripe_url)) == 1


def test_a_provider_that_cannot_be_reached_leaves_it_unknown(stripe_url: str) -> None:
    async def story() -> None:
        async with serving(FaultProxy(stripe_url)) as url:
            pass
        async with provider_at(url) as provider:
            for call in (
                provider.charge(a_charge()),
                provider.find_charge(an_id(1)),
                provider.payout_account("ann"),
            ):
                with pytest.raises(ProviderUnknown):
                    await call

    asyncio.run(story())


def test_a_charge_is_found_on_a_later_page(stripe_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.pay.stripe._PAGE", 2)

    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        made = [await provider.charge(a_charge(number)) for number in range(5)]
        for number in (1, 4):  # localstripe lists the oldest first
            assert await provider.find_charge(an_id(number), since_s=long_ago_s()) == made[number]
        assert await provider.find_charge(an_id(5), since_s=long_ago_s()) is None
        assert [each.method for each in proxy.seen].count("GET") == 1 + 3 + 3
        monkeypatch.setattr("signaling.pay.stripe.FIND_MAX", 3)
        with pytest.raises(ProviderUnknown, match="3 is the limit"):
            await provider.find_charge(an_id(5), since_s=long_ago_s())

    tell(stripe_url, story)


def test_refunds_in_parts_are_told_apart_and_found(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        charge = await provider.charge(a_charge())

        def part(number: int, amount_minor: int) -> RefundOrder:
            return RefundOrder(an_id(number), an_id(1), charge.ref, amount_minor, "USD")

        first = await provider.refund(part(11, 500))
        assert (first.state, first.fee_returned_minor) == (MoveState.SUCCEEDED, 0)
        proxy.faults.extend(["500", "refused"])
        with pytest.raises(ProviderUnknown):
            await provider.refund(part(12, 750))
        with pytest.raises(ProviderUnknown):
            await provider.refund(part(13, 1))
        begun_s = long_ago_s()
        second = await provider.find_refund(an_id(12), charge_ref=charge.ref, since_s=begun_s)
        assert second is not None and second.state is MoveState.SUCCEEDED and second.ref != first.ref
        assert await provider.find_refund(an_id(12), since_s=begun_s) == second
        assert await provider.find_refund(an_id(13), charge_ref=charge.ref, since_s=begun_s) is None
        assert await provider.refund(part(12, 750)) == second

    tell(stripe_url, story)


def test_a_refund_of_what_was_never_paid_fails(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        result = await provider.refund(RefundOrder(an_id(11), an_id(1), "pi_of_nobody", 5, "USD"))
        assert result.state is MoveState.FAILED and result.failure_code

    tell(stripe_url, story)


@asynccontextmanager
async def taking_webhooks(
    provider: StripeProvider,
) -> AsyncIterator[tuple[str, asyncio.Queue[ProviderEvent]]]:
    events: asyncio.Queue[ProviderEvent] = asyncio.Queue()
    inbox = ProviderInbox(provider, events.put, Counts(), wall_s=time.time)
    config = HttpConfig(port=0)
    door = HttpDoor(provider_app(inbox.take, config), config)
    await door.start()
    try:
        yield f"http://127.0.0.1:{door.port}{WEBHOOK_PATH}", events
    finally:
        await door.stop()


async def of_charge(events: asyncio.Queue[ProviderEvent], charge: bytes) -> ChargeChanged:
    """The next event about this charge."""
    while True:
        subject = (await events.get()).subject
        if isinstance(subject, ChargeChanged) and subject.id == charge:
            return subject


def test_a_buyer_does_what_his_card_asks_and_a_signed_webhook_tells(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        async with (
            taking_webhooks(provider) as (address, events),
            httpx.AsyncClient(base_url=stripe_url, auth=(KEY, ""), trust_env=False, timeout=20) as stripe,
        ):
            hook = {"url": address, "secret": WEBHOOK_SECRET}
            (await stripe.post("/_config/webhooks/ours", json=hook)).raise_for_status()
            card = {"number": "4000002500003155", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
            method = (await stripe.post("/v1/payment_methods", json={"type": "card", "card": card})).json()
            # localstripe sends what a charge became a second later, so also what the tests before this one
            # charged may come: our charge has a number of its own.
            result = await provider.charge(a_charge(77, method["id"]))
            assert result.state is ChargeState.NEEDS_ACTION
            intent = (await stripe.get(f"/v1/payment_intents/{result.ref}")).json()
            done = await stripe.post(
                f"/v1/payment_intents/{result.ref}/_authenticate",
                json={"client_secret": intent["client_secret"], "success": True},
            )
            done.raise_for_status()
            told = await asyncio.wait_for(of_charge(events, an_id(77)), 20)
        assert (told.result.state, told.result.ref) == (ChargeState.SUCCEEDED, result.ref)

    tell(stripe_url, story)


def test_a_charge_that_waits_for_the_buyer_is_given_up(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        async with httpx.AsyncClient(base_url=stripe_url, auth=(KEY, ""), trust_env=False) as stripe:
            card = {"number": "4000002500003155", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
            method = (await stripe.post("/v1/payment_methods", json={"type": "card", "card": card})).json()
        waiting = await provider.charge(a_charge(method=method["id"]))
        cancelled = await provider.cancel_charge(an_id(1), ref=waiting.ref)
        assert (cancelled.state, cancelled.decline_code) == (ChargeState.DECLINED, "cancelled")
        assert await provider.find_charge(an_id(1), ref=waiting.ref) == cancelled

    tell(stripe_url, story)


def test_a_name_of_another_charge_is_not_taken_for_this_one(stripe_url: str) -> None:
    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        other = await provider.charge(a_charge(2, VISA))
        with pytest.raises(ProviderUnknown):
            await provider.find_charge(an_id(1), ref=other.ref)
        with pytest.raises(ProviderUnknown):
            await provider.find_charge(an_id(1), ref="pi_of_nobody")

    tell(stripe_url, story)


def test_a_till_sells_and_gives_back_through_stripe_whatever_happens_on_the_way(
    stripe_url: str,
) -> None:
    """Charged and answered with 500, declined, given back over a connection that is cut, told of twice."""

    async def story(provider: StripeProvider, proxy: FaultProxy) -> None:
        store = Store(MEMORY)
        await store.open()
        bank: Any = provider
        world = World(store, bank)
        world.now_us = int(time.time() * 1_000_000)
        await world.on_sale()
        proxy.faults.append("500")
        sale = await world.bought("bob", VISA)
        assert [shape["status"] for shape in intents(stripe_url)] == ["succeeded"]
        declined = await world.till.buy("cid", (await world.held("cid")).sale, DECLINED, world.key())
        assert isinstance(declined, Refused)
        assert (declined.code, "(card_declined)" in declined.message) == ("card_declined", True)
        proxy.faults.append("cut")
        given = await world.till.refund("ann", sale.sale, 417, world.key())
        assert isinstance(given, Refunded)
        assert (given.is_paid, given.sale.refund_paid_minor) == (True, 417)
        async with store.transaction() as connection:
            trial, newest = await ledger.trial_balance(connection), await ledger.newest(connection)
        assert trial.is_right
        found = await provider.find_charge(sale.charge)
        assert found is not None
        for event in ("evt_1", "evt_1", "evt_2"):
            await world.till.on_provider_event(ProviderEvent(event, 0, ChargeChanged(sale.charge, found)))
        async with store.transaction() as connection:
            assert await ledger.newest(connection) == newest, "nothing of it was news"
        assert await world.till.complete_unfinished() == 0
        await store.close()

    tell(stripe_url, story)
