"""A wire in virtual time from one of our links to an unmodified aioquic client, which logs what it opens."""

from __future__ import annotations

import heapq
import itertools
import ssl
from collections.abc import Callable
from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.quic.packet import pull_quic_header
from aioquic.tls import CipherSuite, Epoch

from signaling.quic.bridge import SharedConnection
from signaling.quic.configuration import ALPN, promise_ack_delay, server_configuration
from signaling.quic.events import Audio, Closed, ControlData, LinkEvent
from signaling.quic.limits import Address, LinkLimits
from signaling.quic.link import Link
from signaling.quic.shared_space import to_us
from spacecore._plane import RX, TX, Connection, Plane
from tests.signaling.quic_pair import CLIENT, SERVER, certificate

ONE_RTT = Epoch.ONE_RTT

Drop = Callable[[bool, bytes], bool]


class WithoutIds(QuicConnection):
    """aioquic as a client whose own connection id is empty, so it must not offer others: RFC 9000, 19.15.

    aioquic gives the id that it makes up for the server the same length, which must be 8 bytes at least.
    """

    def __init__(self, *, configuration: QuicConfiguration) -> None:
        configuration.connection_id_length = 8
        super().__init__(configuration=configuration)
        configuration.connection_id_length = 0
        self.host_cid = self._host_cids[0].cid = self._local_initial_source_connection_id = b""

    def _replenish_connection_ids(self) -> None:
        pass


class Wire:
    """`client` is aioquic's own class, `server` a Link on a plane. Nothing happens but in `run` and `settle`.

    `drop(to_server, data)` loses packets; `delay_s` is one way. `opened` lists (key, packet number) of every
    1-RTT packet that the client could open.
    """

    def __init__(
        self,
        *,
        suite: CipherSuite | None = None,
        version: int | None = None,
        cid_bytes: int = 8,
        delay_s: float = 0.01,
        idle_s: float = 30.0,
        promised_ms: int | None = None,
        plane: Plane | None = None,
    ) -> None:
        self.now_s = 100.0
        self.delay_s = delay_s
        self.drop: Drop = lambda to_server, data: False
        self.client_address: Address = CLIENT
        self.client_events: list[QuicEvent] = []
        self.server_events: list[LinkEvent] = []
        self.opened: list[tuple[bytes, int]] = []
        self.sent = [0, 0]  # packets to the client, to the server
        self._under_way: list[tuple[float, int, bool, bytes, Address]] = []
        self._order = itertools.count()
        self.limits = LinkLimits(idle_timeout_s=idle_s, control_backlog_bytes=4 << 20)
        self.plane = Plane(connections=2) if plane is None else plane  # an empty one is false
        configuration = QuicConfiguration(
            is_client=True,
            alpn_protocols=[ALPN],
            max_datagram_frame_size=65_535,
            verify_mode=ssl.CERT_NONE,
            server_name="localhost",
            idle_timeout=idle_s,
            connection_id_length=cid_bytes,
        )
        if suite is not None:
            configuration.cipher_suites = [suite]
        if version is not None:
            configuration.original_version = version
            configuration.supported_versions = [version]
        kind = QuicConnection if cid_bytes else WithoutIds
        self.client = kind(configuration=configuration)
        if promised_ms is not None:
            promise(self.client, promised_ms)
        self.client.connect(SERVER, self.now_s)
        self._server: Link | None = None
        self.settle()
        assert any(isinstance(event, HandshakeCompleted) for event in self.client_events)
        self._log()

    # The ends

    @property
    def server(self) -> Link:
        """Our end."""
        assert self._server is not None
        return self._server

    @property
    def quic(self) -> SharedConnection:
        """aioquic's part of our end."""
        assert isinstance(self.server._quic, SharedConnection)
        return self.server._quic

    @property
    def connection(self) -> Connection:
        """The native part of our end."""
        assert self.server.connection is not None
        return self.server.connection

    @property
    def now_us(self) -> int:
        """The virtual clock as the plane counts."""
        return to_us(self.now_s)

    @property
    def is_native(self) -> bool:
        """Whether our end may seal and open natively just now."""
        return self.connection.flags == TX | RX

    # What to send

    def fan_out(self, datagram: bytes) -> bool:
        """Seal and send as a fan-out would: without asking the link. False: it may not be now."""
        sealed = self.connection.seal(datagram, self.now_us)
        if sealed is not None:
            self._carry(False, sealed, self.server.peer_address or ())
        return sealed is not None

    def speak(self, seconds: float, *, every_s: float = 0.02) -> int:
        """Fan audio out for a time; how many datagrams were taken."""
        taken = 0
        for number in range(round(seconds / every_s)):
            taken += self.fan_out(b"%06d" % number + bytes(150))
            self.run(every_s)
        return taken

    def crafted(self, payload: bytes) -> bytes:
        """An authentic 1-RTT packet of the client with these frames, padded for the header's sample."""
        client = self.client
        crypto = client._cryptos[ONE_RTT]
        number = client._packet_number
        client._packet_number += 1
        header = (
            bytes([0x41 | crypto.key_phase << 2])
            + client._peer_cid.cid
            + (number & 0xFFFF).to_bytes(2, "big")
        )
        return crypto.encrypt_packet(header, payload.ljust(4, b"\x00"), number)

    def to_server(self, data: bytes, address: Address | None = None) -> None:
        """Put bytes on the wire as the client, or from elsewhere."""
        self._carry(True, data, address or self.client_address)

    # Time

    def settle(self) -> None:
        """Let everything that happens by itself in the next 300 ms happen."""
        self.run(0.3)

    def run(self, seconds: float) -> None:
        """Let time pass: deliver what arrives, run every timer that is due, in order."""
        end_s = self.now_s + seconds
        for _ in range(200_000):
            self._flush()
            next_s = min([self._under_way[0][0]] if self._under_way else [end_s])
            next_s = min([next_s, *self._timers()])
            if next_s > end_s or (next_s == end_s and not self._under_way):
                break
            self.now_s = max(self.now_s, next_s)
            self._deliver()
            self._run_timers()
        else:
            raise AssertionError("the wire does not come to rest")
        self.now_s = max(self.now_s, end_s)
        self._deliver()
        self._run_timers()
        self._flush()

    def flush(self) -> None:
        """Put what both ends have to send on the wire; time does not move."""
        self._flush()

    # What came

    def audio_down(self) -> list[bytes]:
        """The datagrams that the client got."""
        return [event.data for event in self.client_events if isinstance(event, DatagramFrameReceived)]

    def audio_up(self) -> list[bytes]:
        """The datagrams that our end got."""
        return [event.datagram for event in self.server_events if isinstance(event, Audio)]

    def control_down(self) -> bytes:
        """The control stream at the client."""
        return b"".join(event.data for event in self.client_events if isinstance(event, StreamDataReceived))

    def control_up(self) -> bytes:
        """The control stream at our end."""
        return b"".join(event.data for event in self.server_events if isinstance(event, ControlData))

    def client_closed(self) -> ConnectionTerminated | None:
        """How the client saw the end."""
        return self.client._close_event

    def server_closed(self) -> Closed | None:
        """How our end saw it."""
        return self.server.closed

    # Inside

    def _log(self) -> None:
        pair = self.client._cryptos[ONE_RTT]
        decrypt = pair.decrypt_packet

        def logged(*arguments: Any) -> Any:
            plain = decrypt(*arguments)
            assert pair.recv.secret is not None
            self.opened.append((pair.recv.secret, plain[2]))
            return plain

        pair.decrypt_packet = logged  # type: ignore[method-assign]

    def _carry(self, to_server: bool, data: bytes, address: Address) -> None:
        self.sent[to_server] += 1
        if not self.drop(to_server, data):
            arrival_s = self.now_s + self.delay_s
            heapq.heappush(self._under_way, (arrival_s, next(self._order), to_server, data, address))

    def _flush(self) -> None:
        for data, _ in self.client.datagrams_to_send(self.now_s):
            self._carry(True, data, self.client_address)
        if self._server is not None:
            for data, address in self._server.take_datagrams(self.now_s):
                self._carry(False, data, address)
        while (event := self.client.next_event()) is not None:
            self.client_events.append(event)
        if self._server is not None:
            self.server_events += self._server.take_events()

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= self.now_s:
            _, _, to_server, data, address = heapq.heappop(self._under_way)
            if to_server:
                self._accept(data)
                self.server.receive(data, address, self.now_s)
            elif address == self.client_address:  # what goes to an address of before is lost
                self.client.receive_datagram(data, SERVER, self.now_s)

    def _accept(self, data: bytes) -> None:
        if self._server is None:
            # Not by `parse_initial`, which refuses the short id that aioquic chooses where its own are short.
            header = pull_quic_header(Buffer(data=data))
            self._server = Link.accept(
                server_configuration(certificate(), self.limits),
                self.limits,
                original_cid=header.destination_cid,
                plane=self.plane,
            )

    def _timers(self) -> list[float]:
        timers = [self.client.get_timer(), None if self._server is None else self._server.timer()]
        return [at_s for at_s in timers if at_s is not None]

    def _run_timers(self) -> None:
        at_s = self.client.get_timer()
        if at_s is not None and at_s <= self.now_s:
            self.client.handle_timer(self.now_s)
        if self._server is not None:
            at_s = self._server.timer()
            if at_s is not None and at_s <= self.now_s:
                self._server.on_timer(self.now_s)


def promise(client: QuicConnection, promised_ms: int) -> None:
    """Have an aioquic client advertise another max_ack_delay; that is all it changes."""
    serialize = client._serialize_transport_parameters
    client._serialize_transport_parameters = (  # type: ignore[method-assign]
        lambda: promise_ack_delay(serialize(), promised_ms)
    )


def ack_frame(largest: int, *, first_range: int = 0) -> bytes:
    """An ACK frame of one range."""
    return b"\x02" + (largest | 0x8000_0000).to_bytes(4, "big") + b"\x00\x00" + bytes([first_range])
