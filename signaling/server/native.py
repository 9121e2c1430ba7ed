"""How the native plane meets the loop: beside a media thread on a real socket, or stepped by the loop."""

from __future__ import annotations

import asyncio
import socket
import weakref
from collections.abc import Callable
from typing import Any

from signaling.config import LimitsConfig, MediaConfig
from signaling.media._thread import MediaThread
from signaling.quic.endpoint import Listener
from signaling.quic.limits import Address
from signaling.quic.packets import CID_BYTES
from signaling.server.inbox import Inbox, Packet
from spacecore._media import Media
from spacecore._plane import DONE, DROP, Plane, crypto_library
from spacecore.errors import PlaneError

__all__ = ["Stepped", "Threaded", "choose_plane"]


def choose_plane(media: MediaConfig, limits: LimitsConfig) -> tuple[Plane | None, str]:
    """The native plane, or None for aioquic; and why it is not what the configuration asks for."""
    if media.plane == "aioquic":
        return None, ""
    try:
        crypto_library()
    except PlaneError as error:
        return None, (
            f"{error}, so aioquic carries the audio, at some twenty times the cost; install OpenSSL 3 "
            "(libcrypto.so.3, for example the package libssl3), or name a file in SPACECORE_LIBCRYPTO"
        )
    # Some more than the gate lets in: a connection that was closed keeps its place until its peer must know.
    return Plane(
        cid_bytes=CID_BYTES, connections=2 * (limits.connections + limits.returning) + limits.half_open
    ), ""


class Stepped(asyncio.DatagramProtocol):
    """Between a datagram transport of the loop and a Listener: what is audio goes to `media` first.

    Call `flush` after each `media.step`. For virtual networks, and wherever the loop owns the socket.
    """

    def __init__(self, listener: Listener, media: Media, clock_us: Callable[[], int]) -> None:
        self._listener = listener
        self._media = media
        self._clock_us = clock_us
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready."""
        self._transport = transport
        self._listener.connection_made(transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One UDP payload from anybody."""
        now_us = self._clock_us()
        if not data or data[0] & 0x80:
            self._listener.packet_received(data, addr, now_us, native_first=False)
        elif self._media.receive(data, addr, now_us) in (DONE, DROP):
            self._listener.stats.datagrams_in += 1
        else:  # natively once only: the second time an ACK that is news for aioquic would be none
            self._listener.packet_received(data, addr, now_us, native_first=False)
        self.flush()

    def flush(self) -> None:
        """Send what was sealed."""
        for data, address in self._media.take_sent():
            self._listener.stats.datagrams_out += 1
            self._transport.sendto(data, address)

    def error_received(self, exc: Exception) -> None:
        """As the listener says."""
        self._listener.error_received(exc)

    def pause_writing(self) -> None:
        """As the listener says."""
        self._listener.pause_writing()

    def resume_writing(self) -> None:
        """As the listener says."""
        self._listener.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """As the listener says."""
        self._listener.connection_lost(exc)


class Threaded:
    """A media thread on a bound UDP socket, and the loop's end of it. **The thread ends before the socket.**

    What the thread does not take goes to the listener through an Inbox. `on_notices` is called when there may
    be some.
    """

    def __init__(
        self, listener: Listener, media: Media, udp: socket.socket, on_notices: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._media = media
        self._on_notices = on_notices
        self._listener = listener
        self.inbox = Inbox(self._loop, self._take, listener.is_of_handshake)
        """Packets that wait for the loop."""
        self._thread = MediaThread(media, udp.fileno())
        # Also where nobody stops the server before the interpreter ends, or the server is just dropped.
        self._end = weakref.finalize(self, _end, self._thread, udp)

    @property
    def is_running(self) -> bool:
        """Whether the thread is."""
        return self._thread.is_running

    def start(self) -> None:
        """Read, tick and send from now on."""
        self._loop.add_reader(self._thread.wake_fd, self._on_wake)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the socket. Stopping twice does nothing."""
        if self._end.alive:
            self._loop.remove_reader(self._thread.wake_fd)
            self.inbox.close()
            self._end()

    def _on_wake(self) -> None:
        self.inbox.put(self._media.take_packets())
        self._on_notices()

    def _take(self, packet: Packet) -> None:
        self._listener.packet_received(*packet)


def _end(thread: MediaThread, udp: socket.socket) -> None:
    thread.stop()
    udp.close()
