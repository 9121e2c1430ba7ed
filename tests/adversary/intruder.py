"""Intruder: a client of aioquic's own class that finishes its handshake and then sends whatever it likes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.tls import Epoch

from signaling.protocol import Framer, decode_from_server, encode
from signaling.protocol import messages as wire
from signaling.quic.configuration import ALPN
from tests.adversary.ground import Ground

__all__ = ["Intruder", "configuration"]

_HANDSHAKE_S = 5.0
_ANSWER_S = 5.0


def configuration() -> QuicConfiguration:
    """A client that trusts everybody."""
    return QuicConfiguration(
        is_client=True,
        alpn_protocols=[ALPN],
        max_datagram_frame_size=65_535,
        verify_mode=ssl.CERT_NONE,
        server_name="localhost",
    )


class Intruder(asyncio.DatagramProtocol):
    """One connection. `crafted` seals any frames in a packet that the server must open.

    While `is_mute` nothing that aioquic wants to send leaves, so nothing is acknowledged; what comes is still
    read. `sent` is a list of all that left, if it is set to one.
    """

    def __init__(self, ground: Ground, *, quic: QuicConnection | None = None) -> None:
        self.ground = ground
        self.quic = quic or QuicConnection(configuration=configuration())
        self.is_mute = False
        self.is_up = False
        self.closed: ConnectionTerminated | None = None
        self.audio = 0  # datagrams that came
        self.sent: list[bytes] | None = None
        self.pushed: list[Any] = []  # events of the server, the latest 100
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._others: list[Any] = []
        self._changed = asyncio.Event()
        self._framer = Framer()
        self._answers: dict[int, Any] = {}
        self._ids = 0
        self._timer: asyncio.TimerHandle | None = None

    # Coming in

    async def connect(self) -> bool:
        """Finish a handshake; False where the server does not want us."""
        self._transport = await self.ground.open(self.ground.host(), lambda: self)
        self.quic.connect(self.ground.server, self._loop.time())
        self.flush()
        await self._until(lambda: self.is_up or self.closed is not None, _HANDSHAKE_S)
        self.ground.tally["connections" if self.is_up else "turned_away"] += 1
        return self.is_up and self.closed is None

    async def enter(self, user: str) -> bool:
        """Connect and say hello as this user; whether that was granted."""
        if not await self.connect():
            return False
        answer = await self.ask(wire.Hello, self.ground.token(user))
        return isinstance(answer, wire.Welcome)

    async def join(self, user: str) -> bool:
        """The same, and into the honest room."""
        return await self.enter(user) and isinstance(
            await self.ask(wire.Join, self.ground.space), wire.Joined
        )

    def leave(self) -> None:
        """Close, and the sockets with it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.closed is None:
            self.quic.close(error_code=0)
            self.is_mute = False
            self.flush()
        for transport in (self._transport, *self._others):
            if transport is not None:
                transport.close()

    # Sending

    def crafted(self, frames: bytes) -> bytes:
        """A 1-RTT packet with these frames."""
        quic = self.quic
        crypto, number = quic._cryptos[Epoch.ONE_RTT], quic._packet_number
        quic._packet_number += 1
        header = (
            bytes([0x41 | crypto.key_phase << 2]) + quic._peer_cid.cid + (number & 0xFFFF).to_bytes(2, "big")
        )
        return crypto.encrypt_packet(header, frames.ljust(4, b"\x00"), number)

    def inject(self, frames: bytes, *, through: Any = None) -> None:
        """Send such a packet, if the connection still stands."""
        if self.closed is None:
            self.emit(self.crafted(frames), through=through)

    def emit(self, packet: bytes, *, through: Any = None) -> None:
        """Send bytes as they are."""
        self.ground.tally["packets"] += 1
        self.ground.tally["bytes"] += len(packet)
        (through or self._transport).sendto(packet)

    async def another_socket(self) -> Any:
        """A second way to the server, from another address; what comes there is lost."""
        made = await self.ground.open(self.ground.host(), asyncio.DatagramProtocol)
        self._others.append(made)
        return made

    def flush(self) -> None:
        """Send what aioquic has to send."""
        for packet, _ in self.quic.datagrams_to_send(self._loop.time()):
            if not self.is_mute:
                if self.sent is not None:
                    self.sent.append(packet)
                self._transport.sendto(packet)
        self._arm()

    def say(self, body: bytes) -> None:
        """Write to the control stream."""
        if self.closed is None:
            self.quic.send_stream_data(0, body)
            self.flush()

    async def ask(self, kind: type, *fields: Any) -> Any:
        """Make a request; its answer, or None where none comes."""
        self._ids += 1
        number = self._ids
        self.say(encode(kind(number, *fields)))
        await self._until(lambda: number in self._answers or self.closed is not None, _ANSWER_S)
        return self._answers.pop(number, None)

    # As the protocol of a transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One packet from the server."""
        self.quic.receive_datagram(data, self.ground.server, self._loop.time())
        self._collect()
        self.flush()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens any more, or the buffer is full: the adversary goes on."""
        self.ground.tally["socket_errors"] += 1

    # Inside

    def _collect(self) -> None:
        event = self.quic.next_event()
        while event is not None:
            self._on_event(event)
            event = self.quic.next_event()
        if self.quic._close_event is not None and self.closed is None:
            self.closed = self.quic._close_event
        self._changed.set()

    def _on_event(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self.is_up = True
        elif isinstance(event, DatagramFrameReceived):
            self.audio += 1
        elif isinstance(event, ConnectionTerminated):
            self.closed = event
        elif isinstance(event, StreamDataReceived) and event.stream_id == 0:
            for body in self._framer.feed(event.data):
                message = decode_from_server(body)
                if isinstance(message, wire.Reply):
                    self._answers[message.id] = message
                else:
                    self.pushed = [*self.pushed[-99:], message]

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at_s = self.quic.get_timer()
        if at_s is not None:
            self._timer = self._loop.call_later(max(0.001, at_s - self._loop.time()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.quic.handle_timer(self._loop.time())
        self._collect()
        self.flush()

    async def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
