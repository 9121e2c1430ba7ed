"""Playout: from arriving datagrams to 20 ms of PCM every 20 ms, on a schedule that does not drift.

No loop and no clock: times are arguments, in microseconds of any monotonic clock. `player.py` drives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from signaling.client.reports import Arrivals
from spacecore import Receiver, ReceiverStats

__all__ = ["FRAME_US", "MAX_CATCH_UP", "Frame", "Playout", "PlayoutStats", "Schedule"]

FRAME_US: Final = 20_000
MAX_CATCH_UP: Final = 3
_EARLY_US: Final = 1_000  # uvloop's timers count whole milliseconds and may come this much before their time


class Frame(NamedTuple):
    """20 ms of what is heard.

    `pcm` is a read-only memoryview of 960 float32; `status` 'frame', 'recovered', 'concealed' or 'silence';
    `level` −dBov (127 in silence); `seats` are those who speak, loudest first; `due_us` is when it is played.
    """

    pcm: memoryview
    status: str
    level: int
    seats: tuple[int, ...]
    seq: int | None
    due_us: int


class Schedule:
    """Deadlines every `period_us` from a fixed start, so that delays of the caller never add up.

    Who comes late makes up for at most three periods; what is beyond is skipped, counted, and the schedule
    starts anew from then.
    """

    def __init__(self, start_us: int, period_us: int = FRAME_US) -> None:
        self.next_us = start_us
        self.resyncs = 0
        self.skipped = 0
        self._period_us = period_us

    def due(self, now_us: int) -> int:
        """How many periods are to be done now (0 to 3)."""
        late_us = now_us + _EARLY_US - self.next_us
        if late_us < 0:
            return 0
        passed = late_us // self._period_us + 1
        if passed <= MAX_CATCH_UP:
            self.next_us += passed * self._period_us
            return passed
        self.resyncs += 1
        self.skipped += passed - MAX_CATCH_UP
        self.next_us = now_us + self._period_us
        return MAX_CATCH_UP


@dataclass(frozen=True, slots=True)
class PlayoutStats:
    """Counters since the start, in frames unless their name says otherwise, and the present delays."""

    played: int  # pulled, silence included
    frames: int  # decoded as sent
    recovered: int  # from in-band FEC
    concealed: int
    late: int
    duplicate: int
    malformed: int  # datagrams
    resyncs: int  # the schedule was missed by more than 60 ms and started anew
    skipped: int  # frames of time that were given up in this
    target_ms: float
    delay_ms: float
    # in samples at 48 kHz, see spacecore.ReceiverStats
    recovered_samples: int
    concealed_samples: int
    interrupted_samples: int
    accelerated_samples: int
    stretched_samples: int
    dropped_samples: int


class Playout:
    """The ear of a client: `put` what arrives, `take_due` what is to be played now."""

    def __init__(self, start_us: int) -> None:
        self.schedule = Schedule(start_us)
        self.arrivals = Arrivals()
        self._receiver = Receiver(down=True)
        self._played = 0
        self._concealed_reported = 0

    @property
    def next_us(self) -> int:
        """When `take_due` next has something."""
        return self.schedule.next_us

    def put(self, datagram: bytes, now_us: int) -> str:
        """Take in a datagram; returns what became of it, see `spacecore.Receiver.put`. Never raises."""
        status = self._receiver.put(datagram, now_us)
        self.arrivals.note(datagram, status, now_us)
        return status

    def take_due(self, now_us: int) -> list[Frame]:
        """The frames to play now: none before their time, at most three after a delay."""
        first_us = self.schedule.next_us
        frames = []
        for at in range(self.schedule.due(now_us)):
            heard = self._receiver.pull(now_us)
            frames.append(
                Frame(heard.pcm, heard.status, heard.level, heard.seats, heard.seq, first_us + at * FRAME_US)
            )
        self._played += len(frames)
        return frames

    def take_report(self) -> bytes | None:
        """The receiver report on what came since the last one, or None if nothing did."""
        stats = self._receiver.stats
        concealed = stats.concealed - self._concealed_reported
        report = self.arrivals.take_report(concealed, round(max(stats.delay_ms, 0)))
        if report is not None:
            self._concealed_reported = stats.concealed
        return report

    @property
    def stats(self) -> PlayoutStats:
        """As of now; reading it changes nothing."""
        heard: ReceiverStats = self._receiver.stats
        return PlayoutStats(
            played=self._played,
            frames=heard.frames,
            recovered=heard.recovered,
            concealed=heard.concealed,
            late=heard.late,
            duplicate=heard.duplicate,
            malformed=heard.malformed + heard.bad_duration,
            resyncs=self.schedule.resyncs,
            skipped=self.schedule.skipped,
            target_ms=heard.target_ms,
            delay_ms=heard.delay_ms,
            recovered_samples=heard.recovered_samples,
            concealed_samples=heard.concealed_samples,
            interrupted_samples=heard.interrupted_samples,
            accelerated_samples=heard.accelerated_samples,
            stretched_samples=heard.stretched_samples,
            dropped_samples=heard.dropped_samples,
        )
