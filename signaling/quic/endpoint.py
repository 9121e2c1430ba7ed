"""The two ends on a socket: `Listener` and `listen` for servers, `connect` for clients."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from signaling.quic.address_tokens import AddressTokens
from signaling.quic.certificate import ServerCertificate
from signaling.quic.configuration import ALPN, server_configuration
from signaling.quic.dialer import Dialer, connect
from signaling.quic.driver import Clock, Driver, DriverStats
from signaling.quic.errors import ListenError
from signaling.quic.gate import Admission, Gate, GateLimits
from signaling.quic.handle import LinkHandle, LinkHandler, OnLink
from signaling.quic.limits import Address, LinkLimits
from signaling.quic.link import Link
from signaling.quic.packets import (
    CID_BYTES,
    INITIAL_BYTES,
    VERSIONS,
    LongHeader,
    long_header,
    parse_initial,
    version_negotiation,
)
from spacecore._plane import Plane

if TYPE_CHECKING:
    from aioquic.quic.configuration import QuicConfiguration

__all__ = [
    "Dialer",
    "DriverStats",
    "LinkHandle",
    "LinkHandler",
    "Listener",
    "OnLink",
    "SendTo",
    "connect",
    "listen",
    "listen_native",
]

SendTo = Callable[[bytes, Address], object]
"""Sends one UDP payload at once; raises BlockingIOError where the socket takes no more."""

# A tick sends to all listeners at once, and all of them may answer at once.
_SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
_SEED_BYTES = 8


class Listener(Driver):
    """A server's socket: finds the link of each packet by its connection id, makes links through the gate.

    `on_link` is called when a handshake is complete; a half-open connection costs no handler. A first packet
    in which nothing can be decrypted leaves no state behind.

    With a plane, audio is carried natively. Where a fan-out on the same plane also sends the ACKs of what was
    received, `acknowledges` is False. The socket is an asyncio transport's (`listen`), or somebody else reads
    it and gives us what is not audio (`listen_native`, `packet_received`).
    """

    def __init__(
        self,
        certificate: ServerCertificate,
        on_link: OnLink,
        *,
        limits: LinkLimits | None = None,
        gate: GateLimits | None = None,
        tokens: AddressTokens | None = None,
        alpn: str = ALPN,
        clock: Clock = time.monotonic,
        plane: Plane | None = None,
        acknowledges: bool = True,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(on_link, clock)
        self.gate = Gate(gate, random_bytes, tokens)
        self._random_bytes = random_bytes
        self.plane = plane
        self._acknowledges = acknowledges
        self._limits = limits or LinkLimits()
        self._alpn = alpn
        self._configuration: QuicConfiguration = server_configuration(certificate, self._limits, alpn)
        self._numbers = itertools.count(1)
        self._links: dict[int, LinkHandle] = {}
        self._routes: dict[bytes, LinkHandle] = {}
        self._slots: dict[int, LinkHandle] = {}  # by place in the plane
        self._gate_timer: asyncio.TimerHandle | None = None
        self._send_to: SendTo | None = None
        self._address: Address | None = None

    @property
    def links(self) -> int:
        """Connections that are not forgotten yet, half-open ones included."""
        return len(self._links)

    @property
    def address(self) -> Address:
        """The local address, (host, port, …)."""
        if self._address is not None:
            return self._address
        if self._transport is None:
            raise RuntimeError("the listener has no socket yet; await listen() first")
        name: Address = self._transport.get_extra_info("sockname")
        return name

    def renew(self, certificate: ServerCertificate) -> None:
        """Show another certificate to the connections that begin from now on."""
        self._configuration = server_configuration(certificate, self._limits, self._alpn)

    def stop_accepting(self) -> None:
        """Refuse new connections from now on; those that exist live on."""
        self.gate.accepting = False

    def close(self, code: int, reason: str = "") -> None:
        """Close every link with this code, tell the peers and the handlers, and close a socket of our own."""
        self.stop_accepting()
        for handle in list(self._links.values()):
            handle.close(code, reason)
        self.flush()
        if self._transport is not None:
            self._transport.close()
        elif self._send_to is not None and self._loop is not None:
            self._send_to = None
            self._loop.call_soon(self.connection_lost, None)

    # A socket that somebody else reads

    def attach(self, send_to: SendTo, address: Address) -> None:
        """Send through this from now on. `packet_received` and the notices come on the running loop.

        After `close` nothing is sent any more; the links that are left are told in the loop's next turn.
        """
        self._loop = asyncio.get_running_loop()
        self._send_to = send_to
        self._address = address

    def packet_received(self, data: bytes, addr: Address, arrived_us: int, native_first: bool) -> None:
        """A UDP payload that was left to us. `native_first` is False if the plane has seen it."""
        late_s = max(0.0, self._clock() - arrived_us / 1_000_000)
        self._on_packet(data, addr, late_s, native_first=native_first)

    def is_of_handshake(self, data: bytes) -> bool:
        """Whether a packet belongs to a handshake: by its header, or because its connection is not up.

        Taken before the packet that ends the handshake, a first request could not be opened and was lost.
        """
        if not data:
            return False
        if data[0] & 0x80:
            return True
        handle = self._routes.get(data[1 : 1 + CID_BYTES])
        return handle is not None and not handle._link.established

    def on_violation(self, slot: int, generation: int) -> None:
        """A connection of the plane got an ACK of a packet that was never sent."""
        handle = self._by_slot(slot, generation)
        if handle is not None:
            handle._link.violated()
            self.touch(handle)

    def on_key_update(self, slot: int, generation: int) -> None:
        """A connection of the plane wants a new sending key, or its packets fail to open too often."""
        handle = self._by_slot(slot, generation)
        if handle is not None:
            handle._link.wake()
            self.touch(handle)

    def _by_slot(self, slot: int, generation: int) -> LinkHandle | None:
        """A notice may come late: the place may have another connection by now."""
        handle = self._slots.get(slot)
        connection = None if handle is None else handle.connection
        return handle if connection is not None and connection.generation == generation else None

    def _send(self, packets: list[tuple[bytes, Address]]) -> None:
        send_to = self._send_to
        if send_to is None:
            super()._send(packets)
            return
        for data, address in packets:
            try:
                send_to(data, address)
            except (BlockingIOError, InterruptedError):
                self.stats.send_dropped += 1
            except OSError:
                self.stats.socket_errors += 1
            else:
                self.stats.datagrams_out += 1

    # asyncio's side

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One UDP payload from anybody."""
        self._on_packet(data, addr, 0.0, native_first=True)

    def _on_packet(self, data: bytes, address: Address, late_s: float, *, native_first: bool) -> None:
        self.stats.datagrams_in += 1
        if not data:
            self.stats.garbage += 1
        elif data[0] & 0x80:
            self._on_long(data, address)
        else:
            handle = self._routes.get(data[1 : 1 + CID_BYTES])
            if handle is None:
                self.stats.unknown_cid += 1
            elif self._may_be_read(handle):
                self._received(handle, data, address, late_s, native_first=native_first)

    def _may_be_read(self, handle: LinkHandle) -> bool:
        if handle._may_be_read(self._clock(), self._limits.packets_per_s):
            return True
        self.stats.flood_dropped += 1
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: every link that is left ends here."""
        if self._gate_timer is not None:
            self._gate_timer.cancel()
            self._gate_timer = None
        now_s = self._clock()
        for handle in list(self._links.values()):
            self._socket_lost(handle, now_s)

    def knows(self, handle: LinkHandle) -> bool:
        """Whether the link is not forgotten yet."""
        return handle.number in self._links

    # Packets with a long header: handshakes, and strangers

    def _on_long(self, data: bytes, address: Address) -> None:
        header = long_header(data)
        if header is None:
            self.stats.garbage += 1
            return
        handle = self._routes.get(header.destination_cid)
        if handle is not None:
            if self._may_be_read(handle):
                self._received(handle, data, address)
        elif header.version not in VERSIONS:
            self._on_unknown_version(header, data, address)
        else:
            try:
                self._on_stranger(data, address)
            except Exception:  # no link exists to close: whoever sent this gets no answer
                self.stats.handler_errors += 1
                self._log_failure("dropping a first packet after an error")

    def _on_unknown_version(self, header: LongHeader, data: bytes, address: Address) -> None:
        # Version 0 is a Version Negotiation packet itself: an answer could bounce between two servers. A
        # short packet could not begin a connection in any version (RFC 9000 section 6.1).
        if header.version == 0 or len(data) < INITIAL_BYTES:
            self.stats.garbage += 1
            return
        self.stats.version_negotiations += 1
        self._send([(version_negotiation(header), address)])

    def _on_stranger(self, data: bytes, address: Address) -> None:
        initial = parse_initial(data)
        if initial is None:
            self.stats.unknown_cid += 1
            return
        now_s = self._clock()
        verdict = self.gate.judge(initial, address, now_s)
        if isinstance(verdict, bytes):
            self._send([(verdict, address)])
        elif verdict is not None:
            self._open(verdict, initial.destination_cid, data, address, now_s)

    def _open(
        self, admission: Admission, first_cid: bytes, data: bytes, address: Address, now_s: float
    ) -> None:
        link = Link.accept(
            self._configuration,
            self._limits,
            original_cid=admission.original_cid,
            retry_cid=admission.retry_cid,
            plane=self.plane,
            acknowledges=self._acknowledges,
            skip_seed=self._random_bytes(_SEED_BYTES),
        )
        handle = LinkHandle(self, link, next(self._numbers))
        self._links[handle.number] = handle
        if link.connection is not None:
            self._slots[link.connection.slot] = handle
        for cid in (first_cid, link.host_cid):
            self._cid_changed(handle, cid, valid=True)
        self.gate.opened(handle.number, now_s, admission)
        self._received(handle, data, address)
        if link.heard_nothing:
            self.stats.garbage += 1
            self.gate.wasted(now_s)
            self._forget(handle)
        elif self._gate_timer is None:
            self._arm_gate(now_s)

    def let_return(self, handle: LinkHandle) -> None:
        """Give the peer a token with which the gate knows it when it comes back."""
        address = handle.peer_address
        if address is not None:
            handle._link.give_return_token(self.gate.tokens.for_return(address))
            self.touch(handle)

    # What the driver asks for

    def _established(self, handle: LinkHandle) -> None:
        self.gate.established(handle.number)

    def _cid_changed(self, handle: LinkHandle, cid: bytes, *, valid: bool) -> None:
        if valid:
            handle._cids.add(cid)
            self._routes[cid] = handle
        else:
            handle._cids.discard(cid)
            if self._routes.get(cid) is handle:
                del self._routes[cid]

    def _forgotten(self, handle: LinkHandle) -> None:
        for cid in list(handle._cids):
            self._cid_changed(handle, cid, valid=False)
        self._links.pop(handle.number, None)
        connection = handle.connection
        if connection is not None and self._slots.get(connection.slot) is handle:
            del self._slots[connection.slot]
        self.gate.gone(handle.number)
        self._mark_gone(handle)

    # Handshakes that take too long

    def _arm_gate(self, now_s: float) -> None:
        at_s = self.gate.deadline()
        if at_s is None or self._loop is None:
            self._gate_timer = None
        else:
            self._gate_timer = self._loop.call_later(max(0.0, at_s - now_s), self._on_gate_timer)

    def _on_gate_timer(self) -> None:
        now_s = self._clock()
        for number in self.gate.expired(now_s):
            handle = self._links.get(number)
            # Silently: whoever did not finish a handshake in ten seconds does not wait for an answer.
            if handle is not None:
                self._forget(handle)
        self._arm_gate(now_s)


async def listen(host: str, port: int, listener: Listener) -> Listener:
    """Bind a UDP socket for the listener. Port 0 takes a free one, see `listener.address`.

    Raises ListenError: `port_in_use`, `address_unusable`.
    """
    udp = await _bound(host, port)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: listener, sock=udp)
    return listener


async def listen_native(host: str, port: int, listener: Listener) -> socket.socket:
    """Bind a UDP socket that somebody else reads, such as a media thread; the listener only sends through it.

    Whoever reads gives packets to `listener.packet_received`, on the loop's thread. The socket does not
    block. It is the caller's to close: first `listener.close`, then stop reading. Raises ListenError as
    `listen`.
    """
    udp = await _bound(host, port)
    listener.attach(udp.sendto, udp.getsockname())
    return udp


async def _bound(host: str, port: int) -> socket.socket:
    """A bound UDP socket. Bound here and not by the loop, because uvloop does not say why it could not."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        udp = socket.socket(family, kind, protocol)
        try:
            udp.setblocking(False)
            udp.bind(address)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                udp.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)  # capped by the system
        except OSError:
            udp.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                "port_in_use",
                f"UDP port {port} on {host} is in use by another program; stop it, or name another port",
            ) from error
        raise ListenError(
            "address_unusable",
            f"cannot listen on UDP {host}:{port}: {error.strerror or error}; name an address of this machine",
        ) from error
    return udp
