"""Webhooks over HTTP into a real till: however they come, one posting each in the ledger, or none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import httpx
import pytest

from signaling.config import HttpConfig
from signaling.http.app import WEBHOOK_PATH, provider_app
from signaling.http.door import HttpDoor
from signaling.http.signature import ID_HEADER
from signaling.pay.charging import Bought, BuyState
from signaling.pay.provider import ChargeState, DisputeState
from signaling.pay.webhooks import ProviderInbox
from signaling.server.counts import Counts
from signaling.store import ledger
from tests.signaling.till_stories import PRICE, START_US, World, fresh, told

Webhook = tuple[dict[str, str], bytes]


async def waiting_for_the_buyer(world: World, buyer: str) -> bytes:
    """A purchase whose card asks; returns its charge."""
    hold = await world.held(buyer)
    answer = await world.till.buy(buyer, hold.sale, "card_needs_action", world.key())
    assert isinstance(answer, Bought) and answer.state is BuyState.NEEDS_ACTION
    return answer.sale.charge


async def sent_to(world: World, webhooks: list[Webhook], after_s: float = 0.0) -> list[int]:
    """Posts each over HTTP to the till, so long after it was signed; returns the statuses."""
    inbox = ProviderInbox(
        world.bank.inner,
        world.till.on_provider_event,
        Counts(),
        wall_s=lambda: START_US / 1_000_000 + after_s,
    )
    config = HttpConfig(port=0)
    door = HttpDoor(provider_app(inbox.take, config), config)
    await door.start()
    try:
        async with httpx.AsyncClient(base_url=door.url, trust_env=False, timeout=20) as client:
            return [
                (await client.post(WEBHOOK_PATH, content=body, headers=headers)).status_code
                for headers, body in webhooks
            ]
    finally:
        await door.stop()


async def postings(world: World) -> Counter[str]:
    """How many entries of each kind the ledger has."""
    async with world.store.transaction() as connection:
        lines = [line async for line in ledger.lines(connection)]
    return Counter(kind for _, kind in {(line.entry, line.kind) for line in lines})


def approved(world: World, charge: bytes, state: str = ChargeState.SUCCEEDED.value) -> Webhook:
    return world.bank.inner.webhook(
        f"charge-{charge.hex()}-{state}",
        {"charge": charge.hex(), "state": state, "code": "", "amount": PRICE},
    )


def disputed(world: World, charge: bytes, state: DisputeState) -> Webhook:
    return world.bank.inner.webhook(
        f"dispute-{charge.hex()}-{state}", {"dispute": charge.hex(), "state": state, "amount": PRICE}
    )


@pytest.mark.parametrize("seed", range(3))
def test_duplicated_reordered_and_late_they_post_once(tmp_path: Path, seed: int) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        charges = [await waiting_for_the_buyer(world, buyer) for buyer in ("bo", "cy")]
        for charge in charges:
            assert await world.bank.inner.act(charge, True)
        paid = [approved(world, charge) for charge in charges for _ in range(3)]
        random = Random(seed)
        random.shuffle(paid)
        assert set(await sent_to(world, paid, after_s=299)) == {200}
        assert (await postings(world))["sale"] == 2
        # The bank of a buyer takes it back, loses, and both words come twice, in any order.
        words = [disputed(world, charges[0], state) for state in (DisputeState.OPENED, DisputeState.WON)] * 2
        random.shuffle(words)
        assert set(await sent_to(world, words)) == {200}
        found = await postings(world)
        assert found["sale"] == 2 and found["chargeback"] == found["chargeback_won"] <= 1
        async with world.store.transaction() as connection:
            assert (await ledger.trial_balance(connection)).is_right

    told(fresh(tmp_path), story)


def test_forged_and_replayed_they_post_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.on_sale()
        charge, other = [await waiting_for_the_buyer(world, buyer) for buyer in ("bo", "cy")]
        headers, body = approved(world, charge)
        assert await world.bank.inner.act(charge, True)
        signature = next(name for name, value in headers.items() if value.startswith("v1="))
        forged = [
            (headers, body.replace(charge.hex().encode(), other.hex().encode())),
            ({**headers, ID_HEADER: "another"}, body),
            ({**headers, signature: "v1=" + "0" * 64}, body),
            ({name: value for name, value in headers.items() if name != signature}, body),
        ]
        assert set(await sent_to(world, forged)) == {400}
        assert set(await sent_to(world, [(headers, body)], after_s=301)) == {400}
        assert await postings(world) == Counter()
        assert await sent_to(world, [(headers, body)], after_s=300) == [200]
        assert await postings(world) == Counter(["sale"])

    told(fresh(tmp_path), story)
