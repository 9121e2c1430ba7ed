"""Reference parser and packer of the datagrams, written from docs/protocol.md; slow and plain."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

MAX_FRAME_BYTES = 1275
AUDIO, REPORT = 1, 2


@dataclass(frozen=True)
class Audio:
    """One audio datagram. `redundant`, `prime` and `new` are in decoding order; `level` is 0..127 (−dBov)."""

    seq: int
    timestamp: int
    level: int
    new: tuple[bytes, ...]
    voice: bool = False
    gain_quarter_db: int = 0
    redundant: tuple[bytes, ...] = ()
    prime: tuple[bytes, ...] = ()
    source_changed: bool = False
    stereo: bool = False
    distance_2: bool = False
    seats: tuple[int, ...] | None = None  # None: on the way up

    def redundant_seqs(self) -> list[int]:
        newest = self.seq - (2 if self.distance_2 else 1)
        return [(newest - back) & 0xFFFF for back in reversed(range(len(self.redundant)))]

    def new_seqs(self) -> list[int]:
        return [(self.seq + k) & 0xFFFF for k in range(len(self.new))]


@dataclass(frozen=True)
class Report:
    """One receiver report; all since the report before, times in milliseconds."""

    highest_seq: int
    received: int
    lost: int
    concealed: int
    jitter_ms: int
    delay_ms: int
    bursts: int = 0
    expect_pct: int | None = None  # and with it the rest: advice
    most_kbps: int = 0
    copies: int = 0
    distance_2: bool = False


def pack_audio(audio: Audio) -> bytes:
    flags = len(audio.new) | len(audio.redundant) << 2 | len(audio.prime) << 4
    flags |= audio.source_changed << 6 | audio.stereo << 7 | audio.distance_2 << 8
    level = audio.voice << 7 | audio.level
    out = struct.pack(">BBHHIBb", 0, AUDIO, flags, audio.seq, audio.timestamp, level, audio.gain_quarter_db)
    if audio.seats is not None:
        out += bytes([len(audio.seats), *audio.seats])
    frames = [*audio.redundant, *audio.prime, *audio.new]
    for frame in frames[:-1]:
        out += struct.pack(">H", len(frame)) + frame
    return out + frames[-1]


def parse_audio(data: bytes, down: bool) -> Audio:
    """Raises ValueError on anything that is no audio datagram."""
    if len(data) < 12:
        raise ValueError(f"{len(data)} bytes are less than a header of 12")
    zero, kind, flags, seq, timestamp, level, gain = struct.unpack_from(">BBHHIBb", data)
    if zero != 0 or kind != AUDIO:
        raise ValueError(f"type {zero}, kind {kind} is no audio")
    n_new, n_redundant, n_prime = flags & 3, flags >> 2 & 3, flags >> 4 & 3
    if n_new == 0 or n_redundant == 3 or n_prime == 3:
        raise ValueError(f"counts {n_new}, {n_redundant}, {n_prime} are not allowed")
    at, seats = 12, None
    if down:
        if len(data) < 13 or len(data) < 13 + data[12]:
            raise ValueError("the seats are cut off")
        seats = tuple(data[13 : 13 + data[12]])
        at = 13 + data[12]
    frames = []
    for _ in range(n_redundant + n_prime + n_new - 1):
        if len(data) - at < 2:
            raise ValueError("a length is cut off")
        size = int.from_bytes(data[at : at + 2])
        at += 2
        if size > len(data) - at:
            raise ValueError("a frame is cut off")
        frames.append(data[at : at + size])
        at += size
    frames.append(data[at:])
    if not all(1 <= len(frame) <= MAX_FRAME_BYTES for frame in frames):
        raise ValueError("a frame is empty or too long")
    return Audio(
        seq=seq,
        timestamp=timestamp,
        level=level & 0x7F,
        voice=bool(level & 0x80),
        gain_quarter_db=gain,
        redundant=tuple(frames[:n_redundant]),
        prime=tuple(frames[n_redundant : n_redundant + n_prime]),
        new=tuple(frames[n_redundant + n_prime :]),
        source_changed=bool(flags & 0x40),
        stereo=bool(flags & 0x80),
        distance_2=bool(flags & 0x100),
        seats=seats,
    )


def pack_report(report: Report) -> bytes:
    advice = (
        b""
        if report.expect_pct is None
        else bytes([report.expect_pct, report.most_kbps, report.copies | report.distance_2 << 2])
    )
    return _pack_counts(report) + advice


def _pack_counts(report: Report) -> bytes:
    return struct.pack(
        ">BB7H",
        0,
        REPORT,
        report.highest_seq,
        report.received,
        report.lost,
        report.concealed,
        report.jitter_ms,
        report.delay_ms,
        report.bursts,
    )


def parse_report(data: bytes) -> Report:
    """Raises ValueError on anything that is no receiver report; what follows the known fields is ignored."""
    if len(data) < 14 or data[0] != 0 or data[1] != REPORT:
        raise ValueError("no receiver report")
    highest, received, lost, concealed, jitter_ms, delay_ms = struct.unpack_from(">6H", data, 2)
    report = Report(highest, received, lost, concealed, jitter_ms, delay_ms)
    if len(data) >= 16:
        report = replace(report, bursts=int.from_bytes(data[14:16], "big"))
    if len(data) < 19:
        return report
    return replace(
        report,
        expect_pct=min(data[16], 100),
        most_kbps=data[17],
        copies=min(data[18] & 3, 2),
        distance_2=bool(data[18] & 4),
    )
