"""A client's UDP socket that tells when each packet came, so that our lateness is not taken for jitter."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from signaling.quic.limits import Address

__all__ = ["StampedTransport", "TakesArrivals", "open_udp"]

_SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h; also the type of the control message
_TIMESPEC: Final = struct.Struct("@ll")
_PACKET_BYTES: Final = 2_048
_BATCH: Final = 64  # packets of one turn of the loop
_LATEST_S: Final = 1.0  # beyond this the wall clock was set: it says nothing then


class TakesArrivals(Protocol):
    """What a datagram protocol has beside asyncio's methods to be told how late it learns of a packet."""

    def datagram_arrived(self, data: bytes, late_s: float) -> None: ...


class StampedTransport(asyncio.DatagramTransport):
    """A connected UDP socket on the loop. What cannot be sent at once is dropped: QUIC takes it for lost."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.DatagramProtocol
    ) -> None:
        super().__init__()
        self._loop = loop
        self._socket = sock
        self._protocol = protocol
        self._is_closing = False
        protocol.connection_made(self)
        loop.add_reader(sock.fileno(), self._read)

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send to the peer; a failure is the protocol's `error_received`."""
        try:
            self._socket.send(data)
        except OSError as error:
            self._protocol.error_received(error)

    def close(self) -> None:
        """Stop at once; `connection_lost` follows in the loop's next turn."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_soon(self._lost)

    def abort(self) -> None:
        """As `close`."""
        self.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._is_closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`socket`, as other transports have it."""
        return self._socket if name == "socket" else default

    def _lost(self) -> None:
        self._socket.close()
        self._protocol.connection_lost(None)

    def _read(self) -> None:
        protocol = cast(TakesArrivals, self._protocol)
        for _ in range(_BATCH):
            if self._is_closing:
                return
            try:
                data, notes, _, _ = self._socket.recvmsg(_PACKET_BYTES, socket.CMSG_SPACE(_TIMESPEC.size))
            except BlockingIOError:
                return
            except OSError as error:
                self._protocol.error_received(error)
                return
            protocol.datagram_arrived(data, _late_s(notes))


async def open_udp(factory: Callable[[], asyncio.DatagramProtocol], remote: Address) -> object:
    """Connect a UDP socket, with the kernel's times of arrival where there are any. Raises OSError."""
    loop = asyncio.get_running_loop()
    if sys.platform != "linux":
        transport, _ = await loop.create_datagram_endpoint(factory, remote_addr=remote[:2])
        return transport
    sock = socket.socket(socket.AF_INET6 if ":" in remote[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.connect(remote)
        return StampedTransport(loop, sock, factory())
    except BaseException:
        sock.close()
        raise


def _late_s(notes: list[tuple[int, int, bytes]]) -> float:
    """How long ago the packet came; 0 where that is not known."""
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            late_s = (time.time_ns() - seconds * 1_000_000_000 - nanoseconds) / 1e9
            return late_s if 0 <= late_s <= _LATEST_S else 0.0
    return 0.0
