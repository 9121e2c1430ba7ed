"""Listener and connect: over the virtual network without waiting, and once over real UDP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signaling.quic.certificate import Trust, development_certificate
from signaling.quic.endpoint import Listener, connect, listen
from signaling.quic.errors import ConnectError, ListenError, QuicError
from signaling.quic.events import Cause, Closed
from signaling.quic.handle import LinkHandle
from signaling.quic.limits import LinkLimits
from tests.signaling.quic_pair import KINDS, House, Recorder, carried, carry, certificate
from tests.virtual.loop import run
from tests.virtual.network import Burst, Impairment


@pytest.fixture(scope="module", autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    carry(request.param)
    yield request.param
    carry("aioquic")


Story = Callable[[], Coroutine[Any, Any, None]]


def tell(story: Story) -> None:
    run(story(), limit_s=600)


def test_control_both_ways_and_close() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            assert house.clock() == pytest.approx(1000.04, abs=1e-3)  # one round trip of 40 ms
            client.handle.send_stream(b"hello " * 1000)
            await asyncio.sleep(1)
            assert client.control == house.sessions[0].control == b"hello " * 1000
            client.handle.close(0x0, "bye")
            await client.handle.wait_closed()
            assert client.closed == Closed(0x0, "bye", by_peer=False)
            assert house.sessions[0].closed == Closed(0x0, "bye", by_peer=True)
            await asyncio.sleep(2)
            assert house.listener.links == 0
            assert not house.listener._routes
            assert house.listener.gate.connections == 0

    tell(story)


def test_packets_belong_to_a_handshake_until_its_connection_is_up() -> None:
    async def story() -> None:
        async with House() as house:
            seen: list[tuple[bool, bool, bool]] = []
            take = house.listener.datagram_received

            def looking(data: bytes, address: tuple[Any, ...]) -> None:
                is_up = bool(house.sessions)
                seen.append((bool(data[0] & 0x80), is_up, house.listener.is_of_handshake(data)))
                take(data, address)

            house.listener.datagram_received = looking  # type: ignore[method-assign]
            client = await house.connect()
            client.handle.send_stream(b"hello")
            await asyncio.sleep(1)
            assert {of for is_long, _, of in seen if is_long} == {True}
            assert {of for is_long, is_up, of in seen if not is_long and is_up} == {False}
            assert not house.listener.is_of_handshake(b"")
            assert not house.listener.is_of_handshake(b"\x40" + bytes(30))  # of nobody that is known
            # Of a connection that has only begun.
            link = next(iter(house.listener._links.values()))._link
            packet = b"\x40" + link.host_cid + bytes(30)
            assert not house.listener.is_of_handshake(packet)
            link.established = False
            assert house.listener.is_of_handshake(packet)
            link.established = True

    tell(story)


def test_a_run_is_repeated_exactly() -> None:
    def once() -> tuple[list[int], list[int]]:
        async def story() -> tuple[list[int], list[int]]:
            impairment = Impairment(delay_s=0.02, jitter_s=0.02, loss=0.1, reorder=0.05, duplicate=0.02)
            async with House(seed=7, impairment=impairment) as house:
                client = await house.connect()
                for number in range(100):
                    client.handle.send_audio(number.to_bytes(2, "big") + bytes(90))
                    await asyncio.sleep(0.02)
                return house.sessions[0].audio_us, client.audio_us

        return run(story())

    first = once()
    assert len(first[0]) > 70
    assert first == once()


@pytest.mark.parametrize(
    ("impairment", "least", "most"),
    [
        (Impairment(delay_s=0.02), 500, 500),
        (Impairment(delay_s=0.02, loss=0.1), 430, 470),
        (Impairment(delay_s=0.02, burst=Burst(begin=0.02, end=0.3)), 440, 495),
    ],
)
def test_audio_arrives_in_the_count_that_the_network_lets_through(
    impairment: Impairment, least: int, most: int
) -> None:
    async def story() -> None:
        async with House(seed=3) as house:
            client = await house.connect()
            house.network.impair("10.0.0.2", "10.0.0.1", impairment)
            for number in range(500):
                assert client.handle.send_audio(number.to_bytes(2, "big") + bytes(100))
                await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            session = house.sessions[0]
            assert least <= len(session.audio) <= most
            assert client.handle.stats.audio_out == 500
            assert client.handle.stats.audio_dropped == 0
            numbers = [int.from_bytes(datagram[:2], "big") for datagram in session.audio]
            assert numbers == sorted(numbers)
            assert session.handle.stats.audio_in == len(session.audio)

    tell(story)


def test_handshake_and_control_survive_heavy_loss() -> None:
    async def story() -> None:
        async with House(seed=5, impairment=Impairment(delay_s=0.03, loss=0.25, reorder=0.1)) as house:
            client = await house.connect(timeout_s=30)
            client.handle.send_stream(b"x" * 20_000)
            await asyncio.sleep(20)
            assert client.control == b"x" * 20_000

    tell(story)


def test_what_is_sent_in_one_turn_leaves_together() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            await asyncio.sleep(1)
            before = client.handle.stats.packets_out
            client.handle.send_stream(b"a")
            client.handle.send_stream(b"b")
            client.handle.send_audio(b"c")
            client.handle.send_audio(b"d")
            await asyncio.sleep(0)
            # Natively each datagram is a packet, beside the one of aioquic's.
            assert client.handle.stats.packets_out == before + (3 if carried() else 1)

    tell(story)


def test_a_peer_that_takes_no_control_data_is_closed_as_too_slow() -> None:
    async def story() -> None:
        async with House(limits=LinkLimits(control_backlog_bytes=5000)) as house:
            client = await house.connect()
            client.handle.send_stream(b"x")
            await asyncio.sleep(1)
            house.network.direction("10.0.0.2", "10.0.0.1").is_cut = True
            session = house.sessions[0]
            results = [session.handle.send_stream(b"y" * 1000) for _ in range(8)]
            assert results == [True] * 5 + [False] * 3
            await asyncio.sleep(1)
            assert session.closed is not None
            assert (session.closed.code, session.closed.by_peer) == (0x9, False)
            assert client.closed is not None
            assert (client.closed.code, client.closed.by_peer) == (0x9, True)
            assert house.listener.stats.too_slow == 1

    tell(story)


def test_close_from_outside_and_from_within_a_callback() -> None:
    class Leaver(Recorder):
        def on_control(self, data: bytes, now_us: int) -> None:
            super().on_control(data, now_us)
            self.handle.close(0x5, "removed")
            assert self.closed is None  # never called from within a method of the handle

    async def story() -> None:
        async with House(make=Leaver) as house:
            client = await house.connect()
            client.handle.send_stream(b"one")
            client.handle.send_audio(b"ignored, for the link is closed by then")
            await asyncio.sleep(1)
            session = house.sessions[0]
            assert session.closed == Closed(0x5, "removed", by_peer=False)
            assert client.closed == Closed(0x5, "removed", by_peer=True)
            assert session.closed_calls == client.closed_calls == 1

    tell(story)


def test_stopping_tells_everybody() -> None:
    async def story() -> None:
        house = House()
        async with house:
            clients = [await house.connect(f"10.0.1.{number}") for number in range(5)]
            await asyncio.sleep(0.1)  # for the last handshake to be complete on the server's side too
            house.listener.close(0x7, "maintenance")
            assert all(session.closed for session in house.sessions)
            await asyncio.sleep(1)
            for client in clients:
                assert client.closed == Closed(0x7, "maintenance", by_peer=True)
                assert client.handle._driver._transport.is_closing()  # type: ignore[union-attr]
            with pytest.raises(ConnectError) as caught:
                await house.connect()
            assert caught.value.code == "refused"

    tell(story)


def test_a_socket_that_is_lost_ends_its_links() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            await asyncio.sleep(0.1)
            house.listener._transport.close()  # type: ignore[union-attr]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert house.sessions[0].closed == Closed(0, "the socket was closed", False, Cause.SOCKET)
            assert client.closed is None  # it finds out by its idle timeout
            await asyncio.sleep(100)
            assert client.closed is not None
            assert client.closed.cause is Cause.IDLE

    tell(story)


def test_other_hosts_cut_off_are_found_by_the_idle_timeout() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            for _ in range(10):
                client.handle.ping()
                await asyncio.sleep(15)
            assert client.closed is None
            house.network.cut("10.0.0.1", "10.0.0.2")
            await asyncio.sleep(95)
            assert house.sessions[0].closed is not None
            assert house.sessions[0].closed.cause is Cause.IDLE
            assert house.listener.links == 0

    tell(story)


def test_the_peers_address_may_change() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            client.handle.send_stream(b"before ")
            await asyncio.sleep(1)
            transport = client.handle._driver._transport
            house.network.move(transport, ("10.0.0.9", 999))  # type: ignore[arg-type]
            client.handle.send_stream(b"after")
            await asyncio.sleep(2)
            assert client.control == b"before after"
            assert house.sessions[0].handle.peer_address == ("10.0.0.9", 999)

    tell(story)


def test_a_full_socket_drops_instead_of_queueing() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            await asyncio.sleep(1)
            house.listener.pause_writing()
            for _ in range(20):
                house.sessions[0].handle.send_audio(b"x")
                await asyncio.sleep(0.02)
            assert house.listener.stats.send_dropped >= 20
            house.listener.resume_writing()
            house.sessions[0].handle.send_audio(b"y")
            await asyncio.sleep(1)
            assert client.audio == [b"y"]
            house.listener.error_received(OSError("as ICMP would"))
            assert house.listener.stats.socket_errors == 1

    tell(story)


def test_new_certificate_for_new_connections(tmp_path: Path) -> None:
    other, _ = development_certificate(tmp_path, datetime.now(UTC))

    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            house.listener.renew(other)
            await house.connect("10.0.0.3", trust=Trust(pin=other.fingerprint))
            client.handle.send_stream(b"old ones live on")
            await asyncio.sleep(1)
            assert client.control == b"old ones live on"

    tell(story)


# Real sockets


@pytest.mark.scenario
def test_over_real_udp_on_loopback() -> None:
    async def story() -> None:
        sessions: list[Recorder] = []
        clients: list[Recorder] = []
        answered = asyncio.Event()

        class Client(Recorder):
            def on_audio(self, datagram: bytes, now_us: int) -> None:
                super().on_audio(datagram, now_us)
                answered.set()

        def on_link(handle: LinkHandle) -> Recorder:
            sessions.append(Recorder(handle, echo=True))
            return sessions[-1]

        def on_client(handle: LinkHandle) -> Recorder:
            clients.append(Client(handle))
            return clients[-1]

        listener = await listen("127.0.0.1", 0, Listener(certificate(), on_link))
        port = listener.address[1]
        trust = Trust(pin=certificate().fingerprint)
        handle = await connect("localhost", port, on_client, trust=trust)
        handle.send_stream(b"hello")
        assert handle.send_audio(bytes(handle.max_audio_bytes))
        await asyncio.wait_for(answered.wait(), 5)
        assert clients[0].audio == [bytes(1170)]
        assert sessions[0].control == b"hello"
        handle.close(0, "bye")
        await asyncio.wait_for(handle.wait_closed(), 5)
        with pytest.raises(ListenError) as caught:
            await listen("127.0.0.1", port, Listener(certificate(), on_link))
        assert caught.value.code == "port_in_use"
        assert str(port) in str(caught.value)
        listener.close(0x7)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sessions[0].closed is not None
        with pytest.raises(ConnectError) as refused:
            await connect("127.0.0.1", port, on_client, trust=trust, timeout_s=5)
        assert refused.value.code == "refused"

    asyncio.run(story())


def test_addresses_that_do_not_exist() -> None:
    async def story() -> None:
        with pytest.raises(QuicError) as caught:
            await connect("no-such-host.invalid", 1, Recorder)
        assert caught.value.code == "name_not_found"
        with pytest.raises(ListenError) as unusable:
            await listen("192.0.2.1", 0, Listener(certificate(), Recorder))
        assert unusable.value.code == "address_unusable"

    asyncio.run(story())
