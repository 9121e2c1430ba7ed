"""What the QUIC tests share: a certificate, two links back to back, and handlers that record."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from signaling.quic.certificate import ServerCertificate, Trust, development_certificate
from signaling.quic.configuration import client_configuration, server_configuration
from signaling.quic.endpoint import Listener, connect
from signaling.quic.events import Closed, ControlData, LinkEvent
from signaling.quic.gate import GateLimits
from signaling.quic.handle import LinkHandle
from signaling.quic.limits import LinkLimits
from signaling.quic.link import Link
from signaling.quic.packets import parse_initial
from spacecore._plane import Plane
from tests.virtual.network import Impairment, Network

SERVER = ("10.0.0.1", 4433)
CLIENT = ("10.0.0.2", 5000)

KINDS = {"aioquic": False, "native": True}
_kind = {"native": False}


def carry(kind: str) -> None:
    """Have the pairs and houses made from now on carry audio by aioquic, or natively on both ends."""
    _kind["native"] = KINDS[kind]


def carried() -> bool:
    """Whether that is natively."""
    return _kind["native"]


def planes(native: bool | None, connections: int) -> Plane | None:
    """A plane, where audio is carried natively: as told, or as `carry` said last."""
    return Plane(connections=connections) if (_kind["native"] if native is None else native) else None


@cache
def certificate() -> ServerCertificate:
    """One development certificate for the whole run."""
    with tempfile.TemporaryDirectory() as directory:
        made, _ = development_certificate(Path(directory), datetime.now(UTC), names=(SERVER[0],))
    return made


class Pair:
    """A client's and a server's Link joined by two lists of packets; time moves only when told."""

    def __init__(
        self,
        *,
        client_limits: LinkLimits | None = None,
        server_limits: LinkLimits | None = None,
        alpn: str = "spaces/1",
        handshake: bool = True,
        native: bool | None = None,
    ) -> None:
        self.now_s = 100.0
        self.client_plane = planes(native, 1)
        self.server_plane = planes(native, 1)
        self.client_limits = client_limits or LinkLimits()
        self.server_limits = server_limits or LinkLimits()
        configuration = client_configuration(
            "localhost", Trust(pin=certificate().fingerprint), self.client_limits, alpn
        )
        self.client = Link.dial(
            configuration, self.client_limits, remote=SERVER, now_s=self.now_s, plane=self.client_plane
        )
        self.server: Link | None = None
        self.client_events: list[LinkEvent] = []
        self.server_events: list[LinkEvent] = []
        self.to_server_open = self.to_client_open = True
        if handshake:
            self.pump()

    @property
    def accepted(self) -> Link:
        """The server's link, which exists after its first packet."""
        assert self.server is not None
        return self.server

    def pump(self) -> None:
        """Carry packets to and fro until both are silent, then collect events."""
        for _ in range(100):
            to_server = self.client.take_datagrams(self.now_s)
            if self.to_server_open:
                for data, _ in to_server:
                    self._to_server(data)
            to_client = [] if self.server is None else self.server.take_datagrams(self.now_s)
            if self.to_client_open:
                for data, _ in to_client:
                    self.client.receive(data, SERVER, self.now_s)
            if not to_server and not to_client:
                break
        self.client_events += self.client.take_events()
        if self.server is not None:
            self.server_events += self.server.take_events()

    def run(self, seconds: float) -> None:
        """Let time pass: run every timer that is due, in order."""
        end_s = self.now_s + seconds
        for _ in range(10_000):
            self.pump()
            links = [link for link in (self.client, self.server) if link is not None]
            timers = [at for link in links if (at := link.timer()) is not None]
            if not timers or min(timers) > end_s:
                break
            self.now_s = max(self.now_s, min(timers))
            for link in links:
                if (at := link.timer()) is not None and at <= self.now_s:
                    link.on_timer(self.now_s)
        self.now_s = end_s
        self.pump()

    def control(self, events: list[LinkEvent]) -> bytes:
        """The control bytes among events."""
        return b"".join(event.data for event in events if isinstance(event, ControlData))

    def _to_server(self, data: bytes) -> None:
        if self.server is None:
            initial = parse_initial(data)
            assert initial is not None
            configuration = server_configuration(certificate(), self.server_limits)
            self.server = Link.accept(
                configuration,
                self.server_limits,
                original_cid=initial.destination_cid,
                plane=self.server_plane,
            )
        self.server.receive(data, CLIENT, self.now_s)


class Recorder:
    """A handler that keeps everything, and can be told to answer or to fail."""

    def __init__(self, handle: LinkHandle, *, echo: bool = False) -> None:
        self.handle = handle
        self.echo = echo
        self.established_us: int | None = None
        self.control = b""
        self.audio: list[bytes] = []
        self.audio_us: list[int] = []
        self.closed: Closed | None = None
        self.closed_calls = 0

    def on_established(self, now_us: int) -> None:
        assert self.established_us is None
        self.established_us = now_us

    def on_control(self, data: bytes, now_us: int) -> None:
        self.control += data
        if self.echo:
            self.handle.send_stream(data)

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        self.audio.append(datagram)
        self.audio_us.append(now_us)
        if self.echo:
            self.handle.send_audio(datagram)

    def on_closed(self, closed: Closed, now_us: int) -> None:
        self.closed = closed
        self.closed_calls += 1


class House:
    """A listener on a virtual network, and clients that connect to it. Use inside a running VirtualLoop."""

    def __init__(
        self,
        *,
        seed: int = 1,
        impairment: Impairment | None = None,
        gate: GateLimits | None = None,
        limits: LinkLimits | None = None,
        make: Callable[[LinkHandle], Recorder] | None = None,
        shown: ServerCertificate | None = None,
    ) -> None:
        self.clock = asyncio.get_running_loop().time
        self.network = Network(seed, impairment or Impairment(delay_s=0.02))
        self.sessions: list[Recorder] = []
        self.clients: list[Recorder] = []
        self._make = make or (lambda handle: Recorder(handle, echo=True))
        self.listener = Listener(
            shown or certificate(),
            self._on_link,
            gate=gate,
            limits=limits,
            clock=self.clock,
            plane=planes(None, 1000),
            random_bytes=random.Random(seed).randbytes,
        )

    async def __aenter__(self) -> House:
        await self.network.open(lambda: self.listener, local=SERVER)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients:
            client.handle.close(0)
        await asyncio.sleep(2)
        self.listener.close(0x7, "stopping")
        await asyncio.sleep(0)

    async def connect(
        self,
        host: str = "10.0.0.2",
        *,
        trust: Trust | None = None,
        timeout_s: float = 10.0,
        limits: LinkLimits | None = None,
    ) -> Recorder:
        """Connect a client on a host of the network."""
        await connect(
            *SERVER,
            self._on_client,
            trust=trust or Trust(pin=certificate().fingerprint),
            limits=limits,
            timeout_s=timeout_s,
            clock=self.clock,
            open_transport=self.network.opener(host),
            native=_kind["native"],
        )
        return self.clients[-1]

    def _on_client(self, handle: LinkHandle) -> Recorder:
        self.clients.append(Recorder(handle))
        return self.clients[-1]

    def _on_link(self, handle: LinkHandle) -> Recorder:
        self.sessions.append(self._make(handle))
        return self.sessions[-1]
