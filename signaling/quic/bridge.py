"""Where private state of aioquic is named, with `bridge_guards`: what is used, and why.

`tests/signaling/test_quic_contract.py` holds every name and every behaviour used here. After an upgrade of
aioquic read the diff of `quic/connection.py`, run that test, and only then add it to `versions`. Beside each
use stands what it is for.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from aioquic.quic.connection import QuicConnection, QuicConnectionState
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.rangeset import RangeSet
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch
from cryptography.hazmat.primitives.serialization import Encoding

from signaling.quic import keys
from signaling.quic.bridge_guards import GuardedConnection, never_sent
from signaling.quic.configuration import ack_delay_exponent, promise_ack_delay
from signaling.quic.congestion import SharedReno
from signaling.quic.events import Ending
from signaling.quic.limits import AckPolicy, Address
from signaling.quic.packets import datagram_payload_bytes
from signaling.quic.shared_space import SharedSpace, to_us
from signaling.quic.versions import check_version
from spacecore._plane import RX, TX, Connection

__all__ = [
    "UPDATE_PING",
    "SharedConnection",
    "backlog_bytes",
    "ending",
    "give_token",
    "given_token",
    "has_work",
    "heard_nothing",
    "is_scattered",
    "largest_payload_bytes",
    "packets_in_flight",
    "peer_certificate_der",
    "pending_datagrams",
    "smoothed_rtt_s",
    "streams",
]

UPDATE_PING = 1  # marks the PING that carries a key update; the link's own have another number
_LEAST_RTT_S = 0.001  # as aioquic has it
_SKIPPED = 4096  # more packets than one call makes, and not too many for a peer to tell the next one's number

check_version()


class SharedConnection(GuardedConnection):
    """A connection whose 1-RTT packets are sealed and opened by two sides: aioquic and a native Connection.

    **No packet number is ever given out twice**: both take it from the one native counter, and native sending
    is barred while aioquic builds packets. The native lock is held from before aioquic reads any shared state
    until after it has written it back; frames that another thread left meanwhile are sealed on release and
    wait in `flushed` (where the plane has a socket of its own it sends them itself).
    """

    def __init__(
        self, *, connection: Connection, acks: AckPolicy, skip_seed: bytes = b"", **arguments: Any
    ) -> None:
        # Before aioquic's own: its constructor sets the packet number.
        self.connection = connection
        self.flushed: list[tuple[bytes, Address]] = []
        self._acks = acks
        self.shared_space = SharedSpace(connection)
        self._shown: tuple[object, ...] = ()
        self._native_heard_us = 0
        self._native_rtt: tuple[int, ...] = ()
        self._native_lost_us = 0
        self._sealed = 0  # by aioquic, under the present key
        self._integrity_limit = 0
        super().__init__(**arguments)
        if self.skips is not None:  # the native side does it: both take their numbers from there
            self.skips = None
            connection.set_skips(int.from_bytes(skip_seed or os.urandom(8)))
        connection.set_ack_policy(acks.every, acks.delay_ms)
        connection.set_own_frame_bytes(self._configuration.max_datagram_frame_size or 0)
        congestion = self._loss._cc
        if isinstance(congestion, SharedReno):
            congestion.other = connection

    # The packet number: aioquic reads it into its builder and writes it back, for all packet number spaces.

    @property
    def _packet_number(self) -> int:
        return self.connection.packet_number

    @_packet_number.setter
    def _packet_number(self, number: int) -> None:
        # aioquic begins again at 0 after a Version Negotiation packet. Nothing asks for that: it goes on.
        if number or not self._connect_called:
            self.connection.packet_number = number

    # The receive space, and the ACK delay that we promise.

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self._spaces[Epoch.ONE_RTT] = cast(QuicPacketSpace, self.shared_space)
        self._loss.spaces = list(self._spaces.values())

    def _serialize_transport_parameters(self) -> bytes:
        return promise_ack_delay(super()._serialize_transport_parameters(), self._acks.promised_ms)

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        # aioquic 1.7.2 reads the peer's and then keeps the default.
        self._remote_ack_delay_exponent = ack_delay_exponent(data)
        self.connection.set_ack_parameters(
            self._local_ack_delay_exponent,
            self._remote_ack_delay_exponent,
            round(self._loss.max_ack_delay * 1000),
        )
        # What a peer may delay are ACKs of audio. It acknowledges anything else at once, and a lost control
        # message must not wait 600 ms longer for its repair.
        self._loss.max_ack_delay = min(self._loss.max_ack_delay, AckPolicy.CONTROL_MS / 1000)

    # Keys: aioquic calls these whenever TLS or a key update, ours or the peer's, has set up one direction.

    def _log_key_updated(self, key_type: str, trigger: str) -> None:
        super()._log_key_updated(key_type, trigger)
        if not key_type.endswith("_1rtt_secret"):
            return
        pair = self._cryptos[Epoch.ONE_RTT]
        if key_type.startswith("client") == self._is_client:
            self.connection.set_send_key(keys.suite(pair.send), *keys.keys(pair.send), pair.send.key_phase)
            self._sealed = 0
        else:
            next_key, next_iv, _ = keys.following(pair.recv)
            self.connection.set_receive_key(
                keys.suite(pair.recv), *keys.keys(pair.recv), pair.recv.key_phase, next_key, next_iv
            )
            self._integrity_limit = keys.integrity_limit(pair.recv)

    def _log_key_retired(self, key_type: str, trigger: str) -> None:
        super()._log_key_retired(key_type, trigger)
        if key_type.endswith("_1rtt_secret"):
            self.connection.wipe()

    # What goes in and out. The lock is held, and time never lies before what the native side has seen.

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        """Also tells the native side what the packet has changed."""
        now = self._take(now)
        try:
            super().receive_datagram(data, addr, now)
        finally:
            self._give(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """With native sending barred: aioquic reads the packet number, builds, and writes it back."""
        now = self._take(now)
        connection = self.connection
        connection.flags = 0
        before = connection.packet_number
        connection.skip()
        try:
            if self._handshake_confirmed and self._close_event is None:
                self._keep_limits()
            return cast("list[tuple[bytes, Address]]", super().datagrams_to_send(now))
        except BaseException:
            connection.packet_number = before + _SKIPPED  # what was sealed in vain has used some up
            raise
        finally:
            self._sealed += connection.packet_number - before
            self._give(now)

    def handle_timer(self, now: float) -> None:
        """The idle timeout counts from the last packet, whoever took it in."""
        now = self._take(now)
        try:
            super().handle_timer(now)
        finally:
            self._give(now)

    def close(self, *arguments: Any, **named: Any) -> None:
        """Native sending and receiving end in this very call."""
        super().close(*arguments, **named)
        if self.connection.is_open:
            self.connection.flags = 0

    # Inside

    def _take(self, now: float) -> float:
        connection = self.connection
        connection.hold()
        heard_us = connection.received_us
        # aioquic encodes `now - time of arrival` as an unsigned number.
        now = max(now, heard_us / 1_000_000)
        if heard_us > self._native_heard_us:
            self._native_heard_us = heard_us
            if self._state is QuicConnectionState.CONNECTED and self._close_at is not None:
                self._close_at = max(self._close_at, heard_us / 1_000_000 + self._idle_timeout())
                self._ack_eliciting_sent_since_receipt = False
        if connection.in_flight_bytes:
            connection.detect_loss(to_us(now))
        rtt = connection.rtt_us
        if rtt != self._native_rtt and rtt[0] > 0:
            self._native_rtt = rtt
            self._learn_rtt(rtt, now)
        if connection.lost_sent_us > self._native_lost_us:
            self._native_lost_us = connection.lost_sent_us
            if isinstance(self._loss._cc, SharedReno):
                self._loss._cc.other_lost(sent_s=connection.lost_sent_us / 1_000_000, now_s=now)
        return now

    def _learn_rtt(self, rtt_us: tuple[int, ...], now: float) -> None:
        # aioquic samples only where the largest packet acknowledged is its own, which is rare beside audio.
        loss = self._loss
        smoothed_s, variance_s, least_s, latest_s = (max(each / 1_000_000, _LEAST_RTT_S) for each in rtt_us)
        if not loss._rtt_initialized:
            loss._rtt_initialized = True
            loss._rtt_first_sample_time = now
        loss._rtt_smoothed, loss._rtt_variance, loss._rtt_latest = smoothed_s, variance_s, latest_s
        loss._rtt_min = min(loss._rtt_min, least_s)

    def _keep_limits(self) -> None:
        """RFC 9001 section 6.6, which aioquic does not know: a key seals and fails to open only so often."""
        connection = self.connection
        if connection.stats.forged > self._integrity_limit:  # under all keys
            self.close(keys.AEAD_LIMIT_REACHED, QuicFrameType.PADDING, "too many packets did not open")
            return
        is_due = connection.wants_key_update or self._sealed >= connection.seal_limit // 2
        if is_due and not self._cryptos[Epoch.ONE_RTT]._update_key_requested:
            self.request_key_update()
            self.send_ping(UPDATE_PING)  # the update takes place with the next packet of aioquic's own

    def _give(self, now: float) -> None:
        try:
            self._show(now)
        finally:
            self.flushed += self.connection.release(to_us(now))

    def _show(self, now: float) -> None:
        """Tell the native side where the connection stands; what it may do follows from that."""
        connection = self.connection
        if (
            self._state is not QuicConnectionState.CONNECTED
            or not self._handshake_confirmed
            or self._close_event is not None
        ):
            connection.flags = 0
            return
        path = self._network_paths[0]
        frame_bytes = self._remote_max_datagram_frame_size or 0
        shown = (self._peer_cid.cid, path.addr, frame_bytes, self._max_datagram_size, self.host_cid)
        if shown != self._shown:
            self._shown = shown
            connection.set_peer(*shown[:-1])
            connection.set_own_cid(self.host_cid)
        connection.set_others(
            in_flight=(pn for pn, sent in self.shared_space.sent_packets.items() if sent.in_flight),
            window_bytes=self._loss.congestion_window,
            sealed=self._sealed,
        )
        connection.flags = TX | RX if path.is_validated else 0
        if not path.is_validated:
            self.shared_space.take_over(now)

    def _on_ack_received(
        self, *, ack_rangeset: RangeSet, ack_delay: float, now: float, space: QuicPacketSpace
    ) -> None:
        connection = self.connection
        top = ack_rangeset.bounds().stop
        if top > connection.packet_number:
            raise never_sent()
        if space is self._spaces[Epoch.ONE_RTT]:
            for each in ack_rangeset:
                is_largest = each.stop == top
                if not connection.acked(each.start, each.stop - 1, is_largest, to_us(ack_delay), to_us(now)):
                    raise never_sent()
            connection.detect_loss(to_us(now))
        super()._on_ack_received(ack_rangeset=ack_rangeset, ack_delay=ack_delay, now=now, space=space)


def largest_payload_bytes(quic: QuicConnection) -> int:
    """Bytes of the largest datagram that fits in a packet and that the peer accepts; 0 before that is known.

    aioquic never compares: one that does not fit stays at the head of its queue for ever and blocks the rest.
    """
    return datagram_payload_bytes(
        quic._max_datagram_size, len(quic._peer_cid.cid), quic._remote_max_datagram_frame_size or 0
    )


def pending_datagrams(quic: QuicConnection) -> deque[bytes]:
    """aioquic's own queue of datagrams that are not in a packet yet: unbounded, and ours to empty."""
    return quic._datagrams_pending


def backlog_bytes(quic: QuicConnection, stream_id: int) -> int:
    """Bytes written to a stream that the peer has not acknowledged, sent or not; 0 if it does not exist."""
    stream = quic._streams.get(stream_id)
    return 0 if stream is None else stream.sender._buffer_stop - stream.sender._buffer_start


def streams(quic: QuicConnection) -> Mapping[int, QuicStream]:
    """Every stream that has state, by id, whoever opened it."""
    return quic._streams


def has_work(quic: QuicConnection) -> bool:
    """Whether something was asked of aioquic that it has not sent yet, for any reason."""
    return bool(
        quic._close_pending
        or quic._ping_pending
        or quic._probe_pending
        or quic._retire_connection_ids
        or (isinstance(quic, GuardedConnection) and quic.return_token)
        or any(
            stream.sender.reset_pending or stream.receiver.stop_pending or not stream.sender.buffer_is_empty
            for stream in quic._streams.values()
        )
    )


def is_scattered(quic: QuicConnection) -> bool:
    """Whether a stream came in more pieces, or with more missing, than the limits allow."""
    return isinstance(quic, GuardedConnection) and quic.scattered


def give_token(quic: QuicConnection, token: bytes) -> None:
    """Send it with the next packet, and again where that is lost."""
    if isinstance(quic, GuardedConnection):
        quic.return_token = token


def given_token(quic: QuicConnection) -> bytes:
    """What the server has sent of that kind last."""
    return quic.received_token if isinstance(quic, GuardedConnection) else b""


def heard_nothing(quic: QuicConnection) -> bool:
    """True as long as no packet of the peer was decrypted: the connection may be based on garbage."""
    return quic._state is QuicConnectionState.FIRSTFLIGHT


def ending(quic: QuicConnection) -> Ending | None:
    """The end of the connection as soon as it is decided, or None while it lives.

    The public ConnectionTerminated event comes only when the closing or draining period is over.
    """
    event = quic._close_event
    if event is None:
        return None
    return Ending(
        code=int(event.error_code),
        reason=event.reason_phrase,
        transport=event.frame_type is not None,
        by_peer=quic._state is QuicConnectionState.DRAINING,
        terminated=quic._state is QuicConnectionState.TERMINATED,
    )


def peer_certificate_der(quic: QuicConnection) -> bytes | None:
    """The server's leaf certificate as DER once the handshake is complete (clients only)."""
    tls = getattr(quic, "tls", None)
    certificate = None if tls is None else tls._peer_certificate
    return None if certificate is None else cast(bytes, certificate.public_bytes(Encoding.DER))


def smoothed_rtt_s(quic: QuicConnection) -> float:
    """Smoothed round-trip time in seconds (RFC 9002 section 5.3), 0 before the first sample."""
    return quic._loss._rtt_smoothed


def packets_in_flight(quic: QuicConnection) -> int:
    """Packets that are neither acknowledged nor lost."""
    return sum(space.ack_eliciting_in_flight for space in quic._loss.spaces)
