"""The audio and report datagrams of `spaces/1` for Python: the native parser, and the numbers around it.

The layout is in docs/protocol.md, "Datagrams". Parsing raises `spacecore.errors.PacketError`.
"""

from __future__ import annotations

from typing import Final

from spacecore._packet import (
    DATAGRAM_MAX_BYTES,
    KIND_AUDIO,
    KIND_REPORT,
    AudioPacket,
    Report,
    datagram_kind,
    pack_audio,
    pack_audio_into,
    pack_report,
    parse_audio,
    parse_report,
    seq_newer,
)

__all__ = [
    "DATAGRAM_MAX_BYTES",
    "FRAME_MS",
    "FRAME_SAMPLES",
    "KIND_AUDIO",
    "KIND_REPORT",
    "MAX_DTX_FRAME_BYTES",
    "MAX_FRAME_BYTES",
    "SAMPLE_RATE_HZ",
    "AudioPacket",
    "Report",
    "datagram_kind",
    "is_report",
    "pack_audio",
    "pack_audio_into",
    "pack_report",
    "parse_audio",
    "parse_report",
    "seq_newer",
]

SAMPLE_RATE_HZ: Final = 48_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = 960
MAX_FRAME_BYTES: Final = 1_275  # one Opus frame (RFC 6716, 3.4)
_REPORT: Final = bytes([KIND_REPORT])
MAX_DTX_FRAME_BYTES: Final = 2  # a frame of so few bytes says: silence from here


def is_report(datagram: bytes) -> bool:
    """Whether it says that it is a receiver report; whether it is a whole one is another matter."""
    return datagram[1:2] == _REPORT
