"""The wire of `spaces/1`: framing and msgpack of the control stream, and datagrams with struct."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import msgpack

from tests.foreign.opus import MAX_FRAME_BYTES

ALPN = "spaces/1"
MAX_MESSAGE_BYTES = 16_384
MAX_DATAGRAM_BYTES = 1200

Message = list[Any]


class WireError(Exception):
    """Bytes that are not `spaces/1`."""


def enframe(message: Message) -> bytes:
    """A message with its length before it, as it goes on stream 0."""
    body: bytes = msgpack.packb(message, use_bin_type=True)
    if len(body) > MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {len(body)} bytes; {MAX_MESSAGE_BYTES} is the limit; send less")
    return struct.pack(">H", len(body)) + body


def unpack(body: bytes) -> Message:
    """The array of one message, within the bounds of the page."""
    try:
        message = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=True,
            max_str_len=8192,
            max_bin_len=1024,
            max_array_len=128,
            max_map_len=32,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException) as problem:
        raise WireError(f"not a message: {problem}") from problem
    if not isinstance(message, list) or len(message) < 2:
        raise WireError("a message is an array of a number, an id or serial, and fields")
    return message


class Unframer:
    """Collects the stream until messages are whole."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies of the messages that have become whole with these bytes."""
        self._bytes += data
        bodies = []
        while len(self._bytes) >= 2:
            size = int.from_bytes(self._bytes[:2], "big")
            if not 1 <= size <= MAX_MESSAGE_BYTES:
                raise WireError(f"a message length of {size}; 1 to {MAX_MESSAGE_BYTES} is allowed")
            if len(self._bytes) < 2 + size:
                break
            bodies.append(bytes(self._bytes[2 : 2 + size]))
            del self._bytes[: 2 + size]
        return bodies


_AUDIO = struct.Struct(">BBHHIBb")
_REPORT = struct.Struct(">BBHHHHHH")
_BURSTS, _ADVICE = struct.Struct(">H"), struct.Struct(">BBB")

_SOURCE_CHANGED, _STEREO, _DISTANCE_2 = 0x40, 0x80, 0x100


@dataclass(frozen=True)
class Audio:
    """An audio datagram; `seats` is None on the way up."""

    seq: int
    timestamp: int
    new: tuple[bytes, ...]
    voice: bool = False
    level: int = 127
    gain_quarter_db: int = 0
    seats: tuple[int, ...] | None = None
    redundant: tuple[bytes, ...] = ()
    prime: tuple[bytes, ...] = ()
    source_changed: bool = False
    stereo: bool = False
    distance_2: bool = False

    def pack(self) -> bytes:
        """The bytes of the datagram."""
        flags = len(self.new) | len(self.redundant) << 2 | len(self.prime) << 4
        flags |= _SOURCE_CHANGED * self.source_changed | _STEREO * self.stereo
        flags |= _DISTANCE_2 * self.distance_2
        level = self.level | 0x80 * self.voice
        out = bytearray(_AUDIO.pack(0, 1, flags, self.seq, self.timestamp, level, self.gain_quarter_db))
        if self.seats is not None:
            out += bytes([len(self.seats), *self.seats])
        frames = [*self.redundant, *self.prime, *self.new]
        for frame in frames[:-1]:
            out += struct.pack(">H", len(frame)) + frame
        return bytes(out + frames[-1])


@dataclass(frozen=True)
class Report:
    """A receiver report; those from the server come with advice."""

    highest_seq: int
    received: int
    lost: int
    concealed: int
    jitter_ms: int
    delay_ms: int
    bursts: int = 0
    expect_pct: int | None = None
    most_kbps: int | None = None
    copies: int | None = None
    distance_2: bool | None = None

    def pack(self) -> bytes:
        """The bytes of the datagram; counts stop at 65535."""
        counts = (self.received, self.lost, self.concealed, self.jitter_ms, self.delay_ms)
        out = _REPORT.pack(0, 2, self.highest_seq, *(min(count, 65_535) for count in counts))
        out += _BURSTS.pack(min(self.bursts, 65_535))
        if self.expect_pct is None:
            return out
        copies = (self.copies or 0) | 4 * bool(self.distance_2)
        return out + _ADVICE.pack(self.expect_pct, self.most_kbps or 0, copies)


def _frames(data: bytes, count: int) -> list[bytes]:
    """`count` frames, all but the last with their length before them."""
    frames, at = [], 0
    for _ in range(count - 1):
        if at + 2 > len(data):
            raise WireError("an audio datagram ends inside the length of a frame")
        size = int.from_bytes(data[at : at + 2], "big")
        frames.append(data[at + 2 : at + 2 + size])
        if len(frames[-1]) != size:
            raise WireError("an audio datagram ends inside a frame")
        at += 2 + size
    frames.append(data[at:])
    if any(not 1 <= len(frame) <= MAX_FRAME_BYTES for frame in frames):
        raise WireError(f"an audio frame is not of 1 to {MAX_FRAME_BYTES} bytes")
    return frames


def _audio(data: bytes, *, down: bool) -> Audio:
    """An audio datagram whose type and kind are known."""
    if len(data) < _AUDIO.size + down:
        raise WireError(f"an audio datagram of {len(data)} bytes is shorter than its header")
    _, _, flags, seq, timestamp, level, gain = _AUDIO.unpack_from(data)
    new, redundant, prime = flags & 3, flags >> 2 & 3, flags >> 4 & 3
    if new == 0 or redundant == 3 or prime == 3:
        raise WireError(f"flags 0x{flags:04x} count a number of frames that is not allowed")
    at = _AUDIO.size
    seats: tuple[int, ...] | None = None
    if down:
        seats = tuple(data[at + 1 : at + 1 + data[at]])
        if len(seats) != data[at]:
            raise WireError("an audio datagram ends inside its seats")
        at += 1 + len(seats)
    frames = _frames(data[at:], new + redundant + prime)
    return Audio(
        seq=seq,
        timestamp=timestamp,
        voice=bool(level & 0x80),
        level=level & 0x7F,
        gain_quarter_db=gain,
        seats=seats,
        redundant=tuple(frames[:redundant]),
        prime=tuple(frames[redundant : redundant + prime]),
        new=tuple(frames[redundant + prime :]),
        source_changed=bool(flags & _SOURCE_CHANGED),
        stereo=bool(flags & _STEREO),
        distance_2=bool(flags & _DISTANCE_2),
    )


def _report(data: bytes) -> Report:
    """What is not whole at the end is not there."""
    counts, at = _REPORT.unpack_from(data)[2:], _REPORT.size
    if len(data) < at + _BURSTS.size:
        return Report(*counts)
    (bursts,) = _BURSTS.unpack_from(data, at)
    at += _BURSTS.size
    if len(data) < at + _ADVICE.size:
        return Report(*counts, bursts)
    expect_pct, most_kbps, copies = _ADVICE.unpack_from(data, at)
    return Report(*counts, bursts, expect_pct, most_kbps, copies & 3, bool(copies & 4))


def parse_datagram(data: bytes, *, down: bool) -> Audio | Report:
    """A datagram; WireError where the page says to count and drop it."""
    if not 2 <= len(data) <= MAX_DATAGRAM_BYTES or data[0] != 0:
        raise WireError("not a datagram of spaces/1")
    if data[1] == 1:
        return _audio(data, down=down)
    if data[1] == 2:
        if len(data) < _REPORT.size:
            raise WireError(f"a report of {len(data)} bytes is shorter than {_REPORT.size}")
        return _report(data)
    raise WireError(f"kind {data[1]} is not known")
