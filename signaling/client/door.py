"""Door: enters servers. Dials, verifies, says hello; used for the first server and for those it points to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import spacecore
from signaling.client.connection import Clock, Connection, LinkPort, Owner
from signaling.client.errors import ConnectError
from signaling.client.trust import Credentials, parse_address
from signaling.protocol.messages import Hello, Welcome
from signaling.protocol.terms import BUNDLE_DELAY_MS, MAX_BUNDLE
from signaling.quic.certificate import Trust
from signaling.quic.dialer import OpenTransport
from signaling.quic.dialer import connect as dial
from signaling.quic.errors import ConnectError as DialError
from signaling.quic.handle import LinkHandle

__all__ = ["Door"]

_REDUNDANCY: Final = 2  # redundant frames of a datagram that we can receive
_KEEP_ALIVE_MS: Final = 10_000
_LEAST_KEEP_ALIVE_MS: Final = 1_000


@dataclass(slots=True)
class Door:
    """Everything that is the same for each server one client enters."""

    credentials: Credentials
    trust: Trust
    clock: Clock
    timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    open_transport: OpenTransport | None = None
    bundle: int = MAX_BUNDLE
    bundle_delay_ms: int = BUNDLE_DELAY_MS
    _last: tuple[str, LinkHandle] | None = field(default=None, init=False, repr=False)
    """Where we were last: the server has a lane for those who come back with what it gave them."""

    def __post_init__(self) -> None:
        if not 1 <= self.bundle <= MAX_BUNDLE:
            raise ValueError(
                f"bundle is {self.bundle}; a datagram carries 1 to {MAX_BUNDLE} new frames: give one of these"
            )
        if not 0 <= self.bundle_delay_ms < 1 << 32:
            raise ValueError(
                f"bundle_delay_ms is {self.bundle_delay_ms}; give 0 (no added delay) or more, "
                f"{BUNDLE_DELAY_MS} is enough for all"
            )

    @property
    def capabilities(self) -> dict[str, int]:
        """What we can receive (docs/protocol.md, "Capabilities and limits")."""
        return {
            "bundle": self.bundle,
            "bundle_delay_ms": self.bundle_delay_ms,
            "redundancy": _REDUNDANCY,
            "reports": 1,
        }

    async def enter(
        self,
        address: str,
        owner: Owner,
        at_once: Callable[[Connection, Welcome], None] = lambda connection, welcome: None,
    ) -> tuple[Connection, Welcome]:
        """A verified connection on which the server knows who we are.

        `at_once` sees it before anything that the server sends behind its welcome is looked at.
        Raises ConnectError, RequestRefused, TimedOut, ConnectionClosed, and what the token's source raises.
        """
        host, port = parse_address(address)
        # First: the server waits only 3 s for hello, and a token may come from far away.
        token = await self.credentials.token()
        connection = await self._dial(address, host, port, owner)
        try:
            welcome = await connection.request(
                lambda number: Hello(
                    number,
                    token,
                    f"spacecore/{spacecore.__version__}",
                    self.credentials.name,
                    self.capabilities,
                ),
                Welcome,
                lambda welcome: self._greeted(connection, welcome, at_once),
            )
            self.credentials.shown = token
        except BaseException:
            connection.close()
            raise
        return connection, welcome

    def _greeted(
        self, connection: Connection, welcome: Welcome, at_once: Callable[[Connection, Welcome], None]
    ) -> None:
        if welcome.token:
            self.credentials.minted = welcome.token
        connection.takes_reports = welcome.capabilities.get("reports", 0) > 0
        connection.redundancy = welcome.capabilities.get("redundancy", 0)
        interval_ms = welcome.capabilities.get("keep_alive_ms", _KEEP_ALIVE_MS)
        connection.keep_alive(max(_LEAST_KEEP_ALIVE_MS, interval_ms * 9 // 10))
        at_once(connection, welcome)

    async def _dial(self, address: str, host: str, port: int, owner: Owner) -> Connection:
        made: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

        def on_link(link: LinkPort) -> Connection:
            connection = Connection(
                link, owner, self.clock, request_timeout_s=self.request_timeout_s, address=address
            )
            made.set_result(connection)
            return connection

        try:
            handle = await dial(
                host,
                port,
                on_link,
                trust=self.trust,
                timeout_s=self.timeout_s,
                clock=lambda: self.clock() / 1_000_000,
                open_transport=self.open_transport,
                return_token=self._last[1].return_token if self._last and self._last[0] == address else b"",
            )
        except DialError as error:
            raise ConnectError(error.code, str(error)) from error
        if not made.done():
            handle.close(0)
            raise ConnectError("closed", f"{host}:{port} ended the connection as soon as it was made")
        self._last = (address, handle)
        return made.result()
