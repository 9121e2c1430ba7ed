"""The one module that names private state of aioquic: what is read, why, and which versions were tested.

`tests/signaling/test_quic_contract.py` holds every name and every behaviour used here. After an upgrade of
aioquic read the diff of `quic/connection.py`, run that test, and only then add it to TESTED_VERSIONS.

Why each is needed (aioquic 1.7.2, quic/connection.py):
- `_remote_max_datagram_frame_size`, `_max_datagram_size`, `_peer_cid`: aioquic never compares a datagram with
  them when sending; one that does not fit stays at the head of `_datagrams_pending` for ever and blocks the
  rest.
- `_datagrams_pending`: unbounded; what could not be sent at once is taken back into our bounded queue.
- `_streams[..].sender._buffer_start/_buffer_stop`: the bytes of a stream that are not acknowledged yet.
- `_streams`, `_local_max_streams_*`: streams that the peer opened, and how many it may open.
- `_write_stream_limits`, `_streams[..].receiver`: aioquic doubles a stream's window without a ceiling and
  fills the gap before early data with zeros: 14 packets of one byte took 512 MiB.
- `_state`, `_close_event`: aioquic announces the peer's close only after the draining period (three PTO).
- `tls._peer_certificate`: the leaf certificate that a pin is compared with.
- `_loss._rtt_smoothed`: for statistics.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import aioquic
from aioquic.quic.connection import QuicConnection, QuicConnectionState
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import PACKET_NUMBER_SEND_SIZE, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from cryptography.hazmat.primitives.serialization import Encoding

from signaling.quic.errors import AioquicError

__all__ = [
    "TESTED_VERSIONS",
    "Ending",
    "FixedWindows",
    "backlog_bytes",
    "check_version",
    "ending",
    "fragments",
    "heard_nothing",
    "largest_payload_bytes",
    "limit_streams",
    "peer_certificate_der",
    "pending_datagrams",
    "smoothed_rtt_s",
    "streams",
]

TESTED_VERSIONS = ("1.7.2",)

_SHORT_HEADER_BYTES = 1 + PACKET_NUMBER_SEND_SIZE
_STREAM_CREDIT_BYTES = 1 + 2 * 8  # a MAX_STREAM_DATA frame: its type and two numbers, RFC 9000 section 19.10
_AEAD_TAG_BYTES = 16  # of every cipher suite of TLS 1.3 that QUIC may use, RFC 9001 section 5.3


class FixedWindows(QuicConnection):
    """A connection whose streams have a window of fixed size: credit follows what was delivered.

    So no more than `max_stream_data` bytes of a stream are ever held, with all gaps. The window of the whole
    connection still grows as aioquic lets it: with so few streams it bounds nothing more.
    """

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


def check_version(version: str = aioquic.__version__) -> None:
    """Refuse an aioquic that was not tested; raises AioquicError (code `aioquic_version`)."""
    if version not in TESTED_VERSIONS:
        raise AioquicError(
            "aioquic_version",
            f"aioquic {version} is installed; only the inside of {', '.join(TESTED_VERSIONS)} is known here. "
            f'Install it:  pip install "aioquic=={TESTED_VERSIONS[-1]}"',
        )


def largest_payload_bytes(quic: QuicConnection) -> int:
    """Bytes of the largest datagram payload that fits in one packet and that the peer accepts.

    0 if the peer does not take datagrams, or before its transport parameters arrived. The packet: a short
    header (1 byte, the peer's connection id, the packet number), one DATAGRAM frame (type, length, payload;
    RFC 9221 section 4) and the AEAD tag. With 8-byte ids and 1,200-byte packets this is 1,170.
    """
    peer_frame_bytes = quic._remote_max_datagram_frame_size
    if not peer_frame_bytes:
        return 0
    packet_bytes = quic._max_datagram_size - _SHORT_HEADER_BYTES - len(quic._peer_cid.cid) - _AEAD_TAG_BYTES
    frame_bytes = min(packet_bytes, peer_frame_bytes)
    for length_bytes, largest in ((1, 63), (2, 16383)):
        if frame_bytes - 1 - length_bytes <= largest:
            return max(frame_bytes - 1 - length_bytes, 0)
    return frame_bytes - 5


def pending_datagrams(quic: QuicConnection) -> deque[bytes]:
    """aioquic's own queue of datagrams that are not in a packet yet; ours to empty."""
    return quic._datagrams_pending


def backlog_bytes(quic: QuicConnection, stream_id: int) -> int:
    """Bytes written to a stream that the peer has not acknowledged, sent or not; 0 if it does not exist."""
    stream = quic._streams.get(stream_id)
    if stream is None:
        return 0
    return stream.sender._buffer_stop - stream.sender._buffer_start


def streams(quic: QuicConnection) -> Mapping[int, QuicStream]:
    """Every stream that has state, by id, whoever opened it."""
    return quic._streams


def fragments(quic: QuicConnection) -> int:
    """Pieces of one stream that wait for what belongs before them, of the stream with the most.

    aioquic goes through them one by one for each frame: with 12,000 a packet cost 58 ms.
    """
    return max((len(stream.receiver._ranges) for stream in quic._streams.values()), default=0)


def limit_streams(quic: QuicConnection, bidirectional: int, unidirectional: int) -> None:
    """Say how many streams the peer may open (aioquic: 128 each). Before the first packet only."""
    for limit, count in (
        (quic._local_max_streams_bidi, bidirectional),
        (quic._local_max_streams_uni, unidirectional),
    ):
        limit.value = limit.sent = count


def heard_nothing(quic: QuicConnection) -> bool:
    """True as long as no packet of the peer was decrypted: the connection may be based on garbage."""
    return quic._state is QuicConnectionState.FIRSTFLIGHT


@dataclass(slots=True, frozen=True)
class Ending:
    """How a connection ends, as aioquic knows it; the code is QUIC's own if `transport`."""

    code: int
    reason: str
    transport: bool
    by_peer: bool
    terminated: bool


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


def _quiet() -> None:
    # aioquic logs a warning for each violation of a peer: anybody could fill a disk with them.
    # A level that the embedding program has set itself is respected.
    logger = logging.getLogger("quic")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


check_version()
_quiet()
