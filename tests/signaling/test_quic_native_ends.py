"""Listeners and clients that carry audio natively: notices, packets that others have read, sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from signaling.quic.certificate import Trust
from signaling.quic.dialer import client_plane
from signaling.quic.endpoint import Listener, connect, listen_native
from signaling.quic.events import Cause
from signaling.quic.handle import LinkHandle
from signaling.quic.shared_space import to_us
from spacecore._plane import Plane
from spacecore.errors import PlaneError
from tests.signaling.quic_pair import House, Recorder, carry, certificate
from tests.virtual.loop import run


@pytest.fixture(autouse=True)
def natively() -> Iterator[None]:
    carry("native")
    yield
    carry("aioquic")


# Listeners


def test_notices_find_their_link_by_place_and_generation() -> None:
    async def story() -> None:
        async with House() as house:
            clients = [await house.connect(f"10.0.1.{number}") for number in range(3)]
            await asyncio.sleep(1)
            one, two, three = (session.handle.connection for session in house.sessions)
            assert one is not None and two is not None and three is not None
            house.listener.on_violation(one.slot, one.generation + 2)
            house.listener.on_violation(999, 1)
            house.listener.on_key_update(999, 1)
            await asyncio.sleep(1)
            assert [client.closed for client in clients] == [None] * 3
            house.listener.on_violation(one.slot, one.generation)
            session = house.sessions[1]
            session.handle._link._quic._sealed = two.seal_limit
            house.listener.on_key_update(two.slot, two.generation)
            await asyncio.sleep(1)
            assert clients[0].closed is not None
            assert (clients[0].closed.cause, clients[0].closed.code) == (Cause.TRANSPORT, 0xA)
            assert two.stats.key_updates == 1
            assert three.stats.key_updates == 0
            assert clients[1].closed is None
            house.sessions[1].handle.close(0)
            await asyncio.sleep(5)
            assert len(house.listener.plane or ()) == 1

    run(story(), limit_s=600)


def test_a_packet_that_was_tried_natively_goes_straight_to_aioquic() -> None:
    async def story() -> None:
        async with House() as house:
            client = await house.connect()
            await asyncio.sleep(1)
            session = house.sessions[0]
            connection = session.handle.connection
            assert connection is not None
            link = client.handle._link
            taken = connection.stats.received
            now_us = to_us(house.clock())
            for native_first in (False, True):
                link.send_audio(b"native first" if native_first else b"tried")
                for data, _ in link.take_datagrams(house.clock()):
                    source = session.handle.peer_address
                    assert source is not None
                    house.listener.packet_received(data, source, now_us - 3_000, native_first)
            assert session.audio == [b"tried", b"native first"]
            assert session.audio_us == [now_us - 3_000] * 2  # when they arrived
            assert connection.stats.received == taken + 1

    run(story(), limit_s=600)


def test_acknowledgements_are_left_to_a_fan_out_that_sends_them() -> None:
    async def story() -> tuple[int, int]:
        house = House(make=Recorder)  # which does not answer: an ACK would ride on it
        house.listener._acknowledges = False
        async with house:
            client = await house.connect()
            await asyncio.sleep(1)
            connection = house.sessions[0].handle.connection
            assert connection is not None
            before = connection.stats.acks_out
            for _ in range(20):
                client.handle.send_audio(b"x")
                await asyncio.sleep(0.02)
            by_link = connection.stats.acks_out - before
            assert connection.ack_due_us is not None  # it is owed, and overdue
            client.handle.send_stream(b"hello")  # what aioquic takes in is acknowledged by the link
            await asyncio.sleep(0.1)
            return by_link, connection.stats.acks_out - before + client.handle.control_backlog_bytes

    by_link, after = run(story(), limit_s=600)
    assert by_link == 0
    assert after <= 1


def test_a_socket_that_somebody_else_reads() -> None:
    """As a media thread does, but for the thread: the packets of the socket come by `packet_received`."""

    async def story() -> None:
        sessions: list[Recorder] = []
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_link(handle: LinkHandle) -> Recorder:
            sessions.append(Recorder(handle, echo=True))
            return sessions[-1]

        class Client(Recorder):
            def on_audio(self, datagram: bytes, now_us: int) -> None:
                super().on_audio(datagram, now_us)
                heard.set()

        plane = Plane(connections=10)
        listener = Listener(certificate(), on_link, plane=plane)
        udp = await listen_native("127.0.0.1", 0, listener)
        assert udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 100_000
        assert not udp.getblocking()

        def read() -> None:
            data, address = udp.recvfrom(2048)
            listener.packet_received(data, address, to_us(loop.time()), native_first=True)

        loop.add_reader(udp.fileno(), read)
        clients: list[Client] = []

        def on_client(handle: LinkHandle) -> Client:
            clients.append(Client(handle))
            return clients[-1]

        trust = Trust(pin=certificate().fingerprint)
        handle = await connect("localhost", listener.address[1], on_client, trust=trust)
        assert handle.connection is not None  # native by default
        assert handle.send_audio(b"hello")
        await asyncio.wait_for(heard.wait(), 5)
        assert clients[0].audio[0] == b"hello"
        listener.close(0x7, "stopping")
        loop.remove_reader(udp.fileno())
        udp.close()
        await asyncio.wait_for(handle.wait_closed(), 5)
        assert clients[0].closed is not None
        assert clients[0].closed.code == 0x7
        await asyncio.sleep(0)
        assert listener.links == len(plane) == 0

    asyncio.run(story())


def test_a_socket_that_takes_no_more_costs_packets_and_is_counted() -> None:
    async def story() -> None:
        listener = Listener(certificate(), Recorder, plane=Plane(connections=1))
        failures: list[type[OSError]] = [BlockingIOError, OSError]

        def send_to(data: bytes, address: object) -> None:
            if failures:
                raise failures.pop(0)

        listener.attach(send_to, ("10.0.0.1", 1))
        listener._send([(b"x", ("10.0.0.2", 2))] * 3)
        stats = listener.stats
        assert (stats.send_dropped, stats.socket_errors, stats.datagrams_out) == (1, 1, 1)
        assert listener.address == ("10.0.0.1", 1)

    asyncio.run(story())


# Clients without a libcrypto


def test_without_a_libcrypto_a_client_runs_on_aioquic_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: object) -> Plane:
        raise PlaneError("no_libcrypto", "there is none")

    monkeypatch.setattr("signaling.quic.dialer.Plane", missing)
    monkeypatch.delenv("SPACECORE_LIBCRYPTO", raising=False)
    assert client_plane() is None
    monkeypatch.setenv("SPACECORE_LIBCRYPTO", "/nowhere/libcrypto.so")
    with pytest.raises(PlaneError):
        client_plane()


def test_a_client_may_be_told_to_run_on_aioquic_alone() -> None:
    async def story() -> None:
        async with House() as house:
            carry("aioquic")
            client = await house.connect()
            assert client.handle.connection is None
            client.handle.send_audio(b"x")
            await asyncio.sleep(1)
            assert client.audio == [b"x"]

    run(story(), limit_s=600)
