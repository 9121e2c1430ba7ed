"""A connection of aioquic's that a peer cannot make hold or do more than it pays for.

Beside `bridge` the only module that names private state of aioquic; what is said there holds here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, cast

from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    QuicConnection,
    QuicConnectionError,
    QuicReceiveContext,
    stream_is_client_initiated,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.rangeset import RangeSet
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

from signaling.quic.limits import LinkLimits
from signaling.quic.skips import Skips

__all__ = ["CHALLENGES_KEPT", "GuardedConnection", "limit_streams", "never_sent"]

CHALLENGES_KEPT = 4
"""Path challenges that wait for their answer; further ones are passed over, as a lost packet's would be."""

_STREAM_CREDIT_BYTES = 1 + 2 * 8  # a MAX_STREAM_DATA frame: its type and two numbers, RFC 9000 section 19.10
_TOKEN_HEAD_BYTES = 1 + 2  # a NEW_TOKEN frame: its type and a length, RFC 9000 section 19.7
_CHALLENGE_BYTES = 8
_LENGTH_BIT, _OFFSET_BIT = 2, 4  # of a STREAM frame's type, RFC 9000 section 19.8


class GuardedConnection(QuicConnection):
    """Credit follows what was delivered, gaps of a stream are few and small, and ACKs are not just believed.

    aioquic doubles windows without a ceiling and fills the gap before early data with zeros: 14 packets of
    one byte took 512 MiB. It also takes an ACK of a packet that was never sent as good news about the path;
    here a number is skipped now and then (RFC 9000 section 21.4), and whoever acknowledges it, or what lies
    ahead, is closed with PROTOCOL_VIOLATION.
    """

    def __init__(self, skip_seed: bytes = b"", **arguments: Any) -> None:
        self.limits = LinkLimits()
        self.scattered = False
        """A stream came in too many pieces or with too large a gap: nothing more of any is taken in."""
        self.return_token = b""
        """To be given to the peer with a NEW_TOKEN frame; empty where it has it already."""
        self.received_token = b""
        """The latest one that the server has given to us."""
        self.skips: Skips | None = None
        if arguments["configuration"].is_client:
            arguments["token_handler"] = self._keep_token
        super().__init__(**arguments)
        if not self._is_client:
            self.skips = Skips(skip_seed or os.urandom(8))
        # An instance attribute stands before the method, so every ACK that aioquic parses passes here first.
        self._take_ack: Callable[..., None] = self._loss.on_ack_received
        self._loss.on_ack_received = self._on_ack_received  # type: ignore[method-assign]

    # What goes out

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Any]]:
        """A number is left out now and then."""
        if self.skips is not None:
            self._packet_number = self.skips.next(self._packet_number)
        return super().datagrams_to_send(now)

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        window_bytes = self._configuration.max_stream_data
        credit = stream.receiver.starting_offset() + window_bytes
        # Half a window at a time. 0 is a stream of our own that only we write to.
        if stream.max_stream_data_local and credit - stream.max_stream_data_local >= window_bytes // 2:
            stream.max_stream_data_local = credit
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            frame = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=_STREAM_CREDIT_BYTES,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            frame.push_uint_var(cast(int, stream.stream_id))
            frame.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        limit, window_bytes = self._local_max_data, self._configuration.max_data
        held_bytes = sum(
            stream.receiver.highest_offset - stream.receiver.starting_offset()
            for stream in self._streams.values()
            if not stream.receiver.is_finished
        )
        credit = limit.used - held_bytes + window_bytes
        if credit - limit.value >= window_bytes // 2:
            limit.value = credit
        used, limit.used = limit.used, 0  # else aioquic would double the window once half of it was used
        try:
            super()._write_connection_limits(builder, space)
        finally:
            limit.used = used
        self._write_return_token(builder)

    def _write_return_token(self, builder: QuicPacketBuilder) -> None:
        token = self.return_token
        if not token:
            return
        frame = builder.start_frame(
            QuicFrameType.NEW_TOKEN,
            capacity=_TOKEN_HEAD_BYTES + len(token),
            handler=self._on_return_token_delivery,
            handler_args=(token,),
        )
        frame.push_uint_var(len(token))
        frame.push_bytes(token)
        self.return_token = b""

    def _on_return_token_delivery(self, delivery: QuicDeliveryState, token: bytes) -> None:
        if delivery is not QuicDeliveryState.ACKED and not self.return_token:
            self.return_token = token

    # What comes in

    def _handle_stream_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        """Looked at before a byte is kept: the gap before early data is memory that nobody has paid for."""
        at = buf.tell()
        stream_id = buf.pull_uint_var()
        offset = buf.pull_uint_var() if frame_type & _OFFSET_BIT else 0
        if self.scattered or self._is_scattered(stream_id, offset):
            self.scattered = True
            length = buf.pull_uint_var() if frame_type & _LENGTH_BIT else buf.capacity - buf.tell()
            buf.pull_bytes(length)
            return
        buf.seek(at)
        super()._handle_stream_frame(context, frame_type, buf)

    def _is_scattered(self, stream_id: int, offset: int) -> bool:
        """Whether a piece that begins there makes one piece too many, or too much is missing before it."""
        stream = self._streams.get(stream_id)
        if stream is None:
            # One of our own that is gone, or of the peer's that begins: only the latter has no bytes yet.
            theirs = stream_is_client_initiated(stream_id) != self._is_client
            return theirs and offset > self.limits.gap_bytes and not self._stream_is_discarded(stream_id)
        return self._is_apart(stream, offset)

    def _is_apart(self, stream: QuicStream, offset: int) -> bool:
        """Whether a piece that begins there is one too many, or too far from what has come."""
        receiver = stream.receiver
        if receiver.is_finished or offset <= receiver.starting_offset():
            return False
        pieces = receiver._ranges
        if len(pieces) >= self.limits.fragments and not any(
            each.start <= offset <= each.stop for each in pieces
        ):
            return True
        if offset <= receiver.highest_offset:
            return False
        held_bytes = sum(each.stop - each.start for each in pieces)
        return offset - receiver.starting_offset() - held_bytes > self.limits.gap_bytes

    def _handle_crypto_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        """The same of the handshake, which any stranger can begin: aioquic holds 512 KiB of each."""
        at = buf.tell()
        offset = buf.pull_uint_var()
        if self._is_apart(self._crypto_streams[context.epoch], offset):
            raise QuicConnectionError(
                error_code=QuicErrorCode.CRYPTO_BUFFER_EXCEEDED,
                frame_type=frame_type,
                reason_phrase="the handshake came in too many pieces; send it in order",
            )
        buf.seek(at)
        super()._handle_crypto_frame(context, frame_type, buf)

    def _handle_path_challenge_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        if len(context.network_path.remote_challenges) < CHALLENGES_KEPT:
            super()._handle_path_challenge_frame(context, frame_type, buf)
        else:
            buf.pull_bytes(_CHALLENGE_BYTES)

    def _keep_token(self, token: bytes) -> None:
        self.received_token = token

    def _on_ack_received(
        self, *, ack_rangeset: RangeSet, ack_delay: float, now: float, space: QuicPacketSpace
    ) -> None:
        top = ack_rangeset.bounds().stop
        skipped = self.skips is not None and any(self.skips.within(each) for each in ack_rangeset)
        if skipped or top > self._packet_number:
            raise never_sent()
        self._take_ack(ack_rangeset=ack_rangeset, ack_delay=ack_delay, now=now, space=space)


def never_sent() -> QuicConnectionError:
    """What an ACK that cannot be honest is answered with (RFC 9000 section 13.1)."""
    return QuicConnectionError(
        error_code=QuicErrorCode.PROTOCOL_VIOLATION,
        frame_type=QuicFrameType.ACK,
        reason_phrase="ACK of a packet that was never sent",
    )


def limit_streams(quic: QuicConnection, limits: LinkLimits) -> None:
    """Say how much the peer may open (aioquic: 128 streams each way). Before the first packet only."""
    quic._local_max_streams_bidi.value = quic._local_max_streams_bidi.sent = limits.peer_streams
    quic._local_max_streams_uni.value = quic._local_max_streams_uni.sent = 0
    if isinstance(quic, GuardedConnection):
        quic.limits = limits
