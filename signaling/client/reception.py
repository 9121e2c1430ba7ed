"""Reception: what comes on a client's connections goes to whom it concerns; a lost one is made anew."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from signaling.client.background import Background
from signaling.client.connection import Connection
from signaling.client.door import Door
from signaling.client.errors import ConnectionClosed, RequestRefused, too_many_hops
from signaling.client.line import Line
from signaling.client.mailbox import Mailbox, oldest
from signaling.client.renewing import renew_in_time
from signaling.client.returning import come_back, is_worth_returning
from signaling.client.space import Space
from signaling.client.states import ConnectionState, Reconnected, Reconnecting
from signaling.client.stats import ClientStats
from signaling.client.timeline import Timeline
from signaling.protocol import Retry
from signaling.protocol import messages as wire
from signaling.protocol.messages import (
    BubbleChanged,
    BubbleGone,
    Event,
    Joined,
    Notice,
    Ok,
    SeatOffered,
    TicketChanged,
    TokenExpiring,
    Welcome,
)

log = logging.getLogger(__name__)

__all__ = ["MAX_HOPS", "NOTICES_KEPT", "PATIENCE_MS", "TICKET_EVENTS_KEPT", "Reception", "TicketEvent"]

MAX_HOPS: Final = 3
"""So many servers a Space is followed to."""
NOTICES_KEPT: Final = 100
TICKET_EVENTS_KEPT: Final = 100
PATIENCE_MS: Final = 120_000
"""How long a lost connection is tried to be made anew by one who is in no Space."""

TicketEvent = SeatOffered | TicketChanged
"""News of one's tickets."""


class Reception:
    """The owner of all connections of one client, of which at most one is present: that of `line`.

    Holds what events concern: the Space one is in, the timeline, the notices, the news of tickets.
    """

    def __init__(self, door: Door, dice: random.Random, stats: ClientStats, *, resume: bool = True) -> None:
        self.door = door
        self.stats = stats
        self.line = Line(door.clock, door.request_timeout_s)
        self.background = Background()
        self.welcome: Welcome | None = None
        self.latest: Space | None = None
        """The Space one is in, or was in last."""
        self.timeline: Timeline | None = None
        self.notices: Mailbox[Notice] = Mailbox(NOTICES_KEPT, self._drop_notice)
        self.ticket_events: Mailbox[TicketEvent] = Mailbox(TICKET_EVENTS_KEPT, oldest)
        self.on_connection: Callable[[ConnectionState], None] | None = None
        self.on_datagram: Callable[[bytes], None] | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closing = False
        self.former: deque[Connection] = deque(maxlen=8)
        """Connections that were left for others."""
        self._dice = dice
        self._resume = resume
        self._held: Space | None = None  # the Space one was in when the connection was lost

    @property
    def space(self) -> Space | None:
        """The Space one is in."""
        return self.latest if self.latest is not None and self.latest.over is None else None

    async def connect(self, address: str) -> None:
        """The first connection. Raises as `Door.enter`."""
        connection, _ = await self.door.enter(address, self, self._greet)
        self.line.up()
        if connection.is_over:  # in the same turn of the loop as welcome, when it was not up yet
            self.on_lost(connection)

    def use(self, connection: Connection) -> None:
        """This one is present from now on; the one before is closed."""
        if self.line.has_connection and not self.line.is_present(connection):
            former = self.line.connection
            self.former.append(former)
            self.line.use(connection)
            former.close()
        self.line.use(connection)

    def finish(self, ending: Callable[[], ConnectionClosed]) -> None:
        """No connection follows: whatever waits ends, with what `ending` makes. The first time counts."""
        if self.line.is_over:
            return
        self.line.over(ending)
        error = None if self.closing else ending
        if self.latest is not None and self.latest.over is None:
            self.latest.finish("closed")
        if self.timeline is not None and not self.timeline.over:
            self.timeline.finish(error)
        self.notices.close(error)
        self.ticket_events.close(error)
        self.background.stop()
        if not self.lost.done():
            self.lost.set_result(None)

    # As the owner of connections

    def on_event(self, connection: Connection, event: Event) -> None:
        """Hand it to whom it concerns; a token that expires is renewed here if it can be."""
        if isinstance(event, Notice):
            self.notices.put(event)
        elif isinstance(event, TicketEvent):
            self.ticket_events.put(event)
        elif not self.line.is_present(connection):
            return
        elif isinstance(event, BubbleChanged | BubbleGone):
            if self.timeline is not None and not self.timeline.over:
                self.timeline.on_event(event)
        elif isinstance(event, TokenExpiring) and self.door.credentials.renewable:
            self.background.start(
                renew_in_time(connection, event.in_ms, self.door.credentials, self.renew, self.stats)
            )
        elif self.latest is not None:
            self.latest.on_event(event)

    def on_unknown(self, connection: Connection, serial: int) -> None:
        """An event of an unknown kind."""
        if self.line.is_present(connection) and self.latest is not None:
            self.latest.on_unknown(serial)

    def on_late_joined(self, connection: Connection, joined: Joined) -> None:
        """Nobody waits for this answer any more: it is news of the Space one is in, or one leaves again."""
        space = self.space
        if self.line.is_present(connection) and space is not None and space.id == joined.space:
            space.on_snapshot(joined)
        else:
            connection.leave()

    def on_audio(self, connection: Connection, datagram: bytes, now_us: int) -> None:
        """One datagram."""
        if self.on_datagram is not None:
            self.on_datagram(datagram)
        space = self.space
        if self.line.is_present(connection) and space is not None:
            space.on_audio(datagram, now_us)
        else:
            self.stats.stray_audio += 1

    def on_lost(self, connection: Connection) -> None:
        """A connection is over: it is made anew if the server keeps one's place, or that was all."""
        if not self.line.is_present(connection) or not self.line.is_up:
            return  # of no concern; or it was an attempt to return, which fails by this
        loss, patience_ms = connection.error(), self._patience_ms()
        renewable = self.door.credentials.renewable
        if self.closing or not patience_ms or not is_worth_returning(loss, has_fresh_token=renewable):
            self.finish(connection.error)
            return
        self.stats.losses += 1
        self._held = self.space
        self.line.down()
        self._tell(Reconnecting(loss.code, patience_ms))
        if self.space is not None:
            self.space.on_state(Reconnecting(loss.code, patience_ms))
        self.background.start(self._return(loss, patience_ms))

    async def renew(self, token: str) -> None:
        """Show a fresh token."""
        await self.line.request(lambda number: wire.Renew(number, token), Ok)
        self.door.credentials.shown = token
        self.stats.renewals += 1

    # Returning

    def _patience_ms(self) -> int:
        """How long it is worth trying: as long as the server keeps one's place."""
        if not self._resume:
            return 0
        if self.space is not None and not self.space.overseen:
            return self.space.resume_ms
        return PATIENCE_MS if self.welcome and self.welcome.capabilities.get("resume") else 0

    async def _return(self, loss: ConnectionClosed, patience_ms: int) -> None:
        try:
            await come_back(
                self._attempt, loss, patience_ms=patience_ms, clock=self.door.clock, dice=self._dice
            )
        except ConnectionClosed as error:
            self.finish(error.anew)
            return
        self.stats.returns += 1
        self.line.up()
        if self.line.connection.is_over:  # in the same turn of the loop
            self.on_lost(self.line.connection)

    async def _attempt(self) -> None:
        """A new connection to the same server, and on it everything as it was."""
        self.stats.attempts += 1
        await self.door.enter(self.line.connection.address, self, self._greet)
        try:
            if self.space is not None:
                await self._resume_space(self.space)
            else:
                if self._held is not None and self._held.over == "left":
                    await self._leave_after_all(self._held)
                self._tell(Reconnected(replayed=False))
            if self.timeline is not None and not self.timeline.over:
                await self.line.connection.request(wire.Timeline, wire.Bubbles, self._on_bubbles)
        except BaseException:
            self.line.connection.close()
            raise

    async def _resume_space(self, space: Space) -> None:
        """Take one's place again. What the server holds against it for good ends the Space, and only that."""

        def back(reply: wire.Resumed | Joined | wire.Elsewhere) -> None:
            if not isinstance(reply, wire.Elsewhere):
                self._tell(Reconnected(replayed=isinstance(reply, wire.Resumed)))
                space.on_resumed(reply)

        try:
            if space.overseen:
                await self.line.connection.request(
                    lambda number: wire.Oversee(number, space.id), Joined, back
                )
                return
            try:
                await self._to_its_server(lambda there: there.resume(space.id, space.serial, back))
            except RequestRefused as error:
                if error.code != "resume_lapsed":
                    raise
                # The place is gone; one may still listen.
                await self._to_its_server(lambda there: there.join(space.id, back))
        except RequestRefused as error:
            if error.retry is Retry.later:
                raise
            self._tell(Reconnected(replayed=False))
            space.on_shut(error.code)

    async def _leave_after_all(self, space: Space) -> None:
        """One left while the connection was lost; a kept place would keep the Space of a host alive."""
        with contextlib.suppress(RequestRefused):  # it is not kept any more
            await self._to_its_server(lambda there: there.resume(space.id, space.serial, lambda reply: None))
            await self.line.connection.request(wire.Leave, Ok)
        self._held = None

    async def _to_its_server(self, ask: Callable[[Connection], Awaitable[object]]) -> None:
        """Ask, and ask again where the Space is by now."""
        for _ in range(MAX_HOPS + 1):
            reply = await ask(self.line.connection)
            if not isinstance(reply, wire.Elsewhere):
                return
            self.stats.hops += 1
            await self.door.enter(reply.address, self, self._greet)
        raise too_many_hops()

    def _greet(self, connection: Connection, welcome: Welcome) -> None:
        """Before anything that follows the welcome is looked at."""
        self.welcome = welcome
        self.use(connection)

    def _on_bubbles(self, reply: wire.Bubbles) -> None:
        if self.timeline is not None:
            self.timeline.refresh(reply.bubbles)

    def _tell(self, state: ConnectionState) -> None:
        if self.on_connection is None:
            return
        try:
            self.on_connection(state)
        except Exception:  # the program's own fault does not keep the connection from coming back
            log.exception("on_connection failed")

    def _drop_notice(self, waiting: Sequence[Notice], item: Notice) -> int:
        self.stats.notices_dropped += 1
        return 0
