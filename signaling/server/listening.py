"""Listening: the server's end of the network: links, rooms, and the plane that carries audio between them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from signaling.config import ServerConfig, read_retry_key
from signaling.media import PlainRooms, Rooms
from signaling.media.native import BUNDLES, MOST_ROOMS, NativeRooms
from signaling.protocol import CloseCode
from signaling.quic.address_tokens import AddressTokens
from signaling.quic.certificate import ServerCertificate
from signaling.quic.endpoint import Listener, listen, listen_native
from signaling.quic.gate import GateLimits
from signaling.quic.handle import LinkHandle, LinkHandler
from signaling.quic.limits import LinkLimits
from signaling.server.inbox import InboxCounts
from signaling.server.native import Stepped, Threaded, choose_plane
from spacecore._media import Media
from spacecore._plane import Plane

__all__ = ["STILL_US", "Bind", "Listening"]

log = logging.getLogger(__name__)

Bind = Callable[[asyncio.DatagramProtocol], Awaitable[None]]
"""Gives the server's protocol its socket: a real one by default, one of a virtual network in tests."""

_SECOND_US = 1_000_000

STILL_US = 5_000_000
"""A media thread that has not ticked for so long, as two looks show, will not tick again by itself."""


class Listening:
    """From `open` to `close` links come in, and from `start` on a media thread runs if there is one.

    `on_link` is asked who handles a new link, `on_room_failure` is called within the `except` of a room.
    """

    def __init__(
        self,
        config: ServerConfig,
        certificate: ServerCertificate,
        on_link: Callable[[LinkHandle], LinkHandler],
        *,
        clock: Callable[[], float],
        on_room_failure: Callable[[bytes], None],
        wall_clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        limits = config.limits
        self.plane, self.note = choose_plane(config.media, limits)
        """The native plane or None for aioquic, and why it is another one than the configuration says."""
        if self.note:
            log.warning("%s", self.note)
        self.listener = Listener(
            certificate,
            on_link,
            limits=LinkLimits(
                audio_queue=limits.audio_queue,
                control_backlog_bytes=limits.control_backlog_bytes,
                packets_per_s=limits.packets_per_s,
                idle_timeout_s=limits.idle_ms / 1_000,
            ),
            gate=GateLimits(
                half_open=limits.half_open,
                half_open_per_prefix=limits.half_open_per_prefix,
                retry_above=limits.retry_above,
                connections=limits.connections,
                connections_per_prefix=limits.connections_per_prefix,
                returning=limits.returning,
                prefix_v4_bits=limits.prefix_v4_bits,
                prefix_v6_bits=limits.prefix_v6_bits,
                handshake_s=limits.handshake_ms / 1_000,
            ),
            tokens=AddressTokens(read_retry_key(config), wall_clock, random_bytes),
            random_bytes=random_bytes,
            clock=clock,
            plane=self.plane,
            acknowledges=self.plane is None,
        )
        self.media: Media | None = None
        self.threaded: Threaded | None = None
        self.is_open = False
        self.was_opened = False
        self._is_started = False
        self._ticked = (-1, 0)  # how many ticks there were, and when that was first seen
        self._config = config
        self._clock = clock
        self._stepped: Stepped | None = None
        self.rooms: Rooms[Any]
        if self.plane is None:
            self.rooms = PlainRooms(self._now_us, on_room_failure)
        else:
            self.rooms = self._native_rooms(self.plane, on_room_failure)

    @property
    def inbox(self) -> InboxCounts:
        """What was counted of packets that a thread left to the loop."""
        return InboxCounts() if self.threaded is None else self.threaded.inbox.counts

    def fault(self) -> str:
        """Why nobody hears anything and waiting will not help; usually empty. Ask every few seconds."""
        if self.threaded is None or self.media is None or not (self.is_open and self._is_started):
            return ""
        now_us, ticks = self._now_us(), self.media.stats.ticks
        if ticks != self._ticked[0]:
            self._ticked = (ticks, now_us)
        still_us = now_us - self._ticked[1]
        if still_us < STILL_US:
            return ""
        return f"the media thread has stood still for {still_us // _SECOND_US} s"

    async def open(self, bind: Bind | None) -> None:
        """Take the socket: the configured one, or the one that `bind` gives. ListenError."""
        host, port = self._config.listen.host, self._config.listen.port
        if self.media is None:
            await (listen(host, port, self.listener) if bind is None else bind(self.listener))
        elif bind is not None:
            self._stepped = Stepped(self.listener, self.media, self._now_us)
            await bind(self._stepped)
        else:
            await self._open_threaded(host, port, self.media)
        self.is_open = self.was_opened = True

    def start(self) -> None:
        """Carry audio from now on; call `on_turn` whenever it says."""
        if self.threaded is not None:
            self.threaded.start()
        self._is_started = True
        self.rooms.begin(self._now_us())

    def on_turn(self, now_us: int) -> int:
        """Do what is due in the rooms; returns when more will be."""
        self.rooms.on_time(now_us)
        if self._stepped is not None:
            self._stepped.flush()
        return self.rooms.next_us

    def close(self, code: CloseCode, reason: str) -> None:
        """Close every link with this reason, then the socket. Closing twice does nothing."""
        if self.is_open:
            self.is_open = False
            self.listener.flush()
            self.listener.close(code, reason)
        if self.threaded is not None:
            self.threaded.stop()

    def _native_rooms(self, plane: Plane, on_failure: Callable[[bytes], None]) -> NativeRooms:
        limits, media = self._config.limits, self._config.media
        # Some more rooms than Spaces: one that was closed is let go of a tick later.
        n_rooms = min(2 * limits.spaces, MOST_ROOMS)
        self.media = Media(plane, rooms=n_rooms, audio_per_s=limits.audio_per_s)
        return NativeRooms(
            self.media,
            plane,
            bundle=BUNDLES[media.bundle],
            bundle_above=media.bundle_above,
            on_failure=on_failure,
            tell=self.listener,
        )

    async def _open_threaded(self, host: str, port: int, media: Media) -> None:
        udp = await listen_native(host, port, self.listener)
        rooms = self.rooms
        try:
            if isinstance(rooms, NativeRooms):
                rooms.is_stepped = False
                self.threaded = Threaded(self.listener, media, udp, rooms.take_notices)
        except BaseException:
            udp.close()
            raise

    def _now_us(self) -> int:
        return int(self._clock() * _SECOND_US)
