"""Link: one QUIC connection without socket, event loop or clock."""

from __future__ import annotations

from collections import deque
from typing import Self

from aioquic.quic import events as quic_events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from signaling.quic import bridge
from signaling.quic.bridge_guards import limit_streams
from signaling.quic.carrier import carrier, client_side, server_side
from signaling.quic.errors import TooSlow
from signaling.quic.events import (
    CLOSE_DONE,
    CLOSE_PROTOCOL_ERROR,
    Audio,
    Cause,
    Closed,
    ControlData,
    Established,
    LinkEvent,
)
from signaling.quic.farewell import Farewell
from signaling.quic.limits import Address, LinkLimits, LinkStats
from signaling.quic.streams import CONTROL_STREAM, StreamGuard
from spacecore._plane import Connection, Plane

__all__ = ["Address", "Link", "LinkLimits", "LinkStats"]

NO_COMMON_PROTOCOL = 0x178  # TLS alert no_application_protocol as a QUIC error, RFC 9001 section 8.1
PROTOCOL_VIOLATION = 0xA  # RFC 9000 section 20.1
LIFE_PING = 0
_REASON_BYTES = 200  # a longer reason does not fit in aioquic's close packet, which then raises


class Link:
    """One QUIC connection: control on stream 0, audio in datagrams. No socket, no loop, no clock.

    Inputs: `receive`, `on_timer`, `send_stream`, `send_audio`, `ping`, `close`. After any of them call
    `take_events` and `take_datagrams`, send what the latter returns, and call `on_timer` at `timer()`. Times
    are seconds of any monotonic clock; one that goes back is held. Not thread-safe: one loop drives a link.

    **What never happens:** an audio datagram that cannot be sent never waits inside aioquic, where it would
    block those behind it; more than `audio_queue` datagrams never wait; no event follows Closed.

    A stream's receive window is `max_stream_data_bytes` beyond what was delivered, so no peer makes us hold
    more of it; the connection's starts at `max_data_bytes` and grows. Data after a gap is held in at most
    `fragments` pieces.

    With a plane, packets of audio and their acknowledgements are sealed and opened natively as soon as the
    handshake is confirmed, and `connection` is what a fan-out sends by; without one aioquic does everything.
    """

    def __init__(
        self, quic: QuicConnection, limits: LinkLimits, *, is_client: bool, acknowledges: bool = True
    ) -> None:
        self.limits = limits
        self.stats = LinkStats()
        self.is_client = is_client
        self.closed: Closed | None = None
        self.established = False
        self._quic = quic
        self._alpn = quic.configuration.alpn_protocols
        self._now_s = float("-inf")
        self._audio: deque[bytes] = deque()
        self._events: list[LinkEvent] = []
        self._cid_changes: list[tuple[bool, bytes]] = []
        self._guard = StreamGuard(quic, limits, self.stats, is_client=is_client)
        self._terminated = False
        self._ping_out = False
        self._farewell = Farewell()
        self._carrier = carrier(quic, self.stats, acknowledges=acknowledges)
        limit_streams(quic, limits)

    @classmethod
    def accept(
        cls,
        configuration: QuicConfiguration,
        limits: LinkLimits,
        *,
        original_cid: bytes,
        retry_cid: bytes | None = None,
        plane: Plane | None = None,
        acknowledges: bool = True,
        skip_seed: bytes = b"",
    ) -> Self:
        """The server's side of a connection whose first Initial is about to be given to `receive`.

        `original_cid` is the destination connection id of the client's very first Initial; `retry_cid` the id
        that a Retry gave it, if there was one (RFC 9000 section 7.3). Where a fan-out also acknowledges what
        this link has received, `acknowledges` is False. `skip_seed`: of numbers left
        out. Raises PlaneError (`too_many_connections`).
        """
        quic = server_side(configuration, original_cid, retry_cid, plane, skip_seed)
        return cls(quic, limits, is_client=False, acknowledges=acknowledges)

    @classmethod
    def dial(
        cls,
        configuration: QuicConfiguration,
        limits: LinkLimits,
        *,
        remote: Address,
        now_s: float,
        plane: Plane | None = None,
        return_token: bytes = b"",
    ) -> Self:
        """The client's side: the handshake begins with the next `take_datagrams`.

        `return_token`: what an earlier connection to the same server was given.
        """
        configuration.token = return_token
        quic = client_side(configuration, plane)
        link = cls(quic, limits, is_client=True)
        quic.connect(remote, link._advance(now_s))
        return link

    # Inputs

    def receive(self, data: bytes, address: Address, now_s: float, *, native_first: bool = True) -> None:
        """Take one UDP payload. Bytes that are no packet of this connection change nothing.

        `native_first` is False for a packet that the native side has seen already and has not dealt with.
        """
        now_s = self._advance(now_s)
        self.stats.packets_in += 1
        if self.closed is not None:
            if not self.closed.by_peer:
                self._farewell.on_packet()
            return
        if self._terminated:
            return
        audio = self._carrier.receive(data, address, now_s, native_first=native_first)
        if audio is None:
            self.violated()
            return
        self.stats.audio_in += len(audio)
        self._events += [Audio(datagram) for datagram in audio]
        self._collect()

    def on_timer(self, now_s: float) -> None:
        """To be called when `timer()` is due; earlier is harmless."""
        if self.timer() is None:
            return
        self._carrier.on_timer(self._advance(now_s))
        self._collect()

    def violated(self) -> None:
        """The native side has read an ACK of a packet that was never sent (RFC 9000 section 13.1): close."""
        self.close(PROTOCOL_VIOLATION, "ACK of a packet that was never sent", transport=True)

    def wake(self) -> None:
        """aioquic has something to do that only the native side knew of, such as a key update."""
        self._carrier.wake()

    def send_stream(self, data: bytes) -> bool:
        """Queue control data. False if there is no control stream (yet, or any more): nothing was queued.

        Raises TooSlow, with nothing queued, when more than `control_backlog_bytes` would wait for the peer.
        The server's side can write once the client has opened the stream by sending something.
        """
        if self.closed is not None or not self.established:
            return False
        if not self.is_client and CONTROL_STREAM not in bridge.streams(self._quic):
            return False
        backlog = bridge.backlog_bytes(self._quic, CONTROL_STREAM) + len(data)
        if backlog > self.limits.control_backlog_bytes:
            raise TooSlow(backlog, self.limits.control_backlog_bytes)
        self._quic.send_stream_data(CONTROL_STREAM, data)
        self.stats.control_bytes_out += len(data)
        return True

    def send_audio(self, datagram: bytes) -> bool:
        """Queue one datagram; False if it was refused (see `audio_oversized`, `audio_unready`).

        A full queue drops its oldest datagram and counts it: late audio is worth less than new audio.
        """
        if self.closed is not None or not self.established:
            self.stats.audio_unready += 1
            return False
        if len(datagram) > bridge.largest_payload_bytes(self._quic):
            self.stats.audio_oversized += 1
            return False
        if len(self._audio) >= self.limits.audio_queue:
            self._audio.popleft()
            self.stats.audio_dropped += 1
        self._audio.append(datagram)
        return True

    def ping(self) -> None:
        """Ask for a sign of life, which also keeps the path open; does nothing while one is on its way."""
        if self.established and self.closed is None and not self._ping_out:
            self._ping_out = True
            self._quic.send_ping(LIFE_PING)

    def give_return_token(self, token: bytes) -> None:
        """Send a token to come back with, as often as it takes to arrive; a later one replaces it."""
        if self.established and self.closed is None:
            bridge.give_token(self._quic, token)
            self._carrier.wake()

    def close(self, code: int, reason: str = "", *, transport: bool = False) -> None:
        """Close with an application code (or a QUIC error code if `transport`). Only the first close counts.

        The peer learns the code at once if the handshake is complete; before that RFC 9000 section 10.2.3
        lets it see APPLICATION_ERROR only. The reason is cut to 200 bytes of UTF-8.
        """
        if self.closed is not None:
            return
        reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        # aioquic takes a frame type (0, "unknown") as the mark of a transport error.
        self._quic.close(error_code=code, frame_type=0 if transport else None, reason_phrase=reason)
        cause = Cause.TRANSPORT if transport else Cause.APPLICATION
        self._end(Closed(code, reason, by_peer=False, cause=cause))

    def lose(self, closed: Closed) -> None:
        """The socket is gone: nothing can be sent any more, not even a close."""
        if self.closed is None:
            self._end(closed)
        self._terminated = True

    def forget(self) -> None:
        """Nobody will call the link again: its place in the plane is free."""
        self._terminated = True
        self._carrier.forget()

    # Outputs

    def take_datagrams(self, now_s: float) -> list[tuple[bytes, Address]]:
        """The UDP payloads to send now, each with its destination, in order."""
        if self._terminated or self._quic.get_peer_address() is None:
            return []
        packets = self._carrier.send(self._audio, self._advance(now_s))
        if self.closed is not None:
            packets = self._farewell.packets(packets)
        self.stats.packets_out += len(packets)
        self._collect()
        return packets

    def take_events(self) -> list[LinkEvent]:
        """What happened since the last call, in order."""
        if not self._events:
            return []
        taken, self._events = self._events, []
        return taken

    def take_cid_changes(self) -> list[tuple[bool, bytes]]:
        """Connection ids that packets to this link may carry from now on (True) or no longer (False)."""
        if not self._cid_changes:
            return []
        taken, self._cid_changes = self._cid_changes, []
        return taken

    def timer(self) -> float | None:
        """When `on_timer` wants to be called, or None."""
        if self._terminated or self._quic.get_peer_address() is None:
            return None
        return self._carrier.timer()

    # What can be asked at any time

    @property
    def terminated(self) -> bool:
        """Nothing will ever be sent again and arriving packets mean nothing: forget the link."""
        return self._terminated or (self.closed is not None and self._quic.get_peer_address() is None)

    @property
    def heard_nothing(self) -> bool:
        """No packet of the peer was decrypted yet."""
        return bridge.heard_nothing(self._quic)

    @property
    def connection(self) -> Connection | None:
        """The native connection, for a fan-out; None without a plane."""
        return self._carrier.connection

    @property
    def host_cid(self) -> bytes:
        """The connection id that the peer puts on packets to us."""
        return self._quic.host_cid

    @property
    def peer_address(self) -> Address | None:
        """Where packets go at present; it can change when the peer moves."""
        return self._quic.get_peer_address()

    @property
    def peer_certificate_der(self) -> bytes | None:
        """The server's leaf certificate, on a client whose handshake is complete."""
        return bridge.peer_certificate_der(self._quic)

    @property
    def max_audio_bytes(self) -> int:
        """The largest datagram that `send_audio` takes at present; 0 if the peer takes none."""
        return bridge.largest_payload_bytes(self._quic)

    @property
    def control_backlog_bytes(self) -> int:
        """Control data that the peer has not acknowledged."""
        return bridge.backlog_bytes(self._quic, CONTROL_STREAM)

    @property
    def return_token(self) -> bytes:
        """The latest token that the server has given, on a client."""
        return bridge.given_token(self._quic)

    @property
    def audio_waiting(self) -> int:
        """Datagrams in the queue."""
        return len(self._audio)

    @property
    def packets_in_flight(self) -> int:
        """Packets that aioquic sent and that are neither acknowledged nor lost; native ones do not count."""
        return bridge.packets_in_flight(self._quic)

    @property
    def rtt_s(self) -> float:
        """Smoothed round-trip time, 0 before the first sample."""
        return bridge.smoothed_rtt_s(self._quic)

    # Inside

    def _advance(self, now_s: float) -> float:
        # aioquic encodes `now - time of arrival` as an unsigned number: a clock that steps back would raise.
        self._now_s = now_s = max(self._now_s, now_s)
        return now_s

    def _collect(self) -> None:
        """Turn aioquic's events into ours."""
        quic = self._quic
        event = quic.next_event()
        while event is not None:
            if isinstance(event, quic_events.ConnectionIdIssued):
                self._cid_changes.append((True, event.connection_id))
            elif isinstance(event, quic_events.ConnectionIdRetired):
                self._cid_changes.append((False, event.connection_id))
            elif isinstance(event, quic_events.ConnectionTerminated):
                self._terminated = True
            elif self.closed is None:
                self._on_event(event)
            event = quic.next_event()
        if self.closed is None:
            fault = self._guard.fault()
            if fault is not None:
                self.close(CLOSE_PROTOCOL_ERROR, fault)
        if self.closed is None:
            self._notice_ending()

    def _on_event(self, event: quic_events.QuicEvent) -> None:
        if isinstance(event, quic_events.DatagramFrameReceived):
            self.stats.audio_in += 1
            self._events.append(Audio(event.data))
        elif isinstance(event, quic_events.StreamDataReceived):
            if event.stream_id == CONTROL_STREAM:
                self._on_control(event.data, event.end_stream)
        elif isinstance(event, quic_events.PingAcknowledged):
            self._ping_out &= event.uid != LIFE_PING
        elif isinstance(event, quic_events.HandshakeCompleted):
            self._on_handshake(event.alpn_protocol)
        elif (
            isinstance(event, quic_events.StreamReset | quic_events.StopSendingReceived)
            and event.stream_id == CONTROL_STREAM
        ):
            self.close(CLOSE_PROTOCOL_ERROR, "the control stream was reset; close the connection instead")

    def _on_control(self, data: bytes, end: bool) -> None:
        if data:
            self.stats.control_bytes_in += len(data)
            self._events.append(ControlData(data))
        if end:
            self.close(CLOSE_DONE, "the control stream was ended")

    def _on_handshake(self, alpn: str | None) -> None:
        if self._alpn and alpn not in self._alpn:
            self.close(NO_COMMON_PROTOCOL, f"this side speaks {', '.join(self._alpn)}", transport=True)
            return
        self.established = True
        self._events.append(Established())

    def _notice_ending(self) -> None:
        """Report a close by the peer, by the idle timeout or for a violation as soon as it is decided."""
        ending = bridge.ending(self._quic)
        if ending is None:
            return
        if ending.terminated and ending.reason == "Idle timeout":
            reason = f"nothing was heard for up to {self.limits.idle_timeout_s:g} s"
            self._end(Closed(0, reason, by_peer=False, cause=Cause.IDLE))
            return
        cause = Cause.TRANSPORT if ending.transport else Cause.APPLICATION
        self._end(Closed(ending.code, ending.reason, by_peer=ending.by_peer, cause=cause))

    def _end(self, closed: Closed) -> None:
        self.closed = closed
        self._audio.clear()
        self._events.append(closed)
