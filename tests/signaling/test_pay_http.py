"""Webhooks over HTTP: bounded, answered only once posted, and refused for whoever did not sign."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import httpx
import pytest

from signaling.config import ConfigError, HttpConfig
from signaling.http.app import SANDBOX_PATH, WEBHOOK_PATH, provider_app
from signaling.http.door import HttpDoor
from signaling.pay import Charge, ChargeChanged, ChargeState, ProviderEvent
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.stripe import StripeProvider
from signaling.pay.webhooks import ProviderInbox
from signaling.server.counts import Counts
from tests.signaling.pay_world import KEY, WALL_S, WEBHOOK_SECRET, an_event, an_id, an_intent, signed

EVENT = an_event("payment_intent.succeeded", an_intent(1))


class Desk:
    """Posts each event once, as a store does: by its id, and by what the charge had become before."""

    def __init__(self) -> None:
        self.now_s = WALL_S
        self.counts = Counts()
        self.seen: Counter[str] = Counter()
        self.posted: Counter[bytes] = Counter()
        self.fails = 0

    async def on_event(self, event: ProviderEvent) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the store is busy")
        self.seen[event.id] += 1
        if isinstance(event.subject, ChargeChanged) and event.subject.result.state is ChargeState.SUCCEEDED:
            self.posted[event.subject.id] |= 1


@asynccontextmanager
async def at_the_door(desk: Desk, config: HttpConfig | None = None) -> AsyncIterator[httpx.AsyncClient]:
    config = config or HttpConfig(port=0)
    provider = StripeProvider(KEY, WEBHOOK_SECRET)
    inbox = ProviderInbox(provider, desk.on_event, desk.counts, wall_s=lambda: desk.now_s)
    door = HttpDoor(provider_app(inbox.take, config), config)
    await door.start()
    url = f"http://127.0.0.1:{door.port}"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
            yield client
    finally:
        await door.stop()
        await provider.close()
    assert door.port is None


Story = Callable[[httpx.AsyncClient, Desk], Awaitable[None]]


def tell(story: Story, config: HttpConfig | None = None) -> Desk:
    desk = Desk()

    async def told() -> None:
        async with at_the_door(desk, config) as client:
            await story(client, desk)

    asyncio.run(told())
    return desk


async def post(client: httpx.AsyncClient, body: bytes = EVENT, at_s: float = WALL_S) -> int:
    answer = await client.post(WEBHOOK_PATH, content=body, headers=signed(body, at_s))
    assert answer.content == b""
    return answer.status_code


def test_an_event_is_confirmed_once_it_is_posted() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        desk.fails = 1
        assert await post(client) == 503
        assert not desk.posted
        assert await post(client) == 200
        assert desk.posted == {an_id(1): 1}

    counts = tell(story).counts
    assert (counts.provider_events, counts.provider_events_failed) == (1, 1)


def test_webhooks_duplicated_reordered_and_late_are_one_posting_each() -> None:
    kinds = (("payment_intent.processing", "processing"), ("payment_intent.succeeded", "succeeded"))
    bodies = [
        an_event(kind, an_intent(number, status), number * 10 + place)
        for number in range(1, 6)
        for place, (kind, status) in enumerate(kinds)
    ]

    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        random = Random(5)
        sent = [(body, random.choice([0, 120, 299])) for body in bodies * 3]
        random.shuffle(sent)
        answers = [await post(client, body, WALL_S - late_s) for body, late_s in sent]
        assert set(answers) == {200}
        assert set(desk.seen.values()) == {3}
        assert desk.posted == {an_id(number): 1 for number in range(1, 6)}

    tell(story)


def test_webhooks_forged_or_replayed_post_nothing() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        forged = EVENT.replace(an_id(1).hex().encode(), an_id(2).hex().encode())
        answer = await client.post(WEBHOOK_PATH, content=forged, headers=signed(EVENT))
        assert answer.status_code == 400
        assert (await client.post(WEBHOOK_PATH, content=EVENT)).status_code == 400
        assert await post(client) == 200
        desk.now_s += 301
        assert await post(client) == 400

    desk = tell(story)
    assert desk.seen == {"evt_1": 1}
    assert desk.counts.provider_events_refused == 3


def test_an_unknown_type_is_confirmed_and_posts_nothing() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        assert await post(client, an_event("customer.created", {"id": "cus_1"})) == 200

    assert not tell(story).seen


@pytest.mark.parametrize(("more", "status"), [(0, 400), (1, 413)])
def test_a_body_is_read_up_to_its_limit(more: int, status: int) -> None:
    config = HttpConfig(port=0, body_bytes=1_024)

    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        answer = await client.post(WEBHOOK_PATH, content=b"x" * (1_024 + more))
        assert answer.status_code == status

    tell(story, config)


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    config = HttpConfig(port=0, body_ms=100)

    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        url = client.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf".encode())
        assert (await asyncio.wait_for(reader.readline(), 20)).split()[1] == b"408"
        writer.close()
        await writer.wait_closed()

    tell(story, config)


def test_beyond_so_many_connections_the_answer_is_503() -> None:
    config = HttpConfig(port=0, at_once=2)

    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        url = client.base_url
        idle = [await asyncio.open_connection(url.host, url.port) for _ in range(2)]
        assert (await client.post(WEBHOOK_PATH, content=EVENT)).status_code == 503
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()

    tell(story, config)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", WEBHOOK_PATH, 405), ("POST", "/", 404)])
def test_nothing_else_is_there(method: str, path: str, status: int) -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert "server" not in answer.headers

    tell(story)


def test_nothing_of_a_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        assert await post(client) == 200
        secret = {"Stripe-Signature": "t=1,v1=secretsecret", "Authorization": "Bearer secretsecret"}
        answer = await client.post(WEBHOOK_PATH + "?secretsecret", content=b"secretsecret", headers=secret)
        assert answer.status_code == 400

    tell(story)
    ours = [each for each in caplog.records if not each.name.startswith(("httpx", "httpcore"))]
    assert [each.getMessage() for each in ours if "secretsecret" in each.getMessage()] == []
    assert any("wrong_signature" in each.getMessage() for each in ours)


def test_without_a_port_nothing_listens() -> None:
    async def story() -> None:
        config = HttpConfig()
        door = HttpDoor(provider_app(lambda headers, body: asyncio.sleep(0, 200), config), config)
        await door.start()
        assert door.port is None
        await door.stop()

    asyncio.run(story())


def test_a_port_that_is_taken_is_told() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        config = HttpConfig(port=client.base_url.port)
        door = HttpDoor(provider_app(lambda headers, body: asyncio.sleep(0, 200), config), config)
        with pytest.raises(ConfigError) as caught:
            await door.start()
        assert caught.value.code == "port_unusable"
        await door.stop()

    tell(story)


def test_the_buyer_answers_on_the_page_of_the_sandbox() -> None:
    async def story() -> None:
        desk, config = Desk(), HttpConfig(port=0)
        provider = SandboxProvider(wall_s=lambda: WALL_S, action_base=SANDBOX_PATH)
        inbox = ProviderInbox(provider, desk.on_event, desk.counts, wall_s=lambda: WALL_S)

        provider.deliver = inbox.deliver
        door = HttpDoor(provider_app(inbox.take, config, act=provider.act), config)
        await door.start()
        url = f"http://127.0.0.1:{door.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            asked = await provider.charge(Charge(an_id(1), 500, "USD", "card_needs_action"))
            assert "Approve" in (await client.get(asked.action_url)).text
            assert (await client.post(f"{SANDBOX_PATH}/nobody?yes")).status_code == 404
            assert (await client.post(asked.action_url + "?yes")).status_code == 200
            assert (await client.post(asked.action_url + "?no")).status_code == 409
        await door.stop()
        assert desk.posted == {an_id(1): 1}

    asyncio.run(story())
