"""What a trace says of its seats: how their datagrams came, and what their listeners got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.trace.file import TraceFile
from signaling.trace.records import Arrival, Audience, Change, Counts, Report, Tick
from spacecore._space import put_result

__all__ = ["SeatSummary", "Summary", "summarise"]

_TICK_US = 20_000
_SAMPLES_MS = 48


@dataclass(slots=True)
class SeatSummary:
    """One seat. `verdicts` are datagrams by the engine's word, `due` ticks by what the jitter buffer gave.

    `missing`: sequence numbers of frames that came in no datagram. `jitter_ms` is RFC 3550 section 6.4.1, the
    mean of its running value; `longest_gap_ms` the longest time between two datagrams in which sequence
    numbers say there was sound.
    """

    seat: int
    datagrams: int = 0
    n_bytes: int = 0
    missing: int = 0
    jitter_ms: float = 0.0
    longest_gap_ms: float = 0.0
    verdicts: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    spliced_ms: float = 0.0
    delay_ms: float = 0.0
    target_ms: float = 0.0
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Summary:
    """A whole trace. `late_ticks`: that began more than a tick after the one before."""

    seconds: float
    ticks: int
    late_ticks: int
    changes: int
    reports: int
    entered: int
    left: int
    seats: dict[int, SeatSummary]


def summarise(trace: TraceFile) -> Summary:
    """Add it all up."""
    found = Summary(0.0, 0, 0, 0, 0, 0, 0, {})
    streams: dict[int, _Stream] = {}
    first_us = last_us = tick_us = 0
    for record in trace.records:
        first_us, last_us = first_us or record.now_us, max(last_us, record.now_us)
        match record:
            case Arrival():
                streams.setdefault(record.seat, _Stream(record.seat)).take(record)
            case Tick():
                found.late_ticks += found.ticks > 0 and record.now_us - tick_us > _TICK_US
                found.ticks += 1
                tick_us = record.now_us
                for row in record.rows:
                    seat = streams.setdefault(row.seat, _Stream(row.seat)).found
                    seat.due[row.due] += 1
                    seat.spliced_ms += row.spliced / _SAMPLES_MS
            case Counts():
                seat = streams.setdefault(record.seat, _Stream(record.seat)).found
                seat.counters = record.named
                seat.delay_ms = seat.counters["delay_us"] / 1_000
                seat.target_ms = seat.counters["target_us"] / 1_000
            case Change():
                found.changes += not record.before
            case Report():
                found.reports += 1
            case Audience():
                found.entered += record.act == "enter"
                found.left += record.act == "leave"
            case _:
                pass
    found.seconds = (last_us - first_us) / 1_000_000
    found.seats = {seat: streams[seat].found for seat in sorted(streams)}
    return found


class _Stream:
    """The datagrams of one seat, as they came."""

    def __init__(self, seat: int) -> None:
        self.found = SeatSummary(seat)
        self._newest: tuple[int, int, int] | None = None  # seq, timestamp and arrival of the newest
        self._jitter_us = self._sum_us = 0.0
        self._n = 0

    def take(self, arrival: Arrival) -> None:
        found = self.found
        found.datagrams += 1
        found.n_bytes += arrival.n_bytes
        word = put_result(arrival.verdict)
        found.verdicts[word] += 1
        if arrival.verdict < 0 or len(arrival.data) < 12:
            return
        frames = int.from_bytes(arrival.data[2:4], "big") & 3
        seq = int.from_bytes(arrival.data[4:6], "big")
        timestamp = int.from_bytes(arrival.data[6:10], "big")
        if self._newest is None or word == "restart":
            self._newest = (seq + frames - 1) & 0xFFFF, timestamp + 960 * (frames - 1), arrival.now_us
            return
        step = _signed(seq - self._newest[0], 16)
        if step <= 0:
            found.missing -= word == "reordered" and found.missing > 0
            return
        self._measure(timestamp, arrival.now_us, step)
        found.missing += step - 1
        self._newest = (seq + frames - 1) & 0xFFFF, timestamp + 960 * (frames - 1), arrival.now_us

    def _measure(self, timestamp: int, now_us: int, step: int) -> None:
        if self._newest is None:
            return
        _, last_timestamp, last_us = self._newest
        apart_us = _signed(timestamp - last_timestamp, 32) * 125 / 6
        if apart_us != step * _TICK_US:
            return  # a pause of the speaker: silence is no gap
        self._jitter_us += (abs(now_us - last_us - apart_us) - self._jitter_us) / 16
        self._sum_us += self._jitter_us
        self._n += 1
        self.found.jitter_ms = self._sum_us / self._n / 1_000
        self.found.longest_gap_ms = max(self.found.longest_gap_ms, (now_us - last_us) / 1_000)


def _signed(value: int, bits: int) -> int:
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half
