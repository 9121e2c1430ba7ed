"""Packets outside any connection: what a server reads before it keeps state, and what it may answer."""

from __future__ import annotations

from typing import NamedTuple

from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    QuicFrameType,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.packet_builder import PACKET_NUMBER_SEND_SIZE, QuicPacketBuilder

__all__ = [
    "CID_BYTES",
    "CONNECTION_REFUSED",
    "INITIAL_BYTES",
    "INVALID_TOKEN",
    "VERSIONS",
    "Initial",
    "LongHeader",
    "datagram_payload_bytes",
    "long_header",
    "parse_initial",
    "refusal",
    "retry",
    "version_negotiation",
]

VERSIONS = (int(QuicProtocolVersion.VERSION_1), int(QuicProtocolVersion.VERSION_2))
CID_BYTES = 8  # of the connection ids that we choose; short headers do not tell their length
INITIAL_BYTES = SMALLEST_MAX_DATAGRAM_SIZE  # a client's Initial comes in a datagram of at least 1,200 bytes
CONNECTION_REFUSED = 0x2  # RFC 9000 section 20.1
INVALID_TOKEN = 0xB

_CID_LIMIT_BYTES = 20
_SHORT_HEADER_BYTES = 1 + PACKET_NUMBER_SEND_SIZE
_AEAD_TAG_BYTES = 16  # of every cipher suite of TLS 1.3 that QUIC may use, RFC 9001 section 5.3


class LongHeader(NamedTuple):
    """The part of a long header that no version may change (RFC 8999 section 5.1)."""

    version: int
    destination_cid: bytes
    source_cid: bytes


class Initial(NamedTuple):
    """The part of a client's first packet that matters before a connection exists."""

    version: int
    destination_cid: bytes
    source_cid: bytes
    token: bytes


def long_header(data: bytes) -> LongHeader | None:
    """Read the invariant part of a long-header packet; None if the bytes end early or an id is too long."""
    if len(data) < 7:
        return None
    destination_end = 6 + data[5]
    if data[5] > _CID_LIMIT_BYTES or destination_end >= len(data):
        return None
    source_end = destination_end + 1 + data[destination_end]
    if data[destination_end] > _CID_LIMIT_BYTES or source_end > len(data):
        return None
    return LongHeader(
        int.from_bytes(data[1:5], "big"), data[6:destination_end], data[destination_end + 1 : source_end]
    )


def parse_initial(data: bytes) -> Initial | None:
    """Read a client's Initial of a version that we speak, or None if the bytes are something else."""
    if len(data) < INITIAL_BYTES:
        return None
    try:
        header = pull_quic_header(Buffer(data=data), host_cid_length=CID_BYTES)
    except ValueError:
        return None
    if header.packet_type is not QuicPacketType.INITIAL or header.version not in VERSIONS:
        return None
    # RFC 9000 section 7.2: a client chooses at least 8 bytes. The keys derive from them.
    if len(header.destination_cid) < CID_BYTES:
        return None
    return Initial(header.version, header.destination_cid, header.source_cid, header.token)


def version_negotiation(header: LongHeader) -> bytes:
    """The answer to a version that we do not speak (RFC 9000 section 6.1)."""
    return encode_quic_version_negotiation(
        source_cid=header.destination_cid,
        destination_cid=header.source_cid,
        supported_versions=list(VERSIONS),
    )


def retry(initial: Initial, source_cid: bytes, token: bytes) -> bytes:
    """A Retry packet: come again with this token, to this id (RFC 9000 section 17.2.5)."""
    return encode_quic_retry(
        version=initial.version,
        source_cid=source_cid,
        destination_cid=initial.source_cid,
        original_destination_cid=initial.destination_cid,
        retry_token=token,
    )


def refusal(initial: Initial, code: int) -> bytes:
    """An Initial that closes with a QUIC error code, made without any connection (RFC 9000 section 5.2.2)."""
    crypto = CryptoPair()
    crypto.setup_initial(cid=initial.destination_cid, is_client=False, version=initial.version)
    builder = QuicPacketBuilder(
        host_cid=initial.destination_cid,
        is_client=False,
        max_datagram_size=INITIAL_BYTES,
        peer_cid=initial.source_cid,
        version=initial.version,
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    frame = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY)
    frame.push_uint_var(code)
    frame.push_uint_var(0)  # the frame that was at fault: unknown
    frame.push_uint_var(0)  # no reason phrase
    datagrams, _ = builder.flush()
    return datagrams[0]


def datagram_payload_bytes(packet_bytes: int, cid_bytes: int, peer_frame_bytes: int) -> int:
    """Bytes of the largest datagram payload that fits in one packet and in the peer's limit of a frame.

    0 if the peer does not take datagrams. The packet: a short header (1 byte, the peer's connection id, the
    packet number), one DATAGRAM frame (type, length, payload; RFC 9221 section 4) and the AEAD tag. With ids
    of 8 bytes and packets of 1,200 this is 1,170.
    """
    if not peer_frame_bytes:
        return 0
    frame_bytes = min(packet_bytes - _SHORT_HEADER_BYTES - cid_bytes - _AEAD_TAG_BYTES, peer_frame_bytes)
    for length_bytes, largest in ((1, 63), (2, 16383)):
        if frame_bytes - 1 - length_bytes <= largest:
            return max(frame_bytes - 1 - length_bytes, 0)
    return frame_bytes - 5
