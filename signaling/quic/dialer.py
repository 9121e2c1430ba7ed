"""The client's end: one socket, one link. `connect` returns once the server is verified."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from signaling.quic.certificate import Trust, check_peer
from signaling.quic.configuration import ALPN, client_configuration
from signaling.quic.driver import Clock, Driver
from signaling.quic.errors import CertificateError, ConnectError
from signaling.quic.events import Cause, Closed
from signaling.quic.handle import LinkHandle, OnLink
from signaling.quic.limits import Address, LinkLimits
from signaling.quic.link import NO_COMMON_PROTOCOL, Link
from signaling.quic.packets import CONNECTION_REFUSED
from signaling.quic.udp import open_udp
from spacecore._plane import Plane
from spacecore.errors import PlaneError

__all__ = ["Dialer", "OpenTransport", "client_plane", "connect"]

OpenTransport = Callable[[Callable[[], asyncio.DatagramProtocol], Address], Awaitable[object]]
"""Opens a datagram transport connected to an address: what stands in for UDP in tests."""

_LIBCRYPTO = "SPACECORE_LIBCRYPTO"  # names a libcrypto: whoever sets it wants that one, or an error
_CRYPTO_ERROR = 0x100  # a TLS alert is added to it, RFC 9001 section 4.8
_BAD_CERTIFICATE = _CRYPTO_ERROR + 42
_CERTIFICATE_EXPIRED = _CRYPTO_ERROR + 45


class Dialer(Driver):
    """A client's socket with its one link. The socket closes itself when the link is over."""

    def __init__(
        self,
        remote: Address,
        server_name: str,
        on_link: OnLink,
        *,
        trust: Trust,
        limits: LinkLimits | None = None,
        alpn: str = ALPN,
        clock: Clock = time.monotonic,
        plane: Plane | None = None,
        return_token: bytes = b"",
    ) -> None:
        super().__init__(on_link, clock)
        limits = limits or LinkLimits()
        self._remote = remote
        self._trust = trust
        configuration = client_configuration(server_name, trust, limits, alpn)
        link = Link.dial(
            configuration, limits, remote=remote, now_s=clock(), plane=plane, return_token=return_token
        )
        self.handle = LinkHandle(self, link, 1)
        self._alive = True
        self._verdict: ConnectError | None = None
        self._settled: asyncio.Future[None] | None = None

    async def established(self) -> LinkHandle:
        """Wait for the handshake. Raises ConnectError."""
        if self._settled is None:
            raise RuntimeError("the dialer has no socket yet; use connect()")
        await self._settled
        if self._verdict is not None:
            raise self._verdict
        return self.handle

    def abort(self) -> None:
        """Close the socket at once; the server finds out by its idle timeout."""
        if self._transport is not None:
            self._transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready: begin the handshake."""
        super().connection_made(transport)
        self._settled = asyncio.get_running_loop().create_future()
        self.touch(self.handle)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One UDP payload; the socket is connected, so it is from the server."""
        self.datagram_arrived(data, 0.0)

    def datagram_arrived(self, data: bytes, late_s: float) -> None:
        """The same, of one that came `late_s` ago."""
        self.stats.datagrams_in += 1
        self._received(self.handle, data, self._remote, late_s)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: known at once while connecting, otherwise only counted."""
        super().error_received(exc)
        if isinstance(exc, ConnectionRefusedError) and not self._is_settled():
            self._settle(
                ConnectError(
                    "refused", f"nothing answers at {_text(self._remote)}; is the server running there?"
                )
            )
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self._alive:
            self._socket_lost(self.handle, self._clock())
        self._settle(ConnectError("network_error", f"the socket to {_text(self._remote)} was closed"))
        self._mark_gone(self.handle)

    def knows(self, handle: LinkHandle) -> bool:
        """Whether the link is not forgotten yet, or its socket not closed yet."""
        return self._alive

    # What the driver asks for

    def _send(self, packets: list[tuple[bytes, Address]]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or not self._writable:
            self.stats.send_dropped += len(packets)
            return
        self.stats.datagrams_out += len(packets)
        for data, _ in packets:
            transport.sendto(data)

    def _serve(self, handle: LinkHandle, now_s: float) -> None:
        super()._serve(handle, now_s)
        closed = handle.closed
        if closed is not None:
            self._settle(_why(closed, self._remote))
            if closed.by_peer or closed.cause is Cause.IDLE:
                self._forget(handle)  # there is nobody left to talk to

    def _established(self, handle: LinkHandle) -> None:
        try:
            check_peer(handle.peer_certificate_der or b"", self._trust, datetime.now(UTC))
        except CertificateError as error:
            self._settle(ConnectError(error.code, str(error)))
            handle._link.close(_BAD_CERTIFICATE, "the certificate is not the expected one", transport=True)
            return
        self._settle(None)

    def _forgotten(self, handle: LinkHandle) -> None:
        self._alive = False
        self.abort()

    def _is_settled(self) -> bool:
        return self._settled is None or self._settled.done()

    def _settle(self, verdict: ConnectError | None) -> None:
        if self._settled is not None and not self._settled.done():
            self._verdict = verdict
            self._settled.set_result(None)


async def connect(
    host: str,
    port: int,
    on_link: OnLink,
    *,
    trust: Trust | None = None,
    server_name: str | None = None,
    limits: LinkLimits | None = None,
    alpn: str = ALPN,
    timeout_s: float = 10.0,
    clock: Clock = time.monotonic,
    open_transport: OpenTransport | None = None,
    native: bool = True,
    return_token: bytes = b"",
) -> LinkHandle:
    """Connect to a server and verify it; the handler that `on_link` makes gets `on_established` before.

    Each address of the host is tried in turn while nothing answers, for its share of the time; `timeout_s`
    bounds all of it, the look-up of the name included. With `open_transport` no name is looked up: host is an
    address of that network. Audio is carried natively where there is a libcrypto, unless `native` is False.
    Raises ConnectError, and PlaneError if SPACECORE_LIBCRYPTO names a file that cannot be used.
    """
    trust = trust or Trust()
    last: ConnectError | None = None
    deadline_s = clock() + timeout_s
    remotes = [(host, port)] if open_transport is not None else await _resolve(host, port, timeout_s)
    for tried, remote in enumerate(remotes):
        share_s = max(0.0, deadline_s - clock()) / (len(remotes) - tried)
        dialer = Dialer(
            remote,
            server_name or host,
            on_link,
            trust=trust,
            limits=limits,
            alpn=alpn,
            clock=clock,
            plane=client_plane() if native else None,
            return_token=return_token,
        )
        try:
            async with asyncio.timeout(share_s):
                return await _dial(dialer, remote, open_transport or open_udp)
        except TimeoutError:
            last = ConnectError(
                "unreachable",
                f"{_text(remote)} did not complete a handshake within {share_s:.3g} s; check the address, "
                "and that no firewall stops UDP",
            )
        except ConnectError as error:
            if error.code not in ("refused", "network_error"):
                raise
            last = error
    raise last or ConnectError("name_not_found", f"{host} has no address; check the name")


def client_plane() -> Plane | None:
    """A plane for one connection, or None where there is no libcrypto. Raises PlaneError as `connect`."""
    try:
        return Plane(connections=1)
    except PlaneError as error:
        if error.code != "no_libcrypto" or os.environ.get(_LIBCRYPTO):
            raise
        return None


async def _dial(dialer: Dialer, remote: Address, open_transport: OpenTransport) -> LinkHandle:
    try:
        await open_transport(lambda: dialer, remote)
        return await dialer.established()
    except BaseException as error:
        dialer.flush()  # the server learns why
        dialer.abort()
        if isinstance(error, OSError):
            raise ConnectError(
                "network_error", f"cannot send to {_text(remote)}: {error.strerror or error}"
            ) from error
        raise


async def _resolve(host: str, port: int, timeout_s: float) -> list[Address]:
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except TimeoutError as error:
        raise ConnectError(
            "name_not_found", f"{host} was not resolved within {timeout_s:g} s; check the network"
        ) from error
    except OSError as error:
        raise ConnectError("name_not_found", f"{host} cannot be resolved: {error.strerror}") from error
    return list(dict.fromkeys(address for *_, address in found))


def _text(address: Address) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _why(closed: Closed, remote: Address) -> ConnectError:
    """The error for a link that ended before it was established."""
    where, reason = _text(remote), closed.reason
    if closed.cause is Cause.IDLE:
        return ConnectError("unreachable", f"{where} does not answer: {reason}")
    if closed.cause is Cause.TRANSPORT:
        own_alert = not closed.by_peer and _CRYPTO_ERROR <= closed.code < _CRYPTO_ERROR + 256
        for matches, code, sentence in (
            (closed.code == CONNECTION_REFUSED, "server_busy", "takes no new connections; try again later"),
            (
                closed.code == NO_COMMON_PROTOCOL,
                "protocol_mismatch",
                "speaks another protocol or version; check the port",
            ),
            (
                "common protocol version" in reason,
                "version_mismatch",
                "speaks no version of QUIC that this client knows; update one of them",
            ),
            (
                closed.code == _CERTIFICATE_EXPIRED and "not valid yet" in reason,
                "certificate_not_yet_valid",
                "shows a certificate that is not valid yet; check the clocks",
            ),
            (
                closed.code == _CERTIFICATE_EXPIRED,
                "certificate_expired",
                "shows an expired certificate; its operator must renew it",
            ),
            (
                own_alert,
                "certificate_not_trusted",
                f"shows a certificate that cannot be trusted ({reason}); pin its fingerprint or name the "
                "authority's file",
            ),
        ):
            if matches:
                return ConnectError(code, f"{where} {sentence}")
    return ConnectError(
        "closed", f"{where} ended the handshake with {closed.cause} code {closed.code:#x} {reason}".rstrip()
    )
