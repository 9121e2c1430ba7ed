"""Driver: joins Links to one datagram transport and one event loop, an error boundary round each link."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from signaling.quic.errors import TooSlow
from signaling.quic.events import (
    CLOSE_INTERNAL,
    CLOSE_TOO_SLOW,
    Audio,
    Cause,
    Closed,
    ControlData,
    Established,
    LinkEvent,
)
from signaling.quic.limits import Address, LinkStats
from signaling.quic.link import Link

__all__ = ["Clock", "Driver", "DriverStats", "LinkHandle", "LinkHandler", "OnLink"]

log = logging.getLogger(__name__)

Clock = Callable[[], float]

_EARLY_S = 0.001  # uvloop's timers count whole milliseconds and may come this much before their time


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
    def rtt_s(self) -> float:
        """Smoothed round-trip time, 0 before the first sample."""
        return self._link.rtt_s

    @property
    def stats(self) -> LinkStats:
        """Counters of this link."""
        return self._link.stats


OnLink = Callable[[LinkHandle], LinkHandler]


@dataclass(slots=True)
class DriverStats:
    """Counters of one endpoint since the start; reading them changes nothing."""

    datagrams_in: int = 0
    datagrams_out: int = 0
    send_dropped: int = 0  # the socket's buffer was full; QUIC treats it as loss
    socket_errors: int = 0
    garbage: int = 0  # bytes that are no packet, or an Initial in which nothing could be decrypted
    unknown_cid: int = 0  # packets of connections that are forgotten, or never were
    version_negotiations: int = 0
    handler_errors: int = 0  # exceptions that the error boundary caught
    too_slow: int = 0


class Driver(asyncio.DatagramProtocol):
    """Moves packets between one transport and its Links, runs their timers, and calls their handlers.

    A link that has something to send or to report is *touched*; all touched links are served together once
    per turn of the loop. Each call into a link or its handler is guarded: an exception closes that link with
    `internal`, is counted and logged (at most one traceback a second), and disturbs nobody else.
    """

    def __init__(self, on_link: OnLink, clock: Clock = time.monotonic) -> None:
        self.stats = DriverStats()
        self._on_link = on_link
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._touched: list[LinkHandle] = []
        self._flush_due = False
        self._writable = True
        self._last_traceback_s = float("-inf")

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._loop = asyncio.get_running_loop()

    def pause_writing(self) -> None:
        """The transport's buffer is full: drop instead of queueing without a bound."""
        self._writable = False

    def resume_writing(self) -> None:
        """The transport takes datagrams again."""
        self._writable = True

    def error_received(self, exc: Exception) -> None:
        """An ICMP error or a failed send: counted; QUIC's timers find out what is really lost."""
        self.stats.socket_errors += 1

    # For handles

    def touch(self, handle: LinkHandle) -> None:
        """Serve this link at the end of the loop's turn."""
        if handle._dirty or not self.knows(handle):
            return
        handle._dirty = True
        self._touched.append(handle)
        if not self._flush_due and self._loop is not None:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Serve all touched links now: report their events, send what they have, set their timers."""
        self._flush_due = False
        touched, self._touched = self._touched, []
        now_s = self._clock()
        for handle in touched:
            handle._dirty = False
            if self.knows(handle):
                self._guard(handle, self._serve, handle, now_s)

    def knows(self, handle: LinkHandle) -> bool:
        """Whether the link is not forgotten yet."""
        raise NotImplementedError

    # For the two kinds of endpoint

    def _established(self, handle: LinkHandle) -> None:
        """The handshake is complete; may close the link to refuse it. Before the handler exists."""

    def _forgotten(self, handle: LinkHandle) -> None:
        """Drop every reference to the link."""
        raise NotImplementedError

    def _cid_changed(self, handle: LinkHandle, cid: bytes, *, valid: bool) -> None:
        """Packets to this link may carry this id from now on, or no longer."""

    def _received(self, handle: LinkHandle, data: bytes, address: Address, late_s: float = 0.0) -> None:
        """Give one datagram, which came `late_s` ago, to its link and report at once what it brought."""
        now_s = self._clock()
        self._guard(handle, self._take_in, handle, data, address, now_s, now_s - late_s)
        self.touch(handle)

    def _take_in(
        self, handle: LinkHandle, data: bytes, address: Address, now_s: float, arrived_s: float
    ) -> None:
        handle._link.receive(data, address, now_s)
        self._dispatch(handle, now_s, arrived_s)

    def _serve(self, handle: LinkHandle, now_s: float) -> None:
        link = handle._link
        self._dispatch(handle, now_s)
        packets = link.take_datagrams(now_s)
        if packets:
            self._send(packets)
        for valid, cid in link.take_cid_changes():
            self._cid_changed(handle, cid, valid=valid)
        if link.terminated:
            self._dispatch(handle, now_s)
            self._forget(handle)
        else:
            self._arm(handle, now_s)

    def _dispatch(self, handle: LinkHandle, now_s: float, arrived_s: float | None = None) -> None:
        events = handle._link.take_events()
        if not events:
            return
        now_us = round(now_s * 1_000_000)
        arrived_us = now_us if arrived_s is None else round(arrived_s * 1_000_000)
        for event in events:
            self._report(handle, event, now_us, arrived_us)

    def _report(self, handle: LinkHandle, event: LinkEvent, now_us: int, arrived_us: int) -> None:
        if isinstance(event, Established):
            self._established(handle)
            if handle.closed is None:
                handle._handler = self._on_link(handle)
                handle._handler.on_established(now_us)
            return
        handler = handle._handler
        if handler is None:
            return
        if isinstance(event, Closed):
            handle._handler = None
            handler.on_closed(event, now_us)
        elif handle.closed is None:  # what arrived before our own close is of no interest any more
            if isinstance(event, Audio):
                handler.on_audio(event.datagram, arrived_us)
            elif isinstance(event, ControlData):
                handler.on_control(event.data, now_us)

    def _send(self, packets: list[tuple[bytes, Address]]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or not self._writable:
            self.stats.send_dropped += len(packets)
            return
        self.stats.datagrams_out += len(packets)
        for data, address in packets:
            transport.sendto(data, address)

    def _forget(self, handle: LinkHandle) -> None:
        if handle._timer is not None:
            handle._timer.cancel()
            handle._timer = None
        self._forgotten(handle)

    def _mark_gone(self, handle: LinkHandle) -> None:
        if handle._gone is not None and not handle._gone.done():
            handle._gone.set_result(None)

    def _socket_lost(self, handle: LinkHandle, now_s: float) -> None:
        """The transport is gone under a link that may not be closed yet."""
        link = handle._link
        if link.closed is None:
            link.lose(Closed(0, "the socket was closed", by_peer=False, cause=Cause.SOCKET))
        self._guard(handle, self._dispatch, handle, now_s)
        self._forget(handle)

    # Timers

    def _arm(self, handle: LinkHandle, now_s: float) -> None:
        """Have one timer run no later than the link wants; one that runs earlier just looks again."""
        at_s = handle._link.timer()
        timer = handle._timer
        if timer is not None:
            if at_s is not None and handle._timer_at <= at_s:
                return
            timer.cancel()
            handle._timer = None
        if at_s is not None and self._loop is not None:
            handle._timer_at = at_s
            handle._timer = self._loop.call_later(max(0.0, at_s - now_s), self._on_timer, handle)

    def _on_timer(self, handle: LinkHandle) -> None:
        handle._timer = None
        self._guard(handle, self._run_timer, handle)

    def _run_timer(self, handle: LinkHandle) -> None:
        now_s = self._clock()
        at_s = handle._link.timer()
        if at_s is None or at_s > now_s + _EARLY_S:
            self._arm(handle, now_s)
            return
        now_s = max(now_s, at_s)
        handle._link.on_timer(now_s)
        self._serve(handle, now_s)

    # The error boundary

    def _guard(self, handle: LinkHandle, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception:
            self._on_failure(handle)

    def _on_failure(self, handle: LinkHandle) -> None:
        self.stats.handler_errors += 1
        self._log_failure(f"closing connection {handle.number} after an error")
        handler, handle._handler = handle._handler, None
        if handle._failed:  # not the handler then, it is gone since the first time: the link itself is broken
            self._forget(handle)
            return
        handle._failed = True
        handle._link.close(CLOSE_INTERNAL, "internal error")
        self.touch(handle)
        if handler is not None:
            closed = handle._link.closed or Closed(CLOSE_INTERNAL, "internal error", by_peer=False)
            with contextlib.suppress(Exception):  # it has failed before, and was logged
                handler.on_closed(closed, round(self._clock() * 1_000_000))

    def _log_failure(self, what: str) -> None:
        now_s = self._clock()
        if now_s - self._last_traceback_s >= 1:
            self._last_traceback_s = now_s
            log.exception("%s (%d so far)", what, self.stats.handler_errors)
