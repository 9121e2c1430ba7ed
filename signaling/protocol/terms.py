"""What `hello` and `welcome` tell of each side: keys of `capabilities` and `limits`, and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signaling.protocol.framing import MAX_MESSAGE_BYTES

__all__ = ["ABSENT_CAPABILITIES", "DEFAULT_LIMITS", "SERVER_CAPABILITIES"]

SERVER_CAPABILITIES: Final[Mapping[str, int]] = MappingProxyType(
    {"bundle": 1, "redundancy": 2, "reports": 1, "resume": 0, "keep_alive_ms": 10_000}
)

# What holds of a side that does not name the key.
ABSENT_CAPABILITIES: Final[Mapping[str, int]] = MappingProxyType(
    {"bundle": 1, "redundancy": 0, "reports": 0, "resume": 0, "keep_alive_ms": 10_000}
)

# A server says its own figures in `welcome`; these are the ones it starts from.
DEFAULT_LIMITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "message_bytes": MAX_MESSAGE_BYTES,
        "datagram_bytes": 1_170,  # fits a QUIC packet of 1,200 bytes with every header at its largest
        "frame_ms": 20,
        "stage": 13,
        "queue": 100,
        "title_chars": 100,
        "requests_per_s": 20,
    }
)
