"""What a Link tells its owner, and the close codes that the QUIC layer uses by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "CLOSE_DONE",
    "CLOSE_INTERNAL",
    "CLOSE_PROTOCOL_ERROR",
    "CLOSE_TOO_SLOW",
    "Audio",
    "Cause",
    "Closed",
    "ControlData",
    "Ending",
    "Established",
    "LinkEvent",
]

# The application close codes of `spaces/1` that this layer sends on its own account. The protocol package
# owns the full list; these four numbers are part of the wire and cannot change.
CLOSE_DONE = 0x0
CLOSE_PROTOCOL_ERROR = 0x1
CLOSE_TOO_SLOW = 0x9
CLOSE_INTERNAL = 0xA


class Cause(StrEnum):
    """Which numbers `Closed.code` is taken from, and who ended the link if nobody closed it."""

    APPLICATION = "application"  # one of the protocol's close codes
    TRANSPORT = "transport"  # a QUIC error code, RFC 9000 section 20.1
    IDLE = "idle"  # nothing was heard for the idle timeout; code is 0
    SOCKET = "socket"  # our own socket is gone; code is 0


@dataclass(slots=True)
class Established:
    """The handshake is complete: control data and audio may be sent from here on."""


@dataclass(slots=True)
class ControlData:
    """The next bytes of the control stream, in order; the boundaries mean nothing."""

    data: bytes


@dataclass(slots=True)
class Audio:
    """One QUIC datagram, as the peer sent it."""

    datagram: bytes


@dataclass(slots=True)
class Closed:
    """The link is over; always the last event. `by_peer` says who closed."""

    code: int
    reason: str
    by_peer: bool
    cause: Cause = Cause.APPLICATION


@dataclass(slots=True, frozen=True)
class Ending:
    """How a connection ends, as aioquic knows it; the code is QUIC's own if `transport`."""

    code: int
    reason: str
    transport: bool
    by_peer: bool
    terminated: bool


LinkEvent = Established | ControlData | Audio | Closed
