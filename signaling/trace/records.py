"""The records of a trace: bytes as the engine writes them, and what they say.

docs/traces.md is the specification. Little-endian; each begins with kind u8, seat i16 (-1: none) and now_us
i64, the engine's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct, error
from typing import Any, Final, TypeAlias

__all__ = [
    "COUNTERS",
    "DONE",
    "DUE",
    "Arrival",
    "Audience",
    "Change",
    "Counts",
    "End",
    "Record",
    "RecordError",
    "Report",
    "SeatRow",
    "Shape",
    "Tick",
    "pack",
    "parse",
]

DUE: Final = ("wait", "frame", "fec", "lost", "held")
"""What the jitter buffer gave in a tick; `held`: the sound that time scaling had left over."""
DONE: Final = ("", "skipped", "decoded", "unscaled")
"""What was done with it, in the words of spacecore.Space.follow."""
COUNTERS: Final = (
    *("datagrams", "malformed", "bad_duration", "put", "late", "duplicate", "reordered", "restarts"),
    *("too_large", "redundant_used", "redundant_ignored", "overflow_dropped", "stale_dropped"),
    *("restart_dropped", "frames", "fec", "lost", "waits", "accelerated", "stretched", "interrupted"),
    *("accelerated_samples", "stretched_samples", "target_us", "delay_us", "skipped"),
)
"""Of a seat, as spacecore.JitterStats has them; the first three and the last are the receiver's."""
CHANGES: Final = ("add", "add_pcm", "remove", "mute", "gain")
ACTS: Final = ("enter", "seat", "leave", "clear")
REASONS: Final = ("stopped", "seconds", "bytes", "space_ended", "failed")

_HEAD = Struct("<Bhq")
_ARRIVAL = Struct("<hHBBB")
_SHAPE = Struct("<HBBB")
_REPORT = Struct("<q")
_CHANGE = Struct("<qBBf")
_TICK = Struct("<IBB")
_ROW = Struct("<BBBBBHh")
_COUNTS = Struct(f"<{len(COUNTERS)}I")
_AUDIENCE = Struct("<BI")
_END = Struct("<BQ")


class RecordError(ValueError):
    """These bytes are no record of a trace."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of an Opus frame: all but its sound. `count` is the second byte of a packet of code 3, else 0."""

    n_bytes: int
    toc: int
    count: int = 0
    has_fec: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A datagram of the person in a seat. spacecore._space.put_result has a word for `verdict`.

    `data` is the whole datagram if `whole`, else at most its 12 bytes of header; then `shapes` has its
    frames, if it was audio.
    """

    seat: int
    now_us: int
    verdict: int
    n_bytes: int
    data: bytes
    shapes: tuple[Shape, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A receiver report, of somebody in a seat or (-1) listening; `vote` as spacecore.Space.report has it."""

    seat: int
    now_us: int
    vote: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What took effect, as the control side asked for it; `before`: it was so when the trace began."""

    seat: int
    now_us: int
    serial: int
    what: str
    value: float = 0.0
    held: bool = False
    denoised: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One seat in one tick. `seq` is of what was due; `spliced`: samples that time scaling added."""

    seat: int
    due: str
    done: str
    heard: int
    seq: int
    spliced: int = 0
    audible: bool = False
    passed: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """20 ms of the room."""

    seat: int
    now_us: int
    timestamp: int
    n_packets: int
    rows: tuple[SeatRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters of a seat since it was added, in the order of COUNTERS, each modulo 2**32."""

    seat: int
    now_us: int
    values: tuple[int, ...]

    @property
    def named(self) -> Mapping[str, int]:
        """The counters by name."""
        return dict(zip(COUNTERS, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class Audience:
    """Somebody hears the room from now on, or no more, or sits elsewhere; by a number of the trace's own."""

    seat: int
    now_us: int
    act: str
    person: int


@dataclass(frozen=True, slots=True)
class End:
    """The last record: why there are no more, and how many found no room while the trace ran."""

    seat: int
    now_us: int
    reason: str
    left_out: int


Record: TypeAlias = Arrival | Report | Change | Tick | Counts | Audience | End


# --- bytes to records ---------------------------------------------------------------------------------------


def parse(data: bytes) -> Record:
    """One record. Raises RecordError, and nothing else, for bytes that are none."""
    try:
        kind, seat, now_us = _HEAD.unpack_from(data)
        read = _READERS[kind]
    except error:
        raise RecordError(
            f"{len(data)} bytes are too few for a record, which has {_HEAD.size} at least"
        ) from None
    except KeyError:
        raise RecordError(
            f"there is no kind {kind} of record; this version knows {sorted(_READERS)}"
        ) from None
    try:
        return read(seat, now_us, data)
    except (error, IndexError, ValueError):
        raise RecordError(
            f"{len(data)} bytes are no whole record of kind {kind}, or say what it cannot"
        ) from None


def _word(words: tuple[str, ...], number: int) -> str:
    if number >= len(words):
        raise ValueError(number)
    return words[number]


def _ends(data: bytes, at: int) -> None:
    if at != len(data):
        raise ValueError(at)


def _arrival(seat: int, now_us: int, data: bytes) -> Arrival:
    verdict, n_bytes, n_shapes, n_kept, whole = _ARRIVAL.unpack_from(data, _HEAD.size)
    at = _HEAD.size + _ARRIVAL.size
    if whole:
        _ends(data, at + n_bytes)
        return Arrival(seat, now_us, verdict, n_bytes, data[at:], whole=True)
    _ends(data, at + n_kept + n_shapes * _SHAPE.size)
    first = at + n_kept
    shapes = [_SHAPE.unpack_from(data, first + i * _SHAPE.size) for i in range(n_shapes)]
    if any(shape[0] < 1 for shape in shapes):
        raise ValueError("a frame of no bytes")
    found = tuple(Shape(size, toc, count, bool(fec)) for size, toc, count, fec in shapes)
    return Arrival(seat, now_us, verdict, n_bytes, data[at:first], found)


def _report(seat: int, now_us: int, data: bytes) -> Report:
    (vote,) = _REPORT.unpack_from(data, _HEAD.size)
    return Report(seat, now_us, vote, data[_HEAD.size + _REPORT.size :])


def _change(seat: int, now_us: int, data: bytes) -> Change:
    serial, what, bits, value = _CHANGE.unpack_from(data, _HEAD.size)
    _ends(data, _HEAD.size + _CHANGE.size)
    return Change(
        seat, now_us, serial, _word(CHANGES, what), value, bool(bits & 1), bool(bits & 2), bool(bits & 4)
    )


def _tick(seat: int, now_us: int, data: bytes) -> Tick:
    timestamp, n_packets, n_seats = _TICK.unpack_from(data, _HEAD.size)
    at = _HEAD.size + _TICK.size
    _ends(data, at + n_seats * _ROW.size)
    rows = tuple(_row(data, at + i * _ROW.size) for i in range(n_seats))
    return Tick(seat, now_us, timestamp, n_packets, rows)


def _row(data: bytes, at: int) -> SeatRow:
    seat, due, done, heard, bits, seq, spliced = _ROW.unpack_from(data, at)
    return SeatRow(
        seat,
        _word(DUE, due),
        _word(DONE, done),
        heard,
        seq,
        spliced,
        bool(bits & 1),
        bool(bits & 2),
        bool(bits & 4),
    )


def _counts(seat: int, now_us: int, data: bytes) -> Counts:
    _ends(data, _HEAD.size + _COUNTS.size)
    return Counts(seat, now_us, _COUNTS.unpack_from(data, _HEAD.size))


def _audience(seat: int, now_us: int, data: bytes) -> Audience:
    act, person = _AUDIENCE.unpack_from(data, _HEAD.size)
    _ends(data, _HEAD.size + _AUDIENCE.size)
    return Audience(seat, now_us, _word(ACTS, act), person)


def _end(seat: int, now_us: int, data: bytes) -> End:
    reason, left_out = _END.unpack_from(data, _HEAD.size)
    _ends(data, _HEAD.size + _END.size)
    return End(seat, now_us, _word(REASONS, reason), left_out)


_READERS: Final[Mapping[int, Callable[[int, int, bytes], Record]]] = {
    1: _arrival,
    2: _report,
    3: _change,
    4: _tick,
    5: _counts,
    6: _audience,
    7: _end,
}


# --- records to bytes ---------------------------------------------------------------------------------------


def pack(record: Record) -> bytes:
    """The bytes of a record, as the engine writes them. RecordError: a number that its field cannot hold."""
    kind, body = _WRITERS[type(record)]
    try:
        return _HEAD.pack(kind, record.seat, record.now_us) + body(record)
    except (error, ValueError, OverflowError) as why:
        raise RecordError(f"{type(record).__name__.lower()}: {why}") from None


def _pack_arrival(record: Arrival) -> bytes:
    kept = 0 if record.whole else len(record.data)
    shapes = b"".join(_SHAPE.pack(s.n_bytes, s.toc, s.count, s.has_fec) for s in record.shapes)
    head = _ARRIVAL.pack(record.verdict, record.n_bytes, len(record.shapes), kept, record.whole)
    return head + record.data + shapes


def _pack_change(record: Change) -> bytes:
    bits = record.held | record.denoised << 1 | record.before << 2
    return _CHANGE.pack(record.serial, CHANGES.index(record.what), bits, record.value)


def _pack_tick(record: Tick) -> bytes:
    rows = b"".join(_pack_row(row) for row in record.rows)
    return _TICK.pack(record.timestamp, record.n_packets, len(record.rows)) + rows


def _pack_row(row: SeatRow) -> bytes:
    bits = row.audible | row.passed << 1 | row.asked << 2
    due, done = DUE.index(row.due), DONE.index(row.done)
    return _ROW.pack(row.seat, due, done, row.heard, bits, row.seq, row.spliced)


_WRITERS: Final[Mapping[type, tuple[int, Callable[[Any], bytes]]]] = {
    Arrival: (1, _pack_arrival),
    Report: (2, lambda record: _REPORT.pack(record.vote) + record.data),
    Change: (3, _pack_change),
    Tick: (4, _pack_tick),
    Counts: (5, lambda record: _COUNTS.pack(*record.values)),
    Audience: (6, lambda record: _AUDIENCE.pack(ACTS.index(record.act), record.person)),
    End: (7, lambda record: _END.pack(REASONS.index(record.reason), record.left_out)),
}
