"""What the owner of an established link holds (LinkHandle) and what it implements (LinkHandler)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from signaling.quic.errors import TooSlow
from signaling.quic.events import CLOSE_TOO_SLOW, Closed
from signaling.quic.limits import Address, LinkStats
from signaling.quic.link import Link
from spacecore._plane import Connection

if TYPE_CHECKING:
    from signaling.quic.driver import Driver

__all__ = ["LinkHandle", "LinkHandler", "OnLink"]


class LinkHandler(Protocol):
    """What the owner of an established link implements; called on the loop, never from a handle's method.

    An exception from any of them closes that one link with `internal`. `now_us` is the clock when the packet
    was read (or the timer ran), in microseconds.
    """

    def on_established(self, now_us: int) -> None:
        """The first call, once."""

    def on_control(self, data: bytes, now_us: int) -> None:
        """The next bytes of the control stream."""

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        """One datagram; `now_us` is when its packet arrived, by the kernel's clock where that is known."""

    def on_closed(self, closed: Closed, now_us: int) -> None:
        """The last call, once, whoever closed; the handle is dead."""


class LinkHandle:
    """The owner's end of one link. Methods never raise for what the peer or the network does.

    What is sent in one turn of the loop leaves together at its end (or at `Driver.flush`).
    """

    __slots__ = (
        "_cids",
        "_dirty",
        "_driver",
        "_failed",
        "_gone",
        "_handler",
        "_link",
        "_read",
        "_read_since_s",
        "_timer",
        "_timer_at",
        "number",
    )

    def __init__(self, driver: Driver, link: Link, number: int) -> None:
        self.number = number
        """Unique within its endpoint, never used again."""
        self._driver = driver
        self._link = link
        self._handler: LinkHandler | None = None
        self._dirty = False
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._cids: set[bytes] = set()
        self._read_since_s = float("-inf")
        self._read = 0
        self._gone: asyncio.Future[None] | None = None

    def send_stream(self, data: bytes) -> bool:
        """Send control data. False if it was not queued: no stream yet, closed, or just closed as too slow.

        A peer that leaves more than the limit unacknowledged is closed with `too_slow` here, so that a
        broadcast needs no error handling.
        """
        try:
            queued = self._link.send_stream(data)
        except TooSlow as error:
            self._driver.stats.too_slow += 1
            self.close(CLOSE_TOO_SLOW, str(error))
            return False
        if queued:
            self._driver.touch(self)
        return queued

    def send_audio(self, datagram: bytes) -> bool:
        """Send one datagram; False if it is refused (too large, not established, closed)."""
        queued = self._link.send_audio(datagram)
        if queued:
            self._driver.touch(self)
        return queued

    def let_return(self) -> None:
        """Let the peer come back as one who was here: the gate has a lane for them."""
        self._driver.let_return(self)

    @property
    def return_token(self) -> bytes:
        """What the server has given to us, to come back with; empty for none."""
        return self._link.return_token

    def _may_be_read(self, now_s: float, per_s: int) -> bool:
        """Counts one more packet; whether it is among the first of this second that are read."""
        if now_s - self._read_since_s >= 1:
            self._read_since_s, self._read = now_s, 0
        self._read += 1
        return self._read <= per_s

    def ping(self) -> None:
        """Keep the connection and the path's address translation alive."""
        self._link.ping()
        self._driver.touch(self)

    def close(self, code: int, reason: str = "") -> None:
        """Close with an application code. `on_closed` follows in the loop's next turn."""
        self._link.close(code, reason)
        self._driver.touch(self)

    async def wait_closed(self) -> None:
        """Until the link is forgotten: the peer was told, and our socket is closed if it was ours alone."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
            if not self._driver.knows(self):
                self._gone.set_result(None)
        await asyncio.shield(self._gone)

    @property
    def closed(self) -> Closed | None:
        """How it ended, or None while it lives."""
        return self._link.closed

    @property
    def peer_address(self) -> Address | None:
        """Where packets go at present."""
        return self._link.peer_address

    @property
    def peer_certificate_der(self) -> bytes | None:
        """The server's leaf certificate (on a client)."""
        return self._link.peer_certificate_der

    @property
    def max_audio_bytes(self) -> int:
        """The largest datagram that `send_audio` takes at present; 0 if the peer takes none."""
        return self._link.max_audio_bytes

    @property
    def control_backlog_bytes(self) -> int:
        """Control data that the peer has not acknowledged."""
        return self._link.control_backlog_bytes

    @property
    def connection(self) -> Connection | None:
        """The native connection, for a fan-out; None where aioquic does everything."""
        return self._link.connection

    @property
    def packets_in_flight(self) -> int:
        """Packets that aioquic sent and that are neither acknowledged nor lost; native ones do not count."""
        return self._link.packets_in_flight

    @property
    def rtt_s(self) -> float:
        """Smoothed round-trip time, 0 before the first sample."""
        return self._link.rtt_s

    @property
    def stats(self) -> LinkStats:
        """Counters of this link."""
        return self._link.stats


OnLink = Callable[[LinkHandle], LinkHandler]
