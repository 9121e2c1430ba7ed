"""Client: a person's connection to a Spaces server, from which Spaces are opened and joined."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from signaling.client.connection import Clock, Connection
from signaling.client.door import Door
from signaling.client.errors import ConnectionClosed, SpacesError, too_many_hops
from signaling.client.finding_verbs import FindingVerbs
from signaling.client.names import Where, WhoMaySpeak, entry, policy_number, space_id
from signaling.client.people_verbs import PeopleVerbs
from signaling.client.reception import MAX_HOPS, Reception, TicketEvent
from signaling.client.space import Space
from signaling.client.states import ConnectionState
from signaling.client.stats import ClientStats
from signaling.client.talker import Voice
from signaling.client.ticket_verbs import TicketVerbs
from signaling.client.timeline import Timeline
from signaling.client.trust import Credentials, TokenSource, trust_in
from signaling.protocol import messages as wire
from signaling.protocol.messages import Elsewhere, Joined, Notice, Request, Welcome
from signaling.protocol.terms import BUNDLE_DELAY_MS, MAX_BUNDLE
from signaling.quic.dialer import OpenTransport

__all__ = ["Client", "connect"]

log = logging.getLogger(__name__)

_FAREWELL_S: Final = 2.0  # how long close() waits for the server each time


def monotonic_us() -> int:
    """The usual clock: microseconds that never go back."""
    return time.monotonic_ns() // 1000


class Client(PeopleVerbs, FindingVerbs, TicketVerbs):
    """Made by `connect()`. End it with `async with`, or `close()`: that leaves the Space and says goodbye.

    A connection that is lost is made anew, for as long as the server keeps one's place: see `connect()`.
    """

    def __init__(
        self, door: Door, *, voice: Voice | None = None, resume: bool = True, seed: int | None = None
    ) -> None:
        self.stats = ClientStats()
        self._dice = random.Random(seed)  # noqa: S311 - spreads reports and returns in time, nothing secret
        self._voice = voice
        self._door = door
        self._reception = Reception(door, self._dice, self.stats, resume=resume)
        self._line = self._reception.line

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
        return self._reception.space

    @property
    def is_connected(self) -> bool:
        """False while a lost connection is made anew, and when it is over."""
        return self._line.is_up

    @property
    def on_connection(self) -> Callable[[ConnectionState], None] | None:
        """Called when the connection is lost and when there is one again; it has to return quickly."""
        return self._reception.on_connection

    @on_connection.setter
    def on_connection(self, callback: Callable[[ConnectionState], None] | None) -> None:
        self._reception.on_connection = callback

    @property
    def on_datagram(self) -> Callable[[bytes], None] | None:
        """Called with every audio datagram as it arrives, whatever becomes of it: to measure a network."""
        return self._reception.on_datagram

    @on_datagram.setter
    def on_datagram(self, callback: Callable[[bytes], None] | None) -> None:
        self._reception.on_datagram = callback

    @property
    def closed(self) -> ConnectionClosed | None:
        """How the connection ended, or None while it lives or is made anew."""
        return self._line.error() if self._line.is_over else None

    def notices(self) -> AsyncIterator[Notice]:
        """What one is told of scheduled Spaces. At most 100 wait, then the oldest is dropped; one reader."""
        return self._reception.notices

    def ticket_events(self) -> AsyncIterator[TicketEvent]:
        """Seats offered to me, and tickets of mine that change. At most 100 wait, as with `notices()`."""
        return self._reception.ticket_events

    # What one can do, beside the verbs on people, on finding Spaces and on tickets

    async def timeline(self, *, subscribe: bool = True) -> Timeline:
        """The bubbles, kept up to date from now on until its `close()`. Asked again it is the same, anew.

        Without `subscribe` they are those of this moment, and nothing follows.
        """
        reception = self._reception
        timeline = reception.timeline
        is_live = timeline is not None and not timeline.over
        if timeline is None or not is_live:
            timeline = Timeline(self._stop_timeline)
        if subscribe:
            reception.timeline = timeline
        held = timeline
        await self._get(
            lambda number: wire.Timeline(number, subscribe or is_live),
            wire.Bubbles,
            lambda reply: held.refresh(reply.bubbles),
        )
        if not subscribe and not is_live:
            held.finish()
        return held

    async def open(
        self,
        title: str,
        *,
        topics: Sequence[str] = (),
        who_may_speak: WhoMaySpeak = "everyone",
        kind: str = "",
    ) -> Space:
        """Open a Space and be its host."""
        policy = policy_number(who_may_speak)
        return await self._enter_by(lambda number: wire.Open(number, title, list(topics), policy, kind))

    async def start(self, space: Where) -> Space:
        """Begin a scheduled Space of mine."""
        wanted = space_id(space)
        return await self._enter_by(lambda number: wire.Start(number, wanted))

    async def oversee(self, space: Where) -> Space:
        """For a service: act on this Space from here on, without being in it."""
        wanted = space_id(space)
        return await self._enter_by(lambda number: wire.Oversee(number, wanted), overseen=True)

    async def join(self, space: Where) -> Space:
        """Enter a Space: by its id (16 bytes, or hex), a link to it, or a row of a list.

        If it is held by another server the client goes there, over at most 3 of them. In the Space already,
        this gets its state anew. TicketRequired where one has to buy a ticket first.
        """
        wanted, invite = entry(space)
        connection = await self._line.ready()
        try:
            for hop in range(MAX_HOPS + 1):
                reply = await connection.join(wanted, partial(self._on_join_reply, connection), invite)
                if isinstance(reply, Joined):
                    return self._entered()
                if hop < MAX_HOPS:
                    connection = await self._follow(reply.address, connection)
        finally:
            if not self._line.is_present(connection):
                connection.close()
                self._reception.former.append(connection)
        raise too_many_hops()

    async def renew(self, token: str) -> None:
        """Show a fresh token for the same subject. With a token callback this happens by itself."""
        await self._reception.renew(token)

    async def wait_closed(self) -> ConnectionClosed:
        """Until the connection is over; returns how it ended."""
        await asyncio.shield(self._reception.lost)
        return self._line.error()

    async def close(self, *, leave: bool = True) -> None:
        """Leave the Space, close the connection, end every task. Never raises; twice is harmless.

        Without `leave` the server keeps one's place for a while, as where a connection is lost.
        """
        reception = self._reception
        try:
            if not reception.closing:
                reception.closing = True
                await self._farewell(leave)
        finally:  # also where whoever closes is cancelled in the middle
            reception.background.stop()
            self._live.close()
        await reception.background.wait()
        self._live.close()  # it may have been another one until now
        reception.finish(self._live.error)
        for each in (self._live, *reception.former):
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

    # Inside

    @property
    def _live(self) -> Connection:
        return self._line.connection

    @property
    def _greeting(self) -> Welcome:
        if self._reception.welcome is None:
            raise RuntimeError("the client is not connected; use connect()")
        return self._reception.welcome

    async def _connect(self, address: str) -> None:
        await self._reception.connect(address)

    async def _follow(self, address: str, connection: Connection) -> Connection:
        """Connect to the server that holds the Space; the servers in between are left."""
        self.stats.hops += 1
        following, _ = await self._door.enter(address, self._reception)
        if not self._line.is_present(connection):
            connection.close()
            self._reception.former.append(connection)
        return following

    def _on_join_reply(self, connection: Connection, reply: Joined | Elsewhere) -> None:
        if isinstance(reply, Joined):
            self._enter(connection, reply)

    async def _enter_by(self, build: Callable[[int], Request], *, overseen: bool = False) -> Space:
        connection = await self._line.ready()
        await connection.request(build, Joined, partial(self._enter, connection, overseen=overseen))
        return self._entered()

    def _enter(self, connection: Connection, joined: Joined, *, overseen: bool = False) -> None:
        """Called before any event that follows `joined` is looked at, so that none is missed."""
        reception = self._reception
        if not self._line.is_present(connection):
            if reception.space is not None:
                reception.space.finish("left")
            reception.use(connection)
        space = reception.space
        if space is not None and space.id == joined.space:
            space.on_snapshot(joined)
            return
        if space is not None:
            space.finish("left")
        reception.latest = Space(
            self._line,
            self.user,
            joined,
            reception.background,
            voice=self._voice,
            spread=self._dice.random(),
            overseen=overseen,
        )

    def _entered(self) -> Space:
        if self._reception.latest is None:
            raise RuntimeError("no Space was entered")
        return self._reception.latest

    async def _stop_timeline(self) -> None:
        await self._get(lambda number: wire.Timeline(number, False), wire.Bubbles)

    async def _farewell(self, leave: bool) -> None:
        space = self.space
        if space is None:
            return
        if not leave or not self._line.is_up:
            space.finish("left")
            return
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await space.leave()
        except (SpacesError, TimeoutError) as error:
            log.debug("leaving the Space at the end: %s", error)


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
    resume: bool = True,
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

    resume: a connection that is lost (silence, another path, a server that starts anew) is made again
    for as long as the server keeps one's place, usually 120 s: on it one is who one was, and what was missed
    is told. Not after the server said no: removed, replaced by another connection of one's own.

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
        resume=resume,
        seed=seed,
    )
    await client._connect(address)
    return client
