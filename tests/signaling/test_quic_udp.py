"""The client's UDP socket: what a busy loop reads late still has the time at which it came."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import uvloop

from signaling.quic.certificate import Trust
from signaling.quic.endpoint import Listener, connect, listen
from signaling.quic.handle import LinkHandle
from signaling.quic.udp import _late_s, open_udp
from tests.signaling.quic_pair import Recorder, certificate

BUSY_S = 0.15
STAMPED = sys.platform == "linux"  # elsewhere asyncio's own transport is used, which knows no times

pytestmark = pytest.mark.scenario


class Taker(asyncio.DatagramProtocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.arrived: list[tuple[bytes, float]] = []
        self.errors: list[Exception] = []
        self.transport: asyncio.DatagramTransport | None = None
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_arrived(self, data: bytes, late_s: float) -> None:
        self.arrived.append((data, late_s))

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.datagram_arrived(data, 0.0)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class Lost(Listener):
    """Knows when its socket was closed."""

    is_lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.is_lost = True


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a real socket tells nobody
            await asyncio.sleep(0.001)


@pytest.fixture(scope="module", autouse=True)
def stamping() -> Iterator[None]:
    """The kernel begins to stamp packets a little after the first socket asked; until then this waits."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        late_s, tried = 0.0, 0
        if STAMPED:
            own.setsockopt(socket.SOL_SOCKET, 35, 1)
        while STAMPED and late_s < 0.004:
            assert tried < 1_000, "packets have no time of arrival on this machine"
            tried += 1
            own.sendto(b"x", own.getsockname())
            time.sleep(0.005)
            late_s = _late_s(own.recvmsg(10, 100)[1])
        yield


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


def test_packets_are_as_late_as_the_loop_was(runner: asyncio.Runner) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            taker = Taker()
            await open_udp(lambda: taker, server.getsockname())
            assert taker.transport is not None
            client = taker.transport.get_extra_info("socket").getsockname()
            server.sendto(b"early", client)
            time.sleep(BUSY_S)  # noqa: ASYNC251 - the loop is held on purpose
            server.sendto(b"just now", client)
            await until(lambda: len(taker.arrived) == 2)
            taker.transport.sendto(b"up")
            assert server.recv(100) == b"up"
            taker.transport.close()
            assert taker.transport.is_closing()
            await until(lambda: taker.is_lost)
        (first, early_s), (second, now_s) = taker.arrived
        assert (first, second) == (b"early", b"just now")
        if STAMPED:
            assert early_s >= BUSY_S
            assert early_s - now_s == pytest.approx(BUSY_S, abs=0.1)
        assert taker.errors == []

    runner.run(story())


def test_nobody_there_is_an_error_and_no_exception(runner: asyncio.Runner) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = nobody.getsockname()
        taker = Taker()
        await open_udp(lambda: taker, address)
        assert taker.transport is not None
        taker.transport.sendto(b"anybody?")
        await until(lambda: bool(taker.errors))
        assert isinstance(taker.errors[0], ConnectionRefusedError)
        taker.transport.abort()
        await until(lambda: taker.is_lost)

    runner.run(story())


def test_an_address_that_cannot_be_connected_leaves_no_socket_open() -> None:
    async def story() -> None:
        with pytest.raises(OSError, match="denied"):
            await open_udp(Taker, ("255.255.255.255", 4433))

    asyncio.run(story())


def test_audio_has_the_time_at_which_it_came(runner: asyncio.Runner) -> None:
    async def story() -> None:
        server: list[Recorder] = []

        def on_link(handle: LinkHandle) -> Recorder:
            server.append(Recorder(handle))
            return server[-1]

        client: list[Recorder] = []

        def on_client(handle: LinkHandle) -> Recorder:
            client.append(Recorder(handle))
            return client[-1]

        listener = Lost(certificate(), on_link)
        await listen("127.0.0.1", 0, listener)
        port = listener.address[1]
        handle = await connect("127.0.0.1", port, on_client, trust=Trust(pin=certificate().fingerprint))
        await until(lambda: bool(server) and server[0].handle.send_audio(b"audio"))
        listener.flush()
        sent_us = time.monotonic_ns() // 1000
        time.sleep(BUSY_S)  # noqa: ASYNC251 - the loop is held on purpose
        await until(lambda: bool(client[0].audio))
        late_us = client[0].audio_us[0] - sent_us
        assert late_us < BUSY_S * 500_000 if STAMPED else late_us > 0
        handle.close(0)
        await handle.wait_closed()
        await until(lambda: server[0].closed is not None)
        listener.close(0)
        await until(lambda: listener.is_lost)

    runner.run(story())


@pytest.mark.parametrize("ahead_s", [0.01, -1.5, -3600])
def test_a_wall_clock_that_was_set_is_not_believed(ahead_s: float) -> None:
    at_ns = time.time_ns() + int(ahead_s * 1e9)
    note = struct.pack("@ll", at_ns // 1_000_000_000, at_ns % 1_000_000_000)
    assert _late_s([(socket.SOL_SOCKET, 35, note)]) == 0.0
    assert _late_s([(socket.SOL_SOCKET, 35, note[:8])]) == 0.0
    assert _late_s([]) == 0.0
