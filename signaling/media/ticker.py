"""When rooms tick: deadlines on an absolute grid, so that lateness never adds up. Pure; `now_us` comes in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATCH_UP_TICKS", "EARLY_US", "TICK_US", "Lateness", "Ticker", "TickerCounts"]

TICK_US = 20_000
CATCH_UP_TICKS = 3
# uvloop's timers count whole milliseconds; waiting once more for less than one would cost a turn of the loop.
EARLY_US = 1_000


_BUCKET_US = 100
_BUCKETS = 500  # up to 50 ms; what is later counts as that


class Lateness:
    """How late ticks were: a histogram since the start, in steps of 100 µs up to 50 ms."""

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self._count = 0

    def add(self, late_us: int) -> None:
        """One tick."""
        self._buckets[min(max(late_us, 0) // _BUCKET_US, _BUCKETS - 1)] += 1
        self._count += 1

    def steps(self) -> list[tuple[int, int]]:
        """[(µs, ticks), …]: ticks that were so late, or up to one step later; only steps with ticks."""
        return [(number * _BUCKET_US, count) for number, count in enumerate(self._buckets) if count]

    def percentile_us(self, percent: float) -> int:
        """So many of a hundred ticks were at most this late; 0 without any."""
        wanted = self._count * percent / 100
        seen = 0
        for number, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return (number + 1) * _BUCKET_US
        return 0


@dataclass(slots=True)
class TickerCounts:
    """Counters since the start; reading them changes nothing."""

    ticks: int = 0
    late: int = 0  # ticks run a whole period or more after their deadline
    skipped: int = 0  # deadlines that passed without a tick
    resyncs: int = 0  # how often deadlines were skipped
    worst_late_us: int = 0


class Ticker:
    """Says which ticks are due. **Deadline n is start + n × 20 ms, whatever happened before.**

    Call `due(now_us)` when woken and run one tick for each deadline it returns; wake again at `next_us`.
    After a delay at most 3 ticks are caught up beside the one that is due; deadlines older than that are
    skipped and counted, and the grid stays where it was.
    """

    __slots__ = ("_next_us", "counts", "lateness")

    def __init__(self, start_us: int) -> None:
        self.counts = TickerCounts()
        self.lateness = Lateness()
        self._next_us = start_us

    @property
    def next_us(self) -> int:
        """The first deadline that is not run."""
        return self._next_us

    def due(self, now_us: int) -> range:
        """The deadlines to run now, oldest first; they count as run. Empty if it is too early."""
        late_us = now_us - self._next_us
        if late_us < -EARLY_US:
            return range(0)
        counts = self.counts
        due = 1 + max(0, late_us) // TICK_US
        skipped = max(0, due - 1 - CATCH_UP_TICKS)
        first_us = self._next_us + skipped * TICK_US
        for tick_us in range(first_us, self._next_us + due * TICK_US, TICK_US):
            self.lateness.add(now_us - tick_us)
        self._next_us += due * TICK_US
        counts.ticks += due - skipped
        counts.late += due - 1 - skipped
        counts.worst_late_us = max(counts.worst_late_us, late_us)
        if skipped:
            counts.skipped += skipped
            counts.resyncs += 1
        return range(first_us, self._next_us, TICK_US)
