"""QUIC frames as bytes (RFC 9000 section 19, RFC 9221), to be sealed in authentic packets."""

from __future__ import annotations

from aioquic.buffer import encode_uint_var

__all__ = [
    "PING",
    "ack",
    "crypto",
    "datagram",
    "max_data",
    "new_connection_id",
    "path_challenge",
    "path_response",
    "reset_stream",
    "retire_connection_id",
    "stop_sending",
    "stream",
    "streams_blocked",
]

PING = b"\x01"
_TOKEN_BYTES = 16


def stream(stream_id: int, offset: int, data: bytes, *, fin: bool = False) -> bytes:
    """STREAM with offset and length."""
    return bytes([0x0E | fin]) + _numbers(stream_id, offset, len(data)) + data


def ack(largest: int, *ranges: tuple[int, int], delay: int = 0, first_range: int = 0) -> bytes:
    """ACK up to `largest`; `ranges` are (gap, length) as they stand in the frame."""
    flat = [number for each in ranges for number in each]
    return b"\x02" + _numbers(largest, delay, len(ranges), first_range, *flat)


def crypto(offset: int, data: bytes) -> bytes:
    """CRYPTO."""
    return b"\x06" + _numbers(offset, len(data)) + data


def datagram(data: bytes) -> bytes:
    """DATAGRAM with a length."""
    return b"\x31" + _numbers(len(data)) + data


def new_connection_id(sequence: int, retire_prior_to: int, cid: bytes) -> bytes:
    """NEW_CONNECTION_ID."""
    head = b"\x18" + _numbers(sequence, retire_prior_to)
    return head + bytes([len(cid)]) + cid + bytes(_TOKEN_BYTES)


def retire_connection_id(sequence: int) -> bytes:
    """RETIRE_CONNECTION_ID."""
    return b"\x19" + _numbers(sequence)


def path_challenge(data: bytes) -> bytes:
    """PATH_CHALLENGE of 8 bytes."""
    return b"\x1a" + data


def path_response(data: bytes) -> bytes:
    """PATH_RESPONSE of 8 bytes."""
    return b"\x1b" + data


def reset_stream(stream_id: int, code: int, final_size: int) -> bytes:
    """RESET_STREAM."""
    return b"\x04" + _numbers(stream_id, code, final_size)


def stop_sending(stream_id: int, code: int) -> bytes:
    """STOP_SENDING."""
    return b"\x05" + _numbers(stream_id, code)


def max_data(most: int) -> bytes:
    """MAX_DATA."""
    return b"\x10" + _numbers(most)


def streams_blocked(most: int) -> bytes:
    """STREAMS_BLOCKED, bidirectional."""
    return b"\x16" + _numbers(most)


def _numbers(*values: int) -> bytes:
    return b"".join(encode_uint_var(value) for value in values)
