"""What `hello` and `welcome` tell of each side: keys of `capabilities` and `limits`, and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signaling.protocol.fields import PIN_CHARS
from signaling.protocol.framing import MAX_MESSAGE_BYTES

__all__ = [
    "ABSENT_CAPABILITIES",
    "BUNDLE_DELAY_MS",
    "DATAGRAM_BYTES",
    "DEFAULT_LIMITS",
    "MAX_BUNDLE",
    "MAX_REDUNDANCY",
    "REACTIONS",
    "SERVER_CAPABILITIES",
    "most_copies",
    "most_frames",
]

DATAGRAM_BYTES: Final = 1_170  # fits a QUIC packet of 1,200 bytes with every header at its largest
MAX_BUNDLE: Final = 3  # new frames in one datagram: two bits of flags, of which 0 is an error
MAX_REDUNDANCY: Final = 2  # copies of frames in one datagram
BUNDLE_DELAY_MS: Final = 40  # what the delay of the largest bundle comes to
_FRAME_MS: Final = 20

# The names that `react` takes and `reactions` counts.
REACTIONS: Final = ("heart", "laugh", "clap", "fire", "hundred", "wave", "sad", "surprised")

SERVER_CAPABILITIES: Final[Mapping[str, int]] = MappingProxyType(
    {"bundle": 1, "redundancy": 2, "reports": 1, "resume": 1, "keep_alive_ms": 10_000}
)

# What holds of a side that does not name the key.
ABSENT_CAPABILITIES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "bundle": 1,
        "bundle_delay_ms": BUNDLE_DELAY_MS,
        "redundancy": 0,
        "reports": 0,
        "resume": 0,
        "keep_alive_ms": 10_000,
    }
)

# A server says its own figures in `welcome`; these are the ones it starts from.
DEFAULT_LIMITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "message_bytes": MAX_MESSAGE_BYTES,
        "datagram_bytes": DATAGRAM_BYTES,
        "frame_ms": 20,
        "stage": 13,
        "queue": 100,
        "title_chars": 100,
        "requests_per_s": 20,
        "co_hosts": 2,
        "topics": 3,
        "topic_chars": 30,
        "post_chars": 500,
        "pins": 5,
        "pin_chars": PIN_CHARS,
        "invite_ms": 600_000,
        "speak_link_s": 86_400,
        "speak_link_most_s": 604_800,
        "planned": 10,
        "plan_days": 30,
        "bubbles": 50,
        "follows": 5_000,
    }
)


def most_frames(capabilities: Mapping[str, int]) -> int:
    """The most new frames that one datagram to the client which said this in `hello` may carry: 1 to 3.

    A bundle of n delays its first frame by (n - 1) frames; docs/protocol.md, "Bundles".
    """
    bundle = capabilities.get("bundle", ABSENT_CAPABILITIES["bundle"])
    delay_ms = capabilities.get("bundle_delay_ms", ABSENT_CAPABILITIES["bundle_delay_ms"])
    return max(1, min(bundle, 1 + delay_ms // _FRAME_MS, MAX_BUNDLE))


def most_copies(capabilities: Mapping[str, int]) -> int:
    """The most copies of frames in one datagram to the client which said this in `hello`: 0 to 2."""
    return max(0, min(capabilities.get("redundancy", ABSENT_CAPABILITIES["redundancy"]), MAX_REDUNDANCY))
