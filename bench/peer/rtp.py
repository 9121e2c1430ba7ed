"""RTP packets (RFC 3550) with one Opus frame of 20 ms each, as far as a benchmark sends and checks them."""

from __future__ import annotations

import struct

HEADER_BYTES = 12
SAMPLES = 960  # the clock of Opus over RTP is 48 kHz (RFC 7587)
_HEADER = struct.Struct(">BBHII")
_VERSION = 2 << 6


def pack(payload: bytes, *, number: int, payload_type: int, ssrc: int) -> bytes:
    """The packet of the `number`-th frame."""
    return (
        _HEADER.pack(_VERSION, payload_type, number & 0xFFFF, number * SAMPLES & 0xFFFFFFFF, ssrc) + payload
    )


def parse(packet: bytes) -> tuple[int, bytes]:
    """Payload type and payload.

    Raises:
        ValueError: it is no RTP, or has contributors, padding or an extension.
    """
    if len(packet) <= HEADER_BYTES or packet[0] != _VERSION:
        raise ValueError(f"{packet[:1].hex() or 'nothing'}, {len(packet)} bytes: no plain RTP packet")
    return packet[1] & 0x7F, packet[HEADER_BYTES:]
