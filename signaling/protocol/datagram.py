"""The audio and report datagrams of `spaces/1` for Python: the native parser, and the numbers around it.

The layout is in docs/protocol.md, "Datagrams". Parsing raises `spacecore.errors.PacketError`.
"""

from __future__ import annotations

from typing import Final

from spacecore._packet import (
    AudioPacket,
    pack_audio,
    pack_audio_into,
    pack_report,
    parse_audio,
    parse_report,
    seq_newer,
)

__all__ = [
    "DATAGRAM_TYPE",
    "FRAME_MS",
    "FRAME_SAMPLES",
    "KIND_AUDIO",
    "KIND_REPORT",
    "MAX_DATAGRAM_BYTES",
    "MAX_DTX_FRAME_BYTES",
    "MAX_FRAME_BYTES",
    "SAMPLE_RATE_HZ",
    "AudioPacket",
    "pack_audio",
    "pack_audio_into",
    "pack_report",
    "parse_audio",
    "parse_report",
    "seq_newer",
]

DATAGRAM_TYPE: Final = 0x00  # the first byte of every datagram
KIND_AUDIO: Final = 1
KIND_REPORT: Final = 2
SAMPLE_RATE_HZ: Final = 48_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = 960
MAX_FRAME_BYTES: Final = 1_275  # one Opus frame (RFC 6716, 3.2.1)
MAX_DTX_FRAME_BYTES: Final = 2  # a frame of so few bytes says: silence from here
MAX_DATAGRAM_BYTES: Final = 1_170  # fits a QUIC packet of 1,200 bytes with every header at its largest
