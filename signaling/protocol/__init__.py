"""The wire of `spaces/1`: framing, messages, codes and datagrams. docs/protocol.md is its specification.

`datagram` needs the native engine and is imported by name; everything else is pure Python.
"""

from __future__ import annotations

from typing import Final

from signaling.protocol.codes import CLOSE_RETRY, ERROR_RETRY, CloseCode, ErrorCode, Retry
from signaling.protocol.errors import FramingError, ProtocolError, WireError
from signaling.protocol.framing import MAX_MESSAGE_BYTES, Framer, frame
from signaling.protocol.wire import decode_from_server, decode_request, encode, fit_rows

__all__ = [
    "ALPN",
    "CLOSE_RETRY",
    "CONTROL_STREAM_ID",
    "ERROR_RETRY",
    "HELLO_TIMEOUT_MS",
    "MAX_MESSAGE_BYTES",
    "TOKEN_EXPIRING_MS",
    "CloseCode",
    "ErrorCode",
    "Framer",
    "FramingError",
    "ProtocolError",
    "Retry",
    "WireError",
    "decode_from_server",
    "decode_request",
    "encode",
    "fit_rows",
    "frame",
]

ALPN: Final = "spaces/1"
CONTROL_STREAM_ID: Final = 0  # the first bidirectional stream that a client opens (RFC 9000, 2.1)
HELLO_TIMEOUT_MS: Final = 3_000
TOKEN_EXPIRING_MS: Final = 60_000  # how long before its end a token's renewal is asked for
