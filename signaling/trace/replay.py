"""A trace put into a room again, in virtual time: the same arrivals, changes and ticks; what went otherwise.

Where the sound was kept the room is on its own. Where it was not, synthetic packets stand in for it, and what
depends on sound alone is taken from the trace: whether a frame was decoded, and how far its time could be
scaled. So the jitter buffers meet with everything that they met with, and have to decide the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log10
from typing import Final

from signaling.trace.file import TraceError, TraceFile
from signaling.trace.records import COUNTERS, Arrival, Change, Counts, Record, Report, SeatRow, Tick, parse
from signaling.trace.synthetic import datagram_of
from spacecore import Space
from spacecore import Tick as Mixed
from spacecore._space import put_result
from spacecore.errors import SpacecoreError

__all__ = ["DIFFERENCES_KEPT", "Difference", "Replay", "Replayed", "replay"]

DIFFERENCES_KEPT: Final = 100
"""The first ones; the rest is counted."""
_LEAST_DB, _MOST_DB = -60.0, 20.0
# Of a datagram that was no audio only the header is kept, so what was wrong with it may be another word.
_OF_WHOLE: Final = ("datagrams", "malformed", "bad_duration")


@dataclass(frozen=True, slots=True)
class Difference:
    """The replay did something else than the recording."""

    now_us: int
    seat: int
    what: str
    recorded: str
    replayed: str


@dataclass(slots=True)
class Replayed:
    """What came of a replay. `settling` are differences of seats that were there before the trace began.

    Their jitter buffers begin anew, so they differ until these have learned the network again.
    """

    ticks: int = 0
    arrivals: int = 0
    changes: int = 0
    n_differences: int = 0
    settling: int = 0
    differences: list[Difference] = field(default_factory=list)
    counts: dict[int, Counts] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether every decision was the same, of the seats that were added while it was traced."""
        return self.n_differences == 0


def replay(trace: TraceFile) -> Replayed:
    """Replay a whole trace, as fast as it goes. TraceError('bad_record'): no room could have written it."""
    run = Replay(trace)
    for _ in run.steps():
        pass
    return run.outcome


class Replay:
    """One replay. Iterate over `steps`, at any speed; `outcome` grows meanwhile, and is whole at the end.

    `steps` raises TraceError('bad_record') for what no room could have written.
    """

    def __init__(self, trace: TraceFile) -> None:
        settings = dict(trace.header.settings)
        if not trace.header.audio:
            settings["denoise"] = False  # there is no sound to take noise out of
        self._trace = trace
        self._space = Space(**settings)  # type: ignore[arg-type]
        self._own = self._space.trace()
        self._before: set[int] = set()
        self._expected: deque[Record] = deque()
        self.outcome = Replayed()

    def steps(self) -> Iterator[tuple[int, Mixed]]:
        """(time of the trace, what the tick yielded), tick by tick."""
        for number, record in enumerate(self._trace.records, 1):
            try:
                mixed = self._put(record)
            except (SpacecoreError, ValueError) as error:
                raise TraceError(
                    "bad_record",
                    f"record {number} is nothing that a room did: {error}; record the trace anew",
                ) from error
            if mixed is not None:
                yield record.now_us, mixed
        self._compare()

    def _put(self, record: Record) -> Mixed | None:
        match record:
            case Arrival():
                self._expected.append(record)
                self._space.put(record.seat, datagram_of(record), record.now_us)
                self.outcome.arrivals += 1
            case Report():
                seat = record.seat if record.seat >= 0 else None
                self._space.report(seat, record.data, record.now_us, vote=record.vote)
            case Change():
                self._change(record)
            case Counts():
                self._expected.append(record)
            case Tick():
                return self._tick(record)
            case _:
                pass
        return None

    def _tick(self, record: Tick) -> Mixed:
        self._expected.append(record)
        if not self._trace.header.audio:
            self._follow(record)
        mixed = self._space.tick(record.now_us)
        self.outcome.ticks += 1
        self._compare()
        return mixed

    def _change(self, change: Change) -> None:
        self.outcome.changes += 1
        seat, space = change.seat, self._space
        if change.before:
            self._before.add(seat)
        if change.what in ("add", "add_pcm"):
            if not change.before:
                self._before.discard(seat)
            denoise = change.denoised and self._trace.header.audio
            space.add_seat(
                seat, pcm=change.what == "add_pcm", gain_db=_decibels(change.value), denoise=denoise
            )
        elif change.what == "remove":
            space.remove_seat(seat)
        elif change.what == "mute":
            space.mute(seat, change.value != 0)
        else:
            space.set_gain(seat, _decibels(change.value))

    def _follow(self, tick: Tick) -> None:
        for row in tick.rows:
            if row.done and row.seat in self._space.seats:
                self._space.follow(row.seat, row.done, abs(row.spliced) if row.asked else -1)

    # Comparing

    def _compare(self) -> None:
        """What this room wrote down of itself with what the other had."""
        for data in self._own.read():
            found = parse(data)
            if not isinstance(found, Arrival | Tick | Counts):
                continue
            if isinstance(found, Counts):
                self.outcome.counts[found.seat] = found
            self._meet(found)

    def _meet(self, found: Arrival | Tick | Counts) -> None:
        """The records come in the same order, but for those that the recording lost."""
        expected = self._expected
        while expected and not _same_place(expected[0], found):
            if not any(_same_place(each, found) for each in expected):
                return  # the recording has none of it
            expected.popleft()
        if expected:
            self._judge(expected.popleft(), found)

    def _judge(self, recorded: Record, found: Record) -> None:
        match recorded, found:
            case Arrival(), Arrival():
                if recorded.verdict != found.verdict and (recorded.whole or recorded.shapes):
                    words = put_result(recorded.verdict), put_result(found.verdict)
                    self._differ(found.now_us, found.seat, "arrival", *words)
            case Tick(), Tick():
                rows = {row.seat: row for row in recorded.rows}
                for row in found.rows:
                    if row.seat in rows and _decided(rows[row.seat]) != _decided(row):
                        words = _decided(rows[row.seat]), _decided(row)
                        self._differ(found.now_us, row.seat, "tick", *words)
            case Counts(), Counts():
                for name, was, now in zip(COUNTERS, recorded.values, found.values, strict=True):
                    if was != now and (self._trace.header.audio or name not in _OF_WHOLE):
                        self._differ(found.now_us, found.seat, name, str(was), str(now))
            case _:
                pass

    def _differ(self, now_us: int, seat: int, what: str, recorded: str, replayed: str) -> None:
        outcome = self.outcome
        if seat in self._before:
            outcome.settling += 1
            return
        outcome.n_differences += 1
        if len(outcome.differences) < DIFFERENCES_KEPT:
            outcome.differences.append(Difference(now_us, seat, what, recorded, replayed))


def _same_place(one: Record, other: Record) -> bool:
    return type(one) is type(other) and (one.seat, one.now_us) == (other.seat, other.now_us)


def _decided(row: SeatRow) -> str:
    return f"{row.due} {row.seq}, {row.done or 'nothing'}, {row.spliced:+d}"


def _decibels(linear: float) -> float:
    """So that the engine's float32 comes out as it was."""
    return min(max(20 * log10(linear), _LEAST_DB), _MOST_DB) if linear > 0 else _LEAST_DB
