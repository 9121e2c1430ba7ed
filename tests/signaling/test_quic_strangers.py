"""Listener against strangers: garbage, unknown versions, half-open floods, full servers, no answer at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from signaling.quic.errors import ConnectError
from signaling.quic.gate import GateLimits
from signaling.quic.limits import LinkLimits
from signaling.quic.link import Link
from signaling.quic.packets import parse_initial
from tests.signaling.quic_pair import CLIENT, KINDS, SERVER, House, Pair, carry
from tests.virtual.loop import run


@pytest.fixture(scope="module", autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    carry(request.param)
    yield request.param
    carry("aioquic")


def tell(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(story(), limit_s=600)


def test_garbage_does_nothing_and_leaves_nothing() -> None:
    dice = random.Random(11)

    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            stranger, _ = await house.network.open(asyncio.DatagramProtocol, local="10.6.6.6")
            stranger.sent = []
            ((initial, _),) = Pair(handshake=False).client.take_datagrams(0.0)
            kinds: list[Callable[[], bytes]] = [
                lambda: b"",
                lambda: dice.randbytes(dice.randrange(1, 1400)),
                lambda: initial[: dice.randrange(1, 1200)],
                lambda: b"\xc0\x00\x00\x00\x01" + dice.randbytes(1300),
                # Intact enough to be taken for an Initial, but nothing in it can be decrypted.
                lambda: initial[:40] + dice.randbytes(1160),
                lambda: bytes([initial[0]]) + initial[1:6] + dice.randbytes(8) + initial[14:],
                lambda: b"\x40" + dice.randbytes(60),
            ]
            for _ in range(200):
                stranger.sendto(dice.choice(kinds)(), SERVER)
            await asyncio.sleep(1)
            assert house.listener.links == 1
            assert len(house.listener._routes) == len(house.sessions[0].handle._cids)
            assert house.listener.gate.half_open == 0
            stats = house.listener.stats
            assert stats.garbage > 50
            assert stats.unknown_cid > 10
            assert stats.handler_errors == 0
            client.handle.send_stream(b"undisturbed")
            await asyncio.sleep(1)
            assert client.control == b"undisturbed"

    tell(story)


def test_unknown_version_is_answered_once_for_each_long_packet() -> None:
    async def story() -> None:
        async with House() as house:
            stranger, inbox = await house.network.open(Inbox, local="10.6.6.6")
            header = b"\xc0\x1a\x2a\x3a\x4a\x08DESTINAT\x04SRCE"
            stranger.sendto(header + bytes(1200), SERVER)
            stranger.sendto(header + bytes(100), SERVER)  # too short to begin anything
            stranger.sendto(b"\xc0\x00\x00\x00\x00\x08DESTINAT\x04SRCE" + bytes(1200), SERVER)  # no ping-pong
            await asyncio.sleep(1)
            assert len(inbox.received) == 1  # type: ignore[attr-defined]
            assert house.listener.stats.version_negotiations == 1
            assert house.listener.links == 0

    tell(story)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: list[bytes] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.append(data)


async def half_open(house: House, count: int) -> None:
    """Begin handshakes that nobody will finish."""
    sender, _ = await house.network.open(Inbox, local="10.6.6.6")
    for _ in range(count):
        for data, _address in Pair(handshake=False).client.take_datagrams(0.0):
            sender.sendto(data, SERVER)
    await asyncio.sleep(0.5)


def test_half_open_connections_are_capped_retried_and_given_up() -> None:
    async def story() -> None:
        gate = GateLimits(half_open=6, retry_above=4, handshake_s=10.0)
        async with House(gate=gate) as house:
            await half_open(house, 10)
            assert house.listener.gate.half_open == 4  # the rest got a Retry and no state
            assert house.listener.gate.stats.retries >= 6
            retries = house.listener.gate.stats.retries
            client = await house.connect()  # our client answers the Retry
            assert house.listener.gate.stats.retries == retries + 1
            assert client.established_us is not None
            await asyncio.sleep(20)
            assert house.listener.gate.stats.handshakes_expired == 4
            assert house.listener.links == 1
            assert len(house.sessions) == 1
            assert house.listener._gate_timer is None

    tell(story)


def test_full_server_refuses_with_a_clear_error() -> None:
    async def story() -> None:
        async with House(gate=GateLimits(connections=1)) as house:
            await house.connect("10.0.0.2")
            with pytest.raises(ConnectError, match="try again later") as caught:
                await house.connect("10.0.0.3")
            assert caught.value.code == "server_busy"
            house.clients[0].handle.close(0)
            await asyncio.sleep(5)
            await house.connect("10.0.0.3")

    tell(story)


def test_handshake_that_never_ends_is_unreachable() -> None:
    async def story() -> None:
        async with House() as house:
            house.network.cut("10.0.0.1", "10.0.0.2")
            with pytest.raises(ConnectError, match=r"10\.0\.0\.1:4433 .* within 3 s") as caught:
                await house.connect(timeout_s=3)
            assert caught.value.code == "unreachable"
            assert house.clients == []

    tell(story)


def test_initial_for_a_link_needs_its_ids() -> None:
    ((data, _),) = Pair(handshake=False).client.take_datagrams(0.0)
    initial = parse_initial(data)
    assert initial is not None
    pair = Pair()
    link = Link.accept(pair.accepted._quic.configuration, LinkLimits(), original_cid=initial.destination_cid)
    link.receive(data, CLIENT, 1.0)
    assert not link.heard_nothing
