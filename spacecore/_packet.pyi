"""Types of spacecore._packet."""

from collections.abc import Sequence
from typing import NamedTuple

from typing_extensions import Buffer

__all__ = [
    "DATAGRAM_MAX_BYTES",
    "KIND_AUDIO",
    "KIND_REPORT",
    "Advice",
    "AudioPacket",
    "Report",
    "datagram_kind",
    "pack_audio",
    "pack_audio_into",
    "pack_report",
    "parse_audio",
    "parse_report",
    "seq_newer",
]

DATAGRAM_MAX_BYTES: int
KIND_AUDIO: int
KIND_REPORT: int

class AudioPacket(NamedTuple):
    seq: int
    timestamp: int
    level: int
    gain: int
    frames: tuple[bytes, ...]
    redundant: tuple[bytes, ...]
    prime: tuple[bytes, ...]
    distance: int
    source_changed: bool
    stereo: bool
    seats: tuple[int, ...] | None

class Advice(NamedTuple):
    expect_pct: int = 0
    most_kbps: int = 0
    copies: int = 0
    distance: int = 1

class Report(NamedTuple):
    highest_seq: int
    received: int
    lost: int
    concealed: int
    jitter_ms: int
    delay_ms: int
    bursts: int = 0
    advice: Advice | None = None

def seq_newer(a: int, b: int) -> bool: ...
def datagram_kind(data: Buffer) -> int: ...
def parse_audio(data: Buffer, down: bool) -> AudioPacket: ...
def pack_audio(
    frames: Sequence[bytes],
    *,
    seq: int,
    timestamp: int,
    level: int = 127,
    gain: int = 0,
    redundant: Sequence[bytes] = (),
    prime: Sequence[bytes] = (),
    distance: int = 1,
    source_changed: bool = False,
    stereo: bool = False,
    seats: Sequence[int] | None = None,
) -> bytes: ...
def pack_audio_into(
    buffer: Buffer,
    frames: Sequence[bytes],
    *,
    seq: int,
    timestamp: int,
    level: int = 127,
    gain: int = 0,
    redundant: Sequence[bytes] = (),
    prime: Sequence[bytes] = (),
    distance: int = 1,
    source_changed: bool = False,
    stereo: bool = False,
    seats: Sequence[int] | None = None,
) -> int: ...
def parse_report(data: Buffer) -> Report: ...
def pack_report(report: Report) -> bytes: ...
