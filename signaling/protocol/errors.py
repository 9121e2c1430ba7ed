"""Errors of the wire.

WireError              everything that decoding or encoding raises on purpose; has a stable `code`
├── ProtocolError      one message is refused; `request_id` says whether it can be answered with an error
└── FramingError       the stream itself is unusable: close the connection with `close_code`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from signaling.protocol.codes import CloseCode, ErrorCode

__all__ = ["FramingError", "ProtocolError", "WireError"]


class WireError(Exception):
    """Root of the errors of the wire. `code` is stable; the message names value and limit for people."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ProtocolError(WireError):
    """A message that is refused.

    With a `request_id` the receiver answers `error(request_id, code, message)` and the connection lives on.
    Without one there is nobody to answer: it closes the connection with `CloseCode.protocol_error`.
    """

    def __init__(self, code: ErrorCode, message: str, request_id: int | None = None) -> None:
        super().__init__(code, message)
        self.request_id = request_id


class FramingError(WireError):
    """Length 0 or beyond the limit: where the next message begins is unknown, so the connection must close.

    `messages` holds the whole messages that stood before the fault in the same chunk of bytes, so that what
    is delivered does not depend on how the network cut the stream.
    """

    close_code: Final = CloseCode.protocol_error

    def __init__(self, message: str, messages: Sequence[bytes] = ()) -> None:
        super().__init__(ErrorCode.malformed, message)
        self.messages = tuple(messages)
