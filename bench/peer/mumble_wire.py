"""What a Mumble client says: control messages over TLS (a frame, protobuf inside) and voice packets.

Field numbers as in the protocol's published Mumble.proto; only what a silent listener and a talker need.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

FRAME_HEADER = struct.Struct(">HI")  # type, bytes that follow
MOST_FRAME_BYTES = 0x7FFFFF
CLIENT_VERSION = 1 << 16 | 3 << 8 | 4
OPUS = 4
UDP_PING = 1
VARINT_WIRE, BYTES_WIRE = 0, 2

Value = int | bytes | str


class Kind(IntEnum):
    """Types of control messages."""

    VERSION = 0
    AUTHENTICATE = 2
    PING = 3
    REJECT = 4
    SERVER_SYNC = 5
    USER_STATE = 9
    CRYPT_SETUP = 15


class WireError(ValueError):
    """Bytes that are no message of this protocol."""


def pack_frame(kind: Kind, fields: dict[int, Value]) -> bytes:
    """A control message: fields by number."""
    body = b"".join(_pack_field(number, value) for number, value in fields.items())
    return FRAME_HEADER.pack(kind, len(body)) + body


def take_frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """The whole messages at the beginning of `buffer`, which are taken out of it: type and body.

    Raises:
        WireError: a message says that it is longer than Mumble allows.
    """
    at = 0
    try:
        while len(buffer) - at >= FRAME_HEADER.size:
            kind, n_bytes = FRAME_HEADER.unpack_from(buffer, at)
            if n_bytes > MOST_FRAME_BYTES:
                raise WireError(f"a message of {n_bytes} bytes: at most {MOST_FRAME_BYTES} are allowed")
            ends = at + FRAME_HEADER.size + n_bytes
            if len(buffer) < ends:
                return
            body = bytes(buffer[at + FRAME_HEADER.size : ends])
            at = ends
            yield kind, body
    finally:
        del buffer[:at]


def parse_fields(body: bytes) -> dict[int, int | bytes]:
    """The fields of a message; of a repeated one the last. Only numbers and bytes (text too) are known.

    Raises:
        WireError: the body ends early, or has fields of another wire type.
    """
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(body):
        key, at = _take_base128(body, at)
        value, at = _take_base128(body, at)
        if key & 7 == VARINT_WIRE:
            fields[key >> 3] = value
        elif key & 7 == BYTES_WIRE and at + value <= len(body):
            fields[key >> 3] = body[at : at + value]
            at += value
        else:
            raise WireError(f"field {key >> 3} has wire type {key & 7}, or ends after the message does")
    return fields


def pack_voice(number: int, frame: bytes) -> bytes:
    """A client's voice packet to its channel with one Opus frame of 20 ms: sequence numbers count 10 ms."""
    return bytes([OPUS << 5]) + pack_varint(number * 2) + pack_varint(len(frame)) + frame


def parse_voice(packet: bytes) -> tuple[int, bytes]:
    """Session of who speaks and the Opus frame, from a server's voice packet.

    Raises:
        WireError: it is not Opus, or not complete.
    """
    if not packet or packet[0] >> 5 != OPUS:
        raise WireError(f"{packet[:1].hex() or 'nothing'}: no voice packet with Opus")
    session, at = take_varint(packet, 1)
    _number, at = take_varint(packet, at)
    length, at = take_varint(packet, at)
    n_bytes = length & 0x1FFF  # above that stands whether it is the last of the talk
    if at + n_bytes > len(packet):
        raise WireError(f"an Opus frame of {n_bytes} bytes in a packet that has {len(packet) - at} left")
    return session, packet[at : at + n_bytes]


def pack_ping(timestamp: int) -> bytes:
    """A ping by UDP, which tells the server where the client is."""
    return bytes([UDP_PING << 5]) + pack_varint(timestamp)


def pack_varint(value: int) -> bytes:
    """A number in a voice packet: the leading ones of the first byte say how many bytes follow.

    Raises:
        WireError: it is negative, or needs more than 32 bits.
    """
    for n_following, prefix in enumerate((0x00, 0x80, 0xC0, 0xE0)):
        if 0 <= value < 1 << 7 * (n_following + 1):
            whole = value | prefix << 8 * n_following
            return whole.to_bytes(n_following + 1)
    if 0 <= value < 1 << 32:
        return b"\xf0" + value.to_bytes(4)
    raise WireError(f"{value}: 0 to {(1 << 32) - 1} can be packed")


def take_varint(packet: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends.

    Raises:
        WireError: the packet ends inside it, or it is one of the longer or negative kinds.
    """
    if at >= len(packet):
        raise WireError(f"a packet of {len(packet)} bytes ends before its number at {at}")
    first = packet[at]
    if first & 0xFC == 0xF0:
        n_following, value = 4, 0
    elif first < 0xF0:
        n_following = (first >= 0x80) + (first >= 0xC0) + (first >= 0xE0)
        value = first & 0x7F >> n_following
    else:
        raise WireError(f"a number that begins with {first:#x}: negative and 64-bit ones are not read")
    ends = at + 1 + n_following
    if ends > len(packet):
        raise WireError(f"a packet of {len(packet)} bytes ends inside its number at {at}")
    return value << 8 * n_following | int.from_bytes(packet[at + 1 : ends]), ends


def _pack_field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _base128(number << 3 | VARINT_WIRE) + _base128(value)
    text = value.encode() if isinstance(value, str) else value
    return _base128(number << 3 | BYTES_WIRE) + _base128(len(text)) + text


def _base128(value: int) -> bytes:
    packed = bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def _take_base128(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body):
        value |= (body[at] & 0x7F) << shift
        at += 1
        if body[at - 1] < 0x80:
            return value, at
        shift += 7
    raise WireError(f"a message of {len(body)} bytes ends inside a number")
