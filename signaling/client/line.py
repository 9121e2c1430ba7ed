"""Line: the way to the server, whichever connection it is at present."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from signaling.client.connection import Clock, Connection
from signaling.client.errors import ConnectionClosed
from signaling.protocol.messages import Request

__all__ = ["Line"]

R = TypeVar("R", bound=Struct)


class Line:
    """Up: requests go out. Down: the connection is lost and being made anew, and requests wait for it, for as
    long as they would for an answer. Over: they raise what ended it.

    A request that was under way when the connection was lost raises ConnectionClosed all the same: whether
    it was carried out is not known.
    """

    def __init__(self, clock: Clock, request_timeout_s: float) -> None:
        self.clock = clock
        self._timeout_s = request_timeout_s
        self._connection: Connection | None = None
        self._ending: Callable[[], ConnectionClosed] | None = None
        self._settled = asyncio.Event()  # up or over

    @property
    def connection(self) -> Connection:
        """The present one, also while it is down."""
        if self._connection is None:
            raise RuntimeError("the client is not connected; use connect()")
        return self._connection

    @property
    def has_connection(self) -> bool:
        """Whether there was ever one."""
        return self._connection is not None

    @property
    def is_up(self) -> bool:
        """Requests go out and sound is sent."""
        return self._settled.is_set() and self._ending is None

    @property
    def is_over(self) -> bool:
        """No connection follows."""
        return self._ending is not None

    def is_present(self, connection: Connection) -> bool:
        """Whether this is the connection that counts."""
        return connection is self._connection

    def use(self, connection: Connection) -> None:
        """Another connection from now on; whether it is up is not changed by it."""
        self._connection = connection

    def up(self) -> None:
        """Requests go out from now on."""
        self._settled.set()

    def down(self) -> None:
        """Requests wait from now on."""
        self._settled.clear()

    def over(self, ending: Callable[[], ConnectionClosed]) -> None:
        """No connection follows; `ending` makes what is raised."""
        self._ending = ending
        self._settled.set()

    def error(self) -> ConnectionClosed:
        """A fresh exception that says how it ended, or how the present connection did."""
        return self._ending() if self._ending is not None else self.connection.error()

    async def ready(self) -> Connection:
        """The connection, once it is up. ConnectionClosed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._settled.wait()
        except TimeoutError:
            raise self.error() from None
        if self._ending is not None:
            raise self._ending()
        return self.connection

    async def request(
        self,
        build: Callable[[int], Request],
        expected: type[R] | tuple[type[R], ...],
        at_once: Callable[[R], None] | None = None,
    ) -> R:
        """As `Connection.request`."""
        connection = await self.ready()
        return await connection.request(build, expected, at_once)

    def send_audio(self, datagram: bytes) -> bool:
        """Queue a datagram; False if it does not fit, or the line is not up."""
        return self.is_up and self.connection.send_audio(datagram)

    @property
    def redundancy(self) -> int:
        """The most copies of frames that the server takes in one datagram."""
        return self.connection.redundancy

    def send_report(self, datagram: bytes) -> None:
        """Send a receiver report, if the server takes them."""
        if self.is_up:
            self.connection.send_report(datagram)
