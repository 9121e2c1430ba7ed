"""Client: a person's connection to a Spaces server, from which Spaces are opened and joined."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from signaling.client.background import Background
from signaling.client.connection import Clock, Connection
from signaling.client.door import Door
from signaling.client.errors import ConnectError, ConnectionClosed, RequestRefused, SpacesError
from signaling.client.space import Space
from signaling.client.stats import ClientStats
from signaling.client.talker import Voice
from signaling.client.trust import Credentials, TokenSource, trust_in
from signaling.protocol.messages import (
    Elsewhere,
    Event,
    Joined,
    ListSpaces,
    LiveSpace,
    Ok,
    Open,
    Renew,
    Spaces,
    TokenExpiring,
    Welcome,
)
from signaling.protocol.terms import BUNDLE_DELAY_MS, MAX_BUNDLE
from signaling.quic.dialer import OpenTransport

__all__ = ["MAX_HOPS", "Client", "connect"]

log = logging.getLogger(__name__)

MAX_HOPS: Final = 3
_FAREWELL_S: Final = 2.0  # how long close() waits for the server each time
_TOKEN_TIMEOUT_S: Final = 10.0


def monotonic_us() -> int:
    """The usual clock: microseconds that never go back."""
    return time.monotonic_ns() // 1000


class Client:
    """Made by `connect()`. End it with `async with`, or `close()`: that leaves the Space and says goodbye."""

    def __init__(
        self,
        door: Door,
        *,
        voice: Voice | None = None,
        seed: int | None = None,
    ) -> None:
        self.stats = ClientStats()
        self._door = door
        self._voice = voice
        self._dice = random.Random(seed)  # noqa: S311 - spreads reports in time, nothing secret
        self._background = Background()
        self._connection: Connection | None = None
        self._former: deque[Connection] = deque(maxlen=8)  # left for other servers
        self._welcome: Welcome | None = None
        self._space: Space | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = False

    # What is known

    @property
    def user(self) -> str:
        """My user id: the subject of the token."""
        return self._greeting.user

    @property
    def name(self) -> str:
        """My display name."""
        return self._greeting.name

    @property
    def token(self) -> str:
        """The token that a development server made for me, to be kept as a secret; else empty."""
        return self._door.credentials.minted

    @property
    def limits(self) -> dict[str, int]:
        """How much the server takes, see docs/protocol.md, "Limits"."""
        return dict(self._greeting.limits)

    @property
    def space(self) -> Space | None:
        """The Space one is in."""
        return self._space if self._space is not None and self._space.over is None else None

    @property
    def closed(self) -> ConnectionClosed | None:
        """How the connection ended, or None while it lives."""
        return self._live.error() if self._live.is_over else None

    # What one can do

    async def live(self, most: int = 100) -> list[LiveSpace]:
        """Which Spaces are live, at most so many."""
        found: list[LiveSpace] = []
        after: bytes | None = None
        while len(found) < most:
            limit = min(100, most - len(found))
            page = await self._live.request(
                lambda number, after=after, limit=limit: ListSpaces(number, limit, after),  # type: ignore[misc]
                Spaces,
            )
            found += page.spaces
            after = page.more
            if after is None or not page.spaces:
                break
        return found[:most]

    async def open(self, title: str) -> Space:
        """Open a Space and be its host."""
        connection = self._live
        await connection.request(lambda number: Open(number, title), Joined, partial(self._enter, connection))
        return self._entered()

    async def join(self, space: bytes | str | LiveSpace) -> Space:
        """Enter a Space as a listener: by its id (16 bytes, or hex), or a row of `live()`.

        If it is held by another server the client goes there, over at most 3 of them. In the Space already,
        this gets its state anew.
        """
        space_id = _space_id(space)
        connection = self._live
        try:
            for hop in range(MAX_HOPS + 1):
                reply = await connection.join(space_id, partial(self._on_join_reply, connection))
                if isinstance(reply, Joined):
                    return self._entered()
                if hop < MAX_HOPS:
                    connection = await self._follow(reply.address, connection)
        finally:
            if connection is not self._connection:
                connection.close()
                self._former.append(connection)
        raise ConnectError(
            "too_many_hops", f"the Space was still elsewhere after {MAX_HOPS} other servers; try again later"
        )

    async def renew(self, token: str) -> None:
        """Show a fresh token for the same subject. With a token callback this happens by itself."""
        await self._live.request(lambda number: Renew(number, token), Ok)
        self.stats.renewals += 1

    async def wait_closed(self) -> ConnectionClosed:
        """Until the connection is over; returns how it ended."""
        await asyncio.shield(self._lost)
        return self._live.error()

    async def close(self) -> None:
        """Leave the Space, close the connection, end every task. Never raises; twice is harmless."""
        connection = self._live
        try:
            if not self._closing:
                self._closing = True
                await self._farewell()
        finally:  # also where whoever closes is cancelled in the middle
            connection.close()
            self._background.stop()
        await self._background.wait()
        for each in (connection, *self._former):
            try:
                async with asyncio.timeout(_FAREWELL_S):
                    await each.link.wait_closed()
            except TimeoutError:
                log.debug("the link was not forgotten in time")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # As the owner of connections

    def on_event(self, connection: Connection, event: Event) -> None:
        """Hand it to the Space; a token that expires is renewed here if it can be."""
        if connection is not self._connection:
            return
        if isinstance(event, TokenExpiring) and self._door.credentials.renewable:
            self._background.start(self._renew_in_time(connection, event.in_ms))
        elif self._space is not None:
            self._space.on_event(event)

    def on_unknown(self, connection: Connection, serial: int) -> None:
        """An event of an unknown kind."""
        if connection is self._connection and self._space is not None:
            self._space.on_unknown(serial)

    def on_late_joined(self, connection: Connection, joined: Joined) -> None:
        """Nobody waits for this answer any more: it is news of the Space one is in, or one leaves again."""
        space = self.space
        if connection is self._connection and space is not None and space.id == joined.space:
            space.on_snapshot(joined)
        else:
            connection.leave()

    def on_audio(self, connection: Connection, datagram: bytes, now_us: int) -> None:
        """One datagram."""
        space = self.space
        if connection is self._connection and space is not None:
            space.on_audio(datagram, now_us)
        else:
            self.stats.stray_audio += 1

    def on_lost(self, connection: Connection) -> None:
        """A connection is over."""
        if connection is not self._connection:
            return
        if self.space is not None and self._space is not None:
            self._space.finish("closed")
        self._background.stop()
        if not self._lost.done():
            self._lost.set_result(None)

    # Inside

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the client is not connected; use connect()")
        return self._connection

    @property
    def _greeting(self) -> Welcome:
        if self._welcome is None:
            raise RuntimeError("the client is not connected; use connect()")
        return self._welcome

    async def _connect(self, address: str) -> None:
        self._connection, self._welcome = await self._door.enter(address, self)
        if self._connection.is_over:  # in the same turn of the loop as welcome, when it was not ours yet
            self.on_lost(self._connection)

    async def _follow(self, address: str, connection: Connection) -> Connection:
        """Connect to the server that holds the Space; the servers in between are left."""
        self.stats.hops += 1
        following, _ = await self._door.enter(address, self)
        if connection is not self._connection:
            connection.close()
            self._former.append(connection)
        return following

    def _on_join_reply(self, connection: Connection, reply: Joined | Elsewhere) -> None:
        if isinstance(reply, Joined):
            self._enter(connection, reply)

    def _enter(self, connection: Connection, joined: Joined) -> None:
        """Called before any event that follows `joined` is looked at, so that none is missed."""
        if connection is not self._connection:
            former = self._live
            if self.space is not None and self._space is not None:
                self._space.finish("left")
            self._connection = connection
            self._former.append(former)
            former.close()
        space = self.space
        if space is not None and space.id == joined.space:
            space.on_snapshot(joined)
            return
        self._space = Space(
            connection,
            self.user,
            joined,
            self._background,
            voice=self._voice,
            spread=self._dice.random(),
        )

    def _entered(self) -> Space:
        if self._space is None:
            raise RuntimeError("no Space was entered")
        return self._space

    async def _renew_in_time(self, connection: Connection, in_ms: int) -> None:
        """Get a fresh token and show it; on failure again after 1, 2, 4 … s while the old one is good."""
        deadline_us = connection.clock() + in_ms * 1000
        pause_s = 1.0
        while not connection.is_over:
            try:
                async with asyncio.timeout(_TOKEN_TIMEOUT_S):
                    token = await self._door.credentials.token()
                await self.renew(token)
                return
            except ConnectionClosed:
                return
            except Exception as error:  # the callback is the program's own: it may raise anything
                self.stats.renewal_failures += 1
                log.warning("the token could not be renewed: %s", str(error) or type(error).__name__)
            if connection.clock() + pause_s * 1_000_000 >= deadline_us:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 10.0)

    async def _farewell(self) -> None:
        space = self.space
        if space is None:
            return
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await space.leave()
        except (SpacesError, TimeoutError) as error:
            log.debug("left without an answer: %s", error)


async def connect(
    address: str,
    *,
    name: str = "",
    token: TokenSource = "",
    fingerprint: str | None = None,
    cafile: str | Path | None = None,
    voice: Voice | None = None,
    timeout_s: float = 10.0,
    request_timeout_s: float = 10.0,
    bundle: int = MAX_BUNDLE,
    bundle_delay_ms: int = BUNDLE_DELAY_MS,
    clock: Clock = monotonic_us,
    seed: int | None = None,
    open_transport: OpenTransport | None = None,
) -> Client:
    """Connect to a server, verify it, and say who one is.

    address: `host:port`. token: a token, or a function (plain or async) that gets a fresh one each time; with
    a function it is renewed before it ends. With none a development server makes a user called `name`.
    fingerprint: `sha256:…` of the server's certificate; without it the certificate must be signed by an
    authority in `cafile`, or a public one. There is no way to connect unverified.

    bundle: the most frames that a datagram to a listener may carry (1 to 3), bundle_delay_ms: the most delay
    that this may add; 0 asks for each frame at once, at the price of three times the packets.

    clock gives monotonic microseconds; seed and open_transport are for tests. Raises ConnectError,
    RequestRefused (a token that the server does not take), TimedOut, ConnectionClosed; ValueError for bounds.
    """
    client = Client(
        Door(
            Credentials(token, name),
            trust_in(fingerprint, cafile),
            clock=clock,
            timeout_s=timeout_s,
            request_timeout_s=request_timeout_s,
            open_transport=open_transport,
            bundle=bundle,
            bundle_delay_ms=bundle_delay_ms,
        ),
        voice=voice,
        seed=seed,
    )
    await client._connect(address)
    return client


def _space_id(space: bytes | str | LiveSpace) -> bytes:
    if isinstance(space, LiveSpace):
        return space.space
    try:
        value = bytes.fromhex(space.strip()) if isinstance(space, str) else bytes(space)
    except ValueError:
        value = b""
    if len(value) != 16:
        raise RequestRefused(
            "bad_value", f"{space[:64]!r} is no id of a Space: it has 16 bytes, or 32 hexadecimal digits"
        )
    return value
