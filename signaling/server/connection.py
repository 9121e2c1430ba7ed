"""Connection: joins one QUIC link and one session. The link's driver is the error boundary round both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from signaling.quic.events import Cause, Closed
from signaling.quic.handle import LinkHandle
from signaling.rules.delivery import Frames
from signaling.server.counts import Counts
from signaling.server.session import Session

if TYPE_CHECKING:
    from spacecore._plane import Connection as PlaneConnection

__all__ = ["Connection"]


class Connection:
    """A `LinkHandler` towards the link, a `Peer` towards the session."""

    __slots__ = (
        "_counts",
        "_handle",
        "_loop",
        "_on_gone",
        "send_audio",
        "send_control",
        "session",
    )

    def __init__(
        self,
        handle: LinkHandle,
        loop: asyncio.AbstractEventLoop,
        counts: Counts,
        on_gone: Callable[[Connection], None],
    ) -> None:
        self._handle = handle
        self._loop = loop
        self._counts = counts
        self._on_gone = on_gone
        # No method of ours in between: these are called for every listener in every tick.
        self.send_audio: Callable[[bytes], bool] = handle.send_audio
        self.send_control: Callable[[bytes], bool] = handle.send_stream
        self.session: Session | None = None

    @property
    def number(self) -> int:
        """Unique within the server, never used again."""
        return self._handle.number

    @property
    def connection(self) -> PlaneConnection | None:
        """The link's connection on the native plane."""
        return self._handle.connection

    @property
    def frames(self) -> Frames | None:
        """What became of the sound that was sent down, counted by the native plane.

        aioquic knows what is on its way, and not what was lost of what was acknowledged around it.
        """
        native, stats = self._handle.connection, self._handle.stats
        if native is None:
            dropped = stats.audio_dropped + stats.audio_oversized
            in_flight = min(stats.audio_out, self._handle.packets_in_flight)
            return Frames(stats.audio_out + dropped, stats.audio_out - in_flight, dropped)
        if not native.is_open:
            return None
        counts = native.stats
        dropped = counts.window_dropped + counts.too_large
        return Frames(counts.datagrams_out + dropped, counts.acked, counts.lost + dropped)

    @property
    def handle(self) -> LinkHandle:
        """The link."""
        return self._handle

    def let_return(self) -> None:
        """The gate has a lane for those who were here."""
        self._handle.let_return()

    def close(self, code: int, reason: str) -> None:
        """Close the link once what was sent has left: a link sends nothing more after its close."""
        # The driver serves links by call_soon as well, and was asked to before us.
        self._loop.call_soon(self._handle.close, int(code), reason)

    # LinkHandler

    def on_established(self, now_us: int) -> None:
        """The handshake is complete."""
        self._counts.connections_opened += 1
        if self.session is not None:
            self.session.on_established(now_us)

    def on_control(self, data: bytes, now_us: int) -> None:
        """The next bytes of the control stream."""
        if self.session is not None:
            self.session.on_control(data, now_us)

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        """One datagram."""
        if self.session is not None:
            self.session.on_audio(datagram, now_us)

    def on_closed(self, closed: Closed, now_us: int) -> None:
        """The link is over."""
        self._counts.connections_closed += 1
        if closed.by_peer:
            self._counts.closes["peer"] += 1
        elif closed.cause is not Cause.APPLICATION:
            self._counts.closes[closed.cause] += 1
        stats = self._handle.stats
        self._counts.audio_dropped += stats.audio_dropped
        self._counts.audio_oversized += stats.audio_oversized
        self._counts.streams_refused += stats.streams_refused
        self._counts.control_bytes_in += stats.control_bytes_in
        self._counts.control_bytes_out += stats.control_bytes_out
        self._on_gone(self)
        session, self.session = self.session, None
        if session is not None:
            session.on_closed(now_us)
