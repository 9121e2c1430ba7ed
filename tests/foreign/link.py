"""The QUIC connection under the client: stream 0, datagrams, certificate pinning, keep-alive."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ssl
from collections.abc import Callable
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
)
from cryptography.hazmat.primitives.serialization import Encoding

from tests.foreign.numbers import CloseCode
from tests.foreign.wire import ALPN, Message, Unframer, WireError, enframe, unpack

CONTROL_STREAM = 0


class ClosedError(Exception):
    """The connection is over. `code` is the application's close code, or None where the network ended it."""

    def __init__(self, code: int | None, reason: str) -> None:
        self.code = code
        known = code in set(CloseCode)
        self.word = "network" if code is None else CloseCode(code if known else 0xA).name.lower()
        super().__init__(f"{self.word}: {reason}")


class NotPinnedError(Exception):
    """The server has another certificate than the one that was pinned."""


def configuration(*, pinned: bool) -> QuicConfiguration:
    """What the page asks of QUIC; a pinned certificate replaces the usual verification."""
    return QuicConfiguration(
        is_client=True,
        alpn_protocols=[ALPN],
        max_datagram_frame_size=65_535,
        verify_mode=ssl.CERT_NONE if pinned else ssl.CERT_REQUIRED,
    )


def _digits(fingerprint: str) -> str:
    """The 64 hex digits of a fingerprint, however people write it."""
    return fingerprint.lower().removeprefix("sha256:").replace(":", "")


class _Nowhere(asyncio.DatagramTransport):
    """A network that loses everything."""

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Lose it."""


class Link(QuicConnectionProtocol):
    """Turns QUIC events into messages and datagrams; `on_message`, `on_datagram`, `on_closed` are called."""

    def __init__(self, *args: Any, fingerprint: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_message: Callable[[Message], None] = lambda message: None
        self.on_datagram: Callable[[bytes], None] = lambda data: None
        self.on_closed: Callable[[ClosedError], None] = lambda closed: None
        self.refused: NotPinnedError | None = None
        self._pin = None if fingerprint is None else _digits(fingerprint)
        self._unframer = Unframer()
        self._keep_alive: asyncio.Task[None] | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        """See aioquic."""
        if isinstance(event, HandshakeCompleted):
            self._check_certificate()
        elif isinstance(event, StreamDataReceived) and event.stream_id == CONTROL_STREAM:
            self._stream(event.data)
        elif isinstance(event, DatagramFrameReceived):
            self.on_datagram(event.data)
        elif isinstance(event, ConnectionTerminated):
            self.stop_keep_alive()
            by_application = event.frame_type is None
            self.on_closed(ClosedError(event.error_code if by_application else None, event.reason_phrase))

    def _check_certificate(self) -> None:
        """Compare the leaf with the pin; aioquic has no public way to the certificate."""
        if self._pin is None:
            return
        certificate = self._quic.tls._peer_certificate
        if certificate is None:
            self.refused = NotPinnedError("the server showed no certificate")
        else:
            found = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
            now = datetime.datetime.now(datetime.UTC)
            if found != self._pin:
                self.refused = NotPinnedError(f"the server's certificate is {found}, pinned is {self._pin}")
            elif not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                self.refused = NotPinnedError("the server's certificate is out of its dates")
        if self.refused is not None:
            self.close()

    def _stream(self, data: bytes) -> None:
        try:
            for body in self._unframer.feed(data):
                self.on_message(unpack(body))
        except WireError as problem:
            self.close(CloseCode.PROTOCOL_ERROR, str(problem))

    def send(self, message: Message) -> None:
        """Write a message on stream 0."""
        self._quic.send_stream_data(CONTROL_STREAM, enframe(message))
        self.transmit()

    def send_raw(self, data: bytes) -> None:
        """Write bytes on stream 0, as a broken client would."""
        self._quic.send_stream_data(CONTROL_STREAM, data)
        self.transmit()

    def send_datagram(self, data: bytes) -> None:
        """Send a datagram, now or never."""
        self._quic.send_datagram_frame(data)
        self.transmit()

    def keep_alive(self, every_ms: int) -> None:
        """Send a PING at least this often; half of it leaves room for one that is lost."""
        self.stop_keep_alive()
        self._keep_alive = asyncio.ensure_future(self._ping_for_ever(every_ms / 2000))

    async def _ping_for_ever(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.ping()
            except ConnectionError:
                return

    def vanish(self) -> None:
        """Lose the network: what is sent goes nowhere, and what comes is not heard."""
        self.stop_keep_alive()
        self._transport = _Nowhere()
        self.on_message = lambda message: None
        self.on_datagram = lambda data: None
        self.on_closed = lambda closed: None

    def stop_keep_alive(self) -> None:
        """No more PINGs."""
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None
