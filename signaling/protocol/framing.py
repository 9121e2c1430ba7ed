"""Framing of the control stream: a big-endian u16 length (1..16384), then that many bytes of one message."""

from __future__ import annotations

from typing import Final

from signaling.protocol.codes import ErrorCode
from signaling.protocol.errors import FramingError, ProtocolError

__all__ = ["LENGTH_BYTES", "MAX_MESSAGE_BYTES", "Framer", "frame"]

LENGTH_BYTES: Final = 2
MAX_MESSAGE_BYTES: Final = 16_384


class Framer:
    """Cuts one control stream into message bodies.

    Feed it the stream's bytes in order, in chunks of any size; each call returns the messages that became
    whole. It holds at most one unfinished message (2 + 16,384 bytes), and nothing while none is pending.
    After a FramingError the stream is lost and every further call raises again.
    """

    __slots__ = ("_fault", "_pending")

    def __init__(self) -> None:
        self._pending: bytearray | None = None
        self._fault: str | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes of an unfinished message; more than 0 when the stream ends means it was cut off."""
        return len(self._pending) if self._pending is not None else 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Takes the next bytes of the stream and returns the message bodies completed by them, in order.

        Raises FramingError on a length of 0 or above 16,384; its `messages` are those before the fault.
        """
        if self._fault is not None:
            raise FramingError(self._fault)
        buffer: bytes | bytearray
        if self._pending is None:
            buffer = bytes(data)
        else:
            self._pending += data
            buffer = self._pending
        messages: list[bytes] = []
        at = 0
        while len(buffer) - at >= LENGTH_BYTES:
            length = int.from_bytes(buffer[at : at + LENGTH_BYTES])
            if not 1 <= length <= MAX_MESSAGE_BYTES:
                self._pending = None
                self._fault = f"message length {length} is outside 1..{MAX_MESSAGE_BYTES}"
                raise FramingError(self._fault, messages)
            end = at + LENGTH_BYTES + length
            if end > len(buffer):
                break
            messages.append(bytes(buffer[at + LENGTH_BYTES : end]))
            at = end
        if at or buffer is not self._pending:
            self._pending = bytearray(buffer[at:]) if at < len(buffer) else None
        return messages


def frame(body: bytes) -> bytes:
    """One message body with its length before it. Raises ProtocolError(too_large) outside 1..16,384 bytes."""
    if not 1 <= len(body) <= MAX_MESSAGE_BYTES:
        raise ProtocolError(
            ErrorCode.too_large,
            f"message of {len(body)} bytes is outside 1..{MAX_MESSAGE_BYTES}; send less at once",
        )
    return len(body).to_bytes(LENGTH_BYTES) + body
