"""Driver: joins Links to one datagram transport and one event loop, an error boundary round each link."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from signaling.context import CONNECTION
from signaling.quic.events import (
    CLOSE_INTERNAL,
    Audio,
    Cause,
    Closed,
    ControlData,
    Established,
    LinkEvent,
)
from signaling.quic.handle import LinkHandle, OnLink
from signaling.quic.limits import Address

__all__ = ["Clock", "Driver", "DriverStats"]

log = logging.getLogger(__name__)

Clock = Callable[[], float]

_EARLY_S = 0.001  # uvloop's timers count whole milliseconds and may come this much before their time
# aioquic names a time by sent + delay, then asks whether sent <= now - delay: rounded, it may say no for ever
_LATE_S = 1e-6


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
    flood_dropped: int = 0  # packets that one connection sent beyond what is read of it


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

    def let_return(self, handle: LinkHandle) -> None:
        """Make it easy for the peer to come back; a client has nothing to give."""

    # For the two kinds of endpoint

    def _established(self, handle: LinkHandle) -> None:
        """The handshake is complete; may close the link to refuse it. Before the handler exists."""

    def _forgotten(self, handle: LinkHandle) -> None:
        """Drop every reference to the link."""
        raise NotImplementedError

    def _cid_changed(self, handle: LinkHandle, cid: bytes, *, valid: bool) -> None:
        """Packets to this link may carry this id from now on, or no longer."""

    def _received(
        self,
        handle: LinkHandle,
        data: bytes,
        address: Address,
        late_s: float = 0.0,
        *,
        native_first: bool = True,
    ) -> None:
        """Give one datagram, which came `late_s` ago, to its link and report at once what it brought."""
        now_s = self._clock()
        self._guard(handle, self._take_in, handle, (data, address), now_s, now_s - late_s, native_first)
        self.touch(handle)

    def _take_in(
        self,
        handle: LinkHandle,
        packet: tuple[bytes, Address],
        now_s: float,
        arrived_s: float,
        native_first: bool,
    ) -> None:
        handle._link.receive(*packet, now_s, native_first=native_first)
        self._dispatch(handle, now_s, arrived_s)

    def _serve(self, handle: LinkHandle, now_s: float) -> None:
        link = handle._link
        self._dispatch(handle, now_s)
        packets = link.take_datagrams(now_s)
        if packets:
            self._send(packets)
        self._dispatch(handle, now_s)
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
        handle._link.forget()

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
        now_s = max(now_s, at_s + _LATE_S)
        handle._link.on_timer(now_s)
        self._serve(handle, now_s)

    # The error boundary

    def _guard(self, handle: LinkHandle, action: Callable[..., None], *arguments: Any) -> None:
        token = CONNECTION.set(handle.number)
        try:
            action(*arguments)
        except Exception:
            self._on_failure(handle)
        finally:
            CONNECTION.reset(token)

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
