"""How a link's packets are made and read: by aioquic alone, or natively where they hold nothing but audio."""

from __future__ import annotations

from collections import deque
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from signaling.quic import bridge
from signaling.quic.bridge_guards import GuardedConnection
from signaling.quic.limits import CLIENT_ACKS, SERVER_ACKS, Address, LinkStats
from signaling.quic.shared_space import to_us
from spacecore._plane import DONE, DROP, TX, VIOLATION, Connection, Plane

__all__ = ["Carrier", "NativeCarrier", "Packets", "carrier", "client_side", "server_side"]

Packets = list[tuple[bytes, Address]]

_LONG_HEADER = 0x80


class Carrier:
    """aioquic alone. Times never go back; whatever is called, call `send` afterwards."""

    connection: Connection | None = None

    def __init__(self, quic: QuicConnection, stats: LinkStats) -> None:
        self._quic = quic
        self._stats = stats

    def receive(
        self, data: bytes, address: Address, now_s: float, *, native_first: bool
    ) -> list[bytes] | None:
        """Take one UDP payload: the audio that aioquic did not see; None if the peer broke the protocol."""
        self._quic.receive_datagram(data, address, now_s)
        return []

    def send(self, audio: deque[bytes], now_s: float) -> Packets:
        """The packets to send now. What of the queue cannot be sent yet stays in it."""
        quic, stats = self._quic, self._stats
        # The limit may have shrunk since the datagram was queued: the peer can change to a longer id.
        largest = bridge.largest_payload_bytes(quic)
        for datagram in audio:
            if len(datagram) <= largest:
                quic.send_datagram_frame(datagram)
                stats.audio_out += 1
            else:
                stats.audio_oversized += 1
        audio.clear()
        packets: Packets = quic.datagrams_to_send(now_s)
        waiting = bridge.pending_datagrams(quic)
        stats.audio_out -= len(waiting)
        audio.extend(waiting)
        waiting.clear()
        return packets

    def on_timer(self, now_s: float) -> None:
        """`timer` is due, or not yet."""
        self._quic.handle_timer(now_s)

    def timer(self) -> float | None:
        """When `on_timer` wants to be called."""
        at_s: float | None = self._quic.get_timer()
        return at_s

    def wake(self) -> None:
        """Ask aioquic at the next `send`, whether it seems to have anything to say or not."""

    def forget(self) -> None:
        """The link is gone: nothing here is called again."""


class NativeCarrier(Carrier):
    """The native connection first. aioquic is only asked where it may have an answer: a question costs 50 µs.

    Until the handshake is confirmed, and while the peer's address is not validated, aioquic does everything.
    """

    def __init__(self, quic: bridge.SharedConnection, stats: LinkStats, *, acknowledges: bool) -> None:
        super().__init__(quic, stats)
        self.connection: Connection = quic.connection
        self._shared = quic
        self._acknowledges = acknowledges
        self._is_due = True
        self._quic_at: float | None = None

    def receive(
        self, data: bytes, address: Address, now_s: float, *, native_first: bool
    ) -> list[bytes] | None:
        """As Carrier. `native_first` is False for a packet that others have tried natively."""
        if native_first and data and not data[0] & _LONG_HEADER:
            verdict, datagrams = self.connection.receive(data, address, to_us(now_s))
            if verdict in (DONE, DROP):
                return datagrams
            if verdict == VIOLATION:
                return None
        self._quic.receive_datagram(data, address, now_s)
        self._touched()
        return []

    def send(self, audio: deque[bytes], now_s: float) -> Packets:
        """Audio as far as the congestion window allows, an ACK if one is due, and what aioquic has."""
        quic, connection = self._shared, self.connection
        packets, quic.flushed = quic.flushed, []
        address: Address = quic.get_peer_address() or ()  # a link asks for nothing before it has a peer
        self._seal(audio, address, to_us(now_s), packets)
        due_s = self._ack_due_s()
        if due_s is not None and due_s <= now_s:
            sealed = connection.acknowledge(to_us(now_s))
            if sealed is not None:
                quic.shared_space.settled()
                packets.append((sealed, address))
        is_barred = not connection.flags & TX
        if self._is_due or (audio and is_barred) or connection.wants_key_update or bridge.has_work(quic):
            packets += super().send(audio if is_barred else deque(), now_s)
            self._is_due = False
            self._quic_at = quic.get_timer()
        return packets

    def on_timer(self, now_s: float) -> None:
        """Only an ACK may be due, which `send` makes."""
        self._quic_at = self._quic.get_timer()
        if self._quic_at is not None and self._quic_at <= now_s:
            self._quic.handle_timer(now_s)
            self._touched()

    def timer(self) -> float | None:
        """When aioquic or an ACK is due."""
        ack_at_s = self._ack_due_s()
        if ack_at_s is None or (self._quic_at is not None and self._quic_at < ack_at_s):
            return self._quic_at
        return ack_at_s

    def wake(self) -> None:
        """Such as for a key update, which the native side asks for."""
        self._is_due = True

    def forget(self) -> None:
        """The place in the plane is free."""
        self.connection.close()

    def _seal(self, audio: deque[bytes], address: Address, now_us: int, packets: Packets) -> None:
        connection = self.connection
        while audio and connection.flags & TX:
            sealed = connection.seal(audio[0], now_us)
            if sealed is not None:
                packets.append((sealed, address))
                self._stats.audio_out += 1
            elif len(audio[0]) <= connection.largest_payload_bytes:
                break  # the window is full: it waits, and the oldest is dropped where the queue is full too
            else:
                self._stats.audio_oversized += 1
            audio.popleft()

    def _ack_due_s(self) -> float | None:
        """When a native ACK is due: it costs a fiftieth of aioquic's, so it serves for its packets too."""
        connection = self.connection
        if not connection.flags & TX:
            return None
        due_us, asked_s = connection.ack_due_us, self._shared.shared_space.ack_at
        if due_us is None or not self._acknowledges:
            return asked_s
        due_s = due_us / 1_000_000
        return due_s if asked_s is None else min(due_s, asked_s)

    def _touched(self) -> None:
        self._is_due = True
        self._quic_at = self._quic.get_timer()


def carrier(quic: QuicConnection, stats: LinkStats, *, acknowledges: bool) -> Carrier:
    """The carrier for either kind of connection."""
    if isinstance(quic, bridge.SharedConnection):
        return NativeCarrier(quic, stats, acknowledges=acknowledges)
    return Carrier(quic, stats)


def server_side(
    configuration: QuicConfiguration,
    original_cid: bytes,
    retry_cid: bytes | None,
    plane: Plane | None,
    skip_seed: bytes,
) -> QuicConnection:
    """A connection that waits for its client's first Initial. Raises PlaneError (`too_many_connections`)."""
    arguments: dict[str, Any] = {
        "configuration": configuration,
        "original_destination_connection_id": original_cid,
        "retry_source_connection_id": retry_cid,
        "skip_seed": skip_seed,
    }
    if plane is None:
        return GuardedConnection(**arguments)
    return bridge.SharedConnection(connection=plane.open(), acks=SERVER_ACKS, **arguments)


def client_side(configuration: QuicConfiguration, plane: Plane | None) -> QuicConnection:
    """A connection to `connect`. Raises PlaneError (`too_many_connections`)."""
    if plane is None:
        return GuardedConnection(configuration=configuration)
    connection = plane.open(is_client=True)
    return bridge.SharedConnection(connection=connection, acks=CLIENT_ACKS, configuration=configuration)
