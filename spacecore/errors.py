"""Errors of the engine, each with a stable code.

SpacecoreError
├── DenoiseError       noise suppression was asked for and there is no usable RNNoise
├── OpusError          libopus refused or failed; `status` is its error number
│   └── OpusLibraryError   no usable libopus was found
├── MediaError         rooms and connections: a bound is reached, a room is closed, nobody drives the media
├── PacketError        bytes that are no datagram of this protocol (also a ValueError)
├── PlaneError         the native data plane: no libcrypto, keys or numbers that cannot be taken
└── SeatError          a seat that does not exist, exists already, or is of another kind
"""

from __future__ import annotations

__all__ = [
    "DenoiseError",
    "MediaError",
    "OpusError",
    "OpusLibraryError",
    "PacketError",
    "PlaneError",
    "SeatError",
    "SpacecoreError",
]


class SpacecoreError(Exception):
    """Root of everything the engine raises on purpose.

    `code` is a stable word in lower case that programs may compare; the message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DenoiseError(SpacecoreError):
    """Noise suppression was asked for and there is no usable RNNoise; the message says how to install it."""


class OpusError(SpacecoreError):
    """libopus refused an argument or a packet. `status` is libopus's number (RFC 6716 reference API)."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(code, message)
        self.status = status


class OpusLibraryError(OpusError):
    """No usable libopus was found; the message names every place that was tried."""


class MediaError(SpacecoreError):
    """Rooms and connections: a bound is reached, a room is closed, or nobody drives the media side."""


class PacketError(SpacecoreError, ValueError):
    """The bytes are no datagram of this protocol; the message names the offset and the limit."""


class SeatError(SpacecoreError):
    """A seat that does not exist, exists already, or takes another kind of audio."""


class PlaneError(SpacecoreError):
    """The native data plane cannot do what was asked; a connection that it concerns is as it was."""
