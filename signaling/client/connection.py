"""Connection: the control side of one link. Numbers requests, matches answers, hands events and audio on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

from msgspec import Struct

from signaling.client.errors import (
    ConnectionClosed,
    RequestRefused,
    TimedOut,
    connection_closed,
    request_refused,
    ticket_required,
)
from signaling.protocol import (
    CloseCode,
    ErrorCode,
    Framer,
    FramingError,
    ProtocolError,
    Retry,
    decode_from_server,
    encode,
)
from signaling.protocol.messages import (
    MESSAGE_NAMES,
    REPLY_TYPES,
    Closing,
    Elsewhere,
    Error,
    Event,
    FromServer,
    Join,
    Joined,
    Leave,
    Reply,
    Request,
    Resume,
    Resumed,
    TicketRequired,
)
from signaling.quic.events import Closed

__all__ = ["MAX_WAITING", "Clock", "Connection", "ConnectionStats", "LinkPort", "Owner"]

log = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Microseconds of a monotonic clock."""

MAX_WAITING: Final = 64
"""So many requests may wait for their answers; one more is refused here."""

_REFUSALS: Final = (Error, TicketRequired)

R = TypeVar("R", bound=Struct)


class LinkPort(Protocol):
    """What is used of a `signaling.quic` LinkHandle."""

    def send_stream(self, data: bytes) -> bool: ...
    def send_audio(self, datagram: bytes) -> bool: ...
    def ping(self) -> None: ...
    def close(self, code: int, reason: str = "") -> None: ...
    async def wait_closed(self) -> None: ...
    @property
    def closed(self) -> Closed | None: ...


class Owner(Protocol):
    """Who is told what happens on a connection. Called on the loop, in the order of arrival."""

    def on_event(self, connection: Connection, event: Event) -> None: ...
    def on_unknown(self, connection: Connection, serial: int) -> None:
        """An event of a kind that is not known here had this serial."""

    def on_late_joined(self, connection: Connection, joined: Joined) -> None:
        """A `joined` whose request had been given up."""

    def on_audio(self, connection: Connection, datagram: bytes, now_us: int) -> None: ...
    def on_lost(self, connection: Connection) -> None:
        """The connection is over; `connection.error()` says why. The last call."""


@dataclass(slots=True)
class ConnectionStats:
    """Counters since the start; reading them changes nothing."""

    requests: int = 0
    refused: int = 0
    timed_out: int = 0
    stray_replies: int = 0  # answers to requests that were given up
    unknown_messages: int = 0  # of a newer server; passed over
    protocol_errors: int = 0  # bytes that no server may send; the connection was closed for it


@dataclass(slots=True)
class _Waiting:
    expected: tuple[type[Struct], ...]
    at_once: Callable[[Any], None] | None
    answer: asyncio.Future[Reply | None]


class Connection:
    """One link to a server, as its handler. **Every request ends**: answered, refused, timed out, or closed.

    Answers are matched by id, whatever their order. A server that sends what it must not is closed with
    `protocol_error`; messages of unknown kinds are passed over, so that the protocol can grow.
    """

    def __init__(
        self,
        link: LinkPort,
        owner: Owner,
        clock: Clock,
        *,
        request_timeout_s: float = 10.0,
        address: str = "",
    ) -> None:
        self.address = address  # as it was dialled
        self.link = link
        self.owner = owner
        self.clock = clock
        self.stats = ConnectionStats()
        self.takes_reports = False
        self.redundancy = 0
        """The most copies of frames that the server takes in one datagram."""
        self._timeout_s = request_timeout_s
        self._framer = Framer()
        self._last_id = 0
        self._waiting: dict[int, _Waiting] = {}
        self._closing: Closing | None = None
        self._closed: Closed | None = None
        self._keep_alive: asyncio.TimerHandle | None = None
        self._quiet = True

    # For the client

    async def request(
        self,
        build: Callable[[int], Request],
        expected: type[R] | tuple[type[R], ...],
        at_once: Callable[[R], None] | None = None,
    ) -> R:
        """Send the request that `build` makes for an id, and wait for its reply, one of those `expected`.

        `at_once` sees the reply before any later message of the server is looked at. Raises RequestRefused,
        TimedOut, ConnectionClosed.
        """
        kinds = expected if isinstance(expected, tuple) else (expected,)
        return cast(R, await self._exchange(build, kinds, at_once))

    async def join(
        self, space: bytes, at_once: Callable[[Joined | Elsewhere], None], invite: bytes = b""
    ) -> Joined | Elsewhere:
        """A request with two possible replies; otherwise as `request`."""
        reply = await self._exchange(lambda number: Join(number, space, invite), (Joined, Elsewhere), at_once)
        return cast(Joined | Elsewhere, reply)

    async def resume(
        self, space: bytes, serial: int, at_once: Callable[[Resumed | Joined | Elsewhere], None]
    ) -> Resumed | Joined | Elsewhere:
        """With three: the missed events follow, or a snapshot does not need them, or it is elsewhere."""
        reply = await self._exchange(
            lambda number: Resume(number, space, serial), (Resumed, Joined, Elsewhere), at_once
        )
        return cast(Resumed | Joined | Elsewhere, reply)

    def leave(self) -> None:
        """Ask to leave the Space without waiting for the answer."""
        if self._closed is None:
            self._send(Leave(self._next_id()))

    def send_audio(self, datagram: bytes) -> bool:
        """Queue a datagram; False if it does not fit or the link is over."""
        return self.link.send_audio(datagram)

    def send_report(self, datagram: bytes) -> None:
        """Send a receiver report, if the server said that it takes them."""
        if self.takes_reports:
            self.link.send_audio(datagram)

    def keep_alive(self, interval_ms: int) -> None:
        """From now on send a ping after each such interval in which nothing arrived."""
        self._stop_keep_alive()
        if self.is_over:
            return
        self._keep_alive = asyncio.get_running_loop().call_later(
            interval_ms / 1000, self._on_quiet, interval_ms
        )

    def close(self, code: int = CloseCode.done, reason: str = "") -> None:
        """Close the link; the owner is told when it is done."""
        self._stop_keep_alive()
        self.link.close(code, reason)

    @property
    def is_over(self) -> bool:
        """Nothing can be sent any more."""
        return self.link.closed is not None

    def error(self) -> ConnectionClosed:
        """A fresh exception that says how the connection ended."""
        closed = self._closed or self.link.closed or Closed(CloseCode.done, "", by_peer=False)
        return connection_closed(closed, self._closing.reconnect_after_ms if self._closing else 0)

    # As the link's handler

    def on_established(self, now_us: int) -> None:
        """The handshake is complete and the server verified."""

    def on_control(self, data: bytes, now_us: int) -> None:
        """The next bytes of the control stream."""
        self._quiet = False
        fault: FramingError | None = None
        try:
            bodies = self._framer.feed(data)
        except FramingError as error:
            fault, bodies = error, list(error.messages)
        for body in bodies:
            if self.is_over:
                return
            self._on_message(body)
        if fault is not None and not self.is_over:
            self._abandon(fault.message)

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        """One datagram, which arrived at this time."""
        self._quiet = False
        self.owner.on_audio(self, datagram, now_us)

    def on_closed(self, closed: Closed, now_us: int) -> None:
        """The link is over: nobody waits any longer."""
        self._closed = closed
        self._stop_keep_alive()
        waiting, self._waiting = self._waiting, {}
        for request in waiting.values():
            _answer(request.answer, None)
        self.owner.on_lost(self)

    # Inside

    async def _exchange(
        self,
        build: Callable[[int], Request],
        expected: tuple[type[Struct], ...],
        at_once: Callable[[Any], None] | None,
    ) -> Reply:
        if len(self._waiting) >= MAX_WAITING:
            raise RequestRefused(
                "busy",
                f"{len(self._waiting)} requests wait for their answers, {MAX_WAITING} may; await those first",
                retry=Retry.later,
            )
        message = build(self._next_id())
        self._send(message)
        self.stats.requests += 1
        answer: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._waiting[message.id] = _Waiting(expected, at_once, answer)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await answer
        except TimeoutError:
            self.stats.timed_out += 1
            raise TimedOut(MESSAGE_NAMES[type(message)], self._timeout_s) from None
        finally:
            self._waiting.pop(message.id, None)
        if reply is None:
            raise self.error()
        if isinstance(reply, _REFUSALS):
            self.stats.refused += 1
            raise ticket_required(reply) if isinstance(reply, TicketRequired) else request_refused(reply)
        return reply

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _send(self, message: Request) -> None:
        try:
            data = encode(message)
        except ProtocolError as error:
            raise RequestRefused(error.code.name, error.message, number=error.code) from error
        if not self.link.send_stream(data):
            raise self.error()

    def _on_message(self, body: bytes) -> None:
        try:
            message: FromServer = decode_from_server(body)
        except ProtocolError as error:
            if error.code is not ErrorCode.unknown_message:
                self._abandon(error.message)
                return
            self.stats.unknown_messages += 1
            if error.request_id is not None:  # of an event it is the serial: both are the second item
                self.owner.on_unknown(self, error.request_id)
            return
        if isinstance(message, REPLY_TYPES):
            self._on_reply(message)
        else:
            event = cast(Event, message)
            if isinstance(event, Closing):
                self._closing = event
            self.owner.on_event(self, event)

    def _on_reply(self, reply: Reply) -> None:
        waiting = self._waiting.pop(reply.id, None)
        if waiting is None or waiting.answer.done():
            if reply.id > self._last_id:
                self._abandon(f"an answer to request {reply.id}, which was never sent")
                return
            self.stats.stray_replies += 1
            if isinstance(reply, Joined):
                self.owner.on_late_joined(self, reply)
            return
        if not isinstance(reply, (*_REFUSALS, *waiting.expected)):
            self._waiting[reply.id] = waiting
            self._abandon(f"request {reply.id} was answered with {MESSAGE_NAMES[type(reply)]}")
            return
        if waiting.at_once is not None and not isinstance(reply, _REFUSALS):
            waiting.at_once(reply)
        _answer(waiting.answer, reply)

    def _abandon(self, reason: str) -> None:
        self.stats.protocol_errors += 1
        log.warning("closing the connection, the server broke the protocol: %s", reason)
        self.close(CloseCode.protocol_error, reason)

    def _on_quiet(self, interval_ms: int) -> None:
        if self._quiet:
            self.link.ping()
        self._quiet = True
        self.keep_alive(interval_ms)

    def _stop_keep_alive(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None


def _answer(future: asyncio.Future[Reply | None], reply: Reply | None) -> None:
    if not future.done():
        future.set_result(reply)
